//! Runs the files of `tests/vectors/`: worked examples of the RFCs and packets that other implementations made or took.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use radgram::crypto::{chap, hex, mppe, mschap};
use radgram::dictionary::Dictionary;
use radgram::proto::radius::{
    AttributeType, Code, Forged, Malformed, Opening, Packet, PacketBuilder, Signature, VendorId, VendorType, hide, sign,
};
use radgram::secret::Secret;

#[path = "support/blocks.rs"]
mod blocks;

use blocks::{Block, array, blocks};

#[test]
fn algorithms() {
    for block in blocks(include_str!("vectors/algorithms.txt")) {
        match block.kind() {
            "des-key" => block.holds("expanded", &mschap::expand_key(&block.octets("key"))),
            "mschapv2" => mschap_v2(&block),
            "mschapv1" => mschap_v1(&block),
            "chap-mppe-keys" => chap_mppe_keys(&block),
            "mppe-key" => mppe_key(&block),
            "user-password" => user_password(&block),
            "vendor-attribute" => ms_chap_error(&block),
            "forged" => forged(&block),
            other => panic!("unknown kind {other}"),
        }
    }
}

fn mschap_v2(block: &Block<'_>) {
    let (peer, authenticator) = (block.octets("peer-challenge"), block.octets("authenticator-challenge"));
    let exchange = mschap::Exchange { peer: &peer, authenticator: &authenticator, user: block.text("user").as_bytes() };
    let nt_hash = mschap::nt_hash(block.text("password"));
    let nt_response = mschap::nt_response_v2(&exchange, &nt_hash);
    block.holds("nt-hash", &nt_hash);
    block.holds("nt-hash-hash", &mschap::nt_hash_hash(&nt_hash));
    block.holds("challenge-hash", &mschap::challenge_hash(&peer, &authenticator, exchange.user));
    block.holds("nt-response", &nt_response);
    if let Some(expected) = block.find("authenticator-response") {
        assert_eq!(mschap::authenticator_response(&exchange, &nt_hash, &nt_response), expected.as_bytes());
    }
    let keys = mppe::StartKeys::new(&nt_hash, &nt_response);
    block.holds("master-key", &*mppe::master_key(&nt_hash, &nt_response));
    block.holds("send-key", &*keys.send);
    block.holds("recv-key", &*keys.recv);
    if let Some(wrong) = block.find("wrong-password") {
        let response: [u8; 24] = block.octets("wrong-response");
        assert_eq!(mschap::nt_response_v2(&exchange, &mschap::nt_hash(wrong)), response);
        assert!(!mschap::proves_v2(&exchange, &nt_hash, &response));
    }
}

fn mschap_v1(block: &Block<'_>) {
    let nt_hash = mschap::nt_hash(block.text("password"));
    block.holds("nt-hash", &nt_hash);
    block.holds("nt-hash-hash", &mschap::nt_hash_hash(&nt_hash));
    assert!(mschap::proves_v1(&block.octets("challenge"), &nt_hash, &block.octets("nt-response")), "{}", block.title);
    if block.find("attribute").is_some() {
        // Identifier, flags (the NT response counts), no LM response, NT response.
        let value: [u8; 50] = block.octets("attribute");
        block.holds("nt-response", &value[26..]);
        assert_eq!((value[1], &value[2..26]), (1, &[0; 24][..]), "{}", block.title);
    }
}

/// A reply that another secret, or nobody, has signed.
fn forged(block: &Block<'_>) {
    let octets = hex::decode(block.text("hex")).unwrap();
    let checked = sign::check_reply(&Packet::parse(&octets).unwrap(), &block.octets("answers"), &block.secret());
    assert_eq!(checked, Err(Forged::Authenticator), "{}", block.title);
}

fn chap_mppe_keys(block: &Block<'_>) {
    let plain = mppe::chap_mppe_keys(&mschap::nt_hash(block.text("password")));
    let authenticator = block.octets("request-authenticator");
    let hidden = hide::hide_chap_keys(&plain, &authenticator, &block.secret());
    block.holds("plaintext", &*plain);
    block.holds("hidden", &hidden);
    assert_eq!(hide::reveal_chap_keys(&hidden, &authenticator, &block.secret()), Ok(plain));
}

