//! Automerge's sync protocol for one document, kept within bounds.
//!
//! Automerge's messages are used as they are, with four differences. Changes are taken out of a
//! message and admitted before Automerge sees the rest. Which changes go into a message is decided
//! here: at most [`MAX_MESSAGE`] bytes, and the next one carries on; only these are encoded, so
//! that a step costs what it sends, however large the document is. The capability to send a whole
//! compressed document is neither used nor accepted, because its size is not bounded by the
//! message's. And a Bloom filter whose header asks for endless work is refused.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::sync::{Have, Message, State, SyncDoc};

use super::admission::{Decoded, MAX_CHANGE};
use super::{Content, Refused};
use crate::types::ChangeHash;

/// Bytes of changes in one message; with one large change more it still fits in a frame of 1 MiB.
const MAX_MESSAGE: usize = 512 * 1024;
/// The most Bloom filters in one message; Automerge sends one.
const MAX_FILTERS: usize = 1;
/// The most probes of a Bloom filter, which are made for every change; Automerge uses 7.
const MAX_PROBES: u64 = 8;

/// How far the sync of one document with one peer is.
#[derive(Clone, Debug, Default)]
pub struct SyncState(State);

/// A sync message that an honest peer never sends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSync {
    /// Automerge cannot read it.
    #[error("the sync message is malformed: {0}")]
    Malformed(String),
    /// Its Bloom filters would take endless work.
    #[error("the sync message has Bloom filters beyond all bounds")]
    Filters,
    /// Automerge panicked on it.
    #[error("Automerge gave up on the sync message")]
    Panicked,
}

/// A sync message whose changes were taken out.
#[derive(Clone, Debug)]
pub struct SyncMessage {
    rest: Message,
    /// The well-formed changes.
    pub changes: Vec<Decoded>,
    /// The others.
    pub refused: Vec<Refused>,
}

impl SyncState {
    /// The heads that the peer's last message named, once there was one.
    #[must_use]
    pub fn their_heads(&self) -> Option<Vec<ChangeHash>> {
        let heads = self.0.their_heads.as_ref()?.iter();
        Some(heads.map(|head| super::from_automerge(*head)).collect())
    }

    /// Whether the peer's last message named exactly the document's heads.
    #[must_use]
    pub fn agrees(&self, content: &Content) -> bool {
        let ours: Vec<_> = content.heads().iter().map(super::to_automerge).collect();
        self.0.their_heads.as_ref() == Some(&ours)
    }
}

impl SyncMessage {
    /// Decodes a message and takes its changes out.
    ///
    /// # Errors
    /// [`InvalidSync`] says what is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidSync> {
        let mut rest = match catch_unwind(|| Message::decode(bytes)) {
            Ok(Ok(message)) => message,
            Ok(Err(error)) => return Err(InvalidSync::Malformed(error.to_string())),
            Err(_) => return Err(InvalidSync::Panicked),
        };
        if rest.have.len() > MAX_FILTERS || !rest.have.iter().all(bounded) {
            return Err(InvalidSync::Filters);
        }
        let (mut changes, mut refused) = (Vec::new(), Vec::new());
        for bytes in rest.changes.iter() {
            match Decoded::new(bytes) {
                Ok(change) => changes.push(change),
                Err(change) => refused.push(change),
            }
        }
        rest.changes = Vec::<Vec<u8>>::new().into();
        // Without flags Automerge takes the peer for one that knows no whole documents.
        rest.flags = None;
        Ok(Self {
            rest,
            changes,
            refused,
        })
    }
}

