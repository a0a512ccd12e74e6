//! What every field is for, for people at a terminal.

use std::fmt;

use serde_json::Value as Json;

use crate::nearest::did_you_mean;
use crate::shape::{self, Kind, Object, Shape, Support, of_cluster};
use crate::{API_VERSION, KIND};

/// The width of a line of text, in characters.
const WIDTH: usize = 80;

/// Everything there is to say about a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The path without brackets: `spec.servers.zones`; empty for the document itself.
    pub path: String,
    /// `integer`, `string`, `boolean`, `Object`, `[]string`, ...
    pub kind: String,
    /// Whether it must be given.
    pub required: bool,
    /// What it is when it is not given.
    pub default: Option<String>,
    /// Which values are allowed, and why others are not.
    pub allowed: Option<String>,
    /// Why values out of bounds are refused.
    pub why: Option<String>,
    /// Where it can be used, when that is not everywhere.
    pub support: Option<&'static str>,
    /// Paragraphs, separated by empty lines.
    pub description: String,
    /// The fields or words within it.
    pub fields: Vec<Field>,
}

/// A field of what is explained, or a word that may stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type; empty for a word.
    pub kind: String,
    /// Whether it must be given.
    pub required: bool,
    /// Where it can be used, when that is not everywhere.
    pub support: Option<&'static str>,
    /// The first sentence about it.
    pub summary: String,
}

/// A path that leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no field {path:?}: {parent} has no {name:?}")]
pub struct UnknownPath {
    /// The path that was asked for.
    pub path: String,
    /// How far it leads.
    pub parent: String,
    /// The part that is not there.
    pub name: String,
    /// What to do.
    pub hint: String,
}

/// Explains the field at `path`: `spec.keys`, `vaultcluster.spec.keys`, or nothing for the document.
///
/// # Errors
/// [`UnknownPath`] with the nearest right word.
pub fn explain(path: &str) -> Result<Explanation, UnknownPath> {
    let mut place = Place { path: String::new(), shape: of_cluster(), required: false };
    for name in names(path) {
        place = place.step(path, name)?;
    }
    let Place { path, shape, required } = place;
    let (default, allowed) = (default(shape), allowed(shape));
    Ok(Explanation {
        path,
        kind: kind(shape),
        required,
        default,
        allowed,
        why: shape.why.clone(),
        support: support(shape.support),
        description: shape.about.clone(),
        fields: fields(shape),
    })
}

/// Every field at and below `path`, one a line, with its type and default.
///
/// # Errors
/// [`UnknownPath`] with the nearest right word.
pub fn outline(path: &str) -> Result<String, UnknownPath> {
    let mut place = Place { path: String::new(), shape: of_cluster(), required: false };
    for name in names(path) {
        place = place.step(path, name)?;
    }
    let mut lines = Vec::new();
    outline_of(place.shape, 0, &mut lines);
    let width = lines.iter().map(|(field, _)| field.chars().count()).max().unwrap_or_default();
    let line = |(field, about): &(String, String)| {
        format!("{field:width$}  {about}").trim_end().to_owned() + "\n"
    };
    Ok(lines.iter().map(line).collect())
}

fn outline_of(shape: &Shape, depth: usize, lines: &mut Vec<(String, String)>) {
    for field in shape.object().map_or(&[][..], |object| &object.fields) {
        let name = format!("{}{}", "  ".repeat(depth), field.name);
        let about = match (support(field.shape.support), default(&field.shape)) {
            (Some("not supported by this version"), _) => {
                "(not supported by this version)".to_owned()
            }
            (_, Some(default)) => format!("<{}> = {default}", kind(&field.shape)),
            _ if field.required => format!("<{}> required", kind(&field.shape)),
            _ => format!("<{}>", kind(&field.shape)),
        };
        lines.push((name, about));
        outline_of(&field.shape, depth + 1, lines);
    }
}

/// How far a path was followed.
struct Place {
    path: String,
    shape: &'static Shape,
    required: bool,
}

impl Place {
    fn step(self, whole: &str, name: &str) -> Result<Self, UnknownPath> {
        let path = match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        if let Some(field) = self.shape.object().and_then(|object| object.field(name)) {
            return Ok(Self { path, shape: &field.shape, required: field.required });
        }
        let known = self.shape.object().map_or(&[][..], |object| &object.fields);
        let names = known.iter().map(|field| field.name.as_str());
        let parent = if self.path.is_empty() { KIND.to_owned() } else { self.path };
        Err(UnknownPath {
            path: whole.to_owned(),
            name: name.to_owned(),
            hint: did_you_mean(name, names).unwrap_or_else(|| elsewhere(name, &parent, known)),
            parent,
        })
    }
}

/// What to do about a name that is near none of the fields.
fn elsewhere(name: &str, parent: &str, known: &[shape::Field]) -> String {
    match (of_cluster().paths_to(name).first(), known) {
        (Some(path), _) => format!("there is {path}"),
        (None, []) => format!("{parent} has no fields"),
        (None, fields) => {
            let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            format!("it has {}", names.join(", "))
        }
    }
}

/// The names in a path, without the kind at its head and without brackets.
fn names(path: &str) -> impl Iterator<Item = &str> {
    let without_brackets = |name: &str| name.find('[').unwrap_or(name.len());
    let names = path.split('.').map(move |name| &name[..without_brackets(name)]);
    let mut names = names.filter(|name| !name.is_empty()).peekable();
    let heads = [KIND, "vaultclusters", "vc"];
    names.next_if(|name| heads.iter().any(|head| head.eq_ignore_ascii_case(name)));
    names
}

