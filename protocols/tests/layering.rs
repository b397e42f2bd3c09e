//! Folders are crates and arrows point one way; the cores do no IO; each library is known by the
//! crate that the architecture gives it to (`docs/architecture.md`).

#![allow(clippy::unwrap_used, reason = "what the tests read must be there")]

mod workspace;

use std::collections::BTreeSet;
use std::fs;

use toml::{Table, Value};
use workspace::{CRATES, File, Strings, blank, is_word};

/// The crates that are cores without IO.
const CORES: [&str; 2] = ["crypto", "protocols"];

/// Libraries, each with the crates that may know it. A name also stands for those that it starts,
/// as `libp2p` for `libp2p-stream`.
const KNOWN_BY: [(&str, &[&str]); 13] = [
    ("aws_lc_rs", &["crypto"]),
    ("ed25519_dalek", &["crypto"]),
    ("pqcrypto", &["crypto"]),
    ("snow", &["crypto"]),
    ("automerge", &["protocols"]),
    ("pb_rs", &["protocols"]),
    ("quick_protobuf", &["protocols"]),
    // The simulator's disks are a storage backend of redb: see `REDB_IN_TESTNET`.
    ("redb", &["store", "testnet"]),
    ("axum", &["node"]),
    ("libp2p", &["node"]),
    ("mio", &[]),
    ("tokio", &["node", "testnet", "cli"]),
    ("clap", &["cli", "testnet"]),
];

/// A leaf without IO: one type for peer ids and peer keys everywhere.
const WELCOME_EVERYWHERE: &str = "libp2p_identity";

/// All that `testnet` may name of redb.
const REDB_IN_TESTNET: [&str; 2] = ["StorageBackend", "backends"];

/// What a core may not depend on, besides what [`KNOWN_BY`] gives to others.
const NOT_IN_CORES: [&str; 3] = ["getrandom", "rand", "socket2"];

/// Parts of the standard library that a core may not name outside its tests. `*` would hide them.
const STD_NOT_IN_CORES: [&str; 6] = ["fs", "net", "thread", "process", "env", "*"];

/// Clocks, by whatever path.
const CLOCKS: [&str; 2] = ["Instant", "SystemTime"];

#[test]
fn manifests_keep_to_the_arrows_and_to_their_libraries() {
    let workspace: Table = workspace::read("Cargo.toml").unwrap().parse().unwrap();
    for krate in CRATES {
        let manifest = workspace::read(&format!("{krate}/Cargo.toml")).unwrap();
        let dependencies = dependencies(&manifest.parse().unwrap(), &workspace);
        assert!(
            !dependencies.is_empty(),
            "the manifest of {krate} was not understood"
        );
        assert_eq!(manifest_violations(krate, &dependencies), no_violations());
    }
}

#[test]
fn sources_keep_to_the_arrows_and_to_their_libraries() {
    for krate in CRATES {
        let files = workspace::rust_files(krate);
        assert!(!files.is_empty(), "{krate} has no sources");
        assert_eq!(source_violations(krate, &files), no_violations());
    }
}

#[test]
fn the_top_level_folders_are_the_crates_and_the_documentation() {
    let folders = fs::read_dir(workspace::root()).unwrap().map(Result::unwrap);
    let names = folders
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap());
    assert_eq!(folder_violations(&names.collect()), no_violations());
    let workspace: Table = workspace::read("Cargo.toml").unwrap().parse().unwrap();
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let members: BTreeSet<_> = members.iter().filter_map(Value::as_str).collect();
    assert_eq!(members, BTreeSet::from(CRATES));
}

fn no_violations() -> Vec<String> {
    Vec::new()
}

fn folder_violations(names: &BTreeSet<String>) -> Vec<String> {
    let expected: BTreeSet<&str> = CRATES.into_iter().chain(["docs"]).collect();
    let unexpected = names
        .iter()
        .filter(|name| !name.starts_with('.') && *name != "target")
        .filter(|name| !expected.contains(name.as_str()))
        .map(|name| format!("{name}: no folder of the architecture"));
    let missing = expected
        .iter()
        .filter(|name| !names.contains(**name))
        .map(|name| format!("{name}: the folder is missing"));
    unexpected.chain(missing).collect()
}

/// A dependency that a manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Dependency {
    section: &'static str,
    /// The package's name, with `_` for `-`.
    package: String,
    /// The crate of this workspace that it is.
    folder: Option<String>,
}

