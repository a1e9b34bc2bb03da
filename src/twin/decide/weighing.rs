//! Scores a candidate: propensity, best treatment, value.

use std::fmt;

use smallvec::SmallVec;

use super::Scoring;
use super::checks::{is_here, is_limited};
use crate::event::is_same_name;
use crate::models::{self, Belief, Prior};
use crate::policy::{self, EvalError, IssueWeights, Treatment, Worth};
use crate::twin::effect::{CandidateVerdict, ScoreFactors};
use crate::twin::input::Input;
use crate::twin::moment::{ReadPurpose, View};
use crate::twin::state::{Need, Twin};

/// The prior propensity without any data.
const UNKNOWN: f64 = 0.5;

/// The strength of the reason of an action that only fills a placement.
const PLACEMENT_REASON: f64 = 0.5;

/// From this strength on a need allows a plain tone.
const STRONG: f64 = 0.9;

/// One permitted treatment of an action, with its propensity.
#[derive(Clone, Copy)]
pub(super) struct TreatmentOption<'a> {
    pub(super) treatment: &'a Treatment,
    pub(super) propensity: f64,
    pub(super) drawn: f64,
    /// The belief from which the propensity is drawn.
    pub(super) belief: Belief,
    /// Its rank: lower is better.
    order: (usize, bool, u8),
}

/// The permitted treatments of an action, best first, and why the last rejected one was rejected.
pub(super) struct TreatmentOptions<'a> {
    pub(super) all: SmallVec<[TreatmentOption<'a>; 2]>,
    /// Whether there would be one more treatment outside quiet hours.
    pub(super) is_quiet: bool,
    because: Option<TreatmentRejection<'a>>,
}

/// Why a treatment was rejected. Formatted lazily, because it is rarely asked for.
enum TreatmentRejection<'a> {
    Elsewhere { channel: &'a str },
    NoPlace { treatment: &'a str },
    OtherCampaign { channel: &'a str },
    Unwanted { channel: &'a str },
    NoConsent { purpose: &'a str, channel: &'a str },
    Limit { channel: &'a str, objection: CandidateVerdict },
    Quiet { channel: &'a str, why: CandidateVerdict },
}

impl fmt::Display for TreatmentRejection<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TreatmentRejection::Elsewhere { channel } => {
                write!(out, "the request came from another channel than {channel}")
            }
            TreatmentRejection::NoPlace { treatment } => {
                write!(out, "{treatment} is for a placement, and no placement was requested")
            }
            TreatmentRejection::OtherCampaign { channel } => {
                write!(out, "the campaign does not use {channel}")
            }
            TreatmentRejection::Unwanted { channel } => {
                write!(out, "the customer does not want to be contacted in {channel}")
            }
            TreatmentRejection::NoConsent { purpose, channel } => {
                write!(out, "no consent to {purpose} in {channel}")
            }
            TreatmentRejection::Limit { channel, objection } => {
                write!(out, "{channel}: {objection}")
            }
            TreatmentRejection::Quiet { channel, why: CandidateVerdict::QuietHours { until } } => {
                write!(out, "quiet hours in {channel} until {until}")
            }
            TreatmentRejection::Quiet { channel, why } => write!(out, "{channel}: {why}"),
        }
    }
}

impl<'a> TreatmentOptions<'a> {
    /// The treatments among which the draw decides: those that rank equal to the best in everything else.
    pub(super) fn drawn(&self) -> impl Iterator<Item = &TreatmentOption<'a>> {
        let best = self.all.first().map(|way| way.order);
        self.all.iter().take_while(move |way| Some(way.order) == best)
    }
}

impl TreatmentOptions<'_> {
    pub(super) fn none() -> Self {
        TreatmentOptions { all: SmallVec::new(), is_quiet: false, because: None }
    }

    /// Why the last rejected treatment was rejected.
    pub(super) fn because(&self) -> Box<str> {
        let barred = self.because.as_ref();
        barred.map_or("the action has no treatment".into(), |barred| barred.to_string().into())
    }
}

