//! The operator's tool: shows and controls the twins of a running jumeau service.
//!
//! Arguments become a request to the service API; the reply becomes a text (`render`).

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]
// All output goes through `out` or `terminal`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod arguments;
mod campaign;
mod erase;
mod escalations;
mod event;
mod export;
mod failure;
mod out;
mod publish;
mod render;
mod replay;
mod schema;
mod service;
mod tail;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use jumeau::api::{
    AdvanceReply, AdvanceRequest, AuditReply, AuditRequest, BackupReply, BackupRequest,
    DeadLetterView, DeadListReply, DeadListRequest, DeadRetryReply, DeadRetryRequest,
    DeadShowRequest, DecideReply, ExperimentsReply, LiveBroadcasts, PolicyStatus, ShowReply, Stats,
    TimelineReply, TimelineRequest, WhatIfReply, WhatIfRequest, WhyReply, WhyRequest, verb,
};
use jumeau::contract::Subjects;
use jumeau::event::{Channel, Customer, Time};
use jumeau::terminal;

use arguments::{Arguments, Command, Connection, Dead};
use failure::Failure;
use out::Out;
use publish::publish;
use service::Service;

fn main() -> ExitCode {
    terminal::escape_panics();
    let arguments = parsed();
    let is_json = arguments.json;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(async {
            let connection = arguments.connection.clone();
            tokio::select! {
                done = run(arguments) => done,
                // The broker reports a denial at once; the reply would never come.
                denied = service::denied(&connection) => Err(denied),
            }
        }),
        Err(error) => Err(Failure::Unreachable(format!("cannot start: {error}"))),
    };
    let is_written = || match terminal::unwritten() {
        Some(why) => Err(Failure::Unwritten(why)),
        None => Ok(()),
    };
    match done.and_then(|()| is_written()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell(is_json);
            failure.status()
        }
    }
}

/// The arguments; prints mistakes in them and exits.
fn parsed() -> Arguments {
    Arguments::try_parse().unwrap_or_else(|wrong| terminal::exit(&wrong))
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { connection, json, command } = arguments;
    let out = Out::new(json);
    match command {
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "twinctl", &mut script);
            terminal::show(String::from_utf8_lossy(&script));
            Ok(())
        }
        Command::Schema { name: None } => {
            out.tell(&schema::names(), |names| names.join("\n") + "\n")
        }
        Command::Schema { name: Some(name) } => {
            terminal::say(out::json(&schema::schema(&name)?)?);
            Ok(())
        }
        Command::Publish { .. } | Command::Broadcast { .. } => {
            send(&connection, command, out).await
        }
        Command::Receipt { command: arguments::OfReceipt::Verify { file, key } } => {
            erase::verify(&file, key.as_deref(), out)
        }
        Command::Erase { customer, yes, erasure, output, wait } => {
            let wanted = erase::EraseArguments {
                customer: &customer,
                yes,
                erasure,
                output: output.as_deref(),
                out,
                wait,
            };
            erase::erase(&Service::connect(&connection).await?, wanted).await
        }
        Command::Export { customer, html, output } => {
            if html && out.is_json() {
                return Err(Failure::Usage("expected --html or --json, found both".into()));
            }
            let service = Service::connect(&connection).await?;
            export::export(&service, &customer, html, output.as_deref()).await
        }
        Command::Campaign(choices) => campaign::campaign(&connection, choices, out).await,
        Command::Replay { customer, policy, from, models } => {
            let wanted = replay::ReplayArguments {
                customer: &customer,
                policy: &policy,
                from,
                by: models.by(),
            };
            replay::replay(&connection, &wanted, now(), |compared| {
                out.tell(compared, |compared| render::replay(compared, width()))
            })
            .await
        }
        Command::Tail { customer, channel, action, count } => {
            let wanted = tail::TailFilter { customer, channel, action };
            tail::tail(&connection, &wanted, count, out).await
        }
        Command::Stats { watch, partitions } => {
            stats(&Service::connect(&connection).await?, watch, partitions, out).await
        }
        other => ask(&Service::connect(&connection).await?, other, out).await,
    }
}

/// Commands that publish one message.
async fn send(connection: &Connection, command: Command, out: Out) -> Result<(), Failure> {
    match command {
        Command::Publish { customer, event, pairs, data, channel, id, time, dry_run } => {
            let typed = event::Typed {
                customer: &customer,
                event,
                pairs: &pairs,
                data: data.as_deref(),
                channel: &channel,
                id: id.as_deref(),
                time,
            };
            let ready = typed.ready(&subjects(&connection.prefix)?, now())?;
            publish(connection, ready, dry_run, out).await
        }
        Command::Broadcast { scope, pairs, data, id, time, dry_run } => {
            let typed = event::TypedBroadcast {
                scope: &scope,
                pairs: &pairs,
                data: data.as_deref(),
                id: id.as_deref(),
                time,
            };
            let ready = typed.ready(&subjects(&connection.prefix)?, now())?;
            publish(connection, ready, dry_run, out).await
        }
        // The others are handled elsewhere.
        _ => Ok(()),
    }
}

