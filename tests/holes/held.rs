//! The server's clock went back by an hour and is held: what waits for another try is tried all the same.

use std::sync::Arc;
use std::time::Duration;

use radgram::clock::{Clock, HeldClock, Timestamp};
use radgram::domain::account::Switch;
use radgram::domain::id::AccountId;
use radgram::domain::router::Scheme;
use radgram::gate::router_api::Menu;

use super::{Staff, active};
use crate::shop::Shop;

/// Ann is connected on a router that decides by itself; then the clock goes back.
async fn connected() -> (Shop, Staff, AccountId) {
    let shop = Shop::open_by(|clock| Arc::new(HeldClock::new(Arc::new(clock), Timestamp::default()))).await;
    let ann = shop.hires_ann().await;
    shop.api.secret("ann", "Korrekt-Horse-1", &[]);
    shop.decide_by(Scheme::Api).await;
    shop.grants(ann).await;
    shop.api.connects(active("ann", "81a00001"));
    let staff = shop.opens();
    shop.waits("the connection is known", || async { shop.open_connections().await == 1 }).await;
    shop.settles().await;
    (shop, staff, ann)
}

impl Shop {
    fn clock_goes_back(&self) {
        self.clock.set(self.clock.now() - Duration::from_secs(3600));
        assert!(!self.gate.clock().lag().is_zero());
    }

    async fn has_failed_to_cut(&self) {
        self.waits("a cut and a want have failed", || async {
            let reader = self.store.reader();
            reader.pending_cuts().await.unwrap().iter().any(|cut| cut.tries > 0)
                && reader.pending_wants().await.unwrap().iter().any(|want| want.tries > 0)
        })
        .await;
    }
}

#[tokio::test]
async fn what_failed_while_the_clock_is_held_is_tried_again() {
    let (shop, _staff, ann) = connected().await;
    shop.clock_goes_back();
    shop.api.lost_after(0);
    shop.ends(ann).await;
    shop.has_failed_to_cut().await;
    shop.api.comes_back();
    shop.settles().await;
    assert_eq!(shop.api.names(Menu::Secret), ["-ann"]);
    assert_eq!(shop.open_connections().await, 0);
}

#[tokio::test]
async fn what_failed_before_the_clock_went_back_is_tried_again() {
    let (shop, _staff, ann) = connected().await;
    shop.api.lost_after(0);
    shop.ends(ann).await;
    shop.has_failed_to_cut().await;
    shop.clock_goes_back();
    shop.api.comes_back();
    shop.settles().await;
    assert_eq!(shop.api.names(Menu::Secret), ["-ann"]);
}

#[tokio::test]
async fn what_somebody_switches_while_the_clock_is_held_is_switched_back() {
    let (shop, _staff, ann) = connected().await;
    shop.ends(ann).await;
    shop.settles().await;
    shop.clock_goes_back();
    shop.api.alter("ann", |account| account.switch = Switch::Enabled);
    shop.until("it is switched back", || shop.api.names(Menu::Secret) == ["-ann"]).await;
}
