//! Which uploads may go: those that nobody refers to, once they are old enough.
//!
//! Kept are those of apps' settings, of deployments that have not ended, and of the versions that can
//! be gone back to: their images may have to be made again. An upload comes before the deployment that
//! is made of it, so a new one stays whoever refers to it.

use std::collections::BTreeSet;

use super::{as_many_versions, image_of, of_app};
use crate::limits;
use crate::machine::Machine;
use crate::source::{Source, UploadDigest};
use crate::time::Timestamp;
use crate::view::{DeploymentView, View};

/// An upload that the server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredUpload {
    /// Which.
    pub digest: UploadDigest,
    /// How many bytes.
    pub bytes: u64,
    /// When it was sent, or deployed, last.
    pub used_at: Timestamp,
}

/// Why an upload may go, in words.
pub const WHY: &str = "no app and no version that can be gone back to refers to it";

/// The uploads that may go. `keep`: how many earlier versions of each app stay.
#[must_use]
pub fn sweep(
    view: &View,
    stored: Vec<StoredUpload>,
    keep: usize,
    now: Timestamp,
) -> Vec<StoredUpload> {
    let kept = kept(view, keep);
    let old = |upload: &StoredUpload| now.since(upload.used_at) > limits::UPLOAD_KEPT;
    stored.into_iter().filter(|upload| old(upload) && !kept.contains(&upload.digest)).collect()
}

fn kept(view: &View, keep: usize) -> BTreeSet<UploadDigest> {
    let mut kept = BTreeSet::new();
    let mut put = |source: Option<&Source>| {
        kept.extend(source.and_then(Source::upload).cloned());
    };
    for app in view.apps.values() {
        put(app.state.active().and_then(|active| active.settings.source.as_ref()));
        let all: Vec<&DeploymentView> = of_app(view, app).map(|(_, view)| view).collect();
        let going_on = all.iter().filter(|deployment| !deployment.state.ended());
        // In the order of their requests.
        let before = all.iter().rev().filter(|d| d.state.ended() && d.was_live());
        let before = before.map(|deployment| (deployment, image_of(deployment)));
        let live: BTreeSet<_> = going_on.clone().filter_map(|d| image_of(d)).collect();
        let before = as_many_versions(before, &live, keep);
        for deployment in going_on.chain(before) {
            put(deployment.state.attempt().map(|attempt| &attempt.spec.source));
            // What a rollback to it makes the app's settings again.
            put(deployment.then.source.as_ref());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{AppEvent, SettingsChange};
    use crate::event::Event;
    use crate::names::ImageId;
    use crate::past::testing::Journal;
    use crate::testing::app_id;

    fn digest(n: u128) -> UploadDigest {
        UploadDigest::new(format!("sha256:{n:064x}")).unwrap()
    }

    fn stored(n: u128, used_at: u64) -> StoredUpload {
        StoredUpload { digest: digest(n), bytes: 10, used_at: Timestamp(used_at) }
    }

    /// Versions 1 to 3 were made of uploads 1 to 3 and were live in turn; the app is set to upload 4.
    fn view() -> View {
        let mut journal = Journal::default();
        journal.create(1, "shop");
        let set = |journal: &mut Journal, n| {
            let change =
                SettingsChange { source: Some(Source::Upload(digest(n))), ..Default::default() };
            let event = Event::App(AppEvent::Configured(Box::new(change)));
            journal.push(app_id(1).uuid(), event);
        };
        for n in 1..=3 {
            set(&mut journal, n);
            let image = ImageId::new(format!("sha256:{n:064x}")).unwrap();
            journal.deploy_image(1, n, image);
        }
        set(&mut journal, 4);
        let mut view = View::default();
        journal.events.iter().for_each(|event| view.apply(event));
        view
    }

    #[test]
    fn what_somebody_refers_to_stays_and_so_does_what_is_new() {
        let view = view();
        let now = Timestamp(2 * limits::UPLOAD_KEPT.0);
        let new = now.0 - 1_000;
        let gone = |keep| {
            let all = vec![
                stored(1, 0),
                stored(2, 0),
                stored(3, 0),
                stored(4, 0),
                stored(5, 0),
                stored(6, new),
            ];
            let going = sweep(&view, all, keep, now);
            going.into_iter().map(|upload| upload.digest).collect::<Vec<_>>()
        };
        assert_eq!(gone(5), [digest(5)]);
        assert_eq!(gone(1), [digest(1), digest(5)]);
        assert_eq!(gone(0), [digest(1), digest(2), digest(5)]);
        assert_eq!(sweep(&View::default(), vec![stored(3, 0)], 5, now).len(), 1);
        assert_eq!(sweep(&View::default(), vec![stored(3, now.0 + 9)], 5, now), []);
    }
}
