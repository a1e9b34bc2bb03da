//! Decide: one central arbitration for all channels, inbound and outbound. A pure read of the twin.
//!
//! A candidate is every action that serves a live need, that a rule proposed, that offers to resume an
//! interrupted interaction, or that fills a placement which a channel requests. The stages drop
//! candidates with an objection; each stage asks one question: see [`Stage`]. Of the remaining candidates
//! that have a usable treatment, the one with the highest score is chosen:
//!
//! ```text
//! score = propensity × context × value × lever × uplift
//! ```
//!
//! The propensity, 0 to 1, is the probability of acceptance in the best of the permitted treatments; the
//! context, 0 to 10, is the strength of the need × the weight that the policy gives to the issue in this
//! mood; the value, 0 to 1, and the lever, 0.1 to 10, come from the policy.
//! The uplift, 0 to 1, is the share of the successes that the action causes, where an experiment measures it.

mod checks;
mod contact_budget;
mod control;
mod explore;
mod recall;
mod shuffle;
mod treatment;
mod uplift;
mod weighing;

pub(super) use checks::unsuitable;
pub(super) use recall::no_longer_fits;

use std::cell::RefCell;
use std::sync::Arc;

use crate::config::limits;
use crate::event::{AskData, Value, cut};
use crate::models::{self, ArmScorer, Exposure};
use crate::policy::{self, Experiment, Expression, Path, Scope, SourceLocation};
use crate::twin::effect::{
    Action, ActionReason, Alternative, Candidate, CandidateVerdict, Decision, ScoreFactors, Stage,
    StageCounts, id,
};
use crate::twin::moment::matching::takes_part;
use crate::twin::moment::{
    Arbitration, Arms, DecisionRequests, ReactionContext, ReadPurpose, View, features,
};
use crate::twin::state::{ArmAssignment, DeferredDecision, Derived, Need, Timer, Twin, mood};
use checks::{CheckOccasion, CheckedAction, Objection, Unsuitability, is_limited};
use contact_budget::ContactBudget;
use shuffle::CandidateChance;
use treatment::{ChannelPreference, RenderedTreatment};
use uplift::Uplift;
use weighing::TreatmentOptions;

/// The shared inputs for scoring all candidates of one decision.
struct Scoring<'a> {
    twin: &'a Twin,
    context: &'a ReactionContext<'a>,
    requests: &'a DecisionRequests,
    asked: Option<&'a AskData>,
    suitability: Unsuitability,
    /// Whether a gentle tone is needed.
    is_low: bool,
    budget: ContactBudget<'a>,
    wanted: ChannelPreference<'a>,
    arms: Arms<'a>,
    /// The scorer; none: no model, and no exploration.
    scorer: Option<RefCell<ArmScorer<'a>>>,
    /// The scorer of uplift, by the policy's own features alone; none: no experiment measures it.
    uplift_scorer: Option<RefCell<ArmScorer<'a>>>,
    /// The seed of all random numbers.
    chance: u64,
}

/// A candidate while it is scored.
struct ScoredCandidate<'a> {
    action: &'a policy::ActionDefinition,
    need: Option<&'a Need>,
    /// The reason, for people to read.
    because: &'a str,
    treatment_options: TreatmentOptions<'a>,
    weights: ScoreFactors,
    chance: CandidateChance,
    score: f64,
    stage: Stage,
    verdict: CandidateVerdict,
    /// The expression that decided.
    by: Option<&'a Expression>,
    treatment: Option<&'a Arc<str>>,
    uplift: Option<Uplift<'a>>,
}

