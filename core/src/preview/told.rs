//! What the comment on a pull request says of its preview.
//!
//! Everybody who sees the pull request reads it. It holds names and addresses that were checked and
//! words of our own: no title, no branch, no line of a log.

use super::Preview;
use crate::app::ActiveApp;
use crate::deployment::{Attempt, Outcome, Stage, StageName};
use crate::hook::comment::marker;
use crate::hook::status::{page, while_it};
use crate::ids::{AppId, DeploymentId};
use crate::names::AppName;
use crate::view::View;

/// How a preview fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreviewState {
    /// It is being made, or brought to another commit.
    Building,
    /// Its newest commit is live.
    Live,
    /// Its newest commit could not be deployed.
    Failed,
    /// Somebody stopped it.
    Stopped,
}

impl PreviewState {
    /// The name in JSON and lists.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Live => "live",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// A preview as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewNow<'a> {
    /// How it fares.
    pub state: PreviewState,
    /// At what it failed, in words.
    pub failed: &'static str,
    /// Its name, once it is there.
    pub name: Option<&'a AppName>,
    /// Its newest deployment, and the number of that.
    pub deployment: Option<(DeploymentId, u64)>,
    /// Whether an earlier commit has the traffic.
    pub before: bool,
}

/// How a preview fares now.
#[must_use]
pub fn now<'a>(view: &'a View, preview: &Preview) -> PreviewNow<'a> {
    let nothing = PreviewNow {
        state: PreviewState::Building,
        failed: "",
        name: None,
        deployment: None,
        before: false,
    };
    let there = view.apps.get(&preview.app);
    let Some((there, app)) = there.and_then(|there| Some((there, there.state.active()?))) else {
        return nothing;
    };
    let nothing = PreviewNow { name: Some(&app.name), ..nothing };
    if app.preview.as_ref().is_none_or(|of| of.revision < preview.revision) {
        return PreviewNow { before: app.live.is_some(), ..nothing };
    }
    let attempt = |id: DeploymentId| Some((id, view.deployments.get(&id)?.state.attempt()?));
    // One that waits for its turn is newer than what moves.
    let newest = app.waiting.or(app.rolling).or_else(|| there.deployments.last().copied());
    let Some((id, attempt)) = newest.and_then(attempt) else { return nothing };
    let (state, failed) = state(attempt, app);
    PreviewNow {
        state,
        failed,
        deployment: Some((id, attempt.spec.number)),
        before: app.live.is_some_and(|live| live != id),
        ..nothing
    }
}

fn state(attempt: &Attempt, app: &ActiveApp) -> (PreviewState, &'static str) {
    match &attempt.stage {
        Stage::Live if app.rests() => (PreviewState::Stopped, ""),
        Stage::Live => (PreviewState::Live, ""),
        Stage::Ended(Outcome::Failed { stage, fault: _ }) => {
            (PreviewState::Failed, while_it(*stage))
        }
        Stage::Ended(Outcome::Superseded | Outcome::Cancelled) if app.live.is_some() => {
            (PreviewState::Live, "")
        }
        Stage::Ended(Outcome::Superseded | Outcome::Cancelled) => {
            (PreviewState::Failed, while_it(StageName::Cancelled))
        }
        Stage::Requested
        | Stage::Queued { .. }
        | Stage::Building { .. }
        | Stage::Built { .. }
        | Stage::Releasing { .. }
        | Stage::Starting { .. }
        | Stage::Healthy
        | Stage::Switching { .. }
        | Stage::Draining { .. } => (PreviewState::Building, ""),
    }
}

