use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nkeys::{KeyPair, KeyPairType};

use super::company::{Member, SERVICE_USER};
use super::template::fill;
use super::{Company, Error, certificates};
use crate::config::settings;

const SERVER: &str = include_str!("../../config/nats/server.conf");
const SECURITY: &str = include_str!("../../config/nats/security.conf");

/// The folder as it was written.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The broker's configuration.
    pub broker: PathBuf,
    /// The part of it that says who may come in and do what, for a configuration of another make.
    pub security: String,
    /// The settings for the service.
    pub service: PathBuf,
    /// Everybody, the service first.
    pub users: Vec<User>,
    folder: PathBuf,
    prefix: String,
}

/// Somebody who may come to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name on the bus, such as `channel-web`.
    pub name: String,
    /// The file with the seed of the key.
    pub key: PathBuf,
    /// What the subjects start with on which this user hears answers.
    pub inbox: String,
}

impl Prepared {
    /// The settings with which a user joins a broker at `url`; none if there is no such user.
    pub fn nats(&self, user: &str, url: &str) -> Option<settings::Nats> {
        let user = self.users.iter().find(|known| known.name == user)?;
        Some(settings::Nats {
            url: url.to_owned(),
            prefix: self.prefix.clone(),
            nkey: Some(user.key.clone()),
            inbox: user.inbox.clone(),
            name: Some(user.name.clone()).filter(|name| name != SERVICE_USER),
            tls: settings::Tls {
                required: true,
                ca: Some(self.folder.join("ca.pem")),
                ..settings::Tls::default()
            },
            ..settings::Nats::default()
        })
    }
}

/// Makes the keys that are missing in a folder, and writes the configuration for exactly this
/// company: whoever is no longer part of it may no longer come in.
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
    // The broker and the service are started from anywhere.
    let folder = fs::canonicalize(folder).map_err(at(folder))?;
    certificate(&folder, &company.hosts)?;

    let stream = company.subjects.events_stream();
    let place = folder.to_string_lossy();
    let shared = [
        ("prefix", company.subjects.prefix()),
        ("stream", stream.trim_end_matches("_EVENTS")),
        ("listen", &company.listen),
        ("folder", &place),
    ];
    let (mut users, mut permissions) = (Vec::new(), Vec::new());
    for member in members {
        let key = folder.join(format!("{}.nk", member.user));
        let public = key_of(&key)?;
        permissions.push(permissions_of(&member, &public, &shared));
        let inbox = format!("_INBOX.{}", member.user);
        users.push(User { name: member.user, key, inbox });
    }
    let users_block = permissions.join("\n");
    let mut blanks = shared.to_vec();
    blanks.push(("users", users_block.trim_end()));
    let security = fill(SECURITY, &blanks);
    blanks.push(("security", security.trim_end()));
    let broker = folder.join("nats-server.conf");
    write(&broker, &fill(SERVER, &blanks), MODE_OPEN)?;

    let url = url(company);
    for user in &users {
        if user.name != SERVICE_USER {
            write(
                &folder.join(format!("{}.env", user.name)),
                &env(user, &url, &folder),
                MODE_OPEN,
            )?;
        }
    }
    let service = folder.join("jumeau.toml");
    write(&service, &service_settings(company, &url, &folder), MODE_OPEN)?;
    let prefix = company.subjects.prefix().to_owned();
    Ok(Prepared { broker, security, service, users, folder, prefix })
}

const MODE_OPEN: u32 = 0o644;
const MODE_SECRET: u32 = 0o600;

fn permissions_of(member: &Member, public: &str, shared: &[(&str, &str)]) -> String {
    let mut blanks = shared.to_vec();
    blanks.extend(member.blanks.iter().map(|(name, value)| (*name, value.as_str())));
    blanks.extend([("user", member.user.as_str()), ("nkey", public)]);
    fill(member.template, &blanks)
}

/// Where clients find the broker.
fn url(company: &Company) -> String {
    let host = company.hosts.first().map_or("localhost", String::as_str);
    let port = company.listen.rsplit(':').next().unwrap_or("4222");
    format!("tls://{host}:{port}")
}

/// What the tools of one user need to know.
fn env(user: &User, url: &str, folder: &Path) -> String {
    let set =
        |name: &str, value: &str| format!("export {name}='{}'\n", value.replace('\'', r"'\''"));
    [
        set("NATS_URL", url),
        set("NATS_NKEY", &user.key.to_string_lossy()),
        set("NATS_CA", &folder.join("ca.pem").to_string_lossy()),
        set("NATS_INBOX_PREFIX", &user.inbox),
        set("JUMEAU_AS", &user.name),
    ]
    .concat()
}

fn service_settings(company: &Company, url: &str, folder: &Path) -> String {
    // A string of JSON is one of TOML.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let file = |name: &str| quoted(&folder.join(name).to_string_lossy());
    let channels: Vec<String> = company.channels.iter().map(|name| quoted(name)).collect();
    format!(
        "# With these settings the service joins the broker of this folder; more in config/jumeau.toml.\n\
         \n[nats]\nurl = {}\nprefix = {}\nnkey = {}\ninbox = \"_INBOX.{SERVICE_USER}\"\n\
         \n[nats.tls]\nrequired = true\nca = {}\n\
         \n[streams]\nintegrators = [{}]\n",
        quoted(url),
        quoted(company.subjects.prefix()),
        file("service.nk"),
        file("ca.pem"),
        channels.join(", "),
    )
}

/// Makes a certificate for the broker unless there is one.
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

/// The public part of the key in a file, which is made if it is missing.
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

/// Writes a file whole, or not at all: a secret is nobody else's from its first byte on.
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
