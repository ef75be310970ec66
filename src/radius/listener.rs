//! One UDP socket that tells to which of our addresses a datagram came, and sends from that address (RFC 2865 §3 takes a
//! reply only from the address that was asked).

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::OwnedSemaphorePermit;

/// What the kernel keeps while we are busy: about 3,000 requests of RouterOS at its bookkeeping of 700 octets each. It
/// gives what `net.core.rmem_max` allows.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;
/// Less than this loses requests when many come at once.
const RECEIVE_BUFFER_LEAST_BYTES: usize = 1 << 20;
/// The most that one buffer can be given: a datagram, or several of one sender that the kernel has put together.
const DATAGRAMS_MAX_BYTES: usize = 1 << 16;
/// Octets of IPv6 and UDP before what a datagram holds.
const HEADERS_MAX_BYTES: usize = 48;

/// Sockets of one address at most. More tasks than that find no work: a request costs some microseconds.
const SOCKETS_MAX: usize = 8;
/// The longest replies that leave several in one system call: no link is too narrow for them.
const TOGETHER_MAX_BYTES: usize = 1_200;

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    socket: UdpSocket,
    state: UdpSocketState,
    address: SocketAddr,
    held_back: Mutex<HeldBack>,
    put_off: Mutex<PutOff>,
}

/// Replies that leave soon, and together.
#[derive(Debug, Default)]
struct PutOff {
    /// Somebody sends them, until there are none.
    is_sent: bool,
    replies: Vec<(Arc<[u8]>, Ends)>,
    /// Their places, which bound how many there are.
    places: Vec<OwnedSemaphorePermit>,
}

/// Replies that wait until a whole batch is answered. There are never more than a batch has datagrams, and what tasks
/// answer meanwhile.
#[derive(Debug, Default)]
struct HeldBack {
    holds: bool,
    replies: Vec<(Arc<[u8]>, Ends)>,
}

