//! The files of `tests/vectors/`, read block by block.
#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses a part of it, and fails by panicking")]

use radgram::crypto::hex;
use radgram::proto::radius::SharedSecret;
use radgram::secret::Secret;

/// One block of a file: a first line of kind and title, then `key: value` lines.
pub struct Block<'a> {
    pub title: &'a str,
    fields: Vec<(&'a str, &'a str)>,
}

impl<'a> Block<'a> {
    pub fn kind(&self) -> &'a str {
        self.title.split(' ').next().unwrap()
    }

    pub fn all(&self, key: &str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(found, _)| *found == key).map(|(_, value)| *value)
    }

    pub fn find(&self, key: &str) -> Option<&'a str> {
        self.all(key).next()
    }

    #[track_caller]
    pub fn text(&self, key: &str) -> &'a str {
        self.find(key).unwrap_or_else(|| panic!("{}: no {key}", self.title))
    }

    #[track_caller]
    pub fn octets<const N: usize>(&self, key: &str) -> [u8; N] {
        array(self.text(key)).unwrap_or_else(|| panic!("{}: {key} is not {N} octets", self.title))
    }

    pub fn secret(&self) -> SharedSecret {
        SharedSecret::new(Secret::new(self.text("secret")))
    }

    /// If the block has `key`, it must say `expected`.
    #[track_caller]
    pub fn holds(&self, key: &str, expected: &[u8]) {
        if let Some(text) = self.find(key) {
            assert_eq!(text, hex::encode(expected), "{}: {key}", self.title);
        }
    }
}

pub fn array<const N: usize>(text: &str) -> Option<[u8; N]> {
    hex::decode(text)?.try_into().ok()
}

pub fn blocks(file: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut open = false;
    for line in file.lines().filter(|line| !line.starts_with('#')) {
        match (line.is_empty(), open, line.split_once(':')) {
            (true, _, _) => open = false,
            (false, true, Some((key, value))) => blocks.last_mut().unwrap().fields.push((key, value.trim_start())),
            (false, true, None) => panic!("not a field: {line}"),
            (false, false, _) => {
                open = true;
                blocks.push(Block { title: line, fields: Vec::new() });
            }
        }
    }
    assert!(!blocks.is_empty());
    blocks
}
