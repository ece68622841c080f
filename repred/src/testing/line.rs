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
        format!("    {}\n", shorten(&self.to_string(), LONG))
    }

    /// In lines of so many letters, of which the last says if there was more.
    pub(crate) fn wrapped(&self, width: usize, most: usize) -> Vec<Self> {
        let mut lines = vec![Self::default()];
        let mut room = width;
        for part in &self.parts {
            let mut rest = part.text.chars().peekable();
            while rest.peek().is_some() {
                if room == 0 {
                    lines.push(Self::default());
                    room = width;
                }
                let text: String = rest.by_ref().take(room).collect();
                room -= text.chars().count();
                let last = lines.last_mut().expect("there is always one");
                last.parts.push(Part { text, is_marked: part.is_marked });
            }
        }
        if lines.len() > most {
            lines.truncate(most);
            let last = lines.pop().unwrap_or_default();
            lines.push(last.plain("…"));
        }
        lines
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
    fn a_line_is_broken_where_it_is_full_and_keeps_its_marks() {
        let line = Line::from("abc".to_owned()).marked("defg");
        let broken = line.wrapped(5, 9);
        assert_eq!(
            broken,
            [Line::from("abc".to_owned()).marked("de"), Line::default().marked("fg")]
        );
        assert_eq!(line.wrapped(5, 1)[0].to_string(), "abcde…");
        assert_eq!(line.to_string(), "abcdefg");
    }

    #[test]
    fn what_is_too_long_loses_its_middle() {
        assert_eq!(shorten("abcdef", 6), "abcdef");
        assert_eq!(shorten("abcdefg", 4), "ab … fg");
    }
}
