//! A router that answers nothing, beside one that does.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use radgram::clock::Clock;
use radgram::domain::router::{Demand, NasKey, source_network};
use radgram::gate::ports::{Amendment, CutOutcome, Cutter, Target};
use radgram::secret::Secret;
use radgram::store::cut::NewCut;
use radgram::store::router::RouterForm;

use crate::shop::{ADMIN, Shop};

const DEAD: [u8; 4] = [192, 0, 2, 66];
/// More than are tried at once, on all routers.
const CUTS: usize = 300;

/// What is asked of the dead router never comes back.
#[derive(Default)]
struct HalfDeaf(Mutex<Vec<IpAddr>>);

#[async_trait]
impl Cutter for HalfDeaf {
    async fn disconnect(&self, target: &Target) -> CutOutcome {
        self.0.lock().unwrap().push(target.router.ip());
        if target.router.ip() == IpAddr::from(DEAD) {
            std::future::pending::<()>().await;
        }
        CutOutcome::Acknowledged
    }

    async fn change(&self, target: &Target, _: &Amendment) -> CutOutcome {
        self.disconnect(target).await
    }
}

impl Shop {
    async fn wants_cuts(&self, nas: NasKey, count: usize) {
        let mut tx = self.store.begin().await.unwrap();
        let nas = tx.nas(&nas, self.clock.now()).await.unwrap().id;
        for number in 0..count {
            let cut = NewCut {
                nas,
                connection: None,
                session: None,
                acct_session_id: &format!("81a{number:05}"),
                user_name: b"ann",
                nas_ip: None,
                framed_ip: None,
                why: "revoked",
            };
            tx.want_cut(&cut, self.clock.now()).await.unwrap();
        }
        tx.commit(self.clock.now()).await.unwrap();
    }
}

#[tokio::test]
async fn a_router_that_is_dead_keeps_nobody_waiting() {
    let shop = Shop::open().await;
    let form = RouterForm {
        name: "dead".to_owned(),
        address: source_network("192.0.2.66").unwrap(),
        nas_identifier: None,
        coa_port: 3799,
        message_authenticator: Demand::Auto,
    };
    let dead = shop.gate.add_router(&ADMIN, &form, &Secret::new("a shared secret")).await.unwrap();
    shop.wants_cuts(NasKey { router: dead, address: DEAD.into(), identifier: "dead".to_owned() }, CUTS).await;
    let cutter = Arc::new(HalfDeaf::default());
    let _staff = shop.opens_with(cutter.clone());
    let tried = |address: [u8; 4]| cutter.0.lock().unwrap().iter().filter(|ip| **ip == IpAddr::from(address)).count();
    shop.until("the dead one is tried", || tried(DEAD) > 0).await;
    shop.clock.advance(std::time::Duration::from_secs(1));
    shop.wants_cuts(shop.nas([192, 0, 2, 1], "office"), 1).await;
    shop.clock.advance(std::time::Duration::from_secs(60));
    shop.until("the other one is tried", || tried([192, 0, 2, 1]) > 0).await;
}
