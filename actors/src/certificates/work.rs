//! What is to be done for certificates, compared with what there is, round after round.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hythe_core::certificate::{
    Authority, Certificate, CertificateIssuer, CertificateNames, CertificateSettings, Certificates,
    ChallengeKind, Tries, Trouble, Wanted, Way, nears_end_at, renew_at, wanted,
};
use hythe_core::domain::{DomainHost, Leads};
use hythe_core::ids::CertificateId;
use hythe_core::installation::CertificateCommand;
use hythe_core::limits;
use hythe_core::time::{Millis, Timestamp};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::bucket::Bucket;
use super::challenge::somebody_gives;
use super::failure::Failure;
use super::kept::{self, Kept, new_fleet_key, tell};
use super::order::{Wish, carry_out};
use super::renewal::{self, Suggestion, Suggestions};
use super::standing::Standing;
use super::{dns, local, x509};
use crate::control::Control;
use crate::node::guard::guarded;

const HOUR: Millis = Millis::seconds(3_600);
const WEEK: Millis = Millis::seconds(7 * 24 * 3_600);
/// Authorities that are asked at the same time when to renew.
const MOST_ASKED_AT_ONCE: usize = 2;
/// Certificates that the installation itself signs in one round.
const MOST_LOCAL_A_ROUND: usize = 64;
/// How often people can have one ordered within an hour: fewer than Let's Encrypt takes failures.
const MOST_ASKED_AN_HOUR: usize = 4;

/// Something that went on beside the rounds.
enum Ended {
    Order { names: CertificateNames, authority: Authority, result: Result<(), Failure> },
    Suggestion(Suggestion),
    Tidied,
}

/// What goes on, and what is remembered of it.
pub(super) struct Work {
    control: Control,
    running: JoinSet<Ended>,
    done: Vec<Ended>,
    ordering: BTreeSet<CertificateNames>,
    asking: BTreeSet<CertificateId>,
    tries: BTreeMap<CertificateNames, Tries>,
    /// As they were in the last round.
    settings: Option<CertificateSettings>,
    /// When orders were begun lately.
    orders: VecDeque<Timestamp>,
    /// When people asked for one lately.
    asked: BTreeMap<CertificateNames, VecDeque<Timestamp>>,
    /// What people asked for that could not begin yet, since others go on.
    later: BTreeSet<CertificateNames>,
    suggestions: Suggestions,
    bucket: Bucket,
    started: Timestamp,
    tidied: Timestamp,
}

impl Work {
    pub(super) fn new(control: &Control) -> Self {
        let now = control.clock().now();
        Self {
            control: control.clone(),
            running: JoinSet::new(),
            done: Vec::new(),
            ordering: BTreeSet::new(),
            asking: BTreeSet::new(),
            tries: BTreeMap::new(),
            settings: None,
            orders: VecDeque::new(),
            asked: BTreeMap::new(),
            later: BTreeSet::new(),
            suggestions: Suggestions::default(),
            bucket: Bucket::default(),
            started: now,
            tidied: now,
        }
    }

    /// Removes what a crash left.
    pub(super) async fn begin(&mut self) {
        let control = self.control.clone();
        self.running.spawn(async move {
            dns::tidy(&control, Millis(0)).await;
            Ended::Tidied
        });
        // Records of orders to come are not among those that were left.
        self.ended().await;
    }

    /// Waits until something that went on has ended; never ends where nothing goes on.
    pub(super) async fn ended(&mut self) {
        match self.running.join_next().await {
            Some(Ok(ended)) => self.done.push(ended),
            Some(Err(error)) => tracing::error!(%error, "an order ended in a way it should not"),
            None => std::future::pending().await,
        }
    }

