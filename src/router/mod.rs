//! The router of API requests. It reads partitions and streams and never changes a twin directly.

mod advance;
mod backup;
mod campaign;
mod dead_letters;
mod decide;
mod escalations;
mod explain;
mod find;
mod forged;
mod rights;
mod status;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use parking_lot::RwLock;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use backup::BackupWriter;

use crate::actors::{Clock, LearnerHandle, PartitionAddress, Partitions};
use crate::api::{
    AuditLevel, AuditOutcome, AuditWriter, CurrentPolicy, DeadListRequest, DeadShowRequest,
    NoFields, ReceiptSigner, TimelineRequest, VERBS, code, read_optional, read_request, verb,
};
use crate::bus::{self, ApiError, Bus, Floor, MissedEvents, Relay, Request, StreamMonitor};
use crate::config::limits;
use crate::contract;
use crate::event::{Customer, Rights, Time, json};
use crate::partition::TimeMode;
use crate::store::DiskMonitor;

/// The router of API requests.
pub struct Router {
    bus: Bus,
    partitions: Partitions,
    mode: TimeMode,
    policy: Arc<RwLock<CurrentPolicy>>,
    started: Time,
    probes: Probes,
    learner: LearnerHandle,
    backups: BackupWriter,
    auditor: AuditWriter,
    signer: ReceiptSigner,
}

/// Sources of the service's statistics.
pub struct Probes {
    /// Intake restarts.
    pub resets: Arc<AtomicU64>,
    /// Events that expired before they were processed.
    pub missed: MissedEvents,
    /// The intake's position.
    pub floor: Floor,
    /// The relay.
    pub relay: Arc<Relay>,
    /// The stream monitor.
    pub watch: StreamMonitor,
    /// The disk monitor.
    pub room: Arc<DiskMonitor>,
    /// The clock.
    pub clock: Arc<Clock>,
    /// Channels with special rights.
    pub rights: Rights,
}

/// Services used by the router.
pub struct Services {
    /// The learner.
    pub learner: LearnerHandle,
    /// The backup writer.
    pub backups: BackupWriter,
    /// The audit writer.
    pub auditor: AuditWriter,
    /// The signer of receipts.
    pub signer: ReceiptSigner,
}

impl Router {
    /// A router in front of these partitions.
    pub fn new(
        bus: Bus,
        partitions: Partitions,
        mode: TimeMode,
        policy: Arc<RwLock<CurrentPolicy>>,
        probes: Probes,
        services: Services,
    ) -> Router {
        let started = now();
        let Services { learner, backups, auditor, signer } = services;
        Router { bus, partitions, mode, policy, started, probes, learner, backups, auditor, signer }
    }

    /// Handles a request. Every verb passes here; its audit entry is written before the reply is sent,
    /// otherwise no reply is sent.
    ///
    /// # Errors
    /// An [`ApiError`] with one of the codes of [`code`].
    pub async fn answer(&self, request: Request) -> Result<Bytes, ApiError> {
        let verb = VERBS.iter().find(|verb| verb.endpoint.verb == request.verb);
        // An unlisted verb is audited as an act.
        let audit = verb.map_or(AuditLevel::Act, |verb| verb.audit);
        if audit == AuditLevel::Nothing {
            return self.respond(request).await;
        }
        let mut line = self.auditor.asked(&request);
        if audit == AuditLevel::Act {
            self.auditor.write(&line).await?;
        }
        let answered = self.respond(request).await;
        line.at = now();
        line.code = answered.as_ref().err().map(|error| error.code);
        line.outcome = match line.code {
            None => AuditOutcome::Done,
            Some(_) => AuditOutcome::Refused,
        };
        self.auditor.write(&line).await?;
        answered
    }

    async fn respond(&self, request: Request) -> Result<Bytes, ApiError> {
        let bytes = request.payload.len();
        if bytes > limits::EVENT_BYTES {
            let most = limits::EVENT_BYTES;
            let detail = format!("expected a request of at most {most} bytes, found {bytes}");
            return Err(ApiError::new(code::BAD_REQUEST, detail));
        }
        match request.verb {
            verb::SHOW => {
                nothing(&request.payload)?;
                self.show(&request).await
            }
            verb::TIMELINE => {
                let asked: Option<TimelineRequest> = optional(&request.payload)?;
                let limit = asked.and_then(|asked| asked.limit);
                reply(&self.timeline(&request, limit).await?)
            }
            verb::DECIDE => reply(&self.decide(&request).await?),
            verb::WHY => reply(&self.why(&request).await?),
            verb::WHAT_IF => reply(&self.what_if(&request).await?),
            verb::JOURNAL => reply(&self.journal(&request).await?),
            verb::MARKS => {
                nothing(&request.payload)?;
                reply(&self.marks(&request).await?)
            }
            verb::LESSONS => reply(&self.lessons(required(&request.payload)?).await?),
            verb::FORGED => reply(&self.forged(required(&request.payload)?).await?),
            verb::ERASE => reply(&self.erase(&request).await?),
            verb::EXPORT => reply(&self.export(&request).await?),
            verb::ESCALATIONS_LIST => reply(&self.escalations(&request).await?),
            verb::ESCALATIONS_SHOW => reply(&self.escalation(&request).await?),
            verb::ESCALATIONS_NEXT => reply(&self.next(&request).await?),
            verb::ESCALATIONS_OPEN
            | verb::ESCALATIONS_CLAIM
            | verb::ESCALATIONS_NOTE
            | verb::ESCALATIONS_HANDBACK
            | verb::ESCALATIONS_RESOLVE => reply(&self.hand_over(&request).await?),
            _ => self.respond_to_operators(request).await,
        }
    }

