//! From the JSON schema of the document types to their shape. The extensions are listed in
//! `document.rs`.

use serde_json::{Map, Value as Json};

use super::{Field, Integer, Kind, Object, ServerRule, Shape, Support, Text, Word};
use crate::format::Format;

impl Shape {
    /// The shape that a schema without references describes. What it says in a way that no document
    /// type leads to counts as free; a test names the fields that may be so.
    pub(super) fn distil(schema: &Json) -> Self {
        let schema = without_null(schema);
        let text = |key: &str| schema.get(key).and_then(Json::as_str).map(str::to_owned);
        Self {
            about: paragraphs(&text("description").unwrap_or_default()),
            default: schema.get("default").filter(|default| !default.is_null()).cloned(),
            default_in_words: text("x-vaultyard-default"),
            why: text("x-vaultyard-why"),
            stand_in: schema.get("x-vaultyard-stand-in").cloned(),
            support: support(&schema),
            kind: kind(&schema),
        }
    }
}

/// The schema of an optional field without the null that serde would take: what is not given is left
/// out of a document.
fn without_null(schema: &Json) -> Map<String, Json> {
    let mut outer = schema.as_object().cloned().unwrap_or_default();
    if let Some(Json::Array(choices)) = outer.remove("anyOf") {
        let is_null = |choice: &Json| choice.get("type").is_some_and(|kind| kind == "null");
        let inner = choices.iter().find(|choice| !is_null(choice)).and_then(Json::as_object);
        for (key, value) in inner.into_iter().flatten() {
            outer.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    if let Some(Json::Array(kinds)) = outer.get("type") {
        let kind = kinds.iter().find(|kind| *kind != "null").cloned().unwrap_or_default();
        outer.insert("type".to_owned(), kind);
    }
    outer
}

fn support(schema: &Map<String, Json>) -> Support {
    match schema.get("x-vaultyard-support").and_then(Json::as_str) {
        Some("planned") => Support::Planned,
        Some("local") => Support::LocalOnly,
        Some("kubernetes") => Support::KubernetesOnly,
        _ => Support::Everywhere,
    }
}

fn kind(schema: &Map<String, Json>) -> Kind {
    let flag = |key: &str| schema.get(key) == Some(&Json::Bool(true));
    if flag("x-vaultyard-free") {
        return Kind::Free;
    }
    if let Some(Json::Array(choices)) = schema.get("oneOf") {
        let words = choices.iter().filter_map(|choice| word(choice.as_object()?)).collect();
        return Kind::Text(Text { words, format: None, least: None, most: None });
    }
    match schema.get("type").and_then(Json::as_str) {
        Some("object") => match schema.get("additionalProperties") {
            Some(entry @ Json::Object(_)) => Kind::Map(Box::new(Shape::distil(entry))),
            _ => Kind::Object(object(schema, flag("x-vaultyard-one-of"))),
        },
        Some("array") => {
            let entry =
                schema.get("items").map_or_else(|| Shape::distil(&Json::Null), Shape::distil);
            Kind::List { entry: Box::new(entry), unique: flag("uniqueItems") }
        }
        Some("string") => Kind::Text(text(schema)),
        Some("integer") => Kind::Integer(integer(schema)),
        Some("boolean") => Kind::Bool,
        _ => Kind::Free,
    }
}

fn object(schema: &Map<String, Json>, one_of: bool) -> Object {
    let is_required = |name: &String| {
        let required = schema.get("required").and_then(Json::as_array);
        required.is_some_and(|names| names.iter().any(|n| n.as_str() == Some(name)))
    };
    let properties = schema.get("properties").and_then(Json::as_object).into_iter().flatten();
    let fields = properties.map(|(name, property)| Field {
        name: name.clone(),
        required: is_required(name),
        shape: Shape::distil(property),
    });
    let rules = schema.get("x-vaultyard-rules").and_then(Json::as_array).into_iter().flatten();
    Object { fields: fields.collect(), one_of, rules: rules.filter_map(rule).collect() }
}

fn rule(pair: &Json) -> Option<ServerRule> {
    let text = |index: usize| pair.get(index)?.as_str().map(str::to_owned);
    Some(ServerRule { expression: text(0)?, message: text(1)? })
}

fn text(schema: &Map<String, Json>) -> Text {
    let bound = |key: &str| schema.get(key).and_then(Json::as_str).map(str::to_owned);
    let format = bound("x-vaultyard-format").and_then(|name| Format::named(&name));
    let listed = schema.get("enum").and_then(Json::as_array).into_iter().flatten();
    let listed =
        listed.filter_map(Json::as_str).chain(format.map(Format::words).into_iter().flatten());
    let plain = |word: &str| Word {
        word: word.to_owned(),
        about: String::new(),
        support: Support::Everywhere,
    };
    Text {
        words: listed.map(plain).collect(),
        format,
        least: bound("x-vaultyard-least"),
        most: bound("x-vaultyard-most"),
    }
}

fn integer(schema: &Map<String, Json>) -> Integer {
    let bound = |key: &str| schema.get(key).and_then(Json::as_i64);
    let among = schema.get("enum").and_then(Json::as_array).into_iter().flatten();
    Integer {
        least: bound("minimum").unwrap_or(i64::MIN),
        most: bound("maximum").unwrap_or(i64::MAX),
        among: among.filter_map(Json::as_i64).collect(),
    }
}

fn word(choice: &Map<String, Json>) -> Option<Word> {
    let about = choice.get("description").and_then(Json::as_str).unwrap_or_default();
    let word = choice.get("const")?.as_str()?.to_owned();
    Some(Word { word, about: paragraphs(about), support: support(choice) })
}

/// Each paragraph on one line.
fn paragraphs(text: &str) -> String {
    let joined = text.split("\n\n").map(|p| p.split_whitespace().collect::<Vec<_>>().join(" "));
    joined.collect::<Vec<_>>().join("\n\n")
}
