use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{
    Actor, ActorContext, AsyncContext, Context, Handler, Message, ResponseFuture, SpawnHandle,
};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::clock::Clock;
use super::eraser::Eraser;
use super::round_replies;
use super::shell::{Shell, load};
use super::twin::ShowTwin;
use crate::bus::{AckHandle, Floor, Relay};
use crate::commit::CommitHandle;
use crate::event::{Customer, Event, Output, Rights, Time, WrittenLane};
use crate::models::Snapshot;
use crate::partition::{
    AskAnswer, BatchResult, Bounds, Loads, Machine, Outgoing, Pulled, Recovered, Surroundings,
    TimeMode,
};
use crate::policy::Policy;
use crate::store::Store;
use crate::tables::{self, TimerKey, Traces};
use crate::twin::Twin;

/// An error after which the service must stop.
#[derive(Debug)]
pub struct FatalError(pub String);

/// The parts of a partition actor.
pub struct PartitionSetup {
    /// Its number.
    pub partition: u16,
    /// The definition of `now`.
    pub mode: TimeMode,
    /// Its limits in memory.
    pub bounds: Bounds,
    /// Channels with special rights.
    pub rights: Rights,
    /// Builds messages from its effects.
    pub outgoing: Outgoing,
    /// The initial policy.
    pub policy: Arc<Policy>,
    /// The shadow policy.
    pub shadow: Option<Arc<Policy>>,
    /// The initial model.
    pub models: Snapshot,
    /// Its stored state.
    pub recovered: Recovered,
    /// The store of twins, timers and outputs.
    pub store: Arc<Store>,
    /// Commits its changes.
    pub committer: CommitHandle,
    /// Publishes its committed outputs.
    pub relay: Arc<Relay>,
    /// Deletes data of erased customers outside the store.
    pub eraser: Eraser,
    /// The floor of the stream, stored with its commits.
    pub floor: Floor,
    /// The clock.
    pub clock: Arc<Clock>,
    /// Receives fatal errors.
    pub fatal: UnboundedSender<FatalError>,
}

/// The actor of one partition: the only sender of batches to its twins.
pub struct PartitionActor {
    pub(super) machine: Machine<Shell>,
    shell: Shell,
    partition: u16,
    clock: Arc<Clock>,
    /// When it was created (monotonic).
    born: Instant,
    /// The scheduled tick of the machine, and its time.
    next_tick: Option<(Time, SpawnHandle)>,
    /// Whether it was told to stop.
    is_ended: bool,
}

/// The interval of housekeeping (compressing idle twins, committing deletions), and the shorter one if
/// there is more to do.
const TIDY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_millis(10));

/// A tick is never further away than this, in case the clock is set.
const TICK_MAX: Duration = Duration::from_secs(1);

impl PartitionActor {
    /// Creates the actor within its own context.
    pub fn new(setup: PartitionSetup, context: &mut Context<PartitionActor>) -> PartitionActor {
        let PartitionSetup {
            partition,
            mode,
            bounds,
            rights,
            outgoing,
            policy,
            shadow,
            models,
            recovered,
            store,
            committer,
            relay,
            eraser,
            floor,
            clock,
            fatal,
        } = setup;
        let me = context.address();
        round_replies::register(partition, me.clone());
        let mut shell = Shell {
            partition,
            me,
            store,
            committer,
            relay,
            eraser,
            floor,
            slow_lane: WrittenLane::default(),
            fatal,
            to_give_back: 0,
        };
        let mut machine =
            Machine::new(partition, mode, bounds, outgoing, policy, recovered, &mut shell);
        machine.set_rights(rights);
        machine.set_models(models);
        machine.set_shadow(shadow);
        let born = Instant::now();
        PartitionActor { machine, shell, partition, clock, born, next_tick: None, is_ended: false }
    }

    fn tidy(&mut self, context: &mut Context<PartitionActor>) {
        // A monotonic time: setting the clock must not change how long a twin was idle.
        let age = Time::from_ms(0) + self.born.elapsed();
        let taken_in = self.shell.floor.taken_in();
        let is_more = self.machine.tidy(age, taken_in, &mut self.shell);
        if !is_more && self.shell.to_give_back > 0 {
            self.shell.to_give_back -= 1;
            give_back();
        }
        let pause = if is_more { TIDY.1 } else { TIDY.0 };
        context.run_later(pause, PartitionActor::tidy);
    }

