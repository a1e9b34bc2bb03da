use std::error::Error;

use crate::bus::{DeniedOperation, PermissionDenied};
use crate::contract::Subjects;
use crate::event::INTERNAL;

/// Explains why the broker denied an operation and who may do it.
pub fn denied(subjects: &Subjects, name: Option<&str>, denied: &PermissionDenied) -> String {
    let who =
        name.map_or_else(|| "a request without a name".to_owned(), |name| format!("`{name}`"));
    format!(
        "the broker does not permit {who} to {denied}: {}",
        permitted_roles(subjects, name, denied)
    )
}

/// The most likely reason why a client could not connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lacks {
    /// The broker's certificate authority is not trusted.
    Authority,
    /// The certificate does not contain the broker's host name.
    Host,
    /// The broker does not know the credentials.
    Key,
}

impl Lacks {
    /// Classifies an error of the client library; none: another cause.
    pub fn read(error: &dyn Error) -> Option<Lacks> {
        let text = error.to_string().to_lowercase();
        let has = |word: &str| text.contains(word);
        if has("not valid for name") || has("notvalidforname") {
            Some(Lacks::Host)
        } else if has("certificate") || has("tls error") {
            Some(Lacks::Authority)
        } else if has("authorization violation") || has("authentication") {
            Some(Lacks::Key)
        } else {
            None
        }
    }

    /// The remedy: load the files that `jumeau keys` wrote, or set what is missing in these ways.
    pub fn advice(self, authority: &str, key: &str) -> String {
        let instead = match self {
            Lacks::Authority => {
                format!("name the certificate of the broker's authority with {authority}")
            }
            Lacks::Host => "name the broker with --server as its certificate does".to_owned(),
            Lacks::Key => format!("authenticate with {key}"),
        };
        format!(
            "if the broker has roles, load your keys first (`. FOLDER/NAME.env`, written by `jumeau \
             keys`), or {instead}"
        )
    }
}

