//! The commands of agents.

use clap::{Args, Subcommand};
use futures::StreamExt;
use futures::stream::SelectAll;
use jumeau::api::{
    self, ActReply, EscalationReply, EscalationRequest, EscalationsReply, EscalationsRequest, verb,
};
use jumeau::contract::Subjects;
use jumeau::event::{OutcomeKind, Time, encode};
use jumeau::twin::EscalationState;
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::out::Out;
use crate::render;
use crate::service::Service;

/// What is listed.
#[derive(Debug, Default, Args)]
pub(crate) struct Listed {
    /// Only escalations of this queue.
    #[arg(long)]
    queue: Option<String>,
    /// Only escalations in this state: `open` or `claimed`.
    #[arg(long, value_parser = state)]
    state: Option<EscalationState>,
    /// Only escalations of customers who speak this language.
    #[arg(long)]
    language: Option<String>,
    /// Only escalations that this agent holds.
    #[arg(long)]
    agent: Option<String>,
    /// At most this many.
    #[arg(short = 'n', long)]
    limit: Option<usize>,
}

impl Listed {
    fn request(self) -> EscalationsRequest {
        let Listed { queue, state, language, agent, limit } = self;
        EscalationsRequest {
            queue: queue.map(Into::into),
            state,
            language: language.map(Into::into),
            agent: agent.map(Into::into),
            limit,
            after: None,
        }
    }
}

impl Default for Escalations {
    fn default() -> Escalations {
        Escalations::List(Listed::default())
    }
}

/// What to do with escalations.
#[derive(Debug, Subcommand)]
pub(crate) enum Escalations {
    /// List open and claimed escalations, the nearest deadline first.
    List(Listed),
    /// Print each escalation that opens or changes, as it happens.
    Watch {
        /// Only escalations of this queue.
        #[arg(long)]
        queue: Option<String>,
        /// Stop after this many.
        #[arg(short = 'n', long)]
        count: Option<u64>,
    },
    /// Show one escalation of a customer, with the brief.
    Show {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// The queue of the escalation; without it, your queues (`--queues`) are searched.
        #[arg(long)]
        queue: Option<String>,
        /// The id of the escalation; without it, the open one that changed last.
        escalation: Option<String>,
        /// The language of the brief; without it, the language of the queue.
        #[arg(long)]
        language: Option<String>,
    },
    /// Open an escalation: hand a customer over to agents.
    Open {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// The topic: what the escalation is about.
        topic: String,
        /// The queue of agents.
        #[arg(long, conflicts_with = "skill")]
        queue: Option<String>,
        /// The skill that the agents must have; it chooses the queue.
        #[arg(long)]
        skill: Option<String>,
        /// The priority, from 1 (no hurry) to 5 (at once).
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=5))]
        priority: Option<u8>,
        /// Why the customer is handed over.
        #[arg(long)]
        note: Option<String>,
    },
    /// Take an escalation: from now on the agent alone holds the conversation, and automation is silent.
    Claim {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// The queue of the escalation; without it, your queues (`--queues`) are searched.
        #[arg(long)]
        queue: Option<String>,
        /// The id of the escalation; without it, the open one that changed last.
        escalation: Option<String>,
        /// The agent's name; on a broker with roles, the name of the user who sends the request.
        #[arg(long, env = "JUMEAU_AS")]
        agent: String,
        /// The operator who takes the escalation from its present holder for the agent.
        #[arg(long)]
        operator: Option<String>,
    },
    /// Note what the agent said and did.
    Note {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// The queue of the escalation; without it, your queues (`--queues`) are searched.
        #[arg(long)]
        queue: Option<String>,
        /// What was done.
        note: Option<String>,
        /// What was said to the customer.
        #[arg(long)]
        said: Option<String>,
        /// The id of the decision that made the offer.
        #[arg(long, requires = "answer")]
        decision: Option<String>,
        /// The outcome of the offer.
        #[arg(long, value_parser = outcome, requires = "decision")]
        answer: Option<OutcomeKind>,
        /// The agent's name; on a broker with roles, the name of the user who sends the request.
        #[arg(long, env = "JUMEAU_AS")]
        agent: String,
        /// The id of the escalation; without it, the open one that changed last.
        #[arg(long)]
        escalation: Option<String>,
    },
    /// Return the conversation to automation, which continues where the agent stopped.
    Handback {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// The queue of the escalation; without it, your queues (`--queues`) are searched.
        #[arg(long)]
        queue: Option<String>,
        /// What the next one to handle the conversation should know.
        note: Option<String>,
        /// The step of the conversation at which automation continues.
        #[arg(long)]
        step: Option<String>,
        /// The agent's name; on a broker with roles, the name of the user who sends the request.
        #[arg(long, env = "JUMEAU_AS")]
        agent: String,
        /// The operator who acts instead of the agent, also on an escalation of another agent.
        #[arg(long)]
        operator: Option<String>,
        /// The id of the escalation; without it, the open one that changed last.
        #[arg(long)]
        escalation: Option<String>,
    },
    /// Resolve an escalation: the matter is settled.
    Resolve {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// The queue of the escalation; without it, your queues (`--queues`) are searched.
        #[arg(long)]
        queue: Option<String>,
        /// The resolution, in a word of the company's own.
        #[arg(long)]
        outcome: Option<String>,
        /// A need that this meets; may be repeated.
        #[arg(long = "need")]
        needs: Vec<String>,
        /// A case that this closes; may be repeated.
        #[arg(long = "case")]
        cases: Vec<String>,
        /// What agents should know about it later.
        #[arg(long)]
        note: Option<String>,
        /// The agent's name; on a broker with roles, the name of the user who sends the request.
        #[arg(long, env = "JUMEAU_AS")]
        agent: String,
        /// The operator who acts instead of the agent, also on an escalation of another agent.
        #[arg(long)]
        operator: Option<String>,
        /// The id of the escalation; without it, the open one that changed last.
        #[arg(long)]
        escalation: Option<String>,
    },
}

