//! The policy of one account: every setting resolved to a typed value.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use ipnet::IpNet;
use jiff::tz::TimeZone;

use super::habits::Habits;
use super::hours::AllowedHours;
use super::id::RouterId;
use super::setting::{BadValue, Level, SETTINGS, Setting, networks};
use crate::text::Language;

/// What holds for an account (or, without nearer levels, for the system).
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Length of a session.
    pub session: Duration,
    /// How often a person may extend; `None` is no limit.
    pub max_extensions: Option<u32>,
    /// What an extension adds.
    pub renewal: Duration,
    /// How long before the end to remind; `None` is never.
    pub reminder: Option<Duration>,
    /// How long the reminder's buttons work.
    pub renewal_answer: Duration,
    /// How soon a session must be used; `None` is no limit.
    pub use_within: Option<Duration>,
    /// What happens without a session.
    pub without_session: WithoutSession,
    /// How long a knock can be answered.
    pub knock: Duration,
    /// Knocks per ten minutes.
    pub knocks_per_10min: u32,
    /// What happens with another caller.
    pub new_address: NewAddress,
    /// Whether connections must be confirmed.
    pub extra_protection: ExtraProtection,
    /// How long "is it you?" can be answered.
    pub confirm: Duration,
    /// When it is sent again.
    pub prompt_resend: Duration,
    /// How often.
    pub prompt_resends: u32,
    /// How long a session outlives its last connection; `None` is until its limit.
    pub end_on_disconnect: Option<Duration>,
    /// What happens to the router's own account at the end.
    pub on_expiry: OnExpiry,
    /// What happens when somebody switches on a router what we keep there.
    pub drift: Drift,
    /// How often the connections of a router with scheme `api` are read.
    pub poll: Duration,
    /// Acct-Interim-Interval.
    pub interim: Duration,
    /// Accounts of a person.
    pub accounts_per_user: u32,
    /// Simultaneous connections; `None` is no limit.
    pub connections: Option<u32>,
    /// What happens above it.
    pub over_limit: OverLimit,
    /// Wrong passwords in ten minutes.
    pub guess_limit: u32,
    /// When log-ins are taken.
    pub allowed_hours: AllowedHours,
    /// From where; empty is anywhere.
    pub source_networks: Vec<IpNet>,
    /// On which routers, by name; empty is any.
    pub routers: Vec<String>,
    /// Zone of texts and hours.
    pub time_zone: TimeZone,
    /// Language of people who chose none.
    pub language: Language,
    /// The operators' chat.
    pub operators_chat: Option<i64>,
}

/// What a right password without a session leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutSession {
    /// Reject, and ask the person.
    Knock,
    /// Ask the person, and let the router wait for the answer.
    Hold,
    /// Reject.
    Reject,
    /// Accept, for machines' accounts tied to source networks only.
    Allow,
}

/// What another caller than the known ones counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewAddress {
    /// As having no session.
    Ask,
    /// Admitted from the same /24 or /64.
    SameNetwork,
    /// Admitted.
    Allow,
}

/// Whether a connection must be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtraProtection {
    /// No.
    Off,
    /// Yes: "is it you?".
    On,
}

/// What happens, at the end of a session, to an account of the same name that a router keeps itself. A router with scheme
/// `api` has it disabled in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExpiry {
    /// Nothing: the connection is cut.
    Disconnect,
    /// It is disabled, and enabled with the next session.
    DisableOnRouter,
}

/// What happens when a rule or an account on a router is not as we left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drift {
    /// It is set back.
    Revert,
    /// It stays as it is until the next change of ours.
    Adopt,
}

/// What happens to a dial above the limit of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverLimit {
    /// It is refused.
    Reject,
    /// The oldest is cut.
    Replace,
}

/// Every stored value, by level and setting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values(HashMap<Level, HashMap<String, String>>);

impl Values {
    /// Adds one stored value.
    pub fn insert(&mut self, name: &str, level: Level, value: String) {
        self.0.entry(level).or_default().insert(name.to_owned(), value);
    }

    /// The value at exactly this level.
    pub fn at(&self, name: &str, level: Level) -> Option<&str> {
        self.0.get(&level)?.get(name).map(String::as_str)
    }

    /// The value that holds for these levels, the nearest last, and the level that has it; `None` if none has.
    pub fn nearest(&self, name: &str, levels: &[Level]) -> Option<(Level, &str)> {
        levels.iter().rev().find_map(|level| Some((*level, self.at(name, *level)?)))
    }

    /// Whether something is set at this level: whose policy has no value of its own shares another's.
    pub fn has(&self, level: Level) -> bool {
        self.0.contains_key(&level)
    }

    /// How many settings are set at this level.
    pub fn count_at(&self, level: Level) -> usize {
        self.0.get(&level).map_or(0, HashMap::len)
    }

    /// The levels at which something is set.
    pub fn levels(&self) -> impl Iterator<Item = Level> {
        self.0.keys().copied()
    }

