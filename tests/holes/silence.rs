//! Accounting is silent, and the router's list speaks for it.

use std::time::Duration;

use radgram::clock::Clock;
use radgram::domain::id::AccountId;
use radgram::domain::router::NasKey;
use radgram::gate::router_api::{Active, AdmittedBy};
use radgram::store::attempt::{Attempt, Verdict};

use super::{HOME, active};
use crate::shop::Shop;

/// Accepted a minute ago, by us.
fn accepted(acct_session_id: &str) -> Active {
    Active { admitted: AdmittedBy::Radius, ..active("ann", acct_session_id) }
}

impl Shop {
    /// An Accept a minute ago, whose Start was lost.
    pub(super) async fn accepted(&self, account: AccountId, nas: NasKey, name: &[u8]) {
        let session = self.store.reader().open_session(account).await.unwrap().unwrap();
        let attempt = Attempt {
            at: self.clock.now() - Duration::from_secs(60),
            router: nas.router,
            nas_address: nas.address,
            nas_identifier: nas.identifier,
            nas_ip: None,
            server: None,
            user_name: name.to_vec(),
            account: Some(account),
            user: session.user,
            session: Some(session.id),
            station: Some(HOME.to_owned()),
            method: "mschapv2",
            verdict: Verdict::Accept,
            reason: None,
            acct_session_id: Some("81a00001".to_owned()),
        };
        let mut tx = self.store.begin().await.unwrap();
        tx.add_attempt(&attempt).await.unwrap();
        tx.commit(self.clock.now()).await.unwrap();
    }

    pub(super) async fn is_cut(&self) -> bool {
        let pending = self.store.reader().pending_cuts().await.unwrap();
        !pending.is_empty() || !self.api.calls().is_empty()
    }
}

#[tokio::test]
async fn a_clock_that_is_set_throws_nobody_out() {
    let shop = Shop::open().await;
    let ann = shop.hires_ann().await;
    shop.grants(ann).await;
    shop.accepted(ann, shop.nas([192, 0, 2, 1], "office"), b"ann").await;
    shop.api.connects(accepted("81a00001"));
    let _staff = shop.opens();
    shop.waits("the lost start is made up for", || async { shop.open_connections().await == 1 }).await;
    let known = shop.store.reader().connections().await.unwrap();
    assert!(known[0].session.is_some());
    // Ours is set ten minutes on; the router's uptime is not.
    shop.passes(600).await;
    shop.waits("what was seen is written", || async {
        shop.store.reader().connections().await.unwrap()[0].seen_at > known[0].seen_at
    })
    .await;
    let now = shop.store.reader().connections().await.unwrap();
    assert_eq!((now.len(), now[0].id, now[0].ended_at), (1, known[0].id, None));
    assert!(!shop.is_cut().await);
}

#[tokio::test]
async fn an_accept_of_another_name_or_box_is_no_lost_start() {
    for (identifier, name) in [("office", &b"bob"[..]), ("annex", b"ann")] {
        let shop = Shop::open().await;
        let ann = shop.hires_ann().await;
        shop.grants(ann).await;
        shop.accepted(ann, shop.nas([192, 0, 2, 1], identifier), name).await;
        shop.api.connects(accepted("81a00001"));
        let _staff = shop.opens();
        shop.until("it is told of", || !shop.gate.outsiders(shop.office).is_empty()).await;
        assert_eq!(shop.open_connections().await, 0, "{identifier}");
    }
}
