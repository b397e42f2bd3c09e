//! What a seed decides before its run begins: the network, and how rough its world is.

use std::time::Duration;

use decube_crypto::{Digest, SecretKey, ValidatorSecret, mldsa};
use decube_protocols::types::{
    Genesis, NetworkId, Parameters, PeerId, Power, Replica, Timestamp, Validator, ValidatorIndex,
    ValidatorSet, VoteScheme, peer_id,
};

use super::byzantine::Kind;
use super::clock::EPOCH_MS;
use super::random::Random;

/// A node's place in the network: validators come first, in the order of the genesis.
pub(super) type NodeIndex = usize;

/// The keys of a node.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// Its peer key, which also signs its receipts.
    pub(super) peer: SecretKey,
    /// The key that its user's changes and transactions are signed with.
    pub(super) author: SecretKey,
    /// The key that signs its votes; absent for a node that does not vote.
    pub(super) validator: Option<ValidatorSecret>,
    /// Its peer id.
    pub(super) id: PeerId,
}

/// How links treat messages, each as a probability per message.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinkPlan {
    /// The least time a message takes.
    pub(super) least: Duration,
    /// The most time a message takes, unless it is held back.
    pub(super) most: Duration,
    /// That a message is lost.
    pub(super) loss: f64,
    /// That a message arrives twice.
    pub(super) duplicate: f64,
    /// That a message is held back, so that later ones overtake it.
    pub(super) reorder: f64,
}

/// How often something breaks, as the mean time between two of a kind; none that never does.
#[derive(Clone, Copy, Debug)]
pub(super) struct FaultPlan {
    pub(super) crash: Duration,
    pub(super) all_crash: Option<Duration>,
    pub(super) partition: Duration,
    pub(super) disconnect: Duration,
    pub(super) slow_disk: Duration,
    pub(super) clock: Duration,
}

/// How a node's disk answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct DiskPlan {
    /// The least time a write takes.
    pub(super) least: Duration,
    /// The most time a write takes while the disk is not slow.
    pub(super) most: Duration,
    /// That a crash tears a page instead of dropping it whole.
    pub(super) tear: bool,
}

/// All that a seed decides.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) genesis: Genesis,
    pub(super) network: NetworkId,
    pub(super) validators: ValidatorSet,
    pub(super) keys: Vec<Keys>,
    pub(super) byzantine: Option<(NodeIndex, Kind)>,
    pub(super) link: LinkPlan,
    pub(super) faults: FaultPlan,
    pub(super) disk: DiskPlan,
    /// Whether a turn of a worker makes all its records durable at once, as the node does, or each
    /// run of adjacent ones where it stands, which the contract allows too.
    pub(super) joined: bool,
    /// Whether messages pass through their wire format.
    pub(super) encoded: bool,
    /// How long things break.
    pub(super) chaos: Duration,
    /// The mean time between two requests of users.
    pub(super) pace: Duration,
}

/// One seed in so many votes with hybrid signatures, which are real ones here too. The others have
/// those of Ed25519, so that both kinds of networks are run. The choice draws nothing: a seed's world
/// is the same under both but for the signatures.
const HYBRID_SHARE: u64 = 4;

/// How the validators of a seed vote.
pub(super) const fn votes_of(seed: u64) -> VoteScheme {
    if seed % HYBRID_SHARE == HYBRID_SHARE - 1 {
        VoteScheme::Hybrid
    } else {
        VoteScheme::Ed25519
    }
}

impl Plan {
    /// Draws the plan of a run whose validators vote under `votes`.
    pub(super) fn draw(random: &mut Random, votes: VoteScheme, forced: Option<Kind>) -> Self {
        // Seven validators are rarer, since their messages grow with the square.
        let voters = if random.chance(0.06) { 7 } else { 4 };
        let followers = 1 + random.below(2);
        let keys: Vec<Keys> = (0..voters + followers)
            .map(|node| draw_keys(random, (node < voters).then_some(votes)))
            .collect();
        let genesis = draw_genesis(random, votes, &keys);
        let drawn = random.chance(0.5).then(|| Kind::draw(random));
        let byzantine = forced.or(drawn).map(|kind| (random.below(voters), kind));
        let rough = random.below(4);
        let mut faults = draw_faults(random, rough);
        if byzantine.is_some() {
            // Every honest validator is needed now, so that fewer crashes stop as much.
            faults.crash *= 2;
        }
        Self {
            network: genesis.network_id(),
            validators: genesis.validator_set(),
            genesis,
            keys,
            byzantine,
            link: draw_link(random, rough),
            faults,
            disk: DiskPlan {
                least: Duration::from_micros(100),
                most: random.millis(1, 8),
                tear: random.chance(0.5),
            },
            joined: random.chance(0.6),
            encoded: random.chance(0.3),
            chaos: random.millis(12_000, 24_000),
            pace: random.millis(60, 200),
        }
    }

