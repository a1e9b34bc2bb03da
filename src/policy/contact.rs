//! Reads `[contact]`: how often, and when, a customer may be contacted.

use std::time::Duration;

use chrono::{NaiveTime, Offset, TimeZone};

use super::hint::{hint, one_of};
use super::read::{TomlItem, TomlTable};
use super::reader::PolicyReader;
use super::{Issue, SourceLocation};
use crate::config::limits;
use crate::event::{OutcomeKind, Time, Zone};

/// Contact rules: how often and when a customer may be contacted.
#[derive(Debug, Default)]
pub struct ContactRules {
    /// The time zone of customers without a known one; none: UTC.
    pub timezone: Option<Zone>,
    /// Quiet hours, in the customer's time zone.
    pub quiet: Option<Quiet>,
    /// The contact limits.
    pub limits: Box<[ContactLimit]>,
    /// When an action is paused after unwanted outcomes.
    pub pause: Option<ContactPause>,
    /// How long an action is paused that the customer asked to see later.
    pub later: Duration,
}

/// Quiet hours: no contact in these hours of each day, in the customer's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    /// When they begin.
    pub from: NaiveTime,
    /// When they end: on the next day, if it is earlier than the beginning.
    pub to: NaiveTime,
}

/// A contact limit: at most this many contacts within a sliding period.
#[derive(Debug, Clone, PartialEq)]
pub struct ContactLimit {
    /// The channel; none: all of them.
    pub channel: Option<Box<str>>,
    /// The issue; none: all of them.
    pub issue: Option<Issue>,
    /// The action; none: all of them.
    pub action: Option<Box<str>>,
    /// The maximum number of contacts.
    pub most: u32,
    /// The period.
    pub over: Duration,
    /// Its location.
    pub place: SourceLocation,
}

/// Pauses an action after this many consecutive outcomes of these kinds.
#[derive(Debug, Clone, PartialEq)]
pub struct ContactPause {
    /// The number of consecutive outcomes.
    pub after: u32,
    /// The kinds of outcomes.
    pub of: Box<[OutcomeKind]>,
    /// The length of the pause, from the last of them.
    pub span: Duration,
    /// What is paused together.
    pub per: Per,
    /// Its location.
    pub place: SourceLocation,
}

/// What is paused together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// The action.
    Action,
    /// All actions of its issue.
    Issue,
    /// All actions.
    Customer,
}

/// [`ContactRules::later`], if the policy gives none.
const LATER: Duration = Duration::from_secs(7 * 86_400);
/// The outcomes that cause a pause, if the policy gives none.
const UNWANTED: [OutcomeKind; 3] =
    [OutcomeKind::Rejected, OutcomeKind::Dismissed, OutcomeKind::Ignored];

impl ContactRules {
    /// The rules, if the policy has no `[contact]`.
    pub(super) fn defaults() -> ContactRules {
        ContactRules { later: LATER, ..ContactRules::default() }
    }
}

impl Quiet {
    /// The end of the quiet hours that contain `now`, in a time zone; none if `now` is outside them.
    ///
    /// It is the first moment at which the local clock is outside the quiet hours. If the clock is put
    /// forward over their end, by half an hour or by a day, they end at the change (if it is then outside
    /// them), and never later than by the clock as it was before; if it is put back, they end when their
    /// end is first reached.
    pub fn until<Z: TimeZone>(&self, now: Time, zone: &Z) -> Option<Time> {
        let mut at = now;
        // A change of the clock may put it back into the quiet hours, or forward into another night: each
        // iteration continues after one change.
        for _ in 0..CHANGES_MAX {
            let (clock, ahead) = local_time(at, zone);
            if !self.covers(clock) {
                return Some(at).filter(|end| *end > now);
            }
            let left = (self.to - clock).num_milliseconds().rem_euclid(DAY_MS);
            let end = at + Duration::from_millis(left.unsigned_abs());
            match change(at, end, ahead, zone) {
                None => return Some(end).filter(|end| *end > now),
                Some(changed) => at = changed,
            }
        }
        Some(at).filter(|end| *end > now)
    }

