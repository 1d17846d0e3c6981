//! Containers of commands that are run once: as hardened and limited as a replica's, without its
//! name on the network, and gone after the end.
//!
//! Invariant: only what bears our labels and that of a run is looked at, ended or removed.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, ContainerStateStatusEnum as Status, ContainerSummary,
    ContainerSummaryStateEnum as Listed, EndpointSettings, HealthConfig, HostConfigLogConfig,
    NetworkingConfig,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, KillContainerOptionsBuilder, ListContainersOptionsBuilder,
    RemoveContainerOptionsBuilder, ResizeContainerTTYOptionsBuilder, StopContainerOptionsBuilder,
};
use hythe_core::ids::{AppId, RunId};
use hythe_core::one_off::OneOffEnd;
use hythe_core::time::{Millis, Timestamp};
use hythe_core::wire::run::{RunOpening, Signal, TerminalSize};
use hythe_store::steps::Step;

use super::container::hardened;
use super::labels::{self, Owner};
use super::logs::parse_time;
use super::{Engine, EngineError, within};

/// How large the log of a detached command grows: of more, the end is kept.
const LOG_FILE_SIZE: &str = "16m";
/// How long a stop may take beyond the time that the command has for it.
const STOP_SLACK: Duration = Duration::from_secs(30);
/// One thousandth of a CPU, as the engine counts.
const NANO_CPUS_PER_MILLI: i64 = 1_000_000;

/// A container of a run, as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OneOffSeen {
    pub(crate) id: String,
    pub(crate) run: RunId,
    pub(crate) app: AppId,
    pub(crate) detached: bool,
    /// Whether it was ever started.
    pub(crate) started: bool,
    /// When it is to end, whatever it does.
    pub(crate) until: Timestamp,
    /// From SIGTERM to SIGKILL.
    pub(crate) stop_within: Millis,
    /// How and when it ended, where it did.
    pub(crate) ended: Option<(OneOffEnd, Timestamp)>,
}

fn name(run: RunId) -> String {
    format!("hythe-run-{run}")
}

