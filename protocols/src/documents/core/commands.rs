//! What the user asks.

use decube_crypto::Digest;

use super::super::content::{Content, ContentError, Imported, import};
use super::super::io::{Command, DocumentStatus, Effect, Source, StoredDocument};
use super::super::reply::{CommandError, DocumentEntry, Reply};
use super::Core;
use super::library::{PAGE, entry, store};
use crate::types::{
    ChangeHash, CollectionId, Descriptor, DocumentId, DocumentName, Now, RequestId, Tombstone,
};

impl From<ContentError> for CommandError {
    fn from(error: ContentError) -> Self {
        match error {
            ContentError::UnknownHead(unknown) => unknown.into(),
            ContentError::Path(path) => path.into(),
            ContentError::Read(read) => Self::Unreadable(read.to_string()),
        }
    }
}

/// Seconds since 1970, as Automerge wants them.
fn seconds(now: Now) -> i64 {
    i64::try_from(now.wall.0 / 1000).unwrap_or(i64::MAX)
}

impl<S: Source> Core<S> {
    pub(super) fn command(
        &mut self,
        now: Now,
        id: RequestId,
        command: Command,
        out: &mut Vec<Effect>,
    ) {
        // An edit is durable first, then acknowledged, then announced.
        let mut announce = None;
        let result = self.carry_out(now, command, &mut announce, out);
        out.push(Effect::Reply { id, result });
        if let Some((document, changes)) = announce {
            self.announce(now, document, changes, out);
        }
    }

    fn carry_out(
        &mut self,
        now: Now,
        command: Command,
        announce: &mut Option<(DocumentId, Vec<Vec<u8>>)>,
        out: &mut Vec<Effect>,
    ) -> Result<Reply, CommandError> {
        match command {
            Command::Create {
                collection,
                name,
                content,
            } => {
                let descriptor = self.describe_new(collection, name)?;
                let (content, changes) =
                    Content::create_in_parts(&self.session, content.as_ref(), seconds(now))?;
                let changes = changes.into_iter().map(|change| change.bytes).collect();
                let created = self.add(descriptor, content, changes, announce, out)?;
                Ok(Reply::Created(created))
            }
            Command::Import {
                collection,
                name,
                bytes,
            } => {
                let descriptor = self.describe_new(collection, name)?;
                let Imported {
                    content,
                    changes,
                    history_kept,
                } = import(&bytes, &self.session, seconds(now))?;
                let document = self.add(descriptor, content, changes, announce, out)?;
                Ok(Reply::Imported {
                    document,
                    history_kept,
                })
            }
            Command::Edit {
                document,
                at,
                edits,
                message,
            } => {
                self.merge(now, &document, out)?;
                let session = self.session;
                let loaded = self.library.open(&document)?;
                let message = message.as_deref();
                let edited =
                    loaded
                        .content
                        .edit(&session, at.as_deref(), &edits, message, seconds(now))?;
                let heads = loaded.content.heads();
                let change = edited.as_ref().map(|edited| edited.hash);
                if let Some(edited) = edited {
                    self.library
                        .record(&document, vec![edited.bytes.clone()], out)?;
                    *announce = Some((document, vec![edited.bytes]));
                }
                Ok(Reply::Edited { heads, change })
            }
            Command::Remove { document } => self.remove(now, document, out),
            Command::Forget { document } => {
                let stored = self.live(&document)?;
                self.library.forget(stored, out)?;
                self.drop_document(now, &document, out);
                Ok(Reply::Forgotten)
            }
            query @ (Command::Read { .. }
            | Command::List { .. }
            | Command::Named { .. }
            | Command::Describe { .. }
            | Command::History { .. }
            | Command::Export { .. }
            | Command::SyncStatus
            | Command::SyncNow
            | Command::Quarantine) => self.query(now, query, out),
        }
    }

