//! The test vectors beside PROTOCOL.md, written again by hand: they say what the protocol says, and not only what the
//! library does.

use std::{fs, hash::Hasher, path::Path};

use repred::{Dot, Schema, sans_io::Reason};
use repred_tests::{
    log,
    wire::{self, Items, Leaf, Open, Origin, Token},
};
use sha2::{Digest, Sha256};
use siphasher::{
    sip::SipHasher24,
    sip128::{Hasher128, SipHasher24 as SipHasher128},
};

const A: u128 = 0xa;
const B: u128 = 0xb;
const DOCUMENT: u128 = 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10;
const TOKEN: Token = [1, 2, 3, 4, 5, 6, 7, 8];
/// In ticks.
const TIME: u64 = 1_700_000_000 * 32_000_000;

/// A vector by its name.
fn vector(name: &str) -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../repred/src/protocol/vectors.txt");
    let text = fs::read_to_string(file).unwrap();
    let mut lines = text.lines().skip_while(|line| line.strip_suffix(" =") != Some(name));
    assert!(lines.next().is_some(), "there is no vector {name}");
    let digits: String = lines.map_while(|line| line.strip_prefix("    ")).collect();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

#[track_caller]
fn assert_is(name: &str, bytes: Vec<u8>) {
    assert_eq!(bytes, vector(name), "{name}");
}

#[test]
fn opens_written_by_hand_are_the_vectors() {
    let schema = Schema::new("votes", 2).grown_from(1);
    let mut open = Open::new(A, TIME, &schema);
    open.schema_newest = 3;
    open.sequence_hash = 0x1111_1111_1111_1111;
    open.content_hash = 0x2222_2222_2222_2222;
    open.fingerprint = 0x3333_3333_3333_3333;
    assert_is("open", open.encode());
    (open.flags, open.document) = (0b11011, Some(DOCUMENT));
    assert_is("open-of-a-document", open.encode());
}

/// The attribute of an origin that has its epochs.
fn epochs() -> Vec<u8> {
    let mut epochs = vec![2, 11, 1, 7, 0, 0, 0];
    wire::number(&mut epochs, 199);
    epochs.extend([9, 0, 0, 0]);
    epochs
}

/// A version of a.300 with its epochs, and of nothing else.
fn a_300_with_epochs(count: u8) -> Vec<u8> {
    let mut version = vec![count];
    version.extend(A.to_be_bytes());
    wire::number(&mut version, 300);
    version.extend(TOKEN);
    version.push(epochs().len() as u8);
    version.extend(epochs());
    version
}

#[test]
fn versions_and_messages_written_by_hand_are_the_vectors() {
    let mut version = a_300_with_epochs(2);
    version.extend(B.to_be_bytes());
    version.push(1);
    version.extend(wire::UNKNOWN);
    version.push(0);
    assert_is("version", version);

    let mut hasher = SipHasher128::new();
    hasher.write(b"state");
    let state = hasher.finish128().as_u128();
    assert_is(
        "digest",
        wire::digest_with_tokens(&[(A, 300, TOKEN), (B, 1, wire::UNKNOWN)], &[(A, 200)]),
    );
    assert_is("synced", wire::SYNCED.to_vec());
    assert_is("ack", wire::ack_with_checks(&[(0, 300, wire::check(TOKEN)), (1, 1, 0)]));
    assert_is("ping", wire::PING.to_vec());
    let mut snapshot = vec![6, 5];
    wire::hash(&mut snapshot, state);
    wire::number(&mut snapshot, TIME);
    snapshot.extend(a_300_with_epochs(1));
    // Nothing is trimmed, it is too large, and there are no attributes.
    snapshot.extend([0, 1, 0]);
    assert_is("snapshot", snapshot);
    assert_is("chunk", wire::chunk(b"state"));
    let mut adopted = vec![8];
    wire::version_with_tokens(&mut adopted, &[(A, 300, TOKEN)]);
    assert_is("adopted", adopted);
    assert_is("state-digest", wire::state_digest(0xfedc_ba98_7654_3210, state));
    assert_is("bye", wire::bye(Reason::TimedOut));
    assert_is("bye-forked", wire::bye(Reason::Forked { dot: Dot::new(A.into(), 300) }));
    let mut declined = vec![11];
    wire::plain_version(&mut declined, &[(B, 1)]);
    declined.push(1);
    assert_is("declined", declined);
    assert_is("unknown", b"\x40abc".to_vec());
}

