//! The central authority: one arbitration for all channels, inbound and outbound. A pure read of the
//! twin.
//!
//! Every action that serves a live need, that a rule proposed, that offers to go on with what was
//! left, or for which there is room where a channel asks, is a candidate. The stages drop those
//! against which something speaks, each stage by one question: see [`Stage`]. Of those that are left
//! the one with the highest score is taken that can be said:
//!
//! ```text
//! score = propensity × context × value × lever
//! ```
//!
//! The propensity, 0 to 1, is how likely the customer is to take it up if it is said in the best of
//! the ways that are allowed; the context, 0 to 10, is the strength of the need × the weight that the
//! policy gives to the issue in this mood; the value, 0 to 1, and the lever, 0.1 to 10, are the
//! policy's.

mod contact_budget;
mod control;
mod objection;
mod record;
mod treatment;
mod weighing;

pub(super) use objection::unsuitable;
pub use record::{Alternative, Candidate, CandidateVerdict, Decision, ScoreFactors, Stage};
pub(super) use treatment::language;
pub(super) use weighing::is_low;

use std::cell::RefCell;
use std::sync::Arc;

use super::broadcast::takes_part;
use super::deferred::DeferredDecision;
use super::effect::{Action, ActionReason};
use super::understand::{DecisionRequests, ReactionContext};
use super::view::{ReadPurpose, View};
use super::{ArmAssignment, Derived, Need, Timer, Twin, act, situation};
use crate::config::limits;
use crate::event::{AskData, Value, cut};
use crate::models::{self, ArmScorer, Contender, Exposure};
use crate::policy::{self, Experiment, Expression, Path, Scope, SourceLocation};
use contact_budget::ContactBudget;
use treatment::{ChannelPreference, RenderedTreatment};
use weighing::TreatmentOptions;

/// What came of an arbitration.
pub(super) struct Arbitration<'a> {
    /// Its record, with the actions to take.
    pub(super) decision: Box<Decision>,
    /// What each action that is taken went by, if something can be learned of it.
    pub(super) exposures: Vec<Option<Exposure>>,
    /// The timer that is to decide again: what would have been said must wait for the quiet hours
    /// to end.
    pub(super) deferred: Option<Timer>,
    /// What was held back, and cannot be said without the event: where it stands, and why.
    pub(super) lost: Option<(SourceLocation, String)>,
    /// The experiments that the decision is about, and the customer's arms.
    pub(super) entered: Arms<'a>,
}

/// Experiments, and the arms of them in which the customer is.
pub(super) type Arms<'a> = Vec<(&'a Experiment, &'a policy::ExperimentArm)>;

/// What all candidates of one decision are weighed with.
struct Scoring<'a> {
    twin: &'a Twin,
    context: &'a ReactionContext<'a>,
    requests: &'a DecisionRequests,
    asked: Option<&'a AskData>,
    /// What shows that the customer is in distress.
    distress: Option<CandidateVerdict>,
    /// What is open with the customer.
    open: Option<CandidateVerdict>,
    /// One should speak gently.
    is_low: bool,
    budget: ContactBudget<'a>,
    wanted: ChannelPreference<'a>,
    arms: Arms<'a>,
    /// None: nothing was learned, and nothing is left to chance.
    weigher: Option<RefCell<ArmScorer<'a>>>,
    /// The seed of all chance.
    chance: u64,
}

/// A candidate while it is weighed.
struct ScoredCandidate<'a> {
    action: &'a policy::ActionDefinition,
    need: Option<&'a Need>,
    /// Why, in words for people.
    because: &'a str,
    treatment_options: TreatmentOptions<'a>,
    weights: ScoreFactors,
    score: f64,
    stage: Stage,
    verdict: CandidateVerdict,
    /// The expression that decided.
    by: Option<&'a Expression>,
    treatment: Option<&'a Arc<str>>,
}

