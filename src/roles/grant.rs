use std::collections::BTreeMap;

/// A permission beyond the user's own account: an export of the service's account, for named accounts
/// only.
///
/// The broker rewrites the reply subject of whatever is asked in this way: an answer comes back into the
/// account of whoever asked, and nowhere else, whatever reply they invent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Grant {
    /// To publish, or to ask what has one answer.
    Ask(String),
    /// To ask what may take its time.
    AskLong(String),
    /// To ask what has many answers.
    AskMany(String),
    /// To hear.
    Hear(String),
    /// To ask a part of the broker's own interface, although the account has no streams: the broker
    /// would answer the rest of it with that, and first. This subject, on which nobody is, takes the
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

    /// What the broker calls it, and how it is answered.
    fn terms(&self) -> (&'static str, &'static str) {
        match self {
            Grant::Ask(_) | Grant::Nowhere(_) => ("service", ""),
            // As long as whoever asks the service waits, and longer than the broker does by itself.
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

/// What somebody takes from the service's account, line by line.
pub(super) fn imports(grants: &[Grant]) -> String {
    lines(grants.iter().map(Grant::import))
}

/// What somebody may publish, line by line.
pub(super) fn publishes(grants: &[Grant]) -> String {
    let asked = grants.iter().filter(|grant| !matches!(grant, Grant::Hear(_) | Grant::Nowhere(_)));
    lines(asked.map(|grant| format!("            \"{}\"", grant.subject())))
}

/// What somebody may hear besides answers, line by line.
pub(super) fn hears(grants: &[Grant]) -> String {
    let heard = grants.iter().filter(|grant| matches!(grant, Grant::Hear(_)));
    lines(heard.map(|grant| format!("            \"{}\"", grant.subject())))
}

/// What the service's account lends to whom, line by line: each subject once, and each user named.
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
