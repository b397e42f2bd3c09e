//! Private networks: a pre-shared key and an allow-list.

use decube_node::network::{
    Config,
    channel::{Channel, RefusalKind},
};
use libp2p::pnet::PreSharedKey;
use tokio::time::timeout;

use super::{
    super::{HANG, Node, ask_on_each_protocol, id, key, pair, settings, start},
    only_channel, refusal,
};

pub fn preshared(byte: u8) -> PreSharedKey {
    PreSharedKey::new([byte; 32])
}

#[tokio::test]
async fn those_with_the_key_meet_and_others_do_not() {
    let with = |number: Option<u8>| {
        move |config: &mut Config| config.preshared_key = number.map(preshared)
    };
    let (mut alice, mut bob) = pair(with(Some(1))).await;
    ask_on_each_protocol(&mut alice, &mut bob).await;
    assert!(only_channel(&alice).await.unwrap().is_post_quantum());
    // What comes under another key or none is noise, and ends as such or when its time is over.
    let refusals = |node: &Node| {
        let counts = node.handle.channels();
        let all = RefusalKind::ALL.into_iter();
        all.map(|kind| counts.refused(kind)).sum::<u64>()
    };
    let before = refusals(&alice);
    let made = alice.handle.channels().made(Channel::PostQuantum);
    let stranger = async |number| {
        let mut config = settings(&key());
        with(number)(&mut config);
        let stranger = start(config).await;
        stranger
            .handle
            .dial(alice.address.clone())
            .await
            .unwrap_err();
        assert_eq!(stranger.handle.channels().made(Channel::PostQuantum), 0);
    };
    futures::join!(stranger(Some(2)), stranger(None));
    let both = async {
        while refusals(&alice) < before + 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(HANG, both).await.unwrap();
    assert_eq!(alice.handle.channels().made(Channel::PostQuantum), made);
    assert_eq!(alice.handle.peers().await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_allow_list_turns_strangers_away_before_any_protocol() {
    let (member, friend, stranger) = (key(), key(), key());
    let mut config = settings(&key());
    config.replicas = vec![id(&member)];
    config.allowed = Some(vec![id(&friend)]);
    let mut alice = start(config).await;
    for (who, may) in [(&member, true), (&friend, true), (&stranger, false)] {
        let node = start(settings(who)).await;
        let dialled = node.handle.dial(alice.address.clone()).await;
        assert_eq!(dialled.is_ok(), may, "{dialled:?}");
    }
    let reason = refusal(&mut alice, RefusalKind::NotAllowed).await;
    assert!(reason.contains(&id(&stranger).to_string()), "{reason}");
    // The list holds for those whom the node dials, too.
    let node = start(settings(&stranger)).await;
    let dialled = alice.handle.dial(node.address.clone()).await;
    assert!(dialled.unwrap_err().to_string().contains("allow-list"));
}
