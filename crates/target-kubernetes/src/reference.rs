//! The name of one object.

use std::fmt;

use vaultyard_render::kubernetes::Object;

use crate::kind::Kind;

/// One object, by kind, namespace and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    kind: Kind,
    namespace: Option<String>,
    name: String,
}

/// An object of a kind that Vaultyard does not use, or in a namespace where its kind has none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{api_version} {kind} {name} is of a kind that this version of Vaultyard does not handle")]
pub struct UnknownKind {
    api_version: String,
    kind: String,
    name: String,
}

impl Reference {
    /// An object in a namespace. The kind's objects stand in one.
    pub fn within(kind: Kind, namespace: &str, name: &str) -> Self {
        let namespace = kind.namespaced.then(|| namespace.to_owned());
        Self { kind, namespace, name: name.to_owned() }
    }

    /// An object by the four texts that name it.
    ///
    /// # Errors
    /// [`UnknownKind`], also when there is a namespace and should be none, or the other way round.
    pub fn find(
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Self, UnknownKind> {
        let known = Kind::find(api_version, kind);
        let known = known.filter(|known| known.namespaced == namespace.is_some());
        let known = known.ok_or_else(|| UnknownKind {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
        })?;
        Ok(Self { kind: known, namespace: namespace.map(str::to_owned), name: name.to_owned() })
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its namespace, when its kind has one.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path of all objects of its kind beside it.
    pub(crate) fn collection(&self) -> String {
        self.kind.path(self.namespace())
    }

    /// Its own path.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.collection(), self.name)
    }
}

impl TryFrom<&Object> for Reference {
    type Error = UnknownKind;

    fn try_from(object: &Object) -> Result<Self, UnknownKind> {
        let Object { api_version, kind, namespace, name, .. } = object;
        Self::find(api_version, kind, namespace.as_deref(), name)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} {}", self.kind.kind, self.name)?;
        match &self.namespace {
            Some(namespace) => write!(f, " in the namespace {namespace}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultyard_render::kubernetes::{Release, installation, workload};

    use super::*;

    #[test]
    fn an_object_is_named_for_people_and_for_the_api() {
        let reference = Reference::find("apps/v1", "StatefulSet", Some("n"), "vault").unwrap();
        assert_eq!(reference.to_string(), "the StatefulSet vault in the namespace n");
        assert_eq!(reference.path(), "/apis/apps/v1/namespaces/n/statefulsets/vault");
        let reference = Reference::find("v1", "Namespace", None, "n").unwrap();
        assert_eq!(reference.to_string(), "the Namespace n");
        assert_eq!(reference.path(), "/api/v1/namespaces/n");
    }

    #[test]
    fn every_object_that_is_rendered_can_be_named() {
        let cluster = vaultyard_testkit::sample::cluster(3);
        let image = "registry.test/image@sha256:0".to_owned();
        let release = Release { vaultyard: image.clone(), server: image };
        let definition = json!({"apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition", "metadata": {"name": "vaultclusters.vaultyard.dev"}});
        let document = json!({"apiVersion": "vaultyard.dev/v1alpha1", "kind": "VaultCluster",
            "metadata": {"name": "vault"}});
        let mut all = installation(&cluster, &release, &definition, &document);
        all.extend(workload(&cluster, &release, ""));
        for object in &all {
            assert!(Reference::try_from(object).is_ok(), "{} {}", object.kind, object.name);
        }
    }

    #[test]
    fn unknown_kinds_and_namespaces_where_none_belong_are_refused() {
        assert!(Reference::find("v1", "Gadget", None, "a").is_err());
        assert!(Reference::find("v1", "Namespace", Some("n"), "a").is_err());
        assert!(Reference::find("v1", "Secret", None, "a").is_err());
    }
}
