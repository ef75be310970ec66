//! One log-in attempt at one server: the Access-Request by RouterOS's manual, and the client's checks of the Accept.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::config::RequireMessageAuth;
use super::dial::{Dial, Encryption, HangUp, Service};
use super::radius::{Entry, span};
use super::state::path;
use super::tunnel::{Authentic, Grant};
use super::{Inner, lock};
use crate::entropy::{Entropy, SystemEntropy};
use crate::proto::radius::dialer::{Dialer, Nonces, Shown};
use crate::proto::radius::{
    AttributeType, BuildError, Code, Packet, PacketBuilder, SharedSecret, Signature, VendorType, sign,
};

/// All that is random in one attempt, so that every transmission is the same.
pub(super) struct Attempt<'a> {
    pub(super) dial: &'a Dial,
    session_id: &'a str,
    nas_port: u32,
    nonces: Nonces,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(dial: &'a Dial, session_id: &'a str, nas_port: u32) -> Self {
        let entropy: &dyn Entropy = &SystemEntropy;
        let [identifier] = entropy.bytes();
        let (authenticator, challenge, peer_challenge) = (entropy.bytes(), entropy.bytes(), entropy.bytes());
        let nonces = Nonces { authenticator, identifier, challenge, peer_challenge };
        Self { dial, session_id, nas_port, nonces }
    }

    fn dialer(&self) -> Dialer<'_> {
        let Dial { user, password, method, .. } = self.dial;
        Dialer { name: user.as_bytes(), password, method: *method, nonces: &self.nonces }
    }

    pub(super) fn request(&self, router: &Inner, identifier: u8, entry: &Entry) -> Vec<u8> {
        let mut packet = PacketBuilder::new(Code::ACCESS_REQUEST, identifier, entry.opening());
        // The same attributes went into a probe before, so they fit.
        let _ = self.push(router, &mut packet, &entry.secret);
        sign::sign_request(packet, &self.nonces.authenticator, &entry.secret)
    }

    /// The attributes of RouterOS's manual for PPP.
    pub(super) fn push(
        &self,
        router: &Inner,
        packet: &mut PacketBuilder,
        secret: &SharedSecret,
    ) -> Result<(), BuildError> {
        push_session(packet, self.dial, self.session_id, self.nas_port)?;
        self.dialer().push(packet, secret)?;
        router.push_identity(packet)
    }

    /// Whether the router takes a reply as one: its code, its Authenticator, its Message-Authenticator.
    pub(super) fn takes(&self, reply: &Packet<'_>, entry: &Entry) -> bool {
        if !matches!(reply.code(), Code::ACCESS_ACCEPT | Code::ACCESS_REJECT | Code::ACCESS_CHALLENGE) {
            return false;
        }
        match (sign::check_reply(reply, &self.nonces.authenticator, &entry.secret), entry.require()) {
            (Ok(Signature::Present), _) | (Ok(Signature::Absent), RequireMessageAuth::No) => true,
            (Ok(Signature::Absent), RequireMessageAuth::YesForRequestResp) | (Err(_), _) => false,
        }
    }

    /// What the client does not like in an Accept.
    pub(super) fn complaint(&self, accept: &Packet<'_>, secret: &SharedSecret) -> Option<HangUp> {
        let dialer = self.dialer();
        match (dialer.success(accept), dialer.keys(accept, secret), self.dial.encryption) {
            (Shown::Missing, ..) => Some(HangUp::SuccessMissing),
            (Shown::Wrong, ..) => Some(HangUp::SuccessWrong),
            (_, Shown::Wrong, _) => Some(HangUp::KeysWrong),
            (_, Shown::Missing, _) | (_, Shown::Nothing, Encryption::Demanded) => Some(HangUp::KeysMissing),
            (_, Shown::Nothing, Encryption::Optional) | (_, Shown::Right, _) => None,
        }
    }

    /// What the Accept gives, by RouterOS's precedence: the attribute, else the router's own default.
    pub(super) fn grant(&self, router: &Inner, accept: &Packet<'_>) -> Grant {
        let seconds = |kind| accept.integer(kind).filter(|seconds| *seconds > 0);
        let duration = |kind| seconds(kind).map(|seconds| Duration::from_secs(seconds.into()));
        let text = |kind| accept.vendor(kind).map(|text| String::from_utf8_lossy(text).into_owned());
        let texts = |kind| accept.all(kind).map(|text| String::from_utf8_lossy(text).into_owned()).collect();
        let mut state = lock(&router.state);
        let interim = state.single(path::AAA).and_then(|row| span(row, "interim-update"));
        let mut grant = Grant {
            class: accept.all(AttributeType::CLASS).map(<[u8]>::to_vec).collect(),
            address: accept.address(AttributeType::FRAMED_IP_ADDRESS).and_then(usable_address),
            pool: accept.text(AttributeType::FRAMED_POOL).map(str::to_owned),
            session_timeout: duration(AttributeType::SESSION_TIMEOUT),
            interim: duration(AttributeType::ACCT_INTERIM_INTERVAL).or(interim),
            rate_limit: text(VendorType::MIKROTIK_RATE_LIMIT),
            profile: text(VendorType::MIKROTIK_GROUP),
            lists: text(VendorType::MIKROTIK_ADDRESS_LIST).into_iter().collect(),
            filters: texts(AttributeType::FILTER_ID),
            accept: accept.trimmed().to_vec(),
            ..Grant::new(self.dial, self.session_id.to_owned(), self.nas_port, Authentic::Radius)
        };
        let profile = text(VendorType::MIKROTIK_GROUP);
        if let Some(unknown) = profile.as_deref().filter(|name| state.named(path::PROFILE, name).is_none()) {
            state.log(router.clock.now(), "ppp,error", format!("profile {unknown} is not there"));
        }
        grant.complete(&state, profile.as_deref());
        grant
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
