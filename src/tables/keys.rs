//! The keys of every table. They are stored: a layout **must never be changed**; another need is another
//! table.
//!
//! A partition's rows lie together, and so do a twin's. Numbers are big-endian and times have their sign
//! bit flipped, so that bytes sort as the values do. A customer is its length, one byte, and its bytes:
//! so no twin's key is the beginning of another's.
//!
//! | table | key |
//! |---|---|
//! | `twins` | partition u16 · customer |
//! | `timeline` | partition u16 · customer · slot u16 |
//! | `timers` | partition u16 · due u64 · customer · name |
//! | `outbox` | partition u16 · sequence u64 |
//! | `journal` | partition u16 · customer · at u64 · number u32 |
//! | `broadcasts` | partition u16 · scope |
//! | `sweeps`, waking scan | partition u16 · `0x00` · scope |
//! | `sweeps`, index scan | partition u16 · `0x01` · path |
//! | `index` | partition u16 · hash of the path u64 · hash of the value u64 · customer |
//! | `decisions` | partition u16 · customer · slot u8 |
//! | `observations` | partition u16 · sequence u64 |
//! | `learned` | `0x0000` · level u64 |
//! | `lessons` | `0x0000` · version u64 · number u32 |
//! | `marks` | partition u16 · version u64 |
//! | `results` | partition u16 · length of the experiment u8 · experiment · arm |
//! | `tombstones` | partition u16 · hash of the customer, 16 bytes |
//! | `erasures`, of an identifier | partition u16 · `0x00` · erasure u128 · hash of the customer |
//! | `erasures`, of an event | partition u16 · `0x01` · stream sequence u64 |
//! | `waiting` | partition u16 · customer |
//! | `meta`, of the store | `0x00` · name |
//! | `meta`, of a partition | `0x01` · partition u16 · field u8 |

use serde::{Deserialize, Serialize};

use super::Pseudonym;
use crate::event::{Customer, ErasureId, Time};

/// The key of a timer: its due time, customer and name; sorted as its bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TimerKey {
    /// When it fires.
    pub due: Time,
    /// Its customer.
    pub customer: Customer,
    /// Its name, unique within the twin.
    pub name: Box<str>,
}

impl Ord for TimerKey {
    fn cmp(&self, other: &TimerKey) -> std::cmp::Ordering {
        let order = |key: &TimerKey| (key.due, key.customer.as_str().len());
        order(self)
            .cmp(&order(other))
            .then_with(|| self.customer.cmp(&other.customer))
            .then_with(|| self.name.cmp(&other.name))
    }
}

impl PartialOrd for TimerKey {
    fn partial_cmp(&self, other: &TimerKey) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The purpose of a scan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScanKey {
    /// Wakes the twins that match the broadcast of this scope.
    Wake(Box<str>),
    /// Builds the index of this path.
    Index(Box<str>),
    /// Of no purpose any more: the broadcast of this id ended at this time.
    Ended(Time, u64),
}

/// A row of an index: twins that have one value at one path.
///
/// Path and value are hashes, XXH3-64, so that keys are short. A hash collision only costs one check of a
/// twin that does not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IndexKey {
    /// The hash of the path.
    pub path: u64,
    /// The hash of the value.
    pub value: u64,
}

const STORE_WIDE: u8 = 0;
const OF_PARTITION: u8 = 1;

/// A field of a partition's metadata. Its byte is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Field {
    Cursor = 1,
    NextOutput = 2,
    NextInput = 3,
    Clock = 4,
    Version = 6,
    Stored = 7,
    SlowCursor = 8,
    SlowFloor = 9,
    SlowVersion = 10,
    MainFloor = 11,
    /// Followed by the first sequence in the slow lane, and the channel.
    Slowed = 12,
    LogSequence = 13,
    LogEpoch = 14,
}

impl Field {
    pub(crate) const fn from_byte(byte: u8) -> Option<Field> {
        Some(match byte {
            1 => Field::Cursor,
            2 => Field::NextOutput,
            3 => Field::NextInput,
            4 => Field::Clock,
            6 => Field::Version,
            7 => Field::Stored,
            8 => Field::SlowCursor,
            9 => Field::SlowFloor,
            10 => Field::SlowVersion,
            11 => Field::MainFloor,
            12 => Field::Slowed,
            13 => Field::LogSequence,
            14 => Field::LogEpoch,
            _ => return None,
        })
    }
}

