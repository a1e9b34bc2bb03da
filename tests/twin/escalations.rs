//! Escalations: opened by rules and by the twin itself, held by one agent, kept in time.

use std::time::Duration;

use jumeau::twin::{Escalation, EscalationState, InputResult, Reaction};
use serde_json::{Value, json};

use super::life::{Life, escalations, policy_of};

const POLICY: &str = r#"
[policy]
name = "test"
languages = ["en", "fr"]

[queues.care]
respond = "30m"
resolve = "2h"
next = "chiefs"
languages = ["en"]

[queues.soin]
languages = ["fr"]
skills = ["care"]

[queues.billing]
skills = ["billing"]
when = 'profile.plan == "gold"'

[queues.chiefs]
respond = "1h"

[dissatisfaction]
repetition = 0.8
alarm = 0.35

[needs.money]
describe = "wants money back"

[[rules]]
name = "a bill"
on = "track:Bill"
then = [
  { raise = "money", because = "paid twice" },
  { skill = "billing", topic = "bill", priority = 2, because = "a bill of {{ event.properties.amount }}" },
]

[[rules]]
name = "a fault"
on = "track:Fault"
then = [{ problem = "fault" }]

[[rules]]
name = "what the agent left"
on = ["handoff:handed-back", "handoff:resolved"]
then = [{ set = "left", to = "escalations.last.note" }, { set = "open", to = "escalations.open" }]

[[rules]]
name = "nobody came"
on = "handoff:expired"
then = [{ set = "late", to = "escalations.last.queue" }]
"#;

fn ada() -> Life {
    Life::of("ada", policy_of(POLICY))
}

impl Life {
    /// A minute later, in the chat.
    pub(crate) fn say(&mut self, from: &str, text: &str) -> Reaction {
        self.wait(1);
        self.says("chat", from, text, Some("chat-1"))
    }

    fn handoff(&mut self, state: &str, more: Value) -> Reaction {
        self.wait(1);
        let id = self.twin.escalations.last().map(|known| known.id.clone());
        let mut data = json!({ "escalation": id, "state": state });
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.event("desk", "handoff", data)
    }

    /// What people are told while so many minutes pass.
    fn lasts(&mut self, minutes: u64) -> Vec<Escalation> {
        let passed = self.pass(Duration::from_secs(60 * minutes));
        passed.iter().flat_map(escalations).collect()
    }
}

fn refused(reaction: &Reaction) -> &str {
    match &reaction.result {
        InputResult::Refused(rejection) => &rejection.detail,
        other => panic!("expected a refusal, found {other:?}"),
    }
}

fn in_short(told: &[Escalation]) -> Vec<String> {
    let one = |told: &Escalation| {
        let news: Vec<&str> = told.changed.iter().map(|news| &*news.what).collect();
        format!("{} {} {} {}", told.queue, told.state.name(), told.priority, news.join(" "))
            .trim_end()
            .to_owned()
    };
    told.iter().map(one).collect()
}

#[test]
fn a_wish_for_a_person_goes_to_the_first_queue_with_the_customers_language() {
    let mut life = ada();
    let told = escalations(&life.say("customer", "I would like to talk to a human, please"));
    assert_eq!(in_short(&told), ["care open 4"]);
    assert_eq!(&*told[0].because, "asks for a person: “I would like to talk to a human, please”");
    let mut life = ada();
    let told = escalations(&life.say("customer", "Bonjour, je veux parler à un conseiller"));
    assert_eq!(in_short(&told), ["soin open 4"]);
    assert!(told[0].because.starts_with("demande une personne"), "{}", told[0].because);
}

#[test]
fn a_skill_goes_to_people_who_are_for_this_customer_or_at_least_have_it() {
    let mut life = ada();
    life.event("core", "identify", json!({ "traits": { "plan": "gold" } }));
    let messages = escalations(&life.event("core", "track", json!({ "name": "Bill" })));
    assert_eq!(messages.len(), 1);
    assert_eq!(&*messages[0].queue, "billing");
    let mut life = ada();
    let messages = escalations(&life.event("core", "track", json!({ "name": "Bill" })));
    assert_eq!(&*messages[0].queue, "billing", "nobody else has the skill");
}

