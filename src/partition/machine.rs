mod apply;
mod asks;
mod broadcasts;
mod commits;
mod erasures;
mod outbox;
mod rounds;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use self::asks::WaitingAsk;
use self::commits::InFlight;
use self::outbox::Outbox;
use super::ask::PendingAnswers;
use super::counters::Counters;
use super::dead_letter_budget::DeadLetterBudget;
use super::host::{Bounds, Cleared, Host, Pulled, Recovered};
use super::message_mark;
use super::outgoing::Outgoing;
use super::results::Results;
use super::round::{Round, RoundItem};
use super::scans::{ScanStep, Scans};
use super::surroundings::Surroundings;
use super::timer_window::TimerWindow;
use super::tombstones::Tombstones;
use super::twin_cache::TwinCache;
use crate::config::limits;
use crate::config::settings::{Answers, TimeMode};
use crate::event::{
    Broadcast, Content, Cursors, Customer, Delivery, Erasure, Lane, Output, Rights, Time,
};
use crate::models::{ArmCounts, Snapshot};
use crate::policy::Policy;
use crate::tables::{Batch, TimerKey};
use crate::twin::{Broadcasts, EndedBroadcasts, Fired, Input};

/// What the partition is waiting for.
enum Phase {
    /// New work.
    Idle,
    /// Earlier commits, so that the store has seen every timer.
    Quiescing,
    /// Timers from the store.
    LoadingTimers,
    /// The twins of this round from the store.
    Loading(Round),
    /// The twins' reactions.
    Reacting(Round),
    /// Earlier commits, so that the store has seen everything of a customer being erased.
    Clearing(Box<erasures::WaitingErasure>),
    /// The store's traces of that customer.
    Tracing(Box<erasures::WaitingErasure>),
    /// Earlier commits, so that twins whose handler panicked can be reloaded as committed.
    Reviving(Round),
}

/// The pulls in progress, without redelivered events.
struct Work<T> {
    /// Each delivery with its twin's `now`.
    deliveries: VecDeque<(Time, Delivery)>,
    tokens: Vec<T>,
    events: usize,
}

/// One partition.
pub struct Machine<H: Host> {
    partition: u16,
    mode: TimeMode,
    answers: Answers,
    /// Channels with special rights.
    rights: Rights,
    bounds: Bounds,
    outgoing: Outgoing,
    policy: Arc<Policy>,
    /// The shadow policy.
    shadow: Option<Arc<Policy>>,
    /// The policy from the next round on.
    next_policy: Option<Arc<Policy>>,

    /// The current model snapshot.
    models: Snapshot,
    /// The model version of the last stored mark.
    marked: u64,

    broadcasts: Broadcasts,
    /// How often the condition of each broadcast ran out of steps.
    exceeded: BTreeMap<Box<str>, u64>,
    /// Ended broadcasts: a late copy of one starts nothing.
    over: EndedBroadcasts,
    /// When the first of them expires, by the partition's clock.
    over_at: Time,
    scans: Scans,
    results: Results,
    tombstones: Tombstones,
    /// The current erasure.
    erasing: Option<Box<erasures::WaitingErasure>>,

    queue: VecDeque<Pulled<H::Token>>,
    work: Option<Work<H::Token>>,
    /// Requests waiting for a round.
    asks: VecDeque<WaitingAsk<H::Reply>>,
    /// Replies for the requests of the current round, in the order of its items.
    replies: VecDeque<H::Reply>,
    phase: Phase,
    /// On event time: the time to advance to even without events.
    advance_to: Time,
    /// The latest time that the partition has seen.
    clock: Time,
    /// When the stream stored the last event; none on event time, where twins' times are others.
    stream: Option<Time>,
    is_caught_up: bool,
    /// Whether the disk has space.
    has_room: bool,

    cache: TwinCache<H::Address>,
    window: TimerWindow,

    /// The cursors up to which each lane is in the open batch or committed.
    taken: Cursors,
    /// Timestamps of the events from the last processed one on.
    stored: VecDeque<(u64, Time)>,
    batch: Batch,
    /// The number of events in the open batch, and their tokens.
    open_events: usize,
    tokens: Vec<H::Token>,
    open_answers: PendingAnswers<H::Reply>,
    cleared: Cleared,
    outputs: Vec<(u64, Output)>,
    outbox: Outbox,
    next_input: u64,

