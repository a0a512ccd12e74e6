//! The Ingress.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule,
    IngressServiceBackend, IngressSpec, IngressTLS, ServiceBackendPort,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use vaultyard_model::Cluster;
use vaultyard_model::cluster::{Front, FrontTls};

use super::front::{PORT, timeout_seconds};
use super::{Resource, google, resource};
use crate::kubernetes::labels::{Scope, metadata};
use crate::kubernetes::names::Names;
use crate::kubernetes::object::Object;

pub(super) const RESOURCE: Resource = resource("networking.k8s.io/v1", "Ingress", "ingresses");

/// How many certificates there may be between the proxy's and the one that is trusted.
const CHAIN_DEPTH: u8 = 3;

/// The Ingress, and what it names, which comes first.
pub(super) fn ingress(cluster: &Cluster, names: &Names, front: &Front, class: &str) -> Vec<Object> {
    let (mut all, given) = match &front.google {
        Some(google) => (
            google::configs(cluster, names, front, google),
            google::annotations(names, front, google, class),
        ),
        None if class.contains("nginx") => (Vec::new(), of_nginx(cluster, names)),
        None => (Vec::new(), Vec::new()),
    };
    let mut annotations: BTreeMap<String, String> =
        given.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    annotations.extend(front.annotations.clone());
    all.push(Object::of(&Ingress {
        metadata: ObjectMeta {
            annotations: (!annotations.is_empty()).then_some(annotations),
            ..metadata(names, Scope::Application, None, names.front())
        },
        spec: Some(IngressSpec {
            ingress_class_name: front.google.is_none().then(|| class.to_owned()),
            tls: secret(front, names).map(|name| {
                vec![IngressTLS {
                    hosts: Some(vec![cluster.dns.host.to_string()]),
                    secret_name: Some(name),
                }]
            }),
            rules: Some(vec![rule(cluster, names)]),
            ..Default::default()
        }),
        ..Default::default()
    }));
    all
}

/// The Secret with the certificate that clients see, when it is one in a Secret.
pub(super) fn secret(front: &Front, names: &Names) -> Option<String> {
    match &front.tls {
        FrontTls::OwnCertificate => Some(names.proxy_certificate()),
        FrontTls::Secret(name) => Some(name.as_str().to_owned()),
        FrontTls::PreShared(_) | FrontTls::Passthrough => None,
    }
}

fn rule(cluster: &Cluster, names: &Names) -> IngressRule {
    IngressRule {
        host: Some(cluster.dns.host.to_string()),
        http: Some(HTTPIngressRuleValue {
            paths: vec![HTTPIngressPath {
                path: Some("/".to_owned()),
                path_type: "Prefix".to_owned(),
                backend: IngressBackend {
                    service: Some(IngressServiceBackend {
                        name: names.service().to_owned(),
                        port: Some(ServiceBackendPort {
                            name: Some(PORT.to_owned()),
                            number: None,
                        }),
                    }),
                    resource: None,
                },
            }],
        }),
    }
}

/// Both controllers that are built on nginx go by this class, the community's and the vendor's. Each
/// reads annotations of its own prefix only.
///
/// A request must not be tried again: what the first try did is not known to nginx, but is to the
/// proxy. By itself nginx withholds only POST, LOCK and PATCH from a second try, so that a PUT, which
/// is how most secrets are written, could be done twice. The community's controller is told to
/// withhold all by any version; the vendor's since 5.4, and an older one does not know the annotation
/// and tries again. Bodies and answers are passed on as they come: they hold secrets, which do not
/// belong into temporary files. The vendor's has no annotation that keeps it from collecting the body
/// of a request first.
///
/// The community's verifies the proxy's certificate. The vendor's does not: it has no annotation for
/// that, only a policy of a kind of its own, which is not made here. Its way to the proxy is encrypted,
/// and who stands between the two is not noticed.
///
/// Of the vendor's two redirects, `ssl-redirect` is for clients that reach it without TLS, and
/// `redirect-to-https` for those whose TLS a load balancer in front of it has ended or not.
fn of_nginx(cluster: &Cluster, names: &Names) -> Vec<(&'static str, String)> {
    let seconds = timeout_seconds(cluster).to_string();
    let in_seconds = format!("{seconds}s");
    let certificate = format!("{}/{}", names.namespace(), names.proxy_certificate());
    let text = str::to_owned;
    vec![
        ("nginx.ingress.kubernetes.io/backend-protocol", text("HTTPS")),
        ("nginx.ingress.kubernetes.io/force-ssl-redirect", text("true")),
        ("nginx.ingress.kubernetes.io/proxy-body-size", text("0")),
        ("nginx.ingress.kubernetes.io/proxy-buffering", text("off")),
        ("nginx.ingress.kubernetes.io/proxy-next-upstream", text("off")),
        ("nginx.ingress.kubernetes.io/proxy-read-timeout", seconds.clone()),
        ("nginx.ingress.kubernetes.io/proxy-request-buffering", text("off")),
        ("nginx.ingress.kubernetes.io/proxy-send-timeout", seconds),
        ("nginx.ingress.kubernetes.io/proxy-ssl-name", cluster.dns.host.to_string()),
        ("nginx.ingress.kubernetes.io/proxy-ssl-secret", certificate),
        ("nginx.ingress.kubernetes.io/proxy-ssl-server-name", text("on")),
        ("nginx.ingress.kubernetes.io/proxy-ssl-verify", text("on")),
        ("nginx.ingress.kubernetes.io/proxy-ssl-verify-depth", CHAIN_DEPTH.to_string()),
        ("nginx.org/client-max-body-size", text("0")),
        ("nginx.org/proxy-buffering", text("False")),
        ("nginx.org/proxy-next-upstream", text("off")),
        ("nginx.org/proxy-read-timeout", in_seconds.clone()),
        ("nginx.org/proxy-send-timeout", in_seconds),
        ("nginx.org/redirect-to-https", text("True")),
        ("nginx.org/ssl-redirect", text("True")),
        ("nginx.org/ssl-services", names.service().to_owned()),
    ]
}
