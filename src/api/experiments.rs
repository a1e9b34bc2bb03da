use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::Time;
use crate::models::{ArmCounts, ArmResult, ComparedMeasure, Lead, chance_of_shares};
use crate::policy::{Does, Experiment, Policy};

/// Results of experiments so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExperimentsReply {
    /// The time of the reply, by the host clock.
    pub at: Time,
    /// The experiments of the policy, in its order, then those no longer in it.
    pub experiments: Vec<ExperimentShown>,
}

/// The results of one experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExperimentShown {
    /// Its name.
    pub name: String,
    /// Its description; none if it is no longer in the policy.
    pub describe: Option<String>,
    /// Its place in the policy: `bank.toml:12`.
    pub place: Option<String>,
    /// Whether its goal has a value.
    pub is_valued: bool,
    /// Whether it measures uplift: then its lead shrinks once actions are dropped, because customers for whom
    /// none is left enter it all the same and are treated alike in all arms.
    #[serde(default)]
    pub is_uplift_measured: bool,
    /// The arms; the others are compared with the first one.
    pub arms: Vec<ArmShown>,
    /// The p-value of the sample ratio test, 0 to 1: below 0.001, assignment to the arms is biased and
    /// the results cannot be trusted.
    pub chance_of_shares: f64,
}

/// The results of one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ArmShown {
    /// Its name.
    pub name: String,
    /// Its share of all customers, 0 to 1; 0 if it is no longer in the policy.
    pub share: f64,
    /// How it departs from the best action, if it does: `nothing`, `random`.
    pub does: Option<String>,
    /// The counts.
    pub result: ArmResult,
    /// The share of customers who reached the goal.
    pub rate: f64,
    /// By how much that is more than in the first arm.
    pub rate_lead: Option<Lead>,
    /// The value per customer.
    pub value: f64,
    /// By how much that is more than in the first arm.
    pub value_lead: Option<Lead>,
}

/// Counts, by experiment and arm.
type ArmResults = BTreeMap<Box<str>, BTreeMap<Box<str>, ArmResult>>;

/// The results of a policy's experiments, and of earlier ones, from the counts of all partitions.
pub fn experiment_stats(
    policy: &Policy,
    counted: impl Iterator<Item = ArmCounts>,
) -> Vec<ExperimentShown> {
    let mut all = ArmResults::new();
    for (name, arm, result) in counted {
        all.entry(name).or_default().entry(arm).or_default().add(&result);
    }
    let mut experiments: Vec<ExperimentShown> = policy
        .experiments
        .iter()
        .map(|known| running(known, all.remove(&known.name).unwrap_or_default()))
        .collect();
    experiments.extend(all.into_iter().map(|(name, arms)| ExperimentShown {
        name: name.into(),
        describe: None,
        place: None,
        is_valued: arms.values().any(|arm| arm.value != 0.0),
        is_uplift_measured: false,
        arms: compared(arms.into_iter().map(|(arm, result)| (arm, 0.0, None, result)).collect()),
        chance_of_shares: 1.0,
    }));
    experiments
}

fn running(known: &Experiment, mut counted: BTreeMap<Box<str>, ArmResult>) -> ExperimentShown {
    let mut arms: Vec<ArmRow> = Vec::new();
    for arm in &known.arms {
        let does = match (&arm.policy, arm.does) {
            (Some(policy), _) => Some(format!("policy {policy}")),
            (None, Does::Policy) => None,
            (None, other) => Some(other.name().to_owned()),
        };
        arms.push((
            arm.name.clone(),
            arm.share,
            does,
            counted.remove(&arm.name).unwrap_or_default(),
        ));
    }
    let (entered, shares): (Vec<u64>, Vec<f64>) =
        arms.iter().map(|(_, share, _, result)| (result.entered, *share)).unzip();
    ExperimentShown {
        name: known.name.to_string(),
        describe: Some(known.describe.to_string()),
        place: Some(known.place.to_string()),
        is_valued: known.value.is_some(),
        is_uplift_measured: known.least_gain.is_some(),
        arms: compared(arms),
        chance_of_shares: chance_of_shares(&entered, &shares),
    }
}

/// Its name, its share, its departure from the best action, and its counts.
type ArmRow = (Box<str>, f64, Option<String>, ArmResult);

fn compared(arms: Vec<ArmRow>) -> Vec<ArmShown> {
    let control = arms.first().map(|(.., result)| *result).unwrap_or_default();
    let with_first = arms.into_iter().enumerate();
    with_first
        .map(|(at, (name, share, does, result))| {
            let lead = |measure| (at > 0).then(|| result.lead(&control, measure)).flatten();
            ArmShown {
                name: name.into(),
                share,
                does,
                result,
                rate: result.mean(ComparedMeasure::Rate),
                rate_lead: lead(ComparedMeasure::Rate),
                value: result.mean(ComparedMeasure::Value),
                value_lead: lead(ComparedMeasure::Value),
            }
        })
        .collect()
}
