//! A VPN client dials: the Access-Request that RouterOS makes of it, and what client and router make of the reply.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use super::accounting::Cause;
use super::config::RequireMessageAuth;
use super::transport::{Count, Patience};
use super::tunnel::{self, Authentic, Grant, Tunnel};
use super::{Inner, lock};
use crate::crypto::{chap, mppe, mschap, same};
use crate::entropy::{Entropy, SystemEntropy};
use crate::proto::radius::{
    AttributeType, BuildError, Code, Packet, PacketBuilder, SharedSecret, Signature, VendorType, hide, sign,
};
use crate::secret::Secret;

/// What the client does.
#[derive(Debug, Clone)]
pub struct Dial {
    /// User name, perhaps `DOMAIN\name`.
    pub user: String,
    /// The password that the client knows.
    pub password: Secret,
    /// How it is proven.
    pub method: Method,
    /// Calling-Station-Id: the client's address, for PPPoE its MAC.
    pub caller: String,
    /// Called-Station-Id: the router's address, for PPPoE the service name.
    pub called: String,
    /// Which VPN.
    pub service: Service,
    /// Whether the client insists on MPPE (SSTP does, by its binding).
    pub encryption: Encryption,
    /// When the Start is sent.
    pub start: StartNotice,
}

impl Dial {
    /// An L2TP client by MS-CHAPv2 from a documentation address.
    pub fn new(user: &str, password: &str) -> Self {
        Self {
            user: user.to_owned(),
            password: Secret::new(password),
            method: Method::MsChapV2,
            caller: "203.0.113.7".to_owned(),
            called: "198.51.100.1".to_owned(),
            service: Service::L2tp,
            encryption: Encryption::Optional,
            start: StartNotice::AtOnce,
        }
    }

    /// The name as MS-CHAPv2 hashes it: without a leading `DOMAIN\`.
    fn name_without_domain(&self) -> &str {
        self.user.rsplit_once('\\').map_or(&self.user, |(_, name)| name)
    }

    fn domain(&self) -> Option<&str> {
        self.user.split_once('\\').map(|(domain, _)| domain)
    }
}

/// How the password is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// In clear to the router.
    Pap,
    /// MD5 of a challenge.
    Chap,
    /// RFC 2433.
    MsChapV1,
    /// RFC 2759.
    MsChapV2,
}

/// Which VPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// L2TP.
    L2tp,
    /// PPTP.
    Pptp,
    /// SSTP.
    Sstp,
    /// OpenVPN.
    Ovpn,
    /// PPPoE: an Ethernet port, and an interface name in NAS-Port-Id.
    Pppoe,
}

impl Service {
    const fn nas_port_type(self) -> u32 {
        match self {
            Self::L2tp | Self::Pptp | Self::Sstp | Self::Ovpn => 5,
            Self::Pppoe => 15,
        }
    }
}

/// Whether the client insists on MPPE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// It does without keys; wrong ones still break the line.
    Optional,
    /// No keys, no line.
    Demanded,
}

/// When a connected tunnel's Start is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartNotice {
    /// As RouterOS does.
    AtOnce,
    /// When the test says so: [`Tunnel::send_start`].
    Held,
}

/// How a dial ended.
#[derive(Debug)]
pub enum DialOutcome {
    /// The tunnel is up.
    Connected(Tunnel),
    /// Access-Reject, or a wrong password of a local user.
    Rejected {
        /// Reply-Message; RouterOS does not show it to the client.
        reply_message: Option<String>,
        /// MS-CHAP-Error without its ident octet.
        ms_chap_error: Option<String>,
    },
    /// No server answered in order.
    Timeout,
    /// Accepted, but the client did not like the server's proof. A Start and a Stop were sent.
    ClientHungUp {
        /// What it did not like.
        why: HangUp,
    },
    /// Anything else.
    Failed(Failure),
}

/// What a client does not like in an Accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangUp {
    /// MS-CHAPv2 without MS-CHAP2-Success.
    SuccessMissing,
    /// Its `S=` is of another password, or its ident of another log-in.
    SuccessWrong,
    /// It insists on MPPE and the Accept has no keys.
    KeysMissing,
    /// The keys are not the client's.
    KeysWrong,
}

/// Why a dial failed without a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Access-Challenge: PPP has no way to ask.
    Challenged,
    /// The pool has no address left.
    PoolEmpty,
    /// Name, password or stations do not fit into attributes.
    Unsendable,
    /// The router was started again meanwhile.
    Rebooted,
}

