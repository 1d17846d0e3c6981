//! Containers of replicas and tasks: made from an allow-list of settings, started, limited, stopped, removed.
//!
//! Invariants: a container's name derives from deployment and number, so making it twice makes
//! one. What the app may do to the machine is what [`hardened`] lists, and nothing else. A
//! container without our labels is never changed, whatever its name is. Volumes stay.

use bollard::models::{
    ContainerCreateBody, ContainerUpdateBody, EndpointSettings, HealthConfig, HostConfig,
    HostConfigLogConfig, Mount as EngineMount, MountType, MountVolumeOptions, NetworkingConfig,
    RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, StopContainerOptionsBuilder,
};
use hythe_core::container::{ContainerSettings, Mount, VolumeName};
use hythe_core::ids::AppId;
use hythe_core::plan::ReplicaKey;
use hythe_core::source::Resources;
use hythe_core::task::{self, is_task};
use hythe_core::time::Millis;
use hythe_core::wire::worker::Assignment;
use hythe_store::steps::Step;
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;

use super::inspect::Condition;
use super::labels::{self, Labels, Owner};
use super::{Engine, EngineError, within};

/// The capabilities that well-known images (nginx, postgres, rails) need to start. No others.
const CAPABILITIES: [&str; 7] =
    ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"];
/// How large one log file of a container grows. The engine forgets silently what does not fit
/// into the files; ours are read as they grow, so this only has to hold a burst.
const LOG_FILE_SIZE: &str = "100m";
/// How many log files a container has.
const LOG_FILES: &str = "2";
/// Characters of a container's host name: with more of them it would not start.
const MOST_HOST_NAME: usize = 63;
/// How long a stop may take beyond the time that the app has for it.
const STOP_SLACK: Duration = Duration::from_secs(30);
/// One thousandth of a CPU, as the engine counts.
const NANO_CPUS_PER_MILLI: i64 = 1_000_000;

/// The name of a replica's container.
#[must_use]
pub fn container_name(key: ReplicaKey) -> String {
    format!("hythe-{}-{}", key.deployment, task::name(key.index))
}

/// What a container calls itself, of which Linux takes no more than a label of DNS may have: what is too long loses
/// the end of what its app and its process are called, and not its number.
fn host_name(app: &str, own: &str) -> String {
    let whole = format!("{app}-{own}").replace(['.', '_'], "-");
    if whole.len() <= MOST_HOST_NAME {
        return whole;
    }
    let number = whole.rsplit('-').next().unwrap_or_default();
    let room = MOST_HOST_NAME.saturating_sub(number.len() + 1);
    let kept = whole.get(..room).unwrap_or_default().trim_end_matches('-');
    format!("{kept}-{number}")
}

/// The name of a volume. It names the worker, too: two may share one engine.
fn volume_name(owner: &Owner, of: Uuid, volume: &VolumeName) -> String {
    let worker = owner.worker.uuid().simple().to_string();
    format!("hythe-{of}-{volume}-{}", &worker[worker.len() - 8..])
}

/// What a replica's container bears.
fn container_labels(owner: &Owner, assignment: &Assignment, index: u16) -> Labels {
    let mut labels = owner.labels();
    labels.extend([
        (labels::APP.to_owned(), assignment.app.to_string()),
        (labels::APP_NAME.to_owned(), assignment.app_name.to_string()),
        (labels::DEPLOYMENT.to_owned(), assignment.deployment.to_string()),
        (labels::REPLICA.to_owned(), index.to_string()),
        (labels::GENERATION.to_owned(), assignment.generation.to_string()),
    ]);
    if assignment.network() != assignment.app {
        labels.insert(labels::NETWORK.to_owned(), assignment.network().to_string());
    }
    if is_task(index) {
        labels.insert(labels::TASK.to_owned(), task::name(index));
    }
    if let Some((process, _)) = assignment.run.process(index) {
        labels.insert(labels::PROCESS.to_owned(), process.to_string());
    }
    labels
}

