//! Scheme `api`: the list is all that is known of connections, and it is not always right.

use radgram::domain::id::AccountId;
use radgram::domain::router::Scheme;

use super::{Staff, active};
use crate::shop::Shop;

/// Ann is connected on a router that decides by itself.
async fn connected() -> (Shop, Staff, AccountId) {
    let shop = Shop::open().await;
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

#[tokio::test]
async fn a_router_may_get_another_name() {
    let (shop, _staff, _) = connected().await;
    shop.api.is_called("headquarters");
    for _ in 0..3 {
        shop.passes(60).await;
    }
    assert_eq!(shop.open_connections().await, 1);
    assert_eq!(shop.api.calls(), [""; 0], "nobody is cut");
    shop.api.hangs_up();
    shop.passes(3).await;
    shop.waits("the end is seen", || async { shop.open_connections().await == 0 }).await;
}

#[tokio::test]
async fn what_was_missing_for_a_moment_is_still_cut_at_the_end() {
    let (shop, _staff, ann) = connected().await;
    shop.api.hangs_up();
    shop.passes(3).await;
    shop.waits("it is missed", || async { shop.open_connections().await == 0 }).await;
    shop.api.connects(active("ann", "81a00001"));
    shop.passes(3).await;
    shop.waits("it is known again", || async { shop.open_connections().await == 1 }).await;
    shop.ends(ann).await;
    shop.until("it is cut", || shop.api.calls().contains(&"remove connection 81a00001".to_owned())).await;
}
