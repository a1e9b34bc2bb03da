use crate::api::verb;
use crate::bus::Subjects;
use crate::config::limits;
use crate::event::{Channel, INTERNAL, encode};

use super::Error;

/// Everybody who comes to a company's broker.
#[derive(Debug, Clone)]
pub struct Company {
    /// The names under which everything is found on the bus.
    pub subjects: Subjects,
    /// The names and addresses of the broker's machine; the first is the one to connect to.
    pub hosts: Vec<String>,
    /// Where the broker listens: an address and a port.
    pub listen: String,
    /// Channels, each with its integrator.
    pub channels: Vec<String>,
    /// People who work on escalations.
    pub agents: Vec<Agent>,
    /// People who steer the service.
    pub operators: Vec<String>,
}

/// Somebody who works on escalations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// The name.
    pub name: String,
    /// The queues; none: all.
    pub queues: Vec<String>,
}

impl Agent {
    /// An agent by name and queues: `lea` for all, `lea=care,billing` for some.
    pub fn parse(text: &str) -> Agent {
        let (name, queues) = text.split_once('=').unwrap_or((text, ""));
        let queues = queues.split(',').map(str::trim).filter(|queue| !queue.is_empty());
        Agent { name: name.to_owned(), queues: queues.map(str::to_owned).collect() }
    }
}

/// What somebody is on the bus, with the blanks of the role's template filled in.
pub(super) struct Member {
    /// The name on the bus: the role, and which of it.
    pub(super) user: String,
    /// The role's template.
    pub(super) template: &'static str,
    /// What stands for its blanks, besides the user, the key and what is the same for all.
    pub(super) blanks: Vec<(&'static str, String)>,
}

const CHANNEL: &str = include_str!("../../config/nats/channel.conf");
const INTEGRATOR: &str = include_str!("../../config/nats/integrator.conf");
const AGENT: &str = include_str!("../../config/nats/agent.conf");
const OPERATOR: &str = include_str!("../../config/nats/operator.conf");
const SERVICE: &str = include_str!("../../config/nats/service.conf");

/// What an agent asks and does about a customer of their queues. To open an escalation is none of it:
/// it would show them anybody.
const AGENTS_ACTS: [&str; 6] = [
    verb::ESCALATIONS_SHOW,
    verb::ESCALATIONS_CLAIM,
    verb::ESCALATIONS_NEXT,
    verb::ESCALATIONS_NOTE,
    verb::ESCALATIONS_HANDBACK,
    verb::ESCALATIONS_RESOLVE,
];

/// The user's name of the service.
pub const SERVICE_USER: &str = "service";

impl Company {
    /// Everybody, the service first.
    pub(super) fn members(&self) -> Result<Vec<Member>, Error> {
        let mut members =
            vec![Member { user: SERVICE_USER.into(), template: SERVICE, blanks: Vec::new() }];
        if self.channels.len() > limits::INTEGRATORS {
            let expected = "as many channels as `jumeau limits` says of `INTEGRATORS`";
            return Err(Error::Name { expected, found: self.channels.len().to_string() });
        }
        for channel in &self.channels {
            let token = channel_token(channel)?;
            for (role, template) in [("channel", CHANNEL), ("integrator", INTEGRATOR)] {
                let user = format!("{role}-{token}");
                members.push(Member { user, template, blanks: vec![("channel", token.clone())] });
            }
        }
        for agent in &self.agents {
            members.push(Member {
                user: format!("agent-{}", person(&agent.name)?),
                template: AGENT,
                blanks: vec![("queues", self.queues(agent)), ("acts", self.acts(agent)?)],
            });
        }
        for operator in &self.operators {
            members.push(Member {
                user: format!("operator-{}", person(operator)?),
                template: OPERATOR,
                blanks: vec![("consumers", self.consumers()?)],
            });
        }
        Ok(members)
    }

    /// What an agent may hear.
    fn queues(&self, agent: &Agent) -> String {
        if agent.queues.is_empty() {
            return lines([self.subjects.all_escalations()]);
        }
        lines(agent.queues.iter().map(|queue| self.subjects.escalations_of(queue)))
    }

    /// What an agent may ask and do: what the queue is part of, and only there.
    fn acts(&self, agent: &Agent) -> Result<String, Error> {
        let own = format!("{}.as.agent-{}", self.subjects.prefix(), person(&agent.name)?);
        let mut queues: Vec<String> = agent.queues.iter().map(|queue| encode(queue)).collect();
        let mut subjects = Vec::new();
        if queues.is_empty() {
            queues.push("*".to_owned());
            subjects.push(format!("{own}.{}", verb::ESCALATIONS_LIST));
        }
        for queue in queues {
            subjects.push(format!("{own}.{}.{queue}", verb::ESCALATIONS_LIST));
            let acts = AGENTS_ACTS.iter().map(|verb| format!("{own}.{verb}.{queue}.*"));
            subjects.extend(acts);
        }
        Ok(lines(subjects))
    }

    /// What nobody but their owners may do with the consumers of the service and of integrators.
    fn consumers(&self) -> Result<String, Error> {
        let mut owned = vec![(self.subjects.events_stream(), "twins".to_owned())];
        for channel in &self.channels {
            owned.push((self.subjects.actions_stream(), channel_token(channel)?));
        }
        Ok(lines(owned.iter().flat_map(|(stream, consumer)| {
            [
                format!("$JS.API.CONSUMER.*.{stream}.{consumer}"),
                format!("$JS.API.CONSUMER.*.{stream}.{consumer}.>"),
                format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"),
            ]
        })))
    }
}

/// Subjects, each on a line of its own.
fn lines(subjects: impl IntoIterator<Item = String>) -> String {
    let quoted = subjects.into_iter().map(|subject| format!("          \"{subject}\""));
    quoted.collect::<Vec<_>>().join("\n")
}

fn channel_token(name: &str) -> Result<String, Error> {
    let expected = "the name of a channel of 1 to 32 bytes, and not that of the twins themselves";
    let found = || Error::Name { expected, found: name.to_owned() };
    let channel = Channel::new(name).map_err(|_| found())?;
    if channel.as_str() == INTERNAL { Err(found()) } else { Ok(channel.token()) }
}

/// The name of a person as a token of a subject.
fn person(name: &str) -> Result<&str, Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if name.is_empty() || name.len() > limits::NAME_BYTES || !name.bytes().all(plain) {
        let expected = "a name of A-Z a-z 0-9 _ -";
        return Err(Error::Name { expected, found: name.to_owned() });
    }
    Ok(name)
}
