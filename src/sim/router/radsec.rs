//! `protocol=radsec` of `/radius`: one connection over TLS per server, kept open (manual, RADIUS; RFC 6614).
//!
//! A request goes out once on a connection. Is that broken before the answer, it goes out again on another one, with the same
//! octets, until `radsec-timeout` is over; no source says what RouterOS does there. Nor whether it takes Disconnects over the
//! connection: that is behind a switch.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use super::api::Certificate;
use super::radius::Entry;
use super::state::path;
use super::trace::Way;
use super::transport::{Count, take_one};
use super::{Inner, incoming, lock};
use crate::proto::radius::{Code, Framer, Packet};

/// The only port that RouterOS calls (manual, RADIUS).
const PORT: u16 = 2083;
/// `radsec-timeout` of RouterOS.
const TIMEOUT: Duration = Duration::from_millis(3_300);
/// After a connection could not be opened, or broke, the next one is opened this much later.
const PAUSE: Duration = Duration::from_millis(50);
/// What waits to be written: a request for each identifier, and answers to as many orders.
const QUEUE: usize = 512;
/// What is read at once.
const READ_BYTES: usize = 16 * 1024;

/// What an operator has put into the router for its entries over TLS.
#[derive(Debug, Clone)]
pub struct RadsecClient {
    /// The authority whose certificates it trusts, PEM.
    pub authority: Vec<u8>,
    /// `certificate` of its entries.
    pub certificate: Certificate,
    /// The port that it calls.
    pub port: u16,
    /// `radsec-timeout`.
    pub timeout: Duration,
    /// What it does with Disconnect- and CoA-Requests that come over the connection.
    pub orders: RadsecOrders,
}

impl RadsecClient {
    /// With RouterOS's port and time-out; orders over the connection are taken.
    pub fn new(authority: &[u8], certificate: Certificate) -> Self {
        let authority = authority.to_vec();
        Self { authority, certificate, port: PORT, timeout: TIMEOUT, orders: RadsecOrders::Taken }
    }
}

/// What becomes of Disconnect- and CoA-Requests over the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RadsecOrders {
    /// They are taken as those by UDP are.
    Taken,
    /// They are not looked at.
    Ignored,
}

/// The connections of the router.
pub(super) struct Client {
    config: Option<(RadsecClient, Arc<ClientConfig>)>,
    lines: tokio::sync::Mutex<HashMap<SocketAddr, Arc<Line>>>,
    /// From which address it calls, unless from that of all else.
    from: Mutex<Option<IpAddr>>,
    /// Connections to break, each just before an answer is heard.
    to_break: AtomicU32,
}

/// An open connection.
struct Line {
    queue: mpsc::Sender<Vec<u8>>,
    waiting: Mutex<Waiting>,
    broken: CancellationToken,
}

#[derive(Default)]
struct Waiting {
    next: u8,
    replies: HashMap<u8, oneshot::Sender<Vec<u8>>>,
}

impl Client {
    pub(super) fn new(config: Option<RadsecClient>) -> io::Result<Self> {
        let config = match config {
            Some(config) => {
                let tls = Arc::new(tls(&config).map_err(io::Error::other)?);
                Some((config, tls))
            }
            None => None,
        };
        Ok(Self { config, lines: Default::default(), from: Mutex::default(), to_break: AtomicU32::new(0) })
    }

    /// The next `count` connections break just before an answer is heard.
    pub(super) fn break_before_answers(&self, count: u32) {
        self.to_break.store(count, Ordering::Relaxed);
    }

    /// Breaks all connections without a word; the next ones come from `from`.
    pub(super) async fn call_from(&self, from: IpAddr) {
        *lock(&self.from) = Some(from);
        for (_, line) in self.lines.lock().await.drain() {
            line.broken.cancel();
        }
    }

