//! Looking at one history: every order of it, and what else the laws say.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    case::{Case, Cut, Entry},
    coverage::Coverage,
    law::Law,
    subject::{LawFailure, Subject, quietly},
};
use crate::{
    changes::Changes,
    reduce::Replicated,
    stamp::{Dot, Stamp},
    testing::{
        Chance,
        diff::diff,
        erased::{Erased, ErasedUpdate},
        line::Line,
    },
    time::Time,
};

/// What the test says of its reducer beyond the laws that all have to keep.
pub(crate) struct Claims {
    pub(crate) is_idempotent: bool,
    /// Reduces an update and puts back what it has touched, if that can be done.
    pub(crate) edit: Option<Box<TryEdit>>,
    pub(crate) invariants: Vec<Invariant>,
}

/// Reduces an update and puts back what it has touched.
pub(crate) type TryEdit = dyn Fn(&mut Erased, ErasedUpdate, Stamp);

pub(crate) struct Invariant {
    pub(crate) name: String,
    pub(crate) holds: Box<dyn Fn(&Erased) -> bool>,
}

/// A history that is being looked at.
struct Examination<'a> {
    subject: &'a Subject,
    claims: &'a Claims,
    case: &'a Case,
    /// The state that each cut stands for, encoded.
    states: BTreeMap<Cut, Vec<u8>>,
    /// Dots that were named superseded, each with its namer.
    named: BTreeSet<(usize, Dot)>,
}

/// Checks all laws on one history.
pub(crate) fn examine(
    subject: &Subject,
    claims: &Claims,
    case: &Case,
    coverage: &mut Coverage,
) -> Result<(), LawFailure> {
    let states = BTreeMap::new();
    let mut examination = Examination { subject, claims, case, states, named: BTreeSet::new() };
    examination.check_one_order()?;
    examination.check_all_orders()?;
    examination.check_obsolete()?;
    examination.check_wild()?;
    examination.count(coverage);
    Ok(())
}

