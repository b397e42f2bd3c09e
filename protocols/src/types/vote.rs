//! Votes of validators.

use decube_crypto::{InvalidVoteSignature, ValidatorKey, VoteSignature};

use super::{BlockId, Epoch, NetworkId, ValidatorIndex, View};

/// What a notarize or finalize vote is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// The view of the block's parent.
    pub parent_view: View,
    /// The block.
    pub block: BlockId,
}

/// What a vote says of its view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Statement {
    /// "This is the block of this view, and it is valid."
    Notarize(Subject),
    /// "Give this view up."
    Nullify,
    /// "I saw this notarized and have not nullified the view."
    Finalize(Subject),
}

impl Statement {
    /// The block voted for, absent in a nullify.
    #[must_use]
    pub const fn subject(&self) -> Option<Subject> {
        match self {
            Self::Notarize(subject) | Self::Finalize(subject) => Some(*subject),
            Self::Nullify => None,
        }
    }

    /// The byte string that a vote with this statement signs.
    #[must_use]
    pub fn to_sign(
        &self,
        network: &NetworkId,
        epoch: Epoch,
        view: View,
    ) -> decube_crypto::Statement {
        let domain = match self {
            Self::Notarize(_) => "decube/notarize/1",
            Self::Nullify => "decube/nullify/1",
            Self::Finalize(_) => "decube/finalize/1",
        };
        let signed = decube_crypto::Statement::new(domain, &network.0)
            .number(epoch.0)
            .number(view.0);
        match self.subject() {
            Some(subject) => signed
                .number(subject.parent_view.0)
                .digest(&subject.block.0),
            None => signed,
        }
    }
}

/// One validator's signed vote.
///
/// Two votes are the same when all but the signature is, since a signature may be randomised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// The epoch whose validators vote.
    pub epoch: Epoch,
    /// The view voted on.
    pub view: View,
    /// What it says.
    pub statement: Statement,
    /// Who signed.
    pub signer: ValidatorIndex,
    /// The signature over [`Statement::to_sign`].
    pub signature: VoteSignature,
}

impl Vote {
    /// Checks the signature with the signer's key.
    ///
    /// # Errors
    /// [`InvalidVoteSignature`] says which part does not hold.
    pub fn verify(
        &self,
        network: &NetworkId,
        key: &ValidatorKey,
    ) -> Result<(), InvalidVoteSignature> {
        let signed = self.statement.to_sign(network, self.epoch, self.view);
        key.verify(&signed, &self.signature)
    }
}
