//! Verifying a proof against a genesis.

use decube_crypto::Digest;

use super::Proof;
use crate::history::PathError;
use crate::tree;
use crate::types::{
    BlockId, CollectionId, CommittedDocument, DocumentId, Epoch, Genesis, Header, Height,
    InvalidCertificate, NetworkId, StateKey, Statement, Timestamp, ValidatorIndex, Version,
};
use crate::wire::{self, DecodeError};

/// What a verified proof says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The network.
    pub network: NetworkId,
    /// The collection.
    pub collection: CollectionId,
    /// The document.
    pub document: DocumentId,
    /// What is committed of the document at `height`.
    pub presence: Presence,
    /// The height whose state the proof is about.
    pub height: Height,
    /// The time of the block at `height`.
    pub time: Timestamp,
    /// The height of the block that the validators signed, `height` or later.
    pub certified_height: Height,
    /// The time of the block that the validators signed.
    pub certified_time: Timestamp,
    /// The validators that signed, all of them checked.
    pub signers: Vec<ValidatorIndex>,
}

/// What is committed of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// This is the last committed version.
    Committed {
        /// The digest of its heads.
        version: Version,
        /// Its heads, the height of the block that committed it, and the transaction.
        committed: CommittedDocument,
    },
    /// No version was ever committed.
    Absent,
}

/// Why a proof does not hold: the check that failed, with the values that disagree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The proof, or a header in it, is of another network than the genesis.
    #[error("the proof is of network {found}, but the trusted genesis defines {expected}")]
    OtherNetwork {
        /// The network in the proof.
        found: NetworkId,
        /// The network of the genesis.
        expected: NetworkId,
    },
    /// The certified header names other validators than the genesis.
    #[error("the certified header names the validators {found}, but those trusted are {expected}")]
    OtherValidators {
        /// The digest in the header.
        found: Digest,
        /// The digest of the genesis's validators.
        expected: Digest,
    },
    /// The header and the certificate are of different epochs.
    #[error("the header is of epoch {header}, its certificate of epoch {certificate}")]
    OtherEpoch {
        /// The header's epoch.
        header: Epoch,
        /// The certificate's epoch.
        certificate: Epoch,
    },
    /// The certificate is a notarization or nullification, which makes nothing final.
    #[error("the certificate is no finalization")]
    NotAFinalization,
    /// The finalization is of another block than the certified header.
    #[error("the finalization is of block {finalized}, but the header is that of block {header}")]
    OtherBlock {
        /// The block that the validators signed.
        finalized: BlockId,
        /// The block of the header in the proof.
        header: BlockId,
    },
    /// Signers, power or a signature of the finalization do not hold.
    #[error("the finalization does not hold: {0}")]
    Certificate(#[from] InvalidCertificate),
    /// The earlier header is not in the history of the certified one.
    #[error("the earlier header is not in the certified history: {0}")]
    History(#[from] PathError),
    /// The leaf, or its absence, is not in the state of the header that is meant.
    #[error("the document's entry is not in the certified state: {0}")]
    State(#[from] tree::ProofError),
    /// The leaf is certified but does not hold a committed document.
    #[error("the certified entry cannot be understood: {0}")]
    Value(#[from] DecodeError),
}

impl Proof {
    /// Checks the proof against a genesis that the caller trusts.
    ///
    /// # Errors
    /// [`ProofError`] names the first check that failed.
    pub fn verify(&self, genesis: &Genesis) -> Result<Verified, ProofError> {
        self.check_networks(genesis.network_id())?;
        self.check_finalization(genesis)?;
        let meant = self.meant()?;
        let key = StateKey::Document(self.collection, self.document).digest();
        let presence = match self.state.verify(&meant.state_root, &key)? {
            Some(value) => {
                let committed: CommittedDocument = wire::decode(&value)?;
                Presence::Committed {
                    version: committed.heads.version(),
                    committed,
                }
            }
            None => Presence::Absent,
        };
        Ok(Verified {
            network: self.network,
            collection: self.collection,
            document: self.document,
            presence,
            height: meant.height,
            time: meant.time,
            certified_height: self.certified.height,
            certified_time: self.certified.time,
            signers: self
                .finalization
                .signatures
                .iter()
                .map(|(signer, _)| *signer)
                .collect(),
        })
    }

    fn check_networks(&self, expected: NetworkId) -> Result<(), ProofError> {
        let earlier = self.earlier.as_ref().map(|(header, _)| header.network);
        for found in [self.network, self.certified.network]
            .into_iter()
            .chain(earlier)
        {
            if found != expected {
                return Err(ProofError::OtherNetwork { found, expected });
            }
        }
        Ok(())
    }

    fn check_finalization(&self, genesis: &Genesis) -> Result<(), ProofError> {
        let validators = genesis.validator_set();
        let (found, expected) = (self.certified.validators, validators.digest());
        if found != expected {
            return Err(ProofError::OtherValidators { found, expected });
        }
        let (header, certificate) = (self.certified.epoch, self.finalization.epoch);
        if header != certificate {
            return Err(ProofError::OtherEpoch {
                header,
                certificate,
            });
        }
        let finalized = match self.finalization.statement {
            Statement::Finalize(subject) => subject.block,
            Statement::Notarize(_) | Statement::Nullify => {
                return Err(ProofError::NotAFinalization);
            }
        };
        let header = self.certified.id();
        if finalized != header {
            return Err(ProofError::OtherBlock { finalized, header });
        }
        Ok(self.finalization.verify(&self.network, &validators)?)
    }

    /// The header whose state is meant: certified itself, or in the certified history, whose leaf
    /// at index `h` is the block at height `h`.
    fn meant(&self) -> Result<&Header, ProofError> {
        let Some((header, path)) = &self.earlier else {
            return Ok(&self.certified);
        };
        let leaves = self.certified.height.0;
        path.verify(
            &self.certified.history_root,
            leaves,
            header.height.0,
            &header.id().0,
        )?;
        Ok(header)
    }
}
