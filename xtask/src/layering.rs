//! Which crate may use which. The table is the map of ARCHITECTURE.md as data; it is held against
//! `cargo metadata`, so that an edge that must not exist fails the build, also when it is hidden
//! behind another dependency.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::shell;

/// What one package may use.
struct Layer {
    package: &'static str,
    /// Packages of this workspace that it may depend on.
    ours: &'static [&'static str],
    /// Other packages that it must not reach, by whatever way. A final `*` stands for any ending.
    never: &'static [&'static str],
}

const MODEL: &str = "vaultyard-model";
const DURABLE: &str = "vaultyard-durable";
const TESTKIT: &str = "vaultyard-testkit";
const EMULATORS: &str = "vaultyard-emulators";
/// What only tests use.
const FOR_TESTS: &[&str] = &[TESTKIT, EMULATORS];
const E2E: &str = "vaultyard-e2e";
const XTASK: &str = "xtask";

/// Speaking to the outside, in any way.
const ADAPTERS: &[&str] =
    &["hyper", "hyper-util", "rustls", "tokio-rustls", "hickory-*", "kube*", "google-cloud-*"];

#[rustfmt::skip]
const LAYERS: &[Layer] = &[
    Layer { package: MODEL, ours: &[],
        never: &["tokio", "serde", "serde_json", "hyper", "rustls", "kube*", "hickory-*"] },
    Layer { package: DURABLE, ours: &[], never: &["tokio", "serde", "hyper", "rustls", "kube*", "hickory-*"] },
    Layer { package: "vaultyard-manifest", ours: &[MODEL],
        never: &["tokio", "hyper", "rustls", "kube", "kube-client", "hickory-*"] },
    Layer { package: "vaultyard-plan", ours: &[MODEL],
        never: &["tokio", "serde", "serde_json", "hyper", "rustls", "kube*", "hickory-*"] },
    Layer { package: "vaultyard-render", ours: &[MODEL],
        never: &["tokio", "hyper", "rustls", "kube", "kube-client", "hickory-*"] },
    Layer { package: "vaultyard-engine", ours: &[MODEL, "vaultyard-plan"], never: ADAPTERS },
    Layer { package: "vaultyard-vault", ours: &[MODEL],
        never: &["kube*", "google-cloud-*", "hickory-*"] },
    Layer { package: "vaultyard-keys", ours: &[DURABLE, MODEL, "vaultyard-vault"],
        never: &["kube*", "google-cloud-*", "hickory-*"] },
    Layer { package: "vaultyard-snapshots", ours: &[DURABLE, MODEL, "vaultyard-keys"],
        never: &["kube*", "google-cloud-*", "hickory-*"] },
    Layer { package: "vaultyard-certificates", ours: &[DURABLE, MODEL], never: &["kube*", "hickory-*"] },
    Layer { package: "vaultyard-dns", ours: &[MODEL], never: &["kube*"] },
    Layer { package: "vaultyard-proxy", ours: &[MODEL], never: &["kube*", "hickory-*"] },
    Layer { package: "vaultyard-aws", ours: &[MODEL],
        never: &["kube*", "hickory-*", "google-cloud-*", "aws-sdk-*"] },
    Layer { package: "vaultyard-google", ours: &[MODEL],
        never: &["kube*", "hickory-*", "tonic", "google-cloud-kms*", "google-cloud-storage"] },
    Layer { package: "vaultyard-target-kubernetes", ours: &[DURABLE, MODEL, "vaultyard-render"],
        never: &["hickory-*", "google-cloud-*"] },
    Layer { package: "vaultyard-target-local", ours: &[DURABLE, MODEL, "vaultyard-render"],
        never: &["kube*", "hickory-*", "google-cloud-*"] },
    Layer { package: "vaultyard-cli", ours: &["vaultyard-*"], never: &[] },
    Layer { package: TESTKIT, ours: &[MODEL], never: &["hyper", "rustls", "kube*"] },
    Layer { package: EMULATORS, ours: &[], never: &["rustls", "kube*"] },
    Layer { package: E2E, ours: &[EMULATORS, TESTKIT, MODEL, "vaultyard-manifest", "vaultyard-plan",
        "vaultyard-render"], never: &[] },
    Layer { package: XTASK, ours: &[], never: &["tokio"] },
];

