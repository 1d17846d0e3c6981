//! What an event says, in a sentence without its subject: "was created".

use std::collections::BTreeMap;

use crate::app::{AppEvent, Repeat, SettingsChange, SourceKey, WokenBy};
use crate::certificate::CertificateIssuer;
use crate::cron::CronSettings;
use crate::declared::Declared;
use crate::deployment::{DeploymentEvent, Outcome};
use crate::domain::DomainMode;
use crate::event::Event;
use crate::hook::{DeployOn, Telling};
use crate::installation::{CertificateEvent, GitHubEvent, InstallationEvent};
use crate::names::EnvName;
use crate::process::ProcessName;
use crate::project::ProjectEvent;
use crate::source::{GitSource, Pushed, Reference, Source};
use crate::worker::WorkerEvent;

/// What happened, for people. Names what changed, and of a secret no more than its name.
#[must_use]
pub fn tell(event: &Event) -> String {
    match event {
        Event::App(event) => app(event),
        Event::Deployment(event) => deployment(event),
        Event::Worker(event) => worker(event),
        Event::Installation(event) => installation(event),
        Event::Project(event) => project(event),
    }
}

fn app(event: &AppEvent) -> String {
    match event {
        AppEvent::Created { name, .. } => format!("{name} was created"),
        AppEvent::Configured(change) => format!("its settings changed: {}", settings(change)),
        AppEvent::EnvironmentChanged { set, remove } => {
            let list = |names: Vec<&EnvName>| {
                names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
            };
            let set = (!set.is_empty()).then(|| format!("{} set", list(set.keys().collect())));
            let removed =
                (!remove.is_empty()).then(|| format!("{} removed", list(remove.iter().collect())));
            let both: Vec<_> = set.into_iter().chain(removed).collect();
            format!("its environment changed: {}", both.join("; "))
        }
        AppEvent::DeploymentRequested { spec, .. } => {
            format!("deployment #{} was asked for, {}", spec.number, source(&spec.source))
        }
        AppEvent::DeploymentReplaced { .. } => {
            "the deployment that waited gave way to a newer one".into()
        }
        AppEvent::DeploymentBegun { .. } => "it was the deployment's turn".into(),
        AppEvent::TrafficSwitched { previous: None, .. } => {
            "the deployment was given the traffic".into()
        }
        AppEvent::TrafficSwitched { previous: Some(_), .. } => {
            "the deployment was given the traffic of the one before".into()
        }
        AppEvent::TrafficReturned { to: Some(_), .. } => {
            "the traffic went back to the deployment before".into()
        }
        AppEvent::TrafficReturned { to: None, .. } => "the traffic was taken away again".into(),
        AppEvent::DeploymentPromoted { .. } => "the deployment became the live one".into(),
        AppEvent::DeploymentSettled { .. } => "the deployment was put aside".into(),
        AppEvent::Deleted { .. } => "it is gone for good".into(),
        AppEvent::Discarded { .. } => "it was deleted, and can be restored for a day".into(),
        AppEvent::Restored { .. } => "it was restored".into(),
        AppEvent::TriggersSet(set) => match &set.on {
            DeployOn::Push => "pushes to its branch deploy it".into(),
            DeployOn::Tag(pattern) => format!("tags like {pattern} deploy it"),
            DeployOn::Off => "no push deploys it".into(),
        },
        AppEvent::EdgeSet(listed) if listed.is_empty() => "edges serve it as usual".into(),
        AppEvent::EdgeSet(listed) => {
            let listed: Vec<_> = listed.iter().map(ToString::to_string).collect();
            format!("how edges serve it was set: {}", listed.join("; "))
        }
        AppEvent::CanaryAsked { weight, within, .. } => {
            format!("the deployment is to take {weight} of the requests first, for {within}")
        }
        AppEvent::CanaryStarted { weight, .. } => {
            format!("the deployment takes {weight} of the requests")
        }
        AppEvent::CanaryWeightSet { weight, .. } => {
            format!("the canary takes {weight} of the requests")
        }
        AppEvent::CanaryPromoted { .. } => "the canary was promoted".into(),
        AppEvent::FellAsleep { unasked } => {
            format!("it fell asleep: nobody had asked for it for {unasked}")
        }
        AppEvent::Woken { why: WokenBy::Request { edge } } => {
            format!("it was woken: somebody asked for it at edge {edge}")
        }
        AppEvent::Woken { why: WokenBy::Change } => "it was woken by what was done with it".into(),
        AppEvent::Woken { why: WokenBy::Circumstances } => {
            "it was woken: it may not sleep as things are".into()
        }
        AppEvent::SourceKeySet(SourceKey { version: 1, .. }) => {
            "it was given a key for its repository".into()
        }
        AppEvent::SourceKeySet(_) => "it was given another key for its repository".into(),
        AppEvent::CommandRun { one_off, .. } => {
            format!("a command was run in it: {}", one_off.command)
        }
        AppEvent::CommandEnded { end, .. } => format!("a command in it ended: {end}"),
        AppEvent::CronSet { cron, settings, .. } => {
            let CronSettings { schedule, command, paused, .. } = &**settings;
            let paused = if *paused { ", paused" } else { "" };
            format!("cron job {cron} was set: {schedule}, `{command}`{paused}")
        }
        AppEvent::CronRemoved { cron } => format!("cron job {cron} was removed"),
        AppEvent::CronRun { cron, due: Some(_), .. } => {
            format!("the command is cron job {cron}, which was due")
        }
        AppEvent::CronRun { cron, due: None, .. } => {
            format!("the command is cron job {cron}, which somebody asked for")
        }
        AppEvent::CronSkipped { cron, skipped } => {
            format!("cron job {cron} was due and did not run: {}", skipped.why)
        }
        AppEvent::DeploymentRepeated { spec, of, how, .. } => {
            let number = spec.number;
            match how {
                Repeat::Rollback => {
                    format!("a rollback to #{of} was asked for, as deployment #{number}")
                }
                Repeat::Redeploy => format!(
                    "#{of} was asked for again, with the present settings, as deployment #{number}"
                ),
                Repeat::Restart => {
                    format!("a restart of #{of} was asked for, as deployment #{number}")
                }
            }
        }
        AppEvent::DeploymentCalledOff { by: Some(_), .. } => {
            "the deployment on its way was called off: a rollback goes before it".into()
        }
        AppEvent::Stopped { .. } => "it was stopped".into(),
        AppEvent::Started => "it was started".into(),
        AppEvent::Scaled { replicas, .. } => format!("it was scaled to {}", count(*replicas)),
        AppEvent::ProcessesScaled { processes, .. } => {
            format!("it was scaled: {}", counts(processes))
        }
        AppEvent::PreviewsSet(settings) if settings.on => {
            format!("pull requests get previews, at most {}", settings.most)
        }
        AppEvent::PreviewsSet(_) => "pull requests get no previews".into(),
        AppEvent::PreviewWanted { pull, .. } => {
            format!("#{} was to have a preview, at {}", pull.number, pull.commit)
        }
        AppEvent::PreviewUnwanted { number, why, .. } => {
            format!("#{number} was to have no preview: {}", why.why())
        }
        AppEvent::PreviewCommented { number, .. } => {
            format!("a comment tells of the preview of #{number}")
        }
        AppEvent::BecamePreview(of) => format!("it became the preview of #{}", of.number),
        AppEvent::DomainAdded { host, .. } => {
            format!("it is to have the domain {host}, once that is proven")
        }
        AppEvent::DomainSet { host, mode: DomainMode::Main } => {
            format!("{host} became its main domain")
        }
        AppEvent::DomainSet { host, mode: DomainMode::Redirect } => {
            format!("{host} sends on to its main domain")
        }
        AppEvent::DomainSet { host, mode: DomainMode::Serve } => format!("{host} serves it"),
        AppEvent::DomainVerified { host, .. } => {
            format!("the domain {host} is proven and leads to it")
        }
        AppEvent::DomainFailing { host, why, .. } => {
            format!("the proof of the domain {host} is gone: {why}")
        }
        AppEvent::DomainLost { host, why, .. } => {
            format!("the domain {host} leads to it no more: {why}")
        }
        AppEvent::DomainRemoved { host } => format!("the domain {host} was taken away"),
        AppEvent::DeploymentCalledOff { by: None, .. } => {
            "the deployment on its way was called off".into()
        }
    }
}

