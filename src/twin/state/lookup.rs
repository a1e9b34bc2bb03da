//! Lookups: single items of a twin.

use super::guard::guard_of;
use super::{
    Contact, ContactOutcome, Derived, EscalationRecord, GraveMatter, Interaction, Need, Signal,
    Trial, Twin,
};
use crate::event::{EventKind, OutcomeKind, Time, Value};
use crate::policy::{Experiment, ExperimentArm, IGNORED_TIMER, Path, Policy, Purposes, Root};
use crate::twin::input::{Cause, Input};

impl Twin {
    /// The value at a path of [`Policy::indexed`](crate::policy::Policy::indexed).
    pub fn indexed(&self, path: &Path) -> Option<&Value> {
        let name = path.names().next()?;
        match path.root {
            Root::Profile => self.profile.traits.get(name),
            Root::Facts => self.facts.get(name),
            _ => None,
        }
    }

    /// Whether the twin has received a broadcast, by its fingerprint.
    pub fn has_met(&self, id: u64) -> bool {
        self.met.iter().any(|meeting| meeting.id == id)
    }

    /// The last contact by an action.
    pub fn last_contact(&self, action: &str) -> Option<&Contact> {
        self.contacts.iter().rev().find(|contact| &*contact.action == action)
    }

    /// The contact of a decision.
    pub(in crate::twin) fn contact_of(&self, decision: &str) -> Option<&Contact> {
        self.contacts.iter().rev().find(|contact| &*contact.decision == decision)
    }

    /// The contact whose outcome the current input reports, or whose silence the twin has detected.
    pub(in crate::twin) fn contact_at_hand(&self, input: &Input) -> Option<&Contact> {
        match &input.cause {
            Cause::Event(event) => match &event.kind {
                EventKind::Outcome(data) => self.contact_of(&data.decision),
                _ => None,
            },
            Cause::Timer(fired) if *fired.name == *IGNORED_TIMER => {
                let now = ContactOutcome { kind: OutcomeKind::Ignored, at: input.at };
                self.contacts.iter().rev().find(|contact| contact.outcome == Some(now))
            }
            Cause::Timer(_) | Cause::Broadcast(_) => None,
        }
    }
    /// The purposes of a derived value; none: unrestricted.
    pub fn guard(&self, of: Derived, name: &str) -> Option<&Purposes> {
        guard_of(&self.guards, of, name)
    }

    /// The open interaction of a kind with the latest activity.
    pub fn open_interaction(&self, kind: &str) -> Option<&Interaction> {
        self.interactions
            .iter()
            .filter(|known| &*known.kind == kind && known.state.is_open())
            .max_by_key(|known| known.touched)
    }

    /// The interaction with the latest message.
    pub fn last_conversation(&self) -> Option<&Interaction> {
        self.interactions
            .iter()
            .filter(|known| !known.lines.is_empty())
            .max_by_key(|known| known.touched)
    }

    /// The live need with this name.
    pub fn need(&self, name: &str, now: Time) -> Option<&Need> {
        self.needs.iter().find(|need| &*need.name == name && now < need.until)
    }

    /// The fresh signal with this name.
    pub fn signal(&self, name: &str, now: Time) -> Option<&Signal> {
        self.context.iter().find(|signal| &*signal.name == name && signal.is_fresh(now))
    }

    /// The grave matter that keeps sales and promotion quiet for longest, and until when; none: they are not
    /// kept quiet.
    pub(in crate::twin) fn grave_matter(
        &self,
        policy: &Policy,
        now: Time,
    ) -> Option<(&GraveMatter, Time)> {
        let quiet = self.grave.iter().map(|matter| (matter, matter.quiet_until(policy)));
        quiet.filter(|(_, until)| now < *until).max_by_key(|(matter, until)| (*until, matter.topic))
    }

    /// The customer's participation in an experiment, if they have entered it.
    pub fn trial(&self, experiment: &str) -> Option<&Trial> {
        self.trials.iter().find(|trial| *trial.experiment == *experiment)
    }

    /// The customer's arm. A customer who has entered stays in the arm, even if their twin is linked with
    /// another one meanwhile.
    pub(in crate::twin) fn arm<'a>(&self, experiment: &'a Experiment) -> Option<&'a ExperimentArm> {
        match self.trial(&experiment.name) {
            Some(trial) => experiment.arm(&trial.arm),
            None => experiment.arm_of(self.customer.as_str()),
        }
    }

    /// The policy for the customer: that of their arm, if it has one of its own.
    pub fn governed_by<'a>(&self, policy: &'a Policy) -> &'a Policy {
        // A customer who refuses profiling is in no arm.
        if policy.arms.is_empty() || !self.is_personal(policy, self.seen) {
            return policy;
        }
        let mut governing = policy.experiments.iter().filter_map(|experiment| {
            let name = self.arm(experiment)?.policy.as_ref()?;
            policy.arms.get(name)
        });
        governing.next().unwrap_or(policy)
    }

    /// The open escalation of a topic in a queue.
    pub fn open_escalation(&self, queue: &str, topic: &str) -> Option<&EscalationRecord> {
        self.escalations
            .iter()
            .find(|known| &*known.queue == queue && &*known.topic == topic && known.is_open())
    }

    /// The escalations with which agents still have something to do.
    pub fn open_escalations(&self) -> impl Iterator<Item = &EscalationRecord> {
        self.escalations.iter().filter(|known| known.is_open())
    }

    /// The escalation that changed last.
    pub fn last_escalation(&self) -> Option<&EscalationRecord> {
        self.escalations.iter().max_by_key(|known| (known.touched, &known.id))
    }
}