/// The dependencies of a manifest, in any section and for any target.
fn dependencies(manifest: &Table, workspace: &Table) -> Vec<Dependency> {
    let shared = workspace
        .get("workspace")
        .and_then(|table| table.get("dependencies"));
    let targets = manifest.get("target").and_then(Value::as_table);
    let tables = targets
        .into_iter()
        .flat_map(Table::values)
        .filter_map(Value::as_table);
    let mut found = Vec::new();
    for table in tables.chain([manifest]) {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let entries = table.get(section).and_then(Value::as_table);
            for (name, here) in entries.into_iter().flatten() {
                let from_workspace = here.get("workspace").and_then(Value::as_bool) == Some(true);
                let source = if from_workspace {
                    shared.and_then(|s| s.get(name))
                } else {
                    None
                };
                found.push(dependency(section, name, source.unwrap_or(here)));
            }
        }
    }
    found
}

fn dependency(section: &'static str, name: &str, source: &Value) -> Dependency {
    let text = |field| source.get(field).and_then(Value::as_str);
    let package = text("package").unwrap_or(name);
    let of_path = text("path").map(|path| path.rsplit('/').next().unwrap_or(path));
    let folder = of_path
        .or_else(|| package.strip_prefix("decube-"))
        .map(str::to_owned);
    Dependency {
        section,
        package: package.replace('-', "_"),
        folder,
    }
}

fn manifest_violations(krate: &str, dependencies: &[Dependency]) -> Vec<String> {
    let mut violations = Vec::new();
    for Dependency {
        section,
        package,
        folder,
    } in dependencies
    {
        // For its tests a crate may name itself, to turn a feature on.
        let itself = *section == "dev-dependencies" && folder.as_deref() == Some(krate);
        let arrow = folder
            .as_deref()
            .is_some_and(|folder| !itself && !may_know(krate, folder));
        if arrow {
            violations.push(format!(
                "{krate}: [{section}] {package} turns an arrow back"
            ));
        }
        if !may_use(krate, package) {
            violations.push(format!(
                "{krate}: [{section}] {package} belongs to another crate"
            ));
        }
        let core = CORES.contains(&krate) && *section != "dev-dependencies";
        if core
            && NOT_IN_CORES
                .iter()
                .any(|library| is_part_of(library, package))
        {
            violations.push(format!("{krate}: [{section}] {package} is not for a core"));
        }
    }
    violations
}

/// Whether an arrow leads from one crate to another.
fn may_know(krate: &str, other: &str) -> bool {
    let place = |name: &str| CRATES.iter().position(|candidate| *candidate == name);
    match (place(krate), place(other)) {
        (Some(from), Some(to)) => to < from,
        _ => false,
    }
}

/// Whether the architecture lets a crate know a library.
fn may_use(krate: &str, package: &str) -> bool {
    package == WELCOME_EVERYWHERE
        || KNOWN_BY
            .iter()
            .filter(|(library, _)| is_part_of(library, package))
            .all(|(_, crates)| crates.contains(&krate))
}

fn is_part_of(library: &str, package: &str) -> bool {
    package
        .strip_prefix(library)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

fn source_violations(krate: &str, files: &[File]) -> Vec<String> {
    let test_modules: Vec<String> = files.iter().flat_map(test_module_paths).collect();
    let mut violations = Vec::new();
    for File { path, text } in files {
        let code = blank(text, Strings::Blanked);
        for named in named_paths(&code) {
            if let Some(reason) = refusal(krate, &named) {
                violations.push(format!("{path}: `{}` {reason}", named.join("::")));
            }
        }
        let in_tests = !path.starts_with(&format!("{krate}/src/"))
            || test_modules
                .iter()
                .any(|module| path.starts_with(module.as_str()));
        if CORES.contains(&krate) && !in_tests {
            let named = named_paths(&without_tests(&code));
            let done = named.iter().filter(|named| does_io(named));
            let said = done.map(|named| format!("{path}: `{}` in a core", named.join("::")));
            violations.extend(said);
        }
    }
    violations
}

/// Why a crate may not name a path, in tests too.
fn refusal(krate: &str, named: &[String]) -> Option<&'static str> {
    let first = named.first()?.as_str();
    let of_workspace = first.strip_prefix("decube_");
    let other = of_workspace.filter(|name| CRATES.contains(name) && *name != krate);
    if other.is_some_and(|other| !may_know(krate, other)) {
        return Some("turns an arrow back");
    }
    if !may_use(krate, first) {
        return Some("belongs to another crate");
    }
    let redb = krate == "testnet" && first == "redb";
    let backend = named
        .get(1)
        .is_some_and(|name| REDB_IN_TESTNET.contains(&name.as_str()));
    (redb && !backend).then_some("is more than a storage backend")
}

