//! Custom domains: looks at their records, and has apps have them or lose them by what it saw.
//!
//! Invariants: what a look means is decided by `domain/` in core, and what follows from it is in the
//! journal before anything is routed. What was seen last is remembered here and nowhere else: a server
//! that starts looks at everything again, spread over some minutes. Only resolvers that the owner set,
//! or the usual ones, are ever asked; before the usual ones, while a domain is not proven, its zone's own servers, so
//! that no resolver is asked before there is something to be found. A domain that another app holds goes to one that proves it only
//! where the other's own proof is gone at that very moment.

mod caa;
mod check;
pub(crate) mod dns;
mod zone;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hythe_core::app::{App, AppCommand};
use hythe_core::certificate::is_local;
use hythe_core::domain::{
    Domain, DomainHost, DomainNews, DomainSettings, LeadTarget, Trust, Verdict, next_check,
    what_it_means,
};
use hythe_core::ids::{AppId, CorrelationId};
use hythe_core::names::HostName;
use hythe_core::record::Actor;
use hythe_core::time::Timestamp;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use self::check::{Report, resolvers};
use self::check::{Wanted, look};
use crate::aggregate::{CommandError, Extras};
use crate::control::Control;
use crate::node::guard::guarded;

/// How often it is looked which domains are due.
const TICK: Duration = Duration::from_secs(10);
/// Domains that are looked at at the same time because they are due.
const MOST_AT_ONCE: usize = 8;
/// The same because somebody asks.
const MOST_ASKED: usize = 16;

/// Which domain.
type Key = (AppId, DomainHost);

/// What is remembered of a domain.
#[derive(Clone, Debug)]
struct Seen {
    /// Of which addition.
    token: hythe_core::domain::DomainToken,
    report: Report,
    failures: u32,
}

/// What was seen of domains; cheap to clone, forgotten when the server ends.
#[derive(Clone, Debug)]
pub struct Domains(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    seen: Mutex<BTreeMap<Key, Seen>>,
    asked: Semaphore,
}

impl Default for Domains {
    fn default() -> Self {
        let (seen, asked) = (Mutex::default(), Semaphore::new(MOST_ASKED));
        Self(Arc::new(Inner { seen, asked }))
    }
}

impl Domains {
    /// The last look at a domain, where there was one of this very addition since the server started.
    #[must_use]
    pub fn last(&self, app: AppId, host: &DomainHost, domain: &Domain) -> Option<Report> {
        let seen = self.seen();
        let seen = seen.get(&(app, host.clone())).filter(|seen| seen.token == domain.token)?;
        Some(seen.report.clone())
    }

    fn failures(&self, key: &Key, domain: &Domain) -> (Option<Timestamp>, u32) {
        let seen = self.seen();
        let seen = seen.get(key).filter(|seen| seen.token == domain.token);
        seen.map_or((None, 0), |seen| (Some(seen.report.at), seen.failures))
    }

    fn remember(&self, key: &Key, seen: Seen) {
        self.seen().insert(key.clone(), seen);
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<Key, Seen>> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a domain was not looked at.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The app has no such domain.
    #[error("there is no such domain")]
    NotFound,
    /// Too many are looked at.
    #[error("too many domains are looked at at this moment; try again soon")]
    Busy,
    /// What follows from it could not be put down.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// Where a domain of an app is to lead, as far as that is known.
#[must_use]
pub fn target(settings: &DomainSettings, base_domain: &HostName, app: &str) -> LeadTarget {
    let local = base_domain.as_str().rsplit('.').next() == Some("localhost");
    let own = || (!local).then(|| format!("{app}.{base_domain}"));
    LeadTarget {
        name: settings.target.as_ref().map(ToString::to_string).or_else(own),
        addresses: settings.addresses.iter().map(std::net::IpAddr::to_canonical).collect(),
    }
}

/// Looks at a domain because somebody asks, and does what follows from it.
///
/// # Errors
/// See [`LookError`].
pub async fn verify(control: &Control, app: AppId, host: &DomainHost) -> Result<Report, LookError> {
    let _permit = control.domains().0.asked.try_acquire().map_err(|_| LookError::Busy)?;
    Box::pin(attend(control, &(app, host.clone()), false)).await
}

/// Looks at what is due until `stop`.
///
/// # Errors
/// Never: what does not work now is tried again.
pub(crate) async fn keep(control: Control, stop: CancellationToken) -> Result<(), String> {
    let started = control.clock().now();
    let mut attended: JoinSet<Key> = JoinSet::new();
    let mut busy: BTreeSet<Key> = BTreeSet::new();
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            Some(Ok(key)) = attended.join_next() => {
                busy.remove(&key);
                continue;
            }
            _ = tick.tick() => {}
        }
        for key in due(&control, started) {
            if attended.len() >= MOST_AT_ONCE {
                break;
            }
            if busy.insert(key.clone()) {
                let control = control.clone();
                attended.spawn(async move {
                    let looked = async {
                        if let Err(error) = Box::pin(attend(&control, &key, true)).await {
                            tracing::info!(host = %key.1, %error, "a domain is looked at later");
                        }
                    };
                    if let Err(why) = guarded(Box::pin(looked)).await {
                        tracing::error!(host = %key.1, why, "a domain could not be looked at");
                    }
                    key
                });
            }
        }
    }
}

