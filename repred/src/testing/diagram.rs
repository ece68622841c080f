//! [`Diagram`]: who wrote what and had seen what, drawn in text and as SVG.

use std::fmt::Write as _;

/// A space-time diagram (Lamport, *Time, Clocks, and the Ordering of Events*, 1978): one lane for each
/// replica, time to the right, arrows for what had been seen.
///
/// ```text
/// a ─●a.1─┬──────●a.2─
/// b ──────┴▶●b.1──────
/// ```
#[derive(Clone, Debug, Default)]
pub(crate) struct Diagram {
    lanes: Vec<String>,
    /// In an order in which they may have happened.
    events: Vec<Event>,
}

#[derive(Clone, Debug)]
struct Event {
    lane: usize,
    label: String,
    /// Events of other lanes that were seen between the previous one of this lane and this one.
    seen: Vec<usize>,
}

/// Where a line of text is broken.
const WIDTH: usize = 96;

/// Pixels between lanes, and for an event without its label.
const LANE: usize = 56;
const EVENT: usize = 44;
const LETTER: usize = 8;
const MARGIN: usize = 24;

impl Diagram {
    pub(crate) fn new(lanes: Vec<String>) -> Self {
        Self { lanes, events: Vec::new() }
    }

    /// Adds an event, after all others, and says which it is.
    pub(crate) fn event(&mut self, lane: usize, label: String) -> usize {
        self.events.push(Event { lane, label, seen: Vec::new() });
        self.events.len() - 1
    }

    /// Says that an event had been seen before another one happened.
    pub(crate) fn arrow(&mut self, from: usize, to: usize) {
        debug_assert!(from < to, "what was seen has happened");
        self.events[to].seen.push(from);
    }

    /// In text, for a fixed-width font.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut rows = self.empty_rows();
        for (index, event) in self.events.iter().enumerate() {
            let columns = self.columns(index);
            let width: usize = columns.iter().map(|column| length(&column[event.lane])).sum();
            let used = rows.first().map_or(0, |row| length(row));
            if used + width > WIDTH && index > 0 {
                finish(&mut text, &rows);
                text.push('\n');
                rows = self.empty_rows();
            }
            for column in columns {
                rows.iter_mut().zip(&column).for_each(|(row, cell)| row.push_str(cell));
            }
        }
        finish(&mut text, &rows);
        text
    }

    fn empty_rows(&self) -> Vec<String> {
        let width = self.lanes.iter().map(|name| length(name)).max().unwrap_or(0);
        self.lanes.iter().map(|name| format!("{name:<width$} ─")).collect()
    }

    /// The columns of an event: one for each arrow to it, and its own.
    fn columns(&self, index: usize) -> Vec<Vec<String>> {
        let event = &self.events[index];
        let mut seen = event.seen.clone();
        seen.sort_by_key(|seen| self.events[*seen].lane);
        let mut columns: Vec<_> = seen.iter().map(|from| self.arrow_column(*from, index)).collect();
        if !seen.is_empty() {
            columns.push(self.column(event.lane, "▶"));
        }
        columns.push(self.column(event.lane, &format!("●{}─", event.label)));
        columns
    }

    /// One cell with something in it, and a line through all others.
    fn column(&self, lane: usize, cell: &str) -> Vec<String> {
        let line = "─".repeat(length(cell));
        let cells = (0..self.lanes.len()).map(|at| if at == lane { cell } else { &line });
        cells.map(str::to_owned).collect()
    }

    fn arrow_column(&self, from: usize, to: usize) -> Vec<String> {
        let (sender, receiver) = (self.events[from].lane, self.events[to].lane);
        // With other events of the sender in between it would look as if they had been seen.
        let is_clear = self.events[from + 1..to].iter().all(|event| event.lane != sender);
        let name = if is_clear { "" } else { &self.events[from].label };
        let (upper, lower) = (sender.min(receiver), sender.max(receiver));
        let cells = (0..self.lanes.len()).map(|lane| {
            let line = match lane {
                _ if lane == upper => "┬",
                _ if lane == lower => "┴",
                _ if lane > upper && lane < lower => "┼",
                _ => "─",
            };
            let name = if lane == receiver { name.to_owned() } else { "─".repeat(length(name)) };
            format!("{line}{name}")
        });
        cells.collect()
    }

    /// As a picture.
    pub(crate) fn svg(&self) -> String {
        let names = self.lanes.iter().map(|name| length(name)).max().unwrap_or(0) * LETTER;
        let start = MARGIN + names + MARGIN;
        let mut places = Vec::new();
        let mut x = start;
        for event in &self.events {
            places.push((x, self.height(event.lane)));
            x += EVENT + length(&event.label) * LETTER;
        }
        let (width, height) = (x + MARGIN, self.height(self.lanes.len()));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"ui-monospace, monospace\" font-size=\"13\">\n\
             <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"14\" refY=\"4\" markerWidth=\"7\" \
             markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0 8 4 0 8z\" fill=\"#36c\"/></marker></defs>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        );
        for (lane, name) in self.lanes.iter().enumerate() {
            let (y, end) = (self.height(lane), width - MARGIN);
            let (name, from) = (escape(name), start - MARGIN / 2);
            let text = y + 4;
            put(
                &mut svg,
                &format!("<text x=\"{MARGIN}\" y=\"{text}\" font-weight=\"bold\">{name}</text>"),
            );
            put(&mut svg, &format!("<path d=\"M{from} {y}H{end}\" stroke=\"#999\"/>"));
        }
        for (event, (to_x, to_y)) in self.events.iter().zip(&places) {
            for (x, y) in event.seen.iter().map(|seen| places[*seen]) {
                put(
                    &mut svg,
                    &format!(
                        "<path d=\"M{x} {y}L{to_x} {to_y}\" stroke=\"#36c\" stroke-width=\"1.5\" marker-end=\"url(#tip)\"/>"
                    ),
                );
            }
        }
        for (event, (x, y)) in self.events.iter().zip(&places) {
            let (label, left, above) = (escape(&event.label), x + 7, y - 8);
            put(&mut svg, &format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"5\" fill=\"#222\"/>"));
            put(&mut svg, &format!("<text x=\"{left}\" y=\"{above}\">{label}</text>"));
        }
        svg + "</svg>\n"
    }

    fn height(&self, lane: usize) -> usize {
        MARGIN + 12 + lane * LANE
    }
}

