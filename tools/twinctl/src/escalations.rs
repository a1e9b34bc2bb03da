//! What people who take over see and do.

use clap::{Args, Subcommand};
use futures::StreamExt;
use futures::stream::SelectAll;
use jumeau::api::{
    ActReply, EscalationReply, EscalationRequest, EscalationsReply, EscalationsRequest, verb,
};
use jumeau::bus::Subjects;
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
    /// Only those of this queue.
    #[arg(long)]
    queue: Option<String>,
    /// Only `open` or `claimed` ones.
    #[arg(long, value_parser = state)]
    state: Option<EscalationState>,
    /// Only those of customers who speak this language.
    #[arg(long)]
    language: Option<String>,
    /// Only those that this agent holds.
    #[arg(long)]
    agent: Option<String>,
    /// At most so many.
    #[arg(short = 'n', long)]
    limit: Option<usize>,
}

impl Default for Escalations {
    fn default() -> Escalations {
        Escalations::List(Listed::default())
    }
}

/// What to do with what waits for people.
#[derive(Debug, Subcommand)]
pub(crate) enum Escalations {
    /// What waits, the one due first first.
    List(Listed),
    /// Each escalation that opens or changes, as it comes.
    Watch {
        /// Only those of this queue.
        #[arg(long)]
        queue: Option<String>,
        /// End after so many.
        #[arg(short = 'n', long)]
        count: Option<u64>,
    },
    /// One customer's escalation, with the whole story.
    Show {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// The queue it is in, if only that one is meant; agents of some queues have to name it.
        #[arg(long)]
        queue: Option<String>,
        /// Which; without it the open one that changed last.
        escalation: Option<String>,
        /// The language in which to read it; without it that of the queue.
        #[arg(long)]
        language: Option<String>,
    },
    /// Hands a customer over to people.
    Open {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// What it is about.
        topic: String,
        /// The queue of people.
        #[arg(long, conflicts_with = "skill")]
        queue: Option<String>,
        /// What these people must be able to do.
        #[arg(long)]
        skill: Option<String>,
        /// 1 (whenever) to 5 (now).
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=5))]
        priority: Option<u8>,
        /// Why.
        #[arg(long)]
        note: Option<String>,
    },
    /// Takes it: from now on this agent alone goes on, and automation keeps quiet.
    Claim {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// The queue it is in, if only that one is meant; agents of some queues have to name it.
        #[arg(long)]
        queue: Option<String>,
        /// Which; without it the open one that changed last.
        escalation: Option<String>,
        /// The agent; where the broker has roles, whoever asks.
        #[arg(long, env = "JUMEAU_AS")]
        agent: String,
        /// The operator who takes it from whoever holds it.
        #[arg(long)]
        operator: Option<String>,
    },
    /// Notes what was said and done.
    Note {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// The queue it is in, if only that one is meant; agents of some queues have to name it.
        #[arg(long)]
        queue: Option<String>,
        /// What was done.
        note: Option<String>,
        /// What was said to the customer.
        #[arg(long)]
        said: Option<String>,
        /// The decision by which something was offered.
        #[arg(long, requires = "answer")]
        decision: Option<String>,
        /// What came of it.
        #[arg(long, value_parser = outcome, requires = "decision")]
        answer: Option<OutcomeKind>,
        /// The agent; where the broker has roles, whoever asks.
        #[arg(long, env = "JUMEAU_AS")]
        agent: String,
        /// Which; without it the open one that changed last.
        #[arg(long)]
        escalation: Option<String>,
    },
    /// Returns the conversation: automation goes on where the agent stopped.
    Handback {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// The queue it is in, if only that one is meant; agents of some queues have to name it.
        #[arg(long)]
        queue: Option<String>,
        /// What whoever goes on should know.
        note: Option<String>,
        /// The step at which it goes on.
        #[arg(long)]
        step: Option<String>,
        /// The agent; where the broker has roles, whoever asks.
        #[arg(long, env = "JUMEAU_AS")]
        agent: String,
        /// Which; without it the open one that changed last.
        #[arg(long)]
        escalation: Option<String>,
    },
    /// Says that the matter is settled.
    Resolve {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// The queue it is in, if only that one is meant; agents of some queues have to name it.
        #[arg(long)]
        queue: Option<String>,
        /// How, in a word of the company's.
        #[arg(long)]
        outcome: Option<String>,
        /// A need that is met with it; as often as there are some.
        #[arg(long = "need")]
        needs: Vec<String>,
        /// A case that is closed with it; as often as there are some.
        #[arg(long = "case")]
        cases: Vec<String>,
        /// What is worth knowing.
        #[arg(long)]
        note: Option<String>,
        /// The agent; where the broker has roles, whoever asks.
        #[arg(long, env = "JUMEAU_AS")]
        agent: String,
        /// Which; without it the open one that changed last.
        #[arg(long)]
        escalation: Option<String>,
    },
}

