//! What the control API answers when it does not do what was asked: problem details (RFC 9457)
//! with a stable code.

use std::fmt;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use decube_protocols::types::{DocumentId, Height, TransactionId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type of problem details (RFC 9457, section 3).
pub const MEDIA_TYPE: &str = "application/problem+json";

/// What went wrong, for programs: the codes stay what they are from version to version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request cannot be understood: malformed JSON, a bad id, pointer or parameter.
    Malformed,
    /// The bearer token is missing or wrong.
    Unauthorized,
    /// There is no such route.
    UnknownRoute,
    /// The route does not take this method.
    MethodNotAllowed,
    /// The body is larger than the route takes.
    TooLarge,
    /// There is no such document at this node.
    UnknownDocument,
    /// There is no such collection at this node.
    UnknownCollection,
    /// The document lacks one of the named heads.
    UnknownHead,
    /// The pointer names nothing in the document.
    UnknownPath,
    /// There is no final block at that height.
    UnknownBlock,
    /// The peer is not known or not connected.
    UnknownPeer,
    /// No version of the document is committed at that height.
    NotCommitted,
    /// The document is removed.
    Removed,
    /// This node forgot the document.
    Forgotten,
    /// The reference names several documents.
    Ambiguous,
    /// The patch does not apply; nothing was changed.
    EditRefused,
    /// The file is no usable Automerge file; nothing was changed.
    InvalidFile,
    /// The expected previous version is not the last committed one; nothing was submitted.
    PreviousDiffers,
    /// The commit cannot be made into a transaction; nothing was submitted.
    Unsubmittable,
    /// The transaction is in a final block and had no effect.
    Rejected,
    /// The transaction was not included up to its last height and never will be.
    Expired,
    /// Too few replicas signed that they hold the version; nothing was submitted.
    TooFewReceipts,
    /// What was waited for did not happen in time.
    TimedOut,
    /// The peer could not be reached, or does not answer.
    Unreachable,
    /// The node has too much to do; try again later.
    Busy,
    /// The node is stopping.
    Stopping,
    /// The document on disk is damaged or cannot be shown.
    Damaged,
    /// The store failed.
    Store,
    /// A code that this version of the client does not know.
    #[serde(other)]
    Unknown,
}

impl Code {
    /// The HTTP status that goes with the code.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::UnknownRoute
            | Self::UnknownDocument
            | Self::UnknownCollection
            | Self::UnknownHead
            | Self::UnknownPath
            | Self::UnknownBlock
            | Self::UnknownPeer
            | Self::NotCommitted => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Removed | Self::Forgotten => StatusCode::GONE,
            Self::Ambiguous | Self::PreviousDiffers | Self::Rejected | Self::Expired => {
                StatusCode::CONFLICT
            }
            Self::EditRefused | Self::InvalidFile | Self::Unsubmittable => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::TooFewReceipts | Self::Busy | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Self::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            Self::Unreachable => StatusCode::BAD_GATEWAY,
            Self::Damaged | Self::Store | Self::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// One line that is the same for all problems of this code.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Malformed => "the request cannot be understood",
            Self::Unauthorized => "the bearer token is missing or wrong",
            Self::UnknownRoute => "there is no such route",
            Self::MethodNotAllowed => "the route does not take this method",
            Self::TooLarge => "the body is too large",
            Self::UnknownDocument => "there is no such document",
            Self::UnknownCollection => "there is no such collection",
            Self::UnknownHead => "the document does not have these heads",
            Self::UnknownPath => "the pointer names nothing",
            Self::UnknownBlock => "there is no such final block",
            Self::UnknownPeer => "the peer is not connected",
            Self::NotCommitted => "no version of the document is committed",
            Self::Removed => "the document is removed",
            Self::Forgotten => "this node forgot the document",
            Self::Ambiguous => "several documents are meant",
            Self::EditRefused => "the patch does not apply",
            Self::InvalidFile => "the file cannot be imported",
            Self::PreviousDiffers => "another version was committed meanwhile",
            Self::Unsubmittable => "the transaction cannot be made",
            Self::Rejected => "the transaction had no effect",
            Self::Expired => "the transaction expired",
            Self::TooFewReceipts => "too few replicas hold the version",
            Self::TimedOut => "it did not happen in time",
            Self::Unreachable => "the peer cannot be reached",
            Self::Busy => "the node has too much to do",
            Self::Stopping => "the node is stopping",
            Self::Damaged => "the document cannot be loaded",
            Self::Store => "the store failed",
            Self::Unknown => "an unknown problem",
        }
    }

    /// The code as it stands in JSON.
    #[must_use]
    pub fn name(self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(name)) => name,
            Ok(_) | Err(_) => String::from("unknown"),
        }
    }
}

/// Problem details as of RFC 9457, with members of this API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URN made of the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// One line, the same for all problems of this code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time, and what can be done.
    pub detail: String,
    /// What is wrong, for programs.
    pub code: Code,
    /// What it is about, as far as there is such a thing.
    #[serde(flatten)]
    pub about: Box<About>,
}

/// What a problem is about; boxed in it, since most problems have none of this.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct About {
    /// The transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub transaction: Option<TransactionId>,
    /// The height of the final block that decided it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub height: Option<Height>,
    /// The documents that an ambiguous reference may mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub candidates: Vec<DocumentId>,
}

impl Problem {
    /// A problem of `code`; `detail` says what is wrong this time.
    #[must_use]
    pub fn new(code: Code, detail: impl fmt::Display) -> Self {
        Self {
            kind: format!("urn:decube:problem:{}", code.name()),
            title: code.title().into(),
            status: code.status().as_u16(),
            detail: detail.to_string(),
            code,
            about: Box::default(),
        }
    }

    /// Names the transaction that the problem is about.
    #[must_use]
    pub fn about(mut self, transaction: Option<TransactionId>) -> Self {
        self.about.transaction = transaction;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.code.status(), Json(&self)).into_response();
        let media_type = HeaderValue::from_static(MEDIA_TYPE);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, media_type);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_keeps_its_code_and_omits_what_it_has_not() {
        let problem = Problem::new(Code::PreviousDiffers, "version ab was committed");
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["code"], "previous_differs");
        assert_eq!(json["type"], "urn:decube:problem:previous_differs");
        assert_eq!(json["status"], 409);
        assert!(json.get("transaction").is_none());
        assert_eq!(serde_json::from_value::<Problem>(json).unwrap(), problem);
    }

    #[test]
    fn a_code_of_a_newer_node_is_unknown_and_not_an_error() {
        let json = serde_json::json!({
            "type": "urn:x", "title": "t", "status": 418, "detail": "d", "code": "teapot",
        });
        assert_eq!(
            serde_json::from_value::<Problem>(json).unwrap().code,
            Code::Unknown
        );
    }
}
