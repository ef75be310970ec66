//! Bytes from either end of a RouterOS API connection: nothing panics, the way they are cut changes nothing, and what was
//! understood is written and understood again.

use radgram::proto::routeros::{Bounds, Connection, Decoder, Event, FrameError, Limits, Reply, Sentence, encode};

/// Small, so that the limits are met often.
const LIMITS: Limits = Limits { word_bytes: 300, sentence_words: 12, sentence_bytes: 700 };

/// One input.
pub fn run(input: &[u8]) {
    let Some((piece, bytes)) = input.split_first() else { return };
    let piece = usize::from(*piece).max(1);
    let (whole, broken) = decode(bytes, usize::MAX);
    assert_eq!(decode(bytes, piece), (whole.clone(), broken));
    whole.iter().for_each(look_into);
    let mut written = Vec::new();
    whole.iter().for_each(|sentence| encode(sentence, &mut written));
    assert_eq!(decode(&written, piece), (whole, None));
    assert_eq!(hear(bytes, piece), hear(bytes, usize::MAX));
}

fn pieces(bytes: &[u8], size: usize) -> impl Iterator<Item = &[u8]> {
    bytes.chunks(size.min(bytes.len().max(1)))
}

fn decode(bytes: &[u8], size: usize) -> (Vec<Sentence>, Option<FrameError>) {
    let (mut decoder, mut found) = (Decoder::new(LIMITS), Vec::new());
    for piece in pieces(bytes, size) {
        decoder.feed(piece);
        loop {
            match decoder.next_sentence() {
                Ok(Some(sentence)) => found.push(sentence),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

fn look_into(sentence: &Sentence) {
    assert!(!sentence.first().is_empty());
    assert!(sentence.size_bytes() <= LIMITS.sentence_bytes);
    for (name, value) in sentence.attributes() {
        assert!(!name.contains(&b'='));
        assert!(value.len() <= LIMITS.word_bytes);
    }
    let _ = (sentence.tag(), sentence.queries().count(), format!("{sentence:?}"));
    if let Ok(Reply::Row(row)) = Reply::parse(sentence.clone()) {
        let _ = (row.text(".id"), row.is_dead());
    }
}

/// A connection with a plain command, one with narrow bounds, and a cancelled `listen`.
fn hear(bytes: &[u8], size: usize) -> (Vec<Event>, Option<FrameError>, Vec<u8>) {
    let (mut connection, mut events) = (Connection::new(LIMITS), Vec::new());
    connection.send(Sentence::command("/a/print"), Bounds { rows: 100, bytes: 10_000 });
    connection.send(Sentence::command("/b/print"), Bounds { rows: 1, bytes: 30 });
    let listening = connection.send(Sentence::command("/c/listen"), Bounds::NONE);
    connection.cancel(listening);
    for piece in pieces(bytes, size) {
        connection.receive(piece);
        loop {
            match connection.next_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error), connection.take_outgoing()),
            }
        }
    }
    assert!(connection.unattended() <= connection.open());
    (events, None, connection.take_outgoing())
}
