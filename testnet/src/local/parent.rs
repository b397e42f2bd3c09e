//! The child's side of being tied to a parent: `--until-stdin-closes`.
//!
//! The parent holds the other end of the child's standard input. When it ends, in whatever way, the
//! kernel closes that end, and the child stops. A parent that wants the child to go on writes
//! [`STAY`] first.

use std::io::{BufRead, BufReader, Read};

/// The line that sets a child free.
pub(super) const STAY: &str = "stay";

/// The longest line that is read; nothing but [`STAY`] is expected.
const MAX_LINE: u64 = 64;

/// Completes when standard input closed and the parent did not say before that this process is to
/// stay. To be awaited by a node that was started with `--until-stdin-closes`.
pub async fn parent_gone() {
    let (sender, gone) = tokio::sync::oneshot::channel();
    // A thread, since a read of standard input cannot be cancelled; it ends with the process.
    std::thread::spawn(move || {
        if !stays(std::io::stdin()) {
            // Nobody listens when the node stopped for another reason.
            let _nobody = sender.send(());
        }
    });
    if gone.await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Reads until the end and says whether the parent let this process stay.
fn stays(input: impl Read) -> bool {
    let mut input = BufReader::new(input);
    loop {
        let mut line = String::new();
        match input.by_ref().take(MAX_LINE).read_line(&mut line) {
            Ok(0) | Err(_) => return false,
            Ok(_) if line.trim_end() == STAY => return true,
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_lets_a_node_stay() {
        for (input, expected) in [
            ("", false),
            ("stay\n", true),
            ("stay", true),
            ("other\nstay\n", true),
            ("sta", false),
        ] {
            assert_eq!(stays(input.as_bytes()), expected, "{input:?}");
        }
    }
}
