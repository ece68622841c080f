//! A diagram as SVG.

use std::fmt::Write as _;

use super::{
    Diagram,
    layout::{Column, Layout},
    length,
};
use crate::testing::line::{Line, shorten};

/// Pixels: the border, a letter, one of the title, a line of text, between lanes, and between what two
/// events say.
const MARGIN: usize = 24;
const LETTER: usize = 8;
const TITLE_LETTER: usize = 10;
const LINE: usize = 20;
const LANE: usize = 64;
const GAP: usize = 36;

/// Letters in a line, unless the diagram is wider; and how many lines a state may take.
const TEXT: usize = 104;
const LINES: usize = 4;

/// Letters of an update that are shown at its dot, if there are many and if there are few.
const NOTE: std::ops::RangeInclusive<usize> = 28..=48;

/// With more events than this, a picture would be too wide to be seen if it showed what is in them. It tells
/// of the one that is pointed at.
const NOTES: usize = 50;

impl Diagram {
    /// As a picture, a complete SVG document. O(n²) for n events and arrows, about.
    pub fn svg(&self) -> String {
        Picture::new(self).draw()
    }
}

/// A picture that is being drawn, from top to bottom.
struct Picture<'d> {
    diagram: &'d Diagram,
    /// What is below the diagram, broken into lines.
    outcome: Vec<Line>,
    sentence: Vec<Line>,
    /// What was written at each event, shortened, and where it stands.
    notes: Vec<String>,
    places: Vec<usize>,
    width: usize,
    svg: String,
    /// How far down it is drawn.
    y: usize,
}

impl<'d> Picture<'d> {
    fn new(diagram: &'d Diagram) -> Self {
        let names = diagram.lanes.iter().map(|name| length(name)).max().unwrap_or(0);
        let start = MARGIN + (names + 2) * LETTER;
        let notes = notes(diagram);
        let letters = diagram.events.iter().zip(&notes);
        let letters = letters.map(|(event, note)| length(&event.label).max(length(note)));
        let letters: Vec<_> = letters.collect();
        let events: usize = letters.iter().map(|letters| letters * LETTER + GAP).sum();
        let letters_across = TEXT.max((start + events) / LETTER);
        let outcome = diagram.outcome.iter();
        let outcome: Vec<_> =
            outcome.flat_map(|line| line.wrapped(letters_across, LINES)).collect();
        let sentence = Line::from(diagram.sentence.clone()).wrapped(letters_across, LINES);
        let text = outcome.iter().chain(&sentence).map(|line| length(&line.to_string()));
        let text = text.max().unwrap_or(0) * LETTER;
        let text = text.max(length(&diagram.title) * TITLE_LETTER);
        let width = (start + events + GAP).max(MARGIN + text) + MARGIN;
        // What the text needs more than the events is shared out among them.
        let room = (width - MARGIN - start - events) / (diagram.events.len() + 1);
        let mut places = vec![0; diagram.events.len()];
        let mut x = start + room.max(GAP / 2);
        for column in Layout::of(&diagram.events).columns {
            if let Column::Event(event) = column {
                places[event] = x;
                x += letters[event] * LETTER + GAP + room;
            }
        }
        Self { diagram, outcome, sentence, notes, places, width, svg: String::new(), y: MARGIN }
    }

