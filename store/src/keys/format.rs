//! The form of a key file.
//!
//! ```text
//! decube-key 1
//! kind: author
//! public: <64 hexadecimal digits>
//! secret: <64 hexadecimal digits, the Ed25519 seed>
//! checksum: <16 hexadecimal digits, of the BLAKE3 digest of the lines above>
//! ```
//!
//! A validator key has a second part since hybrid votes. Its file is of format 2, with these lines
//! before the checksum:
//! ```text
//! ml-dsa-public: <64 hexadecimal digits, the BLAKE3 digest of the ML-DSA-65 public key>
//! ml-dsa-secret: <64 hexadecimal digits, the ML-DSA-65 seed>
//! ```
//! The two seeds are drawn independently, so that whoever learns one learns nothing of the other. A
//! validator key of format 1 still votes in networks with Ed25519 votes; where votes are hybrid it
//! is refused with an error that says so.
//!
//! The file of a sealed key is of format 3, whichever parts the key has:
//! ```text
//! decube-key 3
//! kind: validator
//! public: <64 hexadecimal digits>
//! ml-dsa-public: <3,904 hexadecimal digits, the whole key; only with a second part>
//! sealed: <hexadecimal digits of a box with the seeds, one after the other>
//! checksum: <as above>
//! ```
//! The box is bound to the lines above it, so no public half can be exchanged. The checksum tells
//! damage apart from a wrong passphrase.

use std::path::Path;

use decube_crypto::sealed::{self, Cost, Fresh, SealError};
use decube_crypto::{Digest, PublicKey, SecretKey, ValidatorKey, ValidatorSecret, mldsa};
use zeroize::{Zeroize, Zeroizing};

use super::{KeyError, KeyKind, Passphrase};

/// A key of one part.
const FIRST_LINE: &str = "decube-key 1";
/// A validator key of two parts.
const FIRST_LINE_HYBRID: &str = "decube-key 2";
/// A sealed key.
const FIRST_LINE_SEALED: &str = "decube-key 3";
const NEWEST_FORMAT: u32 = 3;
const CHECKSUM_DOMAIN: &str = "decube/key-file/1";
const ML_DSA_DOMAIN: &str = "decube/ml-dsa-key/1";

const SEED: usize = SecretKey::LENGTH;

/// More than a key file has that is not sealed.
const MAX_LENGTH: usize = 512;

/// What a key file has.
pub(super) enum Content {
    /// The key.
    Open(ValidatorSecret),
    /// The sealed key.
    Sealed(Sealed),
}

/// A sealed key.
pub(super) struct Sealed {
    /// The public half.
    pub(super) public: ValidatorKey,
    /// The lines before the box, which are bound to it.
    context: String,
    sealed: Vec<u8>,
}

impl Sealed {
    /// Opens the box of the file `path`.
    pub(super) fn open(
        &self,
        path: &Path,
        passphrase: &Passphrase,
    ) -> Result<ValidatorSecret, KeyError> {
        let path = || path.to_path_buf();
        let opened = sealed::open(passphrase.as_bytes(), self.context.as_bytes(), &self.sealed);
        let seeds = opened.map_err(|reason| match reason {
            SealError::Refused => KeyError::Passphrase { path: path() },
            SealError::Newer(_) => KeyError::Newer { path: path() },
            reason @ (SealError::EmptyPassphrase
            | SealError::TooLong
            | SealError::Cost
            | SealError::Malformed
            | SealError::Memory) => KeyError::Seal {
                path: path(),
                reason,
            },
        })?;
        let key = match (seeds.first_chunk(), seeds.last_chunk(), seeds.len()) {
            (Some(seed), _, SEED) => SecretKey::from_seed(seed).into(),
            (Some(first), Some(last), length) if length == 2 * SEED => ValidatorSecret::hybrid(
                SecretKey::from_seed(first),
                mldsa::SecretKey::from_seed(last),
            ),
            (Some(_) | None, _, _) => {
                let detail = "what is sealed is no key";
                return Err(KeyError::Damaged {
                    path: path(),
                    detail,
                });
            }
        };
        if key.public() == self.public {
            return Ok(key);
        }
        let detail = "its public half does not belong to its secret";
        Err(KeyError::Damaged {
            path: path(),
            detail,
        })
    }
}

/// The text of a file of a key that is not sealed.
pub(super) fn open(kind: KeyKind, key: &ValidatorSecret) -> Zeroizing<String> {
    // Room for all of it at once, so that no copy of a shorter string stays in memory.
    let mut text = Zeroizing::new(String::with_capacity(MAX_LENGTH));
    let secret = |seed: Zeroizing<[u8; SEED]>| Zeroizing::new(hex::encode(seed.as_slice()));
    let first = match key.ml_dsa() {
        None => FIRST_LINE,
        Some(_) => FIRST_LINE_HYBRID,
    };
    for part in [first, "\nkind: ", kind.name(), "\npublic: "] {
        text.push_str(part);
    }
    text.push_str(&key.ed25519().public().to_string());
    text.push_str("\nsecret: ");
    text.push_str(&secret(key.ed25519().to_seed()));
    if let Some(ml_dsa) = key.ml_dsa() {
        text.push_str("\nml-dsa-public: ");
        text.push_str(&digest(ml_dsa).to_string());
        text.push_str("\nml-dsa-secret: ");
        text.push_str(&secret(ml_dsa.to_seed()));
    }
    text.push('\n');
    finish(&mut text);
    text
}

