//! How often a customer is active, and whether they have left.

/// The behaviour of a whole population: how often its customers are active, how that differs among them,
/// and how they leave. The four parameters of the MBG/NBD model.
///
/// While a customer is there, they are active at a rate of their own, with no other pattern (Poisson).
/// After each activity, the first one included, they leave for good with a probability of their own.
/// Rates are distributed over the population by a gamma distribution (`r`, `alpha`), probabilities by a
/// beta distribution (`a`, `b`). Leaving is not observed: it shows in a silence that is long *for them*.
///
/// Batislam, Denizel and Filiztekin, Empirical validation and comparison of models for customer base
/// analysis, International Journal of Research in Marketing 24 (2007), 201–209; it is the BG/NBD model of
/// Fader, Hardie and Lee, "Counting your customers" the easy way, Marketing Science 24 (2005), 275–284,
/// in which customers who were active once may have left, too. Both need only the [`Rhythm`] of a
/// customer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Population {
    /// The shape of the rates, above 0: the smaller, the more customers differ.
    pub r: f64,
    /// The scale of the rates in days, above 0: the mean rate is `r / alpha` a day.
    pub alpha: f64,
    /// With `b`, the probability of leaving after an activity, both above 0: `a / (a + b)` on average.
    pub a: f64,
    /// The greater `a + b`, the less customers differ in this.
    pub b: f64,
}

/// The data needed of one customer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rhythm {
    /// The number of activities after the first one (*x* in the papers).
    pub repeats: u32,
    /// Days from the first time to the last one (*t_x*), at most `age`.
    pub recency: f64,
    /// Days from the first time until now (*T*).
    pub age: f64,
}

/// The number of terms after which a series is cut: it is reached only for a forecast over hundreds of
/// days for a customer who has been known for hours.
const TERMS_MAX: u32 = 20_000;

/// How far the logarithms of a population's parameters lie from the usual, before any customer is known:
/// a factor of three either way is nothing special.
const DOUBT_OF_LOGARITHMS: f64 = 1.0;

impl Population {
    /// The population if only the usual gap is known, in days: the rate as uncertain as one gap leaves it
    /// (`r` = 1), and one in five leaving after an activity, though that differs much.
    pub fn usual(gap: f64) -> Population {
        Population { r: 1.0, alpha: gap, a: 0.5, b: 2.0 }
    }

    /// The probability that a customer has not left, 0 to 1:
    ///
    /// `1 / (1 + a/(b+x) · ((α+T)/(α+t_x))^(r+x))`
    pub fn alive(&self, known: &Rhythm) -> f64 {
        let Population { alpha, a, b, .. } = *self;
        let silence = (alpha + known.age) / (alpha + known.recency);
        let odds = a / (b + f64::from(known.repeats)) * libm::pow(silence, self.shape(known));
        1.0 / (1.0 + odds)
    }

    /// The median number of days until a customer who has not left is next active. Their rate is gamma
    /// distributed with the shape `r + x` and the scale `α + T`, so the wait has a Lomax distribution
    /// with these:
    ///
    /// `(α+T) · (2^(1/(r+x)) − 1)`
    pub fn next(&self, known: &Rhythm) -> f64 {
        (self.alpha + known.age) * grown(1.0 / self.shape(known))
    }

    /// The probability that a customer is active at least once within this many days, 0 to 1:
    ///
    /// `P(alive) · (1 − ((α+T)/(α+T+t))^(r+x))`
    pub fn chance(&self, known: &Rhythm, days: f64) -> f64 {
        let quiet = libm::pow(self.beyond(known, days), self.shape(known));
        self.alive(known) * (1.0 - quiet)
    }

