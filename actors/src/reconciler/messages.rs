//! Effects as messages to builders and workers.

use std::collections::BTreeMap;

use bytes::Bytes;
use hythe_core::deployment::{Attempt, DeploymentCommand, DeploymentSpec, Fault, Stage};
use hythe_core::github::Purpose;
use hythe_core::hook::PageUrl;
use hythe_core::ids::{DeploymentId, WorkerId};
use hythe_core::installation::{SourcePrefix, SourceUser};
use hythe_core::limits;
use hythe_core::reconcile::Effect;
use hythe_core::repository::Location;
use hythe_core::task::is_task;
use hythe_core::wire::FORMAT;
use hythe_core::wire::build::{AccessFor, BuildCommand, GitHubAccess, LoginsFor, SealedFor};
use hythe_core::wire::subjects;
use hythe_core::wire::worker::{Assignment, Order, SealingKey, TaskOrder, WorkerMessage};
use hythe_store::steps::Step;
use serde::Serialize;

use super::Reconciler;
use crate::github::{AppAt, FOR_A_BUILD};
use crate::sealing::{Access, Logins, SealError, seal, seal_for_build};
use crate::views::Views;

/// The name that goes with a token that GitHub lends.
const LENT_TO: &str = "x-access-token";

/// A message, ready to be sent.
pub(super) struct Made {
    pub(super) subject: String,
    pub(super) payload: Bytes,
    /// What has been done once it can be found.
    pub(super) step: Step,
}

/// Why there is no message.
pub(super) enum Unsendable {
    /// What it would say does not hold any more, or cannot be said yet.
    Outdated,
    /// It can never be said; what the deployment is told instead.
    Never(DeploymentId, Box<DeploymentCommand>),
}

impl<V: Views> Reconciler<V> {
    pub(super) async fn message(&self, effect: &Effect) -> Result<Made, Unsendable> {
        match effect {
            Effect::SendBuild { deployment, generation, until } => {
                let spec = self.attempt(*deployment)?.spec;
                let (access, github) = self.build_access(*deployment, &spec).await?;
                let command = BuildCommand {
                    format: FORMAT,
                    deployment: *deployment,
                    generation: *generation,
                    secrets: self.build_secrets(*deployment, *generation, &spec)?,
                    registries: self.build_logins(*deployment, &spec)?,
                    access,
                    github,
                    spec,
                    until: *until,
                    sites: true,
                };
                made(subjects::build_commands(subjects::DEFAULT_POOL), &command, Step::BuildSent)
            }
            Effect::SendRun { worker, deployment, generation, replicas, restart } => {
                let assignment =
                    self.assignment(*worker, *deployment, *generation, replicas, *restart)?;
                order(*worker, Order::Run(Box::new(assignment)), Step::RunSent)
            }
            Effect::SendStop { worker, deployment, generation } => {
                let stop_within = self
                    .attempt(*deployment)
                    .map_or(limits::STOP_WITHIN, |attempt| attempt.spec.stop_within);
                let (deployment, generation) = (*deployment, *generation);
                let order = Order::Stop { deployment, generation, stop_within };
                self::order(*worker, order, Step::StopSent)
            }
            Effect::SendCancelBuild { worker, deployment, generation } => {
                let (deployment, generation) = (*deployment, *generation);
                order(*worker, Order::CancelBuild { deployment, generation }, Step::CancelBuildSent)
            }
            Effect::App(..)
            | Effect::Deployment(..)
            | Effect::Worker(..)
            | Effect::PublishRoutes(_) => Err(Unsendable::Outdated),
        }
    }

    fn attempt(&self, deployment: DeploymentId) -> Result<Attempt, Unsendable> {
        let known = self.views.look(|view| {
            view.deployments.get(&deployment).and_then(|view| view.state.attempt()).cloned()
        });
        known.ok_or(Unsendable::Outdated)
    }

