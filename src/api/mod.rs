//! The request/reply API of the NATS service `jumeau`.
//!
//! Requests arrive on `<prefix>.api.<verb>…`; replies are messages of this module as JSON, or a service
//! error with a code of [`code`].
//!
//! Every verb is a row of [`VERBS`], with its audit level: nothing, one line for a read (`look`), or two
//! lines for an act and its result (`act`). The router audits every verb before the reply is sent;
//! handlers do not. The last token of a verb, if it has one, is the customer; of a list of escalations it
//! is the queue.

mod audit;
mod backup;
mod campaign;
mod decide;
mod erase;
mod experiments;
mod export;
mod forged;
mod learned;
mod messages;
mod people;
mod policy;
mod request;
mod verbs;
mod view;
mod why;

pub use crate::bus::code;
pub use crate::partition::{EscalationsReply, EscalationsRequest, ListPosition, ListedEscalation};
pub use audit::{AuditOutcome, AuditRecord, AuditReply, AuditRequest, AuditWriter};
pub use backup::{BackupReply, BackupRequest};
pub use campaign::{TryCampaignReply, TryCampaignRequest};
pub use decide::{DecideReply, DecideRequest, OfferedAction};
pub use erase::{
    BadReceipt, EraseReply, EraseRequest, ErasedIdentifier, ErasureReceipt, ReceiptSigner,
    ReceiptStatement, RemovedThings, fresh_erasure, fresh_secret,
};
pub use experiments::{ArmShown, ExperimentShown, ExperimentsReply, experiment_stats};
pub use export::{ExportPart, ExportReply, ExportRequest, MessageCount};
pub use forged::{ForgedReply, ForgedRequest};
pub use learned::{LessonPart, LessonsReply, LessonsRequest, MarksReply, VersionMark};
pub use messages::{
    AdvanceReply, AdvanceRequest, DeadLetterView, DeadListReply, DeadListRequest, DeadRetryReply,
    DeadRetryRequest, DeadShowRequest, Learning, LiveBroadcasts, NotRetried, PolicyRefusal,
    PolicyStatus, Publishing, Stats, verb,
};
pub use people::{ActReply, ActRequest, EscalationReply, EscalationRequest};
pub use policy::{CurrentPolicy, PolicyFileReply, PolicyFileRequest};
pub use request::{NoFields, read_fields, read_optional, read_request};
pub use verbs::{AuditLevel, VERBS, Verb};
pub use view::{ShowReply, TimelineEntry, TimelineReply, TimelineRequest, TwinView};
pub use why::{
    JournalEntry, JournalReply, JournalRequest, KnownDecision, NeedChange, WhatIfReply,
    WhatIfRequest, WhyReply, WhyRequest,
};

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use serde_json::json;

    use super::*;
    use crate::event::json::read_bytes;
    use crate::event::nullable::tests::null_is_as_good_as_nothing;

    /// Reads a valid request, and rejects it as a list and with a duplicate name.
    fn checked<T: DeserializeOwned>(sound: &str) {
        assert!(read_bytes::<T>(sound.as_bytes()).is_ok(), "{sound}");
        for list in ["[]", "[null]", r#"["web",null,null,null,[],1,{},{}]"#, "[7,7,7]"] {
            let refused = read_bytes::<T>(list.as_bytes()).map(drop).unwrap_err().to_string();
            assert!(refused.contains("invalid type: sequence"), "{sound}: {refused}");
        }
    }

    #[test]
    fn no_request_is_read_by_position() {
        checked::<DecideRequest>(r#"{"channel": "web", "placements": ["home"]}"#);
        checked::<ActRequest>(r#"{"state": "claimed", "agent": "bo"}"#);
        checked::<EscalationRequest>("{}");
        checked::<EscalationsRequest>("{}");
        checked::<TimelineRequest>("{}");
        checked::<WhyRequest>("{}");
        checked::<WhatIfRequest>(r#"{"channel": "web", "type": "ask", "data": {}}"#);
        checked::<JournalRequest>("{}");
        checked::<DeadListRequest>("{}");
        checked::<DeadShowRequest>(r#"{"sequence": 1}"#);
        checked::<DeadRetryRequest>("{}");
        checked::<AdvanceRequest>(r#"{"to": "2026-03-02T09:00:00Z"}"#);
        checked::<EraseRequest>("{}");
        checked::<TryCampaignRequest>(r#"{"scope": "s", "fact": {"value": 1}}"#);
        checked::<ExportRequest>(r#"{"part": "journal"}"#);
        checked::<BackupRequest>("{}");
        checked::<ForgedRequest>(r#"{"sequences": [1]}"#);
        checked::<AuditRequest>("{}");
    }

    /// A request with a field that it does not have.
    fn refused<T: DeserializeOwned + schemars::JsonSchema>(request: &str) -> String {
        read_request::<T>(request.as_bytes()).map(drop).unwrap_err()
    }

    #[test]
    fn an_unknown_field_of_a_request_is_reported_with_the_nearest_one() {
        let refusals = [
            refused::<DecideRequest>(r#"{"channel": "web", "placement": ["home"]}"#),
            refused::<ActRequest>(r#"{"state": "claimed", "agnet": "bo"}"#),
            refused::<TimelineRequest>(r#"{"limt": 3}"#),
            refused::<AuditRequest>(r#"{"since": 3}"#),
            refused::<NoFields>(r#"{"limit": 3}"#),
            refused::<TimelineRequest>(r#"{"limit": "3"}"#),
            refused::<TryCampaignRequest>(r#"{"scope": "s", "fact": {"scope": 1}}"#),
        ];
        insta::assert_snapshot!(refusals.join("\n"), @r#"
        expected one of the fields channel, id, most, placements, properties, time, traceparent; found `placement`; did you mean `placements`?
        expected one of the fields agent, answer, cases, channel, data, decision, escalation, id, needs, note, operator, outcome, priority, queue, said, skill, state, step, time, topic, traceparent; found `agnet`; did you mean `agent`?
        expected one of the fields limit; found `limt`; did you mean `limit`?
        expected one of the fields about, act, by, limit; found `since`
        expected a request without fields; found `limit`
        expected the request as JSON, found: invalid type: string "3", expected a whole number at line 1 column 13
        expected the request as JSON, found: unknown field `scope`, expected one of `value`, `where`, `ttl`, `wake`, `ended`, `decide` at line 1 column 31
        "#);
        let fields = serde_json::from_str(r#"{"state": "noted", "note": "x", "sayd": "y"}"#);
        let refusal = read_fields::<ActRequest>(fields.unwrap()).unwrap_err();
        assert!(refusal.ends_with("; found `sayd`; did you mean `said`?"), "{refusal}");
        for nothing in ["", "null", " null\n", "{}"] {
            assert!(read_optional::<NoFields>(nothing.as_bytes()).is_ok(), "{nothing}");
        }
        // An older name of `properties`.
        assert!(read_request::<DecideRequest>(br#"{"context": {"page": "cards"}}"#).is_ok());
    }

    #[test]
    fn null_means_absent_in_every_request() {
        let nothing = json!({});
        null_is_as_good_as_nothing::<DecideRequest>(&nothing, &[]);
        null_is_as_good_as_nothing::<ActRequest>(&json!({ "state": "opened" }), &[]);
        null_is_as_good_as_nothing::<EscalationRequest>(&nothing, &[]);
        null_is_as_good_as_nothing::<EscalationsRequest>(&nothing, &[]);
        null_is_as_good_as_nothing::<TimelineRequest>(&nothing, &[]);
        null_is_as_good_as_nothing::<WhyRequest>(&nothing, &[]);
        let least = json!({ "channel": "web", "type": "ask" });
        null_is_as_good_as_nothing::<WhatIfRequest>(&least, &[]);
        null_is_as_good_as_nothing::<JournalRequest>(&nothing, &[]);
        null_is_as_good_as_nothing::<LessonsRequest>(&nothing, &[]);
        null_is_as_good_as_nothing::<PolicyFileRequest>(&nothing, &[]);
        null_is_as_good_as_nothing::<DeadListRequest>(&nothing, &[]);
        null_is_as_good_as_nothing::<DeadRetryRequest>(&nothing, &[]);
        null_is_as_good_as_nothing::<EraseRequest>(&nothing, &[]);
        let least = json!({ "scope": "s", "fact": {} });
        null_is_as_good_as_nothing::<TryCampaignRequest>(&least, &[]);
        null_is_as_good_as_nothing::<ExportRequest>(&json!({ "part": "journal" }), &[]);
        null_is_as_good_as_nothing::<BackupRequest>(&nothing, &[]);
        null_is_as_good_as_nothing::<AuditRequest>(&nothing, &[]);
    }
}
