//! Records: encodes values as stored bytes with kind, format version and checksum, and decodes them.
//!
//! The envelope is a contract and must never be changed; formats inside it may follow each other, and
//! every one ever written stays readable (`history`, and the fixtures of `tests/formats.rs`):
//!
//! | bytes | what |
//! |---|---|
//! | 0 | `0x4A` |
//! | 1..5 | the low 32 bits of the XXH3-64 of everything behind them, little-endian |
//! | 5 | the [`RecordKind`] |
//! | 6 | the version of the kind's format |
//! | 7.. | the payload: bincode 2, little-endian, variable-length integers |
//!
//! This is the only place that names bincode.

mod history;

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use twox_hash::XxHash3_64;

use crate::config::limits;

const MAGIC: u8 = 0x4A;
/// The start of the bytes that the checksum covers.
const CHECKED_FROM: usize = 5;

/// bincode counts a number by its size in memory, which is at most 16 times its size in a record: so a
/// record within the limit can always be decoded, and a hostile length is rejected.
const DECODED_BYTES: usize = 16 * limits::RECORD_BYTES;
const FORMAT: Configuration<LittleEndian, Varint, Limit<DECODED_BYTES>> =
    bincode::config::standard().with_limit::<DECODED_BYTES>();

/// The kind of a record. Its number is stored and must never be changed or reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
#[repr(u8)]
pub enum RecordKind {
    /// The state of one twin.
    Twin = 1,
    /// A block of a twin's timeline.
    #[strum(to_string = "timeline block")]
    Block = 2,
    /// One durable timer; its key contains everything.
    Timer = 3,
    /// One output that waits for the broker's confirmation.
    Output = 4,
    /// One input that did not come from the stream.
    #[strum(to_string = "journalled input")]
    Input = 5,
    /// One number that a partition or the store keeps for itself.
    Number = 6,
    /// One active broadcast.
    Broadcast = 7,
    /// The position of a scan over a partition's twins.
    Scan = 8,
    /// One row of an index of twins; its key contains everything.
    Index = 9,
    /// One decision of a twin.
    Decision = 10,
    /// One observation that has not been learned from yet.
    Observation = 11,
    /// The learned weights of one level of arms.
    Weights = 12,
    /// The results of one arm of an experiment.
    #[strum(to_string = "result of an experiment")]
    Result = 13,
    /// Training history, to rebuild a model version.
    Lesson = 14,
    /// The position from which a partition used a model version.
    Mark = 15,
    /// The erasure of a customer.
    Tombstone = 16,
    /// The progress of an erasure, or an event of an erased customer to delete from the stream.
    Erasure = 17,
    /// The open escalations of one twin.
    #[strum(to_string = "open escalations")]
    Waiting = 18,
    /// One commit in the commit log.
    Commit = 19,
}

impl RecordKind {
    /// The kind's name, for people.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The version of this kind's current format.
    ///
    /// A change of the stored type needs a new version here, a conversion in `history`, and a fixture of
    /// the format that it replaces.
    pub const fn version(self) -> u8 {
        match self {
            RecordKind::Block
            | RecordKind::Timer
            | RecordKind::Output
            | RecordKind::Input
            | RecordKind::Number
            | RecordKind::Broadcast
            | RecordKind::Scan
            | RecordKind::Index
            | RecordKind::Observation
            | RecordKind::Result
            | RecordKind::Lesson
            | RecordKind::Mark
            | RecordKind::Erasure
            | RecordKind::Waiting
            | RecordKind::Commit => 1,
            RecordKind::Decision | RecordKind::Weights => 2,
            RecordKind::Twin | RecordKind::Tombstone => 3,
        }
    }
}

