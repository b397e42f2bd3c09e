//! What is going to happen, in order of virtual time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

/// Events by time; those of one moment in the order in which they were added.
#[derive(Debug)]
pub(super) struct Queue<E> {
    order: BinaryHeap<Reverse<(Duration, u64)>>,
    // Invariant: has exactly the numbers in `order`.
    events: BTreeMap<u64, E>,
    next: u64,
}

impl<E> Queue<E> {
    /// A queue without events.
    pub(super) const fn new() -> Self {
        Self {
            order: BinaryHeap::new(),
            events: BTreeMap::new(),
            next: 0,
        }
    }

    /// Adds an event.
    pub(super) fn push(&mut self, at: Duration, event: E) {
        self.order.push(Reverse((at, self.next)));
        self.events.insert(self.next, event);
        self.next += 1;
    }

    /// Takes the next event with its time.
    pub(super) fn pop(&mut self) -> Option<(Duration, E)> {
        let Reverse((at, number)) = self.order.pop()?;
        Some((at, self.events.remove(&number)?))
    }

    /// How many events are waiting.
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_in_order_of_arrival() {
        let mut queue = Queue::new();
        for (at, event) in [(5, 'c'), (1, 'a'), (5, 'd'), (1, 'b')] {
            queue.push(Duration::from_millis(at), event);
        }
        assert_eq!(queue.len(), 4);
        let order: Vec<char> = std::iter::from_fn(|| queue.pop())
            .map(|(_, event)| event)
            .collect();
        assert_eq!(order, ['a', 'b', 'c', 'd']);
    }
}