/// What a replica may do to its machine. The CPU limit comes later, by [`Engine::limit`]: a quota
/// during the start triples its slowest cases.
pub(super) fn hardened(network: &str, resources: &Resources) -> HostConfig {
    let memory = i64::try_from(resources.memory_bytes).unwrap_or(i64::MAX);
    HostConfig {
        cap_drop: Some(vec!["ALL".into()]),
        cap_add: Some(CAPABILITIES.iter().map(ToString::to_string).collect()),
        security_opt: Some(vec!["no-new-privileges".into()]),
        privileged: Some(false),
        // A program that is process 1 itself ignores SIGTERM, as Node does.
        init: Some(true),
        pids_limit: Some(i64::from(resources.processes)),
        memory: Some(memory),
        // Memory and swap together: no swap on top.
        memory_swap: Some(memory),
        network_mode: Some(network.to_owned()),
        ipc_mode: Some("private".into()),
        publish_all_ports: Some(false),
        auto_remove: Some(false),
        // The plan starts what should run, with its own waits.
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".into()),
            config: Some(HashMap::from([
                ("max-size".to_owned(), LOG_FILE_SIZE.to_owned()),
                ("max-file".to_owned(), LOG_FILES.to_owned()),
            ])),
        }),
        ..HostConfig::default()
    }
}

