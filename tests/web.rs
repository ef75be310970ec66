//! The web UI over a real store: log-in, roles, every page, and forms that come back with what is wrong.

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/site.rs"]
mod site;

use std::time::Duration;

use radgram::clock::Clock;
use radgram::domain::user::UserState;
use radgram::store::guess::{LockKind, NewLock};
use radgram::web::{Scheme, WebConfig};
use reqwest::StatusCode;
use reqwest::header::SET_COOKIE;

use site::{PASSWORD, SECRET, Site};

const PAGES: [&str; 14] = [
    "/",
    "/users",
    "/users/new",
    "/accounts",
    "/groups",
    "/sessions",
    "/attempts",
    "/routers",
    "/routers/new",
    "/settings",
    "/operators",
    "/operators/1",
    "/audit",
    "/password",
];

/// The pages of one router, behind its own.
const ROUTER_PAGES: [&str; 11] = [
    "",
    "/rules",
    "/accounts",
    "/accounts/new",
    "/attributes",
    "/doctor",
    "/script",
    "/api",
    "/home",
    "/habits",
    "/settings",
];

#[tokio::test]
async fn the_first_page_says_how_to_make_the_first_owner() {
    let site = Site::start_empty(WebConfig::default()).await;
    let mut browser = site.browser();
    browser.get("/").await.assert_redirect("/log-in");
    browser.get("/log-in").await.assert_page(&["radgram operator add NAME --role owner"]);
}

#[tokio::test]
async fn a_log_in_opens_the_pages_and_a_log_out_shuts_them() {
    let site = Site::start().await;
    let mut browser = site.browser();
    browser.get("/users/7").await.assert_redirect("/log-in?next=%2Fusers%2F7");
    browser.get("/log-in?next=%2Fusers").await.assert_page(&["value=\"/users\""]).assert_lacks(&["operator add"]);
    let answer = browser.post("/log-in", &[("name", "root"), ("password", PASSWORD), ("next", "/users")]).await;
    let set = answer.headers.get(SET_COOKIE).unwrap().to_str().unwrap().to_owned();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict") && !set.contains("Secure"), "{set}");
    answer.assert_redirect("/users");
    let cookie = browser.cookie.clone();
    browser.get("/users").await.assert_page(&["Users", "root"]);
    browser.post("/log-out", &[]).await.assert_redirect("/log-in");
    browser.cookie = cookie;
    browser.get("/users").await.assert_redirect("/log-in?next=%2Fusers");
}

#[tokio::test]
async fn a_wrong_log_in_keeps_the_name_and_not_the_password() {
    let site = Site::start().await;
    let mut browser = site.browser();
    let form = [("name", "root<x>"), ("password", "wrong horse battery"), ("next", "https://evil/")];
    browser
        .post("/log-in", &form)
        .await
        .assert_form(&["The name or the password is wrong.", "root&#60;x&#62;", "name=\"next\" value=\"/\""])
        .assert_lacks(&["wrong horse battery"]);
    assert!(browser.cookie.is_none());
}

#[tokio::test]
async fn log_ins_are_throttled_by_address() {
    let site = Site::start().await;
    let mut browser = site.browser();
    let mut last = StatusCode::OK;
    for _ in 0..11 {
        last = browser.post("/log-in", &[("name", "nobody"), ("password", "x")]).await.status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    browser
        .post("/log-in", &[("name", "root"), ("password", PASSWORD)])
        .await
        .assert_status(StatusCode::TOO_MANY_REQUESTS)
        .assert_has(&["Too many log-ins"]);
}

#[tokio::test]
async fn behind_tls_the_cookie_is_secure() {
    let config = WebConfig { scheme: Scheme::Tls, ..WebConfig::default() };
    let site = Site::start_empty(config).await;
    let owner = radgram::domain::operator::Role::Owner;
    let actor = radgram::domain::audit::Actor::CommandLine;
    let password = radgram::secret::Secret::new(PASSWORD);
    site.gate.logins().add_operator(&actor, "root", owner, &password).await.unwrap();
    let answer = site.browser().post("/log-in", &[("name", "ROOT"), ("password", PASSWORD)]).await;
    let set = answer.headers.get(SET_COOKIE).unwrap().to_str().unwrap();
    assert!(set.starts_with("__Host-radgram=") && set.contains("Secure"), "{set}");
}

#[tokio::test]
async fn what_another_site_sends_is_refused() {
    let site = Site::start().await;
    let mut browser = site.logged_in("root").await;
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
        browser.headers.clear();
        browser.headers.insert(name, value.parse().unwrap());
        browser.post("/log-out", &[]).await.assert_forbidden().assert_has(&["another site"]);
        browser.post("/log-in", &[("name", "root"), ("password", PASSWORD)]).await.assert_forbidden();
    }
    browser.headers.clear();
    browser.headers.insert("origin", site.address.parse().unwrap());
    browser.post("/settings/session_hours", &[("value", "8")]).await.assert_redirect("/settings#session_hours");
}

