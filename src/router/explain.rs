//! Explains decisions of a twin, and returns the data for replays.

use super::find::FoundTwin;
use super::{Router, customer_of, gone, now, optional, required};
use crate::actors::{GetDecisions, GetJournal, GetLessons, GetModelMarks};
use crate::api::{
    JournalEntry, JournalReply, JournalRequest, KnownDecision, LessonsReply, LessonsRequest,
    MarksReply, VersionMark, WhatIfReply, WhatIfRequest, WhyReply, WhyRequest, code,
};
use crate::bus::{self, ApiError, Request};
use crate::codec;
use crate::config::limits;
use crate::event::{Channel, Raw, Time, parse};
use crate::partition::TimeMode;
use crate::tables;
use crate::twin::{Input, counterfactuals, react};

/// Maximum stored bytes of lessons in one reply, so that it stays below the broker's maximum.
const LESSONS_REPLY_BYTES: usize = 256 << 10;

impl Router {
    /// The decisions of a twin, with their reasons.
    pub(super) async fn why(&self, request: &Request) -> Result<WhyReply, ApiError> {
        let WhyRequest { decision: wanted } = optional(&request.payload)?.unwrap_or_default();
        let customer = self.find(request).await?.twin.customer.clone();
        let (_, address) = self.partition_of(&customer)?;
        let found = address.send(GetDecisions(customer.clone())).await.map_err(gone)?;
        let found = found.map_err(|detail| ApiError::new(code::INTERNAL, detail))?;
        let known = found.iter().map(KnownDecision::of).collect();
        let decision = match &wanted {
            None => found.into_iter().next(),
            Some(id) => found.into_iter().find(|decision| decision.is(id)),
        };
        let Some(decision) = decision else {
            let token = customer.token();
            let detail = match wanted {
                None => {
                    format!("no decision for `{token}` yet: no action was a candidate")
                }
                Some(id) => format!(
                    "`{id}` is not among the kept decisions of `{token}`; the last {} are kept",
                    limits::DECISIONS
                ),
            };
            return Err(ApiError::new(code::NOT_FOUND, detail));
        };
        Ok(WhyReply { customer, flips: counterfactuals(&decision), decision, known })
    }

    /// What a twin would do if an event happened.
    pub(super) async fn what_if(&self, request: &Request) -> Result<WhatIfReply, ApiError> {
        let asked: WhatIfRequest = required(&request.payload)?;
        let bad = |detail: String| ApiError::new(code::BAD_REQUEST, detail);
        let (FoundTwin { mut twin, surroundings, .. }, is_known) =
            self.find_or_new(customer_of(request)?).await?;
        let channel = Channel::new(&asked.channel).map_err(bad)?;
        let payload = serde_json::json!({
            "id": bus::fresh_id(), "source": "what-if", "type": asked.kind, "data": asked.data,
        });
        let payload = payload.to_string();
        let raw = Raw {
            channel: &channel.token(),
            customer: &twin.customer.token(),
            headers: &[],
            payload: payload.as_bytes(),
            sequence: 0,
        };
        let event = parse(&raw).map_err(|rejection| bad(rejection.detail))?;
        let at = match (self.mode, asked.time) {
            (TimeMode::Event, Some(time)) => time,
            (TimeMode::Event, None) => twin.seen,
            (TimeMode::Stream, _) => now(),
        };
        // A copy, which no one else sees.
        let before = twin.clone();
        let reaction = react(&mut twin, &Input::event(event, at), &surroundings.world());
        Ok(WhatIfReply::of(&before, &twin, is_known, at, reaction))
    }

    /// The journalled inputs of a twin.
    pub(super) async fn journal(&self, request: &Request) -> Result<JournalReply, ApiError> {
        let JournalRequest { from } = optional(&request.payload)?.unwrap_or_default();
        let customer = customer_of(request)?;
        let (_, address) = self.partition_of(&customer)?;
        let journal = GetJournal(customer, from.unwrap_or(Time::MIN), limits::JOURNAL_LISTED);
        let found = address.send(journal).await.map_err(gone)?;
        let found = found.map_err(|detail| ApiError::new(code::INTERNAL, detail))?;
        let is_whole = found.len() < limits::JOURNAL_LISTED;
        let read = |one: tables::JournalRow| {
            let input = codec::decode(codec::RecordKind::Input, &one.encoded)
                .map_err(|error| ApiError::new(code::INTERNAL, error.to_string()))?;
            Ok(JournalEntry { at: one.at, number: one.number, input })
        };
        let inputs = found.into_iter().map(read).collect::<Result<_, ApiError>>()?;
        Ok(JournalReply { inputs, is_whole })
    }

    /// The positions from which the partition of a customer used each model version.
    pub(super) async fn marks(&self, request: &Request) -> Result<MarksReply, ApiError> {
        let (_, address) = self.partition_of(&customer_of(request)?)?;
        let found = address.send(GetModelMarks).await.map_err(gone)?;
        let found = found.map_err(|detail| ApiError::new(code::INTERNAL, detail))?;
        Ok(MarksReply { marks: found.into_iter().map(VersionMark::from).collect() })
    }

    /// The training history of model versions. It belongs to no partition: any of them can read it.
    pub(super) async fn lessons(&self, asked: LessonsRequest) -> Result<LessonsReply, ApiError> {
        let none = || {
            ApiError::new(
                code::INTERNAL,
                "the partitions are still starting; ask again in a moment",
            )
        };
        let address = self.partitions.get(0).ok_or_else(none)?;
        let from = (asked.version, asked.number);
        let lessons = GetLessons { from, with_levels: asked.levels, bytes: LESSONS_REPLY_BYTES };
        let found = address.send(lessons).await.map_err(gone)?;
        let (kept, parts) = found.map_err(|detail| ApiError::new(code::INTERNAL, detail))?;
        Ok(LessonsReply::of(&kept, parts))
    }
}
