//! Somebody guesses passwords: waits ever longer, is locked, and operators hear of it and lift it.

use std::time::Duration;

use radgram::secret::Secret;
use radgram::sim::router::Dial;

use crate::world::{ADMIN, Base, Dialled, ELSEWHERE, HOME, World, ann_from, hours};

const DENIED: &str = "Access denied";
const LONGEST: Duration = Duration::from_millis(800);
/// `guess_limit` as it is by default.
const LIMIT: usize = 10;

fn guess(user: &str, caller: &str) -> Dial {
    Dial { user: user.to_owned(), password: Secret::new("a guess"), ..ann_from(caller) }
}

/// A dial that is refused without anybody touching the clock.
async fn refused_at_once(world: &World, dial: Dial) {
    assert_eq!(world.router.dial(dial).await.rejected(), DENIED);
}

/// A dial that is refused once `wait` has passed, and not before.
async fn refused_after(world: &World, dial: Dial, wait: Duration) {
    let (outcome, ()) = tokio::join!(world.router.dial(dial), async {
        let kept_back = || async { world.gate().metrics().kept_back.get() == 1 };
        world.until("it is kept back", kept_back).await;
        world.after(wait - Duration::from_millis(1));
        world.until("it is still kept back", kept_back).await;
        world.after(Duration::from_millis(1));
    });
    assert_eq!(outcome.rejected(), DENIED);
}

/// What guessing costs, up to the lock.
async fn guess_up_to_the_lock(world: &World, user: &str, caller: &str) {
    for number in 1..=LIMIT {
        let wait = match number {
            1..=3 => None,
            4 => Some(Duration::from_millis(250)),
            5 => Some(Duration::from_millis(500)),
            _ => Some(LONGEST),
        };
        match wait {
            None => refused_at_once(world, guess(user, caller)).await,
            Some(wait) => refused_after(world, guess(user, caller), wait).await,
        }
    }
}

async fn until_locked(world: &World, locks: usize) {
    let kept = || async { world.gate().reader().guess_locks(world.now()).await.unwrap().len() == locks };
    world.until("the locks are written down", kept).await;
}

fn told(world: &World, words: &str) -> usize {
    world.operators.inbox().iter().filter(|message| message.text.contains(words)).count()
}

on_both! {
    async fn a_name_that_exists_and_one_that_does_not_cost_the_same(world: World) {
        for (user, caller) in [("ann", HOME), ("no-such-name", ELSEWHERE)] {
            guess_up_to_the_lock(world, user, caller).await;
        }
        until_locked(world, 4).await;
        let mut locks: Vec<(String, u32)> =
            world.gate().reader().guess_locks(world.now()).await.unwrap().into_iter().map(|lock| (lock.subject, lock.wrong)).collect();
        locks.sort();
        let of = |subject: &str| (subject.to_owned(), 10);
        assert_eq!(locks, [of(ELSEWHERE), of(HOME), of("ann"), of("no-such-name")]);
        // The right password does not show either.
        refused_after(world, ann_from(HOME), LONGEST).await;
        refused_after(world, guess("no-such-name", "192.0.2.77"), LONGEST).await;
    }
}

on_both! {
    async fn a_lock_is_told_once_and_an_operator_lifts_it(world: World) {
        guess_up_to_the_lock(world, "ann", HOME).await;
        until_locked(world, 2).await;
        let message = world.operators.wait_for(|message| message.text.contains("guesses passwords")).await;
        assert!(message.text.contains(HOME) && message.text.contains("office") && message.text.contains("10 wrong"), "{}", message.text);
        refused_after(world, ann_from(HOME), LONGEST).await;
        let alarms = world.gate().reader().alarms().await.unwrap();
        assert_eq!(alarms.iter().map(|alarm| (alarm.kind.as_str(), alarm.count)).collect::<Vec<_>>(), [("guessing", 1)]);
        // A restart does not lift it.
        world.restart().await;
        world.until("the lock is known again", || async { world.gate().is_locked_for_guessing("ann") }).await;
        refused_after(world, ann_from(HOME), LONGEST).await;
        for lock in world.gate().reader().guess_locks(world.now()).await.unwrap() {
            world.gate().lift_guess_lock(&ADMIN, lock.id).await.unwrap();
            assert!(world.gate().lift_guess_lock(&ADMIN, lock.id).await.is_err(), "it stands no more");
        }
        world.until("it is lifted", || async { !world.gate().is_locked_for_guessing("ann") }).await;
        world.request().await;
        world.dial().await.accepted();
        assert_eq!(told(world, "guesses passwords"), 1);
    }
}

on_both! {
    async fn a_caller_that_the_session_knows_neither_waits_nor_is_shut_out_by_strangers(world: World) {
        world.request().await;
        world.dial().await.accepted().start_delivered().await;
        world.until_heard().await;
        guess_up_to_the_lock(world, "ann", ELSEWHERE).await;
        until_locked(world, 2).await;
        for _ in 0..5 {
            refused_at_once(world, guess("ann", HOME)).await;
        }
        world.dial().await.accepted();
        // A stranger with the right password is shut out with the name.
        refused_after(world, ann_from("192.0.2.77"), LONGEST).await;
    }
}

on_both! {
    async fn a_lock_ends_by_itself(world: World) {
        guess_up_to_the_lock(world, "ann", HOME).await;
        until_locked(world, 2).await;
        world.after(hours(1) / 6);
        assert_eq!(world.dial().await.rejected(), "no session: the person has not asked for access");
        until_locked(world, 0).await;
    }
}

on_both! {
    async fn many_locks_on_one_router_are_one_alarm(world: World) {
        world.set("guess_limit", "1").await;
        let followed = || async { world.gate().directory().system_policy().guess_limit == 1 };
        world.until("the setting is followed", followed).await;
        for number in 0..8 {
            refused_after(world, guess(&format!("name{number}"), &format!("192.0.2.{number}")), LONGEST).await;
        }
        until_locked(world, 16).await;
        world.until_posted().await;
        assert_eq!((told(world, "for the name"), told(world, "caller 192.0.2."), told(world, "callers or names")), (0, 3, 1));
        assert_eq!(world.gate().reader().alarms().await.unwrap().len(), 4);
    }
}
