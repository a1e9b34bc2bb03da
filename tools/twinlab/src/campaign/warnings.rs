//! What a reader should know before they trust the figures.

use jumeau::models::evaluate::Estimate;

use super::estimates::Crossed;
use super::log::CampaignLog;
use super::replay::Replays;
use super::report::fixed;
use super::response_share::ResponseShare;

/// Fewer choices, or choices of one action, say little.
const CHOICES_FEW: f64 = 1_000.0;
/// Fewer responses to one action say little.
const RESPONSES_FEW: usize = 20;
/// So far may the inverse probabilities of an action be from adding up to the number of choices.
const PROPENSITIES_OFF: f64 = 0.1;

/// About the log.
pub(super) fn of_log(log: &CampaignLog, shares: &[ResponseShare]) -> Vec<String> {
    let mut warnings = Vec::new();
    if log.assumes_shares {
        warnings.push(
            "There is no column of propensities. The share of each action in the log is taken instead, \
             which is right only if the actions were drawn by lot, with the same chances for every \
             customer. If a person or a rule chose by customer, all figures below are biased."
                .to_owned(),
        );
    }
    let named = || shares.iter().zip(&log.actions);
    let few = named().filter(|(share, _)| share.responses < RESPONSES_FEW).map(|it| it.1);
    let few: Vec<&String> = few.collect();
    if !few.is_empty() {
        warnings.push(format!(
            "Fewer than {RESPONSES_FEW} responses are too few to tell much about an action: {}.",
            listed(&few)
        ));
    }
    let misleading: Vec<&String> =
        named().filter(|(share, _)| share.is_misleading()).map(|it| it.1).collect();
    if !misleading.is_empty() {
        warnings.push(format!(
            "The raw share misleads for {}: customers who respond more often, or less often, were likelier \
             to get it. Do not compare the raw shares.",
            listed(&misleading)
        ));
    }
    warnings.extend(of_propensities(log));
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

/// Names of actions for a sentence, of which only the first few are written.
fn listed(names: &[&String]) -> String {
    const MOST: usize = 5;
    let shown: Vec<String> = names.iter().take(MOST).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(MOST) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// About the propensities: in expectation the inverse ones of each action add up to the number of choices.
fn of_propensities(log: &CampaignLog) -> Option<String> {
    let mut sums = vec![[0.0; 2]; log.actions.len()];
    for choice in &log.choices {
        let weight = 1.0 / choice.propensity;
        let [inverse, squares] = &mut sums[choice.action];
        *inverse += weight;
        *squares += weight * weight;
    }
    let count = log.choices.len() as f64;
    let off = |[inverse, squares]: [f64; 2]| {
        let off = (inverse / count - 1.0).abs();
        off > PROPENSITIES_OFF && off > 5.0 * squares.sqrt() / count
    };
    let named = sums.iter().zip(&log.actions);
    let wrong: Vec<_> = named.filter(|(sums, _)| off(**sums)).collect();
    let ([inverse, _], first) = wrong.first()?;
    let names: Vec<&String> = wrong.iter().map(|it| it.1).collect();
    Some(format!(
        "The propensities of {} do not fit how often the action was chosen: the inverse ones of an action \
         should add up to the number of choices, and those of `{first}` come to {} of it. Are they the \
         probabilities of the action that was chosen, at the time of the choice?",
        listed(&names),
        fixed(inverse / count, 2)
    ))
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
            "The weights of the choices average {} instead of 1: the propensities are wrong, or \
             there were choices that could never happen. IPS and DR are biased.",
            fixed(mean, 2)
        ));
    }
    warnings
}
