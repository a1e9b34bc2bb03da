//! What a twin knows of the customer's person: profile, consents, preferences, mood.

use comfy_table::Color;
use jumeau::api::TwinView;
use jumeau::event::{Time, Value, Zone, unsigned_zero};
use jumeau::language::Tone;
use jumeau::twin::{Choice, HeardMessage, Preference, Sentiment, ValenceTrend, ZONE};

use super::{faint, value};
use crate::render::quantity::{distance, many, moment};
use crate::render::sheet::{Cell, Sheet};

/// The profile, consents and preferences.
pub(super) fn profile(sheet: &mut Sheet, twin: &TwinView, now: Time) {
    let traits = twin.profile.traits.iter();
    let row = |(name, held): (&str, &Value)| {
        let mut row = vec![Cell::new(name), Cell::new(value(held))];
        if name == ZONE && Zone::of(Some(held)).is_err() {
            let what = "unknown time zone: not contacted where quiet hours apply";
            row.push(Cell::new(what).fg(Color::Red));
        }
        row
    };
    sheet.section("profile", traits.map(row).collect());

    let consents = twin.profile.consents.iter().map(|consent| {
        let (mark, color) = if consent.granted && !consent.holds(now) {
            ("… lapsed", Color::Yellow)
        } else if consent.granted {
            ("✓ allowed", Color::Green)
        } else {
            ("✗ forbidden", Color::Red)
        };
        let place =
            consent.channel.as_deref().map_or("everywhere".into(), |name| format!("in {name}"));
        vec![
            Cell::new(&consent.purpose),
            Cell::new(mark).fg(color),
            Cell::new(place),
            faint(match &consent.proof {
                Some(proof) => format!("{}, {proof}", consent.by),
                None => consent.by.to_string(),
            }),
            faint(distance(now, consent.at)),
        ]
    });
    sheet.section("consents", consents.collect());

    let preferences = twin.profile.preferences.iter();
    sheet.section("preferences", preferences.flat_map(|one| preference(one, now)).collect());
}

/// One preference: the declared value, the inferred ones, and the forbidden ones.
fn preference(one: &Preference, now: Time) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    if let Some(declared) = &one.declared {
        rows.push(vec![
            Cell::new(&one.key),
            Cell::new(value(&declared.value)),
            Cell::new("declared").fg(Color::Green),
            faint(distance(now, declared.at)),
        ]);
    }
    if let Some((leading, confidence)) = one.leading(now) {
        let outranked = if one.declared.is_some() { ", outranked" } else { "" };
        rows.push(vec![
            Cell::new(&one.key),
            Cell::new(value(&leading.value)),
            Cell::new(format!("inferred, confidence {confidence:.2}{outranked}")),
            faint(evidence(one, leading, now)),
        ]);
    }
    if let Some(forgotten) = one.forgotten {
        let until = if forgotten.until > now {
            Cell::new(format!("not inferred until {}", moment(forgotten.until))).fg(Color::Red)
        } else {
            faint("inferred again")
        };
        rows.push(vec![
            Cell::new(&one.key),
            faint("forgotten"),
            until,
            faint(distance(now, forgotten.at)),
        ]);
    }
    rows
}

/// The evidence of an inferred value: how often it was chosen, the remaining weight of it and of the
/// other choices, and the inputs that showed it.
fn evidence(one: &Preference, leading: &Choice, now: Time) -> String {
    let mut text = format!("chosen {}×, last {}", leading.count, distance(now, leading.at));
    let weights: Vec<f64> = one.choices.iter().map(|choice| one.weight_of(choice, now)).collect();
    let all: f64 = weights.iter().sum();
    let shares = one.choices.iter().zip(&weights).map(|(choice, weight)| {
        let share = if all > 0.0 { 100.0 * weight / all } else { 0.0 };
        format!("{} {share:.0} % ({weight:.1})", value(&choice.value))
    });
    text += &format!("; recent evidence: {}", shares.collect::<Vec<_>>().join(", "));
    let against = one.weight_against(leading, now);
    if against >= 0.05 {
        text += &format!("; {against:.1} against it");
    }
    let numbers = leading.evidence.iter().map(|number| format!("#{number}"));
    text + "; " + &numbers.collect::<Vec<_>>().join(" ")
}

/// The mood, and the messages that show it.
pub(super) fn sentiment(sheet: &mut Sheet, known: &Sentiment, now: Time) {
    let course = |name: &str, course: &ValenceTrend| {
        let level = course.level(now);
        let color = match level {
            level if level < -0.15 => Color::Red,
            level if level > 0.15 => Color::Green,
            _ => Color::Reset,
        };
        let trend = match course.trend(now) {
            trend if trend < -0.1 => "↘ getting worse",
            trend if trend > 0.1 => "↗ getting better",
            _ => "→ steady",
        };
        vec![
            Cell::new(name),
            Cell::new(format!("{:+.2}", unsigned_zero(level, 2))).fg(color),
            Cell::new(trend),
            faint(format!(
                "± {:.2}, {}, the last {}",
                course.volatility(),
                many(course.messages.into(), "message"),
                distance(now, course.at)
            )),
        ]
    };
    let mut rows = vec![course("overall", &known.overall)];
    rows.extend(known.channels.iter().map(|(channel, one)| course(channel.as_str(), one)));
    rows.push(vec![
        Cell::new("urgency"),
        Cell::new(format!("{:.2}", known.urgency(now))),
        Cell::new(known.language.map_or(String::new(), |code| format!("speaks {}", code.as_str()))),
    ]);
    sheet.section("sentiment", rows);
    sheet.section("said", known.evidence.iter().map(|heard| reading(heard, now)).collect());
}

fn reading(heard: &HeardMessage, now: Time) -> Vec<Cell> {
    let HeardMessage { at, channel, number, reading } = heard;
    let color = match reading.tone() {
        Tone::Negative => Color::Red,
        Tone::Neutral => Color::Reset,
        Tone::Positive => Color::Green,
    };
    let words = reading.words.iter().chain(&reading.pressing);
    let words = words.map(|cue| format!("“{}” {:+.2}", cue.text, unsigned_zero(cue.weight, 2)));
    vec![
        faint(format!("#{number}")),
        Cell::new(format!("{:+.2}", unsigned_zero(reading.valence, 2))).fg(color),
        faint(format!("in {channel}, {}", distance(now, *at))),
        Cell::new(words.collect::<Vec<_>>().join(", ")),
    ]
}
