//! Activities: how often a customer is active, in a few numbers, and the forecast from them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Mergeable;
use super::decay::decay;
use crate::event::Time;
use crate::models::{LONGER, Rhythm, trend};
use crate::policy::{ActivityMetric, ActivityRule, Found};

const DAY_SECS: f64 = 86_400.0;

/// The statistics of one kind of activity: how often it occurred, since when, when last, and its value.
///
/// In a merge with that of another identifier, counts and values are added, the first time is the earlier
/// and the last time the later. A day that both recorded counts twice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    /// The name of the policy's activity.
    pub name: Box<str>,
    /// The time of the first occurrence.
    pub first: Time,
    /// The time of the last occurrence.
    pub last: Time,
    /// The number of occurrences.
    pub times: u32,
    /// The half-life of the recent value; the long-term one has four times that.
    pub half_life: Duration,
    /// The recent value, as of `at`.
    pub recent: f64,
    /// The long-term value, as of `at`.
    pub lasting: f64,
    /// The time as of which the values are stored.
    pub at: Time,
}

impl Activity {
    fn new(name: &str, half_life: Duration, at: Time) -> Activity {
        let (first, last) = (at, at);
        Activity {
            name: name.into(),
            first,
            last,
            times: 0,
            half_life,
            recent: 0.0,
            lasting: 0.0,
            at,
        }
    }

    /// Fades the values to a later time.
    fn fade(&mut self, to: Time) {
        [self.recent, self.lasting] = self.faded(to);
        self.at = self.at.max(to);
    }

    /// Both values, faded to a time.
    fn faded(&self, now: Time) -> [f64; 2] {
        let elapsed = now.since(self.at);
        let longer = self.half_life * LONGER;
        [self.recent * decay(elapsed, self.half_life), self.lasting * decay(elapsed, longer)]
    }

    /// Adds values that were current at a time.
    fn add(&mut self, [recent, lasting]: [f64; 2], at: Time) {
        self.fade(at);
        // A late value has faded since then.
        let elapsed = self.at.since(at);
        let longer = self.half_life * LONGER;
        let sum = |sum: f64, more: f64| (sum + more).min(f64::MAX);
        self.recent = sum(self.recent, recent * decay(elapsed, self.half_life));
        self.lasting = sum(self.lasting, lasting * decay(elapsed, longer));
    }

    /// Records an occurrence of some value; one less than `apart` after the last one is a part of it.
    fn happen(&mut self, at: Time, value: f64, apart: Duration) {
        let is_part = self.times > 0 && at >= self.last && at.since(self.last) < apart;
        if !is_part {
            self.times = self.times.saturating_add(1);
            self.first = self.first.min(at);
            self.last = self.last.max(at);
        }
        self.add([value, value], at);
    }

    /// Merges the activity of another identifier.
    pub(in crate::twin) fn merge(&mut self, other: &Activity) {
        self.half_life = self.half_life.max(other.half_life);
        self.times = self.times.saturating_add(other.times);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.add([other.recent, other.lasting], other.at);
    }

    /// The inputs of a model of repeated activity, at a time.
    pub fn rhythm(&self, now: Time) -> Rhythm {
        let days = |span: Duration| span.as_secs_f64() / DAY_SECS;
        let recency = days(self.last.since(self.first));
        Rhythm {
            repeats: self.times.saturating_sub(1),
            recency,
            age: days(now.since(self.first)).max(recency),
        }
    }

    /// The trend of its value at a time, recent against long-term, −1 to 1.
    pub fn trend(&self, now: Time) -> f64 {
        let [recent, lasting] = self.faded(now);
        let age = now.max(self.at).since(self.first).as_secs_f64();
        trend(recent, lasting, age, self.half_life.as_secs_f64())
    }

