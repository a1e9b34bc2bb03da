//! The audit log of what people do through the API, which they cannot change.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::messages::verb;
use crate::bus::{self, ApiError, Bus, Caller, Request, code};
use crate::config::{limits, settings::AuditIdentifiers};
use crate::event::{self, Customer, Time, cut};
use crate::partition::StoreSecret;

/// One line of the audit: the stream `JUMEAU_AUDIT`, on the subject `<prefix>.audit.<act>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditRecord {
    /// The id of the act; its lines share it.
    pub id: Box<str>,
    /// The time, by the host clock.
    pub at: Time,
    /// The act: the verb of the API, or `policy`.
    pub act: Box<str>,
    /// The caller's name; empty if none was given.
    pub by: Box<str>,
    /// Whether the broker has verified the name (only with roles).
    pub is_vouched: bool,
    /// The customer: a hash, or the identifier if the settings say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<Box<str>>,
    /// The request, if the act concerns no customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<Box<str>>,
    /// The result.
    pub outcome: AuditOutcome,
    /// The error code, if it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
}

/// The result of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuditOutcome {
    /// Written before the act; a second line has the result, unless the service died.
    Asked,
    /// The act was done, or the data shown.
    Done,
    /// The act was refused.
    Refused,
}

/// The payload of [`verb::AUDIT`](super::verb::AUDIT).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuditRequest {
    /// At most this many of the newest; none: the maximum of one reply.
    pub limit: Option<usize>,
    /// Only lines about this customer.
    pub about: Option<Customer>,
    /// Only lines of this caller.
    pub by: Option<Box<str>>,
    /// Only this act.
    pub act: Option<Box<str>>,
}

/// The reply to [`verb::AUDIT`](super::verb::AUDIT).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditReply {
    /// The lines, oldest first.
    pub records: Vec<AuditRecord>,
}

/// Writes the audit log.
#[derive(Debug, Clone)]
pub struct AuditWriter {
    bus: Bus,
    identifiers: AuditIdentifiers,
    secret: StoreSecret,
}

impl AuditWriter {
    /// A writer to the audit of this bus; customers are hashed with the secret.
    pub fn new(bus: &Bus, identifiers: AuditIdentifiers, secret: StoreSecret) -> AuditWriter {
        AuditWriter { bus: bus.clone(), identifiers, secret }
    }

    /// The first line of a request.
    pub fn asked(&self, request: &Request) -> AuditRecord {
        let Caller { name, is_vouched } = &request.by;
        // The last token is the customer, but in a list of escalations it is the queue.
        let is_list = request.verb == verb::ESCALATIONS_LIST;
        let customer = request.tokens.last().filter(|_| !is_list);
        let (what, searched) = self.summary(&request.payload);
        let about = customer.map(|token| self.about(token)).or(searched);
        let has_customer = customer.is_some();
        let queue = request.tokens.last().filter(|_| is_list).map_or("", String::as_str);
        let what = [queue, &what].join(" ").trim().to_owned();
        AuditRecord {
            id: bus::fresh_id().into(),
            at: chrono::Utc::now().into(),
            act: request.verb.into(),
            by: name.clone(),
            is_vouched: *is_vouched,
            what: (!has_customer && !what.is_empty())
                .then(|| cut(&what, limits::TEXT_BYTES).into()),
            about,
            outcome: AuditOutcome::Asked,
            code: None,
        }
    }

    /// A policy change made in the folder, not through the API.
    pub async fn policy_changed(&self, version: &str, is_taken: bool) {
        let outcome = if is_taken { AuditOutcome::Done } else { AuditOutcome::Refused };
        let record = AuditRecord {
            id: bus::fresh_id().into(),
            at: chrono::Utc::now().into(),
            act: "policy".into(),
            by: "the policy's folder".into(),
            is_vouched: false,
            about: None,
            what: Some(version.into()),
            outcome,
            code: None,
        };
        if let Err(error) = self.write(&record).await {
            tracing::error!(%error, "a policy change could not be written to the audit");
        }
    }

    /// Writes a line, and waits until the broker has stored it.
    ///
    /// # Errors
    /// [`code::INTERNAL`] if it has not: then nothing may be shown or done.
    pub async fn write(&self, record: &AuditRecord) -> Result<(), ApiError> {
        let failed = |why: String| {
            let sentence = format!(
                "expected the audit to accept a line about this request, found: {why}; the request \
                 was refused, because nothing is shown or done without an audit line"
            );
            ApiError::new(code::INTERNAL, sentence)
        };
        let line = serde_json::to_vec(record).map_err(|error| failed(error.to_string()))?;
        self.bus
            .write_down(&record.act, line.into())
            .await
            .map_err(|error| failed(error.to_string()))
    }

    /// The newest matching lines.
    pub async fn list(&self, asked: &AuditRequest) -> Result<AuditReply, ApiError> {
        let about = asked.about.as_ref().map(|customer| self.about(&customer.token()));
        let limit = asked.limit.unwrap_or(limits::AUDIT_LISTED).min(limits::AUDIT_LISTED);
        let mut records = std::collections::VecDeque::new();
        let mut take = |line: &[u8]| {
            // Another version may have written it.
            let Ok(record) = serde_json::from_slice::<AuditRecord>(line) else { return };
            let is_wanted = (about.is_none() || record.about == about)
                && asked.by.as_ref().is_none_or(|by| record.by == *by)
                && asked.act.as_ref().is_none_or(|act| record.act == *act);
            if is_wanted {
                records.push_back(record);
            }
            if records.len() > limit {
                records.pop_front();
            }
        };
        self.bus
            .written_down(&mut take)
            .await
            .map_err(|error| ApiError::new(code::INTERNAL, error.to_string()))?;
        Ok(AuditReply { records: records.into() })
    }

    /// A request about no customer, as the audit stores it, and the customer whom it searches for:
    /// customers in it are hashed, and fields that could contain others are omitted.
    fn summary(&self, payload: &[u8]) -> (String, Option<Box<str>>) {
        if payload.is_empty() {
            return (String::new(), None);
        }
        let Ok(Json::Object(mut fields)) = serde_json::from_slice(payload) else {
            return ("the request is not a JSON object".to_owned(), None);
        };
        let mut searched = None;
        for (name, value) in &mut fields {
            match (name.as_str(), &value) {
                ("about" | "customer" | "after", Json::String(customer)) => {
                    let hash = match Customer::new(customer) {
                        Ok(customer) => self.about(&customer.token()),
                        Err(_) => self.about(customer),
                    };
                    if name == "about" {
                        searched = Some(hash.clone());
                    }
                    *value = String::from(hash).into();
                }
                // Fields of the corrected payload of a dead letter.
                ("data" | "payload" | "text" | "headers" | "subject", _) => *value = "…".into(),
                _ => {}
            }
        }
        (Json::Object(fields).to_string(), searched)
    }

    /// The form of a customer in the audit: a hash, by which those who know the identifier find the
    /// lines, but which does not reveal it.
    fn about(&self, token: &str) -> Box<str> {
        match self.identifiers {
            AuditIdentifiers::Plain => token.into(),
            AuditIdentifiers::Hashed => {
                // Another spelling of a token means the same customer.
                let text = event::decode_any_spelling(token);
                hex::encode(self.secret.hash(text.as_bytes())).into()
            }
        }
    }
}
