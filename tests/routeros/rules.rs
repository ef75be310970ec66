//! Extra protection by a rule of one's own: on after the yes, off at every end, whatever happens on the way.

use radgram::domain::router::{Leases, Scheme};
use radgram::domain::user::UserStep;
use radgram::domain::want::WantedState;
use radgram::gate::router_api::ApiFault;
use radgram::gate::{Refused, RuleIdentity};
use radgram::proto::routeros::Sentence;
use radgram::sim::router::Cause;

use crate::hands::{FILTER, seconds};
use crate::world::{ADMIN, Dialled, Plan, World, hours, minutes};

const RULE: &str = "2FA ann";
/// Rules that look like Ann's and are not.
const OTHERS: [&str; 4] = ["2FA annabel", "old 2FA ann", "2FA Ann", "2FA ann (was)"];

/// Ann's rule, bound, among others; every connection is asked about.
async fn protected(world: &World) -> String {
    for comment in OTHERS {
        world.rule(comment);
    }
    let rule = world.rule(RULE);
    world.drop_the_rest();
    world.reach(Scheme::Radius, Leases::Off).await;
    world.bind_rule(&rule).await;
    world.set("extra_protection", "on").await;
    rule
}

/// The rule is on, and nobody else's.
async fn opens(world: &World) {
    world.until("the rule is on", || async { world.rule_is_on(RULE) }).await;
    world.until_fulfilled().await;
    assert!(OTHERS.iter().all(|other| !world.rule_is_on(other)), "{:?}", world.router.rows(FILTER));
}

async fn shuts(world: &World) {
    world.until("the rule is off", || async { !world.rule_is_on(RULE) }).await;
    world.settles().await;
}

on_versions! {
    async fn the_yes_switches_it_on_and_the_end_off(world: World, Plan::default()) {
        protected(world).await;
        world.request().await;
        let tunnel = world.confirmed().await;
        opens(world).await;
        tunnel.hang_up(Cause::UserRequest).await;
        shuts(world).await;
        // A caller that was confirmed before is not asked again.
        let tunnel = world.dial().await.accepted();
        opens(world).await;
        world.after(hours(24));
        tunnel.ended().await;
        world.until_over().await;
        shuts(world).await;

        world.dial().await.rejected();
    }
}

/// How a session ends. Which version it is cannot matter: the switch is the same.
#[derive(Debug, Clone, Copy)]
enum End {
    ByUser,
    ByOperator,
    CutIt,
    Unanswered,
    NotMe,
    Blocked,
    Deleted,
}

macro_rules! it_is_off_after {
    ($($name:ident: $end:ident),* $(,)?) => {$(
        #[tokio::test]
        async fn $name() {
            let world = crate::any_version().await;
            protected(&world).await;
            end_by(&world, End::$end).await;
            shuts(&world).await;
            if world.gate().reader().account_id("ann").await.unwrap().is_some() {
                assert!(world.session().await.is_none());
            }
        }
    )*};
}

it_is_off_after! {
    it_is_off_after_the_person_has_ended_it: ByUser,
    it_is_off_after_an_operator_has_ended_it: ByOperator,
    it_is_off_after_cut_it: CutIt,
    it_is_off_after_no_answer: Unanswered,
    it_is_off_after_not_me: NotMe,
    it_is_off_after_the_person_was_blocked: Blocked,
    it_is_off_after_the_account_was_deleted: Deleted,
}

async fn end_by(world: &World, end: End) {
    let gate = world.gate();
    world.request().await;
    match end {
        End::ByUser => {
            let tunnel = world.confirmed().await;
            opens(world).await;
            world.ann.says("Disable VPN access");
            let question = world.ann.reads("Close access with ann?").await;
            world.ann.presses(&question, "Disconnect now").await;
            tunnel.ended().await;
        }
        End::ByOperator => {
            let tunnel = world.confirmed().await;
            opens(world).await;
            world.end().await;
            tunnel.ended().await;
        }
        End::CutIt => {
            let (tunnel, question) = world.asked().await;
            world.ann.presses(&question, "Cut it").await;
            tunnel.ended().await;
        }
        End::Unanswered => {
            let (tunnel, _) = world.asked().await;
            world.after(minutes(5));
            tunnel.ended().await;
        }
        End::NotMe => {
            world.set("extra_protection", "off").await;
            let tunnel = world.dial().await.accepted();
            let notice = world.ann.reads("ann is connecting").await;
            opens(world).await;
            world.ann.presses(&notice, "Not me").await;
            tunnel.ended().await;
        }
        End::Blocked => {
            let tunnel = world.confirmed().await;
            opens(world).await;
            gate.decide_user(&ADMIN, world.user().await, UserStep::Block, None).await.unwrap();
            tunnel.ended().await;
        }
        End::Deleted => {
            let tunnel = world.confirmed().await;
            opens(world).await;
            gate.delete_account(&ADMIN, world.account("ann").await).await.unwrap();
            tunnel.ended().await;
        }
    }
}

