// Automatically generated rust module for 'types.proto' file

#![allow(non_snake_case)]
#![allow(non_upper_case_globals)]
#![allow(non_camel_case_types)]
#![allow(unused_imports)]
#![allow(unknown_lints)]
#![allow(clippy::all)]
#![cfg_attr(rustfmt, rustfmt_skip)]


use std::borrow::Cow;
use quick_protobuf::{MessageInfo, MessageRead, MessageWrite, BytesReader, Writer, WriterBackend, Result};
use quick_protobuf::sizeofs::*;
use super::*;

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Parameters {
    pub delta_ms: u64,
    pub idle_ms: u64,
    pub drift_ms: u64,
    pub signature: u32,
    pub write_quorum: u32,
}

impl<'a> MessageRead<'a> for Parameters {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(8) => msg.delta_ms = r.read_uint64(bytes)?,
                Ok(16) => msg.idle_ms = r.read_uint64(bytes)?,
                Ok(24) => msg.drift_ms = r.read_uint64(bytes)?,
                Ok(32) => msg.signature = r.read_uint32(bytes)?,
                Ok(40) => msg.write_quorum = r.read_uint32(bytes)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl MessageWrite for Parameters {
    fn get_size(&self) -> usize {
        0
        + if self.delta_ms == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.delta_ms) as u64) }
        + if self.idle_ms == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.idle_ms) as u64) }
        + if self.drift_ms == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.drift_ms) as u64) }
        + if self.signature == 0u32 { 0 } else { 1 + sizeof_varint(*(&self.signature) as u64) }
        + if self.write_quorum == 0u32 { 0 } else { 1 + sizeof_varint(*(&self.write_quorum) as u64) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.delta_ms != 0u64 { w.write_with_tag(8, |w| w.write_uint64(*&self.delta_ms))?; }
        if self.idle_ms != 0u64 { w.write_with_tag(16, |w| w.write_uint64(*&self.idle_ms))?; }
        if self.drift_ms != 0u64 { w.write_with_tag(24, |w| w.write_uint64(*&self.drift_ms))?; }
        if self.signature != 0u32 { w.write_with_tag(32, |w| w.write_uint32(*&self.signature))?; }
        if self.write_quorum != 0u32 { w.write_with_tag(40, |w| w.write_uint32(*&self.write_quorum))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Validator<'a> {
    pub name: Cow<'a, str>,
    pub key: Cow<'a, [u8]>,
    pub peer: Cow<'a, [u8]>,
    pub power: u64,
}

impl<'a> MessageRead<'a> for Validator<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.name = r.read_string(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.key = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(26) => msg.peer = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(32) => msg.power = r.read_uint64(bytes)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Validator<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.name == "" { 0 } else { 1 + sizeof_len((&self.name).len()) }
        + if self.key == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.key).len()) }
        + if self.peer == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.peer).len()) }
        + if self.power == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.power) as u64) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.name != "" { w.write_with_tag(10, |w| w.write_string(&**&self.name))?; }
        if self.key != Cow::Borrowed(b"") { w.write_with_tag(18, |w| w.write_bytes(&**&self.key))?; }
        if self.peer != Cow::Borrowed(b"") { w.write_with_tag(26, |w| w.write_bytes(&**&self.peer))?; }
        if self.power != 0u64 { w.write_with_tag(32, |w| w.write_uint64(*&self.power))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Replica<'a> {
    pub name: Cow<'a, str>,
    pub peer: Cow<'a, [u8]>,
}

impl<'a> MessageRead<'a> for Replica<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.name = r.read_string(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.peer = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Replica<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.name == "" { 0 } else { 1 + sizeof_len((&self.name).len()) }
        + if self.peer == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.peer).len()) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.name != "" { w.write_with_tag(10, |w| w.write_string(&**&self.name))?; }
        if self.peer != Cow::Borrowed(b"") { w.write_with_tag(18, |w| w.write_bytes(&**&self.peer))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Genesis<'a> {
    pub name: Cow<'a, str>,
    pub created: u64,
    pub parameters: Cow<'a, [u8]>,
    pub validators: Vec<Cow<'a, [u8]>>,
    pub replicas: Vec<Cow<'a, [u8]>>,
}

