//! The record of one arbitration: what was considered, stage by stage, and what came of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{Action, ArmAssignment};
use crate::event::{Time, Value};
use crate::policy::Version;

/// One arbitration: every candidate, why each was kept or dropped, what was chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// Its identifier. Of an arbitration that takes one action it is the action's, too.
    pub id: Box<str>,
    /// The how-manieth decision of this twin it is, from 0.
    pub number: u32,
    /// When.
    pub at: Time,
    /// What called for it, as a rule's `on` would name it: `track:Flight Booked`.
    pub by: Box<str>,
    /// The version of the policy.
    pub policy: Version,
    /// The version of what was learned; 0: nothing, or the customer refuses that.
    pub model: u64,
    /// The customer refuses personalization: it was decided without anything that was learned or
    /// concluded, and without experiments.
    #[serde(default)]
    pub is_plain: bool,
    /// How many candidates there were.
    pub considered: u32,
    /// How many of them each stage dropped, in the order of [`Stage::ALL`].
    pub dropped: [u32; Stage::ALL.len()],
    /// The candidates, best first, at most [`limits::CANDIDATES`](crate::config::limits::CANDIDATES).
    pub candidates: Vec<Candidate>,
    /// The actions to take, best first; none if none is left.
    pub chosen: Vec<Arc<Action>>,
    /// The arms of experiments that it was made under.
    pub arms: Vec<ArmAssignment>,
}

impl Decision {
    /// Whether an identifier is that of this decision, or of one of its actions.
    pub fn is(&self, id: &str) -> bool {
        *self.id == *id || self.chosen.iter().any(|action| *action.decision == *id)
    }
}

/// The stages that a candidate passes, one after the other.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Is there a reason to consider it, and may it be considered?
    Candidate,
    /// May the customer have it?
    Eligibility,
    /// Does it make sense now?
    Applicability,
    /// Is it good for the customer as they feel now?
    Suitability,
    /// May the customer be spoken to about it now?
    Contact,
    /// How likely is the customer to take it up?
    Propensity,
    /// Is it worth more than the others?
    Arbitration,
    /// Can it be said?
    Treatment,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Stage; 8] = [
        Stage::Candidate,
        Stage::Eligibility,
        Stage::Applicability,
        Stage::Suitability,
        Stage::Contact,
        Stage::Propensity,
        Stage::Arbitration,
        Stage::Treatment,
    ];

    /// The stage's name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Candidate => "candidate",
            Stage::Eligibility => "eligibility",
            Stage::Applicability => "applicability",
            Stage::Suitability => "suitability",
            Stage::Contact => "contact",
            Stage::Propensity => "propensity",
            Stage::Arbitration => "arbitration",
            Stage::Treatment => "treatment",
        }
    }
}

/// An action that was considered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// The action.
    pub action: Arc<str>,
    /// How it would be said, as far as that was weighed.
    pub treatment: Option<Arc<str>>,
    /// The need that it would serve; none if a rule proposed it.
    pub need: Option<Box<str>>,
    /// Where the action stands in the policy: `cards.toml:33`.
    pub place: Arc<str>,
    /// The stage that dropped it, or the last one that it passed.
    pub stage: Stage,
    /// What became of it.
    pub verdict: CandidateVerdict,
    /// What its score is made of.
    pub weights: ScoreFactors,
    /// Propensity × context × value × lever.
    pub score: f64,
    /// What the expression that decided read, with the values; `null` for what is missing, sensitive
    /// or compound.
    pub read: Vec<(Box<str>, Value)>,
}

/// What a score is made of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScoreFactors {
    /// How likely the customer is to take it up, 0 to 1, as it is known.
    pub propensity: f64,
    /// The same as it was drawn to explore; the score goes by this one.
    pub drawn: f64,
    /// The probability with which the draws would have chosen this one, 0 to 1; 1 if nothing was
    /// left to chance.
    pub chance: f64,
    /// The strength of the need × the weight of the issue in this mood, 0 to 10.
    pub context: f64,
    /// What it is worth, 0 to 1.
    pub value: f64,
    /// What people put on the scales, 0.1 to 10.
    pub lever: f64,
}

impl ScoreFactors {
    /// The product of all.
    pub fn score(&self) -> f64 {
        self.drawn * self.context * self.value * self.lever
    }
}

/// An action that was not taken, as it is told outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alternative {
    /// The action.
    pub action: Arc<str>,
    /// The need that it would have served; none if a rule proposed it.
    pub need: Option<Box<str>>,
    /// What the arbitration gave it.
    pub score: f64,
    /// What became of it.
    pub verdict: CandidateVerdict,
}

