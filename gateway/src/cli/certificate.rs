//! `hythe certificate`: keys and other secrets go in and never come out again.

use std::path::Path;

use hythe_core::limits;
use reqwest::Method;
use serde_json::json;

use super::args::{CertificateCommand, CertificateSettingsArgs};
use super::client::Patience;
use super::failure::{Failure, Outcome};
use super::output::{Output, Tone};
use super::registry::secret_from;
use super::{Context, format};
use crate::api::dto::{
    AddCertificate, Certificate, CertificateAuthority, CertificateList, CertificateSettings,
    CertificateState, SecretText, SetDnsHook, SetExternalAccount, UpdateCertificateSettings,
};

/// Bytes of a secret that is read from stdin.
const MOST_SECRET: usize = 4_096;

pub(super) async fn run(context: &Context, command: CertificateCommand) -> Outcome {
    let (client, output) = (&context.client, &context.output);
    match command {
        CertificateCommand::Ls => {
            let list: CertificateList = client.get(&["certificates"], &[]).await?;
            show_all(&list, output);
        }
        CertificateCommand::Show { which } => {
            let one: Certificate = client.get(&["certificates", &which], &[]).await?;
            show(&one, output);
        }
        CertificateCommand::Add { cert, key } => {
            let certificate = read(&cert)?;
            let key = SecretText::new(read(&key)?);
            let body = AddCertificate { certificate, key };
            let one: Certificate = client.post(&["certificates"], &body).await?;
            if output.json() {
                output.document(&one);
            } else {
                let until = format::or_dash(one.not_after);
                output.line(format_args!("{} is served until {until}", one.names.join(", ")));
            }
        }
        CertificateCommand::Rm { which } => {
            client.delete(&["certificates", &which], &[]).await?;
            if output.json() {
                output.document(&json!({"certificate": which, "removed": true}));
            } else {
                output.line(format_args!("the certificate of {which} is gone"));
            }
        }
        CertificateCommand::Renew { which } => {
            let one: Certificate =
                client.post(&["certificates", &which, "renew"], &json!({})).await?;
            if output.json() {
                output.document(&one);
            } else {
                output.line(format_args!(
                    "a certificate for {} is ordered; to see how it goes: hythe certificate show {which}",
                    one.names.join(", ")
                ));
            }
        }
        CertificateCommand::RotateKey => {
            let path = ["certificates", "fleet-key"];
            client.post::<serde::de::IgnoredAny>(&path, &json!({})).await?;
            if output.json() {
                output.document(&json!({"rotated": true}));
            } else {
                output.line(
                    "edges get a new key as soon as they are heard of; for certificates whose keys are in other \
                     hands, order new ones: hythe certificate renew HOST",
                );
            }
        }
        CertificateCommand::Ca => {
            let authority: CertificateAuthority =
                client.get(&["certificates", "authority"], &[]).await?;
            if output.json() {
                output.document(&authority);
            } else {
                output.line(authority.certificate.trim_end());
            }
        }
        CertificateCommand::Settings(args) => settings(context, *args).await?,
    }
    Ok(())
}

fn read(path: &Path) -> Outcome<String> {
    let failed = |why: String| Failure::usage(format!("failed to read {}: {why}", path.display()));
    let most = limits::MOST_CERTIFICATE_BYTES;
    let about = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    if usize::try_from(about.len()).map_or(true, |length| length > most) {
        return Err(failed(format!("it has more than {most} bytes")));
    }
    std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))
}

fn state(one: &Certificate, output: &Output) -> String {
    let tone = match one.state {
        CertificateState::Valid => Tone::Good,
        CertificateState::Pending | CertificateState::Waiting => Tone::Busy,
        CertificateState::Failing | CertificateState::Expired => Tone::Bad,
        CertificateState::Unused => Tone::Faint,
    };
    output.tone(tone, one.state.as_str())
}

fn show_all(list: &CertificateList, output: &Output) {
    if output.json() {
        output.document(&list.items);
        return;
    }
    let row = |one: &Certificate| {
        vec![
            one.names.join(", "),
            state(one, output),
            format::or_dash(one.issuer.as_ref()),
            format::or_dash(one.not_after),
            output.foreign(&one.detail),
        ]
    };
    let rows: Vec<_> = list.items.iter().map(row).collect();
    output.table(&["HOSTS", "STATE", "ISSUER", "UNTIL", "DETAIL"], &rows);
}

