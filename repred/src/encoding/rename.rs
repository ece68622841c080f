//! [`Renames`]: updates that have got other names, and how what names them is encoded anew.

use alloc::{collections::BTreeMap, vec::Vec};
use core::ops::Range;

use serde::{Serialize, de::DeserializeOwned};

use super::{
    DecodeError, EncodeError, decode, encode_into,
    read::{Naming, Reader},
    varint,
};
use crate::{
    dots::Dots,
    id::ReplicaId,
    stamp::{Dot, Stamp},
};

/// Which updates have got other names.
///
/// All updates of an origin from some seq on have lost their old name. Those that were written again have a new one. So
/// have all of a half of a fork that is known by its epochs. The others were superseded by later ones of the same author,
/// or were not ours to write again.
#[derive(Clone, Debug, Default)]
pub struct Renames {
    origins: BTreeMap<ReplicaId, Renamed>,
}

#[derive(Clone, Debug)]
struct Renamed {
    /// The first seq whose name is lost.
    first: u64,
    names: Names,
}

#[derive(Clone, Debug)]
enum Names {
    /// Each has its own; by the old seqs, ascending.
    Each(Vec<(u64, Stamp)>),
    /// They have become origins of their own, in this order, with the times that they had.
    Parts(Vec<Part>),
}

/// Consecutive updates of an origin that have become an origin of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// The seqs that they had. The first one is 1 in the new origin.
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) origin: ReplicaId,
}

impl Part {
    /// The new name of an update of this part.
    pub(crate) fn name(&self, seq: u64) -> Dot {
        Dot::new(self.origin, seq.min(self.last) - self.first + 1)
    }

    pub(crate) fn contains(&self, seq: u64) -> bool {
        (self.first..=self.last).contains(&seq)
    }
}

impl Renames {
    /// From this update on, those of its origin have lost their names.
    pub(crate) fn begin(&mut self, first: Dot) {
        let renamed = Renamed { first: first.seq, names: Names::Each(Vec::new()) };
        self.origins.entry(first.origin).or_insert(renamed);
    }

    /// From this update on, those of its origin have become these origins.
    pub(crate) fn split(&mut self, first: Dot, parts: Vec<Part>) {
        let renamed = Renamed { first: first.seq, names: Names::Parts(parts) };
        self.origins.insert(first.origin, renamed);
    }

    /// The next update that has a new name.
    pub(crate) fn add(&mut self, old: Dot, new: Stamp) {
        self.begin(old);
        if let Some(Renamed { names: Names::Each(names), .. }) = self.origins.get_mut(&old.origin) {
            debug_assert!(names.last().is_none_or(|&(last, _)| last < old.seq));
            names.push((old.seq, new));
        }
    }

    /// The names of an origin, if the one of this update is lost.
    fn lost(&self, dot: Dot) -> Option<&Renamed> {
        self.origins.get(&dot.origin).filter(|renamed| dot.seq >= renamed.first)
    }

    /// The last update of an origin that has kept its name, if any has lost it.
    fn kept(&self, origin: ReplicaId) -> Option<Dot> {
        let renamed = self.origins.get(&origin)?;
        (renamed.first > 1).then(|| Dot::new(origin, renamed.first - 1))
    }

    fn dot(&self, dot: Dot) -> Dot {
        match self.lost(dot) {
            None => dot,
            Some(renamed) => {
                let latest = renamed.upto(dot.seq).pop();
                latest.or(self.kept(dot.origin)).unwrap_or(dot)
            }
        }
    }

    fn stamp(&self, stamp: Stamp) -> Stamp {
        let exact = self.lost(stamp.dot).and_then(|renamed| renamed.exact(stamp.dot.seq));
        exact.unwrap_or(Stamp { dot: self.dot(stamp.dot), ..stamp })
    }

    /// What the author of the update `old` had seen. It had seen all its own updates, which it did not have to say. Under
    /// the new name this does not go without saying for those that have another origin now.
    fn dots(&self, dots: &Dots, old: Dot) -> Dots {
        let before = Dot { seq: old.seq.saturating_sub(1), ..old };
        let mut renamed: Vec<_> = self.kept(old.origin).into_iter().collect();
        if let Some(names) = self.lost(before) {
            renamed.extend(names.upto(before.seq));
        }
        for dot in dots.iter() {
            match self.lost(dot) {
                None => renamed.push(dot),
                Some(names) => {
                    renamed.extend(names.upto(dot.seq));
                    renamed.extend(self.kept(dot.origin));
                }
            }
        }
        renamed.into_iter().collect()
    }
}