fn state(name: &str) -> Result<EscalationState, String> {
    match name {
        "open" => Ok(EscalationState::Open),
        "claimed" => Ok(EscalationState::Claimed),
        _ => Err("expected `open` or `claimed`; what is settled waits no more".to_owned()),
    }
}

fn outcome(name: &str) -> Result<OutcomeKind, String> {
    OutcomeKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
        format!("expected one of {}", OutcomeKind::ALL.map(OutcomeKind::name).join(", "))
    })
}

/// Asks the service, and prints what it answers, at most so many columns wide.
pub(crate) async fn escalations(
    service: &Service,
    command: Escalations,
    out: Out,
) -> Result<(), Failure> {
    match command {
        Escalations::List(Listed { queue, state, language, agent, limit }) => {
            let wanted = EscalationsRequest {
                queue: queue.map(Into::into),
                state,
                language: language.map(Into::into),
                agent: agent.map(Into::into),
                limit,
                after: None,
            };
            let reply = list(service, wanted).await?;
            out.tell(&reply, |reply| render::escalations(reply, crate::width()))
        }
        Escalations::Watch { queue, count } => watch(service, queue, count, out).await,
        Escalations::Show { customer, queue, escalation, language } => {
            let queue = the_queue(service, &customer, queue).await?;
            let reply = show(service, &customer, &queue, escalation, language).await?;
            out.tell(&reply, render::escalation)
        }
        Escalations::Open { customer, topic, queue, skill, priority, note } => {
            let told = json!({
                "topic": topic, "queue": queue, "skill": skill, "priority": priority, "note": note,
            });
            act(service, verb::ESCALATIONS_OPEN, &customer, told, out).await
        }
        Escalations::Claim { customer, queue, escalation, agent, operator } => {
            let queue = the_queue(service, &customer, queue).await?;
            let id = which(service, &customer, &queue, escalation).await?;
            let told = json!({ "escalation": id, "agent": agent, "operator": operator });
            let verb = within(verb::ESCALATIONS_CLAIM, queue.as_deref());
            let claimed: ActReply = asked(service, &verb, &customer, told).await?;
            let reply = show(service, &customer, &queue, Some(id), None).await?;
            out.tell(&reply, |reply| render::claimed(&claimed, reply))
        }
        Escalations::Note { customer, queue, note, said, decision, answer, agent, escalation } => {
            let queue = the_queue(service, &customer, queue).await?;
            let id = which(service, &customer, &queue, escalation).await?;
            let told = json!({
                "escalation": id, "agent": agent, "note": note, "said": said,
                "decision": decision, "answer": answer,
            });
            let verb = within(verb::ESCALATIONS_NOTE, queue.as_deref());
            act(service, &verb, &customer, told, out).await
        }
        Escalations::Handback { customer, queue, note, step, agent, escalation } => {
            let queue = the_queue(service, &customer, queue).await?;
            let id = which(service, &customer, &queue, escalation).await?;
            let told = json!({ "escalation": id, "agent": agent, "note": note, "step": step });
            let verb = within(verb::ESCALATIONS_HANDBACK, queue.as_deref());
            act(service, &verb, &customer, told, out).await
        }
        Escalations::Resolve {
            customer,
            queue,
            outcome,
            needs,
            cases,
            note,
            agent,
            escalation,
        } => {
            let queue = the_queue(service, &customer, queue).await?;
            let id = which(service, &customer, &queue, escalation).await?;
            let told = json!({
                "escalation": id, "agent": agent, "outcome": outcome, "needs": needs,
                "cases": cases, "note": note,
            });
            let verb = within(verb::ESCALATIONS_RESOLVE, queue.as_deref());
            act(service, &verb, &customer, told, out).await
        }
    }
}

