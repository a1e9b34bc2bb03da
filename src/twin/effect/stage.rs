//! The stages that a candidate passes, and a count for each.

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use strum::{EnumString, IntoStaticStr, VariantArray};

/// The stages that a candidate passes, in order.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    EnumString,
    IntoStaticStr,
    VariantArray,
    JsonSchema,
)]
#[schemars(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Stage {
    /// Is there a reason to consider it, and may it be considered?
    Candidate,
    /// Is the customer eligible?
    Eligibility,
    /// Is it applicable now?
    Applicability,
    /// Is it suitable in the customer's present mood?
    Suitability,
    /// May the customer be contacted about it now?
    Contact,
    /// How probable is acceptance?
    Propensity,
    /// Is its score higher than that of the others?
    Arbitration,
    /// Does it have a usable treatment?
    Treatment,
}

/// The stages by their stored code. Codes are never changed or reused: a new stage is appended, whatever
/// its place in the order, and then needs new formats of the records that contain [`StageCounts`].
const BY_CODE: [Stage; Stage::ALL.len()] = [
    Stage::Candidate,
    Stage::Eligibility,
    Stage::Applicability,
    Stage::Suitability,
    Stage::Contact,
    Stage::Propensity,
    Stage::Arbitration,
    Stage::Treatment,
];

impl Stage {
    /// Every stage, in order.
    pub const ALL: &'static [Stage] = Stage::VARIANTS;

    /// The stage's name in records.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The code in stored records.
    const fn code(self) -> u8 {
        match self {
            Stage::Candidate => 0,
            Stage::Eligibility => 1,
            Stage::Applicability => 2,
            Stage::Suitability => 3,
            Stage::Contact => 4,
            Stage::Propensity => 5,
            Stage::Arbitration => 6,
            Stage::Treatment => 7,
        }
    }
}

impl Serialize for Stage {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            to.serialize_str(self.name())
        } else {
            to.serialize_u8(self.code())
        }
    }
}

impl<'de> Deserialize<'de> for Stage {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Stage, D::Error> {
        if from.is_human_readable() {
            let name = String::deserialize(from)?;
            name.parse().map_err(|_| D::Error::custom(format!("unknown stage `{name}`")))
        } else {
            let code = u8::deserialize(from)?;
            let known = BY_CODE.get(usize::from(code)).copied();
            known.ok_or_else(|| D::Error::custom(format!("unknown code of a stage: {code}")))
        }
    }
}

/// A count for each stage. As JSON the counts are in the order of [`Stage::ALL`]; in stored records they
/// are in the order of the codes, whatever the order of the stages is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StageCounts {
    by_code: [u64; BY_CODE.len()],
}

impl StageCounts {
    /// The counts, in the order of [`Stage::ALL`].
    pub fn of(counts: [u64; Stage::ALL.len()]) -> StageCounts {
        let mut all = StageCounts::default();
        for (stage, count) in Stage::ALL.iter().zip(counts) {
            all.add(*stage, count);
        }
        all
    }

    /// The count of a stage.
    pub fn get(&self, stage: Stage) -> u64 {
        self.by_code[usize::from(stage.code())]
    }

    /// Adds to the count of a stage.
    pub fn add(&mut self, stage: Stage, count: u64) {
        self.by_code[usize::from(stage.code())] += count;
    }

    /// Every stage with its count, in the order of [`Stage::ALL`].
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Stage, u64)> + '_ {
        Stage::ALL.iter().map(|stage| (*stage, self.get(*stage)))
    }
}

impl Serialize for StageCounts {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let order = if to.is_human_readable() { Stage::ALL } else { &BY_CODE };
        let mut counts = to.serialize_tuple(order.len())?;
        for stage in order {
            counts.serialize_element(&self.get(*stage))?;
        }
        counts.end()
    }
}

impl<'de> Deserialize<'de> for StageCounts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<StageCounts, D::Error> {
        let order = if from.is_human_readable() { Stage::ALL } else { &BY_CODE };
        let counts = <[u64; BY_CODE.len()]>::deserialize(from)?;
        let mut all = StageCounts::default();
        for (stage, count) in order.iter().zip(counts) {
            all.add(*stage, count);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_has_a_fixed_code() {
        for (code, stage) in (0..).zip(BY_CODE) {
            assert_eq!(stage.code(), code, "{}", stage.name());
        }
        let mut ordered = BY_CODE;
        ordered.sort();
        assert_eq!(ordered, Stage::ALL);
    }

    #[test]
    fn json_names_the_stages_and_lists_the_counts_in_their_order() {
        for &stage in Stage::ALL {
            let json = serde_json::to_string(&stage).unwrap();
            assert_eq!(json, format!("\"{}\"", stage.name()));
            assert_eq!(serde_json::from_str::<Stage>(&json).unwrap(), stage);
        }
        let counts = StageCounts::of([1, 2, 3, 4, 5, 6, 7, 8]);
        let json = serde_json::to_string(&counts).unwrap();
        assert_eq!(json, "[1,2,3,4,5,6,7,8]");
        assert_eq!(serde_json::from_str::<StageCounts>(&json).unwrap(), counts);
        let wrong = serde_json::from_str::<Stage>("\"candidates\"").unwrap_err();
        assert!(wrong.to_string().starts_with("unknown stage `candidates`"), "{wrong}");
    }
}
