use super::belief::Belief;
use super::normal::quantile;

/// The number of pieces into which the range of all winning draws is cut.
const PIECES: usize = 64;
/// Draws further from the mean than this have a probability of one in ten million.
const FAR: f64 = 5.3;

/// A contender in a choice by draws: the greatest drawn propensity × factor wins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contender {
    /// The belief from which the propensity is drawn.
    pub belief: Belief,
    /// The factor of the drawn propensity: 0 or more.
    pub factor: f64,
}

impl Contender {
    /// The product for a draw this many standard deviations from the mean.
    fn at(&self, deviations: f64) -> f64 {
        self.factor * self.belief.drawn(deviations)
    }

    fn is_certain(&self) -> bool {
        self.belief.doubt == 0.0 || self.factor <= 0.0
    }

    /// The probability that a draw stays below a product.
    fn below(&self, product: f64, wins_ties: bool) -> f64 {
        if self.is_certain() {
            let own = self.at(0.0);
            return f64::from(u8::from(own < product || own == product && !wins_ties));
        }
        let share = product / self.factor;
        if share >= 1.0 {
            return 1.0;
        }
        self.belief.drawn_below(quantile(share))
    }
}

/// The probability with which each contender would be chosen over all possible draws: `∫ Πⱼ Fⱼ(x)
/// dFᵢ(x)`, the others' taken as the mean of the edges of each piece. Of equal products the first wins.
/// The sum is 1 unless there are no contenders.
pub fn chances(contenders: &[Contender]) -> Vec<f64> {
    // A contender whose best draw is below another's worst one cannot win.
    let least = contenders.iter().map(|contender| contender.at(-FAR)).fold(0.0, f64::max);
    let most = contenders.iter().map(|contender| contender.at(FAR)).fold(0.0, f64::max);
    let takes_part: Vec<usize> =
        (0..contenders.len()).filter(|number| contenders[*number].at(FAR) >= least).collect();
    let mut chances = vec![0.0; contenders.len()];
    for number in takes_part.iter().filter(|number| contenders[**number].is_certain()) {
        let product = contenders[*number].at(0.0);
        let others = takes_part.iter().filter(|other| *other != number);
        chances[*number] =
            others.map(|other| contenders[*other].below(product, other < number)).product();
    }
    let uncertain: Vec<usize> =
        takes_part.iter().copied().filter(|number| !contenders[*number].is_certain()).collect();
    if !uncertain.is_empty() {
        // Those with the same factor are adjacent: the position of their draws is computed once.
        let mut row = takes_part.clone();
        row.sort_by(|one, other| contenders[*one].factor.total_cmp(&contenders[*other].factor));
        // Draws below the winning range count as at its edge.
        let mut before = vec![0.0; row.len()];
        let mut beaten_before = vec![0.0; row.len()];
        for piece in 0..=PIECES {
            // Finer where products are small: most draws lie there, next to a contender that may win by
            // far.
            let reached = piece as f64 / PIECES as f64;
            let product = least + (most - least) * reached * reached;
            let after = all_below(contenders, &row, product);
            let beaten = all_but_one(&after);
            for (place, number) in row.iter().enumerate() {
                if contenders[*number].is_certain() {
                    continue;
                }
                // For everything below the first edge, the others are beaten as at the edge.
                let others = if piece == 0 {
                    beaten[place]
                } else {
                    (beaten_before[place] + beaten[place]) / 2.0
                };
                chances[*number] += (after[place] - before[place]) * others;
            }
            (before, beaten_before) = (after, beaten);
        }
    }
    let sum: f64 = chances.iter().sum();
    if sum > 0.0 {
        chances.iter_mut().for_each(|chance| *chance /= sum);
    } else if let Some(first) = chances.first_mut() {
        *first = 1.0;
    }
    chances
}

/// The probabilities that the draws of each contender of a row stay below a product.
fn all_below(contenders: &[Contender], row: &[usize], product: f64) -> Vec<f64> {
    let mut known: Option<(f64, f64)> = None;
    let mut score = |factor: f64| match known {
        Some((of, score)) if of == factor => score,
        _ => {
            let score = quantile(product / factor);
            known = Some((factor, score));
            score
        }
    };
    row.iter()
        .map(|number| {
            let contender = &contenders[*number];
            if contender.is_certain() || product >= contender.factor {
                return contender.below(product, false);
            }
            contender.belief.drawn_below(score(contender.factor))
        })
        .collect()
}

/// For each position of a row the product of all others.
fn all_but_one(row: &[f64]) -> Vec<f64> {
    let mut products = vec![1.0; row.len()];
    let mut before = 1.0;
    for (product, share) in products.iter_mut().zip(row) {
        *product = before;
        before *= share;
    }
    let mut behind = 1.0;
    for (product, share) in products.iter_mut().zip(row).rev() {
        *product *= behind;
        behind *= share;
    }
    products
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::models::{normal, seed};

    fn contender(mean: f64, doubt: f64, factor: f64) -> Contender {
        Contender { belief: Belief { mean, variance: doubt, doubt }, factor }
    }

    #[test]
    fn the_best_certain_arm_is_chosen_and_the_first_of_equals() {
        let certain = |factor| contender(-1.0, 0.0, factor);
        assert_eq!(chances(&[certain(1.0), certain(2.0), certain(2.0)]), [0.0, 1.0, 0.0]);
        assert_eq!(chances(&[certain(0.0), certain(0.0)]), [1.0, 0.0]);
        assert_eq!(chances(&[]), [0.0; 0]);
    }

    #[test]
    fn a_contender_with_rare_large_wins_leaves_the_other_its_true_chance() {
        let chances = chances(&[contender(-1.275, 0.2956, 0.2), contender(-1.878, 0.9871, 2.878)]);
        // 200,000 draws.
        assert!((chances[0] - 0.284).abs() < 0.004, "{chances:?}");
    }

    proptest! {
        #[test]
        fn chances_match_how_often_each_contender_is_drawn_best(
            contenders in prop::collection::vec((-2.0..1.0, 0.01..1.0, 0.2..3.0), 1..6),
        ) {
            let contenders: Vec<_> =
                contenders.into_iter().map(|(m, v, f)| contender(m, v, f)).collect();
            let mut chosen = vec![0.0; contenders.len()];
            for round in 0..4_000 {
                let draw = |number| normal(seed(&[round, number as u64]));
                let product = |number: &usize| contenders[*number].at(draw(*number));
                let best = (0..contenders.len())
                    .max_by(|one, other| product(one).total_cmp(&product(other)))
                    .unwrap();
                chosen[best] += 1.0 / 4_000.0;
            }
            for (expected, happened) in chances(&contenders).iter().zip(&chosen) {
                prop_assert!((expected - happened).abs() < 0.04, "{expected} {happened}");
            }
        }

        #[test]
        fn chances_add_up_to_one(
            contenders in prop::collection::vec((-6.0..6.0, 0.0..9.0, 0.0..1e4), 1..40),
        ) {
            let contenders: Vec<_> =
                contenders.into_iter().map(|(m, v, f)| contender(m, v, f)).collect();
            let chances = chances(&contenders);
            prop_assert!((chances.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{chances:?}");
        }
    }
}
