//! Events and reactions, one line each.

use jumeau::contract::Subjects;
use jumeau::event::{Broadcast, Channel, Customer, EventKind, Original, Raw, parse};
use jumeau::terminal;
use jumeau::twin::{Action, Escalation, EscalationState, News, Recall};
use serde::Serialize;
use serde_json::Value;

use super::style::{ACTION, CUSTOMER, ESCALATION, EVENT, FAINT, RECALL, Styled, WRONG};

/// A message on the bus.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct HeardMessage {
    /// When it was received, by the host clock.
    pub(crate) at: String,
    /// Its kind.
    pub(crate) what: MessageKind,
    /// The channel, the queue, or the scope of a broadcast.
    pub(crate) place: String,
    /// The customer.
    pub(crate) customer: String,
    /// A short summary.
    pub(crate) says: String,
    /// The reason.
    pub(crate) because: String,
}

/// The kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MessageKind {
    /// An event.
    Event,
    /// A broadcast.
    Broadcast,
    /// An action to perform.
    Action,
    /// An escalation opened or changed.
    Escalation,
    /// A recall.
    Recall,
    /// A dead letter.
    Dead,
}

impl HeardMessage {
    /// Parses a message on the bus; none if its subject is not part of the contract.
    pub(crate) fn read(
        subjects: &Subjects,
        subject: &str,
        headers: &[(&str, &str)],
        payload: &[u8],
        at: String,
    ) -> Option<HeardMessage> {
        let tokens: Vec<&str> = subjects.tokens(subject)?.collect();
        let message = TailedMessage { subjects, subject, headers, payload, at };
        match tokens[..] {
            ["events", channel, whose] => Some(message.event(channel, whose)),
            ["broadcast", _] => Some(message.broadcast()),
            ["actions", channel, action, whose] => {
                let bare = || (action.to_owned(), String::new());
                let content = data(payload).map_or_else(bare, |action| of_action(&action));
                Some(message.in_words(MessageKind::Action, channel, whose, content))
            }
            ["escalations", queue, whose] => {
                let content = data(payload).map(|escalation| of_escalation(&escalation));
                let content = content.unwrap_or_default();
                Some(message.in_words(MessageKind::Escalation, queue, whose, content))
            }
            ["recalls", channel, whose] => {
                let content = data(payload).map(|recall| of_recall(&recall)).unwrap_or_default();
                Some(message.in_words(MessageKind::Recall, channel, whose, content))
            }
            ["dead", reason] => Some(message.dead_letter(reason)),
            _ => None,
        }
    }
}

/// A message as it was received.
struct TailedMessage<'a> {
    subjects: &'a Subjects,
    subject: &'a str,
    headers: &'a [(&'a str, &'a str)],
    payload: &'a [u8],
    at: String,
}