    /// One round.
    pub(super) async fn round(&mut self) {
        let now = self.control.clock().now();
        while let Some(Ok(ended)) = self.running.try_join_next() {
            self.done.push(ended);
        }
        for ended in std::mem::take(&mut self.done) {
            self.take_in(ended, now).await;
        }
        match self.ensure().await {
            Ok(true) => {}
            // Nobody would serve them: an installation whose edges know no TLS stays as it was.
            Ok(false) => return,
            Err(why) => {
                tracing::warn!(why, "certificates wait");
                return;
            }
        }
        let dns = dns::is_there(&self.control);
        let base = self.control.base_domain().clone();
        let (all, state) = self.control.read(|view| {
            (wanted(view, &base, dns, now), view.installation.state.certificates.clone())
        });
        self.forget(&all, &state, now).await;
        self.begin_anew(&state);
        let mut standing = BTreeMap::new();
        let mut asked = self.asked_for(now);
        asked.append(&mut self.later);
        let mut signed = 0;
        // Those that there is none for go first.
        let (without, with): (Vec<&Wanted>, Vec<&Wanted>) =
            all.iter().partition(|one| state.of(&one.names).is_none());
        for one in without.into_iter().chain(with) {
            let due = asked.contains(&one.names) || self.is_due(one, &state, now);
            let stands = match one.way {
                Way::Local if due && signed < MOST_LOCAL_A_ROUND => {
                    signed += 1;
                    self.sign(one, &state, now).await
                }
                Way::Local => self.stands(one, &state),
                Way::Acme { .. } => {
                    let forced = asked.contains(&one.names);
                    self.acme(one, &state, due, forced, now)
                }
            };
            standing.insert(one.names.clone(), stands);
        }
        self.control.certificates().set_standing(standing);
        self.note_own(&state, now).await;
        let names: BTreeSet<&CertificateNames> = all.iter().map(|one| &one.names).collect();
        // As it is after this round.
        let served = self.control.read(|view| {
            let held = view.installation.state.certificates.held.iter();
            let served = held.filter(|(_, one)| match one.is_own() {
                true => now < one.issued.not_after,
                false => names.contains(&one.names),
            });
            served.map(|(id, _)| *id).collect()
        });
        self.bucket.settle(&self.control, &served).await;
        self.ask_when(&all, &state, now);
        self.tidy(now);
    }

    /// The key that edges share, once there is an edge that wants it, and the own authority where local
    /// names are to be signed. Whether there is that key.
    async fn ensure(&self) -> Result<bool, String> {
        let (fleet, has_local) = self.control.read(|view| {
            let now = &view.installation.state.certificates;
            (now.fleet, now.local.is_some() || !now.settings.local)
        });
        if fleet == 0 {
            let wanted = self.control.observed(|observed| {
                observed.edges.values().any(|edge| edge.sealing_key.is_some())
            });
            if !wanted {
                return Ok(false);
            }
            let (command, secrets) = new_fleet_key(&self.control)?;
            tell(&self.control, command, secrets).await.map_err(|error| error.to_string())?;
        }
        if !has_local {
            local::ensure(&self.control).await?;
        }
        Ok(true)
    }

    async fn take_in(&mut self, ended: Ended, now: Timestamp) {
        match ended {
            Ended::Tidied => {}
            Ended::Suggestion(suggestion) => {
                self.asking.remove(&suggestion.id);
                self.suggestions.take_in(suggestion, now);
            }
            Ended::Order { names, authority, result: Ok(()) } => {
                tracing::info!(%names, %authority, "a certificate was signed");
                self.ordering.remove(&names);
                self.tries.remove(&names);
            }
            Ended::Order { names, authority, result: Err(failure) } => {
                self.ordering.remove(&names);
                let Failure { kind, why, no_account: _ } = failure;
                tracing::info!(%names, %authority, why, "a certificate was not to be had");
                let count = self
                    .control
                    .read(|view| view.installation.state.certificates.settings.usable().len());
                let tries = self.tries.entry(names.clone()).or_default();
                *tries = tries.failed(kind, count, jitter(&names), now);
                let trouble = Box::new(Trouble { authority, kind, why, since: now });
                let command = CertificateCommand::Fail { names, trouble };
                if let Err(error) = tell(&self.control, command, Vec::new()).await {
                    tracing::warn!(%error, "that a certificate fails could not be put down");
                }
            }
        }
    }

