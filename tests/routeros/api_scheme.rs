//! The scheme `api`: the router decides by its own accounts, which are on with the right to be connected and off without.

use radgram::domain::api::{OldLogIn, Trust};
use radgram::domain::router::{Leases, Scheme};
use radgram::domain::session::State;
use radgram::domain::setting::Level;
use radgram::domain::want::{Thing, WantedState};
use radgram::gate::bulk::Run;
use radgram::gate::router_api::Menu;
use radgram::gate::{Adoption, Afterwards, ApiForm, Names, ReachForm};
use radgram::secret::Secret;
use radgram::sim::router::{Cause, Dial, DialOutcome, Tunnel, UserManager};

use crate::hands::{SECRET, dial_as};
use crate::mute_line::mute_line;
use crate::world::{ADMIN, API_PASSWORD, API_USER, Dialled, ELSEWHERE, HOME, PASSWORD, Plan, World, ann_from};
use crate::world::{hours, minutes};

const RULE: &str = "2FA ann";

/// Our user on the router has the least rights: it sees no password.
fn least() -> Plan {
    Plan { policies: "api,read,write".to_owned(), ..Plan::default() }
}

/// Ann's secret on the router, which is ours to switch, and off.
async fn ruled(world: &World) {
    world.secret("ann");
    world.reach(Scheme::Api, Leases::Off).await;
    world.until_secret("ann", WantedState::Off).await;
    world.until_fulfilled().await;
}

/// Ann asks for access, and the router has it.
async fn granted(world: &World) {
    world.request().await;
    world.until_secret("ann", WantedState::On).await;
    world.until_fulfilled().await;
}

impl World {
    async fn until_active(&self) {
        self.until("the session is active", || async {
            self.session().await.is_some_and(|session| session.state == State::Active)
        })
        .await;
    }

    async fn until_nobody_is_connected(&self) {
        self.until("nobody is connected", || async {
            self.gate().reader().open_connection_count().await.unwrap() == 0
        })
        .await;
    }

    /// A client that dials again as soon as its connection is down; gives whether it ever got in.
    async fn redials(&self, tunnel: &Tunnel, dial: Dial) -> bool {
        tunnel.ended().await;
        for _ in 0..50 {
            if let DialOutcome::Connected(_) = self.router.dial(dial.clone()).await {
                return true;
            }
            tokio::task::yield_now().await;
        }
        false
    }
}

on_versions! {
    async fn a_secret_is_on_with_the_right_and_off_before_the_cut(world: World, least()) {
        ruled(world).await;
        world.set("extra_protection", "on").await;
        world.dial().await.rejected();
        granted(world).await;
        let tunnel = world.confirmed().await;
        world.until_active().await;
        let from = world.router.trace().len();
        let ((), got_in) = tokio::join!(world.end(), world.redials(&tunnel, ann_from(HOME)));
        assert!(!got_in, "a client that redials at once");
        world.until_fulfilled().await;
        let off = world.traced(from, &["-> /ppp/secret/set", "=disabled=yes"]).unwrap();
        let cut = world.traced(from, &["-> /ppp/active/remove"]).unwrap();
        assert!(off < cut, "{:#?}", world.router.trace());
        assert!(!world.secret_is_on("ann"));
        // Nothing of it needed a password, and none is had.
        let adoption =
            Adoption { menu: Menu::Secret, names: Names::All, afterwards: Afterwards::Kept, run: Run::Dry };
        let lines = world.gate().adopt_accounts(&ADMIN, world.router_id().await, &adoption, &|_| ()).await.unwrap();
        assert!(lines[0].outcome.why().contains("policy sensitive"), "{lines:?}");
        assert!(!world.router.trace().join("\n").contains(PASSWORD));
    }
}

on_versions! {
    /// The router takes no Disconnect, so that its User Manager cannot cut by itself what it disables.
    async fn a_user_of_the_user_manager_is_off_before_the_cut(
        world: World,
        Plan { user_manager: UserManager::AnswersPpp, ..least() }
    ) {
        world.add_user("ann", PASSWORD);
        world.router.set("/radius/incoming", "", &[("accept", "no")]).unwrap();
        world.reach(Scheme::Api, Leases::Off).await;
        world.until("ann is disabled", || async { world.user_disabled("ann") }).await;
        world.request().await;
        world.until("ann is enabled", || async { !world.user_disabled("ann") }).await;
        world.until_fulfilled().await;
        let tunnel = world.dial().await.accepted();
        world.until_active().await;
        let from = world.router.trace().len();
        let ((), got_in) = tokio::join!(world.end(), world.redials(&tunnel, ann_from(HOME)));
        assert!(!got_in, "a client that redials at once");
        world.until_fulfilled().await;
        let off = world.traced(from, &["user-manager/user/set", "=disabled=yes"]).unwrap();
        let cut = world.traced(from, &["-> /ppp/active/remove"]).unwrap();
        assert!(off < cut, "{:#?}", world.router.trace());
    }
}