#[test]
fn a_bot_fails_when_the_customer_twice_denies_repeats_or_feels_worse_after_its_answers() {
    let mut life = ada();
    assert!(escalations(&life.say("customer", "My parcel from Lyon never arrived")).is_empty());
    life.say("bot", "You can change your address in the app.");
    let repeated = life.say("customer", "the parcel from Lyon has not arrived");
    assert!(escalations(&repeated).is_empty(), "once is not twice");
    life.say("bot", "Our shops are open until six.");
    let told = escalations(&life.say("customer", "no, that's not what I asked"));
    assert_eq!(in_short(&told), ["care open 3"]);
    let transcript = &told[0].brief.as_ref().unwrap().transcript;
    assert_eq!(transcript.len(), 5);

    let mut life = ada();
    life.say("customer", "My parcel never arrived");
    life.say("bot", "It comes tomorrow.");
    life.say("customer", "great, and where do I see that?");
    life.say("bot", "In the app.");
    assert!(escalations(&life.say("customer", "found it, thank you")).is_empty());
}

#[test]
fn a_policy_switches_off_what_the_twin_opens_by_itself_or_sends_it_elsewhere() {
    let off = format!(
        "{POLICY}\n[escalate]\nwish = false\nbot = {{ answers = 1, queue = \"chiefs\", priority = 5 }}\n"
    );
    let mut life = Life::of("ada", policy_of(&off));
    assert!(escalations(&life.say("customer", "I want to talk to a human")).is_empty());
    life.say("bot", "Hello!");
    let told = escalations(&life.say("customer", "I said: I want to talk to a human"));
    assert_eq!(in_short(&told), ["chiefs open 5"]);
}

#[test]
fn an_automatic_message_opens_no_escalation() {
    let away =
        "I am away from my desk until 12 May. In urgent cases call and ask to speak to an agent.";
    let mut life = ada();
    for _ in 0..4 {
        // Saying the same again after a bot's answer would be its failure.
        assert!(escalations(&life.say("customer", away)).is_empty());
        life.say("bot", "Thank you for your message.");
    }
    let told = escalations(&life.say("customer", "Thanks, but I want to talk to a human"));
    assert_eq!(in_short(&told), ["care open 4"], "it is no failure of the bot's either");
    let transcript = &told[0].brief.as_ref().unwrap().transcript;
    assert_eq!(*transcript[0].text, *format!("[automatic] {away}"));
    let mut life = ada();
    let sent = json!({ "text": "an agent, please", "from": "customer", "automatic": true });
    assert!(escalations(&life.event("email", "message", sent)).is_empty());
}

#[test]
fn an_alarming_dissatisfaction_is_handed_to_people_without_a_rule() {
    let mut life = ada();
    life.event("web", "track", json!({ "name": "Fault" }));
    life.wait(1);
    let messages = escalations(&life.event("web", "track", json!({ "name": "Fault" })));
    assert_eq!(in_short(&messages), ["care open 5"]);
    assert_eq!(&*messages[0].because, "the dissatisfaction has risen to 0.40");
}

