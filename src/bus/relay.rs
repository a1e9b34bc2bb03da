use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::client::{PublishError, PublishErrorKind};
use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use async_nats::jetstream::message::StreamMessage;
use async_nats::{HeaderValue, Message, StatusCode, Subscriber};
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::connection::ConnectionStatus;
use super::lease::LeaseState;
use super::send_queue::SendQueue;
use super::wire_output::fit;
use super::{Bus, Error};
use crate::config::limits;
use crate::contract::Subjects;
use crate::event::Output;

/// Publish acknowledgement timeout.
const SILENCE: Duration = Duration::from_secs(5);
/// Retry backoff: the first and the longest pause.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// Why publishing is paused although the broker is connected.
const LEASE_UNRENEWED: &str = "the lease of this prefix was not renewed for some seconds";
/// The broker's error code for a message larger than its stream allows.
const MESSAGE_TOO_LARGE: u64 = 10_054;
/// The broker's error code for a failed expected-last-subject-sequence check.
const NOT_THE_FIRST: u64 = 10_071;

/// Publishes committed outputs until the broker confirms them.
///
/// Each stream has its own queue, so that actions never wait behind messages between twins. The outputs of a
/// customer are stored in the order in which they were submitted: the next one is sent once the broker has confirmed
/// the one before. Nothing of that concerns the rest of the stream, so that several processes may publish to it.
/// After a failure all unconfirmed outputs are sent again; the broker drops those that had arrived, by their
/// unguessable ids.
///
/// It publishes nothing while another service may have taken over, and nothing more once one has.
///
/// The event stream remembers no ids. A memory in transit has a subject of its own, on which the broker
/// accepts one message; if that is rejected, the memory is confirmed once the stored message is seen to
/// be the same. Other forwarded events may arrive twice, which their twins recognise.
#[derive(Debug)]
pub struct Relay {
    subjects: Arc<Subjects>,
    queues: [StreamQueue; STREAMS],
    depth: watch::Sender<usize>,
    counters: Arc<RelayCounters>,
}

/// The queue of one stream.
#[derive(Debug)]
struct StreamQueue {
    submit: mpsc::UnboundedSender<RelayCommand>,
    /// Why its outputs wait to be published again, while they do.
    trouble: Arc<Mutex<Option<String>>>,
}

/// The streams that outputs go to: events, dead letters and actions.
const STREAMS: usize = 3;

/// The stream of a subject, as an index.
fn stream_of(subjects: &Subjects, subject: &str) -> usize {
    match subjects.tokens(subject).and_then(|mut tokens| tokens.next()) {
        Some("events") => 0,
        Some("dead") => 1,
        _ => 2,
    }
}

/// A command to the task.
#[derive(Debug)]
enum RelayCommand {
    /// Publish these.
    Publish { partition: u16, outputs: Vec<(u64, Output)> },
    /// Withdraw these, unless already sent.
    Withdraw { partition: u16, keys: Vec<u64> },
    /// Notify once all earlier commands are done.
    Tell(oneshot::Sender<()>),
}

#[derive(Debug, Default)]
struct RelayCounters {
    published: AtomicU64,
    duplicates: AtomicU64,
    retries: AtomicU64,
    truncated: AtomicU64,
    unpublishable: AtomicU64,
}

/// Statistics of a [`Relay`] since its start.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct RelayStats {
    /// Outputs that the broker confirmed.
    pub published: u64,
    /// Of these, duplicates that it had already.
    pub duplicates: u64,
    /// How often it went back to the first unconfirmed output.
    pub retries: u64,
    /// Dead letters that were truncated to the broker's maximum.
    pub truncated: u64,
    /// Outputs that the broker never accepts, and that were given up.
    pub unpublishable: u64,
}

