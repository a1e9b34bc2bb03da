//! The troubles, one by one.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_nats::HeaderMap;
use async_nats::jetstream::{self, consumer, stream};
use jumeau::api::{ShowReply, Stats};
use tokio::time::sleep;

use super::disk::Disk;
use super::hostile;
use super::probe::Probe;
use super::{Outcome, Trouble, TroubleOptions, create_folder};
use crate::pump::Pump;
use crate::report::count;
use crate::rig::{Rig, Service};
use crate::traffic::Traffic;

/// Events per second of the hot customer.
const HOT_RATE: u64 = 10_000;
/// Messages of a hostile channel.
const HOSTILE: u64 = 230_000;
/// Maximum unconfirmed invalid events.
const RUBBISH_IN_FLIGHT: u32 = 2_000;
/// Bytes of the small disk, and the reserve on it.
const DISK: (u64, u64) = (192 << 20, 48 << 20);
/// Bytes of the stream that overflows or refuses.
const SMALL_STREAM: i64 = 256 << 10;
/// The stream is at rest when for this long only events of the undisturbed customers arrive.
const REST: Duration = Duration::from_secs(2);
/// The number of their events that may be counted and not stored, or stored and not counted.
const IN_FLIGHT: u64 = 20;
/// The maximum wait for a condition.
const TIMEOUT: Duration = Duration::from_secs(300);
/// The interval at which a condition is checked.
const LOOK: Duration = Duration::from_millis(20);

/// The parameters of a trouble besides the rig.
struct Scene<'a> {
    options: &'a TroubleOptions,
    rig: Rig,
    service: Service,
    probe: Probe,
    disk: Option<Disk>,
}

/// When a trouble began and ended, and remarks about it.
struct TroublePeriod {
    began: Instant,
    ended: Instant,
    done: String,
    remarks: Vec<String>,
}

/// Runs one trouble.
pub(super) async fn run(
    options: &TroubleOptions,
    trouble: Trouble,
    folder: &Path,
) -> anyhow::Result<Outcome> {
    std::fs::create_dir_all(folder)?;
    // A broker that is killed must have written what it confirmed; otherwise the disk that both share
    // would be measured.
    let sync_interval = if trouble == Trouble::Broker { "always" } else { "2m" };
    let rig = Rig::start(folder, sync_interval).await?;
    let disk = match trouble {
        Trouble::Disk | Trouble::Full => {
            Some(Disk::mount(&create_folder(folder, "small")?, DISK.0).await?)
        }
        _ => None,
    };
    let service = serve(&rig, trouble, disk.as_ref(), folder).await?;
    let probe = Probe::start(&rig, options.customers, options.rate.into()).await?;
    sleep(options.calm()).await;
    let mut scene = Scene { options, rig, service, probe, disk };
    let passed = match trouble {
        Trouble::Broker => scene.broker().await?,
        Trouble::Disk => scene.nearly_full().await?,
        Trouble::Full => {
            let (passed, service) = scene.full(folder).await?;
            scene = service;
            passed
        }
        Trouble::Refused => scene.refused().await?,
        Trouble::Integrator => scene.integrator().await?,
        Trouble::Hot => scene.hot().await?,
        Trouble::Rubbish => scene.rubbish().await?,
        Trouble::Hostile => scene.hostile().await?,
    };
    sleep(options.calm()).await;
    scene.end(trouble, passed).await
}

async fn serve(
    rig: &Rig,
    trouble: Trouble,
    disk: Option<&Disk>,
    folder: &Path,
) -> anyhow::Result<Service> {
    let Some(disk) = disk else { return rig.serve("store", &[]).await };
    let store = folder.join("small").join("store").display().to_string();
    let reserve = if trouble == Trouble::Full { 0 } else { DISK.1 }.to_string();
    let settings = [
        ("JUMEAU_STORE__PATH", store.as_str()),
        ("JUMEAU_STORE__WRITE_BUFFER_BYTES", "8388608"),
        ("JUMEAU_STORE__RESERVE_BYTES", reserve.as_str()),
    ];
    rig.serve_under(&disk.command_prefix()?, "store", &settings).await
}

