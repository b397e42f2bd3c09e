//! The names of gossip topics.

use decube_protocols::types::{CollectionId, NetworkId};

/// Makes and reads the topic names of one network.
#[derive(Clone, Debug)]
pub(super) struct Topics {
    network: String,
}

impl Topics {
    pub(super) fn of(network: &NetworkId) -> Self {
        Self {
            network: network.short(),
        }
    }

    /// Where the headers of final blocks are published.
    pub(super) fn finals(&self) -> String {
        format!("/decube/{}/final/1", self.network)
    }

    /// Where the documents of a collection are announced.
    pub(super) fn collection(&self, collection: &CollectionId) -> String {
        format!("/decube/{}/collection/{collection}/1", self.network)
    }

    /// The collection of a topic, if it is one of a collection.
    pub(super) fn to_collection(&self, topic: &str) -> Option<CollectionId> {
        let id = topic
            .strip_prefix("/decube/")?
            .strip_prefix(self.network.as_str())?
            .strip_prefix("/collection/")?
            .strip_suffix("/1")?;
        id.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use decube_crypto::Digest;

    #[test]
    fn a_topic_names_its_collection_and_network() {
        let topics = Topics::of(&NetworkId(Digest::of("decube/test/1", &[])));
        let collection = CollectionId(Digest::of("decube/test/2", &[]));
        assert_eq!(
            topics.to_collection(&topics.collection(&collection)),
            Some(collection)
        );
        assert_eq!(topics.to_collection(&topics.finals()), None);
        let other = Topics::of(&NetworkId(Digest::ZERO));
        assert_eq!(other.to_collection(&topics.collection(&collection)), None);
    }
}
