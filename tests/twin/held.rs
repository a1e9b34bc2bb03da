//! What quiet hours hold back: it is decided again by what is so when they end, and never said at
//! night.

use chrono::Timelike;
use jumeau::event::{Broadcast, Zone};
use jumeau::twin::{LiveBroadcast, Note, Timer};

use super::*;

const POLICY: &str = r#"
[policy]
name = "night"
languages = ["en"]

[contact]
timezone = "UTC"
quiet = "21:00-08:00"

[needs.season]
describe = "may like what is new"

[purposes.marketing]
expires = "30d"
ask_again = "ask_for_consent"

[interactions.form]
pause_after = "30m"
returns = ["page"]
resume = "go_on"

[[rules]]
name = "news"
on = ["track:News", "message:customer"]
then = [{ act = "tell" }]

[[rules]]
name = "looks at something"
on = "track:Looked"
then = [{ raise = "season", strength = 0.9 }]

[[rules]]
name = "a payment"
on = "track:Paid"
then = [{ act = "name_payment" }, { act = "ask_payment" }]

[[rules]]
name = "a payment that is remembered"
on = "track:Kept"
then = [{ act = "recall_payment" }, { set = "paid", to = "event.properties.amount" }]

[[actions]]
name = "tell"
issue = "service"
value = 0.9
cooldown = "0s"
[[actions.treatments]]
channel = "chat"
when = "profile.likes_chat == true"
text.en = "News, here."
[[actions.treatments]]
channel = "email"
text.en = "News."

[[actions]]
name = "ask_for_consent"
issue = "service"
value = 0.5
cooldown = "0s"
treatments = [{ channel = "email", text.en = "May we still write?" }]

[[actions]]
name = "go_on"
issue = "service"
value = 0.5
cooldown = "0s"
treatments = [{ channel = "email", text.en = "Go on with it?" }]

[[actions]]
name = "fill_room"
issue = "service"
value = 0.5
cooldown = "0s"
placements = ["hero"]
treatments = [{ channel = "app", text.en = "By the way." }]

[[actions]]
name = "summer"
serves = ["season"]
issue = "sales"
value = 0.5
cooldown = "0s"
[[actions.treatments]]
channel = "email"
text.en = "Summer by mail."
[[actions.treatments]]
channel = "sms"
text.en = "Summer by text."

[[actions]]
name = "winter"
serves = ["season"]
issue = "sales"
value = 0.6
cooldown = "0s"
treatments = [{ channel = "email", text.en = "Winter." }]

[[actions]]
name = "echo"
serves = ["season"]
issue = "nurture"
value = 0.9
treatments = [{ channel = "email", text.en = "Still thinking of {{ event.properties.what }}?" }]

[[actions]]
name = "name_payment"
issue = "service"
value = 0.5
treatments = [{ channel = "email", text.en = "{{ event.properties.amount }} it was." }]

[[actions]]
name = "ask_payment"
issue = "service"
value = 0.4
when = "event.properties.amount > 10"
treatments = [{ channel = "email", text.en = "Was that you?" }]

[[actions]]
name = "recall_payment"
issue = "service"
value = 0.5
treatments = [{ channel = "email", text.en = "{{ facts.paid }} it was." }]
"#;

const HOUR: Duration = Duration::from_secs(3_600);

fn at(time: &str) -> Time {
    Time::parse(time).unwrap()
}

/// Ada of Ghent, at eleven in the evening there.
fn at_night() -> Life {
    let mut life = Life::of("ada", policy_of(POLICY));
    life.now = at("2026-03-02T22:00:00Z");
    life.event("core", "identify", json!({ "traits": { "city": "Ghent" } }));
    life
}

/// What is said, and when.
fn said(reactions: &[Reaction]) -> Vec<(String, Time)> {
    let told = reactions.iter().filter_map(action);
    told.map(|action| (action.text.to_string(), action.at)).collect()
}

fn in_the_morning(words: &str) -> Vec<(String, Time)> {
    vec![(words.to_owned(), at("2026-03-03T08:00:00Z"))]
}

impl Life {
    /// A broadcast begins or ends; returns what comes of it if it wakes the customer.
    fn campaign(&mut self, data: serde_json::Value) -> Option<Reaction> {
        self.sequence += 1;
        let payload = json!({ "type": "broadcast", "data": data }).to_string();
        let told = Broadcast::parse("spring", &[], payload.as_bytes(), self.sequence).unwrap();
        let Some(shared) = LiveBroadcast::new(&told, self.now).unwrap() else {
            self.broadcasts.end("spring");
            return None;
        };
        let wake = shared.wake(&self.twin.customer, self.now);
        self.broadcasts.begin(shared).unwrap();
        Some(self.take(&wake))
    }

