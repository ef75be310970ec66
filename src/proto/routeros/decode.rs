//! Sentences out of bytes, however they are cut up on their way; for either end.

use super::sentence::Sentence;
use super::word;

/// What a sentence may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one word.
    pub word_bytes: usize,
    /// Words of one sentence.
    pub sentence_words: usize,
    /// Bytes of all words of one sentence.
    pub sentence_bytes: usize,
}

impl Limits {
    /// The longest value that RouterOS keeps is the source of a script, 64 KiB: twice that.
    pub const WORD_BYTES: usize = 128 * 1024;
    /// The widest menu has fewer than 200 properties: more than twice that. Each row is a sentence of its own.
    pub const SENTENCE_WORDS: usize = 512;
    /// A few of the longest words.
    pub const SENTENCE_BYTES: usize = 512 * 1024;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            word_bytes: Self::WORD_BYTES,
            sentence_words: Self::SENTENCE_WORDS,
            sentence_bytes: Self::SENTENCE_BYTES,
        }
    }
}

/// Why bytes are not sentences. Nothing behind can be understood: the connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A length that begins with 0xF8 or more.
    #[error("a length begins with the reserved byte {0:#04x}")]
    Reserved(u8),
    /// A word is longer than the limit.
    #[error("a word of {0} bytes is too long")]
    WordTooLong(u32),
    /// A sentence has more words than the limit.
    #[error("a sentence has too many words")]
    TooManyWords,
    /// A sentence has more bytes than the limit.
    #[error("a sentence is too long")]
    SentenceTooLong,
}

/// Takes bytes as they come and gives the sentences in them.
///
/// Keeps at most one sentence that is not complete and what was fed since [`Self::next_sentence`] last gave `None`.
#[derive(Default)]
pub struct Decoder {
    limits: Limits,
    fed: Vec<u8>,
    /// How many bytes at the front of `fed` are used up.
    used: usize,
    words: Vec<Vec<u8>>,
    /// Bytes of `words`.
    size: usize,
    broken: Option<FrameError>,
}

impl Decoder {
    /// A decoder with nothing fed.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes bytes over. After an error they are dropped.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.broken.is_some() {
            return;
        }
        self.fed.drain(..self.used.min(self.fed.len()));
        self.used = 0;
        self.fed.extend_from_slice(bytes);
    }

    /// The next complete sentence that has words; `None` until more is fed.
    ///
    /// # Errors
    /// As [`FrameError`]; from then on always the same.
    pub fn next_sentence(&mut self) -> Result<Option<Sentence>, FrameError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        let next = self.sentence();
        if let Err(error) = next {
            *self = Self { broken: Some(error), ..Self::new(self.limits) };
        }
        next
    }

    fn sentence(&mut self) -> Result<Option<Sentence>, FrameError> {
        while let Some(word) = self.word()? {
            if !word.is_empty() {
                self.size = self.size.saturating_add(word.len());
                self.words.push(word);
            } else if !self.words.is_empty() {
                self.size = 0;
                return Ok(Some(Sentence::from_words(std::mem::take(&mut self.words))));
            }
        }
        Ok(None)
    }

    /// The next complete word. A length beyond a limit is refused before its bytes are waited for.
    fn word(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let unread = self.fed.get(self.used..).unwrap_or_default();
        let Some((said, rest)) = word::split_length(unread)? else { return Ok(None) };
        let length = usize::try_from(said).map_err(|_| FrameError::WordTooLong(said))?;
        if length > self.limits.word_bytes {
            return Err(FrameError::WordTooLong(said));
        }
        if length > 0 && self.words.len() >= self.limits.sentence_words {
            return Err(FrameError::TooManyWords);
        }
        if self.size.saturating_add(length) > self.limits.sentence_bytes {
            return Err(FrameError::SentenceTooLong);
        }
        let Some((word, behind)) = rest.split_at_checked(length) else { return Ok(None) };
        let word = word.to_vec();
        self.used = self.fed.len().saturating_sub(behind.len());
        Ok(Some(word))
    }
}

/// How much is kept, never what.
impl std::fmt::Debug for Decoder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unread = self.fed.len().saturating_sub(self.used);
        formatter.debug_struct("Decoder").field("unread", &unread).field("broken", &self.broken).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Limits = Limits { word_bytes: 10, sentence_words: 3, sentence_bytes: 20 };

    fn decode(limits: Limits, bytes: &[u8]) -> Result<Vec<Vec<String>>, FrameError> {
        let mut decoder = Decoder::new(limits);
        decoder.feed(bytes);
        let mut found = Vec::new();
        while let Some(sentence) = decoder.next_sentence()? {
            found.push(sentence.words().iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect());
        }
        Ok(found)
    }

    #[test]
    fn sentences_come_out_one_by_one_and_empty_ones_are_skipped() {
        let found = decode(SMALL, b"\0\0\x01a\x02bc\0\0\x03def\0\x01g").unwrap();
        assert_eq!(found, [vec!["a", "bc"], vec!["def"]]);
    }

    #[test]
    fn a_byte_at_a_time_is_the_same() {
        let mut decoder = Decoder::new(SMALL);
        let mut found = Vec::new();
        for byte in b"\x80\x01a\0\x05!done\0" {
            decoder.feed(&[*byte]);
            found.extend(decoder.next_sentence().unwrap());
        }
        assert_eq!(found, [Sentence::reply("a"), Sentence::reply("!done")]);
    }

    #[test]
    fn what_is_too_much_is_refused_before_it_is_there() {
        assert_eq!(decode(SMALL, b"\x0b"), Err(FrameError::WordTooLong(11)));
        assert_eq!(decode(SMALL, b"\xf0\xff\xff\xff\xff"), Err(FrameError::WordTooLong(u32::MAX)));
        assert_eq!(decode(SMALL, b"\x01a\x01b\x01c\x01"), Err(FrameError::TooManyWords));
        assert_eq!(decode(SMALL, b"\x0a0123456789\x0a0123456789\x01"), Err(FrameError::SentenceTooLong));
        assert_eq!(decode(SMALL, b"\x01a\x01b\x01c\0").map(|found| found.len()), Ok(1));
        assert_eq!(decode(SMALL, b"\x0a0123456789\x0a0123456789\0").map(|found| found.len()), Ok(1));
    }

    #[test]
    fn after_an_error_nothing_is_understood_or_kept() {
        let mut decoder = Decoder::new(SMALL);
        decoder.feed(b"\x01a\0\xff");
        assert_eq!(decoder.next_sentence(), Ok(Some(Sentence::reply("a"))));
        assert_eq!(decoder.next_sentence(), Err(FrameError::Reserved(0xff)));
        decoder.feed(&[b'x'; 1000]);
        assert_eq!(decoder.next_sentence(), Err(FrameError::Reserved(0xff)));
        assert_eq!(decoder.fed.len(), 0);
    }

    #[test]
    fn what_was_used_is_let_go() {
        let mut decoder = Decoder::new(Limits::default());
        for _ in 0..1000 {
            decoder.feed(b"\x05!done\0\x03");
            assert_eq!(decoder.next_sentence(), Ok(Some(Sentence::reply("!done"))));
            assert_eq!(decoder.next_sentence(), Ok(None));
            decoder.feed(b"!re\0");
            assert_eq!(decoder.next_sentence(), Ok(Some(Sentence::reply("!re"))));
        }
        assert!(decoder.fed.len() < 20);
    }
}
