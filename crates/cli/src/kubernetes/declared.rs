//! The document of a cluster, as its `VaultCluster` holds it.

use std::pin::Pin;

use futures_util::stream::{Stream, StreamExt};
use jiff::Timestamp;
use serde_json::{Value, json};
use tracing::warn;
use vaultyard_manifest::{API_VERSION, KIND, Target};
use vaultyard_model::port::clock::Clock;
use vaultyard_model::{Cluster, Version};
use vaultyard_plan::change::{self, Fault};
use vaultyard_render::kubernetes::Names;
use vaultyard_render::kubernetes::pod::DOCUMENT_FILE;
use vaultyard_target_kubernetes::cluster::ClusterObject;
use vaultyard_target_kubernetes::kind::CONFIG_MAP;
use vaultyard_target_kubernetes::{Api, ApiError, Reference};

use super::{install, standing, version_change};
use crate::document::{self, Document};
use crate::failure::{Failure, Kind, failed};
use crate::system::SystemClock;

/// The annotation of a `VaultCluster` whose servers are to be at rest (`vaultyard down`).
pub(crate) const STOPPED: &str = "vaultyard.dev/stopped";

/// The annotation of a `VaultCluster` that tells when a person last let a frozen rollout go on.
pub(crate) const RESUMED: &str = "vaultyard.dev/rollout-resumed";

/// The annotation of a `VaultCluster` whose next change to a version is bound to no snapshot: the version, and when a
/// person has said so, with a blank between.
const WITHOUT_SNAPSHOT: &str = "vaultyard.dev/without-snapshot";

/// Says whether a snapshot comes before the change to this version.
pub(crate) async fn want_snapshot(
    object: &ClusterObject,
    standing: &Value,
    version: &Version,
    snapshot: bool,
) -> Result<(), Failure> {
    let said = !standing["metadata"]["annotations"][WITHOUT_SNAPSHOT].is_null();
    if snapshot && !said {
        return Ok(());
    }
    let without = (!snapshot).then(|| format!("{version} {}", SystemClock.now()));
    let written = object.annotate(install::MANAGER, WITHOUT_SNAPSHOT, without.as_deref()).await;
    written.map(drop).map_err(failed)
}

/// Whether a snapshot comes before the change to this version. What a person has said is over with another change
/// since: it was about that one, or about none.
pub(crate) fn wants_snapshot(object: &Value, version: &Version) -> bool {
    let said = || {
        let (of, at) =
            object["metadata"]["annotations"][WITHOUT_SNAPSHOT].as_str()?.split_once(' ')?;
        let at: Timestamp = at.parse().ok()?;
        let is_open = version_change::read(object).is_none_or(|change| {
            change.taken < at || change.towards == *version && change.snapshot.is_none()
        });
        (of == version.to_string() && is_open).then_some(())
    };
    said().is_none()
}

/// Whether a person wants it at rest.
pub(crate) fn is_stopped(object: &Value) -> bool {
    object["metadata"]["annotations"][STOPPED] == "true"
}

/// Reads it.
pub(crate) fn read(object: &Value, names: &Names) -> Result<Document, Failure> {
    let title =
        format!("the VaultCluster {} in the namespace {}", names.cluster(), names.namespace());
    document::parse(&title, text(object), Target::Kubernetes)
}

/// The document in it, as the ConfigMap holds it: the same text from a person's file as from the API
/// server, which sorts the keys. What Kubernetes has added to the object is left out.
pub(crate) fn text(object: &Value) -> String {
    let mut document = json!({
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"]},
        "spec": object["spec"],
    });
    document.sort_all_objects();
    format!("{document:#}\n")
}

/// The document that a cluster controller has followed, as its ConfigMap holds it. One that this
/// Vaultyard cannot read is as good as none: what it declares is not known.
pub(crate) async fn followed(api: &Api, names: &Names) -> Result<Option<Document>, ApiError> {
    let object = Reference::within(CONFIG_MAP, names.namespace(), &names.document());
    let Some(map) = api.get(&object).await? else { return Ok(None) };
    let Some(text) = map["data"][DOCUMENT_FILE].as_str() else { return Ok(None) };
    let read = document::parse(&object.to_string(), text.to_owned(), Target::Kubernetes);
    Ok(read.inspect_err(|failure| warn!("{}", failure.message())).ok())
}