#[tokio::test]
async fn each_role_does_what_it_may() {
    let site = Site::start().await;
    let user = site.user(1, "Ann", UserState::Pending).await;
    let approve = format!("/users/{user}/approve");
    let mut viewer = site.logged_in("vera").await;
    viewer.get("/users").await.assert_page(&["Ann"]).assert_lacks(&["Approve", "Add a user"]);
    viewer
        .get("/settings")
        .await
        .assert_page(&["session_hours"])
        .assert_lacks(&["<button class=\"quiet secondary\">Save"]);
    viewer.post(&approve, &[]).await.assert_forbidden().assert_has(&["role operator"]);
    viewer.get("/operators").await.assert_forbidden();
    let mut operator = site.logged_in("olga").await;
    operator.post("/settings/session_hours", &[("value", "8")]).await.assert_forbidden().assert_has(&["role owner"]);
    operator.post("/routers", &[("name", "x")]).await.assert_forbidden();
    operator.get("/routers/new").await.assert_forbidden();
    operator.post(&approve, &[]).await.assert_redirect(&format!("/users/{user}"));
    operator.get(&format!("/users/{user}")).await.assert_page(&["Ann is approved"]);
    operator.get(&format!("/users/{user}")).await.assert_page(&["Ann"]).assert_lacks(&["Ann is approved"]);
}

#[tokio::test]
async fn every_page_shows_nothing_and_something() {
    every_page(&Site::start().await).await;
}

#[tokio::test]
async fn every_page_is_the_same_on_postgres() {
    let database = postgres::Database::fresh().await;
    every_page(&Site::start_on(database.url(), WebConfig::default()).await.with_operators().await).await;
}

async fn every_page(site: &Site) {
    let mut browser = site.logged_in("root").await;
    for path in PAGES {
        browser.get(path).await.assert_page(&["<h1>", "</html>"]);
    }
    browser.get("/").await.assert_page(&["Add the first router"]);
    let nasty = "<script>alert(1)</script>";
    let user = site.user(1, nasty, UserState::Approved).await;
    site.user(2, "Boris <i>", UserState::Pending).await;
    let router = site.router(nasty, "192.0.2.0/24").await;
    let account = site.account(nasty, Some(user)).await;
    site.account("spare", None).await;
    let group = site.group(nasty, &[account]).await;
    let session = site.session(account, Some(user)).await;
    site.connection(router, account, Some(session), nasty, "<img src=x>").await;
    site.attempt(router, nasty, Some("no_session")).await;
    site.attempt(router, "ann", None).await;
    site.alarm("no_session", nasty).await;
    let own = format!("/users/{user}");
    let router_page = format!("/routers/{router}");
    let of_router = ROUTER_PAGES.map(|page| format!("{router_page}{page}"));
    let of_router = of_router.iter().map(String::as_str);
    let of_others = [
        format!("{own}/settings"),
        format!("/accounts/{account}"),
        format!("/accounts/{account}/settings"),
        format!("/groups/{group}"),
        format!("/groups/{group}/settings"),
    ];
    let of_others = of_others.iter().map(String::as_str);
    for path in PAGES.into_iter().chain([own.as_str()]).chain(of_router).chain(of_others) {
        browser.get(path).await.assert_page(&["<h1>", "</html>"]).assert_lacks(&[
            "<script",
            "<img",
            "<i>",
            "<b>office",
            " style=",
            "onclick",
        ]);
    }
    browser.get("/attempts").await.assert_page(&["no session: the person has not asked for access", "accepted"]);
    browser.get("/attempts?q=ann").await.assert_page(&["1 of 2"]);
    browser.get("/attempts?q=<zz>").await.assert_page(&["None of the last 2 log-ins matches", "&#60;zz&#62;"]);
    browser.get("/sessions").await.assert_page(&["in 8 h", "10.8.0.7", "12.3 MB / 987.6 MB", "10 min ago"]);
    browser.get("/routers").await.assert_page(&["192.0.2.0/24"]);
    browser.get(&own).await.assert_page(&["Last sessions"]);
}