/// Whether a path names what a core may not have.
fn does_io(named: &[String]) -> bool {
    let first = named.first().map_or("", String::as_str);
    let second = named.get(1).map_or("", String::as_str);
    let std = ["std", "core"].contains(&first) && STD_NOT_IN_CORES.contains(&second);
    let library = NOT_IN_CORES
        .iter()
        .any(|library| is_part_of(library, first));
    std || library || named.iter().any(|name| CLOCKS.contains(&name.as_str()))
}

const CFG_TEST: &str = "#[cfg(test)]";

/// Code without the items that are compiled for tests only.
fn without_tests(code: &str) -> String {
    if code.contains("#![cfg(test)]") {
        return String::new();
    }
    let mut kept = String::new();
    let mut rest = code;
    while let Some(at) = rest.find(CFG_TEST) {
        kept.push_str(&rest[..at]);
        let item = &rest[at + CFG_TEST.len()..];
        rest = &item[item_length(item)..];
    }
    kept + rest
}

/// The paths, from the root, where the modules of a file that are compiled for tests only lie.
fn test_module_paths(file: &File) -> Vec<String> {
    let code = blank(&file.text, Strings::Blanked);
    let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
    let stem = name.trim_end_matches(".rs");
    let inside = if ["mod", "lib", "main"].contains(&stem) {
        folder.to_owned()
    } else {
        format!("{folder}/{stem}")
    };
    let items = code
        .split(CFG_TEST)
        .skip(1)
        .map(|item| &item[..item_length(item)]);
    let modules = items.filter_map(|item| {
        item.trim()
            .strip_suffix(';')?
            .rsplit_once("mod ")
            .map(|(_, module)| module.to_owned())
    });
    modules
        .flat_map(|module| {
            [
                format!("{inside}/{module}.rs"),
                format!("{inside}/{module}/"),
            ]
        })
        .collect()
}

/// The length of the item, or of the field, variant or statement, that the code starts with.
fn item_length(code: &str) -> usize {
    const ITEMS: [&str; 15] = [
        "pub",
        "fn",
        "mod",
        "use",
        "struct",
        "enum",
        "impl",
        "const",
        "static",
        "type",
        "trait",
        "async",
        "unsafe",
        "macro_rules",
        "extern",
    ];
    let mut words = code
        .split(|character| !is_word(character))
        .filter(|word| !word.is_empty());
    let is_item = words.next().is_some_and(|word| ITEMS.contains(&word))
        || code.trim_start().starts_with('#');
    let mut depth = 0usize;
    for (at, character) in code.char_indices() {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => return at,
            ')' | ']' => depth -= 1,
            '}' => {
                depth -= 1;
                let behind = code[at + 1..].trim_start();
                if depth == 0 && !behind.starts_with(';') {
                    return at + 1;
                }
            }
            ';' if depth == 0 => return at + 1,
            ',' if depth == 0 && !is_item => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// Every path that code names, those of `use` trees one by one; single words only from imports and
/// where they are clocks.
fn named_paths(code: &str) -> Vec<Vec<String>> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let next = tokens.get(at + 1).map_or("", String::as_str);
        if tokens[at] == "use" && next != "<" {
            at = use_tree(&tokens, at + 1, &[], &mut found);
        } else if tokens[at] == "extern" && next == "crate" {
            found.extend(tokens.get(at + 2).map(|name| vec![name.clone()]));
            at += 3;
        } else if tokens[at].starts_with(is_word) {
            let mut path = vec![tokens[at].clone()];
            while tokens.get(at + 1).is_some_and(|token| token == "::")
                && let Some(name) = tokens
                    .get(at + 2)
                    .filter(|token| token.starts_with(is_word))
            {
                path.push(name.clone());
                at += 2;
            }
            if path.len() > 1 || CLOCKS.contains(&path[0].as_str()) {
                found.push(path);
            }
            at += 1;
        } else {
            at += 1;
        }
    }
    found
}

