//! What there is to do so that the previews that are there are those that are wanted.
//!
//! It follows from the view alone, so that whatever a crash interrupted is found again.

use super::PreviewEnd;
use crate::ids::AppId;
use crate::time::Timestamp;
use crate::view::View;

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Todo {
    /// An app is the preview of nothing that is wanted: it goes, at once and for good.
    Delete(AppId),
    /// A preview is wanted no more.
    End {
        /// By this app.
        parent: AppId,
        /// The pull request's number.
        number: u64,
        /// Why.
        why: PreviewEnd,
    },
    /// A preview is wanted that is not there.
    Make {
        /// By this app.
        parent: AppId,
        /// The pull request's number.
        number: u64,
    },
    /// A preview is at an earlier commit.
    Move {
        /// Of this app.
        parent: AppId,
        /// The pull request's number.
        number: u64,
    },
}

/// What there is to do, in the order in which it is done: what goes gives its name back first.
#[must_use]
pub fn plan(view: &View, now: Timestamp) -> Vec<Todo> {
    let mut todo = Vec::new();
    for (id, app) in view.apps.iter().filter_map(|(id, app)| Some((*id, app.state.active()?))) {
        if let Some(of) = &app.preview {
            let parent = view.apps.get(&of.parent).and_then(|parent| parent.state.active());
            let wanted = parent.and_then(|parent| parent.previews.open.get(&of.number));
            if wanted.is_none_or(|wanted| wanted.app != id) {
                todo.push(Todo::Delete(id));
            }
        }
        let keep = app.previews.settings.keep;
        for (number, preview) in &app.previews.open {
            let (parent, number) = (id, *number);
            let there = view.apps.get(&preview.app).and_then(|there| there.state.active());
            if keep.is_some_and(|keep| preview.pushed.plus(keep).is_over(keep, now)) {
                todo.push(Todo::End { parent, number, why: PreviewEnd::Expired });
                continue;
            }
            match there {
                None => todo.push(Todo::Make { parent, number }),
                Some(there) if there.discarded.is_some() => {
                    todo.push(Todo::End { parent, number, why: PreviewEnd::ByHand });
                }
                Some(there) => {
                    let at = there.preview.as_ref().map_or(0, |of| of.revision);
                    if at < preview.revision {
                        todo.push(Todo::Move { parent, number });
                    }
                }
            }
        }
    }
    todo.sort_unstable();
    todo
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::app::{ActiveApp, App, AppCommand, AppSettings};
    use crate::hook::{Head, HeadCommit, PullRequest, PullTitle, SenderName};
    use crate::limits;
    use crate::machine::Machine;
    use crate::names::{AppName, RepositoryUrl};
    use crate::past::testing::Journal;
    use crate::preview::{Preview, PreviewOf, PreviewSettings};
    use crate::source::{GitSource, Reference, Source};
    use crate::testing::{app_id, at};

    pub(crate) fn pull(number: u64) -> PullRequest {
        PullRequest {
            number,
            title: PullTitle::cleaned("Fix the cart"),
            page: Some("https://github.com/octo-org/shop/pull/4".parse().unwrap()),
            author: SenderName::cleaned("octocat"),
            commit: HeadCommit::new("1481a2de7b2a7d02428ad93446ab166be7793fbb").unwrap(),
            branch: "changes".parse().unwrap(),
            head: Head::Own,
            base: "main".parse().unwrap(),
            draft: false,
            at: at(1),
        }
    }

    pub(crate) fn open(pull: &PullRequest, revision: u64) -> Preview {
        let (since, pushed) = (at(1), at(1));
        Preview { app: app_id(9), pull: pull.clone(), revision, since, pushed, comment: None }
    }

    pub(crate) fn parent() -> ActiveApp {
        let repository = RepositoryUrl::new("https://github.com/octo-org/shop").unwrap();
        let source =
            Some(Source::Git(GitSource { repository, reference: Reference::DefaultBranch }));
        let settings = Box::new(AppSettings { source, ..AppSettings::default() });
        let (id, name) = (app_id(1), AppName::new("shop").unwrap());
        let events = App::default().decide(AppCommand::Create { id, name, settings }).unwrap();
        let app = events.iter().fold(App::default(), App::evolve);
        let mut app = app.active().unwrap().clone();
        app.previews.settings = PreviewSettings { on: true, ..PreviewSettings::default() };
        app
    }

    fn view() -> View {
        let mut journal = Journal::default();
        journal.create(1, "shop");
        journal.create(9, "shop-pr-4");
        let mut view = View::default();
        journal.events.iter().for_each(|event| view.apply(event));
        view
    }

    fn with(view: &mut View, id: u128, change: impl FnOnce(&mut ActiveApp)) {
        match &mut view.apps.get_mut(&app_id(id)).unwrap().state {
            App::Active(app) => change(app),
            App::Absent | App::Deleted => panic!("it is there"),
        }
    }

    fn of(revision: u64) -> Option<Box<PreviewOf>> {
        Some(Box::new(PreviewOf {
            parent: app_id(1),
            number: 4,
            revision,
            fork: false,
            copied: std::collections::BTreeMap::new(),
            key: None,
        }))
    }

    #[test]
    fn what_is_wanted_is_made_moved_and_ended() {
        let (parent, number) = (app_id(1), 4);
        let mut wanted = view();
        with(&mut wanted, 1, |app| drop(app.previews.open.insert(4, open(&pull(4), 2))));
        let mut missing = wanted.clone();
        missing.apps.remove(&app_id(9));
        assert_eq!(plan(&missing, at(2)), [Todo::Make { parent, number }]);

        with(&mut wanted, 9, |app| app.preview = of(1));
        assert_eq!(plan(&wanted, at(2)), [Todo::Move { parent, number }]);
        with(&mut wanted, 9, |app| app.preview = of(2));
        assert_eq!(plan(&wanted, at(2)), []);

        let mut old = wanted.clone();
        let keep = limits::PREVIEW_KEPT_LEAST;
        with(&mut old, 1, |app| app.previews.settings.keep = Some(keep));
        assert_eq!(plan(&old, at(1)), []);
        let end = |why| [Todo::End { parent, number, why }];
        assert_eq!(plan(&old, at(1).plus(keep)), end(PreviewEnd::Expired));

        let mut removed = wanted.clone();
        with(&mut removed, 9, |app| {
            app.discarded = Some(crate::app::Discard { until: at(9), was_stopped: false });
        });
        assert_eq!(plan(&removed, at(2)), end(PreviewEnd::ByHand));
    }

    #[test]
    fn what_nobody_wants_goes() {
        let mut lone = view();
        with(&mut lone, 9, |app| app.preview = of(1));
        assert_eq!(plan(&lone, at(2)), [Todo::Delete(app_id(9))]);
        lone.apps.remove(&app_id(1));
        assert_eq!(plan(&lone, at(2)), [Todo::Delete(app_id(9))], "with the app that it was of");

        let mut other = view();
        with(&mut other, 9, |app| app.preview = of(1));
        with(&mut other, 1, |app| {
            let preview = Preview { app: app_id(8), ..open(&pull(4), 2) };
            app.previews.open.insert(4, preview);
        });
        let (parent, number) = (app_id(1), 4);
        assert_eq!(
            plan(&other, at(2)),
            [Todo::Delete(app_id(9)), Todo::Make { parent, number }],
            "its name is free before another one takes it"
        );
    }
}
