//! Every bound and deadline in one place. Spans are in milliseconds.

use crate::time::Millis;

/// From one heartbeat of an edge to the next.
pub const EDGE_HEARTBEAT: Millis = Millis(2_000);
/// An edge not heard of for this long is taken for dead and not waited for.
pub const EDGE_LEASE: Millis = Millis(7_000);
/// From one inventory of a worker to the next, when nothing changes.
pub const WORKER_HEARTBEAT: Millis = Millis(5_000);
/// A worker not heard of for this long is taken for lost.
pub const WORKER_LEASE: Millis = Millis(30_000);
/// From one sign of life of a running build to the next.
pub const BUILD_HEARTBEAT: Millis = Millis(5_000);
/// A build not heard of for this long is given to a builder anew.
pub const BUILD_LEASE: Millis = Millis(45_000);
/// A build not heard of for this long is asked after: its command is sent again, and the builder
/// answers how it stands.
pub const BUILD_SILENCE: Millis = Millis(12_000);
/// An order or build command whose effect is not seen is sent again after this long.
pub const RESEND_AFTER: Millis = Millis(10_000);
/// Revisions of route tables that are remembered: an edge further behind follows none of them.
pub const MOST_REVISIONS: usize = 1_024;
/// The longest from one look of the reconciler to the next. Where it was longer the clock was set,
/// or the process stood still.
pub const LOOK_WITHIN: Millis = Millis(3_000);
/// How long observations without news are kept.
pub const OBSERVED_KEPT: Millis = Millis(10 * 60_000);
/// How often a build is given out before it fails for want of a builder that finishes.
pub const BUILD_ATTEMPTS: u32 = 4;
/// How long one build may take, waiting for a builder included.
pub const BUILD_WITHIN: Millis = Millis(30 * 60_000);
/// How long a deployment may wait for a worker, and its replicas for an answer of the worker,
/// beyond what its health check allows.
pub const START_GRACE: Millis = Millis(120_000);
/// How long the edges may take to confirm a switch.
pub const SWITCH_WITHIN: Millis = Millis(120_000);
/// How long requests may go on after the switch.
pub const DRAIN_WITHIN: Millis = Millis(30_000);
/// From SIGTERM to SIGKILL.
pub const STOP_WITHIN: Millis = Millis(10_000);
/// First wait before an exited replica of a live deployment is started again; doubles.
pub const RESTART_BACKOFF_FIRST: Millis = Millis(1_000);
/// Longest such wait.
pub const RESTART_BACKOFF_MOST: Millis = Millis(60_000);

/// A worker not heard of for this long is let go after a restoration where another one has come up
/// under its name.
pub const REPLACED_AFTER: Millis = Millis(10_000);
/// How long after a restoration what was live is made to run again by itself.
pub const RECOVER_WITHIN: Millis = Millis(24 * 3_600_000);
/// From one scheduled backup to the next, at the least.
pub const BACKUP_EVERY_LEAST: Millis = Millis(60_000);
/// And at the most.
pub const BACKUP_EVERY_MOST: Millis = Millis(366 * 24 * 3_600_000);
/// First wait before a scheduled backup that failed is tried again; doubles.
pub const BACKUP_RETRY_FIRST: Millis = Millis(60_000);
/// Longest such wait.
pub const BACKUP_RETRY_MOST: Millis = Millis(3_600_000);
/// How many scheduled backups can be kept.
pub const MOST_BACKUPS_KEPT: u16 = 1_000;

/// Replicas of one app.
pub const MOST_REPLICAS: u16 = 64;
/// Environment variables of one app.
pub const MOST_ENV: usize = 512;
/// Bytes in all environment variables of one app.
pub const MOST_ENV_BYTES: usize = 256 * 1024;
/// Domains of one app besides its own host name.
pub const MOST_DOMAINS: usize = 64;
/// Lines of log that go with a failure.
pub const MOST_TAIL_LINES: usize = 20;
/// Bytes of one line of log; longer ones are cut and say so.
pub const MOST_LINE_BYTES: usize = 8 * 1024;
/// Bytes of one line that goes with a failure.
pub const MOST_TAIL_LINE_BYTES: usize = 400;
/// Bytes of the message of a failure.
pub const MOST_REASON_BYTES: usize = 1_000;
/// Ended deployments of one app that lists keep.
pub const MOST_ENDED_KEPT: usize = 100;
