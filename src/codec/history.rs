//! Every format that was ever stored and is no longer written, and its way into the next one.

use std::borrow::Cow;

use super::{Error, Kind};

/// The payload in the format that is written now.
///
/// An older format is read as the type that it had, turned into the next one and written again,
/// version by version; so a conversion, once made, is never touched again.
pub(super) fn upgrade(kind: Kind, version: u8, payload: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    if version == kind.version() {
        return Ok(Cow::Borrowed(payload));
    }
    Err(Error::Malformed {
        kind,
        version,
        detail: format!("formats of this kind begin with 1 and end with {}", kind.version()),
    })
}