    /// The expected number of activities of a customer within this many days:
    ///
    /// `P(alive) · (a+b+x)/(a−1) · (1 − ((α+T)/(α+T+t))^(r+x) · ₂F₁(r+x, b+x+1; a+b+x; t/(α+T+t)))`
    ///
    /// It is computed after Euler's transformation of the hypergeometric function, whose series then
    /// begins with `a−1` and can be divided by it term by term: so it is exact also near `a` = 1, and
    /// converges for all customers who are active at all often.
    pub fn expected(&self, known: &Rhythm, days: f64) -> f64 {
        let Population { r, a, b, .. } = *self;
        let scale = a + b + f64::from(known.repeats);
        let left = self.beyond(known, days);
        let z = 1.0 - left;
        let less = a - 1.0;
        // (1−z)^(a−1), and ((1−z)^(a−1) − 1) / (a−1)
        let exponent = less * libm::log(left);
        let factor = libm::exp(exponent);
        let power = match less {
            0.0 => libm::log(left),
            less => libm::expm1(exponent) / less,
        };
        // (₂F₁(a+b−r, a−1; a+b+x; z) − 1) / (a−1)
        let mut term = (a + b - r) / scale * z;
        let mut series = term;
        for n in 1..TERMS_MAX {
            let n = f64::from(n);
            term *= (a + b - r + n) * (less + n) / ((scale + n) * (n + 1.0)) * z;
            series += term;
            if term.abs() <= 1e-14 * series.abs() {
                break;
            }
        }
        // Where customers leave early (a large `a`), the series is huge and the factor tiny: their product is
        // exact, but `series + (factor − 1) · series` is not.
        let often = -scale * (power + factor * series);
        self.alive(known) * often.max(0.0)
    }

    /// The number of silent days after the last activity from which on a customer has more probably left
    /// than not: where [`Population::alive`] falls to one half.
    ///
    /// `(α+t_x) · (((b+x)/a)^(1/(r+x)) − 1)`, at least 0
    pub fn doubt(&self, known: &Rhythm) -> f64 {
        let odds = (self.b + f64::from(known.repeats)) / self.a;
        let stretch = libm::pow(odds, 1.0 / self.shape(known)) - 1.0;
        ((self.alpha + known.recency) * stretch).clamp(0.0, f64::MAX)
    }

