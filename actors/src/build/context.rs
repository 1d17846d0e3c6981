//! What is sent to the engine: the files of a checkout as a tar, streamed.
//!
//! The same commit gives the same bytes: entries are sorted, owned by root, without the modes of
//! this machine, and bear the time of the commit. (A fixed time would be as good for the layer
//! cache, but servers make ETags of time and length, and would call a changed file unchanged.)
//! Links go in as links and are never followed, so that nothing from outside the checkout can.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use hythe_core::detect::{BuildPlan, FileKind, GeneratedFile, StaticSite};
use tokio::sync::mpsc;

use super::checkout::Entry;
use super::dockerignore::Ignore;

/// The most bytes of a `.dockerignore`.
const MOST_IGNORE_BYTES: u64 = 1024 * 1024;
/// Bytes in one piece of the stream.
const PIECE: usize = 64 * 1024;
/// Pieces under way: what a slow engine makes us hold.
const PIECES: usize = 16;

/// What goes into the tar.
#[derive(Debug)]
pub(crate) struct Context {
    root: PathBuf,
    entries: Vec<Entry>,
    layout: Layout,
    time: u64,
    /// The Dockerfile's path inside the tar.
    pub(crate) dockerfile: String,
}

#[derive(Debug)]
enum Layout {
    /// All files as they lie, but those left out.
    Whole { ignore: Ignore, always: [String; 1] },
    /// The files of one folder, below a folder of the tar, beside generated ones.
    Site { ignore: Ignore, unpublished: Ignore, folder: Option<String>, files: Vec<GeneratedFile> },
}

impl Context {
    /// Prepares what a plan needs of a checkout. `time` is in seconds since the Unix epoch.
    ///
    /// # Errors
    /// What is wrong with the `.dockerignore`, for the person whose it is.
    pub(crate) fn new(
        root: &Path,
        entries: Vec<Entry>,
        plan: &BuildPlan,
        base_image: &str,
        time: u64,
    ) -> Result<Self, String> {
        let (layout, dockerfile) = match plan {
            BuildPlan::Dockerfile { path } => {
                let own = format!("{path}.dockerignore");
                let ignore = read_ignore(root, &own)?
                    .map_or_else(|| read_ignore(root, ".dockerignore"), |found| Ok(Some(found)))?;
                // Without it the engine has nothing to build by, whatever the patterns say.
                let layout = Layout::Whole {
                    ignore: ignore.unwrap_or_default(),
                    always: [path.as_str().to_owned()],
                };
                (layout, path.as_str().to_owned())
            }
            BuildPlan::Static(site) => {
                let layout = Layout::Site {
                    ignore: read_ignore(root, ".dockerignore")?.unwrap_or_default(),
                    unpublished: Ignore::of(StaticSite::UNPUBLISHED.iter().copied())?,
                    folder: site.folder.as_ref().map(|folder| format!("{folder}/")),
                    files: site.files(base_image),
                };
                (layout, StaticSite::DOCKERFILE.to_owned())
            }
        };
        Ok(Self { root: root.to_owned(), entries, layout, time, dockerfile })
    }

