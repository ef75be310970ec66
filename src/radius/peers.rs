//! Peers: the routers with their shared secrets made ready, followed without asking per packet what has changed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::domain::id::RouterId;
use crate::domain::router::Router;
use crate::gate::directory::RouterTable;
use crate::proto::radius::SharedSecret;

/// A router and its secret with the key schedule made.
#[derive(Debug)]
pub(super) struct Peer {
    /// The router.
    pub(super) router: Arc<Router>,
    /// Its secret.
    pub(super) secret: SharedSecret,
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
            let new = || Arc::new(Peer { router: router.clone(), secret: router.secret.clone().into() });
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
    /// Whose packets come from `source`, by `table`.
    pub(super) fn of(&self, table: &Arc<RouterTable>, source: IpAddr) -> Option<Arc<Peer>> {
        let router = table.of(source)?;
        let known = self.0.load();
        if Arc::ptr_eq(&known.table, table) {
            return known.peers.get(&router.id).cloned();
        }
        let known = Arc::new(Known::of(table.clone(), &known));
        self.0.store(known.clone());
        known.peers.get(&router.id).cloned()
    }
}
