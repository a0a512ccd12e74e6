//! The kinds that Vaultyard uses, so that nothing has to be asked of the API server about them.

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// `apiVersion`.
    pub api_version: &'static str,
    /// `kind`.
    pub kind: &'static str,
    /// As it stands in paths.
    pub plural: &'static str,
    /// Whether its objects stand in namespaces.
    pub namespaced: bool,
}

const fn namespaced(api_version: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind { api_version, kind, plural, namespaced: true }
}

const fn everywhere(api_version: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind { api_version, kind, plural, namespaced: false }
}

/// Small texts, among them the document.
pub const CONFIG_MAP: Kind = namespaced("v1", "ConfigMap", "configmaps");
/// What happened to an object.
pub const EVENT: Kind = namespaced("v1", "Event", "events");
/// Who leads.
pub const LEASE: Kind = namespaced("coordination.k8s.io/v1", "Lease", "leases");
/// What others stand in.
pub const NAMESPACE: Kind = everywhere("v1", "Namespace", "namespaces");
/// A machine.
pub const NODE: Kind = everywhere("v1", "Node", "nodes");
/// What runs.
pub const POD: Kind = namespaced("v1", "Pod", "pods");
/// Who a pod is to the API server.
pub const SERVICE_ACCOUNT: Kind = namespaced("v1", "ServiceAccount", "serviceaccounts");
/// Small texts that not everybody may read.
pub const SECRET: Kind = namespaced("v1", "Secret", "secrets");
/// Pods that keep their names and volumes.
pub const STATEFUL_SET: Kind = namespaced("apps/v1", "StatefulSet", "statefulsets");
/// How volumes are made.
pub const STORAGE_CLASS: Kind = everywhere("storage.k8s.io/v1", "StorageClass", "storageclasses");
/// The document as the cluster controller reads it.
pub const VAULT_CLUSTER: Kind =
    namespaced("vaultyard.dev/v1alpha1", "VaultCluster", "vaultclusters");

const ADMISSION: &str = "admissionregistration.k8s.io/v1";
const RBAC: &str = "rbac.authorization.k8s.io/v1";
const GATEWAY: &str = "gateway.networking.k8s.io/v1";
const GKE: &str = "networking.gke.io/v1";
const GOOGLE_MONITORING: &str = "monitoring.googleapis.com/v1";
const OPERATOR_MONITORING: &str = "monitoring.coreos.com/v1";

const KINDS: &[Kind] = &[
    CONFIG_MAP,
    EVENT,
    LEASE,
    NAMESPACE,
    POD,
    SECRET,
    SERVICE_ACCOUNT,
    VAULT_CLUSTER,
    NODE,
    namespaced("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    namespaced("v1", "Service", "services"),
    namespaced("apps/v1", "Deployment", "deployments"),
    STATEFUL_SET,
    namespaced("networking.k8s.io/v1", "Ingress", "ingresses"),
    namespaced("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    namespaced("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    namespaced(RBAC, "Role", "roles"),
    namespaced(RBAC, "RoleBinding", "rolebindings"),
    everywhere(RBAC, "ClusterRole", "clusterroles"),
    everywhere(RBAC, "ClusterRoleBinding", "clusterrolebindings"),
    STORAGE_CLASS,
    everywhere("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions"),
    everywhere(ADMISSION, "ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
    everywhere(ADMISSION, "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
    // Not Kubernetes' own: there only where somebody installed them, used only when asked for.
    namespaced("cloud.google.com/v1", "BackendConfig", "backendconfigs"),
    namespaced("networking.gke.io/v1beta1", "FrontendConfig", "frontendconfigs"),
    namespaced(GATEWAY, "Gateway", "gateways"),
    namespaced(GATEWAY, "HTTPRoute", "httproutes"),
    namespaced(GATEWAY, "TLSRoute", "tlsroutes"),
    namespaced(GATEWAY, "BackendTLSPolicy", "backendtlspolicies"),
    namespaced(GKE, "HealthCheckPolicy", "healthcheckpolicies"),
    namespaced(GKE, "GCPBackendPolicy", "gcpbackendpolicies"),
    namespaced(GKE, "GCPGatewayPolicy", "gcpgatewaypolicies"),
    namespaced(GOOGLE_MONITORING, "PodMonitoring", "podmonitorings"),
    namespaced(GOOGLE_MONITORING, "Rules", "rules"),
    namespaced(OPERATOR_MONITORING, "PodMonitor", "podmonitors"),
    namespaced(OPERATOR_MONITORING, "PrometheusRule", "prometheusrules"),
];

impl Kind {
    /// The kind with these two names; `None` when Vaultyard does not use it.
    pub fn find(api_version: &str, kind: &str) -> Option<Self> {
        KINDS.iter().find(|known| known.api_version == api_version && known.kind == kind).copied()
    }

    /// The group of [`Self::api_version`]; empty for the oldest one.
    pub fn group(&self) -> &'static str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// The path of all its objects, in one namespace when they stand in one.
    pub(crate) fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.api_version.contains('/') { "apis" } else { "api" };
        let (version, plural) = (self.api_version, self.plural);
        match namespace {
            Some(namespace) => format!("/{root}/{version}/namespaces/{namespace}/{plural}"),
            None => format!("/{root}/{version}/{plural}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_optional_kinds_are_known_by_the_same_names() {
        for resource in vaultyard_render::kubernetes::optional::RESOURCES {
            let known = Kind::find(resource.api_version, resource.kind).unwrap();
            assert_eq!((known.plural, known.namespaced), (resource.plural, true));
        }
    }

    #[test]
    fn paths_are_those_of_the_api() {
        assert_eq!(STATEFUL_SET.path(Some("vault")), "/apis/apps/v1/namespaces/vault/statefulsets");
        assert_eq!(SECRET.path(Some("vault")), "/api/v1/namespaces/vault/secrets");
        assert_eq!(NAMESPACE.path(None), "/api/v1/namespaces");
        assert_eq!(Kind::find("apps/v1", "Pod"), None);
    }
}
