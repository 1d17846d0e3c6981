//! What is sent to the engine: the files of a checkout, without those that are to be left out.
//!
//! The same commit gives the same list: it is sorted, everything belongs to root, has no modes of
//! this machine, and bears the time of the commit. (A fixed time would be as good for the layer
//! cache, but servers make ETags of time and length, and would call a changed file unchanged.)
//! Links go in as links and are never followed, so that nothing from outside the checkout can.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use hythe_core::detect::{BaseImages, BuildPlan, FileKind, GeneratedFile, StaticSite};
use hythe_core::names::RepositoryPath;

use super::checkout::Entry;
use super::dockerignore::Ignore;

/// The most bytes of a `.dockerignore`.
const MOST_IGNORE_BYTES: u64 = 1024 * 1024;

/// What the engine gets to see.
#[derive(Debug)]
pub(crate) struct Context {
    /// Folders before what is in them, siblings by name.
    pub(crate) items: Vec<Item>,
    /// The time that everything bears, in seconds since the Unix epoch.
    pub(crate) time: u64,
    /// The Dockerfile's path among the items.
    pub(crate) dockerfile: String,
}

/// One thing in it.
#[derive(Debug)]
pub(crate) struct Item {
    /// Relative, with `/`.
    pub(crate) path: String,
    pub(crate) kind: Kind,
    /// Whether it lies beside the context: a Dockerfile from elsewhere, and its ignore file.
    pub(crate) beside: bool,
}

/// What a thing is.
#[derive(Debug)]
pub(crate) enum Kind {
    Folder,
    /// A symbolic link, and what it says.
    Link(String),
    File {
        content: Content,
        size: u64,
        runnable: bool,
    },
}

/// Where a file's bytes are.
#[derive(Debug)]
pub(crate) enum Content {
    OnDisk(PathBuf),
    Here(Bytes),
}

#[derive(Debug)]
enum Layout {
    /// All files as they lie, but those left out. Without its Dockerfile the engine has nothing to
    /// build by, whatever the patterns say.
    Whole { ignore: Ignore, always: Option<String> },
    /// The files of one folder, below a folder of its own, beside generated ones.
    Site { ignore: Ignore, unpublished: Ignore, folder: Option<String>, files: Vec<GeneratedFile> },
}

impl Context {
    /// Prepares what a plan needs of a checkout, or of one folder of it. `time` is in seconds since
    /// the Unix epoch.
    ///
    /// # Errors
    /// What is wrong with the `.dockerignore` or a link, for the person whose it is.
    pub(crate) fn new(
        root: &Path,
        entries: &[Entry],
        folder: Option<&RepositoryPath>,
        plan: &BuildPlan,
        images: &BaseImages,
        time: u64,
    ) -> Result<Self, String> {
        let below = folder.map(|folder| format!("{folder}/"));
        let inside = |path: &str| match &below {
            Some(below) => path.strip_prefix(below.as_str()).map(str::to_owned),
            None => Some(path.to_owned()),
        };
        let general = inside_of(folder, ".dockerignore");
        let mut beside = Vec::new();
        let (layout, dockerfile) = match plan {
            BuildPlan::Dockerfile { path } => {
                let own = format!("{path}.dockerignore");
                let ignore = read_ignore(root, &own)?
                    .map_or_else(|| read_ignore(root, &general), |found| Ok(Some(found)))?;
                let path = path.as_str();
                let always = inside(path);
                if always.is_none() {
                    beside.extend(folders_above(path).map(|folder| Item::folder(folder, true)));
                    for entry in entries.iter().filter(|e| e.path == path || e.path == own) {
                        let path = entry.path.clone();
                        beside.push(Item { path, kind: kind(root, entry)?, beside: true });
                    }
                }
                let dockerfile = always.clone().unwrap_or_else(|| path.to_owned());
                (Layout::Whole { ignore: ignore.unwrap_or_default(), always }, dockerfile)
            }
            BuildPlan::Static(site) => {
                let of_site = site.folder.as_ref().map(|folder| format!("{folder}/"));
                let layout = Layout::Site {
                    ignore: read_ignore(root, &general)?.unwrap_or_default(),
                    unpublished: Ignore::of(StaticSite::UNPUBLISHED.iter().copied())?,
                    folder: of_site.and_then(|of_site| inside(&of_site)).filter(|f| !f.is_empty()),
                    files: site.files(images),
                };
                (layout, StaticSite::DOCKERFILE.to_owned())
            }
            BuildPlan::Preset { dockerfile } => {
                let ignore = read_ignore(root, &general)?.unwrap_or_default();
                // Not among the files of the repository, which may have a folder of this name.
                let path = StaticSite::DOCKERFILE.to_owned();
                beside.push(Item { path: path.clone(), kind: made(dockerfile), beside: true });
                (Layout::Whole { ignore, always: None }, path)
            }
        };
        let within = entries.iter().filter_map(|entry| Some((inside(&entry.path)?, entry)));
        let mut items = layout.items(root, within)?;
        items.extend(beside);
        Ok(Self { items, time, dockerfile })
    }
}