/// The domains that are due, and those that are gone forgotten.
fn due(control: &Control, started: Timestamp) -> Vec<Key> {
    let all: BTreeMap<Key, Domain> = control.read(|view| {
        let apps = view.apps.iter().filter_map(|(id, app)| Some((*id, app.state.active()?)));
        let there = apps.filter(|(_, app)| app.discarded.is_none());
        let each = there.flat_map(|(id, app)| {
            let domains = app.domains.iter();
            domains.map(move |(host, domain)| ((id, host.clone()), domain.clone()))
        });
        each.collect()
    });
    due_of(all, &mut control.domains().seen(), started, control.clock().now())
}

/// Those of them that are due, who waits for longest first; of what was seen, what is of none of them goes.
fn due_of(
    all: BTreeMap<Key, Domain>,
    seen: &mut BTreeMap<Key, Seen>,
    started: Timestamp,
    now: Timestamp,
) -> Vec<Key> {
    seen.retain(|key, seen| all.get(key).is_some_and(|one| one.token == seen.token));
    let since = |(key, domain): (Key, Domain)| {
        let known = seen.get(&key);
        let (last, failures) =
            known.map_or((None, 0), |seen| (Some(seen.report.at), seen.failures));
        let next = next_check(&domain, last, failures, started, jitter(&domain, last))?;
        // A look of a clock that ran ahead counts for none.
        (next <= now || last.unwrap_or(started) > now).then_some((next, key))
    };
    let mut due: Vec<(Timestamp, Key)> = all.into_iter().filter_map(since).collect();
    // Who waits for longest goes first, whoever has many.
    due.sort();
    due.into_iter().map(|(_, key)| key).collect()
}

/// From 0 to 1,000, another one for each domain and look, and the same whenever it is asked for.
fn jitter(domain: &Domain, last: Option<Timestamp>) -> u16 {
    let mut number = last.map_or(0, |last| last.0);
    for byte in domain.token.as_str().bytes() {
        number = number.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte);
    }
    u16::try_from((number >> 16) % 1_001).unwrap_or(0)
}

/// The port of the zone's own servers, where these are asked before resolvers.
fn zone_first(trust: &Trust, settings: &DomainSettings) -> Option<u16> {
    match trust {
        // Resolvers that the owner set may know a zone that the public one says nothing of, or the contrary of.
        Trust::Pending | Trust::Lost { .. } => settings.resolvers.is_empty().then_some(zone::PORT),
        // That it is gone is for several to say.
        Trust::Verified { .. } | Trust::Failing { .. } => None,
    }
}

/// A domain as it is now, and how it is to be looked at.
fn wanted(control: &Control, key: &Key) -> Option<(Domain, Wanted)> {
    control.read(|view| {
        let app = view.apps.get(&key.0)?.state.active().filter(|app| app.discarded.is_none())?;
        let domain = app.domains.get(&key.1)?.clone();
        let settings = &view.installation.state.domains;
        let wanted = Wanted {
            host: key.1.clone(),
            token: domain.token.clone(),
            target: target(settings, control.base_domain(), app.name.as_str()),
            resolvers: resolvers(settings),
            zone: zone_first(&domain.trust, settings),
            authorities: if is_local(key.1.name()) {
                Vec::new()
            } else {
                view.installation.state.certificates.settings.usable()
            },
        };
        Some((domain, wanted))
    })
}

