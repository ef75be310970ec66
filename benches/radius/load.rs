//! The load: closed loops with a window, or an open one with a rate, in a process of its own. Every reply is verified.
//!
//! A closed loop has slots; each sends the next request when its reply came, so the window is always full. What a slot asks
//! has identifiers of its own, so that no two requests on their way share one.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use radgram::proto::radius::{AttributeType, Packet, SharedSecret};
use serde::{Deserialize, Serialize};

use crate::process;
use crate::wire::{self, CLASS, Kind, LogIn, Reported, Step};

/// Before the measuring: caches fill, connections of pools are made.
const WARM_UP: Duration = Duration::from_millis(700);
/// A router asks again after this time, and gives up after so many tries (`reference/routeros.md`: the defaults of RouterOS).
const TIMEOUT: Duration = Duration::from_millis(300);
const TRIES: u32 = 3;
/// A measuring goes on however long a reply takes, up to this.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the replies of the last requests are waited for.
const FAREWELL: Duration = Duration::from_secs(3);
/// How often a client looks for overdue replies.
const SCAN: Duration = Duration::from_millis(20);
/// Identifiers of RADIUS.
const IDENTIFIERS: usize = 256;
/// The least requests that are made beforehand for each client: between two uses of one, others took its identifier.
const LEAST: usize = 4_096;

/// What a load does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// Where log-ins go.
    pub auth: SocketAddr,
    /// Where records go.
    pub acct: SocketAddr,
    pub kind: Kind,
    pub pace: Pace,
    /// Users that exist.
    pub accounts: usize,
    /// How long it is measured, in milliseconds.
    pub measured_ms: u64,
    /// Where connections are numbered from, so that two loads do not report the same ones.
    pub serial: usize,
    /// Whether the server proves that it knows the password; the floor does not.
    pub proves: bool,
    /// Whether each user's Class is learnt by a log-in before it is reported.
    pub learns_class: bool,
    /// Processes whose processor time counts.
    pub watched: Vec<u32>,
}

/// How requests follow each other.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Pace {
    /// So many clients with so many requests on their way each.
    Closed { clients: usize, window: usize },
    /// So many requests in a second, whatever comes back.
    Open { rate: u64 },
    /// Each user once, all at the same time, as after a power cut.
    Burst,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Replies in the measured time.
    pub replies: u64,
    /// Requests that were sent again.
    pub again: u64,
    /// Requests without a reply after the last try.
    pub unanswered: u64,
    /// How long was measured, in seconds.
    pub seconds: f64,
    /// Processor time of the watched processes for each reply, in µs.
    pub processor_us: f64,
    /// Of this process.
    pub own_processor_us: f64,
    /// From a request's first sending to its reply, in µs.
    pub p50_us: f64,
    pub p99_us: f64,
    pub longest_us: f64,
}

impl Outcome {
    pub fn rate(&self) -> f64 {
        self.replies as f64 / self.seconds
    }
}

/// What one client saw.
#[derive(Default)]
struct Seen {
    nanos: Vec<u64>,
    again: u64,
    unanswered: u64,
}

/// Runs a job; the measured time is the same for all its clients.
pub fn run(job: &Job) -> Outcome {
    let begin = |clients: Vec<Client>| {
        let start = Instant::now() + if matches!(job.pace, Pace::Burst) { Duration::ZERO } else { WARM_UP };
        let end = start + Duration::from_millis(job.measured_ms);
        let running: Vec<_> =
            clients.into_iter().map(|client| std::thread::spawn(move || client.run(start, end))).collect();
        let mut outcome = measured(job, start, end);
        let seen: Vec<Seen> = running.into_iter().map(|thread| thread.join().expect("a client")).collect();
        sum_up(&mut outcome, seen);
        outcome
    };
    match job.pace {
        Pace::Closed { clients, window } => {
            begin((0..clients).map(|client| closed(job, clients, client, window)).collect())
        }
        Pace::Burst => begin(burst(job)),
        Pace::Open { rate } => open(job, rate),
    }
}

