//! The engine as the builder sees it: which images there are, and connections that end when told.
//!
//! A build gets connections of its own instead of pooled ones: a cancelled build must end now, not
//! when a pool gets round to it. So each build holds a [`Lifeline`]: when it is dropped, every
//! connection of that build is cut, and the engine ends the build with it. The build is asked for
//! by hand rather than through bollard, whose session has no files: without them the engine takes
//! a tar, unpacks it, and copies what it unpacked once more.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::errors::Error as EngineError;
use bollard::models::ErrorResponse;
use bollard::query_parameters::{
    ListImagesOptionsBuilder, RemoveImageOptionsBuilder, TagImageOptionsBuilder,
};
use bollard::{BollardRequest, ClientVersion, Docker};
use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST, UPGRADE};
use hyper::http::HeaderValue;
use hyper::upgrade::Upgraded;
use hyper::{Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use hythe_core::declared::Declared;
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::names::ImageId;
use hythe_core::time::Millis;
use hythe_core::wire::storage::ImageName;
use hythe_store::steps::Step;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};
use url::form_urlencoded;
use uuid::Uuid;

use crate::docker::image_check;
use crate::docker::images::{image_name, repository};

/// The app that an image belongs to.
pub(crate) const LABEL_APP: &str = "hythe.app";
/// The deployment that it was built for.
pub(crate) const LABEL_DEPLOYMENT: &str = "hythe.deployment";
/// The installation whose image it is.
pub(crate) const LABEL_INSTANCE: &str = "hythe.instance";
/// The commit that it was built from.
pub(crate) const LABEL_COMMIT: &str = "hythe.commit";
/// What its repository says of processes, as JSON.
pub(crate) const LABEL_DECLARED: &str = "hythe.processes";
/// A digest of all that went into it.
pub(crate) const LABEL_SOURCE: &str = "hythe.source";

/// What the engine calls the name of a network's bridge.
const BRIDGE_NAME: &str = "com.docker.network.bridge.name";
/// How long the engine may take to answer a question, in seconds.
const ANSWER_SECONDS: u64 = 30;
/// The most bytes of an answer that is an error.
const MOST_ERROR_BYTES: usize = 64 * 1024;
/// The most bytes of what it says about its cache.
const MOST_LIST_BYTES: usize = 64 * 1024 * 1024;
/// What this program calls itself in a build's session.
const SESSION_NAME: &str = "hythe";

/// The engine.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    socket: Arc<Path>,
    docker: Docker,
    /// What it said that it speaks when a version of its API was agreed on.
    agreed: Arc<Mutex<Option<String>>>,
}

/// An image that there is.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// Its id.
    pub(crate) id: ImageId,
    /// The TCP ports that it says it listens on, lowest first.
    pub(crate) ports: Vec<u16>,
    /// The folders that it wants to keep data in (`VOLUME`), in order.
    pub(crate) volumes: Vec<String>,
    /// How long failures of its own health check are not to count, where it has one.
    pub(crate) start_period: Option<Millis>,
    /// What the repository that it was built from says runs besides.
    pub(crate) declared: Declared,
}

/// One build's hold on the engine. Dropped, it cuts all connections of the build, and the engine
/// ends the build for that.
#[derive(Debug)]
pub(crate) struct Lifeline {
    socket: Arc<Path>,
    /// What the engine knows the build and its session by.
    id: String,
    version: ClientVersion,
    token: CancellationToken,
    #[expect(dead_code, reason = "held to be dropped")]
    cut: DropGuard,
}

