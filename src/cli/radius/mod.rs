//! `radgram radius test`: one request, as a router or as a RADIUS server would send it, and what comes back, in words. For
//! who has no VPN client at hand.

mod request;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use self::request::{Request, Sent};
use super::desk::Desk;
use super::output::Out;
use super::{Failure, input, load};
use crate::config::Config;
use crate::proto::radius::dialer::{Method, Shown};
use crate::proto::radius::{Code, Packet, SharedSecret, Signature};
use crate::radius::client::{self, Reply, Sending};
use crate::radius::view::View;
use crate::secret::Secret;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Send one request and show it and its answer. The shared secret is one line on standard input, the password the next.
    #[command(subcommand)]
    Test(Test),
}

#[derive(Debug, Subcommand)]
pub(super) enum Test {
    /// Is the server alive? (Status-Server)
    Status {
        #[command(flatten)]
        common: Common,
    },
    /// Log in, as a router asks for a VPN client.
    LogIn {
        /// The user name.
        name: String,
        /// How the password is proven.
        #[arg(long, value_enum, default_value = "mschapv2")]
        method: Way,
        #[command(flatten)]
        connection: Connection,
        #[command(flatten)]
        common: Common,
    },
    /// Report a connection, as a router does. It is recorded like any other.
    Accounting {
        /// What is reported.
        #[arg(value_enum)]
        event: Event,
        /// The user name.
        name: String,
        #[command(flatten)]
        connection: Connection,
        #[command(flatten)]
        common: Common,
    },
    /// Ask a router to end a connection (Disconnect-Request).
    Disconnect {
        /// The user name.
        name: Option<String>,
        #[command(flatten)]
        connection: Connection,
        #[command(flatten)]
        common: Common,
    },
    /// Ask a router to change a connection (CoA-Request), by what `--attribute` says.
    Change {
        /// The user name.
        name: Option<String>,
        #[command(flatten)]
        connection: Connection,
        #[command(flatten)]
        common: Common,
    },
}

/// How a password is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Way {
    Pap,
    Chap,
    Mschapv1,
    Mschapv2,
}

/// What is reported of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Event {
    Start,
    Interim,
    Stop,
}

/// Which connection it is about.
#[derive(Debug, Args)]
pub(super) struct Connection {
    /// Calling-Station-Id: where the client dials from.
    #[arg(long, value_name = "ADDRESS")]
    caller: Option<String>,
    /// Acct-Session-Id.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Framed-IP-Address: the client's address in the tunnel.
    #[arg(long, value_name = "ADDRESS")]
    address: Option<IpAddr>,
    /// NAS-Identifier: the router's name.
    #[arg(long, value_name = "NAME")]
    nas_identifier: Option<String>,
    /// NAS-IP-Address: the router's address, as it says itself.
    #[arg(long, value_name = "ADDRESS")]
    nas_ip: Option<IpAddr>,
}

/// How it is sent.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// Where to; without a port to the standard one.
    #[arg(long, value_name = "ADDRESS[:PORT]", default_value = "127.0.0.1")]
    server: String,
    /// From which address of this machine: a server answers only those that it knows.
    #[arg(long, value_name = "ADDRESS")]
    source: Option<IpAddr>,
    /// Take the shared secret of this router of ours instead of reading it.
    #[arg(long, value_name = "NAME")]
    router: Option<String>,
    /// One more attribute, by its name in the dictionaries; as often as needed.
    #[arg(long = "attribute", value_name = "NAME=VALUE")]
    attributes: Vec<String>,
    /// Send no Message-Authenticator.
    #[arg(long)]
    unsigned: bool,
    /// Seconds that each transmission is waited for.
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout: u64,
    /// Transmissions at most.
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=10))]
    tries: u32,
}

impl Way {
    const fn method(self) -> Method {
        match self {
            Self::Pap => Method::Pap,
            Self::Chap => Method::Chap,
            Self::Mschapv1 => Method::MsChapV1,
            Self::Mschapv2 => Method::MsChapV2,
        }
    }
}

impl Test {
    const fn common(&self) -> &Common {
        match self {
            Self::Status { common }
            | Self::LogIn { common, .. }
            | Self::Accounting { common, .. }
            | Self::Disconnect { common, .. }
            | Self::Change { common, .. } => common,
        }
    }

