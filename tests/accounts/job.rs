//! Bulk operations as jobs, which pages look at while they run.

use radgram::domain::account::Switch;
use radgram::gate::bulk::{Progress, Run};
use radgram::gate::job::{JobId, JobState, JobView};
use radgram::gate::router_api::{ApiFault, Menu};
use radgram::gate::{AccountStep, AccountSteps, Adoption, Afterwards, Refused};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::shop::{ADMIN, Shop};
use super::{PASSWORD, all, said};

/// A shop whose gate runs.
async fn running(secrets: usize) -> (Shop, TaskTracker, CancellationToken) {
    let shop = Shop::open().await;
    for n in 0..secrets {
        shop.api.secret(&format!("u{n}"), PASSWORD, &[]);
    }
    let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
    shop.gate.start(&tracker, &cancel);
    tracker.close();
    (shop, tracker, cancel)
}

fn view(shop: &Shop, job: JobId) -> JobView {
    shop.gate.job(job).unwrap()
}

async fn until_over(shop: &Shop, job: JobId) -> JobView {
    shop.until("the job is over", || view(shop, job).state != JobState::Running).await;
    view(shop, job)
}

fn disable(count: usize) -> AccountSteps {
    AccountSteps {
        menu: Menu::Secret,
        names: (0..count).map(|n| format!("u{n}")).collect(),
        step: AccountStep::Switch(Switch::Disabled),
        run: Run::Real,
    }
}

#[tokio::test]
async fn an_adoption_runs_on_while_it_is_looked_at() {
    let (shop, _tracker, _cancel) = running(50).await;
    let dry = Adoption { run: Run::Dry, ..all(Afterwards::Removed) };
    let tried = shop.gate.start_adoption(ADMIN, shop.office, dry).await.unwrap();
    let tried = until_over(&shop, tried).await;
    let job = shop.gate.start_adoption(ADMIN, shop.office, all(Afterwards::Removed)).await.unwrap();
    let done = until_over(&shop, job).await;
    assert!(matches!(done.state, JobState::Finished { .. }), "{:?}", done.state);
    assert_eq!(done.progress, Progress { total: 50, done: 50 });
    assert_eq!(
        (done.what.as_str(), done.actor.as_str(), done.router),
        ("adopt from secret", "command line", shop.office)
    );
    assert_eq!(done.lines, tried.lines);
    assert_eq!((tried.run, done.run), (Run::Dry, Run::Real));
    assert!(shop.account("u49").await.is_some());
    assert!(!format!("{done:?}").contains(PASSWORD));
}

#[tokio::test]
async fn a_router_has_one_job_and_a_stop_lets_it_finish_its_name() {
    let (shop, tracker, cancel) = running(5).await;
    let turnstile = shop.api.hold_changes();
    let job = shop.gate.start_account_changes(ADMIN, shop.office, disable(5)).await.unwrap();
    turnstile.add_permits(2);
    shop.until("two are done", || view(&shop, job).progress.done == 2).await;
    let second = shop.gate.start_adoption(ADMIN, shop.office, all(Afterwards::Kept)).await;
    assert!(matches!(&second, Err(Refused::Conflict(why)) if why.contains("at work")), "{second:?}");

    cancel.cancel();
    assert_eq!(view(&shop, job).state, JobState::Running, "the third is under way");
    turnstile.add_permits(1);
    tracker.wait().await;
    let ended = view(&shop, job);
    assert_eq!(said(&ended.lines), ["u0 done", "u1 done", "u2 done", "u3 not_tried", "u4 not_tried"]);
    assert!(ended.lines[3].outcome.why().contains("radgram is being stopped"), "{ended:?}");
    assert_eq!(shop.api.names(Menu::Secret), ["-u0", "-u1", "-u2", "u3", "u4"]);
    let late = shop.gate.start_account_changes(ADMIN, shop.office, disable(1)).await;
    assert!(matches!(late, Err(Refused::Conflict(_))));
}

#[tokio::test]
async fn a_job_that_comes_to_nothing_says_why() {
    let (shop, _tracker, _cancel) = running(1).await;
    shop.api.cannot_read(Menu::Secret, ApiFault::Unreachable("timed out".to_owned()));
    let job = shop.gate.start_adoption(ADMIN, shop.office, all(Afterwards::Removed)).await.unwrap();
    let JobState::Failed { why, .. } = until_over(&shop, job).await.state else { panic!("it did not fail") };
    assert!(why.contains("out of reach"), "{why}");
    assert_eq!(shop.gate.job(JobId(999)), None);
}

#[tokio::test]
async fn without_a_running_server_there_are_no_jobs() {
    let shop = Shop::open().await;
    let refused = shop.gate.start_adoption(ADMIN, shop.office, all(Afterwards::Removed)).await;
    assert!(matches!(refused, Err(Refused::Conflict(_))), "{refused:?}");
}
