//! The signals that ask this program to end.

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

/// Completes with the exit code when the process is asked to end: 130 for SIGINT (Ctrl-C), 143 for
/// SIGTERM, 129 for SIGHUP, as shells report them.
///
/// # Errors
/// When the system gives no signals.
pub async fn signalled() -> Result<u8> {
    let listen = |kind| signal(kind).context("cannot listen to signals");
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    let code = tokio::select! {
        _ = interrupt.recv() => 130,
        _ = terminate.recv() => 143,
        _ = hangup.recv() => 129,
    };
    Ok(code)
}
