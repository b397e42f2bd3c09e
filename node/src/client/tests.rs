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
            stream.read(&mut buffer).await.unwrap();
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
