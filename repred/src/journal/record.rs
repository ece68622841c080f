//! [`Record`]: one checksummed unit of a log file.
//!
//! ```text
//! file    magic 8 │ generation 8 │ document 16 │ hash 8 │ record …
//! record  length 4 │ check 4 │ hash 8 │ kind 1 │ synced, a varint │ … │ end 1
//! opened  … │ durability 1 │ id 16 │ attributes
//! named   … │ id 16
//! batch   … │ time, a varint │ attributes │ messages, each behind its length, a varint
//! peers   … │ each: id 16 │ time, a varint │ version │ attributes
//! closed  …
//! ```
//!
//! A reader distinguishes three cases, except that an invalid record at the end of the file may be torn or damaged:
//!
//! * **A record that is sound.** The hash is that of the generation of the file, the offset of the record, and its
//!   length and content, so nothing that is old or misplaced is taken for a record. The check is a part of the same
//!   hash of the length alone, so that a wrong length is found before anything is read by it.
//! * **A record that was never written in full** (torn): a crash came before its sync, and it is cut off. A record ends
//!   with a byte that is not zero, [`END`], and what is not written yet is zero or nothing. So a record whose last bytes
//!   are zero or missing was never written in full.
//! * **A record that was whole, and is damaged.** Each record has in `synced` the size up to which the file was known
//!   to be durable when the record was written. If something invalid stands before the `synced` of a sound record
//!   that comes later, it was durable once: it is damage, and an error. The same at the end of the file may be a torn
//!   record or a damaged one, since no later record can tell. Then it is cut off, and the replica takes a new id.

use std::hash::Hasher;

use siphasher::sip::SipHasher24;

use crate::{
    document::DocumentId,
    encoding::varint::{put_u64, take_u64},
    id::ReplicaId,
    protocol::{
        Attributes, FIRST_OPEN_NUMBER, Malformed, Unreadable, Upgrade, check_unknown,
        put_attribute, put_attributes,
    },
    time::Time,
};

/// What the first eight bytes of a file are, the last of which is the number of its format.
const MAGIC: [u8; 8] = *b"repred\x00\x03";

/// Bytes of the header of a file.
pub(super) const HEADER: usize = 40;

/// The last format whose header had no document, and the bytes of that.
const FORMAT_WITHOUT_DOCUMENT: u8 = 2;
const HEADER_WITHOUT_DOCUMENT: usize = 24;

/// Bytes of the head of a record: length, check and hash.
pub(super) const HEAD: usize = 16;

/// Bytes of the length and its check.
const LENGTH: usize = 8;

/// The last byte of a record. It is not zero, as what is not written yet is.
const END: u8 = 0xff;

/// The number of the attribute of an *opened* record that says where the journal is.
const PLACE: u64 = 2;

/// The longest record. A reader buffers a whole record, and treats a head with a larger length as invalid.
pub(super) const MAX_RECORD: u64 = 1 << 30;

/// One thing that happened to a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// A replica opened the journal, and writes under this id from now on. Messages begin anew, with an open.
    Opened {
        /// Whether no update is sent before it is durable.
        is_strict: bool,
        id: ReplicaId,
        /// Where the journal was then; see [`Location`](super::location::Location). Nothing if that is not known.
        place: &'a [u8],
    },
    /// Updates are written under another id from now on.
    Named { id: ReplicaId },
    /// What was new in the core.
    Batch {
        /// The largest time that the core had used.
        latest: Time,
        /// What stands beside the messages.
        attributes: BatchAttributes<'a>,
        /// The messages that a peer would get, each behind its length.
        messages: &'a [u8],
    },
    /// What is known of peers; see [`KnownPeers`](super::known_peers::KnownPeers).
    Peers { known: &'a [u8] },
    /// The journal was closed, and nothing is missing.
    Closed,
    /// Something of a later version of the program: an even kind from 64 on, and the rest.
    Unknown { kind: u8, bytes: &'a [u8] },
}

/// What stands beside the messages of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BatchAttributes<'a> {
    /// The former ids under which this replica has written, and how far: a plain version. Empty if it is not said, as it
    /// is where a log goes on.
    pub(super) former_ids: &'a [u8],
}

/// The number of that attribute.
const FORMER_IDS: u64 = 4;

/// What is at some offset of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    Record {
        record: Record<'a>,
        synced: u64,
        size: usize,
    },
    /// A sound record of a later version of the program, which must not be passed over.
    Upgrade(Upgrade),
    Invalid,
}

/// What the header of a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// It is a log of this document.
    Ours(DocumentId),
    /// It was written by another version of repred.
    OtherFormat(u8),
    Invalid,
}

