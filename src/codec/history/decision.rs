//! Decisions of format 1 have no uplift among the factors of a score.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::codec::{Error, RecordKind, encode_payload, read_payload};
use crate::event::{Time, Value};
use crate::policy::Version;
use crate::twin::{Action, ArmAssignment, CandidateVerdict, Stage, StageCounts};

/// The factors of a score, in order: propensity, drawn, chance, context, value, lever.
type FactorsOfFormat1 = [f64; 6];
/// The same, and the uplift.
type FactorsOfFormat2 = [f64; 7];

/// A decision with the factors `F`.
#[derive(Serialize, Deserialize)]
struct StoredDecision<F> {
    id: Box<str>,
    number: u32,
    at: Time,
    by: Box<str>,
    policy: Version,
    model: u64,
    is_plain: bool,
    considered: u32,
    dropped: StageCounts,
    candidates: Vec<StoredCandidate<F>>,
    chosen: Vec<Arc<Action>>,
    arms: Vec<ArmAssignment>,
}

/// A candidate with the factors `F`.
#[derive(Serialize, Deserialize)]
struct StoredCandidate<F> {
    action: Arc<str>,
    treatment: Option<Arc<str>>,
    need: Option<Box<str>>,
    place: Arc<str>,
    stage: Stage,
    verdict: CandidateVerdict,
    weights: F,
    score: f64,
    read: Vec<(Box<str>, Value)>,
}

/// The payload of format 2.
pub(super) fn to_2(payload: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    // A row is a compressed decision, which has a version of its own: nothing but bytes and their number.
    if read_payload::<Box<[u8]>>(RecordKind::Decision, 1, payload).is_ok() {
        return Ok(Cow::Borrowed(payload));
    }
    let old = read_payload(RecordKind::Decision, 1, payload)?;
    encode_payload(RecordKind::Decision, &decision(old)).map(Cow::Owned)
}

// Each field is named, so that none is forgotten; several stand in a line.
#[rustfmt::skip]
fn decision(old: StoredDecision<FactorsOfFormat1>) -> StoredDecision<FactorsOfFormat2> {
    let StoredDecision {
        id, number, at, by, policy, model, is_plain, considered, dropped, candidates, chosen, arms,
    } = old;
    StoredDecision {
        id, number, at, by, policy, model, is_plain, considered, dropped,
        candidates: candidates.into_iter().map(candidate).collect(), chosen, arms,
    }
}

// Each field is named, so that none is forgotten; several stand in a line.
#[rustfmt::skip]
fn candidate(old: StoredCandidate<FactorsOfFormat1>) -> StoredCandidate<FactorsOfFormat2> {
    let StoredCandidate {
        action, treatment, need, place, stage, verdict, weights, score, read,
    } = old;
    let [propensity, drawn, chance, context, value, lever] = weights;
    let weights = [propensity, drawn, chance, context, value, lever, 1.0];
    StoredCandidate { action, treatment, need, place, stage, verdict, weights, score, read }
}
