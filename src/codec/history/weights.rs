//! Weights of format 1 were learned with one scale of the priors, and had no masses. What the observations
//! said is the same at every scale; the intercept, whose key is 1, has the mass of all observations, and no
//! other feature has any yet.

use crate::codec::{Error, RecordKind, encode_payload, read_payload};

/// A message: precision and pull.
type Message = (f32, f32);
/// The key of the intercept.
const INTERCEPT: u64 = 1;
/// The number of scales of format 2.
const SCALE_COUNT: usize = 3;

/// Slots (feature, message), used slots, observations.
type WeightsOfFormat1 = (Vec<(u64, Message)>, u32, f64);
/// A slot: the low half of the feature's key, mass, a message for each scale.
type SlotOfFormat2 = (u32, f32, [Message; SCALE_COUNT]);
/// Slots, used slots, observations; for each scale the evidence, the prior variance, the sum of the weights.
type WeightsOfFormat2 =
    (Vec<SlotOfFormat2>, u32, f64, [f64; SCALE_COUNT], [f64; SCALE_COUNT], [f64; SCALE_COUNT]);

pub(super) fn to_2(payload: &[u8]) -> Result<Vec<u8>, Error> {
    let (slots, used, observations): WeightsOfFormat1 =
        read_payload(RecordKind::Weights, 1, payload)?;
    let slot = |(key, message): (u64, Message)| {
        // Features never have the keys of a free slot and of the intercept, nor their halves.
        let tag = if key > INTERCEPT { (key as u32).max(2) } else { key as u32 };
        (tag, if key == INTERCEPT { observations as f32 } else { 0.0 }, [message; SCALE_COUNT])
    };
    let nothing = [0.0; SCALE_COUNT];
    let slots = slots.into_iter().map(slot).collect();
    let weights: WeightsOfFormat2 = (slots, used, observations, nothing, nothing, nothing);
    encode_payload(RecordKind::Weights, &weights)
}
