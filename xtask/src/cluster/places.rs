//! The folders that a node has of its own where the machine has one, and the empty ones that are made
//! on the machine to mount them on.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cluster::layout::{NAMESPACES, RUN};
use crate::shell::{self, fault, remove as remove_all, write};

pub(super) const CNI: &str = "/etc/cni/net.d";
pub(super) const REGISTRIES: &str = "/etc/containerd/certs.d";

/// What a node has of its own.
pub(super) const OWN: [&str; 9] = [
    CNI,
    REGISTRIES,
    "/etc/kubernetes",
    "/opt/containerd",
    "/usr/libexec/kubernetes",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/kubelet",
    "/var/log",
];

/// Makes the folders that the machine has not.
pub(super) fn make() -> Result<(), String> {
    make_each(&note(), OWN.iter().chain([&NAMESPACES]).map(Path::new))
}

/// Removes those that were made, unless something lies in them by now.
pub(super) fn remove() -> Result<(), String> {
    remove_noted(&note())
}

fn note() -> PathBuf {
    Path::new(RUN).join("folders")
}

/// Each is noted before it is made.
fn make_each<'a>(note: &Path, folders: impl Iterator<Item = &'a Path>) -> Result<(), String> {
    let mut noted = String::new();
    for folder in folders {
        let mut missing: Vec<_> = folder.ancestors().take_while(|path| !path.exists()).collect();
        missing.reverse();
        for path in missing {
            noted += &format!("{}\n", path.display());
            write(note, &noted)?;
            std::fs::create_dir(path).map_err(|error| fault(path, &error))?;
        }
    }
    Ok(())
}

fn remove_noted(note: &Path) -> Result<(), String> {
    let noted = std::fs::read_to_string(note).unwrap_or_default();
    for path in noted.lines().rev().map(Path::new) {
        let mut removed = std::fs::remove_dir(path);
        // `ip netns` mounts its folder on itself. With namespaces of others in it, it stays.
        if removed.as_ref().is_err_and(|error| error.kind() == ErrorKind::ResourceBusy)
            && shell::output(Command::new("umount").arg(path)).is_ok()
        {
            removed = std::fs::remove_dir(path);
        }
        match removed.map_err(|error| (error.kind(), error)) {
            Ok(()) => {}
            Err((
                ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty | ErrorKind::ResourceBusy,
                _,
            )) => {}
            Err((_, error)) => return Err(fault(path, &error)),
        }
    }
    remove_all(note)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_removed_and_what_was_there_or_is_used_stays() {
        let base = std::env::temp_dir().join(format!("vaultyard-places-{}", std::process::id()));
        let note = base.join("note");
        let [old, new, used] = ["old/a/b", "new/a", "used/a"].map(|path| base.join(path));
        std::fs::create_dir_all(base.join("old")).unwrap();
        make_each(&note, [&old, &new, &used].into_iter().map(PathBuf::as_path)).unwrap();
        assert!(old.is_dir() && new.is_dir());
        write(&used.join("file"), "somebody's").unwrap();

        remove_noted(&note).unwrap();
        assert!(base.join("old").is_dir() && !base.join("old/a").exists());
        assert!(!base.join("new").exists() && !note.exists());
        assert!(used.join("file").is_file());
        remove_all(&base).unwrap();
    }
}