    /// The validator that a node is, if it votes.
    pub(super) fn validator(&self, node: NodeIndex) -> Option<ValidatorIndex> {
        let index = u16::try_from(node).ok().map(ValidatorIndex)?;
        self.validators.get(index).map(|_| index)
    }

    /// Whether a node does what the protocol says.
    pub(super) fn is_honest(&self, node: NodeIndex) -> bool {
        self.byzantine
            .is_none_or(|(byzantine, _)| byzantine != node)
    }

    /// The honest nodes.
    pub(super) fn honest(&self) -> Vec<NodeIndex> {
        (0..self.keys.len())
            .filter(|node| self.is_honest(*node))
            .collect()
    }

    /// The node of a peer.
    pub(super) fn node(&self, peer: &PeerId) -> Option<NodeIndex> {
        self.keys.iter().position(|keys| keys.id == *peer)
    }
}

fn draw_keys(random: &mut Random, votes: Option<VoteScheme>) -> Keys {
    let mut key = || SecretKey::from_seed(&random.bytes());
    let (peer, author, validator) = (key(), key(), key());
    let id = peer_id(&peer.public());
    Keys {
        peer,
        author,
        validator: votes.map(|votes| vote_key(validator, votes)),
        id,
    }
}

/// The second part comes of the first, so that it takes nothing from the seed's random source.
fn vote_key(ed25519: SecretKey, votes: VoteScheme) -> ValidatorSecret {
    match votes {
        VoteScheme::Ed25519 => ed25519.into(),
        VoteScheme::Hybrid => {
            let seed = Digest::of("decube/sim-ml-dsa/1", &[ed25519.to_seed().as_slice()]);
            ValidatorSecret::hybrid(ed25519, mldsa::SecretKey::from_seed(seed.as_bytes()))
        }
    }
}

fn draw_genesis(random: &mut Random, votes: VoteScheme, keys: &[Keys]) -> Genesis {
    let validators = keys.iter().enumerate().filter_map(|(node, keys)| {
        let key = keys.validator.as_ref()?.public();
        Some(Validator {
            name: format!("v{node}"),
            key,
            peer: keys.peer.public(),
            power: Power(1),
        })
    });
    let replicas = keys.iter().enumerate().map(|(node, keys)| Replica {
        name: format!("n{node}"),
        peer: keys.peer.public(),
    });
    let genesis = Genesis {
        name: "sim".into(),
        created: Timestamp(EPOCH_MS),
        parameters: Parameters {
            delta_ms: random.within(30, 90),
            idle_ms: random.within(300, 1_000),
            drift_ms: 1_000,
            signature: votes,
            write_quorum: Parameters::majority(keys.len()),
        },
        validators: validators.collect(),
        replicas: replicas.collect(),
    };
    debug_assert_eq!(
        genesis.validate(),
        Ok(()),
        "the genesis of a plan is a valid one"
    );
    genesis
}

fn draw_link(random: &mut Random, rough: usize) -> LinkPlan {
    let most = [4, 15, 40, 80].get(rough).copied().unwrap_or(80);
    let scale = [0.0, 0.3, 1.0, 3.0].get(rough).copied().unwrap_or(1.0);
    let mut share = |most: u64| {
        f64::from(u32::try_from(random.within(0, most * 1_000)).unwrap_or(0)) / 100_000.0 * scale
    };
    let (loss, duplicate, reorder) = (share(5), share(4), share(6));
    LinkPlan {
        least: Duration::from_micros(200),
        most: Duration::from_millis(most),
        loss,
        duplicate,
        reorder,
    }
}

fn draw_faults(random: &mut Random, rough: usize) -> FaultPlan {
    let hard = rough as u64;
    FaultPlan {
        crash: random.millis(900, 5_000 - hard * 1_000),
        all_crash: random.chance(0.3).then(|| random.millis(4_000, 8_000)),
        partition: random.millis(1_500, 8_000 - hard * 1_000),
        disconnect: random.millis(400, 3_000),
        slow_disk: random.millis(2_000, 8_000),
        clock: random.millis(2_000, 10_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_is_a_valid_network() {
        for seed in 0..50 {
            let plan = Plan::draw(&mut Random::new(seed), votes_of(seed), None);
            assert_eq!(plan.genesis.validate(), Ok(()), "seed {seed}");
            assert_eq!(plan.genesis.parameters.signature, votes_of(seed));
            for (node, keys) in plan.keys.iter().enumerate() {
                assert_eq!(plan.node(&keys.id), Some(node));
                assert_eq!(plan.validator(node).is_some(), keys.validator.is_some());
            }
            assert!(plan.honest().len() + 1 >= plan.keys.len());
        }
    }

    #[test]
    fn both_schemes_of_votes_are_run() {
        let hybrid = (0..100).filter(|seed| votes_of(*seed) == VoteScheme::Hybrid);
        assert_eq!(hybrid.count(), 25);
    }

    #[test]
    fn a_seed_repeats_its_plan() {
        let draw = || format!("{:?}", Plan::draw(&mut Random::new(3), votes_of(3), None));
        assert_eq!(draw(), draw());
    }
}
