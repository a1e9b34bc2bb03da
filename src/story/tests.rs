use std::time::Duration;

use super::{Finding, Story, StoryReport, check, parse, play};
use crate::policy::{Files, Policy, load};

const POLICY: &str = r#"
[policy]
name = "shop"
languages = ["en", "fr"]

[needs.parcel]
describe = "a parcel is late"

[preferences.size]
evidence = 2

[[rules]]
name = "a parcel is late"
on = "track:Parcel Late"
then = [
  { raise = "parcel", strength = 0.5, because = "{{ event.properties.days }} days late" },
  { start = "still_late", after = "1d" },
]

[[rules]]
name = "still late"
on = "timer:still_late"
then = [{ escalate = "desk", topic = "parcel", because = "nobody helped" }, { set = "late", to = "1" }]

[[rules]]
name = "a size is chosen"
on = "track:Bought"
then = [{ prefer = "size", value = "event.properties.size" }]

[[actions]]
name = "say_sorry"
serves = "parcel"
issue = "service"
value = 0.9
[[actions.treatments]]
channel = "app"
text.en = "Sorry, {{ event.properties.days }} days late"
"#;

const STEPS: &str = r#"
story = "a parcel is late"
start = "2026-03-02T09:00:00Z"

[[steps]]
at = "1h"
customer = "ann"
channel = "web"
event.type = "track"
event.data.name = "Parcel Late"
event.data.properties = { days = 3 }

[[steps]]
at = "2h"
customer = "ann"
channel = "web"
event.type = "track"
event.data.name = "Bought"
event.data.properties = { size = "M" }

[[steps]]
at = "3h"
customer = "ann"
channel = "app"
event.type = "outcome"
event.data = { decision = "@say_sorry", outcome = "accepted" }

[[steps]]
at = "0s"
customer = "bob"
channel = "web"
event.type = "page"
event.data.name = "Home"
"#;

