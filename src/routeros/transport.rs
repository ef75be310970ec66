//! The way to a router: TCP, with or without TLS.

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::fault::unreachable;
use super::tls;
use crate::domain::api::{Api, Trust};
use crate::gate::router_api::ApiFault;

/// Both directions of a connection.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// An open way, on which nothing was said yet.
pub(super) struct Way {
    pub(super) stream: Box<dyn Duplex>,
    /// Our own address on it.
    pub(super) local: Option<IpAddr>,
}

/// Opens the way to an API. The caller limits how long that may take.
pub(super) async fn open(api: &Api) -> Result<Way, ApiFault> {
    let port = api.address.port(&api.trust);
    let stream = TcpStream::connect((api.address.host.as_str(), port)).await.map_err(unreachable)?;
    let local = prepare(&stream).map_err(unreachable)?;
    let stream: Box<dyn Duplex> = match &api.trust {
        Trust::Plain => Box::new(stream),
        Trust::Pinned(_) | Trust::Authority(_) => Box::new(tls::shake_hands(stream, api).await?),
    };
    Ok(Way { stream, local: Some(local) })
}

/// Commands are short and wait for their answers: none is held back to be sent with another.
fn prepare(stream: &TcpStream) -> io::Result<IpAddr> {
    stream.set_nodelay(true)?;
    Ok(stream.local_addr()?.ip().to_canonical())
}
