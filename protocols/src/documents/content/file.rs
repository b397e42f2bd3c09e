//! Standard Automerge files.

use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{Automerge, TextEncoding};

use super::admission::{Admitted, Decoded};
use super::value::Reader;
use super::{Actor, Content, EditError, LoadError, Pointer, Session, from_automerge};
use crate::types::ChangeHash;

/// The largest file that is read. Automerge's files are compressed, about tenfold for text, so
/// this bounds what a hostile one can make of the memory only roughly.
pub const MAX_FILE: usize = 64 * 1024 * 1024;

/// A file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Too large.
    #[error("the file has {size} bytes, more than {MAX_FILE}")]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// Empty.
    #[error("the file is empty")]
    Empty,
    /// Not a whole Automerge file.
    #[error("the file is no Automerge document: {0}")]
    Invalid(#[from] LoadError),
    /// Its content cannot stand in a document of this network.
    #[error("the file's content cannot be taken: {0}")]
    Content(String),
}

/// A file as a document.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The document.
    pub content: Content,
    /// Its raw changes, in order.
    pub changes: Vec<Vec<u8>>,
    /// Whether the file's own changes were kept.
    pub history_kept: bool,
}

fn load(bytes: &[u8]) -> Result<Content, FileError> {
    if bytes.len() > MAX_FILE {
        return Err(FileError::TooLarge { size: bytes.len() });
    }
    if bytes.is_empty() {
        return Err(FileError::Empty);
    }
    let options = || automerge::LoadOptions::new().text_encoding(TextEncoding::UnicodeCodePoint);
    let parse = || Automerge::load_with_options(bytes, options());
    let document = match catch_unwind(AssertUnwindSafe(parse)) {
        Ok(Ok(document)) => document,
        Ok(Err(error)) => return Err(LoadError::Automerge(error.to_string()).into()),
        Err(_) => return Err(LoadError::Panicked.into()),
    };
    Ok(Content::of(document)?)
}

/// The heads of an Automerge file, sorted.
///
/// # Errors
/// [`FileError`] when it is no whole Automerge file.
pub fn file_heads(bytes: &[u8]) -> Result<Vec<ChangeHash>, FileError> {
    let content = load(bytes)?;
    let mut heads: Vec<_> = content
        .automerge()
        .get_heads()
        .into_iter()
        .map(from_automerge)
        .collect();
    heads.sort_unstable();
    Ok(heads)
}

/// Makes a document of a file.
///
/// Its changes are kept when all of them can be admitted, as those of an exported document can.
/// Changes of other actors cannot be attributed to an author of this network, so the content of
/// such a file becomes one change of `session`, or several when it is large.
///
/// # Errors
/// [`FileError`] when the file is unusable.
pub fn import(bytes: &[u8], session: &Session, time: i64) -> Result<Imported, FileError> {
    let file = load(bytes)?;
    if file.graph().is_empty() {
        return Err(FileError::Empty);
    }
    if let Some(kept) = keep(&file) {
        return Ok(kept);
    }
    let reader = Reader {
        document: file.automerge(),
        heads: None,
    };
    let (value, id) = super::read::root();
    let content = match reader.value(&value, &id, &Pointer::root()) {
        Ok(content) => content,
        Err(error) => return Err(FileError::Content(error.to_string())),
    };
    match Content::create_in_parts(session, Some(&content), time) {
        Ok((content, changes)) => Ok(Imported {
            content,
            changes: changes.into_iter().map(|change| change.bytes).collect(),
            history_kept: false,
        }),
        Err(EditError::Content(cause)) => Err(FileError::Content(cause.to_string())),
        Err(error) => Err(FileError::Content(error.to_string())),
    }
}

/// The file's own changes, if every one can be admitted.
fn keep(file: &Content) -> Option<Imported> {
    let known = |change: &automerge::ChangeMetadata<'_>| Actor::parse(&change.actor).is_ok();
    if !file.automerge().get_changes_meta(&[]).iter().all(known) {
        return None;
    }
    let changes = file.changes();
    let batch = changes
        .iter()
        .map(|bytes| Decoded::new(bytes).ok())
        .collect::<Option<Vec<_>>>()?;
    let mut content = Content::new();
    let Admitted {
        changes,
        refused,
        waiting,
    } = content.admit(batch).ok()?;
    let all = refused.is_empty() && waiting.is_empty();
    let changes = changes.into_iter().map(|(_, bytes)| bytes).collect();
    all.then_some(Imported {
        content,
        changes,
        history_kept: true,
    })
}
