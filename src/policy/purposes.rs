//! Reads `[context]`: the sensitivity of signals, and their purposes.
//!
//! A *sensitive* fact may be read only for its purposes. An action uses what it reads for its `purpose`,
//! or, if it has none, for its issue; one that sells uses it for `sales`, too. Every one of these must be
//! among the purposes of the fact. Public and personal data may be read by every action for this
//! customer.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::hint::one_of;
use super::read::{TomlItem, TomlTable};
use super::{Issue, SourceLocation};
use crate::event::{Sensitivity, folded_name, is_same_name};

/// The purposes for which a sensitive fact may be used, in alphabetical order. Empty: none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Purposes(Box<[Box<str>]>);

/// The purpose of a signal if none is given: serving the customer.
pub(super) const SIGNAL_PURPOSE: &str = "service";

impl Purposes {
    /// Creates them from a list. Of two spellings of a purpose the first in the alphabet is kept.
    pub fn new(purposes: impl IntoIterator<Item = Box<str>>) -> Purposes {
        let mut purposes: Vec<Box<str>> = purposes.into_iter().collect();
        purposes.sort_by(|one, other| {
            folded_name(one).cmp(&folded_name(other)).then_with(|| one.cmp(other))
        });
        purposes.dedup_by(|one, kept| is_same_name(one, kept));
        Purposes(purposes.into())
    }

    /// All purposes.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|purpose| &**purpose)
    }

    /// Whether a fact with these purposes may be used for all of `uses`.
    pub fn allow(&self, uses: &[Box<str>]) -> bool {
        uses.iter().all(|used| self.named(used).is_some())
    }

    /// The purposes of data derived from two such facts: the intersection.
    pub fn and(&self, other: &Purposes) -> Purposes {
        let shared = |one| Some(Box::from(Ord::min(one, other.named(one)?)));
        Purposes(self.iter().filter_map(shared).collect())
    }

    /// The purpose of this name, in its spelling here.
    fn named(&self, name: &str) -> Option<&str> {
        self.iter().find(|known| is_same_name(known, name))
    }

    /// The purposes of data derived from one such fact or the other: the union.
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

/// The policy's rule for a signal.
#[derive(Debug)]
pub struct SignalRule {
    /// Its minimum sensitivity.
    pub sensitivity: Sensitivity,
    /// Its purposes, if it is sensitive; none: those that the channel gives.
    pub purposes: Option<Purposes>,
    /// Its location.
    pub place: SourceLocation,
}

/// The purposes for which an action uses facts.
pub(super) fn uses(purpose: Option<&str>, issue: Issue) -> Box<[Box<str>]> {
    let first = purpose.unwrap_or(issue.name());
    let sells = (issue == Issue::Sales && first != Issue::Sales.name()).then_some("sales");
    [first].into_iter().chain(sells).map(Into::into).collect()
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
            if let (None, Err(message)) =
                (known, one_of(word, &CLASSES.map(|c| c.0), "sensitivity"))
            {
                item.wrong(message);
            }
            known
        });
        let purposes = table.get("purpose").map(|item| {
            Purposes::new(item.list_or_one().into_iter().filter_map(TomlItem::name).map(Into::into))
        });
        let sensitivity = class.map_or(Sensitivity::Sensitive, |(_, class)| class);
        if purposes.is_some() && sensitivity != Sensitivity::Sensitive {
            let found = class.map_or("", |(name, _)| name);
            table.wrong(format!(
                "expected `purpose` only with sensitivity = \"sensitive\", found it with \
                 \"{found}\"; change the sensitivity, or leave `purpose` out"
            ));
        }
        table.finish();
        let rule = SignalRule { sensitivity, purposes, place: key.place() };
        if rules.insert(key.text().into(), rule).is_some() {
            key.wrong(format!("the signal `{}` is defined twice", key.text()));
        }
    }
}

/// The signals that a policy declares sensitive, without errors: those are reported when the section is
/// read.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn purposes(names: &[&str]) -> Purposes {
        Purposes::new(names.iter().map(|name| (*name).into()))
    }

    #[test]
    fn a_purpose_is_the_same_in_any_spelling() {
        let (declared, reported) = (purposes(&["care", "credit"]), purposes(&[" Care"]));
        assert!(reported.allow(&["care".into()]) && declared.allow(&["CARE".into()]));
        assert!(!reported.allow(&["credit".into()]));
        assert_eq!(declared.and(&reported), reported.and(&declared));
        assert!(declared.and(&reported).allow(&["care".into()]));
        assert_eq!(declared.or(&reported), reported.or(&declared));
        assert_eq!(declared.or(&reported).iter().count(), 2);
    }
}
