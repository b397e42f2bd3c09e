//! Help, usage, settings and keys: what goes wrong before a node runs.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::support::{Home, decube, program, text};

#[test]
fn help_is_given_and_wrong_usage_is_told_apart() {
    let help = decube(&["--help"]).expect(0).text();
    for command in ["init", "join", "up", "doc", "commit", "verify", "testnet"] {
        assert!(
            help.contains(&format!("\n  {command}")),
            "{command} is not in: {help}"
        );
    }
    assert!(
        decube(&["doc", "edit", "--help"])
            .expect(0)
            .text()
            .contains("Example:")
    );
    decube(&[]).expect(2);
    decube(&["fly"]).refuses(2, "fly");
    decube(&["doc", "get"]).refuses(2, "DOCUMENT");
    decube(&["status", "--timeout", "-1"]).expect(2);
    decube(&["status", "--timeout", "0"]).expect(2);
    let error = decube(&["chain", "show", "low", "--json"]).expect(2).json();
    assert_eq!(error["error"]["kind"], "usage");
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            decube(&["completions", shell])
                .expect(0)
                .text()
                .contains("quarantine")
        );
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut command = program();
    command
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let mut errors = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut errors)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{errors}");
    assert_eq!(errors, "");
}

#[test]
fn without_a_node_the_error_says_how_to_start_one() {
    let home = Home::solo();
    home.decube(&["doc", "ls"]).refuses(1, "decube up");
    home.decube(&["status", "--wait", "ready", "--timeout", "0.2"])
        .expect(4);
    let error = home.decube(&["status", "--json"]).expect(1).json();
    assert_eq!(error["error"]["kind"], "failed");
    Home::empty().decube(&["up"]).refuses(3, "decube init");
}

#[test]
fn a_bad_setting_is_named_with_file_and_line() {
    let home = Home::solo();
    let path = home.path().join("decube.toml");
    for (content, line, words) in [
        ("mdns = true\n\nlisten = [\"nowhere\"]", 3, "nowhere"),
        ("\nspeed = \"fast\"", 2, "speed"),
        ("log = \"info\"\nlisten = [", 2, ""),
        ("[api]\ntcp = \"everywhere\"", 2, "127.0.0.1"),
    ] {
        fs::write(&path, content).unwrap();
        for command in [&["up"][..], &["doctor"]] {
            let outcome = home.decube(command);
            let said = format!("{}{}", outcome.stderr, outcome.text());
            assert!([1, 2].contains(&outcome.code), "{said}");
            assert!(
                said.contains(&format!("{}:{line}: ", path.display())),
                "{said}"
            );
            assert!(said.contains(words), "{said}");
        }
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            content,
            "the file is left as it is"
        );
    }
    fs::write(&path, "[api]\ntcp = \"0.0.0.0:0\"").unwrap();
    home.decube(&["up"]).refuses(2, "loopback");
}

#[test]
fn a_flag_comes_before_the_environment_and_that_before_the_file() {
    let home = Home::solo();
    fs::write(
        home.path().join("decube.toml"),
        "listen = [\"/ip4/127.0.0.1/tcp/1\"]",
    )
    .unwrap();
    let bad = |arguments: &[&str], variable: &str| {
        let mut command = home.command(arguments);
        command.env("DECUBE_LISTEN", variable);
        crate::support::finish(command)
    };
    bad(&["up", "--listen", "flag"], "variable").refuses(2, "\"flag\"");
    bad(&["up"], "variable").refuses(2, "\"variable\"");
    let mut command = home.command(&["up"]);
    command.env("DECUBE_MDNS", "perhaps");
    crate::support::finish(command).refuses(2, "perhaps");
}

