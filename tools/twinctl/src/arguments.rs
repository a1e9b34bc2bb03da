//! What an operator may type.

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use jumeau::config::settings::{self, NatsSettings, TlsSettings};
use jumeau::event::{EventType, Reason, Time};
use jumeau::rehearsal::ModelSource;

/// Inspects and operates the twins of a running jumeau service.
#[derive(Debug, Parser)]
#[command(
    name = "twinctl",
    version,
    arg_required_else_help = true,
    after_help = "Exit status: 0 done, 1 not found or refused, 2 wrong usage, 3 no broker or no \
                  service, 4 the answer could not be written.\nColours follow the terminal; \
                  NO_COLOR=1 turns them off."
)]
pub(crate) struct Arguments {
    /// How to reach the service.
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Print JSON; endless output is one object per line.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How to reach the service.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// The broker; several are separated by commas.
    // The variable may hold a password; the help must not show it.
    #[arg(
        short,
        long,
        global = true,
        env = "NATS_URL",
        hide_env_values = true,
        default_value = "nats://127.0.0.1:4222"
    )]
    pub(crate) server: String,
    /// A credentials file (JWT and nkey seed).
    #[arg(long, global = true, env = "NATS_CREDS", value_hint = ValueHint::FilePath)]
    pub(crate) creds: Option<std::path::PathBuf>,
    /// A file with the seed of an nkey.
    #[arg(long, global = true, env = "NATS_NKEY", value_hint = ValueHint::FilePath)]
    pub(crate) nkey: Option<std::path::PathBuf>,
    /// A user, with --password.
    #[arg(long, global = true, env = "NATS_USER", requires = "password")]
    pub(crate) user: Option<String>,
    /// The user's password.
    #[arg(long, global = true, env = "NATS_PASSWORD", hide_env_values = true)]
    pub(crate) password: Option<String>,
    /// Certificates of authorities to trust, as a PEM file.
    #[arg(long, global = true, env = "NATS_CA", value_hint = ValueHint::FilePath)]
    pub(crate) ca: Option<std::path::PathBuf>,
    /// The inbox prefix for replies.
    #[arg(long, global = true, env = "NATS_INBOX_PREFIX", default_value = "_INBOX")]
    pub(crate) inbox_prefix: String,
    /// The name to ask under, where the broker has roles (see `jumeau keys`).
    // With an id of its own, because arguments of the same id would take each other's values.
    #[arg(id = "as", long = "as", global = true, env = "JUMEAU_AS", value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Your queues, comma-separated: where to look for an escalation given without its queue.
    /// Default: all queues.
    #[arg(
        long,
        global = true,
        env = "JUMEAU_QUEUES",
        value_name = "QUEUES",
        value_delimiter = ','
    )]
    pub(crate) queues: Vec<String>,
    /// The service's prefix.
    #[arg(long, global = true, env = "JUMEAU_NATS__PREFIX", default_value = "jumeau")]
    pub(crate) prefix: String,
    /// Seconds to wait for an answer.
    #[arg(long, global = true, default_value = "5", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Duration,
}