on_last! {
    /// The next poll is a minute away, and the clock stands still.
    async fn the_router_tells_at_once_what_changes(world: World, least()) {
        world.set("poll_seconds", "60").await;
        world.set("extra_protection", "on").await;
        ruled(world).await;
        granted(world).await;
        let tunnel = world.confirmed().await;
        tunnel.hang_up(Cause::UserRequest).await;
        world.until_nobody_is_connected().await;
    }
}

on_last! {
    async fn where_it_does_not_tell_the_poll_finds_it(world: World, least()) {
        world.set("poll_seconds", "60").await;
        world.set("extra_protection", "on").await;
        world.secret("ann");
        let address = mute_line(world.router.api_addr().unwrap()).await;
        let api = ApiForm {
            address: address.to_string().parse().unwrap(),
            user: API_USER.to_owned(),
            password: Some(Secret::new(API_PASSWORD)),
            trust: Trust::Plain,
            old_log_in: OldLogIn::Refused,
        };
        world.reaches(&ReachForm { scheme: Scheme::Api, leases: Leases::Off, api: Some(api) }).await;
        world.until_secret("ann", WantedState::Off).await;
        granted(world).await;
        let tunnel = world.dial().await.accepted();
        assert_eq!(world.traced(0, &["/ppp/active/listen"]), None);
        world.after(minutes(1));
        let question = world.ann.reads("Is it you who connected").await;
        world.ann.presses(&question, "Yes, it is me").await;
        world.until_active().await;
        tunnel.hang_up(Cause::UserRequest).await;
        world.after(minutes(1));
        world.until_nobody_is_connected().await;
    }
}

on_last! {
    async fn a_name_in_other_letters_is_the_same_account(world: World, least()) {
        world.secret("ANN");
        world.set("extra_protection", "on").await;
        world.reach(Scheme::Api, Leases::Off).await;
        world.until_secret("ANN", WantedState::Off).await;
        world.request().await;
        world.until_secret("ANN", WantedState::On).await;
        let tunnel = world.router.dial(dial_as("ANN")).await.accepted();
        let question = world.ann.reads("Is it you who connected").await;
        world.ann.presses(&question, "Yes, it is me").await;
        world.until_active().await;
        let ((), got_in) = tokio::join!(world.end(), world.redials(&tunnel, dial_as("ANN")));
        assert!(!got_in);
        world.until_fulfilled().await;
    }
}

on_last! {
    /// Which of both is Ann's the router does not say: neither is switched on.
    async fn two_names_that_differ_by_case_are_never_guessed(world: World, least()) {
        ruled(world).await;
        world.secret("Ann");
        world.looks(1).await;
        world.until_secret("Ann", WantedState::Off).await;
        world.request().await;
        world.until_alarmed("not_done", "2 accounts are called ann").await;
        world.ann.reads("is not open there yet").await;
        assert!(!world.secret_is_on("ann") && !world.secret_is_on("Ann"));
        let second = world.router.row(SECRET, "name", "Ann").unwrap().unwrap();
        world.router.remove(SECRET, &second[".id"]).unwrap();
        world.in_time("the only one is on", || async { world.secret_is_on("ann") }).await;
        world.ann.reads("ann is open there now").await;
    }
}

on_last! {
    async fn a_stranger_is_asked_about_whatever_the_policy(world: World, least()) {
        ruled(world).await;
        granted(world).await;
        let tunnel = world.dial().await.accepted();
        world.ann.reads("ann is connecting").await;
        world.until_active().await;
        tunnel.hang_up(Cause::UserRequest).await;
        world.until_nobody_is_connected().await;
        let tunnel = world.dial_from(ELSEWHERE).await.accepted();
        let question = world.ann.reads("Is it you who connected").await;
        assert!(question.text.contains(ELSEWHERE), "{}", question.text);
        let ((_, got_in), ()) = tokio::join!(
            async { tokio::join!(world.ann.presses(&question, "Not me"), world.redials(&tunnel, ann_from(ELSEWHERE))) },
            async { drop(world.operators.wait_for(|message| message.text.contains("not me")).await) },
        );
        assert!(!got_in);
        world.until_over().await;
        world.until_fulfilled().await;
        assert!(!world.secret_is_on("ann"));
        world.dial().await.rejected();
    }
}

