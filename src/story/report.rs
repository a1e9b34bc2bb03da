use std::fmt;
use std::time::Duration;

use anstyle::{AnsiColor, Style};

use super::check::offset;
use super::{Finding, Played, StepSubject, Story, Turn, TurnCause};
use crate::config::limits;
use crate::event::{Map, Reason, Rejection, Value, cut};
use crate::terminal::TextStyle;
use crate::twin::{
    CandidateVerdict, Decision, Effect, Escalation, EscalationState, InputResult, News, Note,
    Reaction,
};

const GOOD: TextStyle = TextStyle::new(AnsiColor::Green.on_default().bold());
const BAD: TextStyle = TextStyle::new(AnsiColor::Red.on_default().bold());
const DIM: TextStyle = TextStyle::new(Style::new().dimmed());
const OUT: TextStyle = TextStyle::new(AnsiColor::Cyan.on_default());
const WARN: TextStyle = TextStyle::new(AnsiColor::Yellow.on_default());

/// A story with its results, for people to read.
///
/// Its [`Display`](fmt::Display) has colours; print it with [`say`](crate::terminal::say), which drops
/// them where they would not be visible.
#[derive(Debug)]
pub struct StoryReport<'a> {
    /// The story.
    pub story: &'a Story,
    /// The played story, if it was played here.
    pub played: Option<&'a Played>,
    /// The results of the expectations.
    pub findings: &'a [Finding],
    /// How long the story took.
    pub took: Duration,
}

impl StoryReport<'_> {
    /// Whether all expectations were met, and every step was accepted or rejected as expected.
    pub fn is_passed(&self) -> bool {
        self.findings.iter().all(Finding::is_met)
            && self.refusals().next().is_none()
            && !self.is_cut()
    }

    fn is_cut(&self) -> bool {
        self.played.is_some_and(|played| played.is_cut)
    }

    /// Steps that were rejected and should not have been, or accepted and should have been rejected.
    fn refusals(&self) -> impl Iterator<Item = (&Turn, String)> {
        let turns = self.played.map_or(&[][..], |played| &played.turns);
        turns.iter().filter_map(|turn| {
            let TurnCause::Step(position) = turn.cause else { return None };
            let step = self.story.steps.get(position)?;
            let refusal = match &turn.reaction {
                Err(rejection) => Some(rejection),
                Ok(Reaction { result: InputResult::Refused(rejection), .. }) => Some(rejection),
                Ok(_) => None,
            };
            match (refusal, step.refused) {
                (Some(rejection), false) => Some((turn, refused(rejection))),
                (None, true) => Some((turn, "accepted, but should be refused".to_owned())),
                _ => None,
            }
        })
    }
}

impl fmt::Display for StoryReport<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mark, style) = if self.is_passed() { ("✓", GOOD) } else { ("✗", BAD) };
        let ms = self.took.as_secs_f64() * 1_000.0;
        let Story { name, place, .. } = self.story;
        writeln!(out, "{style}{mark} {name}{style:#}  {DIM}{} · {ms:.1} ms{DIM:#}", place.file())?;
        let turns = self.played.map_or(&[][..], |played| &played.turns);
        for turn in turns {
            self.turn(out, turn)?;
        }
        for finding in self.findings {
            match &finding.instead {
                None => writeln!(out, "    {GOOD}✓{GOOD:#} {}", finding.expected)?,
                Some(instead) => {
                    writeln!(out, "    {BAD}✗ {}{BAD:#}", finding.expected)?;
                    writeln!(out, "      {DIM}{}{DIM:#} but: {instead}", finding.place)?;
                }
            }
        }
        for (turn, refusal) in self.refusals() {
            writeln!(out, "    {BAD}✗ at {}: {refusal}{BAD:#}", self.moment(turn))?;
        }
        if self.is_cut() {
            let most = limits::STORY_TURNS;
            writeln!(
                out,
                "    {BAD}✗ expected at most {most} inputs in the story, found more; does a timer \
                 repeat for ever?{BAD:#}"
            )?;
        }
        Ok(())
    }
}

