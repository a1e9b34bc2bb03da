//! What an expression may read: paths, and the scope that resolves them.

use std::fmt;

use strum::VariantNames;

use crate::event::{Time, Value, Zone};

/// The first word of a path: the part of a twin's view that it reads.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, strum::EnumString, strum::IntoStaticStr, VariantNames,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Root {
    /// The current event (or fired timer): `event.type`, `event.channel`, `event.time`, `event.detail`,
    /// and the fields of its data (`event.name`, `event.properties.amount`).
    Event,
    /// Traits of the customer: `profile.first_name`.
    Profile,
    /// Fresh signals: `context.card_abroad`.
    Context,
    /// Facts that rules set: `facts.trips`.
    Facts,
    /// Usable preferences: `preferences.seat`, declared or inferred.
    Preferences,
    /// Strengths of live needs, 0 to 1: `needs.card_abroad`.
    Needs,
    /// Consents: `consents.marketing`, true or false; missing when never asked.
    Consents,
    /// The open interaction of a kind with the latest activity: `interactions.loan_form.step`; fields
    /// `id`, `kind`, `state`, `step`, `channel`, `started`, `touched`, `data.<name>`. Of all kinds the
    /// best paused one to resume: `interactions.best.step`.
    Interactions,
    /// Cases: `cases.open` (how many are open), `cases.<id>.state`, `.topic`, `.opened`, `.due`.
    Cases,
    /// Contacts by action: `contacts.<action>.at`, `.outcome`, `.channel`.
    Contacts,
    /// The customer's sentiment, from their own messages: `sentiment.level` and `.trend` (−1 to 1),
    /// `.volatility` and `.urgency` (0 to 1), `.messages`, `sentiment.channels.chat` (the level there).
    Sentiment,
    /// The customer's own data: `customer.id`, `customer.known_since`, `customer.last_seen` (before this
    /// event), `customer.inputs` (how many inputs this twin has processed).
    Customer,
    /// The need for which a treatment is rendered: `need.name`, `need.strength`, `need.evidence`.
    Need,
    /// Aggregates over a sliding period: `windows.logins_failed`.
    Windows,
    /// Numbers that fade: `counters.interest_suv`; 0 if nothing was counted.
    Counters,
    /// Activities and forecasts: `activities.orders.alive`.
    Activities,
    /// The customer's dissatisfaction, 0 to 1: `dissatisfaction`.
    Dissatisfaction,
    /// The values of broadcasts that match this customer: `shared.fires`, `shared.fires.level`.
    Shared,
    /// The customer's arm of each experiment: `experiments.tone`.
    Experiments,
    /// Escalations: `escalations.open` (how many are open or claimed), `escalations.claimed` (whether an
    /// agent holds the conversation), and of the one changed last `escalations.last.note`, `.state`,
    /// `.queue`, `.topic`, `.priority`, `.agent`, `.outcome`, `.at`.
    Escalations,
    /// The time of the reaction: `now`.
    Now,
}

impl Root {
    /// The words of all roots.
    pub const NAMES: &'static [&'static str] = Root::VARIANTS;

    /// The word in an expression.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A path read by an expression, parsed when the policy is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Path {
    /// The part of the twin's view.
    pub root: Root,
    /// The names below it.
    pub names: Box<[Box<str>]>,
}

impl Path {
    /// Whether it may have no value, for some customers or some inputs.
    pub(super) fn may_be_missing(&self) -> bool {
        let names: Vec<&str> = self.names().collect();
        match (self.root, &names[..]) {
            // A consent is either given or withdrawn.
            (Root::Event, ["granted" | "type" | "channel" | "time" | "detail"])
            | (Root::Cases, ["open"])
            | (Root::Escalations, ["open" | "claimed"]) => false,
            (Root::Sentiment, ["channels", ..]) => true,
            (
                Root::Needs
                | Root::Windows
                | Root::Counters
                | Root::Sentiment
                | Root::Customer
                | Root::Dissatisfaction
                | Root::Now,
                _,
            ) => false,
            _ => true,
        }
    }

    /// The names below the root, as a slice for matching.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.root.name())?;
        self.names().try_for_each(|name| write!(out, ".{name}"))
    }
}

/// The value at a path, borrowed where possible.
#[derive(Debug, Clone, PartialEq)]
pub enum Found<'a> {
    /// No value: an expression sees `null`.
    Missing,
    /// A value of a twin or an event.
    Value(&'a Value),
    /// Values by name.
    Map(&'a crate::event::Map),
    /// A text.
    Text(&'a str),
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer too large for `Int`.
    UInt(u64),
    /// A number.
    Float(f64),
    /// A time.
    Time(Time),
    /// A duration.
    Span(std::time::Duration),
}

impl Found<'_> {
    /// An owned value; `null` if there is none.
    pub fn value(self) -> Value {
        match self {
            Found::Missing => Value::Null,
            Found::Value(value) => value.clone(),
            Found::Map(map) => Value::Map(Box::new(map.clone())),
            Found::Text(text) => text.into(),
            Found::Bool(truth) => Value::Bool(truth),
            Found::Int(number) => Value::Int(number),
            Found::UInt(number) => number.into(),
            Found::Float(number) => number.into(),
            Found::Time(time) => Value::from(time.to_string().as_str()),
            Found::Span(span) => span.as_secs_f64().into(),
        }
    }
}

/// Resolves paths to values: a twin's state as one reaction sees it.
pub trait Scope {
    /// The value at `path`.
    fn find(&self, path: &Path) -> Found<'_>;

    /// The time zone in which times given in UTC are shown.
    fn zone(&self) -> Zone {
        Zone::UTC
    }
}

/// A scope for tests: values by the path as text.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct TestScope(std::collections::BTreeMap<String, crate::event::Value>);

#[cfg(test)]
impl TestScope {
    /// A scope in which `now` is 2026-03-02T09:00:00Z and each path has its value, as JSON.
    pub(crate) fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> TestScope {
        TestScope(
            pairs
                .into_iter()
                .map(|(path, json)| (path.to_owned(), serde_json::from_str(json).unwrap()))
                .collect(),
        )
    }
}

#[cfg(test)]
impl Scope for TestScope {
    fn find(&self, path: &Path) -> Found<'_> {
        if path.root == Root::Now {
            return Found::Time(Time::parse("2026-03-02T09:00:00Z").unwrap());
        }
        self.0.get(&path.to_string()).map_or(Found::Missing, Found::Value)
    }

    /// From the trait `timezone`, as for a twin.
    fn zone(&self) -> Zone {
        Zone::of(self.0.get("profile.timezone")).ok().flatten().unwrap_or(Zone::UTC)
    }
}
