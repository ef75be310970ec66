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
