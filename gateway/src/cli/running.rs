//! `hythe stop`, `hythe start` and `hythe scale`: asked for, and waited for unless nobody wants to.
//!
//! What was asked for does not need this process: when it is interrupted, it comes about all the
//! same.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Context;
use super::args::{ScaleArgs, SwitchArgs};
use super::failure::{Exit, Failure, Outcome};
use crate::api::dto::{App, AppStatus, ReplicaList, ReplicaState, ScaleApp};
use hythe_core::limits;

/// From one look to the next.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What is given beyond the app's own times: for orders to arrive, and edges to follow.
const GRACE: Duration = Duration::from_secs(150);

/// `hythe stop`.
pub(super) async fn stop(context: &Context, args: SwitchArgs) -> Outcome {
    let SwitchArgs { name, detach } = args;
    let app = context.client.post(&["apps", name.as_str(), "stop"], &serde_json::json!({})).await?;
    let app = wait(context, app, detach, "stops", |_, replicas| replicas.items.is_empty()).await?;
    say(context, &app, detach, "is stopped");
    Ok(())
}

/// `hythe start`.
pub(super) async fn start(context: &Context, args: SwitchArgs) -> Outcome {
    let SwitchArgs { name, detach } = args;
    let app =
        context.client.post(&["apps", name.as_str(), "start"], &serde_json::json!({})).await?;
    let app = wait(context, app, detach, "starts", runs).await?;
    say(context, &app, detach, "runs");
    Ok(())
}

/// `hythe scale`.
pub(super) async fn scale(context: &Context, args: ScaleArgs) -> Outcome {
    let ScaleArgs { name, counts, detach } = args;
    let wanted = super::args::scale(&counts)?;
    let path = ["apps", name.as_str(), "scale"];
    let app: App = context.client.post(&path, &wanted).await?;
    // Nothing runs of it now: it holds from its start, or its next deployment on. And what is beside web of
    // one that is asleep is no reason to wake it.
    let rests = app.stopped || app.status == AppStatus::Asleep;
    let detach = detach || app.live.is_none() || rests;
    for name in wanted.processes.keys() {
        if !detach && !app.processes.iter().any(|process| process.name == *name) {
            context.output.note(format_args!(
                "{name} is not among what is live; it runs from the next deployment on"
            ));
        }
    }
    // The deployment takes it up a moment after the app.
    let there = |app: &App, list: &ReplicaList| has(app, &wanted) && runs(app, list);
    let app = wait(context, app, detach, "is scaled", there).await?;
    say(context, &app, detach, &format!("has {}", counted(&wanted)));
    Ok(())
}

/// Whether as many are to run of the live version as were asked for, of what it has.
fn has(app: &App, wanted: &ScaleApp) -> bool {
    let ScaleApp { replicas, processes } = wanted;
    let mut beside_web = app.processes.iter();
    replicas.is_none_or(|replicas| app.replicas_wanted == replicas)
        && beside_web.all(|process| {
            processes.get(&process.name).is_none_or(|wanted| *wanted == process.replicas_wanted)
        })
}

/// How many that is, in words.
fn counted(wanted: &ScaleApp) -> String {
    let count = |n: &u16| if *n == 1 { "1 replica".into() } else { format!("{n} replicas") };
    let web = wanted.replicas.iter().map(count);
    let others = wanted.processes.iter().map(|(name, n)| format!("{} of {name}", count(n)));
    web.chain(others).collect::<Vec<String>>().join(", ")
}

/// Whether all that should run runs, and nothing besides.
fn runs(app: &App, replicas: &ReplicaList) -> bool {
    if app.settings.group.as_ref().is_some_and(|group| group.once) {
        // It is as it should be when it has ended, and what has is no replica that is well.
        return app.status == AppStatus::Running;
    }
    let beside_web = app.processes.iter().map(|process| usize::from(process.replicas_wanted));
    let wanted = usize::from(app.replicas_wanted) + beside_web.sum::<usize>();
    let well = replicas.items.iter().filter(|one| one.state == ReplicaState::Healthy).count();
    app.status == AppStatus::Running && well == wanted && replicas.items.len() == well
}

/// Looks until it has come about, and shows how the app is meanwhile.
async fn wait(
    context: &Context,
    mut app: App,
    detach: bool,
    doing: &str,
    done: impl Fn(&App, &ReplicaList) -> bool,
) -> Outcome<App> {
    if detach {
        return Ok(app);
    }
    let name = app.name.clone();
    let settings = &app.settings;
    let start_within = settings.health_start_within_ms.unwrap_or(limits::HEALTH_START_WITHIN.0);
    let own = [settings.drain_within_ms, settings.stop_within_ms, start_within];
    let until = Instant::now() + GRACE + Duration::from_millis(own.iter().sum());
    let mut said = String::new();
    loop {
        let replicas: ReplicaList =
            context.client.get_patiently(&["apps", &name, "replicas"]).await?;
        if done(&app, &replicas) {
            return Ok(app);
        }
        if said != app.status_detail {
            said.clone_from(&app.status_detail);
            let detail = context.output.foreign(&said);
            context.output.note(format_args!("{name} {doing}: {detail}"));
        }
        if Instant::now() > until {
            let detail = context.output.foreign(&app.status_detail);
            return Err(Failure::failed(format!("{name} did not get there in time: {detail}"))
                .hint(format!("it goes on by itself; how it is: hythe ps {name}")));
        }
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            signal = tokio::signal::ctrl_c() => {
                signal.map_err(|error| Failure::of(&error))?;
                context.output.note(format_args!("{name} goes on without this command"));
                return Err(Failure::silent(Exit::Interrupted));
            }
        }
        app = context.client.get_patiently(&["apps", &name]).await?;
    }
}

fn say(context: &Context, app: &App, detach: bool, what: &str) {
    let output = &context.output;
    if output.json() {
        output.document(app);
        return;
    }
    let name = &app.name;
    if detach {
        output.line(format_args!("{name}: {}", output.foreign(&app.status_detail)));
    } else {
        output.line(format_args!("{name} {what}"));
    }
}
