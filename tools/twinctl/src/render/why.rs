//! A decision for people: how many candidates each stage dropped, the winner and its lead, why the others
//! lost, and what would have changed it.

use std::fmt::Write as _;
use std::time::Duration;

use jumeau::api::{DecideReply, WhatIfReply, WhyReply};
use jumeau::event::{Value, unsigned_zero};
use jumeau::twin::{
    ArmAssignment, Candidate, CandidateGoal, CandidateVerdict, Counterfactual,
    CounterfactualChange, Decision, ScoreFactors,
};

use super::quantity::{count, moment};
use super::sheet::push_line;
use super::style::{ACTION, CUSTOMER, ESCALATION, FAINT, RECALL, Styled, TITLE, WRONG};

/// The explanation of a decision.
pub(crate) fn why(reply: &WhyReply) -> String {
    let WhyReply { customer, decision, flips, known } = reply;
    let mut text = String::new();
    let Decision { id, number, at, by, policy, model, .. } = decision;
    line(
        &mut text,
        format_args!(
            "{}  {} decision, {}",
            Styled(CUSTOMER, customer),
            ordinal(number.saturating_add(1)),
            moment(*at),
        ),
    );
    line(&mut text, Styled(FAINT, format_args!("{id}, policy {policy}, model {model}")));
    line(&mut text, format_args!("triggered by {}", Styled(TITLE, by)));
    for ArmAssignment { experiment, arm } in &decision.arms {
        line(&mut text, format_args!("in the arm {} of {experiment}", Styled(TITLE, arm)));
    }
    if decision.is_plain {
        line(&mut text, "without profiling: the customer refused it");
    }
    self::decision(decision, flips, &mut text);
    let others: Vec<_> = known.iter().filter(|other| other.id != *id).collect();
    if !others.is_empty() {
        section("Other stored decisions", &mut text);
        for other in others {
            let chosen = match &other.chosen[..] {
                [] => "nothing".into(),
                chosen => chosen.join(", "),
            };
            let at = moment(other.at);
            line(
                &mut text,
                format_args!("  {at}  {}  {chosen}  {}", other.by, Styled(FAINT, &other.id)),
            );
        }
    }
    text
}

/// The reaction in a what-if.
pub(crate) fn what_if(reply: &WhatIfReply) -> String {
    let mut text = String::new();
    let WhatIfReply { customer, is_known, at, verdict, .. } = reply;
    let unknown = if *is_known { "" } else { ", unknown customer" };
    line(
        &mut text,
        format_args!("{}{unknown}, if it happened at {}", Styled(CUSTOMER, customer), moment(*at)),
    );
    line(&mut text, format_args!("the event would be {verdict}; nothing stored, nothing sent"));
    if !reply.needs.is_empty() {
        section("Needs", &mut text);
        for change in &reply.needs {
            let (before, after) = (change.before, change.after);
            line(&mut text, format_args!("  {}  {before:.2} → {after:.2}", change.need));
        }
    }
    if !reply.actions.is_empty() {
        section("Actions it would send", &mut text);
    }
    for action in &reply.actions {
        line(
            &mut text,
            format_args!(
                "  {} in {}, {}: “{}”",
                Styled(ACTION, &action.action),
                action.channel,
                action.tone,
                action.text,
            ),
        );
    }
    if !reply.recalls.is_empty() {
        section("Actions it would recall", &mut text);
        for recall in &reply.recalls {
            let action = Styled(RECALL, &recall.action);
            line(&mut text, format_args!("  {action} in {}: {}", recall.channel, recall.because));
        }
    }
    if !reply.escalations.is_empty() {
        section("Escalations it would open", &mut text);
    }
    for opened in &reply.escalations {
        let queue = Styled(ESCALATION, &opened.queue);
        line(&mut text, format_args!("  {queue}, priority {}: {}", opened.priority, opened.topic));
    }
    if !reply.timers.is_empty() || !reply.cancelled.is_empty() {
        section("Timers", &mut text);
        for (name, due) in &reply.timers {
            line(&mut text, format_args!("  {name} at {}", moment(*due)));
        }
        for (name, due) in &reply.cancelled {
            line(&mut text, format_args!("  {name} at {} would be cancelled", moment(*due)));
        }
    }
    match &reply.decision {
        Some(decision) => self::decision(decision, &reply.flips, &mut text),
        None => {
            text.push('\n');
            line(&mut text, "no candidate action");
        }
    }
    for note in &reply.notes {
        line(&mut text, format_args!("{} {note}", Styled(RECALL, "note:")));
    }
    text
}

