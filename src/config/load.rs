//! Loads settings from their layers: defaults, then a file, then the environment, then arguments.

use std::path::{Path, PathBuf};

use figment::error::{Actual, Kind};
use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::ranges::ReportMistake;
use super::settings::masked;
use super::{Mistake, Mistakes, Settings, not_utf8};

/// The settings file that is read if it exists and no other is given.
pub const FILE: &str = "jumeau.toml";

/// The prefix of environment variables that are settings; sections and keys are joined by `__`:
/// `JUMEAU_SERVICE__PARTITIONS`. An underscore within a name stands for the hyphen of the file:
/// `JUMEAU_STREAMS__KEEP_HOURS` is `streams.keep-hours`.
pub const ENVIRONMENT_PREFIX: &str = "JUMEAU_";

/// The environment variable with the path of the settings file; it is not a setting.
pub const ENVIRONMENT_FILE: &str = "JUMEAU_CONFIG";

/// Environment variables that `jumeau keys` writes for people and their tools: the name under which they
/// ask, and their credentials. They are not settings of a service.
const ENVIRONMENT_OF_USERS: [&str; 8] = [
    "JUMEAU_AS",
    "JUMEAU_QUEUES",
    "JUMEAU_CHANNEL",
    "JUMEAU_EVENTS",
    "JUMEAU_DECIDE",
    "JUMEAU_TOPIC",
    "JUMEAU_STREAM",
    "JUMEAU_CONSUMER",
];

/// The maximum number of reported mistakes of one kind.
const MISTAKES_MAX: usize = 100;

/// Sources of settings besides the defaults; each layer overrides the ones before it.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// A file that must exist; none: [`FILE`] in the working directory, if there is one.
    pub file: Option<PathBuf>,
    /// Environment variables; only those with [`ENVIRONMENT_PREFIX`] are read.
    pub environment: Vec<(String, String)>,
    /// Arguments of the command line.
    pub arguments: Vec<Argument>,
}

/// A setting given on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// The flag as the operator wrote it, for messages: `--policy`.
    pub flag: String,
    /// The setting: `service.policy`.
    pub key: String,
    /// Its value.
    pub value: String,
}

impl Argument {
    /// Parses `--set key=value`.
    ///
    /// # Errors
    /// A sentence, if there is no `=` or nothing before it.
    pub fn set(pair: &str) -> Result<Argument, String> {
        match pair.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => Ok(Argument {
                flag: format!("--set {}", key.trim()),
                key: key.trim().into(),
                value: value.trim().into(),
            }),
            _ => Err(format!("expected section.key=value, found `{}`", secretless(pair))),
        }
    }
}

