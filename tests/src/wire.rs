//! Messages written by hand, from the description of the protocol and nothing else.

use repred::{Dot, sans_io::Reason};

/// Appends a number.
pub fn number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// A message behind its length, as it stands in a byte stream.
pub fn frame(message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    number(&mut bytes, message.len() as u64);
    bytes.extend_from_slice(message);
    bytes
}

/// The ticks of a microsecond, and of a millisecond.
const MICROSECOND: u64 = 32;
const MILLISECOND: u64 = 1000 * MICROSECOND;

/// Whether entries are whole microseconds apart, so that it is shorter to say their times in these.
fn in_micros(entries: &[(u64, &[u8])]) -> bool {
    entries.iter().all(|entry| (entry.0 - entries[0].0).is_multiple_of(MICROSECOND))
}

/// The message that opens a conversation.
#[derive(Clone, Debug)]
pub struct Open {
    /// What the conversation begins with.
    pub magic: [u8; 4],
    /// The version of the protocol.
    pub protocol: u8,
    /// Sends, receives, checks, discards, names a document: from the lowest bit.
    pub flags: u8,
    /// What the listener has to know, or may ignore.
    pub features: u64,
    /// The speaker.
    pub id: u128,
    /// Its document; `None` if none is named.
    pub document: Option<u128>,
    /// A hash of the speaker's seqs. Any will do that is not the listener's.
    pub sequence_hash: u64,
    /// A hash of the speaker's seqs and tokens.
    pub content_hash: u64,
    /// A hash of the shapes of its state and its updates; 0 says nothing.
    pub fingerprint: u64,
    /// The speaker's wall time in milliseconds since 1970.
    pub wall: u64,
    /// The longest message, in KiB.
    pub max_message: u64,
    /// The largest block, in KiB.
    pub max_block: u64,
    /// The version of the schema.
    pub schema_version: u32,
    /// The oldest version that it understands.
    pub schema_oldest: u32,
    /// The newest version of which it may have updates.
    pub schema_newest: u32,
    /// The name of the schema.
    pub schema: String,
    /// Attributes, as they are to stand at the end.
    pub attributes: Vec<u8>,
}

impl Open {
    /// A well-formed one at a time, for a schema.
    pub fn new(id: u128, time: u64, schema: &repred::Schema) -> Self {
        Self {
            magic: *b"rpd\x01",
            protocol: 2,
            flags: 0b11,
            features: 0,
            id,
            document: None,
            sequence_hash: 0,
            content_hash: 0,
            fingerprint: 0,
            wall: time / MILLISECOND,
            max_message: 2 << 10,
            max_block: 64 << 10,
            schema_version: schema.version(),
            schema_oldest: schema.oldest(),
            schema_newest: schema.version(),
            schema: schema.name().to_owned(),
            attributes: Vec::new(),
        }
    }

    /// The message.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.magic.to_vec();
        bytes.extend([self.protocol, self.flags]);
        number(&mut bytes, self.features);
        bytes.extend(self.id.to_be_bytes());
        if let Some(document) = self.document {
            bytes.extend(document.to_be_bytes());
        }
        bytes.extend(self.sequence_hash.to_le_bytes());
        bytes.extend(self.content_hash.to_le_bytes());
        bytes.extend(self.fingerprint.to_le_bytes());
        number(&mut bytes, self.wall);
        number(&mut bytes, self.max_message);
        number(&mut bytes, self.max_block);
        number(&mut bytes, self.schema_version.into());
        number(&mut bytes, self.schema_oldest.into());
        number(&mut bytes, self.schema_newest.into());
        number(&mut bytes, self.schema.len() as u64);
        bytes.extend(self.schema.as_bytes());
        bytes.extend(&self.attributes);
        bytes
    }
}

/// What binds an update to its content.
pub type Token = [u8; 8];

/// A token that says nothing.
pub const UNKNOWN: Token = [0; 8];

