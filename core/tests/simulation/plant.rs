//! Planted faults: one for each invariant, to see that it catches something. They lie in the
//! simulated roles; nothing of this is in what Hythe runs.

use hythe_core::deployment::{DeploymentCommand, Stage};
use hythe_core::process::is_process;
use hythe_core::reconcile::Effect;
use hythe_core::routes::Backend;
use hythe_core::task::Hook;
use hythe_core::view::DeploymentView;

use crate::faults::Profile;
use crate::made;
use crate::world::World;

/// What is wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plant {
    /// The reactor passes no promotion on.
    OldVersionNeverRetires,
    /// The reconciler routes to replicas that are not healthy.
    RoutesBeforeHealth,
    /// The reconciler does not wait for the edges.
    SwitchesUnconfirmed,
    /// The reconciler does not wait for the old version's requests.
    CutsRequests,
    /// The reconciler orders a stop of what has the traffic.
    StopsWhatServes,
    /// The reconciler gives no deadline.
    NothingExpires,
    /// An edge takes any table, older ones too.
    EdgeGoesBack,
    /// An edge has a target that no table names.
    EdgeRoutesElsewhere,
    /// An agent takes orders of any generation.
    AgentIgnoresGenerations,
    /// An agent does not see what has exited and nobody wants.
    ContainerLeaks,
    /// An agent starts nothing again that has exited.
    NothingIsStartedAgain,
    /// An edge takes no table up any more.
    EdgeIsDeaf,
    /// The control plane does not note that a worker is heard of again.
    NobodyReturns,
    /// The reactor lets a deployment begin as soon as it was requested.
    NobodyWaitsForTheirTurn,
    /// The reconciler lets a deployment go live that lost its replicas while it drained.
    LosesTrafficWhileDraining,
    /// An engine makes a second container of one name.
    EngineMakesTwo,
    /// A builder does not look into its ledger.
    BuilderForgets,
    /// The journal loses its last event in a crash.
    LosesTheLastEvent,
    /// The projection skips an event.
    ProjectionSkipsAnEvent,
    /// The journal lets go of claims.
    LosesClaims,
    /// An event is written that nobody may decide.
    WritesWhatIsIllegal,
    /// Versions of a stream have a gap.
    SkipsAVersion,
    /// Builds are given out under the generation before.
    GenerationGoesBack,
    /// A cancelled deployment begins anew.
    CancelledComesBack,
    /// A deployment that was called off gets the traffic.
    CalledOffGoesOn,
    /// The reconciler lets replicas go at once that are too many.
    CutsLeaving,
    /// The reconciler never lets replicas go that are too many.
    NobodyLeaves,
    /// An engine starts a task's program twice.
    TaskRunsTwice,
    /// The reconciler has replicas started beside the release command.
    NobodyWaitsForTheRelease,
    /// An agent says of every task that it ended well.
    TasksEndWell,
    /// The reconciler routes to what is beside web.
    RoutesToProcesses,
    /// An agent does not know what writes to volumes.
    WritersMeet,
    /// The reconciler routes domains that nobody has proven.
    RoutesTheUnproven,
    /// A time of a job runs once more.
    TimesRunTwice,
    /// A job runs beside itself, whatever was set.
    JobsOverlap,
    /// A job runs that was removed.
    RemovedJobsRun,
    /// A job runs by itself that is paused.
    PausedJobsRun,
    /// The first of the times that were missed runs, not the last.
    MissedTimesRun,
    /// The control plane never looks which jobs are due.
    NobodyLooksAtJobs,
    /// The control plane does not say how runs ended.
    NobodyEndsRuns,
    /// A worker is told of a run that was not decided.
    WorkerHearsFirst,
    /// A worker begins a program twice.
    RunBeginsTwice,
    /// There are more previews than may be.
    TooManyPreviews,
    /// Commits of another repository get a preview where they must not.
    ForksGetIn,
    /// What is told late is taken for new.
    LateIsNew,
    /// A pull request that was closed gets a preview.
    ClosedComesBack,
    /// Whoever makes previews gives one of a fork what others get.
    ForksAreGiven,
    /// Whoever makes previews takes one for another commit's.
    PreviewRunsAhead,
    /// Whoever makes previews deletes none.
    PreviewsStay,
    /// A builder does not say what repositories say.
    BuilderPassesOver,
    /// An agent runs in the place of a process beside web what the next one runs.
    ProcessesSwapPlaces,
    /// Whoever takes pushes in does not know where the branch stands.
    BranchForgets,
    /// A push is recorded without its becoming the app's source.
    PushIsHalfKnown,
    /// Whoever tells providers passes over what was live while they were told of something else.
    MomentsGoUntold,
    /// A provider hears of an earlier state of a deployment after the last one.
    ProviderHearsLate,
    /// An agent does not notice that whoever waits for a command is gone.
    NobodyNoticesSilence,
    /// An agent leaves out a piece of what a program wrote.
    TerminalsSkip,
    /// An agent does not wait for the last that a program wrote.
    EndComesEarly,
}

