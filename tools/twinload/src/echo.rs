//! The bare bus as a responder: the same bytes for every request, nothing else.

use std::process::Stdio;

use anyhow::Context as _;
use bytes::Bytes;
use futures::StreamExt;
use tokio::process::{Child, Command};

/// The subject of the echo: one token follows.
pub(crate) const SUBJECT: &str = "twinload.echo";

/// Runs as a process of its own, as the service does.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct EchoOptions {
    /// The broker.
    #[arg(long)]
    server: String,
    /// What to answer.
    #[arg(long)]
    answer: String,
}

/// Replies until it is ended.
pub(crate) async fn run(options: &EchoOptions) -> anyhow::Result<()> {
    let client = async_nats::connect(&options.server).await?;
    let mut requests = client.subscribe(format!("{SUBJECT}.*")).await?;
    client.flush().await?;
    // The parent process waits for this.
    client.publish(format!("{SUBJECT}-is-up"), Bytes::new()).await?;
    client.flush().await?;
    let answer = Bytes::from(options.answer.clone());
    while let Some(request) = requests.next().await {
        if let Some(reply) = request.reply {
            client.publish(reply, answer.clone()).await?;
        }
    }
    Ok(())
}

/// Starts it, and waits until it replies.
pub(crate) async fn start(
    client: &async_nats::Client,
    server: &str,
    answer: &str,
) -> anyhow::Result<Child> {
    let mut up = client.subscribe(format!("{SUBJECT}-is-up")).await?;
    client.flush().await?;
    let child = Command::new(std::env::current_exe()?)
        .args(["echo", "--server", server, "--answer", answer])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the echo")?;
    up.next().await.context("the echo does not answer")?;
    Ok(child)
}