impl TailedMessage<'_> {
    fn event(self, channel: &str, whose: &str) -> HeardMessage {
        let raw = Raw {
            channel,
            customer: whose,
            headers: self.headers,
            payload: self.payload,
            sequence: 0,
        };
        let content = match parse(&raw) {
            Ok(event) => (of_event(&event.kind), String::new()),
            Err(rejection) => ("not usable".into(), rejection.detail),
        };
        self.in_words(MessageKind::Event, channel, whose, content)
    }

    fn broadcast(self) -> HeardMessage {
        let parsed = Original {
            subject: self.subject.into(),
            headers: self.headers.iter().copied().collect(),
            payload: self.payload.to_vec().into(),
        }
        .broadcast(0);
        let (place, says, because) = match parsed {
            Ok(broadcast) => (broadcast.scope.to_string(), of_broadcast(&broadcast), String::new()),
            Err(rejection) => ("?".to_owned(), "not usable".into(), rejection.detail),
        };
        let what = MessageKind::Broadcast;
        HeardMessage { at: self.at, what, place, customer: "*".into(), says, because }
    }

    /// A dead letter, at the place and of the customer of the event that it was.
    fn dead_letter(self, reason: &str) -> HeardMessage {
        let subject = self.header("Jumeau-Subject");
        let origin: Vec<&str> =
            self.subjects.tokens(&subject).map(Iterator::collect).unwrap_or_default();
        let (channel, whose) = match origin[..] {
            ["events", channel, whose] => (channel, whose),
            _ => ("?", "?"),
        };
        let content = (reason.to_owned(), self.header("Jumeau-Detail"));
        self.in_words(MessageKind::Dead, channel, whose, content)
    }

    fn header(&self, name: &str) -> String {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| (*value).to_owned()).unwrap_or_default()
    }

    /// The message in words, with the names that the tokens of its subject stand for.
    fn in_words(
        self,
        what: MessageKind,
        place: &str,
        whose: &str,
        (says, because): (String, String),
    ) -> HeardMessage {
        let place =
            Channel::from_token(place).map_or_else(|_| place.to_owned(), |known| known.to_string());
        let customer = Customer::from_token(whose)
            .map_or_else(|_| whose.to_owned(), |known| known.to_string());
        HeardMessage { at: self.at, what, place, customer, says, because }
    }
}

/// The data of a message, in a CloudEvent or bare.
fn data<T: serde::de::DeserializeOwned>(payload: &[u8]) -> Option<T> {
    let mut value: Value = serde_json::from_slice(payload).ok()?;
    if value.get("specversion").is_some() {
        value = value.get_mut("data")?.take();
    }
    serde_json::from_value(value).ok()
}

fn of_event(kind: &EventKind) -> String {
    let pairs = |map: &jumeau::event::Map| {
        map.iter().map(|(name, value)| format!(" {name}={value}")).collect::<String>()
    };
    match kind {
        EventKind::Identify(data) => format!("is{}", pairs(&data.traits)),
        EventKind::Link(data) => format!("is {}", data.to),
        EventKind::Unlink(data) => format!("not {}", data.from),
        EventKind::Page(data) => format!("page {}{}", data.name, pairs(&data.properties)),
        EventKind::Screen(data) => format!("screen {}{}", data.name, pairs(&data.properties)),
        EventKind::Track(data) => format!("{}{}", data.name, pairs(&data.properties)),
        EventKind::Message(data) => format!("{}: “{}”", data.from.name(), data.text),
        EventKind::Preference(data) => match &data.value {
            Some(value) => format!("prefers {}={value}", data.key),
            None => format!("withdraws the preference {}", data.key),
        },
        EventKind::Consent(data) => {
            let verb = if data.granted { "allows" } else { "forbids" };
            let place = data.channel.as_ref().map_or(String::new(), |name| format!(" in {name}"));
            format!("{verb} {}{place}", data.purpose)
        }
        EventKind::Interaction(data) => {
            let step = data.step.as_ref().map_or(String::new(), |step| format!(" at step {step}"));
            format!("{} {} {}{step}", data.kind, data.id, data.state.name())
        }
        EventKind::Case(data) => format!("case {} {}", data.id, data.state),
        EventKind::Signal(data) => format!("{}={}", data.name, data.value),
        EventKind::Outcome(data) => format!("{} {}", data.decision, data.outcome.name()),
        EventKind::Handoff(data) => {
            let by = data.agent.as_ref().map_or(String::new(), |agent| format!(" by {agent}"));
            format!("escalation {} {}{by}", data.escalation, data.state.name())
        }
        EventKind::Ask(data) => {
            let places: Vec<&str> = data.places().collect();
            let places = if places.is_empty() { "anywhere".into() } else { places.join(", ") };
            format!("asks what to show: {places}{}", pairs(&data.properties))
        }
    }
}

fn of_broadcast(broadcast: &Broadcast) -> String {
    let Some(value) = &broadcast.fact.value else { return "is over".into() };
    let concerns = broadcast.fact.condition.as_deref().unwrap_or("everybody");
    format!("{value} for {concerns}")
}

