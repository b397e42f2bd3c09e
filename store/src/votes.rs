//! The vote log: what this validator signed, and what that rests on.
//!
//! It is made together with the validator key and bears the key's public half; the first network it
//! is opened for is bound to it. One write transaction stands before each vote.
//!
//! # Invariants
//! - A vote that contradicts a stored one is refused, and so is a vote at or below the floor: the
//!   last check behind the safety guard.
//! - The floor only rises.

use std::path::{Path, PathBuf};

use decube_crypto::PublicKey;
use decube_protocols::commit::{Record, Restored};
use decube_protocols::types::{
    BlockId, Certificate, Epoch, NetworkId, Proposal, Statement, View, Vote,
};
use redb::{ReadTransaction, ReadableTable, Table, WriteTransaction};

use crate::codec;
use crate::error::{Fault, StoreError, Work};
use crate::file::{File, Kind};
use crate::schema::Schema;
use crate::tables::{self, Bytes32, CERTIFICATES, FLOORS, PROPOSALS, VOTES_META};

/// The vote log's file.
pub(crate) const VOTES_FILE: Kind = Kind {
    name: "votes.redb",
    // Everything above the floor: a few views with a block each.
    cache: 4 << 20,
    schema: Schema {
        meta: VOTES_META,
        migrations: &[],
        create: tables::votes::create,
        sizes: tables::votes::sizes,
    },
    when_missing: "make a new validator key and have it registered",
    when_damaged: "move it away: the node then runs without voting, and needs a new validator key",
};

const VALIDATOR: &str = "validator";
const NETWORK: &str = "network";
const WRITES: &str = "writes";
/// There in the log of a node whose votes a signer signs.
const SIGNER: &str = "signer";

/// Whether this node may vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VoteLog {
    /// The node has no validator key.
    NoValidator,
    /// The key's own vote log is open.
    Held,
    /// The key's vote log is lost: the node follows, and never signs in this epoch.
    Lost(LostVoteLog),
}

/// Why a validator key must not sign. What was signed is unknown, so anything that is signed now
/// could contradict it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LostVoteLog {
    /// There is none.
    #[error("the vote log {path} of validator {validator} is missing, so this node follows without \
        voting; put the very latest log back, or make a new validator key and have it registered",
        path = path.display())]
    Missing {
        /// Where it belongs.
        path: PathBuf,
        /// The key.
        validator: PublicKey,
    },
    /// It is of another key.
    #[error("the vote log {path} is of validator {found}, not of {validator}, so this node follows \
        without voting; put the key's own log back, or make a new validator key and have it registered",
        path = path.display())]
    OtherKey {
        /// Where it is.
        path: PathBuf,
        /// The key.
        validator: PublicKey,
        /// The key of the log.
        found: PublicKey,
    },
    /// It is of another network.
    #[error("the vote log {path} is of network {found}, not of {expected}, so this node follows \
        without voting; a validator key belongs to one network, make a new one",
        path = path.display())]
    OtherNetwork {
        /// Where it is.
        path: PathBuf,
        /// The network of the settings.
        expected: NetworkId,
        /// The network of the log.
        found: NetworkId,
    },
    /// It is that of a node, and a signer signed the votes, which may be more than the node knows.
    #[error("the vote log {path} is that of a node whose votes a signer signed, so it may not know all \
        votes of validator {validator}, and nothing is signed with it; put the signer's votes.redb \
        there together with its key", path = path.display())]
    OfSigner {
        /// Where it is.
        path: PathBuf,
        /// The key.
        validator: PublicKey,
    },
    /// It is older than the state beside it: a copy was put back.
    #[error("the vote log {path} was written {found} times, but {expected} times when the state \
        beside it was written: it is an old copy, so this node follows without voting; put the very \
        latest log back, or make a new validator key and have it registered", path = path.display())]
    Old {
        /// Where it is.
        path: PathBuf,
        /// How often it was written at least.
        expected: u64,
        /// How often this copy was.
        found: u64,
    },
}

/// Makes the log of a new validator key. One that is left of an attempt without a key is replaced,
/// since it has no votes.
pub(crate) fn create(directory: &Path, validator: &PublicKey) -> Result<(), StoreError> {
    let path = directory.join(VOTES_FILE.name);
    if path.exists() {
        let file = File::check(VOTES_FILE, directory, |_| Ok(()))?.open()?;
        let used = file.read(|transaction| Ok(bound(transaction)?.is_some()))?;
        drop(file);
        if used {
            let remedy = "it is the log of an earlier validator key; move it away with its key";
            return Err(StoreError::Exists { path, remedy });
        }
        std::fs::remove_file(&path).map_err(|error| StoreError::io(&path, &error))?;
    }
    File::create(VOTES_FILE, directory, |transaction| {
        fill(transaction, validator)
    })
}

/// Names the key in a new log.
pub(crate) fn fill(transaction: &WriteTransaction, validator: &PublicKey) -> Work<()> {
    let mut meta = transaction.open_table(VOTES_META)?;
    meta.insert(VALIDATOR, validator.as_bytes().as_slice())?;
    meta.insert(WRITES, 0_u64.to_le_bytes().as_slice())?;
    Ok(())
}