    /// Streams the tar: written by a thread of its own as fast as it is taken. An error ends it.
    pub(crate) fn stream(self) -> mpsc::Receiver<io::Result<Bytes>> {
        let (pieces, receiver) = mpsc::channel(PIECES);
        tokio::task::spawn_blocking(move || {
            let mut pipe = Pipe { pieces, piece: BytesMut::with_capacity(PIECE) };
            let done = self.write(&mut pipe).and_then(|()| pipe.flush());
            if let Err(error) = done {
                // Nobody listens where the build was dropped; that is the end as well.
                let _ = pipe.pieces.blocking_send(Err(error));
            }
        });
        receiver
    }

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut tar = tar::Builder::new(to);
        if let Layout::Site { files, .. } = &self.layout {
            for file in files {
                let mut header = self.header(tar::EntryType::Regular, 0o644);
                header.set_size(file.text.len() as u64);
                tar.append_data(&mut header, file.path, file.text.as_bytes())?;
            }
            let mut header = self.header(tar::EntryType::Directory, 0o755);
            tar.append_data(&mut header, StaticSite::FOLDER, io::empty())?;
        }
        let mut left_out: Option<String> = None;
        for entry in &self.entries {
            if left_out.as_ref().is_some_and(|folder| entry.path.starts_with(folder.as_str())) {
                continue;
            }
            match self.place(entry) {
                Place::At(path) => self.append(&mut tar, entry, &path)?,
                Place::Nowhere => {}
                Place::NothingBelow => left_out = Some(format!("{}/", entry.path)),
            }
        }
        tar.finish()
    }

    /// Where an entry goes.
    fn place(&self, entry: &Entry) -> Place {
        match &self.layout {
            Layout::Whole { ignore, always } => {
                let needed = always.iter().any(|path| {
                    path == &entry.path || path.starts_with(&format!("{}/", entry.path))
                });
                if needed || !ignore.leaves_out(&entry.path) {
                    Place::At(entry.path.clone())
                } else if entry.kind == FileKind::Folder && ignore.is_final() {
                    Place::NothingBelow
                } else {
                    Place::Nowhere
                }
            }
            Layout::Site { ignore, unpublished, folder, .. } => {
                let inside = match folder {
                    Some(folder) => entry.path.strip_prefix(folder.as_str()),
                    None => Some(entry.path.as_str()),
                };
                match inside {
                    Some(path)
                        if !ignore.leaves_out(&entry.path) && !unpublished.leaves_out(path) =>
                    {
                        Place::At(format!("{}/{path}", StaticSite::FOLDER))
                    }
                    Some(_) | None => Place::Nowhere,
                }
            }
        }
    }

    fn append(
        &self,
        tar: &mut tar::Builder<impl Write>,
        entry: &Entry,
        to: &str,
    ) -> io::Result<()> {
        let from = self.root.join(&entry.path);
        match entry.kind {
            FileKind::Folder => {
                let mut header = self.header(tar::EntryType::Directory, 0o755);
                tar.append_data(&mut header, to, io::empty())
            }
            FileKind::Link => {
                let target = fs::read_link(&from)?;
                let mut header = self.header(tar::EntryType::Symlink, 0o777);
                tar.append_link(&mut header, to, target)
            }
            FileKind::File => {
                let mode = if entry.runnable { 0o755 } else { 0o644 };
                let mut header = self.header(tar::EntryType::Regular, mode);
                header.set_size(entry.size);
                // The checkout is ours alone; were a file to change all the same, the tar would
                // still be whole: as many bytes as its header says.
                let file = File::open(&from)?.take(entry.size).chain(io::repeat(0));
                tar.append_data(&mut header, to, file.take(entry.size))
            }
        }
    }

    fn header(&self, kind: tar::EntryType, mode: u32) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(self.time);
        header.set_size(0);
        header
    }
}

enum Place {
    At(String),
    Nowhere,
    NothingBelow,
}

