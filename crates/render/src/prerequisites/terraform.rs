//! As a file for Terraform or OpenTofu.

use std::fmt::Write;

use vaultyard_model::Cluster;

use super::needs::{Folder, Key, Needs, PROBES, Reach, SNAPSHOTS};

/// Resources of the provider `google`, for a module of their own.
pub fn terraform(cluster: &Cluster) -> String {
    let needs = Needs::of(cluster);
    if needs.is_empty() {
        return format!("# The cluster {} needs nothing at Google beforehand.\n", needs.cluster);
    }
    let mut file = Blocks(String::new());
    file.comment(&format!(
        "What the cluster {} needs at Google before `vaultyard up`.",
        needs.cluster
    ));
    for by_hand in needs.by_hand() {
        file.comment(&format!("By hand: {by_hand}"));
    }
    variables(&mut file, &needs);
    if let Some((name, reach)) = &needs.address {
        address(&mut file, name, *reach);
    }
    if let Some((name, reach)) = &needs.ssl_policy {
        ssl_policy(&mut file, name, *reach);
    }
    if needs.uses_keys() {
        member(&mut file, &needs);
    }
    if let Some(folder) = &needs.bucket {
        bucket(&mut file, "keys", folder);
        // Probes are the only objects that may be deleted.
        removal(&mut file, ("probe", "keys"), PROBES, &folder.begins("probe-"));
    }
    if let Some(folder) = needs.other_bucket() {
        bucket(&mut file, "snapshots", folder);
    }
    if let Some(folder) = &needs.snapshots {
        let within = if needs.other_bucket().is_some() { "snapshots" } else { "keys" };
        removal(&mut file, ("snapshot", within), SNAPSHOTS, &folder.begins(""));
    }
    if let Some(wanted) = &needs.key {
        key(&mut file, "keys", wanted, None);
    }
    if let Some(wanted) = &needs.seal {
        key(&mut file, "seal", wanted, needs.key.as_ref());
    }
    file.0
}

/// The text of a file. Names from a document hold no character that a quoted text would have to
/// escape.
struct Blocks(String);

impl Blocks {
    fn comment(&mut self, text: &str) {
        let _ = writeln!(self.0, "# {text}");
    }

    /// A block, with each line as it stands.
    fn block(&mut self, head: &str, lines: &[String]) {
        let _ = writeln!(self.0, "\n{head} {{");
        for line in lines {
            let _ = writeln!(self.0, "  {line}");
        }
        self.0.push_str("}\n");
    }

    fn resource(&mut self, kind: &str, label: &str, lines: &[String]) {
        self.block(&format!("resource \"{kind}\" \"{label}\""), lines);
    }
}

fn text(name: &str, value: &str) -> String {
    format!("{name} = \"{value}\"")
}

fn raw(name: &str, value: &str) -> String {
    format!("{name} = {value}")
}

fn variables(file: &mut Blocks, needs: &Needs) {
    let mut variable = |name: &str, about: &str| {
        let lines = [text("description", about), raw("type", "string")];
        file.block(&format!("variable \"{name}\""), &lines);
    };
    variable("project", "The id of the project that GKE runs in.");
    let regional = |need: &Option<(String, Reach)>| {
        need.as_ref().is_some_and(|(_, reach)| *reach != Reach::Global)
    };
    if regional(&needs.address) || regional(&needs.ssl_policy) || needs.uses_buckets() {
        variable("region", "The region of the cluster.");
    }
    if matches!(needs.address, Some((_, Reach::Internal))) {
        variable("subnet", "The subnet of the nodes.");
    }
}

fn placed(reach: Reach, name: &str) -> Vec<String> {
    let mut lines = vec![text("name", name), raw("project", "var.project")];
    if reach != Reach::Global {
        lines.push(raw("region", "var.region"));
    }
    lines
}

fn address(file: &mut Blocks, name: &str, reach: Reach) {
    let mut lines = placed(reach, name);
    if reach == Reach::Internal {
        lines.push(text("address_type", "INTERNAL"));
        lines.push(text("purpose", "SHARED_LOADBALANCER_VIP"));
        lines.push(raw("subnetwork", "var.subnet"));
    }
    let kind = match reach {
        Reach::Global => "google_compute_global_address",
        Reach::Regional | Reach::Internal => "google_compute_address",
    };
    file.resource(kind, "clients", &lines);
}

fn ssl_policy(file: &mut Blocks, name: &str, reach: Reach) {
    let mut lines = placed(reach, name);
    lines.push(text("profile", "MODERN"));
    lines.push(text("min_tls_version", "TLS_1_2"));
    let kind = match reach {
        Reach::Global => "google_compute_ssl_policy",
        Reach::Regional | Reach::Internal => "google_compute_region_ssl_policy",
    };
    file.resource(kind, "clients", &lines);
}