    /// Lets go of what nobody wants any more: of a certificate when it would be renewed, so that who comes
    /// back before that finds it.
    async fn forget(&mut self, all: &[Wanted], state: &Certificates, now: Timestamp) {
        let names: BTreeSet<&CertificateNames> = all.iter().map(|one| &one.names).collect();
        self.tries.retain(|of, _| names.contains(of));
        self.asked.retain(|of, _| names.contains(of));
        self.suggestions.retain(|id| state.held.contains_key(&id));
        let mut commands = Vec::new();
        for (id, held) in state.held.iter().filter(|(_, held)| !held.is_own()) {
            if !names.contains(&held.names) && renew_at(*id, &held.issued, None) <= now {
                let secrets = vec![kept::delete(&self.control, Certificate::secret(*id))];
                commands.push((CertificateCommand::Remove { id: *id }, secrets));
            }
        }
        let over = state.troubles.keys().chain(state.ordered.keys());
        let over: BTreeSet<&CertificateNames> =
            over.filter(|of| !names.contains(of) && !self.ordering.contains(*of)).collect();
        for of in over {
            let order = state.ordered.get(of).map(|order| order.secret());
            let secrets = order.into_iter().map(|name| kept::delete(&self.control, name)).collect();
            commands.push((CertificateCommand::GiveUp { names: of.clone() }, secrets));
        }
        for (command, secrets) in commands {
            if let Err(error) = tell(&self.control, command, secrets).await {
                tracing::warn!(%error, "a certificate that nobody wants stays for now");
            }
        }
    }

    /// Whoever changes settings wants to see what comes of it: nothing waits for what was before.
    fn begin_anew(&mut self, state: &Certificates) {
        if self.settings.as_ref() == Some(&state.settings) {
            return;
        }
        if self.settings.is_some() {
            self.tries = state.troubles.keys().map(|of| (of.clone(), Tries::default())).collect();
        }
        self.settings = Some(state.settings.clone());
    }

    /// What people asked for and may have.
    fn asked_for(&mut self, now: Timestamp) -> BTreeSet<CertificateNames> {
        let mut asked = self.control.certificates().take_asked();
        asked.retain(|names| {
            let lately = self.asked.entry(names.clone()).or_default();
            lately.retain(|at| now.since(*at) < HOUR && *at <= now);
            let may = lately.len() < MOST_ASKED_AN_HOUR;
            if may {
                lately.push_back(now);
            }
            may
        });
        asked
    }

    fn renew_at(&self, id: CertificateId, held: &Certificate) -> Timestamp {
        renew_at(id, &held.issued, self.suggestions.window(id, held.version))
    }

    fn is_due(&self, one: &Wanted, state: &Certificates, now: Timestamp) -> bool {
        let of = state.of(&one.names);
        of.is_none_or(|(id, held)| {
            // An authority's own suggestion counts also where another one is asked now.
            self.renew_at(id, held) <= now
        })
    }

    fn stands(&self, one: &Wanted, state: &Certificates) -> Standing {
        match state.of(&one.names) {
            Some((id, held)) => Standing::Valid { renew_at: self.renew_at(id, held) },
            None => Standing::Waiting { why: "it is signed soon".to_owned() },
        }
    }

    /// Which certificate it becomes, and its version then.
    fn becomes(one: &Wanted, state: &Certificates) -> (CertificateId, u64) {
        let of = state.of(&one.names);
        of.map_or_else(
            || (CertificateId::new(Uuid::now_v7()), 1),
            |(id, held)| (id, held.version + 1),
        )
    }

    async fn sign(&self, one: &Wanted, state: &Certificates, now: Timestamp) -> Standing {
        let (id, version) = Self::becomes(one, state);
        match Box::pin(local::issue(&self.control, id, &one.names, version)).await {
            Ok(()) => {
                let state = self.control.read(|view| view.installation.state.certificates.clone());
                self.stands(one, &state)
            }
            Err(why) => {
                tracing::warn!(names = %one.names, why, "a local certificate could not be signed");
                let kind = hythe_core::certificate::FailureKind::Unreachable;
                Standing::Failing { kind, why, next: now.plus(Millis::seconds(5)) }
            }
        }
    }

