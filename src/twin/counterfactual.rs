//! Counterfactuals: for each candidate that lost, the nearest change of one value with which it would
//! have won, or passed its stage. A pure read of the decision's record.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Time, Value, six_digits};
use crate::policy::{Expression, Found, PROCESSING, Path, Root, Scope, StepBudget};
use crate::twin::effect::{Candidate, CandidateVerdict, Decision, ScoreFactors};

/// A counterfactual: one change with which a candidate would have won, or passed the stage that dropped
/// it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Counterfactual {
    /// The action of the candidate.
    pub action: Arc<str>,
    /// The change.
    pub change: CounterfactualChange,
    /// Whether the candidate would then have had a higher score than the last chosen one. False: it would
    /// only have reached the next stage.
    pub wins: bool,
}

/// The change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CounterfactualChange {
    /// A higher factor of the score.
    Factor {
        /// The factor.
        factor: Factor,
        /// The current factor.
        #[serde(serialize_with = "six_digits")]
        is: f64,
        /// It wins with a factor above this.
        #[serde(serialize_with = "six_digits")]
        above: f64,
    },
    /// No exploration: expected propensities instead of sampled ones.
    NoChance,
    /// Another value at a path.
    Value {
        /// The path.
        path: Box<str>,
        /// The current value.
        is: Value,
        /// The nearest value with which the expression holds.
        with: Value,
    },
    /// A later time.
    After {
        /// The time after which it passes.
        until: Time,
    },
    /// One contact less within a period.
    OneLess {
        /// The maximum number of contacts.
        most: u32,
        /// The period in seconds.
        over_secs: u64,
        /// The location of the limit in the policy.
        place: Box<str>,
    },
    /// A value within a limit.
    Within {
        /// The path.
        path: Box<str>,
        /// The current value.
        #[serde(serialize_with = "six_digits")]
        is: f64,
        /// The limit.
        limit: f64,
    },
    /// A greater gain: the probability of an experiment's goal with the action, less that without it.
    Gain {
        /// The experiment.
        experiment: Box<str>,
        /// The gain, -1 to 1.
        #[serde(serialize_with = "six_digits")]
        is: f64,
        /// It passes with a gain above this.
        above: f64,
    },
    /// A consent of the customer.
    Consent {
        /// The purpose.
        purpose: Box<str>,
    },
    /// The end of something.
    Over {
        /// What has to end.
        what: Box<str>,
    },
}

/// A factor of the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Factor {
    /// The sampled probability of acceptance.
    Propensity,
    /// The strength of the need × the weight of the issue in this mood.
    Context,
    /// The value of the action.
    Value,
    /// The lever that people set.
    Lever,
    /// The share of the successes that the action causes.
    Uplift,
}

impl Factor {
    /// The factor's name, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Factor::Propensity => "propensity",
            Factor::Context => "context",
            Factor::Value => "value",
            Factor::Lever => "lever",
            Factor::Uplift => "uplift",
        }
    }

    /// Every factor, with its current value and its maximum.
    fn all(weights: &ScoreFactors) -> [(Factor, f64, f64); 5] {
        [
            (Factor::Propensity, weights.drawn, 1.0),
            (Factor::Context, weights.context, 10.0),
            (Factor::Value, weights.value, 1.0),
            (Factor::Lever, weights.lever, 10.0),
            (Factor::Uplift, weights.uplift, 1.0),
        ]
    }
}

/// The counterfactuals of a decision, in the order of its candidates; for each of them the nearest first.
pub fn counterfactuals(decision: &Decision) -> Vec<Counterfactual> {
    // All attempts for one answer share one step budget.
    let _budget = StepBudget::begin();
    let is_chosen = |candidate: &&Candidate| candidate.verdict == CandidateVerdict::Chosen;
    let last = decision.candidates.iter().rfind(is_chosen);
    let mut found = Vec::new();
    for candidate in &decision.candidates {
        let beats = last.is_none_or(|last| candidate.score > last.score);
        let mut add = |change: CounterfactualChange, wins: bool| {
            found.push(Counterfactual { action: candidate.action.clone(), change, wins });
        };
        match (&candidate.verdict, last) {
            (CandidateVerdict::Outscored, Some(last)) => {
                let known =
                    |weights: &ScoreFactors| weights.score() / weights.drawn * weights.propensity;
                if known(&candidate.weights) > known(&last.weights) {
                    add(CounterfactualChange::NoChance, true);
                }
                factors(candidate, last).for_each(|change| add(change, true));
            }
            _ => {
                if let Some(change) = passing(candidate) {
                    add(change, beats);
                }
            }
        }
    }
    found
}