impl Relay {
    /// Starts the tasks that publish; they end when the relay is dropped. `confirmed` is called with partitions and
    /// the outputs' keys, those of a customer in the order of submission to their stream, when their rows are no
    /// longer needed; it must not block.
    ///
    /// # Errors
    /// [`Error::Request`] if the connection is closed.
    pub async fn spawn(
        bus: &Bus,
        confirmed: impl Fn(Vec<(u16, u64)>) + Send + Sync + 'static,
    ) -> Result<Relay, Error> {
        let (depth, _) = watch::channel(0);
        let counters = Arc::new(RelayCounters::default());
        let confirmed = Arc::new(confirmed);
        let start = || StreamQueue::start(bus, &depth, &counters, confirmed.clone());
        let queues = [start().await?, start().await?, start().await?];
        Ok(Relay { subjects: bus.subjects.clone(), queues, depth, counters })
    }

    /// Queues durable outputs of a partition, each with the key of its row, to be published after those of the same
    /// customer that were submitted before. Non-blocking; the caller bounds what is submitted and not confirmed by
    /// [`limits::OUTBOX_BACKLOG`].
    pub fn submit(&self, partition: u16, outputs: Vec<(u64, Output)>) {
        self.depth.send_modify(|depth| *depth += outputs.len());
        let mut parts: [Vec<(u64, Output)>; STREAMS] = Default::default();
        for (key, output) in outputs {
            parts[stream_of(&self.subjects, &output.subject)].push((key, output));
        }
        for (queue, outputs) in self.queues.iter().zip(parts).filter(|(_, part)| !part.is_empty()) {
            // The task ends only after the relay.
            let _ = queue.submit.send(RelayCommand::Publish { partition, outputs });
        }
    }

    /// Withdraws outputs by their row keys, which are confirmed then. Those already sent stay published.
    pub fn withdraw(&self, partition: u16, keys: Vec<u64>) {
        for queue in &self.queues {
            let _ = queue.submit.send(RelayCommand::Withdraw { partition, keys: keys.clone() });
        }
    }

    /// Waits until everything submitted before is confirmed or withdrawn, also through broker outages.
    pub async fn flush(&self) {
        let receivers = self.queues.each_ref().map(|queue| {
            let (done, is_done) = oneshot::channel();
            let _ = queue.submit.send(RelayCommand::Tell(done));
            is_done
        });
        for is_done in receivers {
            // A task that has ended publishes nothing more.
            let _ = is_done.await;
        }
    }

    /// The number of outputs that are submitted and not confirmed.
    pub fn depth(&self) -> usize {
        *self.depth.borrow()
    }

    /// The same, as it changes.
    pub(super) fn depths(&self) -> watch::Receiver<usize> {
        self.depth.subscribe()
    }

    /// Waits until everything submitted is confirmed, also through broker outages.
    pub async fn drained(&self) {
        // We hold the sender, so the channel is open.
        let _ = self.depth.subscribe().wait_for(|depth| *depth == 0).await;
    }

    /// Why outputs wait to be published again, while they do.
    pub fn trouble(&self) -> Option<String> {
        self.queues.iter().find_map(|queue| queue.trouble.lock().clone())
    }

    /// Its statistics since the start.
    pub fn counters(&self) -> RelayStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RelayStats {
            published: read(&self.counters.published),
            duplicates: read(&self.counters.duplicates),
            retries: read(&self.counters.retries),
            truncated: read(&self.counters.truncated),
            unpublishable: read(&self.counters.unpublishable),
        }
    }
}

impl StreamQueue {
    async fn start<F: Fn(Vec<(u16, u64)>) + Send + Sync + 'static>(
        bus: &Bus,
        depth: &watch::Sender<usize>,
        counters: &Arc<RelayCounters>,
        confirmed: Arc<F>,
    ) -> Result<StreamQueue, Error> {
        let (submit, submitted) = mpsc::unbounded_channel();
        let trouble = Arc::new(Mutex::new(None));
        let inbox = bus.client.new_inbox();
        let answers = bus
            .client
            .subscribe(format!("{inbox}.*.*"))
            .await
            .map_err(Error::request("listen for confirmations"))?;
        let task = QueueTask {
            link: bus.link.clone(),
            lease: bus.lease.watch(),
            epoch: bus.link.borrow().epoch,
            bus: bus.clone(),
            dead: format!("{}.dead.", bus.subjects.prefix()),
            doubtful: Vec::new(),
            submitted,
            waiting: VecDeque::new(),
            inbox,
            answers,
            queue: SendQueue::new(),
            done: Vec::new(),
            attempt: 0,
            pause: PAUSES.0,
            resume_at: None,
            progress: Instant::now(),
            is_failing: false,
            depth: depth.clone(),
            counters: counters.clone(),
            trouble: trouble.clone(),
            confirmed,
        };
        tokio::spawn(task.run());
        Ok(StreamQueue { submit, trouble })
    }
}

