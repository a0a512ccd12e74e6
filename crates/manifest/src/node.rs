//! A document as a tree in which every key and value knows its place.

use crate::finding::{At, quoted, shortened};

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) at: At,
}

/// A value as it was written; what a plain one means is decided by [`Node::scalar`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Without quotes.
    Plain(String),
    /// In quotes, or a block.
    Quoted(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and its value. No key stands twice in a map.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) at: At,
    pub(crate) value: Node,
}

/// What a scalar means by the core schema of YAML 1.2 (section 10.3.2).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(&'a str),
}

impl Node {
    /// The scalar; `None` for a list or a map.
    pub(crate) fn scalar(&self) -> Option<Scalar<'_>> {
        match &self.value {
            Value::Plain(text) => Some(resolve(text)),
            Value::Quoted(text) => Some(Scalar::Text(text)),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Whether nothing was written.
    pub(crate) fn is_null(&self) -> bool {
        self.scalar() == Some(Scalar::Null)
    }

    /// The entries; a null counts as an empty map, as it does for Kubernetes.
    pub(crate) fn entries(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ if self.is_null() => Some(&[]),
            _ => None,
        }
    }

    /// The entry with this key.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries()?.iter().find(|entry| entry.key == key)
    }

    /// The node at a path of keys.
    pub(crate) fn at_path(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(self, |node, key| node.entry(key).map(|entry| &entry.value))
    }

    /// The value as it would be written, for messages.
    pub(crate) fn shown(&self) -> String {
        match (&self.value, self.scalar()) {
            (Value::List(_), _) => "a list".to_owned(),
            (Value::Map(_), _) => "a map".to_owned(),
            (_, Some(Scalar::Null)) => "nothing".to_owned(),
            (Value::Quoted(text), _) | (Value::Plain(text), Some(Scalar::Text(_))) => quoted(text),
            (Value::Plain(text), _) => shortened(text),
        }
    }

    /// The place of what lies at `path`; of the nearest part around it when it was not written.
    pub(crate) fn place(&self, path: &str) -> At {
        let mut node = self;
        for key in path.split('.') {
            match node.entry(key) {
                Some(entry) => node = &entry.value,
                None => break,
            }
        }
        node.at
    }
}

/// The meaning of a scalar without quotes.
fn resolve(text: &str) -> Scalar<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "true" | "True" | "TRUE" => return Scalar::Bool(true),
        "false" | "False" | "FALSE" => return Scalar::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        _ => {}
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let negative = text.starts_with('-');
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Scalar::Float(if negative { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    let based = |prefix: &str, base: u32| {
        let digits = text.strip_prefix(prefix)?;
        digits.starts_with(|c: char| c.is_digit(base)).then_some(())?;
        i128::from_str_radix(digits, base).ok()
    };
    if let Some(number) = based("0x", 16).or_else(|| based("0o", 8)) {
        return Scalar::Integer(number);
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return match text.parse() {
            Ok(number) => Scalar::Integer(number),
            Err(_) => Scalar::Float(text.parse().unwrap_or(f64::INFINITY)),
        };
    }
    let begins = unsigned.strip_prefix('.').unwrap_or(unsigned);
    let like_a_float = begins.starts_with(|c: char| c.is_ascii_digit())
        && unsigned.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    match text.parse() {
        Ok(number) if like_a_float => Scalar::Float(number),
        _ => Scalar::Text(text),
    }
}

/// The path of a field of what lies at `path`.
pub(crate) fn field(path: &str, key: &str) -> String {
    let simple = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '<');
    if key.is_empty() || !key.chars().all(simple) {
        return format!("{path}[{}]", quoted(key));
    }
    let key = shortened(key);
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// The path of an entry of the list at `path`.
pub(crate) fn item(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_yaml_1_2_says() {
        for (text, meaning) in [
            ("~", Scalar::Null),
            ("True", Scalar::Bool(true)),
            ("-12", Scalar::Integer(-12)),
            ("0x1F", Scalar::Integer(31)),
            ("1.10", Scalar::Float(1.1)),
            ("1e3", Scalar::Float(1_000.0)),
            ("-.inf", Scalar::Float(f64::NEG_INFINITY)),
            ("2.7.2", Scalar::Text("2.7.2")),
            ("yes", Scalar::Text("yes")),
            ("inf", Scalar::Text("inf")),
            ("0x-1", Scalar::Text("0x-1")),
            ("-", Scalar::Text("-")),
            ("1-2", Scalar::Text("1-2")),
        ] {
            assert_eq!(resolve(text), meaning, "{text}");
        }
    }
}