impl Connection {
    /// Timeout in seconds for commands that read the streams.
    pub(crate) fn nats(&self) -> NatsSettings {
        let url = match (&self.user, &self.password) {
            (Some(user), Some(password)) => settings::with_login(&self.server, user, password),
            _ => self.server.clone(),
        };
        NatsSettings {
            url,
            prefix: self.prefix.clone(),
            credentials: self.creds.clone(),
            nkey: self.nkey.clone(),
            inbox: self.inbox_prefix.clone(),
            name: self.name.clone(),
            tls: TlsSettings { ca: self.ca.clone(), ..TlsSettings::default() },
            ..NatsSettings::default()
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the twin of one customer.
    Show {
        /// The customer, as the company writes the identifier.
        customer: String,
    },
    /// Show the recent inputs of one twin.
    Timeline {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// Show only this many of the newest. Default: all that the twin keeps.
        #[arg(short = 'n', long)]
        limit: Option<usize>,
    },
    /// Explain a decision for one customer: what, why, and what would have changed it. Read-only.
    Why {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// A decision, by its identifier; without it the last one.
        decision: Option<String>,
    },
    /// Show what would be decided if an event happened. Stores and sends nothing.
    #[command(
        name = "whatif",
        after_help = "Example:\n  twinctl whatif alice track name='Flight Booked' properties.to=LIS"
    )]
    WhatIf {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// The type of the event.
        #[arg(value_parser = event_type)]
        event: EventType,
        /// Data as `path=value`; a value is JSON, or else a text.
        #[arg(value_name = "PATH=VALUE", conflicts_with = "data")]
        pairs: Vec<String>,
        /// Data as one JSON object; `-` reads it from standard input.
        #[arg(long, value_name = "JSON")]
        data: Option<String>,
        /// The channel that would report it.
        #[arg(long, env = "JUMEAU_CHANNEL", default_value = "cli")]
        channel: String,
        /// When it would happen, for a service on event time.
        #[arg(long, value_parser = time)]
        time: Option<Time>,
    },
    /// Replay one customer's real history under another policy, side by side. Read-only.
    #[command(
        after_help = "Example:\n  twinctl replay alice --policy ./policies/next --from 2026-11-15T00:00:00Z"
    )]
    Replay {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// The other policy: a folder, or the name of a built-in one.
        #[arg(long, value_hint = ValueHint::DirPath)]
        policy: String,
        /// Compare only actions from this time on.
        #[arg(long, value_parser = time)]
        from: Option<Time>,
        /// Which model to use: the version each decision used then, or the current one.
        #[arg(long, value_enum, default_value_t = Models::Then)]
        models: Models,
    },
    /// Erase one customer, under all identifiers, and get a signed receipt. Cannot be undone.
    #[command(after_help = "Example:\n  twinctl erase alice --output alice-receipt.json")]
    Erase {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// Do not ask for confirmation.
        #[arg(long)]
        yes: bool,
        /// Show the progress of an erasure started before.
        #[arg(long, value_name = "ERASURE")]
        erasure: Option<String>,
        /// Write the receipt into this file, too.
        #[arg(short, long, value_hint = ValueHint::FilePath)]
        output: Option<std::path::PathBuf>,
        /// Seconds to wait for completion; the erasure continues in any case.
        #[arg(long, default_value = "60", value_name = "SECONDS", value_parser = seconds)]
        wait: Duration,
    },
    /// Export all data of one customer, as JSON or HTML.
    #[command(after_help = "Example:\n  twinctl export alice --html --output alice.html")]
    Export {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// Export one HTML page for the customer.
        #[arg(long)]
        html: bool,
        /// Write it into this file.
        #[arg(short, long, value_hint = ValueHint::FilePath)]
        output: Option<std::path::PathBuf>,
    },
    /// Receipts of erasures.
    Receipt {
        /// What to do with one.
        #[command(subcommand)]
        command: OfReceipt,
    },
    /// List and handle escalations.
    #[command(
        after_help = "Example:\n  twinctl escalations list --queue care\n  twinctl escalations claim \
                      ann --agent kim\n  twinctl escalations resolve ann --agent kim --outcome \
                      refunded"
    )]
    Escalations {
        /// What to do. Default: list open escalations.
        #[command(subcommand)]
        command: Option<crate::escalations::Escalations>,
    },
    /// Ask what to show to one customer now, as a channel does. The twin remembers it.
    #[command(
        after_help = "Example:\n  twinctl decide alice --channel app --place hero --place receipt page=cards"
    )]
    Decide {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// Current context as `path=value`; the value is JSON, or text if it is not valid JSON.
        #[arg(value_name = "PATH=VALUE")]
        pairs: Vec<String>,
        /// The channel that asks.
        #[arg(long, env = "JUMEAU_CHANNEL")]
        channel: String,
        /// A placement to fill; may be repeated.
        #[arg(long = "place")]
        places: Vec<String>,
        /// How many actions per placement.
        #[arg(long, default_value = "1")]
        most: u8,
    },
    /// Follow events and reactions as they happen.
    Tail {
        /// Only of this customer.
        #[arg(short, long)]
        customer: Option<String>,
        /// Only in this channel.
        #[arg(long)]
        channel: Option<String>,
        /// Only this action (and no events).
        #[arg(short, long)]
        action: Option<String>,
        /// Stop after this many.
        #[arg(short = 'n', long)]
        count: Option<u64>,
    },
    /// Show rates, lag, memory, queues and dead letters of the service.
    Stats {
        /// Every second, until Ctrl-C.
        #[arg(short, long)]
        watch: bool,
        /// With a row for each partition.
        #[arg(short, long)]
        partitions: bool,
    },
    /// List, show and retry dead letters.
    Dead {
        /// What to do with them.
        #[command(subcommand)]
        command: Dead,
    },
    /// Publish one event.
    #[command(
        after_help = "Examples:\n  twinctl publish alice track name='Flight Booked' properties.to=LIS\n  \
                      twinctl publish alice signal name=card_abroad value=blocked ttl=86400\n  \
                      twinctl publish alice message --channel chat --data '{\"text\": \"Hello?\", \"from\": \"customer\"}'"
    )]
    Publish {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// The type of the event.
        #[arg(value_parser = event_type)]
        event: EventType,
        /// Data as `path=value`; a value is JSON, or else a text.
        #[arg(value_name = "PATH=VALUE", conflicts_with = "data")]
        pairs: Vec<String>,
        /// Data as one JSON object; `-` reads it from standard input.
        #[arg(long, value_name = "JSON")]
        data: Option<String>,
        /// The channel that reports it.
        #[arg(long, env = "JUMEAU_CHANNEL", default_value = "cli")]
        channel: String,
        /// The event's id; a new one by default.
        #[arg(long)]
        id: Option<String>,
        /// When it happened; now by default.
        #[arg(long, value_parser = time)]
        time: Option<Time>,
        /// Print the event and check it, without sending it.
        #[arg(long)]
        dry_run: bool,
    },
    /// Publish a broadcast to all matching customers.
    #[command(
        after_help = "Examples:\n  twinctl broadcast fires value.level=3 where=\"profile.region in ['NSW', 'VIC']\" wake=true\n  \
                      twinctl broadcast outage value=true ttl=7200\n  \
                      twinctl broadcast fires ended=true"
    )]
    Broadcast {
        /// The name of the shared fact, as policies read it.
        scope: String,
        /// Data as `path=value`; a value is JSON, or else a text.
        #[arg(value_name = "PATH=VALUE", conflicts_with = "data")]
        pairs: Vec<String>,
        /// Data as one JSON object; `-` reads it from standard input.
        #[arg(long, value_name = "JSON")]
        data: Option<String>,
        /// The broadcast's id; a new one by default.
        #[arg(long)]
        id: Option<String>,
        /// When it was said. Default: now.
        #[arg(long, value_parser = time)]
        time: Option<Time>,
        /// Print the broadcast and check it, without sending it.
        #[arg(long)]
        dry_run: bool,
    },
    /// List active broadcasts: their condition and how many twins they have woken.
    Broadcasts,
    /// Run a campaign: all matching customers decide once, at a bounded rate; shows progress.
    #[command(
        after_help = "Examples:\n  twinctl campaign spring --where \"profile.city == 'Ghent'\" --action offer_travel_insurance --dry-run\n  \
                      twinctl campaign spring --where \"profile.city == 'Ghent'\" --issue sales --channel email --rate 200\n  \
                      twinctl broadcast spring ended=true\n\n\
                      The campaign runs on its own, also across restarts of the service; the last example \
                      ends it."
    )]
    Campaign(CampaignChoices),
    /// Show results of experiments, with confidence intervals.
    Experiments,
    /// Move the clock of a service that runs on event time.
    Advance {
        /// The new time, such as 2026-11-22T09:30:00Z.
        #[arg(value_parser = time)]
        to: Time,
    },
    /// Show the active policy and the outcome of the last change.
    Policy,
    /// Make a backup of the running service's store, on its disk.
    Backup {
        /// The copy's name in the folder `store.backups`; the time by default.
        name: Option<String>,
    },
    /// Show the audit log: who did what, when, to whom.
    Audit {
        /// Only about this customer.
        #[arg(long)]
        about: Option<String>,
        /// Only by this name.
        #[arg(long)]
        by: Option<String>,
        /// Only this act, such as `show` or `dead.retry`.
        #[arg(long)]
        act: Option<String>,
        /// The newest so many.
        #[arg(short = 'n', long, default_value = "20")]
        limit: usize,
    },
    /// Print JSON Schemas of input and output messages.
    Schema {
        /// One of them; without it their names.
        name: Option<String>,
    },
    /// A completion script for a shell.
    Completion {
        /// The shell.
        shell: Shell,
    },
}

