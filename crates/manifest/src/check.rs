//! Whether a document has the shape it should have. Looks at every part, whatever is wrong with the
//! others, and hands on the parts that are right.

mod plain;

use std::collections::HashMap;

use serde_json::{Map, Number, Value as Json};

use self::plain::{ambiguity, quotes_hint};
use crate::Target;
use crate::document::VaultCluster;
use crate::finding::{Problem, shortened};
use crate::format::Format;
use crate::nearest::{did_you_mean, nearest};
use crate::node::{Entry, Node, Scalar, Value, field, item};
use crate::report::Report;
use crate::shape::{Field, Integer, Kind, Object, Shape, Support, Text, of_cluster};

/// Reads the document. Fields that are wrong are left out, so that their defaults stand for them;
/// required ones have their stand-in. `None` when nothing can be made of it.
pub(crate) fn check(root: &Node, target: Target, report: &mut Report<'_>) -> Option<VaultCluster> {
    let mut check = Check { target, report };
    let values = check.read(of_cluster(), root, "")?;
    match serde_json::from_value(values) {
        Ok(document) => Some(document),
        Err(error) => {
            // The shape comes from the same types, so this is a fault of ours; still no panic.
            let finding = report.add(root.at, "", Problem::WrongValue);
            finding.found = Some("a document that cannot be read".to_owned());
            finding.hint = Some(error.to_string());
            None
        }
    }
}

struct Check<'r, 's> {
    target: Target,
    report: &'r mut Report<'s>,
}

impl Check<'_, '_> {
    fn read(&mut self, shape: &Shape, node: &Node, path: &str) -> Option<Json> {
        if let Some(ambiguity) = ambiguity(node) {
            let advice = ambiguity.advice(&shape.kind);
            let finding = self.wrong(shape, node, path);
            finding.found = Some(ambiguity.text);
            finding.hint = Some(advice);
            return None;
        }
        match &shape.kind {
            Kind::Object(object) => self.object(shape, object, node, path),
            Kind::Map(entry) => self.map(shape, entry, node, path),
            Kind::Free => match node.entries() {
                Some([]) => Some(Json::Object(Map::new())),
                Some(_) => self.free(node, path),
                None => self.refuse(shape, node, path),
            },
            Kind::List { entry, unique } => self.list(shape, entry, *unique, node, path),
            Kind::Text(text) => self.text(shape, text, node, path),
            Kind::Integer(integer) => self.integer(shape, integer, node, path),
            Kind::Bool => match node.scalar() {
                Some(Scalar::Bool(value)) => Some(Json::Bool(value)),
                _ => self.refuse(shape, node, path),
            },
        }
    }

    fn object(&mut self, shape: &Shape, object: &Object, node: &Node, path: &str) -> Option<Json> {
        let Some(entries) = node.entries() else {
            return self.refuse(shape, node, path);
        };
        let mut values = Map::new();
        let mut known: Vec<&Entry> = Vec::new();
        let mut meant: Vec<&str> = Vec::new();
        for entry in entries {
            match object.field(&entry.key) {
                Some(field) => {
                    known.push(entry);
                    let value = self.field(field, entry, path);
                    values.extend(value.map(|value| (field.name.clone(), value)));
                }
                None => meant.extend(self.unknown(object, entry, path)),
            }
        }
        for required in object.fields.iter().filter(|field| field.required) {
            if node.entry(&required.name).is_none() && !meant.contains(&required.name.as_str()) {
                self.missing(required, node, path);
            }
            if let (None, Some(stand_in)) = (values.get(&required.name), &required.shape.stand_in) {
                values.insert(required.name.clone(), stand_in.clone());
            }
        }
        if object.one_of {
            self.one_of(shape, node, &known, path);
        }
        Some(Json::Object(values))
    }

    /// The value of a field that exists.
    fn field(&mut self, of: &Field, entry: &Entry, path: &str) -> Option<Json> {
        let path = field(path, &entry.key);
        if !self.is_supported(of.shape.support) {
            let problem = self.not_supported();
            let finding = self.report.add(entry.at, &path, problem);
            finding.found = Some(entry.key.clone());
            finding.hint = meant_for(of.shape.support);
            return None;
        }
        if entry.value.is_null() && !of.shape.may_be_empty() {
            let finding = self.report.add(entry.at, &path, Problem::WrongValue);
            finding.found = Some("nothing".to_owned());
            finding.allowed = Some(of.shape.allowed());
            finding.hint = Some("write a value, or leave the key out".to_owned());
            return None;
        }
        self.read(&of.shape, &entry.value, &path)
    }

    fn missing(&mut self, required: &Field, node: &Node, path: &str) {
        let path = field(path, &required.name);
        let finding = self.report.add(node.at, &path, Problem::Missing);
        finding.allowed = Some(required.shape.allowed());
    }

