//! The frames that wait for one validator, by urgency.
//!
//! # Invariants
//! - A frame is taken only when no more urgent one waits; of one urgency, the oldest first.
//! - When the queue is full, the least urgent, oldest frame goes, and a new frame never displaces
//!   a more urgent one.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::network::message::Priority;

/// How many urgencies there are.
const PRIORITIES: usize = 4;

/// How much may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    /// The most frames.
    pub(super) frames: usize,
    /// The most bytes; one frame may always wait.
    pub(super) bytes: usize,
}

/// The frames that wait for one validator.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Invariant: `frames` and `bytes` are the totals over these.
    waiting: [VecDeque<Bytes>; PRIORITIES],
    frames: usize,
    bytes: usize,
}

impl Queue {
    /// Adds a frame and keeps the queue within `bound`. Returns how many frames were dropped.
    pub(super) fn push(&mut self, priority: Priority, frame: Bytes, bound: Bound) -> usize {
        self.frames += 1;
        self.bytes += frame.len();
        self.waiting[index(priority)].push_back(frame);
        self.shrink(bound)
    }

    /// Drops the least urgent, oldest frames until the queue is within `bound`, and returns their
    /// number.
    pub(super) fn shrink(&mut self, bound: Bound) -> usize {
        let mut dropped = 0;
        while self.frames > 1 && (self.frames > bound.frames || self.bytes > bound.bytes) {
            let least = self.waiting.iter_mut().rev().find_map(VecDeque::pop_front);
            let Some(frame) = least else { break };
            self.forget(&frame);
            dropped += 1;
        }
        dropped
    }

    /// Takes the most urgent, oldest frame.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        let frame = self.waiting.iter_mut().find_map(VecDeque::pop_front)?;
        self.forget(&frame);
        Some(frame)
    }

    fn forget(&mut self, frame: &Bytes) {
        self.frames -= 1;
        self.bytes -= frame.len();
    }
}

fn index(priority: Priority) -> usize {
    match priority {
        Priority::Vote => 0,
        Priority::Proposal => 1,
        Priority::Transaction => 2,
        Priority::CatchUp => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Bound = Bound {
        frames: 100,
        bytes: 10_000,
    };

    fn all(queue: &mut Queue) -> Vec<Bytes> {
        let all = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!((queue.frames, queue.bytes), (0, 0));
        all
    }

    #[test]
    fn the_urgent_go_first_and_equals_in_order() {
        let mut queue = Queue::default();
        let pushed = [
            (Priority::CatchUp, "block 1"),
            (Priority::Transaction, "transaction"),
            (Priority::Vote, "vote 1"),
            (Priority::Proposal, "proposal"),
            (Priority::Vote, "vote 2"),
            (Priority::CatchUp, "block 2"),
        ];
        for (priority, frame) in pushed {
            assert_eq!(queue.push(priority, frame.into(), WIDE), 0);
        }
        let order = [
            "vote 1",
            "vote 2",
            "proposal",
            "transaction",
            "block 1",
            "block 2",
        ];
        assert_eq!(all(&mut queue), order);
    }

    #[test]
    fn a_flood_of_transactions_displaces_no_vote() {
        let mut queue = Queue::default();
        let bound = Bound {
            frames: 4,
            bytes: 10_000,
        };
        queue.push(Priority::Vote, "vote".into(), bound);
        queue.push(Priority::CatchUp, "block".into(), bound);
        let dropped: usize = (0..10)
            .map(|number| queue.push(Priority::Transaction, format!("{number}").into(), bound))
            .sum();
        assert_eq!(dropped, 8);
        assert_eq!(all(&mut queue), ["vote", "7", "8", "9"]);
    }

    #[test]
    fn a_new_frame_gives_way_to_more_urgent_ones() {
        let mut queue = Queue::default();
        let bound = Bound {
            frames: 2,
            bytes: 10_000,
        };
        queue.push(Priority::Vote, "vote 1".into(), bound);
        queue.push(Priority::Vote, "vote 2".into(), bound);
        assert_eq!(queue.push(Priority::Proposal, "proposal".into(), bound), 1);
        assert_eq!(all(&mut queue), ["vote 1", "vote 2"]);
    }

    #[test]
    fn bytes_count_too_but_one_frame_always_fits() {
        let mut queue = Queue::default();
        let bound = Bound {
            frames: 10,
            bytes: 5,
        };
        assert_eq!(
            queue.push(Priority::Vote, "longer than five".into(), bound),
            0
        );
        assert_eq!(queue.push(Priority::Vote, "next".into(), bound), 1);
        assert_eq!(queue.push(Priority::Vote, "x".into(), bound), 0);
        assert_eq!(
            queue.shrink(Bound {
                frames: 1,
                bytes: 5
            }),
            1
        );
        assert_eq!(all(&mut queue), ["x"]);
    }
}
