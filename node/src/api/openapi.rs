//! The OpenAPI document of the control API, made from the routes themselves.

use utoipa::OpenApi;

use super::{events, routes};

/// Collects what the routes say of themselves.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "DeCube control API",
        description = "Documents that replicate between peers, versions of them made final by a \
            quorum, and proofs of that. Errors are problem details (RFC 9457) with a stable code.",
    ),
    paths(
        routes::status::status,
        routes::status::sync,
        routes::status::sync_now,
        events::events,
        routes::metrics::metrics,
        routes::documents::list,
        routes::documents::create,
        routes::documents::import,
        routes::documents::describe,
        routes::documents::remove,
        routes::documents::read,
        routes::documents::version,
        routes::documents::edit,
        routes::documents::history,
        routes::documents::export,
        routes::documents::quarantine,
        routes::chain::proof,
        routes::chain::collections,
        routes::chain::collection,
        routes::chain::blocks,
        routes::chain::block,
        routes::commit::create_collection,
        routes::commit::commit,
        routes::commit::submit,
        routes::peers::list,
        routes::peers::add,
        routes::peers::remove,
        routes::peers::ban,
        routes::peers::unban,
        routes::peers::ping,
        routes::peers::find,
    )
)]
struct Document;

/// The OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
