// Automatically generated rust module for 'commit.proto' file

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
pub struct TransactionList<'a> {
    pub transactions: Vec<Cow<'a, [u8]>>,
}

impl<'a> MessageRead<'a> for TransactionList<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.transactions.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for TransactionList<'a> {
    fn get_size(&self) -> usize {
        0
        + self.transactions.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        for s in &self.transactions { w.write_with_tag(10, |w| w.write_bytes(&**s))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct SentVote<'a> {
    pub vote: Cow<'a, [u8]>,
    pub repeated_vote: bool,
}

impl<'a> MessageRead<'a> for SentVote<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.vote = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(16) => msg.repeated_vote = r.read_bool(bytes)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for SentVote<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.vote == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.vote).len()) }
        + if self.repeated_vote == false { 0 } else { 1 + sizeof_varint(*(&self.repeated_vote) as u64) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.vote != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.vote))?; }
        if self.repeated_vote != false { w.write_with_tag(16, |w| w.write_bool(*&self.repeated_vote))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct ConsensusMessage<'a> {
    pub message: commit::mod_ConsensusMessage::OneOfmessage<'a>,
}

impl<'a> MessageRead<'a> for ConsensusMessage<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.message = commit::mod_ConsensusMessage::OneOfmessage::proposal(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(18) => msg.message = commit::mod_ConsensusMessage::OneOfmessage::vote(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(26) => msg.message = commit::mod_ConsensusMessage::OneOfmessage::certificate(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(34) => msg.message = commit::mod_ConsensusMessage::OneOfmessage::transactions(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for ConsensusMessage<'a> {
    fn get_size(&self) -> usize {
        0
        + match self.message {
            commit::mod_ConsensusMessage::OneOfmessage::proposal(ref m) => 1 + sizeof_len((m).len()),
            commit::mod_ConsensusMessage::OneOfmessage::vote(ref m) => 1 + sizeof_len((m).len()),
            commit::mod_ConsensusMessage::OneOfmessage::certificate(ref m) => 1 + sizeof_len((m).len()),
            commit::mod_ConsensusMessage::OneOfmessage::transactions(ref m) => 1 + sizeof_len((m).len()),
            commit::mod_ConsensusMessage::OneOfmessage::None => 0,
    }    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        match self.message {            commit::mod_ConsensusMessage::OneOfmessage::proposal(ref m) => { w.write_with_tag(10, |w| w.write_bytes(&**m))? },
            commit::mod_ConsensusMessage::OneOfmessage::vote(ref m) => { w.write_with_tag(18, |w| w.write_bytes(&**m))? },
            commit::mod_ConsensusMessage::OneOfmessage::certificate(ref m) => { w.write_with_tag(26, |w| w.write_bytes(&**m))? },
            commit::mod_ConsensusMessage::OneOfmessage::transactions(ref m) => { w.write_with_tag(34, |w| w.write_bytes(&**m))? },
            commit::mod_ConsensusMessage::OneOfmessage::None => {},
    }        Ok(())
    }
}

pub mod mod_ConsensusMessage {

use super::*;

#[derive(Debug, PartialEq, Clone)]
pub enum OneOfmessage<'a> {
    proposal(Cow<'a, [u8]>),
    vote(Cow<'a, [u8]>),
    certificate(Cow<'a, [u8]>),
    transactions(Cow<'a, [u8]>),
    None,
}

impl<'a> Default for OneOfmessage<'a> {
    fn default() -> Self {
        OneOfmessage::None
    }
}

}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct FinalRequest {
    pub from: u64,
    pub max: u32,
}

impl<'a> MessageRead<'a> for FinalRequest {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(8) => msg.from = r.read_uint64(bytes)?,
                Ok(16) => msg.max = r.read_uint32(bytes)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl MessageWrite for FinalRequest {
    fn get_size(&self) -> usize {
        0
        + if self.from == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.from) as u64) }
        + if self.max == 0u32 { 0 } else { 1 + sizeof_varint(*(&self.max) as u64) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.from != 0u64 { w.write_with_tag(8, |w| w.write_uint64(*&self.from))?; }
        if self.max != 0u32 { w.write_with_tag(16, |w| w.write_uint32(*&self.max))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct ViewRequest {
    pub epoch: u64,
    pub view: u64,
}

impl<'a> MessageRead<'a> for ViewRequest {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(8) => msg.epoch = r.read_uint64(bytes)?,
                Ok(16) => msg.view = r.read_uint64(bytes)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl MessageWrite for ViewRequest {
    fn get_size(&self) -> usize {
        0
        + if self.epoch == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.epoch) as u64) }
        + if self.view == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.view) as u64) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.epoch != 0u64 { w.write_with_tag(8, |w| w.write_uint64(*&self.epoch))?; }
        if self.view != 0u64 { w.write_with_tag(16, |w| w.write_uint64(*&self.view))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct ChainRequest<'a> {
    pub request: commit::mod_ChainRequest::OneOfrequest<'a>,
}

impl<'a> MessageRead<'a> for ChainRequest<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(8) => msg.request = commit::mod_ChainRequest::OneOfrequest::tip(r.read_bool(bytes)?),
                Ok(18) => msg.request = commit::mod_ChainRequest::OneOfrequest::final_range(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(26) => msg.request = commit::mod_ChainRequest::OneOfrequest::proposal(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(34) => msg.request = commit::mod_ChainRequest::OneOfrequest::certificates(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for ChainRequest<'a> {
    fn get_size(&self) -> usize {
        0
        + match self.request {
            commit::mod_ChainRequest::OneOfrequest::tip(ref m) => 1 + sizeof_varint(*(m) as u64),
            commit::mod_ChainRequest::OneOfrequest::final_range(ref m) => 1 + sizeof_len((m).len()),
            commit::mod_ChainRequest::OneOfrequest::proposal(ref m) => 1 + sizeof_len((m).len()),
            commit::mod_ChainRequest::OneOfrequest::certificates(ref m) => 1 + sizeof_len((m).len()),
            commit::mod_ChainRequest::OneOfrequest::None => 0,
    }    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        match self.request {            commit::mod_ChainRequest::OneOfrequest::tip(ref m) => { w.write_with_tag(8, |w| w.write_bool(*m))? },
            commit::mod_ChainRequest::OneOfrequest::final_range(ref m) => { w.write_with_tag(18, |w| w.write_bytes(&**m))? },
            commit::mod_ChainRequest::OneOfrequest::proposal(ref m) => { w.write_with_tag(26, |w| w.write_bytes(&**m))? },
            commit::mod_ChainRequest::OneOfrequest::certificates(ref m) => { w.write_with_tag(34, |w| w.write_bytes(&**m))? },
            commit::mod_ChainRequest::OneOfrequest::None => {},
    }        Ok(())
    }
}

pub mod mod_ChainRequest {

use super::*;

#[derive(Debug, PartialEq, Clone)]
pub enum OneOfrequest<'a> {
    tip(bool),
    final_range(Cow<'a, [u8]>),
    proposal(Cow<'a, [u8]>),
    certificates(Cow<'a, [u8]>),
    None,
}

impl<'a> Default for OneOfrequest<'a> {
    fn default() -> Self {
        OneOfrequest::None
    }
}

}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct FinalAnnouncement<'a> {
    pub header: Cow<'a, [u8]>,
    pub finalization: Cow<'a, [u8]>,
    pub has_transactions: bool,
    pub transactions: Vec<Cow<'a, [u8]>>,
}

impl<'a> MessageRead<'a> for FinalAnnouncement<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.header = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.finalization = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(24) => msg.has_transactions = r.read_bool(bytes)?,
                Ok(34) => msg.transactions.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for FinalAnnouncement<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.header == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.header).len()) }
        + if self.finalization == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.finalization).len()) }
        + if self.has_transactions == false { 0 } else { 1 + sizeof_varint(*(&self.has_transactions) as u64) }
        + self.transactions.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.header != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.header))?; }
        if self.finalization != Cow::Borrowed(b"") { w.write_with_tag(18, |w| w.write_bytes(&**&self.finalization))?; }
        if self.has_transactions != false { w.write_with_tag(24, |w| w.write_bool(*&self.has_transactions))?; }
        for s in &self.transactions { w.write_with_tag(34, |w| w.write_bytes(&**s))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct FinalRange<'a> {
    pub blocks: Vec<Cow<'a, [u8]>>,
    pub finalization: Cow<'a, [u8]>,
}

