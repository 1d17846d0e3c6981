//! The images that Hythe built: which there are, and letting go of their names.
//!
//! Invariants: only images that bear the installation's label are looked at, and only names of our
//! own form are taken away; nothing is forced, so that what a container uses stays.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder,
};
use hythe_core::ids::{AppId, InstallationId};
use hythe_core::names::ImageId;
use hythe_core::wire::storage::{DiskRoom, ImageName, MOST_IMAGES, StoredImage};
use hythe_store::steps::Step;

use super::labels::INSTANCE;
use super::{Engine, EngineError};

/// What stands before the app in the name of an image.
const PREFIX: &str = "hythe/";

/// The repository of an app's images, as the engine has it.
#[must_use]
pub fn repository(app: AppId) -> String {
    format!("{PREFIX}{app}")
}

/// The name of a deployment's image, as the engine has it.
#[must_use]
pub fn image_name(name: ImageName) -> String {
    format!("{}:{}", repository(name.app), name.deployment)
}

/// A name that is ours, read back.
fn parse(name: &str) -> Option<ImageName> {
    let (app, deployment) = name.strip_prefix(PREFIX)?.split_once(':')?;
    Some(ImageName { app: app.parse().ok()?, deployment: deployment.parse().ok()? })
}

impl Engine {
    /// The images that an installation built; some of them where there are very many.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn stored_images(
        &self,
        installation: InstallationId,
    ) -> Result<Vec<StoredImage>, EngineError> {
        let docker = self.docker().await?;
        // All containers, also strangers': an image that anybody uses stays.
        let every = ListContainersOptionsBuilder::default().all(true).build();
        let containers = docker.list_containers(Some(every)).await;
        let used: BTreeSet<String> = containers
            .map_err(|error| self.fault(&error))?
            .into_iter()
            .filter_map(|container| container.image_id)
            .collect();
        let filters =
            HashMap::from([("label".to_owned(), vec![format!("{INSTANCE}={installation}")])]);
        let options = ListImagesOptionsBuilder::default().filters(&filters).build();
        let images = docker.list_images(Some(options)).await.map_err(|error| self.fault(&error))?;
        let stored = images.into_iter().filter_map(|image| {
            Some(StoredImage {
                used: used.contains(&image.id),
                id: ImageId::new(image.id).ok()?,
                names: image.repo_tags.iter().filter_map(|name| parse(name)).collect(),
                bytes: u64::try_from(image.size).unwrap_or(0),
            })
        });
        Ok(stored.filter(|image| !image.names.is_empty()).take(MOST_IMAGES).collect())
    }

    /// Takes a name off an image, and the image away with its last name. One that is not there is
    /// as good.
    ///
    /// # Errors
    /// Where a container uses it, or what else the engine says.
    pub async fn remove_image(&self, name: ImageName) -> Result<(), EngineError> {
        let docker = self.docker().await?;
        let options = RemoveImageOptionsBuilder::default().build();
        let text = image_name(name);
        #[expect(clippy::disallowed_methods, reason = "with its step")]
        let removed = docker.remove_image(&text, Some(options), None).await;
        match removed.map_err(|error| self.fault(&error)) {
            Ok(_) | Err(EngineError::NotFound { .. }) => {
                Step::ImageUntagged.passed();
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The room on the disk where the engine keeps images; none where that cannot be seen from
    /// here.
    pub async fn disk_room(&self) -> Option<DiskRoom> {
        let info = self.docker().await.ok()?.info().await.ok()?;
        let folder = info.docker_root_dir?;
        let room = tokio::task::spawn_blocking(move || room_of(Path::new(&folder)));
        room.await.ok()?.ok()
    }
}

/// The room on the disk where a folder lies.
///
/// # Errors
/// Where the folder cannot be looked at from here.
pub(crate) fn room_of(folder: &Path) -> std::io::Result<DiskRoom> {
    let found = rustix::fs::statvfs(folder)?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Ok(DiskRoom { whole: bytes(found.f_blocks), free: bytes(found.f_bavail) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_and_strangers_names_do_not() {
        let uuid = |n| uuid::Uuid::from_u128(n);
        let name = ImageName {
            app: hythe_core::ids::AppId::new(uuid(1)),
            deployment: hythe_core::ids::DeploymentId::new(uuid(2)),
        };
        assert_eq!(parse(&image_name(name)), Some(name));
        for strange in ["", "hythe/", "hythe/a:b", "busybox:latest", "<none>:<none>"] {
            assert_eq!(parse(strange), None, "{strange}");
        }
        let other = image_name(name).replace("hythe/", "theirs/");
        assert_eq!(parse(&other), None);
    }
}
