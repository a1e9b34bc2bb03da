//! What is learned from outcomes: pure mathematics that knows neither policies nor twins.

mod snapshot;

pub use snapshot::Snapshot;
