//! Which fields of an object have other values than before.

use std::collections::BTreeSet;

use serde_json::Value;

/// What the API server keeps by itself, and what says how the object is rather than what it should
/// be.
const NOT_OURS: &[&str] = &[
    ".metadata.managedFields",
    ".metadata.resourceVersion",
    ".metadata.generation",
    ".metadata.creationTimestamp",
    ".metadata.uid",
    ".status",
];

/// A field that differs. Null stands for a field that is not there.
#[derive(Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where it is: `.spec.replicas`.
    pub path: String,
    /// Its value until now.
    pub before: Value,
    /// Its value from now on.
    pub after: Value,
}

/// All fields that differ.
pub(super) fn between(before: &Value, after: &Value) -> Vec<Difference> {
    let mut all = Vec::new();
    compare(String::new(), before, after, &mut all);
    all
}

/// The fields of `declared` that have another value in `before`: what applying it changes at least,
/// with no word from the API server about its defaults.
pub(super) fn of_declared(before: &Value, declared: &Value) -> Vec<Difference> {
    let mut all = between(before, declared);
    all.retain(|difference| !difference.after.is_null());
    all
}

fn compare(path: String, before: &Value, after: &Value, all: &mut Vec<Difference>) {
    if before == after || NOT_OURS.contains(&path.as_str()) {
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let path = format!("{path}{}", segment(key));
                compare(path, &before[key.as_str()], &after[key.as_str()], all);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (at, (old, new)) in old.iter().zip(new).enumerate() {
                compare(format!("{path}[{}]", name(new, at)), old, new, all);
            }
        }
        _ => all.push(Difference { path, before: before.clone(), after: after.clone() }),
    }
}

/// `.spec`, and `["app.kubernetes.io/name"]` where a dot would mislead.
fn segment(key: &str) -> String {
    if key.contains(['.', '/']) { format!("[{key:?}]") } else { format!(".{key}") }
}

/// Containers, ports and volumes have names, which say more than their places.
fn name(item: &Value, at: usize) -> String {
    item["name"].as_str().map_or_else(|| at.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(before: Value, after: Value, expected: &[&str]) {
        let all = between(&before, &after);
        let paths: Vec<_> = all.iter().map(|difference| difference.path.as_str()).collect();
        assert_eq!(paths, expected);
    }

    #[test]
    fn changed_added_and_removed_fields_are_named() {
        check(
            json!({"spec": {"replicas": 3, "gone": 1, "same": 1}}),
            json!({"spec": {"replicas": 5, "new": 1, "same": 1}}),
            &[".spec.gone", ".spec.new", ".spec.replicas"],
        );
    }

    #[test]
    fn what_is_not_there_is_null() {
        let all = between(&json!({"spec": {}}), &json!({"spec": {"new": 1}}));
        assert_eq!((&all[0].before, &all[0].after), (&Value::Null, &json!(1)));
    }

    #[test]
    fn containers_are_named_rather_than_counted() {
        let with = |image| json!({"spec": {"containers": [{"name": "server", "image": image}]}});
        check(with("a"), with("b"), &[".spec.containers[server].image"]);
    }

    #[test]
    fn what_is_not_declared_is_no_difference() {
        let before = json!({"spec": {"replicas": 3, "default": 1}});
        let all = of_declared(&before, &json!({"spec": {"replicas": 5}}));
        let paths: Vec<_> = all.iter().map(|difference| difference.path.as_str()).collect();
        assert_eq!(paths, [".spec.replicas"]);
    }

    #[test]
    fn keys_with_dots_are_quoted() {
        let with = |value| json!({"metadata": {"labels": {"app.kubernetes.io/name": value}}});
        check(with("a"), with("b"), &[".metadata.labels[\"app.kubernetes.io/name\"]"]);
    }

    #[test]
    fn what_the_server_keeps_is_no_difference() {
        let with = |n| {
            json!({"metadata": {"generation": n, "resourceVersion": n, "managedFields": [n]},
                "status": {"replicas": n}})
        };
        check(with(1), with(2), &[]);
    }
}