/// The actions for a channel.
pub(crate) fn offers(reply: &DecideReply) -> String {
    let mut text = String::new();
    let DecideReply { customer, at, policy, version, offers, .. } = reply;
    line(&mut text, format_args!("{}  {}", Styled(CUSTOMER, customer), moment(*at)));
    line(&mut text, Styled(FAINT, format_args!("policy {policy} {version}")));
    if offers.is_empty() {
        line(&mut text, "nothing to show");
    }
    for offer in offers {
        let action = Styled(ACTION, Styled(TITLE, &offer.action));
        text.push('\n');
        line(&mut text, format_args!("{action} · {}, {}", offer.treatment, offer.tone));
        line(&mut text, format_args!("  “{}”", offer.text));
        line(&mut text, Styled(FAINT, format_args!("  {}", offer.decision)));
    }
    text
}

/// The funnel and the candidates.
fn decision(decision: &Decision, flips: &[Counterfactual], text: &mut String) {
    funnel(decision, text);
    let (lost, won): (Vec<_>, Vec<_>) =
        decision.candidates.iter().partition(|one| one.verdict != CandidateVerdict::Chosen);
    if !won.is_empty() {
        section("Chosen", text);
        let runner_up = lost.iter().find(|one| one.verdict == CandidateVerdict::Outscored);
        for candidate in won {
            chosen(candidate, runner_up.copied(), decision.chosen.len() == 1, text);
        }
    }
    if !lost.is_empty() {
        section("Not chosen", text);
        for candidate in lost {
            dropped(candidate, text);
            let of_it = flips.iter().filter(|flip| flip.action == candidate.action);
            would(&of_it.collect::<Vec<_>>(), text);
        }
    }
    let unsaid = decision.considered as usize - decision.candidates.len();
    if unsaid > 0 {
        line(text, Styled(FAINT, format_args!("  and {} with lower scores", count(unsaid as u64))));
    }
}

/// The number of candidates that each stage left.
fn funnel(decision: &Decision, text: &mut String) {
    /// The width of the longest bar in columns.
    const WIDEST: f64 = 40.0;
    let all = u64::from(decision.considered);
    let mut left = all;
    let bar = |left: u64| {
        let part = left as f64 / all.max(1) as f64;
        "█".repeat(((part * WIDEST).ceil() as usize).max(usize::from(left > 0)))
    };
    let row = |name: &str, left: u64, fell: String| {
        format!("  {name:<14}{:>6}  {}{}", count(left), bar(left), Styled(FAINT, fell))
    };
    text.push('\n');
    line(text, row("candidates", left, String::new()));
    for (stage, fell) in decision.dropped.iter() {
        left = left.saturating_sub(fell);
        if fell > 0 {
            line(text, row(stage.name(), left, format!("  −{}", count(fell))));
        }
    }
}

/// A candidate that was chosen. If it is the only one, nothing with a higher score was taken before it.
fn chosen(candidate: &Candidate, runner_up: Option<&Candidate>, is_only: bool, text: &mut String) {
    line(text, format_args!("  {} {}{}", Styled(ACTION, "✓"), title(candidate), place(candidate)));
    line(text, format_args!("      {}", score(candidate)));
    goal(candidate, text);
    if candidate.goal().is_some_and(|goal| goal.is_too_little()) {
        return line(text, "      chance chose it: it changes too little, and is tried again");
    }
    let Some(second) = runner_up else { return };
    if is_only && candidate.score < second.score {
        let second = &second.action;
        return line(text, format_args!("      chance chose it: {second} has a higher score"));
    }
    let more = (candidate.score / second.score - 1.0) * 100.0;
    if more.is_finite() {
        line(text, format_args!("      {more:.0}% more than {}, the next one", second.action));
    }
}

