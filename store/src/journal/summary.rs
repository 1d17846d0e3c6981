//! Check sums over what lies beside the log in its file: claims, secrets with their data keys, and
//! cursors.
//!
//! The chain of hashes speaks for events only. A row of these tables that was changed could be
//! told by itself; one that is gone could not, and a claim that seems free would be given out
//! twice. So every commit that changes a row also changes these sums, and opening the file
//! compares them with the rows. A sum is the exclusive or of its rows' hashes: a change costs two
//! hashes, whatever the tables hold, and the order of changes does not matter.

use redb::{ReadTransaction, ReadableTable, Table};

use super::cursor;
use super::tables::{CLAIMS, META, SECRET_KEYS, SECRETS, SECRETS_CHANGED};
use crate::error::{StoreError, database};

const KEY: &str = "summary";
const LEN: usize = 16;
const DOING: &str = "check what lies beside the log";
/// How errors name what a sum is over.
const CLAIMS_PLACE: &str = "journal.redb, the claims";
const SECRETS_PLACE: &str = "journal.redb, the secrets";
const CURSORS_PLACE: &str = "journal.redb, the cursors";

/// The exclusive or of the hashes of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum([u8; LEN]);

impl Sum {
    /// Adds a row, or takes it away: both are the same.
    fn toggle(&mut self, table: &[u8], key: &[&[u8]], value: &[u8]) {
        let mut hasher = blake3::Hasher::new();
        // Lengths first, so that no two rows share their bytes.
        for part in [table].iter().chain(key) {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        hasher.update(value);
        for (sum, byte) in self.0.iter_mut().zip(hasher.finalize().as_bytes()) {
            *sum ^= byte;
        }
    }
}

/// The sums as of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    claims: Sum,
    secrets: Sum,
    cursors: Sum,
}

impl Summary {
    pub(crate) fn claim(&mut self, key: &str, value: &[u8]) {
        self.claims.toggle(b"claim", &[key.as_bytes()], value);
    }

    pub(crate) fn secret(&mut self, (scope, name, version): ([u8; 16], &str, u64), value: &[u8]) {
        let version = version.to_le_bytes();
        self.secrets.toggle(b"secret", &[&scope, name.as_bytes(), &version], value);
    }

    pub(crate) fn data_key(&mut self, scope: [u8; 16], value: &[u8]) {
        self.secrets.toggle(b"key", &[&scope], value);
    }

    pub(crate) fn secrets_changed(&mut self, value: &[u8]) {
        self.secrets.toggle(b"changed", &[], value);
    }

    pub(crate) fn cursor(&mut self, key: &str, value: &[u8]) {
        self.cursors.toggle(b"cursor", &[key.as_bytes()], value);
    }

    /// The sums that were noted last.
    pub(crate) fn noted(
        meta: &impl ReadableTable<&'static str, &'static [u8]>,
    ) -> Result<Self, StoreError> {
        let row = meta.get(KEY).map_err(database(DOING))?;
        let sums = row.as_ref().and_then(|row| {
            let (claims, rest) = row.value().split_first_chunk::<LEN>()?;
            let (secrets, rest) = rest.split_first_chunk::<LEN>()?;
            let cursors = rest.try_into().ok()?;
            Some(Self { claims: Sum(*claims), secrets: Sum(*secrets), cursors: Sum(cursors) })
        });
        sums.ok_or_else(|| {
            StoreError::damaged("journal.redb, table meta", "the check sums of the tables are gone")
        })
    }

    pub(crate) fn note(
        self,
        meta: &mut Table<'_, &'static str, &'static [u8]>,
    ) -> Result<(), StoreError> {
        let value = [self.claims.0, self.secrets.0, self.cursors.0].concat();
        meta.insert(KEY, value.as_slice()).map_err(database(DOING))?;
        Ok(())
    }

    /// Forgets the secrets, to be counted anew by [`Summary::add_secrets`].
    pub(crate) fn without_secrets(self) -> Self {
        Self { secrets: Sum::default(), ..self }
    }

    /// Counts all secrets and their keys. Every row must also be found by its key: behind a page
    /// that leads astray it would be there and missing at once.
    pub(crate) fn add_secrets(
        &mut self,
        meta: &impl ReadableTable<&'static str, &'static [u8]>,
        secrets: &impl ReadableTable<([u8; 16], &'static str, u64), &'static [u8]>,
        keys: &impl ReadableTable<[u8; 16], &'static [u8]>,
    ) -> Result<(), StoreError> {
        let lost = || lost(SECRETS_PLACE);
        for row in secrets.iter().map_err(database(DOING))? {
            let (key, value) = row.map_err(database(DOING))?;
            secrets.get(key.value()).map_err(database(DOING))?.ok_or_else(lost)?;
            self.secret(key.value(), value.value());
        }
        for row in keys.iter().map_err(database(DOING))? {
            let (key, value) = row.map_err(database(DOING))?;
            keys.get(key.value()).map_err(database(DOING))?.ok_or_else(lost)?;
            self.data_key(key.value(), value.value());
        }
        if let Some(changed) = meta.get(SECRETS_CHANGED).map_err(database(DOING))? {
            self.secrets_changed(changed.value());
        }
        Ok(())
    }

    /// The sums of what is there.
    pub(crate) fn of(txn: &ReadTransaction) -> Result<Self, StoreError> {
        let mut sums = Self::default();
        let claims = txn.open_table(CLAIMS).map_err(database(DOING))?;
        for row in claims.iter().map_err(database(DOING))? {
            let (key, value) = row.map_err(database(DOING))?;
            let found = claims.get(key.value()).map_err(database(DOING))?;
            found.ok_or_else(|| lost(CLAIMS_PLACE))?;
            sums.claim(key.value(), value.value());
        }
        let meta = txn.open_table(META).map_err(database(DOING))?;
        let secrets = txn.open_table(SECRETS).map_err(database(DOING))?;
        let keys = txn.open_table(SECRET_KEYS).map_err(database(DOING))?;
        sums.add_secrets(&meta, &secrets, &keys)?;
        for row in meta.range(cursor::PREFIX..).map_err(database(DOING))? {
            let (key, value) = row.map_err(database(DOING))?;
            if !key.value().starts_with(cursor::PREFIX) {
                break;
            }
            sums.cursor(key.value(), value.value());
        }
        Ok(sums)
    }

    /// Whether the tables are what was noted.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] naming the first that is not.
    pub(crate) fn check(txn: &ReadTransaction) -> Result<(), StoreError> {
        let noted = Self::noted(&txn.open_table(META).map_err(database(DOING))?)?;
        let there = Self::of(txn)?;
        for (place, noted, there) in [
            (CLAIMS_PLACE, noted.claims, there.claims),
            (SECRETS_PLACE, noted.secrets, there.secrets),
            (CURSORS_PLACE, noted.cursors, there.cursors),
        ] {
            if noted != there {
                let what = "a row was changed, is missing, or was added behind the journal's back";
                return Err(StoreError::damaged(place, what));
            }
        }
        Ok(())
    }
}

fn lost(place: &str) -> StoreError {
    StoreError::damaged(place, "a row is not found by its key")
}
