//! [`diff`]: two states that should be one, side by side.

use super::{line::Line, tree::Tree};

/// More places than these say nothing new.
const PLACES: usize = 5;

/// Two states, each behind its label, and then each place in which they differ.
pub(crate) fn diff(labels: [&str; 2], trees: [&Tree; 2]) -> Vec<Line> {
    let [one, other] = trees;
    let width = labels.map(|label| label.chars().count()).into_iter().max().unwrap_or(0);
    let against = [one.against(other), other.against(one)];
    let states = labels.iter().zip(against);
    let states =
        states.map(|(label, state)| Line::from(format!("{label:<width$}  →  ")).then(state));
    let differences = one.differences(other).into_iter().take(PLACES).map(|found| {
        let place = if found.path.is_empty() { "the state" } else { &*found.path };
        let line = Line::from(format!("{place}: ")).marked(found.left);
        line.plain(" or ").marked(found.right)
    });
    states.chain(differences).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_marked_and_listed() {
        let trees = [(1, 'x'), (2, 'x')].map(|state| Tree::of(&state).unwrap());
        let lines = diff(["a.1", "a.1, b.1"], [&trees[0], &trees[1]]);
        let text: Vec<_> = lines.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["a.1       →  (1, 'x')", "a.1, b.1  →  (2, 'x')", ".0: 1 or 2"]);
        let marked = lines[1].parts.iter().filter(|part| part.is_marked);
        assert_eq!(marked.map(|part| &*part.text).collect::<Vec<_>>(), ["2"]);
    }
}
