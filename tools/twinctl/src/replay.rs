//! Replays of a customer's history under another policy.

use jumeau::api::{KnownDecision, WhyRequest, verb};
use jumeau::bus::{self, Bus};
use jumeau::event::{Content, Customer, Rights, Time};
use jumeau::language::Languages;
use jumeau::past::{Lived, Past};
use jumeau::policy::Policy;
use jumeau::policy_source::PolicySource;
use jumeau::rehearsal::{self, ModelSource, RelearnedModels, recollect};
use jumeau::twin::Decision;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::arguments::Connection;
use crate::failure::Failure;
use crate::render::{Replay, ReplayedAction, many};
use crate::service::{self, Service};

/// The arguments of a replay.
pub(crate) struct ReplayArguments<'a> {
    pub(crate) customer: &'a str,
    pub(crate) policy: &'a str,
    pub(crate) from: Option<Time>,
    pub(crate) by: ModelSource,
}

/// Replays under both policies, and returns the results for rendering.
pub(crate) async fn replay(
    connection: &Connection,
    wanted: &ReplayArguments<'_>,
    now: Time,
    show: impl FnOnce(&Replay<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let customer = Customer::new(wanted.customer).map_err(Failure::Usage)?;
    let source =
        PolicySource::find(wanted.policy).map_err(|error| Failure::Usage(error.to_string()))?;
    let policy =
        source.policy(&Languages::embedded()).map_err(|error| Failure::Usage(error.to_string()))?;
    let unreachable = |error: bus::Error| service::failed(connection, &error);
    let unanswered = |error: rehearsal::Error| match error {
        rehearsal::Error::Bus(error) => service::failed(connection, &error),
        rehearsal::Error::Reply(_) => Failure::Unreachable(error.to_string()),
    };
    let service = Service::connect(connection).await?;
    let bus = Bus::visit(&connection.nats()).await.map_err(unreachable)?;
    let heeded = bus.clone();
    tokio::spawn(async move { service::heed(&heeded).await });
    let rights = rehearsal::rights(&bus).await.map_err(unanswered)?;

    let mut past = events(&bus, &customer, &rights).await.map_err(unreachable)?;
    recollect(&bus, &customer, &mut past).await.map_err(unanswered)?;
    if past.is_empty() {
        return Err(Failure::Negative(format!(
            "neither the stream nor the journal has inputs of customer `{}`",
            customer.token()
        )));
    }
    let was = actions(&bus, &customer, &past).await.map_err(unreachable)?;
    let mut learned = RelearnedModels::of(&bus).await.map_err(unanswered)?;
    let life = past.life(&customer, &policy, now);
    let lives = rehearsal::live(vec![life], wanted.by, &mut learned).await.map_err(unanswered)?;
    let by_now = lives.by_now;
    let lived = lives.lived.into_iter().next().unwrap_or_default();
    let compared = compared(&service, wanted.customer, &lived, &policy).await?;
    show(&Replay {
        customer: &customer,
        policy: format!("{} {}", policy.name, policy.version),
        inputs: lived.inputs,
        from: wanted.from,
        was,
        would: lived.actions.iter().map(|action| replayed(action)).collect(),
        notes: notes(by_now, compared, &lived),
    })
}

/// The customer's events in the stream.
async fn events(bus: &Bus, customer: &Customer, rights: &Rights) -> Result<Past, bus::Error> {
    let mut past = Past::default();
    bus.past(Some(customer), |mut delivery| {
        let (sequence, stored) = (delivery.sequence, delivery.stored);
        delivery.admit(rights);
        if let Content::Broadcast(broadcast) = &delivery.content {
            past.broadcast(sequence, stored, broadcast.clone());
        } else if let Ok(event) = delivery.read() {
            past.event(sequence, stored, event.clone());
        }
        true
    })
    .await?;
    Ok(past)
}

/// The actions that were taken: those in the stream, and those in answers to channels.
async fn actions(
    bus: &Bus,
    customer: &Customer,
    past: &Past,
) -> Result<Vec<ReplayedAction>, bus::Error> {
    let mut was = Vec::new();
    bus.read_actions(Some(customer), |action| was.push(replayed(&action))).await?;
    for (at, asked) in past.asked() {
        was.extend(asked.answered.iter().map(|answered| ReplayedAction {
            at,
            action: answered.action.clone(),
            treatment: answered.treatment.clone(),
            channel: asked.channel.as_str().into(),
        }));
    }
    Ok(was)
}

/// What limits the replay; and, if there is one, the comparison with the stored decisions.
fn notes(by_now: u64, compared: Option<String>, lived: &Lived) -> Vec<String> {
    let mut notes = Vec::new();
    if by_now > 0 {
        notes.push(format!(
            "{} used model versions that are no longer kept; they are decided with the current \
             model",
            many(by_now, "input")
        ));
    }
    notes.extend(compared);
    if lived.is_cut {
        notes.push(
            "the history has more timer firings than the limit; the replay stops there".to_owned(),
        );
    }
    if let Some(linked) = lived.twin.as_ref().and_then(|twin| twin.linked_to.as_ref()) {
        notes.push(format!("the identifier was linked to {linked}: replay that customer, too"));
    }
    notes
}

/// How many of the stored decisions came out the same, if this policy made them.
async fn compared(
    service: &Service,
    customer: &str,
    lived: &Lived,
    policy: &Policy,
) -> Result<Option<String>, Failure> {
    /// As received: a number that is parsed and written again may differ in the last digit.
    #[derive(Deserialize)]
    struct Kept {
        decision: Box<RawValue>,
        known: Vec<KnownDecision>,
    }
    let ask = async |decision: Option<Box<str>>| -> Result<Kept, Failure> {
        service.ask_of(verb::WHY, customer, Some(&WhyRequest { decision })).await
    };
    let last = match ask(None).await {
        Ok(last) => last,
        // No decisions are stored.
        Err(Failure::Negative(_)) => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let (mut same, mut other) = (0, 0);
    for known in last.known {
        let kept = ask(Some(known.id.clone())).await?.decision;
        let again = lived.decisions.iter().find(|one| one.id == known.id);
        let decision: Decision = serde_json::from_str(kept.get())
            .map_err(|error| Failure::Unreachable(format!("unreadable decision: {error}")))?;
        let text = again.and_then(|again| serde_json::to_string(again).ok());
        match text {
            Some(text) if text == kept.get() => same += 1,
            _ if decision.policy == policy.version => other += 1,
            _ => {}
        }
    }
    Ok(match (same, other) {
        (0, 0) => None,
        (same, 0) => {
            let is = if same == 1 { "is" } else { "are" };
            let kept = many(same, "decision");
            Some(format!("{kept} that {is} stored replayed identically, byte for byte"))
        }
        (same, other) => Some(format!(
            "of the stored decisions, {same} replayed identically and {other} did not (memories \
             moved by links arrive at other times in a replay)"
        )),
    })
}

fn replayed(action: &jumeau::twin::Action) -> ReplayedAction {
    ReplayedAction {
        at: action.at,
        action: action.action.clone(),
        treatment: action.treatment.clone(),
        channel: action.channel.clone(),
    }
}