impl Renamed {
    fn exact(&self, seq: u64) -> Option<Stamp> {
        match &self.names {
            Names::Parts(_) => None,
            Names::Each(names) => {
                let place = names.binary_search_by_key(&seq, |&(old, _)| old).ok()?;
                Some(names[place].1)
            }
        }
    }

    /// The new names of the latest updates up to a seq, one of each new origin.
    fn upto(&self, seq: u64) -> Vec<Dot> {
        match &self.names {
            Names::Parts(parts) => {
                let before = parts.iter().take_while(|part| part.first <= seq);
                before.map(|part| part.name(seq)).collect()
            }
            Names::Each(names) => {
                let count = names.partition_point(|&(old, _)| old <= seq);
                names[..count].last().map(|(_, stamp)| stamp.dot).into_iter().collect()
            }
        }
    }
}

/// The part of a [`ResetDetail`](crate::types::ResetDetail) that says sums, in the order of all parts.
const SUMS: u8 = 1;

/// Encodes an update anew in which other updates have other names. `old` is the former name of the update.
///
/// Dots, stamps and sums by origin are found wherever they are, since their types ask for them by name. All other
/// bytes stay as they are.
pub(crate) fn rename<T: DeserializeOwned>(
    bytes: &[u8],
    old: Dot,
    renames: &Renames,
) -> Result<Vec<u8>, DecodeError> {
    let mut reader = Reader::noting_names(bytes);
    T::deserialize(&mut reader)?;
    let mut names = reader.take_names();
    reader.finish()?;
    let has_sums =
        |naming, range: &Range<usize>| naming != Naming::Detail || bytes[range.start] == SUMS;
    names.retain(|(naming, range)| has_sums(*naming, range));
    // What contains others comes before them.
    names.sort_by_key(|(_, range)| (range.start, core::cmp::Reverse(range.end)));
    let mut renamed = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for (naming, range) in names {
        if range.start < at {
            continue;
        }
        renamed.extend_from_slice(&bytes[at..range.start]);
        at = range.end;
        let name = &bytes[range];
        let before = renamed.len();
        // A type of a user may have the same name as one of ours, and another form.
        if put_renamed(naming, name, old, renames, &mut renamed).is_err() {
            renamed.truncate(before);
            renamed.extend_from_slice(name);
        }
    }
    renamed.extend_from_slice(&bytes[at..]);
    Ok(renamed)
}

fn put_renamed(
    naming: Naming,
    name: &[u8],
    old: Dot,
    renames: &Renames,
    bytes: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    match naming {
        Naming::Dot => put(&renames.dot(decode(name)?), bytes),
        Naming::Stamp => put(&renames.stamp(decode(name)?), bytes),
        Naming::Dots => put(&renames.dots(&decode(name)?, old), bytes),
        Naming::Detail => put_sums(&decode::<Vec<_>>(&name[1..])?, renames, bytes),
    }
}

/// Encodes the sums of a removal. Of an origin that has lost some of its names, all counts as a part of what has kept them,
/// and of the others it says only that they were seen: nothing tells the two parts of a sum apart.
fn put_sums(
    sums: &[(Dot, i128)],
    renames: &Renames,
    bytes: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let mut renamed = Vec::new();
    for &(dot, sum) in sums {
        let Some(names) = renames.lost(dot) else {
            renamed.push((dot, sum));
            continue;
        };
        let (new, kept) = (names.upto(dot.seq), renames.kept(dot.origin));
        let of_new = if kept.is_some() { 0 } else { sum };
        renamed.extend(kept.map(|kept| (kept, sum)));
        let last = new.len().saturating_sub(1);
        let part = |(at, dot)| (dot, if at == last { of_new } else { 0 });
        renamed.extend(new.into_iter().enumerate().map(part));
    }
    varint::put_u64(bytes, SUMS.into());
    put(&renamed, bytes)
}

