//! Habits: what is peculiar to one router, as settings that hold for the system or for a router.

use std::time::Duration;

use super::access::Service;
use super::credential::Proof;
use super::home::Taken;
use super::policy::Found;
use super::radsec::Orders;

/// The words of a setting, one for each value.
macro_rules! words {
    ($kind:ident { $($value:ident = $word:literal),+ $(,)? }) => {
        impl $kind {
            /// The word of the setting.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }

            fn read(found: &Found, setting: &str) -> Self {
                let is_said = |value: &Self| value.word() == found.text(setting);
                [$(Self::$value),+].into_iter().find(is_said).expect("the setting is one of the words")
            }
        }
    };
}

/// What holds for a router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Habits {
    /// How long it waits for an answer: so long a held Access-Request may take.
    pub hold: Duration,
    /// Which log-ins are taken for those of a VPN.
    pub services: Services,
    /// What is taken of the answers of its home server.
    /// `None`: it names what no dictionary in force defines.
    pub home_attributes: Option<Taken>,
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

words! { SessionTimeout { Off = "off", FromStart = "from_start", FromNow = "from_now" } }
words! { Telling { OnDemand = "on_demand", AtOnce = "at_once" } }
words! { Signing { Auto = "auto", Yes = "yes", No = "no" } }
words! { Identification { Full = "full", WithoutNasAddress = "without_nas_address", SessionId = "session_id" } }
words! { NotFound { Gone = "gone", Unsure = "unsure" } }
words! { Services { Vpn = "vpn", VpnAndIpsec = "vpn_and_ipsec" } }

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
        Self {
            hold: found.seconds("hold_seconds", 1),
            services: Services::read(found, "services"),
            home_attributes: Taken::parse(found.text("home_attributes")).ok(),
            orders: Orders::from_word(found.text("radsec_disconnects")).expect("the setting is one of the words"),
            coa: CoaHabits::of(found),
        }
    }
}

impl CoaHabits {
    fn of(found: &Found) -> Self {
        Self {
            session_timeout: SessionTimeout::read(found, "coa_session_timeout"),
            attributes: Telling::read(found, "coa_attributes"),
            signing: Signing::read(found, "coa_message_authenticator"),
            identification: Identification::read(found, "coa_identification"),
            not_found: NotFound::read(found, "coa_not_found"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;
    use crate::domain::id::RouterId;
    use crate::domain::policy::Values;
    use crate::domain::setting::{Kind, Level, Setting};
    use crate::secret::Secret;

    /// What each word of a router's setting makes of its habits; all words, in the order of the setting.
    #[track_caller]
    fn check<T: Debug + PartialEq>(setting: &str, of: impl Fn(Habits) -> T, expected: &[(&str, T)]) {
        let Kind::Choice(words) = Setting::named(setting).unwrap().kind else { panic!("{setting} takes no words") };
        let read = |word: &&'static str| {
            let mut values = Values::default();
            values.insert(setting, Level::Router(7), (*word).to_owned());
            (*word, of(values.habits(Some(RouterId(7))).unwrap()))
        };
        assert_eq!(words.iter().map(read).collect::<Vec<_>>(), expected, "{setting}");
    }

    #[test]
    fn every_word_of_a_setting_is_a_habit_of_its_own() {
        check("services", |its| its.services, &[("vpn", Services::Vpn), ("vpn_and_ipsec", Services::VpnAndIpsec)]);
        check(
            "coa_session_timeout",
            |its| its.coa.session_timeout,
            &[
                ("off", SessionTimeout::Off),
                ("from_start", SessionTimeout::FromStart),
                ("from_now", SessionTimeout::FromNow),
            ],
        );
        check(
            "coa_attributes",
            |its| its.coa.attributes,
            &[("on_demand", Telling::OnDemand), ("at_once", Telling::AtOnce)],
        );
        check(
            "coa_message_authenticator",
            |its| its.coa.signing,
            &[("auto", Signing::Auto), ("yes", Signing::Yes), ("no", Signing::No)],
        );
        check(
            "coa_identification",
            |its| its.coa.identification,
            &[
                ("full", Identification::Full),
                ("without_nas_address", Identification::WithoutNasAddress),
                ("session_id", Identification::SessionId),
            ],
        );
        check("coa_not_found", |its| its.coa.not_found, &[("gone", NotFound::Gone), ("unsure", NotFound::Unsure)]);
        check(
            "radsec_disconnects",
            |its| its.orders,
            &[
                ("connection_then_udp", Orders::ConnectionThenUdp),
                ("connection", Orders::Connection),
                ("udp", Orders::Udp),
            ],
        );
    }

    #[test]
    fn where_nothing_is_set_the_habits_are_the_usual_ones() {
        assert_eq!(Values::default().habits(None).unwrap().coa, CoaHabits::default());
    }

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
