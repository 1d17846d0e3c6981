//! The NATS server as a container of the official image, where there is no program.
//!
//! It lies in a network of its own, so that no app and no build reaches it, and its port is open
//! on the host's loopback only. It bears the installation's label but no worker's: to an agent it
//! is none of its own. It is known by name; what it was made from stands in a label.

use std::collections::HashMap;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, NetworkCreateRequest, PortBinding,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, InspectContainerOptions,
    KillContainerOptions, LogsOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
    StopContainerOptionsBuilder, WaitContainerOptions,
};
use futures_util::{StreamExt, TryStreamExt};
use tokio::time::{sleep, timeout};

use super::NatsError;
use super::config::{self, CONTAINER_CONFIG, CONTAINER_PORT, CONTAINER_STORE, Settings};
use crate::up::error::UpError;
use crate::up::launch::Fingerprint;
use crate::up::layout::DataDir;
use crate::up::logs;
use crate::up::part::PartName;

/// The official image; of a version that has everything Hythe uses.
const IMAGE: &str = "nats:2.12";
/// Where the engine listens unless told otherwise.
const USUAL_HOST: &str = "unix:///var/run/docker.sock";
/// Labels: whose it is, which part, and what it was made from.
const INSTANCE: &str = "hythe.instance";
const PART: &str = "hythe.part";
const FINGERPRINT: &str = "hythe.fingerprint";
/// How long an engine may take to say that it is there.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long the image may take to come.
const PULL_WITHIN: Duration = Duration::from_secs(300);
/// Lines of its log that are kept when it has ended.
const LAST_WORDS: &str = "100";
/// From SIGTERM to SIGKILL, in seconds.
const STOP_SECONDS: i32 = 3;
/// Between two questions to an engine that is away.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Reaches the engine.
///
/// # Errors
/// Why not, in words.
pub(super) async fn connect(host: Option<&str>) -> Result<Docker, String> {
    let host = host
        .map(str::to_owned)
        .or_else(|| std::env::var("DOCKER_HOST").ok())
        .unwrap_or_else(|| USUAL_HOST.to_owned());
    let connected = async {
        let docker = Docker::connect_with_host(&host)?;
        docker.ping().await?;
        docker.negotiate_version().await
    };
    match timeout(ANSWER_WITHIN, connected).await {
        Ok(Ok(docker)) => Ok(docker),
        Ok(Err(error)) => Err(format!("{host}: {error}")),
        Err(_) => Err(format!("{host}: it does not answer")),
    }
}

/// What the container is made from.
#[derive(Clone)]
pub struct ContainerPlan {
    docker: Docker,
    name: String,
    image: String,
    body: ContainerCreateBody,
    fingerprint: String,
    labels: HashMap<String, String>,
    log: PathBuf,
}

impl fmt::Debug for ContainerPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContainerPlan({} from {})", self.name, self.image)
    }
}

impl ContainerPlan {
    pub(super) fn new(
        docker: Docker,
        dir: &DataDir,
        settings: &Settings,
        file: &Path,
        image: Option<&str>,
    ) -> Result<Self, UpError> {
        let instance = dir.instance()?.to_string();
        let name = format!("hythe-nats-{instance}");
        let image = image.unwrap_or(IMAGE).to_owned();
        let labels =
            HashMap::from([(INSTANCE.to_owned(), instance), (PART.to_owned(), "nats".to_owned())]);
        let store = config::store_folder(dir);
        let host = HostConfig {
            binds: Some(vec![
                format!("{}:{CONTAINER_CONFIG}:ro", file.display()),
                format!("{}:{CONTAINER_STORE}", store.display()),
            ]),
            port_bindings: Some(HashMap::from([(
                format!("{CONTAINER_PORT}/tcp"),
                Some(vec![PortBinding {
                    host_ip: Some("127.0.0.1".into()),
                    host_port: Some(settings.port.to_string()),
                }]),
            )])),
            network_mode: Some(name.clone()),
            cap_drop: Some(vec!["ALL".into()]),
            // The files belong to whoever runs Hythe and are closed to others.
            cap_add: Some(vec!["DAC_OVERRIDE".into()]),
            security_opt: Some(vec!["no-new-privileges".into()]),
            readonly_rootfs: Some(true),
            pids_limit: Some(512),
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".into()),
                config: Some(HashMap::from([
                    ("max-size".into(), "16m".into()),
                    ("max-file".into(), "2".into()),
                ])),
            }),
            ..HostConfig::default()
        };
        let fingerprint = Fingerprint::default()
            .text(&image)
            .text(config::read(file)?)
            .text(settings.port.to_le_bytes())
            // By way of a value: there, unlike in a hash map, keys have an order.
            .text(serde_json::json!(host).to_string())
            .finish();
        let mut all = labels.clone();
        all.insert(FINGERPRINT.to_owned(), fingerprint.clone());
        let body = ContainerCreateBody {
            image: Some(image.clone()),
            cmd: Some(vec!["--config".into(), CONTAINER_CONFIG.into()]),
            user: Some("0:0".into()),
            exposed_ports: Some(vec![format!("{CONTAINER_PORT}/tcp")]),
            labels: Some(all),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        };
        let log = dir.log_file(PartName::Nats);
        Ok(Self { docker, name, image, body, fingerprint, labels, log })
    }

    /// Makes it anew and starts it: what it keeps lies outside.
    pub(in crate::up) async fn start(&self) -> Result<Container, NatsError> {
        self.have_image().await?;
        self.remove().await?;
        self.have_network().await?;
        let options = CreateContainerOptionsBuilder::new().name(&self.name).build();
        let failed = |what| move |e: Error| NatsError::Engine { what, why: e.to_string() };
        self.docker
            .create_container(Some(options), self.body.clone())
            .await
            .map_err(failed("make the container of the NATS server"))?;
        let container = self.container();
        container
            .docker
            .start_container(&self.name, None::<StartContainerOptions>)
            .await
            .map_err(failed("start the container of the NATS server"))?;
        Ok(container)
    }

    /// The one that runs, and whether it is what would be made now.
    pub(in crate::up) async fn find(&self) -> Result<Option<(Container, bool)>, NatsError> {
        let found = match self
            .docker
            .inspect_container(&self.name, None::<InspectContainerOptions>)
            .await
        {
            Ok(found) => found,
            Err(error) if status(&error) == Some(404) => return Ok(None),
            Err(error) => {
                return Err(NatsError::Engine {
                    what: "look for the container of the NATS server",
                    why: error.to_string(),
                });
            }
        };
        if !found.state.and_then(|state| state.running).unwrap_or(false) {
            return Ok(None);
        }
        let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
        let same = labels.get(FINGERPRINT) == Some(&self.fingerprint);
        Ok(Some((self.container(), same)))
    }

    async fn have_image(&self) -> Result<(), NatsError> {
        if self.docker.inspect_image(&self.image).await.is_ok() {
            return Ok(());
        }
        let failed = |why: String| NatsError::NoImage { image: self.image.clone(), why };
        let options = CreateImageOptionsBuilder::new().from_image(&self.image).build();
        let pulled = self.docker.create_image(Some(options), None, None);
        match timeout(PULL_WITHIN, pulled.try_for_each(|_| std::future::ready(Ok(())))).await {
            Ok(pulled) => pulled.map_err(|e| failed(e.to_string())),
            Err(_) => Err(failed(format!("not there after {} s", PULL_WITHIN.as_secs()))),
        }
    }

    async fn have_network(&self) -> Result<(), NatsError> {
        let wanted = NetworkCreateRequest {
            name: self.name.clone(),
            driver: Some("bridge".into()),
            labels: Some(self.labels.clone()),
            ..NetworkCreateRequest::default()
        };
        match self.docker.create_network(wanted).await {
            Err(error) if status(&error) != Some(409) => Err(NatsError::Engine {
                what: "make the network of the NATS server",
                why: error.to_string(),
            }),
            _ => Ok(()),
        }
    }

    async fn remove(&self) -> Result<(), NatsError> {
        self.container().remove().await
    }

    fn container(&self) -> Container {
        let (docker, name) = (self.docker.clone(), self.name.clone());
        Container { docker, name, log: self.log.clone() }
    }
}