on_versions! {
    async fn it_is_found_again_under_another_id(world: World, Plan::default()) {
        let first = protected(world).await;
        world.request().await;
        let tunnel = world.confirmed().await;
        opens(world).await;
        // Removed and made again by hand: another id, and off.
        world.router.remove(FILTER, &first).unwrap();
        world.rule(RULE);
        world.looks(1).await;
        opens(world).await;
        let before = world.wants().await;
        world.looks(2).await;
        assert_eq!(world.wants().await, before, "found once, and known from then on");
        tunnel.hang_up(Cause::UserRequest).await;
        shuts(world).await;
        // The same while it shall be off, and somebody makes it so that it is on.
        let second = world.router.row(FILTER, "comment", RULE).unwrap().unwrap();
        world.router.remove(FILTER, &second[".id"]).unwrap();
        let third = world.rule(RULE);
        world.router.set(FILTER, &third, &[("disabled", "no")]).unwrap();
        world.looks(1).await;
        shuts(world).await;
        assert!(world.alarms_of("not_done").await.is_empty());
    }
}

on_versions! {
    async fn which_rule_is_meant_is_never_guessed(world: World, Plan::default()) {
        let (one, other) = (world.rule(RULE), world.rule(RULE));
        let unmarked = world.rule("ann");
        world.reach(Scheme::Radius, Leases::Off).await;
        let (router, account) = (world.router_id().await, world.account("ann").await);
        let gate = world.gate();
        for rule in [&one, &other] {
            let refused = gate.bind_rule(&ADMIN, router, (rule, RULE), account).await;
            assert!(matches!(refused, Err(Refused::Router(ApiFault::Ambiguous(_)))), "{refused:?}");
        }
        assert!(matches!(gate.bind_rule(&ADMIN, router, (&unmarked, "ann"), account).await, Err(Refused::NotFound(_))));
        let lines = gate.router_rules(router).await.unwrap();
        assert_eq!(lines.iter().map(|line| line.identity).collect::<Vec<_>>(), [RuleIdentity::Shared; 2]);
        world.router.set(FILTER, &other, &[("comment", "2FA annabel")]).unwrap();
        // The id is another rule's by now than the one that was shown.
        let stale = gate.bind_rule(&ADMIN, router, (&other, RULE), account).await;
        assert!(matches!(stale, Err(Refused::NotFound(_))), "{stale:?}");
        world.bind_rule(&one).await;
        let lines = gate.router_rules(router).await.unwrap();
        assert!(lines.iter().all(|line| line.identity == RuleIdentity::Unique), "{lines:?}");
        assert_eq!(lines[0].bound.as_ref().map(|(_, name)| name.as_str()), Some("ann"));
        assert!(gate.bind_rule(&ADMIN, router, (&other, "2FA annabel"), account).await.is_err(), "an account has one on a router");
        // A second one with the bound comment changes nothing: the bound one is known by its id, too.
        let twin = world.rule(RULE);
        world.request().await;
        let _tunnel = world.dial().await.accepted();
        world.until("the rule is on", || async { world.is_on(FILTER, ".id", &one) }).await;
        assert!(!world.is_on(FILTER, ".id", &twin) && !world.is_on(FILTER, ".id", &other));
    }
}

