//! Reports from workers, builders and edges: what they saw is noted, and what it means for an
//! aggregate becomes a command.
//!
//! A report about a build is acknowledged only after its command is durable. Repeated and late
//! ones do no harm: the commands are idempotent. Inventories and edge reports count only as the
//! newest of each, so whatever piled up while nobody listened is passed over.

use std::time::Duration;

use hythe_core::deployment::{Deployment, DeploymentCommand, Stage};
use hythe_core::ids::{CorrelationId, DeploymentId, EdgeId, InstallationId};
use hythe_core::limits;
use hythe_core::observed::{BuildSeen, Carries, EdgeSeen, Observed, WorkerSeen};
use hythe_core::record::{Actor, Meta};
use hythe_core::wire::FORMAT;
use hythe_core::wire::build::{BuildProgress, BuildReport};
use hythe_core::wire::edge::EdgeReport;
use hythe_core::wire::subjects;
use hythe_core::wire::worker::WorkerReport;
use hythe_core::worker::{Lease, Worker, WorkerCommand};
use hythe_store::steps::Step;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::aggregate::{CommandError, Extras, Hosted, Hosts};
use crate::bus::{Bus, ConsumerSpec, Delivery, Verdict};
use crate::clock::Clock;
use crate::observatory::Observatory;
use crate::views::Views;

/// Builds whose reports are fetched ahead.
const BUILD_REPORTS_AHEAD: usize = 16;
/// Workers, and edges, that are remembered at once.
const MOST_SEEN: usize = 4_096;
/// When a report is looked at again whose command found no room.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Who listens to reports.
#[derive(Clone, Debug)]
pub struct Reports<V> {
    /// This installation: others' workers are none of ours.
    pub installation: InstallationId,
    /// Where reports come from.
    pub bus: Bus,
    /// Who takes the commands.
    pub hosts: Hosts,
    /// Where what was seen is noted.
    pub observatory: Observatory,
    /// What is known.
    pub views: V,
    /// What time it is.
    pub clock: Clock,
}