impl<'a> Scoring<'a> {
    /// The permitted treatments of an action, best first: in the channel that the customer prefers, else
    /// in the one where the customer is; in a fitting tone; then by propensity; else in the policy's
    /// order.
    pub(super) fn treatment_options(
        &self,
        action: &'a policy::ActionDefinition,
        need: Option<&Need>,
    ) -> TreatmentOptions<'a> {
        let mut treatment_options = TreatmentOptions::none();
        let strength = need.map_or(0.0, |need| need.strength);
        for treatment in &action.treatments {
            let channel = &*treatment.channel;
            let rank = match self.allowed(action, treatment) {
                Ok(rank) => rank,
                Err(because) => {
                    treatment_options.is_quiet |=
                        matches!(because, TreatmentRejection::Quiet { .. });
                    treatment_options.because = Some(because);
                    continue;
                }
            };
            let is_elsewhere = !self.is_present(channel);
            let order = (rank, is_elsewhere, self.misfit(treatment, strength));
            let (belief, drawn) = self.propensity(action, treatment);
            let propensity = belief.propensity();
            treatment_options.all.push(TreatmentOption {
                treatment,
                propensity,
                drawn,
                belief,
                order,
            });
        }
        // A stable sort: the policy's order decides among equals.
        treatment_options.all.sort_by(|left, right| {
            left.order.cmp(&right.order).then(right.drawn.total_cmp(&left.drawn))
        });
        treatment_options
    }

    /// The rank of a treatment's channel, or why the treatment is not permitted.
    fn allowed(
        &self,
        action: &'a policy::ActionDefinition,
        treatment: &'a Treatment,
    ) -> Result<usize, TreatmentRejection<'a>> {
        let channel = &*treatment.channel;
        let is_for_agent = self.context.is_for_agent;
        if self.asked.is_some() && !self.is_present(channel) && !is_for_agent {
            return Err(TreatmentRejection::Elsewhere { channel });
        }
        if (self.asked.is_none() || is_for_agent) && treatment.placement.is_some() {
            return Err(TreatmentRejection::NoPlace { treatment: &treatment.name });
        }
        if let Some(campaign) = self.context.campaign()
            && campaign.channel.as_deref().is_some_and(|own| !is_same_name(own, channel))
        {
            return Err(TreatmentRejection::OtherCampaign { channel });
        }
        let Some(rank) = self.wanted.rank(channel) else {
            return Err(TreatmentRejection::Unwanted { channel });
        };
        if let Some(purpose) = &action.purpose
            && !self.twin.allows(self.context.policy, purpose, Some(channel), self.context.input.at)
        {
            return Err(TreatmentRejection::NoConsent { purpose, channel });
        }
        if is_limited(action, self.context) {
            if let Some(objection) = self.budget.objection(action, Some(channel)) {
                return Err(TreatmentRejection::Limit { channel, objection });
            }
            if let Some(why) = &self.budget.quiet
                && !is_here(channel, self.context)
            {
                return Err(TreatmentRejection::Quiet { channel, why: why.clone() });
            }
        }
        Ok(rank)
    }

    fn is_present(&self, channel: &str) -> bool {
        self.context.input.channel().is_some_and(|present| present.as_str() == channel)
    }

    /// How badly a tone fits: a customer in a low or falling mood is addressed gently; a plain tone needs
    /// a strong need, or a condition in the policy.
    fn misfit(&self, treatment: &Treatment, strength: f64) -> u8 {
        let (gentle, plain) = match &*treatment.tone {
            "gentle" => (true, 0),
            "direct" => (false, 1),
            "urgent" => (false, 2),
            _ => (false, 0),
        };
        match (self.is_low, strength >= STRONG) {
            (true, _) if gentle => 0,
            (true, _) => 1 + plain,
            // A condition in the policy overrides.
            (false, _) if treatment.when.is_some() => 0,
            (false, true) => u8::from(plain == 0),
            (false, false) => plain,
        }
    }

    /// The propensity of a treatment: the belief, and a draw from it.
    fn propensity(
        &self,
        action: &policy::ActionDefinition,
        treatment: &Treatment,
    ) -> (Belief, f64) {
        let Some(scorer) = &self.scorer else {
            let expected = action.propensity.map_or(UNKNOWN, |prior| prior.expected);
            return (Belief::certain(expected), expected);
        };
        let belief = scorer.borrow_mut().belief(&treatment.arm, prior(action));
        if self.context.policy.explore.is_none() {
            return (belief, belief.propensity());
        }
        let chance = models::seed(&[self.chance, treatment.arm.treatment()]);
        (belief, belief.drawn(models::normal(chance)))
    }

    /// The score factors of an action in its best treatment.
    ///
    /// # Errors
    /// If its value cannot be evaluated; the other factors are returned all the same.
    pub(super) fn weights(
        &self,
        action: &policy::ActionDefinition,
        need: Option<&Need>,
        is_proposed: bool,
        best: Option<&TreatmentOption<'_>>,
    ) -> (ScoreFactors, Option<EvalError>) {
        let used =
            Some(ReadPurpose { uses: &action.uses, discreet: false, place: Some(&action.place) });
        let view = View { twin: self.twin, context: self.context, need, used };
        let (value, error) = match &action.value {
            Worth::Fixed(value) => (*value, None),
            Worth::Of(expression) => match expression.number(&view) {
                Ok(value) => (value.clamp(0.0, 1.0), None),
                Err(error) => (0.0, Some(error)),
            },
        };
        let reason = if is_proposed { 1.0 } else { PLACEMENT_REASON };
        let issue = self.context.policy.weights.of(action.issue);
        let issue = issue.and_then(|(weight, _)| weight.number(&view).ok());
        let issue = issue.map_or(1.0, |weight| weight.clamp(0.0, IssueWeights::MAX));
        let expected = action.propensity.map_or(UNKNOWN, |prior| prior.expected);
        let weights = ScoreFactors {
            propensity: best.map_or(expected, |way| way.propensity),
            drawn: best.map_or(expected, |way| way.drawn),
            chance: 1.0,
            context: need.map_or(reason, |need| need.strength) * issue,
            value,
            lever: action.lever,
            uplift: 1.0,
        };
        (weights, error)
    }
}

/// The policy's prior for an action before there are any outcomes.
pub(super) fn prior(action: &policy::ActionDefinition) -> Prior {
    let prior = action.propensity.map(|prior| Prior::new(prior.expected, prior.weight));
    prior.unwrap_or_default()
}

/// The random seed of one decision.
pub(super) fn chance(twin: &Twin, input: &Input) -> u64 {
    models::seed(&[input.fingerprint, models::hashed(twin.customer.as_str())])
}
