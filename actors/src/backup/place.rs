//! Places for backups: a folder, or an object store that speaks S3.
//!
//! Writes are whole or not there; in a folder they are on the disk before they count. Credentials
//! come from this process's environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
//! `AWS_SESSION_TOKEN`, or what the machine's role gives), never from a URL or an event.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use hythe_core::installation::{BackupPlace, Location};
use hythe_core::time::Timestamp;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{
    BackoffConfig, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutPayload,
    RetryConfig,
};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use super::connector::Rustls;
use super::names;

/// Bytes of one part of an upload: S3 wants five MiB or more of all but the last.
pub(crate) const PART_BYTES: usize = 8 * 1024 * 1024;
/// How long a failing request is tried again before it has failed.
const RETRY_WITHIN: Duration = Duration::from_secs(30);
const MOST_RETRIES: usize = 4;
/// Objects looked at in one place.
const MOST_LISTED: usize = 100_000;

/// Why a place cannot be used. Every message completes "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The folder is not there.
    #[error(
        "use {place}: there is no such folder; make it first, and mount its disk where it has one \
         of its own"
    )]
    NoFolder {
        /// The place.
        place: BackupPlace,
    },
    /// The object store, or the disk, refused.
    #[error("{doing} {place}: {why}")]
    Refused {
        /// What was being done.
        doing: &'static str,
        /// The place.
        place: BackupPlace,
        /// What was said.
        why: String,
    },
    /// What was to be sent broke off.
    #[error("write to {place}: {source}")]
    Broken {
        /// The place.
        place: BackupPlace,
        /// Why.
        source: io::Error,
    },
}

/// An open place.
#[derive(Clone, Debug)]
pub struct Place {
    place: BackupPlace,
    store: Arc<dyn ObjectStore>,
    prefix: Key,
    /// Whether it is a folder of this server's own, which no disk of its own is mounted at.
    own: bool,
}

/// Something that lies there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its name, below the place.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

impl Place {
    /// Opens a place. Nothing is asked of an object store yet.
    ///
    /// # Errors
    /// [`PlaceError::NoFolder`], or what is wrong with the settings in the environment.
    pub fn open(place: &BackupPlace) -> Result<Self, PlaceError> {
        let refused = |error: object_store::Error| refused("use", place, &error);
        let (store, prefix): (Arc<dyn ObjectStore>, Key) = match place.location() {
            Location::Folder(folder) => {
                check_there(place)?;
                let store = LocalFileSystem::new_with_prefix(folder).map_err(refused)?;
                (Arc::new(store.with_fsync(true)), Key::default())
            }
            Location::Bucket { bucket, prefix, endpoint, region } => {
                let retry = RetryConfig {
                    backoff: BackoffConfig::default(),
                    max_retries: MOST_RETRIES,
                    retry_timeout: RETRY_WITHIN,
                };
                let mut builder = AmazonS3Builder::from_env()
                    .with_http_connector(Rustls)
                    .with_bucket_name(bucket)
                    .with_retry(retry);
                if let Some(region) = region {
                    builder = builder.with_region(region);
                }
                if let Some(endpoint) = endpoint {
                    builder = builder
                        .with_endpoint(endpoint.trim_end_matches('/'))
                        .with_virtual_hosted_style_request(false)
                        .with_allow_http(endpoint.starts_with("http://"));
                }
                (Arc::new(builder.build().map_err(refused)?), Key::from(prefix))
            }
        };
        Ok(Self { place: place.clone(), store, prefix, own: false })
    }

    /// A folder of this server's own, which is there.
    pub(crate) fn in_folder(folder: &Path) -> Result<Self, PlaceError> {
        let unfit = |why: String| PlaceError::Broken {
            place: BackupPlace::nowhere(),
            source: io::Error::other(why),
        };
        let text = format!("file://{}", folder.display());
        // It may be called what no setting can say; then errors do not name it.
        let place = BackupPlace::new(text).unwrap_or_else(|_| BackupPlace::nowhere());
        let store = LocalFileSystem::new_with_prefix(folder).map_err(|e| unfit(e.to_string()))?;
        Ok(Self {
            place,
            store: Arc::new(store.with_fsync(true)),
            prefix: Key::default(),
            own: true,
        })
    }

    /// The same place, one folder further down.
    #[must_use]
    pub fn below(&self, folder: &str) -> Self {
        Self { prefix: self.key(folder), ..self.clone() }
    }