impl<'a> MessageRead<'a> for Genesis<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.name = r.read_string(bytes).map(Cow::Borrowed)?,
                Ok(16) => msg.created = r.read_uint64(bytes)?,
                Ok(26) => msg.parameters = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(34) => msg.validators.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(42) => msg.replicas.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Genesis<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.name == "" { 0 } else { 1 + sizeof_len((&self.name).len()) }
        + if self.created == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.created) as u64) }
        + if self.parameters == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.parameters).len()) }
        + self.validators.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
        + self.replicas.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.name != "" { w.write_with_tag(10, |w| w.write_string(&**&self.name))?; }
        if self.created != 0u64 { w.write_with_tag(16, |w| w.write_uint64(*&self.created))?; }
        if self.parameters != Cow::Borrowed(b"") { w.write_with_tag(26, |w| w.write_bytes(&**&self.parameters))?; }
        for s in &self.validators { w.write_with_tag(34, |w| w.write_bytes(&**s))?; }
        for s in &self.replicas { w.write_with_tag(42, |w| w.write_bytes(&**s))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Header<'a> {
    pub network: Cow<'a, [u8]>,
    pub epoch: u64,
    pub view: u64,
    pub height: u64,
    pub parent: Cow<'a, [u8]>,
    pub transactions_root: Cow<'a, [u8]>,
    pub state_root: Cow<'a, [u8]>,
    pub history_root: Cow<'a, [u8]>,
    pub validators: Cow<'a, [u8]>,
    pub next_validators: Cow<'a, [u8]>,
    pub time: u64,
}

impl<'a> MessageRead<'a> for Header<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.network = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(16) => msg.epoch = r.read_uint64(bytes)?,
                Ok(24) => msg.view = r.read_uint64(bytes)?,
                Ok(32) => msg.height = r.read_uint64(bytes)?,
                Ok(42) => msg.parent = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(50) => msg.transactions_root = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(58) => msg.state_root = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(66) => msg.history_root = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(74) => msg.validators = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(82) => msg.next_validators = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(88) => msg.time = r.read_uint64(bytes)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Header<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.network == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.network).len()) }
        + if self.epoch == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.epoch) as u64) }
        + if self.view == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.view) as u64) }
        + if self.height == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.height) as u64) }
        + if self.parent == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.parent).len()) }
        + if self.transactions_root == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.transactions_root).len()) }
        + if self.state_root == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.state_root).len()) }
        + if self.history_root == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.history_root).len()) }
        + if self.validators == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.validators).len()) }
        + if self.next_validators == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.next_validators).len()) }
        + if self.time == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.time) as u64) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.network != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.network))?; }
        if self.epoch != 0u64 { w.write_with_tag(16, |w| w.write_uint64(*&self.epoch))?; }
        if self.view != 0u64 { w.write_with_tag(24, |w| w.write_uint64(*&self.view))?; }
        if self.height != 0u64 { w.write_with_tag(32, |w| w.write_uint64(*&self.height))?; }
        if self.parent != Cow::Borrowed(b"") { w.write_with_tag(42, |w| w.write_bytes(&**&self.parent))?; }
        if self.transactions_root != Cow::Borrowed(b"") { w.write_with_tag(50, |w| w.write_bytes(&**&self.transactions_root))?; }
        if self.state_root != Cow::Borrowed(b"") { w.write_with_tag(58, |w| w.write_bytes(&**&self.state_root))?; }
        if self.history_root != Cow::Borrowed(b"") { w.write_with_tag(66, |w| w.write_bytes(&**&self.history_root))?; }
        if self.validators != Cow::Borrowed(b"") { w.write_with_tag(74, |w| w.write_bytes(&**&self.validators))?; }
        if self.next_validators != Cow::Borrowed(b"") { w.write_with_tag(82, |w| w.write_bytes(&**&self.next_validators))?; }
        if self.time != 0u64 { w.write_with_tag(88, |w| w.write_uint64(*&self.time))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Block<'a> {
    pub header: Cow<'a, [u8]>,
    pub transactions: Vec<Cow<'a, [u8]>>,
}

impl<'a> MessageRead<'a> for Block<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.header = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.transactions.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Block<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.header == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.header).len()) }
        + self.transactions.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.header != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.header))?; }
        for s in &self.transactions { w.write_with_tag(18, |w| w.write_bytes(&**s))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Proposal<'a> {
    pub epoch: u64,
    pub view: u64,
    pub parent_view: u64,
    pub block: Cow<'a, [u8]>,
    pub signature: Cow<'a, [u8]>,
}

