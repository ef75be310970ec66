//! Two instances on one PostgreSQL, with one master key, one clock and one Telegram: whatever is done on the one holds
//! on the other, and nothing is done twice.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/world.rs"]
mod world;

use std::sync::Arc;
use std::time::Duration;

use radgram::domain::attribute::Subject;
use radgram::domain::id::SessionId;
use radgram::domain::order::OrderState;
use radgram::domain::policy::WithoutSession;
use radgram::domain::session::State;
use radgram::domain::setting::Level;
use radgram::domain::user::UserStep;
use radgram::gate::directory::Found;
use radgram::gate::{BotState, Gate};
use radgram::proto::radius::{Packet, VendorType};
use radgram::secret::Secret;
use radgram::sim::router::{Cause, ChangeHabit, DialOutcome, DisconnectHabit, StartNotice};
use radgram::sim::telegram::Outage;
use sqlx::PgPool;
use tokio::time::Instant;

use postgres::Database;
use world::{ADMIN, Base, Dialled, HOME, Second, World, ann_from, hours};

/// A revocation on one instance holds on the other this long after it was committed, at the latest.
const HOLDS_WITHIN: Duration = Duration::from_secs(2);
/// Between two dials that look whether it does.
const PAUSE: Duration = Duration::from_millis(10);

async fn two() -> (World, Second) {
    let (world, second, _) = two_and_their_database().await;
    (world, second)
}

async fn two_and_their_database() -> (World, Second, PgPool) {
    let database = Database::fresh().await;
    let pool = PgPool::connect(database.url()).await.unwrap();
    let world = World::with_ann(Base::Postgres(database)).await;
    world.set("without_session", "reject").await;
    // The two routers are two callers; here only the session decides.
    world.set("new_address", "allow").await;
    let second = world.second().await;
    (world, second, pool)
}

async fn grant(gate: &Gate, world: &World) {
    gate.grant_session(&ADMIN, world.account("ann").await, hours(2)).await.unwrap();
}

