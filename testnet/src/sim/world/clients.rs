//! The users: they create, edit, commit and remove, at all nodes and at once.

use decube_protocols::documents::content::{EditCause, EditError};
use decube_protocols::documents::{
    self, Command, CommandError, DocumentStatus, Edit, Reply, Source,
};
use decube_protocols::submission::{self, Wish};
use decube_protocols::types::{
    CollectionId, CollectionName, CommitEntry, DocumentId, DocumentName, Heads, RequestId,
};
use serde_json::json;

use super::{Event, Intent, World};
use crate::sim::node::{Input, WorkerName};
use crate::sim::oracle::{Check, Violation};
use crate::sim::plan::NodeIndex;

/// How many collections and documents users make.
const COLLECTIONS: usize = 2;
const DOCUMENTS: usize = 10;

type Done = Result<(), Violation>;

impl World {
    /// Users ask for something, and will again.
    pub(super) fn users(&mut self) -> Done {
        if self.healed.is_some() {
            return Ok(());
        }
        let pace = self.plan.pace;
        let delay = self.random.time(pace / 4, pace * 2);
        self.after(delay, Event::Users);
        let Some(node) = self.any_user() else {
            return Ok(());
        };
        if self.collections.len() < COLLECTIONS && self.random.chance(0.3) {
            return self.create_collection(node);
        }
        let documents = self.promises.editable();
        let chance = self.random.below(100);
        match self.random.pick(&documents).copied() {
            None => self.create_document(node),
            Some(_) if chance < 12 && documents.len() < DOCUMENTS => self.create_document(node),
            Some((document, _)) if chance < 60 => self.edit(node, document),
            Some((document, _)) if chance < 72 => {
                // Several users at several nodes, at the same moment.
                for node in self.plan.honest() {
                    if self.random.chance(0.6) {
                        self.edit(node, document)?;
                    }
                }
                Ok(())
            }
            Some((document, _)) if chance < 98 => {
                let other = self.random.pick(&documents).copied();
                let second = other.filter(|_| self.random.chance(0.2)).map(|(id, _)| id);
                self.commit(node, document, second.filter(|id| *id != document))
            }
            Some((document, _)) => self.remove(node, document),
        }
    }

    /// After healing, every honest node's user makes an edit and commits it; both must succeed.
    pub(super) fn last_wishes(&mut self) -> Done {
        let documents = self.promises.editable();
        for node in self.plan.honest() {
            match self.random.pick(&documents).copied() {
                Some((document, _)) => {
                    self.edit(node, document)?;
                    self.commit(node, document, None)?;
                }
                None => self.create_collection(node)?,
            }
        }
        Ok(())
    }

    fn any_user(&mut self) -> Option<NodeIndex> {
        let mut honest = self.plan.honest();
        honest.retain(|node| self.nodes[*node].running.is_some());
        self.random.pick(&honest).copied()
    }

    fn command(&mut self, node: NodeIndex, command: Command, intent: Intent) -> Done {
        let life = self.nodes[node].life;
        let Some(running) = self.nodes[node].running.as_mut() else {
            return Ok(());
        };
        let id = RequestId(running.number());
        self.intents.insert((node, life, id), intent);
        let input = documents::Input::Command { id, command };
        self.hand(node, WorkerName::Documents, Input::Documents(input))
    }

    fn wish(&mut self, node: NodeIndex, wish: Wish) -> Done {
        let Some(running) = self.nodes[node].running.as_mut() else {
            return Ok(());
        };
        let id = RequestId(running.number());
        self.log(format_args!("n{node} wishes {id}: {}", short(&wish)));
        let input = submission::Input::Wish { id, wish };
        self.hand(node, WorkerName::Consensus, Input::Submission(input))
    }

    fn create_collection(&mut self, node: NodeIndex) -> Done {
        // Users of several nodes may take the same name at once.
        self.names += 1;
        let name = format!("collection-{}", self.names / 2);
        let Ok(name) = CollectionName::new(name) else {
            return Ok(());
        };
        let replicas = self.nodes.len() as u64;
        let quorum = self
            .random
            .chance(0.3)
            .then(|| self.random.within(1, replicas / 2));
        let write_quorum = quorum.and_then(|quorum| u16::try_from(quorum).ok());
        self.wish(node, Wish::CreateCollection { name, write_quorum })
    }

    fn create_document(&mut self, node: NodeIndex) -> Done {
        let known: Vec<CollectionId> = self.collections.keys().copied().collect();
        let Some(collection) = self.random.pick(&known).copied() else {
            return self.create_collection(node);
        };
        self.names += 1;
        let Ok(name) = DocumentName::new(format!("document/{}", self.names / 2)) else {
            return Ok(());
        };
        let content = json!({"title": "", "items": [], "votes": {"$counter": 0}});
        let command = Command::Create {
            collection,
            name,
            content: Some(content),
        };
        self.command(node, command, Intent::Create)
    }

