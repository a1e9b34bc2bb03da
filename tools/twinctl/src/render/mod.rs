//! Rendering of replies for people: pure functions from a reply to a text with colours, which the printer
//! drops where they are not supported.

mod audit;
mod backup;
mod broadcasts;
mod campaign;
mod dead;
mod escalations;
mod experiments;
mod export;
mod forecast;
mod policy;
mod quantity;
mod receipt;
mod replay;
mod sheet;
mod stats;
mod style;
mod tail;
mod twin;
mod why;

pub(crate) use audit::audit;
pub(crate) use backup::{advanced, backup};
pub(crate) use broadcasts::broadcasts;
pub(crate) use campaign::{campaign_counts, campaign_line, rehearsed};
pub(crate) use dead::{dead_letters, letter, retried};
pub(crate) use escalations::{acted, claimed, escalation, escalations};
pub(crate) use experiments::experiments;
pub(crate) use export::export;
pub(crate) use policy::policy;
pub(crate) use quantity::many;
pub(crate) use receipt::receipt;
pub(crate) use replay::{Replay, ReplayedAction, replay};
pub(crate) use stats::stats;
pub(crate) use tail::{HeardMessage, line};
pub(crate) use twin::{timeline, twin};
pub(crate) use why::{offers, what_if, why};

#[cfg(test)]
mod hostile;

#[cfg(test)]
fn plain(text: &str) -> String {
    let plain = jumeau::terminal::plain(text);
    plain.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}