fn state(name: &str) -> Result<EscalationState, String> {
    match name {
        "open" => Ok(EscalationState::Open),
        "claimed" => Ok(EscalationState::Claimed),
        _ => Err("expected `open` or `claimed`; resolved escalations are not listed".to_owned()),
    }
}

fn outcome(name: &str) -> Result<OutcomeKind, String> {
    name.parse().map_err(|_| {
        format!("expected one of {}", OutcomeKind::ALL.map(OutcomeKind::name).join(", "))
    })
}

/// Sends the request, and prints the reply at most so many columns wide.
pub(crate) async fn escalations(
    service: &Service,
    command: Escalations,
    out: Out,
) -> Result<(), Failure> {
    match command {
        Escalations::List(listed) => {
            let reply = list(service, listed.request()).await?;
            out.tell(&reply, |reply| render::escalations(reply, crate::width()))
        }
        Escalations::Watch { queue, count } => watch(service, queue, count, out).await,
        Escalations::Show { customer, queue, escalation, language } => {
            let wanted = EscalationRequest {
                escalation: escalation.map(Into::into),
                language: language.map(Into::into),
            };
            let (_, reply) = find(service, &customer, queue, &wanted).await?;
            out.tell(&reply, render::escalation)
        }
        Escalations::Open { customer, topic, queue, skill, priority, note } => {
            let data = json!({
                "topic": topic, "queue": queue, "skill": skill, "priority": priority, "note": note,
            });
            act(service, verb::ESCALATIONS_OPEN, &customer, data, out).await
        }
        Escalations::Claim { customer, queue, escalation, agent, operator } => {
            let who = json!({ "agent": agent, "operator": operator });
            claim(service, customer, queue, escalation, who, out).await
        }
        Escalations::Note { customer, queue, note, said, decision, answer, agent, escalation } => {
            let (queue, id) = which(service, &customer, queue, escalation).await?;
            let data = json!({
                "escalation": id, "agent": agent, "note": note, "said": said,
                "decision": decision, "answer": answer,
            });
            let verb = within(verb::ESCALATIONS_NOTE, queue.as_deref());
            act(service, &verb, &customer, data, out).await
        }
        Escalations::Handback { customer, queue, note, step, agent, operator, escalation } => {
            let (queue, id) = which(service, &customer, queue, escalation).await?;
            let data = json!({
                "escalation": id, "agent": agent, "operator": operator, "note": note, "step": step,
            });
            let verb = within(verb::ESCALATIONS_HANDBACK, queue.as_deref());
            act(service, &verb, &customer, data, out).await
        }
        Escalations::Resolve {
            customer,
            queue,
            outcome,
            needs,
            cases,
            note,
            agent,
            operator,
            escalation,
        } => {
            let (queue, id) = which(service, &customer, queue, escalation).await?;
            let data = json!({
                "escalation": id, "agent": agent, "operator": operator, "outcome": outcome,
                "needs": needs, "cases": cases, "note": note,
            });
            let verb = within(verb::ESCALATIONS_RESOLVE, queue.as_deref());
            act(service, &verb, &customer, data, out).await
        }
    }
}

