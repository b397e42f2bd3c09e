//! The end of a run: is everything equal after healing, and does all that was promised hold?

use std::collections::BTreeMap;
use std::time::Duration;

use decube_crypto::Digest;
use decube_protocols::documents::Source as _;
use decube_protocols::light::{self, Presence};
use decube_protocols::types::{CollectionId, DocumentId, Height};

use super::start::held;
use super::{Event, Summary, World};
use crate::sim::node::Running;
use crate::sim::oracle::{Check, Violation};
use crate::sim::plan::NodeIndex;

/// How long the network has to become equal once nothing breaks any more: several comparisons of
/// collections, and a few views at the slowest pace.
const HEALING: Duration = Duration::from_secs(90);

/// How often is looked.
const LOOK: Duration = Duration::from_millis(400);

/// How many blocks must become final after healing.
const FINALS_AFTER_HEALING: u64 = 3;

/// How many blocks must become final in a whole run, so that an idle one fails, however few could
/// while things broke.
const FINALS: u64 = 12;

/// How many documents have their proof made and verified.
const PROOFS: usize = 4;

type Done = Result<(), Violation>;

impl World {
    /// Looks whether the network is equal, and ends the run when it is.
    pub(super) fn look(&mut self) -> Done {
        let Some(healed) = self.healed else {
            return Ok(());
        };
        let Some(reason) = self.unequal()? else {
            self.log(format_args!("everything is equal"));
            self.check_promises()?;
            self.done = true;
            return Ok(());
        };
        if self.now > healed.at + HEALING {
            self.explain();
            let check = if self.chain.height() < self.target() {
                Check::Progress
            } else {
                Check::Convergence
            };
            let what = format!("{} s after healing: {reason}", HEALING.as_secs());
            return Err(Violation::new(check, what));
        }
        self.after(LOOK, Event::Look);
        Ok(())
    }

    /// The height that must be final everywhere at the end.
    fn target(&self) -> Height {
        let healed = self.healed.map_or(0, |healed| healed.height.0);
        Height((healed + FINALS_AFTER_HEALING).max(FINALS))
    }

    /// Why the network is not equal yet.
    fn unequal(&self) -> Result<Option<String>, Violation> {
        let (honest, target) = (self.plan.honest(), self.target());
        let mut heights: BTreeMap<Height, Vec<NodeIndex>> = BTreeMap::new();
        let mut roots: BTreeMap<CollectionId, BTreeMap<Digest, Vec<NodeIndex>>> = BTreeMap::new();
        for node in honest {
            let Some(running) = &self.nodes[node].running else {
                return Ok(Some(format!("node {node} is down")));
            };
            let core = &running.cores.commit;
            if !core.is_ready() {
                return Ok(Some(format!("node {node} is not ready")));
            }
            heights.entry(core.final_height()).or_default().push(node);
            for collection in self.collections.keys() {
                let root = running.store.documents().collection_root(collection);
                let root =
                    root.map_err(|error| Violation::new(Check::Failure, error.to_string()))?;
                roots
                    .entry(*collection)
                    .or_default()
                    .entry(root)
                    .or_default()
                    .push(node);
            }
        }
        if heights.keys().any(|height| *height < target) {
            return Ok(Some(format!("final at {heights:?}, not at {target}")));
        }
        if let Some((collection, roots)) = roots.iter().find(|(_, roots)| roots.len() > 1) {
            return Ok(Some(format!("collection {collection} differs: {roots:?}")));
        }
        if let Some((at, intent)) = self.intents.first_key_value() {
            return Ok(Some(format!("{intent:?} of {at:?} is unanswered")));
        }
        let open = self.promises.settle(&self.chain)?;
        if let Some(transaction) = open.first() {
            return Ok(Some(format!(
                "transaction {transaction} is neither final nor expired"
            )));
        }
        // Last, since the chain goes on: they differ for a moment at every block.
        if heights.len() > 1 {
            return Ok(Some(format!("final heights differ: {heights:?}")));
        }
        Ok(None)
    }

