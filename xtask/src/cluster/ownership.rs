//! One test cluster a machine: who works on it, and whose it is.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::cluster::layout::{Layout, RUN, namespaces};
use crate::cluster::network;
use crate::cluster::process::Process;
use crate::shell::{fault, remove, write};

/// The lock of the cluster, held until it is dropped or the program ends.
pub(super) struct Held {
    folder: PathBuf,
    _lock: File,
}

/// Takes the lock; waits, and says so, while another has it.
pub(super) fn lock() -> Result<Held, String> {
    lock_in(Path::new(RUN))
}

fn lock_in(folder: &Path) -> Result<Held, String> {
    let path = folder.join("lock");
    loop {
        match std::fs::create_dir_all(folder) {
            // Another has removed the folder between two looks at it.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && !folder.exists() => continue,
            made => made.map_err(|error| fault(folder, &error))?,
        }
        let file = match OpenOptions::new().create(true).append(true).open(&path) {
            // Another has removed the folder since.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            opened => opened.map_err(|error| fault(&path, &error))?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("another `cargo xtask cluster` is at work: waiting for it");
                file.lock().map_err(|error| fault(&path, &error))?;
            }
            Err(TryLockError::Error(error)) => return Err(fault(&path, &error)),
        }
        // Who took the cluster down has removed the file, and then it keeps nobody out any more.
        if is_at(&file, &path) {
            return Ok(Held { folder: folder.to_path_buf(), _lock: file });
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let both = file.metadata().and_then(|ours| Ok((ours, path.metadata()?)));
    both.is_ok_and(|(ours, theirs)| (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()))
}

impl Held {
    /// Gives the lock back and removes it: nothing is left that it guards. The lock goes last and by
    /// itself, since from then on somebody else may make it anew, and then the folder is theirs.
    pub(super) fn dissolve(self) -> Result<(), String> {
        let lock = self.folder.join("lock");
        for entry in self.folder.read_dir().map_err(|error| fault(&self.folder, &error))? {
            let path = entry.map_err(|error| fault(&self.folder, &error))?.path();
            if path != lock {
                remove(&path)?;
            }
        }
        remove(&lock)?;
        match std::fs::remove_dir(&self.folder) {
            Err(error)
                if !matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::NotFound) =>
            {
                Err(fault(&self.folder, &error))
            }
            _ => Ok(()),
        }
    }
}

/// Writes down that what is made from now on is ours.
pub(super) fn claim(layout: &Layout) -> Result<(), String> {
    write(&note(), layout.state.to_string_lossy().as_bytes())
}

/// Whether anything on the machine was made by a test cluster. Nothing of one outlives a restart of
/// the machine, nor does the note.
pub(super) fn is_claimed() -> bool {
    note().exists()
}

/// Removes the note: everything that was made is gone.
pub(super) fn forget() -> Result<(), String> {
    remove(&note())
}

fn note() -> PathBuf {
    Path::new(RUN).join("owner")
}

/// Refuses when the namespaces of our names are somebody else's and in use. What another checkout has
/// left behind, and in which nothing runs any more, may be cleared.
pub(super) fn check(layout: &Layout) -> Result<(), String> {
    let present = network::present();
    if present.is_empty() {
        return Ok(());
    }
    let owner = std::fs::read_to_string(note()).ok().map(PathBuf::from);
    let in_use = present.iter().any(|name| !Process::in_network_of(name).is_empty());
    let names = present.join(" ");
    judge(layout, owner.as_deref(), in_use)
        .map_err(|reason| format!("network namespaces exist ({names}) {reason}"))
}

/// Whether we may use the names: nobody does, or we do.
fn judge(layout: &Layout, owner: Option<&Path>, in_use: bool) -> Result<(), String> {
    let listed = format!(
        "end what `ip netns pids NAME` lists for each of {}, and remove them with `ip netns delete \
         NAME`",
        namespaces().join(", ")
    );
    match owner {
        None => Err(format!(
            "and no note says that a test cluster made them. Look what runs in them; if nobody \
             needs it, {listed}"
        )),
        Some(owner) if owner != layout.state && in_use => {
            let owner = owner.display();
            Err(format!(
                "and belong to the test cluster of {owner}, in which something runs. Run `cargo \
                 xtask cluster down` in that checkout; if it is gone, {listed}"
            ))
        }
        // The folder with the notes of who runs was removed, so nobody can be told from others.
        Some(_) if in_use && !layout.pid("").is_dir() => Err(format!(
            "and {}, which says which processes are ours, was removed while the cluster was up. \
             By hand: {listed}",
            layout.state.display()
        )),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        Layout { state: "/ours".into() }
    }

    #[test]
    fn what_nobody_made_is_left_alone() {
        assert!(judge(&layout(), None, false).unwrap_err().contains("no note says"));
    }

    #[test]
    fn a_cluster_of_another_checkout_is_left_alone_while_it_runs() {
        let refused = judge(&layout(), Some(Path::new("/theirs")), true).unwrap_err();
        assert!(refused.contains("belong to the test cluster of /theirs"), "{refused}");
        assert_eq!(judge(&layout(), Some(Path::new("/theirs")), false), Ok(()));
    }

    #[test]
    fn our_own_without_its_notes_is_not_guessed_at() {
        let refused = judge(&layout(), Some(Path::new("/ours")), true).unwrap_err();
        assert!(refused.contains("was removed while the cluster was up"), "{refused}");
        assert_eq!(judge(&layout(), Some(Path::new("/ours")), false), Ok(()));
    }

    #[test]
    fn who_waited_for_a_lock_that_was_removed_holds_the_one_that_is_there() {
        let folder = std::env::temp_dir().join(format!("vaultyard-lock-{}", std::process::id()));
        // Again and again, since what goes wrong here goes wrong between two steps of the other.
        for _ in 0..200 {
            let first = lock_in(&folder).unwrap();
            let waiting = std::thread::spawn({
                let folder = folder.clone();
                move || lock_in(&folder).unwrap()
            });
            first.dissolve().unwrap();
            let second = waiting.join().unwrap();
            let third = File::open(folder.join("lock")).unwrap();
            assert!(matches!(third.try_lock(), Err(TryLockError::WouldBlock)));
            second.dissolve().unwrap();
            assert!(!folder.exists());
        }
    }
}
