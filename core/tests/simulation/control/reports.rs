//! What reports mean: noted as seen, and commands where they concern an aggregate.

use hythe_core::deployment::{Deployment, DeploymentCommand, Stage};
use hythe_core::observed::{BuildSeen, Carries, EdgeSeen, WorkerSeen};
use hythe_core::record::Actor;
use hythe_core::wire::build::{BuildProgress, BuildReport};
use hythe_core::wire::edge::EdgeReport;
use hythe_core::wire::worker::WorkerReport;
use hythe_core::worker::{Lease, Worker, WorkerCommand};

use crate::aggregate::Waiter;
use crate::network::Envelope;
use crate::plant::Plant;
use crate::world::World;

impl World {
    pub(crate) fn hear_worker(&mut self, report: WorkerReport) {
        let now = self.control_now();
        let (id, name, capacity) = (report.worker, report.name.clone(), report.capacity.clone());
        self.control.observed.workers.insert(id, WorkerSeen::new(report, now));
        self.wake_reconciler();
        let member = self.control.view.workers.get(&id).and_then(|view| view.state.member());
        if member.is_some_and(|m| m.lease == Lease::Held && m.capacity == capacity) {
            return;
        }
        if member.is_some() && self.plant == Some(Plant::NobodyReturns) {
            return;
        }
        let meta = self.meta(Actor::Worker(id), None);
        let command = WorkerCommand::Register { id, name, capacity };
        self.command::<Worker>(id.uuid(), command, meta, Waiter::Nobody);
    }

    pub(crate) fn hear_edge(&mut self, report: EdgeReport) {
        self.judge_heard(&report);
        let heard_at = self.control_now();
        let EdgeReport { edge, revision, busy, leaving, behind, unasked, wanted, .. } = report;
        let carries = Carries::Known { busy, leaving };
        let seen =
            EdgeSeen { behind, unasked, wanted, ..EdgeSeen::new(revision, carries, heard_at) };
        self.control.observed.edges.insert(edge, seen);
        self.wake_reconciler();
    }

    pub(crate) fn hear_build(&mut self, report: BuildReport, envelope: Box<Envelope>) {
        let at = self.control_now();
        let BuildReport { worker, deployment, generation, progress, format: _, at: _ } = report;
        let seen = BuildSeen { generation, worker, heard_at: at };
        let command = match progress {
            BuildProgress::Accepted | BuildProgress::Running => {
                let newest = self.control.observed.builds.entry(deployment).or_insert(seen);
                if newest.generation <= generation {
                    *newest = seen;
                }
                let queued = self.attempt(deployment).is_some_and(|attempt| {
                    matches!(attempt.stage, Stage::Queued { generation: g, .. } if g == generation)
                });
                if progress == BuildProgress::Running && !queued {
                    return;
                }
                DeploymentCommand::AcceptBuild { generation, worker }
            }
            BuildProgress::Finished(outcome) => {
                DeploymentCommand::FinishBuild { generation, outcome, at }
            }
            BuildProgress::Cancelled => return,
        };
        let cause = self.control.view.deployments.get(&deployment).map(|view| view.last);
        let meta = self.meta(Actor::Worker(worker), cause);
        self.command::<Deployment>(deployment.uuid(), command, meta, Waiter::Report(envelope));
    }
}
