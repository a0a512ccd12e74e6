//! What the test cluster needs of the machine, each with a sentence when it is missing.

use std::path::Path;
use std::process::Command;

use crate::cluster::cgroups;
use crate::cluster::layout::Layout;
use crate::parts;
use crate::shell::{self, fault, remove};

/// Checks everything that can be checked before anything is made, and installs what is missing.
pub(super) fn check(layout: &Layout) -> Result<(), String> {
    require_plain(&layout.state)?;
    parts::for_cluster()?;
    require_overlay(layout)
}

/// Checks, without making anything that stays, that nodes can be made here at all.
pub(super) fn require(layout: &Layout) -> Result<(), String> {
    require_root()?;
    require_plain(&layout.state)?;
    require_overlay(layout)?;
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--uts", "--propagation", "private", "--", "true"]);
    shell::output(&mut command).map_err(|reason| {
        format!("the test cluster cannot make namespaces here, which takes CAP_SYS_ADMIN\n{reason}")
    })?;
    cgroups::require_writable()
}

/// Only root makes network namespaces.
pub(super) fn require_root() -> Result<(), String> {
    if parts::is_root() {
        return Ok(());
    }
    Err("the test cluster needs root, for network namespaces and mounts: run this as root"
        .to_owned())
}

/// The path is written into files of many formats, each with its own signs, and into mount options.
fn require_plain(path: &Path) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    let Some(strange) = path.to_string_lossy().chars().find(|c| !plain(*c)) else { return Ok(()) };
    Err(format!(
        "the test cluster cannot lie in {}: not all of its programs can be told of a path with \
         {strange:?} in it. Move the checkout to a path of plain letters",
        path.display()
    ))
}

/// Containers lie on overlay file systems, which are not made on every file system: tried where
/// they would be.
fn require_overlay(layout: &Layout) -> Result<(), String> {
    let place = layout.state.join("overlay");
    for folder in ["lower", "upper", "work", "merged"] {
        let folder = place.join(folder);
        std::fs::create_dir_all(&folder).map_err(|error| fault(&folder, &error))?;
    }
    let mounted = try_overlay(&place);
    remove(&place)?;
    mounted.map_err(|reason| {
        format!(
            "the test cluster cannot mount an overlay file system in {}: the kernel needs overlayfs \
             (modprobe overlay), root CAP_SYS_ADMIN, and the checkout must not itself lie on an \
             overlay\n{reason}",
            layout.state.display()
        )
    })
}

/// Mounts one in a namespace that ends with the command.
fn try_overlay(place: &Path) -> Result<(), String> {
    let mount = "cd \"$0\" && mount -t overlay overlay \
        -o lowerdir=lower,upperdir=upper,workdir=work merged";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "--", "sh", "-c", mount]).arg(place);
    shell::output(&mut command).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_a_configuration_cannot_hold_is_refused_with_the_sign() {
        assert_eq!(require_plain(Path::new("/home/a-b/c_1.2/x+y@z")), Ok(()));
        for (path, sign) in [("/my files", "' '"), ("/a:b", "':'"), ("/a,b", "','"), ("/ü", "'ü'")]
        {
            let refused = require_plain(Path::new(path)).unwrap_err();
            assert!(refused.contains(&format!("a path with {sign} in it")), "{refused}");
        }
    }
}
