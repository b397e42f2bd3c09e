//! Values of rows to bytes and back; what does not decode is damage.

use decube_crypto::Digest;
use decube_protocols::tree::Node;
use decube_protocols::wire::{self, Message};

use crate::error::{Fault, StoreError, Work};

/// The bytes of a wire value for `table`, unless they could not be read back.
pub(crate) fn encode<T: Message>(table: &'static str, value: &T) -> Work<Vec<u8>> {
    let bytes = wire::encode(value);
    if bytes.len() > T::MAX_SIZE {
        let (size, limit) = (bytes.len(), T::MAX_SIZE);
        return Err(StoreError::TooLarge { table, size, limit }.into());
    }
    Ok(bytes)
}

/// Reads a wire value of `table`.
pub(crate) fn decode<T: Message>(table: &str, bytes: &[u8]) -> Work<T> {
    wire::decode(bytes).map_err(|error| Fault::Damaged(format!("a row of table {table}: {error}")))
}

/// Reads a node of a tree.
pub(crate) fn node(table: &str, bytes: &[u8]) -> Work<Node> {
    Node::decode(bytes).map_err(|error| Fault::Damaged(format!("a row of table {table}: {error}")))
}

/// Reads a value of a fixed length.
pub(crate) fn array<const N: usize>(what: &str, bytes: &[u8]) -> Work<[u8; N]> {
    let found = bytes.len();
    let array = bytes.first_chunk().filter(|_| found == N).copied();
    array.ok_or_else(|| Fault::Damaged(format!("{what} has {found} bytes, not {N}")))
}

/// Reads a number of a table of facts.
pub(crate) fn number(what: &str, bytes: &[u8]) -> Work<u64> {
    array(what, bytes).map(u64::from_le_bytes)
}

/// Reads a digest.
pub(crate) fn digest(bytes: &[u8; 32]) -> Digest {
    Digest::from_bytes(*bytes)
}
