//! An Ingress as configuration of nginx.

use std::time::Duration;

use serde_json::Value;

/// What every controller reads in an Ingress alike.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) host: String,
    pub(super) path: String,
    pub(super) service: String,
    /// The name of the Service's port.
    pub(super) port: String,
    /// The Secret with the certificate for clients.
    pub(super) certificate: String,
}

/// What a certain controller reads beside that.
#[derive(Debug, Default)]
pub(super) struct Treatment {
    /// Where requests go, as host and port.
    pub(super) backends: Vec<String>,
    pub(super) encrypted_behind: bool,
    /// Directives of nginx for requests.
    pub(super) directives: Vec<String>,
    /// The status that sends clients from http to https.
    pub(super) redirect: Option<u16>,
    /// The Secret with the authority that vouches for the backend.
    pub(super) authority: Option<String>,
    /// The path by which backends are asked whether they are well.
    pub(super) health: Option<String>,
}

/// nginx waits for an answer no longer than this when nobody tells it otherwise. By itself it waits for a
/// minute, which a test would have to outlast.
pub const PATIENCE_OF_NGINX: Duration = Duration::from_secs(20);

/// Where nginx answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) https: u16,
    pub(super) http: u16,
    /// What comes in here is a health check.
    pub(super) health: u16,
}

/// Where the files of a Secret are found.
pub(super) fn folder(secret: &str) -> String {
    format!("/etc/secrets/{secret}")
}

#[track_caller]
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

impl Route {
    /// # Panics
    /// When it has more than one rule, path or certificate: ours has not.
    #[track_caller]
    pub(super) fn of(ingress: &Value) -> Self {
        let spec = &ingress["spec"];
        let (rules, rule) = (&spec["rules"], &spec["rules"][0]);
        let (paths, path) = (&rule["http"]["paths"], &rule["http"]["paths"][0]);
        let one = |list: &Value| list.as_array().is_some_and(|list| list.len() == 1);
        assert!(one(rules) && one(paths) && one(&spec["tls"]), "{spec:#}");
        assert_eq!(path["pathType"], "Prefix");
        let host = text(&rule["host"]);
        assert_eq!(spec["tls"][0]["hosts"], serde_json::json!([host]));
        let service = &path["backend"]["service"];
        Self {
            host,
            path: text(&path["path"]),
            service: text(&service["name"]),
            port: text(&service["port"]["name"]),
            certificate: text(&spec["tls"][0]["secretName"]),
        }
    }

    /// The port of the Service that it means.
    #[track_caller]
    pub(super) fn port_of(&self, service: &Value) -> u64 {
        let mut ports = service["spec"]["ports"].as_array().into_iter().flatten();
        let port = ports.find(|port| port["name"] == *self.port);
        let port = port.and_then(|port| port["port"].as_u64());
        port.unwrap_or_else(|| panic!("{} has no port {}", self.service, self.port))
    }

    /// The Secrets whose files nginx needs, each once.
    pub(super) fn secrets(&self, treatment: &Treatment) -> Vec<String> {
        let certificate = [self.certificate.clone()].into_iter();
        let mut all: Vec<String> = certificate.chain(treatment.authority.clone()).collect();
        all.dedup();
        all
    }

    /// The whole configuration.
    pub(super) fn configuration(&self, treatment: &Treatment, ports: Ports) -> String {
        let Self { host, path, .. } = self;
        let Ports { https, http, health } = ports;
        let certificate = folder(&self.certificate);
        let servers: String =
            treatment.backends.iter().map(|backend| format!(" server {backend};")).collect();
        let scheme = if treatment.encrypted_behind { "https" } else { "http" };
        let directives: String =
            treatment.directives.iter().map(|directive| format!("      {directive};\n")).collect();
        let unencrypted = match treatment.redirect {
            Some(status) => format!("return {status} https://$host$request_uri;"),
            None => format!("location / {{ proxy_pass {scheme}://backend; }}"),
        };
        let checked = treatment.health.iter().map(|path| {
            format!(
                "  server {{ listen {health}; location / {{ proxy_pass {scheme}://backend{path}; }} }}"
            )
        });
        let checked: String = checked.collect();
        let patience = PATIENCE_OF_NGINX.as_secs();
        format!(
            "worker_processes 2;
pid /tmp/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  proxy_read_timeout {patience}s;
  client_body_temp_path /tmp/client;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  scgi_temp_path /tmp/scgi;
  uwsgi_temp_path /tmp/uwsgi;
  upstream backend {{{servers} }}
  server {{ listen {https} ssl default_server; ssl_reject_handshake on; }}
  server {{ listen {http}; server_name {host}; {unencrypted} }}
{checked}
  server {{
    listen {https} ssl;
    server_name {host};
    ssl_certificate {certificate}/tls.crt;
    ssl_certificate_key {certificate}/tls.key;
    location {path} {{
      proxy_pass {scheme}://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
{directives}    }}
  }}
}}
"
        )
    }
}
