//! `vaultyard keys take-over`

use std::process::ExitCode;

use vaultyard_keys::take_over::{Left, take_over};
use vaultyard_manifest::Target as Meant;
use vaultyard_model::cluster::{Bucket, GoogleKey};
use vaultyard_model::port::clock::Clock;

use crate::arguments::{Common, TakeOver, Target};
use crate::failure::{Failure, Kind, failed};
use crate::system::{SystemClock, SystemRandom};
use crate::{custody, document, output};

pub(super) async fn run(common: &Common, arguments: &TakeOver) -> Result<ExitCode, Failure> {
    let target = match common.target {
        Target::Local => Meant::Local,
        Target::Kubernetes => Meant::Kubernetes,
    };
    let cluster = document::from_file(&arguments.file, target)?.cluster;
    if cluster.seal.is_some() {
        let text = "the keys of vault-init unseal servers, and spec.seal names what does instead";
        let hint = "remove spec.seal; nothing was changed";
        return Err(Failure::text(Kind::BadInput, text).hint(hint));
    }
    let wrong = |what: &str, text: &str| {
        Failure::text(Kind::BadInput, format!("{text:?} is not {what}")).hint("nothing was changed")
    };
    let bucket = Bucket::new(&arguments.bucket);
    let bucket = bucket.ok_or_else(|| wrong("the name of a bucket", &arguments.bucket))?;
    let key = GoogleKey::new(&arguments.kms_key);
    let key = key.ok_or_else(|| wrong("the full name of a key", &arguments.kms_key))?;
    let (store, encryption) = custody::open_elsewhere(&cluster.keys)?;
    let left = custody::left_by_vault_init(bucket, key, &cluster.name).await?;
    let left = left.ok_or_else(|| {
        let text = format!("vault-init left no keys in the bucket {}", arguments.bucket);
        Failure::text(Kind::BadInput, text).hint("nothing was changed")
    })?;
    let left = Left {
        cluster: cluster.name,
        software: cluster.servers.software,
        threshold: arguments.threshold,
        shares: left.shares,
        root_token: left.root_token,
    };
    let now = SystemClock.now();
    let header =
        take_over(left, &*store, &*encryption, &SystemRandom, now).await.map_err(failed)?;
    output::data(format!(
        "{} shares, of which {} unseal a server, are kept in {}, encrypted by {}. Whether they do, the \
         first server says that they unseal; keep vault-init's objects until then.",
        header.shares,
        header.threshold,
        store.describe(),
        encryption.describe().location
    ))?;
    Ok(ExitCode::SUCCESS)
}
