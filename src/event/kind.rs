use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::field::{name, optional_name, value, values};
use super::{
    Analysis, AskData, ConsentData, HandoffData, Map, OutcomeData, Reason, Rejection, Time, Value,
    json, nullable,
};

/// The types of events, with their names on the bus.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
    strum::VariantNames,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "kebab-case")]
pub enum EventType {
    /// Traits of the customer.
    Identify,
    /// Links this identifier to a customer.
    Link,
    /// Unlinks an identifier that is another customer's.
    Unlink,
    /// A page was viewed.
    Page,
    /// A screen of an app was viewed.
    Screen,
    /// An occurrence with a name chosen by the channel.
    Track,
    /// A message by the customer, an agent or a bot.
    Message,
    /// The customer declared, or took back, a preference.
    Preference,
    /// The customer granted or withdrew a consent.
    Consent,
    /// A conversation or journey progressed.
    Interaction,
    /// A case with the company progressed.
    Case,
    /// A live fact from a system: place, weather, device, usage…
    Signal,
    /// The outcome of an action.
    Outcome,
    /// An agent took, returned or resolved an escalation.
    Handoff,
    /// A channel requests actions to show now.
    Ask,
}

impl EventType {
    /// Every type, in the order of the contract.
    pub const ALL: &'static [EventType] = <EventType as strum::VariantArray>::VARIANTS;
    /// Every name, in the same order.
    pub const NAMES: &'static [&'static str] = <EventType as strum::VariantNames>::VARIANTS;

    /// The type's name on the bus.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The data that an event of this type carries, for error messages.
    const fn expected(self) -> &'static str {
        match self {
            EventType::Identify => r#"{"traits": {…}}"#,
            EventType::Link => r#"{"to": "<customer>"} or {"to": "<customer>", "merge": true}"#,
            EventType::Unlink => r#"{"from": "<identifier>"}"#,
            EventType::Page | EventType::Screen | EventType::Track => {
                r#"{"name": "…", "properties": {…}}"#
            }
            EventType::Message => r#"{"text": "…", "from": "customer|agent|bot"}"#,
            EventType::Preference => r#"{"key": "…", "value": …} or {"key": "…", "forget": true}"#,
            EventType::Consent => r#"{"purpose": "…", "granted": true|false, "proof": "…"}"#,
            EventType::Interaction => {
                r#"{"id": "…", "kind": "…", "state": "started|progressed|paused|resumed|completed|abandoned"}"#
            }
            EventType::Case => r#"{"id": "…", "state": "…"}"#,
            EventType::Signal => r#"{"name": "…", "value": …, "ttl": <seconds>}"#,
            EventType::Outcome => {
                r#"{"decision": "…", "outcome": "offered|delivered|seen|clicked|accepted|rejected|dismissed|later|ignored|recalled"}"#
            }
            EventType::Handoff => {
                r#"{"escalation": "…", "state": "claimed|noted|handed-back|resolved", "agent": "…"} or {"state": "opened", "topic": "…", "queue": "…"}"#
            }
            EventType::Ask => r#"{"placements": ["…"], "most": 1, "properties": {…}}"#,
        }
    }
}

impl EventType {
    /// The rejection of data of another shape.
    fn bad(self, found: &dyn fmt::Display) -> Rejection {
        let shape = self.expected();
        let detail = format!("expected the data of `{self}` as {shape}; found: {found}");
        Rejection::new(Reason::BadData, detail)
    }
}

impl FromStr for EventType {
    type Err = Rejection;

    fn from_str(name: &str) -> Result<EventType, Rejection> {
        EventType::ALL.iter().copied().find(|known| known.name() == name).ok_or_else(|| {
            let nearest = EventType::NAMES
                .iter()
                .map(|known| (strsim::damerau_levenshtein(known, name), *known))
                .min()
                .filter(|(distance, _)| *distance <= 2);
            let hint = match nearest {
                _ if name == super::Broadcast::TYPE => {
                    "publish a broadcast on the subject of its scope, not on a customer's"
                        .to_owned()
                }
                Some((_, known)) => format!("did you mean `{known}`?"),
                None => "use `track` for events with names of your own".to_owned(),
            };
            let names = EventType::NAMES.join(", ");
            let found = super::cut(name, 64);
            Rejection::new(
                Reason::UnknownType,
                format!("expected one of the types {names}; found `{found}`; {hint}"),
            )
        })
    }
}

