//! The home server: the RADIUS server behind us that knows the passwords of accounts of source `user_manager`, mostly the
//! User Manager of the router itself; what of its word is taken, and whether it is worth asking.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::attribute::reserved;
use super::router::Demand;
use crate::clock::Timestamp;
use crate::dictionary::Dictionary;
use crate::secret::Secret;
use crate::text::one_line;

/// The port of RADIUS (RFC 2865 §3), and of `/user-manager authentication-port`.
pub const HOME_PORT: u16 = 1812;
/// How long each of the two tries is waited for, unless an operator says otherwise.
pub const TRY: Duration = Duration::from_millis(1_000);
/// The shortest and the longest try. RouterOS itself waits three times its time-out, three minutes at most.
pub const TRY_MS: std::ops::RangeInclusive<u32> = 50..=30_000;
/// So many failures in a row, and the server counts as dead.
const FAILURES: u32 = 3;
/// A dead server gets one log-in as a trial after this long, should it not answer Status-Server.
const TRIAL_AFTER: Duration = Duration::from_secs(15);
/// The most names in a list of attributes.
const NAMES: usize = 100;

/// A home server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// Where it is.
    pub address: SocketAddr,
    /// The secret that it shares with us: not the router's.
    pub secret: Secret,
    /// How long each of two tries is waited for.
    pub timeout: Duration,
    /// Whether its answers must carry a Message-Authenticator.
    pub message_authenticator: Demand,
}

/// An address as an operator types it, with a port if it is not 1812.
///
/// # Errors
/// What is expected.
pub fn home_address(typed: &str) -> Result<SocketAddr, &'static str> {
    const EXPECTED: &str =
        "expected an address, with a port if it is not 1812: 192.0.2.1, 192.0.2.1:1812, [2001:db8::1]:1812";
    let typed = typed.trim();
    let address = match typed.parse::<IpAddr>() {
        Ok(address) => SocketAddr::new(address, HOME_PORT),
        Err(_) => typed.parse().map_err(|_| EXPECTED)?,
    };
    let ip = address.ip().to_canonical();
    if address.port() == 0 || ip.is_unspecified() || ip.is_multicast() {
        return Err(EXPECTED);
    }
    Ok(SocketAddr::new(ip, address.port()))
}

/// The wait of one try as an operator types it, in milliseconds.
///
/// # Errors
/// What is expected.
pub fn home_timeout(typed: &str) -> Result<Duration, &'static str> {
    let typed = typed.trim().parse::<u32>().ok().filter(|typed| TRY_MS.contains(typed));
    typed.map(|ms| Duration::from_millis(ms.into())).ok_or("expected a whole number of milliseconds from 50 to 30000")
}

/// The names of the attributes that are taken from home servers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Taken(Vec<(Option<u32>, u8)>);

impl Taken {
    /// From names separated by commas, or `none`.
    ///
    /// # Errors
    /// A name that no attribute has, or one of an attribute that radgram says itself.
    pub fn parse(written: &str) -> Result<Self, String> {
        if written.trim() == "none" {
            return Ok(Self::default());
        }
        let mut taken = Vec::new();
        for name in written.split(',').map(str::trim) {
            let definition = Dictionary::current().named(name);
            let definition = definition.ok_or_else(|| format!("no attribute has the name {:?}", one_line(name)))?;
            if let Some(why) = reserved(definition) {
                return Err(format!("{} cannot be taken: {why}", definition.name));
            }
            taken.push((definition.vendor, definition.number));
        }
        if taken.len() > NAMES { Err(format!("more than {NAMES} names")) } else { Ok(Self(taken)) }
    }

    /// Whether an attribute is taken.
    pub fn has(&self, vendor: Option<u32>, number: u8) -> bool {
        self.0.contains(&(vendor, number))
    }
}

/// What a home server said to a log-in that was forwarded to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// The password is right.
    Right(Granted),
    /// It is not.
    Wrong,
    /// Access-Challenge: it wants more, and a VPN log-in has nothing more to give.
    More,
}

/// What of its Access-Accept is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Granted {
    /// Session-Timeout.
    pub timeout: Option<Duration>,
    /// What else it said: the taken attributes, and with MS-CHAP the proof and the keys.
    pub attributes: Vec<HomeAttribute>,
}

