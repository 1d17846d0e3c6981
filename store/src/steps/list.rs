//! Every step, by name and by the processes that take it.

use std::fmt;

/// A process that takes steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Process {
    /// The control plane.
    Server,
    /// A worker: its node and its builder.
    Agent,
    /// A proxy.
    Edge,
}

impl Process {
    /// Its name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Agent => "agent",
            Self::Edge => "edge",
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

macro_rules! steps {
    ($($(#[$about:meta])* $step:ident $name:literal $($process:ident)+;)+) => {
        /// Something durable that a process does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Step {
            $($(#[$about])* $step,)+
        }

        impl Step {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$step,)+];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$step => $name,)+
                }
            }

            /// The processes that take it.
            #[must_use]
            pub const fn processes(self) -> &'static [Process] {
                match self {
                    $(Self::$step => &[$(Process::$process,)+],)+
                }
            }
        }
    };
}

steps! {
    // The journal and what lies beside it.
    /// A new installation has its master key.
    MasterKeyMade "master-key-made" Server;
    /// A new journal is complete, but not in its place.
    JournalDrafted "journal-drafted" Server;
    /// A new journal is in its place.
    JournalMade "journal-made" Server;
    /// An empty stream index is there.
    IndexMade "index-made" Server;
    /// Events are in the stream index.
    IndexExtended "index-extended" Server;
    /// Events are in the journal, with their claims and secrets; the details are their names, as
    /// `deployment.built`.
    JournalAppended "journal-appended" Server;
    /// How far readers of the journal have come, where no append took that along; and its file is
    /// at rest.
    CursorsSaved "cursors-saved" Server;
    /// The projection has a checkpoint.
    CheckpointSaved "checkpoint-saved" Server;

    // What the server sends and takes.
    /// Builders can find a build.
    BuildSent "build-sent" Server;
    /// A worker can find that replicas should run.
    RunSent "run-sent" Server;
    /// A worker can find that a deployment should stop.
    StopSent "stop-sent" Server;
    /// A worker can find that a build should end.
    CancelBuildSent "cancel-build-sent" Server;
    /// Edges can find a route table.
    RoutesPut "routes-put" Server;
    /// An upload is in its place.
    UploadKept "upload-kept" Server;
    /// Something of a static site is where the server keeps it.
    SiteObjectKept "site-object-kept" Server;
    /// What was pushed is in the app's repository, and nothing is recorded yet.
    PushReceived "push-received" Server;
    /// The branch of an app's repository stands where the journal says.
    BranchMoved "branch-moved" Server;
    /// Edges can find a certificate, the key that they share, or a proof: one of the server, or of an edge that
    /// is alone.
    CertificatesPut "certificates-put" Server Edge;
    /// They find it no more.
    CertificatesDropped "certificates-dropped" Server Edge;
    /// Which DNS records are to be removed again is on the disk.
    DnsRecordsNoted "dns-records-noted" Server;
    /// Integrations can find an event.
    EventPublished "event-published" Server;
    /// What a builder said will not come again.
    BuildReportSettled "build-report-settled" Server;
    /// What a worker said will not come again.
    WorkerReportSettled "worker-report-settled" Server;
    /// What an edge said will not come again.
    EdgeReportSettled "edge-report-settled" Server;

    // NATS.
    /// The streams and the bucket are there.
    StreamsMade "streams-made" Server Agent Edge;
    /// Lines of those that log most are gone, so that there is room for others.
    LogsShared "logs-shared" Server;
    /// A durable consumer is there.
    ConsumerMade "consumer-made" Server Agent;

    // The node.
    /// The ledger of a new agent is there.
    LedgerMade "ledger-made" Agent;
    /// The agent has its id.
    WorkerMinted "worker-minted" Agent;
    /// The agent has the key that environments are sealed for, or the edge the one that the fleet's is.
    SealingKeyMinted "sealing-key-minted" Agent Edge;
    /// An order is in the ledger.
    OrderAccepted "order-accepted" Agent;
    /// An order will not come again.
    OrderSettled "order-settled" Agent;
    /// An order that was carried out is out of the ledger.
    OrderForgotten "order-forgotten" Agent;
    /// That a replica is started again is in the ledger.
    RestartCounted "restart-counted" Agent;
    /// Where reading of logs stands is in the ledger.
    PositionsSaved "positions-saved" Agent;
    /// An app has its network.
    NetworkMade "network-made" Agent;
    /// A replica has its container.
    ContainerMade "container-made" Agent;
    /// The files that a container is to have are in it.
    ContainerFilled "container-filled" Agent;
    /// A replica's container was started.
    ContainerStarted "container-started" Agent;
    /// A replica's CPU limit is in force.
    ContainerLimited "container-limited" Agent;
    /// A replica's container has stopped.
    ContainerStopped "container-stopped" Agent;
    /// A replica's container is gone.
    ContainerRemoved "container-removed" Agent;
    /// An app's network is gone.
    NetworkRemoved "network-removed" Agent;
    /// What the worker saw can be found.
    WorkerReported "worker-reported" Agent;
    /// Lines of a replica's log can be found.
    LogPublished "log-published" Agent;

    // The builder.
    /// The ledger of a new builder is there.
    BuildLedgerMade "build-ledger-made" Agent;
    /// A build is in the ledger.
    BuildAccepted "build-accepted" Agent;
    /// A build's command will not come again.
    BuildSettled "build-settled" Agent;
    /// That a build was taken on, or goes on, can be found.
    BuildAlive "build-alive" Agent;
    /// The folder of mirrors can be used.
    MirrorsMade "mirrors-made" Agent;
    /// The mirror of a repository has what was fetched.
    MirrorFetched "mirror-fetched" Agent;
    /// The source of a build is on the disk.
    SourceFetched "source-fetched" Agent;
    /// The engine has the image.
    ImageBuilt "image-built" Agent;
    /// The container is there that a site's files are copied out of.
    SiteContainerMade "site-container-made" Agent;
    /// That container is gone.
    SiteContainerRemoved "site-container-removed" Agent;
    /// The server has a site.
    SiteBrought "site-brought" Agent;
    /// An image of before has one more name.
    ImageTagged "image-tagged" Agent;
    /// The name of a cancelled build's image is gone.
    ImageUntagged "image-untagged" Agent;
    /// Lines of a build's log can be found.
    BuildLogPublished "build-log-published" Agent;
    /// A build's end is in the ledger.
    BuildEnded "build-ended" Agent;
    /// That a build was cancelled is in the ledger.
    BuildCancelled "build-cancelled" Agent;
    /// A build's end can be found.
    BuildReported "build-reported" Agent;
    /// That a build's end was reported is in the ledger.
    BuildClosed "build-closed" Agent;

    // The edge.
    /// The edge has its id.
    EdgeMinted "edge-minted" Edge;
    /// A table is on the edge's disk.
    TableKept "table-kept" Edge;
    /// A site is on the edge's disk.
    SiteFetched "site-fetched" Edge;
    /// New requests follow a table.
    TableApplied "table-applied" Edge;
    /// Which table new requests follow can be found.
    EdgeReported "edge-reported" Edge;
    /// The edge has the key that certificates' private keys are sealed with.
    FleetKeyKept "fleet-key-kept" Edge;
    /// Certificates are on the edge's disk.
    CertificatesKept "certificates-kept" Edge;
    /// What the edge may do alone, an account of its own, or how it went is on its disk.
    AloneKept "alone-kept" Edge;
    /// Lines of an app's access log can be found.
    AccessLogged "access-logged" Edge;
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_steps_have_the_same_name() {
        let names: BTreeSet<_> = Step::ALL.iter().map(|step| step.name()).collect();
        assert_eq!(names.len(), Step::ALL.len());
        assert!(names.iter().all(|name| !name.contains(char::is_whitespace)));
    }
}