fn dropped(candidate: &Candidate, text: &mut String) {
    line(text, format_args!("  {} {}{}", Styled(WRONG, "✗"), title(candidate), place(candidate)));
    if candidate.verdict == CandidateVerdict::Outscored {
        line(text, format_args!("      {}", score(candidate)));
        goal(candidate, text);
    } else {
        let stage = candidate.stage.name();
        line(text, format_args!("      {}: {}", Styled(TITLE, stage), candidate.verdict));
    }
    // Of a candidate that competed, only the goal was read.
    let read = candidate.read.iter().filter(|_| candidate.goal().is_none());
    for (path, value) in read {
        let value = match value {
            Value::Null => "nothing there".to_owned(),
            Value::Text(text) => format!("“{text}”"),
            other => other.to_string(),
        };
        line(text, format_args!("        {path} is {value}"));
    }
}

/// How likely the goal is with the action, and without it, if its uplift is measured.
fn goal(candidate: &Candidate, text: &mut String) {
    let Some(CandidateGoal { experiment, with, without, .. }) = candidate.goal() else { return };
    line(
        text,
        format_args!(
            "      the goal of the experiment {experiment} is reached with probability {without:.3} \
             without it, {with:.3} with it"
        ),
    );
}

/// The counterfactuals, in one line.
fn would(flips: &[&Counterfactual], text: &mut String) {
    let Some(first) = flips.first() else { return };
    let verb = if first.wins { "would win" } else { "would pass" };
    let mut ways: Vec<String> = Vec::new();
    let mut factors: Vec<String> = Vec::new();
    let mut more = 0.0;
    for flip in flips {
        match &flip.change {
            CounterfactualChange::Factor { factor, is, above } => {
                more = (above / is - 1.0) * 100.0;
                factors.push(format!("{} {above:.2}", factor.name()));
            }
            other => ways.push(change(other)),
        }
    }
    if !factors.is_empty() {
        ways.push(format!("with {more:.0}% more of one factor: {}", factors.join(" or ")));
    }
    line(
        text,
        format_args!("      {} {}", Styled(RECALL, format_args!("→ {verb}")), ways.join(", or ")),
    );
}

fn change(change: &CounterfactualChange) -> String {
    match change {
        CounterfactualChange::Factor { factor, above, .. } => {
            format!("with a {} above {above:.2}", factor.name())
        }
        CounterfactualChange::NoChance => "without exploration".into(),
        CounterfactualChange::Value { path, with, .. } => match with {
            Value::Text(text) if *path.as_ref() != **text && text.starts_with("something") => {
                format!("if {path} had the value {text}")
            }
            Value::Text(text) => format!("if {path} were “{text}”"),
            Value::Null => format!("if {path} had no value"),
            other => format!("if {path} were {other}"),
        },
        CounterfactualChange::After { until } => format!("after {}", moment(*until)),
        CounterfactualChange::OneLess { most, over_secs, place } => {
            let over = span(*over_secs);
            format!("with one contact less in {over} (at most {most}: {place})")
        }
        CounterfactualChange::Within { path, is, limit } => {
            let side = if is < limit { "at least" } else { "at most" };
            let is = unsigned_zero(*is, 2);
            format!("with {path} {side} {limit} (is {is:.2})")
        }
        CounterfactualChange::Gain { experiment, is, above } => {
            format!(
                "if it made the goal of {experiment} likelier by more than {above} (is {is:.3})"
            )
        }
        CounterfactualChange::Consent { purpose } => format!("with consent to {purpose}"),
        CounterfactualChange::Over { what } => format!("once {what} is over"),
    }
}

fn span(seconds: u64) -> String {
    super::quantity::span(
        u64::try_from(Duration::from_secs(seconds).as_millis()).unwrap_or(u64::MAX),
    )
}

