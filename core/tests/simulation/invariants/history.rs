//! Each durable event fits the ones before it.

use hythe_core::app::{AppEvent, Outline};
use hythe_core::deployment::{DeploymentEvent, Origin, Outcome, StageName};
use hythe_core::event::Event;
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::machine::Machine;
use hythe_core::plan::ReplicaKey;
use hythe_core::record::{Recorded, Sequence};
use hythe_core::source::Source;
use hythe_core::task::Hook;

use super::{Told, Verdict};
use crate::behaviour::Says;
use crate::made;
use crate::plant::Plant;
use crate::trace::Short;
use crate::world::World;

impl World {
    /// Takes in what became durable, and looks at each event.
    pub(crate) fn witness(&mut self) {
        while let Some(recorded) = self.journal.log.get(self.truth.witness.len()).cloned() {
            self.note(format_args!(
                "#{} {} {} {}",
                recorded.sequence,
                Short(recorded.stream.id),
                recorded.stream.kind,
                recorded.event.name(),
            ));
            let recorded = self.plant_in_history(recorded);
            let verdict = self.invariant_versions_are_continuous(&recorded);
            self.holds("versions_are_continuous", verdict);
            match &recorded.event {
                Event::App(event) => {
                    let id = AppId::new(recorded.stream.id);
                    self.witness_jobs(id, event, recorded.meta.at);
                    self.witness_pulls(id, event);
                    self.witness_pushes(id, event);
                    self.witness_app(id, event, recorded.sequence);
                }
                Event::Deployment(event) => {
                    self.witness_deployment(DeploymentId::new(recorded.stream.id), event);
                }
                Event::Worker(_) | Event::Installation(_) | Event::Project(_) => {}
            }
            if self.plant == Some(Plant::CancelledComesBack)
                && let Event::Deployment(DeploymentEvent::Ended { outcome, .. }) = &recorded.event
                && *outcome == Outcome::Cancelled
            {
                let again = DeploymentEvent::BuildQueued { generation: 1, until: self.clock(0) };
                self.witness_deployment(DeploymentId::new(recorded.stream.id), &again);
            }
            let original = self.journal.log[self.truth.witness.len()].clone();
            self.truth.witness.push(original);
        }
    }

    fn witness_app(&mut self, id: AppId, event: &AppEvent, sequence: Sequence) {
        let verdict = self.invariant_what_was_called_off_gets_no_traffic(event);
        self.holds("what_was_called_off_gets_no_traffic", verdict);
        if let AppEvent::DeploymentCalledOff { deployment, .. } = event {
            self.truth.called_off.insert(*deployment);
            self.count("called off");
            if self.plant == Some(Plant::CalledOffGoesOn) {
                let (deployment, previous) = (*deployment, None);
                let switched = AppEvent::TrafficSwitched { deployment, previous };
                let verdict = self.invariant_what_was_called_off_gets_no_traffic(&switched);
                self.holds("what_was_called_off_gets_no_traffic", verdict);
            }
        }
        let app = self.truth.apps.entry(id).or_default();
        *app = std::mem::take(app).evolve(event);
        if let AppEvent::DeploymentPromoted { previous: Some(previous), .. } = event
            && let Some(told) = self.truth.told.get_mut(previous)
        {
            told.superseded = Some(sequence);
        }
        if let AppEvent::Deleted { deployments } = event {
            for deployment in deployments {
                if let Some(told) = self.truth.told.get_mut(deployment) {
                    told.superseded = Some(sequence);
                }
            }
        }
    }

