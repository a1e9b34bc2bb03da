//! The view of one twin for a policy's expressions and templates.

use super::{MessageContent, ReactionContext, matching, resume};
use crate::event::{self, Event, EventKind, Map, Time, Value, Zone};
use crate::language::Language;
use crate::policy::{ActivityMetric, Found, Path, Policy, Root, Scope, SourceLocation};
use crate::twin::input::Cause;
use crate::twin::state::{Interaction, Need, Twin, Window, place};

/// A twin at the time of one reaction.
#[derive(Clone, Copy)]
pub(in crate::twin) struct View<'a> {
    pub(in crate::twin) twin: &'a Twin,
    pub(in crate::twin) context: &'a ReactionContext<'a>,
    /// The need for which a treatment is rendered.
    pub(in crate::twin) need: Option<&'a Need>,
    /// The purpose of the read; none: to understand the customer.
    pub(in crate::twin) used: Option<ReadPurpose<'a>>,
}

/// The purpose for which facts are read.
#[derive(Clone, Copy)]
pub(in crate::twin) struct ReadPurpose<'a> {
    /// The purposes, all of which must be allowed.
    pub(in crate::twin) uses: &'a [Box<str>],
    /// Whether sensitive data is excluded even if the purposes are allowed.
    pub(in crate::twin) discreet: bool,
    /// The reader, for the operators' notes; none: no part of the policy, and nothing is noted.
    pub(in crate::twin) place: Option<&'a SourceLocation>,
}

impl<'a> View<'a> {
    /// The whole state, as its rules read it.
    pub(in crate::twin) fn whole(twin: &'a Twin, context: &'a ReactionContext<'a>) -> View<'a> {
        View { twin, context, need: None, used: None }
    }

    /// Whether the value at a path must not be read here; if so, that is noted.
    pub(in crate::twin) fn is_withheld(&self, path: &Path) -> bool {
        let Some(used) = self.used else { return false };
        let Some(given) = self.twin.purposes_at(path, self.context, self.need) else {
            return false;
        };
        if !used.discreet && given.allow(used.uses) {
            return false;
        }
        let Some(place) = used.place else { return true };
        let why = if used.discreet {
            format!("{path} is sensitive and cannot be used in a discreet text")
        } else {
            format!(
                "{path} is sensitive and may be used for {given}, not for {}",
                used.uses.join(" and ")
            )
        };
        self.context.withhold(place, why);
        true
    }
}

impl Scope for View<'_> {
    /// The customer's time zone; if that is missing or unknown, the policy's.
    fn zone(&self) -> Zone {
        let known = place::zone(self.twin).ok().flatten();
        known.or(self.context.policy.contact.timezone).unwrap_or(Zone::UTC)
    }

    fn find(&self, path: &Path) -> Found<'_> {
        if self.context.is_guarded && self.is_withheld(path) {
            return Found::Missing;
        }
        let twin = self.twin;
        let now = self.context.input.at;
        let mut names = path.names();
        match path.root {
            Root::Now => return Found::Time(now),
            Root::Dissatisfaction => return self.dissatisfaction(),
            _ => {}
        }
        let Some(first) = names.next() else { return Found::Missing };
        match path.root {
            Root::Event => self.event(first, names),
            Root::Profile => below(twin.profile.traits.get(first), names),
            Root::Context => below(twin.signal(first, now).map(|signal| &signal.value), names),
            Root::Facts => below(twin.facts.get(first), names),
            Root::Preferences => {
                // An inferred preference is used only if the customer allows it.
                let rule = self.context.policy.preferences.get(first);
                let rule = rule.filter(|_| self.context.is_personal);
                below(
                    twin.profile.preference(first).and_then(|known| known.usable(rule, now)),
                    names,
                )
            }
            Root::Needs => Found::Float(twin.need(first, now).map_or(0.0, |need| need.strength)),
            Root::Consents => {
                let channel = names.next();
                twin.profile.consent(first, channel, now).map_or(Found::Missing, Found::Bool)
            }
            Root::Interactions if first == "best" => {
                interaction(resume::best(twin, self.context), names)
            }
            Root::Interactions => interaction(twin.open_interaction(first), names),
            Root::Cases => case(twin, first, names.next()),
            Root::Contacts => contact(twin, first, names.next()),
            Root::Sentiment => sentiment(twin, first, names.next(), now),
            Root::Customer => match first {
                "id" => Found::Text(twin.customer.as_str()),
                "known_since" => Found::Time(twin.born),
                "last_seen" => Found::Time(self.context.last_seen),
                "inputs" => Found::Int(twin.timeline.total() as i64),
                _ => Found::Missing,
            },
            Root::Need => match (self.need, first) {
                (Some(need), "name") => Found::Text(&need.name),
                (Some(need), "strength") => Found::Float(need.strength),
                (Some(need), "evidence") => Found::Text(&need.evidence),
                _ => Found::Missing,
            },
            Root::Windows => self.window(first),
            Root::Counters => {
                let now = self.context.twin_now(twin);
                Found::Float(twin.tallies.counter(first).map_or(0.0, |known| known.read(now)))
            }
            Root::Activities => self.activity(first, names.next()),
            Root::Experiments => {
                let experiment = self.context.policy.experiments.get(first);
                let experiment = experiment.filter(|_| self.context.is_personal);
                text(experiment.and_then(|known| twin.arm(known)).map(|arm| &*arm.name))
            }
            Root::Escalations => escalations(twin, first, names.next()),
            Root::Shared => matching::find(twin, self.context, first, names),
            Root::Dissatisfaction | Root::Now => Found::Missing,
        }
    }
}

