//! The record of one arbitration: the candidates, stage by stage, and the result.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, Stage, StageCounts};
use crate::event::{Time, Value, six_digits, unsigned_zero};
use crate::language::GraveTopic;
use crate::policy::Version;
use crate::twin::state::ArmAssignment;

/// One decision: every candidate, why each was kept or dropped, and the choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// Its id. If the arbitration chooses one action, the action has the same id.
    pub id: Box<str>,
    /// The zero-based index of this decision of the twin.
    pub number: u32,
    /// When it was made.
    pub at: Time,
    /// The trigger, in the syntax of a rule's `on`: `track:Flight Booked`.
    pub by: Box<str>,
    /// The version of the policy.
    pub policy: Version,
    /// The model version; 0: none, or the customer refuses its use.
    pub model: u64,
    /// Whether the customer refuses personalization: then no models, inferred data or experiments were
    /// used.
    #[serde(default)]
    pub is_plain: bool,
    /// The number of candidates.
    pub considered: u32,
    /// The number of candidates that each stage dropped, in the order of [`Stage::ALL`].
    #[schemars(with = "[u64; Stage::ALL.len()]")]
    pub dropped: StageCounts,
    /// The candidates, best first, at most [`limits::CANDIDATES`](crate::config::limits::CANDIDATES).
    pub candidates: Vec<Candidate>,
    /// The chosen actions, best first; empty if no candidate remained.
    pub chosen: Vec<Arc<Action>>,
    /// The customer's arms of experiments at the time.
    pub arms: Vec<ArmAssignment>,
}

impl Decision {
    /// Whether an id is that of this decision, or of one of its actions.
    pub fn is(&self, id: &str) -> bool {
        *self.id == *id || self.chosen.iter().any(|action| *action.decision == *id)
    }
}

/// A considered action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// The action.
    pub action: Arc<str>,
    /// Its treatment, if it was scored.
    pub treatment: Option<Arc<str>>,
    /// The need that it would serve; none if a rule proposed it.
    pub need: Option<Box<str>>,
    /// The location of the action in the policy: `cards.toml:33`.
    pub place: Arc<str>,
    /// The stage that dropped it, or the last one that it passed.
    pub stage: Stage,
    /// Its verdict.
    pub verdict: CandidateVerdict,
    /// The factors of its score.
    pub weights: ScoreFactors,
    /// Propensity × context × value × lever × uplift.
    pub score: f64,
    /// What the deciding expression read, with the values; `null` for what is missing, sensitive or
    /// compound. Of a candidate that competed, what [`goal`](Candidate::goal) returns.
    pub read: Vec<(Box<str>, Value)>,
}

/// How likely the goal of an experiment that measures uplift was held to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CandidateGoal<'a> {
    /// The experiment.
    pub experiment: &'a str,
    /// The probability of the goal with the action, 0 to 1.
    pub with: f64,
    /// The probability of the goal without it, 0 to 1.
    pub without: f64,
    /// The least gain with which the action is taken, 0 to 1.
    pub least: f64,
}

impl CandidateGoal<'_> {
    /// What its paths in a record begin with; the names of the experiment and of the figure follow.
    pub(in crate::twin) const PREFIX: &'static str = "uplift.";

    /// Whether the action changes so little that it competes only where chance tries it again.
    pub fn is_too_little(&self) -> bool {
        self.with - self.without <= self.least
    }
}

impl Candidate {
    /// The goal of the experiment that measures its uplift; none if there is none, or if it did not compete.
    pub fn goal(&self) -> Option<CandidateGoal<'_>> {
        let experiment =
            self.read.iter().find_map(|(path, _)| path.strip_prefix(CandidateGoal::PREFIX))?;
        let experiment = experiment.rsplit_once('.')?.0;
        let figure = |name: &str| {
            let path = format!("{}{experiment}.{name}", CandidateGoal::PREFIX);
            let found = self.read.iter().find(|(known, _)| **known == *path)?;
            found.1.as_number()
        };
        let (with, without, least) = (figure("with")?, figure("without")?, figure("least")?);
        Some(CandidateGoal { experiment, with, without, least })
    }
}

