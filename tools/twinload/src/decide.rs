//! From a channel's request to the decision, beside a bare echo on the same bus.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use async_nats::Subject;
use bytes::Bytes;
use futures::StreamExt;
use hdrhistogram::Histogram;
use jumeau::terminal;
use serde::Serialize;
use serde_json::json;

use crate::rig::{Rig, Service};
use crate::{echo, progress, report};

/// What is to be measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DecideOptions {
    /// Requests for each second, one run after the other.
    #[arg(long, value_delimiter = ',', default_value = "1000,5000")]
    rates: Vec<u32>,
    /// Actions of the policy.
    #[arg(long, default_value = "50")]
    actions: u32,
    /// Treatments of all its actions together.
    #[arg(long, default_value = "200")]
    treatments: u32,
    /// When the service answers: `durable`, `early`, or one after the other.
    #[arg(long, value_delimiter = ',', default_value = "durable,early")]
    answers: Vec<String>,
    /// Seconds of each run.
    #[arg(long, default_value = "10")]
    seconds: u32,
    /// Customers that are asked about.
    #[arg(long, default_value = "10000")]
    customers: u64,
    /// A folder for all files, which is kept; without it, a temporary folder.
    #[arg(long)]
    folder: Option<std::path::PathBuf>,
    /// The figures as JSON.
    #[arg(long)]
    json: bool,
}

/// The latencies of replies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Took {
    /// Requests.
    pub(crate) requests: u64,
    /// Complete replies.
    pub(crate) answers: u64,
    /// The median latency in milliseconds.
    pub(crate) p50_ms: f64,
    /// The 99th percentile.
    pub(crate) p99_ms: f64,
    /// The maximum.
    pub(crate) max_ms: f64,
}

/// One rate, the bare echo beside the service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct RateFigures {
    /// When the service answers.
    pub(crate) answers: String,
    /// Requests per second.
    pub(crate) rate: u32,
    /// The bare echo.
    pub(crate) echo: Took,
    /// The service.
    pub(crate) decide: Took,
}

/// All measurements.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct DecideReport {
    /// Actions of the policy.
    pub(crate) actions: u32,
    /// Treatments of all its actions together.
    pub(crate) treatments: u32,
    /// Customers of the requests.
    pub(crate) customers: u64,
    /// Processors of the machine.
    pub(crate) processors: usize,
    /// The figures.
    pub(crate) figures: Vec<RateFigures>,
}

/// The warm-up before each measured run.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long to wait for the last replies.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Measures, and prints.
pub(crate) async fn run(options: &DecideOptions) -> anyhow::Result<()> {
    let temporary = tempfile::tempdir()?;
    let folder = options.folder.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    let policy = folder.join("policy");
    write_policy(&policy, options.actions, options.treatments)?;

    let rig = Rig::start(&folder, "2m").await?;
    let runs = (options.answers.len() * options.rates.len()) as u64;
    let bar = progress::bar("asking", runs);
    let mut figures = Vec::new();
    for answers in &options.answers {
        let settings = [
            ("JUMEAU_SERVICE__POLICY", policy.to_str().context("a folder with a plain name")?),
            ("JUMEAU_SERVICE__ANSWERS", answers.as_str()),
        ];
        let service = rig.serve(&format!("store-{answers}"), &settings).await?;
        let sample = sample(&service).await?;
        let mut echo = echo::start(&rig.client, &rig.url(), &sample).await?;
        for rate in &options.rates {
            let load = Load { rig: &rig, options, rate: *rate };
            let (bare, decide) = (load.run(echo::SUBJECT), load.run("jumeau.api.decide"));
            figures.push(RateFigures {
                answers: answers.clone(),
                rate: *rate,
                echo: bare.await?,
                decide: decide.await?,
            });
            bar.inc(1);
        }
        echo.kill().await?;
        service.stop().await?;
    }
    bar.finish_and_clear();
    rig.stop().await?;
    let report = DecideReport {
        actions: options.actions,
        treatments: options.treatments,
        customers: options.customers,
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        figures,
    };
    if options.json {
        terminal::say(serde_json::to_string_pretty(&report)?);
    } else {
        terminal::show(report::decide(&report));
    }
    Ok(())
}

fn request() -> serde_json::Value {
    json!({ "channel": "app", "placements": ["home"], "context": { "page": "cards" } })
}

/// One reply of the service, which the echo will repeat.
async fn sample(service: &Service) -> anyhow::Result<String> {
    let answer: serde_json::Value = service.ask("decide.somebody", &request()).await?;
    if answer["offers"].as_array().is_none_or(Vec::is_empty) {
        bail!("expected an answer with something to show, found {answer}");
    }
    Ok(answer.to_string())
}

