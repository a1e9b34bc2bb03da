//! Runs stories against a live service, as its channels would, and collects its outputs.
//!
//! The service must run on event time: the stage advances its clock, so that days pass at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use serde::Deserialize;

use crate::api::{AdvanceReply, AdvanceRequest, verb};
use crate::bus::{Bus, OutputSubscription};
use crate::event::{Customer, Time};
use crate::policy::Policy;
use crate::story::{Finding, OutputKind, SeenOutput, StepSubject, Story, StoryStep, check};
use crate::twin::{Action, Escalation, Recall};

/// Progress of a live story run.
pub enum LiveStep<'a> {
    /// An event is published.
    Event(Time, &'a StoryStep),
    /// An output arrived.
    Reaction(&'a SeenOutput),
}

/// The result of one story.
pub struct StoryResult<'a> {
    /// The story.
    pub story: &'a Story,
    /// The result of each expectation.
    pub findings: Vec<Finding>,
}

/// Runs stories against a live service, interleaved by time, and returns the result of each.
///
/// # Errors
/// If the service does not answer, does not run on event time, or two stories share a customer.
pub async fn play<'a>(
    bus: &Bus,
    policy: &Policy,
    stories: &'a [Story],
    mut watch: impl FnMut(LiveStep<'_>),
) -> anyhow::Result<Vec<StoryResult<'a>>> {
    let mut stage = LiveRun { bus, heard: bus.listen().await?, seen: Vec::new() };
    distinct(stories)?;
    let mut steps: Vec<(Time, usize, &StoryStep)> = stories
        .iter()
        .flat_map(|story| {
            let steps = story.steps.iter().enumerate();
            steps.map(|(position, step)| (story.start + step.at, position, step))
        })
        .collect();
    steps.sort_by_key(|(at, position, _)| (*at, *position));

    for (at, _, step) in steps {
        // Everything due before the step fires before it.
        stage.advance(at, &mut watch).await?;
        watch(LiveStep::Event(at, step));
        // File and line are an id that no other step has.
        let id = format!("{}", step.place);
        let payload = Bytes::from(step.payload(&id, at - step.at, &stage.seen));
        match &step.subject {
            StepSubject::Event { customer, channel, .. } => {
                bus.report(channel, customer, payload).await?;
            }
            StepSubject::Broadcast(scope) => {
                bus.broadcast(scope, payload).await?;
            }
        }
        stage.advance(at, &mut watch).await?;
    }
    if let Some(end) = stories.iter().map(|story| story.end).max() {
        stage.advance(end, &mut watch).await?;
    }
    Ok(stories
        .iter()
        .map(|story| {
            let seen: Vec<SeenOutput> =
                stage.seen.iter().filter(|seen| seen.at <= story.end).cloned().collect();
            StoryResult { story, findings: check(story, policy, &seen, None) }
        })
        .collect())
}

struct LiveRun<'a> {
    bus: &'a Bus,
    heard: OutputSubscription,
    seen: Vec<SeenOutput>,
}

impl LiveRun<'_> {
    /// Advances the clock to `to`, and collects the outputs.
    async fn advance(
        &mut self,
        to: Time,
        watch: &mut impl FnMut(LiveStep<'_>),
    ) -> anyhow::Result<()> {
        let request = Bytes::from(serde_json::to_vec(&AdvanceRequest { to })?);
        let answer = self.bus.ask(verb::ADVANCE, &[], request).await?;
        let _: AdvanceReply = serde_json::from_slice(&answer)
            .context("expected an answer to `advance` of this version of jumeau, found another")?;
        self.bus.sync().await?;
        while let Some((subject, payload)) = self.heard.ready() {
            let seen =
                read(&payload).with_context(|| format!("cannot read the output on {subject}"))?;
            watch(LiveStep::Reaction(&seen));
            self.seen.push(seen);
        }
        Ok(())
    }
}

/// Parses an output.
///
/// # Errors
/// If it is not an action, recall or escalation of this version.
pub fn read(payload: &[u8]) -> anyhow::Result<SeenOutput> {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(rename = "type")]
        kind: String,
        #[serde(borrow)]
        data: &'a serde_json::value::RawValue,
    }
    let envelope: Envelope<'_> = serde_json::from_slice(payload)?;
    Ok(match envelope.kind.as_str() {
        "jumeau.action" => {
            let action: Arc<Action> = serde_json::from_str(envelope.data.get())?;
            SeenOutput { at: action.at, what: OutputKind::Action(action) }
        }
        "jumeau.escalation" => {
            let escalation: Box<Escalation> = serde_json::from_str(envelope.data.get())?;
            SeenOutput { at: escalation.at, what: OutputKind::Escalation(escalation) }
        }
        "jumeau.recall" => {
            let recall: Box<Recall> = serde_json::from_str(envelope.data.get())?;
            SeenOutput { at: recall.at, what: OutputKind::Recall(recall) }
        }
        other => {
            bail!(
                "expected the type jumeau.action, jumeau.recall or jumeau.escalation, found {other}"
            )
        }
    })
}

/// Checks that stories share no customers, because they run interleaved; and that at one time there is
/// one broadcast of a scope.
fn distinct(stories: &[Story]) -> anyhow::Result<()> {
    let mut known = BTreeSet::new();
    for story in stories {
        let own: BTreeSet<&Customer> = story.steps.iter().filter_map(StoryStep::customer).collect();
        for customer in own {
            if !known.insert(customer) {
                bail!(
                    "{}: expected customers that no other story has, found `{customer}`, whom another \
                     story has too; rename one of the two",
                    story.place
                );
            }
        }
    }
    for (at, story) in stories.iter().enumerate() {
        for other in &stories[..at] {
            let is_apart = story.end < other.start || other.end < story.start;
            let shared = scopes(story).find(|scope| scopes(other).any(|known| known == *scope));
            if let (false, Some(scope)) = (is_apart, shared) {
                let (place, known) = (&story.place, &other.place);
                bail!(
                    "{place}: expected no other story with broadcasts of the scope `{scope}` at the \
                     same time, found {known}; change the `start` of one of the two"
                );
            }
        }
    }
    Ok(())
}

fn scopes(story: &Story) -> impl Iterator<Item = &str> {
    story.steps.iter().filter_map(|step| match &step.subject {
        StepSubject::Broadcast(scope) => Some(&**scope),
        StepSubject::Event { .. } => None,
    })
}
