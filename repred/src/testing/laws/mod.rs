//! [`Laws`]: a test of the laws that a reducer has to keep.

mod case;
mod author;
mod law;
mod coverage;
mod subject;
mod examine;
mod recipe;
mod shrink;
mod violation;
#[cfg(any(feature = "arbitrary", feature = "proptest"))]
mod sources;

use std::{fmt, fs, marker::PhantomData, path::PathBuf};

pub(crate) use self::subject::{name_of, quietly, untruthful};
use self::{
    case::{Case, MAX_ORIGINS},
    examine::{Claims, Invariant, examine},
    recipe::{Made, Recipe, Recipes},
    shrink::{Failing, shrink},
    subject::Subject,
    violation::Found,
};
pub use self::{coverage::Coverage, law::Law, violation::Violation};
use super::{
    Chance,
    erased::{Erased, ErasedUpdate},
};
use crate::{edit::Edit, encoding, reduce::Replicated};

/// A test of the laws that a reducer has to keep.
///
/// One line is enough: the kit makes up updates of any type, from the *tiny* domains of [`Chance::sample`]. If the
/// reducer breaks a law, the test panics with a report of the smallest failing case (it is *shrunk*).
///
/// ```
/// use repred::{Counter, testing::Laws};
///
/// Laws::of(Counter::default).check();
/// ```
///
/// # How it searches
///
/// Under causal delivery with one order per origin, every order in which updates can arrive is a path
/// through the lattice of version vectors. So the kit does not sample orders, but checks each small history
/// *exactly*: at every cut, any two entries that may come next must commute. Ten updates of each
/// of three origins have 5.6·10¹² orders, and 3,630 calls of `reduce` cover them all. The kit first checks all
/// histories of one update, of two, and so on, until a budget is used up; then random ones of up to nine.
///
/// ```should_panic
/// use repred::{reducer, testing::Laws};
///
/// // The last to arrive wins, which is another one on each replica.
/// let title = || reducer(String::new(), |title, new: String| {
///     let is_new = *title != new;
///     *title = new;
///     is_new
/// });
/// Laws::of(title).check();
/// ```
///
/// # Updates of your own making
///
/// Made-up updates may be ones that no author in your program writes. If your reducer keeps the laws only
/// for updates that authors do write, say how they write them:
///
/// ```
/// use std::collections::{BTreeMap, BTreeSet};
/// use repred::{Dot, stamped_reducer, testing::Laws};
///
/// // An add-wins set: a removal names the additions that its author has observed.
/// type State = BTreeMap<char, BTreeSet<Dot>>;
/// let set = || stamped_reducer(State::new(), |set, (added, element, removed): (bool, char, Vec<Dot>), stamp| {
///     let dots = set.entry(element).or_default();
///     let before = dots.clone();
///     dots.retain(|dot| !removed.contains(dot));
///     dots.extend(added.then_some(stamp.dot));
///     let has_changed = *dots != before;
///     if dots.is_empty() {
///         set.remove(&element);
///     }
///     has_changed
/// });
/// Laws::of(set)
///     .update_with(|set, chance| {
///         let element = *chance.pick(&['x', 'y']);
///         match set.get(&element) {
///             Some(dots) if chance.percent(50) => (false, element, dots.iter().copied().collect()),
///             _ => (true, element, Vec::new()),
///         }
///     })
///     .check();
/// ```
#[must_use = "nothing is checked before `check` or `run`"]
pub struct Laws<R: Replicated> {
    subject: Subject,
    claims: Claims,
    histories: u64,
    updates: usize,
    budget: u64,
    seed: u64,
    svg: Option<PathBuf>,
    reducer: PhantomData<fn() -> R>,
}

impl<R: Replicated> Laws<R> {
    /// A test of the reducer that `make` returns, in the state with which every replica begins.
    ///
    /// ```
    /// use repred::{GrowSet, testing::Laws};
    ///
    /// Laws::of(GrowSet::<u8>::default).check();
    /// ```
    pub fn of(make: impl Fn() -> R + 'static) -> Self {
        Self {
            subject: Subject::new(make),
            claims: Claims { is_idempotent: false, edit: None, invariants: Vec::new() },
            histories: 256,
            updates: 9,
            budget: 30_000,
            seed: 1,
            svg: None,
            reducer: PhantomData,
        }
    }

    // ---- where updates come from ----