/// The factors by which a candidate would have had a higher score than another. The score is their
/// product, so each factor needs the same relative increase, if its maximum allows that.
fn factors(
    candidate: &Candidate,
    other: &Candidate,
) -> impl Iterator<Item = CounterfactualChange> + use<> {
    let more = other.score / candidate.score;
    Factor::all(&candidate.weights).into_iter().filter_map(move |(factor, is, most)| {
        let above = is * more;
        (above.is_finite() && above < most).then_some(CounterfactualChange::Factor {
            factor,
            is,
            above,
        })
    })
}

/// The changes with which a candidate would have passed the stage that dropped it.
fn passing(candidate: &Candidate) -> Option<CounterfactualChange> {
    match &candidate.verdict {
        CandidateVerdict::NotEligible { eligible: source }
        | CandidateVerdict::NotApplicable { when: source }
        | CandidateVerdict::NotSuitable { suitable: source }
        | CandidateVerdict::Unknown { when: source, .. } => nearest(source, &candidate.read),
        CandidateVerdict::CoolingDown { until }
        | CandidateVerdict::Paused { until, .. }
        | CandidateVerdict::WantedLater { until }
        | CandidateVerdict::QuietHours { until }
        | CandidateVerdict::Grave { until, .. } => {
            Some(CounterfactualChange::After { until: *until })
        }
        CandidateVerdict::LimitReached { most, over_secs, place, .. } => {
            Some(CounterfactualChange::OneLess {
                most: *most,
                over_secs: *over_secs,
                place: place.clone(),
            })
        }
        CandidateVerdict::Distressed { by, is, limit } => {
            Some(CounterfactualChange::Within { path: by.clone(), is: *is, limit: *limit })
        }
        CandidateVerdict::NoUplift { experiment, with, without, least } => {
            Some(CounterfactualChange::Gain {
                experiment: experiment.clone(),
                is: with - without,
                above: *least,
            })
        }
        CandidateVerdict::NoConsent { purpose } => {
            Some(CounterfactualChange::Consent { purpose: purpose.clone() })
        }
        CandidateVerdict::MatterOpen { what } => {
            Some(CounterfactualChange::Over { what: what.clone() })
        }
        CandidateVerdict::Restricted => {
            Some(CounterfactualChange::Consent { purpose: PROCESSING.into() })
        }
        CandidateVerdict::HeldByAgent => {
            Some(CounterfactualChange::Over { what: "the conversation with the agent".into() })
        }
        _ => None,
    }
}

/// The recorded values of an expression.
struct Recorded<'a> {
    read: &'a [(Box<str>, Value)],
    /// The index of one of them, and the value to try instead.
    instead: Option<(usize, &'a Value)>,
}

impl Scope for Recorded<'_> {
    fn find(&self, path: &Path) -> Found<'_> {
        let name = path.to_string();
        let Some(at) = self.read.iter().position(|(known, _)| **known == *name) else {
            return Found::Missing;
        };
        let value = match self.instead {
            Some((other, value)) if other == at => value,
            _ => &self.read[at].1,
        };
        match value {
            Value::Null => Found::Missing,
            // A record contains times as text.
            Value::Text(text) => match Time::parse(text) {
                Some(time) => Found::Time(time),
                None => Found::Value(value),
            },
            other => Found::Value(other),
        }
    }
}

/// The nearest change of one value with which an expression holds. Tried are the values that the
/// expression itself contains, and those next to them.
fn nearest(source: &str, read: &[(Box<str>, Value)]) -> Option<CounterfactualChange> {
    let expression = Expression::compile(source).ok()?;
    let named = literals(source);
    let mut best: Option<(f64, CounterfactualChange)> = None;
    for (at, (path, is)) in read.iter().enumerate() {
        // The time cannot be changed.
        if path.starts_with(Root::Now.name()) {
            continue;
        }
        for with in instead_of(is, &named) {
            let scope = Recorded { read, instead: Some((at, &with)) };
            let far = distance(is, &with);
            if best.as_ref().is_none_or(|(known, _)| far < *known)
                && expression.test(&scope).holds()
            {
                let change =
                    CounterfactualChange::Value { path: path.clone(), is: is.clone(), with };
                best = Some((far, change));
            }
        }
    }
    best.map(|(_, change)| change)
}

/// The distance between two values: the relative difference of numbers, otherwise whether there was a
/// value.
fn distance(is: &Value, with: &Value) -> f64 {
    match (is.as_number(), with.as_number()) {
        (Some(is), Some(with)) => (with - is).abs() / (1.0 + is.abs()),
        _ if *is == Value::Null => 3.0,
        _ => 2.0,
    }
}

