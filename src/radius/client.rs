//! A RADIUS client for trying by hand: one request, sent as often as a router would, and the reply that answers it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::Instant;

use crate::proto::radius::packet::PACKET_MAX_BYTES;
use crate::proto::radius::{Forged, Malformed, Packet, SharedSecret, Signature, sign};

/// How a request is sent.
#[derive(Debug, Clone, Copy)]
pub struct Sending {
    /// Where to.
    pub server: SocketAddr,
    /// From which address; `None` leaves it to the system.
    pub source: Option<IpAddr>,
    /// How long each transmission is waited for.
    pub timeout: Duration,
    /// How many transmissions of the same octets there are, at most.
    pub tries: u32,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// Its octets: a packet whose authenticators are right.
    pub bytes: Vec<u8>,
    /// Whether it carries a Message-Authenticator.
    pub signature: Signature,
    /// How long it took from the first transmission.
    pub took: Duration,
    /// How many transmissions there were.
    pub sent: u32,
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum NoReply {
    /// Nothing came.
    #[error(
        "no answer after {0} transmissions: nobody listens there, the server does not know the address that we send from, or \
         its secret is another one (a server answers neither)"
    )]
    Silence(u32),
    /// Something came that does not count.
    #[error("an answer came that does not count: {0}")]
    Bad(Bad),
    /// The socket.
    #[error("the request cannot be sent to {0}: {1}")]
    Socket(SocketAddr, io::Error),
}

/// Why an answer does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    /// It is no packet.
    #[error("it is no packet, {0}")]
    Malformed(#[from] Malformed),
    /// It was made with another secret.
    #[error("{0}; the secret of the server is another one")]
    Forged(#[from] Forged),
}

/// Sends a request (its identifier and Request Authenticator are read from its octets) until a reply answers it.
///
/// # Errors
/// [`NoReply`]; an answer that does not count is waited past, and told if no other comes.
pub async fn exchange(request: &[u8], secret: &SharedSecret, sending: &Sending) -> Result<Reply, NoReply> {
    let trouble = |error| NoReply::Socket(sending.server, error);
    let socket = bind(sending).await.map_err(trouble)?;
    let asked = Packet::parse(request).map_err(|malformed| NoReply::Bad(malformed.into()))?;
    let (began, mut bad) = (Instant::now(), None);
    for sent in 1..=sending.tries {
        socket.send(request).await.map_err(trouble)?;
        let until = Instant::now() + sending.timeout;
        while let Ok(received) = tokio::time::timeout_at(until, receive(&socket)).await {
            // A closed port is told (ICMP): another transmission may find it open.
            let Ok(bytes) = received else { break };
            match check(&bytes, &asked, secret) {
                Some(Ok(signature)) => return Ok(Reply { bytes, signature, took: began.elapsed(), sent }),
                Some(Err(why)) => bad = Some(why),
                None => {}
            }
        }
        tokio::time::sleep_until(until).await;
    }
    Err(bad.map_or(NoReply::Silence(sending.tries), NoReply::Bad))
}

async fn bind(sending: &Sending) -> io::Result<UdpSocket> {
    let any = match sending.server {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((sending.source.unwrap_or(any), 0)).await?;
    socket.connect(sending.server).await?;
    Ok(socket)
}

async fn receive(socket: &UdpSocket) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; PACKET_MAX_BYTES];
    let length = socket.recv(&mut buffer).await?;
    buffer.truncate(length);
    Ok(buffer)
}

/// Whether octets answer the request; `None` if they speak of another one.
fn check(bytes: &[u8], asked: &Packet<'_>, secret: &SharedSecret) -> Option<Result<Signature, Bad>> {
    let reply = match Packet::parse(bytes) {
        Ok(reply) => reply,
        Err(malformed) => return Some(Err(malformed.into())),
    };
    (reply.identifier() == asked.identifier())
        .then(|| sign::check_reply(&reply, asked.authenticator(), secret).map_err(Bad::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::radius::{Code, Opening, PacketBuilder};
    use crate::secret::Secret;

    fn secret() -> SharedSecret {
        SharedSecret::new(Secret::new("testing123"))
    }

    /// A server that answers the second transmission, by a secret of its own; the first with octets that are no packet.
    async fn answers(with: &'static str) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            for count in 0.. {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let packet = Packet::parse(&buffer[..length]).unwrap();
                let reply = PacketBuilder::new(Code::ACCESS_ACCEPT, packet.identifier(), Opening::MessageAuthenticator);
                let secret = SharedSecret::new(Secret::new(with));
                let reply = sign::sign_reply(reply, packet.authenticator(), &secret);
                let reply = if count == 0 { b"nonsense".to_vec() } else { reply };
                socket.send_to(&reply, from).await.unwrap();
            }
        });
        address
    }

    async fn ask(server: SocketAddr) -> Result<Reply, NoReply> {
        let packet = PacketBuilder::new(Code::STATUS_SERVER, 9, Opening::MessageAuthenticator);
        let request = sign::sign_request(packet, &[3; 16], &secret());
        let sending = Sending { server, source: None, timeout: Duration::from_millis(200), tries: 3 };
        exchange(&request, &secret(), &sending).await
    }

    #[tokio::test]
    async fn a_reply_counts_if_it_is_in_order() {
        let reply = ask(answers("testing123").await).await.unwrap();
        assert_eq!((reply.sent, reply.signature), (2, Signature::Present));
        let bad = ask(answers("another").await).await.unwrap_err();
        assert!(matches!(bad, NoReply::Bad(Bad::Forged(_))), "{bad}");
    }

    #[tokio::test]
    async fn silence_is_told() {
        let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        assert!(matches!(ask(nobody.local_addr().unwrap()).await, Err(NoReply::Silence(3))));
    }
}
