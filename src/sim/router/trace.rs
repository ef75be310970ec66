//! What goes over the router's lines, in text: API sentences and RADIUS packets, secrets as `***`.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Mutex;

use tokio::sync::broadcast;

use super::lock;
use crate::proto::radius::{AttributeType, Code, Packet};
use crate::proto::routeros::Sentence;

/// Lines that are kept: a journey's worth.
const LINES_MAX: usize = 10_000;
/// Lines that wait for one who follows; who is slower misses some.
const FOLLOWED_MAX: usize = 1024;
/// A longer line is cut.
const LINE_MAX: usize = 1000;
/// Attributes whose values are never shown.
pub(super) const SECRET_NAMES: [&str; 9] = [
    "password",
    "old-password",
    "new-password",
    "response",
    "secret",
    "shared-secret",
    "ipsec-secret",
    "otp-secret",
    "private-key",
];
const HIDDEN: &str = "***";

/// Which way something goes, as the router sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
}

impl Way {
    const fn arrow(self) -> &'static str {
        match self {
            Self::In => "->",
            Self::Out => "<-",
        }
    }
}

/// Whether `=ret=` of an answer may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ret {
    Shown,
    Hidden,
}

/// The lines.
pub(super) struct Trace {
    lines: Mutex<VecDeque<String>>,
    followers: broadcast::Sender<String>,
}

impl Default for Trace {
    fn default() -> Self {
        Self { lines: Mutex::default(), followers: broadcast::Sender::new(FOLLOWED_MAX) }
    }
}

impl Trace {
    pub(super) fn lines(&self) -> Vec<String> {
        lock(&self.lines).iter().cloned().collect()
    }

    pub(super) fn follow(&self) -> broadcast::Receiver<String> {
        self.followers.subscribe()
    }