/// Scores every candidate and chooses the best: one, or as many as a channel requests. None if there is
/// no candidate.
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
    let is_measured = context.is_personal
        && policy.experiments.iter().any(|experiment| experiment.least_gain.is_some());
    let is_drawn = context.is_personal
        && (policy.explore.is_some()
            || policy.features.is_some()
            || context.models.version() > 0
            || is_measured);
    let features =
        if is_drawn { features::features(twin, context) } else { models::Features::new() };
    let own_features =
        if is_measured { features::own_features(twin, context) } else { models::Features::new() };
    let in_arm = |known: &'a Experiment| Some((known, twin.arm(known)?));
    // A customer who refuses profiling is in no arm.
    let all = policy.experiments.iter().filter(|_| context.is_personal);
    let arms: Arms<'a> = all.filter_map(in_arm).collect();
    let mut scoring = Scoring {
        twin,
        context,
        requests,
        asked,
        suitability: Unsuitability::now(twin, context),
        is_low: twin.grave_matter(policy, context.input.at).is_some()
            || context.is_personal && mood::is_low(twin, context.input.at),
        budget: ContactBudget::of(twin, context),
        wanted: ChannelPreference::of(twin, context),
        arms: arms.clone(),
        scorer: is_drawn.then(|| RefCell::new(context.models.scorer(&features))),
        uplift_scorer: is_measured.then(|| RefCell::new(context.models.goal_scorer(&own_features))),
        chance: weighing::chance(twin, context.input),
    };
    let mut scored = scoring.score(positions);
    let taken = scoring.take(&mut scored);
    let exposures = taken.chosen.iter().map(|taken| {
        let candidate = &scored[taken.at];
        is_drawn.then(|| Exposure {
            features: features.clone(),
            arm: taken.rendered.treatment.arm.clone(),
            prior: weighing::prior(candidate.action),
            propensity: candidate.weights.propensity,
            chance: candidate.weights.chance,
            model: context.models.version(),
        })
    });
    let exposures = exposures.collect();
    let is_about = |known: &Experiment| scored.iter().any(|one| known.covers(one.action));
    let mut entered = arms;
    entered.retain(|(known, arm)| arm.policy.is_some() || is_about(known));
    let under = assignments(&entered);
    entered.retain(|(known, _)| is_about(known));
    let (deferred, lost) = (scoring.deferred(&scored), scoring.unsendable(&scored));
    let measurements = scoring.measurements(&scored, &taken, &own_features);
    let decision = Box::new(scoring.record(scored, taken.chosen, under, is_drawn));
    Some(Arbitration { decision, exposures, deferred, lost, entered, measurements })
}

fn assignments(arms: &Arms<'_>) -> Vec<ArmAssignment> {
    let assigned = arms.iter().map(|(known, arm)| ArmAssignment {
        experiment: known.name.clone(),
        arm: arm.name.clone(),
    });
    assigned.collect()
}

/// The candidates, by position in the policy, each with the strongest need that it serves.
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
    // A policy has at most about four thousand actions.
    found.extend(requests.proposed.iter().map(|(action, _)| (*action as u32, None)));
    found.extend(requests.offer.iter().map(|offer| (offer.action as u32, None)));
    if let Some(ask) = asked {
        let mut places = ask.places().peekable();
        if places.peek().is_none() {
            found.extend(policy.shown_somewhere().iter().map(|action| (*action, None)));
        }
        places.for_each(|place| {
            found.extend(policy.in_placement(place).iter().map(|action| (*action, None)));
        });
    }
    if let Some(campaign) = context.campaign() {
        found.retain(|(at, _)| {
            policy.actions.get(*at as usize).is_some_and(|one| takes_part(campaign, one))
        });
        let part = (0u32..).zip(&policy.actions).filter(|(_, one)| takes_part(campaign, one));
        found.extend(part.map(|(at, _)| (at, None)));
    }
    // Of the needs that an action serves and may use, the strongest.
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

/// Whether a need may be used for this purpose: it may be derived from sensitive data.
fn is_given(twin: &Twin, need: Option<&Need>, uses: &[Box<str>]) -> bool {
    need.and_then(|need| twin.guard(Derived::Need, &need.name))
        .is_none_or(|given| given.allow(uses))
}

/// A chosen candidate with its treatment.
struct ChosenCandidate<'a> {
    at: usize,
    place: Option<&'a str>,
    rendered: RenderedTreatment<'a>,
}

