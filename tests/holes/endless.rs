//! What could go on for ever, or grow.

use std::time::Duration;

use radgram::domain::router::{Demand, Leases, Scheme, source_network};
use radgram::gate::{ApiForm, ReachForm};
use radgram::secret::Secret;
use radgram::store::router::RouterForm;

use crate::shop::{ADMIN, Shop};

impl Shop {
    /// One more router, whose API is that of all.
    async fn another(&self, name: &str, address: &str) {
        let form = RouterForm {
            name: name.to_owned(),
            address: source_network(address).unwrap(),
            nas_identifier: None,
            coa_port: 3799,
            message_authenticator: Demand::Auto,
        };
        let id = self.gate.add_router(&ADMIN, &form, &Secret::new("another shared secret")).await.unwrap();
        let api = ApiForm {
            address: address.parse().unwrap(),
            user: "radgram".to_owned(),
            password: Some(Secret::new("of-the-api-user")),
            trust: radgram::domain::api::Trust::Plain,
            old_log_in: radgram::domain::api::OldLogIn::Refused,
        };
        let form = ReachForm { scheme: Scheme::Radius, leases: Leases::Off, api: Some(api) };
        self.gate.set_router_reach(&ADMIN, id, &form).await.unwrap();
    }
}

#[tokio::test]
async fn a_watch_that_breaks_is_begun_anew_and_ends_no_other_for_good() {
    let shop = Shop::open().await;
    shop.another("annex", "192.0.2.2").await;
    shop.another("shed", "192.0.2.3").await;
    let _staff = shop.opens();
    shop.until("all are looked at", || shop.api.looks() >= 3).await;
    shop.api.breaks_once();
    shop.clock.advance(Duration::from_secs(15));
    shop.until("it broke", || !shop.api.is_to_break()).await;
    // Nothing passes any more, so there is nothing more to look at.
    let looks = shop.api.looks();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(shop.api.looks() <= looks + 3, "{} looks", shop.api.looks() - looks);
    shop.clock.advance(Duration::from_secs(15));
    shop.until("the others and then it are looked at", || shop.api.looks() >= looks + 3).await;
}
