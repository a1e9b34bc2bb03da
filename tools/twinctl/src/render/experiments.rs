//! The results of experiments, and their significance.

use jumeau::api::{ArmShown, ExperimentShown, ExperimentsReply};
use jumeau::event::unsigned_zero;
use jumeau::models::{Lead, MISMATCH};

use super::quantity::count;
use super::sheet::{Cell, Sheet};
use super::style::{ACTION, FAINT, Styled, TITLE, WRONG};

/// All experiments.
pub(crate) fn experiments(answer: &ExperimentsReply, width: u16) -> String {
    let mut sheet = Sheet::new(width);
    if answer.experiments.is_empty() {
        sheet.line("the policy has no experiment");
    }
    for (at, one) in answer.experiments.iter().enumerate() {
        if at > 0 {
            sheet.line("");
        }
        experiment(one, &mut sheet);
    }
    sheet.finish()
}

fn experiment(one: &ExperimentShown, sheet: &mut Sheet) {
    let place = one.place.as_deref().unwrap_or("no longer in the policy");
    sheet.line(format_args!("{}  {}", Styled(TITLE, &one.name), Styled(FAINT, place)));
    if let Some(describe) = &one.describe {
        sheet.line(describe);
    }
    let mut header = vec!["arm", "share", "customers", "did it", "ahead by"];
    if one.is_valued {
        header.extend(["value", "ahead by"]);
    }
    let rows = one.arms.iter().enumerate().map(|(at, arm)| row(at, arm, one.is_valued));
    sheet.table(&header, rows.collect(), 1);
    if one.chance_of_shares < MISMATCH {
        let warning = "sample ratio mismatch: the arms did not fill by their shares, so the results \
                       cannot be trusted";
        sheet.line(Styled(WRONG, warning));
    } else {
        sheet.line(verdict(one));
    }
    if one.is_uplift_measured {
        let note = "uplift is measured: once an action is dropped for customers, they are treated alike in \
                    all arms, and the lead shrinks";
        sheet.line(Styled(FAINT, note));
    }
}

fn row(at: usize, arm: &ArmShown, is_valued: bool) -> Vec<Cell> {
    let name = match &arm.does {
        Some(does) => format!("{} ({does})", arm.name),
        None => arm.name.clone(),
    };
    let ahead = |lead: &Option<Lead>, scale: f64, unit: &str| match (at, lead) {
        (0, _) => String::new(),
        (_, None) => "too few yet".into(),
        (_, Some(Lead { by, low, high })) => {
            let [by, low, high] = [by, low, high].map(|number| unsigned_zero(number * scale, 1));
            format!("{by:+.1}{unit} ({low:+.1} to {high:+.1})")
        }
    };
    let mut cells = vec![
        Cell::new(name),
        Cell::new(format!("{:.0} %", arm.share * 100.0)),
        Cell::new(count(arm.result.entered)),
        Cell::new(format!("{:.1} %", arm.rate * 100.0)),
        Cell::new(ahead(&arm.rate_lead, 100.0, " %")),
    ];
    if is_valued {
        cells.push(Cell::new(format!("{:.2}", arm.value)));
        cells.push(Cell::new(ahead(&arm.value_lead, 1.0, "")));
    }
    cells
}

/// The conclusion so far.
fn verdict(one: &ExperimentShown) -> String {
    let first = one.arms.first().map_or("", |arm| &arm.name);
    let certain = one.arms.iter().filter_map(|arm| {
        let leads = [&arm.rate_lead, &arm.value_lead];
        let lead = leads.into_iter().flatten().find(|lead| lead.is_certain())?;
        Some(format!(
            "{} is {} than {first}",
            arm.name,
            if lead.by > 0.0 { "better" } else { "worse" }
        ))
    });
    let certain: Vec<String> = certain.collect();
    if certain.is_empty() {
        return Styled(
            FAINT,
            "no significant difference yet (looking early does not distort the result)",
        )
        .to_string();
    }
    Styled(ACTION, certain.join("; ")).to_string()
}

#[cfg(test)]
mod tests {
    use jumeau::event::Time;
    use jumeau::models::{ArmResult, ComparedMeasure, chance_of_shares};