on_last! {
    /// A comment is bytes; here it is in an older code page.
    async fn a_comment_that_is_no_utf_8_is_as_good_as_any(world: World, Plan::default()) {
        let add = Sentence::command("/ip/firewall/filter/add")
            .with("chain", "forward")
            .with("action", "accept")
            .with("comment", b"2FA \xc0\xed\xff")
            .with("disabled", "yes");
        world.admin_does(&add).await;
        world.admin_does(&Sentence::command("/ip/firewall/filter/add").with("chain", "x").with("comment", b"2FA \xc0")).await;
        world.drop_the_rest();
        world.reach(Scheme::Radius, Leases::Off).await;
        let rule = world.gate().router_rules(world.router_id().await).await.unwrap().remove(0).rule.unwrap();
        assert_eq!(rule.comment, b"2FA \xc0\xed\xff");
        world.bind_rule(&rule.id).await;
        world.set("extra_protection", "on").await;
        world.request().await;
        let tunnel = world.confirmed().await;
        world.until("the rule opens", || async { tunnel.passes() }).await;
        // Found by its comment alone, byte by byte.
        world.router.remove(FILTER, &rule.id).unwrap();
        world.admin_does(&add.with("place-before", "*2")).await;
        world.looks(1).await;
        world.in_time("the rule opens again", || async { tunnel.passes() }).await;
        world.end().await;
        tunnel.ended().await;
        world.settles().await;
        let rules = world.router.rows(FILTER).unwrap();
        assert_eq!(rules[0]["disabled"], "true", "{rules:?}");
    }
}

on_versions! {
    async fn what_somebody_switches_is_switched_back_or_left(world: World, Plan::default()) {
        let rule = protected(world).await;
        world.router.set(FILTER, &rule, &[("disabled", "no")]).unwrap();
        world.looks(1).await;
        shuts(world).await;
        world.until_alarmed("drift", "somebody switched rule \"2FA ann\"; it is switched back").await;
        world.operators.wait_for(|message| message.text.contains("it was switched back")).await;

        world.adopts_drift().await;
        world.router.set(FILTER, &rule, &[("disabled", "no")]).unwrap();
        world.looks(2).await;
        world.until_alarmed("drift", "it stays so until the next change").await;
        assert!(world.rule_is_on(RULE), "left as it is");
        assert_eq!(world.alarms_of("drift").await[0].count, 2, "and told once");
        // Until the next change of ours: a connection comes and goes.
        world.request().await;
        let tunnel = world.confirmed().await;
        opens(world).await;
        tunnel.hang_up(Cause::UserRequest).await;
        shuts(world).await;
    }
}

on_versions! {
    async fn a_rule_that_is_gone_opens_nothing_and_is_told(world: World, Plan::default()) {
        let rule = protected(world).await;
        world.router.remove(FILTER, &rule).unwrap();
        world.looks(2).await;
        world.settles().await;
        let lines = world.gate().router_rules(world.router_id().await).await.unwrap();
        assert!(lines.iter().any(|line| line.comment == RULE && line.identity == RuleIdentity::Missing));
        world.request().await;
        let tunnel = world.confirmed().await;
        world.until_alarmed("not_done", "rule \"2FA ann\" is to be on").await;
        world.operators.wait_for(|message| message.text.contains("is not as radgram wants it")).await;
        assert!(!tunnel.passes());
        world.rule(RULE);
        world.in_time("the rule is on", || async { tunnel.passes() }).await;
        world.ann.reads("open there now").await;
    }
}

on_versions! {
    async fn unbinding_switches_off_and_lets_go(world: World, Plan::default()) {
        let rule = protected(world).await;
        world.request().await;
        let tunnel = world.confirmed().await;
        opens(world).await;
        let bound = world.gate().reader().rules().await.unwrap().remove(0);
        world.gate().unbind_rule(&ADMIN, bound.id).await.unwrap();
        shuts(world).await;
        assert!(tunnel.is_up());
        // From now on it is the operator's.
        world.router.set(FILTER, &rule, &[("disabled", "no")]).unwrap();
        world.looks(2).await;
        assert!(world.rule_is_on(RULE));
        world.end().await;
        tunnel.ended().await;
        world.settles().await;
        assert!(world.rule_is_on(RULE));
        assert!(world.wants().await.is_empty());
    }
}

on_versions! {
    async fn a_router_that_is_away_at_the_yes_and_at_the_end(world: World, Plan::default()) {
        protected(world).await;
        world.request().await;
        let (tunnel, question) = world.asked().await;
        let yes_at = world.now();
        world.api_goes_down().await;
        world.ann.presses(&question, "Yes, it is me").await;
        world.ann.reads("Router office does not answer at the moment, so ann is not open there yet").await;
        assert!(!tunnel.passes());
        world.after(minutes(10));
        pending_since(world, WantedState::On, yes_at).await;
        world.api_comes_up();
        // The try of just now may still be failing: its next one is due by the clock as it stands then.
        world.settles().await;
        opens(world).await;
        world.ann.reads("Router office is back: ann is open there now").await;
        assert_eq!(world.ann.count("does not answer at the moment"), 1);

        world.api_goes_down().await;
        let end_at = world.now();
        world.end().await;
        tunnel.ended().await;
        world.after(minutes(10));
        pending_since(world, WantedState::Off, end_at).await;
        assert!(world.rule_is_on(RULE), "nobody could shut it");
        world.api_comes_up();
        world.settles().await;
        shuts(world).await;
    }
}

