//! Every bound and deadline in one place. Spans are in milliseconds.

use crate::time::Millis;

/// For so long an app that was deleted may be restored.
pub const DISCARDED_KEPT: Millis = Millis::seconds(24 * 60 * 60);
/// For so long a server has to have run before such an app goes for good: a clock that was wrong when
/// the machine started is mostly put right by then.
pub const EXPIRES_AFTER: Millis = Millis::seconds(60 * 60);
/// A proxy that asks for its routes, and was not heard of for this long, is taken for gone. Traefik asks
/// every 5 seconds unless told otherwise.
pub const POLLER_LEASE: Millis = Millis(30_000);
/// So long after it was given routes, such a proxy goes by them. Traefik waits up to 2 seconds between
/// two changes of its configuration unless told otherwise (`providersThrottleDuration`).
pub const POLLER_APPLIES_WITHIN: Millis = Millis(3_000);
/// Users that may see an app.
pub const MOST_EDGE_USERS: usize = 64;
/// Ranges of addresses from which an app may be seen.
pub const MOST_EDGE_NETWORKS: usize = 256;
/// Requests a second, and at once, that a limit of them may be set to.
pub const MOST_EDGE_RATE: u32 = 1_000_000;
/// For so long at the most a request waits for an app that is starting.
pub const EDGE_WAIT_MOST: Millis = Millis::seconds(300);
/// The least and the most that an app may be given to begin its answer.
pub const EDGE_ANSWER_LEAST: Millis = Millis::seconds(1);
/// See there.
pub const EDGE_ANSWER_MOST: Millis = Millis::seconds(3_600);
/// The least and the most that nobody may have asked for an app before it is put to sleep.
pub const EDGE_SLEEP_LEAST: Millis = Millis::seconds(5);
/// See there.
pub const EDGE_SLEEP_MOST: Millis = Millis::seconds(30 * 24 * 3_600);
/// For so long at the least a request waits for an app that sleeps, whatever holds for one that starts.
pub const EDGE_WAKE_WITHIN: Millis = Millis::seconds(30);
/// Apps of which one report of an edge says that nobody asks for them, and as many that somebody asks for
/// while they sleep. The others' turn comes with the next ones.
pub const MOST_SLEEP_TOLD: usize = 1_000;
/// For how many seconds browsers may be told to come by https only: two years.
pub const EDGE_HSTS_MOST: u32 = 63_072_000;
/// For how many seconds at the least where browsers are to have it built in: a year, as
/// <https://hstspreload.org> asks for.
pub const EDGE_HSTS_PRELOAD_LEAST: u32 = 31_536_000;
/// How long a canary goes on where nothing is said.
pub const CANARY_USUAL: Millis = Millis::seconds(24 * 3_600);
/// The least and the most that one may go on.
pub const CANARY_LEAST: Millis = Millis::seconds(60);
/// See there.
pub const CANARY_MOST: Millis = Millis::seconds(7 * 24 * 3_600);
/// Places at hosts of other apps that an app may be at.
pub const MOST_MOUNTS: usize = 16;
/// Segments of the path of such a place.
pub const MOST_MOUNT_SEGMENTS: usize = 8;
/// Lines a second that one edge writes into an app's access log of requests that went well, and as many
/// again of those that did not. What is beyond that is counted and not told.
pub const ACCESS_LINES_PER_SECOND: u32 = 100;
/// Bytes of a path in an access log, escaped.
pub const MOST_ACCESS_PATH: usize = 1_024;
/// Bytes of a method, host, id, user agent or referer there, escaped.
pub const MOST_ACCESS_TEXT: usize = 256;
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
/// Messages of which it is remembered that they could not be sent, and why.
pub const MOST_UNSENT: usize = 1_024;
/// How long observations without news are kept.
pub const OBSERVED_KEPT: Millis = Millis(10 * 60_000);
/// How often a build is given out before it fails for want of a builder that finishes.
pub const BUILD_ATTEMPTS: u32 = 4;
/// How long one build may take once a builder works on it, unless the app says otherwise.
pub const BUILD_WITHIN: Millis = Millis(30 * 60_000);
/// The least that an app may say.
pub const BUILD_WITHIN_LEAST: Millis = Millis(10_000);
/// The most that an app may say.
pub const BUILD_WITHIN_MOST: Millis = Millis(4 * 3_600_000);
/// How long a build may wait for a builder, and for other builds to be done, in all.
pub const BUILD_WAIT: Millis = Millis(30 * 60_000);
/// How long after it was queued a build whose turn it is may still be given its time anew.
pub const BUILD_TURN_WITHIN: Millis = Millis(24 * 3_600_000);
/// Submodules of one repository, those of its submodules included.
pub const MOST_SUBMODULES: usize = 100;
/// How deep submodules of submodules are fetched.
pub const MOST_SUBMODULE_DEPTH: usize = 5;
/// Build arguments of one app.
pub const MOST_BUILD_ARGS: usize = 64;
/// How long a deployment may wait for a worker, and its replicas for an answer of the worker,
/// beyond what its health check allows.
pub const START_GRACE: Millis = Millis(120_000);
/// How long a command that runs once for each deployment may take, unless the app says otherwise.
pub const HOOK_WITHIN: Millis = Millis(10 * 60_000);
/// The least that an app may say.
pub const HOOK_WITHIN_LEAST: Millis = Millis(1_000);
/// The most that an app may say.
pub const HOOK_WITHIN_MOST: Millis = Millis(4 * 3_600_000);
/// A process beside web counts as ready once one of its replicas has stayed up for so long.
pub const PROCESS_UP_FOR: Millis = Millis(5_000);
/// How long the edges may take to confirm a switch; to a static site, longer by what follows.
pub const SWITCH_WITHIN: Millis = Millis(120_000);
/// Bytes of a static site that an edge is taken to fetch in a second at the least: it leads there once it has
/// all of it.
pub const SITE_BYTES_A_SECOND: u64 = 512 * 1024;
/// The most time that edges are given for that.
pub const SITE_SWITCH_MORE_MOST: Millis = Millis(30 * 60_000);
/// Files of one static site: Cloudflare Pages' bound.
pub const MOST_SITE_FILES: usize = 20_000;
/// Bytes of one of them.
pub const MOST_SITE_FILE_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes of one static site, uncompressed.
pub const MOST_SITE_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Bytes of the list of its files.
pub const MOST_MANIFEST_BYTES: usize = 32 * 1024 * 1024;
/// Versions before the present one whose files with a digest in their name stay reachable.
pub const EARLIER_SITES: usize = 3;
/// How long a file of a static site stays that no version refers to: a build may be about to.
pub const SITE_FILE_KEPT: Millis = Millis::seconds(24 * 3_600);
/// How long a server counts as using a place for sites since it last said so there. It says so every few minutes, and
/// may be away for a weekend.
pub const SITE_PLACE_USED: Millis = Millis::seconds(3 * 24 * 3_600);
/// How long requests may go on after the switch.
pub const DRAIN_WITHIN: Millis = Millis(30_000);
/// From SIGTERM to SIGKILL.
pub const STOP_WITHIN: Millis = Millis(10_000);
/// The most that an app may say.
pub const STOP_WITHIN_MOST: Millis = Millis(600_000);
/// First wait before an exited replica of a live deployment is started again; doubles.
pub const RESTART_BACKOFF_FIRST: Millis = Millis(1_000);
/// Longest such wait. One that was healthy for this long is not taken to fail in a row.
pub const RESTART_BACKOFF_MOST: Millis = Millis(60_000);
/// How long a replica of a live deployment may fail its checks before it is ended, to be started
/// again: it left the route when it began to, and what it still answers has this long to end.
pub const AILING_WITHIN: Millis = Millis(10_000);
/// Starts in a row that make a crash loop.
pub const CRASH_LOOP: u32 = 3;

