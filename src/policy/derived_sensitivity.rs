//! Static analysis of derived sensitivity: facts and needs that are derived only from sensitive signals,
//! so that a forbidden use is a mistake at load time.
//!
//! It is conservative: a value counts as sensitive only if every derivation uses something sensitive, and
//! may then be used for the union of what they allow. At run time, the guards of each twin cover the
//! rest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::null_analysis::NullAnalysis;
use super::read::{TomlItem, TomlTable};
use super::{Path, Purposes, Root, SourceLocation, Trigger, trigger};

/// The derived value: a root and a name below it.
pub(super) type DerivedName = (&'static str, String);

/// A value derived only from sensitive signals.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DerivedSensitivity {
    /// The purposes for which it may be used at most; none: those that the channel gives.
    pub(super) purposes: Option<Purposes>,
    /// The signals.
    pub(super) of: BTreeSet<String>,
    /// The location of its first derivation.
    pub(super) place: SourceLocation,
}

impl fmt::Display for DerivedSensitivity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signals: Vec<String> = self.of.iter().map(|name| format!("`context.{name}`")).collect();
        write!(out, "derived from {} in {}", signals.join(" and "), self.place)
    }
}

/// One derivation of a value.
pub(super) struct Derivation {
    thing: DerivedName,
    /// The paths without which this derivation gives no value.
    needs: Vec<Path>,
    /// It is derived only on inputs of these signals; empty: on any input.
    signals: Vec<String>,
    place: SourceLocation,
}

/// The result of the analysis for a value.
#[derive(Clone, PartialEq)]
enum DerivationResult {
    /// No derivation has been found yet.
    Never,
    Sensitive(DerivedSensitivity),
    Anything,
}

/// Collects the derivations of a file, without errors: those are reported when the file is read.
pub(super) fn gather(table: &TomlTable<'_>, derivations: &mut Vec<Derivation>) {
    for rule in table.get("rules").map_or(Vec::new(), TomlItem::as_list) {
        let Some(rule) = rule.as_table() else { continue };
        let signals = signals(&rule);
        let when = conditions(&rule);
        for step in rule.get("then").map_or(Vec::new(), TomlItem::as_list) {
            let Some(table) = step.as_table() else { continue };
            let (thing, value) = match (name(&table, "set"), name(&table, "raise")) {
                (Some(fact), None) => ((Root::Facts.name(), fact), null_analysis(&table, "to")),
                (None, Some(need)) => {
                    ((Root::Needs.name(), need), null_analysis(&table, "strength"))
                }
                _ => continue,
            };
            if value.as_ref().is_some_and(NullAnalysis::is_null) {
                continue;
            }
            let needs = value.as_ref().map_or(Vec::new(), NullAnalysis::null_if_missing);
            let needs = [when.clone(), needs].concat();
            derivations.push(Derivation {
                thing,
                needs,
                signals: signals.clone(),
                place: step.place(),
            });
        }
    }
    // The value of an activity does not decide whether it is counted.
    for (root, key, of) in [
        (Root::Windows, "windows", "of"),
        (Root::Counters, "counters", "by"),
        (Root::Activities, "activities", ""),
    ] {
        let all = table.get(key).and_then(TomlItem::as_table);
        for (key, item) in all.map_or(Vec::new(), |all| all.entries()) {
            let Some(table) = item.as_table() else { continue };
            let value = null_analysis(&table, of);
            let needs = value.as_ref().map_or(Vec::new(), NullAnalysis::null_if_missing);
            derivations.push(Derivation {
                thing: (root.name(), key.text().to_owned()),
                needs: [conditions(&table), needs].concat(),
                signals: signals(&table),
                place: key.place(),
            });
        }
    }
}

fn name(table: &TomlTable<'_>, key: &'static str) -> Option<String> {
    table.get(key).and_then(TomlItem::as_text).map(str::to_owned)
}

fn null_analysis(table: &TomlTable<'_>, key: &'static str) -> Option<NullAnalysis> {
    NullAnalysis::compile(table.get(key)?.as_text()?).ok()
}

fn conditions(table: &TomlTable<'_>) -> Vec<Path> {
    null_analysis(table, "when").map_or(Vec::new(), |when| when.required_paths())
}

/// The signals that trigger something, if nothing else does.
fn signals(table: &TomlTable<'_>) -> Vec<String> {
    let on = table.get("on").map_or(Vec::new(), TomlItem::list_or_one);
    let signal = |item: &TomlItem<'_>| match trigger::parse(item.as_text()?) {
        Ok((Trigger::Event(crate::event::EventType::Signal), Some(name))) => Some(name.to_owned()),
        _ => None,
    };
    on.iter().map(signal).collect::<Option<Vec<String>>>().unwrap_or_default()
}

