//! Grave topics: what must never be missed.

use std::sync::Arc;
use std::time::Duration;

use jumeau::language::Languages;
use jumeau::policy::{Files, load_with};
use jumeau::twin::{CandidateVerdict, Reaction};
use serde_json::json;

use super::life::{Life, action, escalations, policy_of, verdict_of};

const POLICY: &str = r#"
[policy]
name = "test"
languages = ["en", "fr"]

[queues.care]
describe = "people"
language = "en"

[needs.offer]
describe = "the customer may like an offer"
expires = "1d"

[[rules]]
name = "may like an offer"
on = "track:Browse"
then = [{ raise = "offer", strength = 1.0 }]

[[rules]]
name = "a death"
on = "topic:bereavement"
then = [{ set = "mourns", to = "event.words.bereavement" }]

[[actions]]
name = "sell"
serves = ["offer"]
issue = "sales"
value = 0.5
cooldown = "0s"
pending = "7d"
[[actions.treatments]]
channel = "app"
tone = "gentle"
text.en = "Here is something for you."

[[actions]]
name = "help"
issue = "service"
value = 0.5
cooldown = "0s"
[[actions.treatments]]
name = "plain"
channel = "app"
tone = "neutral"
text.en = "How can we help?"
[[actions.treatments]]
name = "soft"
channel = "app"
tone = "gentle"
text.en = "We are here for you."

[[rules]]
name = "asks for help"
on = "track:Help"
then = [{ act = "help" }]

[suitability]
escalations = false
"#;

const DEATH: &str = "Hello, my father passed away on Monday. What do you need from me?";

fn ada(more: &str) -> Life {
    Life::of("ada", policy_of(&format!("{POLICY}{more}"))).at_pace(Duration::from_secs(60))
}

fn recalled(reaction: &Reaction) -> Vec<String> {
    let recalls = reaction.effects.iter().filter_map(|effect| match effect {
        jumeau::twin::Effect::Recall(recall) => Some(recall.because.to_string()),
        _ => None,
    });
    recalls.collect()
}

#[test]
fn beside_a_grave_topic_nothing_is_sold_for_its_quiet_time_and_then_again() {
    let mut life = ada("");
    life.say("customer", DEATH);
    let dropped = life.did("Browse");
    assert!(action(&dropped).is_none());
    assert!(matches!(verdict_of(&dropped, "sell"), CandidateVerdict::Grave { .. }));
    insta::assert_snapshot!(verdict_of(&dropped, "sell"), @"the customer wrote about a grave topic, bereavement: nothing is sold until 2026-05-31T09:02:00Z");
    life.wait(89 * 24 * 60);
    assert!(action(&life.did("Browse")).is_none());
    life.wait(24 * 60);
    assert_eq!(&*action(&life.did("Browse")).unwrap().action, "sell");
    assert!(life.twin.grave.is_empty());
}

#[test]
fn what_is_on_its_way_is_recalled_with_the_topic_as_the_reason() {
    let mut life = ada("");
    assert!(action(&life.did("Browse")).is_some());
    let reaction = life.say("customer", DEATH);
    insta::assert_snapshot!(recalled(&reaction).join("\n"), @"the customer wrote about a grave topic, bereavement: nothing is sold until 2026-05-31T09:03:00Z");
}

#[test]
fn the_tone_is_gentle_although_the_words_are_neutral() {
    let mut life = ada("");
    assert_eq!(&*action(&life.did("Help")).unwrap().tone, "neutral");
    life.say("customer", DEATH);
    assert_eq!(&*action(&life.did("Help")).unwrap().tone, "gentle");
}

#[test]
fn people_are_asked_with_the_topic_and_its_priority() {
    let mut life = ada("");
    let opened = escalations(&life.say("customer", DEATH));
    assert_eq!(opened.len(), 1);
    assert_eq!((&*opened[0].topic, opened[0].priority), ("bereavement", 4));
    assert!(opened[0].because.contains("passed away"), "{}", opened[0].because);
    let brief = opened[0].brief.as_ref().unwrap();
    assert_eq!(&*brief.speak.tone, "gentle");
}