    /// Reads committed data on a blocking thread.
    pub(super) fn look_up<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store, u16) -> Result<T, tables::Error> + Send + 'static,
    ) -> ResponseFuture<Result<T, String>> {
        let (store, partition) = (self.shell.store.clone(), self.partition);
        let read = actix_rt::task::spawn_blocking(move || read(&store, partition));
        Box::pin(async move {
            let found = read.await.map_err(|error| error.to_string())?;
            found.map_err(|error| error.to_string())
        })
    }

    /// What is needed to read its twins on another thread.
    pub(super) fn read_access(&self) -> (Arc<Store>, u16, Surroundings) {
        (self.shell.store.clone(), self.partition, self.machine.surroundings())
    }

    /// On event time: the time of the partition.
    pub(super) fn event_time(&self) -> Time {
        self.machine.clock()
    }

    /// Schedules a tick for the next timer, if it is sooner than the scheduled one.
    fn schedule_tick(&mut self, context: &mut Context<PartitionActor>) {
        let now = self.clock.now();
        let latest = now + TICK_MAX;
        let due = self.machine.next_due().map_or(latest, |due| due.min(latest)).max(now);
        match self.next_tick {
            Some((set, _)) if set <= due => return,
            Some((_, handle)) => drop(context.cancel_future(handle)),
            None => {}
        }
        let handle = context.run_later(due.since(now), |actor, context| {
            actor.next_tick = None;
            actor.machine.tick(actor.clock.now(), &mut actor.shell);
            actor.schedule_tick(context);
        });
        self.next_tick = Some((due, handle));
    }
}

impl Drop for PartitionActor {
    /// The system drops an actor that panicked and continues without it. Its unfinished work is unknown
    /// then, and the customers of the partition would never be answered again.
    fn drop(&mut self) {
        if !self.is_ended {
            // The receiver is gone only when the service is stopping already.
            let _ = self.shell.fatal.send(FatalError(format!(
                "partition {} panicked: this is a bug in jumeau, please report it; uncommitted \
                 events are processed again after the restart",
                self.partition
            )));
        }
    }
}

impl Actor for PartitionActor {
    type Context = Context<PartitionActor>;

    fn started(&mut self, context: &mut Context<PartitionActor>) {
        self.tidy(context);
        self.machine.tick(self.clock.now(), &mut self.shell);
        self.schedule_tick(context);
    }

    fn stopped(&mut self, _: &mut Context<PartitionActor>) {
        round_replies::unregister(self.partition);
    }
}

/// Freed memory of twins is returned this many times after they were compressed, once each [`TIDY`]: for
/// that long, and longer, the allocator keeps it for reuse.
pub(super) const GIVE_BACK: u8 = 12;

/// More than the allocator keeps for later: an allocation of this size goes back to the system at once,
/// and with it everything that has been free for long enough. Without this, the allocator of an idle
/// thread keeps all of its memory.
const LARGE: usize = 16 << 20;

fn give_back() {
    // Memory that is never written costs nothing.
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGE)));
}

/// What is due when a pull is durable.
pub struct PullReceipt {
    /// Acknowledges it.
    pub acknowledgement: AckHandle,
    /// The intake permit of its events, released then.
    pub permit: Option<OwnedSemaphorePermit>,
}

/// Delivers pulled events.
#[derive(Message)]
#[rtype(result = "()")]
pub struct EventsPulled {
    /// The pulled events.
    pub pulled: Pulled<PullReceipt>,
}

impl Handler<EventsPulled> for PartitionActor {
    type Result = ();

    fn handle(&mut self, pull: EventsPulled, context: &mut Context<PartitionActor>) {
        self.machine.pulled(pull.pulled, self.clock.now(), &mut self.shell);
        self.schedule_tick(context);
    }
}

/// A decide request for a customer. The event is of type `ask`.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AskTwin {
    /// The request.
    pub event: Event,
    /// The channel for the answer.
    pub reply: oneshot::Sender<AskAnswer>,
}

