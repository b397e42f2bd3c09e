//! Bookkeeping: what the network learns of peers goes to the address book, and what it refuses to
//! the log and to those who follow events.
//!
//! # Invariants
//! - A flood of refusals does not push the events of documents out of the store: of each kind,
//!   [`TOLD_PER_MINUTE`] are told (`tests`). The metrics count all.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use decube_protocols::types::{PeerId, Timestamp};
use decube_store::{KnownPeer, Store, StoreError, StoredEvent};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::clock::Clock;
use super::publish_cursor;
use crate::network::Event;

/// How many news from the network wait to be written together.
const BATCH: usize = 64;

/// How long news are gathered before they are written: each write waits for the disk.
const DELAY: Duration = Duration::from_secs(1);

/// How many refusals of one kind, and how many classic connections, become events in a minute.
const TOLD_PER_MINUTE: u32 = 10;

/// The most characters of a reason in an event.
const MAX_REASON: usize = 240;

/// Keeps books until the inbox closes. `events` is told of new events.
pub(super) async fn keep(
    store: Store,
    events: watch::Sender<u64>,
    mut inbox: mpsc::Receiver<Event>,
) {
    let (mut news, mut told) = (News::default(), Told::default());
    loop {
        let event = if news.is_empty() {
            inbox.recv().await
        } else if news.len() >= BATCH {
            None
        } else {
            tokio::time::timeout(DELAY, inbox.recv())
                .await
                .unwrap_or_default()
        };
        match event {
            Some(event) => news.note(event, &mut told),
            None if news.is_empty() => return,
            None => {
                let batch = std::mem::take(&mut news);
                let (store, events) = (store.clone(), events.clone());
                let write = tokio::task::spawn_blocking(move || {
                    let written = batch.write(&store);
                    publish_cursor(&events, &store);
                    written
                });
                if let Ok(Err(failure)) = write.await {
                    warn!(%failure, "cannot write the address book");
                }
            }
        }
    }
}

/// How many events of each kind were told in the present minute.
#[derive(Default)]
struct Told(BTreeMap<&'static str, (Option<Instant>, u32)>);

impl Told {
    /// Whether one more of a kind is told.
    fn may(&mut self, kind: &'static str, now: Instant) -> bool {
        let (since, count) = self.0.entry(kind).or_default();
        let is_over =
            |since: &Instant| now.saturating_duration_since(*since) >= Duration::from_secs(60);
        if since.as_ref().is_none_or(is_over) {
            (*since, *count) = (Some(now), 0);
        }
        *count += 1;
        *count <= TOLD_PER_MINUTE
    }
}

/// What the store does not hold yet.
#[derive(Default)]
struct News {
    learned: Vec<KnownPeer>,
    pinned: Vec<PeerId>,
    events: Vec<StoredEvent>,
}

impl News {
    fn len(&self) -> usize {
        self.learned.len() + self.pinned.len() + self.events.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn note(&mut self, event: Event, told: &mut Told) {
        match event {
            Event::AddressLearned { peer, address } => self.learned.push(KnownPeer {
                peer,
                addresses: vec![address.to_string()],
                last_seen: wall_clock(),
                post_quantum_since: None,
            }),
            Event::Pinned(peer) => self.pinned.push(peer),
            Event::Listening(address) => info!(%address, "listening"),
            Event::Refused { peer, reason } => info!(%peer, ?reason, "refused a peer"),
            Event::Misbehaved { peer, reason } => {
                warn!(%peer, ?reason, "a peer broke the rules of the wire");
            }
            Event::ConnectionRefused {
                peer,
                address,
                outbound,
                kind,
                reason,
            } => {
                if told.may(kind.as_str(), Instant::now()) {
                    self.events.push(StoredEvent::ConnectionRefused {
                        peer: peer.map(|peer| peer.to_string()),
                        address: address.to_string(),
                        outbound,
                        kind: kind.as_str().into(),
                        reason: reason.chars().take(MAX_REASON).collect(),
                    });
                }
            }
            Event::ClassicConnection {
                peer,
                address,
                outbound,
                channel,
            } => {
                if told.may(channel.as_str(), Instant::now()) {
                    self.events.push(StoredEvent::ClassicConnection {
                        peer: peer.to_string(),
                        address: address.to_string(),
                        outbound,
                        channel: channel.as_str().into(),
                    });
                }
            }
            Event::PeerConnected { .. }
            | Event::PeerDisconnected(_)
            | Event::Request { .. }
            | Event::Response { .. }
            | Event::Frame { .. }
            | Event::Gossip { .. }
            | Event::Subscribed { .. } => {}
        }
    }

    fn write(&self, store: &Store) -> Result<(), StoreError> {
        store.remember_peers(&self.learned)?;
        store.pin_peers(&self.pinned, wall_clock())?;
        store.record_events(&self.events)
    }
}

fn wall_clock() -> Timestamp {
    Clock::start().now().wall
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::channel::{Channel, RefusalKind};

    fn refused(kind: RefusalKind) -> Event {
        Event::ConnectionRefused {
            peer: None,
            address: "/ip4/192.0.2.1/tcp/7".parse().unwrap(),
            outbound: false,
            kind,
            reason: "x".repeat(MAX_REASON + 1),
        }
    }

    #[test]
    fn a_flood_of_one_kind_is_told_in_part_and_hides_no_other_kind() {
        let (mut news, mut told) = (News::default(), Told::default());
        for _ in 0..1000 {
            news.note(refused(RefusalKind::Flood), &mut told);
        }
        assert_eq!(news.events.len(), 10);
        news.note(refused(RefusalKind::Downgrade), &mut told);
        let classic = Event::ClassicConnection {
            peer: PeerId::random(),
            address: "/ip4/192.0.2.1/tcp/7".parse().unwrap(),
            outbound: true,
            channel: Channel::ClassicNoise,
        };
        news.note(classic, &mut told);
        assert_eq!(news.events.len(), 12);
        let StoredEvent::ConnectionRefused { kind, reason, .. } = &news.events[10] else {
            panic!("{:?}", news.events[10]);
        };
        assert_eq!((kind.as_str(), reason.len()), ("downgrade", MAX_REASON));
    }

    #[test]
    fn the_next_minute_is_told_again() {
        let (mut told, start) = (Told::default(), Instant::now());
        let mut may = |at| told.may("flood", start + Duration::from_secs(at));
        assert_eq!((0..60).filter(|at| may(*at)).count(), 10);
        assert!(may(60));
    }
}
