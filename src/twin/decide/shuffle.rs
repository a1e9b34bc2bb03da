//! Shuffling: some candidates compete by chance alone, in an experiment's arm, or to try again what the model
//! has given up.

use smallvec::SmallVec;

use super::{ScoredCandidate, Scoring};
use crate::models::{self, Contender};
use crate::policy::Does;
use crate::twin::effect::{CandidateVerdict, Stage};

/// The parts of the seed that keep these random numbers apart from others.
const SHUFFLE: u64 = 2;
const RANDOM: u64 = 3;

/// The probabilities of a candidate where chance decides. What is certain has 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct CandidateChance {
    /// Of competing at all: some candidates do so only in a share of the decisions.
    pub(super) competing: f64,
    /// Of being chosen, if it competes, in any treatment.
    pub(super) action: f64,
    /// Of being chosen, if it competes, in the treatment that is drawn.
    pub(super) treatment: f64,
}

impl CandidateChance {
    /// Nothing is left to chance.
    pub(super) const CERTAIN: CandidateChance =
        CandidateChance { competing: 1.0, action: 1.0, treatment: 1.0 };

    /// In a share of the decisions these probabilities hold instead.
    fn mix(&mut self, share: f64, (action, treatment): (f64, f64)) {
        self.action = (1.0 - share) * self.action + share * action;
        self.treatment = (1.0 - share) * self.treatment + share * treatment;
    }
}

impl<'a> Scoring<'a> {
    /// Shuffles the candidates of some issues in a share of the decisions. So an action that the model has
    /// given up is tried again, and the model cannot miss that it has become good. This includes what was
    /// dropped because it changes too little. Where an experiment's arm leaves it to chance already, nothing
    /// is added: the probabilities of both together would not be known.
    pub(super) fn leave_to_chance(&self, scored: &mut [ScoredCandidate<'a>]) {
        let random = self.exploration().and_then(|explore| explore.random.as_ref());
        let Some(random) = random else { return };
        if self.arms_that_do(Does::Random).next().is_some() {
            return;
        }
        let is_dropped =
            |one: &ScoredCandidate<'_>| matches!(one.verdict, CandidateVerdict::NoUplift { .. });
        let places = (0..scored.len()).filter(|at| {
            let candidate = &scored[*at];
            (candidate.is_left() || is_dropped(candidate))
                && random.issues.contains(&candidate.action.issue)
        });
        let group: Vec<usize> = places.collect();
        self.record_shuffle(scored, &group, random.share);
        let seed = models::seed(&[self.chance, RANDOM]);
        let is_random = models::uniform(seed) < random.share;
        for at in &group {
            let candidate = &mut scored[*at];
            if is_dropped(candidate) {
                candidate.chance.competing *= random.share;
                if is_random {
                    (candidate.stage, candidate.verdict) =
                        (Stage::Arbitration, CandidateVerdict::Outscored);
                }
            }
        }
        if is_random {
            shuffle(scored, &group, seed);
        }
    }

    /// Shuffles the remaining candidates where the customer's arms call for a random suitable action. The
    /// candidates are in the order in which they would be chosen.
    pub(super) fn shuffle_in_arms(&self, scored: &mut [ScoredCandidate<'a>]) {
        for (experiment, _) in self.arms_that_do(Does::Random) {
            let group: Vec<usize> = (0..scored.len())
                .filter(|at| scored[*at].is_left() && experiment.covers(scored[*at].action))
                .collect();
            self.record_shuffle(scored, &group, 1.0);
            shuffle(scored, &group, models::seed(&[self.chance, models::hashed(&experiment.name)]));
        }
    }

    /// Records that a group of candidates is shuffled in a share of the decisions: there, each that may be
    /// chosen is chosen as often as any other, in the treatment that is drawn for it, if one of the group
    /// comes first.
    fn record_shuffle(&self, scored: &mut [ScoredCandidate<'_>], group: &[usize], share: f64) {
        let is_held = |one: &ScoredCandidate<'_>| self.holders(one.action).next().is_some();
        let held = group.iter().filter(|at| is_held(&scored[**at])).count();
        let is_drawn = self.exploration().is_some();
        if held == group.len() {
            return;
        }
        // The group takes the place of its best, which a control group may hold back.
        let others: Vec<usize> = (0..scored.len())
            .filter(|at| !group.contains(at) && self.may_be_chosen(&scored[*at]))
            .collect();
        let chances = if !is_drawn {
            vec![(0.0, 0.0); scored.len()]
        } else if held > 0 {
            self.chances_among(scored, |at| {
                others.contains(&at) || group.contains(&at) && scored[at].is_left()
            })
        } else {
            let recorded = |one: &ScoredCandidate<'_>| (one.chance.action, one.chance.treatment);
            let known =
                scored.iter().map(|one| if one.is_left() { recorded(one) } else { (0.0, 0.0) });
            known.collect()
        };
        let first = 1.0 - others.iter().map(|at| chances[*at].0).sum::<f64>();
        let first = first.max(0.0);
        if is_drawn && held > 0 {
            others.iter().for_each(|at| scored[*at].chance.mix(share, chances[*at]));
        }
        let even = 1.0 / (group.len() - held) as f64;
        for at in group {
            let candidate = &mut scored[*at];
            // What was dropped competes only where it is shuffled.
            let share = if candidate.is_left() { share } else { 1.0 };
            let treatment = drawn_and_first(candidate, chances[*at], first);
            if !is_held(candidate) {
                candidate.chance.mix(share, (even * first, even * treatment));
            }
        }
    }
}

/// The probability that the draws choose this treatment of an action, and that one of its group comes first.
/// The chances are that the action itself comes first, in any treatment and in this one. If it does not, the
/// treatment is taken as independent of what does.
fn drawn_and_first(
    candidate: &ScoredCandidate<'_>,
    (in_any, in_this): (f64, f64),
    first: f64,
) -> f64 {
    let elsewhere = (chance_of_treatment(candidate) - in_this).max(0.0);
    let behind = (1.0 - in_any).max(f64::MIN_POSITIVE);
    in_this + (elsewhere / behind).min(1.0) * (first - in_any).max(0.0)
}

/// The probability that the draws choose this treatment among those of its action.
fn chance_of_treatment(candidate: &ScoredCandidate<'_>) -> f64 {
    // The other factors of the score are the same for all of them.
    let own = candidate.treatment_options.drawn();
    let own: SmallVec<[Contender; 2]> =
        own.map(|way| Contender { belief: way.belief, factor: 1.0 }).collect();
    match own.len() {
        0 | 1 => 1.0,
        _ => models::chances(&own)[0],
    }
}

/// Shuffles the candidates at these places, and moves them together to the first place: Fisher and Yates, in
/// the form of Durstenfeld (Algorithm 235, CACM 7, 1964).
fn shuffle(scored: &mut [ScoredCandidate<'_>], group: &[usize], seed: u64) {
    let Some(first) = group.first() else { return };
    for (place, at) in (*first..).zip(group) {
        scored[place..=*at].rotate_right(1);
    }
    let group = &mut scored[*first..*first + group.len()];
    for last in (1..group.len()).rev() {
        let seed = models::seed(&[seed, SHUFFLE, last as u64]);
        // Below `last + 1`, because the uniform is below 1.
        let other = (models::uniform(seed) * (last + 1) as f64) as usize;
        group.swap(last, other.min(last));
    }
}
