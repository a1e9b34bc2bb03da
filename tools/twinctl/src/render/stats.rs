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
    let status = Status::new(now, before);
    let mut sheet = Sheet::new(width);
    sheet.line(headline(now));
    for sentence in troubles(now, &status.total) {
        sheet.line(Styled(WRONG, sentence));
    }
    if let Some(refusal) = &now.policy.refusal {
        let sentence = format!(
            "the last change of the policy was refused at {}; see `twinctl policy`",
            moment(refusal.at)
        );
        sheet.line(Styled(WRONG, sentence));
    }
    sheet.section("in", status.incoming());
    sheet.section("broadcasts", status.broadcasts());
    sheet.section("out", status.outgoing());
    sheet.section("learned", status.learned());
    sheet.section("twins", status.twins());
    sheet.section("shadow policy", status.shadow_policy());
    if let Some(sentence) = &status.total.last_policy_error {
        sheet.line("");
        let times = count(status.total.policy_errors);
        sheet.line(Styled(WRONG, format_args!("policy errors: {times}, last at {sentence}")));
    }
    sheet.section("trouble", status.past_troubles());
    sheet.section("consumers that lag", status.lagging_consumers());
    sheet.section("limits reached", status.limits_reached());
    if partitions {
        sheet.line("");
        sheet.table(&PARTITION_HEADER, partition_rows(now), 0);
    }
    sheet.finish()
}

/// The version of the service, since when it runs, and its policy.
fn headline(now: &Stats) -> String {
    let up = now.at.since(now.started).as_millis();
    format!(
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
    )
}

/// The rows of a section; a section without rows is left out.
type Rows = Vec<Vec<Cell>>;

/// The status now, and the earlier one that rates are computed from.
struct Status<'a> {
    now: &'a Stats,
    total: Counters,
    earlier: Counters,
    /// From the earlier status to this one.
    seconds: f64,
}

impl Status<'_> {
    fn new<'a>(now: &'a Stats, before: Option<&Stats>) -> Status<'a> {
        let since = before.map_or(now.started, |before| before.at);
        Status {
            now,
            total: now.total(),
            earlier: before.map(Stats::total).unwrap_or_default(),
            seconds: now.at.since(since).as_secs_f64(),
        }
    }

    /// The rate of a counter per second.
    fn pace(&self, pick: fn(&Counters) -> u64) -> Cell {
        let change = pick(&self.total).saturating_sub(pick(&self.earlier));
        let per_second = if self.seconds > 0.0 { change as f64 / self.seconds } else { 0.0 };
        Cell::new(rate(per_second)).set_alignment(CellAlignment::Right)
    }

    /// A row with a counter and its rate.
    fn counted(&self, name: &str, pick: fn(&Counters) -> u64) -> Vec<Cell> {
        vec![Cell::new(name), number(pick(&self.total)), self.pace(pick)]
    }

    fn incoming(&self) -> Rows {
        let (now, total) = (self.now, &self.total);
        let dead = number(of_dead(total));
        let dead = if of_dead(total) > 0 { dead.fg(Color::Red) } else { dead };
        let reasons: Vec<String> = total
            .dead
            .iter()
            .map(|(reason, times)| format!("{reason} {}", count(*times)))
            .collect();
        let reasons = faint(reasons.join(", "));
        let slowed = match &*now.slowed {
            [] => String::new(),
            slowed => format!("in the slow lane: {}", slowed.join(", ")),
        };
        vec![
            self.counted("events", |p| p.events),
            self.counted("forwarded", |p| p.forwarded),
            self.counted("duplicates", |p| p.duplicates),
            vec![Cell::new("dead letters"), dead, self.pace(of_dead), reasons],
            self.counted("timers fired", |p| p.timers_fired),
            vec![Cell::new("lag"), number(now.lag), Cell::new(""), faint(slowed)],
            vec![Cell::new("in flight"), number(total.in_flight)],
            self.counted("delivered again", |p| p.redelivered),
        ]
    }

    fn broadcasts(&self) -> Rows {
        let total = &self.total;
        if total.broadcasts == 0 && total.broadcasts_live == 0 {
            return Vec::new();
        }
        vec![
            vec![Cell::new("live"), number(total.broadcasts_live)],
            self.counted("twins woken", |p| p.woken),
            self.counted("visited", |p| p.visited),
        ]
    }

    fn outgoing(&self) -> Rows {
        let total = &self.total;
        let mut commits = self.counted("commits", |p| p.commits);
        let each = per(total.events, total.commits);
        let events = if each == 1 { "event" } else { "events" };
        commits.push(faint(format!("{} {events} each", count(each))));
        vec![
            self.counted("actions", |p| p.actions),
            self.counted("escalations", |p| p.escalations),
            commits,
            vec![Cell::new("outbox"), number(total.outbox)],
        ]
    }

    fn learned(&self) -> Rows {
        let learning = &self.now.learning;
        if learning.version == 0 && self.total.observations == 0 {
            return Vec::new();
        }
        let forgotten = match learning.forgotten {
            0 => String::new(),
            some => format!(", {} features dropped (limit reached)", count(some)),
        };
        let known = format!("version {}, {} levels{forgotten}", learning.version, learning.levels);
        let pace = self.pace(|p| p.observations);
        vec![vec![Cell::new("answers"), number(learning.answers), pace, faint(known)]]
    }

    fn twins(&self) -> Rows {
        let total = &self.total;
        let size = format!(
            "{}, {} each",
            bytes(total.resident_bytes),
            bytes(per(total.resident_bytes, total.resident_twins))
        );
        let in_memory = number(total.resident_twins);
        vec![
            vec![Cell::new("in memory"), in_memory, Cell::new(""), faint(size)],
            vec![Cell::new("resting"), number(total.resting_twins)],
            self.counted("activated", |p| p.activations),
            self.counted("passivated", |p| p.passivations),
            vec![Cell::new("timers near"), number(total.timers_near)],
        ]
    }

    /// The most frequent differences.
    fn shadow_policy(&self) -> Rows {
        let total = &self.total;
        if total.shadow_same == 0 && total.shadow_other.is_empty() {
            return Vec::new();
        }
        let mut differences: Vec<_> = total.shadow_other.iter().collect();
        differences.sort_by(|left, right| right.1.cmp(left.1).then(left.0.cmp(right.0)));
        let mut rows = vec![vec![Cell::new("the same"), number(total.shadow_same)]];
        let shown = differences.into_iter().take(SHADOW_SHOWN);
        rows.extend(shown.map(|(what, times)| vec![Cell::new(what), number(*times)]));
        rows
    }

    fn past_troubles(&self) -> Rows {
        past_troubles(self.now, &self.total)
            .into_iter()
            .map(|(what, times, more)| vec![Cell::new(what), number(times), faint(more)])
            .collect()
    }

    fn lagging_consumers(&self) -> Rows {
        let mut rows = Vec::new();
        for kept in &self.now.streams {
            let lagging =
                kept.readers.iter().filter(|reader| reader.missed > 0 || reader.waiting > 0);
            rows.extend(lagging.map(|reader| {
                let name = Cell::new(format!("{} of {}", reader.name, kept.stream));
                let missed = match reader.missed {
                    0 => Cell::new(""),
                    missed => Cell::new(format!("missed {}", count(missed))).fg(Color::Red),
                };
                vec![name, faint(format!("{} waiting", count(reader.waiting))), missed]
            }));
        }
        rows
    }

    fn limits_reached(&self) -> Rows {
        let reached = self.total.limits.iter().filter(|(_, times)| **times > 0);
        reached
            .map(|(name, times)| vec![Cell::new(name).fg(Color::Yellow), number(*times)])
            .collect()
    }
}

