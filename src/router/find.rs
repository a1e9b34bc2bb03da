//! Finds and shows the twin of a customer.

use bytes::Bytes;
use serde::Serialize;

use super::{Router, customer_of, gone, now, reply};
use crate::actors::{GetTwin, TwinSnapshot};
use crate::api::{TimelineEntry, TimelineReply, code};
use crate::bus::{ApiError, Request};
use crate::config::limits;
use crate::event::{Customer, Time};
use crate::partition::{Surroundings, TimeMode};
use crate::twin::{Dissatisfaction, Forecast, Twin};

/// The reply to `show`.
#[derive(Serialize)]
struct ShownTwin<'a> {
    customer: &'a Customer,
    asked: &'a Customer,
    partition: u16,
    resident: bool,
    inputs: u64,
    now: Time,
    dissatisfaction: Option<Dissatisfaction>,
    forecasts: Vec<Forecast>,
    twin: &'a Twin,
}

/// A twin and its partition.
pub(super) struct FoundTwin {
    pub(super) asked: Customer,
    pub(super) twin: Box<Twin>,
    pub(super) surroundings: Surroundings,
    pub(super) partition: u16,
    pub(super) is_resident: bool,
}

impl Router {
    /// The complete state of a customer.
    pub(super) async fn show(&self, request: &Request) -> Result<Bytes, ApiError> {
        let FoundTwin { asked, twin, surroundings, partition, is_resident } =
            self.find(request).await?;
        let now = if self.mode == TimeMode::Stream { now() } else { twin.seen };
        let policy = twin.governed_by(&surroundings.policy);
        reply(&ShownTwin {
            customer: &twin.customer,
            asked: &asked,
            partition,
            resident: is_resident,
            inputs: twin.timeline.total(),
            now,
            dissatisfaction: twin.dissatisfaction(policy, now),
            forecasts: twin.forecasts(policy, now),
            twin: &twin,
        })
    }

    /// The timeline of a customer.
    pub(super) async fn timeline(
        &self,
        request: &Request,
        limit: Option<usize>,
    ) -> Result<TimelineReply, ApiError> {
        let FoundTwin { twin, .. } = self.find(request).await?;
        Ok(timeline(&twin, limit))
    }

    /// A copy of the requested customer's twin, and its environment.
    pub(super) async fn twin_of(
        &self,
        request: &Request,
    ) -> Result<(Box<Twin>, Surroundings), ApiError> {
        let FoundTwin { twin, surroundings, .. } = self.find(request).await?;
        Ok((twin, surroundings))
    }

    /// The twin of the requested customer, or of the one whom the identifier is linked to.
    pub(super) async fn find(&self, request: &Request) -> Result<FoundTwin, ApiError> {
        let asked = customer_of(request)?;
        match self.find_or_new(asked.clone()).await? {
            (found, true) => Ok(found),
            (_, false) => Err(ApiError::new(
                code::NOT_FOUND,
                format!(
                    "customer `{}` is unknown: no event about them was processed",
                    asked.token()
                ),
            )),
        }
    }

    /// The same; for an unknown customer a new twin, and `false`.
    pub(super) async fn find_or_new(&self, asked: Customer) -> Result<(FoundTwin, bool), ApiError> {
        let (mut partition, mut snapshot) = self.snapshot_of(asked.clone()).await?;
        // A memory in transit may not have arrived: then its receiver is not known yet.
        for _ in 0..=limits::IDENTIFIERS {
            let Some(to) = snapshot.twin.as_ref().and_then(|twin| twin.linked_to.clone()) else {
                break;
            };
            let next = self.snapshot_of(to).await?;
            if next.1.twin.is_none() {
                break;
            }
            (partition, snapshot) = next;
        }
        let TwinSnapshot { twin, is_resident, surroundings } = snapshot;
        let is_known = twin.is_some();
        let twin = twin.unwrap_or_else(|| Box::new(Twin::new(asked.clone(), now())));
        Ok((FoundTwin { asked, twin, surroundings, partition, is_resident }, is_known))
    }

    pub(super) async fn snapshot_of(
        &self,
        customer: Customer,
    ) -> Result<(u16, TwinSnapshot), ApiError> {
        let (partition, address) = self.partition_of(&customer)?;
        let snapshot = address.send(GetTwin(customer)).await.map_err(gone)?;
        Ok((partition, snapshot.map_err(|detail| ApiError::new(code::INTERNAL, detail))?))
    }
}

fn timeline(twin: &Twin, limit: Option<usize>) -> TimelineReply {
    let held = twin.timeline.len();
    TimelineReply {
        customer: twin.customer.clone(),
        inputs: twin.timeline.total(),
        entries: twin
            .timeline
            .iter()
            .skip(held - limit.unwrap_or(held).min(held))
            .map(|entry| TimelineEntry {
                number: entry.number,
                at: entry.at,
                what: entry.what.name().into(),
                channel: entry.channel.into(),
                text: entry.text.into(),
            })
            .collect(),
    }
}