    fn draw(mut self) -> String {
        self.head();
        let top = self.y + LINE;
        self.lanes(top);
        self.arrows(top);
        self.events(top);
        self.y = top + self.diagram.lanes.len().saturating_sub(1) * LANE + 2 * LINE;
        for line in std::mem::take(&mut self.outcome) {
            self.y += LINE;
            self.line(&line, "#222");
        }
        let (width, height) = (self.width, self.y + MARGIN);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"ui-monospace, monospace\" font-size=\"13\">\n\
             <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"14\" refY=\"4\" markerWidth=\"7\" \
             markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0 8 4 0 8z\" fill=\"#36c\"/></marker></defs>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{}</svg>\n",
            self.svg
        )
    }

    fn head(&mut self) {
        if !self.diagram.title.is_empty() {
            let (title, y) = (escape(&self.diagram.title), self.y + 8);
            self.put(&format!(
                "<text x=\"{MARGIN}\" y=\"{y}\" font-size=\"15\" font-weight=\"bold\">{title}</text>"
            ));
            self.y = y;
        }
        for line in std::mem::take(&mut self.sentence) {
            self.y += LINE;
            self.line(&line, "#666");
        }
        self.y += LINE;
    }

    fn lanes(&mut self, top: usize) {
        let end = self.width - MARGIN;
        for (lane, name) in self.diagram.lanes.iter().enumerate() {
            let y = top + lane * LANE;
            let (below, from) = (y + 4, MARGIN + (length(name) + 1) * LETTER);
            let name = escape(name);
            self.put(&format!(
                "<text x=\"{MARGIN}\" y=\"{below}\" font-weight=\"bold\">{name}</text>"
            ));
            self.put(&format!("<path d=\"M{from} {y}H{end}\" stroke=\"#999\"/>"));
        }
    }

    fn arrows(&mut self, top: usize) {
        for (to, event) in self.diagram.events.iter().enumerate() {
            for from in &event.seen {
                let [x, to_x] = [*from, to].map(|event| self.places[event]);
                let [y, to_y] =
                    [*from, to].map(|event| top + self.diagram.events[event].lane * LANE);
                self.put(&format!(
                    "<path d=\"M{x} {y}L{to_x} {to_y}\" stroke=\"#36c\" stroke-width=\"1.5\" \
                     marker-end=\"url(#tip)\"/>"
                ));
            }
        }
    }

    /// Dots, with what they are called above and what was written below.
    fn events(&mut self, top: usize) {
        for (index, event) in self.diagram.events.iter().enumerate() {
            let (x, y) = (self.places[index], top + event.lane * LANE);
            let (left, above, below) = (x - 5, y - 10, y + 20);
            let texts = [&event.label, &self.notes[index], &event.note];
            let [label, note, all] = texts.map(|text| escape(text));
            // Arrows go behind the text.
            let halo = "stroke=\"#fff\" stroke-width=\"6\" stroke-linejoin=\"round\" paint-order=\"stroke\"";
            self.put(&format!(
                "<g><title>{all}</title><circle cx=\"{x}\" cy=\"{y}\" r=\"5\" fill=\"#222\"/>\
                 <text x=\"{left}\" y=\"{above}\" font-weight=\"bold\" {halo}>{label}</text>\
                 <text x=\"{left}\" y=\"{below}\" fill=\"#444\" {halo}>{note}</text></g>"
            ));
        }
    }

    /// A line of text, with what is marked in red.
    fn line(&mut self, line: &Line, colour: &str) {
        let parts = line.parts.iter().map(|part| match (escape(&part.text), part.is_marked) {
            (text, true) => format!("<tspan fill=\"#c00\" font-weight=\"bold\">{text}</tspan>"),
            (text, false) => text,
        });
        let (parts, y): (String, _) = (parts.collect(), self.y);
        self.put(&format!(
            "<text x=\"{MARGIN}\" y=\"{y}\" fill=\"{colour}\" xml:space=\"preserve\">{parts}</text>"
        ));
    }

    fn put(&mut self, element: &str) {
        writeln!(self.svg, "{element}").expect("strings take all");
    }
}

/// What was written at each event, as far as there is room for it.
fn notes(diagram: &Diagram) -> Vec<String> {
    if diagram.events.len() > NOTES {
        return vec![String::new(); diagram.events.len()];
    }
    let share = 2 * TEXT / diagram.events.len().max(1);
    let long = share.clamp(*NOTE.start(), *NOTE.end());
    let first = |note: &str| note.lines().next().unwrap_or_default().to_owned();
    diagram.events.iter().map(|event| shorten(&first(&event.note), long)).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::{super::tests::diagram, *};

    #[test]
    fn a_picture_needs_no_other_file_and_has_no_script() {
        let svg = diagram(&["<a>", "b"], &[(0, "x&y", &[]), (1, "b.1", &[0])]).svg();
        assert!(svg.contains("&lt;a&gt;") && svg.contains("x&amp;y") && !svg.contains("<a>"));
        assert_eq!(svg.matches("<circle").count(), 2);
        assert_eq!(svg.matches("marker-end").count(), 1);
    }

    #[test]
    fn a_picture_has_a_title_and_a_conclusion() {
        let mut diagram = diagram(&["a"], &[(0, "a.1", &[])]);
        diagram.entitle("order: `Points`".into(), "two <states>".into());
        diagram.conclude(vec![Line::from("a.1 → ".to_owned()).marked("0")]);
        let svg = diagram.svg();
        assert!(svg.contains("order: `Points`") && svg.contains("two &lt;states&gt;"), "{svg}");
        assert!(svg.contains("<tspan fill=\"#c00\" font-weight=\"bold\">0</tspan>"), "{svg}");
    }
}