/// Processor time in the measured time.
fn measured(job: &Job, start: Instant, end: Instant) -> Outcome {
    let own = [std::process::id()];
    std::thread::sleep(start.saturating_duration_since(Instant::now()));
    let before = (process::processor(&job.watched), process::processor(&own), Instant::now());
    std::thread::sleep(end.saturating_duration_since(Instant::now()));
    let after = (process::processor(&job.watched), process::processor(&own), Instant::now());
    let micros = |spent: Duration| spent.as_secs_f64() * 1e6;
    Outcome {
        seconds: (after.2 - before.2).as_secs_f64(),
        // Of each reply, once they are counted.
        processor_us: micros(after.0.saturating_sub(before.0)),
        own_processor_us: micros(after.1.saturating_sub(before.1)),
        ..Outcome::default()
    }
}

fn sum_up(outcome: &mut Outcome, seen: Vec<Seen>) {
    let mut nanos = Vec::new();
    for one in seen {
        nanos.extend(one.nanos);
        outcome.again += one.again;
        outcome.unanswered += one.unanswered;
    }
    nanos.sort_unstable();
    let at =
        |share: f64| nanos.get((nanos.len() as f64 * share) as usize).map_or(f64::NAN, |nanos| *nanos as f64 / 1e3);
    (outcome.p50_us, outcome.p99_us) = (at(0.5), at(0.99));
    outcome.longest_us = nanos.last().map_or(f64::NAN, |nanos| *nanos as f64 / 1e3);
    outcome.replies = nanos.len() as u64;
    let each = |micros: f64| micros / outcome.replies.max(1) as f64;
    (outcome.processor_us, outcome.own_processor_us) = (each(outcome.processor_us), each(outcome.own_processor_us));
}

/// What a client asks.
enum Work {
    /// Log-ins made beforehand; `next` of each slot.
    LogIns { made: Vec<LogIn>, next: Vec<usize>, left: Option<usize> },
    /// Records, made when they are sent: a connection has no second life. `Classes` are those of the accounts.
    Records { slots: Vec<Records>, classes: Arc<Vec<Vec<u8>>> },
}

/// The connections that a slot reports, one after the other.
struct Records {
    reported: Reported,
    accounts: std::iter::Cycle<std::iter::StepBy<std::ops::Range<usize>>>,
    serial_step: usize,
    identifiers: Vec<u8>,
    sent: u64,
    bytes: Vec<u8>,
}

struct Client {
    socket: UdpSocket,
    window: usize,
    work: Work,
    secret: SharedSecret,
}

/// A request on its way.
#[derive(Clone, Copy)]
struct Flight {
    first: Instant,
    last: Instant,
    tries: u32,
}

fn socket(server: SocketAddr) -> UdpSocket {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    socket.set_recv_buffer_size(1 << 21).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    socket.set_read_timeout(Some(SCAN)).unwrap();
    socket.into()
}

fn closed(job: &Job, clients: usize, client: usize, window: usize) -> Client {
    assert!(IDENTIFIERS.is_multiple_of(window), "slots share identifiers");
    let secret = wire::secret();
    let (server, work) = match job.kind {
        Kind::Records => (job.acct, records(job, clients, client, window)),
        kind => {
            let count = (job.accounts / clients).max(LEAST).next_multiple_of(IDENTIFIERS);
            let made = |number| {
                let user = (client * count + number) % job.accounts;
                LogIn::new(kind, number as u8, user, client * count + number, &secret).proved(job.proves)
            };
            (job.auth, Work::LogIns { made: (0..count).map(made).collect(), next: (0..window).collect(), left: None })
        }
    };
    Client { socket: socket(server), window, work, secret }
}

/// Clients enough that every user has a slot, each of which asks once.
fn burst(job: &Job) -> Vec<Client> {
    let secret = wire::secret();
    let users: Vec<usize> = (0..job.accounts).collect();
    let clients = users.chunks(IDENTIFIERS).enumerate().map(|(client, users)| {
        let serial = |number| job.serial + client * IDENTIFIERS + number;
        let made = users.iter().enumerate();
        let made: Vec<_> =
            made.map(|(number, user)| LogIn::new(job.kind, number as u8, *user, serial(number), &secret)).collect();
        let left = Some(made.len());
        let work = Work::LogIns { made, next: (0..IDENTIFIERS).collect(), left };
        Client { socket: socket(job.auth), window: IDENTIFIERS, work, secret: secret.clone() }
    });
    clients.collect()
}