/// The factors of a score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScoreFactors {
    /// The expected probability of acceptance, 0 to 1.
    pub propensity: f64,
    /// The sampled propensity (for exploration), used in the score.
    pub drawn: f64,
    /// The probability with which this candidate comes first, in this treatment, 0 to 1; 1 where nothing is
    /// left to chance. It takes for granted that each competing treatment can be rendered, and counts in
    /// only the best 16 candidates.
    pub chance: f64,
    /// The strength of the need × the weight of the issue in this mood, 0 to 10.
    pub context: f64,
    /// The value of the action, 0 to 1.
    pub value: f64,
    /// The lever that people set, 0.1 to 10.
    pub lever: f64,
    /// The share of the successes that the action causes, 0 to 1; 1 if no experiment measures it.
    pub uplift: f64,
}

impl ScoreFactors {
    /// The product of the factors.
    pub fn score(&self) -> f64 {
        self.drawn * self.context * self.value * self.lever * self.uplift
    }
}

/// An action not chosen, as reported in messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alternative {
    /// The action.
    pub action: Arc<str>,
    /// The need that it would have served; none if a rule proposed it.
    pub need: Option<Box<str>>,
    /// Its score in the arbitration.
    #[serde(serialize_with = "six_digits")]
    pub score: f64,
    /// Its verdict.
    pub verdict: CandidateVerdict,
}

/// The verdict on a candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CandidateVerdict {
    /// It was chosen.
    Chosen,
    /// Another candidate had a higher score.
    Outscored,
    /// An agent holds the conversation.
    HeldByAgent,
    /// The need that it served is satisfied.
    NeedMet {
        /// The need.
        need: Box<str>,
    },
    /// Its condition does not hold.
    NotApplicable {
        /// The condition.
        when: Box<str>,
    },
    /// The customer is not eligible.
    NotEligible {
        /// The condition.
        eligible: Box<str>,
    },
    /// It is not suitable for the customer now.
    NotSuitable {
        /// The condition.
        suitable: Box<str>,
    },
    /// The customer is in distress.
    Distressed {
        /// The evidence, as a path.
        by: Box<str>,
        /// The current value.
        is: f64,
        /// The limit beyond which it is distress.
        limit: f64,
    },
    /// The customer has an open matter.
    MatterOpen {
        /// The matter.
        what: Box<str>,
    },
    /// One of its expressions could not be evaluated.
    Unknown {
        /// The expression.
        when: Box<str>,
        /// The error.
        because: Box<str>,
    },
    /// It is cooling down: it was taken too recently.
    CoolingDown {
        /// The end of the cooldown.
        until: Time,
    },
    /// A contact limit is reached.
    LimitReached {
        /// The maximum number of contacts.
        most: u32,
        /// The period in seconds.
        over_secs: u64,
        /// The earliest time of the next contact.
        until: Time,
        /// The location of the limit in the policy: `bank.toml:12`.
        place: Box<str>,
    },
    /// It is paused after consecutive unwanted outcomes.
    Paused {
        /// The number of consecutive unwanted outcomes.
        after: u32,
        /// The end of the pause.
        until: Time,
    },
    /// The customer asked for it later.
    WantedLater {
        /// The end of the pause.
        until: Time,
    },
    /// Quiet hours.
    QuietHours {
        /// Their end.
        until: Time,
    },
    /// It is little known, and others are well known: it is explored in few decisions.
    OutOfReach {
        /// The number of observations.
        observations: u32,
    },
    /// It would have been chosen, but the customer is in a control group of an experiment.
    ControlGroup {
        /// The experiment.
        experiment: Box<str>,
        /// The arm.
        arm: Box<str>,
    },
    /// The customer has not consented.
    NoConsent {
        /// The purpose.
        purpose: Box<str>,
    },
    /// It uses sensitive data whose purpose does not cover it.
    NotGiven {
        /// The purposes of the data.
        purposes: Box<str>,
    },
    /// No treatment is usable.
    NoTreatment {
        /// Why the last one was rejected.
        because: Box<str>,
    },
    /// The customer has restricted processing: data is kept but not used.
    Restricted,
    /// There are quiet hours, and the customer's time zone is unknown: it may be night there.
    ZoneUnknown {
        /// The trait `timezone`.
        zone: Box<str>,
    },
    /// The customer wrote about a grave topic: nothing is sold or promoted for a while.
    Grave {
        /// The topic.
        topic: GraveTopic,
        /// The end of that time.
        until: Time,
    },
    /// It changes too little: without it the customer reaches the goal of an experiment about as often.
    NoUplift {
        /// The experiment.
        experiment: Box<str>,
        /// The probability of the goal with the action, 0 to 1.
        with: f64,
        /// The probability of the goal without it, 0 to 1.
        without: f64,
        /// The least gain with which it is taken, 0 to 1.
        least: f64,
    },
}

