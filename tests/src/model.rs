//! [`Model`]: a reducer of everything that has something to forget.

use std::collections::BTreeMap;

use repred::{Changes, Dot, Reduce, Stamp, types::Superseded};
use serde::{Deserialize, Serialize};

/// Everything that has something to forget, in one state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// An add-wins set: the dots by which each element is in it, and whether each may be named superseded.
    set: BTreeMap<u8, BTreeMap<Dot, bool>>,
    /// Registers that keep concurrent values, each with whether it may be named superseded.
    multi: BTreeMap<u8, BTreeMap<Dot, (u8, bool)>>,
    /// Last-writer-wins registers.
    last: BTreeMap<u8, (Stamp, u8)>,
    sum: i64,
}

impl Model {
    /// An update of somebody who sees this state. `below` makes numbers below a bound.
    pub fn op(&self, mut below: impl FnMut(usize) -> usize) -> Op {
        let key = below(3) as u8;
        let dots = |dots: Option<Vec<Dot>>| dots.unwrap_or_default();
        let element = dots(self.set.get(&key).map(|dots| dots.keys().copied().collect()));
        let values = dots(self.multi.get(&key).map(|values| values.keys().copied().collect()));
        match below(9) {
            0 => Op::Add(key, Vec::new()),
            1 => Op::Add(key, element),
            2 => Op::Remove(key, element),
            3 => Op::Keep(key, below(4) as u8, Vec::new()),
            4 => Op::Keep(key, below(4) as u8, values),
            5..=7 => Op::Set(key, below(4) as u8),
            _ => Op::Count(below(5) as i8 - 2),
        }
    }

    /// Takes out what says nothing.
    pub fn tidy(&mut self) {
        self.set.retain(|_, dots| !dots.is_empty());
    }
}

/// What is done to a [`Model`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Op {
    /// Adds an element, in the place of the additions that were observed.
    Add(u8, Vec<Dot>),
    /// Removes the additions that were observed.
    Remove(u8, Vec<Dot>),
    /// Writes a value beside concurrent ones, in the place of those that were observed.
    Keep(u8, u8, Vec<Dot>),
    /// Writes a value; the last write wins.
    Set(u8, u8),
    /// Adds to the sum.
    Count(i8),
}

/// What an [`Op`] has changed.
#[derive(Debug)]
pub enum Did {
    /// Nothing.
    Nothing,
    /// Something that overwrites nothing.
    Changed,
    /// Something, and these are superseded.
    Replaced(Vec<Dot>),
    /// A register.
    Wrote(Superseded),
}

impl Changes for Did {
    fn is_empty(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Changed | Self::Replaced(_) => false,
            Self::Wrote(superseded) => superseded.is_empty(),
        }
    }

    fn superseded(&self, name: &mut dyn FnMut(Dot)) {
        match self {
            Self::Nothing | Self::Changed => {}
            Self::Replaced(dots) => dots.iter().copied().for_each(name),
            Self::Wrote(superseded) => superseded.superseded(name),
        }
    }
}

impl Reduce for Model {
    type Update = Op;
    type Changes = Did;

    fn reduce(&mut self, op: Op, stamp: Stamp) -> Did {
        match op {
            // An addition that replaced others did something beside adding: without it the others
            // would come back. So only one that replaced nothing may be named.
            Op::Add(element, observed) => {
                let dots = self.set.entry(element).or_default();
                dots.insert(stamp.dot, observed.is_empty());
                Did::Replaced(take(dots, observed, |plain| *plain).1)
            }
            Op::Remove(element, observed) => {
                let Some(dots) = self.set.get_mut(&element) else { return Did::Nothing };
                let (taken, named) = take(dots, observed, |plain| *plain);
                if dots.is_empty() {
                    self.set.remove(&element);
                }
                if taken == 0 { Did::Nothing } else { Did::Replaced(named) }
            }
            Op::Keep(register, value, observed) => {
                let values = self.multi.entry(register).or_default();
                values.insert(stamp.dot, (value, observed.is_empty()));
                Did::Replaced(take(values, observed, |(_, plain)| *plain).1)
            }
            Op::Set(register, value) => match self.last.get(&register) {
                Some((newer, _)) if *newer > stamp => Did::Wrote(Superseded::unchanged()),
                _ => {
                    let old = self.last.insert(register, (stamp, value));
                    Did::Wrote(Superseded::changed(old.map(|(old, _)| old.dot)))
                }
            },
            Op::Count(amount) => {
                self.sum += i64::from(amount);
                if amount == 0 { Did::Nothing } else { Did::Changed }
            }
        }
    }
}

/// Takes the observed dots out: how many there were, and which of them may be named superseded.
fn take<T>(
    dots: &mut BTreeMap<Dot, T>,
    observed: Vec<Dot>,
    is_plain: impl Fn(&T) -> bool,
) -> (usize, Vec<Dot>) {
    let taken: Vec<_> =
        observed.into_iter().filter_map(|dot| Some((dot, dots.remove(&dot)?))).collect();
    let named = taken.iter().filter(|(_, value)| is_plain(value)).map(|(dot, _)| *dot);
    (taken.len(), named.collect())
}
