//! The sites that can be served: those whose files are all on the disk.
//!
//! Invariant: what is kept in memory of files has a bound over all sites, and goes with its site.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use hyper::header::HeaderValue;
use hythe_core::canary::PartSite;
use hythe_core::ids::DeploymentId;
use hythe_core::routes::{Backend, RouteTable};
use hythe_core::site::{FileHash, Manifest, SiteFile, SiteId, SitePath, is_immutable};

use super::disk::{Part, SiteDisk};

/// Larger files are read from the disk each time: the system keeps them in memory as it sees fit.
pub(super) const MOST_KEPT_BYTES: u64 = 64 * 1024;

/// What a host leads to.
#[derive(Debug)]
pub(crate) struct Served {
    /// The deployment that it is of, where a table said so.
    pub(crate) deployment: Option<DeploymentId>,
    pub(crate) site: Arc<Site>,
    /// Of the versions before, the newest first.
    pub(crate) earlier: Vec<Earlier>,
}

/// What a file's name says of it.
#[derive(Clone, Debug)]
pub(super) struct Named {
    /// What it is.
    pub(super) kind: HeaderValue,
    /// Whether another file never has this name.
    pub(super) for_ever: bool,
}

impl Named {
    pub(super) fn of(path: &str) -> Self {
        Self { kind: kind(path), for_ever: is_immutable(path) }
    }
}

/// A version before.
#[derive(Clone, Debug)]
pub(crate) struct Earlier(Arc<Site>);

/// A site, ready to be served.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) manifest: Manifest,
    /// All that is there of it.
    blobs: HashSet<FileHash>,
    /// Small files that were asked for.
    bodies: HashMap<FileHash, OnceLock<Bytes>>,
    /// What is said of each file by its name, once it was asked for.
    names: HashMap<SitePath, OnceLock<Named>>,
    memory: Arc<Memory>,
    held: AtomicU64,
    disk: Arc<SiteDisk>,
}

impl AsRef<Manifest> for Earlier {
    fn as_ref(&self) -> &Manifest {
        &self.0.manifest
    }
}

impl Site {
    fn new(manifest: Manifest, part: Part, memory: Arc<Memory>, disk: Arc<SiteDisk>) -> Self {
        let all = part.blobs(&manifest);
        let small = all.iter().filter(|(_, bytes)| *bytes <= MOST_KEPT_BYTES);
        let bodies = small.map(|(hash, _)| ((*hash).clone(), OnceLock::new())).collect();
        let blobs = all.into_iter().map(|(hash, _)| hash.clone()).collect();
        let paths = manifest.files.keys().filter(|path| part.has(path.as_str()));
        let names = paths.map(|path| (path.clone(), OnceLock::new())).collect();
        Self { manifest, blobs, bodies, names, memory, held: AtomicU64::new(0), disk }
    }

    /// What the name of one of its files says.
    pub(super) fn named(&self, path: &str) -> Named {
        match self.names.get(path) {
            Some(named) => named.get_or_init(|| Named::of(path)).clone(),
            None => Named::of(path),
        }
    }

    /// What is in memory of a file.
    pub(super) fn body(&self, hash: &FileHash) -> Option<Bytes> {
        self.bodies.get(hash)?.get().cloned()
    }

    /// Where a file lies.
    pub(super) fn place(&self, hash: &FileHash) -> PathBuf {
        self.disk.file(hash)
    }

    /// Keeps a file in memory, where there is room.
    pub(super) fn keep(&self, hash: &FileHash, body: &Bytes) {
        let Some(slot) = self.bodies.get(hash) else { return };
        let bytes = body.len() as u64;
        if !self.memory.take(bytes) {
            return;
        }
        if slot.set(body.clone()).is_ok() {
            self.held.fetch_add(bytes, Relaxed);
        } else {
            self.memory.give_back(bytes);
        }
    }
}

