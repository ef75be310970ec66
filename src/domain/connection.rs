//! The connection: one PPP connection as accounting reports it, and its presence.

use std::net::IpAddr;
use std::time::Duration;

use super::id::{ConnectionId, RouterId, SessionId};
use super::router::NasKey;
use crate::clock::Timestamp;
use crate::dictionary::Dictionary;

/// A later packet belongs to a connection if its computed start is within this of the start first written
/// (Acct-Session-Ids are used again by a router).
pub const SAME_START: Duration = Duration::from_secs(300);

/// Where a dial comes from: the caller of one router. The station is Calling-Station-Id as the router gave it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The router entry.
    pub router: RouterId,
    /// Calling-Station-Id: an address for L2TP, PPTP, SSTP, OpenVPN; a MAC for PPPoE.
    pub station: String,
}

impl Place {
    /// The station as an address, where it is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.station.parse().ok()
    }

    /// The station as people are shown it: at most 64 characters, more than any address or MAC has.
    pub fn shown(&self) -> String {
        self.station.chars().take(64).collect()
    }

    /// Whether both stations are addresses of the same /24 (IPv4) or /64 (IPv6).
    pub fn same_network(&self, other: &Place) -> bool {
        match (self.address(), other.address()) {
            (Some(IpAddr::V4(a)), Some(IpAddr::V4(b))) => a.to_bits() >> 8 == b.to_bits() >> 8,
            (Some(IpAddr::V6(a)), Some(IpAddr::V6(b))) => a.to_bits() >> 64 == b.to_bits() >> 64,
            _ => false,
        }
    }
}

/// Whether it is known that the person themselves holds the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Nobody was asked (yet).
    NotAsked,
    /// The person was asked and may answer until then.
    Asked {
        /// The deadline.
        until: Timestamp,
    },
    /// Confirmed, by an answer or by what was known before.
    Confirmed {
        /// When.
        at: Timestamp,
    },
}

/// What an accounting packet reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// The connection is up.
    Start,
    /// It is still up.
    Interim,
    /// It went down, with Acct-Terminate-Cause where given.
    Stop(Option<u32>),
}

/// The cause of an end as it is shown: a number is Acct-Terminate-Cause (RFC 2866 §5.10), and called as the dictionary calls
/// it. A number that it does not name stays one, and the words for ends that no router reported stay as they are.
pub fn shown_cause(stored: &str) -> String {
    let definition = Dictionary::current().named("Acct-Terminate-Cause");
    let named = stored.parse::<u32>().ok().zip(definition);
    named.map_or_else(|| stored.to_owned(), |(number, definition)| definition.decode(&number.to_be_bytes()))
}

/// One accounting record of a connection, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What is reported.
    pub report: Report,
    /// The box it comes from.
    pub nas: NasKey,
    /// Acct-Session-Id.
    pub acct_session_id: String,
    /// User-Name, raw.
    pub user_name: Vec<u8>,
    /// Class as it was in our Accept, raw; `None` if absent.
    pub class: Option<Vec<u8>>,
    /// Calling-Station-Id.
    pub station: Option<String>,
    /// NAS-IP-Address.
    pub nas_ip: Option<IpAddr>,
    /// Framed-IP-Address.
    pub framed_ip: Option<IpAddr>,
    /// Our address that the packet was sent to.
    pub server: Option<IpAddr>,
    /// Who authenticated.
    pub authentic: Authentic,
    /// When the packet arrived.
    pub arrived: Timestamp,
    /// Acct-Delay-Time: how old the news is.
    pub delay: Duration,
    /// Acct-Session-Time.
    pub lasted: Duration,
    /// Octets and packets so far.
    pub traffic: Traffic,
    /// Who says so.
    pub via: Via,
}

/// One accounting packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Start, Interim or Stop of a connection.
    Connection(Box<Record>),
    /// Accounting-On: the box begins anew.
    NasOn(NasKey, Timestamp),
    /// Accounting-Off: the box goes down.
    NasOff(NasKey, Timestamp),
}

