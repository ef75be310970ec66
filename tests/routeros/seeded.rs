//! What the doctor finds that one changed row does not make: the order of rows, what was counted, what is bound here.

use radgram::domain::api::{OldLogIn, Trust};
use radgram::domain::router::{Demand, Leases, Scheme};
use radgram::gate::router_api::ApiFault;
use radgram::gate::{ApiForm, ReachForm, Refused};
use radgram::secret::Secret;
use radgram::sim::router::{DialOutcome, RosVersion, UserManager};
use radgram::store::router::RouterForm;

use crate::doctor::{bare, ids};
use crate::hands::FILTER;
use crate::world::{ADMIN, API_PASSWORD, API_USER, Plan, World};

impl World {
    #[track_caller]
    fn id_of(&self, menu: &str, property: &str, value: &str) -> String {
        self.router.row(menu, property, value).unwrap().expect("the row is there")[".id"].clone()
    }

    async fn has(&self, finding: &str) {
        assert!(self.finds(finding).await, "{finding} is not found: {:?}", ids(&self.examine().await));
    }

    async fn has_not(&self, finding: &str) {
        assert!(!self.finds(finding).await, "{finding} stays");
    }

    /// Sets properties of a row, looks that this is found, sets them back, and looks that it is gone.
    async fn wrong_and_right(&self, finding: &str, (menu, id): (&str, &str), property: &str, wrong: &str) {
        let mut rows = self.router.rows(menu).unwrap().into_iter();
        let row = rows.find(|row| id.is_empty() || row.get(".id").is_some_and(|known| known == id)).unwrap();
        self.router.set(menu, id, &[(property, wrong)]).unwrap();
        self.has(finding).await;
        self.router.set(menu, id, &[(property, &row[property])]).unwrap();
        self.has_not(finding).await;
    }

    /// Gives our entry another secret, and a short wait; gives back the right one.
    fn with_wrong_secret(&self, entry: &str) -> String {
        let right = self.router.row("/radius", ".id", entry).unwrap().unwrap()["secret"].clone();
        self.router.set("/radius", entry, &[("secret", "swordfish"), ("timeout", "50ms")]).unwrap();
        right
    }

    async fn demand(&self, message_authenticator: Demand) {
        let form = RouterForm {
            name: "office".to_owned(),
            address: "127.0.0.1/32".parse().unwrap(),
            nas_identifier: None,
            coa_port: self.router.incoming_addr().unwrap().port(),
            message_authenticator,
        };
        self.gate().change_router(&ADMIN, self.router_id().await, &form).await.unwrap();
    }
}

on_last! {
    async fn where_radius_goes(world: World, bare()) {
        world.prepared().await;
        let ours = world.id_of("/radius", "comment", "radgram");
        for property in ["authentication-port", "accounting-port"] {
            world.wrong_and_right(&format!("radius_port:{property}"), ("/radius", &ours), property, "1645").await;
        }
        world.wrong_and_right("incoming_port", ("/radius/incoming", ""), "port", "1700").await;
        let other = [("service", "ppp"), ("address", "192.0.2.7"), ("secret", "x"), ("place-before", &ours)];
        let other = world.router.add("/radius", &other).unwrap();
        world.has("radius_not_first").await;
        world.router.remove("/radius", &other).unwrap();
        world.has_not("radius_not_first").await;
    }
}

on_last! {
    /// A router that signs gets no answer while its secret is another one.
    async fn requests_without_an_answer(world: World, bare()) {
        world.prepared().await;
        let ours = world.id_of("/radius", "comment", "radgram");
        let right = world.with_wrong_secret(&ours);
        for _ in 0..10 {
            assert!(!matches!(world.dial().await, DialOutcome::Connected(_)));
        }
        world.router.set("/radius", &ours, &[("secret", &right), ("timeout", "3s")]).unwrap();
        world.has("timeouts").await;
        world.router.command("/radius", "reset-counters", &[]).unwrap();
        world.has_not("timeouts").await;
    }
}

