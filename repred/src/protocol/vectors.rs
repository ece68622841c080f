//! The test vectors of the layouts: `vectors.txt`, which is written by hand, says what everything here reads and writes.

use alloc::{string::String, vec::Vec};

use super::{
    Acked, Cause, Hash, Item, ItemReader, ItemWriter, Kind, Message, NamedRange, Open, OriginName,
    Reason, Skipped, SnapshotHead, Unit, items::RunEntry, put_seen, take_seen,
};
use crate::{
    document::DocumentId,
    id::ReplicaId,
    schema::Schema,
    seen::{OriginHead, Seen},
    snapshot,
    stamp::Dot,
    time::Time,
    token::{Epoch, Token},
};

/// A vector by its name.
pub(crate) fn vector(name: &str) -> Vec<u8> {
    let lines = include_str!("vectors.txt").lines();
    let mut lines = lines.skip_while(|line| line.strip_suffix(" =") != Some(name));
    assert!(lines.next().is_some(), "there is no vector {name}");
    let digits: String = lines.map_while(|line| line.strip_prefix("    ")).collect();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

pub(crate) const A: u128 = 0xa;
pub(crate) const B: u128 = 0xb;

pub(crate) fn document() -> DocumentId {
    DocumentId::from(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10)
}

/// The time, so many ticks later.
pub(crate) fn at(ticks: u64) -> Time {
    Time::from_ticks(Time::from_micros(1_700_000_000_000_000).as_ticks() + ticks)
}

const TOKEN: Token = Token { epoch: 0x0403_0201, entry: 0x0807_0605 };

fn head(id: u128, seq: u64, token: Token) -> OriginHead {
    OriginHead { id: id.into(), seq, token, epochs: Vec::new() }
}

fn a_300() -> OriginHead {
    head(A, 300, TOKEN)
}

fn a_300_with_epochs() -> OriginHead {
    let epochs = vec![Epoch { first: 1, mark: 7 }, Epoch { first: 200, mark: 9 }];
    OriginHead { epochs, ..a_300() }
}

fn b_1() -> OriginHead {
    head(B, 1, Token::UNKNOWN)
}

#[test]
fn an_open_is_as_its_vector_says() {
    let open = Open {
        schema: Schema::received("votes", 2, 1),
        newest: 3,
        id: ReplicaId::from(A),
        document: DocumentId::NONE,
        sends: true,
        receives: true,
        checks: false,
        discards: false,
        wall: at(0),
        max_message: 2 << 20,
        max_block: 64 << 20,
        sequence_hash: 0x1111_1111_1111_1111,
        content_hash: 0x2222_2222_2222_2222,
        fingerprint: 0x3333_3333_3333_3333,
    };
    let of_a_document = Open { document: document(), discards: true, ..open.clone() };
    for (name, open) in [("open", open), ("open-of-a-document", of_a_document)] {
        let mut bytes = Vec::new();
        open.encode(&mut bytes);
        assert_eq!(bytes, vector(name), "{name}");
        assert_eq!(Open::read(&bytes), Ok(open), "{name}");
    }
}

#[test]
fn a_version_is_as_its_vector_says() {
    let seen = Seen::new(vec![a_300_with_epochs(), b_1()]);
    let mut bytes = Vec::new();
    put_seen(&mut bytes, &seen);
    assert_eq!(bytes, vector("version"));
    assert_eq!(take_seen(&mut &*bytes, 2), Ok(seen));
}

#[test]
fn messages_are_as_their_vectors_say() {
    let state = Hash::Sip(snapshot::digest([&b"state"[..]]));
    let head = SnapshotHead {
        size: 5,
        digest: state,
        time: at(0),
        seen: Seen::new(vec![a_300_with_epochs()]),
        floor: Seen::default(),
        cause: Cause::TooLarge,
    };
    let floor = |id: u128, seq| [(id.into(), seq)].into_iter().collect();
    let digest = Message::Digest { seen: Seen::new(vec![a_300(), b_1()]), floor: floor(A, 200) };
    let ack = vec![
        Acked { place: 0, seq: 300, check: TOKEN.check() },
        Acked { place: 1, seq: 1, check: Token::UNKNOWN.check() },
    ];
    let version = Hash::Sip(0xfedc_ba98_7654_3210);
    let forked = Reason::Forked { dot: Dot::new(A.into(), 300) };
    let messages = [
        ("digest", digest),
        ("synced", Message::Synced),
        ("ack", Message::Ack(ack)),
        ("ping", Message::Ping),
        ("snapshot", Message::Snapshot(head)),
        ("chunk", Message::Chunk(b"state")),
        ("adopted", Message::Adopted(Seen::new(vec![a_300()]))),
        ("state-digest", Message::StateDigest { version, state }),
        ("bye", Message::Bye(Reason::TimedOut)),
        ("bye-forked", Message::Bye(forked)),
        ("declined", Message::Declined { floor: floor(B, 1), has_seen_floor: true }),
        ("unknown", Message::Unknown(b"\x40abc")),
    ];
    for (name, message) in messages {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        assert_eq!(bytes, vector(name), "{name}");
        let (kind, body) = Kind::split(&bytes).unwrap();
        assert_eq!(Message::decode(kind, body, 2), Ok(message), "{name}");
    }
}

#[test]
fn runs_are_as_their_vector_says() {
    let new = |place, id: u128| OriginName::New(place, id.into());
    let first = NamedRange { origin: new(0, A), first: 1, last: 2 };
    let second = NamedRange { origin: OriginName::Known(0), first: 3, last: 3 };
    let seen = vec![(new(1, B), 7)];

    let mut bytes = Vec::new();
    let mut items = ItemWriter::new(&mut bytes);
    let mut run = items.run(first, at(5), Unit::Tick);
    run.entry(at(5), b"xy");
    run.entry(at(6), b"zz");
    items.recorded_run(second, seen.clone().into_iter(), at(9), Unit::Micro).entry(at(9), b"");
    let third = NamedRange { origin: OriginName::Known(1), first: 8, last: 9 };
    let second_later = at(9 + 32_000_000);
    let mut run = items.run(third, at(9), Unit::Micro);
    run.entry(at(9), b"");
    run.entry(second_later, b"");
    assert_eq!(bytes, vector("items"));

    let mut items = ItemReader::new(&bytes[1..], 0);
    assert_eq!(items.next(), Ok(Some(Item::Run(first, None))));
    for (seq, time, payload) in [(1, at(5), &b"xy"[..]), (2, at(6), b"zz")] {
        assert_eq!(items.next_entry(), Ok(Some(RunEntry { seq, time, payload })));
    }
    assert_eq!(items.next_entry(), Ok(None));
    assert_eq!(items.next(), Ok(Some(Item::Run(second, Some(seen)))));
    let entry = RunEntry { seq: 3, time: at(9), payload: b"" };
    assert_eq!(items.next_entry(), Ok(Some(entry)));
    assert_eq!(items.next_entry(), Ok(None));
    assert_eq!(items.next(), Ok(Some(Item::Run(third, None))));
    for (seq, time) in [(8, at(9)), (9, second_later)] {
        assert_eq!(items.next_entry(), Ok(Some(RunEntry { seq, time, payload: b"" })));
    }
    assert_eq!((items.next_entry(), items.next()), (Ok(None), Ok(None)));
}

#[test]
fn a_block_is_as_its_vector_says() {
    let (a, b) = (OriginName::Known(0), OriginName::Known(1));
    let edit = NamedRange { origin: a, first: 1, last: 2 };
    let skipped = [
        Skipped { range: NamedRange { origin: a, first: 1, last: 9 }, token: Some(TOKEN) },
        Skipped { range: NamedRange { origin: b, first: 1, last: 1 }, token: None },
    ];
    let epoch = Epoch { first: 2, mark: 0xdead_beef };
    let unknown = b"\x42\x03abc";

    let mut bytes = Vec::new();
    let mut items = ItemWriter::new(&mut bytes);
    items.begin();
    items.edit(edit);
    items.skip(skipped.into_iter());
    items.epoch(b, epoch);
    items.unknown(unknown);
    items.commit();
    items.begin();
    items.abandon();
    assert_eq!(bytes, vector("items-of-a-block"));

    let mut items = ItemReader::new(&bytes[1..], 2);
    let expected = [
        Item::Begin,
        Item::Edit(edit),
        Item::Skip(skipped.to_vec()),
        Item::Epoch(b, epoch),
        Item::Unknown(unknown),
        Item::Commit,
        Item::Begin,
        Item::Abandon,
    ];
    for item in expected {
        assert_eq!(items.next(), Ok(Some(item)));
    }
    assert_eq!(items.next(), Ok(None));
}
