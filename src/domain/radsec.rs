//! RadSec (RFC 6614): which certificate is whose router, and where what radgram asks of that router goes.
//!
//! A router that calls over TLS is its certificate, not its address (RFC 6614 §2.5): it may call from anywhere.

use super::api::Fingerprint;

/// The shared secret of every RadSec connection: TLS does its work (RFC 6614 §2.3). RouterOS forces it with
/// `protocol=radsec`.
pub const SECRET: &str = "radsec";
/// The port of RADIUS over TLS (RFC 6614 §2.1), the only one that RouterOS calls.
pub const PORT: u16 = 2083;
/// The most characters of a name in a certificate (RFC 1035 §2.3.4).
const NAME: usize = 253;

/// A certificate that was shown and proven, as far as it says who has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 of the whole.
    pub fingerprint: Fingerprint,
    /// Common name and alternative names (DNS, addresses), in lower case, in this order, each once.
    pub names: Vec<String>,
}

impl Certificate {
    /// Its first name, for people; empty if it has none.
    pub fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }
}

/// What certificate a router is known by; it must come from the client authority in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownBy {
    /// Exactly this one.
    Fingerprint(Fingerprint),
    /// Any that has this name, so that a renewed one needs no change here. In lower case.
    Name(String),
}

impl KnownBy {
    /// Whether this certificate is meant.
    pub fn is(&self, certificate: &Certificate) -> bool {
        match self {
            Self::Fingerprint(fingerprint) => *fingerprint == certificate.fingerprint,
            Self::Name(name) => certificate.names.contains(name),
        }
    }

    /// In words: `name vpn.example.com`, `fingerprint 0a1b…`.
    pub fn shown(&self) -> String {
        match self {
            Self::Fingerprint(fingerprint) => format!("fingerprint {fingerprint}"),
            Self::Name(name) => format!("name {name}"),
        }
    }
}

/// A name in a certificate as an operator types it: 1 to 253 characters, taken in lower case.
///
/// # Errors
/// What is wrong, for whoever typed it.
pub fn certificate_name(typed: &str) -> Result<String, &'static str> {
    let name = typed.trim().to_lowercase();
    if name.is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control) {
        return Err("expected a name of 1 to 253 characters, as it stands in the router's certificate");
    }
    Ok(name)
}

/// Where Disconnect- and CoA-Requests to a router go that asks over RadSec: whether RouterOS takes them over the connection
/// is not documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orders {
    /// Over the connection; if there is none, or no answer, by UDP with the secret of RadSec.
    ConnectionThenUdp,
    /// Over the connection alone: UDP does not reach the router.
    Connection,
    /// By UDP alone, with the secret of RadSec.
    Udp,
}

impl Orders {
    /// All, in the order of the setting.
    pub const ALL: [Orders; 3] = [Self::ConnectionThenUdp, Self::Connection, Self::Udp];

    /// The word in the setting.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ConnectionThenUdp => "connection_then_udp",
            Self::Connection => "connection",
            Self::Udp => "udp",
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|orders| orders.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(names: &[&str]) -> Certificate {
        Certificate { fingerprint: Fingerprint([7; 32]), names: names.iter().map(|name| (*name).to_owned()).collect() }
    }

    #[test]
    fn a_router_is_its_certificate() {
        let shown = certificate(&["office", "vpn.example.com"]);
        assert!(KnownBy::Fingerprint(Fingerprint([7; 32])).is(&shown));
        assert!(!KnownBy::Fingerprint(Fingerprint([8; 32])).is(&shown));
        let named = |typed| KnownBy::Name(certificate_name(typed).unwrap());
        assert!(named("Office").is(&shown) && named(" VPN.example.com ").is(&shown));
        for other in ["offic", "office2", "example.com", "*", "*.example.com"] {
            assert!(!named(other).is(&shown), "{other}");
        }
        assert!(!named("office").is(&certificate(&[])));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for typed in ["", "  ", "a\nb", &"x".repeat(254)] {
            assert!(certificate_name(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn the_setting_knows_every_word() {
        let setting = crate::domain::setting::Setting::named("radsec_disconnects").unwrap();
        for orders in Orders::ALL {
            assert_eq!(setting.accept(orders.word()).as_deref(), Ok(orders.word()));
            assert_eq!(Orders::from_word(orders.word()), Some(orders));
        }
    }
}
