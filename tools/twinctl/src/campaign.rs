//! Campaigns: every matching customer decides once; shows the progress.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use jumeau::api::{LiveBroadcasts, TryCampaignReply, TryCampaignRequest, verb};
use jumeau::event::{Campaign, SharedFact};
use jumeau::partition::{CampaignCounts, Progress};
use jumeau::terminal;

use crate::arguments::{CampaignChoices, Connection};
use crate::failure::Failure;
use crate::out::Out;
use crate::publish::{self, publish};
use crate::service::Service;
use crate::{event, render};

/// The interval at which the progress is requested.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The arguments of a campaign.
struct CampaignArguments<'a> {
    name: &'a str,
    condition: Option<String>,
    campaign: Campaign,
    ttl: u32,
}

/// Starts a campaign and shows its progress, or rehearses it.
pub(crate) async fn campaign(
    connection: &Connection,
    choices: CampaignChoices,
    out: Out,
) -> Result<(), Failure> {
    let CampaignChoices { name, dry_run, sample, no_wait, .. } = &choices;
    if !choices.is_restricted() && !dry_run && !choices.yes {
        return Err(Failure::Usage(format!(
            "expected a condition (--where) or actions (--action, --issue, --place) for the \
             campaign `{name}`, found neither: every customer would decide among all \
             actions. Use --yes if that is intended; `twinctl broadcasts` shows the \
             progress of a campaign"
        )));
    }
    let wanted = choices.arguments();
    let service = Service::connect(connection).await?;
    if *dry_run {
        let reply = wanted.rehearse(&service, *sample).await?;
        return out.tell(&reply, render::rehearsed);
    }
    check(&service, &wanted).await?;
    let subjects = crate::subjects(&connection.prefix)?;
    let begun = event::campaign(name, &wanted.fact(), &subjects, crate::now())?;
    let identity = begun.identity;
    if *no_wait {
        return publish(connection, begun.ready, false, out).await;
    }
    publish::store(&service, begun.ready).await?;
    watch(&service, name, &identity, out).await
}

impl CampaignChoices {
    /// Whether it is for some customers or some actions only.
    fn is_restricted(&self) -> bool {
        let named = [&self.actions, &self.issues, &self.places];
        self.condition.is_some() || named.iter().any(|names| !names.is_empty())
    }

    fn arguments(&self) -> CampaignArguments<'_> {
        let names = |all: &[String]| all.iter().map(|name| name.as_str().into()).collect();
        CampaignArguments {
            name: &self.name,
            condition: self.condition.clone(),
            campaign: Campaign {
                actions: names(&self.actions),
                issues: names(&self.issues),
                placements: names(&self.places),
                channel: self.channel.as_deref().map(Into::into),
                rate: self.rate,
            },
            ttl: self.days * 86_400,
        }
    }
}

impl CampaignArguments<'_> {
    /// The broadcast of the campaign.
    fn fact(&self) -> SharedFact {
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
    async fn rehearse(
        &self,
        service: &Service,
        sample: usize,
    ) -> Result<TryCampaignReply, Failure> {
        let mut whole = TryCampaignReply::default();
        let bar = ProgressBar::new_spinner().with_message("customers visited");
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
            bar.inc(page.visited);
            whole.add(page);
            no_lack(&whole)?;
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

/// Checks that the named actions, issues, placements and channel exist, before anything is published.
async fn check(service: &Service, arguments: &CampaignArguments<'_>) -> Result<(), Failure> {
    let question = TryCampaignRequest {
        scope: arguments.name.into(),
        fact: arguments.fact(),
        partition: 0,
        after: None,
        sample: 0,
    };
    let page: TryCampaignReply = service.ask(verb::TRY_CAMPAIGN, &question).await?;
    no_lack(&page)
}

/// Refuses a campaign with a name that the policy does not have.
fn no_lack(reply: &TryCampaignReply) -> Result<(), Failure> {
    match reply.lack() {
        None => Ok(()),
        Some(lack) => Err(Failure::Usage(format!("the service's policy has no {lack}"))),
    }
}

/// Follows a published campaign until its scan is complete.
async fn watch(service: &Service, name: &str, identity: &str, out: Out) -> Result<(), Failure> {
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
    render::campaign_counts(one.visited, one.woken, campaign)
}
