//! What answers the questions: looks at partitions and streams, changes nothing of a twin.

mod decide;
mod forged;
mod rights;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use parking_lot::RwLock;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::audit::{AuditOutcome, Auditor};
use super::backup::Keeper;
use super::campaign::{TryCampaignReply, TryCampaignRequest};
use super::erase::Seal;
use super::experiments::{self, ExperimentsReply};
use super::learned::{LessonsReply, LessonsRequest, MarksReply, VersionMark};
use super::messages::{
    Advance, Advanced, DeadLetter, DeadLetters, DeadList, DeadRetried, DeadRetry, DeadShow,
    Learning, LiveBroadcasts, NotRetried, Publishing, Stats, code, verb,
};
use super::policy::Current;
use super::verbs::{Audit, VERBS};
use super::view::{TimelineEntry, TimelineReply, TimelineRequest};
use super::why::{
    JournalEntry, JournalReply, JournalRequest, KnownDecision, WhatIfReply, WhatIfRequest,
    WhyReply, WhyRequest,
};
use crate::actors::{
    self, Address, Clock, Decisions, Glance, GlanceBroadcasts, GlanceResults, HasAdvanced,
    Impatient, Inspect, Journal, Lessons, Marks, Partitions, Sight, TryCampaign,
};
use crate::bus::{self, ApiError, Bus, Floor, Missed, Relay, Request, Watch};
use crate::codec;
use crate::config::limits;
use crate::event::{Broadcast, Channel, Customer, Raw, Rights, Time, encode, json, parse};
use crate::partition::{Counters, Progress, Surroundings, TimeMode};
use crate::store::{self, Room};
use crate::twin::{Dissatisfaction, Forecast, Input, Twin, flips, react};

/// Longest wait for what is due to fire when the clock is moved.
const ADVANCE_MAX: Duration = Duration::from_secs(120);
/// Stored bytes of lessons in one answer, so that it stays below what a broker lets pass.
const LESSONS_REPLY_BYTES: usize = 256 << 10;

/// What answers the questions.
pub struct Desk {
    bus: Bus,
    partitions: Partitions,
    mode: TimeMode,
    policy: Arc<RwLock<Current>>,
    started: Time,
    gauges: Gauges,
    learner: Impatient,
    keeper: Keeper,
    auditor: Auditor,
    seal: Seal,
}

/// What is looked at to say how the service is.
pub struct Gauges {
    /// How often the intake began anew.
    pub resets: Arc<AtomicU64>,
    /// What left the stream before it was taken in.
    pub missed: Missed,
    /// How far the intake is.
    pub floor: Floor,
    /// What publishes.
    pub relay: Arc<Relay>,
    /// What looks at the streams.
    pub watch: Watch,
    /// What looks at the disk.
    pub room: Arc<Room>,
    /// What the time is.
    pub clock: Arc<Clock>,
    /// Which channels may say what not every channel may.
    pub rights: Rights,
}

/// What the desk has others do.
pub struct Hands {
    /// Whoever learns.
    pub learner: Impatient,
    /// Whoever makes copies of the store.
    pub keeper: Keeper,
    /// Whoever writes the audit.
    pub auditor: Auditor,
    /// Whoever signs.
    pub seal: Seal,
}

/// All that is known of one customer, as it is sent.
#[derive(Serialize)]
struct Shown<'a> {
    customer: &'a Customer,
    asked: &'a Customer,
    partition: u16,
    resident: bool,
    inputs: u64,
    now: Time,
    dissatisfaction: Option<Dissatisfaction>,
    forecasts: Vec<Forecast>,
    twin: &'a Twin,
}

/// A twin, and where it lives.
struct Looked {
    asked: Customer,
    twin: Box<Twin>,
    surroundings: Surroundings,
    partition: u16,
    is_resident: bool,
}

impl Desk {
    /// A desk in front of these partitions.
    pub fn new(
        bus: Bus,
        partitions: Partitions,
        mode: TimeMode,
        policy: Arc<RwLock<Current>>,
        gauges: Gauges,
        hands: Hands,
    ) -> Desk {
        let started = now();
        let Hands { learner, keeper, auditor, seal } = hands;
        Desk { bus, partitions, mode, policy, started, gauges, learner, keeper, auditor, seal }
    }

