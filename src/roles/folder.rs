use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nkeys::{KeyPair, KeyPairType};
use sha2::{Digest as _, Sha256};

use super::company::{Door, Member, SERVICE_USER};
use super::grant;
use super::template::fill;
use super::{Company, Error, certificates};
use crate::config::settings;

const SERVER: &str = include_str!("../../config/nats/server.conf");
const SECURITY: &str = include_str!("../../config/nats/security.conf");
const SERVICE: &str = include_str!("../../config/nats/service.conf");
const ACCOUNT: &str = include_str!("../../config/nats/account.conf");
const WEBSOCKET: &str = include_str!("../../config/nats/websocket.conf");
const MQTT: &str = include_str!("../../config/nats/mqtt.conf");

/// MQTT keeps sessions and messages in transit in streams of the devices' own account.
const DEVICES_STREAMS: &str =
    "\n    jetstream: { max_mem: 16M, max_file: 256M, max_streams: 16, max_consumers: 1024 }";

/// The folder as written.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The broker's configuration.
    pub broker: PathBuf,
    /// Its authorization part, for use in another configuration.
    pub security: String,
    /// The settings for the service.
    pub service: PathBuf,
    /// All users, the service first.
    pub users: Vec<User>,
    folder: PathBuf,
    prefix: String,
}

/// A user of the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name on the bus, such as `channel-web`.
    pub name: String,
    /// The file with the seed of the key; for devices, with the password.
    pub key: PathBuf,
    /// The prefix of the subjects on which this user receives replies.
    pub inbox: String,
    /// Whether they make requests to the service under the name.
    is_named: bool,
}

impl User {
    fn new(name: &str, key: PathBuf, is_named: bool) -> User {
        User { name: name.to_owned(), key, inbox: format!("_INBOX.{name}"), is_named }
    }
}

impl Prepared {
    /// The connection settings of a user at `url`; none if there is no such user.
    pub fn nats(&self, user: &str, url: &str) -> Option<settings::NatsSettings> {
        let user = self.users.iter().find(|known| known.name == user)?;
        Some(settings::NatsSettings {
            url: url.to_owned(),
            prefix: self.prefix.clone(),
            nkey: Some(user.key.clone()),
            inbox: user.inbox.clone(),
            name: Some(user.name.clone()).filter(|_| user.is_named),
            tls: settings::TlsSettings {
                required: true,
                ca: Some(self.folder.join("ca.pem")),
                ..settings::TlsSettings::default()
            },
            ..settings::NatsSettings::default()
        })
    }
}

/// Creates missing keys in a folder and writes the configuration for exactly these users; users no longer
/// listed lose access.
///
/// # Errors
/// Any [`Error`].
pub fn prepare(folder: &Path, company: &Company) -> Result<Prepared, Error> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::File { path, source }
    };
    let members = company.members()?;
    fs::create_dir_all(folder).map_err(at(folder))?;
    // The broker and the service may be started in any folder.
    let folder = fs::canonicalize(folder).map_err(at(folder))?;
    certificate(&folder, &company.hosts)?;

    let place = folder.to_string_lossy();
    let websocket = company.websocket.as_deref().unwrap_or_default();
    let mqtt = company.mqtt.as_deref().unwrap_or_default();
    let shared = [
        ("prefix", company.subjects.prefix()),
        ("listen", &company.listen),
        ("websocket", websocket),
        ("mqtt", mqtt),
        ("folder", &place),
    ];
    let with = |template, more: &[(&str, &str)]| fill(template, &[&shared, more].concat());
    let key = folder.join(format!("{SERVICE_USER}.nk"));
    let service = with(SERVICE, &[("nkey", &key_of(&key)?)]);
    let mut users = vec![User::new(SERVICE_USER, key, false)];
    let mut accounts = String::new();
    for member in &members {
        let (file, credentials) = credentials(&folder, member)?;
        accounts += &with(ACCOUNT, &blanks(member, &credentials).each_ref().map(borrowed));
        users.push(User::new(&member.user, file, member.is_named));
    }
    let mut doors = String::new();
    for (door, template) in [(websocket, WEBSOCKET), (mqtt, MQTT)] {
        if !door.is_empty() {
            doors += &with(template, &[]);
        }
    }
    let lent = members.iter().map(|member| (member.user.as_str(), member.grants.as_slice()));
    let parts = [
        ("doors", doors),
        ("service", service.trim_end().to_owned()),
        ("exports", grant::exports(lent)),
        ("accounts", accounts.trim_end().to_owned()),
    ];
    let security = with(SECURITY, &parts.each_ref().map(borrowed));
    let broker = folder.join("nats-server.conf");
    let whole = with(SERVER, &[("security", security.trim_end())]);
    write(&broker, &whole, MODE_OPEN)?;

    let url = url(company);
    for (user, member) in users.iter().skip(1).zip(&members) {
        let env = env(user, member, company, &folder, &url);
        write(&folder.join(format!("{}.env", user.name)), &env, MODE_OPEN)?;
    }
    let service = folder.join("jumeau.toml");
    write(&service, &service_settings(company, &url, &folder), MODE_OPEN)?;
    let prefix = company.subjects.prefix().to_owned();
    Ok(Prepared { broker, security, service, users, folder, prefix })
}

