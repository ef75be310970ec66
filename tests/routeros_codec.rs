//! Properties and vectors of the RouterOS API codec: no bytes make it panic, what is written is read back however it is cut.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use radgram::crypto::hex;
use radgram::proto::routeros::{
    Bounds, Connection, Decoder, Event, FrameError, Limits, Reply, Sentence, Unfinished, encode, word,
};

/// Words as they occur: commands, attributes, bare text, any bytes, and lengths around the borders of the short forms.
fn a_word() -> impl Strategy<Value = Vec<u8>> {
    let named = |sign: &'static str| {
        ("[a-z.-]{0,8}", vec(any::<u8>(), 0..20))
            .prop_map(move |(name, value)| [sign.as_bytes(), name.as_bytes(), b"=", &value].concat())
    };
    prop_oneof![
        4 => named("="),
        1 => named("?"),
        1 => (0u32..30).prop_map(|tag| format!(".tag={tag}").into_bytes()),
        2 => vec(any::<u8>(), 1..40),
        1 => (any::<u8>(), prop_oneof![0x7Eusize..0x82, 0x3FFEusize..0x4002]).prop_map(|(byte, length)| vec![byte; length]),
    ]
}

fn a_sentence() -> impl Strategy<Value = Sentence> {
    let first = prop_oneof![
        Just(b"/ppp/active/print".to_vec()),
        Just(b"!re".to_vec()),
        Just(b"!done".to_vec()),
        Just(b"!trap".to_vec()),
        Just(b"!fatal".to_vec()),
        Just(b"!empty".to_vec()),
        vec(any::<u8>(), 1..10),
    ];
    (first, vec(a_word(), 0..8)).prop_map(|(first, rest)| Sentence::from_words([vec![first], rest].concat()))
}

/// Feeds `bytes` in pieces of these sizes, over and over.
fn decode(bytes: &[u8], sizes: &[usize]) -> Result<Vec<Sentence>, FrameError> {
    let mut decoder = Decoder::new(Limits::default());
    let (mut found, mut rest, mut sizes) = (Vec::new(), bytes, sizes.iter().cycle());
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
        rest = behind;
        decoder.feed(piece);
        while let Some(sentence) = decoder.next_sentence()? {
            found.push(sentence);
        }
    }
    Ok(found)
}

/// Everything that looks into a sentence, from either end.
fn look_into(sentence: Sentence) {
    let _ = (sentence.tag(), sentence.queries().count(), sentence.attribute("name"), format!("{sentence:?}"));
    assert!(sentence.attributes().all(|(name, _)| !name.contains(&b'=')));
    match Reply::parse(sentence) {
        Ok(Reply::Row(row)) => {
            let _ = (row.text(".id"), row.is_dead(), row.values().count(), row.size_bytes());
        }
        Ok(Reply::Trap(trap)) => {
            let _ = format!("{trap:?}");
        }
        Ok(Reply::Empty | Reply::Done(_) | Reply::Fatal(_)) => {}
        Err(unknown) => {
            let _ = unknown.to_string();
        }
    }
}

/// All events of bytes that come to a connection with some commands open, one of them cancelled.
fn hear(bytes: &[u8], sizes: &[usize]) -> Result<Vec<Event>, FrameError> {
    let mut connection = Connection::new(Limits::default());
    let bounds = [Bounds { rows: 3, bytes: 10_000 }, Bounds::NONE, Bounds { rows: 2, bytes: 50 }];
    let tags = bounds.map(|bounds| connection.send(Sentence::command("/a/print"), bounds));
    connection.cancel(tags[1]);
    let (mut events, mut rest, mut sizes) = (Vec::new(), bytes, sizes.iter().cycle());
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
        rest = behind;
        connection.receive(piece);
        while let Some(event) = connection.next_event()? {
            events.push(event);
        }
    }
    Ok(events)
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_however_it_is_cut(
        sentences in vec(a_sentence(), 0..6),
        sizes in vec(1usize..3000, 1..6),
    ) {
        let mut bytes = Vec::new();
        sentences.iter().for_each(|sentence| encode(sentence, &mut bytes));
        prop_assert_eq!(decode(&bytes, &sizes), Ok(sentences));
    }

    #[test]
    fn a_byte_at_a_time_is_enough(sentence in a_sentence()) {
        let mut bytes = Vec::new();
        encode(&sentence, &mut bytes);
        prop_assert_eq!(decode(&bytes, &[1]), Ok(vec![sentence]));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..600), sizes in vec(1usize..100, 1..4)) {
        let whole = decode(&bytes, &[600]);
        prop_assert_eq!(&decode(&bytes, &sizes), &whole);
        whole.into_iter().flatten().for_each(look_into);
        prop_assert_eq!(hear(&bytes, &sizes), hear(&bytes, &[600]));
    }

    #[test]
    fn sentences_of_any_words_are_looked_into_and_heard(sentences in vec(a_sentence(), 0..8), sizes in vec(1usize..500, 1..4)) {
        let mut bytes = Vec::new();
        sentences.iter().for_each(|sentence| encode(sentence, &mut bytes));
        let rows = |events: &[Event]| events.iter().filter(|event| matches!(event, Event::Row(..))).count();
        let events = hear(&bytes, &sizes).unwrap();
        prop_assert!(rows(&events) <= 5, "more rows than the bounds of both commands: {:?}", events);
        prop_assert_eq!(&events, &hear(&bytes, &[usize::MAX]).unwrap());
        sentences.into_iter().for_each(look_into);
    }

    #[test]
    fn every_length_comes_back(length in any::<u32>(), shift in 0u32..32) {
        let length = length >> shift;
        let mut wire = Vec::new();
        word::push_length(length, &mut wire);
        prop_assert!(wire.len() <= word::LENGTH_MAX_BYTES);
        prop_assert_eq!(word::split_length(&wire), Ok(Some((length, &[][..]))));
    }
}