fn count(replicas: u16) -> String {
    match replicas {
        1 => "1 replica".into(),
        many => format!("{many} replicas"),
    }
}

/// What a repository says, in words.
fn says(declared: &Declared) -> String {
    let processes = declared.processes.keys().map(|name| format!("process {name}"));
    let hooks = declared.hooks().map(|(hook, _)| format!("a {} command", hook.as_str()));
    let all: Vec<String> = processes.chain(hooks).collect();
    if all.is_empty() {
        return "its repository names no process beside web any more".into();
    }
    format!("its repository names {}", all.join(", "))
}

/// Replicas of processes beside web, such as `worker=2`.
fn counts(processes: &BTreeMap<ProcessName, u16>) -> String {
    let each = processes.iter().map(|(name, replicas)| format!("{name}={replicas}"));
    each.collect::<Vec<_>>().join(", ")
}

fn settings(change: &SettingsChange) -> String {
    let SettingsChange {
        source: from,
        build,
        port,
        replicas,
        health,
        resources,
        domains,
        project,
        run,
        drain_within,
        stop_within,
    } = change;
    let parts = [
        from.as_ref().map(|from| format!("source {}", source(from))),
        build.as_ref().map(|_| "build".to_owned()),
        port.map(|port| port.map_or("port from the image".into(), |port| format!("port {port}"))),
        replicas.map(|replicas| format!("replicas {replicas}")),
        health.as_ref().map(|health| format!("health check {}", health.probe)),
        resources.as_ref().map(|_| "resources".to_owned()),
        domains.as_ref().map(|_| "domains".to_owned()),
        project.map(|project| format!("project {project}")),
        run.as_ref().map(|_| "how it runs".to_owned()),
        drain_within.map(|within| format!("drained within {within}")),
        stop_within.map(|within| format!("stopped within {within}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn source(source: &Source) -> String {
    let GitSource { repository, reference } = match source {
        Source::Git(git) => git,
        Source::Upload(upload) => return format!("from upload {upload}"),
        Source::Image(image) => return format!("from image {image}"),
        Source::Pushed(Pushed { branch, commit, .. }) => {
            return format!("from what was pushed, branch {branch}, commit {commit}");
        }
    };
    match reference {
        Reference::DefaultBranch => format!("from {repository}"),
        Reference::Branch(branch) => format!("from {repository}, branch {branch}"),
        Reference::Commit(commit) => format!("from {repository}, commit {commit}"),
        Reference::Tag(tag) => format!("from {repository}, tag {tag}"),
    }
}

fn deployment(event: &DeploymentEvent) -> String {
    match event {
        DeploymentEvent::Requested(_) => "it began".into(),
        DeploymentEvent::BuildQueued { generation: 1, .. } => "a build was queued".into(),
        DeploymentEvent::BuildQueued { generation, .. } => {
            format!("the build was given out again, for the {generation}. time")
        }
        DeploymentEvent::BuildStarted { worker, .. } => format!("worker {worker} took the build"),
        DeploymentEvent::Built { built, .. } => {
            format!("{} was built into image {}", built.commit, built.image)
        }
        DeploymentEvent::Placed { placements, .. } => match placements.len() {
            1 => "its replica was given a place".into(),
            count => format!("its {count} replicas were given places"),
        },
        DeploymentEvent::BecameHealthy { .. } => "all its replicas were healthy".into(),
        DeploymentEvent::SwitchStarted { .. } => "the edges were told to send traffic here".into(),
        DeploymentEvent::Switched { .. } => "every edge sent new requests here".into(),
        DeploymentEvent::WentLive { .. } => "it went live".into(),
        DeploymentEvent::Ended { outcome, .. } => match outcome {
            Outcome::Superseded => "it ended: another version took its place".into(),
            Outcome::Cancelled => "it was cancelled".into(),
            Outcome::Failed { stage, fault } => format!("it failed ({stage}): {}", fault.message),
        },
        DeploymentEvent::BuildSkipped { .. } => {
            "it took the image of the earlier deployment; nothing was built".into()
        }
        DeploymentEvent::Scaled { replicas } => format!("it is to have {}", count(*replicas)),
        DeploymentEvent::ProcessesScaled { processes } => {
            format!("it is to have other numbers of replicas: {}", counts(processes))
        }
        DeploymentEvent::Declared(declared) => says(declared),
        DeploymentEvent::Rescaled { placements, .. } => match placements.len() {
            1 => "one replica has a place".into(),
            many => format!("{many} replicas have places"),
        },
        DeploymentEvent::ReplicasLeft => "replicas that were too many could go".into(),
        DeploymentEvent::ReleaseStarted { worker, .. } => {
            format!("its release command runs on worker {worker}")
        }
        DeploymentEvent::Released { .. } => "its release command ended well".into(),
        DeploymentEvent::PostDeployStarted { worker, .. } => {
            format!("its post-deploy command runs on worker {worker}")
        }
        DeploymentEvent::PostDeployed => "its post-deploy command ended well".into(),
        DeploymentEvent::PostDeployFailed { fault } => {
            format!("it is live, and {}", fault.message)
        }
        DeploymentEvent::ImageMissed { .. } => {
            "the image of the earlier deployment was gone: it is built again from its commit".into()
        }
    }
}

fn worker(event: &WorkerEvent) -> String {
    match event {
        WorkerEvent::Registered { name, .. } => format!("{name} joined"),
        WorkerEvent::CapacityChanged { capacity } => format!(
            "its capacity changed: {} bytes of memory, {} thousandths of a CPU",
            capacity.memory_bytes, capacity.cpu_millis
        ),
        WorkerEvent::Lost => "it was not heard of for too long".into(),
        WorkerEvent::Returned => "it was heard of again".into(),
        WorkerEvent::DrainStarted => "it takes nothing new".into(),
        WorkerEvent::DrainEnded => "it takes new work again".into(),
        WorkerEvent::Removed => "it was removed".into(),
    }
}

fn project(event: &ProjectEvent) -> String {
    match event {
        ProjectEvent::Created { name, .. } => format!("{name} was created"),
        ProjectEvent::Deleted => "it was deleted".into(),
    }
}

fn installation(event: &InstallationEvent) -> String {
    match event {
        InstallationEvent::BackupScheduled { schedule, .. } => format!(
            "a backup goes to {} every {}, and {} stay there",
            schedule.to, schedule.every, schedule.keep
        ),
        InstallationEvent::BackupUnscheduled => "no backup is made by itself any more".into(),
        InstallationEvent::BackupMade(made) => match &made.to {
            Some(to) => format!("backup {} was made at {to}", made.name),
            None => format!("backup {} was handed out", made.name),
        },
        InstallationEvent::BackupFailed(failed) => {
            format!("a backup could not be made: {}", failed.why)
        }
        InstallationEvent::BackupBecameStale { .. } => "the next backup is overdue".into(),
        InstallationEvent::MirrorSet(mirror) => format!("the journal is mirrored to {}", mirror.to),
        InstallationEvent::MirrorRemoved => "the journal is mirrored no more".into(),
        InstallationEvent::MirrorFellBehind { why } => format!("the mirror fell behind: {why}"),
        InstallationEvent::MirrorCaughtUp => "the mirror has everything again".into(),
        InstallationEvent::Restored(restored) => {
            format!("it was put back from a backup, up to event {}", restored.head)
        }
        InstallationEvent::RegistrySet { host, user, .. } => {
            format!("builds log in to {host} as {user}")
        }
        InstallationEvent::RegistryRemoved { host } => {
            format!("builds log in to {host} no more")
        }
        InstallationEvent::HookAdded { provider, repository, .. } => {
            format!("{provider} may tell of pushes to {repository}")
        }
        InstallationEvent::HookRotated { .. } => "a webhook has another secret".into(),
        InstallationEvent::HookRemoved { .. } => "a webhook was removed".into(),
        InstallationEvent::DomainSettingsSet(_) => {
            "how domains are proven, or where they are to lead, was set".into()
        }
        InstallationEvent::AddressSet { address } => format!("it is reached at {address}"),
        InstallationEvent::AddressRemoved => "where it is reached is not known any more".into(),
        InstallationEvent::SourceTokenSet { prefix, user, .. } => {
            format!("builds reach {prefix} with a token, as {user}")
        }
        InstallationEvent::SourceTokenRemoved { prefix } => {
            format!("builds have no token for {prefix} any more")
        }
        InstallationEvent::SourceHostSet { host, keys, .. } => match keys.len() {
            1 => format!("builds know {host} by one key"),
            many => format!("builds know {host} by {many} keys"),
        },
        InstallationEvent::SourceHostRemoved { host } => {
            format!("builds know {host} no more by keys that were given")
        }
        InstallationEvent::StatusesSet { api: Some(api), .. } => {
            format!("{api} is told how commits fare")
        }
        InstallationEvent::StatusesSet { api: None, .. } => {
            "a webhook's provider is told no more how commits fare".into()
        }
        InstallationEvent::ToldSet { what, api, .. } => {
            let of = match what {
                Telling::Comments => "previews",
                Telling::Deployments => "deployments",
            };
            match api {
                Some(api) => format!("{api} is told of {of}"),
                None => format!("a webhook's provider is told no more of {of}"),
            }
        }
        InstallationEvent::GitHub(event) => github(event),
        InstallationEvent::Certificate(event) => certificate(event),
    }
}

fn certificate(event: &CertificateEvent) -> String {
    match event {
        CertificateEvent::Set { .. } => "how certificates are come by was set".into(),
        CertificateEvent::AccountOpened { authority, .. } => {
            format!("there is an account at {authority} for certificates")
        }
        CertificateEvent::LocalMade { .. } => {
            "the installation has a certificate authority of its own, for local names".into()
        }
        CertificateEvent::FleetKeyMade { .. } => "edges share a new key".into(),
        CertificateEvent::Ordered { names, order } => {
            format!("{} is about to sign a certificate for {names}", order.authority)
        }
        CertificateEvent::Issued { names, version, issued, .. } => {
            let what = if *version == 1 { "a certificate" } else { "a new certificate" };
            match &issued.by {
                CertificateIssuer::Acme { authority, .. } => {
                    format!("{names} has {what} from {authority}")
                }
                CertificateIssuer::Local => {
                    format!("{names} has {what} of this installation's own")
                }
                CertificateIssuer::Own => format!("{names} was given {what}"),
            }
        }
        CertificateEvent::Failed { names, trouble } => {
            format!("{names} gets no certificate from {}: {}", trouble.authority, trouble.why)
        }
        CertificateEvent::NearsEnd { .. } => {
            "a certificate that nobody renews comes to its end".into()
        }
        CertificateEvent::Removed { .. } => "a certificate was removed".into(),
        CertificateEvent::GivenUp { names } => {
            format!("a certificate for {names} is not wanted any more")
        }
    }
}

fn github(event: &GitHubEvent) -> String {
    match event {
        GitHubEvent::Begun { begun, .. } => {
            format!("the GitHub App {} is about to be made at {}", begun.name, begun.server)
        }
        GitHubEvent::GivenUp { .. } => "a GitHub App that was begun was not made".into(),
        GitHubEvent::Made { made, .. } => {
            format!("the GitHub App {} of {} was made", made.slug, made.owner)
        }
        GitHubEvent::SecretMinted { .. } => "a GitHub App's webhook is given another secret".into(),
        GitHubEvent::SecretTold { .. } => "a GitHub App's webhook has another secret".into(),
        GitHubEvent::KeySet { .. } => "a GitHub App has another private key".into(),
        GitHubEvent::Removed { .. } => "a GitHub App is used no more".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::past::testing::Journal;

    #[test]
    fn a_history_can_be_read() {
        let mut journal = Journal::default();
        journal.create(1, "shop");
        journal.set_env(1, "LEVEL", 1);
        let replicas = SettingsChange { replicas: Some(3), ..SettingsChange::default() };
        journal.configure(1, SettingsChange { port: Some(None), ..replicas });
        journal.request(1, 1);
        let told: Vec<_> = journal.events.iter().map(|recorded| tell(&recorded.event)).collect();
        assert_eq!(
            told,
            [
                "shop was created",
                "its environment changed: LEVEL set",
                "its settings changed: port from the image, replicas 3",
                "deployment #1 was asked for, from https://git.example/shop.git",
                "it was the deployment's turn",
                "it began",
            ]
        );
    }
}