#[test]
fn the_words_of_a_danger_stay_in_the_conversation() {
    let mut life = ada("");
    let opened = escalations(&life.say("customer", "I don't want to live anymore"));
    assert_eq!((&*opened[0].topic, opened[0].priority), ("danger", 5));
    assert!(!opened[0].because.contains("live"), "{}", opened[0].because);
}

#[test]
fn rules_hear_of_a_grave_topic_with_its_words() {
    let mut life = ada("");
    life.say("customer", DEATH);
    let words = life.twin.facts.get("mourns").map(ToString::to_string);
    assert!(words.as_deref().is_some_and(|words| words.contains("passed")), "{words:?}");
}

#[test]
fn an_agents_or_a_programs_words_are_no_grave_matter() {
    let mut life = ada("");
    life.say("agent", DEATH);
    let automatic = json!({ "text": DEATH, "from": "customer", "automatic": true });
    life.event("email", "message", automatic);
    assert!(life.twin.grave.is_empty());
}

#[test]
fn a_note_about_an_absence_with_a_grave_cause_is_heard() {
    for note in [
        "I am currently out of the office because my husband had a stroke. For urgent matters please contact Ann.",
        "Out of office: I am away for a funeral, my mother passed away. In urgent cases write to the team.",
    ] {
        let mut life = ada("");
        life.say("customer", note);
        assert_eq!(life.twin.grave.len(), 1, "{note}");
    }
    let mut life = ada("");
    life.say(
        "customer",
        "I am currently out of the office on holiday. For urgent matters please contact Ann.",
    );
    assert!(life.twin.grave.is_empty());
}

#[test]
fn the_time_begins_anew_with_each_message_about_it() {
    let mut life = ada("");
    life.say("customer", DEATH);
    life.wait(60 * 24 * 60);
    life.say("customer", "As I wrote, my father passed away");
    let matter = &life.twin.grave[0];
    assert_eq!((life.twin.grave.len(), matter.at.since(matter.since).as_secs() / 86_400), (1, 60));
    life.wait(60 * 24 * 60);
    assert!(action(&life.did("Browse")).is_none());
}

#[test]
fn a_topic_that_is_not_certain_keeps_sales_quiet_for_a_week_and_asks_nobody() {
    let phrases = "[grave]\nbereavement 0.6: funeral\nbereavement 0.9: passed away\n";
    let languages = Languages::with([("en/grave.txt".to_owned(), phrases.to_owned())]).unwrap();
    let policy = load_with(&Files::new([("test.toml", POLICY)]), &Arc::new(languages)).unwrap();
    let mut life = Life::of("ada", Arc::new(policy)).at_pace(Duration::from_secs(60));
    let heard = life.say("customer", "I have a question about the funeral flowers");
    assert!(escalations(&heard).is_empty());
    assert_eq!(life.twin.facts.get("mourns"), None, "no rule is triggered");
    assert!(matches!(verdict_of(&life.did("Browse"), "sell"), CandidateVerdict::Grave { .. }));
    life.wait(6 * 24 * 60);
    assert!(action(&life.did("Browse")).is_none());
    life.wait(24 * 60);
    assert!(action(&life.did("Browse")).is_some());
    assert_eq!(escalations(&life.say("customer", "My father passed away on Monday")).len(), 1);
    life.say("customer", "I have a question about the funeral flowers");
    assert!(life.twin.grave[0].certain, "it was certain once");
}

#[test]
fn a_policy_may_sharpen_what_follows() {
    let mut life = ada(
        "[grave.bereavement]\nquiet = \"180d\"\nescalate = { queue = \"care\", priority = 5 }\n",
    );
    assert_eq!(escalations(&life.say("customer", DEATH))[0].priority, 5);
    life.wait(170 * 24 * 60);
    assert!(action(&life.did("Browse")).is_none());
}
