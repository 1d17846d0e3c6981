//! Work that may panic does not take the node with it.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::future::FutureExt as _;

/// How long a task that should never end waits before it begins again.
const AGAIN: Duration = Duration::from_secs(1);

/// Runs something; a panic becomes an error. What it works on is owned by it or shared behind
/// locks that ignore poisoning.
pub(crate) async fn guarded<T>(work: impl Future<Output = T> + Send) -> Result<T, String> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        text.or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without words".into())
    })
}

/// Runs something that should go on for ever, and begins it anew where it does not.
pub(crate) async fn for_ever<F: Future<Output = ()> + Send>(
    what: &'static str,
    mut begin: impl FnMut() -> F + Send,
) {
    loop {
        match guarded(begin()).await {
            Ok(()) => tracing::warn!(what, "a task has ended and begins anew"),
            Err(why) => tracing::error!(what, why, "a task broke off and begins anew"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}
