//! Customer keys: one per customer, wrapped by the master key, in a separate database beside the store.
//!
//! Backups of the store do not contain them; all backups share one copy of the newest keys, so a
//! destroyed key makes the customer unreadable in older backups, too.
//!
//! A key is written before the data that it encrypts, and retired before the customer's rows are deleted,
//! so after a crash the keys are ahead of the store; both keep a change counter, and the next start
//! undoes key changes that the store does not have.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead as _, Generate as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305 as Cipher, XNonce};
use hmac::{Hmac, Mac as _};
use lru::LruCache;
use parking_lot::{Mutex, MutexGuard};
use rocksdb::checkpoint::Checkpoint;
use rocksdb::{
    BottommostLevelCompaction, CompactOptions, DB, ErrorKind, IteratorMode, WriteBatch,
    WriteOptions,
};
use sha2::Sha256;
use smallvec::SmallVec;

use super::tuning;
use crate::config::limits;
use crate::files::close_folder;
use crate::tables::{Error, keys};

/// The lookup name of a customer's key: a keyed hash, so that the keys name nobody.
pub(super) type KeyName = [u8; 16];

pub(super) const NONCE_BYTES: usize = 24;
const KEY_BYTES: usize = 32;
/// A nonce, a key, and the tag that proves that it was unwrapped by the right master key.
const WRAPPED_BYTES: usize = NONCE_BYTES + KEY_BYTES + 16;

/// The row of the key that names are hashed with, wrapped like any other: it verifies a master key. No
/// name is as short.
const NAMING: &[u8] = b"naming";
/// The row of the change counter: the number of the last change.
const NUMBER: &[u8] = b"number";

/// The folder beside backups with the keys of all of them.
const COPY: &str = "customers-keys";

/// Suffixes of temporary folders: of a copy that is being made or replaced, and of one that is being
/// restored.
pub(super) const PASSING: [&str; 4] = ["next", "last", "restoring", "tmp"];

/// Whether a folder of this name is no backup, and may be replaced at any time: the copy of the keys, or
/// a temporary folder.
pub fn is_reserved(name: &str) -> bool {
    let (stem, ending) = name.split_once('.').unwrap_or((name, ""));
    let is_passing = name.rsplit('.').next().is_some_and(|last| PASSING.contains(&last));
    // Case-insensitive file systems treat these as the same.
    stem.eq_ignore_ascii_case(COPY) || (!ending.is_empty() && is_passing)
}

/// The customer keys of a store.
pub(super) struct KeyVault {
    folder: PathBuf,
    rows: DB,
    master: Cipher,
    naming: Hmac<Sha256>,
    known: Mutex<KnownKeys>,
    /// Lock for key changes; a commit holds it until the store has the data.
    turn: Mutex<u64>,
    /// Lock for copying keys.
    copying: Mutex<()>,
}

struct KnownKeys {
    keys: LruCache<KeyName, CustomerKeys>,
    /// How often existing keys have changed: keys read before a change are not cached.
    changes: u64,
}

/// Whether a database of keys may be created or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// It may not exist yet.
    Make,
    /// It exists; changes that the store does not have are undone.
    Change {
        /// The last change that the store has.
        upto: u64,
    },
    /// It exists, and is not changed.
    Look {
        /// The last change that the store has.
        upto: u64,
    },
}

/// The keys of one customer, mostly one: the last one seals, unless it is retired.
#[derive(Clone, Default)]
pub(super) struct CustomerKeys(SmallVec<[KeyEntry; 1]>);

#[derive(Clone)]
enum KeyEntry {
    /// A key, and the number of the change that created it.
    Key(u64, Cipher, [u8; WRAPPED_BYTES]),
    /// Earlier keys were retired by the change of this number.
    Retired(u64),
}