impl<'a> MessageRead<'a> for Proposal<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(8) => msg.epoch = r.read_uint64(bytes)?,
                Ok(16) => msg.view = r.read_uint64(bytes)?,
                Ok(24) => msg.parent_view = r.read_uint64(bytes)?,
                Ok(34) => msg.block = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(42) => msg.signature = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Proposal<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.epoch == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.epoch) as u64) }
        + if self.view == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.view) as u64) }
        + if self.parent_view == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.parent_view) as u64) }
        + if self.block == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.block).len()) }
        + if self.signature == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.signature).len()) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.epoch != 0u64 { w.write_with_tag(8, |w| w.write_uint64(*&self.epoch))?; }
        if self.view != 0u64 { w.write_with_tag(16, |w| w.write_uint64(*&self.view))?; }
        if self.parent_view != 0u64 { w.write_with_tag(24, |w| w.write_uint64(*&self.parent_view))?; }
        if self.block != Cow::Borrowed(b"") { w.write_with_tag(34, |w| w.write_bytes(&**&self.block))?; }
        if self.signature != Cow::Borrowed(b"") { w.write_with_tag(42, |w| w.write_bytes(&**&self.signature))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Subject<'a> {
    pub parent_view: u64,
    pub block: Cow<'a, [u8]>,
}

impl<'a> MessageRead<'a> for Subject<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(8) => msg.parent_view = r.read_uint64(bytes)?,
                Ok(18) => msg.block = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Subject<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.parent_view == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.parent_view) as u64) }
        + if self.block == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.block).len()) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.parent_view != 0u64 { w.write_with_tag(8, |w| w.write_uint64(*&self.parent_view))?; }
        if self.block != Cow::Borrowed(b"") { w.write_with_tag(18, |w| w.write_bytes(&**&self.block))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Statement<'a> {
    pub statement: types::mod_Statement::OneOfstatement<'a>,
}

impl<'a> MessageRead<'a> for Statement<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.statement = types::mod_Statement::OneOfstatement::notarize(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(16) => msg.statement = types::mod_Statement::OneOfstatement::nullify(r.read_bool(bytes)?),
                Ok(26) => msg.statement = types::mod_Statement::OneOfstatement::finalize(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Statement<'a> {
    fn get_size(&self) -> usize {
        0
        + match self.statement {
            types::mod_Statement::OneOfstatement::notarize(ref m) => 1 + sizeof_len((m).len()),
            types::mod_Statement::OneOfstatement::nullify(ref m) => 1 + sizeof_varint(*(m) as u64),
            types::mod_Statement::OneOfstatement::finalize(ref m) => 1 + sizeof_len((m).len()),
            types::mod_Statement::OneOfstatement::None => 0,
    }    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        match self.statement {            types::mod_Statement::OneOfstatement::notarize(ref m) => { w.write_with_tag(10, |w| w.write_bytes(&**m))? },
            types::mod_Statement::OneOfstatement::nullify(ref m) => { w.write_with_tag(16, |w| w.write_bool(*m))? },
            types::mod_Statement::OneOfstatement::finalize(ref m) => { w.write_with_tag(26, |w| w.write_bytes(&**m))? },
            types::mod_Statement::OneOfstatement::None => {},
    }        Ok(())
    }
}

pub mod mod_Statement {

use super::*;

#[derive(Debug, PartialEq, Clone)]
pub enum OneOfstatement<'a> {
    notarize(Cow<'a, [u8]>),
    nullify(bool),
    finalize(Cow<'a, [u8]>),
    None,
}

impl<'a> Default for OneOfstatement<'a> {
    fn default() -> Self {
        OneOfstatement::None
    }
}

}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Vote<'a> {
    pub epoch: u64,
    pub view: u64,
    pub statement: Cow<'a, [u8]>,
    pub signer: u32,
    pub signature: Cow<'a, [u8]>,
}

impl<'a> MessageRead<'a> for Vote<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(8) => msg.epoch = r.read_uint64(bytes)?,
                Ok(16) => msg.view = r.read_uint64(bytes)?,
                Ok(26) => msg.statement = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(32) => msg.signer = r.read_uint32(bytes)?,
                Ok(42) => msg.signature = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Vote<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.epoch == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.epoch) as u64) }
        + if self.view == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.view) as u64) }
        + if self.statement == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.statement).len()) }
        + if self.signer == 0u32 { 0 } else { 1 + sizeof_varint(*(&self.signer) as u64) }
        + if self.signature == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.signature).len()) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.epoch != 0u64 { w.write_with_tag(8, |w| w.write_uint64(*&self.epoch))?; }
        if self.view != 0u64 { w.write_with_tag(16, |w| w.write_uint64(*&self.view))?; }
        if self.statement != Cow::Borrowed(b"") { w.write_with_tag(26, |w| w.write_bytes(&**&self.statement))?; }
        if self.signer != 0u32 { w.write_with_tag(32, |w| w.write_uint32(*&self.signer))?; }
        if self.signature != Cow::Borrowed(b"") { w.write_with_tag(42, |w| w.write_bytes(&**&self.signature))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Certificate<'a> {
    pub epoch: u64,
    pub view: u64,
    pub statement: Cow<'a, [u8]>,
    pub signers: Cow<'a, [u8]>,
    pub signatures: Vec<Cow<'a, [u8]>>,
}