/// What a cluster is to be: what is declared, or what was before when that is refused or gone.
#[derive(Default)]
pub(crate) struct Followed {
    /// The document that is followed; `None` before there is one.
    pub(crate) document: Option<Document>,
    /// Why what is declared now is not followed.
    pub(crate) refused: Option<String>,
}

impl Followed {
    /// After a look at what is declared.
    pub(crate) async fn look(
        &mut self,
        api: &Api,
        names: &Names,
        declared: Option<&Value>,
    ) -> Result<(), ApiError> {
        if self.document.is_none() {
            // A controller before this one may have followed an earlier document.
            self.document = followed(api, names).await?;
        }
        self.refused = match declared.map(|object| read(object, names)) {
            None => None,
            Some(Err(failure)) => Some(failure.message().to_owned()),
            Some(Ok(document)) => {
                let refused = cannot_follow(self.document.as_ref(), &document, declared);
                if refused.is_none() {
                    self.document = Some(document);
                }
                refused
            }
        };
        Ok(())
    }
}

/// Why a cluster that follows one document cannot follow another.
fn cannot_follow(
    followed: Option<&Document>,
    document: &Document,
    object: Option<&Value>,
) -> Option<String> {
    let faults = unfollowed(&followed?.cluster, &document.cluster, object);
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    (!faults.is_empty()).then(|| faults.join("; "))
}

/// What of the new document a cluster that follows the old one cannot become; `object` is its
/// `VaultCluster`.
pub(crate) fn unfollowed(old: &Cluster, new: &Cluster, object: Option<&Value>) -> Vec<Fault> {
    let mut faults = change::refuse(old, new);
    // Documents say less of versions than what servers run.
    faults.retain(|fault| !fault.is_refused_passage());
    let wanted = &new.servers.version;
    if old.servers.version != *wanted {
        let running = object.and_then(version_change::running);
        let running = running.unwrap_or_else(|| [old.servers.version.clone()].into());
        let change = object.and_then(version_change::read);
        let way_back = change.filter(|change| change.leads_back_to(wanted));
        let way_back = way_back.map(|change| change.towards);
        let others = running.iter().filter(|version| Some(*version) != way_back.as_ref());
        faults.extend(others.filter_map(|version| change::passage(old, new, version)));
        let at_rest = object.is_some_and(is_stopped);
        faults.extend(change::at_rest(old, new).filter(|_| at_rest));
    }
    faults.extend(change::resized(old, new));
    faults.extend(change::reclassed(old, new));
    faults
}

/// A `VaultCluster` as it changes.
pub(crate) type Changes = Pin<Box<dyn Stream<Item = Result<Option<Value>, ApiError>> + Send>>;

