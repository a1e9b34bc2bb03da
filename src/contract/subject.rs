use std::fmt::{self, Write as _};

use crate::event::{
    Channel, Customer, INTERNAL, PublishedSubject, Reason, decode_any_spelling, encode,
};
use crate::tables::Chain;

/// The subjects and streams of one deployment, all under one prefix.
///
/// These are a contract with every client of the bus: see the table in `README.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subjects {
    prefix: Box<str>,
}

/// The error of an invalid prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a prefix of at most 64 bytes whose tokens are of A-Z a-z 0-9 _ -, joined by dots; found \
     `{found}`; correct `nats.prefix`"
)]
pub struct PrefixError {
    /// The invalid prefix.
    pub found: Box<str>,
}

/// The maximum length of a prefix in bytes.
const PREFIX_BYTES_MAX: usize = 64;

impl Subjects {
    /// The subjects under `prefix`: one or more tokens of `A-Z a-z 0-9 _ -`, joined by dots.
    ///
    /// # Errors
    /// [`PrefixError`] for anything else, or for more than 64 bytes.
    pub fn new(prefix: &str) -> Result<Subjects, PrefixError> {
        let is_token = |token: &str| {
            !token.is_empty()
                && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        };
        if prefix.len() > PREFIX_BYTES_MAX || !prefix.split('.').all(is_token) {
            return Err(PrefixError { found: prefix.into() });
        }
        Ok(Subjects { prefix: prefix.into() })
    }

    /// The prefix.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The stream of events: `JUMEAU_EVENTS`.
    pub fn events_stream(&self) -> String {
        self.stream("EVENTS")
    }

    /// The stream of actions, recalls and escalations: `JUMEAU_ACTIONS`.
    pub fn actions_stream(&self) -> String {
        self.stream("ACTIONS")
    }

    /// The stream of dead letters: `JUMEAU_DEAD`.
    pub fn dead_stream(&self) -> String {
        self.stream("DEAD")
    }

    /// The stream of the audit: `JUMEAU_AUDIT`.
    pub fn audit_stream(&self) -> String {
        self.stream("AUDIT")
    }

    /// The stream of the service's ownership: `JUMEAU_OWNER`.
    pub fn owner_stream(&self) -> String {
        self.stream("OWNER")
    }

    /// The stream of the commit log: `JUMEAU_LOG`.
    pub fn log_stream(&self) -> String {
        self.stream("LOG")
    }

    fn stream(&self, name: &str) -> String {
        format!("{}_{name}", self.prefix.replace('.', "_").to_ascii_uppercase())
    }

    /// The subject of a channel's events about a customer.
    pub fn event(&self, channel: &Channel, customer: &Customer) -> String {
        format!("{}.events.{}.{}", self.prefix, channel.token(), customer.token())
    }

    /// The subject on which a twin forwards events to the twin of another identifier of its customer.
    pub fn forwarded(&self, customer: &Customer) -> String {
        format!("{}.events.{INTERNAL}.{}", self.prefix, customer.token())
    }

    /// The subject of a memory in transit to a twin of that partition: one subject per memory, so that
    /// the stream can accept it only once.
    pub fn memory(&self, partition: u16, to: &Customer, from: &Customer, id: &str) -> String {
        format!("{}.{partition}.{}.{}", self.forwarded(to), from.token(), encode(id))
    }

    /// Whether a subject is that of a memory in transit.
    pub(crate) fn is_memory(&self, subject: &str) -> bool {
        let mut tokens = self.tokens(subject).into_iter().flatten();
        tokens.next() == Some("events") && tokens.next() == Some(INTERNAL) && tokens.count() > 1
    }

    /// Every event, well-addressed or not.
    pub fn all_events(&self) -> String {
        format!("{}.events.>", self.prefix)
    }

    /// The subject on which operators, and permitted programs, publish broadcasts.
    pub fn broadcast(&self, scope: &str) -> String {
        format!("{}.broadcast.{}", self.prefix, encode(scope))
    }

