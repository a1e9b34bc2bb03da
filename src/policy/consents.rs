//! Reads `[purposes.<name>]`: which purposes need the customer's consent, how long a consent is valid,
//! and which action asks again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::actions::ISSUES;
use super::advice::KNOWN_PURPOSES;
use super::read::{TomlItem, TomlTable};
use super::reader::PolicyReader;
use super::{Policy, SourceLocation};
use crate::event::is_same_name;

/// The policy's rule for a purpose.
#[derive(Debug)]
pub struct ConsentRule {
    /// Whether the customer's consent is needed. A "no" is respected in any case.
    pub needed: bool,
    /// How long a consent is valid; none: until it is withdrawn.
    pub expires: Option<Duration>,
    /// Position in [`Policy::actions`] of the action that asks again once a consent has expired.
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

impl Policy {
    /// The rule of a purpose, for any spelling of its name.
    pub fn consent_rule(&self, purpose: &str) -> Option<&ConsentRule> {
        self.consents.get(purpose).or_else(|| {
            let mut all = self.consents.iter();
            all.find(|(known, _)| is_same_name(known, purpose)).map(|(_, rule)| rule)
        })
    }

    /// The policy's spelling of a purpose, for any spelling of it; none if the policy has no such
    /// purpose.
    pub fn purpose_called(&self, name: &str) -> Option<&str> {
        let declared = self.consents.keys();
        let used = self.actions.iter().flat_map(|action| action.purpose.iter().chain(&action.uses));
        let of_queues = self.queues.iter().map(|queue| &queue.purpose);
        let given = self.context.values().filter_map(|signal| signal.purposes.as_ref());
        let given = given.flat_map(|purposes| purposes.iter());
        let own = declared.chain(used).chain(of_queues).map(|name| &**name).chain(given);
        let always = ISSUES.iter().map(|issue| issue.name()).chain(KNOWN_PURPOSES);
        own.chain(always).find(|known| is_same_name(known, name))
    }

    /// The policy's spelling of a channel, for any spelling of it; none: no action uses the channel.
    pub fn channel_called(&self, name: &str) -> Option<&str> {
        let treatments = self.actions.iter().flat_map(|action| &action.treatments);
        treatments.map(|way| &*way.channel).find(|known| is_same_name(known, name))
    }

    /// Whether a purpose needs the customer's consent, if they have made no statement.
    pub fn needs_consent(&self, purpose: &str) -> bool {
        // A customer expects to be served at all, so this needs no consent; it can be refused, too.
        let free = [PERSONALIZATION, PROFILING, PROCESSING];
        let otherwise = !free.iter().any(|known| is_same_name(known, purpose));
        self.consent_rule(purpose).map_or(otherwise, |rule| rule.needed)
    }
}

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
