// Automatically generated rust module for 'documents.proto' file

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
pub struct Changed<'a> {
    pub descriptor: Cow<'a, [u8]>,
    pub heads: Vec<Cow<'a, [u8]>>,
    pub changes: Vec<Cow<'a, [u8]>>,
}

impl<'a> MessageRead<'a> for Changed<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.descriptor = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.heads.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(26) => msg.changes.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Changed<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.descriptor == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.descriptor).len()) }
        + self.heads.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
        + self.changes.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.descriptor != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.descriptor))?; }
        for s in &self.heads { w.write_with_tag(18, |w| w.write_bytes(&**s))?; }
        for s in &self.changes { w.write_with_tag(26, |w| w.write_bytes(&**s))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Announcement<'a> {
    pub announcement: documents::mod_Announcement::OneOfannouncement<'a>,
}

impl<'a> MessageRead<'a> for Announcement<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.announcement = documents::mod_Announcement::OneOfannouncement::changed(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(18) => msg.announcement = documents::mod_Announcement::OneOfannouncement::removed(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Announcement<'a> {
    fn get_size(&self) -> usize {
        0
        + match self.announcement {
            documents::mod_Announcement::OneOfannouncement::changed(ref m) => 1 + sizeof_len((m).len()),
            documents::mod_Announcement::OneOfannouncement::removed(ref m) => 1 + sizeof_len((m).len()),
            documents::mod_Announcement::OneOfannouncement::None => 0,
    }    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        match self.announcement {            documents::mod_Announcement::OneOfannouncement::changed(ref m) => { w.write_with_tag(10, |w| w.write_bytes(&**m))? },
            documents::mod_Announcement::OneOfannouncement::removed(ref m) => { w.write_with_tag(18, |w| w.write_bytes(&**m))? },
            documents::mod_Announcement::OneOfannouncement::None => {},
    }        Ok(())
    }
}

pub mod mod_Announcement {

use super::*;

#[derive(Debug, PartialEq, Clone)]
pub enum OneOfannouncement<'a> {
    changed(Cow<'a, [u8]>),
    removed(Cow<'a, [u8]>),
    None,
}

impl<'a> Default for OneOfannouncement<'a> {
    fn default() -> Self {
        OneOfannouncement::None
    }
}

}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct CollectionSummary<'a> {
    pub collection: Cow<'a, [u8]>,
    pub root: Cow<'a, [u8]>,
    pub documents: u64,
    pub bytes_of_changes: u64,
    pub excepted: u64,
}

impl<'a> MessageRead<'a> for CollectionSummary<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.collection = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.root = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(24) => msg.documents = r.read_uint64(bytes)?,
                Ok(32) => msg.bytes_of_changes = r.read_uint64(bytes)?,
                Ok(40) => msg.excepted = r.read_uint64(bytes)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for CollectionSummary<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.collection == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.collection).len()) }
        + if self.root == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.root).len()) }
        + if self.documents == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.documents) as u64) }
        + if self.bytes_of_changes == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.bytes_of_changes) as u64) }
        + if self.excepted == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.excepted) as u64) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.collection != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.collection))?; }
        if self.root != Cow::Borrowed(b"") { w.write_with_tag(18, |w| w.write_bytes(&**&self.root))?; }
        if self.documents != 0u64 { w.write_with_tag(24, |w| w.write_uint64(*&self.documents))?; }
        if self.bytes_of_changes != 0u64 { w.write_with_tag(32, |w| w.write_uint64(*&self.bytes_of_changes))?; }
        if self.excepted != 0u64 { w.write_with_tag(40, |w| w.write_uint64(*&self.excepted))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct CollectionSummaries<'a> {
    pub summaries: Vec<Cow<'a, [u8]>>,
}

