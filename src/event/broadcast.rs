//! Broadcasts: a shared fact, published once for every customer who matches a condition.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::envelope::{self, Opened};
use super::field::{name, value};
use super::{Header, Reason, Rejection, Time, Value, customer, cut, json, nullable};
use crate::config::limits;

/// A message to all matching customers: a storm in a region, an outage, a price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Broadcast {
    /// The name of the shared fact. A scope has one broadcast at a time: a later one replaces the earlier
    /// one.
    pub scope: Box<str>,
    /// Its identifier, unique within its scope and source.
    pub id: Box<str>,
    /// A hash of scope, source and id, for deduplication.
    pub fingerprint: u64,
    /// The statement time, if the message has one.
    pub time: Option<Time>,
    /// The data.
    pub fact: SharedFact,
}

/// The data of a broadcast: the start or the end of a shared fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SharedFact {
    /// The value; required unless the broadcast ends or is a campaign.
    #[serde(default)]
    pub value: Option<Value>,
    /// The audience: an expression over `profile`, `context`, `facts`, `preferences`, `consents`, `cases`
    /// and `now`; none: every customer.
    #[serde(default, rename = "where")]
    pub condition: Option<Box<str>>,
    /// The time to live in seconds; none: 30 days.
    #[serde(default)]
    pub ttl: Option<u32>,
    /// Wake all matching twins now, instead of waiting for their next input.
    #[serde(default, deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<bool>")]
    pub wake: bool,
    /// Ends the broadcast.
    #[serde(default, deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<bool>")]
    pub ended: bool,
    /// A campaign: every matching customer known at that time is visited once and makes one decision
    /// among the actions of the campaign.
    #[serde(default)]
    pub decide: Option<Campaign>,
}

/// The actions, channel and rate of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Campaign {
    /// The participating actions; none: all.
    #[serde(deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<Vec<Box<str>>>")]
    pub actions: Vec<Box<str>>,
    /// The issues whose actions participate; none: all.
    #[serde(deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<Vec<Box<str>>>")]
    pub issues: Vec<Box<str>>,
    /// The placements of which an action must have one to participate; none: no restriction.
    #[serde(deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<Vec<Box<str>>>")]
    pub placements: Vec<Box<str>>,
    /// The channel of the campaign; none: the best channel for each customer.
    pub channel: Option<Box<str>>,
    /// Maximum customers visited per second; none: the service's limit.
    pub rate: Option<u32>,
}

impl Broadcast {
    /// The CloudEvents type of a broadcast.
    pub const TYPE: &'static str = "broadcast";

