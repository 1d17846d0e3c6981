//! What of a repository is not there, because nobody asked for it or no push brings it along, in words for
//! its build's log.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use hythe_core::names::AppName;
use hythe_core::source::Fetches;

use super::context::{Content, Context, Item, Kind};

/// How what git LFS has in a file's place begins.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";
/// How large it is at the least and, by its specification, at the most.
const POINTER_BYTES: std::ops::RangeInclusive<u64> = 100..=1024;
/// The most files that are looked at.
const MOST_LOOKED_AT: usize = 20_000;

/// Why something may be missing.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Left {
    /// Nothing besides this was asked for.
    NotAskedFor(Fetches),
    /// It was pushed here, which brings the repository's own files.
    NotPushed,
}

/// What is worth knowing.
pub(crate) fn notes(root: &Path, context: &Context, left: Left, app: &AppName) -> Vec<String> {
    let Fetches { submodules, lfs } = match left {
        Left::NotAskedFor(fetches) => fetches,
        Left::NotPushed => Fetches::default(),
    };
    let (no_submodules, no_lfs) = match left {
        Left::NotAskedFor(_) => (
            format!("were not fetched; to have them: hythe app set {app} --submodules"),
            format!("was not fetched; to have it: hythe app set {app} --lfs"),
        ),
        Left::NotPushed => {
            let instead = format!(
                "to have them, deploy from where it was cloned from: hythe deploy {app} --repo URL, after \
                 hythe app set {app}"
            );
            (
                format!("no push brings along: their folders are empty; {instead} --submodules"),
                format!("no push brings along; {instead} --lfs"),
            )
        }
    };
    let mut notes = Vec::new();
    let listed = fs::symlink_metadata(root.join(".gitmodules")).is_ok_and(|data| data.is_file());
    if listed && !submodules {
        notes.push(format!("note: this repository has submodules, which {no_submodules}"));
    }
    if !lfs {
        let small = context.items.iter().filter(|item| may_be_pointer(item));
        let pointers: Vec<&Item> =
            small.take(MOST_LOOKED_AT).filter(|item| is_pointer(item)).collect();
        if let Some(first) = pointers.first() {
            let (count, first) = (pointers.len(), &first.path);
            notes.push(format!(
                "note: {count} of the files are pointers of git LFS (such as {first}): what they stand \
                 for {no_lfs}"
            ));
        }
    }
    notes
}

fn may_be_pointer(item: &Item) -> bool {
    matches!(&item.kind, Kind::File { content: Content::OnDisk(_), size, .. }
        if POINTER_BYTES.contains(size))
}

fn is_pointer(item: &Item) -> bool {
    let Kind::File { content: Content::OnDisk(path), .. } = &item.kind else { return false };
    let mut begin = [0; POINTER.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut begin));
    read.is_ok() && begin == *POINTER
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: std::path::PathBuf, text: &str) -> Item {
        fs::write(&path, text).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let size = text.len() as u64;
        let kind = Kind::File { content: Content::OnDisk(path), size, runnable: false };
        Item { path: name, kind, beside: false }
    }

    #[test]
    fn what_was_not_fetched_is_named_with_what_would_fetch_it() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let pointer = format!(
            "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12\n",
            "a".repeat(64)
        );
        let plain = format!("version https://git-lfs.github.com/spec/v2\n{}", "a".repeat(90));
        let items = vec![
            file(at("a.txt"), &plain),
            file(at("b.bin"), &pointer),
            file(at("c.bin"), &pointer),
            file(at("short"), "version https://git-lfs.github.com/spec/v1\n"),
        ];
        let context = Context { items, time: 0, dockerfile: "Dockerfile".into() };
        let app = AppName::new("shop").unwrap();
        let said = |submodules, lfs| {
            let left = Left::NotAskedFor(Fetches { submodules, lfs });
            notes(root.path(), &context, left, &app).join("\n")
        };
        let lfs = "note: 2 of the files are pointers of git LFS (such as b.bin)";
        assert!(said(false, false).starts_with(lfs), "{}", said(false, false));
        assert!(said(false, false).ends_with("hythe app set shop --lfs"));
        assert_eq!(said(false, true), "");
        fs::write(at(".gitmodules"), "").unwrap();
        assert!(said(false, true).ends_with("hythe app set shop --submodules"));
        assert_eq!(said(true, true), "");
        let pushed = notes(root.path(), &context, Left::NotPushed, &app);
        assert!(pushed[0].contains("submodules, which no push brings along"), "{pushed:?}");
        assert!(
            pushed[1].contains("b.bin): what they stand for no push brings along"),
            "{pushed:?}"
        );
    }
}