fn title(candidate: &Candidate) -> String {
    let mut title = Styled(TITLE, &candidate.action).to_string();
    // Writing to a string cannot fail.
    if let Some(treatment) = &candidate.treatment {
        let _ = write!(title, " · {treatment}");
    }
    if let Some(need) = &candidate.need {
        let _ = write!(title, " for {need}");
    }
    title
}

fn place(candidate: &Candidate) -> impl std::fmt::Display + use<> {
    Styled(FAINT, format!("  {}", candidate.place))
}

/// A score and its factors.
fn score(candidate: &Candidate) -> String {
    let ScoreFactors { propensity, drawn, context, value, lever, uplift, .. } = candidate.weights;
    let known = if (drawn - propensity).abs() > 0.0005 {
        format!(" (known {propensity:.3})")
    } else {
        String::new()
    };
    let lever = if lever == 1.0 { String::new() } else { format!(" × lever {lever:.2}") };
    let uplift = if uplift == 1.0 { String::new() } else { format!(" × uplift {uplift:.2}") };
    format!(
        "{:.3} = propensity {drawn:.3}{known} × context {context:.2} × value {value:.2}{lever}{uplift}",
        candidate.score,
    )
}

fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

fn section(title: &str, text: &mut String) {
    text.push('\n');
    line(text, Styled(TITLE, title));
}

fn line(text: &mut String, line: impl std::fmt::Display) {
    push_line(text, line);
}

#[cfg(test)]
mod tests {
    use jumeau::api::KnownDecision;
    use jumeau::event::{Customer, Time};
    use jumeau::policy::Version;
    use jumeau::twin::{Stage, counterfactuals};

    use super::*;
    use crate::render::hostile::withstands;
    use crate::render::plain;

    fn at(text: &str) -> Time {
        Time::parse(text).unwrap()
    }

    fn candidate(action: &str, verdict: CandidateVerdict, stage: Stage, value: f64) -> Candidate {
        let weights = ScoreFactors {
            propensity: 0.25,
            drawn: 0.25,
            chance: 1.0,
            context: 0.5,
            value,
            lever: 1.0,
            uplift: 1.0,
        };
        let is_said = matches!(verdict, CandidateVerdict::Chosen | CandidateVerdict::Outscored);
        Candidate {
            action: action.into(),
            treatment: is_said.then(|| "plain".into()),
            need: Some("look".into()),
            place: format!("shop.toml:{}", (value * 100.0) as u32).into(),
            stage,
            verdict,
            weights,
            score: weights.score(),
            read: Vec::new(),
        }
    }

    #[test]
    fn a_score_shows_its_uplift() {
        let mut candidate = candidate("shoes", CandidateVerdict::Chosen, Stage::Treatment, 0.8);
        candidate.weights.uplift = 0.4;
        assert!(score(&candidate).ends_with("value 0.80 × uplift 0.40"), "{}", score(&candidate));
    }

