//! The pages of routers over routers in memory: how their API stands, what is bound, who is past us; roles and refusals.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/site.rs"]
mod site;

use std::time::Duration;

use radgram::clock::Clock;
use radgram::domain::account::Switch;
use radgram::domain::api::{Fingerprint, Trust};
use radgram::domain::audit::Actor;
use radgram::domain::home::HomeFault;
use radgram::domain::id::RouterId;
use radgram::domain::radsec::{Certificate, KnownBy};
use radgram::domain::router::{Demand, Leases, Router, Scheme};
use radgram::gate::radsec::{NoRouter, Refusal};
use radgram::gate::router_api::{AdmittedBy, ApiFault, ApiState, Command, Finding, Gravity, Menu, Report, Verb};
use radgram::secret::Secret;
use radgram::text::one_line;
use reqwest::StatusCode;
use tokio::time::Instant;

use site::fleet::{account, active, rule};
use site::{Browser, SECRET, Site};

/// What no page may hold as it is: it came from a router.
const HOSTILE: &str = "2FA <script>alert(1)</script> \u{202e}evil";
/// Longer than anything waits that is awaited; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(30);

async fn stored(site: &Site, id: RouterId) -> Router {
    let routers = site.store.reader().routers().await.unwrap().routers;
    routers.into_iter().find(|router| router.id == id).unwrap()
}

fn fail(site: &Site, id: RouterId, fault: &ApiFault) {
    let now = site.clock.now();
    site.fleet.with(id, |known| {
        known.fault = Some(fault.clone());
        known.state = ApiState::Failing { since: now, fault: fault.clone(), next: now + Duration::from_secs(20) };
    });
}

/// Loads a page until it has this.
async fn until(browser: &mut Browser, path: &str, part: &str) {
    let started = Instant::now();
    loop {
        let answer = browser.get(path).await;
        if answer.body.contains(part) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "no {part:?} in\n{}", answer.body);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn log_in<'a>(address: &'a str, password: &'a str, trust: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("api_address", address), ("api_user", "radgram"), ("api_password", password), ("api_trust", trust)]
}

#[tokio::test]
async fn an_api_log_in_is_given_tested_and_taken_away() {
    let site = Site::start().await;
    let id = site.router("office", "192.0.2.1").await;
    let now = site.clock.now();
    site.fleet.with(id, |known| known.state = site::fleet::up(now));
    let mut browser = site.logged_in("root").await;
    browser.get("/routers").await.assert_page(&["<span class=\"state plain\">off</span>"]);
    browser.get("/routers/1/api").await.assert_page(&["value=\"192.0.2.1\"", "value=\"radgram\""]);
    browser.post("/routers/1/api", &log_in("no way", SECRET, "pinned")).await.assert_form(&[
        "value=\"no way\"",
        "id=\"api_address-error\"",
        "expected an address or name",
    ]);
    browser.post("/routers/1/api", &log_in("192.0.2.1", "", "plain")).await.assert_form(&["id=\"api_password-error\""]);
    browser
        .post("/routers/1/api", &log_in("192.0.2.1", SECRET, "authority"))
        .await
        .assert_form(&["id=\"api_authority-error\"", "expected certificates in PEM"]);
    let mut wrong = log_in("192.0.2.1", SECRET, "pinned");
    wrong.push(("api_fingerprint", "ab<cd"));
    browser.post("/routers/1/api", &wrong).await.assert_form(&["id=\"api_fingerprint-error\"", "ab&#60;cd"]);
    browser.post("/routers/1/api", &log_in("192.0.2.1:8729", SECRET, "pinned")).await.assert_redirect("/routers/1");
    browser
        .get("/routers/1")
        .await
        .assert_page(&["Saved. The router answers: office, RouterOS 7.22 (stable).", ">up<"]);
    browser.get("/routers").await.assert_page(&[">up<", "RouterOS 7.22 (stable)"]);
    let api = stored(&site, id).await.api.unwrap();
    assert_eq!(api.password.expose_str(), Some(SECRET));
    assert_eq!((api.address.to_string().as_str(), api.trust), ("192.0.2.1:8729", Trust::Pinned(None)));
    browser
        .post("/routers/1/api", &log_in("192.0.2.9", "", "pinned"))
        .await
        .assert_form(&["id=\"api_password-error\""]);
    browser.post("/routers/1/api/remove", &[]).await.assert_redirect("/routers/1/api");
    browser.get("/routers/1/api").await.assert_page(&["The log-in is taken away"]);
    assert_eq!(stored(&site, id).await.api, None);
}

