use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use jumeau::event::{self, Customer, Raw, Time};
use jumeau::models::{Arm, ArmParts, HORIZON, Learner, Population, Prior, Rhythm, Snapshot};
use jumeau::policy::{Policy, load};
use jumeau::policy_source::read_files;
use jumeau::twin::{Fired, Input, InputResult, Twin, World, react};

use crate::calibration::{self, Case};
use crate::page;

/// Days from 1997-01-01 to 1997-10-01: later data is hidden from the model.
const CUT: u16 = 273;
/// The horizon of the training: whether a customer buys within this many days.
const AHEAD: u16 = 28;
/// From this day on, features of every customer are sampled once a week.
const FROM: u16 = CUT - AHEAD - 19 * WEEK;
const WEEK: u16 = 7;
/// The activity of the policy that is a purchase.
const ORDERS: &str = "orders";

/// One purchase: the day, the pieces, the price.
type Purchase = (u16, f64, f64);

/// One customer: the real purchases, and the twin that has seen them up to a day.
struct Buyer {
    purchases: Vec<Purchase>,
    /// How many of the purchases the twin has seen.
    seen: usize,
    twin: Twin,
}

/// Lets a twin process the first nine months of each customer, trains on who buys, and predicts for each
/// customer the nine months after.
pub(crate) fn buyers(
    purchases: &Path,
    policy: &Path,
    page: Option<&Path>,
) -> anyhow::Result<String> {
    let policy = load(&read_files(policy)?)?;
    let Some(orders) = policy.aggregates.activity(ORDERS) else {
        bail!("expected a policy that counts an activity `{ORDERS}`, found none");
    };
    let mut buyers = read(purchases)?;
    let prediction = Prediction::learn(&mut buyers, &policy)?;
    let mut known = Vec::new();
    for buyer in &mut buyers {
        buyer.live(CUT, &policy)?;
        if let Some(activity) = buyer.twin.tallies.activity(ORDERS) {
            known.push((&*buyer, activity.rhythm(moment(CUT))));
        }
    }
    let expected: Vec<f64> =
        known.iter().map(|(buyer, _)| prediction.chance(buyer, &policy)).collect();
    let cases = |expected: &dyn Fn(usize, &Rhythm) -> f64, days: u16| -> Vec<Case> {
        let case = |(at, (buyer, rhythm)): (usize, &(&Buyer, Rhythm))| {
            (expected(at, rhythm), buyer.buys(CUT, days))
        };
        known.iter().enumerate().map(case).collect()
    };
    let ever = u16::MAX - CUT;
    let by_learning = cases(&|at, _| expected[at], ever);
    let by_formula = cases(&|_, rhythm| orders.population.chance(rhythm, f64::from(CUT)), ever);
    let by_count = cases(&|_, rhythm| orders.population.expected(rhythm, f64::from(CUT)), ever);
    let month = cases(&|at, _| expected[at], AHEAD);
    let month_by_formula =
        cases(&|_, rhythm| orders.population.chance(rhythm, f64::from(AHEAD)), AHEAD);

    let mut report = String::new();
    writeln!(
        report,
        "{} customers, each with a twin of the policy {} that has seen them until 1997-10-01\n\n\
         who buys in the nine months after it: area under the ROC curve\n  \
         {:.4}  what the twin knows, weighed as was learned from all twins until then\n  \
         {:.4}  activities.{ORDERS}.chance_{CUT}d alone\n  \
         {:.4}  the number of purchases that is expected of them\n",
        known.len(),
        policy.name,
        calibration::area_under_curve(&by_learning),
        calibration::area_under_curve(&by_formula),
        calibration::area_under_curve(&by_count),
    )?;
    writeln!(report, "who buys within {AHEAD} days of it, as was learned")?;
    report += &calibration::table(&month);
    writeln!(report, "\nand by activities.{ORDERS}.chance_{AHEAD}d")?;
    report += &calibration::table(&month_by_formula);
    let rhythms: Vec<Rhythm> = known.iter().map(|(_, rhythm)| *rhythm).collect();
    report += &likeliest(&rhythms, &orders.population);
    if let Some(path) = page {
        let lines = [("as was learned", month), ("by the formula alone", month_by_formula)];
        let title = "Who of CDNOW's customers buys within 28 days of 1997-10-01";
        fs::write(path, page::calibration(title, &lines))
            .with_context(|| format!("cannot write the page {}", path.display()))?;
    }
    Ok(report)
}

