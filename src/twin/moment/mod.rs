//! One reaction's surroundings: the world, the context of the input, and the view of the twin for
//! expressions.
//!
//! The stages read the twin through the view. `Broadcasts` are kept by the partition, beyond one reaction.

mod arbitration;
pub(super) mod broadcast;
pub(super) mod campaign;
pub(super) mod context;
pub(super) mod dissatisfaction;
pub(super) mod features;
pub(super) mod language;
pub(super) mod matching;
pub(super) mod message;
pub(super) mod purposes;
pub(super) mod requests;
pub(super) mod resume;
pub(super) mod view;
pub(super) mod world;

pub(super) use arbitration::{Arbitration, Arms};
pub(super) use broadcast::NewMeetings;
pub use broadcast::{Broadcasts, EndedBroadcasts, LiveBroadcast};
pub(super) use context::ReactionContext;
pub use dissatisfaction::Dissatisfaction;
pub(super) use message::MessageContent;
pub(super) use requests::DecisionRequests;
pub(super) use resume::ResumeOffer;
pub(super) use view::{ReadPurpose, View};
pub use world::{MatchedRules, World};
