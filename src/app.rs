//! The composition root: builds the service from its settings, starts it, drains it, stops it.

mod callbacks;
mod commit_log;
mod commits;
mod disk_space;
mod ending;
mod intake;
mod policy_handle;
mod recovery;
mod start;
mod stream;
mod threads;

use std::time::{Duration, Instant};

use actix::Arbiter;
use anyhow::bail;
use futures::future::join_all;
use tokio::sync::mpsc::UnboundedReceiver;

use self::commits::Commits;
pub use self::ending::end_at_the_second_signal;
use self::ending::{Deadline, end_now};
pub use self::policy_handle::PolicyHandle;
pub use self::stream::{AdoptedStream, adopt};
use self::threads::IoThreads;
use crate::actors::{FatalError, HoldScans, IsDrained, LearnerThread, Partitions, StopPartition};
use crate::bus::{self, Bus, Ownership};

/// The running service.
pub struct RunningService {
    partitions: Partitions,
    arbiters: Vec<Arbiter>,
    commits: Commits,
    learner: LearnerThread,
    bus: Bus,
    ownership: Ownership,
    threads: IoThreads,
    intake: tokio::task::JoinHandle<()>,
    eraser: tokio::task::JoinHandle<()>,
    api: bus::ApiService,
    policy: PolicyHandle,
    fatal: UnboundedReceiver<FatalError>,
    drain: Duration,
}

/// A live thread answers within this time, even on a loaded machine.
const ANSWER: Duration = Duration::from_secs(3);

/// The maximum duration of a stop; after it, the process ends anyway.
const STOP: Duration = Duration::from_secs(30);

impl RunningService {
    /// The handle for changing the policy.
    pub fn policy(&self) -> PolicyHandle {
        self.policy.clone()
    }

    /// The service's connection to the broker.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Waits for a fatal error.
    pub async fn failed(&mut self) -> String {
        match self.fatal.recv().await {
            Some(FatalError(why)) => why,
            None => std::future::pending().await,
        }
    }

    /// Stops the intake, waits until events in flight are durable and published, and stops. If a
    /// partition does not respond within the configured time, the process exits.
    ///
    /// # Errors
    /// If that takes longer than configured. Nothing is lost then either: the rest is processed or
    /// published after the next start.
    pub async fn drain(self) -> anyhow::Result<()> {
        self.intake.abort();
        let deadline = Instant::now() + self.drain;
        for partition in self.partitions.all() {
            partition.do_send(HoldScans);
        }
        let mut is_drained = false;
        while !is_drained && Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now()).max(ANSWER);
            let asked = self.partitions.all().iter().map(|partition| partition.send(IsDrained));
            let answers = join_all(asked.map(|asked| tokio::time::timeout(left, asked))).await;
            let stuck: Vec<String> = (0..)
                .zip(&answers)
                .filter(|(_, answer)| answer.is_err())
                .map(|(partition, _): (u32, _)| partition.to_string())
                .collect();
            if !stuck.is_empty() {
                end_now(&format!(
                    "partitions that did not stop within {} s: {}; the process exits without them. \
                     Committed data is safe; uncommitted events are processed again after the \
                     restart",
                    self.drain.as_secs(),
                    stuck.join(", ")
                ));
            }
            is_drained = answers.into_iter().all(|answer| matches!(answer, Ok(Ok(true) | Err(_))));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.stop().await;
        if !is_drained {
            bail!(
                "the drain timed out: some events are uncommitted or some outputs unpublished; both \
                 are completed after the restart"
            );
        }
        Ok(())
    }

    /// Stops immediately. Uncommitted events are processed again after the restart. If a thread does not
    /// end within some seconds, the process exits.
    pub async fn stop(self) {
        let _deadline = Deadline::start(
            STOP,
            "a thread did not stop; the process exits without it; committed data is safe",
        );
        self.intake.abort();
        // Unfinished erasures resume after the next start.
        self.eraser.abort();
        // Later callers are told by the broker that there is no responder.
        self.api.stop().await;
        for partition in self.partitions.all() {
            let _ = partition.send(StopPartition).await;
        }
        for arbiter in self.arbiters {
            arbiter.stop();
            let _ = arbiter.join();
        }
        // First: the learner may wait for a commit.
        self.commits.close().await;
        self.learner.close();
        self.ownership.give_up().await;
        let _ = self.bus.close().await;
        self.threads.end();
    }
}