struct QueuedOutput {
    partition: u16,
    key: u64,
    output: Output,
    /// How many subjects for it were already taken by something else.
    places: u32,
}

struct QueueTask<F> {
    bus: Bus,
    link: watch::Receiver<ConnectionStatus>,
    /// The state of the lease.
    lease: watch::Receiver<LeaseState>,
    /// The connection on which we published.
    epoch: u64,
    /// The common prefix of the subjects of dead letters.
    dead: String,
    /// The numbers of memories whose subjects hold a message already.
    doubtful: Vec<u64>,
    submitted: mpsc::UnboundedReceiver<RelayCommand>,
    /// Waiters, notified once all outputs before these numbers are confirmed.
    waiting: VecDeque<(u64, oneshot::Sender<()>)>,
    inbox: String,
    answers: Subscriber,
    /// All unconfirmed outputs.
    queue: SendQueue<QueuedOutput>,
    /// The partitions and keys of those that left the queue and were not yet reported.
    done: Vec<(u16, u64)>,
    /// Replies to earlier attempts can confirm, but not fail.
    attempt: u64,
    pause: Duration,
    resume_at: Option<Instant>,
    /// When the broker last confirmed something, or first had something to confirm.
    progress: Instant,
    is_failing: bool,
    depth: watch::Sender<usize>,
    counters: Arc<RelayCounters>,
    trouble: Arc<Mutex<Option<String>>>,
    confirmed: Arc<F>,
}

/// The broker's reply to one message.
#[derive(Deserialize)]
struct PublishReply {
    #[serde(default)]
    error: Option<Refusal>,
    #[serde(default)]
    duplicate: bool,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

impl<F: Fn(Vec<(u16, u64)>)> QueueTask<F> {
    async fn run(mut self) {
        loop {
            let link = *self.link.borrow_and_update();
            if link.epoch != self.epoch {
                self.epoch = link.epoch;
                if self.queue.sent() > 0 {
                    self.go_back("the connection was lost");
                }
                self.resume_at = None;
            }
            let may_publish = self.lease.borrow_and_update().is_held();
            if link.is_up && self.resume_at.is_none() {
                if may_publish {
                    self.send().await;
                } else {
                    self.hold_back();
                }
            }
            let check_at =
                self.resume_at.or_else(|| (self.queue.sent() > 0).then(|| self.progress + SILENCE));
            tokio::select! {
                biased;
                answer = self.answers.next() => match answer {
                    Some(answer) => {
                        self.take_answers(answer);
                        self.settle_doubts().await;
                    }
                    // The connection was closed for good.
                    None => return,
                },
                submitted = self.submitted.recv() => match submitted {
                    Some(submitted) => self.take(submitted),
                    None => return,
                },
                changed = self.link.changed() => if changed.is_err() {
                    return;
                },
                changed = self.lease.changed() => if changed.is_err() {
                    return;
                },
                () = sleep_until(check_at) => match self.resume_at.take() {
                    Some(_) => {}
                    None => self.fail("the broker sends no publish acknowledgements"),
                },
            }
        }
    }

