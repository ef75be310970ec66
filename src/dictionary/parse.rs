//! The reader of the common dictionary format: ATTRIBUTE, VALUE, VENDOR, BEGIN-VENDOR, END-VENDOR, $INCLUDE.

use super::{Definition, Dictionary, Hiding, Kind, Tagging};

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

pub(super) fn parse(root: &str, load: &dyn Fn(&str) -> Option<String>) -> Result<Dictionary, DictionaryError> {
    let mut reader = Reader { dictionary: Dictionary::default(), load };
    reader.file(root, 0)?;
    Ok(reader.dictionary)
}

struct Reader<'a> {
    dictionary: Dictionary,
    load: &'a dyn Fn(&str) -> Option<String>,
}

impl Reader<'_> {
    fn file(&mut self, file: &str, depth: usize) -> Result<(), DictionaryError> {
        let at = |line, wrong| DictionaryError { file: file.to_owned(), line, wrong };
        if depth > INCLUDE_MAX_DEPTH {
            return Err(at(0, Wrong::TooDeep));
        }
        let text = (self.load)(file).ok_or_else(|| at(0, Wrong::NoSuchFile))?;
        let mut vendor: Option<(String, u32)> = None;
        let mut lines = 0;
        for (index, line) in text.lines().enumerate() {
            lines = index + 1;
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                [] => {}
                ["$INCLUDE", included] => self.file(included, depth + 1)?,
                words => self.line(words, &mut vendor).map_err(|wrong| at(lines, wrong))?,
            }
        }
        if vendor.is_some() { Err(at(lines, Wrong::VendorOpen)) } else { Ok(()) }
    }

    fn line(&mut self, words: &[&str], vendor: &mut Option<(String, u32)>) -> Result<(), Wrong> {
        match words {
            ["ATTRIBUTE", name, number, kind, options @ ..] => {
                let vendor = vendor.as_ref().map(|(_, number)| *number);
                self.dictionary.add(definition(name, number, kind, options, vendor)?)
            }
            ["VALUE", attribute, name, value] => self.dictionary.add_value(attribute, name, number(value)?),
            ["VENDOR", name, value] => self.dictionary.add_vendor(name, number(value)?),
            ["BEGIN-VENDOR", name] if vendor.is_none() => {
                let value = self.dictionary.vendor(name).ok_or_else(|| Wrong::Vendor((*name).to_owned()))?;
                *vendor = Some(((*name).to_owned(), value));
                Ok(())
            }
            ["END-VENDOR", name] => match vendor.take() {
                Some((open, _)) if open == *name => Ok(()),
                _ => Err(Wrong::Vendor((*name).to_owned())),
            },
            [word, ..] => Err(shape(word)),
            [] => Ok(()),
        }
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

fn definition(
    name: &str,
    number_text: &str,
    kind: &str,
    options: &[&str],
    vendor: Option<u32>,
) -> Result<Definition, Wrong> {
    let number = u8::try_from(number(number_text)?).map_err(|_| Wrong::Number(number_text.to_owned()))?;
    let kind = Kind::named(kind).ok_or_else(|| Wrong::UnknownKind(kind.to_owned()))?;
    let mut definition = Definition {
        name: name.to_owned(),
        vendor,
        number,
        kind,
        hiding: Hiding::Open,
        tagging: Tagging::Untagged,
        values: Vec::new(),
    };
    for option in options.iter().flat_map(|word| word.split(',')) {
        match option {
            "has_tag" => definition.tagging = Tagging::Tagged,
            "encrypt=1" => definition.hiding = Hiding::Password,
            "encrypt=2" => definition.hiding = Hiding::Salted,
            other => return Err(Wrong::UnknownOption(other.to_owned())),
        }
    }
    Ok(definition)
}

fn number(text: &str) -> Result<u32, Wrong> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| Wrong::Number(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, line: usize, wrong: Wrong) {
        let load = |file: &str| (file == "root").then(|| text.to_owned());
        let expected = DictionaryError { file: "root".to_owned(), line, wrong };
        assert_eq!(parse("root", &load).unwrap_err(), expected);
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        check("\nATTRIBUTE A 1", 2, Wrong::Shape("ATTRIBUTE name number type [options]"));
        check("# x\nFOO", 2, Wrong::UnknownWord("FOO".into()));
        check("ATTRIBUTE A 256 string", 1, Wrong::Number("256".into()));
        check("ATTRIBUTE A 1 blob", 1, Wrong::UnknownKind("blob".into()));
        check("ATTRIBUTE A 1 string fast", 1, Wrong::UnknownOption("fast".into()));
        check("ATTRIBUTE A 1 string\nATTRIBUTE a 2 string", 2, Wrong::Repeated("a".into()));
        check("ATTRIBUTE A 1 string\nATTRIBUTE B 1 string", 2, Wrong::Repeated("B".into()));
        check("VALUE A x 1", 1, Wrong::UnknownAttribute("A".into()));
        check("BEGIN-VENDOR V", 1, Wrong::Vendor("V".into()));
        check("VENDOR V 9\nBEGIN-VENDOR V", 2, Wrong::VendorOpen);
        check("END-VENDOR V", 1, Wrong::Vendor("V".into()));
        check("$INCLUDE", 1, Wrong::Shape("$INCLUDE file"));
    }

    #[test]
    fn a_missing_file_and_a_circle_are_found() {
        let load = |file: &str| (file == "a").then(|| "$INCLUDE b".to_owned());
        assert_eq!(parse("a", &load).unwrap_err().to_string(), "b:0: there is no such file");
        let circle = |_: &str| Some("$INCLUDE a".to_owned());
        assert_eq!(parse("a", &circle).unwrap_err().wrong, Wrong::TooDeep);
    }

    #[test]
    fn numbers_may_be_hexadecimal_and_lines_commented() {
        let text = "VENDOR V 0x10\nBEGIN-VENDOR V\nATTRIBUTE A 0x0a integer # ten\nEND-VENDOR V\nVALUE A Many 0xff";
        let dictionary = parse("root", &|_| Some(text.to_owned())).unwrap();
        let definition = dictionary.numbered(Some(16), 10).unwrap();
        assert_eq!(definition.values, [("Many".to_owned(), 255)]);
    }
}