    /// The answer to a request: every verb passes here, and what the audit is to know of it is
    /// written down before the answer goes out, or it does not.
    ///
    /// # Errors
    /// An [`ApiError`] with one of the codes of [`code`].
    pub async fn answer(&self, request: Request) -> Result<Bytes, ApiError> {
        let verb = VERBS.iter().find(|verb| verb.endpoint.verb == request.verb);
        // What is not on the list is nothing that anybody may do unseen.
        let audit = verb.map_or(Audit::Act, |verb| verb.audit);
        if audit == Audit::Nothing {
            return self.respond(request).await;
        }
        let mut line = self.auditor.asked(&request);
        if audit == Audit::Act {
            self.auditor.write(&line).await?;
        }
        let answered = self.respond(request).await;
        line.at = now();
        line.code = answered.as_ref().err().map(|error| error.code);
        line.outcome = match line.code {
            None => AuditOutcome::Done,
            Some(_) => AuditOutcome::Refused,
        };
        self.auditor.write(&line).await?;
        answered
    }

    async fn respond(&self, request: Request) -> Result<Bytes, ApiError> {
        let bytes = request.payload.len();
        if bytes > limits::EVENT_BYTES {
            let most = limits::EVENT_BYTES;
            let detail = format!("expected a request of at most {most} bytes, found {bytes}");
            return Err(ApiError::new(code::BAD_REQUEST, detail));
        }
        match request.verb {
            verb::SHOW => {
                let Looked { asked, twin, surroundings, partition, is_resident } =
                    self.look(&request).await?;
                let now = if self.mode == TimeMode::Stream { now() } else { twin.seen };
                reply(&Shown {
                    customer: &twin.customer,
                    asked: &asked,
                    partition,
                    resident: is_resident,
                    inputs: twin.timeline.total(),
                    now,
                    dissatisfaction: twin
                        .dissatisfaction(twin.governed_by(&surroundings.policy), now),
                    forecasts: twin.forecasts(twin.governed_by(&surroundings.policy), now),
                    twin: &twin,
                })
            }
            verb::TIMELINE => {
                let asked: Option<TimelineRequest> = optional(&request.payload)?;
                let Looked { twin, .. } = self.look(&request).await?;
                reply(&timeline(&twin, asked.and_then(|asked| asked.limit)))
            }
            verb::DECIDE => reply(&self.decide(&request).await?),
            verb::WHY => reply(&self.why(&request).await?),
            verb::WHAT_IF => reply(&self.what_if(&request).await?),
            verb::JOURNAL => reply(&self.journal(&request).await?),
            verb::MARKS => reply(&self.marks(&request).await?),
            verb::LESSONS => reply(&self.lessons(required(&request.payload)?).await?),
            verb::FORGED => reply(&self.forged(required(&request.payload)?).await?),
            verb::ERASE => reply(&self.erase(&request).await?),
            verb::EXPORT => reply(&self.export(&request).await?),
            verb::STATS => reply(&self.stats().await?),
            verb::POLICY => reply(&self.policy.read().status),
            verb::POLICY_FILES => {
                let asked = optional(&request.payload)?.unwrap_or_default();
                reply(&self.policy.read().file(asked)?)
            }
            verb::BROADCASTS => reply(&self.broadcasts().await?),
            verb::TRY_CAMPAIGN => reply(&self.try_campaign(required(&request.payload)?).await?),
            verb::EXPERIMENTS => reply(&self.experiments().await?),
            verb::ADVANCE => reply(&self.advance(required(&request.payload)?).await?),
            verb::ESCALATIONS_LIST => reply(&self.escalations(&request).await?),
            verb::ESCALATIONS_SHOW => reply(&self.escalation(&request).await?),
            verb::ESCALATIONS_NEXT => reply(&self.next(&request).await?),
            verb::ESCALATIONS_OPEN
            | verb::ESCALATIONS_CLAIM
            | verb::ESCALATIONS_NOTE
            | verb::ESCALATIONS_HANDBACK
            | verb::ESCALATIONS_RESOLVE => reply(&self.hand_over(&request).await?),
            verb::DEAD_LIST => {
                let asked: DeadList = optional(&request.payload)?.unwrap_or_default();
                reply(&self.dead_list(&asked).await?)
            }
            verb::DEAD_SHOW => {
                let DeadShow { sequence } = required(&request.payload)?;
                let letter = self.bus.dead_letter(sequence).await.map_err(from_bus)?;
                reply(&shown(letter, true))
            }
            verb::BACKUP => {
                let asked = optional(&request.payload)?.unwrap_or_default();
                reply(&self.keeper.back_up(asked).await?)
            }
            verb::AUDIT => {
                let asked = optional(&request.payload)?.unwrap_or_default();
                reply(&self.auditor.list(&asked).await?)
            }
            verb::DEAD_RETRY => reply(&self.dead_retry(required(&request.payload)?).await?),
            other => Err(ApiError::new(code::BAD_REQUEST, format!("nobody can ask `{other}`"))),
        }
    }

