//! Every table of the two files, in one place.
//!
//! Numbers in keys and values are redb's own integers; digests, ids and keys are their bytes. A
//! value called "wire" has the encoding of `decube_protocols::wire` for that type. The whole is
//! written out with example rows in `fixtures/format.txt`.
//!
//! # Schema versions
//! Each file has its version in its table `meta` under `schema`. A change of any table, key or value
//! is a new version with a step in `schema` that makes the older one into it.
//!
//! | file | version | what changed |
//! |---|---|---|
//! | `votes.redb` | 1 | the first |
//! | `state.redb` | 1 | the first |

#[cfg(test)]
use redb::ReadableTable;
use redb::{
    Key, ReadTransaction, ReadableTableMetadata, TableDefinition, TableHandle, Value,
    WriteTransaction,
};

use crate::error::Work;

/// A table, as it is documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableInfo {
    /// Its name in the file.
    pub name: &'static str,
    /// What its keys are.
    pub key: &'static str,
    /// What its values are.
    pub value: &'static str,
    /// What it is for.
    pub about: &'static str,
}

/// A digest, an id or a key as a part of a key or value.
pub(crate) type Bytes32 = &'static [u8; 32];

/// Each table's name, number of rows, and bytes of keys and values.
pub(crate) type Sizes = Vec<(&'static str, u64, u64)>;

/// A table's name with the encoded keys and values of its rows.
#[cfg(test)]
pub(crate) type Dump = Vec<(&'static str, Vec<(Vec<u8>, Vec<u8>)>)>;

macro_rules! tables {
    (
        $(#[$doc:meta])*
        $set:ident in $module:ident:
        $($name:ident = $table:literal, $about:literal, $key:ty [$key_text:literal] => $value:ty [$value_text:literal];)*
    ) => {
        $(#[$doc])*
        pub const $set: &[TableInfo] = &[
            $(TableInfo { name: $table, key: $key_text, value: $value_text, about: $about }),*
        ];

        $(
            #[doc = $about]
            pub(crate) const $name: TableDefinition<'static, $key, $value> = TableDefinition::new($table);
        )*

        pub(crate) mod $module {
            use super::*;

            /// Makes every table, so that a reader never misses one.
            pub(crate) fn create(transaction: &WriteTransaction) -> Work<()> {
                $(transaction.open_table($name)?;)*
                Ok(())
            }

            /// The number of rows and the bytes of content of every table; an error when one is
            /// missing or has other types.
            pub(crate) fn sizes(transaction: &ReadTransaction) -> Work<Sizes> {
                Ok(vec![$(size(transaction, $name, $table)?),*])
            }

            /// Every row.
            #[cfg(test)]
            pub(crate) fn dump(transaction: &ReadTransaction) -> Work<Dump> {
                Ok(vec![$(($table, rows(transaction, $name)?)),*])
            }
        }
    };
}

tables! {
    /// The tables of `votes.redb`.
    VOTES_TABLES in votes:
    VOTES_META = "meta", "Facts about the file.",
        &'static str ["`schema`, `validator`, `network` (once the log is bound to one), `writes`"]
        => &'static [u8] ["u32, 32 bytes, 32 bytes, u64; little-endian"];
    FLOORS = "floors", "At or below which view nothing is signed any more.",
        u64 ["epoch"] => u64 ["view"];
    VOTES = "votes", "The votes of this validator.",
        (u64, u64, u8) ["epoch, view, kind (0 notarize, 1 nullify, 2 finalize)"]
        => &'static [u8] ["wire Vote"];
    PROPOSALS = "proposals", "Proposals that votes rest on, and this validator's own.",
        (u64, u64, Bytes32) ["epoch, view, block id"] => &'static [u8] ["wire Proposal"];
    CERTIFICATES = "certificates", "Certificates that votes or the entry into a view rest on.",
        (u64, u64, u8, Bytes32) ["epoch, view, kind as in `votes`, block id or zeros"]
        => &'static [u8] ["wire Certificate"];
}

tables! {
    /// The tables of `state.redb`.
    STATE_TABLES in state:
    STATE_META = "meta", "Facts about the file.",
        &'static str ["`schema`, `network`, `vote_log_writes` (how many the log had at least), `cursor` (the last event's)"]
        => &'static [u8] ["u32, 32 bytes, u64, u64; little-endian"];
    FINAL_BLOCKS = "final_blocks", "Final blocks with the outcomes of their transactions.",
        u64 ["height"] => &'static [u8] ["wire FinalBlock"];
    BLOCK_IDS = "block_ids", "The ids of final blocks.",
        u64 ["height"] => Bytes32 ["block id"];
    FINALIZATIONS = "finalizations", "The finalizations of those final blocks that have their own.",
        u64 ["height"] => &'static [u8] ["wire Certificate"];
    STATE_NODES = "state_nodes", "The committed state's tree, all versions.",
        Bytes32 ["digest"] => &'static [u8] ["the tree's own encoding of a node"];
    HISTORY = "history", "The Merkle mountain range over the ids of final blocks.",
        u64 ["position"] => Bytes32 ["digest"];
    COLLECTIONS = "collections", "The collections of the committed state.",
        Bytes32 ["collection id"] => &'static [u8] ["wire CollectionState"];
    DOCUMENTS = "documents", "What is known of each document besides its changes.",
        (Bytes32, Bytes32) ["collection id, document id"] => &'static [u8] ["wire StoredDocument"];
    DOCUMENT_COLLECTIONS = "document_collections", "The collection of each document.",
        Bytes32 ["document id"] => Bytes32 ["collection id"];
    DOCUMENT_NAMES = "document_names", "Documents by the name in their descriptor.",
        (Bytes32, &'static str, Bytes32) ["collection id, name, document id"] => () ["nothing"];
    SNAPSHOTS = "snapshots", "Compacted documents.",
        Bytes32 ["document id"] => &'static [u8] ["an Automerge file"];
    CHANGES = "changes", "Changes since the snapshot, in order.",
        (Bytes32, u64) ["document id, place in the order"] => &'static [u8] ["an Automerge change"];
    COLLECTION_ROOTS = "collection_roots", "The root of each collection's tree.",
        Bytes32 ["collection id"] => Bytes32 ["digest"];
    COLLECTION_NODES = "collection_nodes", "The collections' trees, their present versions only.",
        Bytes32 ["digest"] => &'static [u8] ["the tree's own encoding of a node"];
    QUARANTINE = "quarantine", "Changes and documents that are put aside.",
        (Bytes32, Bytes32) ["change hash, document id"] => &'static [u8] ["wire QuarantineEntry"];
    PENDING = "pending", "Transactions of this node that are neither final nor expired.",
        Bytes32 ["transaction id"] => &'static [u8] ["wire Transaction"];
    EVENTS = "events", "The newest events, for those who follow with a cursor.",
        u64 ["cursor"] => &'static str ["JSON"];
    KNOWN_PEERS = "known_peers", "The address book.",
        &'static str ["peer id"] => &'static str ["JSON: multiaddresses, when last seen, since when post-quantum (if so)"];
    BANNED_PEERS = "banned_peers", "Peers that are refused.",
        &'static str ["peer id"] => u64 ["milliseconds since 1970 of the ban"];
}

fn size<K: Key + 'static, V: Value + 'static>(
    transaction: &ReadTransaction,
    definition: TableDefinition<'static, K, V>,
    name: &'static str,
) -> Work<(&'static str, u64, u64)> {
    debug_assert_eq!(definition.name(), name);
    let table = transaction.open_table(definition)?;
    Ok((name, table.len()?, table.stats()?.stored_bytes()))
}

#[cfg(test)]
fn rows<K: Key + 'static, V: Value + 'static>(
    transaction: &ReadTransaction,
    definition: TableDefinition<'static, K, V>,
) -> Work<Vec<(Vec<u8>, Vec<u8>)>> {
    let table = transaction.open_table(definition)?;
    let mut rows = Vec::new();
    for row in table.iter()? {
        let (key, value) = row?;
        let value = V::as_bytes(&value.value()).as_ref().to_vec();
        rows.push((K::as_bytes(&key.value()).as_ref().to_vec(), value));
    }
    Ok(rows)
}
