//! Sealed rows of customers, as they are on disk if there are keys: encrypted by XChaCha20-Poly1305
//! (draft-irtf-cfrg-xchacha), so that a disk or a backup does not reveal their content.
//!
//! A sealed row is `0xE5`, the key that sealed it (its name, 16 bytes, and the change that created it, 8
//! bytes), the low 32 bits of the XXH3-64 of these, a nonce (24 bytes), and the ciphertext with its tag
//! (16 bytes). The table and the row's key are authenticated with it, so that no row passes for another.
//! Lookup data stays in clear: customers' identifiers in the keys of rows, in erasures in progress and in
//! scans; times and names of timers; and in indexes hashes of values. So does what concerns no single
//! customer: broadcasts, models and training history, results of experiments, and the metadata of
//! partitions.

use std::borrow::Cow;

use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead as _, Payload};

use twox_hash::XxHash3_64;

use super::vault::{KeyChange, KeyName, KeyVault, NONCE_BYTES};
use crate::codec::{self, RecordKind};
use crate::event::{Customer, Output};
use crate::models::Exposure;
use crate::tables::{Error, Table, keys};

/// The first byte of a sealed row; no record begins with it.
const MAGIC: u8 = 0xE5;

/// The customer of rows that belong to none: no customer's identifier is empty.
const NOBODY: &str = "";

/// Whether rows of this table are sealed.
const fn is_sealed(table: Table) -> bool {
    match table {
        Table::Twins
        | Table::Timeline
        | Table::Decisions
        | Table::Journal
        | Table::Waiting
        | Table::Outbox
        | Table::Observations => true,
        Table::Timers
        | Table::Broadcasts
        | Table::Scans
        | Table::Index
        | Table::Learned
        | Table::Lessons
        | Table::Marks
        | Table::Results
        | Table::Tombstones
        | Table::Erasures
        | Table::Meta => false,
    }
}

/// The tables whose rows are sealed.
pub(super) fn tables() -> impl Iterator<Item = Table> {
    Table::ALL.iter().copied().filter(|table| is_sealed(*table))
}

/// The customer whose key seals a row.
fn owner(table: Table, key: &[u8], value: &[u8]) -> Option<Customer> {
    match table {
        Table::Outbox => {
            let output: Output = codec::decode(RecordKind::Output, value).ok()?;
            output.about()
        }
        Table::Observations => {
            let (_, _, whose): (Exposure, bool, Customer) =
                codec::decode(RecordKind::Observation, value).ok()?;
            Some(whose)
        }
        _ => keys::read_twin(key).map(|(customer, _)| customer),
    }
}

impl KeyChange<'_> {
    /// Appends the value of a row as it is to be written to `into`; appends nothing if the value is
    /// written as it is.
    ///
    /// # Errors
    /// As [`KeyChange::key`].
    pub(super) fn seal(
        &mut self,
        vault: &KeyVault,
        (table, key, value): (Table, &[u8], &[u8]),
        into: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        if !is_sealed(table) {
            return Ok(false);
        }
        let owner = owner(table, key, value);
        let name = vault.name(owner.as_ref().map_or(NOBODY, Customer::as_str));
        let nonce = self.nonce();
        let aad = authenticated(table, key);
        let (made, cipher) = self.key(&name)?;
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: value, aad: &aad })
            .map_err(|_| Error::Write { detail: "a row that cannot be sealed".into() })?;
        into.push(MAGIC);
        let which = key_id(&name, made);
        into.extend_from_slice(&which);
        into.extend_from_slice(&checksum(&which));
        into.extend_from_slice(&nonce);
        into.extend_from_slice(&sealed);
        Ok(true)
    }
}

impl KeyVault {
    /// The decrypted value of a row; none if its key is destroyed, because then the row no longer counts.
    /// A damaged one is returned as it is, which is no valid record.
    ///
    /// # Errors
    /// As [`KeyVault::find`].
    pub(super) fn open_row<'a>(
        &self,
        table: Table,
        key: &[u8],
        found: &'a [u8],
    ) -> Result<Option<Cow<'a, [u8]>>, Error> {
        if !is_sealed(table) {
            return Ok(Some(Cow::Borrowed(found)));
        }
        let Some(row) = Row::read(found) else {
            // A record in clear does not belong here, and must not pass for one of ours.
            return Ok(Some(Cow::Borrowed(&[])));
        };
        let keys = self.find(&row.name)?;
        let Some(cipher) = keys.as_ref().and_then(|keys| keys.made_by(row.made)) else {
            return Ok(None);
        };
        let aad = authenticated(table, key);
        let opened = cipher.decrypt(&row.nonce, Payload { msg: row.sealed, aad: &aad });
        Ok(Some(opened.map_or(Cow::Borrowed(found), Cow::Owned)))
    }

    /// Whether the key of a sealed row is destroyed.
    ///
    /// # Errors
    /// As [`KeyVault::find`].
    pub(super) fn is_gone(&self, found: &[u8]) -> Result<bool, Error> {
        let Some(row) = Row::read(found) else { return Ok(false) };
        let keys = self.find(&row.name)?;
        Ok(keys.as_ref().and_then(|keys| keys.made_by(row.made)).is_none())
    }
}

