//! What the API server is asked for while nothing happens, as its audit log has it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use vaultyard_e2e::kubernetes::Kube;

use crate::Effort;
use crate::report::{Report, Row};

pub(crate) fn run(effort: Effort) -> Report {
    let cluster = Kube::new();
    let _ = cluster.wait_until_ready();
    // Standbys and proxies find their places, and what was watched for the first time is listed.
    std::thread::sleep(Duration::from_secs(effort.of(60, 5)));
    let mut log = File::open(log()).unwrap();
    log.seek(SeekFrom::End(0)).unwrap();
    let lasts = Duration::from_secs(effort.of(600, 20));
    std::thread::sleep(lasts);
    let events = BufReader::new(log).lines().map_while(Result::ok);
    let events = events.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let counted = counted(events, &[cluster.name(), &cluster.operations()]);

    let minutes = lasts.as_secs_f64() / 60.0;
    let accounts = [
        (cluster.operations(), "cluster-controller", "cluster controller"),
        (cluster.operations(), "certificates-controller", "certificates controller"),
        (cluster.name().to_owned(), "", "three unsealers"),
    ];
    let mut notes = Vec::new();
    let mut rows = Vec::new();
    for (namespace, account, words) in accounts {
        let name = [cluster.name(), account].join("-");
        let account = format!("{namespace}:{}", name.trim_end_matches('-'));
        let asked = counted.get(&account).cloned().unwrap_or_default();
        let all: u32 = asked.values().sum();
        let per_minute = f64::from(all) / minutes;
        let ours = format!("{all}, {per_minute:.2} a minute");
        let row = Row::new(words, ours, String::new());
        rows.push(row.goal("<= 1 a minute", per_minute <= 1.0));
        let list: Vec<String> =
            asked.iter().map(|(what, times)| format!("{times} x {what}")).collect();
        notes.push(format!("{words}: {}.", list.join(", ")));
    }
    notes.insert(
        0,
        format!(
            "Every request in {:.0} minutes that the API server's audit log has from these \
             accounts, but those for leases, which are not in it. A watch counts when it begins.",
            minutes
        ),
    );
    Report { against: "others", rows, notes }
}

/// The log lies beside the folder of the kubeconfig.
fn log() -> PathBuf {
    let kubeconfig = PathBuf::from(std::env::var_os("KUBECONFIG").unwrap());
    kubeconfig.parent().unwrap().with_file_name("audit.log")
}

/// How often each service account of these namespaces asked for what.
fn counted(
    events: impl Iterator<Item = Value>,
    namespaces: &[&str],
) -> BTreeMap<String, BTreeMap<String, u32>> {
    let mut counted: BTreeMap<String, BTreeMap<String, u32>> = BTreeMap::new();
    for event in events {
        let verb = event["verb"].as_str().unwrap_or_default();
        // A watch is told twice: when it begins, and when it ends.
        let stage = if verb == "watch" { "ResponseStarted" } else { "ResponseComplete" };
        let user = event["user"]["username"].as_str().unwrap_or_default();
        let Some(account) = user.strip_prefix("system:serviceaccount:") else { continue };
        let within = account.split_once(':').is_some_and(|(it, _)| namespaces.contains(&it));
        if event["stage"] != stage || !within {
            continue;
        }
        let object = &event["objectRef"];
        let resource = object["resource"].as_str().unwrap_or("something else");
        let what = match object["subresource"].as_str() {
            Some(part) => format!("{verb} {resource}/{part}"),
            None => format!("{verb} {resource}"),
        };
        *counted.entry(account.to_owned()).or_default().entry(what).or_default() += 1;
    }
    counted
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_of_these_accounts_are_counted_once_each() {
        let event = |user: &str, verb: &str, stage: &str| {
            json!({
                "stage": stage,
                "verb": verb,
                "user": {"username": format!("system:serviceaccount:{user}")},
                "objectRef": {"resource": "pods"},
            })
        };
        let events = [
            event("a:x", "watch", "ResponseStarted"),
            event("a:x", "watch", "ResponseComplete"),
            event("a:x", "get", "ResponseComplete"),
            event("a:x", "get", "ResponseComplete"),
            event("b:x", "get", "ResponseComplete"),
        ];
        let counted = counted(events.into_iter(), &["a"]);
        assert_eq!(counted.len(), 1);
        let asked = &counted["a:x"];
        assert_eq!((asked["watch pods"], asked["get pods"]), (1, 2));
    }
}
