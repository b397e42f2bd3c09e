//! `commit`: make versions of documents final.

use clap::{Args, ValueEnum};
use decube_node::api::types::{
    CommitRequest, CommitTarget, HashPrefix, Submission, SubmissionState, Wait,
};

use super::doc::in_full;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Report;

/// How far to wait for a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WaitFor {
    /// Not at all.
    None,
    /// Until it is durable at this node, which then hands it on until it is final or expired.
    Submitted,
    /// Until it is in a final block.
    Final,
}

impl From<WaitFor> for Wait {
    fn from(wait: WaitFor) -> Self {
        match wait {
            WaitFor::None => Self::None,
            WaitFor::Submitted => Self::Submitted,
            WaitFor::Final => Self::Final,
        }
    }
}

/// Make versions of documents final.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  decube commit notes/readme --wait final\n\n\
    Several documents are committed together, all or none. With --previous or --first a commit \
    happens only if that is the last committed version so far.")]
pub(crate) struct Commit {
    /// The documents: collection/name, an id, or a unique prefix of one.
    #[arg(required = true, value_name = "DOC")]
    documents: Vec<String>,
    /// How far to wait.
    #[arg(long, value_enum, default_value_t = WaitFor::Submitted)]
    wait: WaitFor,
    /// The heads of the version to commit, by 8 or more of their digits, separated by commas; the
    /// present ones without it.
    #[arg(long, value_name = "HEADS", value_delimiter = ',')]
    at: Option<Vec<HashPrefix>>,
    /// Only if this is the last committed version: 8 or more digits of it or of its only head.
    #[arg(long, value_name = "VERSION", conflicts_with = "first")]
    previous: Option<HashPrefix>,
    /// Only if no version is committed yet.
    #[arg(long)]
    first: bool,
}

impl Commit {
    /// Asks the node.
    pub(crate) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let several = self.documents.len() > 1;
        if several && (self.at.is_some() || self.previous.is_some()) {
            return Err(Failure::usage(
                "--at and --previous are about one document, not several",
            ));
        }
        let what = self.documents.join(", ");
        let first = self.documents.first().map_or("", String::as_str);
        let heads = in_full(context, first, self.at).await?;
        let target = |document| CommitTarget {
            document,
            heads: heads.clone(),
            previous: self.previous.clone(),
            first: self.first,
        };
        let request = CommitRequest {
            documents: self.documents.into_iter().map(target).collect(),
            wait: self.wait.into(),
            timeout_ms: context.timeout_ms(),
        };
        let done = context.call(context.client()?.commit(&request)).await?;
        Ok(Report::new(
            submission_text(&what, "committed", &done),
            &done,
        ))
    }
}

/// How far a transaction is, for people.
pub(crate) fn submission_text(what: &str, done: &str, submission: &Submission) -> String {
    let transaction = submission
        .transaction
        .map_or(String::new(), |id| format!("transaction  {id}\n"));
    let state = match (submission.state, submission.height, submission.expires) {
        (SubmissionState::Final, Some(height), _) => format!("{what}: {done} at height {height}"),
        (SubmissionState::Final, None, _) => format!("{what}: {done}"),
        (SubmissionState::Submitted, _, Some(expires)) => {
            format!("{what}: submitted, to be included up to height {expires}")
        }
        (SubmissionState::Submitted | SubmissionState::Accepted, _, _) => {
            format!("{what}: handed over, not submitted yet")
        }
    };
    format!("{state}\n{transaction}")
}
