//! Packs a folder, or repacks an archive, into what is sent to be built.
//!
//! Invariant: the same files give the same bytes, on whichever machine and whenever: sorted by path,
//! without owners, times and any mode but whether a file can be run. So the same again is not sent again,
//! and needs no build. What ignore files say is left out (`.gitignore` also of folders above, and
//! `.hytheignore`, which goes before it; `.dockerignore` is for the build), and `.git` always. Nothing
//! outside of the folder gets in: links are packed as links, and one that leads out is refused.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use hythe_actors::uploads::unpack::{Bounds, stays_inside, unpack};
use hythe_core::limits;
use hythe_core::source::UploadDigest;
use ignore::{DirEntry, WalkBuilder};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};
use tokio_util::sync::CancellationToken;

use crate::cli::failure::{Failure, Outcome};

/// The file that says what is not sent.
pub(super) const IGNORE: &str = ".hytheignore";
const GIT: &str = ".git";
/// The time that everything bears: not 0, which some programs take for none.
const TIME: u64 = 1;
/// The most things that are told of by name.
const MOST_TOLD: usize = 5;

/// What is sent.
#[derive(Debug)]
pub(in crate::cli) struct Packed {
    /// Where it lies; gone with this.
    pub(super) file: File,
    /// The digest of its bytes.
    pub(in crate::cli) digest: UploadDigest,
    /// How many they are.
    pub(super) bytes: u64,
    /// Files, folders and links in it.
    pub(super) entries: usize,
    /// What was left out although nobody said so, in words.
    pub(super) notes: Vec<String>,
}

/// Packs a folder or an archive. Blocks.
pub(super) fn pack(path: &Path) -> Outcome<Packed> {
    let data = fs::metadata(path).map_err(|error| {
        Failure::usage(format!("{} cannot be read: {error}", path.display()))
            .hint("name a folder, or a file that is a tar archive: hythe deploy APP DIR")
    })?;
    if data.is_dir() {
        return folder(path, true);
    }
    if !data.is_file() {
        let what = format!("{} is neither a folder nor a file", path.display());
        return Err(Failure::usage(what));
    }
    let unpacked = tempfile::tempdir().map_err(|error| no_room(&error))?;
    let archive = File::open(path).map_err(|error| unreadable(path, &error))?;
    unpack(archive, unpacked.path(), Bounds::default(), &CancellationToken::new())
        .map_err(|error| Failure::usage(format!("{} cannot be sent: {error}", path.display())))?;
    // What somebody packed, they want to have built.
    folder(unpacked.path(), false)
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::failed(format!("{} cannot be read: {error}", path.display()))
        .hint(format!("leave out what is not to be sent by a line in {IGNORE}"))
}

fn no_room(error: &io::Error) -> Failure {
    Failure::failed(format!("the archive cannot be written: {error}"))
        .hint("it lies in the folder for temporary files while it is sent; TMPDIR names another")
}

