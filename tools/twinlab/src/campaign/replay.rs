use jumeau::models::{HORIZON, Learner, Snapshot, normal, seed, uniform};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand_distr::{Beta, Distribution as _};

use super::log::{CampaignLog, LoggedChoice};

/// The mean rewards of replays, each of another order of the log.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Replays {
    /// Of the learner.
    pub(crate) learner: Vec<f64>,
    /// Of Thompson sampling with a beta distribution for each action, which reads no context.
    pub(crate) plain: Vec<f64>,
    /// The number of choices that counted in a replay of the learner, on average.
    pub(crate) choices: f64,
}

/// Replays the log in several orders. A replay goes through the log and lets a learner without
/// experience choose; only where it chooses what was chosen does the outcome count, and is learned from.
/// So the mean reward is that of the learner in the campaign itself: Li, Chu, Langford and Wang, Unbiased
/// Offline Evaluation of Contextual-bandit-based News Article Recommendation Algorithms, WSDM 2011. Where
/// choices had different probabilities, likelier ones are passed over in proportion.
pub(crate) fn replays(log: &CampaignLog, orders: u64) -> Replays {
    let least = log.choices.iter().map(|choice| choice.propensity).fold(1.0, f64::min);
    let mut replays = Replays::default();
    for number in 1..=orders {
        let mut order = log.order(number);
        order.retain(|at| {
            let share = least / log.choices[*at].propensity;
            share >= 1.0 || uniform(seed(&[number, *at as u64, 1])) < share
        });
        let score = learner(log, &order, number);
        replays.learner.push(score.mean());
        replays.choices += score.choices / orders as f64;
        replays.plain.push(plain(log, &order, number).mean());
    }
    replays
}

fn learner(log: &CampaignLog, order: &[usize], number: u64) -> MeanReward {
    let mut learner = Learner::from(Snapshot::nothing(), HORIZON);
    let mut score = MeanReward::default();
    for at in order {
        let (choice, features) = (&log.choices[*at], log.features(*at));
        let mut scorer = learner.model().scorer(&features);
        let draws = log.arms.iter().zip(0..).map(|(arm, place)| {
            scorer.belief(arm, log.prior).drawn(normal(seed(&[number, *at as u64, 2, place])))
        });
        if best(draws) == choice.action {
            score.add(choice);
            learner.learn(&features, &log.arms[choice.action], log.prior, choice.response);
        }
    }
    score
}

fn plain(log: &CampaignLog, order: &[usize], number: u64) -> MeanReward {
    let mut chance = StdRng::seed_from_u64(number);
    let mut counts = vec![[1.0, 1.0]; log.arms.len()];
    let mut score = MeanReward::default();
    for at in order {
        let choice = &log.choices[*at];
        let draws = counts.iter().map(|[responses, others]| {
            // Counts are at least 1, which is all that the distribution asks for.
            Beta::new(*responses, *others).map_or(0.0, |beta| beta.sample(&mut chance))
        });
        if best(draws) == choice.action {
            score.add(choice);
            counts[choice.action][usize::from(!choice.response)] += 1.0;
        }
    }
    score
}

/// The place of the greatest draw.
fn best(draws: impl Iterator<Item = f64>) -> usize {
    draws.enumerate().max_by(|one, other| one.1.total_cmp(&other.1)).map_or(0, |best| best.0)
}

/// The outcomes that count.
#[derive(Debug, Default)]
struct MeanReward {
    responses: f64,
    choices: f64,
}

impl MeanReward {
    fn add(&mut self, choice: &LoggedChoice) {
        self.responses += f64::from(u8::from(choice.response));
        self.choices += 1.0;
    }

    fn mean(&self) -> f64 {
        if self.choices > 0.0 { self.responses / self.choices } else { 0.0 }
    }
}

/// The mean, the standard deviation, the worst and the best of several runs.
pub(crate) fn summary(runs: &[f64]) -> [f64; 4] {
    let count = runs.len().max(1) as f64;
    let mean = runs.iter().sum::<f64>() / count;
    let squares = runs.iter().map(|run| (run - mean).powi(2)).sum::<f64>() / count;
    let worst = runs.iter().copied().fold(f64::INFINITY, f64::min);
    [mean, squares.sqrt(), worst, runs.iter().copied().fold(0.0, f64::max)]
}
