//! Stands DeCube networks up: simulated ones in virtual time ([`sim`]), real ones on this
//! machine ([`local`]), and benchmarks of the latter ([`mod@bench`]).

#[cfg(feature = "bench")]
pub mod bench;
#[cfg(feature = "kill")]
pub mod kill;
#[cfg(feature = "local")]
pub mod local;
#[cfg(feature = "sim")]
pub mod sim;
