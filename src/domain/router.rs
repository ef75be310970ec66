//! The router as an operator configures it, and the box behind it.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::api::{Api, Fingerprint};
use super::attribute::ReplyAttributes;
use super::home::Home;
use super::id::{NasId, RouterId};
use super::radsec::KnownBy;
use crate::clock::Timestamp;
use crate::secret::Secret;

/// The port RouterOS listens on for Disconnect and CoA (`/radius/incoming port`).
pub const COA_PORT: u16 = 3799;

/// A router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Router {
    /// The row.
    pub id: RouterId,
    /// Its name for people; unique.
    pub name: String,
    /// Where its packets come from; one address is a network of one.
    pub address: IpNet,
    /// The NAS-Identifier of its packets, where that tells it from others at the same address; `None` takes any that no
    /// other entry of the same network names.
    pub nas_identifier: Option<String>,
    /// The shared secret of RADIUS.
    pub secret: Secret,
    /// The one that it had before, as long as that is taken, too.
    pub old_secret: Option<OldSecret>,
    /// Where it takes Disconnect-Requests.
    pub coa_port: u16,
    /// What is demanded of an Access-Request.
    pub message_authenticator: Demand,
    /// Who decides about a dial.
    pub scheme: Scheme,
    /// Its API, where one is configured.
    pub api: Option<Api>,
    /// Whether confirmed connections get a lease.
    pub leases: Leases,
    /// Another number with each change of what stands above.
    pub version: i64,
    /// What an Access-Accept says on this router, unless the account or its group says otherwise.
    pub attributes: Arc<ReplyAttributes>,
    /// The RADIUS server that knows the passwords of accounts of source `user_manager` here, if there is one.
    pub home: Option<Arc<Home>>,
    /// The certificate that it is known by over RadSec; `None`: it asks over UDP alone.
    pub radsec: Option<KnownBy>,
}

/// A shared secret that is being replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldSecret {
    /// The secret.
    pub secret: Secret,
    /// Until when it is taken.
    pub until: Timestamp,
}

/// Which of the two secrets that a router has while one is being replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretAge {
    /// The one that it is to have.
    Current,
    /// The one that it had before.
    Old,
}

impl SecretAge {
    /// The word in SQL and lists.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Old => "old",
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Current, Self::Old].into_iter().find(|age| age.word() == word)
    }
}

/// The longest that an old secret is kept: a week, in hours. As long as it is taken it is worth stealing.
pub const OLD_SECRET_HOURS: u32 = 168;

impl Router {
    /// Whether a packet with this NAS-Identifier, empty if it has none, can be of this entry.
    pub fn takes(&self, identifier: &str) -> bool {
        self.nas_identifier.as_deref().is_none_or(|own| own == identifier)
    }

    /// The old secret, as long as it is taken.
    pub fn old_secret_at(&self, now: Timestamp) -> Option<&OldSecret> {
        self.old_secret.as_ref().filter(|old| now < old.until)
    }

    /// The secret that a box is spoken to with: the one that it was last seen to use, if that is still taken.
    pub fn secret_of(&self, nas: &Nas, now: Timestamp) -> &Secret {
        match (nas.secret.map(|seen| seen.age), self.old_secret_at(now)) {
            (Some(SecretAge::Old), Some(old)) => &old.secret,
            (Some(SecretAge::Old | SecretAge::Current) | None, _) => &self.secret,
        }
    }
}

/// Who decides about a dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// The router asks us over RADIUS.
    Radius,
    /// The router decides by its own accounts, which we enable and disable over its API.
    Api,
}

impl Scheme {
    /// All, in the order of forms.
    pub const ALL: [Scheme; 2] = [Self::Radius, Self::Api];

    /// The word in SQL and forms.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Radius => "radius",
            Self::Api => "api",
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.word() == word)
    }
}

/// Whether confirmed connections get a lease: their tunnel address in the address list `radgram`, which the router's
/// firewall lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Leases {
    /// The firewall does not ask for leases.
    #[default]
    Off,
    /// It does.
    On,
}

impl Leases {
    /// The word in forms.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
        }
    }
}

/// Whether an Access-Request must carry a Message-Authenticator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Demanded for good of a nas that was once seen to send one.
    Auto,
    /// Always.
    Require,
    /// Never (RouterOS before 7.15 sends none).
    Off,
}

impl Demand {
    /// All, in the order of forms.
    pub const ALL: [Demand; 3] = [Self::Auto, Self::Require, Self::Off];

