use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::Time;

/// A value from outside or computed by a policy: JSON's types, compact in memory.
///
/// A number keeps its kind: an integer within `i64` is a [`Value::Int`], a larger one within `u64` a
/// [`Value::UInt`], any other number a finite [`Value::Float`].
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer too large for [`Value::Int`], such as a long identifier.
    UInt(u64),
    /// Any other number; finite.
    Float(f64),
    /// A text.
    Text(Box<str>),
    /// A list.
    List(Box<[Value]>),
    /// Values by name.
    Map(Box<Map>),
}

impl Value {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one; an integer beyond 2^53 may be rounded here.
    pub fn as_number(&self) -> Option<f64> {
        match *self {
            Value::Int(number) => Some(number as f64),
            Value::UInt(number) => Some(number as f64),
            Value::Float(number) => Some(number),
            _ => None,
        }
    }

    /// The integer, if it is one, exactly.
    pub fn as_whole(&self) -> Option<i128> {
        match *self {
            Value::Int(number) => Some(number.into()),
            Value::UInt(number) => Some(number.into()),
            _ => None,
        }
    }

    /// An integer as a value; none if it fits neither [`Value::Int`] nor [`Value::UInt`].
    pub fn whole(number: i128) -> Option<Value> {
        let large = || u64::try_from(number).map(Value::UInt);
        i64::try_from(number).map(Value::Int).or_else(|_| large()).ok()
    }

    /// Compares two numbers, integers exactly; none if one of them is not a number.
    pub fn compare_numbers(&self, other: &Value) -> Option<Ordering> {
        match (self.as_whole(), other.as_whole()) {
            (Some(own), Some(other)) => Some(own.cmp(&other)),
            _ => self.as_number()?.partial_cmp(&other.as_number()?),
        }
    }

    /// The time in an RFC 3339 text.
    pub fn as_time(&self) -> Option<Time> {
        self.as_text().and_then(Time::parse)
    }

    /// The nesting depth of this value (a scalar: 1), and the total number of values.
    pub fn extent(&self) -> (usize, usize) {
        match self {
            Value::List(items) => nest(items.iter()),
            Value::Map(map) => nest(map.iter().map(|(_, value)| value)),
            _ => (1, 1),
        }
    }

    /// The heap memory that this value owns, in bytes, without allocator overhead.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Value::Text(text) => text.len(),
            Value::List(items) => {
                items.iter().map(|item| size_of::<Value>() + item.heap_bytes()).sum()
            }
            Value::Map(map) => size_of::<Map>() + map.heap_bytes(),
            _ => 0,
        }
    }
}

fn nest<'a>(values: impl Iterator<Item = &'a Value>) -> (usize, usize) {
    let (depth, nodes) = values.fold((0, 0), |(depth, nodes), value| {
        let (below, within) = value.extent();
        (depth.max(below), nodes + within)
    });
    (depth + 1, nodes + 1)
}

/// The longest prefix of `text` with at most `bytes_max` bytes and only complete characters.
pub fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Int(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Value {
        i64::try_from(value).map_or(Value::UInt(value), Value::Int)
    }
}

impl From<f64> for Value {
    /// A number that is not finite has no JSON form and becomes [`Value::Null`]; a zero has no sign.
    fn from(value: f64) -> Value {
        if value.is_finite() { Value::Float(value + 0.0) } else { Value::Null }
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::Text(value.into())
    }
}

impl fmt::Display for Value {
    /// A text unchanged, any other value as JSON.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => out.write_str(text),
            Value::Int(number) => number.fmt(out),
            Value::UInt(number) => number.fmt(out),
            other => match serde_json::to_string(other) {
                Ok(json) => out.write_str(&json),
                Err(_) => Err(fmt::Error),
            },
        }
    }
}

/// Values by name, sorted by name; each name once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Map(Vec<(Box<str>, Value)>);

impl Map {
    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.position(name).ok().and_then(|at| self.0.get(at)).map(|(_, value)| value)
    }

    /// Sets `name` to `value`, and returns the previous value.
    pub fn insert(&mut self, name: &str, value: Value) -> Option<Value> {
        match self.position(name) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                self.0.insert(at, (name.into(), value));
                None
            }
        }
    }

    /// Removes `name`, and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.position(name).ok().map(|at| self.0.remove(at).1)
    }

    /// The number of names.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// The heap memory that this map owns, in bytes, without allocator overhead.
    pub fn heap_bytes(&self) -> usize {
        self.0
            .iter()
            .map(|(name, value)| size_of::<(Box<str>, Value)>() + name.len() + value.heap_bytes())
            .sum()
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(name))
    }
}

impl<N: Into<Box<str>>> FromIterator<(N, Value)> for Map {
    /// Of several values with the same name the last one is kept.
    fn from_iter<I: IntoIterator<Item = (N, Value)>>(pairs: I) -> Map {
        let mut pairs: Vec<_> =
            pairs.into_iter().map(|(name, value)| (name.into(), value)).collect();
        if !pairs.is_sorted_by(|(left, _), (right, _)| left < right) {
            pairs.sort_by(|(left, _), (right, _)| left.cmp(right));
            pairs.reverse();
            pairs.dedup_by(|(later, _), (kept, _)| later == kept);
            pairs.reverse();
        }
        pairs.shrink_to_fit();
        Map(pairs)
    }
}