    /// Every broadcast, well-addressed or not.
    pub fn all_broadcasts(&self) -> String {
        format!("{}.broadcast.>", self.prefix)
    }

    /// The subject of an action: for the integrator of `action` in `channel`.
    pub fn action(&self, channel: &str, action: &str, customer: &Customer) -> String {
        format!(
            "{}.actions.{}.{}.{}",
            self.prefix,
            encode(channel),
            encode(action),
            customer.token()
        )
    }

    /// Every action.
    pub fn all_actions(&self) -> String {
        format!("{}.actions.>", self.prefix)
    }

    /// The subject of recalls of pending actions.
    pub fn recall(&self, channel: &str, customer: &Customer) -> String {
        format!("{}.recalls.{}.{}", self.prefix, encode(channel), customer.token())
    }

    /// Every recall.
    pub fn all_recalls(&self) -> String {
        format!("{}.recalls.>", self.prefix)
    }

    /// The subject of an escalation and of each change of its state.
    pub fn escalation(&self, queue: &str, customer: &Customer) -> String {
        format!("{}.escalations.{}.{}", self.prefix, encode(queue), customer.token())
    }

    /// Every escalation of one queue.
    pub fn escalations_of(&self, queue: &str) -> String {
        format!("{}.escalations.{}.*", self.prefix, encode(queue))
    }

    /// Every escalation.
    pub fn all_escalations(&self) -> String {
        format!("{}.escalations.>", self.prefix)
    }

    /// The subject of observations.
    pub fn observation(&self, action: &str, customer: &Customer) -> String {
        format!("{}.observations.{}.{}", self.prefix, encode(action), customer.token())
    }

    /// Every observation.
    pub fn all_observations(&self) -> String {
        format!("{}.observations.>", self.prefix)
    }

    /// The subject of dead letters with one reason.
    pub fn dead(&self, reason: Reason) -> String {
        format!("{}.dead.{reason}", self.prefix)
    }

    /// Every dead letter.
    pub fn all_dead(&self) -> String {
        format!("{}.dead.>", self.prefix)
    }

    /// The subject of audit lines of one act.
    pub fn audit(&self, act: &str) -> String {
        format!("{}.audit.{act}", self.prefix)
    }

    /// Every audit line.
    pub fn all_audit(&self) -> String {
        format!("{}.audit.>", self.prefix)
    }

    /// The subject of the owner's lease.
    pub fn owner(&self) -> String {
        format!("{}.owner", self.prefix)
    }

    /// The subject of the commits of one chain.
    pub fn log(&self, chain: Chain) -> String {
        format!("{}.log.{chain}", self.prefix)
    }

    /// The commits of every chain.
    pub fn all_log(&self) -> String {
        format!("{}.log.*", self.prefix)
    }

    /// The chain whose commits have this subject.
    pub(crate) fn chain(&self, subject: &str) -> Option<Chain> {
        let mut tokens = self.tokens(subject)?;
        let chain = tokens.next().filter(|first| *first == "log").and(tokens.next())?;
        Chain::parse(chain).filter(|_| tokens.next().is_none())
    }

    /// The subject of an API request: its verb, then its tokens, each encoded.
    pub fn api(&self, verb: &str, tokens: &[&str]) -> String {
        let mut subject = format!("{}.api.{verb}", self.prefix);
        for token in tokens {
            // Writing to a string cannot fail.
            let _ = write!(subject, ".{}", encode(token));
        }
        subject
    }

    /// The same under a name that the broker verifies: with roles, nobody else may publish there.
    pub fn asked_by(&self, name: &str, verb: &str, tokens: &[&str]) -> String {
        let asked = self.api(verb, tokens);
        let rest = asked.strip_prefix(&*self.prefix).and_then(|rest| rest.strip_prefix(".api."));
        format!("{}.as.{}.{}", self.prefix, encode(name), rest.unwrap_or_default())
    }

    /// Whether a reply to an outside caller may be sent to this subject: never to one of ours, nor to one
    /// of the broker, because we may publish where callers may not.
    pub(crate) fn may_answer_to(&self, reply: &str) -> bool {
        !reply.starts_with('$') && self.tokens(reply).is_none()
    }