    next_ticket: u64,
    /// The last durable commit.
    durable: u64,
    in_flight: VecDeque<InFlight<H::Token, H::Reply>>,
    dead_letter_budget: DeadLetterBudget,
    counters: Counters,
}

/// A timer that fires later than this was missed, not merely due between two rounds.
const MISSED_AFTER: Duration = Duration::from_secs(1);

/// Maximum twins that are compressed at once: compressing one takes microseconds in which all others
/// wait.
const RESTS_AT_ONCE: usize = 16;

/// Maximum timers fired in one round.
const TIMERS_AT_ONCE: usize = 256;

impl<H: Host> Machine<H> {
    /// A partition with its stored state and its unpublished outputs.
    pub fn new(
        partition: u16,
        mode: TimeMode,
        bounds: Bounds,
        outgoing: Outgoing,
        policy: Arc<Policy>,
        recovered: Recovered,
        host: &mut H,
    ) -> Machine<H> {
        let Recovered { outputs, outputs_left, next_output, .. } = recovered;
        // The timestamp of the last processed event.
        let last = recovered.stored.map(|stored| (recovered.cursors.main, stored));
        let mut machine = Machine {
            partition,
            mode,
            answers: bounds.answers,
            rights: Rights::default(),
            bounds,
            outgoing,
            // The index may differ from that before the start.
            next_policy: Some(policy.clone()),
            policy,
            shadow: None,
            models: Snapshot::nothing(),
            marked: recovered.version,
            broadcasts: Broadcasts::default(),
            exceeded: BTreeMap::new(),
            over: EndedBroadcasts::default(),
            over_at: Time::MAX,
            scans: Scans::new(mode, &bounds),
            results: Results::recovered(recovered.results),
            tombstones: Tombstones::recovered(
                recovered.secret,
                recovered.tombstones,
                recovered.erased_marks,
            ),
            erasing: None,
            queue: VecDeque::new(),
            work: None,
            asks: VecDeque::new(),
            replies: VecDeque::new(),
            phase: Phase::Idle,
            advance_to: Time::MIN,
            clock: recovered.clock.unwrap_or(Time::MIN),
            stream: recovered.stored.filter(|_| mode == TimeMode::Stream),
            is_caught_up: false,
            has_room: true,
            cache: TwinCache::new(),
            window: TimerWindow::unloaded(bounds.timers_near_max),
            taken: recovered.cursors,
            stored: last.into_iter().collect(),
            batch: Batch::new(),
            open_events: 0,
            tokens: Vec::new(),
            open_answers: Vec::new(),
            cleared: Cleared::default(),
            outputs: Vec::new(),
            outbox: Outbox::recovered(next_output, outputs, outputs_left, host),
            next_input: recovered.next_input,
            next_ticket: 1,
            durable: 0,
            in_flight: VecDeque::new(),
            dead_letter_budget: DeadLetterBudget::new(),
            counters: Counters { cursor: recovered.cursors.main, ..Counters::default() },
        };
        machine.recover_broadcasts(recovered.broadcasts, recovered.scans);
        machine
    }

    /// Handles a pull from the stream.
    pub fn pulled(&mut self, pulled: Pulled<H::Token>, wall: Time, host: &mut H) {
        self.queue.push_back(pulled);
        self.go_on(wall, host);
    }

    /// Handles the timers that [`Host::load_timers`] loaded.
    pub fn timers_loaded(&mut self, timers: Vec<TimerKey>, wall: Time, host: &mut H) {
        debug_assert!(matches!(self.phase, Phase::LoadingTimers));
        self.window.load(timers);
        self.phase = Phase::Idle;
        self.go_on(wall, host);
    }

    /// Handles the broker's confirmation of these outputs: their rows may be deleted.
    pub fn confirmed(&mut self, sequences: &[u64], wall: Time, host: &mut H) {
        self.outbox.unconfirmed -= sequences.len();
        self.outbox.confirmed.extend_from_slice(sequences);
        self.load_backlog(host);
        self.go_on(wall, host);
    }