/// What became of a candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CandidateVerdict {
    /// It was taken.
    Chosen,
    /// Another one had the higher score.
    Outscored,
    /// An agent holds the conversation.
    HeldByAgent,
    /// The need that it served is met.
    NeedMet {
        /// The need.
        need: Box<str>,
    },
    /// Its condition does not hold.
    NotApplicable {
        /// The condition.
        when: Box<str>,
    },
    /// The customer may not have it.
    NotEligible {
        /// The condition.
        eligible: Box<str>,
    },
    /// It is not good for the customer now.
    NotSuitable {
        /// The condition.
        suitable: Box<str>,
    },
    /// The customer is in distress.
    Distressed {
        /// What shows it, as an expression reads it.
        by: Box<str>,
        /// Where it stands.
        is: f64,
        /// Beyond this is distress.
        limit: f64,
    },
    /// Something is open with the customer.
    MatterOpen {
        /// What.
        what: Box<str>,
    },
    /// An expression of it could not be worked out.
    Unknown {
        /// The expression.
        when: Box<str>,
        /// Why not.
        because: Box<str>,
    },
    /// It was taken too recently.
    CoolingDown {
        /// Until when it rests.
        until: Time,
    },
    /// There were so many contacts already.
    LimitReached {
        /// How many there may be.
        most: u32,
        /// Within how many seconds.
        over_secs: u64,
        /// Until when there can be no other.
        until: Time,
        /// Where the limit stands in the policy: `bank.toml:12`.
        place: Box<str>,
    },
    /// It was refused or ignored so often in a row that it rests.
    Paused {
        /// How often.
        after: u32,
        /// Until when it rests.
        until: Time,
    },
    /// The customer wants to hear of it later.
    WantedLater {
        /// Until when it rests.
        until: Time,
    },
    /// The customer is let alone at this hour.
    QuietHours {
        /// Until when.
        until: Time,
    },
    /// It is new, and others are well known: it has its chance in few decisions.
    OutOfReach {
        /// How often it was observed.
        observations: u32,
    },
    /// It would have been taken, but the customer is in an arm of an experiment in which nothing is
    /// done.
    ControlGroup {
        /// The experiment.
        experiment: Box<str>,
        /// The arm.
        arm: Box<str>,
    },
    /// The customer has not allowed it.
    NoConsent {
        /// What for.
        purpose: Box<str>,
    },
    /// It is for something sensitive that was not given for this.
    NotGiven {
        /// What it was given for.
        purposes: Box<str>,
    },
    /// No treatment can be said.
    NoTreatment {
        /// Why the last one could not.
        because: Box<str>,
    },
    /// The customer has withdrawn the consent to processing: what is known is kept and not used.
    Restricted,
    /// There are quiet hours, and the customer's time zone is not understood: it may be night there.
    ZoneUnknown {
        /// What the trait `timezone` says.
        zone: Box<str>,
    },
}

impl fmt::Display for CandidateVerdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CandidateVerdict::Chosen => out.write_str("chosen"),
            CandidateVerdict::Outscored => out.write_str("another one had the higher score"),
            CandidateVerdict::HeldByAgent => out.write_str("an agent holds the conversation"),
            CandidateVerdict::Restricted => {
                out.write_str("the customer has their data kept, and not used")
            }
            CandidateVerdict::NeedMet { need } => write!(out, "{need} is met"),
            CandidateVerdict::NotEligible { eligible } => {
                write!(out, "not for this customer: {eligible}")
            }
            CandidateVerdict::NotApplicable { when } => write!(out, "does not hold: {when}"),
            CandidateVerdict::NotSuitable { suitable } => write!(out, "not good now: {suitable}"),
            CandidateVerdict::Distressed { by, is, limit } => {
                let beyond = if is < limit { "below" } else { "above" };
                write!(out, "the customer is in distress: {by} is {is:.2}, {beyond} {limit}")
            }
            CandidateVerdict::MatterOpen { what } => write!(out, "{what} is open"),
            CandidateVerdict::LimitReached { most, over_secs, until, .. } => {
                let over = humantime::format_duration(Duration::from_secs(*over_secs));
                write!(out, "no more than {most} in {over}; not before {until}")
            }
            CandidateVerdict::Paused { after, until } => {
                write!(out, "unwanted {after} times in a row, rests until {until}")
            }
            CandidateVerdict::WantedLater { until } => {
                write!(out, "wanted later, rests until {until}")
            }
            CandidateVerdict::QuietHours { until } => write!(out, "quiet hours until {until}"),
            CandidateVerdict::ZoneUnknown { zone } => {
                write!(out, "the time zone `{zone}` is not understood, and it may be night there")
            }
            CandidateVerdict::OutOfReach { observations } => {
                write!(out, "new, observed {observations} times, and not its turn to be tried")
            }
            CandidateVerdict::ControlGroup { experiment, arm } => {
                write!(out, "in the arm {arm} of the experiment {experiment} nothing is done")
            }
            CandidateVerdict::Unknown { because, .. } => out.write_str(because),
            CandidateVerdict::CoolingDown { until } => write!(out, "rests until {until}"),
            CandidateVerdict::NoConsent { purpose } => write!(out, "no consent to {purpose}"),
            CandidateVerdict::NotGiven { purposes } => {
                write!(out, "goes by something sensitive that was given for {purposes}")
            }
            CandidateVerdict::NoTreatment { because } => out.write_str(because),
        }
    }
}