impl<'a> MessageRead<'a> for CollectionSummaries<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.summaries.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for CollectionSummaries<'a> {
    fn get_size(&self) -> usize {
        0
        + self.summaries.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        for s in &self.summaries { w.write_with_tag(10, |w| w.write_bytes(&**s))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct PrefixDigest<'a> {
    pub prefix: Cow<'a, [u8]>,
    pub digest: Cow<'a, [u8]>,
}

impl<'a> MessageRead<'a> for PrefixDigest<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.prefix = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.digest = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for PrefixDigest<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.prefix == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.prefix).len()) }
        + if self.digest == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.digest).len()) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.prefix != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.prefix))?; }
        if self.digest != Cow::Borrowed(b"") { w.write_with_tag(18, |w| w.write_bytes(&**&self.digest))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct CompareRequest<'a> {
    pub collection: Cow<'a, [u8]>,
    pub prefixes: Vec<Cow<'a, [u8]>>,
}

impl<'a> MessageRead<'a> for CompareRequest<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.collection = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.prefixes.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for CompareRequest<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.collection == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.collection).len()) }
        + self.prefixes.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.collection != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.collection))?; }
        for s in &self.prefixes { w.write_with_tag(18, |w| w.write_bytes(&**s))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct DocumentRequest<'a> {
    pub collection: Cow<'a, [u8]>,
    pub document: Cow<'a, [u8]>,
    pub descriptor: Cow<'a, [u8]>,
    pub message: Cow<'a, [u8]>,
    pub first: bool,
}

impl<'a> MessageRead<'a> for DocumentRequest<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.collection = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.document = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(26) => msg.descriptor = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(34) => msg.message = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(40) => msg.first = r.read_bool(bytes)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for DocumentRequest<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.collection == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.collection).len()) }
        + if self.document == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.document).len()) }
        + if self.descriptor == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.descriptor).len()) }
        + if self.message == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.message).len()) }
        + if self.first == false { 0 } else { 1 + sizeof_varint(*(&self.first) as u64) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.collection != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.collection))?; }
        if self.document != Cow::Borrowed(b"") { w.write_with_tag(18, |w| w.write_bytes(&**&self.document))?; }
        if self.descriptor != Cow::Borrowed(b"") { w.write_with_tag(26, |w| w.write_bytes(&**&self.descriptor))?; }
        if self.message != Cow::Borrowed(b"") { w.write_with_tag(34, |w| w.write_bytes(&**&self.message))?; }
        if self.first != false { w.write_with_tag(40, |w| w.write_bool(*&self.first))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct ReceiptRequest<'a> {
    pub entry: Cow<'a, [u8]>,
    pub previous: Vec<Cow<'a, [u8]>>,
}

impl<'a> MessageRead<'a> for ReceiptRequest<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.entry = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.previous.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for ReceiptRequest<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.entry == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.entry).len()) }
        + self.previous.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.entry != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.entry))?; }
        for s in &self.previous { w.write_with_tag(18, |w| w.write_bytes(&**s))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct ReceiptRequests<'a> {
    pub requests: Vec<Cow<'a, [u8]>>,
}

