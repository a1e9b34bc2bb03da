//! Briefs: the summary that lets an agent continue without asking the customer again.
//!
//! A pure read of the twin. Data whose purpose does not cover the queue is left out, and a subject to
//! avoid is named without details.

mod text;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::understand::{DecisionRequests, ReactionContext};
use super::{
    CandidateVerdict, Case, Derived, EscalationRecord, Fired, Input, Need, Remark, TranscriptLine,
    Twin, World, decide, resume,
};
use crate::config::limits;
use crate::event::{
    Channel, Customer, InteractionState, Map, OutcomeKind, Speaker, Time, Value, cut,
};
use crate::policy::Issue;

/// The summary that lets an agent continue without asking the customer again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Brief {
    /// The customer.
    pub customer: Customer,
    /// Since when the customer is known.
    pub known_since: Time,
    /// The customer's traits, by the company's names.
    pub traits: Map,
    /// The customer's language, if known.
    pub language: Option<Box<str>>,
    /// Why agents were asked, and what has happened since: a short story.
    pub story: Vec<Remark>,
    /// The customer's needs, strongest first, each with the reason.
    pub needs: Vec<(Box<str>, Box<str>)>,
    /// The customer's mood; none: there has been no message yet.
    pub mood: Option<Mood>,
    /// Actions taken and their outcomes, oldest first.
    pub tried: Vec<Attempt>,
    /// The number of answers that a bot has given in the last conversation.
    pub bot_answers: u32,
    /// The last lines of the last conversation, oldest first.
    pub transcript: Vec<TranscriptLine>,
    /// Open conversations and journeys, the best to resume first.
    pub interactions: Vec<OpenInteraction>,
    /// Open cases.
    pub cases: Vec<Case>,
    /// Usable preferences.
    pub preferences: BTreeMap<Box<str>, Value>,
    /// How to address them.
    pub speak: SpeakingHints,
    /// Subjects to avoid.
    pub avoid: Vec<Avoid>,
    /// The twin's next actions, best first.
    pub next: Vec<Proposed>,
    /// Recent inputs, oldest first.
    pub timeline: Vec<TimelineLine>,
}

/// A customer's mood, and the words that show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Mood {
    /// −1 (bad) to 1 (good).
    pub level: f64,
    /// The trend: −1 (worse) to 1 (better).
    pub trend: f64,
    /// The urgency: 0 to 1.
    pub urgency: f64,
    /// The dissatisfaction, 0 to 1; none: the policy does not define it.
    pub dissatisfaction: Option<f64>,
    /// The last messages, oldest first.
    pub course: Vec<Felt>,
}

/// One analysed message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Felt {
    /// When it was written.
    pub at: Time,
    /// Its channel.
    pub channel: Channel,
    /// −1 (bad) to 1 (good).
    pub valence: f32,
    /// The words that show the valence.
    pub words: Vec<Box<str>>,
}

/// An action taken and its outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// When it was taken.
    pub at: Time,
    /// The action.
    pub action: Box<str>,
    /// The channel.
    pub channel: Box<str>,
    /// The latest outcome; none: unknown.
    pub outcome: Option<OutcomeKind>,
}

/// How to address a customer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpeakingHints {
    /// The language.
    pub language: Option<Box<str>>,
    /// `gentle` or `neutral`.
    pub tone: Box<str>,
    /// The channel in which they respond best.
    pub channel: Option<Value>,
    /// The hour of their day in which they respond best, 0 to 23.
    pub hour: Option<Value>,
}

/// A subject to avoid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Avoid {
    /// The reason.
    pub why: AvoidedBecause,
    /// The subject, without details.
    pub topic: Box<str>,
}

/// Why a subject is to be avoided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AvoidedBecause {
    /// It is sensitive, and its purpose does not cover the queue.
    Sensitive,
    /// The customer has rejected it recently.
    Rejected,
    /// The customer is in distress.
    Distress,
}

/// A proposed next action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Proposed {
    /// The action.
    pub action: Box<str>,
    /// The issue it belongs to.
    pub issue: Issue,
    /// The reason, for people to read.
    pub because: Box<str>,
    /// The text to say; empty except for the best action.
    pub text: Box<str>,
    /// Its score in the arbitration.
    pub score: f64,
}