/// Bytes that are counted and digested on their way into a file.
struct Digested {
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Write for Digested {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hash.update(bytes.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        if self.bytes > limits::MOST_UPLOAD_BYTES {
            let most = limits::MOST_UPLOAD_BYTES / (1024 * 1024);
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("packed it has more than {most} MiB"),
            ));
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn folder(root: &Path, ignoring: bool) -> Outcome<Packed> {
    let file = tempfile::tempfile().map_err(|error| no_room(&error))?;
    let into = Digested { file, hash: Sha256::new(), bytes: 0 };
    let packed = GzBuilder::new().mtime(0).operating_system(255);
    let mut pack = Pack {
        archive: Builder::new(packed.write(into, Compression::default())),
        bytes: 0,
        entries: 0,
        skipped: Vec::new(),
    };
    for found in files(root, ignoring)? {
        pack.take(root, &found)?;
    }
    let Pack { archive, entries, skipped, .. } = pack;
    if entries == 0 {
        let what = format!("{} holds nothing that could be built", root.display());
        return Err(Failure::usage(what)
            .hint(format!("files that .gitignore or {IGNORE} name are left out")));
    }
    let done = archive.into_inner().and_then(|packed| packed.finish());
    let mut done = done.map_err(|error| too_large_or(&error))?;
    done.file.seek(SeekFrom::Start(0)).map_err(|error| no_room(&error))?;
    let hex: String = done.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let digest = UploadDigest::new(format!("sha256:{hex}")).map_err(|e| Failure::of(&e))?;
    let Digested { file, bytes, .. } = done;
    Ok(Packed { file, digest, bytes, entries, notes: notes(&skipped) })
}

fn too_large_or(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::FileTooLarge {
        return too_much(&error.to_string());
    }
    no_room(error)
}

fn too_much(what: &str) -> Failure {
    Failure::usage(format!("the folder is too large: {what}"))
        .hint(format!("leave out what no build needs by lines in {IGNORE}, as in a .gitignore"))
}

fn notes(skipped: &[String]) -> Vec<String> {
    if skipped.is_empty() {
        return Vec::new();
    }
    let named = skipped.iter().take(MOST_TOLD).cloned().collect::<Vec<_>>().join(", ");
    let more = if skipped.len() > MOST_TOLD { " and others" } else { "" };
    vec![format!("left out, for they are sockets, pipes or devices: {named}{more}")]
}

/// What is packed, sorted by path, folders before what is in them.
fn files(root: &Path, ignoring: bool) -> Outcome<Vec<DirEntry>> {
    let mut walk = WalkBuilder::new(root);
    walk.standard_filters(false)
        .git_ignore(ignoring)
        .parents(ignoring && in_repository(root))
        // Whether it is a repository here makes no difference to what is built.
        .require_git(false)
        .follow_links(false)
        .filter_entry(|entry| entry.file_name() != GIT);
    if ignoring {
        walk.add_custom_ignore_filename(IGNORE);
    }
    let mut found = Vec::new();
    for entry in walk.build() {
        let entry = entry.map_err(|error| unreadable(root, &error))?;
        if let Some(error) = entry.error() {
            let what = format!("an ignore file cannot be understood: {error}");
            return Err(Failure::usage(what));
        }
        if entry.depth() == 0 {
            continue;
        }
        found.push(entry);
        if found.len() > limits::MOST_UPLOAD_ENTRIES {
            let most = limits::MOST_UPLOAD_ENTRIES;
            return Err(too_much(&format!("it holds more than {most} files and folders")));
        }
    }
    found.sort_by(|a, b| a.path().cmp(b.path()));
    Ok(found)
}

/// Whether a folder lies in a working copy: then what that ignores is ignored here. Else what lies
/// above it has nothing to do with it.
fn in_repository(root: &Path) -> bool {
    let whole = root.canonicalize();
    whole.is_ok_and(|whole| whole.ancestors().any(|above| above.join(GIT).exists()))
}

struct Pack<W: Write> {
    archive: Builder<W>,
    /// Of all files together.
    bytes: u64,
    entries: usize,
    skipped: Vec<String>,
}

impl<W: Write> Pack<W> {
    fn take(&mut self, root: &Path, found: &DirEntry) -> Outcome {
        let path = found.path();
        let name = name_of(root, path)?;
        let data = fs::symlink_metadata(path).map_err(|error| unreadable(path, &error))?;
        let kind = data.file_type();
        let mut header = Header::new_gnu();
        header.set_mtime(TIME);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        if kind.is_dir() {
            header.set_entry_type(EntryType::Directory);
            header.set_mode(0o755);
            let done = self.archive.append_data(&mut header, format!("{name}/"), io::empty());
            done.map_err(|error| too_large_or(&error))?;
        } else if kind.is_symlink() {
            self.link(&mut header, path, &name)?;
        } else if kind.is_file() {
            self.file(&mut header, path, &name, &data)?;
        } else {
            self.skipped.push(name);
            return Ok(());
        }
        self.entries += 1;
        Ok(())
    }

    fn link(&mut self, header: &mut Header, path: &Path, name: &str) -> Outcome {
        let target = fs::read_link(path).map_err(|error| unreadable(path, &error))?;
        let depth = name.matches('/').count();
        let Some(target) = target.to_str().filter(|target| stays_inside(target, depth)) else {
            return Err(Failure::usage(format!(
                "{name} is a link that leads out of the folder, to {}",
                target.display()
            ))
            .hint(format!(
                "put what it leads to in its place, or leave it out by a line in {IGNORE}"
            )));
        };
        header.set_entry_type(EntryType::Symlink);
        header.set_mode(0o777);
        let done = self.archive.append_link(header, name, target);
        done.map_err(|error| too_large_or(&error))
    }

    fn file(&mut self, header: &mut Header, path: &Path, name: &str, data: &Metadata) -> Outcome {
        let size = data.len();
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > limits::MOST_UNPACKED_BYTES {
            let most = limits::MOST_UNPACKED_BYTES / (1024 * 1024);
            return Err(too_much(&format!("its files have more than {most} MiB together")));
        }
        let runnable = data.permissions().mode() & 0o100 != 0;
        header.set_entry_type(EntryType::Regular);
        header.set_mode(if runnable { 0o755 } else { 0o644 });
        header.set_size(size);
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        let mut counted = Counted { file: file.take(size), bytes: 0 };
        let done = self.archive.append_data(header, name, &mut counted);
        done.map_err(|error| too_large_or(&error))?;
        if counted.bytes != size {
            return Err(Failure::failed(format!("{name} became shorter while it was read"))
                .hint("deploy again once nothing changes the folder any more"));
        }
        Ok(())
    }
}

struct Counted {
    file: io::Take<File>,
    bytes: u64,
}

impl io::Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(into)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

/// The path within the folder, as the archive has it.
fn name_of(root: &Path, path: &Path) -> Outcome<String> {
    let inside = path.strip_prefix(root).unwrap_or(path);
    let refuse = |why: &str| {
        Err(Failure::usage(format!("{} {why}", PathBuf::from(inside).display()))
            .hint(format!("give it another name, or leave it out by a line in {IGNORE}")))
    };
    let Some(name) = inside.to_str() else { return refuse("has a name that is not UTF-8") };
    if name.len() > limits::MOST_UPLOAD_PATH {
        return refuse(&format!("has a path of more than {} bytes", limits::MOST_UPLOAD_PATH));
    }
    if name.chars().any(char::is_control) {
        return refuse("has a control character in its name");
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn names(packed: &Packed) -> Vec<String> {
        let into = tempfile::tempdir().unwrap();
        let file = packed.file.try_clone().unwrap();
        unpack(file, into.path(), Bounds::default(), &CancellationToken::new()).unwrap();
        let found = files(into.path(), false).unwrap();
        found.iter().map(|entry| name_of(into.path(), entry.path()).unwrap()).collect()
    }

    #[test]
    fn the_same_files_give_the_same_bytes_and_others_give_others() {
        let make = |dir: &Path| {
            put(dir, "b/file", "text");
            put(dir, "a", "#!/bin/sh");
            fs::set_permissions(dir.join("a"), fs::Permissions::from_mode(0o700)).unwrap();
            symlink("../a", dir.join("b/link")).unwrap();
        };
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        make(one.path());
        make(two.path());
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(9_999);
        File::options()
            .append(true)
            .open(two.path().join("b/file"))
            .unwrap()
            .set_modified(old)
            .unwrap();
        fs::set_permissions(two.path().join("a"), fs::Permissions::from_mode(0o755)).unwrap();
        put(two.path(), ".git/HEAD", "ref: refs/heads/main");
        let (first, second) = (pack(one.path()).unwrap(), pack(two.path()).unwrap());
        assert_eq!(first.digest, second.digest);
        assert_eq!(names(&second), ["a", "b", "b/file", "b/link"]);
        put(two.path(), "b/file", "texT");
        assert_ne!(pack(two.path()).unwrap().digest, first.digest);
        fs::set_permissions(one.path().join("a"), fs::Permissions::from_mode(0o644)).unwrap();
        assert_ne!(pack(one.path()).unwrap().digest, first.digest, "whether it can be run");
    }

    #[test]
    fn what_ignore_files_say_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("app");
        put(dir.path(), ".gitignore", "*.log\n");
        put(dir.path(), ".git/HEAD", "ref: refs/heads/main");
        put(&root, ".gitignore", "node_modules/\ndist/\n");
        put(&root, ".hytheignore", "secret.env\n!dist/\n");
        put(&root, ".dockerignore", "kept\n");
        for file in ["kept", "secret.env", "node_modules/x", "dist/app.js", "a.log", ".env"] {
            put(&root, file, "x");
        }
        let expected =
            [".dockerignore", ".env", ".gitignore", ".hytheignore", "dist", "dist/app.js", "kept"];
        assert_eq!(names(&pack(&root).unwrap()), expected);
    }

    #[test]
    fn what_leads_out_is_refused_and_what_is_no_file_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "file", "x");
        let _socket = UnixListener::bind(dir.path().join("socket")).unwrap();
        let packed = pack(dir.path()).unwrap();
        assert_eq!(names(&packed), ["file"]);
        assert!(packed.notes[0].contains("socket"), "{:?}", packed.notes);
        for target in ["/etc/passwd", "../file", "a/../../b"] {
            symlink(target, dir.path().join("link")).unwrap();
            let failure = pack(dir.path()).unwrap_err();
            assert!(failure.message.contains("link is a link that leads out"), "{failure:?}");
            fs::remove_file(dir.path().join("link")).unwrap();
        }
        let empty = tempfile::tempdir().unwrap();
        assert!(pack(empty.path()).is_err());
        assert!(pack(&empty.path().join("none")).is_err());
        put(empty.path(), "a\nb", "x");
        assert!(pack(empty.path()).unwrap_err().message.contains("control character"));
    }

    #[test]
    fn an_archive_is_packed_as_the_folder_that_it_holds() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "app/b", "x");
        put(dir.path(), "app/.gitignore", "b\n");
        let plain = pack(&dir.path().join("app")).unwrap();
        assert_eq!(names(&plain), [".gitignore"]);
        let archive = dir.path().join("app.tar");
        let mut tar = Builder::new(File::create(&archive).unwrap());
        tar.append_dir_all(".", dir.path().join("app")).unwrap();
        tar.finish().unwrap();
        let packed = pack(&archive).unwrap();
        assert_eq!(names(&packed), [".gitignore", "b"], "who packed it wants all of it");
        put(dir.path(), "no.tar", "hello");
        assert!(pack(&dir.path().join("no.tar")).unwrap_err().message.contains("no tar archive"));
    }
}
