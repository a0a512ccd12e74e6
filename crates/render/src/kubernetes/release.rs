//! Which images run.

/// The images of one release, as references by digest: `registry/name@sha256:...`, with or without a
/// tag before the `@`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Vaultyard's own: controllers, unsealers, proxies.
    pub vaultyard: String,
    /// The server software's.
    pub server: String,
}

/// The repository of a reference, without digest and tag.
pub(super) fn repository(reference: &str) -> &str {
    let named = reference.split_once('@').map_or(reference, |(named, _)| named);
    // A colon before the last slash belongs to the registry's port.
    match named.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => named,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_has_neither_tag_nor_digest() {
        for reference in
            ["h:5000/a/b", "h:5000/a/b:1.2", "h:5000/a/b@sha256:0", "h:5000/a/b:1@sha256:0"]
        {
            assert_eq!(repository(reference), "h:5000/a/b");
        }
        assert_eq!(repository("openbao/openbao:2.7.2"), "openbao/openbao");
    }
}
