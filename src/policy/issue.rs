use serde::{Deserialize, Serialize};

use super::hint::one_of;
use super::read::TomlItem;

/// The kinds of objectives that actions serve, and that must be kept in balance.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Issue {
    /// Help with what the customer has.
    Service,
    /// Retention of the customer.
    Retention,
    /// Improvement of the customer's life without a sale.
    Nurture,
    /// A sale.
    Sales,
}

impl Issue {
    /// Every issue, in the order of their positions.
    pub(super) const ALL: [Issue; 4] =
        [Issue::Service, Issue::Retention, Issue::Nurture, Issue::Sales];

    /// The issue's name in policies and on the bus.
    pub const fn name(self) -> &'static str {
        match self {
            Issue::Service => "service",
            Issue::Retention => "retention",
            Issue::Nurture => "nurture",
            Issue::Sales => "sales",
        }
    }

    /// The issue that a policy names.
    pub(super) fn read(item: TomlItem<'_>) -> Option<Issue> {
        let word = item.text()?;
        let known = Issue::ALL.into_iter().find(|issue| issue.name() == word);
        if let (None, Err(message)) = (known, one_of(word, &Issue::ALL.map(Issue::name), "issue")) {
            item.wrong(message);
        }
        known
    }
}