/// Requests at a constant rate.
struct Load<'a> {
    rig: &'a Rig,
    options: &'a DecideOptions,
    rate: u32,
}

impl Load<'_> {
    /// Sends requests to a subject. A request's latency counts from its scheduled time, so that a delayed
    /// request does not hide a slow reply.
    async fn run(&self, subject: &str) -> anyhow::Result<Took> {
        let client = &self.rig.client;
        let inbox = client.new_inbox();
        let mut answers = client.subscribe(format!("{inbox}.*")).await?;
        client.flush().await?;
        let length = WARM_UP + Duration::from_secs(self.options.seconds.into());
        let rate = f64::from(self.rate);
        let requests = (length.as_secs_f64() * rate) as u64;
        let first = (WARM_UP.as_secs_f64() * rate) as u64;
        let start = Instant::now() + Duration::from_millis(50);
        let due = move |number: u64| start + Duration::from_secs_f64(number as f64 / rate);

        let asking = {
            let (client, subject) = (client.clone(), subject.to_owned());
            let customers = self.options.customers;
            let payload = Bytes::from(request().to_string());
            // A thread of its own: the runtime's timer has a resolution of milliseconds.
            tokio::task::spawn_blocking(move || {
                for number in 0..requests {
                    std::thread::sleep(due(number).saturating_duration_since(Instant::now()));
                    let subject = format!("{subject}.c{}", number * 7_919 % customers);
                    let reply = format!("{inbox}.{number}");
                    let sent = client.publish_with_reply(subject, reply, payload.clone());
                    futures::executor::block_on(sent)?;
                }
                anyhow::Ok(())
            })
        };
        // From a microsecond to a minute, with three digits.
        let mut histogram = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
        for _ in 0..requests {
            let next = tokio::time::timeout(TIMEOUT, answers.next()).await;
            let Ok(Some(answer)) = next else { break };
            let now = Instant::now();
            let number = number_of(&answer.subject).context("an answer to no request")?;
            if number >= first && answer.headers.is_none() {
                let took = now.saturating_duration_since(due(number)).as_micros();
                histogram.saturating_record(u64::try_from(took).unwrap_or(u64::MAX).max(1));
            }
        }
        asking.await??;
        let ms = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        Ok(Took {
            requests: requests - first,
            answers: histogram.len(),
            p50_ms: ms(0.5),
            p99_ms: ms(0.99),
            max_ms: histogram.max() as f64 / 1_000.0,
        })
    }
}

fn number_of(subject: &Subject) -> Option<u64> {
    subject.rsplit('.').next()?.parse().ok()
}

/// Maximum actions in one file.
const ACTIONS_IN_FILE: u32 = 200;

/// A policy in which every action is a candidate for every request, and one in ten has a condition that
/// does not hold.
fn write_policy(folder: &Path, actions: u32, treatments: u32) -> anyhow::Result<()> {
    const TONES: [&str; 4] = ["neutral", "gentle", "direct", "urgent"];
    std::fs::create_dir_all(folder)?;
    let head = r#"
[policy]
name = "many"
languages = ["en"]

[needs.attention]
describe = "something to look at"
expires = "1h"

[[rules]]
name = "somebody is there"
on = "ask"
then = [{ raise = "attention", strength = 0.6, because = "{{ event.properties.page }} is open" }]
"#;
    std::fs::write(folder.join("policy.toml"), head)?;
    let each = (treatments / actions.max(1)).max(1);
    for first in (0..actions).step_by(ACTIONS_IN_FILE as usize) {
        let mut text = String::new();
        for number in first..actions.min(first + ACTIONS_IN_FILE) {
            let value = 0.2 + f64::from(number * 7_919 % 700) / 1_000.0;
            let page = if number % 10 == 0 { "loans" } else { "cards" };
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\n[[actions]]\nname = \"action-{number}\"\nserves = [\"attention\"]\n\
                 issue = \"nurture\"\nvalue = {value:.3}\ncooldown = \"0s\"\n\
                 when = \"event.properties.page == '{page}'\"\n"
            );
            for treatment in 0..each {
                let tone = TONES[treatment as usize % TONES.len()];
                let _ = write!(
                    text,
                    "[[actions.treatments]]\nname = \"t{treatment}\"\nchannel = \"app\"\n\
                     tone = \"{tone}\"\ntext.en = \"Number {number} for {{{{ customer.id }}}}, \
                     said the {treatment}th way.\"\n"
                );
            }
        }
        std::fs::write(folder.join(format!("actions-{first}.toml")), text)?;
    }
    Ok(())
}
