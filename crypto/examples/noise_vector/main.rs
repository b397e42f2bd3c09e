//! Replays a known answer of the post-quantum handshake: `noise_vector FILE`.
//!
//! It prints what the replay and the file agree on: the sizes of the messages, message C, the
//! handshake hash and both keys. It ends with a status other than zero and says what is wrong when a
//! value differs or the file is not of the form of `data/noise-xxhfs-mlkem768.json`.

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
    let replayed = Vector::parse(&json)
        .and_then(|vector| vector.replay())
        .map_err(|error| format!("{shown}: {error}"))?;
    print(&replayed).map_err(|error| error.to_string())
}

fn print(replayed: &Replayed) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for (field, value) in &replayed.agreed {
        writeln!(out, "{field}: {value}")?;
    }
    let backends = replayed.backends.join(", ");
    writeln!(out, "same secret decapsulated by: {backends}")
}
