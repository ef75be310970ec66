//! The reader of the common dictionary format, as FreeRADIUS 3 writes it: ATTRIBUTE, VALUE, VENDOR, BEGIN-VENDOR,
//! END-VENDOR, $INCLUDE. What cannot be written into an attribute (nested ones, numbers above 255) is passed over and told.

use std::collections::HashSet;

use super::{Definition, Dictionary, Hiding, Kind, Layout, Skipped, Tagging, Vendor};

/// How deep files may include one another: deeper is a circle.
const INCLUDE_MAX_DEPTH: usize = 8;

/// What is wrong in a dictionary, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {wrong}")]
pub struct DictionaryError {
    /// Name of the file.
    pub file: String,
    /// Its line, from 1; 0 if the file itself is missing.
    pub line: usize,
    /// What is wrong.
    pub wrong: Wrong,
}

/// What can be wrong in a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The loader does not know the file.
    #[error("there is no such file")]
    NoSuchFile,
    /// Files include one another too deep.
    #[error("files include one another more than {INCLUDE_MAX_DEPTH} deep")]
    TooDeep,
    /// The first word is not known.
    #[error("unknown word `{0}`")]
    UnknownWord(String),
    /// The line has too few or too many words.
    #[error("expected `{0}`")]
    Shape(&'static str),
    /// Not a number, or out of range.
    #[error("`{0}` is not a number in range")]
    Number(String),
    /// No such type of values.
    #[error("unknown type `{0}`")]
    UnknownKind(String),
    /// No such option.
    #[error("unknown option `{0}`")]
    UnknownOption(String),
    /// The vendor was not declared, or END-VENDOR names another than BEGIN-VENDOR.
    #[error("unknown or unexpected vendor `{0}`")]
    Vendor(String),
    /// BEGIN-VENDOR without END-VENDOR.
    #[error("END-VENDOR is missing")]
    VendorOpen,
    /// The attribute was not declared.
    #[error("unknown attribute `{0}`")]
    UnknownAttribute(String),
    /// The name or the number is taken.
    #[error("the name or number of `{0}` is taken")]
    Repeated(String),
}

/// Words that start lines of newer formats, or of parts that a RADIUS client has no use for.
const OTHER_WORDS: [&str; 10] = [
    "ALIAS",
    "BEGIN-PROTOCOL",
    "DEFINE",
    "END-PROTOCOL",
    "ENUM",
    "FLAGS",
    "MEMBER",
    "PROTOCOL",
    "STRUCT",
    "VALUE-ALIAS",
];
/// Types whose values are made of others, or that are nothing on the wire.
const OTHER_KINDS: [&str; 10] =
    ["bool", "evs", "extended", "float32", "float64", "long-extended", "struct", "tlv", "union", "vsa"];
const NESTED: &str = "it is part of another attribute";
const LONG_NUMBER: &str = "its number is not one octet";
const OTHER_KIND: &str = "values of its type are not written";
const OTHER_LAYOUT: &str = "its vendor writes attributes otherwise than RFC 2865 recommends";
const OTHER_HIDING: &str = "it is hidden in a way of its vendor";
const NOT_ON_THE_WIRE: &str = "it does not travel";
const OTHER_WORD: &str = "the line is of another use";

pub(super) fn parse(
    dictionary: Dictionary,
    root: &str,
    load: &dyn Fn(&str) -> Option<String>,
) -> Result<Dictionary, DictionaryError> {
    let mut reader = Reader { dictionary, load, skipped_names: HashSet::new(), early: Vec::new() };
    reader.file(root, 0)?;
    reader.add_early()
}

struct Reader<'a> {
    dictionary: Dictionary,
    load: &'a dyn Fn(&str) -> Option<String>,
    /// Attributes that are of no use: neither are the names of their values.
    skipped_names: HashSet<String>,
    /// Values whose attribute was not there yet.
    early: Vec<Early>,
}

/// A named value, and where it stands.
struct Early {
    file: String,
    line: usize,
    attribute: String,
    name: String,
    value: u32,
}

/// Between which lines one stands.
#[derive(Default)]
struct Block {
    vendor: Option<(String, Vendor)>,
    /// How many BEGIN-TLV are open.
    nested: usize,
}

