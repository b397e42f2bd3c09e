//! JSON pointers (RFC 6901): how an edit names a place in a document.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A JSON pointer (RFC 6901): the empty text for the whole document, else `/key/0/...` with `~1`
/// for `/` and `~0` for `~` in keys.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pointer(Vec<String>); // Invariant: at most MAX_DEPTH tokens, unescaped.

/// A text that is no JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPointer {
    /// It starts with neither nothing nor a slash.
    #[error("the pointer {0:?} must be empty or start with '/', for example /title or /items/0")]
    NoSlash(String),
    /// A tilde is not followed by 0 or 1.
    #[error("the pointer {0:?} has a '~' that is neither '~0' (a tilde) nor '~1' (a slash)")]
    Tilde(String),
    /// More tokens than a document may be deep.
    #[error("the pointer has {0} parts, more than the {max} that a document may be deep", max = Pointer::MAX_DEPTH)]
    Depth(usize),
}

impl Pointer {
    /// The deepest place a pointer may name: what `serde_json` parses at most, so that nothing
    /// that walks a value recursively can exhaust the stack.
    pub const MAX_DEPTH: usize = 128;

    /// The whole document.
    #[must_use]
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// The unescaped tokens from the root down.
    #[must_use]
    pub fn tokens(&self) -> &[String] {
        &self.0
    }

    /// The place of the first `count` tokens.
    #[must_use]
    pub fn prefix(&self, count: usize) -> Self {
        Self(self.0.iter().take(count).cloned().collect())
    }

    /// The place called `token` within this one.
    #[must_use]
    pub fn child(&self, token: impl Into<String>) -> Self {
        let mut tokens = self.0.clone();
        tokens.push(token.into());
        Self(tokens)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for token in &self.0 {
            write!(f, "/{}", token.replace('~', "~0").replace('/', "~1"))?;
        }
        Ok(())
    }
}

/// As in the document's JSON: a quoted text.
impl fmt::Debug for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl FromStr for Pointer {
    type Err = InvalidPointer;

    fn from_str(text: &str) -> Result<Self, InvalidPointer> {
        if text.is_empty() {
            return Ok(Self::root());
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err(InvalidPointer::NoSlash(text.into()));
        };
        let depth = rest.split('/').count();
        if depth > Self::MAX_DEPTH {
            return Err(InvalidPointer::Depth(depth));
        }
        rest.split('/')
            .map(|token| unescape(token, text))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// Replaces `~1` and `~0` of one token, in one pass so that `~01` becomes `~1` (section 4).
fn unescape(token: &str, whole: &str) -> Result<String, InvalidPointer> {
    let mut unescaped = String::with_capacity(token.len());
    let mut characters = token.chars();
    while let Some(character) = characters.next() {
        match (character, character == '~') {
            (_, false) => unescaped.push(character),
            (_, true) => match characters.next() {
                Some('0') => unescaped.push('~'),
                Some('1') => unescaped.push('/'),
                Some(_) | None => return Err(InvalidPointer::Tilde(whole.into())),
            },
        }
    }
    Ok(unescaped)
}

impl TryFrom<String> for Pointer {
    type Error = InvalidPointer;

    fn try_from(text: String) -> Result<Self, InvalidPointer> {
        text.parse()
    }
}

impl From<Pointer> for String {
    fn from(pointer: Pointer) -> Self {
        pointer.to_string()
    }
}

/// The index that a token names in a list: digits without leading zeros (section 4), no `-`.
#[must_use]
pub(super) fn list_index(token: &str) -> Option<usize> {
    let digits = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = token.len() > 1 && token.starts_with('0');
    if digits && !leading_zero {
        token.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_section_5_parse_and_print() {
        for (text, tokens) in [
            ("", vec![]),
            ("/foo/0", vec!["foo", "0"]),
            ("/", vec![""]),
            ("/a~1b", vec!["a/b"]),
            ("/m~0n", vec!["m~n"]),
            ("/~01", vec!["~1"]),
        ] {
            let pointer: Pointer = text.parse().unwrap();
            assert_eq!(pointer.tokens(), tokens);
            assert_eq!(pointer.to_string(), text);
        }
    }

    #[test]
    fn malformed_pointers_are_refused() {
        assert!(matches!(
            "foo".parse::<Pointer>(),
            Err(InvalidPointer::NoSlash(_))
        ));
        assert!(matches!(
            "/a~2".parse::<Pointer>(),
            Err(InvalidPointer::Tilde(_))
        ));
        assert!(matches!(
            "/a~".parse::<Pointer>(),
            Err(InvalidPointer::Tilde(_))
        ));
        assert_eq!(
            "/a".repeat(129).parse::<Pointer>(),
            Err(InvalidPointer::Depth(129))
        );
    }

    #[test]
    fn list_indexes_have_one_spelling() {
        assert_eq!(list_index("0"), Some(0));
        assert_eq!(list_index("10"), Some(10));
        for bad in ["", "-", "01", "-1", "+1", "1.0", "99999999999999999999999"] {
            assert_eq!(list_index(bad), None, "{bad}");
        }
    }
}
