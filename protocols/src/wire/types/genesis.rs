//! The genesis, whose canonical bytes' digest is the network's id.

use std::borrow::Cow;

use super::super::codec::{Codec, key, list, nested};
use super::super::{DecodeError, Message, generated::types as pb, limits};
use crate::types::{Genesis, Parameters, Power, Replica, Timestamp, Validator, VoteScheme};

impl Message for Genesis {
    const MAX_SIZE: usize = limits::MAX_GENESIS;
}

impl Codec for Genesis {
    const NAME: &'static str = "Genesis";
    type Wire<'a> = pb::Genesis<'a>;

    fn to_wire(&self) -> pb::Genesis<'_> {
        pb::Genesis {
            name: Cow::Borrowed(&self.name),
            created: self.created.0,
            parameters: nested(&self.parameters),
            validators: list(&self.validators),
            replicas: list(&self.replicas),
        }
    }

    fn from_wire(wire: pb::Genesis<'_>) -> Result<Self, DecodeError> {
        let genesis = Self {
            name: Self::field("name").text(&wire.name, limits::MAX_GENESIS_NAME)?,
            created: Timestamp(wire.created),
            parameters: Self::field("parameters").message(&wire.parameters)?,
            validators: Self::field("validators").list(&wire.validators, Self::MAX_MEMBERS)?,
            replicas: Self::field("replicas").list(&wire.replicas, Self::MAX_MEMBERS)?,
        };
        genesis
            .validate()
            .map_err(|error| Self::field("whole").invalid(error))?;
        Ok(genesis)
    }
}

impl Codec for Parameters {
    const NAME: &'static str = "Parameters";
    type Wire<'a> = pb::Parameters;

    fn to_wire(&self) -> pb::Parameters {
        pb::Parameters {
            delta_ms: self.delta_ms,
            idle_ms: self.idle_ms,
            drift_ms: self.drift_ms,
            signature: match self.signature {
                VoteScheme::Ed25519 => 1,
                VoteScheme::Hybrid => 2,
            },
            write_quorum: self.write_quorum.into(),
        }
    }

    fn from_wire(wire: pb::Parameters) -> Result<Self, DecodeError> {
        Ok(Self {
            delta_ms: wire.delta_ms,
            idle_ms: wire.idle_ms,
            drift_ms: wire.drift_ms,
            signature: match wire.signature {
                1 => VoteScheme::Ed25519,
                2 => VoteScheme::Hybrid,
                _ => return Err(Self::field("signature").missing()),
            },
            write_quorum: Self::field("write_quorum").u16(wire.write_quorum)?,
        })
    }
}

impl Codec for Validator {
    const NAME: &'static str = "Validator";
    type Wire<'a> = pb::Validator<'a>;

    fn to_wire(&self) -> pb::Validator<'_> {
        pb::Validator {
            name: Cow::Borrowed(&self.name),
            key: Cow::Owned(self.key.to_bytes()),
            peer: key(&self.peer),
            power: self.power.0,
        }
    }

    fn from_wire(wire: pb::Validator<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            name: Self::field("name").text(&wire.name, limits::MAX_GENESIS_NAME)?,
            key: Self::field("key").validator_key(&wire.key)?,
            peer: Self::field("peer").key(&wire.peer)?,
            power: Power(wire.power),
        })
    }
}

impl Codec for Replica {
    const NAME: &'static str = "Replica";
    type Wire<'a> = pb::Replica<'a>;

    fn to_wire(&self) -> pb::Replica<'_> {
        pb::Replica {
            name: Cow::Borrowed(&self.name),
            peer: key(&self.peer),
        }
    }

    fn from_wire(wire: pb::Replica<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            name: Self::field("name").text(&wire.name, limits::MAX_GENESIS_NAME)?,
            peer: Self::field("peer").key(&wire.peer)?,
        })
    }
}