fn show(one: &Certificate, output: &Output) {
    if output.json() {
        output.document(one);
        return;
    }
    let mut rows = vec![("hosts", one.names.join(", "))];
    rows.push(("state", state(one, output)));
    rows.push(("detail", output.foreign(&one.detail)));
    rows.extend(one.app.iter().map(|app| ("app", app.clone())));
    rows.extend(one.id.iter().map(|id| ("id", id.clone())));
    rows.extend(one.issuer.iter().map(|issuer| ("issuer", issuer.clone())));
    rows.extend(one.challenge.iter().map(|kind| ("proven by", kind.clone())));
    rows.extend(one.serial.iter().map(|serial| ("serial", serial.clone())));
    rows.extend(one.not_before.map(|at| ("good from", at.to_string())));
    rows.extend(one.not_after.map(|at| ("good until", at.to_string())));
    rows.extend(one.renew_at.map(|at| ("renewed at", at.to_string())));
    rows.extend(one.next_attempt.map(|at| ("tried again", at.to_string())));
    for (what, value) in rows {
        output.line(format_args!("{what:<14} {value}"));
    }
}

async fn settings(context: &Context, args: CertificateSettingsArgs) -> Outcome {
    let changes = args.change();
    let (client, output) = (&context.client, &context.output);
    let path = ["certificates", "settings"];
    let now: CertificateSettings = if changes {
        let change = update(args)?;
        client.write(Method::PATCH, &path, &change, Patience::OnceReached).await?
    } else {
        client.get(&path, &[]).await?
    };
    if output.json() {
        output.document(&now);
        return Ok(());
    }
    let agreed = |ca: &String| {
        if now.agreed.contains(ca) { ca.clone() } else { format!("{ca} (terms not agreed to)") }
    };
    let cas: Vec<String> = now.cas.iter().map(agreed).collect();
    let hook = now.dns_hook.as_ref().map(|hook| hook.url.clone()).or(now.dns_program.clone());
    output.line(format_args!("{:<14} {}", "e-mail", format::or_dash(now.email.as_ref())));
    output.line(format_args!("{:<14} {}", "authorities", cas.join(", ")));
    for external in &now.external {
        output.line(format_args!("{:<14} {} as {}", "bound at", external.ca, external.key_id));
    }
    output.line(format_args!("{:<14} {}", "DNS hook", format::or_dash(hook)));
    output.line(format_args!("{:<14} {}", "challenges", now.challenges.join(", ")));
    let local = if now.local { "signed here" } else { "not signed" };
    output.line(format_args!("{:<14} {local}", "local names"));
    if now.agreed.is_empty() {
        output
            .note("Nothing is ordered before the terms are agreed to: --email ADDRESS --agree-tos");
    }
    Ok(())
}

impl CertificateSettingsArgs {
    /// Whether anything is to change.
    fn change(&self) -> bool {
        let Self {
            email,
            no_email,
            cas,
            usual_cas,
            agree_tos,
            disagree_tos,
            eab_ca,
            eab_kid: _,
            eab_key_stdin: _,
            dns_hook,
            dns_hook_secret_stdin: _,
            no_dns_hook,
            challenges,
            usual_challenges,
            local,
            no_local,
        } = self;
        email.is_some()
            || *no_email
            || !cas.is_empty()
            || *usual_cas
            || *agree_tos
            || *disagree_tos
            || eab_ca.is_some()
            || dns_hook.is_some()
            || *no_dns_hook
            || !challenges.is_empty()
            || *usual_challenges
            || *local
            || *no_local
    }
}

fn update(args: CertificateSettingsArgs) -> Outcome<UpdateCertificateSettings> {
    let stdin = || -> Outcome<SecretText> {
        let text = secret_from(std::io::stdin(), MOST_SECRET)?;
        Ok(SecretText::new(text.to_string()))
    };
    let external = match (args.eab_ca, args.eab_kid) {
        (Some(ca), Some(key_id)) => Some(SetExternalAccount {
            ca: ca.to_string(),
            key_id: key_id.to_string(),
            key: stdin()?,
        }),
        (Some(_), None) | (None, _) => None,
    };
    let dns_hook = match args.dns_hook {
        Some(url) => {
            let secret = args.dns_hook_secret_stdin.then(stdin).transpose()?;
            Some(Some(SetDnsHook { url: url.to_string(), secret }))
        }
        None => args.no_dns_hook.then_some(None),
    };
    let agree_tos = match (args.agree_tos, args.disagree_tos) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    };
    let local = match (args.local, args.no_local) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    };
    Ok(UpdateCertificateSettings {
        local,
        email: (args.no_email || args.email.is_some())
            .then(|| args.email.map(|email| email.to_string())),
        cas: (args.usual_cas || !args.cas.is_empty())
            .then(|| args.cas.iter().map(ToString::to_string).collect()),
        agree_tos,
        external,
        dns_hook,
        challenges: (args.usual_challenges || !args.challenges.is_empty())
            .then(|| args.challenges.iter().map(ToString::to_string).collect()),
    })
}
