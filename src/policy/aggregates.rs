//! Reads `[windows]`, `[counters]` and `[activities]`: aggregates over a twin's events, so that rules can
//! use the amount spent within a day, an interest that fades, or whether the customer has left.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::activities::{self, ActivityRule};
use super::read::{TomlItem, TomlKey, TomlTable};
use super::reader::{ExpressionSite, PolicyReader};
use super::rules;
use super::trigger::Pattern;
use super::{Expression, Index, SourceLocation, Trigger};

/// The aggregates of a policy, in the order of files and lines.
#[derive(Debug, Default)]
pub struct Aggregates {
    all: Box<[Aggregate]>,
    index: Index,
}

/// An aggregate over some inputs.
#[derive(Debug)]
pub struct Aggregate {
    /// Its name; a window, a counter and an activity may have the same.
    pub name: Box<str>,
    /// The condition for an input to count; none: always.
    pub when: Option<Expression>,
    /// The kind of aggregate.
    pub measure: AggregateKind,
    /// Its location.
    pub place: SourceLocation,
}

/// The kind of an aggregate.
#[derive(Debug)]
pub enum AggregateKind {
    /// Over a sliding period that ends now.
    Window {
        /// The period.
        over: Duration,
        /// The aggregate function.
        keep: AggregateFunction,
        /// The value of one input; none only for [`AggregateFunction::Count`].
        of: Option<Expression>,
    },
    /// A number that fades.
    Counter {
        /// The time in which it is halved.
        half_life: Duration,
        /// The amount that an input adds.
        by: Expression,
    },
    /// How often the customer is active.
    Activity(ActivityRule),
}

/// The function that a window applies to the inputs within its period.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
    strum::VariantNames,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "kebab-case")]
pub enum AggregateFunction {
    /// The number of inputs.
    Count,
    /// The sum of their values.
    Sum,
    /// The value of the last one.
    Last,
    /// The number of different values.
    Distinct,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
    /// The mean of their values.
    Mean,
}

impl AggregateFunction {
    /// Every function, in the order of the documentation.
    pub const ALL: &'static [AggregateFunction] =
        <AggregateFunction as strum::VariantArray>::VARIANTS;
    /// Every name, in the same order.
    pub const NAMES: &'static [&'static str] = <AggregateFunction as strum::VariantNames>::VARIANTS;

    /// Its name in policies.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether the values must be numbers.
    pub const fn needs_numbers(self) -> bool {
        matches!(
            self,
            AggregateFunction::Sum
                | AggregateFunction::Min
                | AggregateFunction::Max
                | AggregateFunction::Mean
        )
    }
}

impl Aggregates {
    pub(super) fn new(read: Vec<PatternedAggregate>) -> Aggregates {
        let index = Index::of(read.iter().map(|aggregate| aggregate.on.as_slice()));
        Aggregates { all: read.into_iter().map(|aggregate| aggregate.aggregate).collect(), index }
    }

    /// Whether there are no aggregates.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The aggregates that an input of this kind concerns, in the order of files and lines; also those of
    /// its further triggers: topics that it matches, broadcasts that are received with it.
    pub fn on<'a>(
        &'a self,
        trigger: Trigger,
        detail: &str,
        further_triggers: impl IntoIterator<Item = (Trigger, &'a str)>,
    ) -> impl Iterator<Item = &'a Aggregate> {
        let found = self.index.concerned(trigger, detail, further_triggers);
        (0..found.len()).map(move |at| &self.all[found[at] as usize])
    }

    /// The function of the window with this name, if there is one.
    pub fn window(&self, name: &str) -> Option<AggregateFunction> {
        self.all.iter().find_map(|aggregate| match aggregate.measure {
            AggregateKind::Window { keep, .. } if *aggregate.name == *name => Some(keep),
            _ => None,
        })
    }

    /// Whether there is a counter with this name.
    pub fn has_counter(&self, name: &str) -> bool {
        let is_it = |aggregate: &Aggregate| {
            matches!(aggregate.measure, AggregateKind::Counter { .. }) && *aggregate.name == *name
        };
        self.all.iter().any(is_it)
    }

    /// The activity with this name, if there is one.
    pub fn activity(&self, name: &str) -> Option<&ActivityRule> {
        self.all.iter().find_map(|aggregate| match &aggregate.measure {
            AggregateKind::Activity(rule) if *aggregate.name == *name => Some(rule),
            _ => None,
        })
    }
}