/// What was learned from all customers about who buys.
struct Prediction {
    learner: Learner,
    arm: Arm,
    prior: Prior,
}

impl Prediction {
    /// Learns once a week who of the customers buys in the time after.
    fn learn(buyers: &mut [Buyer], policy: &Policy) -> anyhow::Result<Prediction> {
        let part = ArmParts { action: "buys", treatment: "", issue: "", channel: "", tone: "" };
        let arm = Arm::all(&[part]).remove(0);
        // One in ten buys within a month: a rough guess.
        let prior = Prior::new(0.1, 10.0);
        let mut learner = Learner::from(Snapshot::nothing(), HORIZON);
        for day in (FROM..=CUT - AHEAD).step_by(WEEK.into()) {
            for buyer in &mut *buyers {
                buyer.live(day, policy)?;
                if buyer.seen > 0 {
                    let features = buyer.twin.situation(policy, moment(day));
                    learner.learn(&features, &arm, prior, buyer.buys(day, AHEAD));
                }
            }
        }
        Ok(Prediction { learner, arm, prior })
    }

    /// How likely the customer buys after what the twin has seen.
    fn chance(&self, buyer: &Buyer, policy: &Policy) -> f64 {
        let features = buyer.twin.situation(policy, moment(CUT));
        self.learner.model().belief(&features, &self.arm, self.prior).propensity()
    }
}

/// The population in which these customers are the likeliest, beside that of the policy.
fn likeliest(rhythms: &[Rhythm], population: &Population) -> String {
    let Some(fitted) = Population::fit(rhythms) else { return String::new() };
    let Population { r, alpha, a, b } = fitted;
    format!(
        "\nthe population in which these customers are the likeliest (ln likelihood {:.1}; {:.1} as \
         the policy has it)\n  population = {{ r = {r:.3}, alpha = \"{:.0}h\", a = {a:.3}, b = {b:.3} }}\n",
        fitted.log_likelihood(rhythms),
        population.log_likelihood(rhythms),
        alpha * 24.0,
    )
}

impl Buyer {
    /// Whether there is a purchase within this many days from a day on.
    fn buys(&self, day: u16, days: u16) -> bool {
        self.purchases.iter().any(|(at, ..)| (day..day + days).contains(at))
    }

    /// Sends the twin all purchases before a day, and fires its timers.
    fn live(&mut self, day: u16, policy: &Policy) -> anyhow::Result<()> {
        let world = World::of(policy);
        while let Some((at, pieces, value)) = self.purchases.get(self.seen).filter(|it| it.0 < day)
        {
            self.seen += 1;
            // Noon, and a moment later for each further one of the day.
            let at = moment(*at) + Duration::from_secs(12 * 3_600 + self.seen as u64);
            fire(&mut self.twin, at, &world);
            let payload = format!(
                r#"{{"type":"track","data":{{"name":"Order Completed","properties":{{"discs":{pieces},"value":{value}}}}}}}"#
            );
            let raw = Raw {
                channel: "shop",
                customer: self.twin.customer.as_str(),
                headers: &[],
                payload: payload.as_bytes(),
                sequence: self.seen as u64,
            };
            let event = event::parse(&raw).map_err(|rejection| anyhow!("{rejection:?}"))?;
            if self.seen == 1 {
                self.twin = Twin::new(event.customer.clone(), at);
            }
            let reaction = react(&mut self.twin, &Input::event(event, at), &world);
            if reaction.result != InputResult::Applied {
                bail!("expected that a twin takes its purchases in, found {:?}", reaction.result);
            }
        }
        fire(&mut self.twin, moment(day), &world);
        Ok(())
    }
}

/// Fires all due timers, each at its time.
fn fire(twin: &mut Twin, until: Time, world: &World<'_>) {
    while let Some((due, name)) = twin.timers.iter().map(|one| (one.due, one.name.clone())).min()
        && due <= until
    {
        let fired = Fired { name, due, late: Duration::ZERO };
        react(twin, &Input::timer(fired, due), world);
    }
}

