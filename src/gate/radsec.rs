//! RadSec as operators see it: which routers are connected, what went wrong last, and certificates of no router that call.
//!
//! What is here is of this instance and in memory; how each box last called stands in the database.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Gate;
use super::directory::RouterTable;
use crate::clock::Timestamp;
use crate::domain::api::Fingerprint;
use crate::domain::id::RouterId;
use crate::domain::radsec::Certificate;
use crate::domain::router::{NasKey, Router};
use crate::store::StoreError;

/// The most callers remembered that were not taken; the longest silent one makes room.
const UNKNOWN: usize = 256;
/// The most routers whose last trouble is remembered; the oldest makes room.
const TROUBLES: usize = 4_096;

/// A connection that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RadsecLine {
    /// Whose.
    pub router: RouterId,
    /// Where it calls from.
    pub from: SocketAddr,
    /// What it showed.
    pub certificate: Certificate,
    /// Since when.
    pub since: Timestamp,
}

/// Why a connection of a router ended that should not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RadsecTrouble {
    /// When.
    pub at: Timestamp,
    /// Where it called from.
    pub from: IpAddr,
    /// Why, in words.
    pub why: String,
}

/// Somebody who called over TLS and was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RadsecStranger {
    /// Where it called from last.
    pub address: IpAddr,
    /// What it showed, if it came so far. Only what came from the client authority is proven to be its own.
    pub certificate: Option<Certificate>,
    /// Why it was not taken.
    pub why: Refusal,
    /// First call.
    pub first_at: Timestamp,
    /// Last call.
    pub last_at: Timestamp,
    /// Calls.
    pub count: u64,
}

/// Why a caller over TLS was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The handshake came to nothing; why, in words. What was shown may be anybody's.
    Handshake(String),
    /// The certificate is of the client authority, its key was proven, and it is that of no router.
    NoRouter(NoRouter),
}

impl Refusal {
    /// In words.
    pub fn text(&self) -> &str {
        match self {
            Self::Handshake(why) => why,
            Self::NoRouter(why) => why.text(),
        }
    }
}

/// Why a certificate is that of no router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRouter {
    /// No router is known by it.
    Unknown,
    /// Its names are those of several routers.
    Several,
}

impl NoRouter {
    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Unknown => "no router is known by this certificate",
            Self::Several => "several routers are known by names in this certificate",
        }
    }
}

impl RouterTable {
    /// The router that is known by this certificate; its fingerprint counts before its names.
    ///
    /// # Errors
    /// None is, or its names are those of several.
    pub fn of_certificate(&self, certificate: &Certificate) -> Result<&Arc<Router>, NoRouter> {
        use crate::domain::radsec::KnownBy;
        let is = |router: &&Arc<Router>| router.radsec.as_ref().is_some_and(|known_by| known_by.is(certificate));
        let pinned = |router: &&Arc<Router>| matches!(router.radsec, Some(KnownBy::Fingerprint(_)));
        if let Some(router) = self.routers().iter().filter(pinned).find(is) {
            return Ok(router);
        }
        let mut named = self.routers().iter().filter(is);
        match (named.next(), named.next()) {
            (Some(router), None) => Ok(router),
            (Some(_), Some(_)) => Err(NoRouter::Several),
            (None, _) => Err(NoRouter::Unknown),
        }
    }

    /// The address that a box is kept under which shows this certificate, wherever it calls from now; `None` if it never
    /// called so. The oldest one, should there be several.
    pub fn address_of(&self, router: RouterId, certificate: Fingerprint, identifier: &str) -> Option<IpAddr> {
        let boxes = self.boxes().filter(|nas| {
            nas.key.router == router && nas.certificate == Some(certificate) && nas.key.identifier == identifier
        });
        boxes.min_by_key(|nas| nas.id).map(|nas| nas.key.address)
    }
}

/// What is remembered.
#[derive(Default)]
pub(super) struct Radsec(Mutex<Book>);

#[derive(Default)]
struct Book {
    next: u64,
    lines: HashMap<u64, RadsecLine>,
    troubles: HashMap<RouterId, RadsecTrouble>,
    strangers: HashMap<Caller, RadsecStranger>,
}

/// By what a caller is told from another: its certificate, or its address where it showed none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Caller {
    Certificate(Fingerprint),
    Address(IpAddr),
}

impl Radsec {
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuse(&self, address: IpAddr, certificate: Option<Certificate>, why: Refusal, now: Timestamp) {
        let caller = certificate
            .as_ref()
            .map_or(Caller::Address(address), |certificate| Caller::Certificate(certificate.fingerprint));
        let strangers = &mut self.lock().strangers;
        if let Some(stranger) = strangers.get_mut(&caller) {
            stranger.last_at = now;
            stranger.count = stranger.count.saturating_add(1);
            stranger.address = address;
            stranger.why = why;
            return;
        }
        if strangers.len() >= UNKNOWN
            && let Some(oldest) =
                strangers.iter().min_by_key(|(_, stranger)| stranger.last_at).map(|(caller, _)| *caller)
        {
            strangers.remove(&oldest);
        }
        strangers.insert(caller, RadsecStranger { address, certificate, why, first_at: now, last_at: now, count: 1 });
    }
}

