//! Who makes changes: the Automerge actor id of an author's session.

use automerge::ActorId;
use decube_crypto::PublicKey;

use crate::types::AuthorId;

/// What Automerge puts before an actor id, followed by a LEB128 number, for a branch that is
/// concurrent with the actor's own (`ActorId::with_concurrency`).
const BRANCH_MARK: [u8; 4] = [0x13, 0xb2, 0x23, 0x09];
/// Length of the session nonce in bytes.
const NONCE: usize = 8;
/// Length of an actor id without a branch.
const BASE: usize = PublicKey::LENGTH + NONCE;

/// One author in one session: a process draws a new nonce when it starts, so that a restored
/// backup cannot continue, and fork, a chain of changes that others already have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Who edits.
    pub author: AuthorId,
    /// Random, new at every start of the process.
    pub nonce: [u8; NONCE],
}

/// An actor id as this network forms it: 32 bytes of the author's key, 8 of the session's nonce,
/// before them, for a branch, Automerge's mark and the branch's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Whose session.
    pub session: Session,
    /// 0 for the session's main chain; others arise from edits at earlier heads.
    pub branch: u64,
}

/// An actor id of another form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the actor {0} is not an author's key with a session nonce")]
pub struct InvalidActor(String);

impl Actor {
    /// The most branches one session may have in a document: each costs an actor in memory, and
    /// an edit at old heads looks through them.
    pub const MAX_BRANCH: u64 = 4096;

    /// The bytes that name this actor.
    #[must_use]
    pub fn id(&self) -> ActorId {
        let mut bytes = Vec::with_capacity(BASE + BRANCH_MARK.len() + 2);
        if self.branch > 0 {
            bytes.extend(BRANCH_MARK);
            push_leb128(&mut bytes, self.branch);
        }
        bytes.extend(self.session.author.as_bytes());
        bytes.extend(self.session.nonce);
        ActorId::from(bytes)
    }

    /// Takes an actor id apart and checks every part.
    ///
    /// # Errors
    /// [`InvalidActor`] for any other form, also a second spelling of the same actor.
    pub fn parse(id: &ActorId) -> Result<Self, InvalidActor> {
        let invalid = || InvalidActor(id.to_hex_string());
        let bytes = id.to_bytes();
        let Some((prefix, base)) = bytes
            .len()
            .checked_sub(BASE)
            .and_then(|at| bytes.split_at_checked(at))
        else {
            return Err(invalid());
        };
        let (Some(key), Some(Ok(nonce))) = (
            base.get(..PublicKey::LENGTH),
            base.get(PublicKey::LENGTH..).map(TryInto::try_into),
        ) else {
            return Err(invalid());
        };
        let Ok(author) = PublicKey::from_bytes(key) else {
            return Err(invalid());
        };
        let branch = match prefix.strip_prefix(&BRANCH_MARK) {
            None if prefix.is_empty() => 0,
            Some(number) => read_leb128(number).ok_or_else(invalid)?,
            None => return Err(invalid()),
        };
        let actor = Self {
            session: Session { author, nonce },
            branch,
        };
        // One actor, one spelling: an over-long number would be a second name of a chain.
        if branch > Self::MAX_BRANCH || actor.id() != *id {
            return Err(invalid());
        }
        Ok(actor)
    }
}

fn push_leb128(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

/// A whole slice as one LEB128 number of at most two bytes, enough for `MAX_BRANCH`.
fn read_leb128(bytes: &[u8]) -> Option<u64> {
    match *bytes {
        [low] if low < 0x80 => Some(low.into()),
        [low, high] if low >= 0x80 && high < 0x80 => {
            Some(u64::from(low & 0x7f) | u64::from(high) << 7)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use decube_crypto::SecretKey;

    fn session() -> Session {
        Session {
            author: SecretKey::from_seed(&[1; 32]).public(),
            nonce: [7; 8],
        }
    }

    #[test]
    fn actors_round_trip() {
        for branch in [0, 1, 127, 128, Actor::MAX_BRANCH] {
            let actor = Actor {
                session: session(),
                branch,
            };
            assert_eq!(Actor::parse(&actor.id()), Ok(actor));
        }
    }

    #[test]
    fn other_forms_and_second_spellings_are_refused() {
        let base = Actor {
            session: session(),
            branch: 0,
        }
        .id()
        .to_bytes()
        .to_vec();
        let with = |prefix: &[u8]| ActorId::from([prefix, &base].concat());
        for bad in [
            ActorId::from(vec![]),
            ActorId::from(vec![1; 16]),
            ActorId::from(vec![2; 40]),
            with(&[0]),
            with(&[0x13, 0xb2, 0x23, 0x09]),
            with(&[0x13, 0xb2, 0x23, 0x09, 0]),
            with(&[0x13, 0xb2, 0x23, 0x09, 0x81, 0]),
            with(&[0x13, 0xb2, 0x23, 0x09, 0xff, 0x7f]),
        ] {
            assert!(Actor::parse(&bad).is_err(), "{bad:?}");
        }
    }
}