/// Weighs every candidate, and takes the best of them: one, or as many as a channel asks for. None
/// if there is no candidate.
pub(super) fn decide<'a>(
    twin: &Twin,
    context: &ReactionContext<'a>,
    requests: &DecisionRequests,
) -> Option<Arbitration<'a>> {
    let asked = context.input.ask();
    let positions = candidates(twin, context, requests, asked);
    if positions.is_empty() {
        return None;
    }
    let policy = context.policy;
    let is_drawn = context.is_personal
        && (policy.explore.is_some() || policy.features.is_some() || context.models.version() > 0);
    let features =
        if is_drawn { situation::features(twin, context) } else { models::Features::new() };
    let whole = View::whole(twin, context);
    let in_arm = |known: &'a Experiment| Some((known, twin.arm(known)?));
    // Whoever refuses to be profiled is in no arm.
    let all = policy.experiments.iter().filter(|_| context.is_personal);
    let arms: Arms<'a> = all.filter_map(in_arm).collect();
    let mut scales = Scoring {
        twin,
        context,
        requests,
        asked,
        distress: objection::distress(twin, &whole),
        open: objection::open_matter(twin, policy),
        is_low: context.is_personal && weighing::is_low(twin, context.input.at),
        budget: ContactBudget::of(twin, context),
        wanted: ChannelPreference::of(twin, context),
        arms: arms.clone(),
        weigher: is_drawn.then(|| RefCell::new(context.models.weigher(&features))),
        chance: weighing::chance(twin, context.input),
    };
    let mut weighed: Vec<ScoredCandidate<'_>> =
        positions.into_iter().map(|(position, need)| scales.weigh(position, need)).collect();
    scales.keep_within_reach(&mut weighed);
    // A stable sort: of equal scores the policy's order decides. Of numbers that are not negative the
    // bits are in their order, and candidates are long to move.
    weighed.sort_by_cached_key(|candidate| !(candidate.score + 0.0).to_bits());
    scales.hold_back(&mut weighed);
    scales.tell_chances(&mut weighed);
    scales.shuffle(&mut weighed);
    let said = scales.take(&mut weighed);
    let exposures = said.iter().map(|taken| {
        let candidate = &weighed[taken.at];
        is_drawn.then(|| Exposure {
            features: features.clone(),
            arm: taken.said.treatment.arm.clone(),
            prior: weighing::prior(candidate.action),
            propensity: candidate.weights.propensity,
            chance: candidate.weights.chance,
            model: context.models.version(),
        })
    });
    let exposures = exposures.collect();
    let is_about = |known: &Experiment| weighed.iter().any(|one| known.covers(one.action));
    let mut entered = arms;
    entered.retain(|(known, arm)| arm.policy.is_some() || is_about(known));
    let under: Vec<ArmAssignment> = entered
        .iter()
        .map(|(known, arm)| ArmAssignment { experiment: known.name.clone(), arm: arm.name.clone() })
        .collect();
    entered.retain(|(known, _)| is_about(known));
    let id = act::identifier('d', twin, context.input, "");
    let chosen = said.into_iter().enumerate().map(|(rank, taken)| {
        let candidate = &weighed[taken.at];
        // Nor does the record of a decision tell of needs that were not given for this.
        let losers = weighed
            .iter()
            .filter(|other| other.verdict != CandidateVerdict::Chosen)
            .filter(|other| is_given(twin, other.need, &candidate.action.uses));
        let losers = losers.take(limits::CANDIDATES).map(ScoredCandidate::alternative);
        let id = match (asked, rank) {
            (None, _) => id.clone(),
            (Some(_), rank) => act::identifier('d', twin, context.input, &rank.to_string()),
        };
        let mut action = message(twin, context, candidate, id, taken, losers);
        action.reason.arms.clone_from(&under);
        Arc::new(action)
    });
    let chosen = chosen.collect();
    let mut dropped = [0; Stage::ALL.len()];
    for candidate in weighed.iter().filter(|one| one.verdict != CandidateVerdict::Chosen) {
        dropped[candidate.stage as usize] += 1;
    }
    let (deferred, lost) = (scales.deferred(&weighed), scales.lost(&weighed));
    let (trigger, detail) = context.input.trigger();
    let decision = Box::new(Decision {
        id,
        number: twin.decisions,
        at: context.input.at,
        by: trigger.called(detail).into(),
        policy: policy.version.clone(),
        model: if is_drawn { context.models.version() } else { 0 },
        is_plain: !context.is_personal,
        considered: weighed.len() as u32,
        dropped,
        candidates: weighed
            .into_iter()
            .take(limits::CANDIDATES)
            .map(|candidate| candidate.record(twin, context))
            .collect(),
        chosen,
        arms: under,
    });
    Some(Arbitration { decision, exposures, deferred, lost, entered })
}

