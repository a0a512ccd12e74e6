//! The labels that say whose an object is, and metadata that carries them.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::names::Names;

/// Whose program an object belongs to.
pub const NAME: &str = "app.kubernetes.io/name";
/// Which cluster it belongs to.
pub const INSTANCE: &str = "app.kubernetes.io/instance";
/// Which part of the cluster it is.
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// Who keeps it.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`NAME`] and of [`MANAGED_BY`].
pub const VAULTYARD: &str = "vaultyard";

/// A part of a cluster that runs pods of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// The servers, each with its unsealer.
    Server,
    /// The proxy.
    Proxy,
    /// The controller that keeps the objects.
    ClusterController,
    /// The controller that keeps the certificates.
    CertificatesController,
}

impl Component {
    /// The value of [`COMPONENT`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Proxy => "proxy",
            Self::ClusterController => "cluster-controller",
            Self::CertificatesController => "certificates-controller",
        }
    }
}

/// Where an object stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// In no namespace.
    Everywhere,
    /// In the namespace of what serves.
    Application,
    /// In the namespace of what keeps the cluster.
    Operations,
}

/// All labels of an object; one that belongs to no single part of the cluster has no component.
pub fn labels(names: &Names, component: Option<Component>) -> BTreeMap<String, String> {
    let mut all = BTreeMap::from([
        (NAME.to_owned(), VAULTYARD.to_owned()),
        (INSTANCE.to_owned(), names.cluster().to_owned()),
        (MANAGED_BY.to_owned(), VAULTYARD.to_owned()),
    ]);
    all.extend(component.map(|part| (COMPONENT.to_owned(), part.as_str().to_owned())));
    all
}

/// The labels that selectors use. Selectors of workloads never change, so these are as few as tell
/// the parts of two clusters apart.
pub fn selector(names: &Names, component: Component) -> BTreeMap<String, String> {
    BTreeMap::from([
        (INSTANCE.to_owned(), names.cluster().to_owned()),
        (COMPONENT.to_owned(), component.as_str().to_owned()),
    ])
}

/// [`selector`] as most fields want it.
pub(super) fn pods_of(names: &Names, component: Component) -> LabelSelector {
    LabelSelector { match_labels: Some(selector(names, component)), ..Default::default() }
}

/// Metadata with our labels.
pub(super) fn metadata(
    names: &Names,
    scope: Scope,
    component: Option<Component>,
    name: impl Into<String>,
) -> ObjectMeta {
    let namespace = match scope {
        Scope::Everywhere => None,
        Scope::Application => Some(names.namespace().to_owned()),
        Scope::Operations => Some(names.operations().to_owned()),
    };
    ObjectMeta {
        name: Some(name.into()),
        namespace,
        labels: Some(labels(names, component)),
        ..Default::default()
    }
}
