//! Requests about the service as a whole and their replies.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bus::{Outages, RelayStats, StreamStats};
use crate::config::settings::TimeMode;
use crate::event::{Reason, Time, nullable};
use crate::partition::{ClockJumps, Counters, Progress};
use crate::tables::DiskSpace;

/// The verbs: the tokens after `<prefix>.api.`.
pub mod verb {
    /// `show.<customer>`: the whole twin. No payload; answered by a [`ShowReply`](super::super::ShowReply).
    pub const SHOW: &str = "show";
    /// `timeline.<customer>`: its recent past. A [`TimelineRequest`](super::super::TimelineRequest)
    /// or no payload; answered by a [`TimelineReply`](super::super::TimelineReply).
    pub const TIMELINE: &str = "timeline";
    /// `decide.<customer>`, or `decide.<channel>.<customer>`: what to show now. A
    /// [`DecideRequest`](super::super::DecideRequest), which the latter may omit; answered by a
    /// [`DecideReply`](super::super::DecideReply).
    pub const DECIDE: &str = "decide";
    /// `why.<customer>`: what was decided, and why. A [`WhyRequest`](super::super::WhyRequest) or no
    /// payload; answered by a [`WhyReply`](super::super::WhyReply).
    pub const WHY: &str = "why";
    /// `whatif.<customer>`: what would be decided if an event happened; changes nothing. A
    /// [`WhatIfRequest`](super::super::WhatIfRequest); answered by a
    /// [`WhatIfReply`](super::super::WhatIfReply).
    pub const WHAT_IF: &str = "whatif";
    /// `journal.<customer>`: inputs that did not come from the stream, for replay. A
    /// [`JournalRequest`](super::super::JournalRequest) or no payload; answered by a
    /// [`JournalReply`](super::super::JournalReply).
    pub const JOURNAL: &str = "journal";
    /// `marks.<customer>`: which model version the customer's partition used from which position on. No
    /// payload; answered by a [`MarksReply`](super::super::MarksReply).
    pub const MARKS: &str = "marks";
    /// Training history, to replay decisions. A [`LessonsRequest`](super::super::LessonsRequest);
    /// answered by a [`LessonsReply`](super::super::LessonsReply).
    pub const LESSONS: &str = "lessons";
    /// Which messages on the internal channel are forged, for other readers of the stream. A
    /// [`ForgedRequest`](super::super::ForgedRequest); answered by a
    /// [`ForgedReply`](super::super::ForgedReply).
    pub const FORGED: &str = "forged";
    /// Health and statistics of the service. No payload; answered by [`Stats`](super::Stats).
    pub const STATS: &str = "stats";
    /// The loaded policy. No payload; answered by a [`PolicyStatus`](super::PolicyStatus).
    pub const POLICY: &str = "policy";
    /// The files of the policy. A [`PolicyFileRequest`](super::super::PolicyFileRequest) or no payload;
    /// answered by a [`PolicyFileReply`](super::super::PolicyFileReply).
    pub const POLICY_FILES: &str = "policy.files";
    /// Active broadcasts and their progress. No payload; answered by
    /// [`LiveBroadcasts`](super::LiveBroadcasts).
    pub const BROADCASTS: &str = "broadcasts";
    /// A dry run of a campaign for the next customers of a partition. A
    /// [`TryCampaignRequest`](super::super::TryCampaignRequest); answered by a
    /// [`TryCampaignReply`](super::super::TryCampaignReply).
    pub const TRY_CAMPAIGN: &str = "campaign.try";
    /// Results of experiments. No payload; answered by
    /// [`ExperimentsReply`](crate::api::ExperimentsReply).
    pub const EXPERIMENTS: &str = "experiments";
    /// Moves the clock, on event time only. An [`AdvanceRequest`](super::AdvanceRequest); answered by
    /// [`AdvanceReply`](super::AdvanceReply).
    pub const ADVANCE: &str = "advance";
    /// `erase.<customer>`: erases a customer, under all identifiers. An
    /// [`EraseRequest`](super::super::EraseRequest) or no payload; answered by an
    /// [`EraseReply`](super::super::EraseReply).
    pub const ERASE: &str = "erase";
    /// `export.<customer>`: all data of a customer, in parts. An
    /// [`ExportRequest`](super::super::ExportRequest); answered by an
    /// [`ExportReply`](super::super::ExportReply).
    pub const EXPORT: &str = "export";
    /// `escalations.list`, or `escalations.list.<queue>`: open escalations. An
    /// [`EscalationsRequest`](super::super::EscalationsRequest) or no payload; answered by an
    /// [`EscalationsReply`](super::super::EscalationsReply).
    pub const ESCALATIONS_LIST: &str = "escalations.list";
    /// `escalations.show.<customer>`, or `escalations.show.<queue>.<customer>`: one of them, with its
    /// brief. With a queue in the subject, here and below, only escalations of that queue are visible. An
    /// [`EscalationRequest`](super::super::EscalationRequest) or no payload; answered by an
    /// [`EscalationReply`](super::super::EscalationReply).
    pub const ESCALATIONS_SHOW: &str = "escalations.show";
    /// `escalations.open.<customer>`: escalates a customer to agents. An
    /// [`ActRequest`](super::super::ActRequest); answered by an [`ActReply`](super::super::ActReply), as
    /// those below are.
    pub const ESCALATIONS_OPEN: &str = "escalations.open";
    /// `escalations.claim.<customer>`, or `escalations.claim.<queue>.<customer>`, and so on: an agent
    /// claims it; of two simultaneous claims one is refused.
    pub const ESCALATIONS_CLAIM: &str = "escalations.claim";
    /// `escalations.next.<queue>.<customer>`: what to offer a customer whose escalation the agent has
    /// claimed. A [`DecideRequest`](super::super::DecideRequest) without a `channel`, which is that in
    /// which the agent works; answered by a [`DecideReply`](super::super::DecideReply).
    pub const ESCALATIONS_NEXT: &str = "escalations.next";
    /// `escalations.note.<customer>`: adds a note of what was said and done.
    pub const ESCALATIONS_NOTE: &str = "escalations.note";
    /// `escalations.handback.<customer>`: returns the conversation to automation.
    pub const ESCALATIONS_HANDBACK: &str = "escalations.handback";
    /// `escalations.resolve.<customer>`: resolves the escalation.
    pub const ESCALATIONS_RESOLVE: &str = "escalations.resolve";
    /// Dead letters, oldest first. A [`DeadListRequest`](super::DeadListRequest) or no payload; answered by
    /// [`DeadListReply`](super::DeadListReply).
    pub const DEAD_LIST: &str = "dead.list";
    /// One dead letter with its bytes. A [`DeadShowRequest`](super::DeadShowRequest); answered by a
    /// [`DeadLetterView`](super::DeadLetterView).
    pub const DEAD_SHOW: &str = "dead.show";
    /// Publishes dead letters again, as new events. A [`DeadRetryRequest`](super::DeadRetryRequest);
    /// answered by [`DeadRetryReply`](super::DeadRetryReply).
    pub const DEAD_RETRY: &str = "dead.retry";
    /// Writes a backup of the store to the disk of the service. A
    /// [`BackupRequest`](super::super::BackupRequest) or no payload; answered by a
    /// [`BackupReply`](super::super::BackupReply).
    pub const BACKUP: &str = "backup";
    /// The audit log. An [`AuditRequest`](super::super::AuditRequest) or no payload; answered by an
    /// [`AuditReply`](super::super::AuditReply).
    pub const AUDIT: &str = "audit";
}

