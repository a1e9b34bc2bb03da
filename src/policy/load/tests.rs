use proptest::prelude::*;

use std::ops::RangeInclusive;
use std::time::Duration;

use super::*;
use crate::event::EventType;
use crate::policy::Trigger;
use crate::policy::{Due, RuleStep};

const BANK: &str = r#"
[policy]
name = "bank"
languages = ["en", "fr"]

[needs.card_abroad]
describe = "the card must work at the destination"
expires = "30d"

[preferences.seat]
evidence = 2

[[rules]]
name = "a flight is booked while the card is blocked abroad"
on = "track:Flight Booked"
when = 'event.properties.country != profile.country && context.card_abroad == "blocked"'
then = [
  { raise = "card_abroad", strength = 0.9, until = "event.properties.departure", because = "a flight to {{ event.properties.city }} is booked" },
  { start = "departure_near", at = "timestamp(event.properties.departure) - days(3)", catch_up = "coalesce" },
  { set = "trips", to = "default(facts.trips, 0) + 1" },
  { prefer = "seat", value = "event.properties.seat" },
]

[[rules]]
name = "departure is near"
on = ["timer:departure_near", "track:Airport Entered"]
then = [
  { strengthen = "card_abroad", by = 0.5 },
  { start = "later", after = "90m", every = "1d" },
]

[[rules]]
name = "anything happened"
on = "track"
then = [{ cancel = "later" }, { escalate = "desk", topic = "abroad", because = "why not" }]

[[actions]]
name = "open_card_abroad"
serves = ["card_abroad"]
issue = "service"
value = 0.8
when = "needs.card_abroad > 0.5 && contacts.open_card_abroad.outcome != 'rejected'"
data = { until = "event.properties.departure", card = "'main'" }
[[actions.treatments]]
channel = "app"
text.en = "Hello {{ profile.first_name }}"
text.fr = "Bonjour {{ profile.first_name }}"
"#;

#[test]
fn a_policy_indexes_its_rules_by_trigger_in_their_order() {
    let policy = load(&Files::new([("bank.toml", BANK)])).unwrap_or_else(|m| panic!("{m}"));
    assert_eq!(policy.version.0.len(), 16);
    assert_eq!(policy.need("card_abroad").unwrap().expires, Duration::from_secs(30 * 86_400));
    assert_eq!(policy.action("open_card_abroad").unwrap().treatments[0].name, "app".into());
    let names = |trigger, detail| -> Vec<&str> {
        policy.rules_for(trigger, detail, []).map(|rule| &*rule.name).collect()
    };
    let track = Trigger::Event(EventType::Track);
    assert_eq!(
        names(track, "Flight Booked"),
        ["a flight is booked while the card is blocked abroad", "anything happened"]
    );
    assert_eq!(names(track, "Airport Entered"), ["departure is near", "anything happened"]);
    assert_eq!(names(track, "Something Else"), ["anything happened"]);
    assert_eq!(names(Trigger::Timer, "departure_near"), ["departure is near"]);
    assert!(names(Trigger::Timer, "other").is_empty());
    let RuleStep::Start { due: Due::After(after), every, .. } = &policy.rules[1].then[1] else {
        panic!("{:?}", policy.rules[1])
    };
    let nothing = crate::policy::scope::TestScope::default();
    assert_eq!(after.span(&nothing).unwrap(), Duration::from_secs(5_400));
    assert_eq!(*every, Some(Duration::from_secs(86_400)));
    assert_eq!(policy.rules[1].place.to_string(), "bank.toml:24");
}

#[test]
fn the_version_follows_names_and_contents() {
    let version = |files: &[(&str, &str)]| Files::new(files.iter().copied()).version();
    let one = version(&[("a.toml", "x = 1")]);
    assert_eq!(one, version(&[("a.toml", "x = 1"), ("scenarios/s.toml", "y = 1")]));
    assert_ne!(one, version(&[("b.toml", "x = 1")]));
    assert_ne!(one, version(&[("a.toml", "x = 2")]));
    assert_ne!(
        version(&[("a.toml", "1b.toml"), ("b.toml", "")]),
        version(&[("a.toml", "1"), ("b.toml", "b.toml")])
    );
}

/// A policy with most mistakes that one can make; other files have a second head, no end of a text, and a
/// key twice.
const BROKEN: &str = r#"
[policy]
name = "bank"
languages = ["en", "fr", "en"]
colour = "red"

[needs.card_abroad]
describe = "the card must work"
expires = "soon"

