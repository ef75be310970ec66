//! Boxes: which sign, which secret they use while one is being changed, and several behind one address.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use radgram::domain::id::RouterId;
use radgram::domain::router::{Demand, Nas, SecretAge, Signs, source_network};
use radgram::secret::Secret;
use radgram::sim::router::{Cause, DialOutcome, IncomingConfig, Method, RouterConfig, Server, SimRouter, Tunnel};
use radgram::store::router::RouterForm;

use crate::world::{ADMIN, Base, Dialled, HOME, Plan, SECRET, World, ann_from, hours};

const NEW: &str = "Neues-Geheimnis-2027";
/// A third of what a router waits that is not answered at all.
const TIMEOUT: Duration = Duration::from_millis(300);

macro_rules! impatient_on_both {
    ($(#[$doc:meta])* async fn $name:ident($world:ident: World) $body:block) => {
        $(#[$doc])*
        mod $name {
            use super::*;

            async fn journey(mut $world: World) {
                let $world = &mut $world;
                $body
            }

            #[tokio::test]
            async fn on_sqlite() {
                journey(impatient(Base::Sqlite).await).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                journey(impatient(Base::Postgres(crate::postgres::Database::fresh().await)).await).await;
            }
        }
    };
}

/// Ann may connect, and her router gives up within a second where it is not answered.
async fn impatient(base: Base) -> World {
    let world = World::built(base, Plan { timeout: TIMEOUT, ..Plan::default() }).await;
    world.register_ann().await;
    world.set("connections_per_account", "0").await;
    world.set("new_address", "allow").await;
    world.request().await;
    world
}

impl World {
    fn nas(&self) -> Option<Nas> {
        let routers = self.gate().directory().routers();
        let key = radgram::domain::router::NasKey {
            router: routers.of(IpAddr::V4(Ipv4Addr::LOCALHOST))?.id,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            identifier: "office".to_owned(),
        };
        routers.nas(&key).cloned()
    }

    async fn until_nas(&self, what: &str, so: impl Fn(&Nas) -> bool) {
        self.until(what, || async { self.nas().is_some_and(|nas| so(&nas)) }).await;
    }

    async fn uses(&self, age: SecretAge) {
        self.until_nas("it is known which secret the box uses", |nas| nas.secret.is_some_and(|seen| seen.age == age))
            .await;
    }

    /// Dials until the answer is such: a dial may come before radgram has heard of what was changed.
    async fn dial_until(&self, what: &str, method: Method, so: impl Fn(&DialOutcome) -> bool) -> DialOutcome {
        let patience = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            let mut dial = ann_from(HOME);
            dial.method = method;
            let outcome = self.router.dial(dial).await;
            if so(&outcome) {
                return outcome;
            }
            assert!(tokio::time::Instant::now() < patience, "never came true: {what}; last {outcome:?}");
        }
    }

    async fn up(&self, method: Method) -> Tunnel {
        let tunnel =
            self.dial_until("it is let in", method, |outcome| matches!(outcome, DialOutcome::Connected(_))).await;
        let tunnel = tunnel.accepted();
        tunnel.start_delivered().await;
        self.until_heard().await;
        tunnel
    }

    async fn unanswered(&self, method: Method) {
        self.dial_until("it is not answered", method, |outcome| matches!(outcome, DialOutcome::Timeout)).await;
    }

    async fn change_secret(&self, keep_old: Option<Duration>) {
        let router = self.router_id().await;
        self.gate().replace_router_secret(&ADMIN, router, &Secret::new(NEW), keep_old).await.unwrap();
        let is_known = || async {
            let routers = self.gate().directory().routers();
            routers.router(router).is_some_and(|router| router.secret == Secret::new(NEW))
        };
        self.until("the new secret is known", is_known).await;
    }

    fn gives_the_router_its_new_secret(&self) {
        self.sets_its_entry("secret", NEW);
    }

    fn signs(&self, word: &str) {
        self.sets_its_entry("require-message-auth", word);
    }

    fn sets_its_entry(&self, property: &str, value: &str) {
        let entry = self.router.rows("/radius").unwrap().remove(0);
        self.router.set("/radius", &entry[".id"], &[(property, value)]).unwrap();
    }
}

impatient_on_both! {
    async fn both_secrets_are_taken_for_a_while(world: World) {
        let before = world.up(Method::MsChapV2).await;
        world.change_secret(Some(hours(2))).await;
        assert_eq!(world.nas().unwrap().secret.unwrap().age, SecretAge::Old, "it is known to have had that");

        // The old one: log-in, accounting, and what is sent to the router.
        let tunnel = world.up(Method::MsChapV2).await;
        world.gate().cut_connection(&ADMIN, world.row_of(&tunnel).await).await.unwrap();
        assert_eq!(tunnel.ended().await, Cause::AdminReset);

        // The new one, as soon as the router has it.
        world.gives_the_router_its_new_secret();
        let tunnel = world.up(Method::Chap).await;
        world.uses(SecretAge::Current).await;
        world.gate().cut_connection(&ADMIN, world.row_of(&tunnel).await).await.unwrap();
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
        assert_eq!(world.router.incoming_counters().bad_requests(), 0);

        // Its time is over: wiped, and nobody is left behind.
        world.after(hours(2));
        world.until("the old one is wiped", || async { world.old_secret().await.is_none() }).await;
        assert!(world.alarms("old secret").await.is_empty());
        before.hang_up(Cause::UserRequest).await;
        world.up(Method::MsChapV2).await;
    }
}

impatient_on_both! {
    async fn who_still_has_the_old_secret_when_it_ends_is_shut_out_and_named(world: World) {
        world.up(Method::MsChapV2).await;
        world.change_secret(Some(hours(1))).await;
        world.uses(SecretAge::Old).await;
        world.after(hours(1));
        world.unanswered(Method::MsChapV2).await;
        world.until("operators hear of it", || async { !world.alarms("127.0.0.1 office").await.is_empty() }).await;
        assert_eq!(world.old_secret().await, None);
        world.gives_the_router_its_new_secret();
        world.up(Method::MsChapV2).await;
    }
}

impatient_on_both! {
    /// RouterOS before 7.15 signs nothing; PAP shows by a password that can be read which secret it is hidden with.
    async fn pap_without_a_signature_goes_by_the_secret_that_makes_it_a_word(world: World) {
        world.signs("no");
        world.up(Method::Pap).await;
        world.change_secret(Some(hours(24))).await;
        world.up(Method::Pap).await;
        world.uses(SecretAge::Old).await;
        world.gives_the_router_its_new_secret();
        let tunnel = world.up(Method::Pap).await;
        // Its accounting has shown it.
        world.uses(SecretAge::Current).await;
        world.up(Method::MsChapV2).await;
        let mut wrong = ann_from(HOME);
        wrong.method = Method::Pap;
        wrong.password = Secret::new("Falsch");
        assert!(matches!(world.router.dial(wrong).await, DialOutcome::Rejected { .. }));
        assert!(tunnel.is_up());
    }
}

impatient_on_both! {
    async fn without_keeping_it_the_old_secret_ends_at_once(world: World) {
        world.up(Method::MsChapV2).await;
        world.change_secret(None).await;
        world.unanswered(Method::MsChapV2).await;
        world.gives_the_router_its_new_secret();
        world.up(Method::MsChapV2).await;
        assert_eq!(world.nas().unwrap().secret, None, "there is only one");
    }
}

impatient_on_both! {
    async fn what_auto_has_learnt_can_be_reset(world: World) {
        world.up(Method::MsChapV2).await;
        world.until_nas("it is seen to sign", |nas| nas.signs == Signs::Seen).await;
        world.signs("no");
        world.unanswered(Method::MsChapV2).await;
        let nas = world.nas().unwrap();
        world.gate().forget_signs(&ADMIN, nas.id).await.unwrap();
        world.until_nas("it is forgotten", |nas| nas.signs == Signs::NotYet).await;
        world.up(Method::MsChapV2).await;
        assert!(world.gate().forget_signs(&ADMIN, nas.id).await.is_err(), "there is nothing to forget");
        let router = world.router_id().await;
        assert!(world.gate().require_signs(&ADMIN, router).await.is_err(), "one that does not sign would be shut out");

        world.signs("yes-for-request-resp");
        world.up(Method::MsChapV2).await;
        world.until_nas("it is seen to sign again", |nas| nas.signs == Signs::Seen).await;
        world.gate().require_signs(&ADMIN, router).await.unwrap();
        let required = || async {
            let routers = world.gate().directory().routers();
            routers.router(router).is_some_and(|router| router.message_authenticator == Demand::Require)
        };
        world.until("it is required", required).await;
        world.up(Method::MsChapV2).await;
    }
}

impatient_on_both! {
    /// Two offices behind one NAT: one address, and each its own name and secret.
    async fn routers_behind_one_address_are_told_apart_by_their_names(world: World) {
        let form = RouterForm {
            name: "branch".to_owned(),
            address: source_network("127.0.0.1").unwrap(),
            nas_identifier: Some("branch-7".to_owned()),
            coa_port: 3799,
            message_authenticator: Demand::Auto,
        };
        assert!(world.gate().add_router(&ADMIN, &RouterForm { nas_identifier: None, ..form.clone() }, &Secret::new(NEW)).await.is_err());
        let branch = world.gate().add_router(&ADMIN, &form, &Secret::new(NEW)).await.unwrap();
        let known = || async { world.gate().directory().routers().router(branch).is_some() };
        world.until("the branch is known", known).await;

        let behind = |identity: &'static str, secret: &'static str| world.beside(identity, secret);
        let router = behind("branch-7", NEW).await;
        let tunnel = router.dial(ann_from(HOME)).await.accepted();
        tunnel.start_delivered().await;
        world.up(Method::MsChapV2).await;
        let routers: Vec<RouterId> =
            world.gate().reader().connections().await.unwrap().iter().map(|connection| connection.router).collect();
        assert!(routers.contains(&branch) && routers.contains(&world.router_id().await), "{routers:?}");

        // Each name goes with its own secret, and with no other.
        for (identity, secret) in [("branch-7", SECRET), ("office", NEW), ("branch-8", NEW)] {
            let router = behind(identity, secret).await;
            assert!(matches!(router.dial(ann_from(HOME)).await, DialOutcome::Timeout), "{identity}");
        }
    }
}

impl World {
    async fn beside(&self, identity: &str, secret: &str) -> SimRouter {
        let (auth, acct) = self.radius();
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut config = RouterConfig::new(identity, address, Server::new(auth, acct, Secret::new(secret)));
        config.timeout = TIMEOUT;
        config.incoming = Some(IncomingConfig::new(address));
        SimRouter::start(config, Arc::new(self.clock.clone())).await.unwrap()
    }

    async fn old_secret(&self) -> Option<radgram::domain::router::OldSecret> {
        let router = self.router_id().await;
        let routers = self.gate().reader().routers().await.unwrap().routers;
        routers.into_iter().find(|one| one.id == router).unwrap().old_secret
    }

    async fn alarms(&self, words: &str) -> Vec<String> {
        let alarms = self.gate().reader().alarms().await.unwrap();
        alarms.into_iter().map(|alarm| alarm.text).filter(|text| text.contains(words)).collect()
    }

    async fn row_of(&self, tunnel: &Tunnel) -> radgram::domain::id::ConnectionId {
        let rows = self.gate().reader().connections().await.unwrap();
        rows.into_iter().find(|row| row.acct_session_id == tunnel.acct_session_id()).unwrap().id
    }
}