/// Appends a version whose tokens say nothing.
pub fn version(bytes: &mut Vec<u8>, seqs: &[(u128, u64)]) {
    let heads: Vec<_> = seqs.iter().map(|&(id, seq)| (id, seq, UNKNOWN)).collect();
    version_with_tokens(bytes, &heads);
}

/// Appends a version.
pub fn version_with_tokens(bytes: &mut Vec<u8>, heads: &[(u128, u64, Token)]) {
    number(bytes, heads.len() as u64);
    let mut heads = heads.to_vec();
    heads.sort_unstable();
    for (id, seq, token) in &heads {
        bytes.extend(id.to_be_bytes());
        number(bytes, *seq);
        bytes.extend(token);
        // No attributes.
        bytes.push(0);
    }
}

/// Appends a plain version, which has no tokens.
pub fn plain_version(bytes: &mut Vec<u8>, seqs: &[(u128, u64)]) {
    number(bytes, seqs.len() as u64);
    let mut seqs = seqs.to_vec();
    seqs.sort_unstable();
    for (id, seq) in &seqs {
        bytes.extend(id.to_be_bytes());
        number(bytes, *seq);
    }
}

/// A digest: what the speaker has seen, and what it has trimmed.
pub fn digest(seen: &[(u128, u64)], trimmed: &[(u128, u64)]) -> Vec<u8> {
    let heads: Vec<_> = seen.iter().map(|&(id, seq)| (id, seq, UNKNOWN)).collect();
    digest_with_tokens(&heads, trimmed)
}

/// The same, with the token of each origin's last update.
pub fn digest_with_tokens(seen: &[(u128, u64, Token)], trimmed: &[(u128, u64)]) -> Vec<u8> {
    let mut bytes = vec![1];
    version_with_tokens(&mut bytes, seen);
    plain_version(&mut bytes, trimmed);
    bytes
}

/// That the listener has all it lacked.
pub const SYNCED: [u8; 1] = [3];
/// That the speaker is there.
pub const PING: [u8; 1] = [5];

/// That the speaker has seen these, by their places in the listener's table of origins. It says nothing of what they
/// are.
pub fn ack(seqs: &[(u64, u64)]) -> Vec<u8> {
    let checked: Vec<_> = seqs.iter().map(|&(place, seq)| (place, seq, 0)).collect();
    ack_with_checks(&checked)
}

/// The same, with a check of what each is.
pub fn ack_with_checks(seqs: &[(u64, u64, u16)]) -> Vec<u8> {
    let mut bytes = vec![4];
    for (place, seq, check) in seqs {
        number(&mut bytes, *place);
        number(&mut bytes, *seq);
        bytes.extend(check.to_le_bytes());
    }
    bytes
}

/// The check of a token.
pub fn check(token: Token) -> u16 {
    let word = |at| u16::from_le_bytes([token[at], token[at + 1]]);
    // One that does not know the update says nothing.
    if token[4..] == [0; 4] { 0 } else { word(0) ^ word(2) ^ word(4) ^ word(6) }
}

/// The beginning of a snapshot.
pub fn snapshot(size: u64, digest: u128, time: u64, seen: &[(u128, u64)]) -> Vec<u8> {
    let mut bytes = vec![6];
    number(&mut bytes, size);
    hash(&mut bytes, digest);
    number(&mut bytes, time);
    version(&mut bytes, seen);
    // All of it is trimmed, and that is why it goes instead of entries.
    version(&mut bytes, seen);
    bytes.push(0);
    // No attributes.
    bytes.push(0);
    bytes
}

/// Appends a hash, by SipHash.
pub fn hash(bytes: &mut Vec<u8>, hash: u128) {
    bytes.push(1);
    bytes.extend(hash.to_le_bytes());
}

/// A part of a snapshot.
pub fn chunk(part: &[u8]) -> Vec<u8> {
    [&[7], part].concat()
}

