//! Names for requests: which core a response belongs to, and how to answer a peer.

use std::collections::BTreeMap;

use decube_protocols::commit::RequestFailure;
use decube_protocols::types::RequestId;

use crate::network::{RequestError, ResponseToken};

/// Who asked: the network knows one number per request, whose top two bits say this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The commit core.
    Commit,
    /// The documents core.
    Documents,
    /// The submission core, for receipts.
    Receipts,
    /// The submission core, for a transaction.
    Transaction,
}

/// Where the origin stands in the network's number; the cores' own numbers stay far below.
const ORIGIN_SHIFT: u32 = 62;
/// The bits of a core's own number.
const OWN_MASK: u64 = (1 << ORIGIN_SHIFT) - 1;

impl Origin {
    /// The network's number for a core's request.
    pub(super) const fn tag(self, id: RequestId) -> u64 {
        let origin = match self {
            Self::Commit => 0,
            Self::Documents => 1,
            Self::Receipts => 2,
            Self::Transaction => 3,
        };
        (origin << ORIGIN_SHIFT) | (id.0 & OWN_MASK)
    }

    /// Takes the network's number apart.
    pub(super) const fn of(number: u64) -> (Self, RequestId) {
        let origin = match number >> ORIGIN_SHIFT {
            0 => Self::Commit,
            1 => Self::Documents,
            2 => Self::Receipts,
            _ => Self::Transaction,
        };
        (origin, RequestId(number & OWN_MASK))
    }
}

/// How a request that reached this node is answered.
#[derive(Debug)]
pub(super) enum Asker {
    /// By the network.
    Peer(ResponseToken),
    /// By the submission core of this very node, under its own number.
    Own(RequestId),
}

/// Requests that a core has not answered yet.
#[derive(Debug, Default)]
pub(super) struct Open {
    next: u64,
    askers: BTreeMap<u64, Asker>,
}

/// How many requests may be open: a core answers nearly all at once, and the oldest is refused
/// when it answers none of so many.
const MAX_OPEN: usize = 4096;

impl Open {
    /// Names a request; the oldest open one is refused when there are too many.
    pub(super) fn insert(&mut self, asker: Asker) -> RequestId {
        if self.askers.len() >= MAX_OPEN {
            self.askers.pop_first();
        }
        self.next += 1;
        self.askers.insert(self.next, asker);
        RequestId(self.next)
    }

    /// Takes the asker of a request that is answered now; none when it was refused meanwhile.
    pub(super) fn take(&mut self, id: RequestId) -> Option<Asker> {
        self.askers.remove(&id.0)
    }
}

/// What a core is told of a request that failed.
pub(super) fn failure(error: &RequestError) -> RequestFailure {
    match error {
        RequestError::NotConnected => RequestFailure::NotConnected,
        RequestError::Timeout => RequestFailure::TimedOut,
        RequestError::Unsupported | RequestError::BadFrame(_) => RequestFailure::Garbage,
        RequestError::TooLarge { .. } | RequestError::Busy | RequestError::Closed(_) => {
            RequestFailure::Broken
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_names_its_origin_and_request() {
        for origin in [
            Origin::Commit,
            Origin::Documents,
            Origin::Receipts,
            Origin::Transaction,
        ] {
            assert_eq!(
                Origin::of(origin.tag(RequestId(77))),
                (origin, RequestId(77))
            );
        }
    }

    #[test]
    fn the_oldest_request_gives_way() {
        let mut open = Open::default();
        let first = open.insert(Asker::Own(RequestId(0)));
        for number in 1..=MAX_OPEN as u64 {
            open.insert(Asker::Own(RequestId(number)));
        }
        assert!(open.take(first).is_none());
        assert!(matches!(
            open.take(RequestId(2)),
            Some(Asker::Own(RequestId(1)))
        ));
    }
}
