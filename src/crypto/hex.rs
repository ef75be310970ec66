//! Bytes as hexadecimal digits and back.

/// Two lower-case digits per byte.
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| digits(*byte, b"0123456789abcdef")).map(char::from).collect()
}

/// Two upper-case digits per byte, as MS-CHAP texts want them (RFC 2759 §5).
pub fn encode_upper(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| digits(*byte, b"0123456789ABCDEF")).map(char::from).collect()
}

/// The two digits of `byte` in the given alphabet.
pub(crate) fn digits(byte: u8, alphabet: &[u8; 16]) -> [u8; 2] {
    [alphabet[usize::from(byte >> 4)], alphabet[usize::from(byte & 0x0f)]]
}

/// The bytes that an even number of digits (either case) stands for; `None` for anything else.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect()
}

fn nibble(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_there_and_back() {
        assert_eq!(encode(&[0x00, 0xfe]), "00fe");
        assert_eq!(encode_upper(&[0x00, 0xfe]), "00FE");
        assert_eq!(decode("00fE"), Some(vec![0x00, 0xfe]));
        assert_eq!(decode(""), Some(Vec::new()));
    }

    #[test]
    fn refuses_what_is_not_hexadecimal() {
        assert_eq!(decode("0"), None);
        assert_eq!(decode("0g"), None);
        assert_eq!(decode("ää"), None);
    }
}