    /// The requests that are not about one customer.
    async fn respond_to_operators(&self, request: Request) -> Result<Bytes, ApiError> {
        match request.verb {
            verb::STATS => {
                nothing(&request.payload)?;
                reply(&self.stats().await?)
            }
            verb::POLICY => {
                nothing(&request.payload)?;
                reply(&self.policy.read().status)
            }
            verb::POLICY_FILES => {
                let asked = optional(&request.payload)?.unwrap_or_default();
                reply(&self.policy.read().file(asked)?)
            }
            verb::BROADCASTS => {
                nothing(&request.payload)?;
                reply(&self.broadcasts().await?)
            }
            verb::TRY_CAMPAIGN => reply(&self.try_campaign(required(&request.payload)?).await?),
            verb::EXPERIMENTS => {
                nothing(&request.payload)?;
                reply(&self.experiments().await?)
            }
            verb::ADVANCE => reply(&self.advance(required(&request.payload)?).await?),
            verb::DEAD_LIST => {
                let asked: DeadListRequest = optional(&request.payload)?.unwrap_or_default();
                reply(&self.dead_list(&asked).await?)
            }
            verb::DEAD_SHOW => {
                let DeadShowRequest { sequence } = required(&request.payload)?;
                let letter = self.bus.dead_letter(sequence).await.map_err(from_bus)?;
                reply(&dead_letters::view(letter, true))
            }
            verb::BACKUP => {
                let asked = optional(&request.payload)?.unwrap_or_default();
                reply(&self.backups.back_up(asked).await?)
            }
            verb::AUDIT => {
                let asked = optional(&request.payload)?.unwrap_or_default();
                reply(&self.auditor.list(&asked).await?)
            }
            verb::DEAD_RETRY => reply(&self.dead_retry(required(&request.payload)?).await?),
            other => Err(ApiError::new(
                code::BAD_REQUEST,
                format!(
                    "expected a request of this API, found `{other}`; `twinctl schema` lists them"
                ),
            )),
        }
    }

    /// The addresses of all partitions.
    pub(super) fn partitions(&self) -> &[PartitionAddress] {
        self.partitions.all()
    }

    /// The definition of `now` for a twin.
    pub(super) fn mode(&self) -> TimeMode {
        self.mode
    }

    /// The partition of a customer and its address.
    pub(super) fn partition_of(
        &self,
        customer: &Customer,
    ) -> Result<(u16, &PartitionAddress), ApiError> {
        let partitions = self.partitions.all();
        let count = u16::try_from(partitions.len()).unwrap_or(u16::MAX);
        contract::partition_of(customer, count)
            .and_then(|partition| Some((partition, partitions.get(usize::from(partition))?)))
            .ok_or_else(|| {
                ApiError::new(
                    code::INTERNAL,
                    "the partitions are still starting; ask again in a moment",
                )
            })
    }
}

/// The customer of a request.
pub(super) fn customer_of(request: &Request) -> Result<Customer, ApiError> {
    let token = request.tokens.last().map_or("", String::as_str);
    Customer::from_token(token).map_err(|detail| ApiError::new(code::BAD_REQUEST, detail))
}

/// The disk has no space, so nothing is processed.
pub(super) fn no_room() -> ApiError {
    ApiError::new(
        code::NO_ROOM,
        "the disk is nearly full, so nothing is processed; free disk space and ask again",
    )
}

/// The outbox is full, so nothing that causes an output is processed.
pub(super) fn outbox_is_full() -> ApiError {
    ApiError::new(
        code::BUSY,
        "the service is busy: too many outputs wait for the broker; nothing was done. Ask again \
         when `outbox` and `publishing` in `stats` have fallen",
    )
}

pub(super) fn now() -> Time {
    chrono::Utc::now().into()
}

fn reply<T: Serialize>(answer: &T) -> Result<Bytes, ApiError> {
    serde_json::to_vec(answer).map(Bytes::from).map_err(|error| {
        ApiError::new(code::INTERNAL, format!("cannot write the answer as JSON: {error}"))
    })
}

pub(super) fn required<T: DeserializeOwned + JsonSchema>(payload: &[u8]) -> Result<T, ApiError> {
    read_request(payload).map_err(|detail| ApiError::new(code::BAD_REQUEST, detail))
}

pub(super) fn optional<T: DeserializeOwned + JsonSchema>(
    payload: &[u8],
) -> Result<Option<T>, ApiError> {
    read_optional(payload).map_err(|detail| ApiError::new(code::BAD_REQUEST, detail))
}

/// The fields of a request that is completed before it is read.
pub(super) fn fields(payload: &[u8]) -> Result<Map<String, Value>, ApiError> {
    json::read_bytes(payload).map_err(|misread| {
        ApiError::new(code::BAD_REQUEST, format!("expected the request as JSON, found: {misread}"))
    })
}

/// Checks that a request that has no fields has none.
fn nothing(payload: &[u8]) -> Result<(), ApiError> {
    optional::<NoFields>(payload).map(drop)
}

pub(super) fn gone<E>(_: E) -> ApiError {
    ApiError::new(code::INTERNAL, "the service is stopping")
}

fn from_bus(error: bus::Error) -> ApiError {
    let detail = error.to_string();
    match error {
        bus::Error::NoDeadLetter { .. } => ApiError::new(code::NOT_FOUND, detail),
        bus::Error::NoRetry { .. } => ApiError::new(code::CONFLICT, detail),
        bus::Error::Unusable { .. } => ApiError::new(code::BAD_REQUEST, detail),
        _ => ApiError::new(code::INTERNAL, detail),
    }
}