#[tokio::test]
async fn what_is_not_there_is_said_in_plain_words() {
    let site = Site::start().await;
    let mut browser = site.logged_in("root").await;
    for path in [
        "/nowhere",
        "/users/99",
        "/routers/99",
        "/groups/99",
        "/groups/99/settings",
        "/accounts/99",
        "/operators/99",
        "/static/nothing.css",
    ] {
        browser.get(path).await.assert_status(StatusCode::NOT_FOUND);
    }
    browser.get("/users/99").await.assert_has(&["There is no such user."]);
    browser.get("/users/x").await.assert_status(StatusCode::BAD_REQUEST);
    browser.post("/settings/nothing", &[("value", "1")]).await.assert_status(StatusCode::NOT_FOUND);
    let long = "x".repeat(100_000);
    browser.post("/users", &[("name", &long)]).await.assert_status(StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_router_form_comes_back_with_the_message_at_the_field() {
    let site = Site::start().await;
    let mut browser = site.logged_in("root").await;
    let form = [
        ("name", "office"),
        ("address", "192.0.2.1/24"),
        ("secret", SECRET),
        ("coa_port", "0"),
        ("message_authenticator", "auto"),
    ];
    browser.post("/routers", &form).await.assert_form(&[
        "value=\"office\"",
        "value=\"192.0.2.1/24\"",
        "bits set behind its prefix",
        "expected a port from 1 to 65535",
        "aria-invalid=\"true\"",
    ]);
    let good = |name, secret| {
        [
            ("name", name),
            ("address", "192.0.2.1"),
            ("secret", secret),
            ("coa_port", "3799"),
            ("message_authenticator", "auto"),
        ]
    };
    browser.post("/routers", &good("office", "")).await.assert_form(&["the secret is empty"]);
    browser.post("/routers", &good("office", SECRET)).await.assert_redirect("/routers/1/script");
    browser.get("/routers/1").await.assert_page(&["office is added", "192.0.2.1"]);
    browser.post("/routers", &good("Office", SECRET)).await.assert_form(&["taken", "value=\"Office\""]);
    let kept = [
        ("name", "office 2"),
        ("address", "192.0.2.9"),
        ("secret", ""),
        ("coa_port", "3800"),
        ("message_authenticator", "require"),
    ];
    browser.post("/routers/1/settings", &kept).await.assert_redirect("/routers/1");
    browser.get("/routers/1/settings").await.assert_page(&["office 2", "3800", "<option selected>require"]);
    let routers = site.store.reader().routers().await.unwrap().routers;
    assert_eq!(routers[0].secret.expose_str(), Some(SECRET), "an empty field keeps the secret");
}

#[tokio::test]
async fn accounts_are_bound_on_the_users_page() {
    let site = Site::start().await;
    let ann = site.user(1, "Ann", UserState::Approved).await;
    let bob = site.user(2, "Bob", UserState::Approved).await;
    site.account("bobs", Some(bob)).await;
    let mut browser = site.logged_in("olga").await;
    let path = format!("/users/{ann}");
    browser
        .post(&path, &[("name", "Ann Lee"), ("account1", "ann<1>"), ("password1", SECRET), ("account2", "bobs")])
        .await
        .assert_form(&["value=\"Ann Lee\"", "value=\"ann&#60;1&#62;\"", "id=\"account2-error\""]);
    browser
        .post(&path, &[("name", "Ann"), ("account1", "a"), ("account2", "b"), ("account3", "c")])
        .await
        .assert_form(&["may have 2 accounts", "id=\"account3-error\"", "value=\"c\""]);
    browser
        .post(&path, &[("name", "Ann"), ("account1", ""), ("account2", "bobs")])
        .await
        .assert_form(&["id=\"account2-error\""])
        .assert_lacks(&["id=\"account1-error\""]);
    browser
        .post(&path, &[("name", "Ann"), ("password1", SECRET)])
        .await
        .assert_form(&["the account&#39;s name is missing"]);
    browser
        .post(&path, &[("name", ""), ("account1", "ann")])
        .await
        .assert_form(&["id=\"name-error\"", "the name is empty"]);
    browser
        .post(&path, &[("name", "Ann Lee"), ("account1", "ann"), ("password1", SECRET)])
        .await
        .assert_redirect(&path);
    browser.get(&path).await.assert_page(&["Saved.", "Ann Lee", "value=\"ann\"", "<td data-label=\"Password\">set"]);
    browser.get("/users?q=ann").await.assert_page(&["Ann Lee", "1 of 2"]).assert_lacks(&["Bob"]);
}

#[tokio::test]
async fn a_setting_says_what_it_takes() {
    let site = Site::start().await;
    let mut browser = site.logged_in("root").await;
    browser.post("/settings/session_hours", &[("value", "1\"69")]).await.assert_form(&[
        "expected a whole number of hours from 1 to 168",
        "value=\"1&#34;69\"",
        "id=\"set-session_hours-error\"",
    ]);
    browser.post("/settings/time_zone", &[("value", "Europe/Moscow")]).await.assert_redirect("/settings#time_zone");
    browser.get("/settings").await.assert_page(&["Changed: Europe/Moscow", "time_zone is saved"]);
    browser.get("/audit").await.assert_page(&["MSK"]);
    browser.post("/settings/time_zone/clear", &[]).await.assert_redirect("/settings#time_zone");
    browser.get("/settings").await.assert_page(&["default again"]).assert_lacks(&["Changed: Europe/Moscow"]);
}

#[tokio::test]
async fn operators_are_added_changed_and_removed_but_not_the_last_owner() {
    let site = Site::start().await;
    let mut browser = site.logged_in("root").await;
    let add = |name, password| [("name", name), ("role", "viewer"), ("password", password)];
    browser.post("/operators", &add("ROOT", PASSWORD)).await.assert_form(&["there is an operator of this name"]);
    browser.post("/operators", &add("new", "short")).await.assert_form(&["fewer than 8 characters", "value=\"new\""]);
    browser.post("/operators", &add("new", PASSWORD)).await.assert_redirect("/operators");
    browser
        .post("/operators/1", &[("role", "viewer"), ("password", "")])
        .await
        .assert_form(&["the last owner stays an owner"]);
    browser.post("/operators/1/remove", &[]).await.assert_redirect("/operators");
    browser.get("/operators").await.assert_page(&["The last owner cannot be removed."]);
    let mut other = site.logged_in("new").await;
    other.get("/").await.assert_page(&["Overview"]);
    browser.post("/operators/4", &[("role", "operator")]).await.assert_redirect("/operators");
    other.get("/").await.assert_redirect("/log-in");
}

#[tokio::test]
async fn an_operator_changes_their_own_password() {
    let site = Site::start().await;
    let mut browser = site.logged_in("vera").await;
    let mut elsewhere = site.logged_in("vera").await;
    browser
        .post("/password", &[("current", "wrong horse"), ("password", "a new password")])
        .await
        .assert_form(&["this is not your password"]);
    browser.post("/password", &[("current", PASSWORD), ("password", "a new password")]).await.assert_redirect("/");
    browser.get("/").await.assert_page(&["Your password is changed"]);
    elsewhere.get("/").await.assert_redirect("/log-in");
}

#[tokio::test]
async fn a_log_in_ends_when_unused_and_after_half_a_day() {
    let site = Site::start().await;
    let mut browser = site.logged_in("root").await;
    for _ in 0..7 {
        site.clock.advance(Duration::from_secs(6_000));
        browser.get("/").await.assert_page(&["Overview"]);
    }
    site.clock.advance(Duration::from_secs(6_000));
    browser.get("/").await.assert_redirect("/log-in");
    let mut browser = site.logged_in("root").await;
    site.clock.advance(Duration::from_secs(7_201));
    browser.get("/").await.assert_redirect("/log-in");
}

#[tokio::test]
async fn a_grant_wants_an_account_and_hours() {
    let site = Site::start().await;
    site.account("ann", None).await;
    let mut browser = site.logged_in("olga").await;
    browser.post("/sessions", &[("account", "nobody"), ("hours", "200")]).await.assert_form(&[
        "no account has this name",
        "from 1 to 168",
        "value=\"nobody\"",
        "value=\"200\"",
    ]);
}

#[tokio::test]
async fn sessions_are_granted_extended_and_ended() {
    let site = Site::start().await;
    let ann = site.user(1, "Ann", UserState::Approved).await;
    let account = site.account("ann", Some(ann)).await;
    let router = site.router("office", "192.0.2.1").await;
    let mut browser = site.logged_in("olga").await;
    browser.post("/sessions", &[("account", " ANN "), ("hours", "8")]).await.assert_redirect("/sessions");
    browser.get("/sessions").await.assert_page(&["The session is granted", "in 8 h", "not connected"]);
    browser.get("/users/1").await.assert_page(&["granted, not used yet"]);
    browser.post("/sessions/1/extend", &[("hours", "x")]).await.assert_redirect("/sessions");
    browser.get("/sessions").await.assert_page(&["Not extended: expected a whole number of hours"]);
    browser.post("/sessions/1/extend", &[("hours", "2")]).await.assert_redirect("/sessions");
    browser.get("/sessions").await.assert_page(&["The session is extended.", "in 10 h"]);
    let session = radgram::domain::id::SessionId(1);
    site.connection(router, account, Some(session), "ann", "203.0.113.7").await;
    browser.get("/sessions").await.assert_page(&["203.0.113.7", "office"]);
    browser.post("/connections/1/hold", &[]).await.assert_status(StatusCode::NOT_FOUND);
    browser.post("/sessions/1/end", &[]).await.assert_redirect("/sessions");
    browser.get("/sessions").await.assert_page(&["The session is ended", "No session is open."]);
    browser.get("/").await.assert_page(&["Not cut yet", "on router office since"]);
    browser.post("/sessions/1/end", &[]).await.assert_redirect("/sessions");
    browser.get("/sessions").await.assert_page(&["role=\"alert\""]);
    browser.post("/sessions/99/end", &[]).await.assert_status(StatusCode::NOT_FOUND);
    browser.get("/audit").await.assert_page(&["session.grant", "session.extend", "session.end", "operator olga"]);
}

#[tokio::test]
async fn ended_connections_say_why_as_the_dictionary_calls_it() {
    let site = Site::start().await;
    let router = site.router("office", "192.0.2.1").await;
    for name in ["ann", "bob", "carl"] {
        let account = site.account(name, None).await;
        site.connection(router, account, None, name, "203.0.113.7").await;
    }
    let mut browser = site.logged_in("vera").await;
    browser.get("/sessions").await.assert_page(&["203.0.113.7"]).assert_lacks(&["Cause"]);
    let open = site.store.reader().connections().await.unwrap();
    let mut tx = site.store.begin().await.unwrap();
    for (connection, cause) in open.iter().zip(["2", "99", "lost"]) {
        tx.end_connection(connection, cause, site.clock.now()).await.unwrap();
    }
    tx.commit(site.clock.now()).await.unwrap();
    let cells = ["Lost-Carrier", "99", "lost"].map(|cause| format!("<td data-label=\"Cause\">{cause}</td>"));
    let page = browser.get("/sessions").await.assert_page(&["<th>Cause</th>"]);
    page.assert_has(&cells.each_ref().map(String::as_str));
}

#[tokio::test]
async fn accounts_are_switched_and_deleted() {
    let site = Site::start().await;
    let ann = site.user(1, "Ann", UserState::Approved).await;
    let mut browser = site.logged_in("olga").await;
    browser.post("/accounts", &[("account", "ann"), ("password", SECRET)]).await.assert_redirect("/accounts");
    browser
        .post("/accounts", &[("account", "ANN"), ("password", SECRET)])
        .await
        .assert_form(&["taken", "value=\"ANN\""]);
    browser.get("/accounts").await.assert_page(&["nobody", "enabled"]);
    let own = format!("/users/{ann}");
    browser.post("/accounts/1/disable", &[("user", &ann.to_string())]).await.assert_redirect(&own);
    browser.get("/accounts?q=an").await.assert_page(&["disabled", "1 of 1"]);
    browser.post("/accounts/1/enable", &[]).await.assert_redirect("/accounts");
    browser.post("/accounts/1/unlock", &[]).await.assert_redirect("/accounts");
    browser.get("/accounts").await.assert_page(&["The account is not locked."]).assert_lacks(&["No person"]);
    browser.post("/accounts/1/machine", &[]).await.assert_forbidden();
    let mut owner = site.logged_in("root").await;
    owner.post("/accounts/1/machine", &[]).await.assert_redirect("/accounts");
    owner.get("/accounts").await.assert_page(&["a machine: no person"]);
    owner.post("/accounts/1/person", &[]).await.assert_redirect("/accounts");
    browser.post("/accounts/1/delete", &[]).await.assert_redirect("/accounts");
    browser.get("/accounts").await.assert_page(&["ann is deleted.", "No accounts yet."]);
}

#[tokio::test]
async fn people_are_added_rejected_blocked_and_deleted() {
    let site = Site::start().await;
    let mut browser = site.logged_in("olga").await;
    browser.post("/users", &[("name", "Ann"), ("telegram_id", "@ann")]).await.assert_form(&[
        "a Telegram id is a number",
        "value=\"@ann\"",
        "value=\"Ann\"",
    ]);
    browser.post("/users", &[("name", "Ann"), ("telegram_id", "17")]).await.assert_redirect("/users/1");
    browser.post("/users", &[("name", "Bob"), ("telegram_id", "17")]).await.assert_form(&["taken"]);
    site.user(18, "Bob", UserState::Pending).await;
    browser.post("/users/2/reject", &[("reason", "not <known>")]).await.assert_redirect("/users");
    browser.get("/users").await.assert_page(&["Bob is rejected.", "not &#60;known&#62;"]);
    browser.post("/users/2/block", &[]).await.assert_redirect("/users/2");
    browser.get("/users/2").await.assert_page(&["The person is rejected: cannot block."]);
    browser.post("/users/1/block", &[]).await.assert_redirect("/users/1");
    browser.post("/users/1/unblock", &[]).await.assert_redirect("/users/1");
    browser.post("/users/1/delete", &[]).await.assert_redirect("/users");
    browser.get("/users").await.assert_page(&["Ann is deleted."]);
}

#[tokio::test]
async fn everybody_is_found_in_a_long_list() {
    let site = Site::start().await;
    site.crowd(1_100).await;
    let mut browser = site.logged_in("vera").await;
    browser.get("/").await.assert_page(&["<b>1100</b> users"]);
    browser.get("/users").await.assert_page(&["The first 1000 of 1100 users are shown"]);
    for q in ["Person 01099", "acc01099", "101099"] {
        browser.get(&format!("/users?q={q}")).await.assert_page(&["1 of 1100", "Person 01099", "acc01099"]);
    }
    browser.get("/accounts").await.assert_page(&["acc00999", "/accounts?after=acc00999"]).assert_lacks(&["acc01000"]);
    browser
        .get("/accounts?after=acc00999")
        .await
        .assert_page(&["acc01000", "acc01099"])
        .assert_lacks(&["after=acc01099"]);
    browser.get("/accounts?q=acc01099").await.assert_page(&["1 of 1100"]);
}

#[tokio::test]
async fn what_got_no_answer_is_shown_with_its_router_and_what_to_do() {
    let site = Site::start().await;
    site.router("office", "192.0.2.1").await;
    let mut viewer = site.logged_in("vera").await;
    viewer.get("/routers").await.assert_page(&["Packets without an answer", "None since the start, but for"]);
    for _ in 0..3 {
        site.gate.note_unanswered("192.0.2.1".parse().unwrap(), "bad_message_authenticator", "look at the secret");
    }
    let shown = ["192.0.2.1", "bad_message_authenticator", "<td data-label=\"Packets\">3</td>", "look at the secret"];
    viewer.get("/routers").await.assert_page(&shown);
    // The server has heard of the router within its next look at the changes.
    let known = async {
        while site.gate.directory().routers().of([192, 0, 2, 1].into()).is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), known).await.expect("the router is known");
    // For programs on this machine, and for nobody else.
    let json = viewer.get("/unanswered").await;
    json.assert_status(StatusCode::OK).assert_has(&["\"router\":\"office\"", "\"count\":3"]);
    viewer.headers.insert("x-forwarded-for", "203.0.113.7".parse().unwrap());
    viewer.get("/unanswered").await.assert_status(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn alarms_are_acknowledged_and_strangers_become_routers() {
    let site = Site::start().await;
    site.alarm("not_me", "ann says: not me").await;
    site.gate.note_stranger("198.51.100.9".parse().unwrap());
    let mut browser = site.logged_in("root").await;
    browser.get("/").await.assert_page(&["ann says: not me", "Unknown routers are calling"]);
    browser.post("/alarms/1/acknowledge", &[]).await.assert_redirect("/");
    browser.get("/").await.assert_page(&["The alarm is acknowledged."]).assert_lacks(&["ann says"]);
    browser.get("/routers").await.assert_page(&["198.51.100.9", "/routers/new?address=198.51.100.9"]);
    browser.get("/routers/new?address=198.51.100.9").await.assert_page(&["value=\"198.51.100.9\""]);
    site.router("office", "192.0.2.1").await;
    browser.post("/routers/1/remove", &[]).await.assert_redirect("/routers");
    browser.get("/routers").await.assert_page(&["office is removed"]);
}

#[tokio::test]
async fn a_lock_for_guessing_is_shown_and_lifted() {
    let site = Site::start().await;
    let router = site.router("office", "192.0.2.1").await;
    let since = site.gate.now();
    let (subject, name) = ("203.0.113.7", "<b>ann</b>");
    let until = since + Duration::from_secs(600);
    let new = NewLock { kind: LockKind::Caller, router, subject, name, wrong: 10, since, until };
    let mut tx = site.store.begin().await.unwrap();
    assert_eq!(tx.lock_guesser(&new).await.unwrap(), Some(1));
    assert_eq!(tx.lock_guesser(&new).await.unwrap(), Some(1), "in place of the older one");
    tx.commit(since).await.unwrap();
    let id = site.gate.reader().guess_locks(since).await.unwrap()[0].id;
    let path = format!("/guesses/{id}/lift");
    let mut viewer = site.logged_in("vera").await;
    viewer
        .get("/attempts")
        .await
        .assert_page(&["caller 203.0.113.7", "office", "&#60;b&#62;ann"])
        .assert_lacks(&[&path]);
    viewer.post(&path, &[]).await.assert_forbidden();
    let mut browser = site.logged_in("root").await;
    browser.get("/attempts").await.assert_page(&["Locked for guessing", &path]);
    browser.post(&path, &[]).await.assert_redirect("/attempts");
    browser.get("/attempts").await.assert_page(&["The lock is lifted."]).assert_lacks(&["203.0.113.7"]);
    browser.get("/audit").await.assert_page(&["guess.lift", "caller 203.0.113.7 on office"]);
}

#[tokio::test]
async fn health_and_metrics_are_for_neighbours_only() {
    let proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let metrics_from = vec!["198.51.100.0/24".parse().unwrap()];
    let site = Site::start_empty(WebConfig { trusted_proxies: proxies, metrics_from, ..WebConfig::default() }).await;
    let mut browser = site.browser();
    browser.get("/healthz").await.assert_page(&["ok"]);
    browser.get("/metrics").await.assert_status(StatusCode::OK);
    for (from, status) in [("203.0.113.7", StatusCode::NOT_FOUND), ("198.51.100.3", StatusCode::OK)] {
        browser.headers.insert("x-forwarded-for", from.parse().unwrap());
        for path in ["/healthz", "/metrics"] {
            browser.get(path).await.assert_status(status);
        }
    }
    let plain = Site::start_empty(WebConfig::default()).await;
    let mut browser = plain.browser();
    browser.headers.insert("x-forwarded-for", "127.0.0.1".parse().unwrap());
    browser.get("/metrics").await.assert_status(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn without_its_database_a_page_says_so() {
    let site = Site::start().await;
    let mut browser = site.logged_in("root").await;
    site.store.close().await;
    browser.get("/users").await.assert_status(StatusCode::SERVICE_UNAVAILABLE).assert_has(&["Try again"]);
    browser.get("/healthz").await.assert_status(StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let site = Site::start().await;
    let mut browser = site.logged_in("root").await;
    for path in ["/", "/log-in", "/nowhere", "/static/radgram.css", "/healthz"] {
        let headers = browser.get(path).await.headers;
        let header =
            |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        assert!(header("content-security-policy").contains("default-src 'none'"), "{path}");
        assert!(header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "same-origin", "{path}");
        let cached = header("cache-control");
        assert_eq!(
            cached,
            match path {
                "/static/radgram.css" => "no-cache",
                "/healthz" => "",
                _ => "no-store",
            }
        );
    }
}
