//! One method per route.

use std::time::Duration;

use bytes::Bytes;
use decube_protocols::types::Height;
use hyper::Method;
use serde_json::Value;

use super::query::Target;
use super::{Client, ClientError};
use crate::api::types::{
    AddPeer, Added, Addresses, Block, BlockList, Collection, CollectionList, CommitRequest,
    Content, CreateCollection, CreateDocument, Document, DocumentList, EditDocument, Edited,
    HashPrefix, History, Imported, NamedVersion, PeerList, Ping, QuarantineList, Status,
    Submission, SyncReport, Wait,
};

/// Which version of a document is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// The present one.
    #[default]
    Current,
    /// The one with these heads, or with those that begin so.
    At(Vec<HashPrefix>),
    /// The last committed one.
    Committed,
    /// The one that was the last committed at this height.
    CommittedAt(Height),
}

impl Selection {
    fn on(&self, target: Target) -> Target {
        match self {
            Self::Current => target,
            Self::At(heads) => {
                let heads: Vec<String> = heads.iter().map(ToString::to_string).collect();
                target.parameter("at", Some(heads.join(",")))
            }
            Self::Committed => target.parameter("committed", Some("latest")),
            Self::CommittedAt(height) => target.parameter("committed", Some(height)),
        }
    }
}

/// A document as an Automerge file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The heads that it has, exactly.
    pub heads: Vec<String>,
    /// The file.
    pub bytes: Bytes,
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn document(reference: &str) -> Target {
    Target::new("/v1/documents").part(reference)
}

