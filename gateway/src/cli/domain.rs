//! `hythe domain`: hosts of your own for an app.

use reqwest::Method;
use serde_json::json;

use super::args::{DomainAddArgs, DomainArgs, DomainCommand, DomainSettingsArgs};
use super::client::Patience;
use super::failure::{Exit, Failure, Outcome};
use super::output::{Output, Tone};
use super::{Context, format};
use crate::api::dto::{
    AddDomain, DnsRecord, Domain, DomainLeads, DomainList, DomainMode, DomainSettings, DomainState,
    UpdateDomain, UpdateDomainSettings,
};

pub(super) async fn run(context: &Context, command: DomainCommand) -> Outcome {
    let (client, output) = (&context.client, &context.output);
    match command {
        DomainCommand::Add(args) => add(context, args).await,
        DomainCommand::Ls { app } => {
            let list: DomainList = client.get(&["apps", app.as_str(), "domains"], &[]).await?;
            show_all(&list, output);
            Ok(())
        }
        DomainCommand::Show(DomainArgs { app, host }) => {
            let host = host.to_string();
            let path = ["apps", app.as_str(), "domains", &host];
            let domain: Domain = client.get(&path, &[]).await?;
            show(&domain, output);
            Ok(())
        }
        DomainCommand::Check(which) => check(context, &which).await,
        DomainCommand::Main(DomainArgs { app, host }) => {
            let host = host.to_string();
            let path = ["apps", app.as_str(), "domains", &host];
            let change = UpdateDomain { mode: DomainMode::Main };
            let domain: Domain =
                client.write(Method::PATCH, &path, &change, Patience::OnceReached).await?;
            if output.json() {
                output.document(&domain);
            } else {
                output.line(format_args!("{host} is the main domain of {app}"));
            }
            Ok(())
        }
        DomainCommand::Rm(DomainArgs { app, host }) => {
            let host = host.to_string();
            client.delete(&["apps", app.as_str(), "domains", &host], &[]).await?;
            if output.json() {
                output.document(&json!({"app": app, "host": host, "removed": true}));
            } else {
                output.line(format_args!(
                    "{host} leads nowhere any more; its TXT record can go, and where it leads too"
                ));
            }
            Ok(())
        }
        DomainCommand::Settings(args) => settings(context, args).await,
    }
}

async fn add(context: &Context, args: DomainAddArgs) -> Outcome {
    let DomainAddArgs { app, host, main, redirect, serve } = args;
    let mode = match (main, redirect, serve) {
        (true, _, _) => Some(DomainMode::Main),
        (_, true, _) => Some(DomainMode::Redirect),
        (_, _, true) => Some(DomainMode::Serve),
        (false, false, false) => None,
    };
    let wanted = AddDomain { host: host.to_string(), mode };
    let path = ["apps", app.as_str(), "domains"];
    let domain: Domain = context.client.post(&path, &wanted).await?;
    let output = &context.output;
    if output.json() {
        output.document(&domain);
        return Ok(());
    }
    if domain.state == DomainState::Verified {
        output.line(format_args!("{host} leads to {app} already: {}", mode_words(&domain)));
        return Ok(());
    }
    output.line("Set these records where the domain's DNS is kept:");
    records(&domain, output);
    output.note(format_args!(
        "The TXT record proves it and has to stay. To look for it now: hythe domain check {app} {host}"
    ));
    Ok(())
}

async fn check(context: &Context, which: &DomainArgs) -> Outcome {
    let DomainArgs { app, host } = which;
    let host = host.to_string();
    let path = ["apps", app.as_str(), "domains", &host, "check"];
    let domain: Domain = context.client.post(&path, &json!({})).await?;
    let output = &context.output;
    let proven = matches!(domain.state, DomainState::Verified);
    if output.json() {
        output.document(&domain);
        return if proven { Ok(()) } else { Err(Failure::silent(Exit::Failed)) };
    }
    if proven {
        output.line(format_args!("{host} is proven and leads to {app}: {}", mode_words(&domain)));
        leads(&domain, output);
        return Ok(());
    }
    leads(&domain, output);
    let state = domain.state.as_str();
    Err(Failure::failed(format!("{host} is {state}: {}", domain.detail)))
}

/// What is still to be set so that it leads here.
fn leads(domain: &Domain, output: &Output) {
    let Some(check) = &domain.check else { return };
    match check.leads {
        DomainLeads::Here => {}
        DomainLeads::Partly
        | DomainLeads::Elsewhere
        | DomainLeads::Proxied
        | DomainLeads::Nowhere
        | DomainLeads::Divided
        | DomainLeads::Unheard
        | DomainLeads::Unsaid => output.note(output.foreign(&check.leads_detail)),
    }
    if let Some(caa) = &check.caa {
        output.note(output.foreign(&caa.detail));
    }
}

