//! Whether the one who asks may do something (`SelfSubjectAccessReview`): every authoriser of the API
//! server has its say, not only Roles.

use http::Method;
use serde_json::{Value, json};

use crate::client::{Api, Call};
use crate::error::{ApiError, Reason};
use crate::kind::Kind;

/// Something that takes a right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Act {
    /// `get`, `patch`, ...
    pub verb: String,
    /// The API group; empty for the oldest one.
    pub group: String,
    /// The resource, with a subresource behind a slash: `vaultclusters/status`.
    pub resource: String,
    /// Where; everywhere when there is none.
    pub namespace: Option<String>,
    /// On which object; on each when there is none.
    pub name: Option<String>,
}

impl Act {
    /// Everything there is to do.
    pub fn everything() -> Self {
        let all = || "*".to_owned();
        Self { verb: all(), group: all(), resource: all(), namespace: None, name: None }
    }

    /// This verb on objects of a kind.
    pub fn on(verb: &str, kind: Kind, namespace: Option<&str>, name: Option<&str>) -> Self {
        Self {
            verb: verb.to_owned(),
            group: kind.group().to_owned(),
            resource: kind.plural.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.map(str::to_owned),
        }
    }
}

impl Api {
    /// Whether we may do this.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn may(&self, act: &Act) -> Result<bool, ApiError> {
        let review = review(act);
        let call = Call {
            act: format!("ask whether we may {} {}", act.verb, act.resource),
            kind: "authorization.k8s.io/v1 SelfSubjectAccessReview".to_owned(),
            method: Method::POST,
            path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".to_owned(),
            body: Some(("application/json", &review)),
        };
        let asked = call.act.clone();
        let answer = self.call(call).await?.body;
        answer["status"]["allowed"].as_bool().ok_or_else(|| ApiError {
            act: asked,
            reason: Reason::Strange { what: "it does not say whether".to_owned() },
        })
    }
}

fn review(act: &Act) -> Value {
    let (resource, part) = act.resource.split_once('/').unwrap_or((&act.resource, ""));
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {
            "verb": act.verb,
            "group": act.group,
            "resource": resource,
            "subresource": part,
            "namespace": text(&act.namespace),
            "name": text(&act.name),
        }},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_resource_is_asked_for_as_a_part() {
        let kind = Kind::find("apps/v1", "StatefulSet").unwrap();
        let mut act = Act::on("patch", kind, Some("n"), None);
        act.resource += "/scale";
        let expected = json!({"verb": "patch", "group": "apps", "resource": "statefulsets",
            "subresource": "scale", "namespace": "n", "name": ""});
        assert_eq!(review(&act)["spec"]["resourceAttributes"], expected);
    }
}