    /// The place, as it is called in settings.
    pub(crate) const fn shown(&self) -> &BackupPlace {
        &self.place
    }

    fn check_there(&self) -> Result<(), PlaceError> {
        if self.own { Ok(()) } else { check_there(&self.place) }
    }

    fn key(&self, name: &str) -> Key {
        name.split('/').fold(self.prefix.clone(), |key, part| key.join(part))
    }

    fn refused(&self, doing: &'static str) -> impl Fn(object_store::Error) -> PlaceError {
        let place = self.place.clone();
        move |error| refused(doing, &place, &error)
    }

    /// Some bytes of an object, and how many it has; none where it is not there.
    pub(crate) async fn read(
        &self,
        name: &str,
        range: std::ops::Range<u64>,
    ) -> Result<Option<(Bytes, u64)>, PlaceError> {
        let key = self.key(name);
        let Some(total) = self.size(name).await? else { return Ok(None) };
        let range = range.start.min(total)..range.end.min(total);
        if range.is_empty() {
            return Ok(Some((Bytes::new(), total)));
        }
        match self.store.get_range(&key, range).await {
            Ok(bytes) => Ok(Some((bytes, total))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(refused("read from", &self.place, &error)),
        }
    }

    /// How many bytes an object has; none where it is not there.
    pub(crate) async fn size(&self, name: &str) -> Result<Option<u64>, PlaceError> {
        Ok(self.size_and_age(name).await?.map(|(bytes, _)| bytes))
    }

    /// How many bytes an object has, and when it was written; none where it is not there.
    pub(crate) async fn size_and_age(
        &self,
        name: &str,
    ) -> Result<Option<(u64, Timestamp)>, PlaceError> {
        match self.store.head(&self.key(name)).await {
            Ok(meta) => Ok(Some((meta.size, written(&meta)))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(refused("look at", &self.place, &error)),
        }
    }

    /// What `wanted` makes of the names that lie there and when each was written, up to so many.
    pub(crate) async fn each<T>(
        &self,
        most: usize,
        wanted: impl Fn((String, Timestamp)) -> Option<T>,
    ) -> Result<Vec<T>, PlaceError> {
        let mut found = Vec::new();
        let mut listed = self.store.list(Some(&self.prefix));
        while let Some(meta) = listed.next().await {
            let meta = meta.map_err(self.refused("list"))?;
            let Some(parts) = meta.location.prefix_match(&self.prefix) else { continue };
            let name: Vec<String> = parts.map(|part| part.as_ref().to_owned()).collect();
            found.extend(wanted((name.join("/"), written(&meta))));
            if found.len() >= most {
                break;
            }
        }
        Ok(found)
    }

    /// What lies there, in no order; folders below it included, with `/` in their names.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub async fn list(&self) -> Result<Vec<Object>, PlaceError> {
        self.check_there()?;
        let prefix = Some(&self.prefix).filter(|prefix| !prefix.as_ref().is_empty());
        let found: Vec<_> = self
            .store
            .list(prefix)
            .take(MOST_LISTED)
            .try_collect()
            .await
            .map_err(self.refused("list"))?;
        let name = |key: &Key| {
            let parts: Option<Vec<_>> = key
                .prefix_match(&self.prefix)
                .map(|parts| parts.map(|part| part.as_ref().to_owned()).collect());
            parts.map(|parts| parts.join("/"))
        };
        let objects = found
            .into_iter()
            .filter_map(|meta| Some(Object { name: name(&meta.location)?, bytes: meta.size }));
        Ok(objects.collect())
    }

    /// It is not what was looked for.
    pub(super) fn unfit(&self, why: &str) -> PlaceError {
        let place = self.place.clone();
        PlaceError::Refused { doing: "find a backup in", place, why: why.into() }
    }

    /// The name of the newest backup that lies there.
    ///
    /// # Errors
    /// See [`PlaceError`]; there is none, or of several installations.
    pub async fn newest(&self) -> Result<String, PlaceError> {
        let names: Vec<String> = self.list().await?.into_iter().map(|object| object.name).collect();
        let newest = names::newest(&names).cloned();
        newest.map_err(|why| self.unfit(&why))
    }

    /// Writes a small object whole.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub async fn put(&self, name: &str, bytes: Bytes) -> Result<(), PlaceError> {
        self.check_there()?;
        let put = self.store.put(&self.key(name), PutPayload::from(bytes)).await;
        put.map(drop).map_err(self.refused("write to"))
    }