    fn note(&self, line: String) {
        let line = tamed(&line);
        if self.followers.receiver_count() > 0 {
            let _ = self.followers.send(line.clone()); // who followed may be gone
        }
        let mut lines = lock(&self.lines);
        if lines.len() >= LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// A sentence of the API.
    pub(super) fn sentence(&self, peer: SocketAddr, way: Way, sentence: &Sentence, ret: Ret) {
        let mut line = format!("api {peer} {}", way.arrow());
        for word in sentence.words() {
            line.push(' ');
            line.push_str(&shown(word, ret));
        }
        self.note(line);
    }

    /// Something that happens to a connection of the API.
    pub(super) fn connection(&self, peer: SocketAddr, what: &str) {
        self.note(format!("api {peer} {what}"));
    }

    /// Something that happens to a connection over TLS.
    pub(super) fn radsec(&self, peer: SocketAddr, what: &str) {
        self.note(format!("radsec {peer} {what}"));
    }

    /// A RADIUS packet, in short.
    pub(super) fn packet(&self, peer: SocketAddr, way: Way, octets: &[u8]) {
        let mut line = format!("radius {peer} {} ", way.arrow());
        match Packet::parse(octets) {
            Ok(packet) => describe(&packet, &mut line),
            Err(_) => line.push_str("malformed"),
        }
        self.note(line);
    }
}

/// A line that does not steer a terminal, cut where it is too long.
fn tamed(line: &str) -> String {
    let mut tame = String::with_capacity(line.len());
    for (count, letter) in line.chars().enumerate() {
        match letter {
            _ if count == LINE_MAX => {
                tame.push('…');
                break;
            }
            letter if letter.is_control() => tame.extend(letter.escape_default()),
            letter => tame.push(letter),
        }
    }
    tame
}

/// A word of a sentence, its value hidden if it is a secret.
fn shown(word: &[u8], ret: Ret) -> String {
    let text = String::from_utf8_lossy(word);
    let (sign, rest) = match word.first() {
        Some(b'=') => ("=", text.get(1..)),
        Some(b'?') => (text.get(..1 + usize::from(text[1..].starts_with(['=', '<', '>']))).unwrap_or("?"), None),
        _ => return text.into_owned(),
    };
    let rest = rest.unwrap_or_else(|| text.get(sign.len()..).unwrap_or_default());
    let name = rest.split('=').next().unwrap_or_default();
    let is_secret = SECRET_NAMES.contains(&name) || (name == "ret" && ret == Ret::Hidden);
    if is_secret && rest.contains('=') { format!("{sign}{name}={HIDDEN}") } else { text.into_owned() }
}

fn describe(packet: &Packet<'_>, line: &mut String) {
    let name = match packet.code() {
        Code::ACCESS_REQUEST => "Access-Request",
        Code::ACCESS_ACCEPT => "Access-Accept",
        Code::ACCESS_REJECT => "Access-Reject",
        Code::ACCESS_CHALLENGE => "Access-Challenge",
        Code::ACCOUNTING_REQUEST => "Accounting-Request",
        Code::ACCOUNTING_RESPONSE => "Accounting-Response",
        Code::DISCONNECT_REQUEST => "Disconnect-Request",
        Code::DISCONNECT_ACK => "Disconnect-ACK",
        Code::DISCONNECT_NAK => "Disconnect-NAK",
        Code::COA_REQUEST => "CoA-Request",
        Code::COA_ACK => "CoA-ACK",
        Code::COA_NAK => "CoA-NAK",
        _ => "packet",
    };
    let _ = write!(line, "{name} id={}", packet.identifier());
    for (kind, name) in [
        (AttributeType::USER_NAME, "User-Name"),
        (AttributeType::CALLING_STATION_ID, "Calling-Station-Id"),
        (AttributeType::ACCT_SESSION_ID, "Acct-Session-Id"),
        (AttributeType::REPLY_MESSAGE, "Reply-Message"),
    ] {
        if let Some(text) = packet.text(kind) {
            let _ = write!(line, " {name}={text}");
        }
    }
    for (kind, name) in [
        (AttributeType::ACCT_STATUS_TYPE, "Acct-Status-Type"),
        (AttributeType::SESSION_TIMEOUT, "Session-Timeout"),
        (AttributeType::ACCT_TERMINATE_CAUSE, "Acct-Terminate-Cause"),
        (AttributeType::ERROR_CAUSE, "Error-Cause"),
    ] {
        if let Some(number) = packet.integer(kind) {
            let _ = write!(line, " {name}={number}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::sim::router::state::kind::Kind;
    use crate::sim::router::state::{Package, State};
    use crate::sim::router::version::RosVersion;

    #[test]
    fn secrets_are_not_in_a_line() {
        let trace = Trace::default();
        let sentence = Sentence::command("/ppp/secret/add")
            .with("name", "ann")
            .with("password", "hunter2=x")
            .with_word("=secret")
            .query("?=password=hunter2")
            .query("?>password=hunter2")
            .query("?password=hunter2")
            .query("?#!")
            .tagged("7");
        let peer = SocketAddr::from(([127, 0, 0, 1], 5));
        trace.sentence(peer, Way::In, &sentence, Ret::Shown);
        trace.sentence(peer, Way::Out, &Sentence::reply("!done").with("ret", "hunter2"), Ret::Hidden);
        trace.sentence(peer, Way::Out, &Sentence::reply("!done").with("ret", "*1"), Ret::Shown);
        assert_eq!(
            trace.lines(),
            [
                "api 127.0.0.1:5 -> /ppp/secret/add =name=ann =password=*** =secret ?=password=*** ?>password=*** ?password=*** ?#! .tag=7",
                "api 127.0.0.1:5 <- !done =ret=***",
                "api 127.0.0.1:5 <- !done =ret=*1",
            ]
        );
    }

    #[test]
    fn every_secret_property_is_known_by_its_name() {
        for version in RosVersion::ALL {
            let state = State::new(version, Package::Installed, Timestamp::default());
            for menu in state.menus() {
                for field in menu.fields.iter().filter(|field| matches!(field.kind, Kind::Secret)) {
                    assert!(SECRET_NAMES.contains(&field.name), "{} {}", menu.path, field.name);
                }
            }
        }
    }

    #[test]
    fn lines_are_bounded() {
        let trace = Trace::default();
        let peer = SocketAddr::from(([127, 0, 0, 1], 5));
        for number in 0..LINES_MAX + 5 {
            trace.connection(peer, &format!("{number} {}", "я".repeat(LINE_MAX)));
        }
        let lines = trace.lines();
        assert_eq!(lines.len(), LINES_MAX);
        assert!(lines[0].starts_with("api 127.0.0.1:5 5 ") && lines[0].ends_with('…'));
        trace.connection(peer, "\x1b[2Jя\n");
        assert!(trace.lines().last().is_some_and(|line| line.ends_with("\\u{1b}[2Jя\\n")));
    }
}
