//! Server-side apply of whole objects, which says what it changed and takes nothing over.

use std::time::Duration;

use serde_json::Value;
use vaultyard_render::kubernetes::labels::{INSTANCE, MANAGED_BY, VAULTYARD};

use crate::client::Api;
use crate::error::{ApiError, FieldConflict, Reason};
use crate::object::{Apply, version};
use crate::reference::Reference;

mod difference;

pub use difference::Difference;

/// How often an object is read and written once more that others change at the same moment. A
/// Deployment that rolls is changed some times a second, by its own controller.
const TRIES: u32 = 5;
/// The pause before the second of them; each further one is longer by it.
const PAUSE: Duration = Duration::from_millis(20);

/// How to apply.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Who owns the fields afterwards.
    pub manager: &'a str,
    /// Whether to take fields from other managers.
    pub force: bool,
    /// Whether only to be told what would happen.
    pub dry_run: bool,
    /// Whose an object that stands there already must be.
    pub owner: Owner<'a>,
}

/// Whose an object must be that is applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// This cluster's, by its name.
    Cluster(&'a str),
    /// Vaultyard's, whichever cluster's: what all clusters share.
    Vaultyard,
    /// Anybody's: it is taken over (`--adopt`).
    Anybody,
}

/// What applying did, or would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// There was none.
    Created,
    /// These fields have other values now: `.spec.replicas`. The values are not told: of a Secret
    /// they are secret.
    Changed(Vec<String>),
    /// It was so already.
    Unchanged,
}

/// What applying would do, with the values.
pub enum Rehearsal {
    /// There is none.
    Create,
    /// These fields would have other values; none when it is so already.
    Change(Vec<Difference>),
}

/// Why an object was not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Others own fields of it.
    #[error(
        "cannot apply {object}: {}; let them give these fields up, or take them with --adopt",
        owners(fields)
    )]
    Conflict {
        /// The object.
        object: String,
        /// Who owns which field.
        fields: Vec<FieldConflict>,
    },
    /// An object with this name belongs to somebody else.
    #[error(
        "{object} is there already and belongs to {whose}; choose another name or namespace, or \
         delete it. It is never taken over without --adopt"
    )]
    Foreign {
        /// The object.
        object: String,
        /// Whose it is, as far as its labels say.
        whose: String,
    },
    /// Anything else.
    #[error(transparent)]
    Api(#[from] ApiError),
}

fn owners(fields: &[FieldConflict]) -> String {
    let fields =
        fields.iter().map(|conflict| format!("{} owns {}", conflict.manager, conflict.field));
    fields.collect::<Vec<_>>().join(", ")
}

impl Owner<'_> {
    /// Whose the object is, when it is not whose it must be.
    pub fn foreign(self, object: &Value) -> Option<String> {
        let label = |name: &str| object["metadata"]["labels"][name].as_str();
        if self == Self::Anybody {
            return None;
        }
        if label(MANAGED_BY) != Some(VAULTYARD) {
            let whose = label(MANAGED_BY).unwrap_or("somebody else (it has no label of ours)");
            return Some(whose.to_owned());
        }
        match self {
            Self::Cluster(name) if label(INSTANCE) != Some(name) => {
                let other = label(INSTANCE).unwrap_or("without a name");
                Some(format!("another cluster of Vaultyard ({other})"))
            }
            _ => None,
        }
    }
}

impl Options<'_> {
    /// Whether this manager has applied the object before, for the same owner: then somebody has
    /// taken its labels off since, and it is ours all the same.
    fn made(&self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        let applied =
            |entry: &Value| entry["manager"] == self.manager && entry["operation"] == "Apply";
        let fields = metadata["managedFields"].as_array();
        let instance = metadata["labels"][INSTANCE].as_str();
        let of_another = matches!(self.owner, Owner::Cluster(name)
            if instance.is_some_and(|instance| instance != name));
        !of_another && fields.is_some_and(|fields| fields.iter().any(applied))
    }
}

impl Api {
    /// Applies the whole object: fields that this manager applied before and that are not in `body`
    /// any more go away.
    ///
    /// # Errors
    /// [`ApplyError`]; nothing has changed then, unless the API server could not be reached.
    pub async fn apply(
        &self,
        object: &Reference,
        body: &Value,
        options: Options<'_>,
    ) -> Result<Applied, ApplyError> {
        self.apply_and_see(object, body, options).await.map(|(applied, _)| applied)
    }

    /// [`Api::apply`], and the object as it was written, with all that others say of it.
    ///
    /// # Errors
    /// As of [`Api::apply`].
    pub async fn apply_and_see(
        &self,
        object: &Reference,
        body: &Value,
        options: Options<'_>,
    ) -> Result<(Applied, Value), ApplyError> {
        Ok(match self.write(object, body, options).await? {
            Written::New(object) => (Applied::Created, object),
            Written::Same(object) => (Applied::Unchanged, object),
            Written::Over { before, after } => {
                let changed: Vec<_> = difference::between(&before, &after)
                    .into_iter()
                    .map(|difference| difference.path)
                    .collect();
                let applied = match changed.is_empty() {
                    true => Applied::Unchanged,
                    false => Applied::Changed(changed),
                };
                (applied, after)
            }
        })
    }

