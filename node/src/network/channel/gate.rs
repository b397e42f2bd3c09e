//! Who may come in, and by which channel.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use libp2p::{PeerId, identity::Keypair, noise, pnet::PreSharedKey};

use super::{Channel, Policy, PostQuantum, progress::InProgress, report::Reports};
use crate::network::config::StartError;

/// The most pins besides those of members; the peer that was seen longest ago gives way. A row
/// takes some 100 bytes. One who can make that many identities can push others out, though not
/// members, and [`super::CAPABILITIES`] still stands between him and a classic connection.
pub const MAX_PINS: usize = 4096;

/// What a node's channels are allowed.
#[derive(Clone, Debug, Default)]
pub(in crate::network) struct Rules {
    pub(in crate::network) policy: Policy,
    pub(in crate::network) preshared_key: Option<PreSharedKey>,
    /// Validators and replicas of the genesis: always allowed, always pinned.
    pub(in crate::network) members: BTreeSet<PeerId>,
    /// Who may come besides the members; everyone when there is no list.
    pub(in crate::network) allowed: Option<BTreeSet<PeerId>>,
}

impl Rules {
    /// Whether there is QUIC: its group cannot be seen, and it knows no pre-shared key.
    pub(in crate::network) fn has_quic(&self) -> bool {
        self.policy == Policy::Prefer && self.preshared_key.is_none()
    }
}

/// Decides on each connection. It is shared by all handshakes.
#[derive(Debug)]
pub(in crate::network) struct Gate {
    pub(super) identity: Keypair,
    pub(super) post_quantum: PostQuantum,
    /// The classic channel, where the policy has it.
    pub(super) classic: Option<Classic>,
    pub(super) rules: Rules,
    pub(super) progress: InProgress,
    pub(super) reports: Reports,
    pins: Mutex<BTreeMap<PeerId, Instant>>,
}

/// The settings of the classic channel, which do not print.
#[derive(Clone)]
pub(super) struct Classic(pub(super) noise::Config);

impl std::fmt::Debug for Classic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Classic")
    }
}

impl Gate {
    /// The gate of the node with this identity. `pinned` are the pins that were kept.
    pub(in crate::network) fn new(
        identity: &Keypair,
        rules: Rules,
        pinned: impl IntoIterator<Item = PeerId>,
        reports: Reports,
    ) -> Result<Self, StartError> {
        let setup = |error: String| StartError::Setup(error);
        let classic = match rules.policy {
            Policy::Require => None,
            Policy::Prefer => Some(Classic(
                noise::Config::new(identity).map_err(|error| setup(error.to_string()))?,
            )),
        };
        let now = Instant::now();
        let pins = pinned.into_iter().take(MAX_PINS).map(|peer| (peer, now));
        Ok(Self {
            identity: identity.clone(),
            post_quantum: PostQuantum::new(identity).map_err(|error| setup(error.to_string()))?,
            classic,
            rules,
            progress: InProgress::default(),
            reports,
            pins: Mutex::new(pins.collect()),
        })
    }

    /// The key of this node.
    pub(in crate::network) fn identity(&self) -> &Keypair {
        &self.identity
    }

    /// Whether there is QUIC: its group cannot be seen, and it knows no pre-shared key.
    pub(in crate::network) fn has_quic(&self) -> bool {
        self.rules.has_quic()
    }

    /// Whether this peer may come at all.
    pub(in crate::network) fn allows(&self, peer: &PeerId) -> bool {
        let list = self.rules.allowed.as_ref();
        list.is_none_or(|allowed| allowed.contains(peer)) || self.rules.members.contains(peer)
    }

    /// Whether this peer is known to speak the post-quantum channel.
    pub(in crate::network) fn is_pinned(&self, peer: &PeerId) -> bool {
        self.rules.members.contains(peer) || self.pins().contains_key(peer)
    }

    /// Whether a connection with this peer may be by this channel.
    pub(in crate::network) fn takes(&self, peer: &PeerId, channel: Channel) -> bool {
        channel.is_post_quantum() || (self.rules.policy == Policy::Prefer && !self.is_pinned(peer))
    }

    /// Notes that a peer used the post-quantum channel. Says whether that is to be kept.
    pub(in crate::network) fn pin(&self, peer: PeerId) -> bool {
        if self.rules.members.contains(&peer) {
            return false;
        }
        let mut pins = self.pins();
        let is_news = pins.insert(peer, Instant::now()).is_none();
        if pins.len() > MAX_PINS {
            let oldest = pins.iter().min_by_key(|(_, seen)| **seen);
            if let Some(oldest) = oldest.map(|(peer, _)| *peer) {
                pins.remove(&oldest);
            }
        }
        is_news
    }

    /// Counts a connection.
    pub(in crate::network) fn made(&self, channel: Channel) {
        self.reports.made(channel);
    }

    /// Forgets what a peer could do, on the word of the operator.
    pub(in crate::network) fn unpin(&self, peer: &PeerId) {
        self.pins().remove(peer);
    }

    fn pins(&self) -> MutexGuard<'_, BTreeMap<PeerId, Instant>> {
        // The few lines that hold the lock leave the pins whole.
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(rules: Rules) -> Gate {
        let (reports, _) = Reports::new();
        Gate::new(&Keypair::generate_ed25519(), rules, [], reports).unwrap()
    }

    #[test]
    fn a_pinned_peer_and_a_member_come_by_the_post_quantum_channel_only() {
        let (member, alice, bob) = (PeerId::random(), PeerId::random(), PeerId::random());
        let gate = gate(Rules {
            policy: Policy::Prefer,
            members: [member].into(),
            ..Rules::default()
        });
        assert!(gate.pin(alice) && !gate.pin(alice) && !gate.pin(member));
        for channel in Channel::ALL {
            let is_classic = !channel.is_post_quantum();
            assert_eq!(gate.takes(&alice, channel), !is_classic, "{channel}");
            assert_eq!(gate.takes(&member, channel), !is_classic, "{channel}");
            assert!(gate.takes(&bob, channel), "{channel}");
        }
        gate.unpin(&alice);
        assert!(gate.takes(&alice, Channel::ClassicNoise));
    }

    #[test]
    fn under_require_nobody_comes_by_a_classic_channel() {
        let gate = gate(Rules::default());
        let alice = PeerId::random();
        assert!(gate.takes(&alice, Channel::PostQuantum));
        assert!(!gate.takes(&alice, Channel::ClassicNoise));
        assert!(!gate.takes(&alice, Channel::Quic));
    }

    #[test]
    fn the_allow_list_lets_in_those_it_names_and_members() {
        let (member, alice, bob) = (PeerId::random(), PeerId::random(), PeerId::random());
        let gate = gate(Rules {
            members: [member].into(),
            allowed: Some([alice].into()),
            ..Rules::default()
        });
        assert!(gate.allows(&member) && gate.allows(&alice) && !gate.allows(&bob));
    }

    #[test]
    fn a_flood_of_identities_pushes_out_the_oldest_pin_but_no_member() {
        let (member, first) = (PeerId::random(), PeerId::random());
        let gate = gate(Rules {
            policy: Policy::Prefer,
            members: [member].into(),
            ..Rules::default()
        });
        gate.pin(first);
        for _ in 0..MAX_PINS {
            gate.pin(PeerId::random());
        }
        assert!(!gate.is_pinned(&first) && gate.is_pinned(&member));
        assert_eq!(gate.pins().len(), MAX_PINS);
    }
}