impl CustomerKeys {
    /// The key that seals now, if any, and the number of the change that created it.
    fn current(&self) -> Option<(u64, &Cipher)> {
        match self.0.last() {
            Some(KeyEntry::Key(made, cipher, _)) => Some((*made, cipher)),
            Some(KeyEntry::Retired(_)) | None => None,
        }
    }

    /// The key that the change of this number created.
    pub(super) fn made_by(&self, number: u64) -> Option<&Cipher> {
        self.0.iter().rev().find_map(|entry| match entry {
            KeyEntry::Key(made, cipher, _) if *made == number => Some(cipher),
            KeyEntry::Key(..) | KeyEntry::Retired(_) => None,
        })
    }

    /// Without retired keys, and how many these were.
    fn in_use(&self) -> (CustomerKeys, u64) {
        let last = self.0.iter().rposition(|entry| matches!(entry, KeyEntry::Retired(_)));
        let (old, new) = self.0.split_at(last.map_or(0, |last| last + 1));
        let gone = old.iter().filter(|entry| matches!(entry, KeyEntry::Key(..))).count();
        (CustomerKeys(new.iter().cloned().collect()), gone as u64)
    }

    fn write(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(self.0.len() * (1 + size_of::<u64>() + WRAPPED_BYTES));
        for entry in &self.0 {
            match entry {
                KeyEntry::Key(made, _, wrapped) => {
                    value.push(1);
                    value.extend_from_slice(&made.to_be_bytes());
                    value.extend_from_slice(wrapped);
                }
                KeyEntry::Retired(number) => {
                    value.push(0);
                    value.extend_from_slice(&number.to_be_bytes());
                }
            }
        }
        value
    }

    fn read(master: &Cipher, name: &[u8], mut value: &[u8]) -> Option<CustomerKeys> {
        let mut keys = CustomerKeys::default();
        while let Some((tag, rest)) = value.split_first() {
            let (number, rest) = rest.split_first_chunk()?;
            let number = u64::from_be_bytes(*number);
            value = if *tag == 1 {
                let (wrapped, rest) = rest.split_first_chunk()?;
                keys.0.push(KeyEntry::Key(number, unwrap(master, name, wrapped)?, *wrapped));
                rest
            } else {
                keys.0.push(KeyEntry::Retired(number));
                rest
            };
        }
        Some(keys)
    }
}

/// The key changes of one commit, which are durable before it.
pub(super) struct KeyChange<'a> {
    vault: &'a KeyVault,
    number: MutexGuard<'a, u64>,
    changed: hashbrown::HashMap<KeyName, CustomerKeys>,
    nonce: [u8; NONCE_BYTES],
}

impl KeyVault {
    /// The folder of the keys of a store.
    pub(super) fn folder(store: &Path) -> PathBuf {
        let store = std::path::absolute(store).unwrap_or_else(|_| store.to_owned());
        let mut name = store.file_name().unwrap_or_default().to_owned();
        name.push("-keys");
        store.with_file_name(name)
    }

    /// The folder of the keys of a store or of a backup: those of a backup are beside it.
    pub(super) fn of(store: &Path) -> PathBuf {
        let own = KeyVault::folder(store);
        let store = std::path::absolute(store).unwrap_or_else(|_| store.to_owned());
        if own.exists() { own } else { store.with_file_name(COPY) }
    }

