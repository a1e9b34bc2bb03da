//! Loads a jumeau service with events, and measures it beside the bare bus.
//!
//! Every command starts a broker and a service of its own, as processes, in a folder of its own.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]
#![expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "it prints figures of its own, and nothing that a customer wrote"
)]

mod bare;
mod bench;
mod decide;
mod echo;
mod footprint;
mod latency;
mod progress;
mod pump;
mod replay;
mod report;
mod rig;
mod simulate;
mod traffic;
mod trouble;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use jumeau::terminal;

/// Loads a jumeau service with events, and measures it beside the bare bus.
#[derive(Debug, Parser)]
#[command(name = "twinload", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Events for each second and latency, beside the bare bus on the same events.
    Bench(bench::BenchOptions),
    /// The time from a channel's request to the decision, beside a bare echo on the same bus.
    Decide(decide::DecideOptions),
    /// The bare echo, as a process of its own.
    #[command(hide = true)]
    Echo(echo::EchoOptions),
    /// Bytes of memory that an idle twin takes.
    Footprint(footprint::FootprintOptions),
    /// A real history: 69,659 purchases of 23,570 customers, at the time of the events.
    Replay(replay::ReplayOptions),
    /// What learning is worth: customers with hidden tastes, moods and needs, who answer; no broker.
    Simulate(simulate::SimulateOptions),
    /// What other customers notice while something goes wrong, what is lost, and how the service recovers.
    Trouble(trouble::TroubleOptions),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            runtime.block_on(async {
                match &arguments.command {
                    Command::Bench(options) => bench::run(options).await,
                    Command::Decide(options) => decide::run(options).await,
                    Command::Echo(options) => echo::run(options).await,
                    Command::Footprint(options) => footprint::run(options).await,
                    Command::Replay(options) => replay::run(options).await,
                    Command::Simulate(options) => simulate::run(options),
                    Command::Trouble(options) => trouble::run(options).await,
                }
            })
        });
    let is_written = || terminal::unwritten().map_or(Ok(()), |why| Err(anyhow::Error::msg(why)));
    match done.and_then(|()| is_written()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("twinload: {error:#}");
            ExitCode::FAILURE
        }
    }
}