impl View<'_> {
    fn dissatisfaction(&self) -> Found<'_> {
        let rule = self.context.policy.dissatisfaction.as_ref();
        rule.map_or(Found::Missing, |rule| {
            Found::Float(self.twin.dissatisfaction_by(rule, self).index)
        })
    }

    fn window(&self, name: &str) -> Found<'_> {
        let aggregates = &self.context.policy.aggregates;
        match (aggregates.window(name), self.twin.tallies.window(name)) {
            (None, _) => Found::Missing,
            (Some(keep), Some(known)) if known.keep == keep => {
                known.read(self.context.twin_now(self.twin))
            }
            (Some(keep), _) => Window::nothing(keep),
        }
    }

    fn activity(&self, name: &str, metric: Option<&str>) -> Found<'_> {
        let rule = self.context.policy.aggregates.activity(name);
        let metric = metric.and_then(ActivityMetric::of);
        match (rule, metric, self.twin.tallies.activity(name)) {
            (Some(rule), Some(metric), Some(known)) => {
                known.read(rule, metric, self.context.twin_now(self.twin))
            }
            (Some(_), Some(ActivityMetric::Times), None) => Found::Int(0),
            _ => Found::Missing,
        }
    }

    fn event<'b>(&self, first: &str, mut names: impl Iterator<Item = &'b str>) -> Found<'_> {
        let input = self.context.input;
        match (&input.cause, first) {
            (_, "time") => Found::Time(input.at),
            (Cause::Event(Event { kind: EventKind::Consent(data), .. }), "detail") => {
                Found::Text(purpose(data, self.context.policy))
            }
            (_, "detail") => Found::Text(input.trigger().1),
            (Cause::Timer(_), "type") => Found::Text("timer"),
            (Cause::Timer(fired), "name") => Found::Text(&fired.name),
            (Cause::Timer(fired), "due") => Found::Time(fired.due),
            (Cause::Timer(fired), "late") => Found::Span(fired.late),
            (Cause::Broadcast(_), "type") => Found::Text("broadcast"),
            // An outcome names its decision; the contact has the action.
            (_, "action") => text(self.twin.contact_at_hand(input).map(|known| &*known.action)),
            (Cause::Timer(_), "decision" | "outcome") => {
                match (self.twin.contact_at_hand(input), first) {
                    (Some(known), "decision") => Found::Text(&known.decision),
                    (Some(_), _) => Found::Text(event::OutcomeKind::Ignored.name()),
                    (None, _) => Found::Missing,
                }
            }
            (Cause::Timer(_) | Cause::Broadcast(_), _) => Found::Missing,
            (Cause::Event(event), "type") => Found::Text(event.kind.event_type().name()),
            (Cause::Event(event), "channel") => Found::Text(event.channel.as_str()),
            (Cause::Event(event), field) => match (&event.kind, &self.context.message) {
                (EventKind::Message(data), content) => {
                    message(data, content.as_ref(), field, names)
                }
                _ => event_data(event, field, &mut names, self.context.policy),
            },
        }
    }
}

/// The purpose of a consent, in the policy's spelling.
fn purpose<'a>(data: &'a event::ConsentData, policy: &'a Policy) -> &'a str {
    policy.purpose_called(&data.purpose).unwrap_or(&data.purpose)
}