/// Claims an escalation, and prints it as it is then.
async fn claim(
    service: &Service,
    customer: String,
    queue: Option<String>,
    escalation: Option<String>,
    mut data: Value,
    out: Out,
) -> Result<(), Failure> {
    let (queue, id) = which(service, &customer, queue, escalation).await?;
    data["escalation"] = id.as_str().into();
    let verb = within(verb::ESCALATIONS_CLAIM, queue.as_deref());
    let claimed: ActReply = asked(service, &verb, &customer, data).await?;
    let wanted = EscalationRequest { escalation: Some(id.into()), language: None };
    let reply = show(service, &customer, queue.as_deref(), &wanted).await?;
    out.tell(&reply, |reply| render::claimed(&claimed, reply))
}

/// A verb, for one queue only or for all.
fn within(verb: &str, queue: Option<&str>) -> String {
    queue.map_or_else(|| verb.to_owned(), |queue| format!("{verb}.{}", encode(queue)))
}

/// The open escalations of the requested queues: of the named one, else of the caller's, else of all.
async fn list(service: &Service, wanted: EscalationsRequest) -> Result<EscalationsReply, Failure> {
    let queues: Vec<Option<Box<str>>> = match &wanted.queue {
        None if !service.queues.is_empty() => {
            service.queues.iter().map(|queue| Some(queue.as_str().into())).collect()
        }
        named => vec![named.clone()],
    };
    let mut all: Option<EscalationsReply> = None;
    for queue in queues {
        let verb = within(verb::ESCALATIONS_LIST, queue.as_deref());
        let reply: EscalationsReply =
            service.ask(&verb, &EscalationsRequest { queue, ..wanted.clone() }).await?;
        match &mut all {
            None => all = Some(reply),
            Some(all) => {
                all.found += reply.found;
                all.escalations.extend(reply.escalations);
            }
        }
    }
    let mut all = all.ok_or_else(|| Failure::Usage("expected a queue, found none".to_owned()))?;
    all.escalations.sort_by_key(|one| one.waiting.due.unwrap_or(Time::MAX));
    Ok(all)
}

/// The requested escalation, and the queue for its requests: the named queue, else the caller's queue
/// that contains it; none for callers who may omit the queue.
async fn find(
    service: &Service,
    customer: &str,
    named: Option<String>,
    wanted: &EscalationRequest,
) -> Result<(Option<String>, EscalationReply), Failure> {
    let queues = match named {
        Some(queue) => vec![queue],
        None if !service.queues.is_empty() => service.queues.clone(),
        None if service.is_of_an_agent() => queues_of(service, customer).await?,
        None => {
            let reply = show(service, customer, None, wanted).await?;
            return Ok((None, reply));
        }
    };
    let mut found: Vec<(Option<String>, EscalationReply)> = Vec::new();
    let mut refusals = Vec::new();
    for queue in &queues {
        match show(service, customer, Some(queue), wanted).await {
            Ok(reply) => found.push((Some(queue.clone()), reply)),
            Err(Failure::Negative(refusal)) => refusals.push(refusal),
            Err(failure) => return Err(failure),
        }
    }
    let is_later = |(_, reply): &(_, EscalationReply)| reply.escalation.touched;
    let last = found.into_iter().max_by_key(is_later);
    last.ok_or_else(|| {
        Failure::Negative(not_found(customer, &wanted.escalation, &queues, refusals))
    })
}

/// The queues in which an agent of all queues looks for a customer: those with their escalations, else
/// all with any, because they may be listed under another identifier.
async fn queues_of(service: &Service, customer: &str) -> Result<Vec<String>, Failure> {
    let (mut own, mut all) = (Vec::new(), Vec::new());
    let mut wanted = EscalationsRequest::default();
    loop {
        let reply: EscalationsReply = service.ask(verb::ESCALATIONS_LIST, &wanted).await?;
        for api::ListedEscalation { customer: waits, waiting } in reply.escalations {
            let queue = waiting.queue.into();
            let queues = if waits.as_str() == customer { &mut own } else { &mut all };
            if !queues.contains(&queue) {
                queues.push(queue);
            }
        }
        wanted.after = reply.next;
        if wanted.after.is_none() {
            return Ok(if own.is_empty() { all } else { own });
        }
    }
}

