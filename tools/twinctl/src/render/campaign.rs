//! The progress and the result of a campaign.

use jumeau::api::TryCampaignReply;
use jumeau::partition::{CampaignCounts, Progress};

use super::quantity::{count, many, rate};
use super::sheet::push_line;
use super::style::{ACTION, FAINT, Styled, TITLE};

/// The progress in one line.
pub(crate) fn campaign_line(one: &Progress) -> String {
    let decided = one.campaign.as_ref().map_or(0, CampaignCounts::decided);
    let acted = one.campaign.as_ref().map_or(0, |campaign| campaign.said);
    format!(
        "{} visited, {}; {} decided, {} got an action",
        count(one.visited),
        rate(one.per_second),
        count(decided),
        count(acted),
    )
}

/// The result.
pub(crate) fn campaign_counts(visited: u64, concerned: u64, campaign: &CampaignCounts) -> String {
    let mut text = String::new();
    let mut line = |line: std::fmt::Arguments<'_>| push_line(&mut text, line);
    line(format_args!(
        "{} visited, {} matched, {} decided",
        many(visited, "customer"),
        count(concerned),
        Styled(TITLE, count(campaign.decided())),
    ));
    line(format_args!("  {:>9}  got an action", Styled(ACTION, count(campaign.said))));
    for (stage, silent) in &campaign.silent {
        line(format_args!("  {:>9}  nothing: {}", count(*silent), why(stage)));
    }
    text
}

/// The result of a dry run.
pub(crate) fn rehearsed(reply: &TryCampaignReply) -> String {
    let mut text = campaign_counts(reply.visited, reply.concerned, &reply.campaign);
    push_line(&mut text, Styled(FAINT, "dry run: nothing sent, nothing stored"));
    for (what, customers) in &reply.said {
        push_line(&mut text, format_args!("  {:>9}  {what}", count(*customers)));
    }
    text
}

/// A stage in words.
fn why(stage: &str) -> &str {
    match stage {
        "candidate" => "no candidate action",
        "eligibility" => "not eligible",
        "applicability" => "not applicable now",
        "suitability" => "not suitable now",
        "contact" => "must not be contacted now",
        "propensity" => "new, not selected for exploration",
        "arbitration" => "in a control group, or too little uplift",
        "treatment" => "no treatment can be rendered",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::hostile::withstands;
    use crate::render::plain;

    #[test]
    fn a_campaign_is_shown_as_text() {
        let silent = [("contact".into(), 1_210), ("eligibility".into(), 40)];
        let campaign = CampaignCounts { said: 20_250, silent: silent.into() };
        let reply = TryCampaignReply {
            visited: 64_000,
            concerned: 21_500,
            campaign,
            said: [("offer_plan in email".into(), 20_250)].into(),
            partitions: 16,
            ..TryCampaignReply::default()
        };
        withstands(&reply, rehearsed);
        insta::assert_snapshot!(plain(&rehearsed(&reply)), @r"
        64,000 customers visited, 21,500 matched, 21,500 decided
             20,250  got an action
              1,210  nothing: must not be contacted now
                 40  nothing: not eligible
        dry run: nothing sent, nothing stored
             20,250  offer_plan in email
        ");
    }
}
