//! The files from which inputs are made: `fuzz/corpus/TARGET/NAME` in the folder of the crate, as
//! cargo-fuzz has them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The largest file that is taken, so that one find of a long run does not slow all runs down.
const MAX_FILE: usize = 64 << 10;

/// Whether the environment asks for the samples to be written: `DECUBE_CORPUS=1`.
pub(crate) fn is_to_be_written() -> bool {
    std::env::var_os("DECUBE_CORPUS").is_some()
}

/// Writes the valid samples of a target.
pub(crate) fn write(crate_folder: &str, target: &str, samples: &[Vec<u8>]) {
    let folder = folder(crate_folder, target);
    fs::create_dir_all(&folder).unwrap();
    for (index, sample) in samples.iter().enumerate() {
        fs::write(folder.join(format!("sample-{index}")), sample).unwrap();
    }
}

/// The files of a target, in the order of their names.
pub(crate) fn read(crate_folder: &str, target: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder(crate_folder, target)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let files = paths.iter().map(|path| fs::read(path).unwrap());
    files.filter(|file| file.len() <= MAX_FILE).collect()
}

/// Each target, and nothing else, has a folder, and a binary in the manifest of the fuzz crate.
pub(crate) fn assert_named(crate_folder: &str, names: &[&str]) {
    let fuzz = Path::new(crate_folder).join("fuzz");
    let entries = fs::read_dir(fuzz.join("corpus")).unwrap();
    let folders: BTreeSet<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    let named = |binary: &str| {
        let line = binary.lines().find_map(|line| line.strip_prefix("name = "));
        line.unwrap().trim_matches('"').to_owned()
    };
    let binaries: BTreeSet<String> = manifest.split("[[bin]]").skip(1).map(named).collect();
    let names: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(
        (&folders, &binaries),
        (&names, &names),
        "folders and binaries, and targets"
    );
}

fn folder(crate_folder: &str, target: &str) -> PathBuf {
    Path::new(crate_folder).join("fuzz/corpus").join(target)
}
