//! The length in front of a word: one to five bytes, big endian.
//!
//! | length | bytes | on the wire |
//! |---|---|---|
//! | 0 to 0x7F | 1 | the length |
//! | 0x80 to 0x3FFF | 2 | the length, 0x8000 added |
//! | 0x4000 to 0x1F_FFFF | 3 | the length, 0xC0_0000 added |
//! | 0x20_0000 to 0xFFF_FFFF | 4 | the length, 0xE000_0000 added |
//! | 0x1000_0000 to 0xFFFF_FFFF | 5 | 0xF0, then the length |
//!
//! A first byte of 0xF8 or more is reserved. A longer form than needed is understood; none is made.

use super::decode::FrameError;

/// The most bytes that a length takes.
pub const LENGTH_MAX_BYTES: usize = 5;

/// The length at the start of `bytes` and the bytes behind it; `None` while it is not all there.
///
/// # Errors
/// [`FrameError::Reserved`] for a first byte of 0xF8 or more.
pub fn split_length(bytes: &[u8]) -> Result<Option<(u32, &[u8])>, FrameError> {
    let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
    let (high, more) = match first {
        0x00..=0x7F => (*first, 0),
        0x80..=0xBF => (first & 0x3F, 1),
        0xC0..=0xDF => (first & 0x1F, 2),
        0xE0..=0xEF => (first & 0x0F, 3),
        // The low three bits belong to no length that there is.
        0xF0..=0xF7 => (0, 4),
        0xF8..=0xFF => return Err(FrameError::Reserved(*first)),
    };
    let Some((low, rest)) = rest.split_at_checked(more) else { return Ok(None) };
    let length = low.iter().fold(u32::from(high), |length, byte| length << 8 | u32::from(*byte));
    Ok(Some((length, rest)))
}

/// Writes a length in its shortest form.
pub fn push_length(length: u32, to: &mut Vec<u8>) {
    let [a, b, c, d] = length.to_be_bytes();
    match length {
        0..=0x7F => to.push(d),
        0x80..=0x3FFF => to.extend([c | 0x80, d]),
        0x4000..=0x1F_FFFF => to.extend([b | 0xC0, c, d]),
        0x20_0000..=0x0FFF_FFFF => to.extend([a | 0xE0, b, c, d]),
        0x1000_0000.. => to.extend([0xF0, a, b, c, d]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(length: u32, wire: &[u8]) {
        let mut written = Vec::new();
        push_length(length, &mut written);
        assert_eq!(written, wire);
        written.push(0xAA);
        assert_eq!(split_length(&written), Ok(Some((length, &[0xAA][..]))));
        for cut in 0..wire.len() {
            assert_eq!(split_length(&wire[..cut]), Ok(None));
        }
    }

    #[test]
    fn the_forms_change_at_their_borders() {
        check(0, &[0x00]);
        check(0x7F, &[0x7F]);
        check(0x80, &[0x80, 0x80]);
        check(0x100, &[0x81, 0x00]);
        check(0x3FFF, &[0xBF, 0xFF]);
        check(0x4000, &[0xC0, 0x40, 0x00]);
        check(0x1F_FFFF, &[0xDF, 0xFF, 0xFF]);
        check(0x20_0000, &[0xE0, 0x20, 0x00, 0x00]);
        check(0x0FFF_FFFF, &[0xEF, 0xFF, 0xFF, 0xFF]);
        check(0x1000_0000, &[0xF0, 0x10, 0x00, 0x00, 0x00]);
        check(u32::MAX, &[0xF0, 0xFF, 0xFF, 0xFF, 0xFF]);
    }

    #[test]
    fn a_longer_form_than_needed_is_understood() {
        for wire in [&[0x80, 0x05][..], &[0xC0, 0x00, 0x05], &[0xE0, 0, 0, 0x05], &[0xF0, 0, 0, 0, 0x05]] {
            assert_eq!(split_length(wire), Ok(Some((5, &[][..]))));
        }
    }

    #[test]
    fn reserved_first_bytes_are_refused_at_once() {
        for first in 0xF8..=0xFF {
            assert_eq!(split_length(&[first]), Err(FrameError::Reserved(first)));
        }
    }
}