/// The parts of a sealed row.
struct Row<'a> {
    name: KeyName,
    made: u64,
    nonce: XNonce,
    sealed: &'a [u8],
}

impl Row<'_> {
    fn read(found: &[u8]) -> Option<Row<'_>> {
        let [MAGIC, rest @ ..] = found else { return None };
        let (which, rest) = rest.split_first_chunk::<WHICH_BYTES>()?;
        let (check, rest) = rest.split_first_chunk()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let (name, made) = which.split_first_chunk()?;
        let made = u64::from_le_bytes(made.try_into().ok()?);
        let nonce = XNonce::from(*nonce);
        (checksum(which) == *check).then_some(Row { name: *name, made, nonce, sealed })
    }
}

const WHICH_BYTES: usize = size_of::<KeyName>() + size_of::<u64>();

/// The identification of the key that sealed a row.
fn key_id(name: &KeyName, made: u64) -> [u8; WHICH_BYTES] {
    let mut which = [0; WHICH_BYTES];
    which[..size_of::<KeyName>()].copy_from_slice(name);
    which[size_of::<KeyName>()..].copy_from_slice(&made.to_le_bytes());
    which
}

/// A checksum, so that a damaged row is not taken for one whose key is destroyed.
fn checksum(which: &[u8; WHICH_BYTES]) -> [u8; 4] {
    let [a, b, c, d, ..] = XxHash3_64::oneshot(which).to_le_bytes();
    [a, b, c, d]
}

fn authenticated(table: Table, key: &[u8]) -> Vec<u8> {
    [table.name().as_bytes(), &[0], key].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::vault::Access;
    use super::*;

    fn vault(folder: &std::path::Path) -> KeyVault {
        let key = folder.join("master");
        std::fs::write(&key, "7".repeat(64)).unwrap();
        KeyVault::open(&folder.join("keys"), key.to_str().unwrap(), Access::Make).unwrap()
    }

    fn row(customer: &str) -> Vec<u8> {
        let mut key = Vec::new();
        keys::twin(&mut key, 1, &Customer::new(customer).unwrap());
        key
    }

    fn seal(vault: &KeyVault, key: &[u8], value: &[u8]) -> Vec<u8> {
        let (mut change, mut sealed) = (vault.change().unwrap(), Vec::new());
        assert!(change.seal(vault, (Table::Twins, key, value), &mut sealed).unwrap());
        change.keep().unwrap();
        sealed
    }

    #[test]
    fn a_change_of_any_bit_of_a_sealed_row_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(folder.path());
        let (key, value) = (row("ada"), b"what ada said".to_vec());
        let sealed = seal(&vault, &key, &value);
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let opened = vault.open_row(Table::Twins, &key, &damaged).unwrap();
            let opened = opened.expect("it is damaged, and not gone");
            assert!(codec::check(RecordKind::Twin, &opened).is_err());
            assert_ne!(*opened, *value, "bit {bit}");
            assert!(!vault.is_gone(&damaged).unwrap(), "bit {bit}");
        }
    }

    #[test]
    fn no_row_is_accepted_for_another_and_no_plain_row_for_a_sealed_one() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(folder.path());
        let (ada, bob) = (row("ada"), row("bob"));
        let sealed = seal(&vault, &ada, b"what ada said");
        let open = |table, key: &[u8]| vault.open_row(table, key, &sealed).unwrap().unwrap();
        assert_eq!(&*open(Table::Twins, &ada), b"what ada said");
        assert_ne!(&*open(Table::Twins, &bob), b"what ada said");
        assert_ne!(&*open(Table::Waiting, &ada), b"what ada said");
        let clear = vault.open_row(Table::Twins, &ada, b"what somebody wrote there").unwrap();
        assert_eq!(clear.as_deref(), Some(&[][..]));
    }

    proptest! {
        #[test]
        fn sealed_rows_can_be_opened_and_differ_each_time(
            value in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let vault = vault(folder.path());
            let key = row("ada");
            let [one, two] = [(); 2].map(|()| seal(&vault, &key, &value));
            prop_assert_ne!(&one, &two);
            for sealed in [one, two] {
                let opened = vault.open_row(Table::Twins, &key, &sealed).unwrap();
                prop_assert_eq!(opened.as_deref(), Some(&*value));
            }
        }
    }
}