    /// Handles the passing of time: in stream time, due timers fire.
    pub fn tick(&mut self, wall: Time, host: &mut H) {
        self.go_on(wall, host);
    }

    /// Housekeeping: compresses twins idle for [`Bounds::rest_after`], and commits pending deletions if
    /// no other commit includes them. Returns whether there is more to do. `age` is a monotonic time;
    /// everything up to the sequence `taken_in` is durable in every partition.
    pub fn tidy(&mut self, age: Time, taken_in: u64, host: &mut H) -> bool {
        let after = self.bounds.rest_after.unwrap_or(Duration::MAX);
        let coldest = self.cache.tidy(age, after, RESTS_AT_ONCE);
        let is_more = coldest.len() == RESTS_AT_ONCE;
        if !coldest.is_empty() {
            let cache = &self.cache;
            let twins = coldest.into_iter().filter_map(|customer| {
                let address = cache.address(&customer)?;
                Some((customer, address))
            });
            host.rest(twins.collect());
        }
        self.expire_tombstones(taken_in);
        let is_idle = matches!(self.phase, Phase::Idle) && self.work.is_none();
        if is_idle && self.in_flight.is_empty() && !self.outbox.confirmed.is_empty() {
            self.commit(host);
        }
        is_more
    }

    /// Records the approximate sizes in bytes of twins that [`Host::rest`] compressed.
    pub fn rested(&mut self, twins: &[(Customer, u32)]) {
        for (customer, bytes) in twins {
            self.cache.weigh_resting(customer, *bytes);
        }
    }

    /// On event time: advances the time to `to`, so that everything due by then fires.
    pub fn advance(&mut self, to: Time, wall: Time, host: &mut H) {
        if self.mode == TimeMode::Event {
            self.advance_to = self.advance_to.max(to);
            self.go_on(wall, host);
        }
    }

    /// The environment of the twins.
    pub fn surroundings(&self) -> Surroundings {
        Surroundings {
            policy: self.next_policy.as_ref().unwrap_or(&self.policy).clone(),
            broadcasts: self.broadcasts.clone(),
            models: self.models.clone(),
        }
    }

    /// Sets the policy, from the next round on.
    pub fn set_policy(&mut self, policy: Arc<Policy>) {
        self.next_policy = Some(policy);
    }

    /// Sets the shadow policy, from the next round on: it changes and sends nothing; differences of its
    /// decisions are counted.
    pub fn set_shadow(&mut self, policy: Option<Arc<Policy>>) {
        self.shadow = policy;
    }

    /// Sets whether the disk has space. Without it, no round starts: events in flight finish, pulled
    /// events and due timers wait, and requests are refused.
    pub fn set_room(&mut self, has_room: bool, wall: Time, host: &mut H) {
        self.has_room = has_room;
        if !has_room {
            self.refuse_asks(host);
        }
        self.go_on(wall, host);
    }

    /// Sets the channels with special rights; without it, none has any.
    pub fn set_rights(&mut self, rights: Rights) {
        self.rights = rights;
    }

    /// Sets the model, from the next round on.
    pub fn set_models(&mut self, models: Snapshot) {
        self.models = models;
    }

    /// The counts of experiment arms in this partition.
    pub fn results(&self) -> Vec<ArmCounts> {
        self.results.iter().collect()
    }

    /// The address of a twin, if it is in memory.
    pub fn address(&self, customer: &Customer) -> Option<&H::Address> {
        self.cache.address(customer)
    }

    /// When [`Machine::tick`] next has something to do, as far as known; in stream time only.
    pub fn next_due(&self) -> Option<Time> {
        if self.mode == TimeMode::Event || self.is_held() {
            return None;
        }
        let next = [self.window.next_due(), self.scans.next_due(self.durable)];
        next.into_iter().flatten().min()
    }

    /// Whether nothing is in flight: everything pulled is durable and published (without disk space:
    /// everything started).
    pub fn is_drained(&self) -> bool {
        let is_done = self.queue.is_empty() && self.work.is_none() && self.asks.is_empty();
        matches!(self.phase, Phase::Idle)
            && (is_done || !self.has_room)
            && !self.is_open()
            && self.in_flight.is_empty()
            && self.outbox.depth() == 0
    }

