//! The complete twin of one customer.

mod activity;
mod profile;

use std::time::Duration;

use comfy_table::{Attribute, Color};
use jumeau::api::{ShowReply, TimelineEntry, TimelineReply, TwinView};
use jumeau::event::{Map, Sensitivity, Time, Value, unsigned_zero};
use jumeau::policy::Found;
use jumeau::twin::{Derived, Dissatisfaction, GraveMatter, Guard, Identifier, Memory, Signal};

use self::activity::activity;
use self::profile::{profile, sentiment};
use super::forecast::forecast;
use super::quantity::{count, distance, many, moment};
use super::sheet::{Cell, Sheet};
use super::style::{CUSTOMER, ESCALATION, FAINT, Styled};

/// Entries of the timeline that are shown with the twin.
const RECENT: usize = 8;

pub(super) fn faint(text: impl ToString) -> Cell {
    Cell::new(text).add_attribute(Attribute::Dim)
}

fn value(value: &Value) -> String {
    value.to_string()
}

fn map(map: &Map) -> String {
    map.iter().map(|(name, held)| format!("{name}={}", value(held))).collect::<Vec<_>>().join(" ")
}

/// The index and its parts.
fn parts(of: &Dissatisfaction) -> Vec<Vec<Cell>> {
    [
        ("index", of.index, "all of it together"),
        ("sentiment", of.sentiment, "a bad mood"),
        ("repetition", of.repetition, "the same problem again"),
        ("open", of.open, "open cases"),
        ("late", of.late, "answers that are late"),
    ]
    .map(|(name, part, what)| vec![Cell::new(name), bar(part).fg(Color::Magenta), faint(what)])
    .into()
}

/// A share of 1 as a bar.
pub(super) fn bar(share: f64) -> Cell {
    let filled = (share.clamp(0.0, 1.0) * 10.0).round() as usize;
    Cell::new(format!("{}{} {share:.2}", "█".repeat(filled), "░".repeat(10 - filled)))
}

/// The sensitivity and the purposes of a signal, if the channel named them.
fn class(signal: &Signal) -> Cell {
    let purpose =
        signal.purpose.as_deref().map_or(String::new(), |purpose| format!(", for {purpose}"));
    match signal.sensitivity {
        Sensitivity::Public | Sensitivity::Personal => faint(""),
        Sensitivity::Sensitive => Cell::new(format!("sensitive{purpose}")).fg(Color::Red),
    }
}

/// The value of a window.
fn counted(found: &Found<'_>) -> String {
    match found {
        Found::Int(number) => number.to_string(),
        Found::UInt(number) => number.to_string(),
        Found::Float(number) => format!("{:.2}", unsigned_zero(*number, 2)),
        Found::Value(held) => value(held),
        _ => "nothing".into(),
    }
}

fn span(span: Duration) -> String {
    super::quantity::span(span.as_millis() as u64)
}

