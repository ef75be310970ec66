//! EAP-MSCHAPv2, EAP type 26 (draft-kamath-pppext-eap-mschapv2 §2): what stands behind the type.
//!
//! | octets | of all but the acknowledgements |
//! |---|---|
//! | 1 | op-code: 1 challenge, 2 response, 3 success, 4 failure |
//! | 1 | MS-CHAPv2-ID |
//! | 2 | MS-Length, big endian, of op-code and all behind it |
//! | 17 + name | of a challenge: 16, challenge (16), the server's name |
//! | 50 + name | of a response: 49, peer challenge (16), zeros (8), NT response (24), flags, the peer's name |
//! | text | of a success: `S=…`; of a failure: `E=… R=… C=… V=3 M=…` |
//!
//! A peer acknowledges a success or a failure by the op-code alone.

/// Value-Size of a challenge.
const CHALLENGE_BYTES: u8 = 16;
/// Value-Size of a response.
const RESPONSE_BYTES: u8 = 49;

/// What one side says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MsChapV2<'a> {
    /// The server asks for a proof.
    Challenge {
        /// MS-CHAPv2-ID.
        ident: u8,
        /// What the proof is made over.
        challenge: [u8; 16],
        /// The server's name.
        name: &'a [u8],
    },
    /// The peer's proof.
    Response {
        /// MS-CHAPv2-ID.
        ident: u8,
        /// What the peer adds to the challenge.
        peer_challenge: [u8; 16],
        /// The proof.
        nt_response: [u8; 24],
        /// The name that is logged in with, perhaps `DOMAIN\name`.
        name: &'a [u8],
    },
    /// The server's own proof.
    Success {
        /// MS-CHAPv2-ID.
        ident: u8,
        /// `S=` and forty digits; perhaps ` M=` and a text.
        message: &'a [u8],
    },
    /// The proof does not fit, or is not enough.
    Failure {
        /// MS-CHAPv2-ID.
        ident: u8,
        /// What went wrong.
        message: &'a [u8],
    },
    /// The peer has seen the success, and it fits.
    SuccessSeen,
    /// The peer has seen the failure.
    FailureSeen,
}

impl<'a> MsChapV2<'a> {
    /// Reads what stands behind the type; `None` if it is nothing of the above. Octets after MS-Length are not looked at.
    pub fn parse(data: &'a [u8]) -> Option<Self> {
        match data {
            [3] => return Some(Self::SuccessSeen),
            [4] => return Some(Self::FailureSeen),
            _ => {}
        }
        let (&[code, ident, high, low], _) = data.split_first_chunk::<4>()?;
        let body = data.get(4..usize::from(u16::from_be_bytes([high, low])))?;
        match code {
            1 => {
                let (challenge, name) = sized(body, CHALLENGE_BYTES)?.split_first_chunk::<16>()?;
                Some(Self::Challenge { ident, challenge: *challenge, name })
            }
            2 => {
                let (peer_challenge, rest) = sized(body, RESPONSE_BYTES)?.split_first_chunk::<16>()?;
                let (_reserved, rest) = rest.split_first_chunk::<8>()?;
                let (nt_response, rest) = rest.split_first_chunk::<24>()?;
                let (_flags, name) = rest.split_first()?;
                Some(Self::Response { ident, peer_challenge: *peer_challenge, nt_response: *nt_response, name })
            }
            3 => Some(Self::Success { ident, message: body }),
            4 => Some(Self::Failure { ident, message: body }),
            _ => None,
        }
    }

    /// The octets behind the type. A name or text is cut where MS-Length can count no further.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (code, ident, value, text): (u8, u8, Vec<u8>, &[u8]) = match *self {
            Self::SuccessSeen => return vec![3],
            Self::FailureSeen => return vec![4],
            Self::Challenge { ident, challenge, name } => {
                (1, ident, [&[CHALLENGE_BYTES][..], &challenge].concat(), name)
            }
            Self::Response { ident, peer_challenge, nt_response, name } => {
                (2, ident, [&[RESPONSE_BYTES][..], &peer_challenge, &[0; 8], &nt_response, &[0]].concat(), name)
            }
            Self::Success { ident, message } => (3, ident, Vec::new(), message),
            Self::Failure { ident, message } => (4, ident, Vec::new(), message),
        };
        let text = text.get(..usize::from(u16::MAX).saturating_sub(value.len()).saturating_sub(4)).unwrap_or(text);
        let length = value.len().saturating_add(text.len()).saturating_add(4);
        let [high, low] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
        [&[code, ident, high, low][..], &value, text].concat()
    }
}

/// What stands behind Value-Size, if that is as it must be.
fn sized(body: &[u8], size: u8) -> Option<&[u8]> {
    body.split_first().filter(|(found, _)| **found == size).map(|(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reads_as_it_was_written() {
        for said in [
            MsChapV2::Challenge { ident: 7, challenge: [1; 16], name: b"radgram" },
            MsChapV2::Response { ident: 7, peer_challenge: [2; 16], nt_response: [3; 24], name: b"DOMAIN\\ann" },
            MsChapV2::Success { ident: 7, message: b"S=00" },
            MsChapV2::Failure { ident: 7, message: b"E=691 R=0" },
            MsChapV2::SuccessSeen,
            MsChapV2::FailureSeen,
        ] {
            assert_eq!(MsChapV2::parse(&said.to_bytes()), Some(said));
        }
    }

    #[test]
    fn what_does_not_fit_is_not_read() {
        let response =
            MsChapV2::Response { ident: 7, peer_challenge: [2; 16], nt_response: [3; 24], name: b"" }.to_bytes();
        assert!(MsChapV2::parse(&response).is_some());
        for end in 0..response.len() {
            assert_eq!(MsChapV2::parse(&response[..end]), None, "{end}");
        }
        let changed = |place: usize, octet: u8| {
            let mut octets = response.clone();
            octets[place] = octet;
            octets
        };
        for (place, octet) in [(0, 0), (0, 7), (2, 1), (3, 3), (3, 53), (4, 48), (4, 16)] {
            assert_eq!(MsChapV2::parse(&changed(place, octet)), None, "{place}");
        }
    }
}
