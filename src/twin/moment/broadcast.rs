//! Broadcasts: stored once, read by matching customers, received once by each twin.
//!
//! A broadcast is active from its arrival in the stream until its `ttl` expires, it is ended, or another
//! one of the same scope replaces it. Its condition is evaluated at every read, so it applies to
//! customers who match at that time. A twin stores only that it has received it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::config::limits;
use crate::event::{Broadcast, Campaign, Customer, Reason, Rejection, Time, Value, fingerprint};
use crate::policy::{Audience, CompileError};
use crate::twin::input::{Input, Woken};

/// An active broadcast and its condition.
#[derive(Debug)]
pub struct LiveBroadcast {
    /// The broadcast's fingerprint: a duplicate has the same.
    pub id: u64,
    /// Its name.
    pub scope: Box<str>,
    /// Its value.
    pub value: Value,
    /// Its audience; none: every customer.
    pub condition: Option<Audience>,
    /// When it was processed.
    pub since: Time,
    /// When it ends.
    pub until: Time,
    /// Whether it wakes all matching twins now.
    pub wake: bool,
    /// The decision that it makes twins take, if it is a campaign.
    pub decide: Option<Campaign>,
}

impl LiveBroadcast {
    /// The broadcast that starts at `at`; none if the message ends one.
    ///
    /// # Errors
    /// A [`Rejection`] with the first mistake in its condition.
    pub fn new(broadcast: &Broadcast, at: Time) -> Result<Option<LiveBroadcast>, Rejection> {
        let fact = &broadcast.fact;
        let value = match (&fact.value, &fact.decide) {
            (Some(value), _) => value.clone(),
            (None, Some(_)) => Value::Bool(true),
            (None, None) => return Ok(None),
        };
        let condition = match &fact.condition {
            Some(source) => Some(Audience::compile(source).map_err(|error| bad(source, &error))?),
            None => None,
        };
        let lives = fact.ttl.map_or(limits::BROADCAST_SECS as u64, u64::from);
        Ok(Some(LiveBroadcast {
            id: LiveBroadcast::identity(broadcast),
            scope: broadcast.scope.clone(),
            value,
            condition,
            since: at,
            until: at + Duration::from_secs(lives),
            wake: fact.wake || fact.decide.is_some(),
            decide: fact.decide.clone(),
        }))
    }

    /// The fingerprint of a broadcast, or of its end: the same in every partition and for every
    /// duplicate.
    pub fn identity(broadcast: &Broadcast) -> u64 {
        fingerprint([&broadcast.fingerprint.to_le_bytes(), broadcast.scope.as_bytes()])
    }

    /// Whether it is active at a time. Only the end is checked: events come in stream order, so a
    /// delivered broadcast has started.
    pub fn is_live(&self, now: Time) -> bool {
        now < self.until
    }

    /// The input that delivers it to a twin at `at`.
    pub fn wake(&self, customer: &Customer, at: Time) -> Input {
        Input::wake(Woken { id: self.id, scope: self.scope.clone() }, customer, at)
    }
}

fn bad(source: &str, error: &CompileError) -> Rejection {
    let character = crate::event::cut(source, error.offset).chars().count() + 1;
    Rejection::new(
        Reason::BadData,
        format!(
            "expected in `where` an expression that selects customers; found at character \
             {character}: {}",
            error.message
        ),
    )
}

/// The active broadcasts, one per scope, ordered by scope. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Broadcasts(Option<Arc<[Arc<LiveBroadcast>]>>);

impl Broadcasts {
    /// No broadcasts.
    pub const fn none() -> Broadcasts {
        Broadcasts(None)
    }

    /// Whether there are no broadcasts.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The number of broadcasts.
    pub fn len(&self) -> usize {
        self.all().len()
    }

    /// All broadcasts, ordered by scope.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<LiveBroadcast>> {
        self.all().iter()
    }

    /// Whether this broadcast is active.
    pub fn has(&self, scope: &str, id: u64) -> bool {
        self.get(scope).is_some_and(|shared| shared.id == id)
    }

    /// The broadcast of a scope.
    pub fn get(&self, scope: &str) -> Option<&Arc<LiveBroadcast>> {
        let at = self.position(scope).ok()?;
        self.all().get(at)
    }

    /// Starts a broadcast; returns the one of the same scope that it replaces.
    ///
    /// # Errors
    /// A [`Rejection`] if there are [`limits::BROADCASTS`] of other scopes; then nothing has changed.
    pub fn begin(
        &mut self,
        shared: LiveBroadcast,
    ) -> Result<Option<Arc<LiveBroadcast>>, Rejection> {
        let mut all = self.all().to_vec();
        let before = match self.position(&shared.scope) {
            Ok(at) => Some(std::mem::replace(&mut all[at], Arc::new(shared))),
            Err(_) if all.len() >= limits::BROADCASTS => {
                return Err(Rejection::new(
                    Reason::Refused,
                    format!(
                        "expected at most {} active broadcasts, found one more; end one, or use a \
                         shorter `ttl`",
                        limits::BROADCASTS
                    ),
                ));
            }
            Err(at) => {
                all.insert(at, Arc::new(shared));
                None
            }
        };
        self.0 = Some(all.into());
        Ok(before)
    }

    /// Ends the broadcast of a scope, and returns it.
    pub fn end(&mut self, scope: &str) -> Option<Arc<LiveBroadcast>> {
        let at = self.position(scope).ok()?;
        let mut all = self.all().to_vec();
        let ended = all.remove(at);
        self.set(all);
        Some(ended)
    }

    /// Removes the broadcasts that have ended at `now`, and returns them.
    pub fn expire(&mut self, now: Time) -> Vec<Arc<LiveBroadcast>> {
        let (live, over): (Vec<_>, Vec<_>) =
            self.iter().cloned().partition(|shared| shared.is_live(now));
        if !over.is_empty() {
            self.set(live);
        }
        over
    }

    fn all(&self) -> &[Arc<LiveBroadcast>] {
        self.0.as_deref().unwrap_or_default()
    }

    fn set(&mut self, all: Vec<Arc<LiveBroadcast>>) {
        self.0 = (!all.is_empty()).then(|| all.into());
    }

    fn position(&self, scope: &str) -> Result<usize, usize> {
        self.all().binary_search_by(|known| (*known.scope).cmp(scope))
    }
}

/// Ended broadcasts and received end messages, so that a late duplicate neither restarts one nor ends a
/// newer one.
#[derive(Debug, Clone, Default)]
pub struct EndedBroadcasts {
    /// The end time and fingerprint of each, oldest first.
    known: VecDeque<(Time, u64)>,
}

impl EndedBroadcasts {
    /// Whether this one has ended.
    pub fn has(&self, id: u64) -> bool {
        self.known.iter().any(|(_, known)| *known == id)
    }

    /// Records an ended broadcast; returns the one dropped for it if the limit
    /// [`limits::BROADCASTS_OVER`] is reached.
    pub fn add(&mut self, at: Time, id: u64) -> Option<(Time, u64)> {
        self.known.push_back((at, id));
        if self.known.len() > limits::BROADCASTS_OVER { self.known.pop_front() } else { None }
    }
}

/// Broadcasts that a twin receives with the current input.
pub(in crate::twin) type NewMeetings = SmallVec<[Arc<LiveBroadcast>; 1]>;
