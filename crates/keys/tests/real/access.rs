use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use jiff::Timestamp;
use vaultyard_keys::access::step::Step;
use vaultyard_keys::access::{Access, Leader, ServiceAccounts, Settings, root_accessors};
use vaultyard_keys::fault::{FaultHook, NoFaults, points};
use vaultyard_keys::generate_root::generate_root;
use vaultyard_keys::generate_root::record::RootRecord;
use vaultyard_keys::last_unsealed::UnsealLog;
use vaultyard_keys::stored::load;
use vaultyard_keys::verify::verify;
use vaultyard_model::Secret;
use vaultyard_model::access::{Identity, SERVICE_ACCOUNT_MOUNT, ServiceIdentity};
use vaultyard_model::port::server::{CallError, Operator};
use vaultyard_vault::{Client, Session, TokenReview};

use crate::servers::{LONG, Servers};
use crate::unsealing::{but_joining, until_all_unsealed};

/// One initialised, unsealed server, and what speaks to it.
pub(crate) struct Cluster {
    pub(crate) servers: Servers,
    pub(crate) keys: Arc<vaultyard_keys::envelope::Keys>,
    pub(crate) vaultyard: Arc<Client>,
    administrator: Arc<Client>,
    pub(crate) socket: Client,
    pub(crate) record: RootRecord,
}

impl Cluster {
    async fn start(count: u8) -> Self {
        Self::of(Servers::start(count)).await
    }

    /// These servers, initialised and unsealed.
    pub(crate) async fn of(servers: Servers) -> Self {
        let mut unsealers = servers.unsealers(Arc::new(NoFaults)).await;
        until_all_unsealed(&mut unsealers).await;
        let keys = load(&servers.name, &*servers.store, &*servers.encryption().await).await;
        let record = RootRecord::new(servers.folder.path().join("root-tokens.json"));
        Self {
            keys: Arc::new(keys.unwrap()),
            vaultyard: servers.client(0, Identity::Vaultyard),
            administrator: servers.client(0, Identity::Administrator),
            socket: servers.socket(0),
            record,
            servers,
        }
    }

    pub(crate) fn access(&self, faults: Arc<dyn FaultHook>) -> Access {
        self.access_for(Some(service_accounts()), faults)
    }

    fn access_for(
        &self,
        service_accounts: Option<ServiceAccounts>,
        faults: Arc<dyn FaultHook>,
    ) -> Access {
        let settings = Settings {
            client_authorities: self.servers.client_authority.clone(),
            audit_file: None,
            secret_mount: true,
            stabilization_time: "1s".to_owned(),
            service_accounts,
        };
        Access::new(settings, self.keys.clone(), self.record.clone(), faults)
    }

    /// Rounds until access is established.
    pub(crate) async fn establish(&self, access: &mut Access) -> Vec<&'static str> {
        let begun = Instant::now();
        let mut did = Vec::new();
        loop {
            let leader = Leader {
                vaultyard: &self.vaultyard,
                administrator: &self.administrator,
                socket: &self.socket,
            };
            let round = access.round(leader, Timestamp::now()).await;
            did.extend(round.did.map(Step::name));
            if round.established.is_some() {
                return did;
            }
            assert!(begun.elapsed() < LONG, "{:?} after {:?}", round.held, did.last());
            tokio::time::sleep(round.next.min(Duration::from_millis(200))).await;
        }
    }

    /// How many tokens have the policy `root`.
    pub(crate) async fn roots(&self) -> usize {
        let login =
            self.administrator.log_in(Identity::Administrator.as_str(), LONG).await.unwrap();
        let administrator = self.administrator.with_token(&login.token);
        root_accessors(administrator).await.unwrap().len()
    }
}

/// Those that a cluster of OpenBao comes to, whose audit file is declared.
fn steps() -> impl Iterator<Item = Step> {
    Step::ALL.into_iter().filter(|step| *step != Step::EnableAudit)
}

fn service_accounts() -> ServiceAccounts {
    let name = |it: ServiceIdentity| (it, format!("vault-{}", it.as_str()));
    ServiceAccounts {
        names: BTreeMap::from(ServiceIdentity::ALL.map(name)),
        namespace: "vault-operations".to_owned(),
        audience: "https://vault.vault.svc".to_owned(),
    }
}

