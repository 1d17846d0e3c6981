//! One BuildKit build: its request, its log, and how it ended.
//!
//! A build has succeeded only if the engine said so with an image id. A step that failed, an error
//! in the stream, a stream that just ends: each is a failed build.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bollard::ClientVersion;
use bollard::errors::Error as EngineError;
use bollard::models::{BuildInfo, BuildInfoAux};
use bollard::query_parameters::{BuildImageOptions, BuildImageOptionsBuilder, BuilderVersion};
use futures_util::{Stream, StreamExt};
use hythe_core::deployment::Fault;
use hythe_core::names::ImageId;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::context::Context;
use super::engine::{Engine, Lifeline};
use super::log::BuildLog;
use super::steps::Steps;

/// Why there is no image.
#[derive(Debug)]
pub(crate) enum NoImage {
    /// The build failed, for the person whose build it is.
    Failed(Fault),
    /// The engine went away or is broken; another try may do.
    Engine(String),
    /// It was cancelled.
    Cancelled,
}

/// What the engine is asked to build.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// The name of the image.
    pub(crate) name: &'a str,
    /// Its labels.
    pub(crate) labels: HashMap<String, String>,
}

/// Builds. When this returns or is dropped the engine has been told to end the build.
pub(crate) async fn build(
    engine: &Engine,
    version: &ClientVersion,
    request: Request<'_>,
    context: Context,
    log: &BuildLog,
    cancel: &CancellationToken,
) -> Result<ImageId, NoImage> {
    let (docker, lifeline) =
        engine.for_build(version).map_err(|error| NoImage::Engine(error.to_string()))?;
    let options = options(&request, &context.dockerfile);
    // The engine only hears that the upload broke; why it broke is known here.
    let broken = Arc::new(Mutex::new(None));
    let told = Arc::clone(&broken);
    let upload = futures_util::stream::unfold(context.stream(), |mut pieces| async {
        pieces.recv().await.map(|piece| (piece, pieces))
    })
    .inspect(move |piece: &io::Result<bytes::Bytes>| {
        if let Err(error) = piece {
            *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
        }
    });
    let mut answers = docker.build_image(options, None, Some(bollard::body_try_stream(upload)));
    let mut steps = Steps::default();
    let mut image = None;
    let error = loop {
        let answer = tokio::select! {
            answer = answers.next() => answer,
            () = cancel.cancelled() => {
                end(&lifeline, &mut answers).await;
                return Err(NoImage::Cancelled);
            }
        };
        match answer {
            Some(Ok(info)) => take(info, &mut steps, &mut image, log).await,
            Some(Err(error)) => break Some(error),
            None => break None,
        }
    };
    steps.finish(log).await;
    if let Some(why) = broken.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(NoImage::Failed(Fault::new(format!(
            "the files of the repository could not be sent to the engine: {why}"
        ))));
    }
    match (error, image) {
        (None, Some(image)) if !steps.failed() => Ok(image),
        (None, _) if steps.failed() => Err(NoImage::Failed(steps.fault(None))),
        (None, _) => Err(NoImage::Engine("it ended the build without an image".to_owned())),
        (Some(error), _) => Err(explain(&error, &steps)),
    }
}

/// Ends a build in order: its stream ends when its processes have. An engine that does not take
/// part has the connections cut instead, by whoever drops this.
async fn end(lifeline: &Lifeline, answers: &mut (impl Stream + Unpin)) {
    match lifeline.cancel().await {
        Ok(()) => while answers.next().await.is_some() {},
        Err(error) => tracing::warn!(%error, "a build is cut off"),
    }
}

fn options(request: &Request<'_>, dockerfile: &str) -> BuildImageOptions {
    let mut options = BuildImageOptionsBuilder::new()
        .dockerfile(dockerfile)
        .t(request.name)
        .version(BuilderVersion::BuilderBuildKit)
        .session(&Uuid::now_v7().to_string())
        .build();
    options.labels = Some(request.labels.clone());
    options
}

/// Takes in one message of the stream.
async fn take(info: BuildInfo, steps: &mut Steps, image: &mut Option<ImageId>, log: &BuildLog) {
    match info.aux {
        Some(BuildInfoAux::BuildKit(status)) => steps.take(status, log).await,
        Some(BuildInfoAux::Default(id)) => {
            *image = id.id.and_then(|id| ImageId::new(id).ok());
        }
        None => {}
    }
}

/// Tells a build that failed from an engine that did.
fn explain(error: &EngineError, steps: &Steps) -> NoImage {
    if let EngineError::DockerStreamError { error }
    | EngineError::DockerResponseServerError { status_code: 400..=499, message: error } = error
    {
        return NoImage::Failed(steps.fault(Some(error)));
    }
    // Every other error is the connection's or the engine's; a step that failed before counts.
    if steps.failed() {
        return NoImage::Failed(steps.fault(None));
    }
    NoImage::Engine(error.to_string())
}