    /// The routers that have values of their own.
    pub fn routers(&self) -> HashSet<RouterId> {
        let of_router = |level: Level| match level {
            Level::Router(id) => Some(RouterId(id)),
            Level::System | Level::Group(_) | Level::User(_) | Level::Account(_) => None,
        };
        self.levels().filter_map(of_router).collect()
    }

    /// The policy for these levels, the nearest last.
    ///
    /// # Errors
    /// A stored value that its setting does not take: corrupt, never replaced by a default.
    pub fn policy(&self, levels: &[Level]) -> Result<Policy, BadValue> {
        Ok(typed(&self.found(levels)?))
    }

    /// The habits of a router; `None` is one without values of its own.
    ///
    /// # Errors
    /// As [`Values::policy`].
    pub fn habits(&self, router: Option<RouterId>) -> Result<Habits, BadValue> {
        let levels = [Some(Level::System), router.map(|router| Level::Router(router.0))];
        Ok(Habits::of(&self.found(&levels.into_iter().flatten().collect::<Vec<_>>())?))
    }

    fn found(&self, levels: &[Level]) -> Result<Found, BadValue> {
        let value = |setting: &'static Setting| match self.nearest(setting.name, levels) {
            Some((_, value)) => setting.stored(value),
            None => Ok(setting.default.to_owned()),
        };
        let mut found = HashMap::with_capacity(SETTINGS.len());
        for setting in SETTINGS {
            found.insert(setting.name, value(setting)?);
        }
        Ok(Found(found))
    }
}

/// Values that their settings have accepted.
pub(super) struct Found(HashMap<&'static str, String>);

impl Found {
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).expect("every name asked for is in SETTINGS: a test asks for all")
    }

    pub(super) fn number(&self, name: &str) -> u32 {
        self.some_number(name).expect("the setting accepted a number")
    }

    pub(super) fn some_number(&self, name: &str) -> Option<u32> {
        self.text(name).parse().ok()
    }

    pub(super) fn seconds(&self, name: &str, seconds_per_unit: u64) -> Duration {
        Duration::from_secs(u64::from(self.number(name)) * seconds_per_unit)
    }

    pub(super) fn some_seconds(&self, name: &str, seconds_per_unit: u64) -> Option<Duration> {
        self.some_number(name).map(|number| Duration::from_secs(u64::from(number) * seconds_per_unit))
    }
}

const HOUR: u64 = 3600;
const MINUTE: u64 = 60;
const SECOND: u64 = 1;

fn typed(found: &Found) -> Policy {
    Policy {
        session: found.seconds("session_hours", HOUR),
        max_extensions: found.some_number("max_extensions"),
        renewal: found.seconds("renewal_hours", HOUR),
        reminder: found.some_seconds("reminder_minutes", MINUTE),
        renewal_answer: found.seconds("renewal_answer_minutes", MINUTE),
        use_within: found.some_seconds("use_within_minutes", MINUTE),
        without_session: match found.text("without_session") {
            "allow" => WithoutSession::Allow,
            "hold" => WithoutSession::Hold,
            "reject" => WithoutSession::Reject,
            _ => WithoutSession::Knock,
        },
        knock: found.seconds("knock_seconds", SECOND),
        knocks_per_10min: found.number("knocks_per_10min"),
        new_address: match found.text("new_address") {
            "allow" => NewAddress::Allow,
            "same_network" => NewAddress::SameNetwork,
            _ => NewAddress::Ask,
        },
        extra_protection: if found.text("extra_protection") == "on" {
            ExtraProtection::On
        } else {
            ExtraProtection::Off
        },
        confirm: found.seconds("confirm_seconds", SECOND),
        prompt_resend: found.seconds("prompt_resend_seconds", SECOND),
        prompt_resends: found.number("prompt_resends"),
        end_on_disconnect: found.some_seconds("end_on_disconnect", SECOND),
        on_expiry: match found.text("on_expiry") {
            "disconnect_and_disable_on_router" => OnExpiry::DisableOnRouter,
            _ => OnExpiry::Disconnect,
        },
        drift: if found.text("drift") == "adopt" { Drift::Adopt } else { Drift::Revert },
        poll: found.seconds("poll_seconds", SECOND),
        interim: found.seconds("interim_seconds", SECOND),
        accounts_per_user: found.number("accounts_per_user"),
        connections: found.some_number("connections_per_account").filter(|limit| *limit > 0),
        over_limit: if found.text("over_limit") == "replace" { OverLimit::Replace } else { OverLimit::Reject },
        guess_limit: found.number("guess_limit"),
        allowed_hours: found.text("allowed_hours").parse().expect("the setting accepted the hours"),
        source_networks: networks(found.text("source_networks")).expect("the setting accepted the networks"),
        routers: names(found.text("routers")),
        time_zone: TimeZone::get(found.text("time_zone")).expect("the setting accepted the zone"),
        language: Language::from_tag(found.text("language")).unwrap_or_default(),
        operators_chat: found.text("operators_chat").parse().ok(),
    }
}