    /// Opens the keys in a folder with the master key that a setting names.
    ///
    /// # Errors
    /// [`Error::MasterKey`], [`Error::Keys`], or [`Error::InUse`].
    pub(super) fn open(folder: &Path, master: &str, access: Access) -> Result<KeyVault, Error> {
        let refused = |found: String| Error::Keys { path: folder.to_owned(), found };
        let cipher = Cipher::new(&master_key(master)?);
        if access != Access::Make && !folder.join("CURRENT").exists() {
            return Err(refused("none".into()));
        }
        if !matches!(access, Access::Look { .. }) {
            close_folder(folder).map_err(|error| refused(error.to_string()))?;
        }
        let options = tuning::keys(access == Access::Make);
        let rows = match access {
            Access::Look { .. } => DB::open_for_read_only(&options, folder, false),
            Access::Make | Access::Change { .. } => DB::open(&options, folder),
        };
        let rows = rows.map_err(|error| match error.kind() {
            ErrorKind::IOError if error.to_string().to_ascii_lowercase().contains("lock ") => {
                Error::InUse { path: folder.to_owned() }
            }
            _ => refused(error.into_string()),
        })?;
        let get = |row| rows.get(row).map_err(|error| refused(error.into_string()));
        let number = get(NUMBER)?.and_then(|number| number.try_into().ok());
        let number = number.map_or(0, u64::from_be_bytes);
        let naming = match (get(NAMING)?, access) {
            (Some(found), _) => found,
            (None, Access::Make) => {
                let made = wrap(&cipher, NAMING, &fresh_key()?)?;
                put(&rows, &[(NAMING, &made)])?;
                made.to_vec()
            }
            (None, _) => return Err(refused("a database without them".into())),
        };
        let naming = unwrap_bytes(&cipher, NAMING, &naming).ok_or_else(|| {
            let found = format!(
                "another key in {}, which cannot unwrap those in {}",
                named(master),
                folder.display()
            );
            Error::MasterKey { found }
        })?;
        let vault = KeyVault {
            folder: folder.to_owned(),
            rows,
            master: cipher,
            naming: mac(&naming),
            known: Mutex::new(KnownKeys {
                keys: LruCache::new(
                    NonZeroUsize::new(limits::KEYS_KNOWN).unwrap_or(NonZeroUsize::MIN),
                ),
                changes: 0,
            }),
            turn: Mutex::new(number),
            copying: Mutex::new(()),
        };
        if let Access::Change { upto } | Access::Look { upto } = access
            && number < upto
        {
            return Err(refused(format!("an older copy: {number} changes instead of {upto}")));
        }
        if let Access::Change { upto } = access
            && number > upto
        {
            vault.undo(upto)?;
        }
        Ok(vault)
    }

    /// The name of a customer's key; the empty identifier, for rows of no single customer, has one, too.
    pub(super) fn name(&self, customer: &str) -> KeyName {
        let mut hash = self.naming.clone();
        hash.update(customer.as_bytes());
        let whole: [u8; 32] = hash.finalize().into_bytes().into();
        let mut half = [0; 16];
        half.copy_from_slice(&whole[..16]);
        half
    }

    /// The secret of the store that these keys seal: a copy of the store, or of the keys, without the
    /// master key is not enough to sign or hash with it.
    pub(super) fn secret(&self) -> [u8; 32] {
        let mut hash = self.naming.clone();
        // No customer's identifier begins with this byte, so it is no customer's name.
        hash.update(b"\xffthe secret of the store");
        hash.finalize().into_bytes().into()
    }

    /// The keys of this name, from the cache or the database.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Keys`].
    pub(super) fn find(&self, name: &KeyName) -> Result<Option<CustomerKeys>, Error> {
        let before = {
            let mut known = self.known.lock();
            if let Some(keys) = known.keys.get(name) {
                return Ok(Some(keys.clone()));
            }
            known.changes
        };
        let found = self.rows.get(name).map_err(|error| read_error(&error))?;
        let Some(found) = found else { return Ok(None) };
        let keys = self.read(name, &found)?;
        let mut known = self.known.lock();
        if known.changes == before {
            known.keys.put(*name, keys.clone());
        }
        Ok(Some(keys))
    }

