//! The packer: values one after the other in few octets. Numbers are seven bits to an octet, texts have their length first, a
//! choice is its place among all. What was packed here is read here alone, so there is no version.

use zeroize::Zeroizing;

use crate::clock::Timestamp;

/// What is packed so far; wiped when it goes.
pub(super) struct Packer(pub(super) Zeroizing<Vec<u8>>);

impl Packer {
    pub(super) fn int(&mut self, number: i64) {
        // The sign goes last, so that small numbers are short whatever their sign.
        let mut left = (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned();
        while left >= 0x80 {
            self.0.push(left as u8 | 0x80);
            left >>= 7;
        }
        self.0.push(left as u8);
    }

    pub(super) fn flag(&mut self, is: bool) {
        self.0.push(u8::from(is));
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.int(i64::try_from(bytes.len()).unwrap_or(i64::MAX));
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(super) fn time(&mut self, at: Timestamp) {
        self.int(at.millis());
    }

    pub(super) fn choice<T: PartialEq>(&mut self, all: &[T], chosen: T) {
        // One that is not among all reads as nothing.
        self.0.push(all.iter().position(|one| *one == chosen).map_or(u8::MAX, |place| place as u8));
    }

    pub(super) fn maybe<T>(&mut self, value: Option<T>, pack: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            pack(self, value);
        }
    }

    pub(super) fn each<T>(&mut self, values: &[T], mut pack: impl FnMut(&mut Self, &T)) {
        self.int(i64::try_from(values.len()).unwrap_or(i64::MAX));
        values.iter().for_each(|value| pack(self, value));
    }
}

/// What is left to be read.
pub(super) struct Unpacker<'a>(pub(super) &'a [u8]);

impl<'a> Unpacker<'a> {
    pub(super) fn octet(&mut self) -> Option<u8> {
        let (octet, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*octet)
    }

    pub(super) fn int(&mut self) -> Option<i64> {
        let (mut number, mut shift) = (0_u64, 0);
        loop {
            let octet = self.octet()?;
            number |= u64::from(octet & 0x7f).checked_shl(shift)?;
            if octet & 0x80 == 0 {
                return Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
            shift += 7;
        }
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.octet()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn length(&mut self) -> Option<usize> {
        usize::try_from(self.int()?).ok()
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Option<String> {
        std::str::from_utf8(self.bytes()?).ok().map(str::to_owned)
    }

    pub(super) fn choice<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        all.get(usize::from(self.octet()?)).copied()
    }

    pub(super) fn time(&mut self) -> Option<Timestamp> {
        self.int().map(Timestamp::from_millis)
    }

    /// The outer `None` is what cannot be read.
    pub(super) fn maybe<T>(&mut self, unpack: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.flag()? { unpack(self).map(Some) } else { Some(None) }
    }

    pub(super) fn each<T>(&mut self, mut unpack: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let length = self.length()?;
        (0..length).map(|_| unpack(self)).collect()
    }
}
