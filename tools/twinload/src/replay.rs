//! A real history at event time: which customers fall silent, and which return?

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use async_nats::HeaderMap;
use async_nats::jetstream::{self, consumer};
use chrono::{Datelike as _, NaiveDate};
use futures::StreamExt;
use jumeau::api::{AdvanceReply, AdvanceRequest, verb};
use jumeau::event::{Channel, Customer, Time};
use jumeau::terminal;
use serde_json::json;

use crate::progress;
use crate::pump::Pump;
use crate::report::count;
use crate::rig::Rig;

/// What is to be replayed.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ReplayOptions {
    /// The purchases: `CDNOW_master.txt`, as `tools/cdnow` fetches it.
    #[arg(long, default_value = ".jumeau/data/CDNOW_master.txt")]
    file: PathBuf,
    /// The policy: the name of an embedded one, or a folder.
    #[arg(long, default_value = "cdnow")]
    policy: String,
    /// A folder for all files, which is kept; without it, a temporary folder.
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// One purchase.
#[derive(Debug, Clone, PartialEq)]
struct Purchase {
    customer: String,
    day: NaiveDate,
    discs: u32,
    value: f64,
}

/// An action in its reaction.
#[derive(Debug, Clone, PartialEq)]
struct Reaction {
    customer: String,
    at: Time,
    because: String,
}

/// Replays, and prints the results.
pub(crate) async fn run(options: &ReplayOptions) -> anyhow::Result<()> {
    let purchases = read(&options.file)?;
    let last = purchases.last().context("no purchases")?.day;
    let policy = match options.policy.contains('/') {
        true => Path::new(&options.policy).canonicalize()?.display().to_string(),
        false => options.policy.clone(),
    };

    let temporary = tempfile::tempdir()?;
    let folder = options.folder.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(folder)?;
    let rig = Rig::start(&folder.canonicalize()?, "2m").await?;
    let settings = [("JUMEAU_SERVICE__POLICY", &*policy), ("JUMEAU_SERVICE__TIME", "event")];
    let service = rig.serve("replay", &settings).await?;

    let start = Instant::now();
    publish(&rig, &purchases).await?;
    let bar = progress::bar("the service", purchases.len() as u64);
    let stats = service.settle(purchases.len() as u64, |taken| bar.set_position(taken)).await?;
    bar.finish_and_clear();
    // Timers due until the end of the history fire, also after its last event.
    let end = moment(last, 86_400_000);
    let _: AdvanceReply = service.ask(verb::ADVANCE, &AdvanceRequest { to: end }).await?;
    let settled = service.settle(purchases.len() as u64, |_| {}).await?;
    let took = start.elapsed();
    let total = settled.total();
    anyhow::ensure!(
        total.events == purchases.len() as u64,
        "expected {} purchases to be taken in, found {}; dead: {:?}",
        purchases.len(),
        total.events,
        stats.total().dead
    );
    let reactions = reactions(&rig, total.actions).await?;
    service.stop().await?;
    rig.stop().await?;
    terminal::show(summary(&purchases, &reactions, took));
    Ok(())
}

/// The purchases of a file, in the order of their days.
fn read(file: &Path) -> anyhow::Result<Vec<Purchase>> {
    let text = std::fs::read_to_string(file).with_context(|| {
        format!("expected the purchases at {}; fetch them with tools/cdnow", file.display())
    })?;
    // The first line contains the column names.
    let mut purchases = text
        .lines()
        .skip(1)
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            purchase(line)
                .with_context(|| format!("expected customer, day, discs and value: {line}"))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    purchases.sort_by(|left, right| (left.day, &left.customer).cmp(&(right.day, &right.customer)));
    Ok(purchases)
}

fn purchase(line: &str) -> Option<Purchase> {
    let mut columns = line.split_ascii_whitespace();
    Some(Purchase {
        customer: columns.next()?.to_owned(),
        day: NaiveDate::parse_from_str(columns.next()?, "%Y%m%d").ok()?,
        discs: columns.next()?.parse().ok()?,
        value: columns.next()?.parse().ok()?,
    })
}

/// A time of a day, in milliseconds after its beginning.
fn moment(day: NaiveDate, ms: i64) -> Time {
    let midnight = day.and_time(chrono::NaiveTime::MIN).and_utc();
    Time::from_ms(midnight.timestamp_millis() + ms)
}

