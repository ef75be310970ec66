//! A router with very much on it, which stalls: what is done there is done once it answers, and others do not wait for it.

use radgram::domain::router::{Leases, Scheme};

use crate::hands::{FILTER, SECRET};
use crate::world::{Dialled, HOME, PASSWORD, Plan, ann_from, hours};

const RULES: u32 = 20_000;
const SECRETS: u32 = 5_000;

on_last! {
    async fn a_full_router_stalls_and_another_does_not_wait(world: World, Plan::default()) {
        for number in 0..RULES {
            let comment = format!("2FA person{number}");
            world.router.add(FILTER, &[("chain", "forward"), ("action", "accept"), ("comment", &comment), ("disabled", "yes")]).unwrap();
        }
        for number in 0..SECRETS {
            let secret = [("name", &*format!("person{number}")), ("password", PASSWORD), ("disabled", "yes")];
            world.router.add(SECRET, &secret).unwrap();
        }
        let rule = world.rule("2FA ann");
        world.reach(Scheme::Radius, Leases::Off).await;
        world.bind_rule(&rule).await;
        let (_bob, bobs) = world.bob().await;
        world.request().await;
        let tunnel = world.dial().await.accepted();
        world.until("ann's rule is on", || async { world.rule_is_on("2FA ann") }).await;
        let annex = world.annex(Scheme::Api, Leases::On).await;
        annex.add(SECRET, &[("name", "bob"), ("password", PASSWORD)]).unwrap();

        world.router.api_faults().stall();
        world.end().await;
        let mut dial = ann_from(HOME);
        dial.user = "bob".to_owned();
        let his = annex.dial(dial).await.accepted();
        world.until("his connection is known", || async {
            world.connections().await.iter().any(|connection| connection.user_name == b"bob")
        }).await;
        let session = world.gate().reader().open_session(bobs).await.unwrap().unwrap();
        world.gate().end_session(&crate::world::ADMIN, session.id).await.unwrap();
        his.ended().await;
        world.until("his secret is off, while office stalls", || async {
            annex.row(SECRET, "name", "bob").unwrap().unwrap()["disabled"] == "true"
        }).await;
        assert!(world.rule_is_on("2FA ann"), "office is stalled still");

        world.router.api_faults().release();
        world.settles().await;
        assert!(!world.rule_is_on("2FA ann") && !tunnel.is_up());
        let on = world.router.rows(FILTER).unwrap().iter().filter(|row| row["disabled"] == "false").count();
        assert_eq!(on, 0, "and nothing else was switched");
        world.after(hours(1));
    }
}
