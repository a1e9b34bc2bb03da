use jumeau::api::{ActReply, DecideReply, EscalationReply, EscalationsReply};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};

use super::*;
use crate::desk::{Act, Answer, Ask};

const NOW: &str = "2026-11-22T09:40:00Z";

const STORY: &str = "\
ada, known since 2026-03-02 09:01
first_name Ada, plan gold

Why people are asked
  2026-11-22 09:30  the bot has failed 2 times; the last words: “No! Useless. I want to talk to a human”

What they want
  money: paid 29 € twice

How they feel
  bad, getting worse, dissatisfaction 0.37
  2026-11-22 09:28  chat  -0.8  “angry” “terrible service” “help”

How to speak to them
  en, gently, best in chat

What to do next
  refund: “We pay it back today.”
";

fn waiting(customer: &str, priority: u8, due: Value, held: Option<&str>) -> Value {
    json!({
        "customer": customer, "id": format!("e-{customer}"), "queue": "care", "topic": "bot",
        "priority": priority, "state": if held.is_some() { "claimed" } else { "open" },
        "agent": held, "language": "en", "because": "the bot has failed 2 times",
        "opened": "2026-11-22T09:30:00Z", "touched": "2026-11-22T09:30:00Z", "due": due, "level": 0,
    })
}

fn list(waits: Vec<Value>) -> Result<Answer, String> {
    let list = json!({ "at": NOW, "found": waits.len(), "next": null, "escalations": waits });
    Ok(Answer::List(serde_json::from_value::<EscalationsReply>(list).unwrap()))
}

/// Ada's escalation is open, and Bob's is held by `bob`.
fn two(ada: Option<&str>, bob: Option<&str>) -> Result<Answer, String> {
    list(vec![
        waiting("ada", 4, json!("2026-11-22T09:25:00Z"), ada),
        waiting("bob", 2, json!("2026-11-22T12:00:00Z"), bob),
    ])
}

fn story(customer: &str, held: Option<&str>) -> Result<Answer, String> {
    let brief = json!({
        "customer": customer, "known_since": NOW, "traits": {}, "language": "en", "story": [],
        "needs": [], "mood": null, "tried": [], "bot_answers": 2, "transcript": [],
        "interactions": [], "cases": [], "preferences": {},
        "speak": { "language": "en", "tone": "gentle", "channel": null, "hour": null },
        "avoid": [], "next": [], "timeline": [],
    });
    let mut escalation = waiting(customer, 4, Value::Null, held);
    for (name, value) in [
        ("purpose", json!("service")),
        ("desk", Value::Null),
        ("note", Value::Null),
        ("thread", Value::Null),
        ("evidence", json!([])),
        ("notes", json!([])),
        ("since", json!(NOW)),
        ("outcome", Value::Null),
    ] {
        escalation[name] = value;
    }
    let text = STORY.replace("ada", customer);
    let data = json!({
        "customer": customer, "at": NOW, "escalation": escalation, "brief": brief, "text": text,
    });
    Ok(Answer::Story(Box::new(serde_json::from_value::<EscalationReply>(data).unwrap())))
}

fn offers(texts: &[&str]) -> Result<Answer, String> {
    let offer = |text: &&str| {
        json!({
            "decision": "d1", "action": "refund", "issue": "service", "treatment": "plain",
            "placement": null, "tone": "neutral", "variant": {}, "language": "en", "text": text,
            "data": {}, "score": 0.4,
        })
    };
    let offers: Vec<Value> = texts.iter().map(offer).collect();
    let decided = json!({
        "customer": "ada", "at": NOW, "policy": "p", "version": "v", "offers": offers,
    });
    Ok(Answer::Offers(serde_json::from_value::<DecideReply>(decided).unwrap()))
}

fn done(customer: &str) -> Result<Answer, String> {
    let data = json!({ "customer": customer, "at": NOW, "escalation": null });
    Ok(Answer::Done(Box::new(serde_json::from_value::<ActReply>(data).unwrap())))
}

/// Kim's desk, with Ada selected.
fn desk() -> Desk {
    let mut desk = Desk::new("kim".to_owned(), Vec::new(), Time::parse(NOW).unwrap());
    let asks = desk.take_reply(&Ask::List, two(None, Some("bo")));
    assert!(desk.take_reply(&asks[0], story("ada", None)).is_empty());
    desk
}

fn press(desk: &mut Desk, code: KeyCode) -> Vec<Ask> {
    desk.press(KeyEvent::new(code, KeyModifiers::NONE))
}