/// Health and statistics of the service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stats {
    /// The service's version.
    pub version: String,
    /// The start time, by the host clock.
    pub started: Time,
    /// The time of the reply, by the host clock.
    pub at: Time,
    /// The definition of `now` for a twin.
    pub time: TimeMode,
    /// The policy.
    pub policy: PolicyStatus,
    /// The channels that may report acts of agents and operators.
    #[serde(default)]
    pub desks: Vec<Box<str>>,
    /// The channels that may merge known customers.
    #[serde(default)]
    pub merging: Vec<Box<str>>,
    /// Whether the broker is connected.
    pub connected: bool,
    /// Lag: events in the stream that are not committed yet; an upper bound while channels are in the
    /// slow lane.
    pub lag: u64,
    /// The channels in the slow lane.
    #[serde(default)]
    pub slowed: Vec<Box<str>>,
    /// How often the intake restarted because of a gap.
    pub resets: u64,
    /// Events that expired before they were processed, since the start (an upper bound): the stream's
    /// retention is too short.
    #[serde(default)]
    pub missed: u64,
    /// Statistics of publishing to the broker.
    #[serde(default)]
    pub publishing: Publishing,
    /// The size of the streams and their consumers, updated every few seconds.
    #[serde(default)]
    pub streams: Vec<StreamStats>,
    /// The free space of the disk.
    #[serde(default)]
    pub space: DiskSpace,
    /// Jumps of the host clock.
    #[serde(default)]
    pub clock: ClockJumps,
    /// Statistics of learning.
    #[serde(default)]
    pub learning: Learning,
    /// Each partition, in order.
    pub partitions: Vec<Counters>,
}

