//! What the customer allows, for how long, and what follows from what they do not.

use std::time::Duration;

use jumeau::event::Time;
use jumeau::twin::{CandidateVerdict, Consent, Effect, Note, Reaction, Stage};
use serde_json::json;

use super::life::{Life, action, policy_of, start};

const CONSENTS: &str = r#"
[policy]
name = "consents"
languages = ["en"]

[purposes.marketing]
expires = "30d"
ask_again = "ask_marketing"

[purposes.contract]
needed = false

[explore]
reach = 1.0

[preferences.colour]
evidence = 2
confidence = 0.4

[experiments.halves]
describe = "does it matter who gets it"
arms = { one = 0.5, other = 0.5 }
goal = "track:Bought"
within = "10d"

[[rules]]
name = "promo"
on = "track:Promo"
then = [{ act = "promo" }]
[[rules]]
name = "bill"
on = "track:Bill"
then = [{ act = "bill" }]
[[rules]]
name = "fraud"
on = "track:Fraud"
then = [{ act = "fraud" }]
[[rules]]
name = "colour"
on = "track:Colour"
then = [{ prefer = "colour", value = "event.properties.colour" }]

[[actions]]
name = "promo"
issue = "sales"
purpose = "marketing"
value = 0.5
cooldown = "0s"
pending = "3d"
data = { colour = "default(preferences.colour, 'none')" }
[[actions.treatments]]
name = "loud"
channel = "app"
text.en = "Buy!"
[[actions.treatments]]
name = "soft"
channel = "app"
tone = "gentle"
text.en = "Perhaps?"

[[actions]]
name = "bill"
issue = "service"
purpose = "contract"
value = 0.5
cooldown = "0s"
pending = "3d"
treatments = [{ channel = "email", text.en = "Your bill." }]

[[actions]]
name = "fraud"
issue = "service"
value = 0.9
cooldown = "0s"
vital = true
treatments = [{ channel = "email", text.en = "Was that you?" }]

[[actions]]
name = "ask_marketing"
issue = "service"
value = 0.5
cooldown = "0s"
treatments = [{ channel = "email", text.en = "May we still write to you?" }]
"#;

const DAY: Duration = Duration::from_secs(86_400);

fn ada() -> Life {
    Life::of("ada", policy_of(CONSENTS)).at_pace(Duration::from_secs(1))
}

fn acts(reaction: &Reaction) -> Vec<&str> {
    let acts = reaction.effects.iter().filter_map(|effect| match effect {
        Effect::Act(action) => Some(&*action.action),
        _ => None,
    });
    acts.collect()
}

fn recalls(reaction: &Reaction) -> Vec<(&str, Stage)> {
    let recalls = reaction.effects.iter().filter_map(|effect| match effect {
        Effect::Recall(recall) => Some((&*recall.action, recall.stage)),
        _ => None,
    });
    recalls.collect()
}

fn colour(reaction: &Reaction) -> String {
    let found = reaction.effects.iter().find_map(|effect| match effect {
        Effect::Act(action) => action.data.get("colour").map(ToString::to_string),
        _ => None,
    });
    found.expect("there is an action with a colour")
}

#[test]
fn a_consent_is_remembered_with_its_time_its_source_and_its_proof() {
    let mut life = ada();
    let expires = life.now + DAY * 7;
    let data = json!({
        "purpose": "marketing", "granted": true, "proof": "form 17", "expires": expires,
    });
    life.event("shop", "consent", data);
    let known = &life.twin.profile.consents[0];
    assert_eq!((known.at, &*known.by), (life.now, "shop"));
    assert_eq!(known.proof.as_deref(), Some("form 17"));
    assert_eq!(known.until, Some(expires), "sooner than the policy has it");
}

#[test]
fn a_withdrawal_holds_at_once_and_takes_back_what_is_on_its_way() {
    let mut life = ada();
    life.consent("marketing", true);
    assert_eq!(acts(&life.did("Promo")), ["promo"]);
    let withdrawn = life.consent("marketing", false);
    assert_eq!(recalls(&withdrawn), [("promo", Stage::Contact)]);
    assert!(acts(&life.did("Promo")).is_empty());
}

#[test]
fn a_consent_lapses_and_is_asked_for_again() {
    let mut life = ada();
    life.consent("marketing", true);
    life.pass(DAY * 29);
    assert_eq!(acts(&life.did("Promo")), ["promo"]);
    let lapsed = life.pass(DAY * 2);
    assert_eq!(lapsed.iter().flat_map(recalls).collect::<Vec<_>>(), [("promo", Stage::Contact)]);
    assert_eq!(lapsed.iter().flat_map(acts).collect::<Vec<_>>(), ["ask_marketing"]);
    assert!(acts(&life.did("Promo")).is_empty());
    assert!(life.twin.timers.iter().all(|timer| !timer.name.starts_with("consent")));
    life.consent("marketing", true);
    assert_eq!(acts(&life.did("Promo")), ["promo"], "it was given again");
}