/// Commands with one request and one reply.
async fn ask(service: &Service, command: Command, out: Out) -> Result<(), Failure> {
    match command {
        Command::Policy => {
            let reply: PolicyStatus = service.ask_plainly(verb::POLICY).await?;
            out.tell(&reply, render::policy)
        }
        Command::Broadcasts => {
            let reply: LiveBroadcasts = service.ask_plainly(verb::BROADCASTS).await?;
            out.tell(&reply, |reply| render::broadcasts(reply, width()))
        }
        Command::Experiments => {
            let reply: ExperimentsReply = service.ask_plainly(verb::EXPERIMENTS).await?;
            out.tell(&reply, |reply| render::experiments(reply, width()))
        }
        Command::Escalations { command } => {
            escalations::escalations(service, command.unwrap_or_default(), out).await
        }
        Command::Advance { to } => {
            let reply: AdvanceReply = service.ask(verb::ADVANCE, &AdvanceRequest { to }).await?;
            out.tell(&reply, render::advanced)
        }
        Command::Backup { name } => {
            let question = BackupRequest { name: name.map(Into::into) };
            let reply: BackupReply = service.ask(verb::BACKUP, &question).await?;
            out.tell(&reply, render::backup)
        }
        Command::Audit { about, by, act, limit } => {
            let about = about.map(|id| Customer::new(&id)).transpose().map_err(Failure::Usage)?;
            let (by, act) = (by.map(Into::into), act.map(Into::into));
            let question = AuditRequest { limit: Some(limit), about, by, act };
            let reply: AuditReply = service.ask(verb::AUDIT, &question).await?;
            out.tell(&reply, |reply| render::audit(reply, width()))
        }
        Command::Dead { command } => dead(service, command, out).await,
        other => ask_of_customer(service, other, out).await,
    }
}

/// Those of them that are about one customer.
async fn ask_of_customer(service: &Service, command: Command, out: Out) -> Result<(), Failure> {
    match command {
        Command::Show { customer } if out.is_json() => {
            // The service's JSON as received, including fields of a newer version.
            let reply: serde_json::Value =
                service.ask_of(verb::SHOW, &customer, None::<&()>).await?;
            out.tell(&reply, ToString::to_string)
        }
        Command::Show { customer } => {
            let reply: ShowReply = service.ask_of(verb::SHOW, &customer, None::<&()>).await?;
            out.tell(&reply, |reply| render::twin(reply, width()))
        }
        Command::Timeline { customer, limit } => {
            let question = TimelineRequest { limit };
            let reply: TimelineReply =
                service.ask_of(verb::TIMELINE, &customer, Some(&question)).await?;
            out.tell(&reply, |reply| render::timeline(reply, width()))
        }
        Command::Why { customer, decision } => {
            let question = WhyRequest { decision: decision.map(Into::into) };
            let reply: WhyReply = service.ask_of(verb::WHY, &customer, Some(&question)).await?;
            out.tell(&reply, render::why)
        }
        Command::WhatIf { customer, event, pairs, data, channel, time } => {
            let data = event::data(data.as_deref(), &pairs)?;
            let question = WhatIfRequest { channel: channel.into(), kind: event, data, time };
            let reply: WhatIfReply =
                service.ask_of(verb::WHAT_IF, &customer, Some(&question)).await?;
            out.tell(&reply, render::what_if)
        }
        Command::Decide { customer, pairs, channel, places, most } => {
            // With the channel in the subject, as channels may request no other.
            let of = Channel::new(&channel).map_err(Failure::Usage)?;
            let verb = format!("{}.{}", verb::DECIDE, of.token());
            let question = serde_json::json!({
                "channel": channel,
                "placements": places,
                "most": most,
                "properties": event::data(None, &pairs)?,
            });
            let reply: DecideReply = service.ask_of(&verb, &customer, Some(&question)).await?;
            out.tell(&reply, render::offers)
        }
        // The others are handled elsewhere.
        _ => Ok(()),
    }
}

async fn dead(service: &Service, command: Dead, out: Out) -> Result<(), Failure> {
    match command {
        Dead::List { reason, after, limit } => {
            let question = DeadListRequest { reason, after, limit: Some(limit) };
            let reply: DeadListReply = service.ask(verb::DEAD_LIST, &question).await?;
            out.tell(&reply, |reply| render::dead_letters(reply, now(), width()))
        }
        Dead::Show { sequence } => {
            let reply: DeadLetterView =
                service.ask(verb::DEAD_SHOW, &DeadShowRequest { sequence }).await?;
            out.tell(&reply, |reply| render::letter(reply, width()))
        }
        Dead::Retry { sequences, all, data } => {
            if data.is_some() && sequences.len() != 1 {
                let found = sequences.len();
                return Err(Failure::Usage(format!(
                    "expected one dead letter to retry with corrected data, found {found}"
                )));
            }
            let payload = data.map(|data| event::corrected(&data)).transpose()?;
            let question = DeadRetryRequest { sequences, all, payload };
            let reply: DeadRetryReply = service.ask(verb::DEAD_RETRY, &question).await?;
            out.tell(&reply, render::retried)?;
            if reply.failed.is_empty() {
                return Ok(());
            }
            Err(Failure::Negative("some dead letters could not be published again".into()))
        }
    }
}

async fn stats(service: &Service, watch: bool, partitions: bool, out: Out) -> Result<(), Failure> {
    let mut before: Stats = service.ask_plainly(verb::STATS).await?;
    if out.is_json() && !watch {
        return out.tell(&before, |_| String::new());
    }
    loop {
        // Rates need two replies.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now: Stats = service.ask_plainly(verb::STATS).await?;
        let text = |now: &Stats| render::stats(now, Some(&before), partitions, width());
        if !watch {
            return out.tell(&now, text);
        }
        // Moves to the upper left corner, and clears everything below.
        let anew = terminal::ours("\u{1b}[H\u{1b}[J");
        if !out.goes_on(&now, |now| format!("{anew}{}", text(now).trim_end()))? {
            return Ok(());
        }
        before = now;
    }
}

fn subjects(prefix: &str) -> Result<Subjects, Failure> {
    Subjects::new(prefix).map_err(|error| Failure::Usage(format!("--prefix: {error}")))
}

fn now() -> Time {
    chrono::Utc::now().into()
}

/// The columns of the terminal; 120 without one.
fn width() -> u16 {
    comfy_table::Table::new().width().unwrap_or(120)
}
