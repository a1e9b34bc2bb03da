use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{Time, Value};

/// A consent that was granted or withdrawn.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ConsentData {
    /// The purpose: `service`, `personalization`, `marketing`, `profiling`…
    pub purpose: Box<str>,
    /// The channel that it is limited to; none: every channel.
    #[serde(default)]
    pub channel: Option<Box<str>>,
    /// Whether it was granted; otherwise it was withdrawn.
    pub granted: bool,
    /// The proof: a form, a recording, a letter, under the channel's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Box<str>>,
    /// When a granted consent expires. None, or a time before the year 1990: according to the policy, or
    /// never. It is not read from a withdrawal: a "no" does not expire.
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
            // A withdrawal is accepted whatever `expires` contains.
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

/// The content of `expires`.
enum Expires {
    /// A time, or no value.
    At(Option<Time>),
    /// Any other value, as text for messages.
    Odd(String),
}

impl Default for Expires {
    fn default() -> Expires {
        Expires::At(None)
    }
}

impl<'de> Deserialize<'de> for Expires {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Expires, D::Error> {
        // Stored records contain the value as it was received.
        if !from.is_human_readable() {
            return Option::deserialize(from).map(Expires::At);
        }
        Ok(match Value::deserialize(from)? {
            Value::Null => Expires::At(None),
            Value::Text(text) => match Time::parse(&text) {
                Some(moment) => {
                    Expires::At(Some(moment).filter(|at| *at >= Time::EARLIEST_PLAUSIBLE))
                }
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
    fn a_withdrawal_counts_with_any_value_of_its_expiry() {
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
