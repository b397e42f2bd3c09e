//! Stands DeCube networks up: simulated ones in virtual time ([`sim`]), and real ones on this
//! machine ([`local`]).

#[cfg(feature = "local")]
pub mod local;
#[cfg(feature = "sim")]
pub mod sim;
