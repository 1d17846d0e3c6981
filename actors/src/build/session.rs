//! What BuildKit may ask us during a build, over the session that belongs to it: files, secrets
//! and logins to registries.
//!
//! It asks for the Dockerfile and the context by name, takes what it needs, and leaves the rest.
//! Nothing outside of the [`Context`] can be asked for, and no value that the app does not let its
//! build read.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bollard::fsutil::types::Packet;
use bollard::health::health_server::{Health, HealthServer};
use bollard::health::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
    health_check_response::ServingStatus,
};
use bollard::moby::buildkit::secrets::v1::secrets_server::SecretsServer;
use bollard::moby::filesync::v1::auth_server::AuthServer;
use bollard::moby::filesync::v1::file_sync_server::{FileSync, FileSyncServer};
use futures_util::{Stream, stream};
use hyper::server::conn::http2;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioExecutor;
use hyper_util::service::TowerToHyperService;
use tokio::sync::mpsc;
use tonic::metadata::MetadataMap;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

use super::context::{Context, folders_above};
use super::registries::Logins;
use super::secrets::Secrets;
use super::transfer::{self, PACKETS, TransferError};

/// What BuildKit is told that it may call.
pub(crate) const METHODS: [&str; 4] = [
    "/moby.filesync.v1.FileSync/DiffCopy",
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    "/moby.filesync.v1.Auth/Credentials",
    "/grpc.health.v1.Health/Check",
];
/// The names of the folders that a Dockerfile's build has.
const CONTEXT: &str = "context";
const DOCKERFILE: &str = "dockerfile";
/// A name that is asked for by itself, before the rest.
const IGNORE: &str = ".dockerignore";
/// The most names that one request may list.
const MOST_NAMES: usize = 10_000;

/// The files of one build, to be asked for.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    context: Arc<Context>,
    /// Why a file could not be sent. The engine only hears that it broke off.
    broken: Arc<Mutex<Option<String>>>,
}

impl Files {
    pub(crate) fn of(context: Context) -> Self {
        Self { context: Arc::new(context), broken: Arc::default() }
    }

    /// The path of the Dockerfile.
    pub(crate) fn dockerfile(&self) -> &str {
        &self.context.dockerfile
    }

    /// Why a file could not be sent, where one could not.
    pub(crate) fn broken(&self) -> Option<String> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Answers for as long as the connection is there.
    pub(crate) async fn serve(self, secrets: Secrets, logins: Logins, connection: Upgraded) {
        let routes = Routes::new(HealthServer::new(Alive))
            .add_service(FileSyncServer::new(self))
            .add_service(SecretsServer::new(secrets))
            .add_service(AuthServer::new(logins));
        let serving = http2::Builder::new(TokioExecutor::new())
            .serve_connection(connection, TowerToHyperService::new(routes.prepare()));
        // An end by force is what the cut is for.
        if let Err(error) = serving.await {
            tracing::debug!(%error, "a build's session ended");
        }
    }

    /// The places of the items that a request is about.
    fn chosen(&self, asked: &Asked) -> Option<Vec<usize>> {
        // A Dockerfile from elsewhere is no part of the context, and the context none of its folder.
        let elsewhere = self.context.items.iter().any(|item| item.beside);
        let beside = elsewhere && asked.folder == DOCKERFILE;
        let all = self.context.items.iter().enumerate().filter(|(_, item)| item.beside == beside);
        let named = |path: &str| {
            asked
                .names
                .iter()
                .any(|name| name == path || folders_above(name).any(|folder| folder == path))
        };
        let only_named = match asked.folder.as_str() {
            DOCKERFILE => true,
            CONTEXT => !asked.names.is_empty() && asked.names.iter().all(|name| name == IGNORE),
            _ => return None,
        };
        Some(all.filter(|(_, item)| !only_named || named(&item.path)).map(|(at, _)| at).collect())
    }
}

/// What a request is about.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    folder: String,
    /// Paths that are asked for; none means everything.
    names: Vec<String>,
}

impl Asked {
    fn read(metadata: &MetadataMap) -> Result<Self, Status> {
        let texts = |key: &str| -> Result<Vec<String>, Status> {
            let values = metadata.get_all(key).iter().take(MOST_NAMES + 1);
            let texts: Result<Vec<String>, _> =
                values.map(|value| value.to_str().map(str::to_owned)).collect();
            let texts = texts.map_err(|_| Status::invalid_argument(format!("{key}: not text")))?;
            if texts.len() > MOST_NAMES {
                return Err(Status::invalid_argument(format!("{key}: too many")));
            }
            Ok(texts)
        };
        let folder = texts("dir-name")?
            .into_iter()
            .next()
            .ok_or_else(|| Status::invalid_argument("dir-name is missing"))?;
        let mut names = texts("followpaths")?;
        names.extend(texts("include-patterns")?);
        Ok(Self { folder, names })
    }
}