    fn witness_deployment(&mut self, id: DeploymentId, event: &DeploymentEvent) {
        let told = self.truth.told.get(&id).cloned();
        let verdict = invariant_what_ended_stays_ended(told.as_ref(), event);
        self.holds("what_ended_stays_ended", verdict);
        let verdict = invariant_stages_follow_one_another(told.as_ref(), event);
        self.holds("stages_follow_one_another", verdict);
        let verdict = invariant_build_generations_grow(told.as_ref(), event);
        self.holds("build_generations_grow", verdict);
        let released = matches!(event, DeploymentEvent::Released { .. });
        let post_deployed = matches!(event, DeploymentEvent::PostDeployed);
        let well = released.then_some(Hook::Release);
        if let Some(hook) = well.or(post_deployed.then_some(Hook::PostDeploy)) {
            let verdict = self.invariant_what_is_said_to_end_well_did(id, hook);
            self.holds("what_is_said_to_end_well_did", verdict);
        }
        if matches!(event, DeploymentEvent::Built { .. } | DeploymentEvent::BuildSkipped { .. }) {
            let verdict =
                self.invariant_a_version_runs_by_what_its_repository_says(id, told.as_ref());
            self.holds("a_version_runs_by_what_its_repository_says", verdict);
        }
        let Some(told) = after(told, event) else { return };
        match event {
            DeploymentEvent::Ended { outcome: Outcome::Failed { stage, .. }, .. } => {
                self.count(format_args!("failed while {stage}"));
            }
            DeploymentEvent::Ended { .. } | DeploymentEvent::WentLive { .. } => {
                self.count(format_args!("{}", told.stage));
            }
            DeploymentEvent::BuildQueued { generation, .. } if *generation > 1 => {
                self.count("build given out anew");
            }
            DeploymentEvent::Requested(_)
            | DeploymentEvent::BuildQueued { .. }
            | DeploymentEvent::BuildStarted { .. }
            | DeploymentEvent::Built { .. }
            | DeploymentEvent::Placed { .. }
            | DeploymentEvent::BecameHealthy { .. }
            | DeploymentEvent::SwitchStarted { .. }
            | DeploymentEvent::Switched { .. } => {}
            DeploymentEvent::Scaled { .. } | DeploymentEvent::Rescaled { .. } => {}
            DeploymentEvent::ProcessesScaled { .. } => self.count("processes scaled"),
            DeploymentEvent::Declared(_) => self.count("declared"),
            DeploymentEvent::ReplicasLeft => self.count("replicas left"),
            DeploymentEvent::ReleaseStarted { .. } => {}
            DeploymentEvent::Released { .. } => self.count("released"),
            DeploymentEvent::PostDeployStarted { .. } => {}
            DeploymentEvent::PostDeployed => self.count("post-deployed"),
            DeploymentEvent::PostDeployFailed { .. } => self.count("post-deploy failed"),
            DeploymentEvent::BuildSkipped { .. } => self.count("build skipped"),
            DeploymentEvent::ImageMissed { .. } => self.count("image missed"),
        }
        let app = told.app;
        self.truth.told.insert(id, told);
        let verdict = self.invariant_one_deployment_moves(app);
        self.holds("one_deployment_moves", verdict);
    }

    /// With its image a version has what its repository says, of that commit: built, taken over from an
    /// earlier one, or built again where that was gone.
    fn invariant_a_version_runs_by_what_its_repository_says(
        &self,
        id: DeploymentId,
        told: Option<&Told>,
    ) -> Verdict {
        let says = self.behaviours.get(&id).map_or(Says::NOTHING, |behaviour| behaviour.says);
        let (says, by) = (made::declared(says), told.map(|told| &told.says));
        if by == Some(&says) {
            return Ok(());
        }
        Err(format!("{} runs by {by:?}, its repository says {says:?}", Short(id.uuid())))
    }

    /// A command that is said to have ended well has exited with 0.
    fn invariant_what_is_said_to_end_well_did(&self, id: DeploymentId, hook: Hook) -> Verdict {
        let key = ReplicaKey { deployment: id, index: hook.index() };
        if self.truth.well.contains(&key) {
            return Ok(());
        }
        Err(format!("the {} command of {} did not", hook.as_str(), Short(id.uuid())))
    }

    /// A deployment that was called off before it had traffic never gets any.
    fn invariant_what_was_called_off_gets_no_traffic(&self, event: &AppEvent) -> Verdict {
        let Some(outline) = event.outline() else { return Ok(()) };
        match outline {
            Outline::Switched { deployment, .. } if self.truth.called_off.contains(&deployment) => {
                Err(format!("{} was called off", Short(deployment.uuid())))
            }
            Outline::Switched { .. }
            | Outline::Created { .. }
            | Outline::PutInto(_)
            | Outline::Discarded
            | Outline::Restored(_)
            | Outline::Deleted(_)
            | Outline::Requested(..)
            | Outline::Replaced(_)
            | Outline::CalledOff { .. }
            | Outline::Begun(_)
            | Outline::Promoted { .. }
            | Outline::Scaled { .. }
            | Outline::ProcessesScaled { .. } => Ok(()),
        }
    }

