//! The flow from the application to the end, in its three forms: RADIUS with local accounts, RADIUS with adopted secrets,
//! and the scheme `api` with User Manager.

use radgram::domain::router::{Leases, Scheme};
use radgram::domain::session::State;
use radgram::sim::router::{DialOutcome, RosVersion, UserManager};

use crate::world::{ADMIN, Base, Dialled, PASSWORD, Plan, World, hours};

/// The rule that lets Ann's traffic through, and the one that shuts all other.
fn with_rules(world: &World) -> String {
    let rule = world
        .router
        .add(
            "/ip/firewall/filter",
            &[
                ("chain", "forward"),
                ("action", "accept"),
                ("src-address", "10.8.0.0/24"),
                ("comment", "2FA ann"),
                ("disabled", "yes"),
            ],
        )
        .unwrap();
    world
        .router
        .add("/ip/firewall/filter", &[("chain", "forward"), ("action", "drop"), ("src-address", "10.8.0.0/24")])
        .unwrap();
    rule
}

impl World {
    async fn bind_rule(&self, rule: &str) {
        let (router, account) = (self.router_id().await, self.account("ann").await);
        self.gate().bind_rule(&ADMIN, router, rule, account).await.unwrap();
        self.until_fulfilled().await;
    }
}

on_versions! {
    /// Form 1: the password lives here.
    async fn radius_with_local_accounts(world: World, Plan::default()) {
        let rule = with_rules(world);
        world.reach(Scheme::Radius, Leases::Off).await;
        world.bind_rule(&rule).await;
        world.set("extra_protection", "on").await;
        world.dial().await.rejected();
        world.ann.reads("Someone is connecting as ann").await;

        world.request().await;
        let tunnel = world.dial().await.accepted();
        assert_eq!(tunnel.session_timeout(), Some(hours(24)), "its traffic is shut until the yes: it need not be short");
        tunnel.start_delivered().await;
        let question = world.ann.reads("Is it you who connected").await;
        assert!(!tunnel.passes(), "up, but shut until the answer");
        world.ann.presses(&question, "Yes, it is me").await;
        world.until("the rule opens", || async { tunnel.passes() }).await;
        world.until_fulfilled().await;
        assert_eq!(world.session().await.unwrap().state, State::Active);

        world.after(hours(23));
        let reminder = world.ann.reads("ends in 1 h").await;
        world.ann.presses(&reminder, "Extend by 6 h").await;
        world.after(hours(1));
        tunnel.ended().await;
        world.until("the rule is shut", || async { !tunnel.passes() }).await;
        let tunnel = world.dial().await.accepted();
        tunnel.start_delivered().await;
        world.until("a confirmed caller is not asked again", || async { tunnel.passes() }).await;
        world.after(hours(6));
        world.until_over().await;
        tunnel.ended().await;
        world.until_fulfilled().await;
        let rule = world.router.row("/ip/firewall/filter", "comment", "2FA ann").unwrap().unwrap();
        assert_eq!(rule.get("disabled").map(String::as_str), Some("true"));
        world.dial().await.rejected();
    }
}

on_versions! {
    /// Form 3: the router decides by its own User Manager, and radgram enables and disables its users.
    async fn scheme_api_with_user_manager(world: World, Plan { user_manager: UserManager::AnswersPpp, ..Plan::default() }) {
        world.add_user("ann", PASSWORD);
        world.set("extra_protection", "on").await;
        world.reach(Scheme::Api, Leases::Off).await;
        world.until("ann is disabled", || async { world.user_disabled("ann") }).await;
        assert!(!matches!(world.dial().await, DialOutcome::Connected(_)));

        world.request().await;
        world.until("ann is enabled", || async { !world.user_disabled("ann") }).await;
        world.until_fulfilled().await;
        let tunnel = world.dial().await.accepted();
        let question = world.ann.reads("Is it you who connected").await;
        world.ann.presses(&question, "Yes, it is me").await;
        world.until("the session is active", || async { world.session().await.is_some_and(|open| open.state == State::Active) })
            .await;

        world.after(hours(23));
        let reminder = world.ann.reads("ends in 1 h").await;
        world.ann.presses(&reminder, "Extend by 6 h").await;
        world.ann.reads("is extended until").await;
        world.after(hours(7));
        world.until_over().await;
        tunnel.ended().await;
        world.until_fulfilled().await;
        assert!(world.user_disabled("ann"));
        assert!(!matches!(world.dial().await, DialOutcome::Connected(_)));
        world.ann.reads("has run out").await;
    }
}

impl World {
    fn user_menu(&self) -> (&'static str, &'static str) {
        match self.version {
            RosVersion::V6_49 => ("/tool/user-manager/user", "username"),
            RosVersion::V7_14 | RosVersion::V7_18 | RosVersion::V7_22 => ("/user-manager/user", "name"),
        }
    }

    pub fn add_user(&self, name: &str, password: &str) {
        let (menu, called) = self.user_menu();
        let mut row = vec![(called, name), ("password", password)];
        if called == "username" {
            row.push(("customer", "admin"));
        }
        self.router.add(menu, &row).unwrap();
    }

    pub fn user_disabled(&self, name: &str) -> bool {
        let (menu, called) = self.user_menu();
        let row = self.router.row(menu, called, name).unwrap().unwrap();
        row.get("disabled").is_some_and(|disabled| disabled == "true" || disabled == "yes")
    }
}