/// Appends the header of a file.
pub(super) fn put_header(bytes: &mut Vec<u8>, generation: u64, document: DocumentId) {
    let start = bytes.len();
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&generation.to_le_bytes());
    bytes.extend_from_slice(&document.to_bytes());
    let hash = hash(generation, 0, &bytes[start..]);
    bytes.extend_from_slice(&hash.to_le_bytes());
}

/// What the header of the file of a generation says, by the first [`HEADER`] bytes, or by all if there are fewer.
pub(super) fn header(bytes: &[u8], generation: u64) -> Header {
    let (Some(magic), Some(number)) = (bytes.first_chunk::<8>(), bytes.get(8..16)) else {
        return Header::Invalid;
    };
    let is_ours = magic[..7] == MAGIC[..7] && number == generation.to_le_bytes();
    let (format, len) = match magic[7] {
        // Its hash was that of the magic alone.
        FORMAT_WITHOUT_DOCUMENT => (FORMAT_WITHOUT_DOCUMENT, HEADER_WITHOUT_DOCUMENT),
        format => (format, HEADER),
    };
    let hashed = if format == FORMAT_WITHOUT_DOCUMENT { 8 } else { HEADER - 8 };
    let Some((head, _)) = bytes.split_at_checked(len).filter(|_| is_ours) else {
        return Header::Invalid;
    };
    if head[len - 8..] != hash(generation, 0, &head[..hashed]).to_le_bytes() {
        return Header::Invalid;
    }
    match head[16..].first_chunk() {
        Some(document) if format == MAGIC[7] => Header::Ours(DocumentId::from_bytes(*document)),
        _ => Header::OtherFormat(format),
    }
}

impl Record<'_> {
    /// Appends the record to `bytes`, for an offset in the file of a generation.
    pub(super) fn put(&self, bytes: &mut Vec<u8>, generation: u64, offset: u64, synced: u64) {
        let start = bytes.len();
        bytes.extend_from_slice(&[0; HEAD]);
        bytes.push(self.kind());
        put_u64(bytes, synced);
        match self {
            Self::Opened { is_strict, id, place } => {
                bytes.push(u8::from(*is_strict));
                bytes.extend_from_slice(&id.to_bytes());
                let mut attributes = Vec::new();
                if !place.is_empty() {
                    put_attribute(&mut attributes, PLACE, place);
                }
                put_attributes(bytes, &attributes);
            }
            Self::Named { id } => bytes.extend_from_slice(&id.to_bytes()),
            Self::Batch { latest, attributes, messages } => {
                put_u64(bytes, latest.as_ticks());
                attributes.put(bytes);
                bytes.extend_from_slice(messages);
            }
            Self::Peers { known } => bytes.extend_from_slice(known),
            Self::Closed => {}
            Self::Unknown { bytes: unknown, .. } => bytes.extend_from_slice(unknown),
        }
        bytes.push(END);
        let body = &bytes[start + HEAD..];
        let (len, hash) = ((body.len() as u32).to_le_bytes(), hash(generation, offset, body));
        bytes[start..start + 4].copy_from_slice(&len);
        bytes[start + 4..start + LENGTH].copy_from_slice(&check(generation, offset, len));
        bytes[start + LENGTH..start + HEAD].copy_from_slice(&hash.to_le_bytes());
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Opened { .. } => 1,
            Self::Named { .. } => 2,
            Self::Batch { .. } => 3,
            Self::Closed => 4,
            Self::Peers { .. } => 5,
            Self::Unknown { kind, .. } => *kind,
        }
    }

    fn take(body: &[u8]) -> Result<(Record<'_>, u64), Unreadable> {
        let whole = Malformed("a whole record");
        let (&kind, mut body) =
            body.strip_suffix(&[END]).and_then(<[u8]>::split_first).ok_or(whole)?;
        let synced = take_u64(&mut body).map_err(Malformed::from)?;
        let record = match kind {
            1 => {
                let (&[strict], rest) = body.split_first_chunk().ok_or(whole)?;
                let (&id, mut rest) = rest.split_first_chunk().ok_or(whole)?;
                let mut place: &[u8] = &[];
                Attributes::take(&mut rest)?.read(|number, value| {
                    let is_place = number == PLACE;
                    place = if is_place { value } else { place };
                    Ok(is_place)
                })?;
                let (is_strict, id) = (strict == 1, ReplicaId::from_bytes(id));
                end(rest).map(|()| Record::Opened { is_strict, id, place })?
            }
            2 => Record::Named { id: ReplicaId::from_bytes(body.try_into().map_err(|_| whole)?) },
            3 => {
                let latest = Time::from_ticks(take_u64(&mut body).map_err(Malformed::from)?);
                let attributes = BatchAttributes::take(&mut body)?;
                Record::Batch { latest, attributes, messages: body }
            }
            4 => end(body).map(|()| Record::Closed)?,
            5 => Record::Peers { known: body },
            _ if is_open(kind) => {
                check_unknown("a record", kind.into())?;
                Record::Unknown { kind, bytes: body }
            }
            _ => return Err(Malformed("the kind of a record").into()),
        };
        Ok((record, synced))
    }
}

