//! Which version of a document a request means: heads or a committed version by the first digits of
//! their hashes, or the one that was final at a height.

use decube_protocols::documents::{Command, DocumentEntry, Reply};
use decube_protocols::types::{ChangeHash, CommittedDocument, DocumentId, Height, Version};

use super::extract::{parse, parse_list};
use super::reads::{self, Finals};
use super::reference::unexpected;
use super::types::{FinalVersion, HashPrefix};
use super::{Api, Code, Problem};

/// How many hashes an ambiguous prefix is answered with at most.
const MAX_CANDIDATES: usize = 16;

impl Api {
    /// A document's entry.
    pub(in crate::api) async fn entry(
        &self,
        document: DocumentId,
    ) -> Result<DocumentEntry, Problem> {
        let Reply::Document(entry) = self.command(Command::Describe { document }).await? else {
            return Err(unexpected());
        };
        Ok(entry)
    }

    /// The last committed version of a document.
    pub(in crate::api) async fn last_committed(
        &self,
        document: DocumentId,
    ) -> Result<Option<FinalVersion>, Problem> {
        let collection = self.entry(document).await?.collection;
        self.read(move |handle| {
            let finals = Finals::at(handle.store().chain(), None)?;
            Ok(finals
                .version(collection, document)?
                .map(reads::final_version))
        })
        .await
    }

    /// The heads that `at` or `committed` name, with the committed version for the latter.
    pub(in crate::api) async fn version(
        &self,
        document: DocumentId,
        at: Option<String>,
        committed: Option<String>,
    ) -> Result<(Option<Vec<ChangeHash>>, Option<FinalVersion>), Problem> {
        let at: Option<Vec<HashPrefix>> = parse_list("the head", at.as_deref())?;
        let height = match (committed.as_deref(), at) {
            (None, None) => return Ok((None, None)),
            (None, Some(at)) => return Ok((Some(self.changes(document, at).await?), None)),
            (Some(_), Some(_)) => {
                let detail = "give either `at` or `committed`, not both";
                return Err(Problem::new(Code::Malformed, detail));
            }
            (Some("latest" | ""), None) => None,
            (Some(height), None) => Some(Height(parse("the height in `committed`", height)?)),
        };
        let collection = self.entry(document).await?.collection;
        let version = self.read(move |handle| {
            let finals = Finals::at(handle.store().chain(), height)?;
            Ok(reads::final_version(
                finals.committed(collection, document)?,
            ))
        });
        let version = version.await?;
        Ok((Some(version.heads.clone()), Some(version)))
    }

    /// The changes of a document that begin with these digits. Whole hashes are not looked up.
    async fn changes(
        &self,
        document: DocumentId,
        prefixes: Vec<HashPrefix>,
    ) -> Result<Vec<ChangeHash>, Problem> {
        let whole = prefixes.iter().map(HashPrefix::whole);
        if let Some(hashes) = whole.collect() {
            return Ok(hashes);
        }
        let Reply::History(history) = self.command(Command::History { document }).await? else {
            return Err(unexpected());
        };
        let hashes: Vec<ChangeHash> = history.iter().map(|change| change.hash).collect();
        let find = |prefix: &HashPrefix| change(document, prefix, &hashes);
        prefixes.iter().map(find).collect()
    }

    /// The committed version that begins with these digits, or whose only head does. A whole one
    /// that is none is given as it is: the comparison with the last one says what is wrong with it.
    pub(in crate::api) async fn committed_version(
        &self,
        document: DocumentId,
        prefix: &HashPrefix,
    ) -> Result<Version, Problem> {
        let collection = self.entry(document).await?.collection;
        let versions = self.read(move |handle| {
            Finals::at(handle.store().chain(), None)?.versions(collection, document)
        });
        committed(document, prefix, &versions.await?)
    }
}

/// The change among `hashes` that begins with `prefix`.
fn change(
    document: DocumentId,
    prefix: &HashPrefix,
    hashes: &[ChangeHash],
) -> Result<ChangeHash, Problem> {
    if let Some(hash) = prefix.whole() {
        return Ok(hash);
    }
    let found = hashes.iter().filter(|hash| prefix.begins(*hash));
    let found: Vec<&ChangeHash> = found.take(MAX_CANDIDATES).collect();
    match found.as_slice() {
        [hash] => Ok(**hash),
        [] => Err(Problem::new(
            Code::UnknownHead,
            format!(
                "no change of the document {document} begins with {prefix}; `decube doc history` \
                 lists them"
            ),
        )),
        [_, _, ..] => Err(ambiguous(prefix, "changes", &found)),
    }
}

