//! What a deployment does when asked: one function per command, each a table over the stages.

use super::{
    Attempt, BuildOutcome, BuiltImage, Deployment, DeploymentCommand, DeploymentEvent,
    DeploymentSpec, Fault, Origin, Outcome, Placement, Stage,
};
use crate::claims::ClaimChange;
use crate::declared::Declared;
use crate::ids::{DeploymentId, WorkerId};
use crate::limits;
use crate::machine::Machine;
use crate::priority::Priority;
use crate::record::AggregateKind;
use crate::rejection::Rejection;
use crate::time::Timestamp;

pub(super) type Decision = Result<Vec<DeploymentEvent>, Rejection>;

pub(super) const NOTHING: Decision = Ok(Vec::new());

impl Machine for Deployment {
    const KIND: AggregateKind = AggregateKind::Deployment;
    type Command = DeploymentCommand;
    type Event = DeploymentEvent;

    fn decide(&self, command: DeploymentCommand) -> Decision {
        match (self, command) {
            (Self::Absent, DeploymentCommand::Request(spec)) => request(spec),
            (Self::Absent, _before_any_request) => Err(Rejection::not_found("deployment")),
            (Self::Present(attempt), command) => attempt.decide(command),
        }
    }

    fn evolve(self, event: &DeploymentEvent) -> Self {
        super::evolve::evolve(self, event)
    }

    /// A deployment follows from what its app decided, and has to come to its end.
    fn priority(_command: &DeploymentCommand) -> Priority {
        Priority::Urgent
    }

    fn claims(&self, _event: &DeploymentEvent) -> Vec<ClaimChange> {
        Vec::new()
    }

    fn ended(&self) -> bool {
        match self {
            Self::Absent => false,
            Self::Present(attempt) => {
                matches!(attempt.stage, Stage::Ended(_)) && attempt.post_deploying().is_none()
            }
        }
    }
}

fn request(spec: Box<DeploymentSpec>) -> Decision {
    if spec.replicas == 0 || spec.replicas > limits::MOST_REPLICAS {
        return Err(Rejection::invalid(
            "replicas",
            format!("is 1 to {}; got {}", limits::MOST_REPLICAS, spec.replicas),
        ));
    }
    Ok(vec![DeploymentEvent::Requested(spec)])
}

impl Attempt {
    fn decide(&self, command: DeploymentCommand) -> Decision {
        use DeploymentCommand as Command;
        match command {
            Command::Request(spec) if *spec == self.spec => NOTHING,
            Command::Request(_) => Err(Rejection::Exists { what: "deployment".into() }),
            Command::Begin { at } => self.begin(at),
            Command::AcceptBuild { generation, worker } => self.accept_build(generation, worker),
            Command::LoseBuild { generation } => self.lose_build(generation),
            Command::FinishBuild { generation, outcome, at } => {
                self.finish_build(generation, outcome, at)
            }
            Command::MissImage { at } => self.miss_image(at),
            Command::Release { worker, at } => self.release(worker, at),
            Command::FinishRelease { at } => self.finish_release(at),
            Command::PostDeploy { worker, at } => self.post_deploy(worker, at),
            Command::FinishPostDeploy => self.finish_post_deploy(),
            Command::FailPostDeploy { fault } => self.fail_post_deploy(fault),
            Command::Place { placements, at } => self.place(placements, at),
            Command::Scale { replicas } => self.scale(replicas),
            Command::ScaleProcesses { processes } => self.scale_processes(processes),
            Command::Rescale { placements, at } => self.rescale(placements, at),
            Command::FinishLeaving => self.finish_leaving(),
            Command::BecomeHealthy => self.become_healthy(),
            Command::FailStart { fault } => self.fail_start(fault),
            Command::Switch { previous, at } => self.switch(previous, at),
            Command::ConfirmSwitch { at } => self.confirm_switch(at),
            Command::FinishDrain => self.finish_drain(),
            Command::LoseTraffic { fault } => self.lose_traffic(fault),
            Command::WaitOn { at } => self.wait_on(at),
            Command::Expire { at, waiting_for } => self.expire(at, waiting_for),
            Command::Cancel => self.cancel(),
            Command::Supersede => self.supersede(),
            Command::FailCanary { fault } => self.fail_canary(fault),
        }
    }

    fn end(&self, outcome: Outcome) -> Decision {
        Ok(vec![DeploymentEvent::Ended { app: self.spec.app, outcome }])
    }

    fn fail(&self, fault: Fault) -> Decision {
        self.end(Outcome::Failed { stage: self.stage.name(), fault: fault.bounded() })
    }