impl<'a> MessageRead<'a> for ReceiptRequests<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.requests.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for ReceiptRequests<'a> {
    fn get_size(&self) -> usize {
        0
        + self.requests.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        for s in &self.requests { w.write_with_tag(10, |w| w.write_bytes(&**s))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct SyncRequest<'a> {
    pub request: documents::mod_SyncRequest::OneOfrequest<'a>,
}

impl<'a> MessageRead<'a> for SyncRequest<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.request = documents::mod_SyncRequest::OneOfrequest::roots(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(18) => msg.request = documents::mod_SyncRequest::OneOfrequest::compare(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(26) => msg.request = documents::mod_SyncRequest::OneOfrequest::document(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(34) => msg.request = documents::mod_SyncRequest::OneOfrequest::removed(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(42) => msg.request = documents::mod_SyncRequest::OneOfrequest::receipts(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for SyncRequest<'a> {
    fn get_size(&self) -> usize {
        0
        + match self.request {
            documents::mod_SyncRequest::OneOfrequest::roots(ref m) => 1 + sizeof_len((m).len()),
            documents::mod_SyncRequest::OneOfrequest::compare(ref m) => 1 + sizeof_len((m).len()),
            documents::mod_SyncRequest::OneOfrequest::document(ref m) => 1 + sizeof_len((m).len()),
            documents::mod_SyncRequest::OneOfrequest::removed(ref m) => 1 + sizeof_len((m).len()),
            documents::mod_SyncRequest::OneOfrequest::receipts(ref m) => 1 + sizeof_len((m).len()),
            documents::mod_SyncRequest::OneOfrequest::None => 0,
    }    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        match self.request {            documents::mod_SyncRequest::OneOfrequest::roots(ref m) => { w.write_with_tag(10, |w| w.write_bytes(&**m))? },
            documents::mod_SyncRequest::OneOfrequest::compare(ref m) => { w.write_with_tag(18, |w| w.write_bytes(&**m))? },
            documents::mod_SyncRequest::OneOfrequest::document(ref m) => { w.write_with_tag(26, |w| w.write_bytes(&**m))? },
            documents::mod_SyncRequest::OneOfrequest::removed(ref m) => { w.write_with_tag(34, |w| w.write_bytes(&**m))? },
            documents::mod_SyncRequest::OneOfrequest::receipts(ref m) => { w.write_with_tag(42, |w| w.write_bytes(&**m))? },
            documents::mod_SyncRequest::OneOfrequest::None => {},
    }        Ok(())
    }
}

pub mod mod_SyncRequest {

use super::*;

#[derive(Debug, PartialEq, Clone)]
pub enum OneOfrequest<'a> {
    roots(Cow<'a, [u8]>),
    compare(Cow<'a, [u8]>),
    document(Cow<'a, [u8]>),
    removed(Cow<'a, [u8]>),
    receipts(Cow<'a, [u8]>),
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
pub struct Child<'a> {
    pub prefix: Cow<'a, [u8]>,
    pub digest: Cow<'a, [u8]>,
    pub count: u64,
}

impl<'a> MessageRead<'a> for Child<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.prefix = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.digest = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(24) => msg.count = r.read_uint64(bytes)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Child<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.prefix == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.prefix).len()) }
        + if self.digest == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.digest).len()) }
        + if self.count == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.count) as u64) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.prefix != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.prefix))?; }
        if self.digest != Cow::Borrowed(b"") { w.write_with_tag(18, |w| w.write_bytes(&**&self.digest))?; }
        if self.count != 0u64 { w.write_with_tag(24, |w| w.write_uint64(*&self.count))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Children<'a> {
    pub children: Vec<Cow<'a, [u8]>>,
}

impl<'a> MessageRead<'a> for Children<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.children.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Children<'a> {
    fn get_size(&self) -> usize {
        0
        + self.children.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        for s in &self.children { w.write_with_tag(10, |w| w.write_bytes(&**s))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct LeafEntry<'a> {
    pub document: Cow<'a, [u8]>,
    pub version: Cow<'a, [u8]>,
}

impl<'a> MessageRead<'a> for LeafEntry<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.document = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.version = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for LeafEntry<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.document == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.document).len()) }
        + if self.version == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.version).len()) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.document != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.document))?; }
        if self.version != Cow::Borrowed(b"") { w.write_with_tag(18, |w| w.write_bytes(&**&self.version))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Leaves<'a> {
    pub leaves: Vec<Cow<'a, [u8]>>,
}