on_last! {
    async fn a_caller_that_is_refused_is_cut_unasked(world: World, least()) {
        let level = Level::Account(world.account("ann").await.0);
        world.gate().set_setting(&ADMIN, "source_networks", level, "203.0.113.0/24").await.unwrap();
        ruled(world).await;
        granted(world).await;
        let tunnel = world.dial_from(ELSEWHERE).await.accepted();
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
        world.until_nobody_is_connected().await;
        let tunnel = world.dial().await.accepted();
        world.until_active().await;
        assert!(tunnel.is_up());
        assert_eq!(world.ann.count("Is it you"), 0);
    }
}

on_last! {
    async fn allowed_hours_switch_too(world: World, least()) {
        // It is Monday, 10:00.
        world.set("allowed_hours", "Mo-Fr 08:00-18:00").await;
        ruled(world).await;
        granted(world).await;
        let tunnel = world.dial().await.accepted();
        world.until_active().await;
        world.after(hours(8));
        let got_in = tokio::join!(world.in_time("it is cut", || async { !tunnel.is_up() }), world.redials(&tunnel, ann_from(HOME))).1;
        assert!(!got_in);
        world.settles().await;
        assert!(!world.secret_is_on("ann"));
        world.after(hours(14));
        world.in_time("it is on in the morning", || async { world.secret_is_on("ann") }).await;
        assert!(world.alarms_of("drift").await.is_empty());
    }
}

on_versions! {
    async fn what_somebody_makes_or_enables_there_lets_nobody_in(
        world: World,
        Plan { user_manager: UserManager::Absent, ..least() }
    ) {
        world.reach(Scheme::Api, Leases::Off).await;
        world.looks(1).await;
        world.secret("ann");
        world.looks(1).await;
        world.until_secret("ann", WantedState::Off).await;
        world.until_alarmed("drift", "somebody switched secret ann; it is switched back").await;

        world.settles().await;
        world.router.set(SECRET, "ann", &[("disabled", "no")]).unwrap();
        let tunnel = world.dial().await.accepted();
        assert_eq!(tunnel.ended().await, Cause::AdminReset, "no session, no connection");
        world.until_alarmed("no_session", "ann is connected on office without a session").await;
        world.looks(1).await;
        world.until_secret("ann", WantedState::Off).await;
        world.until("the alarm counts it", || async { world.alarms_of("drift").await[0].count == 2 }).await;

        world.adopts_drift().await;
        world.settles().await;
        world.router.set(SECRET, "ann", &[("disabled", "no")]).unwrap();
        world.looks(2).await;
        world.until_alarmed("drift", "it stays so until the next change").await;
        assert!(world.secret_is_on("ann"));
        let tunnel = world.dial().await.accepted();
        assert_eq!(tunnel.ended().await, Cause::AdminReset, "whoever it lets in is cut all the same");
    }
}

/// A menu goes and comes: what is in the other one is ruled meanwhile. Every version says the same of it.
#[tokio::test]
async fn a_menu_that_is_missing_hides_nothing_else() {
    let world = crate::any_version().await;
    world.router.api_faults().hide_menu("/user-manager");
    world.secret("ann");
    world.reach(Scheme::Api, Leases::Off).await;
    world.until_secret("ann", WantedState::Off).await;
    world.until_fulfilled().await;
    world.router.api_faults().hide_menu("/ppp/secret");
    world.request().await;
    world.until_fulfilled().await;
    assert!(world.alarms_of("not_done").await.is_empty(), "the router keeps no accounts: none is needed");
    world.router.api_faults().show_menu("/ppp/secret");
    world.looks(1).await;
    world.until_secret("ann", WantedState::On).await;
    world.dial().await.accepted();
    world.until_active().await;
}