    /// What [`Api::apply`] would do: the API server computes it with all its defaults and all that
    /// is asked about it, and keeps nothing. Not for Secrets, whose values are nobody's to see.
    ///
    /// # Errors
    /// [`ApplyError`]: applying would be refused the same way.
    pub async fn rehearse(
        &self,
        object: &Reference,
        body: &Value,
        options: Options<'_>,
    ) -> Result<Rehearsal, ApplyError> {
        let options = Options { dry_run: true, ..options };
        Ok(match self.write(object, body, options).await? {
            Written::New(_) => Rehearsal::Create,
            Written::Same(_) => Rehearsal::Change(Vec::new()),
            Written::Over { before, after } => {
                Rehearsal::Change(difference::between(&before, &after))
            }
        })
    }

    /// Which fields of `body` have other values now, for an object whose rehearsal is refused; none
    /// when the object may not be read or is not there.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn compare(
        &self,
        object: &Reference,
        body: &Value,
    ) -> Result<Option<Vec<Difference>>, ApiError> {
        match self.get(object).await {
            Ok(now) => Ok(now.map(|now| difference::of_declared(&now, body))),
            Err(ApiError { reason: Reason::Forbidden { .. }, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Between reading and writing somebody else may change the object; then both are done again, so
    /// that what is told as changed is what this write changed, and nothing that others did. Where they
    /// never cease, to write counts for more than to tell.
    async fn write(
        &self,
        object: &Reference,
        body: &Value,
        options: Options<'_>,
    ) -> Result<Written, ApplyError> {
        for tried in 1..=TRIES {
            match self.write_over(object, body, options, true).await {
                Err(ApplyError::Api(error)) if error.is_conflict() => {
                    tokio::time::sleep(PAUSE * tried).await;
                }
                result => return result,
            }
        }
        self.write_over(object, body, options, false).await
    }

    /// `alone`: only if nobody else has written since it was read.
    async fn write_over(
        &self,
        object: &Reference,
        body: &Value,
        options: Options<'_>,
        alone: bool,
    ) -> Result<Written, ApplyError> {
        let before = self.get(object).await?;
        let of_others = before.as_ref().filter(|before| !options.made(before));
        if let Some(whose) = of_others.and_then(|before| options.owner.foreign(before)) {
            return Err(ApplyError::Foreign { object: object.to_string(), whose });
        }
        let Options { manager, force, dry_run, .. } = options;
        let mut body = body.clone();
        if let Some(version) = before.as_ref().filter(|_| alone).and_then(version) {
            body["metadata"]["resourceVersion"] = version.into();
        }
        let answer = self.apply_patch(object, &Apply { manager, force, dry_run }, &body).await;
        let answer = answer.map_err(|error| match error.reason {
            Reason::Conflict { fields, .. } if !fields.is_empty() => {
                ApplyError::Conflict { object: object.to_string(), fields }
            }
            _ => ApplyError::Api(error),
        })?;
        let after = answer.body;
        let Some(before) = before.filter(|_| !answer.created) else {
            return Ok(Written::New(after));
        };
        let same = !dry_run && version(&before) == version(&after);
        Ok(if same { Written::Same(after) } else { Written::Over { before, after } })
    }
}

/// How an object was written, and what it is now.
enum Written {
    New(Value),
    Same(Value),
    Over { before: Value, after: Value },
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn labelled(manager: &str, instance: &str) -> Value {
        json!({"metadata": {"labels": {MANAGED_BY: manager, INSTANCE: instance}}})
    }

    #[test]
    fn what_belongs_to_somebody_else_is_foreign() {
        let ours = Owner::Cluster("vault");
        assert_eq!(ours.foreign(&labelled("vaultyard", "vault")), None);
        let none = ours.foreign(&json!({"metadata": {}})).unwrap();
        assert!(none.contains("no label of ours"), "{none}");
        assert_eq!(ours.foreign(&labelled("Helm", "vault")).as_deref(), Some("Helm"));
        let other = ours.foreign(&labelled("vaultyard", "other")).unwrap();
        assert!(other.contains("another cluster of Vaultyard (other)"), "{other}");
    }

    #[test]
    fn what_clusters_share_may_be_of_any_of_them() {
        assert_eq!(Owner::Vaultyard.foreign(&labelled("vaultyard", "other")), None);
        assert!(Owner::Vaultyard.foreign(&labelled("Helm", "other")).is_some());
        assert_eq!(Owner::Anybody.foreign(&labelled("Helm", "other")), None);
    }

    #[test]
    fn what_was_applied_before_is_ours_whatever_became_of_its_labels() {
        let owner = Owner::Cluster("vault");
        let options = Options { manager: "us", force: true, dry_run: false, owner };
        let applied = |manager: &str, operation: &str, labels: Value| {
            let fields = json!([{"manager": manager, "operation": operation}]);
            json!({"metadata": {"managedFields": fields, "labels": labels}})
        };
        assert!(options.made(&applied("us", "Apply", json!({MANAGED_BY: "Helm"}))));
        assert!(!options.made(&applied("us", "Update", json!({}))));
        assert!(!options.made(&applied("helm", "Apply", json!({}))));
        assert!(!options.made(&applied("us", "Apply", json!({INSTANCE: "other"}))));
    }

    #[test]
    fn a_conflict_says_who_owns_what() {
        let fields =
            vec![FieldConflict { manager: "kubectl".into(), field: ".spec.replicas".into() }];
        let error = ApplyError::Conflict { object: "the StatefulSet a".into(), fields }.to_string();
        assert!(error.contains("kubectl owns .spec.replicas"), "{error}");
    }
}