/// One attribute of a home server's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeAttribute {
    /// The vendor's number; `None` for an attribute of the RFCs.
    pub vendor: Option<u32>,
    /// Its number, of the vendor if there is one.
    pub number: u8,
    /// Its value, in clear.
    pub value: HomeValue,
}

/// A value in clear, and how it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HomeValue {
    /// As it is.
    Open(Vec<u8>),
    /// Hidden as MS-CHAP-MPPE-Keys are (RFC 2548 §2.4.1): 32 octets.
    Keys(Secret),
    /// Hidden as User-Password is (RFC 2865 §5.2): at most 128 octets.
    Password(Secret),
    /// Hidden with a salt (RFC 2548 §2.4.2), after a tag if it has one (RFC 2868 §3.5).
    Salted(Option<u8>, Secret),
}

/// Why a home server's word is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HomeFault {
    /// No answer to either try.
    Silent,
    /// Its answers are not signed with our secret.
    Forged,
    /// Its answer has no Message-Authenticator, and one is demanded.
    Unsigned,
    /// Its answer cannot be read: a key that does not open, an Access-Accept to MS-CHAPv2 without its proof, another code.
    Nonsense,
    /// It did not answer before, and is not asked again yet.
    Dead,
    /// As many log-ins wait for it as may.
    Busy,
    /// The request does not fit with what is to be added to it.
    TooLong,
    /// It cannot be sent to: no such network here.
    NotSent,
    /// What is taken of its answers is not known, so that less might be passed on than it demands.
    Attributes,
}

impl HomeFault {
    /// All.
    pub const ALL: [Self; 9] = [
        Self::Silent,
        Self::Forged,
        Self::Unsigned,
        Self::Nonsense,
        Self::Dead,
        Self::Busy,
        Self::TooLong,
        Self::NotSent,
        Self::Attributes,
    ];

    /// The word in SQL, metrics and logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Silent => "home_silent",
            Self::Forged => "home_forged",
            Self::Unsigned => "home_unsigned",
            Self::Nonsense => "home_nonsense",
            Self::Dead => "home_dead",
            Self::Busy => "home_busy",
            Self::TooLong => "home_too_long",
            Self::NotSent => "home_not_sent",
            Self::Attributes => "home_attributes",
        }
    }

    /// The sentence for operators.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Silent => {
                "the home server did not answer: is it on, does it know radgram's address, is the secret the same?"
            }
            Self::Forged => "the home server's answer is not signed with the secret that is set here",
            Self::Unsigned => "the home server's answer has no Message-Authenticator, and one is demanded",
            Self::Nonsense => "the home server's answer cannot be used",
            Self::Dead => "the home server does not answer, and is tried again later",
            Self::Busy => "too many log-ins wait for the home server",
            Self::TooLong => "the request is too long to be forwarded",
            Self::NotSent => "nothing can be sent to the home server",
            Self::Attributes => {
                "the setting home_attributes names an attribute that no dictionary defines: start radgram again with the \
                 dictionary that does, or set it anew"
            }
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.word() == word)
    }

    /// Whether it speaks against the server, rather than against the one request or against us.
    const fn is_its_own(self) -> bool {
        match self {
            Self::Silent | Self::Forged | Self::Unsigned | Self::Nonsense | Self::NotSent => true,
            Self::Dead | Self::Busy | Self::TooLong | Self::Attributes => false,
        }
    }
}

/// How a home server fares, by its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// It was not asked since radgram started, or since it was configured.
    #[default]
    Unknown,
    /// It answered last.
    Up(Timestamp),
    /// It failed some times in a row.
    Failing {
        /// How often.
        times: u32,
        /// Since when.
        since: Timestamp,
        /// How it failed last.
        fault: HomeFault,
    },
    /// It is not asked, but for a trial now and then.
    Dead {
        /// Since when it fails.
        since: Timestamp,
        /// How it failed last.
        fault: HomeFault,
        /// When a log-in is tried on it again.
        trial: Timestamp,
    },
}

/// Whether a failure made the difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is dead from now on.
    Died,
    /// Nothing new.
    Same,
}

impl Health {
    /// Whether a log-in may be tried on it now; of a dead server's trials there is one at a time.
    pub fn may_ask(&mut self, now: Timestamp) -> bool {
        match self {
            Self::Unknown | Self::Up(_) | Self::Failing { .. } => true,
            Self::Dead { trial, .. } if now < *trial => false,
            Self::Dead { trial, .. } => {
                *trial = now + TRIAL_AFTER;
                true
            }
        }
    }

