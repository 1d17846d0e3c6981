//! What happened since somebody was told last: the next events of the journal, for whoever tells others of
//! them from a cursor.

use hythe_core::event::Event;
use hythe_core::record::{Recorded, Sequence};
use hythe_store::codec::decode_recorded;

use crate::control::Control;

/// Events read at once.
const PAGE: usize = 256;

/// Shows `see` the next events after `from`, up to `seen` at the most; says the last of those.
///
/// # Errors
/// Where the journal cannot be read.
pub(crate) fn next(
    control: &Control,
    from: Sequence,
    seen: Sequence,
    mut see: impl FnMut(&Recorded<Event>),
) -> Result<Sequence, String> {
    let page = control.journal().read(from, PAGE).map_err(|error| error.to_string())?;
    let mut until = from;
    for stored in page {
        if stored.sequence > seen {
            break;
        }
        until = stored.sequence;
        see(&decode_recorded(stored).map_err(|error| error.to_string())?);
    }
    Ok(until)
}
