//! A cluster whose accounts have no rights at all is given exactly those that it asks for and is
//! refused, one after the other, until it is ready. What was never asked for nobody needs.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vaultyard_e2e::kubernetes::{Kube, Machines, SINGLE};
use vaultyard_e2e::{Status, wait};

const DEADLINE: Duration = Duration::from_secs(240);
/// Each look reads the logs of all pods.
const PAUSE: Duration = Duration::from_millis(600);
/// A look at the logs takes far less.
const LATELY: Duration = Duration::from_secs(60);

/// A Role whose rules are given back verb by verb.
struct Role {
    namespace: String,
    name: String,
    account: String,
    rules: Vec<Rule>,
}

struct Rule {
    whole: Value,
    given: BTreeSet<String>,
}

/// What the API server said to one who lacks a right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Refusal {
    account: String,
    verb: String,
    group: String,
    resource: String,
    namespace: String,
}

impl Rule {
    /// With no verb when `taken` is true of it, else with all that it has.
    fn without(whole: Value, taken: fn(&Self) -> bool) -> Self {
        let mut rule = Self { whole, given: BTreeSet::new() };
        if !taken(&rule) {
            rule.given = rule.verbs();
        }
        rule
    }

    fn is_of(&self, groups: &[&str]) -> bool {
        texts(&self.whole["apiGroups"]).any(|group| groups.contains(&group.as_str()))
    }

    fn verbs(&self) -> BTreeSet<String> {
        texts(&self.whole["verbs"]).collect()
    }

    fn left(&self) -> Vec<String> {
        self.verbs().difference(&self.given).cloned().collect()
    }

    fn now(&self) -> Option<Value> {
        let mut rule = self.whole.clone();
        rule["verbs"] = json!(self.given);
        (!self.given.is_empty()).then_some(rule)
    }

    fn is_about(&self, refusal: &Refusal) -> bool {
        let has = |field: &str, text: &str| texts(&self.whole[field]).any(|it| it == text);
        has("apiGroups", &refusal.group)
            && has("resources", &refusal.resource)
            && has("verbs", &refusal.verb)
    }
}

impl Role {
    /// Every Role of the cluster, without those of its rights of which `taken` is true.
    fn all(cluster: &Kube, taken: fn(&Rule) -> bool) -> Vec<Self> {
        let namespaces = [cluster.name().to_owned(), cluster.operations()];
        let of = |namespace: &String| {
            let bindings = cluster.object_in(namespace, &["rolebindings"]).unwrap();
            let bindings = bindings["items"].as_array().unwrap().clone();
            let read = |binding: Value| Self::read(cluster, namespace, &binding, taken);
            bindings.into_iter().map(read).collect::<Vec<_>>()
        };
        namespaces.iter().flat_map(of).collect()
    }

    fn read(cluster: &Kube, namespace: &str, binding: &Value, taken: fn(&Rule) -> bool) -> Self {
        let name = binding["roleRef"]["name"].as_str().unwrap();
        let role = cluster.object_in(namespace, &["role", name]).unwrap();
        let rules = role["rules"].as_array().unwrap().iter();
        let subject = &binding["subjects"][0];
        let text = |field: &str| subject[field].as_str().unwrap();
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            account: format!("{}:{}", text("namespace"), text("name")),
            rules: rules.map(|rule| Rule::without(rule.clone(), taken)).collect(),
        }
    }

    fn write(&self, cluster: &Kube) {
        let rules: Vec<_> = self.rules.iter().filter_map(Rule::now).collect();
        let patch = json!([{"op": "replace", "path": "/rules", "value": rules}]).to_string();
        let words = ["patch", "role", &self.name, "--type=json", "-p", &patch];
        let _ = cluster.kubectl_in(&self.namespace, &words);
    }

    /// Gives what was refused, when this is a Role that has it; whether it is.
    fn give(&mut self, refusal: &Refusal, cluster: &Kube) -> bool {
        if (&self.account, &self.namespace) != (&refusal.account, &refusal.namespace) {
            return false;
        }
        let (mut has, mut news) = (false, false);
        for rule in self.rules.iter_mut().filter(|rule| rule.is_about(refusal)) {
            has = true;
            news |= rule.given.insert(refusal.verb.clone());
        }
        if news {
            self.write(cluster);
        }
        has
    }
}

