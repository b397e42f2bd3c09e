//! What breaks, and when.

use std::time::Duration;

use super::{Event, World};
use crate::sim::faults::Fault;
use crate::sim::node::Doom;
use crate::sim::oracle::Violation;
use crate::sim::plan::NodeIndex;

/// What can break on its own, each kind at its own pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) enum Kind {
    /// A node is killed.
    Crash,
    /// All nodes are killed at once.
    AllCrash,
    /// Nodes are cut off from others.
    Partition,
    /// A connection closes.
    Disconnect,
    /// A disk becomes slow.
    SlowDisk,
    /// A wall clock jumps.
    Clock,
}

impl Kind {
    pub(super) const ALL: [Self; 6] = [
        Self::Crash,
        Self::AllCrash,
        Self::Partition,
        Self::Disconnect,
        Self::SlowDisk,
        Self::Clock,
    ];
}

/// How far a wall clock jumps at most, in milliseconds: beyond any drift that is tolerated.
const CLOCK_JUMP_MS: u64 = 120_000;

impl World {
    /// Schedules the next event of a kind, at a random time around the mean of the plan.
    pub(super) fn schedule_break(&mut self, kind: Kind) {
        let faults = self.plan.faults;
        let mean = match kind {
            Kind::Crash => Some(faults.crash),
            Kind::AllCrash => faults.all_crash,
            Kind::Partition => Some(faults.partition),
            Kind::Disconnect => Some(faults.disconnect),
            Kind::SlowDisk => Some(faults.slow_disk),
            Kind::Clock => Some(faults.clock),
        };
        if let Some(mean) = mean {
            let delay = self.random.time(mean / 4, mean * 7 / 4);
            self.after(delay, Event::Break(kind));
        }
    }

    /// Breaks something of that kind, and schedules the next.
    pub(super) fn break_something(&mut self, kind: Kind) -> Result<(), Violation> {
        if self.healed.is_some() {
            return Ok(());
        }
        match kind {
            Kind::Crash => self.crash_one(),
            Kind::AllCrash => self.crash_all(),
            Kind::Partition => self.partition(),
            Kind::Disconnect => self.disconnect_one()?,
            Kind::SlowDisk => self.slow_disk(),
            Kind::Clock => self.jump_clock(),
        }
        self.schedule_break(kind);
        Ok(())
    }

    fn any_node(&mut self) -> NodeIndex {
        self.random.below(self.nodes.len())
    }

    fn crash_one(&mut self) {
        let node = self.any_node();
        if self.nodes[node].running.is_none() || self.nodes[node].doom.is_some() {
            return;
        }
        match self.random.below(5) {
            0 => self.kill(node, Fault::Crash),
            1 => {
                let effects = u32::try_from(self.random.below(30)).unwrap_or(0);
                self.doom(node, Doom::Effects(effects));
            }
            2 => self.doom(node, Doom::BeforeWrite),
            3 => {
                let operations = u32::try_from(self.random.below(25)).unwrap_or(0);
                self.doom(node, Doom::InWrite(operations));
            }
            _ => self.doom(node, Doom::AfterWrite),
        }
    }

    fn crash_all(&mut self) {
        self.counts.count(Fault::AllCrash);
        for node in 0..self.nodes.len() {
            if self.nodes[node].running.is_some() {
                self.kill(node, Fault::Crash);
            }
        }
    }