#[test]
fn a_words_length_takes_the_form_of_its_size() {
    for (length, prefix) in [
        (0x7F, &[0x7F][..]),
        (0x80, &[0x80, 0x80]),
        (0x3FFF, &[0xBF, 0xFF]),
        (0x4000, &[0xC0, 0x40, 0x00]),
        (0x1F_FFFF, &[0xDF, 0xFF, 0xFF]),
        (0x20_0000, &[0xE0, 0x20, 0x00, 0x00]),
    ] {
        let sentence = Sentence::reply(vec![b'x'; length]);
        let mut bytes = Vec::new();
        encode(&sentence, &mut bytes);
        assert!(bytes.starts_with(prefix), "{length:#x}");
        let mut decoder = Decoder::new(Limits { word_bytes: length, sentence_words: 1, sentence_bytes: length });
        decoder.feed(&bytes);
        assert!(decoder.next_sentence().unwrap() == Some(sentence), "{length:#x}");
    }
}

#[test]
fn twenty_thousand_rows_are_many_sentences() {
    let mut connection = Connection::new(Limits::default());
    let tag =
        connection.send(Sentence::command("/ip/firewall/filter/print"), Bounds { rows: 20_000, bytes: 4_000_000 });
    let mut rows = 0;
    for chunk in 0..200 {
        let mut bytes = Vec::new();
        for number in 0..100 {
            let row =
                Sentence::reply("!re").tagged(tag.to_string()).with(".id", format!("*{:X}", chunk * 100 + number));
            encode(&row.with("comment", "2FA somebody"), &mut bytes);
        }
        connection.receive(&bytes);
        while let Some(event) = connection.next_event().unwrap() {
            assert!(matches!(event, Event::Row(found, _) if found == tag));
            rows += 1;
        }
    }
    assert_eq!(rows, 20_000);
    let mut more = Vec::new();
    encode(&Sentence::reply("!re").tagged(tag.to_string()), &mut more);
    connection.receive(&more);
    assert_eq!(connection.next_event(), Ok(Some(Event::Finished(tag, Err(Unfinished::TooMuch)))));
}

/// A block of the vectors' file: what it is, its octets, and its other lines.
struct Block<'a> {
    kind: &'a str,
    title: &'a str,
    octets: Vec<u8>,
    fields: Vec<(&'a str, &'a str)>,
}

fn blocks() -> Vec<Block<'static>> {
    let text = include_str!("vectors/routeros.txt");
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let blocks = lines.split(|line| line.is_empty()).filter(|block| !block.is_empty());
    blocks.map(|block| block_of(block[0], &block[1..])).collect()
}

fn block_of<'a>(title: &'a str, lines: &[&'a str]) -> Block<'a> {
    let fields: Vec<_> = lines.iter().map(|line| line.split_once(": ").expect("name: value")).collect();
    let octets = fields.iter().find(|(name, _)| *name == "hex").and_then(|(_, value)| hex::decode(value)).unwrap();
    Block { kind: title.split(' ').next().unwrap(), title, octets, fields }
}

impl Block<'_> {
    fn sentences(&self) -> Vec<Sentence> {
        let lines = self.fields.iter().filter(|(name, _)| *name == "sentence");
        let words = |line: &str| line.split(" | ").map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
        lines.map(|(_, line)| Sentence::from_words(words(line))).collect()
    }
}

#[test]
fn vectors() {
    let blocks = blocks();
    assert!(blocks.len() > 40, "only {} blocks", blocks.len());
    for block in blocks {
        let found = decode(&block.octets, &[7]);
        match block.kind {
            "sentences" => {
                let mut written = Vec::new();
                block.sentences().iter().for_each(|sentence| encode(sentence, &mut written));
                assert_eq!(hex::encode(&written), hex::encode(&block.octets), "{}", block.title);
                assert_eq!(found, Ok(block.sentences()), "{}", block.title);
            }
            "understood" => assert_eq!(found, Ok(block.sentences()), "{}", block.title),
            "refused" => {
                let (_, why) = block.fields.iter().find(|(name, _)| *name == "why").unwrap();
                assert_eq!(found.unwrap_err().to_string(), *why, "{}", block.title);
            }
            other => panic!("unknown kind {other}"),
        }
    }
}
