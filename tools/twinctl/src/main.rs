//! The operator's tool: shows and steers the twins of a running jumeau service.
//!
//! Arguments become a request on the service API; the answer becomes a text (`render`).

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod arguments;
mod campaign;
mod erase;
mod escalations;
mod event;
mod export;
mod failure;
mod render;
mod replay;
mod schema;
mod service;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anstream::{eprintln, print, println};
use async_nats::jetstream;
use clap::{CommandFactory, Parser};
use futures::StreamExt;
use futures::stream::{BoxStream, SelectAll};
use jumeau::api::{
    Advance, Advanced, AuditReply, AuditRequest, BackupReply, BackupRequest, DeadLetter,
    DeadLetters, DeadList, DeadRetried, DeadRetry, DeadShow, DecideReply, ExperimentsReply,
    LiveBroadcasts, PolicyStatus, ShowReply, Stats, TimelineReply, TimelineRequest, WhatIfReply,
    WhatIfRequest, WhyReply, WhyRequest, verb,
};
use jumeau::bus::{Arrivals, Bus, Subjects};
use jumeau::event::{Campaign, Channel, Customer, Time, encode};
use serde::Serialize;

use arguments::{Arguments, Command, Connection, Dead};
use failure::Failure;
use service::Service;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(arguments)),
        Err(error) => Err(Failure::Unreachable(format!("cannot start: {error}"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let wrong = anstyle::AnsiColor::Red.on_default().bold();
            eprintln!("{wrong}twinctl:{wrong:#} {failure}");
            failure.status()
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { connection, command } = arguments;
    match command {
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "twinctl", &mut script);
            print!("{}", String::from_utf8_lossy(&script));
            Ok(())
        }
        Command::Schema { name: None } => {
            println!("{}", schema::names().join("\n"));
            Ok(())
        }
        Command::Schema { name: Some(name) } => print_json(&schema::schema(&name)?),
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
            publish(&connection, ready, dry_run).await
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
            publish(&connection, ready, dry_run).await
        }
        Command::Receipt { command: arguments::OfReceipt::Verify { file, key } } => {
            erase::verify(&file, key.as_deref())
        }
        Command::Erase { customer, yes, erasure, output, wait, json } => {
            let wanted = erase::Wanted {
                customer: &customer,
                yes,
                erasure,
                output: output.as_deref(),
                json,
                wait,
            };
            erase::erase(&Service::connect(&connection).await?, wanted).await
        }
        Command::Export { customer, json: _, html, output } => {
            let service = Service::connect(&connection).await?;
            export::export(&service, &customer, html, output.as_deref()).await
        }
        Command::Campaign {
            name,
            condition,
            actions,
            issues,
            places,
            channel,
            rate,
            days,
            dry_run,
            sample,
            no_wait,
        } => {
            let names = |all: Vec<String>| all.into_iter().map(Into::into).collect();
            let campaign = Campaign {
                actions: names(actions),
                issues: names(issues),
                placements: names(places),
                channel: channel.map(Into::into),
                rate,
            };
            let wanted = campaign::Wanted { name: &name, condition, campaign, ttl: days * 86_400 };
            let service = Service::connect(&connection).await?;
            if dry_run {
                let reply = wanted.rehearse(&service, sample).await?;
                print!("{}", render::rehearsed(&reply));
                return Ok(());
            }
            campaign::check(&service, &wanted).await?;
            let subjects = subjects(&connection.prefix)?;
            let begun = event::campaign(&name, &wanted.fact(), &subjects, now())?;
            let identity = begun.identity;
            publish(&connection, begun.ready, false).await?;
            if no_wait { Ok(()) } else { campaign::watch(&service, &name, &identity).await }
        }
        Command::Replay { customer, policy, from, models } => {
            let wanted =
                replay::Wanted { customer: &customer, policy: &policy, from, by: models.by() };
            replay::replay(&connection, &wanted, now(), |told| {
                print!("{}", render::replay(told, width()));
            })
            .await
        }
        Command::Tail { customer, channel, action, count, json } => {
            let wanted = Wanted { customer, channel, action };
            tail(&connection, &wanted, count, json).await
        }
        Command::Stats { watch, partitions, json } => {
            stats(&Service::connect(&connection).await?, watch, partitions, json).await
        }
        other => ask(&Service::connect(&connection).await?, other).await,
    }
}

