//! What is said once, for many: who meets it, who reads it, and for how long.

use std::collections::BTreeMap;

use jumeau::config::limits;
use jumeau::event::{Broadcast, Event, INTERNAL, Rejection};
use jumeau::policy::Exceeded;
use jumeau::twin::{Broadcasts, LiveBroadcast, Note, World};

use super::*;

const POLICY: &str = r#"
[policy]
name = "regions"
languages = ["en"]

[broadcasts]
scopes = ["fires", "floods"]
index = ["profile.region"]

[context.illness]
sensitivity = "sensitive"
purpose = ["care"]

[needs.shelter]
describe = "needs a place to stay"
expires = "30d"

[windows.visits]
on = "track:Visit"
over = "1h"

[counters.alarms]
on = ["broadcast:fires", "signal:illness"]
half_life = "365d"

[[rules]]
name = "moved"
on = "track:Moved"
then = [{ set = "lives_in", to = "event.properties.region" }]

[[rules]]
name = "fires, or both at once"
on = ["broadcast:fires", "track:Visit"]
when = "has(shared.fires)"
then = [{ set = "fires", to = "default(facts.fires, 0) + 1" }]

[[rules]]
name = "fires"
on = "broadcast:fires"
then = [
  { raise = "shelter", strength = 0.8, because = "fires, {{ shared.fires.level | default('of some') }} level" },
  { set = "heard_by", to = "event.type" },
  { set = "visits", to = "windows.visits" },
]

[[rules]]
name = "ill"
on = "signal:illness"
then = [{ set = "ill", to = "true" }]

[[rules]]
name = "asks"
on = "track:Ask"
then = [
  { set = "level", to = "shared.fires.level" },
  { set = "floods", to = "shared.floods" },
  { act = "sell" },
]

[[actions]]
name = "offer_shelter"
serves = ["shelter"]
issue = "service"
value = 0.9
cooldown = "0s"
when = "has(shared.fires)"
[[actions.treatments]]
channel = "sms"
text.en = "Fires of level {{ shared.fires.level }} near you. Call us."

[[actions]]
name = "sell"
issue = "sales"
value = 0.5
cooldown = "0s"
when = "shared.fires == null"
[[actions.treatments]]
channel = "app"
text.en = "Something to buy"
"#;

fn policy() -> &'static Policy {
    static LOADED: OnceLock<Policy> = OnceLock::new();
    LOADED.get_or_init(|| policy::load(&Files::new([("regions.toml", POLICY)])).unwrap())
}

/// Some customers, a clock, and what is shared among them.
#[derive(Clone)]
struct Town {
    twins: BTreeMap<String, Twin>,
    broadcasts: Broadcasts,
    now: Time,
    sequence: u64,
    /// How often a shelter was offered.
    offers: usize,
}

impl Town {
    fn new() -> Town {
        Town {
            twins: BTreeMap::new(),
            broadcasts: Broadcasts::default(),
            now: Time::parse("2026-03-02T09:00:00Z").unwrap(),
            sequence: 0,
            offers: 0,
        }
    }

    /// A town with a customer in each of some regions, who has the region's name.
    fn with(regions: &[&str]) -> Town {
        let mut town = Town::new();
        for region in regions {
            town.identify(region, region);
        }
        town
    }

    fn wait(&mut self, minutes: u64) {
        self.now = self.now + Duration::from_secs(60 * minutes);
    }

    fn take(&mut self, customer: &str, input: &Input) -> Reaction {
        let now = input.at;
        let twin = self
            .twins
            .entry(customer.to_owned())
            .or_insert_with(|| Twin::new(Customer::new(customer).unwrap(), now));
        let reaction = react(twin, input, &World::of(policy()).with(&self.broadcasts));
        assert_eq!(invariants::violations(twin), Vec::<String>::new());
        for effect in &reaction.effects {
            if let Effect::Forward(message) = effect {
                // What twins forward to each other arrives at once.
                let customer = message.to.as_str();
                let forwarded = self.read(INTERNAL, customer, &message.payload);
                self.take(customer, &Input::event(forwarded, now));
            }
        }
        self.offers += usize::from(offered(&reaction) == Some("offer_shelter"));
        reaction
    }

    fn event(&mut self, customer: &str, kind: &str, data: serde_json::Value) -> Reaction {
        self.sequence += 1;
        let payload = json!({ "type": kind, "data": data }).to_string();
        let event = self.read("web", customer, payload.as_bytes());
        self.take(customer, &Input::event(event, self.now))
    }

    fn read(&self, channel: &str, customer: &str, payload: &[u8]) -> Event {
        let raw = Raw { channel, customer, headers: &[], payload, sequence: self.sequence };
        event::parse(&raw).unwrap()
    }