async fn publish(rig: &Rig, purchases: &[Purchase]) -> anyhow::Result<()> {
    let bar = progress::bar("publishing purchases", purchases.len() as u64);
    let pump = Pump::new(&rig.client, 5_000).await?;
    let channel = Channel::new("shop").map_err(anyhow::Error::msg)?;
    for (number, purchase) in purchases.iter().enumerate() {
        let customer = Customer::new(&purchase.customer).map_err(anyhow::Error::msg)?;
        let payload = json!({
            "specversion": "1.0",
            "id": format!("cdnow-{number}"),
            "source": "cdnow",
            "type": "track",
            // The hour is unknown: noon.
            "time": moment(purchase.day, 12 * 3_600_000),
            "data": {
                "name": "Order Completed",
                "properties": { "discs": purchase.discs, "value": purchase.value },
            },
        });
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", format!("cdnow-{number}"));
        let subject = rig.subjects.event(&channel, &customer);
        pump.send(subject, headers, payload.to_string().into()).await?;
        bar.set_position(number as u64);
    }
    pump.finish().await?;
    bar.finish_and_clear();
    Ok(())
}

/// The actions in the stream.
async fn reactions(rig: &Rig, expected: u64) -> anyhow::Result<Vec<Reaction>> {
    let jetstream = jetstream::new(rig.client.clone());
    let stream = jetstream.get_stream(rig.subjects.actions_stream()).await?;
    let reader = stream
        .create_consumer(consumer::pull::Config {
            ack_policy: consumer::AckPolicy::None,
            ..consumer::pull::Config::default()
        })
        .await?;
    let mut found = Vec::new();
    while (found.len() as u64) < expected {
        let mut messages =
            reader.batch().max_messages(500).expires(Duration::from_secs(5)).messages().await?;
        let before = found.len();
        while let Some(message) = messages.next().await {
            let message = message.map_err(|error| anyhow::anyhow!("reading actions: {error}"))?;
            let envelope: serde_json::Value = serde_json::from_slice(&message.payload)?;
            let action: jumeau::twin::Action = serde_json::from_value(envelope["data"].clone())?;
            found.push(Reaction {
                customer: action.customer.to_string(),
                at: action.at,
                because: action.reason.because.into(),
            });
        }
        if found.len() == before {
            bail!("expected {expected} actions in the stream, found {before}");
        }
    }
    Ok(found)
}

/// The width of the longest bar in columns.
const BAR: usize = 40;
/// How soon after the question an order counts as a return.
const COME_BACK_DAYS: i64 = 90;
/// The number of customers whose story is printed.
const SAMPLES: usize = 3;

