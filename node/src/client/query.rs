//! Paths with parameters.

use std::fmt::{Display, Write};

/// A path with percent-encoded parts and parameters.
#[derive(Clone, Debug)]
pub(super) struct Target {
    text: String,
    parameters: bool,
}

impl Target {
    /// A path of fixed parts.
    pub(super) fn new(path: &str) -> Self {
        Self {
            text: path.into(),
            parameters: false,
        }
    }

    /// Appends `/` and `part`, encoded.
    pub(super) fn part(mut self, part: impl Display) -> Self {
        self.text.push('/');
        self.encode(&part.to_string());
        self
    }

    /// Appends a parameter, when there is a value.
    pub(super) fn parameter(mut self, name: &str, value: Option<impl Display>) -> Self {
        if let Some(value) = value {
            self.text.push(if self.parameters { '&' } else { '?' });
            self.parameters = true;
            self.text.push_str(name);
            self.text.push('=');
            self.encode(&value.to_string());
        }
        self
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Appends a text with everything encoded but the unreserved characters (RFC 3986, section
    /// 2.3).
    fn encode(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    self.text.push(char::from(byte));
                }
                // Writing into a text does not fail.
                _ => {
                    let _written = write!(self.text, "%{byte:02X}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_parameters_are_encoded() {
        let target = Target::new("/v1/documents")
            .part("notes/a b")
            .parameter("none", None::<u8>)
            .parameter("pointer", Some("/ä&x=1"))
            .parameter("limit", Some(3));
        let expected = "/v1/documents/notes%2Fa%20b?pointer=%2F%C3%A4%26x%3D1&limit=3";
        assert_eq!(target.as_str(), expected);
    }
}
