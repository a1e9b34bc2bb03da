//! Reads requests. A field that a request does not have is told with the nearest one that it has: a caller
//! who mistypes `limit` would otherwise believe that it counts.

use schemars::{JsonSchema, schema_for};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::event::{cut, json};
use crate::policy::nearest;

/// The payload of requests that have no fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoFields {}

/// Reads the payload of a request.
///
/// # Errors
/// A sentence for the caller.
pub fn read_request<T: DeserializeOwned + JsonSchema>(payload: &[u8]) -> Result<T, String> {
    json::read_bytes(payload).map_err(|misread| {
        let found: Option<Map<String, Value>> = json::read_bytes(payload).ok();
        explained::<T>(&misread.to_string(), &found.unwrap_or_default())
    })
}

/// Reads the payload of a request that needs none; none, if it is empty or `null`.
///
/// # Errors
/// A sentence for the caller.
pub fn read_optional<T: DeserializeOwned + JsonSchema>(
    payload: &[u8],
) -> Result<Option<T>, String> {
    match payload.trim_ascii() {
        b"" | b"null" => Ok(None),
        _ => read_request(payload).map(Some),
    }
}

/// Reads a request from its fields.
///
/// # Errors
/// A sentence for the caller.
pub fn read_fields<T: DeserializeOwned + JsonSchema>(
    fields: Map<String, Value>,
) -> Result<T, String> {
    json::read_value(fields.clone().into())
        .map_err(|misread| explained::<T>(&misread.to_string(), &fields))
}

/// A message without the names of types of the program.
fn in_words(misread: &str) -> String {
    const EXPECTED: &str = ", expected ";
    let Some((before, after)) = misread.split_once(EXPECTED) else { return misread.to_owned() };
    let (kind, place) = after.split_at(after.find(" at line ").unwrap_or(after.len()));
    let kind = match kind {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number",
        "f32" | "f64" => "a number",
        "a sequence" => "a list",
        "a map" => "an object",
        named if named.starts_with("struct ") => "an object",
        other => other,
    };
    format!("{before}{EXPECTED}{kind}{place}")
}

/// Why a request cannot be read.
fn explained<T: JsonSchema>(misread: &str, fields: &Map<String, Value>) -> String {
    let schema = schema_for!(T);
    let known = schema.get("properties").and_then(Value::as_object);
    let known: Vec<&str> = known.into_iter().flatten().map(|(name, _)| &**name).collect();
    let is_unknown = |name: &&String| {
        !known.contains(&&***name) && misread.starts_with(&format!("unknown field `{name}`"))
    };
    let Some(unknown) = fields.keys().find(is_unknown) else {
        return format!("expected the request as JSON, found: {}", in_words(misread));
    };
    let all = match &known[..] {
        [] => "a request without fields".to_owned(),
        known => format!("one of the fields {}", known.join(", ")),
    };
    let hint = nearest(unknown, known.iter().copied());
    let hint = hint.map_or_else(String::new, |right| format!("; did you mean `{right}`?"));
    format!("expected {all}; found `{}`{hint}", cut(unknown, 64))
}
