use std::collections::BTreeSet;

use crate::api::verb;
use crate::config::limits;
use crate::contract::Subjects;
use crate::event::{Channel, INTERNAL, encode};

use super::Error;
use super::grant::Grant;

/// All users of a company's broker.
#[derive(Debug, Clone, Default)]
pub struct Company {
    /// The subjects of the bus.
    pub subjects: Subjects,
    /// The names and addresses of the broker's machine; the first is the one to connect to.
    pub hosts: Vec<String>,
    /// The broker's listen address: an address and a port.
    pub listen: String,
    /// The broker's WebSocket address, for browsers; none: no WebSocket.
    pub websocket: Option<String>,
    /// The broker's MQTT address, for devices; none: no MQTT.
    pub mqtt: Option<String>,
    /// Channels, each with its integrator.
    pub channels: Vec<String>,
    /// Channels that report acts of agents and operators, such as that of a contact centre: each with its
    /// integrator, too.
    pub desks: Vec<String>,
    /// Channels whose devices report over MQTT.
    pub devices: Vec<String>,
    /// Programs that publish broadcasts.
    pub broadcasters: Vec<Broadcaster>,
    /// People who work on escalations.
    pub agents: Vec<Agent>,
    /// People who operate the service.
    pub operators: Vec<String>,
}

/// An agent, who works on escalations.
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
        let (name, queues) = named(text);
        Agent { name, queues }
    }
}

/// A program that publishes broadcasts, such as one that monitors a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broadcaster {
    /// The name.
    pub name: String,
    /// The scopes; none: all.
    pub scopes: Vec<String>,
}

impl Broadcaster {
    /// A program by name and scopes: `grid` for all, `grid=outage,storm` for some.
    pub fn parse(text: &str) -> Broadcaster {
        let (name, scopes) = named(text);
        Broadcaster { name, scopes }
    }
}

/// A name, and the list after it. A list without names is not the same as none, which means all: it keeps
/// an empty name, which is refused.
fn named(text: &str) -> (String, Vec<String>) {
    let Some((name, list)) = text.split_once('=') else { return (text.to_owned(), Vec::new()) };
    let names = list.split(',').map(str::trim).filter(|one| !one.is_empty());
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    if names.is_empty() {
        names.push(String::new());
    }
    (name.to_owned(), names)
}

/// A user and their permissions.
pub(super) struct Member {
    /// The name on the bus: the role and the name within it.
    pub(super) user: String,
    /// A description, for readers of the broker's configuration.
    pub(super) does: String,
    /// How they connect.
    pub(super) door: Door,
    /// Their permissions.
    pub(super) grants: Vec<Grant>,
    /// Whether they make requests to the service under the name.
    pub(super) is_named: bool,
    /// Further variables that their programs need, with values.
    pub(super) knows: Vec<(&'static str, String)>,
}

/// How a user connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// Over NATS or WebSocket, with a key.
    Key,
    /// Over MQTT, with a password.
    Device,
}

/// The requests and acts of an agent about a customer of their queues. Opening an escalation is not
/// included: it would let an agent see any customer.
const AGENTS_ACTS: [&str; 6] = [
    verb::ESCALATIONS_SHOW,
    verb::ESCALATIONS_CLAIM,
    verb::ESCALATIONS_NEXT,
    verb::ESCALATIONS_NOTE,
    verb::ESCALATIONS_HANDBACK,
    verb::ESCALATIONS_RESOLVE,
];

/// The prefix of agents' names on the bus.
pub const AGENT: &str = "agent-";

/// The user name of the service.
pub const SERVICE_USER: &str = "service";

/// The channel in which operators publish manually.
const OPERATORS_CHANNEL: &str = "cli";

impl Company {
    /// Checks where the broker is and listens: with anything else than hosts and addresses with a port, it
    /// would refuse its configuration.
    ///
    /// # Errors
    /// [`Error::Name`], for the first that is wrong.
    pub fn check_addresses(&self) -> Result<(), Error> {
        let plain = |host: &str| {
            let byte = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
            !host.is_empty() && host.bytes().all(byte)
        };
        if let Some(host) = self.hosts.iter().find(|host| !plain(host)) {
            let expected = "a name or an address of the broker's machine for --host";
            return Err(Error::Name { expected, found: host.clone() });
        }
        let is_address = |text: &str| {
            text.rsplit_once(':').is_some_and(|(host, port)| {
                let within = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
                let is_host = match within {
                    Some(host) => plain(host),
                    None => plain(host) && !host.contains(':'),
                };
                is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
            })
        };
        let doors = [
            ("an address and a port such as 127.0.0.1:4222 for --listen", Some(&self.listen)),
            ("an address and a port such as 0.0.0.0:8443 for --websocket", self.websocket.as_ref()),
            ("an address and a port such as 0.0.0.0:8883 for --mqtt", self.mqtt.as_ref()),
        ];
        for (expected, door) in doors {
            if let Some(door) = door.filter(|door| !is_address(door)) {
                return Err(Error::Name { expected, found: door.clone() });
            }
        }
        Ok(())
    }

