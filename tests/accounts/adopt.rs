//! Adoption: what the router has is here, sealed, before it goes there.

use std::sync::Mutex;

use radgram::domain::account::{Source, Switch};
use radgram::domain::attribute::Subject;
use radgram::domain::credential::Credential;
use radgram::domain::policy::Values;
use radgram::domain::router::Scheme;
use radgram::domain::setting::Level;
use radgram::domain::want::{Thing, WantedState};
use radgram::gate::bulk::{BulkLine, Outcome, Progress, Run};
use radgram::gate::router_api::{ApiFault, Menu};
use radgram::gate::{Adoption, Afterwards, Refused};
use radgram::secret::Secret;
use radgram::store::entry::Entry;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::shop::{ADMIN, Shop};
use super::{PASSWORD, adoption, all, said, why};

async fn adopt(shop: &Shop, adoption: &Adoption) -> Vec<BulkLine> {
    shop.gate.adopt_accounts(&ADMIN, shop.office, adoption, &|_| ()).await.unwrap()
}

async fn wants(shop: &Shop) -> Vec<(Thing, WantedState)> {
    let wants = shop.store.reader().wants_of_router(shop.office).await.unwrap();
    wants.into_iter().map(|want| (want.thing, want.state)).collect()
}

async fn settings(shop: &Shop) -> Values {
    shop.store.reader().settings().await.unwrap()
}

fn attributes(entry: &Entry) -> Vec<String> {
    entry.attributes.iter().map(|one| format!("{}={}", one.name(), one.value())).collect()
}

#[track_caller]
fn has_password(entry: &Entry, expected: &str) {
    let Credential::Password { password, .. } = &entry.credential else { panic!("no password is kept") };
    assert_eq!(*password, Secret::new(expected));
}

#[tokio::test]
async fn a_secret_is_all_here_and_is_then_to_be_removed_there() {
    let shop = Shop::open().await;
    let properties = [
        ("profile", "staff"),
        ("remote-address", "10.8.0.77"),
        ("caller-id", "203.0.113.7"),
        ("service", "l2tp"),
        ("limit-bytes-in", "5000000000"),
    ];
    shop.api.secret("Ann", PASSWORD, &properties);
    shop.api.alter("Ann", |account| account.comment = b"Ann Lee,\r\nroom 5 \xff".to_vec());
    let lines = adopt(&shop, &adoption(&["Ann"], Afterwards::Removed)).await;
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(line.outcome, Outcome::Done);
    let carried = [
        "Mikrotik-Recv-Limit = 705032704",
        "Mikrotik-Recv-Limit-Gigawords = 1",
        "Mikrotik-Group = staff",
        "Framed-IP-Address = 10.8.0.77",
        "source_networks = 203.0.113.7",
    ];
    assert_eq!(line.carried, carried);
    assert!(line.notes.iter().any(|note| note.contains("service l2tp is not carried over")), "{line:?}");

    let entry = shop.entry("ann").await.unwrap();
    has_password(&entry, PASSWORD);
    assert_eq!((entry.account.name.as_str(), entry.account.source, entry.account.user), ("Ann", Source::Adopted, None));
    assert_eq!(attributes(&entry).len(), 4);
    assert_eq!(settings(&shop).await.at("source_networks", Level::Account(entry.account.id.0)), Some("203.0.113.7"));
    let kept = shop.store.reader().every_account().await.unwrap();
    assert_eq!(kept[0].comment, "Ann Lee,  room 5 \u{fffd}");
    assert_eq!(
        wants(&shop).await,
        [(Thing::Secret("Ann".to_owned()), WantedState::Removed)],
        "as the router writes it"
    );
    assert!(shop.api.calls().is_empty(), "the worker does what is wanted, not the adoption");

    let audit = shop.audit().await;
    let last: Vec<(&str, &str)> =
        audit.iter().rev().take(2).map(|(verb, detail)| (verb.as_str(), detail.as_str())).collect();
    assert_eq!(last[0], ("router.adopt", "office: 1 of 1 adopted from secret, then removed"));
    assert_eq!(last[1], ("account.adopt", "Ann from secret of office"));
    assert!(!format!("{lines:?} {audit:?}").contains(PASSWORD));
}

