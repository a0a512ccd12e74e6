//! Three servers on the configuration that is rendered for them.

use std::time::{Duration, Instant};

use vaultyard_model::port::launcher::{Launcher, Running, SignalKind};
use vaultyard_target_local::ServerFolder;

use crate::parts::{Yard, answers, ask, initialise};

/// Launches, and unseals as soon as the seal's configuration is known.
async fn start(yard: &Yard, ordinal: u8, unseal: &str) -> Box<dyn Running> {
    let name = yard.cluster.name.server(ordinal);
    let running = yard.launcher().launch(&name).await.unwrap();
    let folder = yard.paths.server(&name);
    answers(&folder, "GET sys/health", "", 503).await;
    answers(&folder, "PUT sys/unseal", unseal, 200).await;
    running
}

/// Whether all three vote.
async fn all_vote(leader: &ServerFolder, token: &str) -> bool {
    let (_, answer) = ask(leader, "GET sys/storage/raft/configuration", token, "").await;
    let servers = answer["data"]["config"]["servers"].as_array().cloned().unwrap_or_default();
    servers.len() == 3 && servers.iter().all(|server| server["voter"] == true)
}

#[tokio::test]
async fn leadership_passes_from_server_to_server_under_the_declared_audit() {
    let yard = Yard::new();
    let folders = [0, 1, 2].map(|ordinal| yard.paths.server(&yard.cluster.name.server(ordinal)));
    let first = yard.launch().await;
    let (unseal, token) = initialise(&folders[0]).await;
    answers(&folders[0], "PUT sys/unseal", &unseal, 200).await;
    answers(&folders[0], "GET sys/health", "", 200).await;
    let soon = r#"{"server_stabilization_time":"1s"}"#;
    let autopilot = "POST sys/storage/raft/autopilot/configuration";
    assert_eq!(ask(&folders[0], autopilot, &token, soon).await.0, 204);
    let _second = start(&yard, 1, &unseal).await;
    let _third = start(&yard, 2, &unseal).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    while !all_vote(&folders[0], &token).await {
        assert!(Instant::now() < deadline, "not all servers became voters");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    first.signal(SignalKind::Terminate).unwrap();
    assert_eq!(first.wait().await.code, Some(0));
    let deadline = Instant::now() + Duration::from_secs(30);
    let active = loop {
        let mut active = None;
        for folder in &folders[1..] {
            if ask(folder, "GET sys/health", "", "").await.0 == 200 {
                active = Some(folder);
            }
        }
        if let Some(folder) = active {
            break folder;
        }
        assert!(Instant::now() < deadline, "nobody leads");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(ask(active, "GET auth/token/lookup-self", &token, "").await.0, 200);
    assert!(std::fs::metadata(active.audit()).unwrap().len() > 0);
}