    /// The addresses of all partitions.
    pub(super) fn partitions(&self) -> &[Address] {
        self.partitions.all()
    }

    /// What `now` is for a twin.
    pub(super) fn mode(&self) -> TimeMode {
        self.mode
    }

    /// A copy of the twin of the customer who was asked for, and what it goes by.
    pub(super) async fn twin_of(
        &self,
        request: &Request,
    ) -> Result<(Box<Twin>, Surroundings), ApiError> {
        let Looked { twin, surroundings, .. } = self.look(request).await?;
        Ok((twin, surroundings))
    }

    /// The twin of the customer who was asked for, or to whom the identifier is linked.
    async fn look(&self, request: &Request) -> Result<Looked, ApiError> {
        let asked = customer_of(request)?;
        match self.look_for(asked.clone()).await? {
            (looked, true) => Ok(looked),
            (_, false) => Err(ApiError::new(
                code::NOT_FOUND,
                format!(
                    "nothing is known of customer `{}`; no event of theirs was taken in",
                    asked.token()
                ),
            )),
        }
    }

    /// The same; of somebody unknown the twin that would be, and `false`.
    async fn look_for(&self, asked: Customer) -> Result<(Looked, bool), ApiError> {
        let (mut partition, mut sight) = self.look_at(asked.clone()).await?;
        // A memory on its way may not have arrived: then the one who will have it is not known yet.
        for _ in 0..=limits::IDENTIFIERS {
            let Some(to) = sight.twin.as_ref().and_then(|twin| twin.linked_to.clone()) else {
                break;
            };
            let next = self.look_at(to).await?;
            if next.1.twin.is_none() {
                break;
            }
            (partition, sight) = next;
        }
        let Sight { twin, is_resident, surroundings } = sight;
        let is_known = twin.is_some();
        let twin = twin.unwrap_or_else(|| Box::new(Twin::new(asked.clone(), now())));
        Ok((Looked { asked, twin, surroundings, partition, is_resident }, is_known))
    }

    async fn look_at(&self, customer: Customer) -> Result<(u16, Sight), ApiError> {
        let (partition, address) = self.partition_of(&customer)?;
        let sight = address.send(Inspect(customer)).await.map_err(gone)?;
        Ok((partition, sight.map_err(|detail| ApiError::new(code::INTERNAL, detail))?))
    }

    /// What a twin decided, and why.
    async fn why(&self, request: &Request) -> Result<WhyReply, ApiError> {
        let WhyRequest { decision: wanted } = optional(&request.payload)?.unwrap_or_default();
        let customer = self.look(request).await?.twin.customer.clone();
        let (_, address) = self.partition_of(&customer)?;
        let found = address.send(Decisions(customer.clone())).await.map_err(gone)?;
        let found = found.map_err(|detail| ApiError::new(code::INTERNAL, detail))?;
        let known = found.iter().map(KnownDecision::of).collect();
        let decision = match &wanted {
            None => found.into_iter().next(),
            Some(id) => found.into_iter().find(|decision| decision.is(id)),
        };
        let Some(decision) = decision else {
            let token = customer.token();
            let detail = match wanted {
                None => {
                    format!("nothing was decided for `{token}` yet: no action came into question")
                }
                Some(id) => format!(
                    "`{id}` is none of the last decisions for `{token}`; the last {} are kept",
                    limits::DECISIONS
                ),
            };
            return Err(ApiError::new(code::NOT_FOUND, detail));
        };
        Ok(WhyReply { customer, flips: flips(&decision), decision, known })
    }

