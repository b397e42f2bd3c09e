//! The checked-in code is what pb-rs writes for `protocols/proto`.
//!
//! After a change there, run with `DECUBE_REGENERATE=1` to write the code anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn generate(to: &Path) {
    let proto = root().join("proto");
    let files: Vec<PathBuf> = ["commit", "documents", "light", "types"]
        .map(|name| proto.join(name).with_extension("proto"))
        .to_vec();
    let to = to.to_path_buf();
    let config = pb_rs::ConfigBuilder::new(&files, None, Some(&to), &[proto]).unwrap();
    pb_rs::types::FileDescriptor::run(&config.build()).unwrap();
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn the_generated_code_is_up_to_date() {
    let generated = root().join("src/wire/generated");
    if std::env::var_os("DECUBE_REGENERATE").is_some() {
        for name in files(&generated).keys() {
            fs::remove_file(generated.join(name)).unwrap();
        }
        generate(&generated);
    }
    let fresh = tempfile::tempdir().unwrap();
    generate(fresh.path());
    let (fresh, checked_in) = (files(fresh.path()), files(&generated));
    assert_eq!(
        fresh.keys().collect::<Vec<_>>(),
        checked_in.keys().collect::<Vec<_>>()
    );
    for (name, text) in fresh {
        assert_eq!(
            checked_in[&name], text,
            "{name} differs; run with DECUBE_REGENERATE=1"
        );
    }
}
