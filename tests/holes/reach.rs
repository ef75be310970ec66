//! How a router is reached, and who decides there, is changed while something of ours is open on it.

use radgram::domain::account::Switch;
use radgram::domain::id::AccountId;
use radgram::domain::router::{Leases, Scheme};
use radgram::gate::ReachForm;
use radgram::gate::router_api::Menu;

use super::{Staff, active};
use crate::shop::{ADMIN, Shop};

/// Ann has a session, and the router's own account is enabled for it.
async fn enabled() -> (Shop, Staff, AccountId) {
    let shop = Shop::open().await;
    let ann = shop.hires_ann().await;
    shop.api.secret("ann", "Korrekt-Horse-1", &[]);
    shop.decide_by(Scheme::Api).await;
    let staff = shop.opens();
    shop.until("it is shut without a session", || shop.api.names(Menu::Secret) == ["-ann"]).await;
    shop.grants(ann).await;
    shop.until("it is enabled", || shop.api.names(Menu::Secret) == ["ann"]).await;
    shop.settles().await;
    (shop, staff, ann)
}

#[tokio::test]
async fn what_was_enabled_for_a_session_goes_with_it_whoever_decides_by_then() {
    let (shop, _staff, ann) = enabled().await;
    shop.decide_by(Scheme::Radius).await;
    shop.passes(15).await;
    assert_eq!(shop.api.names(Menu::Secret), ["ann"], "the session goes on");
    shop.ends(ann).await;
    shop.until("it is shut", || shop.api.names(Menu::Secret) == ["-ann"]).await;
}

#[tokio::test]
async fn what_is_still_to_be_shut_is_not_forgotten() {
    let (shop, _staff, ann) = enabled().await;
    shop.api.lost_after(0);
    shop.ends(ann).await;
    shop.waits("it cannot be shut", || async {
        shop.store.reader().pending_wants().await.unwrap().iter().any(|want| want.tries > 0)
    })
    .await;
    shop.decide_by(Scheme::Radius).await;
    shop.passes(15).await;
    shop.gate.switch_account(&ADMIN, ann, Switch::Disabled).await.unwrap();
    shop.api.comes_back();
    shop.passes(60).await;
    shop.until("it is shut", || shop.api.names(Menu::Secret) == ["-ann"]).await;
}

#[tokio::test]
async fn who_is_connected_when_leases_begin_gets_one() {
    let shop = Shop::open().await;
    let ann = shop.hires_ann().await;
    shop.decide_by(Scheme::Api).await;
    shop.grants(ann).await;
    shop.api.connects(active("ann", "81a00001"));
    let _staff = shop.opens();
    shop.waits("the connection is known", || async { shop.open_connections().await == 1 }).await;
    shop.settles().await;
    shop.reached_by(Scheme::Api, Leases::On).await;
    shop.passes(15).await;
    shop.until("it has a lease", || shop.api.leased() == ["10.8.0.5"]).await;
    shop.reached_by(Scheme::Api, Leases::Off).await;
    shop.passes(15).await;
    shop.until("it has none", || shop.api.leased().is_empty()).await;
}

#[tokio::test]
async fn what_is_open_where_the_api_is_taken_away_is_told() {
    let (shop, _staff, _) = enabled().await;
    let form = ReachForm { scheme: Scheme::Radius, leases: Leases::Off, api: None };
    shop.gate.set_router_reach(&ADMIN, shop.office, &form).await.unwrap();
    let alarms = shop.store.reader().alarms().await.unwrap();
    assert!(alarms.iter().any(|alarm| alarm.kind == "left_on" && alarm.text.contains("secret ann")), "{alarms:?}");
}

#[tokio::test]
async fn what_is_open_on_a_router_that_is_removed_is_told() {
    let (shop, _staff, _) = enabled().await;
    shop.gate.remove_router(&ADMIN, shop.office).await.unwrap();
    let alarms = shop.store.reader().alarms().await.unwrap();
    assert!(alarms.iter().any(|alarm| alarm.kind == "left_on" && alarm.text.contains("secret ann")), "{alarms:?}");
}

#[tokio::test]
async fn what_ended_while_there_was_no_api_is_shut_once_there_is_one_again() {
    let (shop, _staff, ann) = enabled().await;
    let form = ReachForm { scheme: Scheme::Radius, leases: Leases::Off, api: None };
    shop.gate.set_router_reach(&ADMIN, shop.office, &form).await.unwrap();
    shop.waits("it is known", || async { shop.gate.directory().routers().router(shop.office).unwrap().api.is_none() })
        .await;
    shop.ends(ann).await;
    shop.decide_by(Scheme::Radius).await;
    shop.until("it is shut", || shop.api.names(Menu::Secret) == ["-ann"]).await;
}
