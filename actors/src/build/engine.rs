//! The engine as the builder sees it: which images there are, and connections that end when told.
//!
//! A build gets connections of its own instead of pooled ones. bollard leaves the session of a
//! BuildKit build open for as long as its task lives, which is for ever; and a cancelled build
//! must end now, not when a pool gets round to it. So each build holds a [`Lifeline`]: when it is
//! dropped, every connection of that build is cut, and the engine ends the build with it.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bollard::errors::Error as EngineError;
use bollard::query_parameters::{
    ListImagesOptionsBuilder, RemoveImageOptionsBuilder, TagImageOptionsBuilder,
};
use bollard::{BollardRequest, ClientVersion, Docker};
use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::http::HeaderValue;
use hyper::{Response, Uri};
use hyper_util::rt::TokioIo;
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::names::ImageId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};
use uuid::Uuid;

/// The app that an image belongs to.
pub(crate) const LABEL_APP: &str = "hythe.app";
/// The deployment that it was built for.
pub(crate) const LABEL_DEPLOYMENT: &str = "hythe.deployment";
/// The installation whose image it is.
pub(crate) const LABEL_INSTANCE: &str = "hythe.instance";
/// The commit that it was built from.
pub(crate) const LABEL_COMMIT: &str = "hythe.commit";
/// A digest of all that went into it.
pub(crate) const LABEL_SOURCE: &str = "hythe.source";

/// How long the engine may take to answer a question, in seconds.
const ANSWER_SECONDS: u64 = 30;
/// How long it may take to begin to answer a build: uploading included, so the deadline of the
/// build is what counts.
const BUILD_SECONDS: u64 = 4 * 60 * 60;

/// The engine.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    socket: Arc<Path>,
    docker: Docker,
}

/// An image that there is.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// Its id.
    pub(crate) id: ImageId,
    /// The TCP ports that it says it listens on, lowest first.
    pub(crate) ports: Vec<u16>,
}

/// One build's hold on the engine. Dropped, it cuts all connections of the build, and the engine
/// ends the build for that.
#[derive(Debug)]
pub(crate) struct Lifeline {
    socket: Arc<Path>,
    /// What the engine knows the build by.
    id: String,
    version: ClientVersion,
    #[expect(dead_code, reason = "held to be dropped")]
    cut: DropGuard,
}

impl Lifeline {
    /// Asks the engine to end the build; its stream ends once nothing of it runs any more.
    pub(crate) async fn cancel(&self) -> Result<(), EngineError> {
        let path = format!("/v{}/build/cancel?id={}", self.version, self.id);
        let body = Either::Left(Full::new(Bytes::new()));
        let request = hyper::Request::post(path).body(body)?;
        let uncut = CancellationToken::new();
        let answer = own_connection(Arc::clone(&self.socket), uncut, None, request).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let message = "it did not cancel the build".to_owned();
        Err(EngineError::DockerResponseServerError { status_code: status.as_u16(), message })
    }
}

impl Engine {
    /// Prepares connections to the engine behind a Unix socket; it need not answer yet.
    pub(crate) fn at(socket: &Path) -> Result<Self, EngineError> {
        let socket: Arc<Path> = socket.into();
        let version = bollard::API_DEFAULT_VERSION;
        let uncut = CancellationToken::new();
        let docker = client(&socket, &uncut, None, ANSWER_SECONDS, version)?;
        Ok(Self { socket, docker })
    }

    /// Agrees on a version of the API; as good a question as any to find out whether it answers.
    pub(crate) async fn greet(&self) -> Result<ClientVersion, EngineError> {
        let docker = self.docker.clone().negotiate_version().await?;
        Ok(docker.client_version())
    }

    /// A client for one build.
    pub(crate) fn for_build(
        &self,
        version: &ClientVersion,
    ) -> Result<(Docker, Lifeline), EngineError> {
        let token = CancellationToken::new();
        let id = Uuid::now_v7().to_string();
        let docker = client(&self.socket, &token, Some(id.clone()), BUILD_SECONDS, version)?;
        let socket = Arc::clone(&self.socket);
        let lifeline = Lifeline { socket, id, version: *version, cut: token.drop_guard() };
        Ok((docker, lifeline))
    }

