//! JSON Schemas, generated from the types that read and write the messages.

use jumeau::api;
use jumeau::bus;
use jumeau::event::{self, EventType};
use jumeau::twin;
use schemars::{Schema, schema_for};

use crate::failure::Failure;

/// A message's name, and what makes its schema.
type Message = (&'static str, fn() -> Schema);

/// What comes out and what the service API says, besides the types of events.
const MESSAGES: [Message; 40] = [
    ("broadcast", || schema_for!(event::SharedFact)),
    ("analyser.question", || schema_for!(bus::Question<'_>)),
    ("analyser.answer", || schema_for!(event::Analysis)),
    ("action", || schema_for!(twin::Action)),
    ("recall", || schema_for!(twin::Recall)),
    ("observation", || schema_for!(twin::Observation)),
    ("escalation", || schema_for!(twin::Escalation)),
    ("api.show", || schema_for!(api::ShowReply)),
    ("api.decide.request", || schema_for!(api::DecideRequest)),
    ("api.decide", || schema_for!(api::DecideReply)),
    ("api.why", || schema_for!(api::WhyReply)),
    ("api.whatif.request", || schema_for!(api::WhatIfRequest)),
    ("api.whatif", || schema_for!(api::WhatIfReply)),
    ("api.journal", || schema_for!(api::JournalReply)),
    ("api.marks", || schema_for!(api::MarksReply)),
    ("api.lessons", || schema_for!(api::LessonsReply)),
    ("api.erase", || schema_for!(api::EraseReply)),
    ("export", || schema_for!(crate::export::Export)),
    ("api.export", || schema_for!(api::ExportReply)),
    ("receipt", || schema_for!(api::Receipt)),
    ("api.timeline", || schema_for!(api::TimelineReply)),
    ("api.stats", || schema_for!(api::Stats)),
    ("api.policy", || schema_for!(api::PolicyStatus)),
    ("api.experiments", || schema_for!(api::ExperimentsReply)),
    ("api.broadcasts", || schema_for!(api::LiveBroadcasts)),
    ("api.campaign.try", || schema_for!(api::TryCampaignReply)),
    ("audit", || schema_for!(api::AuditRecord)),
    ("api.audit", || schema_for!(api::AuditReply)),
    ("api.backup.request", || schema_for!(api::BackupRequest)),
    ("api.backup", || schema_for!(api::BackupReply)),
    ("api.escalations.list.request", || schema_for!(api::EscalationsRequest)),
    ("api.escalations.list", || schema_for!(api::EscalationsReply)),
    ("api.escalations.show.request", || schema_for!(api::EscalationRequest)),
    ("api.escalations.show", || schema_for!(api::EscalationReply)),
    ("api.escalations.act.request", || schema_for!(api::ActRequest)),
    ("api.escalations.act", || schema_for!(api::ActReply)),
    ("api.advance", || schema_for!(api::Advanced)),
    ("api.dead.list", || schema_for!(api::DeadLetters)),
    ("api.dead.show", || schema_for!(api::DeadLetter)),
    ("api.dead.retry", || schema_for!(api::DeadRetried)),
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
    use super::*;

    #[test]
    fn every_name_has_a_schema_of_an_object() {
        for name in names() {
            let schema = schema(name).unwrap_or_else(|failure| panic!("{name}: {failure}"));
            assert_eq!(schema.get("type").and_then(|kind| kind.as_str()), Some("object"), "{name}");
        }
    }
}
