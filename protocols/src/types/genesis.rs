//! The genesis of a network: its validators, replicas and parameters.

use std::collections::BTreeMap;

use decube_crypto::{Digest, Hasher, PublicKey, ValidatorKey, VoteScheme};
use libp2p_identity::PeerId;
use serde::{Deserialize, Serialize};

use super::{Epoch, NetworkId, Power, Timestamp, ValidatorIndex, View, peer_id};

/// All that defines a network. Its canonical binary form's digest is the network's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// A name for people; not unique.
    pub name: String,
    /// When the network was defined; the genesis block's time.
    pub created: Timestamp,
    /// Parameters.
    pub parameters: Parameters,
    /// The validators of the first epoch, in order.
    pub validators: Vec<Validator>,
    /// The replicas whose receipts count.
    pub replicas: Vec<Replica>,
}

/// The parameters of a network, all milliseconds where a time is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// D0 of the commit protocol: the delay a message is expected to take at most.
    pub delta_ms: u64,
    /// How long a leader waits before an empty block when there is nothing to do.
    pub idle_ms: u64,
    /// How far a header's time may be ahead of a validator's clock.
    pub drift_ms: u64,
    /// How votes are signed.
    pub signature: VoteScheme,
    /// How many replicas must have signed a receipt for each commit, unless a collection says
    /// otherwise.
    pub write_quorum: u16,
}

/// A validator: votes with power.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validator {
    /// A name for people.
    pub name: String,
    /// The key that signs its votes, of the scheme of the network.
    pub key: ValidatorKey,
    /// The peer key of its node.
    pub peer: PublicKey,
    /// Its voting power.
    pub power: Power,
}

/// A replica: stores collections and signs receipts with its peer key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replica {
    /// A name for people.
    pub name: String,
    /// The peer key of its node.
    pub peer: PublicKey,
}

/// What `network.toml` holds: the genesis, and addresses to start from, which are no part of the
/// network's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkFile {
    /// Multiaddresses with a `/p2p/` part at which peers of the network can be reached.
    #[serde(default)]
    pub bootstrap: Vec<String>,
    /// The genesis.
    pub genesis: Genesis,
}

/// Why a genesis defines no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGenesis {
    /// The name is empty or longer than 64 bytes.
    #[error("the network's name must have 1 to 64 bytes")]
    Name,
    /// The name of a validator or a replica is longer than [`Genesis::MAX_NAME`].
    #[error("the name {0:?} has more than {max} bytes", max = Genesis::MAX_NAME)]
    MemberName(String),
    /// No validators, or more than [`Genesis::max_validators`].
    #[error(
        "{found} validators are not between 1 and {max}, the most with {scheme} votes",
        max = Genesis::max_validators(*scheme)
    )]
    ValidatorCount {
        /// How many there are.
        found: usize,
        /// How they vote.
        scheme: VoteScheme,
    },
    /// No replicas, or more than [`Genesis::MAX_MEMBERS`].
    #[error("{0} replicas are not between 1 and {max}", max = Genesis::MAX_MEMBERS)]
    ReplicaCount(usize),
    /// A key, or a part of a hybrid one, is listed twice.
    #[error("the key {0} is listed twice")]
    DuplicateKey(PublicKey),
    /// A validator without power, or a total that does not fit.
    #[error("each validator needs a power of at least 1, and the total must stay below 2^62")]
    BadPower,
    /// A time parameter is outside its bounds.
    #[error("{name} = {value} is not between {min} and {max} ms")]
    BadTime {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: u64,
        /// The smallest allowed.
        min: u64,
        /// The largest allowed.
        max: u64,
    },
    /// The write quorum is zero or above the number of replicas.
    #[error("write_quorum = {asked} is not between 1 and the {replicas} replicas")]
    BadWriteQuorum {
        /// What was asked for.
        asked: u16,
        /// How many replicas there are.
        replicas: usize,
    },
    /// A validator's key has another scheme than the network's votes: a part of it is missing, or
    /// one too many is there.
    #[error(
        "the key of validator {name} is for {found} votes, but signature = \"{expected}\"; \
         `decube key show` prints the keys for both"
    )]
    KeyScheme {
        /// The validator.
        name: String,
        /// The scheme of its key.
        found: VoteScheme,
        /// The scheme of the network.
        expected: VoteScheme,
    },
}

impl Genesis {
    /// The most validators, and the most replicas: bitmaps and certificates stay small.
    pub const MAX_MEMBERS: usize = 1024;
    /// The longest name of a validator or a replica in bytes, that of the binary form.
    pub const MAX_NAME: usize = crate::wire::limits::MAX_GENESIS_NAME;
    /// The most validators with hybrid votes: a certificate stays below 1 MiB.
    pub const MAX_HYBRID_VALIDATORS: usize = 256;