/// Dials through the second until it is rejected; holds the time since `done` to the limit.
async fn shut_within_the_limit(second: &Second, done: Instant) {
    loop {
        let asked_at = Instant::now();
        let outcome = second.dial().await;
        assert!(asked_at.duration_since(done) < HOLDS_WITHIN, "still {outcome:?} after {HOLDS_WITHIN:?}");
        if matches!(outcome, DialOutcome::Rejected { .. }) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Dials through the second until it is accepted, and waits for its Start.
async fn connected(world: &World, second: &Second) -> radgram::sim::router::Tunnel {
    let account = world.account("ann").await;
    world
        .until("the second knows of the session", || async { matches!(second.dial().await, DialOutcome::Connected(_)) })
        .await;
    world
        .until("its Start is booked", || async {
            !second.gate().reader().entry(account).await.unwrap().unwrap().open.is_empty()
        })
        .await;
    world.until_heard().await;
    second.router.tunnels().pop().expect("it is up")
}

#[tokio::test]
async fn a_block_on_one_holds_on_the_other() {
    let (world, second) = two().await;
    grant(world.gate(), &world).await;
    let tunnel = connected(&world, &second).await;
    world.gate().decide_user(&ADMIN, world.user().await, UserStep::Block, None).await.unwrap();
    shut_within_the_limit(&second, Instant::now()).await;
    assert_eq!(tunnel.ended().await, Cause::AdminReset, "the tunnel of the other instance is cut");
    assert!(second.dial().await.rejected().contains("blocked"));
}

#[tokio::test]
async fn an_end_on_one_holds_on_the_other() {
    let (world, second) = two().await;
    // Back and forth: each is the one that hears of it once.
    for _ in 0..3 {
        grant(world.gate(), &world).await;
        let tunnel = connected(&world, &second).await;
        let session = world.session().await.unwrap();
        world.gate().end_session(&ADMIN, session.id).await.unwrap();
        shut_within_the_limit(&second, Instant::now()).await;
        assert_eq!(tunnel.ended().await, Cause::AdminReset);
    }
    grant(second.gate(), &world).await;
    world.until("the first knows of it", || async { matches!(world.dial().await, DialOutcome::Connected(_)) }).await;
    second.gate().end_session(&ADMIN, world.session().await.unwrap().id).await.unwrap();
    let done = Instant::now();
    while !matches!(world.dial().await, DialOutcome::Rejected { .. }) {
        assert!(done.elapsed() < HOLDS_WITHIN, "the first still accepts");
        tokio::time::sleep(PAUSE).await;
    }
}

#[tokio::test]
async fn what_is_said_of_a_group_on_one_holds_on_the_other() {
    let (world, second) = two().await;
    let (gate, account) = (world.gate(), world.account("ann").await);
    grant(gate, &world).await;
    connected(&world, &second).await;
    // Each is committed on the first, and the second is dialled at once.
    let group = gate.add_group(&ADMIN, "staff").await.unwrap();
    let profile = |name: &str| [("Mikrotik-Group".to_owned(), name.to_owned())];
    gate.set_attributes(&ADMIN, Subject::Group(group), &profile("staff")).await.unwrap();
    gate.put_into_group(&ADMIN, &[account], Some(group)).await.unwrap();
    profiled_within_the_limit(&second, Some("staff"), Instant::now()).await;
    gate.set_attributes(&ADMIN, Subject::Group(group), &profile("others")).await.unwrap();
    profiled_within_the_limit(&second, Some("others"), Instant::now()).await;
    gate.set_setting(&ADMIN, "routers", Level::Group(group.0), "office").await.unwrap();
    shut_within_the_limit(&second, Instant::now()).await;
    gate.remove_group(&ADMIN, group).await.unwrap();
    profiled_within_the_limit(&second, None, Instant::now()).await;
}

/// Dials through the second until its tunnel has this PPP profile; holds the time since `done` to the limit.
async fn profiled_within_the_limit(second: &Second, profile: Option<&str>, done: Instant) {
    loop {
        let asked_at = Instant::now();
        let outcome = second.dial().await;
        assert!(asked_at.duration_since(done) < HOLDS_WITHIN, "still {outcome:?} after {HOLDS_WITHIN:?}");
        if let DialOutcome::Connected(tunnel) = outcome {
            let accept = Packet::parse(tunnel.accept()).unwrap();
            if accept.vendor(VendorType::MIKROTIK_GROUP) == profile.map(str::as_bytes) {
                return;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[tokio::test]
async fn an_accept_of_the_other_in_flight_does_not_outlive_the_end() {
    let (world, second) = two().await;
    world.request().await;
    connected(&world, &second).await.hang_up(Cause::UserRequest).await;
    world.until_heard().await;
    let mut dial = ann_from(HOME);
    dial.start = StartNotice::Held;
    let tunnel = second.router.dial(dial).await.accepted();
    // Whatever the end itself sends does not arrive: its Start alone must be the end of it.
    second.router.treat_disconnects(DisconnectHabit::Ignore);
    world.gate().end_session(&ADMIN, world.session().await.unwrap().id).await.unwrap();
    shut_within_the_limit(&second, Instant::now()).await;
    assert!(tunnel.is_up());
    second.router.treat_disconnects(DisconnectHabit::Obey);
    tunnel.send_start().await;
    assert_eq!(tunnel.ended().await, Cause::AdminReset);
    world.until("the cut is proven", || async { world.gate().reader().pending_cuts().await.unwrap().is_empty() }).await;
}

#[tokio::test]
async fn a_dial_held_by_one_is_let_in_by_a_yes_that_the_other_hears() {
    let (world, second) = two().await;
    world.set("without_session", "hold").await;
    world.set("new_address", "ask").await;
    until_it_is(&world, second.gate(), BotState::Standby).await;
    let account = world.account("ann").await;
    let settled = || async {
        let known = second.gate().directory().read(account).await.unwrap().unwrap();
        known.policy.without_session == WithoutSession::Hold
    };
    world.until("the second knows the setting", settled).await;
    let (outcome, _) = tokio::join!(second.dial(), async {
        let question = world.ann.reads("waits for your answer").await;
        world.ann.presses(&question, "Yes, 24 h").await
    });
    outcome.accepted();
    assert_eq!(second.gate().metrics().held.get(), 0);
}

#[tokio::test]
async fn who_guesses_at_one_is_locked_at_both_and_lifted_at_both() {
    let (world, second) = two().await;
    world.set("guess_limit", "1").await;
    let account = world.account("ann").await;
    let limited =
        || async { [world.gate(), second.gate()].iter().all(|gate| gate.directory().system_policy().guess_limit == 1) };
    world.until("both know the setting", limited).await;
    let mut wrong = ann_from(HOME);
    wrong.password = Secret::new("a guess");
    let (outcome, ()) = tokio::join!(world.router.dial(wrong), async {
        world.until("it is kept back", || async { world.gate().metrics().kept_back.get() == 1 }).await;
        world.after(Duration::from_secs(1));
    });
    outcome.rejected();
    world.until("the other knows it", || async { second.gate().is_locked_for_guessing("ann") }).await;
    let locks = second.gate().reader().guess_locks(world.now()).await.unwrap();
    assert_eq!(locks.len(), 2, "the caller and the name");
    for lock in locks {
        second.gate().lift_guess_lock(&ADMIN, lock.id).await.unwrap();
    }
    world.until("the first knows it", || async { !world.gate().is_locked_for_guessing("ann") }).await;
    world.gate().grant_session(&ADMIN, account, hours(2)).await.unwrap();
    world.dial().await.accepted();
}

#[tokio::test]
async fn of_two_accepts_at_once_on_both_the_surplus_is_cut() {
    let (world, second) = two().await;
    grant(world.gate(), &world).await;
    let account = world.account("ann").await;
    let known = || async {
        let names = ["ann".to_owned()];
        let found = second.gate().directory().look_up(&names).await.unwrap();
        matches!(found, Found::Account(known) if known.entry.session.is_some())
    };
    world.until("the second knows of the session", known).await;
    let mut dial = ann_from(HOME);
    dial.start = StartNotice::Held;
    // Neither sees the other's slot.
    let here = world.router.dial(dial.clone()).await.accepted();
    let there = second.router.dial(dial).await.accepted();
    there.send_start().await;
    world.until_heard().await;
    here.send_start().await;
    assert_eq!(here.ended().await, Cause::AdminReset, "who starts second is one too many");
    let left = || async { world.gate().reader().entry(account).await.unwrap().unwrap().open.len() == 1 };
    world.until("one is left", left).await;
    assert!(there.is_up());
}

#[tokio::test]
async fn one_polls_and_the_other_takes_over_at_a_stop() {
    let (mut world, second) = two().await;
    assert_eq!(world.gate().bot_state(), BotState::Running);
    until_it_is(&world, second.gate(), BotState::Standby).await;
    world.stop().await;
    world.ann.says("/help");
    world.ann.reads("The bot opens access").await;
    until_it_is(&world, second.gate(), BotState::Running).await;
    world.ann.says("/request_vpn");
    world.ann.reads("is open until").await;
    let account = second.gate().reader().account_id("ann").await.unwrap().unwrap();
    assert_eq!(second.gate().reader().open_session(account).await.unwrap().unwrap().state, State::Granted);
}

#[tokio::test]
async fn the_other_takes_over_after_a_crash() {
    let (mut world, second) = two().await;
    until_it_is(&world, second.gate(), BotState::Standby).await;
    world.crash().await;
    world.ann.says("/help");
    // What the dead one led lapses.
    world.after(Duration::from_secs(16));
    world.ann.reads("The bot opens access").await;
    until_it_is(&world, second.gate(), BotState::Running).await;
}

async fn until_it_is(world: &World, gate: &Arc<Gate>, state: BotState) {
    world.until("the bot stands so", || async { gate.bot_state() == state }).await;
}

#[tokio::test]
async fn messages_of_both_are_delivered_once() {
    const ROUNDS: usize = 6;
    let (world, second) = two().await;
    for round in 0..ROUNDS {
        let (granting, ending) =
            if round % 2 == 0 { (world.gate(), second.gate()) } else { (second.gate(), world.gate()) };
        grant(granting, &world).await;
        ending.end_session(&ADMIN, world.session().await.unwrap().id).await.unwrap();
    }
    world.until_posted().await;
    assert_eq!(world.ann.count("closed by an operator"), ROUNDS);
    assert_eq!(world.ann.count("is open until"), ROUNDS);
}

#[tokio::test]
async fn a_message_on_its_way_is_delivered_once_though_its_poster_stops() {
    let (mut world, second, pool) = two_and_their_database().await;
    world.telegram.outage(Outage::BadGateway);
    grant(world.gate(), &world).await;
    let tries = "select cast(coalesce(max(tries), 0) as bigint) from outbox where done_at is null";
    let tried = || async { sqlx::query_scalar::<_, i64>(tries).fetch_one(&pool).await.unwrap() > 0 };
    world.until("it was tried", tried).await;
    // Telegram takes it now, but what became of it cannot be written down yet.
    let mut lock = pool.begin().await.unwrap();
    sqlx::query("lock table outbox in share mode").execute(&mut *lock).await.unwrap();
    world.telegram.outage(Outage::Over);
    world.after(Duration::from_secs(5));
    world.ann.reads("is open until").await;
    let web = world.web();
    let released = async {
        while tokio::net::TcpStream::connect(web).await.is_ok() {
            tokio::time::sleep(PAUSE).await;
        }
        lock.commit().await.unwrap();
    };
    tokio::join!(world.stop(), released);
    // The other delivers what comes next, and would have delivered what was left before it.
    second.gate().end_session(&ADMIN, open_session(&second).await).await.unwrap();
    world.ann.reads("closed by an operator").await;
    assert_eq!(world.ann.count("is open until"), 1);
}

async fn open_session(second: &Second) -> SessionId {
    let reader = second.gate().reader();
    let account = reader.account_id("ann").await.unwrap().unwrap();
    reader.open_session(account).await.unwrap().unwrap().id
}

#[tokio::test]
async fn messages_left_by_a_stop_are_delivered_by_the_other() {
    const MESSAGES: usize = 5;
    let (mut world, second) = two().await;
    grant_and_end(&world, second.gate(), MESSAGES).await;
    world.ann.reads("closed by an operator").await;
    world.stop().await;
    let posted = || async { second.gate().reader().waiting_messages().await.unwrap() == 0 };
    world.until("the other has delivered the rest", posted).await;
    assert_eq!(world.ann.count("closed by an operator"), MESSAGES);
    assert_eq!(world.ann.count("is open until"), MESSAGES);
}

#[tokio::test]
async fn who_delivers_keeps_the_role_however_long_it_takes() {
    const MESSAGES: usize = 6;
    let (world, _second, pool) = two_and_their_database().await;
    let poster = async || {
        let owner = "select owner from leaders where role = 'post'";
        sqlx::query_scalar::<_, String>(owner).fetch_one(&pool).await.unwrap()
    };
    let before = poster().await;
    grant_and_end(&world, world.gate(), MESSAGES).await;
    // More time passes than a leadership lasts, and the other looks again and again whether it leads.
    for _ in 0..MESSAGES {
        world.ann.reads("closed by an operator").await;
        world.after(Duration::from_secs(4));
    }
    world.until_posted().await;
    assert_eq!(poster().await, before);
    assert_eq!(world.ann.count("closed by an operator"), MESSAGES);
    assert_eq!(world.ann.count("is open until"), MESSAGES);
}

/// Two messages for Ann, so many times: more than Telegram takes at once.
async fn grant_and_end(world: &World, gate: &Gate, times: usize) {
    let account = world.account("ann").await;
    for _ in 0..times {
        let session = gate.grant_session(&ADMIN, account, hours(2)).await.unwrap();
        gate.end_session(&ADMIN, session).await.unwrap();
    }
}

#[tokio::test]
async fn an_extension_on_one_is_told_by_the_other_to_its_router_if_the_first_dies() {
    let (mut world, second) = two().await;
    world.set("coa_session_timeout", "from_start").await;
    grant(world.gate(), &world).await;
    let tunnel = connected(&world, &second).await;
    second.router.treat_changes(ChangeHabit::Ignore);
    let session = world.session().await.unwrap();
    world.gate().extend_session(&ADMIN, session.id, hours(6)).await.unwrap();
    world.crash().await;
    second.router.treat_changes(ChangeHabit::Obey);
    // What the dead one led lapses.
    world.after(Duration::from_secs(16));
    let until = session.until + hours(6);
    world.until("the router knows the new end", || async { tunnel.expires() == Some(until) }).await;
    let settled = || async {
        let orders = second.gate().reader().orders().await.unwrap();
        orders.iter().all(|order| order.state == OrderState::Acknowledged) && orders.len() == 1
    };
    world.until("it is written down once", settled).await;
}