    /// Sequences count from 1 over everything, versions over each stream.
    fn invariant_versions_are_continuous(&mut self, recorded: &Recorded<Event>) -> Verdict {
        let version = self.truth.versions.entry(recorded.stream).or_default();
        *version += 1;
        let sequence = self.truth.witness.len() as u64 + 1;
        if recorded.version.0 == *version && recorded.sequence.0 == sequence {
            return Ok(());
        }
        Err(format!("{recorded:?} is not version {version} and event {sequence}"))
    }

    /// Of an app's deployments one is live: besides it there may be only the one that is about to
    /// be promoted, and the one before while the word of the promotion is on its way.
    pub(super) fn invariant_one_live_deployment(&self) -> Verdict {
        for (id, told) in &self.truth.told {
            if told.stage != StageName::Live {
                continue;
            }
            let app = self.truth.apps.get(&told.app).and_then(|app| app.active());
            let counts = app.is_some_and(|app| {
                app.live == Some(*id) || (app.serving == Some(*id) && app.rolling == Some(*id))
            });
            let reacted = self.control.reactor.at;
            let on_its_way = told.superseded.is_some_and(|by| reacted < by);
            if !counts && !on_its_way {
                return Err(format!("{} is live, and not its app's live one", Short(id.uuid())));
            }
        }
        Ok(())
    }

    /// One deployment of an app moves at a time.
    fn invariant_one_deployment_moves(&self, app: AppId) -> Verdict {
        let moves = |stage| match stage {
            StageName::Requested => false,
            StageName::Queued
            | StageName::Building
            | StageName::Built
            | StageName::Releasing
            | StageName::Starting
            | StageName::Healthy
            | StageName::Switching
            | StageName::Draining => true,
            StageName::Live | StageName::Superseded | StageName::Failed | StageName::Cancelled => {
                false
            }
        };
        let told = self.truth.told.values();
        let moving = told.filter(|told| told.app == app && moves(told.stage)).count();
        if moving <= 1 { Ok(()) } else { Err(format!("{moving} move of {}", Short(app.uuid()))) }
    }

    /// For planted faults: what is witnessed is another event than the one in the log.
    fn plant_in_history(&mut self, mut recorded: Recorded<Event>) -> Recorded<Event> {
        let id = DeploymentId::new(recorded.stream.id);
        let stage = self.truth.stage(id);
        let of_deployment = matches!(recorded.event, Event::Deployment(_));
        if self.plant == Some(Plant::SkipsAVersion) && recorded.version.0 == 3 {
            recorded.version.0 = 4;
        }
        if self.plant == Some(Plant::WritesWhatIsIllegal)
            && of_deployment
            && stage == Some(StageName::Starting)
        {
            let switched = DeploymentEvent::Switched { previous: None, until: self.clock(0) };
            recorded.event = Event::Deployment(switched);
        }
        if self.plant == Some(Plant::PushIsHalfKnown)
            && let Event::App(AppEvent::Configured(change)) = &mut recorded.event
            && let Some(Source::Pushed(_)) = change.source
        {
            change.source = None;
        }
        if self.plant == Some(Plant::GenerationGoesBack)
            && let Event::Deployment(DeploymentEvent::BuildStarted { generation, .. }) =
                &mut recorded.event
        {
            *generation = 0;
        }
        recorded
    }
}

/// What has ended, however it did, stays so: nothing happens to it any more, but that the command
/// ends that it had begun.
fn invariant_what_ended_stays_ended(told: Option<&Told>, event: &DeploymentEvent) -> Verdict {
    if ends_post_deploy(event) && told.is_some_and(|told| told.post_deploying) {
        return Ok(());
    }
    match told.map(|told| told.stage) {
        Some(ended @ (StageName::Superseded | StageName::Failed | StageName::Cancelled)) => {
            Err(format!("something happened to what is {ended}"))
        }
        Some(
            StageName::Requested
            | StageName::Queued
            | StageName::Building
            | StageName::Built
            | StageName::Releasing
            | StageName::Starting
            | StageName::Healthy
            | StageName::Switching
            | StageName::Draining
            | StageName::Live,
        )
        | None => Ok(()),
    }
}

