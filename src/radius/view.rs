//! A packet in words, by the dictionary: for the log, and for whoever tries the server by hand. What proves or hides a
//! password is never shown.

use std::fmt;

use crate::crypto::hex;
use crate::dictionary::{Definition, Dictionary, Hiding, Kind};
use crate::proto::radius::{Attribute, AttributeType, Packet, VendorId, VendorType};
use crate::text::one_line;

/// Attributes of which only the length is shown: a password could be guessed from them at leisure, or a session taken over.
const PROOFS: [AttributeType; 2] = [AttributeType::CHAP_PASSWORD, AttributeType::EAP_MESSAGE];
const VENDOR_PROOFS: [VendorType; 4] = [
    VendorType::MS_CHAP_RESPONSE,
    VendorType::MS_CHAP2_RESPONSE,
    VendorType::MS_CHAP2_SUCCESS,
    VendorType::MS_CHAP_MPPE_KEYS,
];

/// Shows a packet: a line for the header, and one for each attribute, `Name = value` as FreeRADIUS's tools write it. In the
/// alternate form, `{:#}`, all of it stands in one line.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The packet.
    pub packet: &'a Packet<'a>,
    /// What the attributes are called.
    pub dictionary: &'a Dictionary,
}

impl<'a> View<'a> {
    /// By the dictionary in force.
    pub fn of(packet: &'a Packet<'a>) -> Self {
        Self { packet, dictionary: Dictionary::current() }
    }

    fn attribute(&self, attribute: &Attribute<'_>) -> Vec<String> {
        let Some((vendor, rest)) = attribute.vendor() else { return vec![self.plain(attribute)] };
        let inner: Vec<String> =
            attribute.vendor_attributes().map(|(kind, value)| self.of_vendor(kind, value)).collect();
        if inner.is_empty() { vec![format!("Vendor-{}: 0x{}", vendor.0, hex::encode(rest))] } else { inner }
    }

    fn plain(&self, Attribute { kind, value }: &Attribute<'_>) -> String {
        match self.dictionary.numbered(None, kind.0) {
            Some(known) if PROOFS.contains(kind) => hidden(&known.name, value),
            Some(known) => line(known, value),
            None => format!("Attribute-{} = 0x{}", kind.0, hex::encode(value)),
        }
    }

    fn of_vendor(&self, kind: VendorType, value: &[u8]) -> String {
        let VendorType { vendor: VendorId(vendor), number } = kind;
        match self.dictionary.numbered(Some(vendor), number) {
            Some(known) if VENDOR_PROOFS.contains(&kind) => hidden(&known.name, value),
            Some(known) => line(known, value),
            None => format!("Vendor-{vendor}-Attribute-{number} = 0x{}", hex::encode(value)),
        }
    }
}

impl fmt::Display for View<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { packet, .. } = self;
        let (name, length) = (packet.code().name(), packet.trimmed().len());
        write!(formatter, "{name} (code {}), identifier {}, {length} octets", packet.code().0, packet.identifier())?;
        let (before_first, between, end) =
            if formatter.alternate() { (": ", ", ", "") } else { ("\n    ", "\n    ", "\n") };
        let lines = packet.attributes().flat_map(|attribute| self.attribute(&attribute));
        for (at, line) in lines.enumerate() {
            write!(formatter, "{}{line}", if at == 0 { before_first } else { between })?;
        }
        formatter.write_str(end)
    }
}

/// A datagram in one line for the log, by the dictionary in force; why not, where it is no packet. Nothing is read before it
/// is shown.
pub(super) struct Logged<'a>(pub(super) &'a [u8]);

impl fmt::Display for Logged<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Packet::parse(self.0) {
            Ok(packet) => write!(formatter, "{:#}", View::of(&packet)),
            Err(malformed) => malformed.fmt(formatter),
        }
    }
}

fn hidden(name: &str, value: &[u8]) -> String {
    format!("{name} = <hidden, {} octets>", value.len())
}