impl Served {
    /// The site that has this file, the present one or one before.
    pub(super) fn with(&self, file: &SiteFile) -> &Site {
        let has = |site: &Site| site.blobs.contains(&file.hash);
        let earlier = || self.earlier.iter().map(|earlier| &*earlier.0).find(|site| has(site));
        if has(&self.site) { &self.site } else { earlier().unwrap_or(&self.site) }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.memory.give_back(self.held.load(Relaxed));
    }
}

/// How much of files is in memory, over all sites.
#[derive(Debug)]
struct Memory {
    left: AtomicU64,
}

impl Memory {
    fn take(&self, bytes: u64) -> bool {
        self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    fn give_back(&self, bytes: u64) {
        self.left.fetch_add(bytes, Relaxed);
    }
}

/// The sites that can be served. One whose files that are named after their content are all that is there
/// serves those alone.
#[derive(Debug)]
pub(crate) struct Shelf {
    disk: Arc<SiteDisk>,
    memory: Arc<Memory>,
    sites: Mutex<HashMap<(SiteId, Part), Arc<Site>>>,
}

/// The sites that a table names, with what of each is wanted.
pub(super) type Wanted = BTreeSet<(SiteId, Part)>;

/// Which those are.
pub(super) fn wanted(table: &RouteTable) -> Wanted {
    let mut wanted = Wanted::new();
    let mut want = |site: &SiteId, earlier: &[SiteId]| {
        wanted.insert((site.clone(), Part::Whole));
        wanted.extend(earlier.iter().map(|id| (id.clone(), Part::Immutable)));
    };
    for route in table.all() {
        match &route.backend {
            Backend::Site { site, earlier, .. } => want(site, earlier),
            Backend::Replicas { .. } | Backend::Starting | Backend::Down => {}
        }
        if let Some(PartSite { site, earlier }) = route.part_site() {
            want(site, earlier);
        }
    }
    wanted
}

impl Shelf {
    /// One with this folder, which keeps so many bytes in memory.
    pub(crate) fn open(folder: PathBuf, memory: u64) -> io::Result<Self> {
        Ok(Self {
            disk: Arc::new(SiteDisk::open(folder)?),
            memory: Arc::new(Memory { left: AtomicU64::new(memory) }),
            sites: Mutex::default(),
        })
    }

    /// Removes what was being written when an edge ended: to be called where no other one may be writing.
    pub(crate) fn clear(&self) -> io::Result<()> {
        self.disk.clear()
    }

    pub(super) const fn disk(&self) -> &Arc<SiteDisk> {
        &self.disk
    }

    /// A site of which all is there.
    pub(crate) fn whole(&self, id: &SiteId) -> Option<Arc<Site>> {
        self.sites().get(&(id.clone(), Part::Whole)).cloned()
    }

    /// What there is of versions before.
    pub(crate) fn earlier<'a>(&self, ids: impl Iterator<Item = &'a SiteId>) -> Vec<Earlier> {
        let sites = self.sites();
        let of = |id: &SiteId| {
            let any = sites.get(&(id.clone(), Part::Immutable));
            let any = any.or_else(|| sites.get(&(id.clone(), Part::Whole)));
            any.map(|site| Earlier(Arc::clone(site)))
        };
        ids.filter_map(of).collect()
    }

    pub(super) fn has(&self, wanted: &(SiteId, Part)) -> bool {
        self.sites().contains_key(wanted)
    }

    /// Puts a site there whose files are on the disk.
    pub(super) fn put(&self, (id, part): (SiteId, Part), manifest: Manifest) {
        let site = Site::new(manifest, part, Arc::clone(&self.memory), Arc::clone(&self.disk));
        self.sites().insert((id, part), Arc::new(site));
    }

