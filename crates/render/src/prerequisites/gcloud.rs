//! As a shell script that can be run again.

use std::fmt::Write;

use vaultyard_model::Cluster;

use super::needs::{Folder, Key, Needs, PROBES, Reach, SNAPSHOTS};

/// A script of `gcloud` commands. It makes what is not there and changes nothing that is.
pub fn gcloud(cluster: &Cluster) -> String {
    let needs = Needs::of(cluster);
    if needs.is_empty() {
        return format!("# The cluster {} needs nothing at Google beforehand.\n", needs.cluster);
    }
    let mut script = head(&needs);
    let mut add = |text: String| {
        script.push('\n');
        script.push_str(&text);
    };
    if let Some((name, reach)) = &needs.address {
        add(address(name, *reach));
    }
    if let Some((name, reach)) = &needs.ssl_policy {
        add(ssl_policy(name, *reach));
    }
    if let Some(folder) = &needs.bucket {
        let removal =
            removal(folder, (PROBES, "probe-"), "Probes are the only objects that may be deleted.");
        add(bucket(folder, " --versioning") + &removal);
    }
    if let Some(folder) = &needs.snapshots {
        let bucket = needs.other_bucket().map(|folder| bucket(folder, "")).unwrap_or_default();
        let removal = removal(
            folder,
            (SNAPSHOTS, ""),
            "Snapshots are deleted when there are enough newer ones.",
        );
        add(bucket + &removal);
    }
    for wanted in needs.key.iter().chain(&needs.seal) {
        add(key(wanted));
    }
    script
}

fn head(needs: &Needs) -> String {
    let mut text = format!(
        "#!/bin/sh\n# What the cluster {} needs at Google before `vaultyard up`. Run it as often as you like.\n",
        needs.cluster
    );
    for by_hand in needs.by_hand() {
        let _ = writeln!(text, "# By hand: {by_hand}");
    }
    text.push_str("set -eu\n: \"${PROJECT:?the id of the project that GKE runs in}\"\n");
    let regional = |need: &Option<(String, Reach)>| {
        need.as_ref().is_some_and(|(_, reach)| *reach != Reach::Global)
    };
    if regional(&needs.address) || regional(&needs.ssl_policy) || needs.uses_buckets() {
        text.push_str(": \"${REGION:?the region of the cluster}\"\n");
    }
    if matches!(needs.address, Some((_, Reach::Internal))) {
        text.push_str(": \"${SUBNET:?the subnet of the nodes}\"\n");
    }
    let (namespace, account) = &needs.account;
    if let (true, Some(acts_as)) = (needs.uses_keys(), &needs.acts_as) {
        let _ = write!(
            text,
            "# The account that the servers' account acts as, by GKE's workload identity.\n\
             MEMBER=\"serviceAccount:{acts_as}\"\n\
             gcloud iam service-accounts add-iam-policy-binding {acts_as} \\\n  \
             --member=\"serviceAccount:$PROJECT.svc.id.goog[{namespace}/{account}]\" \\\n  \
             --role=roles/iam.workloadIdentityUser --condition=None\n"
        );
    } else if needs.uses_keys() {
        let _ = write!(
            text,
            "NUMBER=$(gcloud projects describe \"$PROJECT\" --format='value(projectNumber)')\n\
             # The servers' account, which GKE's workload identity vouches for.\n\
             MEMBER=\"principal://iam.googleapis.com/projects/$NUMBER/locations/global/\
             workloadIdentityPools/$PROJECT.svc.id.goog/subject/ns/{namespace}/sa/{account}\"\n"
        );
    }
    text
}

/// Makes a thing unless it can be described.
fn unless_there(what: &str, name: &str, place: &str, options: &str) -> String {
    format!(
        "gcloud {what} describe {name} {place} >/dev/null 2>&1 ||\n  \
         gcloud {what} create {name} {place}{options}\n"
    )
}

fn place(reach: Reach) -> &'static str {
    match reach {
        Reach::Global => "--project=\"$PROJECT\" --global",
        Reach::Regional | Reach::Internal => "--project=\"$PROJECT\" --region=\"$REGION\"",
    }
}

fn address(name: &str, reach: Reach) -> String {
    // Two forwarding rules, of HTTP and HTTPS, may share an internal address only by this purpose.
    let internal = " --subnet=\"$SUBNET\" --purpose=SHARED_LOADBALANCER_VIP";
    let options = if reach == Reach::Internal { internal } else { "" };
    unless_there("compute addresses", name, place(reach), options)
}

fn ssl_policy(name: &str, reach: Reach) -> String {
    let options = " --profile=MODERN --min-tls-version=1.2";
    unless_there("compute ssl-policies", name, place(reach), options)
}

/// Nothing that was written there once is lost at once. Every version of a key is kept for good; a snapshot that was
/// deleted can be brought back for a while.
fn bucket(Folder { bucket, .. }: &Folder, keeps: &str) -> String {
    let url = format!("gs://{bucket}");
    let mut text = unless_there(
        "storage buckets",
        &url,
        "--project=\"$PROJECT\"",
        " --location=\"$REGION\" --uniform-bucket-level-access --public-access-prevention",
    );
    let _ = writeln!(text, "gcloud storage buckets update {url}{keeps} --soft-delete-duration=90d");
    for role in ["roles/storage.objectCreator", "roles/storage.objectViewer"] {
        let _ = writeln!(
            text,
            "gcloud storage buckets add-iam-policy-binding {url} \\\n  \
             --member=\"$MEMBER\" --role={role} --condition=None"
        );
    }
    text
}

/// The right to delete what is in a folder and begins so.
fn removal(folder: &Folder, (title, begins): (&str, &str), why: &str) -> String {
    let (bucket, condition) = (&folder.bucket, folder.begins(begins));
    format!(
        "# {why}\n\
         gcloud storage buckets add-iam-policy-binding gs://{bucket} \\\n  \
         --member=\"$MEMBER\" --role=roles/storage.objectUser \\\n  \
         --condition='title={title},expression={condition}'\n"
    )
}

fn key(Key { project, location, ring, name }: &Key) -> String {
    let there = format!("--project={project} --location={location}");
    let mut text = unless_there("kms keyrings", ring, &there, "");
    let in_ring = format!("{there} --keyring={ring}");
    text.push_str(&unless_there("kms keys", name, &in_ring, " --purpose=encryption"));
    let _ = writeln!(
        text,
        "gcloud kms keys add-iam-policy-binding {name} {in_ring} \\\n  \
         --member=\"$MEMBER\" --role=roles/cloudkms.cryptoKeyEncrypterDecrypter --condition=None"
    );
    text
}
