//! One account for each kind of pod, and two that no pod has: their tokens are asked for when they
//! are needed. None hands its token to pods by itself: who needs it says so.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::labels::{Component, Scope, metadata};
use super::names::Names;
use super::object::Object;

/// All accounts of the cluster.
pub(super) fn service_accounts(names: &Names) -> Vec<Object> {
    let account = |scope, component, name: String| {
        Object::of(&ServiceAccount {
            metadata: metadata(names, scope, component, name),
            automount_service_account_token: Some(false),
            ..Default::default()
        })
    };
    vec![
        account(Scope::Application, Some(Component::Server), names.stateful_set().to_owned()),
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
