//! Reads `[purposes.<name>]`: what needs the customer's consent, how long one holds, and who asks
//! again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::actions::ISSUES;
use super::advice::KNOWN_PURPOSES;
use super::load::PolicyReader;
use super::read::{TomlItem, TomlTable};
use super::{Policy, SourceLocation};
use crate::event::is_same_name;

/// What a policy says of a purpose for which data of customers is used.
#[derive(Debug)]
pub struct ConsentRule {
    /// Whether the customer has to allow it. A "no" holds in any case.
    pub needed: bool,
    /// How long a consent holds; none: until it is withdrawn.
    pub expires: Option<Duration>,
    /// Position in [`Policy::actions`] of the action that asks again once a consent has lapsed.
    pub ask_again: Option<usize>,
    /// Where it stands.
    pub place: SourceLocation,
}

/// To be known as the one that one is: without it, a customer is served like anybody.
pub const PERSONALIZATION: &str = "personalization";
/// To have conclusions drawn from what one does.
pub const PROFILING: &str = "profiling";
/// To have one's data used at all: whoever withdraws it has it kept, and nothing done with it.
pub const PROCESSING: &str = "processing";

impl Policy {
    /// What is said of a purpose, however a channel writes its name.
    pub fn consent_rule(&self, purpose: &str) -> Option<&ConsentRule> {
        self.consents.get(purpose).or_else(|| {
            let mut all = self.consents.iter();
            all.find(|(known, _)| is_same_name(known, purpose)).map(|(_, rule)| rule)
        })
    }

    /// A purpose as the policy writes it, however a channel does; none: the policy has no such
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

    /// A channel as the policy's actions write it, however another does; none: no action speaks
    /// there.
    pub fn channel_called(&self, name: &str) -> Option<&str> {
        let treatments = self.actions.iter().flat_map(|action| &action.treatments);
        treatments.map(|way| &*way.channel).find(|known| is_same_name(known, name))
    }

    /// Whether a purpose needs the customer's consent, if the customer has said nothing.
    pub fn needs_consent(&self, purpose: &str) -> bool {
        // Being served at all is why somebody is a customer; it can be refused, too.
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
            key.wrong(format!("the purpose `{name}` stands here twice"));
        }
        consents.insert(name.into(), rule);
    }
}

/// The actions that ask again: they need no need.
pub(super) fn askers<'a>(table: &TomlTable<'a>) -> Vec<&'a str> {
    let all = table.get("purposes").and_then(TomlItem::as_table).map(|all| all.entries());
    all.into_iter()
        .flatten()
        .filter_map(|(_, item)| item.as_table()?.get("ask_again")?.as_text())
        .collect()
}
