//! Grave matters come up in messages, and are over after a while.

use crate::event::{Channel, Time};
use crate::language::GraveFinding;
use crate::policy::Policy;
use crate::twin::state::{GraveMatter, Twin};

impl Twin {
    /// Records the grave topics of a message.
    pub(in crate::twin) fn hear_grave(
        &mut self,
        found: &[GraveFinding],
        channel: &Channel,
        at: Time,
    ) {
        for finding in found {
            let known = self.grave.iter().position(|known| known.topic == finding.topic);
            let known = known.map(|known| self.grave.remove(known));
            // Who has written about it once needs to say less the next time.
            let certain = known.as_ref().is_some_and(|known| known.certain);
            self.grave.push(GraveMatter {
                topic: finding.topic,
                since: known.map_or(at, |known| known.since),
                at,
                channel: channel.clone(),
                words: finding.words.clone(),
                place: finding.at as u32,
                certain: certain || finding.is_certain(),
            });
        }
    }

    /// Forgets the grave matters that keep nothing quiet any more.
    pub(in crate::twin) fn settle_grave(&mut self, policy: &Policy, now: Time) {
        self.grave.retain(|matter| now < matter.quiet_until(policy));
    }
}