const MODE_OPEN: u32 = 0o644;
const MODE_SECRET: u32 = 0o600;

fn borrowed<'a>((name, value): &'a (&'static str, String)) -> (&'static str, &'a str) {
    (name, value)
}

/// The values for the blanks of a user's account.
fn blanks(member: &Member, credentials: &str) -> [(&'static str, String); 7] {
    let inbox = format!("_INBOX.{}", member.user);
    let (streams, subscribe) = match member.door {
        // A device receives nothing over MQTT.
        Door::Device => (DEVICES_STREAMS, "          subscribe: { deny: [\">\"] }".to_owned()),
        Door::Key => {
            let heard = [format!("            \"{inbox}.>\""), grant::subscribes(&member.grants)];
            let heard = heard.join("\n");
            ("", format!("          subscribe: {{ allow: [\n{}\n          ] }}", heard.trim_end()))
        }
    };
    [
        ("user", member.user.clone()),
        ("does", member.does.clone()),
        ("streams", streams.to_owned()),
        ("credentials", credentials.to_owned()),
        ("publishes", grant::publishes(&member.grants)),
        ("subscribe", subscribe),
        ("imports", grant::imports(&member.grants)),
    ]
}

/// The file with a user's credentials, and their public part for the broker.
fn credentials(folder: &Path, member: &Member) -> Result<(PathBuf, String), Error> {
    match member.door {
        Door::Key => {
            let file = folder.join(format!("{}.nk", member.user));
            let public = key_of(&file)?;
            Ok((file, format!("        nkey: {public}")))
        }
        Door::Device => {
            let file = folder.join(format!("{}.password", member.user));
            let hash = hash_of(&file)?;
            let user = &member.user;
            let lines = format!(
                "        user: \"{user}\"\n        password: \"{hash}\"\n        \
                 allowed_connection_types: [\"MQTT\"]"
            );
            Ok((file, lines))
        }
    }
}

/// The URL of the broker for clients.
fn url(company: &Company) -> String {
    let host = company.hosts.first().map_or("localhost", String::as_str);
    let port = company.listen.rsplit(':').next().unwrap_or("4222");
    format!("tls://{host}:{port}")
}

/// The environment variables for the programs of one user.
fn env(user: &User, member: &Member, company: &Company, folder: &Path, url: &str) -> String {
    let key = user.key.to_string_lossy();
    let ca = folder.join("ca.pem");
    let ca = ca.to_string_lossy();
    let mut all: Vec<(&str, &str)> = match member.door {
        Door::Key => vec![
            ("NATS_URL", url),
            ("NATS_NKEY", &key),
            ("NATS_CA", &ca),
            ("NATS_INBOX_PREFIX", &user.inbox),
        ],
        Door::Device => vec![
            ("MQTT_ADDRESS", company.mqtt.as_deref().unwrap_or_default()),
            ("MQTT_USER", &user.name),
            ("MQTT_PASSWORD_FILE", &key),
            ("MQTT_CA", &ca),
        ],
    };
    all.push(("JUMEAU_NATS__PREFIX", company.subjects.prefix()));
    if member.is_named {
        all.push(("JUMEAU_AS", &user.name));
    }
    all.extend(member.knows.iter().map(|(name, value)| (*name, value.as_str())));
    let line =
        |(name, value): (&str, &str)| format!("export {name}='{}'\n", value.replace('\'', r"'\''"));
    all.into_iter().map(line).collect()
}

fn service_settings(company: &Company, url: &str, folder: &Path) -> String {
    // JSON strings are also TOML strings.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let file = |name: &str| quoted(&folder.join(name).to_string_lossy());
    let list = |names: &[&str]| {
        let quoted: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        quoted.join(", ")
    };
    let desks: Vec<&str> = company.desks.iter().map(String::as_str).collect();
    format!(
        "# With these settings the service joins the broker of this folder; more in config/jumeau.toml.\n\
         \n[nats]\nurl = {}\nprefix = {}\nnkey = {}\ninbox = \"_INBOX.{SERVICE_USER}\"\n\
         \n[nats.tls]\nrequired = true\nca = {}\n\
         \n[streams]\nintegrators = [{}]\n\
         \n[service]\ndesks = [{}]\n",
        quoted(url),
        quoted(company.subjects.prefix()),
        file("service.nk"),
        file("ca.pem"),
        list(&company.all_channels()),
        list(&desks),
    )
}

/// Creates a certificate for the broker unless there is one.
fn certificate(folder: &Path, hosts: &[String]) -> Result<(), Error> {
    let path = |name: &str| folder.join(name);
    if path("server.pem").exists() && path("server.key").exists() {
        return Ok(());
    }
    let made = certificates::make(hosts)
        .map_err(|source| Error::Certificate { hosts: hosts.join(", "), source })?;
    write(&path("ca.pem"), &made.authority, MODE_OPEN)?;
    write(&path("ca.key"), &made.authority_key, MODE_SECRET)?;
    write(&path("server.pem"), &made.server, MODE_OPEN)?;
    write(&path("server.key"), &made.server_key, MODE_SECRET)
}

/// The public part of the key in a file, which is created if missing.
fn key_of(path: &Path) -> Result<String, Error> {
    if path.exists() {
        let text = fs::read_to_string(path)
            .map_err(|source| Error::File { path: path.to_owned(), source })?;
        let known = KeyPair::from_seed(text.trim()).ok();
        let known = known.filter(|key| key.key_pair_type() == KeyPairType::User);
        return known.map(|key| key.public_key()).ok_or_else(|| Error::Key { path: path.into() });
    }
    let key = KeyPair::new_user();
    let seed = key.seed().map_err(|_| Error::Key { path: path.to_owned() })?;
    write(path, &format!("{seed}\n"), MODE_SECRET)?;
    Ok(key.public_key())
}

/// The hash of the password in a file, which is created if missing.
fn hash_of(path: &Path) -> Result<String, Error> {
    /// The minimum: such a long password cannot be guessed, and the broker computes the hash for each
    /// device.
    const COST: u32 = 4;
    let at = |source| Error::File { path: path.to_owned(), source };
    if !path.exists() {
        let seed = KeyPair::new_user().seed().map_err(|_| Error::Key { path: path.to_owned() })?;
        let password = hex::encode(Sha256::digest(seed));
        write(path, &format!("{password}\n"), MODE_SECRET)?;
    }
    let password = fs::read_to_string(path).map_err(at)?;
    bcrypt::hash(password.trim(), COST).map_err(|error| at(std::io::Error::other(error)))
}

/// Writes a file atomically, private from its first byte on.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.new"));
    let wrote = || {
        let _ = fs::remove_file(&draft);
        let mut file = fs::File::options().write(true).create_new(true).mode(mode).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    wrote().map_err(|source| Error::File { path: path.to_owned(), source })
}
