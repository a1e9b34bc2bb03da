//! What lets an agent go on without asking anything again.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::understand::Context;
use super::{Case, Derived, Escalated, Line, Need, Twin, decide, resume};
use crate::event::{Channel, InteractionState, Map, Time, Value};

/// What lets an agent go on without asking anything again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Brief {
    /// What the company calls the customer's traits.
    pub traits: Map,
    /// The customer's language, as far as it is known.
    pub language: Option<Box<str>>,
    /// The last words of the last conversation, oldest first.
    pub transcript: Vec<Line>,
    /// What the customer wants, strongest first: the need, and why the twin believes so.
    pub needs: Vec<(Box<str>, Box<str>)>,
    /// Conversations and journeys that are still open, those first that fit best to be taken up.
    pub interactions: Vec<OpenInteraction>,
    /// Open cases.
    pub cases: Vec<Case>,
    /// Usable preferences.
    pub preferences: BTreeMap<Box<str>, Value>,
    /// The recent past, oldest first.
    pub timeline: Vec<TimelineLine>,
}

/// An open conversation or journey in a brief.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OpenInteraction {
    /// Its identifier.
    pub id: Box<str>,
    /// What it is.
    pub kind: Box<str>,
    /// Where it stands.
    pub state: InteractionState,
    /// The step reached.
    pub step: Value,
    /// What was filled in or gathered.
    pub data: Map,
    /// The channel in which it was last touched.
    pub channel: Channel,
    /// When it was last touched.
    pub touched: Time,
}

/// One line of the recent past in a brief.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineLine {
    /// When.
    pub at: Time,
    /// What kind of input.
    pub what: Box<str>,
    /// The channel.
    pub channel: Box<str>,
    /// What it said.
    pub text: Box<str>,
}

const TIMELINE_IN_BRIEF: usize = 12;

impl Brief {
    /// The whole story, but for what was not given for what the people of this queue do.
    pub(super) fn of(twin: &Twin, known: &Escalated, context: &Context<'_>) -> Brief {
        let uses = context.policy.uses_of_queue(&known.queue);
        let is_fitting = |need: &&Need| {
            twin.guard(Derived::Need, &need.name).is_none_or(|given| given.allow(&uses))
        };
        let mut needs: Vec<_> = twin.needs.iter().filter(is_fitting).collect();
        needs.sort_by(|left, right| right.strength.total_cmp(&left.strength));
        let passed_over = twin.timeline.len().saturating_sub(TIMELINE_IN_BRIEF);
        Brief {
            traits: twin.profile.traits.clone(),
            language: decide::language(twin, context).map(Into::into),
            transcript: twin
                .last_conversation()
                .map_or_else(Vec::new, |conversation| conversation.lines.clone()),
            needs: needs
                .into_iter()
                .map(|need| (need.name.clone(), need.evidence.clone()))
                .collect(),
            interactions: resume::ranked(twin, context.policy, context.input)
                .into_iter()
                .map(|known| OpenInteraction {
                    id: known.id.clone(),
                    kind: known.kind.clone(),
                    state: known.state,
                    step: known.step.clone(),
                    data: known.data.clone(),
                    channel: known.channel.clone(),
                    touched: known.touched,
                })
                .collect(),
            cases: twin.cases.iter().filter(|case| case.is_open()).cloned().collect(),
            preferences: twin
                .profile
                .preferences
                .iter()
                .filter_map(|known| {
                    let rule = context.policy.preferences.get(&known.key);
                    Some((known.key.clone(), known.usable(rule, context.input.at)?.clone()))
                })
                .collect(),
            timeline: twin
                .timeline
                .iter()
                .skip(passed_over)
                .map(|entry| TimelineLine {
                    at: entry.at,
                    what: entry.what.name().into(),
                    channel: entry.channel.into(),
                    text: entry.text.into(),
                })
                .collect(),
        }
    }
}
