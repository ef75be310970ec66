//! Replies to EAP log-ins: Access-Challenge, and Accept and Reject that end one (RFC 3579 §2.6, RFC 2865 §4.4).
//!
//! The keys are those of MS-CHAPv2 (RFC 3079), 16 octets each: the router makes the MSK of MS-MPPE-Recv-Key,
//! MS-MPPE-Send-Key and 32 zeros. There is no word of PPP and its encryption here: IKEv2 has neither.

use super::super::reply::{Asked, DENIED, FRAMED, error_code, push_grant, push_keys, v2_error};
use super::table::State;
use crate::domain::access::{Request, Service};
use crate::domain::credential::Proven;
use crate::domain::reason::Reason;
use crate::entropy::Entropy;
use crate::gate::access::Accept;
use crate::proto::radius::{AttributeType, BuildError, Code, Opening, PacketBuilder, SharedSecret, eap};

/// What a Failure says: as MS-CHAP-Error (RFC 2759 §6), without the identifier.
pub(super) fn error(reason: Reason, entropy: &dyn Entropy) -> String {
    v2_error(error_code(reason), message(reason), entropy)
}

fn message(reason: Reason) -> &'static str {
    if reason.is_told() { reason.text() } else { DENIED }
}

impl Asked {
    fn eap(&self, code: Code, octets: &[u8]) -> Result<PacketBuilder, BuildError> {
        let mut reply = self.reply(code, Opening::MessageAuthenticator)?;
        eap::push(&mut reply, octets)?;
        Ok(reply)
    }

    /// Access-Challenge with the next EAP request; the router gives `state` back with the answer.
    ///
    /// # Errors
    /// The request's Proxy-State leaves no room.
    pub(super) fn eap_challenge(
        &self,
        request: &[u8],
        state: &State,
        secret: &SharedSecret,
    ) -> Result<Vec<u8>, BuildError> {
        let mut reply = self.eap(Code::ACCESS_CHALLENGE, request)?;
        reply.push(AttributeType::STATE, state)?;
        Ok(self.sign(reply, secret))
    }

    /// Access-Accept with EAP-Success; `proven` is the request that brought the proof.
    ///
    /// # Errors
    /// The request's Proxy-State leaves no room.
    pub(super) fn eap_accept(
        &self,
        accept: &Accept,
        proven: &Request,
        success: &[u8],
        secret: &SharedSecret,
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, BuildError> {
        let mut reply = self.eap(Code::ACCESS_ACCEPT, success)?;
        if proven.service == Service::Vpn {
            reply.push_integer(AttributeType::SERVICE_TYPE, FRAMED)?;
        }
        reply.push(AttributeType::USER_NAME, &proven.user_name)?;
        push_grant(&mut reply, accept)?;
        if let Proven::MsChap2 { nt_hash, nt_response, .. } = &accept.proven {
            push_keys(&mut reply, nt_hash, nt_response, self.authenticator(), secret, entropy)?;
        }
        Ok(self.sign(reply, secret))
    }

    /// Access-Reject with EAP-Failure.
    ///
    /// # Errors
    /// The request's Proxy-State leaves no room.
    pub(super) fn eap_reject(
        &self,
        reason: Reason,
        failure: &[u8],
        secret: &SharedSecret,
    ) -> Result<Vec<u8>, BuildError> {
        let mut reply = self.eap(Code::ACCESS_REJECT, failure)?;
        reply.push(AttributeType::REPLY_MESSAGE, message(reason).as_bytes())?;
        Ok(self.sign(reply, secret))
    }
}
