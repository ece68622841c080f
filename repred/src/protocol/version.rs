//! Versions as bytes: how many origins, and then of each its id, its seq, its token, and attributes. A plain version,
//! which stands where only seqs matter, has ids and seqs.

use alloc::vec::Vec;

use super::{
    attributes::{Attributes, put_attribute, put_attributes},
    wire::{
        MAX_SEQ, Malformed, Unreadable, put_id, put_number, put_token, take, take_id, take_number,
        take_seq, take_token,
    },
};
use crate::{
    epochs::Epochs,
    id::ReplicaId,
    seen::{OriginHead, Seen},
    token::Epoch,
    version::VersionVector,
};

/// The attribute of an origin that has its epochs.
const EPOCHS: u64 = 2;

/// The fewest bytes of an origin in a version, and in a plain one.
const MIN_HEAD: u64 = 16 + 1 + 8 + 1;
const MIN_PLAIN: u64 = 16 + 1;

/// Appends a version.
pub(crate) fn put_seen(bytes: &mut Vec<u8>, seen: &Seen) {
    put_number(bytes, seen.heads().len() as u64);
    for OriginHead { id, seq, token, epochs } in seen.heads() {
        put_id(bytes, *id);
        put_number(bytes, *seq);
        put_token(bytes, *token);
        let mut attributes = Vec::new();
        if !epochs.is_empty() {
            put_attribute(&mut attributes, EPOCHS, &epochs_as_bytes(epochs));
        }
        put_attributes(bytes, &attributes);
    }
}

/// Takes a version off the front, if it has at most `limit` origins.
pub(crate) fn take_seen(bytes: &mut &[u8], limit: usize) -> Result<Seen, Unreadable> {
    let len = take_len(bytes, limit, MIN_HEAD)?;
    let mut before = None;
    let heads = (0..len).map(|_| {
        let id = take_next_id(bytes, &mut before)?;
        let (seq, token) = (take_seq(bytes)?, take_token(bytes)?);
        let mut epochs = Vec::new();
        Attributes::take(bytes)?.read(|number, value| match number {
            EPOCHS => take_epochs(value).map(|taken| {
                epochs = taken;
                true
            }),
            _ => Ok(false),
        })?;
        Ok(OriginHead { id, seq, token, epochs })
    });
    Ok(Seen::new(heads.collect::<Result<_, Unreadable>>()?))
}

/// Appends a plain version.
pub(crate) fn put_plain(bytes: &mut Vec<u8>, version: &VersionVector) {
    put_number(bytes, version.len() as u64);
    for (id, seq) in version.iter() {
        put_id(bytes, id);
        put_number(bytes, seq);
    }
}

/// Takes a plain version off the front, if it has at most `limit` origins.
pub(crate) fn take_plain(bytes: &mut &[u8], limit: usize) -> Result<VersionVector, Malformed> {
    let len = take_len(bytes, limit, MIN_PLAIN)?;
    let mut before = None;
    (0..len).map(|_| Ok((take_next_id(bytes, &mut before)?, take_seq(bytes)?))).collect()
}

/// How many origins follow, each of so many bytes at least. So no count reserves more memory than the bytes that came.
fn take_len(bytes: &mut &[u8], limit: usize, min: u64) -> Result<u64, Malformed> {
    match take_number(bytes)? {
        len if len <= limit as u64 && len <= bytes.len() as u64 / min => Ok(len),
        _ => Err(Malformed("a version with no more origins than allowed, or than there are bytes")),
    }
}

/// The order is that of the speaker's table of origins, so both sides must mean the same by it.
fn take_next_id(bytes: &mut &[u8], before: &mut Option<ReplicaId>) -> Result<ReplicaId, Malformed> {
    let id = take_id(bytes)?;
    if before.replace(id) >= Some(id) {
        return Err(Malformed("a version in the order of its ids"));
    }
    Ok(id)
}

fn epochs_as_bytes(epochs: &[Epoch]) -> Vec<u8> {
    let (mut bytes, mut before) = (Vec::new(), 0);
    for &Epoch { first, mark } in epochs {
        put_number(&mut bytes, first - before);
        put_mark(&mut bytes, mark);
        before = first;
    }
    bytes
}

fn take_epochs(mut bytes: &[u8]) -> Result<Vec<Epoch>, Malformed> {
    let (mut epochs, mut before) = (Vec::new(), 0);
    while !bytes.is_empty() {
        if epochs.len() == Epochs::MOST {
            return Err(Malformed("no more than 256 epochs"));
        }
        let first = before + take_seq(&mut bytes)?;
        if first > MAX_SEQ {
            return Err(Malformed("an epoch up to 2^62"));
        }
        // What is before those that are known has no mark.
        let is_unknown = epochs.is_empty() && bytes.starts_with(&[0; 4]);
        let mark =
            if is_unknown { u32::from_le_bytes(take(&mut bytes)?) } else { take_mark(&mut bytes)? };
        epochs.push(Epoch { first, mark });
        before = first;
    }
    Ok(epochs)
}

pub(super) fn put_mark(bytes: &mut Vec<u8>, mark: u32) {
    bytes.extend_from_slice(&mark.to_le_bytes());
}

/// Takes the mark of an epoch; 0 says that which epoch it is, or whether it is one, is not known.
pub(super) fn take_mark(bytes: &mut &[u8]) -> Result<u32, Malformed> {
    Ok(u32::from_le_bytes(take(bytes)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Token;

    fn seen() -> Seen {
        let epochs = vec![Epoch { first: 1, mark: 7 }, Epoch { first: 300, mark: u32::MAX }];
        let known = Token { epoch: u32::MAX, entry: 5 };
        let head = |id: u128, seq| OriginHead {
            id: id.into(),
            seq,
            token: Token::UNKNOWN,
            epochs: Vec::new(),
        };
        Seen::new(vec![head(1, 1), OriginHead { token: known, epochs, ..head(2, MAX_SEQ) }])
    }

    #[test]
    fn a_version_is_read_as_it_was_written_and_no_shorter() {
        let mut bytes = Vec::new();
        put_seen(&mut bytes, &seen());
        assert_eq!(take_seen(&mut &*bytes, 2), Ok(seen()));
        assert!(take_seen(&mut &*bytes, 1).is_err(), "one origin is the limit");
        for cut in 0..bytes.len() {
            assert!(take_seen(&mut &bytes[..cut], 2).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_plain_version_is_read_as_it_was_written_and_no_shorter() {
        let version = seen().version();
        let mut bytes = Vec::new();
        put_plain(&mut bytes, &version);
        assert_eq!(take_plain(&mut &*bytes, 2), Ok(version));
        assert!(take_plain(&mut &*bytes, 1).is_err(), "one origin is the limit");
        for cut in 0..bytes.len() {
            assert!(take_plain(&mut &bytes[..cut], 2).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn epochs_ascend_have_a_mark_and_are_few() {
        let epoch = |distance, mark: u8| vec![distance, mark, 0, 0, 0];
        assert!(take_epochs(&epoch(1, 1)).is_ok());
        assert!(take_epochs(&epoch(0, 1)).is_err());
        let after = |first: Vec<u8>| [first, epoch(1, 0)].concat();
        assert!(take_epochs(&epoch(1, 0)).is_ok(), "what is before the known ones is unknown");
        assert!(take_epochs(&after(epoch(1, 1))).is_ok(), "and so is what comes after them");
        assert!(take_epochs(&epoch(1, 1).repeat(Epochs::MOST)).is_ok());
        assert!(take_epochs(&epoch(1, 1).repeat(Epochs::MOST + 1)).is_err());
    }
}