    /// What changes nothing, but may merge what waits.
    fn query(
        &mut self,
        now: Now,
        query: Command,
        out: &mut Vec<Effect>,
    ) -> Result<Reply, CommandError> {
        match query {
            Command::Read {
                document,
                at,
                pointer,
                conflicts,
            } => {
                self.merge(now, &document, out)?;
                let content = &self.library.open(&document)?.content;
                let value = content.read(at.as_deref(), &pointer)?;
                let found = if conflicts {
                    content.conflicts(at.as_deref(), &pointer)?
                } else {
                    Vec::new()
                };
                let heads = at.unwrap_or_else(|| content.heads());
                Ok(Reply::Content {
                    heads,
                    value,
                    conflicts: found,
                })
            }
            Command::Export { document, at } => {
                self.merge(now, &document, out)?;
                let content = &self.library.open(&document)?.content;
                let heads: Vec<ChangeHash> = at.unwrap_or_else(|| content.heads());
                let bytes = content.save_at(&heads)?;
                Ok(Reply::Exported { heads, bytes })
            }
            Command::History { document } => {
                self.merge(now, &document, out)?;
                Ok(Reply::History(
                    self.library.open(&document)?.content.history(),
                ))
            }
            Command::List { collection } => self.list(collection.as_ref()).map(Reply::Documents),
            Command::Named { collection, name } => self.named(&collection, &name).map(Reply::Named),
            Command::Describe { document } => match self.library.stored(&document)? {
                Some(stored) => Ok(Reply::Document(entry(&stored))),
                None => Err(CommandError::UnknownDocument(document)),
            },
            Command::SyncStatus => Ok(Reply::SyncStatus(self.sync_status())),
            Command::SyncNow => {
                self.compare_with_all(now, out);
                Ok(Reply::SyncStarted)
            }
            Command::Quarantine => Ok(Reply::Quarantine(
                self.library.quarantine.values().cloned().collect(),
            )),
            Command::Create { .. }
            | Command::Import { .. }
            | Command::Edit { .. }
            | Command::Remove { .. }
            | Command::Forget { .. } => self.carry_out(now, query, &mut None, out),
        }
    }

    /// Names and signs a new document.
    fn describe_new(
        &mut self,
        collection: CollectionId,
        name: DocumentName,
    ) -> Result<Descriptor, CommandError> {
        if !self.library.collections.contains_key(&collection) {
            return Err(CommandError::UnknownCollection(collection));
        }
        self.created += 1;
        // The session's nonce makes the number differ from that of any other session.
        let digest = Digest::of(
            "decube/document-nonce/1",
            &[&self.session.nonce, &self.created.to_le_bytes()],
        );
        let mut nonce = [0; 8];
        nonce
            .iter_mut()
            .zip(digest.as_bytes())
            .for_each(|(to, from)| *to = *from);
        let nonce = u64::from_le_bytes(nonce);
        Ok(Descriptor::sign(
            &self.config.network,
            collection,
            nonce,
            name,
            &self.config.author,
        ))
    }

    fn add(
        &mut self,
        descriptor: Descriptor,
        content: Content,
        changes: Vec<Vec<u8>>,
        announce: &mut Option<(DocumentId, Vec<Vec<u8>>)>,
        out: &mut Vec<Effect>,
    ) -> Result<DocumentEntry, CommandError> {
        let id = descriptor.id();
        self.library.insert(descriptor, content);
        self.library.record(&id, changes.clone(), out)?;
        *announce = Some((id, changes));
        Ok(entry(&self.library.open(&id)?.stored))
    }

    /// What is known of a document that is neither removed nor forgotten.
    fn live(&self, id: &DocumentId) -> Result<StoredDocument, CommandError> {
        let stored = self
            .library
            .stored(id)?
            .ok_or(CommandError::UnknownDocument(*id))?;
        match stored.status {
            DocumentStatus::Live(_) => Ok(stored),
            DocumentStatus::Removed(_) => Err(CommandError::Removed(*id)),
            DocumentStatus::Forgotten => Err(CommandError::Forgotten(*id)),
        }
    }

    fn remove(
        &mut self,
        now: Now,
        document: DocumentId,
        out: &mut Vec<Effect>,
    ) -> Result<Reply, CommandError> {
        let stored = self.live(&document)?;
        let Self { config, .. } = self;
        let tombstone =
            Tombstone::sign(&config.network, stored.collection, document, &config.author);
        self.library.remove(tombstone.clone(), out)?;
        self.drop_document(now, &document, out);
        self.announce_removal(tombstone, out);
        Ok(Reply::Removed)
    }

    fn list(&self, collection: Option<&CollectionId>) -> Result<Vec<DocumentEntry>, CommandError> {
        let mut entries = Vec::new();
        let mut after = None;
        loop {
            let page = self
                .library
                .source
                .documents(collection, after, PAGE)
                .map_err(store)?;
            let last = page.last().map(|last| (last.collection, last.id));
            entries.extend(page.iter().map(entry));
            if page.len() < PAGE || last.is_none() {
                return Ok(entries);
            }
            after = last;
        }
    }

    fn named(
        &self,
        collection: &CollectionId,
        name: &DocumentName,
    ) -> Result<Vec<DocumentEntry>, CommandError> {
        let ids = self.library.source.named(collection, name).map_err(store)?;
        let mut entries = Vec::new();
        for id in ids {
            if let Some(stored) = self.library.stored(&id)? {
                entries.push(entry(&stored));
            }
        }
        Ok(entries)
    }
}
