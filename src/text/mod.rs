//! What people read: Russian and English texts by key, durations and points in time.

mod time;

use fluent::concurrent::FluentBundle;
use fluent::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

/// A language that the texts exist in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Language {
    /// Russian, the default of the setting `language`.
    #[default]
    Ru,
    /// English.
    En,
}

impl Language {
    /// Every language.
    pub const ALL: [Language; 2] = [Language::Ru, Language::En];

    /// The language of an IETF tag (`ru`, `en-GB`), by its first subtag; `None` for languages without texts.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    /// The two-letter tag: `ru` or `en`.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Ru => "ru",
            Self::En => "en",
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Ru => Self::En,
            Self::En => Self::Ru,
        }
    }
}

/// The most characters of a value in a text: the longest are reasons (300) and lists of addresses.
const VALUE_CHARS: usize = 300;

/// `text` as one line that shows what it says: names and addresses come from strangers, who must not add lines to a
/// question or turn its words around. Control characters become spaces, marks of direction and invisible ones go, and
/// what is longer than 300 characters is cut.
pub fn one_line(text: &str) -> String {
    let mut line: String = text
        .chars()
        .filter(|character| !is_unseen(*character))
        .map(
            |character| {
                if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') { ' ' } else { character }
            },
        )
        .take(VALUE_CHARS + 1)
        .collect();
    if let Some((cut, _)) = line.char_indices().nth(VALUE_CHARS) {
        line.truncate(cut);
        line.push('…');
    }
    line
}

/// Marks of direction, of joining and of nothing (Unicode, bidirectional controls and zero-width characters).
const fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\u{00ad}'
            | '\u{061c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// A value that a text shows, or chooses its plural form by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arg<'a> {
    /// Shown as [`one_line`] leaves it.
    Text(&'a str),
    /// Shown in digits without grouping; chooses plural forms. Exact up to 2^53.
    Number(i64),
}

impl<'a> From<&'a str> for Arg<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Arg<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Arg<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Arg<'_> {
    fn from(number: u32) -> Self {
        Self::Number(i64::from(number))
    }
}

impl<'a> From<Arg<'a>> for FluentValue<'a> {
    fn from(arg: Arg<'a>) -> Self {
        match arg {
            Arg::Text(text) => one_line(text).into(),
            Arg::Number(number) => number.into(),
        }
    }
}

/// The texts of every language, parsed once.
pub struct Texts {
    ru: FluentBundle<FluentResource>,
    en: FluentBundle<FluentResource>,
}

impl Default for Texts {
    fn default() -> Self {
        Self::new()
    }
}

impl Texts {
    /// Parses the texts that the program carries.
    pub fn new() -> Self {
        Self { ru: bundle(Language::Ru, include_str!("ru.ftl")), en: bundle(Language::En, include_str!("en.ftl")) }
    }

