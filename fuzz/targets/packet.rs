//! A datagram of RADIUS: nothing panics; what was understood is the same after it was written again; what was signed holds,
//! and nothing that was hidden comes back as something else.

use radgram::dictionary::Dictionary;
use radgram::proto::radius::{AttributeType, Opening, Packet, PacketBuilder, SharedSecret, Signature, eap, hide, sign};
use radgram::radius::view::View;
use radgram::secret::Secret;

/// One input.
pub fn run(input: &[u8]) {
    let Ok(packet) = Packet::parse(input) else { return };
    assert!(input.starts_with(packet.trimmed()));
    assert_eq!(Packet::parse(packet.trimmed()), Ok(packet));
    let secret = SharedSecret::new(Secret::new("testing123"));
    is_checked(&packet, &secret);
    is_written_again(&packet, &secret);
    is_shown(&packet);
    for attribute in packet.attributes() {
        is_hidden_again(attribute.value, packet.authenticator(), &secret);
    }
}

/// Every signature may be asked for; one that is not there never holds.
fn is_checked(packet: &Packet<'_>, secret: &SharedSecret) {
    let is_signed = packet.first(AttributeType::MESSAGE_AUTHENTICATOR).is_some();
    let checked = [
        sign::check_access_request(packet, secret),
        sign::check_hashed_request(packet, secret),
        sign::check_reply(packet, &[0; 16], secret),
    ];
    for signature in checked.into_iter().flatten() {
        assert_eq!(signature == Signature::Present, is_signed);
    }
}

/// Attribute by attribute, signed anew. EAP-Message too, which is put together and cut again.
fn is_written_again(packet: &Packet<'_>, secret: &SharedSecret) {
    let opening = match packet.first(AttributeType::MESSAGE_AUTHENTICATOR) {
        Some(_) => Opening::MessageAuthenticator,
        None => Opening::Bare,
    };
    let unsigned = |packet: &Packet<'_>| {
        let all = packet.attributes().filter(|attribute| attribute.kind != AttributeType::MESSAGE_AUTHENTICATOR);
        all.map(|attribute| (attribute.kind, attribute.value.to_vec())).collect::<Vec<_>>()
    };
    let mut written = PacketBuilder::new(packet.code(), packet.identifier(), opening);
    for (kind, value) in unsigned(packet) {
        written.push(kind, &value).expect("what came fits");
    }
    let octets = sign::sign_request(written, packet.authenticator(), secret);
    let read = Packet::parse(&octets).expect("what was written is read");
    assert_eq!(
        (read.code(), read.identifier(), read.authenticator()),
        (packet.code(), packet.identifier(), packet.authenticator())
    );
    assert_eq!(unsigned(&read), unsigned(packet));
    let present = sign::check_access_request(&read, secret).expect("what was signed holds") == Signature::Present;
    assert_eq!(present, opening == Opening::MessageAuthenticator);

    let Ok(Some(message)) = eap::join(packet) else { return };
    let mut carrying = PacketBuilder::new(packet.code(), packet.identifier(), Opening::Bare);
    eap::push(&mut carrying, &message).expect("what came fits");
    let octets = sign::sign_request(carrying, packet.authenticator(), secret);
    let again = eap::join(&Packet::parse(&octets).expect("what was written is read"));
    assert_eq!(again.map(Option::unwrap_or_default), Ok(message));
}

/// In words: each attribute has its lines, and none can break out of its own.
fn is_shown(packet: &Packet<'_>) {
    let shown = View { packet, dictionary: Dictionary::embedded() }.to_string();
    assert!(!shown.contains(|shown: char| shown.is_control() && shown != '\n'));
    let of_vendors: usize = packet.attributes().map(|attribute| attribute.vendor_attributes().count().max(1)).sum();
    assert_eq!(shown.lines().count(), of_vendors + 1);
}

/// A value that is revealed and hidden again is revealed as the same.
fn is_hidden_again(value: &[u8], authenticator: &[u8; 16], secret: &SharedSecret) {
    if let Ok(password) = hide::reveal_password(value, authenticator, secret) {
        let hidden = hide::hide_password(password.expose(), authenticator, secret).expect("it fitted");
        assert_eq!(hide::reveal_password(&hidden, authenticator, secret), Ok(password));
    }
    if let Ok(key) = hide::reveal_key(value, authenticator, secret)
        && let Some(salt) = value.first_chunk::<2>()
    {
        let hidden = hide::hide_salted(key.expose(), *salt, authenticator, secret).expect("it fitted");
        assert_eq!(hide::reveal_key(&hidden, authenticator, secret), Ok(key));
    }
    if let Ok(keys) = hide::reveal_chap_keys(value, authenticator, secret) {
        assert_eq!(hide::hide_chap_keys(&keys, authenticator, secret).as_slice(), value);
    }
}
