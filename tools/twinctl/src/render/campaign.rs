//! The progress and the result of a campaign.

use jumeau::api::TryCampaignReply;
use jumeau::partition::{CampaignCounts, Progress};

use super::quantity::{count, many, rate};
use super::sheet::push_line;
use super::style::{ACTION, FAINT, Styled, TITLE};

/// The progress in one line.
pub(crate) fn campaign_line(one: &Progress) -> String {
    let decided = one.campaign.as_ref().map_or(0, CampaignCounts::decided);
    let said = one.campaign.as_ref().map_or(0, |campaign| campaign.said);
    format!(
        "{} looked at, {}; {} decided, {} told something",
        count(one.looked_at),
        rate(one.per_second),
        count(decided),
        count(said),
    )
}

/// The result.
pub(crate) fn campaigned(looked_at: u64, concerned: u64, campaign: &CampaignCounts) -> String {
    let mut text = String::new();
    let mut line = |line: std::fmt::Arguments<'_>| push_line(&mut text, line);
    line(format_args!(
        "{} looked at, {} concerned, {} decided",
        many(looked_at, "customer"),
        count(concerned),
        Styled(TITLE, count(campaign.decided())),
    ));
    line(format_args!("  {:>9}  told something", Styled(ACTION, count(campaign.said))));
    for (stage, silent) in &campaign.silent {
        line(format_args!("  {:>9}  nothing: {}", count(*silent), why(stage)));
    }
    text
}

/// The result of a dry run.
pub(crate) fn rehearsed(reply: &TryCampaignReply) -> String {
    let mut text = campaigned(reply.looked_at, reply.concerned, &reply.campaign);
    push_line(&mut text, Styled(FAINT, "nothing is said, nothing is stored"));
    for (what, customers) in &reply.said {
        push_line(&mut text, format_args!("  {:>9}  {what}", count(*customers)));
    }
    text
}

/// A stage in words.
fn why(stage: &str) -> &str {
    match stage {
        "candidate" => "no action came into question",
        "eligibility" => "they may not have it",
        "applicability" => "it makes no sense now",
        "suitability" => "it is not good for them now",
        "contact" => "they are not to be spoken to now",
        "propensity" => "it is new, and not its turn to be tried",
        "arbitration" => "they are in a control group",
        "treatment" => "it cannot be said to them",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::hostile::withstands;
    use crate::render::plain;

    #[test]
    fn a_campaign_reads_well() {
        let silent = [("contact".into(), 1_210), ("eligibility".into(), 40)];
        let campaign = CampaignCounts { said: 20_250, silent: silent.into() };
        let reply = TryCampaignReply {
            looked_at: 64_000,
            concerned: 21_500,
            campaign,
            said: [("offer_plan in email".into(), 20_250)].into(),
            partitions: 16,
            ..TryCampaignReply::default()
        };
        withstands(&reply, rehearsed);
        insta::assert_snapshot!(plain(&rehearsed(&reply)), @r"
        64,000 customers looked at, 21,500 concerned, 21,500 decided
             20,250  told something
              1,210  nothing: they are not to be spoken to now
                 40  nothing: they may not have it
        nothing is said, nothing is stored
             20,250  offer_plan in email
        ");
    }
}
