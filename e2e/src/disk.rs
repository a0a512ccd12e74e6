//! Small file systems, so that a test can fill one without filling the machine's.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A file system in memory, mounted for one test. Its home unmounts it.
#[derive(Debug, Clone)]
pub struct Disk {
    at: PathBuf,
}

impl Disk {
    /// Mounts one at `folder` with what was in the folder before.
    #[track_caller]
    pub(crate) fn mount_over(folder: &Path, mebibytes: u32) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test fills a file system of its own, and only root can mount one: run the \
             end-to-end tests as root"
        );
        let folder = folder.components().as_path();
        let aside = folder.with_extension("aside");
        let was_there = folder.exists();
        if was_there {
            fs::rename(folder, &aside).unwrap();
        }
        fs::create_dir(folder).unwrap();
        run(
            "mount",
            &["-t", "tmpfs", "-o", &format!("mode=0700,{}", size(mebibytes)), "none"],
            folder,
        );
        if was_there {
            run("cp", &["-a", "--", &format!("{}/.", aside.display())], folder);
            fs::remove_dir_all(aside).unwrap();
        }
        Self { at: folder.to_owned() }
    }

    /// Gives it another size.
    #[track_caller]
    pub fn resize(&self, mebibytes: u32) {
        run("mount", &["-o", &format!("remount,{}", size(mebibytes))], &self.at);
    }

    /// Takes all the room that is left.
    #[track_caller]
    pub fn fill(&self) {
        let mut file = File::create(self.filling()).unwrap();
        let block = [0x55; 1 << 12];
        while file.write_all(&block).is_ok() {}
    }

    /// Gives it back.
    #[track_caller]
    pub fn empty(&self) {
        fs::remove_file(self.filling()).unwrap();
    }

    fn filling(&self) -> PathBuf {
        self.at.join("filling")
    }

    /// Unmounts it once nobody uses it any more: the kernel lets go of a killed process's files
    /// a moment after it.
    pub(crate) fn unmount(&self) {
        for _ in 0..50 {
            let done = Command::new("umount").arg(&self.at).output();
            if done.is_ok_and(|done| done.status.success()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn size(mebibytes: u32) -> String {
    format!("size={mebibytes}m")
}

#[track_caller]
fn run(program: &str, words: &[&str], place: &Path) {
    let done = Command::new(program).args(words).arg(place).output().unwrap();
    assert!(done.status.success(), "{program} {words:?} {}: {done:?}", place.display());
}
