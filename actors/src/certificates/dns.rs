//! Proofs by DNS record: set by somebody's server or program, waited for, and removed again.
//!
//! Invariants: a record is in a file of ours before anybody is asked to set it, and out of it only
//! after whoever set it was asked to remove it: what a crash leaves is removed after the next start.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use hythe_core::certificate::{Certificates, DnsHook, FailureKind};
use hythe_core::domain::TxtAnswer;
use hythe_core::time::{Millis, Timestamp};
use hythe_store::durable::put_in_place;
use hythe_store::steps::Step;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use super::failure::Failure;
use super::kept;
use crate::control::Control;
use crate::domains::dns::Dns;
use crate::domains::resolvers;

/// How long whoever sets a record may take.
const SET_WITHIN: Duration = Duration::from_secs(120);
/// How long a record may take until resolvers have it.
const SEEN_WITHIN: Duration = Duration::from_secs(180);
/// From one look to the next.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Names that a record is led to by CNAMEs.
const MOST_ALIASES: usize = 8;
/// Bytes of what a program says, and characters of it that are shown.
const MOST_SAID: u64 = 4 * 1024;
const MOST_SHOWN: usize = 300;
/// A record that could not be removed for so long is forgotten.
const FORGOTTEN_AFTER: Millis = Millis::seconds(7 * 24 * 3_600);
/// Where a program looks for others; it gets nothing else of our environment.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A TXT record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DnsRecord {
    /// Its name, with a dot at its end.
    fqdn: String,
    value: String,
    /// Since when it is to be there.
    at: Timestamp,
}

/// What is to happen to a record. The words are lego's, as are the forms of both hooks
/// (`https://go-acme.github.io/lego/dns/httpreq/` and `/exec/`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Present,
    Cleanup,
}

impl Ask {
    const fn word(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Cleanup => "cleanup",
        }
    }
}

/// Who sets records.
#[derive(Clone, Debug)]
enum Hook {
    Server(DnsHook),
    Program(PathBuf),
}

fn hook(control: &Control) -> Option<Hook> {
    let set = control.read(|view| view.installation.state.certificates.settings.dns.clone());
    let program = || control.certificates().config().dns_program.clone().map(Hook::Program);
    set.map(Hook::Server).or_else(program)
}

/// Whether anybody sets records.
pub(super) fn is_there(control: &Control) -> bool {
    hook(control).is_some()
}

/// The records that are set, on the disk.
#[derive(Clone, Debug)]
pub(super) struct Ledger(Arc<Mutex<PathBuf>>);

impl Ledger {
    pub(super) fn new(data: &Path) -> Self {
        Self(Arc::new(Mutex::new(data.join("dns-records.json"))))
    }

    fn all(path: &Path) -> Result<Vec<DnsRecord>, String> {
        let bad = |error: &dyn std::fmt::Display| format!("read {}: {error}", path.display());
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| bad(&error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(bad(&error)),
        }
    }

    async fn change(
        &self,
        change: impl FnOnce(&mut Vec<DnsRecord>) + Send + 'static,
    ) -> Result<Vec<DnsRecord>, String> {
        let this = self.clone();
        let work = tokio::task::spawn_blocking(move || {
            let path = this.0.lock().unwrap_or_else(PoisonError::into_inner);
            let before = Self::all(&path)?;
            let mut records = before.clone();
            change(&mut records);
            if records != before {
                let bad =
                    |error: &dyn std::fmt::Display| format!("write {}: {error}", path.display());
                let bytes = serde_json::to_vec(&records).map_err(|error| bad(&error))?;
                let aside = path.with_extension("new");
                let written = std::fs::File::create(&aside).and_then(|mut file| {
                    std::io::Write::write_all(&mut file, &bytes)?;
                    file.sync_all()
                });
                written.map_err(|error| bad(&error))?;
                put_in_place(&aside, &path, Step::DnsRecordsNoted).map_err(|error| bad(&error))?;
            }
            Ok(records)
        });
        work.await.map_err(|error| error.to_string())?
    }
}

/// Sets a record for a name, and waits until resolvers have it.
pub(super) async fn present(
    control: &Control,
    name: &str,
    value: String,
) -> Result<DnsRecord, Failure> {
    let failed = |why: String| Failure::new(FailureKind::Hook, why);
    let at = control.clock().now();
    let record = DnsRecord { fqdn: format!("_acme-challenge.{name}."), value, at };
    let noted = record.clone();
    let ledger = control.certificates().ledger();
    ledger.change(move |records| records.push(noted)).await.map_err(failed)?;
    let asked = async {
        ask(control, Ask::Present, &record).await.map_err(failed)?;
        seen(control, &record).await;
        Ok::<(), Failure>(())
    };
    match asked.await {
        Ok(()) => Ok(record),
        Err(failure) => {
            // Who fails may have set it all the same.
            remove(control, &record).await;
            Err(failure)
        }
    }
}

/// Has a record removed. Where that fails, it is tried again later.
pub(super) async fn remove(control: &Control, record: &DnsRecord) {
    if let Err(why) = ask(control, Ask::Cleanup, record).await {
        tracing::warn!(fqdn = record.fqdn, why, "a DNS record could not be removed yet");
        return;
    }
    let gone = record.clone();
    let forgotten = control.certificates().ledger().change(move |records| {
        records.retain(|one| one.fqdn != gone.fqdn || one.value != gone.value);
    });
    if let Err(why) = forgotten.await {
        tracing::warn!(why, "it could not be noted that a DNS record is gone");
    }
}