/// The choices of a campaign.
#[derive(Debug, Args)]
pub(crate) struct CampaignChoices {
    /// Its name: that of a shared fact.
    pub(crate) name: String,
    /// Condition on customers: an expression over profile, context, facts, preferences,
    /// consents, cases. Default: all customers.
    #[arg(long = "where", value_name = "EXPRESSION")]
    pub(crate) condition: Option<String>,
    /// An action that takes part; may be repeated. Left out: all.
    #[arg(long = "action")]
    pub(crate) actions: Vec<String>,
    /// An issue that takes part: service, retention, nurture or sales; may be repeated.
    #[arg(long = "issue")]
    pub(crate) issues: Vec<String>,
    /// Only actions that may be shown there; may be repeated.
    #[arg(long = "place")]
    pub(crate) places: Vec<String>,
    /// The channel in which they are said. Left out: the one that fits best.
    #[arg(long)]
    pub(crate) channel: Option<String>,
    /// Customers visited in a second, at most.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,
    /// Days after which it ends in any case.
    #[arg(long, default_value = "7", value_parser = clap::value_parser!(u32).range(1..=30))]
    pub(crate) days: u32,
    /// Dry run: count matching customers and show the actions of a sample; sends nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Sample size of a dry run.
    #[arg(long, default_value = "1000")]
    pub(crate) sample: usize,
    /// Start it and do not wait for its end.
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Start it even without a condition and without actions.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Which model version a replay uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Models {
    Then,
    Now,
}

impl Models {
    pub(crate) fn by(self) -> ModelSource {
        match self {
            Models::Then => ModelSource::Then,
            Models::Now => ModelSource::Now,
        }
    }
}

/// What to do with a receipt.
#[derive(Debug, Subcommand)]
pub(crate) enum OfReceipt {
    /// Verify its signature. Needs no service.
    Verify {
        /// The receipt.
        #[arg(value_hint = ValueHint::FilePath)]
        file: std::path::PathBuf,
        /// The key that must have signed it; any by default.
        #[arg(long, value_name = "U…")]
        key: Option<String>,
    },
}

/// What to do with events that could not be used.
#[derive(Debug, Subcommand)]
pub(crate) enum Dead {
    /// List them, oldest first.
    List {
        /// Only of this reason.
        #[arg(long, value_parser = reason)]
        reason: Option<Reason>,
        /// Only those after this number.
        #[arg(long, default_value = "0", hide_default_value = true)]
        after: u64,
        /// At most this many.
        #[arg(short = 'n', long, default_value = "20")]
        limit: usize,
    },
    /// Show one with its payload.
    Show {
        /// Its number.
        #[arg(value_parser = sequence)]
        sequence: u64,
    },
    /// Publish some again, or one with corrected data.
    #[command(
        after_help = "Examples:\n  twinctl dead retry 12 15\n  twinctl dead show 12 --json | jq -r .text \
                      > event.json; vi event.json\n  twinctl dead retry 12 --data event.json\n\n\
                      A corrected event keeps its subject (so its customer and channel) and its \
                      headers, except `Nats-Msg-Id`; if it still cannot be used, it is not \
                      published."
    )]
    Retry {
        /// Their numbers.
        #[arg(required_unless_present = "all", value_parser = sequence)]
        sequences: Vec<u64>,
        /// All there are.
        #[arg(long, conflicts_with = "sequences")]
        all: bool,
        /// Corrected data for one of them: a file with the payload as `dead show` prints it; `-`
        /// reads standard input.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "all")]
        data: Option<std::path::PathBuf>,
    },
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 3600.0 => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected a number of seconds, above 0 and at most 3600".into()),
    }
}