fn records(domain: &Domain, output: &Output) {
    let row =
        |record: &DnsRecord| vec![record.kind.clone(), record.name.clone(), record.value.clone()];
    let caa = domain.check.iter().filter_map(|check| check.caa.as_ref()?.record.as_ref());
    let all = std::iter::once(&domain.proof).chain(&domain.target).chain(caa);
    let rows: Vec<_> = all.map(row).collect();
    output.table(&["TYPE", "NAME", "VALUE"], &rows);
    let kinds: Vec<&str> = domain.target.iter().map(|record| record.kind.as_str()).collect();
    if kinds.is_empty() {
        output.note(
            "Where the domain is to lead is not known here: hythe domain settings --target HOST, or \
             --address IP",
        );
    } else if kinds.len() > 1 && kinds.contains(&"CNAME") {
        output
            .note("Either the CNAME or the addresses: at the top of a zone there can be no CNAME.");
    }
}

fn state(domain: &Domain, output: &Output) -> String {
    let tone = match domain.state {
        DomainState::Pending => Tone::Busy,
        DomainState::Verified => Tone::Good,
        DomainState::Failing | DomainState::Lost => Tone::Bad,
    };
    output.tone(tone, domain.state.as_str())
}

fn mode_words(domain: &Domain) -> String {
    match (domain.mode, &domain.redirects_to) {
        (DomainMode::Main, _) => "main".to_owned(),
        (DomainMode::Redirect, Some(to)) => format!("redirects to {to}"),
        (DomainMode::Redirect, None) => "redirects, once a main domain is proven".to_owned(),
        (DomainMode::Serve, _) => "serves".to_owned(),
    }
}

fn show_all(list: &DomainList, output: &Output) {
    if output.json() {
        output.document(&list.items);
        return;
    }
    let row = |domain: &Domain| {
        let name = domain.unicode.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
        let host = format!("{}{name}", domain.host);
        let certificate = domain.certificate.as_ref().map(|one| one.state.as_str());
        let certificate = format::or_dash(certificate);
        let detail = output.foreign(&domain.detail);
        vec![host, state(domain, output), mode_words(domain), certificate, detail]
    };
    let rows: Vec<_> = list.items.iter().map(row).collect();
    output.table(&["DOMAIN", "STATE", "REQUESTS", "CERTIFICATE", "DETAIL"], &rows);
}

fn show(domain: &Domain, output: &Output) {
    if output.json() {
        output.document(domain);
        return;
    }
    let mut rows = vec![("domain", domain.host.clone())];
    rows.extend(domain.unicode.iter().map(|name| ("written", name.clone())));
    rows.push(("state", state(domain, output)));
    rows.push(("requests", mode_words(domain)));
    rows.push(("detail", output.foreign(&domain.detail)));
    rows.push(("added", format::ago(domain.added_at)));
    rows.extend(domain.verified_at.map(|at| ("verified", format::ago(at))));
    rows.extend(domain.failing_since.map(|at| ("failing since", format::ago(at))));
    rows.extend(domain.trusted_until.map(|at| ("trusted until", at.to_string())));
    if let Some(one) = &domain.certificate {
        let words = format!("{}: {}", one.state.as_str(), one.detail);
        rows.push(("certificate", output.foreign(&words)));
    }
    if let Some(check) = &domain.check {
        rows.push(("looked for", format::ago(check.at)));
        rows.push(("leads", output.foreign(&check.leads_detail)));
        rows.extend(check.caa.iter().map(|caa| ("CAA", output.foreign(&caa.detail))));
    }
    for (what, value) in rows {
        output.line(format_args!("{what:<14} {value}"));
    }
    output.line("");
    records(domain, output);
    if let Some(check) = &domain.check {
        output.line("");
        let row = |one: &crate::api::dto::ResolverAnswer| {
            vec![one.resolver.clone(), output.foreign(&one.proof), output.foreign(&one.leads)]
        };
        let rows: Vec<_> = check.resolvers.iter().map(row).collect();
        output.table(&["RESOLVER", "PROOF", "LEADS"], &rows);
    }
}

async fn settings(context: &Context, args: DomainSettingsArgs) -> Outcome {
    let DomainSettingsArgs {
        resolvers,
        usual_resolvers,
        target,
        no_target,
        addresses,
        no_addresses,
    } = args;
    let change = UpdateDomainSettings {
        resolvers: (usual_resolvers || !resolvers.is_empty()).then_some(resolvers),
        target: (no_target || target.is_some()).then(|| target.map(|host| host.to_string())),
        addresses: (no_addresses || !addresses.is_empty())
            .then(|| addresses.iter().map(ToString::to_string).collect()),
    };
    let (client, output) = (&context.client, &context.output);
    let path = ["domains", "settings"];
    let now: DomainSettings = if change == UpdateDomainSettings::default() {
        client.get(&path, &[]).await?
    } else {
        client.write(Method::PATCH, &path, &change, Patience::OnceReached).await?
    };
    if output.json() {
        output.document(&now);
        return Ok(());
    }
    let usual = if now.usual_resolvers { " (the usual ones)" } else { "" };
    let target = now.target.unwrap_or_else(|| "each app's own host".to_owned());
    let addresses = if now.addresses.is_empty() {
        "those of that host".to_owned()
    } else {
        now.addresses.join(", ")
    };
    output.line(format_args!("{:<14} {}{usual}", "resolvers", now.resolvers.join(", ")));
    output.line(format_args!("{:<14} {target}", "CNAME to"));
    output.line(format_args!("{:<14} {addresses}", "addresses"));
    Ok(())
}