    /// Writes into the trace which nodes have which heads of the documents.
    fn explain(&mut self) {
        let mut lines = Vec::new();
        for (document, _) in self.promises.of_all() {
            let mut found: BTreeMap<String, Vec<NodeIndex>> = BTreeMap::new();
            for (node, running) in self.running() {
                let status = match running.store.documents().document(&document) {
                    Ok(stored) => format!("{:?}", stored.map(|stored| stored.status)),
                    Err(error) => error.to_string(),
                };
                found.entry(status).or_default().push(node);
            }
            if found.len() > 1 {
                lines.push(format!("{document:?} differs: {found:?}"));
            }
        }
        for line in lines {
            self.log(format_args!("{line}"));
        }
    }

    fn running(&self) -> impl Iterator<Item = (NodeIndex, &Running)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter_map(|(index, node)| Some((index, node.running.as_ref()?)))
    }

    /// All that was acknowledged anywhere must be everywhere now.
    fn check_promises(&self) -> Done {
        let all = self.promises.of_all();
        for node in self.plan.honest() {
            let Some(running) = &self.nodes[node].running else {
                continue;
            };
            for (document, wanted) in &all {
                let held = held(&running.store, document, wanted)
                    .map_err(|error| Violation::new(Check::Lost, error))?;
                self.promises.check(node, document, wanted, &held, true)?;
            }
        }
        Ok(())
    }

    /// Proofs of committed versions, made by one node and verified against the genesis alone.
    fn prove(&self) -> Result<usize, Violation> {
        let wrong = |what: String| Violation::new(Check::Proof, what);
        let Some(node) = self.plan.honest().first().copied() else {
            return Ok(0);
        };
        let Some(running) = &self.nodes[node].running else {
            return Ok(0);
        };
        let chain = running.store.chain();
        let committed = self.chain.documents();
        for (document, (height, entry)) in committed.iter().take(PROOFS) {
            for at in [None, Some(*height)] {
                let proof = light::prove(&chain, entry.collection, *document, at)
                    .map_err(|error| wrong(format!("document {document}: {error}")))?;
                let verified = proof
                    .verify(&self.plan.genesis)
                    .map_err(|error| wrong(format!("document {document}: {error}")))?;
                match verified.presence {
                    Presence::Committed { version, .. } if version == entry.heads.version() => {}
                    other @ (Presence::Committed { .. } | Presence::Absent) => {
                        return Err(wrong(format!("document {document}: {other:?}")));
                    }
                }
            }
        }
        self.prove_absence(&chain)?;
        Ok(committed.len().min(PROOFS))
    }

    fn prove_absence(&self, chain: &decube_store::ChainReader) -> Done {
        let wrong = |what: String| Violation::new(Check::Proof, what);
        let Some(collection) = self.collections.keys().next() else {
            return Ok(());
        };
        let nothing = DocumentId(Digest::of("decube/sim-nothing/1", &[]));
        let proof = light::prove(chain, *collection, nothing, None)
            .map_err(|error| wrong(format!("an absent document: {error}")))?;
        let verified = proof
            .verify(&self.plan.genesis)
            .map_err(|error| wrong(format!("an absent document: {error}")))?;
        match verified.presence {
            Presence::Absent => Ok(()),
            other => Err(wrong(format!("an absent document: {other:?}"))),
        }
    }

    /// What the run did.
    pub(super) fn summary(&self) -> Result<Summary, Violation> {
        let finals = self.chain.height().0;
        let healed = self.healed.map_or(Duration::ZERO, |healed| healed.at);
        Ok(Summary {
            finals,
            finals_in_chaos: self.healed.map_or(0, |healed| healed.height.0),
            views: self.votes.views(),
            edits: self.promises.edits(),
            submitted: self.promises.submitted(),
            virtual_time: self.now,
            healing_time: self.now.saturating_sub(healed),
            proofs: self.prove()?,
        })
    }
}