/// A container that runs.
#[derive(Clone)]
pub(in crate::up) struct Container {
    docker: Docker,
    name: String,
    /// Where its last words go, since they would be removed with it.
    log: PathBuf,
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Container({})", self.name)
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "container {}", self.name)
    }
}

impl Container {
    /// Waits for its end, also across a restart of the engine, and says how it came. Then it is
    /// removed with its network: nothing is left behind.
    pub(in crate::up) async fn ended(&mut self) -> String {
        let how = loop {
            let mut waited =
                Box::pin(self.docker.wait_container(&self.name, None::<WaitContainerOptions>));
            match waited.next().await {
                Some(Ok(answer)) => break format!("exit code {}", answer.status_code),
                Some(Err(Error::DockerContainerWaitError { code, .. })) => {
                    break format!("exit code {code}");
                }
                Some(Err(error)) if status(&error) == Some(404) => break "it was removed".into(),
                // The engine itself is away: the container may well go on.
                Some(Err(_)) | None => sleep(ASK_AGAIN).await,
            }
        };
        self.keep_last_words().await;
        match self.remove().await {
            Ok(()) => how,
            Err(error) => format!("{how}; {error}"),
        }
    }

    async fn keep_last_words(&self) {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(LAST_WORDS).build();
        let words = self.docker.logs(&self.name, Some(options));
        let words: Vec<_> = words.filter_map(async |word| word.ok()).collect().await;
        // They only help to find out; the container is just as gone without them.
        if let Ok(mut file) = logs::open(&self.log) {
            words.into_iter().try_for_each(|word| file.write_all(&word.into_bytes())).ok();
        }
    }

    pub(in crate::up) async fn stop(&self) -> Result<(), NatsError> {
        let options = StopContainerOptionsBuilder::new().t(STOP_SECONDS).build();
        let stopped = self.docker.stop_container(&self.name, Some(options)).await;
        tolerate_gone("stop the container of the NATS server", stopped)
    }

    pub(in crate::up) async fn kill(&self) -> Result<(), NatsError> {
        let killed = self.docker.kill_container(&self.name, None::<KillContainerOptions>).await;
        tolerate_gone("kill the container of the NATS server", killed)
    }

    async fn remove(&self) -> Result<(), NatsError> {
        let options = RemoveContainerOptionsBuilder::new().force(true).build();
        let removed = self.docker.remove_container(&self.name, Some(options)).await;
        tolerate_gone("remove the container of the NATS server", removed)?;
        let removed = self.docker.remove_network(&self.name).await;
        tolerate_gone("remove the network of the NATS server", removed)
    }
}

fn tolerate_gone(what: &'static str, result: Result<(), Error>) -> Result<(), NatsError> {
    match result {
        Err(error) if !matches!(status(&error), Some(304 | 404 | 409)) => {
            Err(NatsError::Engine { what, why: error.to_string() })
        }
        _ => Ok(()),
    }
}

fn status(error: &Error) -> Option<u16> {
    if let Error::DockerResponseServerError { status_code, .. } = error {
        Some(*status_code)
    } else {
        None
    }
}