/// Traits of the customer, merged into the profile; `null` removes a trait.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IdentifyData {
    /// Values by trait.
    pub traits: Map,
    /// The customer returns after their erasure and states so. Only such an event may start a new twin
    /// for an erased identifier, if its own time is later than the erasure.
    #[serde(
        default,
        deserialize_with = "nullable::or_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    #[schemars(with = "Option<bool>")]
    pub anew: bool,
}

/// Links this identifier to a customer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LinkData {
    /// The customer to whom the identifier is linked.
    pub to: Box<str>,
    /// Merges two known customers: this one's memory moves to the other. Only channels in
    /// `service.merging-channels` may set it.
    #[serde(
        default,
        deserialize_with = "nullable::or_default",
        skip_serializing_if = "std::ops::Not::not"
    )]
    #[schemars(with = "Option<bool>")]
    pub merge: bool,
}

/// Unlinks an identifier: its memory is given back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UnlinkData {
    /// The identifier that was linked to this customer by mistake.
    pub from: Box<str>,
}

/// A page, a screen or an occurrence with a name chosen by the channel, as in the Segment spec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NamedData {
    /// The name: `Flight Booked`.
    pub name: Box<str>,
    /// Its properties.
    #[serde(default, deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<Map>")]
    pub properties: Map,
}

/// The speaker of a message.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "kebab-case")]
pub enum Speaker {
    /// The customer.
    Customer,
    /// An employee of the company.
    Agent,
    /// A program of the company.
    Bot,
}

impl Speaker {
    /// The speaker's name on the bus.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A message by the customer, an agent or a bot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageData {
    /// The text.
    pub text: Box<str>,
    /// The speaker.
    pub from: Speaker,
    /// Its language, as a BCP 47 tag, if the channel knows it.
    #[serde(default)]
    pub language: Option<Box<str>>,
    /// The interaction that it belongs to.
    #[serde(default)]
    pub interaction: Option<Box<str>>,
    /// Written by a program, such as an out-of-office reply: ignored for wishes and sentiment.
    #[serde(default, deserialize_with = "nullable::or_default", skip_serializing_if = "is_false")]
    #[schemars(with = "Option<bool>")]
    pub automatic: bool,
    /// The external analyser's answer, if it was asked; channels cannot set it.
    #[serde(skip)]
    pub analysis: Option<Box<Analysis>>,
}

/// A preference that the customer declares or withdraws.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PreferenceData {
    /// The key: `seat`.
    pub key: Box<str>,
    /// The preferred value.
    #[serde(default)]
    pub value: Option<Value>,
    /// Deletes both the declared and the inferred preference.
    #[serde(default, deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<bool>")]
    pub forget: bool,
}

/// The state of an interaction.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "kebab-case")]
pub enum InteractionState {
    /// It has begun.
    Started,
    /// It has advanced by a step.
    Progressed,
    /// It was interrupted and can be resumed.
    Paused,
    /// It was resumed.
    Resumed,
    /// It was completed.
    Completed,
    /// It was given up.
    Abandoned,
}

impl InteractionState {
    /// The state's name on the bus.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether the interaction can continue.
    pub const fn is_open(self) -> bool {
        !matches!(self, InteractionState::Completed | InteractionState::Abandoned)
    }
}

/// A conversation or journey progressed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InteractionData {
    /// Its identifier, the same in every channel.
    pub id: Box<str>,
    /// Its kind: `loan-form`, `chat`, `cart`, `call`…
    pub kind: Box<str>,
    /// Its current state.
    pub state: InteractionState,
    /// The step reached: a number or a name.
    #[serde(default)]
    pub step: Option<Value>,
    /// Fields collected so far; merged with the known fields.
    #[serde(default, deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<Map>")]
    pub data: Map,
}

/// A case with the company (a claim, a complaint, an incident) progressed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseData {
    /// Its identifier in the company's system.
    pub id: Box<str>,
    /// Its state: `open`, `waiting`, `closed`… `closed` and `resolved` end it.
    pub state: Box<str>,
    /// Its topic.
    #[serde(default)]
    pub topic: Option<Box<str>>,
    /// When it was opened; a time before the year 1990 is ignored.
    #[serde(default, deserialize_with = "nullable::moment")]
    pub opened: Option<Time>,
    /// When it is due; a time before the year 1990 is ignored.
    #[serde(default, deserialize_with = "nullable::moment")]
    pub due: Option<Time>,
}

