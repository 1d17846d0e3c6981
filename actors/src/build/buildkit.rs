//! One BuildKit build: its request, its log, and how it ended.
//!
//! A build has succeeded only if the engine said so with an image id. A step that failed, an error
//! in the stream, a stream that just ends: each is a failed build.

use std::collections::{BTreeMap, HashMap};
use std::future::ready;
use std::io;

use bollard::ClientVersion;
use bollard::errors::Error as EngineError;
use bollard::models::{BuildInfo, BuildInfoAux, ErrorDetail};
use futures_util::{Stream, StreamExt, TryStreamExt};
use http_body_util::BodyExt;
use hythe_core::deployment::Fault;
use hythe_core::names::ImageId;
use hythe_store::steps::Step;
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};
use tokio_util::io::StreamReader;
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::engine::{Engine, Lifeline};
use super::log::BuildLog;
use super::registries::Logins;
use super::secrets::Secrets;
use super::session::{Files, METHODS};
use super::steps::Steps;

/// The most bytes of one message of the engine.
const MOST_ANSWER_BYTES: usize = 4 * 1024 * 1024;

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
    /// The stage that becomes the image.
    pub(crate) target: Option<&'a str>,
    /// Build arguments.
    pub(crate) args: BTreeMap<&'a str, &'a str>,
    /// Nothing of earlier builds is used.
    pub(crate) no_cache: bool,
    /// What the build may read.
    pub(crate) secrets: Secrets,
    /// The registries that it may log in to.
    pub(crate) logins: Logins,
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
    let lifeline = engine.for_build(version);
    let files = Files::of(context);
    let began = tokio::select! {
        began = begin(&lifeline, &request, &files) => began,
        () = cancel.cancelled() => return Err(NoImage::Cancelled),
    };
    let mut steps = Steps::default();
    let mut image = None;
    let error = match began {
        Err(error) => Some(error),
        Ok(mut answers) => loop {
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
        },
    };
    steps.finish(log).await;
    if let Some(why) = files.broken() {
        return Err(NoImage::Failed(Fault::new(format!(
            "the files of the repository could not be sent to the engine: {why}"
        ))));
    }
    match (error, image) {
        (None, Some(image)) if !steps.failed() => {
            Step::ImageBuilt.passed();
            Ok(image)
        }
        (None, _) if steps.failed() => Err(failed(&steps, None, &request.logins)),
        (None, _) => Err(NoImage::Engine("it ended the build without an image".to_owned())),
        (Some(error), _) => Err(explain(&error, &steps, &request.logins, log)),
    }
}

/// Opens the session and asks for the build; answers with what the engine says of it.
async fn begin(
    lifeline: &Lifeline,
    request: &Request<'_>,
    files: &Files,
) -> Result<impl Stream<Item = Result<BuildInfo, EngineError>> + Unpin + use<>, EngineError> {
    let session = lifeline.session(&METHODS).await?;
    let (secrets, logins) = (request.secrets.clone(), request.logins.clone());
    tokio::spawn(files.clone().serve(secrets, logins, session));
    let labels = serde_json::to_string(&request.labels)?;
    let args = serde_json::to_string(&request.args)?;
    let mut parameters = vec![
        ("t", request.name),
        ("dockerfile", files.dockerfile()),
        ("labels", labels.as_str()),
        ("buildargs", args.as_str()),
    ];
    parameters.extend(request.target.map(|target| ("target", target)));
    if request.no_cache {
        parameters.push(("nocache", "1"));
    }
    let answer = lifeline.build(&parameters).await?;
    let bytes = StreamReader::new(answer.into_data_stream().map_err(io::Error::other));
    let lines = FramedRead::new(bytes, LinesCodec::new_with_max_length(MOST_ANSWER_BYTES));
    Ok(lines.filter_map(|line| ready(read(line))).boxed())
}

/// One line of what the engine says; `None` where it says nothing.
fn read(line: Result<String, LinesCodecError>) -> Option<Result<BuildInfo, EngineError>> {
    let line = match line {
        Ok(line) if line.trim().is_empty() => return None,
        Ok(line) => line,
        Err(LinesCodecError::Io(error)) => return Some(Err(error.into())),
        Err(error @ LinesCodecError::MaxLineLengthExceeded) => {
            return Some(Err(io::Error::other(error).into()));
        }
    };
    Some(match serde_json::from_str::<BuildInfo>(&line) {
        Ok(BuildInfo { error_detail: Some(ErrorDetail { message: Some(error), .. }), .. }) => {
            Err(EngineError::DockerStreamError { error })
        }
        Ok(info) => Ok(info),
        Err(error) => Err(error.into()),
    })
}

/// Ends a build in order: its stream ends when its processes have. An engine that does not take
/// part has the connections cut instead, by whoever drops this.
async fn end(lifeline: &Lifeline, answers: &mut (impl Stream + Unpin)) {
    match lifeline.cancel().await {
        Ok(()) => while answers.next().await.is_some() {},
        Err(error) => tracing::warn!(%error, "a build is cut off"),
    }
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
fn explain(error: &EngineError, steps: &Steps, logins: &Logins, log: &BuildLog) -> NoImage {
    if let EngineError::DockerStreamError { error }
    | EngineError::DockerResponseServerError { status_code: 400..=499, message: error } = error
    {
        return failed(steps, Some(&log.masked(error)), logins);
    }
    // Every other error is the connection's or the engine's; a step that failed before counts.
    if steps.failed() {
        return failed(steps, None, logins);
    }
    NoImage::Engine(error.to_string())
}

/// A build that failed, and what to do where that is known.
fn failed(steps: &Steps, error: Option<&str>, logins: &Logins) -> NoImage {
    let mut fault = steps.fault(error);
    let base = steps.base_image();
    if let Some(advice) = base.and_then(|(image, error)| logins.advice(image, error)) {
        fault.message = format!("{}; {advice}", fault.message);
    }
    NoImage::Failed(fault.bounded())
}
