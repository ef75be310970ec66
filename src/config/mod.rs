//! `radius.toml` as typed, already valid values: what must be known before the database opens.
//!
//! The defaults are the text of `radius.example.toml`, which the program carries: a key exists if it stands there. The
//! file is laid over the defaults and the environment (`RADGRAM_SECTION__KEY`) over the file.

mod dictionaries;
mod error;
mod key_file;
mod parse;
mod shown;
mod source;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use crate::secret::Secret;
use source::{Shown, Source};

pub use dictionaries::with_own_dictionaries;
pub use error::ConfigError;
pub use key_file::{KeyError, KeyFile, load_or_make_key};
pub use source::Environment;

/// The example file: every key with its default, for operators to read.
pub const EXAMPLE: &str = include_str!("../../radius.example.toml");

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// `[radius]`
    pub radius: Radius,
    /// `[web]`
    pub web: Web,
    /// `[database]`
    pub database: Database,
    /// `[secrets]`
    pub secrets: Secrets,
    /// `[telegram]`
    pub telegram: Telegram,
    /// `[log]`
    pub log: Log,
}

/// Where routers reach the server; neither list is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Radius {
    /// Authentication.
    pub auth_listen: Vec<SocketAddr>,
    /// Accounting.
    pub acct_listen: Vec<SocketAddr>,
    /// The folder of the operator's own dictionaries.
    pub dictionaries: Option<PathBuf>,
    /// RADIUS over TLS, if it is listened for.
    pub radsec: Option<Radsec>,
}

/// RADIUS over TLS: where routers call, and with which certificates. All files are PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Radsec {
    /// Where it listens; not empty.
    pub listen: Vec<SocketAddr>,
    /// Our certificate, with those between it and the authority that routers trust.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities that the certificates of routers come from.
    pub client_ca: PathBuf,
}

/// The web UI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Reverse proxies whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Who besides this machine may read `/healthz` and `/metrics`.
    pub metrics_from: Vec<IpNet>,
}

/// The database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// `sqlite:FILE`, the file's path resolved, or `postgres://…`.
    pub url: HiddenUrl,
}

/// The sealing of secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    /// The file of the master key.
    pub master_key_file: PathBuf,
}

/// The way to Telegram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telegram {
    /// The bot's token, given here or read from `token_file`; `None` if the database has it, or nobody.
    pub token: Option<Secret>,
    /// The file that the token was read from.
    pub token_file: Option<PathBuf>,
    /// The Bot API, an http or https URL.
    pub api_url: String,
    /// The proxy, `""` for none.
    pub proxy: HiddenUrl,
}

/// The log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// From which level on.
    pub level: LogLevel,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl LogFormat {
    const ALL: [LogFormat; 2] = [Self::Text, Self::Json];

    /// The word in the file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// From which level on is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Only what is broken.
    Error,
    /// And what should be looked at.
    Warn,
    /// And what happens.
    Info,
    /// And how.
    Debug,
    /// And every step.
    Trace,
}

impl LogLevel {
    const ALL: [LogLevel; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// The word in the file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// A URL that may hold a password: shown without it.
#[derive(Clone, PartialEq, Eq)]
pub struct HiddenUrl(String);

impl HiddenUrl {
    /// The whole URL; the one door through which the password leaves.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for HiddenUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&parse::without_password(&self.0))
    }
}

impl fmt::Debug for HiddenUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HiddenUrl({self})")
    }
}

impl Config {
    /// Reads the file and the process's environment.
    ///
    /// # Errors
    /// [`ConfigError`]: one line with file (or variable), key, value and what is allowed; no secret in it.
    pub fn load(file: &Path) -> Result<Config, ConfigError> {
        Self::read(file, Environment::of_process()?)
    }

    /// Reads the file and a given environment.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn read(file: &Path, environment: Environment) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| ConfigError::File { file: file.to_owned(), why: error.kind() })?;
        typed(&Source::new(file, &text, environment)?)
    }
}

fn typed(source: &Source) -> Result<Config, ConfigError> {
    Ok(Config {
        file: source.file().to_owned(),
        radius: Radius {
            auth_listen: source.some("radius", "auth_listen", parse::SOCKET)?,
            acct_listen: source.some("radius", "acct_listen", parse::SOCKET)?,
            dictionaries: source
                .one("radius", "dictionaries", parse::OPTIONAL_FOLDER)?
                .map(|path| source.directory().join(path)),
            radsec: radsec(source)?,
        },
        web: Web {
            listen: source.one("web", "listen", parse::SOCKET)?,
            trusted_proxies: source.many("web", "trusted_proxies", parse::NETWORK)?,
            metrics_from: source.many("web", "metrics_from", parse::NETWORK)?,
        },
        database: Database {
            url: HiddenUrl(parse::resolved(&source.one("database", "url", parse::DATABASE)?, source.directory())),
        },
        secrets: Secrets {
            master_key_file: source.directory().join(source.one("secrets", "master_key_file", parse::PATH)?),
        },
        telegram: telegram(source)?,
        log: Log {
            format: source.one("log", "format", parse::FORMAT)?,
            level: source.one("log", "level", parse::LEVEL)?,
        },
    })
}

/// Whoever listens needs all three files; without a place to listen they count for nothing.
fn radsec(source: &Source) -> Result<Option<Radsec>, ConfigError> {
    let listen = source.many("radius", "radsec_listen", parse::SOCKET)?;
    let file = |key| Ok(source.one("radius", key, parse::OPTIONAL_PATH)?.map(|path| source.directory().join(path)));
    let needed = |key, path: Option<PathBuf>| {
        path.ok_or_else(|| source.refuse("radius", key, Shown::Plain, parse::NEEDED_BY_RADSEC))
    };
    let (cert, key, client_ca) = (file("radsec_cert")?, file("radsec_key")?, file("radsec_client_ca")?);
    if listen.is_empty() {
        return Ok(None);
    }
    let cert = needed("radsec_cert", cert)?;
    let key = needed("radsec_key", key)?;
    Ok(Some(Radsec { listen, cert, key, client_ca: needed("radsec_client_ca", client_ca)? }))
}