    /// The customer is in another time zone now.
    fn travels(&mut self, zone: &str) -> Reaction {
        self.event("core", "identify", json!({ "traits": { "timezone": zone } }))
    }

    /// A campaign comes at night, and nothing is said.
    fn meets(&mut self, data: serde_json::Value) {
        let woken = self.campaign(data).unwrap();
        assert!(woken.decision().is_some() && action(&woken).is_none(), "it is night");
    }
}

fn of_ghent(actions: &[&str]) -> serde_json::Value {
    json!({ "where": "profile.city == 'Ghent'", "decide": { "actions": actions } })
}

#[test]
fn a_campaign_that_comes_at_night_speaks_in_the_morning() {
    let mut life = at_night();
    life.meets(of_ghent(&["summer"]));
    assert_eq!(said(&life.pass(24 * HOUR)), in_the_morning("Summer by mail."));
    assert!(life.twin.timers.iter().all(|timer| !timer.name.starts_with("quiet:")));
}

#[test]
fn a_campaign_that_is_over_in_the_morning_says_nothing() {
    let mut life = at_night();
    life.meets(of_ghent(&["summer"]));
    life.campaign(json!({ "ended": true }));
    assert_eq!(said(&life.pass(24 * HOUR)), [], "it was ended");

    let mut life = at_night();
    let short = json!({ "ttl": 3_600, "decide": { "actions": ["summer"] } });
    life.meets(short);
    assert_eq!(said(&life.pass(24 * HOUR)), [], "it ran out");
}

#[test]
fn a_campaign_that_no_longer_concerns_somebody_says_nothing_to_them() {
    let mut life = at_night();
    life.meets(of_ghent(&["summer"]));
    life.event("core", "identify", json!({ "traits": { "city": "Bruges" } }));
    assert_eq!(said(&life.pass(24 * HOUR)), []);
}

#[test]
fn a_campaign_that_takes_the_place_of_another_speaks_for_itself() {
    let mut life = at_night();
    life.meets(of_ghent(&["winter"]));
    life.meets(of_ghent(&["summer"]));
    assert_eq!(said(&life.pass(24 * HOUR)), in_the_morning("Summer by mail."));

    let mut life = at_night();
    life.meets(of_ghent(&["winter"]));
    let elsewhere =
        json!({ "where": "profile.city == 'Liège'", "decide": { "actions": ["summer"] } });
    assert_eq!(life.campaign(elsewhere).unwrap().result, InputResult::Untouched);
    assert_eq!(said(&life.pass(24 * HOUR)), []);
}

#[test]
fn a_campaign_of_one_channel_is_said_there_in_the_morning() {
    for channel in ["sms", "SMS "] {
        let mut life = at_night();
        life.meets(json!({ "decide": { "actions": ["summer"], "channel": channel } }));
        assert_eq!(said(&life.pass(24 * HOUR)), in_the_morning("Summer by text."), "{channel}");
    }
}

#[test]
fn a_decision_deferred_by_an_earlier_release_is_decided_again() {
    let mut life = at_night();
    let due = at("2026-03-03T08:00:00Z");
    let timer = Timer { name: "quiet:tell".into(), due, every: None, catch_up: CatchUp::Coalesce };
    life.twin.timers.push(timer);
    assert_eq!(said(&life.pass(24 * HOUR)), in_the_morning("News."));
}

#[test]
fn an_action_deferred_by_an_unknown_zone_is_sent_once_the_zone_is_known() {
    let mut life = at_night();
    life.travels("IST");
    life.now = at("2026-03-03T12:00:00Z");
    assert!(action(&life.did("News")).is_none(), "it may be night there");
    assert_eq!(life.pass(240 * HOUR), [], "and may be so for ten days");
    life.travels("Europe/Dublin");
    assert_eq!(said(&life.pass(HOUR)), [("News.".to_owned(), at("2026-03-13T12:00:00Z"))]);

    let mut life = at_night();
    life.travels("IST");
    life.did("News");
    // Half past three in the morning there.
    life.travels("Asia/Kolkata");
    assert_eq!(said(&life.pass(24 * HOUR)), [("News.".to_owned(), at("2026-03-03T02:30:00Z"))]);
}

