//! Reads `[erasure]` and `[retention]`: how long tombstones are kept, and how long the data of other
//! customers is kept.

use std::time::Duration;

use super::SourceLocation;
use super::read::{TomlItem, TomlTable};
use super::weights::once;
use crate::event::Sensitivity;

/// How erasures are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErasureRule {
    /// How long a tombstone is kept, which keeps out events that come after the erasure.
    pub remember: Duration,
}

impl Default for ErasureRule {
    /// Longer than most streams keep their messages.
    fn default() -> ErasureRule {
        ErasureRule { remember: Duration::from_secs(90 * 86_400) }
    }
}

pub(super) fn read_erasure(
    table: &TomlTable<'_>,
    known: &mut Option<(SourceLocation, ErasureRule)>,
) {
    let Some((item, table)) = once(table, "erasure", known.as_ref().map(|(place, _)| place)) else {
        return;
    };
    let defaults = ErasureRule::default();
    let remember = table.get("remember").map_or(Some(defaults.remember), TomlItem::span);
    table.finish();
    *known = Some((item.place(), ErasureRule { remember: remember.unwrap_or(defaults.remember) }));
}

/// Retention periods by sensitivity of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionRule {
    /// Public signals; none: until they are stale and the room is needed.
    pub public: Option<Duration>,
    /// Facts, signals, entries of the timeline and transcripts.
    pub personal: Option<Duration>,
    /// Sensitive data and data derived from it.
    pub sensitive: Option<Duration>,
    /// After this time without an input, only aggregates are kept.
    pub anonymous: Option<Duration>,
    /// After this time without an input, the twin is deleted.
    pub inactive: Option<Duration>,
}

impl RetentionRule {
    /// The retention period of a class.
    pub fn span(&self, class: Sensitivity) -> Option<Duration> {
        match class {
            Sensitivity::Public => self.public,
            Sensitivity::Personal => self.personal,
            Sensitivity::Sensitive => self.sensitive,
        }
    }
}

pub(super) fn read_retention(
    table: &TomlTable<'_>,
    known: &mut Option<(SourceLocation, RetentionRule)>,
) {
    let first = known.as_ref().map(|(place, _)| place);
    let Some((item, table)) = once(table, "retention", first) else { return };
    let span = |key| table.get(key).and_then(TomlItem::span);
    let [public, personal, sensitive, anonymous, inactive] =
        ["public", "personal", "sensitive", "anonymous", "inactive"].map(span);
    table.finish();
    *known =
        Some((item.place(), RetentionRule { public, personal, sensitive, anonymous, inactive }));
}