impl<'a> BatchAttributes<'a> {
    fn put(self, bytes: &mut Vec<u8>) {
        let mut attributes = Vec::new();
        if !self.former_ids.is_empty() {
            put_attribute(&mut attributes, FORMER_IDS, self.former_ids);
        }
        put_attributes(bytes, &attributes);
    }

    fn take(bytes: &mut &'a [u8]) -> Result<Self, Unreadable> {
        let mut taken = Self::default();
        Attributes::take(bytes)?.read(|number, value| match number {
            FORMER_IDS => {
                taken.former_ids = value;
                Ok(true)
            }
            _ => Ok(false),
        })?;
        Ok(taken)
    }
}

/// Nothing may follow.
fn end(bytes: &[u8]) -> Result<(), Malformed> {
    if bytes.is_empty() { Ok(()) } else { Err(Malformed("the end of a record")) }
}

/// Whether a later version of the program may give a meaning to a kind of record.
fn is_open(kind: u8) -> bool {
    u64::from(kind) >= FIRST_OPEN_NUMBER
}

/// The most bytes from the start of a record to the end of `synced`.
pub(super) const MAX_START: usize = HEAD + 1 + 10;

/// The `synced` of what may be a record, by its first bytes. No hash is checked.
pub(super) fn synced(start: &[u8]) -> Option<u64> {
    let (kind, mut tail) = start.get(HEAD..)?.split_first()?;
    let is_kind = (1..=5).contains(kind) || is_open(*kind);
    is_kind.then(|| take_u64(&mut tail).ok())?
}

/// The size of the record at `offset`, by its head; `None` if the check is wrong.
pub(super) fn size(head: &[u8], generation: u64, offset: u64) -> Option<u64> {
    let (len, tail) = head.split_first_chunk()?;
    let is_so = tail.starts_with(&check(generation, offset, *len));
    let (len, size) = (u32::from_le_bytes(*len), u64::from(u32::from_le_bytes(*len)) + HEAD as u64);
    (is_so && len > 0 && size <= MAX_RECORD).then_some(size)
}

/// The record at `offset`, which `bytes` begin with.
pub(super) fn find(bytes: &[u8], generation: u64, offset: u64) -> Found<'_> {
    let found = || {
        let size = usize::try_from(size(bytes, generation, offset)?).ok()?;
        let body = bytes.get(HEAD..size)?;
        let expected = hash(generation, offset, body).to_le_bytes();
        if !bytes[LENGTH..].starts_with(&expected) {
            return None;
        }
        match Record::take(body) {
            Ok((record, synced)) => Some(Found::Record { record, synced, size }),
            Err(Unreadable::Upgrade(upgrade)) => Some(Found::Upgrade(upgrade)),
            Err(Unreadable::Malformed(_)) => None,
        }
    };
    found().unwrap_or(Found::Invalid)
}

/// Whether bytes with this head, of which only the first `len` are not zero, are a record that was never written in
/// full: its last byte is missing.
pub(super) fn is_torn(head: &[u8], len: u64, generation: u64, offset: u64) -> bool {
    len <= HEAD as u64 || size(head, generation, offset).is_some_and(|size| len < size)
}

/// The check of a length.
fn check(generation: u64, offset: u64, len: [u8; 4]) -> [u8; 4] {
    (hash(generation, offset, &len) as u32).to_le_bytes()
}

