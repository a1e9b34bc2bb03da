//! How a twin reacts: each test is one sentence about one customer.

mod arms;
mod briefs;
mod broadcasts;
mod chances;
mod consents;
mod contacts;
mod decisions;
mod escalations;
mod freshness;
mod grave;
mod held;
mod interactions;
mod languages;
mod late;
mod life;
mod numbers;
mod preferences;
mod retention;
mod texts;
mod uplift;
mod zones;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jumeau::event::{self, Customer, Raw, Reason, Time, Value};
use jumeau::policy::{self, CatchUp, Files, Policy};
use jumeau::twin::{
    Block, CandidateVerdict, Effect, Escalation, EscalationState, Fired, Input, InputResult,
    Interaction, Reaction, Twin, invariants, react,
};
use proptest::prelude::*;
use serde_json::json;

use life::{Life, action, escalations, policy_of, verdict_of};

const POLICY: &str = r#"
[policy]
name = "test"
languages = ["en", "fr"]

[needs.help]
describe = "the customer needs a hand"
expires = "1h"

[needs.offer]
describe = "the customer may like an offer"
expires = "1d"

[preferences.seat]
evidence = 3
confidence = 0.6
say = 0.75
half_life = "100d"
relearn_after = "30d"

[preferences.channel]
[preferences.hour]
confidence = 0.5

[interactions.form]
pause_after = "30m"
leaves = ["track:Signed Out"]
returns = ["page", "track:Back", "message:customer"]
resume = "resume"
value = 0.8
steps = 5

[interactions.cart]
returns = ["page"]
resume = "resume"
value = 0.2

[interactions.conversation]
pause_after = "1h"

[[rules]]
name = "asks for help"
on = "track:Help"
then = [{ raise = "help", strength = 0.8, because = "{{ event.properties.why }}" }]

[[rules]]
name = "may like an offer"
on = "track:Browse"
then = [{ raise = "offer", strength = 0.9 }]

[[rules]]
name = "helped"
on = "track:Helped"
then = [{ satisfy = "help" }]

[[rules]]
name = "card"
on = "track:Pay"
when = 'context.card == "blocked"'
then = [{ raise = "help", strength = 1.0 }]

[[rules]]
name = "chooses a seat"
on = "track:Seat"
then = [{ prefer = "seat", value = "event.properties.seat" }]

[[rules]]
name = "says a seat"
on = "message:customer"
when = 'mentions(event.text, ["window from now on"])'
then = [{ declare = "seat", value = '"window"' }]

[[rules]]
name = "keeps a seat"
on = "track:Keep Seat"
then = [{ act = "keep_seat" }]

[[rules]]
name = "the bot fails"
on = "track:Bot Failed"
then = [{ escalate = "billing", topic = "bill", priority = 4, because = "the bot failed" }]

[[rules]]
name = "reminder"
on = "track:Remind"
then = [{ start = "reminder", after = "10m", every = "10m", catch_up = "coalesce" }]

[[rules]]
name = "reminded"
on = "timer:reminder"
then = [{ set = "reminded", to = "default(facts.reminded, 0) + 1" }]

[[rules]]
name = "nonsense"
on = "track:Nonsense"
then = [
  { set = "broken", to = "event.properties.text * 2" },
  { set = "sound", to = "1" },
]

[[rules]]
name = "looks outside"
on = "track:Look Outside"
then = [{ set = "weather", to = "default(context.weather, 'unknown')" }]

[[rules]]
name = "stays in"
on = "track:Stay In"
then = [{ act = "stay_in" }]

[[rules]]
name = "asks for the weather"
on = "track:Tell Weather"
then = [{ act = "tell_weather" }]

[[actions]]
name = "stay_in"
issue = "service"
value = 0.9
when = 'context.weather == "storm"'
cooldown = "0s"
[[actions.treatments]]
channel = "app"
text.en = "Stay in: {{ context.weather }}"

[[actions]]
name = "tell_weather"
issue = "service"
value = 0.9
cooldown = "0s"
[[actions.treatments]]
channel = "app"
text.en = "The weather: {{ context.weather }}"

[[actions]]
name = "help"
serves = ["help"]
issue = "service"
value = 0.9
cooldown = "10m"
[[actions.treatments]]
name = "by-name"
channel = "app"
text.en = "Hello {{ profile.first_name }}, how can we help?"
text.fr = "Bonjour {{ profile.first_name }}, comment vous aider ?"
[[actions.treatments]]
name = "plain"
channel = "email"
text.en = "How can we help?"
text.fr = "Comment vous aider ?"

