//! What each route does.

pub(super) mod chain;
pub(super) mod commit;
pub(super) mod documents;
pub(super) mod metrics;
pub(super) mod peers;
pub(super) mod status;
