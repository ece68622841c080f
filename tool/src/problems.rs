//! What a journal shows of problems that its replica may have: what `Replica::health` would say, as far as a file can.

use std::{fs, path::Path, time::Duration};

use repred::{VersionVector, sans_io::CoreLimits};

use crate::{
    format::{count, grouped},
    summary::Summary,
    utc,
};

/// How far ahead of this machine's clock a time may be: clocks are never quite equal.
const TOLERANCE: Duration = Duration::from_secs(10);

/// What the file of a compaction that is not finished ends with.
const UNFINISHED: &str = ".new";

/// What looks wrong, a line each. None of it makes a journal less whole.
pub(crate) fn problems(folder: &Path, summary: &Summary, version: &VersionVector) -> Vec<String> {
    let mut problems = Vec::new();
    problems.extend(unfinished(folder));
    problems.extend(clock(summary));
    problems.extend(origins(version));
    problems.extend(newer(summary));
    problems.extend(renamed(summary));
    problems
}

/// Files that a compaction has left behind.
fn unfinished(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(UNFINISHED)).collect();
    names.sort();
    let line = |name| {
        format!(
            "{name} is there: a compaction goes on now, or one has failed; the next one that succeeds \
             replaces it"
        )
    };
    names.into_iter().map(line).collect()
}

/// Whose updates are ahead of this machine's clock.
fn clock(summary: &Summary) -> Option<String> {
    let now = utc::now();
    let (id, origin) = summary.origins.iter().max_by_key(|(_, origin)| origin.latest)?;
    let ahead = origin.latest.since(now);
    (ahead > TOLERANCE).then(|| {
        format!(
            "the last update of {id:?} is {} ahead of this machine's clock ({}): one of the two clocks is \
             wrong, and peers refuse what is too far ahead",
            duration(ahead),
            utc::text(origin.latest)
        )
    })
}

fn origins(version: &VersionVector) -> Option<String> {
    let (origins, limit) = (version.len(), CoreLimits::default().origins);
    // As a replica does, from nine tenths on.
    (origins >= limit - limit / 10).then(|| {
        format!(
            "{} origins have written, and replicas take {} unless they are told otherwise: raise the limit \
             on all of them",
            grouped(origins as u64),
            grouped(limit as u64)
        )
    })
}

/// Whether there may be updates that the program which wrote last cannot reduce.
fn newer(summary: &Summary) -> Option<String> {
    let (schema, newest) = summary.schema.as_ref()?;
    (*newest > schema.version()).then(|| {
        format!(
            "there may be updates of version {newest} of the schema, which this program (version {}) keeps \
             and does not reduce: upgrade it",
            schema.version()
        )
    })
}

/// Whether the replica had to take a new id.
fn renamed(summary: &Summary) -> Option<String> {
    (summary.renamings > 0).then(|| {
        format!(
            "the replica took a new id {}: it is a copy of another one, was restored, or its journal was \
             damaged",
            count(summary.renamings, "time", "times")
        )
    })
}

/// A duration in the largest unit that fits.
fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, "day", "days"), (3600, "hour", "hours"), (60, "minute", "minutes")];
    let unit = units.into_iter().find(|(unit, ..)| seconds >= *unit);
    let (unit, one, many) = unit.unwrap_or((1, "second", "seconds"));
    count(seconds / unit, one, many)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_the_largest_unit() {
        let text = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!((text(59), text(60)), ("59 seconds".into(), "1 minute".into()));
        assert_eq!((text(7200), text(90_000)), ("2 hours".into(), "1 day".into()));
    }

    #[test]
    fn origins_near_the_limit_are_a_problem() {
        let version = |count: usize| (1..=count as u128).map(|id| (id.into(), 1)).collect();
        let limit = CoreLimits::default().origins;
        assert_eq!(origins(&version(limit - limit / 10 - 1)), None);
        assert!(origins(&version(limit - limit / 10)).is_some());
    }
}
