use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use std::sync::Arc;

use super::kind::{name, optional_name, value, values};
use super::{Event, EventKind, Map, OutcomeKind, Reason, Rejection, Value, nullable};
use crate::config::limits;

/// What an agent did with an escalation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HandoffState {
    /// The customer is handed over to agents.
    Opened,
    /// An agent has claimed the conversation; automation pauses.
    Claimed,
    /// The agent reports what was said and done, and continues.
    Noted,
    /// The agent returned the conversation.
    HandedBack,
    /// The escalation is resolved.
    Resolved,
}

impl HandoffState {
    /// Every state, in the order of an escalation's life.
    pub const ALL: [HandoffState; 5] = [
        HandoffState::Opened,
        HandoffState::Claimed,
        HandoffState::Noted,
        HandoffState::HandedBack,
        HandoffState::Resolved,
    ];

    /// The state's name on the bus.
    pub const fn name(self) -> &'static str {
        match self {
            HandoffState::Opened => "opened",
            HandoffState::Claimed => "claimed",
            HandoffState::Noted => "noted",
            HandoffState::HandedBack => "handed-back",
            HandoffState::Resolved => "resolved",
        }
    }
}

/// An act of an agent on an escalation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HandoffData {
    /// The escalation's id, from its message; empty only for `opened`.
    #[serde(default, deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<Box<str>>")]
    pub escalation: Box<str>,
    /// What the agent did.
    pub state: HandoffState,
    /// The agent; required for a claim, after which only this agent can act on the escalation.
    #[serde(default)]
    pub agent: Option<Box<str>>,
    /// The operator who acts instead of the agent, regardless of who has claimed it.
    #[serde(default)]
    pub operator: Option<Box<str>>,
    /// A note for the next agent; for an opened one, the reason.
    #[serde(default)]
    pub note: Option<Box<str>>,
    /// What the agent said to the customer: a line of the transcript.
    #[serde(default)]
    pub said: Option<Box<str>>,
    /// The decision by which the agent made an offer.
    #[serde(default)]
    pub decision: Option<Box<str>>,
    /// The outcome of that offer, used for learning like any other outcome.
    #[serde(default)]
    pub answer: Option<OutcomeKind>,
    /// How the escalation was resolved, in the company's own term: `refunded`.
    #[serde(default)]
    pub outcome: Option<Box<str>>,
    /// The needs that this satisfies.
    #[serde(default, deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<Vec<Box<str>>>")]
    pub needs: Vec<Box<str>>,
    /// The cases that this closes.
    #[serde(default, deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<Vec<Box<str>>>")]
    pub cases: Vec<Box<str>>,
    /// The step at which the conversation continues.
    #[serde(default)]
    pub step: Option<Value>,
    /// Data collected by the agent; merged into the data of the conversation.
    #[serde(default, deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<Map>")]
    pub data: Map,
    /// For `opened`: the queue; none: see `skill`. Otherwise: the queue that the escalation must be in,
    /// or nothing is done; none: any queue.
    #[serde(default)]
    pub queue: Option<Box<str>>,
    /// For `opened`: the skill that the agents need.
    #[serde(default)]
    pub skill: Option<Box<str>>,
    /// For `opened`: the topic.
    #[serde(default)]
    pub topic: Option<Box<str>>,
    /// For `opened`: the priority, from 1 (not urgent) to 5 (immediately); 3 if absent.
    #[serde(default)]
    pub priority: Option<u8>,
}

impl HandoffData {
    pub(super) fn check(&self) -> Result<(), String> {
        let names = [
            ("agent", &self.agent),
            ("operator", &self.operator),
            ("decision", &self.decision),
            ("outcome", &self.outcome),
            ("queue", &self.queue),
            ("skill", &self.skill),
            ("topic", &self.topic),
        ];
        for (field, found) in names {
            optional_name(field, found.as_deref())?;
        }
        for (field, found, most) in
            [("needs", &self.needs, limits::NEEDS), ("cases", &self.cases, limits::CASES)]
        {
            if found.len() > most {
                return Err(format!("{} `{field}`; at most {most} fit", found.len()));
            }
            found.iter().try_for_each(|one| name(field, one))?;
        }
        self.step.as_ref().map_or(Ok(()), value)?;
        values(&self.data)?;
        match self.state {
            HandoffState::Opened => {
                if let Some(other) = self.priority.filter(|priority| !(1..=5).contains(priority)) {
                    return Err(format!("a `priority` of {other}; 1 to 5 fit"));
                }
                match (&self.queue, &self.skill, &self.topic) {
                    (Some(_), Some(_), _) => Err("both `queue` and `skill`".into()),
                    (_, _, None) => Err("no `topic`".into()),
                    (_, _, Some(_)) => Ok(()),
                }
            }
            HandoffState::Claimed if self.agent.is_none() => {
                Err("`claimed` without `agent`; name the agent".into())
            }
            _ => name("escalation", &self.escalation),
        }
    }
}

