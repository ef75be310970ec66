//! An account is adopted while the watch looks at the router.

use radgram::domain::router::{Leases, Scheme};
use radgram::domain::setting::Level;
use radgram::domain::want::WantedState;
use radgram::gate::bulk::Run;
use radgram::gate::router_api::Menu;
use radgram::gate::{Adoption, Afterwards, Names};

use crate::shop::{ADMIN, Shop};

/// What was wanted was read before; what is found on the router comes after.
#[tokio::test]
async fn what_the_watch_read_before_does_not_undo_an_adoption() {
    let shop = Shop::open().await;
    shop.hires_ann().await;
    shop.api.secret("ann", "Korrekt-Horse-1", &[]);
    shop.api.secret("bob", "Korrekt-Horse-2", &[]);
    shop.gate.set_setting(&ADMIN, "on_expiry", Level::System, "disconnect_and_disable_on_router").await.unwrap();
    let turnstile = shop.api.hold_leases();
    shop.reached_by(Scheme::Radius, Leases::On).await;
    // Ann's account is one that we keep there.
    let ann = shop.account("ann").await.unwrap();
    shop.grants(ann).await;
    let _staff = shop.opens();
    shop.until("the watch is at the router", || shop.api.waiting() == 1).await;
    shop.settles().await;
    shop.api.lost_after(0);
    let names = Names::Names(vec!["bob".to_owned()]);
    let adoption = Adoption { menu: Menu::Secret, names, afterwards: Afterwards::Removed, run: Run::Real };
    shop.gate.adopt_accounts(&ADMIN, shop.office, &adoption, &|_| ()).await.unwrap();
    let looks = shop.api.looks();
    turnstile.add_permits(100);
    shop.clock.advance(std::time::Duration::from_secs(15));
    shop.until("the router is looked at again", || shop.api.looks() > looks).await;
    let wants = shop.store.reader().wants_of_router(shop.office).await.unwrap();
    let bobs: Vec<_> = wants.iter().filter(|want| want.thing.shown().ends_with("bob")).collect();
    assert!(bobs.iter().any(|want| want.state == WantedState::Removed), "{bobs:?}");
    shop.api.comes_back();
    shop.clock.advance(std::time::Duration::from_secs(60));
    shop.until("it is removed", || shop.api.names(Menu::Secret) == ["ann"]).await;
}