    fn identify(&mut self, customer: &str, region: &str) -> Reaction {
        self.event(customer, "identify", json!({ "traits": { "region": region } }))
    }

    fn track(&mut self, customer: &str, name: &str) -> Reaction {
        self.event(customer, "track", json!({ "name": name }))
    }

    /// A broadcast is taken in; nobody hears of it yet.
    fn broadcast(&mut self, scope: &str, data: serde_json::Value) -> Result<(), Rejection> {
        self.sequence += 1;
        self.repeat(scope, data)
    }

    /// The last broadcast comes once more.
    fn repeat(&mut self, scope: &str, data: serde_json::Value) -> Result<(), Rejection> {
        let payload = json!({ "type": "broadcast", "data": data }).to_string();
        let told = Broadcast::parse(scope, &[], payload.as_bytes(), self.sequence)?;
        match LiveBroadcast::new(&told, self.now)? {
            Some(shared) => self.broadcasts.begin(shared).map(drop),
            None => {
                self.broadcasts.end(scope);
                Ok(())
            }
        }
    }

    fn fires(&mut self, region: &str) {
        let condition = format!("profile.region == '{region}'");
        let data = json!({ "value": { "level": 3 }, "where": condition, "wake": true });
        self.broadcast("fires", data).unwrap();
    }

    /// A customer is to hear of a broadcast that lives.
    fn wake(&mut self, customer: &str, scope: &str) -> Reaction {
        let shared = self.broadcasts.get(scope).unwrap().clone();
        let input = shared.wake(&Customer::new(customer).unwrap(), self.now);
        self.take(customer, &input)
    }

    fn fact(&self, customer: &str, name: &str) -> Option<Value> {
        self.twins[customer].facts.get(name).cloned()
    }

    /// How often rules heard of fires.
    fn heard(&self, customer: &str) -> Option<Value> {
        self.fact(customer, "fires")
    }
}

fn offered(reaction: &Reaction) -> Option<&str> {
    action(reaction).map(|action| &*action.action)
}

#[test]
fn a_matching_customer_receives_a_broadcast_once() {
    let mut town = Town::with(&["NSW"]);
    town.fires("NSW");
    let woken = town.wake("NSW", "fires");
    assert_eq!(woken.result, InputResult::Applied);
    assert_eq!(action(&woken).unwrap().text.as_ref(), "Fires of level 3 near you. Call us.");
    assert_eq!(town.fact("NSW", "heard_by"), Some("broadcast".into()));

    let again = town.wake("NSW", "fires");
    assert_eq!((again.result, again.effects.len()), (InputResult::Untouched, 0));
    town.track("NSW", "Other");
    assert_eq!(town.heard("NSW"), Some(Value::Int(1)));
    assert_eq!(town.twins["NSW"].met.len(), 1);
}

#[test]
fn a_customer_outside_is_as_they_were() {
    let mut town = Town::with(&["WA"]);
    let before = town.twins["WA"].clone();
    town.fires("NSW");
    assert_eq!(town.wake("WA", "fires").result, InputResult::Untouched);
    assert_eq!(town.twins["WA"], before);
    assert_eq!(offered(&town.track("WA", "Ask")), Some("sell"));
    assert_eq!(town.heard("WA"), None);
}

#[test]
fn moving_into_the_audience_receives_the_broadcast_and_moving_out_ends_it() {
    let mut town = Town::with(&["WA"]);
    town.fires("NSW");
    let moved = town.identify("WA", "NSW");
    assert_eq!(offered(&moved), Some("offer_shelter"));
    assert_eq!(town.fact("WA", "heard_by"), Some("identify".into()));
    assert_ne!(offered(&town.track("WA", "Ask")), Some("sell"));
    assert_eq!(town.fact("WA", "level"), Some(Value::Int(3)));

    town.identify("WA", "WA");
    assert_eq!(offered(&town.track("WA", "Ask")), Some("sell"));
    assert_eq!(town.fact("WA", "level"), None);
    town.identify("WA", "NSW");
    assert_eq!(town.heard("WA"), Some(Value::Int(1)), "they have met already");
}

#[test]
fn a_twin_that_appears_later_meets_it_with_its_first_event() {
    let mut town = Town::new();
    town.fires("NSW");
    assert_eq!(town.wake("NSW", "fires").result, InputResult::Untouched, "there is no such twin");
    assert_eq!(offered(&town.identify("NSW", "NSW")), Some("offer_shelter"));
}