#[tokio::test]
async fn a_certificate_is_compared_and_trusted_by_an_owner() {
    let site = Site::start().await;
    let id = site.reached_router("office", "192.0.2.1").await;
    let shown = Fingerprint([0xa7; 32]);
    fail(&site, id, &ApiFault::NotTrusted(shown));
    let compare = "/ip service print detail where name=api-ssl\n/certificate print detail";
    let mut operator = site.logged_in("olga").await;
    operator.get("/routers/1").await.assert_page(&["a7a7a7a7", compare]).assert_lacks(&["Trust this certificate"]);
    let form = [("fingerprint", shown.to_string())];
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    operator.post("/routers/1/trust", &form).await.assert_forbidden();
    let mut browser = site.logged_in("root").await;
    browser.post("/routers/1/greet", &[]).await.assert_redirect("/routers/1");
    browser.get("/routers/1").await.assert_page(&["It does not work yet: the router shows", "Trust this certificate"]);
    browser.post("/routers/1/trust", &[("fingerprint", "zz")]).await.assert_redirect("/routers/1");
    browser.get("/routers/1").await.assert_page(&["Expected a SHA-256 fingerprint"]);
    let now = site.clock.now();
    site.fleet.with(id, |known| (known.fault, known.state) = (None, site::fleet::up(now)));
    browser.post("/routers/1/trust", &form).await.assert_redirect("/routers/1");
    browser.get("/routers/1").await.assert_page(&["The certificate is trusted. The router answers: office"]);
    assert_eq!(stored(&site, id).await.api.unwrap().trust, Trust::Pinned(Some(shown)));
    fail(&site, id, &ApiFault::NotTrusted(Fingerprint([0xb8; 32])));
    browser.get("/routers/1").await.assert_page(&[
        "another certificate than the one that was trusted",
        "a7a7a7a7",
        "b8b8b8b8",
    ]);
}

#[tokio::test]
async fn every_fault_says_what_to_do() {
    let site = Site::start().await;
    let id = site.reached_router("office", "192.0.2.1").await;
    let mut browser = site.logged_in("vera").await;
    for (fault, parts) in [
        (
            ApiFault::Unreachable("refused\u{202e}<b>".to_owned()),
            ["out of reach: refused&#60;b&#62;", "/ip service print"],
        ),
        (ApiFault::NoCertificate, ["has no certificate", "/certificate sign radgram-api"]),
        (ApiFault::LogIn("cannot log in".to_owned()), ["refuses the API log-in: cannot log in", "/user print"]),
        (ApiFault::OldLogIn, ["before 6.43", "Better update the router"]),
        (ApiFault::Forbidden("not enough permissions".to_owned()), ["may not do this", "/user group print"]),
    ] {
        fail(&site, id, &fault);
        browser.get("/routers/1").await.assert_page(&parts).assert_page(&["failing"]).assert_lacks(&["\u{202e}"]);
        browser.get("/routers/1/rules").await.assert_page(&parts);
    }
}

#[tokio::test]
async fn the_scheme_is_switched_once_its_price_is_read() {
    let site = Site::start().await;
    let id = site.reached_router("office", "192.0.2.1").await;
    let ann = site.account("ann", None).await;
    site.account("bob", None).await;
    site.session(ann, None).await;
    let mut browser = site.logged_in("root").await;
    let chosen = [("scheme", "api"), ("leases", "on")];
    browser.post("/routers/1/scheme", &chosen).await.assert_page(&["1 of 2 accounts have no session", "name=\"sure\""]);
    assert_eq!(stored(&site, id).await.scheme, Scheme::Radius);
    browser
        .post("/routers/1/scheme", &[("scheme", "api"), ("leases", "on"), ("sure", "yes")])
        .await
        .assert_redirect("/routers/1/api");
    browser.get("/routers/1/api").await.assert_page(&["Saved: api decides, leases on."]);
    let router = stored(&site, id).await;
    assert_eq!((router.scheme, router.leases), (Scheme::Api, Leases::On));
    assert_eq!(router.api.unwrap().password.expose_str(), Some(SECRET), "the log-in stays");
    browser.post("/routers/1/api/remove", &[]).await.assert_redirect("/routers/1/api");
    browser.get("/routers/1/api").await.assert_page(&["The scheme api needs the log-in"]);
    browser.post("/routers/1/scheme", &[("scheme", "x")]).await.assert_redirect("/routers/1/api");
    browser.get("/routers/1/api").await.assert_page(&["Expected radius or api."]);
    browser.get("/routers/1").await.assert_page(&["the router’s own accounts, which radgram switches"]);
}