/// The roles of `config/nats` that may use a subject.
fn permitted_roles(subjects: &Subjects, name: Option<&str>, denied: &PermissionDenied) -> String {
    let subject = &*denied.subject;
    let tokens: Vec<&str> = subjects.tokens(subject).map(Iterator::collect).unwrap_or_default();
    match (denied.attempt, &tokens[..]) {
        (DeniedOperation::Publish, ["api", "decide", channel, ..]) => {
            format!("`channel-{channel}` may, and operators under their name (--as or JUMEAU_AS)")
        }
        (DeniedOperation::Publish, ["api", ..]) if name.is_some() => {
            "operators may, under their name (--as or JUMEAU_AS)".to_owned()
        }
        (DeniedOperation::Publish, ["api", ..]) => {
            "if the broker has roles, requests need a name: give it with --as or JUMEAU_AS, or load \
             `. FOLDER/NAME.env`, written by `jumeau keys`"
                .to_owned()
        }
        (DeniedOperation::Publish, ["as", owner, ..])
            if name != Some(*owner) || owner.starts_with("operator-") =>
        {
            format!("only the holder of the key of `{owner}` may use that name")
        }
        (DeniedOperation::Publish, ["as", _, "escalations", "open", ..]) => {
            "operators may".to_owned()
        }
        (DeniedOperation::Publish, ["as", _, "escalations", ..]) => {
            "agents may, in their queues (--queue or JUMEAU_QUEUES), and operators".to_owned()
        }
        (DeniedOperation::Publish, ["as", ..]) => "operators may".to_owned(),
        (DeniedOperation::Publish, ["events", "cli", ..]) => "operators may".to_owned(),
        (DeniedOperation::Publish, ["events", INTERNAL, ..]) => {
            format!("only the service may publish on `{INTERNAL}`; use another channel")
        }
        (DeniedOperation::Publish, ["events", channel, ..]) => {
            format!("`channel-{channel}` may; operators publish in the channel `cli`")
        }
        (DeniedOperation::Publish, ["broadcast", ..]) => {
            "operators may, and programs that `jumeau keys --broadcaster` names".to_owned()
        }
        (DeniedOperation::Hear, ["actions" | "recalls", channel, ..]) if *channel != "*" => {
            format!(
                "operators may; `integrator-{channel}` reads them from its consumer of the actions \
                 stream"
            )
        }
        (DeniedOperation::Hear, ["escalations", queue, ..]) if *queue != "*" && *queue != ">" => {
            "agents of that queue may, and operators".to_owned()
        }
        (DeniedOperation::Hear, ["escalations", ..]) => {
            "operators and agents of all queues may; other agents name their queue with --queue"
                .to_owned()
        }
        (DeniedOperation::Publish, [_, ..]) => "only the service may".to_owned(),
        (DeniedOperation::Hear, ["events", ..]) => {
            "nobody may subscribe to events; operators read them from the stream, with `twinctl \
             tail`"
                .to_owned()
        }
        (DeniedOperation::Hear, [_, ..]) => "operators may".to_owned(),
        (DeniedOperation::Hear, []) if subject.starts_with("_INBOX") => {
            "each user may receive only their own replies: give the inbox prefix with \
             --inbox-prefix or NATS_INBOX_PREFIX, as in `. FOLDER/NAME.env`"
                .to_owned()
        }
        (_, []) if subject.starts_with("$JS.") || subject.starts_with("$SRV") => {
            "operators may, except on the service's own subjects".to_owned()
        }
        (_, []) => format!("nobody may, except under `{}`", subjects.prefix()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_names_who_tried_what_and_who_may() {
        let subjects = Subjects::new("jumeau").unwrap();
        let of = |name, attempt, subject: &str| {
            super::denied(&subjects, name, &PermissionDenied { attempt, subject: subject.into() })
        };
        let lea = Some("agent-lea");
        let sentences = [
            of(lea, DeniedOperation::Publish, "jumeau.as.agent-lea.show.ann"),
            of(lea, DeniedOperation::Publish, "jumeau.as.agent-lea.escalations.claim.billing.ann"),
            of(lea, DeniedOperation::Publish, "jumeau.as.operator-anna.show.ann"),
            of(None, DeniedOperation::Publish, "jumeau.api.stats"),
            of(Some("channel-web"), DeniedOperation::Publish, "jumeau.api.show.ann"),
            of(None, DeniedOperation::Publish, "jumeau.api.decide.web.ann"),
            of(Some("operator-anna"), DeniedOperation::Publish, "jumeau.events.web.ann"),
            of(lea, DeniedOperation::Publish, "jumeau.broadcast.fires"),
            of(Some("channel-web"), DeniedOperation::Publish, "jumeau.events._jumeau.ann"),
            of(Some("operator-anna"), DeniedOperation::Publish, "jumeau.audit.erase"),
            of(lea, DeniedOperation::Hear, "jumeau.events.*.*"),
            of(lea, DeniedOperation::Hear, "jumeau.escalations.billing.*"),
            of(lea, DeniedOperation::Hear, "jumeau.actions.web.*.*"),
            of(lea, DeniedOperation::Hear, "_INBOX.x.*"),
            of(lea, DeniedOperation::Publish, "$JS.API.INFO"),
            of(lea, DeniedOperation::Publish, "other.thing"),
        ];
        insta::assert_snapshot!(sentences.join("\n"), @r#"
        the broker does not permit `agent-lea` to publish on `jumeau.as.agent-lea.show.ann`: operators may
        the broker does not permit `agent-lea` to publish on `jumeau.as.agent-lea.escalations.claim.billing.ann`: agents may, in their queues (--queue or JUMEAU_QUEUES), and operators
        the broker does not permit `agent-lea` to publish on `jumeau.as.operator-anna.show.ann`: only the holder of the key of `operator-anna` may use that name
        the broker does not permit a request without a name to publish on `jumeau.api.stats`: if the broker has roles, requests need a name: give it with --as or JUMEAU_AS, or load `. FOLDER/NAME.env`, written by `jumeau keys`
        the broker does not permit `channel-web` to publish on `jumeau.api.show.ann`: operators may, under their name (--as or JUMEAU_AS)
        the broker does not permit a request without a name to publish on `jumeau.api.decide.web.ann`: `channel-web` may, and operators under their name (--as or JUMEAU_AS)
        the broker does not permit `operator-anna` to publish on `jumeau.events.web.ann`: `channel-web` may; operators publish in the channel `cli`
        the broker does not permit `agent-lea` to publish on `jumeau.broadcast.fires`: operators may, and programs that `jumeau keys --broadcaster` names
        the broker does not permit `channel-web` to publish on `jumeau.events._jumeau.ann`: only the service may publish on `_jumeau`; use another channel
        the broker does not permit `operator-anna` to publish on `jumeau.audit.erase`: only the service may
        the broker does not permit `agent-lea` to hear `jumeau.events.*.*`: nobody may subscribe to events; operators read them from the stream, with `twinctl tail`
        the broker does not permit `agent-lea` to hear `jumeau.escalations.billing.*`: agents of that queue may, and operators
        the broker does not permit `agent-lea` to hear `jumeau.actions.web.*.*`: operators may; `integrator-web` reads them from its consumer of the actions stream
        the broker does not permit `agent-lea` to hear `_INBOX.x.*`: each user may receive only their own replies: give the inbox prefix with --inbox-prefix or NATS_INBOX_PREFIX, as in `. FOLDER/NAME.env`
        the broker does not permit `agent-lea` to publish on `$JS.API.INFO`: operators may, except on the service's own subjects
        the broker does not permit `agent-lea` to publish on `other.thing`: nobody may, except under `jumeau`
        "#);
    }
}
