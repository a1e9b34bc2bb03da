use super::Broadcasts;
use crate::models::Snapshot;
use crate::policy::Policy;

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
}

static NO_BROADCASTS: Broadcasts = Broadcasts::none();
static NO_MODELS: Snapshot = Snapshot::nothing();

impl<'a> World<'a> {
    /// A world in which nothing is shared and nothing was learned.
    pub fn of(policy: &'a Policy) -> World<'a> {
        World { policy, broadcasts: &NO_BROADCASTS, models: &NO_MODELS }
    }

    /// The same world in which this was learned.
    pub fn knowing<'b>(self, models: &'b Snapshot) -> World<'b>
    where
        'a: 'b,
    {
        World { models, ..self }
    }

    /// The same world with these broadcasts.
    pub fn with<'b>(self, broadcasts: &'b Broadcasts) -> World<'b>
    where
        'a: 'b,
    {
        World { broadcasts, ..self }
    }
}
