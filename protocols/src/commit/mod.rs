//! The commit protocol: Simplex (Chan and Pass, TCC 2023) for one epoch.

mod io;

pub use io::{
    ChainRequest, ChainResponse, ChainSource, ConsensusMessage, Effect, Event, FinalAnnouncement,
    FinalBlock, FinalRange, FinalRecord, Input, Offence, PoolRefusal, Record, RequestFailure,
    Restored,
};