    /// The tokens of a subject after the prefix.
    pub fn tokens<'a>(&self, subject: &'a str) -> Option<impl Iterator<Item = &'a str> + use<'a>> {
        let rest = subject.strip_prefix(&*self.prefix)?.strip_prefix('.')?;
        Some(rest.split('.'))
    }

    /// The subject transform of the event stream, for `partitions` partitions: well-addressed events are
    /// stored under a subject that nobody can publish to, because no stream listens there.
    pub(crate) fn transform(&self, partitions: u16) -> (String, String) {
        let source = format!("{}.events.*.*", self.prefix);
        let destination = format!(
            "{}.partition.{{{{partition({partitions},2)}}}}.{{{{wildcard(1)}}}}.{{{{wildcard(2)}}}}",
            self.prefix
        );
        (source, destination)
    }

    /// The stored subjects of well-addressed events: of one channel, about one customer, or of all.
    pub(crate) fn all_stored(
        &self,
        channel: Option<&Channel>,
        customer: Option<&Customer>,
    ) -> String {
        let channel = channel.map_or_else(|| "*".to_owned(), Channel::token);
        let customer = customer.map_or_else(|| "*".to_owned(), Customer::token);
        format!("{}.partition.*.{channel}.{customer}", self.prefix)
    }

    /// Parses the subject of a stored event.
    pub(crate) fn stored<'a>(&self, subject: &'a str) -> StoredSubject<'a> {
        let misaddressed = StoredSubject { partition: 0, address: Addressee::Nobody };
        let Some(mut tokens) = self.tokens(subject) else { return misaddressed };
        match (tokens.next(), tokens.next(), tokens.next(), tokens.next(), tokens.next()) {
            (Some("partition"), Some(partition), Some(channel), Some(customer), None) => {
                match partition.parse() {
                    Ok(partition) => {
                        StoredSubject { partition, address: Addressee::Twin { channel, customer } }
                    }
                    Err(_) => misaddressed,
                }
            }
            // The transform does not apply to the subjects of messages between twins.
            (Some("events"), Some(INTERNAL), Some(customer), Some(partition), Some(_))
                if tokens.next().is_some() && tokens.next().is_none() =>
            {
                let address = Addressee::Twin { channel: INTERNAL, customer };
                partition
                    .parse()
                    .map_or(misaddressed, |partition| StoredSubject { partition, address })
            }
            // The transform leaves a broadcast as it was published.
            (Some("broadcast"), Some(_), None, ..) => {
                StoredSubject { partition: 0, address: Addressee::Everybody }
            }
            _ => misaddressed,
        }
    }

    /// The channel token of an event, as published or as stored; none if it is not an event of a channel.
    pub(crate) fn channel<'a>(&self, subject: &'a str) -> Option<&'a str> {
        let mut tokens = self.tokens(subject)?;
        match tokens.next()? {
            "partition" => tokens.nth(1),
            "events" => tokens.next(),
            _ => None,
        }
    }

    /// The customers whom a message on an event subject, as published, may be about: the one that it
    /// names, in any spelling; with too many tokens, whatever stands after the channel; with too few, any
    /// that it names. None for any other subject.
    pub fn about(&self, published: &str) -> Vec<Customer> {
        let Some(mut tokens) = self.tokens(published) else { return Vec::new() };
        if tokens.next() != Some("events") {
            return Vec::new();
        }
        let tokens: Vec<&str> = tokens.collect();
        let tokens = match tokens.as_slice() {
            [_, behind @ ..] if !behind.is_empty() => behind,
            all => all,
        };
        tokens.iter().filter_map(|token| Customer::new(&decode_any_spelling(token)).ok()).collect()
    }

    /// The addressee of a stored event, if it is a customer.
    pub(crate) fn addressee(&self, stored: &str) -> Option<Customer> {
        match self.stored(stored).address {
            Addressee::Twin { customer, .. } => Customer::from_token(customer).ok(),
            Addressee::Everybody | Addressee::Nobody => None,
        }
    }

    /// Whether a stored event was forwarded by a twin to another.
    pub(crate) fn is_forwarded(&self, stored: &str) -> bool {
        matches!(self.stored(stored).address, Addressee::Twin { channel: INTERNAL, .. })
    }

    /// The stored subjects of a customer's events, from any channel.
    pub(crate) fn stored_events(&self, customer: &Customer) -> String {
        format!("{}.partition.*.*.{}", self.prefix, customer.token())
    }

    /// The stored subjects of all events of one partition.
    pub(crate) fn stored_in(&self, partition: u16) -> String {
        format!("{}.partition.{partition}.*.*", self.prefix)
    }

    /// The stored subjects of all forwarded events.
    pub(crate) fn stored_forwarded(&self) -> String {
        format!("{}.partition.*.{INTERNAL}.*", self.prefix)
    }

    /// The stored subjects of memories in transit to a customer, or to any.
    pub(crate) fn stored_memories(&self, to: Option<&Customer>) -> String {
        let to = to.map_or_else(|| "*".to_owned(), Customer::token);
        format!("{}.events.{INTERNAL}.{to}.*.*.*", self.prefix)
    }

    /// The subject that a stored event was published to.
    pub(crate) fn published(&self, stored: &StoredSubject<'_>, subject: &str) -> PublishedSubject {
        match stored.address {
            Addressee::Twin { channel, customer } => {
                PublishedSubject::of_event(&self.prefix, channel, customer)
            }
            Addressee::Everybody | Addressee::Nobody => subject.into(),
        }
    }
}

