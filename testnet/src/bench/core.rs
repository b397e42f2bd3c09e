//! The documents core alone, in this process: what of the time is not the network's.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use decube_crypto::{Digest, SecretKey};
use decube_protocols::documents::{
    Announcement, Command, Config, Core, Effect, Input, MemorySource, Reply,
};
use decube_protocols::types::{
    CollectionId, DocumentId, NetworkId, Now, PeerId, RequestId, Timestamp, peer_id,
};
use serde::Serialize;
use serde_json::json;

use super::expected::edits;
use super::trace::Sequential;

/// How many edits go into one change, as over the network.
const SPLICES_PER_CHANGE: usize = 100;

/// What one core needs for a session, and another to follow it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct CoreTimes {
    /// Edits of the recording.
    pub edits: usize,
    /// Changes.
    pub changes: usize,
    /// Editing, in seconds.
    pub editing_seconds: f64,
    /// Following each announcement at once, in seconds.
    pub following_seconds: f64,
    /// Bytes of all changes.
    pub bytes: usize,
}

/// A core with its store in memory.
struct Alone {
    core: Core<MemorySource>,
    me: PeerId,
    spent: Duration,
    requests: u64,
}

/// What a call wants besides being stored.
#[derive(Default)]
struct Wanted {
    announcements: Vec<Announcement>,
    reply: Option<Reply>,
    bytes: usize,
}

impl Alone {
    fn new(seed: u8) -> Result<Self> {
        let key = SecretKey::from_seed(&[seed; 32]);
        let config = Config {
            network: network(),
            author: key.clone(),
            peer_key: key.clone(),
            nonce: [seed; 8],
            seed: u64::from(seed),
            anti_entropy_interval: Config::ANTI_ENTROPY_INTERVAL,
            cache_bytes: Config::CACHE_BYTES,
        };
        let mut alone = Self {
            core: Core::new(config, MemorySource::default())?,
            me: peer_id(&key.public()),
            spent: Duration::ZERO,
            requests: 0,
        };
        alone.give(Duration::ZERO, Input::Collection(collection()))?;
        Ok(alone)
    }

    /// Calls the core and stores what it wants stored. Only the core's own time counts.
    fn give(&mut self, at: Duration, input: Input) -> Result<Wanted> {
        let started = Instant::now();
        let effects = self.core.handle(now(at), input);
        self.spent += started.elapsed();
        self.take(effects)
    }

    fn wake(&mut self, at: Duration) -> Result<Wanted> {
        let started = Instant::now();
        let effects = self.core.handle_timeout(now(at));
        self.spent += started.elapsed();
        self.take(effects)
    }

    fn take(&mut self, effects: Vec<Effect>) -> Result<Wanted> {
        let mut wanted = Wanted::default();
        for effect in effects {
            match effect {
                Effect::Persist(record) => self.core.source_mut().apply(record),
                Effect::Publish { announcement, .. } => {
                    if let Announcement::Changed { changes, .. } = &announcement {
                        wanted.bytes += changes.iter().map(Vec::len).sum::<usize>();
                    }
                    wanted.announcements.push(announcement);
                }
                Effect::Reply { result, .. } => wanted.reply = Some(result?),
                Effect::Penalize { reason, .. } => bail!("a core blames the other: {reason}"),
                Effect::Request { .. } | Effect::Respond { .. } => {}
            }
        }
        Ok(wanted)
    }

    fn command(&mut self, at: Duration, command: Command) -> Result<Wanted> {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.give(at, Input::Command { id, command })
    }

    fn text(&mut self, at: Duration, document: DocumentId) -> Result<String> {
        let pointer = "/text".parse()?;
        let command = Command::Read {
            document,
            at: None,
            pointer,
            conflicts: false,
        };
        match self.command(at, command)?.reply {
            Some(Reply::Content { value, .. }) => {
                Ok(value.as_str().context("the text is a text")?.into())
            }
            _ => Err(anyhow!("a core did not show the text")),
        }
    }
}

fn network() -> NetworkId {
    NetworkId(Digest::of("decube/bench/1", &[b"network"]))
}

fn collection() -> CollectionId {
    CollectionId::of(&network(), "bench")
}

fn now(at: Duration) -> Now {
    Now {
        monotonic: at,
        wall: Timestamp(0),
    }
}

/// Types a session into one core and lets a second one follow. `step` is the time between two
/// edits as the cores are told: a core that merges seldom in a large document merges as often.
pub(super) fn follow(trace: &Sequential, step: Duration) -> Result<CoreTimes> {
    let (mut author, mut follower) = (Alone::new(1)?, Alone::new(2)?);
    let command = Command::Create {
        collection: collection(),
        name: "paper".parse()?,
        content: Some(json!({ "text": "" })),
    };
    let created = author.command(Duration::ZERO, command)?;
    let Some(Reply::Created(entry)) = &created.reply else {
        bail!("a core did not create a document");
    };
    let document = entry.id;
    let mut at = Duration::ZERO;
    let mut bytes = relay(&author.me, created, &mut follower, at)?;
    let mut changes = 0;
    for splices in trace.splices.chunks(SPLICES_PER_CHANGE) {
        at += step;
        let edits = edits(splices)?;
        let command = Command::Edit {
            document,
            at: None,
            edits,
            message: None,
        };
        let edited = author.command(at, command)?;
        bytes += relay(&author.me, edited, &mut follower, at)?;
        let late = author.wake(at)?;
        bytes += relay(&author.me, late, &mut follower, at)?;
        follower.wake(at)?;
        changes += 1;
    }
    let end = at + Duration::from_secs(1);
    let late = author.wake(end)?;
    bytes += relay(&author.me, late, &mut follower, end)?;
    follower.wake(end)?;
    for core in [&mut author, &mut follower] {
        ensure!(
            core.text(end, document)? == trace.end,
            "a core has another text"
        );
    }
    Ok(CoreTimes {
        edits: trace.splices.len(),
        changes,
        editing_seconds: author.spent.as_secs_f64(),
        following_seconds: follower.spent.as_secs_f64(),
        bytes,
    })
}

/// Hands announcements over; gives the bytes of the changes in them.
fn relay(from: &PeerId, wanted: Wanted, to: &mut Alone, at: Duration) -> Result<usize> {
    for announcement in wanted.announcements {
        to.give(
            at,
            Input::Announced {
                from: *from,
                announcement,
            },
        )?;
    }
    Ok(wanted.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_core_follows_a_session() {
        let trace = Sequential::paper().unwrap().prefix(1_000).unwrap();
        let times = follow(&trace, Duration::from_millis(10)).unwrap();
        assert_eq!((times.edits, times.changes), (1_000, 10));
        assert!(times.bytes > 1_000, "{times:?}");
    }
}