    /// Exactly one of the fields must be given. That none is, is said only when nothing else is wrong
    /// with what was written.
    fn one_of(&mut self, shape: &Shape, node: &Node, known: &[&Entry], path: &str) {
        if let [first, others @ ..] = known {
            for other in others {
                let problem = Problem::Excludes { other: first.key.clone(), line: first.at.line };
                let finding = self.report.add(other.at, &field(path, &other.key), problem);
                finding.hint = Some("keep one of them".to_owned());
            }
        } else if !self.report.is_faulty_within(path) {
            let finding = self.report.add(node.at, path, Problem::WrongValue);
            finding.found = Some(if node.is_null() { "nothing" } else { "{}" }.to_owned());
            finding.allowed = Some(shape.allowed());
            let has_default = shape.default.is_some();
            let hint =
                if has_default { "leave the field out to have its default" } else { "give one" };
            finding.hint = Some(hint.to_owned());
        }
    }

    /// A field that does not exist. Tells which one was meant.
    fn unknown<'o>(&mut self, object: &'o Object, entry: &Entry, path: &str) -> Option<&'o str> {
        let meant = nearest(&entry.key, object.fields.iter().map(|field| field.name.as_str()));
        let elsewhere = || {
            let paths = of_cluster().paths_to(&entry.key);
            paths.first().map(|path| format!("{:?} belongs at {path}", entry.key))
        };
        let hint = meant.map(|meant| format!("did you mean {meant:?}?")).or_else(elsewhere);
        let finding = self.report.add(entry.at, &field(path, &entry.key), Problem::UnknownField);
        finding.found = Some(shortened(&entry.key));
        finding.allowed = Some(match object.usable() {
            usable if usable.is_empty() => "no fields".to_owned(),
            usable => usable.join(", "),
        });
        finding.hint = hint;
        meant
    }

    fn map(&mut self, shape: &Shape, of: &Shape, node: &Node, path: &str) -> Option<Json> {
        let Some(entries) = node.entries() else {
            return self.refuse(shape, node, path);
        };
        let mut values = Map::new();
        for entry in entries {
            let value = self.read(of, &entry.value, &field(path, &entry.key));
            values.extend(value.map(|value| (entry.key.clone(), value)));
        }
        Some(Json::Object(values))
    }

    fn list(
        &mut self,
        shape: &Shape,
        of: &Shape,
        unique: bool,
        node: &Node,
        path: &str,
    ) -> Option<Json> {
        let nodes = match &node.value {
            Value::List(nodes) => nodes.as_slice(),
            _ if node.is_null() => &[],
            _ => return self.refuse(shape, node, path),
        };
        let mut lines: HashMap<String, usize> = HashMap::new();
        let mut values = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            let path = item(path, index);
            if !self.is_supported(of.support) {
                let problem = self.not_supported();
                self.report.add(node.at, &path, problem).found = Some(node.shown());
                continue;
            }
            let Some(value) = self.read(of, node, &path) else {
                continue;
            };
            if let Some(first) = lines.get(&value.to_string()).filter(|_| unique) {
                let problem = Problem::GivenTwice { first: *first };
                self.report.add(node.at, &path, problem).found = Some(node.shown());
            } else {
                lines.insert(value.to_string(), node.at.line);
                values.push(value);
            }
        }
        Some(Json::Array(values))
    }

    fn text(&mut self, shape: &Shape, text: &Text, node: &Node, path: &str) -> Option<Json> {
        let written = match (node.scalar(), &node.value) {
            (Some(Scalar::Text(written)), _) => written,
            (Some(Scalar::Integer(_)), Value::Plain(plain))
                if text.format.is_some_and(Format::takes_whole_numbers) =>
            {
                plain
            }
            (Some(scalar), Value::Plain(plain)) => {
                self.wrong(shape, node, path).hint = quotes_hint(text, scalar, plain);
                return None;
            }
            _ => return self.refuse(shape, node, path),
        };
        if let Some(word) = text.words.iter().find(|word| word.word == written) {
            if !self.is_supported(word.support) {
                let problem = self.not_supported();
                let finding = self.report.add(node.at, path, problem);
                finding.found = Some(written.to_owned());
                finding.hint = meant_for(word.support);
                // What is allowed here and what elsewhere would stand side by side.
                finding.allowed = finding.hint.is_none().then(|| shape.allowed());
                return None;
            }
        } else if !text.words.is_empty() {
            let usable = text.words.iter().filter(|word| word.support != Support::Planned);
            let words: Vec<&str> = usable.map(|word| word.word.as_str()).collect();
            // A single word stands in the message already.
            let several = words.len() > 1;
            let hint = did_you_mean(written, words).filter(|_| several);
            self.wrong(shape, node, path).hint = hint;
            return None;
        } else if let Some(format) = text.format {
            let wrong = match format.check(written) {
                Err(detail) => Some(detail),
                Ok(()) => (!within(text, written)).then(|| shape.why.clone()),
            };
            if let Some(hint) = wrong {
                self.wrong(shape, node, path).hint = hint;
                return None;
            }
        }
        Some(Json::String(written.to_owned()))
    }

    fn integer(&mut self, shape: &Shape, of: &Integer, node: &Node, path: &str) -> Option<Json> {
        match node.scalar() {
            Some(Scalar::Integer(number)) if of.allows(number) => {
                i64::try_from(number).ok().map(Json::from)
            }
            Some(Scalar::Integer(_)) => {
                self.wrong(shape, node, path).hint = shape.why.clone();
                None
            }
            Some(Scalar::Text(text)) if text.parse().is_ok_and(|number| of.allows(number)) => {
                self.wrong(shape, node, path).hint = Some("write it without quotes".to_owned());
                None
            }
            _ => self.refuse(shape, node, path),
        }
    }

    /// A value that is handed to the server: anything that JSON can hold.
    fn free(&mut self, node: &Node, path: &str) -> Option<Json> {
        if let Some(ambiguity) = ambiguity(node) {
            let finding = self.report.add(node.at, path, Problem::WrongValue);
            finding.hint = Some(ambiguity.advice(&Kind::Free));
            finding.found = Some(ambiguity.text);
            return None;
        }
        match (&node.value, node.scalar()) {
            (Value::Map(entries), _) => {
                let mut values = Map::new();
                for entry in entries {
                    let value = self.free(&entry.value, &field(path, &entry.key));
                    values.extend(value.map(|value| (entry.key.clone(), value)));
                }
                Some(Json::Object(values))
            }
            (Value::List(nodes), _) => {
                let nodes = nodes.iter().enumerate();
                let values = nodes.filter_map(|(index, n)| self.free(n, &item(path, index)));
                Some(Json::Array(values.collect()))
            }
            (_, Some(scalar)) => {
                let value = json(scalar);
                if value.is_none() {
                    let finding = self.report.add(node.at, path, Problem::WrongValue);
                    finding.found = Some(node.shown());
                    finding.allowed = Some("a finite number of at most 64 bits".to_owned());
                }
                value
            }
            (Value::Plain(_) | Value::Quoted(_), None) => None,
        }
    }

    fn is_supported(&self, support: Support) -> bool {
        match support {
            Support::Everywhere => true,
            Support::LocalOnly => self.target == Target::Local,
            Support::KubernetesOnly => self.target == Target::Kubernetes,
            Support::Planned => false,
        }
    }

    fn not_supported(&self) -> Problem {
        Problem::NotSupported { target: self.target }
    }

    /// A finding for a value that is not allowed.
    fn wrong(&mut self, shape: &Shape, node: &Node, path: &str) -> &mut crate::Finding {
        let finding = self.report.add(node.at, path, Problem::WrongValue);
        finding.found = Some(node.shown());
        finding.allowed = Some(shape.allowed());
        finding
    }

    /// The same, when no more can be said.
    fn refuse(&mut self, shape: &Shape, node: &Node, path: &str) -> Option<Json> {
        let hint = match (&shape.kind, &node.value) {
            (Kind::List { .. }, Value::Plain(text) | Value::Quoted(text)) => {
                Some(format!("write it as a list: [{}]", shortened(text)))
            }
            _ => None,
        };
        self.wrong(shape, node, path).hint = hint;
        None
    }
}

/// Whether a text lies within the bounds of its field.
fn within(text: &Text, written: &str) -> bool {
    let measure = |written: &str| text.format.and_then(|format| format.measure(written));
    let bound = |bound: &Option<String>| bound.as_deref().and_then(measure);
    let Some(size) = measure(written) else {
        return true;
    };
    bound(&text.least).is_none_or(|least| size >= least)
        && bound(&text.most).is_none_or(|most| size <= most)
}

/// A scalar as JSON, when JSON can hold it.
fn json(scalar: Scalar<'_>) -> Option<Json> {
    match scalar {
        Scalar::Null => Some(Json::Null),
        Scalar::Bool(value) => Some(Json::Bool(value)),
        Scalar::Integer(number) => i64::try_from(number).ok().map(Json::from),
        Scalar::Float(number) => Number::from_f64(number).map(Json::Number),
        Scalar::Text(text) => Some(Json::String(text.to_owned())),
    }
}

/// Where something is supported that is not everywhere.
fn meant_for(support: Support) -> Option<String> {
    match support {
        Support::LocalOnly => Some("it is for target local".to_owned()),
        Support::KubernetesOnly => Some("it is for target kubernetes".to_owned()),
        Support::Everywhere | Support::Planned => None,
    }
}
