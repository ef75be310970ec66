//! A client's end of a connection, without its socket: many commands at once, told apart by their tags.
//!
//! Every command ends with `!done`, also behind refusals. Replies to tags that are not open are ignored, as a cancelled
//! command's are until its end. A reply without a tag belongs to the only open command, if there is one alone.

use std::collections::BTreeMap;
use std::fmt;

use super::decode::{Decoder, FrameError, Limits};
use super::reply::{Reply, Row, Trap};
use super::sentence::{Sentence, encode};

/// Refusals of one command that are kept; the rest says the same of other items.
const TRAPS_KEPT: usize = 16;

/// The number by which the replies to a command are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(u32);

impl fmt::Display for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// How much a command's replies may be before it is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Rows.
    pub rows: usize,
    /// Bytes of their words.
    pub bytes: usize,
}

impl Bounds {
    /// For a `listen`, which goes on for as long as the connection does.
    pub const NONE: Self = Self { rows: usize::MAX, bytes: usize::MAX };
}

/// What came from the router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A row of this command.
    Row(Tag, Row),
    /// This command is over; with what stood in `=ret=`.
    Finished(Tag, Result<Option<Vec<u8>>, Unfinished>),
    /// The router ends the connection, with its text. No command gets anything more.
    Fatal(String),
    /// A reply that this code does not know, by its first word; nothing follows from it.
    Unknown(Vec<u8>),
}

/// Why a command has no good end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfinished {
    /// The router refuses; at least one refusal, in order.
    Refused(Vec<Trap>),
    /// There was more than the bounds; the command is cancelled.
    TooMuch,
}

/// A command that has not ended.
#[derive(Debug)]
enum Open {
    Asked {
        left: Bounds,
        traps: Vec<Trap>,
    },
    /// Nobody waits for it any more: cancelled, or the `/cancel` itself.
    Unattended,
}

/// The commands of one connection. Takes bytes and gives events; what is to be written waits in [`Self::take_outgoing`].
#[derive(Debug)]
pub struct Connection {
    decoder: Decoder,
    outgoing: Outgoing,
    open: BTreeMap<Tag, Open>,
    last: u32,
    over: bool,
}

/// Bytes to be written. Passwords are among them: never shown.
#[derive(Default)]
struct Outgoing(Vec<u8>);

impl fmt::Debug for Outgoing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes", self.0.len())
    }
}

impl Connection {
    /// A connection on which nothing was said yet.
    pub fn new(limits: Limits) -> Self {
        let decoder = Decoder::new(limits);
        Self { decoder, outgoing: Outgoing::default(), open: BTreeMap::new(), last: 0, over: false }
    }

    /// Sends a command, which must have no tag of its own; its replies come with the tag that this gives.
    pub fn send(&mut self, command: Sentence, bounds: Bounds) -> Tag {
        self.say(command, Open::Asked { left: bounds, traps: Vec::new() })
    }

    /// Cancels a command; nothing more is heard of it. One that is not open is left alone.
    pub fn cancel(&mut self, tag: Tag) {
        let Some(open @ Open::Asked { .. }) = self.open.get_mut(&tag) else { return };
        *open = Open::Unattended;
        self.say(Sentence::command("/cancel").with("tag", tag.to_string()), Open::Unattended);
    }

    /// How many commands have not ended, with the cancelled ones and their `/cancel`.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// How many commands were cancelled, and `/cancel` itself, and the router has not said the end of.
    pub fn unattended(&self) -> usize {
        self.open.values().filter(|open| matches!(open, Open::Unattended)).count()
    }