/// Reads one branch of a `use` tree from `at` on, and returns where it ends.
fn use_tree(
    tokens: &[String],
    mut at: usize,
    stem: &[String],
    found: &mut Vec<Vec<String>>,
) -> usize {
    let mut path = stem.to_vec();
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "::" => {}
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = use_tree(tokens, at, &path, found);
                    if tokens.get(at).is_some_and(|token| token == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            // The alias does not matter.
            "as" => at += 1,
            name if name == "*" || name.starts_with(is_word) => path.push(name.to_owned()),
            _ => break,
        }
        at += 1;
    }
    found.push(path);
    // A branch that starts with what it can't be must not be read for ever.
    if at < tokens.len() && ![",", "}", ";"].contains(&tokens[at].as_str()) {
        at + 1
    } else {
        at
    }
}

/// Words, `::`, and other characters one by one.
fn tokens(code: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if is_word(first) {
            rest.find(|character| !is_word(character))
                .unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        found.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    found
}

#[cfg(test)]
mod each_check_notices {
    use super::*;

    fn manifest(krate: &str, text: &str) -> Vec<String> {
        let workspace = "[workspace.dependencies]\n\
            decube-node = { path = 'node' }\n\
            alias = { package = 'decube-store', path = 'store' }\n\
            blake3 = '1'\n";
        let dependencies = dependencies(&text.parse().unwrap(), &workspace.parse().unwrap());
        assert_eq!(dependencies.len(), 1);
        manifest_violations(krate, &dependencies)
    }

    fn source(krate: &str, text: &str) -> Vec<String> {
        let path = format!("{krate}/src/x.rs");
        source_violations(
            krate,
            &[File {
                path,
                text: text.to_owned(),
            }],
        )
    }

    #[test]
    fn an_arrow_that_turns_back_in_a_manifest() {
        for (krate, text) in [
            ("store", "[dependencies]\ndecube-node.workspace = true"),
            (
                "store",
                "[dev-dependencies]\ndecube-node = { workspace = true, features = [] }",
            ),
            (
                "store",
                "[target.'cfg(unix)'.build-dependencies]\ndecube-cli = { path = '../cli' }",
            ),
            ("protocols", "[dependencies]\nalias.workspace = true"),
            (
                "crypto",
                "[dependencies]\nhidden = { path = '../protocols' }",
            ),
            (
                "store",
                "[dependencies]\nelsewhere = { path = '../tools/elsewhere' }",
            ),
            ("store", "[dependencies]\ndecube-store = '1'"),
        ] {
            assert_eq!(manifest(krate, text).len(), 1, "{text}");
        }
        assert_eq!(
            manifest("cli", "[dependencies]\nalias.workspace = true"),
            no_violations()
        );
        assert_eq!(
            manifest("node", "[dependencies]\nblake3.workspace = true"),
            no_violations()
        );
    }

    #[test]
    fn a_library_in_a_manifest_that_is_not_to_have_it() {
        for (krate, dependency) in [
            ("protocols", "tokio = '1'"),
            ("protocols", "redb = '1'"),
            ("crypto", "mio = '1'"),
            ("protocols", "libp2p = '1'"),
            ("protocols", "getrandom = '1'"),
            ("store", "automerge = '1'"),
            ("testnet", "automerge = '1'"),
            (
                "testnet",
                "x = { package = 'quick-protobuf', version = '1' }",
            ),
            ("node", "redb = '1'"),
            ("cli", "libp2p-stream = '1'"),
            ("testnet", "axum = '1'"),
            ("node", "clap_complete = '1'"),
            ("node", "ed25519-dalek = '1'"),
        ] {
            let text = format!("[dependencies]\n{dependency}");
            assert_eq!(manifest(krate, &text).len(), 1, "{krate}: {dependency}");
        }
        for (krate, dependency) in [
            ("protocols", "libp2p-identity = '1'"),
            ("protocols", "automerge = '1'"),
            ("testnet", "redb = '1'"),
            ("testnet", "clap = '1'"),
            ("node", "libp2p = '1'"),
        ] {
            let text = format!("[dependencies]\n{dependency}");
            assert_eq!(manifest(krate, &text), no_violations());
        }
        assert_eq!(
            manifest("protocols", "[dev-dependencies]\nrand = '1'"),
            no_violations()
        );
    }

    #[test]
    fn an_arrow_that_turns_back_in_a_source() {
        for text in [
            "use decube_node::Node;",
            "use { std::fmt, decube_cli as _ };",
            "pub(crate) use decube_testnet::{self, sim::*};",
            "extern crate decube_node;",
            "fn f() { ::decube_node::start(); }",
            "#[cfg(test)] mod tests { fn f() { decube_node::start() } }",
        ] {
            assert_eq!(source("store", text).len().min(1), 1, "{text}");
        }
        for text in [
            "use decube_protocols::tree;",
            "use decube_store::Store;",
            "// use decube_node::Node;",
            "const NAME: &str = \"decube_node::Node\";",
        ] {
            assert_eq!(source("store", text), no_violations(), "{text}");
        }
    }

    #[test]
    fn a_library_in_a_source_that_is_not_to_have_it() {
        for (krate, text) in [
            ("testnet", "use automerge::AutoCommit;"),
            ("store", "fn f(w: &mut quick_protobuf::Writer) {}"),
            ("node", "use redb::Database;"),
            ("testnet", "use redb::Database;"),
            ("testnet", "use redb::{StorageBackend, Database};"),
            ("cli", "use libp2p::PeerId;"),
            ("cli", "#[axum::debug_handler] fn f() {}"),
            ("node", "use clap::Parser;"),
            ("store", "#[tokio::test] async fn f() {}"),
        ] {
            assert_eq!(source(krate, text).len(), 1, "{text}");
        }
        for (krate, text) in [
            (
                "testnet",
                "use redb::StorageBackend;\nuse redb::backends::InMemoryBackend;",
            ),
            ("store", "use redb::Database;"),
            ("store", "use libp2p_identity::PeerId;"),
            ("store", "let redb = 1; redb + self.tokio"),
        ] {
            assert_eq!(source(krate, text), no_violations(), "{text}");
        }
    }

    #[test]
    fn input_and_output_in_a_core() {
        for text in [
            "use std::fs;",
            "use std::{collections::BTreeMap, net::{IpAddr, Ipv4Addr}};",
            "fn f() { std::thread::spawn(g); }",
            "use std::time::{Duration, Instant};",
            "fn f(at: Instant) {}",
            "use core::time; fn f() { time::SystemTime::now(); }",
            "use std::*;",
            "use rand::Rng;",
            "#[cfg(test)] use std::fs;\nfn f() { std::fs::read(); }",
            "#[cfg(test)] mod tests { fn f() { {} } }\nfn f() { std::env::args(); }",
            "#[cfg(not(test))] use std::fs;",
        ] {
            assert_ne!(source("protocols", text), no_violations(), "{text}");
        }
        for text in [
            "use std::time::Duration;",
            "#[cfg(test)]\nmod tests {\n use std::fs; fn f() { g(|| { fs::read() }) }\n}",
            "#[cfg(test)] #[allow(x)] use std::{fs, env};\nstruct A;",
            "#[cfg(test)] fn f<A, B>(a: [A; 2]) -> B { std::env::args() }",
            "struct A { #[cfg(test)] at: std::time::Instant, b: u8 }",
            "/// Not [`std::fs`].\nfn f() -> impl Sized + use<> {}",
        ] {
            assert_eq!(source("crypto", text), no_violations(), "{text}");
        }
        assert_eq!(source("node", "use std::fs;"), no_violations());
    }

    #[test]
    fn only_modules_declared_as_tests_are_tests() {
        let file = |path: &str, text: &str| File {
            path: path.into(),
            text: text.into(),
        };
        let reads = "fn f() { std::fs::read(); }";
        let files = |declaration: &str| {
            let path = "crypto/src";
            [
                file(&format!("{path}/a/mod.rs"), declaration),
                file(&format!("{path}/b.rs"), declaration),
                file(&format!("{path}/a/tests.rs"), reads),
                file(&format!("{path}/b/tests/more.rs"), reads),
                file("crypto/tests/whole.rs", reads),
            ]
        };
        let declared = "#[cfg(test)]\nmod tests;\nmod other;";
        assert_eq!(
            source_violations("crypto", &files(declared)),
            no_violations()
        );
        assert_eq!(source_violations("crypto", &files("mod tests;")).len(), 2);
    }

    #[test]
    fn a_folder_too_many_or_too_few() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let all = [
            "crypto",
            "protocols",
            "store",
            "node",
            "cli",
            "testnet",
            "docs",
        ];
        assert_eq!(folder_violations(&names(&all)), no_violations());
        let more = [&all[..], &["target", ".git"]].concat();
        assert_eq!(folder_violations(&names(&more)), no_violations());
        assert_eq!(
            folder_violations(&names(&[&all[..], &["tools"]].concat())).len(),
            1
        );
        assert_eq!(folder_violations(&names(&all[1..])).len(), 1);
    }
}