fn of_action(action: &Action) -> (String, String) {
    (format!("{} “{}”", action.action, action.text), action.reason.because.to_string())
}

fn of_recall(recall: &Recall) -> (String, String) {
    (format!("{} is recalled", recall.action), recall.because.to_string())
}

fn of_escalation(escalation: &Escalation) -> (String, String) {
    let state = match escalation.state {
        EscalationState::Open => "opened",
        EscalationState::Claimed => "claimed",
        EscalationState::HandedBack => "handed back",
        EscalationState::Resolved => "resolved",
        EscalationState::Expired => "expired",
    };
    let by = escalation.agent.as_ref().map_or(String::new(), |agent| format!(" by {agent}"));
    if let Some(News { what, text }) = escalation.changed.first() {
        return (format!("{}: {what}", escalation.topic), text.to_string());
    }
    let says = format!("{} {state}{by}, priority {}", escalation.topic, escalation.priority);
    (says, escalation.because.to_string())
}

/// A message as one line.
pub(crate) fn line(heard: &HeardMessage) -> String {
    let (style, mark) = match heard.what {
        MessageKind::Event => (EVENT, "→"),
        MessageKind::Broadcast => (EVENT, "◂"),
        MessageKind::Action => (ACTION, "◀"),
        MessageKind::Escalation => (ESCALATION, "▲"),
        MessageKind::Recall => (RECALL, "↶"),
        MessageKind::Dead => (WRONG, "✗"),
    };
    let because = match heard.because.as_str() {
        "" => String::new(),
        because => format!("  {}", Styled(FAINT, format_args!("because {because}"))),
    };
    let because = match heard.what {
        MessageKind::Event | MessageKind::Broadcast | MessageKind::Dead
            if !heard.because.is_empty() =>
        {
            format!("  {}", Styled(FAINT, &heard.because))
        }
        _ => because,
    };
    // One line, whatever it contains.
    let line = format!(
        "{}  {}  {:<12}  {:<16}  {}{because}",
        Styled(FAINT, &heard.at),
        Styled(style, mark),
        heard.place,
        Styled(CUSTOMER, &heard.customer),
        Styled(style, &heard.says),
    );
    terminal::line(&line).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::plain;

    fn shown(subject: &str, headers: &[(&str, &str)], payload: &str) -> String {
        let subjects = Subjects::new("jumeau").unwrap();
        let at = "10:00:00.000".to_owned();
        match HeardMessage::read(&subjects, subject, headers, payload.as_bytes(), at) {
            Some(heard) => plain(&line(&heard)),
            None => "nothing\n".into(),
        }
    }

    const ACTION: &str = r#"{
        "decision": "d-1", "customer": "alice", "action": "open-card", "issue": "service",
        "channel": "push", "treatment": "short", "tone": "neutral", "language": "en",
        "text": "Your card is blocked abroad.\nOpen it?", "data": {}, "at": "2026-11-22T10:00:00Z",
        "reason": {"need": "card_abroad", "strength": 0.8, "because": "a flight to Lisbon in 3 days",
            "score": 0.72, "policy": "bank", "version": "3fa9", "instead_of": []}
    }"#;

    #[test]
    fn each_kind_of_message_on_the_bus_is_shown_as_a_line() {
        let escalation = r#"{"id": "e-1", "customer": "bob", "queue": "claims", "topic": "billing",
            "priority": 4, "state": "open", "because": "the bot failed twice", "agent": null,
            "note": null, "opened": "2026-11-22T10:00:00Z", "level": 0, "changed": [],
            "at": "2026-11-22T10:00:00Z", "brief": null}"#;
        let recall = r#"{"recall": "r-1", "decision": "d-1", "customer": "alice", "action": "promo",
            "channel": "email", "at": "2026-11-22T10:00:00Z", "stage": "suitability",
            "because": {"matter-open": {"what": "the case complaint"}}, "policy": "shop",
            "version": "3fa9"}"#;
        let cloud = format!(r#"{{"specversion": "1.0", "type": "action", "data": {ACTION}}}"#);
        let dead = [
            ("Jumeau-Subject", "jumeau.events.web.al%2Eice"),
            ("Jumeau-Detail", "expected JSON, found: EOF"),
        ];
        let lines = [
            shown(
                "jumeau.events.web.alice",
                &[],
                r#"{"type": "track", "data": {"name": "Flight Booked", "properties": {"to": "LIS"}}}"#,
            ),
            shown("jumeau.actions.push.open-card.alice", &[], ACTION),
            shown("jumeau.actions.push.open-card.alice", &[], &cloud),
            shown("jumeau.recalls.email.alice", &[], recall),
            shown("jumeau.escalations.claims.bob", &[], escalation),
            shown("jumeau.events.chat.bob", &[], r#"{"type": "mesage"}"#),
            shown("jumeau.dead.bad-json", &dead, "{"),
            shown(
                "jumeau.broadcast.fires",
                &[],
                r#"{"type": "broadcast", "data": {"value": 3, "where": "profile.region == 'NSW'"}}"#,
            ),
            shown("jumeau.something.else", &[], ""),
        ];
        insta::assert_snapshot!(lines.concat(), @r"
        10:00:00.000  →  web           alice             Flight Booked to=LIS
        10:00:00.000  ◀  push          alice             open-card “Your card is blocked abroad. Open it?”  because a flight to Lisbon in 3 days
        10:00:00.000  ◀  push          alice             open-card “Your card is blocked abroad. Open it?”  because a flight to Lisbon in 3 days
        10:00:00.000  ↶  email         alice             promo is recalled  because the case complaint is open
        10:00:00.000  ▲  claims        bob               billing opened, priority 4  because the bot failed twice
        10:00:00.000  →  chat          bob               not usable  expected one of the types identify, link, unlink, page, screen, track, message, preference, consent, interaction, case, signal, outcome, handoff, ask; found `mesage`; did you mean `message`?
        10:00:00.000  ✗  web           al.ice            bad-json  expected JSON, found: EOF
        10:00:00.000  ◂  fires         *                 3 for profile.region == 'NSW'
        nothing
        ");
    }

    #[test]
    fn a_customers_words_cannot_control_the_terminal() {
        let evil = "\u{1b}[2J\u{9b}2J\u{202e}\r\n✓ all is well";
        let message = serde_json::json!({
            "type": "message", "data": { "text": evil, "from": "customer" },
        });
        let track = serde_json::json!({
            "type": "track", "data": { "name": evil, "properties": { evil: evil } },
        });
        let unknown = serde_json::json!({ "type": evil });
        let fires = serde_json::json!({ "type": "broadcast", "data": { "value": evil } });
        let subjects = Subjects::new("jumeau").unwrap();
        let steering = jumeau::event::encode(evil);
        for (subject, payload) in [
            (format!("jumeau.events.{steering}.{steering}"), message),
            ("jumeau.events.web.ann".to_owned(), track),
            ("jumeau.events.web.ann".to_owned(), unknown),
            (format!("jumeau.broadcast.{steering}"), fires),
            (format!("jumeau.actions.{steering}.{steering}.{steering}"), Value::Null),
            (format!("jumeau.dead.{evil}"), Value::Null),
        ] {
            let headers = [("Jumeau-Subject", subject.as_str()), ("Jumeau-Detail", evil)];
            let payload = payload.to_string();
            let at = "10:00:00.000".to_owned();
            let heard =
                HeardMessage::read(&subjects, &subject, &headers, payload.as_bytes(), at).unwrap();
            let line = line(&heard);
            crate::render::hostile::harmless(&line, None);
            assert_eq!(plain(&line).lines().count(), 1, "{line:?}");
        }
    }
}
