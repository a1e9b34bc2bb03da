//! What the stream still holds, whatever was published in between.

use futures::StreamExt;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_past_comes_in_the_order_of_the_stream_and_nothing_that_is_published_hides_it() {
    let world = world().await;
    let ann = Customer::new("ann").unwrap();
    world.publish("jumeau.events.web.ann", event(1)).await;
    world.publish("jumeau.events.web.bob", event(2)).await;
    world.publish("jumeau.broadcast.fires", r#"{"type":"broadcast","data":{"value":1}}"#).await;
    // Headers that the client library does not read, a status that ends a page, and the names by which
    // the broker says what a message is.
    let hostile: [&[u8]; 3] = [
        b"NATS/1.0\r\nx: \xFF\r\n\r\n",
        b"NATS/1.0 204 EOB\r\n\r\n",
        b"NATS/1.0\r\nNats-Subject: jumeau.partition.0.web.bob\r\nNats-Sequence: 99\r\n\r\n",
    ];
    for headers in hostile {
        publish_raw(&world.broker, "jumeau.events.web.ann", headers, &event(3)).await;
    }
    world.publish("jumeau.events.web", event(7)).await;
    world.publish("jumeau.events.app.ann", event(8)).await;

    let mut seen = Vec::new();
    let all = world.bus.past(Some(&ann), |delivery| {
        seen.push((delivery.sequence, delivery.original.subject.to_string()));
        true
    });
    timeout(PATIENCE, all).await.unwrap().unwrap();
    let of_ann = "jumeau.events.web.ann".to_owned();
    let expected = [
        (1, of_ann.clone()),
        (3, "jumeau.broadcast.fires".to_owned()),
        (5, of_ann.clone()),
        (6, of_ann),
        (8, "jumeau.events.app.ann".to_owned()),
    ];
    assert_eq!(seen, expected, "the fourth was never taken in");

    let mut count = 0;
    let first = world.bus.past(None, |_| {
        count += 1;
        count < 2
    });
    timeout(PATIENCE, first).await.unwrap().unwrap();
    assert_eq!(count, 2, "it ends when it is told to");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_page_is_read_whole() {
    let world = world().await;
    world.publish_events(0, 1_000, 7).await;
    let mut seen = Vec::new();
    let all = world.bus.past(None, |delivery| {
        seen.push(delivery.sequence);
        true
    });
    timeout(PATIENCE, all).await.unwrap().unwrap();
    assert_eq!(seen, (1..=1_000).collect::<Vec<u64>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_sees_new_events_that_pass_its_filter() {
    let world = world().await;
    world.publish("jumeau.events.web.ann", event(1)).await;
    let web = Channel::new("web").unwrap();
    let mut all = world.bus.arrivals(None, None).await.unwrap();
    let mut of_web = world.bus.arrivals(Some(&web), None).await.unwrap();
    publish_raw(&world.broker, "jumeau.events.web.eve", b"NATS/1.0\r\nx: \xFF\r\n\r\n", b"{}")
        .await;
    world.publish("jumeau.events.app.ann", event(2)).await;
    world.publish("jumeau.broadcast.fires", "{}").await;
    world.publish("jumeau.events.web.ann", event(3)).await;
    for subject in ["jumeau.events.app.ann", "jumeau.broadcast.fires", "jumeau.events.web.ann"] {
        let arrived = timeout(PATIENCE, all.next()).await.unwrap().unwrap();
        assert_eq!(&*arrived.subject, subject);
    }
    let arrived = timeout(PATIENCE, of_web.next()).await.unwrap().unwrap();
    assert_eq!((&*arrived.subject, &arrived.payload), ("jumeau.events.web.ann", &event(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_thousand_sound_messages_the_past_is_read_by_pages_again() {
    let world = world().await;
    publish_raw(&world.broker, "jumeau.events.web.ann", unread::UNREADABLE, &event(0)).await;
    world.publish_events(0, 3_000, 5).await;
    let mut requests = world.client.subscribe("$JS.API.>").await.unwrap();
    world.client.flush().await.unwrap();
    let mut seen = 0;
    let all = world.bus.past(None, |_| {
        seen += 1;
        true
    });
    timeout(PATIENCE, all).await.unwrap().unwrap();
    assert_eq!(seen, 3_000);
    // Our own message is behind all that were asked for.
    world.client.publish("$JS.API.END", Bytes::new()).await.unwrap();
    let (mut single, mut pages) = (0, 0);
    loop {
        let request = timeout(PATIENCE, requests.next()).await.unwrap().unwrap();
        let subject = request.subject.as_str();
        single += usize::from(subject.starts_with("$JS.API.STREAM.MSG.GET."));
        pages += usize::from(subject.starts_with("$JS.API.DIRECT.GET."));
        if subject == "$JS.API.END" {
            break;
        }
    }
    assert!((1_000..1_200).contains(&single), "{single} messages were asked for one by one");
    assert!((9..15).contains(&pages), "{pages} pages were asked for");
}