impl Lifeline {
    /// Opens the session of the build: the engine will call `methods` over it.
    pub(crate) async fn session(&self, methods: &[&'static str]) -> Result<Upgraded, EngineError> {
        let mut request = self
            .post("session")
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "h2c")
            .header("X-Docker-Expose-Session-Uuid", &self.id)
            .header("X-Docker-Expose-Session-Name", SESSION_NAME)
            // Files are kept for whoever comes with the same key; each build brings its own.
            .header("X-Docker-Expose-Session-Sharedkey", &self.id);
        for method in methods {
            request = request.header("X-Docker-Expose-Session-Grpc-Method", *method);
        }
        let answer = self.ask(request).await?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(refusal(answer).await);
        }
        Ok(hyper::upgrade::on(answer).await?)
    }

    /// Has the engine build what the session offers, by these parameters of its API.
    pub(crate) async fn build(
        &self,
        parameters: &[(&str, &str)],
    ) -> Result<Response<Incoming>, EngineError> {
        let path = "build?".to_owned();
        let own = [
            ("version", "2"),
            ("remote", "client-session"),
            ("session", self.id.as_str()),
            ("buildid", self.id.as_str()),
        ];
        let before = path.len();
        let path = form_urlencoded::Serializer::for_suffix(path, before)
            .extend_pairs(own)
            .extend_pairs(parameters)
            .finish();
        let answer = self.ask(self.post(&path)).await?;
        if answer.status().is_success() { Ok(answer) } else { Err(refusal(answer).await) }
    }

    /// The engine's whole build cache, in its own form.
    pub(crate) async fn cache(&self) -> Result<Vec<u8>, EngineError> {
        let path = format!("/v{}/system/df?type=build-cache&verbose=1", self.version);
        self.answer(hyper::Request::get(path)).await
    }

    /// Has the engine let go of records of its build cache, by its filter on their ids.
    pub(crate) async fn prune(&self, filters: &str) -> Result<Vec<u8>, EngineError> {
        let mut path = "build/prune?".to_owned();
        let before = path.len();
        path = form_urlencoded::Serializer::for_suffix(path, before)
            .extend_pairs([("all", "1"), ("filters", filters)])
            .finish();
        self.answer(self.post(&path)).await
    }

    async fn answer(&self, request: hyper::http::request::Builder) -> Result<Vec<u8>, EngineError> {
        let answer = self.ask(request).await?;
        if !answer.status().is_success() {
            return Err(refusal(answer).await);
        }
        let body = Limited::new(answer.into_body(), MOST_LIST_BYTES).collect().await;
        Ok(body.map_err(io::Error::other)?.to_bytes().into())
    }

    /// Asks the engine to end the build; its stream ends once nothing of it runs any more.
    pub(crate) async fn cancel(&self) -> Result<(), EngineError> {
        let answer = self.ask(self.post(&format!("build/cancel?id={}", self.id))).await?;
        if answer.status().is_success() { Ok(()) } else { Err(refusal(answer).await) }
    }

    fn post(&self, path: &str) -> hyper::http::request::Builder {
        hyper::Request::post(format!("/v{}/{path}", self.version))
    }

    async fn ask(
        &self,
        request: hyper::http::request::Builder,
    ) -> Result<Response<Incoming>, EngineError> {
        let request = request.body(Either::Left(Full::new(Bytes::new())))?;
        own_connection(Arc::clone(&self.socket), self.token.clone(), request).await
    }
}

/// What the engine says instead of doing what it was asked.
async fn refusal(answer: Response<Incoming>) -> EngineError {
    let status_code = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), MOST_ERROR_BYTES).collect().await;
    let text = body.map(|body| body.to_bytes()).unwrap_or_default();
    let said = serde_json::from_slice::<ErrorResponse>(&text).map(|error| error.message);
    let message = said.unwrap_or_else(|_| String::from_utf8_lossy(&text).into_owned());
    EngineError::DockerResponseServerError { status_code, message }
}

impl Engine {
    /// Prepares connections to the engine behind a Unix socket; it need not answer yet.
    pub(crate) fn at(socket: &Path) -> Result<Self, EngineError> {
        let socket: Arc<Path> = socket.into();
        let version = bollard::API_DEFAULT_VERSION;
        let uncut = CancellationToken::new();
        let docker = client(&socket, &uncut, version)?;
        Ok(Self { socket, docker, agreed: Arc::default() })
    }

    /// The client that all but builds share.
    pub(super) const fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Agrees on a version of the API; as good a question as any to find out whether it answers.
    pub(crate) async fn greet(&self) -> Result<ClientVersion, EngineError> {
        let speaks = self.speaks().await?;
        let known = self.agreed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if speaks.is_some() && speaks == known {
            return Ok(self.docker.client_version());
        }
        let docker = self.docker.clone().negotiate_version().await?;
        *self.agreed.lock().unwrap_or_else(PoisonError::into_inner) = speaks;
        Ok(docker.client_version())
    }

    /// The newest version of its API, where it says so with a sign of life. To say all of its versions an engine
    /// starts other programs, which each build would wait for.
    async fn speaks(&self) -> Result<Option<String>, EngineError> {
        let request = hyper::Request::get("/_ping").body(Either::Left(Full::new(Bytes::new())))?;
        let asked = own_connection(Arc::clone(&self.socket), CancellationToken::new(), request);
        let answer = tokio::time::timeout(Duration::from_secs(ANSWER_SECONDS), asked)
            .await
            .map_err(|_late| EngineError::RequestTimeoutError)??;
        if !answer.status().is_success() {
            return Err(refusal(answer).await);
        }
        let version = answer.headers().get("api-version").and_then(|text| text.to_str().ok());
        Ok(version.map(str::to_owned))
    }