#[test]
fn a_no_does_not_lapse() {
    let mut life = ada();
    life.consent("marketing", false);
    assert!(life.twin.timers.is_empty());
    life.pass(DAY * 400);
    assert_eq!(life.twin.profile.consent("marketing", None, life.now), Some(false));
}

#[test]
fn a_purpose_without_needed_consent_holds_until_it_is_refused() {
    let mut life = ada();
    assert_eq!(acts(&life.did("Bill")), ["bill"]);
    life.consent("contract", false);
    assert!(acts(&life.did("Bill")).is_empty());
}

#[test]
fn a_customer_who_refuses_personalization_gets_no_personal_decision() {
    let mut life = ada();
    life.consent("marketing", true);
    for _ in 0..4 {
        life.event("shop", "track", json!({ "name": "Colour", "properties": { "colour": "red" } }));
    }
    let data = json!({ "text": "this is terrible, I am so angry", "from": "customer" });
    let before = life.did("Promo");
    assert_eq!(colour(&before), "red", "what was inferred is used");
    assert!(before.effects.iter().any(|effect| matches!(effect, Effect::Try(_))));
    assert!(!before.decision().unwrap().is_plain);
    assert!(life.twin.contacts[0].shown.is_some(), "what comes of it would be learned from");

    life.consent("personalization", false);
    assert!(life.twin.profile.preferences.is_empty(), "what was inferred is forgotten");
    assert!(life.twin.contacts[0].shown.is_none(), "nothing is learned of what was said before");
    life.event("shop", "message", data);
    life.pass(DAY * 3);
    life.event("shop", "track", json!({ "name": "Colour", "properties": { "colour": "red" } }));
    let after = life.did("Promo");
    assert_eq!(acts(&after), ["promo"], "there is service all the same");
    let decision = after.decision().unwrap();
    assert!(decision.is_plain && decision.model == 0);
    assert_eq!(colour(&after), "none");
    assert!(life.twin.profile.preferences.is_empty(), "and nothing is inferred anew");
    assert!(life.twin.contacts.iter().all(|contact| contact.shown.is_none()));
    assert!(!after.effects.iter().any(|effect| matches!(effect, Effect::Try(_))));

    life.event("shop", "preference", json!({ "key": "colour", "value": "green" }));
    assert_eq!(colour(&life.did("Promo")), "green", "what the customer says is theirs to say");
    life.consent("personalization", true);
    assert!(!life.did("Promo").decision().unwrap().is_plain);
}

#[test]
fn restricted_data_is_kept_and_not_used_until_the_restriction_is_lifted() {
    let mut life = ada();
    life.consent("marketing", true);
    assert_eq!(acts(&life.did("Promo")), ["promo"]);
    let restricted = life.consent("processing", false);
    assert_eq!(recalls(&restricted), [("promo", Stage::Candidate)]);
    let inputs = life.twin.timeline.total();
    let silent = life.did("Promo");
    assert!(acts(&silent).is_empty());
    let why = &silent.decision().unwrap().candidates[0].verdict;
    assert_eq!(*why, CandidateVerdict::Restricted);
    assert!(acts(&life.did("Bill")).is_empty());
    assert_eq!(acts(&life.did("Fraud")), ["fraud"], "what is vital must go out");
    assert_eq!(life.twin.timeline.total(), inputs + 3, "what happens is kept");
    life.consent("processing", true);
    assert_eq!(acts(&life.did("Promo")), ["promo"]);
}

#[test]
fn a_no_is_heard_in_any_capitals_and_between_blanks() {
    for purpose in ["Marketing", "MARKETING", "marketing ", "\tmarketing"] {
        let mut life = ada();
        life.consent("marketing", true);
        assert_eq!(acts(&life.did("Promo")), ["promo"], "{purpose:?}");
        let withdrawn = life.consent(purpose, false);
        assert_eq!(recalls(&withdrawn), [("promo", Stage::Contact)], "{purpose:?}");
        assert_eq!(withdrawn.notes, [], "{purpose:?}");
        assert_eq!(acts(&life.did("Promo")), [""; 0], "{purpose:?}");
        assert_eq!(life.twin.profile.consents.len(), 1, "{purpose:?}: it is one consent");
    }
    for channel in ["App", "APP", " app "] {
        let mut life = ada();
        life.consent("marketing", true);
        let no = json!({ "purpose": "Marketing", "channel": channel, "granted": false });
        assert_eq!(life.event("web", "consent", no).notes, [], "{channel:?}");
        assert_eq!(acts(&life.did("Promo")), [""; 0], "{channel:?}");
    }
    let mut life = ada();
    life.consent("Processing", false);
    assert_eq!(acts(&life.did("Bill")), [""; 0]);
    life.consent("PROCESSING", true);
    assert_eq!(acts(&life.did("Bill")), ["bill"]);
    let mut life = ada();
    life.consent("Marketing", true);
    let consent = life.twin.profile.consents.first().expect("it is kept");
    assert_eq!(consent.until, Some(life.now + 30 * DAY), "what the policy says of it holds");
}

