//! An app's previews, as far as the app decides: which pull requests have one, and what a preview takes
//! over from the app that it is of.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::Decision;
use super::{ActiveApp, App, AppCommand, AppEvent, AppSettings, SettingsChange, SourceKey};
use crate::edge::EdgeSettings;
use crate::hook::{DeployOn, PullRequest, Triggers};
use crate::ids::{AppId, DeploymentId};
use crate::limits;
use crate::machine::Machine;
use crate::names::{AppName, EnvName};
use crate::preview::{Forks, Past, Preview, PreviewEnd, PreviewOf, PreviewSettings};
use crate::rejection::Rejection;
use crate::time::{Millis, Timestamp};

/// What a preview is given when it comes into being.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPreview {
    /// Its id, as the app that wants it says.
    pub id: AppId,
    /// Its name, free to take.
    pub name: AppName,
    /// What it is given.
    pub given: PreviewGiven,
}

/// What a preview is given with each commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewGiven {
    /// Of what it is a preview, and up to which commit.
    pub of: PreviewOf,
    /// Its settings, source and all.
    pub settings: AppSettings,
    /// After how long without a request it sleeps, where the app that it is of does.
    pub sleep_after: Option<Millis>,
    /// Variables that are other than before, with the version of each value; the values are put in the
    /// same commit.
    pub set: BTreeMap<EnvName, u64>,
    /// Variables that it has no more.
    pub remove: BTreeSet<EnvName>,
    /// The key for its repository, where it is given another one.
    pub key: Option<SourceKey>,
    /// The deployment that this is asked for with.
    pub deployment: DeploymentId,
}

/// What a new preview begins with: everything in one commit, so that there is never half of one.
pub(super) fn create(new: NewPreview) -> Decision {
    let NewPreview { id, name, given } = new;
    let settings = Box::new(given.settings.clone());
    let create = AppCommand::Create { id, name, settings };
    let mut events = App::default().decide(create)?;
    let app = events.iter().fold(App::default(), App::evolve);
    // Pushes do not concern it: its commits come by the app that it is of.
    let off = Triggers { on: DeployOn::Off, ..Triggers::default() };
    events.push(AppEvent::TriggersSet(Box::new(off)));
    if let Some(app) = app.active() {
        events.extend(app.take_over(given)?);
    }
    Ok(events)
}

impl ActiveApp {
    pub(super) fn set_previews(&self, settings: PreviewSettings) -> Decision {
        settings.check()?;
        if self.preview.is_some() && settings.on {
            return Err(Rejection::conflict(format!(
                "{} is a preview itself; previews are of the app that it is of",
                self.name
            )));
        }
        let now = &self.previews.settings;
        if settings == *now {
            return Ok(Vec::new());
        }
        let fresh = |(name, version): &(&EnvName, &u64)| now.set.get(*name) != Some(*version);
        if settings.set.iter().filter(fresh).any(|(_, version)| *version < self.next_secret) {
            return Err(Rejection::conflict(
                "the environment was changed by somebody else at the same moment; try again",
            ));
        }
        let (on, forks) = (settings.on, settings.forks);
        let ends = |preview: &Preview| match (on, forks) {
            (false, _) => Some(PreviewEnd::SwitchedOff),
            (true, Forks::Never) => preview.pull.is_fork().then_some(PreviewEnd::ForksRefused),
            (true, Forks::Allowed) => None,
        };
        let ended = self.previews.open.iter().filter_map(|(number, preview)| {
            let (number, at) = (*number, preview.pull.at);
            Some(AppEvent::PreviewUnwanted { number, why: ends(preview)?, at })
        });
        let ended: Vec<_> = ended.collect();
        Ok(std::iter::once(AppEvent::PreviewsSet(Box::new(settings))).chain(ended).collect())
    }

