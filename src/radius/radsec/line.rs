//! One connection of a router: packets in, answers and orders out (RFC 6613 §2.6, RFC 6614 §2).
//!
//! Whoever answers puts the octets into a bounded queue and goes on; one writer brings them out. Each request has a place,
//! which it gives back when its answer is written or it gets none. So a router that does not read is not read from either,
//! and is cut off when that lasts; nobody else notices.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::end::End;
use crate::proto::radius::{BuildError, Packet, SharedSecret, sign};
use crate::radius::dropped::Dropped;

/// Requests of one connection in flight, answers included that are not written yet: an identifier is one octet. With the
/// longest packets 1 MiB.
pub(super) const PLACES: usize = 256;
/// Orders (Disconnect-Requests) of one connection in flight. Above it the next way is taken.
const ORDERS: usize = 64;
/// A peer that takes nothing for so long is stalled. RouterOS gives a request up after 3.3 s.
const WRITE: Duration = Duration::from_secs(10);
/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// The connection as those see it who send over it.
pub(in crate::radius) struct Line {
    queue: mpsc::Sender<Outgoing>,
    pub(super) places: Arc<Semaphore>,
    orders: Mutex<Orders>,
    /// Another connection needs its room.
    pub(super) crowded: CancellationToken,
}

/// Octets that wait to be written, and the place of the request that they answer.
pub(super) struct Outgoing {
    octets: Vec<u8>,
    _place: Option<Arc<OwnedSemaphorePermit>>,
}

/// The orders that wait for their replies.
#[derive(Default)]
struct Orders {
    next: u8,
    waiting: HashMap<u8, Order>,
}

/// What the reply to an order must be signed over, and with.
struct Order {
    authenticator: [u8; 16],
    secret: SharedSecret,
    reply: oneshot::Sender<Vec<u8>>,
}

/// The way back of one request.
#[derive(Clone)]
pub(in crate::radius) struct Back {
    line: Arc<Line>,
    place: Arc<OwnedSemaphorePermit>,
}

impl Back {
    pub(super) fn new(line: Arc<Line>, place: OwnedSemaphorePermit) -> Self {
        Self { line, place: Arc::new(place) }
    }

    /// Puts a reply into the queue; waits for nothing.
    pub(in crate::radius) fn send(&self, reply: &[u8]) -> io::Result<()> {
        self.line.enqueue(Outgoing { octets: reply.to_vec(), _place: Some(self.place.clone()) })
    }
}

impl Line {
    pub(super) fn new() -> (Arc<Self>, mpsc::Receiver<Outgoing>) {
        // There is room for all that have a place.
        let (queue, outgoing) = mpsc::channel(PLACES + ORDERS);
        let places = Arc::new(Semaphore::new(PLACES));
        (Arc::new(Self { queue, places, orders: Mutex::default(), crowded: CancellationToken::new() }), outgoing)
    }

    fn enqueue(&self, outgoing: Outgoing) -> io::Result<()> {
        self.queue.try_send(outgoing).map_err(|_| io::Error::from(io::ErrorKind::NotConnected))
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request of ours, once (RFC 6613 §2.6.1), and gives the reply that answers it. `None`: no such reply came in
    /// this time, the connection is gone, or as many wait as may.
    pub(in crate::radius) async fn order(
        &self,
        request: impl FnOnce(u8) -> Result<Vec<u8>, BuildError>,
        secret: &SharedSecret,
        wait: Duration,
    ) -> Option<Vec<u8>> {
        let (octets, _waiting, reply) = Waiting::on(self, request, secret)?;
        self.enqueue(Outgoing { octets, _place: None }).ok()?;
        tokio::time::timeout(wait, reply).await.ok()?.ok()
    }

    /// A reply to an order came.
    ///
    /// # Errors
    /// It answers none (RFC 6613 §2.6.4 leaves open what becomes of it), or is not signed as its answer; that waits on.
    pub(super) fn heard(&self, reply: &Packet<'_>) -> Result<(), Dropped> {
        let mut orders = self.orders();
        let order = orders.waiting.get(&reply.identifier()).ok_or(Dropped::StrayReply)?;
        sign::check_reply(reply, &order.authenticator, &order.secret).map_err(|_| Dropped::ForgedReply)?;
        if let Some(order) = orders.waiting.remove(&reply.identifier()) {
            // Whoever asked may have given up just now.
            let _ = order.reply.send(reply.trimmed().to_vec());
        }
        Ok(())
    }
}

/// An identifier in use; free again when dropped.
struct Waiting<'a> {
    line: &'a Line,
    identifier: u8,
}

impl<'a> Waiting<'a> {
    /// With the request of this identifier, and where its reply comes.
    fn on(
        line: &'a Line,
        request: impl FnOnce(u8) -> Result<Vec<u8>, BuildError>,
        secret: &SharedSecret,
    ) -> Option<(Vec<u8>, Self, oneshot::Receiver<Vec<u8>>)> {
        let mut orders = line.orders();
        if orders.waiting.len() >= ORDERS {
            return None;
        }
        while orders.waiting.contains_key(&orders.next) {
            orders.next = orders.next.wrapping_add(1);
        }
        let identifier = orders.next;
        let octets = request(identifier).ok()?;
        let authenticator = *Packet::parse(&octets).ok()?.authenticator();
        // The next one is another, so that a late reply is not taken for its.
        orders.next = identifier.wrapping_add(1);
        let (sender, reply) = oneshot::channel();
        orders.waiting.insert(identifier, Order { authenticator, secret: secret.clone(), reply: sender });
        Some((octets, Self { line, identifier }, reply))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.line.orders().waiting.remove(&self.identifier);
    }
}