fn telegram(source: &Source) -> Result<Telegram, ConfigError> {
    let given = source.one("telegram", "token", parse::TOKEN)?;
    let file = source.one("telegram", "token_file", parse::OPTIONAL_PATH)?.map(|path| source.directory().join(path));
    let token = match (given, &file) {
        (Some(_), Some(_)) => return Err(source.refuse("telegram", "token", Shown::Hidden, parse::ONE_TOKEN)),
        (given, None) => given,
        (None, Some(path)) => Some(token_of(path)?),
    };
    Ok(Telegram {
        token,
        token_file: file,
        api_url: source.one("telegram", "api_url", parse::API_URL)?,
        proxy: HiddenUrl(source.one("telegram", "proxy", parse::PROXY)?),
    })
}

fn token_of(file: &Path) -> Result<Secret, ConfigError> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| ConfigError::File { file: file.to_owned(), why: error.kind() })?;
    match (parse::TOKEN.read)(text.trim()) {
        Some(Some(token)) => Ok(token),
        _ => Err(ConfigError::TokenFile { file: file.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let environment = Environment::of(environment.iter().map(|(name, value)| (*name, *value)));
        Source::new(Path::new("radius.toml"), text, environment)
            .and_then(|source| typed(&source))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_example_is_the_default_configuration() {
        let default = read("", &[]).unwrap();
        assert_eq!(read(EXAMPLE, &[]).unwrap(), default);
        assert_eq!(default.radius.auth_listen.len(), 2);
        assert_eq!(default.web.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(default.database.url.expose(), "sqlite:radgram.db");
        assert_eq!(default.secrets.master_key_file, Path::new("radgram.key"));
        assert_eq!(default.telegram.token, None);
        assert_eq!(default.log.level, LogLevel::Info);
    }

    #[test]
    fn what_is_shown_has_every_key_of_the_example() {
        let shown: toml::Table = read("", &[]).unwrap().to_string().parse().unwrap();
        let example: toml::Table = EXAMPLE.parse().unwrap();
        assert_eq!(shown, example);
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let config = read(
            "[web]\nlisten = \"127.0.0.1:1\"\n",
            &[("RADGRAM_WEB__LISTEN", "127.0.0.1:2"), ("RADGRAM_RADIUS__AUTH_LISTEN", "127.0.0.1:1, [::1]:1")],
        )
        .unwrap();
        assert_eq!(config.web.listen.port(), 2);
        assert_eq!(config.radius.auth_listen.len(), 2);
    }

    #[test]
    fn mistakes_are_one_line_with_what_is_allowed() {
        for (text, message) in [
            (
                "[web]\nlisten = \"nowhere\"",
                "radius.toml: [web] listen = \"nowhere\": expected an address with port like 127.0.0.1:8080",
            ),
            (
                "[web]\nlisten = 8080",
                "radius.toml: [web] listen = 8080: expected an address with port like 127.0.0.1:8080",
            ),
            (
                "[web]\nlisen = \"x\"",
                "radius.toml: [web] lisen: no such key; there are listen, metrics_from, trusted_proxies",
            ),
            (
                "[wob]\na = 1",
                "radius.toml: [wob]: no such section; there are database, log, radius, secrets, telegram, web",
            ),
            (
                "[log]\nlevel = \"loud\"",
                "radius.toml: [log] level = \"loud\": expected error, warn, info, debug or trace",
            ),
            ("[radius]\nauth_listen = []", "radius.toml: [radius] auth_listen: expected at least one value"),
            (
                "[radius]\nradsec_listen = [\"0.0.0.0:2083\"]\nradsec_cert = \"a.pem\"",
                "radius.toml: [radius] radsec_key = \"\": expected the path of a file, since radsec_listen is set",
            ),
        ] {
            assert_eq!(read(text, &[]).unwrap_err(), message);
        }
        let message = read("[web\n", &[]).unwrap_err();
        assert!(message.starts_with("radius.toml: line 1: ") && !message.contains('\n'), "{message}");
        let message = read("", &[("RADGRAM_WEB__LISEN", "x")]).unwrap_err();
        assert!(message.starts_with("RADGRAM_WEB__LISEN: no such key"), "{message}");
        let message = read("", &[("RADGRAM_WEB__LISTEN", "x")]).unwrap_err();
        assert!(message.starts_with("RADGRAM_WEB__LISTEN = \"x\": expected"), "{message}");
    }

    #[test]
    fn secrets_are_in_no_message_and_not_shown() {
        for text in [
            "[telegram]\ntoken = \"hunter2\"",
            "[telegram]\ntoken = \"1:hunter2\"\ntoken_file = \"x\"",
            "[telegram]\nproxy = \"ftp://me:hunter2@host:1\"",
            "[database]\nurl = \"mysql://me:hunter2@host/x\"",
            "[telegram]\ntoken = 1:hunter2",
        ] {
            let message = read(text, &[]).unwrap_err();
            assert!(!message.contains("hunter2"), "{message}");
        }
        let config = read(
            "[telegram]\ntoken = \"1:hunter2\"\nproxy = \"socks5h://me:hunter2@host:1\"\n
             [database]\nurl = \"postgres://me:hunter2@host/x?password=hunter2\"",
            &[],
        )
        .unwrap();
        assert!(!format!("{config} {config:?}").contains("hunter2"), "{config}");
        assert!(config.database.url.expose().contains("hunter2"));
    }
}
