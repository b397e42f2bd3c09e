//! The workspace's files, as the tests about its layout read them.

use std::fs;
use std::path::{Path, PathBuf};

/// The folders that are crates, in the order of the arrows: each may know those before it only.
pub(crate) const CRATES: [&str; 6] = ["crypto", "protocols", "store", "node", "testnet", "cli"];

/// A text file: its path from the root, with `/` between the parts, and its content.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.canonicalize().unwrap()
}

/// A file of the workspace, or `None` when there is no such file.
pub(crate) fn read(path: &str) -> Option<String> {
    fs::read_to_string(root().join(path)).ok()
}

/// All files under a folder whose names `wanted` accepts, in the order of their paths.
pub(crate) fn files(folder: &str, wanted: &dyn Fn(&str) -> bool) -> Vec<File> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(root().join(folder)) else {
        return found;
    };
    for entry in entries {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if folder.is_empty() {
            name.clone()
        } else {
            format!("{folder}/{name}")
        };
        if entry.file_type().unwrap().is_dir() {
            if name != "target" && name != ".git" {
                found.extend(files(&path, wanted));
            }
        } else if wanted(&name) {
            let text = fs::read_to_string(entry.path()).unwrap();
            found.push(File { path, text });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// All Rust files of a crate.
pub(crate) fn rust_files(krate: &str) -> Vec<File> {
    files(krate, &|name| has_extension(name, &["rs"]))
}

pub(crate) fn has_extension(name: &str, extensions: &[&str]) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, extension)| extensions.contains(&extension))
}

/// What [`blank`] leaves of string literals.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strings {
    Kept,
    Blanked,
}

/// Rust code with comments as spaces and, if wanted, the insides of string and character literals
/// as underscores; lines stay where they are.
pub(crate) fn blank(text: &str, strings: Strings) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    let mut after_word = false;
    while let Some(first) = rest.chars().next() {
        let comment = comment_length(rest);
        let literal = if after_word {
            quoted_length(rest)
        } else {
            literal_length(rest)
        };
        if comment > 0 {
            blanked(&mut code, &rest[..comment], ' ');
            rest = &rest[comment..];
        } else if literal > 0 {
            match strings {
                Strings::Kept => code.push_str(&rest[..literal]),
                Strings::Blanked => {
                    code.push('"');
                    blanked(&mut code, &rest[1..literal - 1], '_');
                    code.push('"');
                }
            }
            rest = &rest[literal..];
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        }
        after_word = code.chars().next_back().is_some_and(is_word);
    }
    code
}

pub(crate) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn blanked(code: &mut String, text: &str, filler: char) {
    code.extend(
        text.chars()
            .map(|character| if character == '\n' { '\n' } else { filler }),
    );
}

/// The length of the comment that the text starts with, or 0.
fn comment_length(text: &str) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if !text.starts_with("/*") {
        return 0;
    }
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let here = &text.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// The length of the literal that the text starts with, prefixes and raw strings too, or 0.
fn literal_length(text: &str) -> usize {
    let unprefixed = text.trim_start_matches(['b', 'c']);
    let prefix = text.len() - unprefixed.len();
    if prefix > 1 {
        return 0;
    }
    if let Some(raw) = unprefixed.strip_prefix('r') {
        let quote = raw.trim_start_matches('#');
        let hashes = raw.len() - quote.len();
        let Some(inside) = quote.strip_prefix('"') else {
            return 0;
        };
        let end = format!("\"{}", "#".repeat(hashes));
        let length = inside.find(&end).map_or(inside.len(), |at| at + end.len());
        return prefix + 1 + hashes + 1 + length;
    }
    match quoted_length(unprefixed) {
        0 => 0,
        length => prefix + length,
    }
}

/// The length of the plain string or character literal that the text starts with, or 0.
fn quoted_length(text: &str) -> usize {
    let mut characters = text.char_indices();
    let quote = match characters.next() {
        Some((_, quote @ ('"' | '\''))) => quote,
        _ => return 0,
    };
    let lifetime = quote == '\'' && {
        let mut inside = text[1..].chars();
        inside.next() != Some('\\') && inside.next() != Some('\'')
    };
    if lifetime {
        return 0;
    }
    let mut escaped = false;
    for (at, character) in characters {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == quote {
            return at + 1;
        }
    }
    text.len()
}

/// A self-check of both tests: they see through comments and literals.
#[test]
fn comments_and_literals_are_told_from_code() {
    let code = |text| blank(text, Strings::Blanked);
    assert_eq!(code("a // b\nc"), "a     \nc");
    assert_eq!(code("a /* b /* c */ d */ e"), "a                   e");
    assert_eq!(
        code(r#"f("x\" //y", 'z', '\'', "")"#),
        r#"f("_______", "_", "__", "")"#
    );
    assert_eq!(
        code("<'a>(r#\"b\"c\"#, br\"d\")"),
        "<'a>(\"______\", \"___\")"
    );
    assert_eq!(code("for_r\"x\""), "for_r\"_\"");
    assert_eq!(
        code("('\\u{2014}', '—', 'x: loop')"),
        "(\"________\", \"_\", 'x: loop')"
    );
    assert_eq!(blank("a(\"b\") // c", Strings::Kept), "a(\"b\")     ");
}
