//! What a reader should know before they trust the figures.

use jumeau::models::evaluate::Estimate;

use super::estimates::Crossed;
use super::log::CampaignLog;
use super::replay::Replays;

/// Fewer choices, or choices of one action, say little.
const CHOICES_FEW: f64 = 1_000.0;
/// Fewer responses to one action say little.
const RESPONSES_FEW: usize = 20;
/// So far may the inverse probabilities of an action be from adding up to the number of choices.
const PROPENSITIES_OFF: f64 = 0.1;

/// About the log.
pub(super) fn of_log(log: &CampaignLog) -> Vec<String> {
    let mut warnings = Vec::new();
    if log.assumes_shares {
        warnings.push(
            "There is no column of propensities. The share of each action in the log is taken instead, \
             which is right only if the actions were drawn by lot, with the same chances for every \
             customer. If a person or a rule chose by customer, all figures below are biased."
                .to_owned(),
        );
    }
    for (action, name) in log.actions.iter().enumerate() {
        let of = || log.choices.iter().filter(|choice| choice.action == action);
        let responses = of().filter(|choice| choice.response).count();
        if responses < RESPONSES_FEW {
            warnings.push(format!(
                "`{name}` has {responses} responses of {} choices, too few to tell much about it.",
                of().count()
            ));
        }
        // In expectation the inverse probabilities of each action add up to the number of choices.
        let inverse: f64 = of().map(|choice| 1.0 / choice.propensity).sum();
        let squares: f64 = of().map(|choice| choice.propensity.powi(-2)).sum();
        let share = inverse / log.choices.len() as f64;
        let off = (share - 1.0).abs();
        if off > PROPENSITIES_OFF && off > 5.0 * squares.sqrt() / log.choices.len() as f64 {
            warnings.push(format!(
                "The propensities of `{name}` do not fit how often it was chosen: 1/propensity should add \
                 up to the number of choices, and comes to {share:.2} of it. Are they the probabilities \
                 of the action that was chosen, at the time of the choice?"
            ));
        }
    }
    for (name, texts) in log.context.identifying() {
        warnings.push(format!(
            "`{name}` has {texts} different texts, as the name of a customer has. It tells nothing about \
             others: leave it out with --without {name}"
        ));
    }
    if log.context.names().next().is_none() {
        warnings.push(
            "No column says anything of the customer, so there is nothing by which to tell them apart."
                .to_owned(),
        );
    }
    warnings
}

/// About the replays.
pub(super) fn of_replays(replays: &Replays) -> Vec<String> {
    if replays.choices >= CHOICES_FEW {
        return Vec::new();
    }
    vec![format!(
        "Only {:.0} choices count in a replay, those where the learner chooses what was chosen: too few \
         for it to learn much. A longer log, or one with fewer actions or more even propensities, says more.",
        replays.choices
    )]
}

/// About an off-policy estimate.
pub(super) fn of_estimate(crossed: &Crossed, estimate: &Estimate) -> Vec<String> {
    let mut warnings = Vec::new();
    if estimate.effective < CHOICES_FEW {
        warnings.push(format!(
            "The log is worth only {:.0} choices of the learner (the effective sample size): it seldom \
             chose what the learner would, so a few customers decide the estimate.",
            estimate.effective
        ));
    }
    let mean = crossed.learner.iter().map(|it| it.target / it.logged).sum::<f64>()
        / crossed.learner.len().max(1) as f64;
    if (mean - 1.0).abs() > PROPENSITIES_OFF {
        warnings.push(format!(
            "The weights of the choices average {mean:.2} instead of 1: the propensities are wrong, or \
             there were choices that could never happen. IPS and DR are biased."
        ));
    }
    warnings
}