    /// Orders a certificate where it is due and nothing is in the way; says how it stands.
    fn acme(
        &mut self,
        one: &Wanted,
        state: &Certificates,
        due: bool,
        forced: bool,
        now: Timestamp,
    ) -> Standing {
        if self.ordering.contains(&one.names) {
            return Standing::Ordering;
        }
        if !due {
            return self.stands(one, state);
        }
        let before = state.troubles.get(&one.names);
        if let Some(trouble) = before.filter(|_| !self.tries.contains_key(&one.names)) {
            let tries = Tries::since_before(trouble.kind, self.started);
            self.tries.insert(one.names.clone(), tries);
        }
        let tries = self.tries.get(&one.names).copied().unwrap_or_default();
        let waiting = |why: String| Standing::Waiting { why };
        let authorities = state.settings.usable();
        let Some(authority) = tries.authority(authorities.len()).and_then(|at| authorities.get(at))
        else {
            let all: Vec<String> =
                state.settings.authorities().iter().map(ToString::to_string).collect();
            return waiting(format!(
                "nothing is ordered before the terms of {} are agreed to: hythe certificate settings \
                 --email YOU@EXAMPLE.COM --agree-tos",
                all.join(", ")
            ));
        };
        let challenges = match self.ways(one, state) {
            Ok(ways) => ways,
            Err(why) => return waiting(why),
        };
        if !tries.is_due(now) && !forced {
            let (kind, why) = before.map_or_else(
                || (hythe_core::certificate::FailureKind::Unreachable, "it failed".to_owned()),
                |trouble| (trouble.kind, format!("{}: {}", trouble.authority, trouble.why)),
            );
            return Standing::Failing { kind, why, next: tries.next };
        }
        if let Some(why) = self.is_too_much(one, state, now) {
            if forced {
                self.later.insert(one.names.clone());
            }
            return waiting(why);
        }
        let (id, version) = Self::becomes(one, state);
        let replaces = state.of(&one.names).filter(|(_, held)| match &held.issued.by {
            CertificateIssuer::Acme { authority: by, .. } => by == authority,
            CertificateIssuer::Local | CertificateIssuer::Own => false,
        });
        let replaces = replaces.and_then(|(id, held)| {
            let kept = Kept::of(&self.control, id, held.version).ok()?;
            x509::chain(&kept.chain).ok()?.into_iter().next()
        });
        let wish = Wish {
            names: one.names.clone(),
            authority: authority.clone(),
            id,
            version,
            challenges,
            replaces,
            ordered: state.ordered.get(&one.names).cloned(),
        };
        self.orders.push_back(now);
        self.ordering.insert(one.names.clone());
        let control = self.control.clone();
        self.running.spawn(async move {
            let carried = guarded(Box::pin(carry_out(&control, &wish))).await;
            let result = carried.unwrap_or_else(|why| Err(Failure::ours(why)));
            Ended::Order { names: wish.names, authority: wish.authority, result }
        });
        Standing::Ordering
    }

    /// How it can be proven now, the first first, or what is missing.
    fn ways(&self, one: &Wanted, state: &Certificates) -> Result<Vec<ChallengeKind>, String> {
        let dns = dns::is_there(&self.control);
        if one.way == (Way::Acme { by_dns: true }) {
            return if dns {
                Ok(vec![ChallengeKind::Dns01])
            } else {
                Err("a wildcard is proven by a DNS record only, and nobody is set who changes those: \
                     hythe certificate settings --dns-hook URL"
                    .to_owned())
            };
        }
        let set = state.settings.challenges().into_iter();
        let ways: Vec<ChallengeKind> =
            set.filter(|kind| dns || *kind != ChallengeKind::Dns01).collect();
        if ways.first() == Some(&ChallengeKind::Dns01) {
            return Ok(ways);
        }
        let by_edges = match self.leads(one) {
            Ok(by_edges) if somebody_gives(&self.control) => Ok(by_edges),
            Ok(_) => {
                Err("no edge is heard of that can prove it; see whether `hythe edge` runs"
                    .to_owned())
            }
            Err(why) => Err(why),
        };
        match by_edges {
            Ok(by_edges) => {
                let fits =
                    |kind: &ChallengeKind| *kind == ChallengeKind::Dns01 || by_edges.contains(kind);
                let ways: Vec<ChallengeKind> = ways.into_iter().filter(fits).collect();
                if ways.is_empty() {
                    return Err(
                        "none of the ways that are set proves it where it leads; allow http-01 or \
                                dns-01: hythe certificate settings --challenge http-01"
                            .to_owned(),
                    );
                }
                Ok(ways)
            }
            Err(_) if ways.contains(&ChallengeKind::Dns01) => Ok(vec![ChallengeKind::Dns01]),
            Err(why) => Err(why),
        }
    }

