//! The result of an arbitration, which the decision hands on to the act.

use crate::models::Exposure;
use crate::policy::{Experiment, ExperimentArm, SourceLocation};
use crate::twin::effect::Decision;
use crate::twin::state::{Measurement, Timer};

/// The result of an arbitration.
pub(in crate::twin) struct Arbitration<'a> {
    /// Its record, with the chosen actions.
    pub(in crate::twin) decision: Box<Decision>,
    /// The features of each chosen action, if its outcome can be learned from.
    pub(in crate::twin) exposures: Vec<Option<Exposure>>,
    /// The timer for deciding again: what would have been chosen must wait for the end of the quiet
    /// hours.
    pub(in crate::twin) deferred: Option<Timer>,
    /// A deferred candidate that needs the event and can no longer be sent: its location, and the reason.
    pub(in crate::twin) lost: Option<(SourceLocation, String)>,
    /// The experiments that the decision concerns, and the customer's arms.
    pub(in crate::twin) entered: Arms<'a>,
    /// The measurements of uplift that it begins, each with the name of its experiment.
    pub(in crate::twin) measurements: Vec<(Box<str>, Measurement)>,
}

/// Experiments, and the customer's arms in them.
pub(in crate::twin) type Arms<'a> = Vec<(&'a Experiment, &'a ExperimentArm)>;