impl Engine {
    /// Makes the container of a run on its app's network, and that where it is missing. Returns its id. Does
    /// not start it.
    pub(crate) async fn make_one_off(
        &self,
        owner: &Owner,
        opening: &RunOpening,
        until: Timestamp,
        command: Vec<String>,
        environment: Vec<String>,
    ) -> Result<String, EngineError> {
        let docker = self.docker().await?;
        let most = self.processors().await? * 1000;
        // Until its container is there, which keeps the network.
        let _turn = self.shared.networks.lock().await;
        let on = opening.network.unwrap_or(opening.app);
        let network = self.network_there(owner, on).await?;
        let (inside, resources) = (&opening.inside, &opening.resources);
        let mut host = within::host(hardened(&network, resources), inside, resources);
        host.nano_cpus =
            Some(i64::from(opening.resources.cpu_millis).min(most) * NANO_CPUS_PER_MILLI);
        // What somebody watches is written down nowhere.
        let (log, size) =
            if opening.detached { ("json-file", LOG_FILE_SIZE) } else { ("none", "") };
        let config = HashMap::from([("max-size".to_owned(), size.to_owned())]);
        host.log_config = Some(HostConfigLogConfig {
            typ: Some(log.into()),
            config: opening.detached.then_some(config),
        });
        let mut labels = owner.labels();
        labels.extend([
            (labels::RUN.to_owned(), opening.run.to_string()),
            (labels::APP.to_owned(), opening.app.to_string()),
            (labels::APP_NAME.to_owned(), opening.app_name.to_string()),
            (labels::RUN_OF.to_owned(), opening.deployment.to_string()),
            (labels::RUN_DETACHED.to_owned(), opening.detached.to_string()),
            (labels::RUN_UNTIL.to_owned(), until.0.to_string()),
            (labels::RUN_STOP_WITHIN.to_owned(), opening.stop_within.0.to_string()),
        ]);
        if on != opening.app {
            labels.insert(labels::NETWORK.to_owned(), on.to_string());
        }
        let attached = Some(!opening.detached);
        let networks = HashMap::from([(network, EndpointSettings::default())]);
        let body = ContainerCreateBody {
            hostname: Some(format!("{}-run", opening.app_name)),
            user: inside.user.as_ref().map(ToString::to_string),
            working_dir: inside.working_dir.as_ref().map(ToString::to_string),
            stop_signal: inside.stop_signal.as_ref().map(ToString::to_string),
            image: Some(opening.image.to_string()),
            entrypoint: opening.bare.then(|| vec![String::new()]),
            cmd: Some(command),
            env: Some(environment),
            labels: Some(labels),
            healthcheck: Some(HealthConfig {
                test: Some(vec!["NONE".into()]),
                ..HealthConfig::default()
            }),
            tty: Some(opening.terminal.is_some()),
            open_stdin: attached,
            stdin_once: attached,
            attach_stdin: attached,
            attach_stdout: attached,
            attach_stderr: attached,
            host_config: Some(host),
            networking_config: Some(NetworkingConfig { endpoints_config: Some(networks) }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::default().name(&name(opening.run)).build();
        #[expect(clippy::disallowed_methods, reason = "with its step")]
        let made = Step::ContainerMade.take(docker.create_container(Some(options), body)).await;
        made.map(|made| made.id).map_err(|error| self.fault(&error))
    }

    /// Starts it.
    pub(crate) async fn start_one_off(&self, id: &str) -> Result<(), EngineError> {
        let docker = self.docker().await?;
        #[expect(clippy::disallowed_methods, reason = "with its step")]
        let started = Step::ContainerStarted.take(docker.start_container(id, None)).await;
        started.map_err(|error| self.fault(&error))
    }

    /// Says how large its terminal is.
    pub(crate) async fn resize_one_off(
        &self,
        id: &str,
        size: TerminalSize,
    ) -> Result<(), EngineError> {
        let options = ResizeContainerTTYOptionsBuilder::default()
            .w(size.columns.into())
            .h(size.rows.into())
            .build();
        let docker = self.docker().await?;
        docker.resize_container_tty(id, options).await.map_err(|error| self.fault(&error))
    }

    /// Passes a signal on to its program.
    pub(crate) async fn signal_one_off(&self, id: &str, signal: Signal) -> Result<(), EngineError> {
        let options = KillContainerOptionsBuilder::default().signal(signal.name()).build();
        let docker = self.docker().await?;
        #[expect(clippy::disallowed_methods, reason = "what the program makes of it is its own")]
        let told = docker.kill_container(id, Some(options)).await;
        told.map_err(|error| self.fault(&error))
    }

    /// Ends it, in order if it wants to; returns when it has ended. One that is gone has.
    pub(crate) async fn stop_one_off(&self, id: &str, within: Millis) -> Result<(), EngineError> {
        let seconds = i32::try_from(within.0.div_ceil(1000)).unwrap_or(i32::MAX);
        let patience = Duration::from_millis(within.0).saturating_add(STOP_SLACK);
        let docker = self.docker().await?.with_timeout(patience);
        let options = StopContainerOptionsBuilder::default().t(seconds).build();
        #[expect(clippy::disallowed_methods, reason = "with its step")]
        let stopped = Step::ContainerStopped.take(docker.stop_container(id, Some(options))).await;
        self.unless_gone(stopped)
    }

    /// Removes it, also where it runs. One that is gone is removed.
    pub(crate) async fn remove_one_off(&self, id: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(false).build();
        let docker = self.docker().await?;
        #[expect(clippy::disallowed_methods, reason = "with its step")]
        let removed = Step::ContainerRemoved.take(docker.remove_container(id, Some(options))).await;
        match self.unless_gone(removed) {
            // Somebody is at it already.
            Err(EngineError::Conflict { message }) if message.contains("already in progress") => {
                Ok(())
            }
            other => other,
        }
    }

    fn unless_gone(&self, done: Result<(), bollard::errors::Error>) -> Result<(), EngineError> {
        match done.map_err(|error| self.fault(&error)) {
            Err(error) if error.not_found() => Ok(()),
            other => other,
        }
    }

    /// The ids of all containers of runs of ours.
    pub(crate) async fn one_off_ids(&self, owner: &Owner) -> Result<Vec<String>, EngineError> {
        let listed = self.one_offs(owner).await?;
        Ok(listed.into_iter().filter_map(|container| container.id).collect())
    }

    /// Whether a run that has not ended is on a network, or about to join it.
    pub(super) async fn is_run_on(
        &self,
        owner: &Owner,
        network: AppId,
    ) -> Result<bool, EngineError> {
        let listed = self.one_offs(owner).await?;
        Ok(listed.into_iter().any(|container| {
            let over =
                matches!(container.state, Some(Listed::EXITED | Listed::DEAD | Listed::REMOVING));
            let labels = container.labels.unwrap_or_default();
            let own = || -> Option<AppId> { labels.get(labels::APP)?.parse().ok() };
            !over && labels::network(&labels).or_else(own) == Some(network)
        }))
    }

    async fn one_offs(&self, owner: &Owner) -> Result<Vec<ContainerSummary>, EngineError> {
        let mut filter = owner.filter();
        filter.entry("label".to_owned()).or_default().push(labels::RUN.to_owned());
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filter).build();
        let docker = self.docker().await?;
        docker.list_containers(Some(options)).await.map_err(|error| self.fault(&error))
    }

    /// The container of a run, by id; none where it is gone or not ours.
    pub(crate) async fn one_off(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Option<OneOffSeen>, EngineError> {
        let docker = self.docker().await?;
        let found = match docker.inspect_container(id, None).await.map_err(|e| self.fault(&e)) {
            Ok(found) => found,
            Err(error) if error.not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
        let number = |label| labels.get(label).and_then(|text| text.parse().ok()).unwrap_or(0);
        let run = labels.get(labels::RUN).and_then(|text| text.parse().ok());
        let app = labels.get(labels::APP).and_then(|text| text.parse().ok());
        let (true, Some(run), Some(app)) = (owner.owns(&labels), run, app) else {
            return Ok(None);
        };
        let state = found.state.unwrap_or_default();
        let over = matches!(state.status, Some(Status::EXITED | Status::DEAD));
        let ended = over.then(|| {
            let code = state.exit_code.unwrap_or(0);
            let code = u8::try_from(code).unwrap_or(u8::MAX);
            let out_of_memory = state.oom_killed.unwrap_or(false);
            let at = state.finished_at.as_deref().and_then(parse_time).unwrap_or(0);
            (OneOffEnd::Exited { code, out_of_memory }, Timestamp(at / 1_000_000))
        });
        Ok(Some(OneOffSeen {
            id: found.id.unwrap_or_else(|| id.to_owned()),
            run,
            app,
            detached: labels.get(labels::RUN_DETACHED).is_some_and(|text| text == "true"),
            started: !matches!(state.status, Some(Status::CREATED)),
            until: Timestamp(number(labels::RUN_UNTIL)),
            stop_within: Millis(number(labels::RUN_STOP_WITHIN)),
            ended,
        }))
    }
}
