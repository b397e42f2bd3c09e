//! Commits, and an edit after one.

use std::time::Duration;

use anyhow::{Context, Result};
use decube_node::api::types::{CommitRequest, CommitTarget, Edited, Wait};
use decube_node::client::ClientError;
use serde_json::json;

use super::{Demo, STEP_LIMIT, millis};
use crate::local::testnet::Member;

impl Demo<'_> {
    /// Commits the version that all nodes have, then edits the document further.
    pub(super) async fn commit_and_go_on(&mut self) -> Result<()> {
        let member = self.testnet.member(1)?;
        let height = self.commit_at(member, STEP_LIMIT).await;
        let height = height.with_context(|| member.about("it did not commit"))?;
        self.report.committed_height = height;
        let name = &member.plan.name;
        let shown = height.unwrap_or_default();
        self.progress.say(format_args!(
            "the version is final in block {shown}, committed at {name}"
        ));
        let edited = self.edit_at(member, "edited after the commit").await?;
        let heads: Vec<String> = edited.heads.iter().map(ToString::to_string).collect();
        self.wait_for_heads("an edit after the commit", |_, found| *found == heads)
            .await?;
        self.progress
            .say("the document was edited further, at every node");
        Ok(())
    }

    /// Commits the version that a node has; gives the height of its block.
    pub(super) async fn commit_at(
        &self,
        member: &Member,
        limit: Duration,
    ) -> Result<Option<u64>, ClientError> {
        let target = CommitTarget {
            document: self.document.clone(),
            heads: None,
            previous: None,
            first: false,
        };
        let request = CommitRequest {
            documents: vec![target],
            wait: Wait::Final,
            timeout_ms: Some(millis(limit)),
        };
        let committed = member.client.commit(&request).await?;
        Ok(committed.height.map(|height| height.0))
    }

    /// Changes the title at a node.
    pub(super) async fn edit_at(&self, member: &Member, title: &str) -> Result<Edited> {
        let edits = json!([{ "op": "replace_text", "pointer": "/title", "text": title }]);
        let edited = member.client.patch(&self.document, edits).await;
        edited.with_context(|| member.about("it did not edit"))
    }
}
