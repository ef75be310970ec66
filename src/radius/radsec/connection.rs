//! A connection of a router as the server serves it: packet by packet, as the UDP sockets are served.
//!
//! What a datagram would merely be dropped for ends the connection where RFC 6613 §2.6.4 says so: a wrong Length, a packet
//! that is none, wrong authenticators.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;

use super::end::End;
use super::line::{self, Back, Line, PLACES};
use super::lines::{BOXES, Lines, Opened};
use crate::domain::radsec::Certificate;
use crate::domain::router::{NasKey, Router};
use crate::gate::directory::RouterTable;
use crate::proto::radius::{Code, Framer, Packet};
use crate::radius::call::{Call, Way};
use crate::radius::decode;
use crate::radius::dropped::Dropped;
use crate::radius::duplicate::Key;
use crate::radius::listener::Ends;
use crate::radius::peers::Peer;
use crate::radius::reply::Asked;
use crate::radius::server::{Port, Server};

/// A connection without a packet for so long is closed; the router opens another when it needs one. TCP itself finds a peer
/// that is gone much sooner.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// The rest of a packet follows within this time.
const HALF: Duration = Duration::from_secs(10);
/// How often it is looked whether the certificate is still that of the router.
const LOOK: Duration = Duration::from_secs(2);
/// What is being worked on when the server stops has this long to be answered.
const FAREWELL: Duration = Duration::from_secs(2);
/// What is read at once: a TLS record.
const READ_BYTES: usize = 16 * 1024;

/// A connection whose certificate is that of a router.
pub(super) struct Connection {
    server: Arc<Server>,
    line: Arc<Line>,
    opened: Opened,
    certificate: Certificate,
    ends: Ends,
    /// The table that the certificate was looked up in last, and what was found.
    table: Arc<RouterTable>,
    peer: Arc<Peer>,
    /// Where the boxes are kept that speak over it, by that table.
    boxes: HashMap<String, IpAddr>,
    /// The boxes whose calls over this connection are written down.
    told: HashSet<String>,
}

/// Serves a connection until it ends.
pub(super) async fn serve(
    server: &Arc<Server>,
    lines: &Arc<Lines>,
    stream: TlsStream<TcpStream>,
    certificate: Certificate,
    (table, router): (Arc<RouterTable>, Arc<Router>),
    ends: Ends,
) -> End {
    let (line, mut outgoing) = Line::new();
    let opened = lines.open(router.id, &line);
    let peer = Arc::new(Peer::over_tls(&router));
    let mut connection = Connection {
        server: server.clone(),
        line,
        opened,
        certificate,
        ends,
        table,
        peer,
        boxes: HashMap::new(),
        told: HashSet::new(),
    };
    let (mut reader, mut writer) = tokio::io::split(stream);
    let end = tokio::select! {
        end = connection.read(&mut reader) => end,
        end = line::write(&mut writer, &mut outgoing) => end,
    };
    line::close(&mut writer).await;
    end
}