    fn take(&mut self, wish: RelayCommand) {
        let mut next = Some(wish);
        while let Some(wish) = next {
            match wish {
                RelayCommand::Publish { partition, outputs } => {
                    for (key, output) in outputs {
                        let customer = output.about();
                        let queued = QueuedOutput { partition, key, output, places: 0 };
                        self.queue.push(customer, queued);
                    }
                }
                RelayCommand::Withdraw { partition, keys } => self.withdraw(partition, &keys),
                RelayCommand::Tell(done) => {
                    self.waiting.push_back((self.queue.end(), done));
                }
            }
            next = self.submitted.try_recv().ok();
        }
        self.settle();
    }

    fn withdraw(&mut self, partition: u16, keys: &[u64]) {
        let is_meant =
            |entry: &QueuedOutput| entry.partition == partition && keys.contains(&entry.key);
        for number in self.queue.unsent(is_meant) {
            self.remove(number);
        }
    }

    /// Publishes what may be sent, within the window.
    async fn send(&mut self) {
        if self.queue.sent() == 0 {
            self.progress = Instant::now();
        }
        while self.queue.sent() < limits::RELAY_WINDOW && self.lease.borrow().is_held() {
            let Some(number) = self.queue.send_next() else { break };
            if self.send_entry(number).await.is_err() {
                self.fail("the connection is closed");
                break;
            }
        }
        self.settle();
    }

    /// Reports that publishing is paused while another service may serve.
    fn hold_back(&mut self) {
        if self.queue.len() == 0 {
            return;
        }
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::warn!(why = LEASE_UNRENEWED, waiting = self.queue.len(), "outputs wait");
        }
        *self.trouble.lock() = Some(LEASE_UNRENEWED.to_owned());
    }

