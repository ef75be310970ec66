//! Attributes: their numbers and one attribute's value (RFC 2865 §5, §5.26; vendor numbers of RFC 2548 and RouterOS).
//!
//! | octets | of an attribute | of a vendor attribute inside type 26 |
//! |---|---|---|
//! | 1 | type | 4: vendor id; then 1: vendor type |
//! | 1 | length, with these two octets: 2 to 255 | 1: vendor length, with these two |
//! | length − 2 | value | value |

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The first octet of an attribute. Unknown types survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttributeType(pub u8);

/// The vendor's number inside a Vendor-Specific attribute (an IANA enterprise number).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VendorId(pub u32);

/// A vendor's attribute: whose, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VendorType {
    /// The vendor.
    pub vendor: VendorId,
    /// The vendor's own number for it.
    pub number: u8,
}

impl VendorId {
    /// Microsoft: MS-CHAP and MPPE (RFC 2548).
    pub const MICROSOFT: Self = Self(311);
    /// MikroTik.
    pub const MIKROTIK: Self = Self(14988);
}

/// Names the numbers once, for the constants and for the table that a test holds against the dictionary.
macro_rules! numbers {
    ($($constant:ident = $number:literal, $name:literal;)*) => {
        impl AttributeType {
            $(#[doc = concat!($name, ", type ", stringify!($number), ".")] pub const $constant: Self = Self($number);)*

            /// Every number that this code names, with its name in `dictionaries/`.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$constant, $name)),*];
        }
    };
}

/// The same for vendors' attributes.
macro_rules! vendor_numbers {
    ($($constant:ident = $vendor:ident $number:literal, $name:literal;)*) => {
        impl VendorType {
            $(#[doc = concat!($name, ", number ", stringify!($number), " of its vendor.")]
            pub const $constant: Self = Self { vendor: VendorId::$vendor, number: $number };)*

            /// Every number that this code names, with its name in `dictionaries/`.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$constant, $name)),*];
        }
    };
}

numbers! {
    USER_NAME = 1, "User-Name";
    USER_PASSWORD = 2, "User-Password";
    CHAP_PASSWORD = 3, "CHAP-Password";
    NAS_IP_ADDRESS = 4, "NAS-IP-Address";
    NAS_PORT = 5, "NAS-Port";
    SERVICE_TYPE = 6, "Service-Type";
    FRAMED_PROTOCOL = 7, "Framed-Protocol";
    FRAMED_IP_ADDRESS = 8, "Framed-IP-Address";
    FRAMED_IP_NETMASK = 9, "Framed-IP-Netmask";
    FILTER_ID = 11, "Filter-Id";
    FRAMED_MTU = 12, "Framed-MTU";
    REPLY_MESSAGE = 18, "Reply-Message";
    FRAMED_ROUTE = 22, "Framed-Route";
    STATE = 24, "State";
    CLASS = 25, "Class";
    VENDOR_SPECIFIC = 26, "Vendor-Specific";
    SESSION_TIMEOUT = 27, "Session-Timeout";
    IDLE_TIMEOUT = 28, "Idle-Timeout";
    CALLED_STATION_ID = 30, "Called-Station-Id";
    CALLING_STATION_ID = 31, "Calling-Station-Id";
    NAS_IDENTIFIER = 32, "NAS-Identifier";
    PROXY_STATE = 33, "Proxy-State";
    ACCT_STATUS_TYPE = 40, "Acct-Status-Type";
    ACCT_DELAY_TIME = 41, "Acct-Delay-Time";
    ACCT_INPUT_OCTETS = 42, "Acct-Input-Octets";
    ACCT_OUTPUT_OCTETS = 43, "Acct-Output-Octets";
    ACCT_SESSION_ID = 44, "Acct-Session-Id";
    ACCT_AUTHENTIC = 45, "Acct-Authentic";
    ACCT_SESSION_TIME = 46, "Acct-Session-Time";
    ACCT_INPUT_PACKETS = 47, "Acct-Input-Packets";
    ACCT_OUTPUT_PACKETS = 48, "Acct-Output-Packets";
    ACCT_TERMINATE_CAUSE = 49, "Acct-Terminate-Cause";
    ACCT_INPUT_GIGAWORDS = 52, "Acct-Input-Gigawords";
    ACCT_OUTPUT_GIGAWORDS = 53, "Acct-Output-Gigawords";
    EVENT_TIMESTAMP = 55, "Event-Timestamp";
    CHAP_CHALLENGE = 60, "CHAP-Challenge";
    NAS_PORT_TYPE = 61, "NAS-Port-Type";
    PORT_LIMIT = 62, "Port-Limit";
    EAP_MESSAGE = 79, "EAP-Message";
    MESSAGE_AUTHENTICATOR = 80, "Message-Authenticator";
    ACCT_INTERIM_INTERVAL = 85, "Acct-Interim-Interval";
    NAS_PORT_ID = 87, "NAS-Port-Id";
    FRAMED_POOL = 88, "Framed-Pool";
    NAS_IPV6_ADDRESS = 95, "NAS-IPv6-Address";
    FRAMED_IPV6_PREFIX = 97, "Framed-IPv6-Prefix";
    ERROR_CAUSE = 101, "Error-Cause";
}

vendor_numbers! {
    MS_CHAP_RESPONSE = MICROSOFT 1, "MS-CHAP-Response";
    MS_CHAP_ERROR = MICROSOFT 2, "MS-CHAP-Error";
    MS_MPPE_ENCRYPTION_POLICY = MICROSOFT 7, "MS-MPPE-Encryption-Policy";
    MS_MPPE_ENCRYPTION_TYPES = MICROSOFT 8, "MS-MPPE-Encryption-Types";
    MS_CHAP_DOMAIN = MICROSOFT 10, "MS-CHAP-Domain";
    MS_CHAP_CHALLENGE = MICROSOFT 11, "MS-CHAP-Challenge";
    MS_CHAP_MPPE_KEYS = MICROSOFT 12, "MS-CHAP-MPPE-Keys";
    MS_MPPE_SEND_KEY = MICROSOFT 16, "MS-MPPE-Send-Key";
    MS_MPPE_RECV_KEY = MICROSOFT 17, "MS-MPPE-Recv-Key";
    MS_CHAP2_RESPONSE = MICROSOFT 25, "MS-CHAP2-Response";
    MS_CHAP2_SUCCESS = MICROSOFT 26, "MS-CHAP2-Success";
    MIKROTIK_RECV_LIMIT = MIKROTIK 1, "Mikrotik-Recv-Limit";
    MIKROTIK_XMIT_LIMIT = MIKROTIK 2, "Mikrotik-Xmit-Limit";
    MIKROTIK_GROUP = MIKROTIK 3, "Mikrotik-Group";
    MIKROTIK_RATE_LIMIT = MIKROTIK 8, "Mikrotik-Rate-Limit";
    MIKROTIK_REALM = MIKROTIK 9, "Mikrotik-Realm";
    MIKROTIK_MARK_ID = MIKROTIK 11, "Mikrotik-Mark-Id";
    MIKROTIK_ADVERTISE_URL = MIKROTIK 12, "Mikrotik-Advertise-URL";
    MIKROTIK_ADVERTISE_INTERVAL = MIKROTIK 13, "Mikrotik-Advertise-Interval";
    MIKROTIK_ADDRESS_LIST = MIKROTIK 19, "Mikrotik-Address-List";
}

/// One attribute of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its number.
    pub kind: AttributeType,
    /// Its value, 0 to 253 octets.
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// The vendor of a Vendor-Specific attribute and the octets after its id; `None` for any other attribute.
    pub fn vendor(&self) -> Option<(VendorId, &'a [u8])> {
        if self.kind != AttributeType::VENDOR_SPECIFIC {
            return None;
        }
        let (id, rest) = self.value.split_first_chunk::<4>()?;
        Some((VendorId(u32::from_be_bytes(*id)), rest))
    }

    /// The vendor's attributes inside a Vendor-Specific attribute, in order.
    ///
    /// Nothing if the octets after the vendor's id are not a complete row of them (RFC 2865 §5.26 only recommends it).
    pub fn vendor_attributes(&self) -> impl Iterator<Item = (VendorType, &'a [u8])> + use<'a> {
        let (vendor, rest) = self.vendor().unwrap_or((VendorId(0), &[]));
        let row = Row { rest };
        let complete = row.clone().all(|item| item.is_ok());
        row.take_while(move |_| complete).filter_map(move |item| {
            let (number, value) = item.ok()?;
            Some((VendorType { vendor, number }, value))
        })
    }
}

/// A value of 4 octets as an unsigned number, big endian.
pub fn integer(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

/// A value of 4 or 16 octets as an address.
pub fn address(value: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(value).map(|octets| IpAddr::V4(Ipv4Addr::from(octets)));
    let v6 = <[u8; 16]>::try_from(value).map(|octets| IpAddr::V6(Ipv6Addr::from(octets)));
    v4.or(v6).ok()
}

/// A value as text, if it is UTF-8.
pub fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok()
}

/// A row of type, length, value: what follows a packet's header, and what is inside a vendor's attribute.
#[derive(Debug, Clone)]
pub(super) struct Row<'a> {
    pub(super) rest: &'a [u8],
}

