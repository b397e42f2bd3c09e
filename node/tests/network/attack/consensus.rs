//! A validator that lies to the others: three honest of four go on.

use decube_crypto::Digest;
use decube_node::network::{Command, Lane, Priority};
use decube_protocols::commit::ConsensusMessage;
use decube_protocols::types::{
    Action, Block, BlockId, Certificate, CollectionName, CreateCollection, Epoch, Height, Proposal,
    Statement, Subject, Transaction, ValidatorIndex, View, Vote,
};
use decube_protocols::wire;

use super::forge::{garbage, mangled};
use super::mallory::{Mallory, keypair};
use super::world::{Keys, World};

/// The validator that mallory is.
const OWN: u8 = 3;

fn vote(world: &World, view: View, statement: Statement, signer: u16, key: u8) -> Vec<u8> {
    let signed = statement.to_sign(&world.network, Epoch(0), view);
    let signature = Keys::of(key).validator.sign(&signed);
    let signer = ValidatorIndex(signer);
    let vote = Vote {
        epoch: Epoch(0),
        view,
        statement,
        signer,
        signature,
    };
    wire::encode(&ConsensusMessage::Vote {
        vote,
        repeated: false,
    })
}

fn proposal(world: &World, view: View, key: u8, time: u64) -> Vec<u8> {
    let mut header = world.tip();
    header.parent = header.id();
    header.height = Height(header.height.0 + 1);
    let parent_view = header.view;
    header.view = view;
    header.time.0 += time;
    let block = Block {
        header,
        transactions: Vec::new(),
    };
    let subject = Subject {
        parent_view,
        block: block.id(),
    };
    let signed = Proposal::to_sign(&world.network, Epoch(0), view, &subject);
    let signature = Keys::of(key).validator.sign(&signed);
    let proposal = Proposal {
        epoch: Epoch(0),
        view,
        parent_view,
        block,
        signature,
    };
    wire::encode(&ConsensusMessage::Proposal(proposal))
}

fn certificate(world: &World, view: View, signers: &[(u16, u8)]) -> Vec<u8> {
    let statement = Statement::Nullify;
    let signed = statement.to_sign(&world.network, Epoch(0), view);
    let sign = |(index, number): &(u16, u8)| {
        let signature = Keys::of(*number).validator.sign(&signed);
        (ValidatorIndex(*index), signature)
    };
    let signatures = signers.iter().map(sign).collect();
    let certificate = Certificate {
        epoch: Epoch(0),
        view,
        statement,
        signatures,
    };
    wire::encode(&ConsensusMessage::Certificate(certificate))
}

/// Frames that mallory sends at once, with a name.
type Attack = (&'static str, Vec<Vec<u8>>);

/// What mallory tries. After each attack comes garbage, so that he is thrown out at the latest when
/// all was heard.
fn attacks(world: &World) -> Vec<Attack> {
    let soon = world.alice().status().view.unwrap().next();
    let valid = vote(world, soon, Statement::Nullify, u16::from(OWN), OWN);
    let name = CollectionName::new("forged").unwrap();
    let create = CreateCollection {
        name,
        write_quorum: None,
    };
    let (action, author) = (Action::CreateCollection(create), Keys::of(OWN).author);
    let signed = Transaction::sign(&world.network, action, 1, Height(40), &author);
    let forged = Transaction { nonce: 2, ..signed };
    let certificates = vec![
        certificate(world, soon, &[(3, OWN), (3, OWN), (3, OWN)]),
        certificate(world, soon, &[(0, OWN), (1, OWN), (2, OWN)]),
        certificate(world, soon, &[(3, OWN)]),
        certificate(world, View(u64::MAX), &[]),
    ];
    let transactions = vec![wire::encode(&ConsensusMessage::Transactions(vec![forged]))];
    let mut attacks = vec![
        ("garbage", Vec::new()),
        ("mangled votes", mangled(&valid)),
        ("mangled proposals", mangled(&proposal(world, soon, OWN, 1))),
        ("certificates", certificates),
        ("transactions", transactions),
    ];
    attacks.extend(votes(world));
    attacks.extend(proposals(world));
    attacks
}

fn votes(world: &World) -> [Attack; 4] {
    let own = u16::from(OWN);
    let now = world.alice().status().view.unwrap();
    let soon = now.next();
    let subject = |text: &[u8]| Subject {
        parent_view: world.tip().view,
        block: BlockId(Digest::of("decube/test/1", &[text])),
    };
    let notarize = |text: &[u8]| Statement::Notarize(subject(text));
    let finalize = |text: &[u8]| Statement::Finalize(subject(text));
    let of_others = vec![
        vote(world, soon, Statement::Nullify, 0, OWN),
        vote(world, soon, Statement::Nullify, 1, OWN),
        vote(world, soon, notarize(b"a"), 77, OWN),
    ];
    let unsigned = vec![
        vote(world, soon, Statement::Nullify, own, 0),
        vote(world, soon, notarize(b"a"), own, 8),
    ];
    let contradictions = vec![
        vote(world, now, notarize(b"a"), own, OWN),
        vote(world, now, notarize(b"b"), own, OWN),
        vote(world, now, finalize(b"a"), own, OWN),
        vote(world, now, Statement::Nullify, own, OWN),
    ];
    let far = vec![
        vote(world, View(0), Statement::Nullify, own, OWN),
        vote(world, View(u64::MAX), Statement::Nullify, own, OWN),
        vote(world, View(u64::MAX / 2), finalize(b"a"), own, OWN),
    ];
    [
        ("votes that others would have signed", of_others),
        ("votes that he did not sign", unsigned),
        ("votes that contradict each other", contradictions),
        ("votes of views far away", far),
    ]
}

fn proposals(world: &World) -> [Attack; 2] {
    let now = world.alice().status().view.unwrap();
    let validators = world.genesis.validator_set();
    let (own, others): (Vec<View>, Vec<View>) = (now.0..now.0 + 4)
        .map(View)
        .partition(|view| validators.leader(*view) == ValidatorIndex(u16::from(OWN)));
    let of_others = |view: &View| [proposal(world, *view, OWN, 1), proposal(world, *view, 0, 2)];
    let two = |view: &View| {
        [
            proposal(world, *view, OWN, 1),
            proposal(world, *view, OWN, 2),
        ]
    };
    [
        (
            "proposals of another's view",
            others.iter().flat_map(of_others).collect(),
        ),
        (
            "two blocks for one view of his",
            own.iter().flat_map(two).collect(),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_that_lies_is_thrown_out_and_the_others_go_on() {
    let mut world = World::new(4, 3).await;
    let count = attacks(&world).len();
    for number in 0..count {
        let before = world.snapshot().await;
        let key = keypair(&Keys::of(OWN).peer);
        let mut mallory = Mallory::with_key(&world, &key).await;
        let (name, frames) = attacks(&world).swap_remove(number);
        println!("{name}");
        for frame in frames.into_iter().chain(garbage()) {
            assert!(
                mallory
                    .handle
                    .send(&mallory.victim, Priority::Vote, frame.into())
            );
        }
        mallory.is_thrown_out(Lane::Documents).await;
        assert_eq!(world.snapshot().await, before, "{name}");
        mallory.end().await;
        world.serves().await;
        // So that the next attack is heard.
        let forgive = Command::Unban(key.public().to_peer_id());
        world.alice().network().command(forgive).await.unwrap();
    }
    world.end().await;
}
