//! Packets out of a stream of octets, as TCP and TLS carry them back to back: RFC 6613 §2.6, RFC 6614 §2.
//!
//! Only the Length of each packet says where the next one begins. So a wrong one cannot be skipped: it ends the stream.
//!
//! | octets | of each packet |
//! |---|---|
//! | 2 | code, identifier: not looked at |
//! | 2 | length, big endian: 20 to 4096 |
//! | length − 4 | the rest |

use super::packet::{HEADER_BYTES, PACKET_MAX_BYTES};

/// A Length that no packet has: what follows it cannot be told apart any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a packet of {0} octets in the stream; expected {HEADER_BYTES} to {PACKET_MAX_BYTES}")]
pub struct BadLength(pub u16);

/// Cuts a stream into packets.
///
/// It holds what was fed and not taken. Who takes all packets before feeding more lets it hold less than one packet beside
/// what is fed at once.
#[derive(Debug, Default)]
pub struct Framer {
    octets: Vec<u8>,
    /// How many of them were given out.
    taken: usize,
}

impl Framer {
    /// Octets that came next.
    pub fn feed(&mut self, octets: &[u8]) {
        self.octets.drain(..self.taken.min(self.octets.len()));
        self.taken = 0;
        self.octets.extend_from_slice(octets);
    }

    /// The next whole packet: exactly as many octets as its Length says, 20 to 4096. `None` until more is fed.
    ///
    /// # Errors
    /// [`BadLength`], from then on always: the connection is of no more use (RFC 6613 §2.6.4).
    pub fn next_packet(&mut self) -> Result<Option<&[u8]>, BadLength> {
        let rest = self.octets.get(self.taken..).unwrap_or_default();
        let Some((&[_, _, high, low], _)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let length = u16::from_be_bytes([high, low]);
        if !(HEADER_BYTES..=PACKET_MAX_BYTES).contains(&usize::from(length)) {
            return Err(BadLength(length));
        }
        let Some(packet) = rest.get(..usize::from(length)) else { return Ok(None) };
        self.taken = self.taken.saturating_add(packet.len());
        Ok(Some(packet))
    }

    /// Whether nothing waits for its rest.
    pub fn is_between_packets(&self) -> bool {
        self.taken >= self.octets.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Cut = (Vec<Vec<u8>>, Option<BadLength>);

    /// What a stream is cut into when it comes in pieces of these sizes, again and again.
    fn cut(stream: &[u8], sizes: &[usize]) -> Cut {
        let (mut framer, mut packets, mut rest) = (Framer::default(), Vec::new(), stream);
        for size in sizes.iter().cycle() {
            let (piece, after) = rest.split_at(rest.len().min((*size).max(1)));
            framer.feed(piece);
            rest = after;
            loop {
                match framer.next_packet() {
                    Ok(Some(packet)) => packets.push(packet.to_vec()),
                    Ok(None) => break,
                    Err(bad) => {
                        assert_eq!(framer.next_packet(), Err(bad), "it goes on after a bad length");
                        return (packets, Some(bad));
                    }
                }
            }
            assert!(framer.octets.len() - framer.taken < PACKET_MAX_BYTES, "it hoards");
            if rest.is_empty() {
                return (packets, None);
            }
        }
        (packets, None)
    }

    fn packet(identifier: u8, length: u16) -> Vec<u8> {
        let mut packet = vec![identifier; usize::from(length)];
        packet[2..4].copy_from_slice(&length.to_be_bytes());
        packet
    }

    #[test]
    fn packets_come_out_as_they_went_in() {
        let packets = [packet(1, 20), packet(2, 4096), packet(3, 21)];
        let stream = packets.concat();
        for size in [1, 3, 4, 19, 20, 21, 4095, stream.len()] {
            assert_eq!(cut(&stream, &[size]), (packets.to_vec(), None), "{size}");
        }
    }

    #[test]
    fn a_length_that_no_packet_has_ends_the_stream() {
        for length in [0, 1, 19, 4097, u16::MAX] {
            let stream = [packet(1, 20), vec![2, 2], length.to_be_bytes().to_vec(), packet(3, 20)].concat();
            assert_eq!(cut(&stream, &[7]), (vec![packet(1, 20)], Some(BadLength(length))));
        }
    }

    #[test]
    fn half_a_packet_waits_for_its_rest() {
        let mut framer = Framer::default();
        assert!(framer.is_between_packets());
        let whole = packet(1, 40);
        framer.feed(&whole[..39]);
        assert_eq!(framer.next_packet(), Ok(None));
        assert!(!framer.is_between_packets());
        framer.feed(&whole[39..]);
        assert_eq!(framer.next_packet(), Ok(Some(&whole[..])));
        assert!(framer.is_between_packets());
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same(
            lengths in prop::collection::vec(20_u16..300, 0..12),
            tail in prop::collection::vec(any::<u8>(), 0..40),
            sizes in prop::collection::vec(1_usize..90, 1..6),
        ) {
            let packets: Vec<Vec<u8>> = lengths.iter().map(|length| packet(9, *length)).collect();
            let stream = [packets.concat(), tail].concat();
            let whole = cut(&stream, &[usize::MAX]);
            prop_assert!(whole.0.starts_with(&packets));
            prop_assert_eq!(cut(&stream, &sizes), whole);
        }

        #[test]
        fn arbitrary_octets_never_panic(
            stream in prop::collection::vec(any::<u8>(), 0..600),
            sizes in prop::collection::vec(1_usize..90, 1..6),
        ) {
            let (packets, _) = cut(&stream, &sizes);
            prop_assert!(stream.starts_with(&packets.concat()));
        }
    }
}
