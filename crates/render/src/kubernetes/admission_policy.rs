//! What the cluster controller cannot do although it may write workloads: run any other program
//! under the servers' account, or read Secrets by mounting them into a pod.
//!
//! A person installs this policy; no account of ours may change it. It binds the StatefulSet and the
//! proxies' Deployment to the images, commands, accounts and volumes that are rendered here, and the
//! servers' account to the pods of that StatefulSet.

mod expression;

use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec,
    ValidatingAdmissionPolicySpec, Validation, Variable,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use vaultyard_model::Cluster;

use super::labels::{Scope, metadata};
use super::names::Names;
use super::network_policy::NAMESPACE;
use super::object::Object;
use super::release::Release;

/// The policy, and its binding to the application namespace.
pub(super) fn admission_policy(cluster: &Cluster, names: &Names, release: &Release) -> [Object; 2] {
    let metadata = || metadata(names, Scope::Everywhere, None, names.cluster_wide());
    let policy = ValidatingAdmissionPolicy {
        metadata: metadata(),
        spec: Some(ValidatingAdmissionPolicySpec {
            failure_policy: Some("Fail".to_owned()),
            match_constraints: Some(MatchResources {
                resource_rules: Some(vec![
                    written("apps", &["statefulsets", "deployments"], &["CREATE", "UPDATE"]),
                    written("", &["pods"], &["CREATE"]),
                ]),
                ..Default::default()
            }),
            variables: Some(expression::variables(cluster, names, release).map(variable).into()),
            validations: Some(expression::validations(names).map(validation).into()),
            ..Default::default()
        }),
        ..Default::default()
    };
    let binding = ValidatingAdmissionPolicyBinding {
        metadata: metadata(),
        spec: ValidatingAdmissionPolicyBindingSpec {
            policy_name: names.cluster_wide(),
            validation_actions: vec!["Deny".to_owned()],
            match_resources: Some(MatchResources {
                namespace_selector: Some(LabelSelector {
                    match_labels: Some(
                        [(NAMESPACE.to_owned(), names.namespace().to_owned())]
                            .into_iter()
                            .collect(),
                    ),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        },
    };
    [Object::of(&policy), Object::of(&binding)]
}

fn written(group: &str, resources: &[&str], operations: &[&str]) -> NamedRuleWithOperations {
    let texts = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
    NamedRuleWithOperations {
        api_groups: texts(&[group]),
        api_versions: texts(&["v1"]),
        operations: texts(operations),
        resources: texts(resources),
        ..Default::default()
    }
}

fn variable((name, expression): (&str, String)) -> Variable {
    Variable { name: name.to_owned(), expression }
}

fn validation((expression, message): (String, String)) -> Validation {
    Validation { expression, message: Some(message), ..Default::default() }
}
