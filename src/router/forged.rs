//! Forged messages on the internal channel.

use super::{Router, from_bus};
use crate::api::{ForgedReply, ForgedRequest, code};
use crate::bus::ApiError;
use crate::config::limits;
use crate::event::Delivery;

impl Router {
    /// Checks the marks of messages in the event stream.
    pub(super) async fn forged(&self, asked: ForgedRequest) -> Result<ForgedReply, ApiError> {
        let (most, found) = (limits::FORGED_ASKED, asked.sequences.len());
        if found > most {
            let detail = format!(
                "expected at most {most} sequences, found {found}; ask in several requests"
            );
            return Err(ApiError::new(code::BAD_REQUEST, detail));
        }
        let secret = self.signer.marks();
        let held = self.bus.events_at(&asked.sequences).await.map_err(from_bus)?;
        let is_forged =
            |one: &Delivery| one.original.is_internal() && !secret.is_ours(&one.original);
        let forged = held.iter().filter(|one| is_forged(one)).map(|one| one.sequence).collect();
        Ok(ForgedReply { forged })
    }
}