fn mppe_key(block: &Block<'_>) {
    let hidden: [u8; hide::HIDDEN_KEY_BYTES] = block.octets("hidden");
    let authenticator = block.octets("request-authenticator");
    let revealed = hide::reveal_key(&hidden, &authenticator, &block.secret()).unwrap();
    block.holds("key", revealed.expose());
    let again = hide::hide_key(&block.octets("key"), [hidden[0], hidden[1]], &authenticator, &block.secret());
    if !block.title.contains("another implementation") {
        block.holds("hidden", &again); // the other one fills up with random octets
    }
}

/// The attribute alone in a packet of its own, read by the codec.
fn ms_chap_error(block: &Block) {
    let attribute = hex::decode(block.text("hex")).unwrap();
    let length = u16::try_from(20 + attribute.len()).unwrap().to_be_bytes();
    let datagram = [&[Code::ACCESS_REJECT.0, 8], &length[..], &[0; 16], &attribute].concat();
    let packet = Packet::parse(&datagram).unwrap();
    let value = packet.vendor(VendorType::MS_CHAP_ERROR).unwrap();
    let (ident, text) = value.split_first().unwrap();
    block.holds("ident", &[*ident]);
    assert_eq!(std::str::from_utf8(text).unwrap(), block.text("text"), "{}", block.title);
}

fn user_password(block: &Block<'_>) {
    let password = block.text("password");
    let authenticator = block.octets("request-authenticator");
    let hidden = hide::hide_password(password.as_bytes(), &authenticator, &block.secret()).unwrap();
    block.holds("hidden", &hidden);
    assert_eq!(hide::reveal_password(&hidden, &authenticator, &block.secret()), Ok(Secret::new(password)));
}

#[test]
fn malformed() {
    for block in blocks(include_str!("vectors/malformed.txt")) {
        let octets = hex::decode(block.text("hex")).unwrap();
        let label = Packet::parse(&octets).map(|_| "accepted").unwrap_or_else(Malformed::label);
        assert_eq!(label, block.text("label"), "{}", block.title);
    }
}

#[test]
fn packets() {
    for block in blocks(include_str!("vectors/packets.txt")) {
        let octets = hex::decode(block.text("hex")).unwrap();
        let packet = Packet::parse(&octets).unwrap_or_else(|malformed| panic!("{}: {malformed}", block.title));
        reads_as_written(&block, &packet);
        is_signed(&block, &packet);
        proves_its_password(&block, &packet);
        holds_its_keys(&block, &packet);
        builds_again(&block, &packet);
    }
}

fn reads_as_written(block: &Block<'_>, packet: &Packet<'_>) {
    assert_eq!(packet.code().name(), block.text("code"), "{}", block.title);
    assert_eq!(packet.identifier().to_string(), block.text("id"), "{}", block.title);
    block.holds("authenticator", packet.authenticator());
    let read: Vec<String> = packet.attributes().flat_map(|attribute| named(&attribute)).collect();
    let written: Vec<&str> = block.all("attribute").collect();
    assert_eq!(read, written, "{}", block.title);
}

fn named(attribute: &radgram::proto::radius::Attribute<'_>) -> Vec<String> {
    let dictionary = Dictionary::embedded();
    let of_vendor: Vec<String> = attribute
        .vendor_attributes()
        .map(|(kind, value)| {
            let definition = dictionary.numbered(Some(kind.vendor.0), kind.number).unwrap();
            format!("{} = {}", definition.name, definition.decode(value))
        })
        .collect();
    if attribute.vendor().is_some() {
        return of_vendor;
    }
    let definition = dictionary.numbered(None, attribute.kind.0).unwrap();
    vec![format!("{} = {}", definition.name, definition.decode(attribute.value))]
}

fn is_signed(block: &Block<'_>, packet: &Packet<'_>) {
    let secret = block.secret();
    let checked = match packet.code() {
        Code::ACCESS_REQUEST | Code::STATUS_SERVER => sign::check_access_request(packet, &secret),
        Code::ACCOUNTING_REQUEST | Code::DISCONNECT_REQUEST | Code::COA_REQUEST => {
            sign::check_hashed_request(packet, &secret)
        }
        _ => sign::check_reply(packet, &block.octets("answers"), &secret),
    };
    let expected = match block.text("signature") {
        "present" => Signature::Present,
        _ => Signature::Absent,
    };
    assert_eq!(checked, Ok(expected), "{}", block.title);
}