#[test]
fn while_processing_is_restricted_people_are_asked_by_the_customers_own_words_only() {
    let rules = r#"
[topics.stolen]
en = ["was stolen"]
[[rules]]
name = "stolen"
on = "topic:stolen"
then = [{ escalate = "chiefs", topic = "stolen" }]
[[rules]]
name = "gold is lost"
on = "topic:stolen"
when = 'profile.plan == "gold"'
then = [{ escalate = "soin", topic = "gold" }]
"#;
    let of = |is_restricted: bool| {
        let mut life = Life::of("ada", policy_of(&format!("{POLICY}{rules}")));
        life.event("web", "identify", json!({ "traits": { "plan": "gold" } }));
        life.consent("processing", !is_restricted);
        life
    };
    let concluded = |life: &mut Life| {
        life.event("core", "track", json!({ "name": "Bill", "properties": { "amount": 29 } }));
        for _ in 0..2 {
            life.wait(1);
            life.event("web", "track", json!({ "name": "Fault" }));
        }
        life.say("customer", "My parcel from Lyon never arrived");
        for _ in 0..2 {
            life.say("bot", "You can change your address in the app.");
            life.say("customer", "the parcel from Lyon has not arrived");
        }
        let topics = life.twin.escalations.iter().map(|known| known.topic.to_string());
        topics.collect::<Vec<_>>()
    };
    assert_eq!(concluded(&mut of(false)), ["bill", "dissatisfaction", "bot"]);
    let mut life = of(true);
    assert_eq!(concluded(&mut life), [] as [&str; 0]);

    let told = escalations(&life.say("customer", "my card was stolen"));
    let told: Vec<&str> = told.iter().map(|one| &*one.queue).collect();
    assert!(
        told.iter().all(|queue| *queue == "chiefs"),
        "by what is said, not by what is kept: {told:?}"
    );
    let mut life = of(true);
    let told = escalations(&life.say("customer", "I want to talk to a human"));
    assert_eq!(in_short(&told), ["care open 4"]);
    let opened =
        json!({ "state": "opened", "topic": "call", "queue": "billing", "note": "ada rang" });
    let told = escalations(&of(true).event("desk", "handoff", opened));
    assert_eq!(in_short(&told), ["billing open 3"], "somebody asks for it");
}

#[test]
fn one_conversation_has_one_escalation_and_new_evidence_strengthens_it() {
    let mut life = ada();
    life.say("customer", "a bill came twice, I want to talk to a human");
    let told = escalations(&life.say("customer", "please let me talk to a human"));
    assert_eq!(in_short(&told), ["care open 4 evidence"]);
    assert_eq!(life.twin.escalations.len(), 1);
    assert_eq!(life.twin.escalations[0].evidence.len(), 1);
    let again = json!({ "text": "please let me talk to a human", "from": "customer", "interaction": "chat-1" });
    assert!(escalations(&life.event("chat", "message", again)).is_empty(), "it says nothing new");
    for at in 0..20 {
        life.say("customer", &format!("talk to a human, I said it {at} times"));
    }
    assert_eq!(life.twin.escalations[0].evidence.len(), jumeau::config::limits::ESCALATION_REMARKS);
}

#[test]
fn one_of_two_claiming_agents_holds_the_escalation_and_the_other_learns_who() {
    let mut life = ada();
    life.say("customer", "talk to a human");
    let messages = escalations(&life.handoff("claimed", json!({ "agent": "kim" })));
    assert_eq!(
        (messages[0].state, messages[0].agent.as_deref()),
        (EscalationState::Claimed, Some("kim"))
    );
    assert!(messages[0].brief.is_some());
    let before = life.twin.clone();
    let second = life.handoff("claimed", json!({ "agent": "sam" }));
    assert!(refused(&second).contains("claimed by `kim` since 2026-03-02T09:02:00Z"), "{second:?}");
    for state in ["handed-back", "resolved", "noted"] {
        assert!(refused(&life.handoff(state, json!({ "agent": "sam" }))).contains("`kim`"));
        assert!(refused(&life.handoff(state, json!({}))).contains("`kim`"));
    }
    assert_eq!(life.twin, before);
    let by = json!({ "agent": "sam", "operator": "olga" });
    assert_eq!(escalations(&life.handoff("claimed", by))[0].agent.as_deref(), Some("sam"));
    life.handoff("resolved", json!({ "agent": "sam" }));
    let late = life.handoff("claimed", json!({ "agent": "kim" }));
    assert!(refused(&late).contains("resolved since"), "{late:?}");
}

