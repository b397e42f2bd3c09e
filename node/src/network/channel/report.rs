//! What can be seen of channels from outside: counters, and reports of refusals.
//!
//! # Invariants
//! - A refusal is counted before anything else happens; whether its report is read matters to
//!   nobody. Reports that find no room are dropped.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use libp2p::{Multiaddr, PeerId};
use tokio::sync::mpsc;

use super::Channel;

/// Reports that may wait for the network task, which reads them as they come.
const REPORTS: usize = 64;

/// Why a connection was refused or cut off, in kinds to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalKind {
    /// The two sides have no channel in common, or what came was no negotiation at all, as when
    /// the pre-shared keys differ.
    NoCommonChannel,
    /// A message of the handshake, or the multiplexer after it, failed a check or did not come.
    Handshake,
    /// The connection was not ready in time.
    Timeout,
    /// Too many handshakes were in progress.
    Flood,
    /// The allow-list does not name the peer.
    NotAllowed,
    /// The peer came by a classic channel though it has used the post-quantum one.
    Pinned,
    /// Both sides can do the post-quantum channel and were kept from it.
    Downgrade,
    /// Another peer answered than the one that was dialled.
    WrongPeer,
    /// A frame of a post-quantum channel did not hold: it was changed, repeated, left out or moved
    /// on the way. The connection ended with it.
    Tampered,
}

impl RefusalKind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::NoCommonChannel,
        Self::Handshake,
        Self::Timeout,
        Self::Flood,
        Self::NotAllowed,
        Self::Pinned,
        Self::Downgrade,
        Self::WrongPeer,
        Self::Tampered,
    ];

    /// Its name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoCommonChannel => "no_common_channel",
            Self::Handshake => "handshake",
            Self::Timeout => "timeout",
            Self::Flood => "flood",
            Self::NotAllowed => "not_allowed",
            Self::Pinned => "pinned",
            Self::Downgrade => "downgrade",
            Self::WrongPeer => "wrong_peer",
            Self::Tampered => "tampered",
        }
    }

    /// Whether it speaks of an attack rather than of a mistake or a bad line.
    #[must_use]
    pub const fn is_alarming(self) -> bool {
        match self {
            Self::Pinned | Self::Downgrade | Self::WrongPeer | Self::Tampered => true,
            Self::NoCommonChannel
            | Self::Handshake
            | Self::Timeout
            | Self::Flood
            | Self::NotAllowed => false,
        }
    }
}

impl fmt::Display for RefusalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How many connections were made and refused since the start.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ChannelCounts {
    made: [u64; Channel::ALL.len()],
    refused: [u64; RefusalKind::ALL.len()],
}

impl ChannelCounts {
    /// The connections that were made by a channel.
    #[must_use]
    pub fn made(&self, channel: Channel) -> u64 {
        self.made[channel as usize]
    }

    /// The connections that were refused for a reason of this kind.
    #[must_use]
    pub fn refused(&self, kind: RefusalKind) -> u64 {
        self.refused[kind as usize]
    }
}

/// A refusal.
#[derive(Clone, Debug)]
pub(in crate::network) struct Report {
    /// Who, when the handshake came so far.
    pub(in crate::network) peer: Option<PeerId>,
    /// The remote address.
    pub(in crate::network) address: Multiaddr,
    /// Whether this node dialled.
    pub(in crate::network) outbound: bool,
    pub(in crate::network) kind: RefusalKind,
    /// Which check failed.
    pub(in crate::network) reason: String,
}

/// Where refusals go. Clones share the counters.
#[derive(Clone, Debug)]
pub(in crate::network) struct Reports {
    totals: Arc<Totals>,
    sender: mpsc::Sender<Report>,
}

#[derive(Debug, Default)]
struct Totals {
    made: [AtomicU64; Channel::ALL.len()],
    refused: [AtomicU64; RefusalKind::ALL.len()],
}

impl Reports {
    /// The counters at nought, and where the reports come out.
    pub(in crate::network) fn new() -> (Self, mpsc::Receiver<Report>) {
        let (sender, receiver) = mpsc::channel(REPORTS);
        let totals = Arc::default();
        (Self { totals, sender }, receiver)
    }

    /// Counts and reports a refusal.
    pub(in crate::network) fn refuse(&self, report: Report) {
        self.totals.refused[report.kind as usize].fetch_add(1, Ordering::Relaxed);
        if self.sender.try_send(report).is_err() {
            tracing::trace!("a refusal was counted only");
        }
    }

    /// Counts a connection.
    pub(in crate::network) fn made(&self, channel: Channel) {
        self.totals.made[channel as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The totals so far.
    pub(in crate::network) fn counts(&self) -> ChannelCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ChannelCounts {
            made: self.totals.made.each_ref().map(read),
            refused: self.totals.refused.each_ref().map(read),
        }
    }
}

// The discriminants index the counters.
const _: () = {
    let mut index = 0;
    while index < Channel::ALL.len() {
        assert!(Channel::ALL[index] as usize == index);
        index += 1;
    }
    let mut index = 0;
    while index < RefusalKind::ALL.len() {
        assert!(RefusalKind::ALL[index] as usize == index);
        index += 1;
    }
};