fn texts(list: &Value) -> impl Iterator<Item = String> {
    let list = list.as_array().cloned().unwrap_or_default();
    list.into_iter().filter_map(|text| text.as_str().map(str::to_owned))
}

/// `User "system:serviceaccount:N:A" cannot get resource "R" in API group "G" in the namespace "N"`
fn refusal(line: &str) -> Option<Refusal> {
    let line = line.replace("\\\"", "\"");
    let (_, said) = line.split_once("User \"system:serviceaccount:")?;
    let (account, said) = said.split_once('"')?;
    let (verb, said) = said.strip_prefix(" cannot ")?.split_once(" resource \"")?;
    let (resource, said) = said.split_once('"')?;
    let (group, said) = said.strip_prefix(" in API group \"")?.split_once('"')?;
    let (namespace, _) = said.strip_prefix(" in the namespace \"")?.split_once('"')?;
    let text = str::to_owned;
    Some(Refusal {
        account: text(account),
        verb: text(verb),
        group: text(group),
        resource: text(resource),
        namespace: text(namespace),
    })
}

/// Every refusal that pods of the cluster have told of lately.
fn refusals(cluster: &Kube) -> BTreeSet<Refusal> {
    cluster.lines_of_all(LATELY).iter().filter_map(|line| refusal(line)).collect()
}

/// What nobody has asked for yet.
fn left(roles: &[Role]) -> Vec<String> {
    let each = |role: &Role| {
        let rules = role.rules.iter().filter(|rule| !rule.left().is_empty());
        let line = |rule: &Rule| {
            let resources: Vec<_> = texts(&rule.whole["resources"]).collect();
            format!("{}: {} {}", role.name, rule.left().join(", "), resources.join(", "))
        };
        rules.map(line).collect::<Vec<_>>()
    };
    roles.iter().flat_map(each).collect()
}

/// Does what makes an account need a right that it does not need every day.
fn disturb(cluster: &Kube, roles: &[Role], round: u32) {
    let rules = roles.iter().flat_map(|role| role.rules.iter().map(move |rule| (role, rule)));
    for (role, rule) in rules.filter(|(_, rule)| !rule.left().is_empty()) {
        let lacks = |verb: &str, resource: &str| {
            rule.left() == [verb] && texts(&rule.whole["resources"]).any(|it| it == resource)
        };
        // There may be neither Lease nor pod yet, so that what comes of it is not looked at.
        if lacks("get", "leases") {
            // Its holder sees that it is not the one that it knows, and reads it.
            let label = format!("round={round}");
            let words = ["label", "lease", &role.name, "--overwrite", &label];
            let _ = cluster.try_kubectl(&[&words[..], &["-n", &role.namespace]].concat());
        }
        if lacks("get", "pods") {
            // So kubelet asks before it ends a server, and the unsealer looks whether that is true.
            let (namespace, server) = (&role.namespace, cluster.server(0));
            let path = format!("/api/v1/namespaces/{namespace}/pods/{server}:8204/proxy/drained");
            let _ = cluster.try_kubectl(&["get", "--raw", &path]);
        }
        if left(roles).len() == 1 && lacks("create", "pods/eviction") {
            // Servers are replaced as soon as all of them are well. One that came only then is new.
            let level = if (round / 64).is_multiple_of(2) { "debug" } else { "info" };
            let servers = json!({"configuration": {"log_level": level}});
            let patch = json!({"spec": {"servers": servers}}).to_string();
            let name = cluster.name();
            let words = ["patch", "vaultcluster", name, "--type=merge", "-p", &patch];
            let _ = cluster.try_kubectl(&[&words[..], &["-n", name]].concat());
        }
    }
}