    /// Whether a local time is within them.
    fn covers(&self, clock: NaiveTime) -> bool {
        if self.from < self.to {
            (self.from..self.to).contains(&clock)
        } else {
            clock >= self.from || clock < self.to
        }
    }
}

/// The maximum number of clock changes within one night: there is normally one; a second would be a
/// mistake in the data.
const CHANGES_MAX: usize = 4;

const DAY_MS: i64 = 86_400_000;

/// The local time of a zone, and its offset from UTC in seconds.
fn local_time<Z: TimeZone>(at: Time, zone: &Z) -> (NaiveTime, i32) {
    let local = at.to_utc().with_timezone(zone);
    (local.time(), local.offset().fix().local_minus_utc())
}

/// The moment in `(from, to]` at which the zone's offset from UTC changes from `ahead`, its value at
/// `from`; none: it does not change until `to`.
fn change<Z: TimeZone>(from: Time, to: Time, ahead: i32, zone: &Z) -> Option<Time> {
    if local_time(to, zone).1 == ahead {
        return None;
    }
    let (mut before, mut after) = (from.ms(), to.ms());
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        if local_time(Time::from_ms(middle), zone).1 == ahead {
            before = middle;
        } else {
            after = middle;
        }
    }
    Some(Time::from_ms(after))
}

pub(super) fn read(
    table: &TomlTable<'_>,
    reader: &PolicyReader,
    known: &mut Option<(SourceLocation, ContactRules)>,
) {
    let Some(item) = table.get("contact") else { return };
    let Some(table) = item.table() else { return };
    if let Some((first, _)) = known {
        item.wrong(format!("[contact] is defined twice; first in {first}"));
    }
    let later = table.get("later").map_or(Some(LATER), TomlItem::span);
    let listed = table.get("limits").and_then(TomlItem::list).unwrap_or_default();
    if listed.len() > limits::CONTACT_LIMITS {
        let (most, found) = (limits::CONTACT_LIMITS, listed.len());
        table.wrong(format!("expected at most {most} limits, found {found}"));
    }
    let rules = ContactRules {
        timezone: table.get("timezone").and_then(timezone),
        quiet: table.get("quiet").and_then(quiet),
        limits: listed.into_iter().filter_map(|item| limit(item, reader)).collect(),
        pause: table.get("pause").and_then(pause),
        later: later.unwrap_or(LATER),
    };
    table.finish();
    *known = Some((item.place(), rules));
}

fn timezone(item: TomlItem<'_>) -> Option<Zone> {
    let name = item.text()?;
    let zone = Zone::parse(name);
    if zone.is_none() {
        let hint = hint(name, Zone::names());
        item.wrong(format!("expected a time zone such as Europe/Brussels, found `{name}`{hint}"));
    }
    zone
}

fn quiet(item: TomlItem<'_>) -> Option<Quiet> {
    let text = item.text()?;
    let clock = |text: &str| NaiveTime::parse_from_str(text.trim(), "%H:%M").ok();
    let hours = text
        .split_once('-')
        .and_then(|(from, to)| Some(Quiet { from: clock(from)?, to: clock(to)? }))
        .filter(|quiet| quiet.from != quiet.to);
    if hours.is_none() {
        item.wrong(format!("expected hours such as 21:00-08:00, found `{text}`"));
    }
    hours
}

