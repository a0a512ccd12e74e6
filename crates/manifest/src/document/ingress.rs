//! `spec.ingress`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vaultyard_model::cluster::{Guarded, Network};

use super::Planned;
use crate::format::Bytes;
use crate::scalar::Written;

/// The way in for clients.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Ingress {
    /// Vaultyard's own proxy, which knows the leader and bridges its changes.
    pub(crate) proxy: Proxy,
    /// The class of an Ingress object in front of the proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) class_name: Option<Planned>,
    /// A route of the Gateway API in front of the proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gateway_api: Option<Planned>,
}

/// Vaultyard's own proxy. Its limits hold for the whole cluster: where several proxies run, they
/// share them out.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Proxy {
    /// How many requests are at the leader at one time. The others wait their turn, fairly among
    /// clients.
    #[schemars(
        range(min = 1, max = 60),
        extend("x-vaultyard-why" = "more than about 60 requests at one time can dead-lock the KV store of a server for good")
    )]
    pub(crate) max_in_flight: u16,
    /// How long a request waits while there is no leader, before it is answered with 503.
    #[schemars(extend("x-vaultyard-least" = "1s", "x-vaultyard-most" = "5m"))]
    pub(crate) hold: Written<Duration>,
    /// How many requests wait at one time. Those beyond are answered with 503 at once.
    #[schemars(range(min = 0, max = 65_536))]
    pub(crate) max_held: u32,
    /// How much memory the bodies of waiting requests take together.
    #[schemars(extend("x-vaultyard-least" = "1Mi", "x-vaultyard-most" = "4Gi"))]
    pub(crate) max_held_bytes: Written<Bytes>,
    /// Networks of proxies in front of this one, whose word about a client's address is taken.
    #[schemars(extend("uniqueItems" = true))]
    pub(crate) trusted_proxies: Vec<Written<Network>>,
    /// Whether connections from `trustedProxies` begin with a header of the PROXY protocol.
    pub(crate) proxy_protocol: bool,
    /// Operations that are open to clients although they are refused from outside by default. Open
    /// one only while you need it.
    #[schemars(extend("uniqueItems" = true))]
    pub(crate) open: Vec<Written<Guarded>>,
}

impl Default for Proxy {
    fn default() -> Self {
        Self {
            max_in_flight: 40,
            hold: Written::new("30s"),
            max_held: 1_024,
            max_held_bytes: Written::new("64Mi"),
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            open: Vec::new(),
        }
    }
}
