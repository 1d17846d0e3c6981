//! Files copied out of an image: by way of a container of it that is never started.

use std::path::Path;

use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder,
    RemoveContainerOptionsBuilder,
};
use futures_util::StreamExt as _;
use hythe_store::steps::Step;
use tokio::io::AsyncWriteExt as _;

use super::engine::Engine;

/// Why nothing came out of an image.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    /// There is no such folder in it.
    #[error("there is no such folder")]
    NotThere,
    /// It has more bytes than it may.
    #[error("it is too large")]
    TooLarge,
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] Error),
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] std::io::Error),
}

impl Engine {
    /// Writes an archive of a folder of an image into a file, of at most so many bytes. The container that it
    /// takes has this name and stays, for whoever asked to remove; one of before is removed.
    pub(super) async fn copied_out(
        &self,
        image: &str,
        name: &str,
        from: &str,
        (into, most): (&Path, u64),
    ) -> Result<(), CopyError> {
        self.gone(name).await?;
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            // An image of files alone names nothing to run, and nothing is run.
            cmd: Some(vec!["none".to_owned()]),
            network_disabled: Some(true),
            host_config: Some(HostConfig {
                network_mode: Some("none".to_owned()),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        #[expect(clippy::disallowed_methods, reason = "with its step")]
        let made = self.docker().create_container(Some(options), body);
        Step::SiteContainerMade.take(made).await?;
        self.archived(name, from, into, most).await
    }

    async fn archived(
        &self,
        name: &str,
        from: &str,
        into: &Path,
        most: u64,
    ) -> Result<(), CopyError> {
        let mut file = tokio::fs::File::create(into).await?;
        let options = DownloadFromContainerOptionsBuilder::new().path(from).build();
        let mut pieces = std::pin::pin!(self.docker().download_from_container(name, Some(options)));
        let mut bytes = 0_u64;
        while let Some(piece) = pieces.next().await {
            let piece = match piece {
                Ok(piece) => piece,
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => {
                    return Err(CopyError::NotThere);
                }
                Err(error) => return Err(error.into()),
            };
            bytes = bytes.saturating_add(piece.len() as u64);
            if bytes > most {
                return Err(CopyError::TooLarge);
            }
            file.write_all(&piece).await?;
        }
        file.flush().await?;
        Ok(())
    }

    /// Removes that container, and what the engine made for it alone; none there is as good.
    pub(super) async fn gone(&self, name: &str) -> Result<(), Error> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        #[expect(clippy::disallowed_methods, reason = "with its step")]
        let removed = self.docker().remove_container(name, Some(options)).await;
        match removed {
            Ok(()) => Step::SiteContainerRemoved.passed(),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
