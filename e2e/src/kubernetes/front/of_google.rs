//! An Ingress of GKE with what it names, as Google documents it: straight to the pods, whose certificates
//! nobody verifies.

use serde_json::{Value, json};

use super::configuration::{Route, Treatment, text};
use crate::kubernetes::Kube;

const FRONTEND_CONFIG: &str = "networking.gke.io/v1beta1.FrontendConfig";

/// What the load balancer does with requests.
#[track_caller]
pub(super) fn treatment(
    cluster: &Kube,
    route: &Route,
    ingress: &Value,
    service: &Value,
) -> Treatment {
    let object = |words: &[&str]| cluster.object(words).unwrap_or_else(|| panic!("no {words:?}"));
    let annotation = |name: &str| text(&service["metadata"]["annotations"][name]);
    let parsed = |name: &str| serde_json::from_str::<Value>(&annotation(name)).unwrap();
    assert_eq!(parsed("cloud.google.com/neg"), json!({"ingress": true}));
    let protocol = &parsed("cloud.google.com/app-protocols")[&route.port];
    let backend = text(&parsed("cloud.google.com/backend-config")["ports"][&route.port]);
    let backend = &object(&["backendconfigs.cloud.google.com", &backend])["spec"];
    let frontend = text(&ingress["metadata"]["annotations"][FRONTEND_CONFIG]);
    let frontend = &object(&["frontendconfigs.networking.gke.io", &frontend])["spec"];
    let redirect = &frontend["redirectToHttps"];
    assert_eq!(redirect["enabled"], true);

    let of_service = format!("kubernetes.io/service-name={}", route.service);
    let slices = object(&["endpointslices", "-l", &of_service]);
    let backends = slices["items"].as_array().into_iter().flatten().flat_map(|slice| {
        let port = slice["ports"].as_array().into_iter().flatten();
        let port = port.into_iter().find(|port| port["name"] == *route.port).unwrap();
        let endpoints = slice["endpoints"].as_array().into_iter().flatten();
        endpoints.map(move |it| format!("{}:{}", text(&it["addresses"][0]), port["port"]))
    });
    let backends: Vec<String> = backends.collect();
    assert!(!backends.is_empty(), "{slices:#}");

    let check = &backend["healthCheck"];
    assert_eq!(check["type"], *protocol);
    let checked = format!(":{}", check["port"]);
    assert!(backends.iter().all(|backend| backend.ends_with(&checked)), "{backends:?} {check}");
    Treatment {
        backends,
        encrypted_behind: protocol == "HTTPS",
        // It has no limit of its own for bodies.
        directives: vec![
            format!("proxy_read_timeout {}s", backend["timeoutSec"]),
            "client_max_body_size 0".to_owned(),
        ],
        redirect: Some(match redirect["responseCodeName"].as_str() {
            Some("MOVED_PERMANENTLY_DEFAULT") => 301,
            Some("FOUND") => 302,
            Some("TEMPORARY_REDIRECT") => 307,
            Some("PERMANENT_REDIRECT") => 308,
            other => panic!("what does {other:?} mean?"),
        }),
        authority: None,
        health: Some(text(&check["requestPath"])),
    }
}
