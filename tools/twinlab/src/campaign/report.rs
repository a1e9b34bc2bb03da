use jumeau::models::evaluate::{Estimate, doubly_robust, inverse_propensity, self_normalised};
use jumeau::models::quantile;

use super::estimates::Crossed;
use super::log::CampaignLog;
use super::replay::{self, Replays, summary};
use super::response_share::ResponseShare;
use super::section::ReportSection;
use super::uplift::{self, Lift};
use super::warnings;
use crate::calibration::{self, Case};
use crate::evaluate::Named;
use crate::page;

/// What was measured on a log.
pub(crate) struct Report<'a> {
    log: &'a CampaignLog,
    replays: Replays,
    crossed: Crossed,
    lifts: Vec<Lift>,
}

const ESTIMATORS: [Named; 3] =
    [("IPS", inverse_propensity), ("SNIPS", self_normalised), ("DR", doubly_robust)];

/// A figure with so many digits after the point. Zero has no sign; what is too great to be read is
/// written with a power of ten.
pub(super) fn fixed(value: f64, digits: usize) -> String {
    /// From here on, the digits before the point say enough.
    const GREAT: f64 = 1e6;
    if value.is_finite() && value.abs() >= GREAT {
        return format!("{value:.3e}");
    }
    let text = format!("{value:.digits$}");
    match text.strip_prefix('-') {
        Some(number) if number.parse() == Ok(0.0) => number.to_owned(),
        _ => text,
    }
}

fn share(value: f64) -> String {
    fixed(value, 4)
}

/// A difference, with its sign.
fn signed(value: f64) -> String {
    let text = share(value);
    if text.starts_with('-') { text } else { format!("+{text}") }
}

fn interval((low, high): (f64, f64)) -> String {
    match low.is_finite() && high.is_finite() {
        true => format!("{} to {}", share(low), share(high)),
        false => "unknown".to_owned(),
    }
}

