//! The settings: one typed description that the UI, the command line and the policy share.

use ipnet::IpNet;
use jiff::tz::TimeZone;

use super::home::Taken;
use super::hours::AllowedHours;

/// One setting: its name, what it takes and what it does.
#[derive(Debug)]
pub struct Setting {
    /// Its name in SQL, the UI and the command line.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// The value where none is stored; always valid.
    pub default: &'static str,
    /// At which levels it may be set.
    pub levels: Levels,
    /// One sentence for operators.
    pub help: &'static str,
}

/// What a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number of a unit, in a range.
    Number {
        /// Smallest value.
        min: u32,
        /// Largest value.
        max: u32,
        /// What is counted: `hours`, `seconds`, `` for a bare count.
        unit: &'static str,
    },
    /// As `Number`, or this word for "no limit" or "off".
    NumberOr {
        /// Smallest value.
        min: u32,
        /// Largest value.
        max: u32,
        /// What is counted.
        unit: &'static str,
        /// The word that stands for no number.
        word: &'static str,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Hours of the week (`Mo-Fr 08:00-20:00; Sa 10:00-14:00`), or `any`.
    Hours,
    /// Networks separated by commas, or `any`.
    Networks,
    /// Router names separated by commas, or `any`.
    Routers,
    /// A time zone of the IANA database.
    Zone,
    /// A Telegram chat id, or `none`.
    Chat,
    /// Names of attributes separated by commas, or `none`.
    Attributes,
}

/// At which levels a setting may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Levels {
    /// For the whole system only.
    System,
    /// For the system, a group, a user, an account; the nearest wins.
    Nearest,
    /// For the system, or for one router.
    Router,
}

impl Levels {
    /// Whether a setting of these levels may be set at this one.
    pub const fn take(self, level: Level) -> bool {
        match (self, level) {
            (_, Level::System)
            | (Self::Router, Level::Router(_))
            | (Self::Nearest, Level::Group(_) | Level::User(_) | Level::Account(_)) => true,
            (Self::System | Self::Nearest | Self::Router, _) => false,
        }
    }

    /// Where it may be set, in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::System => "for the whole system only",
            Self::Nearest => "for the whole system, a group, a person or an account",
            Self::Router => "for the whole system or for a router",
        }
    }
}

/// A level and its row; the nearest to the account wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Everybody.
    System,
    /// The accounts of a group.
    Group(i64),
    /// The accounts of a person.
    User(i64),
    /// One account.
    Account(i64),
    /// One router; not one of the levels of an account.
    Router(i64),
}

impl Level {
    /// The word in SQL.
    pub const fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Group(_) => "group",
            Self::User(_) => "user",
            Self::Account(_) => "account",
            Self::Router(_) => "router",
        }
    }

    /// The row of the level; 0 for the system.
    pub const fn subject(self) -> i64 {
        match self {
            Self::System => 0,
            Self::Group(id) | Self::User(id) | Self::Account(id) | Self::Router(id) => id,
        }
    }
}

const fn number(min: u32, max: u32, unit: &'static str) -> Kind {
    Kind::Number { min, max, unit }
}

const fn number_or(min: u32, max: u32, unit: &'static str, word: &'static str) -> Kind {
    Kind::NumberOr { min, max, unit, word }
}

const ON_OFF: Kind = Kind::Choice(&["off", "on"]);

macro_rules! settings {
    ($($name:literal, $kind:expr, $default:literal, $levels:ident, $help:literal;)*) => {
        /// Every setting that works, in the order of the page.
        pub static SETTINGS: &[Setting] = &[$(
            Setting { name: $name, kind: $kind, default: $default, levels: Levels::$levels, help: $help },
        )*];
    };
}

