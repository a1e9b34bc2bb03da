//! What the report says of made logs, whose truth is known.

use std::fmt::Write as _;

use jumeau::models::{seed, uniform};

use super::estimates::Crossed;
use super::log::CampaignLog;
use super::tests::log;
use super::uplift::{Lift, lifts};

const LOGS: u64 = 100;

/// 1,000 customers, every second of whom gets an offer by lot: it makes the young respond more often by
/// `effect`, and the others less often.
fn drawn_by_lot(number: u64, effect: f64) -> CampaignLog {
    let mut csv = "age,area,size,action,propensity,reward\n".to_owned();
    for line in 0..1_000 {
        let draw = |what: u64| uniform(seed(&[number, line, what]));
        let (age, area, size) = (draw(0) * 100.0, (draw(1) * 4.0) as u32, draw(2));
        let action = if draw(3) < 0.5 { "offer" } else { "control" };
        let helped = if age < 50.0 { effect } else { -effect };
        let chance = 0.2 + if action == "offer" { helped } else { 0.0 };
        let response = u8::from(draw(4) < chance);
        let _ = writeln!(csv, "{age:.0},area{area},{size:.2},{action},0.5,{response}");
    }
    log(csv.as_bytes(), &[]).unwrap()
}

/// For many logs, the uplift and the interval of the lead.
fn found(effect: f64) -> Vec<(Lift, (f64, f64))> {
    (0..LOGS)
        .map(|number| {
            let log = drawn_by_lot(number, effect);
            let crossed = Crossed::of(&log);
            let lift = lifts(&log, &crossed, log.control.unwrap()).remove(0);
            (lift, crossed.lead().interval(0.95))
        })
        .collect()
}

#[test]
fn without_an_effect_the_qini_coefficient_is_0_and_no_lead_is_beyond_doubt() {
    let found = found(0.0);
    let mean = found.iter().map(|(lift, _)| lift.coefficient).sum::<f64>() / LOGS as f64;
    let squares = found.iter().map(|(lift, _)| (lift.coefficient - mean).powi(2)).sum::<f64>();
    let error = squares.sqrt() / LOGS as f64;
    assert!(mean.abs() < 2.5 * error, "{mean} with the error {error}");
    let without_0 = |(low, high): (f64, f64)| low > 0.0 || high < 0.0;
    // 95% intervals.
    let certain = found.iter().filter(|(lift, _)| without_0(lift.interval())).count();
    assert!(certain <= 5, "{certain} coefficients");
    let leads = found.iter().filter(|(_, lead)| without_0(*lead)).count();
    assert!(leads <= 5, "{leads} leads");
}

#[test]
fn an_effect_that_differs_between_customers_is_found() {
    let found = found(0.15);
    let certain = found.iter().filter(|(lift, _)| lift.interval().0 > 0.0).count();
    assert!(certain >= 90, "{certain} coefficients");
    let leads = found.iter().filter(|(_, lead)| lead.0 > 0.0).count();
    assert!(leads >= 50, "{leads} leads");
}