    /// Takes updates from a list; the first counts as the simplest.
    ///
    /// ```
    /// use repred::{Counter, testing::Laws};
    ///
    /// Laws::of(Counter::default).updates([1, -1, 1000]).check();
    /// ```
    ///
    /// # Panics
    ///
    /// If the list is empty, or one of its updates cannot be encoded.
    pub fn updates(self, updates: impl IntoIterator<Item = R::Update>) -> Self {
        let encode = |update| {
            let mut bytes = Vec::new();
            let encoded = encoding::encode_into(&update, &mut bytes);
            encoded.unwrap_or_else(|error| panic!("an update of the list: {error}"));
            bytes
        };
        let updates: Vec<_> = updates.into_iter().map(encode).collect();
        assert!(!updates.is_empty(), "the list of updates is empty");
        self.make_updates(move |_, chance| encoding::decode(chance.pick::<Vec<u8>>(&updates)).ok())
    }

    /// Makes updates with a closure, which gets the state that the author of the update sees.
    ///
    /// ```
    /// use repred::{Set, testing::Laws};
    ///
    /// Laws::of(Set::<char>::default)
    ///     .update_with(|set, chance| match set.iter().next() {
    ///         Some(element) if chance.percent(50) => set.removal(*element),
    ///         _ => repred::types::SetUpdate::Insert(*chance.pick(&['x', 'y'])),
    ///     })
    ///     .check();
    /// ```
    pub fn update_with(self, update: impl Fn(&R, &mut Chance) -> R::Update + 'static) -> Self {
        self.make_updates(move |state, chance| Some(update(state, chance)))
    }

    fn make_updates(
        mut self,
        update: impl Fn(&R, &mut Chance) -> Option<R::Update> + 'static,
    ) -> Self {
        self.subject.updates =
            Box::new(move |state, chance| update(state.get(), chance).map(ErasedUpdate::new::<R>));
        self
    }

    // ---- how much is looked at ----

    /// Sets how many random histories are checked. Default 256.
    ///
    /// ```
    /// use repred::{Counter, testing::Laws};
    ///
    /// // More than in other tests of the program.
    /// Laws::of(Counter::default).histories(1000).check();
    /// ```
    pub fn histories(mut self, count: u64) -> Self {
        self.histories = count;
        self
    }

    /// Sets how many updates a history has at most. Default 9.
    ///
    /// ```
    /// use repred::{Flag, testing::Laws};
    ///
    /// Laws::of(Flag::default).updates_per_history(5).check();
    /// ```
    ///
    /// # Panics
    ///
    /// If there are none, or more than 100.
    pub fn updates_per_history(mut self, count: usize) -> Self {
        assert!((1..=100).contains(&count), "{count} updates are too few or too many");
        self.updates = count;
        self
    }

    /// Sets how many origins write. Default 3.
    ///
    /// ```
    /// use repred::{Flag, testing::Laws};
    ///
    /// let coverage = Laws::of(Flag::default).origins(2).run().unwrap();
    /// assert_eq!(coverage.origins, 2);
    /// ```
    ///
    /// # Panics
    ///
    /// If there are fewer than two, or more than six.
    pub fn origins(mut self, count: usize) -> Self {
        assert!((2..=MAX_ORIGINS).contains(&count), "{count} origins are too few or too many");
        self.subject.origins = count;
        self
    }

    /// Sets how many microseconds after everything that its author has seen an update is written at most.
    /// Default 2, so that the times of concurrent updates are sometimes equal and sometimes not. With 1, they are
    /// equal as often as possible, and there are far fewer histories.
    ///
    /// ```
    /// use repred::{Register, testing::Laws};
    ///
    /// let coverage = Laws::of(Register::<u8>::default).longest_delay(1).run().unwrap();
    /// assert!(coverage.ties_percent() > 0);
    /// ```
    ///
    /// # Panics
    ///
    /// If it is zero.
    pub fn longest_delay(mut self, micros: u64) -> Self {
        assert!(micros > 0, "an update is later than all that its author has seen");
        self.subject.longest_delay = micros - 1;
        self
    }

    /// Sets after how many calls of `reduce` the search goes from all small histories to random ones. Default 30,000.
    ///
    /// ```
    /// use repred::{Counter, testing::Laws};
    ///
    /// // Random histories only.
    /// let coverage = Laws::of(Counter::default).budget(0).run().unwrap();
    /// assert_eq!(coverage.complete, 0);
    /// ```
    pub fn budget(mut self, calls: u64) -> Self {
        self.budget = calls;
        self
    }

    /// Sets the seed of the random histories. Default 1. The same seed gives the same histories.
    ///
    /// ```
    /// use repred::{Counter, testing::Laws};
    ///
    /// let run = |seed| Laws::of(Counter::default).budget(0).seed(seed).run().unwrap();
    /// assert_eq!(run(7), run(7));
    /// ```
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    // ---- what else the test says ----

