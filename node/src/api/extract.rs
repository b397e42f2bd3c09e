//! Taking requests apart, with problem details for what does not fit.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use decube_protocols::documents::content::oversized_integer;
use serde::de::DeserializeOwned;

use super::{Code, Problem};

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Raw(bytes) = Raw::from_request(request, state).await?;
        // Without a body the members are all missing, and the error says which one is needed.
        let bytes = if bytes.is_empty() {
            Bytes::from_static(b"{}")
        } else {
            bytes
        };
        if let Some(number) = oversized_integer(&bytes) {
            let detail = format!(
                "the integer {number} does not fit in 64 bits; write it as a text, or with a point \
                 or an exponent to have it rounded"
            );
            return Err(Problem::new(Code::Malformed, detail));
        }
        match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Self(value)),
            Err(error) => Err(Problem::new(
                Code::Malformed,
                format!("the body is not as expected: {error}"),
            )),
        }
    }
}

/// A body of bytes.
pub(super) struct Raw(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Bytes::from_request(request, state).await {
            Ok(bytes) => Ok(Self(bytes)),
            Err(rejection) => {
                let detail = rejection.body_text();
                match rejection.into_response().status() {
                    StatusCode::PAYLOAD_TOO_LARGE => Err(Problem::new(
                        Code::TooLarge,
                        "the body is too large; send it in parts",
                    )),
                    _ => Err(Problem::new(Code::Malformed, detail)),
                }
            }
        }
    }
}

/// The parameters behind the question mark.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(Problem::new(Code::Malformed, rejection.body_text())),
        }
    }
}

/// The one parameter within the path.
pub(super) struct At<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(Problem::new(Code::Malformed, rejection.body_text())),
        }
    }
}

/// Parses a text that a request holds.
pub(super) fn parse<T>(what: &str, text: &str) -> Result<T, Problem>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let fail = |error| Problem::new(Code::Malformed, format!("{what} {text:?}: {error}"));
    text.parse().map_err(fail)
}

/// Parses values separated by commas.
pub(super) fn parse_list<T>(what: &str, text: Option<&str>) -> Result<Option<Vec<T>>, Problem>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let Some(text) = text else { return Ok(None) };
    let parts = text.split(',').filter(|part| !part.is_empty());
    parts
        .map(|part| parse(what, part))
        .collect::<Result<_, _>>()
        .map(Some)
}
