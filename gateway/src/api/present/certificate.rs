//! Certificates as people see them: those that there are, and those that are wanted.

use std::collections::{BTreeMap, BTreeSet};

use hythe_actors::certificates::Standing;
use hythe_core::certificate::{Certificate as Held, CertificateIssuer, CertificateNames, renew_at};
use hythe_core::ids::{AppId, CertificateId};
use hythe_core::names::HostName;
use hythe_core::time::Timestamp;
use hythe_core::view::View;

use crate::api::dto::{Certificate, CertificateState};

/// All of them, by their hosts.
pub(crate) fn certificates(
    view: &View,
    standing: &BTreeMap<CertificateNames, Standing>,
    now: Timestamp,
) -> Vec<Certificate> {
    let state = &view.installation.state.certificates;
    let mut shown: BTreeMap<(CertificateNames, Option<CertificateId>), Certificate> =
        BTreeMap::new();
    for (names, stands) in standing {
        let held = state.of(names);
        let one = of_wanted(view, names, held, stands, now);
        shown.insert((names.clone(), held.map(|(id, _)| id)), one);
    }
    for (id, held) in &state.held {
        let key = (held.names.clone(), Some(*id));
        shown.entry(key).or_insert_with(|| of_held(view, *id, held, now));
    }
    shown.into_values().collect()
}

/// What is to be said of one host: the certificate that serves it, or the one that is wanted for it.
pub(crate) fn certificate_of(
    view: &View,
    standing: &BTreeMap<CertificateNames, Standing>,
    host: &HostName,
    wildcard: bool,
    now: Timestamp,
) -> Option<Certificate> {
    let fits = |one: &Certificate| {
        one.names.iter().filter_map(|name| name.parse::<CertificateNames>().ok()).any(|names| {
            match wildcard {
                true => names.iter().any(|name| name.is_wildcard() && name.name() == host),
                false => names.cover(host),
            }
        })
    };
    let rank = |one: &Certificate| match one.state {
        CertificateState::Valid => 0,
        CertificateState::Pending | CertificateState::Failing | CertificateState::Waiting => 1,
        CertificateState::Expired | CertificateState::Unused => 2,
    };
    let all = certificates(view, standing, now).into_iter().filter(fits);
    all.min_by_key(rank)
}

fn of_wanted(
    view: &View,
    names: &CertificateNames,
    held: Option<(CertificateId, &Held)>,
    stands: &Standing,
    now: Timestamp,
) -> Certificate {
    let mut one = match held {
        Some((id, held)) => of_held(view, id, held, now),
        None => empty(view, names),
    };
    let (state, detail) = match stands {
        Standing::Valid { renew_at } => {
            one.renew_at = Some((*renew_at).into());
            (CertificateState::Valid, "it is served".to_owned())
        }
        Standing::Waiting { why } => (CertificateState::Waiting, why.clone()),
        Standing::Ordering => (CertificateState::Pending, "it is ordered".to_owned()),
        Standing::Failing { why, next, kind: _ } => {
            one.next_attempt = Some((*next).into());
            (CertificateState::Failing, why.clone())
        }
    };
    let expired = held.is_some_and(|(_, held)| held.issued.not_after <= now);
    one.state =
        if expired && state == CertificateState::Valid { CertificateState::Expired } else { state };
    one.detail = match held {
        Some(_) if state != CertificateState::Valid => {
            format!("there is one, and it is to be renewed: {detail}")
        }
        Some(_) | None => detail,
    };
    one
}

fn of_held(view: &View, id: CertificateId, held: &Held, now: Timestamp) -> Certificate {
    let issued = &held.issued;
    let (issuer, challenge) = match &issued.by {
        CertificateIssuer::Acme { authority, challenge } => {
            (authority.to_string(), challenge.map(|kind| kind.to_string()))
        }
        CertificateIssuer::Local => ("local".to_owned(), None),
        CertificateIssuer::Own => ("own".to_owned(), None),
    };
    let expired = issued.not_after <= now;
    let (state, detail) = match (held.is_own(), expired) {
        (true, true) => (
            CertificateState::Expired,
            "nobody renews it: give a new one (hythe certificate add)".to_owned(),
        ),
        (true, false) if held.nears_end => (
            CertificateState::Valid,
            "it comes to its end, and nobody renews it: give a new one (hythe certificate add)"
                .to_owned(),
        ),
        (true, false) => (CertificateState::Valid, "it is served, and nobody renews it".to_owned()),
        (false, _) => (
            CertificateState::Unused,
            "nothing asks for it; it is let go of when it would be renewed".to_owned(),
        ),
    };
    Certificate {
        id: Some(id.to_string()),
        state,
        detail,
        issuer: Some(issuer),
        challenge,
        serial: Some(issued.serial.clone()),
        not_before: Some(issued.not_before.into()),
        not_after: Some(issued.not_after.into()),
        renew_at: (!held.is_own()).then(|| renew_at(id, issued, None).into()),
        ..empty(view, &held.names)
    }
}

fn empty(view: &View, names: &CertificateNames) -> Certificate {
    Certificate {
        id: None,
        names: names.iter().map(ToString::to_string).collect(),
        app: app(view, names),
        state: CertificateState::Waiting,
        detail: String::new(),
        issuer: None,
        challenge: None,
        serial: None,
        not_before: None,
        not_after: None,
        renew_at: None,
        next_attempt: None,
    }
}

/// The app whose domain, or whose own host, it is for.
fn app(view: &View, names: &CertificateNames) -> Option<String> {
    let apps = view.apps.iter().filter_map(|(id, app)| Some((id, app.state.active()?)));
    let mut found: BTreeSet<(AppId, String)> = BTreeSet::new();
    for (id, app) in apps.filter(|(_, app)| app.discarded.is_none()) {
        let domain = app.domains.trusted().any(|(host, _)| {
            names
                .iter()
                .any(|name| name.name() == host.name() && name.is_wildcard() == host.is_wildcard())
        });
        let set = app.settings.domains.iter().any(|host| names.cover(host));
        let own = names.iter().any(|name| {
            let first = name.name().as_str().split('.').next();
            !name.is_wildcard() && first == Some(app.name.as_str())
        });
        if domain || set || (own && app.live.is_some()) {
            found.insert((*id, app.name.to_string()));
        }
    }
    // One for several apps is for none of them.
    let mut found = found.into_iter();
    found.next().filter(|_| found.next().is_none()).map(|(_, name)| name)
}