impl<V: Views> Reports<V> {
    /// Listens until `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        let builds = ConsumerSpec {
            stream: subjects::REPORTS.into(),
            durable: "control-builds".into(),
            filter: "hythe.report.build.>".into(),
            ahead: BUILD_REPORTS_AHEAD,
            settled: Step::BuildReportSettled,
        };
        tokio::join!(
            self.bus.consume(builds, stop.clone(), |delivery| self.build(delivery)),
            self.bus.consume_newest(
                subjects::REPORTS,
                "hythe.report.worker.>",
                Step::WorkerReportSettled,
                stop.clone(),
                |delivery| self.worker(delivery)
            ),
            self.bus.consume_newest(
                subjects::REPORTS,
                "hythe.report.edge.>",
                Step::EdgeReportSettled,
                stop.clone(),
                |delivery| self.edge(delivery)
            ),
        );
    }

    async fn build(&self, delivery: Delivery) -> Verdict {
        let report: BuildReport = match delivery.json() {
            Ok(report) => report,
            Err(error) => return refuse(&delivery, &error.to_string()),
        };
        if report.format != FORMAT {
            return refuse(&delivery, &unknown_format(report.format));
        }
        let BuildReport { worker, deployment, generation, progress, format: _, at: _ } = report;
        let now = self.clock.now();
        let note = |observed: &mut hythe_core::observed::Observed| {
            let seen = BuildSeen { generation, worker, heard_at: now };
            let newest = observed.builds.entry(deployment).or_insert(seen);
            if newest.generation <= generation {
                *newest = seen;
            }
        };
        let command = match progress {
            BuildProgress::Accepted => {
                self.observatory.note_quietly(note);
                DeploymentCommand::AcceptBuild { generation, worker }
            }
            BuildProgress::Running => {
                self.observatory.note_quietly(note);
                if !self.waits_for_a_builder(deployment, generation) {
                    return Verdict::Done;
                }
                // The word that it was taken on was lost: whoever works on it has.
                DeploymentCommand::AcceptBuild { generation, worker }
            }
            BuildProgress::Finished(outcome) => {
                DeploymentCommand::FinishBuild { generation, outcome, at: now }
            }
            BuildProgress::Cancelled => return Verdict::Done,
        };
        let meta = self.meta_of(deployment, Actor::Worker(worker));
        let host = Deployment::host(&self.hosts);
        verdict(host.command(deployment.uuid(), command, Extras::from(meta)).await.map(drop))
    }

    fn waits_for_a_builder(&self, deployment: DeploymentId, given_out: u32) -> bool {
        self.views.look(|view| {
            let attempt = view.deployments.get(&deployment).and_then(|view| view.state.attempt());
            attempt.is_some_and(|attempt| {
                matches!(attempt.stage, Stage::Queued { generation, .. } if generation == given_out)
            })
        })
    }

    /// Whether it lay there for so long before we listened that it says nothing about now. Only
    /// then does the clock of NATS's machine count, which may be wrong.
    fn is_stale(&self, delivery: &Delivery) -> bool {
        delivery.backlog && self.clock.now().since(delivery.published) >= limits::WORKER_LEASE
    }

    /// Part of what set the deployment off, and because of its newest event.
    fn meta_of(&self, deployment: DeploymentId, actor: Actor) -> Meta {
        let known = self.views.look(|view| {
            let deployment = view.deployments.get(&deployment)?;
            Some((deployment.requested.correlation, deployment.last))
        });
        let correlation = known.map_or_else(new_correlation, |(correlation, _)| correlation);
        let causation = known.map(|(_, last)| last);
        Meta { at: self.clock.now(), actor, correlation, causation }
    }

    async fn worker(&self, delivery: Delivery) -> Verdict {
        let report: WorkerReport = match delivery.json() {
            Ok(report) => report,
            Err(error) => return refuse(&delivery, &error.to_string()),
        };
        if report.format != FORMAT {
            return refuse(&delivery, &unknown_format(report.format));
        }
        if report.installation != self.installation {
            let theirs = report.installation;
            return refuse(&delivery, &format!("it belongs to installation {theirs}"));
        }
        if self.is_stale(&delivery) {
            return Verdict::Done;
        }
        let (id, name, capacity) = (report.worker, report.name.clone(), report.capacity.clone());
        let now = self.clock.now();
        let told = |observed: &mut hythe_core::observed::Observed| {
            if observed.workers.len() >= MOST_SEEN && !observed.workers.contains_key(&id) {
                return false;
            }
            let new = WorkerSeen::new(report, now).after(observed.workers.get(&id));
            let old = observed.workers.insert(id, new);
            let same = old.zip(observed.workers.get(&id)).is_some_and(|(old, new)| {
                let mut old = old.report;
                old.at = new.report.at;
                old == new.report
            });
            !same
        };
        if self.observatory.note_quietly(told) {
            self.observatory.note(|_| ());
        }
        let known = self.views.look(|view| {
            let member = view.workers.get(&id)?.state.member()?;
            Some(member.lease == Lease::Held && member.capacity == capacity)
        });
        if known == Some(true) {
            return Verdict::Done;
        }
        let actor = Actor::Worker(id);
        let correlation = new_correlation();
        let meta = Meta { at: now, actor, correlation, causation: None };
        let command = WorkerCommand::Register { id, name, capacity };
        let host = Worker::host(&self.hosts);
        verdict(host.command(id.uuid(), command, Extras::from(meta)).await.map(drop))
    }

    async fn edge(&self, delivery: Delivery) -> Verdict {
        let report: EdgeReport = match delivery.json() {
            Ok(report) => report,
            Err(error) => return refuse(&delivery, &error.to_string()),
        };
        if report.format != FORMAT {
            return refuse(&delivery, &unknown_format(report.format));
        }
        if self.is_stale(&delivery) {
            return Verdict::Done;
        }
        if report.ended {
            self.observatory.note(|observed| drop(observed.edges.remove(&report.edge)));
            return Verdict::Done;
        }
        let carries = Carries::Known { busy: report.busy, leaving: report.leaving };
        let seen = EdgeSeen {
            said_at: report.at,
            live: !delivery.backlog,
            sealing_key: report.sealing_key,
            challenges: report.challenges,
            behind: report.behind,
            unasked: report.unasked,
            wanted: report.wanted,
            ..EdgeSeen::new(report.revision, carries, self.clock.now())
        };
        self.observatory.note(|observed| note_edge(observed, report.edge, seen));
        Verdict::Done
    }
}

/// Notes what was heard of an edge.
pub(crate) fn note_edge(observed: &mut Observed, edge: EdgeId, seen: EdgeSeen) {
    if observed.edges.len() < MOST_SEEN || observed.edges.contains_key(&edge) {
        observed.edges.insert(edge, seen);
    }
}

pub(crate) fn new_correlation() -> CorrelationId {
    CorrelationId::new(Uuid::now_v7())
}

fn unknown_format(format: u16) -> String {
    format!(
        "it has format {format} and this server knows {FORMAT}; run the same version everywhere"
    )
}

fn refuse(delivery: &Delivery, why: &str) -> Verdict {
    tracing::warn!(subject = delivery.subject, why, "a report was refused");
    Verdict::Refuse
}

fn verdict(result: Result<(), CommandError>) -> Verdict {
    match result {
        Ok(()) => Verdict::Done,
        Err(CommandError::Busy { .. } | CommandError::NoRoom(_) | CommandError::Unavailable(_)) => {
            Verdict::Again(AGAIN_AFTER)
        }
        Err(error @ (CommandError::Rejected(_) | CommandError::ClaimTaken { .. })) => {
            tracing::warn!(%error, "what a report means was refused");
            Verdict::Done
        }
    }
}
