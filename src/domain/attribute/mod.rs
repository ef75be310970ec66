//! Reply attributes: what an Access-Accept says of a router, a group or an account beside what radgram says by itself.
//!
//! They are checked when they are entered and when they are read, so that a reply is only put together from octets.

mod shape;

use crate::dictionary::{Definition, Dictionary, Kind, Tagging, ValueError};
use crate::text::one_line;

use super::id::{AccountId, GroupId, RouterId};

/// Octets of a packet that the attributes of one router, group or account may take. Three such levels (3072) and what
/// radgram itself says (under 500) fit into a packet of 4096 (RFC 2865 §3), with room for a request's Proxy-State.
pub const LEVEL_BYTES: usize = 1_024;
/// Type and length of an attribute (RFC 2865 §5), and of a vendor's inside it: type, length, vendor, type, length (§5.26).
const HEAD_BYTES: usize = 2;
const VENDOR_HEAD_BYTES: usize = 8;
const MICROSOFT: u32 = 311;
const MIKROTIK: u32 = 14_988;
const ASCEND: u32 = 529;

/// Whose reply attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Every log-in on a router.
    Router(RouterId),
    /// The accounts of a group.
    Group(GroupId),
    /// One account.
    Account(AccountId),
}

impl Subject {
    /// The level's word in SQL.
    pub const fn level(self) -> &'static str {
        match self {
            Self::Router(_) => "router",
            Self::Group(_) => "group",
            Self::Account(_) => "account",
        }
    }

    /// The row of the level.
    pub const fn row(self) -> i64 {
        match self {
            Self::Router(id) => id.0,
            Self::Group(id) => id.0,
            Self::Account(id) => id.0,
        }
    }
}

/// Why an attribute is not taken. The texts repeat no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttributeRefused {
    /// The dictionary does not have the name.
    #[error("{0}: no attribute has this name; expected one like Framed-IP-Address or Mikrotik-Rate-Limit")]
    Unknown(String),
    /// radgram says it by itself, or an Access-Accept does not carry it.
    #[error("{name} cannot be set: {why}")]
    Reserved {
        /// The attribute.
        name: &'static str,
        /// Who sets it, or where it belongs.
        why: &'static str,
    },
    /// Not a value of the attribute.
    #[error("{name}: expected {expected}")]
    Value {
        /// The attribute.
        name: &'static str,
        /// What it takes.
        expected: String,
    },
    /// The same twice.
    #[error("{0} stands twice with the same value")]
    Repeated(&'static str),
    /// Together they are too long.
    #[error("the attributes need {0} octets of the packet; expected at most {LEVEL_BYTES}")]
    TooMany(usize),
}

/// One attribute of an Access-Accept, as octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyAttribute {
    definition: &'static Definition,
    octets: Vec<u8>,
}

impl ReplyAttribute {
    /// From what an operator writes. A tag (RFC 2868 §3.1) stands before the value or behind the name: `Tunnel-Type` and
    /// `:1:L2TP`, or `Tunnel-Type:1` and `L2TP`.
    ///
    /// # Errors
    /// No such attribute, one that cannot be set, or a value that it does not take.
    pub fn parse(name: &str, value: &str) -> Result<Self, AttributeRefused> {
        let (bare, tag) = bare_name(name);
        let tagged = tag.map(|tag| format!(":{tag}:{}", value.trim()));
        let attribute = Self::stored(bare, tagged.as_deref().unwrap_or(value))?;
        if tag.is_some() && attribute.definition.tagging == Tagging::Untagged {
            return Err(AttributeRefused::Unknown(one_line(name)));
        }
        match shape::unlike(attribute.vendor(), attribute.number(), value.trim()) {
            Some(expected) => Err(AttributeRefused::Value { name: attribute.name(), expected: expected.to_owned() }),
            None => Ok(attribute),
        }
    }

    /// From what was written once: its type is looked at, but not how a router reads it, for what was taken then must not
    /// keep anybody out now.
    ///
    /// # Errors
    /// As [`ReplyAttribute::parse`].
    pub fn stored(name: &str, value: &str) -> Result<Self, AttributeRefused> {
        let unknown = || AttributeRefused::Unknown(one_line(name));
        let definition = Dictionary::current().named(name.trim()).ok_or_else(unknown)?;
        if let Some(why) = reserved(definition) {
            return Err(AttributeRefused::Reserved { name: &definition.name, why });
        }
        let value = value.trim();
        let wrong = |expected: String| AttributeRefused::Value { name: &definition.name, expected };
        if let Some(expected) = unlike(definition, value) {
            return Err(wrong(expected.to_owned()));
        }
        let octets = definition.encode(value).map_err(|error| match error {
            ValueError::Shape { .. } => wrong(definition.expected()),
            ValueError::TooLong { max_bytes, .. } => {
                wrong(format!("at most {max_bytes} octets; a value is not spread over several attributes"))
            }
            ValueError::Hidden { .. } => AttributeRefused::Reserved { name: &definition.name, why: HIDDEN },
        })?;
        Ok(Self { definition, octets })
    }

