//! Actors: thin shells around the plain structs of `partition`. With `app`, the only module that uses
//! actix.
//!
//! A partition and its twins run on one arbiter (one thread), without locks or waiting. Slow work happens
//! on other threads and returns as a message: store reads on blocking threads, writes in the committer,
//! and the bus on its own runtime.

mod clock;
mod counters;
mod directory;
mod eraser;
mod learner;
mod lookup;
mod partition;
mod round_replies;
mod shell;
mod twin;

pub use clock::Clock;
pub use counters::{GetBroadcasts, GetCounters, GetExperimentResults};
pub use directory::{PartitionAddress, Partitions};
pub use eraser::{Eraser, EraserTask, GetErasure};
pub use learner::{LearnerHandle, LearnerStats, LearnerThread};
pub use lookup::{
    CampaignEstimate, GetDecisions, GetJournal, GetLessons, GetModelMarks, ListEscalations,
    TryCampaign,
};
pub use partition::{
    AdvanceTime, AskTwin, Confirmed, Durable, EventsPulled, FatalError, GetTwin, HasAdvanced,
    HoldScans, IsDrained, PartitionActor, PartitionSetup, PullReceipt, SetDiskSpace, SetModels,
    SetPolicy, StopPartition, TwinSnapshot,
};
