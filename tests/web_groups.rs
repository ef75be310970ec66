//! The pages of groups, and what an account's page says of whose word holds.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/site.rs"]
mod site;

use radgram::domain::attribute::Subject;
use radgram::domain::audit::Actor;
use radgram::domain::setting::Level;
use radgram::domain::user::UserState;
use reqwest::StatusCode;

use site::Site;

async fn say(site: &Site, level: Level, name: &str, value: &str) {
    site.gate.set_setting(&Actor::CommandLine, name, level, value).await.unwrap();
}

async fn set(site: &Site, subject: Subject, name: &str, value: &str) {
    let written = [(name.to_owned(), value.to_owned())];
    site.gate.set_attributes(&Actor::CommandLine, subject, &written).await.unwrap();
}

#[tokio::test]
async fn a_group_is_added_filled_renamed_and_removed() {
    let site = Site::start().await;
    let ann = site.user(1, "Ann <i>", UserState::Approved).await;
    site.account("ann", Some(ann)).await;
    site.account("bob", None).await;
    let mut owner = site.logged_in("root").await;
    owner.get("/groups").await.assert_page(&["No groups yet"]);
    owner.post("/groups", &[("group", "none")]).await.assert_form(&["none is the word for no group", "value=\"none\""]);
    owner.post("/groups", &[("group", "<b>Staff")]).await.assert_redirect("/groups/1");
    owner.get("/groups/1").await.assert_page(&["The group is added", "&#60;b&#62;Staff", "No account is in the group"]);
    owner.post("/groups", &[("group", "<B>staff")]).await.assert_form(&["is taken"]);
    owner.post("/groups/1/put", &[("names", "ann, zoe<x>\nnobody")]).await.assert_form(&[
        "no account is named zoe&#60;x&#62;, nor are 1 more",
        "ann, zoe&#60;x&#62;",
        "id=\"names-error\"",
    ]);
    owner.post("/groups/1/put", &[("names", " , ")]).await.assert_form(&["type the names of accounts"]);
    owner.get("/groups/1").await.assert_page(&["No account is in the group"]);
    owner.post("/groups/1/put", &[("names", "ANN\r\nbob,ann")]).await.assert_redirect("/groups/1");
    owner.get("/groups/1").await.assert_page(&[
        "2 accounts put into &#60;b&#62;Staff.",
        "<a href=\"/accounts/1\">ann</a>",
        "Ann &#60;i&#62;",
        "name=\"pick\" value=\"2\"",
    ]);
    owner.get("/groups/1?q=an").await.assert_page(&["1 of 2"]).assert_lacks(&[">bob</a>"]);
    owner.get("/accounts?q=staff").await.assert_page(&["<a href=\"/groups/1\">&#60;b&#62;Staff</a>", "2 of 2"]);
    owner.post("/groups/1/take-out", &[]).await.assert_redirect("/groups/1");
    owner.get("/groups/1").await.assert_page(&["Tick the accounts that are meant."]);
    owner
        .post("/groups/1/take-out", &[("pick", "2"), ("pick", "x"), ("pick", "99")])
        .await
        .assert_redirect("/groups/1");
    owner.get("/groups/1").await.assert_page(&["1 account taken out of"]).assert_lacks(&[">bob</a>"]);
    owner.post("/groups/1", &[("group", "  ")]).await.assert_form(&["the group&#39;s name is empty"]);
    owner.post("/groups/1", &[("group", "Team")]).await.assert_redirect("/groups/1");
    owner.get("/groups").await.assert_page(&["The group has its new name", "Team"]);
    owner.post("/groups/1/remove", &[]).await.assert_redirect("/groups");
    owner.get("/groups").await.assert_page(&["Team is removed; accounts left without a group: 1.", "No groups yet"]);
    owner.get("/audit").await.assert_page(&["group.add", "account.group", "group.rename", "group.remove"]);
    owner.post("/groups/1/put", &[("names", "ann")]).await.assert_status(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn each_role_does_with_groups_what_it_may() {
    let site = Site::start().await;
    let ann = site.account("ann", None).await;
    site.router("office", "192.0.2.1").await;
    site.group("staff", &[]).await;
    let own = format!("/accounts/{ann}");
    let mut viewer = site.logged_in("vera").await;
    let mut operator = site.logged_in("olga").await;
    for path in
        ["/groups", "/groups/1", "/groups/1/settings", "/accounts/1", "/accounts/1/settings", "/routers/1/attributes"]
    {
        viewer.get(path).await.assert_page(&["<h1>"]).assert_lacks(&[
            "Save the attributes",
            "Set here</button>",
            ">Add</button>",
        ]);
    }
    for path in ["/groups/1/put", "/groups/1/take-out", "/accounts/1/group", "/accounts/1/attributes"] {
        viewer.post(path, &[]).await.assert_forbidden().assert_has(&["role operator"]);
    }
    for path in [
        "/groups",
        "/groups/1",
        "/groups/1/attributes",
        "/groups/1/remove",
        "/groups/1/settings/session_hours",
        "/groups/1/settings/session_hours/clear",
        "/accounts/1/settings/session_hours",
        "/routers/1/attributes",
    ] {
        operator.post(path, &[("value", "8")]).await.assert_forbidden().assert_has(&["role owner"]);
    }
    operator.post("/accounts/1/group", &[("group", "1")]).await.assert_redirect(&own);
    operator.get(&own).await.assert_page(&["ann is in the group now.", "<option value=\"1\" selected>staff"]);
    viewer.get(&own).await.assert_page(&["<a href=\"/groups/1\">staff</a>"]);
    operator.post("/accounts/1/group", &[("group", "9")]).await.assert_status(StatusCode::NOT_FOUND);
    operator.post("/accounts/1/group", &[("group", "x")]).await.assert_status(StatusCode::NOT_FOUND);
    operator.post("/accounts/1/group", &[("group", "")]).await.assert_redirect(&own);
    operator.get(&own).await.assert_page(&["ann is in no group now."]);
}

#[tokio::test]
async fn an_accounts_page_says_what_a_log_in_gets_and_why() {
    let site = Site::start().await;
    let user = site.user(1, "Ann", UserState::Approved).await;
    let ann = site.account("ann", Some(user)).await;
    let office = site.router("office", "192.0.2.1").await;
    let annex = site.router("annex <i>", "192.0.2.2").await;
    let group = site.group("Staff & co", &[ann]).await;
    set(&site, Subject::Account(ann), "Mikrotik-Group", "vip").await;
    set(&site, Subject::Group(group), "Mikrotik-Group", "staff").await;
    set(&site, Subject::Router(office), "Mikrotik-Rate-Limit", "10M/20M").await;
    set(&site, Subject::Router(annex), "Filter-Id", "annex.in").await;
    say(&site, Level::System, "session_hours", "12").await;
    say(&site, Level::Group(group.0), "routers", "office").await;
    say(&site, Level::Group(group.0), "session_hours", "8").await;
    say(&site, Level::User(user.0), "knock_seconds", "60").await;
    say(&site, Level::Account(ann.0), "extra_protection", "on").await;
    let own = format!("/accounts/{ann}");
    let mut viewer = site.logged_in("vera").await;
    let row = |setting: &str, value: &str, path: &str, whose: &str| {
        format!(
            "<td data-label=\"Setting\">{setting}</td>\n<td data-label=\"Value\">{value}</td>\n\
             <td data-label=\"Set by\"><a href=\"{path}/settings#{setting}\">{whose}</a></td>"
        )
    };
    let of_group = format!("/groups/{group}");
    let page = viewer.get(&format!("{own}?router={office}")).await.assert_page(&[
        "<td data-label=\"Value\">vip</td>",
        "<td data-label=\"Value\"><s>staff</s></td>",
        "the group Staff &#38; co</a></td>\n<td data-label=\"Said\"><small class=\"muted\">not said",
        "10M/20M",
        "the router office",
        &row("session_hours", "8", &of_group, "the group Staff &#38; co"),
        &row("knock_seconds", "60", &format!("/users/{user}"), "the person Ann"),
        &row("extra_protection", "on", &own, "the account"),
    ]);
    page.assert_lacks(&["annex.in", "are not taken on"]);
    viewer
        .get(&format!("{own}?router={annex}"))
        .await
        .assert_page(&["annex.in", "Log-ins are not taken on annex &#60;i&#62;", "vip"])
        .assert_lacks(&["10M/20M"]);
    // Out of the group, the system's word holds.
    site.gate.put_into_group(&Actor::CommandLine, &[ann], None).await.unwrap();
    viewer
        .get(&format!("{own}?router={annex}"))
        .await
        .assert_page(&[&row("session_hours", "12", "", "the system")])
        .assert_lacks(&["Staff", "are not taken on"]);
}

#[tokio::test]
async fn attributes_come_back_with_what_is_expected() {
    let site = Site::start().await;
    let ann = site.account("ann", None).await;
    let office = site.router("office", "192.0.2.1").await;
    let group = site.group("staff", &[ann]).await;
    let mut owner = site.logged_in("root").await;
    for (path, subject) in [
        (format!("/accounts/{ann}"), Subject::Account(ann)),
        (format!("/groups/{group}"), Subject::Group(group)),
        (format!("/routers/{office}/attributes"), Subject::Router(office)),
    ] {
        let form = if path.ends_with("attributes") { path.clone() } else { format!("{path}/attributes") };
        for (typed, says) in [
            ("Mikrotik-Rate-Limit = <fast>", "Mikrotik-Rate-Limit: expected rx[/tx]"),
            ("\nTunnel-Password = <fast>", "Tunnel-Password cannot be set: it is a secret"),
            ("Filter-Id = staff.in\n<fast>", "line 2: expected NAME = VALUE"),
            ("No-<fast> = 1", "no attribute has this name"),
        ] {
            let back = owner.post(&form, &[("attributes", typed)]).await;
            back.assert_form(&[says, "&#60;fast&#62;", "aria-invalid=\"true\""]);
        }
        assert!(site.store.reader().attributes(subject).await.unwrap().is_empty());
        let typed = "mikrotik-rate-limit=10M/20M\r\n\r\nTunnel-Type:1 = L2TP\r\n";
        owner.post(&form, &[("attributes", typed)]).await.assert_redirect(&path);
        let shown =
            ["hold from the next log-in on", "Mikrotik-Rate-Limit = 10M/20M\nTunnel-Type = :1:L2TP\n</textarea>"];
        owner.get(&path).await.assert_page(&shown);
        owner.post(&form, &[("attributes", " ")]).await.assert_redirect(&path);
        assert!(site.store.reader().attributes(subject).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn settings_of_one_say_where_they_come_from() {
    let site = Site::start().await;
    let user = site.user(1, "Ann <i>", UserState::Approved).await;
    let ann = site.account("ann", Some(user)).await;
    let group = site.group("staff", &[ann]).await;
    let mut owner = site.logged_in("root").await;
    let (of_group, of_user, own) =
        (format!("/groups/{group}/settings"), format!("/users/{user}/settings"), format!("/accounts/{ann}/settings"));
    for path in [&of_group, &of_user, &own] {
        // Only what may differ is asked for.
        owner
            .get(path)
            .await
            .assert_page(&["session_hours", "allowed_hours", "Not set here: the default holds.", "Set here</button>"])
            .assert_lacks(&["history_sessions_days", "poll_seconds", "hold_seconds", "Take away here"]);
    }
    let bad = owner.post(&format!("{of_group}/session_hours"), &[("value", "1\"69")]).await;
    bad.assert_form(&[
        "expected a whole number of hours from 1 to 168",
        "value=\"1&#34;69\"",
        "Settings of the group staff",
    ]);
    let refused = owner.post(&format!("{own}/poll_seconds"), &[("value", "5")]).await;
    refused.assert_status(StatusCode::NOT_FOUND).assert_has(&["no such setting here"]);
    let place = |path: &str| format!("{path}#session_hours");
    owner.post(&format!("{of_group}/session_hours"), &[("value", "8")]).await.assert_redirect(&place(&of_group));
    owner.get(&of_group).await.assert_page(&["session_hours is saved", "Set here: 8"]);
    owner.get(&own).await.assert_page(&["<b>8</b> holds, from the group staff"]);
    owner.get(&of_user).await.assert_page(&["Ann &#60;i&#62;"]).assert_lacks(&["from the group"]);
    owner.post(&format!("{of_user}/session_hours"), &[("value", "4")]).await.assert_redirect(&place(&of_user));
    owner.get(&own).await.assert_page(&["<b>4</b> holds, from the person Ann &#60;i&#62;"]);
    owner.get("/users/1").await.assert_page(&["<dt>session_hours</dt><dd>4</dd>"]);
    owner.get("/groups").await.assert_page(&["session_hours = 8"]);
    owner.post(&format!("{own}/session_hours"), &[("value", "2")]).await.assert_redirect(&place(&own));
    let policy = async || site.gate.directory().read(ann).await.unwrap().unwrap().policy.session.as_secs() / 3600;
    assert_eq!(policy().await, 2);
    owner.post(&format!("{own}/session_hours/clear"), &[]).await.assert_redirect(&place(&own));
    owner.get(&own).await.assert_page(&["session_hours is no longer set here.", "from the person"]);
    assert_eq!(policy().await, 4);
    owner
        .get("/audit")
        .await
        .assert_page(&["session_hours = 8 (group staff)", "session_hours = 4 (user Ann &#60;i&#62;)"]);
    owner.post("/accounts/99/settings/session_hours", &[("value", "1")]).await.assert_status(StatusCode::NOT_FOUND);
    owner.post("/groups/1/settings/nothing", &[("value", "1")]).await.assert_status(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn many_accounts_are_put_in_at_once_and_not_more() {
    let site = Site::start().await;
    site.crowd(1_100).await;
    site.group("crowd", &[]).await;
    let mut browser = site.logged_in("olga").await;
    let names = |count: usize| (0..count).map(|number| format!("acc{number:05}")).collect::<Vec<_>>().join("\n");
    let too_many = browser.post("/groups/1/put", &[("names", &names(1_001))]).await;
    too_many.assert_form(&["at most 1000 accounts at once"]);
    browser.post("/groups/1/put", &[("names", &names(1_000))]).await.assert_redirect("/groups/1");
    browser.get("/groups/1").await.assert_page(&["1000 accounts put into crowd", "acc00999"]);
    browser.post("/groups/1/put", &[("names", "acc01000,acc01001")]).await.assert_redirect("/groups/1");
    browser
        .get("/groups/1")
        .await
        .assert_page(&["1002 accounts", "/groups/1?after=acc00999"])
        .assert_lacks(&["acc01001"]);
    browser.get("/groups/1?after=acc00999").await.assert_page(&["acc01001"]).assert_lacks(&["rel=\"next\""]);
}
