//! Habits that a reader relies on: every module says what it is, files stay short, nothing is left
//! undone or unexplained, every decision and every table is written down.

#![allow(clippy::unwrap_used, reason = "what the tests read must be there")]

mod workspace;

use std::collections::BTreeSet;

use workspace::{CRATES, File, Strings, blank, files, has_extension, is_word, rust_files};

/// The most lines of a file that a person wrote: about ten screens.
const MAX_LINES: usize = 700;

/// What a decision says, in this order.
const DECISION: [&str; 5] = [
    "Status",
    "Context",
    "Decision",
    "Alternatives",
    "Consequences",
];

/// What only those name who take votes and certificates apart.
const KNOW_VOTES: [&str; 5] = [
    "ValidatorKey",
    "ValidatorSet",
    "VoteSignature",
    "ConsensusMessage",
    "FinalAnnouncement",
];

#[test]
fn every_source_is_documented_short_and_finished() {
    for krate in CRATES {
        let sources = rust_files(krate);
        assert!(!sources.is_empty(), "{krate} has no sources");
        assert_eq!(all(&sources, source_violations), no_violations());
    }
}

#[test]
fn no_text_names_a_place_outside_the_project() {
    let is_text = |name: &str| {
        has_extension(
            name,
            &[
                "rs", "md", "toml", "proto", "sh", "json", "txt", "yml", "yaml",
            ],
        ) || ["run", "justfile"].contains(&name)
    };
    let folders = CRATES
        .into_iter()
        .chain(["docs", ".ci", ".cargo", ".github"]);
    let mut texts: Vec<File> = folders.flat_map(|folder| files(folder, &is_text)).collect();
    for name in [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "Cargo.toml",
        "justfile",
    ] {
        let text = workspace::read(name);
        texts.extend(text.map(|text| File {
            path: name.to_owned(),
            text,
        }));
    }
    assert!(texts.len() > 20, "only {} files were found", texts.len());
    assert_eq!(all(&texts, place_violations), no_violations());
}

#[test]
fn every_decision_has_its_name_and_its_headings() {
    let decisions = files("docs/adr", &|_| true);
    assert!(!decisions.is_empty(), "docs/adr is empty");
    assert_eq!(all(&decisions, decision_violations), no_violations());
}

#[test]
fn every_table_has_a_row_in_the_architecture() {
    // A table that only a test makes is in no file of a user.
    let mut sources = files("store/src", &|name| has_extension(name, &["rs"]));
    sources.retain(|source| !source.path.contains("/tests/"));
    let architecture = workspace::read("docs/architecture.md").unwrap_or_default();
    assert_eq!(table_violations(&sources, &architecture), no_violations());
}

/// A signature takes as long to check as many messages to pass on, so the workers do it.
#[test]
fn the_task_of_the_swarm_checks_no_vote() {
    let sources = files("node/src/network", &|name| has_extension(name, &["rs"]));
    assert!(!sources.is_empty(), "node/src/network has no sources");
    assert_eq!(all(&sources, vote_violations), no_violations());
}

fn vote_violations(file: &File) -> Vec<String> {
    let code = blank(&file.text, Strings::Blanked);
    let words = code.split(|character| !is_word(character));
    words
        .filter(|word| KNOW_VOTES.contains(word))
        .map(|word| format!("{}: knows {word}", file.path))
        .collect()
}

fn no_violations() -> Vec<String> {
    Vec::new()
}

fn all(files: &[File], check: fn(&File) -> Vec<String>) -> Vec<String> {
    files.iter().flat_map(check).collect()
}

fn is_generated(path: &str) -> bool {
    path.starts_with("protocols/src/wire/generated")
}