/// Commands that are one question and one answer.
async fn ask(service: &Service, command: Command) -> Result<(), Failure> {
    match command {
        Command::Show { customer, json } => {
            if json {
                // As the service says it, with whatever a newer one may know.
                let reply: serde_json::Value =
                    service.ask_of(verb::SHOW, &customer, None::<&()>).await?;
                return print_json(&reply);
            }
            let reply: ShowReply = service.ask_of(verb::SHOW, &customer, None::<&()>).await?;
            print!("{}", render::twin(&reply, width()));
        }
        Command::Timeline { customer, limit, json } => {
            let question = TimelineRequest { limit };
            let reply: TimelineReply =
                service.ask_of(verb::TIMELINE, &customer, Some(&question)).await?;
            if json {
                return print_json(&reply);
            }
            print!("{}", render::timeline(&reply, width()));
        }
        Command::Why { customer, decision, json } => {
            let question = WhyRequest { decision: decision.map(Into::into) };
            let reply: WhyReply = service.ask_of(verb::WHY, &customer, Some(&question)).await?;
            if json {
                return print_json(&reply);
            }
            print!("{}", render::why(&reply));
        }
        Command::WhatIf { customer, event, pairs, data, channel, time, json } => {
            let data = event::data(data.as_deref(), &pairs)?;
            let question = WhatIfRequest { channel: channel.into(), kind: event, data, time };
            let reply: WhatIfReply =
                service.ask_of(verb::WHAT_IF, &customer, Some(&question)).await?;
            if json {
                return print_json(&reply);
            }
            print!("{}", render::what_if(&reply));
        }
        Command::Decide { customer, pairs, channel, places, most, json } => {
            // With its channel in the subject, as channels may ask no other way.
            let of = Channel::new(&channel).map_err(Failure::Usage)?;
            let verb = format!("{}.{}", verb::DECIDE, of.token());
            let question = serde_json::json!({
                "channel": channel,
                "placements": places,
                "most": most,
                "properties": event::data(None, &pairs)?,
            });
            let reply: DecideReply = service.ask_of(&verb, &customer, Some(&question)).await?;
            if json {
                return print_json(&reply);
            }
            print!("{}", render::offers(&reply));
        }
        Command::Policy { json } => {
            let reply: PolicyStatus = service.ask_plainly(verb::POLICY).await?;
            if json {
                return print_json(&reply);
            }
            print!("{}", render::policy(&reply));
        }
        Command::Broadcasts { json } => {
            let reply: LiveBroadcasts = service.ask_plainly(verb::BROADCASTS).await?;
            if json {
                return print_json(&reply);
            }
            print!("{}", render::broadcasts(&reply, width()));
        }
        Command::Experiments { json } => {
            let reply: ExperimentsReply = service.ask_plainly(verb::EXPERIMENTS).await?;
            if json {
                return print_json(&reply);
            }
            print!("{}", render::experiments(&reply, width()));
        }
        Command::Escalations { command } => {
            return escalations::escalations(service, command.unwrap_or_default(), width()).await;
        }
        Command::Advance { to } => {
            let reply: Advanced = service.ask(verb::ADVANCE, &Advance { to }).await?;
            println!("it is {}; {} timers fired", reply.to, reply.timers_fired);
        }
        Command::Backup { name, json } => {
            let question = BackupRequest { name: name.map(Into::into) };
            let reply: BackupReply = service.ask(verb::BACKUP, &question).await?;
            if json {
                return print_json(&reply);
            }
            println!(
                "{} holds {} in {} files, made in {} ms",
                reply.path,
                render::bytes(reply.bytes),
                reply.files,
                reply.took_ms
            );
        }
        Command::Audit { about, by, act, limit, json } => {
            let about = about.map(|id| Customer::new(&id)).transpose().map_err(Failure::Usage)?;
            let (by, act) = (by.map(Into::into), act.map(Into::into));
            let question = AuditRequest { limit: Some(limit), about, by, act };
            let reply: AuditReply = service.ask(verb::AUDIT, &question).await?;
            if json {
                return print_json(&reply);
            }
            print!("{}", render::audit(&reply, width()));
        }
        Command::Dead { command } => return dead(service, command).await,
        // The others never come here.
        _ => {}
    }
    Ok(())
}

