//! The status of the service.

use comfy_table::{Attribute, CellAlignment, Color};
use jumeau::api::Stats;
use jumeau::config::settings::TimeMode;
use jumeau::partition::Counters;

use super::quantity::{bytes, count, moment, rate, span};
use super::sheet::{Cell, Sheet};
use super::style::{FAINT, Styled, TITLE, WRONG};

/// The status of the service; rates are since `before`, or since its start without it.
pub(crate) fn stats(now: &Stats, before: Option<&Stats>, partitions: bool, width: u16) -> String {
    let total = now.total();
    let earlier = before.map(Stats::total).unwrap_or_default();
    let since = before.map_or(now.started, |before| before.at);
    let seconds = now.at.since(since).as_secs_f64();
    let per_second = |pick: fn(&Counters) -> u64| {
        let change = pick(&total).saturating_sub(pick(&earlier));
        if seconds > 0.0 { change as f64 / seconds } else { 0.0 }
    };

    let mut sheet = Sheet::new(width);
    let up = now.at.since(now.started).as_millis();
    sheet.line(format_args!(
        "{}  {}",
        Styled(TITLE, format_args!("jumeau {}", now.version)),
        Styled(
            FAINT,
            format_args!(
                "up {} · policy {} {} · {}",
                span(u64::try_from(up).unwrap_or(u64::MAX)),
                now.policy.name,
                now.policy.version,
                match now.time {
                    TimeMode::Stream => "the stream's time",
                    TimeMode::Event => "the events' own time",
                }
            )
        ),
    ));
    for sentence in troubles(now, &total) {
        sheet.line(Styled(WRONG, sentence));
    }
    if let Some(refusal) = &now.policy.refusal {
        let sentence = format!(
            "the last change of the policy was refused at {}; see `twinctl policy`",
            moment(refusal.at)
        );
        sheet.line(Styled(WRONG, sentence));
    }

    let number = |number: u64| Cell::new(count(number)).set_alignment(CellAlignment::Right);
    let pace = |pick| Cell::new(rate(per_second(pick))).set_alignment(CellAlignment::Right);
    let faint = |text: String| Cell::new(text).add_attribute(Attribute::Dim);
    let named = |counted: &mut dyn Iterator<Item = (String, u64)>| {
        counted
            .map(|(name, times)| format!("{name} {}", count(times)))
            .collect::<Vec<_>>()
            .join(", ")
    };

    let counters = &total;
    let each = |whole: u64, parts: u64| whole.checked_div(parts).unwrap_or(0);
    let reasons = named(&mut total.dead.iter().map(|(reason, times)| (reason.to_string(), *times)));
    let slowed = match &*now.slowed {
        [] => String::new(),
        slowed => format!("in the slow lane: {}", slowed.join(", ")),
    };
    let dead = number(of_dead(&total));
    let dead = if of_dead(&total) > 0 { dead.fg(Color::Red) } else { dead };
    sheet.section(
        "in",
        vec![
            vec![Cell::new("events"), number(counters.events), pace(|p| p.events)],
            vec![Cell::new("passed on"), number(counters.passed_on), pace(|p| p.passed_on)],
            vec![Cell::new("duplicates"), number(counters.duplicates), pace(|p| p.duplicates)],
            vec![Cell::new("dead letters"), dead, pace(of_dead), faint(reasons)],
            vec![
                Cell::new("timers fired"),
                number(counters.timers_fired),
                pace(|p| p.timers_fired),
            ],
            vec![Cell::new("lag"), number(now.lag), Cell::new(""), faint(slowed)],
            vec![Cell::new("in flight"), number(total.in_flight)],
            vec![Cell::new("delivered again"), number(total.redelivered), pace(|p| p.redelivered)],
        ],
    );
    if total.broadcasts > 0 || total.broadcasts_live > 0 {
        sheet.section(
            "broadcasts",
            vec![
                vec![Cell::new("live"), number(total.broadcasts_live)],
                vec![Cell::new("twins woken"), number(total.woken), pace(|p| p.woken)],
                vec![Cell::new("looked at"), number(total.looked_at), pace(|p| p.looked_at)],
            ],
        );
    }
    sheet.section(
        "out",
        vec![
            vec![Cell::new("actions"), number(counters.actions), pace(|p| p.actions)],
            vec![Cell::new("escalations"), number(counters.escalations), pace(|p| p.escalations)],
            vec![
                Cell::new("commits"),
                number(counters.commits),
                pace(|p| p.commits),
                faint(format!("{} events each", count(each(counters.events, counters.commits)))),
            ],
            vec![Cell::new("outbox"), number(total.outbox)],
        ],
    );
    if now.learning.version > 0 || total.observations > 0 {
        let learning = &now.learning;
        let answers = number(learning.answers);
        let forgotten = match learning.forgotten {
            0 => String::new(),
            some => format!(", {} features dropped (limit reached)", count(some)),
        };
        let known = format!("version {}, {} levels{forgotten}", learning.version, learning.levels);
        let known = faint(known);
        let pace = pace(|p| p.observations);
        sheet.section("learned", vec![vec![Cell::new("answers"), answers, pace, known]]);
    }
    sheet.section(
        "twins",
        vec![
            vec![
                Cell::new("in memory"),
                number(total.resident_twins),
                Cell::new(""),
                faint(format!(
                    "{}, {} each",
                    bytes(total.resident_bytes),
                    bytes(each(total.resident_bytes, total.resident_twins))
                )),
            ],
            vec![Cell::new("at rest"), number(total.resting_twins)],
            vec![Cell::new("woken"), number(counters.activations), pace(|p| p.activations)],
            vec![Cell::new("passivated"), number(counters.passivations), pace(|p| p.passivations)],
            vec![Cell::new("timers near"), number(total.timers_near)],
        ],
    );
    if total.shadow_same > 0 || !total.shadow_other.is_empty() {
        let mut differences: Vec<_> = total.shadow_other.iter().collect();
        differences.sort_by(|left, right| right.1.cmp(left.1).then(left.0.cmp(right.0)));
        let mut rows = vec![vec![Cell::new("the same"), number(total.shadow_same)]];
        let shown = differences.into_iter().take(SHADOW_SHOWN);
        rows.extend(shown.map(|(what, times)| vec![Cell::new(what), number(*times)]));
        sheet.section("shadow policy", rows);
    }
    if let Some(sentence) = &total.last_policy_error {
        sheet.line("");
        let times = count(total.policy_errors);
        sheet.line(Styled(WRONG, format_args!("policy errors: {times}, last at {sentence}")));
    }
    let past = past_troubles(now, &total);
    sheet.section(
        "trouble",
        past.into_iter()
            .map(|(what, times, more)| vec![Cell::new(what), number(times), faint(more)])
            .collect(),
    );
    let readers = now.streams.iter().flat_map(|kept| {
        let stream = &kept.stream;
        kept.readers.iter().filter(|reader| reader.missed > 0 || reader.waiting > 0).map(
            move |reader| {
                let missed = match reader.missed {
                    0 => Cell::new(""),
                    missed => Cell::new(format!("missed {}", count(missed))).fg(Color::Red),
                };
                let waiting = faint(format!("{} waiting", count(reader.waiting)));
                vec![Cell::new(format!("{} of {stream}", reader.name)), waiting, missed]
            },
        )
    });
    sheet.section("consumers that lag", readers.collect());
    let limits = total.limits.iter().filter(|(_, times)| **times > 0);
    sheet.section(
        "limits reached",
        limits
            .map(|(name, times)| vec![Cell::new(name).fg(Color::Yellow), number(*times)])
            .collect(),
    );

    if partitions {
        sheet.line("");
        let rows = now.partitions.iter().zip(0_u64..).map(|(one, partition)| {
            [
                partition,
                one.events,
                one.in_flight,
                one.resident_twins,
                one.actions,
                one.outbox,
                one.timers_near,
                of_dead(one),
                one.cursor,
            ]
            .map(|number| Cell::new(count(number)))
            .to_vec()
        });
        let header = [
            "partition",
            "events",
            "in flight",
            "awake",
            "actions",
            "outbox",
            "timers",
            "dead",
            "cursor",
        ];
        sheet.table(&header, rows.collect(), 0);
    }
    sheet.finish()
}

