//! A hostile peer: of the same network, with a network of bytes only.

use bytes::Bytes;
use decube_crypto::SecretKey;
use decube_node::network::{
    Audience, Command, Config, Event, Inboxes, Lane, NetworkHandle, NetworkName, Protocol,
    RequestError, spawn,
};
use libp2p::{Multiaddr, PeerId, identity::Keypair, multiaddr};

use super::super::{HANG, connected, disconnected, id, settings, wait};
use super::world::World;

/// The hostile peer.
pub struct Mallory {
    pub handle: NetworkHandle,
    pub inboxes: Inboxes,
    pub victim: PeerId,
    address: Option<Multiaddr>,
    asked: u64,
}

/// The name of the network of a world.
pub fn name(world: &World) -> NetworkName {
    let mut prefix = [0; 8];
    prefix.copy_from_slice(&world.network.0.as_bytes()[..8]);
    NetworkName::new(prefix)
}

pub fn keypair(key: &SecretKey) -> Keypair {
    Keypair::ed25519_from_bytes(*key.to_seed()).unwrap()
}

impl Mallory {
    /// A stranger with a new key, connected to the first node.
    pub async fn stranger(world: &World) -> Self {
        Self::with_key(world, &super::super::key()).await
    }

    /// A peer with a key of its choice.
    pub async fn with_key(world: &World, key: &Keypair) -> Self {
        let mut mallory = Self::alone(world, key);
        mallory.dial(world).await;
        mallory
    }

    /// Not connected, but to be found at [`Self::address`].
    pub async fn alone_listening(world: &World, key: &Keypair) -> Self {
        let mut mallory = Self::alone(world, key);
        let address = wait(&mut mallory.inboxes.bookkeeping, |event| match event {
            Event::Listening(address) => Some(address),
            _ => None,
        })
        .await;
        mallory.address = Some(address.with(multiaddr::Protocol::P2p(id(key))));
        mallory
    }

    /// Where it listens.
    pub fn address(&self) -> Multiaddr {
        self.address.clone().unwrap()
    }

    /// Answers the victim's questions, until `answer` says that this was the last.
    pub async fn answer_until(
        &mut self,
        lane: Lane,
        mut answer: impl FnMut(&[u8]) -> (Vec<u8>, bool),
    ) {
        let mut is_last = false;
        while !is_last {
            let answered = |body: &[u8]| {
                let (body, last) = answer(body);
                is_last = last;
                Some(body)
            };
            self.answer(lane, answered).await;
        }
    }

    /// Not connected yet.
    pub fn alone(world: &World, key: &Keypair) -> Self {
        let validators: Vec<_> = world
            .genesis
            .validators
            .iter()
            .map(|validator| decube_protocols::types::peer_id(&validator.peer))
            .collect();
        let is_validator = validators.contains(&id(key));
        let config = Config {
            network: name(world),
            validators: if is_validator { validators } else { Vec::new() },
            ..settings(key)
        };
        let (handle, inboxes) = spawn(config).unwrap();
        Self {
            handle,
            inboxes,
            victim: world.victim(),
            address: None,
            asked: 0,
        }
    }

    pub async fn dial(&mut self, world: &World) {
        assert_eq!(
            self.handle.dial(world.members[0].address.clone()).await,
            Ok(self.victim)
        );
        connected(&mut self.inboxes.documents, self.victim).await;
        connected(&mut self.inboxes.consensus, self.victim).await;
    }

    /// Asks the victim and waits for what comes of it.
    pub async fn ask(
        &mut self,
        protocol: Protocol,
        body: impl Into<Bytes>,
    ) -> Result<Bytes, RequestError> {
        self.asked += 1;
        let (to, id, body) = (self.victim, self.asked, body.into());
        self.handle
            .command(Command::Request {
                to,
                protocol,
                id,
                body,
            })
            .await
            .unwrap();
        let inbox = match protocol.lane() {
            Lane::Consensus => &mut self.inboxes.consensus,
            Lane::Documents => &mut self.inboxes.documents,
        };
        wait(inbox, |event| match event {
            Event::Response {
                id: answered,
                result,
                ..
            } => (answered == id).then_some(result),
            _ => None,
        })
        .await
    }

    /// Takes part in a topic of the victim's.
    pub async fn join(&mut self, topic: &str) {
        let (topic, lane) = (topic.to_owned(), Lane::Documents);
        self.handle
            .command(Command::Subscribe {
                audience: match topic.ends_with("/final/1") {
                    true => Audience::Everyone,
                    false => Audience::Nodes,
                },
                topic: topic.clone(),
                lane,
            })
            .await
            .unwrap();
        let victim = self.victim;
        wait(&mut self.inboxes.documents, |event| match event {
            Event::Subscribed { peer, topic: to } => (peer == victim && to == topic).then_some(()),
            _ => None,
        })
        .await;
    }

    pub async fn publish(&self, topic: &str, data: impl Into<Bytes>) {
        let (topic, data) = (topic.to_owned(), data.into());
        self.handle
            .command(Command::Publish { topic, data })
            .await
            .unwrap();
    }

    /// The next question of the victim, answered by `answer`.
    pub async fn answer(&mut self, lane: Lane, mut answer: impl FnMut(&[u8]) -> Option<Vec<u8>>) {
        let victim = self.victim;
        let inbox = match lane {
            Lane::Consensus => &mut self.inboxes.consensus,
            Lane::Documents => &mut self.inboxes.documents,
        };
        let (token, body) = wait(inbox, |event| match event {
            Event::Request {
                from, token, body, ..
            } if from == victim => answer(&body).map(|body| (token, body)),
            _ => None,
        })
        .await;
        self.handle
            .command(Command::Respond {
                token,
                body: body.into(),
            })
            .await
            .unwrap();
    }

    /// Waits until the victim has disconnected this peer, in an inbox that is not read otherwise.
    pub async fn is_thrown_out(&mut self, unread: Lane) {
        let inbox = match unread {
            Lane::Consensus => &mut self.inboxes.consensus,
            Lane::Documents => &mut self.inboxes.documents,
        };
        disconnected(inbox, self.victim).await;
    }

    pub async fn end(self) {
        tokio::time::timeout(HANG, self.handle.shutdown())
            .await
            .unwrap();
    }
}