/// Brings out what is in the queue until the peer takes no more.
pub(super) async fn write(stream: &mut (impl AsyncWrite + Unpin), queue: &mut mpsc::Receiver<Outgoing>) -> End {
    while let Some(outgoing) = queue.recv().await {
        let written = async {
            stream.write_all(&outgoing.octets).await?;
            if queue.is_empty() { stream.flush().await } else { Ok(()) }
        };
        match tokio::time::timeout(WRITE, written).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return End::Broken(error),
            Err(_) => return End::Stalled,
        }
    }
    End::Closed
}

/// Says goodbye, if the peer takes it.
pub(super) async fn close(stream: &mut (impl AsyncWrite + Unpin)) {
    // It may be gone already: then there is nobody to be told.
    let _ = tokio::time::timeout(GOODBYE, stream.shutdown()).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::radius::{Code, Opening, PacketBuilder};
    use crate::secret::Secret;

    const LONG: Duration = Duration::from_secs(60);

    fn secret() -> SharedSecret {
        SharedSecret::new(Secret::new("radsec"))
    }

    fn order(identifier: u8) -> Result<Vec<u8>, BuildError> {
        let packet = PacketBuilder::new(Code::DISCONNECT_REQUEST, identifier, Opening::MessageAuthenticator);
        Ok(sign::sign_coa_request(packet, &secret()))
    }

    fn answer(request: &[u8], secret: &SharedSecret) -> Vec<u8> {
        let request = Packet::parse(request).unwrap();
        let reply = PacketBuilder::new(Code::DISCONNECT_ACK, request.identifier(), Opening::Bare);
        sign::sign_reply(reply, request.authenticator(), secret)
    }

    #[tokio::test]
    async fn orders_are_answered_in_any_order() {
        let (line, mut outgoing) = Line::new();
        let secret = secret();
        let (one, two) = (line.order(order, &secret, LONG), line.order(order, &secret, LONG));
        let router = async {
            let (first, second) = (outgoing.recv().await.unwrap().octets, outgoing.recv().await.unwrap().octets);
            for asked in [&second, &first] {
                assert_eq!(line.heard(&Packet::parse(&answer(asked, &secret)).unwrap()), Ok(()));
            }
            (answer(&first, &secret), answer(&second, &secret))
        };
        let (one, two, (first, second)) = tokio::join!(one, two, router);
        assert_eq!((one, two), (Some(first), Some(second)));
        assert!(line.orders().waiting.is_empty());
    }

    #[tokio::test]
    async fn what_answers_nothing_and_what_is_forged_is_no_reply() {
        let (line, mut outgoing) = Line::new();
        let secret = secret();
        let router = async {
            let asked = outgoing.recv().await.unwrap().octets;
            let heard = |reply: &[u8]| line.heard(&Packet::parse(reply).unwrap());
            assert_eq!(heard(&answer(&order(99).unwrap(), &secret)), Err(Dropped::StrayReply));
            let forged = answer(&asked, &SharedSecret::new(Secret::new("other")));
            assert_eq!(heard(&forged), Err(Dropped::ForgedReply));
            let right = answer(&asked, &secret);
            assert_eq!(heard(&right), Ok(()), "it waits on for the right one");
            assert_eq!(heard(&right), Err(Dropped::StrayReply));
            right
        };
        let (reply, right) = tokio::join!(line.order(order, &secret, LONG), router);
        assert_eq!(reply, Some(right));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_and_a_line_that_is_gone_are_no_reply() {
        let (line, outgoing) = Line::new();
        assert_eq!(line.order(order, &secret(), LONG).await, None);
        assert!(line.orders().waiting.is_empty());
        drop(outgoing);
        assert_eq!(line.order(order, &secret(), LONG).await, None);
    }

    #[tokio::test]
    async fn orders_are_bounded_and_give_their_places_back() {
        let (line, _outgoing) = Line::new();
        let held: Vec<_> = std::iter::from_fn(|| Waiting::on(&line, order, &secret())).collect();
        assert_eq!(held.len(), ORDERS);
        drop(held);
        assert!(Waiting::on(&line, order, &secret()).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_stalled_and_holds_every_place() {
        let (line, mut outgoing) = Line::new();
        // The other end keeps its half open and never reads.
        let (mut ours, _theirs) = tokio::io::duplex(64);
        for _ in 0..PLACES {
            let place = line.places.clone().try_acquire_owned().unwrap();
            Back::new(line.clone(), place).send(&[0; 64]).unwrap();
        }
        assert!(line.places.try_acquire().is_err(), "an answer that is not written holds its place");
        assert!(matches!(write(&mut ours, &mut outgoing).await, End::Stalled));
    }

    #[tokio::test]
    async fn an_answer_that_is_written_gives_its_place_back() {
        let (line, mut outgoing) = Line::new();
        let (mut ours, theirs) = tokio::io::duplex(4096);
        let place = line.places.clone().try_acquire_owned().unwrap();
        Back::new(line.clone(), place).send(b"answer").unwrap();
        tokio::select! {
            _ = write(&mut ours, &mut outgoing) => panic!("it ended"),
            _ = line.places.acquire_many(u32::try_from(PLACES).unwrap()) => {}
        }
        drop(theirs);
    }
}