pub(crate) fn partition(into: &mut Vec<u8>, partition: u16) {
    into.extend_from_slice(&partition.to_be_bytes());
}

pub(crate) fn twin(into: &mut Vec<u8>, of: u16, customer: &Customer) {
    partition(into, of);
    push_customer(into, customer);
}

pub(crate) fn block(into: &mut Vec<u8>, of: u16, customer: &Customer, slot: u16) {
    twin(into, of, customer);
    into.extend_from_slice(&slot.to_be_bytes());
}

pub(crate) fn decision(into: &mut Vec<u8>, of: u16, customer: &Customer, slot: u8) {
    twin(into, of, customer);
    into.push(slot);
}

pub(crate) fn timer(into: &mut Vec<u8>, of: u16, key: &TimerKey) {
    partition(into, of);
    into.extend_from_slice(&sortable(key.due));
    push_customer(into, &key.customer);
    into.extend_from_slice(key.name.as_bytes());
}

pub(crate) fn output(into: &mut Vec<u8>, of: u16, sequence: u64) {
    partition(into, of);
    into.extend_from_slice(&sequence.to_be_bytes());
}

/// Weights belong to no partition; their rows lie where the first partition's rows would.
pub(crate) fn level(into: &mut Vec<u8>, level: u64) {
    output(into, 0, level);
}

/// Likewise training history.
pub(crate) fn lesson(into: &mut Vec<u8>, version: u64, number: u32) {
    output(into, 0, version);
    into.extend_from_slice(&number.to_be_bytes());
}

pub(crate) fn mark(into: &mut Vec<u8>, of: u16, version: u64) {
    output(into, of, version);
}

pub(crate) fn input(into: &mut Vec<u8>, of: u16, customer: &Customer, at: Time, number: u32) {
    twin(into, of, customer);
    into.extend_from_slice(&sortable(at));
    into.extend_from_slice(&number.to_be_bytes());
}

pub(crate) fn broadcast(into: &mut Vec<u8>, of: u16, scope: &str) {
    partition(into, of);
    into.extend_from_slice(scope.as_bytes());
}

const WAKE: u8 = 0;
const INDEX: u8 = 1;
const ENDED: u8 = 2;

pub(crate) fn scan(into: &mut Vec<u8>, of: u16, key: &ScanKey) {
    partition(into, of);
    let (tag, name) = match key {
        ScanKey::Wake(scope) => (WAKE, scope),
        ScanKey::Index(path) => (INDEX, path),
        ScanKey::Ended(at, id) => {
            into.push(ENDED);
            into.extend_from_slice(&sortable(*at));
            into.extend_from_slice(&id.to_be_bytes());
            return;
        }
    };
    into.push(tag);
    into.extend_from_slice(name.as_bytes());
}

/// The prefix of the rows of one path of an index.
pub(crate) fn index_path(into: &mut Vec<u8>, of: u16, path: u64) {
    partition(into, of);
    into.extend_from_slice(&path.to_be_bytes());
}

/// The prefix of the rows of one value of an index.
pub(crate) fn index_value(into: &mut Vec<u8>, of: u16, key: IndexKey) {
    index_path(into, of, key.path);
    into.extend_from_slice(&key.value.to_be_bytes());
}

pub(crate) fn index(into: &mut Vec<u8>, of: u16, key: IndexKey, customer: &Customer) {
    index_value(into, of, key);
    push_customer(into, customer);
}

pub(crate) fn result(into: &mut Vec<u8>, of: u16, experiment: &str, arm: &str) {
    partition(into, of);
    // A name has at most NAME_BYTES bytes.
    into.push(experiment.len() as u8);
    into.extend_from_slice(experiment.as_bytes());
    into.extend_from_slice(arm.as_bytes());
}

pub(crate) fn tombstone(into: &mut Vec<u8>, of: u16, mark: Pseudonym) {
    partition(into, of);
    into.extend_from_slice(&mark.0);
}

const OF_IDENTIFIER: u8 = 0;
const OF_EVENT: u8 = 1;

