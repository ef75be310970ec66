//! Why a router's API does not do what is asked, as pages say it: what, what to do, and what to type on the router.

use crate::domain::api::{Fingerprint, Trust};
use crate::domain::router::Router;
use crate::gate::router_api::ApiFault;
use crate::text::one_line;

/// What gives `api-ssl` a certificate. The name is ours: another certificate of the router is left alone.
const MAKE_CERTIFICATE: &str = "/certificate add name=radgram-api common-name=radgram-api key-usage=digital-signature,key-encipherment,tls-server\n\
    /certificate sign radgram-api\n\
    /ip service set api-ssl certificate=radgram-api disabled=no";

/// What shows the certificate of `api-ssl` and its fingerprint.
const SHOW_CERTIFICATE: &str = "/ip service print detail where name=api-ssl\n/certificate print detail";

/// Why something was not done over the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct Trouble {
    /// What, in a few words.
    pub(in crate::web) what: String,
    /// What helps, in a sentence; empty where the words say it all.
    pub(in crate::web) advice: &'static str,
    /// What is typed on the router; empty if nothing is.
    pub(in crate::web) commands: &'static str,
    /// The certificate that is to be compared.
    pub(in crate::web) certificate: Option<Certificate>,
}

/// A certificate that the router shows and nobody has said yes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct Certificate {
    /// Its SHA-256 fingerprint.
    pub(in crate::web) shown: Fingerprint,
    /// The one that was trusted before.
    pub(in crate::web) before: Option<Fingerprint>,
}

impl Trouble {
    /// The fault of this router.
    pub(in crate::web) fn of(fault: &ApiFault, router: &Router) -> Self {
        let before = match router.api.as_ref().map(|api| &api.trust) {
            Some(Trust::Pinned(before)) => *before,
            Some(Trust::Plain | Trust::Authority(_)) | None => None,
        };
        let certificate =
            if let ApiFault::NotTrusted(shown) = fault { Some(Certificate { shown: *shown, before }) } else { None };
        Self { what: brief(fault), advice: advice(fault, before.is_some()), commands: commands(fault), certificate }
    }
}

/// A fault in a few words, without what to type.
pub(in crate::web) fn brief(fault: &ApiFault) -> String {
    match fault {
        ApiFault::NoCertificate => "the router's api-ssl service has no certificate".to_owned(),
        ApiFault::NotTrusted(_) => "the router shows a certificate that is not trusted".to_owned(),
        ApiFault::Forbidden(what) => format!("the API user may not do this: {}", one_line(what)),
        ApiFault::OldLogIn => "the router asks for the log-in of RouterOS before 6.43".to_owned(),
        ApiFault::Off
        | ApiFault::Unreachable(_)
        | ApiFault::LogIn(_)
        | ApiFault::NoMenu(_)
        | ApiFault::Gone(_)
        | ApiFault::Ambiguous(_)
        | ApiFault::Refused(_) => one_line(&fault.to_string()),
    }
}

const fn advice(fault: &ApiFault, was_trusted: bool) -> &'static str {
    match fault {
        ApiFault::Off => "An owner gives it on the page “API”.",
        ApiFault::Unreachable(_) => {
            "It is tried again by itself. Look whether the address and the port are right, whether the service is on and lets \
             this machine in (its address list), and whether the firewall does."
        }
        ApiFault::NoCertificate => "Type this on the router, then test again:",
        ApiFault::NotTrusted(_) if was_trusted => {
            "It is another certificate than the one that was trusted. If nobody has changed it on the router, somebody stands \
             between radgram and the router: do not trust it then. Nothing is sent until you do."
        }
        ApiFault::NotTrusted(_) => {
            "Compare it with the router's own before you trust it. Nothing is sent until you do."
        }
        ApiFault::LogIn(_) => {
            "Look whether the name and the password are those of the router's /user, and whether the user may log in from \
             this machine (its address list)."
        }
        ApiFault::OldLogIn => "Better update the router. If you cannot, an owner allows that log-in on the page “API”.",
        ApiFault::Forbidden(_) => {
            "The group of the API user needs the policies api, read and write, and sensitive to see passwords."
        }
        ApiFault::NoMenu(_) | ApiFault::Gone(_) | ApiFault::Ambiguous(_) | ApiFault::Refused(_) => "",
    }
}

const fn commands(fault: &ApiFault) -> &'static str {
    match fault {
        ApiFault::NoCertificate => MAKE_CERTIFICATE,
        ApiFault::NotTrusted(_) => SHOW_CERTIFICATE,
        ApiFault::Unreachable(_) => "/ip service print detail where name~\"api\"",
        ApiFault::LogIn(_) => "/user print detail",
        ApiFault::Forbidden(_) => "/user group print detail",
        ApiFault::Off
        | ApiFault::OldLogIn
        | ApiFault::NoMenu(_)
        | ApiFault::Gone(_)
        | ApiFault::Ambiguous(_)
        | ApiFault::Refused(_) => "",
    }
}

impl Certificate {
    /// The fingerprint in groups that can be read aloud.
    pub(in crate::web) fn groups(&self) -> Vec<String> {
        groups(&self.shown)
    }

    /// The same of the one that was trusted before; empty if none was.
    pub(in crate::web) fn groups_before(&self) -> Vec<String> {
        self.before.as_ref().map(groups).unwrap_or_default()
    }
}

/// A fingerprint in groups that can be read aloud.
pub(in crate::web) fn groups(fingerprint: &Fingerprint) -> Vec<String> {
    fingerprint.to_string().as_bytes().chunks(8).map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_shown_in_groups() {
        let certificate = Certificate { shown: Fingerprint([0xab; 32]), before: None };
        assert_eq!(certificate.groups(), vec!["abababab"; 8]);
        assert!(certificate.groups_before().is_empty());
    }

    #[test]
    fn a_routers_words_stay_on_one_line() {
        assert_eq!(brief(&ApiFault::Refused("no\nsuch\u{202e} thing".to_owned())), "the router refuses: no such thing");
    }
}
