//! The customers' keys: one for each, wrapped by the master key, in a database beside the store.
//!
//! They are in no backup of the store. Beside backups there is one copy of the keys for all of them,
//! always the newest; so a key that goes, goes for every backup that was made before, too.
//!
//! A key is made before what it seals is committed, and taken out of use before its customer's rows
//! are deleted: whatever a crash leaves, the keys are ahead of the store, and both count how far they
//! are. What only the keys have come to is undone at the next start.

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

/// What a customer's key is found by: a keyed hash, so that the keys name nobody.
pub(super) type KeyName = [u8; 16];

pub(super) const NONCE_BYTES: usize = 24;
const KEY_BYTES: usize = 32;
/// A nonce, a key, and the tag that tells whether it was unwrapped by the right one.
const WRAPPED_BYTES: usize = NONCE_BYTES + KEY_BYTES + 16;

/// The row of the key that names are made with, wrapped like any: by it a master key proves right. No
/// name is as short.
const NAMING: &[u8] = b"naming";
/// The row of how far the keys are: the number of the last change.
const NUMBER: &[u8] = b"number";

/// The folder beside backups where the keys of all of them are.
const COPY: &str = "customers-keys";

/// Endings of names that folders have for a moment only: of a copy that is being made or replaced,
/// and of one that is being restored.
pub(super) const PASSING: [&str; 4] = ["next", "last", "restoring", "tmp"];

/// Whether a folder of this name is no backup, and may be replaced at any time: the copy of the keys,
/// or one that is there for a moment only.
pub fn is_reserved(name: &str) -> bool {
    let (stem, ending) = name.split_once('.').unwrap_or((name, ""));
    let is_passing = name.rsplit('.').next().is_some_and(|last| PASSING.contains(&last));
    // File systems that mind no capitals take these for one.
    stem.eq_ignore_ascii_case(COPY) || (!ending.is_empty() && is_passing)
}

/// The customers' keys of a store.
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
    keys: LruCache<KeyName, Keys>,
    /// How often keys that there were have changed: what was read before that is not kept.
    changes: u64,
}

/// Whether a database of keys may be made or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// There may be none yet.
    Make,
    /// There is one; what the store has not come to is undone.
    Change {
        /// The last change that the store knows of.
        upto: u64,
    },
    /// There is one, and it stays as it is.
    Look {
        /// The last change that the store knows of.
        upto: u64,
    },
}

/// The keys of one customer, mostly one: the last seals, unless it was taken out of use.
#[derive(Clone, Default)]
pub(super) struct Keys(SmallVec<[Entry; 1]>);

#[derive(Clone)]
enum Entry {
    /// A key, and the number of the change that made it.
    Key(u64, Cipher, [u8; WRAPPED_BYTES]),
    /// Those before it were taken out of use by the change of this number.
    Retired(u64),
}

impl Keys {
    /// What seals now, if anything does, and the number of the change that made it.
    fn current(&self) -> Option<(u64, &Cipher)> {
        match self.0.last() {
            Some(Entry::Key(made, cipher, _)) => Some((*made, cipher)),
            Some(Entry::Retired(_)) | None => None,
        }
    }

    /// The key that the change of this number made.
    pub(super) fn made_by(&self, number: u64) -> Option<&Cipher> {
        self.0.iter().rev().find_map(|entry| match entry {
            Entry::Key(made, cipher, _) if *made == number => Some(cipher),
            Entry::Key(..) | Entry::Retired(_) => None,
        })
    }

    /// Without those that are out of use, and how many these were.
    fn in_use(&self) -> (Keys, u64) {
        let last = self.0.iter().rposition(|entry| matches!(entry, Entry::Retired(_)));
        let (old, new) = self.0.split_at(last.map_or(0, |last| last + 1));
        let gone = old.iter().filter(|entry| matches!(entry, Entry::Key(..))).count();
        (Keys(new.iter().cloned().collect()), gone as u64)
    }

    fn write(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(self.0.len() * (1 + size_of::<u64>() + WRAPPED_BYTES));
        for entry in &self.0 {
            match entry {
                Entry::Key(made, _, wrapped) => {
                    value.push(1);
                    value.extend_from_slice(&made.to_be_bytes());
                    value.extend_from_slice(wrapped);
                }
                Entry::Retired(number) => {
                    value.push(0);
                    value.extend_from_slice(&number.to_be_bytes());
                }
            }
        }
        value
    }

    fn read(master: &Cipher, name: &[u8], mut value: &[u8]) -> Option<Keys> {
        let mut keys = Keys::default();
        while let Some((tag, rest)) = value.split_first() {
            let (number, rest) = rest.split_first_chunk()?;
            let number = u64::from_be_bytes(*number);
            value = if *tag == 1 {
                let (wrapped, rest) = rest.split_first_chunk()?;
                keys.0.push(Entry::Key(number, unwrap(master, name, wrapped)?, *wrapped));
                rest
            } else {
                keys.0.push(Entry::Retired(number));
                rest
            };
        }
        Some(keys)
    }
}

