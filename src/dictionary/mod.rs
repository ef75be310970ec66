//! RADIUS attributes by name: the dictionary format of `dictionaries/`, typed definitions, values as text.
//!
//! What a name means does not change while the program runs: an operator's own files are read once, before anything else
//! ([`Dictionary::install`]), and from then on definitions are as lasting as the code.
//!
//! | module | is |
//! |---|---|
//! | [`parse`] | reads the format; errors name file and line |
//! | [`value`] | a value as text, to octets and back |

pub mod parse;
pub mod value;

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

pub use parse::{DictionaryError, Wrong};
pub use value::{Kind, ValueError};

/// How a value is hidden on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hiding {
    /// Not at all.
    Open,
    /// Like User-Password (`encrypt=1`, RFC 2865 §5.2).
    Password,
    /// With a salt, like MPPE keys (`encrypt=2`, RFC 2868 §3.5).
    Salted,
}

/// Whether a value starts with a tag (RFC 2868 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tagging {
    /// It does not.
    Untagged,
    /// It does: one octet, in place of the first octet of a number, before a text.
    Tagged,
}

/// One attribute of the dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Its name, spelled as in the dictionary.
    pub name: String,
    /// The vendor's number; `None` for an attribute of the RFCs.
    pub vendor: Option<u32>,
    /// Its number, of the vendor if there is one.
    pub number: u8,
    /// The type of its values.
    pub kind: Kind,
    /// How its values are hidden.
    pub hiding: Hiding,
    /// Whether its values start with a tag.
    pub tagging: Tagging,
    /// Names of some numbers, in the order of the dictionary.
    pub values: Vec<(String, u32)>,
}

/// All attributes that can be named. Names are looked up without regard to case.
#[derive(Debug, Clone, Default)]
pub struct Dictionary {
    definitions: Vec<Definition>,
    by_name: HashMap<String, usize>,
    by_number: HashMap<(Option<u32>, u8), usize>,
    vendors: HashMap<String, Vendor>,
    skipped: Vec<Skipped>,
}

/// A vendor as it is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Vendor {
    number: u32,
    layout: Layout,
}

/// How a vendor writes its attributes inside type 26.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// One octet for the type, one for the length, as RFC 2865 §5.26 recommends.
    Common,
    /// Otherwise: radgram cannot write them.
    Own,
}

/// A line that was understood and is of no use here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Name of the file.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// What it defines.
    pub what: String,
    /// Why it is of no use.
    pub why: &'static str,
}

static EMBEDDED: LazyLock<Dictionary> = LazyLock::new(|| {
    Dictionary::parse("dictionary", &|file| embedded_file(file).map(str::to_owned))
        .expect("a test parses the embedded dictionary")
});

static INSTALLED: OnceLock<Dictionary> = OnceLock::new();

impl Dictionary {
    /// The dictionary in force: the one that was installed, else the embedded one.
    pub fn current() -> &'static Self {
        INSTALLED.get().unwrap_or_else(|| Self::embedded())
    }

    /// Puts a dictionary in force; once, before anything is read by it.
    ///
    /// # Errors
    /// The dictionary, if one was installed before.
    pub fn install(dictionary: Self) -> Result<(), Box<Self>> {
        INSTALLED.set(dictionary).map_err(Box::new)
    }

    /// The dictionary that the binary carries: the files of `dictionaries/`.
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// Reads the file `root` and what it includes; `load` gives the text of a file by its name, or `None`.
    ///
    /// # Errors
    /// [`DictionaryError`]: the first thing that is wrong, with file and line.
    pub fn parse(root: &str, load: &dyn Fn(&str) -> Option<String>) -> Result<Self, DictionaryError> {
        Self::default().with(root, load)
    }

    /// This dictionary with a file `root` and what it includes. What both define stays as it is here.
    ///
    /// # Errors
    /// As [`Dictionary::parse`].
    pub fn with(self, root: &str, load: &dyn Fn(&str) -> Option<String>) -> Result<Self, DictionaryError> {
        parse::parse(self, root, load)
    }

    /// What was read and is of no use here.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// The attribute of this name, in any case.
    pub fn named(&self, name: &str) -> Option<&Definition> {
        self.by_name.get(&name.to_ascii_lowercase()).and_then(|index| self.definitions.get(*index))
    }

    /// The attribute of this number, of a vendor or of the RFCs.
    pub fn numbered(&self, vendor: Option<u32>, number: u8) -> Option<&Definition> {
        self.by_number.get(&(vendor, number)).and_then(|index| self.definitions.get(*index))
    }

    /// All attributes, in the order of the files.
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// The number of a vendor, by its name in any case.
    pub fn vendor(&self, name: &str) -> Option<u32> {
        self.declared(name).map(|vendor| vendor.number)
    }

    fn declared(&self, name: &str) -> Option<Vendor> {
        self.vendors.get(&name.to_ascii_lowercase()).copied()
    }

    fn add_vendor(&mut self, name: &str, vendor: Vendor) -> Result<(), Wrong> {
        match self.vendors.insert(name.to_ascii_lowercase(), vendor) {
            Some(former) if former != vendor => Err(Wrong::Repeated(name.to_owned())),
            _ => Ok(()),
        }
    }

    /// Adds an attribute. The same name for the same number changes nothing; another name for it is one more.
    fn add(&mut self, definition: Definition) -> Result<(), Wrong> {
        let index = self.definitions.len();
        let name = definition.name.to_ascii_lowercase();
        let number = (definition.vendor, definition.number);
        match self.by_name.get(&name).and_then(|index| self.definitions.get(*index)) {
            Some(known) if (known.vendor, known.number) == number => return Ok(()),
            Some(_) => return Err(Wrong::Repeated(definition.name)),
            None => {}
        }
        self.by_name.insert(name, index);
        self.by_number.entry(number).or_insert(index);
        self.definitions.push(definition);
        Ok(())
    }

    fn add_value(&mut self, attribute: &str, name: &str, number: u32) -> Result<(), Wrong> {
        let index = self.by_name.get(&attribute.to_ascii_lowercase());
        let definition = index.and_then(|index| self.definitions.get_mut(*index));
        let definition = definition.ok_or_else(|| Wrong::UnknownAttribute(attribute.to_owned()))?;
        if !definition.values.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            definition.values.push((name.to_owned(), number));
        }
        Ok(())
    }
}