fn support(support: Support) -> Option<&'static str> {
    match support {
        Support::Everywhere => None,
        Support::LocalOnly => Some("on target local only"),
        Support::KubernetesOnly => Some("on target kubernetes only"),
        Support::Planned => Some("not supported by this version"),
    }
}

fn kind(shape: &Shape) -> String {
    match &shape.kind {
        Kind::Object(_) | Kind::Free => "Object".to_owned(),
        Kind::Map(entry) => format!("map[string]{}", kind(entry)),
        Kind::List { entry, .. } if entry.support == Support::Planned => "[]string".to_owned(),
        Kind::List { entry, .. } => format!("[]{}", kind(entry)),
        Kind::Text(_) => "string".to_owned(),
        Kind::Integer(_) => "integer".to_owned(),
        Kind::Bool => "boolean".to_owned(),
    }
}

/// The default as it would be written; of a choice of fields, the one that is taken.
fn default(shape: &Shape) -> Option<String> {
    if let Some(words) = &shape.default_in_words {
        return Some(words.clone());
    }
    match (&shape.kind, shape.default.as_ref()?) {
        (Kind::Object(Object { one_of: true, .. }), Json::Object(taken)) => {
            taken.keys().next().cloned()
        }
        (Kind::Object(_), _) => None,
        (_, Json::String(text)) => Some(text.clone()),
        (_, other) => Some(other.to_string()),
    }
}

fn allowed(shape: &Shape) -> Option<String> {
    match &shape.kind {
        Kind::Object(Object { one_of: true, .. }) => Some("exactly one of the fields".to_owned()),
        Kind::List { entry, .. } if entry.support == Support::Planned => {
            Some("an empty list; entries are not supported by this version".to_owned())
        }
        Kind::Object(_) | Kind::Map(_) | Kind::Free | Kind::Bool => None,
        Kind::Text(shape::Text { words, format: None, .. }) if words.is_empty() => None,
        _ => Some(shape.allowed()),
    }
}

fn fields(shape: &Shape) -> Vec<Field> {
    let of_field = |field: &shape::Field| Field {
        name: field.name.clone(),
        kind: kind(&field.shape),
        required: field.required,
        support: support(field.shape.support),
        summary: first_sentence(&field.shape.about),
    };
    let of_word = |word: &shape::Word| Field {
        name: word.word.clone(),
        kind: String::new(),
        required: false,
        support: support(word.support),
        summary: first_sentence(&word.about),
    };
    match &shape.kind {
        Kind::Object(object) => object.fields.iter().map(of_field).collect(),
        Kind::Text(text) => {
            text.words.iter().filter(|word| !word.about.is_empty()).map(of_word).collect()
        }
        _ => Vec::new(),
    }
}

fn first_sentence(text: &str) -> String {
    let end = text.find(". ").or_else(|| text.find("\n")).map_or(text.len(), |end| end + 1);
    text[..end].trim_end().to_owned()
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "KIND:     {KIND}")?;
        writeln!(f, "VERSION:  {API_VERSION}")?;
        if !self.path.is_empty() {
            let required = if self.required { " required" } else { "" };
            writeln!(f, "FIELD:    {} <{}>{required}", self.path, self.kind)?;
        }
        for (head, text) in [
            ("DEFAULT:  ", self.default.as_deref()),
            ("ALLOWED:  ", self.allowed.as_deref()),
            ("BECAUSE:  ", self.why.as_deref()),
            ("SUPPORT:  ", self.support),
        ] {
            if let Some(text) = text {
                writeln!(f, "{}", wrapped(text, head, "          "))?;
            }
        }
        writeln!(f, "\nDESCRIPTION:")?;
        for (index, paragraph) in self.description.split("\n\n").enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            writeln!(f, "{gap}{}", wrapped(paragraph, "    ", "    "))?;
        }
        if !self.fields.is_empty() {
            let head = if self.kind == "Object" { "FIELDS" } else { "VALUES" };
            writeln!(f, "\n{head}:")?;
        }
        self.fields.iter().try_for_each(|field| write!(f, "{field}"))
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}", self.name)?;
        if !self.kind.is_empty() {
            write!(f, " <{}>", self.kind)?;
        }
        if self.required {
            f.write_str(" required")?;
        }
        if let Some(support) = self.support {
            write!(f, " ({support})")?;
        }
        writeln!(f, "\n{}", wrapped(&self.summary, "      ", "      "))
    }
}

/// The text in lines of at most [`WIDTH`] characters, the first behind `first`, the others behind
/// `others`. A word that is longer has a line of its own.
fn wrapped(text: &str, first: &str, others: &str) -> String {
    let mut lines = vec![first.to_owned()];
    let mut begun = false;
    for word in text.split_whitespace() {
        let length = lines.last().map_or(0, |line| line.chars().count());
        if begun && length + 1 + word.chars().count() > WIDTH {
            lines.push(others.to_owned());
            begun = false;
        }
        if let Some(line) = lines.last_mut() {
            if begun {
                line.push(' ');
            }
            line.push_str(word);
        }
        begun = true;
    }
    lines.join("\n")
}