const PARTITION_HEADER: [&str; 9] = [
    "partition",
    "events",
    "in flight",
    "in memory",
    "actions",
    "outbox",
    "timers",
    "dead",
    "cursor",
];

/// A row for each partition, with the numbers that the header names.
fn partition_rows(now: &Stats) -> Rows {
    let row = |(one, partition): (&Counters, u64)| {
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
    };
    now.partitions.iter().zip(0_u64..).map(row).collect()
}

fn number(number: u64) -> Cell {
    Cell::new(count(number)).set_alignment(CellAlignment::Right)
}

fn faint(text: String) -> Cell {
    Cell::new(text).add_attribute(Attribute::Dim)
}

/// `whole` per part; 0 without parts.
fn per(whole: u64, parts: u64) -> u64 {
    whole.checked_div(parts).unwrap_or(0)
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
            "messages not understood",
            total.not_understood,
            "in none of the policy's languages: they were not read".to_owned(),
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
            forwarded: 7,
            duplicates: 2,
            dead: BTreeMap::from([(Reason::BadJson, 1), (Reason::UnknownType, 1)]),
            limits: BTreeMap::from([("TRAITS".into(), 3)]),
            timers_fired: 10,
            broadcasts: 2,
            broadcasts_live: 1,
            woken: 300,
            visited: 4_000,
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
    fn stats_show_the_rates_between_two_replies() {
        let before = sample("2026-11-22T09:59:58Z", 1_000_000);
        let now = sample("2026-11-22T10:00:00Z", 1_050_000);
        withstands(&now, |now| stats(now, Some(&before), true, u16::MAX));
        insta::assert_snapshot!(plain(&stats(&now, Some(&before), true, 120)), @r"
        jumeau 0.1.0  up 4 hours · policy bank 3fa94c0011223344 · the stream's time

        in
          events           2,100,000  50,000/s
          forwarded               14       0/s
          duplicates               4       0/s
          dead letters             4       0/s  bad-json 2, unknown-type 2
          timers fired            20       0/s
          lag                     24            in the slow lane: shop
          in flight            1,000
          delivered again          0       0/s

        broadcasts
          live             1
          twins woken    600  0/s
          visited      8,000  0/s

        out
          actions      420,000  10,000/s
          escalations        0       0/s
          commits       10,500     250/s  200 events each
          outbox            80

        twins
          in memory    50,000       114.4 MiB, 2.3 KiB each
          resting      40,000
          activated    50,000  0/s
          passivated        0  0/s
          timers near   2,468

        limits reached
          TRAITS  6

        ──────────────────────────────────────────────────────────────────────────────────────────────
         partition      events   in flight   in memory   actions   outbox   timers   dead      cursor
        ══════════════════════════════════════════════════════════════════════════════════════════════
                 0   1,050,000         500      25,000   210,000       40    1,234      2   2,100,000
                 1   1,050,000         500      25,000   210,000       40    1,234      2   2,100,000
        ──────────────────────────────────────────────────────────────────────────────────────────────
        ");
    }

    #[test]
    fn problems_are_shown_first() {
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
    fn trouble_is_shown_while_it_lasts_and_counted_afterwards() {
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
