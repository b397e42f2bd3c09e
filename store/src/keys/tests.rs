//! Key files: their form, every damage, and what changes them.

use std::fs::{self, Permissions};

use decube_crypto::ValidatorKey;

use super::format::checksum;
use super::*;

fn key() -> SecretKey {
    SecretKey::from_seed(&[7; 32])
}

fn written(kind: KeyKind) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    create(directory.path(), kind, &key()).unwrap();
    let path = path(directory.path(), kind);
    (directory, path)
}

/// Replaces the content, keeping the mode.
fn refusal(path: &Path, content: &[u8], kind: KeyKind) -> KeyError {
    fs::write(path, content).unwrap();
    let error = read_file(path, kind).unwrap_err();
    assert_eq!(
        fs::read(path).unwrap(),
        content,
        "a refused file is left as it is"
    );
    error
}

#[test]
fn keys_are_written_for_their_owner_alone_and_read_back() {
    for kind in KeyKind::ALL {
        let (directory, path) = written(kind);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let folder = fs::metadata(path.parent().unwrap())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(folder & 0o777, 0o700);
        assert_eq!(
            read(directory.path(), kind).unwrap().public(),
            key().public()
        );
        let before = fs::read(&path).unwrap();
        let again = create(directory.path(), kind, &SecretKey::from_seed(&[8; 32]));
        assert_eq!(again, Err(KeyError::Exists { path: path.clone() }));
        assert_eq!(fs::read(&path).unwrap(), before);
        let leftovers = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(leftovers, 1, "no temporary file is left");
    }
    assert_ne!(generate().unwrap().public(), generate().unwrap().public());
}

#[test]
fn a_key_file_has_this_format() {
    let (_directory, path) = written(KeyKind::Author);
    let expected = include_str!("../../fixtures/author.key");
    assert_eq!(fs::read_to_string(path).unwrap(), expected);
}

fn hybrid() -> ValidatorSecret {
    ValidatorSecret::hybrid(key(), mldsa::SecretKey::from_seed(&[9; 32]))
}

#[test]
fn a_validator_key_keeps_both_parts() {
    let directory = tempfile::tempdir().unwrap();
    let path = path(directory.path(), KeyKind::Validator);
    create_validator(directory.path(), &hybrid()).unwrap();
    let expected = include_str!("../../fixtures/validator.key");
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    let public = |key: Result<ValidatorSecret, KeyError>| key.unwrap().public();
    assert_eq!(public(read_validator(directory.path())), hybrid().public());
    for scheme in [VoteScheme::Ed25519, VoteScheme::Hybrid] {
        let voter = read_voter(directory.path(), scheme);
        assert_eq!(voter.as_ref().map(ValidatorSecret::scheme), Ok(scheme));
    }
    let name = read(directory.path(), KeyKind::Validator).unwrap();
    assert_eq!(name.public(), key().public());
    let good = expected.as_bytes();
    let secret = hex::encode([9; 32]);
    for at in 0..good.len() {
        let mut changed = good.to_vec();
        changed[at] ^= 1;
        let error = refusal(&path, &changed, KeyKind::Validator);
        let named = matches!(error, KeyError::Damaged { .. } | KeyError::Newer { .. });
        assert!(named, "byte {at}: {error}");
        assert!(!format!("{error} {error:?}").contains(&secret[..8]));
        let error = refusal(&path, &good[..at], KeyKind::Validator);
        assert!(matches!(error, KeyError::Damaged { .. }), "cut at {at}");
    }
    let other = mldsa::SecretKey::from_seed(&[10; 32]);
    let exchanged = expected.replace(&secret, &hex::encode(*other.to_seed()));
    let (signed, _) = exchanged.rsplit_once("checksum: ").unwrap();
    let exchanged = format!("{signed}checksum: {}\n", checksum(signed));
    let error = refusal(&path, exchanged.as_bytes(), KeyKind::Validator);
    assert!(error.to_string().contains("does not belong"), "{error}");
}

#[test]
fn an_old_validator_key_votes_where_its_part_suffices() {
    let (directory, path) = written(KeyKind::Validator);
    let voter = |scheme| read_voter(directory.path(), scheme).map(|key| key.public());
    assert_eq!(voter(VoteScheme::Ed25519), Ok(key().public().into()));
    let refused = voter(VoteScheme::Hybrid).unwrap_err();
    assert_eq!(refused, KeyError::NoMlDsa { path });
    assert!(refused.to_string().contains("decube key new validator"));
}

#[test]
fn made_keys_are_new_and_validators_have_both_parts() {
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let keys = directories.each_ref().map(|directory| {
        make(directory.path(), KeyKind::Validator).unwrap();
        read_validator(directory.path()).unwrap().public()
    });
    assert_eq!(keys[0].scheme(), VoteScheme::Hybrid);
    assert_ne!(keys[0].ed25519(), keys[1].ed25519());
    assert_ne!(keys[0].ml_dsa(), keys[1].ml_dsa());
}