fn proves_its_password(block: &Block<'_>, packet: &Packet<'_>) {
    if let Some(password) = block.find("password") {
        let hidden = packet.first(AttributeType::USER_PASSWORD).unwrap();
        let revealed = hide::reveal_password(hidden, packet.authenticator(), &block.secret());
        assert_eq!(revealed, Ok(Secret::new(password)), "{}", block.title);
    }
    if let Some(password) = block.find("chap") {
        let (identifier, given) = packet.first(AttributeType::CHAP_PASSWORD).unwrap().split_first().unwrap();
        let challenge = packet.first(AttributeType::CHAP_CHALLENGE).unwrap_or(packet.authenticator());
        assert!(chap::proves(*identifier, password.as_bytes(), challenge, given.try_into().unwrap()));
    }
    if let Some(password) = block.find("mschap1") {
        let challenge = packet.vendor(VendorType::MS_CHAP_CHALLENGE).unwrap().try_into().unwrap();
        let response = packet.vendor(VendorType::MS_CHAP_RESPONSE).unwrap();
        assert!(mschap::proves_v1(challenge, &mschap::nt_hash(password), response[26..].try_into().unwrap()));
    }
    if let Some(password) = block.find("mschap2") {
        let response = packet.vendor(VendorType::MS_CHAP2_RESPONSE).unwrap();
        let exchange = mschap::Exchange {
            peer: response[2..18].try_into().unwrap(),
            authenticator: packet.vendor(VendorType::MS_CHAP_CHALLENGE).unwrap().try_into().unwrap(),
            user: packet.first(AttributeType::USER_NAME).unwrap(),
        };
        assert!(mschap::proves_v2(&exchange, &mschap::nt_hash(password), response[26..].try_into().unwrap()));
    }
}

fn holds_its_keys(block: &Block<'_>, packet: &Packet<'_>) {
    for (key, kind) in [("send-key", VendorType::MS_MPPE_SEND_KEY), ("recv-key", VendorType::MS_MPPE_RECV_KEY)] {
        if block.find(key).is_some() {
            let revealed = hide::reveal_key(packet.vendor(kind).unwrap(), &block.octets("answers"), &block.secret());
            block.holds(key, revealed.unwrap().expose());
        }
    }
    if let Some((identifier, text)) = block.find("success").and_then(|text| text.split_once(' ')) {
        let success = packet.vendor(VendorType::MS_CHAP2_SUCCESS).unwrap();
        assert_eq!(success[..1], array::<1>(identifier).unwrap(), "{}", block.title);
        assert_eq!(&success[1..], text.as_bytes(), "{}", block.title);
    }
}

/// Packets that start with a Message-Authenticator or have none come out of the builder octet for octet.
fn builds_again(block: &Block<'_>, packet: &Packet<'_>) {
    let first = packet.attributes().next().map(|attribute| attribute.kind);
    let opening = match packet.first(AttributeType::MESSAGE_AUTHENTICATOR) {
        None => Opening::Bare,
        Some(_) if first == Some(AttributeType::MESSAGE_AUTHENTICATOR) => Opening::MessageAuthenticator,
        Some(_) => return,
    };
    let secret = block.secret();
    let mut builder = PacketBuilder::new(packet.code(), packet.identifier(), opening);
    for attribute in packet.attributes().filter(|attribute| attribute.kind != AttributeType::MESSAGE_AUTHENTICATOR) {
        match attribute.vendor_attributes().next() {
            Some((kind, value)) => builder.push_vendor(kind, value).unwrap(),
            None => builder.push(attribute.kind, attribute.value).unwrap(),
        };
    }
    let octets = match packet.code() {
        Code::ACCESS_REQUEST | Code::STATUS_SERVER => sign::sign_request(builder, packet.authenticator(), &secret),
        Code::ACCOUNTING_REQUEST => sign::sign_accounting_request(builder, &secret),
        Code::DISCONNECT_REQUEST | Code::COA_REQUEST => sign::sign_coa_request(builder, &secret),
        _ => sign::sign_reply(builder, &block.octets("answers"), &secret),
    };
    assert_eq!(hex::encode(&octets), block.text("hex"), "{}", block.title);
}

#[test]
fn vendors_are_the_dictionarys() {
    assert_eq!(Dictionary::embedded().vendor("Microsoft"), Some(VendorId::MICROSOFT.0));
    assert_eq!(Dictionary::embedded().vendor("Mikrotik"), Some(VendorId::MIKROTIK.0));
}
