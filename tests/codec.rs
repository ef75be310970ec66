//! Properties of the RADIUS codec: no octets make it panic, what is built is read back, an independent peer agrees.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use radgram::proto::radius::{
    AttributeType, Code, Opening, Packet, PacketBuilder, SharedSecret, Signature, VendorId, VendorType, attribute,
    hide, sign,
};
use radgram::secret::Secret;
use radius::core::code::Code as PeerCode;
use radius::core::packet::Packet as PeerPacket;
use radius::core::{rfc2865, rfc2866};

const SECRET: &[u8] = b"testing123";

fn secret() -> SharedSecret {
    SharedSecret::new(Secret::new(SECRET))
}

/// Octets that look like a packet: a header whose length mostly fits, attributes that mostly do.
fn nearly_a_packet() -> impl Strategy<Value = Vec<u8>> {
    let attribute =
        (any::<u8>(), vec(any::<u8>(), 0..22), prop_oneof![9 => 0u8..1, 1 => 1u8..4]).prop_map(|(kind, value, lie)| {
            let length = u8::try_from(value.len() + 2).unwrap().wrapping_sub(lie);
            [&[kind, length][..], &value].concat()
        });
    let header = (any::<u8>(), any::<u8>(), any::<[u8; 16]>(), -3i32..4);
    (header, vec(attribute, 0..12)).prop_map(|((code, identifier, authenticator, lie), attributes)| {
        let attributes = attributes.concat();
        let length = u16::try_from((20 + attributes.len() as i32 + lie).max(0)).unwrap().to_be_bytes();
        [&[code, identifier][..], &length, &authenticator, &attributes].concat()
    })
}

/// Touches everything that reads octets from the network.
fn read_everything(octets: &[u8], key: &SharedSecret) {
    let Ok(packet) = Packet::parse(octets) else { return };
    for attribute in packet.attributes() {
        let _ = attribute::integer(attribute.value);
        let _ = attribute::address(attribute.value);
        let _ = attribute::text(attribute.value);
        let _ = attribute.vendor_attributes().count();
        let _ = hide::reveal_password(attribute.value, packet.authenticator(), key);
        let _ = hide::reveal_key(attribute.value, packet.authenticator(), key);
        let _ = hide::reveal_chap_keys(attribute.value, packet.authenticator(), key);
    }
    let _ = sign::check_access_request(&packet, key);
    let _ = sign::check_hashed_request(&packet, key);
    let _ = sign::check_reply(&packet, &[0; 16], key);
    assert!(packet.trimmed().len() <= octets.len());
}