async fn dead(service: &Service, command: Dead) -> Result<(), Failure> {
    match command {
        Dead::List { reason, after, limit, json } => {
            let question = DeadList { reason, after, limit: Some(limit) };
            let reply: DeadLetters = service.ask(verb::DEAD_LIST, &question).await?;
            if json {
                return print_json(&reply);
            }
            print!("{}", render::letters(&reply, now(), width()));
        }
        Dead::Show { sequence, json } => {
            let reply: DeadLetter = service.ask(verb::DEAD_SHOW, &DeadShow { sequence }).await?;
            if json {
                return print_json(&reply);
            }
            print!("{}", render::letter(&reply, width()));
        }
        Dead::Retry { sequences, all } => {
            let question = DeadRetry { sequences, all };
            let reply: DeadRetried = service.ask(verb::DEAD_RETRY, &question).await?;
            print!("{}", render::retried(&reply));
            if !reply.failed.is_empty() {
                return Err(Failure::Negative("not all could be published once more".into()));
            }
        }
    }
    Ok(())
}

async fn stats(
    service: &Service,
    watch: bool,
    partitions: bool,
    json: bool,
) -> Result<(), Failure> {
    let mut before: Stats = service.ask_plainly(verb::STATS).await?;
    if json && !watch {
        return print_json(&before);
    }
    loop {
        // Rates need two answers.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now: Stats = service.ask_plainly(verb::STATS).await?;
        let shown = if json {
            pretty(&now)?
        } else {
            render::stats(&now, Some(&before), partitions, width())
        };
        // To the upper left corner, and everything below cleared.
        let place = if json || !watch { "" } else { "\u{1b}[H\u{1b}[J" };
        if !is_read(&format!("{place}{}", shown.trim_end())) || !watch {
            return Ok(());
        }
        before = now;
    }
}

async fn publish(
    connection: &Connection,
    ready: event::Ready,
    dry_run: bool,
) -> Result<(), Failure> {
    let event::Ready { subject, id, payload } = ready;
    if dry_run {
        println!("{subject}\n{payload}");
        return Ok(());
    }
    let service = Service::connect(connection).await?;
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Nats-Msg-Id", id.as_str());
    headers.insert("Content-Type", "application/cloudevents+json");
    let unreachable = |error: jetstream::context::PublishError| {
        Failure::Unreachable(format!(
            "expected a stream that stores `{subject}`: {error}; the service makes it when it starts"
        ))
    };
    let sent = jetstream::new(service.client.clone())
        .publish_with_headers(subject.clone(), headers, payload.into())
        .await
        .map_err(unreachable)?;
    let stored = sent.await.map_err(unreachable)?;
    if stored.duplicate {
        println!("{id} was stored before as {} #{}", stored.stream, stored.sequence);
    } else {
        println!("{id} is stored as {} #{}", stored.stream, stored.sequence);
    }
    Ok(())
}

/// What a tail shows.
struct Wanted {
    customer: Option<String>,
    channel: Option<String>,
    action: Option<String>,
}

impl Wanted {
    /// What events and what else to listen to: the former come from the stream, because the broker may
    /// let nobody hear what is published there.
    fn of(&self, subjects: &Subjects) -> Result<(Option<WantedEvents>, Vec<String>), Failure> {
        let customer =
            self.customer.as_deref().map(Customer::new).transpose().map_err(Failure::Usage)?;
        let channel =
            self.channel.as_deref().map(Channel::new).transpose().map_err(Failure::Usage)?;
        let (of, within) = (
            customer.as_ref().map_or_else(|| "*".to_owned(), Customer::token),
            channel.as_ref().map_or_else(|| "*".to_owned(), Channel::token),
        );
        let prefix = subjects.prefix();
        if let Some(action) = &self.action {
            return Ok((None, vec![format!("{prefix}.actions.{within}.{}.{of}", encode(action))]));
        }
        let mut heard = vec![
            format!("{prefix}.actions.{within}.*.{of}"),
            format!("{prefix}.recalls.{within}.{of}"),
        ];
        if channel.is_none() {
            heard.push(format!("{prefix}.escalations.*.{of}"));
        }
        if channel.is_none() && customer.is_none() {
            heard.push(subjects.all_dead());
        }
        Ok((Some((channel, customer)), heard))
    }
}