    /// Checks that nobody is named twice in one list.
    fn check_once(&self) -> Result<(), Error> {
        let broadcasters = self.broadcasters.iter().map(|one| &one.name);
        let agents = self.agents.iter().map(|one| &one.name);
        once("channel", self.channels.iter())?;
        once("desk", self.desks.iter())?;
        once("device", self.devices.iter())?;
        once("broadcaster", broadcasters)?;
        once("agent", agents)?;
        once("operator", self.operators.iter())
    }

    /// The channels that report over NATS, without duplicates.
    pub(super) fn all_channels(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        for channel in self.channels.iter().chain(&self.desks) {
            if !all.contains(&channel.as_str()) {
                all.push(channel);
            }
        }
        all
    }

    /// All users except the service.
    pub(super) fn members(&self) -> Result<Vec<Member>, Error> {
        self.check_once()?;
        let mut members = Vec::new();
        let channels = self.all_channels();
        if channels.len() > limits::INTEGRATORS {
            let expected = "at most as many channels as the limit `INTEGRATORS` (see `jumeau \
                            limits`)";
            return Err(Error::Name { expected, found: channels.len().to_string() });
        }
        for channel in channels {
            let token = channel_token(channel)?;
            members.push(self.channel(&token));
            members.push(self.integrator(&token));
        }
        for channel in &self.devices {
            members.push(self.device(&channel_token(channel)?));
        }
        for broadcaster in &self.broadcasters {
            members.push(self.broadcaster(broadcaster)?);
        }
        for agent in &self.agents {
            members.push(self.agent(agent)?);
        }
        for operator in &self.operators {
            members.push(self.operator(person(operator)?));
        }
        Ok(members)
    }

    fn channel(&self, token: &str) -> Member {
        let prefix = self.subjects.prefix();
        let (events, decide) =
            (format!("{prefix}.events.{token}"), format!("{prefix}.api.decide.{token}"));
        Member {
            user: format!("channel-{token}"),
            does: "publishes the events of its own channel, and asks what to show there".into(),
            door: Door::Key,
            grants: vec![Grant::Ask(format!("{events}.*")), Grant::Ask(format!("{decide}.*"))],
            is_named: false,
            knows: vec![
                ("JUMEAU_CHANNEL", token.to_owned()),
                ("JUMEAU_EVENTS", events),
                ("JUMEAU_DECIDE", decide),
            ],
        }
    }