/// Keys that one commit changes, and that are durable before it.
pub(super) struct KeyChange<'a> {
    vault: &'a KeyVault,
    number: MutexGuard<'a, u64>,
    changed: hashbrown::HashMap<KeyName, Keys>,
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

    /// Opens the keys in a folder by the master key that a setting names.
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
                "another in {}, by which those in {} cannot be opened",
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
            return Err(refused(format!("those of an earlier time: {number} changes, not {upto}")));
        }
        if let Access::Change { upto } = access
            && number > upto
        {
            vault.undo(upto)?;
        }
        Ok(vault)
    }

    /// The name of a customer's key; nobody's in particular has one, too.
    pub(super) fn name(&self, customer: &str) -> KeyName {
        let mut hash = self.naming.clone();
        hash.update(customer.as_bytes());
        let whole: [u8; 32] = hash.finalize().into_bytes().into();
        let mut half = [0; 16];
        half.copy_from_slice(&whole[..16]);
        half
    }

    /// The secret of the store that these keys seal: what is signed and hashed with it cannot be made
    /// by whoever has a copy of the store, or of the keys, and not the master key.
    pub(super) fn secret(&self) -> [u8; 32] {
        let mut hash = self.naming.clone();
        // No customer's identifier begins with this byte, so it is no customer's name.
        hash.update(b"\xffthe secret of the store");
        hash.finalize().into_bytes().into()
    }

    /// The keys of this name, as they are known.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Keys`].
    pub(super) fn find(&self, name: &KeyName) -> Result<Option<Keys>, Error> {
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

    /// The keys that one commit needs. Nobody else changes any until it is done.
    ///
    /// # Errors
    /// [`Error::Write`] if the system has no random numbers.
    pub(super) fn change(&self) -> Result<KeyChange<'_>, Error> {
        let nonce = XNonce::try_generate().map_err(|error| no_chance(&error))?;
        let (number, changed) = (self.turn.lock(), hashbrown::HashMap::new());
        Ok(KeyChange { vault: self, number, changed, nonce: nonce.into() })
    }

    /// How many keys of a customer are out of use, and wait to be forgotten.
    ///
    /// # Errors
    /// As [`KeyVault::find`].
    pub(super) fn retired(&self, customer: &str) -> Result<u64, Error> {
        Ok(self.find(&self.name(customer))?.map_or(0, |keys| keys.in_use().1))
    }

    /// Destroys the keys of a customer that are out of use, here and beside the backups of this
    /// folder: nothing that they sealed can be read again.
    ///
    /// # Errors
    /// [`Error::Write`], or [`Error::Backup`]; done once more, it is done.
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
        // What is deleted is at first only covered by a mark.
        self.rewrite(Some(&name))?;
        let copy = backups.join(COPY);
        if copy.exists() { self.back_up(&copy) } else { Ok(()) }
    }

    /// A copy of the keys beside a backup, in place of the one that was there.
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

    /// Wraps every key by another master key, also in the copy beside backups; returns how many.
    ///
    /// # Errors
    /// [`Error::MasterKey`] if the new one is none; [`Error::Write`]. All are as they were then.
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
                        if let Entry::Key(_, _, wrapped) = entry {
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

    /// What was taken out of use by commits that never came to be is in use again.
    fn undo(&self, upto: u64) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        for row in self.rows.iterator(IteratorMode::Start) {
            let (name, value) = row.map_err(|error| read_error(&error))?;
            if name.len() != size_of::<KeyName>() {
                continue;
            }
            let mut keys = self.read(&name, &value)?;
            let before = keys.0.len();
            keys.0.retain(|entry| !matches!(entry, Entry::Retired(number) if *number > upto));
            if keys.0.len() < before {
                batch.put(&name, keys.write());
            }
        }
        if batch.is_empty() { Ok(()) } else { self.write(batch) }
    }

    fn read(&self, name: &[u8], value: &[u8]) -> Result<Keys, Error> {
        Keys::read(&self.master, name, value).ok_or_else(|| self.damaged())
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

    /// Rewrites the files in which a row may be, or all, so that what was deleted is in none.
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
    /// What seals the rows of this customer from here on, and the number of the change that made it.
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
        keys.0.push(Entry::Key(made, cipher.clone(), wrap(&self.vault.master, name, &fresh)?));
        self.changed.insert(*name, keys);
        Ok((made, cipher))
    }

    /// The customer's rows go with this commit: what comes after it is sealed by another key.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Keys`].
    pub(super) fn retire(&mut self, name: &KeyName) -> Result<(), Error> {
        let mut keys = self.known(name)?;
        if keys.current().is_some() {
            keys.0.push(Entry::Retired(*self.number + 1));
            self.changed.insert(*name, keys);
        }
        Ok(())
    }

    /// A nonce that was never used, and never will be: that of the commit was drawn of 2¹⁹², and
    /// grows from row to row.
    pub(super) fn nonce(&mut self) -> [u8; NONCE_BYTES] {
        for byte in &mut self.nonce {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
        self.nonce
    }

    /// Makes durable what has changed, before the commit; returns the number of the change, which
    /// goes with the commit, if there was any. Others wait until this is dropped.
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
            // Of one key nobody can have read an older row.
            known.changes += u64::from(keys.0.len() > 1);
            known.keys.put(name, keys);
        }
        Ok(Some(*self.number))
    }

    fn known(&self, name: &KeyName) -> Result<Keys, Error> {
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

/// What the names of variables begin with, among names of files.
const VARIABLE: &str = "env:";

/// Where a master key is looked for, for people.
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
