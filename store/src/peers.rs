//! The address book, and peers that are refused.

use decube_protocols::types::{PeerId, Timestamp};
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, Table, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::error::{Fault, StoreError, Work};
use crate::tables::{BANNED_PEERS, KNOWN_PEERS};

/// The most peers in the address book: more than a node is ever connected with, and a megabyte.
/// Beyond it, those not seen for longest give way.
pub const MAX_PEERS: usize = 1024;

/// The most addresses of a peer: two transports on a few interfaces.
pub const MAX_ADDRESSES: usize = 8;

/// The longest address that is kept; real ones have some 60 to 120 characters.
const MAX_ADDRESS: usize = 512;

/// The most peers that are refused; each is a decision of a person.
pub const MAX_BANS: usize = 4096;

/// A peer of the address book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPeer {
    /// The peer.
    pub peer: PeerId,
    /// Multiaddresses, the best first; those beyond [`MAX_ADDRESSES`] are not kept.
    pub addresses: Vec<String>,
    /// When it was last connected.
    pub last_seen: Timestamp,
    /// When it first used the post-quantum channel, if it has. It is never lost but with the peer.
    pub post_quantum_since: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct Row {
    addresses: Vec<String>,
    last_seen: Timestamp,
    /// Absent from rows of peers that have not, and passed over by readers that do not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    post_quantum_since: Option<Timestamp>,
}

fn parse_peer(text: &str) -> Work<PeerId> {
    text.parse()
        .map_err(|error| Fault::Damaged(format!("a peer id in the address book: {error}")))
}

fn parse_row(text: &str) -> Work<Row> {
    serde_json::from_str(text)
        .map_err(|error| Fault::Damaged(format!("a row of table known_peers: {error}")))
}

/// Notes peers, replacing the addresses that were known of each.
pub(crate) fn remember(transaction: &WriteTransaction, peers: &[KnownPeer]) -> Work<()> {
    let mut known = transaction.open_table(KNOWN_PEERS)?;
    for KnownPeer {
        peer,
        addresses,
        last_seen,
        post_quantum_since,
    } in peers
    {
        let name = peer.to_base58();
        let kept = match known.get(name.as_str())? {
            Some(row) => parse_row(row.value())?.post_quantum_since,
            None => None,
        };
        let addresses = addresses
            .iter()
            .filter(|address| address.len() <= MAX_ADDRESS);
        let addresses = addresses.take(MAX_ADDRESSES).cloned().collect();
        let text = serde_json::to_string(&Row {
            addresses,
            last_seen: *last_seen,
            post_quantum_since: kept.or(*post_quantum_since),
        })
        .map_err(|error| Fault::Damaged(format!("an address book entry: {error}")))?;
        known.insert(name.as_str(), text.as_str())?;
    }
    make_room(&mut known)
}

/// Notes that peers have used the post-quantum channel, and keeps what was known of each.
pub(crate) fn pin(transaction: &WriteTransaction, peers: &[PeerId], when: Timestamp) -> Work<()> {
    let mut known = transaction.open_table(KNOWN_PEERS)?;
    for peer in peers {
        let name = peer.to_base58();
        let mut row = match known.get(name.as_str())? {
            Some(row) => parse_row(row.value())?,
            None => Row {
                addresses: Vec::new(),
                last_seen: when,
                post_quantum_since: None,
            },
        };
        row.post_quantum_since.get_or_insert(when);
        let text = serde_json::to_string(&row)
            .map_err(|error| Fault::Damaged(format!("an address book entry: {error}")))?;
        known.insert(name.as_str(), text.as_str())?;
    }
    make_room(&mut known)
}

/// Lets those go that were not seen for longest, when there are too many.
fn make_room(known: &mut Table<'_, &'static str, &'static str>) -> Work<()> {
    let excess = usize::try_from(known.len()?)
        .unwrap_or(usize::MAX)
        .saturating_sub(MAX_PEERS);
    if excess > 0 {
        let mut ages = Vec::new();
        for row in known.iter()? {
            let (peer, text) = row?;
            ages.push((parse_row(text.value())?.last_seen, peer.value().to_owned()));
        }
        ages.sort();
        for (_, peer) in ages.into_iter().take(excess) {
            known.remove(peer.as_str())?;
        }
    }
    Ok(())
}

/// Takes a peer out of the address book.
pub(crate) fn forget(transaction: &WriteTransaction, peer: &PeerId) -> Work<()> {
    transaction
        .open_table(KNOWN_PEERS)?
        .remove(peer.to_base58().as_str())?;
    Ok(())
}

/// The address book.
pub(crate) fn known(transaction: &ReadTransaction) -> Work<Vec<KnownPeer>> {
    let known = transaction.open_table(KNOWN_PEERS)?;
    let rows = known.iter()?.map(|row| {
        let (peer, text) = row?;
        let Row {
            addresses,
            last_seen,
            post_quantum_since,
        } = parse_row(text.value())?;
        Ok(KnownPeer {
            peer: parse_peer(peer.value())?,
            addresses,
            last_seen,
            post_quantum_since,
        })
    });
    rows.collect()
}

/// Refuses a peer from now on.
pub(crate) fn ban(transaction: &WriteTransaction, peer: &PeerId, when: Timestamp) -> Work<()> {
    let mut banned = transaction.open_table(BANNED_PEERS)?;
    let text = peer.to_base58();
    if banned.get(text.as_str())?.is_none() {
        if banned.len()? >= MAX_BANS as u64 {
            return Err(StoreError::TooMany {
                what: "banned peers",
                limit: MAX_BANS,
            }
            .into());
        }
        banned.insert(text.as_str(), when.0)?;
    }
    Ok(())
}

/// Refuses a peer no longer.
pub(crate) fn unban(transaction: &WriteTransaction, peer: &PeerId) -> Work<()> {
    transaction
        .open_table(BANNED_PEERS)?
        .remove(peer.to_base58().as_str())?;
    Ok(())
}

/// The peers that are refused, with the time of each ban.
pub(crate) fn banned(transaction: &ReadTransaction) -> Work<Vec<(PeerId, Timestamp)>> {
    let banned = transaction.open_table(BANNED_PEERS)?;
    let rows = banned.iter()?.map(|row| {
        let (peer, when) = row?;
        Ok((parse_peer(peer.value())?, Timestamp(when.value())))
    });
    rows.collect()
}
