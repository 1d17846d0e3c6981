//! Messages that do not get through for their size, and what is said of them.
//!
//! They would be dropped on their way and sent again for as long as the deployment may wait, so it ends
//! at once, and says what is too large and what to do.

use bytes::Bytes;
use hythe_core::deployment::{DeploymentCommand, Fault};
use hythe_core::ids::DeploymentId;
use hythe_core::reconcile::Effect;
use hythe_core::time::Timestamp;
use hythe_core::wire::build::MOST_COMMAND_BYTES;
use serde_json::Value;

/// Bytes that are left for the headers of a message: NATS counts them with it.
const HEADERS: usize = 1024;
/// Whatever makes less than this part of a message is not named.
const WORTH_NAMING: usize = 8;

/// The parts of a build command that grow, and what to do about each.
const OF_BUILD: [(&str, &str, &str); 4] = [
    (
        "secrets",
        "the build secrets, sealed for each worker",
        "give builds fewer or shorter variables (`hythe app set APP --build-secret NAME`)",
    ),
    (
        "registries",
        "the logins to registries, sealed for each worker",
        "log builds out where they need no login (`hythe registry logout HOST`)",
    ),
    (
        "access",
        "tokens and keys for repositories, sealed for each worker",
        "remove tokens that are not needed (`hythe source token rm PREFIX`)",
    ),
    (
        "spec",
        "the app's settings",
        "have fewer or shorter build arguments (`hythe app set APP --build-arg NAME=VALUE`)",
    ),
];

/// The parts of an order to run something.
const OF_RUN: [(&str, &str, &str); 2] = [
    (
        "environment",
        "the environment variables, sealed for the worker",
        "have fewer or shorter ones (`hythe env unset APP NAME`)",
    ),
    ("run", "what is run", "have shorter commands (`hythe app set APP`)"),
];

/// How many bytes of an effect's message get through, where the server takes so many.
pub(super) fn most(effect: &Effect, server: usize) -> usize {
    let server = server.saturating_sub(HEADERS);
    match effect {
        Effect::SendBuild { .. } => server.min(MOST_COMMAND_BYTES),
        Effect::SendRun { .. }
        | Effect::SendStop { .. }
        | Effect::SendCancelBuild { .. }
        | Effect::App(..)
        | Effect::Deployment(..)
        | Effect::Worker(..)
        | Effect::PublishRoutes(_) => server,
    }
}

/// What a deployment is told whose message is too large. None for what is never large, and for the route
/// table, which is no single deployment's: [`super::routes`] says so.
pub(super) fn end(
    effect: &Effect,
    payload: &Bytes,
    most: usize,
    at: Timestamp,
) -> Option<(DeploymentId, DeploymentCommand)> {
    match effect {
        Effect::SendBuild { deployment, generation, .. } => {
            let said = said("a builder", &OF_BUILD, payload, "", most);
            let (generation, outcome) = (*generation, Err(Fault::new(said)));
            Some((*deployment, DeploymentCommand::FinishBuild { generation, outcome, at }))
        }
        Effect::SendRun { deployment, .. } => {
            let fault = Fault::new(said("a worker", &OF_RUN, payload, "/order/run", most));
            Some((*deployment, DeploymentCommand::FailStart { fault }))
        }
        Effect::SendStop { .. }
        | Effect::SendCancelBuild { .. }
        | Effect::App(..)
        | Effect::Deployment(..)
        | Effect::Worker(..)
        | Effect::PublishRoutes(_) => None,
    }
}

/// What is too large, the largest part first.
fn said(
    to: &str,
    parts: &[(&str, &str, &str)],
    payload: &Bytes,
    within: &str,
    most: usize,
) -> String {
    let kib = |bytes: usize| bytes.div_ceil(1024);
    let message: Value = serde_json::from_slice(payload).unwrap_or_default();
    let message = message.pointer(within).unwrap_or(&Value::Null);
    let size = |name: &str| message.get(name).map_or(0, |part| part.to_string().len());
    let mut sized: Vec<_> =
        parts.iter().map(|(name, what, remedy)| (size(name), what, remedy)).collect();
    sized.retain(|(bytes, ..)| *bytes > payload.len() / WORTH_NAMING);
    sized.sort_by_key(|(bytes, ..)| std::cmp::Reverse(*bytes));
    let mut said = format!(
        "what {to} is to be told is too large: it has {} KiB, and at most {} KiB get through",
        kib(payload.len()),
        most / 1024
    );
    for (bytes, what, remedy) in sized {
        said.push_str(&format!("; {what}, make {} KiB of it: {remedy}", kib(bytes)));
    }
    said
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn build() -> Effect {
        let deployment = DeploymentId::new(Uuid::nil());
        Effect::SendBuild { deployment, generation: 2, until: Timestamp(9) }
    }

    #[test]
    fn the_parts_that_make_it_large_are_named_the_largest_first() {
        let message = json!({
            "secrets": ["s".repeat(300 * 1024)],
            "registries": ["r".repeat(600 * 1024)],
            "access": ["a"],
            "spec": {"app_name": "shop"},
        });
        let payload = Bytes::from(message.to_string());
        let most = most(&build(), 1 << 20);
        assert!(payload.len() < 1 << 20 && most < 1 << 20, "headers count, too");
        let (_, command) = end(&build(), &payload, most, Timestamp(1)).unwrap();
        let DeploymentCommand::FinishBuild { generation: 2, outcome: Err(fault), .. } = command
        else {
            panic!("it does not end");
        };
        let said = fault.message;
        let (logins, secrets) = (said.find("registry logout"), said.find("--build-secret"));
        assert!(logins.unwrap() < secrets.unwrap(), "{said}");
        assert!(said.contains("has 901 KiB, and at most 1023 KiB get through"), "{said}");
        assert!(!said.contains("source token") && !said.contains("--build-arg"), "{said}");
    }

    #[test]
    fn a_builder_reads_no_more_than_it_does_whatever_the_server_takes() {
        assert_eq!(most(&build(), 64 << 20), MOST_COMMAND_BYTES);
        assert_eq!(most(&build(), 64 << 10), (64 << 10) - HEADERS);
    }
}
