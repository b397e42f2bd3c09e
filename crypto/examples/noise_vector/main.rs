//! Replays a known answer of the post-quantum handshake: `noise_vector FILE`.
//!
//! It prints what the replay gives: the sizes of the messages, message C, the handshake hash and both
//! keys. Of these values the file may say what is expected. It ends with a status other than zero
//! and says what is wrong when one differs, or when the file is not of the form of
//! `data/noise-xxhfs-mlkem768.json`.

mod replay;
mod seeded;

use std::process::ExitCode;
use std::{env, fs, io};

use io::Write;
use replay::{Replayed, Vector};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            // With standard error closed there is nobody left to tell.
            let _ = writeln!(io::stderr(), "error: {cause}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let mut arguments = env::args_os().skip(1);
    let (Some(file), None) = (arguments.next(), arguments.next()) else {
        return Err("usage: noise_vector FILE".to_owned());
    };
    let shown = file.display();
    let json = fs::read_to_string(&file).map_err(|error| format!("{shown}: {error}"))?;
    let named = |error| format!("{shown}: {error}");
    let vector = Vector::parse(&json).map_err(named)?;
    let replayed = vector.replay().map_err(named)?;
    print(&replayed).map_err(|error| error.to_string())?;
    vector.check(&replayed).map_err(named)
}

fn print(replayed: &Replayed) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for (field, value) in &replayed.values {
        writeln!(out, "{field}: {value}")?;
    }
    let backends = replayed.backends.join(", ");
    writeln!(out, "same secret decapsulated by: {backends}")
}
