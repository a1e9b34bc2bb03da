//! Publishing as fast as the broker confirms, with a bounded number of messages in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_nats::{Client, HeaderMap};
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::Semaphore;

/// Publish acknowledgement timeout.
const SILENCE: Duration = Duration::from_secs(60);

/// A publisher whose confirmations all arrive on one inbox: the leanest way in the protocol.
pub(crate) struct Pump {
    client: Client,
    inbox: async_nats::Subject,
    window: Arc<Semaphore>,
    size: u32,
    refused: Arc<AtomicU64>,
    listener: tokio::task::JoinHandle<()>,
}

impl Pump {
    /// A publisher with at most `window` messages in flight.
    pub(crate) async fn new(client: &Client, window: u32) -> anyhow::Result<Pump> {
        let inbox = client.new_inbox();
        let mut confirmations = client.subscribe(inbox.clone()).await?;
        let window_left = Arc::new(Semaphore::new(window as usize));
        let refused = Arc::new(AtomicU64::new(0));
        let listener = {
            let (window, refused) = (window_left.clone(), refused.clone());
            tokio::spawn(async move {
                while let Some(message) = confirmations.next().await {
                    // A confirmation is `{"stream": …, "seq": …}`, a refusal `{"error": …}`.
                    if message.status.is_some() || message.payload.starts_with(br#"{"error""#) {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                    window.add_permits(1);
                }
            })
        };
        Ok(Pump {
            client: client.clone(),
            inbox: inbox.into(),
            window: window_left,
            size: window,
            refused,
            listener,
        })
    }

    /// Publishes one message, as soon as the window allows.
    pub(crate) async fn send(
        &self,
        subject: String,
        headers: HeaderMap,
        payload: Bytes,
    ) -> anyhow::Result<()> {
        self.wait(1).await?;
        self.client
            .publish_with_reply_and_headers(subject, self.inbox.clone(), headers, payload)
            .await?;
        Ok(())
    }

    /// Waits until everything is confirmed.
    pub(crate) async fn finish(self) -> anyhow::Result<()> {
        self.client.flush().await?;
        self.wait(self.size).await?;
        self.listener.abort();
        match self.refused.load(Ordering::Relaxed) {
            0 => Ok(()),
            refused => bail!("the broker refused {refused} messages"),
        }
    }

    async fn wait(&self, room: u32) -> anyhow::Result<()> {
        tokio::time::timeout(SILENCE, self.window.acquire_many(room))
            .await
            .with_context(|| format!("no confirmation within {SILENCE:?}"))??
            .forget();
        Ok(())
    }
}