/// The error if none of these queues contains the escalation.
fn not_found(
    customer: &str,
    escalation: &Option<Box<str>>,
    queues: &[String],
    mut refusals: Vec<String>,
) -> String {
    refusals.dedup();
    match refusals.pop() {
        // All refusals are the same, for example because the customer is unknown.
        Some(refusal) if refusals.is_empty() => refusal,
        Some(_) => {
            let what = match escalation {
                Some(id) => format!("the escalation `{id}`"),
                None => "an escalation".to_owned(),
            };
            let queues: Vec<String> = queues.iter().map(|queue| format!("`{queue}`")).collect();
            format!(
                "expected {what} of `{customer}` that is open in one of your queues, found none in \
                 {}; use --queue for another queue",
                queues.join(", ")
            )
        }
        None => format!(
            "expected an open escalation of `{customer}`, found none in any queue; use --queue to \
             name one"
        ),
    }
}

async fn show(
    service: &Service,
    customer: &str,
    queue: Option<&str>,
    wanted: &EscalationRequest,
) -> Result<EscalationReply, Failure> {
    service.ask_of(&within(verb::ESCALATIONS_SHOW, queue), customer, Some(wanted)).await
}

/// The requested escalation by its id, and the queue for its requests.
async fn which(
    service: &Service,
    customer: &str,
    queue: Option<String>,
    named: Option<String>,
) -> Result<(Option<String>, String), Failure> {
    let is_at_hand = queue.is_some() || !service.has_queues();
    match named {
        Some(id) if is_at_hand => Ok((queue, id)),
        named => {
            let wanted = EscalationRequest { escalation: named.map(Into::into), language: None };
            let (queue, reply) = find(service, customer, queue, &wanted).await?;
            Ok((queue, reply.escalation.id.into()))
        }
    }
}

async fn act(
    service: &Service,
    verb: &str,
    customer: &str,
    data: Value,
    out: Out,
) -> Result<(), Failure> {
    let reply = asked(service, verb, customer, data).await?;
    out.tell(&reply, render::acted)
}

async fn asked(
    service: &Service,
    verb: &str,
    customer: &str,
    data: Value,
) -> Result<ActReply, Failure> {
    let fields = data.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let given: Map<String, Value> =
        fields.map(|(name, value)| (name.clone(), value.clone())).collect();
    service.ask_of(verb, customer, Some(&given)).await
}

async fn watch(
    service: &Service,
    queue: Option<String>,
    count: Option<u64>,
    out: Out,
) -> Result<(), Failure> {
    let subjects =
        Subjects::new(&service.prefix).map_err(|error| Failure::Usage(error.to_string()))?;
    let queues = queue.map_or_else(|| service.queues.clone(), |queue| vec![queue]);
    let mut heard: Vec<String> =
        queues.iter().map(|queue| subjects.escalations_of(queue)).collect();
    if heard.is_empty() {
        heard.push(subjects.all_escalations());
    }
    let mut messages = SelectAll::new();
    for subject in heard {
        let heard = service.client.subscribe(subject).await;
        messages.push(heard.map_err(|error| Failure::Unreachable(error.to_string()))?);
    }
    let mut seen = 0;
    while count.is_none_or(|count| seen < count)
        && let Some(message) = messages.next().await
    {
        let at = chrono::Local::now().format("%H:%M:%S%.3f").to_string();
        let heard =
            render::HeardMessage::read(&subjects, &message.subject, &[], &message.payload, at);
        if let Some(heard) = heard {
            seen += 1;
            if !out.goes_on(&heard, render::line)? {
                break;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_escalation_is_reported_with_the_searched_queues() {
        let in_queue =
            |queue| format!("`ann` has no open escalation of this id in the queue `{queue}`");
        let queues = ["care".to_owned(), "cards".to_owned()];
        let unknown = "customer `ann` is unknown".to_owned();
        let sentences = [
            not_found("ann", &None, &queues, vec![in_queue("care"), in_queue("cards")]),
            not_found(
                "ann",
                &Some("e1".into()),
                &queues,
                vec![in_queue("care"), in_queue("cards")],
            ),
            not_found("ann", &None, &queues[..1], vec![in_queue("care")]),
            not_found("ann", &None, &queues, vec![unknown.clone(), unknown]),
            not_found("ann", &None, &[], Vec::new()),
        ];
        insta::assert_snapshot!(sentences.join("\n"), @r#"
        expected an escalation of `ann` that is open in one of your queues, found none in `care`, `cards`; use --queue for another queue
        expected the escalation `e1` of `ann` that is open in one of your queues, found none in `care`, `cards`; use --queue for another queue
        `ann` has no open escalation of this id in the queue `care`
        customer `ann` is unknown
        expected an open escalation of `ann`, found none in any queue; use --queue to name one
        "#);
    }
}
