use std::sync::Arc;

use super::{AgentChannels, Event, EventKind, Reason, Rejection};

/// Channels with special rights: reporting acts of agents and operators, and merging known customers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rights {
    agent_channels: AgentChannels,
    merging: Arc<[Box<str>]>,
}

impl Rights {
    /// Creates them from the agent channels and the names of the merging channels.
    pub fn new<'a>(
        agent_channels: AgentChannels,
        merging: impl IntoIterator<Item = &'a str>,
    ) -> Rights {
        Rights { agent_channels, merging: merging.into_iter().map(Into::into).collect() }
    }

    /// The channels that may report acts of agents and operators.
    pub fn agent_channels(&self) -> &AgentChannels {
        &self.agent_channels
    }

    /// The names of the channels that may merge known customers.
    pub fn merging(&self) -> impl Iterator<Item = &str> {
        self.merging.iter().map(|name| &**name)
    }

    /// Checks that an event's channel is allowed to send it. A forwarded event was checked where it
    /// entered.
    ///
    /// # Errors
    /// [`Reason::Refused`], if the channel is not allowed to.
    pub(super) fn admit(&self, event: &Event) -> Result<(), Rejection> {
        self.agent_channels.admit(event)?;
        let merges = matches!(&event.kind, EventKind::Link(link) if link.merge);
        if !merges
            || event.forwarding.is_some()
            || self.merging().any(|name| name == event.channel.as_str())
        {
            return Ok(());
        }
        Err(Rejection::new(
            Reason::Refused,
            format!(
                "expected `merge` from a channel listed in `service.merging-channels`, found it on \
                 `{}`; leave `merge` out to link an identifier that belongs to no customer yet",
                event.channel
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Raw, parse};

    #[test]
    fn two_known_customers_are_merged_only_by_a_permitted_channel() {
        let event_on = |channel, payload: &'static str| {
            let payload = payload.as_bytes();
            parse(&Raw { channel, customer: "anne", headers: &[], payload, sequence: 1 }).unwrap()
        };
        let merge = r#"{"type":"link","data":{"to":"ann","merge":true}}"#;
        let link = r#"{"type":"link","data":{"to":"ann"}}"#;
        let rights = Rights::new(AgentChannels::default(), ["crm"]);
        assert_eq!(rights.admit(&event_on("crm", merge)), Ok(()));
        assert_eq!(rights.admit(&event_on("web", link)), Ok(()));
        let refusal = rights.admit(&event_on("web", merge)).unwrap_err();
        insta::assert_snapshot!(refusal, @"refused: expected `merge` from a channel listed in `service.merging-channels`, found it on `web`; leave `merge` out to link an identifier that belongs to no customer yet");
    }
}
