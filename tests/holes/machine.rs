//! Scheme `api`: an account without a person is bound to its networks there, too.

use radgram::domain::account::Holder;
use radgram::domain::router::{Leases, Scheme};
use radgram::domain::setting::Level;
use radgram::gate::router_api::Active;

use super::{Staff, active};
use crate::shop::{ADMIN, Shop};

/// `probe`, a machine's account that may come from 203.0.113.0/24 alone, where leases are given out.
async fn with_probe() -> (Shop, Staff) {
    let shop = Shop::open().await;
    let probe = shop.gate.add_account(&ADMIN, "probe", None, None).await.unwrap();
    shop.gate.mark_holder(&ADMIN, probe, Holder::Machine).await.unwrap();
    let level = Level::Account(probe.0);
    for (name, value) in [("without_session", "allow"), ("source_networks", "203.0.113.0/24")] {
        shop.gate.set_setting(&ADMIN, name, level, value).await.unwrap();
    }
    shop.api.secret("probe", "Korrekt-Horse-1", &[]);
    shop.reached_by(Scheme::Api, Leases::On).await;
    let staff = shop.opens();
    shop.settles().await;
    (shop, staff)
}

fn probe_from(caller: Option<&str>) -> Active {
    Active { caller: caller.map(str::to_owned), ..active("probe", "81a00001") }
}

#[tokio::test]
async fn a_machine_from_elsewhere_is_cut_and_told_of_and_gets_no_lease() {
    for caller in [Some("198.51.100.66"), None] {
        let (shop, _staff) = with_probe().await;
        shop.api.connects(probe_from(caller));
        shop.clock.advance(std::time::Duration::from_secs(3));
        shop.until("it is cut", || shop.api.calls().contains(&"remove connection 81a00001".to_owned())).await;
        shop.settles().await;
        let alarms = shop.store.reader().alarms().await.unwrap();
        assert!(alarms.iter().any(|alarm| alarm.kind == "no_session" && alarm.text.contains("probe")), "{alarms:?}");
        assert!(!shop.api.calls().contains(&"lease 10.8.0.5".to_owned()), "{:?}", shop.api.calls());
        assert_eq!(shop.open_connections().await, 0);
    }
}

#[tokio::test]
async fn a_machine_from_its_network_stays_and_gets_its_lease() {
    let (shop, _staff) = with_probe().await;
    shop.api.connects(probe_from(Some("203.0.113.9")));
    shop.clock.advance(std::time::Duration::from_secs(3));
    shop.until("it has a lease", || shop.api.leased() == ["10.8.0.5"]).await;
    for _ in 0..3 {
        shop.passes(60).await;
    }
    shop.settles().await;
    assert_eq!((shop.open_connections().await, shop.api.leased().len()), (1, 1));
    assert!(!shop.api.calls().iter().any(|call| call.starts_with("remove")), "{:?}", shop.api.calls());
}

#[tokio::test]
async fn a_network_that_is_taken_away_ends_what_came_from_it() {
    let (shop, _staff) = with_probe().await;
    shop.api.connects(probe_from(Some("203.0.113.9")));
    shop.clock.advance(std::time::Duration::from_secs(3));
    shop.until("it has a lease", || shop.api.leased() == ["10.8.0.5"]).await;
    let probe = shop.account("probe").await.unwrap();
    shop.gate.set_setting(&ADMIN, "source_networks", Level::Account(probe.0), "192.0.2.0/24").await.unwrap();
    shop.passes(60).await;
    shop.until("it is cut", || shop.api.calls().contains(&"remove connection 81a00001".to_owned())).await;
    shop.until("its lease is gone", || shop.api.leased().is_empty()).await;
}
