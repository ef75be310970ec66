//! An accounting record that was acknowledged survives `kill -9` of the server in the middle of a stream of them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/program.rs"]
mod program;

use std::collections::{BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use program::Office;
use radgram::proto::radius::{AttributeType, Code, Opening, Packet, PacketBuilder, SharedSecret, sign};
use radgram::secret::Secret;
use sqlx::{AnyPool, Row};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;

const SECRET: &str = "a shared secret";
/// How often the server is killed.
const ROUNDS: u32 = 3;
/// Routers' lines: each sends its next record when the last is acknowledged.
const LINES: usize = 32;
/// Acknowledged records of a round, at least, before the server is killed.
const RECORDS: u32 = 400;
/// After it a record is sent again.
const RESEND: Duration = Duration::from_secs(1);
/// What each connection sends: Start, two Interims, Stop (RFC 2866 §5.1).
const STORY: [Status; 4] = [Status::Start, Status::Interim, Status::Interim, Status::Stop];
/// Acct-Terminate-Cause of all of them: User-Request.
const CAUSE: u32 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Start = 1,
    Stop = 2,
    Interim = 3,
}

/// What the stream knows of one connection.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    sent: usize,
    acknowledged: usize,
}

impl Told {
    /// Records `1..=count` of a connection carry this many octets.
    fn octets(count: usize) -> i64 {
        i64::try_from(count).unwrap() * 1_000
    }
}

/// Every connection that was ever spoken of, by Acct-Session-Id.
type Ledger = HashMap<String, Told>;

#[tokio::test]
async fn acknowledged_records_survive_on_sqlite() {
    survives(Office::on_sqlite()).await;
}

#[tokio::test]
async fn acknowledged_records_survive_on_postgres() {
    survives(Office::on_postgres().await).await;
}

async fn survives(office: Office) {
    office.done_with("router add office --address 127.0.0.1", &format!("{SECRET}\n")).await;
    let numbers = Arc::new(AtomicU32::new(1));
    let mut ledger = Ledger::new();
    for _ in 0..ROUNDS {
        let server = office.serve().await;
        let (acknowledged, mut enough) = watch::channel(0);
        let (killed, dead) = watch::channel(false);
        let mut lines = JoinSet::new();
        for _ in 0..LINES {
            lines.spawn(line(server.acct, numbers.clone(), acknowledged.clone(), dead.clone()));
        }
        enough.wait_for(|count| *count >= RECORDS).await.unwrap();
        server.kill().await;
        killed.send_replace(true);
        while let Some(told) = lines.join_next().await {
            ledger.extend(told.unwrap());
        }
        check(&office, &ledger).await;
    }
    // What is there when the last server comes back is what was there before: its start repairs and loses nothing.
    let _server = office.serve().await;
    check(&office, &ledger).await;
}

/// One line of the stream: connection after connection, until the server is dead.
async fn line(
    server: SocketAddr,
    numbers: Arc<AtomicU32>,
    acknowledged: watch::Sender<u32>,
    mut dead: watch::Receiver<bool>,
) -> Ledger {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket.connect(server).await.unwrap();
    let mut ledger = Ledger::new();
    let mut identifier = 0_u8;
    loop {
        let id = format!("815{:05x}", numbers.fetch_add(1, Ordering::Relaxed));
        for (count, status) in (1..).zip(STORY) {
            let told = ledger.entry(id.clone()).or_default();
            told.sent = count;
            identifier = identifier.wrapping_add(1);
            let record = record(identifier, &id, status, count);
            if !is_acknowledged(&socket, &record, &mut dead).await {
                return ledger;
            }
            told.acknowledged = count;
            acknowledged.send_modify(|count| *count += 1);
        }
    }
}

/// Sends a record until it is acknowledged; `false` if the server died first.
async fn is_acknowledged(socket: &UdpSocket, record: &[u8], dead: &mut watch::Receiver<bool>) -> bool {
    let mut buffer = [0; 4096];
    loop {
        // A dead server's port is closed: what is sent there comes back as an error, which is no acknowledgement.
        let _refused = socket.send(record).await;
        tokio::select! {
            biased;
            received = tokio::time::timeout(RESEND, socket.recv(&mut buffer)) => {
                if received.is_ok_and(|received| received.is_ok_and(|length| answers(&buffer[..length], record))) {
                    return true;
                }
            }
            _ = dead.wait_for(|dead| *dead) => return false,
        }
        if *dead.borrow() {
            return false;
        }
    }
}

/// Whether a datagram is the Accounting-Response to this record; one to an earlier copy of another is not.
fn answers(datagram: &[u8], record: &[u8]) -> bool {
    let (reply, request) = (Packet::parse(datagram).unwrap(), Packet::parse(record).unwrap());
    reply.code() == Code::ACCOUNTING_RESPONSE
        && reply.identifier() == request.identifier()
        && sign::check_reply(&reply, request.authenticator(), &shared_secret()).is_ok()
}

fn record(identifier: u8, id: &str, status: Status, count: usize) -> Vec<u8> {
    let mut packet = PacketBuilder::new(Code::ACCOUNTING_REQUEST, identifier, Opening::Bare);
    packet.push_integer(AttributeType::ACCT_STATUS_TYPE, status as u32).unwrap();
    packet.push(AttributeType::NAS_IDENTIFIER, b"office").unwrap();
    packet.push(AttributeType::USER_NAME, b"ann").unwrap();
    packet.push(AttributeType::ACCT_SESSION_ID, id.as_bytes()).unwrap();
    packet.push_integer(AttributeType::ACCT_INPUT_OCTETS, u32::try_from(Told::octets(count)).unwrap()).unwrap();
    if status == Status::Stop {
        packet.push_integer(AttributeType::ACCT_TERMINATE_CAUSE, CAUSE).unwrap();
    }
    sign::sign_accounting_request(packet, &shared_secret())
}

fn shared_secret() -> SharedSecret {
    SharedSecret::new(Secret::new(SECRET))
}

/// Holds the database to the ledger: what was acknowledged is there, once; nothing is there that was never sent.
async fn check(office: &Office, ledger: &Ledger) {
    sqlx::any::install_default_drivers();
    let pool = AnyPool::connect(office.url()).await.unwrap();
    let rows = sqlx::query("select acct_session_id, input_octets, ended_at, cause from connections")
        .fetch_all(&pool)
        .await
        .unwrap();
    let mut seen = BTreeSet::new();
    for row in &rows {
        let id: String = row.get("acct_session_id");
        assert!(seen.insert(id.clone()), "{id} is there twice");
        let told = ledger[&id];
        let octets: i64 = row.get("input_octets");
        let expected = Told::octets(told.acknowledged)..=Told::octets(told.sent);
        assert!(expected.contains(&octets), "{id}: {octets} octets of {told:?}");
        let (ended_at, cause): (Option<i64>, Option<String>) = (row.get("ended_at"), row.get("cause"));
        if told.acknowledged == STORY.len() {
            assert!(ended_at.is_some() && cause.as_deref() == Some("1"), "{id}: {told:?}, {ended_at:?}, {cause:?}");
        } else if told.sent < STORY.len() {
            assert!(ended_at.is_none(), "{id}: {told:?}, {ended_at:?}, {cause:?}");
        }
    }
    let lost: Vec<_> = ledger.iter().filter(|(id, told)| told.acknowledged > 0 && !seen.contains(*id)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    pool.close().await;
}
