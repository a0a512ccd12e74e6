//! What plain scalars mean to YAML and to `kubectl`, where that is not what a person means.

use crate::finding::{quoted, shortened};
use crate::format::Format;
use crate::node::{Node, Scalar, Value};
use crate::shape::{Kind, Text};

/// What to do about a number or a truth value where a text is wanted.
pub(super) fn quotes_hint(text: &Text, scalar: Scalar<'_>, plain: &str) -> Option<String> {
    if !text.words.is_empty() {
        return None;
    }
    let shown = shortened(plain);
    let meaning = match scalar {
        Scalar::Integer(number) if number.to_string() != plain => format!("the number {number}"),
        Scalar::Float(number) if number.to_string() != plain => format!("the number {number}"),
        Scalar::Integer(_) | Scalar::Float(_) => "a number".to_owned(),
        Scalar::Bool(_) => "a truth value".to_owned(),
        Scalar::Null | Scalar::Text(_) => return None,
    };
    let right = match text.format {
        Some(Format::Duration) => "write it with a unit, such as 30s or 720h".to_owned(),
        Some(format) if format.check(plain).is_err() => {
            format!("write it in quotes, such as {:?}", format.example())
        }
        _ => format!("write it in quotes: {}", quoted(plain)),
    };
    Some(format!("YAML reads {shown} as {}; {right}", shortened(&meaning)))
}

/// A plain scalar that readers of YAML 1.1, `kubectl` among them, take for something else than
/// readers of YAML 1.2.
pub(super) struct Ambiguity {
    /// As it was written.
    pub(super) text: String,
    /// What it is to readers of YAML 1.1.
    meaning: &'static str,
}

impl Ambiguity {
    /// What to write where `wanted` is expected.
    pub(super) fn advice(&self, wanted: &Kind) -> String {
        let Self { text, meaning } = self;
        let octal = *meaning == OCTAL;
        let right = match wanted {
            Kind::Bool if !octal => (*meaning).to_owned(),
            Kind::Integer(_) if octal => "it without the leading zero".to_owned(),
            Kind::Text(_) => format!("it in quotes: \"{text}\""),
            _ if octal => format!("it without the leading zero, or in quotes: \"{text}\""),
            _ => format!("{meaning}, or \"{text}\" in quotes"),
        };
        format!("kubectl reads {text} as {meaning}; write {right}")
    }
}

const OCTAL: &str = "an octal number";

pub(super) fn ambiguity(node: &Node) -> Option<Ambiguity> {
    let Value::Plain(text) = &node.value else {
        return None;
    };
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let meaning = match text.to_ascii_lowercase().as_str() {
        "yes" | "on" => "true",
        "no" | "off" => "false",
        _ if unsigned.len() < 2 || !unsigned.starts_with('0') => return None,
        _ if unsigned.bytes().all(|b| b.is_ascii_digit()) => OCTAL,
        _ => return None,
    };
    Some(Ambiguity { text: shortened(text), meaning })
}