impl<'a> MessageRead<'a> for Certificate<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(8) => msg.epoch = r.read_uint64(bytes)?,
                Ok(16) => msg.view = r.read_uint64(bytes)?,
                Ok(26) => msg.statement = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(34) => msg.signers = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(42) => msg.signatures.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Certificate<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.epoch == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.epoch) as u64) }
        + if self.view == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.view) as u64) }
        + if self.statement == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.statement).len()) }
        + if self.signers == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.signers).len()) }
        + self.signatures.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.epoch != 0u64 { w.write_with_tag(8, |w| w.write_uint64(*&self.epoch))?; }
        if self.view != 0u64 { w.write_with_tag(16, |w| w.write_uint64(*&self.view))?; }
        if self.statement != Cow::Borrowed(b"") { w.write_with_tag(26, |w| w.write_bytes(&**&self.statement))?; }
        if self.signers != Cow::Borrowed(b"") { w.write_with_tag(34, |w| w.write_bytes(&**&self.signers))?; }
        for s in &self.signatures { w.write_with_tag(42, |w| w.write_bytes(&**s))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct CommitEntry<'a> {
    pub collection: Cow<'a, [u8]>,
    pub document: Cow<'a, [u8]>,
    pub previous: Cow<'a, [u8]>,
    pub heads: Vec<Cow<'a, [u8]>>,
}

impl<'a> MessageRead<'a> for CommitEntry<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.collection = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.document = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(26) => msg.previous = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(34) => msg.heads.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for CommitEntry<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.collection == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.collection).len()) }
        + if self.document == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.document).len()) }
        + if self.previous == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.previous).len()) }
        + self.heads.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.collection != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.collection))?; }
        if self.document != Cow::Borrowed(b"") { w.write_with_tag(18, |w| w.write_bytes(&**&self.document))?; }
        if self.previous != Cow::Borrowed(b"") { w.write_with_tag(26, |w| w.write_bytes(&**&self.previous))?; }
        for s in &self.heads { w.write_with_tag(34, |w| w.write_bytes(&**s))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Receipt<'a> {
    pub document: Cow<'a, [u8]>,
    pub replica: Cow<'a, [u8]>,
    pub roles_height: u64,
    pub signature: Cow<'a, [u8]>,
}

impl<'a> MessageRead<'a> for Receipt<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.document = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.replica = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(24) => msg.roles_height = r.read_uint64(bytes)?,
                Ok(34) => msg.signature = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Receipt<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.document == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.document).len()) }
        + if self.replica == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.replica).len()) }
        + if self.roles_height == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.roles_height) as u64) }
        + if self.signature == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.signature).len()) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.document != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.document))?; }
        if self.replica != Cow::Borrowed(b"") { w.write_with_tag(18, |w| w.write_bytes(&**&self.replica))?; }
        if self.roles_height != 0u64 { w.write_with_tag(24, |w| w.write_uint64(*&self.roles_height))?; }
        if self.signature != Cow::Borrowed(b"") { w.write_with_tag(34, |w| w.write_bytes(&**&self.signature))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Commit<'a> {
    pub entries: Vec<Cow<'a, [u8]>>,
    pub receipts: Vec<Cow<'a, [u8]>>,
}

