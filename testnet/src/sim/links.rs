//! The links between nodes: connections that come and go, and messages that are late, lost, doubled
//! or overtaken.
//!
//! A pair of nodes has at most one connection. Each end has its own view of it, since an end may
//! notice only later that it broke. A direction may be blocked while the connection is up: then
//! messages vanish until someone notices.

use std::collections::BTreeMap;
use std::time::Duration;

use super::faults::{Counts, Fault};
use super::plan::{LinkPlan, NodeIndex};
use super::random::Random;

/// How long a message that is held back waits at most: several round trips, so that many overtake.
const HELD_BACK: Duration = Duration::from_millis(400);

/// A connection of two nodes.
#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    /// Which connection of the pair it is; messages of an earlier one never arrive.
    generation: u64,
    /// Whether the lower and the higher end believe that it is up.
    up: [bool; 2],
    /// How many partitions block the way from the lower and from the higher end.
    blocked: [u32; 2],
    /// When the newest message from the lower and from the higher end arrives.
    last: [Duration; 2],
    /// Whether a dial is under way.
    dialing: bool,
}

/// All links.
#[derive(Debug)]
pub(super) struct Links {
    plan: LinkPlan,
    calm: bool,
    pairs: BTreeMap<(NodeIndex, NodeIndex), Pair>,
}

/// The pair of two nodes, and which end the first of them is.
fn ends(from: NodeIndex, to: NodeIndex) -> ((NodeIndex, NodeIndex), usize) {
    if from < to {
        ((from, to), 0)
    } else {
        ((to, from), 1)
    }
}

impl Links {
    /// Links between so many nodes, none of them connected.
    pub(super) fn new(plan: LinkPlan, nodes: usize) -> Self {
        let all = (0..nodes).flat_map(|low| (low + 1..nodes).map(move |high| (low, high)));
        Self {
            plan,
            calm: false,
            pairs: all.map(|pair| (pair, Pair::default())).collect(),
        }
    }

    fn pair(&self, from: NodeIndex, to: NodeIndex) -> (Pair, usize) {
        let (key, end) = ends(from, to);
        (self.pairs.get(&key).copied().unwrap_or_default(), end)
    }

    fn with<T>(
        &mut self,
        from: NodeIndex,
        to: NodeIndex,
        change: impl FnOnce(&mut Pair, usize) -> T,
    ) -> T {
        let (key, end) = ends(from, to);
        change(self.pairs.entry(key).or_default(), end)
    }

    /// Whether `node` believes that it is connected to `peer`.
    pub(super) fn is_up(&self, node: NodeIndex, peer: NodeIndex) -> bool {
        let (pair, end) = self.pair(node, peer);
        pair.up[end]
    }

    /// The number of the present connection.
    pub(super) fn generation(&self, node: NodeIndex, peer: NodeIndex) -> u64 {
        self.pair(node, peer).0.generation
    }

    /// Whether either direction is blocked, or the other end knows that the connection is gone.
    pub(super) fn is_broken(&self, node: NodeIndex, peer: NodeIndex) -> bool {
        let (pair, end) = self.pair(node, peer);
        pair.blocked != [0, 0] || !pair.up[1 - end]
    }

    /// Whether either direction is blocked.
    pub(super) fn is_blocked(&self, node: NodeIndex, peer: NodeIndex) -> bool {
        self.pair(node, peer).0.blocked != [0, 0]
    }

    /// All pairs whose two ends believe that they are connected.
    pub(super) fn connected(&self) -> Vec<(NodeIndex, NodeIndex)> {
        let up = self
            .pairs
            .iter()
            .filter(|(_, pair)| pair.up == [true, true]);
        up.map(|(ends, _)| *ends).collect()
    }

    /// Makes a new connection, over which nothing was sent yet.
    pub(super) fn connect(&mut self, node: NodeIndex, peer: NodeIndex) {
        self.with(node, peer, |pair, _| {
            pair.generation += 1;
            pair.up = [true, true];
            pair.dialing = false;
        });
    }

    /// `node` no longer believes that it is connected to `peer`. True when it did before.
    pub(super) fn close(&mut self, node: NodeIndex, peer: NodeIndex) -> bool {
        self.with(node, peer, |pair, end| {
            std::mem::replace(&mut pair.up[end], false)
        })
    }

    /// Marks that a dial is under way. True when none was before.
    pub(super) fn dial(&mut self, node: NodeIndex, peer: NodeIndex) -> bool {
        self.with(node, peer, |pair, _| {
            !std::mem::replace(&mut pair.dialing, true)
        })
    }

    /// The dial ended without a connection.
    pub(super) fn gave_up(&mut self, node: NodeIndex, peer: NodeIndex) {
        self.with(node, peer, |pair, _| pair.dialing = false);
    }

    /// Blocks what `from` sends to `to`, once more.
    pub(super) fn block(&mut self, from: NodeIndex, to: NodeIndex) {
        self.with(from, to, |pair, end| pair.blocked[end] += 1);
    }

    /// Takes one block of what `from` sends to `to` away.
    pub(super) fn unblock(&mut self, from: NodeIndex, to: NodeIndex) {
        self.with(from, to, |pair, end| {
            pair.blocked[end] = pair.blocked[end].saturating_sub(1)
        });
    }

    /// From now on nothing is blocked, lost, doubled or held back.
    pub(super) fn calm(&mut self) {
        self.calm = true;
        for pair in self.pairs.values_mut() {
            pair.blocked = [0, 0];
        }
    }

    /// Whether a message of that connection that arrives now is received.
    pub(super) fn arrives(&self, from: NodeIndex, to: NodeIndex, generation: u64) -> bool {
        let (pair, end) = self.pair(to, from);
        pair.generation == generation && pair.up[end]
    }

