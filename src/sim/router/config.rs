//! What an operator would have typed into the router.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::accounting::Cause;
use super::api::ApiConfig;
use super::radsec::RadsecClient;
use super::version::RosVersion;
use crate::secret::Secret;

/// The secret of every entry over TLS (manual, RADIUS).
pub(super) const RADSEC_SECRET: &str = "radsec";

/// The router as a whole, as it is when it starts: from then on its menus say what is so, whoever changes them.
#[derive(Debug, Clone)]
pub struct RouterConfig {
    /// Which RouterOS it is.
    pub version: RosVersion,
    /// `/system/identity`, sent as NAS-Identifier.
    pub identity: String,
    /// What NAS-IP-Address says; `None`: the source address. Differs behind NAT.
    pub nas_ip: Option<IpAddr>,
    /// Source address of all packets.
    pub bind: IpAddr,
    /// `/radius` entries in order; the next is asked only after silence.
    pub servers: Vec<Server>,
    /// Wait for one transmission: RouterOS allows 10 ms to 1 min.
    pub timeout: Duration,
    /// Transmissions of one packet to one server.
    pub tries: u32,
    /// `require-message-auth`; older versions than 7.15 have no such thing and behave as with `No`.
    pub require_message_auth: RequireMessageAuth,
    /// `/radius/incoming`; `None`: accept=no, until it is set.
    pub incoming: Option<IncomingConfig>,
    /// `/ppp/aaa interim-update`, used where the Accept names no interval; `None`: no interim records.
    pub interim: Option<Duration>,
    /// First address of the pool for clients.
    pub pool_start: Ipv4Addr,
    /// Whether a disabled `/ppp/secret` keeps RADIUS from being asked: no source says.
    pub disabled_secret: DisabledSecret,
    /// User Manager on the router itself.
    pub user_manager: UserManager,
    /// The API: ports, certificate, who may log in.
    pub api: ApiConfig,
    /// Certificates for the entries over TLS; without them those reach nobody.
    pub radsec: Option<RadsecClient>,
}

impl RouterConfig {
    /// A router with RouterOS's defaults that asks one server.
    pub fn new(identity: &str, bind: IpAddr, server: Server) -> Self {
        Self {
            identity: identity.to_owned(),
            nas_ip: None,
            bind,
            servers: vec![server],
            timeout: Duration::from_millis(300),
            tries: 3,
            require_message_auth: RequireMessageAuth::YesForRequestResp,
            incoming: None,
            interim: None,
            pool_start: Ipv4Addr::new(10, 8, 0, 2),
            disabled_secret: DisabledSecret::Shadows,
            user_manager: UserManager::Idle,
            api: ApiConfig::new(bind),
            radsec: None,
            version: RosVersion::default(),
        }
    }
}

/// What a disabled `/ppp/secret` does to a log-in of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisabledSecret {
    /// It is found, and refuses.
    Shadows,
    /// It is not found: RADIUS is asked.
    IsNotThere,
}

/// User Manager on the router itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserManager {
    /// Its package is not installed: its menus are not there.
    Absent,
    /// Installed; log-ins go to the `/radius` entries.
    Idle,
    /// PPP log-ins are answered by the router's own User Manager, as if it were its only `/radius` entry.
    AnswersPpp,
}

/// One `/radius` entry.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where log-ins are sent. Its IP is also the one from which Disconnect and CoA are taken.
    pub auth: SocketAddr,
    /// Where accounting is sent: the same IP, as an entry has but one.
    pub acct: SocketAddr,
    /// The shared secret.
    pub secret: Secret,
    /// How it is reached.
    pub protocol: Protocol,
}

/// `protocol` of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Two ports, datagrams.
    Udp,
    /// TLS.
    Radsec,
}

impl Server {
    /// An entry.
    pub fn new(auth: SocketAddr, acct: SocketAddr, secret: Secret) -> Self {
        Self { auth, acct, secret, protocol: Protocol::Udp }
    }

    /// An entry over TLS; the port is that of [`RadsecClient`].
    pub fn over_radsec(address: IpAddr) -> Self {
        let (auth, acct) = (SocketAddr::new(address, 1812), SocketAddr::new(address, 1813));
        Self { auth, acct, secret: Secret::new(RADSEC_SECRET), protocol: Protocol::Radsec }
    }
}

/// `require-message-auth` of `/radius`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequireMessageAuth {
    /// Sends it in Access-Requests; a reply to one without it is a bad reply.
    YesForRequestResp,
    /// Neither.
    No,
}

/// `/radius/incoming` with accept=yes.
#[derive(Debug, Clone)]
pub struct IncomingConfig {
    /// Where to listen; port 0 is any free one.
    pub bind: SocketAddr,
    /// What happens to a Disconnect-Request.
    pub disconnects: DisconnectHabit,
    /// What happens to attributes that do not belong into a request.
    pub foreign: ForeignAttributes,
    /// The cause in the Stop of a cut tunnel: no source says which RouterOS uses.
    pub cut_cause: Cause,
    /// From when a changed Session-Timeout counts: no source says.
    pub session_timeout_from: CountFrom,
}

impl IncomingConfig {
    /// The likely habits, on any free port of `bind`.
    pub fn new(bind: IpAddr) -> Self {
        Self {
            bind: SocketAddr::new(bind, 0),
            disconnects: DisconnectHabit::Obey,
            foreign: ForeignAttributes::Refuse,
            cut_cause: Cause::AdminReset,
            session_timeout_from: CountFrom::Start,
        }
    }
}

/// What happens to a Disconnect-Request that is in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisconnectHabit {
    /// Matched, answered, carried out.
    Obey,
    /// No answer, no cut: a firewall, or an address that the router does not know.
    Ignore,
    /// Answered with ACK, but the tunnel stays up.
    AckOnly,
    /// NAK with this Error-Cause, and the tunnel stays up.
    Refuse(u32),
}

/// What happens to a CoA-Request that is in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeHabit {
    /// Matched, answered, carried out.
    Obey,
    /// No answer, no change.
    Ignore,
    /// NAK with this Error-Cause, no change.
    Refuse(u32),
}

/// What happens to attributes that do not belong into a Disconnect- or CoA-Request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignAttributes {
    /// NAK with Error-Cause 401.
    Refuse,
    /// Not looked at.
    Ignore,
}

/// From when a Session-Timeout counts that came by CoA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountFrom {
    /// From the start of the connection.
    Start,
    /// From now.
    Now,
}