impl Examination<'_> {
    /// Deterministic, digest, snapshot: what shows in any order.
    fn check_one_order(&self) -> Result<(), LawFailure> {
        let Self { subject, case, .. } = self;
        let mut state = (subject.make)();
        let mut prefixes = vec![subject.encode(&state)?];
        for entry in &case.entries {
            subject.check_codec(entry)?;
            subject.apply(&mut state, entry)?;
            prefixes.push(subject.encode(&state)?);
        }
        let last = prefixes.last().expect("there is one before the first");
        let again = subject.encode(&subject.fold(case, 0..case.entries.len())?)?;
        // What has no encoding of its own differs from itself: that is another law's business.
        self.check_digests(&prefixes)?;
        if !subject.is_same(last, &again)? {
            let lines = self.two_states(["one run", "another"], [last, &again]);
            return Err(LawFailure::new(Law::Deterministic, lines));
        }
        for (taken, bytes) in prefixes.iter().enumerate() {
            self.check_snapshot(taken, bytes, last)?;
        }
        Ok(())
    }

    fn check_digests(&self, states: &[Vec<u8>]) -> Result<(), LawFailure> {
        let subject = self.subject;
        if subject.equal.is_some() {
            return Ok(());
        }
        states.iter().try_for_each(|bytes| subject.check_digest(bytes))
    }

    /// The rest of the entries, on top of a snapshot of the first.
    fn check_snapshot(&self, taken: usize, bytes: &[u8], whole: &[u8]) -> Result<(), LawFailure> {
        let Self { subject, case, .. } = self;
        let mut state = subject.decode(bytes)?;
        for entry in &case.entries[taken..] {
            subject.apply(&mut state, entry)?;
        }
        let state = subject.encode(&state)?;
        if subject.is_same(&state, whole)? {
            return Ok(());
        }
        let taken = match taken.checked_sub(1) {
            None => "a snapshot before any update".to_owned(),
            Some(last) => format!("a snapshot after {:?}", case.entries[last].stamp.dot),
        };
        let mut lines = vec![Line::from(taken)];
        lines.extend(self.two_states(["then the rest", "without it"], [&state, whole]));
        Err(LawFailure::new(Law::Snapshot, lines))
    }

    /// Every order that causal delivery allows is a path from cut to cut, so all give one state exactly
    /// if each cut has one state, whichever entry was the last to come.
    fn check_all_orders(&mut self) -> Result<(), LawFailure> {
        let start = self.subject.encode(&(self.subject.make)())?;
        self.check_invariants(&start, Cut::default())?;
        self.states.insert(Cut::default(), start.clone());
        let mut level = BTreeMap::from([(Cut::default(), start)]);
        while !level.is_empty() {
            let mut above: BTreeMap<Cut, (Vec<u8>, usize)> = BTreeMap::new();
            for (cut, before) in &level {
                for next in self.case.next(*cut) {
                    let after = self.extend(*cut, before, next)?;
                    let target = with(*cut, self.case, next);
                    match above.get(&target) {
                        None => {
                            self.check_invariants(&after, target)?;
                            above.insert(target, (after, next));
                        }
                        Some((other, last)) => {
                            if !self.subject.is_same(&after, other)? {
                                return Err(self.two_orders(
                                    target,
                                    [*last, next],
                                    [other, &after],
                                ));
                            }
                        }
                    }
                }
            }
            level = above.into_iter().map(|(cut, (state, _))| (cut, state)).collect();
            self.states.extend(level.iter().map(|(cut, state)| (*cut, state.clone())));
        }
        Ok(())
    }

    /// One more entry, on top of a cut.
    fn extend(&mut self, cut: Cut, before: &[u8], next: usize) -> Result<Vec<u8>, LawFailure> {
        let Self { subject, case, .. } = *self;
        let entry = &case.entries[next];
        let mut state = subject.decode(before)?;
        let changes = subject.apply(&mut state, entry)?;
        let after = subject.encode(&state)?;
        subject.check_changes(before, &after, &changes, entry)?;
        let mut dots = Vec::new();
        changes.superseded(&mut |dot| dots.push(dot));
        for dot in dots {
            self.take_name(cut, next, dot)?;
        }
        self.check_edit(before, entry)?;
        if self.claims.is_idempotent {
            subject.apply(&mut state, entry)?;
            let twice = subject.encode(&state)?;
            if !subject.is_same(&after, &twice)? {
                let mut lines = vec![Line::from(format!("{:?}, twice", entry.stamp.dot))];
                lines.extend(self.two_states(["once", "twice"], [&after, &twice]));
                return Err(LawFailure::new(Law::Idempotent, lines));
            }
        }
        Ok(after)
    }

    /// An edit that fails leaves everything as it was.
    fn check_edit(&self, before: &[u8], entry: &Entry) -> Result<(), LawFailure> {
        let Some(edit) = &self.claims.edit else { return Ok(()) };
        let mut state = self.subject.decode(before)?;
        let Ok(update) = state.decode_update(&entry.payload) else { return Ok(()) };
        let dot = entry.stamp.dot;
        quietly(|| edit(&mut state, update, entry.stamp)).map_err(|panic| {
            LawFailure::new(
                Law::Edit,
                [format!("to put back what {dot:?} has changed panics: {panic}")],
            )
        })?;
        let after = self.subject.encode(&state)?;
        if after == before {
            return Ok(());
        }
        let mut lines = vec![Line::from(format!("an edit that wrote {dot:?} and failed"))];
        lines.extend(self.two_states(["before it", "after it"], [before, &after]));
        Err(LawFailure::new(Law::Edit, lines))
    }

    /// An update can supersede only what has come before it.
    fn take_name(&mut self, cut: Cut, namer: usize, dot: Dot) -> Result<(), LawFailure> {
        let mut before = self.case.within(with(cut, self.case, namer));
        if before.any(|index| self.case.entries[index].stamp.dot == dot) {
            self.named.insert((namer, dot));
            return Ok(());
        }
        let namer = self.case.entries[namer].stamp.dot;
        let lines = format!("{namer:?} names {dot:?} superseded, which has not come before it");
        Err(LawFailure::new(Law::Superseded, [lines]))
    }

    fn check_invariants(&self, state: &[u8], cut: Cut) -> Result<(), LawFailure> {
        for invariant in &self.claims.invariants {
            let state = self.subject.decode(state)?;
            let holds = quietly(|| (invariant.holds)(&state));
            if !holds.unwrap_or(false) {
                let seen = self.dots(self.case.within(cut));
                let tree = state.tree();
                let lines = [format!("not {}: {tree}", invariant.name), format!("after {seen}")];
                return Err(LawFailure::new(Law::Invariant, lines));
            }
        }
        Ok(())
    }

    /// Folds without what was named superseded: all of it, each alone, and some of it.
    fn check_obsolete(&self) -> Result<(), LawFailure> {
        let mut chance = Chance::new(fingerprint(self.case));
        let top = self.case.top();
        let mut cuts = vec![top];
        let all: Vec<_> = self.states.keys().collect();
        cuts.extend((0..3).map(|_| **chance.pick(&all)));
        for cut in cuts {
            let within: Vec<_> = self.case.within(cut).collect();
            let has_namer = |(namer, _): &&(usize, Dot)| within.contains(namer);
            let named = self.named.iter().filter(has_namer).map(|(_, dot)| *dot);
            let named: BTreeSet<_> = named.collect();
            if named.is_empty() {
                continue;
            }
            let mut subsets = vec![named.iter().copied().collect::<Vec<_>>()];
            subsets.extend(named.iter().take(4).map(|dot| vec![*dot]));
            subsets.push(chance.some(named.iter().copied()));
            for missing in subsets {
                self.check_without(cut, &missing, &mut chance)?;
            }
        }
        Ok(())
    }

    fn check_without(
        &self,
        cut: Cut,
        missing: &[Dot],
        chance: &mut Chance,
    ) -> Result<(), LawFailure> {
        let Self { subject, case, .. } = self;
        let order: Vec<_> = self.any_order(cut, chance);
        let is_there = |index: &usize| !missing.contains(&case.entries[*index].stamp.dot);
        let rest: Vec<_> = order.into_iter().filter(is_there).collect();
        let state = subject.encode(&subject.fold(case, rest.iter().copied())?)?;
        let whole = &self.states[&cut];
        if subject.is_same(&state, whole)? {
            return Ok(());
        }
        let namers = self.named.iter().filter(|(_, dot)| missing.contains(dot));
        let namers: Vec<_> = namers
            .map(|(namer, dot)| format!("{:?} named {dot:?}", case.entries[*namer].stamp.dot))
            .collect();
        let mut lines = vec![Line::from(format!("{} superseded", namers.join(", ")))];
        let labels = [format!("only {}", self.dots(rest)), "with all".to_owned()];
        lines.extend(self.two_states([&labels[0], &labels[1]], [&state, whole]));
        Err(LawFailure::new(Law::Superseded, lines))
    }

    /// The entries of a cut in any order that causal delivery allows.
    fn any_order(&self, cut: Cut, chance: &mut Chance) -> Vec<usize> {
        let mut order = Vec::new();
        let mut seen = Cut::default();
        while seen != cut {
            let next: Vec<_> =
                self.case.next(seen).filter(|next| within(*next, cut, self.case)).collect();
            let next = *chance.pick(&next);
            seen = with(seen, self.case, next);
            order.push(next);
        }
        order
    }

    /// An update that nobody should write must not panic; it may do anything else.
    fn check_wild(&self) -> Result<(), LawFailure> {
        let Self { subject, case, .. } = self;
        let Some(wild) = &case.wild else { return Ok(()) };
        let mut state = subject.decode(&self.states[&case.top()])?;
        let time = Time::from_micros(u64::from(u32::MAX));
        let stamp = Stamp::new(time, super::case::origin(super::case::MAX_ORIGINS - 1), 1);
        subject.apply_payload(&mut state, wild, stamp)?;
        Ok(())
    }

    // ---- what has happened ----

    fn dots(&self, entries: impl IntoIterator<Item = usize>) -> String {
        let dots =
            entries.into_iter().map(|index| format!("{:?}", self.case.entries[index].stamp.dot));
        let dots: Vec<_> = dots.collect();
        if dots.is_empty() { "nothing".into() } else { dots.join(", ") }
    }

    fn two_states(&self, labels: [&str; 2], states: [&[u8]; 2]) -> Vec<Line> {
        let [one, other] = states.map(|state| self.subject.tree(state));
        diff(labels, [&one, &other])
    }

    /// Two orders of the entries of a cut, of which the last two are swapped.
    fn two_orders(&self, target: Cut, last: [usize; 2], states: [&[u8]; 2]) -> LawFailure {
        // The one that is written first comes first.
        let (last, states) = match last {
            [one, other] if one < other => ([other, one], [states[1], states[0]]),
            _ => (last, states),
        };
        let others = self.case.within(target).filter(|index| !last.contains(index));
        let others: Vec<_> = others.collect();
        let orders = [[last[1], last[0]], last].map(|end| [&others[..], &end].concat());
        let again = orders.clone().map(|order| {
            self.subject.fold(self.case, order).and_then(|state| self.subject.encode(&state))
        });
        let labels = orders.map(|order| self.dots(order));
        let lines = self.two_states([&labels[0], &labels[1]], states);
        match again {
            // Without snapshots in between there is no difference.
            [Ok(one), Ok(other)] if one == other => LawFailure::new(Law::Snapshot, lines),
            _ => LawFailure::new(Law::Order, lines),
        }
    }

    fn count(&self, coverage: &mut Coverage) {
        let Self { case, subject, .. } = self;
        coverage.histories += 1;
        coverage.cuts += self.states.len() as u64;
        let places: Vec<_> = (0..case.entries.len())
            .map(|index| {
                let entry = &case.entries[index];
                let before = subject.tree(&self.states[&entry.after]);
                before.places(&subject.tree(&self.states[&entry.then()]))
            })
            .collect();
        let pairs = (0..places.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
        let conflicts = pairs.filter(|(one, other)| {
            case.is_concurrent(*one, *other) && !places[*one].is_disjoint(&places[*other])
        });
        let ties = conflicts
            .map(|(one, other)| case.entries[one].stamp.time == case.entries[other].stamp.time);
        let ties: Vec<_> = ties.collect();
        coverage.with_conflicts += u64::from(!ties.is_empty());
        coverage.with_ties += u64::from(ties.contains(&true));
    }
}

/// A cut and one more entry.
fn with(mut cut: Cut, case: &Case, next: usize) -> Cut {
    cut[case.entries[next].lane()] += 1;
    cut
}

fn within(index: usize, cut: Cut, case: &Case) -> bool {
    let entry = &case.entries[index];
    u64::from(cut[entry.lane()]) >= entry.stamp.dot.seq
}

/// A seed that is another for another history (FNV-1a).
fn fingerprint(case: &Case) -> u64 {
    let bytes = case.entries.iter().flat_map(|entry| entry.payload.iter().chain(&entry.after));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
