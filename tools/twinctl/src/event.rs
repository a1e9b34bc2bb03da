//! Events on the command line: from arguments to a validated CloudEvent.

use std::io::Read as _;

use jumeau::config::limits;
use jumeau::contract::Subjects;
use jumeau::event::{
    Broadcast, Channel, Customer, EventType, Raw, SharedFact, Time, encode, json as door, parse,
};
use jumeau::twin::LiveBroadcast;
use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// An event as typed.
pub(crate) struct Typed<'a> {
    pub(crate) customer: &'a str,
    pub(crate) event: EventType,
    pub(crate) pairs: &'a [String],
    pub(crate) data: Option<&'a str>,
    pub(crate) channel: &'a str,
    pub(crate) id: Option<&'a str>,
    pub(crate) time: Option<Time>,
}

/// A broadcast as typed.
pub(crate) struct TypedBroadcast<'a> {
    pub(crate) scope: &'a str,
    pub(crate) pairs: &'a [String],
    pub(crate) data: Option<&'a str>,
    pub(crate) id: Option<&'a str>,
    pub(crate) time: Option<Time>,
}

/// A validated message.
pub(crate) struct Ready {
    pub(crate) subject: String,
    pub(crate) id: String,
    pub(crate) payload: String,
}

impl Typed<'_> {
    /// The event, validated as by the service.
    pub(crate) fn ready(&self, subjects: &Subjects, now: Time) -> Result<Ready, Failure> {
        let customer = Customer::new(self.customer).map_err(Failure::Usage)?;
        let channel = Channel::new(self.channel).map_err(Failure::Usage)?;
        let id = identifier(self.id)?;
        let time = self.time.unwrap_or(now);
        let payload = enveloped(self.event.name(), &id, time, data(self.data, self.pairs)?);
        parse(&Raw {
            channel: &channel.token(),
            customer: &customer.token(),
            headers: &[],
            payload: payload.as_bytes(),
            sequence: 0,
        })
        .map_err(|rejection| {
            let hint = self.pairs.iter().find_map(|pair| as_text(pair, &rejection.detail));
            Failure::Usage(rejection.detail + &hint.unwrap_or_default())
        })?;
        Ok(Ready { subject: subjects.event(&channel, &customer), id, payload })
    }
}

impl TypedBroadcast<'_> {
    /// The broadcast, validated as by the service.
    pub(crate) fn ready(&self, subjects: &Subjects, now: Time) -> Result<Ready, Failure> {
        let id = identifier(self.id)?;
        let time = self.time.unwrap_or(now);
        let payload = enveloped(Broadcast::TYPE, &id, time, data(self.data, self.pairs)?);
        let broadcast = Broadcast::parse(&encode(self.scope), &[], payload.as_bytes(), 0);
        broadcast
            .and_then(|broadcast| LiveBroadcast::new(&broadcast, now))
            .map_err(|rejection| Failure::Usage(rejection.detail))?;
        Ok(Ready { subject: subjects.broadcast(self.scope), id, payload })
    }
}

/// A validated campaign, with its id.
pub(crate) struct ReadyCampaign {
    pub(crate) ready: Ready,
    pub(crate) identity: String,
}

/// A campaign, validated as by the service.
pub(crate) fn campaign(
    name: &str,
    fact: &SharedFact,
    subjects: &Subjects,
    now: Time,
) -> Result<ReadyCampaign, Failure> {
    let id = fresh_id();
    let payload = enveloped(Broadcast::TYPE, &id, now, json!(fact));
    let broadcast = Broadcast::parse(&encode(name), &[], payload.as_bytes(), 0);
    let shared = broadcast.and_then(|broadcast| LiveBroadcast::new(&broadcast, now));
    let shared = shared.map_err(|rejection| Failure::Usage(rejection.detail))?;
    let identity = shared.map_or_else(String::new, |shared| format!("{:016x}", shared.id));
    let ready = Ready { subject: subjects.broadcast(name), id, payload };
    Ok(ReadyCampaign { ready, identity })
}