impl<'a> MessageRead<'a> for FinalRange<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.blocks.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(18) => msg.finalization = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for FinalRange<'a> {
    fn get_size(&self) -> usize {
        0
        + self.blocks.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
        + if self.finalization == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.finalization).len()) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        for s in &self.blocks { w.write_with_tag(10, |w| w.write_bytes(&**s))?; }
        if self.finalization != Cow::Borrowed(b"") { w.write_with_tag(18, |w| w.write_bytes(&**&self.finalization))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct OptionalAnnouncement<'a> {
    pub announcement: Cow<'a, [u8]>,
}

impl<'a> MessageRead<'a> for OptionalAnnouncement<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.announcement = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for OptionalAnnouncement<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.announcement == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.announcement).len()) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.announcement != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.announcement))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct OptionalProposal<'a> {
    pub proposal: Cow<'a, [u8]>,
}

impl<'a> MessageRead<'a> for OptionalProposal<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.proposal = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for OptionalProposal<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.proposal == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.proposal).len()) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.proposal != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.proposal))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct CertificateList<'a> {
    pub certificates: Vec<Cow<'a, [u8]>>,
}

impl<'a> MessageRead<'a> for CertificateList<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.certificates.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for CertificateList<'a> {
    fn get_size(&self) -> usize {
        0
        + self.certificates.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        for s in &self.certificates { w.write_with_tag(10, |w| w.write_bytes(&**s))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct ChainResponse<'a> {
    pub response: commit::mod_ChainResponse::OneOfresponse<'a>,
}

impl<'a> MessageRead<'a> for ChainResponse<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.response = commit::mod_ChainResponse::OneOfresponse::tip(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(18) => msg.response = commit::mod_ChainResponse::OneOfresponse::final_range(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(26) => msg.response = commit::mod_ChainResponse::OneOfresponse::proposal(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(34) => msg.response = commit::mod_ChainResponse::OneOfresponse::certificates(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for ChainResponse<'a> {
    fn get_size(&self) -> usize {
        0
        + match self.response {
            commit::mod_ChainResponse::OneOfresponse::tip(ref m) => 1 + sizeof_len((m).len()),
            commit::mod_ChainResponse::OneOfresponse::final_range(ref m) => 1 + sizeof_len((m).len()),
            commit::mod_ChainResponse::OneOfresponse::proposal(ref m) => 1 + sizeof_len((m).len()),
            commit::mod_ChainResponse::OneOfresponse::certificates(ref m) => 1 + sizeof_len((m).len()),
            commit::mod_ChainResponse::OneOfresponse::None => 0,
    }    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        match self.response {            commit::mod_ChainResponse::OneOfresponse::tip(ref m) => { w.write_with_tag(10, |w| w.write_bytes(&**m))? },
            commit::mod_ChainResponse::OneOfresponse::final_range(ref m) => { w.write_with_tag(18, |w| w.write_bytes(&**m))? },
            commit::mod_ChainResponse::OneOfresponse::proposal(ref m) => { w.write_with_tag(26, |w| w.write_bytes(&**m))? },
            commit::mod_ChainResponse::OneOfresponse::certificates(ref m) => { w.write_with_tag(34, |w| w.write_bytes(&**m))? },
            commit::mod_ChainResponse::OneOfresponse::None => {},
    }        Ok(())
    }
}

pub mod mod_ChainResponse {

use super::*;

#[derive(Debug, PartialEq, Clone)]
pub enum OneOfresponse<'a> {
    tip(Cow<'a, [u8]>),
    final_range(Cow<'a, [u8]>),
    proposal(Cow<'a, [u8]>),
    certificates(Cow<'a, [u8]>),
    None,
}

impl<'a> Default for OneOfresponse<'a> {
    fn default() -> Self {
        OneOfresponse::None
    }
}

}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct FinalBlock<'a> {
    pub block: Cow<'a, [u8]>,
    pub outcomes: Vec<Cow<'a, [u8]>>,
}

impl<'a> MessageRead<'a> for FinalBlock<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.block = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.outcomes.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for FinalBlock<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.block == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.block).len()) }
        + self.outcomes.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.block != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.block))?; }
        for s in &self.outcomes { w.write_with_tag(18, |w| w.write_bytes(&**s))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct TransactionsRequest<'a> {
    pub transactions: Vec<Cow<'a, [u8]>>,
}

impl<'a> MessageRead<'a> for TransactionsRequest<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.transactions.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for TransactionsRequest<'a> {
    fn get_size(&self) -> usize {
        0
        + self.transactions.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        for s in &self.transactions { w.write_with_tag(10, |w| w.write_bytes(&**s))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct TransactionsResponse {
    pub results: Vec<u32>,
}

impl<'a> MessageRead<'a> for TransactionsResponse {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.results = r.read_packed(bytes, |r, bytes| Ok(r.read_uint32(bytes)?))?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl MessageWrite for TransactionsResponse {
    fn get_size(&self) -> usize {
        0
        + if self.results.is_empty() { 0 } else { 1 + sizeof_len(self.results.iter().map(|s| sizeof_varint(*(s) as u64)).sum::<usize>()) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        w.write_packed_with_tag(10, &self.results, |w, m| w.write_uint32(*m), &|m| sizeof_varint(*(m) as u64))?;
        Ok(())
    }
}

