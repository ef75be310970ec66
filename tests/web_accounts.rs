//! The pages of a router's own accounts, over routers in memory: what each means, adoption, changes of many, jobs.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/site.rs"]
mod site;

use std::time::Duration;

use radgram::domain::account::Switch;
use radgram::domain::id::RouterId;
use radgram::domain::router::{Leases, Scheme};
use radgram::domain::setting::Level;
use radgram::domain::user::UserState;
use radgram::gate::router_api::{ApiFault, Menu, Seen};
use reqwest::StatusCode;
use reqwest::header::LOCATION;
use tokio::time::Instant;

use site::fleet::account;
use site::{Browser, SECRET, Site};

/// Longer than anything waits that is awaited; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(30);
const PATH: &str = "/routers/1/accounts";

/// A router with these secrets, all with the password that no page shows.
async fn office(site: &Site, names: &[&[u8]]) -> RouterId {
    let id = site.reached_router("office", "192.0.2.1").await;
    let secrets = names.iter().map(|name| account(Menu::Secret, name, SECRET)).collect();
    site.fleet.with(id, |known| known.accounts = secrets);
    id
}

/// Begins what the form says; gives the path of the job once it has ended.
async fn job(browser: &mut Browser, path: &str, form: &[(&str, &str)]) -> String {
    let answer = browser.post(path, form).await.assert_status(StatusCode::SEE_OTHER);
    let place = answer.headers[LOCATION].to_str().unwrap().to_owned();
    let started = Instant::now();
    while browser.get(&place).await.assert_page(&["<h2>"]).body.contains("http-equiv=\"refresh\"") {
        assert!(started.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    place
}

fn names(site: &Site, id: RouterId) -> Vec<String> {
    let shown = |row: &radgram::gate::router_api::RouterAccount| {
        let off = if row.switch == Switch::Disabled { "-" } else { "" };
        format!("{off}{}", String::from_utf8_lossy(&row.name))
    };
    site.fleet.with(id, |known| known.accounts.iter().map(shown).collect())
}

#[tokio::test]
async fn what_is_there_and_here_stands_side_by_side() {
    let site = Site::start().await;
    let ann = site.user(1, "Ann <i>", UserState::Approved).await;
    site.account("ann", Some(ann)).await;
    site.account("onlyhere", None).await;
    let id =
        office(&site, &[b"ann", b"bob", b"<b>evil</b>", b"\xff\xfe", "\u{202e}rtl".as_bytes(), b"Twin", b"twin"]).await;
    site.fleet.with(id, |known| {
        known.accounts[1].comment = b"<script>alert(1)</script>".to_vec();
        known.accounts[1].password = Seen::Hidden;
    });
    let mut browser = site.logged_in("vera").await;
    browser
        .get(PATH)
        .await
        .assert_page(&[
            "Ann &#60;i&#62;",
            "&#60;script&#62;",
            "password hidden",
            "a secret on the router wins over RADIUS",
            "its name is not UTF-8",
            "only in radgram",
            "not clear",
            "8 accounts",
        ])
        .assert_lacks(&["<i>", "<script", "<b>evil", "\u{202e}", "name=\"pick\"", "User Manager</a>"]);
    browser.get(&format!("{PATH}?verdict=both_shadowing")).await.assert_page(&["1 account<"]).assert_lacks(&["bob"]);
    browser.get(&format!("{PATH}?q=BOB")).await.assert_page(&["1 account<", "bob"]).assert_lacks(&["onlyhere"]);
    browser.get(&format!("{PATH}?q=<x>")).await.assert_page(&["No account matches.", "&#60;x&#62;"]);
    site.logged_in("olga").await.get(PATH).await.assert_page(&["name=\"pick\" value=\"bob\"", "Disable on the router"]);
    site.fleet.with(id, |known| known.fault = Some(ApiFault::Unreachable("no answer".to_owned())));
    browser.get(PATH).await.assert_page(&["out of reach: no answer", "It is tried again by itself"]);
}

#[tokio::test]
async fn a_long_list_is_turned_and_filtered() {
    let site = Site::start().await;
    let id = site.reached_router("office", "192.0.2.1").await;
    let name = |number: usize| format!("acc{number:05}");
    site.fleet.with(id, |known| {
        known.accounts = (0..5_000).map(|number| account(Menu::Secret, name(number).as_bytes(), SECRET)).collect();
    });
    let mut browser = site.logged_in("olga").await;
    browser
        .get(PATH)
        .await
        .assert_page(&["page 1 of 50", "acc00099", "Next page"])
        .assert_lacks(&["acc00100", "Page before"]);
    let last = "/routers/1/accounts?menu=secret&verdict=&q=&page=50";
    browser.get(last).await.assert_page(&["acc04999", "Page before"]).assert_lacks(&["Next page"]);
    browser.get(&format!("{PATH}?page=99")).await.assert_page(&["page 50 of 50"]);
    browser.get(&format!("{PATH}?q=acc0499")).await.assert_page(&["10 accounts", "acc04990"]);
    // All that the filter shows, not only the page of it.
    let form = [("step", "disable"), ("menu", "secret"), ("scope", "all"), ("q", "acc001")];
    browser.post(PATH, &form).await.assert_page(&["Disable on the router: 100 accounts", "value=\"acc001\""]);
    let sure: Vec<(&str, &str)> = form.into_iter().chain([("sure", "yes")]).collect();
    let place = job(&mut browser, PATH, &sure).await;
    browser.get(&place).await.assert_page(&["100 of 100 done"]);
    assert_eq!(names(&site, id).iter().filter(|name| name.starts_with('-')).count(), 100);
}

#[tokio::test]
async fn accounts_are_tried_out_then_adopted() {
    let site = Site::start().await;
    site.account("carl", None).await;
    let id = office(&site, &[b"ann", b"bob", b"carl"]).await;
    let mut browser = site.logged_in("root").await;
    browser.post(PATH, &[("step", "adopt"), ("menu", "secret")]).await.assert_redirect(PATH);
    browser.get(PATH).await.assert_page(&["Tick the accounts that are meant."]);
    let picked = [("step", "adopt"), ("menu", "secret"), ("pick", "ann"), ("pick", "carl")];
    browser.post(PATH, &picked).await.assert_page(&["Adopt: 2 accounts", "Try it out", "value=\"carl\""]);
    let with =
        |more: &[(&'static str, &'static str)]| picked.into_iter().chain(more.iter().copied()).collect::<Vec<_>>();
    browser
        .post(PATH, &with(&[("sure", "yes"), ("afterwards", "eaten")]))
        .await
        .assert_form(&["id=\"afterwards-error\""]);
    let trial = job(&mut browser, PATH, &with(&[("sure", "yes"), ("afterwards", "removed")])).await;
    assert_eq!(trial, "/routers/1/jobs/1?menu=secret&then=removed");
    browser.get(&trial).await.assert_page(&[
        "tried out: nothing is changed",
        "1 of 2 can be done, 1 not",
        "an account of this name is here already",
        "Mikrotik-Group = default-encryption",
        "Adopt the 1 that can be",
    ]);
    assert!(site.store.reader().account_id("ann").await.unwrap().is_none(), "a trial changes nothing");
    let mut operator = site.logged_in("olga").await;
    operator.get(&trial).await.assert_page(&["1 of 2 can be done"]).assert_lacks(&["Adopt the 1"]);
    operator.post("/routers/1/jobs/1/adopt", &[("menu", "secret"), ("then", "removed")]).await.assert_forbidden();
    operator.post(PATH, &picked).await.assert_forbidden();
    browser.post("/routers/1/jobs/1/adopt", &[("menu", "secret"), ("then", "x")]).await.assert_redirect(PATH);
    browser.get(PATH).await.assert_page(&["Only what was tried out is adopted here."]);
    let done = job(&mut browser, "/routers/1/jobs/1/adopt", &[("menu", "secret"), ("then", "removed")]).await;
    browser.get(&done).await.assert_page(&["1 of 1 done", "operator root"]).assert_lacks(&["Adopt the"]);
    assert!(site.store.reader().account_id("ann").await.unwrap().is_some());
    let started = Instant::now();
    while names(&site, id).contains(&"ann".to_owned()) {
        assert!(started.elapsed() < PATIENCE, "it leaves the router");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    browser.get(PATH).await.assert_page(&["Jobs of the last hour", "/routers/1/jobs/2"]);
    for path in ["/routers/1/jobs/9", "/routers/9/jobs/1"] {
        browser.get(path).await.assert_status(StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn each_step_is_for_its_role_and_says_what_came_of_it() {
    let site = Site::start().await;
    let id = office(&site, &[b"ann", b"bob", b"carl"]).await;
    let mut operator = site.logged_in("olga").await;
    let form = |step: &'static str, names: &[&'static str]| {
        let mut form = vec![("step", step), ("menu", "secret"), ("sure", "yes")];
        form.extend(names.iter().map(|name| ("pick", *name)));
        form
    };
    for step in ["adopt", "password", "remove"] {
        operator.post(PATH, &form(step, &["ann"])).await.assert_forbidden();
    }
    operator.post(PATH, &form("eat", &["ann"])).await.assert_redirect(PATH);
    operator.get(PATH).await.assert_page(&["Choose what is to be done."]).assert_lacks(&["Remove from the router"]);
    let place = job(&mut operator, PATH, &form("disable", &["ann", "nobody<x>"])).await;
    operator.get(&place).await.assert_page(&[
        "1 of 2 done, 1 not",
        "nobody&#60;x&#62;",
        "the router has no such account",
    ]);
    assert_eq!(names(&site, id), ["-ann", "bob", "carl"]);
    let mut owner = site.logged_in("root").await;
    owner.post(PATH, &form("password", &["ann", "bob"])).await.assert_redirect(PATH);
    owner.get(PATH).await.assert_page(&["A password is set for one account at a time."]);
    owner.post(PATH, &form("password", &["bob"])).await.assert_form(&["the password is empty"]);
    let mut password = form("password", &["bob"]);
    password.push(("password", "another good one"));
    job(&mut owner, PATH, &password).await;
    let seen = site.fleet.with(id, |known| known.accounts[1].password.clone());
    assert!(matches!(seen, Seen::Password(secret) if secret.expose_str() == Some("another good one")));
    job(&mut owner, PATH, &form("remove", &["carl"])).await;
    assert_eq!(names(&site, id), ["-ann", "bob"]);
    site.logged_in("vera").await.post(PATH, &form("disable", &["bob"])).await.assert_forbidden();
    owner.get("/audit").await.assert_page(&[
        "router.disable account",
        "router.account password",
        "router.remove account",
    ]);
}

#[tokio::test]
async fn a_page_of_long_names_can_be_ticked() {
    let site = Site::start().await;
    office(&site, &[b"ann"]).await;
    let mut browser = site.logged_in("olga").await;
    let names: Vec<String> = (0..100).map(|number| format!("{number:03}{}", "я".repeat(250))).collect();
    let mut form = vec![("step", "disable"), ("menu", "secret")];
    form.extend(names.iter().map(|name| ("pick", name.as_str())));
    browser.post(PATH, &form).await.assert_page(&["Disable on the router: 100 accounts"]);
}

#[tokio::test]
async fn a_job_that_runs_shows_how_far_it_is() {
    let site = Site::start().await;
    let id = office(&site, &[b"ann", b"bob"]).await;
    let mut browser = site.logged_in("root").await;
    site.fleet.with(id, |known| known.hangs = true);
    let form = [("step", "disable"), ("menu", "secret"), ("sure", "yes"), ("pick", "ann"), ("pick", "bob")];
    browser.post(PATH, &form).await.assert_redirect("/routers/1/jobs/1");
    browser.get("/routers/1/jobs/1").await.assert_page(&[
        "<progress",
        "http-equiv=\"refresh\" content=\"2\"",
        "This page loads itself again",
    ]);
    browser.post(PATH, &form).await.assert_form(&["a job is at work on this router&#39;s accounts already"]);
    site.fleet.with(id, |known| {
        known.hangs = false;
        known.fault = Some(ApiFault::Unreachable("lost".to_owned()));
    });
    let started = Instant::now();
    while !browser.get("/routers/1/jobs/1").await.body.contains("Broken off") {
        assert!(started.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    browser.get("/routers/1/jobs/1").await.assert_page(&["out of reach: lost"]).assert_lacks(&["<progress", "refresh"]);
}

#[tokio::test]
async fn an_account_is_made_on_the_router() {
    let site = Site::start().await;
    let id = office(&site, &[b"bob"]).await;
    site.account("ann", None).await;
    let mut browser = site.logged_in("root").await;
    let path = "/routers/1/accounts/new";
    browser.get(path).await.assert_page(&["Who dials with it is let in without radgram"]);
    let form = |name, password| [("menu", "secret"), ("name", name), ("password", password), ("switch", "enabled")];
    browser.post(path, &form("carl<b>", "")).await.assert_form(&["the password is empty", "carl&#60;b&#62;"]);
    browser.post(path, &form("ann", SECRET)).await.assert_form(&["radgram has an account of this name"]);
    browser.post(path, &form("bob", SECRET)).await.assert_form(&["secret with the same name already exists"]);
    browser.post(path, &form("carl", SECRET)).await.assert_redirect("/routers/1/accounts?menu=secret");
    browser.get(PATH).await.assert_page(&["carl is made on the router."]);
    assert_eq!(names(&site, id), ["bob", "carl"]);
    site.logged_in("olga").await.post(path, &form("dora", SECRET)).await.assert_forbidden();
}

#[tokio::test]
async fn where_the_router_decides_by_its_own_accounts_they_are_kept() {
    let site = Site::start().await;
    let id = office(&site, &[b"ann"]).await;
    let router = site.store.reader().routers().await.unwrap().routers.remove(0);
    let api = router.api.map(|api| radgram::gate::ApiForm {
        address: api.address,
        user: api.user,
        password: None,
        trust: api.trust,
        old_log_in: api.old_log_in,
    });
    let form = radgram::gate::ReachForm { scheme: Scheme::Api, leases: Leases::Off, api };
    let actor = radgram::domain::audit::Actor::CommandLine;
    site.gate.set_router_reach(&actor, id, &form).await.unwrap();
    let mut browser = site.logged_in("root").await;
    let picked = [("step", "adopt"), ("menu", "secret"), ("pick", "ann")];
    browser.post(PATH, &picked).await.assert_page(&["value=\"kept\""]).assert_lacks(&["value=\"removed\""]);
}

#[tokio::test]
async fn extra_protection_says_where_traffic_is_shut() {
    let site = Site::start().await;
    let ann = site.user(1, "Ann", UserState::Approved).await;
    let account = site.account("ann", Some(ann)).await;
    let id = site.reached_router("with <rule>", "192.0.2.1").await;
    site.router("without", "192.0.2.2").await;
    site.fleet.with(id, |known| known.rules = vec![site::fleet::rule("*A", b"2FA ann", Switch::Enabled)]);
    let actor = radgram::domain::audit::Actor::CommandLine;
    site.gate.bind_rule(&actor, id, ("*A", "2FA ann"), account).await.unwrap();
    let mut browser = site.logged_in("vera").await;
    browser.get("/users/1").await.assert_page(&["Extra protection"]).assert_lacks(&["until the yes"]);
    site.gate.set_setting(&actor, "extra_protection", Level::System, "on").await.unwrap();
    let started = Instant::now();
    while !browser
        .get("/users/1")
        .await
        .body
        .contains("with &#60;rule&#62;</bdi>: traffic is shut until the yes, by its rule")
    {
        assert!(started.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    browser.get("/users/1").await.assert_page(&["without: traffic flows until the answer"]);
}

#[tokio::test]
async fn the_overview_names_the_routers_to_look_at() {
    let site = Site::start().await;
    let id = site.reached_router("office", "192.0.2.1").await;
    site.reached_router("fine", "192.0.2.2").await;
    let fault = ApiFault::Refused("no".to_owned());
    site.fleet.with(id, |known| {
        known.rules = vec![site::fleet::rule("*A", b"2FA ann", Switch::Enabled)];
        known.read_only = Some(fault);
    });
    let account = site.account("ann", None).await;
    let actor = radgram::domain::audit::Actor::CommandLine;
    site.gate.bind_rule(&actor, id, ("*A", "2FA ann"), account).await.unwrap();
    let mut browser = site.logged_in("vera").await;
    let started = Instant::now();
    while !browser.get("/").await.body.contains("The router’s page") {
        assert!(started.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    browser
        .get("/")
        .await
        .assert_page(&["Routers to look at", "1 pending", "<a href=\"/routers/1\">The router’s page</a>"])
        .assert_lacks(&["/routers/2\""]);
    for setting in ["on_expiry", "drift", "poll_seconds"] {
        browser.get("/settings").await.assert_page(&[setting]);
    }
}
