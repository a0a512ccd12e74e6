//! The shape of a document: what its types say, in the form that checking, publishing and explaining
//! need. Distilled from the JSON schema of the types, so that nothing is described twice.

mod distil;

use std::sync::LazyLock;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value as Json;

use crate::document::VaultCluster;
use crate::finding::alternatives;
use crate::format::Format;

/// A field, or an entry of a list.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// What it is for: paragraphs, separated by empty lines.
    pub(crate) about: String,
    /// What it is when nothing is given.
    pub(crate) default: Option<Json>,
    /// The same in words, where it depends on other fields.
    pub(crate) default_in_words: Option<String>,
    /// Why values out of bounds are refused.
    pub(crate) why: Option<String>,
    /// What it counts as while it is missing or wrong, so that the rules between fields can be
    /// looked at all the same.
    pub(crate) stand_in: Option<Json>,
    /// Where it can be used.
    pub(crate) support: Support,
    /// What it holds.
    pub(crate) kind: Kind,
}

/// Where a field or a word can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Support {
    Everywhere,
    LocalOnly,
    KubernetesOnly,
    /// Nowhere yet.
    Planned,
}

/// What a field holds.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Object(Object),
    /// Free names, each with a value of one shape.
    Map(Box<Shape>),
    /// What only the server understands.
    Free,
    List {
        entry: Box<Shape>,
        unique: bool,
    },
    Text(Text),
    Integer(Integer),
    Bool,
}

/// Named fields.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) fields: Vec<Field>,
    /// Whether exactly one of the fields is given.
    pub(crate) one_of: bool,
    /// Rules between the fields, for the API server.
    pub(crate) rules: Vec<ServerRule>,
}

/// A rule in the Common Expression Language, as the API server evaluates it.
#[derive(Debug, Clone)]
pub(crate) struct ServerRule {
    pub(crate) expression: String,
    /// What is said when it does not hold.
    pub(crate) message: String,
}

/// A field of an object.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) required: bool,
    pub(crate) shape: Shape,
}

/// A text.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    /// The words that are allowed; empty when other texts are.
    pub(crate) words: Vec<Word>,
    pub(crate) format: Option<Format>,
    /// Bounds of what the text stands for, inclusive.
    pub(crate) least: Option<String>,
    pub(crate) most: Option<String>,
}

/// A word of a choice.
#[derive(Debug, Clone)]
pub(crate) struct Word {
    pub(crate) word: String,
    pub(crate) about: String,
    pub(crate) support: Support,
}

/// A whole number.
#[derive(Debug, Clone)]
pub(crate) struct Integer {
    pub(crate) least: i64,
    pub(crate) most: i64,
    /// When only some numbers are allowed.
    pub(crate) among: Vec<i64>,
}

impl Integer {
    pub(crate) fn allows(&self, number: i128) -> bool {
        let within = (i128::from(self.least)..=i128::from(self.most)).contains(&number);
        let listed = self.among.iter().any(|allowed| i128::from(*allowed) == number);
        within && (self.among.is_empty() || listed)
    }
}

impl Object {
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The names of the fields that can be used.
    pub(crate) fn usable(&self) -> Vec<String> {
        let usable = self.fields.iter().filter(|f| f.shape.support != Support::Planned);
        usable.map(|field| field.name.clone()).collect()
    }
}

/// The shape of a `VaultCluster`.
pub(crate) fn of_cluster() -> &'static Shape {
    static SHAPE: LazyLock<Shape> = LazyLock::new(of::<VaultCluster>);
    &SHAPE
}

fn of<T: JsonSchema>() -> Shape {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    Shape::distil(settings.into_generator().into_root_schema_for::<T>().as_value())
}

