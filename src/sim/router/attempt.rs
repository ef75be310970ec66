//! One log-in attempt at one server: the Access-Request by RouterOS's manual, and the client's checks of the Accept.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::config::RequireMessageAuth;
use super::dial::{Dial, Encryption, HangUp, Method, Service};
use super::radius::{Entry, span};
use super::state::path;
use super::tunnel::{Authentic, Grant};
use super::{Inner, lock};
use crate::crypto::{chap, mppe, mschap, same};
use crate::entropy::{Entropy, SystemEntropy};
use crate::proto::radius::{
    AttributeType, BuildError, Code, Packet, PacketBuilder, SharedSecret, Signature, VendorType, hide, sign,
};

/// All that is random in one attempt, so that every transmission is the same.
pub(super) struct Attempt<'a> {
    pub(super) dial: &'a Dial,
    session_id: &'a str,
    nas_port: u32,
    authenticator: [u8; 16],
    ident: u8,
    challenge: [u8; 16],
    peer_challenge: [u8; 16],
}

impl<'a> Attempt<'a> {
    pub(super) fn new(dial: &'a Dial, session_id: &'a str, nas_port: u32) -> Self {
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

    pub(super) fn request(&self, router: &Inner, identifier: u8, entry: &Entry) -> Vec<u8> {
        let mut packet = PacketBuilder::new(Code::ACCESS_REQUEST, identifier, entry.opening());
        // The same attributes went into a probe before, so they fit.
        let _ = self.push(router, &mut packet, &entry.secret);
        sign::sign_request(packet, &self.authenticator, &entry.secret)
    }

    /// The attributes of RouterOS's manual for PPP.
    pub(super) fn push(
        &self,
        router: &Inner,
        packet: &mut PacketBuilder,
        secret: &SharedSecret,
    ) -> Result<(), BuildError> {
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
    pub(super) fn takes(&self, reply: &Packet<'_>, entry: &Entry) -> bool {
        if !matches!(reply.code(), Code::ACCESS_ACCEPT | Code::ACCESS_REJECT | Code::ACCESS_CHALLENGE) {
            return false;
        }
        match (sign::check_reply(reply, &self.authenticator, &entry.secret), entry.require()) {
            (Ok(Signature::Present), _) | (Ok(Signature::Absent), RequireMessageAuth::No) => true,
            (Ok(Signature::Absent), RequireMessageAuth::YesForRequestResp) | (Err(_), _) => false,
        }
    }

    /// What the client does not like in an Accept.
    pub(super) fn complaint(&self, accept: &Packet<'_>, secret: &SharedSecret) -> Option<HangUp> {
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
