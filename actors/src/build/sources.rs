//! Sources that are no repository: what somebody sent, and images of registries.
//!
//! An upload is fetched only where no image was made of it in the same way before. An image is fixed to
//! the digest that its name stands for now, then a build that adds nothing but labels gives it a name
//! of ours: so it is pulled with the logins, within the limits and the time, and cancelled and cleaned
//! up, as whatever else is built. The registry is asked by the engine, which reaches what its machine
//! reaches, as it does for the images that a Dockerfile begins with; what is no registry's address at
//! all, [`ImageRef`] does not take.

use bollard::errors::Error as EngineError;
use hythe_core::names::CommitId;
use hythe_core::source::{ImageRef, UploadDigest};
use hythe_store::steps::Step;
use tokio::time::Instant;

use super::buildkit::NoImage;
use super::context::Context;
use super::upload::Fetch;
use super::work::{Found, Tree, Work, failed, shown};
use crate::uploads::unpack::{Bounds, UnpackError, unpack};

/// The time of an upload's files: not before this, in seconds since the Unix epoch. Some programs
/// refuse times before 1980.
const FROM: u64 = 1_000_000_000;
/// And not much later: in the past for every machine.
const SPAN: u64 = 500_000_000;
/// Words by which registries say that there is no such image.
const ABSENT: [&str; 5] =
    ["manifest unknown", "name unknown", "unknown to registry", "does not exist", "http 404"];

impl Work<'_> {
    /// Fetches and unpacks an upload, unless an image that was made of it will do.
    pub(super) async fn upload_source(
        &self,
        upload: &UploadDigest,
        version: CommitId,
    ) -> Result<Found, NoImage> {
        let (engine, images) = self.engine().await?;
        if let Some(built) = self.reuse(&images, version.clone()).await? {
            return Ok(Found::Earlier(built));
        }
        self.doing("fetching the upload");
        self.log.say(format!("fetching upload {}", upload.short())).await;
        let begun = Instant::now();
        let scratch = self.folder("source").await?;
        let (archive, folder) = (scratch.join("archive"), scratch.join("tree"));
        let client = self.builder.reporter.jetstream.client();
        let installation = self.builder.settings.installation;
        let fetch = Fetch { client: &client, installation, upload, log: self.log };
        let fetched = tokio::select! {
            fetched = fetch.into(&archive) => fetched,
            () = self.cancel.cancelled() => return Err(NoImage::Cancelled),
        };
        let bytes = fetched.map_err(failed)?;

        self.doing("unpacking the upload");
        let (cancel, into) = (self.cancel.clone(), folder.clone());
        let unpacking = tokio::task::spawn_blocking(move || {
            let no_room = |error| UnpackError::Folder { path: "the upload".to_owned(), error };
            std::fs::create_dir(&into).map_err(no_room)?;
            let file = std::fs::File::open(&archive).map_err(no_room)?;
            let unpacked = unpack(file, &into, Bounds::default(), &cancel)?;
            std::fs::remove_file(&archive).map_err(no_room)?;
            Ok(unpacked)
        });
        let unpacked = match unpacking.await.map_err(failed)? {
            Ok(unpacked) => unpacked,
            Err(UnpackError::Cancelled) => return Err(NoImage::Cancelled),
            Err(error) => return Err(failed(format!("the upload cannot be used: {error}"))),
        };
        Step::SourceFetched.passed();
        let text = format!(
            "fetched upload {} in {}: {bytes} bytes, {} files and folders",
            upload.short(),
            shown(begun.elapsed()),
            unpacked.entries
        );
        self.log.say(text).await;
        Ok(Found::Fetched(engine, Tree { folder, time: time_of(&version), version }))
    }

    /// Finds out what an image's name stands for, and how to pull that, unless it was pulled before.
    pub(super) async fn image_source(&self, image: &ImageRef) -> Result<Found, NoImage> {
        let (engine, images) = self.engine().await?;
        let digest = match image.digest() {
            Some(digest) => digest,
            None => self.digest_now(image).await?,
        };
        if let Some(built) = self.reuse(&images, digest.clone()).await? {
            return Ok(Found::Earlier(built));
        }
        let context = Context::of_dockerfile(&format!("FROM {}\n", image.exactly(&digest)));
        Ok(Found::Image(engine, digest, context))
    }

    /// The digest that an image's name stands for now.
    async fn digest_now(&self, image: &ImageRef) -> Result<CommitId, NoImage> {
        self.doing("asking the registry for the image");
        self.log.say(format!("asking the registry for {image}")).await;
        let login = image.registry().and_then(|host| self.opened.logins.of(&host));
        let asked = tokio::select! {
            asked = self.builder.engine.digest_of(image.as_str(), login) => asked,
            () = self.cancel.cancelled() => return Err(NoImage::Cancelled),
        };
        let said = match asked {
            Ok(said) => said.unwrap_or_default(),
            Err(EngineError::DockerResponseServerError { status_code, message }) => {
                return Err(failed(self.refused(image, status_code, &message)));
            }
            // The engine answered a moment ago: it waits for the registry itself.
            Err(EngineError::RequestTimeoutError) => {
                return Err(failed(self.refused(image, 504, "it did not answer in time")));
            }
            Err(error) => return Err(NoImage::Engine(error.to_string())),
        };
        let digits = said.strip_prefix("sha256:").filter(|digits| digits.len() == 64);
        let digest = digits.and_then(|digits| CommitId::new(digits).ok());
        let digest = digest.ok_or_else(|| {
            failed(format!("the registry gives {image} a digest that nobody knows: {said:.80}"))
        })?;
        self.log.say(format!("{image} is sha256:{digest}")).await;
        Ok(digest)
    }

    /// Why a registry does not give out an image, and what to do.
    fn refused(&self, image: &ImageRef, status: u16, said: &str) -> String {
        let host = image.registry().map_or_else(String::new, |host| host.to_string());
        let lower = said.to_lowercase();
        let absent = ABSENT.iter().any(|words| lower.contains(words));
        // Registries answer so for what there is not, too, so as not to tell.
        let denied = matches!(status, 401 | 403).then(|| format!("{status} {said}"));
        let advice = self.opened.logins.advice(image.as_str(), denied.as_deref().unwrap_or(said));
        match advice {
            Some(advice) => {
                format!("the image {image} cannot be had: {said}; check its name, and {advice}")
            }
            None if absent || status == 404 => {
                format!("there is no image {image} at {host}: {said}; check its name and tag")
            }
            None => format!(
                "the registry {host} could not be asked for {image}: {said}; check the name, and \
                 whether the worker's machine reaches it (the engine speaks https to registries that \
                 are not on its own machine)"
            ),
        }
    }
}

/// A time for an upload's files: the same for the same upload, and another one for another. Servers make
/// ETags of time and length, and would call a changed file unchanged.
fn time_of(version: &CommitId) -> u64 {
    let digits = version.as_str().get(..8).unwrap_or_default();
    FROM + u64::from_str_radix(digits, 16).unwrap_or_default() % SPAN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_an_upload_bear_a_time_of_their_own() {
        let time = |digit: &str| time_of(&CommitId::new(digit.repeat(64)).unwrap());
        assert_eq!(time("0"), FROM);
        assert_ne!(time("a"), time("b"));
        assert!(time("f") < FROM + SPAN);
    }
}