impl Shape {
    /// The object, when it is one.
    pub(crate) fn object(&self) -> Option<&Object> {
        match &self.kind {
            Kind::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Whether `nothing` stands for an empty one: `keys:` is the same as `keys: {}`.
    pub(crate) fn may_be_empty(&self) -> bool {
        matches!(self.kind, Kind::Object(_) | Kind::Map(_) | Kind::Free | Kind::List { .. })
    }

    /// What is allowed, in words.
    pub(crate) fn allowed(&self) -> String {
        match &self.kind {
            Kind::Object(object) if object.fields.is_empty() => "{}".to_owned(),
            Kind::Object(object) if object.one_of => match object.usable().as_slice() {
                [only] => format!("a map with the key {only}"),
                usable => format!("a map with exactly one of the keys {}", alternatives(usable)),
            },
            Kind::Object(object) => format!("a map with the keys {}", object.usable().join(", ")),
            Kind::Map(_) => "a map of names to texts".to_owned(),
            Kind::Free => "a map of settings".to_owned(),
            Kind::List { entry, .. } => format!("a list, each entry {}", entry.allowed()),
            Kind::Text(text) => text.allowed(),
            Kind::Integer(integer) => match integer.among.as_slice() {
                [] => format!("a whole number from {} to {}", integer.least, integer.most),
                among => alternatives(&among.iter().map(i64::to_string).collect::<Vec<_>>()),
            },
            Kind::Bool => "true or false".to_owned(),
        }
    }

    /// Every path to a field with this name, for one that was written in the wrong place.
    pub(crate) fn paths_to(&self, name: &str) -> Vec<String> {
        let fields = self.object().map_or(&[][..], |object| &object.fields);
        let mut paths = Vec::new();
        for field in fields {
            if field.name == name {
                paths.push(name.to_owned());
            }
            let below = field.shape.paths_to(name).into_iter();
            paths.extend(below.map(|path| format!("{}.{path}", field.name)));
        }
        paths
    }
}

impl Text {
    fn allowed(&self) -> String {
        let usable = self.words.iter().filter(|word| word.support != Support::Planned);
        let words: Vec<String> = usable.map(|word| format!("{:?}", word.word)).collect();
        if !words.is_empty() {
            return alternatives(&words);
        }
        let form = self.format.map_or("text", Format::described);
        match (&self.least, &self.most) {
            (Some(least), Some(most)) => format!("{form}, from {least} to {most}"),
            (Some(least), None) => format!("{form}, at least {least}"),
            (None, Some(most)) => format!("{form}, at most {most}"),
            (None, None) => form.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every field below `shape`, with its path.
    fn all(shape: &Shape, path: &str, found: &mut Vec<(String, Shape)>) {
        for field in shape.object().map_or(&[][..], |object| &object.fields) {
            let path = format!("{path}.{}", field.name);
            found.push((path.clone(), field.shape.clone()));
            all(&field.shape, &path, found);
        }
    }

    fn fields() -> Vec<(String, Shape)> {
        let mut found = Vec::new();
        all(of_cluster(), "", &mut found);
        found
    }

    /// Whether somebody must write the field, or chooses it among others.
    fn is_given(path: &str) -> bool {
        let mut shape = of_cluster();
        let mut given = false;
        for name in path.split('.').skip(1) {
            let object = shape.object().unwrap();
            let field = object.field(name).unwrap();
            given = field.required || object.one_of;
            shape = &field.shape;
        }
        given
    }

    #[test]
    fn every_field_is_described_in_whole_sentences() {
        for (path, shape) in fields() {
            assert!(shape.about.ends_with(['.']), "{path}: {:?}", shape.about);
        }
    }

    #[test]
    fn only_the_configuration_and_planned_fields_are_free() {
        for (path, shape) in fields() {
            let free = matches!(shape.kind, Kind::Free) && shape.support != Support::Planned;
            assert_eq!(free, path == ".spec.servers.configuration", "{path}");
        }
    }

    #[test]
    fn every_number_and_amount_has_bounds() {
        for (path, shape) in fields() {
            match &shape.kind {
                Kind::Integer(integer) => assert!(integer.most < i64::MAX, "{path}"),
                Kind::Text(Text { format: Some(format), least, most, .. }) => {
                    let bounded = matches!(
                        format,
                        Format::Duration | Format::Quantity | Format::Memory | Format::Cpu
                    );
                    for bound in [least, most] {
                        let measured = bound.as_ref().and_then(|text| format.measure(text));
                        assert_eq!(bounded, measured.is_some(), "{path}");
                    }
                }
                _ => {}
            }
        }
    }

    /// The paths of fields that must be given, or that are one of several to choose from.
    fn without_default(shape: &Shape, path: &str, found: &mut Vec<String>) {
        let Some(object) = shape.object() else { return };
        for field in &object.fields {
            let path = format!("{path}.{}", field.name);
            if field.required || object.one_of {
                found.push(path.clone());
            }
            without_default(&field.shape, &path, found);
        }
    }

    #[test]
    fn every_field_that_can_be_left_out_tells_its_default_or_has_none() {
        let mut exempt = Vec::new();
        without_default(of_cluster(), "", &mut exempt);
        let without: Vec<String> = fields()
            .into_iter()
            .filter(|(_, shape)| shape.support != Support::Planned)
            .filter(|(_, shape)| shape.default.is_none() && shape.default_in_words.is_none())
            .map(|(path, _)| path)
            .filter(|path| !is_given(path))
            .filter(|path| !exempt.contains(path))
            .collect();
        let expected = [
            ".metadata.namespace",
            ".metadata.labels",
            ".metadata.annotations",
            ".spec.servers.binary",
        ];
        assert_eq!(without, expected);
    }
}