/// The complete state of a customer.
pub(crate) fn twin(reply: &ShowReply, width: u16) -> String {
    let ShowReply { customer, asked, partition, resident, inputs, now, twin, .. } = reply;
    let now = *now;
    let mut sheet = Sheet::new(width);
    if let Some(asked) = asked.as_ref().filter(|asked| *asked != customer) {
        let sentence = format!("{asked} is linked to");
        sheet.line(format_args!("{} {}", Styled(FAINT, sentence), Styled(CUSTOMER, customer)));
    }
    sheet.line(format_args!(
        "{}  {}",
        Styled(CUSTOMER, customer),
        Styled(
            FAINT,
            format_args!(
                "{} · partition {partition} · {}",
                many(*inputs, "input"),
                if *resident { "in memory" } else { "passivated" }
            )
        ),
    ));
    sheet.line(Styled(
        FAINT,
        format_args!("known since {} · last seen {}", moment(twin.born), distance(now, twin.seen)),
    ));
    if let Some(known) = &twin.linked_to {
        sheet.line(format_args!("this identifier belongs to {}", Styled(CUSTOMER, known)));
    }
    sheet.section(
        "identifiers",
        twin.identifiers.iter().map(|known| identifier(known, now)).collect(),
    );
    if let Some(held) = twin.escalations.iter().find(|one| one.is_claimed()) {
        let agent = held.agent.as_deref().unwrap_or("an agent");
        let sentence = format!("{agent} has claimed the conversation: automation is paused");
        sheet.line(Styled(ESCALATION, sentence));
    }
    if let Some(dissatisfaction) = &reply.dissatisfaction {
        sheet.section("dissatisfaction", parts(dissatisfaction));
    }
    let forecasts = reply.forecasts.iter().map(|known| forecast(known, now));
    sheet.section("still there", forecasts.collect());
    profile(&mut sheet, twin, now);
    if let Some(known) = &twin.sentiment {
        sentiment(&mut sheet, known, now);
    }
    sheet.section("grave topics", twin.grave.iter().rev().map(|one| grave(one, now)).collect());
    world(&mut sheet, twin, now);
    activity(&mut sheet, twin, now);
    let recent = &twin.timeline[twin.timeline.len().saturating_sub(RECENT)..];
    sheet.section("recently", recent.iter().map(entry).collect());
    sheet.finish()
}

/// Another identifier of the customer, and what came from it.
fn identifier(known: &Identifier, now: Time) -> Vec<Cell> {
    let Memory {
        traits,
        consents,
        preferences,
        context,
        facts,
        interactions,
        cases,
        needs,
        contacts,
        escalations,
        timers,
        ..
    } = &*known.brought;
    let brought = [
        (traits.len(), "trait"),
        (consents.len(), "consent"),
        (preferences.len(), "preference"),
        (context.len(), "signal"),
        (facts.len(), "fact"),
        (interactions.len(), "interaction"),
        (cases.len(), "case"),
        (needs.len(), "need"),
        (contacts.len(), "contact"),
        (escalations.len(), "escalation"),
        (timers.len(), "timer"),
    ];
    let mut parts = vec![many(known.brought.inputs, "input")];
    parts.extend(
        brought.iter().filter(|(count, _)| *count > 0).map(|(n, what)| many(*n as u64, what)),
    );
    let through =
        known.through.as_ref().map_or(String::new(), |through| format!("through {through}"));
    vec![
        Cell::new(&known.customer),
        faint(distance(now, known.since)),
        faint(through),
        Cell::new(parts.join(", ")),
    ]
}

fn world(sheet: &mut Sheet, twin: &TwinView, now: Time) {
    let signals = twin.context.iter().map(|signal| {
        let freshness = match signal.stale_at {
            Some(stale_at) if !signal.is_fresh(now) => {
                Cell::new(format!("stale for {}", span(now.since(stale_at)))).fg(Color::Red)
            }
            Some(stale_at) => faint(format!("stale {}", distance(now, stale_at))),
            None => faint("until replaced"),
        };
        vec![
            Cell::new(&signal.name),
            Cell::new(value(&signal.value)),
            faint(format!("from {}, {}", signal.source, distance(now, signal.at))),
            freshness,
            class(signal),
        ]
    });
    sheet.section("context", signals.collect());

    let facts = twin.facts.iter().map(|(name, held)| {
        let is_it = |guard: &&Guard| guard.of == Derived::Fact && *guard.name == *name;
        let guard = twin.guards.iter().find(is_it);
        let class =
            guard.map_or(String::new(), |guard| format!("sensitive, for {}", guard.purposes));
        vec![Cell::new(name), Cell::new(value(held)), Cell::new(class).fg(Color::Red)]
    });
    sheet.section("facts", facts.collect());

    let windows = twin.tallies.windows.iter().map(|window| {
        vec![
            Cell::new(&window.name),
            Cell::new(counted(&window.read(now))),
            faint(format!("{} over {}", window.keep.name(), span(window.over))),
        ]
    });
    let counters = twin.tallies.counters.iter().map(|counter| {
        vec![
            Cell::new(&counter.name),
            Cell::new(format!("{:.2}", unsigned_zero(counter.read(now), 2))),
            faint(format!("half-life {}", span(counter.half_life))),
        ]
    });
    sheet.section("counted", windows.chain(counters).collect());

    let needs = twin.needs.iter().map(|need| {
        vec![
            Cell::new(&need.name),
            bar(need.strength).fg(Color::Yellow),
            Cell::new(&need.evidence),
            faint(format!("ends {}", distance(now, need.until))),
        ]
    });
    sheet.section("needs", needs.collect());
}