/// One that does not sign gets answers, and cannot take them.
#[tokio::test]
async fn answers_that_the_router_throws_away() {
    let world = crate::staffed(RosVersion::V7_14, bare()).await;
    world.prepared().await;
    let ours = world.id_of("/radius", "comment", "radgram");
    let right = world.with_wrong_secret(&ours);
    assert!(!matches!(world.dial().await, DialOutcome::Connected(_)));
    world.router.set("/radius", &ours, &[("secret", &right), ("timeout", "3s")]).unwrap();
    world.has("bad_replies").await;
    world.router.command("/radius", "reset-counters", &[]).unwrap();
    world.has_not("bad_replies").await;
}

on_last! {
    async fn what_is_bound_here(world: World, bare()) {
        world.prepared().await;
        let rule = world.rule("2FA ann");
        world.bind_rule(&rule).await;
        assert_eq!(ids(&world.examine().await), [""; 0]);

        let twin = world.rule("2FA ann");
        world.has("rule_twice").await;
        world.router.remove(FILTER, &twin).unwrap();
        world.has_not("rule_twice").await;

        let drop = [("chain", "forward"), ("action", "drop"), ("place-before", &rule)];
        let drop = world.router.add(FILTER, &drop).unwrap();
        world.has("rule_shadowed").await;
        world.router.remove(FILTER, &drop).unwrap();
        world.has_not("rule_shadowed").await;

        world.router.set(FILTER, &rule, &[("comment", "2FA annabel")]).unwrap();
        world.has("rule_missing").await;
        world.router.set(FILTER, &rule, &[("comment", "2FA ann")]).unwrap();
        world.has_not("rule_missing").await;
    }
}

on_last! {
    async fn what_else_a_router_may_have(world: World, bare()) {
        world.prepared().await;
        let first = world.id_of(FILTER, "comment", "radgram: confirmed connections pass");
        let fast = [("chain", "forward"), ("action", "fasttrack-connection"), ("place-before", &first)];
        let fast = world.router.add(FILTER, &fast).unwrap();
        world.has("lease_fasttrack").await;
        world.router.remove(FILTER, &fast).unwrap();
        world.has_not("lease_fasttrack").await;

        let group = world.id_of("/user/group", "name", "radgram");
        world.router.set("/user/group", &group, &[("policy", "api,write")]).unwrap();
        // Without the right to read, nothing can be looked at: it is said at once.
        let refused = world.gate().examine_router(world.router_id().await, None).await;
        assert!(matches!(refused, Err(Refused::Router(ApiFault::Forbidden(_)))), "{refused:?}");
        world.router.set("/user/group", &group, &[("policy", "api,read,write")]).unwrap();
        assert_eq!(ids(&world.examine().await), [""; 0]);
    }
}

on_last! {
    async fn an_api_without_tls_and_a_router_that_decides_itself(world: World, bare()) {
        world.prepared().await;
        let api = ApiForm {
            address: world.router.api_addr().unwrap().to_string().parse().unwrap(),
            user: API_USER.to_owned(),
            password: Some(Secret::new(API_PASSWORD)),
            trust: Trust::Plain,
            old_log_in: OldLogIn::Refused,
        };
        world.reaches(&ReachForm { scheme: Scheme::Api, leases: Leases::Off, api: Some(api) }).await;
        world.has("api_plain").await;
        world.has_not("no_user_manager").await;
    }
}

on_last! {
    async fn a_router_that_decides_itself_without_user_manager(world: World, Plan { user_manager: UserManager::Absent, ..Plan::default() }) {
        world.reach(Scheme::Api, Leases::Off).await;
        world.has("no_user_manager").await;
    }
}

#[tokio::test]
async fn a_router_that_cannot_sign_is_found() {
    for version in [RosVersion::V6_49, RosVersion::V7_14] {
        let world = crate::staffed(version, Plan { version, ..bare() }).await;
        world.prepared().await;
        world.has_not("unsigned").await;
        world.demand(Demand::Auto).await;
        world.has("unsigned").await;
        world.demand(Demand::Require).await;
        world.has("unsigned_required").await;
    }
}