/// A connection in the book; dropping it takes it out.
pub struct RadsecOpen {
    gate: Arc<Gate>,
    number: u64,
}

impl Drop for RadsecOpen {
    fn drop(&mut self) {
        self.gate.radsec.lock().lines.remove(&self.number);
        self.gate.metrics().radsec_connections.dec();
    }
}

impl Gate {
    /// A router is connected.
    pub fn radsec_opened(
        self: &Arc<Self>,
        router: RouterId,
        from: SocketAddr,
        certificate: &Certificate,
    ) -> RadsecOpen {
        let line = RadsecLine { router, from, certificate: certificate.clone(), since: self.now() };
        let book = &mut *self.radsec.lock();
        book.next += 1;
        book.lines.insert(book.next, line);
        // It is known now.
        book.strangers.remove(&Caller::Certificate(certificate.fingerprint));
        self.metrics().radsec_connections.inc();
        RadsecOpen { gate: self.clone(), number: book.next }
    }

    /// The connections of a router that are up on this instance, the oldest first.
    pub fn radsec_lines(&self, router: RouterId) -> Vec<RadsecLine> {
        let book = self.radsec.lock();
        let mut lines: Vec<_> = book.lines.iter().filter(|(_, line)| line.router == router).collect();
        lines.sort_by_key(|(number, _)| **number);
        lines.into_iter().map(|(_, line)| line.clone()).collect()
    }

    /// A connection of a router ended that should not have.
    pub fn note_radsec_trouble(&self, router: RouterId, from: IpAddr, why: &str) {
        let trouble = RadsecTrouble { at: self.now(), from, why: why.to_owned() };
        let troubles = &mut self.radsec.lock().troubles;
        if troubles.len() >= TROUBLES
            && !troubles.contains_key(&router)
            && let Some(oldest) = troubles.iter().min_by_key(|(_, trouble)| trouble.at).map(|(router, _)| *router)
        {
            troubles.remove(&oldest);
        }
        troubles.insert(router, trouble);
    }

    /// What went wrong last with the connections of a router.
    pub fn radsec_trouble(&self, router: RouterId) -> Option<RadsecTrouble> {
        self.radsec.lock().troubles.get(&router).cloned()
    }

    /// Somebody called and was not taken.
    pub fn note_radsec_stranger(&self, address: IpAddr, certificate: Option<Certificate>, why: Refusal) {
        self.radsec.refuse(address, certificate, why, self.now());
    }

    /// Who called over TLS and was not taken, the last callers first.
    pub fn radsec_strangers(&self) -> Vec<RadsecStranger> {
        let mut strangers: Vec<_> = self.radsec.lock().strangers.values().cloned().collect();
        strangers.sort_by_key(|stranger| std::cmp::Reverse((stranger.last_at, stranger.count)));
        strangers
    }

    /// Writes down how a box calls over RadSec: it is the same one when it calls from elsewhere, and by UDP it is found
    /// where it called from last.
    pub async fn learn_radsec(&self, key: &NasKey, certificate: &Certificate, from: IpAddr) {
        let written = async {
            let now = self.now();
            let mut tx = self.store.begin().await?;
            let mut nas = tx.nas(key, now).await?;
            tx.mark_radsec(&nas, certificate, from, now).await?;
            let committed = tx.commit(now).await?;
            nas.certificate = Some(certificate.fingerprint);
            Ok::<_, StoreError>((nas, committed))
        };
        match written.await {
            Ok((nas, committed)) => {
                self.directory.learn_nas(nas);
                self.after(&committed);
            }
            Err(error) => {
                tracing::warn!(%error, "how a router calls could not be remembered; its next connection tries again")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_that_are_not_taken_are_bounded() {
        let radsec = Radsec::default();
        for at in 0..300_u32 {
            let now = Timestamp::from_millis(i64::from(at));
            let mut fingerprint = [0; 32];
            fingerprint[..4].copy_from_slice(&at.to_be_bytes());
            let shown = Certificate { fingerprint: Fingerprint(fingerprint), names: Vec::new() };
            radsec.refuse(IpAddr::from([192, 0, 2, 1]), Some(shown.clone()), Refusal::NoRouter(NoRouter::Unknown), now);
            radsec.refuse(IpAddr::from([192, 0, 2, 2]), Some(shown), Refusal::NoRouter(NoRouter::Several), now);
        }
        let book = radsec.lock();
        assert_eq!(book.strangers.len(), UNKNOWN);
        assert!(
            book.strangers
                .values()
                .all(|stranger| stranger.count == 2 && stranger.why == Refusal::NoRouter(NoRouter::Several))
        );
        assert_eq!(book.strangers.values().map(|stranger| stranger.first_at.millis()).min(), Some(300 - 256));
    }
}
