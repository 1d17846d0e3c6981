//! Which services run, and in which order they go live: each after those that it depends on.

use std::collections::{BTreeMap, BTreeSet};

use super::notes::{Notes, bad, shown};
use super::once::{self, Asked};
use super::service::{Depends, Draft};
use super::tree::{Field, Node};
use super::{Bad, Service, naming};
use crate::container::ServiceName;

type Drafts = BTreeMap<ServiceName, Draft>;

/// Whether a service is not wanted, for none of its profiles is. What is wrong with one that is not wanted is
/// nobody's matter, so this is asked before it is read.
pub(super) fn is_idle(
    name: &ServiceName,
    field: &Field,
    wanted: &BTreeSet<String>,
    notes: &mut Notes,
) -> bool {
    let profiles = field.node.get("profiles").and_then(Node::items).unwrap_or_default();
    let profiles: Vec<String> = profiles.iter().filter_map(Node::text).collect();
    let is_wanted = |profile: &String| wanted.contains(profile) || profile == "*";
    if profiles.is_empty() || wanted.contains("*") || profiles.iter().any(is_wanted) {
        return false;
    }
    let why = format!(
        "it is of the profile {} and not wanted; it is with --profile",
        shown(&profiles.join(", "))
    );
    notes.left(field.line, &format!("services.{name}"), why);
    true
}

/// The services in their order. `idle` has those that are in the file and not wanted.
pub(super) fn order(
    mut drafts: Drafts,
    idle: BTreeSet<ServiceName>,
    notes: &mut Notes,
) -> Result<(Vec<Service>, BTreeSet<ServiceName>), Bad> {
    known(&drafts, &idle)?;
    let mut gone = jobs(&mut drafts, notes);
    for (name, draft) in drafts.iter().filter(|(_, draft)| draft.idles) {
        let why = "it works through the engine's socket alone, so it is left out: what it does for others is \
                   Hythe's own matter here";
        notes.left(draft.service.line, &format!("services.{name}"), why);
        gone.insert(name.clone());
    }
    let idled = drafts.values().any(|draft| draft.idles);
    drafts.retain(|name, _| !gone.contains(name));
    naming::settle(&mut drafts, notes);
    let mut waves: BTreeMap<ServiceName, usize> = BTreeMap::new();
    let after: BTreeMap<ServiceName, BTreeSet<ServiceName>> = drafts
        .iter()
        .map(|(name, draft)| {
            let on = draft.depends.iter().filter_map(|depends| ServiceName::new(&*depends.on).ok());
            (name.clone(), on.filter(|on| drafts.contains_key(on)).collect())
        })
        .collect();
    // One more round than there can be waves.
    for _round in 0..=drafts.len() {
        for (name, on) in &after {
            let before: Option<usize> = on
                .iter()
                .map(|on| waves.get(on).copied())
                .try_fold(0, |most, wave| wave.map(|wave| most.max(wave + 1)));
            if let Some(wave) = before {
                waves.insert(name.clone(), wave);
            }
        }
    }
    if let Some((name, draft)) = drafts.iter().find(|(name, _)| !waves.contains_key(name)) {
        let path = circle(name, &after, &waves);
        let line = draft.depends.first().map_or(draft.service.line, |depends| depends.line);
        return bad(line, format!("services depend on one another in a circle: {path}"));
    }
    let mut services: Vec<Service> = drafts
        .into_iter()
        .map(|(name, draft)| Service {
            wave: waves.get(&name).copied().unwrap_or_default(),
            after: after.get(&name).cloned().unwrap_or_default(),
            ..draft.service
        })
        .collect();
    services.sort_by(|one, other| (one.wave, &one.name).cmp(&(other.wave, &other.name)));
    if services.is_empty() && idled {
        return Err(Bad {
            line: None,
            why: "all that it has works through the engine's socket, which no container is given: whoever has it \
                  has the machine. What routes, updates or watches containers by it has nothing to do here: \
                  addresses, certificates, deployments and logs are Hythe's own"
                .into(),
        });
    }
    if services.is_empty() {
        return Err(Bad {
            line: None,
            why: "no service of it is wanted; say --profile for those that have one".into(),
        });
    }
    Ok((services, idle))
}

/// That all services are there that others depend on.
fn known(drafts: &Drafts, idle: &BTreeSet<ServiceName>) -> Result<(), Bad> {
    for (name, draft) in drafts {
        for Depends { on, line, required, completed: _, healthy: _ } in &draft.depends {
            let key = format!("services.{name}.depends_on");
            let there = ServiceName::new(&**on).ok();
            let there = there.filter(|on| drafts.contains_key(on) || idle.contains(on));
            match there {
                None if *required => {
                    return bad(*line, format!("{key}: there is no service {}", shown(on)));
                }
                Some(on) if *required && idle.contains(&on) => {
                    return bad(
                        *line,
                        format!("{key}: {on} is of a profile that is not wanted; say --profile"),
                    );
                }
                Some(_) | None => {}
            }
        }
    }
    Ok(())
}

/// Who waits for a service to end, and where that is said.
type Waiting = BTreeMap<ServiceName, Vec<(ServiceName, u64)>>;

