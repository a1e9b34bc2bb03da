//! A brief as text for people. The words around the facts come from a language's data.

use std::fmt::Write as _;

use crate::event::{Map, Time, Value, unsigned_zero};
use crate::language::Languages;
use crate::twin::effect::{Attempt, AvoidedBecause, Brief, Felt, Mood};

/// From this level on a mood is good; below its negative it is bad.
const NOTABLE: f64 = 0.2;

/// From this urgency on it is urgent.
const PRESSING: f64 = 0.5;

/// A text that is written line by line.
struct Page<'a> {
    languages: &'a Languages,
    tag: Option<&'a str>,
    text: String,
}

impl Page<'_> {
    fn say(&self, key: &str, values: &[(&str, &str)]) -> String {
        self.languages.say(self.tag, key, values)
    }

    fn section(&mut self, key: &str, lines: Vec<String>) {
        if lines.is_empty() {
            return;
        }
        let title = self.say(key, &[]);
        // Writing to a string cannot fail.
        let _ = write!(self.text, "\n{title}\n");
        for line in lines {
            let _ = writeln!(self.text, "  {}", one_line(&line));
        }
    }
}

/// A customer's text on one line, so that none of it looks like a line of the brief.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// A time to the minute: `2026-03-02 09:30`.
fn moment(at: Time) -> String {
    at.to_utc().format("%Y-%m-%d %H:%M").to_string()
}

fn hour(at: Time) -> String {
    at.to_utc().format("%H:%M").to_string()
}

fn pairs(map: &Map) -> String {
    let plain = map.iter().filter(|(_, value)| !matches!(value, Value::Map(_) | Value::List(_)));
    let pairs: Vec<String> = plain.map(|(name, value)| format!("{name} {value}")).collect();
    pairs.join(", ")
}

impl Brief {
    /// The brief as plain text in the given language, else in English; empty sections are left out.
    pub fn text(&self, languages: &Languages, tag: Option<&str>) -> String {
        let mut page = Page { languages, tag, text: String::new() };
        let since = moment(self.known_since);
        let who = [("customer", self.customer.as_str()), ("since", &since)];
        let who = page.languages.say(tag, "brief.who", &who);
        let _ = writeln!(page.text, "{}", one_line(&who));
        let traits = pairs(&self.traits);
        if !traits.is_empty() {
            let _ = writeln!(page.text, "{}", one_line(&traits));
        }
        let remark =
            |by: &Option<Box<str>>| by.as_ref().map_or_else(String::new, |by| format!("{by}: "));
        let story = self.story.iter();
        let story =
            story.map(|line| format!("{}  {}{}", moment(line.at), remark(&line.by), line.text));
        page.section("brief.story", story.collect());
        let needs = self.needs.iter().map(|(need, because)| match &**because {
            "" => need.to_string(),
            because => format!("{need}: {because}"),
        });
        page.section("brief.wants", needs.collect());
        if let Some(mood) = &self.mood {
            let lines = mood_lines(mood, &page);
            page.section("brief.mood", lines);
        }
        let tried = self.tried_lines(&page);
        page.section("brief.tried", tried);
        let lines = self.transcript.iter().map(|line| {
            let from = page.say(&format!("brief.{}", line.from.name()), &[]);
            format!("{}  {from}: {}", hour(line.at), line.text)
        });
        let lines = lines.collect();
        page.section("brief.said", lines);
        let open = self.open_lines(&page);
        page.section("brief.open", open);
        let speak = self.speak_line(&page);
        page.section("brief.speak", vec![speak]);
        let avoid = self.avoid.iter().map(|one| {
            let key = match one.why {
                AvoidedBecause::Sensitive => "brief.sensitive",
                AvoidedBecause::Rejected => "brief.rejected",
                AvoidedBecause::Distress => "brief.distress",
            };
            page.say(key, &[("topic", &one.topic)])
        });
        let avoid = avoid.collect();
        page.section("brief.avoid", avoid);
        let next = self.next.iter().map(|step| match &*step.text {
            "" => step.action.to_string(),
            text => format!("{}: “{text}”", step.action),
        });
        page.section("brief.next", next.collect());
        page.text
    }

    fn tried_lines(&self, page: &Page<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        if self.bot_answers > 0 {
            lines.push(page.say("brief.answers", &[("count", &self.bot_answers.to_string())]));
        }
        lines.extend(self.tried.iter().map(|attempt: &Attempt| {
            let outcome = attempt.outcome.map_or("outcome.unknown".to_owned(), |outcome| {
                format!("outcome.{}", outcome.name())
            });
            let (at, outcome) = (moment(attempt.at), page.say(&outcome, &[]));
            format!("{at}  {} ({}): {outcome}", attempt.action, attempt.channel)
        }));
        lines
    }

    fn open_lines(&self, page: &Page<'_>) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for one in &self.interactions {
            let mut line = format!("{} {} ({})", one.kind, one.id, one.channel);
            if one.step != Value::Null {
                let step = one.step.to_string();
                let _ = write!(line, ", {}", page.say("brief.step", &[("step", &step)]));
            }
            let data = pairs(&one.data);
            if !data.is_empty() {
                let _ = write!(line, ": {data}");
            }
            lines.push(line);
        }
        for case in &self.cases {
            let topic = case.topic.as_deref().unwrap_or_default();
            let id = [("case", &*case.id), ("topic", topic), ("state", &*case.state)];
            let mut line = page.say("brief.case", &id);
            if let Some(due) = case.due {
                let due = moment(due);
                let _ = write!(line, ", {}", page.say("brief.due", &[("due", &due)]));
            }
            lines.push(line);
        }
        lines
    }

    fn speak_line(&self, page: &Page<'_>) -> String {
        let tone = page.say(&format!("brief.{}", self.speak.tone), &[]);
        let mut parts: Vec<String> = Vec::new();
        parts.extend(self.speak.language.as_deref().map(str::to_owned));
        parts.push(tone);
        if let Some(channel) = &self.speak.channel {
            parts.push(page.say("brief.channel", &[("channel", &channel.to_string())]));
        }
        if let Some(hour) = &self.speak.hour {
            parts.push(page.say("brief.hour", &[("hour", &hour.to_string())]));
        }
        parts.join(", ")
    }
}

fn mood_lines(mood: &Mood, page: &Page<'_>) -> Vec<String> {
    let word = |level: f64, bad: &str, fair: &str, good: &str| {
        let key = match level {
            level if level <= -NOTABLE => bad,
            level if level >= NOTABLE => good,
            _ => fair,
        };
        page.say(key, &[])
    };
    let mut parts = vec![word(mood.level, "brief.bad", "brief.fair", "brief.good")];
    if mood.trend.abs() >= NOTABLE {
        parts.push(word(mood.trend, "brief.worse", "", "brief.better"));
    }
    if mood.urgency >= PRESSING {
        parts.push(page.say("brief.pressing", &[]));
    }
    if let Some(index) = mood.dissatisfaction.filter(|index| *index >= NOTABLE) {
        let level = format!("{index:.2}");
        parts.push(page.say("brief.dissatisfied", &[("level", &level)]));
    }
    let felt = mood.course.iter().map(|felt: &Felt| {
        let words: Vec<String> = felt.words.iter().map(|word| format!("“{word}”")).collect();
        let line = format!(
            "{}  {}  {:+.1}  {}",
            moment(felt.at),
            felt.channel,
            unsigned_zero(felt.valence, 1),
            words.join(" ")
        );
        line.trim_end().to_owned()
    });
    [parts.join(", ")].into_iter().chain(felt).collect()
}
