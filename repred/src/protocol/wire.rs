//! Numbers, ids, hashes and times as bytes: each with its writer and its reader side by side.

use alloc::vec::Vec;

use crate::{
    encoding::{
        DecodeError,
        varint::{put_u64, take_u64},
    },
    id::ReplicaId,
    time::Time,
    token::Token,
};

/// Seqs beyond this are lies: at a million updates a second it is reached after 146,000 years. The limit
/// leaves room to calculate.
pub(crate) const MAX_SEQ: u64 = 1 << 62;

/// Times beyond this, in the year 6536, are lies too, and the limit leaves room to calculate.
pub(crate) const MAX_TIME: Time = Time::from_ticks(1 << 62);

/// Bytes that are no message; what should have been there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub(crate) &'static str);

impl From<DecodeError> for Malformed {
    fn from(_: DecodeError) -> Self {
        Self("a number")
    }
}

/// Something that a later version of this program has written and that this one must not pass over: what kind of
/// thing, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Upgrade {
    pub(crate) what: &'static str,
    pub(crate) number: u64,
}

/// Why bytes cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Malformed(Malformed),
    Upgrade(Upgrade),
}

impl From<Malformed> for Unreadable {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// Of messages, items, records and attributes, the first number that a later version may give a meaning to without
/// being another version of the protocol. An odd one must not be passed over.
pub(crate) const FIRST_OPEN_NUMBER: u64 = 64;

/// Whether something of an unknown number may be passed over.
pub(crate) fn check_unknown(what: &'static str, number: u64) -> Result<(), Upgrade> {
    if number.is_multiple_of(2) { Ok(()) } else { Err(Upgrade { what, number }) }
}

impl From<Upgrade> for Unreadable {
    fn from(upgrade: Upgrade) -> Self {
        Self::Upgrade(upgrade)
    }
}

/// A hash that names its algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    /// SipHash-2-4-128 without a key.
    Sip(u128),
    /// Of an algorithm that this program does not know, so it cannot be compared.
    Unknown { algorithm: u8 },
}

/// Takes so many bytes off the front.
pub(crate) fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (taken, rest) = bytes.split_first_chunk().ok_or(Malformed("more bytes"))?;
    *bytes = rest;
    Ok(*taken)
}

/// Nothing may follow.
pub(super) fn end(bytes: &[u8]) -> Result<(), Malformed> {
    if bytes.is_empty() { Ok(()) } else { Err(Malformed("the end of a message")) }
}

pub(super) fn put_number(bytes: &mut Vec<u8>, number: u64) {
    put_u64(bytes, number);
}

#[inline]
pub(super) fn take_number(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    Ok(take_u64(bytes)?)
}

pub(super) fn put_id(bytes: &mut Vec<u8>, id: ReplicaId) {
    bytes.extend_from_slice(&id.to_bytes());
}

pub(super) fn take_id(bytes: &mut &[u8]) -> Result<ReplicaId, Malformed> {
    Ok(ReplicaId::from_bytes(take(bytes)?))
}

/// The most bytes of a hash whose algorithm is not known.
const MAX_HASH: u64 = 64;

/// The algorithms of hashes. One that is not here is followed by its length.
mod algorithm {
    pub(super) const SIP: u8 = 1;
    /// Reserved, of 32 bytes.
    pub(super) const BLAKE3: u8 = 2;
}

pub(super) fn put_hash(bytes: &mut Vec<u8>, hash: &Hash) {
    match hash {
        Hash::Sip(hash) => {
            bytes.push(algorithm::SIP);
            bytes.extend_from_slice(&hash.to_le_bytes());
        }
        // Nobody makes one. A reader could not compare it either.
        Hash::Unknown { .. } => bytes.extend_from_slice(&[0, 0]),
    }
}

pub(super) fn take_hash(bytes: &mut &[u8]) -> Result<Hash, Malformed> {
    let [algorithm] = take(bytes)?;
    match algorithm {
        algorithm::SIP => return Ok(Hash::Sip(u128::from_le_bytes(take(bytes)?))),
        algorithm::BLAKE3 => drop(take::<32>(bytes)?),
        _ => drop(take_slice(bytes, MAX_HASH)?),
    }
    Ok(Hash::Unknown { algorithm })
}

/// Takes bytes that stand behind their length, at most so many.
pub(super) fn take_slice<'a>(bytes: &mut &'a [u8], limit: u64) -> Result<&'a [u8], Malformed> {
    let len = take_number(bytes)?;
    if len > limit || len > bytes.len() as u64 {
        return Err(Malformed("no more bytes than allowed, and as many as are announced"));
    }
    let (taken, rest) = bytes.split_at(len as usize);
    *bytes = rest;
    Ok(taken)
}

pub(super) fn put_token(bytes: &mut Vec<u8>, token: Token) {
    bytes.extend_from_slice(&token.to_bytes());
}

pub(super) fn take_token(bytes: &mut &[u8]) -> Result<Token, Malformed> {
    Ok(Token::from_bytes(take(bytes)?))
}

pub(super) fn put_time(bytes: &mut Vec<u8>, time: Time) {
    put_u64(bytes, time.as_ticks());
}

pub(super) fn take_time(bytes: &mut &[u8]) -> Result<Time, Malformed> {
    let time = Time::from_ticks(take_number(bytes)?);
    if time <= MAX_TIME { Ok(time) } else { Err(Malformed("a time before the year 6536")) }
}

/// Takes a seq, or a count of seqs: at least 1.
pub(super) fn take_seq(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let seq = take_number(bytes)?;
    if (1..=MAX_SEQ).contains(&seq) { Ok(seq) } else { Err(Malformed("a seq from 1 to 2^62")) }
}

/// Appends the seqs from `first` to `last`: the first, and how many.
pub(super) fn put_seqs(bytes: &mut Vec<u8>, first: u64, last: u64) {
    put_u64(bytes, first);
    put_u64(bytes, last - first + 1);
}

/// Takes a first seq and a count, as first and last.
pub(super) fn take_seqs(bytes: &mut &[u8]) -> Result<(u64, u64), Malformed> {
    let (first, count) = (take_seq(bytes)?, take_seq(bytes)?);
    match first + count - 1 {
        last if last <= MAX_SEQ => Ok((first, last)),
        _ => Err(Malformed("seqs up to 2^62")),
    }
}