[[actions]]
name = "keep_seat"
issue = "service"
value = 0.9
cooldown = "0s"
data = { seat = "preferences.seat", hour = "preferences.hour" }
[[actions.treatments]]
name = "named"
channel = "app"
text.en = "Your {{ preferences.seat }} seat is kept"
[[actions.treatments]]
name = "plain"
channel = "app"
text.en = "Your seat is kept"
[[actions.treatments]]
channel = "sms"
text.en = "A seat is kept for you"

[[actions]]
name = "resume"
issue = "service"
value = 0.9
cooldown = "0s"
data = { id = "interactions.best.id", filled = "interactions.best.data" }
[[actions.treatments]]
channel = "app"
text.en = "Go on with {{ interactions.best.kind }} at step {{ interactions.best.step }}?"

[[actions]]
name = "sell"
serves = ["offer"]
issue = "sales"
purpose = "marketing"
value = 0.5
cooldown = "1d"
[[actions.treatments]]
name = "plain"
channel = "app"
text.en = "Here is something for you."
"#;

/// A customer of the company above.
fn ada() -> Life {
    static LOADED: OnceLock<Arc<Policy>> = OnceLock::new();
    Life::of("ada", LOADED.get_or_init(|| policy_of(POLICY)).clone())
}

impl Life {
    fn form(&mut self, channel: &str, id: &str, kind: &str, state: &str, step: u8) -> Reaction {
        let data = json!({ "id": id, "kind": kind, "state": state, "step": step, "data": { "amount": 9 } });
        self.event(channel, "interaction", data)
    }

    fn page(&mut self, channel: &str) -> Reaction {
        self.event(channel, "page", json!({ "name": "Home" }))
    }

    /// What is offered to be taken up.
    fn offered(&self, reaction: &Reaction) -> Option<String> {
        let offer = action(reaction).filter(|action| &*action.action == "resume")?;
        offer.data.get("id").map(ToString::to_string)
    }

    fn interaction(&self, id: &str) -> &Interaction {
        self.twin.interactions.iter().find(|known| &*known.id == id).unwrap()
    }

    /// The first timer fires now, too late by so much.
    fn fire(&mut self, late: Duration) -> Reaction {
        let timer = self.twin.timers[0].clone();
        let fired = Fired { name: timer.name, due: timer.due, late };
        self.take(&Input::timer(fired, self.now))
    }
}

/// What people are told first.
fn escalation(reaction: &Reaction) -> Option<Escalation> {
    escalations(reaction).into_iter().next()
}

#[test]
fn a_need_leads_to_the_action_that_serves_it_with_its_reason() {
    let mut life = ada();
    life.event("web", "identify", json!({ "traits": { "first_name": "Ada" } }));
    let reaction = life.track("Help", json!({ "why": "the form does not open" }));
    let action = action(&reaction).unwrap();
    assert_eq!((&*action.action, &*action.channel), ("help", "app"));
    assert_eq!(&*action.text, "Hello Ada, how can we help?");
    assert_eq!(&*action.reason.because, "the form does not open");
    assert!((action.reason.score - 0.36).abs() < 1e-9);
}

#[test]
fn a_missing_value_picks_another_treatment_and_never_prints_a_hole() {
    let mut life = ada();
    let reaction = life.track("Help", json!({ "why": "x" }));
    let action = action(&reaction).unwrap();
    assert_eq!((&*action.treatment, &*action.text), ("plain", "How can we help?"));
}

#[test]
fn the_customers_language_is_spoken() {
    let mut life = ada();
    life.event("web", "identify", json!({ "traits": { "first_name": "Ada", "locale": "fr-CA" } }));
    let reaction = life.track("Help", json!({ "why": "x" }));
    assert_eq!(&*action(&reaction).unwrap().language, "fr");
}

#[test]
fn a_declared_channel_outranks_the_policys_order() {
    let mut life = ada();
    life.event("web", "identify", json!({ "traits": { "first_name": "Ada" } }));
    life.event("web", "preference", json!({ "key": "channel", "value": "email" }));
    let reaction = life.track("Help", json!({ "why": "x" }));
    assert_eq!(&*action(&reaction).unwrap().channel, "email");
}

#[test]
fn an_action_rests_until_its_cooldown_is_over() {
    let mut life = ada();
    assert!(action(&life.track("Help", json!({ "why": "x" }))).is_some());
    life.wait(9);
    let again = life.track("Help", json!({ "why": "x" }));
    assert!(action(&again).is_none());
    assert!(matches!(verdict_of(&again, "help"), CandidateVerdict::CoolingDown { .. }));
    life.wait(1);
    assert!(action(&life.track("Help", json!({ "why": "x" }))).is_some());
}