settings! {
    "session_hours", number(1, 168, "hours"), "24", Nearest, "How long a session lasts when a person asks for access.";
    "max_extensions", number_or(0, 1000, "", "none"), "none", Nearest, "How often a person may extend one session.";
    "renewal_hours", number(1, 168, "hours"), "6", Nearest, "How much an extension adds.";
    "reminder_minutes", number_or(1, 1440, "minutes", "off"), "60", Nearest,
        "How long before the end the person is reminded; never more than a quarter of the session.";
    "renewal_answer_minutes", number(1, 1440, "minutes"), "10", Nearest, "How long the reminder's buttons work.";
    "use_within_minutes", number_or(1, 10080, "minutes", "off"), "off", Nearest,
        "A session that was never used for this long after it was granted ends.";
    "without_session", Kind::Choice(&["knock", "hold", "reject", "allow"]), "knock", Nearest,
        "A right password without a session: refuse and ask the person (knock), ask and let the router wait (hold), refuse, or (only for accounts marked as having no person) allow.";
    "knock_seconds", number(30, 3600, "seconds"), "300", Nearest, "How long the question of a knock can be answered.";
    "knocks_per_10min", number(1, 60, ""), "3", Nearest, "Questions per account in ten minutes; then silence.";
    "new_address", Kind::Choice(&["ask", "same_network", "allow"]), "ask", Nearest,
        "A dial from another address while a session is open: ask, let the same /24 or /64 in, or let any in.";
    "extra_protection", ON_OFF, "off", Nearest, "Ask \"is it you?\" when a connection comes up.";
    "confirm_seconds", number(30, 3600, "seconds"), "300", Nearest, "How long \"is it you?\" can be answered before the connection is cut.";
    "prompt_resend_seconds", number(10, 3600, "seconds"), "60", Nearest, "An unanswered \"is it you?\" is sent again after this long.";
    "prompt_resends", number(0, 10, ""), "3", Nearest, "How often it is sent again.";
    "end_on_disconnect", number_or(10, 86400, "seconds", "off"), "off", Nearest,
        "The session ends this long after the last connection went down, unless the person redials.";
    "on_expiry", Kind::Choice(&["disconnect", "disconnect_and_disable_on_router"]), "disconnect", Nearest,
        "At the end of a session: only disconnect, or also disable the account on routers that keep one of this name.";
    "drift", Kind::Choice(&["revert", "adopt"]), "revert", System,
        "Somebody switches on the router what radgram keeps there: switch it back, or leave it until the next change.";
    "poll_seconds", number(1, 60, "seconds"), "3", System,
        "How often the connections of routers with the scheme api are read.";
    "interim_seconds", number(60, 3600, "seconds"), "60", System, "How often routers report a running connection.";
    "accounts_per_user", number(1, 10, ""), "2", System, "How many accounts a person may have.";
    "connections_per_account", number(0, 1000, ""), "1", Nearest, "Simultaneous connections of one account; 0 is no limit.";
    "over_limit", Kind::Choice(&["reject", "replace"]), "reject", Nearest,
        "A dial above connections_per_account: refuse it, or cut the oldest connection.";
    "guess_limit", number(1, 1000, ""), "10", System,
        "Wrong passwords in ten minutes, per caller and per account, after which log-ins of strangers are refused.";
    "hold_seconds", number(1, 170, "seconds"), "20", Router,
        "With without_session = hold: how long the router waits for an answer, which is three times its timeout; at most so long the person is waited for.";
    "services", Kind::Choice(&["vpn", "vpn_and_ipsec"]), "vpn", Router,
        "Which log-ins are a VPN's: those with Service-Type Framed or none, or also EAP (IKEv2) whatever Service-Type it says.";
    "coa_session_timeout", Kind::Choice(&["off", "from_start", "from_now"]), "off", Router,
        "Whether a running connection is told by CoA that it may run longer, and from when the router counts what it is told; off: the router hangs up at the old limit, and the redial is accepted.";
    "coa_attributes", Kind::Choice(&["on_demand", "at_once"]), "on_demand", Router,
        "Whether running connections get changed reply attributes by CoA when an operator says so, or as soon as they are changed.";
    "coa_message_authenticator", Kind::Choice(&["auto", "yes", "no"]), "auto", Router,
        "Whether Disconnect- and CoA-Requests carry a Message-Authenticator; auto: with one first, and without after silence.";
    "coa_identification", Kind::Choice(&["full", "without_nas_address", "session_id"]), "full", Router,
        "What says which connection is meant: NAS-IP-Address, User-Name, Acct-Session-Id and Framed-IP-Address; all but the first; or Acct-Session-Id alone.";
    "coa_not_found", Kind::Choice(&["gone", "unsure"]), "gone", Router,
        "What it means that the router refuses a Disconnect-Request with Error-Cause 503: the connection is gone, or nothing, and it is tried until something else proves it.";
    "radsec_disconnects", Kind::Choice(&["connection_then_udp", "connection", "udp"]), "connection_then_udp", Router,
        "Where Disconnects go of a router that asks over RadSec: over its connection and, if that does not answer, by UDP with the secret radsec; or one of the two alone.";
    "home_attributes", Kind::Attributes,
        "Framed-IP-Address, Framed-IP-Netmask, Framed-Pool, Framed-Route, Idle-Timeout, Filter-Id, Port-Limit, \
         Mikrotik-Group, Mikrotik-Rate-Limit, Mikrotik-Recv-Limit, Mikrotik-Recv-Limit-Gigawords, Mikrotik-Xmit-Limit, \
         Mikrotik-Xmit-Limit-Gigawords, Mikrotik-Total-Limit, Mikrotik-Total-Limit-Gigawords, Mikrotik-Address-List, \
         Framed-IPv6-Prefix, Framed-IPv6-Pool, Delegated-IPv6-Prefix, Mikrotik-Delegated-IPv6-Pool",
        Router, "What is taken of the answers of a router's home server, for accounts of source user_manager.";
    "allowed_hours", Kind::Hours, "any", Nearest, "When log-ins are taken, in the time zone below.";
    "source_networks", Kind::Networks, "any", Nearest, "From which networks log-ins are taken.";
    "routers", Kind::Routers, "any", Nearest, "On which routers log-ins are taken.";
    "time_zone", Kind::Zone, "UTC", Nearest, "The time zone of messages and allowed hours.";
    "language", Kind::Choice(&["ru", "en"]), "ru", System, "The language of messages to people who chose none.";
    "operators_chat", Kind::Chat, "none", System, "The Telegram chat that is told of applications and alarms.";
    "history_sessions_days", number(1, 3650, "days"), "30", System, "How long ended sessions are kept.";
    "history_connections_days", number(1, 3650, "days"), "365", System, "How long ended connections are kept.";
    "history_attempts_days", number(1, 3650, "days"), "90", System, "How long log-in attempts are kept.";
}

