//! Free TCP ports on the loopback address.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result, bail};

/// The lowest port that is tried: below it are those of well-known services.
const LOWEST: u16 = 10_240;
/// The first port that the system gives to outgoing connections when it does not say otherwise.
const EPHEMERAL: u16 = 32_768;
/// How many ports are tried for each that is wanted: most of the range is free on any machine.
const TRIES_PER_PORT: usize = 100;

/// Ports that nothing listens on at this moment, each once.
///
/// They lie below those that the system chooses for outgoing connections. Otherwise the port of a
/// node that is down could go to another node's connection, even to one that is being made to
/// that very port, and the node could not listen on it again.
pub(super) fn free_ports(count: usize) -> Result<Vec<u16>> {
    let end = first_ephemeral();
    // All are held until all are found, so that none is found twice.
    let mut held = Vec::with_capacity(count);
    for _ in 0..count.saturating_mul(TRIES_PER_PORT) {
        if held.len() == count {
            break;
        }
        // Port 0 lets the system choose, when it leaves no range below its own.
        let port = if end > LOWEST {
            rand::random_range(LOWEST..end)
        } else {
            0
        };
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push(listener);
        }
    }
    if held.len() < count {
        bail!(
            "found {} free ports on 127.0.0.1 where {count} are needed",
            held.len()
        );
    }
    let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port());
    held.iter()
        .map(port)
        .collect::<Result<_, _>>()
        .context("cannot read a socket's port")
}

/// The first port of those for outgoing connections.
fn first_ephemeral() -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let first = range
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok());
    first.unwrap_or(EPHEMERAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ports_are_distinct_and_can_be_listened_on() {
        let ports = free_ports(20).unwrap();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 20);
        let listeners: Vec<_> = ports
            .iter()
            .map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)))
            .collect();
        assert!(listeners.iter().all(Result::is_ok), "{listeners:?}");
    }
}
