//! The seeded runner: targets of fuzzing on the stable toolchain.
//!
//! An input is a file of a target's corpus that was changed in one to four places: bits, bytes and
//! ranges are overwritten, cut, inserted, doubled, or taken from another file of the corpus, and
//! where a file is a protobuf message, fields at any depth are dropped, doubled, moved, renumbered,
//! grafted or changed inside, with the lengths around them put right. A few inputs are unchanged
//! files, and a few are random.
//!
//! # Invariants
//! - The seed, the target's name and the number of an input decide it together with the corpus
//!   (`runner_tests::a_seed_decides_the_inputs`).
//! - A panic names the input that caused it, in the form in which it can be kept in the corpus.

pub(crate) mod bytes;
pub(crate) mod corpus;
pub(crate) mod protobuf;
pub(crate) mod random;
pub(crate) mod table;

use std::env;
use std::time::Instant;

use random::Random;

/// The inputs for each target when the environment names no number: a share that each run of the
/// tests takes.
const SHARE: u64 = 1000;

/// The most random bytes that make an input.
const MAX_RANDOM: usize = 300;

/// What is run.
pub(crate) struct Plan {
    /// How many inputs for each target.
    inputs: u64,
    seed: u64,
    /// What the names of the targets contain.
    only: Option<String>,
}

impl Plan {
    /// The plan that the environment asks for: `DECUBE_FUZZ_INPUTS`, `DECUBE_FUZZ_SEED`, and
    /// `DECUBE_FUZZ_ONLY` for a part of the targets' names.
    pub(crate) fn from_environment() -> Self {
        let number = |name| {
            let text = env::var(name).ok()?;
            Some(text.parse().expect("the variable is a number"))
        };
        Self {
            inputs: number("DECUBE_FUZZ_INPUTS").unwrap_or(SHARE),
            seed: number("DECUBE_FUZZ_SEED").unwrap_or(1),
            only: env::var("DECUBE_FUZZ_ONLY").ok(),
        }
    }

    /// Gives every target its inputs, after the checks that each has a corpus, of which it accepts
    /// a file, and a binary in the fuzz crate of `folder`; prints the table.
    pub(crate) fn run(
        &self,
        folder: &str,
        names: &[&str],
        samples: impl Fn(&str) -> Vec<Vec<u8>>,
        probe: &mut impl Probe,
    ) {
        if corpus::is_to_be_written() {
            for name in names {
                corpus::write(folder, name, &samples(name));
            }
        }
        corpus::assert_named(folder, names);
        println!("{}", table::head(self));
        let is_wanted = |name: &&&str| self.only.as_ref().is_none_or(|only| name.contains(only));
        for name in names.iter().filter(is_wanted) {
            let corpus = corpus::read(folder, name);
            let accepts = corpus.iter().any(|file| probe.run(name, file));
            assert!(accepts, "{name} accepts no file of its corpus");
            let start = Instant::now();
            let count = self.run_one(name, &corpus, probe);
            println!(
                "{}",
                table::row(name, &count, start.elapsed(), probe.worst())
            );
            assert!(
                count.refused > 0 && count.accepted > 0,
                "{name} is one-sided"
            );
        }
    }

    fn run_one(&self, name: &str, corpus: &[Vec<u8>], probe: &mut impl Probe) -> Count {
        let mut count = Count::default();
        for number in 0..self.inputs {
            let input = input(self.seed, name, number, corpus);
            let told = Told {
                name,
                number,
                input: &input,
            };
            if probe.run(name, told.input) {
                count.accepted += 1;
            } else {
                count.refused += 1;
            }
            count.bytes += input.len() as u64;
        }
        count
    }
}

/// Runs targets by their names, and measures what it wants.
pub(crate) trait Probe {
    /// Whether the target accepts the bytes.
    fn run(&mut self, name: &str, bytes: &[u8]) -> bool;

    /// The most memory that an input took since this was asked last, in hundredths of its own size,
    /// where that is measured.
    fn worst(&mut self) -> Option<usize>;
}

/// What became of the inputs of a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    /// The length of all together.
    pub(crate) bytes: u64,
}

/// Tells of an input when its target panics.
struct Told<'a> {
    name: &'a str,
    number: u64,
    input: &'a [u8],
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let digits: String = self
                .input
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            println!("{} failed at input {}: {digits}", self.name, self.number);
        }
    }
}

/// One input. Each has a generator of its own, so that any can be had alone.
pub(crate) fn input(seed: u64, name: &str, number: u64, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut mixed = Random::new(seed).number();
    for byte in name.bytes() {
        mixed = Random::new(mixed ^ u64::from(byte)).number();
    }
    let mut random = Random::new(mixed ^ number);
    let (Some(file), Some(other)) = (random.pick(corpus), random.pick(corpus)) else {
        return Vec::new();
    };
    match random.below(32) {
        0 => return file.clone(),
        1 => {
            let length = random.below(MAX_RANDOM);
            return random.bytes(length);
        }
        _ => {}
    }
    let mut changed = file.clone();
    for _ in 0..=random.below(4) {
        let inside = if random.one_in(3) {
            None
        } else {
            protobuf::change(&changed, other, &mut random)
        };
        match inside {
            Some(inside) => changed = inside,
            None => bytes::change(&mut changed, other, &mut random),
        }
    }
    changed
}
