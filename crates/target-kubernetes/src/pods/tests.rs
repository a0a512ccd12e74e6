use serde_json::json;

use super::*;

fn pod(status: Value) -> Value {
    json!({"metadata": {"uid": "u"}, "status": status})
}

fn event(reason: &str, message: &str) -> Value {
    json!({"reason": reason, "message": message, "involvedObject": {"uid": "u"},
        "lastTimestamp": "2026-11-24T10:00:00Z"})
}

#[track_caller]
fn says(pod: &Value, events: &[Value], expected: &str) {
    assert_eq!(waits(pod, events).map(|why| why.to_string()).as_deref(), Some(expected));
}

fn unschedulable(message: &str) -> Value {
    pod(json!({"conditions": [{"type": "PodScheduled", "status": "False", "message": message}]}))
}

fn waiting(reason: &str, message: &str) -> Value {
    let waiting = json!({"waiting": {"reason": reason, "message": message}});
    pod(json!({"containerStatuses": [{"name": "server", "image": "i@sha256:0", "state": waiting,
        "restartCount": 4,
        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]}))
}

#[test]
fn a_pod_that_no_node_takes_says_why_for_each() {
    let message = "0/3 nodes are available: 1 Insufficient memory, 1 node(s) didn't find available \
        persistent volumes to bind, 1 node(s) didn't match pod anti-affinity rules. no new claims \
        to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.";
    let expected = "waits: no node takes it (1 too little memory; 1 without room for its volume; 1 in a \
        zone that holds another server); make room on one, or add one";
    says(&unschedulable(message), &[], expected);
    let message = "0/3 nodes are available: 1 node(s) had untolerated taint {disk: full}, 1 node(s) \
        were unschedulable, 1 node(s) didn't match Pod's node affinity/selector.";
    let expected = "waits: no node takes it (1 closed to new pods (disk: full); 1 closed to new pods \
        (cordoned); 1 outside the zones that it may stand in); make room on one, or add one";
    says(&unschedulable(message), &[], expected);
    let expected = "waits: no node takes it (something new); make room on one, or add one";
    says(&unschedulable("something new"), &[], expected);
}

#[test]
fn a_claim_that_gets_no_volume_is_the_reason() {
    let message = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.";
    let expected = "waits: no node takes it (its claim has no volume: pod has unbound immediate \
        PersistentVolumeClaims); see to the StorageClass of its claim";
    says(&unschedulable(message), &[], expected);
    let events = [event("ProvisioningFailed", "storageclass.storage.k8s.io \"fast\" not found")];
    let expected = "waits: no node takes it (its claim has no volume: storageclass.storage.k8s.io \
        \"fast\" not found); see to the StorageClass of its claim";
    says(&unschedulable(message), &events, expected);
}

#[test]
fn images_secrets_and_crashes_are_told() {
    for reason in ["ErrImagePull", "ImagePullBackOff"] {
        let expected = "waits: the image i@sha256:0 cannot be pulled: not found; see that its \
            registry has it and lets the nodes have it";
        says(&waiting(reason, "not found"), &[], expected);
    }
    says(
        &waiting("CreateContainerConfigError", "secret \"vault-identities\" not found"),
        &[],
        "waits for the Secret vault-identities",
    );
    says(
        &waiting("RunContainerError", "no such file: bao"),
        &[],
        "waits: its container server cannot be started: no such file: bao",
    );
    let expected =
        "fails: its container server was ended by signal 9 (OOMKilled), after 4 restarts";
    says(&waiting("CrashLoopBackOff", "back-off 40s restarting"), &[], expected);
}

#[test]
fn what_keeps_a_volume_from_being_mounted_comes_from_events_about_this_pod() {
    let pod = waiting("ContainerCreating", "");
    says(&pod, &[], "is being started");
    let message = "MountVolume.SetUp failed for volume \"certificates\" : secret \
        \"vault-server-certificates\" not found";
    let expected = "waits for the Secret vault-server-certificates";
    says(&pod, &[event("FailedMount", message)], expected);
    says(&pod, &[event("FailedMount", "disk is gone")], "waits for its volume: disk is gone");
    let mut other = event("FailedMount", message);
    other["involvedObject"]["uid"] = "another".into();
    says(&pod, &[other], "is being started");
}

#[test]
fn a_pod_that_goes_or_was_thrown_out_is_told() {
    let mut going = pod(json!({}));
    going["metadata"]["deletionTimestamp"] = "2026-11-24T10:00:00Z".into();
    says(&going, &[], "is being deleted");
    let evicted =
        pod(json!({"phase": "Failed", "message": "The node was low on resource: memory."}));
    says(&evicted, &[], "was ended by its node: The node was low on resource: memory.");
}

#[test]
fn a_ready_pod_waits_for_nothing() {
    let running = |ready: bool| {
        let condition = if ready { "True" } else { "False" };
        pod(json!({"conditions": [{"type": "Ready", "status": condition}],
            "containerStatuses": [{"name": "server", "ready": ready, "state": {"running": {}}}]}))
    };
    assert_eq!(waits(&running(true), &[]), None);
    says(&running(false), &[], "runs; its container server is not ready yet");
    says(&pod(json!({})), &[], "is being started");
}

#[test]
fn a_pod_that_could_not_be_made_says_which_guard_refused() {
    let events = [
        event(
            "FailedCreate",
            "create Pod vault-0 in StatefulSet vault failed error: pods \"vault-0\" is forbidden: \
             exceeded quota: q, requested: pods=1",
        ),
        event("SuccessfulCreate", "create Pod vault-1 in StatefulSet vault successful"),
    ];
    let why = not_created("vault-0", &events).unwrap().to_string();
    let expected = "cannot be created: pods \"vault-0\" is forbidden: exceeded quota: q, requested: \
        pods=1; raise the namespace's quota, or ask for less in the document";
    assert_eq!(why, expected);
    assert_eq!(not_created("vault-1", &events), None);
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn containers_live_as_processes_do() {
    assert_eq!(process(&pod(json!({})), "server"), ProcessSeen::NotStarted);
    assert_eq!(process(&waiting("ContainerCreating", ""), "other"), ProcessSeen::NotStarted);
    let running = pod(json!({"containerStatuses": [{"name": "server", "state": {"running": {}}}]}));
    assert_eq!(process(&running, "server"), ProcessSeen::Elsewhere);
    assert_eq!(last_end(&running, "server"), None);
}

#[test]
fn a_container_that_crashed_says_how_and_when_it_is_started_again() {
    let mut crashed =
        waiting("CrashLoopBackOff", "back-off 1m20s restarting failed container=server");
    let end = &mut crashed["status"]["containerStatuses"][0]["lastState"]["terminated"];
    *end = json!({"exitCode": 1, "reason": "Error", "finishedAt": "2026-11-24T10:00:00Z",
        "message": "starting\nError: no space left on device\n"});
    let ProcessSeen::Ended { exit, at: ended, again, times } = process(&crashed, "server") else {
        panic!("it has ended");
    };
    assert_eq!((exit.code, exit.signal, exit.no_space), (Some(1), None, true));
    assert_eq!(exit.reason.as_deref(), Some("Error: no space left on device"));
    assert_eq!((ended, again), (at("2026-11-24T10:00:00Z"), at("2026-11-24T10:01:20Z")));
    assert_eq!(times, 5);
    crashed["metadata"]["deletionTimestamp"] = "2026-11-24T10:00:00Z".into();
    assert_eq!(process(&crashed, "server"), ProcessSeen::Stopped);
}