/// A verb, for one queue only or for all of them.
fn within(verb: &str, queue: Option<&str>) -> String {
    queue.map_or_else(|| verb.to_owned(), |queue| format!("{verb}.{}", encode(queue)))
}

/// What waits in the queues that are asked for: in the one that is named, else in those of whoever
/// asks, and else in all.
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

/// The queue in which a customer waits: the one that is named, else that of whoever asks in which they
/// are.
async fn the_queue(
    service: &Service,
    customer: &str,
    named: Option<String>,
) -> Result<Option<String>, Failure> {
    if named.is_some() {
        return Ok(named);
    }
    let mut refusal = None;
    for queue in &service.queues {
        let queue = Some(queue.clone());
        match show(service, customer, &queue, None, None).await {
            Ok(_) => return Ok(queue),
            Err(failure @ Failure::Negative(_)) => refusal = Some(failure),
            Err(failure) => return Err(failure),
        }
    }
    refusal.map_or(Ok(None), Err)
}

async fn show(
    service: &Service,
    customer: &str,
    queue: &Option<String>,
    escalation: Option<String>,
    language: Option<String>,
) -> Result<EscalationReply, Failure> {
    let wanted = EscalationRequest {
        escalation: escalation.map(Into::into),
        language: language.map(Into::into),
    };
    let verb = within(verb::ESCALATIONS_SHOW, queue.as_deref());
    service.ask_of(&verb, customer, Some(&wanted)).await
}

/// The escalation that is meant.
async fn which(
    service: &Service,
    customer: &str,
    queue: &Option<String>,
    named: Option<String>,
) -> Result<String, Failure> {
    match named {
        Some(id) => Ok(id),
        None => Ok(show(service, customer, queue, None, None).await?.escalation.id.into()),
    }
}

async fn act(
    service: &Service,
    verb: &str,
    customer: &str,
    told: Value,
    out: Out,
) -> Result<(), Failure> {
    let reply = asked(service, verb, customer, told).await?;
    out.tell(&reply, render::acted)
}

async fn asked(
    service: &Service,
    verb: &str,
    customer: &str,
    told: Value,
) -> Result<ActReply, Failure> {
    let said = told.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let told: Map<String, Value> =
        said.map(|(name, value)| (name.clone(), value.clone())).collect();
    service.ask_of(verb, customer, Some(&told)).await
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
    let mut told = SelectAll::new();
    for subject in heard {
        let heard = service.client.subscribe(subject).await;
        told.push(heard.map_err(|error| Failure::Unreachable(error.to_string()))?);
    }
    let mut seen = 0;
    while count.is_none_or(|count| seen < count)
        && let Some(message) = told.next().await
    {
        let at = chrono::Local::now().format("%H:%M:%S%.3f").to_string();
        let heard = render::Heard::read(&subjects, &message.subject, &[], &message.payload, at);
        if let Some(heard) = heard {
            seen += 1;
            if !out.goes_on(&heard, render::line)? {
                break;
            }
        }
    }
    Ok(())
}