    /// The port that the RFCs give it; Disconnect and CoA have theirs on the router.
    const fn port(&self) -> u16 {
        match self {
            Self::Status { .. } | Self::LogIn { .. } => 1812,
            Self::Accounting { .. } => 1813,
            Self::Disconnect { .. } | Self::Change { .. } => crate::domain::router::COA_PORT,
        }
    }
}

pub(super) async fn run(command: &Command, config: &Path) -> Result<(), Failure> {
    let Command::Test(test) = command;
    // It works without a configuration, too: then the dictionaries are those that the program carries.
    let config = if config.exists() { Some(load(config)?) } else { None };
    let common = test.common();
    let secret = SharedSecret::new(secret(common, config.as_ref()).await?);
    let sending = Sending {
        server: server(&common.server, test.port())?,
        source: common.source,
        timeout: Duration::from_secs(common.timeout),
        tries: common.tries,
    };
    let sent = Request::of(test)?.sign(&secret)?;
    show(&format!("to {}:\n{}", sending.server, shown(sent.bytes())))?;
    let reply = client::exchange(sent.bytes(), &secret, &sending).await;
    let reply = reply.map_err(|none| Failure::because(none.to_string()))?;
    show(&format!("\nafter {} ms ({}):\n{}", reply.took.as_millis(), times(reply.sent), shown(&reply.bytes)))?;
    conclude(&sent, &reply, &secret)
}

async fn secret(common: &Common, config: Option<&Config>) -> Result<Secret, Failure> {
    let Some(name) = &common.router else { return input::known_secret("shared secret") };
    let missing = || Failure::because("--router needs a configuration: see --config");
    let desk = Desk::open(config.ok_or_else(missing)?).await?;
    let found = desk.router(name).await.map(|router| router.secret);
    desk.close().await;
    found
}

/// What the answer means, with the proofs of the server.
fn conclude(sent: &Sent, reply: &Reply, secret: &SharedSecret) -> Result<(), Failure> {
    let packet = Packet::parse(&reply.bytes).map_err(|malformed| Failure::because(malformed.to_string()))?;
    match reply.signature {
        Signature::Present => show("The Message-Authenticator is right.\n")?,
        Signature::Absent => show("There is no Message-Authenticator: RouterOS from 7.15 on does not take it.\n")?,
    }
    if let (Some(dialer), Code::ACCESS_ACCEPT) = (sent.dialer(), packet.code()) {
        let proofs = [("MS-CHAP2-Success", dialer.success(&packet)), ("MPPE keys", dialer.keys(&packet, secret))];
        for (what, shown) in proofs {
            proof(what, shown)?;
        }
    }
    match packet.code() {
        Code::ACCESS_ACCEPT | Code::ACCOUNTING_RESPONSE | Code::DISCONNECT_ACK | Code::COA_ACK => Ok(()),
        other => Err(Failure::because(format!("the answer is {}", other.name()))),
    }
}

fn proof(what: &str, shown: Shown) -> Result<(), Failure> {
    match shown {
        Shown::Nothing => Ok(()),
        Shown::Right => show(&format!("{what}: right.\n")),
        Shown::Missing => Err(Failure::because(format!("{what}: missing; a VPN client hangs up"))),
        Shown::Wrong => Err(Failure::because(format!("{what}: wrong; a VPN client hangs up"))),
    }
}

fn server(text: &str, port: u16) -> Result<SocketAddr, Failure> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = text.parse().ok().or_else(|| Some(SocketAddr::new(bare.parse().ok()?, port)));
    address.ok_or_else(|| {
        Failure::because(format!("--server {text}: expected 192.0.2.1, 192.0.2.1:1812 or [2001:db8::1]:1812"))
    })
}

fn shown(bytes: &[u8]) -> String {
    Packet::parse(bytes).map_or_else(|malformed| malformed.to_string(), |packet| View::of(&packet).to_string())
}

fn times(sent: u32) -> String {
    if sent == 1 { "1 transmission".to_owned() } else { format!("{sent} transmissions") }
}

fn show(text: &str) -> Result<(), Failure> {
    Out::standard().text(text)
}