/// Why a record could not be encoded or decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are not a record of jumeau, or only the beginning of one.
    #[error(
        "expected a {kind} record, found {found} bytes that are not a record; restore the store \
         from a backup"
    )]
    NoRecord {
        /// The expected kind.
        kind: RecordKind,
        /// The number of bytes.
        found: usize,
    },
    /// The bytes were changed after they were written.
    #[error(
        "expected a {kind} record with checksum {expected:08x}, found {found:08x}: the record is \
         corrupt; check the disk and restore the store from a backup"
    )]
    Damaged {
        /// The expected kind.
        kind: RecordKind,
        /// The checksum in the record.
        expected: u32,
        /// The checksum of the content.
        found: u32,
    },
    /// The record is intact but of another kind.
    #[error(
        "expected a {kind} record, found an intact record of kind {found}; unless it was copied by \
         hand, this is a bug in jumeau: please report it"
    )]
    OtherKind {
        /// The expected kind.
        kind: RecordKind,
        /// The number of the found kind.
        found: u8,
    },
    /// The record was written by a newer version of jumeau.
    #[error(
        "expected a {kind} record of format {} or older, found format {found}, written by a newer \
         jumeau; upgrade to it", kind.version()
    )]
    Newer {
        /// The expected kind.
        kind: RecordKind,
        /// The found version.
        found: u8,
    },
    /// The record is intact, but does not match its format.
    #[error(
        "expected a {kind} record of format {version}, found an intact record of another shape: \
         {detail}; this is a bug in jumeau: please report it"
    )]
    Malformed {
        /// The expected kind.
        kind: RecordKind,
        /// The version of its format.
        version: u8,
        /// The mismatch.
        detail: String,
    },
    /// The value cannot be encoded.
    #[error(
        "expected a {kind} record of at most {} bytes that serde can write, found {detail}",
        limits::RECORD_BYTES
    )]
    Unwritable {
        /// The kind.
        kind: RecordKind,
        /// The reason.
        detail: String,
    },
}

/// Encodes `record` and appends it to `into`.
///
/// # Errors
/// [`Error::Unwritable`] if the record is larger than [`limits::RECORD_BYTES`] or its type cannot be
/// encoded; `into` is then unchanged.
pub fn encode<T: Serialize + ?Sized>(
    kind: RecordKind,
    record: &T,
    into: &mut Vec<u8>,
) -> Result<(), Error> {
    let start = into.len();
    into.extend_from_slice(&[MAGIC, 0, 0, 0, 0, kind as u8, kind.version()]);
    let written = bincode::serde::encode_into_writer(record, Appending(into), FORMAT);
    let encoded = &mut into[start..];
    let detail = match written {
        Err(error) => error.to_string(),
        Ok(()) if encoded.len() > limits::RECORD_BYTES => format!("{} bytes", encoded.len()),
        Ok(()) => {
            write_checksum(encoded);
            return Ok(());
        }
    };
    into.truncate(start);
    Err(Error::Unwritable { kind, detail })
}

/// Appends a record to `into` whose payload are these bytes, in the format of its kind, of any size.
pub(crate) fn encode_bytes(kind: RecordKind, payload: &[&[u8]], into: &mut Vec<u8>) {
    let start = into.len();
    into.extend_from_slice(&[MAGIC, 0, 0, 0, 0, kind as u8, kind.version()]);
    payload.iter().for_each(|part| into.extend_from_slice(part));
    write_checksum(&mut into[start..]);
}

/// The format version and the payload of such a record.
///
/// # Errors
/// As [`check`].
pub(crate) fn decode_bytes(kind: RecordKind, bytes: &[u8]) -> Result<(u8, &[u8]), Error> {
    split_record(kind, bytes)
}

/// A record that is intact, but does not match its format.
pub(crate) fn malformed(kind: RecordKind, version: u8, detail: impl Into<String>) -> Error {
    Error::Malformed { kind, version, detail: detail.into() }
}

/// Decodes a record in this or any older format; `bytes` must be exactly one record.
///
/// # Errors
/// Every [`Error`] except [`Error::Unwritable`].
pub fn decode<T: DeserializeOwned>(kind: RecordKind, bytes: &[u8]) -> Result<T, Error> {
    let (version, payload) = split_record(kind, bytes)?;
    let payload = history::upgrade(kind, version, payload)?;
    read_payload(kind, version, &payload)
}

/// Checks that `bytes` are an intact record of this kind in a known format, without decoding the payload.
///
/// # Errors
/// As [`decode`], except [`Error::Malformed`].
pub fn check(kind: RecordKind, bytes: &[u8]) -> Result<(), Error> {
    split_record(kind, bytes).map(|_| ())
}

/// The format version and the payload. The checksum is verified before the content is interpreted, so
/// that a flipped bit is not taken for a newer version.
fn split_record(kind: RecordKind, bytes: &[u8]) -> Result<(u8, &[u8]), Error> {
    let [MAGIC, a, b, c, d, found, version, payload @ ..] = bytes else {
        return Err(Error::NoRecord { kind, found: bytes.len() });
    };
    let expected = u32::from_le_bytes([*a, *b, *c, *d]);
    let checksum = checksum(&bytes[CHECKED_FROM..]);
    if checksum != expected {
        return Err(Error::Damaged { kind, expected, found: checksum });
    }
    if *found != kind as u8 {
        return Err(Error::OtherKind { kind, found: *found });
    }
    if *version > kind.version() {
        return Err(Error::Newer { kind, found: *version });
    }
    Ok((*version, payload))
}