/// The first moment of a day.
fn moment(day: u16) -> Time {
    const FIRST_MS: i64 = 852_076_800_000;
    Time::from_ms(FIRST_MS + i64::from(day) * 86_400_000)
}

/// Parses lines of customer, date, pieces and value; grouped by customer, in the order of the file.
fn read(path: &Path) -> anyhow::Result<Vec<Buyer>> {
    let content = fs::read_to_string(path)
        .with_context(|| format!("cannot read the purchases {}", path.display()))?;
    let mut histories: BTreeMap<&str, Vec<Purchase>> = BTreeMap::new();
    for (number, line) in content.lines().enumerate() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // The first line of some copies contains the column names.
        if fields.first().is_none_or(|first| !first.starts_with(|c: char| c.is_ascii_digit())) {
            continue;
        }
        let purchase = match fields[..] {
            [_, date, pieces, value] => purchase(date, pieces, value),
            _ => None,
        };
        let purchase = purchase.ok_or_else(|| {
            anyhow!(
                "line {}: expected customer, date, pieces and value; found `{line}`",
                number + 1
            )
        })?;
        histories.entry(fields[0]).or_default().push(purchase);
    }
    let buyer = |(customer, purchases): (&str, Vec<Purchase>)| {
        let customer = Customer::new(customer).map_err(|error| anyhow!("{error}"))?;
        Ok(Buyer { purchases, seen: 0, twin: Twin::new(customer, moment(0)) })
    };
    histories.into_iter().map(buyer).collect()
}

fn purchase(date: &str, pieces: &str, value: &str) -> Option<Purchase> {
    const BEFORE_MONTH: [u16; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let (year, rest) = date.split_at_checked(4)?;
    let (month, day) = rest.split_at_checked(2)?;
    let before = BEFORE_MONTH.get(month.parse::<usize>().ok()?.checked_sub(1)?)?;
    let year = year.parse::<u16>().ok()?.checked_sub(1997)?;
    let at = year.checked_mul(365)? + before + day.parse::<u16>().ok()?.checked_sub(1)?;
    Some((at, pieces.parse().ok()?, value.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/policies/cdnow");
        load(&read_files(&folder).unwrap()).unwrap()
    }

    fn buyer(purchases: &[Purchase]) -> Buyer {
        let twin = Twin::new(Customer::new("00001").unwrap(), moment(0));
        Buyer { purchases: purchases.to_vec(), seen: 0, twin }
    }

    #[test]
    fn days_are_counted_from_the_first_of_1997() {
        assert_eq!(purchase("19970101", "1", "11.77"), Some((0, 1.0, 11.77)));
        assert_eq!(purchase("19971001", "2", "0"), Some((CUT, 2.0, 0.0)));
        assert_eq!(purchase("19980101", "1", "1").map(|it| it.0), Some(365));
        assert_eq!(purchase("19971301", "1", "1"), None);
        assert_eq!(moment(CUT), Time::parse("1997-10-01T00:00:00Z").unwrap());
    }

    #[test]
    fn a_twin_knows_only_purchases_before_the_day() {
        let policy = policy();
        let at = |purchases: &[Purchase], day| {
            let mut buyer = buyer(purchases);
            buyer.live(day, &policy).unwrap();
            (buyer.seen, buyer.twin.situation(&policy, moment(day)), buyer.twin)
        };
        let all = [(3, 1.0, 5.0), (3, 2.0, 7.5), (20, 1.0, 5.0)];
        assert_eq!(at(&all, 3).0, 0);
        assert_eq!(at(&all, 20), at(&all[..2], 20));
        let (seen, _, twin) = at(&all, 21);
        assert_eq!(seen, 3);
        let rhythm = twin.tallies.activity(ORDERS).unwrap().rhythm(moment(21));
        assert_eq!(rhythm.repeats, 1, "a day counts once");
        assert!((rhythm.recency - 17.0).abs() < 0.001 && (rhythm.age - 17.5).abs() < 0.001);
    }

    #[test]
    fn a_purchase_in_the_following_days_makes_a_buyer() {
        let buyer = buyer(&[(3, 1.0, 5.0), (20, 1.0, 5.0)]);
        assert!(buyer.buys(3, 1) && buyer.buys(4, 17) && !buyer.buys(4, 16) && !buyer.buys(21, 99));
    }
}
