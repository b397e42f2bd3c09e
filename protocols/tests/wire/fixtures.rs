//! The bytes of one rich example of each message, one line for each alternative it has.
//!
//! A difference means that the format changed: nodes of another version would not understand.
//! When that is meant, run with `DECUBE_FIXTURES=1` to write the files anew.

use std::fs;
use std::path::PathBuf;

use decube_protocols::wire::{Message, decode, encode};

use crate::messages::{EveryMessage, for_every_message};
use crate::sample::{Sample, Samples};

struct Fixtures {
    checked: usize,
}

impl EveryMessage for Fixtures {
    fn run<T: Message + Sample + PartialEq + std::fmt::Debug>(&mut self) {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/wire");
        let path = folder.join(T::NAME).with_extension("hex");
        let examples: Vec<T> = (0..T::KINDS)
            .map(|kind| T::sample(&mut Samples::new(kind, true), kind))
            .collect();
        let mut lines = String::new();
        for example in &examples {
            lines.push_str(&hex::encode(encode(example)));
            lines.push('\n');
        }
        if std::env::var_os("DECUBE_FIXTURES").is_some() {
            fs::write(&path, &lines).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap();
        assert_eq!(lines, expected, "the encoding of {} changed", T::NAME);
        for (line, example) in expected.lines().zip(&examples) {
            assert_eq!(
                decode::<T>(&hex::decode(line).unwrap()).as_ref(),
                Ok(example)
            );
        }
        self.checked += 1;
    }
}

#[test]
fn the_bytes_of_every_message_stay_what_they_are() {
    let mut fixtures = Fixtures { checked: 0 };
    for_every_message(&mut fixtures);
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/wire");
    let files = fs::read_dir(folder).unwrap().count();
    assert_eq!(files, fixtures.checked, "a fixture belongs to no message");
}