/// Operators see what is pending, and since when.
async fn pending_since(world: &World, state: WantedState, since: radgram::clock::Timestamp) {
    world
        .until("what is pending says why", || async {
            let pending = world.gate().reader().pending_wants().await.unwrap();
            pending.iter().any(|want| {
                want.state == state
                    && want.since == since
                    && want.outcome.as_ref().is_some_and(|outcome| outcome.contains("out of reach"))
            })
        })
        .await;
}

on_versions! {
    async fn a_connection_that_breaks_in_the_middle_is_no_answer(world: World, Plan::default()) {
        protected(world).await;
        world.request().await;
        world.confirmed().await.hang_up(Cause::UserRequest).await;
        shuts(world).await;
        let faults = world.router.api_faults();
        let set = "/ip/firewall/filter/set";
        type Breaks = fn(&radgram::sim::router::ApiFaults, &str);
        for breaks in [|faults, set| faults.drop_before(set), |faults, set| faults.drop_after(set), |faults, set| {
            faults.fatal_during(set)
        }] as [Breaks; 3]
        {
            breaks(&faults, set);
            let tunnel = world.dial().await.accepted();
            world.in_time("the rule is on", || async { tunnel.passes() }).await;
            world.settles().await;
            breaks(&faults, set);
            tunnel.hang_up(Cause::UserRequest).await;
            world.in_time("the rule is off", || async { !world.rule_is_on(RULE) }).await;
            world.settles().await;
        }
        // The rule goes between the look and the change, and is there again.
        faults.vanish_before(set);
        let tunnel = world.dial().await.accepted();
        world.until_alarmed("not_done", "is to be on").await;
        assert!(world.router.row(FILTER, "comment", RULE).unwrap().is_none());
        world.rule(RULE);
        world.in_time("the rule is on", || async { tunnel.passes() }).await;
        world.settles().await;
    }
}

/// Which version it is cannot matter: nothing is said. Both take their 20 s at the same time.
#[tokio::test]
async fn silence_is_noticed_and_told() {
    tokio::join!(
        silent(|faults| faults.stall()), // bytes are not even taken
        silent(|faults| faults.go_deaf()),
    );
}

async fn silent(falls_silent: impl Fn(&radgram::sim::router::ApiFaults)) {
    let world = crate::any_version().await;
    protected(&world).await;
    world.request().await;
    let (tunnel, question) = world.asked().await;
    falls_silent(&world.router.api_faults());
    let began = tokio::time::Instant::now();
    world.ann.presses(&question, "Yes, it is me").await;
    let told = "Router office does not answer at the moment";
    world.until("the person is told", || async { world.ann.count(told) == 1 }).await;
    assert!(began.elapsed() < seconds(30), "no call waits longer");
    assert!(!tunnel.passes());
    world.router.api_faults().release();
    world.settles().await;
    opens(&world).await;
    world.ann.reads("open there now").await;
}

on_last! {
    async fn a_crash_in_the_middle_loses_nothing(world: World, Plan::default()) {
        protected(world).await;
        world.request().await;
        let (tunnel, question) = world.asked().await;
        // The yes is committed, and nothing of it is on the router.
        world.api_goes_down().await;
        world.ann.presses(&question, "Yes, it is me").await;
        world.crash().await;
        world.api_comes_up();
        world.start().await;
        world.settles().await;
        opens(world).await;
        // The router has done it, and radgram dies before it hears so.
        world.router.api_faults().drop_after("/ip/firewall/filter/set");
        tunnel.hang_up(Cause::UserRequest).await;
        world.until("the rule is off", || async { !world.rule_is_on(RULE) }).await;
        world.crash().await;
        world.start().await;
        world.settles().await;
        assert!(!world.rule_is_on(RULE));
        let tunnel = world.dial().await.accepted();
        opens(world).await;
        // And the end is not lost either: the connection goes while nobody listens.
        world.crash().await;
        tokio::spawn(async move { tunnel.hang_up(Cause::UserRequest).await });
        world.start().await;
        world.until("the rule is off again", || async {
            world.after(seconds(1));
            !world.rule_is_on(RULE)
        })
        .await;
        world.settles().await;
    }
}
