//! Commands on the state: what `/ppp/secret/set` and its like do, and what they answer. No network here.
//!
//! | module | is |
//! |---|---|
//! | [`print`] | `print`, `get`, `find`, `listen`: rows as the log-in may see them |
//! | `change` | `add`, `set`, `remove` and what goes with them |
//! | `act` | commands that do something else: `monitor`, `close-session`, `reboot` |
//! | [`query`] | which rows |
//! | [`rights`] | which policies |
//! | [`trap`] | what is said of what is not done |

mod act;
mod change;
pub(super) mod print;
pub(super) mod query;
pub(super) mod rights;
pub(super) mod trap;

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::proto::routeros::Sentence;
use crate::sim::router::firewall;
use crate::sim::router::state::menu::{Menu, Shape, Verb};
use crate::sim::router::state::table::Id;
use crate::sim::router::state::{State, path};

use self::print::Rows;
use self::rights::Rights;
use self::trap::Trap;

/// Attributes that name rows.
const IDS: [&str; 2] = [".id", "numbers"];

/// A command, taken apart.
#[derive(Clone)]
pub(crate) struct Command {
    /// The menu: `/ppp/secret`; empty for `/login` and its like.
    pub(crate) path: String,
    /// What is to be done: `set`.
    pub(crate) verb: String,
    attributes: Vec<(String, Vec<u8>)>,
    queries: Vec<Vec<u8>>,
}

impl Command {
    pub(crate) fn of(sentence: &Sentence) -> Self {
        let word = String::from_utf8_lossy(sentence.first()).into_owned();
        let (path, verb) = word.rsplit_once('/').unwrap_or(("", &word));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            path: path.to_owned(),
            verb: verb.to_owned(),
            attributes: sentence.attributes().map(|(name, value)| (text(name), value.to_vec())).collect(),
            queries: sentence.queries().map(<[u8]>::to_vec).collect(),
        }
    }

    /// The value of the first attribute of this name.
    pub(crate) fn attribute(&self, name: &str) -> Option<&[u8]> {
        self.attributes.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_slice())
    }

    /// The same as text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.attribute(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    fn attributes(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.attributes.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    fn queries(&self) -> impl Iterator<Item = &[u8]> {
        self.queries.iter().map(Vec::as_slice)
    }

    /// Refuses every attribute that is none of these.
    fn takes_only(&self, known: &[&str]) -> Result<(), Trap> {
        match self.attributes().find(|(name, _)| !known.contains(name)) {
            Some((name, _)) => Err(Trap::unknown_parameter(name)),
            None => Ok(()),
        }
    }
}

/// What a command answers.
pub(crate) enum Reply {
    /// `!done` alone.
    Done,
    /// `!done` with `=ret=`.
    Ret(Vec<u8>),
    /// Rows, then `!done`.
    Rows(Rows),
    /// Rows that never end by themselves.
    Watch(Rows),
    /// Numbers, once or again and again.
    Monitor(Monitored, Repeat),
}

/// What is monitored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Monitored {
    /// An entry of `/radius`.
    Server(Id),
    /// `/radius/incoming`.
    Incoming,
    /// A user of User Manager.
    UmUser(String),
}

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// `=once=`
    Once,
    /// Every second.
    UntilCancelled,
}

/// What a command wants of the rest of the router, once the state is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// A row of `/ppp/active` is removed: its connection, by `session-id`, is hung up.
    HangUp(String),
    /// `/radius/incoming` was changed.
    Incoming,
    /// `/ip/service` was changed.
    Services,
    /// A row of `/user/active` is removed.
    LogOut(Id),
    /// A user of User Manager was disabled or removed.
    UmUserOff(String),
    /// A session of User Manager, by its Acct-Session-Id, is to be closed.
    UmClose(String),
    /// Counters of an entry of `/radius`, or of `/radius/incoming`.
    ResetCounters(Monitored),
    /// Off and on.
    Reboot,
}

/// What became of a command that was done.
pub(crate) struct Done {
    pub(crate) reply: Reply,
    pub(crate) effects: Vec<Effect>,
}

impl Done {
    fn quiet(reply: Reply) -> Self {
        Self { reply, effects: Vec::new() }
    }
}