    /// Asks a server until `is_good` takes its reply, given the Request Authenticator; `None` when `radsec-timeout` is over.
    pub(super) async fn exchange(
        &self,
        router: &Arc<Inner>,
        entry: &Entry,
        request: impl FnOnce(u8) -> Vec<u8>,
        is_good: impl Fn(&Packet<'_>, &[u8; 16]) -> bool,
    ) -> Option<Vec<u8>> {
        let (config, tls) = self.config.as_ref()?;
        let server = SocketAddr::new(entry.auth.ip(), config.port);
        router.transport.count(entry.id, Count::Requests);
        let asked = async {
            // The identifier is one that its first connection has free.
            let mut line = self.line(router, server, tls).await;
            let (identifier, mut reply) = line.reserve()?;
            let octets = request(identifier);
            let sent = *Packet::parse(&octets).ok()?.authenticator();
            loop {
                router.trace.packet(server, Way::Out, &octets);
                let _ = line.queue.send(octets.clone()).await; // broken: nothing comes back
                let answer = reply.await;
                if take_one(&self.to_break) {
                    // The server has answered; the router has not heard it.
                    line.broken.cancel();
                } else if let Ok(reply) = answer {
                    if Packet::parse(&reply).is_ok_and(|packet| is_good(&packet, &sent)) {
                        return Some(reply);
                    }
                    router.transport.count(entry.id, Count::BadReplies);
                    return None;
                }
                tokio::time::sleep(PAUSE).await;
                line = self.line(router, server, tls).await;
                reply = line.wait_for(identifier);
                router.transport.count(entry.id, Count::Resends);
            }
        };
        let reply = tokio::time::timeout_at(Instant::now() + config.timeout, asked).await.ok().flatten();
        if reply.is_none() {
            router.transport.count(entry.id, Count::Timeouts);
        }
        reply
    }

    /// The connection to a server, opened if there is none; tried until there is one.
    async fn line(&self, router: &Arc<Inner>, server: SocketAddr, tls: &Arc<ClientConfig>) -> Arc<Line> {
        let mut lines = self.lines.lock().await;
        loop {
            if let Some(line) = lines.get(&server).filter(|line| !line.broken.is_cancelled()) {
                return line.clone();
            }
            let from = lock(&self.from).unwrap_or(router.config.bind);
            match connect(server, from, tls.clone()).await {
                Ok(stream) => {
                    router.trace.radsec(server, "connected");
                    lines.insert(server, Line::open(router, server, stream));
                }
                Err(error) => {
                    router.trace.radsec(server, &format!("not connected: {error}"));
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Line {
    fn open(router: &Arc<Inner>, server: SocketAddr, stream: TlsStream<TcpStream>) -> Arc<Self> {
        let (queue, outgoing) = mpsc::channel(QUEUE);
        let line = Arc::new(Self { queue, waiting: Mutex::default(), broken: CancellationToken::new() });
        router.spawn({
            let (router, line) = (router.clone(), line.clone());
            async move {
                let broken = line.broken.clone();
                let served = line.serve(&router, server, stream, outgoing);
                broken.run_until_cancelled(served).await;
                broken.cancel();
                // Whoever waits has waited for nothing.
                lock(&line.waiting).replies.clear();
                router.trace.radsec(server, "ended");
            }
        });
        line
    }

    async fn serve(
        &self,
        router: &Arc<Inner>,
        server: SocketAddr,
        stream: TlsStream<TcpStream>,
        mut outgoing: mpsc::Receiver<Vec<u8>>,
    ) {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let write = async {
            while let Some(octets) = outgoing.recv().await {
                if writer.write_all(&octets).await.is_err() || writer.flush().await.is_err() {
                    return;
                }
            }
        };
        let read = async {
            let (mut framer, mut buffer) = (Framer::default(), vec![0; READ_BYTES]);
            while let Ok(count @ 1..) = reader.read(&mut buffer).await {
                framer.feed(&buffer[..count]);
                loop {
                    match framer.next_packet() {
                        Ok(Some(packet)) => self.take(router, server, packet),
                        Ok(None) => break,
                        Err(_) => return,
                    }
                }
            }
        };
        tokio::select! {
            () = write => {}
            () = read => {}
        }
    }

    fn take(&self, router: &Arc<Inner>, server: SocketAddr, octets: &[u8]) {
        router.trace.packet(server, Way::In, octets);
        let Ok(packet) = Packet::parse(octets) else { return self.broken.cancel() };
        if !matches!(packet.code(), Code::DISCONNECT_REQUEST | Code::COA_REQUEST) {
            if let Some(waiting) = lock(&self.waiting).replies.remove(&packet.identifier()) {
                let _ = waiting.send(octets.to_vec()); // given up just now
            }
            return;
        }
        let accepts = lock(&router.state).setting(path::INCOMING, "accept");
        let takes = |(config, _): &(RadsecClient, _)| config.orders == RadsecOrders::Taken;
        let taken = accepts && router.radsec.config.as_ref().is_some_and(takes);
        if let Some(answer) = taken.then(|| incoming::take(router, octets, server)).flatten() {
            router.trace.packet(server, Way::Out, &answer);
            let _ = self.queue.try_send(answer); // broken: there is nobody to be told
        }
    }

    /// A free identifier, and its reply to come; `None` if all are in use.
    fn reserve(&self) -> Option<(u8, oneshot::Receiver<Vec<u8>>)> {
        let mut waiting = lock(&self.waiting);
        let waiting = &mut *waiting;
        waiting.replies.retain(|_, reply| !reply.is_closed());
        for _ in 0..=u8::MAX {
            let identifier = waiting.next;
            waiting.next = identifier.wrapping_add(1);
            if let std::collections::hash_map::Entry::Vacant(place) = waiting.replies.entry(identifier) {
                let (sender, reply) = oneshot::channel();
                place.insert(sender);
                return Some((identifier, reply));
            }
        }
        None
    }

    /// The reply to a request that was made for another connection.
    fn wait_for(&self, identifier: u8) -> oneshot::Receiver<Vec<u8>> {
        let (sender, reply) = oneshot::channel();
        lock(&self.waiting).replies.insert(identifier, sender);
        reply
    }
}

async fn connect(server: SocketAddr, from: IpAddr, tls: Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let socket = if server.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(from, 0))?;
    let stream = socket.connect(server).await?;
    stream.set_nodelay(true)?;
    TlsConnector::from(tls).connect(ServerName::from(server.ip()), stream).await
}

fn tls(config: &RadsecClient) -> Result<ClientConfig, Box<dyn std::error::Error + Send + Sync>> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(&config.authority) {
        roots.add(authority?)?;
    }
    let trusted = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build()?;
    let chain = CertificateDer::pem_slice_iter(&config.certificate.chain).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(config.certificate.key.expose())?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_webpki_verifier(trusted)
        .with_client_auth_cert(chain, key)?)
}