#[tokio::test]
async fn a_rule_is_bound_to_an_account_and_unbound() {
    let site = Site::start().await;
    let id = site.reached_router("office", "192.0.2.1").await;
    site.account("ann", None).await;
    site.account("bob", None).await;
    site.fleet.with(id, |known| {
        known.rules = vec![
            rule("*A", b"2FA ann", Switch::Enabled),
            rule("*B", b"2FA guests", Switch::Disabled),
            rule("*C", b"2FA guests", Switch::Disabled),
            rule("*D", HOSTILE.as_bytes(), Switch::Disabled),
            rule("*E", b"2FA \xff\xfe", Switch::Disabled),
            rule("*F", b"nothing to do with us", Switch::Disabled),
        ];
    });
    let mut browser = site.logged_in("olga").await;
    browser
        .get("/routers/1/rules")
        .await
        .assert_page(&["value=\"ann\"", "forward accept", "Another rule has the same comment", "&#60;script&#62;"])
        .assert_lacks(&["<script", "\u{202e}", "nothing to do with us"]);
    let hostile = one_line(HOSTILE);
    let bind = |rule, account| {
        let comment = match rule {
            "*A" => "2FA ann",
            "*D" => hostile.as_str(),
            _ => "2FA guests",
        };
        [("rule", rule), ("comment", comment), ("account", account)]
    };
    let stale = [("rule", "*A"), ("comment", "2FA guests"), ("account", "ann")];
    browser.post("/routers/1/rules", &stale).await.assert_redirect("/routers/1/rules");
    browser.get("/routers/1/rules").await.assert_page(&["The router has no such rule"]);
    browser.post("/routers/1/rules", &bind("*A", "no<body>")).await.assert_form(&[
        "no account has this name",
        "value=\"no&#60;body&#62;\"",
        "aria-invalid",
    ]);
    browser.post("/routers/1/rules", &bind("*A", " ANN ")).await.assert_redirect("/routers/1/rules");
    until(&mut browser, "/routers/1/rules", "<span class=\"state plain\">off</span>").await;
    browser.get("/routers/1/rules").await.assert_page(&["/routers/1/rules/1/unbind", "/accounts?q=ann"]);
    browser.post("/routers/1/rules", &bind("*D", "ann")).await.assert_form(&["is taken"]);
    browser.post("/routers/1/rules", &bind("*B", "bob")).await.assert_redirect("/routers/1/rules");
    browser.get("/routers/1/rules").await.assert_page(&["More than one entry on the router could be meant"]);
    browser.post("/routers/1/rules", &bind("*Z", "bob")).await.assert_redirect("/routers/1/rules");
    browser.get("/routers/1/rules").await.assert_page(&["The router has no such rule"]);
    site.fleet.with(id, |known| known.rules.remove(0));
    browser.get("/routers/1/rules").await.assert_page(&["The router has no rule with this comment"]);
    let away = ApiFault::Unreachable("gone".to_owned());
    fail(&site, id, &away);
    browser.get("/routers/1/rules").await.assert_page(&["could not be asked", "2FA ann", "not known"]);
    browser.post("/routers/1/rules/1/unbind", &[]).await.assert_redirect("/routers/1/rules");
    browser.get("/routers/1/rules").await.assert_page(&["The rule is unbound"]);
    browser.post("/routers/1/rules/1/unbind", &[]).await.assert_redirect("/routers/1/rules");
    browser.get("/routers/1/rules").await.assert_page(&["bound to nobody any more"]);
    browser.get("/audit").await.assert_page(&["rule.bind", "rule.unbind"]);
}

#[tokio::test]
async fn who_is_past_radgram_is_listed_and_shut_out() {
    let site = Site::start().await;
    let id = site.reached_router("office", "192.0.2.1").await;
    let name = b"mal\xfflory<b>";
    site.fleet.with(id, |known| {
        known.active = vec![active(name, "81a00001", AdmittedBy::Secret)];
        known.accounts = vec![account(Menu::Secret, name, SECRET)];
    });
    let mut browser = site.logged_in("olga").await;
    until(&mut browser, "/routers/1", "a secret on the router itself lets it in").await;
    let hex = "6d616cff6c6f72793c623e";
    browser.get("/routers/1").await.assert_page(&[hex, "mal\u{fffd}lory&#60;b&#62;"]).assert_lacks(&["<b>"]);
    browser.get("/routers").await.assert_page(&["1 connected"]);
    browser.post("/routers/1/shut-out", &[("name", "xyz")]).await.assert_redirect("/routers/1");
    browser.get("/routers/1").await.assert_page(&["Nobody is named."]);
    browser.post("/routers/1/shut-out", &[("name", hex)]).await.assert_redirect("/routers/1");
    browser.get("/routers/1").await.assert_page(&["is disabled in /ppp secret and its connection is cut."]);
    site.fleet.with(id, |known| {
        assert!(known.active.is_empty());
        assert_eq!(known.accounts[0].switch, Switch::Disabled);
    });
    browser.get("/audit").await.assert_page(&["router.shut out"]);
}

#[tokio::test]
async fn what_waits_for_a_router_is_shown_with_its_tries() {
    let site = Site::start().await;
    let id = site.reached_router("office", "192.0.2.1").await;
    let ann = site.account("ann", None).await;
    let session = site.session(ann, None).await;
    site.connection(id, ann, Some(session), "ann", "203.0.113.7").await;
    site.fleet.with(id, |known| {
        known.rules = vec![rule("*A", b"2FA ann", Switch::Enabled)];
        known.read_only = Some(ApiFault::Refused("the <flash> is full".to_owned()));
    });
    site.gate.bind_rule(&Actor::CommandLine, id, ("*A", "2FA ann"), ann).await.unwrap();
    site.gate.end_session(&Actor::CommandLine, session).await.unwrap();
    let mut browser = site.logged_in("vera").await;
    until(&mut browser, "/routers/1", "the router refuses: the &#60;flash&#62; is full</div>").await;
    browser.get("/routers/1").await.assert_page(&["rule &#34;2FA ann&#34;", "connection of ann ("]);
    browser.get("/routers/1/rules").await.assert_page(&[">on<", "pending since"]);
    browser.get("/routers").await.assert_page(&["2 pending"]);
}

