//! What happens to requests when leaders come, go, refuse, cut and hang.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::play::{Play, all, limits, until, within};
use crate::server::Role::{self, Active, Cuts, Hangs, NotActive, Sealed, Standby};

/// Starts with the first server as leader in `role`, sends a request, then lets the second lead.
async fn across_a_change(role: Role, method: &'static str) -> (u16, usize) {
    let play = Arc::new(Play::start(limits(), &[role, Standby]).await);
    let asked = {
        let play = Arc::clone(&play);
        tokio::spawn(async move { play.ask(method, "/v1/secret/data/x", "{}").await })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    play.servers[0].set(Standby);
    play.servers[1].set(Active);
    let status = asked.await.unwrap().status;
    let carried_out = play.servers.iter().map(|server| {
        server.seen(|seen| seen.writes.get("/v1/secret/data/x").copied().unwrap_or_default())
    });
    (status, carried_out.sum())
}

#[tokio::test]
async fn a_write_refused_by_a_leader_that_steps_down_is_sent_to_the_next() {
    assert_eq!(across_a_change(NotActive, "PUT").await, (200, 1));
}

#[tokio::test]
async fn a_write_waits_while_nobody_leads() {
    assert_eq!(across_a_change(Standby, "PUT").await, (200, 1));
    assert_eq!(across_a_change(Sealed, "PUT").await, (200, 1));
}

#[tokio::test]
async fn a_write_whose_connection_broke_is_not_sent_again() {
    assert_eq!(across_a_change(Cuts, "PUT").await, (502, 1));
}

#[tokio::test]
async fn a_leader_that_says_307_or_sealed_before_its_health_does_is_left() {
    for refusal in [Standby, Sealed] {
        let play = Play::start(limits(), &[Active, Standby]).await;
        let mut client = play.client().await;
        assert_eq!(client.ask("PUT", "/v1/a", "{}").await.status, 200);
        play.servers[0].set(refusal);
        play.servers[1].set(Active);
        assert_eq!(client.ask("PUT", "/v1/a", "{}").await.status, 200, "{refusal:?}");
        assert_eq!(play.servers[1].seen(|seen| seen.writes["/v1/a"]), 1);
    }
}

#[tokio::test]
async fn a_killed_leader_costs_no_read() {
    let mut play = Play::start(limits(), &[Active, Standby]).await;
    play.servers[0].set_pace(Duration::from_millis(200));
    let (killed, mut clients) = (play.servers.remove(0), Vec::new());
    for _ in 0..20 {
        clients.push(play.client().await);
    }
    let reads = clients
        .into_iter()
        .map(|mut client| async move { client.ask("GET", "/v1/secret/data/x", "").await.status });
    let reads = tokio::spawn(all(reads));
    until(|| killed.seen(|seen| seen.now) == 20).await;
    killed.kill().await;
    play.servers[0].set(Active);
    assert_eq!(reads.await.unwrap(), vec![200; 20]);
}

#[tokio::test]
async fn a_write_that_found_the_leader_gone_is_sent_to_the_next() {
    let mut play = Play::start(limits(), &[Active, Standby]).await;
    let mut client = play.client().await;
    client.ask("PUT", "/v1/a", "{}").await;
    play.servers.remove(0).kill().await;
    play.servers[0].set(Active);
    assert_eq!(client.ask("PUT", "/v1/a", "{}").await.status, 200);
    assert_eq!(play.servers[0].seen(|seen| seen.writes["/v1/a"]), 1);
}

#[tokio::test]
async fn a_read_is_taken_from_a_leader_that_is_silent_once_another_leads() {
    let play = Arc::new(Play::start(limits(), &[Active, Standby]).await);
    play.servers[0].set(Hangs);
    let asked = {
        let play = Arc::clone(&play);
        tokio::spawn(async move { play.ask("GET", "/v1/secret/data/x", "").await })
    };
    until(|| play.servers[0].seen(|seen| seen.now) == 1).await;
    play.servers[1].set(Active);
    assert_eq!(within(5, asked).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_write_that_a_deposed_leader_does_not_answer_is_not_sent_again() {
    let play = Arc::new(Play::start(limits(), &[Active, Standby]).await);
    play.servers[0].set(Hangs);
    let asked = {
        let play = Arc::clone(&play);
        tokio::spawn(async move { play.ask("PUT", "/v1/secret/data/x", "{}").await })
    };
    until(|| play.servers[0].seen(|seen| seen.now) == 1).await;
    play.servers[1].set(Active);
    assert_eq!(within(8, asked).await.unwrap().status, 504);
    assert!(play.servers[1].seen(|seen| seen.writes.is_empty()));
    assert_eq!(play.handle.counts().in_flight, 0);
}

#[tokio::test]
async fn without_a_leader_a_request_ends_with_503_when_it_waited_long_enough() {
    let short = Duration::from_millis(200);
    let limits = vaultyard_model::cluster::Proxy { hold: short, ..limits() };
    let play = Play::start(limits, &[Sealed]).await;
    let began = Instant::now();
    let seen = play.ask("GET", "/v1/secret/data/x", "").await;
    assert!(began.elapsed() >= short);
    assert_eq!(seen.status, 503);
    assert_eq!(seen.headers["retry-after"], "1");
    assert!(seen.text().starts_with(r#"{"errors":["#), "{}", seen.text());
}

#[tokio::test]
async fn only_so_many_requests_wait() {
    let limits = vaultyard_model::cluster::Proxy { max_held: 9, ..limits() };
    let play = Arc::new(Play::start(limits, &[Sealed]).await);
    let asked: Vec<_> = (0..20)
        .map(|_| {
            let play = Arc::clone(&play);
            tokio::spawn(async move { play.ask("GET", "/v1/x", "").await.status })
        })
        .collect();
    until(|| asked.iter().filter(|task| task.is_finished()).count() == 12).await;
    assert_eq!(play.handle.counts().held, 8, "the ninth is for another client");
    play.servers[0].set(Active);
    let mut statuses = Vec::new();
    for task in asked {
        statuses.push(task.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 8);
}

#[tokio::test]
async fn a_drain_holds_requests_until_it_is_released() {
    let play = Arc::new(Play::start(limits(), &[Active, Standby]).await);
    play.servers[0].set_pace(Duration::from_millis(100));
    let ask = |play: Arc<Play>| async move { play.ask("PUT", "/v1/a", "{}").await.status };
    let first = tokio::spawn(ask(Arc::clone(&play)));
    until(|| play.servers[0].seen(|seen| seen.now) == 1).await;
    let drain = play.handle.drain(Duration::from_secs(5)).await;
    assert_eq!(drain.counts().in_flight, 0);
    assert_eq!(play.servers[0].seen(|seen| seen.now), 0);
    let second = tokio::spawn(ask(Arc::clone(&play)));
    until(|| play.handle.counts().held == 1).await;
    play.servers[0].set(Standby);
    play.servers[1].set(Active);
    drain.release();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (200, 200));
    assert_eq!(play.servers[1].seen(|seen| seen.writes["/v1/a"]), 1);
}

#[tokio::test]
async fn a_drained_leader_that_leaves_is_noticed_without_a_request() {
    let play = Play::start(limits(), &[Active, Standby]).await;
    let drain = play.handle.drain(Duration::from_secs(5)).await;
    let mut leader = play.handle.leader();
    play.servers[0].set(Standby);
    play.servers[1].set(Active);
    drop(within(5, leader.wait_for(|name| name.as_ref().is_some_and(|n| n.ordinal() == 1))).await);
    drain.release();
    assert_eq!(play.ask("PUT", "/v1/a", "{}").await.status, 200);
}

#[tokio::test]
async fn an_excluded_server_gets_nothing() {
    let play = Play::start(limits(), &[Active, Standby]).await;
    let name = play.handle.leader().borrow().clone().unwrap();
    let excluded = play.handle.exclude(&name);
    assert_eq!(*play.handle.leader().borrow(), None);
    drop(excluded);
    play.leader_is_known().await;
    assert_eq!(play.ask("GET", "/v1/x", "").await.status, 200);
}
