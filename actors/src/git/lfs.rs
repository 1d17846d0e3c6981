//! Files that git LFS keeps elsewhere: fetched by the `git-lfs` program, which git runs as a filter
//! while it checks out.
//!
//! It is told which server to ask, so that what a repository says about that (`.lfsconfig`) leads
//! nowhere else: neither to another host nor to a folder of this machine. What it fetches lies in the
//! build's own folder and is gone once it is checked out.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::fault;

const PROGRAM: &str = "git-lfs";

/// Settings for both programs. The commands are the only ones that git is given to run as filters,
/// and nothing of a repository is in them.
const CONFIG: &[&str] = &[
    "filter.lfs.process=git-lfs filter-process",
    "filter.lfs.required=true",
    "lfs.basictransfersonly=true",
    "lfs.cachecredentials=false",
    "lfs.locksverify=false",
    "lfs.concurrenttransfers=4",
    "lfs.dialtimeout=20",
    "lfs.tlstimeout=20",
    "lfs.activitytimeout=60",
    "lfs.transfer.maxretries=3",
];

/// Whether the program is there.
pub(super) fn installed(path: &OsStr) -> bool {
    std::env::split_paths(path).any(|folder| {
        let found = std::fs::metadata(folder.join(PROGRAM));
        found.is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    })
}

/// The settings for a repository.
pub(super) fn config(url: &str, scratch: &Path) -> Vec<String> {
    let mut settings: Vec<String> = CONFIG.iter().map(|setting| (*setting).to_owned()).collect();
    settings.push(format!("lfs.url={}", server(url)));
    settings.push(format!("lfs.storage={}", storage(scratch).display()));
    settings
}

/// Where the objects lie meanwhile.
pub(super) fn storage(scratch: &Path) -> PathBuf {
    scratch.join("lfs")
}

/// Where a repository's files are asked for.
fn server(url: &str) -> String {
    if !url.starts_with("http://") && !url.starts_with("https://") {
        // The ssh server says where, once it knows who asks.
        return url.to_owned();
    }
    let url = url.trim_end_matches('/');
    let bare = url.strip_suffix(".git").unwrap_or(url);
    format!("{bare}.git/info/lfs")
}

/// Why a file could not be fetched, out of all that git and git-lfs wrote.
pub(super) fn said(stderr: &str) -> String {
    let cause =
        stderr.lines().find_map(|line| line.trim().strip_prefix("Error downloading object: "));
    cause.map_or_else(|| fault::said(stderr), |cause| cause.chars().take(400).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_told_and_not_what_follows_from_it() {
        let words = "Downloading a.bin (5 B)\nError downloading object: a.bin (a7): no such object: [404]\n\n\
                     Use `git lfs logs last` to view the log.\nerror: external filter failed\n\
                     fatal: a.bin: smudge filter lfs failed\n";
        assert_eq!(said(words), "a.bin (a7): no such object: [404]");
        assert_eq!(
            said("fatal: a.bin: smudge filter lfs failed"),
            "a.bin: smudge filter lfs failed"
        );
    }

    #[test]
    fn files_are_asked_for_at_the_repositorys_own_server() {
        for (url, expected) in [
            ("https://h.example/a/b.git", "https://h.example/a/b.git/info/lfs"),
            ("https://h.example/a/b", "https://h.example/a/b.git/info/lfs"),
            ("http://h.example:3000/b/", "http://h.example:3000/b.git/info/lfs"),
            ("ssh://git@h.example/b.git", "ssh://git@h.example/b.git"),
            ("git@h.example:a/b.git", "git@h.example:a/b.git"),
        ] {
            assert_eq!(server(url), expected);
        }
    }

    #[test]
    fn the_program_is_one_that_can_be_run() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!installed(folder.path().as_os_str()));
        let program = folder.path().join("git-lfs");
        std::fs::write(&program, "").unwrap();
        assert!(!installed(folder.path().as_os_str()));
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = std::env::join_paths([Path::new("/nowhere"), folder.path()]).unwrap();
        assert!(installed(&path));
    }
}