async fn attend(control: &Control, key: &Key, scheduled: bool) -> Result<Report, LookError> {
    let (_, wanted) = self::wanted(control, key).ok_or(LookError::NotFound)?;
    let mut report = look(&wanted, control.clock().now()).await;
    // As it is now: somebody may have removed or proven it meanwhile.
    let (domain, _) = self::wanted(control, key).ok_or(LookError::NotFound)?;
    if domain.token != wanted.token {
        return Err(LookError::NotFound);
    }
    let (_, failures) = control.domains().failures(key, &domain);
    let Report { judged, at, .. } = &report;
    let (news, failures) =
        what_it_means(&domain.trust, judged.verdict, &judged.why, failures, scheduled, *at);
    if let Some(news) = news {
        match note(control, key, &domain, news, *at, scheduled).await {
            Ok(()) => {}
            Err(CommandError::ClaimTaken { .. }) => {
                report.blocked = contest(control, key, &domain, *at, scheduled).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let seen = Seen { token: domain.token, report: report.clone(), failures };
    control.domains().remember(key, seen);
    Ok(report)
}

async fn note(
    control: &Control,
    key: &Key,
    domain: &Domain,
    news: DomainNews,
    at: Timestamp,
    scheduled: bool,
) -> Result<(), CommandError> {
    let (host, token) = (key.1.clone(), domain.token.clone());
    let command = AppCommand::NoteDomain { host, token, news, at };
    let actor = if scheduled { Actor::System } else { Actor::Owner };
    let correlation = Some(CorrelationId::new(uuid::Uuid::now_v7()));
    let meta = control.meta(actor, correlation, None);
    let done = control.command::<App>(key.0.uuid(), command, Extras::from(meta)).await?;
    match done.sequence {
        Some(sequence) => control.wait_for(sequence).await,
        None => Ok(()),
    }
}

/// A domain is proven that another app holds. Where the other's proof is gone, it changes hands; else
/// says why it does not.
async fn contest(
    control: &Control,
    key: &Key,
    domain: &Domain,
    at: Timestamp,
    scheduled: bool,
) -> Result<Option<String>, LookError> {
    let Some((other, name, held)) = holder(control, key) else {
        return Ok(Some(format!("{} changes hands at this moment; look again", key.1)));
    };
    let Some(held) = held else {
        return Ok(Some(format!(
            "{} is set for the app {name} without proof; take it from there first (hythe app set \
             {name} --no-domains)",
            key.1
        )));
    };
    let theirs = (other, key.1.clone());
    let Some((_, wanted)) = self::wanted(control, &theirs) else {
        return Ok(Some(format!("{} changes hands at this moment; look again", key.1)));
    };
    let seen = look(&wanted, at).await;
    if seen.judged.verdict != Verdict::Absent {
        return Ok(Some(format!(
            "{} belongs to the app {name}, whose own record is there, too: remove it there (hythe \
             domain rm {name} {0}), or take that record away",
            key.1
        )));
    }
    let why =
        format!("another app has proven it, and this one's record is gone: {}", seen.judged.why);
    note(control, &theirs, &held, DomainNews::Lost { why }, at, scheduled).await?;
    match note(control, key, domain, DomainNews::Verified, at, scheduled).await {
        Ok(()) => Ok(None),
        Err(CommandError::ClaimTaken { .. }) => {
            Ok(Some(format!("{} was taken by another app at the same moment", key.1)))
        }
        Err(error) => Err(error.into()),
    }
}

/// The other app that a domain leads to: its name, and the domain there where it was proven.
fn holder(control: &Control, key: &Key) -> Option<(AppId, String, Option<Domain>)> {
    control.read(|view| {
        let apps = view.apps.iter().filter_map(|(id, app)| Some((*id, app.state.active()?)));
        let mut others = apps.filter(|(id, app)| *id != key.0 && app.discarded.is_none());
        others.find_map(|(id, app)| {
            let proven = app.domains.get(&key.1).filter(|domain| match domain.trust {
                Trust::Verified { .. } | Trust::Failing { .. } => true,
                Trust::Pending | Trust::Lost { .. } => false,
            });
            let set = key.1.exact().is_some_and(|host| app.settings.domains.contains(host));
            match (set, proven) {
                (true, _) => Some((id, app.name.to_string(), None)),
                (false, Some(domain)) => Some((id, app.name.to_string(), Some(domain.clone()))),
                (false, None) => None,
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use hythe_core::domain::{DomainMode, DomainToken, Judged, Leads, Led};
    use hythe_core::limits;

    use super::*;

    const START: u64 = 1_700_000_000_000;

    fn at(minutes: u64) -> Timestamp {
        Timestamp(START + minutes * 60_000)
    }

    fn key(n: u128) -> Key {
        let host = format!("d{n}.example").parse().unwrap();
        (AppId::new(uuid::Uuid::from_u128(n)), host)
    }

    fn domain(token: char, trust: Trust) -> Domain {
        let token = DomainToken::new(token.to_string().repeat(64)).unwrap();
        Domain { token, mode: DomainMode::Main, added: at(0), trust }
    }

    fn seen(token: char, at: Timestamp, failures: u32) -> Seen {
        let judged = Judged { verdict: Verdict::Proven, why: String::new() };
        let (txt, leads) = (Vec::new(), Vec::new());
        let led = Led { leads: Leads::Unheard, why: String::new() };
        let report = Report { at, judged, led, txt, leads, caa: None, blocked: None };
        Seen { token: domain(token, Trust::Pending).token, report, failures }
    }

    #[test]
    fn the_zone_goes_before_the_usual_resolvers_alone() {
        let usual = DomainSettings::default();
        let resolvers = vec!["10.0.0.53:53".parse().unwrap()];
        let own = DomainSettings { resolvers, ..DomainSettings::default() };
        let lost = Trust::Lost { at: at(0), why: String::new() };
        for trust in [Trust::Pending, lost] {
            assert_eq!(zone_first(&trust, &usual), Some(zone::PORT));
            // The public zone knows nothing of what is inside, and would answer for it.
            assert_eq!(zone_first(&trust, &own), None);
        }
        assert_eq!(zone_first(&Trust::Verified { at: at(0) }, &usual), None);
    }

    #[test]
    fn what_is_due_is_looked_at_in_the_order_of_waiting_and_what_is_gone_is_forgotten() {
        let verified = || Trust::Verified { at: at(0) };
        let all: BTreeMap<Key, Domain> = [
            (key(1), domain('a', Trust::Pending)),
            (key(2), domain('b', verified())),
            (key(3), domain('c', verified())),
            (key(4), domain('d', Trust::Lost { at: at(0), why: String::new() })),
        ]
        .into();
        let due = |looks: &[(u128, char, Timestamp, u32)], now| {
            let looks = looks.iter();
            let mut seen = looks
                .map(|(n, token, at, failures)| (key(*n), seen(*token, *at, *failures)))
                .collect();
            let due = due_of(all.clone(), &mut seen, at(0), now);
            let due: Vec<usize> =
                due.iter().map(|due| all.keys().position(|key| key == due).unwrap() + 1).collect();
            (due, seen.len())
        };
        let every = limits::DOMAIN_CHECKED_EVERY.0 / 60_000;
        let now = at(2 * every);
        // Of a server that has just started nothing is known: all come, but for what is lost.
        assert_eq!(due(&[], at(0).plus(limits::DOMAIN_FIRST_WITHIN)).0.len(), 3);
        let looked = |ago: u64| at(2 * every - ago);
        assert_eq!(due(&[(1, 'a', now, 0), (2, 'b', now, 0), (3, 'c', now, 0)], now), (vec![], 3));
        // One whose record was missed once is doubted, and looked at more often.
        let hours = [(1, 'a', now, 0), (2, 'b', looked(90), 1), (3, 'c', looked(90), 0)];
        assert_eq!(due(&hours, now), (vec![2], 3));
        let both = [(1, 'a', now, 0), (2, 'b', looked(every), 0), (3, 'c', looked(2 * every), 0)];
        assert_eq!(due(&both, now), (vec![3, 2], 3), "who waits for longest goes first");
        // A look at an earlier addition of the same name, and at what is no more, count for nothing.
        let others = [(1, 'a', now, 0), (2, 'e', now, 0), (3, 'c', now, 0), (9, 'f', now, 0)];
        assert_eq!(due(&others, now), (vec![2], 2));
        // A clock that ran ahead then is right now.
        let ahead = [(1, 'a', now, 0), (2, 'b', now, 0), (3, 'c', at(9 * every), 0)];
        assert_eq!(due(&ahead, now), (vec![3], 3));
    }
}