[needs."card abroad"]
describe = 3

[preferences.seat]
evidence = 0
confidence = 1.5

[[rules]]
name = "one"
on = "trak:Flight Booked"
whne = "true"
then = []

[[rules]]
name = "one"
on = ["message:robot", "timer:nothing", "track:", "link:x"]
when = 'event.propertes.country != profile.country && contex.card == "x"'
then = [
  { raise = "card_abrod", strength = 2 },
  { raise = "card_abroad", strengthen = "card_abroad" },
  { risee = "card_abroad" },
  { strengthen = "card_abroad" },
  { set = "trips", to = "facts.tripz + 1" },
  { prefer = "seatt", value = "1 +" },
  { start = "later", after = "soonish", at = "now" },
  { start = "later" },
  { start = "later", after = "1h", every = "1s", catch_up = "rum" },
  { cancel = "latr" },
  { escalate = "desk", topic = "a topic", priority = 9, because = "{{ profile.name | uper }} {{ nobody.x }}" },
  { act = "open_card" },
  "raise",
]

[[rules]]
on = "handoff:claimed"
when = "event.agent == 'x' && event.text == 'y' && need.strength > 1 && needs.card_abroad.x > 1"
then = [{ satisfy = "card_abroad" }]

[[actions]]
name = "open_card_abroad"
serves = ["card_abroad", "crad_abroad"]
issue = "servce"
value = 80
when = "event.propertis.x == 1 && customer.name == 'x' && contacts.open_card_abroad == 1"
cooldown = "7 dogs"
data = { destination = "event.properties.city +", "bad name" = "1" }
[[actions.treatments]]
channel = "an app"
tone = "gentle"
when = 'preferences.seet == "aisle" && interactions.form.stepp == 1'
text.fr = "Bonjour {{ profile.first_name }"
[[actions.treatments]]
channel = "app"
text.en = "Hello {% if %}"
text.de = "Hallo {{ profil.first_name }}"
[[actions.treatments]]
channel = "app"
text.en = "Hello {{ profile }}"

[[actions]]
name = "idle"
issue = "sales"
value = 0.1

[more]
"#;

fn broken() -> Mistakes {
    let other = "[policy]\nname = \"other\"\nlanguages = []\n";
    let torn = "[needs.x]\ndescribe = \"never closed\nexpires = \"1d\"\n";
    let files = Files::new([
        ("bank.toml", BROKEN),
        ("other.toml", other),
        ("torn.toml", torn),
        ("twice.toml", "[needs]\na = 1\na = 2"),
    ]);
    load(&files).unwrap_err()
}