/// The values derived only from sensitive signals.
pub(super) fn settle(
    derivations: &[Derivation],
    sensitive: &BTreeMap<String, Option<Purposes>>,
) -> BTreeMap<DerivedName, DerivedSensitivity> {
    let mut known: BTreeMap<&DerivedName, DerivationResult> = BTreeMap::new();
    loop {
        let mut next: BTreeMap<&DerivedName, DerivationResult> = BTreeMap::new();
        for derivation in derivations {
            let result = derivation.result(&known, sensitive);
            let before = next.remove(&derivation.thing).unwrap_or(DerivationResult::Never);
            next.insert(&derivation.thing, before.or(result));
        }
        // The result grows monotonically, so this ends.
        if next == known {
            break;
        }
        known = next;
    }
    let result = known.into_iter().filter_map(|(thing, known)| match known {
        DerivationResult::Sensitive(result) => Some((thing.clone(), result)),
        DerivationResult::Never | DerivationResult::Anything => None,
    });
    result.collect()
}

impl Derivation {
    fn result(
        &self,
        known: &BTreeMap<&DerivedName, DerivationResult>,
        sensitive: &BTreeMap<String, Option<Purposes>>,
    ) -> DerivationResult {
        let signal = |name: &str| match sensitive.get(name) {
            None => DerivationResult::Anything,
            Some(purposes) => DerivationResult::Sensitive(DerivedSensitivity {
                purposes: purposes.clone(),
                of: [name.to_owned()].into(),
                place: self.place.clone(),
            }),
        };
        let input = match self.signals.as_slice() {
            [] => DerivationResult::Anything,
            all => all.iter().fold(DerivationResult::Never, |result, name| result.or(signal(name))),
        };
        self.needs.iter().fold(input, |result, path| {
            let name = path.names().next().unwrap_or_default();
            result.and(match path.root {
                Root::Context => signal(name),
                Root::Facts | Root::Needs | Root::Windows | Root::Counters | Root::Activities => {
                    let thing = (path.root.name(), name.to_owned());
                    known.get(&thing).cloned().unwrap_or(DerivationResult::Never)
                }
                _ => DerivationResult::Anything,
            })
        })
    }
}

impl DerivationResult {
    /// The result for a value with both derivations.
    fn or(self, other: DerivationResult) -> DerivationResult {
        match (self, other) {
            (DerivationResult::Sensitive(one), DerivationResult::Sensitive(other)) => {
                DerivationResult::Sensitive(DerivedSensitivity {
                    purposes: one.purposes.zip(other.purposes).map(|(one, other)| one.or(&other)),
                    of: one.of.into_iter().chain(other.of).collect(),
                    place: one.place,
                })
            }
            (DerivationResult::Never, known) | (known, DerivationResult::Never) => known,
            (DerivationResult::Anything, _) | (_, DerivationResult::Anything) => {
                DerivationResult::Anything
            }
        }
    }