    fn partition(&mut self) {
        let nodes = self.nodes.len();
        // From a single node to half of the network on one side.
        let size = 1 + self.random.below(nodes / 2);
        let mut side: Vec<NodeIndex> = (0..nodes).collect();
        for place in 0..size {
            let other = place + self.random.below(nodes - place);
            side.swap(place, other);
        }
        side.truncate(size);
        let one_way = self.random.chance(0.35);
        let out = self.random.chance(0.5);
        let mut directions = Vec::new();
        for from in 0..nodes {
            for to in (0..nodes).filter(|to| *to != from) {
                let (a, b) = (side.contains(&from), side.contains(&to));
                let cut = if one_way { a != b && a == out } else { a != b };
                if cut {
                    directions.push((from, to));
                }
            }
        }
        let fault = if one_way {
            Fault::AsymmetricPartition
        } else {
            Fault::Partition
        };
        self.counts.count(fault);
        self.log(format_args!("{} around {side:?}", fault.name()));
        for (from, to) in &directions {
            self.links.block(*from, *to);
            // Silence is noticed after a while, if it lasts.
            let delay = self.random.millis(300, 3_000);
            let generation = self.links.generation(*from, *to);
            self.after(
                delay,
                Event::Notice {
                    node: *from,
                    peer: *to,
                    generation,
                },
            );
        }
        let lasts = self.random.millis(200, 4_000);
        self.after(lasts, Event::Reunite(directions));
    }

    pub(super) fn reunite(&mut self, directions: &[(NodeIndex, NodeIndex)]) {
        if self.healed.is_some() {
            return;
        }
        self.log(format_args!("{} ways are open again", directions.len()));
        for (from, to) in directions {
            self.links.unblock(*from, *to);
        }
    }

    fn disconnect_one(&mut self) -> Result<(), Violation> {
        let connected = self.links.connected();
        let Some(&(node, peer)) = self.random.pick(&connected) else {
            return Ok(());
        };
        let (node, peer) = if self.random.chance(0.5) {
            (node, peer)
        } else {
            (peer, node)
        };
        let generation = self.links.generation(node, peer);
        self.disconnected(node, peer)?;
        if self.random.chance(0.5) {
            self.counts.count(Fault::Disconnect);
            self.disconnected(peer, node)?;
            self.dial_later(node, peer);
        } else {
            self.counts.count(Fault::LateDisconnect);
            let delay = self.random.millis(10, 1_500);
            self.after(
                delay,
                Event::Notice {
                    node: peer,
                    peer: node,
                    generation,
                },
            );
        }
        Ok(())
    }

    fn slow_disk(&mut self) {
        let node = self.any_node();
        let until = self.now + self.random.millis(200, 3_000);
        self.counts.count(Fault::SlowDisk);
        self.log(format_args!("n{node} has a slow disk"));
        self.nodes[node].disk.slow_until(until);
    }

    fn jump_clock(&mut self) {
        let node = self.any_node();
        let by = i64::try_from(self.random.within(1, CLOCK_JUMP_MS)).unwrap_or(0);
        let ahead = self.random.chance(0.5);
        self.counts.count(if ahead {
            Fault::ClockAhead
        } else {
            Fault::ClockBack
        });
        self.log(format_args!(
            "n{node} has its clock jump by {by} ms, ahead {ahead}"
        ));
        self.nodes[node]
            .clock
            .set_offset(if ahead { by } else { -by });
        let lasts = self.random.millis(100, 5_000);
        self.after(lasts, Event::SetClock(node));
    }

    /// Ends all faults but those of a Byzantine validator, and restarts what is down.
    pub(super) fn heal(&mut self) -> Result<(), Violation> {
        let height = self.chain.height();
        self.log(format_args!("everything is healed at height {height}"));
        self.healed = Some(super::Healed {
            at: self.now,
            height,
        });
        self.links.calm();
        for node in 0..self.nodes.len() {
            self.nodes[node].clock.set_offset(0);
            self.nodes[node].disk.slow_until(Duration::ZERO);
            self.nodes[node].disk.repair();
            self.nodes[node].doom = None;
            for peer in (0..self.nodes.len()).filter(|peer| *peer > node) {
                self.dial_later(node, peer);
            }
        }
        self.after(Duration::from_millis(1_000), Event::LastWishes);
        self.after(Duration::from_millis(1_500), Event::Look);
        Ok(())
    }
}
