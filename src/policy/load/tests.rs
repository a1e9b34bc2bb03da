use proptest::prelude::*;

use super::*;
use crate::event::EventType;
use crate::policy::{Due, Step};

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
fn a_policy_is_compiled_with_its_rules_in_order_under_what_they_answer_to() {
    let policy = load(&Files::new([("bank.toml", BANK)])).unwrap_or_else(|m| panic!("{m}"));
    assert_eq!(policy.version.0.len(), 16);
    assert_eq!(policy.need("card_abroad").unwrap().expires, Duration::from_secs(30 * 86_400));
    assert_eq!(policy.action("open_card_abroad").unwrap().treatments[0].name, "app".into());
    let names = |trigger, detail| -> Vec<&str> {
        policy.rules_for(trigger, detail).map(|rule| &*rule.name).collect()
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
    let Step::Start { due: Due::After(after), every, .. } = &policy.rules[1].then[1] else {
        panic!("{:?}", policy.rules[1])
    };
    let nothing = crate::policy::scope::Sample::default();
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

#[test]
fn every_mistake_is_found_at_once_and_explained_where_it_stands() {
    let broken = r#"
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
    let other = "[policy]\nname = \"other\"\nlanguages = []\n";
    let torn = "[needs.x]\ndescribe = \"never closed\nexpires = \"1d\"\n";
    let mistakes = load(&Files::new([
        ("bank.toml", broken),
        ("other.toml", other),
        ("torn.toml", torn),
        ("twice.toml", "[needs]\na = 1\na = 2"),
    ]))
    .unwrap_err();
    insta::assert_snapshot!(mistakes, @"");
}

#[test]
fn a_policy_without_a_head_or_without_files_is_a_mistake() {
    let mistakes = load(&Files::new([("a.toml", "")])).unwrap_err().to_string();
    insta::assert_snapshot!(mistakes, @"a.toml: expected a table [policy] with name and languages in one of the files, found none");
    assert!(load(&Files::default()).is_err());
}

#[test]
fn more_mistakes_than_anybody_reads_are_counted() {
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
    fn no_damage_to_a_policy_makes_the_loader_panic(
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
