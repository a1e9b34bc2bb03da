//! The client of the running service: it uses only the API, as any desktop could.

use std::cmp::Reverse;
use std::time::Duration;

use jumeau::api::{EscalationRequest, EscalationsReply, EscalationsRequest, verb};
use jumeau::bus::{Bus, Error, OutputSubscription};
use jumeau::config::settings::NatsSettings;
use jumeau::event::{Time, encode};
use jumeau::roles::{self, Lacks};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::desk::{Act, Answer, Ask, Target};

/// How long a request waits for its reply.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The number of next steps that fit above the brief.
const NEXT_STEPS: u8 = 3;

/// A connection to the broker of the service.
pub(crate) struct Service {
    bus: Bus,
    agent: String,
    queues: Vec<String>,
    language: Option<Box<str>>,
}

impl Service {
    /// Connects to the configured broker.
    ///
    /// # Errors
    /// The error as a sentence.
    pub(crate) async fn connect(
        nats: &NatsSettings,
        agent: String,
        queues: Vec<String>,
        language: Option<String>,
    ) -> Result<Service, String> {
        let bus = Bus::visit(nats).await.map_err(|error| {
            let at = nats.shown_url();
            format!("{}; use --server for another broker than {at}", sentence(&error))
        })?;
        Ok(Service { bus, agent, queues, language: language.map(Into::into) })
    }

    /// Subscribes to escalations that open or change.
    ///
    /// # Errors
    /// The error as a sentence.
    pub(crate) async fn news(&self) -> Result<OutputSubscription, String> {
        self.bus.escalations(&self.queues).await.map_err(|error| sentence(&error))
    }

    /// Waits until the broker denies the subscription to a queue, and returns an explanation.
    pub(crate) async fn subscription_denied(&self) -> String {
        let denied = self.bus.subscription_denied().await;
        roles::denied(self.bus.subjects(), Some(&self.agent), &denied)
    }

    /// Whether the broker is reachable now.
    pub(crate) fn is_up(&self) -> bool {
        self.bus.is_up()
    }

    /// Performs a request of the desk.
    ///
    /// # Errors
    /// The error as a sentence.
    pub(crate) async fn fulfil(&self, ask: &Ask) -> Result<Answer, String> {
        match timeout(TIMEOUT, self.answer(ask)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!(
                "expected an answer of the service within {} seconds, found none; your last action \
                 may still take effect",
                TIMEOUT.as_secs()
            )),
        }
    }

    async fn answer(&self, ask: &Ask) -> Result<Answer, String> {
        match ask {
            Ask::List => Ok(Answer::List(self.list().await?)),
            Ask::Show(target) => {
                let wanted = EscalationRequest {
                    escalation: Some(target.escalation.clone()),
                    language: self.language.clone(),
                };
                Ok(Answer::Story(self.of(verb::ESCALATIONS_SHOW, target, &wanted).await?))
            }
            Ask::Next(target) => {
                let wanted = json!({ "most": NEXT_STEPS });
                Ok(Answer::Offers(self.of(verb::ESCALATIONS_NEXT, target, &wanted).await?))
            }
            Ask::Act(target, act) => {
                let (verb, mut data) = request_of(act);
                data["escalation"] = target.escalation.as_ref().into();
                data["agent"] = self.agent.as_str().into();
                Ok(Answer::Done(self.of(verb, target, &data).await?))
            }
        }
    }

    /// The open escalations in the agent's queues, in due order.
    async fn list(&self) -> Result<EscalationsReply, String> {
        let mut queues = self.queues.iter().map(|queue| Some(queue.as_str().into()));
        let mut all = self.list_of(queues.next().flatten()).await?;
        for queue in queues {
            let reply = self.list_of(queue).await?;
            all.found += reply.found;
            all.escalations.extend(reply.escalations);
        }
        all.escalations.sort_by_key(|one| {
            let waiting = &one.waiting;
            let due = waiting.due.unwrap_or(Time::MAX);
            (due, Reverse(waiting.priority), waiting.opened, waiting.id.clone())
        });
        Ok(all)
    }

    async fn list_of(&self, queue: Option<Box<str>>) -> Result<EscalationsReply, String> {
        let tokens: Vec<String> = queue.iter().map(|queue| encode(queue)).collect();
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        self.ask(verb::ESCALATIONS_LIST, &tokens, &EscalationsRequest::default()).await
    }

    async fn of<T: DeserializeOwned>(
        &self,
        verb: &str,
        target: &Target,
        question: &impl Serialize,
    ) -> Result<T, String> {
        // With the queue in the subject, as agents of some queues may request no other.
        self.ask(verb, &[&encode(&target.queue), &target.customer.token()], question).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        verb: &str,
        tokens: &[&str],
        question: &impl Serialize,
    ) -> Result<T, String> {
        let question = serde_json::to_vec(question).map_err(|error| format!("{verb}: {error}"))?;
        let answer = self.bus.ask(verb, tokens, question.into()).await;
        let answer = answer.map_err(|error| match error {
            Error::Denied { denied } => {
                roles::denied(self.bus.subjects(), Some(&self.agent), &denied)
            }
            error => sentence(&error),
        })?;
        serde_json::from_slice(&answer).map_err(|error| {
            format!(
                "{verb}: expected an answer that this version understands: {error}; use the \
                 agentdesk of the service's version"
            )
        })
    }
}

/// The verb and the payload of an act.
fn request_of(act: &Act) -> (&'static str, Value) {
    match act {
        Act::Claim => (verb::ESCALATIONS_CLAIM, json!({})),
        Act::Said(words) => (verb::ESCALATIONS_NOTE, json!({ "said": words })),
        Act::Note(words) => (verb::ESCALATIONS_NOTE, json!({ "note": words })),
        Act::Offered { decision, answer } => {
            (verb::ESCALATIONS_NOTE, json!({ "decision": decision, "answer": answer }))
        }
        Act::HandBack(words) => (verb::ESCALATIONS_HANDBACK, some("note", words)),
        Act::Resolve(words) => (verb::ESCALATIONS_RESOLVE, some("outcome", words)),
    }
}

fn some(name: &str, words: &str) -> Value {
    if words.is_empty() { json!({}) } else { json!({ name: words }) }
}

/// An error of the service or of the connection, as a sentence.
fn sentence(error: &Error) -> String {
    if let Error::Refused { detail } = error {
        return detail.clone();
    }
    if let Error::Connect { url, source } = error
        && let Some(lacks) = Lacks::read(&**source)
    {
        let advice = lacks.advice("--ca or NATS_CA", "--nkey or --creds");
        return format!("expected a broker at {url}, found: {source}; {advice}");
    }
    let mut sentence = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        sentence = format!("{sentence}: {cause}");
        source = cause.source();
    }
    sentence
}
