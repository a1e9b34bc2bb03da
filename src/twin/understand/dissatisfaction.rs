//! Notices problems, and when dissatisfaction reaches the alarm threshold.

use crate::event::EventKind;
use crate::policy::Trigger;
use crate::twin::input::Cause;
use crate::twin::moment::{ReactionContext, View};
use crate::twin::note::Notes;
use crate::twin::state::Twin;

impl Twin {
    /// Whether the dissatisfaction has just reached the policy's alarm threshold. It can do so again only
    /// after it has been below the calm threshold.
    pub(super) fn is_alarmed_now(&mut self, context: &ReactionContext<'_>) -> bool {
        let Some(rule) = &context.policy.dissatisfaction else { return false };
        let mut heard = context.policy.rules_for(Trigger::Dissatisfaction, "", []);
        if heard.next().is_none() && context.policy.escalates.dissatisfaction.is_none() {
            return false;
        }
        let index = self.dissatisfaction_by(rule, &View::whole(self, context)).index;
        let before = self.alarmed;
        self.alarmed = index >= if before { rule.calm } else { rule.alarm };
        self.alarmed && !before
    }
}

/// An open case is a problem, if its topic is known.
pub(super) fn perceive(twin: &mut Twin, context: &ReactionContext<'_>, notes: &mut Notes) {
    if context.policy.dissatisfaction.is_none() {
        return;
    }
    let Cause::Event(event) = &context.input.cause else { return };
    let EventKind::Case(case_data) = &event.kind else { return };
    let topic = twin.cases.iter().find(|case| case.id == case_data.id && case.is_open());
    if let Some(topic) = topic.and_then(|case| case.topic.clone()) {
        twin.note_problem(&topic, Some(&case_data.id), context.policy, context.input.at, notes);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::{self, Customer, Raw, Time};
    use crate::policy::{Files, load};
    use crate::twin::{Input, World, react};

    const POLICY: &str = r#"
[policy]
name = "test"
languages = ["en"]

[dissatisfaction]
mood = "context.mood"
sentiment = 0.4
repetition = 0.5
open = 0.2
late = 0.5
period = "30d"
patience = "2d"
alarm = 0.3

[[rules]]
name = "the site fails"
on = "track:Site Failed"
then = [{ problem = "site, {{ event.properties.step }}" }]
"#;

    const FAILED: &str =
        r#"{"type": "track", "data": {"name": "Site Failed", "properties": {"step": "payment"}}}"#;

    fn day(days: f64) -> Time {
        Time::from_ms(1_760_000_000_000) + Duration::from_secs_f64(days * 86_400.0)
    }

    /// How often a rule on `dissatisfaction` has run after each of these events.
    fn alarms(rule: &str, events: &[(f64, &str)]) -> Vec<i64> {
        let text = POLICY.replace("alarm = 0.3", "alarm = 0.3\ncalm = 0.2");
        let policy = load(&Files::new([("test.toml", &*(text + rule))]))
            .unwrap_or_else(|mistakes| panic!("\n{mistakes}"));
        let mut twin = Twin::new(Customer::new("ada").unwrap(), day(0.0));
        let mut counts = Vec::new();
        for (at, json) in events {
            let sequence = twin.timeline.total() + 1;
            let payload = json.as_bytes();
            let raw = Raw { channel: "web", customer: "ada", headers: &[], payload, sequence };
            let input = Input::event(event::parse(&raw).unwrap(), day(*at));
            react(&mut twin, &input, &World::of(&policy));
            let count = twin.facts.get("alarms").and_then(crate::event::Value::as_number);
            counts.push(count.unwrap_or(0.0) as i64);
        }
        counts
    }

    const COUNTED: &str = r#"
[[rules]]
name = "heard"
on = "dissatisfaction"
then = [{ set = "alarms", to = "default(facts.alarms, 0) + 1" }]
"#;

    #[test]
    fn rules_receive_one_alarm_until_dissatisfaction_has_fallen_again() {
        let looked = r#"{"type": "page", "data": {"name": "x"}}"#;
        // 0, 0.25, 0.375, 0.4375; then the first three are too old: 0.25, again 0.375, 0, and finally
        // 0.375 once more.
        let events = [
            (0.0, FAILED),
            (0.1, FAILED),
            (0.2, FAILED),
            (9.0, FAILED),
            (9.1, looked),
            (31.0, FAILED),
            (31.1, FAILED),
            (70.0, looked),
            (70.1, FAILED),
            (70.2, FAILED),
            (70.3, FAILED),
        ];
        assert_eq!(alarms(COUNTED, &events), [0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2]);
    }

    #[test]
    fn a_rule_on_the_alarm_may_have_a_further_condition() {
        let asked = COUNTED.replace("then", "when = \"event.channel == 'app'\"\nthen");
        assert_eq!(alarms(&asked, &[(0.0, FAILED), (0.1, FAILED), (0.2, FAILED)]), [0, 0, 0]);
    }

    #[test]
    fn the_effects_of_an_alarm_inherit_the_sensitivity_of_the_mood() {
        let guarded = format!(
            "{COUNTED}\n[context.mood]\nsensitivity = \"sensitive\"\npurpose = [\"care\"]\n"
        );
        let policy = load(&Files::new([("test.toml", &*(POLICY.to_owned() + &guarded))])).unwrap();
        let mut twin = Twin::new(Customer::new("ada").unwrap(), day(0.0));
        for (sequence, json) in (1..).zip([
            r#"{"type": "signal", "data": {"name": "mood", "value": -1, "ttl": 900}}"#,
            r#"{"type": "page", "data": {"name": "x"}}"#,
        ]) {
            let payload = json.as_bytes();
            let raw = Raw { channel: "web", customer: "ada", headers: &[], payload, sequence };
            let input = Input::event(event::parse(&raw).unwrap(), day(0.0));
            react(&mut twin, &input, &World::of(&policy));
        }
        assert!(twin.alarmed);
        assert!(twin.guard(crate::twin::Derived::Fact, "alarms").is_some());
    }
}