#[test]
fn init_makes_private_keys_once() {
    let home = Home::empty();
    let made = home.json(&["init"]);
    assert_eq!(made["made"].as_array().unwrap().len(), 3);
    assert_eq!(
        fs::metadata(home.path()).unwrap().permissions().mode() & 0o777,
        0o700
    );
    for kind in ["peer", "author", "validator"] {
        let path = home.path().join("keys").join(format!("{kind}.key"));
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    let again = home.json(&["init"]);
    assert_eq!(again["made"].as_array().unwrap().len(), 0);
    assert_eq!(again["keys"], made["keys"]);
    assert_eq!(home.json(&["key", "show"]), made["keys"]);
    assert_eq!(
        home.json(&["peer", "id"])["peer_id"],
        made["keys"]["peer_id"]
    );
    home.decube(&["key", "new", "peer"])
        .refuses(5, "exists already");
    home.decube(&["up"]).refuses(3, "network.toml");
    home.decube(&["up"]).refuses(3, "decube join");
}

#[test]
fn a_network_is_joined_by_its_file_or_by_a_ticket() {
    let alice = Home::solo();
    let shown = alice.json(&["network", "show"]);
    let ticket = alice.json(&["network", "ticket"])["ticket"]
        .as_str()
        .unwrap()
        .to_owned();
    let file = alice.path().join("network.toml");
    let kept = alice.path().join("ticket");
    fs::write(&kept, format!("{ticket}\n")).unwrap();
    for by in [text(&file), &ticket, text(&kept)] {
        let bob = Home::empty();
        bob.decube(&["join", by]).expect(0);
        assert_eq!(bob.json(&["network", "show"])["id"], shown["id"]);
        // Again is nothing new, another network is refused.
        bob.decube(&["join", by]).expect(0);
        let other = Home::solo().json(&["network", "ticket"])["ticket"]
            .as_str()
            .unwrap()
            .to_owned();
        bob.decube(&["join", &other])
            .refuses(5, "belongs to network");
        assert_eq!(bob.json(&["network", "show"])["id"], shown["id"]);
    }
    let carol = Home::empty();
    carol
        .decube(&["join", &ticket[..ticket.len() - 2]])
        .refuses(2, "ticket");
    carol
        .decube(&["join", "nothing.toml"])
        .refuses(3, "nothing.toml");
}

#[test]
fn a_genesis_that_defines_no_network_is_refused() {
    let home = Home::empty();
    let key = home.json(&["init"])["keys"].clone();
    let (validator, peer) = (
        key["validator"].as_str().unwrap(),
        key["peer"].as_str().unwrap(),
    );
    let output = home.file("network.toml");
    let create = |member: &str| {
        let base = [
            "network",
            "create",
            "--name",
            "x",
            "--output",
            text(&output),
        ];
        decube(&[&base[..], &["--validator", member]].concat())
    };
    create("alice").refuses(2, "NAME=KEY");
    create(&format!("alice={validator},beef")).refuses(2, "64 hexadecimal digits");
    create(&format!("alice={validator},{peer},0")).refuses(5, "power");
    assert!(!output.exists());
    let ed25519 = &validator[..64];
    create(&format!("alice={ed25519},{peer}")).refuses(5, "for ed25519 votes");
    create(&format!("alice={},{peer}", &validator[..66])).refuses(2, "ML-DSA-65");
    assert!(!output.exists());
    create(&format!("alice={validator},{peer}")).expect(0);
    create(&format!("alice={validator},{peer}")).refuses(5, "exists already");
    home.decube(&["join", text(&output)]).expect(0);
}

#[test]
fn a_network_votes_hybrid_unless_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    for (flags, scheme, digits) in [
        (&[][..], "hybrid", 2 * (32 + 1952)),
        (&["--signature", "hybrid"][..], "hybrid", 2 * (32 + 1952)),
        (&["--signature", "ed25519"][..], "ed25519", 2 * 32),
    ] {
        let directory = folder.path().join(flags.join(""));
        let base = ["network", "create", "--name", "x", "--local", "1"];
        let place = ["--directory", text(&directory)];
        let made = decube(&[&base[..], &place, flags, &["--json"]].concat()).json();
        let genesis = &made["genesis"];
        assert_eq!(genesis["parameters"]["signature"], scheme);
        let key = genesis["validators"][0]["key"].as_str().unwrap();
        assert_eq!(key.len(), digits, "{flags:?}");
    }
}

#[test]
fn a_key_that_is_damaged_exposed_or_missing_is_named() {
    let home = Home::solo();
    let path = home.path().join("keys/author.key");
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    bad[40] ^= 1;
    fs::write(&path, &bad).unwrap();
    home.decube(&["up"]).refuses(1, "author.key is damaged");
    assert_eq!(fs::read(&path).unwrap(), bad, "it is left as it is");
    fs::write(&path, &good).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    home.decube(&["up"]).refuses(1, "chmod 600");
    home.decube(&["doctor"]).expect(1);
    fs::remove_file(&path).unwrap();
    home.decube(&["up"]).refuses(3, "author.key");
}

#[test]
fn a_damaged_database_is_named_and_left_as_it_is() {
    let home = Home::solo();
    for file in ["state.redb", "votes.redb"] {
        let path = home.path().join(file);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[..middle].fill(0xee);
        fs::write(&path, &bad).unwrap();
        home.decube(&["up"]).refuses(1, file);
        home.decube(&["doctor"]).expect(1);
        assert_eq!(fs::read(&path).unwrap(), bad, "{file} is left as it is");
        fs::write(&path, &good).unwrap();
    }
    home.decube(&["doctor"]).expect(0);
}

#[test]
fn a_busy_port_is_named() {
    let home = Home::solo();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let listen = format!("/ip4/127.0.0.1/tcp/{port}");
    home.decube(&["up", "--listen", &listen])
        .refuses(1, &listen);
    let api = format!("127.0.0.1:{port}");
    home.decube(&["up", "--api-tcp", &api]).refuses(1, &api);
    fs::write(
        home.path().join("decube.toml"),
        format!("listen = [{listen:?}]"),
    )
    .unwrap();
    let found = home.decube(&["doctor", "--json"]).expect(1).json();
    assert_eq!(found["healthy"], false);
    assert!(found["findings"].to_string().contains(&api), "{found}");
}