const fn ends_post_deploy(event: &DeploymentEvent) -> bool {
    matches!(event, DeploymentEvent::PostDeployed | DeploymentEvent::PostDeployFailed { .. })
}

/// Stages come in their order, and endings where they may.
fn invariant_stages_follow_one_another(told: Option<&Told>, event: &DeploymentEvent) -> Verdict {
    use StageName as S;
    let stage = told.map(|told| told.stage);
    // Nothing is built that an earlier deployment has, while its image is there.
    let takes_over = told.is_some_and(|told| told.takes_over);
    let to_release = told.is_some_and(|told| told.to_release);
    let fits = match event {
        DeploymentEvent::Requested(_) => stage.is_none(),
        DeploymentEvent::BuildQueued { generation, .. } => {
            let first = *generation == 1;
            // What waits for its turn is given its time anew.
            let again = stage == Some(S::Queued);
            let begins = stage == Some(if first { S::Requested } else { S::Building });
            again || begins && !(first && takes_over)
        }
        DeploymentEvent::BuildStarted { .. } => stage == Some(S::Queued),
        DeploymentEvent::Built { .. } => matches!(stage, Some(S::Queued | S::Building)),
        DeploymentEvent::Placed { .. } => stage == Some(S::Built) && !to_release,
        DeploymentEvent::ReleaseStarted { .. } => stage == Some(S::Built) && to_release,
        DeploymentEvent::Released { .. } => stage == Some(S::Releasing),
        DeploymentEvent::PostDeployStarted { .. } => {
            stage == Some(S::Live) && told.is_some_and(|told| told.to_post_deploy)
        }
        DeploymentEvent::PostDeployed => told.is_some_and(|told| told.post_deploying),
        DeploymentEvent::PostDeployFailed { .. } => told.is_some_and(|told| {
            told.post_deploying || (told.to_post_deploy && stage == Some(S::Live))
        }),
        DeploymentEvent::BecameHealthy { .. } => stage == Some(S::Starting),
        DeploymentEvent::SwitchStarted { .. } => stage == Some(S::Healthy),
        DeploymentEvent::Switched { .. } => stage == Some(S::Switching),
        DeploymentEvent::WentLive { .. } => stage == Some(S::Draining),
        DeploymentEvent::Scaled { .. } | DeploymentEvent::ProcessesScaled { .. } => stage.is_some(),
        DeploymentEvent::Declared(_) => matches!(stage, Some(S::Queued | S::Building)),
        DeploymentEvent::Rescaled { .. } | DeploymentEvent::ReplicasLeft => stage == Some(S::Live),
        DeploymentEvent::BuildSkipped { .. } => stage == Some(S::Requested) && takes_over,
        DeploymentEvent::ImageMissed { .. } => {
            matches!(stage, Some(S::Built | S::Releasing | S::Starting)) && takes_over
        }
        DeploymentEvent::Ended { outcome, .. } => match outcome {
            Outcome::Superseded => stage.is_some(),
            Outcome::Cancelled => {
                stage.is_some_and(|stage| stage < S::Switching || stage == S::Releasing)
            }
            Outcome::Failed { stage: named, .. } => {
                stage == Some(*named) || (stage == Some(S::Queued) && *named == S::Building)
            }
        },
    };
    if fits { Ok(()) } else { Err(format!("{event:?} while {stage:?}")) }
}

