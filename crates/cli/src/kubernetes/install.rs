//! What a person's `up` writes: rights, controllers, and the `VaultCluster`.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use vaultyard_manifest::KIND;
use vaultyard_model::Cluster;
use vaultyard_render::kubernetes::names::DEFINITION;
use vaultyard_render::kubernetes::{Object, Release, installation};
use vaultyard_target_kubernetes::apply::{Applied, ApplyError, Options, Owner};
use vaultyard_target_kubernetes::{Api, Reference};

use crate::arguments::Images;
use crate::document::Document;
use crate::failure::{Failure, Kind, bad_input, failed};
use crate::progress::Progress;

/// Who owns what a person applies.
pub(super) const MANAGER: &str = "vaultyard";
/// How long the API server may take to serve a kind that was just defined.
const DEFINITION_LASTS: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);

/// The images that were named; each by digest.
pub(crate) fn release(images: &Images) -> Result<Release, Failure> {
    let image = |given: &Option<String>, whose: &str, flag: &str| {
        let given = given.clone().filter(|text| !text.is_empty());
        let missing = || {
            Failure::text(Kind::BadInput, format!("it is not said which image {whose} run"))
                .hint(format!("name it by digest: {flag} REPOSITORY@sha256:DIGEST"))
        };
        let image = given.ok_or_else(missing)?;
        let digest = image.rsplit_once("@sha256:").map(|(_, digest)| digest);
        let hexadecimal =
            |digest: &str| digest.len() == 64 && digest.bytes().all(|it| it.is_ascii_hexdigit());
        if digest.is_some_and(hexadecimal) {
            return Ok(image);
        }
        Err(Failure::text(Kind::BadInput, format!("{flag} {image} names no digest"))
            .hint("a tag can be moved to another image; write REPOSITORY@sha256:DIGEST"))
    };
    Ok(Release {
        vaultyard: image(&images.image, "the controllers", "--image")?,
        server: image(&images.server_image, "the servers", "--server-image")?,
    })
}

/// Everything that is installed, in the order in which it is applied.
pub(crate) fn objects(document: &Document, release: &Release) -> Result<Vec<Object>, Failure> {
    let definition: Value = serde_saphyr::from_str(&vaultyard_manifest::crd()).map_err(failed)?;
    let declared: Value = serde_saphyr::from_str(&document.text).map_err(bad_input)?;
    Ok(installation(&document.cluster, release, &definition, &declared))
}

/// Applies them. What is as it should be already is left alone.
pub(crate) async fn apply(
    api: &Api,
    cluster: &Cluster,
    objects: &[Object],
    adopt: bool,
    progress: &Progress,
) -> Result<(), Failure> {
    let (mut created, mut changed) = (0, 0);
    for object in objects {
        let reference = Reference::try_from(object).map_err(failed)?;
        progress.waiting(format!("applying {reference}"));
        if object.kind == KIND {
            defined(api).await?;
        }
        let options = Options { dry_run: false, ..rehearsal(object, cluster, adopt) };
        match api.apply(&reference, &object.body, options).await.map_err(failed)? {
            Applied::Created => created += 1,
            Applied::Changed(_) => changed += 1,
            Applied::Unchanged => {}
        }
    }
    progress.done(match (created, changed) {
        (0, 0) => format!("{} objects are as they should be", objects.len()),
        (0, changed) => format!("{changed} of {} objects changed", objects.len()),
        (created, 0) => format!("{created} of {} objects created", objects.len()),
        (created, changed) => {
            format!("{created} of {} objects created, {changed} changed", objects.len())
        }
    });
    Ok(())
}

/// How this object is applied, only to be told what would happen.
pub(super) fn rehearsal<'a>(object: &Object, cluster: &'a Cluster, adopt: bool) -> Options<'a> {
    let owner = owner(object, cluster, adopt);
    Options { manager: MANAGER, force: adopt, dry_run: true, owner }
}

/// Whose an object must be that stands in the place of this one.
pub(super) fn owner<'a>(object: &Object, cluster: &'a Cluster, adopt: bool) -> Owner<'a> {
    match object.kind.as_str() {
        _ if adopt => Owner::Anybody,
        // Whoever declared it: nobody but us reads this kind.
        KIND => Owner::Anybody,
        "CustomResourceDefinition" => Owner::Vaultyard,
        _ => Owner::Cluster(cluster.name.as_str()),
    }
}

/// Writes the labels of this object, and nothing else of it, on the one that stands in its place.
pub(super) async fn label(
    api: &Api,
    reference: &Reference,
    object: &Object,
) -> Result<Applied, ApplyError> {
    let Object { api_version, kind, namespace, name, body } = object;
    let labels = &body["metadata"]["labels"];
    let body = json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
    });
    let options = Options { manager: MANAGER, force: true, dry_run: false, owner: Owner::Anybody };
    api.apply(reference, &body, options).await
}

/// Waits until the API server serves our kind.
async fn defined(api: &Api) -> Result<(), Failure> {
    let definition =
        Reference::find("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, DEFINITION);
    let definition = definition.map_err(failed)?;
    let deadline = Instant::now() + DEFINITION_LASTS;
    loop {
        let now = api.get(&definition).await.map_err(failed)?.unwrap_or_default();
        let conditions = now["status"]["conditions"].as_array().into_iter().flatten();
        let established = |it: &Value| it["type"] == "Established" && it["status"] == "True";
        if conditions.into_iter().any(established) {
            return Ok(());
        }
        if Instant::now() > deadline {
            let what = format!("{definition} is not served after {DEFINITION_LASTS:?}");
            return Err(Failure::text(Kind::NotInTime, what));
        }
        sleep(PAUSE).await;
    }
}
