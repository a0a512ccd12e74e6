//! The rules of `spec.ingress`.

use vaultyard_model::cluster::{FrontTls, ObjectName, Way};

use super::{Rule, Rules};
use crate::cluster;
use crate::document::Ingress;
use crate::finding::Problem;
use crate::node::{Node, field};

const CLASS: &str = "spec.ingress.className";
const GATEWAY_API: &str = "spec.ingress.gatewayApi";
const TLS: &str = "spec.ingress.tls";
const GCE: &str = "spec.ingress.gce";
const ANNOTATIONS: &str = "spec.ingress.annotations";
const PRE_SHARED: &str = "spec.ingress.tls.preSharedCertificates";
const PASSTHROUGH: &str = "spec.ingress.tls.passthrough";
const PROXY_PROTOCOL: &str = "spec.ingress.proxy.proxyProtocol";

impl Rules<'_, '_> {
    pub(super) fn ingress(&mut self, ingress: &Ingress) {
        self.proxy_protocol(ingress);
        self.annotations();
        if ingress.class_name.is_some() && ingress.gateway_api.is_some() {
            let hint = "keep one of them";
            return self.broken(Rule::TwoFronts, &[CLASS, GATEWAY_API], hint);
        }
        // Names that cannot be read were reported where they stand.
        let Ok(way) = cluster::way(ingress) else { return };
        let Ok(tls) = cluster::front_tls(&ingress.tls) else { return };
        let Some(way) = way else { return self.nothing_in_front() };
        if matches!(&tls, FrontTls::PreShared(names) if names.is_empty()) {
            let hint = "name at least one, or leave the field out";
            self.broken(Rule::NoCertificates, &[PRE_SHARED], hint);
        }
        match &way {
            Way::SharedGateway { .. } => self.of_the_gateway(ingress, &tls),
            Way::Ingress { class } | Way::Gateway { class } if way.is_of_google() => {
                self.of_google(ingress, &way, class.as_str(), &tls);
            }
            Way::Ingress { class } | Way::Gateway { class } => {
                self.not_of_google(ingress, class.as_str(), &tls);
            }
        }
        if matches!((&way, &tls), (Way::Ingress { .. }, FrontTls::Passthrough)) {
            let hint = "use gatewayApi, or no Ingress: the Service of the proxies passes TLS on";
            self.broken(Rule::PassthroughOfIngress, &[PASSTHROUGH, CLASS], hint);
        }
    }

    fn proxy_protocol(&mut self, ingress: &Ingress) {
        if ingress.proxy.proxy_protocol && ingress.proxy.trusted_proxies.is_empty() {
            let involved = [PROXY_PROTOCOL, "spec.ingress.proxy.trustedProxies"];
            let hint = "list the networks of the proxies in front";
            self.broken(Rule::NobodyTrusted, &involved, hint);
        }
    }

    /// Settings of what is not there.
    fn nothing_in_front(&mut self) {
        for (path, field) in [(TLS, "tls"), (GCE, "gce"), (ANNOTATIONS, "annotations")] {
            if self.root.at_path(path).is_some() {
                let hint = "add className or gatewayApi, or leave it out";
                self.broken(Rule::NothingInFront { field }, &[path, CLASS, GATEWAY_API], hint);
            }
        }
    }

    fn of_google(&mut self, ingress: &Ingress, way: &Way, class: &str, tls: &FrontTls) {
        let class = || class.to_owned();
        if ingress.proxy.proxy_protocol {
            let rule = Rule::NotAtGoogle { field: "proxyProtocol", class: class() };
            let hint = "leave it out: the client's address comes in X-Forwarded-For";
            self.broken(rule, &[PROXY_PROTOCOL, CLASS, GATEWAY_API], hint);
        }
        if *tls == FrontTls::Passthrough {
            let rule = Rule::NotAtGoogle { field: "tls.passthrough", class: class() };
            let hint = "leave it out: Google's load balancer ends TLS";
            self.broken(rule, &[PASSTHROUGH, CLASS, GATEWAY_API], hint);
        }
        if matches!(way, Way::Ingress { .. }) && !way.is_global() {
            let gce = ingress.gce.as_ref();
            // Its controller refuses the second for every backend that is not global.
            for (given, path, field, hint) in [
                (
                    gce.is_some_and(|gce| gce.ssl_policy.is_some()),
                    "spec.ingress.gce.sslPolicy",
                    "gce.sslPolicy",
                    "use gatewayApi with a gke-l7 class within the network",
                ),
                (
                    gce.is_some_and(|gce| gce.security_policy.is_some()),
                    "spec.ingress.gce.securityPolicy",
                    "gce.securityPolicy",
                    "leave it out: an Ingress has it in front of the internet only",
                ),
            ] {
                if given {
                    let rule = Rule::NotAtGoogle { field, class: class() };
                    self.broken(rule, &[path, CLASS], hint);
                }
            }
        }
    }

