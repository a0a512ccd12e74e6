//! Servers with a seal of their own: the transit engine of another cluster, whose token is a file.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use jiff::Timestamp;
use serde_json::json;
use vaultyard_keys::fault::NoFaults;
use vaultyard_keys::generate_root::generate_root;
use vaultyard_keys::initialise::reason::{Reason, Waiting};
use vaultyard_keys::last_unsealed::UnsealLog;
use vaultyard_keys::verify::verify;
use vaultyard_model::access::Identity;
use vaultyard_model::observed::State;
use vaultyard_model::port::server::{KeyKind, Server};

use crate::access::{Cluster, DiesAt};
use crate::servers::{LONG, Servers, program};
use crate::transit::Other;
use crate::unsealing::until_all_unsealed;

/// Servers that the other cluster opens, by a token that may do nothing else.
fn servers(other: &Other, count: u8) -> Servers {
    let may = r#"path "transit/+/unseal" { capabilities = ["update"] }"#;
    let policy = other.write("seal.hcl", may);
    other.do_bao(&["policy", "write", "seal", policy.to_str().unwrap()]);
    let token = other.do_bao(&["token", "create", "-policy=seal", "-field=token"]);
    let file = other.write("seal-token", token.trim());
    let seal = json!([{"transit": {
        "address": other.address,
        "mount_path": "transit/",
        "key_name": "unseal",
        "token": format!("file://{}", file.display()),
        "disable_renewal": "false",
        "tls_ca_cert": other.authority(),
    }}]);
    Servers::start_with(count, Some(seal))
}

async fn is_open(servers: &Servers, ordinal: u8) -> bool {
    let health = servers.client(ordinal, Identity::Vaultyard).health().await;
    health.is_ok_and(|health| matches!(health.state, State::Active | State::Standby))
}

#[tokio::test]
async fn three_servers_that_open_themselves_become_one_cluster_whose_recovery_keys_are_kept() {
    let other = Other::start();
    let servers = servers(&other, 3);
    let mut unsealers = servers.unsealers(Arc::new(NoFaults)).await;
    let did = until_all_unsealed(&mut unsealers).await;
    for (ordinal, did) in (0..).zip(&did) {
        assert!(!did.contains(&"unseal"), "{did:?}");
        assert!(ordinal == 0 || did == &["join"], "{did:?}");
        assert!(is_open(&servers, ordinal).await);
    }

    // Nobody has to do anything for one that is started again.
    servers.hosts[2].kill();
    servers.hosts[2].start();
    let begun = Instant::now();
    while !is_open(&servers, 2).await {
        assert!(begun.elapsed() < LONG);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("killed standby, start to open: {:?}", begun.elapsed());

    let encryption = servers.encryption().await;
    let log = UnsealLog::new(servers.folder.path().join("last-unsealed.json"));
    let verified = verify(&servers.name, &*servers.store, &*encryption, &log).await.unwrap();
    assert_eq!(verified.faults, []);
    assert_eq!((verified.header.kind(), verified.header.shares), (KeyKind::Recovery, 5));
    assert_eq!(verified.last_unsealed, None);
}

#[tokio::test]
async fn recovery_keys_are_the_way_back_in_and_the_first_root_token_is_revoked() {
    let other = Other::start();
    let servers = servers(&other, 1);
    let cluster = Cluster::of(servers).await;
    cluster.establish(&mut cluster.access(Arc::new(NoFaults))).await;
    assert_eq!(cluster.roots().await, 0);
    let now = Timestamp::now();
    let made = generate_root(&cluster.socket, &cluster.keys, &cluster.record, now).await.unwrap();
    assert_eq!(cluster.roots().await, 1);
    cluster.vaultyard.with_token(&made.token).revoke_self().await.unwrap();
    assert_eq!(cluster.roots().await, 0);
}

#[tokio::test]
async fn an_open_server_whose_answer_was_lost_is_wiped_and_initialised_again() {
    for point in ["keys/request/after", "keys/keep-answer-on-volume/after", "keys/release/before"] {
        let other = Other::start();
        let servers = servers(&other, 1);
        let faults = Arc::new(DiesAt::at(point));
        let mut unsealers = servers.unsealers(faults).await;
        let died = AssertUnwindSafe(until_all_unsealed(&mut unsealers)).catch_unwind().await;
        assert!(died.is_err(), "{point}");
        drop(unsealers);

        let mut unsealers = servers.unsealers(Arc::new(NoFaults)).await;
        let did: BTreeSet<_> =
            until_all_unsealed(&mut unsealers).await.concat().into_iter().collect();
        assert_eq!(did.contains("wipe"), point == "keys/request/after", "{point}: {did:?}");
        assert!(did.contains("release") && is_open(&servers, 0).await, "{point}: {did:?}");
    }
}

#[tokio::test]
async fn a_server_that_was_sealed_by_hand_is_given_no_recovery_keys_and_opens_when_started_again() {
    let other = Other::start();
    let cluster = Cluster::of(servers(&other, 1)).await;
    let mut unsealers = cluster.servers.unsealers(Arc::new(NoFaults)).await;
    until_all_unsealed(&mut unsealers).await;
    let socket = cluster.servers.hosts[0].home.join("admin.sock");
    let sealed = Command::new(program())
        .args(["operator", "seal"])
        .env_clear()
        .env("BAO_ADDR", format!("unix://{}", socket.display()))
        .env("BAO_TOKEN", cluster.keys.root_token.expose_text().unwrap())
        .output()
        .unwrap();
    assert!(sealed.status.success(), "{sealed:?}");
    let begun = Instant::now();
    loop {
        let round = unsealers[0].round(Timestamp::now()).await;
        assert_eq!(round.did, None);
        if round.held == Some(Reason::Waiting(Waiting::Seal)) {
            break;
        }
        assert!(begun.elapsed() < LONG, "{:?}", round.held);
        tokio::time::sleep(round.next).await;
    }
    cluster.servers.hosts[0].kill();
    cluster.servers.hosts[0].start();
    until_all_unsealed(&mut unsealers).await;
}