impl Scene<'_> {
    /// Waits for the end of a trouble that began then.
    async fn last(&self, began: Instant) {
        tokio::time::sleep_until((began + self.options.trouble()).into()).await;
    }

    async fn broker(&mut self) -> anyhow::Result<TroublePeriod> {
        let began = Instant::now();
        self.rig.kill_broker().await?;
        self.last(began).await;
        self.rig.restart_broker().await?;
        let ended = Instant::now();
        let done = format!("the broker was killed, and came back after {:.0?}", ended - began);
        Ok(TroublePeriod { began, ended, done, remarks: Vec::new() })
    }

    async fn nearly_full(&mut self) -> anyhow::Result<TroublePeriod> {
        let disk = self.disk.as_ref().context("a small disk")?;
        let began = Instant::now();
        disk.fill(DISK.1 / 2).await?;
        self.last(began).await;
        let during = self.service.stats().await?;
        disk.empty().await?;
        let ended = Instant::now();
        let done = format!(
            "of the {} MiB that are to stay free, half was taken for {:.0?}",
            DISK.1 >> 20,
            ended - began
        );
        let remarks = vec![format!(
            "meanwhile it took nothing in: {}, lag {}",
            if during.space.is_short { "short of room" } else { "room enough" },
            count(during.lag)
        )];
        Ok(TroublePeriod { began, ended, done, remarks })
    }

    /// The process ends; another takes its place.
    async fn full(self, folder: &Path) -> anyhow::Result<(TroublePeriod, Self)> {
        let Scene { options, rig, service, probe, disk } = self;
        let small = disk.as_ref().context("a small disk")?;
        let began = Instant::now();
        small.fill(0).await?;
        let code = service.ended().await?;
        let log = rig.log_of("store");
        let why = log.lines().rfind(|line| line.contains("commit")).unwrap_or_default().to_owned();
        tokio::time::sleep_until((began + options.trouble()).into()).await;
        small.empty().await?;
        let service = serve(&rig, Trouble::Full, disk.as_ref(), folder).await?;
        let ended = Instant::now();
        let done = format!(
            "the disk was filled to the last byte, and {:.0?} later it had room and the service was \
             started again",
            ended - began
        );
        let remarks = vec![format!("the process ended with exit code {code}: {why}")];
        let scene = Scene { options, rig, service, probe, disk };
        Ok((TroublePeriod { began, ended, done, remarks }, scene))
    }

    async fn refused(&mut self) -> anyhow::Result<TroublePeriod> {
        let began = Instant::now();
        self.change_actions(|config| {
            config.discard = stream::DiscardPolicy::New;
            config.max_bytes = SMALL_STREAM;
        })
        .await?;
        self.last(began).await;
        let during = self.service.stats().await?;
        self.change_actions(|config| config.max_bytes = -1).await?;
        let ended = Instant::now();
        let why = during.publishing.trouble.unwrap_or_else(|| "nothing".into());
        let remarks = vec![format!("meanwhile it said that outputs wait: {why}")];
        let done = format!("the stream of actions was full for {:.0?}", ended - began);
        Ok(TroublePeriod { began, ended, done, remarks })
    }

    async fn integrator(&mut self) -> anyhow::Result<TroublePeriod> {
        let config = consumer::pull::Config {
            durable_name: Some("slow".into()),
            deliver_policy: consumer::DeliverPolicy::New,
            ..consumer::pull::Config::default()
        };
        let began = Instant::now();
        self.actions().await?.create_consumer(config).await?;
        self.change_actions(|config| config.max_bytes = SMALL_STREAM).await?;
        self.last(began).await;
        let ended = Instant::now();
        let done = format!(
            "an integrator took nothing for {:.0?}, of a stream that keeps {} KiB",
            ended - began,
            SMALL_STREAM >> 10
        );
        Ok(TroublePeriod { began, ended, done, remarks: Vec::new() })
    }

    async fn hot(&mut self) -> anyhow::Result<TroublePeriod> {
        let traffic = Traffic { customers: 1, name: "hot" };
        let events = HOT_RATE * self.options.seconds;
        let messages = (0..events).map(|number| traffic.message(&self.rig.subjects, number));
        let pump = Pump::new(&self.rig.client, 50_000).await?;
        let began = Instant::now();
        for (place, message) in (0_u64..).zip(messages) {
            let due = began + Duration::from_secs_f64(place as f64 / HOT_RATE as f64);
            if due > Instant::now() {
                tokio::time::sleep_until(due.into()).await;
            }
            pump.send(message.subject, message.headers, message.payload).await?;
        }
        pump.finish().await?;
        let ended = Instant::now();
        let done = format!("one customer had {} events in {:.1?}", count(events), ended - began);
        self.taken_in(&events).await?;
        let twin: ShowReply = self.service.ask("show.hot-0", &()).await?;
        anyhow::ensure!(twin.inputs >= events, "of {events}, {} were taken in", twin.inputs);
        let remarks = vec![format!(
            "its twin took in {} inputs, the last {:.1} s after the last was published",
            count(twin.inputs),
            ended.elapsed().as_secs_f64()
        )];
        Ok(TroublePeriod { began, ended, done, remarks })
    }

    async fn rubbish(&mut self) -> anyhow::Result<TroublePeriod> {
        let pump = Pump::new(&self.rig.client, RUBBISH_IN_FLIGHT).await?;
        let began = Instant::now();
        let mut events = 0_u64;
        while began.elapsed() < self.options.trouble() {
            let subject = format!("jumeau.events.broken.c{}", events % 1_000);
            pump.send(subject, HeaderMap::new(), "{\"type\":\"track\",".into()).await?;
            events += 1;
        }
        pump.finish().await?;
        let ended = Instant::now();
        let stats = self.dead(events).await?;
        let dead: u64 = stats.total().dead.values().sum();
        anyhow::ensure!(dead == events, "of {events}, {dead} are dead letters");
        let rate = events as f64 / (ended - began).as_secs_f64();
        let done = format!(
            "a channel sent {} broken events, {} a second",
            count(events),
            count(rate.round() as u64)
        );
        let remarks = vec![format!(
            "all of them are counted as dead letters, the last {:.1} s after the last was published",
            ended.elapsed().as_secs_f64()
        )];
        Ok(TroublePeriod { began, ended, done, remarks })
    }

    async fn hostile(&mut self) -> anyhow::Result<TroublePeriod> {
        let before = self.stream_end().await?;
        let calm_before = self.probe.published();
        let pump = Pump::new(&self.rig.client, RUBBISH_IN_FLIGHT).await?;
        let began = Instant::now();
        for message in hostile::messages(&self.rig.subjects.clone(), HOSTILE) {
            pump.send(message.subject, message.headers, message.payload).await?;
        }
        pump.finish().await?;
        let ended = Instant::now();
        let done = format!(
            "a channel sent {} broken, forged and contradictory messages, {} a second",
            count(HOSTILE),
            count((HOSTILE as f64 / (ended - began).as_secs_f64()).round() as u64)
        );
        // Messages between twins come to rest before the events of the undisturbed end.
        let internal = within("the twins to have nothing more for each other", async {
            loop {
                let (stream, calm) = (self.stream_end().await?, self.probe.published());
                sleep(REST).await;
                let (stream_later, calm_later) = (self.stream_end().await?, self.probe.published());
                // Two readings at different times may differ by what is in flight.
                if stream_later - stream <= calm_later - calm + IN_FLIGHT {
                    let own = HOSTILE + (calm_later - calm_before);
                    return Ok((stream_later - before).saturating_sub(own));
                }
            }
        })
        .await?;
        let remarks = vec![format!(
            "twins sent each other {} messages, the last {:.1} s after the last was published",
            count(internal),
            ended.elapsed().as_secs_f64()
        )];
        Ok(TroublePeriod { began, ended, done, remarks })
    }

    /// The last sequence of the event stream.
    async fn stream_end(&self) -> anyhow::Result<u64> {
        let jetstream = jetstream::new(self.rig.client.clone());
        let stream = jetstream.get_stream(self.rig.subjects.events_stream()).await?;
        Ok(stream.cached_info().state.last_sequence)
    }

    /// Waits until the hot customer's events are processed.
    async fn taken_in(&self, events: &u64) -> anyhow::Result<()> {
        within("the hot customer's events to be taken in", async {
            loop {
                let shown = self.service.ask::<ShowReply>("show.hot-0", &()).await;
                if shown.is_ok_and(|twin| twin.inputs >= *events) {
                    return Ok(());
                }
                sleep(LOOK).await;
            }
        })
        .await
    }

    /// Waits until this many dead letters are counted.
    async fn dead(&self, events: u64) -> anyhow::Result<Stats> {
        within("the broken events to be counted", async {
            loop {
                let stats = self.service.stats().await?;
                if stats.total().dead.values().sum::<u64>() >= events {
                    return Ok(stats);
                }
                sleep(LOOK).await;
            }
        })
        .await
    }

    async fn actions(&self) -> anyhow::Result<stream::Stream> {
        let jetstream = jetstream::new(self.rig.client.clone());
        Ok(jetstream.get_stream(self.rig.subjects.actions_stream()).await?)
    }

    async fn change_actions(&self, change: impl FnOnce(&mut stream::Config)) -> anyhow::Result<()> {
        let mut config = self.actions().await?.cached_info().config.clone();
        change(&mut config);
        jetstream::new(self.rig.client.clone()).update_stream(config).await?;
        Ok(())
    }

    /// Waits until everything is processed, and sums up.
    async fn end(mut self, trouble: Trouble, passed: TroublePeriod) -> anyhow::Result<Outcome> {
        let TroublePeriod { began, ended, done, mut remarks } = passed;
        let events = self.probe.hold().await?;
        let stats = within("everything to be taken in and published", async {
            loop {
                let stats = self.service.stats().await?;
                let total = stats.total();
                if stats.lag == 0 && total.in_flight == 0 && total.outbox == 0 {
                    return Ok(stats);
                }
                sleep(LOOK).await;
            }
        })
        .await?;
        remarks.extend(says(&stats));
        let noticed = self.probe.finish(events, (began, ended)).await?;
        self.service.stop().await?;
        self.rig.stop().await?;
        drop(self.disk);
        Ok(Outcome { trouble, done, noticed, remarks })
    }
}

