use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::{
    ForgedReply, ForgedRequest, JournalReply, JournalRequest, LessonsReply, LessonsRequest,
    MarksReply, PolicyFileReply, PolicyFileRequest, verb,
};
use crate::bus::{self, Bus};
use crate::config::limits;
use crate::event::{AgentChannels, Customer, Rights};
use crate::models::{LessonReplayer, Snapshot};
use crate::past::{Life, Lived, ModelMark, Past};
use crate::policy::Files;
use crate::tables::KeptLesson;

/// Which model a replay uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelSource {
    /// The version that each input used originally.
    Then,
    /// The current model.
    Now,
}

/// Why a service's data could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No reply, or an error reply.
    #[error(transparent)]
    Bus(#[from] bus::Error),
    /// The reply is invalid.
    #[error("expected an answer of this version of jumeau, found {0}; use the service's own tools")]
    Reply(String),
}

/// Adds to a history what a running service stores of it besides the stream, and removes internal
/// messages that the service did not write.
///
/// # Errors
/// [`Error`]; additions and removals until then remain.
pub async fn recollect(bus: &Bus, customer: &Customer, past: &mut Past) -> Result<(), Error> {
    let marks: MarksReply = ask(bus, verb::MARKS, &[customer.as_str()], None::<&()>).await?;
    past.learned(marks.marks.into_iter().map(ModelMark::from).collect());
    past.forget(&forged(bus, &past.forwarded()).await?);
    let mut from = None;
    loop {
        let question = JournalRequest { from };
        let reply: JournalReply =
            ask(bus, verb::JOURNAL, &[customer.as_str()], Some(&question)).await?;
        let last = reply.inputs.last().map(|one| one.at);
        for one in reply.inputs {
            // The last time of a reply may continue in the next one.
            if reply.is_whole || Some(one.at) != last {
                past.journalled(one.at, one.number, one.input);
            }
        }
        if reply.is_whole || last == from {
            return Ok(());
        }
        from = last;
    }
}

/// The forged ones among these internal messages.
///
/// # Errors
/// [`Error`].
pub async fn forged(bus: &Bus, sequences: &[u64]) -> Result<Vec<u64>, Error> {
    let mut found = Vec::new();
    for some in sequences.chunks(limits::FORGED_ASKED) {
        let question = ForgedRequest { sequences: some.to_vec() };
        let reply: ForgedReply = ask(bus, verb::FORGED, &[], Some(&question)).await?;
        found.extend(reply.forged);
    }
    Ok(found)
}

/// The channels with special rights of a running service.
///
/// # Errors
/// [`Error`].
pub async fn rights(bus: &Bus) -> Result<Rights, Error> {
    #[derive(serde::Deserialize)]
    struct StatsReply {
        desks: Vec<Box<str>>,
        merging: Vec<Box<str>>,
    }
    let stats: StatsReply = ask(bus, verb::STATS, &[], None::<&()>).await?;
    let desks = AgentChannels::new(stats.desks.iter().map(|name| &**name));
    Ok(Rights::new(desks, stats.merging.iter().map(|name| &**name)))
}

/// Reads the policy files of a running service.
///
/// # Errors
/// [`Error`]; also if the policy changes meanwhile.
pub async fn running(bus: &Bus) -> Result<Files, Error> {
    let mut asked = PolicyFileRequest::default();
    let mut version = None;
    let mut files: Vec<(String, String)> = Vec::new();
    loop {
        let reply: PolicyFileReply = ask(bus, verb::POLICY_FILES, &[], Some(&asked)).await?;
        if *version.get_or_insert_with(|| reply.version.clone()) != reply.version {
            return Err(Error::Reply("a policy that changed while it was read".to_owned()));
        }
        match files.last_mut().filter(|(name, _)| *name == reply.name) {
            Some((_, content)) => content.push_str(&reply.content),
            None => files.push((reply.name, reply.content)),
        }
        asked = match reply.next {
            Some(from) => PolicyFileRequest { from, ..asked },
            None if asked.file + 1 < reply.files => {
                PolicyFileRequest { file: asked.file + 1, from: 0 }
            }
            None => return Ok(Files::new(files)),
        };
    }
}

async fn ask<T: DeserializeOwned>(
    bus: &Bus,
    verb: &str,
    tokens: &[&str],
    question: Option<&impl Serialize>,
) -> Result<T, Error> {
    let malformed = |error: serde_json::Error| Error::Reply(error.to_string());
    let payload = question.map(serde_json::to_vec).transpose().map_err(malformed)?;
    let payload = payload.map_or_else(Bytes::new, Bytes::from);
    let answer = bus.ask(verb, tokens, payload).await?;
    serde_json::from_slice(&answer).map_err(malformed)
}

/// The model versions of a service, rebuilt from its training history.
pub struct RelearnedModels<'a> {
    bus: &'a Bus,
    relearner: LessonReplayer,
    milestones: Vec<u64>,
    /// Received parts that are not trained on yet.
    parts: VecDeque<KeptLesson>,
    /// The next request.
    next: LessonsRequest,
}

