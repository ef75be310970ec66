//! The flow from the application to the end, in its three forms: RADIUS with local accounts, RADIUS with adopted secrets,
//! and the scheme `api` with User Manager.

use radgram::domain::router::{Leases, Scheme};
use radgram::domain::session::State;
use radgram::gate::bulk::{Outcome, Run};
use radgram::gate::router_api::Menu;
use radgram::gate::{Adoption, Afterwards, Names};
use radgram::proto::radius::{Packet, VendorType};
use radgram::sim::router::{DialOutcome, RosVersion, Tunnel, UserManager};

use crate::hands::SECRET;
use crate::world::{ADMIN, Dialled, PASSWORD, Plan, World, hours};

/// The tunnel is up and shut; the yes opens it, the reminder extends it, and at the end all is as before.
async fn from_the_yes_to_the_end(world: &World, tunnel: Tunnel) {
    assert_eq!(tunnel.session_timeout(), Some(hours(24)), "its traffic is shut until the yes: it need not be short");
    tunnel.start_delivered().await;
    let question = world.ann.reads("Is it you who connected").await;
    assert!(!tunnel.passes(), "up, but shut until the answer");
    world.ann.presses(&question, "Yes, it is me").await;
    world.until("the way is open", || async { tunnel.passes() }).await;
    world.until_fulfilled().await;
    assert_eq!(world.session().await.unwrap().state, State::Active);

    world.after(hours(23));
    let reminder = world.ann.reads("ends in 1 h").await;
    world.ann.presses(&reminder, "Extend by 6 h").await;
    world.after(hours(1));
    tunnel.ended().await;
    world.until("the way is shut", || async { !tunnel.passes() }).await;
    let tunnel = world.dial().await.accepted();
    tunnel.start_delivered().await;
    world.until("a confirmed caller is not asked again", || async { tunnel.passes() }).await;
    world.after(hours(6));
    world.until_over().await;
    tunnel.ended().await;
    world.until_fulfilled().await;
    world.ann.reads("has run out").await;
    world.dial().await.rejected();
}

on_versions! { from the application;
    /// Form 1: the password lives here.
    async fn radius_with_local_accounts(world: World, Plan::default()) {
        world.register_ann().await;
        let rule = world.rule("2FA ann");
        world.drop_the_rest();
        world.reach(Scheme::Radius, Leases::Off).await;
        world.bind_rule(&rule).await;
        world.set("extra_protection", "on").await;
        world.dial().await.rejected();
        world.ann.reads("Someone is connecting as ann").await;
        world.request().await;
        let tunnel = world.dial().await.accepted();
        from_the_yes_to_the_end(world, tunnel).await;
        assert!(!world.rule_is_on("2FA ann"));
    }
}

on_versions! {
    /// Form 2: the password was the router's.
    async fn radius_with_adopted_secrets(world: World, Plan::default()) {
        let rule = world.rule("2FA ann");
        world.drop_the_rest();
        world.reach(Scheme::Radius, Leases::Off).await;
        adopted(world).await;
        world.bind_rule(&rule).await;
        world.set("extra_protection", "on").await;
        world.dial().await.rejected();
        world.request().await;
        let tunnel = world.dial().await.accepted();
        as_on_the_router(&tunnel);
        from_the_yes_to_the_end(world, tunnel).await;
        assert!(!world.rule_is_on("2FA ann"));
    }
}

on_versions! {
    /// The same, and leases shut it instead of a rule.
    async fn radius_with_adopted_secrets_and_leases(world: World, Plan::default()) {
        world.shut_but_for_leases();
        world.reach(Scheme::Radius, Leases::On).await;
        adopted(world).await;
        world.set("extra_protection", "on").await;
        world.request().await;
        let tunnel = world.dial().await.accepted();
        as_on_the_router(&tunnel);
        from_the_yes_to_the_end(world, tunnel).await;
        assert_eq!(world.lease("10.8.0.77"), None);
    }
}

/// Ann has nothing here but herself; her secret on the router is adopted, removed there, and bound to her.
async fn adopted(world: &World) {
    let gate = world.gate();
    gate.delete_account(&ADMIN, world.account("ann").await).await.unwrap();
    world.router.add("/ppp/profile", &[("name", "staff"), ("rate-limit", "10M/20M")]).unwrap();
    let row = [
        ("name", "ann"),
        ("password", PASSWORD),
        ("profile", "staff"),
        ("remote-address", "10.8.0.77"),
        ("limit-bytes-in", "5000000000"),
        ("comment", "Ann Lee"),
    ];
    world.router.add(SECRET, &row).unwrap();
    let adoption = Adoption {
        menu: Menu::Secret,
        names: Names::Names(vec!["ann".to_owned()]),
        afterwards: Afterwards::Removed,
        run: Run::Real,
    };
    let lines = gate.adopt_accounts(&ADMIN, world.router_id().await, &adoption, &|_| ()).await.unwrap();
    assert!(lines.iter().all(|line| line.outcome == Outcome::Done), "{lines:?}");
    world
        .until("the router does not know her any more", || async {
            world.router.row(SECRET, "name", "ann").unwrap().is_none()
        })
        .await;
    world.until_fulfilled().await;
    let account = world.account("ann").await;
    let comment = gate.reader().every_account().await.unwrap().remove(0).comment;
    assert_eq!(comment, "Ann Lee");
    gate.bind_account(&ADMIN, account, Some(world.user().await)).await.unwrap();
}

/// What the secret said, the Accept says.
fn as_on_the_router(tunnel: &Tunnel) {
    assert_eq!(tunnel.address().to_string(), "10.8.0.77");
    assert_eq!(tunnel.rate_limit().as_deref(), Some("10M/20M"), "of the profile that the Accept names");
    let accept = Packet::parse(tunnel.accept()).unwrap();
    let number = |kind| accept.vendor(kind).map(|value| u32::from_be_bytes(value.try_into().unwrap()));
    assert_eq!(number(VendorType::MIKROTIK_RECV_LIMIT), Some(705_032_704), "and 2^32 in the next one");
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
    pub fn user_menu(&self) -> (&'static str, &'static str) {
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
        !self.is_on(menu, called, name)
    }
}