#[test]
fn a_broadcast_ends_by_its_ttl_or_by_a_message() {
    let mut town = Town::with(&["NSW"]);
    town.broadcast("floods", json!({ "value": "high", "ttl": 600 })).unwrap();
    town.track("NSW", "Ask");
    assert_eq!(town.fact("NSW", "floods"), Some("high".into()));
    town.wait(10);
    town.track("NSW", "Ask");
    assert_eq!(town.fact("NSW", "floods"), None);
    assert_eq!(town.broadcasts.expire(town.now).len(), 1);
    assert!(town.broadcasts.is_empty());

    town.fires("NSW");
    assert_eq!(offered(&town.track("NSW", "Ask")), Some("offer_shelter"));
    assert_ne!(offered(&town.track("NSW", "Ask")), Some("sell"));
    town.broadcast("fires", json!({ "ended": true })).unwrap();
    assert_eq!(offered(&town.track("NSW", "Ask")), Some("sell"));
    assert!(town.twins["NSW"].met.is_empty(), "what is over is forgotten");
}

#[test]
fn another_one_of_the_same_scope_is_met_anew_and_a_copy_is_not() {
    let mut town = Town::with(&["NSW", "VIC"]);
    town.fires("NSW");
    town.wake("NSW", "fires");
    let copy = json!({ "value": { "level": 3 }, "where": "profile.region == 'NSW'" });
    town.repeat("fires", copy).unwrap();
    assert_eq!(town.wake("NSW", "fires").result, InputResult::Untouched);

    town.fires("VIC");
    assert_eq!(town.broadcasts.len(), 1);
    assert_eq!(town.wake("NSW", "fires").result, InputResult::Untouched);
    assert_eq!(town.wake("VIC", "fires").result, InputResult::Applied);
    town.fires("NSW");
    assert_eq!(town.wake("NSW", "fires").result, InputResult::Applied);
    assert_eq!(town.heard("NSW"), Some(Value::Int(2)));
}

#[test]
fn a_wake_up_for_a_broadcast_that_is_over_or_replaced_is_passed_over() {
    let mut town = Town::with(&["NSW"]);
    town.fires("NSW");
    let old = town.broadcasts.get("fires").unwrap().clone();
    let late = old.wake(&Customer::new("NSW").unwrap(), old.until);
    assert_eq!(town.take("NSW", &late).result, InputResult::Untouched);
    town.fires("NSW");
    let replaced = old.wake(&Customer::new("NSW").unwrap(), town.now);
    assert_eq!(town.take("NSW", &replaced).result, InputResult::Untouched);
}

#[test]
fn a_broadcast_is_no_sight_of_the_customer_and_stands_in_the_timeline() {
    let mut town = Town::with(&["NSW"]);
    town.track("NSW", "Visit");
    let seen = town.now;
    town.fires("NSW");
    town.wait(90);
    town.wake("NSW", "fires");
    let twin = &town.twins["NSW"];
    assert_eq!(twin.seen, seen);
    let entries: Vec<String> =
        twin.timeline.iter().map(|one| format!("{}: {}", one.what.name(), one.text)).collect();
    assert_eq!(entries, ["identify: region=NSW", "track: Visit", "broadcast: met fires"]);
    assert_eq!(town.fact("NSW", "visits"), Some(Value::Int(0)), "the hour is over all the same");
}

#[test]
fn a_rule_that_answers_to_both_runs_once_and_so_does_a_counter() {
    let mut town = Town::with(&["NSW"]);
    town.fires("NSW");
    town.track("NSW", "Visit");
    assert_eq!(town.heard("NSW"), Some(Value::Int(1)));
    assert_eq!(town.twins["NSW"].tallies.counters[0].value, 1.0);
}

#[test]
fn a_broadcast_never_goes_by_what_is_sensitive_nor_takes_it_up() {
    let mut town = Town::with(&["NSW"]);
    let ill = json!({ "name": "illness", "value": "flu" });
    town.broadcast("floods", json!({ "value": 1, "where": "context.illness == 'flu'" })).unwrap();
    town.event("NSW", "signal", ill.clone());
    assert_eq!(town.wake("NSW", "floods").result, InputResult::Untouched);
    assert_eq!(town.twins["NSW"].met, [], "nor has it met it before");

    // Met with a sensitive signal, it is not sensitive itself: help is offered by anybody.
    town.fires("NSW");
    let met = town.event("NSW", "signal", ill);
    assert_eq!(offered(&met), Some("offer_shelter"));
    assert_eq!(met.notes, [], "and nobody was told that a condition could not read it");
    let guards = &town.twins["NSW"].guards;
    let names: Vec<&str> = guards.iter().map(|guard| &*guard.name).collect();
    assert_eq!(names, ["ill", "alarms"], "what is made of the signal is");
}