/// A value that a setting does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} = \"{value}\": expected {expected}")]
pub struct BadValue {
    /// The setting's name.
    pub setting: String,
    /// The value as given.
    pub value: String,
    /// What is allowed, in words.
    pub expected: String,
}

impl Setting {
    /// The setting of this name.
    pub fn named(name: &str) -> Option<&'static Setting> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }

    /// What the setting takes, in words.
    pub fn expected(&self) -> String {
        match self.kind {
            Kind::Number { min, max, unit } => format!("a whole number{} from {min} to {max}", of(unit)),
            Kind::NumberOr { min, max, unit, word } => {
                format!("a whole number{} from {min} to {max}, or {word}", of(unit))
            }
            Kind::Choice(words) => format!("one of {}", words.join(", ")),
            Kind::Hours => "any, or hours like Mo-Fr 08:00-20:00; Sa 10:00-14:00".to_owned(),
            Kind::Networks => "any, or networks like 192.0.2.0/24, 2001:db8::/32".to_owned(),
            Kind::Routers => "any, or names of routers separated by commas".to_owned(),
            Kind::Zone => "a time zone like Europe/Moscow or UTC".to_owned(),
            Kind::Chat => "none, or a Telegram chat id like -1001234567890".to_owned(),
            Kind::Attributes => {
                "none, or names like Framed-Pool, Mikrotik-Group, none of which radgram says itself".to_owned()
            }
        }
    }

    /// The value as it is stored, if the setting takes it.
    ///
    /// # Errors
    /// [`BadValue`] with what is allowed.
    pub fn accept(&self, typed: &str) -> Result<String, BadValue> {
        let value = typed.trim();
        let taken = match self.kind {
            Kind::Number { min, max, .. } => number_in(value, min, max),
            Kind::NumberOr { min, max, word, .. } => value == word || number_in(value, min, max),
            Kind::Choice(words) => words.contains(&value),
            Kind::Hours => value.parse::<AllowedHours>().is_ok(),
            Kind::Networks => networks(value).is_some(),
            Kind::Routers => value.len() <= 2000 && !value.is_empty() && !value.chars().any(char::is_control),
            Kind::Zone => value.len() <= 64 && TimeZone::get(value).is_ok(),
            Kind::Chat => value == "none" || value.parse::<i64>().is_ok(),
            Kind::Attributes => Taken::parse(value).is_ok(),
        };
        if taken { Ok(value.to_owned()) } else { Err(self.bad(value)) }
    }

    /// The value as it was stored. Names of attributes are looked up where they count: a file of the dictionaries may be
    /// gone since, or not be read yet.
    ///
    /// # Errors
    /// As [`Setting::accept`].
    pub(super) fn stored(&self, value: &str) -> Result<String, BadValue> {
        match self.kind {
            Kind::Attributes => Ok(value.to_owned()),
            _ => self.accept(value),
        }
    }

    fn bad(&self, value: &str) -> BadValue {
        let value = value.chars().take(80).collect();
        BadValue { setting: self.name.to_owned(), value, expected: self.expected() }
    }
}

fn of(unit: &str) -> String {
    if unit.is_empty() { String::new() } else { format!(" of {unit}") }
}

fn number_in(value: &str, min: u32, max: u32) -> bool {
    value.parse::<u32>().is_ok_and(|number| (min..=max).contains(&number))
}

/// The networks of a value; empty for `any`, `None` if it is neither.
pub fn networks(value: &str) -> Option<Vec<IpNet>> {
    if value == "any" {
        return Some(Vec::new());
    }
    let networks: Vec<IpNet> =
        value.split(',').map(|part| super::router::source_network(part).ok()).collect::<Option<_>>()?;
    (!networks.is_empty() && networks.len() <= 100).then_some(networks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_taken() {
        for setting in SETTINGS {
            assert_eq!(setting.accept(setting.default).as_deref(), Ok(setting.default));
        }
    }

    #[test]
    fn a_bad_value_says_what_is_allowed() {
        let hours = Setting::named("session_hours").unwrap();
        let message = hours.accept("169").unwrap_err().to_string();
        assert_eq!(message, "session_hours = \"169\": expected a whole number of hours from 1 to 168");
    }

    #[test]
    fn each_kind_refuses_what_it_does_not_take() {
        for (name, value) in [
            ("without_session", "maybe"),
            ("allowed_hours", "Xx 1-2"),
            ("source_networks", "10.0.0.1/8"),
            ("time_zone", "Mars/Olympus"),
            ("operators_chat", "@ops"),
            ("use_within_minutes", "0"),
            ("home_attributes", "Framed-Pool, Class"),
        ] {
            assert!(Setting::named(name).unwrap().accept(value).is_err(), "{name} took {value}");
        }
    }
}