/// A CloudEvent in structured mode.
fn enveloped(kind: &str, id: &str, time: Time, data: Value) -> String {
    json!({
        "specversion": "1.0",
        "id": id,
        "source": "twinctl",
        "type": kind,
        "time": time,
        "datacontenttype": "application/json",
        "data": data,
    })
    .to_string()
}

/// The data, from JSON or from pairs.
pub(crate) fn data(json: Option<&str>, pairs: &[String]) -> Result<Value, Failure> {
    match json {
        Some("-") => from_json(&standard_input()?),
        Some(text) => from_json(text),
        None => from_pairs(pairs),
    }
}

fn standard_input() -> Result<String, Failure> {
    let mut text = String::new();
    // One byte more than allowed shows that it is too large.
    let most = limits::EVENT_BYTES as u64 + 1;
    std::io::stdin()
        .take(most)
        .read_to_string(&mut text)
        .map_err(|error| Failure::Usage(format!("expected data on standard input: {error}")))?;
    Ok(text)
}

/// The corrected payload of an event, from a file or from standard input.
pub(crate) fn corrected(file: &std::path::Path) -> Result<String, Failure> {
    if file.as_os_str() == "-" {
        return standard_input();
    }
    let unreadable = |error: std::io::Error| {
        Failure::Usage(format!("expected the corrected event at {}: {error}", file.display()))
    };
    std::fs::read_to_string(file).map_err(unreadable)
}

fn from_json(text: &str) -> Result<Value, Failure> {
    match door::read_bytes(text.as_bytes()) {
        Ok(data @ Value::Object(_)) => Ok(data),
        Ok(other) => {
            Err(Failure::Usage(format!("expected one JSON object as --data, found `{other}`")))
        }
        Err(error) => Err(Failure::Usage(format!("expected one JSON object as --data: {error}"))),
    }
}

/// `a.b=1 a.c=x` as `{"a": {"b": 1, "c": "x"}}`.
fn from_pairs(pairs: &[String]) -> Result<Value, Failure> {
    let mut data = Map::new();
    for pair in pairs {
        let Some((path, value)) = pair.split_once('=').filter(|(path, _)| !path.is_empty()) else {
            return Err(Failure::Usage(format!("expected path=value, found `{pair}`")));
        };
        let value = door::read_bytes(value.as_bytes()).unwrap_or_else(|_| Value::from(value));
        let mut place = &mut data;
        let (parents, name) = match path.rsplit_once('.') {
            Some((parents, name)) => (Some(parents), name),
            None => (None, path),
        };
        for parent in parents.into_iter().flat_map(|parents| parents.split('.')) {
            let below = place.entry(parent).or_insert_with(|| json!({}));
            place = below.as_object_mut().ok_or_else(|| {
                Failure::Usage(format!("`{pair}`: `{parent}` is a value already, not an object"))
            })?;
        }
        if place.insert(name.to_owned(), value).is_some() {
            return Err(Failure::Usage(format!("`{path}` is given twice")));
        }
    }
    Ok(Value::Object(data))
}

/// How to write a pair whose value is a text, if this refusal is about its number or truth value.
fn as_text(pair: &str, refusal: &str) -> Option<String> {
    let (path, value) = pair.split_once('=')?;
    let read = door::read_bytes(value.as_bytes()).ok()?;
    let is_meant = matches!(read, Value::Number(_) | Value::Bool(_))
        && refusal.contains(&format!("`{value}`, expected a string"));
    is_meant.then(|| format!("; for the text, write {path}='\"{value}\"'"))
}

fn identifier(typed: Option<&str>) -> Result<String, Failure> {
    match typed {
        None => Ok(fresh_id()),
        // The id is sent in a header.
        Some(id) if id.chars().any(char::is_control) => Err(Failure::Usage(format!(
            "expected an id of one line, found `{}`",
            id.escape_debug()
        ))),
        Some(id) => Ok(id.to_owned()),
    }
}

