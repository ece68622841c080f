//! [`Line`]: a line of a report, of which some parts are marked.

use std::fmt;

/// A line of a report. What is marked is red in a picture, and in text as all the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) parts: Vec<Part>,
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) text: String,
    pub(crate) is_marked: bool,
}

/// What is longer than this is not read.
const LONG: usize = 400;

impl Line {
    pub(crate) fn plain(mut self, text: impl Into<String>) -> Self {
        self.parts.push(Part { text: text.into(), is_marked: false });
        self
    }

    pub(crate) fn marked(mut self, text: impl Into<String>) -> Self {
        self.parts.push(Part { text: text.into(), is_marked: true });
        self
    }

    pub(crate) fn then(mut self, line: Self) -> Self {
        self.parts.extend(line.parts);
        self
    }

    /// As a line of a report in text.
    pub(crate) fn indented(&self) -> String {
        indented(&shorten(&self.to_string(), LONG))
    }

    /// In lines of so many letters, broken between words where that is possible. The last of them says if
    /// there was more.
    pub(crate) fn wrapped(&self, width: usize, most: usize) -> Vec<Self> {
        let mut lines = vec![Self::default()];
        let mut room = width;
        for (letters, is_marked) in self.pieces(width) {
            if letters.len() > room {
                lines.push(Self::default());
                room = width;
            }
            room -= letters.len();
            let last = lines.last_mut().expect("there is always one");
            last.add(&String::from_iter(letters), is_marked);
        }
        if lines.len() > most {
            lines.truncate(most);
            let last = lines.pop().unwrap_or_default();
            lines.push(last.plain("…"));
        }
        lines
    }

    /// Words, of which none is longer than a line, and whether they are marked.
    fn pieces(&self, width: usize) -> Vec<(Vec<char>, bool)> {
        let mut pieces = Vec::new();
        for part in &self.parts {
            for word in part.text.split_inclusive(' ') {
                let letters: Vec<_> = word.chars().collect();
                pieces.extend(letters.chunks(width).map(|piece| (piece.to_vec(), part.is_marked)));
            }
        }
        pieces
    }

    /// More of the last part, or another one.
    fn add(&mut self, text: &str, is_marked: bool) {
        match self.parts.last_mut() {
            Some(last) if last.is_marked == is_marked => last.text.push_str(text),
            _ => self.parts.push(Part { text: text.to_owned(), is_marked }),
        }
    }
}

impl From<String> for Line {
    fn from(text: String) -> Self {
        Self::default().plain(text)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| f.write_str(&part.text))
    }
}

/// A text as a line of a report.
pub(crate) fn indented(text: &str) -> String {
    format!("    {text}").trim_end().to_owned() + "\n"
}

/// The beginning and the end of a text that has more than so many letters.
pub(crate) fn shorten(text: &str, long: usize) -> String {
    let count = text.chars().count();
    if count <= long {
        return text.to_owned();
    }
    let start: String = text.chars().take(long / 2).collect();
    let end: String = text.chars().skip(count - long / 2).collect();
    format!("{start} … {end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_wraps_and_keeps_its_marks() {
        let line = Line::from("a bc ".to_owned()).marked("de fghijkl");
        let broken: Vec<_> = line.wrapped(6, 9).iter().map(ToString::to_string).collect();
        assert_eq!(broken, ["a bc ", "de ", "fghijk", "l"]);
        assert_eq!(line.wrapped(8, 9)[0], Line::from("a bc ".to_owned()).marked("de "));
        assert_eq!(line.wrapped(8, 1)[0].to_string(), "a bc de …");
        assert_eq!(line.to_string(), "a bc de fghijkl");
    }

    #[test]
    fn an_empty_line_is_not_indented() {
        assert_eq!(indented("a"), "    a\n");
        assert_eq!(indented(""), "\n");
    }

    #[test]
    fn a_long_text_loses_its_middle() {
        assert_eq!(shorten("abcdef", 6), "abcdef");
        assert_eq!(shorten("abcdefg", 4), "ab … fg");
    }
}
