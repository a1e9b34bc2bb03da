//! Removes deleted data from the files: a deleted row is at first only hidden by a tombstone of the
//! engine.

use rocksdb::{BottommostLevelCompaction, CompactOptions, FlushOptions};

use super::Store;
use crate::event::Customer;
use crate::tables::{Batch, Commit, Error, Read, Table, keys};

/// The store-wide rows with the four quarters of the secret.
const SECRET: [&str; 4] = ["secret-0", "secret-1", "secret-2", "secret-3"];

impl Store {
    /// The secret of this store. A sealed store derives it from its keys and never stores it in clear;
    /// another store reads the stored one, or stores `fresh`.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Record`] or [`Error::Write`].
    pub fn secret(&self, fresh: [u8; 32]) -> Result<[u8; 32], Error> {
        if let Some(vault) = &self.vault {
            return Ok(vault.secret());
        }
        let mut found = Vec::with_capacity(32);
        for name in SECRET {
            found.extend(self.store_wide(name)?.into_iter().flat_map(u64::to_le_bytes));
        }
        if let Ok(secret) = found.try_into() {
            return Ok(secret);
        }
        let mut batch = Batch::new();
        for (name, quarter) in SECRET.into_iter().zip(fresh.as_chunks().0) {
            batch.set_store_wide(name, u64::from_le_bytes(*quarter));
        }
        Commit::commit(self, &[batch])?;
        self.sync()?;
        Ok(fresh)
    }

    /// Rewrites the files that may contain rows of a deleted customer, and the log of changes, so that
    /// none has their bytes any more. A row that is deleted later stays in a file.
    ///
    /// The one file that may still name the customer is the manifest, if a key of theirs was the first or
    /// last of a table file; it is rewritten at every start.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn purge(&self, partition: u16, customer: &Customer) -> Result<(), Error> {
        self.flush()?;
        let (mut own, mut all) = (Vec::new(), Vec::new());
        keys::twin(&mut own, partition, customer);
        keys::partition(&mut all, partition);
        for &table in Table::ALL {
            match table {
                Table::Twins
                | Table::Timeline
                | Table::Decisions
                | Table::Journal
                | Table::Waiting => {
                    self.rewrite(table, Some(&own));
                }
                // In these tables the customer stands later in the keys, or in the values.
                Table::Timers | Table::Observations | Table::Scans | Table::Index => {
                    self.rewrite(table, Some(&all));
                }
                // Messages to the customer are in the partition of the one who sent them.
                Table::Outbox => self.rewrite(table, None),
                Table::Broadcasts
                | Table::Learned
                | Table::Lessons
                | Table::Marks
                | Table::Results
                | Table::Tombstones
                | Table::Erasures
                | Table::Meta => {}
            }
        }
        Ok(())
    }

    /// The number of keys of an erased customer that are retired but not destroyed.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Keys`].
    pub fn retired_keys(&self, customer: &Customer) -> Result<u64, Error> {
        self.vault.as_ref().map_or(Ok(0), |vault| vault.retired(customer.as_str()))
    }

    /// Destroys the keys of an erased customer, if rows are sealed: what they encrypted becomes
    /// unreadable in every copy. The copy of all keys beside backups is replaced.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Keys`], [`Error::Write`], or [`Error::Backup`].
    pub fn forget_keys(&self, customer: &Customer) -> Result<(), Error> {
        self.vault
            .as_ref()
            .map_or(Ok(()), |vault| vault.forget(customer.as_str(), &self.settings.backups))
    }

    /// The same for erasure progress rows, which contain the customer until the end.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn purge_erasures(&self, partition: u16) -> Result<(), Error> {
        self.flush()?;
        let mut all = Vec::new();
        keys::partition(&mut all, partition);
        self.rewrite(Table::Erasures, Some(&all));
        Ok(())
    }

    /// Writes everything into table files: what was committed without the write-ahead log is durable then, and that
    /// log is restarted.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn flush(&self) -> Result<(), Error> {
        let mut options = FlushOptions::default();
        options.set_wait(true);
        let tables: Vec<_> = Table::ALL.iter().map(|table| self.table(*table)).collect();
        self.db.flush_cfs_opt(&tables, &options).map_err(|error| self.poison(error))
    }

    /// Rewrites the files with rows whose keys begin with `prefix`; none: all files of the table.
    fn rewrite(&self, table: Table, prefix: Option<&[u8]>) {
        let mut options = CompactOptions::default();
        // Also on the last level, where nothing else is merged: only that removes the engine's
        // tombstones.
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        options.set_exclusive_manual_compaction(false);
        let until = prefix.map(keys::behind);
        self.db.compact_range_cf_opt(self.table(table), prefix, until.as_deref(), &options);
    }
}