impl StoryReport<'_> {
    fn moment(&self, turn: &Turn) -> String {
        offset(turn.at.since(self.story.start))
    }

    fn turn(&self, out: &mut fmt::Formatter<'_>, turn: &Turn) -> fmt::Result {
        let Turn { customer, cause, reaction, .. } = turn;
        let at = self.moment(turn);
        let customer = customer.as_ref().map_or("", |customer| customer.as_str());
        match cause {
            TurnCause::Step(position) => {
                let Some(step) = self.story.steps.get(*position) else { return Ok(()) };
                match &step.subject {
                    StepSubject::Event { channel, kind, .. } => {
                        let summary = summary(&step.data);
                        writeln!(
                            out,
                            "    {DIM}{at:>9}{DIM:#}  {customer} ◂ {channel}  {kind} {DIM}{summary}{DIM:#}"
                        )?;
                    }
                    StepSubject::Broadcast(scope) => {
                        let fact = shared(&step.data);
                        writeln!(
                            out,
                            "    {DIM}{at:>9}{DIM:#}  ◂ broadcast {scope} {DIM}{fact}{DIM:#}"
                        )?;
                    }
                }
            }
            TurnCause::Forwarded(kind) => {
                writeln!(out, "    {DIM}{at:>9}{DIM:#}  {customer} ◂ {kind} forwarded")?;
            }
            TurnCause::Broadcast(scope) => {
                writeln!(out, "    {DIM}{at:>9}{DIM:#}  {customer} ◂ meets {scope}")?;
            }
            TurnCause::Timer(name) => {
                writeln!(out, "    {DIM}{at:>9}{DIM:#}  {customer} ◷ {name}")?;
            }
        }
        let Ok(reaction) = reaction else { return Ok(()) };
        reacted(out, reaction)
    }
}

/// The sentence for a rejected step. A reason that is itself called `refused` is not repeated.
fn refused(rejection: &Rejection) -> String {
    match rejection.reason {
        Reason::Refused => rejection.to_string(),
        _ => format!("refused: {rejection}"),
    }
}

const INDENT: &str = "               ";

fn reacted(out: &mut fmt::Formatter<'_>, reaction: &Reaction) -> fmt::Result {
    for effect in &reaction.effects {
        match effect {
            Effect::Act(action) => {
                writeln!(
                    out,
                    "{INDENT}{OUT}▸ {} in {} ({}, {}){OUT:#}  “{}”",
                    action.action,
                    action.channel,
                    action.tone,
                    action.language,
                    one_line(&action.text)
                )?;
                let reason = &action.reason;
                if let Some(need) = &reason.need {
                    let because = one_line(&reason.because);
                    let colon = if because.is_empty() { "" } else { ": " };
                    let strength = reason.strength;
                    writeln!(
                        out,
                        "{INDENT}  {DIM}because of {need} {strength:.2}{colon}{because}{DIM:#}"
                    )?;
                }
            }
            Effect::Recall(recall) => {
                let (action, channel) = (&recall.action, &recall.channel);
                let because = one_line(&recall.because.to_string());
                writeln!(out, "{INDENT}{OUT}↶ takes back {action} in {channel}{OUT:#}")?;
                writeln!(out, "{INDENT}  {DIM}because {because}{DIM:#}")?;
            }
            Effect::Escalate(escalation) => escalated(out, escalation)?,
            Effect::Forward(message) => {
                writeln!(out, "{INDENT}{DIM}goes on to {}{DIM:#}", message.to)?;
            }
            Effect::StartTimer { name, due } => {
                writeln!(out, "{INDENT}{DIM}starts {name}, due {due}{DIM:#}")?;
            }
            Effect::CancelTimer { name, .. } => {
                writeln!(out, "{INDENT}{DIM}cancels {name}{DIM:#}")?;
            }
            Effect::Forget { seen } => {
                writeln!(out, "{INDENT}{OUT}forgets the customer, last seen {seen}{OUT:#}")?;
            }
            Effect::LetGo => writeln!(out, "{INDENT}{DIM}deletes its history{DIM:#}")?,
            Effect::Record(_) | Effect::Observe(_) | Effect::Try(_) | Effect::Journal { .. } => {}
        }
    }
    match reaction.decision() {
        Some(decision) if decision.chosen.is_empty() => kept_quiet(out, decision)?,
        _ => {}
    }
    for note in &reaction.notes {
        match note {
            Note::Policy(place, why) => writeln!(out, "{INDENT}{WARN}! {place}: {why}{WARN:#}")?,
            Note::Time(..) => writeln!(out, "{INDENT}{WARN}! {note}{WARN:#}")?,
            Note::Unknown(..) => writeln!(out, "{INDENT}{WARN}! {note}{WARN:#}")?,
            Note::Zone(_) => writeln!(out, "{INDENT}{WARN}! {note}{WARN:#}")?,
            Note::Circle => writeln!(out, "{INDENT}{WARN}! {note}{WARN:#}")?,
            Note::Limit(name) => writeln!(out, "{INDENT}{WARN}! limit {name} reached{WARN:#}")?,
            Note::Late(_) => writeln!(out, "{INDENT}{WARN}! {note}{WARN:#}")?,
            Note::NotUnderstood => writeln!(out, "{INDENT}{WARN}! {note}{WARN:#}")?,
            Note::Exceeded(one) => writeln!(out, "{INDENT}{WARN}! {one}{WARN:#}")?,
        }
    }
    Ok(())
}