fn event_data<'a, 'b>(
    event: &'a Event,
    field: &str,
    names: &mut impl Iterator<Item = &'b str>,
    policy: &'a Policy,
) -> Found<'a> {
    match (&event.kind, field) {
        (EventKind::Identify(data), "traits") => inside(&data.traits, names),
        (EventKind::Link(data), "to") => Found::Text(&data.to),
        (EventKind::Unlink(data), "from") => Found::Text(&data.from),
        (EventKind::Page(data) | EventKind::Screen(data) | EventKind::Track(data), "name") => {
            Found::Text(&data.name)
        }
        (
            EventKind::Page(data) | EventKind::Screen(data) | EventKind::Track(data),
            "properties",
        ) => inside(&data.properties, names),
        (EventKind::Preference(data), "key") => Found::Text(&data.key),
        (EventKind::Preference(data), "value") => below(data.value.as_ref(), names),
        (EventKind::Preference(data), "forget") => Found::Bool(data.forget),
        (EventKind::Consent(data), "purpose") => Found::Text(purpose(data, policy)),
        (EventKind::Consent(data), "channel") => text(data.channel.as_deref()),
        (EventKind::Consent(data), "granted") => Found::Bool(data.granted),
        (EventKind::Interaction(data), "id") => Found::Text(&data.id),
        (EventKind::Interaction(data), "kind") => Found::Text(&data.kind),
        (EventKind::Interaction(data), "state") => Found::Text(data.state.name()),
        (EventKind::Interaction(data), "step") => below(data.step.as_ref(), names),
        (EventKind::Interaction(data), "data") => inside(&data.data, names),
        (EventKind::Case(data), "id") => Found::Text(&data.id),
        (EventKind::Case(data), "state") => Found::Text(&data.state),
        (EventKind::Case(data), "topic") => text(data.topic.as_deref()),
        (EventKind::Case(data), "opened") => data.opened.map_or(Found::Missing, Found::Time),
        (EventKind::Case(data), "due") => data.due.map_or(Found::Missing, Found::Time),
        (EventKind::Signal(data), "name") => Found::Text(&data.name),
        (EventKind::Signal(data), "value") => below(Some(&data.value), names),
        (EventKind::Outcome(data), "decision") => Found::Text(&data.decision),
        (EventKind::Outcome(data), "outcome") => Found::Text(data.outcome.name()),
        (EventKind::Handoff(data), "escalation") => Found::Text(&data.escalation),
        (EventKind::Handoff(data), "state") => Found::Text(data.state.name()),
        (EventKind::Handoff(data), "agent") => text(data.agent.as_deref()),
        (EventKind::Handoff(data), "note") => text(data.note.as_deref()),
        (EventKind::Handoff(data), "outcome") => text(data.outcome.as_deref()),
        (EventKind::Handoff(data), "queue") => text(data.queue.as_deref()),
        (EventKind::Handoff(data), "topic") => text(data.topic.as_deref()),
        (EventKind::Ask(data), "placements") => Found::Value(&data.placements),
        (EventKind::Ask(data), "most") => Found::Int(data.most.into()),
        (EventKind::Ask(data), "properties") => inside(&data.properties, names),
        _ => Found::Missing,
    }
}

/// The content of a message and, if it is the customer's own, its analysis.
fn message<'a, 'b>(
    data: &'a event::MessageData,
    content: Option<&'a MessageContent>,
    field: &str,
    names: impl Iterator<Item = &'b str>,
) -> Found<'a> {
    match (field, content) {
        ("text", Some(MessageContent { own: Some(own), .. })) => Found::Text(own),
        ("text", _) => Found::Text(&data.text),
        ("from", _) => Found::Text(data.from.name()),
        ("interaction", _) => text(data.interaction.as_deref()),
        ("automatic", content) => {
            Found::Bool(data.automatic || content.is_some_and(|content| content.is_automatic))
        }
        ("language", Some(content)) => text(content.language.as_ref().map(Language::as_str)),
        ("language", None) => text(data.language.as_deref()),
        ("valence", Some(MessageContent { reading: Some(reading), .. })) => {
            Found::Float(reading.valence.into())
        }
        ("tone", Some(MessageContent { reading: Some(reading), .. })) => {
            Found::Text(reading.tone().name())
        }
        ("urgency", Some(MessageContent { reading: Some(reading), .. })) => {
            Found::Float(reading.urgency.into())
        }
        ("topics", Some(content)) => Found::Value(&content.topics),
        ("words", Some(content)) => inside(&content.words, names),
        _ => Found::Missing,
    }
}