fn hash(generation: u64, offset: u64, body: &[u8]) -> u64 {
    let mut hasher = SipHasher24::new();
    hasher.write(&generation.to_le_bytes());
    hasher.write(&offset.to_le_bytes());
    hasher.write(&(body.len() as u64).to_le_bytes());
    hasher.write(body);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::vectors;

    #[test]
    fn a_file_of_another_format_is_told_from_a_broken_one() {
        let document = DocumentId::from(7);
        let mut bytes = Vec::new();
        put_header(&mut bytes, 5, document);
        assert_eq!(bytes.len(), HEADER);
        assert_eq!(header(&bytes, 5), Header::Ours(document));
        assert_eq!(header(&bytes, 6), Header::Invalid);
        for cut in 0..HEADER {
            assert_eq!(header(&bytes[..cut], 5), Header::Invalid, "cut at {cut}");
        }
        for bit in 0..HEADER * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(header(&bytes, 5), Header::Invalid, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        bytes[7] = 4;
        let newer = hash(5, 0, &bytes[..HEADER - 8]);
        bytes[HEADER - 8..].copy_from_slice(&newer.to_le_bytes());
        assert_eq!(header(&bytes, 5), Header::OtherFormat(4));
    }

    #[test]
    fn a_file_without_a_document_is_of_an_earlier_format() {
        let mut bytes = b"repred\x00\x02".to_vec();
        let hash = hash(5, 0, &bytes);
        bytes.extend_from_slice(&5_u64.to_le_bytes());
        bytes.extend_from_slice(&hash.to_le_bytes());
        assert_eq!(header(&bytes, 5), Header::OtherFormat(2));
        bytes.extend_from_slice(&[1; 100]);
        assert_eq!(header(&bytes[..HEADER], 5), Header::OtherFormat(2));
        bytes[7] = 1;
        assert_eq!(header(&bytes[..HEADER], 5), Header::Invalid);
    }

    #[test]
    fn a_record_of_a_later_version_asks_for_an_upgrade_unless_its_kind_is_even() {
        let put = |kind| {
            let mut bytes = Vec::new();
            Record::Unknown { kind, bytes: b"later" }.put(&mut bytes, 5, 100, 90);
            bytes
        };
        let found = put(254);
        let record = Record::Unknown { kind: 254, bytes: b"later" };
        assert_eq!(find(&found, 5, 100), Found::Record { record, synced: 90, size: found.len() });
        let upgrade = Upgrade { what: "a record", number: 65 };
        assert_eq!(find(&put(65), 5, 100), Found::Upgrade(upgrade));
        assert_eq!(find(&put(63), 5, 100), Found::Invalid);
        assert_eq!(synced(&found), Some(90));
    }

    #[test]
    fn headers_and_records_are_as_their_vectors_say() {
        const GENERATION: u64 = 3;
        for (name, document) in
            [("header", DocumentId::NONE), ("header-of-a-document", vectors::document())]
        {
            let mut bytes = Vec::new();
            put_header(&mut bytes, GENERATION, document);
            assert_eq!(bytes, vectors::vector(name), "{name}");
            assert_eq!(header(&bytes, GENERATION), Header::Ours(document), "{name}");
        }
        let attributes = BatchAttributes::default();
        let peers = vectors::vector("record-peers");
        // Behind the head, the kind and the size that was synced, up to the end.
        let known = &peers[HEAD + 2..peers.len() - 1];
        let records = [
            (
                "record-opened",
                Record::Opened { is_strict: true, id: vectors::A.into(), place: &[] },
            ),
            ("record-named", Record::Named { id: vectors::B.into() }),
            (
                "record-batch",
                Record::Batch { latest: vectors::at(0), attributes, messages: &[1, 3, 1, 5] },
            ),
            ("record-closed", Record::Closed),
            ("record-peers", Record::Peers { known }),
            ("record-unknown", Record::Unknown { kind: 64, bytes: b"abc" }),
        ];
        for (name, record) in records {
            let mut bytes = Vec::new();
            record.put(&mut bytes, GENERATION, 40, 40);
            assert_eq!(bytes, vectors::vector(name), "{name}");
            let size = bytes.len();
            assert_eq!(find(&bytes, GENERATION, 40), Found::Record { record, synced: 40, size });
        }
    }

    #[test]
    fn a_record_is_found_only_at_its_own_offset() {
        let messages = [1, 2, 3];
        let records = [
            Record::Opened { is_strict: true, id: ReplicaId::from(7), place: &[1, 2] },
            Record::Named { id: ReplicaId::from(8) },
            Record::Batch {
                latest: Time::from_micros(300),
                attributes: BatchAttributes { former_ids: &[0] },
                messages: &messages,
            },
            Record::Peers { known: &messages },
            Record::Closed,
        ];
        for record in records {
            let mut bytes = Vec::new();
            record.put(&mut bytes, 5, 100, 90);
            let size = bytes.len();
            assert_eq!(find(&bytes, 5, 100), Found::Record { record, synced: 90, size });
            assert_eq!(find(&bytes, 6, 100), Found::Invalid, "another generation");
            assert_eq!(find(&bytes, 5, 101), Found::Invalid, "another place");
            for cut in 0..size {
                assert_eq!(find(&bytes[..cut], 5, 100), Found::Invalid, "cut at {cut}");
                assert!(is_torn(&bytes, cut as u64, 5, 100), "cut at {cut}");
            }
            assert!(!is_torn(&bytes, size as u64, 5, 100));
            for bit in 0..size * 8 {
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(find(&bytes, 5, 100), Found::Invalid, "bit {bit}");
                assert!(!is_torn(&bytes, size as u64, 5, 100), "bit {bit}");
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
}