#[test]
fn every_damage_is_named() {
    let (_directory, path) = written(KeyKind::Peer);
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 1;
        let error = refusal(&path, &changed, KeyKind::Peer);
        assert!(
            matches!(error, KeyError::Damaged { .. }),
            "byte {at}: {error}"
        );
    }
    for end in 0..good.len() {
        let error = refusal(&path, &good[..end], KeyKind::Peer);
        assert!(
            matches!(error, KeyError::Damaged { .. }),
            "cut at {end}: {error}"
        );
        assert!(error.to_string().contains(path.to_str().unwrap()));
        assert!(error.to_string().contains("put a copy"));
    }
    let longer = [good.as_slice(), b"\n"].concat();
    for content in [&longer[..], &[0xff; 300], &[b'x'; 5000]] {
        let error = refusal(&path, content, KeyKind::Peer);
        assert!(matches!(error, KeyError::Damaged { .. }), "{error}");
    }
    let newer = refusal(&path, b"decube-key 4\nwhatever\n", KeyKind::Peer);
    assert_eq!(newer, KeyError::Newer { path: path.clone() });
    fs::write(&path, &good).unwrap();
    assert!(
        read_file(&path, KeyKind::Peer).is_ok(),
        "the test damages what was sound"
    );
}

#[test]
fn a_key_that_others_can_read_or_of_another_kind_or_absent_is_refused() {
    let (directory, path) = written(KeyKind::Peer);
    let other = read_file(&path, KeyKind::Author).unwrap_err();
    assert_eq!(
        other,
        KeyError::OtherKind {
            path: path.clone(),
            kind: KeyKind::Author
        }
    );
    for mode in [0o640, 0o604, 0o620, 0o660] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let exposed = read(directory.path(), KeyKind::Peer).unwrap_err();
        assert_eq!(
            exposed,
            KeyError::Exposed {
                path: path.clone(),
                mode
            }
        );
        assert!(exposed.to_string().contains("chmod 600"));
    }
    let missing = read(directory.path(), KeyKind::Author).unwrap_err();
    assert!(matches!(missing, KeyError::Missing { .. }));
    assert!(missing.to_string().contains("author.key"));
}

#[test]
fn no_error_shows_the_secret() {
    let (_directory, path) = written(KeyKind::Validator);
    let good = fs::read(&path).unwrap();
    let secret = hex::encode([7; 32]);
    assert!(std::str::from_utf8(&good).unwrap().contains(&secret));
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 1;
        let error = refusal(&path, &changed, KeyKind::Validator);
        let shown = format!("{error} {error:?}");
        assert!(
            (0..=56).all(|from| !shown.contains(&secret[from..from + 8])),
            "{shown}"
        );
    }
}

fn phrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.into())).unwrap()
}

/// Opens a key with a passphrase.
fn opened(directory: &Path, kind: KeyKind, with: &str) -> Result<ValidatorKey, KeyError> {
    open(directory, kind, |_| Ok(phrase(with))).map(|key| key.public())
}

#[test]
fn a_sealed_key_opens_with_its_passphrase_only_and_shows_its_public_half_without() {
    for kind in KeyKind::ALL {
        let directory = tempfile::tempdir().unwrap();
        make_sealed(directory.path(), kind, &phrase("correct horse")).unwrap();
        let path = path(directory.path(), kind);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let half = read_public(directory.path(), kind).unwrap();
        assert!(half.is_sealed);
        let open = opened(directory.path(), kind, "correct horse");
        assert_eq!(open, Ok(half.key));
        let wrong = opened(directory.path(), kind, "correct horse ").unwrap_err();
        assert_eq!(wrong, KeyError::Passphrase { path: path.clone() });
        let none = read(directory.path(), kind).unwrap_err();
        assert_eq!(none, KeyError::Sealed { path });
        assert!(none.to_string().contains("--passphrase-file"));
    }
}

#[test]
fn sealing_and_unsealing_give_back_the_file_that_was() {
    let directory = tempfile::tempdir().unwrap();
    create_validator(directory.path(), &hybrid()).unwrap();
    let (at, kind) = (directory.path(), KeyKind::Validator);
    let path = path(at, kind);
    let before = fs::read_to_string(&path).unwrap();
    let not = unseal(at, kind, &phrase("x")).unwrap_err();
    assert_eq!(not, KeyError::NotSealed { path: path.clone() });
    seal(at, kind, &phrase("x")).unwrap();
    let sealed = fs::read_to_string(&path).unwrap();
    for secret in [hex::encode([7; 32]), hex::encode([9; 32])] {
        assert!(before.contains(&secret) && !sealed.contains(&secret[..8]));
    }
    let again = seal(at, kind, &phrase("x")).unwrap_err();
    assert_eq!(again, KeyError::SealedAlready { path: path.clone() });
    assert!(unseal(at, kind, &phrase("y")).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), sealed);
    assert_eq!(opened(at, kind, "x"), Ok(hybrid().public()));
    unseal(at, kind, &phrase("x")).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
    let files = fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(files, 1, "no temporary file is left");
}

