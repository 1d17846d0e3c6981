//! Where the projection is read from, for those who need no more than that.

use hythe_core::record::Sequence;
use hythe_core::view::View;
use tokio::sync::watch;

/// A projection of the journal that is kept up to date by somebody else.
pub trait Views: Clone + Send + Sync + 'static {
    /// Looks at it. Not to be held on to: the projection waits meanwhile.
    fn look<T>(&self, look: impl FnOnce(&View) -> T) -> T;

    /// Says how far it has come.
    fn head(&self) -> watch::Receiver<Sequence>;
}
