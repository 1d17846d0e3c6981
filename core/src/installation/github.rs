//! GitHub Apps of the installation: begun, made, given other secrets and keys, removed.
//!
//! What a browser has to bring back is known here by its hash alone, serves once and for an hour; whoever
//! looks it up compares in constant time.

use serde::{Deserialize, Serialize};

use super::decide::{Decision, NOTHING};
use super::{Installation, InstallationEvent};
use crate::github::{GitHubApp, GitHubBegun, GitHubMade};
use crate::hook::RepositoryKey;
use crate::ids::HookId;
use crate::limits;
use crate::priority::Priority;
use crate::rejection::Rejection;
use crate::repository::Location;
use crate::time::Timestamp;

/// What the installation can be asked to do about Apps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GitHubCommand {
    /// Somebody is about to make one.
    Begin {
        /// Its id here.
        id: HookId,
        /// What it is to be.
        begun: Box<GitHubBegun>,
    },
    /// GitHub has made it; its secret and its key are put in the same commit, as version 1.
    Make {
        /// Which of those that were begun.
        id: HookId,
        /// What GitHub says of it.
        made: Box<GitHubMade>,
        /// Now.
        at: Timestamp,
    },
    /// It will not be made by what was begun: GitHub refused.
    GiveUp {
        /// Which of those that were begun.
        id: HookId,
    },
    /// Its webhook is to have another secret; that is put in the same commit, and GitHub told after it.
    MintSecret {
        /// Which App.
        id: HookId,
        /// The version that the new one has: the next one.
        version: u64,
        /// Now.
        at: Timestamp,
    },
    /// GitHub knows the newest secret, and signs with it.
    NoteTold {
        /// Which App.
        id: HookId,
        /// The version that it knows.
        version: u64,
    },
    /// It has another private key; that is put in the same commit.
    SetKey {
        /// Which App.
        id: HookId,
        /// The version that the new one has: the next one.
        version: u64,
        /// Now.
        at: Timestamp,
    },
    /// It is used no more, made or only begun.
    Remove {
        /// Which App.
        id: HookId,
    },
}

/// What can happen to Apps. Append-only: postcard stores a variant's position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GitHubEvent {
    /// Somebody is about to make one.
    Begun {
        /// Its id here.
        id: HookId,
        /// What it is to be.
        begun: Box<GitHubBegun>,
    },
    /// It was not made in time, or GitHub refused, or nobody wants it any more.
    GivenUp {
        /// Which one.
        id: HookId,
    },
    /// It was made.
    Made {
        /// Which one.
        id: HookId,
        /// What GitHub says of it.
        made: Box<GitHubMade>,
        /// Since when.
        at: Timestamp,
    },
    /// Its webhook is to have another secret, which GitHub does not know yet.
    SecretMinted {
        /// Which App.
        id: HookId,
        /// The version of the secret.
        version: u64,
        /// Since when.
        at: Timestamp,
    },
    /// GitHub knows that secret.
    SecretTold {
        /// Which App.
        id: HookId,
        /// The version of the secret.
        version: u64,
    },
    /// It has another private key.
    KeySet {
        /// Which App.
        id: HookId,
        /// The version of the key.
        version: u64,
        /// Since when.
        at: Timestamp,
    },
    /// It is used no more.
    Removed {
        /// Which App.
        id: HookId,
    },
}

impl GitHubCommand {
    pub(super) const fn priority(&self) -> Priority {
        match self {
            Self::Begin { .. } | Self::MintSecret { .. } | Self::SetKey { .. } => {
                Priority::Ordinary
            }
            // GitHub gives what it made only once, and takes what it was told.
            Self::Make { .. }
            | Self::GiveUp { .. }
            | Self::NoteTold { .. }
            | Self::Remove { .. } => Priority::Urgent,
        }
    }
}

fn one(event: GitHubEvent) -> Decision {
    Ok(vec![InstallationEvent::GitHub(event)])
}

fn no_such() -> Rejection {
    Rejection::not_found("GitHub App")
}

fn at_the_same_moment() -> Rejection {
    Rejection::conflict("this App was changed at the same moment; try again")
}

impl Installation {
    /// The Apps at the GitHub of a repository, those of its owner first.
    #[must_use]
    pub fn github_apps_for(&self, repository: &Location) -> Vec<(HookId, &GitHubApp)> {
        let apps = self.github_apps.iter().filter(|(_, app)| app.serves(repository));
        let mut apps: Vec<_> = apps.map(|(id, app)| (*id, app)).collect();
        let own = |app: &GitHubApp| {
            let owner = repository.path.split('/').next().unwrap_or_default();
            owner.eq_ignore_ascii_case(app.made.owner.as_str())
        };
        apps.sort_by_key(|(id, app)| (!own(app), *id));
        apps
    }

    /// Whether a webhook of a repository's own serves it, which goes before an App's.
    #[must_use]
    pub fn hook_of(&self, repository: &RepositoryKey) -> Option<HookId> {
        let mut hooks = self.hooks.iter();
        hooks.find(|(_, hook)| hook.repository == *repository).map(|(id, _)| *id)
    }