/// How an item of a row can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowBreak {
    /// One octet is left: a type without a length.
    LengthMissing,
    /// The length is 0 or 1.
    LengthTooSmall,
    /// The length leads past the end.
    PastEnd,
}

impl<'a> Iterator for Row<'a> {
    type Item = Result<(u8, &'a [u8]), RowBreak>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let item = split_item(self.rest);
        self.rest = item.map_or(&[], |(_, _, rest)| rest);
        Some(item.map(|(number, value, _)| (number, value)))
    }
}

fn split_item(row: &[u8]) -> Result<(u8, &[u8], &[u8]), RowBreak> {
    let ([number, length], _) = row.split_first_chunk::<2>().ok_or(RowBreak::LengthMissing)?;
    let (item, rest) = row.split_at_checked(usize::from(*length)).ok_or(RowBreak::PastEnd)?;
    let value = item.get(2..).ok_or(RowBreak::LengthTooSmall)?;
    Ok((*number, value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dictionary::Dictionary;

    fn vendor_specific(value: &[u8]) -> Vec<(u32, u8, Vec<u8>)> {
        let attribute = Attribute { kind: AttributeType::VENDOR_SPECIFIC, value };
        attribute.vendor_attributes().map(|(kind, value)| (kind.vendor.0, kind.number, value.to_vec())).collect()
    }

    #[test]
    fn one_vendor_attribute_may_hold_several() {
        let several = [0, 0, 1, 55, 7, 3, 9, 8, 2];
        assert_eq!(vendor_specific(&several), [(311, 7, vec![9]), (311, 8, vec![])]);
    }

    #[test]
    fn a_broken_row_inside_holds_nothing() {
        assert_eq!(vendor_specific(&[0, 0, 1, 55, 7, 3, 9, 8]), []);
        assert_eq!(vendor_specific(&[0, 0, 1, 55, 7, 3, 9, 8, 1]), []);
        assert_eq!(vendor_specific(&[0, 0, 1, 55, 7, 3, 9, 8, 3]), []);
        assert_eq!(vendor_specific(&[0, 0, 1]), []);
        assert_eq!(vendor_specific(&[]), []);
    }

    #[test]
    fn other_attributes_have_no_vendor() {
        let class = Attribute { kind: AttributeType::CLASS, value: &[0, 0, 1, 55, 7, 3, 9] };
        assert_eq!(class.vendor(), None);
        assert_eq!(class.vendor_attributes().count(), 0);
    }

    #[test]
    fn values_are_typed_by_their_length() {
        assert_eq!(integer(&[0, 0, 1, 2]), Some(258));
        assert_eq!(integer(&[1, 2, 3]), None);
        assert_eq!(address(&[10, 0, 0, 5]), Some(IpAddr::from([10, 0, 0, 5])));
        assert_eq!(address(&[0; 16]), Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)));
        assert_eq!(address(&[0; 5]), None);
        assert_eq!(text("Иван".as_bytes()), Some("Иван"));
        assert_eq!(text(&[0xff]), None);
    }

    #[test]
    fn every_number_is_the_dictionarys() {
        let dictionary = Dictionary::embedded();
        for (kind, name) in AttributeType::ALL {
            let definition = dictionary.named(name).unwrap_or_else(|| panic!("{name} is not in the dictionary"));
            assert_eq!((definition.vendor, definition.number), (None, kind.0), "{name}");
        }
        for (kind, name) in VendorType::ALL {
            let definition = dictionary.named(name).unwrap_or_else(|| panic!("{name} is not in the dictionary"));
            assert_eq!((definition.vendor, definition.number), (Some(kind.vendor.0), kind.number), "{name}");
        }
    }
}