fn line(known: &Definition, value: &[u8]) -> String {
    if known.hiding != Hiding::Open {
        return hidden(&known.name, value);
    }
    let shown = known.decode(value);
    match known.kind {
        Kind::Text if !shown.starts_with("0x") => {
            format!("{} = {:?}", known.name, one_line(&shown))
        }
        _ => format!("{} = {shown}", known.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::radius::{Code, Opening, PacketBuilder, SharedSecret, sign};
    use crate::secret::Secret;

    fn shown(push: impl FnOnce(&mut PacketBuilder)) -> String {
        let mut packet = PacketBuilder::new(Code::ACCESS_REQUEST, 7, Opening::Bare);
        push(&mut packet);
        let bytes = sign::sign_request(packet, &[1; 16], &SharedSecret::new(Secret::new("x")));
        View::of(&Packet::parse(&bytes).unwrap()).to_string()
    }

    #[test]
    fn attributes_are_named_and_what_is_unknown_is_shown_as_it_is() {
        let text = shown(|packet| {
            packet.push(AttributeType::USER_NAME, "ann\u{202e}".as_bytes()).unwrap();
            packet.push_integer(AttributeType::SERVICE_TYPE, 2).unwrap();
            packet.push(AttributeType(250), &[1, 2]).unwrap();
            packet.push_vendor(VendorType::MIKROTIK_RATE_LIMIT, b"5M/5M").unwrap();
            packet.push_vendor(VendorType { vendor: VendorId(9), number: 3 }, &[0xff]).unwrap();
            packet.push(AttributeType::VENDOR_SPECIFIC, &[0, 0, 0, 9, 1, 77]).unwrap();
        });
        let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
        assert_eq!(
            lines,
            [
                "Access-Request (code 1), identifier 7, 68 octets",
                "User-Name = \"ann\"",
                "Service-Type = Framed",
                "Attribute-250 = 0x0102",
                "Mikrotik-Rate-Limit = \"5M/5M\"",
                "Vendor-9-Attribute-3 = 0xff",
                "Vendor-9: 0x014d",
            ]
        );
    }

    #[test]
    fn in_the_log_a_packet_is_one_line_with_its_tags_and_types() {
        let mut packet = PacketBuilder::new(Code::ACCESS_ACCEPT, 7, Opening::Bare);
        packet.push(AttributeType(64), &[1, 0, 0, 3]).unwrap();
        packet.push(AttributeType(82), b"\x02office").unwrap();
        packet.push(AttributeType(97), &[0, 56, 0x20, 1, 0x0d, 0xb8, 0, 0, 0]).unwrap();
        packet.push(AttributeType(55), &1_795_428_000_u32.to_be_bytes()).unwrap();
        packet.push(AttributeType(64), &[0x77, 0, 0, 3]).unwrap();
        let bytes = sign::sign_reply(packet, &[1; 16], &SharedSecret::new(Secret::new("x")));
        let line = Logged(&bytes).to_string();
        let (_, attributes) = line.split_once(" octets: ").unwrap();
        assert_eq!(
            attributes,
            "Tunnel-Type = :1:L2TP, Tunnel-Assignment-Id = \":2:office\", Framed-IPv6-Prefix = 2001:db8::/56, \
             Event-Timestamp = 2026-11-23T10:00:00Z, Tunnel-Type = 0x77000003"
        );
        assert!(!Logged(&[1, 2, 3]).to_string().is_empty());
    }

    #[test]
    fn nothing_that_proves_or_hides_a_password_is_shown() {
        let text = shown(|packet| {
            packet.push(AttributeType::USER_PASSWORD, &[0xab; 16]).unwrap();
            packet.push(AttributeType::CHAP_PASSWORD, &[0xab; 17]).unwrap();
            packet.push_vendor(VendorType::MS_CHAP_RESPONSE, &[0xab; 50]).unwrap();
            packet.push_vendor(VendorType::MS_CHAP2_RESPONSE, &[0xab; 50]).unwrap();
            packet.push_vendor(VendorType::MS_MPPE_SEND_KEY, &[0xab; 34]).unwrap();
            packet.push_vendor(VendorType::MS_MPPE_RECV_KEY, &[0xab; 34]).unwrap();
            packet.push_vendor(VendorType::MS_CHAP_MPPE_KEYS, &[0xab; 32]).unwrap();
            packet.push_vendor(VendorType::MS_CHAP2_SUCCESS, &[0xab; 43]).unwrap();
            packet.push(AttributeType::EAP_MESSAGE, &[0xab; 60]).unwrap();
        });
        assert!(!text.contains("abab") && text.matches("<hidden").count() == 9, "{text}");
    }
}