impl<'a> MessageRead<'a> for Commit<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.entries.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(18) => msg.receipts.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Commit<'a> {
    fn get_size(&self) -> usize {
        0
        + self.entries.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
        + self.receipts.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        for s in &self.entries { w.write_with_tag(10, |w| w.write_bytes(&**s))?; }
        for s in &self.receipts { w.write_with_tag(18, |w| w.write_bytes(&**s))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct CreateCollection<'a> {
    pub name: Cow<'a, str>,
    pub write_quorum: Vec<u32>,
}

impl<'a> MessageRead<'a> for CreateCollection<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.name = r.read_string(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.write_quorum = r.read_packed(bytes, |r, bytes| Ok(r.read_uint32(bytes)?))?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for CreateCollection<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.name == "" { 0 } else { 1 + sizeof_len((&self.name).len()) }
        + if self.write_quorum.is_empty() { 0 } else { 1 + sizeof_len(self.write_quorum.iter().map(|s| sizeof_varint(*(s) as u64)).sum::<usize>()) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.name != "" { w.write_with_tag(10, |w| w.write_string(&**&self.name))?; }
        w.write_packed_with_tag(18, &self.write_quorum, |w, m| w.write_uint32(*m), &|m| sizeof_varint(*(m) as u64))?;
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Transaction<'a> {
    pub author: Cow<'a, [u8]>,
    pub nonce: u64,
    pub expires: u64,
    pub signature: Cow<'a, [u8]>,
    pub action: types::mod_Transaction::OneOfaction<'a>,
}

impl<'a> MessageRead<'a> for Transaction<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.author = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(16) => msg.nonce = r.read_uint64(bytes)?,
                Ok(24) => msg.expires = r.read_uint64(bytes)?,
                Ok(34) => msg.signature = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(42) => msg.action = types::mod_Transaction::OneOfaction::commit(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(50) => msg.action = types::mod_Transaction::OneOfaction::create_collection(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Transaction<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.author == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.author).len()) }
        + if self.nonce == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.nonce) as u64) }
        + if self.expires == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.expires) as u64) }
        + if self.signature == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.signature).len()) }
        + match self.action {
            types::mod_Transaction::OneOfaction::commit(ref m) => 1 + sizeof_len((m).len()),
            types::mod_Transaction::OneOfaction::create_collection(ref m) => 1 + sizeof_len((m).len()),
            types::mod_Transaction::OneOfaction::None => 0,
    }    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.author != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.author))?; }
        if self.nonce != 0u64 { w.write_with_tag(16, |w| w.write_uint64(*&self.nonce))?; }
        if self.expires != 0u64 { w.write_with_tag(24, |w| w.write_uint64(*&self.expires))?; }
        if self.signature != Cow::Borrowed(b"") { w.write_with_tag(34, |w| w.write_bytes(&**&self.signature))?; }
        match self.action {            types::mod_Transaction::OneOfaction::commit(ref m) => { w.write_with_tag(42, |w| w.write_bytes(&**m))? },
            types::mod_Transaction::OneOfaction::create_collection(ref m) => { w.write_with_tag(50, |w| w.write_bytes(&**m))? },
            types::mod_Transaction::OneOfaction::None => {},
    }        Ok(())
    }
}