/// Asks cargo and holds the answer against the table.
pub(crate) fn check() -> Result<(), String> {
    let metadata = shell::output(shell::cargo().args(["metadata", "--format-version", "1"]))?;
    let metadata = serde_json::from_slice(&metadata)
        .map_err(|error| format!("cargo metadata cannot be read: {error}"))?;
    let faults = faults(&metadata)?;
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// Folders below `crates` of those that may not even wait for something: no runtime of asynchronous work.
pub(crate) fn pure_crates() -> impl Iterator<Item = &'static str> {
    let pure = LAYERS.iter().filter(|layer| layer.never.contains(&"tokio"));
    pure.filter_map(|layer| layer.package.strip_prefix("vaultyard-"))
}

/// Everything in `metadata` that the table does not allow.
fn faults(metadata: &Value) -> Result<Vec<String>, String> {
    let graph = Graph::read(metadata).ok_or("cargo metadata has an unknown shape")?;
    let mut faults = Vec::new();
    for member in &graph.members {
        match LAYERS.iter().find(|layer| layer.package == graph.name(member)) {
            Some(layer) => faults.extend(graph.faults_of(member, layer)),
            None => faults.push(format!(
                "{} has no row in the layering table (xtask/src/layering.rs)",
                graph.name(member)
            )),
        }
    }
    Ok(faults)
}

/// One dependency of a package.
struct Edge<'a> {
    to: &'a str,
    /// Whether only tests use it.
    tests_only: bool,
}

/// The resolved packages, by cargo's package id.
struct Graph<'a> {
    members: BTreeSet<&'a str>,
    names: BTreeMap<&'a str, &'a str>,
    edges: BTreeMap<&'a str, Vec<Edge<'a>>>,
}