/// What a line comes to.
enum Line {
    Done,
    Skipped(String, &'static str),
    /// A value of an attribute that may come yet.
    Early(String, String, u32),
}

impl Reader<'_> {
    fn file(&mut self, file: &str, depth: usize) -> Result<(), DictionaryError> {
        let at = |line, wrong| DictionaryError { file: file.to_owned(), line, wrong };
        if depth > INCLUDE_MAX_DEPTH {
            return Err(at(0, Wrong::TooDeep));
        }
        let text = (self.load)(file).ok_or_else(|| at(0, Wrong::NoSuchFile))?;
        let mut block = Block::default();
        let mut lines = 0;
        for (index, line) in text.lines().enumerate() {
            lines = index + 1;
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                [] => {}
                ["$INCLUDE", included] => self.file(&beside(file, included), depth + 1)?,
                // FreeRADIUS takes the file with the minus only if it is there.
                ["$INCLUDE-", included] if (self.load)(&beside(file, included)).is_none() => {}
                ["$INCLUDE-", included] => self.file(&beside(file, included), depth + 1)?,
                words => {
                    let file = file.to_owned();
                    match self.line(words, &mut block).map_err(|wrong| at(lines, wrong))? {
                        Line::Done => {}
                        Line::Skipped(what, why) => {
                            self.dictionary.skipped.push(Skipped { file, line: lines, what, why });
                        }
                        Line::Early(attribute, name, value) => {
                            self.early.push(Early { file, line: lines, attribute, name, value });
                        }
                    }
                }
            }
        }
        if block.vendor.is_some() { Err(at(lines, Wrong::VendorOpen)) } else { Ok(()) }
    }

    fn add_early(mut self) -> Result<Dictionary, DictionaryError> {
        for Early { file, line, attribute, name, value } in self.early {
            if self.skipped_names.contains(&attribute.to_ascii_lowercase()) {
                continue;
            }
            let added = self.dictionary.add_value(&attribute, &name, value);
            added.map_err(|wrong| DictionaryError { file, line, wrong })?;
        }
        Ok(self.dictionary)
    }

    fn line(&mut self, words: &[&str], block: &mut Block) -> Result<Line, Wrong> {
        match words {
            ["BEGIN-TLV", _] => block.nested += 1,
            ["END-TLV", _] => block.nested = block.nested.saturating_sub(1),
            ["ATTRIBUTE", name, number, kind, options @ ..] => {
                return self.attribute((name, number, kind), options, block);
            }
            ["VALUE", attribute, ..] if self.skipped_names.contains(&attribute.to_ascii_lowercase()) => {}
            ["VALUE", attribute, name, value] => match long_number(value)? {
                Some(value) if self.dictionary.named(attribute).is_none() => {
                    return Ok(Line::Early((*attribute).to_owned(), (*name).to_owned(), value));
                }
                Some(value) => self.dictionary.add_value(attribute, name, value)?,
                None => return Ok(Line::Skipped((*name).to_owned(), LONG_NUMBER)),
            },
            ["VENDOR", name, value, format @ ..] => {
                let layout = if matches!(format, [] | ["format=1,1"]) { Layout::Common } else { Layout::Own };
                self.dictionary.add_vendor(name, Vendor { number: number(value)?, layout })?;
            }
            ["BEGIN-VENDOR", name, ..] if block.vendor.is_none() => {
                let vendor = self.dictionary.declared(name).ok_or_else(|| Wrong::Vendor((*name).to_owned()))?;
                block.vendor = Some(((*name).to_owned(), vendor));
            }
            ["END-VENDOR", name] => match block.vendor.take() {
                Some((open, _)) if open == *name => {}
                _ => return Err(Wrong::Vendor((*name).to_owned())),
            },
            [word, rest @ ..] if OTHER_WORDS.contains(word) => {
                return Ok(Line::Skipped(rest.first().copied().unwrap_or(word).to_owned(), OTHER_WORD));
            }
            [word, ..] => return Err(shape(word)),
            [] => {}
        }
        Ok(Line::Done)
    }

    fn attribute(
        &mut self,
        (name, number, kind): (&str, &str, &str),
        options: &[&str],
        block: &Block,
    ) -> Result<Line, Wrong> {
        let of_option = options.iter().find_map(|option| self.dictionary.declared(option));
        let vendor = block.vendor.as_ref().map(|(_, vendor)| *vendor).or(of_option);
        let options: Vec<&str> = options
            .iter()
            .filter(|option| self.dictionary.declared(option).is_none())
            .flat_map(|word| word.split(','))
            .collect();
        let why = match definition((name, number, kind), &options, vendor)? {
            Useful::Yes(definition) if block.nested == 0 => {
                self.dictionary.add(definition)?;
                return Ok(Line::Done);
            }
            Useful::Yes(_) => NESTED,
            Useful::No(why) => why,
        };
        self.skipped_names.insert(name.to_ascii_lowercase());
        Ok(Line::Skipped(name.to_owned(), why))
    }
}