    /// What is to be written, in order; from now on it is the caller's.
    pub fn take_outgoing(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.outgoing.0)
    }

    /// Takes bytes that came. [`Self::next_event`] is to be asked until it gives `None` before more is taken.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.decoder.feed(bytes);
    }

    /// The next thing that came; `None` until more is received.
    ///
    /// # Errors
    /// When the bytes are not sentences: the connection is over.
    pub fn next_event(&mut self) -> Result<Option<Event>, FrameError> {
        while !self.over {
            let Some(sentence) = self.decoder.next_sentence()? else { return Ok(None) };
            if let Some(event) = self.event(sentence) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn say(&mut self, command: Sentence, open: Open) -> Tag {
        let tag = self.free_tag();
        encode(&command.tagged(tag.to_string()), &mut self.outgoing.0);
        self.open.insert(tag, open);
        tag
    }

    /// Numbers are used again only after all others, and never while they are open.
    fn free_tag(&mut self) -> Tag {
        loop {
            self.last = self.last.wrapping_add(1);
            if !self.open.contains_key(&Tag(self.last)) {
                return Tag(self.last);
            }
        }
    }

    fn event(&mut self, sentence: Sentence) -> Option<Event> {
        let tag = self.tag_of(&sentence);
        let reply = match Reply::parse(sentence) {
            Ok(Reply::Fatal(text)) => {
                self.over = true;
                self.open.clear();
                return Some(Event::Fatal(text));
            }
            Ok(reply) => reply,
            Err(unknown) => return Some(Event::Unknown(unknown.0)),
        };
        let tag = tag?;
        match reply {
            Reply::Row(row) => self.row(tag, row),
            Reply::Trap(trap) => {
                self.trap(tag, trap);
                None
            }
            Reply::Done(ret) => self.done(tag, ret),
            Reply::Empty | Reply::Fatal(_) => None,
        }
    }

    fn tag_of(&self, sentence: &Sentence) -> Option<Tag> {
        match sentence.tag() {
            Some(tag) => std::str::from_utf8(tag).ok()?.parse().ok().map(Tag),
            None => self.open.keys().next().copied().filter(|_| self.open.len() == 1),
        }
    }

    fn row(&mut self, tag: Tag, row: Row) -> Option<Event> {
        let Some(Open::Asked { left, .. }) = self.open.get_mut(&tag) else { return None };
        let fits = left.rows.checked_sub(1).zip(left.bytes.checked_sub(row.size_bytes()));
        let Some((rows, bytes)) = fits else {
            self.cancel(tag);
            return Some(Event::Finished(tag, Err(Unfinished::TooMuch)));
        };
        if *left != Bounds::NONE {
            *left = Bounds { rows, bytes };
        }
        Some(Event::Row(tag, row))
    }

    fn trap(&mut self, tag: Tag, trap: Trap) {
        if let Some(Open::Asked { traps, .. }) = self.open.get_mut(&tag)
            && traps.len() < TRAPS_KEPT
        {
            traps.push(trap);
        }
    }

    fn done(&mut self, tag: Tag, ret: Option<Vec<u8>>) -> Option<Event> {
        let Open::Asked { traps, .. } = self.open.remove(&tag)? else { return None };
        let outcome = if traps.is_empty() { Ok(ret) } else { Err(Unfinished::Refused(traps)) };
        Some(Event::Finished(tag, outcome))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEW: Bounds = Bounds { rows: 2, bytes: 1000 };

    /// Commands that the connection wants written, as they would be read at the other end.
    fn written(connection: &mut Connection) -> Vec<Sentence> {
        let mut decoder = Decoder::new(Limits::default());
        decoder.feed(&connection.take_outgoing());
        std::iter::from_fn(|| decoder.next_sentence().unwrap()).collect()
    }

    fn hears(connection: &mut Connection, replies: &[Sentence]) -> Vec<Event> {
        let mut bytes = Vec::new();
        replies.iter().for_each(|reply| encode(reply, &mut bytes));
        connection.receive(&bytes);
        std::iter::from_fn(|| connection.next_event().unwrap()).collect()
    }

    fn row(tag: &str, name: &str) -> Sentence {
        Sentence::reply("!re").tagged(tag).with("name", name)
    }

    fn done(tag: &str) -> Sentence {
        Sentence::reply("!done").tagged(tag)
    }

    fn shown(events: &[Event]) -> Vec<String> {
        let show = |event: &Event| match event {
            Event::Row(tag, row) => format!("{tag} {}", row.text("name").unwrap_or_default()),
            Event::Finished(tag, Ok(_)) => format!("{tag} ok"),
            Event::Finished(tag, Err(Unfinished::Refused(traps))) => format!("{tag} {}", traps[0].message),
            Event::Finished(tag, Err(Unfinished::TooMuch)) => format!("{tag} too much"),
            Event::Fatal(text) => format!("fatal {text}"),
            Event::Unknown(word) => format!("unknown {}", word.escape_ascii()),
        };
        events.iter().map(show).collect()
    }

    #[test]
    fn interleaved_replies_find_their_commands() {
        let mut connection = Connection::new(Limits::default());
        let first = connection.send(Sentence::command("/a/print"), FEW);
        let second = connection.send(Sentence::command("/b/print"), FEW);
        let commands = written(&mut connection);
        assert_eq!(commands[0], Sentence::command("/a/print").tagged("1"));
        assert_eq!((first.to_string(), second.to_string()), ("1".to_owned(), "2".to_owned()));
        let trap = Sentence::reply("!trap").tagged("1").with("category", "4").with("message", "failure");
        let events = hears(
            &mut connection,
            &[row("2", "x"), row("1", "y"), trap, row("2", "z"), done("2"), done("1"), done("1")],
        );
        assert_eq!(shown(&events), ["2 x", "1 y", "2 z", "2 ok", "1 failure"]);
        assert_eq!(connection.open(), 0);
    }

    #[test]
    fn several_refusals_are_all_told() {
        let mut connection = Connection::new(Limits::default());
        connection.send(Sentence::command("/a/remove"), FEW);
        let trap = |message: &str| Sentence::reply("!trap").tagged("1").with("message", message);
        let events = hears(&mut connection, &[trap("no such item"), trap("failure"), done("1")]);
        let [Event::Finished(_, Err(Unfinished::Refused(traps)))] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!(traps.iter().map(|trap| trap.message.as_str()).collect::<Vec<_>>(), ["no such item", "failure"]);
    }

    #[test]
    fn a_cancelled_command_is_not_heard_of_again() {
        let mut connection = Connection::new(Limits::default());
        let listening = connection.send(Sentence::command("/ppp/active/listen"), Bounds::NONE);
        connection.cancel(listening);
        connection.cancel(listening);
        let cancel = Sentence::command("/cancel").with("tag", "1").tagged("2");
        assert_eq!(written(&mut connection)[1..], [cancel]);
        assert_eq!((connection.open(), connection.unattended()), (2, 2));
        let interrupted = Sentence::reply("!trap").tagged("1").with("category", "2").with("message", "interrupted");
        let events = hears(&mut connection, &[row("1", "late"), interrupted, done("2"), done("1")]);
        assert_eq!(events, []);
        assert_eq!(connection.open(), 0);
    }

    #[test]
    fn too_many_rows_cancel_the_command() {
        let mut connection = Connection::new(Limits::default());
        connection.send(Sentence::command("/a/print"), FEW);
        written(&mut connection);
        let events = hears(&mut connection, &[row("1", "x"), row("1", "y"), row("1", "z"), row("1", "!")]);
        assert_eq!(shown(&events), ["1 x", "1 y", "1 too much"]);
        assert_eq!(written(&mut connection), [Sentence::command("/cancel").with("tag", "1").tagged("2")]);

        let tag = connection.send(Sentence::command("/b/print"), Bounds { rows: 10, bytes: 20 });
        let long = row(&tag.to_string(), &"x".repeat(30));
        assert_eq!(shown(&hears(&mut connection, &[long])), ["3 too much"]);
    }

    #[test]
    fn a_listen_has_no_bounds() {
        let mut connection = Connection::new(Limits::default());
        connection.send(Sentence::command("/a/listen"), Bounds::NONE);
        for _ in 0..3 {
            assert_eq!(shown(&hears(&mut connection, &[row("1", "x")])), ["1 x"]);
        }
        let Some(Open::Asked { left, .. }) = connection.open.get(&Tag(1)) else { panic!("it is open") };
        assert_eq!(*left, Bounds::NONE);
    }

    #[test]
    fn what_no_command_asked_for_is_ignored() {
        let mut connection = Connection::new(Limits::default());
        connection.send(Sentence::command("/a/print"), FEW);
        connection.send(Sentence::command("/b/print"), FEW);
        let untagged = Sentence::reply("!re").with("name", "whose?");
        let events = hears(
            &mut connection,
            &[
                row("9", "x"),
                done("x"),
                untagged,
                Sentence::reply("!new").tagged("1"),
                Sentence::reply("!empty").tagged("1"),
            ],
        );
        assert_eq!(shown(&events), ["unknown !new"]);
        assert_eq!(connection.open(), 2);
    }

    #[test]
    fn a_reply_without_a_tag_is_that_of_the_only_command() {
        let mut connection = Connection::new(Limits::default());
        connection.send(Sentence::command("/login"), FEW);
        let trap = Sentence::reply("!trap").with("message", "invalid user name or password (6)");
        let events = hears(&mut connection, &[trap, Sentence::reply("!done")]);
        assert_eq!(shown(&events), ["1 invalid user name or password (6)"]);
    }

    #[test]
    fn fatal_ends_everything() {
        let mut connection = Connection::new(Limits::default());
        connection.send(Sentence::command("/a/print"), FEW);
        let fatal = Sentence::reply("!fatal").with_word("not logged in");
        assert_eq!(
            shown(&hears(&mut connection, &[row("1", "x"), fatal, row("1", "y")])),
            ["1 x", "fatal not logged in"]
        );
        assert_eq!(connection.open(), 0);
    }

    #[test]
    fn a_tag_is_not_given_twice_while_it_is_open() {
        let mut connection = Connection::new(Limits::default());
        connection.last = u32::MAX;
        let zero = connection.send(Sentence::command("/a/print"), FEW);
        connection.last = u32::MAX;
        let one = connection.send(Sentence::command("/b/print"), FEW);
        assert_eq!((zero, one), (Tag(0), Tag(1)));
    }

    #[test]
    fn what_waits_to_be_written_is_not_shown() {
        let mut connection = Connection::new(Limits::default());
        connection.send(Sentence::command("/login").with("password", "hunter2"), FEW);
        assert!(!format!("{connection:?}").contains("hunter2"));
    }
}