    /// What a twin would do if an event happened.
    async fn what_if(&self, request: &Request) -> Result<WhatIfReply, ApiError> {
        let asked: WhatIfRequest = required(&request.payload)?;
        let bad = |detail: String| ApiError::new(code::BAD_REQUEST, detail);
        let (Looked { mut twin, surroundings, .. }, is_known) =
            self.look_for(customer_of(request)?).await?;
        let channel = Channel::new(&asked.channel).map_err(bad)?;
        let payload = serde_json::json!({
            "id": bus::fresh_id(), "source": "what-if", "type": asked.kind, "data": asked.data,
        });
        let payload = payload.to_string();
        let raw = Raw {
            channel: &channel.token(),
            customer: &twin.customer.token(),
            headers: &[],
            payload: payload.as_bytes(),
            sequence: 0,
        };
        let event = parse(&raw).map_err(|rejection| bad(rejection.detail))?;
        let at = match (self.mode, asked.time) {
            (TimeMode::Event, Some(time)) => time,
            (TimeMode::Event, None) => twin.seen,
            (TimeMode::Stream, _) => now(),
        };
        // A twin of our own: nobody else will ever see it.
        let before = twin.clone();
        let reaction = react(&mut twin, &Input::event(event, at), &surroundings.world());
        Ok(WhatIfReply::of(&before, &twin, is_known, at, reaction))
    }

    /// Inputs of a twin that did not come from the stream.
    async fn journal(&self, request: &Request) -> Result<JournalReply, ApiError> {
        let JournalRequest { from } = optional(&request.payload)?.unwrap_or_default();
        let customer = customer_of(request)?;
        let (_, address) = self.partition_of(&customer)?;
        let journal = Journal(customer, from.unwrap_or(Time::MIN), limits::JOURNAL_LISTED);
        let found = address.send(journal).await.map_err(gone)?;
        let found = found.map_err(|detail| ApiError::new(code::INTERNAL, detail))?;
        let is_whole = found.len() < limits::JOURNAL_LISTED;
        let read = |one: store::Journalled| {
            let input = codec::open(codec::Kind::Input, &one.sealed)
                .map_err(|error| ApiError::new(code::INTERNAL, error.to_string()))?;
            Ok(JournalEntry { at: one.at, number: one.number, input })
        };
        let inputs = found.into_iter().map(read).collect::<Result<_, ApiError>>()?;
        Ok(JournalReply { inputs, is_whole })
    }

    /// From where on the partition of a customer went by which version of what was learned.
    async fn marks(&self, request: &Request) -> Result<MarksReply, ApiError> {
        let (_, address) = self.partition_of(&customer_of(request)?)?;
        let found = address.send(Marks).await.map_err(gone)?;
        let found = found.map_err(|detail| ApiError::new(code::INTERNAL, detail))?;
        Ok(MarksReply { marks: found.into_iter().map(VersionMark::from).collect() })
    }

    /// What versions were learned from. That belongs to no partition: any of them can look.
    async fn lessons(&self, asked: LessonsRequest) -> Result<LessonsReply, ApiError> {
        let none = || ApiError::new(code::INTERNAL, "the partitions are not started yet");
        let address = self.partitions.get(0).ok_or_else(none)?;
        let from = (asked.version, asked.number);
        let lessons = Lessons { from, with_levels: asked.levels, bytes: LESSONS_REPLY_BYTES };
        let found = address.send(lessons).await.map_err(gone)?;
        let (kept, parts) = found.map_err(|detail| ApiError::new(code::INTERNAL, detail))?;
        Ok(LessonsReply::of(&kept, parts))
    }

