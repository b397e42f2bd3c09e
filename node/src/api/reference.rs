//! Which document a request means: an id, a unique prefix of one, or `collection/name`.

use decube_crypto::Digest;
use decube_protocols::documents::{Command, DocumentEntry, Reply, Source};
use decube_protocols::types::{CollectionId, CollectionName, DocumentId, DocumentName};

use super::extract::parse;
use super::{Api, Code, Problem, failure};
use crate::node::Handle;

/// The fewest digits of an id's prefix: fewer would be typed by mistake.
const MIN_PREFIX: usize = 4;
/// How many documents an ambiguous reference is answered with at most.
const MAX_CANDIDATES: usize = 16;

impl Api {
    /// The document that `reference` names. A whole id is taken without looking it up.
    pub(super) async fn resolve(&self, reference: &str) -> Result<DocumentId, Problem> {
        if let Some((collection, name)) = reference.split_once('/') {
            return self.resolve_name(reference, collection, name).await;
        }
        if let Ok(id) = reference.parse() {
            return Ok(id);
        }
        let digits = reference.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !digits || !(MIN_PREFIX..2 * Digest::LENGTH).contains(&reference.len()) {
            return Err(Problem::new(
                Code::Malformed,
                format!(
                    "{reference:?} names no document: write collection/name, or the id's \
                     {MIN_PREFIX} to 64 hexadecimal digits"
                ),
            ));
        }
        let prefix = reference.to_ascii_lowercase();
        let found = self
            .read(move |handle| with_prefix(handle, &prefix))
            .await?;
        one(reference, found)
    }

    async fn resolve_name(
        &self,
        reference: &str,
        collection_reference: &str,
        name: &str,
    ) -> Result<DocumentId, Problem> {
        let collection = self.collection_id(collection_reference)?;
        let name: DocumentName = parse("the document's name", name)?;
        let Reply::Named(found) = self.command(Command::Named { collection, name }).await? else {
            return Err(unexpected());
        };
        if found.is_empty() {
            self.known_collection(collection, collection_reference)
                .await?;
        }
        of_name(reference, &found)
    }

    /// Refuses a collection that this node does not know; `reference` is what the user called it.
    pub(super) async fn known_collection(
        &self,
        collection: CollectionId,
        reference: &str,
    ) -> Result<(), Problem> {
        let names = self.read(super::reads::collection_names).await?;
        if names.contains_key(&collection) {
            return Ok(());
        }
        Err(unknown_collection(reference))
    }

    /// The collection that `reference`, a name or an id, names. It need not exist.
    pub(super) fn collection_id(&self, reference: &str) -> Result<CollectionId, Problem> {
        if let Ok(id) = reference.parse() {
            return Ok(id);
        }
        let name: CollectionName = parse("the collection", reference)?;
        Ok(CollectionId::of(&self.handle.network_id(), name.as_str()))
    }
}

/// The problem of a collection that this node does not know.
pub(super) fn unknown_collection(reference: &str) -> Problem {
    Problem::new(
        Code::UnknownCollection,
        format!(
            "there is no collection {reference} at this node; `decube collection ls` lists them, \
             `decube collection create` creates one"
        ),
    )
}

/// The one document of a name. A name belongs to the documents that are here; when they are all
/// gone it still leads to the one that had it, because its proofs can still be made.
fn of_name(reference: &str, found: &[DocumentEntry]) -> Result<DocumentId, Problem> {
    let live = |entry: &&DocumentEntry| !entry.removed && !entry.forgotten;
    let ids = found.iter().filter(live).map(|entry| entry.id);
    let ids: Vec<_> = ids.take(MAX_CANDIDATES).collect();
    let gone = found.iter().map(|entry| entry.id);
    let gone: Vec<_> = gone.take(MAX_CANDIDATES).collect();
    if !ids.is_empty() || gone.len() < 2 {
        return one(reference, if ids.is_empty() { gone } else { ids });
    }
    let all: Vec<String> = gone.iter().map(ToString::to_string).collect();
    let detail = format!(
        "the documents that were {reference} were removed or forgotten; what was committed of one \
         is proven by `decube proof ID`: {}",
        all.join(", ")
    );
    let removed = found.iter().any(|entry| entry.removed);
    let code = if removed {
        Code::Removed
    } else {
        Code::Forgotten
    };
    let mut problem = Problem::new(code, detail);
    problem.about.candidates = gone;
    Err(problem)
}