#[test]
fn without_consent_nothing_is_sold() {
    let mut life = ada();
    let refused = life.did("Browse");
    assert!(action(&refused).is_none());
    assert!(matches!(verdict_of(&refused, "sell"), CandidateVerdict::NoConsent { .. }));
    life.event("web", "consent", json!({ "purpose": "marketing", "granted": true }));
    assert_eq!(&*action(&life.did("Browse")).unwrap().action, "sell");
}

#[test]
fn a_consent_for_one_channel_outranks_the_general_one() {
    let mut life = ada();
    life.event("web", "consent", json!({ "purpose": "marketing", "granted": true }));
    let data = json!({ "purpose": "marketing", "granted": false, "channel": "app" });
    life.event("web", "consent", data);
    assert!(action(&life.did("Browse")).is_none());
}

#[test]
fn the_better_score_wins_and_the_loser_is_recorded() {
    let mut life = ada();
    life.event("web", "consent", json!({ "purpose": "marketing", "granted": true }));
    life.did("Browse");
    life.wait(24 * 60);
    life.did("Browse");
    let reaction = life.track("Help", json!({ "why": "x" }));
    let action = action(&reaction).unwrap();
    assert_eq!(&*action.action, "help");
    assert_eq!(&*action.reason.instead_of[0].action, "sell");
}

#[test]
fn a_satisfied_need_and_an_expired_one_are_gone() {
    let mut life = ada();
    life.track("Help", json!({ "why": "x" }));
    assert!(life.twin.need("help", life.now).is_some());
    life.did("Helped");
    assert!(life.twin.needs.is_empty());
    life.track("Help", json!({ "why": "x" }));
    life.wait(60);
    assert!(life.twin.need("help", life.now).is_none());
    life.did("Other");
    assert!(life.twin.needs.is_empty());
}

#[test]
fn a_stale_signal_is_not_used() {
    let mut life = ada();
    life.event("web", "signal", json!({ "name": "card", "value": "blocked", "ttl": 60 }));
    assert!(action(&life.did("Pay")).is_some());
    life.wait(60);
    assert!(action(&life.did("Pay")).is_none());
}

#[test]
fn a_duplicate_changes_nothing() {
    let mut life = ada();
    life.track("Help", json!({ "why": "x" }));
    let before = life.twin.clone();
    life.sequence -= 1;
    life.wait(30);
    let again = life.track("Help", json!({ "why": "x" }));
    assert_eq!(again.result, InputResult::Duplicate);
    assert!(again.effects.is_empty());
    assert_eq!(life.twin, before);
}

#[test]
fn a_refused_event_changes_nothing() {
    let mut life = ada();
    life.track("Help", json!({ "why": "x" }));
    let before = life.twin.clone();
    let data = json!({ "escalation": "e1", "state": "claimed", "agent": "kim" });
    match life.event("desk", "handoff", data).result {
        InputResult::Refused(rejection) => assert_eq!(rejection.reason, Reason::Refused),
        other => panic!("expected a refusal, found {other:?}"),
    }
    assert_eq!(life.twin, before);
}

#[test]
fn an_escalation_opens_once_with_the_transcript() {
    let mut life = ada();
    life.event("chat", "message", json!({ "text": "my bill is wrong", "from": "customer" }));
    life.event("chat", "message", json!({ "text": "I did not get that", "from": "bot" }));
    let reaction = life.did("Bot Failed");
    let opened = escalation(&reaction).unwrap();
    assert_eq!((&*opened.queue, opened.priority), ("billing", 4));
    let brief = opened.brief.as_ref().unwrap();
    let said: Vec<&str> = brief.transcript.iter().map(|line| &*line.text).collect();
    assert_eq!(said, ["my bill is wrong", "I did not get that"]);
    assert!(escalation(&life.did("Bot Failed")).is_none());
}

#[test]
fn while_an_agent_holds_the_conversation_automation_keeps_quiet() {
    let mut life = ada();
    let reaction = life.did("Bot Failed");
    let id = escalation(&reaction).unwrap().id.clone();
    let data = json!({ "escalation": id, "state": "claimed", "agent": "kim" });
    let claimed = life.event("desk", "handoff", data);
    assert_eq!(escalation(&claimed).unwrap().state, EscalationState::Claimed);
    let quiet = life.track("Help", json!({ "why": "x" }));
    assert!(action(&quiet).is_none());
    assert_eq!(verdict_of(&quiet, "help"), CandidateVerdict::HeldByAgent);
    life.event(
        "desk",
        "handoff",
        json!({ "escalation": id, "state": "handed-back", "agent": "kim" }),
    );
    assert!(action(&life.track("Help", json!({ "why": "x" }))).is_some());
}

