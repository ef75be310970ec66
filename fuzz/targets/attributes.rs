//! Values of attributes by the dictionary, from both sides: octets of the network as text, and what an operator writes as
//! octets. Nothing panics, limits hold, and what was understood means the same on the way back.

use radgram::dictionary::{Definition, Dictionary, Tagging};
use radgram::domain::attribute::{LEVEL_BYTES, ReplyAttributes};
use radgram::proto::radius::{Attribute, AttributeType};

/// One input: which attribute (two octets, little endian), then a value, as octets and as text.
pub fn run(input: &[u8]) {
    let Some((which, value)) = input.split_first_chunk::<2>() else { return };
    let definitions = Dictionary::embedded().definitions();
    let which = usize::from(u16::from_le_bytes(*which)) % definitions.len();
    if let Some(definition) = definitions.get(which) {
        is_understood(definition, value);
        if let Ok(text) = std::str::from_utf8(value) {
            is_written(definition, text);
        }
    }
    is_a_row_or_nothing(value);
}

/// From the network. What is shown in words stands for the same octets, but for a tag and for octets that mean nothing.
fn is_understood(definition: &Definition, value: &[u8]) {
    let shown = definition.decode(value);
    assert!(!shown.contains(char::is_control), "{}: {shown:?}", definition.name);
    if let Ok(octets) = definition.encode(&shown) {
        assert_eq!(definition.decode(&octets), shown, "{}", definition.name);
        if definition.tagging == Tagging::Tagged && !shown.starts_with("0x") {
            let is_untagged = octets.split_first() == Some((&0, value));
            assert!(is_untagged || octets == value, "{}: {shown:?}", definition.name);
        }
    }
}

/// From an operator. What is taken fits into an attribute, and is shown as something that means the same.
fn is_written(definition: &Definition, text: &str) {
    if let Ok(octets) = definition.encode(text) {
        assert!(octets.len() <= if definition.vendor.is_some() { 247 } else { 253 });
        let shown = definition.decode(&octets);
        if !shown.starts_with("0x") {
            assert_eq!(definition.encode(&shown), Ok(octets), "{}: {shown:?}", definition.name);
        }
    }
    // As reply attributes: no message repeats what was written, which may be a secret.
    let twice = [(&definition.name, text), (&definition.name, text)];
    assert!(ReplyAttributes::parse(&twice).is_err());
    if let Ok(attributes) = ReplyAttributes::parse(&twice[..1]) {
        assert!(attributes.packet_bytes() <= LEVEL_BYTES);
        assert!(attributes.iter().all(|attribute| !attribute.octets().is_empty()));
    }
}

/// A vendor's attributes fill the whole value, or there are none.
fn is_a_row_or_nothing(value: &[u8]) {
    let attribute = Attribute { kind: AttributeType::VENDOR_SPECIFIC, value };
    let octets: usize = attribute.vendor_attributes().map(|(_, value)| value.len() + 2).sum();
    let Some((_, rest)) = attribute.vendor() else { return assert_eq!(octets, 0) };
    assert!(octets == 0 || octets == rest.len());
}
