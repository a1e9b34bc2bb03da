//! Reads `[windows]`, `[counters]` and `[activities]`: what a twin counts of the events that pass, so
//! that rules can ask for the amount spent within a day, for an interest that fades, or whether the
//! customer has left.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::activities::{self, ActivityRule};
use super::load::{Reader, Situation};
use super::names::one_of;
use super::read::{Item, Named, Table};
use super::rules::{self, Pattern};
use super::{Expression, Index, Place, Trigger};

/// What twins count, in the order of files and lines.
#[derive(Debug, Default)]
pub struct Tallies {
    all: Box<[Tally]>,
    index: Index,
}

/// Something that is counted on some inputs.
#[derive(Debug)]
pub struct Tally {
    /// Its name; a window, a counter and an activity may have the same.
    pub name: Box<str>,
    /// What must hold for an input to count; none: always.
    pub when: Option<Expression>,
    /// How it is counted.
    pub measure: Measure,
    /// Where it stands.
    pub place: Place,
}

/// How something is counted.
#[derive(Debug)]
pub enum Measure {
    /// Over a period that ends now and moves along.
    Window {
        /// The period.
        over: Duration,
        /// What is kept of it.
        keep: Keep,
        /// The value of one input; none only for [`Keep::Count`].
        of: Option<Expression>,
    },
    /// As a number that fades.
    Counter {
        /// The time in which it falls to half.
        half_life: Duration,
        /// What an input adds.
        by: Expression,
    },
    /// As how often the customer is active.
    Activity(ActivityRule),
}

/// What a window keeps of the inputs within its period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// How many there were.
    Count,
    /// The sum of their values.
    Sum,
    /// The value of the last one.
    Last,
    /// How many different values there were.
    Distinct,
    /// The least value.
    Min,
    /// The greatest value.
    Max,
    /// The mean of their values.
    Mean,
}

impl Keep {
    /// Every one, in the order of the documentation.
    pub const ALL: [Keep; 7] =
        [Keep::Count, Keep::Sum, Keep::Last, Keep::Distinct, Keep::Min, Keep::Max, Keep::Mean];

    /// Its name in policies.
    pub const fn name(self) -> &'static str {
        match self {
            Keep::Count => "count",
            Keep::Sum => "sum",
            Keep::Last => "last",
            Keep::Distinct => "distinct",
            Keep::Min => "min",
            Keep::Max => "max",
            Keep::Mean => "mean",
        }
    }

    /// Whether the values must be numbers.
    pub const fn needs_numbers(self) -> bool {
        matches!(self, Keep::Sum | Keep::Min | Keep::Max | Keep::Mean)
    }
}

impl Tallies {
    pub(super) fn new(read: Vec<Patterned>) -> Tallies {
        let index = Index::of(read.iter().map(|tally| tally.on.as_slice()));
        Tallies { all: read.into_iter().map(|tally| tally.tally).collect(), index }
    }

    /// Whether nothing is counted at all.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Those that an input of this kind concerns, in the order of files and lines; also those of
    /// what else it means: topics that it touches, broadcasts that are met with it.
    pub fn on<'a>(
        &'a self,
        trigger: Trigger,
        detail: &str,
        besides: impl IntoIterator<Item = (Trigger, &'a str)>,
    ) -> impl Iterator<Item = &'a Tally> {
        let found = self.index.concerned(trigger, detail, besides);
        (0..found.len()).map(move |at| &self.all[found[at] as usize])
    }

    /// What the window of a name keeps, if there is one.
    pub fn window(&self, name: &str) -> Option<Keep> {
        self.all.iter().find_map(|tally| match tally.measure {
            Measure::Window { keep, .. } if *tally.name == *name => Some(keep),
            _ => None,
        })
    }

    /// Whether there is a counter of a name.
    pub fn has_counter(&self, name: &str) -> bool {
        let is_it = |tally: &Tally| {
            matches!(tally.measure, Measure::Counter { .. }) && *tally.name == *name
        };
        self.all.iter().any(is_it)
    }

    /// How the activity of a name is counted, if there is one.
    pub fn activity(&self, name: &str) -> Option<&ActivityRule> {
        self.all.iter().find_map(|tally| match &tally.measure {
            Measure::Activity(rule) if *tally.name == *name => Some(rule),
            _ => None,
        })
    }
}