    #[test]
    fn a_chosen_action_shows_its_goal_and_whether_chance_chose_it() {
        let with_goal = |with: f64| {
            let read = [("with", with), ("without", 0.13), ("least", 0.01)];
            let read = read.map(|(name, figure)| {
                (format!("uplift.worth.{name}").into(), Value::Float(figure))
            });
            let plain = candidate("shoes", CandidateVerdict::Chosen, Stage::Treatment, 0.8);
            Candidate { read: read.into(), ..plain }
        };
        let other = candidate("gloves", CandidateVerdict::Outscored, Stage::Arbitration, 0.95);
        let shown = |candidate: &Candidate, is_only| {
            let mut text = String::new();
            chosen(candidate, Some(&other), is_only, &mut text);
            plain(&text).lines().skip(2).collect::<Vec<_>>().join("\n")
        };
        insta::assert_snapshot!(shown(&with_goal(0.15), true), @r"
        the goal of the experiment worth is reached with probability 0.130 without it, 0.150 with it
        chance chose it: gloves has a higher score
        ");
        insta::assert_snapshot!(shown(&with_goal(0.135), false), @r"
        the goal of the experiment worth is reached with probability 0.130 without it, 0.135 with it
        chance chose it: it changes too little, and is tried again
        ");
        let unmeasured = candidate("shoes", CandidateVerdict::Chosen, Stage::Treatment, 0.8);
        assert!(
            !shown(&unmeasured, false).contains("chance"),
            "another may have been taken before"
        );
    }

    /// A decision in which candidates ended in many ways.
    fn rich_decision() -> Decision {
        let rich = Candidate {
            read: vec![("facts.income".into(), Value::Int(1_800))],
            ..candidate(
                "yacht",
                CandidateVerdict::NotEligible { eligible: "facts.income >= 2000".into() },
                Stage::Eligibility,
                1.0,
            )
        };
        let until = at("2026-11-29T09:30:00Z");
        let rests = CandidateVerdict::CoolingDown { until };
        let often = CandidateVerdict::LimitReached {
            most: 2,
            over_secs: 7 * 86_400,
            until,
            place: "policy.toml:9".into(),
        };
        let lucky = Candidate {
            weights: ScoreFactors {
                drawn: 0.1,
                ..candidate("", CandidateVerdict::Outscored, Stage::Arbitration, 0.95).weights
            },
            score: 0.0475,
            ..candidate("gloves", CandidateVerdict::Outscored, Stage::Arbitration, 0.95)
        };
        Decision {
            id: "d1".into(),
            number: 11,
            at: at("2026-11-22T09:30:00Z"),
            by: "ask:hero".into(),
            policy: Version("affda6d0eda1d4f0".into()),
            model: 7,
            is_plain: false,
            considered: 300,
            dropped: jumeau::twin::StageCounts::of([0, 40, 120, 0, 20, 0, 118, 1]),
            candidates: vec![
                rich,
                candidate("shoes", CandidateVerdict::Chosen, Stage::Treatment, 0.8),
                candidate("hats", CandidateVerdict::Outscored, Stage::Arbitration, 0.5),
                lucky,
                candidate("belts", rests, Stage::Contact, 0.4),
                candidate("socks", often, Stage::Contact, 0.3),
                candidate(
                    "news",
                    CandidateVerdict::NoConsent { purpose: "marketing".into() },
                    Stage::Eligibility,
                    0.2,
                ),
            ],
            chosen: Vec::new(),
            arms: vec![ArmAssignment { experiment: "tone".into(), arm: "gentle".into() }],
        }
    }

    #[test]
    fn a_decision_is_shown_as_text() {
        let decision = rich_decision();
        let known = vec![KnownDecision {
            id: "d0".into(),
            number: 10,
            at: at("2026-11-21T19:00:00Z"),
            by: "track:Flight Booked".into(),
            chosen: Vec::new(),
        }];
        let customer = Customer::new("ann").unwrap();
        let reply = WhyReply { customer, flips: counterfactuals(&decision), decision, known };
        withstands(&reply, why);
        insta::assert_snapshot!(plain(&why(&reply)), @r"
        ann  12th decision, 2026-11-22 09:30:00
        d1, policy affda6d0eda1d4f0, model 7
        triggered by ask:hero
        in the arm gentle of tone

          candidates       300  ████████████████████████████████████████
          eligibility      260  ███████████████████████████████████  −40
          applicability    140  ███████████████████  −120
          contact          120  ████████████████  −20
          arbitration        2  █  −118
          treatment          1  █  −1

        Chosen
          ✓ shoes · plain for look  shop.toml:80
              0.100 = propensity 0.250 × context 0.50 × value 0.80
              60% more than hats, the next one

        Not chosen
          ✗ yacht for look  shop.toml:100
              eligibility: not for this customer: facts.income >= 2000
                facts.income is 1800
              → would win if facts.income were 2000
          ✗ hats · plain for look  shop.toml:50
              0.062 = propensity 0.250 × context 0.50 × value 0.50
              → would win with 60% more of one factor: propensity 0.40 or context 0.80 or value 0.80 or lever 1.60
          ✗ gloves · plain for look  shop.toml:95
              0.048 = propensity 0.100 (known 0.250) × context 0.50 × value 0.95
              → would win without exploration, or with 111% more of one factor: propensity 0.21 or context 1.05 or lever 2.11
          ✗ belts for look  shop.toml:40
              contact: cooling down until 2026-11-29T09:30:00Z
              → would pass after 2026-11-29 09:30:00
          ✗ socks for look  shop.toml:30
              contact: limit of 2 in 7days reached; not before 2026-11-29T09:30:00Z
              → would pass with one contact less in 7 days (at most 2: policy.toml:9)
          ✗ news for look  shop.toml:20
              eligibility: no consent to marketing
              → would pass with consent to marketing
          and 293 with lower scores

        Other stored decisions
          2026-11-21 19:00:00  track:Flight Booked  nothing  d0
        ");
    }

    #[test]
    fn untrusted_text_cannot_control_the_terminal() {
        let offers = serde_json::json!({
            "customer": "ann", "at": "2026-11-22T10:00:00Z", "policy": "shop", "version": "3f",
            "offers": [{
                "decision": "d1", "action": "hats", "issue": "sales", "treatment": "banner",
                "placement": "home", "tone": "neutral", "variant": {}, "language": "en",
                "text": "A hat, Ann?", "data": {}, "score": 0.3,
            }],
        });
        let offers: DecideReply = serde_json::from_value(offers).unwrap();
        withstands(&offers, super::offers);
        let action = serde_json::json!({
            "decision": "d-1", "customer": "ann", "action": "open-card", "issue": "service",
            "channel": "push", "treatment": "short", "tone": "neutral", "language": "en",
            "text": "Open it?", "data": {}, "at": "2026-11-22T10:00:00Z",
            "reason": {
                "need": "card", "strength": 0.8, "because": "a flight", "score": 0.72,
                "policy": "bank", "version": "3fa9", "instead_of": [],
            },
        });
        let escalation = serde_json::json!({
            "id": "e-1", "customer": "ann", "queue": "claims", "topic": "billing",
            "priority": 4, "state": "open", "because": "the bot failed", "agent": null,
            "note": null, "opened": "2026-11-22T10:00:00Z", "level": 0, "changed": [],
            "at": "2026-11-22T10:00:00Z", "brief": null,
        });
        let would = serde_json::json!({
            "customer": "ann", "is_known": true, "at": "2026-11-22T10:00:00Z",
            "verdict": "taken in", "decision": null, "flips": [],
            "actions": [action, action],
            "escalations": [escalation, escalation],
            "recalls": [{
                "recall": "r-1", "decision": "d-0", "customer": "ann", "action": "promo",
                "channel": "email", "at": "2026-11-22T10:00:00Z", "stage": "contact",
                "because": { "no-consent": { "purpose": "marketing" } }, "policy": "bank",
                "version": "3fa9",
            }],
            "timers": [["later", "2026-11-22T11:00:00Z"]],
            "cancelled": [["silence", "2026-11-23T11:00:00Z"]],
            "needs": [{ "need": "card", "before": 0.1, "after": 0.8 }],
            "notes": ["a limit was reached"],
        });
        let would: WhatIfReply = serde_json::from_value(would).unwrap();
        withstands(&would, what_if);
        let text = plain(&what_if(&would));
        insta::assert_snapshot!(text.split_once("\n\nno candidate").unwrap().0, @r"
        ann, if it happened at 2026-11-22 10:00:00
        the event would be taken in; nothing stored, nothing sent

        Needs
          card  0.10 → 0.80

        Actions it would send
          open-card in push, neutral: “Open it?”
          open-card in push, neutral: “Open it?”

        Actions it would recall
          promo in email: no consent to marketing

        Escalations it would open
          claims, priority 4: billing
          claims, priority 4: billing

        Timers
          later at 2026-11-22 11:00:00
          silence at 2026-11-23 11:00:00 would be cancelled
        ");
    }
}
