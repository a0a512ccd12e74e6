//! A connection that is cut, and comes back.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use http::Uri;
use kube::config::Kubeconfig;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch::{Receiver, Sender};
use vaultyard_target_kubernetes::kind::{CONFIG_MAP, LEASE};
use vaultyard_target_kubernetes::lease::Election;
use vaultyard_target_kubernetes::watch::watch;
use vaultyard_target_kubernetes::{Api, Reason};

use crate::place::{WallClock, api, in_a_place, kubeconfig, within};

/// The API server behind a wire that can be cut.
struct Wire {
    api: Api,
    whole: Sender<bool>,
}

impl Wire {
    async fn lay() -> Self {
        let mut kubeconfig = Kubeconfig::read_from(kubeconfig()).unwrap();
        let cluster = kubeconfig.clusters[0].cluster.as_mut().unwrap();
        let server: Uri = cluster.server.take().unwrap().parse().unwrap();
        let far = server.authority().unwrap().to_string();
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let near: SocketAddr = listener.local_addr().unwrap();
        cluster.server = Some(format!("https://{near}"));
        cluster.tls_server_name = Some(server.host().unwrap().to_owned());
        let (whole, state) = tokio::sync::watch::channel(true);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(carry(stream, far.clone(), state.clone()));
            }
        });
        Self { api: api(&kubeconfig).await, whole }
    }
}

/// Carries bytes both ways while the wire is whole; drops both ends when it is cut.
async fn carry(mut near: TcpStream, far: String, mut whole: Receiver<bool>) {
    let mut cut = pin!(whole.wait_for(|whole| !whole));
    tokio::select! {
        _ = &mut cut => {}
        () = async {
            let mut far = TcpStream::connect(far).await.unwrap();
            tokio::io::copy_bidirectional(&mut near, &mut far).await.ok();
        } => {}
    }
}

#[tokio::test]
async fn what_changed_while_nobody_could_be_asked_is_told_afterwards() {
    in_a_place(async |place| {
        let wire = Wire::lay().await;
        let object = place.object(CONFIG_MAP, "a");
        let mut seen = pin!(watch(wire.api.clone(), object.clone()));
        let mut next = async || within(Duration::from_secs(15), seen.next()).await.unwrap();
        assert_eq!(next().await.unwrap(), None);
        wire.whole.send_replace(false);
        let error = next().await.unwrap_err();
        assert!(matches!(error.reason, Reason::Unreachable { .. }), "{error}");
        place.put(&object, json!({"data": {"x": "1"}})).await;
        wire.whole.send_replace(true);
        let told = loop {
            if let Ok(state) = next().await {
                break state.unwrap();
            }
        };
        assert_eq!(told["data"], json!({"x": "1"}));
    })
    .await;
}

#[tokio::test]
async fn a_leader_that_cannot_say_that_it_lives_leads_no_more_before_another_does() {
    in_a_place(async |place| {
        let wire = Wire::lay().await;
        let lease = place.object(LEASE, "a");
        let run = |api: &Api, name: &str| {
            let ((candidate, _), clock) = (place.candidate(name), Arc::new(WallClock));
            let (election, leads) = Election::new(api.clone(), lease.clone(), candidate, clock);
            tokio::spawn(election.run(std::future::pending()));
            leads
        };
        let mut first = run(&wire.api, "first");
        within(Duration::from_secs(10), first.wait_for(|leads| *leads)).await.unwrap();
        let mut second = run(&place.api, "second");
        wire.whole.send_replace(false);
        within(Duration::from_secs(12), first.wait_for(|leads| !leads)).await.unwrap();
        assert!(!*second.borrow_and_update(), "two must never lead at once");
        within(Duration::from_secs(15), second.wait_for(|leads| *leads)).await.unwrap();
    })
    .await;
}