fn records(job: &Job, clients: usize, client: usize, window: usize) -> Work {
    let classes = Arc::new(if job.learns_class { learn(job) } else { vec![CLASS.as_bytes().to_vec(); job.accounts] });
    let all = clients * window;
    // A whole number for each slot, so that no account is in two slots.
    let accounts = job.accounts / all * all;
    let slots = (0..window).map(|slot| {
        let first = client * window + slot;
        let reported = Reported { account: first, serial: job.serial + first, step: Step::Start };
        let identifiers = (slot..IDENTIFIERS).step_by(window).map(|identifier| identifier as u8).collect();
        let mut accounts = (first..accounts).step_by(all).cycle();
        accounts.next();
        Records { reported, accounts, serial_step: all, identifiers, sent: 0, bytes: Vec::new() }
    });
    Work::Records { slots: slots.collect(), classes }
}

/// The Class of every account, as its log-in brings it.
fn learn(job: &Job) -> Vec<Vec<u8>> {
    let (secret, socket) = (wire::secret(), socket(job.auth));
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; 4096];
    let learnt = (0..job.accounts).map(|user| {
        let log_in = LogIn::new(Kind::Pap, user as u8, user, job.serial + user, &secret);
        socket.send(&log_in.bytes).unwrap();
        let length = socket.recv(&mut buffer).expect("an Accept");
        log_in.check(&buffer[..length], &secret);
        Packet::parse(&buffer[..length]).unwrap().first(AttributeType::CLASS).expect("a Class").to_vec()
    });
    learnt.collect()
}

impl Work {
    /// The next request of a slot; none if it has asked what it had to.
    fn next(&mut self, slot: usize, secret: &SharedSecret) -> Option<&[u8]> {
        match self {
            Self::LogIns { made, next, left } => {
                if let Some(left) = left {
                    *left = left.checked_sub(1)?;
                }
                Some(&made.get(next[slot])?.bytes)
            }
            Self::Records { slots, classes } => {
                let one = slots.get_mut(slot)?;
                let identifier = one.identifiers[one.sent as usize % one.identifiers.len()];
                one.sent += 1;
                one.bytes = one.reported.record(identifier, &classes[one.reported.account], secret);
                Some(&one.bytes)
            }
        }
    }

    /// What the slot asked last, to be sent again.
    fn last(&self, slot: usize) -> &[u8] {
        match self {
            Self::LogIns { made, next, .. } => &made[next[slot]].bytes,
            Self::Records { slots, .. } => &slots[slot].bytes,
        }
    }

    /// Checks the reply to the slot's request and goes on; `false` if it is a late one to an earlier request.
    fn check(&mut self, slot: usize, reply: &[u8], window: usize, secret: &SharedSecret) -> bool {
        if self.last(slot)[1] != reply[1] {
            return false;
        }
        match self {
            Self::LogIns { made, next, .. } => {
                made[next[slot]].check(reply, secret);
                next[slot] = (next[slot] + window) % made.len();
            }
            Self::Records { slots, .. } => {
                let one = &mut slots[slot];
                wire::check_kept(reply, &one.bytes, secret);
                one.go_on();
            }
        }
        true
    }
}

impl Records {
    fn go_on(&mut self) {
        self.reported.step = match self.reported.step {
            Step::Start => Step::Interim,
            Step::Interim => Step::Stop,
            Step::Stop => {
                self.reported.serial += self.serial_step;
                self.reported.account = self.accounts.next().expect("a cycle has no end");
                Step::Start
            }
        };
    }
}

