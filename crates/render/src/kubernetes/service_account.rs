//! One account for each kind of pod, and two that no pod has: their tokens are asked for when they
//! are needed. None hands its token to pods by itself: who needs it says so.

use k8s_openapi::api::core::v1::ServiceAccount;
use vaultyard_model::Cluster;

use super::labels::{Component, Scope, metadata};
use super::names::Names;
use super::object::Object;

/// All accounts of the cluster.
pub(super) fn service_accounts(cluster: &Cluster, names: &Names) -> Vec<Object> {
    let account = |scope, component, name: String| {
        Object::of(&ServiceAccount {
            metadata: metadata(names, scope, component, name),
            automount_service_account_token: Some(false),
            ..Default::default()
        })
    };
    vec![
        servers(cluster, names),
        account(Scope::Application, Some(Component::Proxy), names.proxy()),
        account(Scope::Operations, Some(Component::ClusterController), names.cluster_controller()),
        account(
            Scope::Operations,
            Some(Component::CertificatesController),
            names.certificates_controller(),
        ),
        account(Scope::Operations, None, names.administrator()),
        account(Scope::Operations, None, names.token_reviewer()),
    ]
}

/// The servers' own, with what a cloud knows it by.
fn servers(cluster: &Cluster, names: &Names) -> Object {
    let name = names.stateful_set().to_owned();
    let mut metadata = metadata(names, Scope::Application, Some(Component::Server), name);
    let annotations = &cluster.servers.account_annotations;
    if !annotations.is_empty() {
        metadata.annotations = Some(annotations.clone());
    }
    Object::of(&ServiceAccount {
        metadata,
        automount_service_account_token: Some(false),
        ..Default::default()
    })
}
