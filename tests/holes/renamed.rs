//! A box gets another name or another address while somebody is connected through it.

use radgram::clock::Clock;
use radgram::domain::connection::{Authentic, Notice, Record, Report, Traffic, Via};
use radgram::domain::router::{Demand, NasKey, source_network};
use radgram::store::router::RouterForm;
use std::time::Duration;

use super::{HOME, Staff, active};
use crate::shop::{ADMIN, Shop};
use radgram::gate::router_api::{Active, AdmittedBy};

/// Ann is connected through the box `office`, accepted by us a minute ago.
async fn connected() -> (Shop, Staff) {
    let shop = Shop::open().await;
    let form = RouterForm {
        name: "office".to_owned(),
        address: source_network("192.0.2.0/24").unwrap(),
        nas_identifier: None,
        coa_port: 3799,
        message_authenticator: Demand::Auto,
    };
    shop.gate.change_router(&ADMIN, shop.office, &form).await.unwrap();
    let ann = shop.hires_ann().await;
    shop.grants(ann).await;
    shop.accepted(ann, shop.nas([192, 0, 2, 1], "office"), b"ann").await;
    shop.api.connects(Active { admitted: AdmittedBy::Radius, ..active("ann", "81a00001") });
    let staff = shop.opens();
    shop.waits("the connection is known", || async { shop.open_connections().await == 1 }).await;
    (shop, staff)
}

impl Shop {
    /// An Interim of a connection that began a minute before the clock first stood; two minutes have passed since.
    async fn hears_interim(&self, nas: NasKey, user_name: &[u8], station: &str) {
        let record = Record {
            report: Report::Interim,
            nas,
            acct_session_id: "81a00001".to_owned(),
            user_name: user_name.to_vec(),
            class: None,
            station: Some(station.to_owned()),
            nas_ip: None,
            framed_ip: Some([10, 8, 0, 5].into()),
            server: None,
            authentic: Authentic::Radius,
            arrived: self.clock.now(),
            delay: Duration::ZERO,
            lasted: Duration::from_secs(180),
            traffic: Traffic::default(),
            via: Via::Radius,
        };
        self.gate.report(Notice::Connection(Box::new(record))).unwrap().await.unwrap();
        self.waits("it is heard of", || async { self.store.reader().fresh_connection_count().await.unwrap() == 0 })
            .await;
    }
}

async fn goes_on_as(address: [u8; 4], identifier: &str) {
    let (shop, _staff) = connected().await;
    let before = shop.store.reader().connections().await.unwrap().remove(0);
    shop.clock.advance(Duration::from_secs(120));
    shop.api.is_called(identifier);
    for _ in 0..2 {
        shop.hears_interim(shop.nas(address, identifier), b"ann", HOME).await;
    }
    let now = shop.store.reader().connections().await.unwrap();
    assert_eq!((now.len(), now[0].id, now[0].session, now[0].ended_at), (1, before.id, before.session, None));
    assert_ne!(now[0].nas, before.nas, "a Disconnect goes to the box as it is now");
    assert!(!shop.is_cut().await);
}

#[tokio::test]
async fn a_box_with_another_name_keeps_its_connections() {
    goes_on_as([192, 0, 2, 1], "headquarters").await;
}

#[tokio::test]
async fn a_box_with_another_address_keeps_its_connections() {
    goes_on_as([192, 0, 2, 7], "office").await;
}

#[tokio::test]
async fn two_boxes_that_number_alike_are_two() {
    for (user_name, station) in [(&b"bob"[..], HOME), (b"ann", "203.0.113.8")] {
        let (shop, _staff) = connected().await;
        shop.clock.advance(Duration::from_secs(120));
        shop.hears_interim(shop.nas([192, 0, 2, 7], "annex"), user_name, station).await;
        assert_eq!(shop.open_connections().await, 2);
    }
}

/// What is to be cut is one of them; the API that radgram has is that of the other.
#[tokio::test]
async fn what_is_cut_on_one_box_is_not_cut_on_another_that_numbers_alike() {
    let (shop, _staff) = connected().await;
    shop.clock.advance(Duration::from_secs(120));
    shop.hears_interim(shop.nas([192, 0, 2, 7], "annex"), b"ann", "203.0.113.8").await;
    shop.waits("it is said why it is not cut", || async {
        let cuts = shop.store.reader().pending_cuts().await.unwrap();
        cuts.iter().any(|cut| cut.outcome.as_ref().is_some_and(|outcome| outcome.contains("the box annex")))
    })
    .await;
    assert_eq!(shop.open_connections().await, 2);
    let calls = shop.api.calls();
    assert!(!calls.iter().any(|call| call.starts_with("remove connection")), "{calls:?}");
}