/// Removes what was left by a crash, or could not be removed before.
pub(super) async fn tidy(control: &Control, older_than: Millis) {
    let now = control.clock().now();
    let left = control.certificates().ledger().change(move |records| {
        records.retain(|record| now.since(record.at) < FORGOTTEN_AFTER);
    });
    let left = left.await.unwrap_or_else(|why| {
        tracing::warn!(why, "DNS records that may have been left are not removed");
        Vec::new()
    });
    for record in left.iter().filter(|record| now.since(record.at) >= older_than) {
        remove(control, record).await;
    }
}

async fn ask(control: &Control, ask: Ask, record: &DnsRecord) -> Result<(), String> {
    match hook(control) {
        None => {
            Err("nobody is set who changes DNS records: hythe certificate settings --dns-hook URL"
                .to_owned())
        }
        Some(Hook::Server(hook)) => server(control, &hook, ask, record).await,
        Some(Hook::Program(program)) => run(&program, ask, record).await,
    }
}

async fn server(
    control: &Control,
    hook: &DnsHook,
    ask: Ask,
    record: &DnsRecord,
) -> Result<(), String> {
    let url = format!("{}/{}", hook.url.as_str().trim_end_matches('/'), ask.word());
    let client = control.certificates().plain_client()?;
    let body = serde_json::json!({"fqdn": record.fqdn, "value": record.value});
    let mut request = client.post(&url).timeout(SET_WITHIN).json(&body);
    if let Some(version) = hook.version {
        let secret = kept::read(control, Certificates::HOOK_SECRET, version)?;
        let secret = secret.ok_or(
            "the hook's secret is gone; set it again: hythe certificate settings \
                                   --dns-hook URL --dns-hook-secret-stdin",
        )?;
        let text = secret.expose_str().ok_or("the hook's secret is no text")?;
        let value = match text.contains(':') {
            true => format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text)),
            false => format!("Bearer {text}"),
        };
        let mut value = reqwest::header::HeaderValue::from_str(&value)
            .map_err(|_| "the hook's secret has characters that no header has".to_owned())?;
        value.set_sensitive(true);
        request = request.header(reqwest::header::AUTHORIZATION, value);
    }
    let answer = request
        .send()
        .await
        .map_err(|error| format!("the DNS hook {url} could not be asked: {}", deepest(&error)))?;
    if answer.status().is_success() {
        return Ok(());
    }
    Err(format!("the DNS hook {url} answered {}", answer.status()))
}

fn deepest(error: &dyn std::error::Error) -> String {
    let mut at = error;
    while let Some(deeper) = at.source() {
        at = deeper;
    }
    at.to_string()
}

/// Never a shell, and nothing of our environment: what is asked for are three arguments.
async fn run(program: &Path, ask: Ask, record: &DnsRecord) -> Result<(), String> {
    let what = program.display();
    let mut child = Command::new(program)
        .args([ask.word(), &record.fqdn, &record.value])
        .env_clear()
        .env("PATH", PATH)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("the DNS program {what} could not be started: {error}"))?;
    let errors = child.stderr.take();
    let work = async {
        let mut said = Vec::new();
        if let Some(mut errors) = errors {
            // What is more goes nowhere, and does not hold it up.
            (&mut errors).take(MOST_SAID).read_to_end(&mut said).await.ok();
            tokio::io::copy(&mut errors, &mut tokio::io::sink()).await.ok();
        }
        (child.wait().await, said)
    };
    let late = |_| format!("the DNS program {what} did not end within {} s", SET_WITHIN.as_secs());
    let (ended, said) = tokio::time::timeout(SET_WITHIN, work).await.map_err(late)?;
    let status = ended.map_err(|error| format!("the DNS program {what}: {error}"))?;
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&said);
    let said: String = said.trim().chars().take(MOST_SHOWN).collect();
    Err(format!("the DNS program {what} failed ({status}): {said}"))
}

/// Waits until more than half of the resolvers that are asked have the record, or some time has passed:
/// authorities ask the zone's own servers, which may have it nevertheless.
async fn seen(control: &Control, record: &DnsRecord) {
    let settings = control.read(|view| view.installation.state.domains.clone());
    let resolvers = resolvers(&settings);
    // A resolver that is asked too soon remembers for long that there is none.
    tokio::time::sleep(control.certificates().config().dns_wait).await;
    let look = async {
        loop {
            let asked = resolvers.iter().map(|resolver| has(*resolver, record));
            let found = futures_util::future::join_all(asked).await;
            if found.iter().filter(|has| **has).count() * 2 > resolvers.len() {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    if tokio::time::timeout(SEEN_WITHIN, look).await.is_err() {
        tracing::info!(fqdn = record.fqdn, "most resolvers do not have a DNS record yet; going on");
    }
}

/// Whether a resolver has it. Authorities follow CNAMEs here, so this does.
async fn has(resolver: std::net::SocketAddr, record: &DnsRecord) -> bool {
    // A new one each time: what it said before is not what it says now.
    let Ok(dns) = Dns::new(resolver) else { return false };
    let mut name = record.fqdn.trim_end_matches('.').to_owned();
    for _ in 0..MOST_ALIASES {
        match dns.txt(&name).await {
            TxtAnswer::Texts(texts) => return texts.contains(&record.value),
            TxtAnswer::Alias(to) => name = to,
            TxtAnswer::Nothing | TxtAnswer::Failed(_) => return false,
        }
    }
    false
}
