//! Scheme `api`: the router was out of reach for longer than three intervals, and whoever is connected never noticed.

use std::time::Duration;

use radgram::clock::Clock;
use radgram::domain::id::AccountId;
use radgram::domain::router::{Leases, Scheme};
use radgram::gate::ReachForm;

use super::{Staff, active};
use crate::shop::{ADMIN, Shop};

/// Ann is connected, and the rule bound to her account is on.
async fn open_rule() -> (Shop, Staff, AccountId) {
    let shop = Shop::open().await;
    let ann = shop.hires_ann().await;
    shop.api.secret("ann", "Korrekt-Horse-1", &[]);
    shop.api.filters("*A", "2FA ann");
    shop.decide_by(Scheme::Api).await;
    shop.gate.bind_rule(&ADMIN, shop.office, ("*A", "2FA ann"), ann).await.unwrap();
    shop.grants(ann).await;
    shop.api.connects(active("ann", "81a00001"));
    let staff = shop.opens();
    shop.until("the rule is on", || shop.api.rule_is_on("*A")).await;
    shop.settles().await;
    (shop, staff, ann)
}

impl Shop {
    /// So many minutes pass, and each is swept.
    async fn sweeps(&self, minutes: usize) {
        for _ in 0..minutes {
            self.clock.advance(Duration::from_secs(60));
            let now = self.clock.now().millis();
            self.waits("the minute is swept", || async {
                self.store.reader().mark("clock").await.unwrap().is_some_and(|at| at >= now)
            })
            .await;
        }
    }
}

#[tokio::test]
async fn nobody_is_lost_whose_router_could_not_be_asked() {
    let (shop, _staff, _) = open_rule().await;
    let calls = shop.api.calls().len();
    shop.api.goes_away();
    shop.sweeps(10).await;
    assert_eq!(shop.open_connections().await, 1);
    shop.api.is_back(shop.clock.now());
    let since = shop.clock.now();
    shop.passes(60).await;
    shop.waits("it is heard of again", || async {
        shop.store.reader().connections().await.unwrap()[0].seen_at >= since
    })
    .await;
    shop.sweeps(1).await;
    shop.settles().await;
    assert_eq!(shop.open_connections().await, 1);
    assert!(shop.api.rule_is_on("*A"));
    assert_eq!(shop.api.calls()[calls..], [""; 0], "it was on throughout");
}

#[tokio::test]
async fn what_nobody_can_be_asked_about_any_more_is_lost() {
    let (shop, _staff, _) = open_rule().await;
    let form = ReachForm { scheme: Scheme::Radius, leases: Leases::Off, api: None };
    shop.gate.set_router_reach(&ADMIN, shop.office, &form).await.unwrap();
    shop.sweeps(10).await;
    assert_eq!(shop.open_connections().await, 0);
}
