//! RadSec, RFC 6614: RADIUS over TLS over TCP, with certificates on both ends.
//!
//! | module | is |
//! |---|---|
//! | [`tls`] | our certificate, and whose are taken |
//! | `connection` | a router's connection, packet by packet |
//! | `line` | answers and orders on their way out |
//! | `lines` | which connections are up |
//! | `end` | why they end |
//!
//! Who calls is known by the certificate, not by the address (RFC 6614 §2.5). From there a request goes the way of a datagram:
//! `call`, with another way back. Nothing that a caller does before its certificate is accepted costs more than a handshake,
//! and of those there is a limit, in all and per address.

mod connection;
mod end;
mod line;
mod lines;
pub mod tls;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub(super) use self::line::Back;
pub use self::lines::Lines;
use self::tls::Unshaken;
pub use self::tls::{Tls, TlsFault};
use super::listener::Ends;
use super::server::Server;
use crate::gate::radsec::Refusal;

/// Connections in all, of routers that are known. Each may hold 1 MiB of answers at the very most.
const CONNECTIONS: usize = 1_024;
/// Handshakes under way in all.
const HANDSHAKES: usize = 256;
/// Handshakes under way of one address (of IPv6: of one /64), so that one caller does not take all the places.
const HANDSHAKES_OF_ADDRESS: usize = 16;
/// How long a handshake may take: RouterOS waits 3.3 s for the answer to its request.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections that the kernel keeps while we are busy.
const BACKLOG: i32 = 1_024;
/// A peer that is gone is found after about this and three times a third of it.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// What the kernel keeps of answers that a router does not take, in octets: hundreds of them. Left to itself it would keep 4 MiB.
const SEND_BUFFER_BYTES: usize = 128 * 1024;
/// After a failure of the listener itself it is tried again this much later.
const PAUSE: Duration = Duration::from_millis(20);

/// What all connections share.
struct Radsec {
    server: Arc<Server>,
    lines: Arc<Lines>,
    tls: Tls,
    connections: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
    shaking: Shaking,
}