impl Context {
    /// Nothing but a Dockerfile that is made.
    pub(crate) fn of_dockerfile(text: &str) -> Self {
        let path = StaticSite::DOCKERFILE.to_owned();
        let item = Item { path: path.clone(), kind: made(text), beside: true };
        Self { items: vec![item], time: 0, dockerfile: path }
    }
}

/// A path of the repository, by its path in one of its folders.
fn inside_of(folder: Option<&RepositoryPath>, path: &str) -> String {
    folder.map_or_else(|| path.to_owned(), |folder| format!("{folder}/{path}"))
}

impl Layout {
    /// Everything that goes in, in order, with the folders that lead there.
    fn items<'a>(
        &self,
        root: &Path,
        entries: impl Iterator<Item = (String, &'a Entry)>,
    ) -> Result<Vec<Item>, String> {
        let mut items = Vec::new();
        if let Self::Site { files, .. } = self {
            items.extend(files.iter().map(|file| Item {
                path: file.path.to_owned(),
                kind: made(&file.text),
                beside: false,
            }));
            items.push(Item::folder(StaticSite::FOLDER, false));
        }
        let mut left_out: Option<String> = None;
        for (path, entry) in entries {
            if left_out.as_ref().is_some_and(|folder| path.starts_with(folder.as_str())) {
                continue;
            }
            match self.place(&path, entry.kind) {
                Place::At(path) => {
                    items.push(Item { path, kind: kind(root, entry)?, beside: false });
                }
                Place::Nowhere => {}
                Place::NothingBelow => left_out = Some(format!("{path}/")),
            }
        }
        // What was brought back may lie in a folder that was left out.
        let there: BTreeSet<&str> = items.iter().map(|item| item.path.as_str()).collect();
        let missing: BTreeSet<String> = items
            .iter()
            .flat_map(|item| folders_above(&item.path))
            .filter(|folder| !there.contains(folder))
            .map(str::to_owned)
            .collect();
        items.extend(missing.iter().map(|path| Item::folder(path, false)));
        items.sort_by(|one, other| one.path.split('/').cmp(other.path.split('/')));
        Ok(items)
    }

    /// Where an entry goes.
    fn place(&self, path: &str, kind: FileKind) -> Place {
        match self {
            Self::Whole { ignore, always } => {
                let needed = always.as_ref().is_some_and(|always| {
                    always == path || folders_above(always).any(|folder| folder == path)
                });
                if needed || !ignore.leaves_out(path) {
                    Place::At(path.to_owned())
                } else if kind == FileKind::Folder && ignore.is_final() {
                    Place::NothingBelow
                } else {
                    Place::Nowhere
                }
            }
            Self::Site { ignore, unpublished, folder, .. } => {
                let inside = match folder {
                    Some(folder) => path.strip_prefix(folder.as_str()),
                    None => Some(path),
                };
                match inside {
                    Some(inside) if !ignore.leaves_out(path) && !unpublished.leaves_out(inside) => {
                        Place::At(format!("{}/{inside}", StaticSite::FOLDER))
                    }
                    Some(_) | None => Place::Nowhere,
                }
            }
        }
    }
}

