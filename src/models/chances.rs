use super::belief::Belief;
use super::normal::{below, quantile};

/// Points at which a contender's draws are looked at, in the middle of as many equal shares.
const POINTS: usize = 64;
/// A draw that is further away happens once in a thousand million times.
const FAR: f64 = 6.0;

/// Somebody who takes part in a choice by draws: the greatest drawn propensity × factor wins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contender {
    /// The belief from which the propensity is drawn.
    pub belief: Belief,
    /// What the drawn propensity is multiplied by: 0 or more.
    pub factor: f64,
}

impl Contender {
    /// The product of a draw that lies so many deviations from the mean.
    fn at(&self, deviations: f64) -> f64 {
        self.factor * self.belief.drawn(deviations)
    }

    /// How likely a draw stays below a product.
    fn below(&self, product: f64, wins_ties: bool) -> f64 {
        let deviation = self.belief.doubt.sqrt();
        if self.factor <= 0.0 || deviation == 0.0 {
            let own = self.at(0.0);
            return f64::from(u8::from(own < product || own == product && !wins_ties));
        }
        let share = product / self.factor;
        if share >= 1.0 {
            return 1.0;
        }
        below((quantile(share) - self.belief.mean) / deviation)
    }
}

/// The probability with which each contender would have been chosen, had only the draws been others:
/// `∫ fᵢ(x)·Πⱼ Fⱼ(x) dx`, by the midpoint rule over each contender's own draws. Of equal products the
/// first wins. The sum is 1 unless there is nobody.
pub fn chances(contenders: &[Contender]) -> Vec<f64> {
    // Whoever's best draw is below somebody's worst one takes no part.
    let least = contenders.iter().map(|contender| contender.at(-FAR)).fold(0.0, f64::max);
    let takes_part: Vec<bool> = contenders.iter().map(|it| it.at(FAR) >= least).collect();
    let mut chances: Vec<f64> = (0..contenders.len())
        .map(
            |number| if takes_part[number] { chance(contenders, &takes_part, number) } else { 0.0 },
        )
        .collect();
    let sum: f64 = chances.iter().sum();
    if sum > 0.0 {
        chances.iter_mut().for_each(|chance| *chance /= sum);
    }
    chances
}

fn chance(contenders: &[Contender], takes_part: &[bool], number: usize) -> f64 {
    let own = &contenders[number];
    let is_certain = own.belief.doubt == 0.0 || own.factor <= 0.0;
    let points = if is_certain { 1 } else { POINTS };
    let at = |point: usize| {
        let product = own.at(quantile((point as f64 + 0.5) / points as f64));
        let others = contenders.iter().enumerate().filter(|(other, _)| takes_part[*other]);
        others
            .filter(|(other, _)| *other != number)
            .map(|(other, contender)| contender.below(product, other < number))
            .product::<f64>()
    };
    (0..points).map(at).sum::<f64>() / points as f64
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
    fn of_certain_ones_the_best_is_chosen_and_of_equals_the_first() {
        let certain = |factor| contender(-1.0, 0.0, factor);
        assert_eq!(chances(&[certain(1.0), certain(2.0), certain(2.0)]), [0.0, 1.0, 0.0]);
        assert_eq!(chances(&[certain(0.0), certain(0.0)]), [1.0, 0.0]);
        assert_eq!(chances(&[]), [0.0; 0]);
    }

    proptest! {
        #[test]
        fn chances_are_how_often_each_is_chosen(
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
        fn somebody_is_chosen(
            contenders in prop::collection::vec((-6.0..6.0, 0.0..9.0, 0.0..1e4), 1..40),
        ) {
            let contenders: Vec<_> =
                contenders.into_iter().map(|(m, v, f)| contender(m, v, f)).collect();
            let chances = chances(&contenders);
            prop_assert!((chances.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{chances:?}");
        }
    }
}
