//! YAML as a tree in which every key and value knows its place.
//!
//! The events come from the parser; what is built from them is bounded in depth and size, so that
//! neither nesting nor aliases can exhaust memory or stack.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, Span, Tag};

use crate::finding::{At, Finding, Findings, Problem};
use crate::node::{Entry, Node, Value, field, item};
use crate::source::Source;

/// How deep values may lie within each other, aliases resolved.
pub(crate) const DEEPEST: usize = 64;
/// How much a stream may hold, aliases resolved: the sum of all texts plus [`NODE_WEIGHT`] for each
/// value.
const HEAVIEST: usize = 8 * 1024 * 1024;
/// What a value counts besides its text.
const NODE_WEIGHT: usize = 64;

/// Why a file, or a part of it, cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// More bytes than are looked at.
    #[error("has {found} bytes; at most {} are read", crate::source::LARGEST)]
    TooLarge {
        /// How many bytes there are.
        found: usize,
    },
    /// Not UTF-8.
    #[error("is not UTF-8 text")]
    NotUtf8,
    /// UTF-16.
    #[error("is UTF-16; UTF-8 is needed")]
    Utf16,
    /// A character that YAML does not allow.
    #[error("holds the control character {0:?}")]
    ControlCharacter(char),
    /// Not YAML.
    #[error("is not valid YAML: {detail}")]
    Syntax {
        /// What the parser says.
        detail: String,
        /// What usually causes it.
        hint: Option<&'static str>,
    },
    /// Values within values within values.
    #[error("is nested more than {DEEPEST} levels deep")]
    TooDeep,
    /// More values than a document can need, or aliases that grow beyond all bounds.
    #[error("holds too many values; an alias counts as everything it stands for")]
    TooMuch,
    /// An alias within what it stands for.
    #[error("holds an alias of itself")]
    SelfReference,
    /// A tag that changes what a value means.
    #[error("has the tag {0:?}; only !!str is read")]
    Tag(String),
    /// A key that is a list or a map.
    #[error("has a key that is not text")]
    KeyNotText,
    /// `<<`, which YAML 1.2 does not have.
    #[error("is a merge key, which is not read")]
    MergeKey,
}

impl Unreadable {
    /// What to do about it, where that is not plain from the error.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::TooLarge { .. } => Some("is this the right file?"),
            Self::NotUtf8 | Self::Utf16 => Some("save the file as UTF-8"),
            Self::ControlCharacter(_) => Some("remove it, or write it as an escape in quotes"),
            Self::Syntax { hint, .. } => *hint,
            Self::Tag(_) => Some("write the value without it"),
            Self::MergeKey => Some("write the fields out"),
            Self::TooDeep | Self::TooMuch | Self::SelfReference | Self::KeyNotText => None,
        }
    }
}

/// The documents of a stream, and what is wrong with them as YAML.
pub(crate) struct Read {
    /// Empty ones are left out.
    pub(crate) documents: Vec<Node>,
    /// Keys that stand twice, tags, merge keys: the rest can still be looked at.
    pub(crate) findings: Vec<Finding>,
}

/// Reads a stream of documents.
///
/// # Errors
/// One finding when the stream cannot be read to its end.
pub(crate) fn read(source: &Source<'_>) -> Result<Read, Findings> {
    let mut options = granit_parser::options! {
        flow_nesting_limit: DEEPEST,
        block_nesting_limit: DEEPEST,
    };
    options.set_emit_comments(false);
    let mut builder = Builder::new(source);
    for event in Parser::new_from_str_with_options(source.text(), options) {
        let (event, span) = event.map_err(|error| {
            let marker = error.marker();
            let at = At { line: marker.line(), column: marker.col() + 1, width: 1 };
            source.refuse(at, syntax(error.kind()))
        })?;
        let at = place(&span);
        builder.take(event, at).map_err(|why| source.refuse(at, why))?;
    }
    let Builder { documents, mut findings, .. } = builder;
    if documents.len() < 2 {
        findings.iter_mut().for_each(|finding| finding.document = None);
    }
    Ok(Read { documents, findings })
}

/// Line and column from 1; the width is known for what stands on one line.
fn place(span: &Span) -> At {
    let (start, end) = (span.start, span.end);
    let one_line = start.line() == end.line();
    let width = if one_line { end.col().saturating_sub(start.col()).max(1) } else { 1 };
    At { line: start.line().max(1), column: start.col() + 1, width }
}

