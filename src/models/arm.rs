use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::normal::{hashed, seed};

/// A choice as the model sees it: an action in one of its treatments, and what it has in common with
/// others, which gives its prior before there are any outcomes.
///
/// Arms are created once, when a policy is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Arm {
    /// The levels that it shares with other actions, widest first.
    #[schemars(with = "Vec<u64>")]
    pub(super) shared: SmallVec<[u64; 4]>,
    /// The hash of the action.
    pub(super) action: u64,
    /// The hash of the treatment; none if the action has no other.
    pub(super) treatment: Option<u64>,
}

/// The components of an arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ArmParts<'a> {
    /// The action.
    pub action: &'a str,
    /// The treatment of the action.
    pub treatment: &'a str,
    /// The issue that the action belongs to.
    pub issue: &'a str,
    /// The channel of the treatment.
    pub channel: &'a str,
    /// The tone of the treatment.
    pub tone: &'a str,
}

impl Arm {
    /// The arm of these parts, if others differ in each of them.
    pub fn new(parts: ArmParts<'_>) -> Arm {
        let [shared @ .., action, treatment] = levels(parts);
        Arm { shared: shared.into(), action, treatment: Some(treatment) }
    }

    /// The arms of everything that a policy can choose. Parts that do not distinguish arms are left out:
    /// two levels of the same arms would learn the same thing twice, so the model would be too certain,
    /// and would follow the latest outcomes too closely.
    pub fn all(parts: &[ArmParts<'_>]) -> Vec<Arm> {
        let levels: Vec<_> = parts.iter().map(|parts| levels(*parts)).collect();
        let mut members: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (number, levels) in levels.iter().enumerate() {
            for level in levels {
                members.entry(*level).or_default().push(number);
            }
        }
        let alike = |one: &u64, other: &u64| members[one] == members[other];
        let arm = |[shared @ .., action, treatment]: &[u64; 6]| {
            let mut kept: SmallVec<[u64; 4]> = SmallVec::new();
            for level in shared {
                if !alike(level, action) && !kept.iter().any(|kept| alike(kept, level)) {
                    kept.push(*level);
                }
            }
            let treatment = (!alike(treatment, action)).then_some(*treatment);
            Arm { shared: kept, action: *action, treatment }
        };
        levels.iter().map(arm).collect()
    }

    /// The arm of reaching the goal of this hash, if this action is taken, or would be taken and is not.
    /// Both share what customers do anyway.
    pub fn of_goal(goal: u64, action: &str, is_taken: bool) -> Arm {
        let goal = seed(&[6, goal]);
        let action = seed(&[7, goal, hashed(action), u64::from(is_taken)]);
        Arm { shared: SmallVec::from_slice(&[goal]), action, treatment: None }
    }

    /// The hash that distinguishes the action, in every treatment.
    pub fn action(&self) -> u64 {
        self.action
    }

    /// The level that it shares with most other actions: with all of a policy, if there are any.
    pub(super) fn widest(&self) -> Option<u64> {
        self.shared.first().copied()
    }

    /// The hash that distinguishes the treatment.
    pub fn treatment(&self) -> u64 {
        self.treatment.unwrap_or(self.action)
    }
}

/// The levels, from those that all arms share to the arm's own.
fn levels(parts: ArmParts<'_>) -> [u64; 6] {
    let level = |number: u64, name: &str| seed(&[number, hashed(name)]);
    let action = level(4, parts.action);
    [
        level(0, ""),
        level(1, parts.issue),
        level(2, parts.channel),
        level(3, parts.tone),
        action,
        seed(&[5, action, hashed(parts.treatment)]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: ArmParts<'_> = ArmParts {
        action: "card",
        treatment: "soft",
        issue: "sales",
        channel: "app",
        tone: "gentle",
    };

    #[test]
    fn treatments_of_one_action_share_all_features_but_their_differences() {
        let soft = Arm::new(CARD);
        let hard = Arm::new(ArmParts { treatment: "hard", tone: "urgent", ..CARD });
        assert_eq!(soft.action(), hard.action());
        assert_ne!(soft.treatment(), hard.treatment());
        assert_eq!(soft.shared[..3], hard.shared[..3]);
        assert_ne!(soft.shared[3], hard.shared[3]);
    }

    #[test]
    fn treatments_of_equal_name_differ_by_their_action() {
        let other = Arm::new(ArmParts { action: "loan", ..CARD });
        assert_ne!(other.treatment(), Arm::new(CARD).treatment());
    }

    #[test]
    fn a_part_shared_by_all_arms_is_left_out() {
        let loan = ArmParts { action: "loan", ..CARD };
        let help = ArmParts { action: "help", issue: "service", ..CARD };
        let arms = Arm::all(&[CARD, ArmParts { treatment: "hard", ..CARD }, loan, help]);
        // Channel and tone are the same everywhere, and the issue `service` has no other action.
        assert_eq!(arms.iter().map(|arm| arm.shared.len()).collect::<Vec<_>>(), [2, 2, 2, 1]);
        let has_treatment = arms.iter().map(|arm| arm.treatment.is_some()).collect::<Vec<_>>();
        assert_eq!(has_treatment, [true, true, false, false]);
        assert_eq!(arms[0].action(), arms[1].action());
        assert_eq!(Arm::all(&[CARD])[0].shared.len(), 0);
    }
}