    fn edit(&mut self, node: NodeIndex, document: DocumentId) -> Done {
        let number = self.random.below(1_000);
        let edit = match self.random.below(5) {
            0 => json!({"op": "set", "pointer": format!("/key{}", number % 7), "value": number}),
            1 => json!({"op": "insert", "pointer": "/items", "index": 0, "value": number}),
            2 => json!({"op": "increment", "pointer": "/votes", "by": 1}),
            _ => {
                json!({"op": "splice", "pointer": "/title", "index": 0, "insert": format!("{number} ")})
            }
        };
        let edits = match serde_json::from_value::<Edit>(edit) {
            Ok(edit) => vec![edit],
            Err(error) => return Err(Violation::new(Check::Failure, error.to_string())),
        };
        let command = Command::Edit {
            document,
            at: None,
            edits,
            message: None,
        };
        self.command(node, command, Intent::Edit(document))
    }

    fn remove(&mut self, node: NodeIndex, document: DocumentId) -> Done {
        self.promises.removing(document);
        self.command(node, Command::Remove { document }, Intent::Remove(document))
    }

    fn commit(&mut self, node: NodeIndex, first: DocumentId, second: Option<DocumentId>) -> Done {
        let mut requests = Vec::new();
        for document in [Some(first), second].into_iter().flatten() {
            requests.extend(self.receipt_request(node, document)?);
        }
        requests.sort_by_key(|request| (request.entry.collection, request.entry.document));
        if requests.is_empty() {
            return Ok(());
        }
        self.wish(node, Wish::Commit(requests))
    }

    /// The newest version of a document at a node, on top of the last one committed there.
    fn receipt_request(
        &self,
        node: NodeIndex,
        document: DocumentId,
    ) -> Result<Option<documents::ReceiptRequest>, Violation> {
        let Some(running) = self.nodes[node].running.as_ref() else {
            return Ok(None);
        };
        let stored = running.store.documents().document(&document);
        let stored = stored.map_err(|error| Violation::new(Check::Failure, error.to_string()))?;
        let Some(stored) = stored else {
            return Ok(None);
        };
        let DocumentStatus::Live(heads) = stored.status else {
            return Ok(None);
        };
        let Ok(heads) = Heads::new(heads) else {
            return Ok(None);
        };
        let height = self.chain.reported(node);
        let before = self.chain.committed(&document, height);
        let previous = before
            .as_ref()
            .map(|(entry, _)| entry.heads.clone())
            .unwrap_or_default();
        let entry = CommitEntry {
            collection: stored.collection,
            document,
            previous: before.map(|(_, version)| version),
            heads,
        };
        Ok(Some(documents::ReceiptRequest { entry, previous }))
    }

    /// A node answers its user.
    pub(super) fn replied(
        &mut self,
        node: NodeIndex,
        id: RequestId,
        result: Result<Reply, CommandError>,
    ) -> Done {
        let life = self.nodes[node].life;
        let Some(intent) = self.intents.remove(&(node, life, id)) else {
            let what = format!("node {node} answers command {id}, which nobody asked");
            return Err(Violation::new(Check::Failure, what));
        };
        match (intent, result) {
            (Intent::Create, Ok(Reply::Created(entry))) => {
                self.log(format_args!("n{node} created {}", entry.id));
                self.promises.created(node, entry.id, entry.collection, &entry.heads);
            }
            (Intent::Edit(document), Ok(Reply::Edited { change, .. })) => {
                self.log(format_args!("n{node} edited {document}: {change:?}"));
                if let Some(change) = change {
                    self.promises.edited(node, document, change);
                }
            }
            (Intent::Remove(document), Ok(Reply::Removed)) => {
                self.log(format_args!("n{node} removed {document}"));
                self.promises.removed(node, document);
            }
            (intent, Ok(reply)) => {
                let what = format!("node {node} answers {intent:?} with {reply:?}");
                return Err(Violation::new(Check::Failure, what));
            }
            (
                intent,
                Err(
                    error @ (CommandError::UnknownCollection(_)
                    | CommandError::UnknownDocument(_)
                    | CommandError::Removed(_)
                    // The document is known here, but not yet the change that filled it.
                    | CommandError::Edit(EditError::At { cause: EditCause::Path(_), .. })),
                ),
            ) => self.log(format_args!("n{node} refuses {intent:?}: {error}")),
            (intent, Err(error)) => {
                let what = format!("node {node} fails at {intent:?}: {error}");
                return Err(Violation::new(Check::Failure, what));
            }
        }
        Ok(())
    }
}

fn short(wish: &Wish) -> String {
    match wish {
        Wish::Commit(requests) => {
            let ids = requests
                .iter()
                .map(|request| request.entry.document.to_string());
            format!("commit {}", ids.collect::<Vec<_>>().join(" "))
        }
        Wish::CreateCollection { name, .. } => format!("collection {name}"),
        Wish::Submit(_) => "a transaction".into(),
    }
}