impl<'a> MessageRead<'a> for Leaves<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.leaves.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Leaves<'a> {
    fn get_size(&self) -> usize {
        0
        + self.leaves.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        for s in &self.leaves { w.write_with_tag(10, |w| w.write_bytes(&**s))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Comparison<'a> {
    pub comparison: documents::mod_Comparison::OneOfcomparison<'a>,
}

impl<'a> MessageRead<'a> for Comparison<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(8) => msg.comparison = documents::mod_Comparison::OneOfcomparison::equal(r.read_bool(bytes)?),
                Ok(18) => msg.comparison = documents::mod_Comparison::OneOfcomparison::children(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(26) => msg.comparison = documents::mod_Comparison::OneOfcomparison::leaves(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Comparison<'a> {
    fn get_size(&self) -> usize {
        0
        + match self.comparison {
            documents::mod_Comparison::OneOfcomparison::equal(ref m) => 1 + sizeof_varint(*(m) as u64),
            documents::mod_Comparison::OneOfcomparison::children(ref m) => 1 + sizeof_len((m).len()),
            documents::mod_Comparison::OneOfcomparison::leaves(ref m) => 1 + sizeof_len((m).len()),
            documents::mod_Comparison::OneOfcomparison::None => 0,
    }    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        match self.comparison {            documents::mod_Comparison::OneOfcomparison::equal(ref m) => { w.write_with_tag(8, |w| w.write_bool(*m))? },
            documents::mod_Comparison::OneOfcomparison::children(ref m) => { w.write_with_tag(18, |w| w.write_bytes(&**m))? },
            documents::mod_Comparison::OneOfcomparison::leaves(ref m) => { w.write_with_tag(26, |w| w.write_bytes(&**m))? },
            documents::mod_Comparison::OneOfcomparison::None => {},
    }        Ok(())
    }
}

pub mod mod_Comparison {

use super::*;

#[derive(Debug, PartialEq, Clone)]
pub enum OneOfcomparison<'a> {
    equal(bool),
    children(Cow<'a, [u8]>),
    leaves(Cow<'a, [u8]>),
    None,
}

impl<'a> Default for OneOfcomparison<'a> {
    fn default() -> Self {
        OneOfcomparison::None
    }
}

}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Comparisons<'a> {
    pub comparisons: Vec<Cow<'a, [u8]>>,
}

impl<'a> MessageRead<'a> for Comparisons<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.comparisons.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Comparisons<'a> {
    fn get_size(&self) -> usize {
        0
        + self.comparisons.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        for s in &self.comparisons { w.write_with_tag(10, |w| w.write_bytes(&**s))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct DocumentResponse<'a> {
    pub descriptor: Cow<'a, [u8]>,
    pub message: Cow<'a, [u8]>,
}

impl<'a> MessageRead<'a> for DocumentResponse<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.descriptor = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.message = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for DocumentResponse<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.descriptor == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.descriptor).len()) }
        + if self.message == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.message).len()) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.descriptor != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.descriptor))?; }
        if self.message != Cow::Borrowed(b"") { w.write_with_tag(18, |w| w.write_bytes(&**&self.message))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct ReceiptResult<'a> {
    pub result: documents::mod_ReceiptResult::OneOfresult<'a>,
}

impl<'a> MessageRead<'a> for ReceiptResult<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.result = documents::mod_ReceiptResult::OneOfresult::receipt(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(16) => msg.result = documents::mod_ReceiptResult::OneOfresult::refusal(r.read_uint32(bytes)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for ReceiptResult<'a> {
    fn get_size(&self) -> usize {
        0
        + match self.result {
            documents::mod_ReceiptResult::OneOfresult::receipt(ref m) => 1 + sizeof_len((m).len()),
            documents::mod_ReceiptResult::OneOfresult::refusal(ref m) => 1 + sizeof_varint(*(m) as u64),
            documents::mod_ReceiptResult::OneOfresult::None => 0,
    }    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        match self.result {            documents::mod_ReceiptResult::OneOfresult::receipt(ref m) => { w.write_with_tag(10, |w| w.write_bytes(&**m))? },
            documents::mod_ReceiptResult::OneOfresult::refusal(ref m) => { w.write_with_tag(16, |w| w.write_uint32(*m))? },
            documents::mod_ReceiptResult::OneOfresult::None => {},
    }        Ok(())
    }
}

pub mod mod_ReceiptResult {

use super::*;

#[derive(Debug, PartialEq, Clone)]
pub enum OneOfresult<'a> {
    receipt(Cow<'a, [u8]>),
    refusal(u32),
    None,
}

impl<'a> Default for OneOfresult<'a> {
    fn default() -> Self {
        OneOfresult::None
    }
}

}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct ReceiptResults<'a> {
    pub results: Vec<Cow<'a, [u8]>>,
}