/// A grave topic, and the words that showed it.
fn grave(matter: &GraveMatter, now: Time) -> Vec<Cell> {
    let GraveMatter { topic, since, at, channel, words, certain, .. } = matter;
    let doubt = if *certain { "" } else { " (perhaps)" };
    let first =
        if since == at { String::new() } else { format!("since {}", distance(now, *since)) };
    vec![
        Cell::new(format!("{}{doubt}", topic.name())).fg(Color::Red),
        Cell::new(format!("“{words}”")),
        faint(format!("in {channel}, {}", distance(now, *at))),
        faint(first),
    ]
}

fn entry(entry: &TimelineEntry) -> Vec<Cell> {
    let what = Cell::new(&entry.what);
    vec![
        faint(format!("#{}", entry.number)),
        faint(moment(entry.at)),
        Cell::new(&entry.channel).fg(Color::Blue),
        if &*entry.what == "timer" { what.fg(Color::Yellow) } else { what },
        Cell::new(&entry.text),
    ]
}

/// The recent inputs of a customer's twin.
pub(crate) fn timeline(reply: &TimelineReply, width: u16) -> String {
    let mut sheet = Sheet::new(width);
    let held = reply.entries.len() as u64;
    sheet.line(format_args!(
        "{}  {}",
        Styled(CUSTOMER, &reply.customer),
        Styled(FAINT, format_args!("the last {} of {}", count(held), many(reply.inputs, "input"))),
    ));
    sheet.rows(reply.entries.iter().map(entry).collect());
    sheet.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::hostile::withstands;
    use crate::render::plain;

    const TWIN: &str = r#"{
      "customer": "alice", "partition": 7, "resident": true, "inputs": 1042,
      "now": "2026-11-22T10:00:00Z",
      "dissatisfaction": {"index": 0.58, "sentiment": 0.4, "repetition": 0.5, "open": 0.5, "late": 0.0},
      "forecasts": [{"name": "orders", "times": 12, "last": "2026-11-15T10:00:00Z", "alive": 0.93, "next_days": 17.4, "expected_28d": 1.13, "trend": -0.25}],
      "twin": {
        "customer": "alice", "born": "2026-01-05T08:00:00Z", "seen": "2026-11-22T09:57:00Z",
        "linked_to": null,
        "profile": {
          "traits": {"city": "Ghent", "first_name": "Alice"},
          "consents": [
            {"purpose": "marketing", "channel": null, "granted": true, "at": "2026-11-01T10:00:00Z", "by": "web", "proof": "form 17", "until": null},
            {"purpose": "profiling", "channel": "sms", "granted": false, "at": "2026-11-20T10:00:00Z", "by": "sms", "proof": null, "until": null}
          ],
          "preferences": [
            {"key": "language", "declared": {"value": "nl", "at": "2026-11-21T10:00:00Z"}, "choices": [], "half_life": {"secs": 15552000, "nanos": 0}, "forgotten": null},
            {"key": "meal", "declared": null, "choices": [], "half_life": {"secs": 15552000, "nanos": 0}, "forgotten": {"at": "2026-11-20T10:00:00Z", "until": "2027-02-18T10:00:00Z"}},
            {"key": "seat", "declared": null, "choices": [
              {"value": "aisle", "count": 3, "at": "2026-11-19T10:00:00Z", "evidence": [4, 9, 12], "weight": 2.9, "against": 0.0},
              {"value": "window", "count": 1, "at": "2026-05-23T10:00:00Z", "evidence": [2], "weight": 1.0, "against": 0.5}
            ], "half_life": {"secs": 15552000, "nanos": 0}, "forgotten": null}
          ]
        },
        "context": [
          {"name": "card_abroad", "value": "blocked", "source": "core-banking", "at": "2026-11-22T07:00:00Z", "stale_at": "2026-11-23T07:00:00Z", "sensitivity": "personal"},
          {"name": "weather", "value": {"kind": "storm"}, "source": "weather", "at": "2026-11-21T07:00:00Z", "stale_at": "2026-11-21T13:00:00Z", "sensitivity": "public"}
        ],
        "tallies": {
          "windows": [
            {"name": "logins_failed", "keep": "count", "over": {"secs": 3600, "nanos": 0}, "entries": [
              {"at": "2026-11-22T08:30:00Z", "count": 4, "value": null},
              {"at": "2026-11-22T09:30:00Z", "count": 2, "value": null}
            ]},
            {"name": "last_shop", "keep": "last", "over": {"secs": 86400, "nanos": 0}, "entries": []}
          ],
          "counters": [{"name": "interest_suv", "half_life": {"secs": 604800, "nanos": 0}, "value": 3.0, "at": "2026-11-15T10:00:00Z"}]
        },
        "facts": {"bot_failures": 2},
        "interactions": [
          {"id": "f-1", "kind": "loan-form", "state": "paused", "step": 3, "data": {"amount": 10000}, "channel": "web", "started": "2026-11-21T18:00:00Z", "touched": "2026-11-21T18:20:00Z", "lines": [], "pause": {"at": "2026-11-21T18:50:00Z", "by": "silence", "offered": "2026-11-22T09:50:00Z"}},
          {"id": "c-9", "kind": "conversation", "state": "started", "step": null, "data": {}, "channel": "chat", "started": "2026-11-22T09:55:00Z", "touched": "2026-11-22T09:57:00Z", "lines": [
            {"at": "2026-11-22T09:55:00Z", "from": "customer", "channel": "chat", "text": "My bill is wrong.\nAgain."}
          ], "pause": null}
        ],
        "cases": [{"id": "b-77", "state": "waiting", "topic": "billing", "opened": null, "due": "2026-11-25T10:00:00Z", "touched": "2026-11-22T09:00:00Z"}],
        "needs": [{"name": "card_abroad", "strength": 0.8, "evidence": "a flight to Lisbon in 3 days", "raised": "2026-11-22T09:00:00Z", "until": "2026-11-25T10:00:00Z"}],
        "contacts": [
          {"decision": "d-1", "action": "open-card", "channel": "push", "at": "2026-11-22T09:00:00Z", "outcome": {"kind": "clicked", "at": "2026-11-22T09:30:00Z"}},
          {"decision": "d-2", "action": "resume-form", "channel": "app", "at": "2026-11-22T09:50:00Z", "outcome": null}
        ],
        "escalations": [{"id": "e-1", "queue": "claims", "purpose": "service", "topic": "billing", "priority": 4, "state": "claimed", "because": "the bot failed twice", "agent": "Bo", "desk": "desk", "note": null, "opened": "2026-11-22T09:56:00Z", "touched": "2026-11-22T09:57:00Z", "thread": null, "evidence": [], "notes": [], "since": "2026-11-22T09:56:00Z", "due": null, "level": 0, "outcome": null, "language": "en"}],
        "trials": [{"experiment": "worth", "arm": "usual", "since": "2026-11-20T10:00:00Z", "reached": true, "value": 0.0}],
        "timers": [{"name": "goal:", "due": "2026-11-27T10:00:00Z", "every": null, "catch_up": "coalesce"}, {"name": "silence", "due": "2026-12-01T10:00:00Z", "every": {"secs": 86400, "nanos": 0}, "catch_up": "coalesce"}],
        "met": [{"id": 7, "scope": "fires", "at": "2026-11-21T10:00:00Z"}],
        "timeline": [
          {"number": 1040, "at": "2026-11-22T09:55:00Z", "what": "message", "channel": "chat", "text": "customer: My bill is wrong."},
          {"number": 1041, "at": "2026-11-22T09:57:00Z", "what": "timer", "channel": "", "text": "follow-up"}
        ]
      }
    }"#;

    #[test]
    fn a_whole_twin_is_shown_as_text() {
        let reply: ShowReply = serde_json::from_str(TWIN).unwrap();
        withstands(&reply, |reply| twin(reply, u16::MAX));
        insta::assert_snapshot!(plain(&twin(&reply, 110)), @r#"
        alice  1,042 inputs · partition 7 · in memory
        known since 2026-01-05 08:00:00 · last seen 3 min ago
        Bo has claimed the conversation: automation is paused

        dissatisfaction
          index       ██████░░░░ 0.58  all of it together
          sentiment   ████░░░░░░ 0.40  a bad mood
          repetition  █████░░░░░ 0.50  the same problem again
          open        █████░░░░░ 0.50  open cases
          late        ░░░░░░░░░░ 0.00  answers that are late

        still there
          orders  █████████░ 0.93  1.1 in 28 days  ↘ worth less of late  12×, last 7 days ago; next expected in 17
                                                                         days if still active

        profile
          city        Ghent
          first_name  Alice

        consents
          marketing  ✓ allowed    everywhere  web, form 17  21 days ago
          profiling  ✗ forbidden  in sms      sms           2 days ago

        preferences
          language  nl         declared                                24 hours ago
          meal      forgotten  not inferred until 2027-02-18 10:00:00  2 days ago
          seat      aisle      inferred, confidence 0.61               chosen 3×, last 3 days ago; recent evidence:
                                                                       aisle 85 % (2.9), window 15 % (0.5); #4 #9 #12

        context
          card_abroad  blocked           from core-banking, 3 hours ago  stale in 21 hours
          weather      {"kind":"storm"}  from weather, 27 hours ago      stale for 21 hours

        facts
          bot_failures  2

        counted
          logins_failed  2        count over 60 min
          last_shop      nothing  last over 24 hours
          interest_suv   1.50     half-life 7 days

        needs
          card_abroad  ████████░░ 0.80  a flight to Lisbon in 3 days  ends in 3 days

        interactions
          loan-form f-1     paused at step 3 on web by silence, offered 10 min ago  15 hours ago  amount=10000
          conversation c-9  started on chat                                         3 min ago

        said in conversation c-9
          2026-11-22 09:55:00  chat  customer  My bill is wrong. Again.

        cases
          b-77  waiting  billing  due in 3 days

        contacts
          resume-form  in app   10 min ago  no outcome yet
          open-card    in push  60 min ago  clicked 30 min ago

        escalations
          claims billing  claimed by Bo  priority 4  the bot failed twice  3 min ago

        timers
          goal: ends waiting for goals of experiments  in 5 days  2026-11-27 10:00:00
          silence                                      in 9 days  2026-12-01 10:00:00  then every 24 hours

        experiments
          worth  in the arm usual  entered 2 days ago  goal reached

        met
          fires  24 hours ago

        recently
          #1040  2026-11-22 09:55:00  chat  message  customer: My bill is wrong.
          #1041  2026-11-22 09:57:00        timer    follow-up
        "#);
    }

    #[test]
    fn a_linked_identifier_is_shown_as_such_with_its_customer() {
        let mut reply: ShowReply = serde_json::from_str(TWIN).unwrap();
        reply.asked = Some(jumeau::event::Customer::new("cookie-7").unwrap());
        let empty = r#"{"customer": "alice", "born": "2026-11-22T10:00:00Z", "seen": "2026-11-22T10:00:00Z",
            "profile": {"traits": {}, "consents": [], "preferences": []},
            "context": [], "facts": {}, "interactions": [], "cases": [], "needs": [], "contacts": [],
            "escalations": [], "timers": [], "timeline": []}"#;
        reply.twin = serde_json::from_str(empty).unwrap();
        let memory = Memory {
            inputs: 12,
            traits: vec![jumeau::twin::DatedValue {
                name: "city".into(),
                value: "Ghent".into(),
                at: reply.now,
            }],
            ..Memory::default()
        };
        reply.dissatisfaction = None;
        reply.forecasts.clear();
        reply.twin.identifiers = vec![Identifier {
            epoch: 1,
            said: reply.now,
            customer: jumeau::event::Customer::new("cookie-7").unwrap(),
            since: reply.now,
            through: None,
            entries: Vec::new(),
            brought: Box::new(memory),
            beneath: Box::default(),
        }];
        insta::assert_snapshot!(plain(&twin(&reply, 110)), @r#"
        cookie-7 is linked to alice
        alice  1,042 inputs · partition 7 · in memory
        known since 2026-11-22 10:00:00 · last seen just now

        identifiers
          cookie-7  just now     12 inputs, 1 trait
        "#);
    }

    #[test]
    fn an_unknown_time_zone_is_shown_as_such() {
        let mut reply: ShowReply = serde_json::from_str(TWIN).unwrap();
        let line = |reply: &ShowReply| {
            let shown = plain(&twin(reply, 110));
            shown.lines().find(|line| line.contains("timezone")).unwrap().trim().to_owned()
        };
        reply.twin.profile.traits.insert("timezone", "Mars/Phobos".into());
        let sentence = "unknown time zone: not contacted where quiet hours apply";
        assert_eq!(line(&reply), format!("timezone    Mars/Phobos  {sentence}"));
        reply.twin.profile.traits.insert("timezone", "asia/kolkata".into());
        assert!(line(&reply).ends_with("asia/kolkata"));
    }

    #[test]
    fn an_empty_twin_shows_no_empty_sections() {
        let mut reply: ShowReply = serde_json::from_str(TWIN).unwrap();
        let empty = r#"{"customer": "bob", "born": "2026-11-22T10:00:00Z", "seen": "2026-11-22T10:00:00Z",
            "linked_to": "alice", "profile": {"traits": {}, "consents": [], "preferences": []},
            "context": [], "facts": {}, "interactions": [], "cases": [], "needs": [], "contacts": [],
            "escalations": [], "timers": [], "timeline": []}"#;
        reply.twin = serde_json::from_str(empty).unwrap();
        reply.customer = reply.twin.customer.clone();
        reply.dissatisfaction = None;
        reply.forecasts.clear();
        insta::assert_snapshot!(plain(&twin(&reply, 110)), @r#"
        bob  1,042 inputs · partition 7 · in memory
        known since 2026-11-22 10:00:00 · last seen just now
        this identifier belongs to alice
        "#);
    }

    #[test]
    fn a_timeline_is_shown_as_text() {
        let show: ShowReply = serde_json::from_str(TWIN).unwrap();
        let reply = TimelineReply {
            customer: show.customer,
            inputs: show.inputs,
            entries: show.twin.timeline,
        };
        withstands(&reply, |reply| timeline(reply, u16::MAX));
        insta::assert_snapshot!(plain(&timeline(&reply, 110)), @r#"
        alice  the last 2 of 1,042 inputs
          #1040  2026-11-22 09:55:00  chat  message  customer: My bill is wrong.
          #1041  2026-11-22 09:57:00        timer    follow-up
        "#);
    }
}