pub(crate) fn erasure(into: &mut Vec<u8>, of: u16, id: ErasureId, mark: Pseudonym) {
    partition(into, of);
    into.push(OF_IDENTIFIER);
    into.extend_from_slice(&id.0.to_be_bytes());
    into.extend_from_slice(&mark.0);
}

pub(crate) fn event_of_erased(into: &mut Vec<u8>, of: u16, sequence: u64) {
    partition(into, of);
    into.push(OF_EVENT);
    into.extend_from_slice(&sequence.to_be_bytes());
}

pub(crate) fn field(into: &mut Vec<u8>, of: u16, field: Field) {
    into.push(OF_PARTITION);
    partition(into, of);
    into.push(field as u8);
}

/// The key of the row of a channel in the slow lane.
pub(crate) fn slowed(into: &mut Vec<u8>, of: u16, from: u64, channel: &str) {
    field(into, of, Field::Slowed);
    into.extend_from_slice(&from.to_be_bytes());
    into.extend_from_slice(channel.as_bytes());
}

/// The prefix of the fields of a partition.
pub(crate) fn fields(into: &mut Vec<u8>, of: u16) {
    into.push(OF_PARTITION);
    partition(into, of);
}

pub(crate) fn store_wide(into: &mut Vec<u8>, name: &str) {
    into.push(STORE_WIDE);
    into.extend_from_slice(name.as_bytes());
}

/// The least key after every key that begins with `prefix`.
///
/// None of our prefixes consists of 0xFF only: it begins with a partition, of which there are fewer.
pub(crate) fn behind(prefix: &[u8]) -> Vec<u8> {
    let mut key = prefix.to_vec();
    while let Some(last) = key.pop() {
        if let Some(next) = last.checked_add(1) {
            key.push(next);
            break;
        }
    }
    key
}

/// The partition of a key, in every table but `meta`.
pub(crate) fn read_partition(key: &[u8]) -> Option<u16> {
    key.first_chunk().copied().map(u16::from_be_bytes)
}

/// The partition whose metadata a key is of; none if it is of the store.
pub(crate) fn read_partition_of_meta(key: &[u8]) -> Option<u16> {
    key.strip_prefix(&[OF_PARTITION]).and_then(read_partition)
}

pub(crate) fn read_twin(key: &[u8]) -> Option<(Customer, &[u8])> {
    let (_, rest) = key.split_first_chunk::<2>()?;
    read_customer(rest)
}

pub(crate) fn read_result(key: &[u8]) -> Option<(Box<str>, Box<str>)> {
    let (_, rest) = key.split_first_chunk::<2>()?;
    let (length, rest) = rest.split_first()?;
    let (experiment, arm) = rest.split_at_checked(usize::from(*length))?;
    let text = |bytes| std::str::from_utf8(bytes).ok().map(Into::into);
    Some((text(experiment)?, text(arm)?))
}

pub(crate) fn read_block(key: &[u8]) -> Option<u16> {
    let (_, slot) = read_twin(key)?;
    Some(u16::from_be_bytes(slot.try_into().ok()?))
}

pub(crate) fn read_decision(key: &[u8]) -> Option<u8> {
    match read_twin(key)? {
        (_, [slot]) => Some(*slot),
        _ => None,
    }
}

pub(crate) fn read_timer(key: &[u8]) -> Option<TimerKey> {
    let (_, rest) = key.split_first_chunk::<2>()?;
    let (due, rest) = rest.split_first_chunk()?;
    let (customer, name) = read_customer(rest)?;
    let name = std::str::from_utf8(name).ok()?.into();
    Some(TimerKey { due: moment(*due), customer, name })
}

pub(crate) fn read_output(key: &[u8]) -> Option<u64> {
    let (_, sequence) = key.split_first_chunk::<2>()?;
    Some(u64::from_be_bytes(sequence.try_into().ok()?))
}

pub(crate) fn read_level(key: &[u8]) -> Option<u64> {
    read_output(key)
}

pub(crate) fn read_lesson(key: &[u8]) -> Option<(u64, u32)> {
    let (_, rest) = key.split_first_chunk::<2>()?;
    let (version, number) = rest.split_first_chunk()?;
    Some((u64::from_be_bytes(*version), u32::from_be_bytes(number.try_into().ok()?)))
}