/// From one health check to the next, where nothing is said.
pub const HEALTH_INTERVAL: Millis = Millis(500);
/// The same for a command: each is a process in the container.
pub const COMMAND_INTERVAL: Millis = Millis(5_000);
/// How long one health check may take, where nothing is said.
pub const HEALTH_TIMEOUT: Millis = Millis(5_000);
/// Failures in a row that make a healthy replica unhealthy, where nothing is said.
pub const HEALTH_RETRIES: u16 = 3;
/// Most failures in a row that can be asked for.
pub const HEALTH_RETRIES_MOST: u16 = 100;
/// How long a replica may take to become healthy, where nothing is said.
pub const HEALTH_START_WITHIN: Millis = Millis(60_000);
/// From one check of an image's own to the next, where it does not say so; as engines have it.
pub const IMAGE_HEALTH_INTERVAL: Millis = Millis(30_000);
/// How long one check of an image's own may take, where it does not say so.
pub const IMAGE_HEALTH_TIMEOUT: Millis = Millis(30_000);
/// How much time to become healthy an image can ask for by itself. Less than that after which a
/// deployment that nothing is heard of fails.
pub const IMAGE_START_MOST: Millis = Millis(150_000);
/// Interval and time of a health check, at the least.
pub const HEALTH_SPAN_LEAST: Millis = Millis(100);
/// And at the most.
pub const HEALTH_SPAN_MOST: Millis = Millis(300_000);
/// Bytes of what a health check's command wrote that are told: the last ones.
pub const MOST_CHECK_BYTES: usize = 400;
/// Bytes of it that are kept: in what comes before the last ones the beginning of a value is recognized that is
/// not to be told.
pub const MOST_CHECK_KEPT: usize = 16 * 1024;

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

