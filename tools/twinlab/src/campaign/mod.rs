//! What a company's own past says about learning: a log of choices made at random, and their outcomes.

mod estimates;
mod log;
mod replay;
mod report;
mod response_share;
mod section;
#[cfg(test)]
mod simulated;
mod table;
#[cfg(test)]
mod tests;
mod uplift;
mod warnings;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;

use log::CampaignLog;

/// A log of choices, and how to read it.
#[derive(Debug, Args)]
pub(crate) struct CampaignArguments {
    /// The log: a CSV file in UTF-8 with the names of its columns in the first line.
    log: PathBuf,
    /// The column with the action that was chosen.
    #[arg(long, default_value = "action")]
    action: String,
    /// The column with the outcome: 1 for a response, 0 for none.
    #[arg(long, default_value = "reward")]
    reward: String,
    /// The column with the probability of the choice, from 1e-9 to 1 [default: propensity]. Without
    /// such a column, the share of each action in the log is taken.
    #[arg(long)]
    propensity: Option<String>,
    /// The columns with what was known of the customer before the choice; without it, all others.
    #[arg(long, value_delimiter = ',')]
    context: Vec<String>,
    /// Columns that are no context, such as the name of the customer, or what was known only afterwards.
    #[arg(long, value_delimiter = ',')]
    without: Vec<String>,
    /// The action that means that nothing was done, for the uplift of the others [default: control].
    #[arg(long)]
    control: Option<String>,
    /// The character between two columns: `,`, `;`, or `tab`.
    #[arg(long, default_value = ",")]
    delimiter: String,
    /// The number of random orders in which the log is replayed.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    orders: u64,
    /// The propensity that a policy would state before anything is learned, worth ten observations.
    #[arg(long, default_value_t = 0.5)]
    prior: f64,
    /// Writes the report as a page with charts, too.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

impl CampaignArguments {
    fn delimiter(&self) -> anyhow::Result<u8> {
        match (&*self.delimiter, self.delimiter.as_bytes()) {
            ("tab" | "\\t", _) => Ok(b'\t'),
            (_, [one]) if *one != b'"' && !one.is_ascii_alphanumeric() => Ok(*one),
            (other, _) => {
                bail!("expected one character in --delimiter, such as `;`, found `{other}`")
            }
        }
    }
}

/// Measures learning on a log; the report as text.
pub(crate) fn campaign(arguments: &CampaignArguments) -> anyhow::Result<String> {
    let log = CampaignLog::read(arguments)?;
    let report = report::Report::of(&log, arguments.orders);
    let sections = report.sections();
    if let Some(path) = &arguments.page {
        fs::write(path, section::page("What your past says about learning", &sections))
            .with_context(|| format!("cannot write the page {}", path.display()))?;
    }
    Ok(section::text(&sections))
}