pub(super) async fn dial(router: &Arc<Inner>, dial: Dial) -> DialOutcome {
    let local = lock(&router.local_secrets).get(&dial.user).cloned();
    if let Some(password) = local {
        return dial_local(router, dial, &password);
    }
    let boot = router.boot();
    let (session_id, nas_port) = router.next_session();
    for server in &router.config.servers {
        let attempt = Attempt::new(&dial, &session_id, nas_port);
        let mut probe = PacketBuilder::new(Code::ACCESS_REQUEST, 0, router.opening());
        if attempt.push(router, &mut probe, &server.secret).is_err() {
            return DialOutcome::Failed(Failure::Unsendable);
        }
        let request = |identifier| attempt.request(router, identifier, &server.secret);
        let is_good = |reply: &Packet<'_>, _: &[u8; 16]| attempt.takes(router, reply, &server.secret);
        let patience = Patience { timeout: router.config.timeout, tries: router.config.tries };
        let Some(reply) = router.transport.exchange(server.auth, patience, request, is_good).await else {
            continue; // only silence leads to the next server
        };
        if router.boot() != boot {
            return DialOutcome::Failed(Failure::Rebooted);
        }
        return conclude(router, &attempt, reply, &server.secret).await;
    }
    DialOutcome::Timeout
}

fn dial_local(router: &Arc<Inner>, dial: Dial, password: &Secret) -> DialOutcome {
    if *password != dial.password {
        return DialOutcome::Rejected { reply_message: None, ms_chap_error: None };
    }
    let (session_id, nas_port) = router.next_session();
    let grant = Grant::local(&dial, session_id, nas_port, router.config.interim);
    tunnel::raise(router, grant, dial.start).map_or(DialOutcome::Failed(Failure::PoolEmpty), DialOutcome::Connected)
}

/// What a reply means, once it counts.
async fn conclude(router: &Arc<Inner>, attempt: &Attempt<'_>, reply: Vec<u8>, secret: &SharedSecret) -> DialOutcome {
    let Ok(packet) = Packet::parse(&reply) else {
        return DialOutcome::Timeout; // not reached: the reply was parsed before it counted
    };
    match packet.code() {
        Code::ACCESS_ACCEPT => router.transport.count(Count::Accepts),
        Code::ACCESS_REJECT => {
            router.transport.count(Count::Rejects);
            return rejected(&packet);
        }
        _ => return DialOutcome::Failed(Failure::Challenged),
    }
    let complaint = attempt.complaint(&packet, secret);
    let grant = attempt.grant(router, &packet);
    let start = if complaint.is_some() { StartNotice::AtOnce } else { attempt.dial.start };
    let Some(tunnel) = tunnel::raise(router, grant, start) else {
        return DialOutcome::Failed(Failure::PoolEmpty);
    };
    match complaint {
        None => DialOutcome::Connected(tunnel),
        Some(why) => {
            tunnel.hang_up(Cause::UserRequest).await;
            DialOutcome::ClientHungUp { why }
        }
    }
}

fn rejected(packet: &Packet<'_>) -> DialOutcome {
    let error = packet.vendor(VendorType::MS_CHAP_ERROR).and_then(|value| value.get(1..));
    DialOutcome::Rejected {
        reply_message: packet.text(AttributeType::REPLY_MESSAGE).map(str::to_owned),
        ms_chap_error: error.map(|text| String::from_utf8_lossy(text).into_owned()),
    }
}

/// One log-in attempt at one server: all that is random in it, so that every transmission is the same.
struct Attempt<'a> {
    dial: &'a Dial,
    session_id: &'a str,
    nas_port: u32,
    authenticator: [u8; 16],
    ident: u8,
    challenge: [u8; 16],
    peer_challenge: [u8; 16],
}

impl<'a> Attempt<'a> {
    fn new(dial: &'a Dial, session_id: &'a str, nas_port: u32) -> Self {
        let entropy: &dyn Entropy = &SystemEntropy;
        let [ident] = entropy.bytes();
        Self {
            dial,
            session_id,
            nas_port,
            authenticator: entropy.bytes(),
            ident,
            challenge: entropy.bytes(),
            peer_challenge: entropy.bytes(),
        }
    }

    fn request(&self, router: &Inner, identifier: u8, secret: &SharedSecret) -> Vec<u8> {
        let mut packet = PacketBuilder::new(Code::ACCESS_REQUEST, identifier, router.opening());
        // The same attributes went into a probe before, so they fit.
        let _ = self.push(router, &mut packet, secret);
        sign::sign_request(packet, &self.authenticator, secret)
    }