/// The kinds of aggregates.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Window,
    Counter,
    Activity,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Window, Kind::Counter, Kind::Activity];

    /// The words for one of them, and the table of all.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Kind::Window => ("window", "windows"),
            Kind::Counter => ("counter", "counters"),
            Kind::Activity => ("activity", "activities"),
        }
    }

    const fn of(measure: &AggregateKind) -> Kind {
        match measure {
            AggregateKind::Window { .. } => Kind::Window,
            AggregateKind::Counter { .. } => Kind::Counter,
            AggregateKind::Activity(_) => Kind::Activity,
        }
    }
}

/// An aggregate, and the inputs that it counts.
pub(super) struct PatternedAggregate {
    aggregate: Aggregate,
    on: Vec<Pattern>,
}

pub(super) fn read(
    table: &TomlTable<'_>,
    reader: &PolicyReader,
    aggregates: &mut Vec<PatternedAggregate>,
) {
    for kind in Kind::ALL {
        let (what, key) = kind.names();
        let Some(all) = table.get(key).and_then(TomlItem::table) else { continue };
        for (key, item) in all.entries() {
            let (Some(name), Some(table)) = (key.name(), item.table()) else { continue };
            let is_known = |known: &PatternedAggregate| {
                *known.aggregate.name == *name && Kind::of(&known.aggregate.measure) == kind
            };
            if aggregates.iter().any(is_known) {
                key.wrong(format!("the {what} `{name}` is defined twice"));
            }
            if let Some(aggregate) = aggregate(name, key, &table, reader, kind) {
                aggregates.push(aggregate);
            }
            table.finish();
        }
    }
}

fn aggregate(
    name: &str,
    key: TomlKey<'_>,
    table: &TomlTable<'_>,
    reader: &PolicyReader,
    kind: Kind,
) -> Option<PatternedAggregate> {
    let on = table.require("on").map(|item| rules::patterns(item, reader));
    let triggers: Vec<Trigger> = on.iter().flatten().map(|(trigger, _)| *trigger).collect();
    if triggers.contains(&Trigger::Dissatisfaction) {
        table.wrong(
            "expected `on` with events to count, such as `message`, found `dissatisfaction`, which \
             only rules react to",
        );
    }
    let situation = ExpressionSite::Rule(&triggers);
    let when = table.get("when").map(|item| reader.expression(item, situation));
    let measure = match kind {
        Kind::Window => window(table, reader, situation),
        Kind::Counter => {
            let half_life = table.require("half_life").and_then(TomlItem::period);
            let by = match table.get("by") {
                Some(item) => reader.expression(item, situation),
                None => Expression::compile("1").ok(),
            };
            half_life.zip(by).map(|(half_life, by)| AggregateKind::Counter { half_life, by })
        }
        Kind::Activity => activities::read(table, reader, situation).map(AggregateKind::Activity),
    };
    let aggregate = Aggregate {
        name: name.into(),
        when: rules::flat(when)?,
        measure: measure?,
        place: key.place(),
    };
    Some(PatternedAggregate { aggregate, on: on? })
}

fn window(
    table: &TomlTable<'_>,
    reader: &PolicyReader,
    situation: ExpressionSite<'_>,
) -> Option<AggregateKind> {
    let over = table.require("over").and_then(TomlItem::period);
    let keep = table.get("keep").map_or(Some(AggregateFunction::Count), |item| {
        item.one_of(AggregateFunction::NAMES, "aggregate function")
    });
    let of = table.get("of").map(|item| reader.expression(item, situation));
    match (keep?, &of) {
        (AggregateFunction::Count, Some(_)) => {
            table.wrong(format!(
                "expected `keep` with one of {} where there is `of`, found `count` (the default); \
                 to count inputs, leave `of` out",
                AggregateFunction::NAMES[1..].join(", ")
            ));
            return None;
        }
        (keep, None) if keep != AggregateFunction::Count => {
            table.wrong("expected a key `of` with the value to aggregate, found none");
            return None;
        }
        _ => {}
    }
    Some(AggregateKind::Window { over: over?, keep: keep?, of: rules::flat(of)? })
}