fn read_payload<T: DeserializeOwned>(
    kind: RecordKind,
    version: u8,
    payload: &[u8],
) -> Result<T, Error> {
    let malformed = |detail| Error::Malformed { kind, version, detail };
    let (record, read) = bincode::serde::borrow_decode_from_slice(payload, FORMAT)
        .map_err(|error| malformed(error.to_string()))?;
    if read != payload.len() {
        return Err(malformed(format!("bytes behind its end: {}", payload.len() - read)));
    }
    Ok(record)
}

/// Encodes the payload of a record of an older format.
fn encode_payload<T: Serialize>(kind: RecordKind, record: &T) -> Result<Vec<u8>, Error> {
    let mut payload = Vec::new();
    bincode::serde::encode_into_writer(record, Appending(&mut payload), FORMAT)
        .map_err(|error| Error::Unwritable { kind, detail: error.to_string() })?;
    Ok(payload)
}

fn write_checksum(record: &mut [u8]) {
    let checksum = checksum(&record[CHECKED_FROM..]);
    record[1..CHECKED_FROM].copy_from_slice(&checksum.to_le_bytes());
}

#[expect(clippy::cast_possible_truncation, reason = "the low 32 bits are what is stored")]
fn checksum(bytes: &[u8]) -> u32 {
    XxHash3_64::oneshot(bytes) as u32
}

struct Appending<'a>(&'a mut Vec<u8>);

impl Writer for Appending<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::twin::{Alternative, CandidateVerdict};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    enum Shape {
        Empty,
        Number(i64),
        Text { words: Box<str> },
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Record {
        name: String,
        bytes: Vec<u8>,
        maybe: Option<u64>,
        shapes: Vec<Shape>,
        by_name: BTreeMap<String, f64>,
    }

    fn shape() -> impl Strategy<Value = Shape> {
        prop_oneof![
            Just(Shape::Empty),
            any::<i64>().prop_map(Shape::Number),
            any::<String>().prop_map(|words| Shape::Text { words: words.into() }),
        ]
    }

    prop_compose! {
        fn record()(
            name in any::<String>(),
            bytes in any::<Vec<u8>>(),
            maybe in any::<Option<u64>>(),
            shapes in prop::collection::vec(shape(), 0..8),
            by_name in prop::collection::btree_map(any::<String>(), -1e9..1e9, 0..8),
        ) -> Record {
            Record { name, bytes, maybe, shapes, by_name }
        }
    }

