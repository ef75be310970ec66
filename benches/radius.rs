//! Log-ins per second over the loopback interface, beside a plain UDP echo measured in the same run.
//!
//! A closed loop: each client has a window of requests on their way and sends the next when a reply comes. Every reply's
//! code is looked at, the authenticators of one in a thousand: the client is not what is to be measured.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and fails by panicking")]

#[path = "../tests/support/edge.rs"]
mod edge;

use std::net::SocketAddr;
use std::time::Duration;

use edge::{CALLER, Edge, LOCALHOST, checked, random, secret};
use radgram::crypto::mschap;
use radgram::proto::radius::{AttributeType, Code, Opening, PacketBuilder, VendorType, hide, sign};
use tokio::net::UdpSocket;
use tokio::time::Instant;

/// How long each thing is measured, and before that not measured.
const MEASURED: Duration = Duration::from_secs(3);
const WARM_UP: Duration = Duration::from_millis(500);
/// Clients, each with a socket of its own, and requests on their way of each.
const CLIENTS: usize = 4;
const WINDOW: usize = 32;
/// A reply that is lost for so long ends the run: on the loopback interface none is.
const PATIENCE: Duration = Duration::from_secs(5);
/// Requests made beforehand for each client. Between two uses of one, 256 others took its identifier.
const REQUESTS: usize = 4_096;

type Request = fn(u8) -> Vec<u8>;

#[tokio::main]
async fn main() {
    let edge = Edge::start().await;
    edge.gate.directory().warm(100).await.unwrap();
    let echo = echo().await;
    println!("{CLIENTS} clients with {WINDOW} requests on their way each, {} s each", MEASURED.as_secs());
    let plain = measure("UDP echo", echo, pap, None).await;
    for (name, request) in [("PAP", pap as Request), ("MS-CHAPv2", ms_chap_2)] {
        let rate = measure(name, edge.auth, request, Some(Code::ACCESS_ACCEPT)).await;
        println!("{:<10} {:>7.2} of the echo", "", rate / plain);
    }
    let metrics = edge.gate.metrics();
    println!("attempts not written: {}, busy: {}", metrics.attempts_lost.get(), edge.drops("busy"));
}

async fn echo() -> SocketAddr {
    let socket = UdpSocket::bind((LOCALHOST, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        loop {
            let (length, source) = socket.recv_from(&mut buffer).await.unwrap();
            socket.send_to(&buffer[..length], source).await.unwrap();
        }
    });
    address
}

/// Replies per second; `code` is what they must be, and are checked against.
async fn measure(name: &str, server: SocketAddr, request: Request, code: Option<Code>) -> f64 {
    let clients: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(client(server, request, code))).collect();
    let mut replies = 0;
    for client in clients {
        replies += client.await.unwrap();
    }
    let rate = replies as f64 / MEASURED.as_secs_f64();
    println!("{name:<10} {rate:>9.0} requests per second");
    rate
}

async fn client(server: SocketAddr, request: Request, code: Option<Code>) -> u64 {
    let socket = UdpSocket::bind((LOCALHOST, 0)).await.unwrap();
    socket.connect(server).await.unwrap();
    let requests: Vec<Vec<u8>> = (0..REQUESTS).map(|number| request(number as u8)).collect();
    // Fewer requests are on their way than there are identifiers: the last one sent with a reply's is the one it answers.
    let mut last = [0; 256];
    let mut next = requests.iter().enumerate().cycle();
    for (number, request) in next.by_ref().take(WINDOW) {
        last[usize::from(request[1])] = number;
        socket.send(request).await.unwrap();
    }
    let start = Instant::now() + WARM_UP;
    let (mut counted, mut received, mut buffer) = (0, 0_usize, [0; 4096]);
    loop {
        let length = tokio::time::timeout(PATIENCE, socket.recv(&mut buffer)).await.expect("no reply").unwrap();
        if let Some(code) = code {
            assert_eq!(buffer[0], code.0);
            if received.is_multiple_of(1_000) {
                let answered = &requests[last[usize::from(buffer[1])]];
                assert_eq!(checked(&buffer[..length], answered).0, code);
            }
        }
        received += 1;
        let now = Instant::now();
        if now >= start + MEASURED {
            return counted;
        }
        counted += u64::from(now >= start);
        let (number, request) = next.next().expect("a cycle has no end");
        last[usize::from(request[1])] = number;
        socket.send(request).await.unwrap();
    }
}

fn access(identifier: u8, fill: impl FnOnce(&mut PacketBuilder, &[u8; 16])) -> Vec<u8> {
    let authenticator = random();
    let mut packet = PacketBuilder::new(Code::ACCESS_REQUEST, identifier, Opening::MessageAuthenticator);
    packet.push_integer(AttributeType::SERVICE_TYPE, 2).unwrap();
    packet.push(AttributeType::USER_NAME, b"User").unwrap();
    packet.push(AttributeType::CALLING_STATION_ID, CALLER.as_bytes()).unwrap();
    packet.push(AttributeType::NAS_IDENTIFIER, b"MikroTik").unwrap();
    packet.push(AttributeType::ACCT_SESSION_ID, b"81500001").unwrap();
    fill(&mut packet, &authenticator);
    sign::sign_request(packet, &authenticator, &secret())
}

fn pap(identifier: u8) -> Vec<u8> {
    access(identifier, |packet, authenticator| {
        let hidden = hide::hide_password(b"clientPass", authenticator, &secret()).unwrap();
        packet.push(AttributeType::USER_PASSWORD, &hidden).unwrap();
    })
}

fn ms_chap_2(identifier: u8) -> Vec<u8> {
    access(identifier, |packet, _| {
        let (peer, authenticator) = (random(), random());
        let exchange = mschap::Exchange { peer: &peer, authenticator: &authenticator, user: b"User" };
        let response = mschap::nt_response_v2(&exchange, &mschap::nt_hash("clientPass"));
        let value = [&[identifier, 0][..], &peer, &[0; 8], &response].concat();
        packet.push_vendor(VendorType::MS_CHAP_CHALLENGE, &authenticator).unwrap();
        packet.push_vendor(VendorType::MS_CHAP2_RESPONSE, &value).unwrap();
    })
}
