//! Campaigns: every matching customer decides once; shows the progress.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use jumeau::api::{LiveBroadcasts, TryCampaignReply, TryCampaignRequest, verb};
use jumeau::event::{Campaign, SharedFact};
use jumeau::partition::{CampaignCounts, Progress};
use jumeau::terminal;

use crate::failure::Failure;
use crate::out::Out;
use crate::render;
use crate::service::Service;

/// The interval at which the progress is requested.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The arguments of a campaign.
pub(crate) struct CampaignArguments<'a> {
    pub(crate) name: &'a str,
    pub(crate) condition: Option<String>,
    pub(crate) campaign: Campaign,
    pub(crate) ttl: u32,
}

impl CampaignArguments<'_> {
    /// The broadcast of the campaign.
    pub(crate) fn fact(&self) -> SharedFact {
        SharedFact {
            value: None,
            condition: self.condition.as_deref().map(Into::into),
            ttl: Some(self.ttl),
            wake: true,
            ended: false,
            decide: Some(self.campaign.clone()),
        }
    }

    /// A dry run: counts every customer, and lets `sample` of the matching ones decide.
    pub(crate) async fn rehearse(
        &self,
        service: &Service,
        sample: usize,
    ) -> Result<TryCampaignReply, Failure> {
        let mut whole = TryCampaignReply::default();
        let bar = ProgressBar::new_spinner().with_message("customers looked at");
        let (mut partition, mut after) = (0, None);
        loop {
            let decided = usize::try_from(whole.campaign.decided()).unwrap_or(usize::MAX);
            let question = TryCampaignRequest {
                scope: self.name.into(),
                fact: self.fact(),
                partition,
                after,
                sample: sample.saturating_sub(decided),
            };
            let page: TryCampaignReply = service.ask(verb::TRY_CAMPAIGN, &question).await?;
            bar.inc(page.looked_at);
            whole.add(page);
            if let [first, ..] = &whole.unknown[..] {
                return Err(Failure::Usage(format!(
                    "the service's policy has no action `{first}`"
                )));
            }
            after = whole.last.take();
            if after.is_none() {
                partition += 1;
                if partition >= whole.partitions {
                    break;
                }
            }
        }
        bar.finish_and_clear();
        Ok(whole)
    }
}

/// Checks that the named actions exist, before anything is published.
pub(crate) async fn check(
    service: &Service,
    arguments: &CampaignArguments<'_>,
) -> Result<(), Failure> {
    let question = TryCampaignRequest {
        scope: arguments.name.into(),
        fact: arguments.fact(),
        partition: 0,
        after: None,
        sample: 0,
    };
    let page: TryCampaignReply = service.ask(verb::TRY_CAMPAIGN, &question).await?;
    match &page.unknown[..] {
        [] => Ok(()),
        [first, ..] => Err(Failure::Usage(format!("the service's policy has no action `{first}`"))),
    }
}

/// Follows a published campaign until its scan is complete.
pub(crate) async fn watch(
    service: &Service,
    name: &str,
    identity: &str,
    out: Out,
) -> Result<(), Failure> {
    let style = ProgressStyle::with_template("{bar:30} {msg}  {elapsed}");
    let bar = ProgressBar::new(1);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut has_begun = false;
    loop {
        let live: LiveBroadcasts = service.ask_plainly(verb::BROADCASTS).await?;
        let known = live.broadcasts.iter().find(|one| one.scope == name && one.id == identity);
        match known {
            Some(one) => {
                has_begun = true;
                bar.set_length(one.partitions.into());
                bar.set_position(one.partitions_done.into());
                bar.set_message(terminal::plain(&render::campaign_line(one)));
                if one.is_done() {
                    bar.finish_and_clear();
                    return out.tell(one, show);
                }
            }
            // It was ended, or has expired.
            None if has_begun => {
                bar.finish_and_clear();
                return Err(Failure::Negative(format!("the campaign `{name}` has ended")));
            }
            None => bar.set_message("waiting for the start"),
        }
        bar.tick();
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn show(one: &Progress) -> String {
    let nothing = CampaignCounts::default();
    let campaign = one.campaign.as_ref().unwrap_or(&nothing);
    render::campaigned(one.looked_at, one.woken, campaign)
}
