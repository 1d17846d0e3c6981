//! What `hythe deploy` ends with: one JSON document, or a few lines that say what to do next.

use hythe_core::ids::DeploymentId;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::dto::{
    Deployment, DeploymentSource, DeploymentStatus, Durations, Failure as Reason,
};
use crate::cli::failure::{Exit, Failure};
use crate::cli::format;
use crate::cli::output::{Output, Tone};

/// The document. Fields are only ever added.
#[derive(Debug, Serialize)]
struct Document<'a> {
    app: &'a str,
    deployment: DeploymentId,
    number: u64,
    status: &'static str,
    url: &'a str,
    image: Option<&'a str>,
    commit: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a str>,
    durations_ms: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    canary_percent: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Shown<'a>>,
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    stage: &'static str,
    message: &'a str,
    log: &'a [String],
}

impl<'a> Document<'a> {
    fn new(deployment: &'a Deployment) -> Self {
        Self {
            app: &deployment.app.name,
            deployment: deployment.id,
            number: deployment.number,
            status: deployment.status.as_str(),
            url: &deployment.url,
            image: deployment.image.as_deref(),
            commit: deployment.commit.as_deref(),
            upload: deployment.source.upload.as_deref(),
            digest: deployment.source.digest.as_deref(),
            durations_ms: known(&deployment.durations_ms),
            canary_percent: deployment.canary_percent,
            failure: deployment.failure.as_ref().map(|reason| Shown {
                stage: reason.stage.as_str(),
                message: &reason.message,
                log: &reason.log,
            }),
        }
    }
}

/// Only stages that were gone through, so that every value is a number.
fn known(durations: &Durations) -> Map<String, Value> {
    match serde_json::to_value(durations) {
        Ok(Value::Object(all)) => all.into_iter().filter(|(_, took)| !took.is_null()).collect(),
        _ => Map::new(),
    }
}

/// It was requested, and nobody waits.
pub(super) fn detached(output: &Output, deployment: &Deployment) {
    if output.json() {
        output.document(&Document::new(deployment));
        return;
    }
    let (name, id) = (&deployment.app.name, deployment.id);
    output.line(format_args!("{name} #{} is requested: {id}", deployment.number));
    output.note(format_args!("how it goes: hythe deployments show {id}"));
}

/// It has ended, one way or another.
pub(super) fn ended(output: &Output, deployment: &Deployment) {
    if let Some(percent) = deployment.canary_percent {
        return sings(output, deployment, percent);
    }
    if output.json() {
        output.document(&Document::new(deployment));
    } else if deployment.status == DeploymentStatus::Live {
        let took = deployment
            .durations_ms
            .total
            .map_or(String::new(), |total| format!(" after {}", format::span(total)));
        output.note(format_args!("{} #{} is live{took}", deployment.app.name, deployment.number));
        if deployment.post_deploy.is_some() {
            let id = deployment.id;
            output.note(format_args!(
                "its post-deploy command runs now; how it ends: hythe deployments show {id}"
            ));
        }
        output.line(&deployment.url);
    }
    if deployment.status != DeploymentStatus::Live {
        explain(output, deployment);
    }
}

/// It takes its part, and somebody has to say how it goes on.
fn sings(output: &Output, deployment: &Deployment, percent: u8) {
    if output.json() {
        output.document(&Document::new(deployment));
        return;
    }
    let (name, number) = (&deployment.app.name, deployment.number);
    output.line(format_args!("{name} #{number} takes {percent}% of the requests"));
    output.note(format_args!(
        "to give it all: hythe canary promote {name}; to take it back: hythe canary abort {name}"
    ));
}

/// What happened, and what to do.
fn explain(output: &Output, deployment: &Deployment) {
    let (name, number, id) = (&deployment.app.name, deployment.number, deployment.id);
    let head = format!("{name} #{number} {}", deployment.status.as_str());
    match &deployment.failure {
        Some(Reason { stage, message, log }) => {
            let head = output.tone(Tone::Bad, format!("{head} while {}", stage.as_str()));
            output.note(format_args!("{head}: {}", output.foreign(message)));
            for line in log {
                output.note(format_args!("  | {}", output.foreign(line)));
            }
        }
        None => output.note(head),
    }
    let stage = deployment.failure.as_ref().map(|reason| reason.stage);
    let again = again(name, &deployment.source);
    output.note(next_step(deployment.status, stage, name, id, &again));
}

