//! What a pull request that somebody told of means for one app.

use super::{Forks, PreviewEnd};
use crate::app::ActiveApp;
use crate::hook::{PullChange, PullRequest};
use crate::source::{Reference, Source};

/// What follows for the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It is to have a preview, at its newest commit.
    Want,
    /// What is said of its preview is to be as it is now.
    Refresh,
    /// It is to have none any more.
    End(PreviewEnd),
    /// Nothing, for this reason.
    Skip(String),
}

/// What a pull request of the app's repository means for it. `default_branch` is the repository's own,
/// as far as the provider says which.
#[must_use]
pub fn judge(
    pull: &PullRequest,
    change: PullChange,
    app: &ActiveApp,
    default_branch: Option<&str>,
) -> Judged {
    let previews = &app.previews;
    let open = previews.open.contains_key(&pull.number);
    let known = open || previews.past.contains_key(&pull.number);
    // That one is over that there was a preview of is noted in any case: once they are on again, what tells of
    // it late must not open it, for nobody would say again that it is closed.
    let over = known && matches!(change, PullChange::Closed { .. });
    if !previews.settings.on && !over {
        return Judged::Skip(format!(
            "{} has no previews; to have some: hythe preview on {}",
            app.name, app.name
        ));
    }
    let for_us = match is_for(pull, app, default_branch) {
        // It was for this one, and nothing says that it is not any more.
        Err(Other::Unknown(_)) if open => Ok(()),
        other => other,
    };
    match (change, for_us) {
        (PullChange::Closed { merged }, Ok(())) => {
            Judged::End(if merged { PreviewEnd::Merged } else { PreviewEnd::Closed })
        }
        (PullChange::Closed { .. }, Err(_)) if known => Judged::End(PreviewEnd::Closed),
        (PullChange::Came | PullChange::Edited, Err(_)) if open => {
            Judged::End(PreviewEnd::Retargeted)
        }
        (_, Err(Other::Branch(why) | Other::Unknown(why))) => Judged::Skip(why),
        (PullChange::Edited, Ok(())) if open => Judged::Refresh,
        (PullChange::Edited, Ok(())) => Judged::Skip("it changes no commit".into()),
        (PullChange::Came, Ok(())) if pull.draft && !previews.settings.drafts && !open => {
            Judged::Skip(format!(
                "it is a draft; to have previews of those, too: hythe preview on {} --drafts yes",
                app.name
            ))
        }
        (PullChange::Came, Ok(())) => match (pull.is_fork(), previews.settings.forks) {
            (true, Forks::Never) => Judged::Skip(format!(
                "its commits are from another repository, which anybody may have; to build those, \
                 too, without any variable: hythe preview on {} --forks allowed",
                app.name
            )),
            (true, Forks::Allowed) | (false, _) => Judged::Want,
        },
    }
}

/// Why a pull request is none for an app, in words.
enum Other {
    /// It is for another branch, or the app for none.
    Branch(String),
    /// Which branch the app's is, is not known.
    Unknown(String),
}

