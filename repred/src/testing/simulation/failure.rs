//! [`SimulationFailure`]: a failed run, shrunk until it can be read.

use std::fmt;

use super::{
    Plan,
    guarantee::{Broken, Guarantee},
    guarded,
    trace::Trace,
    world::World,
};
use crate::testing::{
    Chance,
    line::{Line, indented},
};

/// A failed run. Its `Display` is the whole report.
#[derive(Clone)]
#[non_exhaustive]
pub struct SimulationFailure {
    guarantee: Guarantee,
    seed: u64,
    report: String,
    svg: String,
}

impl SimulationFailure {
    /// Returns the guarantee that was broken.
    pub fn guarantee(&self) -> Guarantee {
        self.guarantee
    }

    /// Returns the seed of the run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the end of the run as a picture in SVG: a lane for each replica, time to the right.
    pub fn svg(&self) -> &str {
        &self.svg
    }

    /// With one more line.
    pub(super) fn and(mut self, line: &str) -> Self {
        self.report.push_str(&format!("\n{line}\n"));
        self
    }
}

/// The whole report.
impl fmt::Display for SimulationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.report)
    }
}

impl fmt::Debug for SimulationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulationFailure")
            .field("guarantee", &self.guarantee)
            .field("seed", &self.seed)
            .finish()
    }
}

impl std::error::Error for SimulationFailure {}

/// How many shorter runs are tried.
const TRIES: usize = 400;

/// A run as the decisions of its beginning and of each of its steps.
type Script = Vec<Vec<u64>>;

/// Repeats a failed run with fewer and fewer steps, and reports the shortest that breaks the same guarantee.
pub(crate) fn shrink(plan: &Plan, seed: u64) -> SimulationFailure {
    // The first part of a script is how the run begins; the others are its steps.
    let (mut script, mut broken, mut trace) = record(plan, seed);
    let mut tries = TRIES;
    let mut chunk = script.len() / 2;
    while chunk > 0 && tries > 0 {
        let mut start = script.len().saturating_sub(chunk);
        while start > 0 && tries > 0 {
            tries -= 1;
            let mut shorter = script.clone();
            shorter.drain(start..(start + chunk).min(script.len()));
            if let Some((ran, other, told)) = follow(plan, &shorter)
                && other.guarantee == broken.guarantee
            {
                (script, broken, trace) = (ran, other, told);
            }
            start = start.min(script.len()).saturating_sub(chunk);
        }
        chunk /= 2;
    }
    tell(&plan.name, seed, script.len().saturating_sub(1), &broken, trace)
}

/// Runs a seed, and records its decisions.
fn record(plan: &Plan, seed: u64) -> (Script, Broken, Trace) {
    let mut script = Vec::new();
    let mut world = None;
    let result = guarded(|| {
        let world = world.insert(World::new(plan, Chance::new(seed), Trace::recording())?);
        script.push(world.decided());
        for _ in 0..plan.steps {
            let stepped = world.step();
            script.push(world.decided());
            stepped?;
        }
        world.heal()
    });
    let broken = result.err().unwrap_or_else(|| {
        Broken::new(
            Guarantee::Total,
            "a run of the same seed went another way: is the reducer deterministic?",
        )
    });
    (script, broken, world.map(|world| world.trace).unwrap_or_default())
}

/// Runs a script; `None` if nothing fails.
fn follow(plan: &Plan, script: &Script) -> Option<(Script, Broken, Trace)> {
    let mut parts = script.iter().cloned();
    let mut ran = Script::new();
    let mut world = None;
    let result = guarded(|| {
        let chance = Chance::again(parts.next().unwrap_or_default());
        let world = world.insert(World::new(plan, chance, Trace::recording())?);
        ran.push(world.decided());
        for part in parts {
            world.decide_by(Chance::again(part));
            let stepped = world.step();
            ran.push(world.decided());
            stepped?;
        }
        world.heal()
    });
    let broken = result.err()?;
    Some((ran, broken, world.map(|world| world.trace).unwrap_or_default()))
}

fn tell(
    name: &str,
    seed: u64,
    steps: usize,
    broken: &Broken,
    mut trace: Trace,
) -> SimulationFailure {
    let Broken { guarantee, what, details } = broken;
    trace.end();
    let mut diagram = trace.diagram();
    let mut report = format!("a guarantee is broken, \"{guarantee}\": {what}\n\n");
    if !details.is_empty() {
        details.iter().for_each(|line| report.push_str(&line.indented()));
        report.push('\n');
    }
    report.push_str(&happenings(&trace));
    for line in diagram.text().lines() {
        report.push_str(&indented(line));
    }
    report.push_str(&how_to_go_on(seed, steps, *guarantee));
    diagram.entitle(format!("`{name}` breaks the guarantee \"{guarantee}\""), what.clone());
    diagram.conclude(details.clone());
    SimulationFailure { guarantee: *guarantee, seed, report, svg: diagram.svg() }
}

fn how_to_go_on(seed: u64, steps: usize, guarantee: Guarantee) -> String {
    let steps = if steps == 1 { "one step".into() } else { format!("{steps} steps") };
    let end = seed + 1;
    let again = format!(
        "\nThe run of seed {seed}, shrunk to {steps}. To repeat it: `.seeds({seed}..{end})`, or \
         REPRED_SEEDS={seed}..{end}\n"
    );
    if !guarantee.is_of_the_reducer() {
        return again;
    }
    again
        + "\nA reducer that breaks a law does this: run `Laws` first, which shows that in a few updates.\n"
}

/// What has happened, line by line.
fn happenings(trace: &Trace) -> String {
    let lines = trace.lines();
    let mut text = match (lines.len(), trace.count()) {
        (0, _) => return String::new(),
        (kept, count) if kept < count => {
            format!("the last {kept} of {count} things that happened:\n\n")
        }
        _ => "what happened:\n\n".to_owned(),
    };
    lines.for_each(|line| text.push_str(&Line::from(line.to_owned()).indented()));
    text + "\n"
}
