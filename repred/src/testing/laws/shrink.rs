//! Making a failing case small: fewer updates, then fewer origins, then simpler values.

use std::collections::BTreeSet;

use super::{
    case::{Case, MAX_ORIGINS},
    recipe::Recipe,
    subject::LawFailure,
};

/// How many smaller cases are tried.
const TRIES: usize = 3000;

/// A case that breaks a law, and the decisions that made it.
#[derive(Clone, Debug)]
pub(crate) struct Failing {
    pub(crate) recipe: Recipe,
    pub(crate) case: Case,
    pub(crate) failure: LawFailure,
}

/// Looks for a smaller case that breaks the same law. `fails` makes the case of a recipe, and says how it
/// fails, if it does.
pub(crate) fn shrink(
    failing: Failing,
    fails: &mut dyn FnMut(&Recipe) -> Option<Failing>,
) -> Failing {
    let mut best = failing;
    let mut tries = TRIES;
    loop {
        let before = best.recipe.clone();
        for pass in [fewer_updates, fewer_origins, less_to_see, simpler_values] {
            improve(&mut best, pass, fails, &mut tries);
        }
        if best.recipe == before || tries == 0 {
            return best;
        }
    }
}

/// Takes the first of a pass's candidates that fails, and continues from there until none does.
fn improve(
    best: &mut Failing,
    pass: fn(&Recipe) -> Vec<Recipe>,
    fails: &mut dyn FnMut(&Recipe) -> Option<Failing>,
    tries: &mut usize,
) {
    loop {
        let mut candidates = pass(&best.recipe).into_iter();
        let smaller = candidates.find_map(|candidate| {
            *tries = tries.checked_sub(1)?;
            let failing = fails(&candidate)?;
            let is_smaller = failing.recipe.size() < best.recipe.size();
            (failing.failure.law == best.failure.law && is_smaller).then_some(failing)
        });
        match smaller {
            Some(smaller) => *best = smaller,
            None => return,
        }
    }
}

/// Without the wild update, and without half, a quarter, .. one of the others.
fn fewer_updates(recipe: &Recipe) -> Vec<Recipe> {
    let mut candidates = vec![Recipe { wild: None, ..recipe.clone() }];
    let mut chunk = recipe.parts.len();
    while chunk > 0 {
        for start in (0..=recipe.parts.len() - chunk).rev() {
            let mut smaller = recipe.clone();
            (0..chunk).for_each(|_| leave_out(&mut smaller, start));
            candidates.push(smaller);
        }
        chunk /= 2;
    }
    candidates
}

/// Leaves an update out. Who has seen later ones of its origin has still seen those.
fn leave_out(recipe: &mut Recipe, at: usize) {
    let lane = recipe.parts.remove(at).author.lane;
    let before = recipe.parts[..at].iter().filter(|part| part.author.lane == lane).count();
    for part in &mut recipe.parts[at..] {
        let seen = &mut part.author.seen[lane];
        *seen -= u8::from(usize::from(*seen) > before);
    }
}

/// With one origin in the place of another, or two swapped.
fn fewer_origins(recipe: &Recipe) -> Vec<Recipe> {
    let mut candidates = Vec::new();
    for from in 1..MAX_ORIGINS {
        for to in 0..from {
            let mut merged = recipe.clone();
            let mut swapped = recipe.clone();
            for part in &mut merged.parts {
                part.author.lane = if part.author.lane == from { to } else { part.author.lane };
            }
            for part in &mut swapped.parts {
                part.author.seen.swap(from, to);
                part.author.lane = match part.author.lane {
                    lane if lane == from => to,
                    lane if lane == to => from,
                    lane => lane,
                };
            }
            candidates.extend([merged, swapped]);
            for at in (0..recipe.parts.len()).filter(|at| recipe.parts[*at].author.lane == from) {
                let mut moved = recipe.clone();
                moved.parts[at].author.lane = to;
                candidates.push(moved);
            }
        }
    }
    candidates.retain(|candidate| candidate != recipe);
    candidates
}

/// With less that was seen, and without delay.
fn less_to_see(recipe: &Recipe) -> Vec<Recipe> {
    let mut candidates = Vec::new();
    for at in 0..recipe.parts.len() {
        for lane in 0..MAX_ORIGINS {
            for seq in 0..recipe.parts[at].author.seen[lane] {
                let mut less = recipe.clone();
                less.parts[at].author.seen[lane] = seq;
                candidates.push(less);
            }
        }
        if recipe.parts[at].author.delay > 0 {
            let mut earlier = recipe.clone();
            earlier.parts[at].author.delay = 0;
            candidates.push(earlier);
        }
    }
    candidates
}

/// With one decision less, or lower; or with all that are the same lower together.
fn simpler_values(recipe: &Recipe) -> Vec<Recipe> {
    let decisions = |recipe: &mut Recipe| -> Vec<Vec<u64>> {
        recipe
            .parts
            .iter_mut()
            .map(|part| &mut part.update)
            .chain(&mut recipe.wild)
            .map(std::mem::take)
            .collect()
    };
    let rows = decisions(&mut recipe.clone());
    let with = |rows: Vec<Vec<u64>>| {
        let mut simpler = recipe.clone();
        let places = simpler.parts.iter_mut().map(|part| &mut part.update);
        places.chain(&mut simpler.wild).zip(rows).for_each(|(place, row)| *place = row);
        simpler
    };
    let mut candidates = Vec::new();
    let all: BTreeSet<u64> = rows.iter().flatten().copied().collect();
    for value in all {
        for lower in lower(value) {
            let mut together = rows.clone();
            let same = together.iter_mut().flatten().filter(|decision| **decision == value);
            same.for_each(|decision| *decision = lower);
            candidates.push(with(together));
        }
    }
    for (row, at) in
        rows.iter().enumerate().flat_map(|(row, all)| (0..all.len()).map(move |at| (row, at)))
    {
        for lower in lower(rows[row][at]) {
            let mut simpler = rows.clone();
            simpler[row][at] = lower;
            candidates.push(with(simpler));
        }
        let mut shorter = rows.clone();
        shorter[row].remove(at);
        candidates.push(with(shorter));
    }
    candidates
}

/// Simpler decisions than one.
fn lower(decision: u64) -> Vec<u64> {
    let mut lower = vec![0, decision / 2, decision.saturating_sub(1)];
    lower.dedup();
    lower.retain(|value| *value < decision);
    lower
}
