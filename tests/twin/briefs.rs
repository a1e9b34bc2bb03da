//! What an agent reads: a pleasure, and nothing that is not theirs to know.

use std::time::Duration;

use jumeau::config::limits;
use jumeau::language::Languages;
use jumeau::twin::{Brief, Effect, Reaction, World};
use serde_json::json;

use super::life::{Life, policy_of};

const POLICY: &str = r#"
[policy]
name = "test"
languages = ["en", "fr"]

[queues.care]
respond = "30m"

[context.diagnosis]
sensitivity = "sensitive"
purpose = ["care"]

[dissatisfaction]

[preferences.channel]
evidence = 1
confidence = 0.1

[needs.money]
describe = "wants money back"

[needs.rest]
describe = "needs rest"

[[rules]]
name = "paid twice"
on = "track:Paid Twice"
then = [{ raise = "money", strength = 0.9, because = "paid {{ event.properties.amount }} € twice" }]

[[rules]]
name = "ill"
on = "signal:diagnosis"
then = [{ raise = "rest", because = "has {{ event.value }}" }]

[[actions]]
name = "refund"
serves = ["money"]
issue = "service"
value = 0.9
when = "sentiment.messages > 1"
cooldown = "1d"
[[actions.treatments]]
channel = "app"
text.en = "We pay it back today."
text.fr = "Nous vous remboursons aujourd'hui."

[[actions]]
name = "sick_leave"
serves = ["rest"]
issue = "service"
purpose = "care"
value = 0.9
[[actions.treatments]]
channel = "app"
text.en = "Rest."

[[actions]]
name = "sell_insurance"
serves = ["money"]
issue = "sales"
value = 1.0
[[actions.treatments]]
channel = "app"
text.en = "Be insured."
"#;

impl Life {
    fn chats(&mut self, from: &str, text: &str) -> Reaction {
        self.says("chat", from, text, Some("chat-1"))
    }

    fn brief(&self) -> Brief {
        let id = self.twin.escalations[0].id.clone();
        self.twin.brief(&id, &World::of(&self.policy), self.now).unwrap()
    }
}

fn a_bad_morning() -> Life {
    let mut life = Life::of("ada", policy_of(POLICY)).at_pace(Duration::from_secs(60));
    let traits = json!({ "traits": { "first_name": "Ada", "plan": "gold" } });
    life.event("core", "identify", traits);
    let diagnosis = json!({ "name": "diagnosis", "value": "flu" });
    life.event("doctor", "signal", diagnosis);
    let form = json!({
        "id": "l-1", "kind": "loan-form", "state": "progressed", "step": 3,
        "data": { "amount": 12000 },
    });
    life.event("web", "interaction", form);
    let case = json!({
        "id": "c-1", "state": "waiting", "topic": "bill", "due": "2026-03-01T12:00:00Z",
    });
    life.event("core", "case", case);
    let paid = json!({ "name": "Paid Twice", "properties": { "amount": 29 } });
    life.event("core", "track", paid);
    life.chats("customer", "My card was charged twice, please help");
    life.chats("bot", "You find all payments in the app.");
    life.chats("customer", "That doesn't help. I am really angry, this is terrible service!");
    life.chats("bot", "Would you like a new card?");
    life.chats("customer", "No! Useless. I want to talk to a human");
    life
}

