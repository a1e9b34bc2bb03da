//! What is about one customer is found in the streams, however much else there is.

use jumeau::bus::StreamEnds;
use jumeau::event::Customer;
use serde_json::json;

use crate::{World, world};

/// More than are looked at one by one.
const MANY: usize = 300;

/// The stream of events, and what was published to it.
struct Stream {
    world: World,
    published: u64,
}

impl Stream {
    async fn new() -> Stream {
        Stream { world: world().await, published: 0 }
    }

    /// Publishes an event; returns its sequence.
    async fn tell(&mut self, subject: &str, kind: &str, data: serde_json::Value) -> u64 {
        let event = json!({ "type": kind, "data": data }).to_string();
        self.world.publish(&format!("jumeau.events.{subject}"), event).await;
        self.published += 1;
        self.published
    }

    /// Where that is which is about bobby, and called so.
    async fn found(&self, what: &str) -> Vec<u64> {
        let bobby = Customer::new("bobby").unwrap();
        let trails = self.world.bus.trails(&bobby, 16, StreamEnds::OPEN).await.unwrap();
        let mut found: Vec<u64> = trails
            .into_iter()
            .filter(|trail| trail.what == what)
            .flat_map(|trail| trail.sequences)
            .collect();
        found.sort_unstable();
        found
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_of_others_are_found_however_many_others_the_customer_named() {
    for others in [3, MANY] {
        let mut stream = Stream::new().await;
        let (mut own, mut expected) = (Vec::new(), Vec::new());
        for number in 0..others {
            let other = format!("other{number}");
            own.push(stream.tell("web.bobby", "link", json!({ "to": other })).await);
            let subject = format!("web.{other}");
            stream.tell(&subject, "track", json!({ "name": "bobby" })).await;
            stream.tell(&subject, "link", json!({ "to": "bobbyx" })).await;
            if number % 3 == 0 {
                expected.push(stream.tell(&subject, "link", json!({ "to": "bobby" })).await);
                expected.push(stream.tell(&subject, "unlink", json!({ "from": "bobby" })).await);
            }
        }
        assert_eq!(stream.found("links of others").await, expected, "{others} others");
        assert_eq!(stream.found("events").await, own, "{others} others");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_under_other_spellings_are_found_however_many_there_are() {
    for spellings in [3, MANY] {
        let mut stream = Stream::new().await;
        let mut expected = Vec::new();
        for number in 0..spellings {
            let channel = format!("web{number}");
            let page = || json!({ "name": "Home" });
            expected.push(stream.tell(&format!("{channel}.%62obby"), "page", page()).await);
            expected.push(stream.tell(&format!("{channel}.bobby.x"), "page", page()).await);
            stream.tell(&format!("{channel}.%62obbyx"), "page", page()).await;
            stream.tell(&format!("{channel}.other.x"), "page", page()).await;
        }
        let found = stream.found("events under other subjects").await;
        assert_eq!(found, expected, "{spellings} channels");
    }
}