    /// The attributes of RouterOS's manual for PPP.
    fn push(&self, router: &Inner, packet: &mut PacketBuilder, secret: &SharedSecret) -> Result<(), BuildError> {
        push_session(packet, self.dial, self.session_id, self.nas_port)?;
        self.push_proof(packet, secret)?;
        router.push_identity(packet)
    }

    fn push_proof(&self, packet: &mut PacketBuilder, secret: &SharedSecret) -> Result<(), BuildError> {
        let password = self.dial.password.expose();
        match self.dial.method {
            Method::Pap => {
                let hidden = hide::hide_password(password, &self.authenticator, secret)
                    .map_err(|_| BuildError::ValueTooLong(AttributeType::USER_PASSWORD))?;
                packet.push(AttributeType::USER_PASSWORD, &hidden)?;
            }
            Method::Chap => {
                let response = chap::response(self.ident, password, &self.challenge);
                packet.push(AttributeType::CHAP_PASSWORD, &[&[self.ident][..], &response].concat())?;
                packet.push(AttributeType::CHAP_CHALLENGE, &self.challenge)?;
            }
            Method::MsChapV1 => {
                let response = mschap::challenge_response(&self.short_challenge(), &self.nt_hash());
                let value = [&[self.ident, 1][..], &[0; 24], &response].concat();
                packet.push_vendor(VendorType::MS_CHAP_CHALLENGE, &self.short_challenge())?;
                packet.push_vendor(VendorType::MS_CHAP_RESPONSE, &value)?;
            }
            Method::MsChapV2 => {
                let response = self.nt_response_v2();
                let value = [&[self.ident, 0][..], &self.peer_challenge, &[0; 8], &response].concat();
                packet.push_vendor(VendorType::MS_CHAP_CHALLENGE, &self.challenge)?;
                packet.push_vendor(VendorType::MS_CHAP2_RESPONSE, &value)?;
            }
        }
        if let (Method::MsChapV1 | Method::MsChapV2, Some(domain)) = (self.dial.method, self.dial.domain()) {
            packet.push_vendor(VendorType::MS_CHAP_DOMAIN, domain.as_bytes())?;
        }
        Ok(())
    }

    fn short_challenge(&self) -> [u8; 8] {
        let mut short = [0; 8];
        short.copy_from_slice(&self.challenge[..8]);
        short
    }

    fn nt_hash(&self) -> [u8; 16] {
        mschap::nt_hash(self.dial.password.expose_str().unwrap_or_default())
    }

