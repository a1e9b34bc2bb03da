//! The rights of customers: export of their data, and erasure.

use futures::future::join_all;

use super::find::FoundTwin;
use super::{Router, customer_of, from_bus, gone, now, optional, required};
use crate::actors::{GetDecisions, GetErasure, GetJournal};
use crate::api::{
    EraseReply, EraseRequest, ExportPart, ExportReply, ExportRequest, JournalEntry, MessageCount,
    code, fresh_erasure,
};
use crate::bus::{ApiError, Request, StreamEnds};
use crate::codec;
use crate::config::limits;
use crate::event::{Customer, Erasure, ErasureId, Output, Time};

impl Router {
    /// Starts the erasure of a customer, or reports its progress.
    pub(super) async fn erase(&self, request: &Request) -> Result<EraseReply, ApiError> {
        let EraseRequest { erasure } = optional(&request.payload)?.unwrap_or_default();
        let customer = customer_of(request)?;
        let named = self.signer.marks().mark(&customer);
        let id: ErasureId = match &erasure {
            Some(known) => {
                known.parse().map_err(|detail| ApiError::new(code::BAD_REQUEST, detail))?
            }
            None => {
                let id = fresh_erasure();
                let mark = self.signer.marks().message_mark(
                    &customer,
                    Some(&Erasure::requested(customer.clone(), id)),
                    b"",
                );
                let wanted = Erasure::requested(customer, id);
                self.bus.request_erasure(&wanted, (Output::MARK, mark)).await.map_err(from_bus)?;
                id
            }
        };
        let rows = self.partitions.all().iter().map(|address| address.send(GetErasure(id)));
        let rows: Result<Vec<_>, _> = join_all(rows).await.into_iter().collect();
        let rows: Result<Vec<_>, String> = rows.map_err(gone)?.into_iter().collect();
        let rows = rows.map_err(|detail| ApiError::new(code::INTERNAL, detail))?.concat();
        if erasure.is_some() && rows.is_empty() {
            let lag = self.bus.lag().await.map_err(from_bus)?;
            if lag.behind() == 0 {
                let detail = format!(
                    "expected the id of an erasure in progress, found `{id}`, which is of none; \
                     leave `erasure` out to start one"
                );
                return Err(ApiError::new(code::NOT_FOUND, detail));
            }
        }
        let receipt = self.signer.receipt(id, named, &rows);
        Ok(EraseReply { erasure: id.to_string().into(), receipt })
    }

    /// One part of a customer's data. It is split because the broker limits the size of a message.
    pub(super) async fn export(&self, request: &Request) -> Result<ExportReply, ApiError> {
        let asked: ExportRequest = required::<ExportRequest>(&request.payload)?;
        let found = self.find(request).await?;
        let customer = found.twin.customer.clone();
        let mut reply = ExportReply {
            customer: customer.clone(),
            asked: found.asked.clone(),
            at: now(),
            service: env!("CARGO_PKG_VERSION").into(),
            policy: found.surroundings.policy.name.clone(),
            version: found.surroundings.policy.version.0.clone(),
            twin: None,
            decisions: Vec::new(),
            journal: Vec::new(),
            next: None,
            messages: Vec::new(),
        };
        let internal = |detail: String| ApiError::new(code::INTERNAL, detail);
        let (_, address) = self.partition_of(&customer)?;
        match asked.part {
            ExportPart::Twin => {
                let twin = serde_json::to_value(&found.twin);
                reply.twin = Some(twin.map_err(|error| internal(error.to_string()))?);
            }
            ExportPart::Decisions => {
                let found = address.send(GetDecisions(customer)).await.map_err(gone)?;
                reply.decisions = found.map_err(internal)?;
            }
            ExportPart::Journal => {
                let from = asked.from.unwrap_or(Time::MIN);
                let journal = GetJournal(customer, from, limits::JOURNAL_LISTED);
                let found = address.send(journal).await.map_err(gone)?.map_err(internal)?;
                let is_whole = found.len() < limits::JOURNAL_LISTED;
                for one in found {
                    let input = codec::decode(codec::RecordKind::Input, &one.encoded)
                        .map_err(|error| internal(error.to_string()))?;
                    reply.journal.push(JournalEntry { at: one.at, number: one.number, input });
                }
                if !is_whole {
                    reply.next = reply.journal.last().map(|one| one.at);
                }
            }
            ExportPart::Messages => reply.messages = self.messages_of(&found).await?,
        }
        Ok(reply)
    }

    /// The number of messages about the customer in each stream, by identifier.
    async fn messages_of(&self, found: &FoundTwin) -> Result<Vec<MessageCount>, ApiError> {
        let others = found.twin.identifiers.iter().map(|known| known.customer.clone());
        let own = std::iter::once(found.twin.customer.clone());
        let partitions = u16::try_from(self.partitions.all().len()).unwrap_or(u16::MAX);
        let mut counts = Vec::new();
        for identifier in own.chain(others).collect::<Vec<Customer>>() {
            let found = self.bus.trails(&identifier, partitions, StreamEnds::OPEN).await;
            for trail in found.map_err(from_bus)? {
                counts.push(MessageCount {
                    identifier: identifier.clone(),
                    stream: trail.stream.into(),
                    what: trail.what.into(),
                    count: trail.sequences.len() as u64,
                });
            }
        }
        counts.retain(|one| one.count > 0);
        Ok(counts)
    }
}
