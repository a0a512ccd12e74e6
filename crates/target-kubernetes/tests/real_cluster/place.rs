//! A namespace of the test's own, which goes with it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kube::config::Kubeconfig;
use serde_json::{Value, json};
use tokio::sync::watch;
use vaultyard_model::cluster::Cluster;
use vaultyard_model::port::clock::{Clock, Random};
use vaultyard_model::{Namespace, port::clock};
use vaultyard_render::kubernetes::Names;
use vaultyard_target_kubernetes::apply::{Options, Owner};
use vaultyard_target_kubernetes::kind::{NAMESPACE, SECRET};
use vaultyard_target_kubernetes::lease::Candidate;
use vaultyard_target_kubernetes::{Api, Kind, Reference};

const MANAGER: &str = "somebody-else";

/// The wall clock.
pub(crate) struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

/// The operating system's randomness.
pub(crate) struct SystemRandom;

impl clock::Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), String> {
        getrandom::fill(bytes).map_err(|error| error.to_string())
    }
}

pub(crate) fn random() -> Arc<dyn Random> {
    Arc::new(SystemRandom)
}

pub(crate) fn kubeconfig() -> PathBuf {
    let path = std::env::var_os("VAULTYARD_TEST_KUBECONFIG");
    path.expect("needs the test cluster: run it with `cargo xtask cluster exec -- ...`").into()
}

/// Two namespaces, for what serves and for what keeps it, and an administrator's API.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) api: Api,
    pub(crate) cluster: Cluster,
    pub(crate) names: Names,
}

impl Place {
    async fn make() -> Self {
        let api = Api::from_kubeconfig(&[kubeconfig()], None).await.unwrap();
        let mut id = [0; 5];
        random().fill(&mut id).unwrap();
        let id: String = id.iter().map(|byte| char::from(b'a' + byte % 26)).collect();
        let mut cluster = vaultyard_testkit::sample::cluster(3);
        cluster.namespace = Namespace::new(&format!("test-{id}")).unwrap();
        let place = Self { api, names: Names::of(&cluster), cluster };
        for namespace in [place.names.namespace(), place.names.operations()] {
            let object = Reference::find("v1", "Namespace", None, namespace).unwrap();
            place.put(&object, json!({})).await;
        }
        place
    }

    async fn remove(&self) {
        for namespace in [self.names.namespace(), self.names.operations()] {
            let object = Reference::within(NAMESPACE, "", namespace);
            if let Some(found) = self.api.get(&object).await.unwrap() {
                let uid = found["metadata"]["uid"].as_str().unwrap();
                self.api.delete(&object, uid).await.unwrap();
            }
        }
    }

    /// An object in the application's namespace.
    pub(crate) fn object(&self, kind: Kind, name: &str) -> Reference {
        Reference::within(kind, self.names.namespace(), name)
    }

    pub(crate) fn secret(&self, name: &str) -> Reference {
        self.object(SECRET, name)
    }

    /// One who runs for a Lease, and by which he says what hinders him.
    pub(crate) fn candidate(&self, identity: &str) -> (Candidate, watch::Sender<Option<String>>) {
        let (say, hindrance) = watch::channel(None);
        let identity = identity.to_owned();
        (Candidate { identity, labels: self.labels(), hindrance }, say)
    }

    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        vaultyard_render::kubernetes::labels::labels(&self.names, None)
    }

    /// Applies an object, whoever's it is.
    pub(crate) async fn put(&self, object: &Reference, rest: Value) -> Value {
        let options =
            Options { manager: MANAGER, force: true, dry_run: false, owner: Owner::Anybody };
        self.api.apply(object, &body(object, rest), options).await.unwrap();
        self.api.get(object).await.unwrap().unwrap()
    }

    /// The API as an account of a namespace sees it.
    pub(crate) async fn as_account(&self, namespace: &str, account: &str) -> Api {
        let mut kubeconfig = Kubeconfig::read_from(kubeconfig()).unwrap();
        for user in &mut kubeconfig.auth_infos {
            let user = user.auth_info.as_mut().unwrap();
            user.impersonate = Some(format!("system:serviceaccount:{namespace}:{account}"));
        }
        api(&kubeconfig).await
    }
}

/// The API of a kubeconfig that a test has changed.
pub(crate) async fn api(kubeconfig: &Kubeconfig) -> Api {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    std::fs::write(&path, serde_json::to_vec(kubeconfig).unwrap()).unwrap();
    Api::from_kubeconfig(&[path], None).await.unwrap()
}

/// The whole object, from what is not said by its reference.
pub(crate) fn body(object: &Reference, mut rest: Value) -> Value {
    rest["apiVersion"] = object.kind().api_version.into();
    rest["kind"] = object.kind().kind.into();
    rest["metadata"]["name"] = object.name().into();
    rest
}

/// Runs a test in a place of its own, and removes that also when the test fails.
pub(crate) async fn in_a_place<F>(test: impl FnOnce(Place) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let place = Place::make().await;
    let outcome = tokio::spawn(test(place.clone())).await;
    place.remove().await;
    if let Err(failed) = outcome {
        std::panic::resume_unwind(failed.into_panic());
    }
}

/// Returns what `look` finds, within this time.
pub(crate) async fn within<T>(limit: Duration, look: impl Future<Output = T>) -> T {
    tokio::time::timeout(limit, look).await.expect("it takes too long")
}
