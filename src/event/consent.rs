use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{Time, Value};

/// A consent granted or withdrawn.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ConsentData {
    /// What for: `service`, `personalization`, `marketing`, `profiling`…
    pub purpose: Box<str>,
    /// The one channel for which this holds; none: every channel.
    #[serde(default)]
    pub channel: Option<Box<str>>,
    /// Granted, or withdrawn.
    pub granted: bool,
    /// Where that can be proved: a form, a recording, a letter, as the channel calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Box<str>>,
    /// When a consent that is granted lapses; none, and a moment before the year 1990: when the
    /// policy says, or never. Of one that is withdrawn it is not read: a "no" does not lapse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
}

impl<'de> Deserialize<'de> for ConsentData {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<ConsentData, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "Consent")]
        struct ConsentFields {
            purpose: Box<str>,
            #[serde(default)]
            channel: Option<Box<str>>,
            granted: bool,
            #[serde(default)]
            proof: Option<Box<str>>,
            #[serde(default)]
            expires: Expires,
        }
        let ConsentFields { purpose, channel, granted, proof, expires } =
            ConsentFields::deserialize(from)?;
        let expires = match expires {
            Expires::At(moment) => moment,
            // Whatever stands there, a withdrawal is heard.
            Expires::Odd(_) if !granted => None,
            Expires::Odd(found) => {
                let wanted = "an RFC 3339 time such as 2026-11-22T09:30:00Z";
                return Err(de::Error::custom(format!(
                    "invalid value: {found}, expected {wanted}"
                )));
            }
        };
        Ok(ConsentData { purpose, channel, granted, proof, expires })
    }
}

/// What stands in `expires`.
enum Expires {
    /// A moment, or nothing.
    At(Option<Time>),
    /// Something else, for people.
    Odd(String),
}

impl Default for Expires {
    fn default() -> Expires {
        Expires::At(None)
    }
}

impl<'de> Deserialize<'de> for Expires {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Expires, D::Error> {
        // Records keep what they were given.
        if !from.is_human_readable() {
            return Option::deserialize(from).map(Expires::At);
        }
        Ok(match Value::deserialize(from)? {
            Value::Null => Expires::At(None),
            Value::Text(text) => match Time::parse(&text) {
                Some(moment) => Expires::At(Some(moment).filter(|at| *at >= Time::FIRST_SAID)),
                None => Expires::Odd(format!("string {text:?}")),
            },
            other => Expires::Odd(other.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn read(granted: bool, expires: &Json) -> Result<ConsentData, String> {
        let data = json!({ "purpose": "news", "granted": granted, "expires": expires });
        super::super::json::read(&data.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_withdrawal_is_heard_whatever_stands_where_a_consent_lapses() {
        let odd = [json!(""), json!("soon"), json!("2026-02-30"), json!(0), json!(1.5), json!({})];
        for expires in odd {
            let withdrawn = read(false, &expires).unwrap_or_else(|why| panic!("{expires}: {why}"));
            assert_eq!((withdrawn.granted, withdrawn.expires), (false, None), "{expires}");
            let why = read(true, &expires).unwrap_err();
            assert!(why.contains("expected an RFC 3339 time such as"), "{expires}: {why}");
        }
        assert_eq!(read(true, &json!(null)).unwrap().expires, None);
        let later = json!("2027-01-01T00:00:00Z");
        assert_eq!(read(true, &later).unwrap().expires, Time::parse("2027-01-01T00:00:00Z"));
    }
}
