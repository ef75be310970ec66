//! Habits: what is peculiar to one router, as settings that hold for the system or for a router.

use std::time::Duration;

use super::access::Service;
use super::credential::Proof;
use super::home::Taken;
use super::policy::Found;
use super::radsec::Orders;

/// What holds for a router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Habits {
    /// How long it waits for an answer: so long a held Access-Request may take.
    pub hold: Duration,
    /// Which log-ins are taken for those of a VPN.
    pub services: Services,
    /// What is taken of the answers of its home server.
    pub home_attributes: Taken,
    /// Where Disconnects go while it asks over RadSec.
    pub orders: Orders,
    /// How it takes Disconnect- and CoA-Requests.
    pub coa: CoaHabits,
}

/// How a router takes Disconnect- and CoA-Requests (RFC 5176). No source says all of it, and devices differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CoaHabits {
    /// What a Session-Timeout means that comes by CoA.
    pub session_timeout: SessionTimeout,
    /// When changed reply attributes go to running connections.
    pub attributes: Telling,
    /// Whether the requests carry a Message-Authenticator.
    pub signing: Signing,
    /// Which attributes say what connection is meant.
    pub identification: Identification,
    /// What Error-Cause 503 means.
    pub not_found: NotFound,
}

/// What a Session-Timeout means that comes by CoA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SessionTimeout {
    /// None is sent: the router hangs up at the limit of the Accept, and the redial is accepted.
    #[default]
    Off,
    /// Seconds from the start of the connection.
    FromStart,
    /// Seconds from the moment it comes.
    FromNow,
}

/// When changed reply attributes go to running connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Telling {
    /// When an operator says so.
    #[default]
    OnDemand,
    /// With the change.
    AtOnce,
}

/// Whether a request carries a Message-Authenticator (RFC 5176 §3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Signing {
    /// With one first; without after silence.
    #[default]
    Auto,
    /// Always.
    Yes,
    /// Never.
    No,
}

/// Which attributes say what connection is meant (RFC 5176 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Identification {
    /// NAS-IP-Address, User-Name, Acct-Session-Id and Framed-IP-Address, as far as they are known.
    #[default]
    Full,
    /// The same without NAS-IP-Address.
    WithoutNasAddress,
    /// Acct-Session-Id alone.
    SessionId,
}

/// What it means that a router does not find a connection that is to end (Error-Cause 503, RFC 5176 §3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NotFound {
    /// It is gone.
    #[default]
    Gone,
    /// Nothing: the request may not have fitted.
    Unsure,
}

/// Which log-ins are taken for those of a VPN, by Service-Type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Services {
    /// Framed, or none said: PPP.
    Vpn,
    /// Also EAP, whatever Service-Type it says: what RouterOS says for IKEv2 is not documented, and people who log in to
    /// the router itself (Winbox, SSH, API, WebFig) never do so by EAP.
    VpnAndIpsec,
}

impl Services {
    /// The word of the setting.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Vpn => "vpn",
            Self::VpnAndIpsec => "vpn_and_ipsec",
        }
    }

    /// Whether a log-in is one of a VPN.
    pub const fn take(self, service: Service, proof: Option<&Proof>) -> bool {
        match (service, self, proof) {
            (Service::Vpn, ..) | (Service::Other(_), Self::VpnAndIpsec, Some(Proof::EapMsChap2 { .. })) => true,
            (Service::Other(_), Self::Vpn | Self::VpnAndIpsec, _) => false,
        }
    }
}

impl Habits {
    pub(super) fn of(found: &Found) -> Self {
        let services = match found.text("services") {
            "vpn_and_ipsec" => Services::VpnAndIpsec,
            _ => Services::Vpn,
        };
        Self {
            hold: found.seconds("hold_seconds", 1),
            services,
            home_attributes: Taken::parse(found.text("home_attributes")).expect("the setting accepted the names"),
            orders: Orders::from_word(found.text("radsec_disconnects")).expect("the setting is one of the words"),
            coa: CoaHabits::of(found),
        }
    }
}

impl CoaHabits {
    fn of(found: &Found) -> Self {
        Self {
            session_timeout: match found.text("coa_session_timeout") {
                "from_start" => SessionTimeout::FromStart,
                "from_now" => SessionTimeout::FromNow,
                _ => SessionTimeout::Off,
            },
            attributes: if found.text("coa_attributes") == "at_once" { Telling::AtOnce } else { Telling::OnDemand },
            signing: match found.text("coa_message_authenticator") {
                "yes" => Signing::Yes,
                "no" => Signing::No,
                _ => Signing::Auto,
            },
            identification: match found.text("coa_identification") {
                "without_nas_address" => Identification::WithoutNasAddress,
                "session_id" => Identification::SessionId,
                _ => Identification::Full,
            },
            not_found: if found.text("coa_not_found") == "unsure" { NotFound::Unsure } else { NotFound::Gone },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn only_eap_may_come_without_framed_and_only_if_wanted() {
        const LOGIN: Service = Service::Other(1);
        let eap = Proof::EapMsChap2 { ident: 1, challenge: [1; 16], peer_challenge: [2; 16], nt_response: [3; 24] };
        let v2 = Proof::MsChap2 { ident: 1, challenge: [1; 16], peer_challenge: [2; 16], nt_response: [3; 24] };
        let pap = Proof::Pap(Secret::new("x"));
        for proof in [Some(&eap), Some(&v2), Some(&pap), None] {
            assert!(Services::Vpn.take(Service::Vpn, proof) && Services::VpnAndIpsec.take(Service::Vpn, proof));
            assert!(!Services::Vpn.take(LOGIN, proof));
            assert_eq!(Services::VpnAndIpsec.take(LOGIN, proof), proof == Some(&eap));
        }
    }
}