/// What the comment of a pull request says. `address` says where an app of a name answers. None where
/// there is nothing to say.
#[must_use]
pub fn text(
    view: &View,
    parent: &ActiveApp,
    number: u64,
    address: impl Fn(&AppName) -> String,
) -> Option<(AppId, String)> {
    let of = &parent.name;
    let head = format!("### Preview of `{of}`\n\n");
    let foot = |app: AppId| format!("\n\n{}\n", marker(app));
    let previews = &parent.previews;
    if let Some(preview) = previews.open.get(&number) {
        let now = now(view, preview);
        let short: String = preview.pull.commit.as_str().chars().take(12).collect();
        let link = now.name.map(|name| format!("<{}>", address(name)));
        let before = match (now.before, &link) {
            (true, Some(link)) => format!(" An earlier commit is live at {link}"),
            (_, _) => String::new(),
        };
        let installation = &view.installation.state;
        let deployment =
            now.deployment.map_or_else(String::new, |(id, number)| match &installation.address {
                Some(address) => format!(", [deployment #{number}]({})", page(address, id)),
                None => format!(", deployment #{number}"),
            });
        let failed = now.failed;
        let line = match now.state {
            PreviewState::Building => format!("🔨 **Building** `{short}`{deployment}.{before}"),
            PreviewState::Live => {
                let link = link.unwrap_or_default();
                format!("✅ **Live** at {link}\n\nCommit `{short}`{deployment}.")
            }
            PreviewState::Failed => {
                format!("❌ **Failed**{failed}: commit `{short}`{deployment}.{before}")
            }
            PreviewState::Stopped => format!("⏸️ **Stopped** at commit `{short}`{deployment}."),
        };
        return Some((preview.app, format!("{head}{line}{}", foot(preview.app))));
    }
    let past = previews.past.get(&number)?;
    // Without one there was never anything to say.
    let app = past.app?;
    Some((app, format!("{head}🗑️ **Gone**: {}.{}", past.why.why(), foot(app))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::App;
    use crate::hook::{PullTitle, SenderName};
    use crate::past::testing::Journal;
    use crate::preview::plan::tests::{open, parent, pull};
    use crate::preview::{Past, PreviewEnd, PreviewOf};
    use crate::testing::{app_id, at};

    fn view() -> View {
        let mut journal = Journal::default();
        journal.create(9, "shop-pr-4");
        journal.request(9, 1);
        let mut view = View::default();
        journal.events.iter().for_each(|event| view.apply(event));
        match &mut view.apps.get_mut(&app_id(9)).unwrap().state {
            App::Active(app) => {
                app.preview = Some(Box::new(PreviewOf {
                    parent: app_id(1),
                    number: 4,
                    revision: 1,
                    fork: false,
                    copied: std::collections::BTreeMap::new(),
                    key: None,
                }));
            }
            App::Absent | App::Deleted => panic!("it is there"),
        }
        view
    }

    fn said(view: &View, parent: &ActiveApp) -> String {
        let address = |name: &AppName| format!("https://{name}.example.com");
        let (app, text) = text(view, parent, 4, address).unwrap();
        assert!(text.ends_with(&format!("\n\n{}\n", marker(app))), "{text}");
        text
    }

    #[test]
    fn it_says_how_the_preview_fares_and_nothing_that_strangers_wrote() {
        let mut parent = parent();
        let mut pull = pull(4);
        pull.title = PullTitle::cleaned("](https://evil.example) <img src=x> ```");
        pull.author = SenderName::cleaned("@everyone");
        pull.branch = "x](evil.example)`".parse().unwrap();
        parent.previews.open.insert(4, open(&pull, 1));
        let text = said(&View::default(), &parent);
        assert!(text.contains("**Building** `1481a2de7b2a`"), "{text}");
        let text = said(&view(), &parent);
        assert!(text.contains("**Building** `1481a2de7b2a`"), "{text}");
        for hostile in ["evil", "img", "@everyone", "```"] {
            assert!(!text.contains(hostile), "{text}");
        }
    }

    #[test]
    fn it_says_that_it_is_gone_where_there_was_one() {
        let mut parent = parent();
        let past = |app| Past { app, at: at(1), why: PreviewEnd::Merged, comment: Some(1) };
        parent.previews.past.insert(4, past(Some(app_id(9))));
        let text = said(&View::default(), &parent);
        assert!(text.contains("**Gone**: the pull request was merged."), "{text}");
        parent.previews.past.insert(4, past(None));
        let address = |name: &AppName| name.to_string();
        assert_eq!(super::text(&View::default(), &parent, 4, address), None);
    }
}
