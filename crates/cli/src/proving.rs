//! Puts a snapshot into a throw-away server, to see that it can be done; the same wherever that server stands.

use std::fs::File;
use std::io::BufReader;
use std::time::{Duration, Instant};

use vaultyard_keys::envelope::Keys;
use vaultyard_keys::stored::KeyRing;
use vaultyard_model::access::Identity;
use vaultyard_model::observed::State;
use vaultyard_model::port::server::{KeyKind, Server};
use vaultyard_model::{Cluster, Secret};
use vaultyard_snapshots::file::Unlocked;
use vaultyard_vault::Client;

use crate::failure::{Failure, Kind, failed};
use crate::progress::Progress;
use crate::snapshots::{IN_PLACE, pieces};

/// The longest that the server may take to come to one state.
const STATE: Duration = Duration::from_secs(60);
const LOGIN: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

/// Secret engines that make nothing elsewhere which they would end.
const KEEP_TO_THEMSELVES: [&str; 9] =
    ["kv", "cubbyhole", "identity", "system", "transit", "pki", "ssh", "totp", "generic"];

/// Refuses a cluster whose servers ask somebody else for their key.
pub(crate) fn refuse_a_seal(cluster: &Cluster) -> Result<(), Failure> {
    let what = "a snapshot of servers with a seal of their own cannot be restored elsewhere yet";
    cluster.seal.as_ref().map_or(Ok(()), |_| Err(Failure::text(Kind::BadInput, what)))
}

/// Refuses where a copy of the cluster would reach what belongs to it: one that becomes active ends the
/// leases that have run out since the snapshot, wherever these were made. `token` is the administrator's at the
/// running cluster, and ends here.
pub(crate) async fn refuse_reaching_out(client: &Client, token: &Secret) -> Result<(), Failure> {
    let kinds = client.with_token(token).mount_kinds().await;
    client.with_token(token).revoke_self().await.ok();
    let mut kinds = kinds.map_err(failed)?.into_iter();
    match kinds.find(|kind| !KEEP_TO_THEMSELVES.contains(&kind.as_str())) {
        None => Ok(()),
        Some(kind) => Err(Failure::text(
            Kind::Refused,
            format!(
                "there is a secret engine of the kind {kind:?}: a copy of it would end credentials that the \
                 cluster has renewed since"
            ),
        )
        .hint("restore the snapshot on a machine that reaches nothing else")),
    }
}

/// Initialises the server, gives it the snapshot, opens it and logs in; how many secret engines it has.
pub(crate) async fn prove(
    client: &Client,
    keys: &[&Keys],
    unlocked: Unlocked<BufReader<File>>,
    progress: &Progress,
) -> Result<usize, Failure> {
    let first =
        &keys.first().ok_or_else(|| Failure::text(Kind::Failed, "there are no keys"))?.header;
    progress.waiting("a throw-away server starts");
    until(client, State::Uninitialised, STATE).await?;
    // A server goes on counting shares as it was initialised, also when it has other data.
    let (shares, threshold) = (first.shares, first.threshold);
    let own = client.initialise(KeyKind::Unseal, shares, threshold).await.map_err(failed)?;
    unseal(client, &own.shares, threshold).await?;
    until(client, State::Active, STATE).await?;
    progress.done("a throw-away server runs");
    progress.waiting("it puts the snapshot in place");
    let (pieces, reading) = pieces(unlocked);
    let root = client.with_token(&own.root_token);
    root.restore_of_other_keys(pieces).await.map_err(failed)?;
    reading.await.map_err(failed)?;
    until(client, State::Sealed, IN_PLACE).await?;
    progress.done("it has the data of the snapshot");
    progress.waiting("it is unsealed with the keys of the cluster");
    unseal_with_one_of(client, keys, threshold).await?;
    until(client, State::Active, STATE).await?;
    progress.done("the keys of the cluster open it");
    let login = client.log_in(Identity::Administrator.as_str(), LOGIN).await.map_err(failed)?;
    let mounts = client.with_token(&login.token).mounts().await.map_err(failed)?;
    progress.done("the administrator logs in");
    Ok(mounts.len())
}

/// Those of the snapshot's time, then others: it may have been taken while a rekey went on.
pub(crate) fn candidates(ring: &KeyRing, rekey: Option<u32>) -> Vec<&Keys> {
    let others = ring.newest_first().iter().filter(|keys| keys.header.rekey != rekey);
    ring.of_rekey(rekey).into_iter().chain(others).collect()
}

async fn unseal_with_one_of(client: &Client, keys: &[&Keys], threshold: u8) -> Result<(), Failure> {
    let mut refused = None;
    for keys in keys {
        client.reset_unseal().await.map_err(failed)?;
        match unseal(client, &keys.shares, threshold).await {
            Ok(()) => return Ok(()),
            Err(failure) => refused = refused.or(Some(failure)),
        }
    }
    refused.map_or(Ok(()), Err)
}

async fn unseal(client: &Client, shares: &[Secret], threshold: u8) -> Result<(), Failure> {
    for share in shares.iter().take(usize::from(threshold)) {
        client.unseal(share).await.map_err(failed)?;
    }
    Ok(())
}

async fn until(client: &Client, wanted: State, within: Duration) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        let seen = client.health().await;
        if seen.as_ref().is_ok_and(|health| health.state == wanted) {
            return Ok(());
        }
        if began.elapsed() >= within {
            let seen = seen.map_or_else(|error| error.to_string(), |it| format!("{:?}", it.state));
            let what = format!("the throw-away server is not {wanted:?} within {within:?}: {seen}");
            return Err(Failure::text(Kind::Failed, what));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
