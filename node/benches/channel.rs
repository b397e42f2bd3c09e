//! The post-quantum channel against `libp2p-noise`, in one run over pipes in memory: the median of a
//! handshake with both sides' work, and the throughput of a bulk transfer. The two take turns, so
//! that what disturbs the machine disturbs both. Prints the ratios.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that is surprised stops, and prints what it measures"
)]

use std::time::{Duration, Instant};

use decube_node::network::channel::PostQuantum;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{
    PeerId,
    core::{
        UpgradeInfo,
        upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade},
    },
    identity::Keypair,
    noise,
};
use tokio::io::{DuplexStream, duplex};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

type Pipe = Compat<DuplexStream>;

/// Handshakes of each kind.
const HANDSHAKES: usize = 400;

/// Transfers of each kind.
const TRANSFERS: usize = 9;

/// The bytes of a transfer.
const BULK: usize = 64 << 20;

/// What the sender hands over at once: what yamux does at most.
const PIECE: usize = 16 << 10;

/// The room in a pipe: that of a socket.
const ROOM: usize = 256 << 10;

fn pipes() -> (Pipe, Pipe) {
    let (one, two) = duplex(ROOM);
    (one.compat(), two.compat())
}

/// Makes a channel over pipes.
async fn channel<U, S, E>(upgrades: &(U, U)) -> (S, S)
where
    U: Clone + UpgradeInfo<Info = &'static str>,
    U: InboundConnectionUpgrade<Pipe, Output = (PeerId, S), Error = E>,
    U: OutboundConnectionUpgrade<Pipe, Output = (PeerId, S), Error = E>,
    E: std::fmt::Debug,
{
    let (one, two) = pipes();
    let name = upgrades.0.protocol_info().into_iter().next().unwrap();
    let (from, to) = futures::join!(
        upgrades.0.clone().upgrade_outbound(one, name),
        upgrades.1.clone().upgrade_inbound(two, name)
    );
    (from.unwrap().1, to.unwrap().1)
}

/// How long a transfer takes.
async fn transfer<S>((mut from, mut to): (S, S)) -> Duration
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let piece = vec![7; PIECE];
    let start = Instant::now();
    let send = async {
        for _ in 0..BULK / PIECE {
            from.write_all(&piece).await.unwrap();
        }
        from.flush().await.unwrap();
    };
    let receive = async {
        let mut buffer = vec![0; PIECE];
        let mut rest = BULK;
        while rest > 0 {
            rest -= to.read(&mut buffer).await.unwrap();
        }
    };
    futures::join!(send, receive);
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let keys = [Keypair::generate_ed25519(), Keypair::generate_ed25519()];
    let hybrid = keys.each_ref().map(|key| PostQuantum::new(key).unwrap());
    let hybrid = hybrid.into();
    let classic = keys.each_ref().map(|key| noise::Config::new(key).unwrap());
    let classic = classic.into();

    let (mut by_hybrid, mut by_classic) = (Vec::new(), Vec::new());
    for _ in 0..HANDSHAKES {
        let start = Instant::now();
        channel::<PostQuantum, _, _>(&hybrid).await;
        by_hybrid.push(start.elapsed());
        let start = Instant::now();
        channel::<noise::Config, _, _>(&classic).await;
        by_classic.push(start.elapsed());
    }
    let (ours, theirs) = (median(by_hybrid), median(by_classic));
    println!(
        "handshake p50: {ours:?} post-quantum, {theirs:?} classic, ratio {:.2} (at most 1.5)",
        ours.as_secs_f64() / theirs.as_secs_f64()
    );

    let (mut by_hybrid, mut by_classic) = (Vec::new(), Vec::new());
    for _ in 0..TRANSFERS {
        by_hybrid.push(transfer(channel::<PostQuantum, _, _>(&hybrid).await).await);
        by_classic.push(transfer(channel::<noise::Config, _, _>(&classic).await).await);
    }
    let rate = |time: Duration| BULK as f64 / 1e6 / time.as_secs_f64();
    let (ours, theirs) = (rate(median(by_hybrid)), rate(median(by_classic)));
    println!(
        "bulk: {ours:.0} MB/s post-quantum, {theirs:.0} MB/s classic, ratio {:.2} (at least 0.8)",
        ours / theirs
    );
}