/// The channels trusted to report acts of agents and operators, such as a contact centre's.
///
/// A publisher on any other channel could use another agent's name and claim or resolve escalations, so
/// other channels may only open an escalation, without a name. Agents themselves use the API, which
/// authenticates them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AgentChannels(Arc<[Box<str>]>);

impl AgentChannels {
    /// These channels, by name.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> AgentChannels {
        AgentChannels(names.into_iter().map(Into::into).collect())
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }

    /// Checks that an event's channel is allowed to send it. A forwarded event was checked where it
    /// entered.
    ///
    /// # Errors
    /// [`Reason::Refused`], if the channel is not allowed to.
    pub fn admit(&self, event: &Event) -> Result<(), Rejection> {
        let EventKind::Handoff(told) = &event.kind else { return Ok(()) };
        let is_nobodys = told.agent.is_none() && told.operator.is_none();
        if event.passed.is_some()
            || (told.state == HandoffState::Opened && is_nobodys)
            || self.names().any(|name| name == event.channel.as_str())
        {
            return Ok(());
        }
        let desks: Vec<&str> = self.names().collect();
        let desks = if desks.is_empty() { "none".to_owned() } else { desks.join(", ") };
        let found = match (told.state, is_nobodys) {
            (HandoffState::Opened, _) => "one with `agent` or `operator`".to_owned(),
            (state, _) => format!("`{}`", state.name()),
        };
        Err(Rejection::new(
            Reason::Refused,
            format!(
                "expected agents' `handoff` events only from a channel in `service.desks` \
                 ({desks}), and from `{}` only `opened` without `agent` and `operator`; found \
                 {found}. Agents use the API (`escalations.claim` and so on), a contact centre uses \
                 a channel listed in the setting",
                event.channel.as_str()
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Raw, parse};

    fn told(channel: &str, data: &str) -> Event {
        let payload = format!(r#"{{"type":"handoff","data":{data}}}"#);
        let raw = Raw {
            channel,
            customer: "ann",
            headers: &[],
            payload: payload.as_bytes(),
            sequence: 1,
        };
        parse(&raw).unwrap()
    }

    #[test]
    fn a_channel_hands_over_in_nobody_s_name_and_a_desk_says_what_people_do() {
        let desks = AgentChannels::new(["desk"]);
        let opened = r#"{"state":"opened","topic":"bot","note":"cannot help"}"#;
        assert_eq!(desks.admit(&told("chat", opened)), Ok(()));
        for borrowed in [
            r#"{"state":"opened","topic":"bot","agent":"lea"}"#,
            r#"{"state":"opened","topic":"bot","operator":"anna"}"#,
            r#"{"state":"claimed","escalation":"e1","agent":"lea"}"#,
            r#"{"state":"noted","escalation":"e1","said":"we refund it"}"#,
            r#"{"state":"handed-back","escalation":"e1"}"#,
            r#"{"state":"resolved","escalation":"e1","operator":"anna"}"#,
        ] {
            assert_eq!(desks.admit(&told("desk", borrowed)), Ok(()), "{borrowed}");
            let refusal = desks.admit(&told("chat", borrowed)).unwrap_err();
            assert_eq!(refusal.reason, Reason::Refused, "{borrowed}");
            let nobody = AgentChannels::default().admit(&told("desk", borrowed));
            assert!(nobody.is_err(), "{borrowed}");
        }
        let claimed = told("chat", r#"{"state":"claimed","escalation":"e1","agent":"lea"}"#);
        insta::assert_snapshot!(desks.admit(&claimed).unwrap_err(), @"refused: expected agents' `handoff` events only from a channel in `service.desks` (desk), and from `chat` only `opened` without `agent` and `operator`; found `claimed`. Agents use the API (`escalations.claim` and so on), a contact centre uses a channel listed in the setting");
    }
}