    /// Compares states with a closure instead of by their encodings. This is for states that encode in no fixed
    /// order, such as those with a hash map. The digests of such states differ, so
    /// [`check_divergence`](crate::ReplicaBuilder::check_divergence) cannot be used with them.
    ///
    /// ```
    /// use std::collections::HashSet;
    /// use repred::{reducer, testing::Laws};
    ///
    /// Laws::of(|| reducer(HashSet::new(), |set: &mut HashSet<u8>, new| set.insert(new)))
    ///     .equal(|one, other| **one == **other)
    ///     .check();
    /// ```
    pub fn equal(mut self, equal: impl Fn(&R, &R) -> bool + 'static) -> Self {
        self.subject.equal = Some(Box::new(move |one, other| equal(one.get(), other.get())));
        self
    }

    /// Permits changes that are not empty although the state is as it was. Such an update takes a place in the history.
    ///
    /// ```
    /// use repred::{reducer, testing::Laws};
    ///
    /// let maximum = |state: &mut u8, new: u8| {
    ///     *state = new.max(*state);
    ///     true
    /// };
    /// Laws::of(move || reducer(0, maximum)).may_report_more().check();
    /// ```
    pub fn may_report_more(mut self) -> Self {
        self.subject.may_report_more = true;
        self
    }

    /// Checks also that a second reduction of the same update changes nothing.
    ///
    /// ```
    /// use repred::{GrowSet, testing::Laws};
    ///
    /// Laws::of(GrowSet::<u8>::default).idempotent().check();
    /// ```
    pub fn idempotent(mut self) -> Self {
        self.claims.is_idempotent = true;
        self
    }

    /// Checks that what an edit keeps of a state puts it back exactly as it was; see [`Edit::rollback`].
    ///
    /// ```
    /// use repred::{Set, testing::Laws};
    ///
    /// Laws::of(Set::<u8>::default).editable().check();
    /// ```
    pub fn editable(mut self) -> Self
    where
        R: Edit,
    {
        self.claims.edit = Some(Box::new(|state, update, stamp| {
            let (state, update) = (state.get_mut::<R>(), update.into_inner::<R>());
            let roll_back = state.rollback(&update, stamp);
            state.reduce(update, stamp);
            roll_back(state);
        }));
        self
    }

    /// Checks an invariant of every state, such as that no stock is below zero. It has to hold on every replica in
    /// every order of updates, not only on the author's.
    ///
    /// ```
    /// use repred::{Counter, testing::Laws};
    ///
    /// Laws::of(Counter::default).updates([1, 2]).invariant("positive", |sum| sum.value() >= 0).check();
    /// ```
    pub fn invariant(
        mut self,
        name: impl Into<String>,
        holds: impl Fn(&R) -> bool + 'static,
    ) -> Self {
        let holds = Box::new(move |state: &Erased| holds(state.get()));
        self.claims.invariants.push(Invariant { name: name.into(), holds });
        self
    }

    /// Writes a picture of the failing case, as SVG, to this file if a law is broken.
    ///
    /// ```
    /// use repred::{Counter, testing::Laws};
    ///
    /// let path = std::env::temp_dir().join("counter.svg");
    /// Laws::of(Counter::default).draw(&path).check();
    /// assert!(!path.exists(), "no law is broken");
    /// ```
    pub fn draw(mut self, svg: impl Into<PathBuf>) -> Self {
        self.svg = Some(svg.into());
        self
    }

    // ---- checking ----

    /// Checks the laws, and prints what was covered.
    ///
    /// ```should_panic
    /// use repred::{reducer, testing::Laws};
    ///
    /// // Subtraction stops at zero, so the order of updates matters.
    /// let stock = || reducer(0, |stock: &mut u8, by: i8| {
    ///     let before = *stock;
    ///     *stock = stock.saturating_add_signed(by);
    ///     *stock != before
    /// });
    /// Laws::of(stock).check();
    /// ```
    ///
    /// # Panics
    ///
    /// Panics with a report if a law is broken, and if the test proves nothing: see [`LawsError`].
    #[track_caller]
    pub fn check(self) {
        match self.run() {
            Ok(coverage) => println!("{coverage}"),
            Err(error) => panic!("\n{error}"),
        }
    }

