use serde::{Deserialize, Serialize};

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
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
    strum::VariantNames,
)]
#[strum(serialize_all = "kebab-case")]
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
    pub(super) const ALL: &'static [Issue] = <Issue as strum::VariantArray>::VARIANTS;
    /// Every name, in the same order.
    pub(super) const NAMES: &'static [&'static str] = <Issue as strum::VariantNames>::VARIANTS;

    /// The issue's name in policies and on the bus.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The issue that a policy names.
    pub(super) fn read(item: TomlItem<'_>) -> Option<Issue> {
        item.one_of(Issue::NAMES, "issue")
    }
}
