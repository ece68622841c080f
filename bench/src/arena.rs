//! [`Arena`]: the fold that one would write by hand for this workload alone, as the limit.

use std::collections::HashMap;

use crate::workload::Update;

/// Bytes of a segment.
const SEGMENT: usize = 64 << 10;

/// A map, and each update encoded once, one after the other in segments; the version is their number.
///
/// There is one origin, one type, no time, no stamp, no check, no error and nothing to forget. The
/// encoding is postcard's: the length of the key, its bytes, the value as a varint.
#[derive(Debug, Default)]
pub struct Arena {
    state: HashMap<String, u64>,
    seq: u64,
    segments: Vec<Vec<u8>>,
}

impl Arena {
    /// Writes an update.
    pub fn update(&mut self, (key, value): Update) {
        let segment = self.segment(key.len() + 20);
        put_varint(segment, key.len() as u64);
        segment.extend_from_slice(key.as_bytes());
        put_varint(segment, value);
        self.state.insert(key, value);
        self.seq += 1;
    }

    /// Takes in what another has, with an update decoded as everybody who does not know its type has to:
    /// to a value of its own.
    pub fn catch_up(&mut self, other: &Self) {
        other.segments.iter().for_each(|segment| self.take_in(segment));
    }

    /// Takes in encoded updates, whole ones.
    pub fn take_in(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (key, value) = self.keep_next(&mut bytes);
            let key = key.to_owned();
            self.state.insert(key, value);
        }
    }

    /// The same as [`catch_up`](Self::catch_up), but a key that is there already is never copied.
    pub fn catch_up_borrowed(&mut self, other: &Self) {
        for mut bytes in other.segments.iter().map(|segment| &segment[..]) {
            while !bytes.is_empty() {
                let (key, value) = self.keep_next(&mut bytes);
                match self.state.get_mut(key) {
                    Some(there) => *there = value,
                    None => drop(self.state.insert(key.to_owned(), value)),
                }
            }
        }
    }

    /// The encoded updates from a place on, up to the end of its segment; and the place after them.
    pub fn since(&self, (index, start): (usize, usize)) -> (&[u8], (usize, usize)) {
        match self.segments.get(index) {
            Some(segment) if start < segment.len() => (&segment[start..], (index, segment.len())),
            Some(_) if index + 1 < self.segments.len() => self.since((index + 1, 0)),
            _ => (&[], (index, start)),
        }
    }

    /// How many updates it holds.
    pub fn version(&self) -> u64 {
        self.seq
    }

    /// The bytes of all updates.
    pub fn payload(&self) -> usize {
        self.segments.iter().map(Vec::len).sum()
    }

    fn keep_next<'b>(&mut self, bytes: &mut &'b [u8]) -> (&'b str, u64) {
        let before = *bytes;
        let len = take_varint(bytes) as usize;
        let (key, rest) = bytes.split_at(len);
        *bytes = rest;
        let value = take_varint(bytes);
        let key = std::str::from_utf8(key).expect("an arena holds what it has encoded");
        let len = before.len() - bytes.len();
        self.segment(len).extend_from_slice(&before[..len]);
        self.seq += 1;
        (key, value)
    }

    fn segment(&mut self, len: usize) -> &mut Vec<u8> {
        match self.segments.last() {
            Some(last) if last.len() + len <= SEGMENT => {}
            _ => self.segments.push(Vec::with_capacity(SEGMENT.max(len))),
        }
        self.segments.last_mut().expect("one was just pushed")
    }
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take_varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            *bytes = &bytes[index + 1..];
            return value;
        }
    }
    unreachable!("an arena holds what it has encoded")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Workload;

    #[test]
    fn both_ways_of_catching_up_end_in_the_same_state() {
        let workload = Workload::new(20_000, 100);
        let (mut here, mut owned, mut borrowed) =
            (Arena::default(), Arena::default(), Arena::default());
        workload.updates().for_each(|update| here.update(update));
        owned.catch_up(&here);
        borrowed.catch_up_borrowed(&here);
        for there in [owned, borrowed] {
            assert_eq!(there.state, here.state);
            assert_eq!((there.seq, there.payload()), (here.seq, here.payload()));
        }
    }
}
