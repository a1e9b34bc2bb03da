//! The result of a simulation, as text and as a page.

use std::fmt::Write as _;

use super::people::{Choice, GENRES, GROUPS, PLAN, TONES};
use super::{Moment, SimulateOptions};
use crate::report::count;

/// The number of points of a curve.
const POINTS: usize = 60;

/// One way to choose, and its result.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Side {
    name: &'static str,
    /// Its name, for people.
    what: String,
    /// The cumulative regret at each of [`POINTS`] + 1 points: how many more acceptances the oracle would
    /// have had.
    regret: Vec<f64>,
    /// The mean propensity of what it shows, between two points.
    taken: Vec<f64>,
}

/// The result of a simulation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SimulationReport {
    customers: u64,
    days: u32,
    seed: u64,
    decisions: usize,
    sides: Vec<Side>,
}

impl SimulationReport {
    /// Compares the choices with those of other ways in the same decisions. The best choice overall, and
    /// per group, is determined in hindsight.
    pub(super) fn of(moments: &[Moment], options: &SimulateOptions) -> SimulationReport {
        let choices = Choice::all().count();
        let best = |of: &dyn Fn(&Moment) -> bool| {
            let sum = |choice: usize| {
                let chosen = moments.iter().filter(|moment| of(moment));
                chosen.map(|moment| moment.propensities[choice]).sum::<f64>()
            };
            (0..choices).max_by(|one, other| sum(*one).total_cmp(&sum(*other))).unwrap_or_default()
        };
        let fixed = best(&|_| true);
        let groups: Vec<usize> =
            (0..GROUPS.len()).map(|group| best(&|moment| moment.group == group)).collect();
        let name = |choice: usize| {
            let what = GENRES.get(choice / TONES.len()).copied().unwrap_or(PLAN);
            format!("{what}, {}", TONES[choice % TONES.len()])
        };
        type Chooses<'a> = Box<dyn Fn(&Moment) -> f64 + 'a>;
        let ways: Vec<(&'static str, String, Chooses<'_>)> = vec![
            (
                "random",
                format!("each of {choices} as likely"),
                Box::new(|moment| moment.propensities.iter().sum::<f64>() / choices as f64),
            ),
            (
                "best fixed",
                format!("{} to everybody, as one knows in the end", name(fixed)),
                Box::new(move |moment| moment.propensities[fixed]),
            ),
            (
                "best by group",
                "to everybody the best of their age group, as one knows in the end".to_owned(),
                Box::new(|moment| moment.propensities[groups[moment.group]]),
            ),
            (
                "learned",
                "what the twins chose, by what was learned until then".to_owned(),
                Box::new(|moment| {
                    moment.shown.map_or(0.0, |shown| moment.propensities[shown.position()])
                }),
            ),
            (
                "oracle",
                "the best at every moment, by tastes, moods and needs that nobody knows".to_owned(),
                Box::new(oracle),
            ),
        ];
        let place = |point: usize| point * moments.len() / POINTS;
        let side = |(name, what, chooses): (&'static str, String, Chooses<'_>)| {
            let mut side = Side { name, what, regret: vec![0.0], taken: Vec::new() };
            let mut regret = 0.0;
            for point in 0..POINTS {
                let between = &moments[place(point)..place(point + 1)];
                let taken = between.iter().map(&chooses).sum::<f64>();
                regret += between.iter().map(oracle).sum::<f64>() - taken;
                side.regret.push(regret);
                side.taken.push(taken / between.len().max(1) as f64);
            }
            side
        };
        SimulationReport {
            customers: options.customers,
            days: options.days,
            seed: options.seed,
            decisions: moments.len(),
            sides: ways.into_iter().map(side).collect(),
        }
    }

    /// The gap to the oracle in mean propensity, in the last tenth.
    #[cfg(test)]
    pub(super) fn regret_at_last(&self, name: &str) -> f64 {
        let side = self.sides.iter().find(|side| side.name == name).unwrap();
        let decisions = self.decisions as f64 / 10.0;
        (side.regret[POINTS] - side.regret[POINTS - POINTS / 10]) / decisions
    }