    fn begin(&self, at: Timestamp) -> Decision {
        match self.stage {
            Stage::Requested => Ok(vec![match &self.spec.origin {
                Origin::Build => DeploymentEvent::BuildQueued {
                    generation: 1,
                    until: at.plus(limits::BUILD_WAIT).plus(self.spec.build.within),
                },
                Origin::Deployment { built, .. } | Origin::Restart { built, .. } => {
                    let skipped =
                        DeploymentEvent::BuildSkipped { until: at.plus(limits::START_GRACE) };
                    return self.there(skipped, built);
                }
            }]),
            Stage::Queued { .. }
            | Stage::Building { .. }
            | Stage::Built { .. }
            | Stage::Starting { .. }
            | Stage::Healthy
            | Stage::Switching { .. }
            | Stage::Draining { .. }
            | Stage::Live
            | Stage::Releasing { .. }
            | Stage::Ended(_) => NOTHING,
        }
    }

    fn accept_build(&self, accepted: u32, worker: WorkerId) -> Decision {
        match self.stage {
            Stage::Queued { generation, .. } if generation == accepted => {
                Ok(vec![DeploymentEvent::BuildStarted { generation, worker }])
            }
            // Of an older giving out, repeated, or too late: the reconciler tells the builder.
            Stage::Queued { .. }
            | Stage::Requested
            | Stage::Building { .. }
            | Stage::Built { .. }
            | Stage::Starting { .. }
            | Stage::Healthy
            | Stage::Switching { .. }
            | Stage::Draining { .. }
            | Stage::Live
            | Stage::Releasing { .. }
            | Stage::Ended(_) => NOTHING,
        }
    }

    fn lose_build(&self, lost: u32) -> Decision {
        match self.stage {
            Stage::Building { generation, until, .. } if generation == lost => {
                if generation >= limits::BUILD_ATTEMPTS {
                    return self.fail(Fault::new(format!(
                        "the build was given out {generation} times and each builder was lost; \
                         see whether the agent keeps running and has enough memory, then deploy again"
                    )));
                }
                Ok(vec![DeploymentEvent::BuildQueued { generation: generation + 1, until }])
            }
            Stage::Building { .. }
            | Stage::Requested
            | Stage::Queued { .. }
            | Stage::Built { .. }
            | Stage::Starting { .. }
            | Stage::Healthy
            | Stage::Switching { .. }
            | Stage::Draining { .. }
            | Stage::Live
            | Stage::Releasing { .. }
            | Stage::Ended(_) => NOTHING,
        }
    }

    fn finish_build(&self, finished: u32, outcome: BuildOutcome, at: Timestamp) -> Decision {
        match (&self.stage, outcome) {
            // The report of the end may overtake the one of the start.
            (
                Stage::Queued { generation, .. } | Stage::Building { generation, .. },
                Ok(mut built),
            ) if *generation == finished => {
                // Nobody answers on it, and in the journal it would say that a site follows.
                if built.port == 0 && built.site.is_none() {
                    let stage = crate::deployment::StageName::Building;
                    let fault = Fault::new(
                        "the builder says that the app answers on port 0, which no app can; set \
                         the port that it listens on, bring the agents to the server's version, \
                         then deploy again",
                    );
                    return self.end(Outcome::Failed { stage, fault });
                }
                let mut declared = std::mem::take(&mut built.declared).bounded();
                if built.site.is_some() || self.spec.run.container.group.is_some() {
                    // Of a site nothing runs; and what runs of a group its Compose file says, which may make
                    // several apps of one repository.
                    declared = Declared::default();
                }
                let mut run = self.spec.run.clone();
                run.take_on(&declared);
                let says = run != self.spec.run;
                let says = says.then(|| DeploymentEvent::Declared(Box::new(declared)));
                let until = at.plus(limits::START_GRACE);
                let there =
                    self.there(DeploymentEvent::Built { built: built.clone(), until }, &built)?;
                Ok(says.into_iter().chain(there).collect())
            }
            (Stage::Queued { generation, .. } | Stage::Building { generation, .. }, Err(fault))
                if *generation == finished =>
            {
                let stage = crate::deployment::StageName::Building;
                self.end(Outcome::Failed { stage, fault: fault.bounded() })
            }
            (
                Stage::Queued { .. }
                | Stage::Building { .. }
                | Stage::Requested
                | Stage::Built { .. }
                | Stage::Starting { .. }
                | Stage::Healthy
                | Stage::Switching { .. }
                | Stage::Draining { .. }
                | Stage::Live
                | Stage::Releasing { .. }
                | Stage::Ended(_),
                Ok(_) | Err(_),
            ) => NOTHING,
        }
    }