    /// Writes what comes, chunk by chunk (each of eight MiB, only the last one smaller). Nothing
    /// is there before all of it is. Says how many bytes that were.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub async fn put_stream(
        &self,
        name: &str,
        chunks: &mut mpsc::Receiver<io::Result<Bytes>>,
    ) -> Result<u64, PlaceError> {
        let broken = |source| PlaceError::Broken { place: self.place.clone(), source };
        let first = chunks.recv().await.transpose().map_err(broken)?.unwrap_or_default();
        let second = chunks.recv().await.transpose().map_err(broken)?;
        let mut bytes = first.len() as u64;
        let Some(mut chunk) = second else {
            self.put(name, first).await?;
            return self.check(name, bytes).await;
        };
        self.check_there()?;
        let key = self.key(name);
        let mut upload = self.store.put_multipart(&key).await.map_err(self.refused("write to"))?;
        let sent = async {
            upload.put_part(first.into()).await.map_err(self.refused("write to"))?;
            loop {
                bytes += chunk.len() as u64;
                upload.put_part(chunk.into()).await.map_err(self.refused("write to"))?;
                match chunks.recv().await.transpose().map_err(broken)? {
                    Some(next) => chunk = next,
                    None => return Ok(()),
                }
            }
        };
        let sent = match sent.await {
            Ok(()) => upload.complete().await.map(drop).map_err(self.refused("write to")),
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            abandon(&mut *upload).await;
            return Err(error);
        }
        self.check(name, bytes).await
    }

    /// It is there, and as long as what was sent.
    async fn check(&self, name: &str, bytes: u64) -> Result<u64, PlaceError> {
        let there = self.store.head(&self.key(name)).await.map_err(self.refused("look at"))?.size;
        if there == bytes {
            return Ok(bytes);
        }
        Err(PlaceError::Refused {
            doing: "write to",
            place: self.place.clone(),
            why: format!("{bytes} bytes were sent and {there} are there"),
        })
    }

    /// Reads an object into a file that only its owner reads.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub async fn fetch(&self, name: &str, to: &Path) -> Result<(), PlaceError> {
        let broken = |source| PlaceError::Broken { place: self.place.clone(), source };
        let got = self.store.get(&self.key(name)).await.map_err(self.refused("read from"))?;
        let mut options = tokio::fs::OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(to).await.map_err(broken)?;
        let mut chunks = got.into_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(self.refused("read from"))?;
            file.write_all(&chunk).await.map_err(broken)?;
        }
        file.flush().await.map_err(broken)
    }

    /// Removes an object; one that is gone already is no error.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub async fn remove(&self, name: &str) -> Result<(), PlaceError> {
        match self.store.delete(&self.key(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(refused("remove from", &self.place, &error)),
        }
    }
}

/// A folder that went away is not made anew: it is the mount point of a disk that is gone, and what
/// is written there lies on the very disk that it should be a copy of.
fn check_there(place: &BackupPlace) -> Result<(), PlaceError> {
    match place.location() {
        Location::Folder(folder) if !Path::new(folder).is_dir() => {
            Err(PlaceError::NoFolder { place: place.clone() })
        }
        Location::Folder(_) | Location::Bucket { .. } => Ok(()),
    }
}

fn written(meta: &ObjectMeta) -> Timestamp {
    Timestamp(u64::try_from(meta.last_modified.timestamp_millis()).unwrap_or_default())
}

async fn abandon(upload: &mut dyn MultipartUpload) {
    if let Err(error) = upload.abort().await {
        tracing::warn!(%error, "an upload that failed could not be taken back");
    }
}

/// What was said, down to the cause: the outer layers only name the request.
fn refused(doing: &'static str, place: &BackupPlace, error: &object_store::Error) -> PlaceError {
    let mut why = error.to_string();
    let mut inner: &dyn std::error::Error = error;
    while let Some(cause) = inner.source() {
        inner = cause;
        let said = inner.to_string();
        if !why.contains(&said) {
            why = format!("{why}: {said}");
        }
    }
    if why.contains("MissingCredentials") || why.contains("169.254.169.254") {
        why = "there are no credentials: start the server with AWS_ACCESS_KEY_ID and \
               AWS_SECRET_ACCESS_KEY in its environment"
            .into();
    }
    PlaceError::Refused { doing, place: place.clone(), why }
}
