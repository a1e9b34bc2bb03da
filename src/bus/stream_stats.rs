use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::chain;
use super::stream::is_missing;
use super::{Bus, Error};
use crate::config::{limits, settings};

/// The interval between two checks of the streams.
const EVERY: Duration = Duration::from_secs(2);

/// The size of a stream and its consumers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct StreamStats {
    /// The stream.
    pub stream: String,
    /// Messages that it holds.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The maximum size in bytes; none: no limit of its own.
    pub bytes_max: Option<u64>,
    /// Its durable consumers.
    pub readers: Vec<ConsumerStats>,
    /// How often it was deleted and recreated, empty, since the service started.
    #[serde(default)]
    pub made_again: u64,
    /// A current fault of the stream, with its remedy.
    #[serde(default)]
    pub trouble: Option<String>,
}

/// The position of a durable consumer: the service or an integrator.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ConsumerStats {
    /// Its name.
    pub name: String,
    /// Messages that it has yet to receive.
    pub waiting: u64,
    /// Messages that it received and has not acknowledged.
    pub unanswered: u64,
    /// Messages that expired before the consumer read them, since the service started; an upper bound for
    /// a filtered consumer.
    pub missed: u64,
}

/// Monitors the streams: reports lagging consumers before messages expire, and recreates deleted streams.
/// Cheap to clone; it ends with its runtime.
#[derive(Debug, Clone)]
pub struct StreamMonitor {
    seen: Arc<Mutex<Vec<StreamStats>>>,
}

impl StreamMonitor {
    /// Starts to monitor the streams, which should match these settings.
    pub fn spawn(bus: &Bus, settings: settings::StreamSettings, partitions: u16) -> StreamMonitor {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (bus, sink) = (bus.clone(), seen.clone());
        tokio::spawn(async move {
            let mut missed = ConsumerLosses::default();
            let mut mended = StreamRepairs::default();
            let mut beat = tokio::time::interval(EVERY);
            beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                beat.tick().await;
                if bus.is_up() {
                    mended.take(bus.repair_streams(&settings, partitions).await);
                }
                match read_stats(&bus, &mut missed).await {
                    Ok(kept) => *sink.lock() = mended.with_repairs(kept),
                    // While the broker is unreachable, the last result stays valid.
                    Err(error) => {
                        tracing::debug!(
                            error = %chain(&error),
                            "cannot read the state of the streams"
                        );
                    }
                }
            }
        });
        StreamMonitor { seen }
    }

    /// The last result; empty before the first check.
    pub fn stats(&self) -> Vec<StreamStats> {
        self.seen.lock().clone()
    }
}

async fn read_stats(bus: &Bus, missed: &mut ConsumerLosses) -> Result<Vec<StreamStats>, Error> {
    let subjects = &bus.subjects;
    let mut all = Vec::new();
    let names = [
        subjects.events_stream(),
        subjects.actions_stream(),
        subjects.dead_stream(),
        subjects.audit_stream(),
        subjects.log_stream(),
    ];
    for name in names {
        let what = "list the consumers of a stream";
        // Read before its consumers: messages that they receive meanwhile must not count as missed.
        let stream = match bus.jetstream.get_stream(&name).await {
            Ok(stream) => stream,
            // There is none unless commits go there.
            Err(error) if is_missing(&error) && name == subjects.log_stream() => continue,
            Err(error) if is_missing(&error) => {
                all.push(StreamStats { stream: name, ..StreamStats::default() });
                continue;
            }
            Err(error) => return Err(Error::request("ask for a stream")(error)),
        };
        let info = stream.cached_info();
        let mut readers = Vec::new();
        let mut consumers = stream.consumers();
        while let Some(consumer) = consumers.try_next().await.map_err(Error::request(what))? {
            // A consumer without a durable name is only an observer.
            if consumer.config.durable_name.is_none() || readers.len() == limits::READERS {
                continue;
            }
            let (taken, first) = (consumer.delivered.stream_sequence, info.state.first_sequence);
            readers.push(ConsumerStats {
                missed: missed.count(&name, &consumer.name, taken, first),
                waiting: consumer.num_pending,
                unanswered: consumer.num_ack_pending as u64,
                name: consumer.name,
            });
        }
        readers.sort_by(|one, other| one.name.cmp(&other.name));
        all.push(StreamStats {
            readers,
            messages: info.state.messages,
            bytes: info.state.bytes,
            bytes_max: u64::try_from(info.config.max_bytes).ok().filter(|most| *most > 0),
            stream: name,
            made_again: 0,
            trouble: None,
        });
    }
    missed.forget_gone_consumers(&all);
    Ok(all)
}