    /// Begins the key changes of one commit. No other commit changes keys until it is done.
    ///
    /// # Errors
    /// [`Error::Write`] if the system has no random numbers.
    pub(super) fn change(&self) -> Result<KeyChange<'_>, Error> {
        let nonce = XNonce::try_generate().map_err(|error| no_chance(&error))?;
        let (number, changed) = (self.turn.lock(), hashbrown::HashMap::new());
        Ok(KeyChange { vault: self, number, changed, nonce: nonce.into() })
    }

    /// The number of a customer's keys that are retired but not destroyed.
    ///
    /// # Errors
    /// As [`KeyVault::find`].
    pub(super) fn retired(&self, customer: &str) -> Result<u64, Error> {
        Ok(self.find(&self.name(customer))?.map_or(0, |keys| keys.in_use().1))
    }

    /// Destroys the retired keys of a customer, here and beside the backups of this folder: nothing that
    /// they encrypted can be read again.
    ///
    /// # Errors
    /// [`Error::Write`], or [`Error::Backup`]; a repeated call completes it.
    pub(super) fn forget(&self, customer: &str, backups: &Path) -> Result<(), Error> {
        let name = self.name(customer);
        {
            let _turn = self.turn.lock();
            let found = self.rows.get(name).map_err(|error| read_error(&error))?;
            if let Some(found) = found {
                let (rest, _) = self.read(&name, &found)?.in_use();
                let mut batch = WriteBatch::default();
                match rest.0.is_empty() {
                    true => batch.delete(name),
                    false => batch.put(name, rest.write()),
                }
                self.write(batch)?;
            }
            self.lose_sight_of(&name);
        }
        // A deleted row is at first only hidden by a tombstone of the engine.
        self.rewrite(Some(&name))?;
        let copy = backups.join(COPY);
        if copy.exists() { self.back_up(&copy) } else { Ok(()) }
    }

    /// Copies the keys beside a backup, replacing the previous copy.
    ///
    /// # Errors
    /// [`Error::Backup`].
    pub(super) fn back_up_beside(&self, backup: &Path) -> Result<(), Error> {
        self.back_up(&backup.with_file_name(COPY))
    }

    fn back_up(&self, to: &Path) -> Result<(), Error> {
        let failed = |detail: String| Error::Backup { path: to.to_owned(), detail };
        let io = |error: std::io::Error| failed(error.to_string());
        let _one_at_a_time = self.copying.lock();
        let [next, last, ..] = PASSING.map(|ending| to.with_extension(ending));
        for left in [&next, &last] {
            if left.exists() {
                fs::remove_dir_all(left).map_err(io)?;
            }
        }
        Checkpoint::new(&self.rows)
            .and_then(|checkpoint| checkpoint.create_checkpoint(&next))
            .map_err(|error| failed(error.into_string()))?;
        close_folder(&next).map_err(io)?;
        if to.exists() {
            fs::rename(to, &last).map_err(io)?;
        }
        fs::rename(&next, to).map_err(io)?;
        if last.exists() {
            fs::remove_dir_all(&last).map_err(io)?;
        }
        Ok(())
    }

    /// Wraps every key with another master key, also in the copy beside backups; returns how many.
    ///
    /// # Errors
    /// [`Error::MasterKey`] if the new one is invalid; [`Error::Write`]. All keys are unchanged then.
    pub(super) fn rewrap(self, master: &str, backups: &Path) -> Result<u64, Error> {
        let next = Cipher::new(&master_key(master)?);
        let mut batch = WriteBatch::default();
        let mut count = 0;
        for row in self.rows.iterator(IteratorMode::Start) {
            let (name, value) = row.map_err(|error| read_error(&error))?;
            match &*name {
                NUMBER => {}
                NAMING => {
                    let plain = unwrap_bytes(&self.master, NAMING, &value);
                    batch.put(NAMING, wrap(&next, NAMING, &plain.ok_or_else(|| self.damaged())?)?);
                }
                _ => {
                    let mut keys = self.read(&name, &value)?;
                    for entry in &mut keys.0 {
                        if let KeyEntry::Key(_, _, wrapped) = entry {
                            let plain = unwrap_bytes(&self.master, &name, wrapped);
                            *wrapped = wrap(&next, &name, &plain.ok_or_else(|| self.damaged())?)?;
                            count += 1;
                        }
                    }
                    batch.put(&name, keys.write());
                }
            }
        }
        self.write(batch)?;
        self.rewrite(None)?;
        let copy = backups.join(COPY);
        if copy.exists() {
            self.back_up(&copy)?;
        }
        Ok(count)
    }

    /// Undoes key changes of commits that were never written: retired keys are in use again.
    fn undo(&self, upto: u64) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        for row in self.rows.iterator(IteratorMode::Start) {
            let (name, value) = row.map_err(|error| read_error(&error))?;
            if name.len() != size_of::<KeyName>() {
                continue;
            }
            let mut keys = self.read(&name, &value)?;
            let before = keys.0.len();
            keys.0.retain(|entry| !matches!(entry, KeyEntry::Retired(number) if *number > upto));
            if keys.0.len() < before {
                batch.put(&name, keys.write());
            }
        }
        if batch.is_empty() { Ok(()) } else { self.write(batch) }
    }

    fn read(&self, name: &[u8], value: &[u8]) -> Result<CustomerKeys, Error> {
        CustomerKeys::read(&self.master, name, value).ok_or_else(|| self.damaged())
    }

    fn damaged(&self) -> Error {
        Error::Keys { path: self.folder.clone(), found: "one that is damaged".into() }
    }

    fn lose_sight_of(&self, name: &KeyName) {
        let mut known = self.known.lock();
        known.keys.pop(name);
        known.changes += 1;
    }

    fn write(&self, batch: WriteBatch) -> Result<(), Error> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.rows.write_opt(batch, &options).map_err(write_error)
    }

    /// Rewrites the files that may contain a row, or all, so that none contains deleted data.
    fn rewrite(&self, name: Option<&KeyName>) -> Result<(), Error> {
        self.rows.flush().map_err(write_error)?;
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        options.set_exclusive_manual_compaction(false);
        let until = name.map(|name| keys::behind(name));
        self.rows.compact_range_opt(name, until, &options);
        Ok(())
    }
}