impl fmt::Display for CandidateVerdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CandidateVerdict::Chosen => out.write_str("chosen"),
            CandidateVerdict::Outscored => out.write_str("another action had a higher score"),
            CandidateVerdict::HeldByAgent => out.write_str("an agent holds the conversation"),
            CandidateVerdict::Restricted => {
                out.write_str("the customer restricted the use of their data")
            }
            CandidateVerdict::NeedMet { need } => write!(out, "{need} is met"),
            CandidateVerdict::NotEligible { eligible } => {
                write!(out, "not for this customer: {eligible}")
            }
            CandidateVerdict::NotApplicable { when } => write!(out, "condition not met: {when}"),
            CandidateVerdict::NotSuitable { suitable } => {
                write!(out, "not suitable now: {suitable}")
            }
            CandidateVerdict::Distressed { by, is, limit } => {
                let beyond = if is < limit { "below" } else { "above" };
                let is = unsigned_zero(*is, 2);
                write!(out, "the customer is in distress: {by} is {is:.2}, {beyond} {limit}")
            }
            CandidateVerdict::MatterOpen { what } => write!(out, "{what} is open"),
            CandidateVerdict::Grave { topic, until } => {
                write!(
                    out,
                    "the customer wrote about a grave topic, {}: nothing is sold until {until}",
                    topic.name()
                )
            }
            CandidateVerdict::LimitReached { most, over_secs, until, .. } => {
                let over = humantime::format_duration(Duration::from_secs(*over_secs));
                write!(out, "limit of {most} in {over} reached; not before {until}")
            }
            CandidateVerdict::Paused { after, until } => {
                write!(out, "unwanted {after} times in a row, paused until {until}")
            }
            CandidateVerdict::WantedLater { until } => {
                write!(out, "the customer asked for later, paused until {until}")
            }
            CandidateVerdict::QuietHours { until } => write!(out, "quiet hours until {until}"),
            CandidateVerdict::ZoneUnknown { zone } => {
                write!(out, "unknown time zone `{zone}`: it may be night there")
            }
            CandidateVerdict::OutOfReach { observations } => {
                write!(
                    out,
                    "too new ({observations} observations) and not selected for exploration"
                )
            }
            CandidateVerdict::ControlGroup { experiment, arm } => {
                write!(out, "the arm {arm} of the experiment {experiment} is a control group")
            }
            CandidateVerdict::NoUplift { experiment, with, without, .. } => {
                write!(
                    out,
                    "changes too little: the goal of the experiment {experiment} is reached with probability \
                     {without:.3} without it, {with:.3} with it"
                )
            }
            CandidateVerdict::Unknown { because, .. } => out.write_str(because),
            CandidateVerdict::CoolingDown { until } => write!(out, "cooling down until {until}"),
            CandidateVerdict::NoConsent { purpose } => write!(out, "no consent to {purpose}"),
            CandidateVerdict::NotGiven { purposes } => {
                write!(out, "uses sensitive data that may be used for {purposes} only")
            }
            CandidateVerdict::NoTreatment { because } => out.write_str(because),
        }
    }
}
