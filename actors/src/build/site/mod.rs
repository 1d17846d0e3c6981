//! From the image that a build left to a site that edges can serve.
//!
//! The files are copied out of a container of that image which is never started, and unpacked as what somebody
//! sent is: an image is as hostile. What the server has already is not sent again, and its compressed forms not
//! made again. Nothing counts before the list of files is there, and that is what is sent last; so a build that
//! was cut off is simply done again.

mod collect;
mod squeeze;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use hythe_core::detect::SiteFiles;
use hythe_core::ids::DeploymentId;
use hythe_core::limits;
use hythe_core::site::{
    BuiltSite, Compression, FileHash, MANIFEST_FORMAT, Manifest, SiteFile, SiteId, Variant,
    Variants,
};
use hythe_core::wire::site::{MOST_KNOWN, SiteObject};
use hythe_store::steps::Step;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::collect::{Collected, FoundFile};
use super::buildkit::NoImage;
use super::copy::CopyError;
use super::work::{Work, failed, shown};
use crate::sites::client::{SiteAskError, SiteClient};
use crate::uploads::unpack::{Bounds, unpack};

/// Files that are sent at once.
const AT_ONCE: usize = 8;
/// Files that are compressed at once: each takes a core.
const SQUEEZED_AT_ONCE: usize = 2;
/// Bytes of an archive: those of a site's files, and what is between them.
const MOST_COPIED: u64 = limits::MOST_SITE_BYTES + 256 * 1024 * 1024;

impl Work<'_> {
    /// Takes the files out of an image and brings them to the server.
    pub(super) async fn site(&self, image: &str, files: &SiteFiles) -> Result<BuiltSite, NoImage> {
        let begun = Instant::now();
        self.doing("taking the site's files out of the image");
        let scratch = self.folder("site").await?;
        let name = format!("hythe-site-{}", self.command.deployment);
        let folder = tokio::select! {
            folder = self.taken_out(image, &name, &files.folder, &scratch) => folder,
            () = self.cancel.cancelled() => Err(NoImage::Cancelled),
        };
        // Also where it was called off half-way.
        if let Err(error) = self.builder.engine.gone(&name).await {
            tracing::warn!(%name, %error, "a container that files were copied out of stays behind");
        }
        let folder = folder?;
        let cancel = self.cancel.clone();
        let collecting = tokio::task::spawn_blocking(move || collect::collect(&folder, &cancel));
        let collected = collecting.await.map_err(failed)?.map_err(failed)?;

        self.doing("bringing the site's files to the server");
        let sending = Sending {
            client: SiteClient::new(self.builder.reporter.jetstream.client()),
            by: self.command.deployment,
            squeezing: Semaphore::new(SQUEEZED_AT_ONCE),
        };
        let sent = tokio::select! {
            sent = sending.all(&collected, files.single_page) => sent,
            () = self.cancel.cancelled() => return Err(NoImage::Cancelled),
        };
        let (site, sent) =
            sent.map_err(|error| failed(format!("the site could not be kept: {error}")))?;
        Step::SiteBrought.passed();
        let text = format!(
            "{site}; {sent} of them new, kept in {}; the edges serve it, without a container",
            shown(begun.elapsed())
        );
        self.log.say(text).await;
        Ok(site)
    }

    /// The folder with what lies in one of the image.
    async fn taken_out(
        &self,
        image: &str,
        name: &str,
        from: &str,
        scratch: &Path,
    ) -> Result<PathBuf, NoImage> {
        let archive = scratch.join("archive");
        let engine = &self.builder.engine;
        let copied = engine.copied_out(image, name, from, (&archive, MOST_COPIED)).await;
        copied.map_err(|error| match error {
            CopyError::NotThere => failed(format!(
                "the image has no folder {from}: name the one that the build leaves (hythe.toml, output), or \
                 have the app served by a container (--static off)"
            )),
            CopyError::TooLarge => failed(format!(
                "the site has more than {} MiB; leave some out, or serve it by a container (--static off)",
                limits::MOST_SITE_BYTES >> 20
            )),
            CopyError::Engine(error) => NoImage::Engine(error.to_string()),
            CopyError::Disk(error) => {
                failed(format!("the builder has no room for the site: {error}"))
            }
        })?;
        let (into, cancel) = (scratch.join("files"), self.cancel.clone());
        let root = Path::new(from).file_name().map(|name| into.join(name));
        let unpacking = tokio::task::spawn_blocking(move || {
            std::fs::create_dir(&into).map_err(failed)?;
            let bounds =
                Bounds { bytes: limits::MOST_SITE_BYTES, entries: limits::MOST_SITE_FILES * 2 };
            let archive = File::open(&archive).map_err(failed)?;
            unpack(archive, &into, bounds, &cancel)
                .map(drop)
                .map_err(|error| failed(format!("what the build left is no site: {error}")))
        });
        unpacking.await.map_err(failed)??;
        root.ok_or_else(|| failed("the folder to serve is not the image's root"))
    }
}

/// Brings a site to the server.
struct Sending {
    client: SiteClient,
    by: DeploymentId,
    squeezing: Semaphore,
}