    fn exchange(&self) -> mschap::Exchange<'_> {
        let user = self.dial.name_without_domain().as_bytes();
        mschap::Exchange { peer: &self.peer_challenge, authenticator: &self.challenge, user }
    }

    fn nt_response_v2(&self) -> [u8; 24] {
        mschap::nt_response_v2(&self.exchange(), &self.nt_hash())
    }

    /// Whether the router takes a reply as one: its code, its Authenticator, its Message-Authenticator.
    fn takes(&self, router: &Inner, reply: &Packet<'_>, secret: &SharedSecret) -> bool {
        if !matches!(reply.code(), Code::ACCESS_ACCEPT | Code::ACCESS_REJECT | Code::ACCESS_CHALLENGE) {
            return false;
        }
        match (sign::check_reply(reply, &self.authenticator, secret), router.config.require_message_auth) {
            (Ok(Signature::Present), _) | (Ok(Signature::Absent), RequireMessageAuth::No) => true,
            (Ok(Signature::Absent), RequireMessageAuth::YesForRequestResp) | (Err(_), _) => false,
        }
    }

    /// What the client does not like in an Accept.
    fn complaint(&self, accept: &Packet<'_>, secret: &SharedSecret) -> Option<HangUp> {
        match self.dial.method {
            Method::Pap | Method::Chap => match self.dial.encryption {
                Encryption::Optional => None,
                Encryption::Demanded => Some(HangUp::KeysMissing), // there is nothing to make keys of
            },
            Method::MsChapV1 => self.chap_keys_complaint(accept, secret),
            Method::MsChapV2 => self.success_complaint(accept).or_else(|| self.keys_complaint(accept, secret)),
        }
    }

    fn success_complaint(&self, accept: &Packet<'_>) -> Option<HangUp> {
        let Some(success) = accept.vendor(VendorType::MS_CHAP2_SUCCESS) else {
            return Some(HangUp::SuccessMissing);
        };
        let text = mschap::authenticator_response(&self.exchange(), &self.nt_hash(), &self.nt_response_v2());
        let expected = [&[self.ident][..], &text].concat();
        // A server may append ` M=message`.
        let given = success.get(..expected.len()).unwrap_or(success);
        (!same(given, &expected)).then_some(HangUp::SuccessWrong)
    }

    fn keys_complaint(&self, accept: &Packet<'_>, secret: &SharedSecret) -> Option<HangUp> {
        let send = accept.vendor(VendorType::MS_MPPE_SEND_KEY);
        let recv = accept.vendor(VendorType::MS_MPPE_RECV_KEY);
        let (Some(send), Some(recv)) = (send, recv) else {
            return self.without_keys(send.or(recv));
        };
        let keys = mppe::StartKeys::new(&self.nt_hash(), &self.nt_response_v2());
        let is = |hidden, key: &[u8; 16]| {
            hide::reveal_key(hidden, &self.authenticator, secret).is_ok_and(|given| same(given.expose(), key))
        };
        (!(is(send, &keys.send) && is(recv, &keys.recv))).then_some(HangUp::KeysWrong)
    }

    fn chap_keys_complaint(&self, accept: &Packet<'_>, secret: &SharedSecret) -> Option<HangUp> {
        let Some(hidden) = accept.vendor(VendorType::MS_CHAP_MPPE_KEYS) else {
            return self.without_keys(None);
        };
        let expected = mppe::chap_mppe_keys(&self.nt_hash());
        let given = hide::reveal_chap_keys(hidden, &self.authenticator, secret);
        // The first 8 octets are of the LM hash, which no modern server keeps.
        let right = given.is_ok_and(|given| same(&given[8..24], &expected[8..24]));
        (!right).then_some(HangUp::KeysWrong)
    }

    fn without_keys(&self, half: Option<&[u8]>) -> Option<HangUp> {
        match self.dial.encryption {
            Encryption::Demanded => Some(HangUp::KeysMissing),
            Encryption::Optional => half.map(|_| HangUp::KeysMissing),
        }
    }

    /// What the Accept gives, by RouterOS's precedence: the attribute, else the router's own default.
    fn grant(&self, router: &Inner, accept: &Packet<'_>) -> Grant {
        let seconds = |kind| accept.integer(kind).filter(|seconds| *seconds > 0);
        let duration = |kind| seconds(kind).map(|seconds| Duration::from_secs(seconds.into()));
        let text = |kind| accept.vendor(kind).map(|text| String::from_utf8_lossy(text).into_owned());
        Grant {
            dial: self.dial.clone(),
            session_id: self.session_id.to_owned(),
            nas_port: self.nas_port,
            authentic: Authentic::Radius,
            class: accept.all(AttributeType::CLASS).map(<[u8]>::to_vec).collect(),
            address: accept.address(AttributeType::FRAMED_IP_ADDRESS).and_then(usable_address),
            session_timeout: duration(AttributeType::SESSION_TIMEOUT),
            interim: duration(AttributeType::ACCT_INTERIM_INTERVAL).or(router.config.interim),
            rate_limit: text(VendorType::MIKROTIK_RATE_LIMIT),
            accept: accept.trimmed().to_vec(),
        }
    }
}

/// RouterOS takes an address of its own pool for those in 127/8 and from 224.0.0.0 up (255.255.255.254 of RFC 2865 §5.8).
fn usable_address(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V4(address) = address else { return None };
    (!address.is_loopback() && address.octets()[0] < 224).then_some(address)
}

/// What Access-Request and accounting records have in common.
pub(super) fn push_session(
    packet: &mut PacketBuilder,
    dial: &Dial,
    session_id: &str,
    nas_port: u32,
) -> Result<(), BuildError> {
    packet.push_integer(AttributeType::SERVICE_TYPE, 2)?; // Framed
    packet.push_integer(AttributeType::FRAMED_PROTOCOL, 1)?; // PPP
    packet.push_integer(AttributeType::NAS_PORT, nas_port)?;
    packet.push_integer(AttributeType::NAS_PORT_TYPE, dial.service.nas_port_type())?;
    packet.push(AttributeType::USER_NAME, dial.user.as_bytes())?;
    packet.push(AttributeType::CALLING_STATION_ID, dial.caller.as_bytes())?;
    packet.push(AttributeType::CALLED_STATION_ID, dial.called.as_bytes())?;
    if dial.service == Service::Pppoe {
        packet.push(AttributeType::NAS_PORT_ID, b"ether1")?;
    }
    packet.push(AttributeType::ACCT_SESSION_ID, session_id.as_bytes())?;
    Ok(())
}
