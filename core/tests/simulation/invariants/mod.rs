//! What must hold, looked at after every step and at every effect.
//!
//! Each `invariant_` says of the world as it truly is what no fault may break. The truth is kept
//! beside the simulated roles, from what became durable and what was done.

mod crons;
mod effects;
mod history;
mod pulls;
mod pushes;
mod settled;
mod state;
mod statuses;
mod terminals;
mod traffic;

use std::collections::{BTreeMap, BTreeSet};

use hythe_core::app::App;
use hythe_core::argv::Argv;
use hythe_core::declared::Declared;
use hythe_core::deployment::StageName;
use hythe_core::event::Event;
use hythe_core::ids::{AppId, DeploymentId};
use hythe_core::plan::ReplicaKey;
use hythe_core::process::ProcessName;
use hythe_core::record::{Recorded, Sequence, StreamId};
use hythe_core::routes::RouteTable;

use self::crons::Jobs;
use self::pulls::Pulls;
use self::pushes::Pushes;
use self::statuses::Statuses;
use self::terminals::Terminals;
use crate::world::World;

/// Steps from one look at everything to the next.
const LOOK_EVERY: u64 = 2_048;

/// Something that must hold does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Breach {
    pub(crate) invariant: &'static str,
    pub(crate) what: String,
}

impl Breach {
    pub(crate) const fn new(invariant: &'static str, what: String) -> Self {
        Self { invariant, what }
    }
}

/// What a check says.
pub(crate) type Verdict = Result<(), String>;

/// A deployment, by its durable events.
#[derive(Clone, Debug)]
struct Told {
    app: AppId,
    /// Whether it takes the image of an earlier one.
    takes_over: bool,
    stage: StageName,
    was_healthy: bool,
    was_live: bool,
    /// Whether it is made of a repository somewhere else, and of which commit is known.
    of_git: bool,
    is_built: bool,
    generation: u32,
    builder: Option<u32>,
    /// Whether a release command has to end well before anything starts.
    to_release: bool,
    /// What runs beside web by its settings.
    own: BTreeMap<ProcessName, Argv>,
    /// What its repository says of what runs.
    says: Declared,
    /// Whether it writes to a volume.
    writes: bool,
    /// Whether a post-deploy command is to run once it is live.
    to_post_deploy: bool,
    /// Whether that runs.
    post_deploying: bool,
    /// The promotion that took its place.
    superseded: Option<Sequence>,
}

/// What truly happened.
#[derive(Debug)]
pub(crate) struct Truth {
    /// Every event that became durable.
    witness: Vec<Recorded<Event>>,
    versions: BTreeMap<StreamId, u64>,
    told: BTreeMap<DeploymentId, Told>,
    apps: BTreeMap<AppId, App>,
    called_off: BTreeSet<DeploymentId>,
    acknowledged: Sequence,
    /// Every table that was published.
    tables: BTreeMap<u64, RouteTable>,
    /// When each edge was heard of, in which life of it and of the control plane.
    heard: Vec<(u32, u32, u64)>,
    builds: BTreeMap<(usize, DeploymentId, u32), u32>,
    containers: BTreeMap<(usize, ReplicaKey), u32>,
    /// How often each task was begun.
    tasks: BTreeMap<ReplicaKey, u32>,
    /// Tasks that ended well.
    well: BTreeSet<ReplicaKey>,
    /// The newest order that each worker heard about each deployment.
    orders: BTreeMap<(usize, DeploymentId), u64>,
    pub(crate) jobs: Jobs,
    pub(crate) pulls: Pulls,
    pushes: Pushes,
    pub(crate) statuses: Statuses,
    pub(crate) terminals: Terminals,
}

impl Truth {
    pub(crate) fn new(edges: usize) -> Self {
        Self {
            witness: Vec::new(),
            versions: BTreeMap::new(),
            told: BTreeMap::new(),
            apps: BTreeMap::new(),
            called_off: BTreeSet::new(),
            acknowledged: Sequence(0),
            tables: BTreeMap::new(),
            heard: vec![(u32::MAX, 0, 0); edges],
            builds: BTreeMap::new(),
            containers: BTreeMap::new(),
            tasks: BTreeMap::new(),
            well: BTreeSet::new(),
            orders: BTreeMap::new(),
            jobs: Jobs::default(),
            pulls: Pulls::default(),
            pushes: Pushes::default(),
            statuses: Statuses::default(),
            terminals: Terminals::default(),
        }
    }

    pub(crate) fn stage(&self, deployment: DeploymentId) -> Option<StageName> {
        self.told.get(&deployment).map(|told| told.stage)
    }

    /// A task exited with 0.
    pub(crate) fn ended_well(&mut self, key: ReplicaKey) {
        self.well.insert(key);
    }

    /// An engine lost a task's container, so that nobody can tell whether it ran.
    pub(crate) fn task_is_lost(&mut self, key: ReplicaKey) {
        self.tasks.remove(&key);
    }

    /// Whether a deployment writes to a volume.
    pub(crate) fn writes(&self, deployment: DeploymentId) -> bool {
        self.told.get(&deployment).is_some_and(|told| told.writes)
    }

    /// How each deployment stands now.
    pub(crate) fn stages(&self) -> impl Iterator<Item = (DeploymentId, StageName)> {
        self.told.iter().map(|(id, told)| (*id, told.stage))
    }
}

impl World {
    /// Notes the first thing that does not hold.
    pub(crate) fn holds(&mut self, invariant: &'static str, verdict: Verdict) {
        if let Err(what) = verdict {
            self.note(format_args!("BROKEN {invariant}: {what}"));
            self.breach.get_or_insert(Breach::new(invariant, what));
        }
    }

    /// After every step.
    pub(crate) fn after_step(&mut self) {
        let verdict = self.invariant_one_live_deployment();
        self.holds("one_live_deployment", verdict);
        if self.steps.is_multiple_of(LOOK_EVERY) {
            self.look_at_everything();
        }
    }

    /// What takes too long to look at after every step.
    pub(crate) fn look_at_everything(&mut self) {
        let verdict = self.invariant_nothing_durable_is_lost();
        self.holds("nothing_durable_is_lost", verdict);
        let verdict = self.invariant_log_and_state_agree();
        self.holds("log_and_state_agree", verdict);
        let verdict = self.invariant_claims_and_names_agree();
        self.holds("claims_and_names_agree", verdict);
    }
}
