use crate::codec::{self, RecordKind};
use crate::event::Time;
use crate::tables::Batch;

/// No journalled input is among the changes.
const NO_INPUT: i64 = i64::MIN;

/// The bytes before the changes: the time of the newest journalled input, and the size of the changes.
const HEAD_BYTES: usize = 12;

/// A batch as a record of the commit log: the changes as one block of LZ4, in the envelope of the
/// [`codec`](crate::codec). Compression is what makes a commit cheap for the broker, and LZ4 costs least of the
/// service's time.
#[expect(clippy::expect_used, reason = "the message names the invariant")]
pub fn encode(batch: &Batch) -> Vec<u8> {
    let changes = batch.as_bytes();
    let compressed = lz4_flex::block::compress(changes);
    let newest = batch.newest_input().map_or(NO_INPUT, Time::ms).to_le_bytes();
    let size = u32::try_from(changes.len()).expect("a commit is far below 4 GiB").to_le_bytes();
    let mut record = Vec::with_capacity(HEAD_BYTES + 16 + compressed.len());
    codec::encode_bytes(RecordKind::Commit, &[&newest, &size, &compressed], &mut record);
    record
}

/// The batch of a record.
///
/// # Errors
/// As [`codec::decode`].
pub fn decode(record: &[u8]) -> Result<Batch, codec::Error> {
    let (version, payload) = codec::decode_bytes(RecordKind::Commit, record)?;
    let malformed = |detail: &str| codec::malformed(RecordKind::Commit, version, detail);
    let Some((head, compressed)) = payload.split_first_chunk::<HEAD_BYTES>() else {
        return Err(malformed("it ends before its changes"));
    };
    let [n0, n1, n2, n3, n4, n5, n6, n7, s0, s1, s2, s3] = *head;
    let newest = i64::from_le_bytes([n0, n1, n2, n3, n4, n5, n6, n7]);
    let size = u32::from_le_bytes([s0, s1, s2, s3]) as usize;
    // LZ4 shrinks nothing to less than a 255th, so no memory is taken for what cannot be there.
    if size / 256 > compressed.len() {
        return Err(malformed("it states an impossible size"));
    }
    let changes = lz4_flex::block::decompress(compressed, size)
        .map_err(|error| malformed(&error.to_string()))?;
    let newest = Some(newest).filter(|newest| *newest != NO_INPUT).map(Time::from_ms);
    let is_whole = changes.len() == size;
    let batch = Batch::from_bytes(changes, newest).filter(|_| is_whole);
    batch.ok_or_else(|| malformed("its changes are not those of a batch"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::Customer;

    fn batch(rows: &[(u16, Vec<u8>)]) -> Batch {
        let mut batch = Batch::new();
        for (number, value) in rows {
            let customer = Customer::new(&format!("customer-{number}")).unwrap();
            match number % 4 {
                0 => batch.put_twin(3, &customer, value),
                1 => batch.put_input(3, &customer, Time::from_ms(i64::from(*number)), 7, value),
                2 => batch.delete_output(3, u64::from(*number)),
                _ => batch.delete_past(3, &customer),
            }
        }
        batch
    }

    proptest! {
        #[test]
        fn a_batch_is_read_as_it_was_written(
            rows in prop::collection::vec((any::<u16>(), prop::collection::vec(any::<u8>(), 0..300)), 0..20),
        ) {
            let batch = batch(&rows);
            prop_assert_eq!(decode(&encode(&batch)), Ok(batch));
        }

        #[test]
        fn a_damaged_record_is_an_error_and_never_another_batch(
            rows in prop::collection::vec((any::<u16>(), prop::collection::vec(any::<u8>(), 0..50)), 1..5),
            at in any::<prop::sample::Index>(),
            flip in 1..=u8::MAX,
        ) {
            let mut record = encode(&batch(&rows));
            let at = at.index(record.len());
            record[at] ^= flip;
            prop_assert!(decode(&record).is_err());
            record[at] ^= flip;
            record.truncate(at);
            prop_assert!(decode(&record).is_err());
        }

        #[test]
        fn any_changes_within_a_sound_envelope_are_a_batch_or_an_error(
            payload in prop::collection::vec(any::<u8>(), 0..200),
            size in 0..400u32,
        ) {
            for body in [payload.clone(), lz4_flex::block::compress(&payload)] {
                let mut record = Vec::new();
                let parts: [&[u8]; 3] = [&[0; 8], &size.to_le_bytes(), &body];
                codec::encode_bytes(RecordKind::Commit, &parts, &mut record);
                if let Ok(batch) = decode(&record) {
                    prop_assert_eq!(batch.changes().count(), batch.len());
                }
            }
        }
    }

    #[test]
    fn long_repetitions_are_read_as_they_were_written() {
        let batch = batch(&[(0, vec![0; 3 << 20])]);
        let record = encode(&batch);
        assert!(record.len() < 64 << 10, "{}", record.len());
        assert_eq!(decode(&record), Ok(batch));
    }
}