/// Services that end by themselves. One that is made from the same as one that waits for it becomes that one's
/// release command, and is gone; whoever else waits for it waits for that one. Any other is an app that runs once.
fn jobs(drafts: &mut Drafts, notes: &mut Notes) -> BTreeSet<ServiceName> {
    let mut waiting = Waiting::new();
    let mut asked: BTreeMap<ServiceName, Asked> = BTreeMap::new();
    for (name, draft) in &*drafts {
        for depends in &draft.depends {
            let Ok(on) = ServiceName::new(&*depends.on) else { continue };
            let of = asked.entry(on.clone()).or_default();
            of.to_end |= depends.completed;
            of.to_be_well |= depends.healthy;
            if depends.completed {
                waiting.entry(on).or_default().push((name.clone(), depends.line));
            }
        }
    }
    let told_apart = drafts.values().any(|draft| !draft.ends.is_never());
    let mut ending = BTreeMap::new();
    for (name, draft) in &*drafts {
        match once::why(draft, asked.get(name).copied().unwrap_or_default(), told_apart) {
            Some(why) => {
                ending.insert(name.clone(), why);
            }
            None => once::kept_running(&draft.ends, notes),
        }
    }
    let mut gone = BTreeSet::new();
    for (job, (because, is_said)) in &ending {
        let Some(of) = drafts.get(job).cloned() else { continue };
        let key = format!("services.{job}");
        let dependents = waiting.get(job).map(Vec::as_slice).unwrap_or_default();
        let own = of.ends.said == Some(true);
        let dependents: &[(ServiceName, u64)] = if own { &[] } else { dependents };
        let before = runs_before(&of, dependents, &ending, drafts);
        match before.as_ref().and_then(|name| drafts.get_mut(name)) {
            Some(with) => {
                // What it waits for, the release waits for.
                with.service.release = of.service.command;
                with.depends.retain(|depends| depends.on != job.as_str());
                with.depends.extend(of.depends);
                let name = with.service.name.clone();
                let mut others: Vec<&str> = Vec::new();
                for (other, line) in dependents.iter().filter(|(other, _)| *other != name) {
                    let Some(draft) = drafts.get_mut(other) else { continue };
                    others.push(other.as_str());
                    draft.depends.retain(|depends| depends.on != job.as_str());
                    let on = name.to_string();
                    let (completed, healthy, required) = (false, false, true);
                    draft.depends.push(Depends { on, line: *line, completed, healthy, required });
                }
                let others = match others.as_slice() {
                    [] => String::new(),
                    others => format!("; {} go live after {name}", others.join(", ")),
                };
                notes.left(
                    of.service.line,
                    &key,
                    format!(
                        "it becomes the release command of {name}, which runs before each new version \
                         of it, with {name}'s variables{others}"
                    ),
                );
            }
            None => {
                if let Some(draft) = drafts.get_mut(job) {
                    once::becomes(draft);
                }
                notes.left(of.service.line, &key, once::told(because, *is_said));
                continue;
            }
        }
        gone.insert(job.clone());
    }
    gone
}

/// The service that a job is to run before: it is made from the same, has all that the job has, as a release
/// command has no volumes, does not end itself, and waits for none of the others that wait for the job.
fn runs_before<T>(
    job: &Draft,
    dependents: &[(ServiceName, u64)],
    ending: &BTreeMap<ServiceName, T>,
    drafts: &Drafts,
) -> Option<ServiceName> {
    let all: BTreeSet<&ServiceName> = dependents.iter().map(|(name, _)| name).collect();
    let fits = |name: &&ServiceName| {
        let Some(with) = drafts.get(*name) else { return false };
        let (one, other) = (&with.service.inside, &job.service.inside);
        with.service.from == job.service.from
            && (&one.user, &one.working_dir) == (&other.user, &other.working_dir)
            && with.service.release.is_none()
            && job.service.command.is_some()
            && job.service.entrypoint == with.service.entrypoint
            && job.service.volumes.is_empty()
            && job.service.env.iter().all(|(name, value)| with.service.env.get(name) == Some(value))
            && other.files.iter().all(|(path, file)| one.files.get(path) == Some(file))
            && !ending.contains_key(*name)
            && !all.iter().any(|other| other != name && leads_to(name, other, drafts))
    };
    all.iter().copied().find(fits).cloned()
}

/// Whether a service waits for another, however many lie between.
fn leads_to(from: &ServiceName, to: &ServiceName, drafts: &Drafts) -> bool {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut open = vec![from.as_str()];
    while let Some(name) = open.pop() {
        if !seen.insert(name) {
            continue;
        }
        let draft = ServiceName::new(name).ok().and_then(|name| drafts.get(&name));
        open.extend(draft.into_iter().flat_map(|draft| &draft.depends).map(|on| on.on.as_str()));
    }
    seen.remove(from.as_str());
    seen.contains(to.as_str())
}

/// A way through services that leads back to where it began.
fn circle(
    from: &ServiceName,
    after: &BTreeMap<ServiceName, BTreeSet<ServiceName>>,
    done: &BTreeMap<ServiceName, usize>,
) -> String {
    let mut path: Vec<&ServiceName> = vec![from];
    let mut now = from;
    while let Some(next) =
        after.get(now).and_then(|on| on.iter().find(|on| !done.contains_key(*on)))
    {
        if let Some(at) = path.iter().position(|known| *known == next) {
            let names: Vec<&str> =
                path.iter().skip(at).map(|name| name.as_str()).chain([next.as_str()]).collect();
            return names.join(" → ");
        }
        path.push(next);
        now = next;
    }
    from.to_string()
}
