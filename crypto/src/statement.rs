//! The byte strings that are signed.

use crate::Digest;

/// A byte string to sign: a domain, the network, then fields.
///
/// The domain and every field are preceded by their length as a 64-bit little-endian integer, so
/// a signature in one domain, network or epoch says nothing in another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement(Vec<u8>);

impl Statement {
    /// Starts a statement of kind `domain` (by convention `decube/<kind>/1`) in `network`.
    #[must_use]
    pub fn new(domain: &'static str, network: &Digest) -> Self {
        Self(Vec::with_capacity(160))
            .field(domain.as_bytes())
            .digest(network)
    }

    /// Adds a field of any length.
    #[must_use]
    pub fn field(mut self, bytes: &[u8]) -> Self {
        self.0
            .extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds an integer as a field of eight little-endian bytes.
    #[must_use]
    pub fn number(self, number: u64) -> Self {
        self.field(&number.to_le_bytes())
    }

    /// Adds a digest as a field.
    #[must_use]
    pub fn digest(self, digest: &Digest) -> Self {
        self.field(digest.as_bytes())
    }

    /// The bytes to sign.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_network_and_fields_are_bound() {
        let network = Digest::of("decube/test/1", &[]);
        let signed = Statement::new("decube/a/1", &network)
            .number(1)
            .field(b"xy");
        for other in [
            Statement::new("decube/b/1", &network)
                .number(1)
                .field(b"xy"),
            Statement::new("decube/a/1", &Digest::ZERO)
                .number(1)
                .field(b"xy"),
            Statement::new("decube/a/1", &network)
                .number(2)
                .field(b"xy"),
            Statement::new("decube/a/1", &network)
                .number(1)
                .field(b"x")
                .field(b"y"),
        ] {
            assert_ne!(signed, other);
        }
    }
}