// Our record format is not self-describing, so a stored value carries its own tag; in JSON it is the
// plain value.

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if !to.is_human_readable() {
            return tagged::serialize(self, to);
        }
        match self {
            Value::Null => to.serialize_unit(),
            Value::Bool(value) => to.serialize_bool(*value),
            Value::Int(value) => to.serialize_i64(*value),
            Value::UInt(value) => to.serialize_u64(*value),
            Value::Float(value) => to.serialize_f64(*value),
            Value::Text(value) => to.serialize_str(value),
            Value::List(items) => {
                let mut list = to.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
            Value::Map(map) => map.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
        if from.is_human_readable() {
            from.deserialize_any(AnyValue)
        } else {
            tagged::deserialize(from)
        }
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Value, A::Error> {
        AnyMap.visit_map(entries).map(|map| Value::Map(Box::new(map)))
    }
}

impl Serialize for Map {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Map {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Map, D::Error> {
        from.deserialize_map(AnyMap)
    }
}

struct AnyMap;

impl<'de> Visitor<'de> for AnyMap {
    type Value = Map;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Map, A::Error> {
        let mut pairs: Vec<(Box<str>, Value)> = Vec::new();
        while let Some(pair) = entries.next_entry()? {
            pairs.push(pair);
        }
        Ok(pairs.into_iter().collect())
    }
}

mod tagged {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Map, Value};

    #[derive(Serialize)]
    enum Borrowed<'a> {
        Null,
        Bool(bool),
        Int(i64),
        Float(f64),
        Text(&'a str),
        List(&'a [Value]),
        Map(&'a Map),
        UInt(u64),
    }

    #[derive(Deserialize)]
    enum Owned {
        Null,
        Bool(bool),
        Int(i64),
        Float(f64),
        Text(Box<str>),
        List(Box<[Value]>),
        Map(Box<Map>),
        UInt(u64),
    }

    pub(super) fn serialize<S: Serializer>(value: &Value, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Value::Null => Borrowed::Null,
            Value::Bool(value) => Borrowed::Bool(*value),
            Value::Int(value) => Borrowed::Int(*value),
            Value::UInt(value) => Borrowed::UInt(*value),
            Value::Float(value) => Borrowed::Float(*value),
            Value::Text(value) => Borrowed::Text(value),
            Value::List(value) => Borrowed::List(value),
            Value::Map(value) => Borrowed::Map(value),
        }
        .serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
        Ok(match Owned::deserialize(from)? {
            Owned::Null => Value::Null,
            Owned::Bool(value) => Value::Bool(value),
            Owned::Int(value) => Value::Int(value),
            Owned::UInt(value) => Value::UInt(value),
            Owned::Float(value) => Value::Float(value),
            Owned::Text(value) => Value::Text(value),
            Owned::List(value) => Value::List(value),
            Owned::Map(value) => Value::Map(value),
        })
    }
}

impl JsonSchema for Value {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        Schema::from(true)
    }
}

impl JsonSchema for Map {
    fn schema_name() -> Cow<'static, str> {
        "Map".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_parses_back_from_its_own_json() {
        let json = r#"{"a":null,"b":[true,-3,2.5,"x"],"c":{"d":{}}}"#;
        let value: Value = serde_json::from_str(json).unwrap();
        assert_eq!(value.to_string(), json);
        assert_eq!(value.extent(), (3, 9));
    }

    #[test]
    fn a_zero_has_no_sign() {
        for zero in [Value::from(-0.0), serde_json::from_str("-0.0").unwrap()] {
            assert_eq!(serde_json::to_string(&zero).unwrap(), "0.0");
        }
    }

    #[test]
    fn the_last_value_of_a_repeated_name_wins() {
        let map: Map = serde_json::from_str(r#"{"b":1,"a":2,"b":3}"#).unwrap();
        assert_eq!(map.iter().collect::<Vec<_>>(), [("a", &Value::Int(2)), ("b", &Value::Int(3))]);
    }

    #[test]
    fn an_integer_is_read_and_written_exactly() {
        for number in [
            "18446744073709551615",
            "9223372036854775808",
            "9223372036854775807",
            "-9223372036854775808",
            "9007199254740993",
            "0",
        ] {
            let value: Value = serde_json::from_str(number).unwrap();
            assert_eq!(value.to_string(), number);
            assert_eq!(serde_json::to_string(&value).unwrap(), number);
            assert_eq!(value.as_whole().and_then(Value::whole), Some(value));
        }
        assert_eq!(Value::whole(i128::from(u64::MAX) + 1), None);
        assert_eq!(Value::whole(i128::from(i64::MIN) - 1), None);
    }

    #[test]
    fn whole_numbers_are_compared_exactly_and_others_by_their_size() {
        let compare = |left: &str, right: &str| {
            let read = |json| serde_json::from_str::<Value>(json).unwrap();
            read(left).compare_numbers(&read(right))
        };
        assert_eq!(compare("9007199254740993", "9007199254740992"), Some(Ordering::Greater));
        assert_eq!(
            compare("18446744073709551615", "18446744073709551614"),
            Some(Ordering::Greater)
        );
        assert_eq!(compare("-1", "18446744073709551615"), Some(Ordering::Less));
        assert_eq!(compare("1", "1.0"), Some(Ordering::Equal));
        assert_eq!(compare("1", "\"1\""), None);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("caf\u{e9}", 4), "caf");
        assert_eq!(cut("caf\u{e9}", 5), "caf\u{e9}");
    }
}