impl Sending {
    /// All of it, the list of its files last; says how many files were new.
    async fn all(
        &self,
        collected: &Collected,
        single_page: bool,
    ) -> Result<(BuiltSite, usize), SiteAskError> {
        // What several paths have in common is sent once.
        let files: BTreeMap<&FileHash, (&str, &FoundFile)> = collected
            .files
            .iter()
            .map(|(path, file)| (&file.hash, (path.as_str(), file)))
            .collect();
        let known = self.known(&files).await?;
        let missing = files.len() - known.len();
        let variants = self.files(&files, known).await?;
        let first = self.manifest(collected, single_page, variants).await;
        match first {
            Ok(site) => Ok((site, missing)),
            // Something went between the question and now.
            Err(SiteAskError::Server(_) | SiteAskError::Again(_)) => {
                let variants = self.files(&files, BTreeMap::new()).await?;
                let site = self.manifest(collected, single_page, variants).await?;
                Ok((site, files.len()))
            }
            Err(
                error @ (SiteAskError::Missing | SiteAskError::Damaged | SiteAskError::File(_)),
            ) => Err(error),
        }
    }

    async fn known(
        &self,
        files: &BTreeMap<&FileHash, (&str, &FoundFile)>,
    ) -> Result<BTreeMap<FileHash, Variants>, SiteAskError> {
        let all: Vec<FileHash> = files.keys().map(|hash| (*hash).clone()).collect();
        let mut known = BTreeMap::new();
        for some in all.chunks(MOST_KNOWN) {
            let found = self.client.known(some).await?;
            let found = some.iter().zip(found);
            known.extend(found.filter_map(|(hash, found)| Some((hash.clone(), found?))));
        }
        Ok(known)
    }

    /// Sends what is not known; says which compressed forms each file has.
    async fn files(
        &self,
        files: &BTreeMap<&FileHash, (&str, &FoundFile)>,
        mut known: BTreeMap<FileHash, Variants>,
    ) -> Result<BTreeMap<FileHash, Variants>, SiteAskError> {
        let new = files.iter().filter(|(hash, _)| !known.contains_key(**hash));
        let new: Vec<_> = new.map(|(_, (path, file))| self.file(path, file)).collect();
        let sent: Vec<_> = stream::iter(new).buffer_unordered(AT_ONCE).try_collect().await?;
        known.extend(sent);
        Ok(known)
    }

    async fn file(
        &self,
        path: &str,
        file: &FoundFile,
    ) -> Result<(FileHash, Variants), SiteAskError> {
        let mut variants = Variants::default();
        for (compression, packed) in self.squeezed(path, file).await? {
            let hash = digest(&packed)?;
            let bytes = packed.len() as u64;
            self.client.put(&SiteObject::File(hash.clone()), self.by, packed).await?;
            variants.put(compression, Variant { hash, bytes });
        }
        let object = SiteObject::File(file.hash.clone());
        let place = file.place.clone();
        let opened = tokio::task::spawn_blocking(move || File::open(place)).await;
        let opened = Arc::new(opened.map_err(std::io::Error::other)??);
        self.client.put_file(&object, self.by, opened, file.bytes).await?;
        // Last: it says that all of the file is there.
        let said = json(&variants)?;
        self.client.put(&SiteObject::Variants(file.hash.clone()), self.by, said).await?;
        Ok((file.hash.clone(), variants))
    }

    async fn squeezed(
        &self,
        path: &str,
        file: &FoundFile,
    ) -> Result<Vec<(Compression, Bytes)>, SiteAskError> {
        if !squeeze::is_worth_it(path, file.bytes) {
            return Ok(Vec::new());
        }
        let _permit = self.squeezing.acquire().await.map_err(std::io::Error::other)?;
        let place = file.place.clone();
        let squeezing = tokio::task::spawn_blocking(move || squeeze::squeeze(&place));
        Ok(squeezing.await.map_err(std::io::Error::other)??)
    }

    async fn manifest(
        &self,
        collected: &Collected,
        single_page: bool,
        variants: BTreeMap<FileHash, Variants>,
    ) -> Result<BuiltSite, SiteAskError> {
        let files = collected.files.iter().map(|(path, file)| {
            let variants = variants.get(&file.hash).cloned().unwrap_or_default();
            (path.clone(), SiteFile { hash: file.hash.clone(), bytes: file.bytes, variants })
        });
        let manifest = Manifest {
            format: MANIFEST_FORMAT,
            single_page,
            redirects: collected.redirects.clone(),
            headers: collected.headers.clone(),
            files: files.collect(),
        };
        manifest.check().map_err(|bad| SiteAskError::Server(bad.to_string()))?;
        let bytes = json(&manifest)?;
        if bytes.len() > limits::MOST_MANIFEST_BYTES {
            let most = limits::MOST_MANIFEST_BYTES >> 20;
            let why =
                format!("the list of its files has more than {most} MiB; shorten their paths");
            return Err(SiteAskError::Server(why));
        }
        let id = SiteId::new(digest(&bytes)?.as_str()).map_err(std::io::Error::other)?;
        self.client.put(&SiteObject::Manifest(id.clone()), self.by, bytes).await?;
        Ok(manifest.built(id))
    }
}

fn digest(bytes: &[u8]) -> Result<FileHash, SiteAskError> {
    let hash = FileHash::new(blake3::hash(bytes).to_hex().as_str());
    Ok(hash.map_err(std::io::Error::other)?)
}

fn json(what: &impl serde::Serialize) -> Result<Bytes, SiteAskError> {
    let bytes = serde_json::to_vec(what).map_err(std::io::Error::other)?;
    Ok(bytes.into())
}