fn fresh_id() -> String {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos());
    format!("cli-{now:x}-{:x}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed<'a>(event: EventType, pairs: &'a [String]) -> Typed<'a> {
        let (data, id, time) = (None, Some("e-1"), None);
        Typed { customer: "alice@example.org", event, pairs, data, channel: "cli", id, time }
    }

    fn refusal(typed: &Typed<'_>) -> String {
        refused(typed.ready(&Subjects::default(), Time::from_ms(0)))
    }

    fn refused(ready: Result<Ready, Failure>) -> String {
        match ready {
            Ok(_) => "accepted".into(),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn pairs_become_nested_data() {
        let pairs =
            ["name=Flight Booked", "properties.to=LIS", "properties.price=120"].map(String::from);
        let ready = typed(EventType::Track, &pairs)
            .ready(&Subjects::default(), Time::from_ms(0))
            .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(ready.subject, "jumeau.events.cli.alice%40example%2Eorg");
        insta::assert_snapshot!(ready.payload, @r#"{"data":{"name":"Flight Booked","properties":{"price":120,"to":"LIS"}},"datacontenttype":"application/json","id":"e-1","source":"twinctl","specversion":"1.0","time":"1970-01-01T00:00:00Z","type":"track"}"#);
    }

    #[test]
    fn an_event_that_the_service_would_refuse_is_not_sent() {
        let name = ["nme=x".to_owned()];
        let twice = ["name=x".to_owned(), "name=y".to_owned()];
        let clash = ["name=x".to_owned(), "name.first=y".to_owned()];
        let mut list = typed(EventType::Track, &[]);
        list.data = Some("[1]");
        let refusals = [
            refusal(&typed(EventType::Track, &name)),
            refusal(&typed(EventType::Track, &twice)),
            refusal(&typed(EventType::Track, &clash)),
            refusal(&list),
        ];
        insta::assert_snapshot!(refusals.join("\n"), @r#"
        expected the data of `track` as {"name": "…", "properties": {…}}; found: missing field `name` at line 1 column 11
        `name` is given twice
        `name.first=y`: `name` is a value already, not an object
        expected one JSON object as --data, found `[1]`
        "#);
    }

    #[test]
    fn a_number_in_place_of_a_text_is_told_how_to_write_the_text() {
        let pairs = ["id=1".to_owned(), "state=open".to_owned()];
        let refusal = refusal(&typed(EventType::Case, &pairs));
        assert!(refusal.ends_with(r#"; for the text, write id='"1"'"#), "{refusal}");
    }

    fn broadcast(pairs: &[&str]) -> Result<Ready, Failure> {
        let pairs: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
        let (data, id, time) = (None, Some("b-1"), None);
        let typed = TypedBroadcast { scope: "bush fires", pairs: &pairs, data, id, time };
        typed.ready(&Subjects::default(), Time::from_ms(0))
    }

    #[test]
    fn a_broadcast_is_checked_with_its_condition() {
        let condition = "where=profile.region == 'NSW'";
        let ready = broadcast(&["value.level=3", condition, "wake=true"]);
        let ready = ready.unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(ready.subject, "jumeau.broadcast.bush%20fires");
        insta::assert_snapshot!(ready.payload, @r#"{"data":{"value":{"level":3},"wake":true,"where":"profile.region == 'NSW'"},"datacontenttype":"application/json","id":"b-1","source":"twinctl","specversion":"1.0","time":"1970-01-01T00:00:00Z","type":"broadcast"}"#);
        let refusal = refused(broadcast(&["value=1", "where=profle.region == 'NSW'"]));
        assert!(refusal.contains("did you mean `profile`?"), "{refusal}");
        assert!(refused(broadcast(&["wake=true"])).contains("neither `value` nor `ended`"));
    }
}