    /// Whether, on event time, everything due up to [`Machine::advance`]'s time has fired, and every
    /// broadcast has woken its twins.
    pub fn has_advanced(&self, to: Time) -> bool {
        self.clock >= to && self.is_drained() && !self.is_waking()
    }

    /// The partition's clock: the latest time of which it has processed something.
    pub fn clock(&self) -> Time {
        self.clock
    }

    /// The statistics of the partition.
    pub fn counters(&self) -> Counters {
        Counters {
            resident_twins: self.cache.len() as u64,
            resting_twins: self.cache.resting() as u64,
            resident_bytes: self.cache.bytes(),
            outbox: self.outbox.depth(),
            timers_near: self.window.len() as u64,
            broadcasts_live: self.broadcasts.len() as u64,
            tombstones: self.tombstones.len() as u64,
            ..self.counters.clone()
        }
    }

    /// Does everything that can be done now, until it has to wait.
    fn go_on(&mut self, wall: Time, host: &mut H) {
        loop {
            match std::mem::replace(&mut self.phase, Phase::Idle) {
                Phase::Idle => {
                    if !self.begin(wall, host) {
                        return;
                    }
                }
                Phase::Quiescing if self.in_flight.is_empty() => {
                    self.phase = Phase::LoadingTimers;
                    host.load_timers(self.window.capacity());
                    return;
                }
                Phase::Clearing(wanted) if self.in_flight.is_empty() => {
                    self.trace(wanted, host);
                    return;
                }
                Phase::Reviving(round) if self.in_flight.is_empty() => {
                    // Empty batches: the panicking input was the twin's only one.
                    self.begin_round(round, host);
                }
                waiting => {
                    self.phase = waiting;
                    return;
                }
            }
        }
    }

    /// Begins the next round, or ends the current work; `false` if there is nothing to do.
    fn begin(&mut self, wall: Time, host: &mut H) -> bool {
        if let Some(policy) = self.next_policy.take() {
            self.policy = policy;
            self.settle_indexes();
        }
        if self.is_held() {
            if self.is_open() && self.in_flight.is_empty() {
                self.commit(host);
            }
            self.refuse_excess_asks(host);
            // Requests are answered although the outbox is full: they cause few outputs.
            return self.has_room && self.begin_asks_in_turn(wall, host);
        }
        let step = self.step(wall, host);
        if self.mode == TimeMode::Event && self.is_waking() {
            // On event time, a broadcast wakes its twins before anything later happens.
            if step == ScanStep::Go {
                self.begin_scanning(wall, host);
                return true;
            }
            if self.is_open() && self.in_flight.is_empty() {
                self.commit(host);
            }
            return false;
        }
        if self.work.is_none() {
            // While a commit is in flight the open batch grows: one sync serves more events.
            let is_due = self.is_free() || self.open_events >= limits::COMMIT_EVENTS;
            if self.is_open() && is_due {
                self.commit(host);
            }
            // One batch of a scan may precede the next pull, never two.
            if step != ScanStep::Go {
                self.take_work();
            }
        }
        if self.begin_due_timers(wall, host) || self.begin_asks_in_turn(wall, host) {
            return true;
        }
        if step == ScanStep::Go && self.work.is_none() {
            self.begin_scanning(wall, host);
            return true;
        }
        if self.begin_erasure(host) {
            return true;
        }
        if self.work.as_ref().is_some_and(|work| !work.deliveries.is_empty()) {
            self.begin_events(host);
            return true;
        }
        if let Some(work) = self.work.take() {
            self.tokens.extend(work.tokens);
            self.open_events += work.events;
            return true;
        }
        false
    }

    /// Begins the timers that are due, or loads them; `false` if there are none.
    fn begin_due_timers(&mut self, wall: Time, host: &mut H) -> bool {
        let Some(horizon) = self.horizon(wall) else { return false };
        let due = self.next_timers(horizon);
        if !due.is_empty() {
            self.begin_timers(due, horizon, wall, host);
            return true;
        }
        if self.window.lacks(horizon) {
            // Timers in the open batch are not in the store yet.
            if self.is_open() {
                self.commit(host);
            }
            self.phase = Phase::Quiescing;
            return true;
        }
        self.clock = self.clock.max(horizon);
        false
    }