/// What an error of the parser means.
fn syntax(kind: &ErrorKind) -> Unreadable {
    match kind {
        ErrorKind::RecursionLimitExceeded => Unreadable::TooDeep,
        _ => Unreadable::Syntax { detail: kind.to_string(), hint: syntax_hint(kind) },
    }
}

/// What usually causes an error of the parser.
fn syntax_hint(kind: &ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => Some("indent with blanks"),
        ErrorKind::InvalidIndentation
        | ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry => {
            Some("is this line indented as far as those above it?")
        }
        ErrorKind::SimpleKeyExpected => Some("is a colon with a blank behind it missing?"),
        ErrorKind::MappingValueNotAllowed => {
            Some("a value that holds a colon and a blank needs quotes")
        }
        ErrorKind::UnknownAnchor => Some("a value that begins with * needs quotes"),
        ErrorKind::UnexpectedCharacter { .. } => {
            Some("a value that begins with this character needs quotes")
        }
        _ => None,
    }
}

/// A list or map whose end has not come yet.
struct Open {
    at: At,
    anchor: usize,
    content: Content,
    weight: usize,
    /// How many levels lie within it.
    height: usize,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, lines: HashMap<String, usize>, key: Option<(String, At)> },
}

/// A finished value with its measures.
#[derive(Clone)]
struct Built {
    node: Node,
    weight: usize,
    height: usize,
}

struct Builder<'a> {
    source: &'a Source<'a>,
    documents: Vec<Node>,
    findings: Vec<Finding>,
    open: Vec<Open>,
    anchors: HashMap<usize, Built>,
    weight: usize,
}

impl<'a> Builder<'a> {
    fn new(source: &'a Source<'a>) -> Self {
        Self {
            source,
            documents: Vec::new(),
            findings: Vec::new(),
            open: Vec::new(),
            anchors: HashMap::new(),
            weight: 0,
        }
    }

