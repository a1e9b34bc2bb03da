//! `twinlab`: measures learning quality on public data.

mod bandit;
mod buyers;
mod calibration;
mod campaign;
mod evaluate;
mod page;
mod table;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use jumeau::terminal;

/// Measures the quality of learning on public data.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Chooses among the labels of a set, and learns only whether each choice was right.
    ///
    /// A set is a table: lines with tabs between the fields, the first of which names the columns;
    /// `label` is the right choice, all others are features. Its rows are played once, in their
    /// order, by a learner without experience. Prints for each set the number of wrong choices, the
    /// number of choices, and the microseconds of all decisions and of all updates.
    Bandit {
        /// The sets.
        #[arg(required = true)]
        sets: Vec<PathBuf>,
    },
    /// Estimates the rewards of another policy from the logs of a policy that chose at random.
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
    /// Tries learning on a company's own past: a log of choices made at random, and their outcomes.
    ///
    /// Prints what choosing by the learner would have come to, by replays of the log in many orders and
    /// by off-policy estimates; how well its predictions match what happened; and, with a control
    /// action, whether it tells for whom an action makes a difference.
    Campaign(campaign::CampaignArguments),
    /// Predicts who buys: gives a twin the first nine months of each CDNOW customer, learns from all of
    /// them, and asks each twin about the next nine months. Prints tables of predictions and purchases.
    Buyers {
        /// The purchases, as `tools/cdnow` fetches them.
        purchases: PathBuf,
        /// The folder of the twins' policy.
        #[arg(long, default_value = "config/policies/cdnow")]
        policy: PathBuf,
        /// Writes what was expected and what happened as a page with a chart, too.
        #[arg(long, value_name = "FILE")]
        page: Option<PathBuf>,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Bandit { sets } => {
            terminal::say("set\twrong\trounds\tdeciding_us\tlearning_us");
            for set in &sets {
                let outcome = bandit::Stream::read(set)?.play();
                let [deciding, learning] =
                    [outcome.deciding, outcome.learning].map(|time| time.as_micros());
                let (wrong, rounds) = (outcome.wrong, outcome.rounds);
                terminal::say(format_args!(
                    "{}\t{wrong}\t{rounds}\t{deciding}\t{learning}",
                    set.display()
                ));
            }
        }
        Command::Evaluate { logs } => {
            for log in &logs {
                terminal::show(format_args!("{}\n{}", log.display(), evaluate::evaluate(log)?));
            }
        }
        Command::Campaign(arguments) => terminal::show(campaign::campaign(&arguments)?),
        Command::Buyers { purchases, policy, page } => {
            terminal::show(buyers::buyers(&purchases, &policy, page.as_deref())?);
        }
    }
    // A reader who stops reading, as `| head` does, is no failure.
    match terminal::unwritten() {
        Some(why) => Err(anyhow::Error::msg(why)),
        None => Ok(()),
    }
}