/// The sensitivity of a fact: how much harm its disclosure could do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Sensitivity {
    /// It may be known to everybody.
    Public,
    /// It may be used to serve this customer.
    #[default]
    Personal,
    /// It may be used only for its purpose.
    Sensitive,
}

/// A live fact from a system: place, weather, device, usage…
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SignalData {
    /// The name: `card_abroad`.
    pub name: Box<str>,
    /// The value; `null` removes the signal.
    pub value: Value,
    /// The time in seconds for which it is valid, from the event's time; none: until it is replaced.
    #[serde(default)]
    pub ttl: Option<u32>,
    /// Its sensitivity.
    #[serde(default, deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<Sensitivity>")]
    pub sensitivity: Sensitivity,
    /// The purpose for which it was given, if it is sensitive: `care`, `service`, `marketing`…
    #[serde(default)]
    pub purpose: Option<Box<str>>,
}

/// The data of an event, by type.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "each variant is the type of the same name")]
pub enum EventKind {
    Identify(IdentifyData),
    Link(LinkData),
    Unlink(UnlinkData),
    Page(NamedData),
    Screen(NamedData),
    Track(NamedData),
    Message(MessageData),
    Preference(PreferenceData),
    Consent(ConsentData),
    Interaction(InteractionData),
    Case(CaseData),
    Signal(SignalData),
    Outcome(OutcomeData),
    Handoff(Box<HandoffData>),
    Ask(AskData),
}

impl EventKind {
    /// Parses the data of an event of `kind` and checks every limit; none: the event has no data.
    ///
    /// # Errors
    /// [`Reason::BadData`], with the expected shape.
    pub(super) fn parse(kind: EventType, data: Option<&str>) -> Result<EventKind, Rejection> {
        // `null` counts as absent data, in either content mode.
        let data = data.filter(|data| data.trim_ascii() != "null");
        let data = match (data, kind) {
            (Some(data), _) => data,
            // An `ask` without data is a valid request.
            (None, EventType::Ask) => "{}",
            (None, _) => return Err(kind.bad(&"no data")),
        };
        let parsed = match kind {
            EventType::Identify => json::read(data).map(EventKind::Identify),
            EventType::Link => json::read(data).map(EventKind::Link),
            EventType::Unlink => json::read(data).map(EventKind::Unlink),
            EventType::Page => json::read(data).map(EventKind::Page),
            EventType::Screen => json::read(data).map(EventKind::Screen),
            EventType::Track => json::read(data).map(EventKind::Track),
            EventType::Message => json::read(data).map(EventKind::Message),
            EventType::Preference => json::read(data).map(EventKind::Preference),
            EventType::Consent => json::read(data).map(EventKind::Consent),
            EventType::Interaction => json::read(data).map(EventKind::Interaction),
            EventType::Case => json::read(data).map(EventKind::Case),
            EventType::Signal => json::read(data).map(EventKind::Signal),
            EventType::Outcome => json::read(data).map(EventKind::Outcome),
            EventType::Handoff => json::read(data).map(EventKind::Handoff),
            EventType::Ask => json::read(data).map(EventKind::Ask),
        };
        let parsed = parsed.map_err(|error| kind.bad(&error))?;
        parsed.checked()?;
        Ok(parsed)
    }

    /// Checks that everything is within its limit.
    pub(super) fn checked(&self) -> Result<(), Rejection> {
        self.check().map_err(|found| self.event_type().bad(&found))
    }

    /// The data of the event as JSON, as a channel would write it.
    ///
    /// # Errors
    /// Never for data that was parsed from JSON.
    pub(super) fn to_json(&self) -> serde_json::Result<Box<RawValue>> {
        match self {
            EventKind::Identify(data) => to_raw_value(data),
            EventKind::Link(data) => to_raw_value(data),
            EventKind::Unlink(data) => to_raw_value(data),
            EventKind::Page(data) | EventKind::Screen(data) | EventKind::Track(data) => {
                to_raw_value(data)
            }
            EventKind::Message(data) => to_raw_value(data),
            EventKind::Preference(data) => to_raw_value(data),
            EventKind::Consent(data) => to_raw_value(data),
            EventKind::Interaction(data) => to_raw_value(data),
            EventKind::Case(data) => to_raw_value(data),
            EventKind::Signal(data) => to_raw_value(data),
            EventKind::Outcome(data) => to_raw_value(data),
            EventKind::Handoff(data) => to_raw_value(data),
            EventKind::Ask(data) => to_raw_value(data),
        }
    }