    pub(super) fn want_preview(
        &self,
        pull: Box<PullRequest>,
        app: AppId,
        refresh: bool,
        at: Timestamp,
    ) -> Decision {
        let (name, previews) = (&self.name, &self.previews);
        if !previews.settings.on {
            return Err(Rejection::conflict(format!(
                "{name} has no previews; to have some: hythe preview on {name}"
            )));
        }
        if pull.is_fork() && previews.settings.forks == Forks::Never {
            return Err(Rejection::conflict(format!(
                "its commits are from another repository; to build those, too: hythe preview on \
                 {name} --forks allowed"
            )));
        }
        let number = pull.number;
        if previews.past.get(&number).is_some_and(|past| past.at > pull.at) {
            return Ok(Vec::new());
        }
        let next = previews.revision.saturating_add(1);
        match previews.open.get(&number) {
            Some(open) if open.pull == *pull || open.pull.at > pull.at => Ok(Vec::new()),
            Some(open) => {
                let same = open.pull.commit == pull.commit && open.pull.head == pull.head;
                let (app, revision) = (open.app, if same { open.revision } else { next });
                Ok(vec![AppEvent::PreviewWanted { pull, app, revision, at }])
            }
            None if refresh => Ok(Vec::new()),
            None if previews.open.len() >= usize::from(previews.settings.most) => {
                Err(Rejection::conflict(format!(
                    "{name} has {} previews, which is the most; remove one, or have more: hythe \
                     preview on {name} --most N. The next push to the pull request asks again",
                    previews.open.len()
                )))
            }
            None => Ok(vec![AppEvent::PreviewWanted { pull, app, revision: next, at }]),
        }
    }

    /// That there is to be no preview. `at` is when the pull request changed last, where it did.
    pub(super) fn end_preview(
        &self,
        number: u64,
        why: PreviewEnd,
        at: Option<Timestamp>,
    ) -> Vec<AppEvent> {
        let previews = &self.previews;
        let known = previews.open.get(&number).map(|open| open.pull.at);
        let past = previews.past.get(&number).map(|past| past.at);
        let at = match (known, at) {
            (Some(known), Some(at)) if at < known => return Vec::new(),
            (Some(known), at) => at.unwrap_or(known),
            // So that what comes late opens nothing again.
            (None, Some(at)) if past.is_none_or(|past| past < at) => at,
            (None, _) => return Vec::new(),
        };
        vec![AppEvent::PreviewUnwanted { number, why, at }]
    }

    /// What goes with the app itself.
    pub(super) fn without_previews(&self) -> impl Iterator<Item = AppEvent> {
        let why = PreviewEnd::AppDeleted;
        let open = self.previews.open.iter();
        open.map(move |(number, open)| AppEvent::PreviewUnwanted {
            number: *number,
            why,
            at: open.pull.at,
        })
    }

    /// Those that go because the app gets another repository: nobody tells of their pull requests any
    /// more.
    pub(super) fn previews_left_behind(
        &self,
        settings: &AppSettings,
    ) -> impl Iterator<Item = AppEvent> {
        let moves = settings.repository() != self.settings.repository();
        let open = self.previews.open.iter().filter(move |_| moves);
        open.map(|(number, open)| AppEvent::PreviewUnwanted {
            number: *number,
            why: PreviewEnd::Moved,
            at: open.pull.at,
        })
    }

    pub(super) fn note_comment(&self, number: u64, comment: u64) -> Vec<AppEvent> {
        let open = self.previews.open.get(&number).map(|open| open.comment);
        let known = open.or_else(|| self.previews.past.get(&number).map(|past| past.comment));
        match known {
            None => Vec::new(),
            Some(known) if known == Some(comment) => Vec::new(),
            Some(_) => vec![AppEvent::PreviewCommented { number, comment }],
        }
    }

