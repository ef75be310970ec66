//! A stream of RADIUS over TLS: whatever it holds, nothing panics, the way it is cut up changes nothing, every packet is
//! exactly what its Length says, and a Length that no packet has ends it for good.

use radgram::proto::radius::{BadLength, Framer, Packet};

/// One input.
pub fn run(input: &[u8]) {
    // The first octets say how the rest is cut into pieces.
    let Some((&[first, second], stream)) = input.split_first_chunk::<2>() else { return };
    let (packets, bad) = cut(stream, &[usize::MAX]);
    assert_eq!(cut(stream, &[usize::from(first), usize::from(second)]), (packets.clone(), bad));
    assert!(stream.starts_with(&packets.concat()));
    for packet in &packets {
        assert!((20..=4096).contains(&packet.len()));
        if let Ok(parsed) = Packet::parse(packet) {
            assert_eq!(parsed.trimmed(), &packet[..]);
        }
    }
    if let Some(BadLength(length)) = bad {
        assert!(!(20..=4096).contains(&length));
    }
}

fn cut(stream: &[u8], sizes: &[usize]) -> (Vec<Vec<u8>>, Option<BadLength>) {
    let (mut framer, mut packets, mut rest) = (Framer::default(), Vec::new(), stream);
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(rest.len().min((*size).max(1)));
        framer.feed(piece);
        rest = after;
        loop {
            match framer.next_packet() {
                Ok(Some(packet)) => packets.push(packet.to_vec()),
                Ok(None) => break,
                Err(bad) => {
                    assert_eq!(framer.next_packet(), Err(bad));
                    return (packets, Some(bad));
                }
            }
        }
    }
    (packets, None)
}
