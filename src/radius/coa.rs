//! Ends or changes a connection on its router: Disconnect- and CoA-Request, RFC 5176 §2.1 and §2.2, as RouterOS takes them.
//!
//! The packet says which connection is meant, and what is to be changed of it. It leaves from the address that the router
//! knows as its RADIUS server: RouterOS drops any other without a word. Two transmissions of the same bytes carry a
//! Message-Authenticator; then one more request goes without, for routers that do not like it. A router's habit may say
//! that all carry one, or none.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::dropped::{Dropped, Log};
use super::radsec::Lines;
use super::reply::push_attribute;
use crate::domain::habits::{Identification, Signing};
use crate::domain::radsec::Orders;
use crate::domain::router::NasKey;
use crate::gate::Gate;
use crate::gate::ports::{Amendment, CutOutcome, Cutter, Target};
use crate::proto::radius::packet::PACKET_MAX_BYTES;
use crate::proto::radius::{AttributeType, BuildError, Code, Opening, Packet, PacketBuilder, SharedSecret, sign};

/// How long each transmission is waited for: with what the router needs itself, less than the 10 s of the port.
const WAITS: [Duration; 3] = [Duration::from_secs(2), Duration::from_secs(2), Duration::from_secs(4)];
/// How long the reply over a router's own connection is waited for; together with the waits above less than the 10 s of
/// the port.
const CONNECTION_WAIT: Duration = Duration::from_millis(1_500);
/// After a failure of the socket itself, the wait goes on this much later.
const PAUSE: Duration = Duration::from_millis(50);
/// Session-Context-Not-Found, RFC 5176 §3.6.
const NO_SUCH_CONNECTION: u32 = 503;

/// Sends Disconnect- and CoA-Requests, each from a socket of its own, or over the connection of the box.
pub struct Cutters {
    gate: Arc<Gate>,
    log: Log,
    lines: Arc<Lines>,
    waits: [Duration; 3],
}

impl Cutters {
    /// Replies that are not taken are counted by the gate, as other packets are.
    pub fn new(gate: Arc<Gate>) -> Self {
        Self { gate, log: Log::default(), lines: Arc::default(), waits: WAITS }
    }

    /// Takes the connections of routers over TLS, too.
    #[must_use]
    pub fn over(self, lines: &Arc<Lines>) -> Self {
        Self { lines: lines.clone(), ..self }
    }

    /// What the box says over its own connection; `None` if it has none on this instance, or does not answer there.
    async fn over_connection(
        &self,
        target: &Target,
        amendment: Option<&Amendment>,
        nas: &NasKey,
    ) -> Option<CutOutcome> {
        let (line, secret) = (self.lines.of(nas)?, SharedSecret::new(target.secret.clone()));
        let (opening, _) = openings(target.habits.signing);
        let ask = |identifier| request(target, amendment, (identifier, opening), &secret);
        let reply = line.order(ask, &secret, CONNECTION_WAIT).await?;
        Packet::parse(&reply).ok().and_then(|reply| said(&reply))
    }

    async fn exchange(&self, target: &Target, amendment: Option<&Amendment>) -> Result<CutOutcome, Failure> {
        let secret = SharedSecret::new(target.secret.clone());
        let [identifier] = self.gate.entropy().bytes();
        let (first, last) = openings(target.habits.signing);
        let first = request(target, amendment, (identifier, first), &secret)?;
        let last = match last {
            Some(last) => request(target, amendment, (identifier.wrapping_add(1), last), &secret)?,
            None => first.clone(),
        };
        let (socket, is_known) = bind(target).await?;
        let exchange = Exchange { cutters: self, socket, router: target.router, secret, sent: [&first, &last] };
        for (bytes, wait) in [&first, &first, &last].into_iter().zip(self.waits) {
            // A router that cannot be reached now may be at the next transmission.
            if let Err(error) = exchange.socket.send_to(bytes, target.router).await {
                tracing::debug!(router = %target.router, %error, "a disconnect- or coa-request was not sent");
            }
            if let Ok(outcome) = tokio::time::timeout_at(Instant::now() + wait, exchange.reply()).await {
                return Ok(outcome);
            }
        }
        Ok(if is_known { CutOutcome::Silent } else { CutOutcome::Astray })
    }