    /// The most validators of a network with such votes.
    #[must_use]
    pub const fn max_validators(scheme: VoteScheme) -> usize {
        match scheme {
            VoteScheme::Ed25519 => Self::MAX_MEMBERS,
            VoteScheme::Hybrid => Self::MAX_HYBRID_VALIDATORS,
        }
    }

    /// Checks everything that a network needs.
    ///
    /// # Errors
    /// [`InvalidGenesis`] names the first thing that is wrong.
    pub fn validate(&self) -> Result<(), InvalidGenesis> {
        if self.name.is_empty() || self.name.len() > 64 {
            return Err(InvalidGenesis::Name);
        }
        let scheme = self.parameters.signature;
        let found = self.validators.len();
        if found == 0 || found > Self::max_validators(scheme) {
            return Err(InvalidGenesis::ValidatorCount { found, scheme });
        }
        if self.replicas.is_empty() || self.replicas.len() > Self::MAX_MEMBERS {
            return Err(InvalidGenesis::ReplicaCount(self.replicas.len()));
        }
        let validators = self.validators.iter().map(|validator| &validator.name);
        let mut names = validators.chain(self.replicas.iter().map(|replica| &replica.name));
        if let Some(long) = names.find(|name| name.len() > Self::MAX_NAME) {
            return Err(InvalidGenesis::MemberName(long.clone()));
        }
        self.check_vote_keys()?;
        unique(self.validators.iter().map(|validator| validator.peer))?;
        unique(self.replicas.iter().map(|replica| replica.peer))?;
        let total = self.validators.iter().try_fold(0_u64, |total, validator| {
            total.checked_add(validator.power.0)
        });
        let powers_are_positive = self
            .validators
            .iter()
            .all(|validator| validator.power.0 > 0);
        if !powers_are_positive || total.is_none_or(|total| total >= 1 << 62) {
            return Err(InvalidGenesis::BadPower);
        }
        self.parameters.validate(self.replicas.len())
    }

    /// Keys of the network's scheme, no part of which any two validators share.
    fn check_vote_keys(&self) -> Result<(), InvalidGenesis> {
        let expected = self.parameters.signature;
        let other = |one: &&Validator| one.key.scheme() != expected;
        if let Some(validator) = self.validators.iter().find(other) {
            return Err(InvalidGenesis::KeyScheme {
                name: validator.name.clone(),
                found: validator.key.scheme(),
                expected,
            });
        }
        unique(self.validators.iter().map(|one| *one.key.ed25519()))?;
        let mut seen = std::collections::BTreeSet::new();
        for key in self.validators.iter().map(|validator| &validator.key) {
            if key.ml_dsa().is_some_and(|part| !seen.insert(part)) {
                return Err(InvalidGenesis::DuplicateKey(*key.ed25519()));
            }
        }
        Ok(())
    }

    /// The validators of the first epoch.
    #[must_use]
    pub fn validator_set(&self) -> ValidatorSet {
        ValidatorSet::new(Epoch(0), self.validators.clone())
    }

    /// The network's id: the digest of the canonical binary genesis.
    #[must_use]
    pub fn network_id(&self) -> NetworkId {
        NetworkId(Digest::of(
            "decube/genesis/1",
            &[&crate::wire::encode(self)],
        ))
    }
}

fn unique(keys: impl Iterator<Item = PublicKey>) -> Result<(), InvalidGenesis> {
    let mut seen = std::collections::BTreeSet::new();
    for key in keys {
        if !seen.insert(key) {
            return Err(InvalidGenesis::DuplicateKey(key));
        }
    }
    Ok(())
}

impl Parameters {
    fn validate(&self, replicas: usize) -> Result<(), InvalidGenesis> {
        let times = [
            ("delta_ms", self.delta_ms, 1, 60_000),
            ("idle_ms", self.idle_ms, 10, 3_600_000),
            ("drift_ms", self.drift_ms, 1, 3_600_000),
        ];
        for (name, value, min, max) in times {
            if !(min..=max).contains(&value) {
                return Err(InvalidGenesis::BadTime {
                    name,
                    value,
                    min,
                    max,
                });
            }
        }
        if self.write_quorum == 0 || usize::from(self.write_quorum) > replicas {
            return Err(InvalidGenesis::BadWriteQuorum {
                asked: self.write_quorum,
                replicas,
            });
        }
        Ok(())
    }