    /// Its name, as the dictionary spells it.
    pub fn name(&self) -> &'static str {
        &self.definition.name
    }

    /// Its value as text.
    pub fn value(&self) -> String {
        self.definition.decode(&self.octets)
    }

    /// The vendor's number; `None` for an attribute of the RFCs.
    pub const fn vendor(&self) -> Option<u32> {
        self.definition.vendor
    }

    /// Its number, of the vendor if there is one.
    pub const fn number(&self) -> u8 {
        self.definition.number
    }

    /// Its value: 1 to 253 octets, 247 for a vendor's.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// What it takes of a packet.
    pub fn packet_bytes(&self) -> usize {
        self.octets.len() + if self.vendor().is_some() { VENDOR_HEAD_BYTES } else { HEAD_BYTES }
    }

    /// Whether RouterOS changes it of a running connection, by a CoA-Request: its manual's list. Addresses, pools, routes
    /// and Mikrotik-Address-List are not on it.
    pub const fn is_changeable(&self) -> bool {
        match (self.vendor(), self.number()) {
            // Filter-Id, Idle-Timeout, Port-Limit; Session-Timeout is never an operator's.
            (None, number) => matches!(number, 11 | 28 | 62),
            // Recv-Limit, Xmit-Limit, Group, Rate-Limit, Mark-Id, Advertise-URL, Advertise-Interval.
            (Some(MIKROTIK), number) => matches!(number, 1..=3 | 8 | 11..=13),
            // Ascend-Data-Rate, Ascend-Xmit-Rate.
            (Some(ASCEND), number) => matches!(number, 197 | 255),
            (Some(_), _) => false,
        }
    }

    fn is_of_the_name_of(&self, other: &Self) -> bool {
        (self.vendor(), self.number()) == (other.vendor(), other.number())
    }
}

/// The reply attributes of one router, group or account, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReplyAttributes(Vec<ReplyAttribute>);

impl ReplyAttributes {
    /// From what an operator writes, name and value each.
    ///
    /// # Errors
    /// The first that is not taken, or all are too long.
    pub fn parse<N: AsRef<str>, V: AsRef<str>>(written: &[(N, V)]) -> Result<Self, AttributeRefused> {
        Self::default().changed(written)
    }

    /// What an operator writes in place of these. What stands here already is not looked at again: it may be older than
    /// what is looked at, and another line is meant.
    ///
    /// # Errors
    /// As [`ReplyAttributes::parse`].
    pub fn changed<N: AsRef<str>, V: AsRef<str>>(&self, written: &[(N, V)]) -> Result<Self, AttributeRefused> {
        let mut attributes: Vec<ReplyAttribute> = Vec::with_capacity(written.len());
        for (name, value) in written {
            let (name, value) = (name.as_ref(), value.as_ref());
            let here = || ReplyAttribute::stored(name, value).ok().filter(|attribute| self.0.contains(attribute));
            let attribute = ReplyAttribute::parse(name, value).or_else(|refused| here().ok_or(refused))?;
            if attributes.contains(&attribute) {
                return Err(AttributeRefused::Repeated(attribute.name()));
            }
            attributes.push(attribute);
        }
        Self(attributes).fitting()
    }

    /// From attributes that were checked one by one.
    pub const fn of(attributes: Vec<ReplyAttribute>) -> Self {
        Self(attributes)
    }

    /// These, if they are not too long.
    ///
    /// # Errors
    /// They are.
    pub fn fitting(self) -> Result<Self, AttributeRefused> {
        match self.packet_bytes() {
            0..=LEVEL_BYTES => Ok(self),
            more => Err(AttributeRefused::TooMany(more)),
        }
    }

    /// All, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, ReplyAttribute> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What they take of a packet.
    pub fn packet_bytes(&self) -> usize {
        self.0.iter().map(ReplyAttribute::packet_bytes).sum()
    }

    /// Whether one of the name of `attribute` is among them.
    pub fn has_name_of(&self, attribute: &ReplyAttribute) -> bool {
        self.0.iter().any(|own| own.is_of_the_name_of(attribute))
    }