#[test]
fn an_escalation_that_nobody_holds_is_handed_back_and_resolved_by_operators_only() {
    for state in ["handed-back", "resolved"] {
        let mut life = ada();
        life.say("customer", "talk to a human");
        let before = life.twin.clone();
        for by in [json!({ "agent": "kim" }), json!({})] {
            let act = life.handoff(state, by);
            assert!(refused(&act).contains("found one that is open; claim it first"), "{act:?}");
        }
        assert_eq!(life.twin, before);
        let noted = json!({ "agent": "kim", "note": "called, nobody answered" });
        assert_eq!(in_short(&escalations(&life.handoff("noted", noted))), ["care open 4 note"]);
        let by = json!({ "operator": "olga" });
        assert_eq!(escalations(&life.handoff(state, by))[0].state.name(), state);
    }
}

#[test]
fn an_act_on_a_named_queue_changes_nothing_in_another() {
    let mut life = ada();
    life.say("customer", "talk to a human");
    let care = json!({ "agent": "kim", "queue": "care" });
    let chiefs = json!({ "agent": "lou", "queue": "chiefs" });
    let told = life.handoff("claimed", chiefs.clone());
    assert!(refused(&told).contains("found one of `care`"), "{}", refused(&told));
    life.handoff("claimed", care.clone());
    assert_eq!(in_short(&life.lasts(120)), ["care expired 4", "chiefs open 5"]);
    assert!(refused(&life.handoff("handed-back", care)).contains("found one of `chiefs`"));
    assert_eq!(in_short(&escalations(&life.handoff("claimed", chiefs))), ["chiefs claimed 5"]);
}

#[test]
fn while_it_is_held_every_event_that_matters_is_told_in_short() {
    let mut life = ada();
    life.say("customer", "talk to a human");
    assert!(
        escalations(&life.event("core", "consent", json!({ "purpose": "x", "granted": true })))
            .is_empty()
    );
    life.handoff("claimed", json!({ "agent": "kim" }));
    let told = escalations(&life.say("customer", "are you there?"));
    assert_eq!(in_short(&told), ["care claimed 4 message"]);
    assert_eq!(&*told[0].changed[0].text, "customer: are you there?");
    assert!(told[0].brief.is_none());
    assert!(escalations(&life.say("agent", "yes")).is_empty());
    assert!(escalations(&life.event("web", "page", json!({ "name": "home" }))).is_empty());
}

#[test]
fn an_agents_words_and_notes_are_stored_and_outcomes_are_learned() {
    let mut life = ada();
    life.say("customer", "talk to a human");
    life.handoff("claimed", json!({ "agent": "kim" }));
    let data = json!({ "agent": "kim", "said": "You get 29 € back.", "note": "refund ordered" });
    let told = escalations(&life.handoff("noted", data));
    assert_eq!(in_short(&told), ["care claimed 4 note"]);
    let line = life.twin.last_conversation().unwrap().lines.last().unwrap();
    assert_eq!(
        (line.from.name(), line.channel.as_str(), &*line.text),
        ("agent", "chat", "You get 29 € back.")
    );
    let note = life.twin.escalations[0].notes.last().unwrap();
    assert_eq!((note.by.as_deref(), &*note.text), (Some("kim"), "refund ordered"));
}

#[test]
fn handed_back_the_conversation_goes_on_where_the_agent_left_it() {
    let mut life = ada();
    life.say("customer", "talk to a human");
    life.handoff("claimed", json!({ "agent": "kim" }));
    let left = json!({ "agent": "kim", "note": "wants the receipt", "step": "receipt", "data": { "bill": 7 } });
    let told = escalations(&life.handoff("handed-back", left));
    assert_eq!(told[0].note.as_deref(), Some("wants the receipt"));
    let known = life.twin.last_conversation().unwrap();
    assert_eq!((known.state.name(), known.step.as_text()), ("resumed", Some("receipt")));
    assert_eq!(known.data.get("bill").map(|bill| bill.to_string()).as_deref(), Some("7"));
    assert_eq!(
        life.twin.facts.get("left").and_then(|left| left.as_text()),
        Some("wants the receipt")
    );
    assert!(!life.twin.is_held_by_agent());
    assert!(life.twin.timers.is_empty(), "nobody has promised anything more");
}