#[test]
fn a_campaign_action_deferred_by_an_unknown_zone_ends_with_the_campaign() {
    let mut life = at_night();
    life.travels("IST");
    life.meets(of_ghent(&["summer"]));
    life.campaign(json!({ "ended": true }));
    life.travels("America/New_York");
    assert_eq!(said(&life.pass(24 * HOUR)), []);
}

#[test]
fn a_deferred_action_survives_a_zone_that_stays_unknown_for_long() {
    let mut life = at_night();
    life.travels("IST");
    life.did("News");
    life.wait(60);
    let again = life.did("News");
    let starts = |effect: &Effect| matches!(effect, Effect::StartTimer { .. });
    assert!(!again.effects.iter().any(starts), "it waits already");
    let fired = life.pass(24 * 100 * HOUR);
    assert_eq!((fired.len(), said(&fired)), (3, vec![]), "it is decided again once a month");
    life.travels("America/New_York");
    assert_eq!(said(&life.pass(HOUR)).len(), 1);
}

#[test]
fn a_deferred_decision_moves_with_the_customer() {
    let morning_there = |zone: &str| {
        let mut life = at_night();
        life.travels("Europe/Brussels");
        assert!(action(&life.did("News")).is_none());
        life.wait(30);
        life.travels(zone);
        let times = said(&life.pass(48 * HOUR));
        assert_eq!(times.len(), 1, "{zone}: {times:?}");
        times[0].1
    };
    assert_eq!(morning_there("Europe/Brussels"), at("2026-03-03T07:00:00Z"), "as it was");
    assert_eq!(morning_there("Asia/Tokyo"), at("2026-03-02T23:00:00Z"), "morning comes sooner");
    assert_eq!(morning_there("Atlantic/Azores"), at("2026-03-03T09:00:00Z"), "or later");
    assert_eq!(morning_there("America/New_York"), at("2026-03-02T22:30:00Z"), "or it is day");
}

#[test]
fn a_visitors_deferred_decision_waits_for_the_morning_of_the_linked_customer() {
    let mut cookie = at_night();
    cookie.did("News");
    let mut ann = Life::of("ann", policy_of(POLICY));
    ann.now = cookie.now;
    ann.travels("Asia/Tokyo");
    let left = cookie.event("web", "link", json!({ "to": "ann" }));
    let message = left.effects.iter().find_map(|effect| match effect {
        Effect::Forward(message) => Some(message.payload.clone()),
        _ => None,
    });
    let payload = message.unwrap();
    let raw = Raw {
        channel: event::INTERNAL,
        customer: "ann",
        headers: &[],
        payload: &payload,
        sequence: 1,
    };
    ann.take(&Input::event(event::parse(&raw).unwrap(), ann.now));
    assert_eq!(said(&cookie.pass(24 * HOUR)), []);
    let morning_in_tokyo = at("2026-03-02T23:00:00Z");
    assert_eq!(said(&ann.pass(24 * HOUR)), [("News.".to_owned(), morning_in_tokyo)]);
}

#[test]
fn quiet_hours_that_a_policy_moves_hold_back_no_longer_than_they_last() {
    for (quiet, time) in [
        ("quiet = \"21:00-06:00\"", "2026-03-03T06:00:00Z"),
        ("quiet = \"21:00-09:00\"", "2026-03-03T09:00:00Z"),
        ("", "2026-03-02T23:00:00Z"),
    ] {
        let mut life = at_night();
        life.did("News");
        life.policy = policy_of(&POLICY.replace("quiet = \"21:00-08:00\"", quiet));
        life.now = life.now + HOUR;
        life.did("Anything");
        assert_eq!(said(&life.pass(24 * HOUR)), [("News.".to_owned(), at(time))], "{quiet}");
    }
}

#[test]
fn a_decision_deferred_at_night_uses_another_channel_in_the_morning() {
    let mut life = at_night();
    let reaction = life.says("chat", "customer", "Any news?", None);
    let verdict = verdict_of(&reaction, "tell");
    assert!(matches!(verdict, CandidateVerdict::NoTreatment { .. }), "{verdict}");
    assert_eq!(said(&life.pass(24 * HOUR)), in_the_morning("News."));

    let mut life = at_night();
    life.event("core", "identify", json!({ "traits": { "likes_chat": true } }));
    let reaction = life.says("chat", "customer", "Any news?", None);
    assert_eq!(action(&reaction).map(|told| &*told.text), Some("News, here."));
    assert_eq!(said(&life.pass(24 * HOUR)), [], "once is enough");
}