    fn encoded<T: Serialize>(kind: RecordKind, record: &T) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(kind, record, &mut bytes).unwrap();
        bytes
    }

    /// A record with a valid checksum around arbitrary bytes.
    fn forged(kind: u8, version: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![MAGIC, 0, 0, 0, 0, kind, version];
        bytes.extend_from_slice(payload);
        let checksum = checksum(&bytes[CHECKED_FROM..]);
        bytes[1..CHECKED_FROM].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    proptest! {
        #[test]
        fn a_sealed_record_opens_unchanged(record in record(), before in any::<Vec<u8>>()) {
            let mut bytes = before.clone();
            encode(RecordKind::Twin, &record, &mut bytes).unwrap();
            prop_assert_eq!(&bytes[..before.len()], &before[..]);
            prop_assert_eq!(decode::<Record>(RecordKind::Twin, &bytes[before.len()..]), Ok(record));
        }

        #[test]
        fn a_changed_byte_is_refused(
            record in record(), at in any::<prop::sample::Index>(), change in 1u8..,
        ) {
            let mut bytes = encoded(RecordKind::Twin, &record);
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            prop_assert!(decode::<Record>(RecordKind::Twin, &bytes).is_err());
            prop_assert!(check(RecordKind::Twin, &bytes).is_err());
        }

        #[test]
        fn a_truncated_record_is_refused(record in record(), at in any::<prop::sample::Index>()) {
            let bytes = encoded(RecordKind::Twin, &record);
            prop_assert!(decode::<Record>(RecordKind::Twin, &bytes[..at.index(bytes.len())]).is_err());
        }

        #[test]
        fn any_bytes_decode_to_a_record_or_an_error(bytes in any::<Vec<u8>>()) {
            prop_assert!(decode::<Record>(RecordKind::Twin, &bytes).is_err());
            // With a valid checksum, the content is decoded: it must do no harm either.
            let _ = decode::<Record>(RecordKind::Twin, &forged(RecordKind::Twin as u8, 1, &bytes));
        }
    }

    #[test]
    fn a_hostile_length_is_refused() {
        // bincode's marker for a number of 8 bytes, and then a text of that many bytes.
        let endless = [&[0xFD][..], &u64::MAX.to_le_bytes(), b"abc"].concat();
        let refusal = decode::<String>(RecordKind::Block, &forged(2, 1, &endless)).unwrap_err();
        assert!(matches!(refusal, Error::Malformed { .. }), "{refusal}");
        assert!(decode::<Vec<Shape>>(RecordKind::Block, &forged(2, 1, &endless)).is_err());
    }

    #[test]
    fn a_record_that_is_too_large_leaves_the_buffer_unchanged() {
        let mut bytes = b"before".to_vec();
        let refusal =
            encode(RecordKind::Twin, &"a".repeat(limits::RECORD_BYTES), &mut bytes).unwrap_err();
        assert!(matches!(refusal, Error::Unwritable { kind: RecordKind::Twin, .. }));
        assert_eq!(bytes, b"before");
    }

    #[test]
    fn a_record_keeps_the_digits_that_json_rounds_away() {
        let (action, verdict) = ("call".into(), CandidateVerdict::Outscored);
        let exact = Alternative { action, need: None, score: 0.1 + 0.2, verdict };
        let read = decode(RecordKind::Decision, &encoded(RecordKind::Decision, &exact));
        assert_eq!(read, Ok(exact.clone()));
        assert_eq!(serde_json::to_value(exact).unwrap()["score"], 0.3);
    }

    #[test]
    fn the_largest_record_can_be_read_again() {
        // Each number is one byte in the record and counts as eight when it is decoded.
        let numbers = vec![1u64; limits::RECORD_BYTES - 32];
        assert_eq!(
            decode::<Vec<u64>>(RecordKind::Twin, &encoded(RecordKind::Twin, &numbers)),
            Ok(numbers)
        );
    }

    #[test]
    fn the_bytes_of_the_envelope_do_not_change() {
        let bytes = hex::encode(encoded(RecordKind::Number, &300u64));
        insta::assert_snapshot!(bytes, @"4aef0898680601fb2c01");
    }

    #[test]
    fn errors_say_how_to_correct_them() {
        let intact = encoded(RecordKind::Number, &7u64);
        let mut damaged = intact.clone();
        damaged[7] ^= 1;
        let errors = [
            decode::<u64>(RecordKind::Number, b"").unwrap_err(),
            decode::<u64>(RecordKind::Number, b"{\"json\":1}").unwrap_err(),
            decode::<u64>(RecordKind::Number, &damaged).unwrap_err(),
            decode::<u64>(RecordKind::Twin, &intact).unwrap_err(),
            decode::<u64>(RecordKind::Number, &forged(6, 9, &[7])).unwrap_err(),
            decode::<u64>(RecordKind::Number, &forged(6, 0, &[7])).unwrap_err(),
            decode::<u64>(RecordKind::Number, &forged(6, 1, &[7, 7])).unwrap_err(),
            decode::<u64>(RecordKind::Number, &forged(6, 1, &[])).unwrap_err(),
        ];
        let sentences: Vec<String> = errors.iter().map(Error::to_string).collect();
        insta::assert_snapshot!(sentences.join("\n"), @r"
        expected a number record, found 0 bytes that are not a record; restore the store from a backup
        expected a number record, found 10 bytes that are not a record; restore the store from a backup
        expected a number record with checksum e48c03fc, found 84184279: the record is corrupt; check the disk and restore the store from a backup
        expected a twin record, found an intact record of kind 6; unless it was copied by hand, this is a bug in jumeau: please report it
        expected a number record of format 1 or older, found format 9, written by a newer jumeau; upgrade to it
        expected a number record of format 0, found an intact record of another shape: formats of this kind begin with 1 and end with 1; this is a bug in jumeau: please report it
        expected a number record of format 1, found an intact record of another shape: bytes behind its end: 1; this is a bug in jumeau: please report it
        expected a number record of format 1, found an intact record of another shape: UnexpectedEnd { additional: 1 }; this is a bug in jumeau: please report it
        ");
    }
}