    /// The text `key` in `language`, with its variables filled in.
    ///
    /// A key missing in `language` gives the other language's text, a key missing in both gives the key itself, and a
    /// variable that is not in `args` shows its own name: a person still reads something.
    pub fn render(&self, language: Language, key: &str, args: &[(&str, Arg<'_>)]) -> String {
        let mut values = FluentArgs::with_capacity(args.len());
        for (name, arg) in args {
            values.set(*name, *arg);
        }
        [language, language.other()]
            .into_iter()
            .find_map(|language| format(self.bundle(language), key, &values))
            .unwrap_or_else(|| key.to_owned())
    }

    /// The text `key` in `language` that has no variables.
    pub fn plain(&self, language: Language, key: &str) -> String {
        self.render(language, key, &[])
    }

    fn bundle(&self, language: Language) -> &FluentBundle<FluentResource> {
        match language {
            Language::Ru => &self.ru,
            Language::En => &self.en,
        }
    }
}

fn bundle(language: Language, source: &str) -> FluentBundle<FluentResource> {
    let tag: LanguageIdentifier = language.tag().parse().expect("two letters are a language identifier");
    let mut bundle = FluentBundle::new_concurrent(vec![tag]);
    // The marks would show up as odd characters in Telegram's plain text.
    bundle.set_use_isolating(false);
    // What cannot be parsed is left out and rendered by its key; a test parses both files without a complaint.
    let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(resource, _)| resource);
    bundle.add_resource_overriding(resource);
    bundle
}

fn format(bundle: &FluentBundle<FluentResource>, key: &str, values: &FluentArgs<'_>) -> Option<String> {
    let pattern = bundle.get_message(key)?.value()?;
    let mut problems = Vec::new();
    Some(bundle.format_pattern(pattern, Some(values), &mut problems).into_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    const SOURCES: [(Language, &str); 2] =
        [(Language::Ru, include_str!("ru.ftl")), (Language::En, include_str!("en.ftl"))];

    /// Every key of a source with the names of its variables.
    fn variables(source: &str) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut key = None;
        for line in source.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, _)) = line.split_once(" =")
                && line.starts_with(|first: char| first.is_ascii_lowercase())
            {
                assert!(found.insert(name, BTreeSet::new()).is_none(), "{name} stands twice");
                key = Some(name);
            }
            let names = line.split('$').skip(1).map(|rest| {
                rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').next().unwrap_or_default()
            });
            for variable in names {
                found.get_mut(key.expect("a variable stands below a key")).unwrap().insert(variable);
            }
        }
        found
    }

    #[test]
    fn a_value_adds_no_line_and_turns_nothing_around() {
        assert_eq!(one_line("1.2.3.4\n\nAll is well\u{202e}!\0"), "1.2.3.4  All is well! ");
        assert_eq!(one_line("Анна O\u{200b}k"), "Анна Ok");
        let cut = one_line(&"я".repeat(1000));
        assert_eq!((cut.chars().count(), cut.chars().last()), (301, Some('…')));
        let texts = Texts::new();
        let args = [("account", Arg::Text("ann\r\n[Yes]"))];
        assert!(!texts.render(Language::En, "disable-question", &args).contains('\n'));
    }

    #[test]
    fn both_files_parse_without_a_complaint() {
        for (language, source) in SOURCES {
            assert!(FluentResource::try_new(source.to_owned()).is_ok(), "{language:?}");
        }
    }

    #[test]
    fn both_languages_have_the_same_keys_and_variables() {
        assert_eq!(variables(SOURCES[0].1), variables(SOURCES[1].1));
    }

    #[test]
    fn every_text_renders_with_its_variables_and_nothing_is_left_open() {
        let texts = Texts::new();
        for (language, source) in SOURCES {
            for (key, names) in variables(source) {
                let mut values = FluentArgs::new();
                for name in names {
                    values.set(name, 3);
                }
                let pattern = texts.bundle(language).get_message(key).and_then(|message| message.value());
                let pattern = pattern.unwrap_or_else(|| panic!("{key} has no text in {language:?}"));
                let mut problems = Vec::new();
                let text = texts.bundle(language).format_pattern(pattern, Some(&values), &mut problems);
                assert!(problems.is_empty(), "{key} in {language:?}: {problems:?}");
                assert!(!text.is_empty() && !text.contains("{$"), "{key} in {language:?}: {text}");
            }
        }
    }

    #[test]
    fn what_is_missing_shows_itself_instead_of_panicking() {
        let texts = Texts::new();
        assert_eq!(texts.plain(Language::En, "no-such-key"), "no-such-key");
        assert_eq!(texts.plain(Language::En, "span-hours"), "{$count} h");
    }

    #[test]
    fn a_key_of_one_language_only_is_taken_from_the_other() {
        let mut texts = Texts::new();
        texts.en = bundle(Language::En, "");
        assert_eq!(texts.plain(Language::En, "menu-status"), "Статус");
    }

    #[test]
    fn languages_are_known_by_their_first_subtag() {
        assert_eq!(Language::from_tag("ru-RU"), Some(Language::Ru));
        assert_eq!(Language::from_tag("EN"), Some(Language::En));
        assert_eq!(Language::from_tag("en_GB"), Some(Language::En));
        assert_eq!(Language::from_tag("de"), None);
        assert_eq!(Language::from_tag(""), None);
    }
}
