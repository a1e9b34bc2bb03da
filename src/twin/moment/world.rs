//! The world of a reaction: the policy, the active broadcasts, the models.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::Broadcasts;
use crate::models::Snapshot;
use crate::policy::{Policy, SourceLocation};

/// The environment of a reaction besides the twin and the input. Shared by all twins of a partition;
/// cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct World<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The active broadcasts.
    pub broadcasts: &'a Broadcasts,
    /// The models learned from the outcomes of all customers.
    pub models: &'a Snapshot,
    /// An observer of matched rules; usually none.
    pub followed: Option<&'a MatchedRules>,
}

/// The matched rules, by location.
#[derive(Debug, Clone, Default)]
pub struct MatchedRules(RefCell<BTreeSet<Box<str>>>);

impl MatchedRules {
    /// Records a matched rule.
    pub(in crate::twin) fn note(&self, place: &SourceLocation) {
        let written: &str = place.written();
        let mut places = self.0.borrow_mut();
        if !places.contains(written) {
            places.insert(written.into());
        }
    }

    /// The locations of the matched rules.
    pub fn places(&self) -> BTreeSet<Box<str>> {
        self.0.borrow().clone()
    }
}

static NO_BROADCASTS: Broadcasts = Broadcasts::none();

static NO_MODELS: Snapshot = Snapshot::nothing();

impl<'a> World<'a> {
    /// A world without broadcasts and models.
    pub fn of(policy: &'a Policy) -> World<'a> {
        World { policy, broadcasts: &NO_BROADCASTS, models: &NO_MODELS, followed: None }
    }

    /// The same world with these models.
    pub fn knowing<'b>(self, models: &'b Snapshot) -> World<'b>
    where
        'a: 'b,
    {
        World { models, ..self }
    }

    /// The same environment, with an observer of matched rules.
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