fn source_violations(file: &File) -> Vec<String> {
    let File { path, text } = file;
    if is_generated(path) {
        return no_violations();
    }
    let code = blank(text, Strings::Blanked);
    let lines = text.lines().count();
    let in_tests = path.split('/').any(|part| part == "tests");
    let unfinished = ["todo!", "unimplemented!"]
        .into_iter()
        .find(|name| has_macro(&code, name));
    let squeezed: String = code.split_whitespace().collect();
    let checks = [
        (
            !in_tests && !text.starts_with("//!"),
            "does not start with what the module is".to_owned(),
        ),
        (
            lines > MAX_LINES,
            format!("has {lines} lines, more than {MAX_LINES}"),
        ),
        (
            unfinished.is_some(),
            "is unfinished: todo or unimplemented".to_owned(),
        ),
        (
            text.contains(concat!("FIX", "ME")),
            "has something left to be fixed".to_owned(),
        ),
        (
            ignores_silently(&squeezed),
            "ignores a test without a reason".to_owned(),
        ),
    ];
    checks
        .into_iter()
        .filter(|(found, _)| *found)
        .map(|(_, what)| format!("{path} {what}"))
        .collect()
}

/// Whether code calls a macro of exactly that name.
fn has_macro(code: &str, name: &str) -> bool {
    code.match_indices(name)
        .any(|(at, _)| !code[..at].ends_with(is_word))
}

/// Whether code without white space has an `ignore` attribute that gives no reason.
fn ignores_silently(squeezed: &str) -> bool {
    let mut attributes = squeezed
        .split("#[")
        .skip(1)
        .filter_map(|rest| rest.split(']').next());
    attributes.any(|attribute| match attribute.strip_prefix("cfg_attr(") {
        Some(conditional) => conditional
            .trim_end_matches(')')
            .split(',')
            .any(is_bare_ignore),
        None => is_bare_ignore(attribute),
    })
}

fn is_bare_ignore(attribute: &str) -> bool {
    attribute == "ignore" || attribute == "ignore=\"\""
}

fn place_violations(file: &File) -> Vec<String> {
    // Written in parts, so that this file does not name them.
    let roots = ["work", "tmp", "root", "home", "Users"].map(|name| format!("/{name}/"));
    let issue = concat!("..", "/shared");
    let mut violations = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let names_a_machine = roots.iter().any(|root| {
            let starts = line.match_indices(root.as_str()).map(|(at, _)| &line[..at]);
            starts
                .into_iter()
                .any(|before| !before.ends_with(continues_a_path))
        });
        if names_a_machine || line.contains(issue) {
            violations.push(format!(
                "{}:{} names a place of one machine",
                file.path,
                index + 1
            ));
        }
    }
    violations
}

/// Whether a slash behind this character goes on with a path, a variable or an address.
fn continues_a_path(character: char) -> bool {
    is_word(character) || ".}~)-".contains(character)
}

fn decision_violations(file: &File) -> Vec<String> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let mut violations = Vec::new();
    if !is_decision_name(name) {
        violations.push(format!("{}: the name is not NNNN-title.md", file.path));
    }
    let headings: Vec<&str> = file
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(str::trim)
        .collect();
    let found: Vec<&str> = DECISION
        .into_iter()
        .filter(|name| headings.contains(name))
        .collect();
    if found != DECISION {
        violations.push(format!(
            "{}: has the headings {found:?} of {DECISION:?}",
            file.path
        ));
    }
    violations
}

fn is_decision_name(name: &str) -> bool {
    let Some((number, title)) = name
        .strip_suffix(".md")
        .and_then(|name| name.split_once('-'))
    else {
        return false;
    };
    let in_title = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    number.len() == 4
        && number.chars().all(|character| character.is_ascii_digit())
        && !title.is_empty()
        && title.chars().all(in_title)
}

fn table_violations(sources: &[File], architecture: &str) -> Vec<String> {
    let mut violations = Vec::new();
    for source in sources {
        match table_names(&source.text) {
            Ok(names) => violations.extend(
                names
                    .iter()
                    .filter(|name| !has_row(architecture, name))
                    .map(|name| format!("docs/architecture.md has no row for table `{name}`")),
            ),
            Err(what) => violations.push(format!("{}: {what}", source.path)),
        }
    }
    violations
}

