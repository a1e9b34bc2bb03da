//! JSON Schemas, generated from the types that read and write the messages.

use jumeau::api;
use jumeau::bus;
use jumeau::event::{self, EventType};
use jumeau::partition::CloudEvent;
use jumeau::twin;
use schemars::{JsonSchema, Schema, schema_for};

use crate::failure::Failure;

/// A message's name, and what makes its schema.
type Message = (&'static str, fn() -> Schema);

/// What asks needs no payload; an empty object is none, either.
#[derive(JsonSchema)]
struct Nothing {}

/// The envelope of events, what comes out and what the service API is asked and says, besides the
/// data of the types of events. What is `action` is the message as it comes out, `action.data` what
/// it says.
const MESSAGES: [Message; 78] = [
    ("event", || schema_for!(event::EnvelopeForm)),
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
    ("dead.headers", || schema_for!(bus::DeadHeaders)),
    ("audit", || schema_for!(api::AuditRecord)),
    ("receipt", || schema_for!(api::Receipt)),
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
    ("api.advance.request", || schema_for!(api::Advance)),
    ("api.advance", || schema_for!(api::Advanced)),
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
    ("api.dead.list.request", || schema_for!(api::DeadList)),
    ("api.dead.list", || schema_for!(api::DeadLetters)),
    ("api.dead.show.request", || schema_for!(api::DeadShow)),
    ("api.dead.show", || schema_for!(api::DeadLetter)),
    ("api.dead.retry.request", || schema_for!(api::DeadRetry)),
    ("api.dead.retry", || schema_for!(api::DeadRetried)),
    ("api.backup.request", || schema_for!(api::BackupRequest)),
    ("api.backup", || schema_for!(api::BackupReply)),
    ("api.audit.request", || schema_for!(api::AuditRequest)),
    ("api.audit", || schema_for!(api::AuditReply)),
];

fn of_event(event_type: EventType) -> Schema {
    match event_type {
        EventType::Identify => schema_for!(event::Identify),
        EventType::Link => schema_for!(event::Link),
        EventType::Unlink => schema_for!(event::Unlink),
        EventType::Page | EventType::Screen | EventType::Track => schema_for!(event::Named),
        EventType::Message => schema_for!(event::Message),
        EventType::Preference => schema_for!(event::Preference),
        EventType::Consent => schema_for!(event::Consent),
        EventType::Interaction => schema_for!(event::Interaction),
        EventType::Case => schema_for!(event::Case),
        EventType::Signal => schema_for!(event::Signal),
        EventType::Outcome => schema_for!(event::Outcome),
        EventType::Handoff => schema_for!(event::Handoff),
        EventType::Ask => schema_for!(event::Ask),
    }
}

/// The schema of a name.
pub(crate) fn schema(name: &str) -> Result<Schema, Failure> {
    if let Some((_, message)) = MESSAGES.iter().find(|(known, _)| *known == name) {
        return Ok(message());
    }
    let event_type = EventType::ALL.into_iter().find(|known| known.name() == name);
    event_type.map(of_event).ok_or_else(|| {
        Failure::Usage(format!("expected one of {}; found `{name}`", names().join(", ")))
    })
}

/// Every name there is a schema of: the data of events first.
pub(crate) fn names() -> Vec<&'static str> {
    let events = EventType::ALL.into_iter().map(EventType::name);
    events.chain(MESSAGES.iter().map(|(name, _)| *name)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jumeau::api::VERBS;
    use jumeau::bus::Subjects;
    use jumeau::event::{Original, Reason, Rejection};
    use jumeau::language::Languages;
    use jumeau::partition::{Outgoing, Secret};
    use jumeau::shelf::Shelf;
    use jumeau::story::{self, What};
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn every_name_has_a_schema_of_an_object() {
        for name in names() {
            let schema = schema(name).unwrap_or_else(|failure| panic!("{name}: {failure}"));
            assert_eq!(schema.get("type").and_then(|kind| kind.as_str()), Some("object"), "{name}");
        }
    }

    #[test]
    fn every_endpoint_names_schemas_that_there_are() {
        let names = names();
        for verb in VERBS {
            let verb = verb.endpoint.verb;
            for name in [format!("api.{verb}"), format!("api.{verb}.request")] {
                assert!(names.contains(&name.as_str()), "{name}");
            }
        }
    }

    /// What is wrong with a value, by a schema of the kinds that are made here; nothing, if it fits.
    fn faults(schema: &Value, value: &Value, whole: &Value, at: &str) -> Vec<String> {
        let Some(wanted) = schema.as_object() else {
            // `true` takes anything.
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
    fn what_comes_out_fits_the_schema_of_its_name() {
        let outgoing = Outgoing::new(Arc::new(Subjects::default()), Secret::default(), 1);
        let mut counts = [0, 0, 0];
        for name in Shelf::embedded() {
            let shelf = Shelf::find(name).unwrap();
            let policy = shelf.policy(&Languages::embedded()).unwrap();
            for story in shelf.stories(&policy).unwrap() {
                for seen in story::play(&story, &policy).seen {
                    let (name, output, count) = match &seen.what {
                        What::Action(told) => ("action", outgoing.action(told), &mut counts[0]),
                        What::Recall(told) => ("recall", outgoing.recall(told), &mut counts[1]),
                        What::Escalation(told) => {
                            ("escalation", outgoing.escalation(told), &mut counts[2])
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
    fn a_message_that_lacks_something_does_not_fit() {
        let schema = schema("action").unwrap_or_else(|failure| panic!("{failure}"));
        let schema = schema.as_value();
        let found = faults(schema, &json!({ "specversion": "1.0", "data": {} }), schema, "action");
        assert!(found.contains(&"action: no `type`".to_owned()), "{found:?}");
        assert!(found.contains(&"action.data: no `decision`".to_owned()), "{found:?}");
    }

    #[test]
    fn events_and_dead_letters_fit_theirs() {
        assert_fits("event", &json!({ "type": "track", "data": { "name": "Looked" } }));
        let original = Original {
            subject: "jumeau.events.web.ann".into(),
            headers: [("Nats-Msg-Id", "e1"), ("ce-type", "track")].into_iter().collect(),
            payload: "{".into(),
        };
        let rejection = Rejection::new(Reason::BadJson, "expected JSON");
        let letter = jumeau::bus::dead_letter(&Subjects::default(), 3, 17, &original, &rejection);
        let headers: serde_json::Map<String, Value> = letter
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), Value::from(&**value)))
            .collect();
        assert_fits("dead.headers", &Value::Object(headers));
    }
}
