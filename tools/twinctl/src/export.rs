//! Exports all data of one customer as one document: JSON for programs, HTML for people.

use std::path::Path;

use jumeau::api::{ExportPart, ExportReply, ExportRequest, JournalEntry, MessageCount, verb};
use jumeau::event::{Customer, Time};
use jumeau::terminal;
use jumeau::twin::Decision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::render;
use crate::service::Service;

/// The document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Export {
    /// The version of this format: 1.
    pub(crate) format: u8,
    /// The customer.
    pub(crate) customer: Customer,
    /// When it was exported.
    pub(crate) at: Time,
    /// The version of the service.
    pub(crate) service: Box<str>,
    /// The name of the active policy.
    pub(crate) policy: Box<str>,
    /// The policy's version.
    pub(crate) version: Box<str>,
    /// The state of the twin.
    pub(crate) twin: serde_json::Value,
    /// The last decisions, newest first.
    #[schemars(with = "serde_json::Value")]
    pub(crate) decisions: Vec<Decision>,
    /// The journalled inputs, oldest first.
    #[schemars(with = "serde_json::Value")]
    pub(crate) journal: Vec<JournalEntry>,
    /// The number of messages in the broker's streams.
    pub(crate) messages: Vec<MessageCount>,
}

/// Collects the document and writes it.
pub(crate) async fn export(
    service: &Service,
    customer: &str,
    is_html: bool,
    output: Option<&Path>,
) -> Result<(), Failure> {
    let export = gather(service, customer).await?;
    let text = if is_html {
        render::export(&export)
    } else {
        serde_json::to_string_pretty(&export)
            .map(|text| text + "\n")
            .map_err(|error| Failure::Unreachable(format!("the export is not JSON: {error}")))?
    };
    match output {
        None if is_html => terminal::page(&text),
        None => terminal::show(terminal::json(&text)),
        Some(path) => std::fs::write(path, text)
            .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?,
    }
    Ok(())
}

async fn gather(service: &Service, customer: &str) -> Result<Export, Failure> {
    let ask = async |part, from| -> Result<ExportReply, Failure> {
        service.ask_of(verb::EXPORT, customer, Some(&ExportRequest { part, from })).await
    };
    let twin = ask(ExportPart::Twin, None).await?;
    let decisions = ask(ExportPart::Decisions, None).await?.decisions;
    let messages = ask(ExportPart::Messages, None).await?.messages;
    let mut journal: Vec<JournalEntry> = Vec::new();
    let mut from = None;
    loop {
        let page = ask(ExportPart::Journal, from).await?;
        journal.extend(page.journal);
        match page.next {
            // The last time of a page may continue in the next one, which begins with it.
            Some(next) if Some(next) != from => {
                journal.retain(|one| one.at != next);
                from = Some(next);
            }
            _ => break,
        }
    }
    Ok(Export {
        format: 1,
        customer: twin.customer,
        at: twin.at,
        service: twin.service,
        policy: twin.policy,
        version: twin.version,
        twin: twin.twin.unwrap_or_default(),
        decisions,
        journal,
        messages,
    })
}