impl<'a> MessageRead<'a> for ReceiptResults<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.results.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for ReceiptResults<'a> {
    fn get_size(&self) -> usize {
        0
        + self.results.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        for s in &self.results { w.write_with_tag(10, |w| w.write_bytes(&**s))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct SyncResponse<'a> {
    pub response: documents::mod_SyncResponse::OneOfresponse<'a>,
}

impl<'a> MessageRead<'a> for SyncResponse<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.response = documents::mod_SyncResponse::OneOfresponse::roots(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(18) => msg.response = documents::mod_SyncResponse::OneOfresponse::compare(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(26) => msg.response = documents::mod_SyncResponse::OneOfresponse::document(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(34) => msg.response = documents::mod_SyncResponse::OneOfresponse::removed(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(40) => msg.response = documents::mod_SyncResponse::OneOfresponse::not_followed(r.read_bool(bytes)?),
                Ok(48) => msg.response = documents::mod_SyncResponse::OneOfresponse::acknowledged(r.read_bool(bytes)?),
                Ok(58) => msg.response = documents::mod_SyncResponse::OneOfresponse::receipts(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for SyncResponse<'a> {
    fn get_size(&self) -> usize {
        0
        + match self.response {
            documents::mod_SyncResponse::OneOfresponse::roots(ref m) => 1 + sizeof_len((m).len()),
            documents::mod_SyncResponse::OneOfresponse::compare(ref m) => 1 + sizeof_len((m).len()),
            documents::mod_SyncResponse::OneOfresponse::document(ref m) => 1 + sizeof_len((m).len()),
            documents::mod_SyncResponse::OneOfresponse::removed(ref m) => 1 + sizeof_len((m).len()),
            documents::mod_SyncResponse::OneOfresponse::not_followed(ref m) => 1 + sizeof_varint(*(m) as u64),
            documents::mod_SyncResponse::OneOfresponse::acknowledged(ref m) => 1 + sizeof_varint(*(m) as u64),
            documents::mod_SyncResponse::OneOfresponse::receipts(ref m) => 1 + sizeof_len((m).len()),
            documents::mod_SyncResponse::OneOfresponse::None => 0,
    }    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        match self.response {            documents::mod_SyncResponse::OneOfresponse::roots(ref m) => { w.write_with_tag(10, |w| w.write_bytes(&**m))? },
            documents::mod_SyncResponse::OneOfresponse::compare(ref m) => { w.write_with_tag(18, |w| w.write_bytes(&**m))? },
            documents::mod_SyncResponse::OneOfresponse::document(ref m) => { w.write_with_tag(26, |w| w.write_bytes(&**m))? },
            documents::mod_SyncResponse::OneOfresponse::removed(ref m) => { w.write_with_tag(34, |w| w.write_bytes(&**m))? },
            documents::mod_SyncResponse::OneOfresponse::not_followed(ref m) => { w.write_with_tag(40, |w| w.write_bool(*m))? },
            documents::mod_SyncResponse::OneOfresponse::acknowledged(ref m) => { w.write_with_tag(48, |w| w.write_bool(*m))? },
            documents::mod_SyncResponse::OneOfresponse::receipts(ref m) => { w.write_with_tag(58, |w| w.write_bytes(&**m))? },
            documents::mod_SyncResponse::OneOfresponse::None => {},
    }        Ok(())
    }
}

pub mod mod_SyncResponse {

use super::*;

#[derive(Debug, PartialEq, Clone)]
pub enum OneOfresponse<'a> {
    roots(Cow<'a, [u8]>),
    compare(Cow<'a, [u8]>),
    document(Cow<'a, [u8]>),
    removed(Cow<'a, [u8]>),
    not_followed(bool),
    acknowledged(bool),
    receipts(Cow<'a, [u8]>),
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
pub struct HeadList<'a> {
    pub heads: Vec<Cow<'a, [u8]>>,
}

impl<'a> MessageRead<'a> for HeadList<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.heads.push(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for HeadList<'a> {
    fn get_size(&self) -> usize {
        0
        + self.heads.iter().map(|s| 1 + sizeof_len((s).len())).sum::<usize>()
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        for s in &self.heads { w.write_with_tag(10, |w| w.write_bytes(&**s))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct StoredDocument<'a> {
    pub id: Cow<'a, [u8]>,
    pub collection: Cow<'a, [u8]>,
    pub descriptor: Cow<'a, [u8]>,
    pub bytes_of_changes: u64,
    pub status: documents::mod_StoredDocument::OneOfstatus<'a>,
}

impl<'a> MessageRead<'a> for StoredDocument<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.id = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.collection = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(26) => msg.descriptor = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(32) => msg.bytes_of_changes = r.read_uint64(bytes)?,
                Ok(42) => msg.status = documents::mod_StoredDocument::OneOfstatus::live(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(50) => msg.status = documents::mod_StoredDocument::OneOfstatus::removed(r.read_bytes(bytes).map(Cow::Borrowed)?),
                Ok(56) => msg.status = documents::mod_StoredDocument::OneOfstatus::forgotten(r.read_bool(bytes)?),
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for StoredDocument<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.id == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.id).len()) }
        + if self.collection == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.collection).len()) }
        + if self.descriptor == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.descriptor).len()) }
        + if self.bytes_of_changes == 0u64 { 0 } else { 1 + sizeof_varint(*(&self.bytes_of_changes) as u64) }
        + match self.status {
            documents::mod_StoredDocument::OneOfstatus::live(ref m) => 1 + sizeof_len((m).len()),
            documents::mod_StoredDocument::OneOfstatus::removed(ref m) => 1 + sizeof_len((m).len()),
            documents::mod_StoredDocument::OneOfstatus::forgotten(ref m) => 1 + sizeof_varint(*(m) as u64),
            documents::mod_StoredDocument::OneOfstatus::None => 0,
    }    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.id != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.id))?; }
        if self.collection != Cow::Borrowed(b"") { w.write_with_tag(18, |w| w.write_bytes(&**&self.collection))?; }
        if self.descriptor != Cow::Borrowed(b"") { w.write_with_tag(26, |w| w.write_bytes(&**&self.descriptor))?; }
        if self.bytes_of_changes != 0u64 { w.write_with_tag(32, |w| w.write_uint64(*&self.bytes_of_changes))?; }
        match self.status {            documents::mod_StoredDocument::OneOfstatus::live(ref m) => { w.write_with_tag(42, |w| w.write_bytes(&**m))? },
            documents::mod_StoredDocument::OneOfstatus::removed(ref m) => { w.write_with_tag(50, |w| w.write_bytes(&**m))? },
            documents::mod_StoredDocument::OneOfstatus::forgotten(ref m) => { w.write_with_tag(56, |w| w.write_bool(*m))? },
            documents::mod_StoredDocument::OneOfstatus::None => {},
    }        Ok(())
    }
}

