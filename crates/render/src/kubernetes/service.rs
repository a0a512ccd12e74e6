//! The two Services.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use vaultyard_model::Cluster;

use super::labels::{Component, Scope, metadata, selector};
use super::names::Names;
use super::object::Object;
use super::{optional, pod};

/// Every server's own name, from the moment its pod has an address: sealed servers must find each
/// other to be unsealed at all. Only Vaultyard's own parts come this way.
pub(super) fn servers(names: &Names) -> Object {
    Object::of(&Service {
        metadata: metadata(names, Scope::Application, Some(Component::Server), names.servers()),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: Some(true),
            selector: Some(selector(names, Component::Server)),
            ports: Some(vec![
                port("api", pod::API, pod::API),
                port("cluster", pod::CLUSTER, pod::CLUSTER),
                port("unsealer", pod::UNSEALER, pod::UNSEALER),
            ]),
            ..Default::default()
        }),
        ..Default::default()
    })
}

/// Where clients go: the proxies.
pub(super) fn proxy(cluster: &Cluster, names: &Names) -> Object {
    let annotations: BTreeMap<String, String> = optional::service_annotations(cluster, names)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let https = ServicePort {
        app_protocol: optional::application_protocol(cluster),
        ..port("https", 443, pod::API)
    };
    Object::of(&Service {
        metadata: ObjectMeta {
            annotations: (!annotations.is_empty()).then_some(annotations),
            ..metadata(names, Scope::Application, Some(Component::Proxy), names.service())
        },
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(selector(names, Component::Proxy)),
            ports: Some(vec![port("api", pod::API, pod::API), https]),
            ..Default::default()
        }),
        ..Default::default()
    })
}

fn port(name: &str, number: i32, target: i32) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: number,
        target_port: Some(IntOrString::Int(target)),
        protocol: Some("TCP".to_owned()),
        ..Default::default()
    }
}