/// Whether the open log is that of the identity, and binds it to the network. `at_least` is how often
/// the state says that the log was written; with a signer that does not matter, and the log is marked
/// as one that no key may be used with.
pub(crate) fn claim(
    file: &File,
    validator: &PublicKey,
    network: &NetworkId,
    at_least: u64,
    has_signer: bool,
) -> Result<VoteLog, StoreError> {
    let path = || file.path().to_path_buf();
    let (owner, bound, found, is_marked) = file.read(|transaction| {
        Ok((
            owner(transaction)?,
            bound(transaction)?,
            writes(transaction)?,
            is_marked(transaction)?,
        ))
    })?;
    let lost = if owner != *validator {
        LostVoteLog::OtherKey {
            path: path(),
            validator: *validator,
            found: owner,
        }
    } else if let Some(found) = bound.filter(|bound| bound != network) {
        LostVoteLog::OtherNetwork {
            path: path(),
            expected: *network,
            found,
        }
    } else if is_marked && !has_signer {
        LostVoteLog::OfSigner {
            path: path(),
            validator: *validator,
        }
    } else if found < at_least && !has_signer {
        LostVoteLog::Old {
            path: path(),
            expected: at_least,
            found,
        }
    } else {
        if bound.is_none() || is_marked != has_signer {
            file.write(|transaction| {
                let mut meta = transaction.open_table(VOTES_META)?;
                meta.insert(NETWORK, network.0.as_bytes().as_slice())?;
                if has_signer {
                    meta.insert(SIGNER, [].as_slice())?;
                }
                Ok(())
            })?;
        }
        return Ok(VoteLog::Held);
    };
    tracing::warn!(%lost, "the vote log is lost");
    Ok(VoteLog::Lost(lost))
}

fn owner(transaction: &ReadTransaction) -> Work<PublicKey> {
    let meta = transaction.open_table(VOTES_META)?;
    let owner = meta.get(VALIDATOR)?;
    let owner = owner.ok_or_else(|| Fault::Damaged("it names no validator key".into()))?;
    PublicKey::from_bytes(owner.value())
        .map_err(|error| Fault::Damaged(format!("its validator key: {error}")))
}

fn is_marked(transaction: &ReadTransaction) -> Work<bool> {
    let meta = transaction.open_table(VOTES_META)?;
    Ok(meta.get(SIGNER)?.is_some())
}

fn bound(transaction: &ReadTransaction) -> Work<Option<NetworkId>> {
    let meta = transaction.open_table(VOTES_META)?;
    let Some(network) = meta.get(NETWORK)? else {
        return Ok(None);
    };
    let bytes = codec::array(NETWORK, network.value())?;
    Ok(Some(NetworkId(codec::digest(&bytes))))
}

/// How often votes or what they rest on were written.
pub(crate) fn writes(transaction: &ReadTransaction) -> Work<u64> {
    let meta = transaction.open_table(VOTES_META)?;
    let writes = meta.get(WRITES)?;
    let writes = writes.ok_or_else(|| Fault::Damaged("it has no count of writes".into()))?;
    codec::number(WRITES, writes.value())
}

/// Whether the record belongs to the vote log.
pub(crate) fn belongs(record: &Record) -> bool {
    match record {
        Record::Vote(_) | Record::Proposal(_) | Record::Certificate(_) | Record::Prune { .. } => {
            true
        }
        Record::Final(_) => false,
    }
}

/// Writes those of the records that belong to the vote log. Returns how often it was written now.
pub(crate) fn apply(transaction: &WriteTransaction, records: &[Record]) -> Work<u64> {
    let mut log = Log {
        floors: transaction.open_table(FLOORS)?,
        votes: transaction.open_table(tables::VOTES)?,
        proposals: transaction.open_table(PROPOSALS)?,
        certificates: transaction.open_table(CERTIFICATES)?,
    };
    for record in records {
        match record {
            Record::Vote(vote) => log.vote(vote)?,
            Record::Proposal(proposal) => log.proposal(proposal)?,
            Record::Certificate(certificate) => log.certificate(certificate)?,
            Record::Prune { epoch, view } => log.prune(*epoch, *view)?,
            Record::Final(_) => {}
        }
    }
    let mut meta = transaction.open_table(VOTES_META)?;
    let before = meta
        .get(WRITES)?
        .map(|writes| codec::number(WRITES, writes.value()));
    let writes = before.transpose()?.unwrap_or_default().saturating_add(1);
    meta.insert(WRITES, writes.to_le_bytes().as_slice())?;
    Ok(writes)
}

/// The tables of the log inside a write transaction.
struct Log<'t> {
    floors: Table<'t, u64, u64>,
    votes: Table<'t, (u64, u64, u8), &'static [u8]>,
    proposals: Table<'t, (u64, u64, Bytes32), &'static [u8]>,
    certificates: Table<'t, (u64, u64, u8, Bytes32), &'static [u8]>,
}

