//! [`Subject`]: the reducer under test, and what can be done with it.

use std::{
    any::{Any, type_name},
    cell::Cell,
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::Once,
};

use super::{
    author::{Author, DELAY},
    case::{Case, Entry, origin},
    law::Law,
};
use crate::{
    changes::Changes,
    encoding::DecodeError,
    reduce::{Reduce, Replicated},
    stamp::Stamp,
    testing::{
        Chance,
        erased::{Erased, ErasedChanges, ErasedUpdate},
        line::Line,
        tree::Tree,
    },
    time::Time,
};

/// Makes an update for an author who sees this state.
pub(crate) type MakeUpdate = dyn Fn(&Erased, &mut Chance) -> Option<ErasedUpdate>;

/// Says whether two states are equal.
pub(crate) type Equal = dyn Fn(&Erased, &Erased) -> bool;

/// The reducer under test.
pub(crate) struct Subject {
    /// What to call it.
    pub(crate) name: String,
    pub(crate) make: Box<dyn Fn() -> Erased>,
    pub(crate) updates: Box<MakeUpdate>,
    /// Which states are equal, if not those of equal encoding.
    pub(crate) equal: Option<Box<Equal>>,
    pub(crate) may_report_more: bool,
    pub(crate) origins: usize,
    pub(crate) longest_delay: u64,
    /// Calls of `reduce` so far.
    applications: Cell<u64>,
}

/// A law was broken, and how.
#[derive(Clone, Debug)]
pub(crate) struct LawFailure {
    pub(crate) law: Law,
    /// What happened, line by line.
    pub(crate) lines: Vec<Line>,
}

impl LawFailure {
    pub(crate) fn new<L: Into<Line>>(law: Law, lines: impl IntoIterator<Item = L>) -> Self {
        Self { law, lines: lines.into_iter().map(Into::into).collect() }
    }
}

impl Subject {
    pub(crate) fn new<R: Replicated>(make: impl Fn() -> R + 'static) -> Self {
        Self {
            name: name_of::<R>(),
            make: Box::new(move || Erased::new(make())),
            updates: Box::new(|_, chance| chance.sample().map(ErasedUpdate::new::<R>)),
            equal: None,
            may_report_more: false,
            origins: 3,
            longest_delay: DELAY,
            applications: Cell::new(0),
        }
    }

    pub(crate) fn applications(&self) -> u64 {
        self.applications.get()
    }

    // ---- states ----

    pub(crate) fn encode(&self, state: &Erased) -> Result<Vec<u8>, LawFailure> {
        let mut bytes = Vec::new();
        let written = state.write_state(&mut bytes);
        written.map_err(|error| {
            LawFailure::new(Law::Snapshot, [format!("the state cannot be encoded: {error}")])
        })?;
        Ok(bytes)
    }

