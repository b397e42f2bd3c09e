//! Tickets: a network file as one word, to paste into a message.
//!
//! `decube1` and hexadecimal digits of: a checksum of 8 bytes over the rest, the length of the
//! genesis as 4 little-endian bytes, the canonical binary genesis, and the addresses to start from
//! with line ends between. A private network's pre-shared key is one more line, which begins as
//! [`PRESHARED`] does; such a ticket is a secret. The checksum is against typing errors; trust in a ticket comes from who
//! gave it.

use std::io::{self, Read};

use decube_crypto::Digest;
use decube_protocols::types::NetworkFile;
use decube_protocols::wire;
use decube_store::preshared::Key;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// What a ticket starts with.
pub(crate) const PREFIX: &str = "decube1";
const CHECKSUM: usize = 8;
/// The most bytes of a ticket that are read: the genesis of the largest network has about a
/// megabyte, and two digits stand for a byte.
const MAX_TICKET: u64 = 8 << 20;
const LENGTH: usize = 4;

/// What the line with a pre-shared key begins with; no address does.
const PRESHARED: &str = "/key/swarm/psk/1.0.0/base16/";

/// The ticket of a network, with its pre-shared key if it has one.
pub(crate) fn encode(file: &NetworkFile, key: Option<&Key>) -> Result<String, Failure> {
    let genesis = wire::encode(&file.genesis);
    let length = u32::try_from(genesis.len()).map_err(Failure::failed)?;
    let mut payload = length.to_le_bytes().to_vec();
    payload.extend(genesis);
    let mut lines = file.bootstrap.clone();
    lines.extend(key.map(|key| format!("{PRESHARED}{}", hex::encode(key.as_slice()))));
    payload.extend(lines.join("\n").as_bytes());
    let mut bytes = checksum(&payload).to_vec();
    bytes.extend(payload);
    Ok(format!("{PREFIX}{}", hex::encode(bytes)))
}

/// Reads a ticket's text.
pub(crate) fn read(from: impl Read) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    from.take(MAX_TICKET).read_to_string(&mut text)?;
    Ok(text)
}

/// Reads a ticket: the network, and its pre-shared key if it has one.
pub(crate) fn decode(text: &str) -> Result<(NetworkFile, Option<Key>), Failure> {
    let bad = |why: &str| {
        Failure::usage(format!(
            "the ticket cannot be used: {why}; ask for it again"
        ))
    };
    let digits = text
        .trim()
        .strip_prefix(PREFIX)
        .ok_or_else(|| bad("it is no ticket"))?;
    let Ok(bytes) = hex::decode(digits) else {
        return Err(bad("a part of it is missing"));
    };
    let Some((sum, payload)) = bytes.split_at_checked(CHECKSUM) else {
        return Err(bad("it is cut short"));
    };
    if sum != checksum(payload) {
        return Err(bad("its checksum does not match"));
    }
    let parts = payload.split_at_checked(LENGTH).and_then(|(length, rest)| {
        let length = u32::from_le_bytes(length.try_into().ok()?);
        rest.split_at_checked(usize::try_from(length).ok()?)
    });
    let Some((genesis, bootstrap)) = parts else {
        return Err(bad("it is cut short"));
    };
    let genesis = wire::decode(genesis).map_err(|error| bad(&error.to_string()))?;
    let Ok(bootstrap) = std::str::from_utf8(bootstrap) else {
        return Err(bad("its addresses are no text"));
    };
    let (mut addresses, mut preshared) = (Vec::new(), None);
    for line in bootstrap.lines() {
        let Some(digits) = line.strip_prefix(PRESHARED) else {
            addresses.push(line.to_owned());
            continue;
        };
        let mut key = Key::default();
        if hex::decode_to_slice(digits, key.as_mut()).is_err() || preshared.is_some() {
            return Err(bad("its pre-shared key is none"));
        }
        preshared = Some(key);
    }
    let file = NetworkFile {
        bootstrap: addresses,
        genesis,
    };
    Ok((file, preshared))
}

fn checksum(payload: &[u8]) -> [u8; CHECKSUM] {
    let digest = Digest::of("decube/ticket/1", &[payload]);
    let mut sum = [0; CHECKSUM];
    sum.copy_from_slice(digest.as_bytes().split_at(CHECKSUM).0);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::network::{Member, genesis};

    fn file() -> NetworkFile {
        let key = |n| decube_crypto::SecretKey::from_seed(&[n; 32]).public();
        let validator = decube_crypto::ValidatorSecret::hybrid(
            decube_crypto::SecretKey::from_seed(&[1; 32]),
            decube_crypto::mldsa::SecretKey::from_seed(&[1; 32]),
        );
        let member = Member {
            name: "v1".into(),
            validator: Some(validator.public()),
            peer: key(2),
            power: 1,
        };
        let mut genesis = genesis("home", &[member], &Default::default()).unwrap();
        genesis.created = decube_protocols::types::Timestamp(1_700_000_000_000);
        let addresses = ["/ip4/192.0.2.1/tcp/7070/p2p/x", "/ip6/::1/tcp/1/p2p/y"];
        NetworkFile {
            bootstrap: addresses.map(Into::into).to_vec(),
            genesis,
        }
    }

    #[test]
    fn a_ticket_carries_the_network_and_its_addresses() {
        let ticket = encode(&file(), None).unwrap();
        assert_eq!(decode(&format!(" {ticket}\n")).unwrap(), (file(), None));
        let without = NetworkFile {
            bootstrap: vec![],
            ..file()
        };
        for key in [None, Some(Key::new([7; 32]))] {
            for file in [&without, &file()] {
                let ticket = encode(file, key.as_ref()).unwrap();
                assert_eq!(decode(&ticket).unwrap(), (file.clone(), key.clone()));
            }
        }
    }

    #[test]
    fn a_changed_ticket_is_refused() {
        let ticket = encode(&file(), None).unwrap();
        for at in PREFIX.len()..ticket.len() {
            let mut changed = ticket.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            assert!(
                decode(std::str::from_utf8(&changed).unwrap()).is_err(),
                "digit {at}"
            );
        }
        for end in 0..ticket.len() {
            assert!(decode(&ticket[..end]).is_err(), "cut at {end}");
        }
    }
}
