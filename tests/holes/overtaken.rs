//! What a worker did on a router while somebody else said and did the opposite.

use radgram::domain::account::Switch;
use radgram::domain::router::Scheme;
use radgram::gate::router_api::Menu;

use super::active;
use crate::shop::Shop;

/// The worker is about to enable; the session ends, and whoever cuts finds the account disabled and is content. The
/// worker's word arrives last.
#[tokio::test]
async fn what_was_enabled_late_is_shut_again() {
    let shop = Shop::open().await;
    let ann = shop.hires_ann().await;
    shop.api.secret("ann", "Korrekt-Horse-1", &[]);
    shop.api.alter("ann", |account| account.switch = Switch::Disabled);
    shop.decide_by(Scheme::Api).await;
    shop.grants(ann).await;
    shop.api.connects(active("ann", "81a00001"));
    let turnstile = shop.api.hold_changes();
    let _staff = shop.opens();
    shop.waits("the connection is known", || async { shop.open_connections().await == 1 }).await;
    shop.until("the worker stands before the router", || shop.api.waiting() == 1).await;
    shop.ends(ann).await;
    shop.waits("it is cut", || async { shop.store.reader().pending_cuts().await.unwrap().is_empty() }).await;
    turnstile.add_permits(100);
    shop.until("the late word arrives", || shop.api.calls().iter().any(|call| call == "enable ann")).await;
    shop.until("it is shut", || shop.api.names(Menu::Secret) == ["-ann"]).await;
    shop.settles().await;
}
