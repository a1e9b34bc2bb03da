//! Reads `[grave.<topic>]`: what follows from grave topics. Every topic has a default, which a policy may
//! sharpen; a policy that weakens it says why.

use std::time::Duration;

use super::queues::{AutoEscalation, EscalationTarget, escalation_target};
use super::read::{TomlItem, TomlTable};
use super::reader::PolicyReader;
use crate::language::GraveTopic;

/// What follows from a grave topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GraveRule {
    /// For how long after the last message about it nothing is sold or promoted.
    pub quiet: Duration,
    /// The escalation that it opens; none: the policy has no queues, or does without.
    pub opens: Option<AutoEscalation>,
}

/// What follows from each grave topic.
#[derive(Debug, Default)]
pub struct GraveRules([GraveRule; GraveTopic::ALL.len()]);

const DAY: Duration = Duration::from_secs(86_400);

/// The default quiet time in days and the default priority of a topic. A death is quiet for a quarter of a
/// year; the priorities are those at which a person looks at once (5), within the hour (4), today (3).
const fn default_of(topic: GraveTopic) -> (u32, u8) {
    match topic {
        GraveTopic::Danger | GraveTopic::Violence => (30, 5),
        GraveTopic::Bereavement => (90, 4),
        GraveTopic::Illness => (30, 3),
        GraveTopic::Fraud | GraveTopic::Accident => (7, 5),
        GraveTopic::Legal | GraveTopic::Vulnerable => (30, 4),
        GraveTopic::Hardship => (60, 3),
    }
}

impl GraveRules {
    /// What follows from a topic.
    pub fn of(&self, topic: GraveTopic) -> &GraveRule {
        &self.0[topic as usize]
    }

    /// The rules of a policy without `[grave]`.
    pub(super) fn defaults(reader: &PolicyReader) -> GraveRules {
        let mut rules = GraveRules::default();
        for &topic in GraveTopic::ALL {
            let (days, priority) = default_of(topic);
            let opens = AutoEscalation { to: EscalationTarget::Anybody, priority };
            let opens = Some(opens).filter(|_| !reader.names.queues.is_empty());
            rules.0[topic as usize] = GraveRule { quiet: days * DAY, opens };
        }
        rules
    }
}

pub(super) fn read(table: &TomlTable<'_>, reader: &PolicyReader, known: &mut Option<GraveRules>) {
    let Some(all) = table.get("grave").and_then(TomlItem::table) else { return };
    let rules = known.get_or_insert_with(|| GraveRules::defaults(reader));
    for &topic in GraveTopic::ALL {
        let Some(table) = all.get(topic.name()).and_then(TomlItem::table) else { continue };
        let rule = &mut rules.0[topic as usize];
        let (days, least) = default_of(topic);
        let may_weaken = table.get("relax").and_then(TomlItem::text).is_some();
        let weaker = |item: TomlItem<'_>, expected: String| {
            if !may_weaken {
                item.wrong(format!(
                    "expected {expected} for `{}`; what is weaker needs `relax = \"…\"` with the \
                     reason beside it",
                    topic.name()
                ));
            }
        };
        if let Some(item) = table.get("quiet")
            && let Some(quiet) = item.period()
        {
            if quiet < days * DAY {
                weaker(item, format!("at least {days}d"));
            }
            rule.quiet = quiet;
        }
        if let Some(item) = table.get("escalate") {
            rule.opens = opens(item, least, reader, weaker);
        }
        table.finish();
    }
    all.finish();
}

/// `false`, or a table with `queue` or `skill`, and `priority`.
fn opens(
    item: TomlItem<'_>,
    least: u8,
    reader: &PolicyReader,
    weaker: impl Fn(TomlItem<'_>, String),
) -> Option<AutoEscalation> {
    let Some(table) = item.as_table() else {
        match item.truth()? {
            false => weaker(item, "an escalation".to_owned()),
            true => {
                item.wrong("expected false, or a table with `queue` or `skill`; the default is on")
            }
        }
        return None;
    };
    let to = escalation_target(&table, "queue", reader).unwrap_or(EscalationTarget::Anybody);
    let priority = table.get("priority").and_then(|item| {
        let priority = u8::try_from(item.whole(1..=5)?).ok()?;
        if priority < least {
            weaker(item, format!("a priority of at least {least}"));
        }
        Some(priority)
    });
    table.finish();
    Some(AutoEscalation { to, priority: priority.unwrap_or(least) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Files, Policy, load};

    fn policy(grave: &str) -> Result<Policy, String> {
        let text = format!("[policy]\nname = \"p\"\nlanguages = [\"en\"]\n[queues.care]\n{grave}");
        load(&Files::new([("p.toml", text.as_str())])).map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn every_topic_keeps_sales_quiet_and_opens_an_escalation_without_a_word_of_the_policy() {
        let policy = policy("").unwrap();
        for &topic in GraveTopic::ALL {
            let rule = policy.grave.of(topic);
            assert!(rule.quiet >= 7 * DAY && rule.opens.is_some(), "{}: {rule:?}", topic.name());
        }
    }

    #[test]
    fn a_weaker_rule_needs_a_reason() {
        insta::assert_snapshot!(policy("[grave.legal]\nquiet = \"1d\"\nescalate = false").unwrap_err(), @r#"
        p.toml:6:10: expected at least 30d for `legal`; what is weaker needs `relax = "…"` with the reason beside it
         6 | quiet = "1d"
           |          ^^

        p.toml:7:12: expected an escalation for `legal`; what is weaker needs `relax = "…"` with the reason beside it
         7 | escalate = false
           |            ^^^^^
        "#);
        let relaxed =
            "[grave.legal]\nquiet = \"1d\"\nescalate = false\nrelax = \"our lawyers read all\"";
        let policy = policy(relaxed).unwrap();
        assert_eq!(*policy.grave.of(GraveTopic::Legal), GraveRule { quiet: DAY, opens: None });
    }

    #[test]
    fn unknown_topics_and_keys_are_mistakes() {
        let wrong = "[grave.death]\nquiet = \"90d\"\n[grave.fraud]\nsilent = true\n[grave.legal]\nescalate = { queue = \"care\", priority = 1 }";
        insta::assert_snapshot!(policy(wrong).unwrap_err(), @r#"
        p.toml:5:8: unknown key `death`; expected one of danger, bereavement, illness, fraud, accident, violence, legal, hardship, vulnerable
         5 | [grave.death]
           |        ^^^^^

        p.toml:8:1: unknown key `silent`; expected one of relax, quiet, escalate
         8 | silent = true
           | ^^^^^^

        p.toml:10:41: expected a priority of at least 4 for `legal`; what is weaker needs `relax = "…"` with the reason beside it
         10 | escalate = { queue = "care", priority = 1 }
            |                                         ^
        "#);
    }
}