impl Layers {
    /// The layers of a process: the given file and arguments, and its environment. A variable that is not
    /// UTF-8 is skipped.
    pub fn of_process(file: Option<PathBuf>, arguments: Vec<Argument>) -> Layers {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX))
            .collect();
        Layers { file, environment, arguments }
    }

    /// Merges the layers into settings.
    ///
    /// # Errors
    /// A file that cannot be read, or all mistakes in all layers at once, each with its source.
    pub fn load(&self) -> Result<Settings, Error> {
        self.load_and(|_, _| {})
    }

    /// Merges the layers into the settings of a service that is to start: the files and variables that
    /// they name are checked, too.
    ///
    /// # Errors
    /// As [`load`](Layers::load).
    pub fn load_for_start(&self) -> Result<Settings, Error> {
        self.load_and(Settings::check_outside)
    }

    fn load_and(&self, check: impl Fn(&Settings, ReportMistake<'_>)) -> Result<Settings, Error> {
        let defaults = Figment::from(Serialized::defaults(Settings::default()));
        let mut layers = defaults.clone();

        let named = self.file.clone().or_else(|| self.variable(ENVIRONMENT_FILE).map(Into::into));
        let file = named.or_else(|| Some(PathBuf::from(FILE)).filter(|file| file.exists()));
        let mut text = String::new();
        if let Some(file) = &file {
            let bytes =
                std::fs::read(file).map_err(|source| Error::Read { file: file.clone(), source })?;
            text = String::from_utf8(bytes).map_err(|error| {
                let (line, detail) = not_utf8(&error);
                Error::of(vec![Mistake::in_line(&file.display().to_string(), line, detail)])
            })?;
            let toml = Toml::string(&text);
            if let Err(error) = toml.data() {
                // The first line has the position, the last the message; the drawing between is for
                // terminals.
                let detail = secretless(&error.kind.to_string());
                let lines: Vec<&str> = detail.trim().lines().collect();
                let detail = match lines[..] {
                    [place, .., what] => {
                        let place = place.strip_prefix("TOML parse error ").unwrap_or(place);
                        format!("{place}: {what}")
                    }
                    _ => detail,
                };
                let message = format!("expected TOML, but {detail}");
                let file = file.display().to_string();
                return Err(Error::of(vec![Mistake::in_line(&file, 0, message)]));
            }
            layers = layers.merge(FileLayer { file: file.clone(), toml });
        }
        for (name, value) in &self.environment {
            if let Some(path) = name.strip_prefix(ENVIRONMENT_PREFIX)
                && name != ENVIRONMENT_FILE
                && !ENVIRONMENT_OF_USERS.contains(&&**name)
            {
                let path = path.to_lowercase().replace("__", ".").replace('_', "-");
                layers = layers.merge(OneSetting::new(name, path.split('.'), value));
            }
        }
        for Argument { flag, key, value } in &self.arguments {
            layers = layers.merge(OneSetting::new(flag, key.split('.'), value));
        }

        let places = Places { layers: &layers, file: file.as_deref(), text: &text };
        let mut mistakes = Vec::new();
        let mut found = tree(&layers);
        take_unknown(&tree(&defaults), &mut found, &mut Vec::new(), &places, &mut mistakes);
        let settings = extract(found, &defaults, &places, &mut mistakes);
        let mut report = |key: &str, detail| mistakes.push(places.mistake(key, detail));
        settings.check(&mut report);
        check(&settings, &mut report);
        if mistakes.is_empty() { Ok(settings) } else { Err(Error::of(mistakes)) }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        let found = self.environment.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// Why the settings could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings file cannot be read.
    #[error("expected a settings file at {}, but: {source}; name another with --config", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// Invalid settings, in the order of their checks.
    #[error("{0}")]
    Mistakes(Mistakes),
}

impl Error {
    fn of(mistakes: Vec<Mistake>) -> Error {
        Error::Mistakes(Mistakes::by_line(mistakes))
    }
}

struct FileLayer {
    file: PathBuf,
    toml: figment::providers::Data<Toml>,
}

impl Provider for FileLayer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.file.display().to_string())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        self.toml.data()
    }
}

/// One setting with its own source.
struct OneSetting {
    place: String,
    path: Vec<String>,
    value: Value,
}

impl OneSetting {
    fn new<'a>(place: &str, path: impl Iterator<Item = &'a str>, value: &str) -> OneSetting {
        // A list is parsed as one; everything else stays a text that the setting's type parses, so that a
        // password of digits is still a password.
        let list = Some(value).filter(|value| value.starts_with('[')).and_then(|v| v.parse().ok());
        let value = list.unwrap_or_else(|| Value::from(value));
        OneSetting { place: place.into(), path: path.map(Into::into).collect(), value }
    }
}