#[test]
fn a_condition_with_a_mistake_is_refused_with_the_place_and_the_right_name() {
    let mut town = Town::new();
    let refusal = town
        .broadcast("fires", json!({ "value": 1, "where": "now > now && profle.region == 'NSW'" }))
        .unwrap_err();
    insta::assert_snapshot!(refusal, @"bad-data: expected in `where` an expression that selects customers; found at character 14: unknown name `profle`; did you mean `profile`?");
    assert!(town.broadcasts.is_empty());
}

#[test]
fn one_broadcast_too_many_is_refused_and_a_new_one_of_a_known_scope_is_not() {
    let mut town = Town::new();
    for number in 0..limits::BROADCASTS {
        town.broadcast(&format!("s{number}"), json!({ "value": 1, "ttl": 60 })).unwrap();
    }
    let refusal = town.broadcast("one-more", json!({ "value": 1 })).unwrap_err();
    assert_eq!(refusal.reason, Reason::Refused);
    town.broadcast("s7", json!({ "value": 2 })).unwrap();
    assert_eq!(town.broadcasts.get("s7").unwrap().value, Value::Int(2));
    town.wait(1);
    assert_eq!(town.broadcasts.expire(town.now).len(), limits::BROADCASTS - 1);
    town.broadcast("one-more", json!({ "value": 1 })).unwrap();
}

#[test]
fn a_customer_has_received_the_broadcasts_of_their_identifiers_until_they_are_unlinked() {
    let mut town = Town::new();
    town.identify("cookie", "NSW");
    town.identify("ann", "NSW");
    town.fires("NSW");
    town.wake("cookie", "fires");
    town.event("cookie", "link", json!({ "to": "ann", "merge": true }));
    assert_eq!(town.wake("ann", "fires").result, InputResult::Untouched);
    assert_eq!(town.wake("cookie", "fires").result, InputResult::Untouched);
    assert_eq!(town.offers, 1);

    // Nobody has told Ann herself.
    let parted = town.event("ann", "unlink", json!({ "from": "cookie" }));
    assert_eq!(offered(&parted), Some("offer_shelter"));
    assert_eq!(town.wake("ann", "fires").result, InputResult::Untouched);
    assert_eq!(town.wake("cookie", "fires").result, InputResult::Untouched);
}

/// Something that happens in a town of four customers and three regions.
#[derive(Debug, Clone)]
enum Happens {
    Moves(usize, usize),
    Visits(usize),
    Fires(usize),
    Over,
    Wakes(usize),
    Waits,
    Tidies,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        (0..4usize, 0..3usize).prop_map(|(who, to)| Happens::Moves(who, to)),
        (0..4usize).prop_map(Happens::Visits),
        (0..3usize).prop_map(Happens::Fires),
        Just(Happens::Over),
        (0..4usize).prop_map(Happens::Wakes),
        Just(Happens::Waits),
        Just(Happens::Tidies),
    ]
}

