//! Checks of what settings name outside themselves: files and variables that a start needs.

use std::path::Path;

use super::Settings;
use super::ranges::ReportMistake;
use super::settings::NatsSettings;

/// The prefix of environment variables, among file names.
const VARIABLE: &str = "env:";
/// The length of a master key, in hexadecimal digits.
const KEY_DIGITS: usize = 64;

impl Settings {
    /// Reports every setting that names a file which cannot be read, or a master key that is none: the
    /// service would not start with it.
    pub(super) fn check_outside(&self, report: ReportMistake<'_>) {
        let NatsSettings { credentials, nkey, tls, .. } = &self.nats;
        for (key, file) in [
            ("nats.credentials", credentials),
            ("nats.nkey", nkey),
            ("nats.tls.ca", &tls.ca),
            ("nats.tls.cert", &tls.cert),
            ("nats.tls.key", &tls.key),
        ] {
            if let Some(file) = file
                && let Err(detail) = readable(file)
            {
                report(key, detail);
            }
        }
        if let Some(from) = &self.store.master_key
            && let Err(found) = master_key(from)
        {
            let detail = format!(
                "expected a file, or `env:` and a variable, with {KEY_DIGITS} hexadecimal digits; \
                 found {found}"
            );
            report("store.master-key", detail);
        }
    }
}

fn readable(file: &Path) -> Result<(), String> {
    let read = std::fs::read(file).map(drop);
    read.map_err(|error| {
        format!("expected a file that can be read, found {error} for `{}`", file.display())
    })
}

/// Checks that there is a master key; the error says what there is instead.
fn master_key(from: &str) -> Result<(), String> {
    let (text, place) = match from.strip_prefix(VARIABLE) {
        Some(name) => {
            let place = format!("the variable `{name}`");
            let text = std::env::var(name).map_err(|_| format!("no text in {place}"))?;
            (text, place)
        }
        None => {
            let place = format!("the file `{from}`");
            let text =
                std::fs::read_to_string(from).map_err(|error| format!("{error} for {place}"))?;
            (text, place)
        }
    };
    let text = text.trim();
    let is_key = text.len() == KEY_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_key { Ok(()) } else { Err(format!("something else in {place}")) }
}
