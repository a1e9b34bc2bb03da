//! Every format that was ever stored and is no longer written, and its way into the next one.

use std::borrow::Cow;

use super::{Error, RecordKind};

/// The payload in the format that is written now.
///
/// An older format is read as the type that it had, turned into the next one and written again,
/// version by version; so a conversion, once made, is never touched again.
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
        _ => {}
    }
    Err(Error::Malformed {
        kind,
        version,
        detail: format!("formats of this kind begin with 1 and end with {}", kind.version()),
    })
}

/// A tombstone of format 2 says further whether it is lifted, which it was not, and which erasures
/// came before it, of which nothing was kept.
const TOMBSTONE_1_TO_2: [u8; 2] = [0, 0];

/// One of format 3 says further at which place of the stream the erasure is, of which nothing was kept.
const TOMBSTONE_2_TO_3: [u8; 1] = [0];
