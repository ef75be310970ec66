//! What a router's list does not have: proof of an end only where the list would have it.

use radgram::domain::connection::Authentic;
use radgram::domain::router::{Demand, NasKey, source_network};
use radgram::gate::router_api::Active;
use radgram::store::router::RouterForm;

use super::active;
use crate::shop::{ADMIN, Shop};

/// Without a session it is to end; the Disconnect is not heard, and the API of `office` has no such connection.
async fn is_proven_gone(shop: &Shop, nas: NasKey, acct_session_id: &str) -> bool {
    shop.hires_ann().await;
    let _staff = shop.opens();
    shop.passes(15).await;
    shop.hears(nas, acct_session_id, Authentic::Radius).await;
    shop.waits("the cut was tried", || async {
        let pending = shop.store.reader().pending_cuts().await.unwrap();
        shop.open_connections().await == 0 || pending.iter().any(|cut| cut.tries > 0)
    })
    .await;
    shop.open_connections().await == 0
}

#[tokio::test]
async fn the_box_itself_says_that_a_connection_is_gone() {
    let shop = Shop::open().await;
    assert!(is_proven_gone(&shop, shop.nas([192, 0, 2, 1], "office"), "81a00001").await);
}

#[tokio::test]
async fn another_box_behind_the_same_address_is_not_spoken_for() {
    let shop = Shop::open().await;
    assert!(!is_proven_gone(&shop, shop.nas([192, 0, 2, 1], "annex"), "81a00001").await);
}

#[tokio::test]
async fn a_box_of_the_same_name_in_a_network_is_not_spoken_for() {
    let shop = Shop::open().await;
    shop.is_a_network().await;
    assert!(!is_proven_gone(&shop, shop.nas([192, 0, 2, 9], "office"), "81a00001").await);
}

#[tokio::test]
async fn in_a_network_the_box_with_the_address_of_the_api_is_spoken_for() {
    let shop = Shop::open().await;
    shop.is_a_network().await;
    assert!(is_proven_gone(&shop, shop.nas([192, 0, 2, 1], "office"), "81a00001").await);
}

#[tokio::test]
async fn what_is_no_ppp_is_not_in_the_list_of_ppp() {
    let shop = Shop::open().await;
    assert!(!is_proven_gone(&shop, shop.nas([192, 0, 2, 1], "office"), "80a00001").await);
}

/// A connection that nobody cuts (a secret of the router let it in), long after the list ceased to have it.
async fn is_closed(shop: &Shop, nas: NasKey, listed: Option<Active>) -> bool {
    shop.hires_ann().await;
    let _staff = shop.opens();
    shop.passes(15).await;
    shop.hears(nas, "81a00001", Authentic::Local).await;
    listed.into_iter().for_each(|active| shop.api.connects(active));
    for _ in 0..3 {
        shop.passes(15).await;
    }
    shop.open_connections().await == 0
}

#[tokio::test]
async fn a_lost_stop_is_made_up_for() {
    let shop = Shop::open().await;
    assert!(is_closed(&shop, shop.nas([192, 0, 2, 1], "office"), None).await);
}

#[tokio::test]
async fn a_box_of_the_same_name_in_a_network_keeps_its_connections() {
    let shop = Shop::open().await;
    shop.is_a_network().await;
    assert!(!is_closed(&shop, shop.nas([192, 0, 2, 9], "office"), None).await);
}

#[tokio::test]
async fn a_row_without_a_number_may_be_the_connection() {
    let shop = Shop::open().await;
    assert!(!is_closed(&shop, shop.nas([192, 0, 2, 1], "office"), Some(active("ann", "*8"))).await);
}

impl Shop {
    /// The router stands for every box of a network; its API is that of 192.0.2.1.
    async fn is_a_network(&self) {
        let form = RouterForm {
            name: "office".to_owned(),
            address: source_network("192.0.2.0/24").unwrap(),
            nas_identifier: None,
            coa_port: 3799,
            message_authenticator: Demand::Auto,
        };
        self.gate.change_router(&ADMIN, self.office, &form).await.unwrap();
    }
}
