//! The log as it lies on the disk, while the journal goes on.
//!
//! The database serves much from memory, so reading through it would not show what became of the
//! file. A second look at the file is consistent for this reason: the writer hands it out between
//! two commits, when everything is synced, together with a read transaction of that moment; as long
//! as that lives, no page that can be reached from that moment's root is written again. Only the
//! first page, which says where the root is, changes, and that one is kept as it was.
//!
//! What it costs: while the look lasts, commits take new pages instead of used ones. So it ends
//! when room gets scarce.

use std::sync::{PoisonError, mpsc};
use std::time::Duration;

use redb::{ReadTransaction, StorageBackend};

use super::record::Hash;
use super::shared::Shared;
use super::storage::Part;
use crate::error::{StoreError, io};

/// How long the writer may take until it is between two commits.
const WITHIN: Duration = Duration::from_secs(30);

/// The log as of one moment, on the disk.
pub(crate) struct OnDisk {
    pub(crate) log: Box<dyn StorageBackend>,
    /// The last event then, and its hash.
    pub(crate) head: (u64, Hash),
    /// Keeps its pages from being used again.
    pub(crate) pin: ReadTransaction,
}

pub(crate) type Wanted = mpsc::Sender<Result<OnDisk, StoreError>>;

impl Shared {
    /// Asks the writer for a look.
    pub(crate) fn on_disk(&self) -> Result<OnDisk, StoreError> {
        if self.queue.is_closed() {
            return Err(StoreError::Closed);
        }
        let (tell, told) = mpsc::channel();
        {
            let mut wanted = self.view_wanted.lock().unwrap_or_else(PoisonError::into_inner);
            if wanted.is_some() {
                return Err(StoreError::Invalid("look at the disk: somebody does already".into()));
            }
            *wanted = Some(tell);
        }
        self.queue.nudge();
        told.recv_timeout(WITHIN).unwrap_or(Err(StoreError::Closed))
    }

    /// Hands a look out where one is wanted. Called by the writer, between two commits.
    pub(crate) fn hand_out_view(&self, head: (u64, Hash)) {
        let wanted = self.view_wanted.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(tell) = wanted else { return };
        let look = || {
            let pin = self.read_log()?;
            let log = self.storage.view(Part::Log).map_err(io("look at the journal's file"))?;
            let log = log.ok_or_else(|| {
                StoreError::Invalid("look at the disk: this journal is on none".into())
            })?;
            Ok(OnDisk { log, head, pin })
        };
        // Whoever asked may have given up.
        drop(tell.send(look()));
    }
}