fn keys_of(desk: &mut Desk, words: &str) {
    for letter in words.chars() {
        assert!(press(desk, KeyCode::Char(letter)).is_empty());
    }
}

/// The customers and acts of requests.
fn acts(asks: &[Ask]) -> Vec<(&str, &Act)> {
    let acts = asks.iter().filter_map(|ask| match ask {
        Ask::Act(target, act) => Some((target.customer.as_str(), act)),
        _ => None,
    });
    acts.collect()
}

fn screen_of(desk: &mut Desk, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, desk)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let rows = (0..buffer.area.height).map(|y| {
        let row: String = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect();
        row.trim_end().to_owned()
    });
    rows.collect::<Vec<String>>().join("\n")
}

fn screen(desk: &mut Desk) -> String {
    screen_of(desk, 80, 24)
}

#[test]
fn an_empty_desk_says_that_no_escalation_is_open() {
    let queues = vec!["care".to_owned(), "billing".to_owned()];
    let mut desk = Desk::new("kim".to_owned(), queues, Time::parse(NOW).unwrap());
    assert!(desk.take_reply(&Ask::List, list(Vec::new())).is_empty());
    assert!(press(&mut desk, KeyCode::Char('c')).is_empty(), "there is nothing to claim");
    insta::assert_snapshot!(screen_of(&mut desk, 80, 10), @r"
    ┌ kim · care, billing · nobody waits ──────────────────────────────────────────┐
    │No open escalations.                                                          │
    │                                                                              │
    └──────────────────────────────────────────────────────────────────────────────┘
    ┌──────────────────────────────────────────────────────────────────────────────┐
    │                                                                              │
    │                                                                              │
    │                                                                              │
    └──────────────────────────────────────────────────────────────────────────────┘
    ↑↓ choose  c claim  n next  s said  w write  b hand back  r resolve  q quit
    ");
}

#[test]
fn the_list_stands_above_the_selected_escalation() {
    let mut desk = desk();
    insta::assert_snapshot!(screen(&mut desk), @r"
    ┌ kim · all queues · 2 wait ───────────────────────────────────────────────────┐
    │▸ !!!!   15 min late  ada               care/bot              open            │
    │  !!     in 2 h       bob               care/bot              held by bo      │
    │                                                                              │
    └──────────────────────────────────────────────────────────────────────────────┘
    ┌ ada · care/bot · open ───────────────────────────────────────────────────────┐
    │ada, known since 2026-03-02 09:01                                             │
    │first_name Ada, plan gold                                                     │
    │                                                                              │
    │Why people are asked                                                          │
    │  2026-11-22 09:30  the bot has failed 2 times; the last words: “No! Useless. │
    │    I want to talk to a human”                                                │
    │                                                                              │
    │What they want                                                                │
    │  money: paid 29 € twice                                                      │
    │                                                                              │
    │How they feel                                                                 │
    │  bad, getting worse, dissatisfaction 0.37                                    │
    │  2026-11-22 09:28  chat  -0.8  “angry” “terrible service” “help”             │
    │                                                                              │
    │How to speak to them                                                          │
    │  en, gently, best in chat                                                    │
    └──────────────────────────────────────────────────────────────── PgDn: 3 more ┘
    ↑↓ choose  c claim  n next  s said  w write  b hand back  r resolve  q quit
    ");
}

#[test]
fn a_wide_terminal_shows_the_brief_beside_the_list() {
    let mut desk = desk();
    let asks = press(&mut desk, KeyCode::Char('n'));
    assert!(
        desk.take_reply(&asks[0], offers(&["We pay it back.", "Here is a voucher."])).is_empty()
    );
    insta::assert_snapshot!(screen_of(&mut desk, 140, 20), @r"
    ┌ kim · all queues · 2 wait ──────────────────────────────────┐┌ ada · care/bot · open ────────────────────────────────────────────────────┐
    │▸ !!!!   15 min late  ada          care/bot        open      ││▸ refund: “We pay it back.”                                                │
    │  !!     in 2 h       bob          care/bot        held by bo││▸ refund: “Here is a voucher.”                                             │
    │                                                             ││  y they took the first one   x they did not                               │
    │                                                             ││                                                                           │
    │                                                             ││ada, known since 2026-03-02 09:01                                          │
    │                                                             ││first_name Ada, plan gold                                                  │
    │                                                             ││                                                                           │
    │                                                             ││Why people are asked                                                       │
    │                                                             ││  2026-11-22 09:30  the bot has failed 2 times; the last words: “No!       │
    │                                                             ││    Useless. I want to talk to a human”                                    │
    │                                                             ││                                                                           │
    │                                                             ││What they want                                                             │
    │                                                             ││  money: paid 29 € twice                                                   │
    │                                                             ││                                                                           │
    │                                                             ││How they feel                                                              │
    │                                                             ││  bad, getting worse, dissatisfaction 0.37                                 │
    │                                                             ││  2026-11-22 09:28  chat  -0.8  “angry” “terrible service” “help”          │
    └─────────────────────────────────────────────────────────────┘└───────────────────────────────────────────────────────────── PgDn: 6 more ┘
    ↑↓ choose  c claim  n next  s said  w write  b hand back  r resolve  q quit
    ");
}

#[test]
fn a_claim_of_a_held_escalation_names_its_holder() {
    let mut desk = desk();
    let asks = press(&mut desk, KeyCode::Down);
    desk.take_reply(&asks[0], story("bob", Some("bo")));
    let asks = press(&mut desk, KeyCode::Char('c'));
    assert_eq!(acts(&asks), [("bob", &Act::Claim)]);
    let refusal = "expected an escalation that no other agent has claimed, found one that is \
                   claimed by `bo` since 2026-11-22T09:31:00Z; ask them to hand it back, or let an \
                   operator do it, with their name as `operator`";
    let asks = desk.take_reply(&asks[0], Err(refusal.to_owned()));
    assert_eq!(asks[0], Ask::List, "the list shows who");
    insta::assert_snapshot!(screen(&mut desk), @r"
    ┌ kim · all queues · 2 wait ───────────────────────────────────────────────────┐
    │  !!!!   15 min late  ada               care/bot              open            │
    │▸ !!     in 2 h       bob               care/bot              held by bo      │
    │                                                                              │
    └──────────────────────────────────────────────────────────────────────────────┘
    ┌ bob · care/bot · held by bo ─────────────────────────────────────────────────┐
    │bob, known since 2026-03-02 09:01                                             │
    │first_name Ada, plan gold                                                     │
    │                                                                              │
    │Why people are asked                                                          │
    │  2026-11-22 09:30  the bot has failed 2 times; the last words: “No! Useless. │
    │    I want to talk to a human”                                                │
    │                                                                              │
    │What they want                                                                │
    │  money: paid 29 € twice                                                      │
    │                                                                              │
    │How they feel                                                                 │
    │  bad, getting worse, dissatisfaction 0.37                                    │
    │  2026-11-22 09:28  chat  -0.8  “angry” “terrible service” “help”             │
    └──────────────────────────────────────────────────────────────── PgDn: 6 more ┘
    expected an escalation that no other agent has claimed, found one that is
      claimed by `bo` since 2026-11-22T09:31:00Z; ask them to hand it back, or let
      an operator do it, with their name as `operator`
    ↑↓ choose  c claim  n next  s said  w write  b hand back  r resolve  q quit
    ");
}

#[test]
fn typed_text_belongs_to_the_escalation_it_was_begun_for() {
    let mut desk = desk();
    assert!(press(&mut desk, KeyCode::Char('b')).is_empty());
    keys_of(&mut desk, "q: refundedd");
    // Ada has left the list; another customer is selected.
    let bob = list(vec![waiting("bob", 2, Value::Null, Some("kim"))]);
    let asks = desk.take_reply(&Ask::List, bob);
    desk.take_reply(&asks[0], story("bob", Some("kim")));
    press(&mut desk, KeyCode::Backspace);
    insta::assert_snapshot!(screen_of(&mut desk, 80, 14), @r"
    ┌ kim · all queues · 1 waits ──────────────────────────────────────────────────┐
    │▸ !!                  bob               care/bot              yours           │
    │                                                                              │
    │                                                                              │
    └──────────────────────────────────────────────────────────────────────────────┘
    ┌ bob · care/bot · held by kim ────────────────────────────────────────────────┐
    │bob, known since 2026-03-02 09:01                                             │
    │first_name Ada, plan gold                                                     │
    │                                                                              │
    │Why people are asked                                                          │
    │  2026-11-22 09:30  the bot has failed 2 times; the last words: “No! Useless. │
    └─────────────────────────────────────────────────────────────── PgDn: 14 more ┘
    ada: what should the next agent know? q: refunded▏
    Enter done  Esc never mind
    ");
    let asks = press(&mut desk, KeyCode::Enter);
    assert_eq!(acts(&asks), [("ada", &Act::HandBack("q: refunded".to_owned()))]);
}

#[test]
fn an_empty_note_is_not_sent_and_escape_discards_a_note() {
    let mut desk = desk();
    press(&mut desk, KeyCode::Char('w'));
    assert!(press(&mut desk, KeyCode::Enter).is_empty(), "no words are no note");
    keys_of(&mut desk, "  paid ");
    assert!(press(&mut desk, KeyCode::Esc).is_empty());
    press(&mut desk, KeyCode::Char('s'));
    keys_of(&mut desk, " on its way ");
    let asks = press(&mut desk, KeyCode::Enter);
    assert_eq!(acts(&asks), [("ada", &Act::Said("on its way".to_owned()))]);
    press(&mut desk, KeyCode::Char('r'));
    let asks = press(&mut desk, KeyCode::Enter);
    assert_eq!(acts(&asks), [("ada", &Act::Resolve(String::new()))], "settled, without a word");
    let asks = desk.take_reply(&asks[0], done("ada"));
    assert_eq!(asks[0], Ask::List);
    assert!(screen(&mut desk).contains("ada's escalation is resolved"));
}

#[test]
fn a_closed_escalation_disappears_without_an_error() {
    let mut desk = desk();
    let shown = Ask::Show(match &press(&mut desk, KeyCode::Char('c'))[..] {
        [Ask::Act(target, Act::Claim)] => target.clone(),
        asks => panic!("{asks:?}"),
    });
    press(&mut desk, KeyCode::Char('b'));
    let asks = press(&mut desk, KeyCode::Enter);
    assert_eq!(desk.take_reply(&asks[0], done("ada")), [Ask::List]);
    desk.take_reply(&Ask::List, list(vec![waiting("bob", 2, Value::Null, None)]));
    let gone = "`ada` has no open escalation of this id in the queue `care`";
    assert!(desk.take_reply(&shown, Err(gone.to_owned())).is_empty());
    assert!(screen(&mut desk).contains("ada is handed back: automation resumes"));
}

#[test]
fn an_outcome_is_reported_for_the_first_offer_only() {
    use jumeau::event::OutcomeKind;

    let mut desk = desk();
    assert!(press(&mut desk, KeyCode::Char('y')).is_empty());
    assert!(screen(&mut desk).contains("ask what to do next (n) first"));
    let asks = press(&mut desk, KeyCode::Char('n'));
    desk.take_reply(&asks[0], offers(&["We pay it back."]));
    let asks = press(&mut desk, KeyCode::Char('y'));
    let taken = Act::Offered { decision: "d1".into(), answer: OutcomeKind::Accepted };
    assert_eq!(acts(&asks), [("ada", &taken)]);
    desk.take_reply(&asks[0], done("ada"));
    assert!(desk.offers().is_empty());
}

#[test]
fn the_selected_escalation_stays_selected_and_a_reply_about_another_is_not_shown() {
    let mut desk = desk();
    let asks = press(&mut desk, KeyCode::Down);
    assert_eq!(desk.selected().unwrap().customer.as_str(), "bob");
    assert!(desk.story().is_none(), "the story of ada is not bob's");
    desk.take_reply(&asks[0], story("bob", None));
    let first = waiting("cleo", 5, json!("2026-11-22T09:00:00Z"), None);
    let bob = waiting("bob", 2, Value::Null, Some("kim"));
    let asks = desk.take_reply(&Ask::List, list(vec![first, bob]));
    assert!(matches!(&asks[..], [Ask::Show(of)] if of.customer.as_str() == "bob"), "{asks:?}");
    assert_eq!((desk.at, desk.selected().unwrap().customer.as_str()), (1, "bob"));
    assert!(screen(&mut desk).contains("yours"));
    assert!(press(&mut desk, KeyCode::Down).is_empty(), "there is nobody below");
    press(&mut desk, KeyCode::Char('q'));
    assert!(desk.is_leaving);
}

#[test]
fn the_text_of_an_escalation_scrolls_by_pages_up_to_its_end() {
    let mut desk = desk();
    let top = screen(&mut desk);
    for _ in 0..9 {
        press(&mut desk, KeyCode::PageDown);
    }
    let bottom = screen(&mut desk);
    assert!(bottom.contains("refund: “We pay it back today.”") && !bottom.contains("more"));
    for _ in 0..9 {
        press(&mut desk, KeyCode::PageUp);
    }
    assert_eq!(screen(&mut desk), top);
    // A terminal of any size is drawn.
    for (width, height) in [(1, 1), (5, 3), (20, 6)] {
        screen_of(&mut desk, width, height);
    }
}