    /// Takes the next commit, with whatever else is other than before.
    pub(super) fn take_over(&self, given: PreviewGiven) -> Decision {
        let PreviewGiven { of, mut settings, sleep_after, set, remove, key, deployment } = given;
        if self.preview.as_ref().is_some_and(|now| now.revision >= of.revision) {
            return Ok(Vec::new());
        }
        if self.preview.is_some() {
            // What somebody scaled at the preview itself stays, as its replicas of web do.
            settings.run.keep_counts(&self.settings.run);
        }
        let mut events = self.configure(Box::new(SettingsChange::of_preview(settings)))?;
        // Where the app does not sleep, what somebody set at the preview itself stays.
        if let Some(after) = sleep_after.filter(|after| self.edge.sleep_after != Some(*after)) {
            let edge = EdgeSettings { sleep_after: Some(after), ..self.edge.clone() };
            events.push(AppEvent::EdgeSet(edge.listed()));
        }
        events.extend(self.change_environment(set, remove)?);
        events.extend(key.map(|key| self.set_source_key(key)).transpose()?.into_iter().flatten());
        events.push(AppEvent::BecamePreview(Box::new(of)));
        let now = App::Active(Box::new(self.clone()));
        let now = events.iter().fold(now, App::evolve);
        if let Some(now) = now.active() {
            events.extend(now.request_deployment(deployment, None, false)?);
        }
        Ok(events)
    }

    pub(super) fn preview_wanted(
        &mut self,
        pull: &PullRequest,
        app: AppId,
        revision: u64,
        at: Timestamp,
    ) {
        let previews = &mut self.previews;
        previews.revision = previews.revision.max(revision);
        let past = previews.past.remove(&pull.number).and_then(|past| past.comment);
        let fresh = || Preview {
            app,
            pull: pull.clone(),
            revision: 0,
            since: at,
            pushed: at,
            comment: past,
        };
        let preview = previews.open.entry(pull.number).or_insert_with(fresh);
        if preview.revision != revision {
            (preview.revision, preview.pushed) = (revision, at);
        }
        preview.pull = pull.clone();
    }

    pub(super) fn preview_unwanted(&mut self, number: u64, why: PreviewEnd, at: Timestamp) {
        let previews = &mut self.previews;
        let open = previews.open.remove(&number);
        let before = previews.past.remove(&number);
        let comment = match (&open, &before) {
            (Some(open), _) => open.comment,
            (None, before) => before.as_ref().and_then(|before| before.comment),
        };
        let app = open.map(|open| open.app).or_else(|| before.and_then(|before| before.app));
        previews.past.insert(number, Past { app, at, why, comment });
        if previews.past.len() > limits::MOST_PAST_PREVIEWS {
            let oldest = previews.past.iter().min_by_key(|(number, past)| (past.at, **number));
            if let Some(oldest) = oldest.map(|(number, _)| *number) {
                previews.past.remove(&oldest);
            }
        }
    }

    pub(super) fn preview_commented(&mut self, number: u64, comment: u64) {
        if let Some(open) = self.previews.open.get_mut(&number) {
            open.comment = Some(comment);
        } else if let Some(past) = self.previews.past.get_mut(&number) {
            past.comment = Some(comment);
        }
    }

    pub(super) fn previews_set(&mut self, settings: &PreviewSettings) {
        let newest = settings.set.values().max().map_or(0, |version| version.saturating_add(1));
        self.next_secret = self.next_secret.max(newest);
        self.previews.settings = settings.clone();
    }
}

impl SettingsChange {
    /// Everything that a preview has from the app that it is of. How many replicas of web it has and under
    /// which names besides its own it answers is left as somebody may have set it there, but for what
    /// writes to a volume by now: of that there is one.
    fn of_preview(settings: AppSettings) -> Self {
        let AppSettings {
            source,
            build,
            port,
            replicas: _,
            health,
            resources,
            domains: _,
            project,
            run,
            drain_within,
            stop_within,
        } = settings;
        Self {
            source,
            build: Some(build),
            port: Some(port),
            replicas: run.container.is_exclusive().then_some(1),
            health: Some(health),
            resources: Some(resources),
            domains: None,
            project: Some(project),
            run: Some(run),
            drain_within: Some(drain_within),
            stop_within: Some(stop_within),
        }
    }
}
