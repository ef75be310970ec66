//! Floods over the loopback interface, and good log-ins beside them. Threads and blocking sockets: what is measured must not
//! share a runtime with what measures.
#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses a part of it, and fails by panicking")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use radgram::entropy::{Entropy, SystemEntropy};
use radgram::proto::radius::dialer::{Dialer, Method, Nonces};
use radgram::proto::radius::{AttributeType, Code, Opening, Packet, PacketBuilder, SharedSecret, sign};
use radgram::secret::Secret;
use tokio::time::Instant;

/// Where the flood comes from, if it is of a router, and where from if it is not; the good router.
pub const FLOODING: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
pub const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);
pub const GOOD: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// Different packets of one flood. Between two uses of one, each identifier was used by others, so none is a copy.
const PACKETS: usize = 2_048;
/// A flood is paced in steps this long.
const STEP: Duration = Duration::from_millis(1);
/// A reply that takes longer is lost.
const LOST: Duration = Duration::from_secs(1);

/// What is sent in a flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flood {
    /// Octets that are no packet, from a router's address.
    Garbage,
    /// Good log-ins from an address of no router.
    Stranger,
    /// Log-ins for one account with a wrong password, from a router.
    Wrong,
    /// Log-ins for one account with the right password, from a router.
    Right,
}

impl Flood {
    pub const ALL: [Self; 4] = [Self::Garbage, Self::Stranger, Self::Wrong, Self::Right];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Garbage => "garbage",
            Self::Stranger => "unknown address",
            Self::Wrong => "wrong password",
            Self::Right => "right password",
        }
    }

    fn source(self) -> Ipv4Addr {
        match self {
            Self::Stranger => STRANGER,
            Self::Garbage | Self::Wrong | Self::Right => FLOODING,
        }
    }

    fn packets(self, account: &Account) -> Vec<Vec<u8>> {
        let wrong = Secret::new("not the password");
        let packet = |number: usize| match self {
            Self::Garbage => garbage(number),
            Self::Wrong => account.log_in(&wrong, Method::MsChapV2, number as u8).bytes,
            Self::Stranger | Self::Right => account.log_in(&account.password, Method::MsChapV2, number as u8).bytes,
        };
        (0..PACKETS).map(packet).collect()
    }

    /// Sends `count` packets at `rate` a second from one socket; tells how many a second it were.
    pub fn send(self, server: SocketAddr, account: &Account, rate: u64, count: u64) -> f64 {
        let packets = self.packets(account);
        let socket = UdpSocket::bind((self.source(), 0)).unwrap();
        socket.connect(server).unwrap();
        let start = Instant::now();
        let mut sent = 0;
        while sent < count {
            let due = (start.elapsed().as_micros() as u64 * rate / 1_000_000 + 1).min(count);
            for number in sent..due {
                // A full queue is a packet that was lost on its way.
                let _ = socket.send(&packets[number as usize % PACKETS]);
            }
            sent = due.max(sent);
            thread::sleep(STEP);
        }
        sent as f64 / start.elapsed().as_secs_f64()
    }
}

/// Somebody who logs in.
#[derive(Clone)]
pub struct Account {
    pub name: &'static str,
    pub caller: &'static str,
    pub password: Secret,
    pub secret: SharedSecret,
}

fn random<const N: usize>() -> [u8; N] {
    let entropy: &dyn Entropy = &SystemEntropy;
    entropy.bytes()
}

/// A log-in.
struct LogIn {
    bytes: Vec<u8>,
    authenticator: [u8; 16],
}

impl Account {
    fn log_in(&self, password: &Secret, method: Method, identifier: u8) -> LogIn {
        let nonces = Nonces { authenticator: random(), identifier, challenge: random(), peer_challenge: random() };
        let mut packet = PacketBuilder::new(Code::ACCESS_REQUEST, identifier, Opening::MessageAuthenticator);
        packet.push_integer(AttributeType::SERVICE_TYPE, 2).unwrap();
        packet.push(AttributeType::USER_NAME, self.name.as_bytes()).unwrap();
        packet.push(AttributeType::CALLING_STATION_ID, self.caller.as_bytes()).unwrap();
        packet.push(AttributeType::NAS_IDENTIFIER, b"MikroTik").unwrap();
        packet.push(AttributeType::ACCT_SESSION_ID, b"81500001").unwrap();
        Dialer { name: self.name.as_bytes(), password, method, nonces: &nonces }
            .push(&mut packet, &self.secret)
            .unwrap();
        let authenticator = nonces.authenticator;
        LogIn { bytes: sign::sign_request(packet, &authenticator, &self.secret), authenticator }
    }
}