    /// Begins the requests that wait, if it is their turn.
    fn begin_asks_in_turn(&mut self, wall: Time, host: &mut H) -> bool {
        let is_turn = self.is_turn_of_asks();
        if is_turn {
            self.begin_asks(wall, host);
        }
        is_turn
    }

    /// Whether nothing may begin: too many outputs wait for the broker, or the disk has no space.
    fn is_held(&self) -> bool {
        !self.has_room || self.is_outbox_full()
    }

    /// Whether so many outputs wait for the broker that nothing may begin that causes more. Outputs in
    /// the store at the start are published first.
    fn is_outbox_full(&self) -> bool {
        self.outbox.unconfirmed >= self.bounds.outbox_max || self.outbox.backlog.left > 0
    }

    /// Takes the next pulls.
    fn take_work(&mut self) {
        if self.queue.is_empty() {
            return;
        }
        let mut work = Work { deliveries: VecDeque::new(), tokens: Vec::new(), events: 0 };
        let mut taken = self.taken;
        while work.deliveries.len() < limits::PULL_BATCH
            && let Some(pulled) = self.queue.pop_front()
        {
            self.is_caught_up = pulled.is_last;
            work.tokens.extend(pulled.token);
            for mut delivery in pulled.deliveries {
                if taken.advance(delivery.lane, delivery.sequence) {
                    if delivery.lane == Lane::Main {
                        self.stored.push_back((delivery.sequence, delivery.stored));
                    }
                    self.doubt(&mut delivery);
                    let now = now_of(&mut delivery, self.mode);
                    work.deliveries.push_back((now, delivery));
                } else {
                    self.counters.redelivered += 1;
                }
            }
        }
        work.events = work.deliveries.len();
        self.counters.in_flight += work.events as u64;
        self.work = Some(work);
    }

    /// Rejects an internal message that the service did not write.
    fn doubt(&self, delivery: &mut Delivery) {
        if delivery.original.is_internal() && !self.tombstones.secret().is_ours(&delivery.original)
        {
            delivery.content = Content::Read(Err(message_mark::forged()));
        }
    }

    /// The time up to which timers fire before anything else happens.
    fn horizon(&self, wall: Time) -> Option<Time> {
        let next = self.work.as_ref().and_then(|work| work.deliveries.front());
        match (self.mode, next) {
            (_, Some((now, _))) => Some(*now),
            (TimeMode::Stream, None) if self.is_caught_up && self.queue.is_empty() => Some(wall),
            (TimeMode::Stream, None) => None,
            (TimeMode::Event, None) => Some(self.advance_to).filter(|to| *to > Time::MIN),
        }
    }

    /// The timers of the next round: on event time, those of one time, so that each twin's inputs come in
    /// the order of their times, whatever the earlier ones start.
    fn next_timers(&mut self, horizon: Time) -> Vec<TimerKey> {
        let until = match (self.mode, self.window.next_due()) {
            (TimeMode::Event, Some(next)) => next.min(horizon),
            (TimeMode::Stream, _) | (_, None) => horizon,
        };
        self.window.take_due(until, TIMERS_AT_ONCE)
    }

    fn begin_timers(&mut self, due: Vec<TimerKey>, horizon: Time, wall: Time, host: &mut H) {
        let mut round = Round::default();
        for key in due {
            self.clock = self.clock.max(key.due);
            let late = match self.mode {
                TimeMode::Event => Duration::ZERO,
                TimeMode::Stream => wall.since(key.due),
            };
            // A timer that fires late acts at the time that fired it, not in the past.
            let at = if late > MISSED_AFTER { horizon.max(key.due) } else { key.due };
            let fired = Fired { name: key.name.clone(), due: key.due, late };
            let input = Input::timer(fired, at).by_stream(self.stream);
            let input = (key.customer.clone(), input);
            round.push(RoundItem::Timer { key, late, at }, Some(input));
        }
        self.begin_round(round, host);
    }