    fn integrator(&self, token: &str) -> Member {
        let stream = self.subjects.actions_stream();
        Member {
            user: format!("integrator-{token}"),
            does: "reads actions and recalls of its channel from the consumer made by the service"
                .into(),
            door: Door::Key,
            grants: vec![
                Grant::Ask(format!("$JS.API.CONSUMER.INFO.{stream}.{token}")),
                Grant::AskMany(format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{token}")),
                // An acknowledgement may request the next messages. One wildcard per token: with any
                // prefix, it would reach the consumer of another stream.
                Grant::AskMany(format!("$JS.ACK.{stream}.{token}.*.*.*.*.*")),
                self.nowhere(),
            ],
            is_named: false,
            knows: vec![("JUMEAU_STREAM", stream), ("JUMEAU_CONSUMER", token.to_owned())],
        }
    }

    fn device(&self, token: &str) -> Member {
        let events = format!("{}.events.{token}", self.subjects.prefix());
        let topic = events.replace('.', "/");
        Member {
            user: format!("device-{token}"),
            does: "publishes the events of its own channel, over MQTT".into(),
            door: Door::Device,
            grants: vec![Grant::Ask(format!("{events}.*"))],
            is_named: false,
            knows: vec![("JUMEAU_CHANNEL", token.to_owned()), ("JUMEAU_TOPIC", topic)],
        }
    }

    fn broadcaster(&self, broadcaster: &Broadcaster) -> Result<Member, Error> {
        let name = person(&broadcaster.name)?;
        for scope in &broadcaster.scopes {
            if scope.is_empty() || scope.len() > limits::NAME_BYTES {
                let expected = "the name of a scope after `=`, or no `=` for all scopes";
                return Err(Error::Name { expected, found: scope.clone() });
            }
        }
        let scopes = broadcaster.scopes.iter().map(|scope| self.subjects.broadcast(scope));
        let mut subjects: Vec<String> = scopes.collect();
        if subjects.is_empty() {
            subjects.push(format!("{}.broadcast.*", self.subjects.prefix()));
        }
        Ok(Member {
            user: format!("broadcaster-{name}"),
            does: "publishes broadcasts, in its scopes".into(),
            door: Door::Key,
            grants: subjects.into_iter().map(Grant::Ask).collect(),
            is_named: false,
            knows: Vec::new(),
        })
    }

    fn agent(&self, agent: &Agent) -> Result<Member, Error> {
        let user = format!("{AGENT}{}", person(&agent.name)?);
        for queue in &agent.queues {
            if !is_plain_name(queue) {
                let expected = "the name of a queue, of A-Z a-z 0-9 _ -, after `=`, or no `=` for \
                                all queues";
                return Err(Error::Name { expected, found: queue.clone() });
            }
        }
        let own = format!("{}.as.{user}", self.subjects.prefix());
        let mut tokens: Vec<String> = agent.queues.iter().map(|queue| encode(queue)).collect();
        let mut grants = Vec::new();
        let mut knows = Vec::new();
        if tokens.is_empty() {
            tokens.push("*".to_owned());
            grants.push(Grant::Hear(self.subjects.all_escalations()));
            grants.push(Grant::Ask(format!("{own}.{}", verb::ESCALATIONS_LIST)));
        } else {
            let heard = agent.queues.iter().map(|queue| self.subjects.escalations_of(queue));
            grants.extend(heard.map(Grant::Hear));
            knows.push(("JUMEAU_QUEUES", agent.queues.join(",")));
        }
        for queue in tokens {
            grants.push(Grant::Ask(format!("{own}.{}.{queue}", verb::ESCALATIONS_LIST)));
            let acts = AGENTS_ACTS.iter().map(|verb| format!("{own}.{verb}.{queue}.*"));
            grants.extend(acts.map(Grant::Ask));
        }
        Ok(Member {
            user,
            does:
                "reads and works on escalations of its queues, and asks what to offer customers it \
                 has claimed"
                    .into(),
            door: Door::Key,
            grants,
            is_named: true,
            knows,
        })
    }

    fn operator(&self, name: &str) -> Member {
        let (subjects, prefix) = (&self.subjects, self.subjects.prefix());
        let mut grants = vec![
            Grant::AskLong(format!("{prefix}.as.operator-{name}.>")),
            Grant::Ask(format!("{prefix}.broadcast.*")),
            Grant::Ask(format!("{prefix}.events.{OPERATORS_CHANNEL}.*")),
            Grant::AskMany("$SRV.>".into()),
        ];
        // History for `replay`, `rehearse` and `tail`: page by page, by requests that contain no delivery
        // subject.
        for stream in [subjects.events_stream(), subjects.actions_stream()] {
            grants.push(Grant::AskMany(format!("$JS.API.DIRECT.GET.{stream}")));
            grants.push(Grant::Ask(format!("$JS.API.STREAM.MSG.GET.{stream}")));
        }
        grants.push(self.nowhere());
        grants.extend(
            [
                subjects.all_actions(),
                subjects.all_recalls(),
                subjects.all_escalations(),
                subjects.all_observations(),
                subjects.all_dead(),
                subjects.all_audit(),
            ]
            .map(Grant::Hear),
        );
        Member {
            user: format!("operator-{name}"),
            does: "monitors and operates the service through its API, under this name only".into(),
            door: Door::Key,
            grants,
            is_named: true,
            knows: Vec::new(),
        }
    }

    fn nowhere(&self) -> Grant {
        Grant::Nowhere(format!("{}.nowhere.>", self.subjects.prefix()))
    }
}

fn channel_token(name: &str) -> Result<String, Error> {
    let expected = "the name of a channel of 1 to 32 bytes, and not that of the twins themselves";
    let found = || Error::Name { expected, found: name.to_owned() };
    let channel = Channel::new(name).map_err(|_| found())?;
    if channel.as_str() == INTERNAL { Err(found()) } else { Ok(channel.token()) }
}

/// Refuses a list with a name twice.
fn once<'a>(what: &'static str, names: impl Iterator<Item = &'a String>) -> Result<(), Error> {
    let mut known = BTreeSet::new();
    for name in names {
        if !known.insert(name) {
            return Err(Error::Twice { what, name: name.clone() });
        }
    }
    Ok(())
}

fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    !name.is_empty() && name.len() <= limits::NAME_BYTES && name.bytes().all(plain)
}

/// The name of a person as a token of a subject.
fn person(name: &str) -> Result<&str, Error> {
    if !is_plain_name(name) {
        let expected = "a name of A-Z a-z 0-9 _ -";
        return Err(Error::Name { expected, found: name.to_owned() });
    }
    Ok(name)
}
