//! [`Recipe`]: the decisions that make a case.

use super::{
    author::Author,
    case::Case,
    subject::{LawFailure, Subject},
};
use crate::testing::{Chance, chance::Decision};

/// The decisions that make a case: its updates, and the one that nobody should write, if there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recipe {
    pub(crate) parts: Vec<Part>,
    pub(crate) wild: Option<Vec<u64>>,
}

/// The decisions that make an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) author: Author,
    pub(crate) update: Vec<u64>,
}

/// A recipe that was followed, and what came of it.
pub(crate) struct Made {
    pub(crate) recipe: Recipe,
    pub(crate) case: Case,
    /// How an update breaks a law by being written.
    pub(crate) failure: Option<LawFailure>,
}

impl Recipe {
    /// Decisions for so many updates at random, and for a wild one.
    pub(crate) fn random(subject: &Subject, chance: &mut Chance, updates: usize) -> Made {
        let mut made = Made::nothing();
        for _ in 0..updates {
            let author = Author::decide(&made.case, subject.origins, subject.longest_delay, chance);
            chance.forget();
            if !made.add(subject, author, chance, 0) {
                return made;
            }
        }
        chance.forget();
        made.add_wild(subject, chance);
        made
    }

    /// Follows a recipe. What comes of it may be less than it says, where less is needed now.
    pub(crate) fn follow(&self, subject: &Subject) -> Made {
        let mut made = Made::nothing();
        for Part { author, update } in &self.parts {
            if !made.add(subject, *author, &mut Chance::again(update.clone()), 0) {
                return made;
            }
        }
        if let Some(wild) = &self.wild {
            made.add_wild(subject, &mut Chance::again(wild.clone()));
        }
        made
    }

    /// What is smaller comes first: fewer updates, fewer origins, less to see, simpler values.
    pub(crate) fn size(&self) -> impl Ord + use<> {
        let authors = || self.parts.iter().map(|part| part.author);
        let lanes: Vec<_> = authors().map(|author| author.lane).collect();
        let seen: u64 = authors().flat_map(|author| author.seen).map(u64::from).sum();
        let delay: u64 = authors().map(|author| author.delay).sum();
        let decisions: Vec<_> = self
            .parts
            .iter()
            .map(|part| &part.update)
            .chain(&self.wild)
            .flatten()
            .copied()
            .collect();
        let sum = decisions.iter().fold(0, |sum: u64, decision| sum.saturating_add(*decision));
        let parts = self.parts.len() + usize::from(self.wild.is_some());
        (parts, lanes.iter().sum::<usize>(), seen, delay, decisions.len(), sum, lanes)
    }
}

impl Made {
    fn nothing() -> Self {
        Self { recipe: Recipe::default(), case: Case::default(), failure: None }
    }

    /// Adds an update, whose decisions are those after the first `start`. False if that breaks a law.
    fn add(
        &mut self,
        subject: &Subject,
        author: Author,
        chance: &mut Chance,
        start: usize,
    ) -> bool {
        let before = self.case.entries.len();
        let after = author.after(&self.case);
        self.failure = subject.write(&mut self.case, author, chance).err();
        if self.case.entries.len() > before {
            // What it has seen is said in full, so that it stays so when other updates are left out.
            let author = Author { seen: after, ..author };
            let update = values(&chance.made()[start..]);
            self.recipe.parts.push(Part { author, update });
        }
        self.failure.is_none()
    }

    fn add_wild(&mut self, subject: &Subject, chance: &mut Chance) {
        let update = (subject.make)().sample_wild(chance);
        self.recipe.wild = update.is_some().then(|| values(chance.made()));
        let mut payload = Vec::new();
        let encoded = update.and_then(|update| update.encode_into(&mut payload).ok());
        self.case.wild = encoded.map(|()| payload);
    }
}

fn values(decisions: &[Decision]) -> Vec<u64> {
    decisions.iter().map(|decision| decision.value).collect()
}

/// Follows all recipes of so many updates, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Recipes {
    updates: usize,
    /// The decisions of the next, or `None` after the last.
    next: Option<Vec<u64>>,
}

impl Recipes {
    pub(crate) fn new(updates: usize) -> Self {
        Self { updates, next: Some(Vec::new()) }
    }

    /// Follows the next recipe.
    pub(crate) fn make(&mut self, subject: &Subject) -> Option<Made> {
        let mut chance = Chance::again(self.next.take()?);
        let mut made = Made::nothing();
        for written in 1..=self.updates {
            let author =
                Author::decide(&made.case, subject.origins, subject.longest_delay, &mut chance);
            let start = chance.made().len();
            if !made.add(subject, author, &mut chance, start) {
                break;
            }
            // Whatever comes after it, it would be another history's.
            let is_whole = made.case.entries.len() == written;
            if !is_whole || !made.case.is_first_of_its_kind() {
                break;
            }
        }
        // The next in order: the last decision that can be higher is, and all after it begin again.
        let all = chance.made();
        let last = all.iter().rposition(|decision| decision.value + 1 < decision.bound);
        self.next = last.map(|last| {
            let mut decisions = values(&all[..=last]);
            decisions[last] += 1;
            decisions
        });
        Some(made)
    }
}