    fn not_of_google(&mut self, ingress: &Ingress, class: &str, tls: &FrontTls) {
        let hint = "leave it out, or use gce, gce-internal or a Gateway class gke-l7-*";
        if ingress.gce.is_some() {
            let rule = Rule::NotOfGoogle { field: "gce", class: class.to_owned() };
            self.broken(rule, &[GCE, CLASS, GATEWAY_API], hint);
        }
        if matches!(tls, FrontTls::PreShared(_)) {
            let field = "tls.preSharedCertificates";
            let rule = Rule::NotOfGoogle { field, class: class.to_owned() };
            self.broken(rule, &[PRE_SHARED, CLASS, GATEWAY_API], hint);
        }
    }

    /// What a Gateway of somebody else decides by itself.
    fn of_the_gateway(&mut self, ingress: &Ingress, tls: &FrontTls) {
        let gce = ingress.gce.as_ref();
        let certificate = matches!(tls, FrontTls::Secret(_) | FrontTls::PreShared(_));
        for (given, path, field) in [
            (certificate, TLS, "tls"),
            (self.root.at_path(ANNOTATIONS).is_some(), ANNOTATIONS, "annotations"),
            (
                gce.is_some_and(|gce| gce.static_ip_name.is_some()),
                "spec.ingress.gce.staticIpName",
                "gce.staticIpName",
            ),
            (
                gce.is_some_and(|gce| gce.ssl_policy.is_some()),
                "spec.ingress.gce.sslPolicy",
                "gce.sslPolicy",
            ),
        ] {
            if given {
                let hint = "leave it out, and set it there";
                self.broken(Rule::OfTheGateway { field }, &[path, GATEWAY_API], hint);
            }
        }
        if gce.is_some() && *tls == FrontTls::Passthrough {
            let rule = Rule::NotAtGoogle {
                field: "tls.passthrough",
                class: "a Gateway of GKE".to_owned(),
            };
            let hint = "leave it out: Google's load balancer ends TLS";
            self.broken(rule, &[PASSTHROUGH, GCE], hint);
        }
    }

    fn annotations(&mut self) {
        let entries = self.root.at_path(ANNOTATIONS).and_then(Node::entries).unwrap_or_default();
        for entry in entries.iter().filter(|entry| entry.key == "kubernetes.io/ingress.class") {
            let path = field(ANNOTATIONS, &entry.key);
            let finding = self.report.add(entry.at, &path, Problem::SetByVaultyard);
            finding.found = Some(entry.key.clone());
            finding.hint = Some("use spec.ingress.className".to_owned());
        }
        self.annotations_at(ANNOTATIONS);
    }

    /// Names that the API server would refuse.
    pub(super) fn annotations_at(&mut self, path: &str) {
        let entries = self.root.at_path(path).and_then(Node::entries).unwrap_or_default();
        for entry in entries.iter().filter(|entry| !is_key(&entry.key)) {
            let rule = Rule::NotAKey { name: entry.key.clone() };
            let finding = self.report.add(entry.at, &field(path, &entry.key), rule.into());
            finding.hint = Some(KEY_HINT.to_owned());
        }
    }
}

/// How a key is written.
pub(super) const KEY_HINT: &str = "write it as NAME or DOMAIN/NAME";

/// Whether Kubernetes takes the text as the key of an annotation or label: at most 63 letters,
/// digits, `-`, `_` and `.`, behind a domain and a slash or by themselves.
pub(super) fn is_key(text: &str) -> bool {
    let (domain, name) = match text.split_once('/') {
        Some((domain, name)) => (Some(domain), name),
        None => (None, text),
    };
    let domain_is_right = |domain| ObjectName::new(domain).is_some();
    domain.is_none_or(domain_is_right) && !name.is_empty() && is_label(name)
}

/// Whether Kubernetes takes the text as the value of a label.
pub(super) fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = |c: char| c.is_ascii_alphanumeric();
    text.is_empty()
        || (text.len() <= 63
            && text.chars().all(inner)
            && text.starts_with(end)
            && text.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_that_kubernetes_takes() {
        for right in ["a", "a_b.C-1", "nginx.ingress.kubernetes.io/proxy-body-size"] {
            assert!(is_key(right), "{right}");
        }
        for wrong in ["", "/a", "a/", "a/b/c", "-a", "a b", "A.example/x", &"a".repeat(64)] {
            assert!(!is_key(wrong), "{wrong}");
        }
    }
}
