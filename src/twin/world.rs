use std::cell::RefCell;
use std::collections::BTreeSet;

use super::Broadcasts;
use crate::models::Snapshot;
use crate::policy::{Policy, SourceLocation};

/// All that a reaction goes by besides the twin and the input. The same for every twin of a
/// partition, and cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct World<'a> {
    /// What the company wants.
    pub policy: &'a Policy,
    /// What is shared among customers at the moment.
    pub broadcasts: &'a Broadcasts,
    /// What was learned from the outcomes of all customers.
    pub models: &'a Snapshot,
    /// Who is told which rules held; most often nobody.
    pub followed: Option<&'a MatchedRules>,
}

/// The rules that held, by their places.
#[derive(Debug, Clone, Default)]
pub struct MatchedRules(RefCell<BTreeSet<Box<str>>>);

impl MatchedRules {
    /// One held.
    pub(super) fn note(&self, place: &SourceLocation) {
        let written: &str = place.written();
        let mut places = self.0.borrow_mut();
        if !places.contains(written) {
            places.insert(written.into());
        }
    }

    /// The places of those that held.
    pub fn places(&self) -> BTreeSet<Box<str>> {
        self.0.borrow().clone()
    }
}

static NO_BROADCASTS: Broadcasts = Broadcasts::none();
static NO_MODELS: Snapshot = Snapshot::nothing();

impl<'a> World<'a> {
    /// A world in which nothing is shared and nothing was learned.
    pub fn of(policy: &'a Policy) -> World<'a> {
        World { policy, broadcasts: &NO_BROADCASTS, models: &NO_MODELS, followed: None }
    }

    /// The same world in which this was learned.
    pub fn knowing<'b>(self, models: &'b Snapshot) -> World<'b>
    where
        'a: 'b,
    {
        World { models, ..self }
    }

    /// The same world, in which somebody is told which rules hold.
    pub fn followed_by<'b>(self, followed: &'b MatchedRules) -> World<'b>
    where
        'a: 'b,
    {
        World { followed: Some(followed), ..self }
    }

    /// The same world with these broadcasts.
    pub fn with<'b>(self, broadcasts: &'b Broadcasts) -> World<'b>
    where
        'a: 'b,
    {
        World { broadcasts, ..self }
    }
}
