//! What a validator's signature costs under both schemes of votes, and ML-DSA-65 by its backends.
//!
//! Run with `cargo bench -p decube-crypto --bench votes --features pqcrypto`; the medians are what to
//! compare. Signing with ML-DSA starts again until a signature fits, so its times spread.

use decube_crypto::{
    Digest, SecretKey, Statement, ValidatorSecret, VoteScheme,
    mldsa::{self, AwsLc, Backend},
};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

const SCHEMES: [VoteScheme; 2] = [VoteScheme::Ed25519, VoteScheme::Hybrid];

fn key(scheme: VoteScheme) -> ValidatorSecret {
    let ed25519 = SecretKey::from_seed(&[1; 32]);
    match scheme {
        VoteScheme::Ed25519 => ed25519.into(),
        VoteScheme::Hybrid => {
            ValidatorSecret::hybrid(ed25519, mldsa::SecretKey::from_seed(&[2; 32]))
        }
    }
}

/// As long as what a finalize vote signs.
fn statement() -> Statement {
    Statement::new("decube/finalize/1", &Digest::ZERO)
        .number(0)
        .number(1_000_000)
        .number(999_999)
        .digest(&Digest::ZERO)
}

/// A vote, by the scheme of its network.
#[divan::bench_group(sample_count = 1000)]
mod vote {
    use super::*;

    #[divan::bench(args = SCHEMES)]
    fn sign(bencher: Bencher<'_, '_>, scheme: VoteScheme) {
        let (key, statement) = (key(scheme), statement());
        bencher.bench(|| key.sign(black_box(&statement)));
    }

    #[divan::bench(args = SCHEMES)]
    fn verify(bencher: Bencher<'_, '_>, scheme: VoteScheme) {
        let (key, statement) = (key(scheme), statement());
        let (public, signature) = (key.public(), key.sign(&statement));
        assert_eq!(public.verify(&statement, &signature), Ok(()));
        bencher.bench(|| public.verify(black_box(&statement), black_box(&signature)));
    }
}

/// ML-DSA-65 alone, by each backend.
#[divan::bench_group(sample_count = 1000)]
mod ml_dsa {
    use super::*;

    fn sign<B: Backend>(bencher: Bencher<'_, '_>) {
        let key = mldsa::SecretKey::<B>::with_backend(&[2; 32]);
        let statement = statement();
        bencher.bench(|| key.sign(black_box(&statement)));
    }

    fn verify<B: Backend>(bencher: Bencher<'_, '_>) {
        let key = mldsa::SecretKey::<B>::with_backend(&[2; 32]);
        let statement = statement();
        let (public, signature) = (key.public(), key.sign(&statement));
        assert_eq!(public.verify_with::<B>(&statement, &signature), Ok(()));
        bencher.bench(|| public.verify_with::<B>(black_box(&statement), black_box(&signature)));
    }

    #[divan::bench]
    fn sign_aws_lc(bencher: Bencher<'_, '_>) {
        sign::<AwsLc>(bencher);
    }

    #[divan::bench]
    fn verify_aws_lc(bencher: Bencher<'_, '_>) {
        verify::<AwsLc>(bencher);
    }

    #[cfg(feature = "pqcrypto")]
    #[divan::bench]
    fn sign_pqcrypto(bencher: Bencher<'_, '_>) {
        sign::<mldsa::Pqcrypto>(bencher);
    }

    #[cfg(feature = "pqcrypto")]
    #[divan::bench]
    fn verify_pqcrypto(bencher: Bencher<'_, '_>) {
        verify::<mldsa::Pqcrypto>(bencher);
    }
}
