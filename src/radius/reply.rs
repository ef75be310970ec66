//! Replies: Access-Accept and -Reject (RFC 2865 §4.2, §4.3; RFC 2548 §2), Accounting-Response (RFC 2866 §4.2), and the
//! answers to Status-Server (RFC 5997 §4).
//!
//! A Message-Authenticator stands first: that is what RouterOS demands since 7.15. Proxy-State follows in its order.

use super::forward;
use crate::crypto::{hex, mppe};
use crate::domain::attribute::ReplyAttribute;
use crate::domain::credential::{NtHash, Proof, Proven};
use crate::domain::reason::Reason;
use crate::entropy::Entropy;
use crate::gate::access::Accept;
use crate::proto::radius::{
    AttributeType, BuildError, Code, Opening, Packet, PacketBuilder, SharedSecret, Signature, VendorId, VendorType,
    hide, sign,
};

/// Service-Type Framed and Framed-Protocol PPP.
pub(super) const FRAMED: u32 = 2;
const PPP: u32 = 1;
/// MS-MPPE-Encryption-Policy: allowed, not required. The profile on the router may demand more.
const ENCRYPTION_ALLOWED: u32 = 1;
/// MS-MPPE-Encryption-Types: RC4 with 40 or 128 bits.
const ENCRYPTION_40_AND_128: u32 = 6;
/// The Reply-Message of every refusal that must not tell its reason.
pub(super) const DENIED: &str = "Access denied";

/// What a reply needs of its request.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    identifier: u8,
    authenticator: [u8; 16],
    proxy_states: Vec<Vec<u8>>,
}

impl Asked {
    pub(super) fn by(packet: &Packet<'_>) -> Self {
        Self {
            identifier: packet.identifier(),
            authenticator: *packet.authenticator(),
            proxy_states: packet.all(AttributeType::PROXY_STATE).map(<[u8]>::to_vec).collect(),
        }
    }

    pub(super) fn authenticator(&self) -> &[u8; 16] {
        &self.authenticator
    }

    pub(super) fn reply(&self, code: Code, opening: Opening) -> Result<PacketBuilder, BuildError> {
        let mut reply = PacketBuilder::new(code, self.identifier, opening);
        for state in &self.proxy_states {
            reply.push(AttributeType::PROXY_STATE, state)?;
        }
        Ok(reply)
    }

    pub(super) fn sign(&self, reply: PacketBuilder, secret: &SharedSecret) -> Vec<u8> {
        sign::sign_reply(reply, &self.authenticator, secret)
    }

