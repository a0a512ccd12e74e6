//! `vaultyard render --target kubernetes`

use std::path::Path;

use vaultyard_render::kubernetes::{workload, yaml};

use super::install;
use crate::arguments::Images;
use crate::document::{self, Document};
use crate::failure::Failure;
use crate::local;

/// Everything that would stand there, in the order for `kubectl apply`: what `up` installs and what
/// the cluster controller then keeps.
pub(crate) fn objects(file: Option<&Path>, images: &Images) -> Result<String, Failure> {
    let target = vaultyard_manifest::Target::Kubernetes;
    let document = match local::document::named_or_default(file) {
        Some(path) => document::from_file(&path, target)?,
        None => document::built_in(target)?,
    };
    let release = install::release(images)?;
    let mut all = install::objects(&document, &release)?;
    let Document { cluster, text, .. } = &document;
    all.extend(workload(cluster, &release, text));
    Ok(yaml(&all))
}