fn has_row(architecture: &str, table: &str) -> bool {
    let name = format!("`{table}`");
    architecture
        .lines()
        .any(|line| line.starts_with('|') && line.contains(&name))
}

/// The names of the redb tables that a file defines: literals, or literals given to a macro that
/// makes the definitions, as in `NAME = "name"`.
fn table_names(text: &str) -> Result<BTreeSet<String>, String> {
    let code = blank(text, Strings::Kept);
    let mut names = BTreeSet::new();
    for (at, new) in code.match_indices("TableDefinition::new(") {
        let argument = code[at + new.len()..].trim_start();
        if argument.starts_with('"') {
            names.extend(literal(argument));
        } else if argument.starts_with('$') {
            let (_, behind) = code[..at]
                .rsplit_once("macro_rules!")
                .ok_or("a name is hidden")?;
            let name: String = behind
                .trim_start()
                .chars()
                .take_while(|c| is_word(*c))
                .collect();
            let given = names_given_to(&code, &format!("{name}!"));
            if given.is_empty() {
                return Err(format!("no table names are given to `{name}!`"));
            }
            names.extend(given);
        } else {
            return Err("a table's name is not a literal".to_owned());
        }
    }
    Ok(names)
}

/// The literals in `NAME = "literal"` in all calls of a macro.
fn names_given_to(code: &str, call: &str) -> BTreeSet<String> {
    let bodies = code
        .match_indices(call)
        .filter(|(at, _)| !code[..*at].ends_with(is_word));
    let bodies = bodies.map(|(at, _)| {
        let body = &code[at + call.len()..];
        &body[..body.find("\n}").unwrap_or(body.len())]
    });
    let given = |body: &str| {
        let equals = body.match_indices(" = \"").filter(|(at, _)| {
            let name = body[..*at]
                .rsplit(|c| !is_word(c))
                .next()
                .unwrap_or_default();
            !name.is_empty() && name.chars().all(|c| !c.is_lowercase())
        });
        equals
            .filter_map(|(at, _)| literal(&body[at + 3..]))
            .collect::<Vec<_>>()
    };
    bodies.flat_map(given).collect()
}

/// The content of the string literal that the code starts with.
fn literal(code: &str) -> Option<String> {
    let (content, _) = code.strip_prefix('"')?.split_once('"')?;
    Some(content.to_owned())
}

#[cfg(test)]
mod each_check_notices {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    fn in_source(text: &str) -> usize {
        source_violations(&file("node/src/a.rs", text)).len()
    }

    #[test]
    fn a_source_without_doc() {
        assert_eq!(in_source("//! A.\nfn f() {}"), 0);
        assert_eq!(in_source("fn f() {}"), 1);
        assert_eq!(in_source("// A.\nfn f() {}"), 1);
        let bare = |path| source_violations(&file(path, "fn f() {}")).len();
        assert_eq!(bare("cli/tests/a.rs"), 0);
        assert_eq!(bare("protocols/src/wire/generated/types.rs"), 0);
        assert_eq!(bare("protocols/src/wire/codec.rs"), 1);
    }

    #[test]
    fn a_source_that_is_too_long() {
        let lines = |count| format!("//! A.\n{}", "\n".repeat(count - 1));
        assert_eq!(in_source(&lines(MAX_LINES)), 0);
        assert_eq!(in_source(&lines(MAX_LINES + 1)), 1);
    }