#[test]
fn an_agent_can_go_on_without_asking_anything_again() {
    let mut life = a_bad_morning();
    let id = life.twin.escalations[0].id.clone();
    let data = json!({ "escalation": id, "state": "claimed", "agent": "kim" });
    life.event("desk", "handoff", data);
    let data = json!({
        "escalation": id, "state": "noted", "agent": "kim", "said": "I see both bookings.",
        "note": "the second booking is a copy",
    });
    life.event("desk", "handoff", data);
    let text = life.brief().text(&Languages::embedded(), Some("en"));
    insta::assert_snapshot!(text, @r#"
    ada, known since 2026-03-02 09:01
    first_name Ada, plan gold

    Why people are asked
      2026-03-02 09:10  asks for a person: “No! Useless. I want to talk to a human”
      2026-03-02 09:10  the bot has failed 2 times; the last words: “No! Useless. I want to talk to a human”
      2026-03-02 09:12  kim: the second booking is a copy

    What they want
      money: paid 29 € twice

    How they feel
      bad, getting worse, dissatisfaction 0.34
      2026-03-02 09:06  chat  -0.4  “charged twice”
      2026-03-02 09:08  chat  -0.7  “angry” “terrible service” “help”
      2026-03-02 09:10  chat  -0.5  “Useless” “talk to a human”

    What was tried
      answers of a bot in this conversation: 2

    The last words
      09:06  customer: My card was charged twice, please help
      09:07  bot: You find all payments in the app.
      09:08  customer: That doesn't help. I am really angry, this is terrible service!
      09:09  bot: Would you like a new card?
      09:10  customer: No! Useless. I want to talk to a human
      09:12  agent: I see both bookings.

    What is open
      conversation chat-1 (chat)
      loan-form l-1 (web), at step 3: amount 12000
      case c-1: bill (waiting), due 2026-03-01 12:00

    How to speak to them
      en, gently, best in chat

    Leave alone
      diagnosis: sensitive, and not given for this
      sales: this is not the moment

    What to do next
      refund: “We pay it back today.”
    "#);
}

#[test]
fn an_agent_reads_it_in_their_own_language() {
    let text = a_bad_morning().brief().text(&Languages::embedded(), Some("fr-BE"));
    insta::assert_snapshot!(text, @r#"
    ada, connu depuis le 2026-03-02 09:01
    first_name Ada, plan gold

    Pourquoi une personne est demandée
      2026-03-02 09:10  asks for a person: “No! Useless. I want to talk to a human”
      2026-03-02 09:10  the bot has failed 2 times; the last words: “No! Useless. I want to talk to a human”

    Ce que la personne veut
      money: paid 29 € twice

    Comment elle se sent
      mal, de plus en plus mal, mécontentement 0.34
      2026-03-02 09:06  chat  -0.4  “charged twice”
      2026-03-02 09:08  chat  -0.7  “angry” “terrible service” “help”
      2026-03-02 09:10  chat  -0.5  “Useless” “talk to a human”

    Ce qui a été tenté
      réponses d'un robot dans cette conversation : 2

    Les derniers mots
      09:06  client: My card was charged twice, please help
      09:07  robot: You find all payments in the app.
      09:08  client: That doesn't help. I am really angry, this is terrible service!
      09:09  robot: Would you like a new card?
      09:10  client: No! Useless. I want to talk to a human

    Ce qui est ouvert
      conversation chat-1 (chat)
      loan-form l-1 (web), à l'étape 3: amount 12000
      dossier c-1 : bill (waiting), attendu le 2026-03-01 12:00

    Comment lui parler
      en, avec douceur, de préférence par chat

    À ne pas aborder
      diagnosis : sensible, et non confié pour cela
      sales : ce n'est pas le moment

    Que faire ensuite
      refund: “We pay it back today.”
    "#);
}

#[test]
fn data_withheld_from_a_queue_is_named_and_neither_shown_nor_proposed() {
    let brief = a_bad_morning().brief();
    let data = serde_json::to_string(&brief).unwrap();
    assert!(!data.contains("flu") && !data.contains("sick_leave"), "{data}");
    let avoided: Vec<&str> = brief.avoid.iter().map(|one| &*one.topic).collect();
    assert_eq!(avoided, ["diagnosis", "sales"]);
    let next: Vec<&str> = brief.next.iter().map(|step| &*step.action).collect();
    assert_eq!(next, ["refund"]);
}

#[test]
fn however_much_happened_a_brief_can_be_read_in_a_minute() {
    let mut life = a_bad_morning();
    for at in 0..200 {
        life.chats("customer", &format!("number {at}: {}", "still nothing! ".repeat(60)));
        life.event("web", "track", json!({ "name": format!("Clicked {at}"), "properties": {} }));
    }
    let brief = life.brief();
    assert!(brief.timeline.len() <= limits::BRIEF_LINES);
    assert!(brief.story.len() <= 1 + 2 * limits::ESCALATION_REMARKS);
    let bytes = serde_json::to_vec(&brief).unwrap().len();
    assert!(bytes < 32 * 1024, "{bytes} bytes");
}

#[test]
fn looking_at_what_would_be_proposed_changes_nothing() {
    let life = a_bad_morning();
    let before = life.twin.clone();
    let _ = life.brief();
    assert_eq!(life.twin, before);
    let mut other = a_bad_morning();
    let reaction = other.chats("customer", "hello?");
    let acted = reaction.effects.iter().any(|effect| matches!(effect, Effect::Act(_)));
    assert!(!acted, "the brief proposes, it does not act");
}
