//! How many inbound handshakes are in progress, in all and from one place.
//!
//! # Invariants
//! - Every handshake that was counted is counted out when its permit drops, however it ends
//!   (`tests`).

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use libp2p::Multiaddr;

use crate::network::connections::socket_address;

/// Inbound handshakes in progress in all. A handshake holds some 70 KiB and takes a millisecond of
/// a processor and a few round trips, so honest ones are far from it even after a power cut.
pub const MAX_INBOUND: usize = 64;

/// Inbound handshakes in progress from one IPv4 address or one IPv6 network of 64 bits. All nodes
/// of an organisation may be behind one address, and all come back at once after a power cut; those
/// who find no room try again in less than a second.
pub const MAX_INBOUND_PER_ADDRESS: usize = 16;

/// Counts inbound handshakes. Clones count together.
#[derive(Clone, Debug, Default)]
pub(super) struct InProgress(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    // Invariant: the sum of `by_place`, of which none is nought.
    all: usize,
    by_place: BTreeMap<IpAddr, usize>,
}

/// There is no room for another handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::network) enum NoRoom {
    /// From this place.
    #[error("{MAX_INBOUND_PER_ADDRESS} handshakes from there are in progress")]
    Place,
    /// At all.
    #[error("{MAX_INBOUND} handshakes are in progress")]
    All,
}

impl InProgress {
    /// Counts a handshake from `address` until the permit drops.
    pub(super) fn begin(&self, address: &Multiaddr) -> Result<Permit, NoRoom> {
        let place = place(address);
        let mut counts = self.lock();
        if counts.all >= MAX_INBOUND {
            return Err(NoRoom::All);
        }
        let here = counts.by_place.entry(place).or_default();
        if *here >= MAX_INBOUND_PER_ADDRESS {
            return Err(NoRoom::Place);
        }
        *here += 1;
        counts.all += 1;
        Ok(Permit {
            of: self.clone(),
            place,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // The few lines that hold the lock leave the counts whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to one handshake.
#[derive(Debug)]
pub(super) struct Permit {
    of: InProgress,
    place: IpAddr,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.of.lock();
        counts.all = counts.all.saturating_sub(1);
        if let Some(here) = counts.by_place.get_mut(&self.place) {
            *here = here.saturating_sub(1);
            if *here == 0 {
                counts.by_place.remove(&self.place);
            }
        }
    }
}

/// Whom to count together: an IPv4 address, an IPv6 network, and everything else as one.
fn place(address: &Multiaddr) -> IpAddr {
    match socket_address(address).map(|(socket, _)| socket.ip()) {
        Some(IpAddr::V4(ip)) => IpAddr::V4(ip),
        Some(IpAddr::V6(ip)) => match ip.to_ipv4_mapped() {
            Some(ip) => IpAddr::V4(ip),
            None => {
                let [a, b, c, d, ..] = ip.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        },
        None => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_place_takes_only_its_share_and_gives_it_back() {
        let progress = InProgress::default();
        let mallory = at("/ip4/192.0.2.7/tcp/1");
        let mut held: Vec<_> = (0..MAX_INBOUND_PER_ADDRESS)
            .map(|_| progress.begin(&mallory).unwrap())
            .collect();
        assert_eq!(progress.begin(&mallory).err(), Some(NoRoom::Place));
        assert_eq!(
            progress.begin(&at("/ip6/::ffff:192.0.2.7/tcp/9")).err(),
            Some(NoRoom::Place)
        );
        drop(progress.begin(&at("/ip4/192.0.2.8/tcp/1")).unwrap());
        held.pop();
        held.push(progress.begin(&mallory).unwrap());
        held.clear();
        assert!(progress.lock().by_place.is_empty());
        assert_eq!(progress.lock().all, 0);
    }

    #[test]
    fn many_places_together_take_no_more_than_all() {
        let progress = InProgress::default();
        let places = (0..MAX_INBOUND).map(|number| at(&format!("/ip4/192.0.2.{number}/tcp/1")));
        let held: Vec<_> = places
            .map(|place| progress.begin(&place).unwrap())
            .collect();
        let alice = at("/ip6/2001:db8::1/tcp/1");
        assert_eq!(progress.begin(&alice).err(), Some(NoRoom::All));
        drop(held);
        progress.begin(&alice).unwrap();
    }

    #[test]
    fn a_network_of_ipv6_is_one_place() {
        assert_eq!(
            place(&at("/ip6/2001:db8:0:1::1/tcp/1")),
            place(&at("/ip6/2001:db8:0:1:ffff::2/udp/2"))
        );
        assert_ne!(
            place(&at("/ip6/2001:db8:0:1::1/tcp/1")),
            place(&at("/ip6/2001:db8:0:2::1/tcp/1"))
        );
    }
}
