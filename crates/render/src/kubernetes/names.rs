//! What every object of a cluster is called. Nobody else puts such a name together, so that Roles,
//! selectors, controllers and unsealers cannot disagree.

use vaultyard_model::{Cluster, ClusterName, Namespace};

/// The name of the custom resource definition, the same for all clusters.
pub const DEFINITION: &str = "vaultclusters.vaultyard.dev";

/// How many attempts to initialise have names, and how many rekeys. Roles list each of them, because a right to create
/// can be held to a name only when the name is known beforehand.
pub const ATTEMPTS: u16 = 32;

/// How many of the cluster controller's latest events are kept.
const EVENTS: u16 = 16;

/// How many servers have names, whatever the document says today: Roles must not change with the
/// number of servers, since nobody but a person may change Roles.
pub const MOST_SERVERS: u8 = 9;

/// The names of one cluster's objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    cluster: String,
    namespace: String,
    operations: String,
}

impl Names {
    /// The names for this cluster.
    pub fn of(cluster: &Cluster) -> Self {
        Self::new(&cluster.name, &cluster.namespace)
    }

    /// The names for the cluster of this name in this namespace.
    pub fn new(cluster: &ClusterName, namespace: &Namespace) -> Self {
        Self {
            cluster: cluster.as_str().to_owned(),
            namespace: namespace.as_str().to_owned(),
            operations: namespace.operations(),
        }
    }

    fn with(&self, ending: &str) -> String {
        format!("{}-{ending}", self.cluster)
    }

    /// The cluster's own name, which its `VaultCluster`, StatefulSet, proxy Service and the servers'
    /// ServiceAccount and PodDisruptionBudget have too.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The namespace of what serves.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The namespace of what keeps the cluster.
    pub fn operations(&self) -> &str {
        &self.operations
    }

    /// What is not in a namespace: the admission policy and its binding, and the right to ask whose
    /// a token is.
    pub fn cluster_wide(&self) -> String {
        format!("vaultyard-{}-{}", self.namespace, self.cluster)
    }

    /// The StatefulSet; also the ServiceAccount, PodDisruptionBudget and pods' prefix.
    pub fn stateful_set(&self) -> &str {
        &self.cluster
    }

    /// The headless Service that gives every server its name.
    pub fn servers(&self) -> String {
        self.with("servers")
    }

    /// The Service that clients use.
    pub fn service(&self) -> &str {
        &self.cluster
    }

    /// The proxy's Deployment, ServiceAccount, PodDisruptionBudget and NetworkPolicy.
    pub fn proxy(&self) -> String {
        self.with("proxy")
    }

    /// The ConfigMap that holds the document.
    pub fn document(&self) -> String {
        self.with("document")
    }

    /// The NetworkPolicy that closes a namespace; there is one in each.
    pub fn deny(&self) -> String {
        self.with("deny")
    }

    /// The cluster controller's objects, in both namespaces.
    pub fn cluster_controller(&self) -> String {
        self.with("cluster-controller")
    }

    /// The certificates controller's objects, in both namespaces.
    pub fn certificates_controller(&self) -> String {
        self.with("certificates-controller")
    }

    /// The Role of the unsealers.
    pub fn unsealer(&self) -> String {
        self.with("unsealer")
    }

    /// The ServiceAccount, in the operations namespace, that logs in as the administrator.
    pub fn administrator(&self) -> String {
        self.with("administrator")
    }

    /// The ServiceAccount, in the operations namespace, with which the servers ask whose a token is;
    /// also the Role that lets unsealers ask for its tokens.
    pub fn token_reviewer(&self) -> String {
        self.with("token-reviewer")
    }

    /// Whom the tokens of service accounts that log in must be meant for: the cluster, by the URL of
    /// its Service.
    pub fn audience(&self) -> String {
        format!("https://{}", self.service_host())
    }

    /// The Secret with the servers' certificates.
    pub fn server_certificates(&self) -> String {
        self.with("server-certificates")
    }

    /// The Secret with the certificates that Vaultyard logs in with.
    pub fn identities(&self) -> String {
        self.with("identities")
    }

    /// The Secret with the certificate that clients see.
    pub fn proxy_certificate(&self) -> String {
        self.with("proxy-certificate")
    }

    /// What stands before the proxies, and what monitoring reads: the Ingress or Gateway, its route
    /// and policies, the monitors and the rules. Each is the only one of its kind.
    pub fn front(&self) -> &str {
        &self.cluster
    }

    /// The route that sends clients without TLS to where TLS is.
    pub fn redirect(&self) -> String {
        self.with("redirect")
    }

    /// The ConfigMap with the certificate of the authority that vouches for the proxies, for everybody.
    pub fn trust(&self) -> String {
        self.with("ca")
    }

    /// The ConfigMap with the dashboard.
    pub fn dashboard(&self) -> String {
        self.with("dashboard")
    }