    /// What a build may read, sealed for each worker that may take it.
    fn build_secrets(
        &self,
        deployment: DeploymentId,
        generation: u32,
        spec: &DeploymentSpec,
    ) -> Result<Vec<SealedFor>, Unsendable> {
        let wanted = &spec.build.secrets;
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let env: BTreeMap<_, _> = spec
            .env
            .iter()
            .filter(|(name, _)| wanted.contains(*name))
            .map(|(name, version)| (name.clone(), *version))
            .collect();
        let sealed = self.workers().into_iter().map(|(worker, key)| {
            let environment = seal_for_build(&self.journal, spec.app, deployment, &env, key)?;
            Ok(SealedFor { worker, environment })
        });
        sealed.collect::<Result<_, SealError>>().map_err(|error| match error {
            SealError::Gone { .. } => {
                let outcome = Err(Fault::new(error.to_string()));
                let at = self.clock.now();
                let command = DeploymentCommand::FinishBuild { generation, outcome, at };
                Unsendable::Never(deployment, Box::new(command))
            }
            SealError::Broken(why) => cannot_seal(deployment, &why),
        })
    }

    /// The registries that a build logs in to, sealed for each worker that may take it. One whose
    /// password is not there is left out: what needs it fails, and says so.
    fn build_logins(
        &self,
        deployment: DeploymentId,
        spec: &DeploymentSpec,
    ) -> Result<Vec<LoginsFor>, Unsendable> {
        let (registries, head, fork) = self.views.look(|view| {
            let app = view.apps.get(&spec.app).and_then(|view| view.state.active());
            // Of one that is gone nobody knows whose commits they are.
            let fork = app.is_none_or(|app| app.preview.as_ref().is_some_and(|of| of.fork));
            (view.installation.state.registries.clone(), view.head, fork)
        });
        // A stranger's Dockerfile would show the world whatever image it names.
        if registries.is_empty() || fork {
            return Ok(Vec::new());
        }
        let logins = Logins::read(&self.journal, self.installation, deployment, &registries);
        let logins = logins.map_err(|error| cannot_seal(deployment, &error.to_string()))?;
        if !logins.missing.is_empty() && head < self.journal.head() {
            // It may have another password by now.
            return Err(Unsendable::Outdated);
        }
        for registry in &logins.missing {
            tracing::warn!(%registry, "its password is gone: hythe registry login {registry}");
        }
        let sealed = self.workers().into_iter().map(|(worker, key)| {
            let sealed = logins.seal(key);
            sealed.map(|sealed| LoginsFor { worker, sealed })
        });
        let sealed: Result<_, SealError> = sealed.collect();
        sealed.map_err(|error| cannot_seal(deployment, &error.to_string()))
    }

    /// What a build reaches its repository with, sealed for each worker that may take it. What is
    /// not there is left out, as above.
    async fn build_access(
        &self,
        deployment: DeploymentId,
        spec: &DeploymentSpec,
    ) -> Result<(Vec<AccessFor>, Option<GitHubAccess>), Unsendable> {
        let repository = spec.source.git().and_then(|source| Location::of(&source.repository));
        let Some(repository) = repository else { return Ok((Vec::new(), None)) };
        let (installation, key, head) = self.views.look(|view| {
            let app = view.apps.get(&spec.app).and_then(|view| view.state.active());
            let key = app.and_then(|app| app.source_key.clone());
            (view.installation.state.clone(), key, view.head)
        });
        let access = Access::read(
            &self.journal,
            (self.installation, &installation),
            deployment,
            (spec.app, &spec.app_name, key.as_ref()),
            &repository,
        );
        let mut access = access.map_err(|error| cannot_seal(deployment, &error.to_string()))?;
        if !access.missing.is_empty() && head < self.journal.head() {
            return Err(Unsendable::Outdated);
        }
        for remedy in &access.missing {
            tracing::warn!(%deployment, remedy, "what a build reaches its repository with is gone");
        }
        let apps = AppAt::all_for(&installation, &repository);
        let github = self.borrow(deployment, spec, (&apps, &repository), &mut access).await;
        if access.is_empty() {
            return Ok((Vec::new(), github));
        }
        let sealed = self.workers().into_iter().map(|(worker, key)| {
            let sealed = access.seal(key);
            sealed.map(|sealed| AccessFor { worker, sealed })
        });
        let sealed: Result<_, SealError> = sealed.collect();
        let sealed = sealed.map_err(|error| cannot_seal(deployment, &error.to_string()))?;
        Ok((sealed, github))
    }