#[test]
fn a_sealed_file_has_this_format_and_every_damage_is_named() {
    let directory = tempfile::tempdir().unwrap();
    create_validator(directory.path(), &hybrid()).unwrap();
    let path = path(directory.path(), KeyKind::Validator);
    let fresh = decube_crypto::sealed::Fresh {
        salt: [1; 16],
        nonce: [2; 24],
    };
    let cost = decube_crypto::sealed::Cost {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };
    let kind = KeyKind::Validator;
    let good = format::sealed(kind, &hybrid(), &phrase("x"), cost, &fresh).unwrap();
    assert_eq!(good, include_str!("../../fixtures/sealed.key"));
    for at in (0..good.len()).step_by(7) {
        let mut changed = good.clone().into_bytes();
        changed[at] ^= 1;
        let error = refusal(&path, &changed, kind);
        let named = matches!(error, KeyError::Damaged { .. } | KeyError::Newer { .. });
        assert!(named, "byte {at}: {error}");
        let error = refusal(&path, &good.as_bytes()[..at], kind);
        assert!(matches!(error, KeyError::Damaged { .. }), "cut at {at}");
    }
    fs::write(&path, &good).unwrap();
    assert_eq!(
        opened(directory.path(), kind, "x"),
        Ok(hybrid().public()),
        "the test damages what was sound"
    );
}

/// Whoever can write the file must not make the owner show another public half than that of the
/// secret inside.
#[test]
fn a_public_half_cannot_be_exchanged_under_the_seal() {
    let (directory, path) = written(KeyKind::Peer);
    seal(directory.path(), KeyKind::Peer, &phrase("x")).unwrap();
    let good = fs::read_to_string(&path).unwrap();
    let other = SecretKey::from_seed(&[8; 32]).public().to_string();
    let changed = good.replace(&key().public().to_string(), &other);
    let (signed, _) = changed.rsplit_once("checksum: ").unwrap();
    let changed = format!("{signed}checksum: {}\n", checksum(signed));
    fs::write(&path, changed).unwrap();
    let refused = opened(directory.path(), KeyKind::Peer, "x").unwrap_err();
    assert_eq!(refused, KeyError::Passphrase { path });
}

#[test]
fn a_rotated_key_is_new_and_the_old_one_is_kept_with_its_log() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    for kind in KeyKind::ALL {
        make(at, kind).unwrap();
        let old = fs::read(path(at, kind)).unwrap();
        let before = read_public(at, kind).unwrap();
        let kept = rotate(at, kind, None).unwrap();
        assert_eq!(fs::read(&kept.key).unwrap(), old);
        assert_eq!(kept.vote_log.is_some(), kind == KeyKind::Validator);
        let after = read_public(at, kind).unwrap();
        assert_ne!(after.key, before.key);
        assert!(!after.is_sealed);
        let again = rotate(at, kind, None).unwrap();
        assert_ne!(again.key, kept.key);
        assert_eq!(fs::read(&kept.key).unwrap(), old);
    }
    // The new validator key has a log of its own, and a sealed key is followed by a sealed one.
    let log = at.join("votes.redb.1");
    assert!(log.exists() && at.join("votes.redb.2").exists() && at.join("votes.redb").exists());
    seal(at, KeyKind::Peer, &phrase("x")).unwrap();
    let before = read_public(at, KeyKind::Peer).unwrap();
    assert!(rotate(at, KeyKind::Peer, None).is_err());
    assert!(rotate(at, KeyKind::Peer, Some(&phrase("y"))).is_err());
    assert_eq!(read_public(at, KeyKind::Peer).unwrap(), before);
    rotate(at, KeyKind::Peer, Some(&phrase("x"))).unwrap();
    let after = read_public(at, KeyKind::Peer).unwrap();
    assert!(after.is_sealed && after.key != before.key);
    assert_eq!(opened(at, KeyKind::Peer, "x"), Ok(after.key));
}

#[test]
fn an_exported_key_is_the_file_for_its_owner_alone_and_nothing_is_overwritten() {
    let (directory, path) = written(KeyKind::Author);
    let to = directory.path().join("copy");
    export(directory.path(), KeyKind::Author, &to).unwrap();
    assert_eq!(fs::read(&to).unwrap(), fs::read(path).unwrap());
    let mode = fs::metadata(&to).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = export(directory.path(), KeyKind::Author, &to).unwrap_err();
    assert_eq!(again, KeyError::Exists { path: to });
}

#[test]
fn a_passphrase_is_one_line_and_never_printed() {
    let new = |text: &str| Passphrase::new(Zeroizing::new(text.into()));
    assert!(new("a b\n").unwrap().is(&phrase("a b")));
    assert!(new("a b\r\n").unwrap().is(&phrase("a b")));
    assert!(!phrase("a").is(&phrase("b")));
    for (text, expected) in [
        ("", BadPassphrase::Empty),
        ("\n", BadPassphrase::Empty),
        ("a\nb", BadPassphrase::Lines),
        (&"x".repeat(MAX_PASSPHRASE + 1), BadPassphrase::TooLong),
    ] {
        assert_eq!(new(text).unwrap_err(), expected);
    }
    assert!(!format!("{:?}", phrase("secret")).contains("secret"));
}