/// The actions worth considering, by position in the policy, each with the strongest need that it
/// serves.
fn candidates<'a>(
    twin: &'a Twin,
    context: &ReactionContext<'_>,
    requests: &DecisionRequests,
    asked: Option<&AskData>,
) -> Vec<(u32, Option<&'a Need>)> {
    let policy = context.policy;
    let mut found: Vec<(u32, Option<&'a Need>)> = Vec::new();
    for need in twin.needs.iter().filter(|need| context.input.at < need.until) {
        let Some(position) = policy.need_position(&need.name) else { continue };
        found.extend(policy.serving(position).iter().map(|action| (*action, Some(need))));
    }
    // More than four thousand actions there are not.
    found.extend(requests.proposed.iter().map(|(action, _)| (*action as u32, None)));
    found.extend(requests.offer.iter().map(|offer| (offer.action as u32, None)));
    if let Some(ask) = asked {
        let mut places = ask.places().peekable();
        if places.peek().is_none() {
            found.extend(policy.shown_somewhere().iter().map(|action| (*action, None)));
        }
        places.for_each(|place| {
            found.extend(policy.shown(place).iter().map(|action| (*action, None)));
        });
    }
    if let Some(campaign) = context.campaign() {
        found.retain(|(at, _)| {
            policy.actions.get(*at as usize).is_some_and(|one| takes_part(campaign, one))
        });
        let part = (0u32..).zip(&policy.actions).filter(|(_, one)| takes_part(campaign, one));
        found.extend(part.map(|(at, _)| (at, None)));
    }
    // Of the needs that an action serves, one that it may know of, and the strongest of these.
    found.sort_by(|(left, one), (right, other)| {
        let uses = policy.actions.get(*left as usize).map_or(&[][..], |action| &action.uses);
        let fit = |need: &Option<&Need>| {
            (need.is_some(), is_given(twin, *need, uses), need.map_or(0.0, |need| need.strength))
        };
        let ((some, given, strength), (also, allowed, other)) = (fit(one), fit(other));
        let best_first = also.cmp(&some).then(allowed.cmp(&given)).then(other.total_cmp(&strength));
        left.cmp(right).then(best_first)
    });
    found.dedup_by_key(|(action, _)| *action);
    found
}

/// Whether a need may be used in this way: it may be made of something sensitive.
fn is_given(twin: &Twin, need: Option<&Need>, uses: &[Box<str>]) -> bool {
    need.and_then(|need| twin.guard(Derived::Need, &need.name))
        .is_none_or(|given| given.allow(uses))
}

/// A candidate that is taken, and how it is said.
struct ChosenCandidate<'a> {
    at: usize,
    place: Option<&'a str>,
    said: RenderedTreatment<'a>,
}