/// Every method fails with a [`ClientError`]: [`ClientError::Problem`] when the node did not do
/// what was asked, the others when it could not be asked. A `reference` is a document's id, a
/// unique prefix of it, or `collection/name`.
#[allow(
    clippy::missing_errors_doc,
    reason = "the errors of all methods are the same and described with the block"
)]
impl Client {
    /// How the node is doing.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("/v1/status").await
    }

    /// How the node is doing once it has caught up.
    pub async fn wait_ready(&self, timeout: Duration) -> Result<Status, ClientError> {
        let target = Target::new("/v1/status").parameter("wait", Some("ready"));
        self.get(
            target
                .parameter("timeout_ms", Some(millis(timeout)))
                .as_str(),
        )
        .await
    }

    /// How the collections compare with those of the connected peers.
    pub async fn sync_status(&self) -> Result<SyncReport, ClientError> {
        self.get("/v1/sync").await
    }

    /// The same once all connected replicas were compared and found equal.
    pub async fn wait_synced(&self, timeout: Duration) -> Result<SyncReport, ClientError> {
        let target = Target::new("/v1/sync").parameter("wait", Some("synced"));
        self.get(
            target
                .parameter("timeout_ms", Some(millis(timeout)))
                .as_str(),
        )
        .await
    }

    /// Starts a comparison with all connected peers.
    pub async fn sync_now(&self) -> Result<(), ClientError> {
        self.act(Method::POST, "/v1/sync").await
    }

    /// A page of documents, of one collection if given, after the `next` of the page before.
    pub async fn documents(
        &self,
        collection: Option<&str>,
        after: Option<&str>,
    ) -> Result<DocumentList, ClientError> {
        let target = Target::new("/v1/documents").parameter("collection", collection);
        self.get(target.parameter("after", after).as_str()).await
    }

    /// What is known of a document.
    pub async fn document(&self, reference: &str) -> Result<Document, ClientError> {
        self.get(document(reference).as_str()).await
    }

    /// Creates a document.
    pub async fn create_document(&self, new: &CreateDocument) -> Result<Document, ClientError> {
        self.json(Method::POST, "/v1/documents", Some(new)).await
    }

    /// Reads the value at a JSON pointer.
    pub async fn read(
        &self,
        reference: &str,
        pointer: &str,
        version: &Selection,
        conflicts: bool,
    ) -> Result<Content, ClientError> {
        let target = document(reference)
            .part("content")
            .parameter("pointer", Some(pointer));
        let target = target.parameter("conflicts", conflicts.then_some(true));
        self.get(version.on(target).as_str()).await
    }

    /// The heads, in full, of the version that is meant.
    pub async fn version(
        &self,
        reference: &str,
        version: &Selection,
    ) -> Result<NamedVersion, ClientError> {
        self.get(version.on(document(reference).part("version")).as_str())
            .await
    }

    /// Applies a patch; see [`EditDocument`].
    pub async fn edit(&self, reference: &str, edit: &EditDocument) -> Result<Edited, ClientError> {
        self.json(
            Method::POST,
            document(reference).part("edits").as_str(),
            Some(edit),
        )
        .await
    }

    /// Applies a patch at the present heads.
    pub async fn patch(&self, reference: &str, edits: Value) -> Result<Edited, ClientError> {
        self.edit(
            reference,
            &EditDocument {
                edits,
                at: None,
                message: None,
            },
        )
        .await
    }

    /// The changes of a document, with what is final.
    pub async fn history(&self, reference: &str) -> Result<History, ClientError> {
        self.get(document(reference).part("history").as_str()).await
    }

    /// Removes a document for everyone.
    pub async fn remove(&self, reference: &str) -> Result<Document, ClientError> {
        self.json(Method::DELETE, document(reference).as_str(), None::<&()>)
            .await
    }

    /// Forgets the node's copy of a document.
    pub async fn forget(&self, reference: &str) -> Result<Document, ClientError> {
        let target = document(reference).parameter("local", Some(true));
        self.json(Method::DELETE, target.as_str(), None::<&()>)
            .await
    }

    /// A document as an Automerge file.
    pub async fn export(
        &self,
        reference: &str,
        version: &Selection,
    ) -> Result<Exported, ClientError> {
        let target = version.on(document(reference).part("export"));
        let (headers, bytes) = self
            .call(Method::GET, target.as_str(), Bytes::new())
            .await?;
        let heads = headers
            .get(crate::api::HEADS_HEADER)
            .and_then(|heads| heads.to_str().ok());
        let heads = heads
            .unwrap_or_default()
            .split(',')
            .filter(|head| !head.is_empty());
        Ok(Exported {
            heads: heads.map(Into::into).collect(),
            bytes,
        })
    }

    /// Creates a document from an Automerge file.
    pub async fn import(
        &self,
        collection: &str,
        name: &str,
        file: Vec<u8>,
    ) -> Result<Imported, ClientError> {
        let target = Target::new("/v1/documents/import")
            .parameter("collection", Some(collection))
            .parameter("name", Some(name));
        let (_, bytes) = self
            .call(Method::POST, target.as_str(), file.into())
            .await?;
        serde_json::from_slice(&bytes).map_err(ClientError::Decode)
    }

    /// What waits outside of documents.
    pub async fn quarantine(&self) -> Result<QuarantineList, ClientError> {
        self.get("/v1/quarantine").await
    }

    /// A proof of a document's committed version as of a height, or of the newest final one.
    pub async fn proof(
        &self,
        reference: &str,
        height: Option<Height>,
    ) -> Result<Bytes, ClientError> {
        let target = document(reference)
            .part("proof")
            .parameter("height", height);
        Ok(self
            .call(Method::GET, target.as_str(), Bytes::new())
            .await?
            .1)
    }

    /// The collections.
    pub async fn collections(&self) -> Result<CollectionList, ClientError> {
        self.get("/v1/collections").await
    }

    /// A collection, by name or id.
    pub async fn collection(&self, reference: &str) -> Result<Collection, ClientError> {
        self.get(Target::new("/v1/collections").part(reference).as_str())
            .await
    }

    /// Creates a collection.
    pub async fn create_collection(
        &self,
        new: &CreateCollection,
    ) -> Result<Submission, ClientError> {
        self.json(Method::POST, "/v1/collections", Some(new)).await
    }

    /// Commits versions of documents.
    pub async fn commit(&self, request: &CommitRequest) -> Result<Submission, ClientError> {
        self.json(Method::POST, "/v1/commits", Some(request)).await
    }

    /// Submits a transaction that was signed elsewhere, in its canonical binary form.
    pub async fn submit(
        &self,
        transaction: Vec<u8>,
        wait: Wait,
        timeout: Duration,
    ) -> Result<Submission, ClientError> {
        let wait = match wait {
            Wait::None => "none",
            Wait::Submitted => "submitted",
            Wait::Final => "final",
        };
        let target = Target::new("/v1/transactions")
            .parameter("wait", Some(wait))
            .parameter("timeout_ms", Some(millis(timeout)));
        let (_, bytes) = self
            .call(Method::POST, target.as_str(), transaction.into())
            .await?;
        serde_json::from_slice(&bytes).map_err(ClientError::Decode)
    }

    /// Final blocks at and below a height (or the newest), newest first.
    pub async fn blocks(
        &self,
        before: Option<Height>,
        limit: Option<u64>,
    ) -> Result<BlockList, ClientError> {
        let target = Target::new("/v1/chain/blocks").parameter("before", before);
        self.get(target.parameter("limit", limit).as_str()).await
    }

    /// A final block.
    pub async fn block(&self, height: Height) -> Result<Block, ClientError> {
        self.get(Target::new("/v1/chain/blocks").part(height).as_str())
            .await
    }

    /// The connected peers.
    pub async fn peers(&self) -> Result<PeerList, ClientError> {
        self.get("/v1/peers").await
    }

    /// Dials an address and waits until the peer there is connected.
    pub async fn add_peer(&self, address: &str) -> Result<Added, ClientError> {
        let body = AddPeer {
            address: address.into(),
        };
        self.json(Method::POST, "/v1/peers", Some(&body)).await
    }

    /// Forgets a peer's addresses and disconnects it.
    pub async fn remove_peer(&self, peer: &str) -> Result<(), ClientError> {
        self.act(Method::DELETE, Target::new("/v1/peers").part(peer).as_str())
            .await
    }

    /// Refuses a peer in both directions.
    pub async fn ban_peer(&self, peer: &str) -> Result<(), ClientError> {
        let target = Target::new("/v1/peers").part(peer).part("ban");
        self.act(Method::POST, target.as_str()).await
    }

    /// Lifts a ban.
    pub async fn unban_peer(&self, peer: &str) -> Result<(), ClientError> {
        let target = Target::new("/v1/peers").part(peer).part("ban");
        self.act(Method::DELETE, target.as_str()).await
    }

    /// Measures the round trip to a peer.
    pub async fn ping(&self, peer: &str) -> Result<Ping, ClientError> {
        let target = Target::new("/v1/peers").part(peer).part("ping");
        self.json(Method::POST, target.as_str(), None::<&()>).await
    }

    /// Where a peer is.
    pub async fn find_peer(&self, peer: &str) -> Result<Addresses, ClientError> {
        self.get(
            Target::new("/v1/peers")
                .part(peer)
                .part("addresses")
                .as_str(),
        )
        .await
    }
}