impl Connection {
    async fn read(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> End {
        let (mut framer, mut buffer) = (Framer::default(), vec![0; READ_BYTES]);
        let (mut look, cancel, line) = (tokio::time::interval(LOOK), self.server.cancel.clone(), self.line.clone());
        let mut until = Instant::now() + IDLE;
        loop {
            let read = tokio::select! {
                read = stream.read(&mut buffer) => read,
                () = cancel.cancelled() => return self.finish().await,
                () = line.crowded.cancelled() => return End::Crowded,
                _ = look.tick() => match self.know() {
                    Ok(()) => continue,
                    Err(end) => return end,
                },
                () = tokio::time::sleep_until(until) => {
                    return if framer.is_between_packets() { End::Idle } else { End::Half };
                }
            };
            let octets = match read {
                Ok(0) if framer.is_between_packets() => return End::Closed,
                Ok(0) => return End::Half,
                Ok(count) => &buffer[..count],
                // Closed without a goodbye, as many do.
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return End::Closed,
                Err(error) => return End::Broken(error),
            };
            let was_between = framer.is_between_packets();
            framer.feed(octets);
            let mut taken = false;
            loop {
                match framer.next_packet() {
                    Ok(None) => break,
                    Ok(Some(packet)) => {
                        taken = true;
                        if let Err(end) = self.take(packet).await {
                            return end;
                        }
                    }
                    Err(bad) => return bad.into(),
                }
            }
            // One that comes octet by octet has no more time than one that does not come.
            if framer.is_between_packets() {
                until = Instant::now() + IDLE;
            } else if taken || was_between {
                until = Instant::now() + HALF;
            }
        }
    }

    /// The server stops: what is being worked on may be answered, for a while.
    async fn finish(&self) -> End {
        let all = u32::try_from(PLACES).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(FAREWELL, self.line.places.acquire_many(all)).await;
        End::Stopped
    }

    /// Whether the certificate is still that of the router, which may have been changed meanwhile.
    fn know(&mut self) -> Result<(), End> {
        let table = self.server.gate.directory().routers();
        if Arc::ptr_eq(&table, &self.table) {
            return Ok(());
        }
        match table.of_certificate(&self.certificate) {
            Ok(router) if router.id != self.peer.router.id => {
                return Err(End::NoRouter(crate::gate::radsec::NoRouter::Unknown));
            }
            Ok(router) if Arc::ptr_eq(router, &self.peer.router) => {}
            Ok(router) => {
                self.peer = Arc::new(Peer::over_tls(router));
            }
            Err(why) => return Err(End::NoRouter(why)),
        }
        self.table = table;
        self.boxes.clear();
        Ok(())
    }

    async fn take(&mut self, octets: &[u8]) -> Result<(), End> {
        self.server.gate.metrics().radsec_packets.inc();
        let packet = match Packet::parse(octets) {
            Ok(packet) => packet,
            Err(malformed) => {
                self.server.dismiss(Dropped::Malformed(malformed), self.ends);
                return Err(End::Forged(malformed.label()));
            }
        };
        if matches!(packet.code(), Code::DISCONNECT_ACK | Code::DISCONNECT_NAK | Code::COA_ACK | Code::COA_NAK) {
            self.line.heard(&packet).unwrap_or_else(|dropped| self.server.dismiss(dropped, self.ends));
            return Ok(());
        }
        self.know()?;
        let place = self.place().await?;
        let call = self.call(&packet, Back::new(self.line.clone(), place));
        let Err(dropped) = call.take(&packet, Port::Radsec).await else { return Ok(()) };
        self.server.dismiss(dropped, self.ends);
        match dropped {
            Dropped::BadMessageAuthenticator | Dropped::BadAccountingAuthenticator => Err(End::Forged(dropped.word())),
            _ => Ok(()),
        }
    }

    /// A place for a request. While there is none, nothing more is read.
    async fn place(&self) -> Result<tokio::sync::OwnedSemaphorePermit, End> {
        tokio::select! {
            place = self.line.places.clone().acquire_owned() => place.map_err(|_| End::Stopped),
            () = self.server.cancel.cancelled() => Err(End::Stopped),
            () = self.line.crowded.cancelled() => Err(End::Crowded),
        }
    }

    fn call(&mut self, packet: &Packet<'_>, back: Back) -> Call {
        let source = self.source(packet);
        // The same packet is the same one on another connection of the box, too.
        let source_of_key = SocketAddr::new(source, 0);
        Call {
            server: self.server.clone(),
            way: Way::Radsec(back),
            peer: self.peer.clone(),
            ends: self.ends,
            source,
            key: Key { source: source_of_key, identifier: packet.identifier(), authenticator: *packet.authenticator() },
            asked: Asked::by(packet),
            received: Instant::now(),
        }
    }

    /// The address that the box is known by: where it came from first, since it may call from elsewhere today.
    fn source(&mut self, packet: &Packet<'_>) -> IpAddr {
        let (router, from) = (self.peer.router.id, self.ends.from.ip().to_canonical());
        let NasKey { identifier, .. } = decode::nas(packet, router, from);
        if let Some(address) = self.boxes.get(&identifier).filter(|_| self.told.contains(&identifier)) {
            return *address;
        }
        let known = self.table.address_of(router, self.certificate.fingerprint, &identifier);
        let address = known.unwrap_or(from);
        if self.boxes.len() < BOXES {
            self.boxes.insert(identifier.clone(), address);
        }
        let nas = NasKey { router, address, identifier };
        self.opened.serve(&nas);
        self.tell(nas, from);
        address
    }

    /// Writes down that the box calls over RadSec; nothing waits for it, and its next packet tries again if there is no room.
    fn tell(&mut self, nas: NasKey, from: IpAddr) {
        if self.told.contains(&nas.identifier) || self.told.len() >= BOXES {
            return;
        }
        let Ok(permit) = self.server.lessons.clone().try_acquire_owned() else { return };
        self.told.insert(nas.identifier.clone());
        let (gate, certificate) = (self.server.gate.clone(), self.certificate.clone());
        self.server.spawn(permit, async move { gate.learn_radsec(&nas, &certificate, from).await });
    }
}
