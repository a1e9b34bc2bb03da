use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use async_nats::jetstream::stream::{Config, RetentionPolicy, Source, SubjectTransform};
use async_nats::jetstream::{ErrorCode, stream};
use serde::{Deserialize, Serialize};

use super::connection::check_payload;
use super::malformed_headers::fetch_next;
use super::{Bus, Error};
use crate::config::{limits, settings};
use crate::event::Channel;

/// The name of the durable consumer of the stream of events.
pub(super) const CONSUMER: &str = "twins";

impl Lag {
    /// Uncommitted events.
    pub fn behind(&self) -> u64 {
        self.waiting + self.in_flight + self.slow
    }
}

impl Bus {
    /// Creates missing streams, and checks existing ones.
    ///
    /// Retention, size, replicas and the duplicate window of a stream are set when it is created; for an
    /// existing stream they are left to its operator. Only the event stream must have no duplicate
    /// window.
    ///
    /// # Errors
    /// [`Error::Stream`] if a stream contradicts the contract or the settings, [`Error::Payload`] if the
    /// broker's maximum message is too small, [`Error::Request`] if the broker does not answer or
    /// refuses.
    pub async fn ensure_streams(
        &self,
        settings: &settings::StreamSettings,
        partitions: u16,
    ) -> Result<(), Error> {
        if !(1..=5).contains(&settings.replicas) {
            return Err(Error::Setting {
                setting: "streams.replicas",
                expected: "1 to 5",
                found: settings.replicas.to_string(),
            });
        }
        if partitions == 0 {
            return Err(Error::Setting {
                setting: "service.partitions",
                expected: "1 to 65535",
                found: "0".into(),
            });
        }
        check_payload(self.client.max_payload())?;
        for wanted in self.configs(settings, partitions) {
            self.ensure_stream(wanted).await?;
        }
        for channel in &settings.integrators {
            self.ensure_integrator(channel).await?;
        }
        Ok(())
    }

    /// Creates the durable consumer of a channel's integrator, for actions and recalls in one order. An
    /// integrator that could create it could choose what it receives, so a broker with roles does not
    /// allow that.
    async fn ensure_integrator(&self, channel: &str) -> Result<(), Error> {
        let channel = Channel::new(channel).map_err(|found| Error::Setting {
            setting: "streams.integrators",
            expected: "names of channels",
            found,
        })?;
        let token = channel.token();
        let prefix = self.subjects.prefix();
        let config = pull::Config {
            durable_name: Some(token.clone()),
            description: Some("actions and recalls of one channel, for its integrator".into()),
            filter_subjects: vec![
                format!("{prefix}.actions.{token}.>"),
                format!("{prefix}.recalls.{token}.>"),
            ],
            ack_policy: AckPolicy::Explicit,
            max_deliver: -1,
            ..pull::Config::default()
        };
        let stream = self.stream(&self.subjects.actions_stream()).await?;
        stream
            .create_consumer(config)
            .await
            .map(drop)
            .map_err(Error::request("make the consumer of an integrator"))
    }

    fn configs(&self, settings: &settings::StreamSettings, partitions: u16) -> [Config; 4] {
        let subjects = &self.subjects;
        let base = Config {
            retention: RetentionPolicy::Limits,
            num_replicas: settings.replicas.into(),
            max_bytes: bytes(settings.bytes_max),
            max_age: hours(settings.keep_hours),
            duplicate_window: Duration::from_secs(settings.duplicate_window_seconds.into()),
            allow_direct: true,
            ..Config::default()
        };
        let audit = Config {
            name: subjects.audit_stream(),
            description: Some("audit log: who did what, when".into()),
            subjects: vec![subjects.all_audit()],
            max_age: hours(settings.keep_audit_hours),
            // Audit lines cannot be deleted, not even by the service.
            deny_delete: true,
            deny_purge: true,
            max_bytes: -1,
            ..base.clone()
        };
        [
            audit,
            self.wanted_events(base.clone(), partitions),
            Config {
                name: subjects.actions_stream(),
                description: Some(
                    "outputs of twins: actions, recalls, escalations, observations".into(),
                ),
                subjects: vec![
                    subjects.all_actions(),
                    subjects.all_recalls(),
                    subjects.all_escalations(),
                    subjects.all_observations(),
                ],
                ..base.clone()
            },
            Config {
                name: subjects.dead_stream(),
                description: Some("dead letters: unusable events, with the reason".into()),
                subjects: vec![subjects.all_dead()],
                max_age: hours(settings.keep_dead_hours),
                max_bytes: bytes(match (settings.bytes_max, settings.dead_bytes_max) {
                    (0, most) | (most, 0) => most,
                    (each, dead) => each.min(dead),
                }),
                max_messages_per_subject: limits::DEAD_LETTERS as i64,
                ..base
            },
        ]
    }

