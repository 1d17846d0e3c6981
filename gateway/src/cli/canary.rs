//! `hythe canary`: a new version that takes a part of an app's requests.

use hythe_core::canary::Weight;
use hythe_core::names::AppName;
use reqwest::Method;

use super::Context;
use super::args::CanaryCommand;
use super::client::Patience;
use super::failure::Outcome;
use crate::api::dto::{App, Canary, SetCanary};

pub(super) async fn run(context: &Context, command: CanaryCommand) -> Outcome {
    match command {
        CanaryCommand::Show { app } => show(context, &app).await,
        CanaryCommand::Set { app, weight } => set(context, &app, weight).await,
        CanaryCommand::Promote { app } => {
            let said = format!(
                "the canary of {app} gets all requests; see how it goes with: hythe deployments ls {app}"
            );
            tell(context, &app, "promote", &said).await
        }
        CanaryCommand::Abort { app } => {
            let said =
                format!("the canary of {app} is taken back; the live version has all requests");
            tell(context, &app, "abort", &said).await
        }
    }
}

async fn show(context: &Context, app: &AppName) -> Outcome {
    let canary: Canary = context.client.get(&["apps", app.as_str(), "canary"], &[]).await?;
    let output = &context.output;
    if output.json() {
        output.document(&canary);
        return Ok(());
    }
    let number = canary.deployment.number;
    let rest = canary.live.map_or_else(|| "nobody".to_owned(), |live| format!("#{}", live.number));
    if !canary.started {
        output.line(format_args!(
            "#{number} is to take {}% of the requests of {app}, once it is healthy",
            canary.percent
        ));
        return Ok(());
    }
    output.line(format_args!(
        "#{number} takes {}% of the requests of {app}, {rest} the others",
        canary.percent
    ));
    if let Some(until) = canary.until {
        output.line(format_args!("it is taken back at {until}, unless it is promoted before"));
    }
    output.line(format_args!("how each does: hythe logs {app} --access --json"));
    Ok(())
}

async fn set(context: &Context, app: &AppName, weight: Weight) -> Outcome {
    let path = ["apps", app.as_str(), "canary"];
    let change = SetCanary { percent: weight.percent() };
    let now: App = context.client.write(Method::PUT, &path, &change, Patience::OnceReached).await?;
    said(context, &now, &format!("the canary of {app} takes {weight} of the requests"));
    Ok(())
}

async fn tell(context: &Context, app: &AppName, what: &str, line: &str) -> Outcome {
    let path = ["apps", app.as_str(), "canary", what];
    let now: App = context.client.post(&path, &serde_json::json!({})).await?;
    said(context, &now, line);
    Ok(())
}

fn said(context: &Context, app: &App, line: &str) {
    if context.output.json() {
        context.output.document(app);
    } else {
        context.output.line(line);
    }
}