const ZEROS: [u8; 32] = [0; 32];

fn kind(statement: &Statement) -> u8 {
    match statement {
        Statement::Notarize(_) => 0,
        Statement::Nullify => 1,
        Statement::Finalize(_) => 2,
    }
}

impl Log<'_> {
    fn vote(&mut self, vote: &Vote) -> Work<()> {
        let refuse = |detail| StoreError::Equivocation {
            view: vote.view,
            detail,
        };
        if self.is_pruned(vote.epoch, vote.view)? {
            return Err(refuse("the view is at or below the floor").into());
        }
        let key = |kind| (vote.epoch.0, vote.view.0, kind);
        let kind = kind(&vote.statement);
        if let Some(stored) = self.votes.get(key(kind))? {
            let stored: Vote = codec::decode("votes", stored.value())?;
            // The same vote again: signatures may be randomised, so they are not compared.
            return if stored.statement == vote.statement {
                Ok(())
            } else {
                Err(refuse("another one of its kind is stored").into())
            };
        }
        let opposite = match vote.statement {
            Statement::Notarize(_) => None,
            Statement::Nullify => Some(2),
            Statement::Finalize(_) => Some(1),
        };
        if let Some(opposite) = opposite
            && self.votes.get(key(opposite))?.is_some()
        {
            return Err(refuse("finalize and nullify exclude each other").into());
        }
        self.votes
            .insert(key(kind), codec::encode("votes", vote)?.as_slice())?;
        Ok(())
    }

    fn proposal(&mut self, proposal: &Proposal) -> Work<()> {
        if !self.is_pruned(proposal.epoch, proposal.view)? {
            let block = proposal.block.id();
            let key = (proposal.epoch.0, proposal.view.0, block.0.as_bytes());
            self.proposals
                .insert(key, codec::encode("proposals", proposal)?.as_slice())?;
        }
        Ok(())
    }

    fn certificate(&mut self, certificate: &Certificate) -> Work<()> {
        let Certificate {
            epoch,
            view,
            statement,
            signatures: _,
        } = certificate;
        if !self.is_pruned(*epoch, *view)? {
            let block = statement.subject().map(|subject| subject.block);
            let block = block
                .as_ref()
                .map_or(&ZEROS, |BlockId(digest)| digest.as_bytes());
            let key = (epoch.0, view.0, kind(statement), block);
            self.certificates
                .insert(key, codec::encode("certificates", certificate)?.as_slice())?;
        }
        Ok(())
    }

    fn prune(&mut self, epoch: Epoch, view: View) -> Work<()> {
        if self.is_pruned(epoch, view)? {
            return Ok(());
        }
        self.floors.insert(epoch.0, view.0)?;
        let (first, last) = (View(0), view);
        self.votes.retain_in(
            (epoch.0, first.0, 0)..=(epoch.0, last.0, u8::MAX),
            |_, _| false,
        )?;
        let (low, high) = (&ZEROS, &[u8::MAX; 32]);
        self.proposals
            .retain_in((epoch.0, first.0, low)..=(epoch.0, last.0, high), |_, _| {
                false
            })?;
        self.certificates.retain_in(
            (epoch.0, first.0, 0, low)..=(epoch.0, last.0, u8::MAX, high),
            |_, _| false,
        )?;
        Ok(())
    }

    /// Whether the view is at or below the floor, so that nothing of it is needed.
    fn is_pruned(&self, epoch: Epoch, view: View) -> Work<bool> {
        Ok(self
            .floors
            .get(epoch.0)?
            .is_some_and(|floor| view.0 <= floor.value()))
    }
}

/// What the log holds of an epoch; records of any other are left out.
pub(crate) fn restored(transaction: &ReadTransaction, epoch: Epoch) -> Work<Restored> {
    let floor = transaction
        .open_table(FLOORS)?
        .get(epoch.0)?
        .map(|floor| floor.value());
    let mut restored = Restored {
        floor: View(floor.unwrap_or_default()),
        ..Restored::default()
    };
    let (low, high) = (&ZEROS, &[u8::MAX; 32]);
    let votes = transaction.open_table(tables::VOTES)?;
    for row in votes.range((epoch.0, 0, 0)..=(epoch.0, u64::MAX, u8::MAX))? {
        restored.votes.push(codec::decode("votes", row?.1.value())?);
    }
    let proposals = transaction.open_table(PROPOSALS)?;
    for row in proposals.range((epoch.0, 0, low)..=(epoch.0, u64::MAX, high))? {
        restored
            .proposals
            .push(codec::decode("proposals", row?.1.value())?);
    }
    let certificates = transaction.open_table(CERTIFICATES)?;
    for row in certificates.range((epoch.0, 0, 0, low)..=(epoch.0, u64::MAX, u8::MAX, high))? {
        restored
            .certificates
            .push(codec::decode("certificates", row?.1.value())?);
    }
    Ok(restored)
}
