//! What the machine and the processes on it say: memory, processor time, the disk's speed.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use serde::Serialize;

use super::stats::median;

/// How many writes the disk's speed is measured with: a tenth of a second on a common one.
const DISK_WRITES: usize = 200;
/// What is written each time: about the records of one vote.
const DISK_WRITE: [u8; 1024] = [7; 1024];
/// The unit of processor times under `/proc`: Linux tells user space a hundredth of a second on all
/// architectures (`USER_HZ`, proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;

/// What was measured on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Machine {
    /// Processors that this program may use.
    pub processors: usize,
    /// What the first one is called.
    pub processor: Option<String>,
    /// Memory of the machine in MiB.
    pub memory_mib: Option<u64>,
    /// Median of appending 1 KiB to a file and waiting for the disk (fdatasync), in milliseconds.
    pub disk_sync_ms: f64,
    /// How this program was built.
    pub build: &'static str,
}

impl Machine {
    /// Looks at the machine, and writes a little in `directory`.
    pub(super) fn look(directory: &Path) -> Result<Self> {
        let memory = field(Path::new("/proc/meminfo"), "MemTotal:");
        Ok(Self {
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            processor: processor(),
            memory_mib: memory.map(|kib| kib / 1024),
            disk_sync_ms: disk_sync(directory)?,
            build: if cfg!(debug_assertions) {
                "dev"
            } else {
                "release"
            },
        })
    }
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().into())
}

fn disk_sync(directory: &Path) -> Result<f64> {
    let path = directory.join("disk-speed");
    let mut file =
        File::create_new(&path).with_context(|| format!("cannot make {}", path.display()))?;
    let mut times = Vec::with_capacity(DISK_WRITES);
    for _ in 0..DISK_WRITES {
        let started = Instant::now();
        let written = file.write_all(&DISK_WRITE).and_then(|()| file.sync_data());
        written.with_context(|| format!("cannot write {}", path.display()))?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    median(&times).context("there are measurements")
}

/// What a process uses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Usage {
    /// Resident memory in MiB.
    pub resident_mib: f64,
    /// The most resident memory so far in MiB.
    pub peak_mib: f64,
    /// Processor time since its start in seconds.
    pub processor_seconds: f64,
}

/// What a process uses now.
pub(super) fn usage(process: u32) -> Result<Usage> {
    let directory = Path::new("/proc").join(process.to_string());
    let mib = |name| {
        let kib = field(&directory.join("status"), name);
        let kib = kib.with_context(|| format!("process {process} does not tell {name}"))?;
        anyhow::Ok(f64::from(u32::try_from(kib)?) / 1024.0)
    };
    let stat = fs::read_to_string(directory.join("stat"));
    let stat = stat.with_context(|| format!("process {process} is gone"))?;
    let ticks = ticks(&stat).with_context(|| format!("process {process} tells no times"))?;
    Ok(Usage {
        resident_mib: mib("VmRSS:")?,
        peak_mib: mib("VmHWM:")?,
        processor_seconds: f64::from(u32::try_from(ticks)?) / TICKS_PER_SECOND,
    })
}

/// The number after `name` at the start of a line.
fn field(path: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The sum of user and system time in a process's `stat` (proc(5)): fields 14 and 15, counted
/// after the command, which may have spaces and parentheses in it.
fn ticks(stat: &str) -> Option<u64> {
    let after = stat.rsplit_once(')')?.1;
    let mut fields = after.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_times_stand_after_any_command() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 1 0 9 8 7";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("7 (a) S 1"), None);
    }

    #[test]
    fn this_process_uses_something() {
        let usage = usage(std::process::id()).unwrap();
        assert!(
            usage.resident_mib > 1.0 && usage.peak_mib >= usage.resident_mib,
            "{usage:?}"
        );
    }

    #[test]
    fn the_disk_is_measured_and_nothing_stays() {
        let directory = tempfile::tempdir().unwrap();
        let machine = Machine::look(directory.path()).unwrap();
        assert!(
            machine.disk_sync_ms > 0.0 && machine.processors > 0,
            "{machine:?}"
        );
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
