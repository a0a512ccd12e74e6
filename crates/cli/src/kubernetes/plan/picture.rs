//! A proposal for eyes, in the signs that people know from terraform.

use std::fmt::Write;

use serde_json::Value;

use super::proposal::{Action, Change, Field, Proposal};

/// The longest that a value is shown; JSON has all of it.
const VALUE: usize = 60;

/// All of it.
pub(in crate::kubernetes) fn of(proposal: &Proposal) -> String {
    let Proposal { changes, unchanged, consequences, notes, under_way, .. } = proposal;
    let mut text = String::new();
    for change in changes {
        text += &one(change);
    }
    // Writing to a text cannot fail.
    if !changes.is_empty() {
        text.push('\n');
    }
    for note in notes.iter().chain(under_way) {
        let _ = writeln!(text, "Note: {note}");
    }
    let count = |action| proposal.count(action);
    let _ = match changes.as_slice() {
        [] => writeln!(text, "No changes: all {unchanged} objects are as the document says."),
        _ => writeln!(
            text,
            "Plan: {} to create, {} to change, {} to delete, {} as they are.",
            count(Action::Create),
            count(Action::Update) + count(Action::Unknown),
            count(Action::Delete),
            unchanged
        ),
    };
    for consequence in consequences {
        let _ = writeln!(text, "  {:<11} {}", consequence.of, consequence.what);
    }
    text
}

fn one(change: &Change) -> String {
    let Change { action, kind, namespace, name, fields, reason, .. } = change;
    let sign = match action {
        Action::Create => '+',
        Action::Update => '~',
        Action::Delete => '-',
        Action::Unknown => '?',
    };
    let place = namespace.as_ref().map(|namespace| format!(" in {namespace}")).unwrap_or_default();
    let reason = reason.as_ref().map(|reason| format!("  ({reason})")).unwrap_or_default();
    let mut text = format!("{sign} {kind} {name}{place}{reason}\n");
    for Field { path, before, after } in fields {
        let _ = writeln!(text, "    {path}: {} → {}", value(before), value(after));
    }
    text
}

/// A value in one line, cut where it is long.
fn value(value: &Value) -> String {
    let text = match value {
        Value::Null => return "(none)".to_owned(),
        other => other.to_string(),
    };
    let length = text.chars().count();
    if length <= VALUE {
        return text;
    }
    let kept: String = text.chars().take(VALUE).collect();
    format!("{kept}… ({length} characters)")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultyard_target_kubernetes::apply::Difference;
    use vaultyard_target_kubernetes::{Kind, Reference};

    use super::*;
    use crate::document;

    fn proposal(changes: Vec<Option<Change>>) -> Proposal {
        let Ok(document) = document::built_in(vaultyard_manifest::Target::Kubernetes) else {
            panic!("the built-in document is refused");
        };
        Proposal::of(&document.cluster, None, true, changes, Vec::new())
    }

    #[test]
    fn every_change_is_a_line_and_every_field_one_below_it() {
        let set = Kind::find("apps/v1", "StatefulSet").unwrap();
        let object = |name| Reference::within(set, "vault", name);
        let image = Difference {
            path: ".spec.template.spec.containers[server].image".to_owned(),
            before: json!("a"),
            after: Value::Null,
        };
        let changes = vec![
            Some(Change::of(&object("new"), Action::Create)),
            Some(Change::of(&object("vault"), Action::Update).with(vec![image])),
            Some(Change::of(&object("old"), Action::Delete).because("nobody asks for it")),
            None,
        ];
        let text = of(&proposal(changes));
        let expected = "\
+ StatefulSet new in vault
~ StatefulSet vault in vault
    .spec.template.spec.containers[server].image: \"a\" → (none)
- StatefulSet old in vault  (nobody asks for it)

Plan: 1 to create, 1 to change, 1 to delete, 1 as they are.
  servers     are replaced one after another, the leader last; ";
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn no_change_is_said_and_long_values_are_cut() {
        let text = of(&proposal(vec![None, None]));
        assert_eq!(text, "No changes: all 2 objects are as the document says.\n");
        let long = value(&json!("x".repeat(100)));
        assert!(long.ends_with("… (102 characters)"), "{long}");
    }
}
