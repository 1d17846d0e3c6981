//! A disk that is easily full: a small file system in memory, mounted over a folder.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system, unmounted when it is dropped. Mounting one needs root, as starting an
/// engine does.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of so many bytes (`64m`, say) over a folder.
    #[must_use]
    pub fn over(folder: &Path, size: &str) -> Self {
        let options = format!("size={size},mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(folder)
            .status()
            .expect("mount runs");
        assert!(mounted.success(), "a tmpfs can be mounted");
        Self(folder.to_owned())
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler.log")
    }

    /// Fills it to the last byte.
    pub fn fill(&self) {
        let file = File::options().append(true).create(true).open(self.filler());
        let mut file = file.expect("a file that fills the disk");
        for size in [1 << 20, 4096, 1] {
            while file.write_all(&vec![1; size]).is_ok() {}
        }
    }

    /// Frees what filled it.
    pub fn make_room(&self) {
        std::fs::remove_file(self.filler()).expect("it was filled before");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: what still is open there ends with its process.
        let _best_effort = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