/// Statistics of publishing to the broker.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Publishing {
    /// Outages of the broker.
    pub outages: Outages,
    /// Statistics of the relay.
    pub relayed: RelayStats,
    /// Why outputs wait to be published again, while they do.
    pub trouble: Option<String>,
}

/// Statistics of learning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Learning {
    /// The model version, named in decisions; 0: nothing learned.
    pub version: u64,
    /// The number of observations trained on, each once.
    pub answers: u64,
    /// Levels of actions, treatments and their shared features with learned weights.
    pub levels: u64,
    /// Features evicted from full levels since the service started.
    #[serde(default)]
    pub forgotten: u64,
}

impl Stats {
    /// The sum of all partitions; the highest of cursors.
    pub fn total(&self) -> Counters {
        let mut total = Counters::default();
        self.partitions.iter().for_each(|one| total.add(one));
        total
    }
}

/// The active broadcasts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LiveBroadcasts {
    /// The time of the reply, by the host clock.
    pub at: Time,
    /// Each broadcast, for all partitions together, in the order of scopes.
    pub broadcasts: Vec<Progress>,
}

/// The active policy and the outcome of its last change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyStatus {
    /// Its name.
    pub name: String,
    /// The hash of its content.
    pub version: String,
    /// Its source: `embedded`, or a folder.
    pub source: String,
    /// When it was loaded, by the host clock.
    pub loaded: Time,
    /// The number of rules.
    pub rules: usize,
    /// The number of needs.
    pub needs: usize,
    /// The number of actions.
    pub actions: usize,
    /// The last change that was refused, if none was accepted after it.
    #[serde(default)]
    pub refusal: Option<PolicyRefusal>,
}

/// A change of the policy that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyRefusal {
    /// The time, by the host clock.
    pub at: Time,
    /// The mistakes, one per line, each with file and line.
    pub mistakes: Vec<String>,
}

/// Asks for dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeadListRequest {
    /// Only those of this reason.
    pub reason: Option<Reason>,
    /// Only those after this one.
    #[serde(deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<u64>")]
    pub after: u64,
    /// The maximum number; none: as many as fit in one reply.
    pub limit: Option<usize>,
}

/// Dead letters, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadListReply {
    /// The number of dead letters in all, by reason.
    pub counts: BTreeMap<String, u64>,
    /// The requested ones, without their bytes.
    pub letters: Vec<DeadLetterView>,
}

/// An event that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetterView {
    /// Its number: the sequence in the stream of dead letters.
    pub sequence: u64,
    /// When it was written.
    pub at: Time,
    /// The reason, in one word.
    pub reason: String,
    /// What was expected, what was found, and what to do.
    pub detail: String,
    /// The subject on which the event arrived.
    pub subject: String,
    /// The event's sequence in the stream of events.
    pub event_sequence: u64,
    /// The partition that the event belonged to.
    pub partition: u16,
    /// The size of the payload in bytes.
    pub bytes: u64,
    /// Its headers. Only if one dead letter is requested.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Its payload as far as it was kept, if that is text. Only if one dead letter is requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its payload as far as it was kept, in hexadecimal digits, if it is not text. Only if one dead
    /// letter is requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
}

/// Asks for one dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadShowRequest {
    /// Its number.
    pub sequence: u64,
}

/// A request to publish dead letters again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeadRetryRequest {
    /// Their numbers.
    #[serde(deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<Vec<u64>>")]
    pub sequences: Vec<u64>,
    /// All dead letters, instead.
    #[serde(deserialize_with = "nullable::or_default")]
    #[schemars(with = "Option<bool>")]
    pub all: bool,
    /// A corrected payload for the named dead letter; the rest of the event stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
}

/// The result.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DeadRetryReply {
    /// Numbers of dead letters that were published again and removed.
    pub retried: Vec<u64>,
    /// Those that were not.
    pub failed: Vec<NotRetried>,
}

/// A dead letter that could not be published again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotRetried {
    /// Its number.
    pub sequence: u64,
    /// The reason.
    pub why: String,
}

/// Asks to advance the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdvanceRequest {
    /// The new time; timers due until then fire.
    pub to: Time,
}

/// The result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdvanceReply {
    /// The time that it is now: the time asked for, or that of the latest event, if that is later, because
    /// the clock never goes back. Everything due until the time asked for has fired, and is durable.
    pub to: Time,
    /// Timers that fired meanwhile.
    pub timers_fired: u64,
}
