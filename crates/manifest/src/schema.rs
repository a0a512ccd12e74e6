//! The shape of a `VaultCluster` as others read it: editors a JSON schema, Kubernetes a custom
//! resource definition.

use serde_json::{Map, Value as Json, json};

use crate::format::Format;
use crate::shape::{Integer, Kind, Object, Shape, Support, Text, of_cluster};
use crate::{API_VERSION, KIND};

/// The rules that a schema must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// JSON Schema, draft 2020-12.
    JsonSchema,
    /// A structural schema of Kubernetes: no `additionalProperties: false` and no `uniqueItems`
    /// beside named properties; what is unknown is refused by the API server's own validation.
    Structural,
}

/// The JSON schema of a `VaultCluster`, for editors. Fields of later versions are not in it.
pub fn schema() -> String {
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".to_owned(), KIND.into());
    schema.extend(published(of_cluster(), Dialect::JsonSchema));
    format!("{:#}\n", Json::Object(schema))
}

/// The custom resource definition of a `VaultCluster`, as YAML.
///
/// It has the fields that Kubernetes can use, and no defaults: an object stays what its author wrote, and Vaultyard fills in the same
/// defaults on every target.
pub fn crd() -> String {
    let (group, version) = API_VERSION.split_once('/').unwrap_or((API_VERSION, ""));
    let plural = format!("{}s", KIND.to_lowercase());
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{plural}.{group}"),
            // By this `up` knows that it may bring the definition up to date.
            "labels": {"app.kubernetes.io/managed-by": "vaultyard"},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": format!("{KIND}List"),
                "plural": plural,
                "singular": KIND.to_lowercase(),
                "shortNames": ["vc"],
                "categories": ["all"],
            },
            "versions": [{
                "name": version,
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": [
                    column("Phase", "string", 0, ".status.phase"),
                    column("Ready", "string", 0, r#".status.conditions[?(@.type=="Ready")].status"#),
                    column("Leader", "string", 0, r#".status.servers[?(@.role=="leader")].name"#),
                    // What runs, not what is asked for: a document need not name a version.
                    column("Version", "string", 0, r#".status.servers[?(@.role=="leader")].version"#),
                    column("Age", "date", 0, ".metadata.creationTimestamp"),
                    column("Reason", "string", 1, ".status.reason"),
                ],
                "schema": {"openAPIV3Schema": root(of_cluster())},
            }],
        },
    });
    let head = "# Generated from the types of crates/manifest; a test compares it.\n";
    // A JSON document is a YAML document, should the writer ever refuse one.
    let yaml = serde_saphyr::to_string(&definition).unwrap_or_else(|_| format!("{definition:#}\n"));
    format!("{head}{yaml}")
}

/// A column of `kubectl get`; one of another priority than 0 is shown by `-o wide` only.
fn column(name: &str, kind: &str, priority: u8, path: &str) -> Json {
    let mut column = json!({"name": name, "type": kind, "jsonPath": path});
    if priority > 0 {
        column["priority"] = priority.into();
    }
    column
}

/// The root of a structural schema: the head of an object belongs to the API server.
fn root(shape: &Shape) -> Json {
    let mut root = published(shape, Dialect::Structural);
    if let Some(Json::Object(properties)) = root.get_mut("properties") {
        let name = shape.object().and_then(|object| object.field("metadata"));
        let name = name.and_then(|metadata| metadata.shape.object()?.field("name"));
        let name = name.map(|field| Json::Object(form(&field.shape, Dialect::Structural)));
        properties.insert("apiVersion".to_owned(), json!({"type": "string"}));
        properties.insert("kind".to_owned(), json!({"type": "string"}));
        properties
            .insert("metadata".to_owned(), json!({"type": "object", "properties": {"name": name}}));
        properties.insert(
            "status".to_owned(),
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
        );
    }
    root.remove("required");
    Json::Object(root)
}

/// A field in a dialect.
fn published(shape: &Shape, dialect: Dialect) -> Map<String, Json> {
    let mut schema = Map::new();
    if !shape.about.is_empty() {
        schema.insert("description".to_owned(), description(shape).into());
    }
    schema.extend(match &shape.kind {
        Kind::Object(object) => fields(object, dialect),
        Kind::Map(entry) => entries([
            ("type", "object".into()),
            ("additionalProperties", published(entry, dialect).into()),
        ]),
        Kind::Free if dialect == Dialect::Structural => entries([
            ("type", "object".into()),
            ("x-kubernetes-preserve-unknown-fields", true.into()),
        ]),
        Kind::Free => entries([("type", "object".into())]),
        Kind::List { entry, unique } => list(entry, *unique, dialect),
        Kind::Text(_) | Kind::Integer(_) | Kind::Bool => form(shape, dialect),
    });
    let default = shape.default.as_ref().filter(|_| shape.object().is_none());
    if let (Some(default), Dialect::JsonSchema) = (default, dialect) {
        schema.insert("default".to_owned(), default.clone());
    }
    schema
}