/// Earlier versions of an app whose images are kept, where nothing else is said.
pub const VERSIONS_KEPT: u16 = 5;
/// Bytes of images of apps that each worker keeps, where nothing else is said; what images share counts for
/// each of them.
pub const IMAGES_BYTES: u64 = 100 << 30;
/// How long ago a version may have been replaced that is still kept, where nothing else is said.
pub const IMAGES_REPLACED: Millis = Millis(180 * 24 * 3_600_000);
/// Bytes of build cache that each worker keeps, where nothing else is said.
pub const BUILD_CACHE_BYTES: u64 = 20 * 1024 * 1024 * 1024;
/// How long build cache that no build uses is kept, where nothing else is said.
pub const BUILD_CACHE_UNUSED: Millis = Millis(14 * 24 * 3_600_000);
/// Registries that builds log in to.
pub const MOST_REGISTRIES: usize = 16;
/// Webhooks of the installation.
pub const MOST_HOOKS: usize = 256;
/// Patterns for the paths that one app watches.
pub const MOST_WATCH_PATHS: usize = 64;
/// Bytes of a commit's message that are looked at.
pub const MOST_MESSAGE_BYTES: usize = 64 * 1024;
/// Tokens that builds reach private repositories with.
pub const MOST_SOURCE_TOKENS: usize = 64;
/// GitHub Apps of the installation.
pub const MOST_GITHUB_APPS: usize = 16;
/// GitHub Apps that people are about to make.
pub const MOST_GITHUB_BEGUN: usize = 8;
/// How long somebody may take to make one.
pub const GITHUB_APP_WITHIN: Millis = Millis::seconds(3_600);
/// Hosts that builds know over ssh, besides the well-known.
pub const MOST_SOURCE_HOSTS: usize = 64;
/// Keys that one host is known by.
pub const MOST_KEYS_OF_HOST: usize = 8;
/// Replicas of one app.
pub const MOST_REPLICAS: u16 = 64;
/// Volumes of one app.
pub const MOST_VOLUMES: usize = 16;
/// The least and the most bytes of a folder of a container that lies in memory.
pub const LEAST_TMPFS_BYTES: u64 = 4 << 10;
/// See [`LEAST_TMPFS_BYTES`].
pub const MOST_TMPFS_BYTES: u64 = 64 << 30;
/// Files that one process of an app may have open: what a machine has where nobody raised it.
pub const MOST_OPEN_FILES: u64 = 1 << 20;
/// Files of one app's containers that hold values of its variables.
pub const MOST_CONTAINER_FILES: usize = 64;
/// Further names by which others of its group reach an app.
pub const MOST_GROUP_NAMES: usize = 16;
/// Names that stand for addresses in one app's containers.
pub const MOST_HOSTS: usize = 32;
/// How often a service that is to run once is tried again where it failed and says that it is to be.
pub const MOST_ONCE_RETRIES: u16 = 6;
/// Services of one Compose file.
pub const MOST_SERVICES: usize = 100;
/// Files of variables that one service of a Compose file names.
pub const MOST_ENV_FILES: usize = 32;
/// Other files that a Compose file names: of variables, and what it includes and extends.
pub const MOST_COMPOSE_FILES: usize = 64;
/// What the services of a Compose file mount from beside it.
pub const MOST_COMPOSE_MOUNTS: usize = 256;
/// Texts that are read of that.
pub const MOST_COMPOSE_TEXTS: usize = 128;
/// How long requests to a version may go on that has to end before the next one can start, for both
/// write to the same volume.
pub const GIVE_WAY_WITHIN: Millis = Millis(20_000);
/// Processes of one app besides web.
pub const MOST_PROCESSES: usize = 16;
/// Environment variables of one app: as many as large apps of several services share among them, and so few that
/// all of them, set and removed at once under their longest names, are still one event.
pub const MOST_ENV: usize = 900;
/// Bytes in all environment variables of one app.
pub const MOST_ENV_BYTES: usize = 256 * 1024;
/// Domains of one app besides its own host name.
pub const MOST_DOMAINS: usize = 64;
/// Resolvers that are asked about a custom domain.
pub const MOST_RESOLVERS: usize = 8;
/// Addresses under which edges are reached.
pub const MOST_PUBLIC_ADDRESSES: usize = 16;
/// How long all resolvers together may take to say what they know of a domain.
pub const DOMAIN_WITHIN: Millis = Millis::seconds(8);
/// How long a domain that was added and is not proven is looked at by itself.
pub const DOMAIN_PENDING: Millis = Millis(7 * 24 * 3_600_000);
/// How often a proven domain is looked at.
pub const DOMAIN_CHECKED_EVERY: Millis = Millis(12 * 3_600_000);
/// The same of one whose record was not there at the last look.
pub const DOMAIN_DOUBTED_EVERY: Millis = Millis(3_600_000);
/// Within this time after a start, all domains are looked at.
pub const DOMAIN_FIRST_WITHIN: Millis = Millis::seconds(600);
/// At so many looks in a row the record has to be absent before that means anything.
pub const DOMAIN_FAILURES: u32 = 3;
/// For so long after that the domain still leads to its app.
pub const DOMAIN_GRACE: Millis = Millis(3 * 24 * 3_600_000);
/// Lines of log that go with a failure.
pub const MOST_TAIL_LINES: usize = 20;
/// Bytes of one line of log; longer ones are cut and say so.
pub const MOST_LINE_BYTES: usize = 8 * 1024;
/// Bytes of one line that goes with a failure.
pub const MOST_TAIL_LINE_BYTES: usize = 400;
/// Characters of a command that a message shows.
pub const MOST_COMMAND_SHOWN: usize = 160;
/// Bytes of the message of a failure.
pub const MOST_REASON_BYTES: usize = 1_000;
/// Ended deployments of one app that lists keep.
pub const MOST_ENDED_KEPT: usize = 100;
/// Of them, so many that were live stay however many others have ended since: they are what can be gone
/// back to.
pub const MOST_LIVE_KEPT: usize = 50;

