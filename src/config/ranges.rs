//! Checks of settings beyond their types.

use tracing_subscriber::EnvFilter;

use super::limits;
use super::settings::{
    AnalyserSettings, BroadcastSettings, LanguageSettings, LogSettings, NatsSettings,
    ServiceSettings, Settings, StoreSettings, StreamSettings, masked,
};

/// Reports an invalid value: its key, what was expected and what was found.
pub(super) type ReportMistake<'a> = &'a mut dyn FnMut(&str, String);

/// The maximum length of the prefix of subjects and streams, in bytes.
const PREFIX_BYTES_MAX: usize = 64;
/// The maximum number of threads of one kind; more than any machine has cores for.
const THREADS_MAX: u64 = 256;
/// The minimum memory for twins, in bytes: less would not hold a thousand events of the largest size.
const RESIDENT_BYTES_MIN: u64 = 16 << 20;
/// More twins than a machine can visit in a second.
const WAKES_MAX: u64 = 1_000_000;
/// A day, in seconds.
const DAY_SECONDS: u64 = 86_400;
/// A hundred years, in hours: longer is a mistyped number.
const HOURS_MAX: u64 = 100 * 366 * 24;

impl Settings {
    /// Reports every value that is out of its range.
    pub(super) fn check(&self, report: ReportMistake<'_>) {
        let Settings {
            service,
            nats,
            streams,
            store,
            languages,
            analyser,
            broadcast,
            audit: _,
            log,
        } = self;
        check_service(service, report);
        check_nats(nats, report);
        check_streams(streams, report);
        check_store(store, report);
        check_languages(languages, report);
        check_analyser(analyser, report);
        check_broadcast(broadcast, report);
        check_log(log, report);
    }
}

fn check_service(service: &ServiceSettings, report: ReportMistake<'_>) {
    let partitions = u64::from(service.partitions);
    filled("service.policy", &service.policy, "an embedded policy or a folder", report);
    channels("service.desks", &service.desks, report);
    channels("service.merging-channels", &service.merging_channels, report);
    range("service.partitions", partitions, 1, limits::PARTITIONS as u64, report);
    range("service.arbiters", service.arbiters, 0, THREADS_MAX, report);
    range("service.bus-threads", service.bus_threads, 1, THREADS_MAX, report);
    let twins = size(service.resident_twins_max);
    if twins < partitions {
        let detail =
            format!("expected at least one for each of {partitions} partitions, found {twins}");
        report("service.resident-twins-max", detail);
    }
    let bytes = size(service.resident_bytes_max);
    range("service.resident-bytes-max", bytes, RESIDENT_BYTES_MIN, u64::MAX, report);
    range("service.rest-after-seconds", service.rest_after_seconds, 0, DAY_SECONDS, report);
    range("service.drain-seconds-max", service.drain_seconds_max, 1, 3_600, report);
}

fn check_nats(nats: &NatsSettings, report: ReportMistake<'_>) {
    filled("nats.url", &nats.url, "an address such as nats://127.0.0.1:4222", report);
    addresses(&nats.url, report);
    let token = |token: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        !token.is_empty() && token.bytes().all(plain)
    };
    if nats.prefix.len() > PREFIX_BYTES_MAX || !nats.prefix.split('.').all(token) {
        report(
            "nats.prefix",
            format!(
                "expected tokens of A-Z a-z 0-9 _ - joined by dots, at most {PREFIX_BYTES_MAX} bytes; \
                 found `{}`",
                nats.prefix.escape_debug()
            ),
        );
    }
    if nats.inbox.is_empty() || !nats.inbox.split('.').all(token) {
        let found = nats.inbox.escape_debug();
        let detail = format!("expected tokens of A-Z a-z 0-9 _ - joined by dots, found `{found}`");
        report("nats.inbox", detail);
    }
    if nats.nkey.is_some() && nats.credentials.is_some() {
        report("nats.nkey", "expected `nkey` or `credentials`, found both; leave one out".into());
    }
    let only = match (&nats.tls.cert, &nats.tls.key) {
        (Some(_), None) => Some("cert"),
        (None, Some(_)) => Some("key"),
        _ => None,
    };
    if let Some(only) = only {
        report(
            "nats.tls.cert",
            format!("expected both `cert` and `key`, or none, found only `{only}`"),
        );
    }
    range("nats.connect-timeout-ms", nats.connect_timeout_ms, 1, 600_000, report);
    range("nats.wait-seconds", nats.wait_seconds, 0, 31_536_000, report);
    range("nats.request-timeout-ms", nats.request_timeout_ms, 1, 600_000, report);
}

fn check_streams(streams: &StreamSettings, report: ReportMistake<'_>) {
    if !matches!(streams.replicas, 1 | 3 | 5) {
        report("streams.replicas", format!("expected 1, 3 or 5, found {}", streams.replicas));
    }
    channels("streams.integrators", &streams.integrators, report);
    range("streams.keep-hours", streams.keep_hours, 0, HOURS_MAX, report);
    range("streams.keep-audit-hours", streams.keep_audit_hours, 0, HOURS_MAX, report);
    range("streams.keep-dead-hours", streams.keep_dead_hours, 0, HOURS_MAX, report);
    range(
        "streams.duplicate-window-seconds",
        streams.duplicate_window_seconds,
        1,
        7 * 86_400,
        report,
    );
}

