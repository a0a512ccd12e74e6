//! The root that vouches for the proxies, in a ConfigMap: clients, Gateways and `vaultyard env` take
//! it from there, and need not be able to read a Secret.

use vaultyard_render::kubernetes::config_map::{TRUST_KEY, trust};
use vaultyard_render::kubernetes::{Names, Object};
use vaultyard_target_kubernetes::apply::{Options, Owner};
use vaultyard_target_kubernetes::kind::CONFIG_MAP;
use vaultyard_target_kubernetes::{Api, Reference};

use crate::failure::{Failure, Kind, failed};

/// Which ConfigMap it is.
pub(crate) fn object(names: &Names) -> Reference {
    Reference::within(CONFIG_MAP, names.namespace(), &names.trust())
}

/// Sees to it that this root stands there.
pub(crate) async fn publish(
    api: &Api,
    names: &Names,
    manager: &str,
    root: &str,
) -> Result<(), Failure> {
    if find(api, names).await?.as_deref() == Some(root) {
        return Ok(());
    }
    let Object { body, .. } = trust(names, root);
    let owner = Owner::Cluster(names.cluster());
    let options = Options { manager, force: true, dry_run: false, owner };
    api.apply(&object(names), &body, options).await.map(drop).map_err(failed)
}

/// The root, PEM; `None` when it has not been written.
pub(crate) async fn find(api: &Api, names: &Names) -> Result<Option<String>, Failure> {
    let now = api.get(&object(names)).await.map_err(failed)?.unwrap_or_default();
    Ok(now["data"][TRUST_KEY].as_str().map(str::to_owned))
}

/// The root, PEM; it must be there.
pub(crate) async fn read(api: &Api, names: &Names) -> Result<String, Failure> {
    let absent = || {
        let object = object(names);
        let what = format!("{object} does not hold the root that the proxies are known by");
        Failure::text(Kind::Failed, what).hint(
            "the certificates controller writes it; `vaultyard status --target kubernetes` says \
             how the cluster is, and `vaultyard up` brings an older one up to date",
        )
    };
    find(api, names).await?.ok_or_else(absent)
}
