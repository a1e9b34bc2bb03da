//! Lists dead letters and publishes their events again.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Router, from_bus};
use crate::api::{
    DeadLetterView, DeadListReply, DeadListRequest, DeadRetryReply, DeadRetryRequest, NotRetried,
    code,
};
use crate::bus::{self, ApiError};
use crate::config::limits;

impl Router {
    pub(super) async fn dead_list(
        &self,
        asked: &DeadListRequest,
    ) -> Result<DeadListReply, ApiError> {
        let counts = self.bus.dead_letter_counts().await.map_err(from_bus)?;
        let limit = asked.limit.unwrap_or(limits::DEAD_LETTERS_LISTED);
        let letters = self.bus.dead_letters(asked.reason, asked.after, limit).await;
        let letters = letters.map_err(from_bus)?.into_iter().map(|letter| view(letter, false));
        Ok(DeadListReply { counts: BTreeMap::from_iter(counts), letters: letters.collect() })
    }

    pub(super) async fn dead_retry(
        &self,
        asked: DeadRetryRequest,
    ) -> Result<DeadRetryReply, ApiError> {
        let mut sequences = asked.sequences;
        if let Some(payload) = asked.payload {
            let [sequence] = sequences[..] else {
                let found = sequences.len();
                let detail =
                    format!("expected one dead letter to retry with corrected data, found {found}");
                return Err(ApiError::new(code::BAD_REQUEST, detail));
            };
            let payload = Bytes::from(payload);
            self.bus.retry_corrected(sequence, Some(payload)).await.map_err(from_bus)?;
            return Ok(DeadRetryReply { retried: vec![sequence], ..DeadRetryReply::default() });
        }
        if asked.all {
            let mut after = 0;
            loop {
                let limit = limits::DEAD_LETTERS_LISTED;
                let letters = self.bus.dead_letters(None, after, limit).await.map_err(from_bus)?;
                let Some(last) = letters.last() else { break };
                after = last.sequence;
                sequences.extend(letters.iter().map(|letter| letter.sequence));
            }
        }
        let mut outcome = DeadRetryReply::default();
        for sequence in sequences {
            match self.bus.retry_dead_letter(sequence).await {
                Ok(_) => outcome.retried.push(sequence),
                Err(error) => {
                    outcome.failed.push(NotRetried { sequence, why: error.to_string() });
                }
            }
        }
        Ok(outcome)
    }
}

/// A dead letter as shown to operators; with its bytes only if one is requested.
pub(super) fn view(letter: bus::DeadLetter, whole: bool) -> DeadLetterView {
    let payload = &letter.original.payload;
    let text = std::str::from_utf8(payload).ok();
    DeadLetterView {
        sequence: letter.sequence,
        at: letter.stored,
        reason: letter.reason,
        detail: letter.detail,
        subject: letter.original.subject.to_string(),
        event_sequence: letter.event_sequence,
        partition: letter.partition,
        bytes: letter.truncated.unwrap_or(payload.len() as u64),
        headers: if whole {
            let plain = letter.original.headers.iter();
            plain.map(|(name, value)| (name.to_string(), value.to_string())).collect()
        } else {
            Vec::new()
        },
        text: text.filter(|_| whole).map(str::to_owned),
        hex: (whole && text.is_none()).then(|| hex::encode(payload)),
    }
}