/// Whether it is to get into the branch that the app is deployed from.
fn is_for(pull: &PullRequest, app: &ActiveApp, default_branch: Option<&str>) -> Result<(), Other> {
    let reference = app.settings.source.as_ref().and_then(Source::git).map(|git| &git.reference);
    let own = match reference {
        None => {
            return Err(Other::Branch(format!("{} is deployed from no repository", app.name)));
        }
        Some(Reference::Branch(branch)) => branch.as_str(),
        Some(Reference::DefaultBranch) => default_branch.ok_or_else(|| {
            Other::Unknown(format!(
                "the delivery does not say which is the repository's own branch; give the app one: \
                 hythe app set {} --branch NAME",
                app.name
            ))
        })?,
        // It is deployed from no branch: one is as good as another.
        Some(Reference::Commit(_) | Reference::Tag(_)) => return Ok(()),
    };
    if own == pull.base.as_str() {
        return Ok(());
    }
    Err(Other::Branch(format!(
        "it is for another branch ({:?}; the app is deployed from {own:?})",
        pull.base.as_str()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::Head;
    use crate::names::RepositoryUrl;
    use crate::preview::Past;
    use crate::preview::plan::tests::{parent, pull};

    const CAME: PullChange = PullChange::Came;

    #[track_caller]
    fn skips(judged: &Judged, word: &str) {
        match judged {
            Judged::Skip(why) => assert!(why.contains(word), "{why}"),
            Judged::Want | Judged::Refresh | Judged::End(_) => panic!("{judged:?}: {word}"),
        }
    }

    #[test]
    fn a_pull_request_for_the_apps_branch_gets_a_preview_where_they_are_on() {
        let (app, pull) = (parent(), pull(4));
        let judge = |change: &dyn Fn(&mut ActiveApp, &mut PullRequest), what| {
            let (mut app, mut pull) = (app.clone(), pull.clone());
            change(&mut app, &mut pull);
            super::judge(&pull, what, &app, Some("main"))
        };
        assert_eq!(judge(&|_, _| {}, CAME), Judged::Want);
        skips(&judge(&|app, _| app.previews.settings.on = false, CAME), "hythe preview on shop");
        let elsewhere = |_: &mut ActiveApp, pull: &mut PullRequest| {
            pull.base = "next".parse().unwrap();
        };
        skips(&judge(&elsewhere, CAME), "another branch");
        skips(&judge(&|_, pull| pull.draft = true, CAME), "--drafts");
        let drafts = |app: &mut ActiveApp, pull: &mut PullRequest| {
            (app.previews.settings.drafts, pull.draft) = (true, true);
        };
        assert_eq!(judge(&drafts, CAME), Judged::Want);
        let fork = RepositoryUrl::new("https://github.com/mallory/shop").unwrap();
        let forked = |_: &mut ActiveApp, pull: &mut PullRequest| {
            pull.head = Head::Fork(fork.clone());
        };
        skips(&judge(&forked, CAME), "--forks allowed");
        let allowed = |app: &mut ActiveApp, pull: &mut PullRequest| {
            app.previews.settings.forks = Forks::Allowed;
            pull.head = Head::Fork(fork.clone());
        };
        assert_eq!(judge(&allowed, CAME), Judged::Want);
        skips(&judge(&|_, _| {}, PullChange::Edited), "no commit");
        let closed = PullChange::Closed { merged: false };
        assert_eq!(judge(&|_, _| {}, closed), Judged::End(PreviewEnd::Closed));
        let merged = PullChange::Closed { merged: true };
        assert_eq!(judge(&|_, _| {}, merged), Judged::End(PreviewEnd::Merged));
        skips(&judge(&elsewhere, merged), "another branch");
        skips(&super::judge(&pull, CAME, &app, None), "--branch");
    }

    #[test]
    fn one_that_has_a_preview_keeps_or_loses_it() {
        let (mut app, mut pull) = (parent(), pull(4));
        let wanted = crate::preview::plan::tests::open(&pull, 1);
        app.previews.open.insert(4, wanted);
        assert_eq!(judge(&pull, PullChange::Edited, &app, Some("main")), Judged::Refresh);
        pull.base = "next".parse().unwrap();
        let away = Judged::End(PreviewEnd::Retargeted);
        assert_eq!(judge(&pull, CAME, &app, None), Judged::Want, "nothing says that it is not");
        assert_eq!(judge(&pull, CAME, &app, Some("main")), away);
        assert_eq!(judge(&pull, PullChange::Edited, &app, Some("main")), away);
        let closed = PullChange::Closed { merged: true };
        assert_eq!(judge(&pull, closed, &app, Some("main")), Judged::End(PreviewEnd::Closed));
    }

    #[test]
    fn that_one_is_closed_is_heard_while_there_are_no_previews() {
        let (mut app, pull) = (parent(), pull(4));
        app.previews.settings.on = false;
        let closed = PullChange::Closed { merged: false };
        skips(&judge(&pull, closed, &app, Some("main")), "hythe preview on");
        let why = PreviewEnd::SwitchedOff;
        let past = Past { app: None, at: pull.at, why, comment: None };
        app.previews.past.insert(4, past);
        assert_eq!(judge(&pull, closed, &app, Some("main")), Judged::End(PreviewEnd::Closed));
        skips(&judge(&pull, CAME, &app, Some("main")), "hythe preview on");
    }
}