pub mod mod_StoredDocument {

use super::*;

#[derive(Debug, PartialEq, Clone)]
pub enum OneOfstatus<'a> {
    live(Cow<'a, [u8]>),
    removed(Cow<'a, [u8]>),
    forgotten(bool),
    None,
}

impl<'a> Default for OneOfstatus<'a> {
    fn default() -> Self {
        OneOfstatus::None
    }
}

}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct QuarantineEntry<'a> {
    pub document: Cow<'a, [u8]>,
    pub change: Cow<'a, [u8]>,
    pub content: Cow<'a, [u8]>,
    pub reason: Cow<'a, str>,
}

impl<'a> MessageRead<'a> for QuarantineEntry<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.document = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.change = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(26) => msg.content = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(34) => msg.reason = r.read_string(bytes).map(Cow::Borrowed)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for QuarantineEntry<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.document == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.document).len()) }
        + if self.change == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.change).len()) }
        + if self.content == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.content).len()) }
        + if self.reason == "" { 0 } else { 1 + sizeof_len((&self.reason).len()) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.document != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.document))?; }
        if self.change != Cow::Borrowed(b"") { w.write_with_tag(18, |w| w.write_bytes(&**&self.change))?; }
        if self.content != Cow::Borrowed(b"") { w.write_with_tag(26, |w| w.write_bytes(&**&self.content))?; }
        if self.reason != "" { w.write_with_tag(34, |w| w.write_string(&**&self.reason))?; }
        Ok(())
    }
}