    /// The result for a value derived from both.
    fn and(self, other: DerivationResult) -> DerivationResult {
        match (self, other) {
            (DerivationResult::Sensitive(one), DerivationResult::Sensitive(other)) => {
                DerivationResult::Sensitive(DerivedSensitivity {
                    purposes: match (one.purposes, other.purposes) {
                        (Some(one), Some(other)) => Some(one.and(&other)),
                        (one, other) => one.or(other),
                    },
                    of: one.of.into_iter().chain(other.of).collect(),
                    place: one.place,
                })
            }
            (DerivationResult::Never, _) | (_, DerivationResult::Never) => DerivationResult::Never,
            (DerivationResult::Anything, known) | (known, DerivationResult::Anything) => known,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::{Files, load};

    const HEAD: &str = r#"
[policy]
name = "test"
languages = ["en"]
[context.illness]
sensitivity = "sensitive"
purpose = ["care"]
[context.salary]
sensitivity = "sensitive"
purpose = ["credit", "care"]
[context.secret]
sensitivity = "sensitive"
[needs.walk]
describe = "should walk more"
[[actions]]
name = "sell"
serves = ["walk"]
issue = "sales"
value = 0.5
when = "READS"
[[actions.treatments]]
channel = "app"
text.en = "Shoes"
[[actions]]
name = "advise"
serves = ["walk"]
issue = "service"
purpose = "care"
value = 0.5
when = "READS"
[[actions.treatments]]
channel = "app"
discreet = true
text.en = "DISCREET"
"#;

    /// The mistakes in a policy with these rules and windows, whose actions read something.
    fn mistakes(reads: &str, discreet: &str, result: &str) -> String {
        let head = HEAD.replace("READS", reads).replace("DISCREET", discreet);
        let result: String = result.lines().map(|line| format!("{}\n", line.trim())).collect();
        match load(&Files::new([("head.toml", &*head), ("result.toml", &*result)])) {
            Ok(_) => String::new(),
            Err(mistakes) => {
                let first = |mistake: &crate::policy::Mistake| {
                    mistake.to_string().lines().next().unwrap_or_default().to_owned()
                };
                mistakes.iter().map(first).collect::<Vec<_>>().join("\n")
            }
        }
    }

    #[test]
    fn an_action_that_reads_data_derived_from_an_illness_is_a_mistake_with_its_line() {
        let reported = mistakes(
            "facts.copy != 'x' && needs.walk > 0 && windows.visits < 3 && counters.ills > 0",
            "It is {{ facts.copy }}",
            r#"
            [[rules]]
            name = "two steps"
            on = "track"
            when = "facts.ill == 'diabetes' || facts.ill == 'asthma'"
            then = [{ set = "copy", to = "'so it is'" }, { raise = "walk", strength = "0.5" }]
            [[rules]]
            name = "one step"
            on = "track"
            then = [{ set = "ill", to = "context.illness" }, { set = "copy", to = "null" }]
            [windows.visits]
            on = "page"
            over = "1h"
            when = "has(context.illness) && event.channel == 'web'"
            [counters.ills]
            on = "signal:illness"
            half_life = "1d"
            "#,
        );
        insta::assert_snapshot!(reported, @r"
        head.toml:17:12: the need `walk` is sensitive (derived from `context.illness` in result.toml:10) and may be used for care only; this action would serve it for sales. Give the action a fitting issue and `purpose`, or other needs
        head.toml:20:9: `facts.copy` is sensitive (derived from `context.illness` in result.toml:10) and may be used for care only; this action would use it for sales. Leave it out, or give the action a fitting issue and `purpose`
        head.toml:20:30: `needs.walk` is sensitive (derived from `context.illness` in result.toml:10) and may be used for care only; this action would use it for sales. Leave it out, or give the action a fitting issue and `purpose`
        head.toml:20:48: `windows.visits` is sensitive (derived from `context.illness` in result.toml:11) and may be used for care only; this action would use it for sales. Leave it out, or give the action a fitting issue and `purpose`
        head.toml:20:70: `counters.ills` is sensitive (derived from `context.illness` in result.toml:15) and may be used for care only; this action would use it for sales. Leave it out, or give the action a fitting issue and `purpose`
        head.toml:34:21: `facts.copy` is sensitive (derived from `context.illness` in result.toml:10) and cannot be used in a discreet text; use another treatment
        ");
    }

    #[test]
    fn a_value_with_several_sources_is_left_to_the_guards() {
        for (reads, result) in [
            (
                "facts.f != 'x'",
                r#"
                [[rules]]
                name = "so"
                on = "track"
                then = [{ set = "f", to = "context.illness" }]
                [[rules]]
                name = "or so"
                on = "page"
                then = [{ set = "f", to = "event.name" }]
                "#,
            ),
            (
                "facts.f != 'x'",
                r#"
                [[rules]]
                name = "with or without"
                on = "track"
                when = "context.illness != 'diabetes'"
                then = [{ set = "f", to = "default(context.illness, 'none')" }]
                "#,
            ),
            (
                "facts.f != 'x'",
                r#"
                [[rules]]
                name = "on any signal"
                on = ["signal:illness", "signal:place"]
                then = [{ set = "f", to = "event.value" }]
                "#,
            ),
            (
                "facts.f != 'x'",
                r#"
                [[rules]]
                name = "for what the channel says"
                on = "signal:secret"
                then = [{ set = "f", to = "event.value" }]
                "#,
            ),
            (
                "windows.w > 1",
                r#"
                [windows.w]
                on = "track"
                over = "1h"
                when = "context.illness != 'diabetes'"
                "#,
            ),
            (
                "facts.f != 'x'",
                r#"
                [[rules]]
                name = "never"
                on = "track"
                then = [{ set = "f", to = "facts.f + 1" }]
                "#,
            ),
        ] {
            assert_eq!(mistakes(reads, "News", result), "", "{result}");
        }
    }

    #[test]
    fn a_value_of_either_source_allows_the_purposes_of_either_and_one_of_both_fewer() {
        let either = r#"
            [[rules]]
            name = "either"
            on = ["signal:illness", "signal:salary"]
            then = [{ set = "f", to = "1" }]
            "#;
        let both = r#"
            [[rules]]
            name = "both"
            on = "signal:salary"
            when = "context.illness == 'x'"
            then = [{ set = "f", to = "1" }]
            "#;
        let reported = [either, both].map(|result| mistakes("facts.f > 0", "News", result));
        insta::assert_snapshot!(reported.join("\n"), @r"
        head.toml:20:9: `facts.f` is sensitive (derived from `context.illness` and `context.salary` in result.toml:5) and may be used for care and credit only; this action would use it for sales. Leave it out, or give the action a fitting issue and `purpose`
        head.toml:20:9: `facts.f` is sensitive (derived from `context.illness` and `context.salary` in result.toml:6) and may be used for care only; this action would use it for sales. Leave it out, or give the action a fitting issue and `purpose`
        ");
    }

    #[test]
    fn data_derived_from_a_signal_that_its_channel_calls_sensitive_is_refused_in_discreet_texts() {
        let reported = mistakes(
            "true",
            "It is {{ facts.f }}",
            r#"
            [[rules]]
            name = "for what the channel says"
            on = "signal:secret"
            then = [{ set = "f", to = "event.value" }]
            "#,
        );
        insta::assert_snapshot!(reported, @"head.toml:34:21: `facts.f` is sensitive (derived from `context.secret` in result.toml:5) and cannot be used in a discreet text; use another treatment");
    }
}