/// Commands of one app that run at once, each in a container of its own.
pub const MOST_ONE_OFFS: usize = 8;
/// The same on one worker.
pub const MOST_ONE_OFFS_HERE: usize = 16;
/// How long such a command may take, where nothing is said.
pub const ONE_OFF_WITHIN: Millis = Millis(3_600_000);
/// The most that can be asked for.
pub const ONE_OFF_WITHIN_MOST: Millis = Millis(24 * 3_600_000);
/// How long after its time such a command is given up, where its worker does not say how it ended.
pub const ONE_OFF_GRACE: Millis = Millis(10 * 60_000);
/// How long what a detached command wrote is kept after its end: somebody looks on Monday.
pub const ONE_OFF_LOG_KEPT: Millis = Millis::seconds(3 * 24 * 3_600);
/// Ended detached commands of which a worker keeps what they wrote.
pub const MOST_ONE_OFF_LOGS: usize = 200;
/// Cron jobs of one app.
pub const MOST_CRONS: usize = 16;
/// Runs of a cron job that are remembered, with what they wrote: more than may go on at once.
pub const CRON_RUNS_KEPT: usize = 10;
/// A cron job that could not run when it was due still runs if no more than this has passed.
pub const CRON_LATE: Millis = Millis::seconds(300);
/// How far back the times of a cron job count by a clock that was set back further than that: schedules
/// know no less than a minute.
pub const CRON_LOOKS_BACK: Millis = Millis::seconds(60);
/// A clock that is set back by no more than this runs no cron job twice.
pub const CRON_CLOCK_BACK: Millis = Millis::seconds(3 * 3_600);
/// Who is to attach to a command does so within this time, or it never starts.
pub const ONE_OFF_ATTACH_WITHIN: Millis = Millis(30_000);

