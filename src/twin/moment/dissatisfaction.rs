//! Dissatisfaction: how dissatisfied a customer is, as far as the company can know.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ReactionContext, View, World};
use crate::event::Time;
use crate::policy::{DissatisfactionRule, Policy};
use crate::twin::input::{Fired, Input};
use crate::twin::state::{Problem, Twin};

/// The customer's dissatisfaction and its parts, each from 0 to 1.
///
/// * `sentiment` is a bad mood: `max(0, −mood)`.
/// * `repetition` is `1 − 2^(1−n)`, where `n` is how often the most frequent problem occurred within the
///   policy's period: once is not a repetition.
/// * `open` is `1 − 2^(−n)`, where `n` is the number of open cases.
/// * `late` is `1 − 2^(−d)`, where `d` is the total delay of the answers to open cases, in units of the
///   policy's patience.
///
/// The index is `1 − Π (1 − weight · part)`: a noisy-or (Pearl, *Probabilistic Reasoning in Intelligent
/// Systems*, 1988, section 4.3.2). It grows with each part, stays within 0 and 1, and one part alone
/// raises it to its weight.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Dissatisfaction {
    /// The index.
    pub index: f64,
    /// A bad mood.
    pub sentiment: f64,
    /// A repeated problem.
    pub repetition: f64,
    /// Open cases.
    pub open: f64,
    /// Late answers.
    pub late: f64,
}

impl Dissatisfaction {
    /// Combines the parts, each from 0 to 1, by the weights of a policy.
    fn of(rule: &DissatisfactionRule, [sentiment, repetition, open, late]: [f64; 4]) -> Self {
        let weights = [rule.sentiment, rule.repetition, rule.open, rule.late];
        let content = weights
            .into_iter()
            .zip([sentiment, repetition, open, late])
            .map(|(weight, part)| 1.0 - weight * part)
            .product::<f64>();
        Dissatisfaction { index: 1.0 - content, sentiment, repetition, open, late }
    }
}

/// From 0 for no units towards 1; each unit halves the remaining distance.
fn saturated(units: f64) -> f64 {
    if units > 0.0 { 1.0 - (-units).exp2() } else { 0.0 }
}

impl Twin {
    /// The customer's dissatisfaction at a time; none if the policy does not define it.
    pub fn dissatisfaction(&self, policy: &Policy, now: Time) -> Option<Dissatisfaction> {
        let rule = policy.dissatisfaction.as_ref()?;
        // The mood does not read the current input.
        let nothing = Fired { name: "".into(), due: now, late: std::time::Duration::ZERO };
        let input = Input::timer(nothing, now);
        // Nor does it read broadcasts.
        let context = ReactionContext::new(self, &input, &World::of(policy), self.seen);
        Some(self.dissatisfaction_by(rule, &View::whole(self, &context)))
    }