/// That a snapshot was adopted, which gave this version.
pub fn adopted(seen: &[(u128, u64)]) -> Vec<u8> {
    let mut bytes = vec![8];
    version(&mut bytes, seen);
    bytes
}

/// What the speaker's types are, as a text, with the hash of what it started with.
pub fn shape(start: u64, text: &str) -> Vec<u8> {
    let mut bytes = vec![12];
    bytes.extend(start.to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

/// A digest of a state.
pub fn state_digest(version_hash: u128, digest: u128) -> Vec<u8> {
    let mut bytes = vec![9];
    hash(&mut bytes, version_hash);
    hash(&mut bytes, digest);
    bytes
}

/// The last message.
pub fn bye(reason: Reason) -> Vec<u8> {
    let number = match reason {
        Reason::Finished => 0,
        Reason::Incompatible => 1,
        Reason::Clock => 2,
        Reason::Trimmed => 3,
        Reason::Diverged => 4,
        Reason::Malformed => 5,
        Reason::Refused => 6,
        Reason::TimedOut => 7,
        Reason::Failed => 8,
        Reason::Forked { dot } => return bye_forked(dot),
        Reason::Upgrade => 10,
        Reason::Shape => 11,
        Reason::Document => 12,
        reason => panic!("{reason:?} has no number here"),
    };
    vec![10, number]
}

fn bye_forked(dot: Dot) -> Vec<u8> {
    let mut bytes = vec![10, 9];
    bytes.extend(dot.origin.to_bytes());
    number(&mut bytes, dot.seq);
    bytes
}

/// How an origin is named.
#[derive(Clone, Copy, Debug)]
pub enum Origin {
    /// By its place in the speaker's table.
    At(u64),
    /// By its id, for the first time; it gets this place, which has to be the next.
    New(u64, u128),
}

/// A message of items, made by appending.
#[derive(Clone, Debug)]
pub struct Items(Vec<u8>);

impl Default for Items {
    fn default() -> Self {
        Self(vec![2])
    }
}

impl Items {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn origin(&mut self, origin: Origin) {
        match origin {
            Origin::At(place) => number(&mut self.0, place),
            Origin::New(place, id) => {
                number(&mut self.0, place);
                self.0.extend(id.to_be_bytes());
                // No attributes.
                self.0.push(0);
            }
        }
    }

    /// Entries of one origin from a seq on, each with its time in ticks and its payload. Times have to grow.
    #[must_use]
    pub fn run(self, origin: Origin, first: u64, entries: &[(u64, &[u8])]) -> Self {
        self.run_of(origin, first, entries.len() as u64, entries)
    }

    /// The same, with a count that need not be true.
    #[must_use]
    pub fn run_of(
        mut self,
        origin: Origin,
        first: u64,
        count: u64,
        entries: &[(u64, &[u8])],
    ) -> Self {
        self.0.push(0);
        self.origin(origin);
        number(&mut self.0, first);
        number(&mut self.0, count << 1 | u64::from(in_micros(entries)));
        self.entries(entries);
        self
    }

    /// The same, with what their author had newly seen before the first.
    #[must_use]
    pub fn recorded(
        mut self,
        origin: Origin,
        first: u64,
        seen: &[(Origin, u64)],
        entries: &[(u64, &[u8])],
    ) -> Self {
        self.0.push(6);
        self.origin(origin);
        number(&mut self.0, first);
        number(&mut self.0, (entries.len() as u64) << 1 | u64::from(in_micros(entries)));
        number(&mut self.0, seen.len() as u64);
        for (origin, seq) in seen {
            self.origin(*origin);
            number(&mut self.0, *seq);
        }
        self.entries(entries);
        self
    }

    fn entries(&mut self, entries: &[(u64, &[u8])]) {
        let unit = if in_micros(entries) { MICROSECOND } else { 1 };
        let mut base = entries.first().map_or(0, |entry| entry.0);
        number(&mut self.0, base);
        for (time, payload) in entries {
            // The lowest bit would say that the length is that of the entry before.
            number(&mut self.0, ((time - base) / unit) << 1);
            number(&mut self.0, payload.len() as u64);
            self.0.extend_from_slice(payload);
            base = time + unit;
        }
    }

    /// Seqs that need no entry: an origin, the first seq, how many.
    #[must_use]
    pub fn skip(self, ranges: &[(Origin, u64, u64)]) -> Self {
        let ranges: Vec<_> =
            ranges.iter().map(|&(origin, first, count)| (origin, first, count, None)).collect();
        self.skip_with_tokens(&ranges)
    }

    /// The same, with the token of the last one where that is the last of its origin.
    #[must_use]
    pub fn skip_with_tokens(mut self, ranges: &[(Origin, u64, u64, Option<Token>)]) -> Self {
        self.0.push(1);
        number(&mut self.0, ranges.len() as u64);
        for (origin, first, count, token) in ranges {
            self.origin(*origin);
            number(&mut self.0, *first);
            number(&mut self.0, count << 1 | u64::from(token.is_some()));
            self.0.extend(token.iter().flatten());
        }
        self
    }

    /// Where an epoch of an origin begins, and its mark.
    #[must_use]
    pub fn epoch(mut self, origin: Origin, first: u64, mark: u32) -> Self {
        self.0.push(7);
        self.origin(origin);
        number(&mut self.0, first);
        self.0.extend(mark.to_le_bytes());
        self
    }

    /// An item that later versions may know.
    #[must_use]
    pub fn unknown(mut self, tag: u8, bytes: &[u8]) -> Self {
        self.0.push(tag);
        number(&mut self.0, bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    /// The beginning of a block.
    #[must_use]
    pub fn begin(mut self) -> Self {
        self.0.push(2);
        self
    }

    /// The end of a block, which is taken in.
    #[must_use]
    pub fn commit(mut self) -> Self {
        self.0.push(3);
        self
    }

    /// The end of a block, which is not taken in.
    #[must_use]
    pub fn abandon(mut self) -> Self {
        self.0.push(4);
        self
    }

    /// That updates belong to one edit.
    #[must_use]
    pub fn edit(mut self, origin: Origin, first: u64, count: u64) -> Self {
        self.0.push(5);
        self.origin(origin);
        number(&mut self.0, first);
        number(&mut self.0, count);
        self
    }

    /// The message.
    pub fn encode(self) -> Vec<u8> {
        self.0
    }
}

/// A varint that is an `i64` as the encoding of updates writes it.
pub fn signed(value: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    number(&mut bytes, ((value << 1) ^ (value >> 63)) as u64);
    bytes
}

/// An update with everything that makes it what it is.
#[derive(Clone, Copy, Debug)]
pub struct Leaf<'a> {
    /// Its document; 0 for none.
    pub document: u128,
    /// Who wrote it.
    pub origin: u128,
    /// Its seq.
    pub seq: u64,
    /// Its time, in ticks.
    pub time: u64,
    /// Its place in its edit, from 0.
    pub place: u32,
    /// How many updates the edit has.
    pub edit: u32,
    /// The update.
    pub payload: &'a [u8],
}

impl Leaf<'_> {
    /// What a mark is a hash of.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![13];
        bytes.extend(b"repred leaf 1");
        bytes.extend(self.document.to_be_bytes());
        bytes.extend(self.origin.to_be_bytes());
        bytes.extend(self.seq.to_le_bytes());
        bytes.extend(self.time.to_le_bytes());
        // Kind and flags.
        bytes.extend([0, 0]);
        bytes.extend(self.place.to_le_bytes());
        bytes.extend(self.edit.to_le_bytes());
        bytes.extend((self.payload.len() as u64).to_le_bytes());
        bytes.extend(self.payload);
        bytes
    }
}
