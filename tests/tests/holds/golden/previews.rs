//! Events about previews.

use std::collections::{BTreeMap, BTreeSet};

use hythe_core::app::AppEvent;
use hythe_core::hook::{Head, HeadCommit, PageUrl, PullRequest, PullTitle, SenderName};
use hythe_core::names::{BranchName, EnvName, RepositoryUrl};
use hythe_core::preview::{Copied, EnvChoice, Forks, PreviewEnd, PreviewOf, PreviewSettings};
use hythe_core::time::Millis;

use super::values::{app, at};

pub(super) fn all() -> Vec<(&'static str, AppEvent)> {
    let name = || EnvName::new("LEVEL").unwrap();
    let set = |env, forks, keep| {
        AppEvent::PreviewsSet(Box::new(PreviewSettings {
            on: true,
            most: 10,
            forks,
            drafts: true,
            env,
            set: BTreeMap::from([(name(), 300)]),
            keep,
        }))
    };
    let wanted = |head| AppEvent::PreviewWanted {
        pull: Box::new(pull(head)),
        app: app(),
        revision: 300,
        at: at(),
    };
    let ended = |why| AppEvent::PreviewUnwanted { number: 300, why, at: at() };
    let fork = RepositoryUrl::new("https://git.example/b/shop").unwrap();
    let of = PreviewOf {
        parent: app(),
        number: 300,
        revision: 300,
        fork: true,
        copied: BTreeMap::from([
            (name(), Copied::Own(300)),
            (EnvName::new("ONLY").unwrap(), Copied::Set(1)),
        ]),
        key: Some(1),
    };
    vec![
        ("previews_set", set(EnvChoice::Nothing, Forks::Never, None)),
        ("previews_set-all", set(EnvChoice::All, Forks::Allowed, Some(Millis(3_600_000)))),
        ("previews_set-some", set(EnvChoice::Only(BTreeSet::from([name()])), Forks::Never, None)),
        ("preview_wanted", wanted(Head::Own)),
        ("preview_wanted-fork", wanted(Head::Fork(fork))),
        ("preview_unwanted-closed", ended(PreviewEnd::Closed)),
        ("preview_unwanted-merged", ended(PreviewEnd::Merged)),
        ("preview_unwanted-retargeted", ended(PreviewEnd::Retargeted)),
        ("preview_unwanted-by-hand", ended(PreviewEnd::ByHand)),
        ("preview_unwanted-expired", ended(PreviewEnd::Expired)),
        ("preview_unwanted-off", ended(PreviewEnd::SwitchedOff)),
        ("preview_unwanted-forks", ended(PreviewEnd::ForksRefused)),
        ("preview_unwanted-app", ended(PreviewEnd::AppDeleted)),
        ("preview_unwanted-moved", ended(PreviewEnd::Moved)),
        ("preview_commented", AppEvent::PreviewCommented { number: 300, comment: 70_000 }),
        ("became_preview", AppEvent::BecamePreview(Box::new(of))),
    ]
}

fn pull(head: Head) -> PullRequest {
    PullRequest {
        number: 300,
        title: PullTitle::cleaned("Fix the cart"),
        page: Some(PageUrl::new("https://git.example/a/shop/pulls/300").unwrap()),
        author: SenderName::cleaned("octocat"),
        commit: HeadCommit::new("1481a2de7b2a").unwrap(),
        branch: BranchName::new("changes").unwrap(),
        head,
        base: BranchName::new("main").unwrap(),
        draft: true,
        at: at(),
    }
}
