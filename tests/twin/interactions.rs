use std::time::Duration;

use jumeau::event::Value;
use jumeau::twin::{InputResult, PausedBy};
use serde_json::json;

use super::life::action;
use super::{ada, escalation};

#[test]
fn an_interaction_pauses_by_silence_and_keeps_its_step_and_data() {
    let mut life = ada();
    life.form("web", "f", "form", "progressed", 3);
    life.wait(20);
    life.form("web", "f", "form", "progressed", 4);
    life.wait(10);
    assert_eq!(
        life.fire(Duration::ZERO).result,
        InputResult::Stale,
        "it was not silent for so long"
    );
    assert!(life.interaction("f").is_going_on());
    life.wait(20);
    assert_eq!(life.fire(Duration::ZERO).result, InputResult::Applied);
    let known = life.interaction("f");
    assert_eq!(known.pause.unwrap().by, PausedBy::Silence);
    assert_eq!((&known.step, known.data.get("amount")), (&Value::Int(4), Some(&Value::Int(9))));
    assert!(life.twin.timers.is_empty());
}

#[test]
fn an_interaction_pauses_when_the_customer_leaves_its_channel() {
    let mut life = ada();
    life.form("web", "f", "form", "progressed", 3);
    life.form("app", "g", "form", "progressed", 3);
    life.did("Signed Out");
    assert_eq!(life.interaction("f").pause.unwrap().by, PausedBy::Leaving);
    assert!(life.interaction("g").is_going_on());
}

#[test]
fn a_paused_interaction_is_offered_once_in_each_pause() {
    let mut life = ada();
    life.form("web", "f", "form", "paused", 3);
    let reaction = life.page("app");
    let offer = action(&reaction).unwrap();
    assert_eq!(&*offer.text, "Go on with form at step 3?");
    assert_eq!(&*offer.reason.because, "form f was left at step 3 in web");
    let again = life.page("app");
    assert_eq!(life.offered(&again), None);
    life.form("app", "f", "form", "resumed", 4);
    life.form("app", "f", "form", "paused", 4);
    let reaction = life.page("web");
    assert_eq!(life.offered(&reaction).as_deref(), Some("f"));
}

#[test]
fn an_interaction_just_paused_in_this_channel_is_not_offered() {
    let mut life = ada();
    life.form("web", "f", "form", "paused", 3);
    let reaction = life.page("web");
    assert_eq!(life.offered(&reaction), None);
    life.wait(30);
    let reaction = life.page("web");
    assert_eq!(life.offered(&reaction).as_deref(), Some("f"));
}

#[test]
fn the_best_of_several_paused_interactions_is_offered_first() {
    let mut life = ada();
    life.form("web", "nearly-done", "form", "paused", 4);
    life.form("web", "just-begun", "form", "paused", 1);
    life.form("web", "cart", "cart", "paused", 0);
    let mut offered = Vec::new();
    for _ in 0..4 {
        let reaction = life.page("app");
        offered.push(life.offered(&reaction));
    }
    let offered: Vec<Option<&str>> = offered.iter().map(Option::as_deref).collect();
    assert_eq!(offered, [Some("nearly-done"), Some("just-begun"), Some("cart"), None]);
}

#[test]
fn an_interaction_completed_in_one_channel_is_closed_in_all() {
    let mut life = ada();
    life.form("web", "f", "form", "progressed", 3);
    life.form("branch", "f", "form", "completed", 5);
    life.form("web", "f", "form", "progressed", 4);
    life.form("web", "f", "form", "paused", 4);
    assert!(!life.interaction("f").state.is_open());
    let reaction = life.page("app");
    assert_eq!(life.offered(&reaction), None);
    life.form("web", "f", "form", "started", 1);
    assert!(life.interaction("f").is_going_on());
}

#[test]
fn an_agent_who_takes_over_has_what_was_left_in_the_brief() {
    let mut life = ada();
    let reaction = life.did("Bot Failed");
    let id = escalation(&reaction).unwrap().id.clone();
    life.form("web", "f", "form", "paused", 3);
    let data = json!({ "escalation": id, "state": "claimed", "agent": "kim" });
    let claimed = life.event("desk", "handoff", data);
    let brief = escalation(&claimed).unwrap().brief.unwrap();
    assert_eq!(&*brief.interactions[0].id, "f");
    assert!(life.interaction("f").pause.unwrap().offered.is_some());
}

#[test]
fn a_message_belongs_to_the_thread_that_it_names_in_any_channel() {
    let mut life = ada();
    life.says("chat", "customer", "my bill is wrong", Some("case-7"));
    life.says("sms", "agent", "which one?", Some("case-7"));
    life.says("sms", "customer", "that of May", None);
    assert_eq!(life.interaction("case-7").lines.len(), 3);
    assert_eq!(life.interaction("case-7").channel.as_str(), "sms");
}

#[test]
fn an_answer_in_another_channel_continues_the_conversation_for_a_day() {
    let mut life = ada();
    life.says("chat", "customer", "my bill is wrong", None);
    // Nobody has answered yet: this is something else.
    life.says("sms", "customer", "a parcel is missing", None);
    assert_eq!(life.twin.interactions.len(), 2);
    life.says("chat", "agent", "which bill?", None);
    life.wait(23 * 60);
    life.says("mail", "customer", "that of May", None);
    assert_eq!(life.interaction("chat").lines.len(), 3);
    life.says("mail", "agent", "thank you", None);
    life.wait(24 * 60);
    life.says("push", "customer", "hello", None);
    assert_eq!(life.interaction("push").lines.len(), 1);
}

#[test]
fn a_persons_words_take_a_paused_conversation_up_again() {
    let mut life = ada();
    life.says("chat", "customer", "my bill is wrong", None);
    life.wait(60);
    life.fire(Duration::ZERO);
    assert!(life.interaction("chat").pause.is_some());
    life.says("chat", "bot", "are you still there?", None);
    assert!(life.interaction("chat").pause.is_some());
    life.says("chat", "customer", "yes", None);
    assert!(life.interaction("chat").is_going_on());
    assert_eq!(life.interaction("chat").lines.len(), 3);
}