impl KeyChange<'_> {
    /// The key that seals the rows of this customer from here on, and the number of the change that
    /// created it.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Keys`], or [`Error::Write`].
    pub(super) fn key(&mut self, name: &KeyName) -> Result<(u64, Cipher), Error> {
        let mut keys = self.known(name)?;
        if let Some((made, cipher)) = keys.current() {
            return Ok((made, cipher.clone()));
        }
        let (made, fresh) = (*self.number + 1, fresh_key()?);
        let cipher = Cipher::new(&Key::from(fresh));
        keys.0.push(KeyEntry::Key(made, cipher.clone(), wrap(&self.vault.master, name, &fresh)?));
        self.changed.insert(*name, keys);
        Ok((made, cipher))
    }

    /// Retires the customer's key, because this commit deletes their rows: later rows are sealed by
    /// another key.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Keys`].
    pub(super) fn retire(&mut self, name: &KeyName) -> Result<(), Error> {
        let mut keys = self.known(name)?;
        if keys.current().is_some() {
            keys.0.push(KeyEntry::Retired(*self.number + 1));
            self.changed.insert(*name, keys);
        }
        Ok(())
    }

    /// A nonce that is never reused: the commit's first one is drawn from 2¹⁹², and it grows from row to
    /// row.
    pub(super) fn nonce(&mut self) -> [u8; NONCE_BYTES] {
        for byte in &mut self.nonce {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
        self.nonce
    }

    /// Makes the changes durable before the commit; returns the number of the change, which is part of
    /// the commit, if there was any. Other commits wait until this is dropped.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub(super) fn keep(&mut self) -> Result<Option<u64>, Error> {
        if self.changed.is_empty() {
            return Ok(None);
        }
        let mut batch = WriteBatch::default();
        for (name, keys) in &self.changed {
            batch.put(name, keys.write());
        }
        *self.number += 1;
        batch.put(NUMBER, self.number.to_be_bytes());
        self.vault.write(batch)?;
        let mut known = self.vault.known.lock();
        for (name, keys) in self.changed.drain() {
            // With only one key, no older row can have been read.
            known.changes += u64::from(keys.0.len() > 1);
            known.keys.put(name, keys);
        }
        Ok(Some(*self.number))
    }

    fn known(&self, name: &KeyName) -> Result<CustomerKeys, Error> {
        match self.changed.get(name) {
            Some(keys) => Ok(keys.clone()),
            None => Ok(self.vault.find(name)?.unwrap_or_default()),
        }
    }
}

