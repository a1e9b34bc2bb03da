//! How often things happened: a simulation in which nothing ever goes wrong proves nothing.

/// How often things happened, over all runs.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) crashes: u64,
    pub(crate) lost_writes: u64,
    pub(crate) redelivered: u64,
    pub(crate) duplicates: u64,
    pub(crate) dead: u64,
    pub(crate) panics: u64,
    pub(crate) timers: u64,
    pub(crate) passivations: u64,
    pub(crate) rests: u64,
    pub(crate) published_again: u64,
    pub(crate) forwarded: u64,
    pub(crate) doubled: u64,
    pub(crate) woken: u64,
    pub(crate) visited: u64,
    /// How often the clock on the wall was set.
    pub(crate) jumps: u64,
    /// How often a channel was slowed.
    pub(crate) slowed: u64,
    /// How often the disk had no room.
    pub(crate) held: u64,
    pub(crate) erasures: u64,
    pub(crate) of_erased: u64,
    pub(crate) answered: u64,
    pub(crate) asked_again: u64,
    pub(crate) refused: u64,
    pub(crate) panicked_asks: u64,
    pub(crate) failed_lessons: u64,
    pub(crate) recalls: u64,
    pub(crate) observations: u64,
    /// Commits of a commit log that a start applied.
    pub(crate) applied_again: u64,
    /// Messages of a crashed process that the commit log refused.
    pub(crate) refused_late: u64,
    /// Messages that were deleted from the commit log.
    pub(crate) trimmed: u64,
}

impl Seen {
    pub(crate) fn add(&mut self, other: &Seen) {
        self.crashes += other.crashes;
        self.lost_writes += other.lost_writes;
        self.redelivered += other.redelivered;
        self.duplicates += other.duplicates;
        self.dead += other.dead;
        self.panics += other.panics;
        self.timers += other.timers;
        self.passivations += other.passivations;
        self.rests += other.rests;
        self.published_again += other.published_again;
        self.forwarded += other.forwarded;
        self.doubled += other.doubled;
        self.woken += other.woken;
        self.visited += other.visited;
        self.jumps += other.jumps;
        self.slowed += other.slowed;
        self.held += other.held;
        self.erasures += other.erasures;
        self.of_erased += other.of_erased;
        self.answered += other.answered;
        self.asked_again += other.asked_again;
        self.refused += other.refused;
        self.panicked_asks += other.panicked_asks;
        self.failed_lessons += other.failed_lessons;
        self.recalls += other.recalls;
        self.observations += other.observations;
        self.applied_again += other.applied_again;
        self.refused_late += other.refused_late;
        self.trimmed += other.trimmed;
    }

    pub(crate) fn assert_everything_happened(&self) {
        let Seen {
            crashes,
            lost_writes,
            redelivered,
            duplicates,
            dead,
            panics,
            timers,
            passivations,
            rests,
            published_again,
            jumps,
            held,
            ..
        } = *self;
        let counts = [
            crashes,
            lost_writes,
            redelivered,
            duplicates,
            dead,
            panics,
            timers,
            passivations,
            rests,
            published_again,
            jumps,
            held,
        ];
        assert!(counts.iter().all(|count| *count > 100), "too little went wrong: {self:?}");
    }
}