/// With what is only there when it is asked for: what Google is told beside an Ingress, and monitoring
/// by Google. A single server would have no budget, and no right to one would be needed.
pub(crate) fn a_cluster_without_rights_asks_for_each_that_it_has() {
    let cluster = Kube::declared(
        "  ingress: {className: gce}\n  \
         monitoring: {podMonitoring: {}, alerts: true, dashboard: true}\n",
    );
    asks_for_each_right(&cluster, |_| true);
    asks_whose_a_token_is(&cluster);
}

/// And what Google is told beside a Gateway, and monitoring by Prometheus.
#[test]
fn a_cluster_behind_a_gateway_asks_for_each_right_on_what_belongs_to_it() {
    let _machines = Machines::shared();
    let cluster = Kube::declared(&format!(
        "{SINGLE}  ingress: {{gatewayApi: {{gatewayClassName: gke-l7-global-external-managed}}}}\n  \
         monitoring: {{podMonitor: {{}}, alerts: true}}\n",
    ));
    asks_for_each_right(&cluster, |rule| {
        rule.is_of(&["gateway.networking.k8s.io", "networking.gke.io", "monitoring.coreos.com"])
    });
}

/// Takes away the rights of which `taken` is true, and gives back what the API server refuses, until
/// nothing is left to give.
#[track_caller]
fn asks_for_each_right(cluster: &Kube, taken: fn(&Rule) -> bool) {
    cluster.define_all_kinds();
    // No pod runs before the rights are gone.
    let quota = cluster.allow_no_pods();
    let said = cluster.up_within("1s", &[]);
    assert_eq!(said.code, Some(4), "{said:#?}");
    let mut roles = Role::all(cluster, taken);
    assert!(roles.len() >= 5, "{}", roles.len());
    assert!(!left(&roles).is_empty(), "nothing was taken");
    roles.iter().for_each(|role| role.write(cluster));
    drop(quota);

    let deadline = Instant::now() + DEADLINE;
    for round in 0.. {
        if left(&roles).is_empty() {
            break;
        }
        let asked = refusals(cluster);
        let mut unknown = Vec::new();
        for refusal in &asked {
            let mut has = false;
            for role in &mut roles {
                has |= role.give(refusal, cluster);
            }
            if !has {
                unknown.push(refusal);
            }
        }
        assert!(unknown.is_empty(), "asked for what no Role has: {unknown:#?}");
        assert!(
            Instant::now() < deadline,
            "nobody needs {:#?}\nasked for: {asked:#?}\n{}",
            left(&roles),
            cluster.all_there_is()
        );
        disturb(cluster, &roles, round);
        std::thread::sleep(PAUSE);
    }
    let _ = cluster.wait_until_ready();
}

/// The one right that is no namespace's: without it nobody logs in with a service account.
fn asks_whose_a_token_is(cluster: &Kube) {
    let role = format!("vaultyard-{0}-{0}", cluster.name());
    let rules = cluster.object(&["clusterrole", &role]).unwrap()["rules"].clone();
    let write = |rules: &Value| {
        let patch = json!([{"op": "replace", "path": "/rules", "value": rules}]).to_string();
        let _ = cluster.kubectl(&["patch", "clusterrole", &role, "--type=json", "-p", &patch]);
    };
    let log_in = || cluster.vaultyard(&["login", "--print"]).code == Some(0);
    let becomes = |what: &str, wanted: bool| {
        wait(what, DEADLINE, || (log_in() == wanted).then_some(()));
    };
    becomes("a login works", true);
    write(&json!([]));
    becomes("no login works", false);
    // On a busy machine something else may be told first for a moment.
    let told = |status: &Status| {
        status.holds("ServiceAccountLogins") == Some(false)
            && status.reason.contains("tokenreviews")
    };
    let status = cluster.wait_for("known to let nobody in", told);
    assert!(!status.is_ready(), "{status:#?}");
    write(&rules);
    becomes("a login works again", true);
}