/// The text of a file of a sealed key.
pub(super) fn sealed(
    kind: KeyKind,
    key: &ValidatorSecret,
    passphrase: &Passphrase,
    cost: Cost,
    fresh: &Fresh,
) -> Result<String, SealError> {
    let public = key.public();
    let (kind, ed25519) = (kind.name(), public.ed25519());
    let mut text = format!("{FIRST_LINE_SEALED}\nkind: {kind}\npublic: {ed25519}\n");
    let mut seeds = Zeroizing::new(Vec::with_capacity(2 * SEED));
    seeds.extend_from_slice(&*key.ed25519().to_seed());
    if let Some(ml_dsa) = key.ml_dsa() {
        let public = hex::encode(ml_dsa.public().as_bytes());
        text.push_str(&format!("ml-dsa-public: {public}\n"));
        seeds.extend_from_slice(&*ml_dsa.to_seed());
    }
    let sealed = sealed::seal(passphrase.as_bytes(), text.as_bytes(), &seeds, cost, fresh)?;
    text.push_str(&format!("sealed: {}\n", hex::encode(sealed)));
    finish(&mut text);
    Ok(text)
}

fn finish(text: &mut String) {
    let checksum = checksum(text);
    text.push_str("checksum: ");
    text.push_str(&checksum);
    text.push('\n');
}

/// What a file of format 2 has of the long public half.
fn digest(key: &mldsa::SecretKey) -> Digest {
    Digest::of(ML_DSA_DOMAIN, &[key.public().as_bytes()])
}

pub(super) fn checksum(lines: &str) -> String {
    Digest::of(CHECKSUM_DOMAIN, &[lines.as_bytes()]).short()
}

/// Why a text is no key file.
pub(super) enum Unreadable {
    /// A later version of this program wrote it.
    Newer,
    /// It is not what was written.
    Damaged(&'static str),
}

const CUT: Unreadable = Unreadable::Damaged("it is cut short, or lines are missing");
const FOREIGN: Unreadable = Unreadable::Damaged("its public half does not belong to its secret");

/// Reads what [`open`] or [`sealed`] wrote, and nothing else. Gives the kind beside the key.
pub(super) fn parse(text: &str) -> Result<(&str, Content), Unreadable> {
    use Unreadable::Damaged;
    let first = text.lines().next().unwrap_or_default();
    if ![FIRST_LINE, FIRST_LINE_HYBRID, FIRST_LINE_SEALED].contains(&first) {
        let version = first.strip_prefix("decube-key ").map(str::parse::<u32>);
        return match version {
            Some(Ok(version)) if version > NEWEST_FORMAT => Err(Unreadable::Newer),
            Some(_) | None => Err(Damaged("its first line is not that of a key file")),
        };
    }
    let Some((signed, sum)) = text.rsplit_once("checksum: ") else {
        return Err(CUT);
    };
    if sum.strip_suffix('\n') != Some(checksum(signed).as_str()) {
        return Err(Damaged("its checksum does not match"));
    }
    if first == FIRST_LINE_SEALED {
        let (kind, sealed) = parse_sealed(signed)?;
        return Ok((kind, Content::Sealed(sealed)));
    }
    let (kind, key) = parse_open(signed, first == FIRST_LINE_HYBRID)?;
    Ok((kind, Content::Open(key)))
}

fn parse_open(signed: &str, is_hybrid: bool) -> Result<(&str, ValidatorSecret), Unreadable> {
    let mut lines = signed.lines().skip(1);
    let mut field = |name| lines.next().and_then(|line| line.strip_prefix(name));
    let (kind, public, secret) = (field("kind: "), field("public: "), field("secret: "));
    let (Some(kind), Some(public), Some(secret)) = (kind, public, secret) else {
        return Err(CUT);
    };
    let key = SecretKey::from_seed(&*parse_seed(secret)?);
    if public.parse::<PublicKey>().ok() != Some(key.public()) {
        return Err(FOREIGN);
    }
    if !is_hybrid {
        return Ok((kind, key.into()));
    }
    let (Some(public), Some(secret)) = (field("ml-dsa-public: "), field("ml-dsa-secret: ")) else {
        return Err(CUT);
    };
    let ml_dsa = mldsa::SecretKey::from_seed(&*parse_seed(secret)?);
    if public.parse::<Digest>().ok() != Some(digest(&ml_dsa)) {
        return Err(FOREIGN);
    }
    Ok((kind, ValidatorSecret::hybrid(key, ml_dsa)))
}

fn parse_seed(digits: &str) -> Result<Zeroizing<[u8; SEED]>, Unreadable> {
    let mut seed = Zeroizing::new([0; SEED]);
    match hex::decode_to_slice(digits, seed.as_mut_slice()) {
        Ok(()) => Ok(seed),
        Err(_) => {
            seed.zeroize();
            Err(Unreadable::Damaged(
                "its secret is not 64 hexadecimal digits",
            ))
        }
    }
}

fn parse_sealed(signed: &str) -> Result<(&str, Sealed), Unreadable> {
    let Some((context, sealed)) = signed.split_once("sealed: ") else {
        return Err(CUT);
    };
    let mut lines = context.lines().skip(1);
    let mut field = |name| lines.next().and_then(|line| line.strip_prefix(name));
    let (Some(kind), Some(ed25519)) = (field("kind: "), field("public: ")) else {
        return Err(CUT);
    };
    let digits = [ed25519, field("ml-dsa-public: ").unwrap_or_default()].concat();
    let Ok(public) = digits.parse::<ValidatorKey>() else {
        return Err(Unreadable::Damaged("its public half is no key"));
    };
    let Ok(sealed) = hex::decode(sealed.trim_end_matches('\n')) else {
        return Err(Unreadable::Damaged("what is sealed is no hexadecimal text"));
    };
    let sealed = Sealed {
        public,
        context: context.into(),
        sealed,
    };
    Ok((kind, sealed))
}