impl Report<'_> {
    pub(crate) fn of(log: &CampaignLog, orders: u64) -> Report<'_> {
        let crossed = Crossed::of(log);
        let lifts = log.control.map(|control| uplift::lifts(log, &crossed, control));
        let lifts = lifts.unwrap_or_default();
        Report { log, replays: replay::replays(log, orders), crossed, lifts }
    }

    /// All parts of the report, in the order in which they are read.
    pub(crate) fn sections(&self) -> Vec<ReportSection> {
        let mut sections = vec![self.contents(), self.replayed(), self.value(), self.calibration()];
        sections.push(self.uplift());
        sections.extend(self.lifts.iter().map(|lift| self.fifths(lift)));
        sections
    }

    fn contents(&self) -> ReportSection {
        let log = self.log;
        let shares = ResponseShare::all(log);
        let row = |(share, name): (&ResponseShare, &String)| {
            vec![
                share.choices.to_string(),
                fixed(share.choices as f64 / log.choices.len() as f64, 3),
                fixed(share.raw, 4),
                fixed(share.weighed, 4),
                interval(share.interval),
                name.clone(),
            ]
        };
        let context: Vec<&str> = log.context.names().collect();
        ReportSection {
            title: "the log".to_owned(),
            meaning: format!(
                "{} choices between {} actions, each with what was known of the customer: {}. Raw is the \
                 share of choices with the reward 1. The responses are that share if everybody had got \
                 the action: each choice counts for the inverse of its propensity; the interval holds \
                 the true share in 95 of 100 cases. Actions whose intervals overlap may be equally good.",
                log.choices.len(),
                log.actions.len(),
                if context.is_empty() { "nothing".to_owned() } else { context.join(", ") }
            ),
            columns: vec!["choices", "share", "raw", "responses", "95% interval", "action"],
            rows: shares.iter().zip(&log.actions).map(row).collect(),
            warnings: warnings::of_log(log, &shares),
            ..ReportSection::default()
        }
    }

    fn replayed(&self) -> ReportSection {
        let Replays { learner, plain, choices } = &self.replays;
        let row = |name: &str, runs: &[f64]| {
            let mut row: Vec<String> = summary(runs).into_iter().map(share).collect();
            row.push(name.to_owned());
            row
        };
        ReportSection {
            title: "learning from the first customer on".to_owned(),
            meaning: format!(
                "The responses of each choice if the learner had chosen, without any experience at \
                 first. The log is replayed in {} random orders; in each, the {choices:.0} choices count \
                 (on average) in which the learner chooses what was chosen. The deviation and the worst \
                 order tell how much luck is in it. Beside it, Thompson sampling that reads no context: \
                 if the learner is not above it, the context does not yet pay.",
                learner.len()
            ),
            columns: vec!["mean", "deviation", "worst", "best", ""],
            rows: vec![
                row("the learner", learner),
                row("Thompson sampling without context", plain),
            ],
            warnings: warnings::of_replays(&self.replays),
            ..ReportSection::default()
        }
    }

    fn value(&self) -> ReportSection {
        let row = |name: &str, estimate: &Estimate, worth: bool| {
            vec![
                share(estimate.value),
                interval(estimate.interval(0.95)),
                if worth { fixed(estimate.effective, 0) } else { String::new() },
                name.to_owned(),
            ]
        };
        let (crossed, actions) = (&self.crossed, &self.log.actions);
        let mut rows: Vec<Vec<String>> = ESTIMATORS
            .iter()
            .map(|(name, of)| row(&format!("the learner, by {name}"), &of(&crossed.learner), true))
            .collect();
        let [one, other] = crossed.best.map(|action| &*actions[action]);
        let single = if one == other { one.to_owned() } else { format!("{one} or {other}") };
        let lead = crossed.lead();
        rows.push(row(&format!("always {single}, by DR"), &doubly_robust(&crossed.single), true));
        rows.push(row(&format!("the learner less always {single}, by DR"), &lead, false));
        let (low, high) = lead.interval(0.95);
        let verdict = match (low > 0.0, high < 0.0) {
            (true, _) => "Here it is above it beyond doubt.",
            (_, true) => "Here it is below it beyond doubt.",
            _ => "Here the interval contains 0, so the log does not show which is better.",
        };
        ReportSection {
            title: "once it has learned".to_owned(),
            meaning: format!(
                "The responses of each choice by a learner that knows one half of the log, estimated on \
                 the other half, and the other way round. IPS weighs each outcome by how much more \
                 probable the learner makes the choice than it was; SNIPS divides by the sum of the \
                 weights; DR corrects what the learner expects by what happened, and is usually the \
                 nearest. They should agree. The effective choices are how many choices of its own the \
                 log is worth. The last line is what telling customers apart is worth, beyond the \
                 action that did best in the half that was learned from; its interval is wider than those \
                 above allow, because both halves err together. {verdict}"
            ),
            columns: vec!["value", "95% interval", "effective choices", "policy"],
            rows,
            warnings: warnings::of_estimate(crossed, &inverse_propensity(&crossed.learner)),
            ..ReportSection::default()
        }
    }

    fn calibration(&self) -> ReportSection {
        let cases = &self.crossed.cases;
        let constant: Vec<Case> =
            self.crossed.rates.iter().zip(cases).map(|(rate, case)| (*rate, case.1)).collect();
        let (own, other) = (calibration::log_loss(cases), calibration::log_loss(&constant));
        let losses = |cases: &[Case]| -> Vec<f64> {
            cases.iter().map(|case| calibration::log_loss(std::slice::from_ref(case))).collect()
        };
        let differences: Vec<f64> =
            losses(cases).iter().zip(losses(&constant)).map(|(own, other)| own - other).collect();
        let [mean, deviation, ..] = summary(&differences);
        let reach = quantile(0.975) * deviation / (differences.len().max(1) as f64).sqrt();
        let row =
            |figure: String, bounds: String, name: &str| vec![figure, bounds, name.to_owned()];
        let title = "are its expectations right?".to_owned();
        ReportSection {
            meaning: "What the learner expected of choices that it did not learn from, beside what \
                      happened. The expected calibration error is how far the two are apart in ten \
                      groups, on average: below 0.03 a propensity can be taken at its word. The log-loss \
                      punishes confident mistakes; if it is not below that of the constant rate, the \
                      context tells nothing."
                .to_owned(),
            columns: vec!["figure", "95% interval", ""],
            rows: vec![
                row(
                    share(calibration::expected_error(cases)),
                    String::new(),
                    "expected calibration error",
                ),
                row(fixed(own, 5), String::new(), "log-loss of the learner"),
                row(fixed(other, 5), String::new(), "log-loss of the constant rate"),
                row(
                    fixed(mean, 5),
                    format!("{} to {}", fixed(mean - reach, 5), fixed(mean + reach, 5)),
                    "the learner less the constant rate",
                ),
            ],
            plot: calibration::table(cases),
            chart: page::chart(&title, &[("as was learned", cases.clone())]),
            title,
            ..ReportSection::default()
        }
    }

    fn uplift(&self) -> ReportSection {
        let title = "does the action make the difference?".to_owned();
        let Some(control) = self.log.control else {
            let meaning = "Who responds may have done so anyway. Only a control group tells: name the \
                           action that means that nothing was done with --control.";
            return ReportSection {
                title,
                meaning: meaning.to_owned(),
                ..ReportSection::default()
            };
        };
        let row = |lift: &Lift| {
            vec![
                share(lift.gain()),
                fixed(lift.coefficient, 5),
                interval(lift.interval()),
                self.log.actions[lift.action].clone(),
            ]
        };
        ReportSection {
            title,
            meaning: format!(
                "Uplift is the responses with an action, less those with `{}`: who responds anyway \
                 is no success of it. The gain is that of all customers. The Qini coefficient tells \
                 whether the learner knows for whom the gain is greatest: it is the area between the \
                 Qini curve and the line of a random order, 0 if it does not know, and below 0 if it \
                 is mistaken.",
                self.log.actions[control]
            ),
            columns: vec!["gain", "Qini coefficient", "95% interval", "action"],
            rows: self.lifts.iter().map(row).collect(),
            ..ReportSection::default()
        }
    }

    fn fifths(&self, lift: &Lift) -> ReportSection {
        let name = &self.log.actions[lift.action];
        let places = ["greatest expected uplift", "second fifth", "third", "fourth", "least"];
        let row = |(fifth, place): (&uplift::Fifth, &str)| {
            vec![
                signed(fifth.expected),
                signed(fifth.happened),
                interval(fifth.interval),
                place.to_owned(),
            ]
        };
        ReportSection {
            title: format!("for whom {name} makes a difference"),
            meaning:
                "Fifths of the customers by expected uplift. Where what happened is not above 0, \
                      the action is not worth its contact."
                    .to_owned(),
            columns: vec!["expected", "happened", "95% interval", "customers"],
            rows: lift.fifths.iter().zip(places).map(row).collect(),
            chart: page::qini(&page::escaped(name), &lift.curve),
            ..ReportSection::default()
        }
    }
}