fn names(value: &str) -> Vec<String> {
    if value == "any" {
        return Vec::new();
    }
    value.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

impl Policy {
    /// When to remind of an end at `until` of a session that began at `from`: never earlier than three quarters of it.
    pub fn remind_at(
        &self,
        from: crate::clock::Timestamp,
        until: crate::clock::Timestamp,
    ) -> Option<crate::clock::Timestamp> {
        let quarter = until.since(from) / 4;
        self.reminder.map(|before| until - before.min(quarter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::setting::{Kind, Levels};

    #[test]
    fn defaults_are_those_of_the_table() {
        let policy = Values::default().policy(&[Level::System]).unwrap();
        assert_eq!(policy.session, Duration::from_secs(24 * 3600));
        assert_eq!(policy.max_extensions, None);
        assert_eq!(policy.without_session, WithoutSession::Knock);
        assert_eq!(policy.connections, Some(1));
    }

    #[test]
    fn the_nearest_level_wins() {
        let mut values = Values::default();
        values.insert("session_hours", Level::System, "8".into());
        values.insert("session_hours", Level::Account(7), "2".into());
        let hours = |levels: &[Level]| values.policy(levels).unwrap().session.as_secs() / 3600;
        assert_eq!(hours(&[Level::System, Level::User(1), Level::Account(7)]), 2);
        assert_eq!(hours(&[Level::System, Level::User(1), Level::Account(8)]), 8);
    }

    /// A value that the setting takes and that is not its default.
    fn another(setting: &Setting) -> &'static str {
        match setting.kind {
            Kind::Choice(words) => words.iter().copied().find(|word| *word != setting.default).unwrap(),
            Kind::Number { max, .. } | Kind::NumberOr { max, .. } if max < 45 => "7",
            Kind::Number { .. } | Kind::NumberOr { .. } => "45",
            Kind::Hours => "Mo-Fr 08:00-20:00",
            Kind::Networks => "192.0.2.0/24",
            Kind::Routers => "office",
            Kind::Zone => "Europe/Moscow",
            Kind::Chat | Kind::Attributes => panic!("{} is no account's", setting.name),
        }
    }

    #[test]
    fn every_setting_of_an_account_is_taken_from_its_nearest_level() {
        let by_nearness = [Level::System, Level::Group(3), Level::User(5), Level::Account(7)];
        let nearest = |setting: &&Setting| setting.levels == Levels::Nearest;
        for setting in SETTINGS.iter().filter(nearest) {
            let value = another(setting);
            let of = |values: &Values| values.policy(&by_nearness).unwrap();
            let mut changed = Values::default();
            changed.insert(setting.name, Level::System, value.to_owned());
            let (plain, other) = (of(&Values::default()), of(&changed));
            assert_ne!(plain, other, "{} is read into no policy", setting.name);
            let mut stored = Values::default();
            for (at, level) in by_nearness.into_iter().enumerate() {
                // Each level says the opposite of the one before it, and is heard.
                let (value, expected) = if at % 2 == 0 { (value, &other) } else { (setting.default, &plain) };
                stored.insert(setting.name, level, value.to_owned());
                assert_eq!(&of(&stored), expected, "{} at {level:?}", setting.name);
                assert_eq!(stored.nearest(setting.name, &by_nearness), Some((level, value)));
            }
            // Another group's, person's or account's values do not count.
            let mut foreign = Values::default();
            for level in [Level::Group(4), Level::User(6), Level::Account(8), Level::Router(1)] {
                foreign.insert(setting.name, level, value.to_owned());
            }
            assert_eq!(of(&foreign), plain, "{}", setting.name);
        }
    }

    #[test]
    fn a_router_has_habits_of_its_own() {
        let mut values = Values::default();
        values.insert("hold_seconds", Level::Router(7), "40".into());
        let hold = |router| values.habits(router).unwrap().hold.as_secs();
        assert_eq!((hold(None), hold(Some(RouterId(7))), hold(Some(RouterId(8)))), (20, 40, 20));
        assert!(!values.has(Level::System) && values.routers() == HashSet::from([RouterId(7)]));
    }

    #[test]
    fn a_stored_value_that_is_not_taken_is_an_error() {
        let mut values = Values::default();
        values.insert("session_hours", Level::System, "never".into());
        assert!(values.policy(&[Level::System]).is_err());
    }

    #[test]
    fn the_reminder_is_at_most_a_quarter_before_the_end() {
        let policy = Values::default().policy(&[Level::System]).unwrap();
        let at = crate::clock::Timestamp::from_millis;
        assert_eq!(policy.remind_at(at(0), at(3_600_000)), Some(at(2_700_000)));
        assert_eq!(policy.remind_at(at(0), at(86_400_000)), Some(at(82_800_000)));
    }
}