impl<'a> Scoring<'a> {
    fn weigh(&self, position: u32, need: Option<&'a Need>) -> ScoredCandidate<'a> {
        let (requests, policy) = (self.requests, self.context.policy);
        let action = &policy.actions[position as usize];
        let offer = requests.offer.as_ref().filter(|offer| offer.action == position as usize);
        let because = match (need, offer) {
            (Some(need), _) => &*need.evidence,
            (None, offer) => offer.map_or("", |offer| &*offer.because),
        };
        let is_proposed = offer.is_some()
            || self.context.campaign().is_some()
            || requests.proposed.iter().any(|(proposed, _)| *proposed == position as usize);
        let mut found = self.objection(action, need);
        // What must wait is weighed all the same: the best of it starts the timer.
        let is_weighed = match &found {
            None => true,
            Some((_, verdict, _)) => {
                matches!(
                    verdict,
                    CandidateVerdict::QuietHours { .. } | CandidateVerdict::ZoneUnknown { .. }
                )
            }
        };
        let treatment_options = if is_weighed {
            self.treatment_options(action, need)
        } else {
            TreatmentOptions::none()
        };
        let (weights, error) =
            self.weights(action, need, is_proposed, treatment_options.all.first());
        if found.is_none()
            && let (Some(error), policy::Worth::Of(value)) = (error, &action.value)
        {
            let because = error.to_string().into();
            let verdict = CandidateVerdict::Unknown { when: value.source().into(), because };
            found = Some((Stage::Arbitration, verdict, Some(value)));
        }
        if found.is_none() && treatment_options.all.is_empty() {
            let because = treatment_options.because();
            found = Some((Stage::Treatment, CandidateVerdict::NoTreatment { because }, None));
        }
        let unopposed = (Stage::Arbitration, CandidateVerdict::Outscored, None);
        let (stage, verdict, by) = found.unwrap_or(unopposed);
        let score = weights.score();
        let treatment = treatment_options.all.first().map(|way| &way.treatment.name);
        ScoredCandidate {
            action,
            need,
            because,
            treatment_options,
            weights,
            score,
            stage,
            verdict,
            by,
            treatment,
        }
    }

    /// Drops what is new where its reach is exhausted, if there is something that is well known.
    fn keep_within_reach(&self, weighed: &mut [ScoredCandidate<'_>]) {
        let Some(explore) = &self.context.policy.explore else { return };
        if self.weigher.is_none() {
            return;
        }
        let is_left =
            |candidate: &ScoredCandidate<'_>| candidate.verdict == CandidateVerdict::Outscored;
        let is_mature = |candidate: &ScoredCandidate<'_>| {
            self.observed(candidate.action) >= explore.mature.into()
        };
        if !weighed.iter().any(|candidate| is_left(candidate) && is_mature(candidate)) {
            return;
        }
        for candidate in weighed.iter_mut() {
            let observed = self.observed(candidate.action);
            let seed = [self.chance, models::hashed(&candidate.action.name), REACH];
            if is_left(candidate)
                && observed < explore.mature.into()
                && models::uniform(models::seed(&seed)) >= explore.reach
            {
                candidate.stage = Stage::Propensity;
                candidate.verdict = CandidateVerdict::OutOfReach { observations: observed as u32 };
            }
        }
    }

    /// Tells of the best candidates how likely the draws were to choose them, so that what others
    /// would have come to can be estimated from what was done. Of what is new it is within its reach.
    fn tell_chances(&self, weighed: &mut [ScoredCandidate<'_>]) {
        let Some(explore) = &self.context.policy.explore else { return };
        if self.weigher.is_none() {
            return;
        }
        let is_left =
            |candidate: &ScoredCandidate<'_>| candidate.verdict == CandidateVerdict::Outscored;
        let mut contenders = Vec::new();
        let mut owners = Vec::new();
        let left = weighed.iter().enumerate().filter(|(_, candidate)| is_left(candidate));
        for (at, candidate) in left.take(limits::CANDIDATES) {
            let factor = candidate.weights.score() / candidate.weights.drawn.max(f64::MIN_POSITIVE);
            for way in candidate.treatment_options.drawn() {
                contenders.push(Contender { belief: way.belief, factor });
                owners.push((at, way.drawn == candidate.weights.drawn));
            }
        }
        for (chance, (at, is_best)) in models::chances(&contenders).into_iter().zip(owners) {
            if is_best {
                weighed[at].weights.chance = chance;
            }
        }
        if !weighed
            .iter()
            .any(|one| is_left(one) && self.observed(one.action) >= explore.mature.into())
        {
            return;
        }
        for candidate in weighed.iter_mut().filter(|candidate| is_left(candidate)) {
            if self.observed(candidate.action) < explore.mature.into() {
                candidate.weights.chance *= explore.reach;
            }
        }
    }

    /// How often answers to an action were observed.
    fn observed(&self, action: &policy::ActionDefinition) -> f64 {
        let arm = action.treatments.first().map(|treatment| &treatment.arm);
        arm.map_or(0.0, |arm| self.context.models.observations_of_action(arm))
    }

    /// Takes the best candidates that can be said: one, or as many as are asked for in each place.
    fn take(&mut self, weighed: &mut [ScoredCandidate<'a>]) -> Vec<ChosenCandidate<'a>> {
        let mut taken: Vec<ChosenCandidate<'a>> = Vec::new();
        let Some(ask) = self.asked else {
            taken.extend(self.take_one(weighed, None));
            return taken;
        };
        let mut places: Vec<Option<&'a str>> = ask.places().map(Some).collect();
        if places.is_empty() {
            places.push(None);
        }
        for place in places {
            for _ in 0..ask.most {
                if taken.len() >= limits::OFFERS {
                    return taken;
                }
                let Some(one) = self.take_one(weighed, place) else { break };
                taken.push(one);
            }
        }
        taken
    }

    fn take_one(
        &mut self,
        weighed: &mut [ScoredCandidate<'a>],
        place: Option<&'a str>,
    ) -> Option<ChosenCandidate<'a>> {
        for (at, candidate) in weighed.iter_mut().enumerate() {
            let action = candidate.action;
            let is_left = candidate.verdict == CandidateVerdict::Outscored
                || matches!(candidate.verdict, CandidateVerdict::NoTreatment { .. });
            if !is_left || candidate.treatment_options.all.is_empty() || !fits(action, place) {
                continue;
            }
            // What has been taken in this decision counts, too.
            if !action.vital
                && !self.context.is_for_agent
                && let Some(objection) = self.budget.objection(action, None)
            {
                (candidate.stage, candidate.verdict) = (Stage::Contact, objection);
                continue;
            }
            candidate.stage = Stage::Treatment;
            match self.treat(action, candidate.need, &candidate.treatment_options, place) {
                Ok((way, said)) => {
                    candidate.verdict = CandidateVerdict::Chosen;
                    candidate.treatment = Some(&way.treatment.name);
                    (candidate.weights.propensity, candidate.weights.drawn) =
                        (way.propensity, way.drawn);
                    candidate.score = candidate.weights.score();
                    self.budget.spend(action, &way.treatment.channel, self.context.input.at);
                    return Some(ChosenCandidate { at, place, said });
                }
                Err(because) => candidate.verdict = CandidateVerdict::NoTreatment { because },
            }
        }
        None
    }

    /// The timer of the best candidate that must wait for the quiet hours to end.
    fn deferred(&self, weighed: &[ScoredCandidate<'_>]) -> Option<Timer> {
        let until = match self.budget.quiet.as_ref()? {
            CandidateVerdict::QuietHours { until } => Some(*until),
            _ => None,
        };
        let waits = |candidate: &&ScoredCandidate<'_>| match &candidate.verdict {
            CandidateVerdict::QuietHours { .. } | CandidateVerdict::ZoneUnknown { .. } => true,
            // It may be said where the customer is, but cannot, and must wait in other channels.
            CandidateVerdict::NoTreatment { .. } => candidate.treatment_options.is_quiet,
            _ => false,
        };
        let held = weighed.iter().filter(waits).find_map(|candidate| self.held(candidate))?;
        let timer = held.timer(until, self.context.input.at);
        // Nothing is gained by waiting anew for a moment that nobody knows.
        let waits = |known: &&Timer| known.name == timer.name && self.context.input.at < known.due;
        let known = self.twin.timers.iter().find(waits).filter(|_| until.is_none());
        Some(known.cloned().unwrap_or(timer))
    }

    /// As what a candidate is held back. What a campaign had the twin decide is decided again as a
    /// whole; that there was room where a channel asked is no reason to come back to it.
    fn held<'b>(&'b self, candidate: &'b ScoredCandidate<'_>) -> Option<DeferredDecision<'b>> {
        let actions = &self.context.policy.actions;
        let name = &*candidate.action.name;
        let is_this = |position: usize| *actions[position].name == *name;
        let is_proposed = self.requests.proposed.iter().any(|(position, _)| is_this(*position));
        if let Some(campaign) = self.context.campaign {
            Some(DeferredDecision::Campaign(&campaign.scope, campaign.id))
        } else if candidate.need.is_some() {
            Some(DeferredDecision::Needs)
        } else if is_proposed && DeferredDecision::is_for_consent(self.context.input) {
            Some(DeferredDecision::Consent(name))
        } else if is_proposed {
            Some(DeferredDecision::Action(name))
        } else {
            let offer = self.requests.offer.as_ref().filter(|offer| is_this(offer.action));
            offer.map(|_| DeferredDecision::Offer)
        }
    }

    /// What was held back and cannot be said, because it reads the event of which it was to tell,
    /// so that nothing is said.
    fn lost(&self, weighed: &[ScoredCandidate<'_>]) -> Option<(SourceLocation, String)> {
        DeferredDecision::of_input(self.context.input)?;
        if weighed.iter().any(|candidate| candidate.verdict == CandidateVerdict::Chosen) {
            return None;
        }
        weighed.iter().find_map(|candidate| {
            let because = match &candidate.verdict {
                CandidateVerdict::Unknown { because, .. } | CandidateVerdict::NoTreatment { because } => because,
                _ => return None,
            };
            let action = candidate.action;
            let path = action.of_event().map(Path::to_string).find(|path| because.contains(path))?;
            let why = format!(
                "quiet hours held {} back, and now it cannot be said: it reads {path}, and the event \
                 is over; `set` a fact when the event comes, and read that",
                action.name
            );
            Some((action.place.clone(), why))
        })
    }
}

/// A part of a seed that makes it another one than those of other chances.
const REACH: u64 = 1;

/// Whether an action may be shown in a place.
fn fits(action: &policy::ActionDefinition, place: Option<&str>) -> bool {
    place.is_none_or(|place| {
        action.placements.is_empty() || action.placements.iter().any(|known| **known == *place)
    })
}

impl ScoredCandidate<'_> {
    fn record(self, twin: &Twin, context: &ReactionContext<'_>) -> Candidate {
        let used = ReadPurpose { uses: &self.action.uses, discreet: true, place: None };
        let view = View { twin, context, need: self.need, used: Some(used) };
        let paths = self.by.map_or(&[][..], Expression::paths);
        Candidate {
            action: self.action.name.clone(),
            treatment: self.treatment.cloned(),
            // A need that is made of something sensitive tells of it by its name.
            need: self
                .need
                .filter(|need| twin.guard(Derived::Need, &need.name).is_none())
                .map(|need| need.name.clone()),
            place: self.action.place.written().clone(),
            stage: self.stage,
            verdict: self.verdict,
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

fn message(
    twin: &Twin,
    context: &ReactionContext<'_>,
    candidate: &ScoredCandidate<'_>,
    decision: Box<str>,
    taken: ChosenCandidate<'_>,
    instead_of: impl Iterator<Item = Alternative>,
) -> Action {
    let ScoredCandidate { action, need, because, score, .. } = *candidate;
    let ChosenCandidate { said, place, .. } = taken;
    Action {
        decision,
        customer: twin.customer.clone(),
        action: (*action.name).into(),
        issue: action.issue,
        channel: said.treatment.channel.clone(),
        treatment: (*said.treatment.name).into(),
        tone: said.treatment.tone.clone(),
        placement: place.map(Into::into),
        variant: said.treatment.variant.clone(),
        language: said.language.into(),
        text: said.text.into(),
        data: said.data,
        at: context.input.at,
        reason: ActionReason {
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
            arms: Vec::new(),
        },
        traceparent: context.input.traceparent().map(Into::into),
    }
}