    /// What was built is there. Of a site nothing has to be placed or started: it is fit for traffic.
    fn there(&self, how: DeploymentEvent, built: &BuiltImage) -> Decision {
        let healthy = DeploymentEvent::BecameHealthy { app: self.spec.app };
        Ok(std::iter::once(how).chain(built.site.is_some().then_some(healthy)).collect())
    }

    fn miss_image(&self, at: Timestamp) -> Decision {
        match self.stage {
            Stage::Built { .. } | Stage::Releasing { .. } | Stage::Starting { .. }
                if self.takes_over() =>
            {
                let until = at.plus(limits::BUILD_WAIT).plus(self.spec.build.within);
                Ok(vec![DeploymentEvent::ImageMissed { until }])
            }
            Stage::Built { .. }
            | Stage::Starting { .. }
            | Stage::Requested
            | Stage::Queued { .. }
            | Stage::Building { .. }
            | Stage::Healthy
            | Stage::Switching { .. }
            | Stage::Draining { .. }
            | Stage::Live
            | Stage::Releasing { .. }
            | Stage::Ended(_) => NOTHING,
        }
    }

    fn place(&self, placements: Vec<Placement>, at: Timestamp) -> Decision {
        match self.stage {
            // Nothing starts before that has run.
            Stage::Built { .. } if self.to_release().is_some() => NOTHING,
            Stage::Built { .. } => {
                let indices = placements.iter().map(|placement| placement.index);
                if !indices.eq(self.wanted()) {
                    return Err(Rejection::conflict(format!(
                        "a place is needed for each of the {} replicas, in their order",
                        self.wanted().count()
                    )));
                }
                let until = at.plus(self.start_most());
                Ok(vec![DeploymentEvent::Placed { placements, until }])
            }
            Stage::Requested
            | Stage::Queued { .. }
            | Stage::Building { .. }
            | Stage::Starting { .. }
            | Stage::Healthy
            | Stage::Switching { .. }
            | Stage::Draining { .. }
            | Stage::Live
            | Stage::Releasing { .. }
            | Stage::Ended(_) => NOTHING,
        }
    }

    fn become_healthy(&self) -> Decision {
        match self.stage {
            Stage::Starting { .. } => {
                Ok(vec![DeploymentEvent::BecameHealthy { app: self.spec.app }])
            }
            Stage::Requested
            | Stage::Queued { .. }
            | Stage::Building { .. }
            | Stage::Built { .. }
            | Stage::Healthy
            | Stage::Switching { .. }
            | Stage::Draining { .. }
            | Stage::Live
            | Stage::Releasing { .. }
            | Stage::Ended(_) => NOTHING,
        }
    }

    fn fail_start(&self, fault: Fault) -> Decision {
        match self.stage {
            Stage::Starting { .. } | Stage::Releasing { .. } => self.fail(fault),
            Stage::Requested
            | Stage::Queued { .. }
            | Stage::Building { .. }
            | Stage::Built { .. }
            | Stage::Healthy
            | Stage::Switching { .. }
            | Stage::Draining { .. }
            | Stage::Live
            | Stage::Ended(_) => NOTHING,
        }
    }

    fn fail_canary(&self, fault: Fault) -> Decision {
        match self.stage {
            Stage::Healthy => self.fail(fault),
            Stage::Requested
            | Stage::Queued { .. }
            | Stage::Building { .. }
            | Stage::Built { .. }
            | Stage::Starting { .. }
            | Stage::Switching { .. }
            | Stage::Draining { .. }
            | Stage::Live
            | Stage::Releasing { .. }
            | Stage::Ended(_) => NOTHING,
        }
    }

    fn switch(&self, previous: Option<DeploymentId>, at: Timestamp) -> Decision {
        match self.stage {
            Stage::Healthy => Ok(vec![DeploymentEvent::SwitchStarted {
                previous,
                until: at.plus(self.switch_most()),
            }]),
            Stage::Requested
            | Stage::Queued { .. }
            | Stage::Building { .. }
            | Stage::Built { .. }
            | Stage::Starting { .. }
            | Stage::Switching { .. }
            | Stage::Draining { .. }
            | Stage::Live
            | Stage::Releasing { .. }
            | Stage::Ended(_) => NOTHING,
        }
    }