fn limit(item: TomlItem<'_>, reader: &PolicyReader) -> Option<ContactLimit> {
    let table = item.table()?;
    let action = table.get("action").and_then(|item| {
        let name = item.name()?;
        reader.names.action(name).map_err(|message| item.wrong(message)).ok()?;
        Some(name.into())
    });
    let limit = ContactLimit {
        channel: table.get("channel").and_then(TomlItem::name).map(Into::into),
        issue: table.get("issue").and_then(Issue::read),
        action,
        most: table.require("most").and_then(|item| item.whole(1..=MOST)).unwrap_or(1),
        over: table.require("over").and_then(TomlItem::span).unwrap_or_default(),
        place: item.place(),
    };
    table.finish();
    Some(limit)
}

/// A twin's contact list is no longer than this.
const MOST: u32 = limits::CONTACTS as u32 - 1;

fn pause(item: TomlItem<'_>) -> Option<ContactPause> {
    let table = item.table()?;
    let of = match table.get("of") {
        Some(item) => item.list_or_one().into_iter().filter_map(outcome).collect(),
        None => UNWANTED.into(),
    };
    let pause = ContactPause {
        after: table.require("after").and_then(|item| item.whole(1..=MOST)).unwrap_or(1),
        of,
        span: table.require("for").and_then(TomlItem::span).unwrap_or_default(),
        per: table.get("per").and_then(per).unwrap_or(Per::Action),
        place: item.place(),
    };
    table.finish();
    Some(pause)
}

fn per(item: TomlItem<'_>) -> Option<Per> {
    const WORDS: [(&str, Per); 3] =
        [("action", Per::Action), ("issue", Per::Issue), ("customer", Per::Customer)];
    let word = item.text()?;
    let known = WORDS.into_iter().find(|(known, _)| *known == word).map(|(_, per)| per);
    if let (None, Err(message)) = (known, one_of(word, &WORDS.map(|(word, _)| word), "group")) {
        item.wrong(message);
    }
    known
}

