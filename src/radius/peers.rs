//! Peers: the routers with their shared secrets made ready, followed without asking per packet what has changed.
//!
//! A router whose secret is being changed is two peers for a while, one for each secret; a packet is of one of them, and is
//! read and answered with that one's secret all the way.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::clock::Timestamp;
use crate::domain::id::RouterId;
use crate::domain::radsec;
use crate::domain::router::{Router, SecretAge};
use crate::gate::directory::RouterTable;
use crate::proto::radius::{AttributeType, Code, Packet, SharedSecret, Signature, hide, sign};
use crate::secret::Secret;

/// A router and its secret with the key schedule made.
#[derive(Debug)]
pub(super) struct Peer {
    /// The router.
    pub(super) router: Arc<Router>,
    /// Its secret.
    pub(super) secret: SharedSecret,
    /// Which of two, while it is being changed.
    pub(super) age: SecretAge,
    /// The same router by the secret that it had before, and until when that is taken.
    before: Option<(Arc<Peer>, Timestamp)>,
}

/// Whose a packet is, and whether that was seen.
pub(super) struct Sender {
    pub(super) peer: Arc<Peer>,
    pub(super) seen: Seen,
}

/// Whether a packet shows by which secret it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Its signature does.
    Proven,
    /// Nothing does, or there is only one secret.
    Not,
}

impl Peer {
    fn of(router: &Arc<Router>) -> Self {
        let before = router.old_secret.as_ref().map(|old| {
            let (router, secret) = (router.clone(), old.secret.clone().into());
            (Arc::new(Self { router, secret, age: SecretAge::Old, before: None }), old.until)
        });
        Self { router: router.clone(), secret: router.secret.clone().into(), age: SecretAge::Current, before }
    }

    /// A router over TLS: there is one secret for all (RFC 6614 §2.3).
    pub(super) fn over_tls(router: &Arc<Router>) -> Self {
        let secret = SharedSecret::new(Secret::new(radsec::SECRET));
        Self { router: router.clone(), secret, age: SecretAge::Current, before: None }
    }

    /// Whether the router has this one secret only.
    pub(super) const fn is_alone(&self) -> bool {
        self.before.is_none()
    }

    /// This router's peer that sent the packet. What is signed tells by which secret; of what is not, a password that can be
    /// read does. Else it is the one that the box was `last` seen to use. Whatever is taken here, the packet is checked by it
    /// afterwards.
    pub(super) fn sender(self: Arc<Self>, packet: &Packet<'_>, last: Option<SecretAge>, now: Timestamp) -> Sender {
        let Some((before, _)) = self.before.as_ref().filter(|(_, until)| now < *until) else {
            return Sender { peer: self, seen: Seen::Not };
        };
        let both = match last {
            Some(SecretAge::Old) => [before, &self],
            Some(SecretAge::Current) | None => [&self, before],
        };
        if let Some(peer) = both.iter().find(|peer| is_signed_by(packet, &peer.secret)) {
            return Sender { peer: (*peer).clone(), seen: Seen::Proven };
        }
        let mut readable = both.iter().filter(|peer| has_readable_password(packet, &peer.secret));
        let peer = match (readable.next(), readable.next()) {
            (Some(only), None) => only,
            (Some(_), Some(_)) | (None, _) => both[0],
        };
        Sender { peer: (*peer).clone(), seen: Seen::Not }
    }
}

fn is_signed_by(packet: &Packet<'_>, secret: &SharedSecret) -> bool {
    match packet.code() {
        Code::ACCOUNTING_REQUEST => sign::check_hashed_request(packet, secret).is_ok(),
        _ => sign::check_access_request(packet, secret) == Ok(Signature::Present),
    }
}

/// Whether the User-Password becomes text by this secret. By another one it becomes noise, which is text, and padded with
/// NUL, about never.
fn has_readable_password(packet: &Packet<'_>, secret: &SharedSecret) -> bool {
    let hidden = packet.first(AttributeType::USER_PASSWORD);
    let password = hidden.and_then(|hidden| hide::reveal_password(hidden, packet.authenticator(), secret).ok());
    password.is_some_and(|password| {
        std::str::from_utf8(password.expose()).is_ok_and(|text| !text.chars().any(char::is_control))
    })
}

/// The peers of one table of routers.
#[derive(Default)]
struct Known {
    table: Arc<RouterTable>,
    peers: HashMap<RouterId, Arc<Peer>>,
}

impl Known {
    /// The peers of another table; a router that did not change keeps its key schedule.
    fn of(table: Arc<RouterTable>, before: &Known) -> Self {
        let peer = |router: &Arc<Router>| {
            let same = before.peers.get(&router.id).filter(|peer| Arc::ptr_eq(&peer.router, router));
            let new = || Arc::new(Peer::of(router));
            (router.id, same.cloned().unwrap_or_else(new))
        };
        let peers = table.routers().iter().map(peer).collect();
        Self { table, peers }
    }
}