    /// The events of the next round: in stream time, all that were pulled; on event time, those of one
    /// time, because they may start something due before the next.
    fn begin_events(&mut self, host: &mut H) {
        let mode = self.mode;
        let Some(work) = &mut self.work else { return };
        let Some(moment) = work.deliveries.front().map(|(now, _)| *now) else { return };
        if let Some((now, broadcast, delivery)) = work.next_broadcast() {
            self.take_in_broadcast(now, delivery.sequence, &broadcast, &delivery.original);
            return;
        }
        let mut round = Round::default();
        while let Some((now, next)) = work.deliveries.front()
            && (mode == TimeMode::Stream || *now == moment)
            && !matches!(next.content, Content::Broadcast(_) | Content::Erasure(_))
            && let Some((now, mut delivery)) = work.deliveries.pop_front()
        {
            self.clock = self.clock.max(now);
            let Delivery { sequence, lane, stored, .. } = delivery;
            // Slow-lane events were stored long ago and are processed now: their copies are still to
            // come.
            self.stream =
                (mode == TimeMode::Stream).then(|| self.stream.unwrap_or(stored).max(stored));
            delivery.admit(&self.rights);
            let (read, original) = delivery.into_parts();
            let (input, customer, rejection) = match read {
                Ok(event) => {
                    let customer = event.customer.clone();
                    let input = Input::stored(event, now, stored).by_stream(self.stream);
                    (Some((customer.clone(), input)), Some(customer), None)
                }
                Err(rejection) => (None, None, Some(rejection)),
            };
            round.push(RoundItem::Event { sequence, lane, customer, original, rejection }, input);
        }
        self.begin_round(round, host);
    }
}

impl<T> Work<T> {
    /// Takes the next event if it is an erasure: its time, its stream sequence and the erasure.
    fn next_erasure(&mut self) -> Option<(Time, u64, Erasure)> {
        let Content::Erasure(erasure) = &self.deliveries.front()?.1.content else { return None };
        let erasure = erasure.clone();
        let (stored, delivery) = self.deliveries.pop_front()?;
        Some((stored, delivery.sequence, erasure))
    }

    /// Takes the next event if it is a broadcast.
    fn next_broadcast(&mut self) -> Option<(Time, Arc<Broadcast>, Delivery)> {
        let Content::Broadcast(broadcast) = &self.deliveries.front()?.1.content else {
            return None;
        };
        let broadcast = Arc::clone(broadcast);
        let (now, delivery) = self.deliveries.pop_front()?;
        Some((now, broadcast, delivery))
    }
}

/// A twin's `now` for an event.
fn now_of(delivery: &mut Delivery, mode: TimeMode) -> Time {
    let stored = delivery.stored;
    match (mode, &delivery.content) {
        (TimeMode::Stream, _) => stored,
        (TimeMode::Event, Content::Broadcast(broadcast)) => broadcast.time.unwrap_or(stored),
        (TimeMode::Event, Content::Erasure(_)) => Time::MIN,
        (TimeMode::Event, _) => delivery.read().ok().and_then(|event| event.time).unwrap_or(stored),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Headers, Original};

    fn now(mode: TimeMode, subject: &str, payload: &str) -> Time {
        let original = Original {
            subject: subject.into(),
            headers: Headers::default(),
            payload: payload.as_bytes().to_vec().into(),
        };
        let stored = Time::parse("2026-03-02T09:00:00Z").unwrap();
        let content = Content::Unread;
        let lane = Lane::Main;
        now_of(&mut Delivery { sequence: 1, lane, partition: 0, stored, content, original }, mode)
    }

    #[test]
    fn in_event_time_an_event_happens_at_its_time_and_one_of_a_zero_time_when_it_was_stored() {
        let at = |time: &str| {
            let payload = format!(r#"{{"type":"track","time":"{time}","data":{{"name":"x"}}}}"#);
            now(TimeMode::Event, "jumeau.events.web.ann", &payload).to_string()
        };
        assert_eq!(at("2026-03-01T08:00:00Z"), "2026-03-01T08:00:00Z");
        assert_eq!(at("0001-01-01T00:00:00Z"), "2026-03-02T09:00:00Z");
        assert_eq!(at("1970-01-01T00:03:12Z"), "2026-03-02T09:00:00Z");
    }
}