/// The result of a future within [`TIMEOUT`], or an error that names it.
async fn within<T>(
    what: &str,
    coming: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let came = tokio::time::timeout(TIMEOUT, coming).await;
    came.with_context(|| format!("expected {what} within {TIMEOUT:?}"))?
}

/// What `twinctl stats` shows of troubles.
fn says(stats: &Stats) -> Vec<String> {
    let mut remarks = Vec::new();
    let outages = stats.publishing.outages;
    if outages.times > 0 {
        let seconds = outages.ms as f64 / 1_000.0;
        remarks.push(format!("broker gone {} times, {seconds:.1} s in all", outages.times));
    }
    if stats.space.times > 0 {
        remarks.push(format!("disk nearly full {} times", stats.space.times));
    }
    if stats.publishing.relayed.retries > 0 {
        let relayed = stats.publishing.relayed;
        remarks.push(format!(
            "published again {} times, {} copies dropped by the broker",
            count(relayed.retries),
            count(relayed.duplicates)
        ));
    }
    for kept in &stats.streams {
        for reader in kept.readers.iter().filter(|reader| reader.missed > 0) {
            remarks.push(format!(
                "reader {}: {} waiting, {} missed",
                reader.name,
                count(reader.waiting),
                count(reader.missed)
            ));
        }
        if kept.stream.ends_with("_DEAD") && kept.messages > 0 {
            let kib = kept.bytes >> 10;
            remarks.push(format!("{} dead letters kept, {} KiB", count(kept.messages), count(kib)));
        }
    }
    remarks
}