/// The values to try at a path: those that the expression contains and those next to them, of the kind of
/// the current value, and any other value.
fn instead_of(is: &Value, named: &[Value]) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    match is {
        Value::Null => all.push("something".into()),
        Value::Bool(truth) => all.push(Value::Bool(!truth)),
        _ => {}
    }
    for literal in named {
        match (literal, is) {
            (Value::Int(_) | Value::Float(_) | Value::Bool(_) | Value::Null, Value::Text(_)) => {}
            (Value::Text(_) | Value::Bool(_), Value::Int(_) | Value::UInt(_) | Value::Float(_)) => {
            }
            (Value::Int(number), Value::Float(_)) => all.extend(neighbours(*number as f64)),
            (Value::Int(number), _) => {
                all.extend([0, -1, 1].map(|by| Value::Int(number.saturating_add(by))));
            }
            (Value::Float(number), _) => all.extend(neighbours(*number)),
            (other, _) => all.push(other.clone()),
        }
    }
    if matches!(is, Value::Text(_)) {
        all.extend(["something else".into(), Value::Null]);
    }
    all
}

fn neighbours(number: f64) -> Vec<Value> {
    [0.0, -0.01, 0.01].map(|by| Value::from(number + by)).into()
}

/// The numbers, texts and booleans that an expression contains; also 0 for what it counts, and true for
/// what it uses without a comparison.
fn literals(source: &str) -> Vec<Value> {
    let mut found = vec![Value::Bool(true), Value::Null, Value::Int(0)];
    let mut rest = source.char_indices().peekable();
    let mut before = ' ';
    while let Some((start, first)) = rest.next() {
        if first == '\'' || first == '"' {
            let text: String =
                rest.by_ref().map(|(_, c)| c).take_while(|next| *next != first).collect();
            found.push(text.as_str().into());
        } else if first.is_ascii_digit() && !(before.is_alphanumeric() || before == '_') {
            let mut end = start + 1;
            while let Some((at, next)) = rest.peek()
                && (next.is_ascii_digit() || *next == '.')
            {
                end = at + 1;
                rest.next();
            }
            let digits = &source[start..end];
            let number =
                digits.parse().map(Value::Int).or_else(|_| digits.parse::<f64>().map(Value::from));
            found.extend(number);
        }
        before = first;
    }
    let negative = found.iter().filter_map(|value| match value {
        Value::Int(number) if *number > 0 && source.contains('-') => Some(Value::Int(-number)),
        Value::Float(number) if source.contains('-') => Some((-number).into()),
        _ => None,
    });
    let negative: Vec<Value> = negative.collect();
    found.extend(negative);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(source: &str, read: &[(&str, Value)]) -> String {
        let read: Vec<(Box<str>, Value)> =
            read.iter().map(|(path, value)| ((*path).into(), value.clone())).collect();
        match nearest(source, &read) {
            Some(CounterfactualChange::Value { path, is, with }) => {
                format!("{path}: {is} -> {with}")
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_counterfactual_of_an_expression_is_the_nearest_value_that_satisfies_it() {
        let int = Value::Int;
        let cases = [
            change("facts.income >= 2000", &[("facts.income", int(1_800))]),
            change("facts.income > 2000", &[("facts.income", int(1_800))]),
            change(
                "facts.trips < 3 && profile.vip",
                &[("facts.trips", int(7)), ("profile.vip", Value::Bool(true))],
            ),
            change("profile.city in ['Ghent', 'Liège']", &[("profile.city", "Paris".into())]),
            change("profile.city != 'Paris'", &[("profile.city", "Paris".into())]),
            change("!facts.closed", &[("facts.closed", Value::Bool(true))]),
            change("sentiment.level > -0.3", &[("sentiment.level", Value::from(-0.5))]),
            change("facts.a > 1 && facts.b > 1", &[("facts.a", int(0)), ("facts.b", int(0))]),
            change("facts.a > 10 || facts.b > 1000", &[("facts.a", int(0)), ("facts.b", int(900))]),
            change("has(profile.email)", &[("profile.email", Value::Null)]),
        ];
        insta::assert_snapshot!(cases.join("\n"), @r"
        facts.income: 1800 -> 2000
        facts.income: 1800 -> 2001
        facts.trips: 7 -> 2
        profile.city: Paris -> Ghent
        profile.city: Paris -> something else
        facts.closed: true -> false
        sentiment.level: -0.5 -> -0.29
        None
        facts.b: 900 -> 1001
        profile.email: null -> something
        ");
    }
}