/// How many handshakes are under way, by address.
#[derive(Default)]
struct Shaking(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One of them; dropping it ends it.
struct Shake {
    all: Arc<Mutex<HashMap<IpAddr, usize>>>,
    network: IpAddr,
}

/// Binds a listener; port 0 is any free one. Families are bound beside each other, as for UDP. Must be called inside the
/// runtime.
///
/// # Errors
/// The address is in use or not ours.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of before that linger do not keep us from starting again.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Serves the listeners beside the UDP sockets of `server`, as long as those.
pub fn serve(server: &Arc<Server>, listeners: Vec<TcpListener>, tls: Tls, lines: &Arc<Lines>) {
    let radsec = Arc::new(Radsec {
        server: server.clone(),
        lines: lines.clone(),
        tls,
        connections: Arc::new(Semaphore::new(CONNECTIONS)),
        handshakes: Arc::new(Semaphore::new(HANDSHAKES)),
        shaking: Shaking::default(),
    });
    for listener in listeners {
        let (radsec, cancel) = (radsec.clone(), server.cancel.clone());
        server.tracker.spawn(async move { cancel.run_until_cancelled(radsec.accept(listener)).await });
    }
}

impl Radsec {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, from)) => self.begin(stream, from),
                Err(error) => {
                    tracing::warn!(%error, "no connection over TLS can be taken; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Begins a handshake, if there is a place for it.
    fn begin(self: &Arc<Self>, stream: TcpStream, from: SocketAddr) {
        let place = self.handshakes.clone().try_acquire_owned().ok();
        let (Some(place), Some(shake)) = (place, self.shaking.begin(from.ip())) else {
            return self.turn_away(from, "handshakes_full", "more handshakes are under way than may be");
        };
        let (radsec, cancel) = (self.clone(), self.server.cancel.clone());
        self.server.tracker.spawn(async move {
            let ends = Ends { from, to: stream.local_addr().ok().map(|address| address.ip()) };
            let shaken = cancel.run_until_cancelled(radsec.shake_hands(stream, ends)).await.flatten();
            drop((place, shake));
            if let Some(served) = shaken {
                served.await;
            }
        });
    }

    /// Shakes hands; gives what serves the connection if it is that of a router.
    async fn shake_hands(
        self: &Arc<Self>,
        stream: TcpStream,
        ends: Ends,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        let from = ends.from;
        if let Err(error) = prepare(&stream) {
            tracing::debug!(%from, %error, "a connection over TLS was gone at once");
            return None;
        }
        let shaken = tokio::time::timeout(HANDSHAKE, self.tls.shake_hands(stream)).await;
        let (mut stream, certificate) = match shaken {
            Ok(Ok(shaken)) => shaken,
            Ok(Err(Unshaken { why, certificate })) => {
                self.turn_away(from, "handshake", &why);
                self.server.gate.note_radsec_stranger(from.ip().to_canonical(), certificate, Refusal::Handshake(why));
                return None;
            }
            Err(_) => {
                self.turn_away(from, "handshake_timeout", "the handshake was not done in 10 s");
                return None;
            }
        };
        let table = self.server.gate.directory().routers();
        let router = match table.of_certificate(&certificate) {
            Ok(router) => router.clone(),
            Err(why) => {
                let end = end::End::NoRouter(why);
                let refusal = Refusal::NoRouter(why);
                self.server.gate.note_radsec_stranger(from.ip().to_canonical(), Some(certificate), refusal);
                self.turn_away(from, end.word(), why.text());
                let _ = tokio::time::timeout(HANDSHAKE, stream.shutdown()).await;
                return None;
            }
        };
        let Ok(place) = self.connections.clone().try_acquire_owned() else {
            self.server.gate.note_radsec_trouble(router.id, from.ip(), "there are as many connections as may be");
            self.turn_away(from, "connections_full", "there are as many connections over TLS as may be");
            return None;
        };
        let radsec = self.clone();
        Some(async move {
            let open = radsec.server.gate.radsec_opened(router.id, from, &certificate);
            let (id, name) = (router.id, router.name.clone());
            tracing::info!(router = name, %from, certificate = certificate.name(), "connected over TLS");
            let end =
                connection::serve(&radsec.server, &radsec.lines, stream, certificate, (table, router), ends).await;
            drop((open, place));
            radsec.ended(id, &name, from, &end);
        })
    }

    fn ended(&self, router: crate::domain::id::RouterId, name: &str, from: SocketAddr, end: &end::End) {
        self.server.gate.metrics().radsec_ended(end.word());
        let Some(trouble) = end.trouble() else {
            tracing::info!(router = name, %from, reason = end.word(), "a connection over TLS has ended");
            return;
        };
        self.server.gate.note_radsec_trouble(router, from.ip().to_canonical(), &trouble);
        if let Some(held_back) = self.server.log.admit(end.word(), from.ip(), Instant::now()) {
            let reason = end.word();
            tracing::warn!(router = name, %from, reason, held_back, "a connection over TLS has ended: {trouble}");
        }
    }

    /// A caller that is not taken: counted, and told the operator, but not without end.
    fn turn_away(&self, from: SocketAddr, reason: &'static str, why: &str) {
        self.server.gate.metrics().radsec_ended(reason);
        if let Some(held_back) = self.server.log.admit(reason, from.ip(), Instant::now()) {
            tracing::warn!(%from, reason, held_back, why, "a connection over TLS was not taken");
        }
    }
}

/// Answers are short and waited for; a peer that is gone without a word is found.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3).with_retries(3);
    SockRef::from(stream).set_send_buffer_size(SEND_BUFFER_BYTES)?;
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

impl Shaking {
    /// One more handshake of this address; `None` if it has as many as may be.
    fn begin(&self, address: IpAddr) -> Option<Shake> {
        let network = network_of(address);
        let mut all = lock(&self.0);
        let count = all.entry(network).or_default();
        if *count >= HANDSHAKES_OF_ADDRESS {
            return None;
        }
        *count += 1;
        drop(all);
        Some(Shake { all: self.0.clone(), network })
    }
}

impl Drop for Shake {
    fn drop(&mut self) {
        let mut all = lock(&self.all);
        if let Some(count) = all.get_mut(&self.network) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                all.remove(&self.network);
            }
        }
    }
}

fn lock(all: &Mutex<HashMap<IpAddr, usize>>) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What one caller can choose its address from: itself, or its /64.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => IpAddr::from((v6.to_bits() >> 64 << 64).to_be_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_take_all_places() {
        let shaking = Shaking::default();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let held: Vec<_> = std::iter::from_fn(|| shaking.begin(address("2001:db8::1"))).collect();
        assert_eq!(held.len(), HANDSHAKES_OF_ADDRESS);
        assert!(shaking.begin(address("2001:db8::2")).is_none(), "the same /64");
        assert!(shaking.begin(address("2001:db8:0:1::1")).is_some());
        assert!(shaking.begin(address("192.0.2.1")).is_some());
        drop(held);
        assert!(lock(&shaking.0).is_empty());
    }
}
