//! Dictionary files of an operator: nothing panics or goes on for ever, a mistake is said with its place, and what was read is
//! found again.

use radgram::dictionary::Dictionary;

/// What separates files in an input; the first line of each is its name.
const BETWEEN_FILES: char = '\u{c}';

/// One input: files, of which the first is read.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let files: Vec<(&str, &str)> =
        text.split(BETWEEN_FILES).map(|file| file.split_once('\n').unwrap_or(("", file))).collect();
    let load = |name: &str| files.iter().find(|(file, _)| *file == name).map(|(_, text)| (*text).to_owned());
    let Some((root, _)) = files.first() else { return };
    for from in [Dictionary::default(), Dictionary::embedded().clone()] {
        let known = from.definitions().len();
        match from.with(root, &load) {
            Ok(dictionary) => is_found(&dictionary, known),
            Err(error) => {
                let lines = load(&error.file).map_or(0, |text| text.lines().count());
                assert!(error.line <= lines, "{error}");
            }
        }
    }
}

fn is_found(dictionary: &Dictionary, known: usize) {
    for definition in dictionary.definitions().iter().skip(known) {
        assert_eq!(dictionary.named(&definition.name.to_ascii_uppercase()), Some(definition));
        assert!(dictionary.numbered(definition.vendor, definition.number).is_some());
        for (name, number) in &definition.values {
            // A name that looks like a number, or a number of another size, is the operator's own joke.
            if let Ok(octets) = definition.encode(name) {
                let _ = (definition.decode(&octets), number);
            }
        }
        let _ = definition.decode(&[0; 4]);
    }
    assert!(dictionary.skipped().iter().all(|skipped| skipped.line > 0));
}
