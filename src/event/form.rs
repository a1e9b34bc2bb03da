use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An event as channels publish it on `<prefix>.events.<channel>.<customer>`: a CloudEvent 1.0 in
/// structured mode, or a bare object with `type` and `data`. In binary mode the attributes are headers
/// (`ce-type`, `ce-id`…) and the payload is the data. This type only describes the form;
/// [`parse`](super::parse) reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EnvelopeForm {
    /// The type of the event: `track`, `message`, `consent`…; the schema of that name describes its data.
    #[serde(rename = "type")]
    pub kind: String,
    /// The version of CloudEvents, `1.0`; absent in a bare event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("const" = "1.0"))]
    pub specversion: Option<String>,
    /// Its identifier, unique within its channel and source. If absent, the `Nats-Msg-Id` is used, or
    /// else the sequence in the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The source of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The customer, if given; must equal the one in the NATS subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it happened, in RFC 3339 form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The content type of the data: `application/json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datacontenttype: Option<String>,
    /// The W3C trace context, propagated to resulting actions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The data of the event, or else `data_base64`; required for every type except `ask`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// The data in Base64, instead of `data`; an event with both is rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<String>,
}
