//! [`Leaf`]: an update with everything that makes it what it is, as one hash takes it in.

use core::hash::Hasher;

use siphasher::sip::SipHasher24;

use crate::stamp::Stamp;

/// An update with everything that makes it what it is. Its bytes are frozen, so that a mark of it means the same to
/// every version of this program, and so that its author can sign it one day:
///
/// ```text
/// 13 │ "repred leaf 1" │ document 16 │ origin 16 │ seq 8 │ time 8 │ kind 1 │ flags 1 │ place in its edit 4
///    │ length of its edit 4 │ bytes of the payload 8 │ payload
/// ```
///
/// Numbers are little endian, times are in the unit of the wire. Place and length are 0 and 1 wherever a mark is taken:
/// a replica that has forgotten the rest of an edit could not say them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaf<'a> {
    /// Sixteen zeros if it belongs to none in particular.
    pub(crate) document: [u8; 16],
    pub(crate) stamp: Stamp,
    /// As it was received.
    pub(crate) payload: &'a [u8],
}

/// What a leaf begins with, behind its length, so that nothing else that is ever hashed can be taken for one.
const DOMAIN: &[u8; 13] = b"repred leaf 1";

/// Bytes before the payload.
const HEAD: usize = 1 + DOMAIN.len() + 16 + 16 + 8 + 8 + 1 + 1 + 4 + 4 + 8;

impl Leaf<'_> {
    /// The mark of the update: never 0, and another for another update, except with negligible probability.
    pub(crate) fn mark(&self) -> u32 {
        (self.hash() as u32).max(1)
    }

    /// The mark of an epoch that begins with this update, which `chance` tells from that of a copy that writes the same
    /// at the same time. Never 0.
    pub(crate) fn epoch_mark(&self, chance: u32) -> u32 {
        ((self.hash() >> 32) as u32 ^ chance).max(1)
    }

    fn hash(&self) -> u64 {
        let mut hasher = SipHasher24::new();
        hasher.write(&self.head());
        hasher.write(self.payload);
        hasher.finish()
    }

    fn head(&self) -> [u8; HEAD] {
        let Stamp { time, dot } = self.stamp;
        let mut head = [0; HEAD];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            head[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&[DOMAIN.len() as u8]);
        put(DOMAIN);
        put(&self.document);
        put(&dot.origin.to_bytes());
        put(&dot.seq.to_le_bytes());
        put(&time.as_ticks().to_le_bytes());
        // Kind and flags: none today.
        put(&[0, 0]);
        put(&0_u32.to_le_bytes());
        put(&1_u32.to_le_bytes());
        put(&(self.payload.len() as u64).to_le_bytes());
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{protocol::vectors, time::Time};

    fn leaf(payload: &[u8]) -> Leaf<'_> {
        let stamp = Stamp::new(Time::from_micros(9), 7.into(), 3);
        Leaf { document: [0; 16], stamp, payload }
    }

    #[test]
    fn whatever_makes_an_update_another_gives_it_another_mark() {
        let mark = leaf(b"value").mark();
        assert_eq!(mark, leaf(b"value").mark());
        let stamp =
            |time, origin: u128, seq| Stamp::new(Time::from_micros(time), origin.into(), seq);
        let others = [
            leaf(b"valuf"),
            leaf(b""),
            leaf(b"value\0"),
            Leaf { document: [1; 16], ..leaf(b"value") },
            Leaf { stamp: stamp(10, 7, 3), ..leaf(b"value") },
            Leaf { stamp: stamp(9, 8, 3), ..leaf(b"value") },
            Leaf { stamp: stamp(9, 7, 4), ..leaf(b"value") },
        ];
        for other in others {
            assert_ne!(other.mark(), mark, "{other:?}");
        }
    }

    #[test]
    fn a_leaf_and_its_mark_are_as_their_vectors_say() {
        let leaf = |document, seq, payload| Leaf {
            document,
            stamp: Stamp::new(vectors::at(0), vectors::A.into(), seq),
            payload,
        };
        let document = vectors::document().to_bytes();
        for (name, leaf) in [
            ("leaf", leaf([0; 16], 300, b"xy")),
            ("leaf-of-a-document", leaf(document, 300, b"xy")),
            ("leaf-without-payload", leaf([0; 16], 1, b"")),
        ] {
            let bytes = [&leaf.head(), leaf.payload].concat();
            assert_eq!(bytes, vectors::vector(name), "{name}");
            let mark = vectors::vector(&format!("{name}-mark"));
            assert_eq!(leaf.mark().to_le_bytes(), *mark, "{name}");
        }
    }

    #[test]
    fn an_epoch_has_a_mark_of_its_own_for_each_chance() {
        let leaf = leaf(b"value");
        assert_ne!(leaf.epoch_mark(1), leaf.epoch_mark(2));
        assert_ne!(leaf.epoch_mark(0), leaf.mark());
        let cancelled = leaf.epoch_mark(0);
        assert_eq!(leaf.epoch_mark(cancelled), 1, "0 says nothing, so it is no mark");
    }
}
