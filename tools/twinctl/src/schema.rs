//! JSON Schemas, generated from the types that read and write the messages.

use jumeau::api;
use jumeau::bus;
use jumeau::contract;
use jumeau::event::{self, EventType};
use jumeau::partition::CloudEvent;
use jumeau::twin;
use schemars::{JsonSchema, Schema, schema_for};
use serde_json::{Value, json};

use crate::failure::Failure;

/// A message's name, and the function that builds its schema.
type Message = (&'static str, fn() -> Schema);

/// The request needs no payload; an empty object is equivalent.
#[derive(JsonSchema)]
struct Nothing {}

/// The envelope of events, the outputs, and the requests and replies of the service API, besides the data
/// of the event types. `action` is the message as published, `action.data` its content.
const MESSAGES: [Message; 78] = [
    ("event", envelope),
    ("broadcast", || schema_for!(event::SharedFact)),
    ("analyser.question", || schema_for!(bus::Question<'_>)),
    ("analyser.answer", || schema_for!(event::Analysis)),
    ("action", || schema_for!(CloudEvent<'_, twin::Action>)),
    ("action.data", || schema_for!(twin::Action)),
    ("recall", || schema_for!(CloudEvent<'_, twin::Recall>)),
    ("recall.data", || schema_for!(twin::Recall)),
    ("observation", || schema_for!(CloudEvent<'_, twin::Observation>)),
    ("observation.data", || schema_for!(twin::Observation)),
    ("escalation", || schema_for!(CloudEvent<'_, twin::Escalation>)),
    ("escalation.data", || schema_for!(twin::Escalation)),
    ("dead.headers", || schema_for!(contract::DeadHeaders)),
    ("audit", || schema_for!(api::AuditRecord)),
    ("receipt", || schema_for!(api::ErasureReceipt)),
    ("export", || schema_for!(crate::export::Export)),
    ("api.decide.request", || schema_for!(api::DecideRequest)),
    ("api.decide", || schema_for!(api::DecideReply)),
    ("api.why.request", || schema_for!(api::WhyRequest)),
    ("api.why", || schema_for!(api::WhyReply)),
    ("api.whatif.request", || schema_for!(api::WhatIfRequest)),
    ("api.whatif", || schema_for!(api::WhatIfReply)),
    ("api.journal.request", || schema_for!(api::JournalRequest)),
    ("api.journal", || schema_for!(api::JournalReply)),
    ("api.marks.request", || schema_for!(Nothing)),
    ("api.marks", || schema_for!(api::MarksReply)),
    ("api.lessons.request", || schema_for!(api::LessonsRequest)),
    ("api.lessons", || schema_for!(api::LessonsReply)),
    ("api.forged.request", || schema_for!(api::ForgedRequest)),
    ("api.forged", || schema_for!(api::ForgedReply)),
    ("api.show.request", || schema_for!(Nothing)),
    ("api.show", || schema_for!(api::ShowReply)),
    ("api.timeline.request", || schema_for!(api::TimelineRequest)),
    ("api.timeline", || schema_for!(api::TimelineReply)),
    ("api.erase.request", || schema_for!(api::EraseRequest)),
    ("api.erase", || schema_for!(api::EraseReply)),
    ("api.export.request", || schema_for!(api::ExportRequest)),
    ("api.export", || schema_for!(api::ExportReply)),
    ("api.stats.request", || schema_for!(Nothing)),
    ("api.stats", || schema_for!(api::Stats)),
    ("api.policy.request", || schema_for!(Nothing)),
    ("api.policy", || schema_for!(api::PolicyStatus)),
    ("api.policy.files.request", || schema_for!(api::PolicyFileRequest)),
    ("api.policy.files", || schema_for!(api::PolicyFileReply)),
    ("api.broadcasts.request", || schema_for!(Nothing)),
    ("api.broadcasts", || schema_for!(api::LiveBroadcasts)),
    ("api.campaign.try.request", || schema_for!(api::TryCampaignRequest)),
    ("api.campaign.try", || schema_for!(api::TryCampaignReply)),
    ("api.experiments.request", || schema_for!(Nothing)),
    ("api.experiments", || schema_for!(api::ExperimentsReply)),
    ("api.advance.request", || schema_for!(api::AdvanceRequest)),
    ("api.advance", || schema_for!(api::AdvanceReply)),
    ("api.escalations.list.request", || schema_for!(api::EscalationsRequest)),
    ("api.escalations.list", || schema_for!(api::EscalationsReply)),
    ("api.escalations.show.request", || schema_for!(api::EscalationRequest)),
    ("api.escalations.show", || schema_for!(api::EscalationReply)),
    ("api.escalations.open.request", || schema_for!(api::ActRequest)),
    ("api.escalations.open", || schema_for!(api::ActReply)),
    ("api.escalations.claim.request", || schema_for!(api::ActRequest)),
    ("api.escalations.claim", || schema_for!(api::ActReply)),
    ("api.escalations.next.request", || schema_for!(api::DecideRequest)),
    ("api.escalations.next", || schema_for!(api::DecideReply)),
    ("api.escalations.note.request", || schema_for!(api::ActRequest)),
    ("api.escalations.note", || schema_for!(api::ActReply)),
    ("api.escalations.handback.request", || schema_for!(api::ActRequest)),
    ("api.escalations.handback", || schema_for!(api::ActReply)),
    ("api.escalations.resolve.request", || schema_for!(api::ActRequest)),
    ("api.escalations.resolve", || schema_for!(api::ActReply)),
    ("api.dead.list.request", || schema_for!(api::DeadListRequest)),
    ("api.dead.list", || schema_for!(api::DeadListReply)),
    ("api.dead.show.request", || schema_for!(api::DeadShowRequest)),
    ("api.dead.show", || schema_for!(api::DeadLetterView)),
    ("api.dead.retry.request", || schema_for!(api::DeadRetryRequest)),
    ("api.dead.retry", || schema_for!(api::DeadRetryReply)),
    ("api.backup.request", || schema_for!(api::BackupRequest)),
    ("api.backup", || schema_for!(api::BackupReply)),
    ("api.audit.request", || schema_for!(api::AuditRequest)),
    ("api.audit", || schema_for!(api::AuditReply)),
];

/// The envelope of events as the service accepts it.
fn envelope() -> Schema {
    let mut schema = schema_for!(event::EnvelopeForm);
    let types = EventType::NAMES;
    if let Some(Value::Object(fields)) = schema.get_mut("properties") {
        let mut rule = |field: &str, name: &str, rule: Value| {
            if let Some(Value::Object(field)) = fields.get_mut(field) {
                field.insert(name.to_owned(), rule);
            }
        };
        rule("type", "enum", json!(types));
        rule("specversion", "enum", json!(["1.0", null]));
        rule("id", "minLength", json!(1));
        rule("data", "type", json!(["object", "null"]));
        rule("data_base64", "contentEncoding", json!("base64"));
        rule("data_base64", "contentMediaType", json!("application/json"));
        if let Some(Value::Object(version)) = fields.get_mut("specversion") {
            version.remove("const");
        }
    }
    // `null` is equivalent to omission.
    let data = json!({ "required": ["data"], "properties": { "data": { "type": "object" } } });
    let encoded = json!({
        "required": ["data_base64"],
        "properties": { "data_base64": { "type": "string", "minLength": 1 } },
    });
    let both = json!({
        "required": ["data", "data_base64"],
        "properties": { "data": { "type": "object" }, "data_base64": { "type": "string" } },
    });
    let asks = json!({ "properties": { "type": { "const": EventType::Ask.name() } } });
    schema.insert("not".to_owned(), both);
    schema.insert("anyOf".to_owned(), json!([data, encoded, asks]));
    let description = "An event as channels publish it on `<prefix>.events.<channel>.<customer>`: a \
                       CloudEvent 1.0 in structured mode, or a bare object with `type` and `data`. In \
                       binary mode the attributes are headers (`ce-type`, `ce-id`…) and the payload is \
                       the data.";
    schema.insert("description".to_owned(), description.into());
    schema
}

/// A description without what belongs only in the code's documentation: links, and names of constants.
fn plain(description: &str) -> String {
    let mut text = String::new();
    let mut rest = description;
    while let Some((before, link)) = rest.split_once("[`") {
        let Some((name, after)) = link.split_once("`]") else { break };
        let target = after.strip_prefix('(').and_then(|after| after.split_once(')'));
        rest = target.map_or(after, |(_, after)| after);
        let name = match (name.strip_prefix("verb::"), name.strip_prefix("limits::")) {
            (Some("WHAT_IF"), _) => "whatif".to_owned(),
            (Some("TRY_CAMPAIGN"), _) => "campaign.try".to_owned(),
            (Some(verb), _) => verb.to_lowercase().replace('_', "."),
            (_, Some(limit)) => limit.to_owned(),
            _ => name.to_owned(),
        };
        text += &format!("{before}`{name}`");
    }
    text + rest
}

/// Simplifies the descriptions of a schema and everything in it, for readers who do not know the code.
fn described(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if name == "description" => *text = plain(text),
                    field => described(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(described),
        _ => {}
    }
}

fn of_event(event_type: EventType) -> Schema {
    match event_type {
        EventType::Identify => schema_for!(event::IdentifyData),
        EventType::Link => schema_for!(event::LinkData),
        EventType::Unlink => schema_for!(event::UnlinkData),
        EventType::Page | EventType::Screen | EventType::Track => schema_for!(event::NamedData),
        EventType::Message => schema_for!(event::MessageData),
        EventType::Preference => schema_for!(event::PreferenceData),
        EventType::Consent => schema_for!(event::ConsentData),
        EventType::Interaction => schema_for!(event::InteractionData),
        EventType::Case => schema_for!(event::CaseData),
        EventType::Signal => schema_for!(event::SignalData),
        EventType::Outcome => schema_for!(event::OutcomeData),
        EventType::Handoff => schema_for!(event::HandoffData),
        EventType::Ask => schema_for!(event::AskData),
    }
}

/// The schema of this name.
pub(crate) fn schema(name: &str) -> Result<Schema, Failure> {
    let message = MESSAGES.iter().find(|(known, _)| *known == name).map(|(_, message)| message());
    let event_type = EventType::ALL.iter().copied().find(|known| known.name() == name);
    let mut schema = message.or_else(|| event_type.map(of_event)).ok_or_else(|| {
        Failure::Usage(format!("expected one of {}; found `{name}`", names().join(", ")))
    })?;
    schema.ensure_object().values_mut().for_each(described);
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = plain(text);
    }
    Ok(schema)
}

/// The names of all schemas: the data of events first.
pub(crate) fn names() -> Vec<&'static str> {
    let events = EventType::NAMES.iter().copied();
    events.chain(MESSAGES.iter().map(|(name, _)| *name)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use jumeau::api::VERBS;
    use jumeau::contract::Subjects;
    use jumeau::event::{Original, Raw, Reason, Rejection};
    use jumeau::language::Languages;
    use jumeau::partition::{Outgoing, StoreSecret};
    use jumeau::policy_source::PolicySource;
    use jumeau::story::{self, OutputKind};

    #[test]
    fn every_name_has_a_schema_of_an_object() {
        for name in names() {
            let schema = schema(name).unwrap_or_else(|failure| panic!("{name}: {failure}"));
            assert_eq!(schema.get("type").and_then(|kind| kind.as_str()), Some("object"), "{name}");
        }
    }

    #[test]
    fn every_endpoint_names_existing_schemas() {
        let names = names();
        for verb in VERBS {
            let verb = verb.endpoint.verb;
            for name in [format!("api.{verb}"), format!("api.{verb}.request")] {
                assert!(names.contains(&name.as_str()), "{name}");
            }
        }
    }

    /// The violations of a schema by a value, for schemas of the forms generated here; empty if it is
    /// valid.
    fn faults(schema: &Value, value: &Value, whole: &Value, at: &str) -> Vec<String> {
        let Some(wanted) = schema.as_object() else {
            // `true` accepts anything.
            return if schema == &json!(false) {
                vec![format!("{at}: nothing fits")]
            } else {
                vec![]
            };
        };
        let mut found = Vec::new();
        let below = |schema: &Value, value: &Value, at: &str| faults(schema, value, whole, at);
        for (key, rule) in wanted {
            match (key.as_str(), rule) {
                ("$ref", Value::String(path)) => {
                    let target = whole.pointer(path.trim_start_matches('#'));
                    found.extend(below(target.expect("a definition"), value, at));
                }
                ("type", kinds) => {
                    let kinds = kinds.as_array().cloned().unwrap_or_else(|| vec![kinds.clone()]);
                    let is_kind = |kind: &Value| match kind.as_str().unwrap_or_default() {
                        "object" => value.is_object(),
                        "array" => value.is_array(),
                        "string" => value.is_string(),
                        "number" => value.is_number(),
                        "integer" => value.is_i64() || value.is_u64(),
                        "boolean" => value.is_boolean(),
                        "null" => value.is_null(),
                        other => panic!("{other}"),
                    };
                    if !kinds.iter().any(is_kind) {
                        found.push(format!("{at}: {value} is none of {kinds:?}"));
                    }
                }
                ("required", Value::Array(names)) => {
                    for name in names.iter().filter_map(Value::as_str) {
                        if value.is_object() && value.get(name).is_none() {
                            found.push(format!("{at}: no `{name}`"));
                        }
                    }
                }
                ("properties", Value::Object(fields)) => {
                    for (name, schema) in fields {
                        if let Some(field) = value.get(name) {
                            found.extend(below(schema, field, &format!("{at}.{name}")));
                        }
                    }
                    if wanted.get("additionalProperties") == Some(&json!(false)) {
                        let keys = value.as_object().into_iter().flatten().map(|(name, _)| name);
                        let unknown = keys.filter(|name| !fields.contains_key(*name));
                        found.extend(unknown.map(|name| format!("{at}: unknown `{name}`")));
                    }
                }
                ("additionalProperties", schema) if !wanted.contains_key("properties") => {
                    for (name, field) in value.as_object().into_iter().flatten() {
                        found.extend(below(schema, field, &format!("{at}.{name}")));
                    }
                }
                ("items", schema) => {
                    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                        found.extend(below(schema, item, &format!("{at}[{number}]")));
                    }
                }
                ("anyOf" | "oneOf", Value::Array(ways))
                    if ways.iter().all(|way| !below(way, value, at).is_empty()) =>
                {
                    found.push(format!("{at}: {value} fits in no way"));
                }
                ("not", schema) if below(schema, value, at).is_empty() => {
                    found.push(format!("{at}: {value} fits what it must not"));
                }
                ("minLength", least) => {
                    let length = value.as_str().map(|text| text.chars().count() as u64);
                    if length.is_some_and(|length| Some(length) < least.as_u64()) {
                        found.push(format!("{at}: {value} is too short"));
                    }
                }
                ("enum", Value::Array(all)) if !all.contains(value) => {
                    found.push(format!("{at}: {value} is none of {all:?}"));
                }
                ("const", only) if only != value => {
                    found.push(format!("{at}: {value} is not {only}"));
                }
                _ => {}
            }
        }
        found
    }

    fn assert_fits(name: &str, value: &Value) {
        let schema = schema(name).unwrap_or_else(|failure| panic!("{failure}"));
        let schema = schema.as_value();
        let found = faults(schema, value, schema, name);
        assert!(found.is_empty(), "{found:#?}\n{value:#}");
    }

    #[test]
    fn messages_fit_their_schemas() {
        let outgoing = Outgoing::new(Arc::new(Subjects::default()), StoreSecret::default(), 1);
        let mut counts = [0, 0, 0];
        for name in PolicySource::embedded() {
            let source = PolicySource::find(name).unwrap();
            let policy = source.policy(&Languages::embedded()).unwrap();
            for story in source.stories(&policy).unwrap() {
                for seen in story::play(&story, &policy).seen {
                    let (name, output, count) = match &seen.what {
                        OutputKind::Action(action) => {
                            ("action", outgoing.action(action), &mut counts[0])
                        }
                        OutputKind::Recall(recall) => {
                            ("recall", outgoing.recall(recall), &mut counts[1])
                        }
                        OutputKind::Escalation(escalation) => {
                            ("escalation", outgoing.escalation(escalation), &mut counts[2])
                        }
                    };
                    let message: Value = serde_json::from_slice(&output.payload).unwrap();
                    assert_fits(name, &message);
                    assert_fits(&format!("{name}.data"), &message["data"]);
                    *count += 1;
                }
            }
        }
        assert!(counts.iter().all(|count| *count > 3), "{counts:?}");
    }

    #[test]
    fn a_message_without_a_required_field_does_not_fit_its_schema() {
        let schema = schema("action").unwrap_or_else(|failure| panic!("{failure}"));
        let schema = schema.as_value();
        let found = faults(schema, &json!({ "specversion": "1.0", "data": {} }), schema, "action");
        assert!(found.contains(&"action: no `type`".to_owned()), "{found:?}");
        assert!(found.contains(&"action.data: no `decision`".to_owned()), "{found:?}");
    }

    #[test]
    fn the_schema_of_events_accepts_what_the_service_accepts() {
        let looked = json!({ "name": "Looked" });
        // `looked`, in Base64.
        let encoded = "eyJuYW1lIjogIkxvb2tlZCJ9";
        for event in [
            json!({ "type": "track", "data": looked }),
            json!({ "type": "track", "data": looked, "specversion": "1.0" }),
            json!({ "type": "track", "data": looked, "specversion": null }),
            json!({ "type": "track", "data": looked, "specversion": "0.3" }),
            json!({ "type": "track", "data": looked, "specversion": 1.0 }),
            json!({ "type": "track", "data_base64": encoded }),
            json!({ "type": "track", "data": null, "data_base64": encoded }),
            json!({ "type": "track", "data": looked, "data_base64": null }),
            json!({ "type": "track", "data": looked, "data_base64": encoded }),
            json!({ "type": "track", "data": looked, "data_base64": "" }),
            json!({ "type": "track", "data_base64": "" }),
            json!({ "type": "track", "data": [looked] }),
            json!({ "type": "track", "data": null }),
            json!({ "type": "track" }),
            json!({ "type": "trakc", "data": looked }),
            json!({ "type": "Track", "data": looked }),
            json!({ "type": "broadcast", "data": { "value": 1 } }),
            json!({ "type": null, "data": looked }),
            json!({ "data": looked }),
            json!({ "type": "ask" }),
            json!({ "type": "ask", "data": null }),
            json!({ "type": "ask", "data": {} }),
            json!({ "type": "track", "data": looked, "id": "" }),
            json!({ "type": "track", "data": looked, "id": null, "source": null, "time": null }),
            json!({ "type": "track", "data": looked, "id": 7 }),
            json!({ "type": "track", "data": looked, "more": [1] }),
        ] {
            let payload = event.to_string();
            let raw = Raw {
                channel: "web",
                customer: "ann",
                headers: &[],
                payload: payload.as_bytes(),
                sequence: 1,
            };
            let taken = event::parse(&raw);
            let schema = schema("event").unwrap_or_else(|failure| panic!("{failure}"));
            let faults = faults(schema.as_value(), &event, schema.as_value(), "event");
            assert_eq!(faults.is_empty(), taken.is_ok(), "{event}: {faults:?}, {taken:?}");
        }
    }

    #[test]
    fn no_description_has_a_link_into_the_code() {
        for name in names() {
            let schema = schema(name).unwrap_or_else(|failure| panic!("{name}: {failure}"));
            let text = schema.as_value().to_string();
            for link in ["[`", "`]", "](", "super::", "crate::", "verb::", "limits::"] {
                assert!(!text.contains(link), "{name}: {link} in {text}");
            }
        }
        let description =
            plain("The answer to [`verb::WHAT_IF`](super::verb::WHAT_IF), of [`Foo`] and [1].");
        assert_eq!(description, "The answer to `whatif`, of `Foo` and [1].");
    }

    #[test]
    fn events_and_dead_letters_fit_their_schemas() {
        assert_fits("event", &json!({ "type": "track", "data": { "name": "Looked" } }));
        let original = Original {
            subject: "jumeau.events.web.ann".into(),
            headers: [("Nats-Msg-Id", "e1"), ("ce-type", "track")].into_iter().collect(),
            payload: "{".into(),
        };
        let rejection = Rejection::new(Reason::BadJson, "expected JSON");
        let letter =
            jumeau::contract::dead_letter(&Subjects::default(), 3, 17, &original, &rejection);
        let headers: serde_json::Map<String, Value> = letter
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), Value::from(&**value)))
            .collect();
        assert_fits("dead.headers", &Value::Object(headers));
    }
}