impl Plant {
    /// The mix of faults under which it is looked for.
    pub(crate) const fn profile(self, seed: u64) -> Profile {
        match self {
            Self::NothingExpires | Self::ContainerLeaks => Profile::Lossy,
            Self::AgentIgnoresGenerations
            | Self::EdgeGoesBack
            | Self::BuilderForgets
            | Self::NothingIsStartedAgain
            | Self::EdgeIsDeaf
            | Self::NobodyReturns
            | Self::WritersMeet
            | Self::MissedTimesRun
            | Self::LosesTrafficWhileDraining => Profile::All,
            Self::OldVersionNeverRetires
            | Self::RoutesBeforeHealth
            | Self::SwitchesUnconfirmed
            | Self::CutsRequests
            | Self::StopsWhatServes
            | Self::EdgeRoutesElsewhere
            | Self::EngineMakesTwo
            | Self::LosesTheLastEvent
            | Self::ProjectionSkipsAnEvent
            | Self::LosesClaims
            | Self::WritesWhatIsIllegal
            | Self::SkipsAVersion
            | Self::GenerationGoesBack
            | Self::NobodyWaitsForTheirTurn
            | Self::CalledOffGoesOn
            | Self::CutsLeaving
            | Self::NobodyLeaves
            | Self::TaskRunsTwice
            | Self::NobodyWaitsForTheRelease
            | Self::TasksEndWell
            | Self::RoutesToProcesses
            | Self::RoutesTheUnproven
            | Self::TimesRunTwice
            | Self::JobsOverlap
            | Self::RemovedJobsRun
            | Self::PausedJobsRun
            | Self::NobodyLooksAtJobs
            | Self::NobodyEndsRuns
            | Self::WorkerHearsFirst
            | Self::RunBeginsTwice
            | Self::TooManyPreviews
            | Self::ForksGetIn
            | Self::LateIsNew
            | Self::ClosedComesBack
            | Self::ForksAreGiven
            | Self::PreviewRunsAhead
            | Self::PreviewsStay
            | Self::BuilderPassesOver
            | Self::ProcessesSwapPlaces
            | Self::BranchForgets
            | Self::PushIsHalfKnown
            | Self::MomentsGoUntold
            | Self::ProviderHearsLate
            | Self::NobodyNoticesSilence
            | Self::TerminalsSkip
            | Self::EndComesEarly
            | Self::CancelledComesBack => Profile::of(seed),
        }
    }

