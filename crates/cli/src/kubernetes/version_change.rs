//! The change of version that is under way, or was the last, as the status of the `VaultCluster` keeps it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use vaultyard_model::Version;
use vaultyard_model::port::rollout::VersionChange;

/// The field of the status.
pub(crate) const FIELD: &str = "versionChange";
/// Its field that says that no snapshot was wanted.
const WITHOUT: &str = "withoutSnapshot";

/// The one in the status of this `VaultCluster`; `None` also where it cannot be understood, which counts
/// as a change without a snapshot.
pub(crate) fn read(object: &Value) -> Option<VersionChange> {
    let change = &object["status"][FIELD];
    let version = |text: &Value| Version::new(text.as_str()?).ok();
    let from = change["from"].as_array()?.iter().map(version);
    Some(VersionChange {
        from: from.collect::<Option<_>>()?,
        towards: version(&change["towards"])?,
        snapshot: match change["snapshot"].as_str() {
            None if change[WITHOUT] == true => None,
            named => Some(named?.to_owned()),
        },
        taken: change["taken"].as_str()?.parse().ok()?,
        led: change["led"].as_bool()?,
    })
}

/// As it is kept.
pub(crate) fn write(change: &VersionChange) -> Value {
    let VersionChange { from, towards, snapshot, taken, led } = change;
    let from: Vec<_> = from.iter().map(Version::to_string).collect();
    json!({
        "from": from,
        "towards": towards.to_string(),
        "snapshot": snapshot,
        // Where the status is merged, what is null is as good as what nobody has said.
        WITHOUT: snapshot.is_none().then_some(true),
        "taken": taken.to_string(),
        "led": led,
    })
}

/// The versions that servers ran when the status was written; `None` where that of one is not known.
pub(crate) fn running(object: &Value) -> Option<BTreeSet<Version>> {
    let servers = object["status"]["servers"].as_array().filter(|servers| !servers.is_empty())?;
    servers.iter().map(|server| Version::new(server["version"].as_str()?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again_and_anything_else_is_no_change() {
        let version = |text| Version::new(text).unwrap();
        let change = VersionChange {
            from: [version("2.6.2"), version("2.6.1")].into(),
            towards: version("2.7.2"),
            snapshot: Some("20261129T225620Z".to_owned()),
            taken: "2026-11-29T22:56:20Z".parse().unwrap(),
            led: true,
        };
        let mut object = json!({"status": {FIELD: write(&change)}});
        assert_eq!(read(&object), Some(change.clone()));
        object["status"][FIELD]["snapshot"] = Value::Null;
        assert_eq!(read(&object), None, "nobody said that none was wanted");
        let without = VersionChange { snapshot: None, ..change };
        object["status"][FIELD] = write(&without);
        assert_eq!(read(&object), Some(without));
        object["status"][FIELD]["led"] = json!("perhaps");
        assert_eq!(read(&object), None);
        assert_eq!(read(&json!({})), None);
    }
}
