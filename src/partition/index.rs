//! Index rows of a twin: hashes of its values at the indexed paths.
//!
//! A row means that the twin may have the value: hash collisions give false positives, never false
//! negatives, so the condition is evaluated for every twin found.

use smallvec::SmallVec;
use twox_hash::XxHash3_64;

use crate::event::Value;
use crate::policy::{Path, Policy};
use crate::tables::IndexKey;
use crate::twin::Twin;

/// An index row to add or delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexChange {
    /// The key of the row.
    pub(super) key: IndexKey,
    /// Whether the row is added.
    pub(super) is_there: bool,
}

/// The hashes of a twin's values, in the order of [`Policy::indexed`].
pub(super) type IndexedHashes = SmallVec<[Option<u64>; 2]>;

/// The indexed hashes of a twin.
pub(super) fn hashes_of(twin: &Twin, policy: &Policy) -> IndexedHashes {
    policy.indexed.iter().map(|path| twin.indexed(path).and_then(hash_of_value)).collect()
}

/// The index rows of a twin.
pub fn rows_of(twin: &Twin, policy: &Policy) -> Vec<IndexKey> {
    let changes = changes(&IndexedHashes::new(), twin, policy);
    changes.into_iter().map(|change| change.key).collect()
}

/// The index rows to add and delete since the twin had the hashes `before`.
pub(super) fn changes(before: &IndexedHashes, twin: &Twin, policy: &Policy) -> Vec<IndexChange> {
    let mut changes = Vec::new();
    for (at, path) in policy.indexed.iter().enumerate() {
        let before = before.get(at).copied().flatten();
        let now = twin.indexed(path).and_then(hash_of_value);
        if before != now {
            let path = hash_of_path(path);
            let change =
                |is_there| move |value| IndexChange { key: IndexKey { path, value }, is_there };
            changes.extend(before.map(change(false)));
            changes.extend(now.map(change(true)));
        }
    }
    changes
}

/// The hash of a path in index rows.
pub(super) fn hash_of_path(path: &Path) -> u64 {
    XxHash3_64::oneshot(path.to_string().as_bytes())
}

/// The hash of a value in index rows; none for a value that is not indexed. Values that are equal in a
/// condition have the same hash, integers and floats included.
pub(super) fn hash_of_value(value: &Value) -> Option<u64> {
    let number = |number: f64| {
        // Zero has two signs, which are equal.
        let bits = (number + 0.0).to_bits();
        XxHash3_64::oneshot_with_seed(NUMBER, &bits.to_le_bytes())
    };
    match value {
        Value::Text(text) => Some(XxHash3_64::oneshot(text.as_bytes())),
        Value::Bool(truth) => Some(XxHash3_64::oneshot_with_seed(TRUTH, &[u8::from(*truth)])),
        Value::Int(whole) => Some(number(*whole as f64)),
        Value::UInt(whole) => Some(number(*whole as f64)),
        Value::Float(other) => Some(number(*other)),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

/// Seeds that distinguish `1`, `true` and `"1"`. Stored, as the hashes are.
const NUMBER: u64 = 1;
const TRUTH: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_equal_share_a_row_and_others_do_not() {
        let hash = |json: &str| hash_of_value(&serde_json::from_str(json).unwrap());
        for (left, right) in [("1", "1.0"), ("0.0", "-0.0"), ("\"a\"", "\"a\"")] {
            assert_eq!(hash(left), hash(right), "{left} {right}");
        }
        let different = ["1", "true", "\"1\"", "false", "0", "\"\"", "\"true\"", "2"];
        for (at, left) in different.iter().enumerate() {
            assert!(different[..at].iter().all(|right| hash(left) != hash(right)), "{left}");
        }
        for none in ["null", "[1]", "{\"a\": 1}"] {
            assert_eq!(hash(none), None, "{none}");
        }
    }
}