/// Bytes of one upload, as it is sent. What is larger than a source code's folder packs to belongs
/// into an image, or to where an app's data is; and this passes a line of 50 Mbit/s in a minute and
/// a half.
pub const MOST_UPLOAD_BYTES: u64 = 512 * 1024 * 1024;
/// Bytes of an upload's files together once it is unpacked: as much as a repository may take.
pub const MOST_UNPACKED_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Files, folders and links in one upload.
pub const MOST_UPLOAD_ENTRIES: usize = 100_000;
/// Bytes of a path in an upload, and of what a link in it says.
pub const MOST_UPLOAD_PATH: usize = 1_024;
/// How long an upload is kept that no app and no version that can be gone back to refers to.
pub const UPLOAD_KEPT: Millis = Millis::seconds(7 * 24 * 3_600);
/// Bytes of the disk that uploads leave free, or a tenth of it where that is less: the journal lies
/// on it, too.
pub const UPLOAD_LEAVES_FREE: u64 = 512 * 1024 * 1024;
/// Uploads that are taken in at once.
pub const MOST_UPLOADS_AT_ONCE: usize = 4;
/// Bytes of what git sends with one push; what is more than source code has belongs into an image, or to
/// where an app's data is.
pub const MOST_PUSH_BYTES: u64 = 512 * 1024 * 1024;
/// Bytes that the repository of one app may take; a larger one is let go of, and the next push sends
/// all of it again.
pub const MOST_REPOSITORY_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Packs of an app's repository before they are put together.
pub const MOST_PACKS: usize = 24;
/// Pushes that are taken in at once, and as many fetches are answered at once.
pub const MOST_PUSHES_AT_ONCE: usize = 4;
/// Bytes of the references and options that a push begins with, and of what a fetch asks.
pub const MOST_PUSH_HEAD: usize = 1024 * 1024;
/// References that one push may change.
pub const MOST_PUSHED_REFS: usize = 1_000;
/// How long a pusher is told how the deployment goes, at the longest.
pub const PUSH_TOLD_WITHIN: Millis = Millis::seconds(3_600);
/// Previews that one app has at once, where nothing else is said, and at the most.
pub const PREVIEWS: u16 = 10;
/// The most that can be said.
pub const MOST_PREVIEWS: u16 = 50;
/// How short and how long a preview may be kept without a push.
pub const PREVIEW_KEPT_LEAST: Millis = Millis(3_600_000);
/// The longest of them.
pub const PREVIEW_KEPT_MOST: Millis = Millis(365 * 24 * 3_600_000);
/// Pull requests without a preview that an app remembers: those that changed last.
pub const MOST_PAST_PREVIEWS: usize = 200;
/// Names in one certificate: as many as Let's Encrypt takes.
pub const MOST_CERTIFICATE_NAMES: usize = 100;
/// Certificates of an installation.
pub const MOST_CERTIFICATES: usize = 10_000;
/// Certificates among them that were given to it.
pub const MOST_OWN_CERTIFICATES: usize = 500;
/// Bytes of a certificate's chain, and of a key: both together lie in one secret.
pub const MOST_CERTIFICATE_BYTES: usize = 48 * 1024;
/// Authorities that are asked one after the other.
pub const MOST_AUTHORITIES: usize = 8;
/// New certificates for hosts under the base domain within a week. Let's Encrypt signs 50 for a
/// registered domain, and there may be others than this installation.
pub const MOST_UNDER_BASE_A_WEEK: usize = 40;
/// New orders within an hour. Let's Encrypt takes 300 in three hours.
pub const MOST_ORDERS_AN_HOUR: usize = 80;
/// Orders that go on at the same time.
pub const MOST_ORDERS_AT_ONCE: usize = 4;

// All that go on are remembered.
const _: () = assert!(CRON_RUNS_KEPT > MOST_ONE_OFFS);