impl Item {
    fn folder(path: &str, beside: bool) -> Self {
        Self { path: path.to_owned(), kind: Kind::Folder, beside }
    }
}

/// The folders that a path lies in.
pub(crate) fn folders_above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').filter_map(|(at, _)| path.get(..at))
}

/// A file that no checkout has.
fn made(text: &str) -> Kind {
    let content = Content::Here(Bytes::copy_from_slice(text.as_bytes()));
    Kind::File { content, size: text.len() as u64, runnable: false }
}

fn kind(root: &Path, entry: &Entry) -> Result<Kind, String> {
    let from = root.join(&entry.path);
    Ok(match entry.kind {
        FileKind::Folder => Kind::Folder,
        FileKind::Link => {
            let wrong = |why: &dyn std::fmt::Display| format!("the link {}: {why}", entry.path);
            let target = fs::read_link(&from).map_err(|error| wrong(&error))?;
            let target = target.into_os_string().into_string();
            Kind::Link(target.map_err(|_| wrong(&"what it leads to is not UTF-8"))?)
        }
        FileKind::File => Kind::File {
            content: Content::OnDisk(from),
            size: entry.size,
            runnable: entry.runnable,
        },
    })
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

#[cfg(test)]
mod tests {
    use super::super::checkout::list;
    use super::*;
    use hythe_core::detect::StaticSite;
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
        Context::new(root, &list(root).unwrap(), None, &plan, &BaseImages::default(), 1_000)
            .unwrap()
    }

    fn paths(context: &Context) -> Vec<&str> {
        context.items.iter().map(|item| item.path.as_str()).collect()
    }

    #[test]
    fn what_is_ignored_stays_out_but_the_dockerfile_goes_in() {
        let root = checkout(&["Dockerfile", "a/b.txt", "a/c.log", "node_modules/x/y", "z"]);
        fs::write(root.path().join(".dockerignore"), "**/*.log\nnode_modules\nDockerfile\n")
            .unwrap();
        let context = whole(root.path());
        assert_eq!(paths(&context), [".dockerignore", "Dockerfile", "a", "a/b.txt", "z"]);
        fs::write(root.path().join("Dockerfile.dockerignore"), "*\n!z\n").unwrap();
        assert_eq!(paths(&whole(root.path())), ["Dockerfile", "z"]);
    }

    #[test]
    fn what_is_brought_back_brings_its_folders() {
        let root = checkout(&["Dockerfile", "a/b/kept", "a/b/gone", "a-b", "c/gone"]);
        fs::write(root.path().join(".dockerignore"), "*\n!a/b/kept\n!a-b\n").unwrap();
        let context = whole(root.path());
        assert_eq!(paths(&context), ["Dockerfile", "a", "a/b", "a/b/kept", "a-b"]);
        assert!(matches!(context.items[1].kind, Kind::Folder));
    }

    #[test]
    fn of_a_larger_repository_only_one_folder_goes_in_and_its_ignore_file_holds() {
        let root =
            checkout(&["Dockerfile", "ops/Dockerfile", "apps/web/a.log", "apps/web/b/c", "apps/x"]);
        fs::write(root.path().join(".dockerignore"), "**/c\n").unwrap();
        fs::write(root.path().join("apps/web/.dockerignore"), "*.log\n.dockerignore\n").unwrap();
        let entries = list(root.path()).unwrap();
        let folder = RepositoryPath::new("apps/web").unwrap();
        let of = |plan: &BuildPlan| {
            Context::new(root.path(), &entries, Some(&folder), plan, &BaseImages::default(), 0)
                .unwrap()
        };
        let by = |path: &str| BuildPlan::Dockerfile { path: RepositoryPath::new(path).unwrap() };
        let context = of(&by("ops/Dockerfile"));
        assert_eq!(paths(&context), ["b", "b/c", "ops", "ops/Dockerfile"]);
        let beside: Vec<bool> = context.items.iter().map(|item| item.beside).collect();
        assert_eq!(
            (beside, context.dockerfile.as_str()),
            (vec![false, false, true, true], "ops/Dockerfile")
        );
        fs::write(root.path().join("apps/web/Dockerfile"), "").unwrap();
        let entries = list(root.path()).unwrap();
        let plan = by("apps/web/Dockerfile");
        let context =
            Context::new(root.path(), &entries, Some(&folder), &plan, &BaseImages::default(), 0)
                .unwrap();
        assert_eq!(paths(&context), ["Dockerfile", "b", "b/c"]);
        assert_eq!(context.dockerfile, "Dockerfile");
        let site = |folder: &str| {
            let folder = Some(RepositoryPath::new(folder).unwrap());
            BuildPlan::Static(StaticSite { folder, not_found_page: false })
        };
        let own = ["Dockerfile", "httpd.conf", "site"];
        assert_eq!(paths(&of(&site("apps/web"))), [&own[..], &["site/b", "site/b/c"]].concat());
        assert_eq!(paths(&of(&site("apps/web/b"))), [&own[..], &["site/c"]].concat());
    }

    #[test]
    fn the_same_files_give_the_same_list() {
        let files = ["Dockerfile", "b", "a/x", "a-b"];
        let (one, other) = (checkout(&files), checkout(&files));
        fs::set_permissions(other.path().join("b"), fs::Permissions::from_mode(0o600)).unwrap();
        let list = |root: &Path| {
            let items = whole(root).items.into_iter().map(|item| match item.kind {
                Kind::File { size, runnable, .. } => (item.path, Some((size, runnable))),
                Kind::Folder | Kind::Link(_) => (item.path, None),
            });
            items.collect::<Vec<_>>()
        };
        // What is written depends on the length of the folder's name, which is the same.
        assert_eq!(list(one.path()), list(other.path()));
        let paths: Vec<_> = list(one.path()).into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["Dockerfile", "a", "a/x", "a-b", "b"]);
    }

    #[test]
    fn links_go_in_as_links_wherever_they_lead() {
        let root = checkout(&["Dockerfile"]);
        symlink("/etc/passwd", root.path().join("out")).unwrap();
        symlink("/etc", root.path().join("out-folder")).unwrap();
        symlink("..", root.path().join("round")).unwrap();
        let context = whole(root.path());
        let links: Vec<(&str, &str)> = context
            .items
            .iter()
            .filter_map(|item| match &item.kind {
                Kind::Link(target) => Some((item.path.as_str(), target.as_str())),
                Kind::Folder | Kind::File { .. } => None,
            })
            .collect();
        assert_eq!(links, [("out", "/etc/passwd"), ("out-folder", "/etc"), ("round", "..")]);
    }

    #[test]
    fn a_dockerignore_that_leads_out_is_refused() {
        let root = checkout(&["Dockerfile"]);
        symlink("/etc/passwd", root.path().join(".dockerignore")).unwrap();
        let plan = BuildPlan::Dockerfile { path: RepositoryPath::new("Dockerfile").unwrap() };
        let entries = list(root.path()).unwrap();
        let refused = Context::new(root.path(), &entries, None, &plan, &BaseImages::default(), 0)
            .unwrap_err();
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
        let context =
            Context::new(root.path(), &entries, None, &plan, &BaseImages::default(), 0).unwrap();
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
}