    /// Adds a token that GitHub lends, where an App is installed on the repository: of that alone, or of all
    /// that it is installed on where submodules are wanted, which may lie beside it. Where GitHub does not
    /// say, the build goes with what there is besides.
    async fn borrow(
        &self,
        deployment: DeploymentId,
        spec: &DeploymentSpec,
        (apps, repository): (&[AppAt], &Location),
        access: &mut Access,
    ) -> Option<GitHubAccess> {
        let app = apps.first()?;
        let whole = spec.build.fetches.submodules;
        let prefix = if whole {
            SourcePrefix::owner_of(repository)
        } else {
            SourcePrefix::exactly(repository)
        };
        let (prefix, user) = (prefix?, SourceUser::new(LENT_TO).ok()?);
        let what = (Purpose::Fetch, whole);
        match self.github.borrow(apps, repository, what, FOR_A_BUILD).await {
            Ok(Some(loan)) => {
                access.lend(prefix.clone(), user, &loan.token);
                Some(GitHubAccess::Lent { prefix, installation: loan.installation })
            }
            Ok(None) => {
                let page = PageUrl::new(app.install_page.clone()).ok()?;
                Some(GitHubAccess::Installable { page })
            }
            Err(refused) => {
                let why = refused.why;
                tracing::warn!(%deployment, why, "a build goes without what GitHub lends");
                None
            }
        }
    }

    /// The workers that are heard of, and what to seal with for them.
    fn workers(&self) -> Vec<(WorkerId, SealingKey)> {
        self.observatory.read(|observed| {
            let workers = observed.workers.iter();
            workers.map(|(worker, seen)| (*worker, seen.report.sealing_key)).collect()
        })
    }

    fn assignment(
        &self,
        worker: WorkerId,
        deployment: DeploymentId,
        generation: u64,
        replicas: &[u16],
        restart: bool,
    ) -> Result<Assignment, Unsendable> {
        let attempt = self.attempt(deployment)?;
        let goes_on = attempt.post_deploying().is_some();
        let Attempt { spec, stage, built, .. } = attempt;
        let built = built.ok_or(Unsendable::Outdated)?;
        if matches!(stage, Stage::Ended(_)) && !goes_on {
            return Err(Unsendable::Outdated);
        }
        let key = self
            .observatory
            .read(|observed| observed.workers.get(&worker).map(|seen| seen.report.sealing_key))
            .ok_or(Unsendable::Outdated)?;
        let sealed = seal(&self.journal, spec.app, deployment, &spec.env, key);
        let environment = sealed.map_err(|error| match error {
            SealError::Gone { .. } => {
                let fault = Fault::new(error.to_string());
                Unsendable::Never(deployment, Box::new(DeploymentCommand::FailStart { fault }))
            }
            SealError::Broken(why) => cannot_seal(deployment, &why),
        })?;
        Ok(Assignment {
            deployment,
            app: spec.app,
            app_name: spec.app_name,
            generation,
            replicas: replicas.iter().copied().filter(|index| !is_task(*index)).collect(),
            tasks: replicas.iter().filter_map(|index| TaskOrder::of(&spec.run, *index)).collect(),
            image: built.image,
            port: built.port,
            environment,
            health: spec.health,
            resources: spec.resources,
            run: spec.run,
            stop_within: spec.stop_within,
            restart,
        })
    }
}

fn cannot_seal(deployment: DeploymentId, why: &str) -> Unsendable {
    tracing::error!(%deployment, why, "an environment could not be sealed");
    Unsendable::Outdated
}

fn order(worker: WorkerId, order: Order, step: Step) -> Result<Made, Unsendable> {
    let message = WorkerMessage { format: FORMAT, worker, order };
    made(subjects::worker_orders(worker), &message, step)
}

fn made<T: Serialize>(subject: String, message: &T, step: Step) -> Result<Made, Unsendable> {
    let payload = serde_json::to_vec(message).map(Bytes::from);
    payload.map(|payload| Made { subject, payload, step }).map_err(|error| {
        // Plain data with text keys always encodes.
        tracing::error!(%error, "a message could not be encoded");
        Unsendable::Outdated
    })
}