    fn confirm_switch(&self, at: Timestamp) -> Decision {
        match self.stage {
            Stage::Switching { previous, .. } => {
                let until = at.plus(self.spec.drain_within);
                let switched = DeploymentEvent::Switched { previous, until };
                if previous.is_some() {
                    return Ok(vec![switched]);
                }
                // Nobody to wait for.
                Ok(vec![switched, DeploymentEvent::WentLive { app: self.spec.app }])
            }
            Stage::Requested
            | Stage::Queued { .. }
            | Stage::Building { .. }
            | Stage::Built { .. }
            | Stage::Starting { .. }
            | Stage::Healthy
            | Stage::Draining { .. }
            | Stage::Live
            | Stage::Releasing { .. }
            | Stage::Ended(_) => NOTHING,
        }
    }

    fn finish_drain(&self) -> Decision {
        match self.stage {
            Stage::Draining { .. } => Ok(vec![DeploymentEvent::WentLive { app: self.spec.app }]),
            Stage::Requested
            | Stage::Queued { .. }
            | Stage::Building { .. }
            | Stage::Built { .. }
            | Stage::Starting { .. }
            | Stage::Healthy
            | Stage::Switching { .. }
            | Stage::Live
            | Stage::Releasing { .. }
            | Stage::Ended(_) => NOTHING,
        }
    }

    fn lose_traffic(&self, fault: Fault) -> Decision {
        match self.stage {
            Stage::Draining { .. } => self.fail(fault),
            Stage::Requested
            | Stage::Queued { .. }
            | Stage::Building { .. }
            | Stage::Built { .. }
            | Stage::Starting { .. }
            | Stage::Healthy
            | Stage::Switching { .. }
            | Stage::Live
            | Stage::Releasing { .. }
            | Stage::Ended(_) => NOTHING,
        }
    }

    fn wait_on(&self, at: Timestamp) -> Decision {
        match self.stage {
            // What is given out with less than its whole time would not have it through no fault of its own.
            Stage::Queued { generation, until } if at.plus(self.spec.build.within) >= until => {
                let until = at.plus(limits::BUILD_WAIT).plus(self.spec.build.within);
                Ok(vec![DeploymentEvent::BuildQueued { generation, until }])
            }
            Stage::Queued { .. }
            | Stage::Requested
            | Stage::Building { .. }
            | Stage::Built { .. }
            | Stage::Starting { .. }
            | Stage::Healthy
            | Stage::Switching { .. }
            | Stage::Draining { .. }
            | Stage::Live
            | Stage::Releasing { .. }
            | Stage::Ended(_) => NOTHING,
        }
    }

    fn expire(&self, at: Timestamp, waiting_for: Fault) -> Decision {
        let overdue = self.stage.until().is_some_and(|until| at >= until);
        if !overdue {
            return NOTHING;
        }
        match self.stage {
            // What still runs then is cut off; the new version serves either way.
            Stage::Draining { .. } => self.finish_drain(),
            Stage::Queued { .. }
            | Stage::Building { .. }
            | Stage::Built { .. }
            | Stage::Releasing { .. }
            | Stage::Starting { .. }
            | Stage::Switching { .. } => self.fail(waiting_for),
            Stage::Requested | Stage::Healthy | Stage::Live | Stage::Ended(_) => NOTHING,
        }
    }

    fn cancel(&self) -> Decision {
        match self.stage {
            Stage::Requested
            | Stage::Queued { .. }
            | Stage::Building { .. }
            | Stage::Built { .. }
            | Stage::Releasing { .. }
            | Stage::Starting { .. }
            | Stage::Healthy => self.end(Outcome::Cancelled),
            Stage::Switching { .. } | Stage::Draining { .. } => Err(Rejection::conflict(
                "the traffic is moving to this deployment already and it can no longer be \
                 cancelled; deploy the version you want instead",
            )),
            Stage::Live => Err(Rejection::conflict(
                "this deployment is live; deploy another version to replace it",
            )),
            Stage::Ended(Outcome::Cancelled) => NOTHING,
            Stage::Ended(Outcome::Superseded | Outcome::Failed { .. }) => Err(Rejection::conflict(
                format!("this deployment has already ended: {}", self.stage.name()),
            )),
        }
    }

    fn supersede(&self) -> Decision {
        match self.stage {
            Stage::Requested
            | Stage::Queued { .. }
            | Stage::Building { .. }
            | Stage::Built { .. }
            | Stage::Starting { .. }
            | Stage::Healthy
            | Stage::Switching { .. }
            | Stage::Draining { .. }
            | Stage::Releasing { .. }
            | Stage::Live => self.end(Outcome::Superseded),
            Stage::Ended(_) => NOTHING,
        }
    }
}