/// Reads a file of patterns, where there is one inside the checkout.
fn read_ignore(root: &Path, path: &str) -> Result<Option<Ignore>, String> {
    let wrong = |why: String| format!("{path} cannot be used: {why}");
    // A link may lead anywhere; what it leads to must lie in the checkout.
    let Ok(real) = root.join(path).canonicalize() else { return Ok(None) };
    let root = root.canonicalize().map_err(|error| wrong(error.to_string()))?;
    if !real.starts_with(&root) {
        return Err(wrong("it is a link that leads out of the repository".to_owned()));
    }
    if !real.is_file() {
        return Ok(None);
    }
    let mut text = String::new();
    File::open(&real)
        .and_then(|file| file.take(MOST_IGNORE_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| wrong(error.to_string()))?;
    if text.len() as u64 > MOST_IGNORE_BYTES {
        return Err(wrong("it is larger than 1 MiB".to_owned()));
    }
    Ignore::read(&text).map(Some).map_err(wrong)
}

/// Gathers small writes into pieces and hands them on.
struct Pipe {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    piece: BytesMut,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = self.piece.split().freeze();
        self.pieces.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::checkout::list;
    use super::*;
    use hythe_core::detect::StaticSite;
    use hythe_core::names::RepositoryPath;
    use std::collections::BTreeMap;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn checkout(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for path in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, format!("{}", path.display()).len().to_string()).unwrap();
        }
        root
    }

    fn whole(root: &Path) -> Context {
        let plan = BuildPlan::Dockerfile { path: RepositoryPath::new("Dockerfile").unwrap() };
        Context::new(root, list(root).unwrap(), &plan, "busybox:latest", 1_000).unwrap()
    }

    fn bytes(context: &Context) -> Vec<u8> {
        let mut bytes = Vec::new();
        context.write(&mut bytes).unwrap();
        bytes
    }

    fn paths(context: &Context) -> Vec<String> {
        let bytes = bytes(context);
        let mut tar = tar::Archive::new(bytes.as_slice());
        let entries = tar.entries().unwrap();
        entries.map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
    }

    #[test]
    fn what_is_ignored_stays_out_but_the_dockerfile_goes_in() {
        let root = checkout(&["Dockerfile", "a/b.txt", "a/c.log", "node_modules/x/y", "z"]);
        fs::write(root.path().join(".dockerignore"), "**/*.log\nnode_modules\nDockerfile\n")
            .unwrap();
        let found = paths(&whole(root.path()));
        assert_eq!(found, [".dockerignore", "Dockerfile", "a", "a/b.txt", "z"]);
        fs::write(root.path().join("Dockerfile.dockerignore"), "*\n!z\n").unwrap();
        assert_eq!(paths(&whole(root.path())), ["Dockerfile", "z"]);
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let files = ["Dockerfile", "b", "a/x", "a-b"];
        let (one, other) = (checkout(&files), checkout(&files));
        fs::set_permissions(other.path().join("b"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(one.path().join("b"), "same").unwrap();
        fs::write(other.path().join("b"), "same").unwrap();
        for name in ["Dockerfile", "a/x", "a-b"] {
            fs::write(one.path().join(name), "").unwrap();
            fs::write(other.path().join(name), "").unwrap();
        }
        assert_eq!(bytes(&whole(one.path())), bytes(&whole(other.path())));
    }

    #[test]
    fn links_go_in_as_links_wherever_they_lead() {
        let root = checkout(&["Dockerfile"]);
        symlink("/etc/passwd", root.path().join("out")).unwrap();
        symlink("/etc", root.path().join("out-folder")).unwrap();
        symlink(root.path(), root.path().join("round")).unwrap();
        let bytes = bytes(&whole(root.path()));
        let mut tar = tar::Archive::new(bytes.as_slice());
        let kinds: BTreeMap<String, _> = tar
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.path().unwrap().display().to_string(), entry.header().entry_type())
            })
            .collect();
        assert_eq!(kinds.len(), 4);
        for name in ["out", "out-folder", "round"] {
            assert_eq!(kinds[name], tar::EntryType::Symlink, "{name}");
        }
    }

    #[test]
    fn a_dockerignore_that_leads_out_is_refused() {
        let root = checkout(&["Dockerfile"]);
        symlink("/etc/passwd", root.path().join(".dockerignore")).unwrap();
        let plan = BuildPlan::Dockerfile { path: RepositoryPath::new("Dockerfile").unwrap() };
        let entries = list(root.path()).unwrap();
        let refused = Context::new(root.path(), entries, &plan, "x", 0).unwrap_err();
        assert!(refused.contains("leads out"), "{refused}");
    }

    #[test]
    fn of_a_site_only_what_is_for_visitors_goes_in() {
        let root = checkout(&[
            "README.md",
            "public/index.html",
            "public/.env",
            "public/.well-known/acme",
            "public/Dockerfile",
            ".gitignore",
        ]);
        let site = StaticSite {
            folder: Some(RepositoryPath::new("public").unwrap()),
            not_found_page: false,
        };
        let plan = BuildPlan::Static(site);
        let entries = list(root.path()).unwrap();
        let context = Context::new(root.path(), entries, &plan, "busybox:latest", 0).unwrap();
        assert_eq!(
            paths(&context),
            [
                "Dockerfile",
                "httpd.conf",
                "site",
                "site/.well-known",
                "site/.well-known/acme",
                "site/Dockerfile",
                "site/index.html",
            ]
        );
    }

    #[tokio::test]
    async fn the_stream_holds_little_and_ends_when_it_is_dropped() {
        let root = checkout(&["Dockerfile"]);
        fs::write(root.path().join("big"), vec![7; 8 * 1024 * 1024]).unwrap();
        let mut stream = whole(root.path()).stream();
        let mut total = 0;
        while let Some(piece) = stream.recv().await {
            total += piece.unwrap().len();
        }
        assert!(total > 8 * 1024 * 1024);
        let mut stream = whole(root.path()).stream();
        stream.recv().await.unwrap().unwrap();
        drop(stream);
    }
}
