//! More outputs than a partition holds in memory: all go out after one start, in their order, and
//! agents are told to wait.

use actix::System;
use jumeau::actors::{AskTwin, GetCounters};
use jumeau::config::settings;
use jumeau::event::{Channel, Customer, Event, EventKind, Output};
use jumeau::partition::{AskAnswer, Recovered};
use jumeau::tables::{Batch, Commit, Read};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::partition::{Part, store};
use crate::{PATIENCE, eventually, world};

/// As many as a partition takes before it waits for the broker.
const MOST: usize = 10;
const ALL: u64 = 57;

fn opened() -> Event {
    let told = r#"{"state": "opened", "topic": "card", "queue": "care"}"#;
    Event::requested(
        Customer::new("anna").unwrap(),
        Channel::new("desk").unwrap(),
        "one".into(),
        None,
        None,
        EventKind::Handoff(serde_json::from_str(told).unwrap()),
    )
    .unwrap()
}

#[test]
fn however_many_outputs_the_store_has_all_go_out_after_one_start_in_their_order() {
    System::new().block_on(async {
        let world = world().await;
        let store = store(&world);
        let mut batch = Batch::new();
        for sequence in 0..ALL {
            let output = Output {
                id: format!("o-{sequence}").into(),
                subject: "jumeau.actions.app.open.anna".into(),
                headers: Box::default(),
                payload: "{}".into(),
            };
            batch.put_output(7, sequence, &output).unwrap();
        }
        batch.set_next_output(7, ALL);
        store.commit(&[batch]).unwrap();
        world.jetstream().delete_stream("JUMEAU_ACTIONS").await.unwrap();
        let recovered = Recovered {
            next_output: ALL,
            outputs: store.outbox(7, 0, MOST).unwrap(),
            outputs_left: store.outbox_len(7).unwrap() - MOST as u64,
            ..Recovered::default()
        };
        let part = Part::on(store.clone(), &world, MOST, recovered).await;
        assert_eq!(part.partition.send(GetCounters).await.unwrap().outbox, ALL, "all are counted");

        let act = async || {
            let (reply, answer) = oneshot::channel();
            part.partition.do_send(AskTwin { event: opened(), reply });
            timeout(PATIENCE, answer).await.expect("an answer in time").unwrap()
        };
        assert!(matches!(act().await, AskAnswer::Busy), "agents are told to wait");

        world.bus.ensure_streams(&settings::StreamSettings::default(), 16).await.unwrap();
        let outbox = async || part.partition.send(GetCounters).await.unwrap().outbox;
        eventually("all are out", async || outbox().await == 0).await;
        assert!(matches!(act().await, AskAnswer::Acted(_)), "and then they are not");
        eventually("it is out, too", async || outbox().await == 0).await;
        let stream = world.jetstream().get_stream("JUMEAU_ACTIONS").await.unwrap();
        for sequence in 0..ALL {
            let message = stream.get_raw_message(sequence + 1).await.unwrap();
            let id = message.headers.get("Nats-Msg-Id").unwrap().to_string();
            assert_eq!(id, format!("o-{sequence}"));
        }
        assert_eq!(
            stream.get_raw_message(ALL + 1).await.unwrap().subject.as_str(),
            "jumeau.escalations.care.anna"
        );
    });
}
