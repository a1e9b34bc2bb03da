use std::collections::BTreeMap;

/// A permission beyond the user's own account: an export of the service's account, for named accounts
/// only.
///
/// The broker rewrites the reply subject of every such request: the reply returns to the account of the
/// requester and nowhere else, whatever reply subject they invent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Grant {
    /// Publishing, or a request with one reply.
    Ask(String),
    /// A request whose reply may take long.
    AskLong(String),
    /// A request with many replies.
    AskMany(String),
    /// A subscription.
    Hear(String),
    /// Requests to a part of the broker's own interface, in an account without streams: the broker itself
    /// would answer the rest of the interface, and first. This subject, without a responder, receives the
    /// rest.
    Nowhere(String),
}

/// The broker's own interface to streams.
const INTERFACE: &str = "$JS.API.>";

impl Grant {
    fn subject(&self) -> &str {
        match self {
            Grant::Ask(subject)
            | Grant::AskLong(subject)
            | Grant::AskMany(subject)
            | Grant::Hear(subject)
            | Grant::Nowhere(subject) => subject,
        }
    }

    /// The broker's term for it, and the form of its reply.
    fn terms(&self) -> (&'static str, &'static str) {
        match self {
            Grant::Ask(_) | Grant::Nowhere(_) => ("service", ""),
            // As long as callers of the service wait, which is longer than the broker's default.
            Grant::AskLong(_) => ("service", ", response_threshold: \"10m\""),
            Grant::AskMany(_) => ("service", ", response_type: stream"),
            Grant::Hear(_) => ("stream", ""),
        }
    }

    fn import(&self) -> String {
        let (what, subject) = (self.terms().0, self.subject());
        let to = match self {
            Grant::Nowhere(_) => format!(", to: \"{INTERFACE}\""),
            _ => String::new(),
        };
        format!("      {{ {what}: {{ account: JUMEAU, subject: \"{subject}\" }}{to} }}")
    }
}

/// The imports of a user from the service's account, one per line.
pub(super) fn imports(grants: &[Grant]) -> String {
    lines(grants.iter().map(Grant::import))
}

/// The subjects that a user may publish, one per line.
pub(super) fn publishes(grants: &[Grant]) -> String {
    let asked = grants.iter().filter(|grant| !matches!(grant, Grant::Hear(_) | Grant::Nowhere(_)));
    lines(asked.map(|grant| format!("            \"{}\"", grant.subject())))
}

/// The subjects that a user may subscribe to besides replies, one per line.
pub(super) fn subscribes(grants: &[Grant]) -> String {
    let heard = grants.iter().filter(|grant| matches!(grant, Grant::Hear(_)));
    lines(heard.map(|grant| format!("            \"{}\"", grant.subject())))
}

/// The exports of the service's account, one per line: each subject once, with all its users.
pub(super) fn exports<'a>(users: impl IntoIterator<Item = (&'a str, &'a [Grant])>) -> String {
    let mut lent: BTreeMap<(&str, &str), (&str, Vec<String>)> = BTreeMap::new();
    for (user, grants) in users {
        for grant in grants {
            let (what, terms) = grant.terms();
            let to = lent.entry((what, grant.subject())).or_insert((terms, Vec::new()));
            to.1.push(format!("\"{user}\""));
        }
    }
    lines(lent.into_iter().map(|((what, subject), (terms, users))| {
        let users = users.join(", ");
        format!("      {{ {what}: \"{subject}\", accounts: [{users}]{terms} }}")
    }))
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().join("\n")
}
