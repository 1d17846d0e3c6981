//! `hythe traffic` and `hythe maintenance`: how edges serve an app.

use std::collections::BTreeMap;

use hythe_core::names::AppName;
use reqwest::Method;

use super::Context;
use super::args::{
    GuardsArg, HttpsArg, MaintenanceCommand, ProtocolArg, TrafficCommand, TrafficSetArgs, WwwArg,
};
use super::client::Patience;
use super::failure::{Failure, Outcome};
use super::format;
use super::registry::secret_from;
use crate::api::dto::{
    EdgeGuards, EdgeHsts, EdgeHttps, EdgeProtocol, EdgeRate, EdgeSeenPath, EdgeSettings, EdgeWww,
    SecretText, UpdateEdge,
};

/// More than any password that the server takes.
const MOST_PASSWORD_BYTES: usize = 1_024;

pub(super) async fn traffic(context: &Context, command: TrafficCommand) -> Outcome {
    match command {
        TrafficCommand::Show { app } => {
            let settings = context.client.get(&["apps", app.as_str(), "edge"], &[]).await?;
            show(context, &settings);
        }
        TrafficCommand::Set(args) => {
            let app = args.app.clone();
            show(context, &update(context, &app, &of(*args)).await?);
        }
        TrafficCommand::Login { app, username, password_stdin: _ } => {
            let password = secret_from(std::io::stdin(), MOST_PASSWORD_BYTES)?;
            if password.is_empty() {
                return Err(Failure::usage("there is no password on stdin"));
            }
            let password = Some(SecretText::new(password.as_str().to_owned()));
            let users = BTreeMap::from([(username.to_string(), password)]);
            let change = UpdateEdge { users, ..UpdateEdge::default() };
            let settings = update(context, &app, &change).await?;
            say(context, &settings, &format!("{app} is shown to {}", settings.users.join(", ")));
        }
        TrafficCommand::Mount { app, at, strip } => {
            let seen = if strip { EdgeSeenPath::Stripped } else { EdgeSeenPath::Whole };
            let mounts = BTreeMap::from([(at.to_string(), Some(seen))]);
            let change = UpdateEdge { mounts, ..UpdateEdge::default() };
            let settings = update(context, &app, &change).await?;
            say(context, &settings, &format!("{app} answers at {at}"));
        }
        TrafficCommand::Unmount { app, at } => {
            let mounts = BTreeMap::from([(at.to_string(), None)]);
            let change = UpdateEdge { mounts, ..UpdateEdge::default() };
            let settings = update(context, &app, &change).await?;
            say(context, &settings, &format!("{app} answers at {at} no more"));
        }
        TrafficCommand::Logout { app, username } => {
            let users = BTreeMap::from([(username.to_string(), None)]);
            let change = UpdateEdge { users, ..UpdateEdge::default() };
            let settings = update(context, &app, &change).await?;
            let who = match settings.users.as_slice() {
                [] => "everybody".to_owned(),
                users => users.join(", "),
            };
            say(context, &settings, &format!("{app} is shown to {who}"));
        }
    }
    Ok(())
}

pub(super) async fn maintenance(context: &Context, command: MaintenanceCommand) -> Outcome {
    let (app, on) = match command {
        MaintenanceCommand::On { app } => (app, true),
        MaintenanceCommand::Off { app } => (app, false),
    };
    let change = UpdateEdge { maintenance: Some(on), ..UpdateEdge::default() };
    let settings = update(context, &app, &change).await?;
    let said = if on {
        format!(
            "{app} shows its maintenance page; it answers again with: hythe maintenance off {app}"
        )
    } else {
        format!("{app} answers again")
    };
    say(context, &settings, &said);
    Ok(())
}

async fn update(context: &Context, app: &AppName, change: &UpdateEdge) -> Outcome<EdgeSettings> {
    let path = ["apps", app.as_str(), "edge"];
    context.client.write(Method::PATCH, &path, change, Patience::OnceReached).await
}