pub mod mod_Transaction {

use super::*;

#[derive(Debug, PartialEq, Clone)]
pub enum OneOfaction<'a> {
    commit(Cow<'a, [u8]>),
    create_collection(Cow<'a, [u8]>),
    None,
}

impl<'a> Default for OneOfaction<'a> {
    fn default() -> Self {
        OneOfaction::None
    }
}

}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct StaleNonce {
    pub nonce: u64,
    pub last: u64,
}

impl<'a> MessageRead<'a> for StaleNonce {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(8) => msg.nonce = r.read_uint64(bytes)?,
                Ok(16) => msg.last = r.read_uint64(bytes)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl MessageWrite for StaleNonce {
    fn get_size(&self) -> usize {
        0
        + if self.nonce == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.nonce) as u64) }
        + if self.last == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.last) as u64) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.nonce != 0u64 { w.write_with_tag(8, |w| w.write_uint64(*&self.nonce))?; }
        if self.last != 0u64 { w.write_with_tag(16, |w| w.write_uint64(*&self.last))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Expired {
    pub expires: u64,
    pub height: u64,
}

impl<'a> MessageRead<'a> for Expired {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(8) => msg.expires = r.read_uint64(bytes)?,
                Ok(16) => msg.height = r.read_uint64(bytes)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl MessageWrite for Expired {
    fn get_size(&self) -> usize {
        0
        + if self.expires == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.expires) as u64) }
        + if self.height == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.height) as u64) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.expires != 0u64 { w.write_with_tag(8, |w| w.write_uint64(*&self.expires))?; }
        if self.height != 0u64 { w.write_with_tag(16, |w| w.write_uint64(*&self.height))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct PreviousDiffers<'a> {
    pub document: Cow<'a, [u8]>,
    pub committed: Cow<'a, [u8]>,
}

impl<'a> MessageRead<'a> for PreviousDiffers<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.document = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.committed = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for PreviousDiffers<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.document == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.document).len()) }
        + if self.committed == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.committed).len()) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.document != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.document))?; }
        if self.committed != Cow::Borrowed(b"") { w.write_with_tag(18, |w| w.write_bytes(&**&self.committed))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct TooFewReceipts<'a> {
    pub document: Cow<'a, [u8]>,
    pub found: u32,
    pub needed: u32,
}