#[tokio::test]
async fn renamed_is_wanted_so_and_kept_is_an_alarm() {
    let shop = Shop::open().await;
    for name in ["ann", "bob", "cid"] {
        shop.api.secret(name, PASSWORD, &[]);
    }
    adopt(&shop, &adoption(&["ann"], Afterwards::Renamed)).await;
    assert_eq!(wants(&shop).await, [(Thing::Secret("ann".to_owned()), WantedState::Retired)]);
    let lines = adopt(&shop, &adoption(&["bob", "cid"], Afterwards::Kept)).await;
    assert!(lines.iter().all(|line| line.notes.iter().any(|note| note.contains("bypasses radgram"))), "{lines:?}");
    assert_eq!(wants(&shop).await.len(), 1, "nothing is wanted of what is kept");
    let alarms = shop.store.reader().alarms().await.unwrap();
    assert_eq!((alarms.len(), alarms[0].kind.as_str(), alarms[0].count), (1, "kept_on_router", 2));
    assert!(alarms[0].text.contains("cid"), "{}", alarms[0].text);
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_changes_nothing() {
    let shop = Shop::open().await;
    shop.api.secret(
        "ann",
        PASSWORD,
        &[("profile", "staff"), ("caller-id", "203.0.113.7"), ("local-address", "10.0.0.1")],
    );
    shop.api.secret("bob", "", &[]);
    shop.api.secret("cid", PASSWORD, &[("profile", "staff")]);
    shop.gate.add_account(&ADMIN, "cid", None, None).await.unwrap();
    shop.gate.add_account(&ADMIN, "dan", None, Some(Secret::new("own"))).await.unwrap();
    shop.api.secret("Dan", PASSWORD, &[]);
    shop.api.secret("eve", PASSWORD, &[]);
    shop.api.secret("Eve", PASSWORD, &[]);
    for afterwards in [Afterwards::Kept, Afterwards::Removed] {
        let before = (shop.audit().await, wants(&shop).await, shop.store.reader().last_change().await.unwrap());
        let dry = adopt(&shop, &Adoption { run: Run::Dry, ..all(afterwards) }).await;
        let after = (shop.audit().await, wants(&shop).await, shop.store.reader().last_change().await.unwrap());
        assert_eq!(before, after);
        assert!(shop.account("ann").await.is_none());
        assert_eq!(shop.entry("cid").await.unwrap().credential, Credential::None);
        assert!(shop.store.reader().alarms().await.unwrap().is_empty());
        if afterwards == Afterwards::Removed {
            let real = adopt(&shop, &all(afterwards)).await;
            assert_eq!(real, dry);
            let expected = ["ann done", "bob refused", "cid done", "Dan refused", "eve refused", "Eve refused"];
            assert_eq!(said(&real), expected);
        }
    }
}

#[tokio::test]
async fn a_password_that_cannot_be_had_says_what_to_do() {
    let shop = Shop::open().await;
    shop.api.secret("empty", "", &[]);
    shop.api.secret("long", &"x".repeat(129), &[]);
    assert!(why(&adopt(&shop, &adoption(&["empty"], Afterwards::Removed)).await).contains("no password on the router"));
    assert!(why(&adopt(&shop, &adoption(&["long"], Afterwards::Removed)).await).contains("longer than 128 bytes"));
    shop.api.hide_passwords();
    let lines = adopt(&shop, &adoption(&["long"], Afterwards::Removed)).await;
    assert!(why(&lines).contains("policy sensitive") && why(&lines).contains("set its password"), "{lines:?}");
    assert!(wants(&shop).await.is_empty() && shop.account("long").await.is_none());
}

#[tokio::test]
async fn an_account_that_is_here_is_completed_only_if_it_has_no_password() {
    let shop = Shop::open().await;
    for name in ["ann", "bob"] {
        let properties = [("profile", "staff"), ("remote-address", "10.8.0.5"), ("caller-id", "203.0.113.7")];
        shop.api.secret(name, PASSWORD, &properties);
    }
    let ann = shop.gate.add_account(&ADMIN, "Ann", None, None).await.unwrap();
    let own = [("Mikrotik-Group".to_owned(), "boss".to_owned())];
    shop.gate.set_attributes(&ADMIN, Subject::Account(ann), &own).await.unwrap();
    shop.gate.set_setting(&ADMIN, "source_networks", Level::Account(ann.0), "198.51.100.0/24").await.unwrap();
    shop.gate.add_account(&ADMIN, "bob", None, Some(Secret::new("own"))).await.unwrap();

    let lines = adopt(&shop, &adoption(&["ann"], Afterwards::Removed)).await;
    assert_eq!(said(&lines), ["ann done"]);
    let notes = lines[0].notes.join("\n");
    assert!(notes.contains("Mikrotik-Group = boss") && notes.contains("198.51.100.0/24 was set here"), "{notes}");
    let entry = shop.entry("ann").await.unwrap();
    has_password(&entry, PASSWORD);
    assert_eq!((entry.account.id, entry.account.source), (ann, Source::Adopted));
    assert_eq!(attributes(&entry), ["Mikrotik-Group=boss", "Framed-IP-Address=10.8.0.5"], "what was set here wins");
    assert_eq!(settings(&shop).await.at("source_networks", Level::Account(ann.0)), Some("198.51.100.0/24"));

    assert!(why(&adopt(&shop, &adoption(&["bob"], Afterwards::Removed)).await).contains("password of its own"));
    has_password(&shop.entry("bob").await.unwrap(), "own");
    assert!(why(&adopt(&shop, &adoption(&["ann"], Afterwards::Removed)).await).contains("adopted already"));
    assert_eq!(wants(&shop).await.len(), 1);
}

#[tokio::test]
async fn names_are_taken_only_where_it_is_clear_which_is_meant() {
    let shop = Shop::open().await;
    for name in ["Ann", "eve", "EVE", "Жанна", "blank "] {
        shop.api.secret(name, PASSWORD, &[]);
    }
    shop.api.keep(Menu::Secret, b"\xc8\xe2\xe0\xed", PASSWORD, &[]);
    let named = ["ann", "ANN", "eve", "EVE", "жАННА", "nobody", "blank "];
    let lines = adopt(&shop, &adoption(&named, Afterwards::Removed)).await;
    let expected = ["Ann done", "eve refused", "Жанна done", "nobody refused", "blank  refused"];
    assert_eq!(said(&lines), expected, "the router's Ann is the only one that can be meant");
    assert!(lines[1].outcome.why().contains("2 accounts whose names differ by the case"), "{lines:?}");
    assert!(lines[3].outcome.why().contains("no such account"));
    assert!(lines[4].outcome.why().contains("blank"));
    assert_eq!(wants(&shop).await.len(), 2);

    let lines = adopt(&shop, &all(Afterwards::Removed)).await;
    assert_eq!(lines.len(), 6);
    assert!(lines[5].outcome.why().contains("not UTF-8"), "{lines:?}");
    assert!(lines[1].outcome.why().contains("differ") && lines[2].outcome.why().contains("differ"), "both are refused");
}

#[tokio::test]
async fn all_means_all_but_what_was_taken_over_and_each_is_told() {
    let shop = Shop::open().await;
    shop.api.secret("ann", PASSWORD, &[]);
    shop.api.secret("radgram-old", PASSWORD, &[]);
    shop.api.alter("radgram-old", |account| account.switch = Switch::Disabled);
    shop.api.secret("radgram-live", PASSWORD, &[]);
    shop.api.secret("off", PASSWORD, &[]);
    shop.api.alter("off", |account| account.switch = Switch::Disabled);
    let told = Mutex::new(Vec::new());
    let progress = |progress: Progress| told.lock().unwrap().push((progress.done, progress.total));
    let lines = shop.gate.adopt_accounts(&ADMIN, shop.office, &all(Afterwards::Removed), &progress).await.unwrap();
    assert_eq!(said(&lines), ["ann done", "radgram-live done", "off done"]);
    assert_eq!(*told.lock().unwrap(), [(1, 3), (2, 3), (3, 3)]);
    assert_eq!(shop.entry("off").await.unwrap().account.switch, Switch::Disabled);
    assert_eq!(shop.entry("ann").await.unwrap().account.switch, Switch::Enabled);
}

#[tokio::test]
async fn a_router_that_decides_by_its_own_accounts_keeps_them() {
    let shop = Shop::open().await;
    shop.decide_by(Scheme::Api).await;
    shop.api.secret("ann", PASSWORD, &[]);
    for afterwards in [Afterwards::Removed, Afterwards::Renamed] {
        let refused = shop.gate.adopt_accounts(&ADMIN, shop.office, &all(afterwards), &|_| ()).await;
        assert!(matches!(refused, Err(Refused::Field { field: "afterwards", .. })), "{refused:?}");
    }
    let lines = adopt(&shop, &all(Afterwards::Kept)).await;
    assert_eq!((said(&lines), lines[0].notes.len()), (vec!["ann done".to_owned()], 0));
    assert!(shop.store.reader().alarms().await.unwrap().is_empty(), "radgram rules what is kept there");
}

#[tokio::test]
async fn users_of_the_user_manager_are_adopted_with_their_attributes() {
    let shop = Shop::open().await;
    let properties = [
        ("attributes", "Framed-IP-Address:10.8.0.9,Mikrotik-Rate-Limit:10M/20M,Session-Timeout:60"),
        ("shared-users", "unlimited"),
        ("otp-secret", "JBSWY3DPEHPK3PXP"),
    ];
    shop.api.keep(Menu::UserManager, "ann", PASSWORD, &properties);
    let from = Adoption { menu: Menu::UserManager, ..all(Afterwards::Removed) };
    let lines = adopt(&shop, &from).await;
    assert_eq!(said(&lines), ["ann done"]);
    assert!(!format!("{lines:?}").contains("JBSWY3DPEHPK3PXP"));
    assert!(lines[0].notes.iter().any(|note| note.starts_with("Session-Timeout is not carried over")), "{lines:?}");
    let entry = shop.entry("ann").await.unwrap();
    assert_eq!(attributes(&entry), ["Framed-IP-Address=10.8.0.9", "Mikrotik-Rate-Limit=10M/20M"]);
    let policy = settings(&shop).await.policy(&[Level::System, Level::Account(entry.account.id.0)]).unwrap();
    assert_eq!(policy.connections, None);
    assert_eq!(wants(&shop).await, [(Thing::UserManager("ann".to_owned()), WantedState::Removed)]);
}

#[tokio::test]
async fn what_concerns_the_whole_router_is_said_at_once() {
    let shop = Shop::open().await;
    shop.api.cannot_read(Menu::UserManager, ApiFault::NoMenu("/user-manager/user".to_owned()));
    let from = Adoption { menu: Menu::UserManager, ..all(Afterwards::Removed) };
    let refused = shop.gate.adopt_accounts(&ADMIN, shop.office, &from, &|_| ()).await;
    assert!(matches!(refused, Err(Refused::Router(ApiFault::NoMenu(_)))));
    let nowhere = radgram::domain::id::RouterId(999);
    let refused = shop.gate.adopt_accounts(&ADMIN, nowhere, &all(Afterwards::Removed), &|_| ()).await;
    assert!(matches!(refused, Err(Refused::NotFound(_))));
}

#[tokio::test]
async fn too_many_routes_refuse_that_name_alone() {
    let shop = Shop::open().await;
    let routes: Vec<String> = (0..80).map(|n| format!("10.{n}.0.0/24")).collect();
    shop.api.secret("ann", PASSWORD, &[("routes", &routes.join(","))]);
    shop.api.secret("bob", PASSWORD, &[("routes", &routes[..20].join(","))]);
    let lines = adopt(&shop, &all(Afterwards::Removed)).await;
    assert_eq!(said(&lines), ["ann refused", "bob done"]);
    assert!(lines[0].outcome.why().contains("at most 1024"), "{lines:?}");
    assert!(shop.account("ann").await.is_none() && wants(&shop).await.len() == 1);
}

#[tokio::test]
async fn an_account_and_what_is_wanted_for_it_are_one_transaction() {
    let shop = Shop::open().await;
    shop.api.secret("ann", PASSWORD, &[("profile", "staff"), ("caller-id", "203.0.113.7")]);
    shop.api.secret("bob", PASSWORD, &[]);
    let raw = shop.raw().await;
    let fails = "create trigger fails before insert on wants begin select raise(abort, 'no wants today'); end";
    sqlx::query(fails).execute(&raw).await.unwrap();
    let lines = adopt(&shop, &all(Afterwards::Removed)).await;
    assert_eq!(said(&lines), ["ann not_tried", "bob not_tried"]);
    assert!(lines[1].outcome.why().contains("the database did not answer"), "{lines:?}");
    assert!(shop.account("ann").await.is_none() && shop.store.reader().account_attributes().await.unwrap().is_empty());
    assert!(settings(&shop).await.levels().all(|level| level == Level::System));

    sqlx::query("drop trigger fails").execute(&raw).await.unwrap();
    assert_eq!(said(&adopt(&shop, &all(Afterwards::Removed)).await), ["ann done", "bob done"]);
    assert_eq!(wants(&shop).await.len(), 2);
}

#[tokio::test]
async fn what_radgram_itself_keeps_disabled_is_not_disabled_by_the_admin() {
    // Switched to RADIUS since, or not yet.
    for scheme in [Scheme::Radius, Scheme::Api] {
        let shop = Shop::open().await;
        let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
        let _stop = cancel.clone().drop_guard();
        shop.gate.start(&tracker, &cancel);
        shop.decide_by(Scheme::Api).await;
        let is_known = || {
            let routers = shop.gate.directory().routers();
            routers.router(shop.office).is_some_and(|router| router.scheme == Scheme::Api)
        };
        shop.until("who decides is known", is_known).await;
        shop.gate.add_account(&ADMIN, "ann", None, None).await.unwrap();
        assert!(wants(&shop).await.contains(&(Thing::Secret("ann".to_owned()), WantedState::Off)));
        shop.api.secret("ann", PASSWORD, &[]);
        shop.api.secret("bob", PASSWORD, &[]);
        for name in ["ann", "bob"] {
            shop.api.alter(name, |account| account.switch = Switch::Disabled);
        }
        shop.decide_by(scheme).await;
        adopt(&shop, &adoption(&["ann", "bob"], Afterwards::Kept)).await;
        assert_eq!(shop.entry("ann").await.unwrap().account.switch, Switch::Enabled, "{scheme:?}");
        assert_eq!(shop.entry("bob").await.unwrap().account.switch, Switch::Disabled, "{scheme:?}");
    }
}
