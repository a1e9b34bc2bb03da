//! What operators and channels ask, and what they are answered: the NATS service `jumeau`.
//!
//! In come requests on `<prefix>.api.<verb>…`; out go the messages of this room as JSON, or a
//! service error with one of the codes of [`code`].

mod campaign;
mod decide;
mod desk;
mod experiments;
mod learned;
mod messages;
mod view;
mod why;

pub use campaign::{TryCampaignReply, TryCampaignRequest};
pub use decide::{DecideReply, DecideRequest, Offer};
pub use desk::{Desk, ENDPOINTS, Gauges};
pub use experiments::{ArmShown, ExperimentShown, ExperimentsReply};
pub use learned::{LessonPart, LessonsReply, LessonsRequest, MarksReply, VersionMark};
pub use messages::{
    Advance, Advanced, DeadLetter, DeadLetters, DeadList, DeadRetried, DeadRetry, DeadShow,
    Learning, LiveBroadcasts, NotRetried, PolicyStatus, Publishing, Refusal, Stats, code, verb,
};
pub use view::{ShowReply, TimelineEntry, TimelineReply, TimelineRequest, TwinView};
pub use why::{
    JournalEntry, JournalReply, JournalRequest, KnownDecision, NeedChange, WhatIfReply,
    WhatIfRequest, WhyReply, WhyRequest,
};
