//! What a part of a concurrent session leads to, by the documents core alone.
//!
//! The recording names the text of the whole session only. For a prefix the text comes from one
//! document in this process, to which both authors' transactions are applied at the heads that
//! their parents made; the same on the whole session gives the recorded text (`tests`).

use anyhow::{Context, Result};
use decube_crypto::SecretKey;
use decube_protocols::documents::content::{Content, Session};
use decube_protocols::documents::{Edit, Pointer};
use decube_protocols::types::ChangeHash;
use serde_json::json;

use super::trace::{Concurrent, Splice};

/// The splices as edits of the text.
pub(super) fn edits(splices: &[Splice]) -> Result<Vec<Edit>> {
    let pointer: Pointer = "/text".parse()?;
    let edit = |splice: &Splice| Edit::Splice {
        pointer: pointer.clone(),
        index: splice.index,
        delete: splice.delete,
        insert: splice.insert.clone(),
    };
    Ok(splices.iter().map(edit).collect())
}

/// The text after all transactions of a session.
///
/// # Errors
/// When the recording does not fit itself.
pub fn text(trace: &Concurrent) -> Result<String> {
    replay(trace, &sessions(trace.authors, 1))
}

fn sessions(authors: usize, first: u8) -> Vec<Session> {
    let seeds = (0..authors).map(|author| first.wrapping_add(u8::try_from(author).unwrap_or(0)));
    let session = |seed: u8| Session {
        author: SecretKey::from_seed(&[seed; 32]).public(),
        nonce: [seed; 8],
    };
    seeds.map(session).collect()
}

fn replay(trace: &Concurrent, sessions: &[Session]) -> Result<String> {
    let first = sessions.first().context("a session has an author")?;
    let (mut content, created) = Content::create(first, Some(&json!({ "text": "" })), 0)?;
    let mut made: Vec<ChangeHash> = Vec::with_capacity(trace.transactions.len());
    for txn in &trace.transactions {
        let parents = txn.parents.iter().map(|parent| made.get(*parent).copied());
        let mut at: Vec<ChangeHash> = parents
            .collect::<Option<_>>()
            .context("parents are earlier")?;
        if at.is_empty() {
            at.push(created.hash);
        }
        let session = sessions
            .get(txn.agent)
            .context("every author has a session")?;
        let edited = content.edit(session, Some(&at), &edits(&txn.patches)?, None, 0)?;
        made.push(edited.context("a transaction had no effect")?.hash);
    }
    let text = content.read(None, &"/text".parse()?)?;
    Ok(text.as_str().context("the text is a text")?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_of_two_gives_the_same_text_whoever_they_are() {
        let trace = Concurrent::friends().unwrap().prefix(2_000);
        let text = text(&trace).unwrap();
        let mut others = sessions(trace.authors, 1);
        others.reverse();
        assert_eq!(replay(&trace, &others).unwrap(), text);
        assert_eq!(replay(&trace, &sessions(trace.authors, 77)).unwrap(), text);
    }

    #[test]
    fn the_whole_session_gives_the_recorded_text() {
        let trace = Concurrent::friends().unwrap();
        assert_eq!(Some(text(&trace).unwrap()), trace.end);
    }
}