    /// These, and of the farther level those whose names these do not have: the nearest wins, name by name.
    pub fn before<'a>(&'a self, farther: &'a Self) -> impl Iterator<Item = &'a ReplyAttribute> {
        self.0.iter().chain(farther.0.iter().filter(|attribute| !self.has_name_of(attribute)))
    }
}

/// Whether what a level says is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// It is.
    Said,
    /// A nearer level has the name.
    Overruled,
}

/// What each level says, the nearest first, and whether it is said: for whoever asks why a tunnel got what it got.
pub fn weighed<'a, L: Copy>(levels: &[(L, &'a ReplyAttributes)]) -> Vec<(L, &'a ReplyAttribute, Holds)> {
    let mut all = Vec::new();
    for (at, (level, own)) in levels.iter().enumerate() {
        let nearer = levels.get(..at).unwrap_or_default();
        for attribute in own.iter() {
            let is_overruled = nearer.iter().any(|(_, nearer)| nearer.has_name_of(attribute));
            all.push((*level, attribute, if is_overruled { Holds::Overruled } else { Holds::Said }));
        }
    }
    all
}

impl<'a> IntoIterator for &'a ReplyAttributes {
    type Item = &'a ReplyAttribute;
    type IntoIter = std::slice::Iter<'a, ReplyAttribute>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

const HIDDEN: &str = "it is a secret that travels hidden, and what is set here is neither sealed nor hidden";
const OF_REQUESTS: &str = "it belongs to requests; an Access-Accept does not carry it (RFC 2865 §5.44)";
const OF_ACCOUNTING: &str = "it belongs to accounting; an Access-Accept does not carry it (RFC 2866 §5.13)";
const SIGNATURE: &str = "radgram sets it itself: it signs the packet";
const OF_EXCHANGE: &str = "radgram sets it itself: it ties an answer to its request";

/// Why operators cannot set an attribute; `None` for those that they can.
pub(super) const fn reserved(definition: &Definition) -> Option<&'static str> {
    match (definition.vendor, definition.number) {
        (None, number) => reserved_by_rfc(number),
        // MS-Primary-DNS-Server and its three neighbours say nothing of the log-in.
        (Some(MICROSOFT), 28..=31) => None,
        (Some(MICROSOFT), _) => Some("radgram sets MS-CHAP and MPPE itself, by how the password was proven"),
        (Some(MIKROTIK), 7 | 16 | 20) => Some("it is a key of wireless log-ins, and what is set here is not sealed"),
        (Some(_), _) => None,
    }
}

const fn reserved_by_rfc(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "radgram decides whose log-in it is",
        6 | 7 => "radgram sets it itself: a VPN log-in is always Framed and PPP",
        24 | 33 => OF_EXCHANGE,
        25 => "radgram sets it itself: accounting finds the session by it",
        26 => "name the vendor's attribute itself, like Mikrotik-Rate-Limit",
        27 => "radgram sets it itself: it is what is left of the session (session_hours, allowed_hours)",
        29 => "radgram decides what follows Session-Timeout",
        85 => "radgram sets it itself: it is the setting interim_seconds",
        79 | 80 => SIGNATURE,
        2..=5 | 30..=32 | 60 | 61 | 70..=75 | 77 | 84 | 87 | 95 => OF_REQUESTS,
        40..=53 | 55 | 68 | 86 | 101 => OF_ACCOUNTING,
        _ => return None,
    })
}

/// What is expected instead of a value that is none, or that would deceive who reads it.
fn unlike(definition: &Definition, value: &str) -> Option<&'static str> {
    if value.is_empty() || definition.kind == Kind::Octets && value == "0x" {
        return Some("a value");
    }
    if definition.kind == Kind::Text && value.contains(char::is_control) {
        return Some("text without control characters");
    }
    None
}