    async fn ask(&self, target: &Target, amendment: Option<&Amendment>) -> CutOutcome {
        if let Some(over) = target.radsec.as_ref().filter(|over| over.orders != Orders::Udp) {
            match (self.over_connection(target, amendment, &over.nas).await, over.orders) {
                (Some(outcome), _) => return outcome,
                (None, Orders::Connection) => return CutOutcome::Silent,
                (None, Orders::ConnectionThenUdp | Orders::Udp) => {}
            }
        }
        self.exchange(target, amendment).await.unwrap_or_else(|failure| {
            tracing::warn!(router = %target.router, error = %failure, "no disconnect- or coa-request can be sent");
            CutOutcome::Silent
        })
    }
}

#[async_trait]
impl Cutter for Cutters {
    async fn disconnect(&self, target: &Target) -> CutOutcome {
        self.ask(target, None).await
    }

    async fn change(&self, target: &Target, amendment: &Amendment) -> CutOutcome {
        self.ask(target, Some(amendment)).await
    }
}

/// How the first request begins, and the last where it is another one.
const fn openings(signing: Signing) -> (Opening, Option<Opening>) {
    match signing {
        Signing::Auto => (Opening::MessageAuthenticator, Some(Opening::Bare)),
        Signing::Yes => (Opening::MessageAuthenticator, None),
        Signing::No => (Opening::Bare, None),
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Packet(#[from] BuildError),
    #[error("no socket: {0}")]
    Socket(#[from] io::Error),
}

/// Two requests on their way and the socket that their replies come to.
struct Exchange<'a> {
    cutters: &'a Cutters,
    socket: UdpSocket,
    router: SocketAddr,
    secret: SharedSecret,
    sent: [&'a [u8]; 2],
}

impl Exchange<'_> {
    /// Waits for a reply of the router to one of the requests; what others send is not looked at.
    async fn reply(&self) -> CutOutcome {
        let mut buffer = vec![0; PACKET_MAX_BYTES];
        loop {
            let Ok((length, source)) = self.socket.recv_from(&mut buffer).await else {
                // The echo of a closed port (ICMP): a later transmission may find it open.
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            if source.port() != self.router.port() || source.ip().to_canonical() != self.router.ip().to_canonical() {
                continue;
            }
            match self.outcome(buffer.get(..length).unwrap_or_default()) {
                Ok(outcome) => return outcome,
                Err(dropped) => self.cutters.log.dismiss(&self.cutters.gate, dropped, source.ip().to_canonical()),
            }
        }
    }

    fn outcome(&self, datagram: &[u8]) -> Result<CutOutcome, Dropped> {
        let reply = Packet::parse(datagram).map_err(Dropped::Malformed)?;
        let mut requests = self.sent.iter().filter_map(|sent| Packet::parse(sent).ok());
        let request = requests.find(|request| request.identifier() == reply.identifier()).ok_or(Dropped::StrayReply)?;
        sign::check_reply(&reply, request.authenticator(), &self.secret).map_err(|_| Dropped::ForgedReply)?;
        said(&reply).ok_or(Dropped::WrongCode)
    }
}

/// What a reply says; `None` if it is none to a Disconnect- or CoA-Request.
fn said(reply: &Packet<'_>) -> Option<CutOutcome> {
    match (reply.code(), reply.integer(AttributeType::ERROR_CAUSE)) {
        (Code::DISCONNECT_ACK | Code::COA_ACK, _) => Some(CutOutcome::Acknowledged),
        (Code::DISCONNECT_NAK | Code::COA_NAK, Some(NO_SUCH_CONNECTION)) => Some(CutOutcome::Gone),
        (Code::DISCONNECT_NAK | Code::COA_NAK, cause) => Some(CutOutcome::Refused(cause)),
        _ => None,
    }
}

/// A socket with the address that the router knows us by; if we do not have it (any more), with any of its family, and
/// `false`.
async fn bind(target: &Target) -> io::Result<(UdpSocket, bool)> {
    let family = target.router.ip();
    let known = target.server.filter(|server| server.is_ipv4() == family.is_ipv4());
    if let Some(server) = known {
        match UdpSocket::bind((server, 0)).await {
            Ok(socket) => return Ok((socket, true)),
            Err(error) => {
                tracing::warn!(%server, %error, "not our address: the router will take no disconnect- or coa-request")
            }
        }
    }
    let any = match family {
        IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    // No record has told yet which address it knows: then it is not known to be another.
    Ok((UdpSocket::bind((any, 0)).await?, known.is_none()))
}

/// Which connection is meant, in the router's own words, what is to be changed of it, and nothing else: RouterOS refuses a
/// request with more.
fn request(
    target: &Target,
    amendment: Option<&Amendment>,
    (identifier, opening): (u8, Opening),
    secret: &SharedSecret,
) -> Result<Vec<u8>, BuildError> {
    let code = if amendment.is_some() { Code::COA_REQUEST } else { Code::DISCONNECT_REQUEST };
    let mut packet = PacketBuilder::new(code, identifier, opening);
    push_target(&mut packet, target)?;
    if let Some(amendment) = amendment {
        if let Some(timeout) = amendment.timeout {
            let seconds = u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX);
            packet.push_integer(AttributeType::SESSION_TIMEOUT, seconds)?;
        }
        amendment.attributes.iter().try_for_each(|attribute| push_attribute(&mut packet, attribute))?;
    }
    Ok(sign::sign_coa_request(packet, secret))
}

fn push_target(packet: &mut PacketBuilder, target: &Target) -> Result<(), BuildError> {
    let identification = target.habits.identification;
    match target.nas_ip.filter(|_| identification == Identification::Full) {
        Some(address @ IpAddr::V4(_)) => packet.push_address(AttributeType::NAS_IP_ADDRESS, address)?,
        Some(address @ IpAddr::V6(_)) => packet.push_address(AttributeType::NAS_IPV6_ADDRESS, address)?,
        None => &mut *packet,
    };
    if identification != Identification::SessionId {
        packet.push(AttributeType::USER_NAME, &target.user_name)?;
    }
    packet.push(AttributeType::ACCT_SESSION_ID, target.acct_session_id.as_bytes())?;
    let framed_ip = target.framed_ip.filter(|_| identification != Identification::SessionId);
    if let Some(address @ IpAddr::V4(_)) = framed_ip {
        packet.push_address(AttributeType::FRAMED_IP_ADDRESS, address)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hex;
    use crate::domain::attribute::ReplyAttribute;
    use crate::domain::habits::CoaHabits;
    use crate::gate::fixture::Site;
    use crate::proto::radius::{Signature, VendorType};
    use crate::secret::Secret;

    fn target(router: SocketAddr) -> Target {
        Target {
            router,
            server: Some(IpAddr::from([127, 0, 0, 2])),
            secret: Secret::new("testing123"),
            habits: CoaHabits::default(),
            nas_ip: Some(IpAddr::from([198, 51, 100, 1])),
            user_name: b"User".to_vec(),
            acct_session_id: "81500001".to_owned(),
            framed_ip: Some(IpAddr::from([10, 8, 0, 5])),
            radsec: None,
        }
    }

    fn secret() -> SharedSecret {
        SharedSecret::new(Secret::new("testing123"))
    }

    #[test]
    fn the_packet_is_that_of_the_vectors() {
        let target = target(SocketAddr::from(([192, 0, 2, 1], 3799)));
        let bytes = request(&target, None, (0x42, Opening::Bare), &secret()).unwrap();
        let expected = "284200307c0e9fb649af49db4a2a3eda9065f7d5\
                        0406c63364010106557365722c0a383135303030303108060a080005";
        assert_eq!(hex::encode(&bytes), expected);
    }

    /// Waits for nothing that is not answered, and long for what is.
    const WAITS_OF_TEST: [Duration; 3] = [Duration::from_millis(1), Duration::from_millis(1), Duration::from_secs(60)];

    /// What becomes of a Disconnect-Request that a router answers by `answer`; `None` is silence to that transmission.
    async fn outcome(
        waits: [Duration; 3],
        signing: Signing,
        amendment: Option<Amendment>,
        answer: impl Fn(&Packet<'_>) -> Option<PacketBuilder> + Send + 'static,
    ) -> CutOutcome {
        let router = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let habits = CoaHabits { signing, ..CoaHabits::default() };
        let target = Target { habits, ..target(router.local_addr().unwrap()) };
        let answering = tokio::spawn(async move {
            let mut buffer = [0; 4096];
            loop {
                let (length, source) = router.recv_from(&mut buffer).await.unwrap();
                assert_eq!(source.ip(), IpAddr::from([127, 0, 0, 2]));
                let packet = Packet::parse(&buffer[..length]).unwrap();
                sign::check_hashed_request(&packet, &secret()).unwrap();
                if let Some(reply) = answer(&packet) {
                    let reply = sign::sign_reply(reply, packet.authenticator(), &secret());
                    router.send_to(&reply, source).await.unwrap();
                }
            }
        });
        let site = Site::new().await;
        let cutters = Cutters { waits, ..Cutters::new(site.gate.clone()) };
        let outcome = cutters.ask(&target, amendment.as_ref()).await;
        answering.abort();
        outcome
    }

    fn reply(code: Code, packet: &Packet<'_>, cause: Option<u32>) -> Option<PacketBuilder> {
        let mut reply = PacketBuilder::new(code, packet.identifier(), Opening::Bare);
        cause.map(|cause| reply.push_integer(AttributeType::ERROR_CAUSE, cause).unwrap());
        Some(reply)
    }

    #[tokio::test]
    async fn what_the_router_says_is_understood() {
        for (code, cause, expected) in [
            (Code::DISCONNECT_ACK, None, CutOutcome::Acknowledged),
            (Code::DISCONNECT_NAK, Some(503), CutOutcome::Gone),
            (Code::DISCONNECT_NAK, Some(401), CutOutcome::Refused(Some(401))),
            (Code::DISCONNECT_NAK, None, CutOutcome::Refused(None)),
        ] {
            let answer = move |packet: &Packet<'_>| reply(code, packet, cause);
            assert_eq!(outcome([Duration::from_secs(60); 3], Signing::Auto, None, answer).await, expected);
        }
    }

    #[tokio::test]
    async fn a_router_that_does_not_like_the_message_authenticator_is_asked_without() {
        let is_signed = |packet: &Packet<'_>| sign::check_hashed_request(packet, &secret()) == Ok(Signature::Present);
        let answer = move |packet: &Packet<'_>| match is_signed(packet) {
            true => None,
            false => reply(Code::DISCONNECT_ACK, packet, None),
        };
        assert_eq!(outcome(WAITS_OF_TEST, Signing::Auto, None, answer).await, CutOutcome::Acknowledged);
        assert_eq!(outcome([Duration::from_secs(60); 3], Signing::No, None, answer).await, CutOutcome::Acknowledged);
        let patient = [Duration::from_millis(1); 3];
        assert_eq!(outcome(patient, Signing::Yes, None, answer).await, CutOutcome::Silent);
    }

    fn amendment() -> Amendment {
        let attributes = vec![
            ReplyAttribute::parse("Mikrotik-Rate-Limit", "10M/20M").unwrap(),
            ReplyAttribute::parse("Filter-Id", "staff.in").unwrap(),
        ];
        Amendment { timeout: Some(Duration::from_secs(3600)), attributes }
    }

    #[test]
    fn a_change_says_which_connection_and_what() {
        let target = target(SocketAddr::from(([192, 0, 2, 1], 3799)));
        let bytes = request(&target, Some(&amendment()), (7, Opening::MessageAuthenticator), &secret()).unwrap();
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.code(), Code::COA_REQUEST);
        assert_eq!(sign::check_hashed_request(&packet, &secret()), Ok(Signature::Present));
        assert_eq!(packet.integer(AttributeType::SESSION_TIMEOUT), Some(3600));
        assert_eq!(packet.vendor(VendorType::MIKROTIK_RATE_LIMIT), Some(&b"10M/20M"[..]));
        assert_eq!(packet.first(AttributeType::FILTER_ID), Some(&b"staff.in"[..]));
    }

    #[test]
    fn a_router_may_want_less_said_of_which_connection_it_is() {
        let kinds = |identification| {
            let habits = CoaHabits { identification, ..CoaHabits::default() };
            let target = Target { habits, ..target(SocketAddr::from(([192, 0, 2, 1], 3799))) };
            let bytes = request(&target, None, (7, Opening::Bare), &secret()).unwrap();
            let packet = Packet::parse(&bytes).unwrap();
            packet.attributes().map(|attribute| attribute.kind).collect::<Vec<_>>()
        };
        let (name, id) = (AttributeType::USER_NAME, AttributeType::ACCT_SESSION_ID);
        let (nas, framed) = (AttributeType::NAS_IP_ADDRESS, AttributeType::FRAMED_IP_ADDRESS);
        assert_eq!(kinds(Identification::Full), [nas, name, id, framed]);
        assert_eq!(kinds(Identification::WithoutNasAddress), [name, id, framed]);
        assert_eq!(kinds(Identification::SessionId), [id]);
    }

    #[tokio::test]
    async fn what_the_router_says_to_a_change_is_understood() {
        for (code, cause, expected) in [
            (Code::COA_ACK, None, CutOutcome::Acknowledged),
            (Code::COA_NAK, Some(503), CutOutcome::Gone),
            (Code::COA_NAK, Some(401), CutOutcome::Refused(Some(401))),
        ] {
            let answer = move |packet: &Packet<'_>| reply(code, packet, cause);
            let waits = [Duration::from_secs(60); 3];
            assert_eq!(outcome(waits, Signing::Auto, Some(amendment()), answer).await, expected);
        }
    }

    #[tokio::test]
    async fn silence_is_told_apart_from_an_address_that_we_do_not_have() {
        let (router, site) = (UdpSocket::bind("127.0.0.1:0").await.unwrap(), Site::new().await);
        let cutters = Cutters { waits: [Duration::from_millis(1); 3], ..Cutters::new(site.gate.clone()) };
        let ours = target(router.local_addr().unwrap());
        assert_eq!(cutters.disconnect(&ours).await, CutOutcome::Silent);
        let nobodys = Target { server: Some(IpAddr::from([192, 0, 2, 77])), ..ours.clone() };
        assert_eq!(cutters.disconnect(&nobodys).await, CutOutcome::Astray);
        let not_known_yet = Target { server: None, ..ours };
        assert_eq!(cutters.disconnect(&not_known_yet).await, CutOutcome::Silent);
    }

    #[tokio::test]
    async fn a_reply_that_is_not_the_routers_is_not_believed() {
        let router = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let target = target(router.local_addr().unwrap());
        let answering = tokio::spawn(async move {
            let (mut buffer, stranger) = ([0; 4096], UdpSocket::bind("127.0.0.1:0").await.unwrap());
            let (length, source) = router.recv_from(&mut buffer).await.unwrap();
            let packet = Packet::parse(&buffer[..length]).unwrap();
            let ack = |secret: &SharedSecret, code| {
                sign::sign_reply(reply(code, &packet, None).unwrap(), packet.authenticator(), secret)
            };
            let forged = ack(&SharedSecret::new(Secret::new("other")), Code::DISCONNECT_ACK);
            stranger.send_to(&ack(&secret(), Code::DISCONNECT_ACK), source).await.unwrap();
            router.send_to(&forged, source).await.unwrap();
            router.send_to(b"no packet", source).await.unwrap();
            let mut late = ack(&secret(), Code::DISCONNECT_ACK);
            late[1] ^= 0x80;
            router.send_to(&late, source).await.unwrap();
            router.send_to(&ack(&secret(), Code::ACCESS_ACCEPT), source).await.unwrap();
            router.send_to(&ack(&secret(), Code::DISCONNECT_NAK), source).await.unwrap();
        });
        let waits = [Duration::from_secs(60); 3];
        let site = Site::new().await;
        let cutters = Cutters { waits, ..Cutters::new(site.gate.clone()) };
        let outcome = cutters.disconnect(&target).await;
        answering.await.unwrap();
        assert_eq!(outcome, CutOutcome::Refused(None));
        let counted =
            ["forged_reply", "stray_reply", "short", "wrong_code"].map(|word| site.gate.metrics().drops(word));
        assert_eq!(counted, [1; 4]);
    }
}
