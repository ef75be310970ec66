//! Where the API listens: ports that open and close as `/ip/service` says, who gets in, TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::DropGuard;

use super::Certificate;
use super::connection::{self, Line};
use crate::sim::router::state::kind::mask_32;
use crate::sim::router::state::path;
use crate::sim::router::state::table::Row;
use crate::sim::router::state::value::Value;
use crate::sim::router::{Inner, lock};

/// `max-sessions` of RouterOS, where the version has no such property.
const SESSIONS_MAX: u64 = 20;
/// A handshake that takes longer is given up.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// The most that is read of a ClientHello before it is refused: one TLS record.
const CLIENT_HELLO_MAX: usize = 16 * 1024 + 5;
/// The alert `handshake_failure`, RFC 5246 §7.2: what a server says that has anonymous ciphers alone.
const HANDSHAKE_FAILURE: [u8; 7] = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28];

/// One of the two services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Service {
    Plain,
    Tls,
}

impl Service {
    const ALL: [Self; 2] = [Self::Plain, Self::Tls];

    /// Its name in `/ip/service`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "api",
            Self::Tls => "api-ssl",
        }
    }
}

/// An open port.
pub(super) struct Place {
    pub(super) address: SocketAddr,
    _close: DropGuard,
}

/// Reads a certificate and its key.
pub(super) fn acceptor(certificate: &Certificate) -> io::Result<TlsAcceptor> {
    let chain =
        CertificateDer::pem_slice_iter(&certificate.chain).collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(certificate.key.expose()).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(io::Error::other)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Opens both ports where the configuration wants them.
pub(super) fn listen(router: &Arc<Inner>) -> io::Result<()> {
    for (service, wanted) in [(Service::Plain, router.api.config.plain), (Service::Tls, router.api.config.tls)] {
        let address = open(router, service, wanted)?;
        let mut state = lock(&router.state);
        if let Some((id, _)) = state.named(path::SERVICE, service.name()) {
            state.put(path::SERVICE, id, "port", Value::Number(address.port().into()));
        }
    }
    Ok(())
}

/// Opens, closes and moves ports as the menu says now; while the API is down they are all closed.
pub(in crate::sim::router) fn follow(router: &Arc<Inner>) {
    for service in Service::ALL {
        let row = lock(&router.state).named(path::SERVICE, service.name()).map(|(_, row)| row.clone());
        let port = row.filter(|row| !row.flag("disabled")).and_then(|row| row.number("port"));
        let port = port.and_then(|port| u16::try_from(port).ok()).filter(|_| !router.api.plans.is_down());
        let is_open = lock(&router.api.places).get(&service).map(|place| place.address.port());
        if port == is_open {
            continue;
        }
        lock(&router.api.places).remove(&service);
        let bind = match service {
            Service::Plain => router.api.config.plain.ip(),
            Service::Tls => router.api.config.tls.ip(),
        };
        if let Some(Err(error)) = port.map(|port| open(router, service, SocketAddr::new(bind, port))) {
            let line = format!("{} cannot be opened: {error}", service.name());
            lock(&router.state).log(router.clock.now(), "system,error", line);
        }
    }
}

fn open(router: &Arc<Inner>, service: Service, address: SocketAddr) -> io::Result<SocketAddr> {
    let domain = if address.is_ipv4() { socket2::Domain::IPV4 } else { socket2::Domain::IPV6 };
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    // The port is taken again while connections of before linger.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(128)?;
    let listener = TcpListener::from_std(socket.into())?;
    let address = listener.local_addr()?;
    let closed = router.stop.child_token();
    router.spawn({
        let (router, closed) = (router.clone(), closed.clone());
        async move {
            closed.run_until_cancelled(accept(router, service, listener)).await;
        }
    });
    lock(&router.api.places).insert(service, Place { address, _close: closed.drop_guard() });
    Ok(address)
}

async fn accept(router: Arc<Inner>, service: Service, listener: TcpListener) {
    loop {
        // An error here is of one connection that was gone before it was taken.
        let Ok((stream, peer)) = listener.accept().await else { continue };
        let row = lock(&router.state).named(path::SERVICE, service.name()).map(|(_, row)| row.clone());
        let Some(row) = row.filter(|row| admits(&row.text("address"), peer.ip())) else { continue };
        let most = row.number("max-sessions").unwrap_or(SESSIONS_MAX);
        if router.api.connections(service) as u64 >= most {
            continue;
        }
        let (number, handle) = router.api.enter(service, router.stop.child_token());
        router.spawn({
            let router = router.clone();
            async move {
                if let Some(line) = greet(&router, service, &row, stream).await {
                    connection::serve(&router, line, peer, &handle).await;
                }
                router.api.leave(number);
            }
        });
    }
}

/// Whether `address=` of a service or a user lets this one in; empty lets everyone in.
pub(super) fn admits(networks: &str, peer: IpAddr) -> bool {
    let holds = |network: &str| {
        let (base, bits) = network.split_once('/').unwrap_or((network, ""));
        match (base.parse::<IpAddr>(), peer) {
            (Ok(IpAddr::V4(base)), IpAddr::V4(peer)) => {
                let mask = if bits.is_empty() { Some(u32::MAX) } else { bits.parse().ok().and_then(mask_32) };
                mask.is_some_and(|mask| u32::from(base) & mask == u32::from(peer) & mask)
            }
            (Ok(base), peer) => base == peer,
            (Err(_), _) => false,
        }
    };
    networks.is_empty() || networks.split(',').any(holds)
}

/// Does the handshake where there is one; `None` if nothing comes of it.
async fn greet(router: &Inner, service: Service, row: &Row, mut stream: TcpStream) -> Option<Line> {
    let _ = stream.set_nodelay(true); // pieces go out as they are cut
    match service {
        Service::Plain => Some(Line::Plain(stream)),
        Service::Tls => match router.api.acceptor.as_ref().filter(|_| !row.says("certificate", "none")) {
            Some(acceptor) => {
                let shaken = timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await;
                shaken.ok()?.ok().map(|stream| Line::Tls(Box::new(stream)))
            }
            None => {
                let _ = timeout(HANDSHAKE_MAX, refuse(&mut stream)).await;
                None
            }
        },
    }
}

/// Reads a ClientHello and refuses it.
async fn refuse(stream: &mut TcpStream) -> io::Result<()> {
    let mut record = [0; 5];
    stream.read_exact(&mut record).await?;
    let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
    let mut hello = vec![0; length.min(CLIENT_HELLO_MAX)];
    stream.read_exact(&mut hello).await?;
    stream.write_all(&HANDSHAKE_FAILURE).await?;
    stream.shutdown().await
}