    /// The result, with the curves of regret for a terminal.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{} decisions for {} customers on {} days (seed {}): how likely what was shown is taken up\n",
            count(self.decisions as u64),
            count(self.customers),
            self.days,
            self.seed,
        );
        let _ = writeln!(
            text,
            "{:15}{:>8}{:>11}{:>11}{:>16}",
            "", "in all", "at first", "at last", "regret in all"
        );
        let tenth = POINTS / 10;
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len().max(1) as f64;
        for side in &self.sides {
            let _ = writeln!(
                text,
                "{:15}{:8.3}{:11.3}{:11.3}{:>16}   {}",
                side.name,
                mean(&side.taken),
                mean(&side.taken[..tenth]),
                mean(&side.taken[POINTS - tenth..]),
                count(side.regret.last().unwrap_or(&0.0).round() as u64),
                side.what,
            );
        }
        text += "\nregret until then, as a share of all that chance came to\n";
        text + &self.curves()
    }

    /// The curves of regret, one letter each.
    fn curves(&self) -> String {
        const ROWS: usize = 18;
        let marks = [('r', 0), ('f', 1), ('g', 2), ('L', 3)];
        let most = self.sides.iter().flat_map(|side| &side.regret).fold(0.0f64, |a, b| a.max(*b));
        let mut rows = vec![vec![' '; POINTS + 1]; ROWS + 1];
        for (mark, side) in marks {
            for (point, regret) in self.sides[side].regret.iter().enumerate() {
                let height = (regret / most.max(f64::MIN_POSITIVE) * ROWS as f64).round() as usize;
                rows[ROWS - height.min(ROWS)][point] = mark;
            }
        }
        let mut text = String::new();
        for (row, marks) in rows.into_iter().enumerate() {
            let share = 100 * (ROWS - row) / ROWS;
            let label = if row % 6 == 0 { format!("{share:3} %") } else { "     ".to_owned() };
            let marks: String = marks.into_iter().collect();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{label} |{}", marks.trim_end());
        }
        let _ = writeln!(text, "      +{}", "-".repeat(POINTS));
        let last = format!("{} decisions", count(self.decisions as u64));
        let _ = writeln!(text, "       0{last:>width$}", width = POINTS);
        text + "       r random, f best fixed, g best by group, L learned; the oracle has none\n"
    }

    /// The result, as one self-contained HTML page with charts.
    pub(super) fn page(&self) -> String {
        let mut page = String::new();
        // Writing to a string cannot fail.
        let _ = write!(
            page,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <title>Regret</title><style>{STYLE}</style></head><body>\n\
             <h1>What learning is worth</h1>\n<p>{} decisions for {} simulated customers on {} days \
             (seed {}). Each customer has tastes of their own, moods that come and go, and now and then a \
             need; what is shown to them goes by what their twins have seen, and by what was learned of \
             all.</p>\n",
            count(self.decisions as u64),
            count(self.customers),
            self.days,
            self.seed,
        );
        let regrets: Vec<Vec<f64>> =
            self.sides[..4].iter().map(|side| side.regret.clone()).collect();
        self.chart(
            &mut page,
            "Regret",
            "how many things more would have been taken up had the oracle chosen",
            &regrets,
        );
        let taken: Vec<Vec<f64>> = self.sides.iter().map(|side| side.taken.clone()).collect();
        self.chart(&mut page, "Taken up", "how likely what is shown is taken up", &taken);
        page.push_str(
            "<table><tr><th></th><th>in all</th><th>at last</th><th>regret in all</th><th>",
        );
        page.push_str("</th></tr>\n");
        for side in &self.sides {
            let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len().max(1) as f64;
            let _ = writeln!(
                page,
                "<tr><td>{}</td><td>{:.3}</td><td>{:.3}</td><td>{}</td><td class=\"words\">{}</td></tr>",
                side.name,
                mean(&side.taken),
                mean(&side.taken[POINTS - POINTS / 10..]),
                count(side.regret.last().unwrap_or(&0.0).round() as u64),
                side.what,
            );
        }
        page.push_str("</table>\n</body></html>\n");
        page
    }

    /// One chart with a curve for each side.
    fn chart(&self, page: &mut String, title: &str, what: &str, curves: &[Vec<f64>]) {
        const LEFT: f64 = 64.0;
        const WIDE: f64 = 560.0;
        const HIGH: f64 = 280.0;
        const TOP: f64 = 12.0;
        let most = curves.iter().flatten().fold(0.0f64, |most, value| most.max(*value));
        let step = round_step(most / 4.0);
        let top = step * (most / step).ceil().max(1.0);
        let y = |value: f64| TOP + HIGH * (1.0 - value / top);
        let _ = writeln!(
            page,
            "<h2>{title}</h2>\n<p class=\"faint\">{what}</p>\n\
             <svg viewBox=\"0 0 760 330\" role=\"img\" aria-label=\"{title}\">"
        );
        for tick in 0..=(top / step).round() as u32 {
            let value = f64::from(tick) * step;
            let label = if step < 1.0 { format!("{value:.1}") } else { count(value as u64) };
            let _ = writeln!(
                page,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                LEFT + WIDE,
                LEFT - 8.0,
                y(value) + 4.0,
                y = y(value),
            );
        }
        let _ = writeln!(
            page,
            "<text x=\"{LEFT}\" y=\"{bottom}\">0</text><text x=\"{right}\" y=\"{bottom}\" \
             text-anchor=\"end\">{} decisions</text>",
            count(self.decisions as u64),
            bottom = TOP + HIGH + 22.0,
            right = LEFT + WIDE,
        );
        let mut labels: Vec<(f64, usize)> = Vec::new();
        for (side, curve) in curves.iter().enumerate() {
            let along = |point: usize| {
                LEFT + WIDE * point as f64 / (curve.len().saturating_sub(1)).max(1) as f64
            };
            let points: Vec<String> = curve
                .iter()
                .enumerate()
                .map(|(point, value)| format!("{:.1},{:.1}", along(point), y(*value)))
                .collect();
            let _ = writeln!(page, "<polyline class=\"s{side}\" points=\"{}\"/>", points.join(" "));
            labels.push((y(curve.last().copied().unwrap_or_default()), side));
        }
        // Labels that would overlap move down.
        labels.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut free = 0.0;
        for (at, side) in labels {
            let place = at.max(free);
            free = place + 17.0;
            let name = self.sides[side].name;
            let _ = writeln!(
                page,
                "<text class=\"t{side}\" x=\"{}\" y=\"{:.1}\">{name}</text>",
                LEFT + WIDE + 8.0,
                place + 4.0,
            );
        }
        page.push_str("</svg>\n");
    }
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;\
padding:0 1rem;color:#1b1f24;background:#fff}h1{font-size:1.6rem}h2{font-size:1.15rem;\
margin:2rem 0 0}p.faint{margin:.1rem 0 .6rem}table{border-collapse:collapse;width:100%;\
margin-top:2rem;font-variant-numeric:tabular-nums}td,th{text-align:right;padding:.25rem .6rem;\
border-bottom:1px solid #e4e7eb}td:first-child,.words{text-align:left}svg{width:100%;height:auto}\
text{font:13px system-ui,sans-serif;fill:currentColor}.grid{stroke:#e4e7eb}\
polyline{fill:none;stroke-width:2.5;stroke-linejoin:round}.s0{stroke:#8a94a3}.t0{fill:#8a94a3}\
.s1{stroke:#e08a1e}.t1{fill:#e08a1e}.s2{stroke:#a855f7}.t2{fill:#a855f7}.s3{stroke:#2563eb;\
stroke-width:4}.t3{fill:#2563eb;font-weight:600}.s4{stroke:#16a34a}.t4{fill:#16a34a}.faint{color:#667}\
@media(prefers-color-scheme:dark){body{color:#e6e9ee;background:#14171c}\
td,th{border-color:#2b313a}.grid{stroke:#2b313a}.faint{color:#99a}}";

/// The next round number above: 1, 2 or 5 times a power of ten.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.max(1e-9).log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].into_iter().find(|round| round * power >= least);
    round.unwrap_or(10.0) * power
}

fn oracle(moment: &Moment) -> f64 {
    moment.propensities.iter().copied().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two groups, each of which likes one thing, and twins that learn it half way.
    fn moments() -> Vec<Moment> {
        let choices: Vec<Choice> = Choice::all().collect();
        let moment = |number: usize| {
            let group = number % 2;
            let mut propensities = vec![0.1; choices.len()];
            propensities[2 * group] = 0.5;
            propensities[2] += 0.1;
            let shown = if number < 300 { choices[5] } else { choices[2 * group] };
            Moment { group, propensities, shown: Some(shown) }
        };
        (0..600).map(moment).collect()
    }

    fn report() -> SimulationReport {
        SimulationReport::of(
            &moments(),
            &SimulateOptions { customers: 6, days: 100, seed: 1, page: None },
        )
    }

    #[test]
    fn regret_is_the_difference_to_the_oracle() {
        let report = report();
        let last = |name: &str| report.regret_at_last(name);
        assert!((last("learned"), last("oracle"), last("best by group")) == (0.0, 0.0, 0.0));
        // Of (0.5, 0.6) the best fixed choice gets (0.2, 0.6).
        assert!((last("best fixed") - 0.15).abs() < 1e-9, "{}", last("best fixed"));
        let learned = report.sides.iter().find(|side| side.name == "learned").unwrap();
        assert!((learned.regret[POINTS] - 300.0 * 0.45).abs() < 1e-9, "{}", learned.regret[POINTS]);
    }

    #[test]
    fn a_simulation_report_is_shown_as_text() {
        insta::assert_snapshot!(report().text(), @"
        600 decisions for 6 customers on 100 days (seed 1): how likely what was shown is taken up

                         in all   at first    at last   regret in all
        random            0.136      0.136      0.136             249   each of 14 as likely
        best fixed        0.400      0.400      0.400              90   drama, warm to everybody, as one knows in the end
        best by group     0.550      0.550      0.550               0   to everybody the best of their age group, as one knows in the end
        learned           0.325      0.100      0.550             135   what the twins chose, by what was learned until then
        oracle            0.550      0.550      0.550               0   the best at every moment, by tastes, moods and needs that nobody knows

        regret until then, as a share of all that chance came to
        100 % |                                                           rr
              |                                                       rrrr
              |                                                    rrr
              |                                                 rrr
              |                                             rrrr
              |                                          rrr
         66 % |                                       rrr
              |                                   rrrr
              |                              LLLLLLLLLLLLLLLLLLLLLLLLLLLLLLL
              |                           LLLrr
              |                        LLLrr
              |                    LLLLr                                   f
         33 % |                 LLLrr                             fffffffff
              |              LLLrr                       fffffffff
              |           LLLr                  fffffffff
              |        LLLr            fffffffff
              |     LLLr     ffffffffff
              |  LLLfffffffff
          0 % |LLggggggggggggggggggggggggggggggggggggggggggggggggggggggggggg
              +------------------------------------------------------------
               0                                               600 decisions
               r random, f best fixed, g best by group, L learned; the oracle has none
        ");
    }

    #[test]
    fn a_page_has_a_curve_for_each_side() {
        let page = report().page();
        assert_eq!(page.matches("<polyline").count(), 4 + 5);
        assert!(page.ends_with("</html>\n"));
    }

    #[test]
    fn the_steps_of_an_axis_are_round_numbers() {
        assert_eq!([0.3, 3.0, 12.0, 700.0].map(round_step), [0.5, 5.0, 20.0, 1_000.0]);
    }
}