/// Replies to one place that leave together: as long as the first, but for the last (UDP_SEGMENT).
struct Together {
    ends: Ends,
    bytes: Vec<u8>,
    segment: usize,
    count: usize,
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
        Self::bind_as(address, Sharing::Alone)
    }

    /// Binds a socket for each processor to one address; the kernel gives each sender to one of them.
    ///
    /// # Errors
    /// As [`Listener::bind`].
    pub fn bind_each(address: SocketAddr) -> io::Result<Vec<Self>> {
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(SOCKETS_MAX);
        // Shared addresses would let a second server in, and the kernel would give it half of the routers.
        let alone = Self::bind(address)?;
        alone.tell_of_small_buffer();
        if count == 1 || !cfg!(target_os = "linux") {
            return Ok(vec![alone]);
        }
        let address = alone.address;
        drop(alone);
        (0..count).map(|_| Self::bind_as(address, Sharing::Shared)).collect()
    }

    fn bind_as(address: SocketAddr, sharing: Sharing) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        if sharing == Sharing::Shared {
            socket.set_reuse_port(true)?;
        }
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let socket = UdpSocket::from_std(socket.into())?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let address = socket.local_addr()?;
        Ok(Self { socket, state, address, held_back: Mutex::default(), put_off: Mutex::default() })
    }

    fn tell_of_small_buffer(&self) {
        let given = SockRef::from(&self.socket).recv_buffer_size().unwrap_or(RECEIVE_BUFFER_LEAST_BYTES);
        if given < RECEIVE_BUFFER_LEAST_BYTES {
            let hint = "requests are lost when many routers dial at once: set net.core.rmem_max to 4194304";
            tracing::warn!(address = %self.address, given, hint, "the system gives a small receive buffer");
        }
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Waits for datagrams and takes as many as there are, up to a batch.
    pub(super) async fn receive(&self, batch: &mut Batch) -> io::Result<()> {
        batch.count = 0;
        let mut buffers = buffers_of(&mut batch.bytes);
        let metas = &mut batch.metas;
        let receive = || self.state.recv(UdpSockRef::from(&self.socket), &mut buffers, metas);
        batch.count = self.socket.async_io(Interest::READABLE, receive).await?;
        Ok(())
    }

    /// Takes what is there now, up to a batch; whether there was anything. A failure is the next [`Self::receive`]'s.
    pub(super) fn receive_now(&self, batch: &mut Batch) -> bool {
        batch.count = 0;
        let mut buffers = buffers_of(&mut batch.bytes);
        let metas = &mut batch.metas;
        let receive = || self.state.recv(UdpSockRef::from(&self.socket), &mut buffers, metas);
        batch.count = self.socket.try_io(Interest::READABLE, receive).unwrap_or(0);
        batch.count > 0
    }

    /// From now on replies wait for [`Listener::let_go`].
    pub(super) fn hold_back(&self) {
        self.held_back().holds = true;
    }

    /// Sends the replies that were held back, those to one place together; gives those that could not be sent.
    pub(super) async fn let_go(&self) -> Vec<(Ends, io::Error)> {
        let replies = {
            let mut held_back = self.held_back();
            held_back.holds = false;
            std::mem::take(&mut held_back.replies)
        };
        let mut failed = Vec::new();
        self.send_together(replies, &mut failed).await;
        failed
    }

    /// Keeps a reply for [`Listener::send_put_off`]; tells whether nobody is about to do that.
    pub(super) fn put_off(&self, reply: Arc<[u8]>, ends: Ends, place: OwnedSemaphorePermit) -> bool {
        let mut put_off = self.put_off.lock().unwrap_or_else(PoisonError::into_inner);
        put_off.replies.push((reply, ends));
        put_off.places.push(place);
        !std::mem::replace(&mut put_off.is_sent, true)
    }

    /// Sends what is put off, and what is while it sends; gives what could not be sent.
    pub(super) async fn send_put_off(&self) -> Vec<(Ends, io::Error)> {
        let mut failed = Vec::new();
        loop {
            let (replies, _places) = {
                let mut put_off = self.put_off.lock().unwrap_or_else(PoisonError::into_inner);
                put_off.is_sent = !put_off.replies.is_empty();
                (std::mem::take(&mut put_off.replies), std::mem::take(&mut put_off.places))
            };
            if replies.is_empty() {
                return failed;
            }
            self.send_together(replies, &mut failed).await;
        }
    }

    /// Sends replies, those to one place together.
    async fn send_together(&self, replies: Vec<(Arc<[u8]>, Ends)>, failed: &mut Vec<(Ends, io::Error)>) {
        for together in put_together(replies, self.state.max_gso_segments()) {
            let segment = (together.count > 1).then_some(together.segment);
            if let Err(error) = self.transmit(&together.bytes, segment, together.ends).await {
                failed.push((together.ends, error));
            }
        }
    }

    /// Sends a reply back the way its request came: at once, or with the others that are held back.
    pub(super) async fn send(&self, reply: &Arc<[u8]>, ends: Ends) -> io::Result<()> {
        {
            let mut held_back = self.held_back();
            if held_back.holds {
                held_back.replies.push((reply.clone(), ends));
                return Ok(());
            }
        }
        self.transmit(reply, None, ends).await
    }

    async fn transmit(&self, contents: &[u8], segment_size: Option<usize>, ends: Ends) -> io::Result<()> {
        let transmit = Transmit { destination: ends.from, ecn: None, contents, segment_size, src_ip: ends.to };
        let send = || self.state.try_send(UdpSockRef::from(&self.socket), &transmit);
        self.socket.async_io(Interest::WRITABLE, send).await
    }

    fn held_back(&self) -> MutexGuard<'_, HeldBack> {
        self.held_back.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether others may be bound to the same address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Alone,
    Shared,
}

/// Replies to one place in the order in which they were made, at most so many in one.
fn put_together(replies: Vec<(Arc<[u8]>, Ends)>, segments_max: usize) -> Vec<Together> {
    let mut all: Vec<Together> = Vec::new();
    for (reply, ends) in replies {
        let fits = |together: &&mut Together| together.ends == ends;
        // The newest of the place: an older one is full, or ended with a shorter reply.
        match all.iter_mut().rev().find(fits).filter(|together| together.takes(&reply, segments_max)) {
            Some(together) => {
                together.bytes.extend_from_slice(&reply);
                together.count += 1;
            }
            None => all.push(Together { ends, bytes: reply.to_vec(), segment: reply.len(), count: 1 }),
        }
    }
    all
}

impl Together {
    fn takes(&self, reply: &[u8], segments_max: usize) -> bool {
        let has_whole_segments = self.bytes.len() == self.segment * self.count;
        has_whole_segments
            && self.count < segments_max
            && self.segment <= TOGETHER_MAX_BYTES
            && reply.len() <= self.segment
            && self.bytes.len() + reply.len() < DATAGRAMS_MAX_BYTES - HEADERS_MAX_BYTES
    }
}