    /// The type of the event.
    pub fn event_type(&self) -> EventType {
        match self {
            EventKind::Identify(_) => EventType::Identify,
            EventKind::Link(_) => EventType::Link,
            EventKind::Unlink(_) => EventType::Unlink,
            EventKind::Page(_) => EventType::Page,
            EventKind::Screen(_) => EventType::Screen,
            EventKind::Track(_) => EventType::Track,
            EventKind::Message(_) => EventType::Message,
            EventKind::Preference(_) => EventType::Preference,
            EventKind::Consent(_) => EventType::Consent,
            EventKind::Interaction(_) => EventType::Interaction,
            EventKind::Case(_) => EventType::Case,
            EventKind::Signal(_) => EventType::Signal,
            EventKind::Outcome(_) => EventType::Outcome,
            EventKind::Handoff(_) => EventType::Handoff,
            EventKind::Ask(_) => EventType::Ask,
        }
    }

    /// The detail that distinguishes events of one type, to which a rule's `on = "type:detail"` refers:
    /// the name of what happened, the speaker, the state, the key, the first placement.
    pub fn detail(&self) -> &str {
        match self {
            EventKind::Identify(_) | EventKind::Link(_) | EventKind::Unlink(_) => "",
            EventKind::Page(named) | EventKind::Screen(named) | EventKind::Track(named) => {
                &named.name
            }
            EventKind::Message(message) => message.from.name(),
            EventKind::Preference(preference) => &preference.key,
            EventKind::Consent(consent) => &consent.purpose,
            EventKind::Interaction(interaction) => interaction.state.name(),
            EventKind::Case(case) => &case.state,
            EventKind::Signal(signal) => &signal.name,
            EventKind::Outcome(outcome) => outcome.outcome.name(),
            EventKind::Handoff(handoff) => handoff.state.name(),
            EventKind::Ask(ask) => ask.places().next().unwrap_or_default(),
        }
    }

    fn check(&self) -> Result<(), String> {
        match self {
            EventKind::Identify(data) => values(&data.traits),
            EventKind::Link(LinkData { to: id, .. })
            | EventKind::Unlink(UnlinkData { from: id }) => super::Customer::new(id).map(drop),
            EventKind::Page(named) | EventKind::Screen(named) | EventKind::Track(named) => {
                name("name", &named.name)?;
                values(&named.properties)
            }
            EventKind::Message(message) => {
                optional_name("language", message.language.as_deref())?;
                optional_name("interaction", message.interaction.as_deref())
            }
            EventKind::Preference(preference) => {
                name("key", &preference.key)?;
                match (&preference.value, preference.forget) {
                    (Some(given), false) => value(given),
                    (None, true) => Ok(()),
                    (None, false) => Err("neither `value` nor `forget`".into()),
                    (Some(_), true) => Err("both `value` and `forget`".into()),
                }
            }
            EventKind::Consent(consent) => {
                name("purpose", &consent.purpose)?;
                optional_name("channel", consent.channel.as_deref())?;
                optional_name("proof", consent.proof.as_deref())
            }
            EventKind::Interaction(interaction) => {
                name("id", &interaction.id)?;
                name("kind", &interaction.kind)?;
                interaction.step.as_ref().map_or(Ok(()), value)?;
                values(&interaction.data)
            }
            EventKind::Case(case) => {
                name("id", &case.id)?;
                name("state", &case.state)?;
                optional_name("topic", case.topic.as_deref())
            }
            EventKind::Signal(signal) => {
                name("name", &signal.name)?;
                optional_name("purpose", signal.purpose.as_deref())?;
                value(&signal.value)
            }
            EventKind::Outcome(outcome) => name("decision", &outcome.decision),
            EventKind::Handoff(handoff) => handoff.check(),
            EventKind::Ask(ask) => ask.check(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