impl Engine {
    /// Makes a replica's or a task's container on an app's network, with `environment` as `NAME=value`, or
    /// adopts the one that was made before. Returns its id. Does not start it.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] where the image is missing, [`EngineError::Foreign`] where the
    /// name is taken by something that is not this replica.
    pub async fn create(
        &self,
        owner: &Owner,
        assignment: &Assignment,
        index: u16,
        network: &str,
        environment: Vec<String>,
    ) -> Result<String, EngineError> {
        let key = ReplicaKey { deployment: assignment.deployment, index };
        let name = container_name(key);
        let resources = assignment.resources(index);
        let limit = match assignment.task(index) {
            // No check says when its start is over: it has its limit from the beginning.
            Some(_) => Some(Box::pin(self.nano_cpus(&resources)).await?),
            None => None,
        };
        let own = assignment.container(index);
        let mounts = match own {
            Some(own) => Some(self.mounts(owner, assignment.app, own).await?),
            None => None,
        };
        let inside = &assignment.run.inside;
        let host = HostConfig { nano_cpus: limit, mounts, ..hardened(network, &resources) };
        let host = within::host(host, inside, &resources);
        let alias = EndpointSettings {
            // Who asks for the app by its name wants what serves.
            aliases: own.map(|own| {
                let service = own.group.as_ref().map(|group| group.service.to_string());
                // Outside of a group nobody else is there to use a name.
                let further = assignment.run.part.names.iter().map(ToString::to_string);
                let further = further.filter(|_| own.group.is_some());
                let names = service.into_iter().chain([assignment.app_name.to_string()]);
                names.chain(further).collect()
            }),
            ..Default::default()
        };
        let entrypoint = own.and_then(|own| own.entrypoint.as_ref());
        let command = assignment.command(index);
        let body = ContainerCreateBody {
            hostname: Some(match inside.hostname.as_ref().filter(|_| own.is_some()) {
                Some(name) => name.to_string(),
                None => host_name(assignment.app_name.as_str(), &assignment.run.name(index)),
            }),
            user: inside.user.as_ref().map(ToString::to_string),
            working_dir: inside.working_dir.as_ref().map(ToString::to_string),
            stop_signal: inside.stop_signal.as_ref().map(ToString::to_string),
            image: Some(assignment.image.to_string()),
            entrypoint: entrypoint.map(|words| words.words().to_vec()),
            // In place of the image's command; its entrypoint stays, unless another one is set.
            cmd: command.map(|command| command.words().to_vec()),
            env: Some(environment),
            labels: Some(container_labels(owner, assignment, index)),
            // Hythe checks by itself; the image's own check would only use up CPU.
            healthcheck: Some(HealthConfig {
                test: Some(vec!["NONE".into()]),
                ..Default::default()
            }),
            tty: Some(false),
            host_config: Some(host),
            networking_config: Some(NetworkingConfig {
                endpoints_config: Some(HashMap::from([(network.to_owned(), alias)])),
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        let docker = self.docker().await?;
        #[expect(clippy::disallowed_methods, reason = "with its step")]
        let made = Step::ContainerMade.take(docker.create_container(Some(options), body)).await;
        match made.map_err(|error| self.fault(&error)) {
            Ok(created) => Ok(created.id),
            Err(EngineError::Conflict { message }) => {
                self.adopt(owner, key, &name).await?.ok_or(EngineError::Conflict { message })
            }
            Err(error) => Err(error),
        }
    }

    /// The volumes of a replica. The engine makes one that is not there, with our labels; one that is
    /// there and bears others is none of ours.
    async fn mounts(
        &self,
        owner: &Owner,
        app: AppId,
        container: &ContainerSettings,
    ) -> Result<Vec<EngineMount>, EngineError> {
        let docker = self.docker().await?;
        let mut mounts = Vec::with_capacity(container.volumes.len());
        for (path, Mount { volume, read_only }) in &container.volumes {
            let name = volume_name(owner, container.scope(app), volume);
            match docker.inspect_volume(&name).await.map_err(|error| self.fault(&error)) {
                Ok(found) if owner.owns(&found.labels) => {}
                Ok(found) => {
                    let owner = labels::owner_of(Some(&found.labels));
                    return Err(EngineError::Foreign { name, owner });
                }
                Err(error) if error.not_found() => {}
                Err(error) => return Err(error),
            }
            let mut labels = owner.labels();
            labels.insert(labels::VOLUME.to_owned(), volume.to_string());
            labels.insert(labels::VOLUME_OF.to_owned(), container.scope(app).to_string());
            mounts.push(EngineMount {
                target: Some(path.to_string()),
                source: Some(name),
                typ: Some(MountType::VOLUME),
                read_only: Some(*read_only),
                volume_options: Some(MountVolumeOptions {
                    labels: Some(labels),
                    ..MountVolumeOptions::default()
                }),
                ..EngineMount::default()
            });
        }
        Ok(mounts)
    }

    /// The id of the container of that name, where it is ours and this replica's.
    async fn adopt(
        &self,
        owner: &Owner,
        key: ReplicaKey,
        name: &str,
    ) -> Result<Option<String>, EngineError> {
        let docker = self.docker().await?;
        let found = match docker.inspect_container(name, None).await.map_err(|e| self.fault(&e)) {
            Ok(found) => found,
            // It went away in between: the next try makes it.
            Err(error) if error.not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
        let ours = owner.owns(&labels)
            && labels::replica(&labels).is_some_and(|(_app, replica)| replica == key);
        if ours {
            Ok(found.id)
        } else {
            let owner = labels::owner_of(Some(&labels));
            Err(EngineError::Foreign { name: name.to_owned(), owner })
        }
    }

    /// Starts a replica's container. One that runs is left alone, and a task's that has run.
    ///
    /// # Errors
    /// [`EngineError`], also where the image's program cannot be run.
    pub async fn start(&self, owner: &Owner, key: ReplicaKey) -> Result<(), EngineError> {
        let id = self.own(owner, key).await?;
        if is_task(key.index) {
            let seen = Box::pin(self.observe(owner, &id)).await?;
            if seen.is_some_and(|seen| seen.state != Condition::Created) {
                return Ok(());
            }
        }
        self.start_now(&id).await
    }

    /// The same for one that [`Engine::create`] has just answered with.
    ///
    /// # Errors
    /// As above.
    pub async fn start_made(
        &self,
        owner: &Owner,
        key: ReplicaKey,
        id: &str,
    ) -> Result<(), EngineError> {
        if is_task(key.index) {
            // It may be there for long, and have run.
            return self.start(owner, key).await;
        }
        self.start_now(id).await
    }

    async fn start_now(&self, id: &str) -> Result<(), EngineError> {
        let docker = self.docker().await?;
        #[expect(clippy::disallowed_methods, reason = "with its step")]
        let started = Step::ContainerStarted.take(docker.start_container(id, None)).await;
        started.map_err(|error| self.fault(&error))
    }

    /// Puts the CPU limit of a running replica in force; never more than the machine has.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn limit(
        &self,
        owner: &Owner,
        key: ReplicaKey,
        resources: &Resources,
    ) -> Result<(), EngineError> {
        let id = self.own(owner, key).await?;
        let limit = self.nano_cpus(resources).await?;
        let docker = self.docker().await?;
        let update =
            ContainerUpdateBody { nano_cpus: Some(limit), ..ContainerUpdateBody::default() };
        #[expect(clippy::disallowed_methods, reason = "with its step")]
        let limited = Step::ContainerLimited.take(docker.update_container(&id, update)).await;
        limited.map_err(|error| self.fault(&error))
    }

    /// The CPU limit as the engine counts; never more than the machine has.
    async fn nano_cpus(&self, resources: &Resources) -> Result<i64, EngineError> {
        let most = self.processors().await? * 1000;
        Ok(i64::from(resources.cpu_millis).min(most) * NANO_CPUS_PER_MILLI)
    }

    /// Sends the stop signal (SIGTERM, where the image names no other), waits, and kills what is
    /// left after `within`, rounded up to whole seconds. Returns when the container has ended.
    ///
    /// # Errors
    /// [`EngineError`]. A container that is gone or has ended is none.
    pub async fn stop(
        &self,
        owner: &Owner,
        key: ReplicaKey,
        within: Millis,
    ) -> Result<(), EngineError> {
        let id = match self.own(owner, key).await {
            Ok(id) => id,
            Err(error) if error.not_found() => return Ok(()),
            Err(error) => return Err(error),
        };
        let seconds = i32::try_from(within.0.div_ceil(1000)).unwrap_or(i32::MAX);
        let patience = Duration::from_millis(within.0).saturating_add(STOP_SLACK);
        let docker = self.docker().await?.with_timeout(patience);
        let options = StopContainerOptionsBuilder::default().t(seconds).build();
        #[expect(clippy::disallowed_methods, reason = "with its step")]
        let stopped = Step::ContainerStopped.take(docker.stop_container(&id, Some(options))).await;
        match stopped.map_err(|error| self.fault(&error)) {
            Ok(()) => Ok(()),
            Err(error) if error.not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes a replica's container, which does not run. One that is gone is none the less so.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] where it runs.
    pub async fn remove(&self, owner: &Owner, key: ReplicaKey) -> Result<(), EngineError> {
        let id = match self.own(owner, key).await {
            Ok(id) => id,
            Err(error) if error.not_found() => return Ok(()),
            Err(error) => return Err(error),
        };
        let options = RemoveContainerOptionsBuilder::default().force(false).v(false).build();
        let docker = self.docker().await?;
        #[expect(clippy::disallowed_methods, reason = "with its step")]
        let removed =
            Step::ContainerRemoved.take(docker.remove_container(&id, Some(options))).await;
        match removed.map_err(|error| self.fault(&error)) {
            Ok(()) => Ok(()),
            Err(error) if error.not_found() => Ok(()),
            // Somebody is at it already.
            Err(EngineError::Conflict { message }) if message.contains("already in progress") => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The id of a replica's container, after its labels were checked.
    async fn own(&self, owner: &Owner, key: ReplicaKey) -> Result<String, EngineError> {
        let name = container_name(key);
        self.adopt(owner, key, &name).await?.ok_or_else(|| EngineError::NotFound {
            message: format!("there is no container {name}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_fits_however_long_its_parts_are() {
        let (app, process) = ("a".repeat(40), "p".repeat(32));
        let cut = format!("{app}-{}", "p".repeat(19));
        let dashed = format!("{}-{}", "a".repeat(40), "p".repeat(18));
        let rows = [
            ("shop".to_owned(), "0".to_owned(), "shop-0".to_owned()),
            ("shop".to_owned(), "mail_worker.12".to_owned(), "shop-mail-worker-12".to_owned()),
            (app.clone(), "post-deploy".to_owned(), format!("{app}-post-deploy")),
            (app.clone(), format!("{process}.63"), format!("{cut}-63")),
            (app, format!("{}-{}.63", "p".repeat(18), "q".repeat(13)), format!("{dashed}-63")),
        ];
        for (app, own, expected) in rows {
            let name = host_name(&app, &own);
            assert_eq!(name, expected);
            assert!(name.len() <= MOST_HOST_NAME, "{name}");
        }
    }
}