#[test]
fn resolved_the_needs_and_cases_go_that_the_agent_names_and_the_customer_calms_down() {
    let mut life = ada();
    life.event("core", "case", json!({ "id": "c-1", "state": "open", "topic": "bill" }));
    life.event("core", "case", json!({ "id": "c-2", "state": "open", "topic": "parcel" }));
    life.event("core", "track", json!({ "name": "Bill" }));
    for _ in 0..3 {
        life.wait(1);
        life.event("web", "track", json!({ "name": "Fault" }));
    }
    let before = life.twin.dissatisfaction(&life.policy, life.now).unwrap().index;
    let named =
        json!({ "agent": "kim", "outcome": "refunded", "needs": ["money"], "cases": ["c-1"] });
    life.handoff("claimed", json!({ "agent": "kim" }));
    let told = escalations(&life.handoff("resolved", named));
    assert_eq!(told[0].outcome.as_deref(), Some("refunded"));
    assert!(life.twin.needs.is_empty());
    let states: Vec<&str> = life.twin.cases.iter().map(|case| &*case.state).collect();
    assert_eq!(states, ["resolved", "open"]);
    let after = life.twin.dissatisfaction(&life.policy, life.now).unwrap().index;
    assert!(after < before / 2.0, "{after} after {before}");
}

#[test]
fn an_unclaimed_escalation_moves_to_the_next_queue_and_stays_there() {
    let mut life = ada();
    life.say("customer", "talk to a human");
    assert!(life.lasts(29).is_empty());
    let told = life.lasts(1);
    assert_eq!(in_short(&told), ["care expired 4", "chiefs open 5"]);
    assert_eq!(told[0].id, told[1].id);
    assert!(told[1].brief.is_some());
    assert_eq!(life.twin.facts.get("late").and_then(|late| late.as_text()), Some("chiefs"));
    assert_eq!(in_short(&life.lasts(60)), ["chiefs expired 5", "chiefs open 5 due priority"]);
    assert!(life.lasts(6_000).is_empty(), "there is nobody further");
}

#[test]
fn an_unresolved_escalation_moves_on_without_its_holder() {
    let mut life = ada();
    life.say("customer", "talk to a human");
    life.handoff("claimed", json!({ "agent": "kim" }));
    assert!(life.lasts(118).is_empty());
    assert_eq!(in_short(&life.lasts(1)), ["care expired 4", "chiefs open 5"]);
    assert!(!life.twin.is_held_by_agent());
}

#[test]
fn an_operator_hands_a_customer_over_with_a_queue_or_a_skill_that_there_is() {
    let mut life = ada();
    let open = |queue: &str| json!({ "state": "opened", "topic": "call", "queue": queue, "note": "they rang", "priority": 2 });
    let told = escalations(&life.event("desk", "handoff", open("chiefs")));
    assert_eq!(in_short(&told), ["chiefs open 2"]);
    assert_eq!(&*told[0].because, "they rang");
    let wrong = life.event("desk", "handoff", open("cheifs"));
    assert!(refused(&wrong).contains("the policy has care, soin, billing, chiefs"), "{wrong:?}");
}

#[test]
fn an_escalation_that_moved_on_is_not_opened_again_in_its_first_queue() {
    let mut life = ada();
    let open = |queue: &str, note: &str| json!({ "state": "opened", "topic": "call", "queue": queue, "note": note });
    life.event("desk", "handoff", open("care", "they rang"));
    assert_eq!(in_short(&life.lasts(30)), ["care expired 3", "chiefs open 4"]);
    let told = escalations(&life.event("desk", "handoff", open("care", "they rang again")));
    assert_eq!(in_short(&told), ["chiefs open 4 evidence"]);
    assert_eq!(life.twin.open_escalations().count(), 1);
}

#[test]
fn two_that_come_to_the_same_people_about_the_same_become_one() {
    let mut life = ada();
    let open = |queue: &str| json!({ "state": "opened", "topic": "call", "queue": queue, "note": "they rang" });
    life.event("desk", "handoff", open("chiefs"));
    life.event("desk", "handoff", open("care"));
    life.lasts(30);
    assert_eq!(life.twin.open_escalations().count(), 1);
}