impl Provider for OneSetting {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.place.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let nested = self.path.iter().rev().fold(self.value.clone(), |inner, name| {
            Value::from(Dict::from([(name.clone(), inner)]))
        });
        let dict = nested.into_dict().unwrap_or_default();
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

fn tree(layers: &Figment) -> Dict {
    layers
        .data()
        .ok()
        .and_then(|mut profiles| profiles.remove(&Profile::Default))
        .unwrap_or_default()
}

/// The settings, with the default for each value of a wrong type, so that one mistake does not hide the
/// next.
fn extract(
    found: Dict,
    defaults: &Figment,
    places: &Places<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Settings {
    let mut found = Figment::from(Serialized::defaults(found));
    loop {
        let error = match found.extract_lossy::<Settings>() {
            Ok(settings) => return settings,
            Err(error) => error,
        };
        let key = error.path.join(".");
        mistakes.push(places.mistake(&key, sentence(&error.kind, &key, defaults)));
        match defaults.find_value(&key) {
            Ok(value) if mistakes.len() < MISTAKES_MAX => {
                found = found.merge(OneSetting { place: String::new(), path: error.path, value });
            }
            _ => return Settings::default(),
        }
    }
}

/// Removes every key that has no default: the defaults contain all valid keys.
fn take_unknown(
    known: &Dict,
    found: &mut Dict,
    path: &mut Vec<String>,
    places: &Places<'_>,
    mistakes: &mut Vec<Mistake>,
) {
    found.retain(|name, value| {
        path.push(name.clone());
        let is_known = match (known.get(name), value) {
            (Some(Value::Dict(_, known)), Value::Dict(_, found)) => {
                take_unknown(known, found, path, places, mistakes);
                true
            }
            (Some(_), _) => true,
            (None, _) => {
                let detail = format!("unknown setting; {}", instead(name, known));
                mistakes.push(places.mistake(&path.join("."), detail));
                false
            }
        };
        path.pop();
        is_known
    });
}

fn instead(name: &str, known: &Dict) -> String {
    let nearest = known
        .keys()
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len().div_ceil(3));
    match nearest {
        Some((_, nearest)) => format!("did you mean `{nearest}`?"),
        None => {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            format!("expected one of {}", names.join(", "))
        }
    }
}

/// The sources of settings.
struct Places<'a> {
    layers: &'a Figment,
    file: Option<&'a Path>,
    text: &'a str,
}

impl Places<'_> {
    /// A mistake in a setting, where it was set.
    fn mistake(&self, key: &str, detail: String) -> Mistake {
        let metadata = self.layers.find_metadata(key);
        let name = metadata.map_or("settings".into(), |metadata| metadata.name.clone());
        let is_of_file = self.file.is_some_and(|file| name == file.display().to_string());
        let line = if is_of_file { line_of(self.text, key) } else { None };
        // An argument `--set` names the setting already.
        let detail = match name.strip_prefix("--set ") {
            Some(named) if named == key => detail,
            _ => format!("`{key}`: {detail}"),
        };
        Mistake::in_line(&name, line.unwrap_or(0), detail)
    }
}

/// The line, from 1, on which a TOML text sets `key`; for a section, that of its header.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let mut section = String::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        let header = line.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        if let Some((name, _)) = header {
            section = name.trim().to_owned();
            if section == key {
                return Some(index + 1);
            }
        } else if let Some((name, _)) = line.split_once('=') {
            let name = name.trim().trim_matches('"');
            let found = if section.is_empty() { name.into() } else { format!("{section}.{name}") };
            if found == key || found.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')) {
                return Some(index + 1);
            }
        }
    }
    None
}

fn sentence(kind: &Kind, key: &str, defaults: &Figment) -> String {
    secretless(&describe(kind, key, defaults))
}

/// A message without the password of an address that was written in the wrong place.
fn secretless(sentence: &str) -> String {
    if sentence.contains("://") { masked(sentence) } else { sentence.to_owned() }
}

/// What was expected of a setting and what was found, in the words of TOML.
fn describe(kind: &Kind, key: &str, defaults: &Figment) -> String {
    match kind {
        Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
            let most = match expected.as_str() {
                "u8" => Some(u8::MAX.into()),
                "u16" => Some(u16::MAX.into()),
                "u32" => Some(u32::MAX.into()),
                "u64" | "usize" => Some(u64::MAX),
                _ => None,
            };
            let expected = match most {
                Some(most) => whole_number(key, most, defaults),
                None => in_words(expected).to_owned(),
            };
            format!("expected {expected}, found {}", ActualValue(found))
        }
        Kind::UnknownVariant(found, known) => {
            format!("expected one of {}; found `{found}`", known.join(", "))
        }
        other => other.to_string(),
    }
}