#[test]
fn an_outcome_is_remembered_with_its_contact() {
    let mut life = ada();
    let reaction = life.track("Help", json!({ "why": "x" }));
    let decision = action(&reaction).unwrap().decision.clone();
    life.event("app", "outcome", json!({ "decision": decision, "outcome": "accepted" }));
    let outcome = life.twin.last_contact("help").unwrap().outcome.unwrap();
    assert_eq!(outcome.kind.name(), "accepted");
}

#[test]
fn a_timer_fires_once_for_all_it_missed_if_it_coalesces() {
    let mut life = ada();
    life.did("Remind");
    assert_eq!(life.twin.timers[0].catch_up, CatchUp::Coalesce);
    life.wait(45);
    let reaction = life.fire(Duration::from_secs(35 * 60));
    assert_eq!(reaction.result, InputResult::Applied);
    assert_eq!(life.twin.facts.get("reminded"), Some(&Value::Int(1)));
    assert_eq!(life.twin.timers[0].due, life.now + Duration::from_secs(5 * 60));
}

#[test]
fn a_step_that_cannot_be_worked_out_is_noted_and_harms_no_other() {
    let mut life = ada();
    let reaction = life.track("Nonsense", json!({ "text": "x" }));
    assert_eq!(reaction.result, InputResult::Applied);
    assert_eq!(reaction.notes.len(), 1);
    assert_eq!(life.twin.facts.get("sound"), Some(&Value::Int(1)));
    assert!(life.twin.facts.get("broken").is_none());
}

fn any_event() -> impl Strategy<Value = (String, serde_json::Value)> {
    let word = "[a-z]{1,3}";
    let event = |kind: &'static str| move |data: serde_json::Value| (kind.to_owned(), data);
    prop_oneof![
        (word, word).prop_map(|(k, v)| json!({ "traits": { k: v } })).prop_map(event("identify")),
        (0..9usize)
            .prop_map(|at| {
                let names = [
                    "Help",
                    "Helped",
                    "Browse",
                    "Pay",
                    "Seat",
                    "Bot Failed",
                    "Remind",
                    "Nonsense",
                    "x",
                ];
                json!({ "name": names[at], "properties": { "seat": at % 3, "why": "because" } })
            })
            .prop_map(event("track")),
        (word, 0..3usize)
            .prop_map(|(text, from)| {
                let from = ["customer", "agent", "bot"][from];
                json!({ "text": text, "from": from })
            })
            .prop_map(event("message")),
        (word, any::<bool>())
            .prop_map(|(purpose, granted)| json!({ "purpose": purpose, "granted": granted }))
            .prop_map(event("consent")),
        (word, 0..100u32)
            .prop_map(|(name, ttl)| json!({ "name": name, "value": ttl, "ttl": ttl }))
            .prop_map(event("signal")),
        (word, word)
            .prop_map(|(id, state)| json!({ "id": id, "state": state }))
            .prop_map(event("case")),
        (word, 0..6usize)
            .prop_map(|(id, at)| {
                let states =
                    ["started", "progressed", "paused", "resumed", "completed", "abandoned"];
                let kind = ["form", "cart", "call"][at % 3];
                json!({ "id": id, "kind": kind, "state": states[at], "data": { "field": at } })
            })
            .prop_map(event("interaction")),
        (word, word)
            .prop_map(|(key, value)| json!({ "key": key, "value": value }))
            .prop_map(event("preference")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_twin_stays_within_its_limits_and_survives_its_record(
        events in prop::collection::vec((any_event(), 0u64..100), 1..400),
    ) {
        let mut life = ada();
        for ((kind, data), minutes) in events {
            life.wait(minutes);
            life.event("web", &kind, data);
            prop_assert_eq!(invariants::violations(&life.twin), Vec::<String>::new());
        }
        let blocks: Vec<Block<'_>> =
            life.twin.timeline.blocks_since(0).map(|(_, block)| block).collect();
        let mut sealed = Vec::new();
        jumeau::codec::encode(jumeau::codec::RecordKind::Twin, &life.twin.record(), &mut sealed).unwrap();
        let record = jumeau::codec::decode(jumeau::codec::RecordKind::Twin, &sealed).unwrap();
        let back = Twin::from_record(life.twin.customer.clone(), record, &blocks);
        prop_assert_eq!(back, life.twin);
    }
}
