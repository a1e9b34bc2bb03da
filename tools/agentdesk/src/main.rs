//! A terminal desk for agents of a jumeau service: the open escalations, the brief of the selected one,
//! and a key for every act of an agent.
//!
//! It is an example: everything goes through the service's API, so that any desktop can do the same.

mod desk;
mod page;
mod service;
mod view;

use std::collections::VecDeque;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use futures::FutureExt;
use futures::future::{Fuse, FusedFuture};
use jumeau::config::settings::{NatsSettings, TlsSettings};
use jumeau::event::Time;
use jumeau::terminal;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{MissedTickBehavior, interval};

use crate::desk::{Ask, Desk};
use crate::service::Service;

/// The interval at which due times are redrawn.
const TICK: Duration = Duration::from_secs(1);
/// The exit status without a terminal: a usage error.
const NO_TERMINAL: u8 = 2;
/// Maximum unprocessed key presses; further ones wait in the terminal.
const KEYS: usize = 64;

/// Terminal user interface for agents who handle escalations.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit status: 0 done, 1 something failed, 2 wrong usage or no terminal, 4 the \
                  help could not be written."
)]
struct Arguments {
    /// The broker; several are separated by commas.
    #[arg(short, long, env = "NATS_URL", default_value = "nats://127.0.0.1:4222")]
    server: String,
    /// A credentials file (JWT and nkey seed).
    #[arg(long, env = "NATS_CREDS")]
    creds: Option<PathBuf>,
    /// A file with the seed of an nkey.
    #[arg(long, env = "NATS_NKEY")]
    nkey: Option<PathBuf>,
    /// Certificates of authorities to trust, as a PEM file.
    #[arg(long, env = "NATS_CA")]
    ca: Option<PathBuf>,
    /// The inbox prefix for replies.
    #[arg(long, env = "NATS_INBOX_PREFIX", default_value = "_INBOX")]
    inbox_prefix: String,
    /// Your name at a broker with roles (see `jumeau keys`); replaces --agent.
    #[arg(long = "as", env = "JUMEAU_AS", value_name = "NAME")]
    name: Option<String>,
    /// The service's prefix.
    #[arg(long, env = "JUMEAU_NATS__PREFIX", default_value = "jumeau")]
    prefix: String,
    /// Your name.
    #[arg(long, env = "USER", default_value = "agent")]
    agent: String,
    /// Your queue; may be repeated or comma-separated. Default: all queues.
    #[arg(long = "queue", env = "JUMEAU_QUEUES", value_delimiter = ',')]
    queues: Vec<String>,
    /// Your language. Default: that of each queue.
    #[arg(long)]
    language: Option<String>,
}

fn main() -> ExitCode {
    let arguments = parsed();
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        terminal::warn(
            "agentdesk: expected a terminal, found none; run it in one, or use `twinctl \
             escalations`, which needs none",
        );
        return ExitCode::from(NO_TERMINAL);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(work(arguments)),
        Err(error) => Err(error.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            terminal::warn(format_args!("agentdesk: {sentence}"));
            ExitCode::FAILURE
        }
    }
}

/// The arguments; prints mistakes in them and exits.
fn parsed() -> Arguments {
    Arguments::try_parse().unwrap_or_else(|wrong| terminal::exit(&wrong))
}

async fn work(arguments: Arguments) -> Result<(), String> {
    let Arguments { server, creds, nkey, ca, inbox_prefix, name, prefix, .. } = arguments;
    let nats = NatsSettings {
        url: server,
        prefix,
        credentials: creds,
        nkey,
        inbox: inbox_prefix,
        name: name.clone(),
        tls: TlsSettings { ca, ..TlsSettings::default() },
        ..NatsSettings::default()
    };
    let agent = name.unwrap_or(arguments.agent);
    let queues = arguments.queues;
    let service =
        Service::connect(&nats, agent.clone(), queues.clone(), arguments.language).await?;
    let desk = Desk::new(agent, queues, now());
    let mut terminal = ratatui::init();
    let done = sit(&mut terminal, &service, desk).await;
    ratatui::restore();
    done
}

/// Runs the desk until the agent quits. Requests are sent one at a time, in the order of the keys, and
/// the desk keeps responding meanwhile.
async fn sit(
    terminal: &mut DefaultTerminal,
    service: &Service,
    mut desk: Desk,
) -> Result<(), String> {
    let mut news = service.news().await?;
    let mut subscription_denied = Box::pin(service.subscription_denied());
    let mut keys = keys();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut asks = VecDeque::from([Ask::List]);
    let mut answer = Box::pin(Fuse::terminated());
    while !desk.is_leaving {
        if answer.is_terminated()
            && let Some(ask) = asks.pop_front()
        {
            let asked = async move {
                let answer = service.fulfil(&ask).await;
                (ask, answer)
            };
            answer.set(asked.fuse());
        }
        (desk.now, desk.is_up) = (now(), service.is_up());
        terminal.draw(|frame| view::draw(frame, &mut desk)).map_err(|error| error.to_string())?;
        let wishes = tokio::select! {
            (ask, answer) = &mut answer => desk.take_reply(&ask, answer),
            event = keys.recv() => match event {
                Some(Event::Key(key)) if key.kind == KeyEventKind::Press => desk.press(key),
                Some(_) => Vec::new(),
                None => break,
            },
            change = news.next() => match change {
                Some(_) => {
                    // For many changes at once, the list is requested once.
                    while news.ready().is_some() {}
                    vec![Ask::List]
                }
                None => return Err("the connection to the broker is closed".to_owned()),
            },
            // Without the subscription, the desk would silently stop updating.
            sentence = &mut subscription_denied => return Err(sentence),
            _ = tick.tick() => Vec::new(),
        };
        for wish in wishes {
            if !asks.contains(&wish) {
                asks.push_back(wish);
            }
        }
    }
    Ok(())
}

fn now() -> Time {
    chrono::Utc::now().into()
}

/// Key presses, read on a thread of their own because reading blocks.
fn keys() -> Receiver<Event> {
    let (send, receive) = channel(KEYS);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if send.blocking_send(event).is_err() {
                return;
            }
        }
    });
    receive
}
