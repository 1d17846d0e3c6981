//! Previews as people see them.

use hythe_core::app::ActiveApp;
use hythe_core::ids::AppId;
use hythe_core::preview::{EnvChoice, Forks, PreviewSettings, told};

use super::{Sight, reference_to};
use crate::api::dto;

/// How an app's previews are made.
fn preview_settings(settings: &PreviewSettings) -> dto::PreviewSettings {
    let PreviewSettings { on, most, forks, drafts, env, set, keep } = settings;
    let (env, env_names) = match env {
        EnvChoice::Nothing => (dto::PreviewEnv::None, Vec::new()),
        EnvChoice::All => (dto::PreviewEnv::All, Vec::new()),
        EnvChoice::Only(names) => {
            (dto::PreviewEnv::Some, names.iter().map(ToString::to_string).collect())
        }
    };
    dto::PreviewSettings {
        on: *on,
        most: *most,
        forks: match forks {
            Forks::Never => dto::PreviewForks::Never,
            Forks::Allowed => dto::PreviewForks::Allowed,
        },
        drafts: *drafts,
        env,
        env_names,
        set: set.keys().map(ToString::to_string).collect(),
        keep_ms: keep.map(|keep| keep.0),
    }
}

/// An app's previews. `trouble` says why one is not as it is to be.
pub(crate) fn previews(
    sight: Sight<'_>,
    id: AppId,
    trouble: impl Fn(AppId) -> Option<String>,
) -> Option<dto::PreviewList> {
    let app = sight.view.apps.get(&id)?.state.active()?;
    let items = app.previews.open.values().map(|preview| {
        let now = told::now(sight.view, preview);
        let pull = &preview.pull;
        let failed = Some(now.failed.trim()).filter(|failed| !failed.is_empty());
        dto::Preview {
            number: pull.number,
            title: pull.title.as_str().to_owned(),
            page: pull.page.as_ref().map(ToString::to_string),
            author: pull.author.as_str().to_owned(),
            branch: pull.branch.to_string(),
            fork: pull.is_fork(),
            commit: pull.commit.to_string(),
            app: now.name.map(ToString::to_string),
            app_id: preview.app,
            url: now.name.map(|name| sight.config.url(name.as_str())),
            status: now.state.as_str().to_owned(),
            status_detail: trouble(preview.app).or_else(|| failed.map(ToOwned::to_owned)),
            deployment: now.deployment.and_then(|(id, _)| reference_to(sight, id)),
            created_at: preview.since.into(),
            pushed_at: preview.pushed.into(),
        }
    });
    let items = items.collect();
    Some(dto::PreviewList { settings: preview_settings(&app.previews.settings), items })
}

/// Of what an app is a preview, where it is one.
pub(super) fn preview_of(sight: Sight<'_>, app: &ActiveApp) -> Option<dto::PreviewOf> {
    let of = app.preview.as_ref()?;
    let parent = sight.view.apps.get(&of.parent).and_then(|parent| parent.state.active());
    let app = parent.map_or_else(|| of.parent.to_string(), |parent| parent.name.to_string());
    Some(dto::PreviewOf { app, number: of.number })
}