/// The current problems, one sentence each.
fn troubles(now: &Stats, total: &Counters) -> Vec<String> {
    let mut found = Vec::new();
    if !now.connected {
        found.push("the broker is not connected".to_owned());
    }
    if now.space.is_short {
        found.push(format!(
            "the disk has {} free, less than the reserve of {}: processing is paused until space is \
             free",
            bytes(now.space.free_bytes),
            bytes(now.space.reserve_bytes)
        ));
    }
    if let Some(why) = &now.publishing.trouble {
        found.push(format!("{} outputs wait to be published: {why}", count(total.outbox)));
    }
    if now.clock.contradicts_broker() {
        let ahead = now.clock.ahead_of_broker_ms.unwrap_or(0);
        found.push(format!(
            "at the start the service's clock was {} {} the broker's: synchronise both from one \
             time source",
            span(ahead.unsigned_abs()),
            if ahead < 0 { "behind" } else { "ahead of" }
        ));
    }
    found.extend(now.streams.iter().filter_map(|kept| kept.trouble.clone()));
    if now.clock.is_doubted {
        found.push(format!(
            "the host clock jumped {}; ignored until it has been stable for a minute",
            set(now.clock.last_ms)
        ));
    }
    found
}

/// The problems since the start that are over: how often, and details.
fn past_troubles(now: &Stats, total: &Counters) -> Vec<(&'static str, u64, String)> {
    let publishing = &now.publishing;
    let relayed = &publishing.relayed;
    let all = [
        (
            "broker gone",
            publishing.outages.times,
            format!("{} in all", span(publishing.outages.ms)),
        ),
        ("intake restarts", now.resets, String::new()),
        (
            "events missed",
            now.missed,
            "at most: they expired from the stream before they were processed; raise its retention"
                .to_owned(),
        ),
        ("published again", relayed.retries, format!("{} copies", count(relayed.duplicates))),
        (
            "streams recreated",
            now.streams.iter().map(|kept| kept.made_again).sum(),
            "they had been deleted; their messages are lost".to_owned(),
        ),
        ("too large to publish", relayed.unpublishable, String::new()),
        ("disk nearly full", now.space.times, format!("{} left now", bytes(now.space.free_bytes))),
        ("link cycles", total.circles, "broken, nothing lost".to_owned()),
        (
            "late statements",
            total.late,
            "parts of events ignored, because newer values were known".to_owned(),
        ),
        (
            "impossible times",
            total.impossible_times,
            format!(
                "last `{}`: such an event gets the time at which it was stored",
                total.last_impossible_time.as_deref().unwrap_or_default()
            ),
        ),
        ("clock set", now.clock.times, format!("last {}", set(now.clock.last_ms))),
        (
            "unknown time zones",
            total.unknown_zones,
            format!(
                "last `{}`: where there are quiet hours, not contacted at any hour",
                total.last_unknown_zone.as_deref().unwrap_or_default()
            ),
        ),
        (
            "purpose or channel unknown",
            total.unknown_names,
            format!(
                "last {}: the consent or preference is stored, but no action uses it",
                total.last_unknown_name.as_deref().unwrap_or_default()
            ),
        ),
    ];
    all.into_iter().filter(|(_, times, _)| *times > 0).collect()
}

