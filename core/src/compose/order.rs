//! Which services run, and in which order they go live: each after those that it depends on.

use std::collections::{BTreeMap, BTreeSet};

use super::notes::{Notes, bad, shown};
use super::service::{Depends, Draft};
use super::tree::{Field, Node};
use super::{Bad, Service};
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
    let gone = jobs(&mut drafts, notes);
    drafts.retain(|name, _| !gone.contains(name));
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
        for Depends { on, line, required, completed: _ } in &draft.depends {
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

/// Services that are to end before others start. An app keeps running; so one that is made from the same
/// as the only one that waits for it becomes that one's release command, and any other is left.
fn jobs(drafts: &mut Drafts, notes: &mut Notes) -> BTreeSet<ServiceName> {
    let mut waiting: BTreeMap<ServiceName, Vec<(ServiceName, u64)>> = BTreeMap::new();
    for (name, draft) in &*drafts {
        for depends in draft.depends.iter().filter(|depends| depends.completed) {
            if let Ok(on) = ServiceName::new(&*depends.on) {
                waiting.entry(on).or_default().push((name.clone(), depends.line));
            }
        }
    }
    let mut gone = BTreeSet::new();
    for (job, dependents) in waiting {
        let Some(of) = drafts.get(&job).cloned() else { continue };
        let key = format!("services.{job}");
        let alone = match dependents.as_slice() {
            [(only, _)] => drafts.get_mut(only),
            [] | [_, _, ..] => None,
        };
        let same = alone.filter(|with| {
            let (one, other) = (&with.service.inside, &of.service.inside);
            with.service.from == of.service.from
                && (&one.user, &one.working_dir) == (&other.user, &other.working_dir)
                && with.service.release.is_none()
                && of.service.command.is_some()
                && of.service.entrypoint == with.service.entrypoint
        });
        match same {
            Some(with) => {
                // What it waits for, the release waits for.
                with.service.release = of.service.command;
                with.depends.retain(|depends| depends.on != job.as_str());
                with.depends.extend(of.depends);
                let name = &with.service.name;
                notes.left(
                    of.service.line,
                    &key,
                    format!(
                        "it becomes the release command of {name}, which runs before each new version \
                         of it, with {name}'s variables"
                    ),
                );
            }
            None => notes.left(
                of.service.line,
                &key,
                "it is to end, and an app keeps running; what runs before a new version is its release \
                 command: `hythe app set APP --release-command CMD`, made from the same as the app",
            ),
        }
        gone.insert(job);
    }
    gone
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