    fn take(&mut self, event: Event<'_>, at: At) -> Result<(), Unreadable> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let quoted = self.is_marked_as_text(tag.as_deref(), at);
                let weight = NODE_WEIGHT + text.len();
                let text = text.into_owned();
                let value = match style {
                    ScalarStyle::Plain if !quoted => Value::Plain(text),
                    _ => Value::Quoted(text),
                };
                self.finish(Built { node: Node { value, at }, weight, height: 0 }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.is_marked_as_text(tag.as_deref(), at);
                self.begin(Content::List(Vec::new()), anchor, at)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.is_marked_as_text(tag.as_deref(), at);
                let (entries, lines) = (Vec::new(), HashMap::new());
                self.begin(Content::Map { entries, lines, key: None }, anchor, at)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => {
                let mut built =
                    self.anchors.get(&anchor).cloned().ok_or(Unreadable::SelfReference)?;
                built.node.at = at;
                self.finish(built, 0)
            }
            Event::DocumentEnd => {
                self.anchors.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether the tag says that a scalar is text; every other tag is a finding.
    fn is_marked_as_text(&mut self, tag: Option<&Tag>, at: At) -> bool {
        let Some(tag) = tag else { return false };
        if tag.core_suffix() == Some("str") {
            return true;
        }
        let name = crate::finding::shortened(&format!("{}{}", tag.original_handle(), tag.suffix()));
        let path = self.path();
        self.add(at, &path, Unreadable::Tag(name).into());
        false
    }

    fn begin(&mut self, content: Content, anchor: usize, at: At) -> Result<(), Unreadable> {
        if self.open.len() >= DEEPEST {
            return Err(Unreadable::TooDeep);
        }
        self.open.push(Open { at, anchor, content, weight: NODE_WEIGHT, height: 0 });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Unreadable> {
        let Some(Open { at, anchor, content, weight, height }) = self.open.pop() else {
            return Ok(());
        };
        let value = match content {
            Content::List(items) => Value::List(items),
            Content::Map { entries, .. } => Value::Map(entries),
        };
        // The weight of what lies within was counted when it was finished.
        self.weight = self.weight.saturating_sub(weight - NODE_WEIGHT);
        self.finish(Built { node: Node { value, at }, weight, height: height + 1 }, anchor)
    }

    /// Hands a finished value to what holds it.
    fn finish(&mut self, built: Built, anchor: usize) -> Result<(), Unreadable> {
        self.weight += built.weight;
        if self.weight > HEAVIEST {
            return Err(Unreadable::TooMuch);
        }
        if self.open.len() + built.height > DEEPEST {
            return Err(Unreadable::TooDeep);
        }
        if anchor != 0 {
            self.weight += built.weight;
            self.anchors.insert(anchor, built.clone());
        }
        let Some(open) = self.open.last_mut() else {
            if !built.node.is_null() {
                self.documents.push(built.node);
            }
            return Ok(());
        };
        open.weight += built.weight;
        open.height = open.height.max(built.height);
        match &mut open.content {
            Content::List(items) => items.push(built.node),
            Content::Map { key: key @ None, .. } => match built.node.value {
                Value::Plain(text) | Value::Quoted(text) => *key = Some((text, built.node.at)),
                Value::List(_) | Value::Map(_) => return Err(Unreadable::KeyNotText),
            },
            Content::Map { key: Some(_), .. } => self.finish_entry(built.node),
        }
        Ok(())
    }

    /// Puts a value behind the key that waits for it.
    fn finish_entry(&mut self, value: Node) {
        let Some(Open { content: Content::Map { entries, lines, key }, .. }) = self.open.last_mut()
        else {
            return;
        };
        let Some((key, at)) = key.take() else { return };
        let problem = match lines.get(&key) {
            _ if key == "<<" => Problem::Unreadable(Unreadable::MergeKey),
            Some(first) => Problem::GivenTwice { first: *first },
            None => {
                lines.insert(key.clone(), at.line);
                return entries.push(Entry { key, at, value });
            }
        };
        let path = field(&self.path(), &key);
        self.add(at, &path, problem);
    }

    fn add(&mut self, at: At, path: &str, problem: Problem) {
        let hint = match &problem {
            Problem::Unreadable(why) => why.hint(),
            Problem::GivenTwice { .. } => Some("keep one of them"),
            _ => None,
        };
        let mut finding = self.source.finding(at, path, problem);
        finding.hint = hint.map(str::to_owned);
        finding.document = Some(self.documents.len() + 1);
        self.findings.push(finding);
    }

    /// The path of the value that comes next.
    fn path(&self) -> String {
        let mut path = String::new();
        for open in &self.open {
            match &open.content {
                Content::List(items) => path = item(&path, items.len()),
                Content::Map { key: Some((key, _)), .. } => path = field(&path, key),
                Content::Map { key: None, .. } => {}
            }
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Scalar;

    fn one(text: &str) -> Node {
        let source = Source::new("f", text.as_bytes()).unwrap_or_else(|f| panic!("{f}"));
        read(&source).unwrap_or_else(|f| panic!("{f}")).documents.remove(0)
    }

    fn refused(text: &str) -> Problem {
        let source = Source::new("f", text.as_bytes()).unwrap_or_else(|f| panic!("{f}"));
        let findings = read(&source).err().unwrap();
        findings.iter().next().unwrap().problem.clone()
    }

    #[test]
    fn keys_and_values_know_their_places() {
        let root = one("a:\n  b: [x, 'yy']\n");
        let entry = root.entry("a").unwrap().value.entry("b").unwrap();
        assert_eq!(entry.at, At { line: 2, column: 3, width: 1 });
        let Value::List(items) = &entry.value.value else { panic!("a list") };
        assert_eq!(items[1].at, At { line: 2, column: 10, width: 4 });
    }

    #[test]
    fn aliases_are_resolved_where_they_stand() {
        let root = one("a: &x {b: 1}\nc: *x\n");
        let copy = &root.entry("c").unwrap().value;
        assert_eq!(copy.at.line, 2);
        assert_eq!(copy.at_path("b").unwrap().scalar(), Some(Scalar::Integer(1)));
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..30 {
            let before = format!("*a{}, ", level - 1).repeat(9);
            text.push_str(&format!("a{level}: &a{level} [{before}]\n"));
        }
        assert_eq!(refused(&text), Unreadable::TooMuch.into());
    }

    #[test]
    fn nesting_by_aliases_counts_as_nesting() {
        let mut text = "a0: &a0 [x]\n".to_owned();
        for level in 1..100 {
            text.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
        }
        assert_eq!(refused(&text), Unreadable::TooDeep.into());
        assert_eq!(refused(&"[".repeat(100_000)), Unreadable::TooDeep.into());
        assert_eq!(refused("a: &a [*a]\n"), Unreadable::SelfReference.into());
    }
}
