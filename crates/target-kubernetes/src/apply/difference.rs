//! Which fields of an object have other values than before. Values are never shown: they may be
//! secret.

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

/// The paths of all fields that differ.
pub(super) fn between(before: &Value, after: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    compare(String::new(), before, after, &mut paths);
    paths
}

fn compare(path: String, before: &Value, after: &Value, paths: &mut Vec<String>) {
    if before == after || NOT_OURS.contains(&path.as_str()) {
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let path = format!("{path}{}", segment(key));
                compare(path, &before[key.as_str()], &after[key.as_str()], paths);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (at, (old, new)) in old.iter().zip(new).enumerate() {
                compare(format!("{path}[{}]", name(new, at)), old, new, paths);
            }
        }
        _ => paths.push(path),
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
        assert_eq!(between(&before, &after), expected);
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
    fn containers_are_named_rather_than_counted() {
        let with = |image| json!({"spec": {"containers": [{"name": "server", "image": image}]}});
        check(with("a"), with("b"), &[".spec.containers[server].image"]);
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
