//! The command line.

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use jumeau::config::settings::{self, NatsSettings, TlsSettings};
use jumeau::event::{EventType, Reason, Time};
use jumeau::rehearsal::ModelSource;

/// Shows and steers the twins of a running jumeau service.
#[derive(Debug, Parser)]
#[command(
    name = "twinctl",
    version,
    arg_required_else_help = true,
    after_help = "Exit status: 0 done, 1 not found or refused, 2 wrong usage, 3 no broker or no \
                  service.\nColours follow the terminal; NO_COLOR=1 turns them off."
)]
pub(crate) struct Arguments {
    /// How to reach the service.
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// The answer as JSON; of what goes on without end, one object for each line.
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
    // The variable may contain a password, which the help must not show.
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
    /// What the subjects start with on which answers come.
    #[arg(long, global = true, env = "NATS_INBOX_PREFIX", default_value = "_INBOX")]
    pub(crate) inbox_prefix: String,
    /// The name to ask under, where the broker has roles (see `jumeau keys`).
    // With an id of its own, because arguments with the same id would take each other's values.
    #[arg(id = "as", long = "as", global = true, env = "JUMEAU_AS", value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The queues of whoever asks, separated by commas: where an escalation is looked for that is named
    /// without one; an agent without queues looks in all.
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
    /// The connection settings for reading the streams.
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
    /// All that is known of one customer.
    Show {
        /// The customer, as the company writes the identifier.
        customer: String,
    },
    /// What one customer's twin took in lately.
    Timeline {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// The newest so many; without it all that the twin remembers.
        #[arg(short = 'n', long)]
        limit: Option<usize>,
    },
    /// What was decided for one customer, why, and what would have changed it. Changes nothing.
    Why {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// A decision, by its identifier; without it the last one.
        decision: Option<String>,
    },
    /// What would be decided if an event happened. Nothing is stored, nothing is sent.
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
    /// The real past of one customer under another policy, side by side. Changes nothing.
    #[command(
        after_help = "Example:\n  twinctl replay alice --policy ./policies/next --from 2026-11-15T00:00:00Z"
    )]
    Replay {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// The other policy: a folder, or the name of one that comes along.
        #[arg(long, value_hint = ValueHint::DirPath)]
        policy: String,
        /// Compare only what was said from this moment on.
        #[arg(long, value_parser = time)]
        from: Option<Time>,
        /// By what was known then, each decision by the version that it went by; or by what is known
        /// now.
        #[arg(long, value_enum, default_value_t = Models::Then)]
        models: Models,
    },
    /// Erases one customer, under all identifiers, and gets a signed receipt. Cannot be undone.
    #[command(after_help = "Example:\n  twinctl erase alice --output alice-receipt.json")]
    Erase {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// Do not ask whether that is meant.
        #[arg(long)]
        yes: bool,
        /// Ask how far an erasure is that was begun before.
        #[arg(long, value_name = "ERASURE")]
        erasure: Option<String>,
        /// Write the receipt into this file, too.
        #[arg(short, long, value_hint = ValueHint::FilePath)]
        output: Option<std::path::PathBuf>,
        /// Seconds to wait until nothing is left to do; it goes on without anybody who waits.
        #[arg(long, default_value = "60", value_name = "SECONDS", value_parser = seconds)]
        wait: Duration,
    },
    /// Everything that is held of one customer, for a machine or for a person.
    #[command(after_help = "Example:\n  twinctl export alice --html --output alice.html")]
    Export {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// As one page of HTML, for the customer to read.
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
    /// What waits for people, and what they do about it.
    #[command(
        after_help = "Example:\n  twinctl escalations list --queue care\n  twinctl escalations claim \
                      ann --agent kim\n  twinctl escalations resolve ann --agent kim --outcome \
                      refunded"
    )]
    Escalations {
        /// What to do; without it all that waits is listed.
        #[command(subcommand)]
        command: Option<crate::escalations::Escalations>,
    },
    /// Asks what to show to one customer now, as a channel does. The twin remembers it.
    #[command(
        after_help = "Example:\n  twinctl decide alice --channel app --place hero --place receipt page=cards"
    )]
    Decide {
        /// The customer, as the company writes the identifier.
        customer: String,
        /// The context of this moment, as `path=value`; a value is JSON, or else a text.
        #[arg(value_name = "PATH=VALUE")]
        pairs: Vec<String>,
        /// The channel that asks.
        #[arg(long, env = "JUMEAU_CHANNEL")]
        channel: String,
        /// Where there is room.
        #[arg(long = "place")]
        places: Vec<String>,
        /// How many are wanted in each place.
        #[arg(long, default_value = "1")]
        most: u8,
    },
    /// Events and reactions, as they happen.
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
        /// End after so many.
        #[arg(short = 'n', long)]
        count: Option<u64>,
    },
    /// How the service is: rates, lag, memory, queues, dead letters.
    Stats {
        /// Every second, until Ctrl-C.
        #[arg(short, long)]
        watch: bool,
        /// With a row for each partition.
        #[arg(short, long)]
        partitions: bool,
    },
    /// Events that could not be used.
    Dead {
        /// What to do with them.
        #[command(subcommand)]
        command: Dead,
    },
    /// Publishes one event.
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
    /// Says something to all customers whom it concerns.
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
        /// When it was said; now by default.
        #[arg(long, value_parser = time)]
        time: Option<Time>,
        /// Print the broadcast and check it, without sending it.
        #[arg(long)]
        dry_run: bool,
    },
    /// Broadcasts that live: whom they concern, and how many they have woken.
    Broadcasts,
    /// Has all customers whom it concerns decide once, at a bounded rate; shows how far it is.
    #[command(
        after_help = "Examples:\n  twinctl campaign spring --where \"profile.city == 'Ghent'\" --action offer_travel_insurance --dry-run\n  \
                      twinctl campaign spring --where \"profile.city == 'Ghent'\" --issue sales --channel email --rate 200\n  \
                      twinctl broadcast spring ended=true\n\n\
                      It goes on by itself, also after a restart of the service; the last example ends it."
    )]
    Campaign {
        /// Its name: that of a shared fact.
        name: String,
        /// Whom it concerns: an expression over profile, context, facts, preferences, consents, cases.
        /// Left out: everybody.
        #[arg(long = "where", value_name = "EXPRESSION")]
        condition: Option<String>,
        /// An action that takes part; may be repeated. Left out: all.
        #[arg(long = "action")]
        actions: Vec<String>,
        /// An issue that takes part: service, retention, nurture or sales; may be repeated.
        #[arg(long = "issue")]
        issues: Vec<String>,
        /// Only actions that may be shown there; may be repeated.
        #[arg(long = "place")]
        places: Vec<String>,
        /// The channel in which they are said. Left out: the one that fits best.
        #[arg(long)]
        channel: Option<String>,
        /// Customers looked at in a second, at most.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        rate: Option<u32>,
        /// Days after which it is over at the latest.
        #[arg(long, default_value = "7", value_parser = clap::value_parser!(u32).range(1..=30))]
        days: u32,
        /// Count whom it concerns, and try what would be said on a sample; say nothing.
        #[arg(long)]
        dry_run: bool,
        /// How many customers of a dry run decide.
        #[arg(long, default_value = "1000")]
        sample: usize,
        /// Begin it, and do not wait for its end.
        #[arg(long)]
        no_wait: bool,
        /// Begin it although it names neither whom it concerns nor what it may say.
        #[arg(long)]
        yes: bool,
    },
    /// What experiments have shown, and how sure that is.
    Experiments,
    /// Moves the clock of a service that runs on event time.
    Advance {
        /// The new time, such as 2026-11-22T09:30:00Z.
        #[arg(value_parser = time)]
        to: Time,
    },
    /// Which policy is loaded, and what became of the last change.
    Policy,
    /// Makes a copy of the store while the service runs, on its own disk.
    Backup {
        /// The copy's name in the folder `store.backups`; the time by default.
        name: Option<String>,
    },
    /// What people did: who, when, what, about whom.
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
    /// JSON Schemas of what goes in and what comes out.
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

