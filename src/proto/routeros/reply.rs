//! What a router answers: rows, the end of a command, refusals.
//!
//! | first word | is | carries |
//! |---|---|---|
//! | `!re` | a row | its properties; what is not set is absent |
//! | `!empty` | there are no rows (from 7.18); `!done` follows | |
//! | `!trap` | a refusal; `!done` follows, and more of them may come first | `=message=`, often `=category=` |
//! | `!done` | the end of every command | sometimes `=ret=`: the id of what was added |
//! | `!fatal` | the end of the connection | a bare word of text, never a tag |

use std::borrow::Cow;

use super::sentence::Sentence;

/// One reply, without its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `!re`
    Row(Row),
    /// `!empty`
    Empty,
    /// `!trap`
    Trap(Trap),
    /// `!done`, with what stands in `=ret=`.
    Done(Option<Vec<u8>>),
    /// `!fatal`, with its text.
    Fatal(String),
}

/// A first word that no reply has: of a later RouterOS, or no RouterOS at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an unknown reply: {}", .0.escape_ascii())]
pub struct UnknownReply(pub Vec<u8>);

impl Reply {
    /// Reads a sentence that came from a router.
    ///
    /// # Errors
    /// [`UnknownReply`] with the first word.
    pub fn parse(sentence: Sentence) -> Result<Self, UnknownReply> {
        match sentence.first() {
            b"!re" => Ok(Self::Row(Row(sentence))),
            b"!empty" => Ok(Self::Empty),
            b"!trap" => Ok(Self::Trap(Trap::of(&sentence))),
            b"!done" => Ok(Self::Done(sentence.attribute("ret").map(<[u8]>::to_vec))),
            b"!fatal" => Ok(Self::Fatal(fatal_text(&sentence))),
            unknown => Err(UnknownReply(unknown.to_vec())),
        }
    }
}

/// RouterOS says it in a bare word; what imitates RouterOS may say it as any other refusal.
fn fatal_text(sentence: &Sentence) -> String {
    let is_bare = |word: &&Vec<u8>| !matches!(word.first(), Some(b'=' | b'.' | b'?'));
    let bare = sentence.rest().iter().find(is_bare).map(Vec::as_slice);
    String::from_utf8_lossy(bare.or_else(|| sentence.attribute("message")).unwrap_or_default()).into_owned()
}

/// The properties of an entry of a menu. Values are not shown: they may be passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row(Sentence);

impl Row {
    /// A property's bytes; `None` if it is not set or was not asked for.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.0.attribute(name)
    }

    /// A property as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.value(name).map(String::from_utf8_lossy)
    }

    /// All properties in the order that they came.
    pub fn values(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.attributes()
    }

    /// Whether a property is true: `true` on the wire, `yes` in MikroTik's documents.
    pub fn is(&self, name: &str) -> bool {
        matches!(self.value(name), Some(b"true" | b"yes"))
    }

    /// Whether the row says, to a `listen`, that the entry is gone.
    pub fn is_dead(&self) -> bool {
        self.is(".dead")
    }

    /// The bytes of its words.
    pub fn size_bytes(&self) -> usize {
        self.0.size_bytes()
    }
}

/// A refusal, in the router's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trap {
    /// Often absent: refused log-ins have none.
    pub category: Option<Category>,
    /// The text; bytes that are not UTF-8 are replaced. Empty if the router gave none.
    pub message: String,
}

impl Trap {
    fn of(sentence: &Sentence) -> Self {
        let category = sentence.attribute("category").and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        let message = String::from_utf8_lossy(sentence.attribute("message").unwrap_or_default()).into_owned();
        Self { category: category.map(Category), message }
    }
}

/// The kind of a refusal. Unknown ones survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Category(pub u8);

impl Category {
    /// An item or command is missing.
    pub const MISSING: Self = Self(0);
    /// An argument's value is wrong.
    pub const ARGUMENT: Self = Self(1);
    /// The command was cancelled.
    pub const INTERRUPTED: Self = Self(2);
    /// Of scripting.
    pub const SCRIPTING: Self = Self(3);
    /// Any other failure.
    pub const GENERAL: Self = Self(4);
    /// Of the API itself.
    pub const API: Self = Self(5);
    /// Of a terminal.
    pub const TTY: Self = Self(6);
    /// A value of the command `:return`.
    pub const RETURN: Self = Self(7);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_told_by_their_first_word() {
        let row = Sentence::reply("!re").with(".id", "*8").with("radius", "true").with(".dead", "yes").tagged("3");
        let Ok(Reply::Row(row)) = Reply::parse(row) else { panic!("not a row") };
        assert_eq!(row.text(".id").as_deref(), Some("*8"));
        assert_eq!((row.is("radius"), row.is("disabled"), row.is_dead()), (true, false, true));
        assert_eq!(row.values().count(), 3);

        let done = Reply::parse(Sentence::reply("!done").with("ret", "*2F"));
        assert_eq!(done, Ok(Reply::Done(Some(b"*2F".to_vec()))));
        assert_eq!(Reply::parse(Sentence::reply("!done")), Ok(Reply::Done(None)));
        assert_eq!(Reply::parse(Sentence::reply("!empty")), Ok(Reply::Empty));
    }

    #[test]
    fn a_refusal_may_have_no_category_and_no_text() {
        let trap = |sentence| match Reply::parse(sentence) {
            Ok(Reply::Trap(trap)) => trap,
            other => panic!("{other:?}"),
        };
        let missing = trap(Sentence::reply("!trap").with("category", "0").with("message", "no such item"));
        assert_eq!(missing, Trap { category: Some(Category::MISSING), message: "no such item".to_owned() });
        assert_eq!(trap(Sentence::reply("!trap")), Trap { category: None, message: String::new() });
        assert_eq!(trap(Sentence::reply("!trap").with("category", "many")).category, None);
        assert_eq!(trap(Sentence::reply("!trap").with("message", b"\xcf\xf0")).message, "\u{fffd}\u{fffd}");
    }

    #[test]
    fn the_text_of_fatal_is_bare() {
        let fatal = Sentence::reply("!fatal").with_word("session terminated on request");
        assert_eq!(Reply::parse(fatal), Ok(Reply::Fatal("session terminated on request".to_owned())));
        let as_refusal = Sentence::reply("!fatal").tagged("1").with("message", "not logged in");
        assert_eq!(Reply::parse(as_refusal), Ok(Reply::Fatal("not logged in".to_owned())));
        assert_eq!(Reply::parse(Sentence::reply("!fatal")), Ok(Reply::Fatal(String::new())));
    }

    #[test]
    fn an_unknown_reply_is_named() {
        let unknown = Reply::parse(Sentence::reply("!new").with("a", "b")).unwrap_err();
        assert_eq!(unknown.to_string(), "an unknown reply: !new");
        assert!(Reply::parse(Sentence::default()).is_err());
    }
}