#[test]
fn an_offer_to_go_on_that_is_held_back_is_made_only_for_what_is_still_left() {
    let form = |state: &str| json!({ "id": "f-1", "kind": "form", "state": state, "step": 3 });
    for (goes_on, told) in [(false, in_the_morning("Go on with it?")), (true, vec![])] {
        let mut life = at_night();
        life.event("web", "interaction", form("started"));
        life.pass(2 * HOUR);
        let reaction = life.event("web", "page", json!({ "name": "home" }));
        let verdict = verdict_of(&reaction, "go_on").to_string();
        assert_eq!(verdict, "quiet hours until 2026-03-03T08:00:00Z");
        if goes_on {
            life.event("web", "interaction", form("completed"));
        }
        assert_eq!(said(&life.pass(24 * HOUR)), told);
        assert_eq!(said(&life.pass(48 * HOUR)), [], "once is enough");
    }
}

#[test]
fn a_request_for_a_consent_that_is_held_back_is_made_only_while_the_consent_lacks() {
    for (is_given, told) in [(false, true), (true, false)] {
        let mut life = at_night();
        life.consent("marketing", true);
        let night = 30 * 24 * HOUR + HOUR;
        assert_eq!(said(&life.pass(night)), [], "it lapses at night");
        if is_given {
            life.consent("marketing", true);
        }
        let told_in_the_morning = said(&life.pass(24 * HOUR));
        assert_eq!(!told_in_the_morning.is_empty(), told, "{told_in_the_morning:?}");
    }
}

#[test]
fn room_in_a_channel_that_asks_at_night_is_no_reason_to_write_in_the_morning() {
    let mut life = at_night();
    life.event("tv", "ask", json!({ "placements": ["hero"] }));
    assert_eq!(said(&life.pass(24 * HOUR)), []);
}

#[test]
fn a_deferred_text_that_reads_a_gone_event_is_noted() {
    let mut life = at_night();
    life.track("Kept", json!({ "amount": 20 }));
    let fired = life.pass(24 * HOUR);
    assert_eq!(said(&fired), in_the_morning("20 it was."));
    assert!(fired.iter().all(|reaction| reaction.notes.is_empty()), "a fact is remembered");

    let mut life = at_night();
    life.track("Paid", json!({ "amount": 20 }));
    let fired = life.pass(24 * HOUR);
    assert_eq!(said(&fired), []);
    let notes = fired.iter().flat_map(|reaction| &reaction.notes).map(Note::to_string);
    let notes: Vec<String> = notes.collect();
    assert_eq!(notes.len(), 1, "{notes:?}");
    let expected = "quiet hours deferred name_payment, and it can no longer be sent: it reads \
                    event.properties.amount, and the event is gone";
    assert!(notes[0].contains(expected), "{notes:?}");
}

#[test]
fn a_deferred_text_that_reads_a_gone_event_is_not_noted_if_another_is_sent() {
    let mut life = at_night();
    life.track("Looked", json!({ "what": "skis" }));
    let fired = life.pass(24 * HOUR);
    assert_eq!(said(&fired), in_the_morning("Winter."));
    assert!(fired.iter().all(|reaction| reaction.notes.is_empty()));
}

proptest! {
    #[test]
    fn a_traveller_has_quiet_hours_at_their_destination(
        stays in prop::collection::vec((0usize..6, 0u64..30 * 60, any::<bool>()), 1..12),
    ) {
        const ZONES: [&str; 6] =
            ["Europe/Brussels", "Asia/Kolkata", "IST", "America/New_York", "Asia/Tokyo", "UTC"];
        let mut life = at_night();
        let mut zone = "UTC";
        for (number, minutes, has_news) in stays {
            zone = ZONES[number];
            let mut reactions = vec![life.travels(zone)];
            if has_news {
                reactions.push(life.did("News"));
            }
            reactions.extend(life.pass(Duration::from_secs(60 * minutes)));
            for (_, time) in said(&reactions) {
                prop_assert_ne!(zone, "IST", "nobody knows what time it is there");
                let clock = time.to_utc().with_timezone(&Zone::parse(zone).unwrap());
                prop_assert!((8..21).contains(&clock.hour()), "{} in {}", clock, zone);
            }
        }
        if zone == "IST" {
            life.travels("UTC");
        }
        life.pass(24 * HOUR);
        let waits = life.twin.timers.iter().any(|timer| timer.name.starts_with("quiet:"));
        prop_assert!(!waits, "a day in one place is enough");
    }
}