/// The repairs of streams: how often each was recreated, and its current fault.
#[derive(Debug, Default)]
struct StreamRepairs(BTreeMap<String, (u64, Option<String>)>);

impl StreamRepairs {
    fn take(&mut self, mended: Vec<(String, Result<(), Error>)>) {
        let was: BTreeMap<String, Option<String>> = self
            .0
            .iter_mut()
            .map(|(stream, (_, trouble))| (stream.clone(), trouble.take()))
            .collect();
        for (stream, outcome) in mended {
            let (times, trouble) = self.0.entry(stream.clone()).or_default();
            let known = was.get(&stream).and_then(Option::as_ref);
            match outcome {
                Ok(()) => {
                    *times += 1;
                    tracing::warn!(stream, "a stream was deleted; created it again, empty");
                }
                // No answer says nothing about the stream.
                Err(error) if error.is_no_answer() => {}
                Err(error) => {
                    let why = chain(&error);
                    if known != Some(&why) {
                        tracing::warn!(
                            stream,
                            why,
                            "a stream's configuration differs from the settings"
                        );
                    }
                    *trouble = Some(why);
                }
            }
        }
    }

    /// Adds repairs and faults to the statistics of the streams.
    fn with_repairs(&self, mut kept: Vec<StreamStats>) -> Vec<StreamStats> {
        for one in &mut kept {
            if let Some((times, trouble)) = self.0.get(&one.stream) {
                (one.made_again, one.trouble) = (*times, trouble.clone());
            }
        }
        kept
    }
}

/// The losses of each consumer: the sequence up to which they are counted, and their number.
#[derive(Debug, Default)]
struct ConsumerLosses(BTreeMap<(String, String), (u64, u64)>);

impl ConsumerLosses {
    /// The losses of a consumer that received everything up to `taken`, from a stream that now begins at
    /// `first`.
    fn count(&mut self, stream: &str, reader: &str, taken: u64, first: u64) -> u64 {
        let key = (stream.to_owned(), reader.to_owned());
        let (counted, missed) = self.0.entry(key).or_default();
        let (from, gone) = (taken.max(*counted), first.saturating_sub(1));
        if gone > from {
            *missed += gone - from;
            tracing::warn!(
                stream,
                reader,
                messages = gone - from,
                "messages expired from the stream before a consumer read them; raise the stream's \
                 retention, or read faster"
            );
        }
        *counted = gone.max(*counted);
        *missed
    }

    fn forget_gone_consumers(&mut self, all: &[StreamStats]) {
        self.0.retain(|(stream, reader), _| {
            let is_there = |kept: &&StreamStats| {
                kept.stream == *stream && kept.readers.iter().any(|one| one.name == *reader)
            };
            all.iter().any(|kept| is_there(&kept))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_deleted_before_it_was_read_is_counted_once() {
        let mut missed = ConsumerLosses::default();
        let mut count = |taken, first| missed.count("S", "crm", taken, first);
        assert_eq!(count(0, 1), 0, "everything is there");
        assert_eq!(count(0, 11), 10);
        assert_eq!(count(0, 11), 10, "and still the same ten");
        assert_eq!(count(0, 16), 15);
        assert_eq!(count(20, 16), 15, "it has caught up");
        assert_eq!(count(20, 21), 15, "what left was taken before");
        assert_eq!(count(20, 25), 19);
    }

    #[test]
    fn a_recreated_consumer_counts_no_missed_messages() {
        let mut missed = ConsumerLosses::default();
        missed.count("S", "crm", 0, 11);
        missed
            .forget_gone_consumers(&[StreamStats { stream: "S".into(), ..StreamStats::default() }]);
        assert_eq!(missed.count("S", "crm", 10, 11), 0);
    }
}
