//! Explanations of decisions, and what-if decisions; they have no side effects.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Customer, EventType, Time, six_digits};
use crate::twin::{
    Action, Counterfactual, Decision, Effect, Escalation, InputResult, Journalled, Reaction,
    Recall, Twin, counterfactuals,
};

/// The payload of [`verb::WHY`](super::verb::WHY).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WhyRequest {
    /// A decision, by its id or that of one of its actions; none: the last one.
    pub decision: Option<Box<str>>,
}

/// The reply to [`verb::WHY`](super::verb::WHY).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WhyReply {
    /// The customer of the twin.
    pub customer: Customer,
    /// The decision.
    pub decision: Decision,
    /// Changes that would have led to another decision.
    pub flips: Vec<Counterfactual>,
    /// The stored decisions, newest first.
    pub known: Vec<KnownDecision>,
}

/// A stored decision that can be explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KnownDecision {
    /// Its identifier.
    pub id: Box<str>,
    /// Its zero-based index among the decisions of its twin.
    pub number: u32,
    /// Its time.
    pub at: Time,
    /// Its trigger.
    pub by: Box<str>,
    /// The actions that were taken.
    pub chosen: Vec<Box<str>>,
}

impl KnownDecision {
    /// The summary of a decision.
    pub fn of(decision: &Decision) -> KnownDecision {
        KnownDecision {
            id: decision.id.clone(),
            number: decision.number,
            at: decision.at,
            by: decision.by.clone(),
            chosen: decision.chosen.iter().map(|action| action.action.clone()).collect(),
        }
    }
}

/// The payload of [`verb::WHAT_IF`](super::verb::WHAT_IF): an event that has not happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhatIfRequest {
    /// The channel that would report it.
    pub channel: Box<str>,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// Its data.
    #[serde(default)]
    pub data: serde_json::Value,
    /// When it would happen, for a service on event time; none: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

/// The reply to [`verb::WHAT_IF`](super::verb::WHAT_IF).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WhatIfReply {
    /// The customer of the twin.
    pub customer: Customer,
    /// Whether the customer is known.
    pub is_known: bool,
    /// The time.
    pub at: Time,
    /// The result of the event: accepted, or why not.
    pub verdict: Box<str>,
    /// The decision that would be taken, if any.
    pub decision: Option<Decision>,
    /// Changes that would lead to another decision.
    pub flips: Vec<Counterfactual>,
    /// The actions that would be taken.
    pub actions: Vec<Action>,
    /// The actions that would be recalled.
    #[serde(default)]
    pub recalls: Vec<Recall>,
    /// The escalations that would open or change.
    pub escalations: Vec<Escalation>,
    /// The timers that would start: their names, and when they would fire.
    pub timers: Vec<(Box<str>, Time)>,
    /// The timers that would be cancelled: their names, and when they would have fired.
    #[serde(default)]
    pub cancelled: Vec<(Box<str>, Time)>,
    /// The needs that would change.
    pub needs: Vec<NeedChange>,
    /// Notes for operators and policy authors.
    pub notes: Vec<Box<str>>,
}

impl WhatIfReply {
    /// The result of an event for a twin.
    pub fn of(
        before: &Twin,
        after: &Twin,
        is_known: bool,
        at: Time,
        reaction: Reaction,
    ) -> WhatIfReply {
        let verdict = match &reaction.result {
            InputResult::Applied => "taken in".into(),
            InputResult::Duplicate => "a duplicate".into(),
            InputResult::Forwarded => {
                "forwarded to the customer whom the identifier is linked to".into()
            }
            InputResult::Stale | InputResult::Untouched => "let be".into(),
            InputResult::Refused(rejection) => format!("refused: {}", rejection.detail).into(),
        };
        let strength =
            |twin: &Twin, need: &str| twin.need(need, at).map_or(0.0, |known| known.strength);
        let names = before.needs.iter().chain(&after.needs).map(|need| &need.name);
        let needs = names.collect::<BTreeSet<_>>().into_iter().filter_map(|need| {
            let (before, after) = (strength(before, need), strength(after, need));
            (before != after).then(|| NeedChange { need: need.clone(), before, after })
        });
        let mut reply = WhatIfReply {
            customer: before.customer.clone(),
            is_known,
            at,
            verdict,
            decision: None,
            flips: Vec::new(),
            actions: Vec::new(),
            recalls: Vec::new(),
            escalations: Vec::new(),
            timers: Vec::new(),
            cancelled: Vec::new(),
            needs: needs.collect(),
            notes: reaction.notes.iter().map(|note| note.to_string().into()).collect(),
        };
        for effect in reaction.effects {
            match effect {
                Effect::Act(action) => reply.actions.push((*action).clone()),
                Effect::Recall(recall) => reply.recalls.push(*recall),
                Effect::Escalate(escalation) => reply.escalations.push(*escalation),
                Effect::StartTimer { name, due } => reply.timers.push((name, due)),
                Effect::CancelTimer { name, due } => reply.cancelled.push((name, due)),
                Effect::Record(decision) => {
                    reply.flips = counterfactuals(&decision);
                    reply.decision = Some(*decision);
                }
                // The verdict tells of forwarding; the others are bookkeeping.
                Effect::Forward(_)
                | Effect::LetGo
                | Effect::Forget { .. }
                | Effect::Observe(_)
                | Effect::Try(_)
                | Effect::Journal { .. } => {}
            }
        }
        reply
    }
}