/// The next `VaultCluster` that declares something else than `before`, or of which another number of servers
/// stands. What else its status says changes all the time, and that is nothing to begin anew for.
pub(crate) async fn next(
    changes: &mut Changes,
    before: Option<&Value>,
) -> Result<Option<Value>, Failure> {
    let identity = |object: &Value| {
        let metadata = &object["metadata"];
        let said = |annotation| &metadata["annotations"][annotation];
        let (uid, generation) = (&metadata["uid"], &metadata["generation"]);
        let named = [uid, generation, said(RESUMED), said(WITHOUT_SNAPSHOT)].map(Value::clone);
        (named, is_stopped(object), standing::identity(object))
    };
    loop {
        let ended = || Failure::text(Kind::Failed, "the watch of the VaultCluster ended");
        let now = changes.next().await.ok_or_else(ended)?.map_err(failed)?;
        if before.is_none() || now.as_ref().map(identity) != before.map(identity) {
            return Ok(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use vaultyard_model::port::rollout::VersionChange;

    use super::*;

    #[test]
    fn a_document_is_the_same_text_whoever_sorted_its_keys() {
        let written = json!({
            "kind": KIND, "apiVersion": API_VERSION, "metadata": {"name": "vault", "namespace": "vault"},
            "spec": {"servers": {"replicas": 5, "image": "i"}, "ingress": {"dns": [{"b": 1, "a": 2}]}},
        });
        let kept = json!({
            "apiVersion": API_VERSION, "kind": KIND,
            "metadata": {"namespace": "vault", "name": "vault", "uid": "7", "generation": 2},
            "spec": {"ingress": {"dns": [{"a": 2, "b": 1}]}, "servers": {"image": "i", "replicas": 5}},
            "status": {"phase": "Ready"},
        });
        assert_eq!(text(&written), text(&kept));
    }

    #[test]
    fn no_snapshot_is_wanted_before_the_change_of_which_that_was_said_and_before_no_later_one() {
        let version = |text: &str| Version::new(text).unwrap();
        let mut object = json!({"metadata": {"annotations": {
            WITHOUT_SNAPSHOT: "2.7.2 2026-11-30T12:00:00Z",
        }}});
        assert!(!wants_snapshot(&object, &version("2.7.2")));
        assert!(wants_snapshot(&object, &version("2.7.1")));
        let mut last = |towards: &str, taken: &str, snapshot: Option<&str>| {
            let change = VersionChange {
                from: [version("2.6.2")].into(),
                towards: version(towards),
                snapshot: snapshot.map(str::to_owned),
                taken: taken.parse().unwrap(),
                led: false,
            };
            object["status"] = json!({version_change::FIELD: version_change::write(&change)});
            wants_snapshot(&object, &version("2.7.2"))
        };
        assert!(!last("2.7.1", "2026-11-30T11:00:00Z", Some("s")), "before it was said");
        assert!(!last("2.7.2", "2026-11-30T12:01:00Z", None), "this one");
        assert!(last("2.7.1", "2026-11-30T13:00:00Z", Some("s")), "another one since");
        assert!(wants_snapshot(&json!({}), &version("2.7.2")));
    }

    #[test]
    fn what_servers_run_says_which_version_may_come() {
        let cluster = |version: &str| {
            let text = format!(
                "{{apiVersion: {API_VERSION}, kind: {KIND}, metadata: {{name: vault}}, \
                 spec: {{servers: {{version: {version}}}}}}}"
            );
            let parsed = document::parse("a test", text, Target::Kubernetes);
            parsed.unwrap_or_else(|failure| panic!("{}", failure.message())).cluster
        };
        let (old, new) = (cluster("2.6.2"), cluster("2.7.2"));
        let refused = |from, to, object: &Value| {
            let faults = unfollowed(from, to, Some(object));
            faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        let run = |versions: &[Option<&str>]| {
            let servers: Vec<_> = versions.iter().map(|it| json!({"version": it})).collect();
            json!({"status": {"servers": servers}})
        };
        assert_eq!(refused(&old, &new, &run(&[Some("2.6.2"); 3])), "");
        // It was declared and came to no server.
        assert_eq!(refused(&new, &old, &run(&[Some("2.6.2"); 3])), "");
        let unknown = refused(&new, &old, &run(&[Some("2.6.2"), None]));
        assert!(unknown.contains("2.6 cannot lead on"), "{unknown}");
        let mut half = run(&[Some("2.6.2"), Some("2.7.2")]);
        assert!(refused(&new, &old, &half).contains("2.6 cannot lead on"));
        half["status"]["versionChange"] = json!({"from": ["2.6.2"], "towards": "2.7.2", "led": false,
            "snapshot": "20261129T225620Z", "taken": "2026-11-29T22:56:20Z"});
        assert_eq!(refused(&new, &old, &half), "");
        half["status"]["versionChange"]["led"] = json!(true);
        assert!(refused(&new, &old, &half).contains("2.6 cannot lead on"));

        let mut stopped = run(&[Some("2.6.2")]);
        stopped["metadata"] = json!({"annotations": {STOPPED: "true"}});
        assert!(refused(&old, &new, &stopped).contains("at rest"));
        assert_eq!(refused(&old, &old, &stopped), "");
    }
}