/// An open conversation or journey in a brief.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OpenInteraction {
    /// Its identifier.
    pub id: Box<str>,
    /// Its kind.
    pub kind: Box<str>,
    /// Its state.
    pub state: InteractionState,
    /// The step reached.
    pub step: Value,
    /// Fields collected so far.
    pub data: Map,
    /// The channel of its last activity.
    pub channel: Channel,
    /// The time of its last activity.
    pub touched: Time,
}

/// One line of the timeline in a brief.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimelineLine {
    /// When it was processed.
    pub at: Time,
    /// The kind of input.
    pub what: Box<str>,
    /// The channel.
    pub channel: Box<str>,
    /// Its content in short.
    pub text: Box<str>,
}

/// For this long a rejected action is not brought up again.
const REFUSED_WITHIN: Duration = Duration::from_secs(30 * 86_400);

impl Brief {
    /// The whole brief, without data whose purpose does not cover the queue.
    pub(super) fn of(
        twin: &Twin,
        known: &EscalationRecord,
        context: &ReactionContext<'_>,
    ) -> Brief {
        let uses = context.policy.uses_of_queue(&known.queue);
        let now = context.input.at;
        let is_fitting = |need: &&Need| {
            twin.guard(Derived::Need, &need.name).is_none_or(|given| given.allow(&uses))
        };
        let mut needs: Vec<_> = twin.needs.iter().filter(is_fitting).collect();
        needs.sort_by(|left, right| right.strength.total_cmp(&left.strength));
        let conversation = twin.last_conversation();
        let transcript = conversation.map_or_else(Vec::new, |one| one.lines.clone());
        let bots = transcript.iter().filter(|line| line.from == Speaker::Bot).count();
        let preferences: BTreeMap<Box<str>, Value> = twin
            .profile
            .preferences
            .iter()
            .filter_map(|known| {
                let rule = context.policy.preferences.get(&known.key);
                Some((known.key.clone(), known.usable(rule, now)?.clone()))
            })
            .collect();
        let passed_over = twin.timeline.len().saturating_sub(limits::BRIEF_LINES);
        let language: Option<Box<str>> = decide::language(twin, context).map(Into::into);
        Brief {
            customer: twin.customer.clone(),
            known_since: twin.born,
            traits: twin.profile.traits.clone(),
            story: story(known),
            needs: needs
                .into_iter()
                .map(|need| (need.name.clone(), need.evidence.clone()))
                .collect(),
            mood: mood(twin, context),
            tried: tried(twin),
            bot_answers: u32::try_from(bots).unwrap_or(u32::MAX),
            transcript,
            interactions: interactions(twin, context),
            cases: twin.cases.iter().filter(|case| case.is_open()).cloned().collect(),
            speak: SpeakingHints {
                language: language.clone(),
                tone: if decide::is_low(twin, now) { "gentle" } else { "neutral" }.into(),
                channel: preferences.get("channel").cloned(),
                hour: preferences.get("hour").cloned(),
            },
            preferences,
            language,
            avoid: avoid(twin, &uses, context),
            next: next(twin, &uses, context),
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

impl Twin {
    /// The current brief of an escalation; none if there is no such escalation.
    pub fn brief(&self, escalation: &str, world: &World<'_>, now: Time) -> Option<Brief> {
        let known = self.escalations.iter().find(|known| *known.id == *escalation)?;
        let looked = Fired { name: "".into(), due: now, late: Duration::ZERO };
        let input = Input::timer(looked, now);
        let context = ReactionContext::new(self, &input, world, self.seen);
        Some(Brief::of(self, known, &context))
    }
}

/// Why agents were asked, what has happened since, and the agents' notes.
fn story(known: &EscalationRecord) -> Vec<Remark> {
    let because = Remark { at: known.opened, by: None, text: known.because.clone() };
    let mut story: Vec<Remark> = [because]
        .into_iter()
        .chain(known.evidence.iter().cloned())
        .chain(known.notes.iter().cloned())
        .filter(|remark| !remark.text.is_empty())
        .collect();
    story.sort_by_key(|remark| remark.at);
    story
}

fn mood(twin: &Twin, context: &ReactionContext<'_>) -> Option<Mood> {
    let now = context.input.at;
    let known = twin.sentiment.as_ref()?;
    let course = known.evidence.iter().map(|heard| Felt {
        at: heard.at,
        channel: heard.channel.clone(),
        valence: heard.reading.valence,
        words: heard.reading.words.iter().map(|cue| cue.text.clone()).collect(),
    });
    Some(Mood {
        level: known.overall.level(now),
        trend: known.overall.trend(now),
        urgency: known.urgency(now),
        dissatisfaction: twin.dissatisfaction(context.policy, now).map(|known| known.index),
        course: course.collect(),
    })
}

/// The last actions; an action that was recalled unseen does not count as tried.
fn tried(twin: &Twin) -> Vec<Attempt> {
    let seen = twin.contacts.iter().filter(|contact| !contact.is_recalled());
    let mut tried: Vec<Attempt> = seen
        .map(|contact| Attempt {
            at: contact.at,
            action: contact.action.clone(),
            channel: contact.channel.clone(),
            outcome: contact.outcome.map(|outcome| outcome.kind),
        })
        .collect();
    tried.sort_by_key(|attempt| attempt.at);
    let surplus = tried.len().saturating_sub(limits::BRIEF_ATTEMPTS);
    tried.drain(..surplus);
    tried
}

fn interactions(twin: &Twin, context: &ReactionContext<'_>) -> Vec<OpenInteraction> {
    let ranked = resume::ranked(twin, context.policy, context.input).into_iter();
    let open = ranked.map(|known| OpenInteraction {
        id: known.id.clone(),
        kind: known.kind.clone(),
        state: known.state,
        step: known.step.clone(),
        data: known.data.clone(),
        channel: known.channel.clone(),
        touched: known.touched,
    });
    open.collect()
}

fn avoid(twin: &Twin, uses: &[Box<str>], context: &ReactionContext<'_>) -> Vec<Avoid> {
    let now = context.input.at;
    let mut avoid = Vec::new();
    for signal in twin.context.iter().filter(|signal| twin.signal(&signal.name, now).is_some()) {
        let (told, purpose) = (signal.sensitivity, signal.purpose.as_deref());
        let given = context.policy.purposes(&signal.name, told, purpose);
        if given.is_some_and(|given| !given.allow(uses)) {
            let topic = signal.name.clone();
            avoid.push(Avoid { why: AvoidedBecause::Sensitive, topic });
        }
    }
    for contact in &twin.contacts {
        let is_refused = contact.outcome.is_some_and(|outcome| {
            matches!(outcome.kind, OutcomeKind::Rejected | OutcomeKind::Dismissed)
                && now.since(outcome.at) < REFUSED_WITHIN
        });
        let one = Avoid { why: AvoidedBecause::Rejected, topic: contact.action.clone() };
        if is_refused && !avoid.contains(&one) {
            avoid.push(one);
        }
    }
    if decide::unsuitable(Issue::Sales, twin, context).is_some() {
        avoid.push(Avoid { why: AvoidedBecause::Distress, topic: Issue::Sales.name().into() });
    }
    avoid
}

/// The actions that an arbitration would choose for these needs; it has no effects.
fn next(twin: &Twin, uses: &[Box<str>], context: &ReactionContext<'_>) -> Vec<Proposed> {
    let context = context.for_an_agent(twin);
    let requests = DecisionRequests { needs_moved: true, ..DecisionRequests::default() };
    let Some(decided) = decide::decide(twin, &context, &requests) else { return Vec::new() };
    let decision = decided.decision;
    let is_worth = |verdict: &CandidateVerdict| {
        matches!(verdict, CandidateVerdict::Chosen | CandidateVerdict::Outscored)
    };
    let best = decision.candidates.iter().filter(|candidate| is_worth(&candidate.verdict));
    let proposed = best.filter_map(|candidate| {
        let action = context.policy.action(&candidate.action)?;
        // An action that serves a need which these agents may not know of would reveal it.
        let need = action.serves.iter().map(|need| &context.policy.needs[*need].name);
        let is_given =
            |name: &str| twin.guard(Derived::Need, name).is_none_or(|given| given.allow(uses));
        let served = need.filter(|name| twin.needs.iter().any(|one| one.name == **name));
        let served: Vec<&Box<str>> = served.collect();
        if !served.iter().all(|name| is_given(name)) {
            return None;
        }
        let because = twin.needs.iter().find(|one| served.contains(&&one.name));
        let chosen = decision.chosen.iter().find(|chosen| *chosen.action == *candidate.action);
        Some(Proposed {
            action: (*candidate.action).into(),
            issue: action.issue,
            because: because.map_or("", |need| &need.evidence).into(),
            text: chosen
                .map_or("", |chosen| cut(&chosen.text, limits::TRANSCRIPT_LINE_BYTES))
                .into(),
            score: candidate.score,
        })
    });
    proposed.take(limits::BRIEF_STEPS).collect()
}