impl Client {
    fn run(mut self, start: Instant, end: Instant) -> Seen {
        let mut seen = Seen::default();
        let mut flights: Vec<Option<Flight>> = (0..self.window).map(|slot| self.send_next(slot)).collect();
        let (mut buffer, mut scanned) = ([0; 4096], Instant::now());
        while flights.iter().any(Option::is_some) {
            let received = self.socket.recv(&mut buffer);
            let now = Instant::now();
            match received {
                Ok(length) => {
                    let slot = usize::from(buffer[1]) % self.window;
                    let Some(flight) = flights[slot] else { continue };
                    if !self.work.check(slot, &buffer[..length], self.window, &self.secret) {
                        continue;
                    }
                    if (start..end).contains(&now) {
                        seen.nanos.push(u64::try_from((now - flight.first).as_nanos()).unwrap());
                    }
                    flights[slot] = if now < end { self.send_next(slot) } else { None };
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => panic!("the server is gone: {error}"),
            }
            if now > scanned + SCAN {
                scanned = now;
                self.send_again(&mut flights, &mut seen, now);
            }
            if now > end + FAREWELL {
                break;
            }
        }
        seen
    }

    fn send_next(&mut self, slot: usize) -> Option<Flight> {
        let bytes = self.work.next(slot, &self.secret)?;
        let now = Instant::now();
        self.socket.send(bytes).expect("a request is sent");
        Some(Flight { first: now, last: now, tries: 1 })
    }

    fn send_again(&mut self, flights: &mut [Option<Flight>], seen: &mut Seen, now: Instant) {
        for (slot, place) in flights.iter_mut().enumerate() {
            let Some(flight) = place else { continue };
            if now < flight.last + TIMEOUT {
                continue;
            }
            if flight.tries == TRIES {
                seen.unanswered += 1;
                *place = None;
                continue;
            }
            seen.again += 1;
            (flight.last, flight.tries) = (now, flight.tries + 1);
            self.socket.send(self.work.last(slot)).expect("a request is sent");
        }
    }
}

/// An open loop: one thread sends by the clock, one receives.
fn open(job: &Job, rate: u64) -> Outcome {
    let secret = wire::secret();
    let socket = socket(job.auth);
    let count = LEAST.max(job.accounts).next_multiple_of(IDENTIFIERS);
    let made: Arc<Vec<LogIn>> = Arc::new(
        (0..count)
            .map(|number| LogIn::new(job.kind, number as u8, number % job.accounts, number, &secret).proved(job.proves))
            .collect(),
    );
    let start = Instant::now() + WARM_UP;
    let end = start + Duration::from_millis(job.measured_ms);
    // By identifier: which log-in, and when it was sent, in nanoseconds after the beginning.
    let sent: Arc<Vec<(AtomicU32, AtomicU64)>> = Arc::new((0..IDENTIFIERS).map(|_| <_>::default()).collect());
    let began = Instant::now();
    let sender = {
        let (socket, made, sent) = (socket.try_clone().unwrap(), made.clone(), sent.clone());
        std::thread::spawn(move || {
            for (count, (number, log_in)) in (0_u64..).zip(made.iter().enumerate().cycle()) {
                let due = began + Duration::from_nanos(1_000_000_000 / rate * count);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                let now = Instant::now();
                if now >= end {
                    return;
                }
                let place = &sent[number % IDENTIFIERS];
                place.0.store(number as u32, Ordering::Relaxed);
                place.1.store((now - began).as_nanos() as u64, Ordering::Release);
                socket.send(&log_in.bytes).expect("a request is sent");
            }
        })
    };
    let receiver = std::thread::spawn(move || {
        let (mut seen, mut buffer) = (Seen::default(), [0; 4096]);
        loop {
            let received = socket.recv(&mut buffer);
            let now = Instant::now();
            if let Ok(length) = received {
                let place = &sent[usize::from(buffer[1])];
                let at = began + Duration::from_nanos(place.1.load(Ordering::Acquire));
                made[place.0.load(Ordering::Relaxed) as usize].check(&buffer[..length], &secret);
                if (start..end).contains(&at) {
                    seen.nanos.push((now - at).as_nanos() as u64);
                }
            } else if now > end + TIMEOUT {
                return seen;
            }
        }
    });
    let mut outcome = measured(job, start, end);
    sender.join().expect("the sender");
    sum_up(&mut outcome, vec![receiver.join().expect("the receiver")]);
    let asked = rate * job.measured_ms / 1_000;
    outcome.unanswered = asked.saturating_sub(outcome.replies);
    outcome
}