fn put(rows: &DB, changes: &[(&[u8], &[u8])]) -> Result<(), Error> {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    let mut batch = WriteBatch::default();
    changes.iter().for_each(|(name, value)| batch.put(name, value));
    rows.write_opt(batch, &options).map_err(write_error)
}

#[expect(clippy::expect_used, reason = "the message names the invariant")]
fn mac(key: &[u8]) -> Hmac<Sha256> {
    <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("a key may have any length")
}

fn fresh_key() -> Result<[u8; KEY_BYTES], Error> {
    Ok(Key::try_generate().map_err(|error| no_chance(&error))?.into())
}

fn wrap(master: &Cipher, name: &[u8], plain: &[u8]) -> Result<[u8; WRAPPED_BYTES], Error> {
    let nonce = XNonce::try_generate().map_err(|error| no_chance(&error))?;
    let wrapped = master.encrypt(&nonce, Payload { msg: plain, aad: name });
    let whole =
        wrapped.ok().and_then(|wrapped| [nonce.as_slice(), &wrapped].concat().try_into().ok());
    whole.ok_or_else(|| Error::Write { detail: "a key that cannot be wrapped".into() })
}

fn unwrap_bytes(master: &Cipher, name: &[u8], wrapped: &[u8]) -> Option<[u8; KEY_BYTES]> {
    let (nonce, wrapped) = wrapped.split_first_chunk::<NONCE_BYTES>()?;
    let plain = master.decrypt(&XNonce::from(*nonce), Payload { msg: wrapped, aad: name }).ok()?;
    plain.try_into().ok()
}

fn unwrap(master: &Cipher, name: &[u8], wrapped: &[u8]) -> Option<Cipher> {
    unwrap_bytes(master, name, wrapped).map(|plain| Cipher::new(&Key::from(plain)))
}

/// The prefix of environment variables, among file names.
const VARIABLE: &str = "env:";

/// Where a master key is read from, in a text for people.
fn named(from: &str) -> String {
    match from.strip_prefix(VARIABLE) {
        Some(name) => format!("the variable {name}"),
        None => format!("the file {from}"),
    }
}

/// The master key that a setting names: 64 hexadecimal digits.
fn master_key(from: &str) -> Result<Key, Error> {
    let refused = |what: &str| Error::MasterKey { found: format!("{what} {}", named(from)) };
    let text = match from.strip_prefix(VARIABLE) {
        Some(name) => std::env::var(name).map_err(|_| refused("no text in"))?,
        None => fs::read_to_string(from).map_err(|error| refused(&format!("{error} for")))?,
    };
    let bytes = hex::decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
    let bytes: [u8; KEY_BYTES] = bytes.ok_or_else(|| refused("no 64 hexadecimal digits in"))?;
    Ok(bytes.into())
}

fn no_chance(error: &dyn std::fmt::Display) -> Error {
    Error::Write { detail: format!("no random numbers: {error}") }
}

fn read_error(error: &rocksdb::Error) -> Error {
    Error::Read { detail: error.to_string() }
}

fn write_error(error: rocksdb::Error) -> Error {
    Error::Write { detail: error.into_string() }
}
