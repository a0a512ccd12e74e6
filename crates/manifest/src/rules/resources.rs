//! The rules of `spec.servers.resources`.

use vaultyard_model::bytes::Binary;
use vaultyard_model::cluster::Resources as Given;

use super::{Rule, Rules};
use crate::cluster;
use crate::document::Resources;

impl Rules<'_, '_> {
    /// The API server refuses a pod that requests more than it may take, and would do so only when
    /// the servers are made.
    pub(super) fn resources(&mut self, resources: &Resources) {
        // What cannot be read was reported where it stands.
        let Ok(Given { requests, limits }) = cluster::resources(resources) else { return };
        if let Some(most) = limits.cpu.filter(|most| requests.cpu > *most) {
            self.above_limit("cpu", requests.cpu.to_string(), most.to_string());
        }
        if requests.memory > limits.memory {
            let [request, limit] =
                [requests.memory, limits.memory].map(|it| Binary(it).to_string());
            self.above_limit("memory", request, limit);
        }
    }

    fn above_limit(&mut self, name: &str, request: String, limit: String) {
        let [requested, limited] =
            ["requests", "limits"].map(|field| format!("spec.servers.resources.{field}.{name}"));
        let written = |path: &str| self.root.at_path(path).is_some();
        let hint = match (written(&requested), written(&limited)) {
            (true, false) => format!("write {limited} too: it is {limit} by default"),
            (false, true) => format!("write {requested} too: it is {request} by default"),
            _ => "lower the request, or raise the limit".to_owned(),
        };
        self.broken(Rule::RequestAboveLimit { request, limit }, &[&requested, &limited], &hint);
    }
}