    /// The word in SQL and forms.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Require => "require",
            Self::Off => "off",
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|demand| demand.word() == word)
    }
}

/// One real box behind a router entry, as its packets name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NasKey {
    /// The router entry.
    pub router: RouterId,
    /// Source address of its packets.
    pub address: IpAddr,
    /// NAS-Identifier (RouterOS: `/system/identity`), empty if not given.
    pub identifier: String,
}

/// A nas and what is remembered of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nas {
    /// The row.
    pub id: NasId,
    /// Its names.
    pub key: NasKey,
    /// Whether it has ever sent a valid Message-Authenticator.
    pub signs: Signs,
    /// The certificate that it last showed over RadSec, if it ever called so.
    pub certificate: Option<Fingerprint>,
    /// Which secret it was last seen to use, noted while its router has two; `None`: not seen since the secret changed.
    pub secret: Option<SecretSeen>,
}

/// Which secret a box was seen to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretSeen {
    /// Which.
    pub age: SecretAge,
    /// When, within some minutes; of the old one, at the change itself.
    pub at: Timestamp,
}

/// Whether a nas has been seen to send a Message-Authenticator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signs {
    /// Never seen.
    NotYet,
    /// Seen: with [`Demand::Auto`] nothing unsigned is taken any more.
    Seen,
}

/// An address or CIDR as an operator types it; host bits must be zero.
///
/// # Errors
/// What is wrong, for whoever typed it.
pub fn source_network(typed: &str) -> Result<IpNet, &'static str> {
    let typed = typed.trim();
    if let Ok(address) = typed.parse::<IpAddr>() {
        return Ok(IpNet::from(address.to_canonical()));
    }
    let network: IpNet =
        typed.parse().map_err(|_| "not an address or network; expected 192.0.2.1, 192.0.2.0/24 or 2001:db8::/64")?;
    if network.trunc() != network {
        return Err("the network has bits set behind its prefix; expected for example 192.0.2.0/24");
    }
    Ok(network)
}

/// A network as it is stored and shown: one address without its prefix length.
pub fn shown_network(network: IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() { network.addr().to_string() } else { network.to_string() }
}

/// A router with the NAS-Identifier that it is told apart by: `192.0.2.1`, or `192.0.2.1 as branch-7`.
pub fn shown_origin(network: IpNet, nas_identifier: Option<&str>) -> String {
    match nas_identifier {
        Some(identifier) => format!("{} as {}", shown_network(network), crate::text::one_line(identifier)),
        None => shown_network(network),
    }
}

/// A NAS-Identifier as an operator types it, at most 253 octets (RFC 2865 §5.32); empty is none.
///
/// # Errors
/// What is wrong, for whoever typed it.
pub fn nas_identifier(typed: &str) -> Result<Option<String>, &'static str> {
    const BYTES: usize = 253;
    let typed = typed.trim();
    if typed.len() > BYTES || typed.chars().any(char::is_control) {
        return Err("the NAS-Identifier must have at most 253 octets and no control characters");
    }
    Ok((!typed.is_empty()).then(|| typed.to_owned()))
}

/// A router's name: 1 to 64 characters, no control characters.
///
/// # Errors
/// What is wrong, for whoever typed it.
pub fn router_name(typed: &str) -> Result<String, &'static str> {
    let name = typed.trim();
    if name.is_empty() {
        return Err("the router's name is empty");
    }
    if name.chars().count() > 64 || name.chars().any(char::is_control) {
        return Err("the router's name must have at most 64 characters and no control characters");
    }
    Ok(name.to_owned())
}

/// A shared secret: 1 to 128 bytes.
///
/// # Errors
/// What is wrong, for whoever typed it.
pub fn shared_secret(typed: &str) -> Result<Secret, &'static str> {
    match typed.len() {
        0 => Err("the secret is empty"),
        1..=128 => Ok(Secret::new(typed)),
        _ => Err("the secret is longer than 128 bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_are_read() {
        assert_eq!(source_network("192.0.2.1").map(shown_network).as_deref(), Ok("192.0.2.1"));
        assert_eq!(source_network("192.0.2.0/24").map(shown_network).as_deref(), Ok("192.0.2.0/24"));
        assert_eq!(source_network("::1").map(shown_network).as_deref(), Ok("::1"));
        assert_eq!(source_network("::ffff:192.0.2.1").map(shown_network).as_deref(), Ok("192.0.2.1"));
        assert!(source_network("192.0.2.1/24").is_err());
        assert!(source_network("router").is_err());
    }
}