#[tokio::test]
async fn each_role_sees_and_does_what_it_may() {
    let site = Site::start().await;
    let id = site.reached_router("office", "192.0.2.1").await;
    site.account("ann", None).await;
    site.fleet.with(id, |known| {
        known.rules = vec![rule("*A", b"2FA ann", Switch::Disabled)];
        known.active = vec![active(b"mallory", "81a00001", AdmittedBy::Secret)];
    });
    let mut viewer = site.logged_in("vera").await;
    until(&mut viewer, "/routers/1", "mallory").await;
    viewer.get("/routers/1").await.assert_page(&["mallory"]).assert_lacks(&[
        "Shut out",
        "Test the API",
        "/routers/1/settings",
    ]);
    viewer.get("/routers/1/rules").await.assert_page(&["2FA ann"]).assert_lacks(&["<button class=\"quiet\">Bind"]);
    for path in ["/routers/1/greet", "/routers/1/shut-out", "/routers/1/rules", "/routers/1/rules/1/unbind"] {
        viewer.post(path, &[]).await.assert_forbidden().assert_has(&["role operator"]);
    }
    let mut operator = site.logged_in("olga").await;
    operator.get("/routers/1/rules").await.assert_page(&["Bind"]);
    for path in ["/routers/1/api", "/routers/1/settings"] {
        operator.get(path).await.assert_forbidden();
        operator.post(path, &[]).await.assert_forbidden().assert_has(&["role owner"]);
    }
    for path in ["/routers/1/api/remove", "/routers/1/trust", "/routers/1/scheme", "/routers/1/remove"] {
        operator.post(path, &[]).await.assert_forbidden();
    }
    let mut stranger = site.browser();
    stranger.get("/routers/1/rules").await.assert_redirect("/log-in?next=%2Frouters%2F1%2Frules");
    stranger.headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
    stranger.post("/routers/1/shut-out", &[]).await.assert_forbidden();
    let mut owner = site.logged_in("root").await;
    for path in ["", "/rules", "/api", "/home", "/settings"] {
        owner.get(&format!("/routers/99{path}")).await.assert_status(StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_home_server_is_given_shown_and_taken_away() {
    let site = Site::start().await;
    let id = site.router("office", "192.0.2.1").await;
    let ann = site.account("ann", None).await;
    let mut browser = site.logged_in("root").await;
    let typed = |address, secret, wait| {
        [("home_address", address), ("home_secret", secret), ("home_timeout_ms", wait), ("home_demand", "require")]
    };
    browser.get("/routers/1").await.assert_page(&["office"]).assert_lacks(&["<dt>Home server"]);
    browser
        .post("/routers/1/home", &typed("router", SECRET, "1"))
        .await
        .assert_form(&["id=\"home_address-error\"", "id=\"home_timeout_ms-error\""]);
    browser.post("/routers/1/home", &typed("192.0.2.1", "", "900")).await.assert_form(&["id=\"home_secret-error\""]);
    browser.post("/routers/1/home", &typed("192.0.2.1", SECRET, "900")).await.assert_redirect("/routers/1/home");
    browser
        .get("/routers/1/home")
        .await
        .assert_page(&["value=\"192.0.2.1:1812\"", "value=\"900\"", "not asked yet", "Take the home server away"])
        .assert_lacks(&[SECRET]);
    let home = stored(&site, id).await.home.unwrap();
    assert_eq!((home.timeout, home.message_authenticator), (Duration::from_millis(900), Demand::Require));
    // Left empty, the secret stays.
    browser.post("/routers/1/home", &typed("192.0.2.1", "", "800")).await.assert_redirect("/routers/1/home");
    assert_eq!(stored(&site, id).await.home.unwrap().secret, home.secret);

    let router = stored(&site, id).await;
    for _ in 0..3 {
        site.gate.home_failed(&router, router.home.as_ref().unwrap(), HomeFault::Forged).await;
    }
    browser.get("/routers/1").await.assert_page(&["<dt>Home server", "dead", "not signed with the secret"]);
    browser.get("/").await.assert_page(&["192.0.2.1:1812", "href=\"/routers/1\""]);

    browser.post(&format!("/accounts/{ann}/user_manager"), &[]).await.assert_redirect("/accounts");
    browser.get("/accounts").await.assert_page(&["on the home server", "Password here"]);
    browser.post(&format!("/accounts/{ann}/local"), &[]).await.assert_redirect("/accounts");
    browser.get("/accounts").await.assert_page(&["Password on the home server"]);

    let mut operator = site.logged_in("olga").await;
    operator.get("/routers/1/home").await.assert_forbidden();
    for path in ["/routers/1/home", "/routers/1/home/remove"] {
        operator.post(path, &[]).await.assert_forbidden().assert_has(&["role owner"]);
    }
    browser.post("/routers/1/home/remove", &[]).await.assert_redirect("/routers/1/home");
    assert_eq!(stored(&site, id).await.home, None);
}

#[tokio::test]
async fn a_router_that_hangs_hangs_no_other_page() {
    let site = Site::start().await;
    let id = site.reached_router("office", "192.0.2.1").await;
    site.fleet.with(id, |known| known.hangs = true);
    let (mut slow, mut browser) = (site.logged_in("vera").await, site.logged_in("vera").await);
    let waiting = tokio::spawn(async move { slow.get("/routers/1/rules").await });
    for path in ["/routers", "/routers/1", "/", "/sessions"] {
        browser.get(path).await.assert_page(&["<h1>"]);
    }
    assert!(!waiting.is_finished());
    let fault = ApiFault::Unreachable("no answer within 3 s".to_owned());
    site.fleet.with(id, |known| (known.fault, known.hangs) = (Some(fault), false));
    waiting.await.unwrap().assert_page(&["out of reach: no answer within 3 s"]);
}

fn finding(id: &str, gravity: Gravity, what: &str, fix: Vec<Command>) -> Finding {
    let why = "It <matters>.".to_owned();
    Finding { id: id.to_owned(), gravity, what: what.to_owned(), why, fix }
}

fn set_aaa() -> Command {
    Command::new("/ppp/aaa", Verb::Set).with("use-radius", "yes")
}

fn report() -> Report {
    let secret = Command::new("/radius", Verb::Set).with_secret("secret", "radiusSecret", &Secret::new(""));
    let known = Command::new("/radius", Verb::Add).with_secret("secret", "radiusSecret", &Secret::new(SECRET));
    Report {
        passed: vec!["the <clock> is right".to_owned()],
        findings: vec![
            finding("aaa", Gravity::Grave, "PPP does not ask RADIUS.", vec![set_aaa()]),
            finding("shadow:<b>ann</b>", Gravity::Grave, "A secret \u{202e}<b>ann</b>.", vec![known]),
            finding("secret", Gravity::Warning, "Another secret.", vec![secret]),
            finding("old", Gravity::Note, "An old version.", Vec::new()),
        ],
    }
}

#[tokio::test]
async fn the_doctor_shows_what_mends_and_runs_what_was_read() {
    let site = Site::start().await;
    let id = site.reached_router("office", "192.0.2.1").await;
    site.fleet.with(id, |known| known.report = report());
    let mut browser = site.logged_in("root").await;
    let mend = "/routers/1/doctor/mend";
    browser.get("/routers/1/doctor").await.assert_page(&["Not examined since radgram was started"]);
    browser.post(mend, &[("finding", "aaa")]).await.assert_redirect("/routers/1/doctor");
    browser.get("/routers/1/doctor").await.assert_page(&["Examine the router first."]);
    browser.post("/routers/1/doctor", &[("server", "x<y")]).await.assert_form(&["expected an address", "x&#60;y"]);
    browser.post("/routers/1/doctor", &[("server", "198.51.100.2")]).await.assert_redirect("/routers/1/doctor");
    browser
        .get("/routers/1/doctor")
        .await
        .assert_page(&[
            "Examined: 4 findings.",
            "/ppp aaa set use-radius=yes",
            "secret=$radiusSecret",
            "PASTE-THE-SECRET",
            "Type it on the router",
            "Only a person can mend this.",
            "It &#60;matters&#62;.",
            "1 check passed",
        ])
        .assert_lacks(&["<b>ann", "\u{202e}"]);
    browser.post(mend, &[("finding", "secret"), ("finding", "old")]).await.assert_redirect("/routers/1/doctor");
    browser.get("/routers/1/doctor").await.assert_page(&["Tick what is to be mended."]);
    let at = site.clock.now().millis().to_string();
    let shown = "shadow:<b>ann</b>";
    browser
        .post(mend, &[("finding", "aaa"), ("finding", shown)])
        .await
        .assert_page(&["Run these commands on office?", "/ppp aaa set use-radius=yes", &at])
        .assert_lacks(&["An old version"]);
    let chosen = |at| [("finding", "aaa"), ("finding", shown), ("at", at)];
    browser.post(mend, &chosen("17")).await.assert_redirect("/routers/1/doctor");
    browser.get("/routers/1/doctor").await.assert_page(&["examined again meanwhile"]);
    assert!(site.fleet.with(id, |known| known.ran.is_empty()), "nothing is run before it was read");
    // By now one of them would be mended otherwise.
    site.fleet.with(id, |known| known.report.findings[1].fix = vec![set_aaa()]);
    browser.post(mend, &chosen(&at)).await.assert_redirect("/routers/1/doctor");
    browser
        .get("/routers/1/doctor")
        .await
        .assert_page(&["1 of 2 repairs are done. Not done: shadow:", "others by now"]);
    assert_eq!(site.fleet.with(id, |known| known.ran.clone()), ["/ppp aaa set use-radius=yes"]);
    browser.get("/audit").await.assert_page(&["router.mend"]);
}

#[tokio::test]
async fn thousands_of_findings_make_no_endless_page() {
    let site = Site::start().await;
    let id = site.reached_router("office", "192.0.2.1").await;
    let shadow = |number| finding(&format!("shadow:{number}"), Gravity::Grave, "A secret.", vec![set_aaa()]);
    let findings = (0..5_000).map(shadow).collect();
    site.fleet.with(id, |known| known.report = Report { passed: Vec::new(), findings });
    let mut browser = site.logged_in("root").await;
    browser.post("/routers/1/doctor", &[]).await.assert_redirect("/routers/1/doctor");
    browser
        .get("/routers/1/doctor")
        .await
        .assert_page(&["5000 findings", "shadow:199\"", "… and 4800 more", "?verdict=both_shadowing"])
        .assert_lacks(&["shadow:200\""]);
}

#[tokio::test]
async fn a_router_that_cannot_be_examined_says_why() {
    let site = Site::start().await;
    let id = site.reached_router("office", "192.0.2.1").await;
    let fault = ApiFault::Unreachable("no route".to_owned());
    site.fleet.with(id, |known| known.fault = Some(fault));
    let mut browser = site.logged_in("vera").await;
    browser.post("/routers/1/doctor", &[]).await.assert_redirect("/routers/1/doctor");
    browser.get("/routers/1/doctor").await.assert_page(&[
        "out of reach: no route",
        "Last examined",
        "/ip service print",
    ]);
    browser.post("/routers/1/doctor/mend", &[]).await.assert_forbidden();
}

#[tokio::test]
async fn a_script_is_read_downloaded_and_run() {
    let site = Site::start().await;
    site.router("plain", "192.0.2.9").await;
    let mut browser = site.logged_in("root").await;
    browser.get("/routers/1/script").await.assert_page(&["give our address as it reaches it"]).assert_lacks(&["<pre"]);
    browser.get("/routers/1/radgram.rsc").await.assert_redirect("/routers/1/script");
    let asked = "version=6&server=198.51.100.2";
    browser
        .get(&format!("/routers/1/script?{asked}"))
        .await
        .assert_page(&[
            "for RouterOS 6.49",
            "address=198.51.100.2",
            "secret=$radiusSecret",
            "PASTE-THE-SECRET",
            "?version=6",
        ])
        .assert_lacks(&["Run it over the API"]);
    let file =
        browser.get(&format!("/routers/1/radgram.rsc?{asked}")).await.assert_page(&["/ppp aaa set use-radius=yes"]);
    assert_eq!(file.headers["content-disposition"], "attachment; filename=\"radgram.rsc\"");
    assert!(file.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    let id = site.reached_router("office", "192.0.2.1").await;
    browser.get("/routers/2/script").await.assert_page(&[
        "for RouterOS 7",
        "value=\"198.51.100.2\"",
        "Run it over the API",
    ]);
    browser.post("/routers/2/script", &[]).await.assert_page(&["Run this on office over the API?", "use-radius=yes"]);
    assert!(site.fleet.with(id, |known| known.ran.is_empty()));
    site.fleet.with(id, |known| known.refuses = Some("/ppp aaa set use-radius=yes".to_owned()));
    browser.post("/routers/2/script", &[("sure", "yes")]).await.assert_redirect("/routers/2/script");
    browser.get("/routers/2/script").await.assert_page(&["not enough permissions (9). What stood before it is done"]);
    site.fleet.with(id, |known| known.refuses = None);
    browser.post("/routers/2/script", &[("sure", "yes")]).await.assert_redirect("/routers/2/doctor");
    browser.get("/routers/2/doctor").await.assert_page(&["The script has run.", "Nothing to be mended"]);
    let mut operator = site.logged_in("olga").await;
    operator.post("/routers/2/script", &[]).await.assert_forbidden();
    operator.get("/routers/2/script").await.assert_page(&["use-radius"]).assert_lacks(&["Run it over the API"]);
}

#[tokio::test]
async fn a_certificate_is_given_compared_shown_and_taken_away() {
    let site = Site::start().await;
    let id = site.router("office", "192.0.2.1").await;
    let mut browser = site.logged_in("root").await;
    let typed = |by, radsec| [("by", by), ("radsec", radsec)];
    browser.get("/routers/1").await.assert_page(&["office"]).assert_lacks(&["<dt>RadSec"]);
    browser.get("/routers/1/radsec").await.assert_page(&["does not listen for it"]);
    browser.post("/routers/1/radsec", &typed("name", " ")).await.assert_form(&["id=\"radsec-error\""]);
    browser.post("/routers/1/radsec", &typed("fingerprint", "office")).await.assert_form(&["64 hex digits"]);
    browser.post("/routers/1/radsec", &typed("name", "Office")).await.assert_redirect("/routers/1/radsec");
    assert_eq!(stored(&site, id).await.radsec, Some(KnownBy::Name("office".to_owned())));
    browser.get("/routers/1").await.assert_page(&["<dt>RadSec", "name office", "not connected"]);

    // A caller of the authority can be taken, one whose handshake failed cannot.
    let shown = |byte: u8| Certificate { fingerprint: Fingerprint([byte; 32]), names: vec![HOSTILE.to_lowercase()] };
    let from = "203.0.113.9".parse().unwrap();
    site.gate.note_radsec_stranger(from, Some(shown(0xab)), Refusal::NoRouter(NoRouter::Unknown));
    site.gate.note_radsec_stranger(from, Some(shown(0xcd)), Refusal::Handshake("unknown issuer".to_owned()));
    let clean = one_line(&HOSTILE.to_lowercase()).replace('<', "&#60;").replace('>', "&#62;");
    browser
        .get("/routers")
        .await
        .assert_page(&["Callers over TLS that are not taken", "unknown issuer", "abababab", "cdcdcdcd", &clean])
        .assert_lacks(&["<script>alert(1)"]);
    browser
        .get("/routers/1/radsec")
        .await
        .assert_page(&["This is office", &"ab".repeat(32)])
        .assert_lacks(&["cdcdcdcd", "<script>alert(1)"]);
    let print = "ab".repeat(32);
    browser.post("/routers/1/radsec/trust", &[("fingerprint", &*print)]).await.assert_redirect("/routers/1/radsec");
    assert_eq!(stored(&site, id).await.radsec, Some(KnownBy::Fingerprint(Fingerprint([0xab; 32]))));

    // It calls, and something goes wrong.
    let open = site.gate.radsec_opened(id, "203.0.113.9:40000".parse().unwrap(), &shown(0xab));
    site.gate.note_radsec_trouble(id, from, "half a packet");
    browser.get("/routers/1").await.assert_page(&["connected", "203.0.113.9:40000", "half a packet", &print]);
    browser.get("/routers").await.assert_page(&["cdcdcdcd"]).assert_lacks(&["abababab"]);
    drop(open);
    browser.post("/routers/1/radsec/remove", &[]).await.assert_redirect("/routers/1/radsec");
    assert_eq!(stored(&site, id).await.radsec, None);

    let mut viewer = site.logged_in("vera").await;
    viewer.get("/routers/1/radsec").await.assert_forbidden();
    viewer.post("/routers/1/radsec/trust", &[("fingerprint", &*print)]).await.assert_forbidden();
}

#[tokio::test]
async fn what_is_peculiar_to_a_router_is_set_on_its_own_page() {
    let site = Site::start().await;
    site.router("office", "192.0.2.1").await;
    let mut browser = site.logged_in("root").await;
    browser.get("/routers/1/habits").await.assert_page(&["coa_session_timeout", "For all routers: off.", "services"]);
    let set = browser.post("/routers/1/habits/coa_session_timeout", &[("value", "from_now")]).await;
    set.assert_redirect("/routers/1/habits#coa_session_timeout");
    browser.get("/routers/1/habits").await.assert_page(&["Its own: from_now", "As for all routers"]);
    let wrong = browser.post("/routers/1/habits/hold_seconds", &[("value", "999")]).await;
    wrong.assert_form(&["value=\"999\"", "expected a whole number of seconds from 1 to 170"]);
    let cleared = browser.post("/routers/1/habits/coa_session_timeout/clear", &[]).await;
    cleared.assert_redirect("/routers/1/habits#coa_session_timeout");
    browser.get("/routers/1/habits").await.assert_page(&["is as for all routers again"]).assert_lacks(&["Its own"]);
    // Of a setting that is not a router's, nothing.
    assert_eq!(browser.post("/routers/1/habits/session_hours", &[("value", "8")]).await.status, StatusCode::NOT_FOUND);
    let mut viewer = site.logged_in("vera").await;
    viewer.get("/routers/1/habits").await.assert_page(&["coa_session_timeout"]).assert_lacks(&["<button>Save"]);
    viewer.post("/routers/1/habits/coa_session_timeout", &[("value", "off")]).await.assert_forbidden();
}

#[tokio::test]
async fn what_is_known_of_boxes_is_shown_and_forgotten_and_signing_is_required() {
    let site = Site::start().await;
    let id = site.router("office", "192.0.2.1").await;
    let mut browser = site.logged_in("root").await;
    let mut tx = site.store.begin().await.unwrap();
    let key = radgram::domain::router::NasKey {
        router: id,
        address: "192.0.2.1".parse().unwrap(),
        identifier: HOSTILE.to_owned(),
    };
    let nas = tx.nas(&key, site.clock.now()).await.unwrap().id;
    tx.commit(site.clock.now()).await.unwrap();
    browser.get("/routers/1").await.assert_page(&["not seen yet"]).assert_lacks(&["Require signed requests"]);
    browser.post("/routers/1/require", &[]).await.assert_redirect("/routers/1");
    browser.get("/routers/1").await.assert_page(&["Not every box of the router was seen to sign"]);
    let learn = async || {
        let mut tx = site.store.begin().await.unwrap();
        tx.mark_signs(nas, site.clock.now()).await.unwrap();
        tx.commit(site.clock.now()).await.unwrap();
    };
    learn().await;
    browser
        .get("/routers/1")
        .await
        .assert_page(&["Require signed requests", "Forget that it signs"])
        .assert_lacks(&["<script"]);
    let forget = format!("/routers/1/boxes/{nas}/forget");
    site.logged_in("olga").await.post(&forget, &[]).await.assert_forbidden();
    browser.post(&forget, &[]).await.assert_redirect("/routers/1#boxes");
    browser.get("/routers/1").await.assert_page(&["not seen yet", "Forgotten"]);
    learn().await;
    browser.post("/routers/1/require", &[]).await.assert_redirect("/routers/1");
    assert_eq!(stored(&site, id).await.message_authenticator, Demand::Require);
    browser
        .get("/routers/1")
        .await
        .assert_page(&["required from now on"])
        .assert_lacks(&["Require signed requests", "BlastRADIUS"]);
    let audit = browser.get("/audit").await;
    audit.assert_page(&["forget signs", "message_authenticator = require"]);

    let mut form =
        vec![("name", "office"), ("address", "192.0.2.1"), ("coa_port", "3799"), ("message_authenticator", "off")];
    browser.post("/routers/1/settings", &form).await.assert_redirect("/routers/1");
    browser.get("/routers/1").await.assert_page(&["BlastRADIUS", "require-message-auth=yes-for-request-resp"]);

    // Another secret, and the old one beside it for a while.
    form.push(("keep_old", "24"));
    browser
        .post("/routers/1/settings", &form)
        .await
        .assert_form(&["to keep the old secret for a while, type the new one"]);
    form.push(("secret", "another-secret"));
    browser.post("/routers/1/settings", &form).await.assert_redirect("/routers/1");
    let page = browser.get("/routers/1").await;
    let page =
        page.assert_page(&["Its secret is being changed", "Not yet seen with the new one", "the old one</span>"]);
    page.assert_lacks(&[SECRET, "another-secret"]);
    let router = stored(&site, id).await;
    assert_eq!(router.old_secret.map(|old| old.secret), Some(Secret::new(SECRET)));
    browser.post("/routers/1/old-secret/drop", &[]).await.assert_redirect("/routers/1");
    browser.get("/routers/1").await.assert_page(&["not taken any more"]).assert_lacks(&["Its secret is being changed"]);
    assert_eq!(stored(&site, id).await.old_secret, None);
}

#[tokio::test]
async fn routers_behind_one_address_have_names() {
    let site = Site::start().await;
    site.router("office", "192.0.2.1").await;
    let mut browser = site.logged_in("root").await;
    let branch = |identifier| {
        [
            ("name", "branch"),
            ("address", "192.0.2.1"),
            ("nas_identifier", identifier),
            ("secret", SECRET),
            ("coa_port", "3799"),
            ("message_authenticator", "auto"),
        ]
    };
    browser.post("/routers", &branch("")).await.assert_form(&["told apart by their NAS-Identifier"]);
    browser.post("/routers", &branch("branch-7")).await.assert_redirect("/routers/2/script");
    browser.get("/routers").await.assert_page(&["192.0.2.1 as branch-7"]);
    browser.get("/routers/2/settings").await.assert_page(&["value=\"branch-7\""]);
}

#[tokio::test]
async fn running_connections_are_told_and_what_the_router_says_is_shown() {
    let site = Site::start().await;
    let id = site.router("office", "192.0.2.1").await;
    let account = site.account("ann", None).await;
    let mut browser = site.logged_in("olga").await;
    browser.post("/routers/1/apply", &[]).await.assert_redirect("/routers/1/attributes");
    browser.get("/routers/1/attributes").await.assert_page(&["No connection runs there"]);
    let session = site.session(account, None).await;
    site.connection(id, account, Some(session), "ann", "203.0.113.7").await;
    browser.post("/connections/1/apply", &[]).await.assert_redirect("/sessions");
    browser.get("/sessions").await.assert_page(&["Change of attributes: pending"]);
    let order = site.store.reader().orders().await.unwrap().remove(0);
    let mut tx = site.store.begin().await.unwrap();
    let outcome = "refused with Error-Cause 401 (unsupported attribute)";
    let refused = radgram::domain::order::OrderState::Refused;
    assert!(tx.finish_order(&order, refused, outcome, site.clock.now()).await.unwrap());
    tx.set_runs_until(order.connection, site.clock.now() + Duration::from_secs(3600)).await.unwrap();
    tx.commit(site.clock.now()).await.unwrap();
    browser.get("/sessions").await.assert_page(&[
        outcome,
        "<small class=\"error\">Change of attributes",
        "router hangs up",
    ]);
    browser.post("/routers/1/apply", &[]).await.assert_redirect("/routers/1/attributes");
    browser.get("/routers/1/attributes").await.assert_page(&["One running connection is being changed"]);
    browser.post("/accounts/1/attributes/apply", &[]).await.assert_redirect("/accounts/1");
    browser
        .get("/accounts/1")
        .await
        .assert_page(&["One running connection is being changed", "Apply to running connections"]);
    site.logged_in("vera").await.post("/connections/1/apply", &[]).await.assert_forbidden();
}