impl<'a> RelearnedModels<'a> {
    /// Starts with no model.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn of(bus: &'a Bus) -> Result<RelearnedModels<'a>, Error> {
        let mut learned = RelearnedModels {
            bus,
            relearner: LessonReplayer::default(),
            milestones: Vec::new(),
            parts: VecDeque::new(),
            next: LessonsRequest { version: 0, number: 1, levels: false },
        };
        learned.fetch().await?;
        Ok(learned)
    }

    /// The model of a version; none if it is no longer kept.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn at(&mut self, version: u64) -> Result<Option<Snapshot>, Error> {
        if version == 0 && self.milestones.is_empty() {
            // Nothing was ever trained.
            return Ok(Some(Snapshot::nothing()));
        }
        let Some(base) = self.milestones.iter().rfind(|one| **one <= version).copied() else {
            return Ok(None);
        };
        let known = self.relearner.version();
        if (known > version || known < base) && !self.begin(base).await? {
            return Ok(None);
        }
        self.learn(version).await?;
        let is_there = self.relearner.version() == version && self.is_kept(base);
        Ok(is_there.then(|| self.relearner.snapshot().clone()))
    }

    /// The current model, as far as its history is kept.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn now(&mut self) -> Result<Snapshot, Error> {
        let Some(last) = self.milestones.last().copied() else { return Ok(Snapshot::nothing()) };
        if self.relearner.version() < last && !self.begin(last).await? {
            return Ok(Snapshot::nothing());
        }
        self.learn(u64::MAX).await?;
        Ok(self.relearner.snapshot().clone())
    }

    /// Restarts at a milestone; `false` if it was deleted meanwhile.
    async fn begin(&mut self, milestone: u64) -> Result<bool, Error> {
        self.relearner = LessonReplayer::default();
        self.parts.clear();
        if milestone > 0 {
            let number = KeptLesson::LEVELS;
            self.next = LessonsRequest { version: milestone, number, levels: true };
            while self.peek().await?.is_some_and(|part| part.version == milestone) {
                self.take()?;
            }
            self.parts.clear();
        }
        self.next = LessonsRequest { version: milestone + 1, number: 0, levels: false };
        Ok(self.is_kept(milestone) && self.relearner.version() == milestone)
    }

    /// Trains further, up to a version.
    async fn learn(&mut self, version: u64) -> Result<(), Error> {
        while self.peek().await?.is_some_and(|part| part.version <= version) {
            self.take()?;
        }
        Ok(())
    }

    async fn peek(&mut self) -> Result<Option<&KeptLesson>, Error> {
        if self.parts.is_empty() {
            self.fetch().await?;
        }
        Ok(self.parts.front())
    }

    async fn fetch(&mut self) -> Result<(), Error> {
        let reply: LessonsReply = ask(self.bus, verb::LESSONS, &[], Some(&self.next)).await?;
        self.milestones = reply.milestones;
        for part in &reply.lessons {
            let kept =
                part.decode().ok_or_else(|| Error::Reply("a lesson of other text".into()))?;
            self.next.version = part.version;
            self.next.number = part.number.saturating_add(1);
            self.parts.push_back(kept);
        }
        Ok(())
    }

    fn take(&mut self) -> Result<(), Error> {
        if let Some(part) = self.parts.pop_front() {
            let lesson = part.open().map_err(|error| Error::Reply(error.to_string()))?;
            self.relearner.take(part.version, lesson);
        }
        Ok(())
    }

    /// Whether a milestone still exists: it may have been deleted while it was read.
    fn is_kept(&self, milestone: u64) -> bool {
        self.milestones.first().is_some_and(|first| *first <= milestone)
    }
}

/// The results of replays, and their limitations.
#[derive(Debug, Default)]
pub struct Lives {
    /// The replays, in the order of their histories.
    pub lived: Vec<Lived>,
    /// Inputs whose model version is no longer kept, replayed with the current model.
    pub by_now: u64,
}

/// Replays all of them to the end, in parallel, so that each model version is rebuilt once.
///
/// # Errors
/// [`Error`].
pub async fn live(
    lives: Vec<Life<'_>>,
    by: ModelSource,
    learned: &mut RelearnedModels<'_>,
) -> Result<Lives, Error> {
    if by == ModelSource::Now {
        let now = learned.now().await?;
        let lived = lives.into_iter().map(|life| life.to_end(&now)).collect();
        return Ok(Lives { lived, by_now: 0 });
    }
    let mut lives: Vec<Life<'_>> = lives;
    let mut waiting: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (place, life) in lives.iter().enumerate() {
        if let Some(version) = life.next_version() {
            waiting.entry(version).or_default().push(place);
        }
    }
    let mut now = None;
    let mut by_now = 0;
    while let Some((version, places)) = waiting.pop_first() {
        let (models, is_kept) = match learned.at(version).await? {
            Some(models) => (models, true),
            None => {
                if now.is_none() {
                    now = Some(learned.now().await?);
                }
                (now.clone().unwrap_or_default(), false)
            }
        };
        for place in places {
            let Some(life) = lives.get_mut(place) else { continue };
            while life.next_version() == Some(version) && life.go_on(&models) {
                by_now += u64::from(!is_kept);
            }
            if let Some(next) = life.next_version() {
                waiting.entry(next).or_default().push(place);
            }
        }
    }
    Ok(Lives { lived: lives.into_iter().map(Life::lived).collect(), by_now })
}