    /// Parses a broadcast, with the same envelope as an event. `scope` is the last token of the subject;
    /// `sequence` is the stream sequence, used as the id if there is none.
    ///
    /// # Errors
    /// A [`Rejection`] if it cannot be used. The condition is not checked here.
    pub fn parse(
        scope: &str,
        headers: &[Header<'_>],
        payload: &[u8],
        sequence: u64,
    ) -> Result<Broadcast, Rejection> {
        let scope = customer::decode(scope)
            .and_then(|scope| name("scope", &scope).map(|()| scope.as_ref().into()))
            .map_err(|detail| Rejection::new(Reason::BadSubject, detail))?;
        // The subject has no channel, so the scope distinguishes the ids of broadcasts.
        let told_apart = format!("jumeau.broadcast.{scope}");
        let text = envelope::payload(payload, limits::EVENT_BYTES)?;
        let opened = envelope::open(&told_apart, headers, &text, sequence)?;
        let Opened { kind, id, fingerprint, time, data, .. } = opened;
        if kind != Broadcast::TYPE {
            return Err(Rejection::new(
                Reason::UnknownType,
                format!(
                    "expected the type `{}` on the subject of a broadcast, found `{}`; events go \
                     to the subject of events",
                    Broadcast::TYPE,
                    cut(&kind, 64)
                ),
            ));
        }
        let Some(data) = data else { return Err(bad(&"no data")) };
        let fact: SharedFact = json::read(&data).map_err(|misread| bad(&misread))?;
        fact.check().map_err(|found| bad(&found))?;
        Ok(Broadcast { scope, id: id.into(), fingerprint, time, fact })
    }
}

impl SharedFact {
    fn check(&self) -> Result<(), String> {
        match (&self.value, self.ended) {
            (None, false) if self.decide.is_some() => {}
            (None, false) => return Err("neither `value` nor `ended`".to_owned()),
            (Some(_), true) => return Err("both `value` and `ended`".to_owned()),
            (None, true) => {}
            (Some(given), false) => {
                value(given)?;
                let bytes = given.to_string().len();
                if bytes > limits::BROADCAST_VALUE_BYTES {
                    let most = limits::BROADCAST_VALUE_BYTES;
                    return Err(format!("a value of {bytes} bytes; at most {most} fit"));
                }
            }
        }
        if self.ended && (self.condition.is_some() || self.wake || self.decide.is_some()) {
            return Err(
                "an end with `where`, `wake` or `decide`; a broadcast ends for everybody, so leave \
                 them out"
                    .to_owned(),
            );
        }
        let Some(campaign) = &self.decide else { return Ok(()) };
        let Campaign { actions, issues, placements, channel, rate } = campaign;
        for names in [actions, issues, placements] {
            if names.len() > limits::CAMPAIGN_NAMES {
                let (most, found) = (limits::CAMPAIGN_NAMES, names.len());
                return Err(format!("{found} names in a campaign; at most {most} fit"));
            }
        }
        let mut names = actions.iter().chain(issues).chain(placements).chain(channel);
        names.try_for_each(|one| name("name", one))?;
        if *rate == Some(0) {
            return Err("a `rate` of 0; use at least 1 a second".to_owned());
        }
        Ok(())
    }
}

fn bad(found: &dyn fmt::Display) -> Rejection {
    Rejection::new(
        Reason::BadData,
        format!(
            r#"expected the data of `broadcast` as {{"value": …, "where": "…", "ttl": <seconds>, "wake": true}} or {{"ended": true}}; found: {found}"#
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(data: &str) -> Result<Broadcast, Rejection> {
        let payload = format!(r#"{{"type":"broadcast","id":"b1","data":{data}}}"#);
        Broadcast::parse("fires", &[], payload.as_bytes(), 7)
    }

    #[test]
    fn a_broadcast_is_read_from_the_envelope_of_an_event() {
        let broadcast = parse(
            r#"{"value":{"level":3},"where":"profile.region == 'NSW'","ttl":60,"wake":true}"#,
        );
        let broadcast = broadcast.unwrap();
        assert_eq!(
            (&*broadcast.scope, &*broadcast.id, broadcast.fact.ttl),
            ("fires", "b1", Some(60))
        );
        assert_eq!(broadcast.fact.condition.as_deref(), Some("profile.region == 'NSW'"));
        assert!(broadcast.fact.wake && !broadcast.fact.ended);
        assert!(parse(r#"{"ended":true}"#).unwrap().fact.ended);
        let bare = Broadcast::parse("a%20b", &[], br#"{"type":"broadcast","data":{"value":1}}"#, 7);
        assert_eq!(
            bare.map(|broadcast| (broadcast.scope, broadcast.id)),
            Ok(("a b".into(), "seq-7".into()))
        );
    }

    #[test]
    fn an_invalid_broadcast_is_refused_with_a_helpful_sentence() {
        let reason = |data| parse(data).map_err(|refusal| refusal.reason);
        for data in [
            "{}",
            r#"{"value":null}"#,
            r#"{"value":1,"ended":true}"#,
            r#"{"ended":true,"wake":true}"#,
            r#"{"value":1,"were":"x"}"#,
            r#"{"value":1,"ttl":-1}"#,
            &format!(r#"{{"value":"{}"}}"#, "a".repeat(limits::BROADCAST_VALUE_BYTES + 1)),
        ] {
            assert_eq!(reason(data), Err(Reason::BadData), "{data}");
        }
        let other = Broadcast::parse("fires", &[], br#"{"type":"track"}"#, 7).unwrap_err();
        assert_eq!(other.reason, Reason::UnknownType);
        let scope = Broadcast::parse("f.ires", &[], b"{}", 7).unwrap_err();
        assert_eq!(scope.reason, Reason::BadSubject);
    }
}
