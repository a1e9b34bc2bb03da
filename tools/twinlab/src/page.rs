//! Predictions beside observations, as one self-contained HTML page with a chart.

use std::fmt::Write as _;

use jumeau::terminal;

use crate::calibration::{self, Case, Group};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;\
padding:0 1rem;color:#1b1f24;background:#fff}h1{font-size:1.4rem}table{border-collapse:collapse;\
width:100%;font-variant-numeric:tabular-nums}td,th{text-align:right;padding:.2rem .6rem;\
border-bottom:1px solid #e4e7eb}svg{width:100%;height:auto}\
text{font:13px system-ui,sans-serif;fill:currentColor}.grid{stroke:#e4e7eb}\
.even{stroke:#8a94a3;stroke-dasharray:5 5}.a{fill:#2563eb;stroke:#2563eb}\
.b{fill:#e08a1e;stroke:#e08a1e}h2{font-size:1.15rem;margin-top:2.5rem}\
h2::first-letter{text-transform:uppercase}.warning{border-left:4px solid #e08a1e;padding-left:.8rem}\
.curve{fill:none;stroke:#2563eb;stroke-width:2}.reach{stroke-width:2;opacity:.45}.faint{color:#667}\
@media(prefers-color-scheme:dark){body{color:#e6e9ee;background:#14171c}\
td,th{border-color:#2b313a}.grid{stroke:#2b313a}.faint{color:#99a}}";

/// The position of the chart on the page, in pixels of the drawing.
const LEFT: f64 = 60.0;
const TOP: f64 = 16.0;
const SIDE: f64 = 560.0;
const COLOURS: [&str; 2] = ["a", "b"];

/// A page about predictions of one kind of case, by up to two methods, each with its name.
pub(crate) fn calibration(title: &str, methods: &[(&str, Vec<Case>)]) -> String {
    document(title, &chart(title, methods))
}

/// A page that needs no other file; the body is HTML.
pub(crate) fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n\
         {body}</body></html>\n"
    )
}

/// A text as HTML shows it. Characters that HTML does not allow, such as those that control a terminal, are
/// replaced.
pub(crate) fn escaped(text: &str) -> String {
    let is_allowed = |one: &char| !one.is_control() || matches!(one, '\n' | '\t');
    let text: String =
        text.chars().map(|one| if is_allowed(&one) { one } else { terminal::HARMLESS }).collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The predictions of up to two methods beside what happened, and their tables.
pub(crate) fn chart(title: &str, methods: &[(&str, Vec<Case>)]) -> String {
    let methods: Vec<Method<'_>> =
        methods.iter().map(|(name, cases)| (*name, calibration::groups(cases).0)).collect();
    let all = || methods.iter().flat_map(|(_, groups)| groups);
    let least = all().map(|it| it.expected.min(it.interval().0)).fold(0.5, f64::min);
    let most = all().map(|it| it.expected.max(it.interval().1)).fold(0.1, f64::max);
    let scale = Scale::of(least, most);
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<p class=\"faint\">Ten groups of as many customers each, by how likely it was held to be. On the \
         dashed line, what happened is what was expected; the bars hold the truth in 95 of 100 cases. \
         Both axes are logarithmic.</p>\n\
         <svg viewBox=\"0 0 640 640\" role=\"img\" aria-label=\"{title}\">\n"
    );
    grid(&mut page, &scale);
    for (method, class) in methods.iter().zip(COLOURS) {
        points(&mut page, &scale, method, class);
    }
    legend(&mut page, &methods);
    page.push_str("</svg>\n");
    for method in &methods {
        table(&mut page, method);
    }
    page
}

/// A Qini curve, and the line of a random order. The name is HTML.
pub(crate) fn qini(name: &str, curve: &[(f64, f64)]) -> String {
    let most = curve.iter().map(|point| point.1).fold(1e-9, f64::max);
    let least = curve.iter().map(|point| point.1).fold(0.0, f64::min);
    let place = |(share, gain): (f64, f64)| {
        let up = (gain - least) / (most - least);
        format!("{:.1},{:.1}", LEFT + SIDE * share, TOP + SIDE * (1.0 - up))
    };
    let line: Vec<String> = curve.iter().copied().map(place).collect();
    let (start, end) = (place((0.0, 0.0)), place(curve.last().copied().unwrap_or_default()));
    let bottom = TOP + SIDE + 20.0;
    format!(
        "<p class=\"faint\">The Qini curve: further responses for each customer who got it, if it goes \
         first to those with the greatest expected uplift, to more of them from left to right. The dashed \
         line is a random order.</p>\n\
         <svg viewBox=\"0 0 640 640\" role=\"img\" aria-label=\"Qini curve: {name}\">\
         <polyline class=\"even\" fill=\"none\" points=\"{start} {end}\"/>\
         <polyline class=\"curve\" points=\"{}\"/>\
         <text x=\"{LEFT}\" y=\"{TOP}\" dx=\"8\" dy=\"16\">at most {most:.4}</text>\
         <text x=\"{LEFT}\" y=\"{bottom}\">no customer</text>\
         <text x=\"{}\" y=\"{bottom}\" text-anchor=\"end\">all customers</text></svg>\n",
        line.join(" "),
        LEFT + SIDE,
    )
}

/// A method, and the groups of its predictions.
type Method<'a> = (&'a str, Vec<Group>);

/// The grid with its shares, and the line on which what happened is what was expected.
fn grid(page: &mut String, scale: &Scale) {
    for share in scale.ticks() {
        let (x, y) = (scale.x(share), scale.y(share));
        let (right, bottom) = (LEFT + SIDE, TOP + SIDE);
        let _ = writeln!(
            page,
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>\
             <line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\"/>\
             <text x=\"{x:.1}\" y=\"{below}\" text-anchor=\"middle\">{share}</text>\
             <text x=\"{before}\" y=\"{middle:.1}\" text-anchor=\"end\">{share}</text>",
            below = bottom + 20.0,
            before = LEFT - 8.0,
            middle = y + 4.0,
        );
    }
    let _ = writeln!(
        page,
        "<line class=\"even\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">expected</text>\
         <text x=\"{LEFT}\" y=\"{:.1}\" dx=\"8\" dy=\"16\">happened</text>",
        scale.x(scale.least),
        scale.y(scale.least),
        scale.x(scale.most),
        scale.y(scale.most),
        LEFT + SIDE,
        TOP + SIDE + 40.0,
        TOP,
    );
}

/// The groups of one method, each with the bar that holds the truth.
fn points(page: &mut String, scale: &Scale, (name, groups): &Method<'_>, class: &str) {
    for group in groups {
        let (low, high) = group.interval();
        let _ = writeln!(
            page,
            "<line class=\"{class} reach\" x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\"/>\
             <circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{:.1}\" r=\"5\"><title>{name}: expected \
             {:.4}, happened {:.4} of {} customers</title></circle>",
            scale.y(low),
            scale.y(high),
            scale.y(group.happened),
            group.expected,
            group.happened,
            group.cases,
            x = scale.x(group.expected),
        );
    }
}

fn legend(page: &mut String, methods: &[Method<'_>]) {
    for (at, ((name, _), class)) in methods.iter().zip(COLOURS).enumerate() {
        let y = TOP + SIDE - 40.0 + 20.0 * at as f64;
        let x = LEFT + SIDE - 170.0;
        let _ = writeln!(
            page,
            "<circle class=\"{class}\" cx=\"{x}\" cy=\"{:.1}\" r=\"5\"/><text x=\"{}\" y=\"{y}\">{name}\
             </text>",
            y - 4.0,
            x + 12.0,
        );
    }
}

/// The numbers of one method.
fn table(page: &mut String, (name, groups): &Method<'_>) {
    let _ = writeln!(
        page,
        "<h2 style=\"font-size:1.05rem\">{name}</h2>\n<table><tr><th>customers</th>\
         <th>expected</th><th>happened</th><th>95 of 100</th></tr>"
    );
    for group in groups {
        let (low, high) = group.interval();
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{:.4}</td><td>{:.4}</td><td>{low:.4} to {high:.4}</td></tr>",
            group.cases, group.expected, group.happened,
        );
    }
    page.push_str("</table>\n");
}

/// The position of a share on the page: on logarithmic axes, because rare and frequent cases should be
/// equally visible.
struct Scale {
    least: f64,
    most: f64,
}

/// Rarer cases are drawn at the edge.
const RAREST: f64 = 1e-4;

impl Scale {
    fn of(least: f64, most: f64) -> Scale {
        Scale { least: least.max(RAREST) / 1.2, most: (most * 1.2).min(1.0) }
    }

    /// The position along an axis, 0 to 1.
    fn along(&self, share: f64) -> f64 {
        let share = share.clamp(self.least, self.most);
        (share / self.least).ln() / (self.most / self.least).ln()
    }

    fn x(&self, share: f64) -> f64 {
        LEFT + SIDE * self.along(share)
    }

    fn y(&self, share: f64) -> f64 {
        TOP + SIDE * (1.0 - self.along(share))
    }

    /// Round shares.
    fn ticks(&self) -> impl Iterator<Item = f64> {
        let round = [1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];
        round.into_iter().filter(|share| (self.least..=self.most).contains(share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_each_group_where_it_belongs() {
        let cases: Vec<Case> = (0..1_000)
            .map(|case| (f64::from(case + 1) / 1_000.0, case % 10 < case / 100))
            .collect();
        let page = calibration("who buys", &[("as was learned", cases)]);
        assert_eq!(page.matches("<circle class=\"a\"").count(), 11, "ten groups and the legend");
        assert_eq!(page.matches("<tr><td>100</td>").count(), 10);
        assert!(page.contains("expected 0.0505, happened 0.0000 of 100 customers"), "{page}");
    }

    #[test]
    fn a_calibrated_prediction_lies_on_the_dashed_line() {
        let scale = Scale::of(0.01, 0.5);
        for share in [0.01, 0.05, 0.3] {
            assert!((scale.x(share) - LEFT - (TOP + SIDE - scale.y(share))).abs() < 1e-9);
        }
        assert_eq!(scale.ticks().collect::<Vec<_>>(), [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]);
    }
}
