//! [`Violation`]: a report of a broken law, with the smallest case that was found.

use std::fmt;

use super::{case::Case, law::Law, subject::Subject};
use crate::testing::{
    diagram::Diagram,
    laws::subject::LawFailure,
    line::{Line, indented, shorten},
};

/// A broken law, with the smallest case that was found. Its `Display` is the whole report.
///
/// ```
/// use repred::{reducer, testing::{Law, Laws, LawsError}};
///
/// // The last to arrive wins, which is another one on each replica.
/// let title = || reducer(0, |title: &mut u8, new| std::mem::replace(title, new) != new);
/// let Err(LawsError::Broken(violation)) = Laws::of(title).run() else { panic!() };
/// assert_eq!(violation.law(), Law::Order);
/// assert_eq!(violation.case().len(), 2, "two updates");
/// assert!(violation.svg().starts_with("<svg"));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Violation {
    law: Law,
    case: Vec<String>,
    report: String,
    svg: String,
}

impl Violation {
    /// The report of a case that breaks a law.
    pub(crate) fn new(subject: &Subject, case: &Case, failure: &LawFailure, found: Found) -> Self {
        let law = failure.law;
        let diagram = draw(subject, case, failure);
        let mut report =
            format!("`{}` breaks the law \"{law}\": {}\n\n", subject.name, law.broken());
        for line in &failure.lines {
            report.push_str(&line.indented());
        }
        if case.entries.len() > 1 {
            report.push('\n');
            diagram.text().lines().for_each(|line| report.push_str(&indented(line)));
        }
        report.push('\n');
        report.push_str(&writings(case, subject));
        report.push_str(&format!("\nWhat to do: {}.\n\n{found}.", law.help()));
        report.push_str(&match found {
            // Who replays a case has it as a test.
            Found::Again => "\n".into(),
            _ => format!(" To keep this case as a test:\n\n{}", paste(law, case, subject)),
        });
        Self { law, case: case.lines(), report, svg: diagram.svg() }
    }

    /// With one more line.
    pub(super) fn and(mut self, line: &str) -> Self {
        self.report.push_str(&format!("\n{line}\n"));
        self
    }

    /// Returns the broken law.
    pub fn law(&self) -> Law {
        self.law
    }

    /// Returns the case in lines, as [`Laws::replay`](super::Laws::replay) takes it.
    pub fn case(&self) -> &[String] {
        &self.case
    }

    /// Returns the case as a picture in SVG: a lane for each origin, time to the right, arrows for what had been seen,
    /// and below it the result.
    pub fn svg(&self) -> &str {
        &self.svg
    }
}

/// The whole report.
impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.report)
    }
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Violation").field("law", &self.law).field("case", &self.case).finish()
    }
}

impl std::error::Error for Violation {}

/// Where a case was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    AmongAll {
        updates: usize,
    },
    AtRandom {
        history: u64,
        seed: u64,
    },
    /// By replaying it.
    Again,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AmongAll { updates: 1 } => write!(f, "Found among all histories of one update"),
            Self::AmongAll { updates } => {
                write!(f, "Found among all histories of {updates} updates")
            }
            Self::AtRandom { history, seed } => {
                write!(f, "Found in history {history} of seed {seed}")
            }
            Self::Again => write!(f, "Found again"),
        }
    }
}

/// What was written, update by update.
fn writings(case: &Case, subject: &Subject) -> String {
    let mut text = String::new();
    for (entry, line) in case.entries.iter().zip(case.lines()) {
        let head = line.split(':').next().unwrap_or(&line);
        let update = subject.show_update(&entry.payload);
        text.push_str(&Line::from(format!("{head} writes {update}")).indented());
    }
    if let Some(wild) = &case.wild {
        let update = subject.show_update(wild);
        text.push_str(&Line::from(format!("anybody writes {update}")).indented());
    }
    text
}

/// Who wrote what, and had seen what.
fn draw(subject: &Subject, case: &Case, failure: &LawFailure) -> Diagram {
    let top = case.top();
    let lanes: Vec<_> = (0..top.len()).filter(|lane| top[*lane] > 0).collect();
    let names = lanes.iter().map(|lane| format!("{:?}", super::case::origin(*lane)));
    let mut diagram = Diagram::new(names.collect());
    diagram.entitle(
        format!("`{}` breaks the law \"{}\"", subject.name, failure.law),
        failure.law.broken().to_owned(),
    );
    diagram.conclude(failure.lines.clone());
    let mut events = Vec::new();
    for entry in &case.entries {
        let place = lanes.iter().position(|lane| *lane == entry.lane()).expect("it has an entry");
        let event = diagram.event(
            place,
            format!("{:?}", entry.stamp.dot),
            subject.show_update(&entry.payload),
        );
        for seen in news(case, events.len()) {
            diagram.arrow(events[seen], event);
        }
        events.push(event);
    }
    diagram
}

/// What the author of an entry had seen of others since it wrote the one before: the last of each, unless
/// that came with another.
fn news(case: &Case, index: usize) -> Vec<usize> {
    let entry = &case.entries[index];
    let own = |other: &&super::case::Entry| other.lane() == entry.lane();
    let before = case.entries[..index].iter().rfind(own).map(|own| own.after).unwrap_or_default();
    let lanes = (0..before.len())
        .filter(|lane| *lane != entry.lane() && entry.after[*lane] > before[*lane]);
    let last = lanes.filter_map(|lane| {
        let is_last = |other: &super::case::Entry| {
            other.lane() == lane && other.stamp.dot.seq == u64::from(entry.after[lane])
        };
        case.entries.iter().position(is_last)
    });
    let last: Vec<_> = last.collect();
    let came_with = |one: &usize, other: &usize| {
        let (one, other) = (&case.entries[*one], &case.entries[*other]);
        one != other && super::case::covers(other.after, one.then())
    };
    last.iter().copied().filter(|one| !last.iter().any(|other| came_with(one, other))).collect()
}

/// More letters of an update than these are no help in a comment.
const LONG: usize = 400;

/// A test that runs the case again.
fn paste(law: Law, case: &Case, subject: &Subject) -> String {
    let name = &subject.name;
    let test = format!("{}_{}", snake(name), snake(&law.to_string()));
    let make = if name == "Reducer" {
        "make /* what makes it */".into()
    } else {
        format!("{name}::default")
    };
    let mut text = format!(
        "    #[test]\n    fn {test}() {{\n        repred::testing::Laws::of({make}).replay(&[\n"
    );
    let payloads = case.entries.iter().map(|entry| &entry.payload).chain(&case.wild);
    for (line, payload) in case.lines().iter().zip(payloads) {
        let update = shorten(&subject.show_update(payload), LONG).replace('\n', " ");
        text.push_str(&format!("            \"{line}\", // {update}\n"));
    }
    text + "        ]);\n    }\n"
}

fn snake(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(letter.to_lowercase().map(|letter| if letter == ' ' { '_' } else { letter }));
    }
    text
}