/// The whole numbers that a setting allows, if its type allows those up to `most`.
fn whole_number(key: &str, most: u64, defaults: &Figment) -> String {
    // The check of the largest number tells the range, unless that number is allowed.
    let path = key.split('.').map(Into::into).collect();
    let largest = OneSetting { place: String::new(), path, value: Value::from(most) };
    let settings = defaults.clone().merge(largest).extract_lossy::<Settings>();
    let mut range = None;
    if let Ok(settings) = settings {
        settings.check(&mut |checked, detail| {
            if checked == key {
                let expected = detail.strip_prefix("expected ").unwrap_or(&detail);
                range = expected.split_once(", found").map(|(range, _)| range.to_owned());
            }
        });
    }
    match range {
        Some(range) => format!("a whole number: {range}"),
        None => "a whole number of at least 0".to_owned(),
    }
}

/// A type as TOML calls it.
fn in_words(expected: &str) -> &str {
    match expected {
        "f32" | "f64" => "a number",
        "a string" => "a text",
        "a sequence" => "a list",
        "a map" => "a table",
        "a boolean" => "true or false",
        other if other.starts_with("struct ") => "a table",
        other => other,
    }
}

/// A value as TOML calls it.
struct ActualValue<'a>(&'a Actual);

impl std::fmt::Display for ActualValue<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Actual::Bool(value) => write!(out, "{value}"),
            Actual::Unsigned(value) => write!(out, "{value}"),
            Actual::Signed(value) => write!(out, "{value}"),
            Actual::Float(value) => write!(out, "{value}"),
            Actual::Char(value) => write!(out, "the text `{}`", value.escape_debug()),
            Actual::Str(value) => write!(out, "the text `{}`", value.escape_debug()),
            Actual::Seq => out.write_str("a list"),
            Actual::Map => out.write_str("a table"),
            Actual::Unit | Actual::Option => out.write_str("nothing"),
            other => write!(out, "{other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::{LogFormat, TimeMode};

    fn layers(
        file: &str,
        environment: &[(&str, &str)],
        arguments: &[&str],
    ) -> (tempfile::TempDir, Layers) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jumeau.toml");
        std::fs::write(&path, file).unwrap();
        let environment =
            environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let arguments = arguments.iter().map(|pair| Argument::set(pair).unwrap()).collect();
        (folder, Layers { file: Some(path), environment, arguments })
    }

    fn refusal(file: &str, environment: &[(&str, &str)], arguments: &[&str]) -> String {
        let (folder, layers) = layers(file, environment, arguments);
        let refusal = layers.load().unwrap_err().to_string();
        refusal.replace(&format!("{}/", folder.path().display()), "")
    }

    #[test]
    fn no_mistake_shows_a_password() {
        let url = "nats://max:hush-hush@127.0.0.1";
        let mistakes = [
            refusal("", &[("JUMEAU_NATS", url)], &[]),
            refusal("", &[], &[&format!("log.format={url}")]),
            refusal(&format!("[nats]\nurl = \"{url}\n"), &[], &[]),
            refusal(&format!("[service]\npartitions = \"{url}\"\n"), &[], &[]),
            Argument::set(url).unwrap_err(),
        ];
        for mistake in mistakes {
            assert!(!mistake.contains("hush-hush"), "{mistake}");
        }
    }

    #[test]
    fn a_file_in_another_encoding_is_reported_with_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jumeau.toml");
        std::fs::write(&path, b"[service]\npolicy = 'cr\xE8me'\n").unwrap();
        let layers = Layers { file: Some(path.clone()), ..Layers::default() };
        let mistakes = layers.load().unwrap_err().to_string();
        let what = "expected text in UTF-8, found the byte 0xE8; save the file as UTF-8";
        assert_eq!(mistakes, format!("{}:2: {what}", path.display()));
    }

    #[test]
    fn each_layer_of_settings_overrides_those_before_it() {
        let file = "[service]\npartitions = 1\npolicy = 'telco'\ntime = 'event'";
        let environment = [
            ("JUMEAU_SERVICE__PARTITIONS", "2"),
            ("JUMEAU_LOG__FORMAT", "json"),
            ("PATH", "/"),
            ("JUMEAU_AS", "anna"),
            ("JUMEAU_QUEUES", "care,billing"),
        ];
        let (_folder, layers) = layers(file, &environment, &["service.partitions=3"]);
        let found = layers.load().unwrap();
        assert_eq!(found.service.partitions, 3);
        assert_eq!(found.service.policy, "telco");
        assert_eq!(found.service.time, TimeMode::Event);
        assert_eq!(found.nats.prefix, "jumeau");
        assert_eq!(found.log.format, LogFormat::Json);
    }

    #[test]
    fn all_mistakes_are_reported_at_once_with_their_places() {
        let file =
            "[service]\npartition = 8\narbiters = \"many\"\npolicy = \"\"\n\n[logs]\nformat = 1\n";
        let environment = [
            ("JUMEAU_SERVICE__TIME", "evnt"),
            ("JUMEAU_SERVICE__PARTITIONS", "0"),
            ("JUMEAU_STREAMS__KEEP_HOUR", "json"),
        ];
        insta::assert_snapshot!(refusal(file, &environment, &["nats.prefix=a..b", "nonsense=1"]), @r#"
        jumeau.toml:6: `logs`: unknown setting; did you mean `log`?
        --set nonsense: unknown setting; expected one of analyser, audit, broadcast, languages, log, nats, service, store, streams
        jumeau.toml:2: `service.partition`: unknown setting; did you mean `partitions`?
        JUMEAU_STREAMS__KEEP_HOUR: `streams.keep-hour`: unknown setting; did you mean `keep-hours`?
        jumeau.toml:3: `service.arbiters`: expected a whole number: 0 to 256, found the text `many`
        JUMEAU_SERVICE__TIME: `service.time`: expected one of stream, event; found `evnt`
        jumeau.toml:4: `service.policy`: expected an embedded policy or a folder, found nothing
        JUMEAU_SERVICE__PARTITIONS: `service.partitions`: expected 1 to 1024, found 0
        --set nats.prefix: expected tokens of A-Z a-z 0-9 _ - joined by dots, at most 64 bytes; found `a..b`
        "#);
    }

    #[test]
    fn what_a_start_needs_besides_settings_is_checked_with_them() {
        let file = "[nats]\ncredentials = \"nope\"\n\n[nats.tls]\nca = \"no.pem\"\n";
        let (folder, here) = layers(file, &[], &["store.master-key=env:JUMEAU_NO_SUCH_KEY"]);
        assert!(here.load().is_ok(), "a store is verified without the broker's credentials");
        let refusal = here.load_for_start().unwrap_err().to_string();
        insta::assert_snapshot!(refusal.replace(&format!("{}/", folder.path().display()), ""), @r"
        jumeau.toml:2: `nats.credentials`: expected a file that can be read, found No such file or directory (os error 2) for `nope`
        jumeau.toml:5: `nats.tls.ca`: expected a file that can be read, found No such file or directory (os error 2) for `no.pem`
        --set store.master-key: expected a file, or `env:` and a variable, with 64 hexadecimal digits; found no text in the variable `JUMEAU_NO_SUCH_KEY`
        ");

        let key = folder.path().join("key");
        let of_file = Argument::set(&format!("store.master-key={}", key.display())).unwrap();
        let here = Layers { arguments: vec![of_file], ..Layers::default() };
        std::fs::write(&key, "0f".repeat(31)).unwrap();
        let refusal = here.load_for_start().unwrap_err().to_string();
        assert!(refusal.contains("found something else in the file"), "{refusal}");
        std::fs::write(&key, format!("{}\n", "0f".repeat(32))).unwrap();
        assert!(here.load_for_start().is_ok());
    }

    #[test]
    fn channels_and_addresses_are_checked() {
        let wrong = [
            "service.desks=[\"desk\", \"\"]",
            "service.merging-channels=[\"a-name-that-is-longer-than-32-bytes\"]",
            "streams.integrators=[\"\"]",
            "nats.url=5, ftp://host, nats://host:port,,nats://max:hush-hush@",
        ];
        insta::assert_snapshot!(refusal("", &[], &wrong), @r"
        --set service.desks: expected names of channels of 1 to 32 bytes, found ``
        --set service.merging-channels: expected names of channels of 1 to 32 bytes, found `a-name-that-is-longer-than-32-bytes`
        --set nats.url: expected addresses such as nats://127.0.0.1:4222, separated by commas, found `5`
        --set nats.url: expected addresses such as nats://127.0.0.1:4222, separated by commas, found `ftp://host`
        --set nats.url: expected addresses such as nats://127.0.0.1:4222, separated by commas, found `nats://host:port`
        --set nats.url: expected addresses such as nats://127.0.0.1:4222, separated by commas, found `nats://max:***@`
        --set streams.integrators: expected names of channels of 1 to 32 bytes, found ``
        ");
        for url in [
            "127.0.0.1",
            "localhost:4222",
            "nats://max:p%40ss@a.example.com:4222, tls://[::1]:4222",
            "wss://broker.example.com/nats",
        ] {
            let (_folder, layers) = layers("", &[], &[&format!("nats.url={url}")]);
            assert_eq!(layers.load().unwrap().nats.url, url);
        }
    }

    #[test]
    fn a_filter_of_the_log_that_cannot_be_read_is_refused() {
        let refusals = refusal("", &[], &["log.filter=jumeau=lots"]);
        insta::assert_snapshot!(refusals, @r#"--set log.filter: expected a filter such as `info,async_nats=warn`, found `jumeau=lots`: error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5"#);
    }

    #[test]
    fn values_of_another_type_are_called_what_toml_calls_them() {
        let file = "service = 3\n[nats]\nurl = [1]\ntls = \"x\"\n[streams]\nreplicas = 300\n\
                    keep-hours = -1\n[audit]\nidentifiers = 1\n";
        let arguments = [
            "log.format=[1]",
            "service.partitions=100000",
            "service.desks=x",
            "store.cache-bytes=x",
        ];
        let refusals = refusal(file, &[], &[]) + "\n" + &refusal("", &[], &arguments);
        for word in ["unsigned int", "signed int", "string", "sequence", "struct ", "u8", "u16"] {
            assert!(!refusals.contains(word), "{word}: {refusals}");
        }
    }

    #[test]
    fn a_quoted_number_stays_a_text() {
        let (_folder, layers) = layers("", &[("JUMEAU_NATS__PREFIX", "007")], &[]);
        assert_eq!(layers.load().unwrap().nats.prefix, "007");
    }

    #[test]
    fn a_file_that_is_missing_or_not_toml_is_refused() {
        insta::assert_snapshot!(refusal("[service", &[], &[]), @"jumeau.toml: expected TOML, but at line 1, column 9: expected `.`, `]`");
        let layers = Layers { file: Some("/nowhere/jumeau.toml".into()), ..Layers::default() };
        insta::assert_snapshot!(layers.load().unwrap_err(), @"expected a settings file at /nowhere/jumeau.toml, but: No such file or directory (os error 2); name another with --config");
    }

    #[test]
    fn the_commented_example_names_every_setting_with_its_default() {
        let text = include_str!("../../config/jumeau.toml");
        let (_folder, layers) = layers(text, &[], &[]);
        assert_eq!(layers.load().unwrap(), Settings::default());

        fn missing(known: &Dict, found: &Dict, path: &str, text: &str, names: &mut Vec<String>) {
            for (name, value) in known {
                match (value, found.get(name)) {
                    (Value::Dict(_, known), Some(Value::Dict(_, found))) => {
                        missing(known, found, &format!("{path}{name}."), text, names);
                    }
                    (_, Some(_)) => {}
                    // A setting that is unset by default can only appear there as a comment.
                    (Value::Empty(..), None) if text.contains(&format!("\n# {name} = ")) => {}
                    (_, None) => names.push(format!("{path}{name}")),
                }
            }
        }
        let defaults = tree(&Figment::from(Serialized::defaults(Settings::default())));
        let example = tree(&Figment::from(Toml::string(text)));
        let mut names = Vec::new();
        missing(&defaults, &example, "", text, &mut names);
        assert_eq!(names, Vec::<String>::new());
    }
}
