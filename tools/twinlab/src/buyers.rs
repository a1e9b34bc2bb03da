use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use jumeau::models::{Arm, Features, HORIZON, Learner, Parts, Prior, Snapshot};

use crate::calibration::{self, Case};

/// Days from 1997-01-01 to 1997-10-01: what is after is not known.
const CUT: u16 = 273;
/// How far ahead is learned: who buys within so many days.
const AHEAD: u16 = 28;
/// From this day on, once a week, what is known of everybody is looked at.
const FROM: u16 = CUT - AHEAD - 19 * WEEK;
const WEEK: u16 = 7;

/// One purchase: the day, the pieces, the price.
type Purchase = (u16, f64, f64);

/// What is kept of somebody who bought something.
struct Buyer {
    first: u16,
    last: u16,
    /// Days on which something was bought.
    days: f64,
    pieces: f64,
    value: f64,
}

/// Learns from the first nine months who buys, and tells of the nine months to come.
pub(crate) fn buyers(path: &Path) -> anyhow::Result<String> {
    let histories = read(path)?;
    let part = Parts { action: "buys", treatment: "", issue: "", channel: "", tone: "" };
    let arm = Arm::all(&[part]).remove(0);
    // One in ten buys within a month: as good a guess as any.
    let prior = Prior::new(0.1, 10.0);
    let mut learner = Learner::from(Snapshot::nothing(), HORIZON);
    for day in (FROM..=CUT - AHEAD).step_by(WEEK.into()) {
        for (history, features) in known(&histories, day) {
            let buys = history.iter().any(|(at, ..)| (day..day + AHEAD).contains(at));
            learner.learn(&features, &arm, prior, buys);
        }
    }
    let cases: Vec<Case> = known(&histories, CUT)
        .map(|(history, features)| {
            let expected = learner.model().belief(&features, &arm, prior).propensity();
            (expected, history.iter().any(|(at, ..)| *at >= CUT))
        })
        .collect();
    let month: Vec<Case> = known(&histories, CUT)
        .zip(&cases)
        .map(|((history, _), (expected, _))| {
            let buys = history.iter().any(|(at, ..)| (CUT..CUT + AHEAD).contains(at));
            (*expected, buys)
        })
        .collect();
    let mut told = String::new();
    let area = calibration::area_under_curve(&cases);
    writeln!(told, "{} customers; who buys after 1997-10-01: AUC {area:.4}", cases.len())?;
    writeln!(told, "\nwho buys within {AHEAD} days of it")?;
    told += &calibration::table(&month);
    Ok(told)
}

/// Everybody who bought something before a day, as they are known then.
fn known(
    histories: &BTreeMap<String, Vec<Purchase>>,
    day: u16,
) -> impl Iterator<Item = (&Vec<Purchase>, Features)> {
    histories.values().filter_map(move |history| {
        let past = history.iter().filter(|(at, ..)| *at < day);
        let buyer = past.fold(None, |buyer: Option<Buyer>, (at, pieces, value)| {
            let Some(buyer) = buyer else {
                let (pieces, value) = (*pieces, *value);
                return Some(Buyer { first: *at, last: *at, days: 1.0, pieces, value });
            };
            Some(Buyer {
                first: buyer.first,
                last: *at,
                days: buyer.days + f64::from(u8::from(buyer.last != *at)),
                pieces: buyer.pieces + pieces,
                value: buyer.value + value,
            })
        });
        Some((history, buyer?.features(day)))
    })
}

impl Buyer {
    /// Recency, frequency and value, and the silence beside what is usual with this buyer.
    fn features(&self, day: u16) -> Features {
        let age = f64::from(day - self.first);
        let silence = f64::from(day - self.last);
        let usual = (age + 10.0) / self.days;
        let mut features = Features::new();
        features.number("silence", silence + 1.0);
        features.number("days", self.days);
        features.number("pieces", self.pieces);
        features.number("value", self.value + 1.0);
        features.number("silence/usual", (silence + 3.0) / usual);
        features.share("silence/age", silence / (age + 1.0));
        features
    }
}

/// Lines of customer, date, pieces and value, by customer, in the order of the file.
fn read(path: &Path) -> anyhow::Result<BTreeMap<String, Vec<Purchase>>> {
    let content = fs::read_to_string(path)
        .with_context(|| format!("cannot read the purchases {}", path.display()))?;
    let mut histories: BTreeMap<String, Vec<Purchase>> = BTreeMap::new();
    for (number, line) in content.lines().enumerate() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // The first line of some copies names the columns.
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
        histories.entry(fields[0].to_owned()).or_default().push(purchase);
    }
    Ok(histories)
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

    #[test]
    fn days_are_counted_from_the_first_of_1997() {
        assert_eq!(purchase("19970101", "1", "11.77"), Some((0, 1.0, 11.77)));
        assert_eq!(purchase("19971001", "2", "0"), Some((CUT, 2.0, 0.0)));
        assert_eq!(purchase("19980101", "1", "1").map(|it| it.0), Some(365));
        assert_eq!(purchase("19971301", "1", "1"), None);
    }

    #[test]
    fn only_the_past_is_known() {
        let histories = BTreeMap::from([("1".to_owned(), vec![(3, 1.0, 5.0), (20, 1.0, 5.0)])]);
        let at = |day| known(&histories, day).map(|(_, features)| features).collect::<Vec<_>>();
        assert_eq!(at(3), []);
        assert_eq!(at(20).len(), 1);
        let mut short = histories.clone();
        short.insert("1".to_owned(), vec![(3, 1.0, 5.0)]);
        assert_eq!(at(20), known(&short, 20).map(|(_, it)| it).collect::<Vec<_>>());
    }
}
