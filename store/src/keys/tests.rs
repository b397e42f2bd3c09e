//! Key files: their form, every damage, and what changes them.

use super::*;
use std::fs::{self, Permissions};

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
    let newer = refusal(&path, b"decube-key 3\nwhatever\n", KeyKind::Peer);
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
