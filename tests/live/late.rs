//! What was said later stands, whatever comes last, and whatever time the service goes by.

use std::time::Duration;

use async_nats::HeaderMap;
use jumeau::event::{Time, Value};
use serde_json::json;

use super::rig::Rig;

const POLICY: &str = "[policy]\nname = \"late\"\nlanguages = [\"en\"]\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_later_statement_wins_by_stream_time_and_by_event_time() {
    for mode in ["service.time=stream", "service.time=event"] {
        let rig = Rig::with_policy(POLICY, &[mode]).await;
        let now: Time = chrono::Utc::now().into();
        let before = |hours: u32| now - Duration::from_secs(3_600) * hours;
        let said = async |customer: &str, time: Time, plan: Option<&str>| {
            let data = json!({ "traits": { "plan": plan } });
            let payload = json!({ "type": "identify", "time": time, "data": data });
            let subject = format!("jumeau.events.app.{customer}");
            rig.publish(&subject, HeaderMap::new(), payload.to_string()).await;
        };
        for (hours, plan) in [(1, "gold"), (3, "silver"), (2, "bronze")] {
            said("ann", before(hours), Some(plan)).await;
        }
        said("bob", before(1), None).await;
        said("bob", before(2), Some("gold")).await;
        // A clock that is two weeks ahead does not win for two weeks.
        said("cid", now + Duration::from_secs(14 * 86_400), Some("silver")).await;
        rig.settled().await;
        said("cid", chrono::Utc::now().into(), Some("gold")).await;
        rig.settled().await;
        for (customer, expected) in [("ann", Some("gold")), ("bob", None), ("cid", Some("gold"))] {
            let plan = rig.show(customer).await.twin.profile.traits.get("plan").cloned();
            assert_eq!(plan, expected.map(Value::from), "{customer}, {mode}");
        }
        let stats = rig.stats().await.unwrap();
        assert_eq!(stats.partitions.iter().map(|one| one.late).sum::<u64>(), 3, "{mode}");
        // Both clocks are that of this machine.
        assert!(stats.clock.ahead_of_broker_ms.is_some() && !stats.clock.contradicts_broker());
    }
}