fn escalated(out: &mut fmt::Formatter<'_>, escalation: &Escalation) -> fmt::Result {
    let Escalation { queue, topic, priority, .. } = escalation;
    let by = escalation.agent.as_ref().map_or(String::new(), |agent| format!(" by {agent}"));
    if let Some(News { what, text }) = escalation.changed.first() {
        let text = one_line(text);
        return writeln!(out, "{INDENT}{DIM}▸ {queue}, {topic}: {what}: {text}{DIM:#}");
    }
    let state = match escalation.state {
        EscalationState::Open => {
            let because = one_line(&escalation.because);
            let lines = escalation.brief.as_ref().map_or(0, |brief| brief.transcript.len());
            let lines = if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") };
            writeln!(
                out,
                "{INDENT}{OUT}▸ to people: {queue}, {topic}, priority {priority}{OUT:#}"
            )?;
            return writeln!(out, "{INDENT}  {DIM}because {because}; {lines} of transcript{DIM:#}");
        }
        EscalationState::Claimed => "claimed",
        EscalationState::HandedBack => "handed back",
        EscalationState::Resolved => "resolved",
        EscalationState::Expired => "the deadline was missed",
    };
    writeln!(out, "{INDENT}{OUT}▸ {queue}, {topic}: {state}{by}{OUT:#}")
}

/// Writes why no action was taken although there were candidates.
fn kept_quiet(out: &mut fmt::Formatter<'_>, decision: &Decision) -> fmt::Result {
    for candidate in &decision.candidates {
        if matches!(candidate.verdict, CandidateVerdict::Chosen | CandidateVerdict::Outscored) {
            continue;
        }
        let why = candidate.verdict.to_string();
        writeln!(out, "{INDENT}{DIM}· not {}: {}{DIM:#}", candidate.action, one_line(&why))?;
    }
    Ok(())
}

/// The few fields of an event's data that distinguish it.
fn summary(data: &Value) -> String {
    let Value::Map(map) = data else { return String::new() };
    let text = |map: &Map, name| map.get(name).map(Value::to_string);
    let name = ["name", "from", "kind", "key", "purpose", "decision", "escalation", "id"]
        .into_iter()
        .find_map(|name| text(map, name));
    let more = ["text", "state", "value", "granted", "outcome", "properties", "traits"]
        .into_iter()
        .find_map(|name| text(map, name));
    let parts: Vec<String> = name.into_iter().chain(more).collect();
    one_line(&parts.join(" "))
}

/// The value of a broadcast, and its audience.
fn shared(data: &Value) -> String {
    let Value::Map(map) = data else { return String::new() };
    match (map.get("value"), map.get("where")) {
        (None, _) => "is over".to_owned(),
        (Some(value), None) => one_line(&format!("{value} for everybody")),
        (Some(value), Some(condition)) => one_line(&format!("{value} where {condition}")),
    }
}

fn one_line(text: &str) -> String {
    const WIDTH: usize = 160;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match cut(&line, WIDTH) {
        whole if whole.len() == line.len() => line,
        part => format!("{part}…"),
    }
}