    /// How edges can prove a host where it leads now.
    fn leads(&self, one: &Wanted) -> Result<Vec<ChallengeKind>, String> {
        let both = ChallengeKind::USUAL.to_vec();
        // What is under the base domain leads here with it.
        let Some(app) = one.app.filter(|_| !one.under_base) else { return Ok(both) };
        let Some(host) =
            one.names.iter().next().and_then(|name| DomainHost::new(&name.to_string()).ok())
        else {
            return Ok(both);
        };
        let last = self.control.read(|view| {
            let app_view = view.apps.get(&app)?.state.active()?;
            self.control.domains().last(app, &host, app_view.domains.get(&host)?)
        });
        let Some(report) = last else {
            return Err(format!(
                "where {host} leads is looked at first; now: hythe domain check APP {host}"
            ));
        };
        match report.led.leads {
            Leads::Here | Leads::Unsaid => Ok(both),
            // Networks pass plain HTTP on, and end TLS themselves.
            Leads::Proxied(_) => Ok(vec![ChallengeKind::Http01]),
            Leads::Partly | Leads::Elsewhere | Leads::Nowhere | Leads::Divided | Leads::Unheard => {
                Err(format!("it has to lead here first: {}", report.led.why))
            }
        }
    }

    /// Why it is not ordered now although it is due.
    fn is_too_much(
        &mut self,
        one: &Wanted,
        state: &Certificates,
        now: Timestamp,
    ) -> Option<String> {
        if self.ordering.len() >= limits::MOST_ORDERS_AT_ONCE {
            return Some("others are ordered first".to_owned());
        }
        self.orders.retain(|at| now.since(*at) < HOUR && *at <= now);
        if self.orders.len() >= limits::MOST_ORDERS_AN_HOUR {
            let most = limits::MOST_ORDERS_AN_HOUR;
            return Some(format!("{most} were ordered within an hour, which is the most"));
        }
        if !one.under_base || state.of(&one.names).is_some() {
            return None;
        }
        let base = self.control.base_domain();
        let lately = state.held.values().filter(|held| {
            held.version == 1
                && now.since(held.issued.at) < WEEK
                && held.names.iter().all(|name| hythe_core::domain::within(name.name(), base))
        });
        let most = limits::MOST_UNDER_BASE_A_WEEK;
        (lately.count() + self.ordering.len() >= most).then(|| {
            format!(
                "{most} new hosts under {base} got one within a week, which is the most; one for all of \
                 them needs DNS records: hythe certificate settings --dns-hook URL"
            )
        })
    }

    /// Says of certificates that nobody renews when they come to their end.
    async fn note_own(&self, state: &Certificates, now: Timestamp) {
        let near =
            state.own().filter(|(_, own)| !own.nears_end && nears_end_at(&own.issued) <= now);
        for (id, own) in near {
            tracing::warn!(names = %own.names, "a certificate that nobody renews comes to its end");
            let command = CertificateCommand::NoteNearsEnd { id };
            if let Err(error) = tell(&self.control, command, Vec::new()).await {
                tracing::warn!(%error, "that a certificate comes to its end could not be put down");
            }
        }
    }

    /// Asks authorities when to renew.
    fn ask_when(&mut self, all: &[Wanted], state: &Certificates, now: Timestamp) {
        let usable = state.settings.usable();
        for one in all {
            if self.asking.len() >= MOST_ASKED_AT_ONCE {
                return;
            }
            let Some((id, held)) = state.of(&one.names) else { continue };
            let CertificateIssuer::Acme { authority, .. } = &held.issued.by else { continue };
            let due = self.suggestions.is_due(id, held.version, now);
            if due && usable.contains(authority) && self.asking.insert(id) {
                let (control, authority, version) =
                    (self.control.clone(), authority.clone(), held.version);
                self.running.spawn(async move {
                    Ended::Suggestion(renewal::ask(&control, &authority, (id, version)).await)
                });
            }
        }
    }

    /// Removes DNS records that could not be removed before, once an hour.
    fn tidy(&mut self, now: Timestamp) {
        if now.since(self.tidied) < HOUR {
            return;
        }
        self.tidied = now;
        let control = self.control.clone();
        self.running.spawn(async move {
            // None of an order that goes on is that old.
            dns::tidy(&control, HOUR).await;
            Ended::Tidied
        });
    }
}

/// 0 to 1,000, another for other names.
fn jitter(names: &CertificateNames) -> u16 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in names.to_string().bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    u16::try_from((hash >> 20) % 1_001).unwrap_or(0)
}