/// Does a command.
///
/// # Errors
/// What RouterOS says of it; nothing was changed then.
pub(crate) fn execute(state: &mut State, rights: &Rights, command: &Command, now: Timestamp) -> Result<Done, Trap> {
    state.advance(now);
    let Some(menu) = state.menu(&command.path) else {
        let is_there = state.is_prefix(&command.path);
        return Err(if is_there { Trap::no_such_command() } else { Trap::no_such_prefix() });
    };
    let verb = Verb::parse(&command.verb).filter(|verb| menu.verbs.contains(verb)).ok_or_else(Trap::no_such_command)?;
    if !rights.allow(menu.path, verb) {
        return Err(Trap::not_permitted());
    }
    let done = carry_out(verb, state, rights, &menu, command, now);
    if menu.path == path::FILTER && may_change_fasttrack(verb, command) {
        firewall::show_fasttrack(state);
    }
    done
}

/// Whether there may be a first or no longer any rule with fasttrack. Looking for one takes as long as the list is.
fn may_change_fasttrack(verb: Verb, command: &Command) -> bool {
    match verb {
        Verb::Add => command.attribute("action") == Some(b"fasttrack-connection"),
        Verb::Set => command.attribute("action").is_some(),
        Verb::Remove | Verb::Unset => true,
        Verb::Print
        | Verb::Get
        | Verb::Find
        | Verb::Listen
        | Verb::Enable
        | Verb::Disable
        | Verb::Comment
        | Verb::Move
        | Verb::Monitor
        | Verb::ResetCounters
        | Verb::ResetCountersAll
        | Verb::CloseSession
        | Verb::ActivateProfile
        | Verb::Sign
        | Verb::Reboot => false,
    }
}

fn carry_out(
    verb: Verb,
    state: &mut State,
    rights: &Rights,
    menu: &Arc<Menu>,
    command: &Command,
    now: Timestamp,
) -> Result<Done, Trap> {
    let change = change::Change { menu: menu.clone(), command, now };
    match verb {
        Verb::Print => print::print(state, rights, menu.clone(), command, now).map(Done::quiet),
        Verb::Listen => print::listen(state, rights, menu.clone(), command).map(Done::quiet),
        Verb::Get => print::get(state, rights, menu, command, now).map(Done::quiet),
        Verb::Find => print::find(state, menu, command).map(Done::quiet),
        Verb::Add => change.add(state),
        Verb::Set => change.set(state),
        Verb::Remove => change.remove(state),
        Verb::Enable => change.toggle(state, "no"),
        Verb::Disable => change.toggle(state, "yes"),
        Verb::Comment => change.comment(state),
        Verb::Unset => change.unset(state),
        Verb::Move => change.shift(state),
        Verb::Monitor => act::monitor(state, menu, command).map(Done::quiet),
        Verb::ResetCounters | Verb::ResetCountersAll => act::reset_counters(state, menu, command, verb),
        Verb::CloseSession => act::close_session(state, menu, command),
        Verb::ActivateProfile => act::activate_profile(state, menu, command),
        Verb::Sign => act::sign(state, menu, command, now),
        Verb::Reboot => Ok(Done { reply: Reply::Done, effects: vec![Effect::Reboot] }),
    }
}

/// The rows that a command names by `.id` or `numbers`: ids or names, with commas between them.
fn named_rows(state: &State, menu: &Menu, command: &Command) -> Result<Vec<Id>, Trap> {
    if menu.shape == Shape::Single {
        return Ok(vec![state.single_id()]);
    }
    named_by(state, menu, command, &IDS)
}

/// The rows that a command names by one of these arguments.
fn named_by(state: &State, menu: &Menu, command: &Command, arguments: &[&str]) -> Result<Vec<Id>, Trap> {
    let named = arguments.iter().find_map(|name| command.text(name)).ok_or_else(|| Trap::missing(&["numbers"]))?;
    let words = named.split(',').filter(|word| !word.is_empty());
    words.map(|word| row_of(state, menu, word).ok_or_else(Trap::no_such_item)).collect()
}

/// A row by its id, or by its name where rows have names.
fn row_of(state: &State, menu: &Menu, word: &str) -> Option<Id> {
    match Id::parse(word) {
        Some(id) => state.row(menu.path, id).map(|_| id),
        None => state.named(menu.path, word).map(|(id, _)| id),
    }
}