fn interaction<'a, 'b>(
    known: Option<&'a Interaction>,
    mut names: impl Iterator<Item = &'b str>,
) -> Found<'a> {
    match (known, names.next()) {
        (Some(known), Some("id")) => Found::Text(&known.id),
        (Some(known), Some("kind")) => Found::Text(&known.kind),
        (Some(known), Some("state")) => Found::Text(known.state.name()),
        (Some(known), Some("step")) => below(Some(&known.step), names),
        (Some(known), Some("channel")) => Found::Text(known.channel.as_str()),
        (Some(known), Some("started")) => Found::Time(known.started),
        (Some(known), Some("touched")) => Found::Time(known.touched),
        (Some(known), Some("data")) => inside(&known.data, names),
        _ => Found::Missing,
    }
}

/// Escalations, without their reasons, which may be derived from sensitive data.
fn case<'a>(twin: &'a Twin, id: &str, field: Option<&str>) -> Found<'a> {
    if id == "open" {
        let open = twin.cases.iter().filter(|case| case.is_open()).count();
        return Found::Int(open as i64);
    }
    match (twin.cases.iter().find(|case| &*case.id == id), field) {
        (Some(case), Some("state")) => Found::Text(&case.state),
        (Some(case), Some("topic")) => text(case.topic.as_deref()),
        (Some(case), Some("opened")) => case.opened.map_or(Found::Missing, Found::Time),
        (Some(case), Some("due")) => case.due.map_or(Found::Missing, Found::Time),
        _ => Found::Missing,
    }
}

fn contact<'a>(twin: &'a Twin, action: &str, field: Option<&str>) -> Found<'a> {
    match (twin.last_contact(action), field) {
        (Some(contact), Some("at")) => Found::Time(contact.at),
        (Some(contact), Some("channel")) => Found::Text(&contact.channel),
        (Some(contact), Some("outcome")) => {
            text(contact.outcome.map(|outcome| outcome.kind.name()))
        }
        _ => Found::Missing,
    }
}

/// A customer of whom no message was read has a level of 0.
fn sentiment<'a>(twin: &'a Twin, metric: &str, channel: Option<&str>, now: Time) -> Found<'a> {
    let Some(known) = &twin.sentiment else {
        return match metric {
            "messages" => Found::Int(0),
            "channels" => Found::Missing,
            _ => Found::Float(0.0),
        };
    };
    match (metric, channel) {
        ("level", _) => Found::Float(known.overall.level(now)),
        ("trend", _) => Found::Float(known.overall.trend(now)),
        ("volatility", _) => Found::Float(known.overall.volatility()),
        ("urgency", _) => Found::Float(known.urgency(now)),
        ("messages", _) => Found::Int(known.overall.messages.into()),
        ("channels", Some(channel)) => {
            let course = known.channel(channel);
            course.map_or(Found::Missing, |course| Found::Float(course.level(now)))
        }
        _ => Found::Missing,
    }
}

fn escalations<'a>(twin: &'a Twin, first: &str, field: Option<&str>) -> Found<'a> {
    match (first, twin.last_escalation(), field) {
        ("open", ..) => Found::Int(twin.open_escalations().count() as i64),
        ("claimed", ..) => Found::Bool(twin.is_held_by_agent()),
        ("last", Some(known), Some("state")) => Found::Text(known.state.name()),
        ("last", Some(known), Some("queue")) => Found::Text(&known.queue),
        ("last", Some(known), Some("topic")) => Found::Text(&known.topic),
        ("last", Some(known), Some("priority")) => Found::Int(known.priority.into()),
        ("last", Some(known), Some("agent")) => text(known.agent.as_deref()),
        ("last", Some(known), Some("note")) => text(known.note.as_deref()),
        ("last", Some(known), Some("outcome")) => text(known.outcome.as_deref()),
        ("last", Some(known), Some("at")) => Found::Time(known.touched),
        _ => Found::Missing,
    }
}

fn text(found: Option<&str>) -> Found<'_> {
    found.map_or(Found::Missing, Found::Text)
}

/// The value below these names within a map.
fn inside<'a, 'b>(map: &'a Map, mut names: impl Iterator<Item = &'b str>) -> Found<'a> {
    match names.next() {
        None => Found::Map(map),
        Some(name) => below(map.get(name), names),
    }
}

/// The value below these names within a value.
pub(super) fn below<'a, 'b>(
    value: Option<&'a Value>,
    names: impl Iterator<Item = &'b str>,
) -> Found<'a> {
    let mut found = value;
    for name in names {
        found = match found {
            Some(Value::Map(map)) => map.get(name),
            _ => None,
        };
    }
    match found {
        None | Some(Value::Null) => Found::Missing,
        Some(value) => Found::Value(value),
    }
}
