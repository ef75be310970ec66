//! What no server can do without: a program that reads a log-in and signs the reply that ours gives, and nothing else; and
//! the same with the log-in's arithmetic, its users in memory. Each in a process of its own.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use radgram::crypto::{chap, mppe, mschap};
use radgram::proto::radius::{
    AttributeType, Code, Opening, Packet, PacketBuilder, SharedSecret, VendorType, hide, sign,
};

use crate::wire::{self, CLASS, INTERIM, SESSION_TIMEOUT};

/// As our server has it.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// What is done besides reading and signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// Nothing: the reply says what it would, with made up values.
    Nothing,
    /// The password is checked and the keys are made.
    Arithmetic,
}

/// A user as memory has it.
struct User {
    password: Vec<u8>,
    nt_hash: [u8; 16],
}

type Users = HashMap<Vec<u8>, User>;

/// Serves until the process ends: a thread and a socket for each processor.
pub fn serve(does: Does, accounts: usize) {
    let users: Users = match does {
        Does::Nothing => HashMap::new(),
        Does::Arithmetic => (0..accounts).map(remembered).collect(),
    };
    let users = Arc::new(users);
    let first = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let address = first.local_addr().unwrap();
    let others = std::thread::available_parallelism().unwrap().get() - 1;
    let sockets = std::iter::once(first).chain((0..others).map(|_| bind(address)));
    let threads: Vec<_> = sockets
        .map(|socket| {
            let users = users.clone();
            std::thread::spawn(move || answer_all(&socket, does, &users))
        })
        .collect();
    println!("{address}");
    for thread in threads {
        thread.join().unwrap();
    }
}

fn remembered(number: usize) -> (Vec<u8>, User) {
    let password = wire::password(number);
    let nt_hash = mschap::nt_hash(&password);
    (wire::user(number).into_bytes(), User { password: password.into_bytes(), nt_hash })
}

fn bind(address: SocketAddr) -> UdpSocket {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES).unwrap();
    socket.bind(&address.into()).unwrap();
    socket.into()
}

fn answer_all(socket: &UdpSocket, does: Does, users: &Users) {
    let secret = wire::secret();
    let (mut buffer, mut bytes) = ([0; 4096], Vec::with_capacity(4096));
    loop {
        let (length, source) = socket.recv_from(&mut buffer).unwrap();
        let Ok(packet) = Packet::parse(&buffer[..length]) else { continue };
        let reply =
            PacketBuilder::reusing(bytes, Code::ACCESS_ACCEPT, packet.identifier(), Opening::MessageAuthenticator);
        let Some(reply) = fill(reply, &packet, does, users, &secret) else {
            bytes = Vec::with_capacity(4096);
            continue;
        };
        bytes = sign::sign_reply(reply, packet.authenticator(), &secret);
        socket.send_to(&bytes, source).unwrap();
    }
}

/// The reply, not signed yet; none if the password is wrong.
fn fill(
    mut reply: PacketBuilder,
    packet: &Packet<'_>,
    does: Does,
    users: &Users,
    secret: &SharedSecret,
) -> Option<PacketBuilder> {
    reply.push_integer(AttributeType::SERVICE_TYPE, 2).ok()?;
    reply.push_integer(AttributeType::FRAMED_PROTOCOL, 1).ok()?;
    reply.push_integer(AttributeType::SESSION_TIMEOUT, SESSION_TIMEOUT).ok()?;
    reply.push_integer(AttributeType::ACCT_INTERIM_INTERVAL, INTERIM).ok()?;
    reply.push(AttributeType::CLASS, CLASS.as_bytes()).ok()?;
    let name = packet.first(AttributeType::USER_NAME)?;
    let response = packet.vendor(VendorType::MS_CHAP2_RESPONSE);
    match (does, response) {
        (Does::Nothing, None) => {}
        (Does::Nothing, Some(_)) => push_microsoft(&mut reply, &[0x53; 43], &[[0x80; 34]; 2])?,
        (Does::Arithmetic, None) => proves_plainly(packet, users.get(name)?, secret)?,
        (Does::Arithmetic, Some(response)) => {
            let (success, keys) = proven(packet, name, users.get(name)?, response, secret)?;
            push_microsoft(&mut reply, &success, &keys)?;
        }
    }
    Some(reply)
}

fn push_microsoft(reply: &mut PacketBuilder, success: &[u8], [send, recv]: &[[u8; 34]; 2]) -> Option<()> {
    reply.push_vendor(VendorType::MS_CHAP2_SUCCESS, success).ok()?;
    reply.push_vendor(VendorType::MS_MPPE_SEND_KEY, send).ok()?;
    reply.push_vendor(VendorType::MS_MPPE_RECV_KEY, recv).ok()?;
    reply.push_vendor_integer(VendorType::MS_MPPE_ENCRYPTION_POLICY, 1).ok()?;
    reply.push_vendor_integer(VendorType::MS_MPPE_ENCRYPTION_TYPES, 6).ok()?;
    Some(())
}

fn proves_plainly(packet: &Packet<'_>, user: &User, secret: &SharedSecret) -> Option<()> {
    if let Some(hidden) = packet.first(AttributeType::USER_PASSWORD) {
        let given = hide::reveal_password(hidden, packet.authenticator(), secret).ok()?;
        return (given.expose() == user.password).then_some(());
    }
    let (identifier, response) = packet.first(AttributeType::CHAP_PASSWORD)?.split_first()?;
    let challenge = packet.first(AttributeType::CHAP_CHALLENGE)?;
    chap::proves(*identifier, &user.password, challenge, response.try_into().ok()?).then_some(())
}

type Keys = [[u8; 34]; 2];

fn proven(
    packet: &Packet<'_>,
    name: &[u8],
    user: &User,
    response: &[u8],
    secret: &SharedSecret,
) -> Option<([u8; 43], Keys)> {
    let challenge = packet.vendor(VendorType::MS_CHAP_CHALLENGE)?.try_into().ok()?;
    let (peer, nt_response) = (response.get(2..18)?.try_into().ok()?, response.get(26..50)?.try_into().ok()?);
    let exchange = mschap::Exchange { peer, authenticator: challenge, user: name };
    if !mschap::proves_v2(&exchange, &user.nt_hash, nt_response) {
        return None;
    }
    let mut success = [response[0]; 43];
    success[1..].copy_from_slice(&mschap::authenticator_response(&exchange, &user.nt_hash, nt_response));
    let keys = mppe::StartKeys::new(&user.nt_hash, nt_response);
    let [a, b, c]: [u8; 3] = wire::random();
    let hidden = |key, salt| hide::hide_key(key, salt, packet.authenticator(), secret);
    Some((success, [hidden(&keys.send, [a, b]), hidden(&keys.recv, [a, b ^ (c | 1)])]))
}
