//! What an expression may read: paths, and whoever can answer them.

use std::fmt;

use crate::event::{Time, Value, Zone};

/// The first word of a path: which part of a twin's world it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Root {
    /// The event (or fired timer) at hand: `event.type`, `event.channel`, `event.time`,
    /// `event.detail`, and the fields of its data (`event.name`, `event.properties.amount`).
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
    /// The open interaction of a kind that was touched last: `interactions.loan_form.step`; fields
    /// `id`, `kind`, `state`, `step`, `channel`, `started`, `touched`, `data.<name>`. Of all kinds
    /// the paused one that fits best to be taken up: `interactions.best.step`.
    Interactions,
    /// Cases: `cases.open` (how many are open), `cases.<id>.state`, `.topic`, `.opened`, `.due`.
    Cases,
    /// Contacts by action: `contacts.<action>.at`, `.outcome`, `.channel`.
    Contacts,
    /// How the customer feels, by their own words: `sentiment.level` and `.trend` (−1 to 1),
    /// `.volatility` and `.urgency` (0 to 1), `.messages`, `sentiment.channels.chat` (the level
    /// there).
    Sentiment,
    /// The customer's own data: `customer.id`, `customer.known_since`, `customer.last_seen`
    /// (before this event), `customer.inputs` (how many inputs this twin has taken in).
    Customer,
    /// The need for which a treatment is rendered: `need.name`, `need.strength`, `need.evidence`.
    Need,
    /// What windows keep of a period: `windows.logins_failed`.
    Windows,
    /// Numbers that fade: `counters.interest_suv`; 0 if nothing was counted.
    Counters,
    /// How often the customer is active, and what that lets expect: `activities.orders.alive`.
    Activities,
    /// How dissatisfied the customer is, 0 to 1: `dissatisfaction`.
    Dissatisfaction,
    /// Facts that broadcasts share with this customer: `shared.fires`, `shared.fires.level`.
    Shared,
    /// The arm of each experiment in which the customer is: `experiments.tone`.
    Experiments,
    /// What was handed to people: `escalations.open` (how many wait or are held),
    /// `escalations.claimed` (whether an agent holds the conversation), and of the one touched last
    /// `escalations.last.note`, `.state`, `.queue`, `.topic`, `.priority`, `.agent`, `.outcome`,
    /// `.at`.
    Escalations,
    /// The moment of the reaction: `now`.
    Now,
}

impl Root {
    /// Every root.
    pub const ALL: [Root; 21] = [
        Root::Event,
        Root::Profile,
        Root::Context,
        Root::Facts,
        Root::Preferences,
        Root::Needs,
        Root::Consents,
        Root::Interactions,
        Root::Cases,
        Root::Contacts,
        Root::Sentiment,
        Root::Customer,
        Root::Need,
        Root::Windows,
        Root::Counters,
        Root::Activities,
        Root::Dissatisfaction,
        Root::Shared,
        Root::Experiments,
        Root::Escalations,
        Root::Now,
    ];

    /// The word in an expression.
    pub const fn name(self) -> &'static str {
        match self {
            Root::Event => "event",
            Root::Profile => "profile",
            Root::Context => "context",
            Root::Facts => "facts",
            Root::Preferences => "preferences",
            Root::Needs => "needs",
            Root::Consents => "consents",
            Root::Interactions => "interactions",
            Root::Cases => "cases",
            Root::Contacts => "contacts",
            Root::Sentiment => "sentiment",
            Root::Customer => "customer",
            Root::Need => "need",
            Root::Windows => "windows",
            Root::Counters => "counters",
            Root::Activities => "activities",
            Root::Dissatisfaction => "dissatisfaction",
            Root::Shared => "shared",
            Root::Experiments => "experiments",
            Root::Escalations => "escalations",
            Root::Now => "now",
        }
    }
}

/// One place that an expression reads, taken apart when the policy is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Path {
    /// Which part of the twin's world.
    pub root: Root,
    /// The names below it.
    pub names: Box<[Box<str>]>,
}

impl Path {
    /// Whether there may be nothing, for some customers or some inputs.
    pub(super) fn may_be_missing(&self) -> bool {
        let names: Vec<&str> = self.names().collect();
        match (self.root, &names[..]) {
            // A consent is given or withdrawn.
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

    /// The names below the root, as a slice to match on.
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

/// What is found at a path: borrowed where it can be.
#[derive(Debug, Clone, PartialEq)]
pub enum Found<'a> {
    /// Nothing: an expression sees `null`.
    Missing,
    /// A value of a twin or an event.
    Value(&'a Value),
    /// Values by name.
    Map(&'a crate::event::Map),
    /// A text.
    Text(&'a str),
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number too large for `Int`.
    UInt(u64),
    /// A number.
    Float(f64),
    /// A moment.
    Time(Time),
    /// A span of time.
    Span(std::time::Duration),
}

impl Found<'_> {
    /// A value of its own; `null` where nothing stands.
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

/// Whoever can say what stands at a path. A twin's world as one reaction sees it.
pub trait Scope {
    /// What stands at `path`.
    fn find(&self, path: &Path) -> Found<'_>;

    /// By which clock moments are shown that are given in UTC.
    fn zone(&self) -> Zone {
        Zone::UTC
    }
}

/// A scope for tests: values by the path as it is written.
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

    /// As a twin has it: the trait `timezone`.
    fn zone(&self) -> Zone {
        Zone::of(self.0.get("profile.timezone")).ok().flatten().unwrap_or(Zone::UTC)
    }
}
