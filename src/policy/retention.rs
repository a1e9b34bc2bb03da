//! Reads `[erasure]` and `[retention]`: how long an erased customer is kept from coming back, and how
//! long what is known of the others is kept.

use std::time::Duration;

use super::SourceLocation;
use super::read::{TomlItem, TomlTable};
use super::weights::once;
use crate::event::Sensitivity;

/// What becomes of customers who are erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErasureRule {
    /// So long events that come late do not bring them back.
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
    let unsaid = ErasureRule::default();
    let remember = table.get("remember").map_or(Some(unsaid.remember), TomlItem::span);
    table.finish();
    *known = Some((item.place(), ErasureRule { remember: remember.unwrap_or(unsaid.remember) }));
}

/// How long what is known is kept, by how much harm it could do in the wrong place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionRule {
    /// Signals that anybody may know; none: until they are stale and there is no room.
    pub public: Option<Duration>,
    /// Facts, signals, entries of the timeline and words of conversations.
    pub personal: Option<Duration>,
    /// What is sensitive, and what was made of it.
    pub sensitive: Option<Duration>,
    /// Of who has not been seen for so long only what was counted is kept.
    pub anonymous: Option<Duration>,
    /// Who has not been seen for so long is forgotten altogether.
    pub inactive: Option<Duration>,
}

impl RetentionRule {
    /// How long things of a class are kept.
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