    #[test]
    fn a_source_that_is_not_finished() {
        for code in [
            concat!("fn f() { to", "do!() }"),
            concat!("fn f() { unimple", "mented!(\"later\") }"),
            concat!("// FIX", "ME: later"),
            "#[test]\n#[ignore]\nfn f() {}",
            "#[ignore = \"\"]\nfn f() {}",
            "#[cfg_attr(unix, ignore)]\nfn f() {}",
        ] {
            assert_eq!(in_source(&format!("//! A.\n{code}")), 1, "{code}");
        }
        for code in [
            "fn f() { my_todo!() }",
            "// A todo! in a comment, and \"unimplemented!\" in a string:\nconst A: &str = \"todo!\";",
            "#[ignore = \"needs a network\"]\nfn f() {}",
            "let ignore = [a, ignore];\nf(ignore)",
        ] {
            assert_eq!(in_source(&format!("//! A.\n{code}")), 0, "{code}");
        }
    }

    #[test]
    fn votes_in_the_network() {
        let network = |text: &str| vote_violations(&file("node/src/network/a.rs", text)).len();
        assert_eq!(network("// A VoteSignature.\nfn f() {}"), 0);
        assert_eq!(
            network("use decube_protocols::types::{PeerId, VoteSignature};"),
            1
        );
    }

    #[test]
    fn a_place_of_one_machine() {
        let slash = '/';
        let named = |text: &str| place_violations(&file("docs/a.md", text)).len();
        for name in ["work", "tmp", "root", "home", "Users"] {
            assert_eq!(named(&format!("see\n`{slash}{name}/x` there")), 1, "{name}");
            assert_eq!(named(&format!("\"{slash}{name}/x\"")), 1, "{name}");
            assert_eq!(named(&format!("cd {slash}{name}/x")), 1, "{name}");
        }
        assert_eq!(named(concat!("in ..", "/shared/design")), 1);
        for text in [
            "target/tmp/x",
            "$OUT/tmp/x",
            "${TMPDIR:-/tmp}",
            "~/work/x",
            "net/work/",
        ] {
            assert_eq!(named(text), 0, "{text}");
        }
    }

    #[test]
    fn a_decision_without_name_or_heading() {
        let whole = DECISION
            .map(|heading| format!("## {heading}\nText.\n"))
            .concat();
        let says = |name: &str, text: &str| decision_violations(&file(name, text)).len();
        assert_eq!(says("docs/adr/0001-one-tree.md", &whole), 0);
        for name in [
            "1-a.md",
            "0001.md",
            "0001-.md",
            "0001-A.md",
            "0001_a.md",
            "0001-a.txt",
            "README.md",
        ] {
            assert_eq!(says(&format!("docs/adr/{name}"), &whole), 1, "{name}");
        }
        for heading in DECISION {
            let cut = whole.replace(&format!("## {heading}\n"), &format!("{heading}\n"));
            assert_eq!(says("docs/adr/0001-one-tree.md", &cut), 1, "{heading}");
        }
    }

    #[test]
    fn a_table_without_row() {
        let row = "| `votes` | key | value |";
        let missing = |text: &str, architecture: &str| {
            table_violations(&[file("store/src/a.rs", text)], architecture).len()
        };
        let literal = "const A: TableDefinition<u8, u8> = TableDefinition::new(\"votes\");";
        let multimap = "const A: X = redb::MultimapTableDefinition::new(\n  \"votes\");";
        let by_macro = "macro_rules! tables { ($t:literal) => { TableDefinition::new($t) } }\n\
            tables! {\n  A = \"votes\", \"a\" => \"b\";\n  AB = \"floors\", \"c\";\n}\n";
        for (text, number) in [(literal, 1), (multimap, 1), (by_macro, 2)] {
            assert_eq!(missing(text, ""), number, "{text}");
            assert_eq!(missing(text, "votes and floors, `votes`"), number, "{text}");
            assert_eq!(missing(text, row), number - 1, "{text}");
        }
        assert_eq!(missing("const A: X = TableDefinition::new(NAME);", row), 1);
        assert_eq!(missing("fn f(a: TableDefinition<u8, u8>) {}", ""), 0);
        assert_eq!(missing("// TableDefinition::new(\"old\")", ""), 0);
    }
}