impl Default for Subjects {
    fn default() -> Subjects {
        Subjects { prefix: "jumeau".into() }
    }
}

impl fmt::Display for Subjects {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.prefix)
    }
}

/// The parsed subject of a stored event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StoredSubject<'a> {
    /// The partition; 0 if it belongs to none or to all.
    pub(crate) partition: u16,
    /// The addressee.
    pub(crate) address: Addressee<'a>,
}

/// The addressee of a stored event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Addressee<'a> {
    /// One twin: the tokens of its channel and its customer.
    Twin {
        /// The channel's token.
        channel: &'a str,
        /// The customer's token.
        customer: &'a str,
    },
    /// All partitions: a broadcast.
    Everybody,
    /// None: the subject is not part of the contract.
    Nobody,
}

/// The partition of a customer among `partitions`: the result of the broker's `partition()` for the
/// customer's token, which is FNV-1a of 32 bits, modulo the count. `None` if there are no partitions.
pub fn partition_of(customer: &Customer, partitions: u16) -> Option<u16> {
    let hash = customer
        .token()
        .bytes()
        .fold(0x811C_9DC5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    // The remainder of a division by a `u16` fits in one.
    hash.checked_rem(u32::from(partitions)).map(|partition| partition as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_follow_the_contract() {
        let subjects = Subjects::default();
        let anna = Customer::new("anna@example.org").unwrap();
        let web = Channel::new("web").unwrap();
        let all = [
            subjects.event(&web, &anna),
            subjects.broadcast("bush fires"),
            subjects.action("app", "open card", &anna),
            subjects.recall("app", &anna),
            subjects.escalation("billing", &anna),
            subjects.dead(Reason::BadJson),
            subjects.api("show", &["anna@example.org"]),
            subjects.events_stream(),
            Subjects::new("acme.eu-1").unwrap().actions_stream(),
            subjects.log_stream(),
            subjects.log(Chain::Partition(7)),
            subjects.log(Chain::Learner),
        ];
        insta::assert_snapshot!(all.join("\n"), @r"
        jumeau.events.web.anna%40example%2Eorg
        jumeau.broadcast.bush%20fires
        jumeau.actions.app.open%20card.anna%40example%2Eorg
        jumeau.recalls.app.anna%40example%2Eorg
        jumeau.escalations.billing.anna%40example%2Eorg
        jumeau.dead.bad-json
        jumeau.api.show.anna%40example%2Eorg
        JUMEAU_EVENTS
        ACME_EU-1_ACTIONS
        JUMEAU_LOG
        jumeau.log.7
        jumeau.log.learner
        ");
    }

    #[test]
    fn a_subject_of_the_log_has_one_chain_and_any_other_has_none() {
        let subjects = Subjects::default();
        for chain in Chain::all(20) {
            assert_eq!(subjects.chain(&subjects.log(chain)), Some(chain));
        }
        for subject in ["jumeau.log", "jumeau.log.x", "jumeau.log.1.2", "jumeau.events.1", "log.1"]
        {
            assert_eq!(subjects.chain(subject), None, "{subject}");
        }
    }

    #[test]
    fn a_reply_goes_to_an_inbox_only() {
        let subjects = Subjects::default();
        assert_eq!(subjects.asked_by("anna", "show", &["bob"]), "jumeau.as.anna.show.bob");
        assert!(subjects.may_answer_to("_INBOX.anna.1"));
        for forged in ["jumeau.events._jumeau.bob", "$JS.API.STREAM.DELETE.JUMEAU_EVENTS"] {
            assert!(!subjects.may_answer_to(forged), "{forged}");
        }
    }

    #[test]
    fn a_prefix_that_is_no_subject_is_refused() {
        for prefix in ["", ".", "a.", "a b", "a.*", ">", "$SYS", "caf\u{e9}", &"a".repeat(65)] {
            assert!(Subjects::new(prefix).is_err(), "{prefix:?}");
        }
    }

    #[test]
    fn a_stored_subject_names_its_partition_and_what_was_published() {
        let subjects = Subjects::new("a.b").unwrap();
        let stored = subjects.stored("a.b.partition.7.web.anna");
        let address = Addressee::Twin { channel: "web", customer: "anna" };
        assert_eq!(stored, StoredSubject { partition: 7, address });
        let published = subjects.published(&stored, "a.b.partition.7.web.anna");
        assert_eq!(&*published, "a.b.events.web.anna");
    }

    #[test]
    fn a_misaddressed_event_belongs_to_the_first_partition_and_keeps_its_subject() {
        let subjects = Subjects::default();
        for subject in [
            "jumeau.events.web",
            "jumeau.events.web.anna.again",
            "jumeau.partition.99999.web.anna",
            "other.partition.1.web.anna",
            "jumeau.broadcast",
            "jumeau.broadcast.fires.nsw",
        ] {
            let stored = subjects.stored(subject);
            assert_eq!(stored, StoredSubject { partition: 0, address: Addressee::Nobody });
            assert_eq!(&*subjects.published(&stored, subject), subject);
        }
    }

    #[test]
    fn a_broadcast_is_for_everybody_and_keeps_its_subject() {
        let subjects = Subjects::default();
        let subject = subjects.broadcast("fires");
        let stored = subjects.stored(&subject);
        assert_eq!(stored, StoredSubject { partition: 0, address: Addressee::Everybody });
        assert_eq!(*subjects.published(&stored, &subject), *subject);
    }

    #[test]
    fn a_subject_names_its_customer_in_any_spelling_but_not_a_channel_or_scope() {
        let subjects = Subjects::new("a.b").unwrap();
        let about = |subject: &str| {
            let all = subjects.about(subject);
            all.iter().map(Customer::as_str).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(about("a.b.events.web.bobby"), "bobby");
        assert_eq!(about("a.b.events.web.%62obb%79"), "bobby");
        assert_eq!(about("a.b.events.web%2Eb.bobby"), "bobby");
        assert_eq!(about("a.b.events.web.bobby.x"), "bobby x");
        assert_eq!(about("a.b.events.bobby"), "bobby");
        for other in ["a.b.broadcast.bobby", "a.b.dead.bobby", "a.events.web.bobby", "a.b.events"] {
            assert_eq!(about(other), "", "{other}");
        }
    }

    #[test]
    fn zero_partitions_have_no_partition() {
        assert_eq!(partition_of(&Customer::new("anna").unwrap(), 0), None);
    }
}
