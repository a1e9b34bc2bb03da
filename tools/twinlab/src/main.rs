//! `twinlab`: how well is learned, measured on data that others made.

mod bandit;
mod evaluate;
mod table;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Measures how well is learned.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Chooses among the labels of a set, hearing only whether a choice was right.
    ///
    /// A set is a table: lines with tabs between the fields, the first of which names the columns;
    /// `label` is the right choice, all others are features. Prints for each set the share of wrong
    /// choices (progressive loss), that of the last quarter, and microseconds a decision and an update.
    Bandit {
        /// How many orders of the rows are played, each from nothing.
        #[arg(long, default_value_t = 10)]
        passes: u64,
        /// The sets.
        #[arg(required = true)]
        sets: Vec<PathBuf>,
    },
    /// Estimates what another policy would have come to, from logs of a policy that left things to
    /// chance.
    ///
    /// A log is a table with the columns `reward`, `logged` (the probability of the choice) and
    /// `target` (the probability with which the other policy would have made it); with `expected` and
    /// `expected_of_target` (what a model expects of the choice, and of the other policy) there are
    /// doubly robust estimates, too. Prints for each log and estimator the value, its 95% interval, and
    /// how many choices the log is worth.
    Evaluate {
        /// The logs.
        #[arg(required = true)]
        logs: Vec<PathBuf>,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Bandit { passes, sets } => {
            println!("set\tloss\tlate\tdecide\tlearn");
            for set in &sets {
                println!("{}", bandit::Stream::read(set)?.play(passes).line());
            }
        }
        Command::Evaluate { logs } => {
            for log in &logs {
                print!("{}\n{}", log.display(), evaluate::evaluate(log)?);
            }
        }
    }
    Ok(())
}