    fn draw(&self, random: &mut Random, probability: f64) -> bool {
        !self.calm && random.chance(probability)
    }

    /// When a message on the long-lived stream arrives: never, once or twice.
    pub(super) fn stream(
        &mut self,
        from: NodeIndex,
        to: NodeIndex,
        now: Duration,
        random: &mut Random,
        counts: &mut Counts,
    ) -> Vec<Duration> {
        if self.is_lost(from, to, random, counts) {
            return Vec::new();
        }
        let usual = now + random.time(self.plan.least, self.plan.most);
        let held_back = self.draw(random, self.plan.reorder);
        let doubled = self.draw(random, self.plan.duplicate);
        let mut arrivals = Vec::with_capacity(2);
        let last = self.with(from, to, |pair, end| {
            // A message that is held back does not hold back those behind it.
            let last = pair.last[end];
            if !held_back {
                pair.last[end] = last.max(usual);
            }
            last
        });
        if held_back {
            counts.count(Fault::Reorder);
            arrivals.push(usual.max(last) + random.time(Duration::ZERO, HELD_BACK));
        } else {
            arrivals.push(usual.max(last));
        }
        if doubled {
            counts.count(Fault::Duplicate);
            arrivals.push(usual.max(last) + random.time(Duration::ZERO, HELD_BACK));
        }
        arrivals
    }

    fn is_lost(
        &self,
        from: NodeIndex,
        to: NodeIndex,
        random: &mut Random,
        counts: &mut Counts,
    ) -> bool {
        let (pair, end) = self.pair(from, to);
        if pair.blocked[end] > 0 {
            return true;
        }
        let lost = self.draw(random, self.plan.loss);
        if lost {
            counts.count(Fault::Loss);
        }
        lost
    }

    /// When a request or a response arrives, each on a stream of its own; never when it is lost.
    pub(super) fn single(
        &self,
        from: NodeIndex,
        to: NodeIndex,
        now: Duration,
        random: &mut Random,
        counts: &mut Counts,
    ) -> Option<Duration> {
        if self.is_lost(from, to, random, counts) {
            return None;
        }
        Some(now + random.time(self.plan.least, self.plan.most))
    }

    /// When a gossip message arrives at a neighbour: never, once or twice.
    pub(super) fn gossip(
        &self,
        from: NodeIndex,
        to: NodeIndex,
        now: Duration,
        random: &mut Random,
        counts: &mut Counts,
    ) -> Vec<Duration> {
        let (pair, end) = self.pair(from, to);
        if pair.blocked[end] > 0 {
            return Vec::new();
        }
        // Gossip is handed over without acknowledgement, so more of it is lost than of the rest.
        if self.draw(random, self.plan.loss * 2.0 + 0.01) {
            counts.count(Fault::GossipLoss);
            return Vec::new();
        }
        let mut arrivals = vec![now + random.time(self.plan.least, self.plan.most)];
        if self.draw(random, self.plan.duplicate + 0.01) {
            counts.count(Fault::GossipDuplicate);
            arrivals.push(now + random.time(self.plan.least, HELD_BACK));
        }
        arrivals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(loss: f64, duplicate: f64, reorder: f64) -> Links {
        let plan = LinkPlan {
            least: Duration::from_millis(1),
            most: Duration::from_millis(20),
            loss,
            duplicate,
            reorder,
        };
        let mut links = Links::new(plan, 3);
        links.connect(0, 1);
        links
    }

    #[test]
    fn a_stream_without_faults_keeps_its_order() {
        let (mut random, mut counts) = (Random::new(1), Counts::default());
        let mut links = links(0.0, 0.0, 0.0);
        let mut last = Duration::ZERO;
        for sent in 0..200 {
            let now = Duration::from_millis(sent);
            let arrivals = links.stream(0, 1, now, &mut random, &mut counts);
            assert!(arrivals.len() == 1 && arrivals[0] >= last && arrivals[0] > now);
            last = arrivals[0];
        }
        assert_eq!(counts, Counts::default());
    }

    #[test]
    fn faults_of_a_stream_occur_and_are_counted_until_it_is_calm() {
        let (mut random, mut counts) = (Random::new(2), Counts::default());
        let mut links = links(0.2, 0.2, 0.2);
        for _ in 0..200 {
            let _ = links.stream(0, 1, Duration::ZERO, &mut random, &mut counts);
        }
        for fault in [Fault::Loss, Fault::Duplicate, Fault::Reorder] {
            assert!(counts.of(fault) > 10, "{fault:?}");
        }
        links.calm();
        let before = counts.clone();
        let _ = links.stream(1, 0, Duration::ZERO, &mut random, &mut counts);
        assert_eq!(counts, before);
    }

    #[test]
    fn a_blocked_direction_and_an_old_connection_let_nothing_through() {
        let (mut random, mut counts) = (Random::new(3), Counts::default());
        let mut links = links(0.0, 0.0, 0.0);
        links.block(0, 1);
        assert!(
            links
                .stream(0, 1, Duration::ZERO, &mut random, &mut counts)
                .is_empty()
        );
        assert_eq!(
            links
                .stream(1, 0, Duration::ZERO, &mut random, &mut counts)
                .len(),
            1
        );
        assert!(links.is_broken(0, 1) && links.is_broken(1, 0));
        links.unblock(0, 1);
        let old = links.generation(0, 1);
        assert!(links.arrives(0, 1, old));
        assert!(links.close(1, 0));
        assert!(!links.arrives(0, 1, old) && links.is_broken(0, 1));
        links.connect(0, 1);
        assert!(!links.arrives(0, 1, old));
    }
}