on_last! {
    async fn without_the_right_to_write_it_is_told_and_nothing_else_waits(world: World, least()) {
        ruled(world).await;
        world.router.api_faults().take_right("write");
        let since = world.now();
        world.request().await;
        world.until_alarmed("not_done", "not enough permissions").await;
        world.ann.reads("is not open there yet").await;
        let pending = world.gate().reader().pending_wants().await.unwrap();
        assert!(pending.iter().any(|want| want.thing == Thing::Secret("ann".to_owned()) && want.since == since));
        assert!(!world.secret_is_on("ann"));
        // The list is still read: whoever is connected is known.
        world.secret("guest");
        let guest = world.router.dial(dial_as("guest")).await.accepted();
        world.in_time("the stranger is told of", || async { !world.alarms_of("no_session").await.is_empty() }).await;
        assert!(guest.is_up());
        world.router.api_faults().give_right("write");
        world.in_time("it is on", || async { world.secret_is_on("ann") }).await;
        world.ann.reads("ann is open there now").await;
    }
}

on_versions! {
    async fn a_router_out_of_reach_for_an_hour_throws_nobody_out(world: World, least()) {
        let rule = world.rule(RULE);
        world.drop_the_rest();
        ruled(world).await;
        world.bind_rule(&rule).await;
        world.set("extra_protection", "on").await;
        granted(world).await;
        let (bob, bobs) = world.bob().await;
        world.secret("bob");
        world.looks(1).await;
        let tunnel = world.confirmed().await;
        world.until_active().await;
        let bobs_tunnel = world.router.dial(dial_as("bob")).await.accepted();
        let question = bob.reads("Is it you who connected").await;
        bob.presses(&question, "Yes, it is me").await;
        world.until("the rule is on", || async { tunnel.passes() }).await;
        world.until_fulfilled().await;
        let from = world.router.trace().len();

        world.api_goes_down().await;
        world.swept(60).await;
        // Bob's right ends meanwhile.
        let his = world.gate().reader().open_session(bobs).await.unwrap().unwrap();
        world.gate().end_session(&ADMIN, his.id).await.unwrap();
        assert!(tunnel.is_up() && bobs_tunnel.is_up());
        world.api_comes_up();
        let bob_is_out = async {
            world.in_time("bob is cut", || async { !bobs_tunnel.is_up() }).await;
            let mut dial = dial_as("bob");
            dial.password = Secret::new(PASSWORD);
            assert!(!matches!(world.router.dial(dial).await, DialOutcome::Connected(_)));
        };
        bob_is_out.await;
        world.settles().await;
        world.looks(2).await;
        assert!(tunnel.is_up() && tunnel.passes(), "Ann never noticed");
        assert_eq!(world.traced(from, &["-> /ip/firewall/filter/set"]), None);
        let open: Vec<_> = world.connections().await.into_iter().filter(|open| open.ended_at.is_none()).collect();
        assert_eq!(open.len(), 1);
        assert_eq!(world.ann.count("Is it you"), 1, "she is not asked again");
        assert!(world.session().await.is_some_and(|session| session.connections.len() == 1));
        assert!(world.secret_is_on("ann") && !world.secret_is_on("bob"));
    }
}

impl World {
    /// So many minutes pass, and every one is swept.
    pub async fn swept(&self, count: u32) {
        for _ in 0..count {
            self.after(minutes(1));
            let now = self.now().millis();
            self.until("the minute is swept", || async {
                self.gate().reader().mark("clock").await.unwrap().is_some_and(|at| at >= now)
            })
            .await;
        }
    }
}

on_versions! {
    async fn a_restart_throws_nobody_out_and_lets_nobody_in(world: World, least()) {
        ruled(world).await;
        world.set("extra_protection", "on").await;
        world.secret("bob");
        granted(world).await;
        let tunnel = world.confirmed().await;
        world.until_active().await;
        world.crash().await;
        // While nobody rules, a secret that was not ours is enabled, and its owner connects.
        let bob = radgram::domain::account::name_key("bob");
        let intruder = world.router.dial(dial_as("bob")).await.accepted();
        world.start().await;
        let gate = world.gate();
        assert_eq!(gate.reader().account_id(&bob).await.unwrap(), None);
        gate.add_account(&ADMIN, "bob", None, Some(Secret::new(PASSWORD))).await.unwrap();
        assert_eq!(intruder.ended().await, Cause::AdminReset, "from now on bob needs a right, too");
        world.until_secret("bob", WantedState::Off).await;
        world.looks(2).await;
        world.settles().await;
        assert!(tunnel.is_up());
        assert_eq!(world.ann.count("Is it you"), 1, "she is not asked again");
        let ((), got_in) = tokio::join!(world.end(), world.redials(&tunnel, ann_from(HOME)));
        assert!(!got_in);
    }
}
