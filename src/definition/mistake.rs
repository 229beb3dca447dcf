//! Findings in a crawl file, each with its line: mistakes refuse the file, warnings do not.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// Most characters of a value that a sentence quotes.
const QUOTED_CHARS: usize = 60;

/// A fault in a crawl file that must be changed before it can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Its place.
    pub place: Place,
    /// The fault and the remedy, in sentences.
    pub text: String,
}

/// A side effect of an accepted setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Its place.
    pub place: Place,
    /// The side effect, in sentences.
    pub text: String,
}

/// The place of a finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A line of the crawl file, counted from 1.
    Line(usize),
    /// An option of the command line, as written.
    Option(String),
}

impl Place {
    /// Returns the place in the crawl file of this path, or the option.
    pub fn shown(&self, path: &str) -> String {
        match self {
            Self::Line(line) => format!("{path}:{line}"),
            Self::Option(option) => option.clone(),
        }
    }
}

/// Every mistake of one crawl file, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes {
    /// The mistakes.
    pub list: Vec<Mistake>,
}

impl Mistakes {
    /// Formats the mistakes, one line each that begins with its place, `path:line: `, with an empty line between them.
    pub fn lines(&self, path: &str) -> Vec<String> {
        let line = |mistake: &Mistake| [String::new(), format!("{}: {}", mistake.place.shown(path), mistake.text)];
        self.list.iter().flat_map(line).skip(1).collect()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.lines("line").join("\n"))
    }
}

impl std::error::Error for Mistakes {}

/// Collects mistakes and warnings while a file is read, and converts byte offsets to lines.
pub(super) struct Findings<'t> {
    text: Cow<'t, str>,
    /// The options behind the file's text, by their byte offset.
    options: Vec<(usize, String)>,
    mistakes: Vec<Mistake>,
    warnings: Vec<Warning>,
}

impl<'t> Findings<'t> {
    /// Starts with no findings in `text`.
    pub(super) fn new(text: &'t str) -> Findings<'t> {
        Findings { text: Cow::Borrowed(text), options: Vec::new(), mistakes: Vec::new(), warnings: Vec::new() }
    }

    /// Notes a mistake at a byte offset of the text.
    pub(super) fn mistake(&mut self, at: usize, text: impl Into<String>) {
        let place = self.place(at);
        self.mistakes.push(Mistake { place, text: text.into() });
    }

    /// Notes a warning at a byte offset of the text.
    pub(super) fn warn(&mut self, at: usize, text: impl Into<String>) {
        let place = self.place(at);
        self.warnings.push(Warning { place, text: text.into() });
    }

    /// Adds an option and its text behind the file's; returns the text's byte offset.
    pub(super) fn add(&mut self, option: &str, text: &str) -> usize {
        let all = self.text.to_mut();
        all.push('\n');
        let at = all.len();
        all.push_str(text);
        self.options.push((at, option.to_owned()));
        at
    }

    /// Returns the place of a byte offset.
    fn place(&self, at: usize) -> Place {
        match self.options.iter().rev().find(|(begins, _)| *begins <= at) {
            Some((_, option)) => Place::Option(option.clone()),
            None => Place::Line(self.line(at)),
        }
    }

    /// Returns the line of a byte offset, counted from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count()
    }

    /// Returns a span of the file for quoting in a sentence.
    pub(super) fn written(&self, span: Range<usize>) -> String {
        clip(self.text.get(span).unwrap_or_default())
    }

    /// True if a mistake was noted.
    pub(super) fn any_mistake(&self) -> bool {
        !self.mistakes.is_empty()
    }

    /// Returns `read` with the warnings.
    ///
    /// # Errors
    /// The mistakes, sorted by line, if there are any. A reader that returns `None` has noted one.
    pub(super) fn conclude<T>(mut self, read: Option<T>) -> Result<(T, Vec<Warning>), Mistakes> {
        self.mistakes.sort_by(|one, other| one.place.cmp(&other.place));
        self.warnings.sort_by(|one, other| one.place.cmp(&other.place));
        match read {
            Some(read) if self.mistakes.is_empty() => Ok((read, self.warnings)),
            _ => Err(Mistakes { list: self.mistakes }),
        }
    }
}

/// Returns the beginning of a text without control characters, for quoting in a sentence.
pub(super) fn clip(text: &str) -> String {
    let mut chars = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut clipped: String = chars.by_ref().take(QUOTED_CHARS).collect();
    if chars.next().is_some() {
        clipped.push('…');
    }
    clipped
}

#[cfg(test)]
mod tests {
    use super::{Findings, Place, clip};

    #[test]
    fn lines_are_counted_from_one_and_sorted() {
        let mut found = Findings::new("a\nbé\nc");
        found.mistake(6, "third.");
        found.mistake(0, "first.");
        found.mistake(2, "second.");
        let mistakes = found.conclude(Some(())).err().map(|mistakes| mistakes.lines("x.toml").join("\n"));
        assert_eq!(mistakes.as_deref(), Some("x.toml:1: first.\n\nx.toml:2: second.\n\nx.toml:3: third."));
    }

    #[test]
    fn warnings_do_not_refuse() {
        let mut found = Findings::new("a\nb");
        found.warn(2, "careful.");
        assert_eq!(
            found.conclude(Some(7)).map(|(read, warnings)| (read, warnings[0].place.clone())),
            Ok((7, Place::Line(2)))
        );
    }

    #[test]
    fn clips_long_and_odd_text() {
        assert_eq!(clip("a\n\u{7}b"), "a  b");
        assert_eq!(clip(&"é".repeat(61)), format!("{}…", "é".repeat(60)));
    }
}