    /// The events that the cluster controller writes, one after the other and again from the first.
    pub fn events(&self) -> Vec<String> {
        (0..EVENTS).map(|number| self.with(&format!("event-{number:02}"))).collect()
    }

    /// The Secret with the certificate authority, in the operations namespace.
    pub fn authority(&self) -> String {
        self.with("authority")
    }

    /// The Secret with the key-encryption key.
    pub fn key_encryption(&self) -> String {
        self.with("key-encryption")
    }

    /// The Secret with the files that the document's encryption names, unless it says another.
    pub fn key_files(&self) -> String {
        self.with("key-files")
    }

    /// The Secret that proves that the store keeps, returns and refuses to overwrite.
    pub fn keys_probe(&self) -> String {
        self.with("keys-probe")
    }

    /// The Secret with the intent to initialise, for this attempt, from 1 to [`ATTEMPTS`].
    pub fn intent(&self, attempt: u16) -> String {
        self.with(&format!("intent-{attempt:04}"))
    }

    /// The Secret with the encrypted keys of this attempt, from 1 to [`ATTEMPTS`].
    pub fn keys(&self, attempt: u16) -> String {
        self.with(&format!("keys-{attempt:04}"))
    }

    /// The Secret with the encrypted keys that this rekey made, from 1 to [`ATTEMPTS`].
    pub fn rekey(&self, number: u16) -> String {
        self.with(&format!("rekey-{number:04}"))
    }

    /// The Secret that says that the keys of this rekey count, from 1 to [`ATTEMPTS`].
    pub fn rekeyed(&self, number: u16) -> String {
        self.with(&format!("rekeyed-{number:04}"))
    }

    /// Every Secret that unsealers may create.
    pub fn key_secrets(&self) -> Vec<String> {
        let mut all = vec![self.key_encryption(), self.keys_probe()];
        all.extend((1..=ATTEMPTS).map(|attempt| self.intent(attempt)));
        all.extend((1..=ATTEMPTS).map(|attempt| self.keys(attempt)));
        all.extend((1..=ATTEMPTS).map(|number| self.rekey(number)));
        all.extend((1..=ATTEMPTS).map(|number| self.rekeyed(number)));
        all
    }

    /// The pod with this ordinal.
    pub fn server(&self, ordinal: u8) -> String {
        self.with(&ordinal.to_string())
    }

    /// Every pod that the StatefulSet can ever have.
    pub fn every_server(&self) -> Vec<String> {
        (0..MOST_SERVERS).map(|ordinal| self.server(ordinal)).collect()
    }

    /// The volume claims of [`Self::every_server`].
    pub fn every_claim(&self) -> Vec<String> {
        let claim = |server: String| format!("{}-{server}", super::server_pod::DATA);
        self.every_server().into_iter().map(claim).collect()
    }

    /// The DNS name of the server with this ordinal, as everything within Kubernetes reaches it. It
    /// does not end in the cluster's domain, which nobody need know: resolvers add it.
    pub fn server_host(&self, ordinal: u8) -> String {
        format!("{}.{}", self.server(ordinal), self.servers_host())
    }

    /// The DNS name that all servers have in common.
    pub fn servers_host(&self) -> String {
        format!("{}.{}.svc", self.servers(), self.namespace)
    }

    /// The DNS name of the proxy's Service within Kubernetes.
    pub fn service_host(&self) -> String {
        format!("{}.{}.svc", self.service(), self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use vaultyard_model::DnsName;

    use super::*;
    use crate::sample;

    #[test]
    fn the_longest_names_fit_their_objects() {
        let mut cluster = sample::cluster(9);
        cluster.name = ClusterName::new(&"v".repeat(ClusterName::LONGEST)).unwrap();
        cluster.namespace = Namespace::new(&"n".repeat(Namespace::LONGEST)).unwrap();
        let names = Names::of(&cluster);
        assert!(DnsName::new(&names.server_host(8)).is_ok());
        assert!(DnsName::new(&names.service_host()).is_ok());
        // The revision hash behind a StatefulSet's name is a label of at most 63 characters.
        assert!(names.stateful_set().len() <= 52);
        // A Deployment's pods carry two hashes of together 17 characters behind its name; a longer
        // one is cut, which would make them hard to tell apart.
        for deployment in [names.proxy(), names.cluster_controller()] {
            assert!(deployment.len() + 17 <= 76, "{deployment}");
        }
        assert!(names.certificates_controller().len() <= 253);
    }

    #[test]
    fn no_secret_has_the_name_of_another() {
        let names = Names::of(&sample::cluster(3));
        let mut all = names.key_secrets();
        all.extend([names.server_certificates(), names.identities(), names.proxy_certificate()]);
        all.push(names.key_files());
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn attempts_have_four_digits() {
        let names = Names::of(&sample::cluster(3));
        assert_eq!(names.intent(1), "vault-intent-0001");
        assert_eq!(names.keys(32), "vault-keys-0032");
        assert_eq!(names.server_host(2), "vault-2.vault-servers.vault.svc");
    }
}
