//! Through an Ingress. No ingress controller can be had from the packages that tests use, so an nginx
//! stands in for one, which is configured from the objects in the cluster alone. What only Google can
//! prove, its load balancer in front of these proxies, is not proved anywhere here.

use std::time::{Duration, Instant};

use vaultyard_e2e::journal::{self, Journal, Pace};
use vaultyard_e2e::kubernetes::{Front, Kube, Machines, PATIENCE_OF_NGINX, PATIENT};
use vaultyard_e2e::{Access, wait};

const PACE: Pace = Pace { writers: 4, every: Duration::from_millis(100) };
/// The longest that servers may take to end.
const ENDED: Duration = Duration::from_secs(120);

#[test]
fn requests_through_an_ingress_outlast_leaders_and_the_patience_of_nginx() {
    let _machines = Machines::shared();
    let cluster = Kube::declared_up(&format!(
        "{PATIENT}  ingress:\n    className: nginx\n    proxy: {{hold: 4m}}\n"
    ));
    let front = cluster.front();
    let answer = front.unencrypted("/v1/sys/health");
    let elsewhere = format!("Location: https://{}/v1/sys/health", front.host());
    assert!(answer.starts_with("HTTP/1.1 308 ") && answer.contains(&elsewhere), "{answer}");

    let access = access(&cluster, &front);
    journal::provide(&access);
    let writing = journal::start(&access, PACE);
    writing.wait_for(50);
    cluster.delete_pods(&[&cluster.leader()]);
    let _ = cluster.wait_until_ready();
    writing.wait_for(50);
    assert_whole(&access, &writing.stop());

    let journal = without_servers_for_longer_than_nginx_waits(&cluster, &access);
    assert!(journal.longest_gap > PATIENCE_OF_NGINX, "{:?}", journal.longest_gap);
    assert_whole(&access, &journal);

    // Whoever asks for no Ingress any more has none; what is of others stays.
    let name = cluster.name();
    let dashboard = format!("{name}-dashboard");
    let _ = cluster.kubectl(&["create", "configmap", &dashboard]);
    cluster.declare(PATIENT);
    let said = cluster.up(&[]);
    assert_eq!(said.code, Some(0), "{said:#?}");
    assert!(said.stderr.contains(&format!("deleted the Ingress {name}")), "{}", said.stderr);
    assert_eq!(cluster.object(&["ingress", name]), None);
    assert!(cluster.object(&["configmap", &dashboard]).is_some());
}

/// GKE's Ingress, with everything that belongs to it and with Google's monitoring: the controller may
/// write all of it, and what it says leads to the proxies.
#[test]
fn what_google_is_told_stands_there_and_leads_to_the_proxies() {
    let _machines = Machines::shared();
    let cluster = Kube::declared(
        "  servers: {replicas: 1}\n  ingress: {className: gce}\n  \
         monitoring: {podMonitoring: {}, alerts: true, dashboard: true}\n",
    );
    cluster.define_all_kinds();
    let said = cluster.up(&[]);
    assert_eq!(said.code, Some(0), "{said:#?}\n{}", cluster.all_there_is());
    let front = cluster.front();
    let answer = front.check_health();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let answer = front.unencrypted("/ui/");
    let elsewhere = format!("Location: https://{}/ui/", front.host());
    assert!(answer.starts_with("HTTP/1.1 308 ") && answer.contains(&elsewhere), "{answer}");

    let access = access(&cluster, &front);
    journal::provide(&access);
    let writing = journal::start(&access, PACE);
    writing.wait_for(50);
    assert_whole(&access, &writing.stop());

    let name = cluster.name();
    let operations = cluster.operations();
    for (namespace, kind, object) in [
        (name, "podmonitorings.monitoring.googleapis.com", name.to_owned()),
        (&operations, "podmonitorings.monitoring.googleapis.com", name.to_owned()),
        (name, "rules.monitoring.googleapis.com", name.to_owned()),
        (name, "configmaps", format!("{name}-dashboard")),
    ] {
        wait(&format!("there are {kind} in {namespace}"), ENDED, || {
            cluster.object_in(namespace, &[kind, &object])
        });
    }
}

/// The way in that `env` prints: the host, and the root that vouches for it.
#[track_caller]
fn access(cluster: &Kube, front: &Front) -> Access {
    let printed = cluster.vaultyard(&["env"]).done();
    let value = |name: &str| {
        let set = format!("export {name}=");
        let line = printed.lines().find_map(|line| line.strip_prefix(&set));
        line.unwrap_or_else(|| panic!("{name}: {printed}"))
    };
    assert_eq!(value("BAO_ADDR"), format!("https://{}", front.host()));
    let root = std::fs::read_to_string(value("BAO_CACERT")).unwrap();
    let token = cluster.vaultyard(&["login", "--print"]).done();
    front.access(&root, token.trim())
}

/// Every write was acknowledged and is there.
#[track_caller]
fn assert_whole(access: &Access, journal: &Journal) {
    journal.expect_no_failure();
    assert_eq!(journal.verdict(&journal::read_back(access, journal)), []);
}

/// What is written while no server is there, until they are back.
#[track_caller]
fn without_servers_for_longer_than_nginx_waits(cluster: &Kube, access: &Access) -> Journal {
    let (name, operations) = (cluster.name(), cluster.operations());
    let scale = |namespace: &str, what: &str, replicas: &str| {
        let _ = cluster.kubectl_in(namespace, &["scale", what, &format!("--replicas={replicas}")]);
    };
    let gone = |namespace: &str, part: &str| {
        let what = format!("no pod is left of {part}");
        wait(&what, ENDED, || cluster.pods_of(namespace, part).is_empty().then_some(()));
    };
    // Whoever would put the servers back goes first.
    let controller = format!("deployment/{name}-cluster-controller");
    scale(&operations, &controller, "0");
    gone(&operations, "cluster-controller");
    scale(name, &format!("statefulset/{name}"), "0");
    gone(name, "server");
    let (writing, began) = (journal::start(access, PACE), Instant::now());
    wait("nginx would have given up by itself", PATIENCE_OF_NGINX * 2, || {
        (began.elapsed() > PATIENCE_OF_NGINX).then_some(())
    });
    scale(&operations, &controller, "2");
    let _ = cluster.wait_until_ready();
    writing.wait_for(50);
    writing.stop()
}