/// The servers' account, which GKE's workload identity vouches for.
fn member(file: &mut Blocks, needs: &Needs) {
    let (namespace, account) = &needs.account;
    if let Some(acts_as) = &needs.acts_as {
        let id = [text("account_id", acts_as)];
        file.block("data \"google_service_account\" \"servers\"", &id);
        file.block("locals", &[raw("servers", "data.google_service_account.servers.member")]);
        let member = format!("serviceAccount:${{var.project}}.svc.id.goog[{namespace}/{account}]");
        let lines = [
            raw("service_account_id", "data.google_service_account.servers.name"),
            text("role", "roles/iam.workloadIdentityUser"),
            text("member", &member),
        ];
        return file.resource("google_service_account_iam_member", "servers", &lines);
    }
    file.block("data \"google_project\" \"gke\"", &[raw("project_id", "var.project")]);
    let pool = "projects/${data.google_project.gke.number}/locations/global/workloadIdentityPools";
    let member = format!(
        "principal://iam.googleapis.com/{pool}/${{var.project}}.svc.id.goog/subject/ns/{namespace}/sa/{account}"
    );
    file.block("locals", &[text("servers", &member)]);
}

/// A bucket whose resource is called so, and what its objects may be read and created by.
fn bucket(file: &mut Blocks, label: &str, Folder { bucket, .. }: &Folder) {
    let versioning = ["versioning {".to_owned(), raw("  enabled", "true"), "}".to_owned()];
    // Every version of a key is kept for good, and a snapshot that was deleted only for a while.
    let versioning = versioning.into_iter().filter(|_| label == "keys");
    let lines: Vec<_> = [
        text("name", bucket),
        raw("project", "var.project"),
        raw("location", "var.region"),
        raw("uniform_bucket_level_access", "true"),
        text("public_access_prevention", "enforced"),
    ]
    .into_iter()
    .chain(versioning)
    .chain([
        "soft_delete_policy {".to_owned(),
        raw("  retention_duration_seconds", "7776000"),
        "}".to_owned(),
        "lifecycle {".to_owned(),
        raw("  prevent_destroy", "true"),
        "}".to_owned(),
    ])
    .collect();
    file.resource("google_storage_bucket", label, &lines);
    // Those of the keys had these names before there was another bucket.
    let named =
        |what: &str| if label == "keys" { what.to_owned() } else { format!("{what}_{label}") };
    grant(file, (&named("create"), label), "roles/storage.objectCreator", &[]);
    grant(file, (&named("read"), label), "roles/storage.objectViewer", &[]);
}

/// The right to delete what a condition is true of, within a bucket whose resource is called so.
fn removal(file: &mut Blocks, called: (&str, &str), title: &str, condition: &str) {
    let lines = [
        "condition {".to_owned(),
        text("  title", title),
        text("  expression", &condition.replace('"', "\\\"")),
        "}".to_owned(),
    ];
    grant(file, called, "roles/storage.objectUser", &lines);
}

fn grant(file: &mut Blocks, (label, bucket): (&str, &str), role: &str, condition: &[String]) {
    let mut lines = vec![
        raw("bucket", &format!("google_storage_bucket.{bucket}.name")),
        text("role", role),
        raw("member", "local.servers"),
    ];
    lines.extend_from_slice(condition);
    file.resource("google_storage_bucket_iam_member", label, &lines);
}

/// A key, whose resources are called so. Its ring is not made twice when it is that of the key before.
fn key(file: &mut Blocks, label: &str, key: &Key, before: Option<&Key>) {
    let Key { project, location, ring, name } = key;
    let there = |key: &Key| (key.project.clone(), key.location.clone(), key.ring.clone());
    let shared = before.map(there) == Some(there(key));
    if !shared {
        file.resource(
            "google_kms_key_ring",
            label,
            &[text("name", ring), text("project", project), text("location", location)],
        );
    }
    let ring_label = if shared { "keys" } else { label };
    file.resource(
        "google_kms_crypto_key",
        label,
        &[
            text("name", name),
            raw("key_ring", &format!("google_kms_key_ring.{ring_label}.id")),
            text("purpose", "ENCRYPT_DECRYPT"),
            "lifecycle {".to_owned(),
            raw("  prevent_destroy", "true"),
            "}".to_owned(),
        ],
    );
    let granted = if label == "keys" { "servers" } else { label };
    file.resource(
        "google_kms_crypto_key_iam_member",
        granted,
        &[
            raw("crypto_key_id", &format!("google_kms_crypto_key.{label}.id")),
            text("role", "roles/cloudkms.cryptoKeyEncrypterDecrypter"),
            raw("member", "local.servers"),
        ],
    );
}