/// A build is given out under a number that grows by one, and taken on once under each.
fn invariant_build_generations_grow(told: Option<&Told>, event: &DeploymentEvent) -> Verdict {
    let (known, begun) = told.map_or((0, None), |told| (told.generation, told.builder));
    let fits = match event {
        DeploymentEvent::BuildQueued { generation, .. } => {
            let waits = told.is_some_and(|told| told.stage == StageName::Queued);
            *generation == if waits { known } else { known + 1 }
        }
        DeploymentEvent::BuildStarted { generation, .. } => {
            *generation == known && begun != Some(known)
        }
        DeploymentEvent::ImageMissed { .. } => known == 0,
        DeploymentEvent::Requested(_)
        | DeploymentEvent::Built { .. }
        | DeploymentEvent::Placed { .. }
        | DeploymentEvent::BecameHealthy { .. }
        | DeploymentEvent::SwitchStarted { .. }
        | DeploymentEvent::Switched { .. }
        | DeploymentEvent::WentLive { .. }
        | DeploymentEvent::BuildSkipped { .. }
        | DeploymentEvent::ProcessesScaled { .. }
        | DeploymentEvent::Declared(_)
        | DeploymentEvent::Scaled { .. }
        | DeploymentEvent::Rescaled { .. }
        | DeploymentEvent::ReplicasLeft
        | DeploymentEvent::ReleaseStarted { .. }
        | DeploymentEvent::Released { .. }
        | DeploymentEvent::PostDeployStarted { .. }
        | DeploymentEvent::PostDeployed
        | DeploymentEvent::PostDeployFailed { .. }
        | DeploymentEvent::Ended { .. } => true,
    };
    if fits { Ok(()) } else { Err(format!("{event:?} after generation {known}")) }
}

/// A deployment after one more event; not by the core's own fold.
fn after(told: Option<Told>, event: &DeploymentEvent) -> Option<Told> {
    if let DeploymentEvent::Requested(spec) = event {
        let restart = matches!(spec.origin, Origin::Restart { .. });
        let runs = |hook| !restart && spec.run.hook(hook).is_some();
        let own = spec.run.own().processes.into_iter();
        return Some(Told {
            app: spec.app,
            takes_over: spec.origin != Origin::Build,
            stage: StageName::Requested,
            was_healthy: false,
            was_live: false,
            of_git: spec.source.git().is_some(),
            is_built: false,
            generation: 0,
            builder: None,
            to_release: runs(Hook::Release),
            own: own.map(|(process, own)| (process, own.command)).collect(),
            says: spec.run.declared.says.clone(),
            writes: spec.run.container.is_exclusive(),
            to_post_deploy: runs(Hook::PostDeploy),
            post_deploying: false,
            superseded: None,
        });
    }
    let mut told = told?;
    told.stage = match event {
        DeploymentEvent::Requested(_) => StageName::Requested,
        DeploymentEvent::BuildQueued { generation, .. } => {
            told.generation = *generation;
            StageName::Queued
        }
        DeploymentEvent::BuildStarted { generation, .. } => {
            told.builder = Some(*generation);
            StageName::Building
        }
        DeploymentEvent::Built { .. } => {
            told.is_built = true;
            StageName::Built
        }
        DeploymentEvent::Placed { .. } => StageName::Starting,
        DeploymentEvent::ReleaseStarted { .. } => StageName::Releasing,
        DeploymentEvent::Released { .. } => {
            told.to_release = false;
            StageName::Built
        }
        DeploymentEvent::PostDeployStarted { .. } => {
            (told.to_post_deploy, told.post_deploying) = (false, true);
            told.stage
        }
        DeploymentEvent::PostDeployed | DeploymentEvent::PostDeployFailed { .. } => {
            (told.to_post_deploy, told.post_deploying) = (false, false);
            told.stage
        }
        DeploymentEvent::BecameHealthy { .. } => {
            told.was_healthy = true;
            StageName::Healthy
        }
        DeploymentEvent::SwitchStarted { .. } => StageName::Switching,
        DeploymentEvent::Switched { .. } => StageName::Draining,
        DeploymentEvent::WentLive { .. } => {
            told.was_live = true;
            StageName::Live
        }
        DeploymentEvent::Scaled { .. }
        | DeploymentEvent::ProcessesScaled { .. }
        | DeploymentEvent::Rescaled { .. }
        | DeploymentEvent::ReplicasLeft => told.stage,
        DeploymentEvent::Declared(says) => {
            // One that is built again, and was released before, is not released again.
            told.to_release |= says.release.is_some() && told.says.release.is_none();
            told.says = (**says).clone();
            told.stage
        }
        DeploymentEvent::BuildSkipped { .. } => {
            told.is_built = true;
            StageName::Built
        }
        DeploymentEvent::ImageMissed { .. } => {
            told.generation = 1;
            told.takes_over = false;
            StageName::Queued
        }
        DeploymentEvent::Ended { outcome, .. } => outcome.stage(),
    };
    Some(told)
}
