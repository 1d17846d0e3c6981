//! What the installation does when asked, and becomes by it.

use super::{Installation, InstallationCommand, InstallationEvent, Schedule};
use crate::claims::ClaimChange;
use crate::limits;
use crate::machine::Machine;
use crate::priority::Priority;
use crate::record::AggregateKind;
use crate::rejection::Rejection;

type Decision = Result<Vec<InstallationEvent>, Rejection>;

const NOTHING: Decision = Ok(Vec::new());

impl Machine for Installation {
    const KIND: AggregateKind = AggregateKind::Installation;
    type Command = InstallationCommand;
    type Event = InstallationEvent;

    fn decide(&self, command: InstallationCommand) -> Decision {
        match command {
            InstallationCommand::SetSchedule { schedule, at } => {
                check(&schedule)?;
                if self.schedule.as_ref().is_some_and(|(now, _)| *now == schedule) {
                    return NOTHING;
                }
                Ok(vec![InstallationEvent::BackupScheduled { schedule, at }])
            }
            InstallationCommand::RemoveSchedule if self.schedule.is_none() => NOTHING,
            InstallationCommand::RemoveSchedule => Ok(vec![InstallationEvent::BackupUnscheduled]),
            InstallationCommand::NoteMade(made) => {
                if self.made.as_ref().is_some_and(|last| last.id == made.id) {
                    return NOTHING;
                }
                Ok(vec![InstallationEvent::BackupMade(made)])
            }
            InstallationCommand::NoteFailed(mut failed) => {
                if self.failed.as_ref().is_some_and(|last| last.id == failed.id) {
                    return NOTHING;
                }
                bound(&mut failed.why);
                Ok(vec![InstallationEvent::BackupFailed(failed)])
            }
            InstallationCommand::NoteStale { at } => {
                if self.stale || self.schedule.is_none() {
                    return NOTHING;
                }
                Ok(vec![InstallationEvent::BackupBecameStale { at }])
            }
            InstallationCommand::SetMirror(mirror) => {
                if self.mirror.as_ref() == Some(&mirror) {
                    return NOTHING;
                }
                Ok(vec![InstallationEvent::MirrorSet(mirror)])
            }
            InstallationCommand::RemoveMirror if self.mirror.is_none() => NOTHING,
            InstallationCommand::RemoveMirror => Ok(vec![InstallationEvent::MirrorRemoved]),
            InstallationCommand::NoteMirrorBehind { mut why } => {
                if self.mirror.is_none() || self.mirror_behind.is_some() {
                    return NOTHING;
                }
                bound(&mut why);
                Ok(vec![InstallationEvent::MirrorFellBehind { why }])
            }
            InstallationCommand::NoteMirrorCaughtUp if self.mirror_behind.is_none() => NOTHING,
            InstallationCommand::NoteMirrorCaughtUp => Ok(vec![InstallationEvent::MirrorCaughtUp]),
            InstallationCommand::NoteRestored(restored) => {
                if self.restored.as_ref() == Some(&restored) {
                    return NOTHING;
                }
                Ok(vec![InstallationEvent::Restored(restored)])
            }
        }
    }

    fn evolve(mut self, event: &InstallationEvent) -> Self {
        match event {
            InstallationEvent::BackupScheduled { schedule, at } => {
                self.schedule = Some((schedule.clone(), *at));
                self.scheduled = None;
                self.stale = false;
                self.failures = 0;
            }
            InstallationEvent::BackupUnscheduled => {
                self.schedule = None;
                self.scheduled = None;
                self.stale = false;
                self.failures = 0;
            }
            InstallationEvent::BackupMade(made) => {
                let wanted = self.schedule.as_ref().map(|(schedule, _)| &schedule.to);
                if made.to.is_some() && made.to.as_ref() == wanted {
                    self.scheduled = Some(made.at);
                    self.stale = false;
                }
                self.made = Some(made.clone());
                self.failed = None;
                self.failures = 0;
            }
            InstallationEvent::BackupFailed(failed) => {
                self.failed = Some(failed.clone());
                self.failures = self.failures.saturating_add(1);
            }
            InstallationEvent::BackupBecameStale { at: _ } => self.stale = true,
            InstallationEvent::MirrorSet(mirror) => {
                self.mirror = Some(mirror.clone());
                self.mirror_behind = None;
            }
            InstallationEvent::MirrorRemoved => {
                self.mirror = None;
                self.mirror_behind = None;
            }
            InstallationEvent::MirrorFellBehind { why } => self.mirror_behind = Some(why.clone()),
            InstallationEvent::MirrorCaughtUp => self.mirror_behind = None,
            InstallationEvent::Restored(restored) => self.restored = Some(restored.clone()),
        }
        self
    }

    fn claims(&self, _event: &InstallationEvent) -> Vec<ClaimChange> {
        Vec::new()
    }

    fn priority(command: &InstallationCommand) -> Priority {
        match command {
            InstallationCommand::SetSchedule { .. } | InstallationCommand::SetMirror(_) => {
                Priority::Ordinary
            }
            // What became of a backup is worth its few bytes just then.
            InstallationCommand::RemoveSchedule
            | InstallationCommand::RemoveMirror
            | InstallationCommand::NoteMade(_)
            | InstallationCommand::NoteFailed(_)
            | InstallationCommand::NoteStale { .. }
            | InstallationCommand::NoteMirrorBehind { .. }
            | InstallationCommand::NoteMirrorCaughtUp
            | InstallationCommand::NoteRestored(_) => Priority::Urgent,
        }
    }

    fn ended(&self) -> bool {
        false
    }
}

fn check(schedule: &Schedule) -> Result<(), Rejection> {
    let (least, most) = (limits::BACKUP_EVERY_LEAST, limits::BACKUP_EVERY_MOST);
    if schedule.every < least || schedule.every > most {
        return Err(Rejection::invalid("every", "is one minute to 366 days, such as 12h or 1d"));
    }
    if schedule.keep == 0 || schedule.keep > limits::MOST_BACKUPS_KEPT {
        let most = limits::MOST_BACKUPS_KEPT;
        return Err(Rejection::invalid("keep", format!("is 1 to {most}; got {}", schedule.keep)));
    }
    Ok(())
}

fn bound(why: &mut String) {
    if why.len() > limits::MOST_REASON_BYTES {
        let end = (0..=limits::MOST_REASON_BYTES).rev().find(|at| why.is_char_boundary(*at));
        why.truncate(end.unwrap_or(0));
    }
}