    /// Puts those there that a table names and that are on the disk; and where one is not, all of the version
    /// before it, which is served meanwhile. Blocks for as long as looking for their files takes.
    pub(crate) fn recall(&self, table: &RouteTable) {
        let one = |backend: &Backend| match backend {
            Backend::Site { site, earlier, .. } => Some((site.clone(), earlier.first()?.clone())),
            Backend::Replicas { .. } | Backend::Starting | Backend::Down => None,
        };
        for (site, before) in table.all().filter_map(|route| one(&route.backend)) {
            if self.disk.recall(&site, Part::Whole).is_none()
                && let Some(manifest) = self.disk.recall(&before, Part::Whole)
            {
                self.put((before, Part::Whole), manifest);
            }
        }
        for (id, part) in wanted(table) {
            if let Some(manifest) = self.disk.recall(&id, part) {
                self.put((id, part), manifest);
            }
        }
    }

    /// Keeps these alone; gives the files that they need.
    pub(super) fn retain(&self, wanted: &Wanted) -> BTreeSet<FileHash> {
        let mut sites = self.sites();
        sites.retain(|key, _| wanted.contains(key));
        let mut files = BTreeSet::new();
        for ((_, part), site) in &*sites {
            files.extend(part.blobs(&site.manifest).into_iter().map(|(hash, _)| hash.clone()));
        }
        files
    }

    fn sites(&self) -> MutexGuard<'_, HashMap<(SiteId, Part), Arc<Site>>> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a file of this name is.
fn kind(path: &str) -> HeaderValue {
    let guess = mime_guess::from_path(path).first_or_octet_stream();
    let text = guess.type_() == mime_guess::mime::TEXT
        || guess.subtype() == "javascript"
        || guess.subtype() == "json"
        || guess.suffix().is_some_and(|suffix| matches!(suffix.as_str(), "json" | "xml"));
    // As RFC 9239 has it, whatever the ending.
    let guess =
        if guess.subtype() == "javascript" { mime_guess::mime::TEXT_JAVASCRIPT } else { guess };
    let said = if text && guess.get_param("charset").is_none() {
        format!("{guess}; charset=utf-8")
    } else {
        guess.to_string()
    };
    HeaderValue::try_from(said).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_a_bound_and_goes_with_its_site() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path().join("sites"), 10).unwrap();
        let hash = |n: u8| FileHash::new(format!("{n:064x}")).unwrap();
        let file = |n: u8| SiteFile { hash: hash(n), bytes: 6, variants: Default::default() };
        let path = |text: &str| hythe_core::site::SitePath::new(text).unwrap();
        let manifest = Manifest {
            format: 1,
            single_page: false,
            redirects: Vec::new(),
            headers: Vec::new(),
            files: [(path("a"), file(1)), (path("b"), file(2))].into(),
        };
        let id = SiteId::new("0".repeat(64)).unwrap();
        shelf.put((id.clone(), Part::Whole), manifest);
        let site = shelf.whole(&id).unwrap();
        let body = Bytes::from_static(b"sixsix");
        site.keep(&hash(1), &body);
        site.keep(&hash(1), &body);
        site.keep(&hash(2), &body);
        assert_eq!(site.body(&hash(1)), Some(body));
        assert_eq!(site.body(&hash(2)), None, "there is no room");
        assert_eq!(shelf.memory.left.load(Relaxed), 4);
        assert!(shelf.retain(&Wanted::new()).is_empty());
        drop(site);
        assert_eq!(shelf.memory.left.load(Relaxed), 10);
    }

    #[test]
    fn texts_say_how_they_are_written() {
        let rows = [
            ("index.html", "text/html; charset=utf-8"),
            ("a/app.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("logo.svg", "image/svg+xml; charset=utf-8"),
            ("site.webmanifest", "application/manifest+json; charset=utf-8"),
            ("a.wasm", "application/wasm"),
            ("a.woff2", "font/woff2"),
            ("a.png", "image/png"),
            ("LICENSE", "application/octet-stream"),
        ];
        for (path, expected) in rows {
            assert_eq!(kind(path), expected, "{path}");
        }
    }
}