    /// One metric of the activity, at a time.
    pub fn read(&self, rule: &ActivityRule, figure: ActivityMetric, now: Time) -> Found<'static> {
        let (rhythm, of) = (self.rhythm(now), &rule.population);
        Found::Float(match figure {
            ActivityMetric::Times => return Found::Int(self.times.into()),
            ActivityMetric::Last => return Found::Time(self.last),
            ActivityMetric::Silent => rhythm.age - rhythm.recency,
            ActivityMetric::Usual if rhythm.repeats == 0 => return Found::Missing,
            ActivityMetric::Usual => rhythm.recency / f64::from(rhythm.repeats),
            ActivityMetric::Alive => of.alive(&rhythm),
            ActivityMetric::Next => of.next(&rhythm),
            ActivityMetric::Doubt => of.doubt(&rhythm),
            ActivityMetric::Chance(days) => of.chance(&rhythm, days.into()),
            ActivityMetric::Expected(days) => of.expected(&rhythm, days.into()),
            ActivityMetric::Trend => self.trend(now),
        })
    }

    /// Counts an input by a policy's rule in a list of activities.
    pub(in crate::twin) fn count(
        all: &mut Vec<Activity>,
        name: &str,
        rule: &ActivityRule,
        value: f64,
        at: Time,
    ) {
        let position = all.iter().position(|known| *known.name == *name).unwrap_or_else(|| {
            all.push(Activity::new(name, rule.half_life, at));
            all.len() - 1
        });
        let known = &mut all[position];
        if known.half_life != rule.half_life {
            // Up to now the values fade with the old half-life.
            known.fade(at);
            known.half_life = rule.half_life;
        }
        known.happen(at, value.max(0.0), rule.apart);
    }
}

impl Mergeable for Activity {
    fn is_same(&self, other: &Activity) -> bool {
        self.name == other.name
    }

    fn merge(&mut self, other: &Activity) {
        Activity::merge(self, other);
    }

