//! `spec.ingress`.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vaultyard_model::cluster::{GoogleName, Guarded, Network, ObjectName};

use crate::format::Bytes;
use crate::scalar::Written;

/// The way in for clients.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-vaultyard-rules" = RULES))]
pub(crate) struct Ingress {
    /// Vaultyard's own proxy, which knows the leader and bridges its changes.
    pub(crate) proxy: Proxy,
    /// The class of an Ingress in front of the proxy, for `spec.dns.host`.
    ///
    /// What else a controller must be told (TLS to the proxy, timeouts above `proxy.hold`, no second
    /// try of a request) is added for GKE's `gce` and `gce-internal`, and for classes whose name
    /// contains nginx. Others get the bare Ingress: tell theirs by `annotations` that the proxy
    /// speaks TLS.
    ///
    /// List the addresses of the controller in `proxy.trustedProxies`, so that its word about a
    /// client's address is taken. For `gce` these are 130.211.0.0/22, 35.191.0.0/16 and the load
    /// balancer's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-default" = "no Ingress"))]
    pub(crate) class_name: Option<Written<ObjectName>>,
    /// A Gateway of the Gateway API in front of the proxy, or a route at one that exists, for
    /// `spec.dns.host`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-default" = "no Gateway and no route"))]
    pub(crate) gateway_api: Option<GatewayApi>,
    /// With which certificate the Ingress or Gateway answers clients.
    pub(crate) tls: FrontTls,
    /// Settings of Google's load balancer, for the classes `gce` and `gce-internal` and for Gateways
    /// of GKE.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-default" = "Google's own settings"))]
    pub(crate) gce: Option<Gce>,
    /// Annotations that are added to the Ingress or Gateway. Where Vaultyard gives the same one,
    /// yours stands.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("x-vaultyard-default" = "none"))]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// The rules between fields in the language of the API server. `rules.rs` says the same, with better
/// words and for both targets.
const RULES: [[&str; 2]; 12] = [
    [
        "!has(self.className) || !has(self.gatewayApi)",
        "className and gatewayApi exclude each other",
    ],
    [
        "has(self.className) || has(self.gatewayApi) || !has(self.tls) && !has(self.gce) && \
         !has(self.annotations)",
        "tls, gce and annotations need className or gatewayApi",
    ],
    [
        "!has(self.gce) || (has(self.className) ? self.className in ['gce', 'gce-internal'] : \
         !has(self.gatewayApi) || has(self.gatewayApi.gateway) || \
         self.gatewayApi.gatewayClassName.startsWith('gke-l7-'))",
        "gce needs a class of GKE: gce, gce-internal or gke-l7-*",
    ],
    [
        "!has(self.tls) || !has(self.tls.passthrough) || has(self.gatewayApi)",
        "tls.passthrough needs gatewayApi",
    ],
    [
        "!has(self.gatewayApi) || !has(self.gatewayApi.gateway) || !has(self.annotations)",
        "annotations belong to the Gateway, which is not Vaultyard's",
    ],
    [
        "!has(self.annotations) || !('kubernetes.io/ingress.class' in self.annotations)",
        "the annotation kubernetes.io/ingress.class is set by Vaultyard: use className",
    ],
    [
        "!has(self.tls) || !has(self.tls.secretName) || !has(self.gatewayApi) || \
         !has(self.gatewayApi.gateway)",
        "tls.secretName belongs to the Gateway, which is not Vaultyard's",
    ],
    [
        "!has(self.tls) || !has(self.tls.preSharedCertificates) || (has(self.className) ? \
         self.className in ['gce', 'gce-internal'] : has(self.gatewayApi) && \
         has(self.gatewayApi.gatewayClassName) && \
         self.gatewayApi.gatewayClassName.startsWith('gke-l7-'))",
        "tls.preSharedCertificates needs a class of GKE: gce, gce-internal or gke-l7-*",
    ],
    [
        "!has(self.tls) || !has(self.tls.passthrough) || !has(self.gatewayApi) || \
         (has(self.gatewayApi.gateway) ? !has(self.gce) : \
         !self.gatewayApi.gatewayClassName.startsWith('gke-l7-'))",
        "tls.passthrough cannot be had with Google's load balancer, which ends TLS",
    ],
    [
        "!has(self.gce) || !has(self.className) || self.className != 'gce-internal' || \
         !has(self.gce.sslPolicy) && !has(self.gce.securityPolicy)",
        "gce.sslPolicy and gce.securityPolicy cannot be had with gce-internal",
    ],
    [
        "!has(self.gce) || !has(self.gatewayApi) || !has(self.gatewayApi.gateway) || \
         !has(self.gce.staticIpName) && !has(self.gce.sslPolicy)",
        "gce.staticIpName and gce.sslPolicy belong to the Gateway, which is not Vaultyard's",
    ],
    [
        "!has(self.proxy) || !has(self.proxy.proxyProtocol) || !self.proxy.proxyProtocol || \
         (has(self.className) ? !(self.className in ['gce', 'gce-internal']) : \
         !has(self.gatewayApi) || !has(self.gatewayApi.gatewayClassName) || \
         !self.gatewayApi.gatewayClassName.startsWith('gke-l7-'))",
        "proxy.proxyProtocol cannot be had with a class of GKE: the address comes in a header",
    ],
];

/// The Gateway in front of the proxy.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-vaultyard-one-of" = true))]
pub(crate) struct GatewayApi {
    /// The class of a Gateway that Vaultyard makes, with a route that verifies the proxy's
    /// certificate, and one that sends http to https. For `gke-l7-*` GKE's own policies are made too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gateway_class_name: Option<Written<ObjectName>>,
    /// A Gateway that somebody else keeps. Vaultyard makes the route only. Give `gce`, be it empty,
    /// when it is one of GKE's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gateway: Option<SharedGateway>,
}

/// A Gateway that somebody else keeps. It must allow routes from the cluster's namespace.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SharedGateway {
    /// Its name.
    #[schemars(extend("x-vaultyard-stand-in" = "gateway"))]
    pub(crate) name: Written<ObjectName>,
    /// Its namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-default" = "the namespace of the cluster"))]
    pub(crate) namespace: Option<Written<ObjectName>>,
    /// The name of its listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-default" = "every listener that takes the route"))]
    pub(crate) listener: Option<Written<ObjectName>>,
}