/// The size and direction of a clock jump.
fn set(ms: i64) -> String {
    format!("{} {}", span(ms.unsigned_abs()), if ms < 0 { "back" } else { "ahead" })
}

fn of_dead(counters: &Counters) -> u64 {
    counters.dead.values().sum()
}

/// The number of differences of a shadow policy that are shown, the most frequent ones.
const SHADOW_SHOWN: usize = 12;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jumeau::api::{PolicyRefusal, PolicyStatus, Publishing};
    use jumeau::bus::{ConsumerStats, Outages, RelayStats, StreamStats};
    use jumeau::event::{Reason, Time};
    use jumeau::partition::ClockJumps;
    use jumeau::tables::DiskSpace;

    use super::*;
    use crate::render::hostile::withstands;
    use crate::render::plain;

    fn sample(at: &str, events: u64) -> Stats {
        let one = || Counters {
            events,
            passed_on: 7,
            duplicates: 2,
            dead: BTreeMap::from([(Reason::BadJson, 1), (Reason::UnknownType, 1)]),
            limits: BTreeMap::from([("TRAITS".into(), 3)]),
            timers_fired: 10,
            broadcasts: 2,
            broadcasts_live: 1,
            woken: 300,
            looked_at: 4_000,
            actions: events / 5,
            commits: events / 200,
            activations: 25_000,
            resident_twins: 25_000,
            resting_twins: 20_000,
            resident_bytes: 60_000_000,
            in_flight: 500,
            outbox: 40,
            timers_near: 1_234,
            cursor: events * 2,
            ..Counters::default()
        };
        Stats {
            version: "0.1.0".into(),
            started: Time::parse("2026-11-22T06:00:00Z").unwrap(),
            at: Time::parse(at).unwrap(),
            time: TimeMode::Stream,
            policy: PolicyStatus {
                name: "bank".into(),
                version: "3fa94c0011223344".into(),
                source: "embedded".into(),
                loaded: Time::parse("2026-11-22T06:00:00Z").unwrap(),
                rules: 12,
                needs: 5,
                actions: 7,
                refusal: None,
            },
            desks: Vec::new(),
            merging: Vec::new(),
            connected: true,
            lag: 24,
            slowed: vec!["shop".into()],
            resets: 0,
            missed: 0,
            publishing: Publishing::default(),
            streams: Vec::new(),
            space: DiskSpace::default(),
            clock: ClockJumps::default(),
            learning: Default::default(),
            partitions: vec![one(), one()],
        }
    }

    #[test]
    fn stats_read_well_and_rates_are_those_between_two_answers() {
        let before = sample("2026-11-22T09:59:58Z", 1_000_000);
        let now = sample("2026-11-22T10:00:00Z", 1_050_000);
        withstands(&now, |now| stats(now, Some(&before), true, u16::MAX));
        insta::assert_snapshot!(plain(&stats(&now, Some(&before), true, 120)), @r"
        jumeau 0.1.0  up 4 hours · policy bank 3fa94c0011223344 · the stream's time

        in
          events           2,100,000  50,000/s
          passed on               14       0/s
          duplicates               4       0/s
          dead letters             4       0/s  bad-json 2, unknown-type 2
          timers fired            20       0/s
          lag                     24            in the slow lane: shop
          in flight            1,000
          delivered again          0       0/s

        broadcasts
          live             1
          twins woken    600  0/s
          looked at    8,000  0/s

        out
          actions      420,000  10,000/s
          escalations        0       0/s
          commits       10,500     250/s  200 events each
          outbox            80

        twins
          in memory    50,000       114.4 MiB, 2.3 KiB each
          at rest      40,000
          woken        50,000  0/s
          passivated        0  0/s
          timers near   2,468

        limits reached
          TRAITS  6

        ───────────────────────────────────────────────────────────────────────────────────────────
         partition      events   in flight    awake   actions   outbox   timers   dead      cursor
        ═══════════════════════════════════════════════════════════════════════════════════════════
                 0   1,050,000         500   25,000   210,000       40    1,234      2   2,100,000
                 1   1,050,000         500   25,000   210,000       40    1,234      2   2,100,000
        ───────────────────────────────────────────────────────────────────────────────────────────
        ");
    }

    #[test]
    fn what_is_wrong_is_said_first() {
        let mut now = sample("2026-11-22T10:00:00Z", 0);
        now.connected = false;
        now.policy.refusal =
            Some(PolicyRefusal { at: now.at, mistakes: vec!["rules.toml:3: no".into()] });
        let text = plain(&stats(&now, None, false, 120));
        insta::assert_snapshot!(text.lines().take(3).collect::<Vec<_>>().join("\n"), @r#"
        jumeau 0.1.0  up 4 hours · policy bank 3fa94c0011223344 · the stream's time
        the broker is not connected
        the last change of the policy was refused at 2026-11-22 10:00:00; see `twinctl policy`
        "#);
    }

    #[test]
    fn trouble_is_told_while_it_lasts_and_counted_when_it_is_over() {
        let mut now = sample("2026-11-22T10:00:00Z", 0);
        now.space =
            DiskSpace { free_bytes: 100 << 20, reserve_bytes: 512 << 20, is_short: true, times: 2 };
        now.publishing = Publishing {
            outages: Outages { times: 1, ms: 61_000 },
            relayed: RelayStats { duplicates: 12, retries: 3, ..RelayStats::default() },
            trouble: Some("maximum bytes exceeded".into()),
        };
        now.clock = ClockJumps {
            times: 1,
            last_ms: -3_600_000,
            is_doubted: true,
            ahead_of_broker_ms: Some(-180_000),
        };
        now.partitions[0].unknown_zones = 7;
        now.partitions[0].last_unknown_zone = Some("Mars/Phobos".into());
        now.partitions[0].unknown_names = 4;
        now.partitions[0].last_unknown_name = Some("channel `e-mail`".into());
        now.partitions[0].impossible_times = 3;
        now.partitions[0].last_impossible_time = Some("pos: 0001-01-01T00:00:00Z".into());
        let reader = |name: &str, waiting, missed| ConsumerStats {
            name: name.into(),
            waiting,
            unanswered: 0,
            missed,
        };
        now.streams = vec![StreamStats {
            stream: "JUMEAU_ACTIONS".into(),
            readers: vec![reader("crm", 12_000, 300), reader("push", 0, 0)],
            ..StreamStats::default()
        }];
        let text = plain(&stats(&now, None, false, 120));
        let begin: Vec<&str> = text.lines().skip(1).take(4).collect();
        insta::assert_snapshot!(begin.join("\n"), @r#"
        the disk has 100.0 MiB free, less than the reserve of 512.0 MiB: processing is paused until space is free
        80 outputs wait to be published: maximum bytes exceeded
        at the start the service's clock was 3 min behind the broker's: synchronise both from one time source
        the host clock jumped 60 min back; ignored until it has been stable for a minute
        "#);
        let rest = text.split("\n\n").skip_while(|part| !part.starts_with("trouble"));
        insta::assert_snapshot!(rest.take(2).collect::<Vec<_>>().join("\n\n"), @r"
        trouble
          broker gone                 1  1 min in all
          published again             3  12 copies
          disk nearly full            2  100.0 MiB left now
          impossible times            3  last `pos: 0001-01-01T00:00:00Z`: such an event gets the time at which it was stored
          clock set                   1  last 60 min back
          unknown time zones          7  last `Mars/Phobos`: where there are quiet hours, not contacted at any hour
          purpose or channel unknown  4  last channel `e-mail`: the consent or preference is stored, but no action uses it

        consumers that lag
          crm of JUMEAU_ACTIONS  12,000 waiting  missed 300
        ");
    }
}
