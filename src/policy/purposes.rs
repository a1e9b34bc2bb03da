//! Reads `[context]`: how sensitive signals are, what they were given for, and what actions use them
//! for.
//!
//! The rule: a *sensitive* fact may be read only for the purposes for which it was given. An action
//! uses what it reads for its `purpose`, or, if it names none, for its issue; one that sells uses it
//! for `sales`, too. Every one of these must be among the purposes of the fact. What is public or
//! personal may be read by every action for this customer.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::read::{TomlItem, TomlTable};
use super::symbols::one_of;
use super::{Issue, Policy, SourceLocation};
use crate::event::{Sensitivity, SignalData};

/// What a sensitive fact was given for, in alphabetical order. Nothing: nobody may use it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Purposes(Box<[Box<str>]>);

/// For whom nothing is said, it is for serving the customer.
const UNSAID: &str = "service";

impl Purposes {
    /// These purposes.
    pub fn new(purposes: impl IntoIterator<Item = Box<str>>) -> Purposes {
        let mut purposes: Vec<Box<str>> = purposes.into_iter().collect();
        purposes.sort();
        purposes.dedup();
        Purposes(purposes.into())
    }

    /// Each of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|purpose| &**purpose)
    }

    /// Whether a fact that was given for these may be used for all of `uses`.
    pub fn allow(&self, uses: &[Box<str>]) -> bool {
        uses.iter().all(|used| self.0.contains(used))
    }

    /// The purposes of what is made of two such facts: those of both.
    pub fn and(&self, other: &Purposes) -> Purposes {
        Purposes(self.0.iter().filter(|one| other.0.contains(one)).cloned().collect())
    }

    /// The purposes of what is made of one such fact or of the other: those of either.
    pub(super) fn or(&self, other: &Purposes) -> Purposes {
        Purposes::new(self.0.iter().chain(&other.0).cloned())
    }
}

impl fmt::Display for Purposes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            [] => out.write_str("nothing"),
            purposes => out.write_str(&purposes.join(" and ")),
        }
    }
}

/// What a policy says of a signal.
#[derive(Debug)]
pub struct SignalRule {
    /// How much harm it could do in the wrong place, at least.
    pub sensitivity: Sensitivity,
    /// What it may be used for, if it is sensitive; none: what the channel says.
    pub purposes: Option<Purposes>,
    /// Where it stands.
    pub place: SourceLocation,
}

/// What an action uses facts for.
pub(super) fn uses(purpose: Option<&str>, issue: Issue) -> Box<[Box<str>]> {
    let first = purpose.unwrap_or(issue.name());
    let sells = (issue == Issue::Sales && first != Issue::Sales.name()).then_some("sales");
    [first].into_iter().chain(sells).map(Into::into).collect()
}

impl Policy {
    /// What a signal may be used for: none if for anything.
    pub fn purposes(
        &self,
        name: &str,
        told: Sensitivity,
        purpose: Option<&str>,
    ) -> Option<Purposes> {
        let rule = self.context.get(name);
        let declared = rule.map_or(Sensitivity::Public, |rule| rule.sensitivity);
        if told.max(declared) != Sensitivity::Sensitive {
            return None;
        }
        let declared = rule.and_then(|rule| rule.purposes.as_ref());
        Some(match (declared, purpose) {
            (Some(declared), Some(purpose)) => declared.and(&Purposes::new([purpose.into()])),
            (Some(declared), None) => declared.clone(),
            (None, purpose) => Purposes::new([purpose.unwrap_or(UNSAID).into()]),
        })
    }

    /// What a signal that is reported may be used for: none if for anything.
    pub fn purposes_of(&self, told: &SignalData) -> Option<Purposes> {
        self.purposes(&told.name, told.sensitivity, told.purpose.as_deref())
    }
}

pub(super) fn read_context(table: &TomlTable<'_>, rules: &mut BTreeMap<Box<str>, SignalRule>) {
    const CLASSES: [(&str, Sensitivity); 3] = [
        ("public", Sensitivity::Public),
        ("personal", Sensitivity::Personal),
        ("sensitive", Sensitivity::Sensitive),
    ];
    let Some(all) = table.get("context").and_then(TomlItem::table) else { return };
    for (key, item) in all.entries() {
        let Some(table) = item.table() else { continue };
        let class = table.require("sensitivity").and_then(|item| {
            let word = item.text()?;
            let known = CLASSES.into_iter().find(|(name, _)| *name == word);
            if let (None, Err(message)) = (known, one_of(word, &CLASSES.map(|c| c.0), "class")) {
                item.wrong(message);
            }
            known
        });
        let purposes = table.get("purpose").map(|item| {
            Purposes::new(item.list_or_one().into_iter().filter_map(TomlItem::name).map(Into::into))
        });
        let sensitivity = class.map_or(Sensitivity::Sensitive, |(_, class)| class);
        if purposes.is_some() && sensitivity != Sensitivity::Sensitive {
            table.wrong("expected a purpose only where the sensitivity is \"sensitive\"");
        }
        table.finish();
        let rule = SignalRule { sensitivity, purposes, place: key.place() };
        if rules.insert(key.text().into(), rule).is_some() {
            key.wrong(format!("the signal `{}` stands here twice", key.text()));
        }
    }
}

/// The signals that a policy declares sensitive, in silence: mistakes are told when they are read.
pub(super) fn gather(table: &TomlTable<'_>, sensitive: &mut BTreeMap<String, Option<Purposes>>) {
    let all = table.get("context").and_then(TomlItem::as_table);
    for (key, item) in all.map_or(Vec::new(), |all| all.entries()) {
        let Some(table) = item.as_table() else { continue };
        if table.get("sensitivity").and_then(TomlItem::as_text) == Some("sensitive") {
            let purposes = table.get("purpose").map(|item| {
                let listed = item.list_or_one().into_iter().filter_map(TomlItem::as_text);
                Purposes::new(listed.map(Into::into))
            });
            sensitive.insert(key.text().to_owned(), purposes);
        }
    }
}
