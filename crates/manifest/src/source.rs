//! The text of a file, and its lines.

use crate::finding::{At, Excerpt, Finding, Findings, Problem};
use crate::yaml::Unreadable;

/// The largest file that is read, in bytes. A real document has a few hundred.
pub const LARGEST: usize = 1024 * 1024;

/// A file as text: UTF-8, no control characters, of bounded size.
pub(crate) struct Source<'a> {
    file: &'a str,
    text: &'a str,
    lines: Vec<&'a str>,
}

impl<'a> Source<'a> {
    /// Refuses what is no text.
    pub(crate) fn new(file: &'a str, bytes: &'a [u8]) -> Result<Self, Findings> {
        if bytes.len() > LARGEST {
            let too_large = Unreadable::TooLarge { found: bytes.len() };
            return Err(Self::empty(file).refuse(At::start(), too_large));
        }
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            return Err(Self::empty(file).refuse(At::start(), Unreadable::Utf16));
        }
        let (text, broken) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, false),
            Err(error) => {
                let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
                (std::str::from_utf8(valid).unwrap_or_default(), true)
            }
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let source = Self { file, text, lines: lines(text) };
        if broken {
            return Err(source.refuse(source.position(text.len()), Unreadable::NotUtf8));
        }
        match text.char_indices().find(|(_, c)| is_forbidden(*c)) {
            Some((offset, c)) => {
                Err(source.refuse(source.position(offset), Unreadable::ControlCharacter(c)))
            }
            None => Ok(source),
        }
    }

    fn empty(file: &'a str) -> Self {
        Self { file, text: "", lines: Vec::new() }
    }

    /// The whole text, without a byte-order mark.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// A finding at a place of this file.
    pub(crate) fn finding(&self, at: At, path: &str, problem: Problem) -> Finding {
        Finding {
            file: self.file.to_owned(),
            line: at.line,
            column: at.column,
            document: None,
            path: path.to_owned(),
            problem,
            found: None,
            allowed: None,
            hint: None,
            excerpt: self
                .lines
                .get(at.line.saturating_sub(1))
                .and_then(|line| Excerpt::new(line, at)),
        }
    }

    /// The one finding of a file that cannot be read further.
    pub(crate) fn refuse(&self, at: At, why: Unreadable) -> Findings {
        let hint = why.hint();
        let mut finding = self.finding(at, "", Problem::Unreadable(why));
        finding.hint = hint.map(str::to_owned);
        Findings::new(vec![finding])
    }

    /// Line and column of a byte offset.
    fn position(&self, offset: usize) -> At {
        let before = lines(self.text.get(..offset).unwrap_or_default());
        let column = before.last().map_or(0, |line| line.chars().count()) + 1;
        At { line: before.len().max(1), column, width: 1 }
    }
}

/// The lines as YAML counts them: each of LF, CR LF and CR ends one.
fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.find(['\n', '\r']) {
        let (line, ending) = rest.split_at(end);
        lines.push(line);
        rest = ending.strip_prefix("\r\n").unwrap_or_else(|| ending.get(1..).unwrap_or_default());
    }
    lines.push(rest);
    lines
}

/// What YAML 1.2 (section 5.1) does not allow in a file, apart from what is no character at all.
fn is_forbidden(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_ending_ends_a_line() {
        assert_eq!(lines("a\nb\r\nc\rd"), ["a", "b", "c", "d"]);
        assert_eq!(lines("a\n"), ["a", ""]);
    }

    #[test]
    fn a_byte_offset_becomes_line_and_column() {
        let source = Source::new("f", "äb\ncd".as_bytes()).unwrap_or_else(|_| panic!("readable"));
        assert_eq!(source.position(2), At { line: 1, column: 2, width: 1 });
        assert_eq!(source.position(4), At { line: 2, column: 1, width: 1 });
    }
}
