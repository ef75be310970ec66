//! The file of a simulated router: `docs/sim-router.example.toml` lists every key with its default.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::super::Failure;
use crate::secret::Secret;
use crate::sim::router::{
    Certificate, IncomingConfig, RadsecClient, RosVersion, RouterConfig, Server, ServiceUser, SimRouter, UserManager,
};

/// The example: every key with its default.
pub(super) const EXAMPLE: &str = include_str!("../../../docs/sim-router.example.toml");

/// What a router starts with.
pub(super) struct Start {
    pub(super) config: RouterConfig,
    pub(super) rows: Vec<Row>,
}

/// A row of any menu.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Row {
    menu: String,
    #[serde(flatten)]
    properties: BTreeMap<String, String>,
}

impl Row {
    pub(super) fn add(&self, router: &SimRouter) -> Result<(), Failure> {
        let properties: Vec<(&str, &str)> =
            self.properties.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let added = router.add(&self.menu, &properties);
        added.map(drop).map_err(|trap| Failure::because(format!("[[row]] of {}: {trap}", self.menu)))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    identity: String,
    version: String,
    address: IpAddr,
    pool_start: Ipv4Addr,
    interim_seconds: u32,
    radius: Vec<Entry>,
    client: Client,
    radsec: Radsec,
    incoming: Incoming,
    api: Api,
    user: Vec<User>,
    user_manager: Um,
    row: Vec<Row>,
}

/// Without a file there is nobody to ask and nothing but the defaults.
impl Default for File {
    fn default() -> Self {
        Self {
            identity: "MikroTik".to_owned(),
            version: RosVersion::default().short().to_owned(),
            address: Ipv4Addr::LOCALHOST.into(),
            pool_start: Ipv4Addr::new(10, 8, 0, 2),
            interim_seconds: 60,
            radius: Vec::new(),
            client: Client::default(),
            radsec: Radsec::default(),
            incoming: Incoming::default(),
            api: Api::default(),
            user: Vec::new(),
            user_manager: Um::default(),
            row: Vec::new(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    address: IpAddr,
    #[serde(default = "authentication_port")]
    authentication_port: u16,
    #[serde(default = "accounting_port")]
    accounting_port: u16,
    #[serde(default)]
    protocol: Word,
    secret: String,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    #[default]
    Udp,
    Radsec,
}

const fn authentication_port() -> u16 {
    1812
}

const fn accounting_port() -> u16 {
    1813
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Client {
    timeout_ms: u64,
    tries: u32,
}

impl Default for Client {
    fn default() -> Self {
        Self { timeout_ms: 3000, tries: 3 }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Radsec {
    port: u16,
    timeout_ms: u64,
    authority: String,
    certificate: String,
    key: String,
}

impl Default for Radsec {
    fn default() -> Self {
        let nothing = String::new;
        Self { port: 2083, timeout_ms: 3300, authority: nothing(), certificate: nothing(), key: nothing() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Incoming {
    accept: bool,
    port: u16,
}

impl Default for Incoming {
    fn default() -> Self {
        Self { accept: true, port: 3799 }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Api {
    port: u16,
    tls_port: u16,
    certificate: String,
    key: String,
}

impl Default for Api {
    fn default() -> Self {
        Self { port: 8728, tls_port: 8729, certificate: String::new(), key: String::new() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    name: String,
    password: String,
    policies: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Um {
    mode: Mode,
}

impl Default for Um {
    fn default() -> Self {
        Self { mode: Mode::Idle }
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    Absent,
    Idle,
    AnswersPpp,
}

/// Reads the file.
pub(super) fn read(path: &Path) -> Result<Start, Failure> {
    let because = |why: String| Failure::because(format!("{}: {why}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| because(format!("cannot be read: {error}")))?;
    let file: File = toml::from_str(&text).map_err(|error| because(place(&text, &error)))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    Ok(Start { rows: file.row.clone(), config: config(file, folder).map_err(because)? })
}

/// The message and its line, without the line itself: it may hold a secret.
fn place(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
    let message = without_value(error.message().lines().next().unwrap_or_default());
    match line {
        Some(line) => format!("line {line}: {message}"),
        None => message,
    }
}

/// `invalid type: integer 5, expected a string` without what was written.
fn without_value(message: &str) -> String {
    match message.split_once("expected ") {
        Some((before, expected)) if before.starts_with("invalid") => format!("expected {expected}"),
        Some(_) | None => message.to_owned(),
    }
}

fn config(file: File, folder: &Path) -> Result<RouterConfig, String> {
    let nobody =
        Server::new(SocketAddr::new(file.address, 1812), SocketAddr::new(file.address, 1813), Secret::default());
    let mut config = RouterConfig::new(&file.identity, file.address, nobody);
    config.servers = file.radius.into_iter().map(server).collect();
    config.version = file.version.parse().map_err(|error| format!("version: {error}"))?;
    config.pool_start = file.pool_start;
    config.interim = Some(Duration::from_secs(file.interim_seconds.into()));
    config.timeout = Duration::from_millis(file.client.timeout_ms);
    if !(10..=60_000).contains(&file.client.timeout_ms) {
        return Err("[client] timeout_ms: from 10 to 60000".to_owned());
    }
    config.tries = file.client.tries;
    config.incoming = file.incoming.accept.then(|| {
        let bind = SocketAddr::new(file.address, file.incoming.port);
        IncomingConfig { bind, ..IncomingConfig::new(file.address) }
    });
    config.api.plain.set_port(file.api.port);
    config.api.tls.set_port(file.api.tls_port);
    config.api.certificate = certificate(&file.api.certificate, &file.api.key, folder)?;
    config.radsec = radsec(&file.radsec, folder)?;
    config.api.users =
        file.user.iter().map(|user| ServiceUser::new(&user.name, &user.password, &user.policies)).collect();
    config.user_manager = match file.user_manager.mode {
        Mode::Absent => UserManager::Absent,
        Mode::Idle => UserManager::Idle,
        Mode::AnswersPpp => UserManager::AnswersPpp,
    };
    Ok(config)
}

fn server(entry: Entry) -> Server {
    let at = |port| SocketAddr::new(entry.address, port);
    if let Word::Radsec = entry.protocol {
        return Server::over_radsec(entry.address);
    }
    Server::new(at(entry.authentication_port), at(entry.accounting_port), Secret::new(entry.secret))
}

fn certificate(chain: &str, key: &str, folder: &Path) -> Result<Option<Certificate>, String> {
    if chain.is_empty() && key.is_empty() {
        return Ok(None);
    }
    Ok(Some(Certificate { chain: bytes(folder, chain)?, key: Secret::new(bytes(folder, key)?) }))
}

fn radsec(file: &Radsec, folder: &Path) -> Result<Option<RadsecClient>, String> {
    let Some(certificate) = certificate(&file.certificate, &file.key, folder)? else { return Ok(None) };
    let client = RadsecClient::new(&bytes(folder, &file.authority)?, certificate);
    Ok(Some(RadsecClient { port: file.port, timeout: Duration::from_millis(file.timeout_ms), ..client }))
}

fn bytes(folder: &Path, file: &str) -> Result<Vec<u8>, String> {
    let path = folder.join(file);
    fs::read(&path).map_err(|error| format!("{}: cannot be read: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_has_every_key_with_its_default() {
        let example: File = toml::from_str(EXAMPLE).unwrap();
        let rows = example.row.clone();
        assert_eq!((example.radius.len(), example.user.len(), rows.len()), (1, 1, 2));
        let shown = |mut file: File| {
            file.radius.clear();
            file.user.clear();
            format!("{:?}", config(file, Path::new("")).unwrap())
        };
        assert_eq!(shown(example), shown(File::default()));
        assert_eq!(rows[1].properties["in-interface"], "all-ppp");
    }

    #[test]
    fn a_mistake_is_named_by_its_line_and_no_secret_with_it() {
        let parse = |text: &str| toml::from_str::<File>(text).map_err(|error| place(text, &error)).err();
        let wrong = parse("identity = \"x\"\nsecret = \"hunter2\"\n").unwrap();
        assert!(wrong.starts_with("line 2: unknown field `secret`") && !wrong.contains("hunter2"), "{wrong}");
        let wrong = parse("[[radius]]\naddress = \"127.0.0.1\"\nsecret = 4711\n").unwrap();
        assert_eq!(wrong, "line 3: expected a string");
        let wrong = parse("[user_manager]\nmode = \"hunter2\"\n").unwrap();
        assert!(wrong.starts_with("line 2: "), "{wrong}");
    }
}
