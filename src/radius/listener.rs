//! One UDP socket that tells to which of our addresses a datagram came, and sends from that address (RFC 2865 §3 takes a
//! reply only from the address that was asked).

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// What the kernel keeps while we are busy: about 3,000 requests of RouterOS at its bookkeeping of 700 octets each. It
/// gives what `net.core.rmem_max` allows.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;
/// The most that one buffer can be given: a datagram, or several of one sender that the kernel has put together.
const DATAGRAMS_MAX_BYTES: usize = 1 << 16;

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    socket: UdpSocket,
    state: UdpSocketState,
    address: SocketAddr,
}

/// The two ends of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ends {
    /// Who sent it: where the reply goes.
    pub(super) from: SocketAddr,
    /// Our address that it was sent to: where the reply leaves; `None` if the platform does not tell.
    pub(super) to: Option<IpAddr>,
}

/// The buffers that datagrams are received into.
pub(super) struct Batch {
    bytes: Vec<u8>,
    metas: [RecvMeta; BATCH_SIZE],
    count: usize,
}

impl Listener {
    /// Binds; port 0 is any free one. An IPv6 socket takes IPv6 only, so that both families can be bound beside each
    /// other. Must be called inside the runtime.
    ///
    /// # Errors
    /// The address is in use or not ours.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let socket = UdpSocket::from_std(socket.into())?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let address = socket.local_addr()?;
        Ok(Self { socket, state, address })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Waits for datagrams and takes as many as there are, up to a batch.
    pub(super) async fn receive(&self, batch: &mut Batch) -> io::Result<()> {
        batch.count = 0;
        let mut buffers = Vec::with_capacity(BATCH_SIZE);
        buffers.extend(batch.bytes.chunks_mut(DATAGRAMS_MAX_BYTES).map(IoSliceMut::new));
        let metas = &mut batch.metas;
        let receive = || self.state.recv(UdpSockRef::from(&self.socket), &mut buffers, metas);
        batch.count = self.socket.async_io(Interest::READABLE, receive).await?;
        Ok(())
    }

    /// Takes what is there now, up to a batch; whether there was anything. A failure is the next [`Self::receive`]'s.
    pub(super) fn receive_now(&self, batch: &mut Batch) -> bool {
        batch.count = 0;
        let mut buffers = Vec::with_capacity(BATCH_SIZE);
        buffers.extend(batch.bytes.chunks_mut(DATAGRAMS_MAX_BYTES).map(IoSliceMut::new));
        let metas = &mut batch.metas;
        let receive = || self.state.recv(UdpSockRef::from(&self.socket), &mut buffers, metas);
        batch.count = self.socket.try_io(Interest::READABLE, receive).unwrap_or(0);
        batch.count > 0
    }

    /// Sends a reply back the way its request came.
    pub(super) async fn send(&self, reply: &[u8], ends: Ends) -> io::Result<()> {
        let transmit =
            Transmit { destination: ends.from, ecn: None, contents: reply, segment_size: None, src_ip: ends.to };
        let send = || self.state.try_send(UdpSockRef::from(&self.socket), &transmit);
        self.socket.async_io(Interest::WRITABLE, send).await
    }
}

impl Batch {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; BATCH_SIZE * DATAGRAMS_MAX_BYTES], metas: [RecvMeta::default(); BATCH_SIZE], count: 0 }
    }

    /// Whether there may be more where it came from.
    pub(super) fn is_full(&self) -> bool {
        self.count == BATCH_SIZE
    }

    /// What was received, datagram by datagram.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = (&[u8], Ends)> {
        let received = self.bytes.chunks(DATAGRAMS_MAX_BYTES).zip(&self.metas).take(self.count);
        received.flat_map(|(buffer, meta)| {
            let ends = Ends { from: meta.addr, to: meta.dst_ip.filter(is_one_address) };
            split(&buffer[..meta.len.min(buffer.len())], meta.stride).map(move |datagram| (datagram, ends))
        })
    }
}

/// Whether a reply can leave from it.
fn is_one_address(address: &IpAddr) -> bool {
    !address.is_unspecified() && !address.is_multicast()
}

/// The datagrams in a buffer: all as long as the stride but for the last; an empty datagram is one too.
fn split(buffer: &[u8], stride: usize) -> impl Iterator<Item = &[u8]> {
    let empty = buffer.is_empty().then_some(buffer);
    buffer.chunks(stride.max(1)).chain(empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_split_by_its_stride() {
        let all = |buffer, stride| split(buffer, stride).collect::<Vec<&[u8]>>();
        assert_eq!(all(b"aabbc", 2), [&b"aa"[..], b"bb", b"c"]);
        assert_eq!(all(b"aab", 3), [b"aab"]);
        assert_eq!(all(b"aab", 9), [b"aab"]);
        assert_eq!(all(b"", 0), [b""]);
    }

    #[tokio::test]
    async fn a_datagram_comes_with_both_its_ends() {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.send_to(b"hello", listener.local_addr()).await.unwrap();
        let mut batch = Batch::new();
        listener.receive(&mut batch).await.unwrap();
        let received: Vec<_> = batch.datagrams().collect();
        let ends = Ends { from: client.local_addr().unwrap(), to: Some(listener.local_addr().ip()) };
        assert_eq!(received, [(&b"hello"[..], ends)]);
        listener.send(b"and back", ends).await.unwrap();
        let mut buffer = [0; 16];
        let (length, from) = client.recv_from(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..length], from), (&b"and back"[..], listener.local_addr()));
    }

    #[tokio::test]
    async fn both_families_can_be_bound_to_one_port() {
        let v4 = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let v6 = Listener::bind(SocketAddr::new("::1".parse().unwrap(), v4.local_addr().port()));
        assert_eq!(v6.unwrap().local_addr().port(), v4.local_addr().port());
    }
}