/// What the peer reads, asked type by type, is what we read.
fn peer_reads_the_same(packet: &Packet<'_>, peer: &PeerPacket) -> Result<(), proptest::test_runner::TestCaseError> {
    prop_assert_eq!(peer.get_identifier(), packet.identifier());
    prop_assert_eq!(peer.get_authenticator().as_slice(), packet.authenticator().as_slice());
    for kind in 0..=255 {
        let theirs: Vec<Vec<u8>> = peer.lookup_all(kind).into_iter().map(|avp| avp.encode_bytes()).collect();
        let ours: Vec<Vec<u8>> = packet.all(AttributeType(kind)).map(<[u8]>::to_vec).collect();
        prop_assert_eq!(theirs, ours);
    }
    Ok(())
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic(octets in vec(any::<u8>(), 0..600)) {
        read_everything(&octets, &secret());
    }

    #[test]
    fn nearly_good_octets_never_panic_and_the_peer_agrees(octets in nearly_a_packet()) {
        read_everything(&octets, &secret());
        if let Ok(packet) = Packet::parse(&octets) {
            let peer = PeerPacket::decode(&octets, SECRET);
            prop_assert!(peer.is_ok());
            peer_reads_the_same(&packet, &peer.unwrap())?;
        }
    }

    #[test]
    fn what_is_built_is_read_back(
        code in any::<u8>(),
        identifier in any::<u8>(),
        plain in vec((any::<u8>().prop_filter("made by the opening", |kind| *kind != 80 && *kind != 26), vec(any::<u8>(), 0..=253)), 0..8),
        vendors in vec((any::<u32>(), any::<u8>(), vec(any::<u8>(), 0..=247)), 0..4),
        opening in prop::sample::select(vec![Opening::Bare, Opening::MessageAuthenticator]),
        request in any::<[u8; 16]>(),
    ) {
        let mut builder = PacketBuilder::new(Code(code), identifier, opening);
        for (kind, value) in &plain {
            builder.push(AttributeType(*kind), value).unwrap();
        }
        for (vendor, number, value) in &vendors {
            builder.push_vendor(VendorType { vendor: VendorId(*vendor), number: *number }, value).unwrap();
        }
        let octets = sign::sign_reply(builder, &request, &secret());
        let packet = Packet::parse(&octets).unwrap();
        let signature = match opening { Opening::Bare => Signature::Absent, Opening::MessageAuthenticator => Signature::Present };
        prop_assert_eq!(sign::check_reply(&packet, &request, &secret()), Ok(signature));
        prop_assert_eq!((packet.code(), packet.identifier()), (Code(code), identifier));
        let skip = match opening { Opening::Bare => 0, Opening::MessageAuthenticator => 1 };
        let read: Vec<(u8, Vec<u8>)> = packet.attributes().skip(skip).take(plain.len()).map(|a| (a.kind.0, a.value.to_vec())).collect();
        prop_assert_eq!(read, plain);
        let inner: Vec<(u32, u8, Vec<u8>)> = packet.attributes().flat_map(|a| a.vendor_attributes()).map(|(kind, value)| (kind.vendor.0, kind.number, value.to_vec())).collect();
        prop_assert_eq!(inner, vendors);
        let peer = PeerPacket::decode(&octets, SECRET).unwrap();
        peer_reads_the_same(&packet, &peer)?;
        prop_assert!(PeerPacket::is_authentic_response(&octets, &[&[1, identifier, 0, 20][..], &request].concat(), SECRET));
    }

    #[test]
    fn hidden_values_come_back(
        password in vec(1u8.., 0..=128),
        key in any::<[u8; 16]>(),
        keys in any::<[u8; 32]>(),
        salt in any::<[u8; 2]>(),
        authenticator in any::<[u8; 16]>(),
    ) {
        let hidden = hide::hide_password(&password, &authenticator, &secret()).unwrap();
        prop_assert_eq!(hide::reveal_password(&hidden, &authenticator, &secret()), Ok(Secret::new(password)));
        let hidden = hide::hide_key(&key, salt, &authenticator, &secret());
        prop_assert_eq!(hide::reveal_key(&hidden, &authenticator, &secret()), Ok(Secret::new(key)));
        let hidden = hide::hide_chap_keys(&keys, &authenticator, &secret());
        prop_assert_eq!(*hide::reveal_chap_keys(&hidden, &authenticator, &secret()).unwrap(), keys);
    }
}

#[test]
fn the_peers_access_request_is_read() {
    let mut request = PeerPacket::new_with_identifier(PeerCode::AccessRequest, SECRET, 42);
    rfc2865::add_user_name(&mut request, "ann");
    rfc2865::add_user_password(&mut request, b"correct horse battery staple").unwrap();
    let octets = request.encode().unwrap();
    let packet = Packet::parse(&octets).unwrap();
    assert_eq!((packet.code(), packet.identifier()), (Code::ACCESS_REQUEST, 42));
    assert_eq!(packet.text(AttributeType::USER_NAME), Some("ann"));
    let hidden = packet.first(AttributeType::USER_PASSWORD).unwrap();
    let password = hide::reveal_password(hidden, packet.authenticator(), &secret());
    assert_eq!(password, Ok(Secret::new("correct horse battery staple")));
}

#[test]
fn the_peers_accounting_request_is_authentic() {
    let mut request = PeerPacket::new_with_identifier(PeerCode::AccountingRequest, SECRET, 7);
    rfc2866::add_acct_session_id(&mut request, "81500001");
    let octets = request.encode().unwrap();
    let packet = Packet::parse(&octets).unwrap();
    assert_eq!(sign::check_hashed_request(&packet, &secret()), Ok(Signature::Absent));

    let mut ours = PacketBuilder::new(Code::ACCOUNTING_REQUEST, 8, Opening::Bare);
    ours.push(AttributeType::ACCT_SESSION_ID, b"81500002").unwrap();
    assert!(PeerPacket::is_authentic_request(&sign::sign_accounting_request(ours, &secret()), SECRET));
}

#[test]
fn the_peer_takes_our_password() {
    let authenticator = [9; 16];
    let hidden = hide::hide_password(b"clientPass", &authenticator, &secret()).unwrap();
    let mut builder = PacketBuilder::new(Code::ACCESS_REQUEST, 1, Opening::MessageAuthenticator);
    builder.push(AttributeType::USER_PASSWORD, &hidden).unwrap();
    let octets = sign::sign_request(builder, &authenticator, &secret());
    let peer = PeerPacket::decode(&octets, SECRET).unwrap();
    assert_eq!(rfc2865::lookup_user_password(&peer).unwrap().unwrap(), b"clientPass");
}