/// The peers of the table that was last looked at.
#[derive(Default)]
pub(super) struct Peers(ArcSwap<Known>);

impl Peers {
    /// Whose packets come from `source`, by `table`; `identifier` reads what the packet says that its box is called.
    pub(super) fn of(
        &self,
        table: &Arc<RouterTable>,
        source: IpAddr,
        identifier: impl Fn() -> String,
    ) -> Option<Arc<Peer>> {
        let router = table.sender(source, identifier)?;
        let known = self.0.load();
        if Arc::ptr_eq(&known.table, table) {
            return known.peers.get(&router.id).cloned();
        }
        let known = Arc::new(Known::of(table.clone(), &known));
        self.0.store(known.clone());
        known.peers.get(&router.id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::attribute::ReplyAttributes;
    use crate::domain::router::{Demand, Leases, OldSecret, Scheme, source_network};
    use crate::proto::radius::{Opening, PacketBuilder};

    const NOW: Timestamp = Timestamp::from_millis(1_795_428_000_000);
    const AUTHENTICATOR: [u8; 16] = [0x5a; 16];

    fn peer() -> Arc<Peer> {
        let old = OldSecret { secret: Secret::new("old-secret"), until: NOW };
        Arc::new(Peer::of(&Arc::new(Router {
            id: RouterId(1),
            name: "office".to_owned(),
            address: source_network("192.0.2.1").unwrap(),
            nas_identifier: None,
            secret: Secret::new("new-secret"),
            old_secret: Some(old),
            coa_port: 3799,
            message_authenticator: Demand::Auto,
            scheme: Scheme::Radius,
            api: None,
            leases: Leases::Off,
            version: 1,
            attributes: Arc::new(ReplyAttributes::default()),
            home: None,
            radsec: None,
        })))
    }

    fn request(opening: Opening, secret: &str, password: Option<&[u8]>) -> Vec<u8> {
        let secret = SharedSecret::new(Secret::new(secret));
        let mut packet = PacketBuilder::new(Code::ACCESS_REQUEST, 1, opening);
        packet.push(AttributeType::USER_NAME, b"ann").unwrap();
        if let Some(password) = password {
            let hidden = hide::hide_password(password, &AUTHENTICATOR, &secret).unwrap();
            packet.push(AttributeType::USER_PASSWORD, &hidden).unwrap();
        }
        sign::sign_request(packet, &AUTHENTICATOR, &secret)
    }

    #[track_caller]
    fn check(bytes: &[u8], last: Option<SecretAge>, expected: (SecretAge, Seen)) {
        let before = Timestamp::from_millis(NOW.millis() - 1);
        let sender = peer().sender(&Packet::parse(bytes).unwrap(), last, before);
        assert_eq!((sender.peer.age, sender.seen), expected);
        let after = peer().sender(&Packet::parse(bytes).unwrap(), last, NOW);
        assert_eq!((after.peer.age, after.seen), (SecretAge::Current, Seen::Not), "the old one is over");
    }

    #[test]
    fn a_signature_tells_by_which_secret_it_was_made() {
        use SecretAge::{Current, Old};
        let signed = |secret| request(Opening::MessageAuthenticator, secret, None);
        for last in [None, Some(Old), Some(Current)] {
            check(&signed("old-secret"), last, (Old, Seen::Proven));
            check(&signed("new-secret"), last, (Current, Seen::Proven));
        }
        check(&signed("another"), None, (Current, Seen::Not));
        let accounting = |secret: &str| {
            let packet = PacketBuilder::new(Code::ACCOUNTING_REQUEST, 1, Opening::Bare);
            sign::sign_accounting_request(packet, &SharedSecret::new(Secret::new(secret)))
        };
        check(&accounting("old-secret"), Some(Current), (Old, Seen::Proven));
        check(&accounting("new-secret"), Some(Old), (Current, Seen::Proven));
    }

    #[test]
    fn of_what_is_not_signed_a_readable_password_tells_and_else_what_the_box_used_last() {
        use SecretAge::{Current, Old};
        let pap = |secret, password: &'static [u8]| request(Opening::Bare, secret, Some(password));
        for last in [None, Some(Old), Some(Current)] {
            check(&pap("old-secret", b"Passwort"), last, (Old, Seen::Not));
            check(&pap("new-secret", "Пароль-из-букв".as_bytes()), last, (Current, Seen::Not));
        }
        check(&pap("old-secret", &[0xff; 16]), Some(Old), (Old, Seen::Not));
        let bare = request(Opening::Bare, "old-secret", None);
        check(&bare, None, (Current, Seen::Not));
        check(&bare, Some(Old), (Old, Seen::Not));
    }
}