/// A need that would change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NeedChange {
    /// Its name.
    pub need: Box<str>,
    /// Its strength now, 0 to 1; 0: there is none.
    #[serde(serialize_with = "six_digits")]
    pub before: f64,
    /// Its strength then.
    #[serde(serialize_with = "six_digits")]
    pub after: f64,
}

/// The payload of [`verb::JOURNAL`](super::verb::JOURNAL).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JournalRequest {
    /// Only inputs from this time on.
    pub from: Option<Time>,
}

/// The reply to [`verb::JOURNAL`](super::verb::JOURNAL).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JournalReply {
    /// The inputs, in order.
    pub inputs: Vec<JournalEntry>,
    /// Whether this is the last page.
    pub is_whole: bool,
}

/// One input that did not come from the stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JournalEntry {
    /// Its time.
    pub at: Time,
    /// Distinguishes the inputs of one time, in order.
    pub number: u32,
    /// The input.
    #[schemars(with = "serde_json::Value")]
    pub input: Journalled,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Raw, parse};
    use crate::policy::{Files, load};
    use crate::twin::{Input, World, react};

    const POLICY: &str = r#"
[policy]
name = "shop"
languages = ["en"]

[[rules]]
name = "promo"
on = "track:Promo"
then = [{ act = "promo" }, { start = "later", after = "1d" }]

[[rules]]
name = "over"
on = "consent"
then = [{ cancel = "later" }]

[[actions]]
name = "promo"
issue = "nurture"
purpose = "marketing"
value = 0.5
pending = "3d"
[[actions.treatments]]
channel = "app"
text.en = "Buy!"
"#;

    #[test]
    fn a_what_if_names_every_recalled_action_and_cancelled_timer() {
        let policy = load(&Files::new([("shop.toml", POLICY)])).unwrap();
        let at = Time::from_ms(1_760_000_000_000);
        let mut twin = Twin::new(Customer::new("ann").unwrap(), at);
        let mut would = |payload: &str, sequence: u64| {
            let payload = payload.as_bytes();
            let raw = Raw { channel: "app", customer: "ann", headers: &[], payload, sequence };
            let before = twin.clone();
            let input = Input::event(parse(&raw).unwrap(), at);
            let reaction = react(&mut twin, &input, &World::of(&policy));
            WhatIfReply::of(&before, &twin, true, at, reaction)
        };
        let consent = |granted: bool| {
            format!(r#"{{"type":"consent","data":{{"purpose":"marketing","granted":{granted}}}}}"#)
        };
        would(&consent(true), 1);
        let promo = would(r#"{"type":"track","data":{"name":"Promo"}}"#, 2);
        assert_eq!((promo.actions.len(), promo.recalls.len()), (1, 0));
        let withdrawn = would(&consent(false), 3);
        let recalled: Vec<&str> = withdrawn.recalls.iter().map(|one| &*one.action).collect();
        assert_eq!(recalled, ["promo"]);
        let cancelled: Vec<&str> = withdrawn.cancelled.iter().map(|(name, _)| &**name).collect();
        assert_eq!(cancelled, ["later"]);
    }
}
