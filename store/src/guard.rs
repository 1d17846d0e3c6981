//! Panics of the database stay below the store.
//!
//! redb says that a file is damaged where it can; at some pages that are not what it wrote it
//! panics instead. To whoever asked, that is the same: an error that says which file does not make
//! sense. Nothing of ours relies on a panic crossing these calls, and no lock of ours is held
//! around them whose contents could be found half-changed; the database's own locks may be
//! poisoned, so whoever owns the file opens it anew.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::StoreError;

/// The log's file, as errors name it.
pub(crate) const LOG: &str = "journal.redb";
/// The index, as errors name it, file and rows.
pub(crate) const INDEX: &str = "the stream index";
/// In an error that does not know yet which file it was; [`contained`] does.
pub(crate) const SOMEWHERE: &str = "a file of the journal";

/// Does something with a database; a panic comes back as damage of its file.
pub(crate) fn contained<T>(
    place: &str,
    work: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Err(StoreError::Damaged { place: unknown, what })) if unknown == SOMEWHERE => {
            Err(StoreError::damaged(place, what))
        }
        Ok(result) => result,
        Err(panic) => {
            let what = format!("the database cannot make sense of it ({})", message(&*panic));
            Err(StoreError::damaged(place, what))
        }
    }
}

/// Closes a database, or lets a transaction go: after a panic either may panic once more.
pub(crate) fn let_go<T>(place: &str, handle: T) {
    let closed = contained(place, || {
        drop(handle);
        Ok(())
    });
    if let Err(error) = closed {
        tracing::error!(%error, "a file of the journal was not closed cleanly");
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it does not say why")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_damage_and_the_next_call_works() {
        let failed = contained::<()>(LOG, || panic!("page {}", 7)).unwrap_err();
        let failed = failed.to_string();
        assert!(failed.contains(LOG) && failed.contains("page 7"), "{failed}");
        let within: Result<(), _> = contained(LOG, || contained(INDEX, || panic!("row")));
        assert!(within.unwrap_err().to_string().contains(INDEX));
        let unknown: Result<(), _> = contained(LOG, || Err(StoreError::damaged(SOMEWHERE, "cut")));
        assert!(unknown.unwrap_err().to_string().contains(LOG));
        assert_eq!(contained(LOG, || Ok(3)).unwrap(), 3);
    }
}
