//! The central authority: one arbitration for all channels. A pure read of the twin.
//!
//! Every action that serves a live need, that a rule proposed, or that offers to go on with what was
//! left, is a candidate. It is dropped by
//! the first of these that speaks against it: an agent who holds the conversation, its condition,
//! its cooldown, a missing consent. Of those that are left the one with the highest score is taken
//! for which a treatment can be said.

mod record;
mod treatment;

pub use record::{Alternative, Candidate, Decision, Stage, Verdict, Weights};
pub(super) use treatment::language;

use std::sync::Arc;

use super::effect::{Action, Reason};
use super::understand::{Context, Wishes};
use super::view::{Used, View};
use super::{Derived, Need, Twin, act};
use crate::config::limits;
use crate::event::{Value, cut};
use crate::policy::{self, Expression, Path, Scope, Truth, Worth};
use treatment::Said;

/// A candidate while it is weighed.
struct Weighed<'a> {
    action: &'a policy::Action,
    need: Option<&'a Need>,
    /// Why, in words for people.
    because: &'a str,
    weights: Weights,
    score: f64,
    stage: Stage,
    verdict: Verdict,
    /// The expression that decided.
    by: Option<&'a Expression>,
    treatment: Option<&'a str>,
}

/// Weighs every candidate and takes at most one. None if there is none.
pub(super) fn decide(twin: &Twin, context: &Context<'_>, wishes: &Wishes) -> Option<Box<Decision>> {
    let mut weighed: Vec<Weighed<'_>> = candidates(twin, context, wishes)
        .map(|(action, need)| weigh(twin, context, wishes, action, need))
        .collect();
    if weighed.is_empty() {
        return None;
    }
    // A stable sort: of equal scores the policy's order decides.
    weighed.sort_by(|left, right| right.score.total_cmp(&left.score));

    let mut said = None;
    for candidate in &mut weighed {
        if candidate.verdict != Verdict::Outscored {
            continue;
        }
        candidate.stage = Stage::Treatment;
        match treatment::treat(twin, context, candidate.action, candidate.need) {
            Ok(treated) => {
                candidate.verdict = Verdict::Chosen;
                candidate.treatment = Some(&treated.treatment.name);
                said = Some(treated);
                break;
            }
            Err(verdict) => candidate.verdict = verdict,
        }
    }

    let id = act::identifier('d', twin, context.input, "");
    let chosen = weighed.iter().find(|candidate| candidate.verdict == Verdict::Chosen);
    let chosen = chosen.zip(said).map(|(candidate, said)| {
        // Nor does the record of a decision tell of needs that were not given for this.
        let losers = weighed
            .iter()
            .filter(|other| other.verdict != Verdict::Chosen)
            .filter(|other| is_given(twin, other.need, &candidate.action.uses));
        let losers = losers.take(limits::CANDIDATES).map(Weighed::alternative);
        Arc::new(message(twin, context, candidate, id.clone(), said, losers))
    });
    let mut dropped = [0; Stage::ALL.len()];
    for candidate in weighed.iter().filter(|one| one.verdict != Verdict::Chosen) {
        dropped[candidate.stage as usize] += 1;
    }
    let (trigger, detail) = context.input.trigger();
    Some(Box::new(Decision {
        id,
        at: context.input.at,
        by: trigger.called(detail).into(),
        policy: context.policy.version.clone(),
        model: context.models.version(),
        considered: weighed.len() as u32,
        dropped,
        candidates: weighed
            .iter()
            .take(limits::CANDIDATES)
            .map(|candidate| candidate.record(twin, context))
            .collect(),
        chosen: chosen.into_iter().collect(),
    }))
}

impl Weighed<'_> {
    fn record(&self, twin: &Twin, context: &Context<'_>) -> Candidate {
        let used = Used { uses: &self.action.uses, discreet: true, place: None };
        let view = View { twin, context, need: self.need, used: Some(used) };
        let paths = self.by.map_or(&[][..], Expression::paths);
        Candidate {
            action: self.action.name.clone(),
            treatment: self.treatment.map(Into::into),
            need: self.need.map(|need| need.name.clone()),
            place: self.action.place.to_string().into(),
            stage: self.stage,
            verdict: self.verdict.clone(),
            weights: self.weights,
            score: self.score,
            read: paths.iter().map(|path| (path.to_string().into(), read(&view, path))).collect(),
        }
    }

    fn alternative(&self) -> Alternative {
        Alternative {
            action: self.action.name.clone(),
            need: self.need.map(|need| need.name.clone()),
            score: self.score,
            verdict: self.verdict.clone(),
        }
    }
}

/// What stands at a path, as a record keeps it: not more of it than one can read.
fn read(view: &View<'_>, path: &Path) -> Value {
    match view.find(path).value() {
        Value::Text(text) => cut(&text, limits::NAME_BYTES).into(),
        Value::List(_) | Value::Map(_) => Value::Null,
        plain => plain,
    }
}

/// How likely it is that a customer takes an action up of which nobody knows anything.
const UNKNOWN: f64 = 0.5;

fn weigh<'a>(
    twin: &'a Twin,
    context: &'a Context<'_>,
    wishes: &'a Wishes,
    action: &'a policy::Action,
    need: Option<&'a Need>,
) -> Weighed<'a> {
    let offered = wishes
        .offer
        .as_ref()
        .filter(|offer| std::ptr::eq(action, &context.policy.actions[offer.action]));
    let because = match (need, offered) {
        (Some(need), _) => &*need.evidence,
        (None, offered) => offered.map_or("", |offer| &*offer.because),
    };
    let weights = Weights {
        propensity: UNKNOWN,
        drawn: UNKNOWN,
        chance: 1.0,
        context: need.map_or(1.0, |need| need.strength),
        value: match &action.value {
            Worth::Fixed(value) => *value,
            Worth::Of(_) => 0.0,
        },
        lever: 1.0,
    };
    let (stage, verdict, by) = objection(twin, context, wishes, action, need).unwrap_or((
        Stage::Arbitration,
        Verdict::Outscored,
        None,
    ));
    let score = weights.score();
    Weighed { action, need, because, weights, score, stage, verdict, by, treatment: None }
}

