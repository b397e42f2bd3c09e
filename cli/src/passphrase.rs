//! Where the passphrase of sealed keys comes from: a terminal, a file, or a file descriptor. Never an
//! argument or a variable of the environment, which others can see.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use decube_crypto::ValidatorSecret;
use decube_store::keys::{self, KeyError, KeyKind, MAX_PASSPHRASE, Passphrase};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use zeroize::{Zeroize, Zeroizing};

use crate::output;

/// How often a passphrase may be typed wrongly for one key.
const ATTEMPTS: u32 = 3;

/// The most bytes that are read: a passphrase, the end of its line, and one that shows that there
/// is more.
const MAX_READ: usize = MAX_PASSPHRASE + 3;

/// Where the passphrase comes from, when not from the terminal.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Passphrase of sealed keys (asked at the terminal without these)")]
pub(crate) struct PassphraseFlags {
    /// Read it from a file that nobody else can read.
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_fd")]
    passphrase_file: Option<PathBuf>,
    /// Read it from a file descriptor that is open, such as 3.
    #[arg(long, value_name = "NUMBER")]
    passphrase_fd: Option<u32>,
}

impl PassphraseFlags {
    /// The passphrase of the file `path`.
    pub(crate) fn ask(&self, path: &Path) -> Result<Passphrase, KeyError> {
        match self.given()? {
            Some(given) => Ok(given),
            None => prompt(&format!("passphrase of {}: ", path.display())),
        }
    }

    /// A new passphrase for the file `path`; at a terminal it is asked for twice.
    pub(crate) fn ask_new(&self, path: &Path) -> Result<Passphrase, KeyError> {
        if let Some(given) = self.given()? {
            return Ok(given);
        }
        let first = prompt(&format!("new passphrase for {}: ", path.display()))?;
        if first.is(&prompt("the same again: ")?) {
            return Ok(first);
        }
        let message = "the two passphrases are not the same; nothing was changed";
        Err(KeyError::NoPassphrase(message.into()))
    }

    fn given(&self) -> Result<Option<Passphrase>, KeyError> {
        match (&self.passphrase_file, self.passphrase_fd) {
            (Some(path), _) => of_file(path).map(Some),
            (None, Some(number)) => of_descriptor(number).map(Some),
            (None, None) => Ok(None),
        }
    }

    fn is_given(&self) -> bool {
        self.passphrase_file.is_some() || self.passphrase_fd.is_some()
    }
}

/// Opens the keys of a data directory, with one passphrase as far as it fits.
pub(crate) struct Unlocker<'a> {
    flags: &'a PassphraseFlags,
    // A file descriptor can be read only once.
    last: Option<Passphrase>,
}

impl<'a> Unlocker<'a> {
    /// Has asked nothing yet.
    pub(crate) fn new(flags: &'a PassphraseFlags) -> Self {
        Self { flags, last: None }
    }

    /// Reads a key; asks when it is sealed, and at a terminal again when the passphrase is wrong.
    pub(crate) fn open(
        &mut self,
        directory: &Path,
        kind: KeyKind,
    ) -> Result<ValidatorSecret, KeyError> {
        let mut attempt = 0;
        loop {
            let asked = attempt > 0 || self.last.is_none();
            let result = keys::open(directory, kind, |path| {
                let passphrase = match self.last.take() {
                    Some(last) if attempt == 0 => last,
                    Some(_) | None => self.flags.ask(path)?,
                };
                self.last = Some(passphrase.clone());
                Ok(passphrase)
            });
            let may_ask = !self.flags.is_given() && attempt < ATTEMPTS;
            match result {
                Err(error @ KeyError::Passphrase { .. }) if may_ask => {
                    if asked {
                        output::note(&error.to_string());
                    }
                    attempt += 1;
                }
                result => return result,
            }
        }
    }
}

fn none(message: String) -> KeyError {
    KeyError::NoPassphrase(message)
}

