//! `verify` without a node: what does not hold is refused with the reason.

use std::fs;

use crate::support::{Home, decube, text};

#[test]
fn a_proof_that_was_changed_or_is_of_another_network_is_refused() {
    let home = Home::solo();
    let (running, id) = home.with_document();
    home.decube(&["commit", &id, "--wait", "final"]).expect(0);
    let proof = home.file("good.proof");
    home.decube(&["proof", &id, "--output", text(&proof)])
        .expect(0);
    let later = home.file("later.automerge");
    home.decube(&["doc", "set", &id, "/title", "\"later\""])
        .expect(0);
    home.decube(&["doc", "export", &id, "--output", text(&later)])
        .expect(0);
    running.stop();
    let network = home.path().join("network.toml");
    let verify = |proof: &str, more: &[&str]| {
        decube(&[&["verify", proof, "--network", text(&network)], more].concat())
    };
    let good = fs::read(&proof).unwrap();
    verify(text(&proof), &[]).expect(0);
    verify(text(&proof), &["--document", text(&later)]).refuses(5, "another version");
    verify(text(&proof), &["--document", text(&proof)]).refuses(5, "Automerge");

    for at in [0, 8, 9, good.len() / 3, good.len() / 2, good.len() - 1] {
        let mut changed = good.clone();
        changed[at] ^= 1;
        verify(&home.write("changed.proof", &changed), &[]).refuses(5, "refused");
    }
    for end in [0, 5, good.len() / 2, good.len() - 1] {
        verify(&home.write("cut.proof", &good[..end]), &[]).refuses(5, "refused");
    }
    let longer = [good.as_slice(), b"x"].concat();
    verify(&home.write("longer.proof", longer), &[]).refuses(5, "refused");
    verify("none.proof", &[]).refuses(3, "none.proof");

    let other = Home::solo().path().join("network.toml");
    let forged = Home::solo();
    let foreign = forged.path().join("network.toml");
    assert!(
        !other.exists(),
        "the other network's folder is gone with its test's value"
    );
    decube(&["verify", text(&proof), "--network", text(&foreign)]).refuses(5, "network");
    decube(&["verify", text(&proof), "--network", text(&other)]).refuses(3, "network.toml");
    let empty = Home::empty();
    empty
        .decube(&["verify", text(&proof)])
        .refuses(3, "network.toml");
}

#[test]
fn a_proof_can_say_that_nothing_was_committed() {
    let home = Home::solo();
    let (running, id) = home.with_document();
    let proof = home.file("absent.proof");
    home.decube(&["proof", &id, "--output", text(&proof)])
        .expect(0);
    home.decube(&["commit", &id, "--wait", "final"]).expect(0);
    let earlier = home.file("earlier.proof");
    home.decube(&["proof", &id, "--height", "1", "--output", text(&earlier)])
        .expect(0);
    running.stop();
    for proof in [&proof, &earlier] {
        let verified = home.json(&["verify", text(proof)]);
        assert_eq!(verified["committed"], serde_json::Value::Null);
        assert_eq!(verified["height"], 1);
        assert_eq!(verified["trusted"]["from"], "data_dir");
    }
}