    /// The event stream.
    fn wanted_events(&self, base: Config, partitions: u16) -> Config {
        let subjects = &self.subjects;
        let (source, destination) = subjects.transform(partitions);
        // The broker has one memory of message ids for the whole stream: a channel could suppress another
        // channel's event by using its id first, on any subject. That memory is off only in a stream with
        // a source (nats-server 2.14); without one, a window of 0 becomes two minutes. So the stream has
        // a source that never delivers anything: nothing is published under that subject of the audit.
        // Twins recognise duplicates themselves.
        let nothing = Source {
            name: subjects.audit_stream(),
            filter_subject: Some(subjects.audit(NOTHING)),
            ..Source::default()
        };
        Config {
            name: subjects.events_stream(),
            description: Some("events of all channels, by partition".into()),
            subjects: vec![subjects.all_events(), subjects.all_broadcasts()],
            subject_transform: Some(SubjectTransform { source, destination }),
            duplicate_window: Duration::ZERO,
            sources: Some(vec![nothing]),
            ..base
        }
    }

    /// Recreates deleted streams, except the event stream, whose processed events cannot be recreated.
    /// Returns the recreated streams, and the faults of others, by their names.
    pub(super) async fn repair_streams(
        &self,
        settings: &settings::StreamSettings,
        partitions: u16,
    ) -> Vec<(String, Result<(), Error>)> {
        let mut mended = Vec::new();
        for wanted in self.configs(settings, partitions) {
            let name = wanted.name.clone();
            if name == self.subjects.events_stream() {
                continue;
            }
            let integrators = match name == self.subjects.actions_stream() {
                true => &settings.integrators[..],
                false => &[],
            };
            match self.ensure_stream(wanted).await {
                Ok(false) => {}
                Ok(true) => {
                    let mut made = Ok(());
                    for channel in integrators {
                        made = made.and(self.ensure_integrator(channel).await);
                    }
                    mended.push((name, made));
                }
                Err(error) => mended.push((name, Err(error))),
            }
        }
        mended
    }

    /// Creates a stream if there is none, and checks it if there is; returns whether it was created.
    pub(super) async fn ensure_stream(&self, wanted: Config) -> Result<bool, Error> {
        match self.jetstream.get_stream(&wanted.name).await {
            Ok(found) => check(&wanted, &found.cached_info().config).map(|()| false),
            Err(error) if is_missing(&error) => {
                let name = wanted.name.clone();
                self.jetstream
                    .create_stream(wanted)
                    .await
                    .map_err(Error::request("create a stream that is missing"))?;
                tracing::info!(stream = name, "created a stream");
                Ok(true)
            }
            Err(error) => Err(Error::Request { what: "ask for a stream", source: Box::new(error) }),
        }
    }

    pub(super) async fn stream(&self, name: &str) -> Result<stream::Stream, Error> {
        self.jetstream.get_stream(name).await.map_err(Error::request("ask for a stream"))
    }

    /// The last event on a subject; none if there is none.
    pub(super) async fn last_event_on(
        &self,
        subject: &str,
    ) -> Result<Option<StreamMessage>, Error> {
        let stream = self.stream(&self.subjects.events_stream()).await?;
        match stream.get_last_raw_message_by_subject(subject).await {
            Ok(message) => Ok(Some(message)),
            Err(error) if matches!(error.kind(), LastRawMessageErrorKind::NoMessageFound) => {
                Ok(None)
            }
            Err(error) => Err(Error::request("look for an event")(error)),
        }
    }