impl Handler<AskTwin> for PartitionActor {
    type Result = ();

    fn handle(&mut self, AskTwin { event, reply }: AskTwin, context: &mut Context<Self>) {
        self.machine.asked(event, reply, self.clock.now(), &mut self.shell);
        self.schedule_tick(context);
    }
}

/// The loaded twins.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct TwinsLoaded(pub(super) Loads);

impl Handler<TwinsLoaded> for PartitionActor {
    type Result = ();

    fn handle(&mut self, TwinsLoaded(twins): TwinsLoaded, context: &mut Context<PartitionActor>) {
        self.machine.loaded(twins, self.clock.now(), &mut self.shell);
        self.schedule_tick(context);
    }
}

/// These twins are compressed, with their approximate sizes.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Rested(pub(super) Vec<(Customer, u32)>);

impl Handler<Rested> for PartitionActor {
    type Result = ();

    fn handle(&mut self, Rested(twins): Rested, _: &mut Context<PartitionActor>) {
        self.machine.rested(&twins);
    }
}

/// The loaded timers.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct TimersLoaded(pub(super) Vec<TimerKey>);

impl Handler<TimersLoaded> for PartitionActor {
    type Result = ();

    fn handle(&mut self, TimersLoaded(timers): TimersLoaded, context: &mut Context<Self>) {
        self.machine.timers_loaded(timers, self.clock.now(), &mut self.shell);
        self.schedule_tick(context);
    }
}

/// The loaded outputs.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct OutputsLoaded(pub(super) Vec<(u64, Output)>);

impl Handler<OutputsLoaded> for PartitionActor {
    type Result = ();

    fn handle(&mut self, OutputsLoaded(outputs): OutputsLoaded, context: &mut Context<Self>) {
        self.machine.outputs_loaded(outputs, self.clock.now(), &mut self.shell);
        self.schedule_tick(context);
    }
}

/// The store's traces of a customer being erased.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct TracesLoaded(pub(super) Traces);

impl Handler<TracesLoaded> for PartitionActor {
    type Result = ();

    fn handle(
        &mut self,
        TracesLoaded(traces): TracesLoaded,
        context: &mut Context<PartitionActor>,
    ) {
        self.machine.traced(traces, self.clock.now(), &mut self.shell);
        self.schedule_tick(context);
    }
}

/// The customers found for a scan.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct CustomersFound(pub(super) Vec<Customer>);

impl Handler<CustomersFound> for PartitionActor {
    type Result = ();

    fn handle(&mut self, CustomersFound(found): CustomersFound, context: &mut Context<Self>) {
        self.machine.found(found, self.clock.now(), &mut self.shell);
        self.schedule_tick(context);
    }
}

/// All twins of the round have reported.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct RoundDone(pub(super) Vec<BatchResult>);

impl Handler<RoundDone> for PartitionActor {
    type Result = ();

    fn handle(&mut self, RoundDone(done): RoundDone, context: &mut Context<PartitionActor>) {
        let wall = self.clock.now();
        for done in done {
            self.machine.complete(done, wall, &mut self.shell);
        }
        self.schedule_tick(context);
    }
}

/// These commits are durable.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Durable(pub Vec<u64>);

impl Handler<Durable> for PartitionActor {
    type Result = ();

    fn handle(&mut self, Durable(tickets): Durable, context: &mut Context<PartitionActor>) {
        let wall = self.clock.now();
        for ticket in tickets {
            self.machine.committed(ticket, wall, &mut self.shell);
        }
        self.schedule_tick(context);
    }
}

/// The broker has confirmed these outputs.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Confirmed(pub Vec<u64>);

impl Handler<Confirmed> for PartitionActor {
    type Result = ();

    fn handle(&mut self, Confirmed(sequences): Confirmed, _: &mut Context<PartitionActor>) {
        self.machine.confirmed(&sequences, self.clock.now(), &mut self.shell);
    }
}

/// Sets the policy.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SetPolicy(pub Arc<Policy>);

impl Handler<SetPolicy> for PartitionActor {
    type Result = ();

    fn handle(&mut self, SetPolicy(policy): SetPolicy, _: &mut Context<PartitionActor>) {
        self.machine.set_policy(policy);
    }
}