type Packets = Pin<Box<dyn Stream<Item = Result<Packet, Status>> + Send>>;

#[tonic::async_trait]
impl FileSync for Files {
    type DiffCopyStream = Packets;
    type TarStreamStream = Packets;

    async fn diff_copy(
        &self,
        request: Request<Streaming<Packet>>,
    ) -> Result<Response<Packets>, Status> {
        let asked = Asked::read(request.metadata())?;
        let chosen = self
            .chosen(&asked)
            .ok_or_else(|| Status::not_found(format!("there is no folder {}", asked.folder)))?;
        let (packets, mut sent) = mpsc::channel(PACKETS);
        let (context, broken) = (Arc::clone(&self.context), Arc::clone(&self.broken));
        tokio::spawn(async move {
            let sending =
                transfer::send(context, chosen, request.into_inner(), packets.clone()).await;
            let Err(error) = sending else { return };
            if let TransferError::File { .. } = &error {
                let mut broken = broken.lock().unwrap_or_else(PoisonError::into_inner);
                *broken = Some(error.to_string());
            }
            // Nobody listens where the build was cut off; that is the end as well.
            let _gone = packets.send(Err(Status::aborted(error.to_string()))).await;
        });
        Ok(Response::new(Box::pin(stream::poll_fn(move |context| sent.poll_recv(context)))))
    }

    async fn tar_stream(
        &self,
        _request: Request<Streaming<Packet>>,
    ) -> Result<Response<Packets>, Status> {
        Err(Status::unimplemented("files are sent one by one"))
    }
}

/// BuildKit asks now and then whether the session is still there.
#[derive(Debug)]
struct Alive;

#[tonic::async_trait]
impl Health for Alive {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(
        &self,
        _request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
    }

    async fn list(
        &self,
        _request: Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        Err(Status::unimplemented("ask for the one that there is"))
    }

    async fn watch(
        &self,
        _request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("ask again instead"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::context::{Item, Kind};
    use super::*;

    fn files(paths: &[&str]) -> Files {
        let items = paths
            .iter()
            .map(|path| match path.strip_prefix('+') {
                Some(path) => Item { path: path.to_owned(), kind: Kind::Folder, beside: true },
                None => Item { path: (*path).to_owned(), kind: Kind::Folder, beside: false },
            })
            .collect();
        Files::of(Context { items, time: 0, dockerfile: "docker/File".to_owned() })
    }

    #[test]
    fn each_request_gets_what_it_is_about() {
        let files = files(&[".dockerignore", "a", "docker", "docker/File", "docker/other"]);
        let all = Some(vec![0, 1, 2, 3, 4]);
        type Row = (&'static str, &'static [&'static str], Option<Vec<usize>>);
        let rows: [Row; 7] = [
            ("context", &[], all.clone()),
            ("context", &["a"], all),
            ("context", &[".dockerignore"], Some(vec![0])),
            ("dockerfile", &["docker/File", "docker/File.dockerignore"], Some(vec![2, 3])),
            ("dockerfile", &[], Some(vec![])),
            ("dockerfile", &["../../etc/passwd"], Some(vec![])),
            ("home", &[], None),
        ];
        for (folder, names, expected) in rows {
            let names = names.iter().map(ToString::to_string).collect();
            let asked = Asked { folder: folder.to_owned(), names };
            assert_eq!(files.chosen(&asked), expected, "{asked:?}");
        }
    }

    #[test]
    fn a_dockerfile_from_elsewhere_is_no_part_of_the_context() {
        let files = files(&["a", "docker/File", "+docker/File", "+docker/File.dockerignore"]);
        let of = |folder: &str, names: &[&str]| {
            let names = names.iter().map(ToString::to_string).collect();
            files.chosen(&Asked { folder: folder.to_owned(), names })
        };
        assert_eq!(of("context", &[]), Some(vec![0, 1]));
        assert_eq!(of("dockerfile", &["docker/File", "a"]), Some(vec![2]));
    }

    #[test]
    fn a_request_is_read_from_its_metadata() {
        let mut metadata = MetadataMap::new();
        assert!(Asked::read(&metadata).is_err());
        metadata.insert("dir-name", "context".parse().unwrap());
        metadata.append("followpaths", "a".parse().unwrap());
        metadata.append("followpaths", "b".parse().unwrap());
        let names = vec!["a".to_owned(), "b".to_owned()];
        let asked = Asked { folder: "context".to_owned(), names };
        assert_eq!(Asked::read(&metadata).unwrap(), asked);
    }
}