/// The kinds of tallies.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Window,
    Counter,
    Activity,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Window, Kind::Counter, Kind::Activity];

    /// One of them, and the table of all.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Kind::Window => ("window", "windows"),
            Kind::Counter => ("counter", "counters"),
            Kind::Activity => ("activity", "activities"),
        }
    }

    const fn of(measure: &Measure) -> Kind {
        match measure {
            Measure::Window { .. } => Kind::Window,
            Measure::Counter { .. } => Kind::Counter,
            Measure::Activity(_) => Kind::Activity,
        }
    }
}

/// A tally, and the inputs on which it counts.
pub(super) struct Patterned {
    tally: Tally,
    on: Vec<Pattern>,
}

pub(super) fn read(table: &Table<'_>, reader: &Reader, tallies: &mut Vec<Patterned>) {
    for kind in Kind::ALL {
        let (what, key) = kind.names();
        let Some(all) = table.get(key).and_then(Item::table) else { continue };
        for (key, item) in all.entries() {
            let (Some(name), Some(table)) = (key.name(), item.table()) else { continue };
            let is_known = |known: &Patterned| {
                *known.tally.name == *name && Kind::of(&known.tally.measure) == kind
            };
            if tallies.iter().any(is_known) {
                key.wrong(format!("the {what} `{name}` stands here twice"));
            }
            if let Some(tally) = tally(name, key, &table, reader, kind) {
                tallies.push(tally);
            }
            table.finish();
        }
    }
}

fn tally(
    name: &str,
    key: Named<'_>,
    table: &Table<'_>,
    reader: &Reader,
    kind: Kind,
) -> Option<Patterned> {
    let on = table.require("on").map(|item| rules::patterns(item, reader));
    let triggers: Vec<Trigger> = on.iter().flatten().map(|(trigger, _)| *trigger).collect();
    if triggers.contains(&Trigger::Dissatisfaction) {
        table.wrong("expected inputs to count, found `dissatisfaction`, which only rules hear");
    }
    let situation = Situation::Rule(&triggers);
    let when = table.get("when").map(|item| reader.expression(item, situation));
    let measure = match kind {
        Kind::Window => window(table, reader, situation),
        Kind::Counter => {
            let half_life = table.require("half_life").and_then(period);
            let by = match table.get("by") {
                Some(item) => reader.expression(item, situation),
                None => Expression::compile("1").ok(),
            };
            half_life.zip(by).map(|(half_life, by)| Measure::Counter { half_life, by })
        }
        Kind::Activity => activities::read(table, reader, situation).map(Measure::Activity),
    };
    let tally = Tally {
        name: name.into(),
        when: rules::flat(when)?,
        measure: measure?,
        place: key.place(),
    };
    Some(Patterned { tally, on: on? })
}

fn window(table: &Table<'_>, reader: &Reader, situation: Situation<'_>) -> Option<Measure> {
    let over = table.require("over").and_then(period);
    let keep = table.get("keep").map_or(Some(Keep::Count), keep);
    let of = table.get("of").map(|item| reader.expression(item, situation));
    match (keep?, &of) {
        (Keep::Count, Some(_)) => {
            let others: Vec<&str> = Keep::ALL.into_iter().skip(1).map(Keep::name).collect();
            table.wrong(format!(
                "expected no `of` where inputs are counted, found one; `keep` may be {}",
                others.join(", ")
            ));
            return None;
        }
        (keep, None) if keep != Keep::Count => {
            table.wrong("expected a key `of` here, found none: the values of its inputs");
            return None;
        }
        _ => {}
    }
    Some(Measure::Window { over: over?, keep: keep?, of: rules::flat(of)? })
}

/// A span of time that is not empty.
pub(super) fn period(item: Item<'_>) -> Option<Duration> {
    let span = item.span()?;
    if span.as_millis() == 0 {
        item.wrong("expected more than no time at all");
        return None;
    }
    Some(span)
}

fn keep(item: Item<'_>) -> Option<Keep> {
    let word = item.text()?;
    let known = Keep::ALL.into_iter().find(|keep| keep.name() == word);
    if let (None, Err(message)) = (known, one_of(word, &Keep::ALL.map(Keep::name), "way to keep")) {
        item.wrong(message);
    }
    known
}
