//! How things look to people: moments, spans, ids, states.

use hythe_core::time::{Millis, Timestamp};

use super::output::{Output, Tone};
use crate::api::dto::{
    App, AppStatus, AsOf, DeploymentStatus, ReplicaState, RouteState, Time, WorkerStatus,
};

/// The moment it is now.
pub(super) fn now() -> Timestamp {
    let millis = jiff::Timestamp::now().as_millisecond();
    Timestamp(u64::try_from(millis).unwrap_or(0))
}

/// How long ago a moment was.
pub(super) fn ago(at: Time) -> String {
    let seconds = now().since(at.0).0 / 1000;
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// A span.
pub(super) fn span(millis: u64) -> String {
    Millis(millis).to_string()
}

/// The beginning of a commit id.
pub(super) fn short(commit: Option<&str>) -> String {
    commit.map_or("-".into(), |commit| commit.chars().take(10).collect())
}

/// Something that may not be there.
pub(super) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or("-".into(), |value| value.to_string())
}

/// Thousandths of a processor, for people: 1, 0.5.
pub(super) fn cpus(millis: u32) -> String {
    let text = format!("{}.{:03}", millis / 1_000, millis % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Bytes, in the largest unit that is not below one.
pub(super) fn bytes(count: u64) -> String {
    for (unit, size) in [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if count >= size {
            return format!("{}.{} {unit}", count / size, count % size * 10 / size);
        }
    }
    format!("{count} B")
}

pub(super) fn app_status(output: &Output, status: AppStatus) -> String {
    let tone = match status {
        AppStatus::Running => Tone::Good,
        AppStatus::Deploying | AppStatus::Degraded => Tone::Busy,
        AppStatus::Down | AppStatus::CrashLoop | AppStatus::Failed => Tone::Bad,
        AppStatus::NeverDeployed | AppStatus::Unknown | AppStatus::Stopped | AppStatus::Asleep => {
            Tone::Faint
        }
    };
    output.tone(tone, status.as_str().replace('_', " "))
}

/// An app's status; of the past, whether something was live is what is known.
pub(super) fn status_of(output: &Output, app: &App) -> String {
    match (app.status, &app.as_of) {
        (AppStatus::Unknown, Some(_)) => output.tone(Tone::Good, "live"),
        (
            AppStatus::Unknown
            | AppStatus::NeverDeployed
            | AppStatus::Deploying
            | AppStatus::Running
            | AppStatus::Degraded
            | AppStatus::Down
            | AppStatus::CrashLoop
            | AppStatus::Failed
            | AppStatus::Stopped
            | AppStatus::Asleep,
            _,
        ) => app_status(output, app.status),
    }
}

/// As of when an answer is.
pub(super) fn as_of(as_of: AsOf) -> String {
    format!("event {}, {} ({})", as_of.sequence, as_of.time, ago(as_of.time))
}

/// Says as of when a list is, where that was asked for.
pub(super) fn note_as_of(output: &Output, then: Option<AsOf>) {
    if let Some(then) = then
        && !output.json()
    {
        output.note(format_args!("as of {}", as_of(then)));
    }
}

pub(super) fn route_state(output: &Output, state: RouteState) -> String {
    let tone = match state {
        RouteState::Serving => Tone::Good,
        RouteState::Starting => Tone::Busy,
        RouteState::Down => Tone::Bad,
        RouteState::Stopped | RouteState::Asleep => Tone::Faint,
    };
    output.tone(tone, state.as_str())
}

pub(super) fn deployment_status(output: &Output, status: DeploymentStatus) -> String {
    let tone = match status {
        DeploymentStatus::Live => Tone::Good,
        DeploymentStatus::Failed => Tone::Bad,
        DeploymentStatus::Superseded | DeploymentStatus::Cancelled => Tone::Faint,
        DeploymentStatus::Requested
        | DeploymentStatus::Queued
        | DeploymentStatus::Building
        | DeploymentStatus::Built
        | DeploymentStatus::Starting
        | DeploymentStatus::Healthy
        | DeploymentStatus::Switching
        | DeploymentStatus::Draining
        | DeploymentStatus::Releasing => Tone::Busy,
    };
    output.tone(tone, status.as_str())
}

pub(super) fn replica_state(output: &Output, state: ReplicaState) -> String {
    let tone = match state {
        ReplicaState::Healthy => Tone::Good,
        ReplicaState::Creating | ReplicaState::Starting => Tone::Busy,
        ReplicaState::Unhealthy
        | ReplicaState::Exited
        | ReplicaState::CrashLoop
        | ReplicaState::Failed => Tone::Bad,
        ReplicaState::Unknown | ReplicaState::Stopping => Tone::Faint,
    };
    output.tone(tone, state.as_str().replace('_', " "))
}

pub(super) fn worker_status(output: &Output, status: WorkerStatus) -> String {
    let tone = match status {
        WorkerStatus::Ready => Tone::Good,
        WorkerStatus::Draining => Tone::Busy,
        WorkerStatus::EngineUnreachable | WorkerStatus::Lost => Tone::Bad,
    };
    output.tone(tone, status.as_str().replace('_', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(512 << 20), "512.0 MiB");
        assert_eq!(bytes((3 << 30) / 2), "1.5 GiB");
        assert_eq!(short(Some("0123456789abcdef")), "0123456789");
        assert_eq!(short(None), "-");
        assert_eq!([1_000, 500, 10, 1_250, 0].map(cpus), ["1", "0.5", "0.01", "1.25", "0"]);
        assert_eq!(ago(Time(now())), "0 s ago");
    }
}