    /// The images of an app by the digest of what went into them.
    pub(crate) async fn images_of(
        &self,
        instance: &str,
        app: AppId,
    ) -> Result<HashMap<String, ImageId>, EngineError> {
        let labels = vec![format!("{LABEL_APP}={app}"), format!("{LABEL_INSTANCE}={instance}")];
        let filters = HashMap::from([("label", labels)]);
        let options = ListImagesOptionsBuilder::new().filters(&filters).build();
        let images = self.docker.list_images(Some(options)).await?;
        let by_source = images.into_iter().filter_map(|image| {
            Some((image.labels.get(LABEL_SOURCE)?.clone(), ImageId::new(image.id).ok()?))
        });
        Ok(by_source.collect())
    }

    /// Looks at an image by its name; `None` where there is none.
    pub(crate) async fn image(&self, name: &str) -> Result<Option<Image>, EngineError> {
        let found = match self.docker.inspect_image(name).await {
            Ok(found) => found,
            Err(EngineError::DockerResponseServerError { status_code: 404, .. }) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let Some(id) = found.id.and_then(|id| ImageId::new(id).ok()) else { return Ok(None) };
        let exposed = found.config.and_then(|config| config.exposed_ports).unwrap_or_default();
        let mut ports: Vec<u16> = exposed.iter().filter_map(|port| tcp(port)).collect();
        ports.sort_unstable();
        Ok(Some(Image { id, ports }))
    }

    /// Gives an image a further name.
    pub(crate) async fn tag(
        &self,
        image: &ImageId,
        app: AppId,
        deployment: DeploymentId,
    ) -> Result<(), EngineError> {
        let options = TagImageOptionsBuilder::new()
            .repo(&repository(app))
            .tag(&deployment.to_string())
            .build();
        self.docker.tag_image(image.as_str(), Some(options)).await
    }

    /// Takes the name of a deployment off its image, and the image with it where nothing else
    /// needs it. Nothing there is as good.
    pub(crate) async fn untag(&self, app: AppId, deployment: DeploymentId) {
        let options = RemoveImageOptionsBuilder::new().build();
        let gone = self.docker.remove_image(&name(app, deployment), Some(options), None).await;
        if let Err(error) = gone {
            tracing::debug!(%deployment, %error, "no image to take away");
        }
    }
}

/// The repository of an app's images.
fn repository(app: AppId) -> String {
    format!("hythe/{app}")
}

/// The name of a deployment's image.
pub(crate) fn name(app: AppId, deployment: DeploymentId) -> String {
    format!("{}:{deployment}", repository(app))
}

/// `8080/tcp`, or `8080`.
fn tcp(port: &str) -> Option<u16> {
    let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    if protocol == "tcp" { number.parse().ok() } else { None }
}

/// A client whose connections are all its own, and end with the token.
fn client(
    socket: &Arc<Path>,
    cut: &CancellationToken,
    build: Option<String>,
    seconds: u64,
    version: &ClientVersion,
) -> Result<Docker, EngineError> {
    let (socket, cut) = (Arc::clone(socket), cut.clone());
    let transport = move |request: BollardRequest| {
        own_connection(Arc::clone(&socket), cut.clone(), build.clone(), request)
    };
    Docker::connect_with_custom_transport(transport, Some("http://engine"), seconds, version)
}

/// Makes a connection, asks on it, and leaves it to a task that ends with the build.
async fn own_connection(
    socket: Arc<Path>,
    cut: CancellationToken,
    build: Option<String>,
    request: BollardRequest,
) -> Result<Response<Incoming>, EngineError> {
    let stream = UnixStream::connect(&socket).await?;
    let io = Cuttable { stream, cut: Box::pin(cut.cancelled_owned()) };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(io)).await?;
    tokio::spawn(async move {
        // An end by force is what the cut is for; others are seen by whoever reads the answer.
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a build's connection to the engine ended");
        }
    });
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    // bollard has no way to say what a build is to be cancelled by.
    let path = match build {
        Some(id) if parts.uri.path().ends_with("/build") => format!("{path}&buildid={id}"),
        Some(_) | None => path.to_owned(),
    };
    parts.uri = path.parse::<Uri>().map_err(io::Error::other)?;
    parts.headers.insert(HOST, HeaderValue::from_static("engine"));
    Ok(sender.send_request(BollardRequest::from_parts(parts, body)).await?)
}

/// A connection that fails from a certain moment on, also while it is waited for.
struct Cuttable {
    stream: UnixStream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Cuttable {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.cut.poll_unpin(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Cuttable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Cuttable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