    /// The partition of a customer, and where it is reached.
    pub(super) fn partition_of(&self, customer: &Customer) -> Result<(u16, &Address), ApiError> {
        let partitions = self.partitions.all();
        let count = u16::try_from(partitions.len()).unwrap_or(u16::MAX);
        bus::partition_of(customer, count)
            .and_then(|partition| Some((partition, partitions.get(usize::from(partition))?)))
            .ok_or_else(|| ApiError::new(code::INTERNAL, "the partitions are not started yet"))
    }

    async fn counters(&self) -> Result<Vec<Counters>, ApiError> {
        let glances = self.partitions.all().iter().map(|address| address.send(Glance));
        let found: Result<Vec<Box<Counters>>, _> = join_all(glances).await.into_iter().collect();
        Ok(found.map_err(gone)?.into_iter().map(|counters| *counters).collect())
    }

    async fn stats(&self) -> Result<Stats, ApiError> {
        // What is not behind before the partitions are asked is in what they say; and what they have
        // said since, to each other, is behind afterwards.
        let before = self.bus.lag().await.map_err(from_bus)?;
        let partitions = self.counters().await?;
        let is_up = self.bus.is_up();
        let after = self.bus.lag().await.map_err(from_bus)?;
        let came = after.last.saturating_sub(before.last);
        let lag = before.behind().max(after.behind()).max(came);
        Ok(Stats {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            at: now(),
            time: self.mode,
            policy: self.policy.read().status.clone(),
            desks: self.gauges.rights.desks().names().map(Into::into).collect(),
            merging: self.gauges.rights.merging().map(Into::into).collect(),
            connected: is_up,
            lag,
            slowed: self.gauges.floor.slowed(),
            resets: self.gauges.resets.load(Ordering::Relaxed),
            missed: self.gauges.missed.count(),
            publishing: Publishing {
                outages: self.bus.outages(),
                relayed: self.gauges.relay.counters(),
                trouble: self.gauges.relay.trouble(),
            },
            streams: self.gauges.watch.kept(),
            space: self.gauges.room.space(),
            clock: self.gauges.clock.jumps(),
            learning: self.learning(),
            partitions,
        })
    }

    fn learning(&self) -> Learning {
        let figures = self.learner.figures();
        Learning {
            version: figures.version.load(Ordering::Relaxed),
            answers: figures.answers.load(Ordering::Relaxed),
            levels: figures.levels.load(Ordering::Relaxed),
            forgotten: figures.forgotten.load(Ordering::Relaxed),
        }
    }

    async fn broadcasts(&self) -> Result<LiveBroadcasts, ApiError> {
        let glances = self.partitions.all().iter().map(|address| address.send(GlanceBroadcasts));
        let found: Result<Vec<Vec<Progress>>, _> = join_all(glances).await.into_iter().collect();
        let mut all: BTreeMap<(String, String), Progress> = BTreeMap::new();
        for one in found.map_err(gone)?.into_iter().flatten() {
            match all.entry((one.scope.clone(), one.id.clone())) {
                Entry::Occupied(mut known) => known.get_mut().add(&one),
                Entry::Vacant(free) => drop(free.insert(one)),
            }
        }
        let partitions = u32::try_from(self.partitions.all().len()).unwrap_or(u32::MAX);
        all.values_mut().for_each(|one| one.in_all(partitions));
        Ok(LiveBroadcasts { at: now(), broadcasts: all.into_values().collect() })
    }

    /// What a campaign would come to, a page of customers at a time.
    async fn try_campaign(&self, asked: TryCampaignRequest) -> Result<TryCampaignReply, ApiError> {
        let TryCampaignRequest { scope, fact, partition, after, sample } = asked;
        let bad = |detail: String| ApiError::new(code::BAD_REQUEST, detail);
        let payload = serde_json::json!({ "type": Broadcast::TYPE, "data": fact }).to_string();
        let told = Broadcast::parse(&encode(&scope), &[], payload.as_bytes(), 0);
        let told = told.map_err(|rejection| bad(rejection.detail))?;
        let at = (self.mode == TimeMode::Stream).then(now);
        let all = self.partitions.all().len();
        let none = || bad(format!("expected a partition below {all}, found {partition}"));
        let address = self.partitions.get(partition).ok_or_else(none)?;
        let wanted = TryCampaign { told, after, limit: limits::CAMPAIGN_PAGE, sample, at };
        let tried = address.send(wanted).await.map_err(gone)?.map_err(bad)?;
        Ok(TryCampaignReply::of(tried, u16::try_from(all).unwrap_or(u16::MAX)))
    }