/// A candidate that would have been chosen but for control groups.
struct HeldBack {
    at: usize,
    /// How many were chosen before it.
    rank: usize,
}

/// The candidates that the arbitration comes to, best first.
#[derive(Default)]
struct Selection<'a> {
    chosen: Vec<ChosenCandidate<'a>>,
    held_back: Vec<HeldBack>,
}

impl<'a> Scoring<'a> {
    /// The first objection to an action.
    fn objection(
        &self,
        action: &'a policy::ActionDefinition,
        need: Option<&'a Need>,
    ) -> Option<Objection<'a>> {
        let Scoring { twin, context, requests, suitability, budget, .. } = self;
        let occasion = CheckOccasion::Decision(budget);
        CheckedAction { twin, context, requests, suitability, action, need, occasion }.objection()
    }

    /// Scores the candidates, best first.
    fn score(&self, positions: Vec<(u32, Option<&'a Need>)>) -> Vec<ScoredCandidate<'a>> {
        let mut scored: Vec<ScoredCandidate<'a>> =
            positions.into_iter().map(|(position, need)| self.weigh(position, need)).collect();
        self.keep_within_reach(&mut scored);
        // A stable sort: the policy's order decides among equal scores. For non-negative numbers the bits
        // have the same order, and moving candidates is expensive.
        scored.sort_by_cached_key(|candidate| !(candidate.score + 0.0).to_bits());
        self.record_chances(&mut scored);
        self.leave_to_chance(&mut scored);
        self.shuffle_in_arms(&mut scored);
        for candidate in &mut scored {
            candidate.weights.chance = candidate.chance.competing * candidate.chance.treatment;
        }
        scored
    }

    /// The record of the decision, with the actions that were taken.
    fn record(
        &self,
        scored: Vec<ScoredCandidate<'a>>,
        taken: Vec<ChosenCandidate<'a>>,
        arms: Vec<ArmAssignment>,
        is_drawn: bool,
    ) -> Decision {
        let Scoring { twin, context, .. } = self;
        let (policy, input) = (context.policy, context.input);
        let id = self.id(None);
        let chosen = taken.into_iter().enumerate().map(|(rank, taken)| {
            let candidate = &scored[taken.at];
            // A decision's record does not reveal needs whose purpose does not cover it either.
            let losers = scored
                .iter()
                .filter(|other| other.verdict != CandidateVerdict::Chosen)
                .filter(|other| is_given(twin, other.need, &candidate.action.uses));
            let losers = losers.take(limits::CANDIDATES).map(ScoredCandidate::alternative);
            let id = self.id(Some(rank));
            let mut action = message(twin, context, candidate, id, taken, losers);
            action.reason.arms.clone_from(&arms);
            Arc::new(action)
        });
        let chosen = chosen.collect();
        let mut dropped = StageCounts::default();
        for candidate in scored.iter().filter(|one| one.verdict != CandidateVerdict::Chosen) {
            dropped.add(candidate.stage, 1);
        }
        let (trigger, detail) = input.trigger();
        Decision {
            id,
            number: twin.decisions,
            at: input.at,
            by: trigger.called(detail).into(),
            policy: policy.version.clone(),
            model: if is_drawn { context.models.version() } else { 0 },
            is_plain: !context.is_personal,
            considered: scored.len() as u32,
            dropped,
            candidates: scored
                .into_iter()
                .take(limits::CANDIDATES)
                .map(|candidate| candidate.record(twin, context))
                .collect(),
            chosen,
            arms,
        }
    }

    /// The id of the decision, or of its choice of this rank: a request may be answered with several.
    fn id(&self, rank: Option<usize>) -> Box<str> {
        let rank = rank.filter(|_| self.asked.is_some()).map(|rank| rank.to_string());
        id::identifier('d', self.twin, self.context.input, rank.as_deref().unwrap_or(""))
    }

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
        // A deferred candidate is scored all the same: the best of them starts the timer.
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
        let (mut weights, error) =
            self.weights(action, need, is_proposed, treatment_options.all.first());
        let uplift = if found.is_none() { self.uplift(action) } else { None };
        weights.uplift = uplift.map_or(1.0, |known| known.share());
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
        if let (None, Some(verdict)) = (&found, uplift.and_then(|known| known.objection())) {
            found = Some((Stage::Arbitration, verdict, None));
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
            chance: CandidateChance::CERTAIN,
            score,
            stage,
            verdict,
            by,
            treatment,
            uplift,
        }
    }

    /// Comes to the best candidates that have a usable treatment: one, or as many as are requested for
    /// each placement.
    fn take(&mut self, scored: &mut [ScoredCandidate<'a>]) -> Selection<'a> {
        let mut taken = Selection::default();
        let Some(ask) = self.asked else {
            self.take_one(scored, None, &mut taken);
            return taken;
        };
        let mut places: Vec<Option<&'a str>> = ask.places().map(Some).collect();
        if places.is_empty() {
            places.push(None);
        }
        for place in places {
            for _ in 0..ask.most {
                let before = taken.chosen.len();
                if before >= limits::OFFERS {
                    return taken;
                }
                self.take_one(scored, place, &mut taken);
                if taken.chosen.len() == before {
                    break;
                }
            }
        }
        taken
    }

    /// Chooses the best candidate that is left. What a control group holds back, it comes to in the same way:
    /// so both groups differ in nothing but the action.
    fn take_one(
        &mut self,
        scored: &mut [ScoredCandidate<'a>],
        place: Option<&'a str>,
        taken: &mut Selection<'a>,
    ) {
        for (at, candidate) in scored.iter_mut().enumerate() {
            let action = candidate.action;
            let is_left = candidate.is_left()
                || matches!(candidate.verdict, CandidateVerdict::NoTreatment { .. });
            if !is_left || candidate.treatment_options.all.is_empty() || !fits(action, place) {
                continue;
            }
            // Actions already chosen in this decision count, too.
            if is_limited(action, self.context)
                && let Some(objection) = self.budget.objection(action, None)
            {
                (candidate.stage, candidate.verdict) = (Stage::Contact, objection);
                continue;
            }
            candidate.stage = Stage::Treatment;
            match self.treat(action, candidate.need, &candidate.treatment_options, place) {
                Ok((way, rendered)) => {
                    candidate.treatment = Some(&way.treatment.name);
                    (candidate.weights.propensity, candidate.weights.drawn) =
                        (way.propensity, way.drawn);
                    candidate.score = candidate.weights.score();
                    if let Some(verdict) = self.objection_of_arms(action) {
                        (candidate.stage, candidate.verdict) = (Stage::Arbitration, verdict);
                        taken.held_back.push(HeldBack { at, rank: taken.chosen.len() });
                        continue;
                    }
                    candidate.verdict = CandidateVerdict::Chosen;
                    self.budget.spend(action, &way.treatment.channel, self.context.input.at);
                    return taken.chosen.push(ChosenCandidate { at, place, rendered });
                }
                Err(because) => candidate.verdict = CandidateVerdict::NoTreatment { because },
            }
        }
    }

    /// The timer of the best candidate that must wait for the end of the quiet hours.
    fn deferred(&self, scored: &[ScoredCandidate<'_>]) -> Option<Timer> {
        let until = match self.budget.quiet.as_ref()? {
            CandidateVerdict::QuietHours { until } => Some(*until),
            _ => None,
        };
        let waits = |candidate: &&ScoredCandidate<'_>| match &candidate.verdict {
            CandidateVerdict::QuietHours { .. } | CandidateVerdict::ZoneUnknown { .. } => true,
            // It could be shown where the customer is, but has no treatment there, and must wait in other
            // channels.
            CandidateVerdict::NoTreatment { .. } => candidate.treatment_options.is_quiet,
            _ => false,
        };
        let held = scored.iter().filter(waits).find_map(|candidate| self.deferral(candidate))?;
        let timer = held.timer(until, self.context.input.at);
        // While the end is unknown, replacing a timer that already waits gains nothing.
        let waits = |known: &&Timer| known.name == timer.name && self.context.input.at < known.due;
        let known = self.twin.timers.iter().find(waits).filter(|_| until.is_none());
        Some(known.cloned().unwrap_or(timer))
    }

    /// How a candidate is deferred. What a campaign made the twin decide is decided again as a whole; a
    /// channel's request for a placement is no reason to decide again.
    fn deferral<'b>(&'b self, candidate: &'b ScoredCandidate<'_>) -> Option<DeferredDecision<'b>> {
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

    /// The deferred candidate that can no longer be sent because it reads the event, reported so that
    /// this does not happen silently.
    fn unsendable(&self, scored: &[ScoredCandidate<'_>]) -> Option<(SourceLocation, String)> {
        DeferredDecision::of_input(self.context.input)?;
        if scored.iter().any(|candidate| candidate.verdict == CandidateVerdict::Chosen) {
            return None;
        }
        scored.iter().find_map(|candidate| {
            let because = match &candidate.verdict {
                CandidateVerdict::Unknown { because, .. }
                | CandidateVerdict::NoTreatment { because } => because,
                _ => return None,
            };
            let action = candidate.action;
            let path =
                action.of_event().map(Path::to_string).find(|path| because.contains(path))?;
            let why = format!(
                "quiet hours deferred {}, and it can no longer be sent: it reads {path}, and the \
                 event is gone; `set` a fact on the event, and read the fact",
                action.name
            );
            Some((action.place.clone(), why))
        })
    }
}

/// Whether an action may be shown in a placement.
fn fits(action: &policy::ActionDefinition, place: Option<&str>) -> bool {
    place.is_none_or(|place| {
        action.placements.is_empty() || action.placements.iter().any(|known| **known == *place)
    })
}

impl ScoredCandidate<'_> {
    /// Whether it has no objection so far.
    fn is_left(&self) -> bool {
        self.verdict == CandidateVerdict::Outscored
    }

    fn record(self, twin: &Twin, context: &ReactionContext<'_>) -> Candidate {
        let used = ReadPurpose { uses: &self.action.uses, discreet: true, place: None };
        let view = View { twin, context, need: self.need, used: Some(used) };
        let paths = self.by.map_or(&[][..], Expression::paths);
        let is_competing = matches!(
            self.verdict,
            CandidateVerdict::Chosen
                | CandidateVerdict::Outscored
                | CandidateVerdict::ControlGroup { .. }
        );
        let uplift = self.uplift.filter(|_| is_competing);
        Candidate {
            action: self.action.name.clone(),
            treatment: self.treatment.cloned(),
            // The name of a need that is derived from sensitive data would reveal it.
            need: self
                .need
                .filter(|need| twin.guard(Derived::Need, &need.name).is_none())
                .map(|need| need.name.clone()),
            place: self.action.place.written().clone(),
            stage: self.stage,
            verdict: self.verdict,
            weights: self.weights,
            score: self.score,
            read: paths
                .iter()
                .map(|path| (path.to_string().into(), read(&view, path)))
                .chain(uplift.iter().flat_map(Uplift::read))
                .collect(),
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

/// The value at a path, shortened for the record to what a person can read.
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
    let ChosenCandidate { rendered, place, .. } = taken;
    Action {
        decision,
        customer: twin.customer.clone(),
        action: (*action.name).into(),
        issue: action.issue,
        channel: rendered.treatment.channel.clone(),
        treatment: (*rendered.treatment.name).into(),
        tone: rendered.treatment.tone.clone(),
        placement: place.map(Into::into),
        variant: rendered.treatment.variant.clone(),
        language: rendered.language.into(),
        text: rendered.text.into(),
        data: rendered.data,
        at: context.input.at,
        reason: ActionReason {
            need: need.map(|need| need.name.clone()),
            strength: need.map_or(1.0, |need| need.strength),
            because: need
                .filter(|need| {
                    rendered.treatment.discreet && twin.guard(Derived::Need, &need.name).is_some()
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
