//! The known answer of the post-quantum handshake, and what the example program says of bad files.

#[path = "../examples/noise_vector/replay.rs"]
mod replay;
#[path = "../examples/noise_vector/seeded.rs"]
mod seeded;

use replay::{Vector, VectorError};
use serde_json::{Value, json};

const KNOWN: &str = include_str!("../data/noise-xxhfs-mlkem768.json");

/// What the file says of a replay, besides the sizes of the messages. Named here once more than in
/// the program, so that one that forgets a value is noticed.
const VALUES: [&str; 8] = [
    "static_i_public",
    "static_r_public",
    "ephemeral_i_public",
    "ephemeral_r_public",
    "message_c",
    "handshake_hash",
    "initiator_to_responder_key",
    "responder_to_initiator_key",
];

fn known() -> Value {
    serde_json::from_str(KNOWN).expect("the known answer is JSON")
}

#[test]
fn the_known_answer_is_reproduced_byte_for_byte() {
    let vector = Vector::parse(KNOWN).unwrap();
    let replayed = vector.replay().unwrap();
    assert_eq!(vector.check(&replayed), Ok(()));
    let known = known();
    let given = |name| {
        let found = replayed.values.iter().find(|(field, _)| *field == name);
        found.unwrap().1.clone()
    };
    assert_eq!(given("message_bytes"), "1216 1200 64");
    for field in VALUES {
        assert_eq!(given(field), known[field].as_str().unwrap(), "{field}");
    }
    assert_eq!(replayed.backends, ["aws-lc-rs", "pqcrypto-mlkem"]);
}

#[test]
fn every_value_of_the_file_is_compared() {
    for field in VALUES {
        let mut changed = known();
        changed[field] = "00".into();
        let vector = Vector::parse(&changed.to_string()).unwrap();
        let error = vector.check(&vector.replay().unwrap());
        assert!(
            matches!(&error, Err(VectorError::Mismatch { field: named, .. }) if *named == field),
            "{field}: {error:?}"
        );
    }
    let mut changed = known();
    changed["message_bytes"] = json!([1216, 1200, 65]);
    let vector = Vector::parse(&changed.to_string()).unwrap();
    let error = vector.check(&vector.replay().unwrap());
    assert!(matches!(error, Err(VectorError::Mismatch { .. })));
}

/// A file may say seeds alone, to see what they give.
#[test]
fn what_a_file_does_not_say_is_not_compared() {
    let mut changed = known();
    let fields = changed.as_object_mut().unwrap();
    for field in ["message_bytes", "message_c", "handshake_hash"] {
        fields.remove(field).unwrap();
    }
    let vector = Vector::parse(&changed.to_string()).unwrap();
    let replayed = vector.replay().unwrap();
    assert_eq!(vector.check(&replayed), Ok(()));
    assert_eq!(replayed.values.len(), 9);
}

#[test]
fn another_seed_gives_another_answer() {
    for field in [
        "static_i_private",
        "static_r_private",
        "ephemeral_i_private",
        "ephemeral_r_private",
        "kem_keygen_seed",
        "kem_encapsulation_seed",
    ] {
        let mut changed = known();
        let seed = changed[field].as_str().unwrap();
        changed[field] = format!("77{}", &seed[2..]).into();
        let vector = Vector::parse(&changed.to_string()).unwrap();
        let error = vector.check(&vector.replay().unwrap());
        assert!(
            matches!(error, Err(VectorError::Mismatch { .. })),
            "{field}"
        );
    }
}

#[test]
fn a_file_of_another_form_is_refused_with_its_cause() {
    let cause = |json: &str| Vector::parse(json).unwrap_err().to_string();
    assert!(cause("").contains("not of the form"));
    assert!(cause("[]").contains("`protocol`"));
    let with = |field: &str, value: Value| {
        let mut changed = known();
        changed[field] = value;
        cause(&changed.to_string())
    };
    assert!(with("protocol", "Noise_XX_25519_ChaChaPoly_SHA256".into()).contains("`protocol`"));
    assert!(with("prologue", "00".into()).contains("`prologue`"));
    assert!(with("payloads", "random".into()).contains("`payloads`"));
    assert!(with("static_i_private", "11".into()).contains("64 hexadecimal digits"));
    assert!(with("kem_keygen_seed", 7.into()).contains("`kem_keygen_seed`"));
    assert!(with("message_bytes", json!([1216])).contains("`message_bytes`"));
    assert!(with("message_c", Value::Null).contains("`message_c`"));
}
