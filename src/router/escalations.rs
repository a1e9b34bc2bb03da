//! Requests of agents: open escalations, one escalation with its brief, and agents' acts.

use futures::future::join_all;
use tokio::sync::oneshot;

use super::{Router, customer_of, fields, gone, now, optional};
use crate::actors::{AskTwin, ListEscalations};
use crate::api::{
    ActReply, ActRequest, EscalationReply, EscalationRequest, code, read_fields, verb,
};
use crate::bus::{self, ApiError, Request};
use crate::config::limits;
use crate::event::{Channel, Event, EventKind, HandoffData, HandoffState, Rejection, decode};
use crate::partition::{AskAnswer, EscalationsReply, EscalationsRequest, Listing, TimeMode};
use crate::twin::EscalationRecord;

/// The channel of agents who name none.
const DEFAULT_CHANNEL: &str = "desk";

impl Router {
    /// The open escalations of all partitions.
    pub(super) async fn escalations(
        &self,
        request: &Request,
    ) -> Result<EscalationsReply, ApiError> {
        let mut wanted: EscalationsRequest = optional(&request.payload)?.unwrap_or_default();
        if let [queue] = request.tokens.as_slice() {
            only(&mut wanted.queue, queue)?;
        }
        let lists = self.partitions().iter().map(|one| one.send(ListEscalations(wanted.clone())));
        let mut all = Listing::new(wanted.clone());
        for list in join_all(lists).await {
            let list = list.map_err(gone)?;
            all.merge(list.map_err(|detail| ApiError::new(code::INTERNAL, detail))?);
        }
        Ok(all.finish(now()))
    }

    /// One escalation, with the current brief.
    pub(super) async fn escalation(&self, request: &Request) -> Result<EscalationReply, ApiError> {
        let EscalationRequest { escalation, language } =
            optional(&request.payload)?.unwrap_or_default();
        let (twin, surroundings) = self.twin_of(request).await?;
        let mut queue = None;
        if let [named, _] = request.tokens.as_slice() {
            only(&mut queue, named)?;
        }
        // A caller with access to one queue sees its open escalations, not those that left it.
        let may_see = |known: &&EscalationRecord| {
            queue.as_ref().is_none_or(|queue| known.is_open() && known.queue == *queue)
        };
        let known = match &escalation {
            Some(id) => twin.escalations.iter().find(|known| known.id == *id),
            None => twin
                .open_escalations()
                .filter(may_see)
                .max_by_key(|known| (known.touched, &known.id))
                .or_else(|| twin.last_escalation()),
        };
        let known = known.filter(may_see);
        let Some(known) = known else {
            let token = twin.customer.token();
            return Err(ApiError::new(
                code::NOT_FOUND,
                match (queue, escalation) {
                    (Some(queue), Some(_)) => format!(
                        "`{token}` has no open escalation of this id in the queue `{queue}`"
                    ),
                    (Some(queue), None) => {
                        format!("`{token}` has no open escalation in the queue `{queue}`")
                    }
                    (None, Some(id)) => format!("`{token}` has no escalation `{id}`"),
                    (None, None) => format!("`{token}` has never had an escalation"),
                },
            ));
        };
        let at = if self.mode() == TimeMode::Stream { now() } else { twin.seen };
        let Some(brief) = twin.brief(&known.id, &surroundings.world(), at) else {
            return Err(ApiError::new(code::INTERNAL, "an escalation that is known has no brief"));
        };
        let policy = &surroundings.policy;
        let queue = policy.queue(&known.queue).and_then(|queue| queue.language.clone());
        let tag = language.or(queue).or_else(|| policy.languages.first().cloned());
        let text = brief.text(&policy.speech.languages, tag.as_deref());
        let customer = twin.customer.clone();
        Ok(EscalationReply { customer, at, escalation: known.clone(), brief, text })
    }