/// The model versions of a replay.
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
    /// Tells whether its words are those that were signed. Needs no service.
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
    /// The oldest of them first.
    List {
        /// Only of this reason.
        #[arg(long, value_parser = reason)]
        reason: Option<Reason>,
        /// Only those behind this one.
        #[arg(long, default_value = "0", hide_default_value = true)]
        after: u64,
        /// So many.
        #[arg(short = 'n', long, default_value = "20")]
        limit: usize,
    },
    /// One of them, with its bytes.
    Show {
        /// Its number.
        #[arg(value_parser = sequence)]
        sequence: u64,
    },
    /// Publishes some of them once more, or one of them mended.
    #[command(
        after_help = "Examples:\n  twinctl dead retry 12 15\n  twinctl dead show 12 --json | jq -r .text \
                      > event.json; vi event.json\n  twinctl dead retry 12 --data event.json\n\n\
                      A mended event keeps its subject, so its customer and channel, and its \
                      headers, but for the `Nats-Msg-Id`; what still cannot be used is not \
                      published."
    )]
    Retry {
        /// Their numbers.
        #[arg(required_unless_present = "all", value_parser = sequence)]
        sequences: Vec<u64>,
        /// All there are.
        #[arg(long, conflicts_with = "sequences")]
        all: bool,
        /// The event of one of them, mended: a file with what `dead show` calls its payload; `-` reads
        /// it from standard input.
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
    let known = Reason::ALL.into_iter().find(|known| known.token() == text);
    known.ok_or_else(|| format!("expected one of {}", Reason::ALL.map(Reason::token).join(", ")))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_hold_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_name_of_a_copy_is_not_the_name_that_one_asks_under() {
        let parsed = |line: &str| Arguments::try_parse_from(line.split(' ')).unwrap();
        let plain = parsed("twinctl backup nightly");
        assert!(plain.connection.name.is_none_or(|name| name != "nightly"));
        let both = parsed("twinctl --as anna backup nightly");
        assert_eq!(both.connection.name.as_deref(), Some("anna"));
        let Command::Backup { name, .. } = both.command else { panic!("not a backup") };
        assert_eq!(name.as_deref(), Some("nightly"));
    }

    #[test]
    fn what_is_no_number_of_a_dead_letter_is_refused_with_where_numbers_are() {
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