/// Of every kind that a codec throws away: random octets, a header with a length that does not fit, a log-in that was cut, and one
/// whose signature is wrong.
fn garbage(number: usize) -> Vec<u8> {
    let noise: [u8; 128] = random();
    let length = usize::from(noise[0]);
    match number % 4 {
        0 => noise[..length % 128].to_vec(),
        1 => [&[1, number as u8, 0, 80][..], &noise[..76 - length % 30]].concat(),
        2 => [&[1, number as u8, 0, 60][..], &noise[..16], &[1, 3, b'x', 2, 0], &noise[..35]].concat(),
        _ => [&[1, number as u8, 0, 58][..], &noise[..16], &[80, 18], &noise[16..32], &[2, 18], &noise[..16], &[1, 2]]
            .concat(),
    }
}

/// How good log-ins fared.
#[derive(Debug, Clone, Default)]
pub struct Fared {
    /// How long each took that was answered, from when it was due, in µs; sorted.
    pub micros: Vec<u64>,
    /// How many were not answered in a second.
    pub lost: usize,
}

impl Fared {
    /// The time under which so many of a thousand were answered, in µs. A lost one took longer than all.
    pub fn at(&self, per_mille: usize) -> u64 {
        let all = self.micros.len() + self.lost;
        let place = (all * per_mille / 1_000).min(all.saturating_sub(1));
        self.micros.get(place).copied().unwrap_or(LOST.as_micros() as u64)
    }

    fn and(mut self, other: Self) -> Self {
        self.micros.extend(other.micros);
        self.micros.sort_unstable();
        self.lost += other.lost;
        self
    }
}

/// Good log-ins at an even rate, until they are told to stop.
pub struct GoodLogIns {
    clients: Vec<JoinHandle<Fared>>,
    stop: Arc<AtomicBool>,
}

impl GoodLogIns {
    /// `clients` sockets, each of which logs in every `interval`.
    pub fn begin(server: SocketAddr, account: &Account, clients: u32, interval: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |number: u32| {
            let (account, stop) = (account.clone(), stop.clone());
            let first = interval * number / clients;
            thread::spawn(move || client(server, &account, first, interval, &stop))
        };
        Self { clients: (0..clients).map(client).collect(), stop }
    }

    /// No more of them; how they fared.
    pub fn end(self) -> Fared {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().map(|client| client.join().unwrap()).fold(Fared::default(), Fared::and)
    }
}

fn client(server: SocketAddr, account: &Account, first: Duration, interval: Duration, stop: &AtomicBool) -> Fared {
    let socket = UdpSocket::bind((IpAddr::V4(GOOD), 0)).unwrap();
    socket.connect(server).unwrap();
    let mut fared = Fared::default();
    let mut due = Instant::now() + first;
    let mut buffer = [0; 4096];
    for identifier in (0..=255).cycle() {
        let method = if identifier % 2 == 0 { Method::MsChapV2 } else { Method::Pap };
        let request = account.log_in(&account.password, method, identifier);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if stop.load(Ordering::Relaxed) {
            return fared;
        }
        socket.send(&request.bytes).unwrap();
        match reply(&socket, &mut buffer, identifier, due) {
            Some(length) => {
                fared.micros.push(due.elapsed().as_micros() as u64);
                let packet = Packet::parse(&buffer[..length]).unwrap();
                sign::check_reply(&packet, &request.authenticator, &account.secret).unwrap();
                assert_eq!(packet.code(), Code::ACCESS_ACCEPT);
            }
            None => fared.lost += 1,
        }
        due = (due + interval).max(Instant::now());
    }
    fared
}

/// The length of the reply to this identifier, if it comes in time.
fn reply(socket: &UdpSocket, buffer: &mut [u8], identifier: u8, due: Instant) -> Option<usize> {
    loop {
        let left = LOST.checked_sub(due.elapsed()).filter(|left| !left.is_zero())?;
        socket.set_read_timeout(Some(left)).unwrap();
        match socket.recv(buffer) {
            Ok(length) if buffer[1] == identifier => return Some(length),
            // Of one that was given up.
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}