/// Whether a filter's header (entries, bits per entry, probes) asks for bounded work. An empty
/// filter is encoded as nothing.
fn bounded(have: &Have) -> bool {
    let bytes = have.bloom.to_bytes();
    if bytes.is_empty() {
        return true;
    }
    let mut rest = bytes.as_slice();
    let mut numbers = [0_u64; 3];
    for number in &mut numbers {
        let mut shift = 0;
        loop {
            let Some((byte, after)) = rest.split_first() else {
                return false;
            };
            rest = after;
            if shift > 28 {
                return false;
            }
            *number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    let [_, _, probes] = numbers;
    !rest.is_empty() && probes <= MAX_PROBES
}

impl Content {
    /// The next message to the peer of `state`, if there is anything to say, and how many changes
    /// are in it.
    #[must_use]
    pub fn sync_message(&self, state: &mut SyncState) -> Option<(Vec<u8>, usize)> {
        // What Automerge works on came from a peer in part.
        let next = catch_unwind(AssertUnwindSafe(|| self.next_message(&mut state.0)));
        next.ok().flatten()
    }

    fn next_message(&self, state: &mut State) -> Option<(Vec<u8>, usize)> {
        // For a peer that takes no changes Automerge gathers none: it would encode all that are
        // missing at every step.
        state.peer_read_only = true;
        let mut message = self.automerge().generate_sync_message(state)?;
        let batch = self.batch(state);
        state
            .sent_hashes
            .extend(batch.iter().map(|(hash, _)| *hash));
        let changes: Vec<Vec<u8>> = batch.into_iter().map(|(_, bytes)| bytes).collect();
        let filters = message.have.iter().map(|have| have.bloom.to_bytes().len());
        if changes.iter().map(Vec::len).chain(filters).sum::<usize>() > MAX_CHANGE {
            // The peer answers with the changes that are asked for by their hashes.
            message.have.clear();
        }
        let count = changes.len();
        message.changes = changes.into();
        Some((message.encode(), count))
    }

    /// The next changes that the peer lacks and was not sent: as many as go into a message, but
    /// one at least.
    ///
    /// A peer whose heads this document has lacks exactly what is not below them. About another
    /// its Bloom filters tell, which may take a change for one that it has. When it still asks for
    /// a change that was sent, then something below that is missing, and all of it is sent.
    fn batch(&self, state: &State) -> Vec<(automerge::ChangeHash, Vec<u8>)> {
        let (Some(heads), Some(have), Some(need)) =
            (&state.their_heads, &state.their_have, &state.their_need)
        else {
            return Vec::new();
        };
        let ours = |hashes: &[automerge::ChangeHash]| -> Vec<ChangeHash> {
            let hashes = hashes.iter().map(|hash| super::from_automerge(*hash));
            hashes.filter(|hash| self.graph().contains(hash)).collect()
        };
        let mut known = ours(heads);
        let exact = known.len() == heads.len();
        for Have { last_sync, .. } in have {
            let shared = ours(last_sync);
            if shared.len() < last_sync.len() {
                // The peer takes this node for one that had more: it is told to begin anew.
                return Vec::new();
            }
            known.extend(shared);
        }
        let needed: BTreeSet<ChangeHash> = ours(need).into_iter().collect();
        let sent = |hash: &ChangeHash| state.sent_hashes.contains(&super::to_automerge(hash));
        let again: Vec<ChangeHash> = needed.iter().copied().filter(sent).collect();
        let filtered = |hash: &ChangeHash| {
            let hash = super::to_automerge(hash);
            have.is_empty() || have.iter().any(|have| have.bloom.contains_hash(&hash))
        };
        let has = |hash: &ChangeHash| !exact && !needed.contains(hash) && filtered(hash);
        let (mut batch, mut size) = (Vec::new(), 0);
        let lacking = self.graph().lacking(&known, &again, has);
        for hash in lacking.filter(|hash| !sent(hash)) {
            let Some(bytes) = self.change(&hash) else {
                break;
            };
            size += bytes.len();
            if size > MAX_MESSAGE && !batch.is_empty() {
                break;
            }
            batch.push((super::to_automerge(&hash), bytes));
        }
        batch
    }

    /// Notes what the peer said, after the message's changes were admitted.
    ///
    /// # Errors
    /// [`InvalidSync`] when Automerge cannot make sense of it.
    pub fn note_sync(
        &mut self,
        state: &mut SyncState,
        message: SyncMessage,
    ) -> Result<(), InvalidSync> {
        let automerge = self.automerge_mut();
        let receive = || automerge.receive_sync_message(&mut state.0, message.rest);
        match catch_unwind(AssertUnwindSafe(receive)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(InvalidSync::Malformed(error.to_string())),
            Err(_) => Err(InvalidSync::Panicked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::content::{Edit, Session};
    use automerge::sync::BloomFilter;
    use decube_crypto::SecretKey;
    use serde_json::json;

    fn typed(seed: u8, start: Option<&Content>, size: usize, count: usize) -> Content {
        let session = Session {
            author: SecretKey::from_seed(&[seed; 32]).public(),
            nonce: [0; 8],
        };
        let mut content = match start {
            Some(content) => content.clone(),
            None => {
                Content::create(&session, Some(&json!({ "t": "" })), 0)
                    .unwrap()
                    .0
            }
        };
        for n in 0..count {
            // Writing what is there already would be no change.
            let value = json!({ "$bytes": format!("{n:02x}").repeat(size) });
            let edit = Edit::Set {
                pointer: "/t".parse().unwrap(),
                value,
            };
            content.edit(&session, None, &[edit], None, 0).unwrap();
        }
        content
    }

    fn deliver(to: &mut Content, state: &mut SyncState, bytes: &[u8]) {
        assert!(bytes.len() < 1024 * 1024);
        let mut message = SyncMessage::decode(bytes).unwrap();
        assert!(message.refused.is_empty());
        let admitted = to.admit(std::mem::take(&mut message.changes)).unwrap();
        assert!(admitted.waiting.is_empty() && admitted.refused.is_empty());
        to.note_sync(state, message).unwrap();
    }

    /// How many messages it took until the one who asks had nothing more to say.
    fn sync(here: &mut Content, there: &mut Content) -> usize {
        let (mut asks, mut answers) = (SyncState::default(), SyncState::default());
        for count in 1..100 {
            let Some((message, _)) = here.sync_message(&mut asks) else {
                return count;
            };
            deliver(there, &mut answers, &message);
            let Some((message, _)) = there.sync_message(&mut answers) else {
                return count;
            };
            deliver(here, &mut asks, &message);
        }
        panic!("the sync does not end");
    }

    #[test]
    fn both_directions_in_few_messages() {
        let base = typed(1, None, 3, 20);
        let (mut here, mut there) = (typed(2, Some(&base), 2, 30), typed(3, Some(&base), 4, 40));
        assert!(sync(&mut here, &mut there) <= 4);
        assert_eq!(here.heads(), there.heads());
        let mut fresh = Content::new();
        assert!(sync(&mut fresh, &mut here) <= 4);
        assert_eq!(fresh.heads(), here.heads());
        assert!(sync(&mut fresh, &mut here) <= 2);
    }

    #[test]
    fn what_exceeds_a_message_goes_into_the_next() {
        let mut here = typed(1, None, 300_000, 6);
        let mut fresh = Content::new();
        assert!(sync(&mut fresh, &mut here) > 3);
        assert_eq!(fresh.heads(), here.heads());
        let mut other = Content::new();
        assert!(sync(&mut here, &mut other) > 3);
        assert_eq!(other.heads(), here.heads());
    }

    #[test]
    fn a_step_sends_only_what_it_encoded() {
        let mut here = typed(1, None, 100_000, 12);
        let mut state = SyncState::default();
        let fresh = Content::new().sync_message(&mut SyncState::default());
        let all = here.graph().len();
        let mut sent = 0;
        while sent < all {
            let message = SyncMessage::decode(&fresh.as_ref().unwrap().0).unwrap();
            // The peer lost everything, so what was sent before stays sent in this test only.
            let before = state.0.sent_hashes.clone();
            here.note_sync(&mut state, message).unwrap();
            state.0.sent_hashes = before;
            let (bytes, count) = here.sync_message(&mut state).unwrap();
            let message = SyncMessage::decode(&bytes).unwrap();
            let size: usize = message
                .changes
                .iter()
                .map(|change| change.bytes().len())
                .sum();
            assert!(count > 0 && size <= MAX_MESSAGE);
            sent += count;
            assert_eq!(
                state.0.sent_hashes.len(),
                sent,
                "nothing is sent twice or left out"
            );
        }
    }

    /// A filter may take any change for one that the peer has, and does so again at every try.
    #[test]
    fn changes_that_filters_hide_arrive_all_the_same() {
        let base = typed(1, None, 3, 5);
        let (mut here, mut there) = (typed(2, Some(&base), 2, 10), typed(3, Some(&base), 4, 10));
        let blind = |bytes: &[u8]| {
            let mut message = Message::decode(bytes).unwrap();
            // One entry of eight bits, one probe, all bits set: everything is in it.
            let all = BloomFilter::try_from([1, 8, 1, 0xff].as_slice()).unwrap();
            message
                .have
                .iter_mut()
                .for_each(|have| have.bloom = all.clone());
            message.encode()
        };
        let (mut asks, mut answers) = (SyncState::default(), SyncState::default());
        let (mut waits_here, mut waits_there) = (Vec::new(), Vec::new());
        for _ in 0..6 {
            let message = here.sync_message(&mut asks);
            take(
                &mut there,
                &mut answers,
                &mut waits_there,
                message.map(|(m, _)| blind(&m)),
            );
            let message = there.sync_message(&mut answers);
            take(
                &mut here,
                &mut asks,
                &mut waits_here,
                message.map(|(m, _)| blind(&m)),
            );
        }
        assert_eq!(here.heads(), there.heads());
    }

    /// As a node takes a message: what lacks its dependencies waits.
    fn take(to: &mut Content, state: &mut SyncState, waits: &mut Vec<Decoded>, m: Option<Vec<u8>>) {
        let Some(bytes) = m else { return };
        let mut message = SyncMessage::decode(&bytes).unwrap();
        waits.append(&mut message.changes);
        *waits = to.admit(std::mem::take(waits)).unwrap().waiting;
        to.note_sync(state, message).unwrap();
    }

    #[test]
    fn endless_filters_and_garbage_are_refused() {
        let mut message = Content::new()
            .automerge()
            .generate_sync_message(&mut State::new())
            .unwrap();
        // Entries, bits per entry, probes: a filter that asks for four thousand million probes.
        let hostile = BloomFilter::try_from([1, 8, 0xff, 0xff, 0xff, 0xff, 0x0f, 0].as_slice());
        message.have[0].bloom = hostile.unwrap();
        let refused = SyncMessage::decode(&message.clone().encode()).unwrap_err();
        assert_eq!(refused, InvalidSync::Filters);
        let empty = BloomFilter::try_from([1, 0, 7].as_slice());
        message.have[0].bloom = empty.unwrap();
        assert_eq!(
            SyncMessage::decode(&message.encode()).unwrap_err(),
            InvalidSync::Filters
        );
        for garbage in [
            vec![],
            vec![0x42],
            vec![0x42, 0xff, 0xff, 0xff],
            b"hello".to_vec(),
        ] {
            assert!(SyncMessage::decode(&garbage).is_err());
        }
    }
}