    fn rank(&self) -> impl Ord {
        (self.last, &*self.name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::event::{self, Customer, Raw};
    use crate::policy::Policy;
    use crate::policy::{Files, load};
    use crate::twin::state::Twin;
    use crate::twin::{Derived, Input, World, invariants, react};

    const DAY: Duration = Duration::from_secs(86_400);

    fn policy(more: &str) -> Policy {
        let text = format!(
            r#"
[policy]
name = "test"
languages = ["en"]
[activities.orders]
on = "track:Ordered"
value = "event.properties.total"
trend = "10d"
usual = "10d"
[[rules]]
name = "what is to be read"
on = "page"
then = [
  {{ set = "times", to = "activities.orders.times" }},
  {{ set = "silent", to = "activities.orders.silent_days" }},
  {{ set = "usual", to = "activities.orders.usual_days" }},
  {{ set = "alive", to = "activities.orders.alive" }},
  {{ set = "trend", to = "activities.orders.trend" }},
]
{more}"#
        );
        load(&Files::new([("test.toml", &*text)])).unwrap_or_else(|mistakes| panic!("\n{mistakes}"))
    }

    fn day(days: f64) -> Time {
        Time::from_ms(1_760_000_000_000) + Duration::from_secs_f64(days * 86_400.0)
    }

    fn tell(twin: &mut Twin, policy: &Policy, at: f64, kind: &str, data: serde_json::Value) {
        let payload = json!({ "type": kind, "data": data }).to_string();
        let sequence = twin.timeline.total() + 1;
        let payload = payload.as_bytes();
        let raw = Raw { channel: "web", customer: "ada", headers: &[], payload, sequence };
        react(twin, &Input::event(event::parse(&raw).unwrap(), day(at)), &World::of(policy));
        assert_eq!(invariants::violations(twin), Vec::<String>::new());
    }

    /// The twin of a customer who ordered on these days, read on another day.
    fn ordered(policy: &Policy, orders: &[(f64, f64)], looked: f64) -> Twin {
        let mut twin = Twin::new(Customer::new("ada").unwrap(), day(0.0));
        for (at, total) in orders {
            let data = json!({ "name": "Ordered", "properties": { "total": total } });
            tell(&mut twin, policy, *at, "track", data);
        }
        tell(&mut twin, policy, looked, "page", json!({ "name": "x" }));
        twin
    }

    fn fact(twin: &Twin, name: &str) -> Option<f64> {
        twin.facts.get(name).and_then(crate::event::Value::as_number)
    }

    #[test]
    fn an_activity_knows_how_often_and_when_last_the_customer_was_active() {
        let policy = policy("");
        let twin = ordered(&policy, &[(0.0, 9.0), (10.0, 9.0), (10.5, 9.0), (30.0, 9.0)], 40.0);
        let known = ["times", "silent", "usual"].map(|name| fact(&twin, name));
        assert_eq!(known, [Some(3.0), Some(10.0), Some(15.0)], "half a day later is the same one");
        let expected = policy.aggregates.activity("orders").unwrap().population.alive(&Rhythm {
            repeats: 2,
            recency: 30.0,
            age: 40.0,
        });
        assert_eq!(fact(&twin, "alive"), Some(expected));
        let [forecast] = &twin.forecasts(&policy, day(40.0))[..] else { panic!("one forecast") };
        assert_eq!((forecast.alive, forecast.times), (expected, 3));
    }

    #[test]
    fn a_customer_without_activity_has_a_count_of_zero_and_no_other_figure() {
        let twin = ordered(&policy(""), &[], 40.0);
        assert_eq!(fact(&twin, "times"), Some(0.0));
        let others = ["silent", "usual", "alive", "trend"].map(|name| fact(&twin, name));
        assert_eq!(others, [None; 4]);
    }

    #[test]
    fn rising_values_raise_the_trend_and_falling_values_lower_it() {
        let policy = policy("");
        let trend = |values: [f64; 4]| {
            let orders: Vec<(f64, f64)> =
                (0..4).zip(values).map(|(at, value)| (f64::from(at) * 10.0, value)).collect();
            fact(&ordered(&policy, &orders, 35.0), "trend").unwrap()
        };
        assert!(trend([5.0, 5.0, 50.0, 50.0]) > trend([20.0; 4]) + 0.1);
        assert!(trend([50.0, 50.0, 5.0, 5.0]) < trend([20.0; 4]) - 0.1);
    }

    #[test]
    fn a_late_event_counts_at_its_own_time() {
        let policy = policy("");
        let all = [(0.0, 9.0), (20.0, 5.0), (30.0, 7.0)];
        let late = [(0.0, 9.0), (30.0, 7.0), (20.0, 5.0)];
        let [one, other] = [all, late].map(|orders| {
            let twin = ordered(&policy, &orders, 40.0);
            let known = twin.tallies.activity("orders").unwrap();
            (known.rhythm(day(40.0)), (known.trend(day(40.0)) * 1e9).round())
        });
        assert_eq!(one, other);
    }

    #[test]
    fn an_activity_counted_on_a_sensitive_signal_is_sensitive() {
        let sensitive = r#"
[context.illness]
sensitivity = "sensitive"
purpose = ["care"]
[activities.attacks]
on = "signal:illness"
usual = "10d"
"#;
        let policy = policy(sensitive);
        let mut twin = Twin::new(Customer::new("ada").unwrap(), day(0.0));
        let data = json!({ "name": "illness", "value": "asthma" });
        tell(&mut twin, &policy, 0.0, "signal", data);
        assert!(twin.guard(Derived::Activity, "attacks").is_some());
    }

    #[test]
    fn an_activity_absent_from_the_policy_is_dropped_with_the_next_event_of_another() {
        let before = policy("[activities.visits]\non = \"page\"\nusual = \"1d\"\n");
        let mut twin = ordered(&before, &[], 0.0);
        assert!(twin.tallies.activity("visits").is_some());
        let data = json!({ "name": "Ordered", "properties": {} });
        tell(&mut twin, &policy(""), 1.0, "track", data);
        assert!(twin.tallies.activity("visits").is_none());
        let known = twin.tallies.activity("orders").unwrap();
        assert_eq!((known.times, known.recent), (1, 0.0), "without a value it is one all the same");
    }

    fn activity() -> impl Strategy<Value = Activity> {
        prop::collection::vec((0..200u32, 0.0..100.0f64), 1..12).prop_map(|happened| {
            let (first, _) = happened[0];
            let mut known = Activity::new("orders", DAY * 10, day(first.into()));
            for (at, value) in happened {
                known.happen(day(at.into()), value, DAY);
            }
            known
        })
    }

    proptest! {
        #[test]
        fn merging_activities_is_commutative_and_associative(
            [one, two, three] in prop::array::uniform3(activity()),
        ) {
            let both = |one: &Activity, other: &Activity| {
                let mut both = one.clone();
                both.merge(other);
                both
            };
            let figures = |known: &Activity| {
                let trend = (known.trend(day(300.0)) * 1e9).round() / 1e9;
                (known.rhythm(day(300.0)), known.times, trend)
            };
            prop_assert_eq!(figures(&both(&one, &two)), figures(&both(&two, &one)));
            let left = both(&both(&one, &two), &three);
            prop_assert_eq!(figures(&left), figures(&both(&one, &both(&two, &three))));
        }
    }
}
