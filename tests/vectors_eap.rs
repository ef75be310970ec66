//! The captured EAP-MSCHAPv2 log-in of `tests/vectors/eap.txt`, and properties of the EAP codec and of its conversation.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use radgram::crypto::{hex, mschap};
use radgram::proto::radius::eap::{Challenged, Conversation, Eap, Heard, Method, MsChapV2, Response, conversation};

type Talk = Conversation<u8, u8>;

fn field(name: &str) -> Vec<u8> {
    let file = include_str!("vectors/eap.txt");
    let line = file.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    hex::decode(line.unwrap_or_else(|| panic!("no {name}"))).unwrap()
}

fn octets<const N: usize>(name: &str) -> [u8; N] {
    field(name).try_into().unwrap()
}

fn asked(heard: Heard<u8, u8>) -> (Talk, Vec<u8>) {
    match heard {
        Heard::Ask(talk, octets) => (talk, octets),
        other => panic!("{other:?}"),
    }
}

fn proof(talk: &Talk) -> (Challenged, Response) {
    match talk.hear(&field("response"), [0; 16]) {
        Ok(Heard::Proof(challenged, response)) => (challenged, response),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_captured_log_in_goes_the_same_way_here() {
    let challenge = octets("authenticator-challenge");
    let (talk, ours) = asked(Talk::open(&field("identity"), challenge).unwrap());
    // Theirs calls the server freeradius-3.2.1, ours radgram; all else is the same.
    let theirs = field("challenge");
    let Ok(Eap::Request { identifier, method: Method::MSCHAPV2, data }) = Eap::parse(&theirs) else { panic!() };
    let Some(MsChapV2::Challenge { ident, challenge: asked_theirs, name }) = MsChapV2::parse(data) else { panic!() };
    assert_eq!((asked_theirs, name), (challenge, &b"freeradius-3.2.1"[..]));
    let renamed = MsChapV2::Challenge { ident, challenge, name: b"radgram" }.to_bytes();
    assert_eq!(ours, Eap::Request { identifier, method: Method::MSCHAPV2, data: &renamed }.to_bytes());

    let (challenged, response) = proof(&talk);
    assert_eq!((response.name.as_slice(), response.challenge), (&b"User"[..], challenge));
    assert_eq!((response.peer_challenge, response.nt_response), (octets("peer-challenge"), octets("nt-response")));
    let exchange = mschap::Exchange { peer: &response.peer_challenge, authenticator: &challenge, user: &response.name };
    let nt_hash = mschap::nt_hash("clientPass");
    assert!(mschap::proves_v2(&exchange, &nt_hash, &response.nt_response));

    let success = mschap::authenticator_response(&exchange, &nt_hash, &response.nt_response);
    let (talk, ours): (Talk, _) = challenged.succeed(7, &success);
    assert_eq!(hex::encode(&ours), hex::encode(&field("success")));
    assert_eq!(talk.hear(&field("seen"), [0; 16]), Ok(Heard::Granted(7, field("accepted"))));
}

/// Octets that look like something of EAP: mostly the right header, mostly a type that is looked into.
fn nearly_eap() -> impl Strategy<Value = Vec<u8>> {
    let method = prop_oneof![4 => 26u8..27, 1 => 1u8..4, 1 => any::<u8>()];
    let op_code = prop_oneof![6 => 1u8..5, 1 => any::<u8>()];
    let size = prop_oneof![4 => 49u8..50, 4 => 16u8..17, 1 => any::<u8>()];
    (0u8..6, any::<u8>(), method, op_code, any::<u8>(), size, vec(any::<u8>(), 0..80), -2i32..3).prop_map(
        |(code, identifier, method, op_code, ident, size, rest, lie)| {
            let ms_length = (rest.len() as i32 + 5 + lie).max(0) as u16;
            let length = (rest.len() as i32 + 10 + lie).max(0) as u16;
            let ([a, b], [c, d]) = (length.to_be_bytes(), ms_length.to_be_bytes());
            [&[code, identifier, a, b, method, op_code, ident, c, d, size][..], &rest].concat()
        },
    )
}

/// Every stage that a conversation can be in.
fn stages() -> Vec<Talk> {
    let (start, _) = asked(Talk::open(b"", [1; 16]).unwrap());
    let (challenge, _) = asked(Talk::open(&field("identity"), octets("authenticator-challenge")).unwrap());
    let (challenged, _) = proof(&challenge);
    vec![start, challenge, challenged.succeed(1, b"S=").0, challenged.fail(2, b"E=").0]
}

fn hear_everything(octets: &[u8]) {
    let _ = (Talk::open(octets, [1; 16]), conversation::failure_for(octets), MsChapV2::parse(octets));
    if let Ok(Eap::Request { data, .. } | Eap::Response { data, .. }) = Eap::parse(octets) {
        let _ = MsChapV2::parse(data);
    }
    for (place, talk) in stages().iter().enumerate() {
        let heard = talk.hear(octets, [2; 16]);
        let is_success = matches!(heard, Ok(Heard::Granted(..)));
        assert!(!is_success || place == 2, "only after a success may a peer be let in");
    }
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic_nor_let_in(octets in vec(any::<u8>(), 0..120)) {
        hear_everything(&octets);
    }

    #[test]
    fn nearly_good_octets_never_panic_nor_let_in(octets in nearly_eap()) {
        hear_everything(&octets);
    }

    #[test]
    fn what_is_written_is_read_back(
        identifier in any::<u8>(),
        method in any::<u8>(),
        data in vec(any::<u8>(), 0..300),
        challenge in any::<[u8; 16]>(),
        nt_response in any::<[u8; 24]>(),
    ) {
        let method = Method(method);
        for packet in [
            Eap::Request { identifier, method, data: &data },
            Eap::Response { identifier, method, data: &data },
            Eap::Success { identifier },
            Eap::Failure { identifier },
        ] {
            let octets = packet.to_bytes();
            prop_assert_eq!(Eap::parse(&octets), Ok(packet));
        }
        for said in [
            MsChapV2::Challenge { ident: identifier, challenge, name: &data },
            MsChapV2::Response { ident: identifier, peer_challenge: challenge, nt_response, name: &data },
            MsChapV2::Success { ident: identifier, message: &data },
            MsChapV2::Failure { ident: identifier, message: &data },
        ] {
            let octets = said.to_bytes();
            prop_assert_eq!(MsChapV2::parse(&octets), Some(said));
        }
        prop_assert!(MsChapV2::parse(&[]).is_none());
    }
}
