//! The recorded editing sessions of `testnet/data`, decoded and cut to a prefix.

use std::io::Read;

use anyhow::{Context, Result, bail, ensure};
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde::de::DeserializeOwned;

const PAPER: &[u8] = include_bytes!("../../data/editing-traces/automerge-paper.json.gz");
const FRIENDS: &[u8] = include_bytes!("../../data/editing-traces/friendsforever.json.gz");

/// The most bytes that a session unfolds to; those in the project have at most 25 MB.
const MAX_UNFOLDED: u64 = 64 << 20;

/// One edit of a text: positions count Unicode scalar values.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "(usize, usize, String)")]
pub struct Splice {
    /// Where.
    pub index: usize,
    /// How many Unicode scalar values to delete there.
    pub delete: usize,
    /// What to insert there.
    pub insert: String,
}

impl From<(usize, usize, String)> for Splice {
    fn from((index, delete, insert): (usize, usize, String)) -> Self {
        Self {
            index,
            delete,
            insert,
        }
    }
}

/// A session of one author.
#[derive(Clone, Debug)]
pub struct Sequential {
    /// The edits in order.
    pub splices: Vec<Splice>,
    /// The text that they lead to.
    pub end: String,
}

/// A session of several authors.
#[derive(Clone, Debug)]
pub struct Concurrent {
    /// The transactions; each rests on earlier ones only.
    pub transactions: Vec<Transaction>,
    /// How many authors there are.
    pub authors: usize,
    /// The text that all of them lead to; absent for a prefix, of which the recording says nothing.
    pub end: Option<String>,
}

/// Edits that one author made at the merge of some earlier transactions.
#[derive(Clone, Debug, Deserialize)]
pub struct Transaction {
    /// The transactions that it directly rests on, by number.
    pub parents: Vec<usize>,
    /// Who made it.
    pub agent: usize,
    /// What it does, in order.
    pub patches: Vec<Splice>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSequential {
    end_content: String,
    txns: Vec<RawPatches>,
}

#[derive(Deserialize)]
struct RawPatches {
    patches: Vec<Splice>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawConcurrent {
    end_content: String,
    num_agents: usize,
    txns: Vec<Transaction>,
}

fn unfold<T: DeserializeOwned>(packed: &[u8]) -> Result<T> {
    let mut bytes = Vec::new();
    let read = GzDecoder::new(packed)
        .take(MAX_UNFOLDED)
        .read_to_end(&mut bytes);
    read.context("cannot unpack a recorded session")?;
    serde_json::from_slice(&bytes).context("cannot read a recorded session")
}

impl Sequential {
    /// `automerge-paper`: a paper of 104,852 characters in 259,778 edits.
    ///
    /// # Errors
    /// When the recording is damaged.
    pub fn paper() -> Result<Self> {
        Self::unpack(PAPER)
    }

    fn unpack(packed: &[u8]) -> Result<Self> {
        let raw: RawSequential = unfold(packed)?;
        let splices = raw.txns.into_iter().flat_map(|txn| txn.patches).collect();
        Ok(Self {
            splices,
            end: raw.end_content,
        })
    }

    /// The first `edits` of it, with the text that these lead to.
    ///
    /// # Errors
    /// When an edit is beyond the text.
    pub fn prefix(mut self, edits: usize) -> Result<Self> {
        if edits < self.splices.len() {
            self.splices.truncate(edits);
            self.end = typed(&self.splices)?;
        }
        Ok(self)
    }
}

/// The text that edits of an empty one lead to.
fn typed(splices: &[Splice]) -> Result<String> {
    let mut text: Vec<char> = Vec::new();
    for splice in splices {
        let end = splice.index + splice.delete;
        ensure!(
            end <= text.len(),
            "an edit at {end} is beyond {}",
            text.len()
        );
        text.splice(splice.index..end, splice.insert.chars());
    }
    Ok(text.into_iter().collect())
}

impl Concurrent {
    /// `friendsforever`: a text of 21,362 characters by two authors in 26,078 transactions.
    ///
    /// # Errors
    /// When the recording is damaged.
    pub fn friends() -> Result<Self> {
        let raw: RawConcurrent = unfold(FRIENDS)?;
        let trace = Self {
            transactions: raw.txns,
            authors: raw.num_agents,
            end: Some(raw.end_content),
        };
        trace.check()?;
        Ok(trace)
    }

    /// The first `transactions` of it: nothing in them rests on later ones.
    #[must_use]
    pub fn prefix(mut self, transactions: usize) -> Self {
        if transactions < self.transactions.len() {
            self.transactions.truncate(transactions);
            self.end = None;
        }
        self
    }

    /// The transactions that nothing rests on: what the document's heads come from.
    #[must_use]
    pub fn tips(&self) -> Vec<usize> {
        let mut is_tip = vec![true; self.transactions.len()];
        for parent in self.transactions.iter().flat_map(|txn| &txn.parents) {
            if let Some(tip) = is_tip.get_mut(*parent) {
                *tip = false;
            }
        }
        let numbered = is_tip.into_iter().enumerate();
        numbered
            .filter_map(|(number, tip)| tip.then_some(number))
            .collect()
    }

    fn check(&self) -> Result<()> {
        for (number, txn) in self.transactions.iter().enumerate() {
            if txn.agent >= self.authors || txn.parents.iter().any(|parent| *parent >= number) {
                bail!("transaction {number} of a recorded session names what is not there");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_session_leads_to_the_text_that_it_names() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/data/editing-traces/sveltecomponent.json.gz"
        );
        let trace = Sequential::unpack(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(typed(&trace.splices).unwrap(), trace.end);
        let half = trace.splices.len() / 2;
        let prefix = trace.clone().prefix(half).unwrap();
        assert_eq!(prefix.splices.len(), half);
        assert_eq!(prefix.end, typed(&trace.splices[..half]).unwrap());
        assert_ne!(prefix.end, trace.end);
    }

    #[test]
    fn tips_are_what_nothing_rests_on() {
        let trace = Concurrent::friends().unwrap();
        assert_eq!(
            (trace.transactions.len(), trace.authors),
            (26_078, 2),
            "the whole session"
        );
        assert_eq!(trace.tips(), [26_077]);
        let prefix = trace.prefix(36);
        assert_eq!(prefix.tips(), [34, 35], "35 rests on 30 only");
        assert_eq!(prefix.end, None);
    }

    #[test]
    fn edits_beyond_the_text_are_refused() {
        let splice = Splice::from((1, 0, "a".into()));
        assert!(typed(&[splice]).is_err());
    }
}