    /// The natural logarithm of the likelihood of these customers in such a population.
    pub fn log_likelihood<'a>(&self, people: impl IntoIterator<Item = &'a Rhythm>) -> f64 {
        people.into_iter().map(|known| self.log_likelihood_of(known)).sum()
    }

    /// `Γ(r+x)/Γ(r) · α^r · B(a, b+x+1)/B(a, b) · …`, of which each ratio is a product of `x` factors.
    fn log_likelihood_of(&self, known: &Rhythm) -> f64 {
        let Population { r, alpha, a, b } = *self;
        let stayed = |flip: f64| (b + flip) / (a + b + flip);
        let factors = (0..known.repeats).map(f64::from).map(|n| libm::log((r + n) * stayed(n)));
        let silence = libm::log((alpha + known.age) / (alpha + known.recency)) * self.shape(known);
        let odds = libm::log(a / (b + f64::from(known.repeats))) + silence;
        let gone_or_not = odds.max(0.0) + libm::log1p(libm::exp(-odds.abs()));
        factors.sum::<f64>() + r * libm::log(alpha) + libm::log(stayed(known.repeats.into()))
            - self.shape(known) * libm::log(alpha + known.age)
            + gone_or_not
    }

    /// The population that these customers make most probable; none if there are no customers. The sample
    /// must be unselected, including those who were active only once.
    ///
    /// Before the data, the logarithm of each parameter is normally distributed around that of
    /// [`Population::usual`], with the standard deviation 1. Without it, the likelihood of a few hundred
    /// customers may be greatest at infinity: where all have the same rate, or nobody ever leaves.
    pub fn fit(people: &[Rhythm]) -> Option<Population> {
        let first = people.first()?;
        // In a large sample, many are alike.
        let mut sorted: Vec<&Rhythm> = people.iter().collect();
        let order = |one: &&Rhythm, other: &&Rhythm| {
            let times = one.recency.total_cmp(&other.recency).then(one.age.total_cmp(&other.age));
            one.repeats.cmp(&other.repeats).then(times)
        };
        sorted.sort_by(order);
        let alike: Vec<(Rhythm, f64)> = sorted
            .chunk_by(|one, other| one == other)
            .filter_map(|all| Some((**all.first()?, all.len() as f64)))
            .collect();
        let repeats: f64 = people.iter().map(|known| f64::from(known.repeats)).sum();
        let days: f64 = people.iter().map(|known| known.age).sum();
        let gap = if repeats > 0.0 { days / repeats } else { first.age.max(1.0) };
        let Population { r, alpha, a, b } = Population::usual(gap);
        let usual = [r, alpha, a, b].map(libm::log);
        let unlikely = |at: &[f64; 4]| {
            let here = Population::at(at);
            let far = at.iter().zip(usual).map(|(at, usual)| (at - usual) / DOUBT_OF_LOGARITHMS);
            let penalty = far.map(|far| far * far / 2.0).sum::<f64>();
            penalty
                - alike
                    .iter()
                    .map(|(known, many)| many * here.log_likelihood_of(known))
                    .sum::<f64>()
        };
        Some(Population::at(&least(usual, unlikely)))
    }

    /// From the logarithms of the parameters, clamped to a computable range.
    fn at(logarithms: &[f64; 4]) -> Population {
        let [r, alpha, a, b] = logarithms.map(|it| libm::exp(it.clamp(-9.0, 18.0)));
        Population { r, alpha, a, b }
    }

    /// `r + x`: the shape of the posterior of a customer's rate.
    fn shape(&self, known: &Rhythm) -> f64 {
        self.r + f64::from(known.repeats)
    }

    /// `(α+T)/(α+T+t)`
    fn beyond(&self, known: &Rhythm, days: f64) -> f64 {
        let lived = self.alpha + known.age;
        lived / (lived + days.max(0.0))
    }
}

/// The minimum of a function of four numbers near a point: the simplex search of Nelder and Mead, A
/// simplex method for function minimization, The Computer Journal 7 (1965), 308–313, with their own
/// coefficients.
fn least(from: [f64; 4], of: impl Fn(&[f64; 4]) -> f64) -> [f64; 4] {
    const STEPS_MAX: usize = 2_000;
    const STEP: f64 = 0.5;
    let mut simplex = vec![(of(&from), from)];
    for side in 0..from.len() {
        let corner = std::array::from_fn(|at| from[at] + if at == side { STEP } else { 0.0 });
        simplex.push((of(&corner), corner));
    }
    for _ in 0..STEPS_MAX {
        simplex.sort_by(|one, other| one.0.total_cmp(&other.0));
        let [best, .., second, worst] = simplex.as_slice() else { break };
        let (best, second, worst) = (*best, *second, *worst);
        if (worst.0 - best.0).abs() <= 1e-10 * best.0.abs() {
            break;
        }
        let others = simplex.len() - 1;
        let middle: [f64; 4] = std::array::from_fn(|at| {
            simplex[..others].iter().map(|(_, corner)| corner[at]).sum::<f64>() / others as f64
        });
        let towards = |share: f64| {
            let corner = std::array::from_fn(|at| middle[at] + share * (worst.1[at] - middle[at]));
            (of(&corner), corner)
        };
        let reflected = towards(-1.0);
        let chosen = if reflected.0 < best.0 {
            let further = towards(-2.0);
            Some(if further.0 < reflected.0 { further } else { reflected })
        } else if reflected.0 < second.0 {
            Some(reflected)
        } else {
            let nearer = towards(if reflected.0 < worst.0 { -0.5 } else { 0.5 });
            Some(nearer).filter(|nearer| nearer.0 < worst.0.min(reflected.0))
        };
        match chosen {
            Some(corner) => simplex[others] = corner,
            None => {
                for (value, corner) in &mut simplex[1..] {
                    *corner = std::array::from_fn(|at| (corner[at] + best.1[at]) / 2.0);
                    *value = of(corner);
                }
            }
        }
    }
    simplex.into_iter().min_by(|one, other| one.0.total_cmp(&other.0)).map_or(from, |best| best.1)
}

