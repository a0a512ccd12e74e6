//! What stands before the proxies on Kubernetes, and who looks at the metrics. On one machine there
//! is neither: clients speak to the proxy itself.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::Proxy;
use crate::DnsName;

/// The way in for clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingress {
    /// Vaultyard's leader-aware proxy.
    pub proxy: Proxy,
    /// What stands before it; nothing: clients use the proxy's Service.
    pub front: Option<Front>,
}

/// An Ingress or a Gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Front {
    /// Which of them.
    pub way: Way,
    /// With which certificate it answers clients. A Gateway of somebody else has its own, so that
    /// there only [`FrontTls::Passthrough`] says something.
    pub tls: FrontTls,
    /// Annotations that a person adds to the Ingress or the Gateway.
    pub annotations: BTreeMap<String, String>,
    /// The settings of Google's load balancer; present exactly when it is one.
    pub google: Option<GoogleLoadBalancer>,
}

/// By which objects traffic comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// An Ingress of this class.
    Ingress {
        /// Its class.
        class: ObjectName,
    },
    /// A Gateway of this class, and routes.
    Gateway {
        /// Its class.
        class: ObjectName,
    },
    /// Routes at a Gateway that somebody else keeps.
    SharedGateway {
        /// The Gateway's name.
        name: ObjectName,
        /// Its namespace; the cluster's own when there is none.
        namespace: Option<ObjectName>,
        /// The listener; all that fit when there is none.
        listener: Option<ObjectName>,
    },
}

/// With which certificate clients are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrontTls {
    /// The one that the proxies have.
    OwnCertificate,
    /// The one in a Secret beside the proxies.
    Secret(ObjectName),
    /// Certificates that lie at Google; never empty.
    PreShared(Vec<GoogleName>),
    /// TLS is passed on to the proxies.
    Passthrough,
}

/// A load balancer of Google.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoogleLoadBalancer {
    /// A reserved address.
    pub static_address: Option<GoogleName>,
    /// Which versions and ciphers of TLS clients may use.
    pub ssl_policy: Option<GoogleName>,
    /// Which requests Cloud Armor lets in.
    pub security_policy: Option<GoogleName>,
    /// How long requests at a proxy that goes away may take to end, in whole seconds; as long as one
    /// can take when there is none.
    pub connection_draining: Option<Duration>,
}

/// Which objects of monitoring there are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Monitoring {
    /// Who collects metrics.
    pub collector: Option<Collector>,
    /// Whether there are rules for alerts, for that collector.
    pub alerts: bool,
    /// Whether there is a dashboard for Grafana.
    pub dashboard: bool,
}

/// Who collects metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Collector {
    /// Google Cloud Managed Service for Prometheus, by `PodMonitoring`.
    Google,
    /// A Prometheus that prometheus-operator keeps, by `PodMonitor`.
    Operator {
        /// Labels by which it picks what it reads.
        labels: BTreeMap<String, String>,
        /// Where it runs; anywhere in the Kubernetes cluster when there is none.
        namespace: Option<ObjectName>,
    },
}

/// The classes of Ingress that GKE serves: a load balancer in front of the internet, and one within
/// a network.
pub const GOOGLE_INGRESS_CLASSES: [&str; 2] = ["gce", "gce-internal"];
/// What the names of GKE's Gateway classes begin with.
pub const GOOGLE_GATEWAY_CLASSES: &str = "gke-l7-";

impl Way {
    /// Whether the class is one of GKE's. A Gateway of somebody else does not tell.
    pub fn is_of_google(&self) -> bool {
        match self {
            Self::Ingress { class } => GOOGLE_INGRESS_CLASSES.contains(&class.as_str()),
            Self::Gateway { class } => class.as_str().starts_with(GOOGLE_GATEWAY_CLASSES),
            Self::SharedGateway { .. } => false,
        }
    }

    /// Whether the load balancer is one that has a global address: GKE's other classes are regional.
    pub fn is_global(&self) -> bool {
        match self {
            Self::Ingress { class } => class.as_str() == "gce",
            Self::Gateway { class } => {
                let class = class.as_str();
                class.starts_with("gke-l7-global-") || class.starts_with("gke-l7-gxlb")
            }
            Self::SharedGateway { .. } => false,
        }
    }
}

/// The name of an object of Kubernetes: a DNS subdomain (RFC 1123).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(DnsName);

impl ObjectName {
    /// The name, when it is one.
    pub fn new(text: &str) -> Option<Self> {
        DnsName::new(text).ok().filter(|_| !text.ends_with('.')).map(Self)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// The name of something at Google Compute Engine: a label by RFC 1035.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoogleName(String);

impl GoogleName {
    /// The longest name, in characters.
    pub const LONGEST: usize = 63;

    /// The name, when it is one.
    pub fn new(text: &str) -> Option<Self> {
        let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let well_formed = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.ends_with(alphanumeric)
            && text.chars().all(|c| alphanumeric(c) || c == '-');
        (well_formed && text.len() <= Self::LONGEST).then(|| Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for GoogleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_at_google_begin_with_a_letter() {
        assert!(GoogleName::new("vault-address-1").is_some());
        for wrong in ["", "1-vault", "Vault", "vault-", "va.ult", &"v".repeat(64)] {
            assert_eq!(GoogleName::new(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_of_objects_are_subdomains() {
        for right in ["nginx", "1", "a.b-c.d"] {
            assert!(ObjectName::new(right).is_some(), "{right}");
        }
        for wrong in ["", "a_b", "A", "a.", "-a"] {
            assert_eq!(ObjectName::new(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_class_tells_whether_it_is_googles_and_how_far_its_address_reaches() {
        let name = |text: &str| ObjectName::new(text).unwrap();
        let ingress = |class: &str| Way::Ingress { class: name(class) };
        let gateway = |class: &str| Way::Gateway { class: name(class) };
        for (way, google, global) in [
            (ingress("gce"), true, true),
            (ingress("gce-internal"), true, false),
            (ingress("nginx"), false, false),
            (gateway("gke-l7-global-external-managed"), true, true),
            (gateway("gke-l7-gxlb"), true, true),
            (gateway("gke-l7-rilb"), true, false),
            (gateway("istio"), false, false),
        ] {
            assert_eq!((way.is_of_google(), way.is_global()), (google, global), "{way:?}");
        }
    }
}
