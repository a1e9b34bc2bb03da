use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An event as channels publish it on `<prefix>.events.<channel>.<customer>`: a CloudEvent 1.0 in
/// structured mode, or a bare object with `type` and `data`. In binary mode the attributes are
/// headers (`ce-type`, `ce-id`…) and the payload is the data. This says what it looks like; what
/// reads it is [`parse`](super::parse).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EnvelopeForm {
    /// The type of the event: `track`, `message`, `consent`…; the schema of that name has its data.
    #[serde(rename = "type")]
    pub kind: String,
    /// The version of CloudEvents, `1.0`; left out in a bare event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("const" = "1.0"))]
    pub specversion: Option<String>,
    /// Its identifier, unique within its channel and source; without it the `Nats-Msg-Id`, or the
    /// place in the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Who says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The customer, if it is said: the one whom the subject on the bus names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it happened, as RFC 3339 writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// What the data is: `application/json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datacontenttype: Option<String>,
    /// The W3C trace context, handed on to what comes of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The data of the event, for which `data_base64` may stand; every type but `ask` needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// The data in Base64, in place of `data`; both at once are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<String>,
}
