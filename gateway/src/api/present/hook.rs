//! A webhook as people see it, and what to enter at its provider.

use std::collections::{BTreeMap, BTreeSet};

use hythe_core::app::ActiveApp;
use hythe_core::hook::{DeployOn, Hook, Provider, RepositoryKey, Triggers};
use hythe_core::ids::{AppId, CorrelationId, DeploymentId, HookId};
use hythe_core::record::Actor;
use hythe_core::source::{Reference, Source};

use super::Sight;
use crate::api::dto;

/// Deliveries in one list.
const MOST_DELIVERIES: usize = 200;

/// A webhook, where it exists.
pub(crate) fn hook(sight: Sight<'_>, id: HookId) -> Option<dto::Hook> {
    let installation = &sight.view.installation.state;
    let hook = installation.hooks.get(&id)?;
    let path = format!("/hooks/{}/{id}", hook.provider);
    let url = installation.address.as_ref().map(|address| format!("{address}{path}"));
    Some(dto::Hook {
        id,
        provider: hook.provider.to_string(),
        repository: hook.repository.to_string(),
        setup: setup(hook.provider, url, path),
        apps: served(sight, &hook.repository)
            .map(|(id, app)| dto::HookApp {
                id,
                name: app.name.to_string(),
                deploys_on: deploys_on(app),
            })
            .collect(),
        created_at: hook.at.into(),
        secret_set_at: hook.secret_at.into(),
        statuses: hook.statuses.as_ref().map(ToString::to_string),
        comments: hook.comments.as_ref().map(ToString::to_string),
        deployments: hook.deployments.as_ref().map(ToString::to_string),
    })
}

/// All webhooks of these, by repository.
pub(crate) fn hooks(sight: Sight<'_>, wanted: impl Fn(&Hook) -> bool) -> Vec<dto::Hook> {
    let hooks = sight.view.installation.state.hooks.iter();
    let mut ids: Vec<_> = hooks.filter(|(_, hook)| wanted(hook)).collect();
    ids.sort_by_key(|(id, hook)| (hook.repository.clone(), **id));
    ids.into_iter().filter_map(|(id, _)| self::hook(sight, *id)).collect()
}

/// The apps of a repository, by name.
fn served<'a>(
    sight: Sight<'a>,
    repository: &'a RepositoryKey,
) -> impl Iterator<Item = (AppId, &'a ActiveApp)> {
    let apps = sight.view.names.values().filter_map(move |id| sight.view.apps.get(id));
    apps.filter_map(|app| app.state.active()).filter_map(move |app| {
        let source = app.settings.source.as_ref()?;
        let own = RepositoryKey::of(&source.git()?.repository)?;
        // Previews move with the app that they are of.
        (own == *repository && app.preview.is_none()).then_some((app.id, app))
    })
}

fn deploys_on(app: &ActiveApp) -> String {
    let source = app.settings.source.as_ref().and_then(Source::git);
    match (&app.triggers.on, source.map(|source| &source.reference)) {
        (DeployOn::Off, _) => "nothing".into(),
        (DeployOn::Tag(pattern), _) => format!("tags like {pattern}"),
        (DeployOn::Push, Some(Reference::Branch(branch))) => format!("pushes to {branch}"),
        (DeployOn::Push, Some(Reference::DefaultBranch)) => {
            "pushes to the repository's own branch".into()
        }
        (DeployOn::Push, Some(Reference::Commit(_)) | None) => {
            "nothing: it is set to one commit".into()
        }
        (DeployOn::Push, Some(Reference::Tag(tag))) => {
            format!("nothing: it is set to the tag {tag}")
        }
    }
}

/// What deploys an app by itself.
pub(crate) fn triggers(triggers: &Triggers) -> dto::Triggers {
    let (deploy_on, tags) = match &triggers.on {
        DeployOn::Push => (dto::DeployOn::Push, None),
        DeployOn::Tag(pattern) => (dto::DeployOn::Tag, Some(pattern.to_string())),
        DeployOn::Off => (dto::DeployOn::Off, None),
    };
    let watch_paths = triggers.watch.iter().map(ToString::to_string).collect();
    dto::Triggers { deploy_on, tags, watch_paths }
}

