//! What the benches share: medians, percentiles and lines to print.
//!
//! Every bench measures both sides in one run and prints their ratio; figures without a side to
//! compare with say little on a machine whose load is not known.

#![expect(clippy::print_stdout, reason = "benches print what they measured")]

pub mod by_hand;
pub mod history;
pub mod load;
pub mod server;

use std::time::Duration;

/// The one that `hythe` has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The value below which `part` (0 to 1) of the samples lie.
#[must_use]
pub fn percentile(samples: &[Duration], part: f64) -> Duration {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a position in a list of a few thousand"
    )]
    let at = ((sorted.len().saturating_sub(1)) as f64 * part).round() as usize;
    sorted.get(at).copied().unwrap_or_default()
}

/// The middle one.
#[must_use]
pub fn median(samples: &[Duration]) -> Duration {
    percentile(samples, 0.5)
}

/// Prints a row: what, ours, theirs, and ours divided by theirs.
pub fn row(what: &str, ours: f64, theirs: f64, unit: &str) {
    println!("{what:<44} {ours:>12.1} {theirs:>12.1} {unit:<10} ratio {:.2}", ours / theirs);
}

/// Prints a figure that has nothing to be compared with.
pub fn figure(what: &str, value: f64, unit: &str) {
    println!("{what:<44} {value:>12.2} {unit}");
}

/// Milliseconds, with their fraction.
#[must_use]
pub fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

/// Resident memory of a process in MB, `VmRSS` of `/proc/PID/status`; 0 where it is gone.
#[must_use]
pub fn resident_mb(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    let kib = line.split_whitespace().nth(1).and_then(|word| word.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}
