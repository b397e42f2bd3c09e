//! Certificates: a quorum's votes with one statement, as a plain list, so that they are attributable.

use decube_crypto::{InvalidVoteSignature, VoteSignature};

use super::{Epoch, NetworkId, Power, Statement, ValidatorIndex, ValidatorSet, View};

/// A notarization, nullification or finalization, by the kind of its statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The epoch whose validators signed.
    pub epoch: Epoch,
    /// The view it is about.
    pub view: View,
    /// What a quorum said.
    pub statement: Statement,
    /// Who said it, by strictly ascending index.
    pub signatures: Vec<(ValidatorIndex, VoteSignature)>,
}

/// Why a certificate does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCertificate {
    /// It is of an epoch other than that of the validators at hand.
    #[error("the certificate is of epoch {found}, not {expected}")]
    WrongEpoch {
        /// The certificate's epoch.
        found: Epoch,
        /// The epoch of the validators at hand.
        expected: Epoch,
    },
    /// A signer is listed twice, or the list is not ascending.
    #[error("signer {0} is listed twice or out of order")]
    Unsorted(ValidatorIndex),
    /// A signer that the epoch does not have.
    #[error("signer {0} is no validator of the epoch")]
    UnknownSigner(ValidatorIndex),
    /// The signers' power is less than a quorum.
    #[error("signers of power {found} are fewer than the quorum of {needed}")]
    NoQuorum {
        /// The power of those who signed.
        found: Power,
        /// The power needed.
        needed: Power,
    },
    /// A signature does not hold.
    #[error("the signature of validator {signer} does not hold: {error}")]
    BadSignature {
        /// Whose it is said to be.
        signer: ValidatorIndex,
        /// Which part of it does not hold.
        error: InvalidVoteSignature,
    },
}

#[cfg(test)]
std::thread_local! {
    /// How many certificates had their signatures checked in this test: what a peer may cause is
    /// bounded.
    pub(crate) static CHECKED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

impl Certificate {
    /// Checks all signers and schemes, then the power, and then, since that costs most, every
    /// signature.
    ///
    /// # Errors
    /// [`InvalidCertificate`] names the first check that failed.
    pub fn verify(
        &self,
        network: &NetworkId,
        validators: &ValidatorSet,
    ) -> Result<(), InvalidCertificate> {
        if self.epoch != validators.epoch() {
            return Err(InvalidCertificate::WrongEpoch {
                found: self.epoch,
                expected: validators.epoch(),
            });
        }
        let mut power = Power(0);
        let mut last = None;
        for (index, signature) in &self.signatures {
            if last.is_some_and(|last| last >= *index) {
                return Err(InvalidCertificate::Unsorted(*index));
            }
            last = Some(*index);
            let Some(validator) = validators.get(*index) else {
                return Err(InvalidCertificate::UnknownSigner(*index));
            };
            let (found, expected) = (signature.scheme(), validator.key.scheme());
            if found != expected {
                return Err(InvalidCertificate::BadSignature {
                    signer: *index,
                    error: InvalidVoteSignature::Scheme { found, expected },
                });
            }
            power = Power(power.0.saturating_add(validator.power.0));
        }
        if power < validators.quorum() {
            return Err(InvalidCertificate::NoQuorum {
                found: power,
                needed: validators.quorum(),
            });
        }
        #[cfg(test)]
        CHECKED.set(CHECKED.get() + 1);
        let signed = self.statement.to_sign(network, self.epoch, self.view);
        for (index, signature) in &self.signatures {
            let Some(validator) = validators.get(*index) else {
                return Err(InvalidCertificate::UnknownSigner(*index));
            };
            if let Err(error) = validator.key.verify(&signed, signature) {
                let signer = *index;
                return Err(InvalidCertificate::BadSignature { signer, error });
            }
        }
        Ok(())
    }
}