fn setup(provider: Provider, url: Option<String>, path: String) -> dto::HookSetup {
    let json = || Some("application/json".to_owned());
    let (page, content_type, secret_field, events): (_, _, _, &[&str]) = match provider {
        Provider::GitHub => {
            ("Settings → Webhooks → Add webhook", json(), "Secret", &["Pushes", "Pull requests"])
        }
        Provider::GitLab => (
            "Settings → Webhooks → Add new webhook",
            None,
            "Signing token, or Secret token where there is no such field",
            &["Push events", "Tag push events", "Merge request events"],
        ),
        Provider::Bitbucket => (
            "Repository settings → Webhooks → Add webhook",
            None,
            "Secret",
            &["Repository push", "Pull request created, updated, merged, declined"],
        ),
        Provider::Gitea => (
            "Settings → Webhooks → Add webhook → Gitea (Forgejo)",
            json(),
            "Secret",
            // New commits of a pull request are a choice of their own there.
            &["Push", "Pull request (Forgejo: Modification)", "Pull request synchronized"],
        ),
    };
    dto::HookSetup {
        page: page.into(),
        url,
        path,
        content_type,
        secret_field: secret_field.into(),
        events: events.iter().map(|event| (*event).to_owned()).collect(),
    }
}

/// What came through a webhook, newest first: what is remembered, and what the journal tells besides.
pub(crate) fn deliveries(
    sight: Sight<'_>,
    hook: HookId,
    mut remembered: Vec<dto::Delivery>,
) -> Vec<dto::Delivery> {
    let known: BTreeSet<DeploymentId> = remembered
        .iter()
        .flat_map(|delivery| delivery.apps.iter().filter_map(|app| app.deployment))
        .collect();
    // One delivery may have deployed several apps: they share its correlation.
    let mut told: BTreeMap<CorrelationId, dto::Delivery> = BTreeMap::new();
    for (id, view) in &sight.view.deployments {
        let (Actor::Webhook(by), Some(attempt)) = (&view.requested.actor, view.state.attempt())
        else {
            continue;
        };
        if by.hook != hook || known.contains(id) {
            continue;
        }
        let app = sight.view.apps.get(&attempt.spec.app).and_then(|app| app.state.active());
        let preview = app.and_then(|app| app.preview.as_deref());
        let reference = preview.map(|of| format!("#{}", of.number));
        let commit = match attempt.spec.source.git().map(|source| &source.reference) {
            Some(Reference::Commit(commit)) => Some(commit.to_string()),
            Some(Reference::Branch(_) | Reference::DefaultBranch | Reference::Tag(_)) | None => {
                None
            }
        };
        // Of a preview it is remembered by the app that it is of.
        let same =
            |delivery: &dto::Delivery| delivery.reference == reference && delivery.commit == commit;
        if preview.is_some() && remembered.iter().any(same) {
            continue;
        }
        let delivery = told.entry(view.requested.correlation).or_insert_with(|| dto::Delivery {
            id: None,
            hook,
            at: view.requested.at.into(),
            event: None,
            reference,
            commit,
            sender: Some(by.sender.as_str().to_owned()),
            outcome: dto::DeliveryOutcome::Deployed,
            reason: None,
            apps: Vec::new(),
        });
        delivery.apps.push(dto::DeliveredApp {
            id: attempt.spec.app,
            name: attempt.spec.app_name.to_string(),
            outcome: dto::DeliveryOutcome::Deployed,
            reason: None,
            deployment: Some(*id),
        });
    }
    remembered.extend(told.into_values());
    remembered.sort_by_key(|delivery| std::cmp::Reverse(delivery.at));
    remembered.truncate(MOST_DELIVERIES);
    remembered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_listened_to_is_among_the_events_to_choose() {
        for provider in Provider::ALL {
            let chosen = setup(provider, None, "/hooks".into()).events.join("; ");
            assert!(chosen.contains("ush") && chosen.contains("equest"), "{provider}: {chosen}");
        }
        let gitea = setup(Provider::Gitea, None, "/hooks".into()).events;
        assert!(gitea.iter().any(|event| event.contains("synchronized")), "{gitea:?}");
    }
}
