//! Several identifiers become one customer, and one becomes several again.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod copies;
mod erasures;
mod hands;
mod links;
mod orders;
mod times;
mod town;
mod unlinks;
