//! Two networks on one machine never mix, even when they dial each other.

use std::path::Path;
use std::time::Duration;

use decube_node::api::Code;
use decube_node::api::types::{CreateCollection, Wait};
use decube_testnet::local::{Layout, Member, Program, Spec, Testnet};

async fn network(directory: &Path, name: &str) -> Testnet {
    let spec = Spec {
        name: name.into(),
        validators: 1,
    };
    let layout = Layout::create(&directory.join(name), &spec).unwrap();
    let path = env!("CARGO_BIN_EXE_decube-testnet").into();
    let program = Program {
        path,
        arguments: vec!["node".into()],
    };
    Testnet::start(layout, program).await.unwrap()
}

/// Has `dialler` dial `other` of another network, which it must notice and refuse.
async fn dial(dialler: &Member, other: &Member) {
    let error = dialler
        .client
        .add_peer(&other.plan.address())
        .await
        .unwrap_err();
    let problem = error.problem().unwrap_or_else(|| panic!("{error}"));
    assert_eq!(problem.code, Code::Unreachable, "{problem}");
}

async fn height(member: &Member) -> u64 {
    member.client.status().await.unwrap().final_height.0
}

async fn create(member: &Member, name: &str) {
    let new = CreateCollection {
        name: name.parse().unwrap(),
        write_quorum: None,
        wait: Wait::Final,
        timeout_ms: Some(60_000),
    };
    member.client.create_collection(&new).await.unwrap();
}

/// The names of a node's peers' ids, sorted.
async fn peers(member: &Member) -> Vec<String> {
    let peers = member.client.peers().await.unwrap().peers;
    let mut ids: Vec<String> = peers.into_iter().map(|peer| peer.peer).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn two_networks_that_dial_each_other_stay_apart() {
    let folder = tempfile::tempdir().unwrap();
    let one = network(folder.path(), "one").await;
    let two = network(folder.path(), "two").await;
    for (here, there) in [(&one, &two), (&two, &one)] {
        for dialler in &here.members {
            for other in &there.members {
                dial(dialler, other).await;
            }
        }
    }
    let before = height(&two.members[0]).await;
    for name in ["a", "b", "c"] {
        create(&one.members[0], name).await;
    }
    // Whatever was dialled has had time to do harm.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(height(&one.members[0]).await >= 3);
    let known = two.members[1]
        .client
        .collections()
        .await
        .unwrap()
        .collections;
    assert_eq!(known, [], "a collection came over from the other network");
    assert!(
        height(&two.members[0]).await <= before + 1,
        "only its own idle blocks come"
    );
    for testnet in [&one, &two] {
        for member in &testnet.members {
            let others = testnet
                .members
                .iter()
                .filter(|other| other.plan.peer != member.plan.peer);
            let own: Vec<String> = others.map(|other| other.plan.peer.to_string()).collect();
            assert_eq!(
                peers(member).await,
                own,
                "{} has strangers",
                member.plan.name
            );
        }
    }
    one.stop().unwrap();
    two.stop().unwrap();
}