#[test]
fn rules_hear_a_purpose_in_any_capitals_by_the_name_that_the_policy_gives_it() {
    let policy = CONSENTS.to_owned()
        + r#"
[[rules]]
name = "sorry"
on = "consent:marketing"
when = "event.purpose == 'marketing' && event.detail == 'marketing'"
then = [{ act = "fraud" }]
"#;
    for purpose in ["marketing", "Marketing", " MARKETING "] {
        let mut life = Life::of("ada", policy_of(&policy));
        assert_eq!(acts(&life.consent(purpose, false)), ["fraud"], "{purpose:?}");
    }
}

#[test]
fn the_last_statement_wins_for_a_consent_stored_in_two_spellings() {
    let kept = |purpose: &str, granted, seconds| Consent {
        purpose: purpose.into(),
        channel: None,
        granted,
        at: start() + Duration::from_secs(seconds),
        by: "web".into(),
        proof: None,
        until: None,
    };
    for (rows, is_allowed) in [
        ([kept("marketing", true, 1), kept("Marketing", false, 2)], false),
        ([kept("marketing", true, 2), kept("Marketing", false, 1)], true),
        ([kept("Marketing", false, 1), kept("marketing", true, 1)], false),
    ] {
        let mut life = ada();
        life.now = life.now + DAY;
        life.twin.profile.consents = rows.into();
        assert_eq!(acts(&life.did("Promo")) == ["promo"], is_allowed);
        life.consent("MARKETING", !is_allowed);
        assert_eq!(life.twin.profile.consents.len(), 1);
        assert_eq!(acts(&life.did("Promo")) == ["promo"], !is_allowed);
    }
}

#[test]
fn a_purpose_or_a_channel_that_the_policy_does_not_have_is_kept_and_told() {
    let mut life = ada();
    let told = life.consent("newsletter", false);
    assert_eq!(told.notes, [Note::Unknown("purpose", "newsletter".into())]);
    let no = json!({ "purpose": "marketing", "channel": "e-mail", "granted": false });
    let told = life.event("web", "consent", no);
    assert_eq!(told.notes, [Note::Unknown("channel", "e-mail".into())]);
    assert_eq!(life.twin.profile.consents.len(), 2);
    for known in ["service", "personalization", "contract", "Sales"] {
        assert_eq!(life.consent(known, true).notes, [], "{known}");
    }
    let wish = |value| json!({ "key": "channel", "value": value });
    let told = life.event("web", "preference", wish(json!(["fax", "Email", "pigeon"])));
    let unknown = |channel: &str| Note::Unknown("channel", channel.into());
    assert_eq!(told.notes, [unknown("fax"), unknown("pigeon")]);
    assert_eq!(life.event("web", "preference", wish(json!("EMAIL"))).notes, []);
}

#[test]
fn a_channel_is_preferred_in_any_capitals() {
    let both = CONSENTS.replace(
        r#"treatments = [{ channel = "email", text.en = "Your bill." }]"#,
        r#"treatments = [
  { channel = "email", text.en = "Your bill." },
  { channel = "sms", text.en = "Your bill." },
]"#,
    );
    for wanted in [json!("SMS"), json!(" sms"), json!(["SMS"]), json!(["Fax", "Sms "])] {
        let mut life = Life::of("ada", policy_of(&both));
        life.event("web", "preference", json!({ "key": "channel", "value": wanted }));
        let reaction = life.did("Bill");
        assert_eq!(action(&reaction).map(|told| &*told.channel), Some("sms"), "{wanted}");
    }
}

#[test]
fn a_withdrawal_counts_with_any_value_of_its_expiry() {
    for expires in [json!(""), json!("never"), json!(0), json!("2026-02-30"), json!({})] {
        let mut life = ada();
        life.consent("marketing", true);
        let no = json!({ "purpose": "marketing", "granted": false, "expires": expires });
        life.event("web", "consent", no);
        assert_eq!(acts(&life.did("Promo")), [""; 0], "{expires}");
        let kept = life.twin.profile.consents.first().map(|kept| (kept.granted, kept.until));
        assert_eq!(kept, Some((false, None::<Time>)), "{expires}");
    }
}
