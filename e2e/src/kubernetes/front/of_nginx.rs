//! An Ingress as ingress-nginx reads it by its documentation.

use serde_json::Value;

use super::configuration::{Route, Treatment, folder, text};

/// The annotations that it reads begin with this.
const PREFIX: &str = "nginx.ingress.kubernetes.io/";
/// Those of the other controller that is built on nginx.
const VENDOR: &str = "nginx.org/";

/// What it does with requests to a Service in this namespace. What is not known here is refused, so
/// that nothing of what is rendered goes untried.
#[track_caller]
pub(super) fn treatment(
    route: &Route,
    ingress: &Value,
    service: &Value,
    namespace: &str,
) -> Treatment {
    let port = route.port_of(service);
    let backend = format!("{}.{namespace}.svc.cluster.local:{port}", route.service);
    let mut treatment = Treatment { backends: vec![backend], ..Treatment::default() };
    let annotations = ingress["metadata"]["annotations"].as_object();
    for (name, value) in annotations.into_iter().flatten() {
        match name.strip_prefix(PREFIX) {
            Some(name) => treatment.add(name, &text(value)),
            None => assert!(name.starts_with(VENDOR), "{name}: whose is it?"),
        }
    }
    treatment
}

impl Treatment {
    #[track_caller]
    fn add(&mut self, name: &str, value: &str) {
        let as_it_is = format!("{} {value}", name.replace('-', "_"));
        let directive = match (name, value) {
            ("backend-protocol", "HTTPS") => {
                self.encrypted_behind = true;
                return;
            }
            ("force-ssl-redirect", "true") => {
                self.redirect = Some(308);
                return;
            }
            ("proxy-ssl-secret", secret) => {
                let (_, name) = secret.split_once('/').expect("namespace and name");
                self.authority = Some(name.to_owned());
                format!("proxy_ssl_trusted_certificate {}/ca.crt", folder(name))
            }
            ("proxy-body-size", size) => format!("client_max_body_size {size}"),
            ("proxy-read-timeout" | "proxy-send-timeout", _) => as_it_is + "s",
            (
                "proxy-buffering"
                | "proxy-next-upstream"
                | "proxy-request-buffering"
                | "proxy-ssl-name"
                | "proxy-ssl-server-name"
                | "proxy-ssl-verify"
                | "proxy-ssl-verify-depth",
                _,
            ) => as_it_is,
            _ => panic!("what does {PREFIX}{name}: {value} mean?"),
        };
        self.directives.push(directive);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_becomes_the_directive_that_it_stands_for() {
        let mut treatment = Treatment::default();
        treatment.add("proxy-read-timeout", "130");
        treatment.add("proxy-ssl-secret", "vault/certificate");
        let expected = [
            "proxy_read_timeout 130s",
            "proxy_ssl_trusted_certificate /etc/secrets/certificate/ca.crt",
        ];
        assert_eq!(treatment.directives, expected);
        assert_eq!(treatment.authority.as_deref(), Some("certificate"));
    }

    #[test]
    #[should_panic(expected = "what does nginx.ingress.kubernetes.io/canary: true mean?")]
    fn an_annotation_that_is_not_known_is_refused() {
        Treatment::default().add("canary", "true");
    }
}