/// Who reports a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The router, by RADIUS accounting.
    Radius,
    /// The list of connections of a router with scheme `api`: nobody asked us before.
    Api,
}

impl Via {
    /// The word in SQL.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Radius => "radius",
            Self::Api => "api",
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Radius, Self::Api].into_iter().find(|via| via.word() == word)
    }
}

impl Record {
    /// When the event itself happened.
    pub fn happened(&self) -> Timestamp {
        self.arrived - self.delay
    }

    /// The start of the connection as this packet implies it.
    pub fn started(&self) -> Timestamp {
        self.happened() - self.lasted
    }

    /// Whether this only goes on telling of the connection of which `first` told and then `last`, so that all three may be
    /// taken together: same connection, person and caller, and up to now it was running.
    pub fn goes_on_from(&self, first: &Record, last: &Record) -> bool {
        let is_same = self.nas == first.nas
            && self.acct_session_id == first.acct_session_id
            && self.started().since(first.started()).max(first.started().since(self.started())) <= SAME_START;
        let is_alike = (&self.user_name, &self.class, &self.station)
            == (&first.user_name, &first.class, &first.station)
            && (self.nas_ip, self.authentic, self.via) == (first.nas_ip, first.authentic, first.via);
        is_same && is_alike && !matches!(last.report, Report::Stop(_))
    }
}

/// Acct-Authentic (RFC 2866 §5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentic {
    /// By RADIUS, or not said.
    Radius,
    /// By a secret on the router itself.
    Local,
}

/// Counters, with Gigawords folded in; as the router names them (input is what it received).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Acct-Input-Octets.
    pub input_octets: u64,
    /// Acct-Output-Octets.
    pub output_octets: u64,
    /// Acct-Input-Packets.
    pub input_packets: u64,
    /// Acct-Output-Packets.
    pub output_packets: u64,
}

/// The digit of an Acct-Session-Id that RouterOS changes at each reboot: the third of eight hex digits. Only those of PPP
/// tell, which begin with 81: other services (IPsec) count for themselves, and one beside the other would look like a
/// router that is rebooted again and again.
pub fn reboot_digit(acct_session_id: &str) -> Option<char> {
    let hex = acct_session_id.len() == 8
        && acct_session_id.starts_with("81")
        && acct_session_id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hex { acct_session_id.chars().nth(2).map(|digit| digit.to_ascii_lowercase()) } else { None }
}

/// An open connection as the door needs it: for the limit of simultaneous connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenConnection {
    /// The row.
    pub id: ConnectionId,
    /// Its session.
    pub session: Option<SessionId>,
    /// Where it comes from.
    pub place: Option<Place>,
    /// Acct-Session-Id.
    pub acct_session_id: String,
    /// Start.
    pub started: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(station: &str) -> Place {
        Place { router: RouterId(1), station: station.to_owned() }
    }

    #[test]
    fn networks_are_compared_by_prefix() {
        assert!(place("203.0.113.7").same_network(&place("203.0.113.200")));
        assert!(!place("203.0.113.7").same_network(&place("203.0.114.7")));
        assert!(place("2001:db8::1").same_network(&place("2001:db8::ffff")));
        assert!(!place("AA:BB:CC:00:11:22").same_network(&place("AA:BB:CC:00:11:22")));
    }

    #[test]
    fn a_cause_is_called_as_the_dictionary_calls_it() {
        let check = |stored, expected| assert_eq!(shown_cause(stored), expected);
        check("1", "User-Request");
        check("2", "Lost-Carrier");
        check("18", "Host-Request");
        for unnamed in ["0", "99", "4294967295", "lost", "gone", "reboot", "unknown"] {
            check(unnamed, unnamed);
        }
    }

    #[test]
    fn the_reboot_digit_is_the_third() {
        assert_eq!(reboot_digit("81a00001"), Some('a'));
        assert_eq!(reboot_digit("81A00001"), Some('a'));
        assert_eq!(reboot_digit("81a0000"), None);
        assert_eq!(reboot_digit("86b00006"), None);
        assert_eq!(reboot_digit("Ж1a00001"), None);
    }
}
