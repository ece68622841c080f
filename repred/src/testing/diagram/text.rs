//! A diagram in text.

use std::fmt::Write as _;

use super::{
    Diagram,
    layout::{Column, Layout},
    length,
};

/// Where a line of text is broken.
const WIDTH: usize = 96;

impl Diagram {
    /// In text, for a fixed-width font.
    pub fn text(&self) -> String {
        let layout = Layout::of(&self.events);
        let mut text = String::new();
        let mut rows = self.empty_rows();
        let empty = rows.clone();
        for column in &layout.columns {
            let cells = match *column {
                Column::Event(event) => self.event_cells(event, &layout),
                Column::Arrow { from, to } => self.arrow_cells(from, to),
            };
            let width = |cells: &[String]| cells.first().map_or(0, |cell| length(cell));
            if width(&rows) + width(&cells) > WIDTH && rows != empty {
                finish(&mut text, &rows);
                text.push('\n');
                rows.clone_from(&empty);
            }
            rows.iter_mut().zip(&cells).for_each(|(row, cell)| row.push_str(cell));
        }
        finish(&mut text, &rows);
        text
    }

    fn empty_rows(&self) -> Vec<String> {
        let width = self.lanes.iter().map(|name| length(name)).max().unwrap_or(0);
        self.lanes.iter().map(|name| format!("{name:<width$} ─")).collect()
    }

    /// An event, behind what was seen and has no arrow, and a line through all other lanes.
    fn event_cells(&self, index: usize, layout: &Layout) -> Vec<String> {
        let event = &self.events[index];
        let named = layout.named.iter().filter(|(_, to)| *to == index);
        let names: Vec<_> = named.map(|(from, _)| &*self.events[*from].label).collect();
        let head = if event.seen.is_empty() { "" } else { "▶" };
        let cell = format!("{}{head}●{}─", names.join(","), event.label);
        let line = "─".repeat(length(&cell));
        let cells = (0..self.lanes.len()).map(|at| if at == event.lane { &cell } else { &line });
        cells.cloned().collect()
    }

    fn arrow_cells(&self, from: usize, to: usize) -> Vec<String> {
        let (sender, receiver) = (self.events[from].lane, self.events[to].lane);
        let (upper, lower) = (sender.min(receiver), sender.max(receiver));
        let cell = |lane| match lane {
            _ if lane == upper => "┬",
            _ if lane == lower => "┴",
            _ if lane > upper && lane < lower => "┼",
            _ => "─",
        };
        (0..self.lanes.len()).map(|lane| cell(lane).to_owned()).collect()
    }
}

fn finish(text: &mut String, rows: &[String]) {
    for row in rows {
        writeln!(text, "{row}").expect("strings take all");
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::diagram, *};

    #[track_caller]
    fn assert_text(diagram: &Diagram, expected: &[&str]) {
        assert_eq!(diagram.text().lines().collect::<Vec<_>>(), expected, "\n{}", diagram.text());
    }

    #[test]
    fn an_arrow_goes_from_an_update_to_the_event_that_saw_it() {
        assert_text(
            &diagram(&["a", "b"], &[(0, "a.1", &[]), (1, "b.1", &[0]), (0, "a.2", &[])]),
            &["a ─●a.1─┬──────●a.2─", "b ──────┴▶●b.1──────"],
        );
        assert_text(
            &diagram(&["a", "bob"], &[(1, "b.1", &[]), (0, "a.1", &[0])]),
            &["a   ──────┬▶●a.1─", "bob ─●b.1─┴──────"],
        );
    }

    #[test]
    fn arrows_cross_lanes_and_join() {
        assert_text(
            &diagram(&["a", "b", "c"], &[(0, "a.1", &[]), (1, "b.1", &[]), (2, "c.1", &[0, 1])]),
            &["a ─●a.1──────┬───────", "b ──────●b.1─┼┬──────", "c ───────────┴┴▶●c.1─"],
        );
    }

    #[test]
    fn an_update_that_was_not_seen_is_not_drawn_before_its_concurrent_one() {
        assert_text(
            &diagram(&["a", "b"], &[(0, "a.1", &[]), (0, "a.2", &[]), (1, "b.1", &[0])]),
            &["a ─●a.1─┬──────●a.2─", "b ──────┴▶●b.1──────"],
        );
        // Both have seen only the other's first.
        let crossed: &[(usize, &str, &[usize])] =
            &[(0, "a.1", &[]), (1, "b.1", &[]), (0, "a.2", &[1]), (1, "b.2", &[0])];
        assert_text(
            &diagram(&["a", "b"], crossed),
            &["a ─●a.1──────┬┬──────▶●a.2─", "b ──────●b.1─┴┴▶●b.2───────"],
        );
    }

    #[test]
    fn an_arrow_that_cannot_be_drawn_becomes_a_name() {
        // What came late to each was written before what had come late to the other.
        let twice: &[(usize, &str, &[usize])] = &[
            (0, "a.1", &[]),
            (0, "a.2", &[]),
            (1, "b.1", &[]),
            (1, "b.2", &[]),
            (0, "a.3", &[2]),
            (1, "b.3", &[0]),
        ];
        assert_text(
            &diagram(&["a", "b"], twice),
            &["a ─●a.1───────────┬──────●a.2─b.1▶●a.3─", "b ──────●b.1─●b.2─┴▶●b.3───────────────"],
        );
    }

    #[test]
    fn long_diagrams_wrap() {
        let events: Vec<_> = (0..40).map(|_| (0, "event", &[] as &[usize])).collect();
        let text = diagram(&["a", "b"], &events).text();
        assert!(text.lines().all(|line| length(line) <= WIDTH), "{text}");
        assert_eq!(text.matches('●').count(), 40);
    }
}
