//! The output of the commands on the engine and its store.

use std::path::Path;

use jumeau::app::AdoptedStream;
use jumeau::config::Settings;
use jumeau::config::settings::masked;
use jumeau::policy::Policy;
use jumeau::store::StoreSummary;
use jumeau::story::Story;
use serde_json::{Value, json};

use super::{BAD, DIM, STRONG, many, mark};

/// Prints the progress on one broker.
pub(crate) struct Console {
    url: String,
}

impl Console {
    pub(crate) fn new(url: &str) -> Console {
        Console { url: masked(url) }
    }

    /// Prints that the service has started.
    pub(crate) fn ready(&self, settings: &Settings, log: &Path, operator: Option<&Path>) {
        println!("{STRONG}jumeau{STRONG:#} is up on {}", self.url);
        println!("  policy  {}", settings.service.policy);
        println!("  store   {}", settings.store.path.display());
        println!("  broker  {}", log.display());
        if let Some(operator) = operator {
            println!("  keys    as an operator: . {}", operator.display());
        }
        self.hints("alice", false);
    }

    /// Prints that the stories begin.
    pub(crate) fn print_begin(&self, settings: &Settings, policy: &Policy, stories: &[Story]) {
        println!(
            "{STRONG}jumeau{STRONG:#} is up on {}, policy {} {DIM}({}){DIM:#}, {}",
            self.url,
            policy.name,
            policy.version,
            many(settings.service.partitions.into(), "partition")
        );
        let count = many(stories.len(), "story");
        println!("{count}, each event published on NATS as a channel would:");
        for story in stories {
            println!("  {DIM}·{DIM:#} {}", story.name);
        }
        println!();
    }

    /// Prints the next commands to try.
    pub(crate) fn print_next_commands(&self, stories: &[Story]) {
        let mut steps = stories.iter().flat_map(|story| &story.steps);
        let customer = steps.find_map(|step| step.customer());
        self.hints(customer.map_or("alice", |customer| customer.as_str()), customer.is_some());
    }

    /// Prints commands to try; an event comes first if the service may not know the customer.
    fn hints(&self, customer: &str, is_known: bool) {
        let tool = std::env::current_exe()
            .ok()
            .map(|own| own.with_file_name("twinctl"))
            .filter(|tool| tool.is_file())
            .map_or_else(|| "twinctl".to_owned(), |tool| tool.display().to_string());
        let server = match self.url.strip_suffix(":4222") {
            Some(_) => String::new(),
            None => format!(" --server {}", self.url),
        };
        println!();
        println!("In another terminal:");
        let mut commands = [
            (format!("show {customer}"), "what the twin knows"),
            (format!("timeline {customer}"), "what happened"),
            ("tail".to_owned(), "events and reactions as they come"),
            (format!("publish {customer} message text='hello' from=customer"), "an event"),
            ("stats".to_owned(), "rates, lag and health of the service"),
        ];
        if !is_known {
            commands[..4].rotate_right(1);
        }
        for (what, why) in commands {
            println!("  {tool}{server} {what}   {DIM}# {why}{DIM:#}");
        }
        println!("Ctrl-C ends it.");
    }
}

/// The summary of a store, as JSON.
pub(crate) fn as_json(folder: &Path, summary: &StoreSummary) -> Value {
    let StoreSummary { partitions, floor, twins, verified, unreadable, .. } = summary;
    json!({
        "folder": folder,
        "partitions": partitions,
        "floor": floor,
        "twins": twins,
        "rows": verified.records,
        "bytes": verified.bytes,
        "unreadable": unreadable,
        "defects": verified.defects,
        "described": verified.described,
    })
}

/// Prints that the customers' keys are wrapped by another master key.
pub(crate) fn rewrapped(count: u64, to: &str) {
    let whose = if count == 1 { "1 customer's key" } else { &format!("{count} customers' keys") };
    mark(true, format!("{whose} wrapped by another master key"));
    println!("  set `store.master-key = \"{to}\"` before the next start");
}

/// Prints that the store continues with the current stream.
pub(crate) fn adopted(adopted: &AdoptedStream) {
    let AdoptedStream { stream, before, now, until, last, given_up } = adopted;
    mark(true, format!("the store continues with {stream} as it is"));
    println!("  it had processed every event up to {before}");
    if let Some(until) = until {
        println!("  the last of these was stored at {until}");
    }
    match last {
        None => println!("  there is no such stream; the next start makes it"),
        Some(last) => println!("  the next start processes events {} to {last}", now + 1),
    }
    if !given_up.is_empty() {
        let channels = given_up.join(", ");
        println!("  lost: events of these channels that were still in the slow lane: {channels}");
    }
}

/// The same, as JSON.
pub(crate) fn adopted_as_json(adopted: &AdoptedStream) -> serde_json::Value {
    let AdoptedStream { stream, before, now, until, last, given_up } = adopted;
    serde_json::json!({
        "stream": stream, "before": before, "now": now, "until": until, "last": last,
        "given_up": given_up,
    })
}

/// Prints the summary of a store, and its defects.
pub(crate) fn store_summary(folder: &Path, summary: &StoreSummary) {
    let StoreSummary { partitions, floor, metas, twins, verified, unreadable } = summary;
    let is_sound = verified.defects == 0;
    mark(is_sound, format!("store {}", folder.display()));
    let cursors = metas.iter().map(|meta| meta.cursor);
    let (lowest, highest) = (cursors.clone().min().unwrap_or(0), cursors.max().unwrap_or(0));
    println!(
        "  {} in {}, {}, {} bytes",
        counted(*twins, "twin"),
        many((*partitions).into(), "partition"),
        counted(verified.records, "row"),
        verified.bytes
    );
    // The common floor may be ahead of the cursor of an idle partition.
    let (lowest, highest) = (lowest.max(*floor), highest.max(*floor));
    println!("  processed up to event {lowest} to {highest}");
    for (table, rows) in verified.tables.iter().filter(|(_, rows)| *rows > 0) {
        println!("  {DIM}{:<12} {rows}{DIM:#}", table.name());
    }
    if *unreadable > 0 {
        let rows = counted(*unreadable, "row");
        println!("  {rows} of customers erased since then (their keys are destroyed)");
    }
    if !is_sound {
        let is = if verified.defects == 1 { "is" } else { "are" };
        println!("  {BAD}{} {is} damaged{BAD:#}", counted(verified.defects, "row"));
        for line in &verified.described {
            println!("    {line}");
        }
    }
}

fn counted(number: u64, what: &str) -> String {
    many(usize::try_from(number).unwrap_or(usize::MAX), what)
}
