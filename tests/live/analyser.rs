use async_nats::HeaderMap;
use futures::StreamExt;
use serde_json::json;

use super::rig::Rig;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_analyser_outside_is_believed_if_it_answers_in_time_and_makes_sense() {
    let rig = Rig::start("bank", &["analyser.subject=test.read"]).await;
    let mut asked = rig.client.subscribe("test.read").await.unwrap();
    rig.client.flush().await.unwrap();
    let client = rig.client.clone();
    let analyser = tokio::spawn(async move {
        while let Some(question) = asked.next().await {
            let text = String::from_utf8_lossy(&question.payload).into_owned();
            let answer = match &text {
                text if text.contains("silence") => continue,
                text if text.contains("nonsense") => r#"{"valence": 7}"#,
                _ => r#"{"valence": -0.875, "words": [{"text": "special", "weight": -0.5}]}"#,
            };
            client.publish(question.reply.unwrap(), answer.into()).await.unwrap();
        }
    });
    let texts = ["Nothing special.", "silence please", "nonsense here", "Special again."];
    for text in texts {
        let event = json!({ "type": "message", "data": { "text": text, "from": "customer" } });
        rig.publish("jumeau.events.chat.ann", HeaderMap::new(), event.to_string()).await;
    }
    let bot = json!({ "type": "message", "data": { "text": "Special!", "from": "bot" } });
    rig.publish("jumeau.events.chat.ann", HeaderMap::new(), bot.to_string()).await;

    rig.until("every message is taken in", async || {
        rig.stats().await.is_some_and(|stats| stats.total().events == 5)
    })
    .await;
    let heard = rig.show("ann").await.twin.sentiment.unwrap().evidence;
    let numbers: Vec<u64> = heard.iter().map(|one| one.number).collect();
    assert_eq!(numbers, [0, 1, 2, 3], "in the order in which they were said");
    let by_analyser: Vec<bool> =
        heard.iter().map(|one| (one.reading.valence + 0.875).abs() < 1e-6).collect();
    assert_eq!(by_analyser, [true, false, false, true]);
    assert_eq!(&*heard[0].reading.words[0].text, "special");
    analyser.abort();
}