pub(crate) fn read_input(key: &[u8]) -> Option<(Time, u32)> {
    let (_, rest) = read_twin(key)?;
    let (at, number) = rest.split_first_chunk()?;
    Some((moment(*at), u32::from_be_bytes(number.try_into().ok()?)))
}

pub(crate) fn read_broadcast(key: &[u8]) -> Option<&str> {
    let (_, scope) = key.split_first_chunk::<2>()?;
    std::str::from_utf8(scope).ok().filter(|scope| !scope.is_empty())
}

pub(crate) fn read_scan(key: &[u8]) -> Option<ScanKey> {
    let (_, rest) = key.split_first_chunk::<2>()?;
    let (tag, name) = rest.split_first()?;
    if *tag == ENDED {
        let (at, id) = name.split_first_chunk()?;
        return Some(ScanKey::Ended(moment(*at), u64::from_be_bytes(id.try_into().ok()?)));
    }
    let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty())?.into();
    match *tag {
        WAKE => Some(ScanKey::Wake(name)),
        INDEX => Some(ScanKey::Index(name)),
        _ => None,
    }
}

pub(crate) fn read_tombstone(key: &[u8]) -> Option<Pseudonym> {
    let (_, mark) = key.split_first_chunk::<2>()?;
    Some(Pseudonym(mark.try_into().ok()?))
}

/// The content of a row of `erasures`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErasureKey {
    Identifier(ErasureId, Pseudonym),
    Event(u64),
}

pub(crate) fn read_erasure(key: &[u8]) -> Option<ErasureKey> {
    let (_, rest) = key.split_first_chunk::<2>()?;
    match rest {
        [OF_IDENTIFIER, rest @ ..] => {
            let (id, mark) = rest.split_first_chunk()?;
            let id = ErasureId(u128::from_be_bytes(*id));
            Some(ErasureKey::Identifier(id, Pseudonym(mark.try_into().ok()?)))
        }
        [OF_EVENT, rest @ ..] => Some(ErasureKey::Event(u64::from_be_bytes(rest.try_into().ok()?))),
        _ => None,
    }
}

pub(crate) fn read_index(key: &[u8]) -> Option<(IndexKey, Customer)> {
    let (_, rest) = key.split_first_chunk::<2>()?;
    let (path, rest) = rest.split_first_chunk()?;
    let (value, rest) = rest.split_first_chunk()?;
    let (customer, rest) = read_customer(rest)?;
    let key = IndexKey { path: u64::from_be_bytes(*path), value: u64::from_be_bytes(*value) };
    rest.is_empty().then_some((key, customer))
}

/// The field of a partition that a key names, and what follows it; none if only a newer jumeau knows it.
pub(crate) fn read_field(key: &[u8]) -> Option<(Field, &[u8])> {
    let [OF_PARTITION, _, _, field, rest @ ..] = key else { return None };
    Some((Field::from_byte(*field)?, rest))
}

/// Whether a key is one of metadata, of the store or of a partition.
pub(super) fn is_meta(key: &[u8]) -> bool {
    match key {
        [STORE_WIDE, name @ ..] => !name.is_empty(),
        [OF_PARTITION, _, _, field, rest @ ..] if *field == Field::Slowed as u8 => {
            read_slowed(rest).is_some()
        }
        [OF_PARTITION, _, _, _] => true,
        _ => false,
    }
}

/// The sequence from which on a channel is in the slow lane, and the channel.
pub(crate) fn read_slowed(rest: &[u8]) -> Option<(u64, &str)> {
    let (from, channel) = rest.split_first_chunk()?;
    Some((u64::from_be_bytes(*from), std::str::from_utf8(channel).ok()?))
}

fn push_customer(into: &mut Vec<u8>, customer: &Customer) {
    let id = customer.as_str().as_bytes();
    // An identifier is at most `limits::CUSTOMER_BYTES` long, which fits a byte.
    into.push(u8::try_from(id.len()).unwrap_or(u8::MAX));
    into.extend_from_slice(id);
}

fn read_customer(bytes: &[u8]) -> Option<(Customer, &[u8])> {
    let (len, rest) = bytes.split_first()?;
    let (id, rest) = rest.split_at_checked(usize::from(*len))?;
    let customer = Customer::new(std::str::from_utf8(id).ok()?).ok()?;
    Some((customer, rest))
}