impl<'a> MessageRead<'a> for TooFewReceipts<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.document = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(16) => msg.found = r.read_uint32(bytes)?,
                Ok(24) => msg.needed = r.read_uint32(bytes)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for TooFewReceipts<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.document == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.document).len()) }
        + if self.found == 0u32 { 0 } else { 1 + sizeof_varint(*(&self.found) as u64) }
        + if self.needed == 0u32 { 0 } else { 1 + sizeof_varint(*(&self.needed) as u64) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.document != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.document))?; }
        if self.found != 0u32 { w.write_with_tag(16, |w| w.write_uint32(*&self.found))?; }
        if self.needed != 0u32 { w.write_with_tag(24, |w| w.write_uint32(*&self.needed))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct BadWriteQuorum {
    pub asked: u32,
    pub replicas: u32,
}

impl<'a> MessageRead<'a> for BadWriteQuorum {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(8) => msg.asked = r.read_uint32(bytes)?,
                Ok(16) => msg.replicas = r.read_uint32(bytes)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl MessageWrite for BadWriteQuorum {
    fn get_size(&self) -> usize {
        0
        + if self.asked == 0u32 { 0 } else { 1 + sizeof_varint(*(&self.asked) as u64) }
        + if self.replicas == 0u32 { 0 } else { 1 + sizeof_varint(*(&self.replicas) as u64) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.asked != 0u32 { w.write_with_tag(8, |w| w.write_uint32(*&self.asked))?; }
        if self.replicas != 0u32 { w.write_with_tag(16, |w| w.write_uint32(*&self.replicas))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Outcome<'a> {
    pub outcome: types::mod_Outcome::OneOfoutcome<'a>,
}

impl<'a> MessageRead<'a> for Outcome<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(8) => msg.outcome = types::mod_Outcome::OneOfoutcome::applied(r.read_bool(bytes)?),
                Ok(18) => msg.outcome = types::mod_Outcome::OneOfoutcome::stale_nonce(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(26) => msg.outcome = types::mod_Outcome::OneOfoutcome::expired(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(34) => msg.outcome = types::mod_Outcome::OneOfoutcome::unknown_collection(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(42) => msg.outcome = types::mod_Outcome::OneOfoutcome::collection_exists(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(50) => msg.outcome = types::mod_Outcome::OneOfoutcome::previous_differs(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(58) => msg.outcome = types::mod_Outcome::OneOfoutcome::unchanged(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(66) => msg.outcome = types::mod_Outcome::OneOfoutcome::not_a_replica(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(74) => msg.outcome = types::mod_Outcome::OneOfoutcome::too_few_receipts(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(82) => msg.outcome = types::mod_Outcome::OneOfoutcome::bad_write_quorum(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Outcome<'a> {
    fn get_size(&self) -> usize {
        0
        + match self.outcome {
            types::mod_Outcome::OneOfoutcome::applied(ref m) => 1 + sizeof_varint(*(m) as u64),
            types::mod_Outcome::OneOfoutcome::stale_nonce(ref m) => 1 + sizeof_len((m).len()),
            types::mod_Outcome::OneOfoutcome::expired(ref m) => 1 + sizeof_len((m).len()),
            types::mod_Outcome::OneOfoutcome::unknown_collection(ref m) => 1 + sizeof_len((m).len()),
            types::mod_Outcome::OneOfoutcome::collection_exists(ref m) => 1 + sizeof_len((m).len()),
            types::mod_Outcome::OneOfoutcome::previous_differs(ref m) => 1 + sizeof_len((m).len()),
            types::mod_Outcome::OneOfoutcome::unchanged(ref m) => 1 + sizeof_len((m).len()),
            types::mod_Outcome::OneOfoutcome::not_a_replica(ref m) => 1 + sizeof_len((m).len()),
            types::mod_Outcome::OneOfoutcome::too_few_receipts(ref m) => 1 + sizeof_len((m).len()),
            types::mod_Outcome::OneOfoutcome::bad_write_quorum(ref m) => 1 + sizeof_len((m).len()),
            types::mod_Outcome::OneOfoutcome::None => 0,
    }    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        match self.outcome {            types::mod_Outcome::OneOfoutcome::applied(ref m) => { w.write_with_tag(8, |w| w.write_bool(*m))? },
            types::mod_Outcome::OneOfoutcome::stale_nonce(ref m) => { w.write_with_tag(18, |w| w.write_bytes(&**m))? },
            types::mod_Outcome::OneOfoutcome::expired(ref m) => { w.write_with_tag(26, |w| w.write_bytes(&**m))? },
            types::mod_Outcome::OneOfoutcome::unknown_collection(ref m) => { w.write_with_tag(34, |w| w.write_bytes(&**m))? },
            types::mod_Outcome::OneOfoutcome::collection_exists(ref m) => { w.write_with_tag(42, |w| w.write_bytes(&**m))? },
            types::mod_Outcome::OneOfoutcome::previous_differs(ref m) => { w.write_with_tag(50, |w| w.write_bytes(&**m))? },
            types::mod_Outcome::OneOfoutcome::unchanged(ref m) => { w.write_with_tag(58, |w| w.write_bytes(&**m))? },
            types::mod_Outcome::OneOfoutcome::not_a_replica(ref m) => { w.write_with_tag(66, |w| w.write_bytes(&**m))? },
            types::mod_Outcome::OneOfoutcome::too_few_receipts(ref m) => { w.write_with_tag(74, |w| w.write_bytes(&**m))? },
            types::mod_Outcome::OneOfoutcome::bad_write_quorum(ref m) => { w.write_with_tag(82, |w| w.write_bytes(&**m))? },
            types::mod_Outcome::OneOfoutcome::None => {},
    }        Ok(())
    }
}

pub mod mod_Outcome {

use super::*;

#[derive(Debug, PartialEq, Clone)]
pub enum OneOfoutcome<'a> {
    applied(bool),
    stale_nonce(Cow<'a, [u8]>),
    expired(Cow<'a, [u8]>),
    unknown_collection(Cow<'a, [u8]>),
    collection_exists(Cow<'a, [u8]>),
    previous_differs(Cow<'a, [u8]>),
    unchanged(Cow<'a, [u8]>),
    not_a_replica(Cow<'a, [u8]>),
    too_few_receipts(Cow<'a, [u8]>),
    bad_write_quorum(Cow<'a, [u8]>),
    None,
}

impl<'a> Default for OneOfoutcome<'a> {
    fn default() -> Self {
        OneOfoutcome::None
    }
}

}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct CommittedDocument<'a> {
    pub heads: Vec<Cow<'a, [u8]>>,
    pub height: u64,
    pub transaction: Cow<'a, [u8]>,
    pub previous: Vec<u64>,
}

impl<'a> MessageRead<'a> for CommittedDocument<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.heads.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(16) => msg.height = r.read_uint64(bytes)?,
                Ok(26) => msg.transaction = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(34) => msg.previous = r.read_packed(bytes, |r, bytes| Ok(r.read_uint64(bytes)?))?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for CommittedDocument<'a> {
    fn get_size(&self) -> usize {
        0
        + self.heads.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
        + if self.height == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.height) as u64) }
        + if self.transaction == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.transaction).len()) }
        + if self.previous.is_empty() { 0 } else { 1 + sizeof_len(self.previous.iter().map(|s| sizeof_varint(*(s) as u64)).sum::<usize>()) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        for s in &self.heads { w.write_with_tag(10, |w| w.write_bytes(&**s))?; }
        if self.height != 0u64 { w.write_with_tag(16, |w| w.write_uint64(*&self.height))?; }
        if self.transaction != Cow::Borrowed(b"") { w.write_with_tag(26, |w| w.write_bytes(&**&self.transaction))?; }
        w.write_packed_with_tag(34, &self.previous, |w, m| w.write_uint64(*m), &|m| sizeof_varint(*(m) as u64))?;
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct CollectionState<'a> {
    pub name: Cow<'a, str>,
    pub creator: Cow<'a, [u8]>,
    pub height: u64,
    pub write_quorum: u32,
}

impl<'a> MessageRead<'a> for CollectionState<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.name = r.read_string(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.creator = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(24) => msg.height = r.read_uint64(bytes)?,
                Ok(32) => msg.write_quorum = r.read_uint32(bytes)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for CollectionState<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.name == "" { 0 } else { 1 + sizeof_len((&self.name).len()) }
        + if self.creator == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.creator).len()) }
        + if self.height == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.height) as u64) }
        + if self.write_quorum == 0u32 { 0 } else { 1 + sizeof_varint(*(&self.write_quorum) as u64) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.name != "" { w.write_with_tag(10, |w| w.write_string(&**&self.name))?; }
        if self.creator != Cow::Borrowed(b"") { w.write_with_tag(18, |w| w.write_bytes(&**&self.creator))?; }
        if self.height != 0u64 { w.write_with_tag(24, |w| w.write_uint64(*&self.height))?; }
        if self.write_quorum != 0u32 { w.write_with_tag(32, |w| w.write_uint32(*&self.write_quorum))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Descriptor<'a> {
    pub collection: Cow<'a, [u8]>,
    pub author: Cow<'a, [u8]>,
    pub nonce: u64,
    pub name: Cow<'a, str>,
    pub signature: Cow<'a, [u8]>,
}

impl<'a> MessageRead<'a> for Descriptor<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.collection = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.author = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(24) => msg.nonce = r.read_uint64(bytes)?,
                Ok(34) => msg.name = r.read_string(bytes).map(Cow::Borrowed)?,
                Ok(42) => msg.signature = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Descriptor<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.collection == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.collection).len()) }
        + if self.author == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.author).len()) }
        + if self.nonce == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.nonce) as u64) }
        + if self.name == "" { 0 } else { 1 + sizeof_len((&self.name).len()) }
        + if self.signature == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.signature).len()) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.collection != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.collection))?; }
        if self.author != Cow::Borrowed(b"") { w.write_with_tag(18, |w| w.write_bytes(&**&self.author))?; }
        if self.nonce != 0u64 { w.write_with_tag(24, |w| w.write_uint64(*&self.nonce))?; }
        if self.name != "" { w.write_with_tag(34, |w| w.write_string(&**&self.name))?; }
        if self.signature != Cow::Borrowed(b"") { w.write_with_tag(42, |w| w.write_bytes(&**&self.signature))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Tombstone<'a> {
    pub collection: Cow<'a, [u8]>,
    pub document: Cow<'a, [u8]>,
    pub author: Cow<'a, [u8]>,
    pub signature: Cow<'a, [u8]>,
}

impl<'a> MessageRead<'a> for Tombstone<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.collection = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.document = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(26) => msg.author = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(34) => msg.signature = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Tombstone<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.collection == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.collection).len()) }
        + if self.document == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.document).len()) }
        + if self.author == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.author).len()) }
        + if self.signature == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.signature).len()) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.collection != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.collection))?; }
        if self.document != Cow::Borrowed(b"") { w.write_with_tag(18, |w| w.write_bytes(&**&self.document))?; }
        if self.author != Cow::Borrowed(b"") { w.write_with_tag(26, |w| w.write_bytes(&**&self.author))?; }
        if self.signature != Cow::Borrowed(b"") { w.write_with_tag(34, |w| w.write_bytes(&**&self.signature))?; }
        Ok(())
    }
}