#[test]
fn items_written_by_hand_are_the_vectors() {
    // An entry of the length before, 0 before the first, does not say it.
    let mut runs = vec![2, 0, 0];
    runs.extend(A.to_be_bytes());
    runs.extend([0, 1, 2 << 1]);
    wire::number(&mut runs, TIME + 5);
    runs.extend(b"\x00\x02xy\x01zz");
    runs.extend([6, 0, 3, 1 << 1 | 1, 1, 1]);
    runs.extend(B.to_be_bytes());
    runs.extend([0, 7]);
    wire::number(&mut runs, TIME + 9);
    runs.push(1);
    // A second apart, in microseconds.
    runs.extend([0, 1, 8, 2 << 1 | 1]);
    wire::number(&mut runs, TIME + 9);
    runs.push(1);
    wire::number(&mut runs, 999_999 << 1 | 1);
    assert_is("items", runs);

    let block = Items::new()
        .begin()
        .edit(Origin::At(0), 1, 2)
        .skip_with_tokens(&[(Origin::At(0), 1, 9, Some(TOKEN)), (Origin::At(1), 1, 1, None)])
        .epoch(Origin::At(1), 2, 0xdead_beef)
        .unknown(66, b"abc")
        .commit()
        .begin()
        .abandon();
    assert_is("items-of-a-block", block.encode());
}

#[test]
fn files_written_by_hand_are_the_vectors() {
    const GENERATION: u64 = 3;
    assert_is("header", log::header(GENERATION, 0));
    assert_is("header-of-a-document", log::header(GENERATION, DOCUMENT));
    let record = |name: &str, kind, content: &[u8]| {
        let record = log::Record { kind, synced: 40, content };
        assert_is(name, record.encode(GENERATION, 40));
    };
    let id = |id: u128| id.to_be_bytes().to_vec();
    record("record-opened", 1, &[&[1][..], &id(A), &[0]].concat());
    record("record-named", 2, &id(B));
    let mut batch = Vec::new();
    wire::number(&mut batch, TIME);
    batch.push(0);
    batch.extend(wire::frame(&wire::SYNCED));
    batch.extend(wire::frame(&wire::PING));
    record("record-batch", 3, &batch);
    record("record-closed", 4, &[]);
    let mut peer = id(B);
    wire::number(&mut peer, TIME);
    wire::version(&mut peer, &[(A, 300)]);
    peer.push(0);
    record("record-peers", 5, &peer);
    record("record-unknown", 64, b"abc");
}

#[test]
fn leaves_written_by_hand_are_the_vectors_and_so_are_their_hashes() {
    let leaf =
        Leaf { document: 0, origin: A, seq: 300, time: TIME, place: 0, edit: 1, payload: b"xy" };
    let leaves = [
        ("leaf", leaf),
        ("leaf-of-a-document", Leaf { document: DOCUMENT, ..leaf }),
        ("leaf-without-payload", Leaf { seq: 1, payload: b"", ..leaf }),
        ("leaf-in-an-edit", Leaf { place: 1, edit: 3, ..leaf }),
    ];
    for (name, leaf) in leaves {
        let bytes = leaf.encode();
        let mut hasher = SipHasher24::new();
        hasher.write(&bytes);
        let mark = (hasher.finish() as u32).max(1);
        assert_is(&format!("{name}-mark"), mark.to_le_bytes().to_vec());
        assert_is(&format!("{name}-sha-256"), Sha256::digest(&bytes).to_vec());
        assert_is(name, bytes);
    }
}