/// How it is deployed again, once its source is another one.
fn again(name: &str, source: &DeploymentSource) -> String {
    match (&source.upload, &source.branch) {
        (Some(_pushed), Some(branch)) => format!("git push, to {branch}"),
        // Without a folder it would be the same upload again.
        (Some(_sent), None) => format!("hythe deploy {name} DIR"),
        (None, _) => format!("hythe deploy {name}"),
    }
}

fn next_step(
    status: DeploymentStatus,
    failed: Option<DeploymentStatus>,
    name: &str,
    id: DeploymentId,
    again: &str,
) -> String {
    if status == DeploymentStatus::Superseded {
        return format!("a newer deployment took its place: hythe deployments ls {name}");
    }
    if status == DeploymentStatus::Cancelled {
        return format!("the version before, if any, goes on serving; again: {again}");
    }
    let log = match failed {
        // Nothing of it has begun, so nothing was said.
        Some(stage) if stage < DeploymentStatus::Building => String::new(),
        Some(DeploymentStatus::Building) => format!(". The log: hythe logs {name} --build {id}"),
        Some(_) | None => format!(". The log: hythe logs {name}"),
    };
    format!("the version before, if any, goes on serving{log}; when it is mended: {again}")
}

/// What to say where the server does not answer any more, which says nothing of the deployment; none where it
/// answered: what it said is why.
pub(super) fn out_of_sight(
    failure: &Failure,
    status: DeploymentStatus,
    id: DeploymentId,
) -> Option<String> {
    // A token that it does not take has the same exit code, and is an answer.
    let silent = failure.exit == Exit::Unreachable && failure.problem.is_none();
    silent.then(|| {
        let was = status.as_str();
        format!(
            "how the deployment goes on is not seen from here any more (it was {was}); once the server \
             answers: hythe deployments show {id}"
        )
    })
}

/// Ctrl-C: the deployment does not need us.
pub(super) fn interrupted(output: &Output, deployment: &Deployment) -> Failure {
    let id = deployment.id;
    output.note(format_args!(
        "the deployment goes on ({}); how it goes: hythe deployments show {id}; to cancel it: hythe \
         cancel {id}",
        deployment.status.as_str()
    ));
    Failure::silent(Exit::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(upload: bool, branch: Option<&str>) -> DeploymentSource {
        DeploymentSource {
            repository: None,
            upload: upload.then(|| "sha256:00".to_owned()),
            image: None,
            digest: None,
            branch: branch.map(str::to_owned),
            tag: None,
            commit: None,
            dockerfile: None,
        }
    }

    #[test]
    fn what_failed_is_deployed_again_as_it_came() {
        let rows = [
            (source(false, Some("main")), "hythe deploy shop"),
            (source(false, None), "hythe deploy shop"),
            (source(true, None), "hythe deploy shop DIR"),
            (source(true, Some("main")), "git push, to main"),
        ];
        for (source, expected) in rows {
            assert_eq!(again("shop", &source), expected);
        }
    }

    #[test]
    fn one_is_out_of_sight_only_where_the_server_did_not_answer() {
        let id = DeploymentId::new(uuid::Uuid::nil());
        let named =
            |failure: Failure, problem: &str| Failure { problem: Some(problem.into()), ..failure };
        let rows = [
            (Failure::unreachable("nobody answers"), true),
            (named(Failure::failed("there is no such deployment"), "not-found"), false),
            (named(Failure::unreachable("the token is not known"), "unauthorized"), false),
            (Failure::failed("failed to read an answer"), false),
        ];
        for (failure, expected) in rows {
            let note = out_of_sight(&failure, DeploymentStatus::Building, id);
            assert_eq!(note.is_some(), expected, "{failure}");
            assert!(note.is_none_or(|note| note.contains("hythe deployments show")), "{failure}");
        }
    }

    #[test]
    fn a_log_is_named_where_there_is_one() {
        let id = DeploymentId::new(uuid::Uuid::nil());
        let said = |failed| next_step(DeploymentStatus::Failed, failed, "shop", id, "again");
        let build = format!("hythe logs shop --build {id}");
        assert!(!said(Some(DeploymentStatus::Queued)).contains("log"), "nothing was said yet");
        assert!(said(Some(DeploymentStatus::Building)).contains(&build));
        for later in [DeploymentStatus::Starting, DeploymentStatus::Releasing] {
            let said = said(Some(later));
            assert!(said.contains("hythe logs shop") && !said.contains("--build"), "{said}");
        }
    }
}