/// The actions worth considering, each with the strongest need that it serves.
fn candidates<'a>(
    twin: &'a Twin,
    context: &'a Context<'_>,
    wishes: &'a Wishes,
) -> impl Iterator<Item = (&'a policy::Action, Option<&'a Need>)> {
    let policy = context.policy;
    policy.actions.iter().enumerate().filter_map(move |(position, action)| {
        let need = action
            .serves
            .iter()
            .filter_map(|need| twin.need(&policy.needs[*need].name, context.input.at))
            .max_by(|left, right| {
                let fit = |need| is_given(twin, Some(need), &action.uses);
                fit(left).cmp(&fit(right)).then(left.strength.total_cmp(&right.strength))
            });
        let is_proposed = wishes.proposed.iter().any(|(proposed, _)| *proposed == position)
            || wishes.offers(position);
        (need.is_some() || is_proposed).then_some((action, need))
    })
}

/// Whether a need may be used in this way: it may be made of something sensitive.
fn is_given(twin: &Twin, need: Option<&Need>, uses: &[Box<str>]) -> bool {
    need.and_then(|need| twin.guard(Derived::Need, &need.name))
        .is_none_or(|given| given.allow(uses))
}

/// What an action that was not given for it goes by.
fn not_given(
    twin: &Twin,
    context: &Context<'_>,
    wishes: &Wishes,
    action: &policy::Action,
    need: Option<&Need>,
) -> Option<Verdict> {
    let given = match need {
        Some(need) => twin.guard(Derived::Need, &need.name),
        None => wishes
            .proposed
            .iter()
            .find(|(proposed, _)| std::ptr::eq(&context.policy.actions[*proposed], action))
            .and_then(|(_, given)| given.as_ref()),
    }?;
    if given.allow(&action.uses) {
        return None;
    }
    let purposes = given.to_string().into();
    let verdict = Verdict::NotGiven { purposes };
    context.withhold(&action.place, verdict.to_string());
    Some(verdict)
}

/// The stage at which something speaks against an action, what it is, and the expression that says
/// so.
type Objection<'a> = (Stage, Verdict, Option<&'a Expression>);

/// The first thing that speaks against an action.
fn objection<'a>(
    twin: &Twin,
    context: &Context<'_>,
    wishes: &Wishes,
    action: &'a policy::Action,
    need: Option<&Need>,
) -> Option<Objection<'a>> {
    if twin.is_held_by_agent() {
        return Some((Stage::Candidate, Verdict::HeldByAgent, None));
    }
    if context.is_guarded
        && let Some(verdict) = not_given(twin, context, wishes, action, need)
    {
        return Some((Stage::Candidate, verdict, None));
    }
    if let Some(when) = &action.when {
        let used = Some(Used { uses: &action.uses, discreet: false, place: Some(&action.place) });
        match when.test(&View { twin, context, need, used }) {
            Truth::True => {}
            Truth::False => {
                let verdict = Verdict::NotApplicable { when: when.source().into() };
                return Some((Stage::Applicability, verdict, Some(when)));
            }
            Truth::Unknown(error) => {
                let because = error.to_string().into();
                let verdict = Verdict::Unknown { when: when.source().into(), because };
                return Some((Stage::Applicability, verdict, Some(when)));
            }
        }
    }
    let rests_until = twin.last_contact(&action.name).map(|last| last.at + action.cooldown);
    if let Some(until) = rests_until
        && context.input.at < until
    {
        return Some((Stage::Contact, Verdict::CoolingDown { until }, None));
    }
    if let Some(purpose) = &action.purpose {
        let allowed = |treatment: &policy::Treatment| {
            twin.profile.consent(purpose, Some(&treatment.channel)) == Some(true)
        };
        if !action.treatments.iter().any(allowed) {
            let verdict = Verdict::NoConsent { purpose: purpose.clone() };
            return Some((Stage::Contact, verdict, None));
        }
    }
    None
}

fn message(
    twin: &Twin,
    context: &Context<'_>,
    candidate: &Weighed<'_>,
    decision: Box<str>,
    said: Said<'_>,
    instead_of: impl Iterator<Item = Alternative>,
) -> Action {
    let Weighed { action, need, because, score, .. } = *candidate;
    Action {
        decision,
        customer: twin.customer.clone(),
        action: action.name.clone(),
        issue: action.issue,
        channel: said.treatment.channel.clone(),
        treatment: said.treatment.name.clone(),
        tone: said.treatment.tone.clone(),
        language: said.language.into(),
        text: said.text.into(),
        data: said.data,
        at: context.input.at,
        reason: Reason {
            need: need.map(|need| need.name.clone()),
            strength: need.map_or(1.0, |need| need.strength),
            because: need
                .filter(|need| {
                    said.treatment.discreet && twin.guard(Derived::Need, &need.name).is_some()
                })
                .map_or(because, |_| "")
                .into(),
            score,
            policy: context.policy.name.clone(),
            version: context.policy.version.clone(),
            instead_of: instead_of.collect(),
        },
        traceparent: context.input.traceparent().map(Into::into),
    }
}