impl<'a> Graph<'a> {
    /// Reads `cargo metadata --format-version 1`; `None` when something is not where it should be.
    fn read(metadata: &'a Value) -> Option<Self> {
        let members = metadata["workspace_members"].as_array()?;
        let packages = metadata["packages"].as_array()?;
        let nodes = metadata["resolve"]["nodes"].as_array()?;
        let edge = |dependency: &'a Value| {
            let kinds = dependency["dep_kinds"].as_array()?;
            let tests_only = kinds.iter().all(|kind| kind["kind"] == "dev");
            Some(Edge { to: dependency["pkg"].as_str()?, tests_only })
        };
        let edges_of = |node: &'a Value| {
            let edges: Option<Vec<_>> = node["deps"].as_array()?.iter().map(edge).collect();
            Some((node["id"].as_str()?, edges?))
        };
        Some(Self {
            members: members.iter().map(Value::as_str).collect::<Option<_>>()?,
            names: packages
                .iter()
                .map(|package| Some((package["id"].as_str()?, package["name"].as_str()?)))
                .collect::<Option<_>>()?,
            edges: nodes.iter().map(edges_of).collect::<Option<_>>()?,
        })
    }

    fn name(&self, id: &'a str) -> &'a str {
        self.names.get(id).copied().unwrap_or(id)
    }

    fn edges(&self, id: &str) -> &[Edge<'a>] {
        self.edges.get(id).map_or(&[], Vec::as_slice)
    }

    fn faults_of(&self, member: &'a str, layer: &Layer) -> Vec<String> {
        let mut faults = Vec::new();
        let ours = self.edges(member).iter().filter(|edge| self.members.contains(edge.to));
        for edge in ours {
            let name = self.name(edge.to);
            let allowed = layer.ours.iter().any(|pattern| matches(pattern, name));
            let is_for_tests = FOR_TESTS.contains(&name);
            let for_tests = is_for_tests && edge.tests_only;
            let in_tests = edge.tests_only || layer.package == E2E;
            let never = name == E2E || name == XTASK || (is_for_tests && !in_tests);
            if never || !(allowed || for_tests) {
                faults.push(format!("{} must not use {name}", layer.package));
            }
        }
        for (reached, way) in self.reach(member) {
            let name = self.name(reached);
            if layer.never.iter().any(|pattern| matches(pattern, name)) {
                faults.push(format!("{} must not reach {name}: {way}", layer.package));
            }
        }
        faults
    }

    /// Everything that `start` is built with, and the way to it as a person would say it.
    fn reach(&self, start: &'a str) -> BTreeMap<&'a str, String> {
        let mut reached = BTreeMap::new();
        let mut open = vec![(start, self.name(start).to_owned())];
        while let Some((id, way)) = open.pop() {
            for edge in self.edges(id).iter().filter(|edge| !edge.tests_only) {
                if !reached.contains_key(edge.to) {
                    let way = format!("{way} -> {}", self.name(edge.to));
                    reached.insert(edge.to, way.clone());
                    open.push((edge.to, way));
                }
            }
        }
        reached
    }
}

/// Whether `name` is `pattern`, or begins with it when it ends in `*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Metadata with two members, `vaultyard-plan` and `vaultyard-model`, and what `edges` says:
    /// from, to, and `"dev"` or nothing.
    fn metadata(edges: &[(&str, &str, Option<&str>)]) -> Value {
        let mut names = BTreeSet::from(["vaultyard-plan", MODEL]);
        names.extend(edges.iter().flat_map(|(from, to, _)| [*from, *to]));
        let ours = |name: &&str| name.starts_with("vaultyard-") || *name == XTASK;
        let node = |name: &&str| {
            let from_here = edges.iter().filter(|(from, ..)| from == name);
            let deps: Vec<_> = from_here
                .map(|(_, to, kind)| json!({"pkg": to, "dep_kinds": [{"kind": kind}]}))
                .collect();
            json!({"id": name, "deps": deps})
        };
        json!({
            "workspace_members": names.iter().copied().filter(ours).collect::<Vec<_>>(),
            "packages": names.iter().map(|n| json!({"id": n, "name": n})).collect::<Vec<_>>(),
            "resolve": {"nodes": names.iter().map(node).collect::<Vec<_>>()},
        })
    }

    #[track_caller]
    fn check(edges: &[(&str, &str, Option<&str>)], expected: &[&str]) {
        assert_eq!(faults(&metadata(edges)).unwrap(), expected);
    }

    #[test]
    fn an_edge_of_the_table_is_allowed() {
        check(&[("vaultyard-plan", MODEL, None)], &[]);
    }

    #[test]
    fn an_edge_that_is_not_in_the_table_is_a_fault() {
        check(
            &[("vaultyard-plan", "vaultyard-engine", None)],
            &["vaultyard-plan must not use vaultyard-engine"],
        );
        check(
            &[("vaultyard-plan", "vaultyard-vault", Some("dev"))],
            &["vaultyard-plan must not use vaultyard-vault"],
        );
    }

    #[test]
    fn a_forbidden_package_is_found_behind_another_one() {
        check(
            &[("vaultyard-plan", "harmless", None), ("harmless", "tokio", None)],
            &["vaultyard-plan must not reach tokio: vaultyard-plan -> harmless -> tokio"],
        );
    }

    #[test]
    fn what_only_tests_use_may_reach_anything_from_outside() {
        check(&[("vaultyard-plan", "proptest", Some("dev")), ("proptest", "tokio", None)], &[]);
    }

    #[test]
    fn the_testkit_is_for_tests_only() {
        check(&[("vaultyard-plan", TESTKIT, Some("dev"))], &[]);
        check(
            &[("vaultyard-cli", TESTKIT, None)],
            &["vaultyard-cli must not use vaultyard-testkit"],
        );
    }

    #[test]
    fn nothing_depends_on_the_tools() {
        check(&[("vaultyard-cli", XTASK, None)], &["vaultyard-cli must not use xtask"]);
    }

    #[test]
    fn a_crate_without_a_row_is_a_fault() {
        check(
            &[("vaultyard-extra", "harmless", None)],
            &["vaultyard-extra has no row in the layering table (xtask/src/layering.rs)"],
        );
    }

    #[test]
    fn a_star_stands_for_any_ending() {
        assert!(matches("kube*", "kube-client") && matches("kube*", "kube"));
        assert!(!matches("hyper", "hyper-util"));
    }
}
