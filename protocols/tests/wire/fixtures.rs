//! The bytes of one rich example of each message, one line for each alternative it has; those with
//! keys or signatures of validators once for each scheme of votes.
//!
//! A difference means that the format changed: nodes of another version would not understand.
//! When that is meant, run with `DECUBE_FIXTURES=1` to write the files anew.

use std::fs;
use std::path::PathBuf;

use decube_protocols::types::VoteScheme;
use decube_protocols::wire::{Message, decode, encode};

use crate::messages::{EveryMessage, for_every_message};
use crate::sample::{Sample, Samples};

struct Fixtures {
    checked: usize,
}

fn examples<T: Sample>(scheme: VoteScheme) -> Vec<T> {
    (0..T::KINDS)
        .map(|kind| T::sample(&mut Samples::new(kind, true).voting(scheme), kind))
        .collect()
}

fn lines<T: Message>(examples: &[T]) -> String {
    examples
        .iter()
        .map(|example| hex::encode(encode(example)) + "\n")
        .collect()
}

impl EveryMessage for Fixtures {
    fn run<T: Message + Sample + PartialEq + std::fmt::Debug>(&mut self) {
        let (ed25519, hybrid) = (
            examples::<T>(VoteScheme::Ed25519),
            examples::<T>(VoteScheme::Hybrid),
        );
        if ed25519 != hybrid {
            self.check("hybrid.hex", &hybrid);
        }
        self.check("hex", &ed25519);
    }
}

impl Fixtures {
    fn check<T: Message + PartialEq + std::fmt::Debug>(&mut self, extension: &str, examples: &[T]) {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/wire");
        let path = folder.join(T::NAME).with_extension(extension);
        let lines = lines(examples);
        if std::env::var_os("DECUBE_FIXTURES").is_some() {
            fs::write(&path, &lines).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap();
        assert_eq!(lines, expected, "the encoding of {} changed", T::NAME);
        for (line, example) in expected.lines().zip(examples) {
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
