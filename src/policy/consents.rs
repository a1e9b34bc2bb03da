//! Reads `[purposes.<name>]`: which purposes need the customer's consent, how long a consent is valid,
//! and which action asks again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::SourceLocation;
use super::read::{TomlItem, TomlTable};
use super::reader::PolicyReader;
use crate::event::is_same_name;

/// The policy's rule for a purpose.
#[derive(Debug)]
pub struct ConsentRule {
    /// Whether the customer's consent is needed. A "no" is respected in any case.
    pub needed: bool,
    /// How long a consent is valid; none: until it is withdrawn.
    pub expires: Option<Duration>,
    /// Position in [`Policy::actions`](super::Policy::actions) of the action that asks again once a consent has expired.
    pub ask_again: Option<usize>,
    /// Its location.
    pub place: SourceLocation,
}

/// Personalization: without it, a customer is served like anybody.
pub const PERSONALIZATION: &str = "personalization";
/// Inference of data from the customer's behaviour.
pub const PROFILING: &str = "profiling";
/// Use of the data at all: a customer who withdraws it restricts processing; data is kept but not used.
pub const PROCESSING: &str = "processing";

/// Purposes that need no declaration: the reasons for serving a customer, and those for which channels
/// commonly ask consent.
pub(super) const KNOWN_PURPOSES: [&str; 4] = ["marketing", PERSONALIZATION, PROFILING, PROCESSING];

pub(super) fn read(
    table: &TomlTable<'_>,
    reader: &PolicyReader,
    consents: &mut BTreeMap<Box<str>, ConsentRule>,
) {
    let Some(all) = table.get("purposes").and_then(TomlItem::table) else { return };
    for (key, item) in all.entries() {
        let (Some(name), Some(table)) = (key.name(), item.table()) else { continue };
        let ask_again = table.get("ask_again").and_then(|item| {
            reader.names.action(item.name()?).map_err(|message| item.wrong(message)).ok()
        });
        let rule = ConsentRule {
            needed: table.get("needed").and_then(TomlItem::truth).unwrap_or(true),
            expires: table.get("expires").and_then(TomlItem::span),
            ask_again,
            place: key.place(),
        };
        table.finish();
        if consents.keys().any(|known| is_same_name(known, name)) {
            key.wrong(format!("the purpose `{name}` is defined twice"));
        }
        consents.insert(name.into(), rule);
    }
}

/// The actions that ask again: they need not serve a need.
pub(super) fn askers<'a>(table: &TomlTable<'a>) -> Vec<&'a str> {
    let all = table.get("purposes").and_then(TomlItem::as_table).map(|all| all.entries());
    all.into_iter()
        .flatten()
        .filter_map(|(_, item)| item.as_table()?.get("ask_again")?.as_text())
        .collect()
}
