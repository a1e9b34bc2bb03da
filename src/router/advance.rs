//! Advances the clock of a service on event time.

use std::time::{Duration, Instant};

use super::{Router, from_bus, gone};
use crate::actors::{self, HasAdvanced};
use crate::api::{AdvanceReply, AdvanceRequest, code};
use crate::bus::ApiError;
use crate::partition::{Counters, TimeMode};

/// The maximum wait for due timers when the clock is advanced.
const ADVANCE_MAX: Duration = Duration::from_secs(120);

impl Router {
    pub(super) async fn advance(&self, asked: AdvanceRequest) -> Result<AdvanceReply, ApiError> {
        if self.mode != TimeMode::Event {
            return Err(ApiError::new(
                code::CONFLICT,
                "expected a service with `service.time = \"event\"`; this one runs on stream time, \
                 so its clock cannot be moved",
            ));
        }
        let fired =
            |counters: &[Counters]| counters.iter().map(|one| one.timers_fired).sum::<u64>();
        let before = fired(&self.counters().await?);
        // Earlier events are processed before the clock advances.
        let deadline = Instant::now() + ADVANCE_MAX;
        self.taken_in(deadline).await?;
        // Messages that twins forward to each other meanwhile are in the stream before their partition is
        // done, and are processed too.
        let mut latest = asked.to;
        loop {
            for address in self.partitions.all() {
                address.do_send(actors::AdvanceTime(asked.to));
            }
            for address in self.partitions.all() {
                let clock = loop {
                    if let Some(clock) = address.send(HasAdvanced(asked.to)).await.map_err(gone)? {
                        break clock;
                    }
                    if Instant::now() > deadline {
                        return Err(did_not_fire_in_time());
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                };
                latest = latest.max(clock);
            }
            if self.taken_in(deadline).await? {
                break;
            }
        }
        // Later decisions use everything learned until then.
        self.learner.learn_now().await;
        let after = fired(&self.counters().await?);
        Ok(AdvanceReply { to: latest, timers_fired: after - before })
    }

    /// Waits until everything in the stream is processed; returns whether it was so at once.
    pub(super) async fn taken_in(&self, deadline: Instant) -> Result<bool, ApiError> {
        let mut at_once = true;
        loop {
            let lag = self.bus.lag().await.map_err(from_bus)?;
            if lag.behind() == 0 {
                return Ok(at_once);
            }
            if Instant::now() > deadline {
                return Err(did_not_fire_in_time());
            }
            at_once = false;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn did_not_fire_in_time() -> ApiError {
    ApiError::new(
        code::INTERNAL,
        "timers that are due did not all fire in time; they are still firing",
    )
}