/// Dots and sums have nothing that could not be encoded.
fn put<T: Serialize>(value: &T, bytes: &mut Vec<u8>) -> Result<(), DecodeError> {
    encode_into(value, bytes).map_err(|error: EncodeError| serde::de::Error::custom(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        time::Time,
        types::{MapUpdate, ResetDetail, SetUpdate},
    };

    fn dot(origin: u128, seq: u64) -> Dot {
        Dot::new(origin.into(), seq)
    }

    /// Of a, 6 and 8 are written again as y.1 and y.2.
    fn renames() -> Renames {
        let mut renames = Renames::default();
        renames.begin(dot(0xa, 6));
        renames.add(dot(0xa, 6), Stamp::new(Time::from_micros(60), 0xf.into(), 1));
        renames.add(dot(0xa, 8), Stamp::new(Time::from_micros(80), 0xf.into(), 2));
        renames
    }

    #[track_caller]
    fn assert_renamed<T: Serialize + DeserializeOwned + PartialEq + core::fmt::Debug>(
        before: T,
        after: T,
    ) {
        let mut bytes = Vec::new();
        encode_into(&before, &mut bytes).unwrap();
        let renamed = rename::<T>(&bytes, dot(0xa, 9), &renames()).unwrap();
        assert_eq!(decode::<T>(&renamed).unwrap(), after);
    }

    #[test]
    fn a_dot_that_was_written_again_has_its_new_name_wherever_it_is() {
        assert_renamed((1_u8, vec![dot(0xa, 6)], 2_u8), (1, vec![dot(0xf, 1)], 2));
        assert_renamed(Some(dot(0xa, 7)), Some(dot(0xf, 1)));
        assert_renamed(dot(0xa, 5), dot(0xa, 5));
        assert_renamed(dot(0xb, 6), dot(0xb, 6));
        let stamp = |time, dot: Dot| Stamp::new(Time::from_micros(time), dot.origin, dot.seq);
        assert_renamed(stamp(7, dot(0xa, 8)), stamp(80, dot(0xf, 2)));
    }

    #[test]
    fn what_an_author_had_seen_of_itself_is_said_once_its_name_has_changed() {
        let seen = Dots::from_iter([dot(0xb, 3)]);
        let more = Dots::from_iter([dot(0xa, 5), dot(0xb, 3), dot(0xf, 2)]);
        assert_renamed(SetUpdate::Remove(1_u8, seen), SetUpdate::Remove(1, more));
        let seen = Dots::from_iter([dot(0xa, 8)]);
        let both = Dots::from_iter([dot(0xa, 5), dot(0xf, 2)]);
        assert_renamed(SetUpdate::Remove(1_u8, seen), SetUpdate::Remove(1, both));
    }

    #[test]
    fn a_sum_over_old_and_new_names_is_that_of_the_old_ones() {
        let remove = |sums| MapUpdate::<u8, i64>::Remove(1, Dots::new(), ResetDetail::Sums(sums));
        let renamed = renamed(&remove(vec![(dot(0xa, 7), 7), (dot(0xb, 1), 2)]));
        let MapUpdate::Remove(_, _, detail) = renamed else { panic!() };
        let sums = vec![(dot(0xa, 5), 7), (dot(0xf, 1), 0), (dot(0xb, 1), 2)];
        assert_eq!(detail, ResetDetail::Sums(sums));
    }

    #[test]
    fn a_half_of_a_fork_becomes_an_origin_for_each_of_its_epochs() {
        let part = |first, last, origin: u128| Part { first, last, origin: origin.into() };
        let mut renames = Renames::default();
        renames.split(dot(0xa, 6), vec![part(6, 7, 0xe), part(8, 9, 0xf)]);
        let mut bytes = Vec::new();
        let seen = Dots::from_iter([dot(0xa, 8), dot(0xb, 3)]);
        encode_into(&(dot(0xa, 6), seen, dot(0xa, 9)), &mut bytes).unwrap();
        let renamed = rename::<(Dot, Dots, Dot)>(&bytes, dot(0xb, 4), &renames).unwrap();
        let seen = Dots::from_iter([dot(0xa, 5), dot(0xb, 3), dot(0xe, 2), dot(0xf, 1)]);
        assert_eq!(decode::<(Dot, Dots, Dot)>(&renamed), Ok((dot(0xe, 1), seen, dot(0xf, 2))));
    }

    fn renamed<T: Serialize + DeserializeOwned>(update: &T) -> T {
        let mut bytes = Vec::new();
        encode_into(update, &mut bytes).unwrap();
        decode(&rename::<T>(&bytes, dot(0xa, 9), &renames()).unwrap()).unwrap()
    }
}