/// The only one of `found`.
fn one(reference: &str, found: Vec<DocumentId>) -> Result<DocumentId, Problem> {
    match found.as_slice() {
        [id] => Ok(*id),
        [] => Err(Problem::new(
            Code::UnknownDocument,
            format!("there is no document {reference} at this node; `decube doc ls` lists them"),
        )),
        [_, _, ..] => {
            let ids: Vec<String> = found.iter().map(ToString::to_string).collect();
            let detail = format!(
                "{reference} names {} documents, use an id instead: {}",
                ids.len(),
                ids.join(", ")
            );
            let mut problem = Problem::new(Code::Ambiguous, detail);
            problem.about.candidates = found;
            Err(problem)
        }
    }
}

/// Documents whose ids start with the hexadecimal digits `prefix`, in any collection.
fn with_prefix(handle: &Handle, prefix: &str) -> Result<Vec<DocumentId>, Problem> {
    let Ok(first) = format!("{prefix:0<64}").parse::<Digest>() else {
        return Ok(Vec::new());
    };
    let before = DocumentId(before(&first));
    let mut found = Vec::new();
    for collection in super::reads::collection_names(handle)?.into_keys() {
        let after = Some((collection, before));
        let documents = handle.store().documents();
        let page = documents
            .documents(Some(&collection), after, MAX_CANDIDATES)
            .map_err(failure::store)?;
        let ids = page.iter().map(|stored| stored.id);
        found.extend(ids.take_while(|id| id.to_string().starts_with(prefix)));
    }
    found.truncate(MAX_CANDIDATES);
    Ok(found)
}

/// The digest just before `digest` in order; zero for zero itself.
fn before(digest: &Digest) -> Digest {
    let mut bytes = *digest.as_bytes();
    if *digest == Digest::ZERO {
        return *digest;
    }
    for byte in bytes.iter_mut().rev() {
        let (less, borrow) = byte.overflowing_sub(1);
        *byte = less;
        if !borrow {
            break;
        }
    }
    Digest::from_bytes(bytes)
}

/// The problem of a reply that is not the one to the command.
pub(super) fn unexpected() -> Problem {
    Problem::new(
        Code::Store,
        "the node gave an answer to another question, which is a bug",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_before_another_borrows() {
        let digest = |text: &str| format!("{text:0<64}").parse::<Digest>().unwrap();
        let expected = format!("abcc{}", "f".repeat(60));
        assert_eq!(before(&digest("abcd")).to_string(), expected);
        assert_eq!(before(&Digest::ZERO), Digest::ZERO);
        assert!(before(&digest("1")) < digest("1"));
    }

    #[test]
    fn a_name_leads_to_what_is_here_and_else_to_what_was() {
        let entry = |n: u8, removed: bool, forgotten: bool| DocumentEntry {
            id: DocumentId(Digest::from_bytes([n; 32])),
            collection: CollectionId(Digest::ZERO),
            name: None,
            author: None,
            heads: Vec::new(),
            version: None,
            removed,
            forgotten,
            bytes: 0,
        };
        let (removed, forgotten, live) = (
            entry(1, true, false),
            entry(2, false, true),
            entry(3, false, false),
        );
        let of = |found: &[&DocumentEntry]| {
            let found: Vec<_> = found.iter().map(|one| (*one).clone()).collect();
            of_name("notes/readme", &found)
        };
        assert_eq!(of(&[&removed, &live, &forgotten]), Ok(live.id));
        assert_eq!(of(&[&removed]), Ok(removed.id));
        assert_eq!(of(&[&forgotten]), Ok(forgotten.id));
        let problem = of(&[&removed, &forgotten]).unwrap_err();
        assert_eq!(problem.code, Code::Removed);
        assert_eq!(problem.about.candidates, [removed.id, forgotten.id]);
        assert_eq!(of(&[]).unwrap_err().code, Code::UnknownDocument);
    }

    #[test]
    fn several_documents_are_named_in_the_problem() {
        let ids = [1, 2].map(|n| DocumentId(Digest::from_bytes([n; 32])));
        let problem = one("notes/readme", ids.to_vec()).unwrap_err();
        assert_eq!(problem.code, Code::Ambiguous);
        assert_eq!(problem.about.candidates, ids);
        assert!(problem.detail.contains(&ids[1].to_string()));
    }
}