#[tokio::test]
async fn a_server_with_foreign_data_is_replaced_once_the_cluster_lives_without_it() {
    let cluster = Cluster::start(3).await;
    cluster.establish(&mut cluster.access(Arc::new(NoFaults))).await;
    let servers = &cluster.servers;
    let session = Session::new(servers.clients(Identity::Vaultyard), Identity::Vaultyard);
    let begun = Instant::now();
    while !session.peers().await.is_ok_and(|all| all.iter().filter(|peer| peer.voter).count() == 3)
    {
        assert!(begun.elapsed() < LONG);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let host = &servers.hosts[2];
    host.kill();
    host.plant_foreign_data(&servers.client(2, Identity::Vaultyard)).await;
    host.start();
    let mut unsealers = servers.unsealers(Arc::new(NoFaults)).await;
    let did = until_all_unsealed(&mut unsealers).await;
    assert_eq!(but_joining(&did[2])[..3], ["remove-peer", "wipe", "unseal"]);
    assert_eq!(did[..2].concat(), Vec::<&str>::new());
    assert_eq!(session.peers().await.unwrap().len(), 3);
}

/// Dies at a point, once.
pub(crate) struct DiesAt(Mutex<Option<String>>);

impl DiesAt {
    pub(crate) fn at(point: &str) -> Self {
        Self(Mutex::new(Some(point.to_owned())))
    }
}

impl FaultHook for DiesAt {
    fn reached(&self, point: &str) {
        let dies = self.0.lock().unwrap().take_if(|at| at == point).is_some();
        if dies {
            resume_unwind(Box::new(()));
        }
    }
}

#[tokio::test]
async fn access_is_established_once_and_root_is_gone_and_can_be_made_again() {
    let cluster = Cluster::start(1).await;
    let begun = Instant::now();
    let did = cluster.establish(&mut cluster.access(Arc::new(NoFaults))).await;
    println!("access in {:?}", begun.elapsed());
    assert_eq!(did, steps().map(Step::name).collect::<Vec<_>>());
    assert_eq!(cluster.roots().await, 0);
    let refused = cluster.vaultyard.with_token(&cluster.keys.root_token).look_up_self().await;
    assert!(matches!(refused, Err(CallError::Refused { status: 403, .. })));

    // A later start only reads.
    assert!(cluster.establish(&mut cluster.access(Arc::new(NoFaults))).await.is_empty());

    // Vaultyard's own login does its work.
    let session = Session::new(cluster.servers.clients(Identity::Vaultyard), Identity::Vaultyard);
    let name = cluster.servers.name.server(0);
    session.probe(&name).await.unwrap();
    let peers = session.peers().await.unwrap();
    assert_eq!(peers.len(), 1);
    assert!(peers[0].leader && peers[0].voter);

    // The way back in, with an attempt that somebody has abandoned.
    cluster.socket.begin_root().await.unwrap();
    let now = Timestamp::now();
    let made = generate_root(&cluster.socket, &cluster.keys, &cluster.record, now).await.unwrap();
    assert_eq!(cluster.roots().await, 1);
    assert_eq!(cluster.record.tokens().unwrap().made.len(), 1);
    // Vaultyard's own login sees it too.
    let leader = session.leader().await.unwrap();
    let sweep = |token: Arc<Secret>| async move { root_accessors(leader.with_token(&token)).await };
    assert_eq!(session.run(leader, sweep).await.unwrap(), std::slice::from_ref(&made.accessor));
    cluster.vaultyard.with_token(&made.token).revoke_self().await.unwrap();
    assert!(session.run(leader, sweep).await.unwrap().is_empty());

    let log = UnsealLog::new(cluster.servers.folder.path().join("last-unsealed.json"));
    let encryption = cluster.servers.encryption().await;
    let verified = verify(&cluster.servers.name, &*cluster.servers.store, &*encryption, &log).await;
    let verified = verified.unwrap();
    assert_eq!(verified.faults, []);
    assert_eq!(verified.last_unsealed.unwrap().0, "vault-0");
}

#[tokio::test]
async fn a_certificate_opens_its_own_role_only() {
    let cluster = Cluster::start(1).await;
    cluster.establish(&mut cluster.access(Arc::new(NoFaults))).await;
    let stolen = cluster.vaultyard.log_in(Identity::Administrator.as_str(), LONG).await;
    assert!(matches!(stolen, Err(CallError::Refused { status: 400, .. })));
    let login = cluster.vaultyard.log_in(Identity::Vaultyard.as_str(), LONG).await.unwrap();
    let vaultyard = cluster.vaultyard.with_token(&login.token);
    let secret = vaultyard.read_kv("secret", "hello").await;
    assert!(matches!(secret, Err(CallError::Refused { status: 403, .. })));
}

#[tokio::test]
async fn a_cluster_that_was_set_up_before_gets_its_service_accounts_and_nothing_is_done_twice() {
    let cluster = Cluster::start(1).await;
    let faults = || -> Arc<dyn FaultHook> { Arc::new(NoFaults) };
    let did = cluster.establish(&mut cluster.access_for(None, faults())).await;
    assert!(!did.contains(&"allow-service-accounts"), "{did:?}");
    let later = ["allow-service-accounts", "mark"];
    assert_eq!(cluster.establish(&mut cluster.access(faults())).await, later);
    assert!(cluster.establish(&mut cluster.access(faults())).await.is_empty());
    // What is set up differs: it is made up for, from whatever step the last process died in.
    let changed = || Some(ServiceAccounts { audience: "other".to_owned(), ..service_accounts() });
    for point in points("access", later[0]) {
        let mut access =
            cluster.access_for(changed(), Arc::new(DiesAt(Mutex::new(Some(point.clone())))));
        let died = AssertUnwindSafe(cluster.establish(&mut access)).catch_unwind().await;
        assert!(died.is_err(), "{point}");
    }
    assert_eq!(cluster.establish(&mut cluster.access_for(changed(), faults())).await, later);
    assert_eq!(cluster.roots().await, 0);
}

#[tokio::test]
async fn a_token_that_nobody_vouches_for_is_no_login() {
    let cluster = Cluster::start(1).await;
    cluster.establish(&mut cluster.access(Arc::new(NoFaults))).await;
    let mount = SERVICE_ACCOUNT_MOUNT;
    // A token as Kubernetes makes them, for the right account and audience, signed by nobody.
    let claims = serde_json::json!({
        "aud": ["https://vault.vault.svc"], "exp": Timestamp::now().as_second() + 600,
        "kubernetes.io": {"namespace": "vault-operations",
            "serviceaccount": {"name": "vault-administrator", "uid": "1"}},
    });
    let part = |json: &serde_json::Value| {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json.to_string())
    };
    let header = serde_json::json!({"alg": "RS256", "kid": "a"});
    let forged = format!("{}.{}.{}", part(&header), part(&claims), part(&header));
    let forged = Secret::from(forged);
    let role = ServiceIdentity::Administrator.as_str();
    let log_in = || cluster.vaultyard.log_in_as_service_account(mount, role, &forged, LONG);
    assert!(log_in().await.is_err(), "before it is known whom to ask");

    let login = cluster.administrator.log_in(Identity::Administrator.as_str(), LONG).await;
    let token = login.unwrap().token;
    let review = TokenReview {
        host: "https://127.0.0.1:1",
        authorities: &cluster.servers.client_authority,
        reviewer: &Secret::from("reviewer".to_owned()),
    };
    let administrator = cluster.administrator.with_token(&token);
    administrator.configure_token_review(mount, &review).await.unwrap();
    let refused = log_in().await;
    assert!(matches!(refused, Err(CallError::Refused { status: 403, .. })));
}

#[tokio::test]
async fn a_death_before_or_after_any_step_leaves_no_root_token() {
    let cluster = Cluster::start(1).await;
    // Each death is followed by the whole work of the next process, up to its own death; root is
    // revoked by the last three steps only.
    for step in steps() {
        for point in points("access", step.name()) {
            let faults = Arc::new(DiesAt(Mutex::new(Some(point.clone()))));
            let mut access = cluster.access(faults);
            let died = AssertUnwindSafe(cluster.establish(&mut access)).catch_unwind().await;
            let late = step > Step::RevokeRoot;
            assert!(died.is_err() || late, "{point}");
        }
    }
    cluster.establish(&mut cluster.access(Arc::new(NoFaults))).await;
    assert_eq!(cluster.roots().await, 0);
    assert!(cluster.record.tokens().unwrap().is_empty());
}
