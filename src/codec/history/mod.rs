//! Every format that was ever stored and is no longer written, with its conversion to the next one.

mod decision;
mod twin;
mod weights;

use std::borrow::Cow;

use super::{Error, RecordKind};

/// Converts a payload to the current format.
///
/// An older format is decoded as its original type, converted to the next one and encoded again, version
/// by version; so a conversion never has to be changed later.
pub(super) fn upgrade(
    kind: RecordKind,
    version: u8,
    payload: &[u8],
) -> Result<Cow<'_, [u8]>, Error> {
    if version == kind.version() {
        return Ok(Cow::Borrowed(payload));
    }
    match (kind, version) {
        (RecordKind::Tombstone, 1) => {
            return Ok(Cow::Owned(
                [payload, TOMBSTONE_1_TO_2.as_slice(), &TOMBSTONE_2_TO_3].concat(),
            ));
        }
        (RecordKind::Tombstone, 2) => {
            return Ok(Cow::Owned([payload, TOMBSTONE_2_TO_3.as_slice()].concat()));
        }
        (RecordKind::Weights, 1) => return Ok(Cow::Owned(weights::to_2(payload)?)),
        (RecordKind::Twin, 1) => return Ok(Cow::Owned(twin::to_3(&twin::to_2(payload)?)?)),
        (RecordKind::Twin, 2) => return Ok(Cow::Owned(twin::to_3(payload)?)),
        (RecordKind::Decision, 1) => return decision::to_2(payload),
        _ => {}
    }
    Err(Error::Malformed {
        kind,
        version,
        detail: format!("formats of this kind begin with 1 and end with {}", kind.version()),
    })
}

/// A tombstone of format 2 also contains whether it is lifted, which older ones are not, and the earlier
/// erasures, which were not recorded.
const TOMBSTONE_1_TO_2: [u8; 2] = [0, 0];

/// One of format 3 also contains the stream position of the erasure, which was not recorded.
const TOMBSTONE_2_TO_3: [u8; 1] = [0];