/// Sets whether the disk has space.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SetDiskSpace(pub bool);

impl Handler<SetDiskSpace> for PartitionActor {
    type Result = ();

    fn handle(
        &mut self,
        SetDiskSpace(has_room): SetDiskSpace,
        context: &mut Context<PartitionActor>,
    ) {
        self.machine.set_room(has_room, self.clock.now(), &mut self.shell);
        self.schedule_tick(context);
    }
}

/// Sets the model.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SetModels(pub Snapshot);

impl Handler<SetModels> for PartitionActor {
    type Result = ();

    fn handle(&mut self, SetModels(models): SetModels, _: &mut Context<PartitionActor>) {
        self.machine.set_models(models);
    }
}

/// On event time: advances the clock to this time.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AdvanceTime(pub Time);

impl Handler<AdvanceTime> for PartitionActor {
    type Result = ();

    fn handle(&mut self, AdvanceTime(to): AdvanceTime, context: &mut Context<PartitionActor>) {
        self.machine.advance(to, self.clock.now(), &mut self.shell);
        self.schedule_tick(context);
    }
}

/// Asks for the partition's clock once everything due by this time has fired, and is durable and published;
/// none: not yet.
#[derive(Message)]
#[rtype(result = "Option<Time>")]
pub struct HasAdvanced(pub Time);

impl Handler<HasAdvanced> for PartitionActor {
    type Result = Option<Time>;

    fn handle(
        &mut self,
        HasAdvanced(to): HasAdvanced,
        _: &mut Context<PartitionActor>,
    ) -> Option<Time> {
        self.machine.has_advanced(to).then(|| self.event_time())
    }
}

/// Stops scans before a shutdown.
#[derive(Message)]
#[rtype(result = "()")]
pub struct HoldScans;

impl Handler<HoldScans> for PartitionActor {
    type Result = ();

    fn handle(&mut self, _: HoldScans, _: &mut Context<PartitionActor>) {
        self.machine.hold_scans();
    }
}

/// Asks whether nothing is in flight.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct IsDrained;

impl Handler<IsDrained> for PartitionActor {
    type Result = bool;

    fn handle(&mut self, _: IsDrained, _: &mut Context<PartitionActor>) -> bool {
        self.machine.is_drained()
    }
}

/// A snapshot of a twin.
pub struct TwinSnapshot {
    /// The twin; none if there is none.
    pub twin: Option<Box<Twin>>,
    /// Whether it is in memory.
    pub is_resident: bool,
    /// Its environment.
    pub surroundings: Surroundings,
}

/// Asks for a snapshot of a twin, without loading it into memory.
#[derive(Message)]
#[rtype(result = "Result<TwinSnapshot, String>")]
pub struct GetTwin(pub Customer);

impl Handler<GetTwin> for PartitionActor {
    type Result = ResponseFuture<Result<TwinSnapshot, String>>;

    fn handle(&mut self, GetTwin(customer): GetTwin, _: &mut Context<Self>) -> Self::Result {
        let resident = self.machine.address(&customer).map(|twin| twin.send(ShowTwin));
        let (store, partition) = (self.shell.store.clone(), self.partition);
        let surroundings = self.machine.surroundings();
        Box::pin(async move {
            if let Some(shown) = resident
                && let Ok(twin) = shown.await
            {
                return Ok(TwinSnapshot { twin: Some(twin), is_resident: true, surroundings });
            }
            let read = move || load(&store, partition, vec![customer]);
            let found = actix_rt::task::spawn_blocking(read).await.map_err(|e| e.to_string())??;
            let twin = found.into_iter().next().and_then(|(_, twin)| twin);
            Ok(TwinSnapshot { twin, is_resident: false, surroundings })
        })
    }
}

/// Stops the actor; uncommitted events are processed again after the restart.
#[derive(Message)]
#[rtype(result = "()")]
pub struct StopPartition;

impl Handler<StopPartition> for PartitionActor {
    type Result = ();

    fn handle(&mut self, _: StopPartition, context: &mut Context<PartitionActor>) {
        self.is_ended = true;
        context.stop();
    }
}
