//! Deleting an app, and undoing that.
//!
//! Who deletes the wrong app notices it soon. So what is deleted is stopped first and kept, with its
//! settings, variables and versions, for as long as it may be restored; nothing else can be done with
//! it meanwhile. Its name and its domains are free at once: coming back, it takes them again where
//! nobody else has. When its time is over, or somebody does not want to wait, it goes for good.

use serde::{Deserialize, Serialize};

use super::{ActiveApp, AppCommand, AppEvent, Stop};
use crate::limits;
use crate::rejection::Rejection;
use crate::time::Timestamp;

/// That an app was deleted, and may still be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discard {
    /// When it goes for good.
    pub until: Timestamp,
    /// Whether it was stopped before, and is to be so again.
    pub was_stopped: bool,
}

impl ActiveApp {
    /// Whether its time is over: it is to go for good.
    #[must_use]
    pub fn is_spent(&self, now: Timestamp) -> bool {
        self.discarded.is_some_and(|discard| now >= discard.until)
    }

    pub(super) fn discard(&self, at: Timestamp) -> Vec<AppEvent> {
        if self.discarded.is_some() {
            return Vec::new();
        }
        let (until, drained) =
            (at.plus(limits::DISCARDED_KEPT), at.plus(self.settings.drain_within));
        let discarded = self.with_all_called_off(AppEvent::Discarded { until, drained });
        self.without_previews().chain(discarded).collect()
    }

    pub(super) fn delete(&self) -> Vec<AppEvent> {
        let all = [self.live, self.serving, self.rolling, self.waiting];
        let gone = AppEvent::Deleted { deployments: all.into_iter().flatten().collect() };
        self.without_previews().chain([gone]).collect()
    }

    pub(super) fn restore(&self) -> Vec<AppEvent> {
        self.discarded.iter().map(|_| AppEvent::Restored { name: self.name.clone() }).collect()
    }

    /// Why a command is refused while the app is deleted, where it is.
    pub(super) fn refuses(&self, command: &AppCommand) -> Option<Rejection> {
        self.discarded?;
        match command {
            AppCommand::Configure(_)
            | AppCommand::SetTriggers(_)
            | AppCommand::ConfigureWithTriggers { .. }
            | AppCommand::SetEdge(_)
            | AppCommand::ChangeEnvironment { .. }
            | AppCommand::RequestDeployment { .. }
            | AppCommand::Push { .. }
            | AppCommand::Repeat { .. }
            | AppCommand::Stop { .. }
            | AppCommand::Start
            | AppCommand::Scale { .. }
            | AppCommand::SetSourceKey(_)
            | AppCommand::SetCron { .. }
            | AppCommand::PauseCron { .. }
            | AppCommand::RemoveCron { .. }
            | AppCommand::RunCron { .. }
            | AppCommand::SetPreviews(_)
            | AppCommand::WantPreview { .. }
            | AppCommand::MovePreview(_)
            | AppCommand::AddDomain { .. }
            | AppCommand::SetDomain { .. }
            | AppCommand::RemoveDomain { .. }
            | AppCommand::RequestCanary { .. }
            | AppCommand::WeighCanary { .. }
            | AppCommand::PromoteCanary
            | AppCommand::AbortCanary
            | AppCommand::RunCommand { .. } => {
                let (name, id) = (&self.name, self.id);
                Some(Rejection::conflict(format!(
                    "{name} was deleted; to have it back: hythe app restore {id}"
                )))
            }
            AppCommand::Create { .. }
            | AppCommand::SwitchTraffic { .. }
            | AppCommand::Promote { .. }
            | AppCommand::Settle { .. }
            | AppCommand::EndCommand { .. }
            | AppCommand::SkipCron { .. }
            | AppCommand::EndPreview { .. }
            | AppCommand::NotePreviewComment { .. }
            | AppCommand::CreatePreview(_)
            | AppCommand::NoteDomain { .. }
            | AppCommand::FallAsleep { .. }
            | AppCommand::Wake { .. }
            | AppCommand::Discard { .. }
            | AppCommand::Restore
            | AppCommand::Expire { .. }
            | AppCommand::Delete => None,
        }
    }

    pub(super) fn discarded(&mut self, until: Timestamp, drained: Timestamp) {
        self.asleep = false;
        self.discarded = Some(Discard { until, was_stopped: self.rests() });
        self.stopped = Some(Stop { until: drained, during: self.taking_over() });
    }

    pub(super) fn restored(&mut self) {
        if self.discarded.take().is_some_and(|discard| !discard.was_stopped) {
            self.stopped = None;
        }
    }
}