/// The trend of a customer's value, recent against long-term, −1 to 1: two exponential averages of value
/// per day, one with four times the other's half-life, as the ratio of their difference to their sum. 0
/// means unchanged, ⅓ twice the long-term value, −⅓ half of it; with silence it approaches −1.
///
/// `recent` and `lasting` are sums of values that fade by those half-lives, `half_life` is the shorter
/// one, and `age` the time since the first value, in the same unit. Both averages are corrected for the
/// time before the first value. Exponential smoothing: Brown, Statistical Forecasting for Inventory
/// Control, 1959; for values at irregular times, with this correction: Wright, Forecasting data published
/// at irregular time intervals using an extension of Holt's method, Management Science 32 (1986),
/// 499–510.
pub fn trend(recent: f64, lasting: f64, age: f64, half_life: f64) -> f64 {
    // The maximum of both sums, for one unit of value in each unit of time.
    let room = |half_life: f64| -grown(-age / half_life) * half_life;
    let (short, long) = (room(half_life), room(f64::from(LONGER) * half_life));
    // At the first value, both averages have seen the same.
    let (recent, lasting) = if short > 0.0 { (recent / short, lasting / long) } else { (1.0, 1.0) };
    let sum = recent + lasting;
    if sum > 0.0 && sum.is_finite() { (recent - lasting) / sum } else { 0.0 }
}

/// The ratio of the longer half-life of a [`trend`] to the shorter one.
pub const LONGER: u32 = 4;