    async fn experiments(&self) -> Result<ExperimentsReply, ApiError> {
        let glances = self.partitions.all().iter().map(|address| address.send(GlanceResults));
        let found: Result<Vec<_>, _> = join_all(glances).await.into_iter().collect();
        let found = found.map_err(gone)?;
        let policy = found.first().map(|(policy, _)| policy.clone());
        let counted = found.into_iter().flat_map(|(_, results)| results);
        let experiments =
            policy.map_or_else(Vec::new, |policy| experiments::shown(&policy, counted));
        Ok(ExperimentsReply { at: now(), experiments })
    }

    async fn advance(&self, asked: Advance) -> Result<Advanced, ApiError> {
        if self.mode != TimeMode::Event {
            return Err(ApiError::new(
                code::CONFLICT,
                "expected a service with `service.time = \"event\"`; this one goes by the time at \
                 which the stream stored an event",
            ));
        }
        let fired =
            |counters: &[Counters]| counters.iter().map(|one| one.timers_fired).sum::<u64>();
        let before = fired(&self.counters().await?);
        // What was published before is taken in before the clock moves.
        let deadline = Instant::now() + ADVANCE_MAX;
        self.taken_in(deadline).await?;
        // What twins pass on to each other on the way is in the stream before its partition is done,
        // and is taken in too.
        loop {
            for address in self.partitions.all() {
                address.do_send(actors::Advance(asked.to));
            }
            for address in self.partitions.all() {
                while !address.send(HasAdvanced(asked.to)).await.map_err(gone)? {
                    if Instant::now() > deadline {
                        return Err(late());
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            if self.taken_in(deadline).await? {
                break;
            }
        }
        // What comes next is decided by what was learned until then.
        self.learner.learn_now().await;
        let after = fired(&self.counters().await?);
        Ok(Advanced { to: asked.to, timers_fired: after - before })
    }

    /// Waits until all that the stream holds is taken in; returns whether it was so at once.
    async fn taken_in(&self, deadline: Instant) -> Result<bool, ApiError> {
        let mut at_once = true;
        loop {
            let lag = self.bus.lag().await.map_err(from_bus)?;
            if lag.behind() == 0 {
                return Ok(at_once);
            }
            if Instant::now() > deadline {
                return Err(late());
            }
            at_once = false;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn dead_list(&self, asked: &DeadList) -> Result<DeadLetters, ApiError> {
        let counts = self.bus.dead_letter_counts().await.map_err(from_bus)?;
        let limit = asked.limit.unwrap_or(limits::DEAD_LETTERS_LISTED);
        let letters = self.bus.dead_letters(asked.reason, asked.after, limit).await;
        let letters = letters.map_err(from_bus)?.into_iter().map(|letter| shown(letter, false));
        Ok(DeadLetters { counts: BTreeMap::from_iter(counts), letters: letters.collect() })
    }

    async fn dead_retry(&self, asked: DeadRetry) -> Result<DeadRetried, ApiError> {
        let mut sequences = asked.sequences;
        if let Some(payload) = asked.payload {
            let [sequence] = sequences[..] else {
                let sentence = "expected one dead letter whose event is mended, found several";
                return Err(ApiError::new(code::BAD_REQUEST, sentence));
            };
            let payload = Bytes::from(payload);
            self.bus.retry_mended(sequence, Some(payload)).await.map_err(from_bus)?;
            return Ok(DeadRetried { retried: vec![sequence], ..DeadRetried::default() });
        }
        if asked.all {
            let mut after = 0;
            loop {
                let limit = limits::DEAD_LETTERS_LISTED;
                let letters = self.bus.dead_letters(None, after, limit).await.map_err(from_bus)?;
                let Some(last) = letters.last() else { break };
                after = last.sequence;
                sequences.extend(letters.iter().map(|letter| letter.sequence));
            }
        }
        let mut outcome = DeadRetried::default();
        for sequence in sequences {
            match self.bus.retry_dead_letter(sequence).await {
                Ok(_) => outcome.retried.push(sequence),
                Err(error) => {
                    outcome.failed.push(NotRetried { sequence, why: error.to_string() });
                }
            }
        }
        Ok(outcome)
    }
}

/// The customer whom a request is about.
pub(super) fn customer_of(request: &Request) -> Result<Customer, ApiError> {
    let token = request.tokens.last().map_or("", String::as_str);
    Customer::from_token(token).map_err(|detail| ApiError::new(code::BAD_REQUEST, detail))
}

/// Nothing can be taken in.
pub(super) fn no_room() -> ApiError {
    ApiError::new(
        code::NO_ROOM,
        "the disk has too little room left to take anything in; ask again once there is more",
    )
}

/// Nothing can be taken in of which an output would come.
pub(super) fn outbox_is_full() -> ApiError {
    ApiError::new(
        code::BUSY,
        "the service is busy: too many outputs wait until the broker takes them; nothing was done, ask \
         again once there are fewer (`outbox` and `publishing` in `stats`)",
    )
}

fn late() -> ApiError {
    ApiError::new(code::INTERNAL, "what is due did not fire in time; it is still under way")
}

fn timeline(twin: &Twin, limit: Option<usize>) -> TimelineReply {
    let held = twin.timeline.len();
    TimelineReply {
        customer: twin.customer.clone(),
        inputs: twin.timeline.total(),
        entries: twin
            .timeline
            .iter()
            .skip(held - limit.unwrap_or(held).min(held))
            .map(|entry| TimelineEntry {
                number: entry.number,
                at: entry.at,
                what: entry.what.name().into(),
                channel: entry.channel.into(),
                text: entry.text.into(),
            })
            .collect(),
    }
}

/// A dead letter as operators see it; its bytes only if they ask for this one.
fn shown(letter: bus::DeadLetter, whole: bool) -> DeadLetter {
    let payload = &letter.original.payload;
    let text = std::str::from_utf8(payload).ok();
    DeadLetter {
        sequence: letter.sequence,
        at: letter.stored,
        reason: letter.reason,
        detail: letter.detail,
        subject: letter.original.subject.into(),
        event_sequence: letter.event_sequence,
        partition: letter.partition,
        bytes: letter.truncated.unwrap_or(payload.len() as u64),
        headers: if whole {
            let plain = letter.original.headers.iter();
            plain.map(|(name, value)| (name.to_string(), value.to_string())).collect()
        } else {
            Vec::new()
        },
        text: text.filter(|_| whole).map(str::to_owned),
        hex: (whole && text.is_none()).then(|| hex::encode(payload)),
    }
}

pub(super) fn now() -> Time {
    chrono::Utc::now().into()
}

fn reply<T: Serialize>(answer: &T) -> Result<Bytes, ApiError> {
    serde_json::to_vec(answer)
        .map(Bytes::from)
        .map_err(|error| ApiError::new(code::INTERNAL, format!("the answer has no JSON: {error}")))
}

pub(super) fn required<T: DeserializeOwned>(payload: &[u8]) -> Result<T, ApiError> {
    json::read_bytes(payload).map_err(|misread| {
        ApiError::new(code::BAD_REQUEST, format!("expected the request as JSON, found: {misread}"))
    })
}

pub(super) fn optional<T: DeserializeOwned>(payload: &[u8]) -> Result<Option<T>, ApiError> {
    if payload.is_empty() { Ok(None) } else { required(payload) }
}

pub(super) fn gone<E>(_: E) -> ApiError {
    ApiError::new(code::INTERNAL, "the service is stopping")
}

fn from_bus(error: bus::Error) -> ApiError {
    let detail = error.to_string();
    match error {
        bus::Error::NoDeadLetter { .. } => ApiError::new(code::NOT_FOUND, detail),
        bus::Error::NoRetry { .. } => ApiError::new(code::CONFLICT, detail),
        bus::Error::Unusable { .. } => ApiError::new(code::BAD_REQUEST, detail),
        _ => ApiError::new(code::INTERNAL, detail),
    }
}