    /// The state that was encoded.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<Erased, LawFailure> {
        let mut state = (self.make)();
        state.replace_state(bytes).map_err(|error| {
            LawFailure::new(Law::Snapshot, [format!("an encoded state cannot be decoded: {error}")])
        })?;
        Ok(state)
    }

    /// Whether two states, encoded, are the same.
    pub(crate) fn is_same(&self, one: &[u8], other: &[u8]) -> Result<bool, LawFailure> {
        match &self.equal {
            _ if one == other => Ok(true),
            None => {
                self.check_digest(one)?;
                self.check_digest(other)?;
                Ok(false)
            }
            Some(equal) => Ok(equal(&self.decode(one)?, &self.decode(other)?)),
        }
    }

    /// A state encodes as it did before it was decoded. What has no order of its own may do so by chance,
    /// so it is given three.
    pub(crate) fn check_digest(&self, state: &[u8]) -> Result<(), LawFailure> {
        for _ in 0..3 {
            let again = self.encode(&self.decode(state)?)?;
            if again != state {
                let [before, after] = [state, &again].map(|bytes| self.tree(bytes));
                let lines = [format!("before: {before}"), format!("after:  {after}")];
                return Err(LawFailure::new(Law::Digest, lines));
            }
        }
        Ok(())
    }

    /// An encoded state, to be shown.
    pub(crate) fn tree(&self, state: &[u8]) -> Tree {
        self.decode(state).map_or_else(|_| Tree::unknown(), |state| state.tree())
    }

    /// The update that was encoded.
    pub(crate) fn decode_update(&self, payload: &[u8]) -> Result<ErasedUpdate, DecodeError> {
        (self.make)().decode_update(payload)
    }

    /// An encoded update as one would write it.
    pub(crate) fn show_update(&self, payload: &[u8]) -> String {
        let update = self.decode_update(payload);
        update.map_or_else(|_| Tree::unknown(), |update| update.tree()).to_string()
    }

    // ---- reducing ----

    /// Reduces an entry as a peer would.
    pub(crate) fn apply(
        &self,
        state: &mut Erased,
        entry: &Entry,
    ) -> Result<ErasedChanges, LawFailure> {
        self.apply_payload(state, &entry.payload, entry.stamp)
    }

    pub(crate) fn apply_payload(
        &self,
        state: &mut Erased,
        payload: &[u8],
        stamp: Stamp,
    ) -> Result<ErasedChanges, LawFailure> {
        let update = state.decode_update(payload).map_err(|error| {
            let lines = format!("{stamp:?} cannot be decoded: {error}");
            LawFailure::new(Law::Codec, [lines])
        })?;
        self.reduce(state, update, stamp, || self.show_update(payload))
    }

    fn reduce(
        &self,
        state: &mut Erased,
        update: ErasedUpdate,
        stamp: Stamp,
        show: impl FnOnce() -> String,
    ) -> Result<ErasedChanges, LawFailure> {
        self.applications.set(self.applications.get() + 1);
        quietly(|| state.reduce(update, stamp)).map_err(|panic| {
            let update = show();
            LawFailure::new(Law::Total, [format!("{stamp:?}, {update}, panics: {panic}")])
        })
    }

    /// The state after these entries.
    pub(crate) fn fold(
        &self,
        case: &Case,
        order: impl IntoIterator<Item = usize>,
    ) -> Result<Erased, LawFailure> {
        let mut state = (self.make)();
        for index in order {
            self.apply(&mut state, &case.entries[index])?;
        }
        Ok(state)
    }

    // ---- writing ----

    /// Adds an update to a history. None is added if there is none to make, or if it changes nothing: a
    /// replica forgets such an update at once. One that breaks a law by being written is the last.
    pub(crate) fn write(
        &self,
        case: &mut Case,
        author: Author,
        chance: &mut Chance,
    ) -> Result<(), LawFailure> {
        let after = author.after(case);
        let state = self.fold(case, case.within(after))?;
        let seen = case.stamps(after);
        let latest = seen.iter().map(|stamp| stamp.time.as_micros()).max().unwrap_or(0);
        let time = Time::from_micros(latest + 1 + author.delay);
        chance.has_seen(seen);
        let update = quietly(|| (self.updates)(&state, chance));
        let update =
            update.unwrap_or_else(|panic| panic!("the test's own closure panics: {panic}"));
        let Some(update) = update else { return Ok(()) };
        let stamp = Stamp::new(time, origin(author.lane), u64::from(after[author.lane]) + 1);
        let mut payload = Vec::new();
        update.encode_into(&mut payload).map_err(|error| {
            LawFailure::new(Law::Codec, [format!("an update cannot be encoded: {error}")])
        })?;
        let entry = Entry { stamp, after, payload };
        let result = self.is_effective(state, update, &entry);
        if !matches!(result, Ok(false)) {
            case.entries.push(entry);
        }
        result.map(drop)
    }

    /// Reduces an update as its author does, and checks that a peer's reduction is no other.
    fn is_effective(
        &self,
        mut state: Erased,
        update: ErasedUpdate,
        entry: &Entry,
    ) -> Result<bool, LawFailure> {
        let before = self.encode(&state)?;
        let mut peer = self.decode(&before)?;
        self.check_codec(entry)?;
        let changes =
            self.reduce(&mut state, update, entry.stamp, || self.show_update(&entry.payload))?;
        self.apply(&mut peer, entry)?;
        let (mine, theirs) = (self.encode(&state)?, self.encode(&peer)?);
        if !self.is_same(&mine, &theirs)? {
            let (mine, theirs) = (self.tree(&mine), self.tree(&theirs));
            let lines = [
                format!("{:?}, {}", entry.stamp.dot, self.show_update(&entry.payload)),
                format!("by its author:     {mine}"),
                format!("after its journey: {theirs}"),
            ];
            return Err(LawFailure::new(Law::Codec, lines));
        }
        self.check_changes(&before, &mine, &changes, entry)?;
        Ok(!changes.is_empty())
    }

    /// What was decoded is encoded as before.
    pub(crate) fn check_codec(&self, entry: &Entry) -> Result<(), LawFailure> {
        let dot = entry.stamp.dot;
        let update = self.decode_update(&entry.payload).map_err(|error| {
            LawFailure::new(Law::Codec, [format!("{dot:?} cannot be decoded: {error}")])
        })?;
        let mut again = Vec::new();
        let encoded = update.encode_into(&mut again);
        if encoded.is_ok() && again == entry.payload {
            return Ok(());
        }
        let lines = [
            format!("{dot:?} was:   {}", self.show_update(&entry.payload)),
            format!("it became: {}", self.show_update(&again)),
        ];
        Err(LawFailure::new(Law::Codec, lines))
    }

    /// Changes are empty exactly if nothing has changed.
    pub(crate) fn check_changes(
        &self,
        before: &[u8],
        after: &[u8],
        changes: &ErasedChanges,
        entry: &Entry,
    ) -> Result<(), LawFailure> {
        let is_same = self.is_same(before, after)?;
        if changes.is_empty() == is_same || is_same && self.may_report_more {
            return Ok(());
        }
        let (before, after) = (self.tree(before), self.tree(after));
        let update = format!("{:?}, {}", entry.stamp, self.show_update(&entry.payload));
        let lines = if is_same {
            let harm = "no harm to the state, but the history keeps such updates; if that is what you want: \
                        `Laws::may_report_more`";
            let same = format!("{update}, reports changes, but the state is as it was: {before}");
            vec![same.into(), harm.to_owned().into()]
        } else {
            untruthful(&update, &before, &after)
        };
        Err(LawFailure::new(Law::Truthful, lines))
    }
}

/// What to call a reducer: its type, without where it is and what it is made of.
pub(crate) fn name_of<R>() -> String {
    let name = type_name::<R>();
    let plain = name.split('<').next().unwrap_or(name);
    plain.rsplit("::").next().unwrap_or(plain).to_owned()
}

/// An update says of itself that it changes nothing, and changes this.
pub(crate) fn untruthful(update: &str, before: &Tree, after: &Tree) -> Vec<Line> {
    let report = "reports no changes, so peers may never get it, but the state went";
    vec![
        Line::from(format!("{update}, {report}")),
        Line::from("from ".to_owned()).then(before.against(after)),
        Line::from("to   ".to_owned()).then(after.against(before)),
    ]
}

thread_local! {
    /// Whether panics of this thread are ours to report.
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs user code. A panic becomes its message, and is not printed: a case is tried again and again
/// until it is small.
pub(crate) fn quietly<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_QUIET.get() {
                before(info);
            }
        }));
    });
    let before = IS_QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    IS_QUIET.set(before);
    result.map_err(|panic| message(&*panic))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "?".into())
}
