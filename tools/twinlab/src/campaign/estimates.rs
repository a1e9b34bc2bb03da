use jumeau::models::evaluate::{Estimate, Logged, doubly_robust};
use jumeau::models::{Contender, HORIZON, Learner, Snapshot, chances};

use super::log::CampaignLog;
use crate::calibration::Case;

/// What a learner expects of choices that it did not learn from: it learns from one half of the log and
/// tells about the other, and the other way round.
#[derive(Debug, Default)]
pub(crate) struct Crossed {
    /// Each choice in the form of off-policy evaluation; the other policy is the learner's.
    pub(crate) learner: Vec<Logged>,
    /// The same if the other policy is always the action that did best in the half that was learned from.
    pub(crate) single: Vec<Logged>,
    /// The actions that did best in each half.
    pub(crate) best: [usize; 2],
    /// What was expected of each choice, and what happened.
    pub(crate) cases: Vec<Case>,
    /// The share of responses in the half that was learned from.
    pub(crate) rates: Vec<f64>,
    /// The choices of each half. What is expected of one half was learned from the other.
    pub(crate) halves: [Vec<usize>; 2],
    /// For each choice what was expected of every action, one choice after the other.
    expected: Vec<f32>,
    actions: usize,
}

/// The order of the log that is halved: no replay has this number.
const HALVED: u64 = 0;

impl Crossed {
    pub(crate) fn of(log: &CampaignLog) -> Crossed {
        let (count, actions) = (log.choices.len(), log.actions.len());
        let nothing = Logged {
            reward: 0.0,
            logged: 1.0,
            target: 0.0,
            expected: 0.0,
            expected_of_target: 0.0,
        };
        let mut all = Crossed {
            learner: vec![nothing; count],
            single: vec![nothing; count],
            cases: vec![(0.0, false); count],
            rates: vec![0.0; count],
            expected: vec![0.0; count * actions],
            actions,
            ..Crossed::default()
        };
        let order = log.order(HALVED);
        let halves = order.split_at(order.len() / 2);
        for (half, (known, asked)) in [halves, (halves.1, halves.0)].into_iter().enumerate() {
            let mut learner = Learner::from(Snapshot::nothing(), HORIZON);
            let mut responses = 0.0;
            for at in known {
                let (choice, features) = (&log.choices[*at], log.features(*at));
                learner.learn(&features, &log.arms[choice.action], log.prior, choice.response);
                responses += f64::from(u8::from(choice.response));
            }
            let rate = responses / known.len().max(1) as f64;
            all.best[half] = best_of(log, known);
            all.halves[half] = asked.to_vec();
            for at in asked {
                all.rates[*at] = rate;
                all.judge(log, learner.model(), *at, all.best[half]);
            }
        }
        all
    }

    /// What was expected of an action for the customer of a choice.
    pub(crate) fn expected(&self, choice: usize, action: usize) -> f64 {
        f64::from(self.expected[choice * self.actions + action])
    }

    /// One choice as the learner sees it, and what it expects of every action.
    fn judge(&mut self, log: &CampaignLog, model: &Snapshot, at: usize, single: usize) {
        let (choice, features) = (&log.choices[at], log.features(at));
        let mut scorer = model.scorer(&features);
        let contenders: Vec<Contender> = log
            .arms
            .iter()
            .map(|arm| Contender { belief: scorer.belief(arm, log.prior), factor: 1.0 })
            .collect();
        let expected: Vec<f64> = contenders.iter().map(|it| it.belief.propensity()).collect();
        let shares = chances(&contenders);
        self.learner[at] = Logged {
            reward: f64::from(u8::from(choice.response)),
            logged: choice.propensity,
            target: shares[choice.action],
            expected: expected[choice.action],
            expected_of_target: shares.iter().zip(&expected).map(|(share, it)| share * it).sum(),
        };
        self.single[at] = Logged {
            target: f64::from(u8::from(choice.action == single)),
            expected_of_target: expected[single],
            ..self.learner[at]
        };
        self.cases[at] = (expected[choice.action], choice.response);
        for (kept, expected) in self.expected[at * self.actions..].iter_mut().zip(&expected) {
            *kept = *expected as f32;
        }
    }

    /// How much more the learner gets than the single action, doubly robust. The estimator is linear in
    /// what the policies do, so that of the difference of two policies is the difference, and its error
    /// is that of the same customers under both.
    ///
    /// Each half is estimated alone, because the two estimates are no independent ones: see
    /// [`error_of_both`].
    pub(crate) fn lead(&self) -> Estimate {
        let [one, other] = self.halves.each_ref().map(|half| {
            let differences = half.iter().map(|at| {
                let (learner, single) = (&self.learner[*at], &self.single[*at]);
                Logged {
                    target: learner.target - single.target,
                    expected_of_target: learner.expected_of_target - single.expected_of_target,
                    ..*learner
                }
            });
            doubly_robust(&differences.collect::<Vec<_>>())
        });
        Estimate {
            value: f64::midpoint(one.value, other.value),
            error: error_of_both(one.error, other.error),
            effective: one.effective + other.effective,
        }
    }
}

/// The standard error of the mean of what two halves say about each other, from that of each: the greatest
/// that it can be, for estimates that always err together. They nearly do: what one half is told about was
/// learned from the outcomes of the other, so where chance made the halves alike, both estimates are too
/// high, and where it made them differ, both are too low. Taken as independent, they would find a
/// difference where there is none in one log of six.
pub(super) fn error_of_both(one: f64, other: f64) -> f64 {
    f64::midpoint(one * one, other * other).sqrt()
}

/// The action with the most responses for each choice, each weighed by how improbable it was.
fn best_of(log: &CampaignLog, choices: &[usize]) -> usize {
    let mut sums = vec![[0.0, 0.0]; log.actions.len()];
    for choice in choices.iter().map(|at| &log.choices[*at]) {
        let [responses, all] = &mut sums[choice.action];
        *responses += f64::from(u8::from(choice.response)) / choice.propensity;
        *all += 1.0 / choice.propensity;
    }
    let rate = |[responses, all]: &[f64; 2]| if *all > 0.0 { responses / all } else { 0.0 };
    let rates: Vec<f64> = sums.iter().map(rate).collect();
    (0..rates.len()).max_by(|one, other| rates[*one].total_cmp(&rates[*other])).unwrap_or(0)
}