/// Events of a channel, if only of that; about a customer, if only about that one.
type WantedEvents = (Option<Channel>, Option<Customer>);

/// A message as a tail shows it: its subject, headers and payload.
type Seen = (String, Vec<(String, String)>, bytes::Bytes);

/// What comes into the stream of events.
async fn events(
    connection: &Connection,
    wanted: Option<WantedEvents>,
) -> Result<BoxStream<'static, Result<Seen, Failure>>, Failure> {
    let Some((channel, customer)) = wanted else { return Ok(futures::stream::pending().boxed()) };
    let unreachable = |error: jumeau::bus::Error| Failure::Unreachable(error.to_string());
    let bus = Bus::visit(&connection.nats()).await.map_err(unreachable)?;
    let arrivals = bus.arrivals(channel.as_ref(), customer.as_ref()).await.map_err(unreachable)?;
    let next = move |mut arrivals: Arrivals| async move {
        let seen = arrivals.next().await.map_err(unreachable).map(|original| {
            let headers = original.headers.iter();
            let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
            (original.subject.to_string(), headers.collect(), original.payload.clone())
        });
        Some((seen, arrivals))
    };
    Ok(futures::stream::unfold(arrivals, next).boxed())
}

async fn tail(
    connection: &Connection,
    wanted: &Wanted,
    count: Option<u64>,
    json: bool,
) -> Result<(), Failure> {
    let subjects = subjects(&connection.prefix)?;
    let (events_wanted, heard) = wanted.of(&subjects)?;
    let service = Service::connect(connection).await?;
    let mut messages = SelectAll::new();
    for subject in heard {
        let subscribed = service.client.subscribe(subject.clone()).await;
        let subscribed = subscribed.map_err(|error| {
            Failure::Unreachable(format!("cannot listen on `{subject}`: {error}"))
        })?;
        messages.push(
            subscribed
                .map(|message| {
                    let headers = message.headers.iter().flat_map(|headers| headers.iter());
                    let headers = headers.flat_map(|(name, values)| {
                        values.iter().map(move |value| (name.to_string(), value.to_string()))
                    });
                    Ok((message.subject.to_string(), headers.collect(), message.payload.clone()))
                })
                .boxed(),
        );
    }
    messages.push(events(connection, events_wanted).await?);
    let mut left = count.unwrap_or(u64::MAX);
    while left > 0
        && let Some(seen) = messages.next().await
    {
        let (subject, headers, payload): Seen = seen?;
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let at = chrono::Local::now().format("%H:%M:%S%.3f").to_string();
        let heard = render::Heard::read(&subjects, &subject, &headers, &payload, at);
        if let Some(heard) = heard {
            let line = if json {
                serde_json::to_string(&heard).unwrap_or_default()
            } else {
                render::line(&heard)
            };
            if !is_read(&line) {
                break;
            }
            left -= 1;
        }
    }
    Ok(())
}

fn subjects(prefix: &str) -> Result<Subjects, Failure> {
    Subjects::new(prefix).map_err(|error| Failure::Usage(format!("--prefix: {error}")))
}

fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    println!("{}", pretty(value)?);
    Ok(())
}

fn pretty(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value)
        .map_err(|error| Failure::Unreachable(format!("an answer that is no JSON: {error}")))
}

/// Prints a line of what goes on without end; `false` once nobody reads it, as after `tail | head`.
pub(crate) fn is_read(line: &str) -> bool {
    let mut out = anstream::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}

fn now() -> Time {
    chrono::Utc::now().into()
}

/// The columns of the terminal; 120 where there is none.
fn width() -> u16 {
    comfy_table::Table::new().width().unwrap_or(120)
}