/// What it is for, with what a schema cannot say.
fn description(shape: &Shape) -> String {
    let mut paragraphs = vec![shape.about.clone()];
    if let Some(default) = &shape.default_in_words {
        paragraphs.push(format!("Default: {default}."));
    }
    if let Kind::Text(Text { least: Some(least), most: Some(most), .. }) = &shape.kind {
        paragraphs.push(format!("From {least} to {most}."));
    }
    paragraphs.join("\n\n")
}

fn fields(object: &Object, dialect: Dialect) -> Map<String, Json> {
    let usable = object.fields.iter().filter(|field| field.shape.support != Support::Planned);
    let properties: Map<String, Json> =
        usable.map(|field| (field.name.clone(), published(&field.shape, dialect).into())).collect();
    let required = object.fields.iter().filter(|field| field.required);
    let required: Vec<Json> = required.map(|field| field.name.clone().into()).collect();
    let mut schema = entries([("type", "object".into())]);
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    if object.one_of {
        schema.insert("minProperties".to_owned(), 1.into());
        schema.insert("maxProperties".to_owned(), 1.into());
    }
    if !properties.is_empty() {
        schema.insert("properties".to_owned(), properties.into());
    }
    match dialect {
        Dialect::JsonSchema => {
            schema.insert("additionalProperties".to_owned(), false.into());
        }
        Dialect::Structural if !object.rules.is_empty() => {
            let rules = object.rules.iter();
            let rules: Vec<Json> = rules
                .map(|rule| json!({"rule": rule.expression, "message": rule.message}))
                .collect();
            schema.insert("x-kubernetes-validations".to_owned(), rules.into());
        }
        Dialect::Structural => {}
    }
    schema
}

fn list(entry: &Shape, unique: bool, dialect: Dialect) -> Map<String, Json> {
    let mut schema = entries([("type", "array".into())]);
    if entry.support == Support::Planned {
        schema.insert("maxItems".to_owned(), 0.into());
        schema.insert("items".to_owned(), json!({"type": "string"}));
        return schema;
    }
    schema.insert("items".to_owned(), published(entry, dialect).into());
    match dialect {
        Dialect::JsonSchema if unique => schema.insert("uniqueItems".to_owned(), true.into()),
        Dialect::Structural if unique => {
            schema.insert("x-kubernetes-list-type".to_owned(), "set".into())
        }
        _ => None,
    };
    schema
}

/// The type of a scalar and what bounds it.
fn form(shape: &Shape, dialect: Dialect) -> Map<String, Json> {
    match &shape.kind {
        Kind::Text(text) => form_of_text(text, dialect),
        Kind::Integer(Integer { among, least, most }) if among.is_empty() => entries([
            ("type", "integer".into()),
            ("minimum", (*least).into()),
            ("maximum", (*most).into()),
        ]),
        Kind::Integer(integer) => {
            entries([("type", "integer".into()), ("enum", integer.among.clone().into())])
        }
        _ => entries([("type", "boolean".into())]),
    }
}

fn form_of_text(text: &Text, dialect: Dialect) -> Map<String, Json> {
    let whole_numbers = text.format.is_some_and(Format::takes_whole_numbers);
    let mut schema = match dialect {
        // The pattern bounds texts alone; numbers are looked at by Vaultyard.
        Dialect::JsonSchema if whole_numbers => entries([("type", json!(["string", "integer"]))]),
        Dialect::Structural if whole_numbers => {
            entries([("x-kubernetes-int-or-string", true.into())])
        }
        _ => entries([("type", "string".into())]),
    };
    let usable = text.words.iter().filter(|word| word.support != Support::Planned);
    let words: Vec<Json> = usable.map(|word| word.word.clone().into()).collect();
    if !words.is_empty() {
        schema.insert("enum".to_owned(), words.into());
    }
    if let Some(pattern) = text.format.and_then(Format::pattern) {
        schema.insert("pattern".to_owned(), pattern.into());
    }
    if let Some(longest) = text.format.and_then(Format::longest) {
        schema.insert("maxLength".to_owned(), longest.into());
    }
    schema
}

fn entries<const N: usize>(entries: [(&str, Json); N]) -> Map<String, Json> {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
