//! On which nodes servers may stand.

use k8s_openapi::api::core::v1::{
    Affinity, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm,
    PodAffinityTerm, PodAntiAffinity, TopologySpreadConstraint, WeightedPodAffinityTerm,
};
use vaultyard_model::Cluster;

use super::labels::{Component, pods_of};
use super::names::Names;
use super::pod::ZONE;

/// The label of nodes that names the node itself.
const NODE: &str = "kubernetes.io/hostname";

/// How many zones a cluster has when its document names none: as many as a region has at the clouds.
const ZONES: usize = 3;

/// How many zones the cluster stands in.
pub(super) fn zones(cluster: &Cluster) -> usize {
    match cluster.servers.zones.len() {
        0 => ZONES,
        named => named,
    }
}

/// Whether every server has a zone of its own; else they share zones evenly.
pub fn zone_each(cluster: &Cluster) -> bool {
    usize::from(cluster.servers.replicas.count()) <= zones(cluster)
}

/// One server a zone while there are zones enough, else no two on a node where it can be helped; in
/// the zones that the document names.
pub(super) fn of_servers(cluster: &Cluster, names: &Names) -> Affinity {
    let apart = |topology: &str| PodAffinityTerm {
        label_selector: Some(pods_of(names, Component::Server)),
        topology_key: topology.to_owned(),
        ..Default::default()
    };
    let anti_affinity = if zone_each(cluster) {
        PodAntiAffinity {
            required_during_scheduling_ignored_during_execution: Some(vec![apart(ZONE)]),
            ..Default::default()
        }
    } else {
        PodAntiAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![
                WeightedPodAffinityTerm { weight: 100, pod_affinity_term: apart(NODE) },
            ]),
            ..Default::default()
        }
    };
    Affinity {
        pod_anti_affinity: Some(anti_affinity),
        node_affinity: in_named_zones(cluster),
        ..Default::default()
    }
}

/// More servers than zones: no zone has two more than another.
pub(super) fn spread_of_servers(
    cluster: &Cluster,
    names: &Names,
) -> Option<Vec<TopologySpreadConstraint>> {
    let spread = TopologySpreadConstraint {
        label_selector: Some(pods_of(names, Component::Server)),
        max_skew: 1,
        topology_key: ZONE.to_owned(),
        when_unsatisfiable: "DoNotSchedule".to_owned(),
        ..Default::default()
    };
    (!zone_each(cluster)).then(|| vec![spread])
}

/// No zone has two pods of the same version more than another. Zones whose nodes take no pods do
/// not count, so that a zone that is down or drained does not keep the others from having more.
pub(super) fn spread_evenly(names: &Names, component: Component) -> Vec<TopologySpreadConstraint> {
    vec![TopologySpreadConstraint {
        label_selector: Some(pods_of(names, component)),
        match_label_keys: Some(vec!["pod-template-hash".to_owned()]),
        max_skew: 1,
        node_taints_policy: Some("Honor".to_owned()),
        topology_key: ZONE.to_owned(),
        when_unsatisfiable: "DoNotSchedule".to_owned(),
        ..Default::default()
    }]
}

/// The zones that the document names, as a condition on nodes.
pub(super) fn in_named_zones(cluster: &Cluster) -> Option<NodeAffinity> {
    let zones = &cluster.servers.zones;
    let requirement = || NodeSelectorRequirement {
        key: ZONE.to_owned(),
        operator: "In".to_owned(),
        values: Some(zones.iter().map(|zone| zone.as_str().to_owned()).collect()),
    };
    let term =
        || NodeSelectorTerm { match_expressions: Some(vec![requirement()]), ..Default::default() };
    (!zones.is_empty()).then(|| NodeAffinity {
        required_during_scheduling_ignored_during_execution: Some(NodeSelector {
            node_selector_terms: vec![term()],
        }),
        ..Default::default()
    })
}

#[cfg(test)]
mod tests {
    use vaultyard_model::Zone;

    use super::*;
    use crate::sample;

    fn in_zones(replicas: u64, zones: &[&str]) -> Cluster {
        let mut cluster = sample::cluster(replicas);
        cluster.servers.zones = zones.iter().map(|zone| Zone::new(zone).unwrap()).collect();
        cluster
    }

    #[test]
    fn each_server_has_a_zone_of_its_own_while_there_are_zones_enough() {
        let enough = [in_zones(3, &[]), in_zones(3, &["a", "b", "c"]), in_zones(1, &["a"])];
        for cluster in enough {
            let names = Names::of(&cluster);
            let anti_affinity = of_servers(&cluster, &names).pod_anti_affinity.unwrap();
            assert!(anti_affinity.required_during_scheduling_ignored_during_execution.is_some());
            assert_eq!(spread_of_servers(&cluster, &names), None);
        }
        for cluster in [in_zones(5, &[]), in_zones(3, &["a", "b"])] {
            let names = Names::of(&cluster);
            let anti_affinity = of_servers(&cluster, &names).pod_anti_affinity.unwrap();
            assert!(anti_affinity.required_during_scheduling_ignored_during_execution.is_none());
            assert!(spread_of_servers(&cluster, &names).is_some());
        }
    }

    #[test]
    fn servers_stand_only_in_the_zones_that_the_document_names() {
        assert_eq!(in_named_zones(&in_zones(3, &[])), None);
        let required = in_named_zones(&in_zones(3, &["a", "b", "c"]))
            .and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution);
        let terms = required.unwrap().node_selector_terms;
        let expressions = terms[0].match_expressions.clone().unwrap();
        assert_eq!(expressions[0].values, Some(["a", "b", "c"].map(str::to_owned).to_vec()));
    }
}