    /// It gave a valid answer.
    pub fn answered(&mut self, now: Timestamp) {
        *self = Self::Up(now);
    }

    /// It failed.
    pub fn failed(&mut self, fault: HomeFault, now: Timestamp) -> Turn {
        if !fault.is_its_own() {
            return Turn::Same;
        }
        let (times, since) = match *self {
            Self::Unknown | Self::Up(_) => (1, now),
            Self::Failing { times, since, .. } => (times.saturating_add(1), since),
            Self::Dead { since, trial, .. } => {
                *self = Self::Dead { since, fault, trial };
                return Turn::Same;
            }
        };
        if times < FAILURES {
            *self = Self::Failing { times, since, fault };
            return Turn::Same;
        }
        *self = Self::Dead { since, fault, trial: now + TRIAL_AFTER };
        Turn::Died
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let read = |typed| home_address(typed).map(|address| address.to_string());
        assert_eq!(read(" 192.0.2.1 ").as_deref(), Ok("192.0.2.1:1812"));
        assert_eq!(read("192.0.2.1:11812").as_deref(), Ok("192.0.2.1:11812"));
        assert_eq!(read("2001:db8::1").as_deref(), Ok("[2001:db8::1]:1812"));
        assert_eq!(read("[2001:db8::1]:9").as_deref(), Ok("[2001:db8::1]:9"));
        for wrong in ["", "router", "192.0.2.1:0", "0.0.0.0", "::", "224.0.0.1", "192.0.2.1:70000"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(home_timeout(" 700 "), Ok(Duration::from_millis(700)));
        for wrong in ["", "49", "30001", "1s", "-1"] {
            assert!(home_timeout(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_radgram_says_itself_is_taken_from_nobody() {
        let taken = Taken::parse("Framed-Pool, mikrotik-rate-limit").unwrap();
        assert!(taken.has(None, 88) && taken.has(Some(14_988), 8) && !taken.has(None, 8));
        assert_eq!(Taken::parse("none"), Ok(Taken::default()));
        for name in ["Class", "Session-Timeout", "Acct-Interim-Interval", "MS-MPPE-Send-Key", "State", "User-Name"] {
            assert!(Taken::parse(name).unwrap_err().contains("cannot be taken"), "{name}");
        }
        assert!(Taken::parse("Framed-Pool,").unwrap_err().contains("no attribute"));
        let many = vec!["Framed-Pool"; 101].join(",");
        assert!(Taken::parse(&many).unwrap_err().contains("100"));
    }

    #[test]
    fn words_are_read_back() {
        for fault in HomeFault::ALL {
            assert_eq!(HomeFault::from_word(fault.word()), Some(fault));
        }
        assert_eq!(HomeFault::from_word("database"), None);
    }

    #[test]
    fn three_failures_in_a_row_are_death_and_an_answer_is_life() {
        let at = Timestamp::from_millis;
        let mut health = Health::default();
        assert_eq!(health.failed(HomeFault::Silent, at(0)), Turn::Same);
        assert_eq!(health.failed(HomeFault::Silent, at(1)), Turn::Same);
        health.answered(at(2));
        for time in 3..5 {
            assert_eq!(health.failed(HomeFault::Silent, at(time)), Turn::Same);
            assert!(health.may_ask(at(time)));
        }
        assert_eq!(health.failed(HomeFault::Forged, at(5)), Turn::Died);
        assert_eq!(health, Health::Dead { since: at(3), fault: HomeFault::Forged, trial: at(15_005) });
        assert_eq!(health.failed(HomeFault::Silent, at(6)), Turn::Same, "it is dead already");
        assert!(!health.may_ask(at(15_004)));
        assert!(health.may_ask(at(15_005)), "a trial");
        assert!(!health.may_ask(at(15_006)), "one at a time");
        health.answered(at(15_007));
        assert!(health.may_ask(at(15_008)));
    }

    #[test]
    fn what_is_not_the_servers_doing_kills_it_never() {
        let mut health = Health::default();
        for fault in [HomeFault::Busy, HomeFault::Dead, HomeFault::TooLong, HomeFault::Attributes] {
            for _ in 0..10 {
                assert_eq!(health.failed(fault, Timestamp::from_millis(0)), Turn::Same);
            }
        }
        assert_eq!(health, Health::Unknown);
    }
}
