//! The actors: thin shells around the plain structs of `partition`. With `app`, the only room that
//! names actix.
//!
//! A partition and its twins live on one arbiter, which is one thread: between them nothing is
//! locked and nothing waits. Whatever is slow happens elsewhere and comes back as a message: the
//! store is read on blocking threads, written by the committer, the bus has threads of its own.

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
    HoldScans, IsDrained, PartitionActor, PartitionSetup, SetDiskSpace, SetModels, SetPolicy,
    StopPartition, TwinSnapshot,
};
