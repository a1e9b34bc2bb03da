//! Dry runs of campaigns.

use super::{Router, gone, now};
use crate::actors::{CampaignEstimate, TryCampaign};
use crate::api::{TryCampaignReply, TryCampaignRequest, code};
use crate::bus::ApiError;
use crate::config::limits;
use crate::event::{Broadcast, encode};
use crate::partition::TimeMode;

impl Router {
    /// A dry run of a campaign, one page of customers at a time.
    pub(super) async fn try_campaign(
        &self,
        asked: TryCampaignRequest,
    ) -> Result<TryCampaignReply, ApiError> {
        let TryCampaignRequest { scope, fact, partition, after, sample } = asked;
        let bad = |detail: String| ApiError::new(code::BAD_REQUEST, detail);
        let payload = serde_json::json!({ "type": Broadcast::TYPE, "data": fact }).to_string();
        let broadcast = Broadcast::parse(&encode(&scope), &[], payload.as_bytes(), 0);
        let broadcast = broadcast.map_err(|rejection| bad(rejection.detail))?;
        let at = (self.mode == TimeMode::Stream).then(now);
        let all = self.partitions.all().len();
        let none = || bad(format!("expected a partition below {all}, found {partition}"));
        let address = self.partitions.get(partition).ok_or_else(none)?;
        let wanted = TryCampaign { broadcast, after, limit: limits::CAMPAIGN_PAGE, sample, at };
        let tried = address.send(wanted).await.map_err(gone)?.map_err(bad)?;
        Ok(campaign_reply(tried, u16::try_from(all).unwrap_or(u16::MAX)))
    }
}

fn campaign_reply(tried: CampaignEstimate, partitions: u16) -> TryCampaignReply {
    let mut reply = TryCampaignReply {
        visited: tried.visited,
        concerned: tried.concerned,
        unknown: tried.unknown.actions,
        unknown_issues: tried.unknown.issues,
        unknown_placements: tried.unknown.placements,
        unknown_channels: tried.unknown.channels,
        last: tried.last,
        partitions,
        ..TryCampaignReply::default()
    };
    reply.campaign.said = tried.actions.len() as u64;
    for action in tried.actions {
        let what = format!("{} in {}", action.action, action.channel).into();
        *reply.said.entry(what).or_default() += 1;
    }
    for stage in tried.silent {
        *reply.campaign.silent.entry(stage.name().into()).or_default() += 1;
    }
    reply
}