    /// What the reconciler does wrong.
    pub(crate) fn in_effects(self, world: &World, mut effects: Vec<Effect>) -> Vec<Effect> {
        let view = &world.control.view;
        let observed = &world.control.observed;
        match self {
            Self::RoutesBeforeHealth => {
                for effect in &mut effects {
                    let Effect::PublishRoutes(routes) = effect else { continue };
                    for route in routes.values_mut() {
                        let Backend::Replicas { deployment, targets } = &mut route.backend else {
                            continue;
                        };
                        let seen = observed.workers.values().flat_map(|w| &w.report.replicas);
                        let all = seen.filter(|replica| replica.deployment == *deployment);
                        let more: Vec<_> = all.filter_map(|replica| replica.endpoint).collect();
                        targets.extend(
                            more.into_iter().filter(|t| !targets.contains(t)).collect::<Vec<_>>(),
                        );
                    }
                }
            }
            Self::SwitchesUnconfirmed | Self::CutsRequests | Self::LosesTrafficWhileDraining => {
                for (id, deployment) in &view.deployments {
                    let Some(attempt) = deployment.state.attempt() else { continue };
                    let command = match attempt.stage {
                        Stage::Switching { .. } if self == Self::SwitchesUnconfirmed => {
                            DeploymentCommand::ConfirmSwitch { at: world.control_now() }
                        }
                        Stage::Draining { .. }
                            if self == Self::CutsRequests
                                || (self == Self::LosesTrafficWhileDraining
                                    && !observed.routed_since.contains_key(id)) =>
                        {
                            DeploymentCommand::FinishDrain
                        }
                        Stage::Requested
                        | Stage::Queued { .. }
                        | Stage::Building { .. }
                        | Stage::Built { .. }
                        | Stage::Releasing { .. }
                        | Stage::Starting { .. }
                        | Stage::Healthy
                        | Stage::Switching { .. }
                        | Stage::Draining { .. }
                        | Stage::Live
                        | Stage::Ended(_) => continue,
                    };
                    effects.push(Effect::Deployment(*id, command));
                }
            }
            Self::StopsWhatServes => {
                for (worker, seen) in &observed.workers {
                    for held in seen.report.assignments.iter().filter(|held| !held.stopping) {
                        let live = view.deployments.get(&held.deployment).is_some_and(|view| {
                            view.state.attempt().is_some_and(|a| a.stage == Stage::Live)
                        });
                        if live && world.now.is_multiple_of(97) {
                            effects.push(Effect::SendStop {
                                worker: *worker,
                                deployment: held.deployment,
                                generation: held.generation + 1,
                            });
                        }
                    }
                }
            }
            Self::CutsLeaving => {
                let leaving = |of: &DeploymentView| {
                    of.state.attempt().is_some_and(|attempt| !attempt.leaving.is_empty())
                };
                let all = view.deployments.iter().filter(|(_, of)| leaving(of));
                effects.extend(
                    all.map(|(id, _)| Effect::Deployment(*id, DeploymentCommand::FinishLeaving)),
                );
            }
            Self::NobodyWaitsForTheRelease => {
                for effect in &mut effects {
                    if let Effect::SendRun { replicas, .. } = effect
                        && *replicas == [Hook::Release.index()]
                    {
                        replicas.push(0);
                    }
                }
            }
            Self::RoutesToProcesses => {
                for effect in &mut effects {
                    let Effect::PublishRoutes(routes) = effect else { continue };
                    for route in routes.values_mut() {
                        let Backend::Replicas { deployment, targets } = &mut route.backend else {
                            continue;
                        };
                        let machines = world.machines.iter();
                        let all = machines.flat_map(|machine| &machine.engine.containers);
                        let beside_web = all.filter(|(key, _)| {
                            key.deployment == *deployment && is_process(key.index)
                        });
                        targets.extend(beside_web.map(|(_, container)| container.address));
                    }
                }
            }
            Self::RoutesTheUnproven => {
                for effect in &mut effects {
                    let Effect::PublishRoutes(routes) = effect else { continue };
                    for app in view.apps.values().filter_map(|app| app.state.active()) {
                        let own = routes.get(&made::host_of(&app.name)).cloned();
                        let hosts = app.domains.iter().filter_map(|(host, _)| host.exact());
                        for (host, route) in hosts.zip(own.into_iter().cycle()) {
                            routes.entry(host.clone()).or_insert(route);
                        }
                    }
                }
            }
            Self::NobodyLeaves => effects.retain(|effect| {
                !matches!(effect, Effect::Deployment(_, DeploymentCommand::FinishLeaving))
            }),
            Self::OldVersionNeverRetires
            | Self::NothingExpires
            | Self::EdgeGoesBack
            | Self::EdgeRoutesElsewhere
            | Self::AgentIgnoresGenerations
            | Self::ContainerLeaks
            | Self::NothingIsStartedAgain
            | Self::EdgeIsDeaf
            | Self::NobodyReturns
            | Self::NobodyWaitsForTheirTurn
            | Self::EngineMakesTwo
            | Self::BuilderForgets
            | Self::LosesTheLastEvent
            | Self::ProjectionSkipsAnEvent
            | Self::LosesClaims
            | Self::WritesWhatIsIllegal
            | Self::SkipsAVersion
            | Self::GenerationGoesBack
            | Self::CalledOffGoesOn
            | Self::TaskRunsTwice
            | Self::TasksEndWell
            | Self::WritersMeet
            | Self::TimesRunTwice
            | Self::JobsOverlap
            | Self::RemovedJobsRun
            | Self::PausedJobsRun
            | Self::MissedTimesRun
            | Self::NobodyLooksAtJobs
            | Self::NobodyEndsRuns
            | Self::WorkerHearsFirst
            | Self::RunBeginsTwice
            | Self::TooManyPreviews
            | Self::ForksGetIn
            | Self::LateIsNew
            | Self::ClosedComesBack
            | Self::ForksAreGiven
            | Self::PreviewRunsAhead
            | Self::PreviewsStay
            | Self::BuilderPassesOver
            | Self::ProcessesSwapPlaces
            | Self::BranchForgets
            | Self::PushIsHalfKnown
            | Self::MomentsGoUntold
            | Self::ProviderHearsLate
            | Self::NobodyNoticesSilence
            | Self::TerminalsSkip
            | Self::EndComesEarly
            | Self::CancelledComesBack => {}
        }
        effects
    }
}

impl World {
    /// Whether a planted fault shows on this occasion.
    pub(crate) fn planted(&mut self, plant: Plant) -> bool {
        self.plant == Some(plant) && self.random.u32(..8) == 0
    }
}