/// The text of a file that the binary carries, by its name.
pub fn embedded_text(name: &str) -> Option<&'static str> {
    embedded_file(name)
}

fn embedded_file(name: &str) -> Option<&'static str> {
    Some(match name {
        "dictionary" => include_str!("../../dictionaries/dictionary"),
        "dictionary.rfc2865" => include_str!("../../dictionaries/dictionary.rfc2865"),
        "dictionary.rfc2866" => include_str!("../../dictionaries/dictionary.rfc2866"),
        "dictionary.rfc2867" => include_str!("../../dictionaries/dictionary.rfc2867"),
        "dictionary.rfc2868" => include_str!("../../dictionaries/dictionary.rfc2868"),
        "dictionary.rfc2869" => include_str!("../../dictionaries/dictionary.rfc2869"),
        "dictionary.rfc3162" => include_str!("../../dictionaries/dictionary.rfc3162"),
        "dictionary.rfc4372" => include_str!("../../dictionaries/dictionary.rfc4372"),
        "dictionary.rfc4675" => include_str!("../../dictionaries/dictionary.rfc4675"),
        "dictionary.rfc4818" => include_str!("../../dictionaries/dictionary.rfc4818"),
        "dictionary.rfc5176" => include_str!("../../dictionaries/dictionary.rfc5176"),
        "dictionary.rfc6911" => include_str!("../../dictionaries/dictionary.rfc6911"),
        "dictionary.microsoft" => include_str!("../../dictionaries/dictionary.microsoft"),
        "dictionary.mikrotik" => include_str!("../../dictionaries/dictionary.mikrotik"),
        "dictionary.wispr" => include_str!("../../dictionaries/dictionary.wispr"),
        "dictionary.ascend" => include_str!("../../dictionaries/dictionary.ascend"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_dictionary_is_in_order() {
        let dictionary = Dictionary::embedded();
        let rate = dictionary.named("mikrotik-RATE-limit").unwrap();
        assert_eq!((rate.vendor, rate.number, rate.kind), (Some(14988), 8, Kind::Text));
        assert_eq!(dictionary.numbered(Some(14988), 8), Some(rate));
        assert_eq!(dictionary.numbered(None, 27).unwrap().name, "Session-Timeout");
        assert_eq!(dictionary.numbered(Some(311), 17).unwrap().hiding, Hiding::Salted);
        assert_eq!(dictionary.vendor("microsoft"), Some(311));
        assert_eq!(dictionary.named("No-Such"), None);
        assert_eq!(dictionary.numbered(None, 250), None);
    }

    #[test]
    fn values_of_other_files_are_added() {
        let status = Dictionary::embedded().named("Acct-Status-Type").unwrap();
        assert!(status.values.contains(&("Start".to_owned(), 1)));
        assert!(status.values.contains(&("Tunnel-Start".to_owned(), 9)));
    }
}