    /// Checks the laws, and returns what was covered.
    ///
    /// ```
    /// use repred::{Counter, testing::Laws};
    ///
    /// let coverage = Laws::of(Counter::default).run()?;
    /// assert!(coverage.conflicts_percent() > 0);
    /// # Ok::<(), repred::testing::LawsError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`LawsError`].
    pub fn run(self) -> Result<Coverage, LawsError> {
        let mut coverage = Coverage { origins: self.subject.origins, ..Coverage::default() };
        self.exhaust(&mut coverage)?;
        for history in 0..self.histories {
            let seed = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(history);
            let mut chance = Chance::new(seed);
            let updates = 2 + chance.below(self.updates.max(2) as u64 - 1) as usize;
            chance.focus();
            let made = Recipe::random(&self.subject, &mut chance, updates);
            let found = Found::AtRandom { history, seed: self.seed };
            self.examine(made, &mut coverage).map_err(|failing| self.report(*failing, found))?;
        }
        coverage.applications = self.subject.applications();
        match coverage.with_conflicts {
            0 => Err(LawsError::Unproven(coverage)),
            _ => Ok(coverage),
        }
    }

    /// Checks the laws on one case, in the lines that a report ends with.
    ///
    /// ```
    /// use repred::{Counter, testing::Laws};
    ///
    /// Laws::of(Counter::default).replay(&[
    ///     "a.1@1: 02", // 1
    ///     "b.1@1: 01", // -1
    /// ]);
    /// ```
    ///
    /// # Panics
    ///
    /// Panics with a report if a law is broken, and if the lines are not those of a case.
    #[track_caller]
    pub fn replay(self, lines: &[&str]) {
        let case = Case::parse(lines).unwrap_or_else(|error| panic!("{error}"));
        let result = examine(&self.subject, &self.claims, &case, &mut Coverage::default());
        if let Err(failure) = result {
            let violation = Violation::new(&self.subject, &case, &failure, Found::Again);
            panic!("\n{}", self.finish(violation));
        }
    }

    /// Looks at all histories of one update, of two, and so on, until the budget is used up.
    fn exhaust(&self, coverage: &mut Coverage) -> Result<(), LawsError> {
        for updates in 1..=self.updates {
            let mut recipes = Recipes::new(updates);
            // Recipes that make nothing cost, too.
            let mut followed = 0;
            while let Some(made) = recipes.make(&self.subject) {
                followed += 1;
                if self.subject.applications().max(followed) > self.budget {
                    return Ok(());
                }
                let is_another = made.case.entries.len() == updates;
                if made.failure.is_some() || is_another && made.case.is_first_of_its_kind() {
                    let found = Found::AmongAll { updates };
                    self.examine(made, coverage).map_err(|failing| self.report(*failing, found))?;
                }
            }
            coverage.complete = updates;
        }
        Ok(())
    }

    fn examine(&self, made: Made, coverage: &mut Coverage) -> Result<(), Box<Failing>> {
        let Made { recipe, case, failure } = made;
        let result = match failure {
            Some(failure) => Err(failure),
            None => examine(&self.subject, &self.claims, &case, coverage),
        };
        result.map_err(|failure| Box::new(Failing { recipe, case, failure }))
    }

    fn report(&self, failing: Failing, found: Found) -> LawsError {
        let mut unused = Coverage::default();
        let small = shrink(failing, &mut |recipe| {
            let made = recipe.follow(&self.subject);
            self.examine(made, &mut unused).err().map(|failing| *failing)
        });
        let violation = Violation::new(&self.subject, &small.case, &small.failure, found);
        LawsError::Broken(Box::new(self.finish(violation)))
    }

    fn finish(&self, violation: Violation) -> Violation {
        match &self.svg {
            None => violation,
            Some(path) => match fs::write(path, violation.svg()) {
                Ok(()) => violation.and(&format!("A picture of it is in {}.", path.display())),
                Err(error) => violation
                    .and(&format!("No picture: {} cannot be written: {error}", path.display())),
            },
        }
    }
}

impl<R: Replicated> fmt::Debug for Laws<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Laws")
            .field("of", &self.subject.name)
            .field("histories", &self.histories)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// Why a test of the laws failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum LawsError {
    /// The reducer breaks a law. The text is the whole report of the violation.
    Broken(Box<Violation>),
    /// No two concurrent updates ever changed the same place of the state, so the test proves nothing. Make updates
    /// that conflict: choose keys from two or three, and values from a few.
    Unproven(Coverage),
}

impl fmt::Display for LawsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(violation) => violation.fmt(f),
            Self::Unproven(coverage) => write!(
                f,
                "no two concurrent updates ever changed the same place of the state, so nothing was \
                 proved: choose keys from two or three, and values from a few ({coverage})"
            ),
        }
    }
}

impl std::error::Error for LawsError {}
