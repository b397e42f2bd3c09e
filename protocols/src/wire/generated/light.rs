// Automatically generated rust module for 'light.proto' file

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
pub struct Earlier<'a> {
    pub header: Cow<'a, [u8]>,
    pub path: Cow<'a, [u8]>,
}

impl<'a> MessageRead<'a> for Earlier<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.header = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.path = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Earlier<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.header == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.header).len()) }
        + if self.path == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.path).len()) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.header != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.header))?; }
        if self.path != Cow::Borrowed(b"") { w.write_with_tag(18, |w| w.write_bytes(&**&self.path))?; }
        Ok(())
    }
}

#[allow(clippy::derive_partial_eq_without_eq)]
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Proof<'a> {
    pub network: Cow<'a, [u8]>,
    pub collection: Cow<'a, [u8]>,
    pub document: Cow<'a, [u8]>,
    pub certified: Cow<'a, [u8]>,
    pub finalization: Cow<'a, [u8]>,
    pub earlier: Cow<'a, [u8]>,
    pub state: Cow<'a, [u8]>,
}

impl<'a> MessageRead<'a> for Proof<'a> {
    fn from_reader(r: &mut BytesReader, bytes: &'a [u8]) -> Result<Self> {
        let mut msg = Self::default();
        while !r.is_eof() {
            match r.next_tag(bytes) {
                Ok(10) => msg.network = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(18) => msg.collection = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(26) => msg.document = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(34) => msg.certified = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(42) => msg.finalization = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(50) => msg.earlier = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(58) => msg.state = r.read_bytes(bytes).map(Cow::Borrowed)?,
                Ok(t) => { r.read_unknown(bytes, t)?; }
                Err(e) => return Err(e),
            }
        }
        Ok(msg)
    }
}

impl<'a> MessageWrite for Proof<'a> {
    fn get_size(&self) -> usize {
        0
        + if self.network == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.network).len()) }
        + if self.collection == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.collection).len()) }
        + if self.document == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.document).len()) }
        + if self.certified == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.certified).len()) }
        + if self.finalization == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.finalization).len()) }
        + if self.earlier == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.earlier).len()) }
        + if self.state == Cow::Borrowed(b"") { 0 } else { 1 + sizeof_len((&self.state).len()) }
    }

    fn write_message<W: WriterBackend>(&self, w: &mut Writer<W>) -> Result<()> {
        if self.network != Cow::Borrowed(b"") { w.write_with_tag(10, |w| w.write_bytes(&**&self.network))?; }
        if self.collection != Cow::Borrowed(b"") { w.write_with_tag(18, |w| w.write_bytes(&**&self.collection))?; }
        if self.document != Cow::Borrowed(b"") { w.write_with_tag(26, |w| w.write_bytes(&**&self.document))?; }
        if self.certified != Cow::Borrowed(b"") { w.write_with_tag(34, |w| w.write_bytes(&**&self.certified))?; }
        if self.finalization != Cow::Borrowed(b"") { w.write_with_tag(42, |w| w.write_bytes(&**&self.finalization))?; }
        if self.earlier != Cow::Borrowed(b"") { w.write_with_tag(50, |w| w.write_bytes(&**&self.earlier))?; }
        if self.state != Cow::Borrowed(b"") { w.write_with_tag(58, |w| w.write_bytes(&**&self.state))?; }
        Ok(())
    }
}

