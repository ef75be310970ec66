//! What fuzzing starts from: the octets of `tests/vectors/` and the dictionaries, in the shape that each target takes.

use radgram::crypto::hex;
use radgram::dictionary::{self, Dictionary};

const PACKETS: [&str; 3] = [
    include_str!("../../tests/vectors/packets.txt"),
    include_str!("../../tests/vectors/malformed.txt"),
    include_str!("../../tests/vectors/malformed_requests.txt"),
];
const EAP: &str = include_str!("../../tests/vectors/eap.txt");
const ROUTEROS: &str = include_str!("../../tests/vectors/routeros.txt");

/// Values in lines `key: hex`, of these keys.
fn octets<'a>(text: &'a str, keys: &'a [&str]) -> impl Iterator<Item = Vec<u8>> + 'a {
    let values = text.lines().filter_map(|line| line.split_once(':')).filter(move |(key, _)| keys.contains(key));
    values.map(|(_, value)| hex::decode(value.trim_start()).expect("a vector's octets"))
}

/// Datagrams.
pub fn packet() -> Vec<Vec<u8>> {
    PACKETS.iter().flat_map(|text| octets(text, &["hex"])).collect()
}

/// For each attribute of the dictionary a text and the octets of one; the vectors' values, each of its attribute.
pub fn attributes() -> Vec<Vec<u8>> {
    let definitions = Dictionary::embedded().definitions();
    let head = |which: usize| (which as u16).to_le_bytes();
    let examples = ["0", "Framed", "0x00ff", "10.8.0.5", "2001:db8::/56", "192.0.2.0/24", "5M/10M 8M/16M 4M/8M 10/10"];
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for which in 0..definitions.len() {
        let text = examples.get(which % examples.len()).copied().unwrap_or_default();
        seeds.push([&head(which)[..], text.as_bytes()].concat());
        // A text that looks as if it had a tag.
        seeds.push([&head(which)[..], b":07:d."].concat());
    }
    for datagram in packet() {
        let Ok(packet) = radgram::proto::radius::Packet::parse(&datagram) else { continue };
        for attribute in packet.attributes() {
            let which = definitions.iter().position(|known| known.vendor.is_none() && known.number == attribute.kind.0);
            seeds.extend(which.map(|which| [&head(which)[..], attribute.value].concat()));
        }
    }
    seeds
}

/// Words of a peer, each behind its length: what the three said, one log-in after the other, and each alone; and what is
/// wrong in a vector, said to a challenge.
pub fn eap() -> Vec<Vec<u8>> {
    const INTRODUCTION: &[u8] = &[9, 2, 7, 0, 9, 1, b'U', b's', b'e', b'r'];
    let word = |said: Vec<u8>| [&[said.len() as u8][..], &said].concat();
    let mut seeds: Vec<Vec<u8>> = octets(EAP, &["identity", "response", "seen"]).map(word).collect();
    seeds.push(seeds.concat());
    let wrong = PACKETS.iter().flat_map(|text| octets(text, &["eap"])).map(word);
    seeds.extend(wrong.map(|word| [INTRODUCTION, &word].concat()));
    seeds
}

/// The dictionaries that the binary carries, each alone and all together, and one with what they do not have.
pub fn dictionary() -> Vec<Vec<u8>> {
    const OTHER: &str = "own\n$INCLUDE- not.there\nVENDOR Wide 10 format=2,2\nATTRIBUTE Outer 1 tlv\nBEGIN-TLV Outer\n\
                         ATTRIBUTE Inner 2 string\nEND-TLV Outer\nATTRIBUTE Extended 241.1 integer\n\
                         ATTRIBUTE Hidden 4 octets[16] has_tag,encrypt=2\nVALUE Later On 0x01\nATTRIBUTE Later 5 byte\n";
    let root = dictionary::embedded_text("dictionary").expect("it is embedded");
    let names = root.lines().filter_map(|line| line.strip_prefix("$INCLUDE")).map(str::trim);
    let files = std::iter::once("dictionary").chain(names);
    let mut seeds: Vec<String> =
        files.map(|name| format!("{name}\n{}", dictionary::embedded_text(name).expect("it is embedded"))).collect();
    seeds.push(seeds.join("\u{c}"));
    seeds.push(OTHER.to_owned());
    seeds.into_iter().map(String::into_bytes).collect()
}

/// What came from a router; the first octet says how it is cut into pieces.
pub fn routeros_codec() -> Vec<Vec<u8>> {
    octets(ROUTEROS, &["hex"]).map(|octets| [&[7][..], &octets].concat()).collect()
}

/// Packets back to back, each alone and all as one stream; the first two octets say how they are cut into pieces.
pub fn radsec_framing() -> Vec<Vec<u8>> {
    let mut streams = packet();
    streams.push(streams.concat());
    streams.into_iter().map(|stream| [&[7, 90][..], &stream].concat()).collect()
}