fn sortable(moment: Time) -> [u8; 8] {
    (moment.ms() ^ i64::MIN).to_be_bytes()
}

fn moment(bytes: [u8; 8]) -> Time {
    Time::from_ms(i64::from_be_bytes(bytes) ^ i64::MIN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::limits;
    use crate::tables::Table;

    const _: () = assert!(limits::CUSTOMER_BYTES <= u8::MAX as usize);

    fn bytes(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut key = Vec::new();
        write(&mut key);
        key
    }

    fn customer() -> impl Strategy<Value = Customer> {
        "\\PC{1,12}".prop_map(|id| Customer::new(&id).unwrap())
    }

    fn time() -> impl Strategy<Value = Time> {
        prop_oneof![
            any::<i64>().prop_map(Time::from_ms),
            (-3i64..3).prop_map(Time::from_ms),
            Just(Time::MIN),
            Just(Time::MAX),
        ]
    }

    prop_compose! {
        fn timer_key()(due in time(), customer in customer(), name in "\\PC{0,6}") -> TimerKey {
            TimerKey { due, customer, name: name.into() }
        }
    }

    proptest! {
        #[test]
        fn an_encoded_key_decodes_to_the_same_key(
            partition: u16, customer in customer(), slot: u16, at in time(), number: u32,
            sequence: u64, timer_key in timer_key(),
        ) {
            let key = bytes(|into| twin(into, partition, &customer));
            prop_assert_eq!(read_twin(&key), Some((customer.clone(), &[][..])));
            prop_assert!(Table::Twins.understands(&key));
            let key = bytes(|into| block(into, partition, &customer, slot));
            prop_assert_eq!(read_block(&key), Some(slot));
            prop_assert!(Table::Timeline.understands(&key) && !Table::Twins.understands(&key));
            let key = bytes(|into| decision(into, partition, &customer, slot as u8));
            prop_assert_eq!(read_decision(&key), Some(slot as u8));
            let key = bytes(|into| timer(into, partition, &timer_key));
            prop_assert_eq!(read_timer(&key), Some(timer_key));
            let key = bytes(|into| output(into, partition, sequence));
            prop_assert_eq!(read_output(&key), Some(sequence));
            let key = bytes(|into| lesson(into, sequence, number));
            prop_assert_eq!(read_lesson(&key), Some((sequence, number)));
            let key = bytes(|into| input(into, partition, &customer, at, number));
            prop_assert_eq!(read_input(&key), Some((at, number)));
            let row = IndexKey { path: sequence, value: u64::from(number) };
            let key = bytes(|into| index(into, partition, row, &customer));
            prop_assert_eq!(read_index(&key), Some((row, customer.clone())));
            let (id, mark) = (ErasureId(u128::from(sequence)), Pseudonym([number as u8; 16]));
            let key = bytes(|into| tombstone(into, partition, mark));
            prop_assert_eq!(read_tombstone(&key), Some(mark));
            let key = bytes(|into| erasure(into, partition, id, mark));
            prop_assert_eq!(read_erasure(&key), Some(ErasureKey::Identifier(id, mark)));
            let key = bytes(|into| slowed(into, partition, sequence, "shop"));
            let (found, rest) = read_field(&key).unwrap();
            prop_assert_eq!((found, read_slowed(rest)), (Field::Slowed, Some((sequence, "shop"))));
            prop_assert!(Table::Meta.understands(&key));
            let key = bytes(|into| event_of_erased(into, partition, sequence));
            prop_assert_eq!(read_erasure(&key), Some(ErasureKey::Event(sequence)));
            let name: Box<str> = customer.as_str().into();
            let key = bytes(|into| broadcast(into, partition, &name));
            prop_assert_eq!(read_broadcast(&key), Some(&*name));
            let over = ScanKey::Ended(Time::from_ms(i64::from(number)), sequence);
            for what in [ScanKey::Wake(name.clone()), ScanKey::Index(name.clone()), over] {
                let key = bytes(|into| scan(into, partition, &what));
                prop_assert_eq!(read_scan(&key), Some(what));
            }
        }

        #[test]
        fn timers_sort_as_their_key_bytes(
            left in timer_key(), right in timer_key(), left_of in 0u16..2, right_of in 0u16..2,
        ) {
            let by_key = bytes(|into| timer(into, left_of, &left))
                .cmp(&bytes(|into| timer(into, right_of, &right)));
            prop_assert_eq!(by_key, (left_of, left).cmp(&(right_of, right)));
        }

        #[test]
        fn outputs_sort_by_their_sequence(of: u16, left: u64, right: u64) {
            let by_key = bytes(|into| output(into, of, left))
                .cmp(&bytes(|into| output(into, of, right)));
            prop_assert_eq!(by_key, left.cmp(&right));
        }

        #[test]
        fn journalled_inputs_sort_by_their_time(
            of: u16, customer in customer(), left in time(), right in time(), n: u32, m: u32,
        ) {
            let by_key = bytes(|into| input(into, of, &customer, left, n))
                .cmp(&bytes(|into| input(into, of, &customer, right, m)));
            prop_assert_eq!(by_key, (left, n).cmp(&(right, m)));
        }

        #[test]
        fn no_twins_keys_lie_within_another_twins_range(of: u16, left in customer(), right in customer()) {
            prop_assume!(left != right);
            let (left, right) =
                (bytes(|into| twin(into, of, &left)), bytes(|into| twin(into, of, &right)));
            prop_assert!(!left.starts_with(&right));
            prop_assert!(behind(&left) <= right || behind(&right) <= left);
        }

        #[test]
        fn the_end_of_a_prefix_is_after_all_keys_with_that_prefix(
            of: u16, customer in customer(), rest: Vec<u8>, other: Vec<u8>,
        ) {
            let prefix = bytes(|into| twin(into, of, &customer));
            let end = behind(&prefix);
            prop_assert!([&prefix[..], &rest].concat() < end);
            prop_assert!(other < prefix || other.starts_with(&prefix) || other >= end);
        }

        #[test]
        fn any_bytes_decode_to_a_key_or_none(key: Vec<u8>) {
            for &table in Table::ALL {
                let _ = table.understands(&key);
            }
        }
    }

    #[test]
    fn the_bytes_of_keys_do_not_change() {
        let ada = Customer::new("ada").unwrap();
        let due = Time::from_ms(1);
        let keys = [
            bytes(|into| twin(into, 258, &ada)),
            bytes(|into| block(into, 258, &ada, 3)),
            bytes(|into| {
                timer(into, 258, &TimerKey { due, customer: ada.clone(), name: "form".into() });
            }),
            bytes(|into| output(into, 258, 4)),
            bytes(|into| input(into, 258, &ada, Time::from_ms(-1), 5)),
            bytes(|into| broadcast(into, 258, "fires")),
            bytes(|into| scan(into, 258, &ScanKey::Wake("fires".into()))),
            bytes(|into| scan(into, 258, &ScanKey::Index("profile.region".into()))),
            bytes(|into| scan(into, 258, &ScanKey::Ended(due, 11))),
            bytes(|into| index(into, 258, IndexKey { path: 6, value: 7 }, &ada)),
            bytes(|into| decision(into, 258, &ada, 7)),
            bytes(|into| lesson(into, 4, 5)),
            bytes(|into| mark(into, 258, 4)),
            bytes(|into| tombstone(into, 258, Pseudonym([8; 16]))),
            bytes(|into| erasure(into, 258, ErasureId(9), Pseudonym([8; 16]))),
            bytes(|into| event_of_erased(into, 258, 10)),
            bytes(|into| field(into, 258, Field::Cursor)),
            bytes(|into| store_wide(into, "format")),
        ];
        let keys: Vec<String> = keys.iter().map(hex::encode).collect();
        insta::assert_snapshot!(keys.join("\n"), @r"
        010203616461
        0102036164610003
        0102800000000000000103616461666f726d
        01020000000000000004
        0102036164617fffffffffffffff00000005
        01026669726573
        0102006669726573
        01020170726f66696c652e726567696f6e
        0102028000000000000001000000000000000b
        01020000000000000006000000000000000703616461
        01020361646107
        0000000000000000000400000005
        01020000000000000004
        010208080808080808080808080808080808
        0102000000000000000000000000000000000908080808080808080808080808080808
        010201000000000000000a
        01010201
        00666f726d6174
        ");
    }
}