    /// Sends an agent's act to a twin; answered once it is durable.
    pub(super) async fn hand_over(&self, request: &Request) -> Result<ActReply, ApiError> {
        let state = match request.verb {
            verb::ESCALATIONS_OPEN => HandoffState::Opened,
            verb::ESCALATIONS_CLAIM => HandoffState::Claimed,
            verb::ESCALATIONS_NOTE => HandoffState::Noted,
            verb::ESCALATIONS_HANDBACK => HandoffState::HandedBack,
            _ => HandoffState::Resolved,
        };
        let mut customer = customer_of(request)?;
        let mut all = fields(&request.payload)?;
        all.insert("state".to_owned(), state.name().into());
        let bad = |detail: String| ApiError::new(code::BAD_REQUEST, detail);
        let act: ActRequest = read_fields(all).map_err(bad)?;
        let ActRequest { channel, id, time, traceparent, mut handoff } = act;
        let channel = Channel::new(channel.as_deref().unwrap_or(DEFAULT_CHANNEL)).map_err(bad)?;
        sign(&mut handoff, request);
        if let [queue, _] = request.tokens.as_slice() {
            only(&mut handoff.queue, queue)?;
            if handoff.operator.is_some() {
                return Err(bad(
                    "expected an agent acting in their own name, found another `agent` or an \
                     `operator`; an operator uses the subject without a queue"
                        .to_owned(),
                ));
            }
        }
        let id = id.unwrap_or_else(|| bus::fresh_id().into());
        for _ in 0..=limits::IDENTIFIERS {
            let kind = EventKind::Handoff(Box::new(handoff.clone()));
            let (channel, id) = (channel.clone(), id.clone());
            let trace = traceparent.clone();
            let event = Event::requested(customer.clone(), channel, id, time, trace, kind);
            let event = event.map_err(|rejection| bad(rejection.detail))?;
            let (_, address) = self.partition_of(&customer)?;
            let (reply, answer) = oneshot::channel();
            address.do_send(AskTwin { event, reply });
            match answer.await.map_err(gone)? {
                AskAnswer::Acted(done) => {
                    let escalation = done.escalation.map(|escalation| *escalation);
                    return Ok(ActReply { customer, at: done.at, escalation });
                }
                AskAnswer::Elsewhere(to) => customer = to,
                AskAnswer::Duplicate => {
                    return Err(ApiError::new(
                        code::CONFLICT,
                        "a request with this `id` was already answered; use a new `id`, or leave it \
                         out",
                    ));
                }
                AskAnswer::Refused(Rejection { detail, .. }) => {
                    return Err(ApiError::new(code::CONFLICT, detail));
                }
                AskAnswer::NoRoom => return Err(super::no_room()),
                AskAnswer::Busy => return Err(super::outbox_is_full()),
                AskAnswer::Decided(_) => {
                    return Err(ApiError::new(code::INTERNAL, "an act is no request to decide"));
                }
            }
        }
        Err(ApiError::new(
            code::CONFLICT,
            "the identifiers are linked in a cycle; unlink one of them",
        ))
    }
}

/// Restricts a request to the queue of the subject, for which the broker has permitted it.
fn only(queue: &mut Option<Box<str>>, token: &str) -> Result<(), ApiError> {
    let bad = |detail: String| ApiError::new(code::BAD_REQUEST, detail);
    let named: Box<str> = decode(token).map_err(bad)?.into();
    if let Some(other) = queue.as_ref().filter(|other| **other != named) {
        return Err(bad(format!(
            "expected the queue of the subject, `{named}`, found `{other}`; leave `queue` out"
        )));
    }
    *queue = Some(named);
    Ok(())
}

/// Sets the caller as the agent, if none is named. A caller whose name the broker has verified acts for
/// another agent only as an operator.
fn sign(handoff: &mut HandoffData, request: &Request) {
    let by = &request.by;
    if by.name.is_empty() {
        return;
    }
    match &handoff.agent {
        None => handoff.agent = Some(by.name.clone()),
        Some(agent) if by.is_vouched && *agent != by.name => {
            handoff.operator = Some(by.name.clone());
        }
        Some(_) => {}
    }
    if by.is_vouched && handoff.operator.is_some() {
        handoff.operator = Some(by.name.clone());
    }
}
