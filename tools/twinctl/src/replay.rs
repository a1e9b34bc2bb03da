//! A customer's past once more, under another policy.

use jumeau::api::{JournalReply, JournalRequest, verb};
use jumeau::bus::Bus;
use jumeau::config::settings::Nats;
use jumeau::event::{Content, Customer, Time};
use jumeau::language::Languages;
use jumeau::past::Past;
use jumeau::shelf::Shelf;

use crate::arguments::Connection;
use crate::failure::Failure;
use crate::render::{Replay, Said};
use crate::service::Service;

/// What was asked for.
pub(crate) struct Wanted<'a> {
    pub(crate) customer: &'a str,
    pub(crate) policy: &'a str,
    pub(crate) from: Option<Time>,
}

/// Replays, and hands both lives over as they are to be shown.
pub(crate) async fn replay(
    connection: &Connection,
    wanted: &Wanted<'_>,
    now: Time,
    show: impl FnOnce(&Replay<'_>),
) -> Result<(), Failure> {
    let customer = Customer::new(wanted.customer).map_err(Failure::Usage)?;
    let shelf = Shelf::find(wanted.policy).map_err(|error| Failure::Usage(error.to_string()))?;
    let policy =
        shelf.policy(&Languages::embedded()).map_err(|error| Failure::Usage(error.to_string()))?;
    let unreachable = |error: jumeau::bus::Error| Failure::Unreachable(error.to_string());
    let service = Service::connect(connection).await?;
    let nats = Nats {
        url: connection.server.clone(),
        prefix: connection.prefix.clone(),
        credentials: connection.creds.clone(),
        ..Nats::default()
    };
    let bus = Bus::connect(&nats).await.map_err(unreachable)?;

    let mut past = Past::default();
    let mut begins = None;
    bus.past(Some(&customer), |mut delivery| {
        let (sequence, stored) = (delivery.sequence, delivery.stored);
        begins.get_or_insert(stored);
        if let Content::Broadcast(told) = &delivery.content {
            past.broadcast(sequence, stored, told.clone());
        } else if let Ok(event) = delivery.read() {
            past.event(sequence, stored, event.clone());
        }
        true
    })
    .await
    .map_err(unreachable)?;
    let mut from = None;
    loop {
        let question = JournalRequest { from };
        let reply: JournalReply =
            service.ask_of(verb::JOURNAL, wanted.customer, Some(&question)).await?;
        let last = reply.inputs.last().map(|one| one.at);
        for one in reply.inputs {
            // The last moment of an answer may go on in the next one.
            if reply.is_whole || Some(one.at) != last {
                past.journalled(one.at, one.input);
            }
        }
        if reply.is_whole || last == from {
            break;
        }
        from = last;
    }
    if past.is_empty() {
        return Err(Failure::Negative(format!(
            "the stream and the journal hold nothing of customer `{}`",
            customer.token()
        )));
    }

    let mut was = Vec::new();
    bus.said(Some(&customer), |action| was.push(said(&action))).await.map_err(unreachable)?;
    for (at, asked) in past.asked() {
        was.extend(asked.answered.iter().map(|answered| Said {
            at,
            action: answered.action.clone(),
            treatment: answered.treatment.clone(),
            channel: asked.channel.as_str().into(),
        }));
    }
    let lived = past.live(&customer, &policy, now);
    let mut notes = Vec::new();
    if lived.is_cut {
        notes.push("the past has more timers than are fired: it stops there".to_owned());
    }
    if let Some(linked) = lived.twin.as_ref().and_then(|twin| twin.linked_to.as_ref()) {
        notes.push(format!("the identifier was linked to {linked}: replay that customer, too"));
    }
    show(&Replay {
        customer: &customer,
        policy: format!("{} {}", policy.name, policy.version),
        inputs: lived.inputs,
        from: wanted.from,
        was,
        would: lived.actions.iter().map(|action| said(action)).collect(),
        notes,
    });
    Ok(())
}

fn said(action: &jumeau::twin::Action) -> Said {
    Said {
        at: action.at,
        action: action.action.clone(),
        treatment: action.treatment.clone(),
        channel: action.channel.clone(),
    }
}