    pub(super) fn github(&self, command: GitHubCommand) -> Decision {
        match command {
            GitHubCommand::Begin { id, begun } => self.begin(id, begun),
            GitHubCommand::Make { id, made, at } => self.make(id, made, at),
            GitHubCommand::GiveUp { id } if self.github_begun.contains_key(&id) => {
                one(GitHubEvent::GivenUp { id })
            }
            GitHubCommand::GiveUp { .. } => NOTHING,
            GitHubCommand::MintSecret { id, version, at } => match self.github_apps.get(&id) {
                None => Err(no_such()),
                // The one that GitHub does not know yet is told first.
                Some(app) if version != app.secret + 1 || !app.told => Err(at_the_same_moment()),
                Some(_) => one(GitHubEvent::SecretMinted { id, version, at }),
            },
            GitHubCommand::NoteTold { id, version } => match self.github_apps.get(&id) {
                None => Err(no_such()),
                Some(app) if version != app.secret => Err(at_the_same_moment()),
                Some(app) if app.told => NOTHING,
                Some(_) => one(GitHubEvent::SecretTold { id, version }),
            },
            GitHubCommand::SetKey { id, version, at } => match self.github_apps.get(&id) {
                None => Err(no_such()),
                Some(app) if version != app.key + 1 => Err(at_the_same_moment()),
                Some(_) => one(GitHubEvent::KeySet { id, version, at }),
            },
            GitHubCommand::Remove { id } if self.github_begun.contains_key(&id) => {
                one(GitHubEvent::GivenUp { id })
            }
            GitHubCommand::Remove { id } if self.github_apps.contains_key(&id) => {
                one(GitHubEvent::Removed { id })
            }
            GitHubCommand::Remove { .. } => NOTHING,
        }
    }

    fn begin(&self, id: HookId, begun: Box<GitHubBegun>) -> Decision {
        let known = |id| self.github_apps.contains_key(id) || self.github_begun.contains_key(id);
        if known(&id) || self.hooks.contains_key(&id) {
            return NOTHING;
        }
        let over = self.github_begun.iter().filter(|(_, other)| other.until <= begun.at);
        let over: Vec<HookId> = over.map(|(id, _)| *id).collect();
        let most = limits::MOST_GITHUB_BEGUN;
        if self.github_begun.len() - over.len() >= most {
            return Err(Rejection::conflict(format!(
                "{most} GitHub Apps are about to be made, which is the most; finish one, give one up \
                 (hythe source github-app rm ID), or wait an hour"
            )));
        }
        let most = limits::MOST_GITHUB_APPS;
        if self.github_apps.len() >= most {
            return Err(Rejection::conflict(format!(
                "there are {most} GitHub Apps, which is the most; remove one first (hythe source \
                 github-app rm ID)"
            )));
        }
        let over = over.into_iter().map(|id| GitHubEvent::GivenUp { id });
        let all = over.chain([GitHubEvent::Begun { id, begun }]);
        Ok(all.map(InstallationEvent::GitHub).collect())
    }

    fn make(&self, id: HookId, made: Box<GitHubMade>, at: Timestamp) -> Decision {
        let Some(begun) = self.github_begun.get(&id) else { return Err(no_such()) };
        if begun.until <= at {
            return Err(Rejection::conflict(
                "this App was begun more than an hour ago; begin again: hythe source github-app create",
            ));
        }
        let same = |app: &GitHubApp| app.server == begun.server && app.made.app == made.app;
        if let Some((there, _)) = self.github_apps.iter().find(|(_, app)| same(app)) {
            return Err(Rejection::conflict(format!(
                "this App is there already: hythe source github-app show {there}"
            )));
        }
        one(GitHubEvent::Made { id, made, at })
    }

    pub(super) fn with_github(&mut self, event: &GitHubEvent) {
        match event {
            GitHubEvent::Begun { id, begun } => {
                self.github_begun.insert(*id, (**begun).clone());
            }
            GitHubEvent::GivenUp { id } => {
                self.github_begun.remove(id);
            }
            GitHubEvent::Made { id, made, at } => {
                let Some(begun) = self.github_begun.remove(id) else { return };
                let app = GitHubApp {
                    server: begun.server,
                    organization: begun.organization,
                    made: (**made).clone(),
                    address: begun.address,
                    at: *at,
                    secret: 1,
                    told: true,
                    secret_at: *at,
                    key: 1,
                    key_at: *at,
                };
                self.github_apps.insert(*id, app);
            }
            GitHubEvent::SecretMinted { id, version, at } => {
                if let Some(app) = self.github_apps.get_mut(id) {
                    (app.secret, app.secret_at, app.told) = (*version, *at, false);
                }
            }
            GitHubEvent::SecretTold { id, version } => {
                if let Some(app) = self.github_apps.get_mut(id) {
                    app.told = app.secret == *version;
                }
            }
            GitHubEvent::KeySet { id, version, at } => {
                if let Some(app) = self.github_apps.get_mut(id) {
                    (app.key, app.key_at) = (*version, *at);
                }
            }
            GitHubEvent::Removed { id } => {
                self.github_apps.remove(id);
            }
        }
    }
}
