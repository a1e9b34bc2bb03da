//! Ownership records: which statement about an identifier is the latest.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::limits;
use crate::event::{Customer, Reason, Rejection, Time};

/// The statement time of an identifier's ownership, so that older statements have no effect. It stays
/// with the identifier across owners; an identifier freed because a link was impossible has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnershipRecord {
    /// The statement time of the last link.
    pub linked: Time,
    /// The removal of that link.
    pub unlinked: Option<UnlinkRecord>,
}

/// A removed link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnlinkRecord {
    /// The statement time of the `unlink`.
    pub at: Time,
    /// The former owners to whom it must not return; an older statement may give it to others. Stored as
    /// partial hashes, which distinguish customers without naming them, because they may have been
    /// erased.
    pub from: Vec<u16>,
}

/// Rate limit of ownership changes of an identifier: each change causes work for every former owner, so
/// an attacker who links identifiers back and forth could overload the service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelinkCounter {
    /// When the minute of the count began.
    since: Time,
    /// The number of links within it.
    count: u16,
}

impl RelinkCounter {
    /// Counts one more; an error if it exceeds the limit.
    pub(in crate::twin) fn count(
        &mut self,
        identifier: &Customer,
        at: Time,
    ) -> Result<(), Rejection> {
        if at.since(self.since) >= MINUTE {
            *self = RelinkCounter { since: at, count: 0 };
        }
        if usize::from(self.count) >= limits::LINKS_A_MINUTE {
            return Err(refused(format!(
                "expected at most {} changes of the link of `{identifier}` within a minute, found \
                 one more; give each device its own identifier",
                limits::LINKS_A_MINUTE
            )));
        }
        self.count += 1;
        Ok(())
    }
}

const MINUTE: Duration = Duration::from_secs(60);

impl OwnershipRecord {
    pub(in crate::twin) fn linked(at: Time) -> OwnershipRecord {
        OwnershipRecord { linked: at, unlinked: None }
    }

    /// The previous record, with the statement made `at` this time that the identifier is not theirs.
    pub(in crate::twin) fn unlinked<'a>(
        known: Option<&OwnershipRecord>,
        at: Time,
        from: impl Iterator<Item = &'a Customer>,
    ) -> OwnershipRecord {
        let from = from.map(|one| in_short(one.as_str())).collect();
        let linked = known.map_or(Time::MIN, |ownership| ownership.linked);
        OwnershipRecord { linked, unlinked: Some(UnlinkRecord { at, from }) }
    }

    /// Whether a link stated `at` this time is late.
    pub(in crate::twin) fn is_behind(&self, to: &str, at: Time) -> bool {
        let is_back =
            |unlinked: &UnlinkRecord| at < unlinked.at && unlinked.from.contains(&in_short(to));
        at < self.linked || self.unlinked.as_ref().is_some_and(is_back)
    }
}

/// So short a hash could be anybody's.
fn in_short(customer: &str) -> u16 {
    twox_hash::XxHash3_64::oneshot(customer.as_bytes()) as u16
}

/// A rejection of an event that links or unlinks.
pub(in crate::twin) fn refused(detail: String) -> Rejection {
    Rejection::new(Reason::Refused, detail)
}
