//! The contract of the bus, as pure data: the subjects and streams of a deployment, the partition of a
//! customer, and the content of a dead letter.

mod dead_letter;
mod subject;

pub(crate) use dead_letter::{
    DETAIL, MESSAGE_ID, PARTITION, SEQUENCE, SUBJECT, TRUNCATED, is_reserved,
};
pub use dead_letter::{DeadHeaders, dead_letter};
pub(crate) use subject::Addressee;
pub use subject::{PrefixError, Subjects, partition_of};