    async fn send_entry(&mut self, number: u64) -> Result<(), PublishError> {
        let Some(entry) = self.queue.get(number) else { return Ok(()) };
        let is_dead = entry.output.subject.starts_with(&self.dead);
        let bytes_max = self.bus.client.max_payload();
        let Some(mut fitting) = fit(&entry.output, bytes_max, is_dead) else {
            self.give_up(number, "it is larger than the broker's `max_payload`");
            return Ok(());
        };
        if fitting.is_truncated {
            self.counters.truncated.fetch_add(1, Ordering::Relaxed);
        }
        if self.bus.subjects.is_memory(&entry.output.subject) {
            fitting.headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, "0");
        }
        let subject = entry.place();
        let reply = format!("{}.{}.{number}", self.inbox, self.attempt);
        let client = &self.bus.client;
        match client
            .publish_with_reply_and_headers(subject, reply, fitting.headers, fitting.payload)
            .await
        {
            Err(error) if error.kind() != PublishErrorKind::Send => {
                self.give_up(number, &error.to_string());
                Ok(())
            }
            result => result,
        }
    }

    /// Drops an output that will never be stored, so that those after it need not wait.
    fn give_up(&mut self, number: u64, why: &str) {
        if let Some(entry) = self.remove(number) {
            tracing::error!(id = %entry.output.id, why, "an output was dropped");
            self.counters.unpublishable.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Removes an output from the queue; [`QueueTask::settle`] reports it.
    fn remove(&mut self, number: u64) -> Option<QueuedOutput> {
        let entry = self.queue.remove(number)?;
        self.done.push((entry.partition, entry.key));
        Some(entry)
    }

    fn take_answers(&mut self, first: Message) {
        let mut next = Some(first);
        while let Some(answer) = next {
            self.take_answer(&answer);
            next = self.answers.next().now_or_never().flatten();
        }
        self.settle();
    }

    fn take_answer(&mut self, message: &Message) {
        let mut tokens = message.subject.rsplit('.');
        let mut number = || tokens.next().and_then(|token| token.parse::<u64>().ok());
        let (Some(number), Some(attempt)) = (number(), number()) else { return };
        let answer = match message.status {
            Some(StatusCode::NO_RESPONDERS) => Err("no stream stores this subject".to_owned()),
            _ => serde_json::from_slice::<PublishReply>(&message.payload)
                .map_err(|error| format!("the broker's answer cannot be read: {error}")),
        };
        // Those that were confirmed meanwhile have left the queue.
        let Some(entry) = self.queue.get(number) else { return };
        match answer {
            Ok(PublishReply { error: None, duplicate }) => self.confirm(number, duplicate),
            Ok(PublishReply { error: Some(refusal), .. })
                if refusal.err_code == NOT_THE_FIRST
                    && self.bus.subjects.is_memory(&entry.output.subject) =>
            {
                self.doubtful.push(number);
            }
            Ok(PublishReply { error: Some(refusal), .. })
                if refusal.err_code == MESSAGE_TOO_LARGE =>
            {
                self.give_up(number, "it is larger than the stream's `max_msg_size`");
            }
            _ if attempt != self.attempt => {}
            Ok(PublishReply { error: Some(refusal), .. }) => self.fail(&refusal.description),
            Err(why) => self.fail(&why),
        }
    }

    /// Marks an output as confirmed by the broker.
    fn confirm(&mut self, number: u64, is_copy: bool) {
        if self.remove(number).is_none() {
            return;
        }
        self.counters.published.fetch_add(1, Ordering::Relaxed);
        if is_copy {
            self.counters.duplicates.fetch_add(1, Ordering::Relaxed);
        }
        self.progress = Instant::now();
        self.pause = PAUSES.0;
        if std::mem::replace(&mut self.is_failing, false) {
            tracing::info!("retrying outputs");
            *self.trouble.lock() = None;
        }
    }

    /// Checks the subjects of memories that the broker rejected: they hold the same memory from an
    /// earlier attempt, or something else, which confirms nothing.
    async fn settle_doubts(&mut self) {
        while let Some(number) = self.doubtful.pop() {
            let Some(entry) = self.queue.get(number) else { continue };
            let place = entry.place();
            match self.bus.last_event_on(&place).await {
                Ok(Some(found)) if entry.is(&found) => {
                    self.confirm(number, true);
                }
                Ok(Some(_)) => {
                    tracing::error!("another message has the sequence of a memory in transit");
                    if let Some(entry) = self.queue.get_mut(number) {
                        entry.places += 1;
                    }
                    self.fail("another message has the sequence of a memory in transit");
                }
                Ok(None) => self.fail("a memory in transit was not accepted"),
                Err(error) => self.fail(&error.to_string()),
            }
        }
        self.settle();
    }

    /// Reports what left the queue, and notifies who waited for that.
    fn settle(&mut self) {
        if !self.done.is_empty() {
            let done = std::mem::take(&mut self.done);
            let count = done.len();
            (self.confirmed)(done);
            self.depth.send_modify(|depth| *depth = depth.saturating_sub(count));
            if self.queue.len() == 0 {
                self.is_failing = false;
                *self.trouble.lock() = None;
            }
        }
        let first = self.queue.first();
        while self.waiting.front().is_some_and(|(behind, _)| *behind <= first)
            && let Some((_, done)) = self.waiting.pop_front()
        {
            // The waiter may be gone.
            let _ = done.send(());
        }
    }

    /// Goes back, and pauses before publishing again.
    fn fail(&mut self, why: &str) {
        self.go_back(why);
        self.resume_at = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(PAUSES.1);
    }

    /// Takes back what is not confirmed, to be published again.
    fn go_back(&mut self, why: &str) {
        let last = self.trouble.lock().replace(why.to_owned());
        if !std::mem::replace(&mut self.is_failing, true) || last.as_deref() != Some(why) {
            tracing::warn!(why, waiting = self.queue.len(), "outputs are waiting for a retry");
        }
        self.counters.retries.fetch_add(1, Ordering::Relaxed);
        self.queue.take_back();
        self.attempt += 1;
    }
}

impl QueuedOutput {
    /// Whether a message is this output, not one of somebody who has only seen its content.
    fn is(&self, found: &StreamMessage) -> bool {
        let mark = found.headers.get(Output::MARK).map(HeaderValue::as_str);
        found.payload == self.output.payload && mark == self.output.mark()
    }

    /// The subject that it is published on.
    fn place(&self) -> String {
        match self.places {
            0 => self.output.subject.to_string(),
            taken => format!("{}-{taken}", self.output.subject),
        }
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