fn put(svg: &mut String, element: &str) {
    writeln!(svg, "{element}").expect("strings take all");
}

fn finish(text: &mut String, rows: &[String]) {
    for row in rows {
        writeln!(text, "{row}").expect("strings take all");
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagram(lanes: &[&str], events: &[(usize, &str, &[usize])]) -> Diagram {
        let mut diagram = Diagram::new(lanes.iter().map(ToString::to_string).collect());
        for (lane, label, seen) in events {
            let event = diagram.event(*lane, label.to_string());
            seen.iter().for_each(|seen| diagram.arrow(*seen, event));
        }
        diagram
    }

    #[track_caller]
    fn assert_text(diagram: &Diagram, expected: &[&str]) {
        assert_eq!(diagram.text().lines().collect::<Vec<_>>(), expected, "\n{}", diagram.text());
    }

    #[test]
    fn an_arrow_goes_from_what_was_seen_to_who_saw_it() {
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
    fn arrows_cross_lanes_and_come_together() {
        assert_text(
            &diagram(&["a", "b", "c"], &[(0, "a.1", &[]), (1, "b.1", &[]), (2, "c.1", &[0, 1])]),
            &["a ─●a.1──────┬───────", "b ──────●b.1─┼┬──────", "c ───────────┴┴▶●c.1─"],
        );
    }

    #[test]
    fn an_arrow_says_where_it_comes_from_if_that_is_not_clear() {
        assert_text(
            &diagram(&["a", "b"], &[(0, "a.1", &[]), (0, "a.2", &[]), (1, "b.1", &[0])]),
            &["a ─●a.1─●a.2─┬─────────", "b ───────────┴a.1▶●b.1─"],
        );
    }

    #[test]
    fn long_diagrams_are_broken() {
        let events: Vec<_> = (0..40).map(|_| (0, "event", &[] as &[usize])).collect();
        let text = diagram(&["a", "b"], &events).text();
        assert!(text.lines().all(|line| length(line) <= WIDTH), "{text}");
        assert_eq!(text.matches('●').count(), 40);
    }

    #[test]
    fn pictures_have_all_in_them_and_nothing_that_runs() {
        let svg = diagram(&["<a>", "b"], &[(0, "x&y", &[]), (1, "b.1", &[0])]).svg();
        assert!(svg.contains("&lt;a&gt;") && svg.contains("x&amp;y") && !svg.contains("<a>"));
        assert_eq!(svg.matches("<circle").count(), 2);
        assert_eq!(svg.matches("marker-end").count(), 1);
    }
}
