//! Needs are raised, strengthened, satisfied, and expire.

use crate::config::limits;
use crate::event::{Time, cut};
use crate::policy;
use crate::twin::note::Notes;
use crate::twin::state::{Need, Twin};

impl Twin {
    /// Raises a need to at least `strength`; returns whether it is live.
    pub(in crate::twin) fn raise(
        &mut self,
        need: &policy::NeedDefinition,
        strength: f64,
        until: Option<Time>,
        evidence: &str,
        now: Time,
        notes: &mut Notes,
    ) -> bool {
        let expiry = now + need.expires;
        let until = until.map_or(expiry, |until| until.min(expiry));
        if until <= now || strength.is_nan() || strength <= 0.0 {
            return false;
        }
        let strength = strength.min(1.0);
        if let Some(known) = self.needs.iter_mut().find(|known| known.name == need.name) {
            known.strength = known.strength.max(strength);
            known.until = until;
            if !evidence.is_empty() {
                known.evidence = cut(evidence, limits::TEXT_BYTES).into();
            }
            return true;
        }
        if self.needs.len() == limits::NEEDS {
            let weakest = (0..self.needs.len())
                .min_by(|a, b| self.needs[*a].strength.total_cmp(&self.needs[*b].strength));
            weakest.map(|at| self.needs.remove(at));
            notes.limit("NEEDS");
        }
        self.needs.push(Need {
            name: need.name.clone(),
            strength,
            evidence: cut(evidence, limits::TEXT_BYTES).into(),
            raised: now,
            until,
        });
        true
    }

    /// Strengthens a live need by a share of the distance to 1; returns whether there is one.
    pub(in crate::twin) fn strengthen(
        &mut self,
        need: &policy::NeedDefinition,
        by: f64,
        now: Time,
    ) -> bool {
        let Some(known) = self.needs.iter_mut().find(|known| known.name == need.name) else {
            return false;
        };
        if by.is_nan() {
            return false;
        }
        known.strength += (1.0 - known.strength) * by.clamp(0.0, 1.0);
        known.until = known.until.max(now + need.expires);
        true
    }

    pub(in crate::twin) fn satisfy(&mut self, need: &policy::NeedDefinition) {
        self.needs.retain(|known| known.name != need.name);
    }

    /// Removes the expired needs.
    pub(in crate::twin) fn expire_needs(&mut self, now: Time) {
        self.needs.retain(|need| now < need.until);
    }
}