/// The name without the tag that it may be written with, and the tag: `Tunnel-Type:1` (RFC 2868 §3.1).
pub fn bare_name(name: &str) -> (&str, Option<&str>) {
    let name = name.trim();
    name.split_once(':').map_or((name, None), |(bare, tag)| (bare, Some(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(name: &str, value: &str, says: &str) {
        let refused = ReplyAttribute::parse(name, value).unwrap_err().to_string();
        assert!(refused.contains(says), "{refused}");
    }

    fn of(pairs: &[(&str, &str)]) -> ReplyAttributes {
        ReplyAttributes::parse(pairs).unwrap()
    }

    #[test]
    fn what_is_written_is_octets_and_back() {
        let address = ReplyAttribute::parse(" framed-ip-address ", " 10.8.0.5 ").unwrap();
        assert_eq!((address.name(), address.value().as_str()), ("Framed-IP-Address", "10.8.0.5"));
        assert_eq!((address.vendor(), address.number(), address.octets()), (None, 8, &[10, 8, 0, 5][..]));
        assert_eq!(address.packet_bytes(), 6);
        let group = ReplyAttribute::parse("Mikrotik-Group", "staff").unwrap();
        assert_eq!((group.vendor(), group.number(), group.packet_bytes()), (Some(14_988), 3, 13));
    }

    #[test]
    fn a_value_that_does_not_fit_says_what_does() {
        refused("Framed-IP-Address", "ten", "Framed-IP-Address: expected an address like 192.0.2.1");
        refused("Idle-Timeout", "soon", "Idle-Timeout: expected a number");
        refused("Mikrotik-Rate-Limit", "fast", "Mikrotik-Rate-Limit: expected rx[/tx]");
        refused("Mikrotik-Group", "", "expected a value");
        refused("Filter-Id", "a\nb", "without control characters");
        refused("Mikrotik-Group", &"x".repeat(248), "at most 247 octets");
        refused("No-Such", "1", "No-Such: no attribute has this name");
    }

    #[test]
    fn what_a_running_connection_can_be_changed_to_is_the_list_of_the_manual() {
        let is_changeable = |name: &str, value: &str| ReplyAttribute::parse(name, value).unwrap().is_changeable();
        for (name, value) in [
            ("Mikrotik-Group", "staff"),
            ("Mikrotik-Recv-Limit", "1"),
            ("Mikrotik-Xmit-Limit", "1"),
            ("Mikrotik-Rate-Limit", "1M"),
            ("Ascend-Data-Rate", "1"),
            ("Ascend-Xmit-Rate", "1"),
            ("Mikrotik-Mark-Id", "x"),
            ("Filter-Id", "a.in"),
            ("Mikrotik-Advertise-URL", "x"),
            ("Mikrotik-Advertise-Interval", "1"),
            ("Idle-Timeout", "60"),
            ("Port-Limit", "1"),
        ] {
            assert!(is_changeable(name, value), "{name}");
        }
        for (name, value) in [
            ("Framed-IP-Address", "10.8.0.5"),
            ("Framed-Pool", "vpn"),
            ("Framed-Route", "10.9.0.0/16"),
            ("Mikrotik-Address-List", "vpn"),
            ("Mikrotik-Total-Limit", "1"),
            ("Mikrotik-Xmit-Limit-Gigawords", "1"),
        ] {
            assert!(!is_changeable(name, value), "{name}");
        }
    }

    #[test]
    fn what_was_taken_once_is_still_read() {
        for (name, value) in [("Mikrotik-Rate-Limit", "fast"), ("Filter-Id", "two words"), ("Framed-MTU", "8")] {
            assert!(ReplyAttribute::parse(name, value).is_err());
            assert_eq!(ReplyAttribute::stored(name, value).map(|one| one.value()).as_deref(), Ok(value));
        }
        assert!(ReplyAttribute::stored("Framed-MTU", "small").is_err());
        // Whoever changes another line need not mend it.
        let before = ReplyAttributes::of(vec![ReplyAttribute::stored("Filter-Id", "two words").unwrap()]);
        let both = [("Filter-Id", "two words"), ("Idle-Timeout", "60")];
        assert_eq!(before.changed(&both).map(|both| both.iter().count()), Ok(2));
        assert!(before.changed(&[("Filter-Id", "other words")]).is_err() && ReplyAttributes::parse(&both).is_err());
    }

    #[test]
    fn a_tag_is_written_before_the_value_or_behind_the_name() {
        let tagged = ReplyAttribute::parse("Tunnel-Type", ":1:L2TP").unwrap();
        assert_eq!(tagged.octets(), [1, 0, 0, 3]);
        assert_eq!(ReplyAttribute::parse("tunnel-type:1", " L2TP "), Ok(tagged.clone()));
        assert_eq!((tagged.name(), tagged.value().as_str()), ("Tunnel-Type", ":1:L2TP"));
        refused("Tunnel-Type:32", "L2TP", "like :1:");
        refused("Tunnel-Type", "carrier pigeon", "or one of PPTP, L2F, L2TP");
        refused("Filter-Id:1", "a.in", "no attribute has this name");
        // Two tunnels to choose from are two of one name.
        let two = of(&[("Tunnel-Type:1", "L2TP"), ("Tunnel-Type:2", "PPTP")]);
        assert_eq!(of(&[("Tunnel-Type", "GRE")]).before(&two).count(), 1);
    }

    #[test]
    fn what_radgram_says_itself_is_refused_with_the_reason() {
        for (name, why) in [
            ("Session-Timeout", "session_hours"),
            ("Class", "accounting finds the session"),
            ("Message-Authenticator", "signs"),
            ("MS-MPPE-Send-Key", "MPPE"),
            ("MS-CHAP2-Success", "MS-CHAP"),
            ("Acct-Interim-Interval", "interim_seconds"),
            ("Service-Type", "always Framed"),
            ("Framed-Protocol", "PPP"),
            ("User-Name", "whose log-in"),
            ("State", "ties an answer"),
            ("Proxy-State", "ties an answer"),
            ("EAP-Message", "signs"),
            ("User-Password", "requests"),
            ("NAS-Port-Type", "requests"),
            ("Acct-Session-Id", "accounting"),
            ("Vendor-Specific", "Mikrotik-Rate-Limit"),
            ("Tunnel-Password", "neither sealed nor hidden"),
            ("Mikrotik-Wireless-PSK", "wireless"),
        ] {
            refused(name, "1", why);
        }
        assert!(ReplyAttribute::parse("MS-Primary-DNS-Server", "192.0.2.1").is_ok());
    }

    #[test]
    fn every_attribute_of_the_dictionary_is_taken_or_refused_and_never_panics() {
        for definition in Dictionary::embedded().definitions() {
            for value in [
                "1",
                "0x01",
                "192.0.2.1",
                "2001:db8::/56",
                "2001:db8::1",
                "x",
                "10M/10M",
                ":1:3",
                ":2:x",
                "0:0:0:1",
                "",
            ] {
                let Ok(read) = ReplyAttribute::parse(&definition.name, value) else { continue };
                for again in [ReplyAttribute::parse, ReplyAttribute::stored] {
                    assert_eq!(again(read.name(), &read.value()), Ok(read.clone()), "{} {value}", definition.name);
                }
            }
        }
    }

    #[test]
    fn the_nearest_wins_name_by_name() {
        let account = of(&[("Mikrotik-Group", "vip"), ("Framed-Route", "10.1.0.0/24 0.0.0.0 1")]);
        let router =
            of(&[("Mikrotik-Group", "all"), ("Filter-Id", "office.in"), ("Framed-Route", "10.2.0.0/24 0.0.0.0 1")]);
        let all: Vec<String> = account.before(&router).map(|a| format!("{}={}", a.name(), a.value())).collect();
        assert_eq!(all, ["Mikrotik-Group=vip", "Framed-Route=10.1.0.0/24 0.0.0.0 1", "Filter-Id=office.in"]);
    }

    #[test]
    fn what_a_farther_level_says_in_vain_is_shown_as_such() {
        let account = of(&[("Mikrotik-Group", "vip")]);
        let group = of(&[("Mikrotik-Group", "staff"), ("Idle-Timeout", "600")]);
        let router = of(&[("Idle-Timeout", "60"), ("Mikrotik-Group", "all"), ("Filter-Id", "office.in")]);
        let levels = [("account", &account), ("group", &group), ("router", &router)];
        let all: Vec<_> = weighed(&levels).into_iter().map(|(level, one, holds)| (level, one.value(), holds)).collect();
        let expected = [
            ("account", "vip", Holds::Said),
            ("group", "staff", Holds::Overruled),
            ("group", "600", Holds::Said),
            ("router", "60", Holds::Overruled),
            ("router", "all", Holds::Overruled),
            ("router", "office.in", Holds::Said),
        ];
        assert_eq!(all, expected.map(|(level, value, holds)| (level, value.to_owned(), holds)));
        // What is said is what the three levels come to on the wire.
        let merged = ReplyAttributes::of(account.before(&group).cloned().collect());
        let said: Vec<_> = merged.before(&router).collect();
        let held = weighed(&levels).into_iter().filter(|(_, _, holds)| *holds == Holds::Said);
        assert_eq!(held.map(|(_, one, _)| one).collect::<Vec<_>>(), said);
    }

    #[test]
    fn a_level_has_a_limit() {
        let route = |n: usize| ("Framed-Route", format!("10.{n}.0.0/24 0.0.0.0 1"));
        let some: Vec<_> = (0..30).map(route).collect();
        assert!(ReplyAttributes::parse(&some).is_ok());
        let many: Vec<_> = (0..60).map(route).collect();
        let refused = ReplyAttributes::parse(&many).unwrap_err().to_string();
        assert!(refused.ends_with("expected at most 1024"), "{refused}");
        assert_eq!(
            ReplyAttributes::parse(&[("Filter-Id", "a.in"), ("filter-id", "a.in")]),
            Err(AttributeRefused::Repeated("Filter-Id"))
        );
    }
}
