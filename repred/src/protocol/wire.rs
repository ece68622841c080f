//! Numbers, ids, times and versions as bytes: each with its writer and its reader side by side.

use alloc::vec::Vec;

use crate::{
    encoding::{
        DecodeError,
        varint::{put_u64, take_u64},
    },
    id::ReplicaId,
    time::Time,
    version::VersionVector,
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

pub(super) fn put_hash(bytes: &mut Vec<u8>, hash: u128) {
    bytes.extend_from_slice(&hash.to_le_bytes());
}

pub(super) fn take_hash(bytes: &mut &[u8]) -> Result<u128, Malformed> {
    Ok(u128::from_le_bytes(take(bytes)?))
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

/// Appends a version: how many entries, then each.
pub(crate) fn put_version(bytes: &mut Vec<u8>, version: &VersionVector) {
    put_u64(bytes, version.len() as u64);
    for (id, seq) in version.iter() {
        put_id(bytes, id);
        put_u64(bytes, seq);
    }
}

/// Takes a version off the front, if it has at most `limit` entries.
pub(crate) fn take_version(bytes: &mut &[u8], limit: usize) -> Result<VersionVector, Malformed> {
    let len = take_number(bytes)?;
    // An entry has an id and a seq of one byte at least, so no count reserves more memory than the bytes that came.
    if len > limit as u64 || len > bytes.len() as u64 / 17 {
        return Err(Malformed("a version with more entries than allowed, or than there are bytes"));
    }
    // The order is that of the speaker's table of origins, so both sides must mean the same by it.
    let mut before = None;
    let entries = (0..len).map(|_| {
        let (id, seq) = (take_id(bytes)?, take_seq(bytes)?);
        if before.replace(id) >= Some(id) {
            return Err(Malformed("a version in the order of its ids"));
        }
        Ok((id, seq))
    });
    entries.collect()
}