    /// Access-Accept.
    ///
    /// # Errors
    /// The request's Proxy-State leaves no room.
    pub(super) fn accept(
        &self,
        accept: &Accept,
        secret: &SharedSecret,
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, BuildError> {
        let mut reply = self.reply(Code::ACCESS_ACCEPT, Opening::MessageAuthenticator)?;
        reply.push_integer(AttributeType::SERVICE_TYPE, FRAMED)?;
        reply.push_integer(AttributeType::FRAMED_PROTOCOL, PPP)?;
        push_grant(&mut reply, accept)?;
        match &accept.proven {
            Proven::Plain => {}
            Proven::MsChap1(nt_hash) => {
                let keys = mppe::chap_mppe_keys(&nt_hash.0);
                let hidden = hide::hide_chap_keys(&keys, &self.authenticator, secret);
                reply.push_vendor(VendorType::MS_CHAP_MPPE_KEYS, &hidden)?;
                push_encryption(&mut reply)?;
            }
            Proven::MsChap2 { ident, success, nt_hash, nt_response } => {
                reply.push_vendor(VendorType::MS_CHAP2_SUCCESS, &[&[*ident][..], success].concat())?;
                push_keys(&mut reply, nt_hash, nt_response, &self.authenticator, secret, entropy)?;
                push_encryption(&mut reply)?;
            }
            Proven::ByHome(granted) => {
                forward::push(&mut reply, granted, &accept.attributes, (&self.authenticator, secret), entropy)?;
            }
        }
        Ok(self.sign(reply, secret))
    }

    /// Access-Reject; `proof` is what the request brought.
    ///
    /// # Errors
    /// The request's Proxy-State leaves no room.
    pub(super) fn reject(
        &self,
        reason: Reason,
        proof: Option<&Proof>,
        secret: &SharedSecret,
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, BuildError> {
        let mut reply = self.reply(Code::ACCESS_REJECT, Opening::MessageAuthenticator)?;
        let message = if reason.is_told() { reason.text() } else { DENIED };
        reply.push(AttributeType::REPLY_MESSAGE, message.as_bytes())?;
        if let Some(error) = proof.and_then(|proof| ms_chap_error(reason, message, proof, entropy)) {
            reply.push_vendor(VendorType::MS_CHAP_ERROR, &error)?;
        }
        Ok(self.sign(reply, secret))
    }

    /// Accounting-Response, signed as its request was.
    ///
    /// # Errors
    /// The request's Proxy-State leaves no room.
    pub(super) fn recorded(&self, signature: Signature, secret: &SharedSecret) -> Result<Vec<u8>, BuildError> {
        let opening = match signature {
            Signature::Present => Opening::MessageAuthenticator,
            Signature::Absent => Opening::Bare,
        };
        Ok(self.sign(self.reply(Code::ACCOUNTING_RESPONSE, opening)?, secret))
    }

    /// The answer to Status-Server: `code` is what the port answers with.
    ///
    /// # Errors
    /// The request's Proxy-State leaves no room.
    pub(super) fn alive(&self, code: Code, secret: &SharedSecret) -> Result<Vec<u8>, BuildError> {
        Ok(self.sign(self.reply(code, Opening::MessageAuthenticator)?, secret))
    }
}

/// What every Accept says of what was granted.
pub(super) fn push_grant(reply: &mut PacketBuilder, accept: &Accept) -> Result<(), BuildError> {
    let seconds = |duration: std::time::Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
    // RouterOS takes 0 for no limit at all.
    reply.push_integer(AttributeType::SESSION_TIMEOUT, seconds(accept.timeout).max(1))?;
    reply.push_integer(AttributeType::ACCT_INTERIM_INTERVAL, seconds(accept.interim))?;
    reply.push(AttributeType::CLASS, &accept.class)?;
    accept.attributes.iter().try_for_each(|attribute| push_attribute(reply, attribute))
}

/// The two keys of an MS-CHAPv2 log-in, hidden with the authenticator of the request that is answered.
pub(super) fn push_keys(
    reply: &mut PacketBuilder,
    nt_hash: &NtHash,
    nt_response: &[u8; 24],
    authenticator: &[u8; 16],
    secret: &SharedSecret,
    entropy: &dyn Entropy,
) -> Result<(), BuildError> {
    let keys = mppe::StartKeys::new(&nt_hash.0, nt_response);
    let [recv_salt, send_salt] = salts(entropy);
    let recv = hide::hide_key(&keys.recv, recv_salt, authenticator, secret);
    let send = hide::hide_key(&keys.send, send_salt, authenticator, secret);
    reply.push_vendor(VendorType::MS_MPPE_RECV_KEY, &recv)?;
    reply.push_vendor(VendorType::MS_MPPE_SEND_KEY, &send)?;
    Ok(())
}

pub(super) fn push_attribute(reply: &mut PacketBuilder, attribute: &ReplyAttribute) -> Result<(), BuildError> {
    let number = attribute.number();
    match attribute.vendor() {
        Some(vendor) => reply.push_vendor(VendorType { vendor: VendorId(vendor), number }, attribute.octets())?,
        None => reply.push(AttributeType(number), attribute.octets())?,
    };
    Ok(())
}

fn push_encryption(reply: &mut PacketBuilder) -> Result<(), BuildError> {
    reply.push_vendor_integer(VendorType::MS_MPPE_ENCRYPTION_POLICY, ENCRYPTION_ALLOWED)?;
    reply.push_vendor_integer(VendorType::MS_MPPE_ENCRYPTION_TYPES, ENCRYPTION_40_AND_128)?;
    Ok(())
}

/// Two salts that differ, as those of one packet must (RFC 2548 §2.4.2).
fn salts(entropy: &dyn Entropy) -> [[u8; 2]; 2] {
    let [high, low, other] = entropy.bytes();
    [[high, low], [high, low ^ (other | 1)]]
}

/// MS-CHAP-Error: the identifier of the response, then text (RFC 2548 §2.1.5, RFC 2759 §6, RFC 2433 §8). No retry: a
/// client that tries again must dial again.
fn ms_chap_error(reason: Reason, message: &str, proof: &Proof, entropy: &dyn Entropy) -> Option<Vec<u8>> {
    let code = error_code(reason);
    let (ident, text) = match proof {
        // EAP says it in a packet of its own.
        Proof::Pap(_) | Proof::Chap { .. } | Proof::EapMsChap2 { .. } => return None,
        Proof::MsChap1 { ident, .. } => (*ident, format!("E={code} R=0 C={} V=2", challenge::<8>(entropy))),
        Proof::MsChap2 { ident, .. } => (*ident, v2_error(code, message, entropy)),
    };
    Some([&[ident][..], text.as_bytes()].concat())
}

/// What MS-CHAPv2 tells a client that is not let in.
pub(super) fn v2_error(code: u16, message: &str, entropy: &dyn Entropy) -> String {
    format!("E={code} R=0 C={} V=3 M={message}", challenge::<16>(entropy))
}

fn challenge<const N: usize>(entropy: &dyn Entropy) -> String {
    hex::encode(&entropy.bytes::<N>()).to_uppercase()
}

/// What the client's own error message is chosen by.
pub(super) const fn error_code(reason: Reason) -> u16 {
    const RESTRICTED_HOURS: u16 = 646;
    const ACCOUNT_DISABLED: u16 = 647;
    const AUTHENTICATION_FAILURE: u16 = 691;
    match reason {
        Reason::OutsideHours => RESTRICTED_HOURS,
        Reason::AccountDisabled | Reason::AccountLocked => ACCOUNT_DISABLED,
        _ => AUTHENTICATION_FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;
    use crate::secret::Secret;

    const AUTHENTICATOR: [u8; 16] = [0x5a; 16];

    fn secret() -> SharedSecret {
        SharedSecret::new(Secret::new("testing123"))
    }

    fn asked(states: &[&[u8]]) -> Asked {
        let proxy_states = states.iter().map(|state| state.to_vec()).collect();
        Asked { identifier: 7, authenticator: AUTHENTICATOR, proxy_states }
    }

    fn v2() -> Proof {
        Proof::MsChap2 { ident: 9, challenge: [1; 16], peer_challenge: [2; 16], nt_response: [3; 24] }
    }

    fn v1() -> Proof {
        Proof::MsChap1 { ident: 9, challenge: [1; 8], nt_response: [3; 24] }
    }

    /// A reject as its receiver sees it: checked, its texts read.
    fn reject(reason: Reason, proof: Option<&Proof>) -> (String, Option<String>) {
        let bytes = asked(&[b"one", b"two"]).reject(reason, proof, &secret(), &SystemEntropy).unwrap();
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!((packet.code(), packet.identifier()), (Code::ACCESS_REJECT, 7));
        assert_eq!(bytes[20], AttributeType::MESSAGE_AUTHENTICATOR.0);
        assert_eq!(sign::check_reply(&packet, &AUTHENTICATOR, &secret()), Ok(Signature::Present));
        assert_eq!(packet.all(AttributeType::PROXY_STATE).collect::<Vec<_>>(), [b"one", b"two"]);
        let error = packet.vendor(VendorType::MS_CHAP_ERROR).map(|value| {
            assert_eq!(value[0], 9);
            String::from_utf8(value[1..].to_vec()).unwrap()
        });
        (packet.text(AttributeType::REPLY_MESSAGE).unwrap().to_owned(), error)
    }

    #[test]
    fn up_to_the_password_every_refusal_reads_the_same() {
        let told: Vec<_> = [Reason::UnknownName, Reason::WrongPassword, Reason::Guessing, Reason::HashOnly]
            .into_iter()
            .map(|reason| reject(reason, None))
            .collect();
        assert!(told.iter().all(|told| *told == (DENIED.to_owned(), None)), "{told:?}");
        assert_eq!(reject(Reason::NoSession, None).0, Reason::NoSession.text());
    }

    #[test]
    fn ms_chap_errors_have_their_methods_form() {
        let (_, error) = reject(Reason::WrongPassword, Some(&v2()));
        let error = error.unwrap();
        let challenge = error.strip_prefix("E=691 R=0 C=").and_then(|rest| rest.split_once(" V=3 M=Access denied"));
        let (challenge, rest) = challenge.unwrap_or_else(|| panic!("{error}"));
        assert!(rest.is_empty() && challenge.len() == 32, "{error}");
        assert!(challenge.bytes().all(|digit| digit.is_ascii_digit() || digit.is_ascii_uppercase()), "{error}");

        let error = reject(Reason::AccountLocked, Some(&v1())).1.unwrap();
        assert!(error.starts_with("E=647 R=0 C=") && error.ends_with(" V=2"), "{error}");
        assert_eq!(error.len(), "E=647 R=0 C= V=2".len() + 16);
        assert!(reject(Reason::OutsideHours, Some(&v2())).1.unwrap().starts_with("E=646 "));
        assert_eq!(reject(Reason::NoSession, Some(&Proof::Pap(Secret::new("x")))).1, None);
    }

    #[test]
    fn every_refusal_fits() {
        for reason in Reason::ALL {
            reject(*reason, Some(&v2()));
        }
    }

    #[test]
    fn salts_differ() {
        for _ in 0..100 {
            let [one, two] = salts(&SystemEntropy);
            assert_ne!([one[0] | 0x80, one[1]], [two[0] | 0x80, two[1]]);
        }
    }

    #[test]
    fn a_request_full_of_proxy_state_gets_no_reply() {
        let full: Vec<&[u8]> = vec![&[1; 253]; 16];
        let refused = asked(&full).reject(Reason::NoProof, Some(&v2()), &secret(), &SystemEntropy);
        assert_eq!(refused.unwrap_err(), BuildError::PacketTooLong);
    }

    #[test]
    fn accounting_is_answered_as_it_was_asked() {
        for (signature, length) in [(Signature::Present, 38), (Signature::Absent, 20)] {
            let bytes = asked(&[]).recorded(signature, &secret()).unwrap();
            let packet = Packet::parse(&bytes).unwrap();
            assert_eq!((packet.code(), bytes.len()), (Code::ACCOUNTING_RESPONSE, length));
            assert_eq!(sign::check_reply(&packet, &AUTHENTICATOR, &secret()), Ok(signature));
        }
    }
}