fn policy() -> Policy {
    load(&Files::new([("shop.toml", POLICY)])).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn policy_and_story(expectations: &str) -> (Policy, Story) {
    let policy = policy();
    let story = parse("late.toml", &format!("{STEPS}{expectations}"), &policy)
        .unwrap_or_else(|mistakes| panic!("{mistakes}"));
    (policy, story)
}

fn report(expectations: &str) -> (String, Vec<Finding>) {
    let (policy, story) = policy_and_story(expectations);
    let played = play(&story, &policy);
    let findings = check(&story, &policy, &played.seen, Some(&played.twins));
    let report = StoryReport {
        story: &story,
        played: Some(&played),
        findings: &findings,
        took: Duration::ZERO,
    };
    assert_eq!(report.is_passed(), findings.iter().all(Finding::is_met));
    (crate::terminal::plain(&report.to_string()), findings)
}

#[test]
fn a_passing_story_prints_what_happened() {
    let (report, _) = report(
        r#"
[[expect]]
customer = "ann"
action = "say_sorry"
channel = "app"
by = "1h"
times = 1
text_contains = "3 days"

[[expect]]
customer = "ann"
escalation = "desk"
from = "1d"
by = "26h"

[[expect]]
customer = "ann"
fact = "late"
is = 1

[[expect]]
customer = "ann"
need = "parcel"
at_least = 0.5

[[never]]
customer = "ann"
preference = "size"

[[never]]
customer = "bob"
action = "*"
"#,
    );
    insta::assert_snapshot!(report, @r##"
✓ a parcel is late  late.toml · 0.0 ms
           0s  bob ◂ web  page Home
           1h  ann ◂ web  track Parcel Late {"days":3}
               starts still_late, due 2026-03-03T10:00:00Z
               ▸ say_sorry in app (neutral, en)  “Sorry, 3 days late”
                 because of parcel 0.50: 3 days late
           2h  ann ◂ web  track Bought {"size":"M"}
           3h  ann ◂ app  outcome @say_sorry accepted
        1d 1h  ann ◷ still_late
               ▸ to people: desk, parcel, priority 3
                 because nobody helped; 0 lines of transcript
    ✓ ann: say_sorry in app, once, by 1h, with "3 days"
    ✓ ann: escalation to desk, from 1d, by 1d 2h
    ✓ ann: fact late = 1
    ✓ ann: need parcel of at least 0.5
    ✓ ann: never preference size
    ✓ bob: never any action
"##);
}

/// Expectations each of which fails in its own way.
const UNMET: &str = r#"
[[expect]]
customer = "ann"
action = "say_sorry"
by = "30m"

[[expect]]
customer = "ann"
action = "say_sorry"
from = "2h"

[[expect]]
customer = "ann"
action = "say_sorry"
times = 2

[[expect]]
customer = "ann"
action = "say_sorry"
text_contains = "4 days"

[[expect]]
customer = "ann"
action = "say_sorry"
data = { days = 3 }

[[expect]]
customer = "ann"
issue = "sales"

[[expect]]
customer = "ann"
escalation = "desk"
topic = "other"
by = "26h"

[[expect]]
customer = "bob"
action = "say_sorry"

[[expect]]
customer = "ann"
preference = "size"
is = "M"

[[expect]]
customer = "ann"
need = "parcel"
at_least = 0.9

[[expect]]
customer = "ann"
fact = "late"
is = 2

[[never]]
customer = "ann"
action = "*"

[[never]]
customer = "ann"
escalation = "*"

[[never]]
customer = "ann"
need = "parcel"
"#;

#[test]
fn every_kind_of_failure_is_found_and_explained() {
    let (report, findings) = report(UNMET);
    assert!(findings.iter().all(|finding| !finding.is_met()));
    let failures = report.split_once("    ✗").unwrap().1;
    insta::assert_snapshot!(failures, @r##"
ann: say_sorry, by 30m
     late.toml:35 but: say_sorry in app at 1h: later than 30m
   ✗ ann: say_sorry, from 2h
     late.toml:40 but: say_sorry in app at 1h: sooner than 2h
   ✗ ann: say_sorry, twice
     late.toml:45 but: it came once instead of twice
   ✗ ann: say_sorry, with "4 days"
     late.toml:50 but: say_sorry in app at 1h: its text does not contain "4 days": "Sorry, 3 days late"
   ✗ ann: say_sorry
     late.toml:55 but: say_sorry in app at 1h: its data has no `days`
   ✗ ann: any sales action
     late.toml:60 but: only other outputs came: say_sorry in app at 1h; escalation to desk, parcel at 1d 1h
   ✗ ann: escalation to desk, other, by 1d 2h
     late.toml:64 but: escalation to desk, parcel at 1d 1h: its topic is parcel instead of other
   ✗ bob: say_sorry
     late.toml:70 but: no output came for this customer
   ✗ ann: preference size = M
     late.toml:74 but: it has no value with enough evidence
   ✗ ann: need parcel of at least 0.9
     late.toml:79 but: its strength is 0.50
   ✗ ann: fact late = 2
     late.toml:84 but: it is 1
   ✗ ann: never any action
     late.toml:89 but: say_sorry in app at 1h
   ✗ ann: never any escalation
     late.toml:93 but: escalation to desk, parcel at 1d 1h
   ✗ ann: never need parcel
     late.toml:97 but: its strength is 0.50
"##);
}

#[test]
fn a_live_run_is_checked_without_the_twins() {
    let (policy, story) = policy_and_story(
        r#"
[[expect]]
customer = "ann"
action = "say_sorry"

[[expect]]
customer = "ann"
fact = "late"
is = 2
"#,
    );
    let played = play(&story, &policy);
    let findings = check(&story, &policy, &played.seen, None);
    assert_eq!(findings.len(), 1);
    assert!(findings[0].is_met());
}

#[test]
fn an_outcome_refers_to_the_decision_of_its_action() {
    let (policy, story) = policy_and_story("[[never]]\ncustomer = \"bob\"\naction = \"*\"");
    let played = play(&story, &policy);
    let ann = played.twins.iter().find(|(customer, _)| customer.as_str() == "ann").unwrap().1;
    let contact = ann.last_contact("say_sorry").unwrap();
    assert!(contact.outcome.is_some());
    let step = story.steps.iter().find(|step| step.kind() == "outcome").unwrap();
    let payload = String::from_utf8(step.payload("x", story.start, &played.seen)).unwrap();
    assert!(payload.contains(&*contact.decision), "{payload}");
}

#[test]
fn a_step_may_be_refused_only_if_the_story_says_so() {
    let policy = policy();
    let source = r#"
story = "a handoff of nothing"
start = "2026-03-02T09:00:00Z"
[[steps]]
at = "0s"
customer = "ann"
channel = "desk"
event.type = "handoff"
event.data = { escalation = "none", state = "claimed", agent = "kim" }
REFUSED
[[never]]
customer = "ann"
action = "*"
"#;
    for (refused, passes) in [("", false), ("refused = true", true)] {
        let story = parse("s.toml", &source.replace("REFUSED", refused), &policy).unwrap();
        let played = play(&story, &policy);
        let findings = check(&story, &policy, &played.seen, Some(&played.twins));
        let report = StoryReport {
            story: &story,
            played: Some(&played),
            findings: &findings,
            took: Duration::ZERO,
        };
        assert_eq!(report.is_passed(), passes, "{report}");
    }
}

const BROKEN: &str = r#"
story = "broken"
start = "yesterday"
ends = "never"

[[steps]]
at = "soon"
customer = ""
channel = "web"
event.type = "trak"

[[steps]]
at = "1h"
customer = "ann"
channel = "web"
event.type = "trak"
event.data.name = "x"

[[steps]]
at = "1h"
customer = "ann"
channel = "web"
event.type = "message"
event.data = { text = "x", from = "robot" }
evnt = 1

[[expect]]
customer = "anne"
action = "say_sory"

[[expect]]
customer = "ann"
escalation = "dsk"
channel = "apq"
by = "1 hoer"

[[expect]]
customer = "ann"
need = "parcl"

[[expect]]
customer = "ann"
preference = "sise"

[[expect]]
customer = "ann"
actoin = "say_sorry"

[[never]]
customer = "ann"
fact = "late"
"#;

#[test]
fn what_nothing_can_fit_is_a_mistake() {
    let story = r#"
story = "a complaint"
start = "2026-03-02T09:00:00Z"

[[steps]]
at = "0s"
customer = "ann"
channel = "web"
event.type = "track"
event.data.name = "x"

[[expect]]
customer = "ann"
action = "say_sorry"
tone = "rude"

[[never]]
customer = "ann"
action = "say_sorry"
from = "2h"
by = "1h"

[[expect]]
customer = "ann"
action = "say_sorry"
tone = "neutral"
from = "1h"
by = "1h"
"#;
    let mistakes = parse("broken.toml", story, &policy()).unwrap_err();
    insta::assert_snapshot!(mistakes, @r#"
    broken.toml:15:9: the policy has no tone `rude`
     15 | tone = "rude"
        |         ^^^^

    broken.toml:20:9: expected `from` not after `by`, found a time after it; nothing fits both
     20 | from = "2h"
        |         ^^
    "#);
}

#[test]
fn every_mistake_in_a_story_is_found_at_once() {
    let mistakes = parse("broken.toml", BROKEN, &policy()).unwrap_err();
    insta::assert_snapshot!(mistakes, @r##"
broken.toml:3:10: expected a time such as 2026-03-02T09:00:00Z, found `yesterday`
 3 | start = "yesterday"
   |          ^^^^^^^^^

broken.toml:4:1: unknown key `ends`; expected one of story, start, steps, expect, never, lasts
 4 | ends = "never"
   | ^^^^

broken.toml:7:7: expected a duration such as 30m, 36h or 7d, found `soon`
 7 | at = "soon"
   |       ^^^^

broken.toml:8:12: expected a customer identifier, found an empty one
 8 | customer = ""
   |            ^

broken.toml:16:15: expected one of the types identify, link, unlink, page, screen, track, message, preference, consent, interaction, case, signal, outcome, handoff, ask; found `trak`; did you mean `track`?
 16 | event.type = "trak"
    |               ^^^^

broken.toml:23:15: expected the data of `message` as {"text": "…", "from": "customer|agent|bot"}; found: unknown variant `robot`, expected one of `customer`, `agent`, `bot` at line 1 column 15
 23 | event.type = "message"
    |               ^^^^^^^

broken.toml:25:1: unknown key `evnt`; did you mean `event`?
 25 | evnt = 1
    | ^^^^

broken.toml:28:13: expected a customer of a step in this story, found `anne`, who is in none
 28 | customer = "anne"
    |             ^^^^

broken.toml:29:11: the policy has no action `say_sory`; did you mean `say_sorry`?
 29 | action = "say_sory"
    |           ^^^^^^^^

broken.toml:33:15: the policy has no queue `dsk`; did you mean `desk`?
 33 | escalation = "dsk"
    |               ^^^

broken.toml:34:12: the policy has no channel `apq`; did you mean `app`?
 34 | channel = "apq"
    |            ^^^

broken.toml:35:7: expected a duration such as 30m, 36h or 7d, found `1 hoer`
 35 | by = "1 hoer"
    |       ^^^^^^

broken.toml:39:9: the policy has no need `parcl`; did you mean `parcel`?
 39 | need = "parcl"
    |         ^^^^^

broken.toml:41:1: expected a key `is` here, found none
 41 | [[expect]]
    | ^^^^^^^^^^

broken.toml:43:15: the policy has no preference `sise`; did you mean `size`?
 43 | preference = "sise"
    |               ^^^^

broken.toml:45:1: expected one of action, recall, escalation, need, preference, fact, issue, found `actoin`; did you mean `action`?
 45 | [[expect]]
    | ^^^^^^^^^^

broken.toml:49:1: expected one of action, recall, escalation, issue, need, preference in [[never]], found `fact`; facts are for [[expect]]
 49 | [[never]]
    | ^^^^^^^^^
"##);
}

#[test]
fn a_story_that_expects_nothing_is_a_mistake() {
    let mistakes = parse("idle.toml", STEPS, &policy()).unwrap_err().to_string();
    assert!(mistakes.contains("without one the story tests nothing"), "{mistakes}");
    assert!(parse("empty.toml", "", &policy()).is_err());
}

const FIRES: &str = r#"
story = "fires"
start = "2026-03-02T09:00:00Z"

[[steps]]
at = "0s"
customer = "ann"
channel = "web"
event.type = "identify"
event.data.traits = { region = "NSW" }

[[steps]]
at = "0s"
customer = "bob"
channel = "web"
event.type = "identify"
event.data.traits = { region = "WA" }

[[steps]]
at = "1h"
broadcast = "fires"
data = { value = { level = 4 }, where = "profile.region == 'NSW'", ttl = 7200, wake = true }

[[steps]]
at = "2h"
customer = "bob"
channel = "web"
event.type = "identify"
event.data.traits = { region = "NSW" }

[[steps]]
at = "2h"
broadcast = "fires"
data = { ended = true }

[[steps]]
at = "2h"
customer = "cid"
channel = "web"
event.type = "identify"
event.data.traits = { region = "NSW" }

[[expect]]
customer = "ann"
escalation = "desk"
because_contains = "level 4"
by = "1h"

[[expect]]
customer = "bob"
escalation = "desk"
from = "2h"

[[never]]
customer = "cid"
escalation = "*"
"#;

#[test]
fn a_broadcast_wakes_matching_customers_and_ends() {
    let rule = r#"
[[rules]]
name = "fires"
on = "broadcast:fires"
then = [{ escalate = "desk", topic = "fires", because = "fires of level {{ shared.fires.level }}" }]
"#;
    let policy = load(&Files::new([("shop.toml", POLICY), ("fires.toml", rule)])).unwrap();
    let story = parse("fires.toml", FIRES, &policy).unwrap();
    let played = play(&story, &policy);
    let findings = check(&story, &policy, &played.seen, Some(&played.twins));
    let report = StoryReport {
        story: &story,
        played: Some(&played),
        findings: &findings,
        took: Duration::ZERO,
    };
    assert!(report.is_passed(), "{report}");
    let report = crate::terminal::plain(&report.to_string());
    insta::assert_snapshot!(report, @r##"
    ✓ fires  fires.toml · 0.0 ms
               0s  ann ◂ web  identify {"region":"NSW"}
               0s  bob ◂ web  identify {"region":"WA"}
               1h  ◂ broadcast fires {"level":4} where profile.region == 'NSW'
               1h  ann ◂ meets fires
                   ▸ to people: desk, fires, priority 3
                     because fires of level 4; 0 lines of transcript
               2h  bob ◂ web  identify {"region":"NSW"}
                   ▸ to people: desk, fires, priority 3
                     because fires of level 4; 0 lines of transcript
               2h  ◂ broadcast fires is over
               2h  cid ◂ web  identify {"region":"NSW"}
        ✓ ann: escalation to desk, by 1h
        ✓ bob: escalation to desk, from 2h
        ✓ cid: never any escalation
    "##);
}

#[test]
fn a_broadcast_that_the_service_would_refuse_is_a_mistake_in_a_story() {
    let broken = FIRES.replace("profile.region ==", "profil.region ==");
    let mistakes = parse("fires.toml", &broken, &policy()).unwrap_err().to_string();
    assert!(mistakes.contains("fires.toml:21:14"), "{mistakes}");
    assert!(mistakes.contains("did you mean `profile`?"), "{mistakes}");
}
