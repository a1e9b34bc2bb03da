//! The active broadcasts and their progress.

use jumeau::api::LiveBroadcasts;
use jumeau::event::Time;
use jumeau::partition::Progress;

use super::quantity::{count, distance, rate};
use super::sheet::{Cell, Sheet};
use super::style::{EVENT, FAINT, Styled, TITLE};

/// The active broadcasts.
pub(crate) fn broadcasts(answer: &LiveBroadcasts, width: u16) -> String {
    let mut sheet = Sheet::new(width);
    if answer.broadcasts.is_empty() {
        sheet.line("no active broadcast");
    }
    for (at, one) in answer.broadcasts.iter().enumerate() {
        if at > 0 {
            sheet.line("");
        }
        broadcast(one, answer.at, &mut sheet);
    }
    sheet.finish()
}

fn broadcast(one: &Progress, now: Time, sheet: &mut Sheet) {
    let span = format!("since {}, ends {}", distance(now, one.since), distance(now, one.until));
    let title =
        format_args!("{}  {}", Styled(EVENT, Styled(TITLE, &one.scope)), Styled(FAINT, span));
    sheet.line(title);
    let concerns = one.condition.as_deref().unwrap_or("everybody");
    let mut rows = vec![
        vec![Cell::new("value"), Cell::new(one.value.to_string())],
        vec![Cell::new("where"), Cell::new(concerns)],
        vec![Cell::new("wakes"), Cell::new(wakes(one))],
    ];
    if one.exceeded > 0 {
        let times = match one.exceeded {
            1 => "once".to_owned(),
            more => format!("{} times", count(more)),
        };
        let why = format!("its condition exceeded the step limit {times} (see `jumeau limits`)");
        rows.push(vec![Cell::new("too long"), Cell::new(why)]);
    }
    if let Some(campaign) = &one.campaign {
        let (acted, silent) = (campaign.said, campaign.decided() - campaign.said);
        let came_to = format!("{} got an action, {} none", count(acted), count(silent));
        rows.push(vec![Cell::new("campaign"), Cell::new(came_to)]);
    }
    sheet.rows(rows);
}

/// The progress of a waking scan.
fn wakes(one: &Progress) -> String {
    if !one.wake {
        return "nobody: each twin receives it with its next input".into();
    }
    let by = if one.by_index { ", using an index" } else { "" };
    let so_far = format!("{} of {} visited{by}", count(one.woken), count(one.visited));
    if one.is_done() {
        return format!("{so_far}; done");
    }
    let (done, all) = (one.partitions_done, one.partitions);
    format!("{so_far}, {}; {done} of {all} partitions done", rate(one.per_second))
}

#[cfg(test)]
mod tests {
    use jumeau::event::Value;

    use super::*;
    use crate::render::hostile::withstands;
    use crate::render::plain;

    #[test]
    fn broadcasts_are_shown_as_text() {
        let fires = Progress {
            scope: "fires".into(),
            id: "00000000000000ff".into(),
            value: Value::from("severe"),
            condition: Some("profile.region in ['NSW', 'VIC']".into()),
            since: Time::parse("2026-11-22T09:50:00Z").unwrap(),
            until: Time::parse("2026-11-24T09:50:00Z").unwrap(),
            wake: true,
            visited: 64_000,
            woken: 21_500,
            exceeded: 0,
            partitions: 16,
            partitions_done: 3,
            by_index: false,
            per_second: 1_998.7,
            campaign: None,
        };
        let done = Progress {
            scope: "floods".into(),
            partitions_done: 16,
            by_index: true,
            ..fires.clone()
        };
        let quiet =
            Progress { scope: "outage".into(), wake: false, condition: None, ..fires.clone() };
        let at = Time::parse("2026-11-22T10:00:00Z").unwrap();
        let answer = LiveBroadcasts { at, broadcasts: vec![fires, done, quiet] };
        withstands(&answer, |answer| broadcasts(answer, u16::MAX));
        insta::assert_snapshot!(plain(&broadcasts(&answer, 120)), @r"
        fires  since 10 min ago, ends in 47 hours
          value  severe
          where  profile.region in ['NSW', 'VIC']
          wakes  21,500 of 64,000 visited, 1,999/s; 3 of 16 partitions done

        floods  since 10 min ago, ends in 47 hours
          value  severe
          where  profile.region in ['NSW', 'VIC']
          wakes  21,500 of 64,000 visited, using an index; done

        outage  since 10 min ago, ends in 47 hours
          value  severe
          where  everybody
          wakes  nobody: each twin receives it with its next input
        ");
        let none = LiveBroadcasts { at, broadcasts: Vec::new() };
        assert_eq!(plain(&broadcasts(&none, 120)), "no active broadcast\n");
    }
}