proptest! {
    #[test]
    fn each_twin_receives_each_matching_broadcast_once(
        all in prop::collection::vec(happens(), 0..60),
    ) {
        const CUSTOMERS: [&str; 4] = ["ann", "bob", "cid", "dot"];
        const REGIONS: [&str; 3] = ["NSW", "VIC", "WA"];
        let mut town = Town::new();
        // What is expected: where everybody lives, and which fires they have met.
        let mut homes: BTreeMap<usize, usize> = BTreeMap::new();
        let mut burning: Option<(u64, usize, Time)> = None;
        let mut met: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        for one in all {
            let before = town.clone();
            let (who, reaction) = match one {
                Happens::Moves(who, to) => {
                    homes.insert(who, to);
                    (who, town.identify(CUSTOMERS[who], REGIONS[to]))
                }
                Happens::Visits(who) => (who, town.track(CUSTOMERS[who], "Passing")),
                Happens::Wakes(who) if town.broadcasts.get("fires").is_some() => {
                    (who, town.wake(CUSTOMERS[who], "fires"))
                }
                Happens::Wakes(_) => continue,
                Happens::Fires(region) => {
                    let condition = format!("profile.region in ['{}']", REGIONS[region]);
                    let data = json!({ "value": { "level": 1 }, "where": condition, "ttl": 1800 });
                    town.broadcast("fires", data).unwrap();
                    let until = town.now + Duration::from_secs(1800);
                    burning = Some((town.sequence, region, until));
                    continue;
                }
                Happens::Over => {
                    town.broadcast("fires", json!({ "ended": true })).unwrap();
                    burning = None;
                    continue;
                }
                Happens::Waits => {
                    town.wait(10);
                    continue;
                }
                Happens::Tidies => {
                    town.broadcasts.expire(town.now);
                    continue;
                }
            };
            let known = met.entry(who).or_default();
            let meets = burning.is_some_and(|(number, region, until)| {
                town.now < until && homes.get(&who) == Some(&region) && !known.contains(&number)
            });
            known.extend(burning.filter(|_| meets).map(|(number, ..)| number));
            prop_assert_eq!(offered(&reaction) == Some("offer_shelter"), meets);
            if matches!(one, Happens::Wakes(_)) {
                let verdict = if meets { InputResult::Applied } else { InputResult::Untouched };
                prop_assert_eq!(&reaction.result, &verdict);
                if !meets {
                    let name = CUSTOMERS[who];
                    let was = before.twins.get(name).cloned();
                    let was = was.unwrap_or_else(|| town.twins[name].clone());
                    prop_assert_eq!(&town.twins[name], &was);
                }
            }
        }
        for (who, met) in met {
            let heard = town.heard(CUSTOMERS[who]);
            let times = if met.is_empty() { None } else { Some(Value::Int(met.len() as i64)) };
            prop_assert_eq!(heard, times);
        }
    }

    /// Whichever identifiers received it before they were merged, and in any order of the merges.
    #[test]
    fn a_customer_of_many_identifiers_meets_a_broadcast_once(
        told in prop::collection::vec(any::<bool>(), 4),
        order in Just(vec![1usize, 2, 3]).prop_shuffle(),
        targets in prop::collection::vec(any::<prop::sample::Index>(), 4),
    ) {
        let mut town = Town::new();
        let names = ["id0", "id1", "id2", "id3"];
        names.iter().for_each(|name| drop(town.identify(name, "NSW")));
        town.fires("NSW");
        for (name, _) in names.iter().zip(&told).filter(|(_, told)| **told) {
            town.wake(name, "fires");
        }
        // What is expected: whose each is by now, and who has met it.
        let (mut owner, mut met) = ([0usize, 1, 2, 3], told.clone());
        let mut offers = town.offers;
        for from in order {
            let to = targets[from].index(from);
            town.event(names[from], "link", json!({ "to": names[to], "merge": true }));
            let customer = owner[to];
            owner.iter_mut().filter(|owner| **owner == from).for_each(|owner| *owner = customer);
            // A memory that arrives is an input like any other, with which it may be met.
            offers += usize::from(!met[from] && !met[customer]);
            met[customer] = true;
        }
        names.iter().for_each(|name| drop(town.wake(name, "fires")));
        names.iter().for_each(|name| drop(town.track(name, "Other")));
        prop_assert_eq!(town.offers, offers);
        prop_assert_eq!(town.twins["id0"].met.len(), 1);
    }
}

#[test]
fn a_condition_out_of_steps_matches_no_customer_and_is_reported() {
    let mut town = Town::with(&["NSW"]);
    town.event("NSW", "identify", json!({ "traits": { "xs": vec![1; 150] } }));
    let condition = "profile.xs.all(a, profile.xs.all(b, a == b))";
    let data = json!({ "value": { "level": 3 }, "where": condition, "wake": true });
    town.broadcast("fires", data).unwrap();
    town.broadcast("floods", json!({ "value": 2, "where": "profile.xs.all(a, a == 1)" })).unwrap();
    let before = town.twins["NSW"].clone();
    let woken = town.wake("NSW", "fires");
    assert_eq!(woken.result, InputResult::Untouched);
    assert_eq!(woken.notes, [Note::Exceeded(Exceeded::Broadcast("fires".into()))]);
    assert_eq!(town.twins["NSW"], before);

    // Another input hears of it once, however many rules ask; and others are as they were.
    let asked = town.track("NSW", "Ask");
    let count = asked.notes.iter().filter(|note| matches!(note, Note::Exceeded(_))).count();
    assert_eq!(count, 1, "{:?}", asked.notes);
    assert_eq!(offered(&asked), Some("sell"));
    assert_eq!(town.fact("NSW", "floods"), Some(Value::Int(2)));

    // Whose list is short, meets it.
    town.event("NSW", "identify", json!({ "traits": { "xs": [1, 1] } }));
    assert_eq!(town.heard("NSW"), Some(Value::Int(1)));

    let deep = format!("profile.xs.exists(c, {condition})");
    let refused = town.broadcast("fires", json!({ "value": 1, "where": deep })).unwrap_err();
    assert!(
        refused.detail.contains("found at character 51: expected at most 2 nested list macros"),
        "{}",
        refused.detail
    );
}
