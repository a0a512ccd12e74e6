//! `vaultyard render --target kubernetes`, and what a cloud must have beforehand.

use std::path::Path;

use vaultyard_render::kubernetes::{workload, yaml};
use vaultyard_render::prerequisites::{gcloud, terraform};

use super::{check, install};
use crate::arguments::{Images, Tool};
use crate::document::Document;
use crate::failure::Failure;

/// Everything that would stand there, in the order for `kubectl apply`: what `up` installs and what
/// the cluster controller then keeps.
pub(crate) fn objects(file: Option<&Path>, images: &Images) -> Result<String, Failure> {
    let document = check::document(file)?;
    let release = install::release(images)?;
    let mut all = install::objects(&document, &release)?;
    let Document { cluster, text, .. } = &document;
    all.extend(workload(cluster, &release, text));
    Ok(yaml(&all))
}

/// What must be there before the cluster is brought up.
pub(crate) fn prerequisites(file: Option<&Path>, tool: Tool) -> Result<String, Failure> {
    let Document { cluster, .. } = check::document(file)?;
    Ok(match tool {
        Tool::Gcloud => gcloud(&cluster),
        Tool::Terraform => terraform(&cluster),
    })
}
