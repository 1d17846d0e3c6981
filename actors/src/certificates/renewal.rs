//! When authorities suggest to renew (RFC 9773): asked now and then, and remembered until the server ends.

use std::collections::BTreeMap;
use std::time::Duration;

use hythe_core::certificate::{Authority, Renewal};
use hythe_core::ids::CertificateId;
use hythe_core::time::{Millis, Timestamp};
use instant_acme::{CertificateIdentifier, Error};

use super::account::account;
use super::failure::Failure;
use super::kept::Kept;
use super::x509;
use crate::control::Control;

/// How soon and how late an authority is asked again.
const SOONEST: Millis = Millis::seconds(3_600);
const LATEST: Millis = Millis::seconds(24 * 3_600);
/// Where it could not say.
const AFTER_FAILURE: Millis = Millis::seconds(6 * 3_600);

/// What an authority suggests of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    version: u64,
    window: Option<Renewal>,
    again: Timestamp,
}

/// What authorities suggest.
#[derive(Debug, Default)]
pub(super) struct Suggestions(BTreeMap<CertificateId, Known>);

/// What came of asking.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suggestion {
    pub(super) id: CertificateId,
    version: u64,
    window: Option<Renewal>,
    again: Millis,
}

impl Suggestions {
    /// The window of a certificate, where there is one.
    pub(super) fn window(&self, id: CertificateId, version: u64) -> Option<Renewal> {
        self.0.get(&id).filter(|known| known.version == version)?.window
    }

    /// Whether its authority is to be asked now.
    pub(super) fn is_due(&self, id: CertificateId, version: u64, now: Timestamp) -> bool {
        let known = self.0.get(&id).filter(|known| known.version == version);
        // What lies further ahead than any wait is of a clock that was set back.
        known.is_none_or(|known| known.again <= now || known.again.since(now) > LATEST)
    }

    pub(super) fn take_in(&mut self, suggestion: Suggestion, now: Timestamp) {
        let Suggestion { id, version, window, again } = suggestion;
        // What it said before stands until it says something else.
        let window = window.or_else(|| self.window(id, version));
        self.0.insert(id, Known { version, window, again: now.plus(again) });
    }

    pub(super) fn retain(&mut self, there: impl Fn(CertificateId) -> bool) {
        self.0.retain(|id, _| there(*id));
    }
}

/// Asks an authority about a certificate of its.
pub(super) async fn ask(
    control: &Control,
    authority: &Authority,
    (id, version): (CertificateId, u64),
) -> Suggestion {
    let (window, again) = match Box::pin(try_ask(control, authority, id, version)).await {
        Ok((window, again)) => (window, again),
        Err(failure) => {
            tracing::debug!(%authority, why = failure.why, "when to renew is not said");
            (None, AFTER_FAILURE)
        }
    };
    Suggestion { id, version, window, again }
}

async fn try_ask(
    control: &Control,
    authority: &Authority,
    id: CertificateId,
    version: u64,
) -> Result<(Option<Renewal>, Millis), Failure> {
    let kept = Kept::of(control, id, version).map_err(Failure::ours)?;
    let chain = x509::chain(&kept.chain).map_err(Failure::ours)?;
    let leaf = chain.first().ok_or_else(|| Failure::ours("it is gone"))?;
    let Ok(identifier) = CertificateIdentifier::try_from(leaf) else { return Ok((None, LATEST)) };
    let account = account(control, authority).await?;
    match account.renewal_info(&identifier).await {
        Ok((info, again)) => {
            let moment = |at: time::OffsetDateTime| {
                Timestamp(u64::try_from(at.unix_timestamp()).unwrap_or(0).saturating_mul(1_000))
            };
            let window = info.suggested_window;
            let window = Renewal { start: moment(window.start), end: moment(window.end) };
            Ok((Some(window), bounded(again)))
        }
        // It does not suggest anything.
        Err(Error::Unsupported(_)) => Ok((None, LATEST)),
        Err(error) => Err(error.into()),
    }
}

fn bounded(again: Duration) -> Millis {
    let again = u64::try_from(again.as_millis()).unwrap_or(u64::MAX);
    Millis(again.clamp(SOONEST.0, LATEST.0))
}