/// The mistakes in some lines of the policy.
fn mistakes_in(lines: RangeInclusive<u32>) -> String {
    let broken = broken();
    let in_lines =
        broken.iter().filter(|one| &*one.file == "bank.toml" && lines.contains(&one.line));
    in_lines.map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn all_mistakes_are_reported_at_once_in_the_order_of_the_files() {
    let mistakes = broken();
    assert_eq!(mistakes.iter().len(), 63);
    let places: Vec<_> = mistakes.iter().map(|one| (&*one.file, one.line)).collect();
    assert!(places.is_sorted(), "{places:?}");
    let others: Vec<_> = mistakes.iter().filter(|one| &*one.file != "bank.toml").collect();
    let others: Vec<String> = others.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(others.join("\n\n"), @r#"
other.toml:1:1: [policy] is defined twice; first in bank.toml:2
 1 | [policy]
   | ^^^^^^^^

torn.toml:2:25: expected TOML, but: invalid character in string: `\n`
 2 | describe = "never closed
   |                         ^

twice.toml:3:1: `a` is set twice; first in line 2
 3 | a = 2
   | ^
"#);
}

#[test]
fn mistakes_in_the_policy_table_needs_and_preferences_are_explained() {
    insta::assert_snapshot!(mistakes_in(1..=17), @r#"
bank.toml:4:27: `en` is listed twice
 4 | languages = ["en", "fr", "en"]
   |                           ^^

bank.toml:5:1: unknown key `colour`; expected one of name, languages
 5 | colour = "red"
   | ^^^^^^

bank.toml:9:12: expected a duration such as 30m, 36h or 7d, found `soon`
 9 | expires = "soon"
   |            ^^^^

bank.toml:11:9: expected a name of letters, digits, `-` and `_`, found ` ` in it
 11 | [needs."card abroad"]
    |         ^^^^^^^^^^^

bank.toml:15:12: expected 1 to 1000, found 0
 15 | evidence = 0
    |            ^

bank.toml:16:14: expected 0 to 1, found 1.5
 16 | confidence = 1.5
    |              ^^^
"#);
}

#[test]
fn mistakes_in_the_triggers_of_rules_are_explained() {
    insta::assert_snapshot!(mistakes_in(18..=27), @r#"
bank.toml:18:1: expected at least one step in `then`, found none
 18 | [[rules]]
    | ^^^^^^^^^

bank.toml:20:7: unknown event type `trak`; did you mean `track`?
 20 | on = "trak:Flight Booked"
    |       ^^^^^^^^^^^^^^^^^^

bank.toml:21:1: unknown key `whne`; did you mean `when`?
 21 | whne = "true"
    | ^^^^

bank.toml:24:1: the rule `one` is defined twice
 24 | [[rules]]
    | ^^^^^^^^^

bank.toml:26:8: events of type `message` have no detail `robot`; expected one of customer, agent, bot
 26 | on = ["message:robot", "timer:nothing", "track:", "link:x"]
    |        ^^^^^^^^^^^^^

bank.toml:26:25: no rule starts a timer `nothing`
 26 | on = ["message:robot", "timer:nothing", "track:", "link:x"]
    |                         ^^^^^^^^^^^^^

bank.toml:26:42: expected a name after the colon, as in `track:name`, found none
 26 | on = ["message:robot", "timer:nothing", "track:", "link:x"]
    |                                          ^^^^^^

bank.toml:26:52: events of type `link` have no detail; write `link` alone
 26 | on = ["message:robot", "timer:nothing", "track:", "link:x"]
    |                                                    ^^^^^^

bank.toml:27:55: unknown name `contex`; did you mean `context`?
 27 | when = 'event.propertes.country != profile.country && contex.card == "x"'
    |                                                       ^^^^^^^^^^^
"#);
}

#[test]
fn mistakes_in_the_steps_of_rules_are_explained() {
    insta::assert_snapshot!(mistakes_in(28..=42), @r#"
bank.toml:29:14: unknown need `card_abrod`; did you mean `card_abroad`?
 29 |   { raise = "card_abrod", strength = 2 },
    |              ^^^^^^^^^^

bank.toml:29:38: expected 0 to 1, found 2
 29 |   { raise = "card_abrod", strength = 2 },
    |                                      ^

bank.toml:30:3: expected one step, found raise and strengthen; write one table each
 30 |   { raise = "card_abroad", strengthen = "card_abroad" },
    |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

bank.toml:31:3: expected a step with one of raise, strengthen, satisfy, set, problem, prefer, declare, start, cancel, escalate, act, found `risee`
 31 |   { risee = "card_abroad" },
    |   ^^^^^^^^^^^^^^^^^^^^^^^^^

bank.toml:32:3: expected a key `by` here, found none
 32 |   { strengthen = "card_abroad" },
    |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

bank.toml:33:26: no rule sets a fact `tripz`; did you mean `trips`?
 33 |   { set = "trips", to = "facts.tripz + 1" },
    |                          ^^^^^^^^^^^

bank.toml:34:15: unknown preference `seatt`; did you mean `seat`?
 34 |   { prefer = "seatt", value = "1 +" },
    |               ^^^^^

bank.toml:34:35: expected a value after `+`, found the end
 34 |   { prefer = "seatt", value = "1 +" },
    |                                   ^

bank.toml:35:3: expected either `after` or `at`, found both; leave one out
 35 |   { start = "later", after = "soonish", at = "now" },
    |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

bank.toml:35:31: unknown name `soonish`; a path starts with one of event, profile, context, facts, preferences, needs, consents, interactions, cases, contacts, sentiment, customer, need, windows, counters, activities, dissatisfaction, shared, experiments, escalations, now; a text has quotes of its own: 'soonish'
 35 |   { start = "later", after = "soonish", at = "now" },
    |                               ^^^^^^^

bank.toml:36:3: expected `after` (such as "30m") or `at` (a time), found neither
 36 |   { start = "later" },
    |   ^^^^^^^^^^^^^^^^^^^

bank.toml:37:45: expected at least 60 seconds between two firings of a timer, found `1s`
 37 |   { start = "later", after = "1h", every = "1s", catch_up = "rum" },
    |                                             ^^

bank.toml:37:62: unknown catch-up rule `rum`; did you mean `run`?
 37 |   { start = "later", after = "1h", every = "1s", catch_up = "rum" },
    |                                                              ^^^

bank.toml:38:15: no rule starts a timer `latr`; did you mean `later`?
 38 |   { cancel = "latr" },
    |               ^^^^

bank.toml:39:33: expected a name of letters, digits, `-` and `_`, found ` ` in it
 39 |   { escalate = "desk", topic = "a topic", priority = 9, because = "{{ profile.name | uper }} {{ nobody.x }}" },
    |                                 ^^^^^^^

bank.toml:39:54: expected 1 to 5, found 9
 39 |   { escalate = "desk", topic = "a topic", priority = 9, because = "{{ profile.name | uper }} {{ nobody.x }}" },
    |                                                      ^

bank.toml:39:97: unknown name `nobody`; a path starts with one of event, profile, context, facts, preferences, needs, consents, interactions, cases, contacts, sentiment, customer, need, windows, counters, activities, dissatisfaction, shared, experiments, escalations, now
 39 |   { escalate = "desk", topic = "a topic", priority = 9, because = "{{ profile.name | uper }} {{ nobody.x }}" },
    |                                                                                                 ^^^^^^^^

bank.toml:40:12: unknown action `open_card`
 40 |   { act = "open_card" },
    |            ^^^^^^^^^

bank.toml:41:4: expected a table, found a text
 41 |   "raise",
    |    ^^^^^
"#);
}

#[test]
fn mistakes_in_conditions_are_explained() {
    insta::assert_snapshot!(mistakes_in(43..=48), @r#"
bank.toml:44:1: expected a key `name` here, found none
 44 | [[rules]]
    | ^^^^^^^^^

bank.toml:46:31: unknown field of the event `text`; expected one of agent, channel, detail, escalation, note, outcome, queue, state, time, topic, type
 46 | when = "event.agent == 'x' && event.text == 'y' && need.strength > 1 && needs.card_abroad.x > 1"
    |                               ^^^^^^^^^^

bank.toml:46:52: `need` can be used only in actions
 46 | when = "event.agent == 'x' && event.text == 'y' && need.strength > 1 && needs.card_abroad.x > 1"
    |                                                    ^^^^^^^^^^^^^

bank.toml:46:73: `needs.card_abroad` is a number and has no fields; write it alone
 46 | when = "event.agent == 'x' && event.text == 'y' && need.strength > 1 && needs.card_abroad.x > 1"
    |                                                                         ^^^^^^^^^^^^^^^^^^^
"#);
}

#[test]
fn mistakes_in_actions_are_explained() {
    insta::assert_snapshot!(mistakes_in(49..=56), @r#"
bank.toml:51:27: unknown need `crad_abroad`; did you mean `card_abroad`?
 51 | serves = ["card_abroad", "crad_abroad"]
    |                           ^^^^^^^^^^^

bank.toml:52:10: unknown issue `servce`; did you mean `service`?
 52 | issue = "servce"
    |          ^^^^^^

bank.toml:53:9: expected 0 to 1, found 80
 53 | value = 80
    |         ^^

bank.toml:54:9: unknown field of the event `propertis`; did you mean `properties`?
 54 | when = "event.propertis.x == 1 && customer.name == 'x' && contacts.open_card_abroad == 1"
    |         ^^^^^^^^^^^^^^^^^

bank.toml:54:35: unknown field of a customer `name`; expected one of id, known_since, last_seen, inputs
 54 | when = "event.propertis.x == 1 && customer.name == 'x' && contacts.open_card_abroad == 1"
    |                                   ^^^^^^^^^^^^^

bank.toml:54:59: expected a field of the contact, such as `contacts.open_card_abroad.at`, found `contacts.open_card_abroad` itself
 54 | when = "event.propertis.x == 1 && customer.name == 'x' && contacts.open_card_abroad == 1"
    |                                                           ^^^^^^^^^^^^^^^^^^^^^^^^^

bank.toml:55:13: expected a duration such as 30m, 36h or 7d, found `7 dogs`
 55 | cooldown = "7 dogs"
    |             ^^^^^^

bank.toml:56:48: expected a value after `+`, found the end
 56 | data = { destination = "event.properties.city +", "bad name" = "1" }
    |                                                ^

bank.toml:56:52: expected a name of letters, digits, `-` and `_`, found ` ` in it
 56 | data = { destination = "event.properties.city +", "bad name" = "1" }
    |                                                    ^^^^^^^^
"#);
}

#[test]
fn mistakes_in_treatments_are_explained() {
    insta::assert_snapshot!(mistakes_in(57..=69), @r#"
bank.toml:58:12: expected a name of letters, digits, `-` and `_`, found ` ` in it
 58 | channel = "an app"
    |            ^^^^^^

bank.toml:60:9: unknown preference `seet`; did you mean `seat`?
 60 | when = 'preferences.seet == "aisle" && interactions.form.stepp == 1'
    |         ^^^^^^^^^^^^^^^^

bank.toml:60:40: unknown field of an interaction `stepp`; did you mean `step`?
 60 | when = 'preferences.seet == "aisle" && interactions.form.stepp == 1'
    |                                        ^^^^^^^^^^^^^^^^^^^^^^^

bank.toml:61:12: expected a text in `en`, the policy's first language, found none
 61 | text.fr = "Bonjour {{ profile.first_name }"
    |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

bank.toml:61:12: expected a text with {{ … }}, but: unexpected `}`, expected end of variable block
 61 | text.fr = "Bonjour {{ profile.first_name }"
    |            ^^^^^^^

bank.toml:64:12: expected a text with {{ … }}, but: unexpected end of block
 64 | text.en = "Hello {% if %}"
    |            ^^^^^

bank.toml:65:6: expected a language of the policy, found `de`; add it to `languages` in [policy]
 65 | text.de = "Hallo {{ profil.first_name }}"
    |      ^^

bank.toml:65:21: unknown name `profil`; did you mean `profile`?
 65 | text.de = "Hallo {{ profil.first_name }}"
    |                     ^^^^^^^^^^^^^^^^^

bank.toml:66:1: the treatment `app` is defined twice; give each a `name`
 66 | [[actions.treatments]]
    | ^^^^^^^^^^^^^^^^^^^^^^

bank.toml:68:21: expected a field of `profile`, such as `profile.name`, found `profile` itself
 68 | text.en = "Hello {{ profile }}"
    |                     ^^^^^^^
"#);
}

#[test]
fn an_unused_action_and_an_unknown_table_are_explained() {
    insta::assert_snapshot!(mistakes_in(70..=80), @r#"
bank.toml:70:1: expected a key `treatments` here, found none
 70 | [[actions]]
    | ^^^^^^^^^^^

bank.toml:70:1: nothing can choose the action `idle`: expected `serves` with its needs, or a rule with the step { act = "idle" }, or an interaction with resume = "idle", or `placements` where channels request it, found none
 70 | [[actions]]
    | ^^^^^^^^^^^

bank.toml:75:2: unknown key `more`; expected one of needs, broadcasts, topics, preferences, context, queues, windows, counters, activities, experiments, actions, interactions, purposes, rules, policy, escalate, grave, dissatisfaction, contact, suitability, weights, explore, erasure, retention, identity, learn
 75 | [more]
    |  ^^^^
"#);
}

#[test]
fn a_policy_without_its_policy_table_or_without_files_is_a_mistake() {
    let mistakes = load(&Files::new([("a.toml", "")])).unwrap_err().to_string();
    insta::assert_snapshot!(mistakes, @"a.toml: expected a table [policy] with `name` and `languages` in one of the files, found none");
    assert!(load(&Files::default()).is_err());
}

#[test]
fn mistakes_beyond_the_limit_are_counted() {
    let broken = "[[rules]]\n".repeat(200);
    let mistakes = load(&Files::new([("a.toml", broken)])).unwrap_err();
    assert_eq!(mistakes.iter().len(), limits::MISTAKES);
    assert!(mistakes.to_string().contains("more mistakes after this one"));
}

proptest! {
    #[test]
    fn no_text_makes_the_loader_panic(content in "\\PC{0,200}") {
        let _ = load(&Files::new([("a.toml", content)]));
    }

    #[test]
    fn no_change_to_a_policys_text_makes_the_loader_panic(
        at in 0..BANK.len(), remove in 0..40usize, insert in "[\\[\\]{}\"'=.,#\\\\a-z0-9 \n]{0,12}",
    ) {
        let start = BANK.floor_char_boundary(at);
        let end = BANK.floor_char_boundary(at + remove);
        let damaged = format!("{}{insert}{}", &BANK[..start], &BANK[end..]);
        if let Err(mistakes) = load(&Files::new([("bank.toml", damaged)])) {
            prop_assert!(!mistakes.to_string().is_empty());
        }
    }

    #[test]
    fn no_nesting_exhausts_the_stack(open in "[\\[{(]", depth in 0..3_000usize) {
        for content in [
            format!("x = {}", open.repeat(depth)),
            format!("{}x", open.repeat(depth)),
            format!("x{} = 1", ".x".repeat(depth)),
        ] {
            let _ = load(&Files::new([("a.toml", content)]));
        }
    }
}

#[test]
fn mistakes_in_aggregates_are_reported_with_their_lines() {
    let text = r#"
[policy]
name = "bank"
languages = ["en"]

[windows.spent]
on = "track:Paid"
over = "24h"
keep = "summ"
of = "event.properties.amount"

[windows.logins]
on = "trak:Login"
over = "0s"

[windows.shops]
on = "track:Paid"
over = "1d"
keep = "distinct"

[counters.interest]
on = "page"
halflife = "7d"
by = "event.propertys.weight"

[[rules]]
name = "spends much"
on = "track:Paid"
when = "windows.spnt > 100 && counters.spent > 1 && windows.spent.total > 3"
then = [{ set = "spends", to = "counters.intrest" }]
"#;
    let mistakes = load(&Files::new([("bank.toml", text)])).unwrap_err();
    let lines: Vec<String> = mistakes
        .iter()
        .map(|mistake| mistake.to_string().lines().next().unwrap_or_default().to_owned())
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
bank.toml:9:9: unknown aggregate function `summ`; did you mean `sum`?
bank.toml:13:7: unknown event type `trak`; did you mean `track`?
bank.toml:14:9: expected a duration above 0, found `0s`
bank.toml:16:1: expected a key `of` with the value to aggregate, found none
bank.toml:21:1: expected a key `half_life` here, found none
bank.toml:23:1: unknown key `halflife`; did you mean `half_life`?
bank.toml:24:7: unknown field of the event `propertys`; did you mean `properties`?
bank.toml:29:9: unknown window `spnt`; did you mean `spent`?
bank.toml:29:31: unknown counter `spent`
bank.toml:29:53: `windows.spent` is a single value and has no fields; write it alone
bank.toml:30:33: unknown counter `intrest`; did you mean `interest`?
");
}

#[test]
fn a_language_repeated_in_other_capitals_is_a_mistake() {
    let twice = r#"
[policy]
name = "p"
languages = ["en", "EN"]

[[actions]]
name = "a"
issue = "service"
value = 0.1
placements = ["home"]
treatments = [{ channel = "app", text = { en = "one", EN = "other" } }]
"#;
    let mistakes = load(&Files::new([("p.toml", twice)])).unwrap_err().to_string();
    let reported: Vec<&str> = mistakes.lines().filter(|line| line.starts_with("p.toml")).collect();
    assert_eq!(
        reported,
        ["p.toml:4:21: `EN` is listed twice", "p.toml:11:55: the text in `EN` is defined twice",]
    );
}

#[test]
fn typographic_quotes_are_reported_with_line_and_cure() {
    let mistakes = |line: &str| {
        let content = format!("[policy]\nname = \"test\"\n{line}\n");
        load(&Files::new([("test.toml", content)])).unwrap_err().to_string()
    };
    let lines = ["languages = [“fr”]", "needs.x.describe = ‘a lamp’", "“needs” = 1"];
    insta::assert_snapshot!(lines.map(mistakes).join("\n"), @r#"
    test.toml:3:14: expected straight quotes, found `“`; write "text"
     3 | languages = [“fr”]
       |              ^
    test.toml:3:20: expected straight quotes, found `‘`; write "text"
     3 | needs.x.describe = ‘a lamp’
       |                    ^
    test.toml:3:1: expected straight quotes, found `“`; write "text"
     3 | “needs” = 1
       | ^
    "#);
}

#[test]
fn a_language_that_has_no_tag_is_a_mistake() {
    let text = r#"
[policy]
name = "p"
languages = ["en", "Frensh", "français", "x-pirate"]

[queues.care]
languages = ["e"]
language = "en_GB.UTF-8"
"#;
    let mistakes = load(&Files::new([("p.toml", text)])).unwrap_err().to_string();
    let lines: Vec<&str> = mistakes.lines().filter(|line| line.starts_with("p.toml")).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    p.toml:4:21: expected the tag of a language, such as `fr` or `fr-BE`, found `Frensh`
    p.toml:4:31: expected the tag of a language, such as `fr` or `fr-BE`, found `français`
    p.toml:7:15: expected the tag of a language, such as `fr` or `fr-BE`, found `e`
    ");
}