/// Names of included files start where the including one lies.
fn beside(file: &str, included: &str) -> String {
    match file.rsplit_once('/') {
        Some((folder, _)) if !included.starts_with('/') => format!("{folder}/{included}"),
        _ => included.to_owned(),
    }
}

fn shape(word: &str) -> Wrong {
    match word {
        "ATTRIBUTE" => Wrong::Shape("ATTRIBUTE name number type [options]"),
        "VALUE" => Wrong::Shape("VALUE attribute name number"),
        "VENDOR" => Wrong::Shape("VENDOR name number"),
        "BEGIN-VENDOR" => Wrong::Shape("BEGIN-VENDOR name, not inside another"),
        "END-VENDOR" => Wrong::Shape("END-VENDOR name"),
        "$INCLUDE" => Wrong::Shape("$INCLUDE file"),
        other => Wrong::UnknownWord(other.to_owned()),
    }
}

/// An attribute, if it is one that can be written.
enum Useful {
    Yes(Definition),
    No(&'static str),
}

fn definition(
    (name, number_text, kind_text): (&str, &str, &str),
    options: &[&str],
    vendor: Option<Vendor>,
) -> Result<Useful, Wrong> {
    if number_text.contains('.') {
        return Ok(Useful::No(NESTED));
    }
    let Ok(number) = u8::try_from(number(number_text)?) else { return Ok(Useful::No(LONG_NUMBER)) };
    // Types are written in any case.
    let kind_word = kind_text.to_ascii_lowercase();
    if OTHER_KINDS.contains(&kind_word.as_str()) {
        return Ok(Useful::No(OTHER_KIND));
    }
    let kind = Kind::named(&kind_word).ok_or_else(|| Wrong::UnknownKind(kind_text.to_owned()))?;
    let (mut hiding, mut tagging) = (Hiding::Open, Tagging::Untagged);
    for option in options {
        match *option {
            "has_tag" => tagging = Tagging::Tagged,
            "encrypt=1" => hiding = Hiding::Password,
            "encrypt=2" => hiding = Hiding::Salted,
            "encrypt=3" => return Ok(Useful::No(OTHER_HIDING)),
            "internal" | "virtual" => return Ok(Useful::No(NOT_ON_THE_WIRE)),
            "array" | "concat" | "secret" => {}
            other => return Err(Wrong::UnknownOption(other.to_owned())),
        }
    }
    if vendor.is_some_and(|vendor| vendor.layout == Layout::Own) {
        return Ok(Useful::No(OTHER_LAYOUT));
    }
    let vendor = vendor.map(|vendor| vendor.number);
    let name = name.to_owned();
    Ok(Useful::Yes(Definition { name, vendor, number, kind, hiding, tagging, values: Vec::new() }))
}

fn number(text: &str) -> Result<u32, Wrong> {
    long_number(text)?.ok_or_else(|| Wrong::Number(text.to_owned()))
}

/// A number; `None` if it needs more than 4 octets.
fn long_number(text: &str) -> Result<Option<u32>, Wrong> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map(|number| u32::try_from(number).ok()).map_err(|_| Wrong::Number(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, line: usize, wrong: Wrong) {
        let load = |file: &str| (file == "root").then(|| text.to_owned());
        let expected = DictionaryError { file: "root".to_owned(), line, wrong };
        assert_eq!(Dictionary::parse("root", &load).unwrap_err(), expected);
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        check("\nATTRIBUTE A 1", 2, Wrong::Shape("ATTRIBUTE name number type [options]"));
        check("# x\nFOO", 2, Wrong::UnknownWord("FOO".into()));
        check("ATTRIBUTE A one string", 1, Wrong::Number("one".into()));
        check("ATTRIBUTE A 1 blob", 1, Wrong::UnknownKind("blob".into()));
        check("ATTRIBUTE A 1 string fast", 1, Wrong::UnknownOption("fast".into()));
        check("ATTRIBUTE A 1 string\nATTRIBUTE a 2 string", 2, Wrong::Repeated("a".into()));
        check("VALUE A x 1", 1, Wrong::UnknownAttribute("A".into()));
        check("BEGIN-VENDOR V", 1, Wrong::Vendor("V".into()));
        check("VENDOR V 9\nBEGIN-VENDOR V", 2, Wrong::VendorOpen);
        check("END-VENDOR V", 1, Wrong::Vendor("V".into()));
        check("$INCLUDE", 1, Wrong::Shape("$INCLUDE file"));
    }

    #[test]
    fn a_missing_file_and_a_circle_are_found() {
        let load = |file: &str| (file == "a").then(|| "$INCLUDE b".to_owned());
        assert_eq!(Dictionary::parse("a", &load).unwrap_err().to_string(), "b:0: there is no such file");
        let circle = |_: &str| Some("$INCLUDE a".to_owned());
        assert_eq!(Dictionary::parse("a", &circle).unwrap_err().wrong, Wrong::TooDeep);
    }

    #[test]
    fn numbers_may_be_hexadecimal_and_lines_commented() {
        let text = "VENDOR V 0x10\nBEGIN-VENDOR V\nATTRIBUTE A 0x0a integer # ten\nEND-VENDOR V\nVALUE A Many 0xff";
        let dictionary = Dictionary::parse("root", &|_| Some(text.to_owned())).unwrap();
        let definition = dictionary.numbered(Some(16), 10).unwrap();
        assert_eq!(definition.values, [("Many".to_owned(), 255)]);
    }

    #[test]
    fn what_cannot_be_written_is_passed_over_and_told() {
        let text = "VENDOR Plain 9\nVENDOR Wide 10 format=2,2\nATTRIBUTE Outer 1 tlv\nBEGIN-TLV Outer\n\
                    ATTRIBUTE Inner 2 string\nEND-TLV Outer\nATTRIBUTE Extended 241.1 integer\nVALUE Extended x 1\n\
                    ATTRIBUTE Big 300 integer\nATTRIBUTE Odd 3 string encrypt=3\nATTRIBUTE Own 4 string virtual\n\
                    BEGIN-VENDOR Wide\nATTRIBUTE Far 5 string\nEND-VENDOR Wide\nALIAS A B\n\
                    ATTRIBUTE Near 6 string[32] Plain,array";
        // `array` stands behind the vendor in the oldest files.
        let text = text.replace("Plain,array", "Plain array");
        let dictionary = Dictionary::parse("root", &|_| Some(text.clone())).unwrap();
        let skipped: Vec<&str> = dictionary.skipped().iter().map(|skipped| skipped.what.as_str()).collect();
        assert_eq!(skipped, ["Outer", "Inner", "Extended", "Big", "Odd", "Own", "Far", "A"]);
        assert_eq!(dictionary.definitions().len(), 1);
        assert_eq!(dictionary.named("near").map(|near| (near.vendor, near.number)), Some((Some(9), 6)));
        assert_eq!((dictionary.skipped()[0].line, dictionary.skipped()[0].file.as_str()), (3, "root"));
    }

    #[test]
    fn what_is_known_stays_and_more_is_added() {
        let own = "VENDOR Mikrotik 14988\n$INCLUDE- not.there\nBEGIN-VENDOR Mikrotik\n\
                   ATTRIBUTE Mikrotik-Rate-Limit 8 octets\nATTRIBUTE Rate-Limit 8 string\n\
                   ATTRIBUTE Mikrotik-New 99 integer\nEND-VENDOR Mikrotik\nVALUE Mikrotik-New On 1";
        let load = |file: &str| (file == "own").then(|| own.to_owned());
        let both = Dictionary::embedded().clone().with("own", &load).unwrap();
        let known = both.numbered(Some(14_988), 8).unwrap();
        assert_eq!((known.name.as_str(), known.kind), ("Mikrotik-Rate-Limit", Kind::Text));
        assert_eq!(both.named("Rate-Limit").unwrap().number, 8);
        assert_eq!(both.named("Mikrotik-New").unwrap().encode("on"), Ok(vec![0, 0, 0, 1]));
        assert_eq!(both.definitions().len(), Dictionary::embedded().definitions().len() + 2);
    }
}
