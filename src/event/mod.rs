//! Events: what channels report; the vocabulary that every other room uses.
//!
//! Takes one raw message (the tokens of its subject, headers, bytes); returns an [`Event`] whose every
//! part is within its limit, or a [`Rejection`] that tells what was expected, what was found and what to
//! do. Pure: no clock, no IO.

mod agent_channels;
mod analysis;
mod ask;
mod attribute;
mod broadcast;
mod consent;
mod customer;
mod delivery;
mod envelope;
mod erasure;
mod field;
mod fingerprint;
mod form;
mod forwarded;
mod forwarding;
mod handoff;
mod headers;
pub mod json;
mod kind;
mod lane;
mod language_codes;
mod moment;
mod names;
pub mod nullable;
mod number;
mod original;
mod outcome;
mod output;
mod parse;
mod published_subject;
mod rejection;
mod rights;
mod spelling;
mod summary;
mod time;
mod value;
mod zone;

pub use agent_channels::AgentChannels;
pub use analysis::{AnalysedWords, Analysis};
pub use ask::AskData;
pub use broadcast::{Broadcast, Campaign, SharedFact};
pub use consent::ConsentData;
pub use customer::{Channel, Customer, decode, decode_any_spelling, encode};
pub use delivery::{Content, Delivery};
pub use envelope::Event;
pub use erasure::{Erasure, ErasureId};
pub use fingerprint::fingerprint;
pub use form::EnvelopeForm;
pub use forwarded::ForwardedEvent;
pub use forwarding::{CarriedMemory, Forwarding, INTERNAL, TransferKind, owner_hash};
pub use handoff::{HandoffData, HandoffState};
pub use headers::{Header, Headers};
pub use kind::{
    CaseData, EventKind, EventType, IdentifyData, InteractionData, InteractionState, LinkData,
    MessageData, NamedData, PreferenceData, Sensitivity, SignalData, Speaker, UnlinkData,
};
pub use lane::{Cursors, Lane, LaneChange, MainPlace, SlowLane, SlowedChannel, WrittenLane};
pub use moment::Moment;
pub use names::{is_left_to, named_in};
pub(crate) use number::six_digits;
pub use number::unsigned_zero;
pub use original::Original;
pub use outcome::{OutcomeData, OutcomeKind};
pub use output::Output;
pub use parse::{Raw, parse};
pub use published_subject::PublishedSubject;
pub use rejection::{Reason, Rejection};
pub use rights::Rights;
pub use spelling::{folded_name, is_same_name, language_tag, primary_language};
pub use time::Time;
pub use value::{Map, Value, cut};
pub use zone::Zone;
