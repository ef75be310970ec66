//! How a router's RouterOS API is reached, and how much of it is trusted.

use std::fmt;
use std::str::FromStr;

use crate::secret::Secret;

/// The port of the plain API (`/ip/service api`).
pub const PLAIN_PORT: u16 = 8728;
/// The port of the API over TLS (`/ip/service api-ssl`).
pub const TLS_PORT: u16 = 8729;
/// The most characters of a host name (RFC 1035 §2.3.4).
const HOST: usize = 253;
/// The most characters of a name in `/user`.
const USER: usize = 64;

/// The log-in to the API of one router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// Where.
    pub address: ApiAddress,
    /// Name in `/user`.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// Plain, or TLS and whose certificate is taken.
    pub trust: Trust,
    /// Whether a router that asks for the log-in of RouterOS before 6.43 gets it.
    pub old_log_in: OldLogIn,
}

/// Host and port of an API.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ApiAddress {
    /// An address or a DNS name.
    pub host: String,
    /// `None` is the usual port of plain or TLS.
    pub port: Option<u16>,
}

impl ApiAddress {
    /// The port, by what the connection is.
    pub fn port(&self, trust: &Trust) -> u16 {
        self.port.unwrap_or(match trust {
            Trust::Plain => PLAIN_PORT,
            Trust::Pinned(_) | Trust::Authority(_) => TLS_PORT,
        })
    }
}

impl fmt::Display for ApiAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match self.port {
            Some(port) => write!(formatter, "{host}:{port}"),
            None => formatter.write_str(&host),
        }
    }
}

impl FromStr for ApiAddress {
    type Err = &'static str;

    /// `192.0.2.1`, `192.0.2.1:8728`, `router.example`, `[2001:db8::1]:8729`, `2001:db8::1`.
    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected an address or name, with a port if it is not the usual one: 192.0.2.1:8729";
        let typed = typed.trim();
        let bare_v6 = typed.parse::<std::net::Ipv6Addr>().is_ok();
        let (host, port) = match typed.rsplit_once(':') {
            Some((host, port)) if !bare_v6 && !port.ends_with(']') => (host, Some(port)),
            _ => (typed, None),
        };
        let port = match port.map(str::parse::<u16>) {
            None => None,
            Some(Ok(port)) if port > 0 => Some(port),
            Some(_) => return Err(EXPECTED),
        };
        let host = match host.strip_prefix('[') {
            Some(inside) => {
                let host = inside.strip_suffix(']').ok_or(EXPECTED)?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| EXPECTED)?;
                host
            }
            None => host,
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || host.len() > HOST || !host.chars().all(is_name) {
            return Err(EXPECTED);
        }
        if host.contains(':') && host.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(EXPECTED);
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

/// Whose word is taken that it is the router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// No TLS: for a tunnel or a wire of one's own.
    Plain,
    /// TLS with the certificate of this SHA-256 fingerprint; `None` until an operator has compared it: nothing is sent
    /// before.
    Pinned(Option<Fingerprint>),
    /// TLS with a certificate of this authority, PEM. The certificate must name the host.
    Authority(String),
}

impl Trust {
    /// The word in SQL and forms.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Pinned(_) => "pinned",
            Self::Authority(_) => "authority",
        }
    }
}

/// SHA-256 of a certificate (DER).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    /// 64 hex digits in lower case, as `/certificate print` of RouterOS shows them.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl FromStr for Fingerprint {
    type Err = &'static str;

    /// 64 hex digits; colons and blanks between them do not count.
    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected a SHA-256 fingerprint: 64 hex digits, colons allowed";
        let digits: String = typed.chars().filter(|c| !matches!(c, ':' | ' ')).collect();
        if digits.len() != 64 || !digits.is_ascii() {
            return Err(EXPECTED);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| EXPECTED)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| EXPECTED)?;
        }
        Ok(Self(bytes))
    }
}

/// Whether the log-in of RouterOS before 6.43 is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OldLogIn {
    /// It is not: the router is told nothing more.
    #[default]
    Refused,
    /// It is.
    Allowed,
}

/// A name in `/user` as an operator types it.
///
/// # Errors
/// What is wrong, for whoever typed it.
pub fn api_user(typed: &str) -> Result<String, &'static str> {
    let name = typed.trim();
    if name.is_empty() || name.chars().count() > USER || name.chars().any(char::is_control) {
        return Err("expected a name of 1 to 64 characters, as in /user on the router");
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(typed: &str, shown: &str, port: Option<u16>) {
        let address: ApiAddress = typed.parse().unwrap();
        assert_eq!((address.to_string().as_str(), address.port), (shown, port));
    }

    #[test]
    fn addresses_are_read_as_typed() {
        check("192.0.2.1", "192.0.2.1", None);
        check(" 192.0.2.1:8728 ", "192.0.2.1:8728", Some(8728));
        check("router.example", "router.example", None);
        check("2001:db8::1", "[2001:db8::1]", None);
        check("[2001:db8::1]:9000", "[2001:db8::1]:9000", Some(9000));
        check("[2001:db8::1]", "[2001:db8::1]", None);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for typed in ["", ":8728", "host:0", "host:99999", "ho st", "http://x", "[1.2.3.4]:1", "[2001:db8::1"] {
            assert!(typed.parse::<ApiAddress>().is_err(), "{typed}");
        }
    }

    #[test]
    fn fingerprints_are_read_with_and_without_colons() {
        let plain = "ab".repeat(32);
        let colons = ["AB"; 32].join(":");
        assert_eq!(plain.parse(), Ok(Fingerprint([0xab; 32])));
        assert_eq!(colons.parse(), Ok(Fingerprint([0xab; 32])));
        assert_eq!(Fingerprint([0xab; 32]).to_string(), plain);
        assert!("ab".parse::<Fingerprint>().is_err());
        assert!("é".repeat(32).parse::<Fingerprint>().is_err());
    }
}