fn of_file(path: &Path) -> Result<Passphrase, KeyError> {
    let failed = |error: io::Error| {
        none(format!(
            "the passphrase file {} cannot be read: {error}",
            path.display()
        ))
    };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(none(format!(
            "the passphrase file {path} can be read by others (mode {mode:04o}): chmod 600 {path}",
            path = path.display()
        )));
    }
    let line = read(file).map_err(failed)?;
    take(line, &format!("in {}", path.display()))
}

/// Reads what is open already under a number. It is named by its file, since adopting a number would
/// mean to trust that nothing else of the process uses it.
fn of_descriptor(number: u32) -> Result<Passphrase, KeyError> {
    let opened = File::open(format!("/dev/fd/{number}")).and_then(read);
    let line = opened
        .map_err(|error| none(format!("file descriptor {number} cannot be read: {error}")))?;
    take(line, &format!("of file descriptor {number}"))
}

fn read(file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    // Room for more than is read, so that no copy of a shorter text stays in memory.
    let mut line = Zeroizing::new(Vec::with_capacity(2 * MAX_READ));
    file.take(MAX_READ as u64).read_to_end(&mut line)?;
    Ok(line)
}

fn take(line: Zeroizing<Vec<u8>>, place: &str) -> Result<Passphrase, KeyError> {
    Passphrase::new(line).map_err(|error| none(format!("{error} ({place})")))
}

/// Asks at the terminal, without echo.
fn prompt(text: &str) -> Result<Passphrase, KeyError> {
    let failed = |error: &dyn std::fmt::Display| none(format!("the terminal fails: {error}"));
    let input = io::stdin();
    if !input.is_terminal() {
        return Err(none(format!(
            "there is no terminal to ask for the {}; give it with --passphrase-file FILE or \
             --passphrase-fd NUMBER",
            text.trim_end_matches([':', ' '])
        )));
    }
    let silence = Silence::over(&input).map_err(|error| failed(&error))?;
    let mut errors = io::stderr();
    let shown = write!(errors, "{text}").and_then(|()| errors.flush());
    shown.map_err(|error| failed(&error))?;
    let typed = type_in(&input).map_err(|error| failed(&error))?;
    drop(silence);
    output::note("");
    match typed {
        Some(line) => take(line, "typed"),
        None => Err(none("no passphrase was given; nothing was changed".into())),
    }
}

/// Reads a line, byte by byte and past every buffer. Gives none when the user wants to leave.
fn type_in(input: &impl AsFd) -> rustix::io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_READ));
    let mut byte = Zeroizing::new([0; 1]);
    loop {
        let ended = match rustix::io::read(input, &mut *byte) {
            Ok(count) => count == 0,
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error),
        };
        match byte[0] {
            // Ctrl-C, and Ctrl-D on an empty line.
            3 => return Ok(None),
            4 if line.is_empty() => return Ok(None),
            _ if ended && line.is_empty() => return Ok(None),
            4 | b'\n' | b'\r' => return Ok(Some(line)),
            _ if ended => return Ok(Some(line)),
            8 | 127 => erase(&mut line),
            // Ctrl-U.
            21 => {
                line.as_mut_slice().zeroize();
                line.clear();
            }
            // What is longer is refused as too long.
            other if line.len() < MAX_READ => line.push(other),
            _ => {}
        }
    }
}

/// Takes the last character of a UTF-8 text off.
fn erase(line: &mut Vec<u8>) {
    while let Some(byte) = line.pop() {
        if byte & 0b1100_0000 != 0b1000_0000 {
            return;
        }
    }
}

/// A terminal that shows nothing of what is typed, until this is dropped. Ctrl-C arrives as a
/// byte, so that the terminal is always given back as it was.
struct Silence<'a, Fd: AsFd> {
    terminal: &'a Fd,
    before: Termios,
}

impl<'a, Fd: AsFd> Silence<'a, Fd> {
    fn over(terminal: &'a Fd) -> rustix::io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl<Fd: AsFd> Drop for Silence<'_, Fd> {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _restored = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erasing_takes_whole_characters() {
        let mut line = "aß→".as_bytes().to_vec();
        erase(&mut line);
        assert_eq!(line, "aß".as_bytes());
        erase(&mut line);
        erase(&mut line);
        erase(&mut line);
        assert!(line.is_empty());
    }
}