fn check_store(store: &StoreSettings, report: ReportMistake<'_>) {
    if store.path.as_os_str().is_empty() {
        report("store.path", "expected a folder, found nothing".into());
    }
    if store.backups.as_os_str().is_empty() {
        report("store.backups", "expected a folder, found nothing".into());
    }
    range("store.cache-bytes", store.cache_bytes, 1 << 20, u64::MAX, report);
    range("store.write-buffer-bytes", store.write_buffer_bytes, 1 << 20, u64::MAX, report);
    range("store.background-jobs", store.background_jobs, 1, THREADS_MAX, report);
    range("store.open-files", store.open_files, 16, u64::MAX, report);
}

fn check_languages(languages: &LanguageSettings, report: ReportMistake<'_>) {
    for (key, folder, content) in [
        (
            "languages.folder",
            &languages.folder,
            "one folder for each language, such as de/words.txt",
        ),
        ("languages.models", &languages.models, "one file for each language, such as en.txt"),
    ] {
        if let Some(folder) = folder
            && !folder.is_dir()
        {
            let found = folder.display();
            report(key, format!("expected a folder with {content}; found none at `{found}`"));
        }
    }
}

fn check_analyser(analyser: &AnalyserSettings, report: ReportMistake<'_>) {
    if let Some(subject) = &analyser.subject {
        filled("analyser.subject", subject, "a subject such as sentiment.read", report);
        let is_plain =
            subject.bytes().all(|byte| byte.is_ascii_graphic() && !b"*>".contains(&byte));
        if !is_plain || subject.split('.').any(str::is_empty) {
            let found = subject.escape_debug();
            report("analyser.subject", format!("expected tokens joined by dots, found `{found}`"));
        }
    }
    range("analyser.timeout-ms", analyser.timeout_ms, 1, 10_000, report);
}

fn check_broadcast(broadcast: &BroadcastSettings, report: ReportMistake<'_>) {
    range("broadcast.wake-per-second", broadcast.wake_per_second, 1, WAKES_MAX, report);
}

fn check_log(log: &LogSettings, report: ReportMistake<'_>) {
    filled("log.filter", &log.filter, "a level such as `info`", report);
    if let Err(error) = EnvFilter::try_new(&log.filter) {
        let found = &log.filter;
        let detail =
            format!("expected a filter such as `info,async_nats=warn`, found `{found}`: {error}");
        report("log.filter", detail);
    }
}

fn filled(key: &str, found: &str, expected: &str, report: ReportMistake<'_>) {
    if found.trim().is_empty() {
        report(key, format!("expected {expected}, found nothing"));
    } else if found.len() > limits::TEXT_BYTES {
        let (most, found) = (limits::TEXT_BYTES, found.len());
        report(key, format!("expected at most {most} bytes, found {found}"));
    }
}

fn range(key: &str, found: impl Into<u64>, least: u64, most: u64, report: ReportMistake<'_>) {
    let found = found.into();
    if (least..=most).contains(&found) {
        return;
    }
    let expected = match most {
        u64::MAX => format!("at least {least}"),
        most => format!("{least} to {most}"),
    };
    report(key, format!("expected {expected}, found {found}"));
}

/// Checks a list of channels.
fn channels(key: &str, names: &[String], report: ReportMistake<'_>) {
    let (most, found) = (limits::INTEGRATORS, names.len());
    if found > most {
        report(key, format!("expected at most {most} channels, found {found}"));
    }
    let most = limits::CHANNEL_BYTES;
    for name in names.iter().filter(|name| name.trim().is_empty() || name.len() > most) {
        let found = name.escape_debug();
        report(key, format!("expected names of channels of 1 to {most} bytes, found `{found}`"));
    }
}

/// Checks the addresses of the broker.
fn addresses(urls: &str, report: ReportMistake<'_>) {
    for url in urls.split(',').map(str::trim).filter(|url| !url.is_empty()) {
        if !is_address(url) {
            let found = masked(url);
            let detail = format!(
                "expected addresses such as nats://127.0.0.1:4222, separated by commas, found `{}`",
                found.escape_debug()
            );
            report("nats.url", detail);
        }
    }
}

/// Whether this is the address of a broker: perhaps a scheme, perhaps a login, a host, perhaps a port.
fn is_address(url: &str) -> bool {
    let (scheme, rest) = url.split_once("://").unwrap_or(("nats", url));
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let place = place.split_once('/').map_or(place, |(place, _)| place);
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    // A number alone is read as an IPv4 address: 5 is 0.0.0.5.
    let is_host = !host.is_empty()
        && !host.contains(char::is_whitespace)
        && !host.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    matches!(scheme, "nats" | "tls" | "ws" | "wss") && is_host && is_port
}

fn size(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
