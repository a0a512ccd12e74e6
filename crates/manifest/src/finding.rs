//! What is wrong with a document, where, and what would be right.

use std::fmt;

use crate::Target;
use crate::rules::Rule;
use crate::yaml::Unreadable;

/// The longest part of a line that is shown, in characters.
const WIDEST: usize = 100;
/// The longest line of which a part is shown, in bytes.
const LONGEST_LINE: usize = 16 * 1024;
/// The longest value that is repeated in a message, in characters.
const LONGEST_VALUE: usize = 60;
/// How many findings are printed; the rest are counted.
const MOST_PRINTED: usize = 30;

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    /// From 1.
    pub(crate) line: usize,
    /// From 1, in characters.
    pub(crate) column: usize,
    /// How many characters of this line it covers; at least 1.
    pub(crate) width: usize,
}

impl At {
    /// The first character of a file.
    pub(crate) fn start() -> Self {
        Self { line: 1, column: 1, width: 1 }
    }
}

/// One thing that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The name of the file as it was given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// Which document of the file, from 1; `None` when the file holds only one.
    pub document: Option<usize>,
    /// The field: `spec.keys.threshold`; empty when it is the file as a whole.
    pub path: String,
    /// What is wrong.
    pub problem: Problem,
    /// What was found, as a person would write it.
    pub found: Option<String>,
    /// What is allowed there.
    pub allowed: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// The line itself.
    pub excerpt: Option<Excerpt>,
}

/// The kinds of things that can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The file, or a part of it, cannot be read at all.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The file declares no cluster.
    #[error("declares no VaultCluster")]
    NoCluster,
    /// The file declares more than one cluster.
    #[error("declares a second VaultCluster (the first begins on line {first})")]
    SecondCluster {
        /// Where the first one begins.
        first: usize,
    },
    /// No field has this name.
    #[error("unknown field")]
    UnknownField,
    /// The same key, or the same entry of a list, stands twice.
    #[error("given twice; the first is on line {first}")]
    GivenTwice {
        /// Where the first one stands.
        first: usize,
    },
    /// A field that is needed is not there.
    #[error("is missing")]
    Missing,
    /// Of two or more fields that exclude each other more than one was given.
    #[error("excludes {other:?}, which is given on line {line}")]
    Excludes {
        /// The other field.
        other: String,
        /// Where it stands.
        line: usize,
    },
    /// Not the type, or not one of the values, that is allowed there.
    #[error("wrong value")]
    WrongValue,
    /// A word that is known, for something that does not exist yet there.
    #[error("not supported by this version on target {target}")]
    NotSupported {
        /// Where the cluster was to run.
        target: Target,
    },
    /// A server setting that Vaultyard sets itself.
    #[error("is set by Vaultyard")]
    SetByVaultyard,
    /// Fields that do not go together.
    #[error(transparent)]
    Rule(#[from] Rule),
}

impl Problem {
    /// One word for programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::NoCluster => "no-cluster",
            Self::SecondCluster { .. } => "second-cluster",
            Self::UnknownField => "unknown-field",
            Self::GivenTwice { .. } => "given-twice",
            Self::Missing => "missing",
            Self::Excludes { .. } => "excludes",
            Self::WrongValue => "wrong-value",
            Self::NotSupported { .. } => "not-supported",
            Self::SetByVaultyard => "set-by-vaultyard",
            Self::Rule(_) => "rule",
        }
    }
}

impl Finding {
    /// The sentence without place and path: what is wrong, what was found, what is allowed, what
    /// to do.
    pub fn message(&self) -> String {
        let mut parts = match (&self.problem, &self.found) {
            (Problem::WrongValue, Some(found)) => vec![format!("found {found}")],
            (Problem::NotSupported { .. }, Some(found)) => {
                vec![format!("{found} is {}", self.problem)]
            }
            (problem, _) => vec![problem.to_string()],
        };
        let nearest_says_it = self.problem == Problem::UnknownField && self.hint.is_some();
        if let Some(allowed) = self.allowed.as_ref().filter(|_| !nearest_says_it) {
            parts.push(format!("allowed: {allowed}"));
        }
        parts.extend(self.hint.clone());
        parts.join("; ")
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if let Some(document) = self.document {
            write!(f, "document {document}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message())?;
        match &self.excerpt {
            Some(excerpt) => {
                let number = self.line.to_string();
                let margin = " ".repeat(number.len());
                write!(f, "\n  {number} | {}", excerpt.text)?;
                let gap = " ".repeat(excerpt.start);
                write!(f, "\n  {margin} | {gap}{}", "^".repeat(excerpt.width))
            }
            None => Ok(()),
        }
    }
}

/// The part of a line around a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The text; tabs are shown as one blank, so that what is marked stands where it should.
    pub text: String,
    /// Where the marked part begins, in characters from 0.
    pub start: usize,
    /// How many characters are marked; at least 1.
    pub width: usize,
}

impl Excerpt {
    /// At most [`WIDEST`] characters of the line, those before the place only as far as they fit.
    /// `None` for a line that no person wrote.
    pub(crate) fn new(line: &str, at: At) -> Option<Self> {
        if line.len() > LONGEST_LINE {
            return None;
        }
        let column = at.column.saturating_sub(1);
        let skipped = column.saturating_sub(WIDEST / 2);
        let skipped = if column < WIDEST { 0 } else { skipped };
        let shown = line.chars().skip(skipped).take(WIDEST);
        let text: String = shown.map(printable).collect();
        let start = column - skipped;
        let room = text.chars().count().saturating_sub(start).max(1);
        Some(Self { text: text.trim_end().to_owned(), start, width: at.width.clamp(1, room) })
    }
}

/// A character that takes one column and does nothing to a terminal.
fn printable(c: char) -> char {
    match c {
        c if c.is_whitespace() => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// Everything that is wrong with a file, in the order of its lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// Sorts them by place.
    pub(crate) fn new(mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| (finding.line, finding.column));
        Self(findings)
    }

    /// One after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Findings {
    type Item = &'a Finding;
    type IntoIter = std::slice::Iter<'a, Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.0.iter().take(MOST_PRINTED).enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            write!(f, "{gap}{finding}")?;
        }
        match self.0.len().saturating_sub(MOST_PRINTED) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Findings {}

/// A value in quotes, cut where it is long.
pub(crate) fn quoted(text: &str) -> String {
    format!("{:?}", shortened(text))
}

/// A text, cut where it is long.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// `a, b or c`.
pub(crate) fn alternatives(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_excerpt_of_a_long_line_is_cut_around_the_place() {
        let line = "x".repeat(1_000);
        let excerpt = Excerpt::new(&line, At { line: 1, column: 501, width: 5_000 }).unwrap();
        assert_eq!((excerpt.text.len(), excerpt.start, excerpt.width), (100, 50, 50));
    }

    #[test]
    fn a_place_behind_the_end_of_a_line_is_still_marked() {
        let excerpt = Excerpt::new("ab\t", At { line: 1, column: 4, width: 1 }).unwrap();
        assert_eq!((excerpt.text.as_str(), excerpt.start, excerpt.width), ("ab", 3, 1));
    }

    #[test]
    fn alternatives_read_like_a_sentence() {
        let words = ["1", "3", "5"].map(str::to_owned);
        assert_eq!(alternatives(&words), "1, 3 or 5");
        assert_eq!(alternatives(&words[..1]), "1");
    }
}
