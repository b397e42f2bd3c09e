//! `decube-testnet sim`: seeds from the command line, and what is printed of them.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use super::byzantine::Kind;
use super::faults::Counts;
use super::mutant::Mutant;
use super::runner::{Options, Outcome, Report, run, run_all};

/// A range needs so many seeds before a fault that never occurred, or too few final blocks over all
/// of them, is a failure: with fewer, chance alone may cause it.
const SEEDS_FOR_ALL: usize = 50;

/// How many blocks become final per seed while things still break, at least, over a range.
const FINALS_IN_CHAOS: u64 = 8;

/// How many seeds of a range run a second time, to see that they repeat.
const REPEATED: usize = 3;

/// Runs the simulator.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cargo sim -- --seed 7\n  cargo sim -- --seeds 0..200")]
pub struct SimArgs {
    /// Run one seed.
    #[arg(long, conflicts_with = "seeds", required_unless_present = "seeds")]
    seed: Option<u64>,
    /// Run a range of seeds, the end not included: 0..200.
    #[arg(long, value_parser = parse_range)]
    seeds: Option<Range<u64>>,
    /// Print every line of the trace.
    #[arg(long)]
    trace: bool,
    /// Go on after a violation, and list them all.
    #[arg(long)]
    keep_going: bool,
    /// How many seeds run at a time; all processors if absent.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Have this Byzantine validator, whatever the seed says.
    #[arg(long)]
    byzantine: Option<Kind>,
    /// Break a rule on purpose, to see that it is noticed.
    #[arg(long, hide = true)]
    mutant: Option<Mutant>,
}

fn parse_range(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("{text:?} is no range of seeds; write for example 0..200");
    let (start, end) = text.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_not_a_number| wrong());
    let range = number(start)?..number(end)?;
    if range.is_empty() {
        Err(format!("the range {text} has no seeds"))
    } else {
        Ok(range)
    }
}

impl SimArgs {
    /// Runs the seeds and prints what came of them.
    ///
    /// # Errors
    /// When a violation was found, a seed does not repeat, or a fault never occurred.
    pub fn run(&self) -> Result<()> {
        let options = Options {
            mutant: self.mutant,
            byzantine: self.byzantine,
            trace: self.trace,
        };
        match (self.seed, &self.seeds) {
            (Some(seed), _) => self.one(seed, options),
            (None, Some(seeds)) => self.range(seeds.clone(), options),
            (None, None) => bail!("name a seed or a range of seeds"),
        }
    }

    fn one(&self, seed: u64, options: Options) -> Result<()> {
        let started = Instant::now();
        let report = run(seed, options);
        let mut out = io::stdout().lock();
        self.print(&mut out, &report)?;
        writeln!(out, "faults:\n{}", report.counts)?;
        writeln!(
            out,
            "trace: {} lines, digest {}",
            report.lines, report.digest
        )?;
        writeln!(out, "took {}", seconds(started.elapsed()))?;
        match report.outcome {
            Outcome::Held(_) => Ok(()),
            Outcome::Violated { violation, .. } => bail!("seed {seed}: {violation}"),
        }
    }

    fn range(&self, seeds: Range<u64>, options: Options) -> Result<()> {
        let started = Instant::now();
        let threads = self.threads.or_else(|| available_parallelism().ok());
        let threads = threads.map_or(1, NonZeroUsize::get);
        let mut printed = Ok(());
        let reports = run_all(seeds.clone(), options, threads, self.keep_going, |report| {
            let done = self.print(&mut io::stdout().lock(), report);
            if printed.is_ok() {
                printed = done;
            }
        });
        printed?;
        let mut counts = Counts::default();
        reports.iter().for_each(|report| counts.add(&report.counts));
        let held = |report: &&Report| matches!(report.outcome, Outcome::Held(_));
        let finals: u64 = reports.iter().map(finals).sum();
        let mut out = io::stdout().lock();
        writeln!(out, "faults over {} seeds:\n{counts}", reports.len())?;
        writeln!(
            out,
            "{} of {} seeds held, {finals} final blocks, took {}",
            reports.iter().filter(held).count(),
            reports.len(),
            seconds(started.elapsed())
        )?;
        if let Some(bad) = reports.iter().find(|report| !held(report)) {
            bail!(
                "repeat with: cargo sim -- --seed {}{}",
                bad.seed,
                self.flags()
            );
        }
        for report in reports.iter().take(REPEATED) {
            if run(report.seed, options).digest != report.digest {
                bail!("seed {} does not repeat", report.seed);
            }
        }
        let in_chaos: u64 = reports.iter().map(finals_in_chaos).sum();
        if in_chaos < FINALS_IN_CHAOS * reports.len() as u64 && reports.len() >= SEEDS_FOR_ALL {
            bail!(
                "only {in_chaos} blocks became final while things broke, fewer than \
                {FINALS_IN_CHAOS} per seed"
            );
        }
        let missing = counts.missing();
        if !missing.is_empty() && reports.len() >= SEEDS_FOR_ALL {
            let names: Vec<_> = missing.iter().map(|fault| fault.name()).collect();
            bail!(
                "over the seeds {}..{} never occurred: {names:?}",
                seeds.start,
                seeds.end
            );
        }
        Ok(())
    }

    /// The flags that repeat a seed, besides the seed.
    fn flags(&self) -> String {
        let name = |flag, value: Option<PossibleValue>| {
            value.map_or_else(String::new, |value| {
                format!(" --{flag} {}", value.get_name())
            })
        };
        let mutant = self.mutant.and_then(|mutant| mutant.to_possible_value());
        let byzantine = self.byzantine.and_then(|kind| kind.to_possible_value());
        name("byzantine", byzantine) + &name("mutant", mutant)
    }

    fn print(&self, out: &mut impl Write, report: &Report) -> io::Result<()> {
        match &report.outcome {
            Outcome::Held(held) => writeln!(
                out,
                "seed {:>5}  held  {:>4} finals ({:>3} in chaos) of {:>4} views, {:>4} edits, {:>3} transactions, \
                 {} proofs, {:>6} ms, equal {:>5} ms after healing",
                report.seed,
                held.finals,
                held.finals_in_chaos,
                held.views,
                held.edits,
                held.submitted,
                held.proofs,
                held.virtual_ms,
                held.healing_ms
            ),
            Outcome::Violated { violation, tail } => {
                if !self.trace && !self.keep_going {
                    for line in tail {
                        writeln!(out, "{line}")?;
                    }
                }
                writeln!(out, "seed {:>5}  VIOLATED  {violation}", report.seed)?;
                let flag = self.flags();
                writeln!(
                    out,
                    "repeat with: cargo sim -- --seed {}{flag}",
                    report.seed
                )
            }
        }
    }
}

fn finals(report: &Report) -> u64 {
    match &report.outcome {
        Outcome::Held(held) => held.finals,
        Outcome::Violated { .. } => 0,
    }
}

fn finals_in_chaos(report: &Report) -> u64 {
    match &report.outcome {
        Outcome::Held(held) => held.finals_in_chaos,
        Outcome::Violated { .. } => 0,
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_empty_ones_refused() {
        assert_eq!(parse_range("0..200"), Ok(0..200));
        for bad in ["7", "5..5", "9..2", "a..b", "1..", "..3"] {
            assert!(parse_range(bad).is_err(), "{bad}");
        }
    }
}