    /// The lag of the intake behind the event stream.
    ///
    /// # Errors
    /// [`Error::Request`] if the broker does not answer, or there is no such stream or consumer.
    pub async fn lag(&self) -> Result<Lag, Error> {
        let mut stream = self.stream(&self.subjects.events_stream()).await?;
        let consumer = stream
            .consumer_info(CONSUMER)
            .await
            .map_err(Error::request("ask how far the intake is"))?;
        let state =
            &stream.info().await.map_err(Error::request("ask for the state of a stream"))?.state;
        let (last, delivered) = (state.last_sequence, consumer.delivered.stream_sequence);
        let mut waiting = consumer.num_pending;
        // The broker notifies its consumers of a new message a moment after it has confirmed it; or else
        // the last ones were erased.
        if waiting == 0 && delivered < last {
            let name = self.subjects.events_stream();
            let next = fetch_next(self, &name, delivered + 1, ">").await?;
            waiting = next.map_or(0, |next| (last + 1).saturating_sub(next.sequence).max(1));
        }
        Ok(Lag {
            last,
            delivered,
            acknowledged: consumer.ack_floor.stream_sequence,
            waiting,
            in_flight: consumer.num_ack_pending as u64,
            slow: self.slow.behind(),
        })
    }
}

/// The lag of the intake behind the event stream.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Lag {
    /// The last sequence in the stream.
    pub last: u64,
    /// The last sequence that was delivered.
    pub delivered: u64,
    /// The sequence up to which everything is acknowledged.
    pub acknowledged: u64,
    /// Events that were not delivered yet.
    pub waiting: u64,
    /// Events that were delivered and not acknowledged yet.
    pub in_flight: u64,
    /// The number of sequences between the last event in the slow lane and its durable position: an upper
    /// bound of the events that wait.
    pub slow: u64,
}

/// A limit in bytes; 0: none.
fn bytes(most: u64) -> i64 {
    if most == 0 { -1 } else { i64::try_from(most).unwrap_or(i64::MAX) }
}

fn hours(count: u32) -> Duration {
    Duration::from_secs(u64::from(count) * 3_600)
}

pub(super) fn is_missing(error: &async_nats::jetstream::context::GetStreamError) -> bool {
    matches!(
        error.kind(),
        GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND
    )
}

/// An act that nobody performs, so the audit holds nothing under it.
const NOTHING: &str = "_nothing";

/// Checks that a stream matches the settings in all that matters.
fn check(wanted: &Config, found: &Config) -> Result<(), Error> {
    let differs = |what, expected: String, found: String, remedy| {
        Err(Error::Stream { stream: wanted.name.clone(), what, expected, found, remedy })
    };
    if wanted.subjects != found.subjects {
        return differs(
            "the subjects",
            wanted.subjects.join(", "),
            found.subjects.join(", "),
            "give the stream these subjects",
        );
    }
    if wanted.subject_transform != found.subject_transform {
        return differs(
            "the partitions",
            transform_name(wanted),
            transform_name(found),
            "set `service.partitions` to what the stream was created with",
        );
    }
    if wanted.retention != found.retention {
        return differs(
            "the retention",
            format!("{:?}", wanted.retention).to_lowercase(),
            format!("{:?}", found.retention).to_lowercase(),
            "recreate the stream with this retention",
        );
    }
    if wanted.duplicate_window.is_zero() && !found.duplicate_window.is_zero() {
        return differs(
            "the window for duplicates",
            "none, so that no channel can suppress another channel's event by reusing its id"
                .into(),
            format!("{:?}", found.duplicate_window),
            "recreate the stream: this cannot be changed later",
        );
    }
    if found.no_ack || found.sealed {
        return differs(
            "a stream that",
            "accepts and acknowledges messages".into(),
            if found.sealed { "a sealed one" } else { "one that does not confirm" }.into(),
            "recreate the stream",
        );
    }
    Ok(())
}

fn transform_name(config: &Config) -> String {
    match &config.subject_transform {
        Some(transform) => format!("`{}` -> `{}`", transform.source, transform.destination),
        None => "none".into(),
    }
}
