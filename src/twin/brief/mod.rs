//! Briefs: the summary that lets an agent continue without asking the customer again.
//!
//! A pure read of the twin. Data whose purpose does not cover the queue is left out, and a subject to
//! avoid is named without details.

mod text;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::limits;
use crate::event::{OutcomeKind, Speaker, Time, Value, cut};
use crate::policy::Issue;
use crate::twin::decide;
use crate::twin::effect::{
    Attempt, Avoid, AvoidedBecause, Brief, CandidateVerdict, Felt, Mood, OpenInteraction, Proposed,
    SpeakingHints, TimelineLine,
};
use crate::twin::input::{Fired, Input};
use crate::twin::moment::{DecisionRequests, ReactionContext, World, language, resume};
use crate::twin::state::{Derived, EscalationRecord, Need, Remark, Twin, mood};

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
        let is_gentle = mood::is_low(twin, now) || twin.grave_matter(context.policy, now).is_some();
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
        let language: Option<Box<str>> = language::language(twin, context).map(Into::into);
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
            tried: attempts(twin),
            bot_answers: u32::try_from(bots).unwrap_or(u32::MAX),
            transcript,
            interactions: interactions(twin, context),
            cases: twin.cases.iter().filter(|case| case.is_open()).cloned().collect(),
            speak: SpeakingHints {
                language: language.clone(),
                tone: if is_gentle { "gentle" } else { "neutral" }.into(),
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
fn attempts(twin: &Twin) -> Vec<Attempt> {
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
        let (sensitivity, purpose) = (signal.sensitivity, signal.purpose.as_deref());
        let given = context.policy.purposes(&signal.name, sensitivity, purpose);
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