    /// The default write quorum: a majority of the replicas.
    #[must_use]
    pub fn majority(replicas: usize) -> u16 {
        u16::try_from(replicas / 2 + 1).unwrap_or(u16::MAX)
    }
}

/// The ordered validators of an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorSet {
    epoch: Epoch,
    validators: Vec<Validator>,
    // Invariant: a permutation of the indices of `validators`.
    leaders: Vec<ValidatorIndex>,
    // Invariant: the peer ids of `validators`, in their order.
    peers: Vec<PeerId>,
    // Invariant: the inverse of `peers`.
    by_peer: BTreeMap<PeerId, ValidatorIndex>,
}

impl ValidatorSet {
    /// The set of `epoch`, with its order of leaders.
    #[must_use]
    pub fn new(epoch: Epoch, validators: Vec<Validator>) -> Self {
        let mut leaders: Vec<_> = (0..validators.len())
            .filter_map(|i| u16::try_from(i).ok())
            .map(ValidatorIndex)
            .collect();
        leaders.sort_by_key(|index| {
            Hasher::new("decube/leader/1")
                .number(epoch.0)
                .number(u64::from(index.0))
                .finish()
        });
        let peers: Vec<_> = validators
            .iter()
            .map(|validator| peer_id(&validator.peer))
            .collect();
        let by_peer = peers
            .iter()
            .copied()
            .zip(0..=u16::MAX)
            .map(|(peer, i)| (peer, ValidatorIndex(i)))
            .collect();
        Self {
            epoch,
            validators,
            leaders,
            peers,
            by_peer,
        }
    }

    /// The epoch.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The validators in order.
    #[must_use]
    pub fn validators(&self) -> &[Validator] {
        &self.validators
    }

    /// The validator at `index`.
    #[must_use]
    pub fn get(&self, index: ValidatorIndex) -> Option<&Validator> {
        self.validators.get(usize::from(index.0))
    }

    /// The index of the validator that votes with `key`.
    #[must_use]
    pub fn index_of(&self, key: &ValidatorKey) -> Option<ValidatorIndex> {
        self.position(|validator| validator.key == *key)
    }

    /// The index of the validator whose node is `peer`.
    #[must_use]
    pub fn index_of_peer(&self, peer: &PeerId) -> Option<ValidatorIndex> {
        self.by_peer.get(peer).copied()
    }

    /// The peer ids of the validators' nodes, in the order of the validators.
    #[must_use]
    pub fn peers(&self) -> &[PeerId] {
        &self.peers
    }

    fn position(&self, is: impl Fn(&Validator) -> bool) -> Option<ValidatorIndex> {
        let position = self.validators.iter().position(is)?;
        u16::try_from(position).ok().map(ValidatorIndex)
    }

    /// The leader of `view`: a permutation seeded by the epoch, indexed by the view.
    #[must_use]
    pub fn leader(&self, view: View) -> ValidatorIndex {
        let turn = view.0 % self.leaders.len().max(1) as u64;
        usize::try_from(turn)
            .ok()
            .and_then(|turn| self.leaders.get(turn))
            .copied()
            .unwrap_or_default()
    }

    /// The power of all validators.
    #[must_use]
    pub fn total(&self) -> Power {
        Power(
            self.validators
                .iter()
                .map(|validator| validator.power.0)
                .sum(),
        )
    }

    /// The power that a certificate needs: more than two thirds of the total.
    #[must_use]
    pub fn quorum(&self) -> Power {
        Power(self.total().0 * 2 / 3 + 1)
    }

