//! A sentence: words in order. Made with builders, looked into with accessors, written by [`encode`].

use std::fmt;

use super::word;

/// The start of the attribute that says which command a sentence belongs to.
const TAG: &[u8] = b".tag=";

/// Words in order, without the empty one at the end. An empty word cannot be among them: it would end the sentence.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Sentence {
    words: Vec<Vec<u8>>,
}

impl Sentence {
    /// A command: menu and verb with slashes, `/ppp/active/print`.
    pub fn command(path: impl Into<Vec<u8>>) -> Self {
        Self::from_words([path.into()])
    }

    /// A reply: `!re`, `!done`, `!trap`, `!fatal` or `!empty`.
    pub fn reply(word: impl Into<Vec<u8>>) -> Self {
        Self::from_words([word.into()])
    }

    /// These words; empty ones are left out.
    pub fn from_words(words: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self { words: words.into_iter().filter(|word| !word.is_empty()).collect() }
    }

    /// With `=name=value` behind.
    #[must_use]
    pub fn with(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.with_word([b"=", name.as_ref(), b"=", value.as_ref()].concat())
    }

    /// With a step of a query behind, as it is: `?name=ann`, `?#|`.
    #[must_use]
    pub fn query(self, step: impl Into<Vec<u8>>) -> Self {
        self.with_word(step)
    }

    /// With `.tag=` behind.
    #[must_use]
    pub fn tagged(self, tag: impl AsRef<[u8]>) -> Self {
        self.with_word([TAG, tag.as_ref()].concat())
    }

    /// With any word behind: the bare text of `!fatal`. An empty one is left out.
    #[must_use]
    pub fn with_word(mut self, word: impl Into<Vec<u8>>) -> Self {
        let word = word.into();
        if !word.is_empty() {
            self.words.push(word);
        }
        self
    }

    /// All words in order.
    pub fn words(&self) -> &[Vec<u8>] {
        &self.words
    }

    /// The command or the reply word; empty only for a sentence without words.
    pub fn first(&self) -> &[u8] {
        self.words.first().map_or(&[], Vec::as_slice)
    }

    /// The words behind the first.
    pub fn rest(&self) -> &[Vec<u8>] {
        self.words.get(1..).unwrap_or_default()
    }

    /// The value of the first attribute of this name; empty for `=name` alone.
    pub fn attribute(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let name = name.as_ref();
        self.attributes().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// Names and values of all attributes, in order.
    pub fn attributes(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.rest().iter().filter_map(|word| Some(split_at_equals(word.strip_prefix(b"=")?)))
    }

    /// The steps of the query, in order, each with its `?`.
    pub fn queries(&self) -> impl Iterator<Item = &[u8]> {
        self.rest().iter().map(Vec::as_slice).filter(|word| word.starts_with(b"?"))
    }

    /// What stands behind `.tag=`.
    pub fn tag(&self) -> Option<&[u8]> {
        self.rest().iter().find_map(|word| word.strip_prefix(TAG))
    }

    /// The bytes of all words, without their lengths.
    pub fn size_bytes(&self) -> usize {
        self.words.iter().map(Vec::len).fold(0, usize::saturating_add)
    }
}

fn split_at_equals(word: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = word.splitn(2, |byte| *byte == b'=');
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

/// The first word and the names of the rest: values may be passwords.
impl fmt::Debug for Sentence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sentence(")?;
        write!(formatter, "{}", self.first().escape_ascii())?;
        for word in self.rest() {
            let (sign, named) = match word.as_slice() {
                [sign @ (b'=' | b'?' | b'.'), named @ ..] => (char::from(*sign), named),
                _ => (' ', &[][..]),
            };
            write!(formatter, " {sign}{}…", split_at_equals(named).0.escape_ascii())?;
        }
        formatter.write_str(")")
    }
}

/// Writes a sentence, each length in its shortest form. A word of 4 GiB or more, which no length can say, is cut there.
pub fn encode(sentence: &Sentence, to: &mut Vec<u8>) {
    for word in sentence.words() {
        let length = u32::try_from(word.len()).unwrap_or(u32::MAX);
        word::push_length(length, to);
        to.extend(word.iter().take(usize::try_from(length).unwrap_or(usize::MAX)));
    }
    word::push_length(0, to);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_found() {
        let sentence = Sentence::command("/ppp/secret/add")
            .with("name", "ann")
            .with("password", "a=b=c")
            .with("comment", "")
            .with_word("=alone")
            .query("?name=x")
            .query("?#!")
            .tagged("7");
        assert_eq!(sentence.first(), b"/ppp/secret/add");
        assert_eq!(sentence.attribute("password"), Some(&b"a=b=c"[..]));
        assert_eq!(sentence.attribute("comment"), Some(&b""[..]));
        assert_eq!(sentence.attribute("alone"), Some(&b""[..]));
        assert_eq!(sentence.attribute("tag"), None);
        assert_eq!(sentence.attributes().count(), 4);
        assert_eq!(sentence.queries().collect::<Vec<_>>(), [&b"?name=x"[..], b"?#!"]);
        assert_eq!(sentence.tag(), Some(&b"7"[..]));
    }

    #[test]
    fn an_empty_word_cannot_end_a_sentence_early() {
        let sentence = Sentence::reply("!fatal").with_word("").with_word("not logged in");
        assert_eq!(sentence.words(), [b"!fatal".to_vec(), b"not logged in".to_vec()]);
        assert_eq!(Sentence::default().first(), b"");
        assert!(Sentence::default().rest().is_empty());
    }

    #[test]
    fn values_are_not_shown() {
        let sentence = Sentence::command("/login").with("name", "ann").with("password", "hunter2").tagged("1");
        assert_eq!(format!("{sentence:?}"), "Sentence(/login =name… =password… .tag…)");
        let fatal = Sentence::reply("!fatal").with_word("hunter2");
        assert_eq!(format!("{fatal:?}"), "Sentence(!fatal  …)");
    }

    #[test]
    fn the_first_word_is_no_attribute() {
        let sentence = Sentence::from_words([b"=name=ann".to_vec()]);
        assert_eq!(sentence.attribute("name"), None);
    }
}
