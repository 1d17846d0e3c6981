//! Reading an aggregate from the journal.

use hythe_core::record::{StreamId, Version};
use hythe_store::{Journal, StoreError, codec};
use uuid::Uuid;

use super::Hosted;

/// Events read at once.
const PAGE: usize = 512;

/// An aggregate as its events make it.
pub(super) struct Loaded<M> {
    pub(super) state: M,
    pub(super) version: Version,
}

/// Folds a stream. Blocks on the disk.
pub(super) fn load<M: Hosted>(journal: &Journal, id: Uuid) -> Result<Loaded<M>, StoreError> {
    let stream = StreamId { kind: M::KIND, id };
    let mut loaded = Loaded { state: M::default(), version: Version(0) };
    loop {
        let page = journal.read_stream(stream, loaded.version, PAGE)?;
        if page.is_empty() {
            return Ok(loaded);
        }
        for recorded in page {
            let event: M::Event = codec::decode_as(M::KIND, &recorded.event)?;
            loaded.state = loaded.state.evolve(&event);
            loaded.version = recorded.version;
        }
    }
}