/// A batch's octets as the places that datagrams are received into.
fn buffers_of(bytes: &mut [u8]) -> [IoSliceMut<'_>; BATCH_SIZE] {
    let mut places = bytes.chunks_mut(DATAGRAMS_MAX_BYTES);
    std::array::from_fn(|_| IoSliceMut::new(places.next().unwrap_or_default()))
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
    use tokio::sync::Semaphore;

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
        listener.send(&reply(b"and back"), ends).await.unwrap();
        assert_eq!(next(&client, &listener).await, b"and back");
    }

    #[tokio::test]
    async fn what_is_held_back_leaves_datagram_by_datagram_in_its_order() {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let ends = Ends { from: client.local_addr().unwrap(), to: Some(listener.local_addr().ip()) };
        listener.hold_back();
        let texts: [&[u8]; 6] = [b"first", b"other", b"end", b"again", b"the longest", b"short"];
        for text in texts {
            listener.send(&reply(text), ends).await.unwrap();
        }
        assert!(listener.let_go().await.is_empty());
        listener.send(&reply(b"at once"), ends).await.unwrap();
        for text in texts.into_iter().chain([&b"at once"[..]]) {
            assert_eq!(next(&client, &listener).await, text);
        }
    }

    #[tokio::test]
    async fn what_is_put_off_leaves_when_it_is_sent_and_what_comes_meanwhile_too() {
        let listener = Arc::new(Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap());
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let ends = Ends { from: client.local_addr().unwrap(), to: Some(listener.local_addr().ip()) };
        let places = Arc::new(Semaphore::new(3));
        let put_off = |text| listener.put_off(reply(text), ends, places.clone().try_acquire_owned().unwrap());
        assert!(put_off(b"first"), "it must be sent");
        assert!(!put_off(b"second"), "it goes with the first");
        assert_eq!(places.available_permits(), 1);
        assert!(listener.send_put_off().await.is_empty());
        assert_eq!(places.available_permits(), 3);
        assert!(put_off(b"third"), "nobody sends any more");
        assert!(listener.send_put_off().await.is_empty());
        for text in [&b"first"[..], b"second", b"third"] {
            assert_eq!(next(&client, &listener).await, text);
        }
    }

    #[test]
    fn replies_to_one_place_are_put_together_while_they_are_as_long() {
        let place = |port| Ends { from: SocketAddr::from(([192, 0, 2, 1], port)), to: None };
        let shapes = |replies: &[(&[u8], u16)], most| {
            let replies = replies.iter().map(|(text, port)| (reply(text), place(*port))).collect();
            let shape = |together: &Together| (together.ends.from.port(), together.segment, together.count);
            put_together(replies, most).iter().map(shape).collect::<Vec<_>>()
        };
        let (long, short) = (&[1; 40][..], &[2; 30][..]);
        assert_eq!(shapes(&[(long, 1), (long, 2), (long, 1), (short, 1)], 64), [(1, 40, 3), (2, 40, 1)]);
        // A shorter one is the last, a longer one begins anew.
        assert_eq!(shapes(&[(short, 1), (long, 1), (short, 1), (short, 1)], 64), [(1, 30, 1), (1, 40, 2), (1, 30, 1)]);
        assert_eq!(shapes(&[(long, 1), (long, 1), (long, 1)], 2), [(1, 40, 2), (1, 40, 1)]);
        assert_eq!(shapes(&[(long, 1), (long, 1)], 1), [(1, 40, 1), (1, 40, 1)]);
        // What a narrow link would have to break leaves alone.
        assert_eq!(shapes(&[(&[1; 1_300], 1), (&[1; 1_300], 1)], 64), [(1, 1_300, 1), (1, 1_300, 1)]);
    }

    #[tokio::test]
    async fn a_shared_address_is_still_taken_for_another_server() {
        let ours = Listener::bind_each("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = ours[0].local_addr();
        assert!(ours.iter().all(|listener| listener.local_addr() == address));
        assert_eq!(Listener::bind_each(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    fn reply(text: &[u8]) -> Arc<[u8]> {
        text.into()
    }

    /// The next datagram, which must come from the listener.
    async fn next(client: &UdpSocket, listener: &Listener) -> Vec<u8> {
        let mut buffer = [0; 64];
        let (length, from) = client.recv_from(&mut buffer).await.unwrap();
        assert_eq!(from, listener.local_addr());
        buffer[..length].to_vec()
    }

    #[tokio::test]
    async fn both_families_can_be_bound_to_one_port() {
        let v4 = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let v6 = Listener::bind(SocketAddr::new("::1".parse().unwrap(), v4.local_addr().port()));
        assert_eq!(v6.unwrap().local_addr().port(), v4.local_addr().port());
    }
}
