//! The power goes at every single step of everything that writes, and whatever was not synced is
//! there, lost or torn: what was acknowledged is there afterwards, nothing else is but what was
//! under way, without a gap. The same while the journal recovers from that, while it recovers from
//! the recovery, and after a process that was killed has been started again.

use super::campaign::{Campaign, survive};
use super::workload::Setting;

/// Crashes of each test; ten times as many in a soak.
const APPENDS: usize = 12_000;
const CLAIMS: usize = 9_000;
const SECRETS: usize = 9_000;
const CURSORS: usize = 12_000;
const RESTS: usize = 6_000;
const INDEX: usize = 12_000;
const TWO_PHASES: usize = 11_000;
const MAKING: usize = 6_000;
const RECOVERY: usize = 12_000;
const RECOVERY_OF_RECOVERY: usize = 8_000;
const RESTART: usize = 4_000;

const ALL: usize = APPENDS
    + CLAIMS
    + SECRETS
    + CURSORS
    + RESTS
    + INDEX
    + TWO_PHASES
    + MAKING
    + RECOVERY
    + RECOVERY_OF_RECOVERY
    + RESTART;
const _: () = assert!(ALL >= 100_000, "that many are promised");

#[test]
fn appends_survive_any_loss_of_power() {
    let campaign = Campaign::of("appends", Setting::PLAIN, |work| {
        for round in 0..4 {
            work.appends(round);
        }
    });
    survive(APPENDS, &[campaign]);
}

#[test]
fn claims_survive_any_loss_of_power() {
    let campaign = Campaign::of("claims", Setting::PLAIN, |work| {
        for round in 0..4 {
            work.claims(round);
        }
    });
    survive(CLAIMS, &[campaign]);
}

#[test]
fn secrets_survive_any_loss_of_power() {
    let campaign = Campaign::of("secrets", Setting::PLAIN, |work| {
        for round in 0..4 {
            work.secrets(round);
        }
    });
    survive(SECRETS, &[campaign]);
}

#[test]
fn cursors_and_checkpoints_survive_any_loss_of_power() {
    let campaign = Campaign::of("cursors", Setting::PLAIN, |work| {
        for round in 0u64..4 {
            work.appends(round);
            work.cursor();
            work.checkpoint(&[b'x'; 3000][..1000 * usize::try_from(round % 3).unwrap()]);
        }
    });
    survive(CURSORS, &[campaign]);
}

#[test]
fn a_file_left_at_rest_survives_any_loss_of_power() {
    let setting = Setting { rests: true, ..Setting::PLAIN };
    let campaign = Campaign::of("rests", setting, |work| work.everything());
    survive(RESTS, &[campaign]);
}

#[test]
fn the_index_survives_any_loss_of_power() {
    let setting = Setting { index_every: 1, ..Setting::PLAIN };
    let campaign = Campaign::of("index", setting, |work| {
        for round in 0..2 {
            work.appends(round);
        }
    });
    survive(INDEX, &[campaign]);
}

#[test]
fn two_phases_survive_any_loss_of_power() {
    let setting = Setting { two_phase: true, ..Setting::PLAIN };
    survive(TWO_PHASES, &[Campaign::of("two-phases", setting, |work| work.everything())]);
}

#[test]
fn a_journal_in_the_making_survives_any_loss_of_power() {
    survive(MAKING, &[Campaign::making("making", Setting::PLAIN)]);
}

#[test]
fn recovery_survives_any_loss_of_power() {
    let campaign = Campaign::of("recovery", Setting::PLAIN, |work| work.everything());
    survive(RECOVERY, &campaign.recoveries(60));
}

#[test]
fn recovery_of_a_recovery_survives_any_loss_of_power() {
    let campaign = Campaign::of("again", Setting::PLAIN, |work| work.everything());
    let again: Vec<_> =
        campaign.recoveries(8).iter().flat_map(|recovery| recovery.recoveries(5)).collect();
    survive(RECOVERY_OF_RECOVERY, &again);
}

#[test]
fn what_a_restarted_process_shows_survives_any_loss_of_power() {
    let campaign = Campaign::of("restart", Setting::PLAIN, |work| work.everything());
    survive(RESTART, &campaign.restarts(20));
}