fn summary(purchases: &[Purchase], reactions: &[Reaction], took: Duration) -> String {
    let mut orders: BTreeMap<&str, Vec<&Purchase>> = BTreeMap::new();
    for purchase in purchases {
        orders.entry(&purchase.customer).or_default().push(purchase);
    }
    let mut asked: BTreeMap<&str, Vec<&Reaction>> = BTreeMap::new();
    for reaction in reactions {
        asked.entry(&reaction.customer).or_default().push(reaction);
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    let (first, last) = (purchases.first(), purchases.last());
    if let (Some(first), Some(last)) = (first, last) {
        let _ = writeln!(
            text,
            "{} purchases of {} customers, {} to {}, replayed in {:.1} s: {} events/s, every timer at \
             its time\n",
            count(purchases.len() as u64),
            count(orders.len() as u64),
            first.day,
            last.day,
            took.as_secs_f64(),
            count((purchases.len() as f64 / took.as_secs_f64()) as u64),
        );
    }
    let _ = writeln!(
        text,
        "{} times a customer was silent for unusually long for them, and was asked once: {} customers\n",
        count(reactions.len() as u64),
        count(asked.len() as u64),
    );

    text += &months(reactions);
    text += &returns(&orders, reactions, last.map(|last| last.day).unwrap_or_default());
    let mut by_orders: Vec<_> = asked.iter().collect();
    by_orders.sort_by_key(|(customer, times)| {
        (times.len() != 2, std::cmp::Reverse(orders.get(*customer).map_or(0, Vec::len)))
    });
    for (customer, times) in by_orders.into_iter().take(SAMPLES) {
        let days = orders.get(customer).map_or(&[][..], |days| days);
        let _ = write!(text, "\n{}", story(customer, days, times));
    }
    text
}

/// How many were asked in each month, as bars.
fn months(reactions: &[Reaction]) -> String {
    let mut months: BTreeMap<String, usize> = BTreeMap::new();
    for reaction in reactions {
        *months.entry(reaction.at.to_utc().format("%Y-%m").to_string()).or_default() += 1;
    }
    let most = months.values().copied().max().unwrap_or(1);
    let mut text = String::new();
    for (month, times) in &months {
        let bar = "█".repeat((times * BAR).div_ceil(most));
        let _ = writeln!(text, "  {month}  {times:>5}  {bar}");
    }
    text
}

/// How many of those who were asked ordered again, as far as the data shows: it ends at `last`.
fn returns(
    orders: &BTreeMap<&str, Vec<&Purchase>>,
    reactions: &[Reaction],
    last: NaiveDate,
) -> String {
    let observable = reactions
        .iter()
        .filter(|one| (last - one.at.to_utc().date_naive()).num_days() >= COME_BACK_DAYS);
    let (mut known, mut back) = (0_u64, 0_u64);
    for one in observable {
        let day = one.at.to_utc().date_naive();
        known += 1;
        let came_back = orders.get(&*one.customer).is_some_and(|days| {
            days.iter().any(|order| (0..=COME_BACK_DAYS).contains(&(order.day - day).num_days()))
        });
        back += u64::from(came_back);
    }
    let share = 100.0 * back as f64 / known.max(1) as f64;
    format!(
        "\nof the {} who could be watched for {COME_BACK_DAYS} days after, {} ordered again ({share:.0} %)\n",
        count(known),
        count(back),
    )
}

/// The story of one customer, month by month: orders, and the questions between them.
fn story(customer: &str, orders: &[&Purchase], asked: &[&Reaction]) -> String {
    let spent: f64 = orders.iter().map(|order| order.value).sum();
    let discs: u32 = orders.iter().map(|order| order.discs).sum();
    let mut text =
        format!("customer {customer}: {} orders, {discs} discs, {spent:.2} $\n", orders.len());
    let mut days: Vec<(NaiveDate, String)> =
        orders.iter().map(|order| (order.day, "●".to_owned())).collect();
    days.extend(
        asked.iter().map(|one| (one.at.to_utc().date_naive(), format!("✉ {}", one.because))),
    );
    days.sort();
    let mut month = None;
    for (day, what) in days {
        let this = (day.year(), day.month());
        let is_question = what.starts_with('✉');
        if month != Some(this) {
            let begin = if text.ends_with('\n') { "" } else { "\n" };
            let _ = write!(text, "{begin}  {}  ", day.format("%Y-%m"));
        }
        month = Some(this);
        if is_question {
            let _ = writeln!(text, "{}{what}", if text.ends_with("  ") { "" } else { " " });
            // The next item begins a new line.
            month = None;
        } else {
            text += &what;
        }
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bought(customer: &str, day: &str) -> Purchase {
        purchase(&format!(" {customer} {day}  2   29.33")).unwrap()
    }

    #[test]
    fn a_line_of_the_history_parses_to_a_purchase() {
        let found = bought("00004", "19970118");
        assert_eq!(found.day, NaiveDate::from_ymd_opt(1997, 1, 18).unwrap());
        assert_eq!((found.discs, found.value), (2, 29.33));
        assert_eq!(purchase("customer_id date"), None);
    }

    #[test]
    fn a_replay_summary_is_shown_as_text() {
        let purchases = [
            bought("00001", "19970101"),
            bought("00001", "19970111"),
            bought("00002", "19970112"),
            bought("00001", "19970121"),
            bought("00001", "19970401"),
            bought("00001", "19980601"),
        ];
        let reactions = [Reaction {
            customer: "00001".into(),
            at: moment(NaiveDate::from_ymd_opt(1997, 2, 20).unwrap(), 0),
            because: "no order since 21.1.1997; the usual gap is 10 days".into(),
        }];
        insta::assert_snapshot!(summary(&purchases, &reactions, Duration::from_secs(2)), @r#"
        6 purchases of 2 customers, 1997-01-01 to 1998-06-01, replayed in 2.0 s: 3 events/s, every timer at its time

        1 times a customer was silent for unusually long for them, and was asked once: 1 customers

          1997-02      1  ████████████████████████████████████████

        of the 1 who could be watched for 90 days after, 1 ordered again (100 %)

        customer 00001: 5 orders, 10 discs, 146.65 $
          1997-01  ●●●
          1997-02  ✉ no order since 21.1.1997; the usual gap is 10 days
          1997-04  ●
          1998-06  ●
        "#);
    }
}