/// With which certificate the Ingress or Gateway answers clients.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-vaultyard-one-of" = true, "x-vaultyard-rules" = TLS_RULES))]
pub(crate) struct FrontTls {
    /// The one that the proxy has, from `spec.certificates.public`. A load balancer in a cloud takes
    /// minutes to serve a renewed one: do not let it live for less than a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) own_certificate: Option<OwnCertificate>,
    /// The one in this Secret of type kubernetes.io/tls, in the namespace of the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret_name: Option<Written<ObjectName>>,
    /// Certificates that lie at Google, by their names. For GKE's classes only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("uniqueItems" = true))]
    pub(crate) pre_shared_certificates: Option<Vec<Written<GoogleName>>>,
    /// None: TLS is passed on, so that clients speak with the proxy itself. With `gatewayApi` and
    /// classes that can do it; GKE's cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) passthrough: Option<Passthrough>,
}

/// The rule in the language of the API server; see `rules.rs`.
const TLS_RULES: [[&str; 2]; 1] = [[
    "!has(self.preSharedCertificates) || size(self.preSharedCertificates) > 0",
    "there is no certificate in the list",
]];

impl Default for FrontTls {
    fn default() -> Self {
        Self {
            own_certificate: Some(OwnCertificate {}),
            secret_name: None,
            pre_shared_certificates: None,
            passthrough: None,
        }
    }
}

/// The proxy's own certificate. There is nothing to choose.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnCertificate {}

/// TLS is passed on. There is nothing to choose.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Passthrough {}

/// Settings of Google's load balancer. What is named here must exist beforehand.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Gce {
    /// The name of a reserved address: a global one for `gce` and the global classes of Gateway,
    /// else one of the region.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-default" = "an address that may change"))]
    pub(crate) static_ip_name: Option<Written<GoogleName>>,
    /// The name of an SSL policy: which versions and ciphers of TLS clients may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-default" = "Google's"))]
    pub(crate) ssl_policy: Option<Written<GoogleName>>,
    /// The name of a security policy of Cloud Armor: which requests are let in. Not with
    /// `gce-internal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-default" = "none: all are"))]
    pub(crate) security_policy: Option<Written<GoogleName>>,
    /// How long requests may take to end when the proxy that has them goes away. Parts of a second
    /// are cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend(
        "x-vaultyard-least" = "0s",
        "x-vaultyard-most" = "1h",
        "x-vaultyard-default" = "as long as a request can take: proxy.hold and 90s"
    ))]
    pub(crate) connection_draining: Option<Written<Duration>>,
}

/// Vaultyard's own proxy. Its limits hold for the whole cluster: where several proxies run, they
/// share them out.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-vaultyard-rules" = PROXY_RULES))]
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

/// The rule between fields in the language of the API server; see `rules.rs`.
const PROXY_RULES: [[&str; 2]; 1] = [[
    "!has(self.proxyProtocol) || !self.proxyProtocol || \
     has(self.trustedProxies) && size(self.trustedProxies) > 0",
    "proxyProtocol needs trustedProxies: without one, every connection would be refused",
]];

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