    pub(in crate::twin) fn dissatisfaction_by(
        &self,
        rule: &DissatisfactionRule,
        view: &View<'_>,
    ) -> Dissatisfaction {
        let now = view.context.input.at;
        let view = View::whole(self, view.context);
        let mood = match &rule.mood {
            Some(mood) => mood.number(&view).unwrap_or(0.0),
            None => self.sentiment.as_ref().map_or(0.0, |known| known.overall.level(now)),
        };
        let sentiment = if mood.is_nan() { 0.0 } else { (0.0 - mood).clamp(0.0, 1.0) };
        let often = |topic: &str| {
            let since = now - rule.period;
            let same = |problem: &&Problem| *problem.topic == *topic && problem.at > since;
            self.problems.iter().filter(same).count()
        };
        let most = self.problems.iter().map(|problem| often(&problem.topic)).max().unwrap_or(0);
        let open = self.cases.iter().filter(|case| case.is_open());
        let late = open.clone().filter_map(|case| case.due).map(|due| now.since(due).as_secs_f64());
        let patience = rule.patience.as_secs_f64();
        Dissatisfaction::of(
            rule,
            [
                sentiment,
                saturated(most as f64 - 1.0),
                saturated(open.count() as f64),
                saturated(late.sum::<f64>() / patience),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::event::Time;
    use crate::event::{self, Customer, Raw};
    use crate::policy::{DissatisfactionRule, Files, Policy, load};
    use crate::twin::Input;
    use crate::twin::moment::{Dissatisfaction, World};
    use crate::twin::{invariants, react};

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

[[rules]]
name = "the site fails"
on = "track:Site Failed"
then = [{ problem = "site, {{ event.properties.step }}" }]
"#;

    fn policy() -> Policy {
        load(&Files::new([("test.toml", POLICY)])).unwrap_or_else(|mistakes| panic!("\n{mistakes}"))
    }

    fn day(days: f64) -> Time {
        Time::from_ms(1_760_000_000_000) + Duration::from_secs_f64(days * 86_400.0)
    }

    /// The final parts.
    fn lived(events: &[(f64, &str)], now: f64) -> Dissatisfaction {
        let policy = policy();
        let mut twin = Twin::new(Customer::new("ada").unwrap(), day(0.0));
        for (at, json) in events {
            let sequence = twin.timeline.total() + 1;
            let payload = json.as_bytes();
            let raw = Raw { channel: "web", customer: "ada", headers: &[], payload, sequence };
            let input = Input::event(event::parse(&raw).unwrap(), day(*at));
            react(&mut twin, &input, &World::of(&policy));
            assert_eq!(invariants::violations(&twin), Vec::<String>::new());
        }
        twin.dissatisfaction(&policy, day(now)).unwrap()
    }

    const FAILED: &str =
        r#"{"type": "track", "data": {"name": "Site Failed", "properties": {"step": "payment"}}}"#;

    fn case(id: &str, state: &str) -> String {
        format!(
            r#"{{"type": "case", "data": {{"id": "{id}", "state": "{state}", "topic": "bill",
                "due": "{}"}}}}"#,
            day(4.0)
        )
    }

    #[test]
    fn a_first_problem_is_no_repetition_and_each_further_one_adds_half_the_rest() {
        assert_eq!(lived(&[(0.0, FAILED)], 1.0).repetition, 0.0);
        assert_eq!(lived(&[(0.0, FAILED), (0.5, FAILED)], 1.0).repetition, 0.5);
        let thrice = [(0.0, FAILED), (0.5, FAILED), (0.6, FAILED)];
        assert_eq!(lived(&thrice, 1.0).repetition, 0.75);
        assert_eq!(lived(&thrice, 1.0).index, 0.375);
        assert_eq!(lived(&thrice, 40.0).repetition, 0.0, "after the period it is over");
    }

    #[test]
    fn one_case_is_one_problem_however_often_its_state_changes() {
        let moved = [(0.0, &*case("c-1", "open")), (1.0, &*case("c-1", "waiting"))];
        assert_eq!(lived(&moved, 2.0).repetition, 0.0);
        let again = [(0.0, &*case("c-1", "open")), (1.0, &*case("c-2", "open"))];
        assert_eq!(lived(&again, 2.0).repetition, 0.5);
        assert_eq!(lived(&again, 2.0).open, 0.75);
    }

    #[test]
    fn a_wait_as_long_as_the_patience_counts_half_until_the_answer() {
        let open = case("c-1", "open");
        assert_eq!(lived(&[(0.0, &open)], 4.0).late, 0.0);
        assert_eq!(lived(&[(0.0, &open)], 6.0).late, 0.5);
        let closed = case("c-1", "closed");
        assert_eq!(lived(&[(0.0, &open), (5.0, &closed)], 6.0).index, 0.0);
    }

    #[test]
    fn no_part_is_a_zero_with_a_minus_sign() {
        let looked = r#"{"type": "page", "data": {"name": "x"}}"#;
        let neutral = r#"{"type": "signal", "data": {"name": "mood", "value": 0.0}}"#;
        for events in [&[][..], &[(0.0, looked)], &[(0.0, neutral)]] {
            let json = serde_json::to_string(&lived(events, 1.0)).unwrap();
            assert!(!json.contains("-0"), "{json}");
        }
    }

    #[test]
    fn a_bad_mood_adds_and_a_good_one_subtracts_nothing() {
        let mood = |mood: &str| {
            format!(r#"{{"type": "signal", "data": {{"name": "mood", "value": {mood}}}}}"#)
        };
        let sad = lived(&[(0.0, &mood("-0.5"))], 1.0);
        assert_eq!((sad.sentiment, (sad.index * 1e9).round()), (0.5, 0.2e9));
        let glad = lived(&[(0.0, &mood("1")), (0.0, FAILED), (0.1, FAILED)], 1.0);
        assert_eq!((glad.sentiment, glad.index), (0.0, 0.25));
    }

    proptest! {
        #[test]
        fn the_index_stays_within_0_and_1_and_grows_with_each_part(
            parts in prop::array::uniform4(0.0f64..=1.0),
            more in prop::array::uniform4(0.0f64..=1.0),
            weights in prop::array::uniform4(0.0f64..=1.0),
        ) {
            let [sentiment, repetition, open, late] = weights;
            let mut rule = policy().dissatisfaction.unwrap();
            rule = DissatisfactionRule { sentiment, repetition, open, late, ..rule };
            let greater = std::array::from_fn(|at| f64::max(parts[at], more[at]));
            let (less, greater) =
                (Dissatisfaction::of(&rule, parts), Dissatisfaction::of(&rule, greater));
            prop_assert!((0.0..=1.0).contains(&less.index) && less.index <= greater.index + 1e-12);
        }
    }
}
