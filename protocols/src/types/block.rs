//! Blocks, their headers, and proposals of them.

use decube_crypto::{Digest, Hasher, InvalidVoteSignature, ValidatorKey, VoteSignature};

use super::{BlockId, Epoch, Height, NetworkId, Statement, Subject, Timestamp, Transaction, View};

/// What a block says of itself and of the state after it; its digest is the block's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The network.
    pub network: NetworkId,
    /// The epoch whose validators certify the block.
    pub epoch: Epoch,
    /// The view in which it was first proposed.
    pub view: View,
    /// One more than the parent's.
    pub height: Height,
    /// The parent's id; zero for the genesis block.
    pub parent: BlockId,
    /// Root over the pairs of transaction id and outcome, in order.
    pub transactions_root: Digest,
    /// Root of the committed state after the block.
    pub state_root: Digest,
    /// Root of the Merkle mountain range over the ids of all earlier blocks.
    pub history_root: Digest,
    /// Digest of the validators that certify this block.
    pub validators: Digest,
    /// Digest of the next epoch's validators, in a sealing block only.
    pub next_validators: Option<Digest>,
    /// When the leader made it; later than the parent's time.
    pub time: Timestamp,
}

impl Header {
    /// The block's id: the digest of all fields.
    #[must_use]
    pub fn id(&self) -> BlockId {
        let hasher = Hasher::new("decube/header/1")
            .digest(&self.network.0)
            .number(self.epoch.0)
            .number(self.view.0)
            .number(self.height.0)
            .digest(&self.parent.0)
            .digest(&self.transactions_root)
            .digest(&self.state_root)
            .digest(&self.history_root)
            .digest(&self.validators)
            .field(
                self.next_validators
                    .as_ref()
                    .map_or(&[], |digest| digest.as_bytes().as_slice()),
            )
            .number(self.time.0);
        BlockId(hasher.finish())
    }
}

/// A header with the transactions it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// The transactions in the order of execution, rejected ones included.
    pub transactions: Vec<Transaction>,
}

impl Block {
    /// The id of the block, see [`Header::id`].
    #[must_use]
    pub fn id(&self) -> BlockId {
        self.header.id()
    }
}

/// A leader's signed proposal of a block for a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The epoch of the proposal.
    pub epoch: Epoch,
    /// The view of the proposal; the block's own, unless a sealing block is proposed again.
    pub view: View,
    /// The view in which the block's parent was notarized.
    pub parent_view: View,
    /// The block.
    pub block: Block,
    /// The leader's signature.
    pub signature: VoteSignature,
}

impl Proposal {
    /// What votes for this proposal are about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject {
            parent_view: self.parent_view,
            block: self.block.id(),
        }
    }

    /// The byte string that the leader signs.
    #[must_use]
    pub fn to_sign(
        network: &NetworkId,
        epoch: Epoch,
        view: View,
        subject: &Subject,
    ) -> decube_crypto::Statement {
        decube_crypto::Statement::new("decube/proposal/1", &network.0)
            .number(epoch.0)
            .number(view.0)
            .number(subject.parent_view.0)
            .digest(&subject.block.0)
    }

    /// Checks the leader's signature.
    ///
    /// # Errors
    /// [`InvalidVoteSignature`] says which part does not hold.
    pub fn verify(
        &self,
        network: &NetworkId,
        key: &ValidatorKey,
    ) -> Result<(), InvalidVoteSignature> {
        let signed = Self::to_sign(network, self.epoch, self.view, &self.subject());
        key.verify(&signed, &self.signature)
    }

    /// The statement by which a validator notarizes this proposal.
    #[must_use]
    pub fn notarize(&self) -> Statement {
        Statement::Notarize(self.subject())
    }
}
