//! The client against servers that misbehave; `cli/tests` holds it against a node.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::{Client, ClientError, Endpoint, Selection};
use crate::api::Code;

/// Answers each connection with the bytes of one entry, after a request has come, and closes it.
fn server(path: &Path, answers: Vec<String>) {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer).await.unwrap();
            assert!(length > 0, "a request comes first");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
}

fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn client(path: &Path) -> Client {
    Client::new(Endpoint::Unix(path.into()))
}

#[tokio::test]
async fn without_a_socket_no_node_is_running() {
    let directory = tempfile::tempdir().unwrap();
    let error = client(&directory.path().join("decube.sock"))
        .status()
        .await
        .unwrap_err();
    assert!(error.is_not_running(), "{error}");
    assert!(error.to_string().contains("decube up"));
}

#[tokio::test]
async fn a_problem_keeps_its_code_and_another_error_is_not_taken_for_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let problem = r#"{"type":"urn:x","title":"t","status":404,"detail":"gone fishing",
        "code":"unknown_document"}"#;
    server(
        &path,
        vec![
            answer("404 Not Found", problem),
            answer("502 Bad Gateway", "<html>"),
        ],
    );
    let client = client(&path);
    let error = client.document("notes/readme").await.unwrap_err();
    assert_eq!(
        error.problem().map(|problem| problem.code),
        Some(Code::UnknownDocument)
    );
    assert_eq!(error.to_string(), "gone fishing");
    let error = client.document("notes/readme").await.unwrap_err();
    assert!(
        matches!(error, ClientError::NotAProblem { status: 502 }),
        "{error}"
    );
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    server(&path, vec![answer("200 OK", r#"{"collections":[]}"#); 3]);
    let client = client(&path);
    for _ in 0..3 {
        assert!(client.collections().await.unwrap().collections.is_empty());
        // Lets the closing of the connection be noticed, or not: both must work.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    server(
        &path,
        vec![
            "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".into(),
            String::new(),
        ],
    );
    let client = client(&path);
    for _ in 0..2 {
        let error = client
            .read("abcd", "", &Selection::Current, false)
            .await
            .unwrap_err();
        assert!(matches!(error, ClientError::Broken(_)), "{error}");
    }
}

/// Starts the only node of a network in `directory`, and its API.
async fn solo(directory: &Path) -> (crate::Node, crate::api::Server) {
    use decube_protocols::types::{
        Genesis, NetworkFile, Parameters, Power, Replica, Timestamp, Validator, VoteScheme,
    };
    use decube_store::keys::{self, KeyKind};
    for kind in KeyKind::ALL {
        keys::make(directory, kind).unwrap();
    }
    let peer = keys::read(directory, KeyKind::Peer).unwrap().public();
    let name = String::from("solo");
    let key = keys::read_validator(directory).unwrap().public();
    let genesis = Genesis {
        name: name.clone(),
        created: Timestamp(1_700_000_000_000),
        parameters: Parameters {
            delta_ms: 30,
            idle_ms: 10_000,
            drift_ms: 5_000,
            signature: VoteScheme::Hybrid,
            write_quorum: 1,
        },
        validators: vec![Validator {
            name: name.clone(),
            key,
            peer,
            power: Power(1),
        }],
        replicas: vec![Replica { name, peer }],
    };
    decube_store::Store::create(directory, &genesis.network_id()).unwrap();
    let path = directory.join(decube_store::network::NETWORK_FILE);
    let file = NetworkFile {
        bootstrap: vec![],
        genesis,
    };
    decube_store::network::write(&path, &file).unwrap();
    let said = crate::settings::Overrides {
        listen: Some(vec![]),
        ..Default::default()
    };
    let settings = crate::settings::Settings::resolve(&[said]).unwrap();
    let config = crate::run::load(
        directory,
        &settings,
        crate::run::Keys::read(directory).unwrap(),
    )
    .unwrap();
    let node = crate::Node::start(config).await.unwrap();
    let api = crate::api::ApiConfig {
        socket: crate::run::socket(directory),
        tcp: None,
    };
    let server = crate::api::serve(node.handle(), api).await.unwrap();
    (node, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_route_is_there_and_takes_its_method() {
    let directory = tempfile::tempdir().unwrap();
    let (node, server) = solo(directory.path()).await;
    let client = client(&crate::run::socket(directory.path()));
    let (_, bytes) = client
        .call(hyper::Method::GET, "/openapi.json", bytes::Bytes::new())
        .await
        .unwrap();
    let document: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let mut seen = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        // A stream has no end to wait for.
        if path == "/v1/events" {
            client.events(&super::EventFilter::default()).await.unwrap();
            continue;
        }
        let parts = path.split('/').map(|part| {
            if part.starts_with('{') {
                "77777777"
            } else {
                part
            }
        });
        let path = parts.collect::<Vec<_>>().join("/");
        for method in methods.as_object().unwrap().keys() {
            let method = method.to_uppercase().parse().unwrap();
            let result = client.call(method, &path, bytes::Bytes::new()).await;
            let code = result
                .err()
                .and_then(|error| error.problem().map(|problem| problem.code));
            assert_ne!(code, Some(Code::UnknownRoute), "{path}");
            assert_ne!(code, Some(Code::MethodNotAllowed), "{path}");
            seen += 1;
        }
    }
    assert_eq!(
        seen, 30,
        "a route is missing in the OpenAPI document, or here"
    );
    for (method, path, expected) in [
        (hyper::Method::GET, "/v2/status", Code::UnknownRoute),
        (hyper::Method::PUT, "/v1/status", Code::MethodNotAllowed),
        (hyper::Method::POST, "/v1/commits", Code::Malformed),
        (hyper::Method::GET, "/v1/status?wiat=ready", Code::Malformed),
    ] {
        let error = client
            .call(method, path, bytes::Bytes::new())
            .await
            .unwrap_err();
        assert_eq!(
            error.problem().map(|problem| problem.code),
            Some(expected),
            "{path}"
        );
    }
    server.stop().await;
    // A client that kept a connection may write to it before it learns that it is closed.
    let fresh = Client::new(Endpoint::Unix(crate::run::socket(directory.path())));
    assert!(
        fresh
            .status()
            .await
            .is_err_and(|error| error.is_not_running())
    );
    node.handle().shutdown();
    node.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_or_malformed_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (_node, _server) = solo(directory.path()).await;
    let client = client(&crate::run::socket(directory.path()));
    for (body, expected) in [
        (vec![b' '; crate::api::MAX_BODY + 1], Code::TooLarge),
        (b"{\"documents\": [".to_vec(), Code::Malformed),
        (
            b"{\"documents\": [], \"wiat\": \"final\"}".to_vec(),
            Code::Malformed,
        ),
        (vec![0xff; 100], Code::Malformed),
        (
            [b"[".repeat(100_000), b"]".repeat(100_000)].concat(),
            Code::Malformed,
        ),
    ] {
        let result = client
            .call(hyper::Method::POST, "/v1/commits", body.into())
            .await;
        let code = result.unwrap_err().problem().map(|problem| problem.code);
        assert_eq!(code, Some(expected));
    }
    let garbage = client.submit(vec![7; 50], crate::api::types::Wait::Final, Duration::ZERO);
    let code = garbage
        .await
        .unwrap_err()
        .problem()
        .map(|problem| problem.code);
    assert_eq!(code, Some(Code::Malformed));
}
