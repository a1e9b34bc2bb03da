//! Decisions for requests: of channels, and of agents who hold the conversation.

use serde_json::Map;
use tokio::sync::oneshot;

use super::{Router, customer_of, fields, gone, no_room, outbox_is_full, required};
use crate::actors::AskTwin;
use crate::api::{DecideReply, DecideRequest, OfferedAction, code, read_fields};
use crate::bus::{self, ApiError, Request};
use crate::config::limits;
use crate::event::{Channel, Customer, Event, Rejection, decode};
use crate::partition::AskAnswer;

impl Router {
    /// The actions to show to a customer now, in the requesting channel.
    pub(super) async fn decide(&self, request: &Request) -> Result<DecideReply, ApiError> {
        let customer = customer_of(request)?;
        let of_subject = match request.tokens.as_slice() {
            [named, _] => Some(named.as_str()),
            _ => None,
        };
        // If the subject names the channel, the payload may be empty.
        let is_plain = of_subject.is_some() && request.payload.is_empty();
        let payload = if is_plain { b"{}".as_slice() } else { &request.payload };
        let asked: DecideRequest = required(payload)?;
        let channel = channel_of(of_subject, asked.channel.as_deref())
            .map_err(|detail| ApiError::new(code::BAD_REQUEST, detail))?;
        self.ask(customer, channel, asked).await
    }

    /// The actions to offer a customer whose escalation an agent of the subject's queue has claimed, in
    /// the channel in which that agent works.
    pub(super) async fn next(&self, request: &Request) -> Result<DecideReply, ApiError> {
        let bad = |detail: String| ApiError::new(code::BAD_REQUEST, detail);
        let queue = request.tokens.first().map_or("", String::as_str);
        let queue = decode(queue).map_err(bad)?;
        let (twin, _) = self.twin_of(request).await?;
        let by = &request.by;
        let held = twin.open_escalations().find(|known| {
            known.is_claimed()
                && *known.queue == *queue
                && (!by.is_vouched || known.agent.as_ref() == Some(&by.name))
        });
        let Some(channel) = held.and_then(|known| known.desk.clone()) else {
            return Err(ApiError::new(
                code::CONFLICT,
                format!(
                    "expected an escalation of `{}` in the queue `{queue}` that you have claimed, \
                     found none; claim it first",
                    twin.customer.token()
                ),
            ));
        };
        let is_plain = request.payload.is_empty();
        let mut body = if is_plain { Map::new() } else { fields(&request.payload)? };
        body.insert("channel".to_owned(), channel.as_str().into());
        let asked: DecideRequest = read_fields(body).map_err(bad)?;
        self.ask(twin.customer.clone(), channel, asked).await
    }

    /// Asks the twin and, if it names another customer, that one.
    async fn ask(
        &self,
        named: Customer,
        channel: Channel,
        asked: DecideRequest,
    ) -> Result<DecideReply, ApiError> {
        let DecideRequest { id, time, traceparent, ask, .. } = asked;
        let id = id.unwrap_or_else(|| bus::fresh_id().into());
        let refused = |rejection: Rejection| ApiError::new(code::BAD_REQUEST, rejection.detail);
        let mut customer = named.clone();
        for _ in 0..=limits::IDENTIFIERS {
            let (channel, id) = (channel.clone(), id.clone());
            let (traceparent, ask) = (traceparent.clone(), ask.clone());
            let event = Event::asked(customer.clone(), channel, id, time, traceparent, ask);
            let (_, address) = self.partition_of(&customer)?;
            let (reply, answer) = oneshot::channel();
            address.do_send(AskTwin { event: event.map_err(refused)?, reply });
            match answer.await.map_err(gone)? {
                AskAnswer::Decided(decided) => {
                    return Ok(DecideReply {
                        // A channel does not learn from a request which customer the identifier is linked
                        // to.
                        customer: named,
                        at: decided.at,
                        policy: decided.policy.name.clone(),
                        version: decided.policy.version.0.clone(),
                        offers: decided.actions.iter().map(OfferedAction::of).collect(),
                    });
                }
                AskAnswer::Elsewhere(to) => customer = to,
                AskAnswer::Duplicate => {
                    return Err(ApiError::new(
                        code::CONFLICT,
                        "a request with this `id` was already answered; use a new `id`, or leave it \
                         out",
                    ));
                }
                AskAnswer::Refused(rejection) => return Err(refused(rejection)),
                AskAnswer::NoRoom => return Err(no_room()),
                AskAnswer::Busy => return Err(outbox_is_full()),
                AskAnswer::Acted(_) => {
                    return Err(ApiError::new(code::INTERNAL, "a request to decide is no act"));
                }
            }
        }
        Err(ApiError::new(
            code::CONFLICT,
            "the identifiers are linked in a cycle; unlink one of them",
        ))
    }
}

/// The requesting channel, from the subject and the request.
fn channel_of(of_subject: Option<&str>, named: Option<&str>) -> Result<Channel, String> {
    match (of_subject, named) {
        (None, None) => {
            Err("expected the `channel` that asks, found none; give it in the request, or in the \
                 subject before the customer"
                .to_owned())
        }
        (None, Some(named)) => Channel::new(named),
        (Some(token), None) => Channel::from_token(token),
        (Some(token), Some(named)) => {
            let channel = Channel::new(named)?;
            if channel.token() == token {
                return Ok(channel);
            }
            Err(format!(
                "expected the channel of the subject, `{token}`, found `{channel}`; leave `channel` \
                 out"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requesting_channel_is_in_the_subject_or_the_request_and_both_must_agree() {
        let of =
            |subject, named| channel_of(subject, named).map(|channel| channel.as_str().to_owned());
        assert_eq!(of(Some("call%20centre"), None).unwrap(), "call centre");
        assert_eq!(of(Some("call%20centre"), Some("call centre")).unwrap(), "call centre");
        assert_eq!(of(None, Some("web")).unwrap(), "web");
        let refused = [of(Some("web"), Some("app")), of(None, None), of(Some("web%"), None)];
        let refused = refused.map(Result::unwrap_err);
        insta::assert_snapshot!(refused.join("\n"), @r#"
        expected the channel of the subject, `web`, found `app`; leave `channel` out
        expected the `channel` that asks, found none; give it in the request, or in the subject before the customer
        expected a token of A-Z a-z 0-9 _ - and percent-encoded bytes (%2E for a dot), found `%` in `web%`
        "#);
    }
}