    /// The digest that headers name the set by.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new("decube/validators/1").number(self.epoch.0);
        for validator in &self.validators {
            hasher = hasher
                .field(validator.name.as_bytes())
                .field(&validator.key.to_bytes())
                .field(validator.peer.as_bytes())
                .number(validator.power.0);
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use decube_crypto::{SecretKey, ValidatorSecret, mldsa};

    fn set(powers: &[u64]) -> ValidatorSet {
        let validators = powers.iter().zip(1_u8..).map(|(power, seed)| Validator {
            name: format!("v{seed}"),
            key: SecretKey::from_seed(&[seed; 32]).public().into(),
            peer: SecretKey::from_seed(&[seed + 100; 32]).public(),
            power: Power(*power),
        });
        ValidatorSet::new(Epoch(0), validators.collect())
    }

    #[test]
    fn a_genesis_that_has_no_binary_form_is_refused() {
        let validators = set(&[1]).validators().to_vec();
        let replica = Replica {
            name: "r1".into(),
            peer: validators[0].peer,
        };
        let good = Genesis {
            name: "test".into(),
            created: Timestamp(0),
            parameters: Parameters {
                delta_ms: 100,
                idle_ms: 1000,
                drift_ms: 1000,
                signature: VoteScheme::Ed25519,
                write_quorum: 1,
            },
            validators,
            replicas: vec![replica],
        };
        let mut named = [good.clone(), good.clone()];
        for (length, valid) in [(128, true), (129, false)] {
            // 64 characters of two bytes.
            let name = "\u{e9}".repeat(length / 2) + &"x".repeat(length % 2);
            named[0].validators[0].name = name.clone();
            named[1].replicas[0].name = name.clone();
            for genesis in &named {
                let checked = genesis.validate();
                let decoded = crate::wire::decode::<Genesis>(&crate::wire::encode(genesis));
                assert_eq!(decoded.is_ok(), valid, "{length}");
                let refused = InvalidGenesis::MemberName(name.clone());
                assert_eq!(checked, if valid { Ok(()) } else { Err(refused) });
            }
        }
    }

    #[test]
    fn quorums_are_those_of_the_paper() {
        for (count, quorum) in [(1, 1), (4, 3), (7, 5), (50, 34), (100, 67)] {
            assert_eq!(
                set(&vec![1; count]).quorum(),
                Power(quorum),
                "{count} validators"
            );
        }
    }

    /// A genesis of hybrid validators with these seeds.
    fn hybrid(seeds: &[(u8, u8)]) -> Genesis {
        let validators = seeds
            .iter()
            .zip(1_u8..)
            .map(|((ed25519, ml_dsa), n)| Validator {
                name: format!("v{n}"),
                key: ValidatorSecret::hybrid(
                    SecretKey::from_seed(&[*ed25519; 32]),
                    mldsa::SecretKey::from_seed(&[*ml_dsa; 32]),
                )
                .public(),
                peer: SecretKey::from_seed(&[n + 100; 32]).public(),
                power: Power(1),
            });
        Genesis {
            name: "home".into(),
            created: Timestamp(1),
            parameters: Parameters {
                delta_ms: 30,
                idle_ms: 100,
                drift_ms: 100,
                signature: VoteScheme::Hybrid,
                write_quorum: 1,
            },
            validators: validators.collect(),
            replicas: vec![Replica {
                name: "r".into(),
                peer: SecretKey::from_seed(&[99; 32]).public(),
            }],
        }
    }

    #[test]
    fn the_keys_of_validators_have_the_scheme_of_the_votes() {
        let good = hybrid(&[(1, 1), (2, 2)]);
        assert_eq!(good.validate(), Ok(()));
        let mut part = good.clone();
        part.validators[1].key = (*good.validators[1].key.ed25519()).into();
        let refused = InvalidGenesis::KeyScheme {
            name: "v2".into(),
            found: VoteScheme::Ed25519,
            expected: VoteScheme::Hybrid,
        };
        assert_eq!(part.validate(), Err(refused));
        let mut other = good.clone();
        other.parameters.signature = VoteScheme::Ed25519;
        let refused = other.validate().unwrap_err();
        assert!(matches!(refused, InvalidGenesis::KeyScheme { .. }));
        for shared in [[(1, 1), (1, 2)], [(1, 2), (2, 2)]] {
            let refused = hybrid(&shared).validate().unwrap_err();
            assert!(matches!(refused, InvalidGenesis::DuplicateKey(_)));
        }
        let mut many = good;
        let one = many.validators[0].clone();
        many.validators = vec![one; Genesis::MAX_HYBRID_VALIDATORS + 1];
        let refused = many.validate().unwrap_err();
        assert!(matches!(refused, InvalidGenesis::ValidatorCount { .. }));
    }

    /// The network's id and the digest of its validators cover both parts of a key.
    #[test]
    fn both_parts_of_a_key_make_the_network() {
        let genesis = hybrid(&[(1, 1)]);
        for other in [hybrid(&[(2, 1)]), hybrid(&[(1, 2)])] {
            assert_ne!(genesis.network_id(), other.network_id());
            assert_ne!(
                genesis.validator_set().digest(),
                other.validator_set().digest()
            );
        }
        let text = toml::to_string(&genesis).unwrap();
        assert!(text.contains("signature = \"hybrid\""));
        assert_eq!(toml::from_str(&text), Ok(genesis));
    }

    #[test]
    fn every_validator_leads_in_turn() {
        let set = set(&[1; 7]);
        let mut leaders: Vec<_> = (10..17).map(|view| set.leader(View(view))).collect();
        leaders.sort_unstable();
        assert_eq!(leaders, (0..7).map(ValidatorIndex).collect::<Vec<_>>());
    }
}