fn outcome(item: TomlItem<'_>) -> Option<OutcomeKind> {
    item.one_of(&OutcomeKind::ALL.map(OutcomeKind::name), "outcome")
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;

    fn until(quiet: (&str, &str), zone: &str, now: &str) -> Option<String> {
        let clock = |text| NaiveTime::parse_from_str(text, "%H:%M").unwrap();
        let quiet = Quiet { from: clock(quiet.0), to: clock(quiet.1) };
        let until = quiet.until(Time::parse(now).unwrap(), &Zone::parse(zone).unwrap());
        until.map(|until| until.to_string())
    }

    #[test]
    fn mistakes_in_contact_rules_and_weights_say_what_is_right() {
        let broken = r#"
[policy]
name = "x"
languages = ["en"]
[contact]
timezone = "Europe/Brusels"
quiet = "21-8"
later = "soon"
pause = { after = 0, of = "ignord", for = "30d", per = "acton" }
[[contact.limits]]
most = 40
over = "7d"
issue = "sale"
action = "promot"
[suitability]
level = -2
[weights]
sales = 11
services = 1
nurture = "sentiment.levl"
[explore]
reach = 2
[[actions]]
name = "promo"
issue = "sales"
value = "need.strengt"
lever = 20
placements = ["hero", "a place"]
propensity = 3
eligible = "profile.adult =="
suitable = "sentimet.level > 0"
vital = "yes"
treatments = [{ channel = "app", variant = { "an image" = "a.png" }, text.en = "x" }]
"#;
        let files = super::super::Files::new([("x.toml", broken)]);
        let mistakes = super::super::load(&files).unwrap_err().to_string();
        let mistakes: Vec<&str> =
            mistakes.lines().filter(|line| line.starts_with("x.toml")).collect();
        insta::assert_snapshot!(mistakes.join("\n"), @r##"
        x.toml:6:13: expected a time zone such as Europe/Brussels, found `Europe/Brusels`; did you mean `Europe/Brussels`?
        x.toml:7:10: expected hours such as 21:00-08:00, found `21-8`
        x.toml:8:10: expected a duration such as 30m, 36h or 7d, found `soon`
        x.toml:9:19: expected 1 to 31, found 0
        x.toml:9:28: unknown outcome `ignord`; did you mean `ignored`?
        x.toml:9:57: unknown group `acton`; did you mean `action`?
        x.toml:11:8: expected 1 to 31, found 40
        x.toml:13:10: unknown issue `sale`; did you mean `sales`?
        x.toml:14:11: unknown action `promot`; did you mean `promo`?
        x.toml:16:9: expected -1 to 1, found -2
        x.toml:18:9: expected 0 to 10, found 11
        x.toml:19:1: unknown key `services`; did you mean `service`?
        x.toml:20:12: unknown field of the sentiment `levl`; did you mean `level`?
        x.toml:22:9: expected 0 to 1, found 2
        x.toml:26:10: unknown field of a need `strengt`; did you mean `strength`?
        x.toml:27:9: expected 0.1 to 10, found 20
        x.toml:28:24: expected a name of letters, digits, `-` and `_`, found ` ` in it
        x.toml:29:14: expected 0.0001 to 0.9999, found 3
        x.toml:30:29: expected a value after `==`, found the end
        x.toml:31:13: unknown name `sentimet`; did you mean `sentiment`?
        x.toml:32:10: expected true or false, found a text
        x.toml:33:47: expected a name of letters, digits, `-` and `_`, found ` ` in it
        "##);
    }

    #[test]
    fn quiet_hours_follow_the_customers_clock_and_cross_midnight() {
        let night = ("21:00", "08:00");
        for (quiet, zone, now, expected) in [
            (night, "UTC", "2026-03-02T20:59:59Z", None),
            (night, "UTC", "2026-03-02T21:00:00Z", Some("2026-03-03T08:00:00Z")),
            (night, "UTC", "2026-03-03T07:59:59Z", Some("2026-03-03T08:00:00Z")),
            (night, "UTC", "2026-03-03T08:00:00Z", None),
            // Nine at night in Sydney is ten in the morning in London.
            (night, "Australia/Sydney", "2026-03-02T10:00:00Z", Some("2026-03-02T21:00:00Z")),
            (night, "America/Los_Angeles", "2026-03-02T10:00:00Z", Some("2026-03-02T16:00:00Z")),
            (("12:00", "14:00"), "UTC", "2026-03-02T13:00:00Z", Some("2026-03-02T14:00:00Z")),
            (("12:00", "14:00"), "UTC", "2026-03-02T14:00:00Z", None),
            // On 29 March the clocks of Brussels are put forward from two to three.
            (
                ("22:00", "02:30"),
                "Europe/Brussels",
                "2026-03-29T00:30:00Z",
                Some("2026-03-29T01:00:00Z"),
            ),
            // On 25 October they are put back from three to two, and the end occurs twice.
            (
                ("22:00", "02:30"),
                "Europe/Brussels",
                "2026-10-25T00:10:00Z",
                Some("2026-10-25T00:30:00Z"),
            ),
            (("22:00", "02:30"), "Europe/Brussels", "2026-10-25T00:40:00Z", None),
            (
                ("22:00", "02:30"),
                "Europe/Brussels",
                "2026-10-25T01:10:00Z",
                Some("2026-10-25T01:30:00Z"),
            ),
            // Before their end is reached it is two once more.
            (
                ("22:00", "03:30"),
                "Europe/Brussels",
                "2026-10-25T00:10:00Z",
                Some("2026-10-25T02:30:00Z"),
            ),
            // Lord Howe Island changes by half an hour, Cairo at midnight.
            (
                ("22:00", "02:15"),
                "Australia/Lord_Howe",
                "2026-10-03T12:30:00Z",
                Some("2026-10-03T15:30:00Z"),
            ),
            (
                ("19:00", "00:30"),
                "Africa/Cairo",
                "2026-04-23T18:00:00Z",
                Some("2026-04-23T22:00:00Z"),
            ),
            // Samoa had no 30 December 2011, Kwajalein no 21 August 1993.
            (night, "Pacific/Apia", "2011-12-30T08:00:00Z", Some("2011-12-30T18:00:00Z")),
            (night, "Pacific/Kwajalein", "1993-08-21T11:00:00Z", Some("1993-08-21T20:00:00Z")),
        ] {
            let found = until(quiet, zone, now);
            assert_eq!(found.as_deref(), expected, "{quiet:?} {zone} {now}");
        }
    }

    /// The clock changes of a zone between two years, found by checking each day, with the offset from
    /// UTC before each.
    fn changes(zone: Tz, years: std::ops::Range<i32>) -> Vec<(Time, i32)> {
        let begin = |year| Time::parse(&format!("{year}-01-01T00:00:00Z")).unwrap();
        let mut day = begin(years.start);
        let mut found = Vec::new();
        while day < begin(years.end) {
            let next = day + Duration::from_secs(86_400);
            let ahead = local_time(day, &zone).1;
            found.extend(change(day, next, ahead, &zone).map(|at| (at, ahead)));
            day = next;
        }
        found
    }

    #[test]
    fn quiet_hours_end_when_the_clock_first_shows_a_time_outside_them_in_every_zone() {
        let hours = |from, to| Quiet {
            from: NaiveTime::parse_from_str(from, "%H:%M").unwrap(),
            to: NaiveTime::parse_from_str(to, "%H:%M").unwrap(),
        };
        let quiets = [
            hours("21:00", "08:00"),
            hours("22:00", "02:30"),
            hours("19:00", "00:30"),
            hours("23:45", "00:15"),
            hours("01:10", "03:05"),
            hours("00:00", "23:59"),
        ];
        let minute = Duration::from_secs(60);
        let (mut nights, mut leaps) = (0, std::collections::BTreeSet::new());
        for zone in chrono_tz::TZ_VARIANTS {
            // Years in which some island lost a day, and recent years.
            let all = [1993..1996, 2011..2012, 2024..2027].map(|years| changes(zone, years));
            for (at, ahead) in all.into_iter().flatten() {
                let is_leap = local_time(at, &zone).1 - ahead;
                leaps.insert(is_leap);
                for quiet in quiets {
                    for before in [0u32, 1, 45, 200, 600, 1_300] {
                        let now = at - minute * before - Duration::from_millis(1);
                        let is_quiet = |at| quiet.covers(local_time(at, &zone).0);
                        let end = quiet.until(now, &zone);
                        assert_eq!(end.is_some(), is_quiet(now), "{zone} {now} {quiet:?}");
                        let Some(end) = end else { continue };
                        nights += 1;
                        let what = || format!("{zone} {now} to {end} {quiet:?}");
                        assert!(end > now && !is_quiet(end), "{}", what());
                        // It is quiet at every minute until then, and just before.
                        let minutes = (end.since(now).as_secs() / 60) as u32;
                        let looks = (0..=minutes).map(|minutes| now + minute * minutes);
                        let mut looks = looks.filter(|at| *at < end);
                        assert!(looks.all(is_quiet), "{}", what());
                        assert!(is_quiet(end - Duration::from_millis(1)), "{}", what());
                        // It is not later than by the clock as it was before, unless the change skips all
                        // of the time outside the quiet hours.
                        let old = chrono::FixedOffset::east_opt(ahead).unwrap();
                        let by_the_old = quiet.until(now, &old).unwrap();
                        let open = (quiet.from - quiet.to).num_milliseconds().rem_euclid(DAY_MS);
                        if is_leap > 0 && i64::from(is_leap % 86_400) * 1_000 < open {
                            assert!(end <= by_the_old, "{}, old {by_the_old}", what());
                        }
                    }
                }
            }
        }
        assert!(nights > 10_000, "{nights}");
        assert!(
            [1_800, 3_600, -3_600, 86_400].iter().all(|leap| leaps.contains(leap)),
            "{leaps:?}"
        );
    }
}