    /// Where it keeps its images.
    pub(crate) async fn folder(&self) -> Result<Option<String>, EngineError> {
        Ok(self.docker.info().await?.docker_root_dir)
    }

    /// The bridge that builds run on.
    pub(crate) async fn bridge(&self) -> Result<String, EngineError> {
        let network = self.docker.inspect_network("bridge", None).await?;
        let name = network.options.and_then(|mut options| options.remove(BRIDGE_NAME));
        Ok(name.unwrap_or_else(|| "docker0".to_owned()))
    }

    /// A hold for one build.
    pub(crate) fn for_build(&self, version: &ClientVersion) -> Lifeline {
        let token = CancellationToken::new();
        Lifeline {
            socket: Arc::clone(&self.socket),
            id: Uuid::now_v7().to_string(),
            version: *version,
            token: token.clone(),
            cut: token.drop_guard(),
        }
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
        let mut by_source: HashMap<String, (i64, ImageId)> = HashMap::new();
        for image in images {
            let Some(source) = image.labels.get(LABEL_SOURCE) else { continue };
            let Ok(id) = ImageId::new(image.id) else { continue };
            // The newest: an older one was built anew because something is wrong with it.
            let known = by_source.get(source).map(|(made, _)| *made);
            if known.is_none_or(|made| made < image.created) {
                by_source.insert(source.clone(), (image.created, id));
            }
        }
        Ok(by_source.into_iter().map(|(source, (_, id))| (source, id)).collect())
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
        let mut config = found.config.unwrap_or_default();
        let exposed = config.exposed_ports.take().unwrap_or_default();
        let mut ports: Vec<u16> = exposed.iter().filter_map(|port| tcp(port)).collect();
        ports.sort_unstable();
        let mut volumes = config.volumes.take().unwrap_or_default();
        volumes.sort_unstable();
        let declared = config.labels.as_mut().and_then(|labels| labels.remove(LABEL_DECLARED));
        let declared =
            declared.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let start_period = image_check::check(config).and_then(|check| check.pace.start_period);
        Ok(Some(Image { id, ports, volumes, start_period, declared }))
    }

    /// What an image's name stands for now, by what its registry says: the digest.
    pub(crate) async fn digest_of(
        &self,
        image: &str,
        login: Option<DockerCredentials>,
    ) -> Result<Option<String>, EngineError> {
        let found = self.docker.inspect_registry_image(image, login).await?;
        Ok(found.descriptor.digest)
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
        #[expect(clippy::disallowed_methods, reason = "with its step")]
        let tagged = self.docker.tag_image(image.as_str(), Some(options));
        Step::ImageTagged.take(tagged).await
    }

    /// Takes the name of a deployment off its image, and the image with it where nothing else
    /// needs it. Nothing there is as good.
    pub(crate) async fn untag(&self, app: AppId, deployment: DeploymentId) {
        let options = RemoveImageOptionsBuilder::new().build();
        let name = image_name(ImageName { app, deployment });
        #[expect(clippy::disallowed_methods, reason = "with its step")]
        let gone = self.docker.remove_image(&name, Some(options), None);
        if let Err(error) = gone.await {
            tracing::debug!(%deployment, %error, "no image to take away");
        }
        Step::ImageUntagged.passed();
    }
}

/// `8080/tcp`, or `8080`. Nothing answers on port 0, which engines let an image name: that says as little as
/// no port.
fn tcp(port: &str) -> Option<u16> {
    let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    if protocol == "tcp" { number.parse().ok().filter(|port| *port != 0) } else { None }
}

/// A client whose connections are all its own, and end with the token.
fn client(
    socket: &Arc<Path>,
    cut: &CancellationToken,
    version: &ClientVersion,
) -> Result<Docker, EngineError> {
    let (socket, cut) = (Arc::clone(socket), cut.clone());
    let transport =
        move |request: BollardRequest| own_connection(Arc::clone(&socket), cut.clone(), request);
    Docker::connect_with_custom_transport(transport, Some("http://engine"), ANSWER_SECONDS, version)
}

/// Makes a connection, asks on it, and leaves it to a task that ends with the build.
async fn own_connection(
    socket: Arc<Path>,
    cut: CancellationToken,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ports_that_something_can_answer_on_are_taken_from_an_image() {
        for (said, port) in [
            ("8080/tcp", Some(8080)),
            ("8080", Some(8080)),
            ("53/udp", None),
            ("0/tcp", None),
            ("0", None),
            ("70000/tcp", None),
        ] {
            assert_eq!(tcp(said), port, "{said}");
        }
    }
}