/// `2^x − 1`, exact near 0.
fn grown(x: f64) -> f64 {
    libm::expm1(x * std::f64::consts::LN_2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::models::{seed, uniform};

    /// The estimate of Batislam, Denizel and Filiztekin for 2,357 customers of CDNOW, in weeks.
    const CDNOW: Population = Population { r: 0.525, alpha: 6.183, a: 0.891, b: 1.614 };

    fn rhythm(repeats: u32, recency: f64, age: f64) -> Rhythm {
        Rhythm { repeats, recency, age }
    }

    #[test]
    fn the_figures_match_the_published_formulas() {
        // With the hypergeometric function of SciPy: alive, chance, expected, next, doubt.
        for ((repeats, recency, age, ahead), expected) in [
            ((0, 0.0, 38.86, 39.0), [0.389735, 0.108829, 0.154013, 123.619206, 12.989423]),
            ((1, 10.0, 38.86, 39.0), [0.381123, 0.233898, 0.421280, 25.918703, 16.593994]),
            ((2, 30.43, 38.86, 39.0), [0.706202, 0.559994, 1.262961, 14.228662, 27.135671]),
            ((2, 5.0, 38.86, 39.0), [0.107392, 0.085158, 0.192058, 14.228662, 8.288264]),
            ((10, 35.0, 38.86, 39.0), [0.835438, 0.834260, 5.880124, 3.066266, 11.378302]),
            ((26, 30.86, 31.0, 39.0), [0.965566, 0.965566, 19.450723, 0.984467, 5.119539]),
            ((2, 30.43, 38.86, 4.0), [0.706202, 0.136522, 0.154490, 14.228662, 27.135671]),
        ] {
            let known = rhythm(repeats, recency, age);
            let found = [
                CDNOW.alive(&known),
                CDNOW.chance(&known, ahead),
                CDNOW.expected(&known, ahead),
                CDNOW.next(&known),
                CDNOW.doubt(&known),
            ];
            for (found, expected) in found.into_iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{known:?}: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn the_expectation_is_continuous_where_a_is_one() {
        let known = rhythm(3, 20.0, 30.0);
        let at = |a| Population { a, ..CDNOW }.expected(&known, 50.0);
        assert!((at(1.0) - (at(0.999) + at(1.001)) / 2.0).abs() < 1e-5);
    }

    /// A customer of a population: their days of activity, and when they leave.
    fn somebody(of: &Population, number: u64) -> impl Iterator<Item = (f64, bool)> {
        let mut turn = 0;
        let mut chance = move || {
            turn += 1;
            uniform(seed(&[number, turn]))
        };
        // Integer shapes: sums of exponential variables are gamma distributed, quotients of gamma
        // variables beta distributed.
        let mut gamma = |shape: f64| (0..shape as u32).map(|_| -chance().ln()).sum::<f64>();
        let rate = gamma(of.r) / of.alpha;
        let (stays, leaves) = (gamma(of.b), gamma(of.a));
        let leaving = leaves / (leaves + stays);
        let mut now = 0.0;
        let mut has_left = false;
        std::iter::from_fn(move || {
            if has_left {
                return None;
            }
            let at = now;
            has_left = chance() < leaving;
            now += -chance().ln() / rate;
            Some((at, has_left))
        })
    }

    const MADE: Population = Population { r: 2.0, alpha: 30.0, a: 1.0, b: 3.0 };

    /// This many customers of a population as they are known after a year; whether they have left by
    /// then; the number of their activities within 60 more days.
    fn people(count: u64) -> Vec<(Rhythm, bool, u32)> {
        const YEAR: f64 = 365.0;
        let one = |number| {
            let mut known = rhythm(0, 0.0, YEAR);
            let (mut has_left, mut after) = (false, 0);
            for (at, leaves) in somebody(&MADE, number).take_while(|it| it.0 < YEAR + 60.0) {
                if at >= YEAR {
                    after += 1;
                } else {
                    known.repeats += u32::from(at > 0.0);
                    known.recency = at;
                    has_left = leaves;
                }
            }
            (known, has_left, after)
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn a_simulated_population_has_the_expected_number_of_active_customers() {
        let mut people = people(20_000);
        people.sort_by(|one, other| MADE.alive(&one.0).total_cmp(&MADE.alive(&other.0)));
        for group in people.chunks(2_000) {
            let mean = |of: &dyn Fn(&(Rhythm, bool, u32)) -> f64| {
                group.iter().map(of).sum::<f64>() / group.len() as f64
            };
            let alive = mean(&|it| MADE.alive(&it.0)) - mean(&|it| f64::from(u8::from(!it.1)));
            assert!(alive.abs() < 0.04, "alive: off by {alive}");
            let expected = mean(&|it| MADE.expected(&it.0, 60.0));
            let often = mean(&|it| it.2.into());
            assert!((expected - often).abs() < 0.1 + 0.05 * often, "{expected}, not {often}");
            let chance = mean(&|it| MADE.chance(&it.0, 60.0)) - mean(&|it| f64::from(it.2.min(1)));
            assert!(chance.abs() < 0.04, "chance: off by {chance}");
        }
        // Of those who have not left, half wait for longer than the median.
        let stayed: Vec<_> = people.iter().filter(|it| !it.1 && MADE.next(&it.0) < 60.0).collect();
        let soon = |it: &&&(Rhythm, bool, u32)| it.2 > 0;
        let share = stayed.iter().filter(soon).count() as f64 / stayed.len() as f64;
        assert!(share > 0.5, "{share}");
    }

    #[test]
    fn a_fit_to_a_simulated_population_finds_its_parameters() {
        let known: Vec<Rhythm> = people(20_000).into_iter().map(|it| it.0).collect();
        let fitted = Population::fit(&known).unwrap();
        let pairs = [
            (fitted.r, MADE.r),
            (fitted.alpha, MADE.alpha),
            (fitted.a / (fitted.a + fitted.b), MADE.a / (MADE.a + MADE.b)),
        ];
        for (found, made) in pairs {
            assert!((found / made - 1.0).abs() < 0.1, "{fitted:?}");
        }
        assert!(fitted.log_likelihood(&known) >= MADE.log_likelihood(&known));
        assert_eq!(Population::fit(&[]), None);
    }

    #[test]
    fn a_fit_to_few_customers_does_not_run_away() {
        for sample in 0..8u64 {
            let known: Vec<(Rhythm, u32)> = people(8 * 600)
                .into_iter()
                .skip(600 * sample as usize)
                .take(600)
                .map(|it| (it.0, it.2))
                .collect();
            let rhythms: Vec<Rhythm> = known.iter().map(|it| it.0).collect();
            let fitted = Population::fit(&rhythms).unwrap();
            for (found, made) in [
                (fitted.r, MADE.r),
                (fitted.alpha, MADE.alpha),
                (fitted.a, MADE.a),
                (fitted.b, MADE.b),
            ] {
                assert!((0.3..3.0).contains(&(found / made)), "{sample}: {fitted:?}");
            }
            let expected: f64 = rhythms.iter().map(|one| fitted.expected(one, 60.0)).sum();
            let often: f64 = known.iter().map(|it| f64::from(it.1)).sum();
            assert!((expected / often - 1.0).abs() < 0.25, "{sample}: {expected}, not {often}");
        }
        // The likelihood of customers who all came back equally often knows no end.
        let alike: Vec<Rhythm> = (0..600).map(|_| rhythm(3, 90.0, 120.0)).collect();
        let Population { r, alpha, a, b } = Population::fit(&alike).unwrap();
        assert!([r, alpha, a, b].iter().all(|it| (1e-3..1e4).contains(it)), "{r} {alpha} {a} {b}");
    }

    #[test]
    fn those_expected_most_often_come_most_often() {
        let people = people(600);
        let rhythms: Vec<Rhythm> = people.iter().map(|it| it.0).collect();
        let fitted = Population::fit(&rhythms).unwrap();
        let mut ranked: Vec<(f64, u32)> =
            people.iter().map(|it| (fitted.expected(&it.0, 60.0), it.2)).collect();
        ranked.sort_by(|one, other| other.0.total_cmp(&one.0));
        let often = |part: &[(f64, u32)]| part.iter().map(|it| it.1).sum::<u32>();
        let (first, last) = ranked.split_at(200);
        assert!(often(first) > 2 * often(last), "{} {}", often(first), often(last));
    }

    #[test]
    fn a_doubled_recent_rate_gives_a_trend_of_one_third() {
        // Known for long: the sums of one unit a day, and of two units a day within the shorter
        // half-life.
        let steady = |half_life: f64| half_life / std::f64::consts::LN_2;
        let long = f64::from(LONGER) * 30.0;
        assert_eq!(trend(steady(30.0), steady(long), 1e9, 30.0), 0.0);
        let up = trend(2.0 * steady(30.0), steady(long), 1e9, 30.0);
        assert!((up - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(trend(0.0, 0.0, 10.0, 30.0), 0.0);
        assert_eq!(trend(5.0, 5.0, 0.0, 30.0), 0.0, "the first is as ever");
    }

    fn population() -> impl Strategy<Value = Population> {
        (-4.0..4.0f64, -3.0..6.0f64, -4.0..4.0f64, -4.0..4.0f64).prop_map(|(r, alpha, a, b)| {
            let [r, alpha, a, b] = [r, alpha, a, b].map(f64::exp);
            Population { r, alpha, a, b }
        })
    }

    fn known() -> impl Strategy<Value = Rhythm> {
        (0..500u32, 0.0..4_000.0f64, 0.0..4_000.0f64).prop_map(|(repeats, recency, more)| {
            match repeats {
                0 => rhythm(0, 0.0, more),
                repeats => rhythm(repeats, recency, recency + more),
            }
        })
    }

    #[test]
    fn a_long_forecast_is_exact_where_customers_leave_early() {
        let of = Population { r: 1.0, alpha: 1.0, a: 48.623_864_967_580_47, b: 1.0 };
        let known = Rhythm { repeats: 0, recency: 0.0, age: 304.047_720_380_805_7 };
        let at = |days: f64| of.expected(&known, days);
        assert!(at(484.8) > at(161.6) && at(161.6) > 0.0, "{} {}", at(161.6), at(484.8));
    }

    proptest! {
        #[test]
        fn every_figure_is_within_its_range(
            of in population(), known in known(), ahead in 0.0..731.0f64,
        ) {
            let (alive, chance) = (of.alive(&known), of.chance(&known, ahead));
            let (expected, next, doubt) =
                (of.expected(&known, ahead), of.next(&known), of.doubt(&known));
            prop_assert!((0.0..=1.0).contains(&alive), "alive {alive}");
            prop_assert!((0.0..=alive).contains(&chance), "chance {chance} of {alive}");
            prop_assert!(expected.is_finite() && expected >= chance - 1e-6, "{expected} {chance}");
            // Leaving happens only after an activity: the number is at most that without leaving.
            let rate = (of.r + f64::from(known.repeats)) / (of.alpha + known.age);
            prop_assert!(expected <= rate * ahead * (1.0 + 1e-6) + 1e-6, "{expected}");
            prop_assert!(next > 0.0 && doubt >= 0.0 && doubt.is_finite(), "{next} {doubt}");
        }

        #[test]
        fn a_more_recent_customer_is_more_likely_active(
            of in population(), known in known(), sooner in 0.0..1.0f64, further in 0.0..100.0f64,
        ) {
            let later = Rhythm { age: known.age + further, ..known };
            prop_assert!(of.alive(&later) <= of.alive(&known));
            prop_assert!(of.next(&later) >= of.next(&known));
            if known.repeats > 0 {
                let recency = known.recency + sooner * (known.age - known.recency);
                let later = Rhythm { recency, ..known };
                prop_assert!(of.alive(&later) >= of.alive(&known));
            }
        }

        #[test]
        fn a_longer_forecast_expects_more_events(
            of in population(), known in known(), ahead in 0.0..365.0f64, more in 0.0..365.0f64,
        ) {
            prop_assert!(of.chance(&known, ahead + more) >= of.chance(&known, ahead) - 1e-12);
            let (less, more) = (of.expected(&known, ahead), of.expected(&known, ahead + more));
            prop_assert!(more >= less - 1e-6 * less.max(1.0), "{less} {more}");
        }

        #[test]
        fn a_customer_silent_beyond_the_threshold_has_probably_left(of in population(), known in known()) {
            let doubt = of.doubt(&known);
            let at = |silence: f64| of.alive(&Rhythm { age: known.recency + silence, ..known });
            prop_assert!(at(doubt) <= 0.5 + 1e-6);
            prop_assert!(doubt == 0.0 || at(doubt * 0.99) >= 0.5 - 1e-6);
        }

        #[test]
        fn a_trend_stays_within_its_range_and_silence_lowers_it(
            values in prop::collection::vec((0.0..1_000.0f64, 0.0..100.0f64), 1..20),
            silence in 0.0..500.0f64,
            half_life in 1.0..100.0f64,
        ) {
            let at = |now: f64| {
                let fade = |half_life: f64| -> f64 {
                    let mut at = 0.0;
                    let sum = values.iter().map(|(value, gap)| {
                        at += gap;
                        value * (-(now - at + values[0].1) / half_life).exp2()
                    });
                    sum.sum()
                };
                trend(fade(half_life), fade(f64::from(LONGER) * half_life), now, half_life)
            };
            let last: f64 = values.iter().skip(1).map(|(_, gap)| gap).sum();
            let (then, now) = (at(last), at(last + silence));
            prop_assert!((-1.0..=1.0).contains(&then) && (-1.0..=1.0).contains(&now));
            prop_assert!(now <= then + 1e-9, "{then} {now}");
        }
    }
}