fn event_type(text: &str) -> Result<EventType, String> {
    text.parse().map_err(|rejection: jumeau::event::Rejection| rejection.detail)
}

fn time(text: &str) -> Result<Time, String> {
    Time::parse(text).ok_or_else(|| "expected a time such as 2026-11-22T09:30:00Z".into())
}

fn sequence(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| {
        "expected the number of a dead letter, such as 12; `twinctl dead list` shows them"
            .to_owned()
    })
}

fn reason(text: &str) -> Result<Reason, String> {
    text.parse().map_err(|_| format!("expected one of {}", Reason::NAMES.join(", ")))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_of_the_arguments_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_name_of_a_backup_is_not_the_name_of_the_user() {
        let parsed = |line: &str| Arguments::try_parse_from(line.split(' ')).unwrap();
        let plain = parsed("twinctl backup nightly");
        assert!(plain.connection.name.is_none_or(|name| name != "nightly"));
        let both = parsed("twinctl --as anna backup nightly");
        assert_eq!(both.connection.name.as_deref(), Some("anna"));
        let Command::Backup { name, .. } = both.command else { panic!("not a backup") };
        assert_eq!(name.as_deref(), Some("nightly"));
    }

    #[test]
    fn an_invalid_dead_letter_number_is_refused_with_where_to_find_one() {
        for line in ["twinctl dead show x", "twinctl dead retry 1 x"] {
            let refusal = Arguments::try_parse_from(line.split(' ')).unwrap_err().to_string();
            let wanted =
                "expected the number of a dead letter, such as 12; `twinctl dead list` shows them";
            assert!(refusal.contains(wanted), "{refusal}");
        }
    }

    #[test]
    fn a_mistyped_event_type_is_refused_with_the_right_name() {
        let refusal =
            Arguments::try_parse_from(["twinctl", "publish", "alice", "trakc"]).unwrap_err();
        assert!(refusal.to_string().contains("did you mean `track`?"), "{refusal}");
    }
}
