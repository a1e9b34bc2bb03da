use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{name, optional_name, value, values};
use super::{Map, OutcomeKind, Value};
use crate::config::limits;

/// What an agent does with an escalation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HandoffState {
    /// Somebody hands the customer over to people.
    Opened,
    /// An agent holds the conversation; automation keeps quiet.
    Claimed,
    /// The agent says what was said and done, and goes on.
    Noted,
    /// The agent returned the conversation.
    HandedBack,
    /// The matter is settled.
    Resolved,
}

impl HandoffState {
    /// Every state, in the order in which they come.
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

/// An agent took, returned or resolved an escalation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Handoff {
    /// The escalation, as its message named it; empty only where one is opened.
    #[serde(default)]
    pub escalation: Box<str>,
    /// What the agent did.
    pub state: HandoffState,
    /// Who the agent is; needed to claim, and whoever has claimed is the only one who goes on.
    #[serde(default)]
    pub agent: Option<Box<str>>,
    /// The operator who acts in the agent's place, whoever holds it.
    #[serde(default)]
    pub operator: Option<Box<str>>,
    /// What whoever goes on should know; of one that is opened, why.
    #[serde(default)]
    pub note: Option<Box<str>>,
    /// What the agent said to the customer: a line of the transcript.
    #[serde(default)]
    pub said: Option<Box<str>>,
    /// The decision by which the agent made an offer.
    #[serde(default)]
    pub decision: Option<Box<str>>,
    /// What came of that offer: learned from as any outcome.
    #[serde(default)]
    pub answer: Option<OutcomeKind>,
    /// How the matter was settled, in a word of the company's: `refunded`.
    #[serde(default)]
    pub outcome: Option<Box<str>>,
    /// The needs that are met with it.
    #[serde(default)]
    pub needs: Vec<Box<str>>,
    /// The cases that are closed with it.
    #[serde(default)]
    pub cases: Vec<Box<str>>,
    /// The step at which the conversation goes on.
    #[serde(default)]
    pub step: Option<Value>,
    /// What was gathered on the way; merged into the data of the conversation.
    #[serde(default)]
    pub data: Map,
    /// Of one that is opened: the queue of people; none: see `skill`. Of any other: the queue in which
    /// it has to be, or nothing is done; none: whichever.
    #[serde(default)]
    pub queue: Option<Box<str>>,
    /// Of one that is opened: what these people must be able to do.
    #[serde(default)]
    pub skill: Option<Box<str>>,
    /// Of one that is opened: what it is about.
    #[serde(default)]
    pub topic: Option<Box<str>>,
    /// Of one that is opened: 1 (whenever) to 5 (now); 3 if not said.
    #[serde(default)]
    pub priority: Option<u8>,
}

impl Handoff {
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
                Err("nobody who claims; say which `agent`".into())
            }
            _ => name("escalation", &self.escalation),
        }
    }
}
