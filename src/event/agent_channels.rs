use std::sync::Arc;

use super::{Event, EventKind, HandoffState, Reason, Rejection};

/// The channels trusted to report acts of agents and operators, such as a contact centre's.
///
/// A publisher on any other channel could use another agent's name and claim or resolve escalations, so
/// other channels may only open an escalation, without a name. Agents themselves use the API, which
/// authenticates them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AgentChannels(Arc<[Box<str>]>);

impl AgentChannels {
    /// These channels, by name.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> AgentChannels {
        AgentChannels(names.into_iter().map(Into::into).collect())
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }

    /// Checks that an event's channel is allowed to send it. A forwarded event was checked where it
    /// entered.
    ///
    /// # Errors
    /// [`Reason::Refused`], if the channel is not allowed to.
    pub fn admit(&self, event: &Event) -> Result<(), Rejection> {
        let EventKind::Handoff(handoff) = &event.kind else { return Ok(()) };
        let is_nobodys = handoff.agent.is_none() && handoff.operator.is_none();
        if event.forwarding.is_some()
            || (handoff.state == HandoffState::Opened && is_nobodys)
            || self.names().any(|name| name == event.channel.as_str())
        {
            return Ok(());
        }
        let desks: Vec<&str> = self.names().collect();
        let desks = if desks.is_empty() { "none".to_owned() } else { desks.join(", ") };
        let found = match (handoff.state, is_nobodys) {
            (HandoffState::Opened, _) => "`opened` with `agent` or `operator`".to_owned(),
            (state, _) => format!("`{}`", state.name()),
        };
        Err(Rejection::new(
            Reason::Refused,
            format!(
                "expected from the channel `{}` only the state `opened`, without `agent` and \
                 `operator`, found {found}; agents use the API (`escalations.claim` and so on), a \
                 contact centre uses a channel listed in `service.desks` ({desks})",
                event.channel.as_str()
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Raw, parse};

    fn handoff_on(channel: &str, data: &str) -> Event {
        let payload = format!(r#"{{"type":"handoff","data":{data}}}"#);
        let raw = Raw {
            channel,
            customer: "ann",
            headers: &[],
            payload: payload.as_bytes(),
            sequence: 1,
        };
        parse(&raw).unwrap()
    }

    #[test]
    fn only_agent_channels_report_acts_of_named_agents() {
        let desks = AgentChannels::new(["desk"]);
        let opened = r#"{"state":"opened","topic":"bot","note":"cannot help"}"#;
        assert_eq!(desks.admit(&handoff_on("chat", opened)), Ok(()));
        for borrowed in [
            r#"{"state":"opened","topic":"bot","agent":"lea"}"#,
            r#"{"state":"opened","topic":"bot","operator":"anna"}"#,
            r#"{"state":"claimed","escalation":"e1","agent":"lea"}"#,
            r#"{"state":"noted","escalation":"e1","said":"we refund it"}"#,
            r#"{"state":"handed-back","escalation":"e1"}"#,
            r#"{"state":"resolved","escalation":"e1","operator":"anna"}"#,
        ] {
            assert_eq!(desks.admit(&handoff_on("desk", borrowed)), Ok(()), "{borrowed}");
            let refusal = desks.admit(&handoff_on("chat", borrowed)).unwrap_err();
            assert_eq!(refusal.reason, Reason::Refused, "{borrowed}");
            let nobody = AgentChannels::default().admit(&handoff_on("desk", borrowed));
            assert!(nobody.is_err(), "{borrowed}");
        }
        let claimed = handoff_on("chat", r#"{"state":"claimed","escalation":"e1","agent":"lea"}"#);
        insta::assert_snapshot!(desks.admit(&claimed).unwrap_err(), @"refused: expected from the channel `chat` only the state `opened`, without `agent` and `operator`, found `claimed`; agents use the API (`escalations.claim` and so on), a contact centre uses a channel listed in `service.desks` (desk)");
    }
}
