use std::time::{Duration, Instant};

use async_nats::Client;
use bytes::Bytes;
use futures::StreamExt;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Semaphore;

use super::{Bus, PartitionPull};
use crate::config::limits;
use crate::event::{Analysis, Delivery, Lane, MessageData};
use crate::language::Languages;

/// Circuit breaker: consecutive timeouts before it opens.
const SILENCE_MAX: u32 = 20;
/// How long it stays open.
const REST: Duration = Duration::from_secs(10);

/// Asks the external analyser about customers' messages before their twins process them.
///
/// It waits for a bounded time; without an answer, the built-in analysis is used. The order of events is
/// kept.
#[derive(Debug)]
pub struct Analyser {
    client: Client,
    subject: String,
    patience: Duration,
    /// Permits for open questions about messages of each lane.
    main: Semaphore,
    slow: Semaphore,
    health: Mutex<Health>,
}

/// The maximum of open questions about messages of the slow lane.
const SLOW_QUESTIONS: usize = limits::ANALYSER_QUESTIONS / 4;

/// The circuit breaker of the analyser.
#[derive(Debug, Default)]
struct Health {
    /// Consecutive questions without an answer in time.
    silence: u32,
    /// Until when the circuit breaker is open.
    rests_until: Option<Instant>,
    /// Whether the current fault of its answers has been logged; each fault is logged once.
    has_complained: bool,
}

/// A question to the analyser.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Question<'a> {
    /// The text of the message.
    pub text: &'a str,
    /// Their language, as a BCP 47 tag, if the channel knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<&'a str>,
}

impl Analyser {
    /// An analyser that answers on `subject`.
    pub fn new(bus: &Bus, subject: &str, patience: Duration) -> Analyser {
        Analyser {
            client: bus.client.clone(),
            subject: subject.to_owned(),
            patience,
            main: Semaphore::new(limits::ANALYSER_QUESTIONS - SLOW_QUESTIONS),
            slow: Semaphore::new(SLOW_QUESTIONS),
            health: Mutex::default(),
        }
    }

    /// Adds the analyser's result to each customer message of a pull. The two lanes do not wait for each
    /// other.
    pub async fn read(&self, parts: &mut [PartitionPull], lane: Lane) {
        if self.health.lock().rests_until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        let mut messages: Vec<&mut MessageData> = Vec::new();
        for part in parts {
            messages.extend(part.deliveries.iter_mut().filter_map(Delivery::customers_message));
        }
        let room = match lane {
            Lane::Main => &self.main,
            Lane::Slow => &self.slow,
        };
        // Each future owns its data, so that no borrow lives across an await.
        let mut questions = Vec::new();
        for (at, message) in messages.iter().enumerate() {
            // Quoted text of an older thread is not the customer's.
            let text = Languages::embedded().own_words(&message.text).into_owned();
            let question = Question { text: &text, language: message.language.as_deref() };
            let Ok(payload) = serde_json::to_vec(&question) else { continue };
            let (client, subject, patience) =
                (self.client.clone(), self.subject.clone(), self.patience);
            questions.push(async move {
                // The semaphore is never closed.
                let _room = room.acquire().await.ok();
                (at, ask(client, subject, patience, payload).await)
            });
        }
        let mut answers =
            futures::stream::iter(questions).buffer_unordered(limits::ANALYSER_QUESTIONS);
        while let Some((at, answer)) = answers.next().await {
            let mut health = self.health.lock();
            let Some(answer) = answer else {
                health.silence += 1;
                continue;
            };
            health.silence = 0;
            match (Analysis::parse(&answer), messages.get_mut(at)) {
                (Ok(analysis), Some(message)) => message.analysis = Some(Box::new(analysis)),
                (Err(why), _) => {
                    if !std::mem::replace(&mut health.has_complained, true) {
                        tracing::warn!(
                            why,
                            "unusable answer from the external analyser; using the built-in \
                             analysis"
                        );
                    }
                }
                (Ok(_), None) => {}
            }
        }
        let mut health = self.health.lock();
        if health.silence >= SILENCE_MAX {
            tracing::warn!(
                subject = self.subject,
                "the external analyser does not answer; using the built-in analysis"
            );
            *health = Health { rests_until: Some(Instant::now() + REST), ..Health::default() };
        }
    }
}

async fn ask(
    client: Client,
    subject: String,
    patience: Duration,
    payload: Vec<u8>,
) -> Option<Bytes> {
    let request = async_nats::Request::new().payload(payload.into()).timeout(Some(patience));
    Some(client.send_request(subject, request).await.ok()?.payload)
}
