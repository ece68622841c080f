//! Messages written by hand, from the description of the protocol and nothing else.

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

/// The message that opens a conversation.
#[derive(Clone, Debug)]
pub struct Open {
    /// What the conversation begins with.
    pub magic: [u8; 4],
    /// The version of the protocol.
    pub protocol: u8,
    /// Sends, receives, checks, discards: from the lowest bit.
    pub flags: u8,
    /// The speaker.
    pub id: u128,
    /// A hash of the speaker's version. Any will do that is not the listener's.
    pub version_hash: u128,
    /// The speaker's wall time in ticks of 1/32 µs since 1970.
    pub wall: u64,
    /// The longest message, in bytes.
    pub max_message: u64,
    /// The largest block, in bytes.
    pub max_block: u64,
    /// The version of the schema.
    pub schema_version: u32,
    /// The oldest version that it understands.
    pub schema_oldest: u32,
    /// The newest version of which it may have updates.
    pub schema_newest: u32,
    /// The name of the schema.
    pub schema: String,
}

impl Open {
    /// A well-formed one, for a schema.
    pub fn new(id: u128, wall: u64, schema: &repred::Schema) -> Self {
        Self {
            magic: *b"rpd\x01",
            protocol: 1,
            flags: 0b11,
            id,
            version_hash: 0,
            wall,
            max_message: 2 << 20,
            max_block: 64 << 20,
            schema_version: schema.version(),
            schema_oldest: schema.oldest(),
            schema_newest: schema.version(),
            schema: schema.name().to_owned(),
        }
    }

    /// The message.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.magic.to_vec();
        bytes.extend([self.protocol, self.flags]);
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(self.version_hash.to_le_bytes());
        number(&mut bytes, self.wall);
        number(&mut bytes, self.max_message);
        number(&mut bytes, self.max_block);
        number(&mut bytes, self.schema_version.into());
        number(&mut bytes, self.schema_oldest.into());
        number(&mut bytes, self.schema_newest.into());
        bytes.extend(self.schema.as_bytes());
        bytes
    }
}

/// Appends a version.
pub fn version(bytes: &mut Vec<u8>, seqs: &[(u128, u64)]) {
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
    let mut bytes = vec![1];
    version(&mut bytes, seen);
    version(&mut bytes, trimmed);
    bytes
}

/// That the listener has all it lacked.
pub const SYNCED: [u8; 1] = [3];
/// That the speaker is there.
pub const PING: [u8; 1] = [5];

/// That the speaker has seen these, by their places in the listener's table of origins.
pub fn ack(seqs: &[(u64, u64)]) -> Vec<u8> {
    let mut bytes = vec![4];
    for (place, seq) in seqs {
        number(&mut bytes, *place);
        number(&mut bytes, *seq);
    }
    bytes
}

/// The beginning of a snapshot.
pub fn snapshot(size: u64, digest: u128, time: u64, seen: &[(u128, u64)]) -> Vec<u8> {
    let mut bytes = vec![6];
    number(&mut bytes, size);
    bytes.extend(digest.to_le_bytes());
    number(&mut bytes, time);
    version(&mut bytes, seen);
    // All of it is trimmed, and that is why it goes instead of entries.
    version(&mut bytes, seen);
    bytes.push(0);
    bytes
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

/// A digest of a state.
pub fn state_digest(version_hash: u128, digest: u128) -> Vec<u8> {
    [&[9], &version_hash.to_le_bytes()[..], &digest.to_le_bytes()].concat()
}

/// The last message.
pub fn bye(reason: u8) -> Vec<u8> {
    vec![10, reason]
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
        number(&mut self.0, count);
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
        number(&mut self.0, entries.len() as u64);
        number(&mut self.0, seen.len() as u64);
        for (origin, seq) in seen {
            self.origin(*origin);
            number(&mut self.0, *seq);
        }
        self.entries(entries);
        self
    }

    fn entries(&mut self, entries: &[(u64, &[u8])]) {
        let mut base = entries.first().map_or(0, |entry| entry.0);
        number(&mut self.0, base);
        for (time, payload) in entries {
            // The lowest bit would say that the length is that of the entry before.
            number(&mut self.0, (time - base) << 1);
            number(&mut self.0, payload.len() as u64);
            self.0.extend_from_slice(payload);
            base = time + 1;
        }
    }

    /// Seqs that need no entry: an origin, the first seq, how many.
    #[must_use]
    pub fn skip(mut self, ranges: &[(Origin, u64, u64)]) -> Self {
        self.0.push(1);
        number(&mut self.0, ranges.len() as u64);
        for (origin, first, count) in ranges {
            self.origin(*origin);
            number(&mut self.0, *first);
            number(&mut self.0, *count);
        }
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