/// What was given, as a change.
fn of(args: TrafficSetArgs) -> UpdateEdge {
    let TrafficSetArgs {
        app: _,
        sticky,
        no_sticky,
        www,
        rate,
        burst,
        no_rate,
        allow,
        allow_all,
        guards,
        wait,
        max_body,
        no_max_body,
        answer_within,
        no_answer_within,
        compress,
        no_compress,
        protocol,
        https,
        hsts,
        hsts_subdomains,
        hsts_preload,
        no_hsts,
        access_log,
        no_access_log,
        sleep_after,
        no_sleep,
    } = args;
    let switched = |on: bool, off: bool| on.then_some(true).or(off.then_some(false));
    let rate = rate.map(|per_second| EdgeRate {
        per_second,
        burst: burst.unwrap_or_else(|| per_second.saturating_mul(2).min(1_000_000)),
    });
    let hsts = hsts.map(|ms| EdgeHsts {
        // What is beyond the server's bounds is for the server to refuse.
        max_age: u32::try_from(ms / 1_000).unwrap_or(u32::MAX),
        subdomains: hsts_subdomains,
        preload: hsts_preload,
    });
    let allowed = || allow.iter().map(ToString::to_string).collect();
    UpdateEdge {
        maintenance: None,
        sticky: switched(sticky, no_sticky),
        www: www.map(|www| match www {
            WwwArg::Both => EdgeWww::Both,
            WwwArg::Remove => EdgeWww::Remove,
            WwwArg::Add => EdgeWww::Add,
        }),
        rate: rate.map(Some).or(no_rate.then_some(None)),
        users: BTreeMap::new(),
        allow: (!allow.is_empty()).then(allowed).or(allow_all.then(Vec::new)),
        guards: guards.map(|guards| match guards {
            GuardsArg::All => EdgeGuards::All,
            GuardsArg::Previews => EdgeGuards::Previews,
        }),
        wait_ms: wait,
        body_bytes: max_body.map(Some).or(no_max_body.then_some(None)),
        answer_within_ms: answer_within.map(Some).or(no_answer_within.then_some(None)),
        compress: switched(compress, no_compress),
        protocol: protocol.map(|protocol| match protocol {
            ProtocolArg::Http1 => EdgeProtocol::Http1,
            ProtocolArg::H2c => EdgeProtocol::H2c,
        }),
        https: https.map(|https| match https {
            HttpsArg::Redirect => EdgeHttps::Redirect,
            HttpsArg::Both => EdgeHttps::Both,
        }),
        hsts: hsts.map(Some).or(no_hsts.then_some(None)),
        access_log: switched(access_log, no_access_log),
        mounts: BTreeMap::new(),
        sleep_after_ms: sleep_after.map(Some).or(no_sleep.then_some(None)),
    }
}

/// What browsers are told, in words.
fn hsts(EdgeHsts { max_age, subdomains, preload }: EdgeHsts) -> String {
    let below = if subdomains { ", with all hosts below" } else { "" };
    let built_in = if preload { ", may be built in" } else { "" };
    format!("https only for {max_age} s{below}{built_in}")
}

fn say(context: &Context, settings: &EdgeSettings, line: &str) {
    if context.output.json() {
        context.output.document(settings);
    } else {
        context.output.line(line);
    }
}

fn show(context: &Context, settings: &EdgeSettings) {
    let output = &context.output;
    if output.json() {
        output.document(settings);
        return;
    }
    let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let some = |list: &[String], none: &str| match list {
        [] => none.to_owned(),
        list => list.join(", "),
    };
    let span = |ms: u64| format!("{} s", ms / 1_000);
    let mounts: Vec<String> = settings
        .mounts
        .iter()
        .map(|mount| match mount.seen {
            EdgeSeenPath::Whole => mount.at.clone(),
            EdgeSeenPath::Stripped => format!("{} (stripped)", mount.at),
        })
        .collect();
    let rows = [
        ("maintenance", yes(settings.maintenance)),
        ("shown to", some(&settings.users, "everybody")),
        ("shown from", some(&settings.allow, "everywhere")),
        (
            "that holds for",
            match settings.guards {
                EdgeGuards::All => "the app and its previews".to_owned(),
                EdgeGuards::Previews => "its previews".to_owned(),
            },
        ),
        (
            "rate",
            settings.rate.map_or("no limit".to_owned(), |rate| {
                format!("{} a second, {} at once, from each address", rate.per_second, rate.burst)
            }),
        ),
        ("largest body", settings.body_bytes.map_or("no limit".to_owned(), format::bytes)),
        ("answers within", settings.answer_within_ms.map_or("600 s".to_owned(), span)),
        ("waits for a start", span(settings.wait_ms)),
        ("sleeps after", settings.sleep_after_ms.map_or("never".to_owned(), span)),
        ("sticky", yes(settings.sticky)),
        ("compresses", yes(settings.compress)),
        ("access log", yes(settings.access_log)),
        ("mounted at", some(&mounts, "its own hosts only")),
        (
            "www",
            match settings.www {
                EdgeWww::Both => "both serve",
                EdgeWww::Remove => "leads to the host without it",
                EdgeWww::Add => "is led to",
            }
            .to_owned(),
        ),
        (
            "protocol",
            match settings.protocol {
                EdgeProtocol::Http1 => "HTTP/1.1",
                EdgeProtocol::H2c => "HTTP/2 without TLS",
            }
            .to_owned(),
        ),
        (
            "without TLS",
            match settings.https {
                EdgeHttps::Redirect => "sent on to https where there is a certificate",
                EdgeHttps::Both => "served",
            }
            .to_owned(),
        ),
        ("HSTS", settings.hsts.map_or("not told".to_owned(), hsts)),
    ];
    for (name, value) in rows {
        output.line(format_args!("{name:<18} {}", output.foreign(&value)));
    }
}
