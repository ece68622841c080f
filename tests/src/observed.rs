//! [`ObservedSet`]: a set with removals, which finds out when its updates do not come in causal order.

use std::collections::BTreeMap;

use repred::{Dot, Reduce, Stamp};
use serde::{Deserialize, Serialize};

/// An add-wins set: an addition is named by its dot, and a removal names the additions that its author
/// had seen. A removal that comes before one of those is a *violation* of causal order, and is noted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedSet {
    elements: BTreeMap<Dot, u32>,
    removed: BTreeMap<Dot, u32>,
    violations: Vec<String>,
}

/// What is done to an [`ObservedSet`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Edit {
    /// Adds an element.
    Add(u32),
    /// Removes the additions that were observed.
    Remove(Vec<Dot>),
}

/// What an [`Edit`] has changed.
pub type Observed = Vec<Dot>;

impl ObservedSet {
    /// The elements, each with the dot of its addition.
    pub fn elements(&self) -> &BTreeMap<Dot, u32> {
        &self.elements
    }

    /// The edit that removes an element as it is seen here.
    pub fn removal(&self, element: u32) -> Edit {
        let adds = self.elements.iter().filter(|(_, there)| **there == element);
        Edit::Remove(adds.map(|(dot, _)| *dot).collect())
    }

    /// What came in the wrong order.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }
}

impl Reduce for ObservedSet {
    type Update = Edit;
    type Changes = Observed;

    fn reduce(&mut self, edit: Edit, stamp: Stamp) -> Observed {
        match edit {
            Edit::Add(element) => {
                if self.removed.contains_key(&stamp.dot) {
                    self.violations.push(format!("{stamp:?} was removed before it came"));
                }
                self.elements.insert(stamp.dot, element);
                vec![stamp.dot]
            }
            Edit::Remove(dots) => {
                for dot in &dots {
                    match self.elements.remove(dot) {
                        Some(element) => drop(self.removed.insert(*dot, element)),
                        None if self.removed.contains_key(dot) => {}
                        None => self
                            .violations
                            .push(format!("{stamp:?} removes {dot:?}, which has not come")),
                    }
                }
                dots
            }
        }
    }
}