/// The version among `versions` that `prefix` begins, or that has the only head that it begins.
fn committed(
    document: DocumentId,
    prefix: &HashPrefix,
    versions: &[CommittedDocument],
) -> Result<Version, Problem> {
    let named = |committed: &CommittedDocument| {
        let version = committed.heads.version();
        let only = match committed.heads.as_slice() {
            [head] => prefix.begins(head),
            [] | [_, _, ..] => false,
        };
        (only || prefix.begins(&version)).then_some(version)
    };
    let found: Vec<Version> = versions.iter().filter_map(named).collect();
    match found.as_slice() {
        [version] => Ok(*version),
        [] => match prefix.whole() {
            Some(version) => Ok(version),
            None => Err(Problem::new(
                Code::PreviousDiffers,
                format!(
                    "no committed version of {document} begins with {prefix}, and none has a \
                     single head that does; nothing was submitted"
                ),
            )),
        },
        [_, _, ..] => Err(ambiguous(prefix, "committed versions", &found)),
    }
}

fn ambiguous(prefix: &HashPrefix, what: &str, found: &[impl ToString]) -> Problem {
    let all = found.iter().take(MAX_CANDIDATES);
    let all: Vec<String> = all.map(ToString::to_string).collect();
    let detail = format!(
        "several {what} begin with {prefix}, give more digits: {}",
        all.join(", ")
    );
    Problem::new(Code::Ambiguous, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use decube_crypto::Digest;
    use decube_protocols::types::{Heads, TransactionId};

    fn hash(first: u8, rest: u8) -> ChangeHash {
        let mut bytes = [rest; 32];
        bytes[..4].fill(first);
        ChangeHash(Digest::from_bytes(bytes))
    }

    fn prefix(text: &str) -> HashPrefix {
        text.parse().unwrap()
    }

    #[test]
    fn a_change_is_found_by_its_first_digits_when_they_are_its_alone() {
        let document = DocumentId(Digest::ZERO);
        let hashes = [hash(0xaa, 1), hash(0xaa, 2), hash(0xbb, 3)];
        let find = |text: &str| change(document, &prefix(text), &hashes);
        assert_eq!(find("bbbbbbbb"), Ok(hashes[2]));
        assert_eq!(find("AAAAAAAA02"), Ok(hashes[1]));
        let both = find("aaaaaaaa").unwrap_err();
        assert_eq!(both.code, Code::Ambiguous);
        assert!(both.detail.contains(&hashes[0].to_string()), "{both}");
        assert_eq!(find("cccccccc").unwrap_err().code, Code::UnknownHead);
        let other = hash(0xdd, 4);
        assert_eq!(find(&other.to_string()), Ok(other));
    }

    #[test]
    fn a_committed_version_is_found_by_its_digits_or_its_only_head() {
        let document = DocumentId(Digest::ZERO);
        let version = |heads: &[ChangeHash]| CommittedDocument {
            heads: Heads::new(heads.to_vec()).unwrap(),
            height: Height(1),
            transaction: TransactionId(Digest::ZERO),
            previous: None,
        };
        let one = version(&[hash(0xaa, 1)]);
        let two = version(&[hash(0xbb, 1), hash(0xcc, 1)]);
        let all = [one.clone(), two.clone()];
        let find = |text: &str| committed(document, &prefix(text), &all);
        let (one, two) = (one.heads.version(), two.heads.version());
        assert_eq!(find(&one.to_string()[..12]), Ok(one));
        assert_eq!(find(&two.to_string()[..8]), Ok(two));
        assert_eq!(find("aaaaaaaa"), Ok(one));
        let half = find("bbbbbbbb").unwrap_err();
        assert_eq!(half.code, Code::PreviousDiffers);
        let stale = Version(Digest::from_bytes([9; 32]));
        assert_eq!(find(&stale.to_string()), Ok(stale));
    }
}
