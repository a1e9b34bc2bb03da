//! What the customer allows, for how long, and what follows from what they do not.

use std::time::Duration;

use jumeau::event::{self, Customer, Raw, Time};
use jumeau::policy::{Files, Policy, load};
use jumeau::twin::{
    CandidateVerdict, Effect, Fired, Input, Reaction, Stage, Twin, World, invariants, react,
};
use serde_json::json;

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

struct Life {
    twin: Twin,
    policy: Policy,
    now: Time,
    sequence: u64,
}

impl Life {
    fn new() -> Life {
        let files = Files::new([("consents.toml", CONSENTS)]);
        let policy = load(&files).unwrap_or_else(|mistakes| panic!("\n{mistakes}"));
        let now = Time::parse("2026-03-02T09:00:00Z").unwrap();
        let twin = Twin::new(Customer::new("ada").unwrap(), now);
        Life { twin, policy, now, sequence: 0 }
    }

    fn event(&mut self, kind: &str, data: serde_json::Value) -> Reaction {
        self.sequence += 1;
        self.now = self.now + Duration::from_secs(1);
        let payload = json!({ "type": kind, "data": data }).to_string();
        let raw = Raw {
            channel: "shop",
            customer: "ada",
            headers: &[],
            payload: payload.as_bytes(),
            sequence: self.sequence,
        };
        let event = event::parse(&raw).unwrap();
        self.take(&Input::event(event, self.now))
    }

    fn take(&mut self, input: &Input) -> Reaction {
        let reaction = react(&mut self.twin, input, &World::of(&self.policy));
        assert_eq!(invariants::violations(&self.twin), Vec::<String>::new());
        reaction
    }

    fn track(&mut self, name: &str) -> Reaction {
        self.event("track", json!({ "name": name }))
    }

    fn consent(&mut self, purpose: &str, granted: bool) -> Reaction {
        self.event("consent", json!({ "purpose": purpose, "granted": granted }))
    }

    /// Lets time pass; what is due fires at its time. Returns what came of that.
    fn pass(&mut self, span: Duration) -> Vec<Reaction> {
        let until = self.now + span;
        let mut reactions = Vec::new();
        while let Some(timer) = self.twin.timers.iter().min_by_key(|timer| timer.due)
            && timer.due <= until
        {
            let fired = Fired { name: timer.name.clone(), due: timer.due, late: Duration::ZERO };
            self.now = self.now.max(timer.due);
            reactions.push(self.take(&Input::timer(fired, self.now)));
        }
        self.now = until;
        reactions
    }
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
    let mut life = Life::new();
    let expires = life.now + DAY * 7;
    let told = json!({
        "purpose": "marketing", "granted": true, "proof": "form 17", "expires": expires,
    });
    life.event("consent", told);
    let known = &life.twin.profile.consents[0];
    assert_eq!((known.at, &*known.by), (life.now, "shop"));
    assert_eq!(known.proof.as_deref(), Some("form 17"));
    assert_eq!(known.until, Some(expires), "sooner than the policy has it");
}

#[test]
fn a_withdrawal_holds_at_once_and_takes_back_what_is_on_its_way() {
    let mut life = Life::new();
    life.consent("marketing", true);
    assert_eq!(acts(&life.track("Promo")), ["promo"]);
    let withdrawn = life.consent("marketing", false);
    assert_eq!(recalls(&withdrawn), [("promo", Stage::Contact)]);
    assert!(acts(&life.track("Promo")).is_empty());
}

#[test]
fn a_consent_lapses_and_is_asked_for_again() {
    let mut life = Life::new();
    life.consent("marketing", true);
    life.pass(DAY * 29);
    assert_eq!(acts(&life.track("Promo")), ["promo"]);
    let lapsed = life.pass(DAY * 2);
    assert_eq!(lapsed.iter().flat_map(recalls).collect::<Vec<_>>(), [("promo", Stage::Contact)]);
    assert_eq!(lapsed.iter().flat_map(acts).collect::<Vec<_>>(), ["ask_marketing"]);
    assert!(acts(&life.track("Promo")).is_empty());
    assert!(life.twin.timers.iter().all(|timer| !timer.name.starts_with("consent")));
    life.consent("marketing", true);
    assert_eq!(acts(&life.track("Promo")), ["promo"], "it was given again");
}

#[test]
fn a_no_does_not_lapse() {
    let mut life = Life::new();
    life.consent("marketing", false);
    assert!(life.twin.timers.is_empty());
    life.pass(DAY * 400);
    assert_eq!(life.twin.profile.consent("marketing", None, life.now), Some(false));
}

#[test]
fn what_needs_no_consent_is_done_without_until_the_customer_says_no() {
    let mut life = Life::new();
    assert_eq!(acts(&life.track("Bill")), ["bill"]);
    life.consent("contract", false);
    assert!(acts(&life.track("Bill")).is_empty());
}

#[test]
fn who_refuses_personalization_is_served_like_anybody() {
    let mut life = Life::new();
    life.consent("marketing", true);
    for _ in 0..4 {
        life.event("track", json!({ "name": "Colour", "properties": { "colour": "red" } }));
    }
    let said = json!({ "text": "this is terrible, I am so angry", "from": "customer" });
    let before = life.track("Promo");
    assert_eq!(colour(&before), "red", "what was inferred is used");
    assert!(before.effects.iter().any(|effect| matches!(effect, Effect::Try(_))));
    assert!(!before.decision().unwrap().is_plain);
    assert!(life.twin.contacts[0].shown.is_some(), "what comes of it would be learned from");

    life.consent("personalization", false);
    assert!(life.twin.profile.preferences.is_empty(), "what was inferred is forgotten");
    assert!(life.twin.contacts[0].shown.is_none(), "nothing is learned of what was said before");
    life.event("message", said);
    life.pass(DAY * 3);
    life.event("track", json!({ "name": "Colour", "properties": { "colour": "red" } }));
    let after = life.track("Promo");
    assert_eq!(acts(&after), ["promo"], "there is service all the same");
    let decision = after.decision().unwrap();
    assert!(decision.is_plain && decision.model == 0);
    assert_eq!(colour(&after), "none");
    assert!(life.twin.profile.preferences.is_empty(), "and nothing is inferred anew");
    assert!(life.twin.contacts.iter().all(|contact| contact.shown.is_none()));
    assert!(!after.effects.iter().any(|effect| matches!(effect, Effect::Try(_))));

    life.event("preference", json!({ "key": "colour", "value": "green" }));
    assert_eq!(colour(&life.track("Promo")), "green", "what the customer says is theirs to say");
    life.consent("personalization", true);
    assert!(!life.track("Promo").decision().unwrap().is_plain);
}

#[test]
fn restricted_data_is_kept_and_not_used_until_the_restriction_is_lifted() {
    let mut life = Life::new();
    life.consent("marketing", true);
    assert_eq!(acts(&life.track("Promo")), ["promo"]);
    let restricted = life.consent("processing", false);
    assert_eq!(recalls(&restricted), [("promo", Stage::Candidate)]);
    let inputs = life.twin.timeline.total();
    let silent = life.track("Promo");
    assert!(acts(&silent).is_empty());
    let why = &silent.decision().unwrap().candidates[0].verdict;
    assert_eq!(*why, CandidateVerdict::Restricted);
    assert!(acts(&life.track("Bill")).is_empty());
    assert_eq!(acts(&life.track("Fraud")), ["fraud"], "what is vital must go out");
    assert_eq!(life.twin.timeline.total(), inputs + 3, "what happens is kept");
    life.consent("processing", true);
    assert_eq!(acts(&life.track("Promo")), ["promo"]);
}