    use super::*;
    use crate::render::hostile::withstands;
    use crate::render::plain;

    fn arm(
        name: &str,
        share: f64,
        entered: u64,
        reached: u64,
        control: Option<&ArmResult>,
    ) -> ArmShown {
        let (each, mean) = (20.0, 20.0 * reached as f64 / entered as f64);
        let result = ArmResult {
            entered,
            reached,
            value: each * reached as f64,
            squares: each * each * reached as f64,
        };
        let lead = |measure| control.and_then(|control| result.lead(control, measure));
        ArmShown {
            name: name.into(),
            share,
            does: None,
            result,
            rate: reached as f64 / entered as f64,
            rate_lead: lead(ComparedMeasure::Rate),
            value: mean,
            value_lead: lead(ComparedMeasure::Value),
        }
    }

    #[test]
    fn experiments_are_shown_readably() {
        let plain_arm = arm("plain", 0.5, 4_012, 802, None);
        let gentle = arm("gentle", 0.5, 3_988, 1_037, Some(&plain_arm.result));
        let tone = ExperimentShown {
            name: "reminder_tone".into(),
            describe: Some("a gentle reminder is paid sooner than a plain one".into()),
            place: Some("payments.toml:12".into()),
            is_valued: true,
            is_uplift_measured: false,
            chance_of_shares: chance_of_shares(&[4_012, 3_988], &[0.5, 0.5]),
            arms: vec![plain_arm, gentle],
        };
        let none = arm("nobody", 0.1, 40, 3, None);
        let all = ArmShown {
            does: Some("random".into()),
            ..arm("rest", 0.9, 410, 41, Some(&none.result))
        };
        let held = ExperimentShown {
            name: "holdout".into(),
            describe: None,
            place: None,
            is_valued: false,
            is_uplift_measured: true,
            chance_of_shares: 0.7,
            arms: vec![none, all],
        };
        let uneven = ExperimentShown { chance_of_shares: 0.0002, ..held.clone() };
        let at = Time::parse("2026-11-22T10:00:00Z").unwrap();
        let answer = ExperimentsReply { at, experiments: vec![tone, held, uneven] };
        withstands(&answer, |answer| experiments(answer, u16::MAX));
        insta::assert_snapshot!(plain(&experiments(&answer, 110)), @r"
        reminder_tone  payments.toml:12
        a gentle reminder is paid sooner than a plain one
        ───────────────────────────────────────────────────────────────────────────────────────────
         arm      share   customers   did it                ahead by   value              ahead by
        ═══════════════════════════════════════════════════════════════════════════════════════════
         plain     50 %       4,012   20.0 %                            4.00
         gentle    50 %       3,988   26.0 %   +6.0 % (+3.1 to +8.9)    5.20   +1.2 (+0.6 to +1.8)
        ───────────────────────────────────────────────────────────────────────────────────────────
        gentle is better than plain

        holdout  no longer in the policy
        ──────────────────────────────────────────────────────────
         arm             share   customers   did it      ahead by
        ══════════════════════════════════════════════════════════
         nobody           10 %          40    7.5 %
         rest (random)    90 %         410   10.0 %   too few yet
        ──────────────────────────────────────────────────────────
        no significant difference yet (looking early does not distort the result)
        uplift is measured: once an action is dropped for customers, they are treated alike in all arms, and the lead shrinks

        holdout  no longer in the policy
        ──────────────────────────────────────────────────────────
         arm             share   customers   did it      ahead by
        ══════════════════════════════════════════════════════════
         nobody           10 %          40    7.5 %
         rest (random)    90 %         410   10.0 %   too few yet
        ──────────────────────────────────────────────────────────
        sample ratio mismatch: the arms did not fill by their shares, so the results cannot be trusted
        uplift is measured: once an action is dropped for customers, they are treated alike in all arms, and the lead shrinks
        ");
        let none = ExperimentsReply { at, experiments: Vec::new() };
        assert_eq!(plain(&experiments(&none, 110)), "the policy has no experiment\n");
    }
}
