//! What a router's refusals mean: one table, by what is in their texts.
//!
//! The category that a refusal may carry is often absent and says less than the text; the raw text is kept.

use std::fmt::Display;

use crate::gate::router_api::ApiFault;
use crate::proto::routeros::Trap;

/// The most characters of a router's text that are kept.
const TEXT: usize = 300;

/// What a refusal is, if its text has this in it.
const TABLE: &[(&str, Meaning)] = &[
    ("not enough permissions", Meaning::Forbidden),
    // `no such command prefix` for a menu, `no such command` for its verb.
    ("no such command", Meaning::NoMenu),
    ("no such item", Meaning::Gone),
    // Of the command itself, by whoever may: another one like it may go through.
    ("interrupted", Meaning::Passing),
    ("action timed out", Meaning::Passing),
];

/// What an entry that is there already is refused with.
const TAKEN: &[&str] = &["already have", "already exists"];

#[derive(Clone, Copy)]
enum Meaning {
    Forbidden,
    NoMenu,
    Gone,
    Passing,
}

/// What became of a command in `menu` that was refused so.
pub(super) fn of(menu: &str, traps: &[Trap]) -> ApiFault {
    let text = texts(traps);
    let meaning = TABLE.iter().find(|(part, _)| text.contains(part)).map(|(_, meaning)| *meaning);
    match meaning {
        Some(Meaning::Forbidden) => ApiFault::Forbidden(text),
        Some(Meaning::NoMenu) => ApiFault::NoMenu(menu.to_owned()),
        Some(Meaning::Gone) => ApiFault::Gone(text),
        Some(Meaning::Passing) => ApiFault::Unreachable(text),
        None => ApiFault::Refused(text),
    }
}

/// What became of a log-in that was refused so.
pub(super) fn of_log_in(traps: &[Trap]) -> ApiFault {
    ApiFault::LogIn(texts(traps))
}

/// Whether the router refused because there is such an entry.
pub(super) fn is_taken(fault: &ApiFault) -> bool {
    matches!(fault, ApiFault::Refused(text) if TAKEN.iter().any(|part| text.contains(part)))
}

/// Not reached, or lost.
pub(super) fn unreachable(why: impl Display) -> ApiFault {
    ApiFault::Unreachable(short(&why.to_string()))
}

fn texts(traps: &[Trap]) -> String {
    let texts: Vec<&str> = traps.iter().map(|trap| trap.message.trim()).filter(|text| !text.is_empty()).collect();
    if texts.is_empty() { "without a reason".to_owned() } else { short(&texts.join("; ")) }
}

/// Cut, and without control characters: it is shown on pages and in logs.
pub(super) fn short(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::routeros::Category;

    #[track_caller]
    fn check(message: &str, expected: ApiFault) {
        let trap = Trap { category: Some(Category::GENERAL), message: message.to_owned() };
        assert_eq!(of("/ppp/active", &[trap]), expected);
    }

    #[test]
    fn texts_have_their_meanings() {
        let menu = || ApiFault::NoMenu("/ppp/active".to_owned());
        check("not enough permissions (9)", ApiFault::Forbidden("not enough permissions (9)".to_owned()));
        check("no such command", menu());
        check("no such command prefix", menu());
        check("no such item", ApiFault::Gone("no such item".to_owned()));
        check("no such item (4)", ApiFault::Gone("no such item (4)".to_owned()));
        check("interrupted", ApiFault::Unreachable("interrupted".to_owned()));
        check("unknown parameter bogus", ApiFault::Refused("unknown parameter bogus".to_owned()));
        check("", ApiFault::Refused("without a reason".to_owned()));
    }

    #[test]
    fn an_entry_that_is_there_is_known() {
        for text in ["failure: already have such entry", "failure: user with the same name already exists"] {
            assert!(is_taken(&ApiFault::Refused(text.to_owned())), "{text}");
        }
        assert!(!is_taken(&ApiFault::Refused("failure".to_owned())));
    }

    #[test]
    fn several_texts_are_all_told_and_none_without_end() {
        let trap = |message: &str| Trap { category: None, message: message.to_owned() };
        let both = of_log_in(&[trap("one\r\n"), trap("two")]);
        assert_eq!(both, ApiFault::LogIn("one; two".to_owned()));
        let ApiFault::Refused(text) = of("/a", &[trap(&"ж".repeat(1000))]) else { panic!() };
        assert_eq!(text.chars().count(), TEXT);
        assert_eq!(unreachable("a\nb"), ApiFault::Unreachable("a b".to_owned()));
    }
}