/// The menu of a command, for what is to be known of it before it is done.
pub(crate) fn menu_of(state: &State, command: &Command) -> Option<Arc<Menu>> {
    state.menu(&command.path)
}

/// The rows that a command names, whatever it is; none if it names none.
pub(crate) fn rows_meant(state: &State, command: &Command) -> Vec<(&'static str, Id)> {
    let Some(menu) = menu_of(state, command) else { return Vec::new() };
    let rows = named_rows(state, &menu, command).unwrap_or_default();
    rows.into_iter().map(|id| (menu.path, id)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::sim::router::state::Package;
    use crate::sim::router::version::RosVersion;

    const VERBS: [&str; 21] = [
        "print",
        "getall",
        "get",
        "find",
        "listen",
        "add",
        "set",
        "remove",
        "enable",
        "disable",
        "comment",
        "unset",
        "move",
        "monitor",
        "reset-counters",
        "reset-counters-all",
        "close-session",
        "activate-user-profile",
        "sign",
        "reboot",
        "nope",
    ];
    const VALUES: [&str; 16] = [
        "",
        "*1",
        "*2",
        "*80000000",
        "yes",
        "default",
        "ann",
        "1",
        "10.8.0.5",
        "10.0.0.0/8",
        "1h",
        "ppp",
        "l2tp",
        "\u{fffd}*",
        "99999999999999999999",
        "read,write",
    ];

    /// A command of any menu with any of its properties, few values, so that they often fit.
    fn sentence(menus: Vec<String>, names: Vec<String>) -> impl Strategy<Value = Sentence> {
        let attributes = prop::collection::vec((prop::sample::select(names), prop::sample::select(&VALUES[..])), 0..6);
        let query = prop::collection::vec("\\?(name|disabled|[#<>=!&|.0-9-]{0,4})(=[a-z0-9]{0,3})?", 0..3);
        (prop::sample::select(menus), prop::sample::select(&VERBS[..]), attributes, query).prop_map(
            |(menu, verb, attributes, query)| {
                let command = Sentence::command(format!("{menu}/{verb}"));
                let command = attributes.into_iter().fold(command, |built, (name, value)| built.with(name, value));
                query.into_iter().fold(command, Sentence::query)
            },
        )
    }

    fn router() -> State {
        State::new(RosVersion::V7_22, Package::Installed, Timestamp::default())
    }

    fn any_sentences() -> impl Strategy<Value = Vec<Sentence>> {
        let state = router();
        let menus: Vec<String> = state.menus().map(|menu| menu.path.to_owned()).collect();
        let fields = state.menus().flat_map(|menu| menu.fields.iter().map(|field| field.name.to_owned()));
        let others = [".id", "numbers", "place-before", "destination", "value-name", ".proplist", "count-only", "once"];
        let names: Vec<String> = fields.chain(others.map(str::to_owned)).collect();
        prop::collection::vec(sentence(menus, names), 1..40)
    }

    proptest! {
        #[test]
        fn no_commands_break_a_router(sentences in any_sentences()) {
            let mut state = router();
            let mut now = Timestamp::default();
            for sentence in sentences {
                now = now + std::time::Duration::from_secs(600);
                let command = Command::of(&sentence);
                let done = execute(&mut state, &Rights::All, &command, now);
                if let Ok(Done { reply: Reply::Rows(mut rows) | Reply::Watch(mut rows), .. }) = done {
                    while rows.next(&state, now).is_some() {}
                    while rows.news(&mut state, now).is_some() {}
                    rows.leave(&mut state);
                }
            }
            for menu in state.menus().cloned().collect::<Vec<_>>() {
                let ids = state.ids(menu.path);
                prop_assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{}", menu.path);
                prop_assert!(ids.iter().all(|id| state.row(menu.path, *id).is_some()), "{}", menu.path);
                if menu.shape == Shape::Single {
                    prop_assert_eq!(ids.len(), 1, "{}", menu.path);
                }
                let Some(unique) = menu.unique else { continue };
                let keys = state.rows(menu.path).map(|(_, row)| unique.fields.iter().map(|name| row.text(name)).collect::<Vec<_>>()).collect::<Vec<_>>();
                prop_assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "{}: {:?}", menu.path, keys);
            }
        }
    }
}
