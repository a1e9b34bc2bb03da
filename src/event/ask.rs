use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::field::{name, values};
use super::{Map, Value, nullable};
use crate::config::limits;

/// A channel's request for actions to show to the customer now.
///
/// A request through the API is answered with the decision; for a request on the event stream, the
/// decision is published as actions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AskData {
    /// The placements that the channel can fill: `home-hero`, `receipt`… None: any placement.
    #[serde(default = "nowhere", deserialize_with = "places")]
    #[schemars(with = "Option<Vec<String>>")]
    pub placements: Value,
    /// The maximum number of actions for each placement, 1 or more.
    #[serde(default = "one", deserialize_with = "most")]
    #[schemars(with = "Option<u8>")]
    pub most: u8,
    /// The context of the request: the content of the page, the search, the device…
    #[serde(default, alias = "context", deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<Map>")]
    pub properties: Map,
}

fn nowhere() -> Value {
    Value::List([].into())
}

const fn one() -> u8 {
    1
}

fn places<'de, D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
    nullable::or(from, nowhere)
}

fn most<'de, D: Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
    nullable::or(from, one)
}

impl AskData {
    /// The requested placements; none: any placement.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        let list = match &self.placements {
            Value::List(list) => &list[..],
            _ => &[],
        };
        list.iter().filter_map(Value::as_text)
    }

    /// The maximum number of actions in total.
    pub fn most_actions(&self) -> usize {
        let most = usize::from(self.most) * self.places().count().max(1);
        most.min(limits::OFFERS)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let Value::List(placements) = &self.placements else {
            return Err(format!("`placements` is {}, not a list of names", self.placements));
        };
        if placements.len() > limits::PLACEMENTS {
            let (most, found) = (limits::PLACEMENTS, placements.len());
            return Err(format!("{found} `placements`; at most {most} fit one request"));
        }
        for (position, placement) in placements.iter().enumerate() {
            let Some(text) = placement.as_text() else {
                return Err(format!("the placement {placement}, which is not a name"));
            };
            name("placements", text)?;
            if placements[..position].contains(placement) {
                return Err(format!("the placement `{text}` twice"));
            }
        }
        if self.most == 0 || usize::from(self.most) > limits::OFFERS {
            return Err(format!("a `most` of {}; 1 to {} fit", self.most, limits::OFFERS));
        }
        values(&self.properties)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<AskData, String> {
        let ask: AskData = serde_json::from_str(json).map_err(|error| error.to_string())?;
        ask.check().map(|()| ask)
    }

    #[test]
    fn a_request_without_placements_asks_for_one_anywhere() {
        let ask = read("{}").unwrap();
        assert_eq!((ask.places().count(), ask.most_actions()), (0, 1));
        let ask = read(r#"{"placements": ["hero", "side"], "most": 3, "context": {"a": 1}}"#);
        let ask = ask.unwrap();
        assert_eq!(ask.places().collect::<Vec<_>>(), ["hero", "side"]);
        assert_eq!((ask.most_actions(), ask.properties.get("a")), (6, Some(&Value::Int(1))));
    }

    #[test]
    fn an_invalid_request_says_what_is_possible() {
        let found = [
            r#"{"placements": "hero"}"#,
            r#"{"placements": [1]}"#,
            r#"{"placements": ["a", "a"]}"#,
            r#"{"placements": ["1","2","3","4","5","6","7","8","9"]}"#,
            r#"{"most": 0}"#,
            r#"{"most": 17}"#,
        ];
        let found: Vec<String> = found.map(|json| read(json).unwrap_err()).into();
        insta::assert_snapshot!(found.join("\n"), @r#"
        `placements` is hero, not a list of names
        the placement 1, which is not a name
        the placement `a` twice
        9 `placements`; at most 8 fit one request
        a `most` of 0; 1 to 16 fit
        a `most` of 17; 1 to 16 fit
        "#);
    }
}
